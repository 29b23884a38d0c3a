#!/bin/sh
# time limit: 400
# The journal's disk is full, or fails, at every write, sync and removal of an
# apply and of an undo: belay stops, says so and exits with an error, or carried on
# where it failed once only and nothing is missing; and what was acknowledged is there.
#
#	tests/torture/journal.sh [-n POINTS] [-j JOBS] [HOW:CALL:N:VERB:THEN …]
#
# HOW is an error for one call, or, with a + behind it, from that call on until
# the program ends.  strace(1) injects it into calls about the journal's own files
# alone; it counts them for each thread, and all but the first few are those of the
# thread that writes the journal.
. "$(dirname "$0")/world.sh"

can_trace() {
	strace -qq -o /dev/null true
}

# Its file, the file that SQLite rolls back from, and the directory that a removal is synced in.
about_journal() {
	j=$(ls "$w"/state/belay/torture-*.journal) || return 1
	set -- "$@" -P "$j" -P "$j-journal" -P "$w/state/belay"
	timeout -k 5 90 strace -f --seccomp-bpf -qqq -o "$s/strace" "$@" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" \
		"$verb" flip --yes >"$s/killed" 2>&1 </dev/null
}

# strace counts each thread for itself: that of the one that makes most.
record() {
	verb=$1
	about_journal -e trace=pwrite64,fdatasync,unlink || { cat "$s/killed"; return 1; }
	awk '{ pid = $1; sub(/\(.*/, "", $2); c[$2 " " pid]++ }
		END { for (k in c) { split(k, a, " "); if (c[k] > m[a[1]]) m[a[1]] = c[k] }
			for (k in m) print k, m[k] }' "$s/strace" | sort >"$tmp/counted"
	for how in ENOSPC+ EIO; do sed -n "s/^pwrite64/$how &/p" "$tmp/counted"; done
	for how in EIO EIO+; do sed -n "s/^\(fdatasync\|unlink\) /$how &/p" "$tmp/counted"; done
}

points() {
	all_points
}

# strike HOW CALL N VERB
strike() {
	verb=$4 when=$3 error=$1
	case $1 in *+) when=$3+ error=${1%+} ;; esac
	rc=0
	about_journal -e trace="$2" -e inject="$2:error=$error:when=$when" || rc=$?
	! grep -q INJECTED "$s/strace" || : >"$s/fired"
	case $([ -f "$s/fired" ]; echo $?):$rc:$verb in
	?:0:*) ;;
	0:1:*|0:3:undo)		# an undo that cannot go on is stuck
		grep -q -e 'cannot [a-z]* the journal' "$s/killed" || { echo "it does not say why"; cat "$s/killed"; return 1; }
		return ;;
	*) echo "exit $rc"; cat "$s/killed"; return 1 ;;
	esac
	# It says that all is well: then nothing may be missing.
	case $verb in apply) phase="done" ;; undo) phase=restored ;; esac
	belay history --json >"$s/history.now" && jq -e --arg phase $phase '.entries as $e |
		([$e[] | select(.kind | endswith("intent"))] | length) == ([$e[] | select(.kind | endswith("outcome"))] | length) and
		($e[-1].kind == "phase") and ($e[-1].text == $phase)' "$s/history.now" >/dev/null ||
		{ echo "exit 0, and the journal is not whole"; cat "$s/killed"; jq -c '.entries[-6:][]' "$s/history.now"; return 1; }
}

torture "$@"
