#!/bin/sh
# time limit: 900
# The console in a terminal (tmux): the same walk by key presses; a host that
# hangs shows as stale while keys are answered; NO_COLOR, vt100, resize; the terminal
# is as it was afterwards; and a plan in a wrong order is shown to be, at once.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

sock=$tmp/tmux.sock
tm() {
	tmux -S "$sock" -f /dev/null "$@"
}

# shellcheck disable=SC2317  # called by the trap
leave() {
	tm kill-server >/dev/null 2>&1
	cleanup
}
trap leave EXIT

screen() {
	tm capture-pane -p -t con
}

shows() {
	screen | grep -q -e "$1"
}

shows_not() {
	! shows "$1"
}

keys() {
	tm send-keys -t con "$@"
}

# begin WIDTH HEIGHT [VAR=VALUE …]: begins it; the shell behind it stays
begin() {
	w=$1 h=$2
	shift 2
	tm kill-session -t con >/dev/null 2>&1
	# Else the server ends with its last session, while the next one is asked of it.
	tm new-session -d -s con -x "$w" -y "$h" "exec sh" \; set-option -g exit-empty off || return 1
	tm send-keys -t con "PS1='shell> '; rm -f $tmp/stty.after; stty -a >$tmp/stty.before; env $* $lab exec $dir -- $BELAY -f $fleet -p $plan; echo left with \$?; stty -a >$tmp/stty.after" Enter
}

# The same, as far as the dashboard.
console() {
	begin "$@" && until_ 20 shows 'LINK'
}

status_phase() {
	[ "$(phase_of "$1")" = "$2" ]
}

# The last one that goes back ends the run: then it is simply to do again.
taken_back() {
	case $(phase_of "$1") in
	restored | todo) ;;
	*) return 1 ;;
	esac
}

apply_by_key() {
	keys a
	until_ 20 shows 'y or Enter applies' || { screen; return 1; }
	keys y
	until_ 60 status_phase "$1" done || { screen; return 1; }
}

# Its clients connect for a moment, too, and a Redis logs nobody.
waive_unseen() {
	keys a
	until_ 20 shows 'y or Enter applies' || { screen; return 1; }
	keys y
	until_ 60 shows 'unaccounted for' || { screen; return 1; }
	keys : "waive nobody unseen redis all of them are flipped" Enter
	until_ 90 goes_on redis-tls || { screen; return 1; }
}

# Where it was refused before that could be typed, it is asked for once more.
goes_on() {
	! status_phase "$1" done || return 0
	if shows 'y or Enter applies'; then
		keys y
	elif shows 'refused:'; then
		keys a
	fi
	return 1
}

undo_by_key() {
	keys u
	until_ 10 shows 'u or Enter now' || { screen; return 1; }
	keys u
	until_ 60 taken_back "$1" || { screen; return 1; }
}

no_wide_line() {
	screen | awk -v max="$1" 'length($0) > max * 4 { exit 1 }'
}

answers_keys() {
	keys '?'
	until_ 2 shows 'Changing' || return 1
	keys q
	until_ 2 shows_not 'Changing'
}

# Of the selected link, and back; what nothing is wrong with is told, too.
explains_by_key() {
	keys Tab
	until_ 5 shows '^ LINK  pgbouncer' || { screen; return 1; }
	keys e
	until_ 5 shows 'nothing that is seen looks like a failure' && shows '^. explain ' && shows 'pgbouncer .* postgres' ||
		{ screen; return 1; }
	keys q
	until_ 5 shows 'SESSIONS' || { screen; return 1; }
	keys Tab
}

left_cleanly() {
	until_ 20 one_more_q && until_ 10 test -s "$tmp/stty.after" &&
		cmp "$tmp/stty.before" "$tmp/stty.after" || { screen; return 1; }
}

# q goes back, and leaves from the dashboard.
one_more_q() {
	shows 'left with' || keys q
	until_ 2 shows 'left with 0'
}

# The pooler's leg before its server offers tls.
wrong_order() {
	sed -e '/id: pg-both/{h;d;}' -e '/id: leg2/G' "$1" >"$2"
	! cmp -s "$1" "$2"
}

names_the_link() {
	shows 'REFUTED: 5 links' && shows '1 ✘ pgbouncer → postgres is refused: ' &&
		shows "when .* step 2 'leg2'" && shows "safe  *step 2 'leg2' after step 3 'pg-both'"
}

