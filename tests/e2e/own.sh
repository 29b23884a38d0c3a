#!/bin/sh
# time limit: 240
# A PgBouncer and a Redis that demand a certificate of everybody demand it of belay, too.
# It has one of its own for them: it still sees, sets, undoes, and proves that who
# shows none is turned away. A plan that would shut it out is refused before anything is touched.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	mkdir -p "$box/tls" "$box/redis" && mkdir -m 700 "$tmp/pki" && chown "$user" "$box/tls" "$box/redis" || return 1
	init_postgres || return 1
	secret=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	printf '%s\n' "listen_addresses = '127.0.0.1'" "shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 trust' >"$box/data/pg_hba.conf"
	start_postgres || return 1
	bport=$(free_port) rport=$(free_port) tport=$(free_port)
	printf '"boss" "%s"\n"web" "%s"\n' "$secret" "$secret" >"$box/users"
	printf '%s\n' '[databases]' "postgres = host=127.0.0.1 port=$port user=admin" '[pgbouncer]' 'listen_addr = 127.0.0.1' \
		"listen_port = $bport" 'unix_socket_dir =' 'auth_type = plain' "auth_file = $box/users" 'admin_users = boss' \
		>"$box/pgbouncer.ini"
	printf '%s\n' 'bind 127.0.0.1' "port $rport" "requirepass $secret" 'save ""' "dir $box/redis" >"$box/redis/redis.conf"
	chown "$user" "$box/users" "$box/pgbouncer.ini" "$box/redis/redis.conf"
	$as redis-server "$box/redis/redis.conf" >"$box/redis.log" 2>&1 &
	pids="$pids $!"
	start_pooler "host=127.0.0.1 port=$bport user=boss dbname=postgres password=$secret" || return 1
	until_ 10 plain_redis PING >/dev/null || return 1
	(umask 077; echo "$secret" >"$tmp/pw"; echo "a passphrase of the box" >"$tmp/pass")
	for l in pool redis; do echo MODE=disable >"$box/web-$l.env"; done
	known="{ file: { path: $box/tls/clients.crt, content: \"\$(client_ca.pem)\", mode: \"0644\", owner: \"$user\" } }"
	ini="file: $box/pgbouncer.ini, syntax: ini"
	pooled="pgbouncer.client_tls_cert_file: $box/tls/server.crt, pgbouncer.client_tls_key_file: $box/tls/server.key, pgbouncer.client_tls_ca_file: $box/tls/clients.crt"
	served="tls-port: $tport, tls-cert-file: $box/tls/server.crt, tls-key-file: $box/tls/server.key, tls-ca-cert-file: $box/tls/clients.crt"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pw: { file: $tmp/pw }, pass: { file: $tmp/pass } }
units:
  pool:  { host: box, by: pool, deadline: 20s }
  redis: { host: box, kind: reload, run: "true", restarts: [] }
  web:   { host: box, run: "true", restarts: [] }
certs:
  internal: { serves: [pool, redis], dir: $box/tls, ca-dir: $tmp/pki/internal, passphrase: pass, key: { owner: "$user" } }
  id-belay: { purpose: client, ca: internal, subject: belay }
  id-web:   { purpose: client, ca: internal, subject: web }
endpoints:
  pool:
    kind: pgbouncer
    unit: pool
    listen: { both: $bport, at: 127.0.0.1 }
    names: [localhost]
    clients: internal
    probe: { user: boss, password: pw, cert: id-belay }
    admin: { user: boss, password: pw }
    accept:
      plain:  [ { conf: { $ini, set: { pgbouncer.client_tls_sslmode: disable } } } ]
      both:   [ $known, { conf: { $ini, set: { $pooled, pgbouncer.client_tls_sslmode: allow } } } ]
      tls:    [ $known, { conf: { $ini, set: { $pooled, pgbouncer.client_tls_sslmode: require } } } ]
      mutual: [ $known, { conf: { $ini, set: { $pooled, pgbouncer.client_tls_sslmode: verify-ca } } } ]
  redis:
    kind: redis
    unit: redis
    listen: { plain: $rport, tls: $tport, at: 127.0.0.1 }
    names: [localhost]
    clients: internal
    probe: { password: pw, cert: id-belay }
    accept:
      plain: [ { setting: { set: { tls-port: 0, port: $rport } } } ]
      both:   [ $known, { setting: { set: { $served, port: $rport, tls-auth-clients: "no" } } } ]
      tls:    [ $known, { setting: { set: { $served, port: 0, tls-auth-clients: "no" } } } ]
      mutual: [ $known, { setting: { set: { $served, port: 0, tls-auth-clients: "yes" } } } ]
clients:
  web:
    unit: web
    evidence: rehearsal
    links:
