#!/bin/sh
# time limit: 300
# Between the edit and the restart: what would keep a Postgres down is found
# while it is still up, and nothing is restarted; what does not come back is said so.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

conf=$box/pg/conf.d/tls.conf
hba=$box/pg/pg_hba.conf

# write_fleet KIND HOW [CONF]: HOW is the unit's run: … or by: …
write_fleet() {
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
secrets:
  admin:  { file: $tmp/admin }
  probe:  { file: $tmp/probe }
  ca-key: { file: $tmp/ca-key }
units:
  pg: { host: box, kind: $1, $2, restarts: [], deadline: 8s }
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
    admin: { user: admin, database: postgres, password: admin }
    accept:
      plain:
        - conf: { file: ${3:-$conf}, syntax: postgres, set: { ssl: off }, unset: [ssl_cert_file, ssl_key_file] }
        - block: { file: $hba, remove: yes }
      both:
        - conf: { file: ${3:-$conf}, set: { ssl: on, ssl_cert_file: $box/tls/server.crt, ssl_key_file: $box/tls/server.key } }
        - block: { file: $hba, hba: transition, roles: [app, belay_probe], from: [127.0.0.1] }
END
}

make_box() {
	mkdir -p "$box/pg/conf.d" "$box/pg/other.d" "$box/tls"
	chown "$user" "$box/pg" "$box/pg/conf.d" "$box/pg/other.d" "$box/tls"
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "hba_file = '$hba'" "include_dir = '$box/pg/conf.d'" \
		"shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	echo 'ssl = off' >"$conf"
	echo '# not read by anybody' >"$box/pg/other.d/tls.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' >"$hba"
	chown "$user" "$conf" "$hba" "$box/pg/other.d/tls.conf" "$box/data/postgresql.conf"
	start_postgres || return 1
	(umask 077
	for s in admin probe ca-key; do
		od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n' >"$tmp/$s"
	done)
	sql "ALTER ROLE admin PASSWORD '$(cat "$tmp/admin")'" || return 1
	sql "CREATE ROLE app LOGIN" || return 1
	sql "CREATE ROLE belay_probe LOGIN PASSWORD '$(cat "$tmp/probe")' IN ROLE pg_monitor" || return 1
	cat >"$box/restart" <<END
#!/bin/sh
exec $as "$pg_bin/pg_ctl" -D "$box/data" -l "$log" -w -t 30 -m fast -o "-p $port -k $box/run -c fsync=off" restart >/dev/null 2>&1
END
	cat >"$box/stop" <<END
#!/bin/sh
$as "$pg_bin/pg_ctl" -D "$box/data" -w -t 30 -m fast stop
echo "gone for good"
END
	chmod 755 "$box/restart" "$box/stop"
	write_fleet restart "run: $box/restart"
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: plain }
steps:
  - { id: certs, certs: { internal: install } }
  - { id: both,  accept: { pg: both } }
END
}

started() {			# when the server was; and that it is up
	sql 'SELECT pg_postmaster_start_time()'
}

loaded() {
	sql 'SELECT pg_conf_load_time()'
}

# refused TEXT: `both` is refused with these words, and the server is the one that it was.
refused() {
	up=$(started) conf_time=$(loaded)
	fails 1 "$1" box_belay apply both --yes || return 1
	[ "$(started)" = "$up" ] || { echo 'it was restarted'; return 1; }
	[ "$(loaded)" = "$conf_time" ] || { echo 'it was reloaded'; return 1; }
}

taken_back() {
	box_belay undo both --yes
}

ok "the box is up" make_box || finish
ok "the key and the certificate are installed, and the server is restarted" box_belay apply certs --yes
cp -p "$box/tls/server.key" "$tmp/key" && cp -p "$box/tls/server.crt" "$tmp/crt"

chmod 644 "$box/tls/server.key"
ok "a key that everyone may read is refused before the restart" refused \
	"not restarted: files pg: '$box/tls/server.key' has mode 0644: Postgres takes its key with 0600 or less"
ok "and taken back" taken_back
chmod 600 "$box/tls/server.key"

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=x -days 9 \
	-keyout "$tmp/other.key" -out "$tmp/other.crt" 2>/dev/null
cat "$tmp/other.key" >"$box/tls/server.key"
ok "a key that is not the certificate's is refused" refused 'do not belong together'
ok "and taken back" taken_back
cat "$tmp/key" >"$box/tls/server.key"

