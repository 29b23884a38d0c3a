#!/bin/sh
# time limit: 300
# Sessions that were opened before their client was moved stay on plaintext until
# somebody ends them: at a Postgres, a Redis and a PgBouncer, each by name, and none
# before a new one is seen on TLS; none of a client that nobody declared.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	make_pair || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "ssl = on" "ssl_cert_file = '$box/crt'" \
		"ssl_key_file = '$box/key'" "shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	start_postgres || return 1
	sql "CREATE ROLE app LOGIN" && sql "CREATE ROLE pool LOGIN" && sql 'CREATE ROLE stranger LOGIN' && sql 'CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor' || return 1
	bport=$(free_port)
	start_redis
	printf '%s\n' '[databases]' "* = host=127.0.0.1 port=$port" '[pgbouncer]' 'listen_addr = 127.0.0.1' \
		"listen_port = $bport" 'auth_type = any' 'admin_users = admin' 'stats_users = belay_probe' \
		'unix_socket_dir =' 'client_tls_sslmode = allow' "client_tls_key_file = $box/key" \
		"client_tls_cert_file = $box/crt" 'server_tls_sslmode = require' >"$box/pgbouncer.ini"
	sed -i "s/port=$port/port=$port user=pool/" "$box/pgbouncer.ini"
	start_pooler "host=localhost hostaddr=127.0.0.1 port=$bport user=app dbname=postgres sslmode=require" && redis_is_there || return 1
	echo MODE=require >"$box/env"
	three_endpoints both >"$fleet"
	cat >>"$fleet" <<END
clients:
  app:
    unit: all
    links:
      pg:      { match: { user: app }, dial: { file: $box/env, set: { MODE: "\$(dial)" } } }
      bouncer: { match: { address: 127.0.0.1 }, dial: { file: $box/env, set: { MODE: "\$(dial)" } } }
      redis:   { match: { address: 127.0.0.1 }, dial: { file: $box/env, set: { MODE: "\$(dial)" } } }
END
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: both, dial: require }
steps:
  - { id: pg,        drain: { pg: plaintext } }
  - { id: strangers, drain: { pg: { sessions: plaintext, pace: 50ms, undeclared: yes } } }
  - { id: redis,     drain: { redis: plaintext } }
  - { id: bouncer,   drain: { bouncer: plaintext } }
  - { id: slow,      drain: { pg: { sessions: plaintext, pace: 30s } } }
END
}

# sits USER MODE PORT: a session that is held, as one of an old pool is
sits() {
	mkfifo "$tmp/hold.$1.$2.$3.$4" 2>/dev/null
	psql "host=localhost hostaddr=127.0.0.1 port=$3 user=$1 dbname=postgres sslmode=$2 application_name=$4" -qAt \
		<>"$tmp/hold.$1.$2.$3.$4" >"$tmp/sits.$4" 2>&1 &
	pids="$pids $!"
}

redis_sits() {			# redis_sits PORT [--tls …]
	mkfifo "$tmp/hold.redis.$1" 2>/dev/null
	REDISCLI_AUTH=pw redis-cli -p "$@" --no-auth-warning <>"$tmp/hold.redis.$1" >"$tmp/redis.sits" 2>&1 &
	pids="$pids $!"
	echo 'CLIENT SETNAME old' >"$tmp/hold.redis.$1"
}

plain_at_pg() {			# plain_at_pg USER N
	[ "$(sql "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
		WHERE NOT ssl AND client_addr IS NOT NULL AND usename = '$1'")" = "$2" ]
}

tls_at_pg() {
	[ "$(sql "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid)
		WHERE ssl AND client_addr IS NOT NULL AND usename = '$1'")" -ge "$2" ]
}

redis_ports() {			# how many clients are named so, at the plaintext port
	REDISCLI_AUTH=pw redis-cli -p "$rport" --no-auth-warning CLIENT LIST | grep 'name=old' | grep -c "laddr=127.0.0.1:$1 "
}

redis_has() {
	[ "$(redis_ports "$1")" = "$2" ]
}

names() {			# names TEXT: it was said, and is in the history
	box_belay history >"$tmp/history" 2>&1
	grep -q -e "$1" "$tmp/history" || { tail -n 20 "$tmp/history"; return 1; }
}

