#!/bin/sh
# time limit: 600
# The lab itself, by hand: .env edited with sed over real ssh, update.sh run, and
# what the servers then say asked of psql, redis-cli and PgBouncer's console. The
# whole way to TLS and back, once restarting and once reloading, under the
# clients' traffic; then that nothing is left of it.
set -u

here=$(cd "$(dirname "$0")" && pwd)
lab=$here/lab
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-testlab.XXXXXX")
chmod 755 "$tmp"
n=0
bad=0
way=
other=
dirs="$tmp/a $tmp/b $tmp/c $tmp/user/d $tmp/e"

# shellcheck disable=SC2317  # called by the trap
cleanup() {
	[ -z "$other" ] || kill "$other" 2>/dev/null
	for d in $dirs; do
		"$lab" down "$d"
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# ok CLAIM COMMAND ...
ok() {
	claim=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/said$way" 2>&1; then
		echo "ok $n - $claim"
	else
		echo "not ok $n - $claim"
		sed 's/^/# /' "$tmp/said$way"
		bad=1
	fi
}

not() {
	! "$@"
}

# numbered: the cases of a part that ran for itself, counted with the others.
numbered() {
	while IFS= read -r line; do
		case $line in
		'ok '*) n=$((n + 1)) && line="ok $n -${line#*-}" ;;
		'not ok '*) n=$((n + 1)) bad=1 && line="not ok $n -${line#*-}" ;;
		esac
		printf '%s\n' "$line"
	done <"$1"
}

# ---- what is asked -----------------------------------------------------------

ssh_to() {			# ssh_to HOST COMMAND: from the hub; the cheap exchange is enough here
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" -o KexAlgorithms=curve25519-sha256 \
		"voiceai-$1" "$2"
}

on() {				# on HOST COMMAND: over ssh, from the hub
	ssh_to "$1" "cd /srv/voiceai && $2"
}

# edit HOST [KEY=VALUE | -KEY] ...: and then its update.sh
edit() {
	h=$1
	script=:
	shift
	for e; do
		case $e in
		-*) script="$script; sed -i '/^${e#-}=/d' .env" ;;
		*) script="$script; sed -i '/^${e%%=*}=/d' .env; echo '$e' >>.env" ;;
		esac
	done
	on "$h" "$script; $(update "$h")"
}

update() {
	if [ $way = reload ] && [ "$1" = db ]; then
		echo "./update.sh --reload-only $unit"
	else
		echo './update.sh --restart-only'
	fi
}

pg() {				# pg HOST PORT SSLMODE: a login as the applications do it
	"$lab" host "$dir" "$1" -- env PGPASSWORD="$(cat "$dir/secrets/voiceai")" psql -X -At \
		"host=db.internal port=$2 user=voiceai dbname=voiceai sslmode=$3 sslrootcert=/srv/voiceai/run/tls/ca.crt gssencmode=disable connect_timeout=5" \
		-c 'SELECT 1'
}

redis_at() {			# redis_at HOST PORT [OPTIONS]
	h=$1 p=$2
	shift 2
	[ "$("$lab" host "$dir" "$h" -- env REDISCLI_AUTH="$(cat "$dir/secrets/redis")" \
		redis-cli -h db.internal -p "$p" "$@" ping)" = PONG ]
}

tls='--tls --cacert /srv/voiceai/run/tls/ca.crt'

# pooled ADDRESS: how many of its sessions at PgBouncer are "tls" or "plain"
pooled() {
	"$lab" console "$dir" 'SHOW CLIENTS' | awk -F'|' -v a="$1" '
		NR == 1 { for (i = 1; i <= NF; i++) c[$i] = i; next }
		$c["addr"] == a && $c["database"] == "voiceai" {
			if ($c["tls"] == "") p++; else t++
		}
		END { print t + 0, p + 0 }'
}

only() {			# only tls|plain ADDRESS: nothing else, and something
	set -- "$1" $(pooled "$2")
	echo "$1: $2 tls, $3 plain"
	if [ "$1" = tls ]; then
		[ "$2" -ge 4 ] && [ "$3" -eq 0 ]
	else
		[ "$2" -eq 0 ] && [ "$3" -ge 4 ]
	fi
}

