# lib.sh: what init.sh and update.sh share. Sourced from the directory that
# holds .env and lab.conf, which is also where both are run.
#
# lab.conf is written by `lab up` and says what this host is: LAB_NAME,
# LAB_ROLE (db or client), LAB_SRV (where /srv really is), the users, the
# addresses and the programs. .env is the operator's, and the only input that
# anybody edits.

PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL
umask 022

die() {
	echo "$(basename "$0"): $*" >&2
	exit 1
}

. ./lab.conf

app=$LAB_SRV/voiceai
run=$app/run
proc=$LAB_SRV/bin/labproc

# Every variable that is read from .env; what is not set there is empty.
env_keys='DATABASE_PASSWORD
	INTERNAL_CA_CRT_B64 INTERNAL_TLS_CERT_B64 INTERNAL_TLS_KEY_B64
	POSTGRES_TLS_ENABLED POSTGRES_FORCE_SSL
	PGBOUNCER_SERVER_TLS_SSLMODE PGBOUNCER_CLIENT_TLS_SSLMODE
	REDIS_PASSWORD REDIS_TLS_ENABLED REDIS_TLS_PORT REDIS_FORCE_TLS'

# .env is data, not shell: KEY=VALUE to the end of the line, quotes around the
# value allowed, the last line for a key wins.
env_load() {
	for key in $env_keys; do
		eval "E_$key="
	done
	while IFS= read -r line || [ -n "$line" ]; do
		case $line in
		'#'* | '') continue ;;
		*=*) ;;
		*) continue ;;
		esac
		key=${line%%=*}
		value=${line#*=}
		case $key in
		*[!A-Z0-9_]* | '') continue ;;
		esac
		case $value in
		\"*\") value=${value#\"} value=${value%\"} ;;
		\'*\') value=${value#\'} value=${value%\'} ;;
		esac
		eval "E_$key=\$value"
	done <"$app/.env"
	: "${E_REDIS_TLS_PORT:=6380}"
}

# put FILE MODE OWNER: standard input becomes FILE, in one move.
put() {
	(umask 077 && cat >"$1.new") || die "cannot write $1"
	[ "$LAB_IS_ROOT" = no ] || chown "$3" "$1.new" || die "cannot give $1 to $3"
	chmod "$2" "$1.new"
	mv "$1.new" "$1"
}
