#!/bin/sh
# time limit: 300
# A Postgres whose files are a container's: a key in conf.d and a block in
# pg_hba.conf, which is mounted by itself, are written in there, and back to the byte.
# Where no namespace can be made there is no container, and nothing is shown.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

conf=$box/pg/conf.d/tls.conf
hba=$box/pg/pg_hba.conf
lab_box=$here/../lab/box
PATH=$tmp/boxes/bin:$PATH
export PATH

end_container() {
	"$lab_box" down "$tmp/boxes"
	end_box
}
trap end_container EXIT

make_box() {
	mkdir -p "$box/pg/conf.d" "$tmp/boxes" || return 1
	make_pair || return 1
	chown -R "$user" "$box/pg"
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "hba_file = '$hba'" "include_dir = '$box/pg/conf.d'" \
		"shared_buffers = 8MB" >>"$box/data/postgresql.conf"
	printf '# transport\nssl = off\t\t# (for now)\nssl_cert_file = '\''%s'\''\nssl_key_file = '\''%s'\''' "$box/crt" "$box/key" >"$conf"
	printf '%s\n' '# who may come in' 'local all all trust' 'host all belay_probe 127.0.0.1/32 trust' '' '# everybody, by password' \
		'host all all 127.0.0.1/32 scram-sha-256' >"$hba"
	chown "$user" "$conf" "$hba"
	chmod 640 "$conf" "$hba"
	start_postgres || return 1
	sql "CREATE ROLE app LOGIN" && sql "CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor" || return 1
	"$lab_box" up "$tmp/boxes" cz-pg "$box/pg/conf.d:/opt/pg/conf.d" "$hba:/opt/pg/pg_hba.conf" || return 1
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
units:
  pg: { host: box, kind: reload, run: kill -HUP \$\$(head -n 1 $box/data/postmaster.pid), restarts: [] }
certs:
  own: { external: yes, ca: $box/crt, serves: [pg] }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: belay_probe, database: postgres }
    accept:
      plain:
        - conf: { file: /opt/pg/conf.d/tls.conf, syntax: postgres, in-container: cz-pg, set: { ssl: off } }
        - block: { file: /opt/pg/pg_hba.conf, in-container: cz-pg, remove: yes }
      both:
        - conf: { file: /opt/pg/conf.d/tls.conf, syntax: postgres, in-container: cz-pg, set: { ssl: on } }
        - block: { file: /opt/pg/pg_hba.conf, in-container: cz-pg, hba: transition, roles: [app], from: [127.0.0.1], method: trust }
END
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: plain }
steps:
  - { id: both, accept: { pg: both } }
END
}

inside() {
	"$tmp/boxes/bin/docker" exec cz-pg "$@"
}

of_files() {			# content, mode and owner, and what else is there
	for f in "$conf" "$hba"; do
		sha256sum <"$f" && stat -c '%a %u %g' "$f"
	done
	ls -A "$box/pg" "$box/pg/conf.d"
}

as_before() {
	of_files >"$tmp/now"
	diff "$tmp/before" "$tmp/now"
}

comes_in() {			# comes_in SSLMODE
	psql "host=localhost hostaddr=127.0.0.1 port=$port user=app dbname=postgres sslmode=$1 sslrootcert=$box/crt" -w -qAtc 'SELECT 1' 2>&1
}

keeps_out() {
	! comes_in "$1"
}

says() {			# says WORDS
	grep -q -F -e "$1" "$tmp/shown" || { cat "$tmp/shown"; return 1; }
}

probe() {			# can a container be had here at all?
	"$lab_box" up "$tmp/probe" probe >"$tmp/shown" 2>&1
	rc=$?
	"$lab_box" down "$tmp/probe"
	return $rc
}
mkdir "$tmp/probe"
if ! probe; then
	echo "1..0 # SKIP no namespaces here: $(head -n 1 "$tmp/shown")"
	exit 0
