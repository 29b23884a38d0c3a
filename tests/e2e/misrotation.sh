#!/bin/sh
# time limit: 300
# Ways to rotate a CA that are often recommended: everything made anew and swapped at
# once; old and new CA put together in the server's own ssl_ca_file. `check` refuses
# each, naming the client; done by hand all the same, the real servers turn that client
# away. The plan that is shipped passes, and nobody is turned away in any of its phases.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

rotate=$top/plans/rotate-ca.plan.yaml

make_box() {
	mkdir -m 700 "$tmp/pki" && mkdir "$box/tls" "$box/ca" && chown "$user" "$box/tls" || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" 'shared_buffers = 8MB' "ssl_ca_file = ''" >>"$box/data/postgresql.conf"
	start_postgres || return 1
	sql "CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor; CREATE ROLE app LOGIN; CREATE ROLE pool LOGIN; CREATE ROLE lax LOGIN" || return 1
	bport=$(free_port) rport=$(free_port) rtls=$(free_port)
	(umask 077; echo pw >"$tmp/pw"; echo 'a passphrase of the box' >"$tmp/ca-key")
	printf "%s\n" PG=disable POOL=disable REDIS=disable >"$box/env"
	printf '%s\n' '[databases]' "postgres = host=localhost port=$port dbname=postgres user=pool" '[pgbouncer]' \
		'listen_addr = 127.0.0.1' "listen_port = $bport" 'auth_type = any' 'admin_users = admin' 'stats_users = belay_probe' \
		'unix_socket_dir =' 'pool_mode = transaction' 'min_pool_size = 2' 'server_login_retry = 1' >"$box/pgbouncer.ini"
	printf '%s\n' 'bind 127.0.0.1' "port $rport" 'requirepass pw' 'save ""' "dir $box/redis" >"$box/redis.conf"
	mkdir "$box/redis" && chown "$user" "$box/pgbouncer.ini" "$box/redis.conf" "$box/redis" || return 1
	$as pgbouncer "$box/pgbouncer.ini" >"$tmp/pgbouncer.log" 2>&1 &
	pids="$pids $!"
	$as redis-server "$box/redis.conf" >"$tmp/redis.log" 2>&1 &
	pids="$pids $!"
	redis_is_there && until_ 10 psql "host=127.0.0.1 port=$bport user=app dbname=postgres" -qAtc 'SELECT 1' || return 1
	write_fleet
	write_plans
}

write_fleet() {
	cat >"$fleet" <<-FLEET
	belay: fleet/1
	environment: box
	hosts: { box: { local: yes, state: $tmp/hoststate } }
	secrets: { pw: { file: $tmp/pw }, ca-key: { file: $tmp/ca-key } }
	units:
	  pg:      { host: box, by: pg, deadline: 30s }
	  bouncer: { host: box, by: bouncer, deadline: 30s }
	  redis:   { host: box, by: redis, deadline: 30s }
	certs:
	  internal:
	    serves: [pg, bouncer, redis]
	    ca-dir: $tmp/pki/internal
	    passphrase: ca-key
	    install:
	      - { file: { path: $box/tls/pair.pem, content: "\$(pair.pem)", mode: "0600", owner: $user } }
	  next: { after: internal, ca-dir: $tmp/pki/next }
	endpoints:
	  pg:
	    kind: postgres
	    unit: pg
	    listen: { both: $port, at: 127.0.0.1 }
	    names: [localhost]
	    probe: { user: belay_probe, database: postgres }
	    admin: { user: admin, database: postgres }
	    accept:
	      plain: [ { conf: { file: $box/data/postgresql.conf, unset: [ssl, ssl_cert_file, ssl_key_file] } } ]
	      both:  [ { conf: { file: $box/data/postgresql.conf, set: { ssl: on, ssl_cert_file: $box/tls/pair.pem, ssl_key_file: $box/tls/pair.pem } } } ]
	  bouncer:
	    kind: pgbouncer
	    unit: bouncer
	    listen: { both: $bport, at: 127.0.0.1 }
	    names: [localhost]
	    probe: { user: belay_probe }
	    admin: { user: admin }
	    accept:
	      plain: [ { conf: { file: $box/pgbouncer.ini, unset: [client_tls_sslmode, client_tls_key_file, client_tls_cert_file] } } ]
	      both:  [ { conf: { file: $box/pgbouncer.ini, set: { client_tls_sslmode: allow, client_tls_key_file: $box/tls/pair.pem, client_tls_cert_file: $box/tls/pair.pem } } } ]
	  redis:
	    kind: redis
	    unit: redis
	    listen: { plain: $rport, tls: $rtls, at: 127.0.0.1 }
	    names: [localhost]
	    probe: { password: pw }
	    accept:
	      plain: [ { setting: { set: { tls-port: "0" } } } ]
	      both:  [ { setting: { set: { tls-port: "$rtls", tls-cert-file: $box/tls/pair.pem, tls-key-file: $box/tls/pair.pem, tls-auth-clients: no } } } ]
	clients:
	  bouncer:
	    unit: bouncer
	    evidence: rehearsal
	    links:
	      pg:
	        match: { user: pool }
	        dial:
	          disable:     [ { conf: { file: $box/pgbouncer.ini, unset: [server_tls_sslmode, server_tls_ca_file] } } ]
	          verify-full: [ { conf: { file: $box/pgbouncer.ini, set: { server_tls_sslmode: verify-full, server_tls_ca_file: "\$(ca_file)" } } } ]
	        trust: { ca: internal, file: $box/ca/pool.crt }
	  # Each connection is a process of its own, psql or redis-cli: it reads its settings as it starts.
	  app:
	    host: box
	    evidence: rehearsal
	    links:
	      pg:      { match: { user: app }, dial: { file: $box/env, set: { PG: "\$(dial)" } }, trust: { ca: internal, file: $box/ca/app.crt } }
	      bouncer: { match: { user: app }, dial: { file: $box/env, set: { POOL: "\$(dial)" } }, trust: { ca: internal, file: $box/ca/app.crt } }
	      redis:   { dial: { file: $box/env, set: { REDIS: "\$(dial)" } }, trust: { ca: internal, file: $box/ca/app.crt } }
	  lax:
	    host: box
	    evidence: rehearsal
	    links:
	      pg: { match: { user: lax }, dial: { assume: require } }
	FLEET
}

