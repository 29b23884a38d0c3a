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

# A port on which nobody listens now.
free_port() {
	while :; do
		p=$((20000 + ($(od -An -tu2 -N2 /dev/urandom) % 20000)))
		cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q ":$(printf '%04X' "$p") " || break
	done
	echo "$p"
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