$(for l in pool redis; do cat <<LINK
      $l:
        match: { application: web-$l }
        dial: { file: $box/web-$l.env, set: { MODE: "\$(dial)", CA: "\$(ca_file)" } }
        trust: { ca: internal, file: $box/web-$l.ca }
        present:
          cert: id-web
          file: $box/web-$l.crt
          key-file: $box/web-$l.key
          with:    { file: $box/web-$l.env, set: { CERT: "\$(cert_file)", KEY: "\$(key_file)" } }
          without: { file: $box/web-$l.env, unset: [CERT, KEY] }
LINK
done)
END
	cat >"$plan" <<END
belay: plan/1
name: own
from: { accept: plain, dial: disable }
steps:
  - { id: certs,        certs: { internal: install } }
  - { id: pool-both,    accept: { pool: both } }
  - { id: redis-both,   accept: { redis: both } }
  - { id: "web-\$(l)",   for: { l: [pool, redis] }, trust: { "web -> \$(l)": internal }, dial: { "web -> \$(l)": verify-full } }
  - { id: pool-tls,     accept: { pool: tls } }
  - { id: redis-tls,    accept: { redis: tls } }
  - { id: "show-\$(l)",  for: { l: [pool, redis] }, present: { "web -> \$(l)": id-web } }
  - { id: pool-mutual,  accept: { pool: mutual } }
  - { id: redis-mutual, accept: { redis: mutual } }
END
}

plain_redis() {
	REDISCLI_AUTH=$secret redis-cli -h 127.0.0.1 -p "$rport" "$@" 2>&1
}

tls_redis() {
	REDISCLI_AUTH=$secret redis-cli --tls --cacert "$box/tls/ca.crt" -h 127.0.0.1 -p "$tport" "$@" 2>&1
}

to_pool() {			# to_pool [CONNINFO]
	psql "host=localhost port=$bport user=boss dbname=pgbouncer password=$secret sslmode=verify-full sslrootcert=$box/tls/ca.crt ${1-}" \
		-qAtc 'SHOW VERSION' 2>&1
}

refused_without() {
	to_pool sslcert=none && return 1
	tls_redis PING | grep -q PONG && return 1
	return 0
}

# both_say FLEET WANT: a look by that fleet: how both are served, and that the census was let in (its count is given).
both_say() {
	"$BELAY" -f "$1" -p "$plan" status --json >"$tmp/status" 2>"$tmp/status.err"
	cat "$tmp/status.err"
	jq -c '.endpoints[] | [.name, .served, .sessions_total, .why]' "$tmp/status"
	jq -e --arg want "$2" '[.endpoints[] | .served == $want and .path_proven and .sessions_total != null and
		.client_certificate == "needed"] | length == 2 and all' "$tmp/status" >/dev/null
}

# Somebody else's files, as a bastion has them: the key in the clear, ours alone.
external() {
	(umask 077; openssl pkey -in "$tmp/pki/internal/leaf-id-belay.key" -passin "file:$tmp/pass" -out "$tmp/own.key") &&
		cp "$tmp/pki/internal/leaf-id-belay.pem" "$tmp/own.crt" || return 1
	sed "s|id-belay: .*|id-belay: { purpose: client, external: yes, file: $tmp/own.crt, key-file: $tmp/own.key }|" "$fleet" \
		>"$tmp/external.yaml"
	both_say "$tmp/external.yaml" mutual
}

# What cannot be opened is said, and nobody is taken for seen.
shut() {
	"$@" >"$tmp/status" 2>"$tmp/status.err"
	cat "$tmp/status.err"
	grep -q "shows nothing of itself" "$tmp/status.err" &&
		jq -e '[.endpoints[] | .sessions_total == null and (.path_proven | not)] | length == 2 and all' "$tmp/status" >/dev/null
}

no_key_about() {
	grep -v -- ----- "$tmp/own.key" >"$tmp/key.b64"
	! grep -rlF -e "$(head -n 1 "$tmp/key.b64")" "$tmp/hoststate" "$XDG_STATE_HOME" "$tmp/status"
}

by_hand() {
	box_belay undo --all --print >"$tmp/undo.sh" || return 1
	(PGPASSWORD=$secret REDISCLI_AUTH=$secret REDIS_CA=$box/tls/ca.crt REDIS_CERT=$tmp/own.crt REDIS_KEY=$tmp/own.key \
		PGSSLCERT=$tmp/own.crt PGSSLKEY=$tmp/own.key sh "$tmp/undo.sh") && as_found
}

ok "the box is up" make_box || finish
ok "the plan is proven" box_belay check
sed 's/, cert: id-belay }/ }/' "$fleet" >"$tmp/shut.yaml"
ok "without a certificate of belay's own it is refused" fails 1 \
	"step 'pool-mutual' is done, or taken back, by belay's own login at 'pool'" "$BELAY" -f "$tmp/shut.yaml" -p "$plan" check