write_plans() {
	cat >"$plan" <<-'PLAN'
	belay: plan/1
	name: to-tls
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs, certs: { internal: install } }
	  - { id: offer, accept: { pg: both, bouncer: both, redis: both } }
	  - { id: leg,   trust: { "bouncer -> pg": internal }, dial: { "bouncer -> pg": verify-full } }
	  - id: flip
	    trust: { "app -> pg": internal, "app -> bouncer": internal, "app -> redis": internal }
	    dial:  { "app -> pg": verify-full, "app -> bouncer": verify-full, "app -> redis": verify-full }
	PLAN
	from='from: { accept: both, dial: verify-full, certs: internal }'
	# A new CA and a new leaf, and then a reload: whoever verifies is not asked.
	printf '%s\n' 'belay: plan/1' 'name: force' "$from" 'steps:' \
		'  - { id: force, certs: { next: install } }' >"$tmp/force.yaml"
	# Everything at once: the server's pair, and every client's file in the same step.
	printf '%s\n' 'belay: plan/1' 'name: at-once' "$from" 'steps:' '  - id: all' '    certs: { next: install }' \
		'    trust: { "bouncer -> pg": next, "app -> pg": next, "app -> bouncer": next, "app -> redis": next }' >"$tmp/at-once.yaml"
	# Old and new together, in the file by which the server verifies its clients; then the swap.
	printf '%s\n' 'belay: plan/1' 'name: overlap' "$from" 'steps:' \
		"  - { id: overlap, run: { on: box, run: cat $box/both.crt > $box/tls/ca.crt, touches: [$box/tls/ca.crt] } }" \
		'  - { id: swap, certs: { next: install } }' >"$tmp/overlap.yaml"
	# In the right file, but of one client too few.
	printf '%s\n' 'belay: plan/1' 'name: one-left' "$from" 'steps:' \
		'  - { id: both, trust: { "app -> pg": [internal, next], "app -> bouncer": [internal, next], "app -> redis": [internal, next] } }' \
		'  - { id: swap, certs: { next: install } }' >"$tmp/one-left.yaml"
	# The old one dropped before the leaf of it is gone.
	printf '%s\n' 'belay: plan/1' 'name: dropped' "$from" 'steps:' \
		'  - { id: both, trust: { "bouncer -> pg": [internal, next], "app -> pg": [internal, next] } }' \
		'  - { id: drop, trust: { "bouncer -> pg": next } }' \
		'  - { id: swap, certs: { next: install } }' >"$tmp/dropped.yaml"
}

# ---- what clients meet ---------------------------------------------------------------

