#!/bin/sh
# time limit: 300
# A certificate that is handed to a secret store by a command, and lands when the server is next
# started: put, shown, taken back to the version before; killed in the middle of
# the command, before the store has it and after; and another version of somebody else's, which
# is left alone. The store is an etcd, which keeps its revisions.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

if ! command -v etcd >/dev/null 2>&1 || ! command -v etcdctl >/dev/null 2>&1; then
	echo "1..0 # SKIP no etcd here (tests/setup check)"
	exit 0
fi
pki=$tmp/pki

etcd_answers() {
	ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$eport" endpoint health >/dev/null 2>&1
}

start_store() {
	eport=$(free_port) epeer=$(free_port)
	etcd --name one --data-dir "$tmp/etcd" --listen-client-urls "http://127.0.0.1:$eport" \
		--advertise-client-urls "http://127.0.0.1:$eport" --listen-peer-urls "http://127.0.0.1:$epeer" \
		--initial-advertise-peer-urls "http://127.0.0.1:$epeer" --initial-cluster "one=http://127.0.0.1:$epeer" \
		--unsafe-no-fsync >"$tmp/etcd.log" 2>&1 &
	pids="$pids $!"
	until_ 30 etcd_answers || { tail -n 20 "$tmp/etcd.log"; return 1; }
}

make_box() {
	mkdir -m 700 "$pki" && mkdir "$box/tls" "$tmp/hold" && chown "$user" "$box/tls" || return 1
	(umask 077; od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n' >"$tmp/pass")
	start_store && init_postgres && start_postgres || return 1
	sql "CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor" || return 1
	: >"$box/env"
	# What an operator writes around his store. What it is given it reads, and hands on by a pipe.
	cat >"$box/secret" <<END
#!/bin/sh
ctl() { ETCDCTL_API=3 etcdctl --endpoints 127.0.0.1:$eport "\$@"; }
hold() { [ ! -e "$tmp/hold/\$1" ] || { echo \$\$ >"$tmp/hold/pid"; mv "$tmp/hold/pid" "$tmp/hold/\$1.held"; while [ -e "$tmp/hold/\$1" ]; do sleep 0.1; done; }; }
case \$1 in
put) value=\$(cat); hold before; printf %s "\$value" | ctl put tls && hold after ;;
version) ctl get tls -w fields | sed -n 's/^"ModRevision" : //p' ;;
back)
	[ "\$2" ] || { ctl del tls; exit; }
	value=\$(ctl get tls --rev "\$2" --print-value-only) && printf %s "\$value" | ctl put tls ;;
get) ctl get tls --print-value-only ;;
esac
END
	# The start-up script: it fetches and decodes, and restarts the server.
	cat >"$box/start" <<END
#!/bin/sh
cd "$box/tls" || exit 1
json=\$("$box/secret" get) || exit 1
: >"$box/tls.conf"
if [ "\$json" ]; then
	for n in ca.crt server.crt server.key; do
		rm -f \$n
		(umask 077; printf %s "\$json" | jq -r --arg n \$n '.[\$n]' | base64 -d >\$n) && chown "$user" \$n || exit 1
	done
	if grep -qx TLS=both "$box/env"; then
		printf '%s\n' 'ssl = on' "ssl_cert_file = '$box/tls/server.crt'" "ssl_key_file = '$box/tls/server.key'" >"$box/tls.conf"
	fi
fi
cd / && $as "$pg_bin/pg_ctl" -D "$box/data" -l "$log" -w -t 30 -m fast -o "-p $port -k $box/run -c fsync=off" restart >/dev/null
END
	chmod 755 "$box/secret" "$box/start"
	echo "include_if_exists = '$box/tls.conf'" >>"$box/data/postgresql.conf"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pass: { file: $tmp/pass } }
units: { pg: { host: box, run: $box/start, restarts: [pg] } }
certs:
  internal:
    serves: [pg]
    ca-dir: $pki/internal
    passphrase: pass
    put: { on: box, run: $box/secret put, stdin: { ca.crt: "\$(ca.b64)", server.crt: "\$(leaf.b64)", server.key: "\$(key.b64)" } }
    version: { on: box, run: $box/secret version }
    undo: { on: box, run: '$box/secret back "\$(before)"' }
    lands: activation
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe, database: postgres }
    accept: { plain: { file: $box/env, unset: [TLS] }, both: { file: $box/env, set: { TLS: both } } }
END
	cat >"$plan" <<END
belay: plan/1
name: secrets
from: { accept: plain, dial: disable }
steps:
  - { id: put, certs: { internal: install } }
  - { id: both, accept: { pg: both } }
END
}

stored() {			# stored NAME: as the store has it
	"$box/secret" get | jq -r --arg n "$1" '.[$n]' | base64 -d
}

