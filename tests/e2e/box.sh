#!/bin/sh
# time limit: 300
# One box: a Postgres whose own files are edited (a key in conf.d, a block in
# pg_hba.conf) and reloaded, and an application whose URL is. Plaintext, both,
# TLS only, and back byte for byte, with a deploy in between.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

conf=$box/pg/conf.d/tls.conf
hba=$box/pg/pg_hba.conf
env=$box/app/.env
pid_file=$box/app/pid

make_box() {
	mkdir -p "$box/app" "$box/pg/conf.d" "$box/tls"
	chown "$user" "$box/pg" "$box/pg/conf.d" "$box/tls"
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "hba_file = '$hba'" "include_dir = '$box/pg/conf.d'" \
		"shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	printf '# transport\nssl = off\t\t# (until somebody turns it on)\n#ssl_ciphers = none' >"$conf"
	printf '%s\n' '# who may come in' 'local all all trust' '' '# everybody, by password' \
		'host all all 127.0.0.1/32 scram-sha-256' >"$hba"
	chown "$user" "$conf" "$hba" "$box/data/postgresql.conf"
	chmod 640 "$conf" "$hba"
	start_postgres || return 1
	password=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	probe=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	sql "CREATE ROLE app LOGIN PASSWORD '$password'" || return 1
	sql "CREATE ROLE belay_probe LOGIN PASSWORD '$probe' IN ROLE pg_monitor" || return 1
	(umask 077
	echo "$probe" >"$tmp/probe"
	echo "a passphrase of the box" >"$tmp/ca-key"
	printf '# the app\nMODE=production\nDATABASE_URL="postgresql://app:%s@localhost:%s/postgres?application_name=app&sslmode=disable"   # one of many\nCACHE=1\n' \
		"$password" "$port" >"$env")
	# What an application is: it reads its URL once, and holds its session.
	cat >"$box/app/restart" <<END
#!/bin/sh
cd "$box/app" || exit 1
[ ! -f pid ] || kill "\$(cat pid)" 2>/dev/null
. ./.env
[ -p hold ] || mkfifo hold
setsid psql "\$DATABASE_URL" -qAt <>hold >app.log 2>&1 &
echo \$! >pid
END
	chmod 755 "$box/app/restart"
	"$box/app/restart"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
secrets:
  probe:  { file: $tmp/probe }
  ca-key: { file: $tmp/ca-key }
units:
  pg:  { host: box, kind: reload, run: kill -HUP \$\$(head -n 1 $box/data/postmaster.pid), restarts: [] }
  app: { host: box, run: $box/app/restart, restarts: [app] }
certs:
  internal:
    serves: [pg]
    passphrase: ca-key
    install:
      - { file: { path: $box/tls/server.crt, content: "\$(leaf.pem)\$(chain.pem)", mode: "0644", owner: $user } }
      - { file: { path: $box/tls/server.key, content: "\$(key.pem)", mode: "0600", owner: $user } }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe, database: postgres, password: probe }
    log: { host: box, file: $log }
    accept:
      plain:
        - conf: { file: $conf, syntax: postgres, set: { ssl: off }, unset: [ssl_cert_file, ssl_key_file, ssl_min_protocol_version] }
        - block: { file: $hba, remove: yes }
      both:
        - conf: { file: $conf, set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key, ssl_min_protocol_version: TLSv1.3 } }
        - block: { file: $hba, hba: transition, roles: [app, belay_probe], from: [127.0.0.1] }
      tls:
        - conf: { file: $conf, set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key, ssl_min_protocol_version: TLSv1.3 } }
        - block: { file: $hba, write: in-place, hba: harden, roles: [app, belay_probe], from: [127.0.0.1] }
clients:
  app:
    unit: app
    speaks: TLSv1.3
    links:
      pg:
        match: { user: app }
        dial:
          disable:     { url: { file: $env, key: DATABASE_URL, query: { sslmode: disable }, unset: [sslrootcert] } }
          verify-full: { url: { file: $env, key: DATABASE_URL, query: { sslmode: verify-full, sslrootcert: "\$(ca_file)" } } }
        trust: { ca: internal, file: $box/app/ca.crt }
END
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: plain, dial: disable }
steps:
  - { id: certs, certs: { internal: install } }
  - { id: both,  accept: { pg: both }, gate: [ { served: { min: TLSv1.3 } } ] }
  - { id: flip,  trust: { "app -> pg": internal }, dial: { "app -> pg": verify-full } }
  - { id: force, accept: { pg: tls }, gate: [ { refused: plaintext }, { served: {} } ] }
