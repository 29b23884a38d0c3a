#!/bin/sh
# time limit: 300
# Certificates: what is made is believed by openssl(1) and by the real servers; no key
# is in the clear in anything that is written to a disk meanwhile; and of a leaf that
# ends in five days the board, the exit code, the metrics and the console say the same.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

pki=$tmp/pki
sock=$tmp/tmux.sock

# shellcheck disable=SC2317  # called by the trap
leave() {
	tmux -S "$sock" kill-server >/dev/null 2>&1
	end_box
}
trap leave EXIT

# write_fleet [MORE-CERTS MORE-ENDPOINTS UNIT]: files with further lines of each, and a further unit
write_fleet() {
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pw: { file: $tmp/pw }, pass: { fd: 5 } }
units: { all: { host: box, run: "true", restarts: [] }${3-} }
certs:
  internal: { serves: [pg, bouncer], dir: $box/tls/internal, ca-dir: $pki/internal, passphrase: pass, lands: activation, key: { owner: "$user" } }
  strong: { profile: rsa-4096, serves: [redis], dir: $box/tls/strong, ca-dir: $pki/strong, passphrase: pass, lands: activation, key: { owner: "$user" } }
$(cat "${1:-/dev/null}")
endpoints:
  pg: { kind: postgres, unit: all, listen: { both: $port, at: 127.0.0.1 }, names: [localhost, db.internal, 127.0.0.1],
    probe: { user: belay_probe, database: postgres }, accept: { both: { file: $box/env, set: { A: b } } } }
  bouncer: { kind: pgbouncer, unit: all, listen: { both: $bport, at: 127.0.0.1 }, names: [localhost, 127.0.0.1], probe: { user: belay_probe } }
  redis: { kind: redis, unit: all, listen: { plain: $rport, tls: $rtls, at: 127.0.0.1 }, names: [localhost, cache.internal, "::1"],
    probe: { password: pw } }
$(cat "${2:-/dev/null}")
clients:
  web: { unit: all, links: { pg: { match: { user: web }, at: alias.internal, dial: fixed, trust: { ca: internal, file: $box/ca.crt } } } }
END
}