absent() {
	[ -z "$("$box/secret" version)" ] && [ -z "$("$box/secret" get)" ]
}

is_theirs() {
	[ "$("$box/secret" get)" = theirs ]
}

# Each command that is begun, with its arguments and its environment, and what belay says of it.
put() {
	ASAN_OPTIONS=detect_leaks=0 strace -f -v -s 200000 -e trace=execve -o "$tmp/trace" "$BELAY" -f "$fleet" -p "$plan" apply put --yes </dev/null >"$tmp/put.said" 2>&1 ||
		{ cat "$tmp/put.said"; return 1; }
	stored server.crt >"$tmp/crt" && stored ca.crt >"$tmp/ca" && openssl verify -CAfile "$tmp/ca" "$tmp/crt"
}

# Of PEM and of base64 a piece that stands in one line of either.
nowhere_the_key() {
	stored server.key | openssl pkey -noout || return 1
	stored server.key | sed -n 2p | cut -c1-40 >"$tmp/patterns"
	"$box/secret" get | jq -r '.["server.key"]' | cut -c60-120 >>"$tmp/patterns"
	[ "$(grep -c . "$tmp/patterns")" = 2 ] || return 1
	# The look finds what is there to be found.
	"$box/secret" get | grep -q -F -f "$tmp/patterns" || { echo "the patterns do not match the key itself"; return 1; }
	grep -q 'secret put' "$tmp/trace" && grep -q '"etcdctl".*"put"' "$tmp/trace" || { echo "the trace has no command"; return 1; }
	"$BELAY" -f "$fleet" -p "$plan" history --json >"$tmp/history" </dev/null && "$BELAY" -f "$fleet" -p "$plan" diff put </dev/null >"$tmp/diff"
	! grep -r -l -F -f "$tmp/patterns" "$tmp/trace" "$tmp/put.said" "$tmp/history" "$tmp/diff" "$tmp/hoststate" "$XDG_STATE_HOME" "$tmp/etcd.log" "$log"
}

presented() {
	openssl s_client -connect "127.0.0.1:$port" -starttls postgres -CAfile "$tmp/ca" -verify_hostname localhost -verify_return_error \
		</dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256 >"$tmp/there" &&
		openssl x509 -noout -fingerprint -sha256 -in "$tmp/crt" | cmp - "$tmp/there"
}

taken_up() {
	box_belay apply both --yes >"$tmp/both.said" 2>&1 </dev/null || { cat "$tmp/both.said"; return 1; }
	grep -q 'pg presents internal' "$tmp/both.said" && presented
}

back() {
	box_belay undo --all --yes </dev/null && absent
}

# killed WHERE: belay, and what runs the command, at that place of it
killed() {
	rm -f "$tmp/hold/"*
	: >"$tmp/hold/$1"
	"$BELAY" -f "$fleet" -p "$plan" apply put --yes >"$tmp/killed.said" 2>&1 </dev/null &
	it=$!
	until_ 30 test -e "$tmp/hold/$1.held" || { cat "$tmp/killed.said"; return 1; }
	of_it=$(cat "$(ls -t "$tmp"/hoststate/runs/*/put/1/pid | head -n 1)")
	# shellcheck disable=SC2086
	kill -9 $it $of_it "$(cat "$tmp/hold/$1.held")" 2>/dev/null
	wait "$it" 2>/dev/null
	rm "$tmp/hold/$1"
}

killed_before() {
	"$box/secret" version >"$tmp/version.before"
	killed before && "$box/secret" version | cmp - "$tmp/version.before"
}

nothing_to_undo() {
	box_belay undo --all --yes </dev/null && "$box/secret" version | cmp - "$tmp/version.before"
}

killed_after() {
	"$box/secret" get >"$tmp/value.before"
	killed after && ! "$box/secret" get | cmp -s - "$tmp/value.before"
}

value_is_back() {
	box_belay undo --all --yes </dev/null && "$box/secret" get | cmp - "$tmp/value.before"
}

put_over_theirs() {
	echo theirs | ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$eport" put tls && is_theirs || return 1
	box_belay apply put --yes </dev/null && stored server.crt | cmp - "$tmp/crt"
}

somebody_puts() {
	echo other | ETCDCTL_API=3 etcdctl --endpoints "127.0.0.1:$eport" put tls
}

is_other() {
	[ "$("$box/secret" get)" = other ]
}

by_hand() {
	box_belay undo --all --print >"$tmp/script" </dev/null && ! sh "$tmp/script" >"$tmp/script.said" 2>&1 || { cat "$tmp/script.said"; return 1; }
	grep 'another version since, nothing of .* is undone' "$tmp/script.said"
}

