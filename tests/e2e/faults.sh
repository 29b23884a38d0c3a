#!/bin/sh
# time limit: 300
# What can go wrong while a step is applied or taken back, one thing after the other:
# workers that die or hang, hosts that fall silent, commands that fail, hang or shout.
# After each, what belay says is true and the way back is open.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/faultlib.sh"

ok "the lab is up, and the steps before are done" lab_is_up 6s || finish

# ---- workers ------------------------------------------------------------------

worker_killed() {
	update_takes 2
	before=$(restarts)
	go "$1" "$step" --yes
	until_ 20 update_begun || return 1
	to_workers KILL
	comes_to 0 "$2" && [ $(($(restarts) - before)) -eq 1 ]
}

worker_stopped() {
	update_takes 2
	go apply "$step" --yes
	until_ 20 update_begun || return 1
	to_workers STOP
	comes_to 0 ': done'
}

worker_killed_at_preview() {
	"$lab" stop-sshd "$dir" api
	go apply "$step" --yes
	until_ 10 has_workers && sleep 1	# it is looking at a host that does not answer
	to_workers KILL
	comes_to 1 'was not begun'
	rc=$?
	"$lab" cont-sshd "$dir" api
	return $rc
}

ok "apply: its workers are killed: the host's record ends the doubt" worker_killed apply ': doubt: '
ok "which is done once" phase_is "done"
ok "undo: its workers are killed: it goes on" worker_killed undo ': restored'
ok "and every file is as before" undone
ok "apply: its workers hang: they are replaced, and the doubt ends" worker_stopped
ok "and back" undo_it
ok "preview: its workers are killed: nothing is begun" worker_killed_at_preview

# ---- hosts ----------------------------------------------------------------------

silent_in_apply() {
	update_takes 2
	go apply "$step" --yes
	until_ 20 update_begun || return 1
	"$lab" stop-sshd "$dir" api
	until_ 20 said "doubt: .*host 'api-1': no answer" || { cat "$tmp/out"; return 1; }
	belay status >"$tmp/status"
	"$lab" cont-sshd "$dir" api
	comes_to 0 ': done'
}

silent_status() {
	cat "$tmp/status"
	grep -q '^host api-1: ' "$tmp/status" && grep -q 'api -> redis .*unknown' "$tmp/status" &&
		! grep -q 'web -> redis .*unknown' "$tmp/status"
}

# The first step touches every host; one of them is silent.
silent_in_undo() {
	update_as_ever
	"$lab" stop-sshd "$dir" telpro
	go undo --all --yes
	comes_to 3 "host 'telpro-1': no answer"
	rc=$?
	"$lab" cont-sshd "$dir" telpro
	[ "$rc" -eq 0 ] && [ "$(grep -l INTERNAL_CA "$dir"/hosts/*/srv/voiceai/.env)" = \
		"$dir/hosts/telpro/srv/voiceai/.env" ]
}

finished_later() {
	belay undo --yes && ! grep -q INTERNAL_CA "$dir/hosts/telpro/srv/voiceai/.env"
}

ok "apply: the host falls silent: in doubt until it answers again" silent_in_apply
ok "status meanwhile names it, and knows the others" silent_status
ok "undo: one host is silent: it is set aside by name, the others are restored" silent_in_undo
ok "and a later undo finishes it" finished_later
ok "the steps before, once more" belay apply --to redis-both --yes
tree >"$tmp/tree.before"

# ---- commands -------------------------------------------------------------------

command_fails() {
	update_is 'printf "\033[31mno\033[0m \033]0;x\007 luck\n"; exit 7'
	go "$1" "$step" --yes
	comes_to "$2" "host 'api-1': the command ended with status 7" && said '| .*no.* luck' &&
		! LC_ALL=C grep -q "$(printf '[\033\007]')" "$tmp/out"
}

command_shouts() {
	update_is 'yes 0123456789abcdef | head -c 10000000; exit 1'
	go apply "$step" --yes
	comes_to 1 'status 1' >/dev/null && [ "$(wc -c <"$tmp/out")" -lt 8000 ]
}

retried() {
	update_as_ever
	apply_it
}

# It is not waited for longer than said; nothing pretends that it has ended.
command_hangs() {
	update_is 'exec sleep 300'
	go apply "$step" --yes
	until_ 20 said 'doubt: .*no answer within 6 s' || { cat "$tmp/out"; return 1; }
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	go undo "$step" --yes
	comes_to 3 'still runs on the host (below process' || return 1
	runner=$(sed -n 's/.*(below process \([0-9]*\)).*/\1/p' "$tmp/out" | head -n 1)
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" != "$runner" ] || kill "$p"
	done
}

ok "apply: its command fails: what it printed is shown, and harmless" command_fails apply 1
ok "status says faulted" phase_is faulted
ok "undo: its command fails: stuck" command_fails undo 3
ok "and back, once it works" undo_it
ok "apply: its command prints 10 MB: the end is shown" command_shouts
ok "and is taken up again, once it works" retried
ok "and back" undo_it
ok "apply: its command hangs: in doubt, and an undo says that it still runs" command_hangs
ok "and back, once it was ended" undo_it

# How many descriptors the console and its workers have, after all of them were replaced once.
descriptors() {
	for p in "$pid" $(workers); do
		ls "/proc/$p/fd" || return 1
	done 2>/dev/null | wc -l
}

steady() {
	go status --watch
	until_ 20 said 'redis: serves' || return 1
	before=$(descriptors)
	to_workers KILL
	: >"$tmp/out"
	until_ 30 said 'redis: serves both, path proven' || { cat "$tmp/out"; return 1; }
	after=$(descriptors)
	kill -INT "$pid"
	comes_to 0 >/dev/null && echo "$before descriptors, then $after" && [ "$after" -le $((before + 2)) ]
}

ok "no secret is in the journal, in what was printed, or in the state directory" no_secrets
ok "replaced workers leave no descriptor open" steady
ok "nothing of it still runs on the hosts" until_ 15 nothing_runs
finish
