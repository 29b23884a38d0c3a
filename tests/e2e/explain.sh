#!/bin/sh
# time limit: 180
# What is wrong is told by its cause: TLS that is configured and not served, a server
# that is not there, a connection string in another driver's words. And a session that
# would lose its line of pg_hba.conf stops the step that writes there, by name.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	mkdir -p "$box/tls"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
		-addext subjectAltName=DNS:localhost -keyout "$box/tls/server.key" -out "$box/tls/server.crt" 2>/dev/null || return 1
	chmod 600 "$box/tls/server.key"
	chown -R "$user" "$box/tls"
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "shared_buffers = 8MB" "include_dir 'conf.d'" \
		"ssl_cert_file = '$box/tls/server.crt'" "ssl_key_file = '$box/tls/server.key'" >>"$box/data/postgresql.conf"
	mkdir "$box/data/conf.d"
	echo "ssl = off" >"$box/data/conf.d/tls.conf"
	chown -R "$user" "$box/data/conf.d"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' >"$box/data/pg_hba.conf"
	start_postgres || return 1
	secret=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	sql "CREATE ROLE boss LOGIN SUPERUSER PASSWORD '$secret'; CREATE ROLE backup LOGIN PASSWORD '$secret'" || return 1
	(umask 077; echo "$secret" >"$tmp/pw")
	echo 'MODE=disable' >"$box/web.env"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pw: { file: $tmp/pw } }
units:
  pg:  { host: box, kind: reload, run: kill -HUP \$\$(head -n 1 $box/data/postmaster.pid), restarts: [] }
  web: { host: box, run: "true", restarts: [web] }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: boss, database: postgres, password: pw }
    accept:
      plain: { conf: { file: $box/data/conf.d/tls.conf, syntax: postgres, set: { ssl: off } } }
      both:
        - { conf: { file: $box/data/conf.d/tls.conf, syntax: postgres, set: { ssl: on } } }
        - { block: { file: $box/data/pg_hba.conf, remove: yes } }
      tls:
        - { conf: { file: $box/data/conf.d/tls.conf, syntax: postgres, set: { ssl: on } } }
        - { block: { file: $box/data/pg_hba.conf, text: "hostssl all boss 127.0.0.1/32 scram-sha-256\nhost all all all reject\n" } }
clients:
  web:
    unit: web
    links:
      pg:
        match: { user: app }
        dial: { file: $box/web.env, set: { MODE: "\$(dial)" } }
END
	cat >"$plan" <<END
belay: plan/1
name: lines
from: { accept: both, dial: require }
steps:
  - { id: tls, accept: { pg: tls } }
END
}

# Until the server has taken over what is written: its own word for it.
reloaded() {
	kill -HUP "$(head -n 1 "$box/data/postmaster.pid")" && until_ 10 says_ssl "$1"
}

says_ssl() {
	[ "$(sql 'SHOW ssl')" = "$1" ]
}

explains() {			# explains NAME WORDS...: all of them stand in the explanation
	name=$1
	shift
	box_belay explain "$name" >"$tmp/why" 2>&1 </dev/null || { cat "$tmp/why"; return 1; }
	for words; do
		grep -qF -e "$words" "$tmp/why" || { echo "not said: $words"; cat "$tmp/why"; return 1; }
	done
}

nothing_is_wrong() {
	explains pg 'nothing that is seen looks like a failure'
}

configuration_lies() {
	chmod 644 "$box/tls/server.key"
	echo "ssl = on" >"$box/data/conf.d/tls.conf"
	reloaded on || return 1
	explains pg 'pg: key-permissions' "the key's mode lets others read it" 'rests on: ' 'to do: chmod 0600' &&
		box_belay status </dev/null | grep -qF 'pg: serves plain: configured both (ssl on), served plaintext only: PostgreSQL could not load its key (others may read it)' &&
		box_belay explain --json pg </dev/null >"$tmp/why.json" &&
		jq -e '.belay == "explain/1" and any(.causes[]; .of == "endpoint" and .cause == "key-permissions" and .sure)' "$tmp/why.json" >/dev/null
}

a_string_is_named() {
	printf '%s\n' 'MODE=require' "DATABASE_URL=postgresql+asyncpg://app:$secret@localhost:$port/shop?sslmode=prefer" >"$box/web.env"
	explains web 'driver-word' 'web -> pg: key-permissions' "$box/web.env:2: DATABASE_URL: 'sslmode' is not a word of sqlalchemy-asyncpg" || return 1
	box_belay status </dev/null >"$tmp/status" 2>&1
	grep -qF "$box/web.env:2: DATABASE_URL: sslmode=prefer goes on in plaintext" "$tmp/status" || { cat "$tmp/status"; return 1; }
	! grep -qF "$secret" "$tmp/status" "$tmp/why"
}

a_lost_session_stops_the_step() {
	chmod 600 "$box/tls/server.key"
	sql "SELECT pg_reload_conf()" >/dev/null
	until_ 10 tls_answers || return 1
	PGPASSWORD=$secret psql "host=127.0.0.1 port=$port user=backup dbname=postgres sslmode=require" -qAt \
		-c "SELECT pg_sleep(170)" >/dev/null 2>&1 &
	pids="$pids $!"
	until_ 20 connected || return 1
	rc=0
	box_belay apply tls --yes </dev/null >"$tmp/apply" 2>&1 || rc=$?
	[ "$rc" -ne 0 ] && grep -qF "backup from 127.0.0.1 by tls, database postgres: line" "$tmp/apply" &&
		grep -qF "would reject it" "$tmp/apply" && ! grep -q "BEGIN belay" "$box/data/pg_hba.conf" ||
		{ echo "exit $rc"; cat "$tmp/apply" "$box/data/pg_hba.conf"; return 1; }
}

tls_answers() {
	PGPASSWORD=$secret psql "host=127.0.0.1 port=$port user=boss dbname=postgres sslmode=require" -qAtc 'SELECT 1' >/dev/null 2>&1
}

connected() {
	[ "$(sql "SELECT count(*) FROM pg_stat_activity WHERE usename = 'backup' AND state = 'active'")" = 1 ]
}

nobody_there() {
	$as "$pg_bin/pg_ctl" -D "$box/data" -m immediate -w stop >/dev/null 2>&1
	explains pg 'pg: down' "nobody listens at any of its ports"
}

a_name_that_is_none() {
	! box_belay explain nobody </dev/null >"$tmp/why" 2>&1 && grep -qF "there is no host, endpoint, client or link 'nobody'" "$tmp/why"
}

echo 1..7
ok "a Postgres without TLS, and a client" make_box
ok "where nothing is wrong nothing is said" nothing_is_wrong
ok "TLS that is configured and not served is told" configuration_lies
ok "a connection string in another driver's words is told, and its password is not" a_string_is_named
ok "a session that would lose its line stops the step, by name" a_lost_session_stops_the_step
ok "a server that is not there is told" nobody_there
ok "a name that is none is refused" a_name_that_is_none
