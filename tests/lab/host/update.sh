#!/bin/sh
# update.sh --restart-only
#	Derives everything from .env (init.sh), restarts all that runs on this
#	host, and waits until all of it is really back.
# update.sh --reload-only [postgres|pgbouncer|redis|all]
#	Derives the same, and has the running servers take it over: Postgres and
#	PgBouncer by SIGHUP, Redis by CONFIG SET, then those that follow Redis.
#
# Exit 0: everything is back. Otherwise the last line says what is not, and why.
# run/restarts/NAME counts the restarts of each server (its first start is 0).
set -u
cd "$(dirname "$0")" || exit 1
. ./lib.sh

usage() {
	echo "usage: update.sh --restart-only | --reload-only [postgres|pgbouncer|redis|all]" >&2
	exit 2
}

now() {
	date +%s%3N
}

# count NAME: one more restart, unless this is the first start.
count() {
	n=-1
	[ ! -f "$run/restarts/$1" ] || read -r n <"$run/restarts/$1"
	echo $((n + 1)) >"$run/restarts/$1"
}

# serve NAME USER COMMAND ...
serve() {
	name=$1 user=$2
	shift 2
	count "$name"
	"$proc" start -u "$user" "$run/pids/$name" "$run/log/$name.log" -- "$@" ||
		die "$name does not start"
}

start_postgres() {
	rm -f "$run/postgres/ssl-by-command-line"
	if [ "$E_POSTGRES_TLS_ENABLED" = on ] && [ "$LAB_SSL_BY" = command-line ]; then
		: >"$run/postgres/ssl-by-command-line"
		set -- -c ssl=on
	else
		set --
	fi
	serve postgres "$LAB_PG_USER" "$LAB_PG_BIN/postgres" -D "$LAB_SRV/pg/data" \
		-c config_file="$run/postgres/postgresql.conf" "$@"
}

start_pgbouncer() {
	serve pgbouncer "$LAB_PG_USER" pgbouncer "$run/pgbouncer/pgbouncer.ini"
}

start_redis() {
	serve redis "$LAB_REDIS_USER" redis-server "$run/redis/redis.conf"
}

# start_follower NAME: what holds a Redis session of its own on this host.
start_follower() (
	cp -p "$run/$1/env" "$run/$1/env.live"
	# It comes from 127.0.0.1, also where that is not by itself.
	[ "$1" != redis-health ] || unset LAB_FROM
	serve "$1" root "$LAB_SRV/bin/labclient" -n "$1" -e "$run/$1/env.live" \
		-s "$run/$1/stats.json" -r "$run/$1/ready" -R 1 -i 100 -c 0
)

start_client() {
	pg=4
	[ "$LAB_NAME" != telpro ] || pg=0
	serve "$LAB_NAME" root "$LAB_SRV/bin/labclient" -n "$LAB_NAME" -e "$app/.env" \
		-s "$run/stats.json" -r "$run/ready" -l "$app/build/libs" -P $pg -R 2 -i 100 -c "${LAB_NEW_MS:-500}"
}

# A running operation is finished first; nothing is cut that can end by itself.
stop() {
	case $1 in
	postgres) "$proc" stop "$run/pids/$1" INT 5000 QUIT 2000 ;;
	pgbouncer) "$proc" stop "$run/pids/$1" INT 2000 TERM 2000 ;;
	redis) "$proc" stop "$run/pids/$1" TERM 5000 ;;
	*) "$proc" stop "$run/pids/$1" TERM 7000 ;;
	esac || die "$1 does not stop"
}

