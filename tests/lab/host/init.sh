#!/bin/sh
# init.sh check|restart|reload: makes of .env what the servers of this host read.
#
# The certificate variables are decoded into run/tls (for Postgres, PgBouncer
# and the clients) and run/redis-tls (Redis has a user of its own, and a key
# belongs to one user); a variable that is gone takes its file with it. On db it
# writes the servers' configuration besides. It starts and signals nothing.
#
# `check` only says whether that would work.
# `restart` leaves Postgres's ssl to its command line, as update.sh builds it;
# `reload` sets it in a file, since a reload cannot change a command line.
set -u
cd "$(dirname "$0")" || exit 1
. ./lib.sh
mode=${1:-restart}
env_load

mkdir -p "$run/tls" "$run/log" "$run/pids" "$run/restarts"

# decode VARIABLE VALUE FILE MODE OWNER
decode() {
	if [ -n "$2" ]; then
		printf '%s' "$2" | base64 -d >/dev/null 2>&1 || die "$1 is not base64"
	fi
	[ "$mode" != check ] || return 0
	if [ -z "$2" ]; then
		rm -f "$3"
		return
	fi
	printf '%s' "$2" | base64 -d | put "$3" "$4" "$5"
}

decode INTERNAL_CA_CRT_B64 "$E_INTERNAL_CA_CRT_B64" "$run/tls/ca.crt" 0644 "$LAB_PG_USER"
[ "$LAB_ROLE" = db ] || exit 0

mkdir -p "$run/redis-tls" "$run/postgres/conf.d" "$run/pgbouncer" "$run/redis" \
	"$run/otel" "$run/redis-health"
decode INTERNAL_TLS_CERT_B64 "$E_INTERNAL_TLS_CERT_B64" "$run/tls/server.crt" 0644 "$LAB_PG_USER"
decode INTERNAL_TLS_KEY_B64 "$E_INTERNAL_TLS_KEY_B64" "$run/tls/server.key" 0600 "$LAB_PG_USER"
decode INTERNAL_CA_CRT_B64 "$E_INTERNAL_CA_CRT_B64" "$run/redis-tls/ca.crt" 0644 "$LAB_REDIS_USER"
decode INTERNAL_TLS_CERT_B64 "$E_INTERNAL_TLS_CERT_B64" "$run/redis-tls/server.crt" 0644 "$LAB_REDIS_USER"
decode INTERNAL_TLS_KEY_B64 "$E_INTERNAL_TLS_KEY_B64" "$run/redis-tls/server.key" 0600 "$LAB_REDIS_USER"

[ "$mode" != check ] || exit 0

# ---- Postgres

put "$run/postgres/postgresql.conf" 0644 "$LAB_PG_USER" <<END
listen_addresses = '$LAB_LISTEN'
port = 5432
unix_socket_directories = ''
max_connections = 60
shared_buffers = 16MB
dynamic_shared_memory_type = mmap
fsync = off
hba_file = '$run/postgres/pg_hba.conf'
ssl_cert_file = '$run/tls/server.crt'
ssl_key_file = '$run/tls/server.key'
password_encryption = scram-sha-256
log_connections = on
log_line_prefix = '%m [%p] '
include_dir = '$run/postgres/conf.d'
END
if [ "$E_POSTGRES_TLS_ENABLED" = on ] &&
	{ [ "$mode" = reload ] || [ "$LAB_SSL_BY" = file ]; }; then
	echo 'ssl = on' | put "$run/postgres/conf.d/ssl.conf" 0644 "$LAB_PG_USER"
else
	rm -f "$run/postgres/conf.d/ssl.conf"
fi
if [ "$E_POSTGRES_FORCE_SSL" = on ]; then
	kind=hostssl
else
	kind=host
fi
put "$run/postgres/pg_hba.conf" 0640 "$LAB_PG_USER" <<END
# TYPE   DATABASE  USER  ADDRESS    METHOD
$kind    all       all   0.0.0.0/0  scram-sha-256
END