# Each by its own file of CAs; what it printed is in $met.
met=$tmp/met
as_app() {			# as_app PORT [CA-FILE]
	psql "host=localhost hostaddr=127.0.0.1 port=$1 user=app dbname=postgres sslmode=verify-full sslrootcert=${2:-$box/ca/app.crt} gssencmode=disable connect_timeout=5" \
		-qAtc 'SELECT 1' >"$met" 2>&1
}

as_lax() {			# encrypted, to whoever answers
	psql "host=localhost hostaddr=127.0.0.1 port=$port user=lax dbname=postgres sslmode=require gssencmode=disable" -qAtc 'SELECT 1' >"$met" 2>&1
}

as_redis() {
	REDISCLI_AUTH=pw timeout 10 redis-cli --tls --cacert "$box/ca/app.crt" -h localhost -p "$rtls" PING >"$met" 2>&1 && grep -q PONG "$met"
}

refused() {			# refused COMMAND …: for its certificate
	if "$@"; then
		echo "let in: $*"
		return 1
	fi
	cat "$met"
	grep -qi 'certificate verify failed' "$met"
}

let_in() {
	as_app "$port" && as_app "$bport" && as_redis && as_lax || { cat "$met" "$tmp/pgbouncer.log"; return 1; }
}

by_hand() {			# by_hand PAIR: what a provisioner does: the files, then a reload of each
	cp -p "$1" "$box/tls/pair.new" && chown "$user" "$box/tls/pair.new" && chmod 600 "$box/tls/pair.new" && mv "$box/tls/pair.new" "$box/tls/pair.pem" || return 1
	sql "SELECT pg_reload_conf()" >/dev/null
	psql "host=127.0.0.1 port=$bport user=admin dbname=pgbouncer" -qAtc RELOAD
	REDISCLI_AUTH=pw redis-cli -p "$rport" CONFIG SET tls-cert-file "$box/tls/pair.pem" >/dev/null
	# Taken over is what is presented.
	until_ 10 presents "$1" "$port" -starttls postgres && until_ 10 presents "$1" "$bport" -starttls postgres && until_ 10 presents "$1" "$rtls"
}

presents() {
	pem=$1 at=$2
	shift 2
	openssl s_client -connect "127.0.0.1:$at" "$@" </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 >"$tmp/there" 2>/dev/null &&
		openssl x509 -noout -fingerprint -sha256 -in "$pem" | cmp -s - "$tmp/there"
}

rejected() {			# rejected PLAN LINK: for a refusal, with its name and the reason
	fails 1 "$2" "$BELAY" -f "$fleet" -p "$tmp/$1.yaml" check || return 1
	grep -q "$2.*refused\|refused.*$2" "$tmp/failed" && grep -qi 'certificate\|CA' "$tmp/failed"
}

# ---- by hand -------------------------------------------------------------------------

# The other CA and its leaf, as a provisioner with --force would make them.
another() {
	(umask 077
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=internal CA 2' \
		-addext keyUsage=critical,keyCertSign,cRLSign -keyout "$tmp/2.key" -out "$tmp/2.crt" &&
		openssl req -x509 -CA "$tmp/2.crt" -CAkey "$tmp/2.key" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
			-subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
			-keyout "$tmp/leaf.key" -out "$tmp/leaf.crt") 2>/dev/null || return 1
	cat "$tmp/leaf.key" "$tmp/leaf.crt" >"$tmp/pair.2"
	cat "$box/ca/app.crt" "$tmp/2.crt" >"$box/both.crt"
	cp -p "$box/tls/pair.pem" "$tmp/pair.1"
}

hold() {			# a session that is there before, and says so afterwards
	mkfifo "$tmp/in"
	psql "host=localhost hostaddr=127.0.0.1 port=$port user=app dbname=postgres sslmode=verify-full sslrootcert=$box/ca/app.crt" \
		-qAt <>"$tmp/in" >"$tmp/held" 2>&1 &
	pids="$pids $!"
	echo 'SELECT 40 + 1;' >"$tmp/in"
	until_ 10 grep -qx 41 "$tmp/held"
}

forced_by_hand() {
	by_hand "$tmp/pair.2" || return 1
	refused as_app "$port" && refused as_app "$bport" && refused as_redis
}

held_goes_on() {
	echo 'SELECT 40 + 2;' >"$tmp/in"
	until_ 10 grep -qx 42 "$tmp/held"
}

lax_notices_nothing() {
	as_lax || { cat "$met"; return 1; }
}

