#!/bin/sh
# time limit: 900
# A client on several hosts, of which three of the lab's services are the parts:
# moved on one host after the other; stopped by real failures on the second,
# whereupon it is said which hosts stand where; taken back; moved on two at a
# time; and taken back by itself where the plan says so.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# The lab's fleet with web, voice and ops as the hosts of one client, `app`.
several() {
	awk '
		/^  "\$\(svc\)": \{ for: \{ svc: \[api, web, voice, ops, telpro\] \}, host:/ {
			one = two = $0
			sub(/\[api, web, voice, ops, telpro\]/, "[api, telpro]", one)
			sub(/\[api, web, voice, ops, telpro\]/, "[web, voice, ops]", two)
			sub(/restarts: \["\$\(svc\)"\]/, "restarts: [app]", two)
			gsub(/svc/, "part", two)
			print one; print two
			next
		}
		/^clients:/ { clients = 1 }
		clients && /^  "\$\(svc\)":/ { block = 1 }
		block && /^  telpro:/ {
			printf "%s", kept
			gsub(/"\$\(svc\)":\n    for: [^\n]*\n    unit: [^\n]*\n/, "app:\n    unit: [web, voice, ops]\n", kept)
			gsub(/ *match: [^\n]*\n/, "", kept)
			gsub(/\$\(svc\)/, "$(unit)", kept)
			printf "%s", kept
			block = 0
		}
		block { sub(/\[api, web, voice, ops\]/, "[api]"); kept = kept $0 "\n"; next }
		{ print }
	' "$fleet" >"$dir/several.yaml"
	fleet=$dir/several.yaml
	cat >"$plan" <<-'END'
	belay: plan/1
	name: several
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs,     certs: { internal: install } }
	  - { id: pg-both,   accept: { postgres: both } }
	  - { id: leg2,      trust: { "pgbouncer -> postgres": internal }, dial: { "pgbouncer -> postgres": verify-ca } }
	  - { id: pgb-both,  accept: { pgbouncer: both } }
	  - id: flip-app
	    trust: { "app -> pgbouncer": internal }
	    dial:  { "app -> pgbouncer": verify-full }
	  - { id: flip-api,  trust: { "api -> pgbouncer": internal }, dial: { "api -> pgbouncer": verify-full } }
	  - { id: pgb-tls,   accept: { pgbouncer: tls } }
	  - { id: redis-both, accept: { redis: both } }
	  - id: flip-redis
	    batch: 2
	    on-fault: undo
	    soak: 2s
	    trust: { "app -> redis": internal }
	    dial:  { "app -> redis": verify-full }
	    gate:  [ { command: { on: app, run: "test ! -e /srv/home/breach" } } ]
	END
	addresses >/dev/null
	sed -i -e 's/ web$/ app@web-1/' -e 's/ voice$/ app@voice-1/' -e 's/ ops$/ app@ops-1/' "$dir/addresses"
}

on() {
	h=$1
	shift
	"$lab" host "$dir" "$h" -- sh -c "$*"
}

says() {			# says TEXT COMMAND …: it succeeds, and says that
	text=$1
	shift
	fails 0 "$text" "$@"
}

phases() {			# phases ID=PHASE …
	for want; do
		got=$(phase_of "${want%%=*}")
		[ "$got" = "${want#*=}" ] || { echo "${want%%=*} is $got, expected ${want#*=}"; return 1; }
	done
}

expanded() {
	belay check --expanded >"$tmp/expanded" || { cat "$tmp/expanded"; return 1; }
	grep -q '"flip-app@web-1"' "$tmp/expanded" && grep -q '"flip-redis@web-1..voice-1"' "$tmp/expanded" &&
		grep -q '"flip-redis@ops-1"' "$tmp/expanded" || { cat "$tmp/expanded"; return 1; }
	belay -p "$tmp/expanded" check --expanded | diff "$tmp/expanded" -
}

sed_update() {			# sed_update HOST: its update.sh, as it came, behind what is read
	{ echo '#!/bin/sh'; cat; cat "$tmp/update.sh"; } >"$tmp/new.sh"
	cat "$tmp/new.sh" >"$dir/hosts/$1/srv/voiceai/update.sh"
}

