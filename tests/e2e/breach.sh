#!/bin/sh
# time limit: 240
# A canary through a step and its soak. Where clients come through it says how
# fast, and no more often than declared; where they fail, because the CA file that they
# read is made wrong in the middle of the soak, the step is taken back by itself, and how
# long they failed is said; where the server says nothing at all they hang, and are
# counted as that.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

link="api -> pgbouncer"
patience=90

canary_plan() {
	api=$dir/hosts/api/srv/voiceai
	bouncer=$dir/hosts/db/srv/voiceai/run
	# The logins at the pooler are counted; belay's own rehearsals of its links would be among them.
	sed '/^    kind: pgbouncer$/a\    cannot-see: { rehearsed: "its logins are counted" }' "$dir/fleet.yaml" >"$dir/canary.fleet.yaml"
	fleet=$dir/canary.fleet.yaml
	plan=$dir/canary.yaml
	cat >"$plan" <<-END
	belay: plan/1
	name: canary
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs, certs: { internal: install } }
	  - { id: pgb-both, accept: { pgbouncer: both }, soak: 4s, canary: { "$link": 500ms } }
	  - id: hangs
	    optional: yes
	    trust: { "$link": internal }
	    dial: { "$link": verify-full }
	    soak: 60s
	    canary: { "$link": { every: 500ms, hang: 2s, breach: 3s } }
	  - id: flip
	    trust: { "web -> pgbouncer": internal }
	    dial: { "web -> pgbouncer": verify-full }
	    soak: 60s
	    on-fault: undo
	    canary: { "web -> pgbouncer": { every: 500ms, breach: 3s } }
	END
	web=$dir/hosts/web/srv/voiceai
	tree | sort >"$tmp/tree.start"
}

# What the line of the canary in $tmp/out says, at its end.
line() {
	grep "canary $1: [0-9]* new connections" "$tmp/out" | tail -n 1
}

number() {			# number WORD: "12 WORD" of the line on stdin
	sed -n "s/.*[ :]\([0-9][0-9]*\) $1.*/\1/p"
}

ms_now() {
	date +%s%3N
}

# ---- all is well --------------------------------------------------------------

# Every login at the pooler as the probe, from api's host: its own side of the count.
logins_from_api() {
	[ -s "$dir/addresses" ] || addresses >/dev/null
	from=$(awk '$2 == "api" { print $1 }' "$dir/addresses")
	grep -c "pgbouncer/belay_probe@$from:[0-9]* login attempt" "$bouncer/log/pgbouncer.log"
}

is_well() {
	before=$(logins_from_api)
	began=$(ms_now)
	go apply pgb-both --yes
	comes_to 0 || return 1
	took=$(($(ms_now) - began))
	made=$(($(logins_from_api) - before))
	line "$link" | grep -q "^  well .*, 0 hung; p50 [0-9.]* m\?s, p99 [0-9.]* m\?s" || return 1
	line "$link" | grep -q "breach" && return 1
	# One every 500 ms, the held session anew, and no more.
	echo "$made logins in $took ms"
	[ "$made" -ge 4 ] && [ "$made" -le $((took / 500 + 4)) ]
}

in_the_journal() {
	belay history --json | jq -e --arg s "$1" --arg t "$2" \
		'[.entries[] | select(.kind == "canary" and .step == $s and (.text | test($t)))] | length > 0'
}

in_status() {
	belay status --json | jq -e --arg s "$1" --arg t "$2" '.steps[] | select(.id == $s).canaries[0] | test($t)'
}

# A gate that is run again makes connections again, and writes nothing.
verified() {
	noted=$(belay history --json | jq '[.entries[] | select(.kind == "canary")] | length')
	belay verify pgb-both --json >"$tmp/verify.json" || { cat "$tmp/verify.json"; return 1; }
	jq -e --arg l "$link" '.canaries[] | select(.link == $l) | .state == "well" and .ok > 0 and .p50_us > 0' "$tmp/verify.json" &&
		[ "$noted" -eq "$(belay history --json | jq '[.entries[] | select(.kind == "canary")] | length')" ]
}

