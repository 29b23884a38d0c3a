#!/bin/sh
# time limit: 240
# Out of turn: a step is taken back, and applied again, though others that came
# after it stand, where no link that works is stranded by it; otherwise who would
# be is named.  What the proof said is then looked for on the real servers.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

phase_is() {
	phase=$(phase_of "$1")
	[ "$phase" = "$2" ] || { echo "the phase of $1 is $phase, not $2"; return 1; }
}

# What a hand does on a host: api's link to the pooler goes back to plaintext in its file alone.
by_hand() {
	env=$dir/hosts/api/srv/voiceai/.env
	cp -p "$env" "$tmp/env.api"
	grep -v '^DATABASE_SSL' "$tmp/env.api" >"$env"
}

hand_back() {
	cat "$tmp/env.api" >"$env"
}

# It is seen by a look at the host, and said.
contradicted() {
	fails 1 'nobody on plaintext pgbouncer\|proof: .*api -> pgbouncer' belay apply pgb-tls --yes
}

api_is_refused() {
	"$lab" host "$dir" api -- env PGSSLMODE=disable PGCONNECT_TIMEOUT=5 psql -w \
		-h db.internal -p 6432 -U voiceai voiceai -c 'SELECT 1' 2>&1 | grep 'SSL required'
}

ok "the lab is up" up turns --reload || finish
fleet=$dir/fleet-reload.yaml
ok "the pooler is forced" belay apply --to pgb-tls --yes || finish
ok "the first leg may not go while its server's client needs it: who would be stranded is named" \
	fails 1 'strand pgbouncer -> postgres (refused: .*api -> pgbouncer (hangs: ' belay undo pg-both --yes
ok "nor one client's flip while the pooler is forced" \
	fails 1 'strand api -> pgbouncer (refused: the endpoint accepts tls only' belay undo flip-api-pg --yes
ok "that is so: the pooler refuses api without tls" api_is_refused
ok "what a later step moved again waits for that one" \
	fails 1 "step 'pgb-tls' moved the same after it; undo that first" belay undo pgb-both --yes
ok "nothing was touched by any of it" phase_is pg-both "done"
ok "the pooler's own leg may go out of its turn" belay undo leg2 --yes
ok "it alone" phase_is leg2 restored
ok "the others stand" phase_is pgb-tls "done"
ok "status agrees with the servers" agreement
ok "and it comes back out of its turn" belay apply leg2 --yes
ok "status agrees with the servers, once more" agreement
ok "no operation failed" failed_operations
ok "nor had to be retried" retried_operations
ok "the force is taken back" belay undo pgb-tls --yes
ok "somebody changes a client by hand" by_hand
ok "then the pooler may not be forced: by the census or by the proof" contradicted
hand_back
ok "the hand's change is gone: it may" belay apply pgb-tls --yes
ok "all the way back in one go" belay undo --all --yes
ok "no operation failed there and back" failed_operations

# A fleet that is half-way, and a run that nobody remembers.
forget() {
	mkdir -p "$tmp/forgotten" && mv "$dir"/state/belay/*.journal "$tmp/forgotten/"
}

all_met() {
	belay apply --to pgb-both --yes >"$tmp/met" 2>&1 || { cat "$tmp/met"; return 1; }
	grep -c 'was found in place: nothing was changed' "$tmp/met" | grep -qx 4 &&
		[ "$("$lab" restarts "$dir" | md5sum)" = "$restarts" ]
}

ok "half-way" belay apply --to pgb-both --yes
ok "its journal is lost" forget
restarts=$("$lab" restarts "$dir" | md5sum)
ok "the steps in place are met: nothing is written, nothing restarted" all_met
ok "they are no undo's: there is no before-image" fails 1 'no before-image of it' belay undo pg-both --yes
ok "it goes on from there" belay apply flip-api-pg --yes
ok "and back to there" belay undo --all --yes
ok "its journal is lost once more" forget
mv "$dir"/state/belay/ca-lab-internal "$tmp/forgotten/"
ok "and its CA: another one is not put over what clients verify by" \
	fails '[13]' 'proof: ' belay apply --to pg-both --yes
"$lab" down "$dir"

# One unit, several steps: taken back in one go it restarts once.
ok "a lab that restarts" up restarts || finish
ok "four steps there" belay apply --to pgb-both --yes
before=$("$lab" restarts "$dir" | awk '$1 == "postgres" { print $2 }')
ok "and back in one go" belay undo --all --yes
after=$("$lab" restarts "$dir" | awk '$1 == "postgres" { print $2 }')
ok "restarts of postgres: $before there, $((after - before)) back" [ $((after - before)) -eq 1 ]
ok "no operation that a client's own retrying does not carry over failed" failed_operations
ok "status agrees with the servers after it all" agreement
finish
