#!/bin/sh
# time limit: 240
# kill -9 of the program in the middle of a step and of its undo, at a counted
# sample of its state-changing system calls; then a start, and the run is
# finished or undone: no journal entry is lost, nothing is applied twice, every file is
# as before. strace counts the calls of each thread: those of the journal's thread are meant,
# and a kill counts as fired only where it was the console that died of it.
# KILL_POINTS="CALL:N …" replaces the sample: in turn of an apply and of an undo.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

step=flip-api-redis
points=${KILL_POINTS:-fdatasync:3 fdatasync:8 pwrite64:30 unlink:3 fdatasync:14 pwrite64:17
unlink:3 fdatasync:14 fdatasync:19 unlink:4 pwrite64:75 pwrite64:60 unlink:6 fdatasync:27}
fired=0
tried=0

# Three steps are enough to have something before the one that is killed.
short_plan() {
	plan=$dir/short.yaml
	cat >"$plan" <<-END
	belay: plan/1
	name: short
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs, certs: { internal: install } }
	  - { id: redis-both, accept: { redis: both } }
	  - { id: $step, trust: { "api -> redis": internal }, dial: { "api -> redis": verify-full } }
	END
}

# killed_at VERB CALL:N: strace ends as the console did.
killed_at() {
	tried=$((tried + 1))
	rc=0
	"$lab" exec "$dir" -- strace -f -qq -o "$tmp/strace" -e trace="${2%:*}" \
		-e inject="${2%:*}:signal=KILL:when=${2#*:}" \
		"$BELAY" -f "$fleet" -p "$plan" "$1" "$step" --yes >"$tmp/killed" 2>&1 || rc=$?
	[ "$rc" -ne 137 ] || fired=$((fired + 1))
	cat "$tmp/killed"
	[ "$rc" -eq 137 ] || [ "$rc" -eq 0 ]
}

entries() {
	belay history --json | jq -r '.entries[] | "\(.seq) \(.at_ms) \(.kind) \(.step) \(.op) \(.text)"'
}

# All that was there is there still, in order, without a gap.
nothing_lost() {
	entries >"$tmp/after" && head -n "$(wc -l <"$tmp/before")" "$tmp/after" | diff "$tmp/before" - &&
		awk '$1 != NR { exit 1 }' "$tmp/after"
}

restarts() {
	cat "$dir/hosts/api/srv/voiceai/run/restarts/api"
}

# restarted N: since last asked
restarted() {
	now=$(restarts)
	echo "restarted $((now - count)) times, at most $1 expected"
	[ $((now - count)) -le "$1" ] && count=$now
}

same_tree() {
	tree >"$tmp/tree.end"
	diff "$tmp/tree.$1" "$tmp/tree.end"
}

phase_is() {
	phase=$(phase_of "$step")
	for p; do
		[ "$phase" != "$p" ] || return 0
	done
	echo "the phase is $phase"
	return 1
}

# A program that is gone works on nothing, and its lock is nobody's.
no_ghost() {
	phase_is todo ready faulted doubt stuck proving restored done
}

# Whatever state it was left in: on to the end.
finish_it() {
	belay apply "$step" --yes && phase_is "done"
}

# Or back: nothing to undo is as good, where nothing was begun.
undo_it() {
	belay undo --to redis-both --yes && phase_is todo restored
}

ok "the lab is up" up kill --reload || finish
fleet=$dir/fleet-reload.yaml
short_plan
ok "the steps before" belay apply --to redis-both --yes || finish
tree >"$tmp/tree.before"
count=$(restarts)
ok "the step, once" finish_it
tree >"$tmp/tree.done"
ok "it restarts its unit once" restarted 1
ok "and back" undo_it
ok "which restarts it once more" restarted 1
verb=apply
for point in $points; do
	at="$verb killed at $point"
	entries >"$tmp/before"
	ok "$at" killed_at "$verb" "$point"
	ok "$at: no journal entry is lost" nothing_lost
	ok "$at: status does not say that it is being worked on" no_ghost
	if [ "$verb" = apply ]; then
		ok "$at: the next start finishes it" finish_it
		ok "$at: every file is as after an apply" same_tree "done"
		verb=undo
	else
		ok "$at: the next start finishes it" undo_it
		ok "$at: every file is as before" same_tree before
		verb=apply
	fi
	ok "$at: its unit was restarted once" restarted 1
done
ops_are_the_runs() {
	belay history --json | jq -e 'all(.entries[] | select(.op != null); .run as $r | .op | startswith($r + "/"))'
}

ok "every operation is in the journal under the name that its host has" ops_are_the_runs
echo "# kills tried $tried, fired $fired"
ok "the kills fired" test "$fired" -eq "$tried"
finish