fi
ok "the box is up" make_box || finish
of_files >"$tmp/before"
inode=$(stat -c %i "$conf") owner=$(stat -c %u:%g "$conf")
ok "nothing of the host is in the container but what is mounted there" sh -c "! $tmp/boxes/bin/docker exec cz-pg test -e $box"
box_belay diff both >"$tmp/shown" 2>&1
ok "the preview names the container, and shows the lines" says "box:docker:cz-pg:/opt/pg/conf.d/tls.conf"
ok "of each" says "+ssl = on"
ok "and the block" says "+# BEGIN belay pg"
ok "nobody comes in by TLS yet" keeps_out verify-full
ok "applied" box_belay apply both --yes
ok "the server has taken it over" until_ 10 comes_in verify-full
ok "the key was written by rename, and keeps its mode and owner" \
	[ "$(stat -c %i "$conf")" != "$inode" -a "$(stat -c '%a %U' "$conf")" = "640 $user" ]
ok "the file that is mounted by itself in place" inside grep -q 'BEGIN belay pg' /opt/pg/pg_hba.conf
ok "nothing is left beside them" [ "$(ls -A "$box/pg/conf.d" && inside ls -A /opt/pg)" = "tls.conf
conf.d
pg_hba.conf" ]
inside sh -c 'echo "work_mem = 1MB" >>/opt/pg/conf.d/tls.conf; sed -i "s/^ssl = on/ssl = yes/" /opt/pg/conf.d/tls.conf'
ok "our line changed by somebody else is refused" fails 3 "is now    'yes'" box_belay undo both --yes
inside sed -i 's/^ssl = yes/ssl = on/' /opt/pg/conf.d/tls.conf
inside chown "$owner" /opt/pg/conf.d/tls.conf
ok "with it as we left it, it is undone" box_belay undo both --yes
ok "their line stays" inside grep -q work_mem /opt/pg/conf.d/tls.conf
inside sed -i '/work_mem/d' /opt/pg/conf.d/tls.conf
printf '# transport\nssl = off\t\t# (for now)\nssl_cert_file = '\''%s'\''\nssl_key_file = '\''%s'\''' "$box/crt" "$box/key" >"$tmp/first"
cat "$tmp/first" >"$conf"
chown "$owner" "$conf"
chmod 640 "$conf"
ok "nobody comes in by TLS again" until_ 10 keeps_out verify-full
ok "and all is as before" as_before

# A runtime that ends in the middle: its shell inside sees an end like any other.
mkdir "$tmp/cut"
printf '#!/bin/sh\ncase "$*" in *"belay-box put"*) head -c 30 | "%s/boxes/bin/docker" "$@"; exit 137 ;; esac\nexec "%s/boxes/bin/docker" "$@"\n' \
	"$tmp" "$tmp" >"$tmp/cut/docker"
chmod 755 "$tmp/cut/docker"
whole_path=$PATH
PATH=$tmp/cut:$PATH
ok "what arrives cut short in there is not written" fails 1 'cannot be written in the container: it was cut short' \
	box_belay apply both --yes
ok "and all is as before" as_before
PATH=$whole_path
ok "the way back of that has little to do" box_belay undo both --yes
ok "and leaves it so" as_before

"$lab_box" down "$tmp/boxes" cz-pg
ok "a container that does not run is said to be so" fails 1 'No such container: cz-pg' box_belay apply both --yes
"$lab_box" up "$tmp/boxes" cz-pg "$box/pg/conf.d:/opt/pg/conf.d" "$hba:/opt/pg/pg_hba.conf"
ok "once it runs it goes on" box_belay apply both --yes
ok "by TLS" until_ 10 comes_in verify-full
box_belay undo --all --print >"$tmp/script"
ok "the way back by hand goes into the container, too" sh "$tmp/script"
ok "and all is as before" as_before
ok "belay finds it so" box_belay undo both --yes
ok "and leaves it" as_before
finish