kept() {
	box_belay undo --all --yes --keep "box:$box/secret version" --reason 'theirs is newer' </dev/null && is_other
}

# ---- a Secret of Kubernetes, by the commands of the worked fleet ----

# There is no cluster here. What the fleet's command asks of one is answered as by one that has
# no such Secret; what it hands to kubectl is read by kubectl itself.
worked_fleet() {
	mkdir "$tmp/front" && real=$(command -v kubectl) || return 1
	cat >"$tmp/front/kubectl" <<END
#!/bin/sh
echo "\$*" >>"$tmp/asked"
case "\$*" in
*" get secret postgres-tls --ignore-not-found "*) ;;
*" apply --server-side --force-conflicts -f -") KUBECONFIG=/dev/null exec "$real" annotate --local -f - read-by=kubectl -o json >"$tmp/secret.json" ;;
*) echo "not asked for in this test: \$*" >&2; exit 1 ;;
esac
END
	chmod 755 "$tmp/front/kubectl"
	sed -e "s|bastion: { ssh: shop-bastion }|bastion: { local: yes, state: $tmp/hoststate.k }|" \
		-e "s|probe: { prompt: .*}|probe: { file: $tmp/pass }\n  pass: { file: $tmp/pass }|" \
		-e "s|^    serves: \[auth-db\]|&\n    passphrase: pass\n    ca-dir: $pki/shop|" \
		"$top/plans/kubernetes-secret.fleet.yaml" >"$tmp/k.fleet.yaml"
	printf '%s\n' 'belay: plan/1' 'name: k' 'from: { accept: plain }' 'steps: [{ id: put, certs: { postgres: install } }]' >"$tmp/k.plan.yaml"
	PATH=$tmp/front:$PATH "$BELAY" -f "$tmp/k.fleet.yaml" -p "$tmp/k.plan.yaml" apply --yes=production </dev/null
}

# The same as kubectl makes of files, and a pair that belongs together.
kubectl_reads_it() {
	for f in server-cert.pem server-key.pem ca-cert.pem; do
		jq -r --arg n "$f" '.data[$n]' "$tmp/secret.json" | base64 -d >"$tmp/k.$f" || return 1
	done
	KUBECONFIG=/dev/null kubectl create secret generic postgres-tls --from-file=server-cert.pem="$tmp/k.server-cert.pem" \
		--from-file=server-key.pem="$tmp/k.server-key.pem" --from-file=ca-cert.pem="$tmp/k.ca-cert.pem" --dry-run=client -o json |
		jq -S '{apiVersion, kind, data, name: .metadata.name}' >"$tmp/want.json" &&
		jq -S '{apiVersion, kind, data, name: .metadata.name}' "$tmp/secret.json" | cmp - "$tmp/want.json" || return 1
	openssl verify -CAfile "$tmp/k.ca-cert.pem" "$tmp/k.server-cert.pem" || return 1
	openssl pkey -in "$tmp/k.server-key.pem" -pubout >"$tmp/k.pub" 2>/dev/null &&
		openssl x509 -noout -pubkey -in "$tmp/k.server-cert.pem" | cmp - "$tmp/k.pub" || return 1
	rm "$tmp/k.server-key.pem"
	# In one call, and never away in between.
	[ "$(grep -c ' apply ' "$tmp/asked")" = 1 ] && ! grep -e ' delete ' -e ' create ' "$tmp/asked"
}


ok "a store, and a Postgres that fetches from it when it is started" make_box || finish
ok "the certificate is put there" put
ok "its key is in no argument, environment, log, journal, preview or record" nowhere_the_key
ok "the step that restarts the server shows that it is presented" taken_up
ok "taken back the store has none, as before" back
ok "killed before the store has it" killed_before
ok "there is nothing to undo, and nothing is undone" nothing_to_undo
ok "put over a value of somebody else's" put_over_theirs
ok "which is there again" box_belay undo --all --yes
ok "as it was" is_theirs
ok "killed when the store has it, before that is known" killed_after
ok "the value before is put back" value_is_back
ok "put once more" box_belay apply put --yes
ok "somebody puts another version meanwhile" somebody_puts
ok "it is not undone over that, which is told" fails 3 "somebody changed it since" box_belay undo --all --yes
ok "nor by hand" by_hand
ok "theirs is there" is_other
ok "it is kept, where that is wanted" kept
if command -v kubectl >/dev/null 2>&1; then
	ok "the worked fleet hands its certificate to kubectl" worked_fleet
	ok "which reads the Secret that it would have made of the files" kubectl_reads_it
else
	n=$((n + 2))
	echo "ok $((n - 1)) - the worked fleet hands its certificate to kubectl # SKIP there is no kubectl here"
	echo "ok $n - which reads the Secret that it would have made of the files # SKIP there is no kubectl here"
fi
finish
