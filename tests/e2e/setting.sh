#!/bin/sh
# time limit: 300
# Servers that are told, and not written: a Postgres by ALTER SYSTEM, a PgBouncer
# by its console, a Redis by CONFIG SET. Plaintext, both, and back by value; killed
# with the intent just on disk, changed by somebody else, adopted, and put back by hand.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

console() {
	PGPASSWORD=$secret psql -h 127.0.0.1 -p "$bport" -U boss -d pgbouncer -qAt -P pager=off -c "$1"
}

redis() {
	REDISCLI_AUTH=$secret redis-cli -h 127.0.0.1 -p "$rport" "$@"
}

start_pgbouncer() {
	tries=0
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		bport=$(free_port)
		printf '%s\n' '[databases]' "postgres = host=127.0.0.1 port=$port" '[pgbouncer]' 'listen_addr = 127.0.0.1' \
			"listen_port = $bport" 'unix_socket_dir =' 'auth_type = plain' "auth_file = $box/users" 'admin_users = boss' \
			>"$box/pgbouncer.ini"
		printf '"boss" "%s"\n' "$secret" >"$box/users"
		chown "$user" "$box/users" "$box/pgbouncer.ini"
		$as pgbouncer "$box/pgbouncer.ini" >"$box/pgbouncer.log" 2>&1 &
		bpid=$!
		until_ 5 console "SHOW VERSION" >/dev/null 2>&1 && { pids="$pids $bpid"; return; }
		kill "$bpid" 2>/dev/null
	done
	tail "$box/pgbouncer.log"
	return 1
}

start_redis() {
	tries=0
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		rport=$(free_port)
		tport=$(free_port)
		printf '%s\n' 'bind 127.0.0.1' "port $rport" "requirepass $secret" 'save ""' "dir $box/redis" >"$box/redis/redis.conf"
		chown "$user" "$box/redis/redis.conf"
		$as redis-server "$box/redis/redis.conf" >"$box/redis.log" 2>&1 &
		rpid=$!
		until_ 5 redis PING >/dev/null 2>&1 && { pids="$pids $rpid"; return; }
		kill "$rpid" 2>/dev/null
	done
	tail "$box/redis.log"
	return 1
}

make_box() {
	mkdir -p "$box/tls" "$box/redis"
	chown "$user" "$box/tls" "$box/redis"
	init_postgres || return 1
	secret=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	printf '%s\n' "listen_addresses = '127.0.0.1'" "shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' >"$box/data/pg_hba.conf"
	chown "$user" "$log"
	start_postgres || return 1
	sql "CREATE ROLE boss LOGIN SUPERUSER PASSWORD '$secret'" || return 1
	sql "ALTER SYSTEM SET ssl_min_protocol_version = 'TLSv1'" && sql "SELECT pg_reload_conf()" || return 1
	start_pgbouncer || return 1
	start_redis || return 1
	(umask 077
	echo "$secret" >"$tmp/pw"
	echo "a passphrase of the box" >"$tmp/ca-key")
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
secrets:
  pw:     { file: $tmp/pw }
  ca-key: { file: $tmp/ca-key }
units:
  pg:    { host: box, kind: reload, run: kill -HUP \$\$(head -n 1 $box/data/postmaster.pid), restarts: [] }
  pool:  { host: box, kind: reload, run: "true", restarts: [] }
  redis: { host: box, kind: reload, run: "true", restarts: [] }
certs:
  internal:
    serves: [pg, pool, redis]
    passphrase: ca-key
    lands: activation
    install:
      - { file: { path: $box/tls/ca.crt, content: "\$(ca.pem)", mode: "0644", owner: $user } }
      - { file: { path: $box/tls/server.crt, content: "\$(leaf.pem)\$(chain.pem)", mode: "0644", owner: $user } }
      - { file: { path: $box/tls/server.key, content: "\$(key.pem)", mode: "0600", owner: $user } }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: boss, database: postgres, password: pw }
    admin: { user: boss, password: pw }
    accept:
      plain: [ { setting: { set: { ssl: off }, unset: [ssl_cert_file, ssl_key_file, ssl_min_protocol_version] } } ]
      both:  [ { setting: { set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key, ssl_min_protocol_version: TLSv1.2 } } } ]
  pool:
    kind: pgbouncer
    unit: pool
    listen: { both: $bport, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: boss, password: pw }
    admin: { user: boss, password: pw }
    accept:
      plain: [ { setting: { set: { client_tls_sslmode: disable } } } ]
      both:  [ { setting: { set: { client_tls_cert_file: $box/tls/server.crt, client_tls_key_file: $box/tls/server.key, client_tls_sslmode: allow } } } ]
  redis:
    kind: redis
    unit: redis
    listen: { plain: $rport, tls: $tport, at: 127.0.0.1 }
    names: [localhost]
    probe: { password: pw }
    accept:
      plain: [ { setting: { set: { tls-port: 0 } } } ]
      both:  [ { setting: { set: { tls-port: $tport, tls-cert-file: $box/tls/server.crt, tls-key-file: $box/tls/server.key, tls-ca-cert-file: $box/tls/ca.crt, tls-auth-clients: no } } } ]
clients: {}
END
	cat >"$plan" <<END
belay: plan/1
name: told
steps:
  - { id: certs,      certs: { internal: install } }
  - { id: pg-both,    accept: { pg: both } }
  - { id: pool-both,  accept: { pool: both } }
  - { id: redis-both, accept: { redis: both } }
