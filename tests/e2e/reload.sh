#!/bin/sh
# time limit: 300
# A PgBouncer and a Redis that reload themselves, each by its own console: what was
# written is in force, the processes are the same, and who was connected still is.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

bouncer() {
	psql "host=127.0.0.1 port=$bport user=admin dbname=pgbouncer" -qAt -F '|' -P footer=off -c "$1"
}

redis() {
	REDISCLI_AUTH=pw redis-cli -p "$rport" --no-auth-warning "$@"
}

make_box() {
	# What the servers begin with: a certificate of nobody's.
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=old -days 9 \
		-keyout "$box/key" -out "$box/crt" 2>/dev/null || return 1
	chown "$user" "$box/key" "$box/crt"
	chmod 600 "$box/key"
	rport=$(free_port) rtls=$(free_port) bport=$(free_port)
	$as redis-server --bind 127.0.0.1 --port "$rport" --tls-port "$rtls" --tls-cert-file "$box/crt" --tls-key-file "$box/key" \
		--tls-ca-cert-file "$box/crt" --tls-auth-clients no --save '' --requirepass pw --dir / >"$tmp/redis.log" 2>&1 &
	rpid=$!
	printf '%s\n' '[databases]' '* = host=127.0.0.1 port=1' '[pgbouncer]' 'listen_addr = 127.0.0.1' \
		"listen_port = $bport" 'auth_type = any' 'admin_users = admin' 'stats_users = belay_probe' \
		'unix_socket_dir =' '; tls comes later' >"$box/pgbouncer.ini"
	chown "$user" "$box/pgbouncer.ini"
	$as pgbouncer "$box/pgbouncer.ini" >"$tmp/pgbouncer.log" 2>&1 &
	bpid=$!
	pids="$pids $rpid $bpid"
	until_ 10 sh -c "psql 'host=127.0.0.1 port=$bport user=admin dbname=pgbouncer' -qAtc 'SHOW VERSION' >/dev/null 2>&1" &&
		until_ 10 sh -c "REDISCLI_AUTH=pw redis-cli -p $rport PING >/dev/null 2>&1" || { cat "$tmp/pgbouncer.log" "$tmp/redis.log"; return 1; }
	(umask 077; echo pw >"$tmp/pw"; echo 'a passphrase of the box' >"$tmp/ca-key")
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
secrets:
  pw: { file: $tmp/pw }
  ca-key: { file: $tmp/ca-key }
units:
  bouncer: { host: box, by: bouncer, deadline: 20s }
  redis:   { host: box, by: redis, deadline: 20s }
certs:
  internal:
    serves: [bouncer, redis]
    passphrase: ca-key
    install:
      - { file: { path: $box/key, content: "\$(key.pem)", mode: "0600", owner: $user } }
      - { file: { path: $box/crt, content: "\$(leaf.pem)\$(chain.pem)", mode: "0644", owner: $user } }
endpoints:
  bouncer:
    kind: pgbouncer
    unit: bouncer
    listen: { both: $bport, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe }
    admin: { user: admin }
    accept:
      plain: [ { conf: { file: $box/pgbouncer.ini, syntax: ini, unset: [client_tls_sslmode, client_tls_key_file, client_tls_cert_file] } } ]
      both:  [ { conf: { file: $box/pgbouncer.ini, syntax: ini, set: { client_tls_sslmode: allow, client_tls_key_file: $box/key, client_tls_cert_file: $box/crt } } } ]
  redis:
    kind: redis
    unit: redis
    listen: { plain: $rport, tls: $rtls, at: 127.0.0.1 }
    names: [localhost]
    probe: { password: pw }
END
	cat >"$plan" <<END
belay: plan/1
name: box
steps:
  - { id: certs, certs: { internal: install }, gate: [ { served: { of: redis } } ] }
  - { id: both,  accept: { bouncer: both } }
END
}

issuer() {			# issuer PORT [-starttls …]: of what is served there
	port=$1
	shift
	openssl s_client -connect "127.0.0.1:$port" "$@" </dev/null 2>/dev/null | openssl x509 -noout -issuer 2>/dev/null
}

took_over() {
	issuer "$rtls" >"$tmp/issuer"
	cat "$tmp/issuer"
	grep -q 'internal' "$tmp/issuer"
}

as_before() {
	issuer "$rtls" >"$tmp/issuer"
	cat "$tmp/issuer"
	grep -q 'CN *= *old' "$tmp/issuer"
}

lives() {
	kill -0 "$rpid" && kill -0 "$bpid" && kill -0 "$held" && [ "$(redis CLIENT LIST | grep -c name=held)" = 1 ]
}

ok "the box is up" make_box || finish
cp "$box/pgbouncer.ini" "$tmp/ini.0"
mkfifo "$tmp/hold"
REDISCLI_AUTH=pw redis-cli -p "$rport" --no-auth-warning <>"$tmp/hold" >"$tmp/held" 2>&1 &
held=$! pids="$pids $!"
echo 'CLIENT SETNAME held' >"$tmp/hold"
preview() {
	box_belay diff certs >"$tmp/diff" 2>&1
	cat "$tmp/diff"
	grep -q 'then on box: redis: CONFIG SET tls-cert-file …, as it is' "$tmp/diff" &&
		grep -q 'then on box: bouncer: RELOAD, once SHOW POOLS has nobody in sv_login' "$tmp/diff"
}
ok "the preview shows what each is told" preview
ok "the certificate is installed" box_belay apply certs --yes
ok "redis presents it" took_over
ok "pgbouncer takes its file over" box_belay apply both --yes
ok "by its own word" sh -c "psql 'host=127.0.0.1 port=$bport user=admin dbname=pgbouncer' -qAtc 'SHOW CONFIG' | grep -q '^client_tls_sslmode|allow|'"
ok "nobody was restarted, and who was connected still is" lives
chmod 000 "$box/key"
if [ -n "$as" ]; then
	box_belay undo both --yes >"$tmp/undone" 2>&1
	ok "a key that the server cannot read is refused before it is told" fails 1 \
		"not reloaded: files bouncer: '$box/key' cannot be read by '$user'" box_belay apply both --yes
	chmod 600 "$box/key"
	ok "and with it readable it goes on" box_belay apply both --yes
fi
chmod 600 "$box/key"
script() {
	box_belay undo --all --print >"$tmp/script"
	cat "$tmp/script"
	grep -q "psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $bport -U admin -d pgbouncer -c RELOAD" "$tmp/script" &&
		grep -q "redis-cli -h 127.0.0.1 -p $rport CONFIG SET tls-cert-file" "$tmp/script"
}
ok "the script of the way back has it in the words of psql and redis-cli" script

# A Redis that has nothing but TLS by then is reached by that.
by_hand() {
	cp "$box/crt" "$tmp/ca" && redis CONFIG SET port 0 || return 1
	rc=0
	REDISCLI_AUTH=pw REDIS_CA=$tmp/ca sh "$tmp/script" || rc=$?
	REDISCLI_AUTH=pw redis-cli --tls --insecure -p "$rtls" CONFIG SET port "$rport" || return 1
	[ $rc = 0 ] && as_before
}
ok "which goes back without belay, and finds a redis that is on TLS alone" by_hand
ok "undo all" box_belay undo --all --yes
ok "the old certificate is presented again" as_before
ok "and pgbouncer's file is as it was" cmp "$tmp/ini.0" "$box/pgbouncer.ini"
ok "nobody was restarted" lives
finish
