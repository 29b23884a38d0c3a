#!/bin/sh
# time limit: 400
# kill -9 of belay's console, and apart from that of its worker, at every
# state-changing system call of one step and of its undo: 0 violations.
#
#	tests/torture/kills.sh [-n POINTS] [-j JOBS] [ROLE:CALL:N:VERB:THEN]
#
# A recording run lists the calls and how often each is made; a point is one of them,
# (process, name, N-th), in the apply or in the undo.  After each kill belay is
# started again, while what the killed one had started may still run: the journal
# has lost nothing, nothing was done on the host without an intent, the step
# can be finished (and taken back from there), or taken back at once, to the byte.
# -n: a sample of that many points, spread over all of them.  Without it: all.
# A point whose kill did not fire (a run makes a call more or less than another) is
# counted apart.
tmp=
[ "${1-}" != --point ] || tmp=$2
. "$(dirname "$0")/world.sh"

# record VERB: what calls there are
record() {
	case $1 in
	apply) world_as before ;;
	undo) world_as "done" ;;
	esac
	"$trip" -w -o "$tmp/calls.$1" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" "$1" flip --yes </dev/null ||
		return 1
	cat "$tmp/calls.$1"
	grep -q '^console fdatasync' "$tmp/calls.$1" && grep -q '^worker write' "$tmp/calls.$1"
}

# Every point, in an order that takes turns: ROLE:CALL:N:VERB:THEN.
points() {
	for verb in apply undo; do
		awk -v verb=$verb '{ for (i = 1; i <= $3; i++) {
			k++; print $1 ":" $2 ":" i ":" verb ":" ((i + k) % 2 ? "finish" : "back") } }' "$tmp/calls.$verb"
	done
}

sample() {			# evenly: as many of the console as of a worker, of apply as of undo
	for group in console:.*:apply worker:.*:apply console:.*:undo worker:.*:undo; do
		grep "^$group:" "$tmp/points" | awk -v want="$(((want + 3) / 4))" -v seed="$$" '
			{ p[NR] = $0 }
			END {
				srand(seed)
				if (want > NR) want = NR
				at = rand()
				for (i = 0; i < want; i++) print p[int((i + at) * NR / want) + 1]
			}'
	done | head -n "$want"
}

# One point. Prints what is wrong.
point() {
	IFS=: read -r role call at verb then <<END
$1
END
	case $verb in
	apply) world_as before ;;
	undo) world_as "done" ;;
	esac || return 1
	rc=0
	timeout -k 5 90 "$trip" -o "$s/trip" -k "$role:$call:$at" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" \
		"$verb" flip --yes >"$s/killed" 2>&1 </dev/null || rc=$?
	fired=no
	! grep -q '^fired' "$s/trip" || fired=yes
	case $role:$fired:$rc in
	console:yes:137) ;;
	*:no:0|worker:yes:[0135]) ;;
	*) echo "exit $rc"; cat "$s/killed"; return 1 ;;
	esac
	no_deed_without_intent && nothing_lost || return 1
	# A belay that is gone works on nothing.
	status_is todo ready faulted doubt stuck proving restored "done" || return 1
	if [ "$then" = finish ]; then
		finished
	else
		taken_back
	fi
}

# Each job has a world of its own; all that is started for a point is gone before the next.
job() {
	s=$tmp/job.$1
	make_world "$s" >"$s.out" 2>&1 && entries_of before "done" >>"$s.out" 2>&1 || { echo "violation - no world: $(cat "$s.out")"; return; }
	awk -v j="$1" -v jobs="$jobs" 'NR % jobs == j' "$tmp/chosen" >"$s.points"
	while read -r p <&3; do
		if "$trip" -w sh "$0" --point "$s" "$p" >"$s.out" 2>&1; then
			if grep -q '^fired' "$s/trip"; then
				echo "fired $p"
			else
				echo "quiet $p"
			fi
		else
			echo "violation $p"
			sed 's/^/# /' "$s.out"
		fi
	done 3<"$s.points"
}

sweep() {
	pids=
	j=0
	while [ $j -lt "$jobs" ]; do
		job $j >"$tmp/result.$j" 2>&1 &
		pids="$pids $!"
		j=$((j + 1))
	done
	for p in $pids; do
		wait "$p"
	done
	cat "$tmp"/result.* >"$tmp/results"
	fired=$(grep -c '^fired' "$tmp/results")
	quiet=$(grep -c '^quiet' "$tmp/results")
	violations=$(grep -c '^violation' "$tmp/results")
	grep -A 40 '^violation' "$tmp/results"
	[ "$violations" -eq 0 ] && [ $((fired + quiet)) -eq "$(wc -l <"$tmp/chosen")" ]
}

# What is looked at can be seen to be wrong: each check is shown something that must not pass.
checks_can_fail() {
	world_as before && : >"$s/killed" || return 1
	mkdir -p "$w/hoststate/runs/x/flip/1" && echo applied >"$w/hoststate/runs/x/flip/1/state"
	! no_deed_without_intent >"$s/said" || { echo "a record without an intent passed"; return 1; }
	world_as before && echo >>"$w/host/env"
	! no_deed_without_intent >"$s/said" || { echo "a file without a record passed"; return 1; }
	! tree_is before >"$s/said" || { echo "another content passed"; return 1; }
	world_as before && chmod 600 "$w/host/env"
	! tree_is before >"$s/said" || { echo "another mode passed"; return 1; }
	world_as "done" && sed '1d' "$s/entries.done" >"$s/entries.now" && as="done"
	! nothing_lost >"$s/said" 2>&1 || { echo "a lost entry passed"; return 1; }
	echo x >>"$w/count.run"
	! ran_for 1 >"$s/said" || { echo "a command that ran twice passed"; return 1; }
}

if [ "${1-}" = --point ]; then
	s=$2
	in_world "$s/w"
	point "$3"
	exit
fi
want=0
jobs=2
while getopts n:j: opt; do
	case $opt in
	n) want=$OPTARG ;;
	j) jobs=$OPTARG ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
"$trip" -o "$tmp/can" true 2>"$tmp/cannot" || {
	echo "1..0 # SKIP this system does not let us trace: $(cat "$tmp/cannot")"
	exit 0
}
model() {
	make_world "$tmp/model" && entries_of before "done"
}

ok "a world to be tortured" model || finish
ok "the calls of an apply are counted" record apply || finish
ok "the calls of an undo are counted" record undo || finish
ok "what the points are judged by can fail" checks_can_fail || finish
points >"$tmp/points"
if [ $# -gt 0 ]; then
	printf '%s\n' "$@" >"$tmp/chosen"
elif [ "$want" -gt 0 ]; then
	sample >"$tmp/chosen"
else
	cp "$tmp/points" "$tmp/chosen"
fi
began=$(date +%s)
ok "$(wc -l <"$tmp/chosen") kills of $(wc -l <"$tmp/points"): nothing lost, finished or taken back to the byte" sweep
echo "# points $(wc -l <"$tmp/chosen"), kills fired ${fired:-0}, did not fire ${quiet:-0}, violations ${violations:-0}, $(($(date +%s) - began)) s"
[ ! -s "$tmp/results" ] || awk '$1 == "fired" { split($2, a, ":"); c[a[1] " " a[4]]++ } END { for (k in c) print "# " k ": " c[k] " fired" }' "$tmp/results"
ok "most of the kills fired" test "${fired:-0}" -ge $(($(wc -l <"$tmp/chosen") * 9 / 10))
finish