# The port that is open, without or with TLS. The name and the chain are not
# what is asked here: this is the host itself, on its own loopback.
redis_cli() {
	REDISCLI_AUTH=$E_REDIS_PASSWORD
	export REDISCLI_AUTH
	if [ -z "${redis_how-}" ]; then
		if redis-cli -h "$LAB_LOOPBACK" -p 6379 ping 2>/dev/null | grep -q PONG; then
			redis_how=plain
		elif redis-cli -h "$LAB_LOOPBACK" -p "$E_REDIS_TLS_PORT" --tls --insecure \
			ping 2>/dev/null | grep -q PONG; then
			redis_how=tls
		else
			return 1
		fi
	fi
	if [ "$redis_how" = plain ]; then
		redis-cli -h "$LAB_LOOPBACK" -p 6379 "$@" 2>&1
	else
		redis-cli -h "$LAB_LOOPBACK" -p "$E_REDIS_TLS_PORT" --tls --insecure "$@" 2>&1
	fi
}

is_back() {
	case $1 in
	postgres) pg_isready -q -h "$LAB_LOOPBACK" -p 5432 ;;
	pgbouncer) pg_isready -q -h "$LAB_LOOPBACK" -p 6432 ;;
	redis) redis_how='' && redis_cli ping | grep -q PONG ;;
	otel | redis-health) [ -f "$run/$1/ready" ] ;;
	*) [ -f "$run/ready" ] ;;
	esac
}

# Says why a server is not there, in the words of its log.
last_words() {
	tail -n 4 "$run/log/$1.log" 2>/dev/null | sed 's/^/  | /' >&2
}

# wait_back NAME: until it really works; its death ends the waiting.
wait_back() {
	deadline=$(($(now) + 20000))
	until is_back "$1"; do
		if ! "$proc" alive "$run/pids/$1" >/dev/null; then
			last_words "$1"
			die "$1 ended right after its start"
		fi
		if [ "$(now)" -ge $deadline ]; then
			last_words "$1"
			die "$1 did not come back in 20 s"
		fi
		sleep 0.03
	done
}

restart_db() {
	./init.sh restart || die "init.sh failed; nothing was restarted"
	# Followers first: they must not wait for a Redis that waits for them.
	stop otel &
	a=$!
	stop redis-health &
	wait $! && wait $a || exit 1
	stop pgbouncer &
	a=$!
	stop redis &
	b=$!
	stop postgres &
	wait $! && wait $a && wait $b || exit 1
	start_postgres
	start_redis
	wait_back postgres
	# Not before: it would wait a second after its first login that fails.
	start_pgbouncer
	wait_back pgbouncer
	wait_back redis
	start_follower otel
	start_follower redis-health
	wait_back otel
	wait_back redis-health
}

# The old client is stopped before its files change under it: a CA file that is
# to go is still needed by whoever verifies with it.
restart_client() {
	stop "$LAB_NAME"
	./init.sh restart || die "init.sh failed; $LAB_NAME is stopped"
	start_client
	wait_back "$LAB_NAME"
}

# hup NAME: SIGHUP, then until its log says that it was taken. Neither server
# answers anything while it reads its files, so the next answer is a new one.
hup() {
	"$proc" alive "$run/pids/$1" >/dev/null || die "$1 is not running"
	before=$(wc -c <"$run/log/$1.log")
	"$proc" signal "$run/pids/$1" HUP || exit 1
	deadline=$(($(now) + 10000))
	until tail -c +$((before + 1)) "$run/log/$1.log" | grep -q SIGHUP; do
		[ "$(now)" -lt $deadline ] || die "$1 did not take the reload in 10 s"
		sleep 0.02
	done
	wait_back "$1"
	tail -c +$((before + 1)) "$run/log/$1.log" >"$run/log/$1.reload"
}

reload_postgres() {
	if [ -f "$run/postgres/ssl-by-command-line" ] && [ "$E_POSTGRES_TLS_ENABLED" != on ]; then
		die "postgres has ssl=on on its command line: a reload cannot take it back, --restart-only can"
	fi
	hup postgres
	if grep -q 'was not reloaded' "$run/log/postgres.reload"; then
		last_words postgres
		die "postgres kept its old configuration"
	fi
}

# A server login that a reload cuts off counts as a failed one, so it is told when none is under way.
pgbouncer_reload() {
	read -r PGPASSWORD <"$app/secrets/pg-admin"
	export PGPASSWORD
	"$LAB_SRV/bin/labpool" "host=$LAB_LOOPBACK port=6432 user=labadmin dbname=pgbouncer \
sslmode=prefer gssencmode=disable connect_timeout=5 application_name=update.sh" 2>&1
	unset PGPASSWORD
}

