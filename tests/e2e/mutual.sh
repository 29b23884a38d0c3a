#!/bin/sh
# time limit: 300
# Mutual TLS, on and off: client certificates are issued and put where their clients read
# them, the server then demands one, and all of it goes back, under traffic that is not
# refused once. What would strand a client is rejected before anything is touched.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	mkdir "$box/tls" "$box/web" && chown "$user" "$box/tls" && mkdir -m 700 "$tmp/pki" || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 trust' >"$box/data/pg_hba.conf"
	start_postgres || return 1
	sql "CREATE ROLE boss LOGIN SUPERUSER; CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor; CREATE ROLE web LOGIN" || return 1
	(umask 077; echo 'a passphrase of the box' >"$tmp/pass")
	printf '%s\n' "PGSSLMODE=disable" >"$box/web.env"
	# A service with a pool of one, which reads its settings when it is started.
	mkfifo "$tmp/web.fifo"
	cat >"$box/web.sh" <<END
[ ! -s $tmp/web.pid ] || kill "\$(cat $tmp/web.pid)"
set -a
. $box/web.env
set +a
setsid psql "host=localhost port=$port user=web dbname=postgres connect_timeout=5" -qAt <>$tmp/web.fifo >$tmp/web.log 2>&1 &
echo \$! >$tmp/web.pid
END
	pid_file=$tmp/web.pid
	sh "$box/web.sh"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pass: { file: $tmp/pass } }
units:
  pg:  { host: box, by: pg, deadline: 20s }
  web: { host: box, run: "sh $box/web.sh", restarts: [web] }
certs:
  internal: { serves: [pg], dir: $box/tls, ca-dir: $tmp/pki/internal, passphrase: pass, key: { owner: "$user" } }
  id-web:   { purpose: client, ca: internal }
  id-other: { purpose: client, ca-dir: $tmp/pki/other, passphrase: pass, subject: web }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe, database: postgres }
    admin: { user: boss }
    clients: internal
    accept:
      plain:
        - conf: { file: $box/data/postgresql.conf, syntax: postgres, unset: [ssl, ssl_cert_file, ssl_key_file, ssl_ca_file] }
        - block: { file: $box/data/pg_hba.conf, hba: transition, roles: [web], from: [127.0.0.1], method: trust }
        - block: { file: $box/data/pg_hba.conf, name: probe, hba: transition, roles: [belay_probe, boss], from: [127.0.0.1], method: trust }
      both:
        - conf: { file: $box/data/postgresql.conf, syntax: postgres, unset: [ssl_ca_file],
            set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key } }
        - block: { file: $box/data/pg_hba.conf, hba: transition, roles: [web], from: [127.0.0.1], method: trust }
        - block: { file: $box/data/pg_hba.conf, name: probe, hba: transition, roles: [belay_probe, boss], from: [127.0.0.1], method: trust }
      tls:
        - conf: { file: $box/data/postgresql.conf, syntax: postgres, unset: [ssl_ca_file],
            set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key } }
        - block: { file: $box/data/pg_hba.conf, hba: harden, roles: [web], from: [127.0.0.1], method: trust }
        - block: { file: $box/data/pg_hba.conf, name: probe, hba: harden, roles: [belay_probe, boss], from: [127.0.0.1], method: trust }
      mutual:
        - file: { path: $box/tls/clients.crt, content: "\$(client_ca.pem)", mode: "0644", owner: "$user" }
        - conf: { file: $box/data/postgresql.conf, syntax: postgres,
            set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key, ssl_ca_file: $box/tls/clients.crt } }
        - block: { file: $box/data/pg_hba.conf, hba: mutual, roles: [web], from: [127.0.0.1], method: trust }
        - block: { file: $box/data/pg_hba.conf, name: probe, hba: harden, roles: [belay_probe, boss], from: [127.0.0.1], method: trust }
clients:
  web:
    unit: web
    links:
      pg:
        match: { user: web }
        dial: { file: $box/web.env, set: { PGSSLMODE: "\$(dial)", PGSSLROOTCERT: "\$(ca_file)" } }
        trust: { ca: internal, file: $box/web/ca.crt }
        present:
          cert: id-web
          file: $box/web/web.crt
          key-file: $box/web/web.key
          with:    { file: $box/web.env, set: { PGSSLCERT: "\$(cert_file)", PGSSLKEY: "\$(key_file)" } }
          without: { file: $box/web.env, unset: [PGSSLCERT, PGSSLKEY] }
END
	cat >"$plan" <<END
belay: plan/1
name: mutual
from: { accept: plain, dial: disable }
steps:
  - { id: certs, certs: { internal: install } }
  - { id: both, accept: { pg: both } }
  - { id: flip, trust: { "web -> pg": internal }, dial: { "web -> pg": verify-full } }
  - { id: tls, accept: { pg: tls } }
  - { id: show, present: { "web -> pg": id-web } }
  - { id: mutual, accept: { pg: mutual } }
  - { id: relax, accept: { pg: tls } }
  - { id: hide, present: { "web -> pg": none } }
END
}

