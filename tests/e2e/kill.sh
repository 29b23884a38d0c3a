#!/bin/sh
# time limit: 600
# kill -9 of the program in the middle of a step and of its undo, at a counted
# sample of its state-changing system calls; then a start, and the run is
# finished or undone: no journal entry lost, every file as before.
# KILL_POINTS="syscall:N …" replaces the sample (make torture takes many more).
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

step=flip-api-redis
points=${KILL_POINTS:-fdatasync:1 fdatasync:4 fdatasync:7 fdatasync:10 fdatasync:13 pwrite64:3 pwrite64:17 pwrite64:30 unlink:2 unlink:4}
fired=0
tried=0

killed_at() {			# killed_at SYSCALL N VERB
	tried=$((tried + 1))
	rc=0
	"$lab" exec "$dir" -- strace -f -qq -o "$tmp/strace" -e trace="$1" -e inject="$1:signal=KILL:when=$2" \
		"$BELAY" -f "$fleet" -p "$plan" "$3" "$step" --yes >"$tmp/killed" 2>&1 || rc=$?
	grep -q 'killed by SIGKILL' "$tmp/strace" && fired=$((fired + 1))
	return 0
}

entries() {
	belay history --json | jq -r '.entries[] | "\(.seq) \(.kind) \(.step) \(.op)"'
}

nothing_lost() {		# all that was there is there still, in order, without a gap
	entries >"$tmp/after" && head -n "$(wc -l <"$tmp/before")" "$tmp/after" | cmp - "$tmp/before" &&
		awk '$1 != NR { exit 1 }' "$tmp/after"
}

same_tree() {
	tree >"$tmp/tree.end"
	diff "$tmp/tree.start" "$tmp/tree.end"
}

phase_is() {
	[ "$(phase_of "$step")" = "$1" ]
}

# Whatever state it was left in: on to the end.
finish_it() {
	belay apply "$step" --yes && phase_is done
}

# Or back: nothing to undo is as good, where nothing was begun.
undo_it() {
	belay undo --to redis-both --yes
	case $(phase_of "$step") in
	todo | restored) ;;
	*) return 1 ;;
	esac
}

ok "the lab is up" up kill --reload || finish
fleet=$dir/fleet-reload.yaml
ok "the steps before" belay apply --to redis-both --yes || finish
tree >"$tmp/tree.start"
turn=0
for point in $points; do
	call=${point%:*} at=${point#*:}
	entries >"$tmp/before"
	killed_at "$call" "$at" apply
	ok "apply killed at $point: no journal entry is lost" nothing_lost
	turn=$((turn + 1))
	if [ $((turn % 2)) -eq 0 ]; then
		ok "apply killed at $point: the next start finishes it" finish_it
		entries >"$tmp/before"
		killed_at "$call" "$at" undo
		ok "undo killed at $point: no journal entry is lost" nothing_lost
	fi
	ok "killed at $point: the next start takes it back" undo_it
	ok "killed at $point: every file is as before" same_tree
done
echo "# kills tried $tried, fired $fired"
ok "at least half of the kills fired" test $((fired * 2)) -ge "$tried"
finish