leg2() {			# leg2 tls|plain: PgBouncer's sessions, as Postgres sees them
	until_s=$(($(date +%s) + 10))
	while :; do
		set -- "$1" $("$lab" sql "$dir" "SELECT count(*) FILTER (WHERE s.ssl),
			count(*) FILTER (WHERE NOT s.ssl) FROM pg_stat_activity a
			JOIN pg_stat_ssl s USING (pid) WHERE a.usename = 'voiceai'" | tr '|' ' ')
		echo "$1: $2 tls, $3 plain"
		[ "$1" != tls ] || [ "$2" -eq 0 ] || [ "$3" -ne 0 ] || return 0
		[ "$1" != plain ] || [ "$2" -ne 0 ] || [ "$3" -eq 0 ] || return 0
		[ "$(date +%s)" -lt $until_s ] || return 1
		sleep 0.1
	done
}

redis_ports() {			# redis_ports ADDRESS: the ports its sessions came in by
	"$lab" redis "$dir" client list | sed -n "s/.* addr=$1:[0-9]* laddr=[0-9.]*:\([0-9]*\) .* cmd=set .*/\1/p" |
		sort -u | tr '\n' ' ' | sed 's/ $//'
}

redis_by() {			# redis_by ADDRESS PORT
	got=$(redis_ports "$1")
	echo "by '$got'"
	[ "$got" = "$2" ]
}

no_failure() {
	"$lab" stats "$dir"
	grep -h FAILED "$dir"/hosts/*/srv/voiceai/run/log/*.log
	"$lab" stats "$dir" --json >"$tmp/json$way"
	[ "$(grep -o '"ok": [0-9]*' "$tmp/json$way" | grep -vc ': 0$')" -eq 11 ] &&
		not grep -q '"\(new_\)\{0,1\}failed": [1-9]' "$tmp/json$way"
}

no_retry() {
	"$lab" stats "$dir"
	"$lab" stats "$dir" --json >"$tmp/json$way"
	not grep -q '"\(new_\)\{0,1\}retried": [1-9]' "$tmp/json$way"
}

# Every file that an operator could have changed, with its mode and owner.
snapshot() {
	for h in db api web voice ops telpro; do
		(cd "$dir/hosts/$h/srv/voiceai" && stat -c '%n %a %u %g' .env && cat .env)
	done
}

# ---- the walk ----------------------------------------------------------------

db_addr=10.77.0.10
addr_of() {
	case $1 in
	api) echo 10.77.0.11 ;;
	web) echo 10.77.0.12 ;;
	voice) echo 10.77.0.13 ;;
	ops) echo 10.77.0.14 ;;
	telpro) echo 10.77.0.15 ;;
	esac
}

certs() {
	(
		cd "$tmp" || exit 1
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key \
			-out ca.crt -days 30 -subj '/CN=lab CA' &&
			openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
				-keyout server.key -out server.csr -subj '/CN=db.internal' &&
			echo 'subjectAltName=DNS:db.internal' >ext &&
			openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
				-days 30 -extfile ext -out server.crt
	)
}

walk() {
	dir=$1 way=$2
	[ $way = restart ] || set -- "$1" "$2" " (reload)"
	t=${3-}
	ca=/srv/voiceai/run/tls/ca.crt
	unit=all
	snapshot >"$tmp/before.$way"
	for c in api web voice ops; do
		ok "$c is on plaintext from its own address$t" only plain "$(addr_of $c)"
	done
	ok "certificates land at the next activation, on db$t" edit db \
		"INTERNAL_CA_CRT_B64=$(base64 -w0 <"$tmp/ca.crt")" \
		"INTERNAL_TLS_CERT_B64=$(base64 -w0 <"$tmp/server.crt")" \
		"INTERNAL_TLS_KEY_B64=$(base64 -w0 <"$tmp/server.key")"
	unit=postgres
	ok "postgres refuses tls before its step$t" not pg api 5432 require
	ok "postgres offers tls$t" edit db POSTGRES_TLS_ENABLED=on
	ok "both kinds of login are accepted$t" pg db 5432 verify-full
	ok "plaintext still is$t" pg db 5432 disable
	unit=pgbouncer
	ok "pgbouncer dials postgres with verify-ca$t" edit db PGBOUNCER_SERVER_TLS_SSLMODE=verify-ca
	ok "all of its sessions are tls$t" leg2 tls
	ok "pgbouncer offers tls$t" edit db PGBOUNCER_CLIENT_TLS_SSLMODE=allow
	ok "plaintext through it still works$t" pg api 6432 disable
	for c in api web voice ops; do
		ok "$c flips to verify-full$t" edit $c \
			"INTERNAL_CA_CRT_B64=$(base64 -w0 <"$tmp/ca.crt")" \
			DATABASE_SSL_MODE=verify-full DATABASE_SSL_CA_FILE=$ca
		ok "$c is on tls alone$t" only tls "$(addr_of $c)"
	done
	ok "pgbouncer forces tls$t" edit db PGBOUNCER_CLIENT_TLS_SSLMODE=require
	ok "plaintext is refused by it$t" not pg api 6432 disable
	ok "tls is accepted by it$t" pg api 6432 verify-full
	unit=postgres
	ok "postgres forces tls$t" edit db POSTGRES_FORCE_SSL=on
	ok "plaintext is refused by postgres$t" not pg db 5432 disable
	ok "tls is accepted by postgres$t" pg db 5432 verify-full
	unit=redis
	ok "redis refuses tls before its step$t" not redis_at api 6380 $tls
	ok "redis offers tls$t" edit db REDIS_TLS_ENABLED=true
	ok "both listeners answer, plain$t" redis_at api 6379
	ok "both listeners answer, tls$t" redis_at api 6380 $tls
	ok "the collector follows$t" redis_by $db_addr 6380
	ok "the health check follows$t" redis_by 127.0.0.1 6380
	for c in api web voice ops; do
		ok "$c flips its redis$t" edit $c REDIS_TLS_ENABLED=true REDIS_TLS_CA_FILE=$ca
		ok "$c is on 6380 alone$t" redis_by "$(addr_of $c)" 6380
	done
	on telpro ./ship-tls-build.sh
	ok "telpro flips with its tls build$t" edit telpro \
		"INTERNAL_CA_CRT_B64=$(base64 -w0 <"$tmp/ca.crt")" \
		REDIS_TLS_ENABLED=true REDIS_TLS_CA_FILE=$ca
	ok "telpro is on 6380 alone$t" redis_by "$(addr_of telpro)" 6380
	ok "redis forces tls$t" edit db REDIS_FORCE_TLS=true
	ok "the plaintext listener is gone$t" not redis_at api 6379
	ok "the tls listener is not$t" redis_at api 6380 $tls
	ok "no operation failed on the way there$t" no_failure

	ok "back: redis offers plaintext again$t" edit db -REDIS_FORCE_TLS
	for c in telpro ops voice web api; do
		ok "back: $c dials redis in plaintext$t" edit $c -REDIS_TLS_ENABLED -REDIS_TLS_CA_FILE
		ok "back: $c is on 6379 alone$t" redis_by "$(addr_of $c)" 6379
	done
	ok "back: redis is plain$t" edit db -REDIS_TLS_ENABLED
	ok "back: the tls listener is gone$t" not redis_at api 6380 $tls
	ok "back: the collector has followed$t" redis_by $db_addr 6379
	unit=postgres
	ok "back: postgres offers plaintext again$t" edit db -POSTGRES_FORCE_SSL
	unit=pgbouncer
	ok "back: pgbouncer too$t" edit db PGBOUNCER_CLIENT_TLS_SSLMODE=allow
	for c in ops voice web api; do
		ok "back: $c dials in plaintext$t" edit $c -DATABASE_SSL_MODE -DATABASE_SSL_CA_FILE \
			-INTERNAL_CA_CRT_B64
		ok "back: $c is on plaintext alone$t" only plain "$(addr_of $c)"
	done
	ok "back: pgbouncer is plain$t" edit db -PGBOUNCER_CLIENT_TLS_SSLMODE
	ok "back: tls is refused by it$t" not pg db 6432 require
	ok "back: pgbouncer dials postgres in plaintext$t" edit db -PGBOUNCER_SERVER_TLS_SSLMODE
	ok "back: none of its sessions is tls$t" leg2 plain
	unit=postgres
	ok "back: postgres is plain$t" edit db -POSTGRES_TLS_ENABLED
	ok "back: tls is refused by it$t" not pg db 5432 require
	unit=all
	ok "back: the certificates are taken away$t" edit db -INTERNAL_CA_CRT_B64 \
		-INTERNAL_TLS_CERT_B64 -INTERNAL_TLS_KEY_B64
	on telpro "sed -i '/^INTERNAL_CA_CRT_B64=/d' .env; ./update.sh --restart-only" >/dev/null
	for h in db api telpro; do
		ok "back: no decoded file is left on $h$t" test -z \
			"$(ls "$dir/hosts/$h/srv/voiceai/run/tls")"
	done
	ok "no operation failed on the way there and back$t" no_failure
	"$lab" stats "$dir" | sed 's/^/# /'
	"$lab" restarts "$dir" | tr '\n' ' ' | sed 's/^/# restarts: /'
	echo
	snapshot >"$tmp/after.$way"
	ok "every .env is what it was, mode and owner included$t" \
		cmp "$tmp/before.$way" "$tmp/after.$way"
}

# ---- the cases ---------------------------------------------------------------

ok "a certificate authority is made" certs

ok "two labs start at the same time" sh -c "
	'$lab' up '$tmp/a' & a=\$!
	'$lab' up '$tmp/b' || exit 1
	wait \$a"
if ! grep -q '^mode=ns' "$tmp/a/lab.conf" 2>/dev/null; then
	echo "ok $((n + 1)) - the walk # SKIP no namespaces here: sessions cannot be told apart"
	echo "1..$((n + 1))"
	exit $bad
fi
walk "$tmp/b" reload >"$tmp/walk.reload" 2>&1 &
other=$!
walk "$tmp/a" restart
wait $other
other=
numbered "$tmp/walk.reload"
dir=$tmp/b way=restart
ok "no operation was even retried (reload)" no_retry
ok "postgres, pgbouncer and redis were never restarted (reload)" \
	test "$("$lab" restarts "$tmp/b" | grep -c '^\(postgres\|pgbouncer\|redis\) 0$')" -eq 3

# From here on lab b is not measured any more.
"$lab" host "$dir" telpro -- /srv/voiceai/ship-tls-build.sh --undo
not_shipped() {
	edit telpro REDIS_TLS_ENABLED=true >"$tmp/out" 2>&1 && return 1
	cat "$tmp/out"
	grep -q 'has no hiredis_ssl' "$tmp/out"
}
ok "telpro's old build refuses tls, and update.sh says so" not_shipped
ok "and goes on without it" edit telpro -REDIS_TLS_ENABLED

bad_certificate() {
	edit db POSTGRES_TLS_ENABLED=on >"$tmp/out" 2>&1 && return 1
	cat "$tmp/out"
	grep -q 'could not load server certificate' "$tmp/out"
}
ok "tls without a certificate: update.sh fails in postgres's words" bad_certificate
ok "and going back heals it" edit db -POSTGRES_TLS_ENABLED
command_line() {
	edit db "INTERNAL_CA_CRT_B64=$(base64 -w0 <"$tmp/ca.crt")" \
		"INTERNAL_TLS_CERT_B64=$(base64 -w0 <"$tmp/server.crt")" \
		"INTERNAL_TLS_KEY_B64=$(base64 -w0 <"$tmp/server.key")" \
		POSTGRES_TLS_ENABLED=on || return 1
	way=reload unit=postgres
	edit db -POSTGRES_TLS_ENABLED >"$tmp/out" 2>&1 && return 1
	cat "$tmp/out"
	grep -q 'on its command line' "$tmp/out"
}
ok "what a restart put on the command line no reload takes back" command_line

stopped() {
	"$lab" stop-sshd "$dir" web &&
		not timeout 1 "$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-web true &&
		"$lab" cont-sshd "$dir" web &&
		timeout 10 "$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-web true
}
ok "an sshd can be stopped and let go on" stopped
exit_code() {
	"$lab" exec "$dir" -- sh -c 'exit 37'
	[ $? -eq 37 ]
}
ok "exec keeps the exit status" exit_code
ok "exec keeps the directory" test "$(cd "$tmp" && "$lab" exec "$dir" -- pwd)" = "$tmp"
ok "exec tells where ssh's configuration is" \
	test "$("$lab" exec "$dir" -- sh -c 'echo "$BELAY_SSH_CONFIG"')" = "$dir/ssh_config"
ok "a second up in the same place is refused" not "$lab" up "$dir"
ok "which leaves the first alone" on db true

# Something started from outside ends with the lab, too.
ida=$(sed -n 's/^id=//p' "$tmp/a/lab.conf")
idb=$(sed -n 's/^id=//p' "$tmp/b/lab.conf")
cp "$tmp/a/bin/labproc" "$tmp/labproc"
"$lab" exec "$tmp/a" -- sleep 1000 >/dev/null 2>&1 &
on db '{ nohup sleep 1000 </dev/null >/dev/null 2>&1 & }'
ok "down ends a lab" "$lab" down "$tmp/a"
ok "and does not touch another" on db true
ok "down again is no error" "$lab" down "$tmp/a"
ok "a stopped lab can be ended" sh -c "'$lab' stop-sshd '$tmp/b' db && '$lab' down '$tmp/b'"
ok "no process is left" test -z "$("$tmp/labproc" list "$ida")$("$tmp/labproc" list "$idb")"
ok "no directory is left" test ! -e "$tmp/a" -a ! -e "$tmp/b"
ok "no mount is left" not grep -q "$tmp" /proc/mounts
ok "a directory that is no lab is not touched" sh -c "mkdir '$tmp/x' && touch '$tmp/x/y' &&
	! '$lab' down '$tmp/x' && [ -f '$tmp/x/y' ]"

killed_up() {
	setsid "$lab" up "$tmp/c" >/dev/null 2>&1 &
	up=$!
	until [ -s "$tmp/c/pids/host-web" ]; do
		sleep 0.01
	done
	kill -9 $up
	wait $up 2>/dev/null
	idc=$(sed -n 's/^id=//p' "$tmp/c/lab.conf")
	"$lab" down "$tmp/c" && [ ! -e "$tmp/c" ] && [ -z "$("$tmp/labproc" list "$idc")" ]
}
ok "down cleans up after an up that was killed half-way" killed_up

failed_up() {
	mkdir "$tmp/badbin"
	built=${LAB_BIN:-${BUILD:-$here/../../build}/tests/lab}
	cp "$tmp/labproc" "$built/labpool" "$built/labfrom.so" "$tmp/badbin/"
	printf '#!/bin/sh\necho this build is broken >&2; exit 1\n' >"$tmp/badbin/labclient"
	chmod 755 "$tmp/badbin/labclient"
	LAB_BIN=$tmp/badbin "$lab" up "$tmp/c" >"$tmp/out" 2>&1 && return 1
	cat "$tmp/out"
	grep -q 'this build is broken' "$tmp/out" && [ ! -e "$tmp/c" ]
}
ok "an up that fails says why and leaves nothing" failed_up

# The same as an ordinary user: root gives itself one that nobody knows outside.
as_user() {
	mkdir -p "$tmp/user/bin"
	built=${LAB_BIN:-${BUILD:-$here/../../build}/tests/lab}
	cp "$tmp/labproc" "$built/labclient" "$built/labpool" "$built/labfrom.so" "$tmp/user/bin/"
	cp -r "$here" "$tmp/user/lab"
	cp /etc/passwd "$tmp/user/passwd"
	echo 'labuser:x:4242:4242::/nonexistent:/bin/sh' >>"$tmp/user/passwd"
	chown -R 4242:4242 "$tmp/user"
	unshare -m sh -c "mount --bind '$tmp/user/passwd' /etc/passwd && exec setpriv \
		--reuid=4242 --regid=4242 --clear-groups env HOME=/nonexistent USER=labuser \
		LAB_BIN='$tmp/user/bin' sh -c '
		lab=$tmp/user/lab/lab d=$tmp/user/d
		\$lab up \$d && grep ^mode=ns \$d/lab.conf &&
		\$lab exec \$d -- ssh -F \$d/ssh_config voiceai-db \"cd /srv/voiceai && ./update.sh --restart-only\" &&
		\$lab stats \$d && \$lab cut \$d api && \$lab mend \$d api &&
		\$lab stop-sshd \$d api && \$lab cont-sshd \$d api && \$lab down \$d'" &&
		[ ! -e "$tmp/user/d" ] && not sh -c 'ps -o stat= -U 4242 | grep -v Z'
}
if [ "$(id -u)" = 0 ]; then
	ok "all of it works for an ordinary user" as_user
fi

no_namespaces() {
	LAB_NO_NS=1 "$lab" up "$tmp/e" 2>"$tmp/out" && cat "$tmp/out" && grep -q SKIPS "$tmp/out" &&
		"$lab" exec "$tmp/e" -- ssh -F "$tmp/e/ssh_config" voiceai-db \
			"cd $tmp/e/hosts/db/srv/voiceai && ./update.sh --restart-only" &&
		"$lab" stats "$tmp/e" && "$lab" sql "$tmp/e" 'SELECT 1' &&
		net=$(sed -n 's/^net=//p' "$tmp/e/lab.conf") && "$lab" redis "$tmp/e" CLIENT LIST >"$tmp/clients" &&
		for a in $net.10 $net.11 $net.12 $net.13 $net.14 $net.15 127.0.0.1; do
			grep -q " addr=$a:" "$tmp/clients" || return 1
		done &&
		"$lab" host "$tmp/e" web -- ssh -V && dir=$tmp/e no_failure && "$lab" down "$tmp/e" && [ ! -e "$tmp/e" ]
}
ok "without namespaces there is a lab on aliases, which says what it skips" no_namespaces
farm() {
	"$lab" sshfarm "$tmp/e" 20 && [ "$(wc -l <"$tmp/e/addresses")" -eq 20 ] &&
		"$lab" exec "$tmp/e" -- ssh -F "$tmp/e/ssh_config" h0019 true &&
		"$lab" down "$tmp/e" && [ ! -e "$tmp/e" ]
}
ok "a farm of sshds can be logged in to" farm
echo "1..$n"
exit $bad
