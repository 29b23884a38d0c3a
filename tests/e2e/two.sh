#!/bin/sh
# time limit: 400
# Two operators: belays on two bastions (each with a state directory of its own)
# at the same hosts.  One is turned away with the other's name; one that was
# stopped for longer than its lease lives finds itself fenced; nothing is ever
# applied twice.
#
#	tests/e2e/two.sh [ROUNDS]	races, on each of five hosts at once
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

rounds=${1:-5}
hosts="api web voice ops telpro"

# as WHO …: belay on WHO's bastion
as() {
	state=$dir/state.$1
	shift
	mkdir -p "$state"
	"$lab" exec "$dir" -- env XDG_STATE_HOME="$state" BELAY_LEASE="${lease:-90}" \
		"$BELAY" -f "$fleet" -p "$plan" "$@"
}

go() {
	as "$@" >"$tmp/out.$1" 2>&1 </dev/null &
	pid=$!
}

said() {
	grep -q -e "$2" "$tmp/out.$1"
}

gone() {
	[ ! -d "/proc/$1" ] || grep -q ') Z ' "/proc/$1/stat" 2>/dev/null
}

# The console, below the shell and the lab's exec: the one that has workers.
console_of() {
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" = "$1" ] || continue
		if tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q -e '--worker'; then
			echo "$1"
			return
		fi
		found=$(console_of "$p")
		[ -z "$found" ] || { echo "$found"; return; }
	done
}

# A step for each host: a command that must not run twice, and that takes its time.
a_plan() {
	plan=$dir/two.yaml
	{
		printf 'belay: plan/1\nname: two\nfrom: { accept: plain, dial: disable }\nsteps:\n'
		for h in $hosts; do
			f=$("$lab" host "$dir" "$h" -- sh -c 'echo /srv/voiceai/run/count')
			echo "  - { id: $h, run: { on: $h-1, run: \"sleep \$(cat $f.takes 2>/dev/null || echo 0.7); echo x >>$f\", undo: \"rm -f $f\"," \
				"observe: \"cat $f\", expect: x, idempotent: no } }"
		done
	} >"$plan"
	fleet=$dir/fleet-reload.yaml
}

turned_away() {
	"$lab" host "$dir" api -- sh -c 'echo 5 >/srv/voiceai/run/count.takes'
	go kim apply api --yes
	until_ 20 said kim 'applying' || { cat "$tmp/out.kim"; return 1; }
	rc=0
	as ops apply api --yes >"$tmp/away" 2>&1 || rc=$?
	cat "$tmp/away"
	wait "$pid"
	"$lab" host "$dir" api -- rm -f /srv/voiceai/run/count.takes
	[ "$rc" -eq 6 ] && grep -q "host 'api-1': another belay holds it: .* two, step api, for [0-9]* s more" "$tmp/away"
}

count() {
	"$lab" host "$dir" "$1" -- sh -c 'cat /srv/voiceai/run/count 2>/dev/null | wc -l'
}

once() {
	[ "$(count "$1")" -eq 1 ]
}

met_by_the_other() {
	as ops apply api --yes >"$tmp/other" 2>&1 || { cat "$tmp/other"; return 1; }
	grep -q 'found in place' "$tmp/other" && once api
}

# kim's console is stopped while it holds the lease; her workers' last order comes to its end.
stop_kim() {
	lease=90
	go kim apply web --yes
	until_ 20 said kim "step 'web': applying" || { cat "$tmp/out.kim"; return 1; }
	kim=$(console_of "$pid")
	[ -n "$kim" ] && kill -STOP "$kim"
}

not_before_it_is_up() {
	lease=90
	fails 6 'another belay holds it' as ops apply web --yes
}

names_the_owner() {
	fails 3 'name its owner: belay unlock --yes=' as ops unlock && fails 3 'nothing was taken over' as ops unlock --yes=nobody@here
}

taken_over() {
	owner=$(as ops unlock 2>&1 | sed -n 's/.*belay unlock --yes=//p')
	until_ 10 as ops unlock --yes="$owner" >"$tmp/over" 2>&1
	cat "$tmp/over"
	grep -q 'taken over' "$tmp/over"
}

kim_wakes_up() {
	kill -CONT "$kim"
	until_ 30 gone "$pid"
	wait "$pid"
	cat "$tmp/out.kim"
	once web
}

# One race: kim begins, is stopped at some moment for longer than her lease
# lives, the other goes on until it may; then she wakes up.
race() {
	h=$1 r=$2 me=kim-$1-$2 other=ops-$1-$2
	lease=1
	go "$me" apply "$h" --yes
	mine=$pid
	until_ 20 said "$me" "step .*'$h'" || return 1
	sleep "$(awk -v s="$$$r" -v h="${#h}" 'BEGIN { srand(s * 7 + h); printf "%.2f", rand() * 1.2 }')"
	c=$(console_of "$mine")
	[ -z "$c" ] || kill -STOP "$c"
	until_ 40 as "$other" apply "$h" --yes >"$tmp/out.$other" 2>&1 || { cat "$tmp/out.$other"; return 1; }
	[ -z "$c" ] || kill -CONT "$c" 2>/dev/null
	until_ 40 gone "$mine" || { cat "$tmp/out.$me"; kill -9 "$mine"; return 1; }
	wait "$mine"
	n_times=$(count "$h")
	[ "$n_times" -eq 1 ] || { echo "$h, race $r: applied $n_times times"; cat "$tmp/out.$me" "$tmp/out.$other"; return 1; }
	"$lab" host "$dir" "$h" -- rm -f /srv/voiceai/run/count
	[ -z "$c" ] || echo stopped
}

# Steps come in the plan's order; each host's races have a plan of their own.
races() {
	h=$1
	sed -n -e '1,4p' -e "/id: $h,/p" "$dir/two.yaml" | sed "s/^name: .*/name: two-$h/" >"$dir/two-$h.yaml"
	plan=$dir/two-$h.yaml
	"$lab" host "$dir" "$h" -- rm -f /srv/voiceai/run/count
	r=0
	while [ $r -lt "$rounds" ]; do
		r=$((r + 1))
		race "$h" $r || return 1
	done
}

all_races() {
	pids=
	for h in $hosts; do
		(races "$h" >"$tmp/races.$h" 2>&1) &
		pids="$pids $!"
	done
	bad_hosts=0
	for p in $pids; do
		wait "$p" || bad_hosts=$((bad_hosts + 1))
	done
	cat "$tmp"/races.*
	stopped=$(cat "$tmp"/races.* | grep -c '^stopped')
	[ $bad_hosts -eq 0 ]
}

ok "the lab is up" up two --reload || finish
a_plan
ok "who comes second is turned away, and told by whom" turned_away
ok "it was applied once" once api
ok "when the first has gone, the second finds it in place" met_by_the_other
ok "a holder is stopped in the middle" stop_kim
ok "whose command still runs, or whose lease is not up, is not displaced" not_before_it_is_up
ok "unlock names the owner, and wants the name" names_the_owner
ok "by the owner's name it is taken over" taken_over
ok "the one that was stopped wakes up, and applies nothing twice" kim_wakes_up
ok "$((rounds * 5)) races with a holder that is stopped past its expiry: nothing is applied twice" all_races
echo "# stopped in the middle: ${stopped:-0} of $((rounds * 5))"
finish