# ---- the server says nothing ---------------------------------------------------

soaks() {
	said "step '$1': soaking"
}

pooler() {			# pooler STOP|CONT
	kill -"$1" "$(cat "$bouncer/pids/pgbouncer" | cut -d' ' -f1)"
}

hang_is_told() {
	go apply hangs --yes
	until_ 60 soaks hangs || { cat "$tmp/out"; return 1; }
	pooler STOP
	until_ 40 said "step 'hangs': faulted" || { pooler CONT; cat "$tmp/out"; return 1; }
	pooler CONT
	comes_to 1 || return 1
	said "step 'hangs': faulted: canary $link: no new connection came through" || return 1
	hung=$(line "$link" | number hung)
	failed=$(line "$link" | number failed)
	[ "$hung" -ge 2 ] && [ "$failed" -eq 0 ]
}

faulted_and_stays() {
	[ "$(phase_of hangs)" = faulted ] && in_the_journal hangs "breached: no new connection came through" &&
		belay undo hangs --yes && [ "$(phase_of hangs)" = restored ]
}

# ---- clients fail ---------------------------------------------------------------

# Another CA takes the place of the one that the client reads, in the file that it reads.
wrong_ca() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj /CN=another \
		-days 2 -out "$tmp/wrong.pem" 2>/dev/null
	cat "$tmp/wrong.pem" >"$web/run/tls/ca.crt"
}

taken_back() {
	go apply --to flip --yes --skip-optional
	until_ 60 soaks flip || { cat "$tmp/out"; return 1; }
	made_wrong=$(ms_now)
	wrong_ca
	until_ 60 said "step 'flip': undoing: canary web -> pgbouncer: no new connection" || { cat "$tmp/out"; return 1; }
	comes_to 4 || return 1
	ended=$(ms_now)
	said "faulted and was undone by itself: canary web -> pgbouncer: no new connection came through .*certificate verify failed"
}

# From the first that failed to the first that came through: longer than what makes a breach, and
# shorter than from the moment at which the file was made wrong to the end of it all.
length_is_told() {
	line "web -> pgbouncer" >"$tmp/line"
	cat "$tmp/line"
	said=$(sed -n 's/.*clients failed for \([0-9.]*\) s .*/\1/p' "$tmp/line")
	echo "$said s, of at most $((ended - made_wrong)) ms"
	awk -v s="$said" -v max=$((ended - made_wrong)) 'BEGIN { exit !(s * 1000 >= 3000 && s * 1000 <= max) }' &&
		grep -q "^  breached .* failed, 0 hung; .*certificate verify failed" "$tmp/line"
}

all_as_before() {
	diff "$tmp/env.web" "$web/.env" && [ "$(phase_of flip)" = restored ] &&
		in_the_journal flip "clients failed for [0-9.]+ s .*certificate verify failed" &&
		in_status flip "clients failed for"
}

# ---- ------------------------------------------------------------------------------

ok "a lab comes up" up lab || finish
canary_plan
ok "its certificates are made" belay apply certs --yes || finish
ok "clients come through a step: how fast, and never more often than declared" is_well
ok "the journal has what was seen" in_the_journal pgb-both "new connections: [0-9]+ ok.*p50.*p99"
ok "and status what the journal has" in_status pgb-both "p99"
ok "a gate run again makes connections again, and writes nothing" verified
ok "a server that says nothing: each is counted as a hang, and the step faults" hang_is_told
ok "it stays so, since nothing else was said, and is taken back by hand" faulted_and_stays
cp "$web/.env" "$tmp/env.web"
ok "a CA file made wrong in the middle of the soak: taken back by itself" taken_back
ok "how long clients failed is said, and is true" length_is_told
ok "all is as before, and the journal tells of it" all_as_before
finish