make_box() {
	mkdir -m 700 "$pki" && mkdir "$box/tls" && chown "$user" "$box/tls" || return 1
	for d in internal strong short; do
		mkdir "$box/tls/$d" && chown "$user" "$box/tls/$d" || return 1
	done
	init_postgres && start_postgres || return 1
	sql "CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor" || return 1
	bport=$(free_port) rport=$(free_port) rtls=$(free_port) ctls=$(free_port)
	(umask 077; echo pw >"$tmp/pw"; od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n' >"$tmp/pass")
	: >"$box/env"
	write_fleet
	cat >"$plan" <<END
belay: plan/1
name: certs
from: { accept: plain, dial: disable }
steps: [{ id: certs, certs: { internal: install, strong: install } }]
END
}

nothing_yet() {
	fails 2 'CA: none was made yet' box_belay certs 5<"$tmp/pass"
}

# Everything that is handed to a file, a pipe or a socket, as bytes.
provision() {
	ASAN_OPTIONS=detect_leaks=0 strace -f -y -xx -s 100000 -e trace=write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg,sendmmsg -o "$tmp/trace" \
		"$BELAY" -f "$fleet" -p "$plan" apply certs --yes 5<"$tmp/pass" </dev/null || return 1
	[ -s "$box/tls/internal/server.key" ] && [ -s "$box/tls/strong/server.key" ]
}

# A text as strace shows it.
in_hex() {
	printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../\\x&/g'
}

# bytes_of KEY: the secret of an EC key, and lines of any key's PEM, as strace shows them, a pattern a line.
bytes_of() {
	openssl pkey -in "$1" -passin "file:$tmp/pass" >"$tmp/clear.pem" || return 1
	{
		sed -n '2p;3p' "$tmp/clear.pem" | while read -r line; do
			in_hex "${line%????}"
			echo
		done
		openssl pkey -in "$tmp/clear.pem" -outform DER | od -An -v -tx1 | tr -d ' \n' | cut -c73-120 | sed 's/../\\x&/g'
	}
	rm -f "$tmp/clear.pem"
}

no_key_in_the_clear() {
	rc=0
	for d in internal strong; do
		bytes_of "$pki/$d/ca.key" >"$tmp/ca.bytes" && bytes_of "$pki/$d/leaf.key" >"$tmp/leaf.bytes" || return 1
		[ "$(wc -l <"$tmp/ca.bytes")" -ge 3 ] || { echo "no bytes of $d"; return 1; }
		# Of the CA nowhere at all; of the leaf to the worker, and on its host to the file that the
		# server reads and to the record of the operation.
		! grep -F -f "$tmp/ca.bytes" "$tmp/trace" | cut -c1-300 | grep . || { echo "the CA's key of $d was written"; rc=1; }
		grep -q -F -f "$tmp/leaf.bytes" "$tmp/trace" || { echo "the trace does not have what it must have: it proves nothing"; rc=1; }
		printf '<%s\n' "$(in_hex socket:)" "$(in_hex UNIX)" "$(in_hex pipe:)" "$(in_hex "$box/tls/$d/")" \
			"$(in_hex "$tmp/hoststate/runs/")" >"$tmp/allowed"
		! grep -F -f "$tmp/leaf.bytes" "$tmp/trace" | grep -v -F -f "$tmp/allowed" | cut -c1-300 | grep . || { echo "the leaf's key of $d was written elsewhere"; rc=1; }
	done
	# And the trace sees what goes to the disk there: the sealed ones.
	grep -q -F "<$(in_hex "$pki/internal/.ca.key")" "$tmp/trace" || { echo "no write of the sealed key was seen"; rc=1; }
	return $rc
}

sealed_at_that_cost() {
	for d in internal strong; do
		for k in ca.key leaf.key; do
			openssl asn1parse -in "$pki/$d/$k" >"$tmp/asn1" || return 1
			for want in ':PBES2$' ':scrypt$' 'INTEGER  *:4000$' 'INTEGER  *:08$' 'INTEGER  *:05$' ':aes-256-cbc$'; do
				grep -q -e "$want" "$tmp/asn1" || { echo "$d/$k: no $want"; cat "$tmp/asn1"; return 1; }
			done
		done
	done
}

believed() {			# believed DIR NAME ...
	d=$1
	shift
	openssl verify -x509_strict -purpose sslserver -CAfile "$box/tls/$d/ca.crt" "$box/tls/$d/server.crt" || return 1
	for name; do
		case $name in
		*:* | *[0-9].[0-9]*) openssl x509 -noout -checkip "$name" -in "$box/tls/$d/server.crt" ;;
		*) openssl x509 -noout -checkhost "$name" -in "$box/tls/$d/server.crt" ;;
		esac | grep 'does match' || { echo "not for $name"; return 1; }
	done
	! openssl x509 -noout -checkhost other.internal -in "$box/tls/$d/server.crt" | grep 'does match'
}

every_dialled_name() {
	believed internal localhost db.internal alias.internal 127.0.0.1 && believed strong localhost cache.internal ::1 &&
		openssl x509 -noout -text -in "$box/tls/internal/server.crt" | grep -q 'NIST CURVE: P-256' &&
		openssl x509 -noout -text -in "$box/tls/strong/server.crt" | grep -q 'Public-Key: (4096 bit)' &&
		openssl x509 -noout -checkend $((1094 * 86400)) -in "$box/tls/strong/server.crt" &&
		! openssl x509 -noout -checkend $((1096 * 86400)) -in "$box/tls/strong/server.crt"
}

