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
. "$(dirname "$0")/killlib.sh"

points() {
	all_points
}

torture "$@"
