#!/bin/sh
# time limit: 300
# Commands that are undone by value: by the command of the value before, and by
# themselves, given what was observed before; at a Postgres, whose word it is.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	make_pair || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "ssl_cert_file = '$box/crt'" "ssl_key_file = '$box/key'" \
		'shared_buffers = 8MB' "log_line_prefix = 'it''s \$(id) '" >>"$box/data/postgresql.conf"
	start_postgres || return 1
	sql "CREATE ROLE belay_probe LOGIN IN ROLE pg_monitor" || return 1
	# Prints a setting; or sets it, and waits until it is in force.
	cat >"$box/setting" <<END
#!/bin/sh
ask() { psql -X -h "$box/run" -p $port -U admin -d postgres -qAt -v "name=\$1" -v "value=\${2-}"; }
is() { echo "SELECT setting FROM pg_settings WHERE name = :'name'" | ask "\$1"; }
[ \$# = 2 ] || { is "\$1"; exit; }
echo "\$1 \$2" >>"$box/told"
echo 'ALTER SYSTEM SET :"name" = :'"'value'" | ask "\$1" "\$2" || exit 1
echo 'SELECT pg_reload_conf()' | ask "\$1" >/dev/null || exit 1
n=0
until [ "\$(is "\$1")" = "\$2" ]; do
	n=\$((n + 1))
	[ \$n -lt 200 ] || exit 1
	sleep 0.05
done
END
	chmod 755 "$box/setting"
	: >"$box/told"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
units:
  pg: { host: box, kind: reload, run: "true", restarts: [] }
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
      plain: { observe: $box/setting ssl, run: $box/setting ssl off }
      both:  { observe: $box/setting ssl, run: $box/setting ssl on }
END
	cat >"$plan" <<END
belay: plan/1
name: box
from: { accept: plain }
steps:
  - { id: both,   accept: { pg: both }, gate: [ { setting: { of: pg, name: ssl, is: "on" } } ] }
  - id: prefix
    run: { on: box, observe: $box/setting log_line_prefix, run: '$box/setting log_line_prefix "\$BELAY_VALUE"', value: "%m \`id\` ' " }
END
}

setting_is() {			# setting_is NAME VALUE
	[ "$("$box/setting" "$1")" = "$2" ] || { "$box/setting" "$1"; return 1; }
}

says_in() {			# says_in FILE WORDS
	grep -q -F -e "$2" "$1" || { cat "$1"; return 1; }
}

ok "the box is up" make_box || finish
cp "$plan" "$tmp/whole"
sed -i '/^from/d' "$plan"
ok "a plan that does not say what was before is refused: nothing would undo it" fails 1 \
	"'$box/setting ssl on' cannot be undone: its value before this step has no command" box_belay check
cp "$tmp/whole" "$plan"
box_belay diff both >"$tmp/diff" 2>&1
ok "the preview says by what it is undone" says_in "$tmp/diff" "undone by $box/setting ssl off"
ok "and what is observed now" says_in "$tmp/diff" "observed by $box/setting ssl: off"
ok "applied" box_belay apply --all --yes
ok "the first by its command" setting_is ssl on
ok "the second by its value" setting_is log_line_prefix "%m \`id\` ' "
"$box/setting" log_line_prefix theirs
ok "what somebody else has set since is not undone" fails 3 \
	"neither as before nor as the command left it" box_belay undo prefix --yes
ok "it is theirs" setting_is log_line_prefix theirs
"$box/setting" log_line_prefix "%m \`id\` ' "
box_belay undo --all --print >"$tmp/script" 2>&1
ok "set back to ours it is" box_belay undo prefix --yes
ok "to what was there, whatever a shell would make of it" setting_is log_line_prefix "it's \$(id) "
ok "and the first by the command of the value before" box_belay undo both --yes
ok "by the server's own word" setting_is ssl off
cp "$box/told" "$tmp/told"
ok "undone once more it is left alone" box_belay undo --all --yes
ok "and nothing is run" cmp "$tmp/told" "$box/told"

ok "applied again" box_belay apply --all --yes
"$box/setting" log_line_prefix theirs
ok "set by somebody else again, it is refused" fails 3 "neither as before" box_belay undo prefix --yes
ok "what somebody else has set is kept, where that is wanted" \
	box_belay undo prefix --yes --keep "box:$box/setting log_line_prefix" --reason 'it is better so'
ok "it is theirs" setting_is log_line_prefix theirs
box_belay undo --all --print >"$tmp/script" 2>&1
ok "the rest goes back by hand" sh "$tmp/script"
ok "by the server's own word" setting_is ssl off
ok "belay finds it so" box_belay undo --all --yes
finish