update_as_ever() {
	cat "$tmp/update.sh" >"$dir/hosts/$1/srv/voiceai/update.sh"
}

# ---- one host after the other ------------------------------------------------

read_only_env() {
	on voice 'cd /srv/voiceai && mount --bind .env .env && mount -o remount,ro,bind .env' || return 1
	fails 1 'flip-app: 1 of 3 hosts done (web-1); voice-1 faulted: .*cannot be written.*; ops-1 untouched' \
		belay apply flip-app --all --yes
	rc=$?
	on voice 'umount /srv/voiceai/.env'
	return $rc
}

printed() {
	belay undo flip-app --print >"$tmp/script" && grep -q "web-1" "$tmp/script" &&
		! grep -q -e voice-1 -e ops-1 "$tmp/script"
}

# The service is not restarted, and goes on as it was.
update_fails() {
	echo 'echo "no luck today"; exit 7' | sed_update voice
	fails 1 'flip-app: 1 of 3 hosts done (web-1); voice-1 faulted: .*status 7.*; ops-1 untouched' \
		belay apply flip-app --all --yes && grep -q '| no luck today' "$tmp/failed"
	rc=$?
	update_as_ever voice
	return $rc
}

# Of every step: what the hosts' records say is what the journal said.
adopted() {
	belay status --json | jq -r '.steps[] | "\(.id) \(.phase)"' >"$tmp/phases.ours"
	as_kim adopt >"$tmp/adopted" || { cat "$tmp/adopted"; return 1; }
	cat "$tmp/adopted"
	grep -q '^adopted: 6 steps of a run begun by ' "$tmp/adopted" || return 1
	as_kim status --json | jq -r '.steps[] | "\(.id) \(.phase)"' | diff "$tmp/phases.ours" -
}