reload_pgbouncer() {
	"$proc" alive "$run/pids/pgbouncer" >/dev/null || die "pgbouncer is not running"
	before=$(wc -c <"$run/log/pgbouncer.log")
	said=$(pgbouncer_reload)
	wait_back pgbouncer
	tail -c +$((before + 1)) "$run/log/pgbouncer.log" >"$run/log/pgbouncer.reload"
	grep -q 'RELOAD command issued' "$run/log/pgbouncer.reload" ||
		die "pgbouncer took no RELOAD: ${said:-it says nothing}"
	if grep -q 'ERROR' "$run/log/pgbouncer.reload"; then
		last_words pgbouncer
		die "pgbouncer kept its old configuration"
	fi
}

redis_set() {
	reply=$(redis_cli config set "$@") || die "redis: $reply"
	[ "$reply" = OK ] || die "redis: CONFIG SET: $reply"
}

# conf KEY: what redis.conf says now.
conf() {
	sed -n "s/^$1 //p" "$run/redis/redis.conf"
}

# Opens first, then moves the followers, then closes: at no moment is the port
# shut that somebody dials by the old settings or by the new ones.
reload_redis() {
	"$proc" alive "$run/pids/redis" >/dev/null || die "redis is not running"
	redis_how=''
	old_port=$(redis_cli --raw config get port | tail -n 1) || die "redis does not answer"
	old_tls=$(redis_cli --raw config get tls-port | tail -n 1)
	new_port=$(conf port) new_tls=$(conf tls-port)
	set --
	[ "$new_port" = 0 ] || [ "$old_port" = "$new_port" ] || set -- port "$new_port"
	[ "$new_tls" = 0 ] || set -- "$@" tls-auth-clients no \
		tls-cert-file "$run/redis-tls/server.crt" \
		tls-key-file "$run/redis-tls/server.key" \
		tls-ca-cert-file "$run/redis-tls/ca.crt"
	[ "$new_tls" = 0 ] || [ "$old_tls" = "$new_tls" ] || set -- "$@" tls-port "$new_tls"
	[ $# -eq 0 ] || redis_set "$@"
	for f in otel redis-health; do
		if ! cmp -s "$run/$f/env" "$run/$f/env.live"; then
			stop $f
			start_follower $f
			wait_back $f
		fi
	done
	redis_how=''
	if [ "$new_tls" = 0 ] && [ "$old_tls" != 0 ]; then
		redis_set tls-port 0
		redis_set tls-cert-file '' tls-key-file '' tls-ca-cert-file ''
	fi
	if [ "$new_port" = 0 ] && [ "$old_port" != 0 ]; then
		redis_set port 0
	fi
	redis_how=''
	wait_back redis
}

what=${2:-all}
case ${1-} in
--restart-only) [ $# -eq 1 ] || usage ;;
--reload-only)
	[ "$LAB_ROLE" = db ] || die "nothing on $LAB_NAME can reload: use --restart-only"
	case $what in
	postgres | pgbouncer | redis | all) ;;
	*) usage ;;
	esac
	;;
*) usage ;;
esac

mkdir -p "$run"
exec 9>"$run/update.lock"
flock -w 60 9 || die "another update.sh is still at work on this host"
t0=$(now)
case $1 in
--restart-only)
	./init.sh check || die "init.sh failed; nothing was restarted"
	env_load
	restart_"$LAB_ROLE"
	echo "update.sh: $LAB_NAME restarted in $(($(now) - t0)) ms"
	;;
--reload-only)
	./init.sh reload || die "init.sh failed; nothing was reloaded"
	env_load
	case $what in
	all)
		reload_postgres
		reload_pgbouncer
		reload_redis
		;;
	*) reload_"$what" ;;
	esac
	echo "update.sh: $what reloaded in $(($(now) - t0)) ms"
	;;
esac
