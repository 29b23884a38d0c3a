#!/bin/sh
# time limit: 300
# What belay reads in a server's own file, and what it writes there, is what the
# server itself reads: postgres -C, PgBouncer's SHOW CONFIG, Redis' CONFIG GET. And
# a block in pg_hba.conf decides, whatever else stands there: Postgres lets in.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

tool=${BUILD:-$top/build}/tests/lab/conftool
PATH=$PATH:/usr/sbin:/sbin
pg_bin=
for d in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/bin; do
	[ -x "$d/initdb" ] && [ -x "$d/postgres" ] && pg_bin=$d
done
# Postgres and PgBouncer do not run as root.
user=$(id -un) as=
if [ "$(id -u)" = 0 ]; then
	user=postgres as="setpriv --reuid=postgres --regid=$(id -gn postgres) --init-groups"
fi
pid=

end_conf() {
	[ -z "$pid" ] || kill "$pid" 2>/dev/null
	cleanup
}
trap end_conf EXIT

d=$tmp/d
mkdir "$d"
chown "$user" "$d"

same() {			# same WHAT SERVER BELAY
	[ "$2" = "$3" ] || {
		printf '%s\n the server reads: %s\n belay:            %s\n' "$1" "$2" "$3"
		cat "$d/text"
		return 1
	}
}

# ---- postgresql.conf -----------------------------------------------------------

postgres_says() {
	cp "$d/text" "$d/postgresql.conf" && $as "$pg_bin/postgres" -C ssl_ciphers -D "$d"
}

postgres_writes() {		# each value, in each style of line
	printf '%s\n' HIGH 'a b' "it's" 'back\slash' 'end\' 'a # b' '"q"' "'q'" "''" '$HOME' ';' 'a=b' 'ümlaut' \
		-1 '\x41' '\101' '\n' 64MB 'a''b' '%' "\\'" on >"$tmp/values"
	printf '%s\n' '#ssl_ciphers = none' 'ssl_ciphers = x # c' "SSL_CIPHERS 'x''y'	# c" "ssl_ciphers='\\101'" \
		"ssl_ciphers = 'x'
ssl_ciphers = 'y' # the last one" >"$tmp/lines"
	while IFS= read -r value; do
		while IFS= read -r line; do
			printf '# top\n%s\nwork_mem = 4MB' "$line" >"$d/base"
			"$tool" set postgres "$d/base" ssl_ciphers "$value" >"$d/text" || return 1
			same "'$value' into '$line'" "$(postgres_says)" "$value" || return 1
			same "'$value' back" "$value" "$("$tool" get postgres "$d/text" ssl_ciphers)" || return 1
		done <"$tmp/lines"
	done <"$tmp/values"
}

postgres_reads() {
	printf '%s\n' "ssl_ciphers = 'a''b'" "ssl_ciphers 'a'#c" "ssl_ciphers=a.b/c:d-e" "  Ssl_Ciphers	=	'\\t\\\\\\'\\60'  " \
		"ssl_ciphers = 12kB" "ssl_ciphers = ''" "ssl_ciphers = '\"#'" "ssl_ciphers = 0x1F" >"$tmp/lines"
	while IFS= read -r line; do
		printf 'ssl_ciphers = first\r\n%s\r\n' "$line" >"$d/text"
		same "$line" "$(postgres_says)" "$("$tool" get postgres "$d/text" ssl_ciphers)" || return 1
	done <"$tmp/lines"
}

# ---- redis.conf ------------------------------------------------------------------

redis_says() {			# redis_says KEY: of $d/text
	{ cat "$d/text" && printf '\nport 0\nunixsocket %s/redis.sock\nsave ""\ndaemonize no\nlogfile %s/redis.log\n' "$d" "$d"; } >"$d/redis.conf"
	rm -f "$d/redis.sock"
	redis-server "$d/redis.conf" >"$tmp/redis.out" 2>&1 &
	pid=$!
	until_ 10 test -S "$d/redis.sock" || { cat "$tmp/redis.out" "$d/redis.log"; return 1; }
	redis-cli -s "$d/redis.sock" --no-auth-warning CONFIG GET "$1" >"$d/got"
	kill "$pid" && wait "$pid"
	pid=
	sed -n 2p "$d/got"
}