asked_twice_gives_the_same() {
	(cd "$pki" && sha256sum internal/* strong/*) >"$tmp/before"
	box_belay undo certs --yes </dev/null && box_belay apply certs --yes 5<"$tmp/pass" </dev/null || return 1
	(cd "$pki" && sha256sum internal/* strong/*) | diff "$tmp/before" -
}

# loads DIR: each of the three servers, with that pair
loads() {
	printf '%s\n' 'ssl = on' "ssl_cert_file = '$box/tls/$1/server.crt'" "ssl_key_file = '$box/tls/$1/server.key'" \
		>>"$box/data/postgresql.conf"
	kill -HUP "$(head -n 1 "$box/data/postmaster.pid")"
	until_ 15 presents "$1" "$port" -starttls postgres || { tail -n 5 "$log"; return 1; }
	printf '%s\n' '[databases]' "postgres = host=127.0.0.1 port=$port dbname=postgres user=belay_probe" '[pgbouncer]' \
		'listen_addr = 127.0.0.1' "listen_port = $bport" 'auth_type = any' 'stats_users = belay_probe' 'unix_socket_dir =' \
		'client_tls_sslmode = allow' "client_tls_cert_file = $box/tls/$1/server.crt" \
		"client_tls_key_file = $box/tls/$1/server.key" >"$box/pgbouncer.ini"
	$as pgbouncer "$box/pgbouncer.ini" >"$tmp/pgbouncer.log" 2>&1 &
	pooler=$!
	pids="$pids $pooler"
	until_ 15 presents "$1" "$bport" -starttls postgres || { cat "$tmp/pgbouncer.log"; return 1; }
	redis-server --bind 127.0.0.1 --port "$rport" --tls-port "$rtls" --tls-cert-file "$box/tls/$1/server.crt" \
		--tls-key-file "$box/tls/$1/server.key" --tls-ca-cert-file "$box/tls/$1/ca.crt" --tls-auth-clients no --save '' \
		--requirepass pw --dir "$tmp" >"$tmp/redis.log" 2>&1 &
	redis=$!
	pids="$pids $redis"
	until_ 15 presents "$1" "$rtls" || { cat "$tmp/redis.log"; return 1; }
}

gone() {
	! kill -0 "$1" 2>/dev/null
}

# presents DIR PORT [-starttls …]: a client that trusts its CA alone believes it, and it is that very one
presents() {
	d=$1 at=$2
	shift 2
	openssl s_client -connect "127.0.0.1:$at" "$@" -CAfile "$box/tls/$d/ca.crt" -verify_hostname localhost \
		-verify_return_error </dev/null >"$tmp/s_client" 2>/dev/null || return 1
	openssl x509 -noout -fingerprint -sha256 <"$tmp/s_client" >"$tmp/there" &&
		openssl x509 -noout -fingerprint -sha256 -in "$box/tls/$d/server.crt" | cmp -s - "$tmp/there"
}

every_server_loads_both_kinds() {
	loads strong || return 1
	kill "$pooler" "$redis"
	until_ 10 gone "$pooler" && until_ 10 gone "$redis" || return 1
	loads internal || return 1
	# Redis goes on with its own.
	REDISCLI_AUTH=pw redis-cli -p "$rport" CONFIG SET tls-cert-file "$box/tls/strong/server.crt" \
		tls-key-file "$box/tls/strong/server.key" tls-ca-cert-file "$box/tls/strong/ca.crt" | grep -qx OK &&
		until_ 10 presents strong "$rtls"
}

all_is_well() {
	box_belay certs 5<"$tmp/pass" </dev/null >"$tmp/certs.said" 2>&1 || { echo "exit $?"; cat "$tmp/certs.said"; return 1; }
	cat "$tmp/certs.said"
	grep -q '^pg  *89 days left.*; as issued last$' "$tmp/certs.said" && grep -q '^redis  *109[45] days left' "$tmp/certs.said" &&
		grep -q 'trusted by: web -> pg (declared)' "$tmp/certs.said" && grep -q 'CA CN=internal CA: 365[0-9] days left' "$tmp/certs.said"
}

what_is_not_taken_over_is_told() {
	mv "$pki/internal/leaf.pem" "$tmp/leaf.kept" && cp "$pki/strong/leaf.pem" "$pki/internal/leaf.pem" || return 1
	fails 2 'another one than was issued last' box_belay certs 5<"$tmp/pass" || return 1
	mv "$tmp/leaf.kept" "$pki/internal/leaf.pem"
}

# A CA of somebody else, whose command signs what begins 85 days ago and ends in five.
five_days_left() {
	make_company "$pki/company" || return 1
	# One file with key and certificate, which it reads both from; the others are for this script.
	cat >"$tmp/more.certs" <<END
  short:
    serves: [cache]
    ca-dir: $pki/short
    passphrase: pass
    lands: activation
    issuer: { ca: $pki/company/ca.pem, run: [sh, $pki/company/sign] }
    install:
      - { file: { path: $box/tls/short/ca.crt, content: "\$(ca.pem)", mode: "0644" } }
      - { file: { path: $box/tls/short/server.crt, content: "\$(leaf.pem)", mode: "0644" } }
      - { file: { path: $box/tls/short/pair.pem, content: "\$(pair.pem)", mode: "0600", owner: "$user" } }
END
	echo "  cache: { kind: redis, unit: cache, listen: { plain: $cport, tls: $ctls, at: 127.0.0.1 }, names: [localhost], probe: { password: pw } }" >"$tmp/more.endpoints"
	write_fleet "$tmp/more.certs" "$tmp/more.endpoints" ", cache: { host: box, kind: reload, by: cache }"
	sed 's/steps:.*/steps: [{ id: short, certs: { short: install } }]/; s/^name:.*/name: short/' "$plan" >"$tmp/short.yaml"
	"$BELAY" -f "$fleet" -p "$tmp/short.yaml" apply --yes 5<"$tmp/pass" </dev/null || return 1
	redis-server --bind 127.0.0.1 --port "$cport" --tls-port "$ctls" --tls-cert-file "$box/tls/short/pair.pem" \
		--tls-key-file "$box/tls/short/pair.pem" --tls-ca-cert-file "$box/tls/short/ca.crt" --tls-auth-clients no --save '' \
		--requirepass pw --dir "$tmp" >"$tmp/cache.log" 2>&1 &
	pids="$pids $!"
	until_ 15 presents short "$ctls" || { cat "$tmp/cache.log"; return 1; }
}

code_says_so() {
	fails 9 '^cache  *5 days left, until .*: urgent' "$BELAY" -f "$fleet" certs 5<"$tmp/pass"
}

metrics_say_so() {
	"$BELAY" -f "$fleet" certs --metrics 5<"$tmp/pass" >"$tmp/prom" </dev/null || return 1
	grep -qx 'belay_certificate_days_left{endpoint="cache",certificate="short"} 5' "$tmp/prom" &&
		grep -qx 'belay_certificate_warning{endpoint="cache",certificate="short"} 7' "$tmp/prom" &&
		grep -qx 'belay_certificate_warning{endpoint="pg",certificate="internal"} 0' "$tmp/prom" || { cat "$tmp/prom"; return 1; }
	# Comments, and samples with a number.
	! grep -v -e '^# \(HELP\|TYPE\) belay_[a-z_]* ' -e '^belay_[a-z_]*\({[a-z]*="[^"]*"\(,[a-z]*="[^"]*"\)*}\)\{0,1\} -\{0,1\}[0-9]*$' "$tmp/prom"
}

data_says_so() {
	"$BELAY" -f "$fleet" certs --json 5<"$tmp/pass" >"$tmp/certs.json" </dev/null
	jq -e '.belay == "certs/1" and .state == "urgent" and (.endpoints[] | select(.endpoint == "cache") |
		.days_left == 5 and .state == "urgent" and .issued_last and .presented.issuer == "CN=Company CA")' "$tmp/certs.json"
}

