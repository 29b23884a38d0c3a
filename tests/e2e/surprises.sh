#!/bin/sh
# time limit: 400
# Five things that surprise people, each brought about for real, and what belay says of
# it: configuration that lies, clients that no poll sees, a probe that may not look, what is
# well now and fails at the next reconnect, and a failure without an error.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

run() {				# run HOST COMMAND: as the host's own root
	"$lab" host "$dir" "$1" -- sh -c "$2"
}

said() {			# said VERB... WORDS: what belay prints has the words, or comes to have them
	words=$1
	shift
	belay "$@" >"$tmp/out" 2>&1 </dev/null
	grep -qF -e "$words" "$tmp/out"
}

says() {			# says WORDS VERB...
	until_ 30 said "$@" && return
	echo "not said: $1"
	cat "$tmp/out"
	return 1
}

say_no_more() {
	belay status >"$tmp/out" 2>&1 </dev/null && ! grep -qF -e "$1" "$tmp/out"
}

here_it_is() {			# the machine's lab, and the pair that its servers are to use
	up surprises || return 1
	pgb=$dir/hosts/db/srv/voiceai/run/pgbouncer/pgbouncer.ini
	cp "$pgb" "$tmp/pgbouncer.ini"
	cat >"$tmp/pair.sh" <<-'END'
	cd /srv/voiceai/run/tls || exit 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=db.internal \
		-addext subjectAltName=DNS:db.internal -keyout server.key -out server.crt 2>/dev/null || exit 1
	cp server.crt ca.crt
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=other \
		-keyout other.key -out other.crt 2>/dev/null || exit 1
	chmod 644 server.key
	END
	run db "$(cat "$tmp/pair.sh")" && until_ 30 traffic_flows 0
}

# ---- 1: configuration lies -----------------------------------------------------

# Who this lab's server runs as, so that it could own its key.
gives_key() {
	run db "chown \$(stat -c %u:%g /proc/\$($dir/bin/labproc alive /srv/voiceai/run/pids/$1)) /srv/voiceai/run/tls/server.key &&
		chmod 600 /srv/voiceai/run/tls/server.key"
}

postgres_lies() {
	"$lab" sql "$dir" "ALTER SYSTEM SET ssl = on" >/dev/null && "$lab" sql "$dir" "SELECT pg_reload_conf()" >/dev/null || return 1
	until_ 10 postgres_claims || return 1
	[ "$("$lab" sql "$dir" "SELECT pending_restart FROM pg_settings WHERE name = 'ssl'")" = f ] || return 1
	says 'postgres: serves plain: configured both (ssl on), served plaintext only: its log: private key file "/srv/voiceai/run/tls/server.key" has group or world access' status &&
		says 'postgres: key-permissions' explain postgres &&
		grep -qF 'its log, ' "$tmp/out" && grep -qF 'to do: chmod 0600' "$tmp/out"
}

postgres_claims() {
	[ "$("$lab" sql "$dir" "SHOW ssl")" = on ]
}

postgres_mended() {
	gives_key postgres && "$lab" sql "$dir" "SELECT pg_reload_conf()" >/dev/null &&
		says 'postgres: serves both' status && until_ 30 say_no_more 'has group or world access'
}

pgbouncer_lies() {
	run db 'chmod 000 /srv/voiceai/run/tls/server.key'
	printf '%s\n' 'client_tls_sslmode = allow' 'client_tls_key_file = /srv/voiceai/run/tls/server.key' \
		'client_tls_cert_file = /srv/voiceai/run/tls/server.crt' >>"$pgb"
	"$lab" console "$dir" RELOAD || return 1
	"$lab" console "$dir" 'SHOW CONFIG' | grep -q '^client_tls_sslmode|allow' || return 1
	says 'pgbouncer: serves plain: configured both (client_tls_sslmode allow), served plaintext only: PgBouncer could not load its key (permission denied)' status &&
		says 'pgbouncer: key-owner' explain pgbouncer
}

pgbouncer_mended() {
	cp "$tmp/pgbouncer.ini" "$pgb"
	gives_key postgres && "$lab" console "$dir" RELOAD &&
		until_ 30 say_no_more 'could not load its key'
}

# ---- 2: polling misses clients ---------------------------------------------------

census_of_labadmin() {
	belay status --json >"$tmp/status.json" || return 1
	jq -e '[.logins[] | select(.endpoint == "postgres" and .user == "labadmin" and .application == "forty") | .count] | add >= 40' "$tmp/status.json" >/dev/null
}