END
}

# What the servers have now, by their own word; line by line.
values() {
	sql "SELECT name, setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf' ORDER BY name"
	console "SHOW CONFIG" | grep '^client_tls' | cut -d'|' -f1,2
	for k in port tls-port tls-cert-file tls-key-file tls-ca-cert-file tls-auth-clients; do redis CONFIG GET $k; done
}

as_before() {
	values | diff - "$tmp/before"
}

kept_by_redis() {
	grep -q "^tls-port $tport" "$box/redis/redis.conf"
}

preview_names_the_values() {
	box_belay diff pg-both >"$tmp/diff" 2>&1 || [ $? = 2 ] || { cat "$tmp/diff"; return 1; }
	box_belay diff redis-both >>"$tmp/diff" 2>&1 || [ $? = 2 ] || { cat "$tmp/diff"; return 1; }
	cat "$tmp/diff"
	grep -q -e '-ssl = off, by default' "$tmp/diff" &&
	grep -q -e '+ssl = on  (ALTER SYSTEM; takes effect at a reload)' "$tmp/diff" &&
	grep -q -e '-ssl_min_protocol_version = TLSv1$' "$tmp/diff" &&
	grep -q -e "+tls-port = $tport  (CONFIG SET; at once, and kept by CONFIG REWRITE in $box/redis/redis.conf)" "$tmp/diff"
}

whole_way_there() {
	box_belay apply --all --yes && kept_by_redis &&
	[ "$(sql 'SHOW ssl')" = on ] && [ "$(sql 'SHOW ssl_min_protocol_version')" = TLSv1.2 ] &&
	PGPASSWORD=$secret psql "host=localhost hostaddr=127.0.0.1 port=$port user=boss dbname=postgres sslmode=verify-full sslrootcert=$box/tls/ca.crt" -qAtc 'SELECT 1' &&
	PGPASSWORD=$secret psql "host=localhost hostaddr=127.0.0.1 port=$bport user=boss dbname=pgbouncer sslmode=verify-full sslrootcert=$box/tls/ca.crt" -qAtc 'SHOW VERSION' &&
	REDISCLI_AUTH=$secret redis-cli --tls --cacert "$box/tls/ca.crt" -h 127.0.0.1 -p "$tport" PING
}

whole_way_back() {
	box_belay undo --all --yes && as_before && ! kept_by_redis
}

drift_is_refused() {
	redis CONFIG SET tls-auth-clients optional || return 1
	rc=0
	box_belay undo redis-both --yes >"$tmp/drift" 2>&1 || rc=$?
	cat "$tmp/drift"
	[ $rc != 0 ] && grep -q "somebody changed what we had set" "$tmp/drift" || return 1
	[ "$(redis CONFIG GET tls-auth-clients | sed -n 2p)" = optional ] || return 1
	redis CONFIG SET tls-auth-clients no
}

# Killed as soon as the host has the intent of the step's statement.
killed_with_the_intent() {
	box_belay apply certs --yes >/dev/null || return 1
	box_belay apply pg-both --yes >/dev/null || return 1
	box_belay apply pool-both --yes >/dev/null || return 1
	"$BELAY" -f "$fleet" -p "$plan" apply redis-both --yes >"$tmp/killed" 2>&1 &
	victim=$!
	until_ 30 any_record redis-both || { cat "$tmp/killed"; return 1; }
	kill -9 $victim
	wait $victim
	whole_way_back
}

any_record() {
	set -- "$tmp"/hoststate/runs/*/"$1"/1/state
	[ -f "$1" ] || return 1
	for f; do grep -q "intent\|applied" "$f" && return 0; done
	return 1
}

another_bastion() {
	box_belay apply --all --yes >/dev/null || return 1
	mv "$XDG_STATE_HOME" "$tmp/old" && mkdir -m 700 "$XDG_STATE_HOME" && cp -r "$tmp/old/belay/ca" "$XDG_STATE_HOME/" 2>/dev/null
	box_belay adopt --yes && box_belay undo --all --yes && as_before && ! kept_by_redis
}

by_hand() {
	rm -rf "$XDG_STATE_HOME" && mv "$tmp/old" "$XDG_STATE_HOME"
	cp -r "$XDG_STATE_HOME" "$tmp/again"
	sed 's/^name: told/name: told-again/' "$plan" >"$tmp/plan2" && mv "$tmp/plan2" "$plan"
	box_belay apply --all --yes || return 1
	box_belay undo --all --print >"$tmp/undo.sh" || return 1
	! grep -q "$secret" "$tmp/undo.sh" || return 1
	(PGPASSWORD=$secret REDISCLI_AUTH=$secret sh "$tmp/undo.sh") && as_before && ! kept_by_redis
}

nothing_kept_the_password() {
	! grep -r -l -e "$secret" "$tmp/hoststate" "$XDG_STATE_HOME" "$tmp/again"
}

ok box_stands make_box || finish
values >"$tmp/before"
ok plan_is_proven box_belay check
ok preview_names_the_values preview_names_the_values
ok applied_settings_serve whole_way_there
ok what_somebody_changed_is_refused drift_is_refused
ok undone_settings_are_as_before whole_way_back
ok killed_with_the_intent_on_disk_it_goes_back killed_with_the_intent
ok adopted_by_another_bastion_it_goes_back another_bastion
ok put_back_by_hand by_hand
ok nothing_kept_the_password nothing_kept_the_password
finish