board_says_so() {
	"$BELAY" -f "$fleet" status 5<"$tmp/pass" >"$tmp/status" </dev/null || return 1
	grep -q 'the certificate ends in 5 days: urgent' "$tmp/status" || { cat "$tmp/status"; return 1; }
}

shows() {
	tmux -S "$sock" capture-pane -p -t con >"$tmp/screen" 2>/dev/null && grep -q -e "$1" "$tmp/screen"
}

console_says_so() {
	# A passphrase has no business in a command line, nor has its descriptor where it is not needed.
	tmux -S "$sock" -f /dev/null new-session -d -s con -x 160 -y 60 "env XDG_STATE_HOME=$XDG_STATE_HOME $BELAY -f $fleet 5</dev/null" || return 1
	until_ 20 shows 'cache.*5 d left: urgent' || { cat "$tmp/screen"; return 1; }
	tmux -S "$sock" send-keys -t con c
	until_ 10 shows '5 days left: urgent' || { cat "$tmp/screen"; return 1; }
	tmux -S "$sock" send-keys -t con G
	until_ 10 shows 'Company CA' || { cat "$tmp/screen"; return 1; }
	tmux -S "$sock" send-keys -t con q q
}

# ---- renewal ----

pings() {			# a client after the other, each of which believes the company's CA
	while [ -e "$tmp/ping" ]; do
		REDISCLI_AUTH=pw timeout 10 redis-cli --tls --cacert "$pki/company/ca.pem" -h localhost -p "$ctls" PING 2>&1 || echo failed
	done >"$tmp/pongs"
}

