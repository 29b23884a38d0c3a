#!/bin/sh
# time limit: 300
# The real console in a real terminal (tmux): what the terminal is left like,
# whatever ends the console; sizes, locales, colours; pasted text; and a plan on
# this machine's own files, applied and undone by key presses. No server, no lab.
set -u

BELAY=${BELAY:-build/belay}
case $BELAY in /*) ;; *) BELAY=$PWD/$BELAY ;; esac
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-tmux.XXXXXX")
sock=$tmp/tmux
n=0
bad=0

tm() {
	tmux -S "$sock" "$@"
}
cleanup() {
	[ ! -S "$sock" ] || tm kill-server 2>/dev/null || :
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

command -v tmux >/dev/null || { echo '1..0 # SKIP tmux is not here'; exit 0; }

# ok CLAIM COMMAND …
ok() {
	claim=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/said" 2>&1; then
		echo "ok $n - $claim"
	else
		echo "not ok $n - $claim"
		bad=$((bad + 1))
		sed 's/^/# /' "$tmp/said"
		tm capture-pane -p -t t 2>/dev/null | sed 's/^/# | /'
		sed 's/^/# stderr: /' "$tmp/stderr" 2>/dev/null
	fi
}

screen() {
	tm capture-pane -p -t t
}

# Waits until the screen has a line like that: 15 s is what no machine needs.
shows() {
	i=0
	until screen | grep -q -e "$1"; do
		i=$((i + 1))
		[ $i -lt 150 ] || { echo "never on the screen: $1"; return 1; }
		sleep 0.1
	done
}

keys() {
	tm send-keys -t t "$@"
}

# start [VAR=VALUE …] [--] [OPTION …]: the console in a shell that says how it ended
cat >"$tmp/run" <<-'END'
	trap : INT	# Ctrl-C is for the console
	stty -a >"$1/before"
	shift
	sh -c 'echo $$ >"$0/pid"; exec "$@"' "$DIR" "$@" 2>"$DIR/stderr"
	code=$?
	stty -a >"$DIR/after"
	echo "ended with $code"
	# A program that reads finds the terminal as it should be: this one ends at once where it is not.
	exec cat
END
start() {
	rm -f "$tmp/before" "$tmp/after" "$tmp/pid"
	envs=
	while [ $# -gt 0 ]; do
		case $1 in
		*=*) envs="$envs $1"; shift ;;
		*) break ;;
		esac
	done
	# shellcheck disable=SC2086
	tm -f /dev/null new-session -d -x "${cols:-80}" -y "${rows:-24}" -s t \
		env -u NO_COLOR LC_ALL=C.UTF-8 TERM=screen-256color XDG_STATE_HOME="$tmp/state" DIR="$tmp" $envs \
		sh "$tmp/run" "$tmp" "$BELAY" -f "$tmp/fleet.yaml" "$@"
}
stop() {
	tm kill-server 2>/dev/null
	while [ -S "$sock" ] && tm has-session 2>/dev/null; do sleep 0.1; done
	rm -f "$sock"
}

# The modes, the cursor and the screen are those of before.
restored() {
	cmp "$tmp/before" "$tmp/after" || return 1
	[ "$(tm display -p -t t '#{alternate_on} #{cursor_flag} #{keypad_flag} #{pane_current_command}')" = '0 1 0 cat' ]
}

mkdir "$tmp/host" "$tmp/state"
chmod 700 "$tmp/state"
cat >"$tmp/host/.env" <<-'END'
	# somebody's remark
	KEEP=1
	MODE=off
END
chmod 640 "$tmp/host/.env"
cp -p "$tmp/host/.env" "$tmp/env.before"

cat >"$tmp/fleet.yaml" <<-END
	belay: fleet/1
	environment: bench
	hosts: { here: { local: yes, state: $tmp/host/state } }
	units: { app: { host: here, run: "echo activated >>activations", in: $tmp/host, deadline: 20s, restarts: [pg] } }
	endpoints:
	  pg:
	    kind: postgres
	    unit: app
	    listen: { both: 1 }
	    names: [localhost]
	    accept:
	      file: $tmp/host/.env
	      plain: { set: { MODE: "off" } }
	      both: { set: { MODE: "on" } }
	clients:
	  web:
	    unit: app
	    links: { pg: { match: { address: 127.0.0.1 }, dial: { fixed: disable } } }
END
cat >"$tmp/plan.yaml" <<-END
	belay: plan/1
	name: by-hand
	from: { accept: plain, dial: disable }
	steps:
	  - { id: both, accept: { pg: both } }
END

start
if ! shows LINK >"$tmp/said" 2>&1; then
	echo 'not ok 1 - the_console_opens'
	sed 's/^/# /' "$tmp/said" "$tmp/stderr"
	screen | sed 's/^/# | /'
	echo 1..1
	exit 1
fi
stop

# ---- what it is left like ----

for how in q TERM HUP INT QUIT SEGV ABRT; do
	start
	case $how in
	q) want=0 ;; TERM) want=143 ;; HUP) want=129 ;; INT) want=0 ;; QUIT) want=131 ;; SEGV) want=139 ;; ABRT) want=134 ;;
	esac
	if shows LINK >"$tmp/said" 2>&1; then
		case $how in
		q) keys q ;;
		INT) keys C-c; shows 'Ctrl-C again leaves' >/dev/null; keys C-c ;;
		*) kill -s "$how" "$(cat "$tmp/pid")" ;;
		esac
	fi
	ok "ends_by_${how}_with_exit_code_$want" shows "ended with $want"
	ok "terminal_is_restored_after_$how" restored
	stop
done

# A shell with job control stops it and lets it go on.
tm -f /dev/null new-session -d -x 80 -y 24 -s t env LC_ALL=C.UTF-8 TERM=screen-256color XDG_STATE_HOME="$tmp/state" \
	PS1='prompt> ' ENV=/dev/null bash --norc --noprofile
ok shell_is_there shows 'prompt>'
keys "$BELAY -f $tmp/fleet.yaml" Enter
ok runs_under_a_shell shows LINK
keys C-z
ok ctrl_z_stops_it_and_gives_the_terminal_back shows Stopped
keys 'stty -a | grep -o -e "-\{0,1\}icanon"; fg' Enter
ok fg_draws_it_again shows 'LINK'
keys q
ok and_q_ends_it shows '^icanon'
stop

# ---- sizes, locales, colours ----

start
shows LINK >/dev/null
for size in 40x10 20x5 200x60 80x24; do
	tm resize-window -t t -x "${size%x*}" -y "${size#*x}"
	case $size in
	20x5) ok "says_that_${size}_is_too_small" shows 'too small' ;;
	*) ok "draws_itself_at_$size" shows 'q quit' ;;
	esac
done
stop

colours() {
	tm capture-pane -p -e -t t | grep -c "$(printf '\033')\[[0-9;]*\([34][0-7]\|[34]8;5;[0-9]*\)m"
}
start
shows LINK >/dev/null
ok colours_where_there_are_some [ "$(colours)" -gt 0 ]
stop
start NO_COLOR=1
shows LINK >/dev/null
ok no_color_is_obeyed [ "$(colours)" -eq 0 ]
stop
start TERM=vt100 LC_ALL=C
ok vt100_and_ascii_are_enough shows '^-*+-*\|^---*$'
ok nothing_but_ascii_there sh -c '! tmux -S "$1" capture-pane -p -t t | LC_ALL=C grep -q "[^ -~]"' x "$sock"
keys q
ok vt100_is_left_with_the_prompt_below shows '^ended with 0'
stop
start TERM=no-such-terminal
ok an_unknown_terminal_is_named shows 'ended with 3'
ok and_said_on_stderr grep -q "no-such-terminal" "$tmp/stderr"
stop
ok without_a_terminal_it_exits_3 sh -c '"$1" -f "$2" </dev/null >/dev/null 2>"$3"; [ $? -eq 3 ]' x "$BELAY" \
	"$tmp/fleet.yaml" "$tmp/stderr"

# ---- keys ----

start -p "$tmp/plan.yaml"
ok shows_the_plan shows 'by-hand . bench *0/1 applied'
tm set-buffer 'Aa
y
uuq:quit'
tm paste-buffer -p -t t
ok pasted_text_is_not_taken_for_keys shows 'pasted text is not taken'
keys a
ok says_that_it_is_not_armed shows 'not armed'
keys d
ok the_preview_shows_the_lines shows '^ *+MODE=on'
ok and_the_command_literally shows 'echo activated'
keys A a
ok apply_asks shows 'y or Enter applies'
ok nothing_was_written_so_far cmp "$tmp/env.before" "$tmp/host/.env"
keys y
i=0
until grep -q '^MODE=on' "$tmp/host/.env" && [ -s "$tmp/host/activations" ]; do
	i=$((i + 1))
	[ $i -lt 150 ] || break
	sleep 0.1
done
ok applied_by_a_key grep -q '^MODE=on' "$tmp/host/.env"
ok and_activated_once [ "$(grep -c . "$tmp/host/activations")" -eq 1 ]
keys Escape Escape
ok the_footer_names_what_undo_takes_back shows 'u undo both'
keys u
ok undo_shows_what_it_reverts shows 'undo step 1'
ok and_counts_down shows 'starts in [123] s'
keys Escape
ok esc_cancels_it shows 'not undone'
keys u
shows 'starts in' >/dev/null
keys u
# Of the step ("undone  for 1 s", "undone  1 host"): an operation of it says the same sooner.
ok undone_by_a_key_armed_or_not shows 'undone  *[f1]'
ok and_every_byte_is_as_before cmp "$tmp/env.before" "$tmp/host/.env"
ok mode_and_owner_too [ "$(stat -c '%a %u %g' "$tmp/host/.env")" = "$(stat -c '%a %u %g' "$tmp/env.before")" ]
keys H
ok history_has_it shows 'undo'
keys Escape ':'
keys -l "w $tmp/saved"
keys Enter
ok the_screen_can_be_saved shows 'saved as'
ok and_is_text grep -q 'by-hand' "$tmp/saved"
keys q
ok leaves shows 'ended with 0'
stop

# A countdown that nobody stops starts by itself.
start -p "$tmp/plan.yaml"
shows '0/1 applied' >/dev/null
keys A a
shows 'y or Enter applies' >/dev/null
keys Enter
ok applied_again shows 'u undo both'
keys u
ok the_countdown_starts_it_by_itself shows 'undone  *[f1]'
ok and_the_bytes_are_back cmp "$tmp/env.before" "$tmp/host/.env"
stop

# Another belay holds the lock: this one looks only.
start -p "$tmp/plan.yaml"
shows '0/1 applied' >/dev/null
tm -f /dev/null new-session -d -x 80 -y 24 -s second env LC_ALL=C.UTF-8 TERM=screen-256color \
	XDG_STATE_HOME="$tmp/state" sh -c '"$1" -f "$2/fleet.yaml" -p "$2/plan.yaml"; echo "ended with $?"; exec cat' x "$BELAY" "$tmp"
second_is_refused() {
	i=0
	until tm capture-pane -p -t second | grep -q "lock.*read-only"; do
		i=$((i + 1))
		[ $i -lt 150 ] || { tm capture-pane -p -t second; return 1; }
		sleep 0.1
	done
}
ok a_second_console_only_looks_and_says_so second_is_refused
stop

echo "1..$n"
exit $((bad > 0))
