# shellcheck shell=sh
# What the scripts have in common that drive servers on this machine, without a lab:
# a Postgres and whatever else they start, on ports of their own. Sourced; expects
# $0's folder in $here. A script adds what it starts to $pids, or names the file
# that has its pid in $pid_file.
. "$here/lib.sh"

box=$tmp/box
log=$box/log
HOME=$tmp/home XDG_STATE_HOME=$tmp/state
export HOME XDG_STATE_HOME
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
fleet=$tmp/fleet.yaml
plan=$tmp/plan.yaml
pids= pid_file=
mkdir -p "$HOME" "$XDG_STATE_HOME" "$box/run"
chmod 700 "$XDG_STATE_HOME"
: >"$log"
chown "$user" "$box" "$box/run" "$log"

box_belay() {
	"$BELAY" -f "$fleet" -p "$plan" "$@"
}

end_box() {
	[ ! -f "${pid_file:-/nonexistent}" ] || pids="$pids $(cat "$pid_file")"
	for p in $pids; do
		kill "$p" 2>/dev/null
	done
	[ ! -f "$box/data/postmaster.pid" ] || kill -INT "$(head -n 1 "$box/data/postmaster.pid")" 2>/dev/null
	until_ 10 test ! -f "$box/data/postmaster.pid"
	cleanup
}
trap end_box EXIT

sql() {
	psql -h "$box/run" -p "$port" -U admin -d postgres -qAt -P pager=off -c "$1"
}

# A port that nobody has now, below those that the kernel gives to whoever connects, and no port twice.
free_port() {
	while :; do
		p=$((10000 + ($(od -An -tu2 -N2 /dev/urandom) % 20000)))
		cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$(printf '%04X' "$p") " ||
			grep -qsx "$p" "$tmp/ports" || break
	done
	echo "$p" >>"$tmp/ports"
	echo "$p"
}

# A certificate of its own for localhost, and its key, which are the servers' to read.
make_pair() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost -days 9 \
		-addext subjectAltName=DNS:localhost -keyout "$box/key" -out "$box/crt" 2>/dev/null &&
		chown "$user" "$box/key" "$box/crt" && chmod 600 "$box/key"
}

# A Redis on $rport and, with TLS, on $rtls; its password is pw.
start_redis() {
	rport=$(free_port) rtls=$(free_port)
	redis-server --bind 127.0.0.1 --port "$rport" --tls-port "$rtls" --tls-cert-file "$box/crt" --tls-key-file "$box/key" \
		--tls-ca-cert-file "$box/crt" --tls-auth-clients no --save '' --requirepass pw --dir "$tmp" >"$tmp/redis.log" 2>&1 &
	pids="$pids $!"
	(umask 077; echo pw >"$tmp/pw")
}

# start_pooler CONNINFO: a PgBouncer by $box/pgbouncer.ini, until that gets an answer.
start_pooler() {
	$as pgbouncer "$box/pgbouncer.ini" >"$tmp/pgbouncer.log" 2>&1 &
	pids="$pids $!"
	until_ 10 sh -c "psql '$1' -qAtc 'SELECT 1' >/dev/null 2>&1" || { cat "$tmp/pgbouncer.log"; return 1; }
}

redis_is_there() {
	until_ 10 sh -c "REDISCLI_AUTH=pw redis-cli -p $rport PING >/dev/null 2>&1" || { cat "$tmp/redis.log"; return 1; }
}

# three_endpoints BOTH-OR-PLAIN: a fleet of the box's Postgres, PgBouncer (which listens so) and Redis, up to its clients
three_endpoints() {
	cat <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
secrets:
  pw: { file: $tmp/pw }
units:
  all: { host: box, run: "true", restarts: [] }
endpoints:
  pg:
    kind: postgres
    unit: all
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe, database: postgres }
    admin: { user: admin, database: postgres }
  bouncer:
    kind: pgbouncer
    unit: all
    listen: { $1: $bport, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe }
    admin: { user: admin }
  redis:
    kind: redis
    unit: all
    listen: { plain: $rport, tls: $rtls, at: 127.0.0.1 }
    names: [localhost]
    probe: { password: pw }
END
}

init_postgres() {
	$as "$pg_bin/initdb" -D "$box/data" -U admin -A trust -N --no-instructions --locale=C >"$tmp/initdb.log" 2>&1 ||
		{ tail -n 5 "$tmp/initdb.log"; return 1; }
}

# Whether nobody has the port Postgres itself says.
start_postgres() {
	tries=0
	while [ $tries -lt 20 ]; do
		tries=$((tries + 1))
		port=$(free_port)
		$as "$pg_bin/pg_ctl" -D "$box/data" -l "$log" -w -t 30 \
			-o "-p $port -k $box/run -c fsync=off" start >/dev/null 2>&1 && return
	done
	tail -n 20 "$log"
	return 1
}
