#!/bin/sh
# time limit: 300
# A Postgres that offers TLS from now on, and a pooler whose old sessions are on
# plaintext: it gives them up, and what a client of its own holds longer is ended.
# Clients that work all the time do not notice; nor do those of a Redis, whose old
# sessions are ended, but that they connect anew.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"
client=${BUILD:-$top/build}/tests/lab/labclient

make_box() {
	make_pair || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "ssl_cert_file = '$box/crt'" "ssl_key_file = '$box/key'" \
		'shared_buffers = 8MB' >>"$box/data/postgresql.conf"
	start_postgres || return 1
	sql "CREATE ROLE app LOGIN; CREATE ROLE pool LOGIN; CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor;
		CREATE TABLE canary (who text PRIMARY KEY, seq bigint NOT NULL) WITH (fillfactor = 10);
		INSERT INTO canary SELECT 'web:' || i, 0 FROM unnest(string_to_array('0 1 2 3 4 5 6 7 new', ' ')) i;
		GRANT SELECT, UPDATE ON canary TO pool" || return 1
	bport=$(free_port)
	start_redis
	to="host=127.0.0.1 port=$port dbname=postgres user=pool"
	printf '%s\n' '[databases]' "postgres = $to min_pool_size=6" "held = $to pool_mode=session" "later = $to" '[pgbouncer]' \
		'listen_addr = 127.0.0.1' "listen_port = $bport" 'auth_type = any' 'admin_users = admin' \
		'stats_users = belay_probe' 'unix_socket_dir =' 'pool_mode = transaction' 'default_pool_size = 6' \
		'server_tls_sslmode = prefer' >"$box/pgbouncer.ini"
	start_pooler "host=127.0.0.1 port=$bport user=app dbname=postgres" && redis_is_there || return 1
	echo MODE=require >"$box/env"
	three_endpoints plain >"$fleet"
	cat >>"$fleet" <<END
clients:
  bouncer:
    unit: all
    links: { pg: { match: { user: pool }, dial: { file: $box/env, set: { MODE: "\$(dial)" } } } }
  web:
    unit: all
    links:
      bouncer: { match: { address: 127.0.0.1 }, dial: { assume: disable } }
      redis:   { match: { address: 127.0.0.1 }, dial: { file: $box/env, set: { MODE: "\$(dial)" } } }
END
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: both, dial: require }
steps:
  - { id: pg,    drain: { pg: plaintext } }
  - { id: redis, drain: { redis: plaintext } }
END
}

# works NAME ENV PGSESSIONS REDISSESSIONS: a client that is never idle
works() {
	: >"$tmp/$1.log"
	"$client" -n web -e "$2" -s "$tmp/$1.json" -r "$tmp/$1.ready" -P "$3" -R "$4" -i 10 -c 100 >>"$tmp/$1.log" 2>&1 &
	worker=$!
	pids="$pids $worker"
	until_ 20 test -f "$tmp/$1.ready" || { cat "$tmp/$1.log"; return 1; }
}

env_of() {			# env_of TLS
	printf '%s\n' DATABASE_HOST=127.0.0.1 "DATABASE_PORT=$bport" DATABASE_NAME=postgres DATABASE_USER=app \
		REDIS_HOST=localhost REDIS_HOSTADDR=127.0.0.1 "REDIS_PORT=$rport" "REDIS_TLS_PORT=$rtls" REDIS_PASSWORD=pw \
		"REDIS_TLS_ENABLED=$1" "REDIS_TLS_CA_FILE=$box/crt"
}

# counted NAME LINK FIELD
counted() {
	jq -r ".links.$2.$3" "$tmp/$1.json"
}

none_failed() {			# none_failed NAME LINK
	cat "$tmp/$1.json" "$tmp/$1.log"
	[ "$(counted "$1" "$2" ok)" -gt 0 ] && [ "$(counted "$1" "$2" failed)" = 0 ] && [ "$(counted "$1" "$2" new_failed)" = 0 ]
}

none_noticed() {
	none_failed "$1" "$2" && [ "$(counted "$1" "$2" retried)" = 0 ] && [ "$(counted "$1" "$2" new_retried)" = 0 ]
}