# A client that reads its settings at each connection, until $tmp/stop is there; each login is counted.
traffic() {
	while [ ! -e "$tmp/stop" ]; do
		(
			unset PGSSLMODE PGSSLROOTCERT PGSSLCERT PGSSLKEY
			set -a
			. "$box/web.env"
			psql "host=localhost port=$port user=web dbname=postgres connect_timeout=5" -qAtc 'SELECT 1'
		) >"$tmp/login" 2>&1 && echo ok >>"$tmp/logins" || { echo "failed: $(tr '\n' ' ' <"$tmp/login")" >>"$tmp/logins"; }
		sleep 0.05
	done
}

logins() {
	grep -c '^ok' "$tmp/logins"
}

some_more() {
	had=$(logins)
	until_ 10 sh -c "[ \$(grep -c '^ok' $tmp/logins) -gt $((had + 3)) ]"
}

none_failed() {
	some_more || { tail -n 3 "$tmp/logins"; return 1; }
	! grep -m 5 '^failed' "$tmp/logins"
}

as_web() {			# as_web [CONNINFO]: logs in by web's own CA file, and prints who the server takes it for
	psql "host=localhost port=$port user=web dbname=postgres sslmode=verify-full sslrootcert=$box/web/ca.crt ${1-}" -qAtc \
		"SELECT coalesce(client_dn, 'nobody') FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
}

shown() {
	as_web "sslcert=$box/web/web.crt sslkey=$box/web/web.key" | grep -qx '/CN=web'
}

ok "the box is up" make_box || finish
traffic &
pids="$pids $!"
ok "the plan is proven" box_belay check
# The shipped plans and their fleet; and with the last client left for later, or taken away too early.
shipped() {
	for p in tls off; do
		"$BELAY" -f "$top/plans/mutual.fleet.yaml" -p "$top/plans/mutual-$p.plan.yaml" check >"$tmp/shipped" 2>&1 ||
			{ cat "$tmp/shipped"; return 1; }
		! grep -F warning: "$tmp/shipped" || return 1
	done
}
ok "the shipped plans are proven" shipped
head_of() {
	sed -n "/^belay:/,/^steps:/p" "$top/plans/mutual-$1.plan.yaml"
}
{
	head_of tls
	echo "  - { id: web, present: { \"web -> postgres\": id-web } }"
	echo "  - { id: demand, accept: { postgres: mutual } }"
	echo "  - { id: job, present: { \"job -> postgres\": id-job } }"
} >"$tmp/early.yaml"
ok "one is demanded before the last client shows it: rejected, with its name" fails 1 \
	"after step 2 .demand.: job -> postgres is refused: the endpoint demands a client certificate and the client shows none" \
	"$BELAY" -f "$top/plans/mutual.fleet.yaml" -p "$tmp/early.yaml" check
{
	head_of off
	echo "  - { id: web, present: { \"web -> postgres\": none } }"
	echo "  - { id: relax, accept: { postgres: tls } }"
} >"$tmp/late.yaml"
ok "and one that is taken away while it is demanded" fails 1 "after step 1 .web.: web -> postgres is refused" \
	"$BELAY" -f "$top/plans/mutual.fleet.yaml" -p "$tmp/late.yaml" check
sed "s/^  id-job:.*/  id-job: { purpose: client, subject: job }/" "$top/plans/mutual.fleet.yaml" >"$tmp/other-ca.yaml"
ok "nor does one of another CA count" fails 1 "job -> postgres is refused: the endpoint asks for a client certificate and does not know the CA" \
	"$BELAY" -f "$tmp/other-ca.yaml" -p "$top/plans/mutual-tls.plan.yaml" check
ok "up to tls" box_belay apply --to tls --yes
ok "a certificate of the client's own is made and put there, and shown in its place" fails 0 \
	"pass .*rehearsal of web -> pg.*: tls+name" box_belay apply show --yes
issued() {
	openssl verify -x509_strict -purpose sslclient -CAfile "$box/tls/ca.crt" "$box/web/web.crt" &&
		! openssl verify -purpose sslserver -CAfile "$box/tls/ca.crt" "$box/web/web.crt" &&
		[ "$(openssl x509 -noout -subject -nameopt RFC2253 -in "$box/web/web.crt")" = 'subject=CN=web' ] &&
		[ "$(stat -c %a "$box/web/web.key")" = 600 ] && [ ! -e "$tmp/pki/internal/web.key" ] &&
		grep -q 'BEGIN ENCRYPTED' "$tmp/pki/internal/leaf-id-web.key"
}
ok "for a client by its purpose, under the CA of the server's, its key sealed at rest" issued
ok "the server demands one, and lets in who shows it" fails 0 "pass .*rehearsal of web -> pg showing id-web: .*: tls+name, .*showing id-web" box_belay apply mutual --yes
set_so() {
	box_belay status --json | jq -e '.endpoints[0] | .configured == "mutual" and .served == "mutual"'
}
ok "as it is set to, and seen to be" set_so
ok "and takes the client for who it is" shown
ok "one who shows none is turned away" fails 2 'requires a valid client certificate' as_web "sslcert=none"
ok "nobody was refused on the way there" none_failed
ok "off again: none is demanded, none is shown" box_belay apply --to hide --yes
ok "who shows none is let in" as_web "sslcert=none"
ok "nobody was refused" none_failed
ok "and all of it goes back" box_belay undo --all --yes
ok "nobody was refused on the way back" none_failed
: >"$tmp/stop"
finish