redis_writes() {		# WORDS as they are written, and what they mean
	while IFS='|' read -r words means; do
		printf '# top\nMASTERAUTH "x y"\r\nsave ""' >"$d/base"
		"$tool" set redis "$d/base" masterauth "$words" >"$d/text" || return 1
		redis_says masterauth >"$d/said" || return 1
		same "$words" "$(cat "$d/said")" "$means" || return 1
		same "$words back" "$means" "$("$tool" get redis "$d/text" masterauth | sed -e 's/^"\(.*\)"$/\1/' -e 's/\\\(["\\]\)/\1/g')" || return 1
	done <<'END'
plain|plain
a#b|a#b
#x|#x
"a b"|a b
'a b'|a b
"it's"|it's
'it\'s'|it's
"q\"q"|q"q
"\x41\x42"|AB
"back\\slash"|back\slash
$HOME|$HOME
END
	printf 'bind 127.0.0.1\n' >"$d/base"
	"$tool" set redis "$d/base" bind '127.0.0.1   "-::1"' >"$d/text" || return 1
	redis_says bind >"$d/said" || return 1
	same "several words" "$(cat "$d/said")" '127.0.0.1 -::1'
}

redis_reads() {
	printf 'masterauth first\n MasterAuth\t"\\x61 b"\n#masterauth c\n' >"$d/text"
	redis_says masterauth >"$d/said" || return 1
	same "the last line counts" "\"$(cat "$d/said")\"" "$("$tool" get redis "$d/text" masterauth)"
}

# ---- pgbouncer.ini -----------------------------------------------------------------

pgbouncer_says() {		# pgbouncer_says KEY: of $d/text
	cp "$d/text" "$d/pgbouncer.ini"
	rm -f "$d/.s.PGSQL.6432"
	$as pgbouncer "$d/pgbouncer.ini" >"$tmp/pgbouncer.out" 2>&1 &
	pid=$!
	until_ 10 test -S "$d/.s.PGSQL.6432" || { cat "$tmp/pgbouncer.out"; return 1; }
	psql -h "$d" -p 6432 -U boss -d pgbouncer -qAt -F '|' -c 'SHOW CONFIG' >"$d/got" || { cat "$tmp/pgbouncer.out"; return 1; }
	kill "$pid" && wait "$pid" 2>/dev/null
	pid=
	awk -F'|' -v k="$1" '$1 == k { print $2 }' "$d/got"
}

ini_base() {
	printf '%s\n' ';; top' '[databases]' 'server_check_query = host=x' '* = host=127.0.0.1' '' '[pgbouncer]' \
		'listen_addr =' "unix_socket_dir = $d" 'listen_port = 6432' 'auth_type = any' 'admin_users = boss' \
		'; server_check_query = in a comment' "$@" '[users]' 'x = pool_mode=session'
}

ini_writes() {
	printf '%s\n' 'select 1' 'a ; b' 'a # b' "it's" '"q"' 'back\slash' 'a = b' '' 'ümlaut' '%include' >"$tmp/values"
	while IFS= read -r value; do
		for line in '' 'server_check_query=x' ' server_check_query  =  old   '; do
			ini_base "$line" >"$d/base"
			"$tool" set ini "$d/base" server_check_query "$value" >"$d/text" || return 1
			pgbouncer_says server_check_query >"$d/said" || return 1
			same "'$value' into '$line'" "$(cat "$d/said")" "$value" || return 1
			same "'$value' back" "$value" "$("$tool" get ini "$d/text" server_check_query)" || return 1
		done
	done <"$tmp/values"
}

ini_reads() {
	ini_base '[users]' 'server_check_query = pool_mode=session' >"$d/base"
	sed 's/^auth_type.*/&\
 server_check_query = first\
  server_check_query	=	the last one; counts  /' "$d/base" >"$d/text"
	pgbouncer_says server_check_query >"$d/said" || { cat "$d/said"; return 1; }
	same "the last line counts" "$(cat "$d/said")" "$("$tool" get ini "$d/text" server_check_query)" || return 1
	# Where [pgbouncer] begins again, it begins with the defaults.
	{ printf '[pgbouncer]\nserver_check_query = lost\nmax_client_conn = 7\n' && cat "$d/text"; } | sed '/server_check_query = first/d' >"$d/more" &&
		mv "$d/more" "$d/text"
	pgbouncer_says max_client_conn >"$d/said" || { cat "$d/said"; return 1; }
	[ "$(cat "$d/said")" = 100 ] && ! "$tool" get ini "$d/text" max_client_conn
}