forty_logins() {
	"$lab" exec "$dir" -- env PGPASSWORD="$(cat "$dir/secrets/pg-admin")" sh -c '
		i=0
		while [ "$i" -lt 40 ]; do
			psql -X -q -At "host=db.internal user=labadmin dbname=voiceai sslmode=disable application_name=forty" -c "SELECT 1" >/dev/null || exit 1
			i=$((i + 1))
		done' || return 1
	until_ 20 census_of_labadmin || { jq '.logins' "$tmp/status.json"; return 1; }
	# Nobody of them is there to be seen.
	jq -e '[.stragglers[] | select(.application == "forty")] | length == 0' "$tmp/status.json" >/dev/null &&
		says 'last logged in on plaintext' status && grep -qF 'undeclared: labadmin from' "$tmp/out"
}

# ---- 3: a probe that may not look ------------------------------------------------

may_not_look() {
	"$lab" sql "$dir" "REVOKE pg_monitor FROM belay_probe" >/dev/null || return 1
	says "inconclusive: 'belay_probe' may not see others' sessions; GRANT pg_monitor" status || return 1
	belay status --json >"$tmp/status.json"
	jq -e '.links[] | select(.client == "pgbouncer" and .endpoint == "postgres") | .state == "unknown" and .client_seen_on_tls == null' "$tmp/status.json" >/dev/null
}

may_look_again() {
	"$lab" sql "$dir" "GRANT pg_monitor TO belay_probe" >/dev/null && until_ 30 say_no_more 'may not see'
}

# ---- 4: healthy now, broken at the next reconnect -------------------------------

redis_forced() {
	gives_key redis || return 1
	"$lab" redis "$dir" CONFIG SET tls-cert-file /srv/voiceai/run/tls/server.crt tls-key-file /srv/voiceai/run/tls/server.key \
		tls-ca-cert-file /srv/voiceai/run/tls/ca.crt tls-auth-clients no tls-port 6380 | grep -qx OK || return 1
	"$lab" redis "$dir" CONFIG SET port 0 >/dev/null || return 1
	says 'redis: serves tls' status || return 1
	says 'its sessions go on, and its next connection is refused: it dials disable, tls only is served' status || return 1
	says 'api -> redis: plaintext-refused' explain api &&
		says 'runtime tls, after a restart plaintext: set by CONFIG SET, not rewritten' status
}

redis_mended() {
	"$lab" exec "$dir" -- sh -c "REDISCLI_AUTH=\$(sed -n 's/^REDIS_PASSWORD=//p' $dir/hosts/db/srv/voiceai/.env | tr -d '\"') redis-cli --tls --cacert $dir/hosts/db/srv/voiceai/run/tls/ca.crt -h db.internal -p 6380 CONFIG SET port 6379 tls-port 0" &&
		says 'redis: serves plain' status && until_ 30 say_no_more 'its sessions go on'
}

# ---- 5: no fast error ----------------------------------------------------------------

leg_fails() {
	before=$(counted ok)
	sed '/^server_tls_sslmode/d' "$tmp/pgbouncer.ini" >"$pgb"
	printf '%s\n' 'server_tls_sslmode = verify-ca' 'server_tls_ca_file = /srv/voiceai/run/tls/other.crt' >>"$pgb"
	"$lab" console "$dir" RELOAD || return 1
	says 'its clients wait: pgbouncer cannot log in at its server: TLS handshake error' status || return 1
	says 'web -> pgbouncer: pooler-leg' explain web && says 'pgbouncer -> postgres: unknown-ca' explain pgbouncer
	rc=$?
	echo "served before it: $before"
	return $rc
}

leg_mended() {
	cp "$tmp/pgbouncer.ini" "$pgb"
	"$lab" console "$dir" RELOAD && until_ 30 traffic_flows "$(($(counted ok) + 100))" && until_ 90 say_no_more 'its clients wait'
}

ok "a lab, and a pair for its servers" here_it_is || finish
ok "1: Postgres says that TLS is on, and serves none: told with the reason" postgres_lies
ok "and no more once it is mended" postgres_mended
ok "1: a PgBouncer's reload succeeds, and TLS is not applied: told with the reason" pgbouncer_lies
ok "and no more once it is mended" pgbouncer_mended
ok "2: forty short plaintext logins are all in the census, by the log" forty_logins
ok "3: a probe that may not see others is inconclusive, not zero plaintext" may_not_look
ok "and conclusive again once it may" may_look_again
ok "4: sessions that go on and clients that could not come again are told" redis_forced
ok "and no more once it is mended" redis_mended
ok "5: clients that hang behind a pooler are told why: its own link's CA" leg_fails
ok "and no more once it is mended" leg_mended
finish