ok "one of another CA is refused, too" fails 1 "knows clients by the CA of 'internal'" sh -c \
	"sed 's|id-belay: .*|id-belay: { purpose: client, ca-dir: /x, subject: belay }|' '$fleet' >'$tmp/other.yaml'; '$BELAY' -f '$tmp/other.yaml' -p '$plan' check"
ok "belay's own is issued by the first step there" fails 0 "made client's certificate of 'id-belay'" box_belay apply --to redis-tls --yes
# What web shows is rehearsed in its place: at PgBouncer, which always asks, and at Redis, which does not.
ok "a pooler asks for what its client shows, and lets it in" fails 0 \
	"pass .*rehearsal of web -> pool: .*tls+name, TLSv1.3, [0-9]* ms, showing id-web" box_belay apply show-pool --yes
ok "a Redis does not ask yet" fails 0 "pass .*rehearsal of web -> redis: .*tls+name, TLSv1.3, [0-9]* ms, not asked for id-web" \
	box_belay apply show-redis --yes
ok "who shows none is proven to be turned away" fails 0 "pass .*without a client certificate at 'pool'" box_belay apply pool-mutual --yes
ok "and its client let in with its own" grep "pass .*rehearsal of web -> pool showing id-web: .*tls+name, TLSv1.3, [0-9]* ms, showing id-web" "$tmp/failed"
ok "at Redis, too" fails 0 "pass .*without a client certificate at 'redis'" box_belay apply redis-mutual --yes
ok "and its client let in there" grep "pass .*rehearsal of web -> redis showing id-web: .*tls+name, TLSv1.3, [0-9]* ms, showing id-web" "$tmp/failed"
ok "as it is" refused_without
# To look is no reason to open a client's key.
not_tried() {
	box_belay status --json >"$tmp/status" &&
		jq -e '[.links[] | select(.client == "web") | .rehearsed.words == "not tried: it is set to show the client certificate " +
			"\u0027id-web\u0027, whose key is not at hand here"] | length == 2 and all' "$tmp/status" ||
		{ jq '.links[] | { client, endpoint, rehearsed }' "$tmp/status"; return 1; }
}
ok "who only looks has no client's key, and says so" not_tried
# Another account, which has the fleet, the plan and the CA, and no journal.
adopts() {
	mkdir -m 700 "$tmp/other" && XDG_STATE_HOME=$tmp/other "$BELAY" -f "$fleet" -p "$plan" adopt >"$tmp/adopted" 2>&1
	cat "$tmp/adopted"
	grep "^adopted: [0-9]* steps of a run begun by " "$tmp/adopted"
}
ok "a run with what a server itself took over is adopted" adopts
ok "belay still sees who is there, in a process of its own" both_say "$fleet" mutual
ok "also by files that somebody else issued" external
echo "a wrong one" >"$tmp/wrong" && chmod 600 "$tmp/wrong"
sed "s|pass: { file: [^}]*}|pass: { file: $tmp/wrong }|" "$fleet" >"$tmp/wrong.yaml"
ok "a key that stays shut is said, and nothing is taken for seen" shut "$BELAY" -f "$tmp/wrong.yaml" -p "$plan" status --json
chmod 644 "$tmp/own.key"
ok "nor is a key taken that others can read" shut "$BELAY" -f "$tmp/external.yaml" -p "$plan" status --json
chmod 600 "$tmp/own.key"
ok "nothing kept its key" no_key_about
told() {
	"$BELAY" -f "$1" certs --json >"$tmp/certs" 2>&1
	jq -e '.certificates[] | select(.name == "id-belay") | .shown_by == ["belay"] and .issued.days_left == 89' "$tmp/certs" &&
		"$BELAY" -f "$1" certs --metrics | grep -x 'belay_client_certificate_days_left{certificate="id-belay"} 89' &&
		"$BELAY" -f "$1" certs | grep -F 'shown by: belay itself at pool, belay itself at redis'
}
ok "how long it is good for is told as of any other" told "$fleet"
ok "also of somebody else's" told "$tmp/external.yaml"
leaked() {
	box_belay certs revoke id-belay --reason 'its key leaked' --yes >/dev/null || return 1
	shut box_belay status --json
}
ok "one that was revoked is shown no more" leaked
ok "for the way back another is issued: all of it goes back by belay's own login" fails 0 \
	"made client's certificate of 'id-belay'" box_belay undo --all --yes
as_found() {
	plain_redis PING | grep -q PONG &&
		psql "host=127.0.0.1 port=$bport user=boss dbname=pgbouncer password=$secret sslmode=disable" -qAtc 'SHOW VERSION'
}
ok "which it does" as_found
ok "and there again" box_belay apply --all --yes
ok "and back by hand, with the pair that a person brings" by_hand
finish