at_pg() {			# at_pg SSL: sessions of the pooler
	sql "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE ssl = $1 AND usename = 'pool'"
}

some_at_pg() {
	[ "$(at_pg "$1")" -ge "$2" ]
}

none_at_pg() {
	[ "$(at_pg "$1")" = 0 ]
}

# holds DATABASE: a transaction that is open and stays so
holds() {
	mkfifo "$tmp/hold.$1"
	psql "host=127.0.0.1 port=$bport user=app dbname=$1 application_name=$1" -qAt <>"$tmp/hold.$1" >"$tmp/held.$1" 2>&1 &
	pids="$pids $!"
	echo "BEGIN; SELECT 'here';" >"$tmp/hold.$1"
	until_ 10 grep -q here "$tmp/held.$1"
}

says_in_history() {
	box_belay history >"$tmp/history" 2>&1
	grep -q -e "$1" "$tmp/history" || { tail -n 40 "$tmp/history"; return 1; }
}

ok "the box is up" make_box || finish
env_of false >"$tmp/env.web"
ok "clients work through the pooler and at redis" works web "$tmp/env.web" 8 4
first=$worker
ok "and one holds a transaction" holds held
# A full pool: nobody of it connects anew.
ok "all that the pooler has at postgres is on plaintext" until_ 20 some_at_pg false 7
echo 'ssl = on' >>"$box/data/postgresql.conf"
sql 'SELECT pg_reload_conf()' >/dev/null
until_ 10 sh -c "psql 'host=127.0.0.1 port=$port user=admin dbname=postgres sslmode=require' -qAtc 'SELECT 1' >/dev/null 2>&1"
ok "while none of its sessions is on TLS it is refused" fails 1 \
	'new connections of bouncer -> pg: inconclusive: .*is on tls yet' box_belay apply pg --yes
ok "a new one is on TLS" holds later
until_ 10 some_at_pg true 1
preview() {
	box_belay diff pg >"$tmp/diff" 2>&1
	cat "$tmp/diff"
	grep -q "of them are of the pooler 'bouncer', which is told RECONNECT" "$tmp/diff"
}
ok "the preview says that the pooler gives them up" preview
ok "it does" box_belay apply pg --yes
ok "none is left, by the server's own view" none_at_pg false
ok "and the pooler works on TLS" some_at_pg true 2
ok "what it was told is in the history" says_in_history "told 'bouncer' RECONNECT \"postgres\""
ok "and each session that it gave up" says_in_history "given up by its pooler: session [0-9]* of bouncer: role pool"
ok "what a client held was ended, by name" says_in_history "ended session [0-9]* of bouncer: role pool"
ok "which is the only one that was" [ "$(grep -c 'terminating connection due to administrator command' "$log")" = 1 ]
ok "no client of the pooler noticed" none_noticed web pgbouncer
grep -n 'login failed\|login has been failing\|pooler error' "$tmp/pgbouncer.log" | head -n 5

env_of true >"$tmp/env.web"
kill -HUP "$first"
cp "$tmp/env.web" "$tmp/env.new"
ok "redis: a new client dials by TLS" works new "$tmp/env.new" 0 2
on_plaintext() {		# on_plaintext N: of those that stay
	REDISCLI_AUTH=pw redis-cli -p "$rtls" --tls --cacert "$box/crt" --no-auth-warning CLIENT LIST >"$tmp/list"
	cat "$tmp/list"
	[ "$(grep -v name=belay "$tmp/list" | grep -c "laddr=127.0.0.1:$rport ")" = "$1" ]
}
ok "and the old sessions are on plaintext" until_ 10 on_plaintext 4
ok "they are ended" box_belay apply redis --yes
ok "none is left" on_plaintext 0
ok "each is in the history" says_in_history 'ended client [0-9]* of web: role default'
has_retried() {
	[ "$(counted web redis retried)" -ge 1 ]
}
ok "the clients connected anew" until_ 10 has_retried
ok "and nothing that they did has failed" none_failed web redis
ok "nor of the new one" none_noticed new redis
ok "the way back of both has nothing to do" box_belay undo --all --yes
finish
