#!/bin/sh
# time limit: 300
# Somebody else writes to the files that belay has written to: beside our lines,
# where all of it is kept; and in our lines, where nothing is undone until somebody
# says by name that what is there now shall stay.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

short_plan() {
	fleet=$dir/fleet-reload.yaml
	plan=$dir/short.yaml
	cat >"$plan" <<-END
	belay: plan/1
	name: short
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs, certs: { internal: install } }
	  - { id: redis-both, accept: { redis: both } }
	  - { id: flip-web, trust: { "web -> redis": internal }, dial: { "web -> redis": verify-full } }
	  - { id: flip-api, trust: { "api -> redis": internal }, dial: { "api -> redis": verify-full } }
	END
	api=$dir/hosts/api/srv/voiceai/.env
	web=$dir/hosts/web/srv/voiceai/.env
	db=$dir/hosts/db/srv/voiceai/.env
}

# deploy FILE: what a deploy does to lines that are not ours
deploy() {
	sed -i -e '1i# deployed' -e 's/^DATABASE_POOL_SIZE=.*/DATABASE_POOL_SIZE=9/' "$1" &&
		echo 'FEATURE_FLAG=on' >>"$1"
}

deployed() {
	grep -qx '# deployed' "$1" && grep -qx 'FEATURE_FLAG=on' "$1"
}

undeploy() {
	sed -i -e '/^# deployed$/d' -e '/^FEATURE_FLAG=on$/d' "$1"
}

value() {
	sed -n "s/^$2=//p" "$1"
}

by_hand() {
	sed -i 's#^REDIS_TLS_CA_FILE=.*#REDIS_TLS_CA_FILE=/etc/ssl/theirs.pem#' "$api" && cp "$api" "$tmp/theirs"
}

untouched() {
	cmp "$api" "$tmp/theirs"
}

three_ways() {
	fails 3 "is now    '/etc/ssl/theirs.pem'" belay undo --yes && untouched &&
		grep -q "was       not set" "$tmp/failed" &&
		grep -q "we wrote  '/srv/voiceai/run/tls/ca.crt'" "$tmp/failed"
}

kept() {
	belay undo --yes --keep api-1:/srv/voiceai/.env --reason 'their bundle from now on' || return 1
	[ "$(value "$api" REDIS_TLS_CA_FILE)" = /etc/ssl/theirs.pem ] || { echo "theirs is gone"; return 1; }
	[ "$(value "$api" REDIS_TLS_ENABLED)" = "$before" ] || { echo "ours is still there"; return 1; }
	deployed "$api"
}

in_history() {
	belay history | grep -q 'api-1:/srv/voiceai/.env: their bundle from now on' &&
		belay history | grep -q 'left as somebody else set it: REDIS_TLS_CA_FILE'
}

# The variable that somebody set goes before what was before can be compared.
cleaned() {
	sed -i '/^REDIS_TLS_CA_FILE=/d' "$api"
	undeploy "$api"
	undeploy "$web"
	undeploy "$db"
	tree >"$tmp/tree.end"
	diff "$tmp/tree.before" "$tmp/tree.end"
}

says_since() {
	fails 2 "somebody else has written there since step 'certs' did" belay diff && belay diff --json >"$tmp/diff.json"
	jq -e '[.operations[] | select(.written_since == "certs")] | length == 1' "$tmp/diff.json"
}

# What the hosts say may come too late for one preview.
takes_up() {
	belay diff >"$tmp/diff" 2>&1
	[ $? -eq 2 ] && grep -q 'takes up what is not of this step: api -> pgbouncer: its files say' "$tmp/diff" || return 1
	belay diff --json >"$tmp/diff.json"
	jq -e '.operations[] | select(.kind == "activate") | .activation.kind == "restart" and
		(.activation.takes_up | length == 1) and .activation.sessions > 0 and .activation.all_counted' "$tmp/diff.json"
}

says_takes_up() {
	cp -p "$api" "$tmp/api.env"
	echo DATABASE_SSL_MODE=require >>"$api"
	until_ 60 takes_up
	rc=$?
	cp -p "$tmp/api.env" "$api"
	[ $rc -eq 0 ] || cat "$tmp/diff" "$tmp/diff.json"
	return $rc
}