# Who began it has lost the journal, and takes up what the other has left.
adopted_back() {
	rm -f "$dir"/state/belay/*.journal
	belay adopt && phases flip-app@web-1="done" flip-app@voice-1=restored flip-app@ops-1=todo
}

ok "the lab is up" up batch --reload || finish
if ! grep -q '^mode=ns' "$dir/lab.conf"; then
	echo "1..$n # the rest needs namespaces: without, sessions cannot be told apart by host"
	exit 0
fi
fleet=$dir/fleet-reload.yaml
several
cp -p "$dir/hosts/voice/srv/voiceai/update.sh" "$tmp/update.sh"
tree >"$tmp/tree.first"
ok "the fleet is proven with one client on three hosts" belay check
ok "expanded it is a step for each batch, and reads back to the same" expanded
ok "the steps before" belay apply --to pgb-both --yes || finish
ok "status agrees with the servers, host by host" agreement
tree >"$tmp/tree.start"
ok "what the first host's restart cuts are that host's sessions, not those of all" \
	fails 2 'restarts web: app; cuts [0-9] session' belay diff flip-app
ok "one step is one host, and the others are said to be untouched" \
	says 'flip-app: 1 of 3 hosts done (web-1); voice-1, ops-1 untouched' belay apply flip-app --yes
ok "so it is" phases flip-app@web-1="done" flip-app@voice-1=todo flip-app@ops-1=todo
ok "one host flipped and the others not: status agrees with the servers" agreement
ok "the way back as a script is of that host, and no other" printed
ok "the second host's file cannot be written: it stops, and says which host stands where" read_only_env
ok "the third was not begun" phases flip-app@web-1="done" flip-app@voice-1=faulted flip-app@ops-1=todo
ok "what came after it may not be applied" fails 1 "step 'flip-app@voice-1' is faulted" belay apply flip-api --yes
ok "undo takes the last one back" \
	says 'flip-app: 1 of 3 hosts done (web-1); voice-1 undone; ops-1 untouched' belay undo flip-app --yes
ok "and again the one before" \
	says 'flip-app: 0 of 3 hosts done; web-1, voice-1 undone; ops-1 untouched' belay undo flip-app --yes
ok "every file is as it was" same_tree
ok "and there is nothing more of it to undo" fails 1 'nothing to undo' belay undo flip-app --yes
ok "status agrees with the servers" agreement
ok "the second host's restart fails: it stops, and says which host stands where" update_fails
ok "once it works it is taken up again by its name, and stops behind it" \
	says 'flip-app: 2 of 3 hosts done (web-1, voice-1); ops-1 untouched' belay apply flip-app --yes
ok "with one host to come it is adopted from another account, host by host as it stands" adopted
ok "who takes the last one back" \
	says 'flip-app: 1 of 3 hosts done (web-1); voice-1 undone; ops-1 untouched' as_kim undo flip-app --yes
ok "and from whom it is adopted again" adopted_back
ok "all that was done of it is undone in one go" \
	says 'flip-app: 0 of 3 hosts done; web-1, voice-1 undone; ops-1 untouched' belay undo flip-app --all --yes
ok "every file is as it was" same_tree
ok "all of it is applied in one go" says 'flip-app: 3 of 3 hosts done (web-1, voice-1, ops-1)' \
	belay apply flip-app --all --yes
ok "and is in place then" says "step 'flip-app' is in place already" belay apply flip-app --yes
ok "its gates hold on each host" belay verify flip-app
ok "the pooler is forced, with all of them on tls" belay apply --to pgb-tls --yes
ok "one host may not go back now: who would be stranded is named" \
	fails 1 'strand app@ops-1 -> pgbouncer' belay undo flip-app --yes
ok "status agrees with the servers" agreement
ok "no operation failed" failed_operations

# ---- by itself ---------------------------------------------------------------

# It fails with the new settings only: with the old ones it is as ever.
fails_forward() {
	echo 'if grep -q ^REDIS_TLS_ENABLED=true .env; then echo "no luck today"; exit 7; fi' | sed_update voice
	fails 4 'flip-redis: 0 of 3 hosts done; web-1, voice-1 undone by itself: .*status 7.*; ops-1 untouched' \
		belay apply flip-redis --all --yes && grep -q 'on a fault: undone by itself' "$tmp/failed" &&
		grep -q '| no luck today' "$tmp/failed"
}

said_why() {
	belay history | grep 'undo .*by itself: .*status 7' && belay status | grep 'restored .*undone by itself: .*status 7'
}

# Two hosts are done and soak; on one of them the gate holds no longer.
breached() {
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$dir/long.yaml" apply flip-redis --all --yes >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	until_ 60 grep -q ': soaking' "$tmp/out" || { cat "$tmp/out"; kill "$pid"; return 1; }
	on web 'touch /srv/home/breach'
	rc=0
	wait "$pid" || rc=$?
	on web 'rm /srv/home/breach'
	cat "$tmp/out"
	[ "$rc" -eq 4 ] && grep -q 'undone by itself: gate: ' "$tmp/out"
}

stays() {
	echo 'echo "no luck today"; exit 7' | sed_update voice
	fails 3 'its undo is stuck' belay apply flip-redis --yes
	rc=$?
	update_as_ever voice
	[ $rc -eq 0 ] && phases flip-redis@web-1..voice-1=stuck && belay undo --yes
}

ok "redis takes both" belay apply --to redis-both --yes || finish
tree >"$tmp/tree.start"
ok "two at a time, the second fails: both are taken back by itself, and it is said why" fails_forward
update_as_ever voice
ok "the journal and status say so, too" said_why
ok "the batch behind it was not begun" phases flip-redis@web-1..voice-1=restored flip-redis@ops-1=todo
ok "every file is as it was" same_tree
ok "an undo by itself that cannot finish waits for a person" stays
ok "every file is as it was" same_tree
sed 's/soak: 2s/soak: 1h/' "$plan" >"$dir/long.yaml"
ok "a gate that is breached while it soaks: taken back by itself" breached
ok "every file is as it was" same_tree
ok "status agrees with the servers" agreement
ok "at last all of it" says 'flip-redis: 3 of 3 hosts done (web-1, voice-1, ops-1)' belay apply flip-redis --all --yes
ok "status agrees with the servers" agreement
ok "all the way back" belay undo --all --yes
mv "$tmp/tree.first" "$tmp/tree.start"
ok "every file is as at the start: content, mode, owner" same_tree
ok "no operation failed there and back" failed_operations
finish