goes_to_the_step() {
	keys Enter
	until_ 5 shows 'leg2 .*strands 5' && until_ 5 shows 'STEP 2  leg2'
}

is_refused() {
	keys U
	until_ 5 shows 'nothing to undo'
}

db_env=hosts/db/srv/voiceai/.env

spoilt() {
	cp -p "$dir/$db_env" "$tmp/env.kept" && sed -i 's/^POSTGRES_TLS_ENABLED=.*/POSTGRES_TLS_ENABLED=maybe/' "$dir/$db_env" &&
		! cmp -s "$tmp/env.kept" "$dir/$db_env"
}

put_right() {
	cat "$tmp/env.kept" >"$dir/$db_env"
}

# Probes everything at each look.
told_otherwise() {
	keys r
	shows '1 otherwise'
}

told_otherwise_no_more() {
	keys r
	shows_not 'otherwise'
}

proof_names_it() {
	keys P
	until_ 5 shows "somebody changed on db what step 'pg-tls' wrote" || return 1
	keys q
	until_ 5 shows LINK
}

plain_screen() {		# no colour at all in what is drawn; 39 and 49 are the terminal's own
	! tm capture-pane -p -e -t con | grep -q "$(printf '\033')\[[0-9;]*\([34][0-7]\|[34]8;5;[0-9]*\)m"
}

ok "the lab is up" up console --reload || finish
fleet=$dir/fleet-reload.yaml
tree >"$tmp/tree.start"
ok "a plan is put in a wrong order" wrong_order "$plan" "$dir/wrong.yaml"
plan=$dir/wrong.yaml
begin 80 24
ok "it opens with the proof, which names the link" until_ 20 names_the_link || screen
ok "and goes to its step, which is marked" goes_to_the_step || screen
ok "of which there is nothing to undo" is_refused || screen
ok "it leaves" left_cleanly
plan=$dir/plan.yaml
ok "the console opens at 80x24" console 80 24 || finish
ok "it shows every link's sessions" until_ 30 shows 'plain'
ok "it answers keys" answers_keys
ok "it fits 80 columns" no_wide_line 80
ok "key e tells what is the matter with the selected link" explains_by_key
tm resize-window -t con -x 160 -y 45
ok "it follows a resize" until_ 5 shows 'LINK'
ok "key e tells it there, too" explains_by_key
tm resize-window -t con -x 80 -y 24
belay status --json >"$tmp/status.json"
keys A
ok "it can be armed" until_ 5 shows ARMED
for s in $(steps); do
	[ "$s" != flip-telpro-redis ] || ok "telpro's tls build is shipped" ship_tls_build
	if [ "$s" = redis-tls ]; then
		ok "what nobody can see holds redis-tls until it is waived by its name" waive_unseen || finish
	else
		ok "key a applies $s" apply_by_key "$s" || finish
	fi
done
ok "what was applied agrees with the servers" agreement
keys q
until_ 5 shows LINK
ok "a line that a step wrote is spoilt" spoilt
ok "which is told, before anybody goes back" until_ 60 told_otherwise || screen
ok "with the step that wrote it" proof_names_it || screen
ok "it is put right" put_right
ok "and told no more" until_ 60 told_otherwise_no_more || screen
ok "a host's sshd is stopped" "$lab" stop-sshd "$dir" db
ok "its links show as stale" until_ 40 shows 'stale'
ok "keys are answered meanwhile" answers_keys
ok "it goes on" "$lab" cont-sshd "$dir" db
ok "and its links are fresh again" until_ 60 shows_not 'stale'
for s in $(steps | tac); do
	case $(phase_of "$s") in
	done) ok "key u takes $s back" undo_by_key "$s" || finish ;;
	esac
done
ok "every file is as at the start" same_tree
ok "no client's operation failed" failed_operations
ok "and none had to be retried" retried_operations
ok "it leaves the terminal as it was" left_cleanly
ok "it opens with NO_COLOR" console 80 24 NO_COLOR=1
ok "and draws without colour" plain_screen
ok "key e tells it without colour" explains_by_key
ok "it leaves" left_cleanly
ok "it opens on a vt100" console 80 24 TERM=vt100 LC_ALL=C
ok "and shows the links" until_ 20 shows 'postgres'
ok "key e tells it on a vt100" explains_by_key
ok "it leaves" left_cleanly
finish