END
}

box_tree() {
	(cd "$box" && for f in pg/conf.d/* pg/pg_hba.conf app/.env app/ca.crt tls/*; do
		[ ! -f "$f" ] || echo "$f $(sha256sum <"$f") $(stat -c '%a %u %g' "$f")"
	done)
}

app_is() {			# app_is t|f: its sessions, by the server's own view
	[ "$(sql "SELECT DISTINCT ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE usename = 'app'")" = "$1" ]
}

hba_order() {			# what the server has read, in its order
	sql "SELECT string_agg(type || ' ' || array_to_string(user_name, ',') || ' ' || auth_method, '; ' ORDER BY line_number)
		FROM pg_hba_file_rules WHERE error IS NULL" >"$tmp/order"
	cat "$tmp/order"
	[ "$(cat "$tmp/order")" = "$1" ]
}

plaintext_is_refused() {
	! PGPASSWORD=$password psql "host=localhost port=$port user=app dbname=postgres sslmode=disable" -c 'SELECT 1' 2>"$tmp/refused" >&2 &&
		cat "$tmp/refused" && grep -q 'rejects connection\|no pg_hba.conf entry' "$tmp/refused"
}

nothing_secret_in() {
	! grep -rl -e "$password" -e "$probe" "$@"
}

ok "the box is up" make_box || { finish; }
ok "the app works in plaintext" until_ 20 app_is f
box_tree >"$tmp/tree.0"
cp -p "$conf" "$tmp/conf.0"; cp -p "$hba" "$tmp/hba.0"; cp -p "$env" "$tmp/env.0"
ok "the plan is proven" box_belay check
ok "a preview shows the lines and no password" sh -c "
	'$BELAY' -f '$fleet' -p '$plan' diff flip >'$tmp/diff' 2>&1; cat '$tmp/diff'
	grep -q 'postgresql://app:…@localhost:$port/postgres?application_name=app&sslmode=verify-full' '$tmp/diff' &&
	! grep -q '$password' '$tmp/diff'"
ok "apply certs" box_belay apply certs --yes
ok "apply both" box_belay apply both --yes
ok "the block stands before the record that would have decided" hba_order \
	'local all trust; hostssl app,belay_probe scram-sha-256; host app,belay_probe scram-sha-256; host all scram-sha-256'
ok "the app goes on in plaintext" app_is f
ok "apply flip" box_belay apply flip --yes
ok "the app is on TLS, by the server's own view" until_ 20 app_is t
ok "apply force" box_belay apply force --yes
ok "plaintext is turned away by the block" hba_order \
	'local all trust; hostssl app,belay_probe scram-sha-256; hostnossl app,belay_probe reject; host all scram-sha-256'
ok "and so says the server" plaintext_is_refused
ok "the app goes on, on TLS" app_is t
ok "every link is on TLS, by status --check" box_belay status --check
ok "the gates of all steps hold" box_belay verify
for s in force flip both certs; do
	ok "undo $s" box_belay undo "$s" --yes
done
ok "the app is back in plaintext" until_ 20 app_is f
box_tree >"$tmp/tree.1"
ok "every file is as at the start: content, mode, owner" diff "$tmp/tree.0" "$tmp/tree.1"

# Once more, with a deploy before the way back.
ok "apply all" box_belay apply --all --yes
deploy() {
	printf 'work_mem = 8MB\n' >>"$conf"
	sed -i 's/^# who may/# all who may/' "$hba" && echo 'host replication all 127.0.0.1/32 scram-sha-256' >>"$hba"
	sed -i -e 's/&application_name=/\&application_name=/' -e 's/^CACHE=1/CACHE=2/' -e 's/application_name=app/application_name=app-v2/' "$env"
}
ok "a deploy writes to all three files" deploy
ok "undo all" box_belay undo --all --yes
kept() {
	printf '%s\nwork_mem = 8MB\n' "$(cat "$tmp/conf.0")" | diff - "$conf" &&
		{ sed 's/^# who may/# all who may/' "$tmp/hba.0" && echo 'host replication all 127.0.0.1/32 scram-sha-256'; } | diff - "$hba" &&
		sed -e 's/^CACHE=1/CACHE=2/' -e 's/application_name=app/application_name=app-v2/' "$tmp/env.0" | diff - "$env"
}
ok "the deploy's lines are kept, and ours are as before" kept
ok "no password is in what belay keeps" nothing_secret_in "$XDG_STATE_HOME"
finish