ok "the box is up" make_box || finish
sits app disable "$port" old1
sits app disable "$port" old2
sits stranger disable "$port" who
until_ 10 plain_at_pg app 2 && until_ 10 plain_at_pg stranger 1

ok "while no session of the client is on TLS it is refused" fails 1 \
	'new connections of app -> pg: inconclusive: .*none of its 2 sessions is on tls yet' box_belay apply pg --yes
ok "and nobody was sent away" plain_at_pg app 2
sits app require "$port" new
until_ 10 tls_at_pg app 1
preview() {
	box_belay diff pg >"$tmp/diff" 2>&1
	cat "$tmp/diff"
	grep -q 'ends 2 sessions, which cannot be taken back' "$tmp/diff" &&
		grep -q 'session [0-9]* of app: role app, database postgres, application old1, from 127.0.0.1' "$tmp/diff" &&
		grep -q 'leaves alone 1 of undeclared clients' "$tmp/diff" && grep -q 'role stranger' "$tmp/diff"
}
ok "the preview names who is sent away, and who is not" preview
ok "postgres: the sessions on plaintext are ended" box_belay apply pg --yes
ok "by the server's own view" plain_at_pg app 0
ok "those on TLS stay" tls_at_pg app 1
ok "and so does who was not declared" plain_at_pg stranger 1
ok "each is named in the history" names 'ended session [0-9]* of app: role app, database postgres, application old2'
ok "with undeclared: yes the others go too" box_belay apply strangers --yes
ok "by the server's own view" plain_at_pg stranger 0
ok "and are named" names 'ended session [0-9]* of an undeclared client: role stranger'

redis_sits "$rport"
redis_sits "$rtls" --tls --cacert "$box/crt"
redis_both() {
	redis_has "$rport" 1 && redis_has "$rtls" 1
}
ok "redis: a client sits on each of its ports" until_ 10 redis_both
ok "redis: the client on plaintext is ended" box_belay apply redis --yes
ok "and named" names 'ended client [0-9]* of app: role default'
ok "it is gone from the port, and the one on TLS is not" sh -c '[ "$1" = 0 ] && [ "$2" = 1 ]' x "$(redis_ports "$rport")" "$(redis_ports "$rtls")"

sits app disable "$bport" pooled
sits app require "$bport" pooled-new
bouncer_plain() {
	[ "$(psql "host=localhost hostaddr=127.0.0.1 port=$bport user=admin dbname=pgbouncer" -qAt -F '|' -P footer=off -c 'SHOW CLIENTS' |
		grep -c "|pooled\(|\|$\)")" = "$1" ]
}
until_ 10 bouncer_plain 1
version=$(pgbouncer --version | sed -n 's/^PgBouncer 1\.\([0-9]*\).*/\1/p')
if [ "${version:-0}" -ge 24 ]; then
	ok "pgbouncer: the client on plaintext is ended" box_belay apply bouncer --yes
	ok "by its own view" bouncer_plain 0
else
	ok "pgbouncer before 1.24 cannot end one client, and that is said" fails 1 \
		"PgBouncer 1\.$version[.0-9]* cannot end a single client (KILL_CLIENT came with 1.24): restart app, or wait" box_belay apply bouncer --yes
	ok "and it stays" bouncer_plain 1
fi

[ "${version:-0}" -ge 24 ] || sed -i "/id: bouncer,/d" "$plan"
sits app disable "$port" slow1
sits app disable "$port" slow2
until_ 10 plain_at_pg app 2
parks() {
	"$BELAY" -f "$fleet" -p "$plan" apply slow --yes >"$tmp/slow" 2>&1 &
	p=$!
	until_ 20 plain_at_pg app 1 && kill -INT "$p" && wait "$p"
	cat "$tmp/slow"
	grep -q "stopped; the sessions that were ended are in the history" "$tmp/slow" && plain_at_pg app 1
}
ok "a drain can be stopped between two of them" parks
sed -i s/30s/50ms/ "$plan"
ok "and gone on with" box_belay apply slow --yes
ok "until nobody is left" plain_at_pg app 0
ok "the way back of them all has nothing to do" box_belay undo --all --yes
finish
