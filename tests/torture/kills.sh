#!/bin/sh
# time limit: 400
# kill -9 of belay's console, and apart from that of its worker, at every
# state-changing system call of one step and of its undo: 0 violations.
#
#	tests/torture/kills.sh [-n POINTS] [-j JOBS] [ROLE:CALL:N:VERB:THEN …]
#
# A recording run lists the calls and how often each is made; a point is one of them,
# (process, name, N-th), in the apply or in the undo.  After each kill belay is
# started again, while what the killed one had started may still run: the journal
# has lost nothing, nothing was done on the host without an intent, the step
# can be finished (and taken back from there), or taken back at once, to the byte.
# -n: a sample of that many points, spread over all of them.  Without it: all.
# A point that did not fire (one run makes a call more or less than another) is
# counted apart.
. "$(dirname "$0")/world.sh"

can_trace() {
	"$trip" -o "$tmp/can" true
}

record() {
	"$trip" -w -o "$tmp/trip" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" "$1" flip --yes >"$s/said" 2>&1 </dev/null ||
		{ cat "$s/said"; return 1; }
	grep -q '^console fdatasync' "$tmp/trip" && grep -q '^worker write' "$tmp/trip" && cat "$tmp/trip"
}

points() {
	all_points
}

# strike ROLE CALL N VERB
strike() {
	rc=0
	timeout -k 5 90 "$trip" -o "$s/trip" -k "$1:$2:$3" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" \
		"$4" flip --yes >"$s/killed" 2>&1 </dev/null || rc=$?
	! grep -q '^fired' "$s/trip" || : >"$s/fired"
	case $1:$([ -f "$s/fired" ]; echo $?):$rc in
	console:0:137) ;;
	*:1:0|worker:0:[0135]) ;;
	*) echo "exit $rc"; cat "$s/killed"; return 1 ;;
	esac
}

torture "$@"