if [ -n "$as" ]; then
	chmod 700 "$box/tls" && chown root "$box/tls"
	ok "what the server's user cannot reach is refused" refused "who may not search '$box/tls' (mode 0700)"
	ok "and taken back" taken_back
	chown "$user" "$box/tls"
	chown nobody "$box/tls/server.key"
	ok "a key of somebody else is refused" refused "Postgres takes a key that belongs to its own user '$user' or to root"
	ok "and taken back" taken_back
	chown "$user" "$box/tls/server.key"
fi

mv "$box/tls/server.crt" "$tmp/away.crt"
ok "a certificate that is not there is refused" refused "'$box/tls/server.crt' is not there"
ok "and taken back" taken_back
mv "$tmp/away.crt" "$box/tls/server.crt"

echo 'host all nonsense 1.2.3.4/99 trust' >>"$hba"
ok "a line of pg_hba.conf that Postgres cannot read is refused" refused 'not restarted: hba pg: pg_hba.conf line'
ok "and taken back" taken_back
sed -i '/nonsense/d' "$hba"

echo 'work_mem = lots' >>"$conf"
ok "a value that Postgres does not take is refused" refused "not restarted: conf pg: $conf"
ok "and taken back" taken_back
sed -i '/lots/d' "$conf"

write_fleet restart "run: $box/restart" "$box/pg/other.d/tls.conf"
ok "a file that Postgres does not read is refused" refused "add include_dir = '$box/pg/other.d' to its postgresql.conf"
ok "and taken back" taken_back

write_fleet reload "run: 'kill -HUP \$\$(head -n 1 $box/data/postmaster.pid)'"
echo 'host all nonsense 1.2.3.4/99 trust' >>"$hba"
ok "a broken pg_hba.conf is refused before a reload too" refused 'not reloaded: hba pg: pg_hba.conf line'
waived_goes_on() {
	conf_time=$(loaded)
	box_belay apply both --yes --waive "hba pg" --reason "known" >"$tmp/waived" 2>&1
	cat "$tmp/waived"
	[ "$(loaded)" != "$conf_time" ] &&
		{ box_belay history >"$tmp/history"; tail -n 5 "$tmp/history"; grep -q "hba pg: known" "$tmp/history"; }
}
ok "and goes on where that is waived, which is noted" waived_goes_on
ok "and taken back" taken_back
sed -i '/nonsense/d' "$hba"

write_fleet restart "run: $box/stop"
ok "a server that does not come back is told" fails 1 \
	"restarted, and 'pg' does not answer since" box_belay apply both --yes
ok "with what the command said" grep -q 'gone for good' "$tmp/failed"
write_fleet restart "run: $box/restart"
ok "taken up again it is restarted once more, since it does not answer" box_belay apply both --yes
ok "and is there" started
ok "and taken back" taken_back
write_fleet restart "run: $box/stop"
ok "once more it does not come back" fails 1 "does not answer since" box_belay apply both --yes
ok "the way back is told to be stuck" fails '[13]' "does not answer since" taken_back
write_fleet restart "run: $box/restart"
$as "$pg_bin/pg_ctl" -D "$box/data" -l "$log" -w -t 30 -o "-p $port -k $box/run -c fsync=off" start >/dev/null 2>&1
ok "and goes on when it is there again" taken_back

write_fleet restart "run: $box/restart"
ok "and with all as it should be it is restarted" box_belay apply both --yes
ok "and taken back" taken_back
write_fleet reload "by: pg"
native() {
	up=$(started) conf_time=$(loaded)
	box_belay diff both >"$tmp/diff" 2>&1
	grep -q "then on box: pg: SELECT pg_reload_conf()" "$tmp/diff" || { cat "$tmp/diff"; return 1; }
	box_belay apply both --yes || return 1
	[ "$(started)" = "$up" ] && [ "$(loaded)" != "$conf_time" ]
}
ok "reloaded by its own console it takes it over and goes on" native
scripted() {
	box_belay undo both --print >"$tmp/script" || return 1
	cat "$tmp/script"
	grep -q "psql -XqAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p $port -U admin -d postgres -c .SELECT pg_reload_conf()." "$tmp/script"
}
ok "which the script of the way back says in the words of psql" scripted
ok "and taken back" taken_back
echo "work_mem = lots" >>"$conf"
ok "what it would not take over it is not told" refused "not reloaded: conf pg: $conf"
sed -i "/lots/d" "$conf"
ok "and taken back" taken_back
ok "the files are as they were" sh -c "grep -q 'ssl = off' '$conf' && [ \$(wc -l <'$hba') = 2 ]"
finish