pinged() {
	[ "$(grep -c PONG "$tmp/pongs")" -gt "$1" ]
}

renewed() {
	touch "$pki/company/fresh" "$tmp/ping"
	sed -i '/lands: activation/d' "$tmp/more.certs"
	write_fleet "$tmp/more.certs" "$tmp/more.endpoints" ", cache: { host: box, kind: reload, by: cache }"
	printf '%s\n' 'belay: plan/1' 'name: renew' 'from: { accept: both, dial: require, certs: short }' \
		'steps: [{ id: renew, certs: { short: renew } }]' >"$tmp/renew.yaml"
	cp "$box/tls/short/pair.pem" "$tmp/pair.before"
	pings &
	pids="$pids $!"
	until_ 10 pinged 2 || { cat "$tmp/pongs"; return 1; }
	"$BELAY" -f "$fleet" -p "$tmp/renew.yaml" apply --yes 5<"$tmp/pass" </dev/null || return 1
	until_ 10 pinged "$(($(grep -c PONG "$tmp/pongs") + 2))" || return 1
	rm "$tmp/ping"
	! cmp -s "$tmp/pair.before" "$box/tls/short/pair.pem" && presents short "$ctls" || return 1
	! grep -v PONG "$tmp/pongs" || return 1
	echo "$(wc -l <"$tmp/pongs") clients, none refused"
}

nothing_warns() {
	"$BELAY" -f "$fleet" certs 5<"$tmp/pass" </dev/null >"$tmp/certs.said" || { echo "exit $?"; cat "$tmp/certs.said"; return 1; }
	grep -q '^cache  *\(89\|90\) days left.*; as issued last' "$tmp/certs.said" || { cat "$tmp/certs.said"; return 1; }
}

kept() {
	sed 's/name: renew/name: again/' "$tmp/renew.yaml" >"$tmp/again.yaml"
	(cd "$pki/short" && sha256sum leaf.*) >"$tmp/before"
	"$BELAY" -f "$fleet" -p "$tmp/again.yaml" apply --yes 5<"$tmp/pass" </dev/null >"$tmp/certs.said" 2>&1 || { cat "$tmp/certs.said"; return 1; }
	cat "$tmp/certs.said"
	grep -q "'short' is kept: [89][90] days are left" "$tmp/certs.said" && grep -q 'was found in place: nothing was changed' "$tmp/certs.said" &&
		(cd "$pki/short" && sha256sum leaf.*) | diff "$tmp/before" -
}

the_old_pair_is_back() {
	"$BELAY" -f "$fleet" -p "$tmp/renew.yaml" undo --yes 5<"$tmp/pass" </dev/null || return 1
	cmp "$tmp/pair.before" "$box/tls/short/pair.pem" && until_ 10 presents short "$ctls" || return 1
	fails 9 'another one than was issued last' "$BELAY" -f "$fleet" certs 5<"$tmp/pass"
}

cport=$(free_port)
ok "a Postgres, and ports for the others" make_box
ok "before anything was made that is said, and nobody is asked for a passphrase" nothing_yet
ok "two CAs and their leaves are made and installed, the passphrase by a descriptor" provision
ok "no key is in the clear in anything that was written, but where a server reads it" no_key_in_the_clear
ok "the keys at rest are sealed at the cost that the manual names" sealed_at_that_cost
ok "openssl believes each leaf, for every name that is dialled" every_dialled_name
ok "asked once more the same keys and certificates are given" asked_twice_gives_the_same
ok "Postgres, PgBouncer and Redis load both kinds and present what was made" every_server_loads_both_kinds
ok "belay certs finds nothing to warn of" all_is_well
ok "what was issued and is not presented is told" what_is_not_taken_over_is_told
ok "a leaf that a company's command signed has five days left" five_days_left
ok "the exit code says so" code_says_so
ok "the metrics say so" metrics_say_so
ok "the data say so" data_says_so
ok "the board says so" board_says_so
ok "the console says so" console_says_so
ok "it is made anew and taken over, and no client is refused meanwhile" renewed
ok "then nothing warns any more" nothing_warns
ok "asked once more nothing is made" kept
ok "undone the old pair is presented, and that is told" the_old_pair_is_back
finish