ok "the lab is up" up drift --reload || finish
short_plan
echo 'DATABASE_POOL_SIZE=5' >>"$api"
sed -i '/^DATABASE_POOL_SIZE=/d' "$api"
before=$(value "$api" REDIS_TLS_ENABLED)
tree >"$tmp/tree.before"
ok "a step" belay apply certs --yes
ok "a deploy changes other lines of the file" deploy "$db"
ok "the preview says that somebody else has written there" says_since
ok "two more steps" belay apply --to flip-web --yes
ok "somebody writes what runs not yet: the next restart's preview says that it takes it up" says_takes_up
ok "a deploy between two of them" deploy "$web"
ok "and one to what the next one writes" deploy "$api"
ok "the next one goes on with that" belay apply --yes
ok "somebody sets our variable to something else" by_hand
ok "the undo says what was, what we wrote and what is there, and touches nothing" three_ways
ok "so it does when it is asked again" three_ways
ok "to keep what is there needs a reason" fails 1 'only with a reason' \
	belay undo --yes --keep api-1:/srv/voiceai/.env
ok "and the name of the file" fails 1 "has written no 'api-1:/srv/voiceai/env'" \
	belay undo --yes --keep api-1:/srv/voiceai/env --reason typo
ok "and that the undo is stuck at it" fails 1 "no undo is stuck\|has written no" \
	belay undo --yes --keep web-1:/srv/voiceai/.env --reason early
ok "nothing was touched by that" untouched
ok "by name it is kept, and the rest of ours goes back" kept
ok "the journal says who kept what, and why" in_history
ok "all the way back" belay undo --all --yes
ok "the deploys are still there" deployed "$web"
ok "and but for them every file is as at the start" cleaned

# ---- a whole file, on this machine ------------------------------------------

small=$tmp/small
alone() {
	(XDG_STATE_HOME=$small/xdg HOME=$small && export XDG_STATE_HOME HOME &&
		"$BELAY" -f "$small/fleet.yaml" -p "$small/plan.yaml" "$@")
}

whole_file() {
	mkdir -p "$small/etc" && echo 'as it was' >"$small/etc/tls.conf" && chmod 640 "$small/etc/tls.conf"
	cat >"$small/fleet.yaml" <<-END
	belay: fleet/1
	environment: lab
	units: { cache: { host: local, kind: reload, run: "true" } }
	endpoints:
	  cache:
	    kind: redis
	    unit: cache
	    listen: { plain: 1, tls: 2 }
	    names: [localhost]
	    cannot-see: { served: "nothing listens here" }
	    accept:
	      plain: { file: { path: $small/etc/tls.conf, content: "plain" } }
	      both: { file: { path: $small/etc/tls.conf, content: "both", mode: "0600" } }
	END
	cat >"$small/plan.yaml" <<-END
	belay: plan/1
	name: small
	from: { accept: plain }
	steps:
	  - { id: both, accept: { cache: both } }
	END
	fails 1 'faulted' alone apply --yes && [ "$(cat "$small/etc/tls.conf")" = both ]
}

whole_stuck() {
	printf 'theirs\n' >"$small/etc/tls.conf" && chmod 644 "$small/etc/tls.conf"
	fails 3 'from what we wrote to what is there' alone undo --yes &&
		grep -q '^ *| *+theirs' "$tmp/failed" && grep -q '^ *| *+as it was' "$tmp/failed" &&
		[ "$(cat "$small/etc/tls.conf")" = theirs ]
}

whole_kept() {
	alone undo --yes --keep "local:$small/etc/tls.conf" --reason 'theirs is right' &&
		[ "$(cat "$small/etc/tls.conf")" = theirs ] && [ "$(stat -c %a "$small/etc/tls.conf")" = 644 ]
}

ok "a whole file is written" whole_file
ok "somebody writes another one: both changes are shown, nothing is undone" whole_stuck
ok "by name theirs is kept, with its mode" whole_kept
finish
