#!/bin/sh
# time limit: 120
# A server that was silent before a step is not waited for by who takes the step
# back, though that is another process, which has seen nothing; one that has answered
# since is, and then an undo that is stuck there goes on where that is waived.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

start_redis() {
	$as redis-server --bind 127.0.0.1 --port "$rport" --save '' --dir / >"$tmp/redis.log" 2>&1 &
	rpid=$!
	pids="$pids $rpid"
	until_ 10 sh -c "redis-cli -h 127.0.0.1 -p $rport PING >/dev/null 2>&1" || { cat "$tmp/redis.log"; return 1; }
}

# write_fleet DEADLINE COMMAND
write_fleet() {
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts:
  box: { local: yes, state: $tmp/hoststate }
units:
  cache: { host: box, run: "$2", deadline: $1 }
endpoints:
  cache:
    kind: redis
    unit: cache
    listen: { plain: $rport, tls: $tport, at: 127.0.0.1 }
    names: [localhost]
    accept:
      file: $box/env
      plain: { unset: [TLS] }
      both:  { set: { TLS: "yes" } }
END
}

make_box() {
	rport=$(free_port) tport=$(free_port)
	echo 'A=1' >"$box/env"
	cp "$box/env" "$tmp/env.0"
	# Longer than anybody here waits.
	write_fleet 100s "touch $box/told"
	cat >"$plan" <<END
belay: plan/1
name: silent
steps:
  - { id: first, run: { on: box, run: "true", undo: "true" } }
  - { id: both, accept: { cache: both } }
END
	box_belay apply first --yes
}

# Killed while it waits for what does not come.
killed() {
	rm -f "$box/told"
	"$BELAY" -f "$fleet" -p "$plan" apply both --yes >"$tmp/killed" 2>&1 </dev/null &
	victim=$!
	until_ 30 test -e "$box/told" || { cat "$tmp/killed"; kill -9 $victim; return 1; }
	kill -9 $victim
	wait $victim
	box_belay history | grep 'silent.*cache'
}

back_at_once() {
	until_ 10 not_locked || return 1
	fails 0 "restored" timeout 60 "$BELAY" -f "$fleet" -p "$plan" undo both --yes &&
		cmp "$box/env" "$tmp/env.0"
}

# The one that was killed may be a moment longer in its lease.
not_locked() {
	owner=$(box_belay unlock 2>&1 | sed -n 's/.*belay unlock --yes=//p')
	[ -z "$owner" ] || box_belay unlock --yes="$owner"
}

answers_noted() {
	box_belay history | grep -q 'answers.*cache'
}

# By whoever takes the step up again; its gate would not hold, which is not what this is about.
seen_again() {
	start_redis || return 1
	write_fleet 8s "redis-cli -h 127.0.0.1 -p $rport PING"
	"$BELAY" -f "$fleet" -p "$plan" apply both --yes >"$tmp/killed" 2>&1 </dev/null &
	victim=$!
	rc=0
	until_ 30 answers_noted || { cat "$tmp/killed"; rc=1; }
	kill -9 $victim
	wait $victim
	until_ 10 not_locked && return $rc
}

goes_away() {
	write_fleet 8s "redis-cli -h 127.0.0.1 -p $rport SHUTDOWN NOSAVE; true"
	fails 3 "'cache' does not answer since" box_belay undo --yes
}

ok "the box is up" make_box || finish
ok "a step is killed while it waits for a server that was not there before" killed
ok "who takes it back does not wait for that server" back_at_once
ok "killed once more" killed
ok "the server comes, and is seen to answer" seen_again
ok "taken back it is waited for, and the undo is stuck" goes_away
ok "a check that is none of it is not waived" fails 1 "has no check 'back pg'" \
	box_belay undo --yes --waive 'back pg' --reason 'typo'
ok "waived by its name alone the undo goes on" box_belay undo --yes --waive 'back cache' --reason 'it is gone for good'
ok "which is noted" sh -c "'$BELAY' -f '$fleet' -p '$plan' history | grep 'back cache: it is gone for good'"
ok "and the file is as it was" cmp "$box/env" "$tmp/env.0"
finish