# ---- PgBouncer

# userlist ROLE FILE
userlist() {
	printf '"%s" "%s"\n' "$1" "$(cat "$2")"
}
{
	printf '"voiceai" "%s"\n' "$E_DATABASE_PASSWORD"
	userlist belay_probe "$app/secrets/pg-probe"
	userlist belay_blind "$app/secrets/pg-blind"
	userlist labadmin "$app/secrets/pg-admin"
} | put "$run/pgbouncer/userlist.txt" 0600 "$LAB_PG_USER"
{
	cat <<END
[databases]
voiceai = host=$LAB_DB_DIAL port=5432 dbname=voiceai

[pgbouncer]
listen_addr = $LAB_LISTEN
listen_port = 6432
unix_socket_dir =
auth_type = scram-sha-256
auth_file = $run/pgbouncer/userlist.txt
admin_users = labadmin
stats_users = belay_probe
pool_mode = transaction
default_pool_size = 6
min_pool_size = 6
max_client_conn = 500
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
log_pooler_errors = 1
log_stats = 0
END
	case $E_PGBOUNCER_CLIENT_TLS_SSLMODE in
	'' | disable) ;;
	*) cat <<END ;;
client_tls_sslmode = $E_PGBOUNCER_CLIENT_TLS_SSLMODE
client_tls_key_file = $run/tls/server.key
client_tls_cert_file = $run/tls/server.crt
client_tls_ca_file = $run/tls/ca.crt
END
	esac
	case $E_PGBOUNCER_SERVER_TLS_SSLMODE in
	'' | disable) echo 'server_tls_sslmode = disable' ;;
	*) cat <<END ;;
server_tls_sslmode = $E_PGBOUNCER_SERVER_TLS_SSLMODE
server_tls_ca_file = $run/tls/ca.crt
END
	esac
} | put "$run/pgbouncer/pgbouncer.ini" 0600 "$LAB_PG_USER"

# ---- Redis, and the two that follow it

redis_port=6379
redis_tls_port=0
follow_port=6379
follow_tls=false
if [ "$E_REDIS_TLS_ENABLED" = true ]; then
	redis_tls_port=$E_REDIS_TLS_PORT
	follow_port=$E_REDIS_TLS_PORT
	follow_tls=true
	[ "$E_REDIS_FORCE_TLS" != true ] || redis_port=0
fi
{
	cat <<END
bind $LAB_LISTEN
protected-mode no
port $redis_port
tls-port $redis_tls_port
tls-auth-clients no
requirepass $E_REDIS_PASSWORD
save ""
appendonly no
dir $run/redis
daemonize no
END
	[ "$redis_tls_port" = 0 ] || cat <<END
tls-cert-file $run/redis-tls/server.crt
tls-key-file $run/redis-tls/server.key
tls-ca-cert-file $run/redis-tls/ca.crt
END
} | put "$run/redis/redis.conf" 0600 "$LAB_REDIS_USER"
[ "$LAB_IS_ROOT" = no ] || chown "$LAB_REDIS_USER" "$run/redis"

# The collector dials the endpoint by name, the health check by loopback;
# neither verifies what it is shown, as such things do not.
put "$run/otel/env" 0600 root <<END
REDIS_ENDPOINT=$LAB_DB_DIAL:$follow_port
REDIS_TLS_ENABLED=$follow_tls
REDIS_TLS_PORT=$follow_port
REDIS_PASSWORD=$E_REDIS_PASSWORD
END
put "$run/redis-health/env" 0600 root <<END
REDIS_ENDPOINT=$LAB_LOOPBACK:$follow_port
REDIS_TLS_ENABLED=$follow_tls
REDIS_TLS_PORT=$follow_port
REDIS_PASSWORD=$E_REDIS_PASSWORD
END