# ---- pg_hba.conf -------------------------------------------------------------------

sql() {
	psql -h "$d" -p "$port" -U admin -d postgres -qAt -P pager=off -c "$1"
}

start_postgres() {		# a port that nobody has: Postgres itself says so
	$as "$pg_bin/initdb" -D "$d/data" -U admin -A trust -N --no-instructions --locale=C >"$d/log" 2>&1 || return 1
	echo "hba_file = '$d/pg_hba.conf'" >>"$d/data/postgresql.conf"
	echo 'local all all trust' >"$d/pg_hba.conf"
	chown "$user" "$d/log"
	tries=0
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		port=$((20000 + ($(od -An -tu2 -N2 /dev/urandom) % 20000)))
		$as "$pg_bin/pg_ctl" -D "$d/data" -l "$d/log" -w -t 30 -o "-h 127.0.0.1 -p $port -k $d -c fsync=off" \
			start >/dev/null 2>&1 || continue
		pid=$(head -n 1 "$d/data/postmaster.pid")
		sql 'CREATE ROLE staff' && sql 'CREATE ROLE app LOGIN IN ROLE staff' && sql 'CREATE DATABASE app'
		return
	done
	tail -n 20 "$d/log"
	return 1
}

# Records of all kinds, each of which turns away whom it is for.
records() {			# records SEED
	awk -v seed="$1" 'function pick(s,  v, n) { n = split(s, v, "|"); return v[int(rand() * n) + 1] }
	BEGIN {
		srand(seed)
		for (i = int(rand() * 7); i >= 0; i--) {
			if (rand() < 0.3)
				print pick("# host all all all trust||# BEGIN THEIRS|# END THEIRS|	# c")
			print pick("host|hostnossl|hostssl|	host ") " " \
				pick("all|postgres|\"postgres\"|sameuser|app|replication|x,postgres|x, y|samerole|\"all\"") " " \
				pick("all|app|\"app\"|+staff|other|other,app|\"all\"|\"+staff\"|+\"staff\"") pick(" |	| \\\n\t") \
				pick("127.0.0.1/32|127.0.0.0/8|0.0.0.0/0|all|samehost|samenet|::1/128|10.0.0.0/8|127.0.0.0 255.0.0.0|127.0.0.2/32|127.0.0.3/30") \
				" reject" pick("|   # why|")
		}
	}'
}

reloaded() {
	[ "$(sql 'SELECT pg_conf_load_time()')" != "$1" ]
}

lets_in() {			# as app, in plaintext, over TCP
	psql "host=127.0.0.1 port=$port user=app dbname=$1 sslmode=disable" -qAt -c 'SELECT 1' >"$d/said" 2>&1
}

hba_decides() {
	start_postgres || return 1
	i=0 turned=0
	while [ $i -lt 40 ]; do
		i=$((i + 1))
		{ echo 'local all all trust' && records $i; } >"$d/theirs"
		for db in $([ $((i % 2)) = 0 ] && echo postgres || echo app); do
			"$tool" set hba "$d/theirs" pg "host $db app 127.0.0.1/32 trust" >"$d/text" || return 1
			for f in theirs text; do
				before=$(sql 'SELECT pg_conf_load_time()')
				cat "$d/$f" >"$d/pg_hba.conf"
				[ "$(sql 'SELECT count(*) FROM pg_hba_file_rules WHERE error NOT LIKE $$hostssl record cannot match%$$')" = 0 ] || { cat "$d/$f"; return 1; }
				sql 'SELECT pg_reload_conf()' >/dev/null
				until_ 10 reloaded "$before" || return 1
				if [ $f = theirs ]; then
					lets_in $db && { echo 'let in without the block'; cat "$d/$f"; return 1; }
					grep -q 'rejects connection' "$d/said" && turned=$((turned + 1))
				else
					lets_in $db || { cat "$d/said" "$d/$f"; return 1; }
				fi
			done
		done
	done
	# Else it would show little.
	[ $turned -gt 13 ] || { echo "only $turned were turned away without it"; return 1; }
}

ok "postgres reads what belay writes" postgres_writes
ok "belay reads what postgres reads" postgres_reads
ok "redis reads what belay writes" redis_writes
ok "belay reads what redis reads" redis_reads
ok "pgbouncer reads what belay writes" ini_writes
ok "belay reads what pgbouncer reads" ini_reads
ok "a block of pg_hba.conf decides, whatever else stands there" hba_decides
finish