# The pooler's own side, which verifies, does not get in: its clients get no answer.
pool_hangs() {
	if timeout 5 psql "host=127.0.0.1 port=$bport user=app dbname=postgres sslmode=require" -qAtc 'SELECT 1' >"$met" 2>&1; then
		echo "it has an answer"
		return 1
	fi
	cat "$met" "$tmp/pgbouncer.log"
	grep -q 'certificate verify failed' "$tmp/pgbouncer.log"
}

overlap_by_hand() {		# ssl_ca_file with both of them, as it is told
	install -o "$user" -m 644 "$box/both.crt" "$box/tls/ca.crt" || return 1
	sql "ALTER SYSTEM SET ssl_ca_file = '$box/tls/ca.crt'" && sql "SELECT pg_reload_conf()" >/dev/null || return 1
	until_ 10 ca_file_is "$box/tls/ca.crt" && refused as_app "$port"
}

ca_file_is() {
	[ "$(sql 'SHOW ssl_ca_file')" = "$1" ]
}

in_the_clients_file() {
	as_app "$port" "$box/both.crt" || { cat "$met"; return 1; }
}

as_it_was() {
	sql "ALTER SYSTEM RESET ssl_ca_file" && by_hand "$tmp/pair.1" && until_ 15 let_in
}

# ---- by plan ---------------------------------------------------------------------------

# Clients all the time, each a program of its own: what is not let in is written down.
try_on() {
	while [ -e "$tmp/go" ]; do
		for c in "as_app $port" "as_app $bport" as_redis; do
			if $c; then
				echo ok
			else
				echo "refused: $c: $(cat "$met")"
			fi
		done
	done >"$tmp/tried"
}

tried() {
	[ "$(grep -c ok "$tmp/tried")" -gt "$1" ]
}

begin() {
	touch "$tmp/go"
	(met=$tmp/met.loop; try_on) &
	loop=$!
	pids="$pids $loop"
	until_ 10 tried 5
}

proven() {
	sed "s/soak: 10m/soak: 2s/; s/accept: tls/accept: both/" "$rotate" >"$tmp/rotate.yaml"
	"$BELAY" -f "$fleet" -p "$tmp/rotate.yaml" check
}

rotated() {
	plan=$tmp/rotate.yaml
	box_belay apply --all --yes
}

by_the_new_one() {
	openssl x509 -noout -issuer -in "$box/tls/pair.pem" | grep next && let_in &&
		! grep -q "$(sed -n 2p "$tmp/old.crt")" "$box/ca/app.crt" "$box/ca/pool.crt"
}

and_back() {
	box_belay undo --all --yes && cmp "$tmp/pair.1" "$box/tls/pair.pem" && cmp "$tmp/old.crt" "$box/ca/app.crt" && let_in
}

none_refused() {
	n_=$(grep -c ok "$tmp/tried")
	until_ 20 tried $((n_ + 6)) || return 1
	rm "$tmp/go"
	wait "$loop"
	! grep -v '^ok$' "$tmp/tried" || return 1
	echo "$(wc -l <"$tmp/tried") connections" >"$tmp/count"
}

ok "a Postgres, a PgBouncer and a Redis" make_box || finish
ok "they are brought to TLS, their clients verify" box_belay apply --all --yes || finish
ok "and are let in" until_ 10 let_in
cp "$box/ca/app.crt" "$tmp/old.crt"
ok "a new CA with its leaf at once is refused, with the client's name" rejected force 'app -> pg'
ok "so is all at once, clients' files included" rejected at-once 'app -> pg'
ok "so are both CAs in the file by which the server verifies" rejected overlap 'app -> pg'
ok "so is a swap before the last client trusts the new one" rejected one-left 'bouncer -> pg'
ok "so is the old one dropped before the swap" rejected dropped 'bouncer -> pg'
ok "the shipped plan is proven" proven
ok "a CA and a leaf made anew by hand" another
ok "a session that is there before" hold
ok "with these in place clients that verify are turned away, by all three" forced_by_hand
ok "which that session does not notice" held_goes_on
ok "nor a client that verifies nothing: it would believe anybody" lax_notices_nothing
ok "the pooler's own side is turned away, too" pool_hangs
ok "both CAs in the server's ssl_ca_file help nobody" overlap_by_hand
ok "in the client's own file they do" in_the_clients_file
ok "with the old pair back all are let in" as_it_was
ok "clients come and go" begin
ok "by the shipped plan the CA is rotated" rotated
ok "the new one is in force, the old one trusted by nobody" by_the_new_one
ok "and all of it taken back" and_back
ok "no client was turned away meanwhile" none_refused
[ ! -s "$tmp/count" ] || sed 's/^/# /' "$tmp/count"
finish
