# Sourced by the faults: three steps on a lab, a belay in the background, and what is so then.
. "$here/lib.sh"

step=flip-api-redis

# short_plan DEADLINE: three steps, and services that may take so long to restart
short_plan() {
	sed "/\"\$(svc)\"/s/deadline: 60s/deadline: $1/" "$dir/fleet-reload.yaml" >"$dir/fast.yaml"
	fleet=$dir/fast.yaml
	plan=$dir/short.yaml
	cat >"$plan" <<-END
	belay: plan/1
	name: short
	from: { accept: plain, dial: disable }
	steps:
	  - { id: certs, certs: { internal: install } }
	  - { id: redis-both, accept: { redis: both } }
	  - { id: $step, trust: { "api -> redis": internal }, dial: { "api -> redis": verify-full } }
	END
	api=$dir/hosts/api/srv/voiceai
	cp -p "$api/update.sh" "$tmp/update.sh"
}

# The program that restarts api's service, as it came, late, or another one; never another inode.
update_as_ever() {
	cat "$tmp/update.sh" >"$api/update.sh"
}

update_takes() {
	rm -f "$tmp/begun"
	{ printf '#!/bin/sh\n: >%s\nsleep %s\n' "$tmp/begun" "$1"; cat "$tmp/update.sh"; } >"$tmp/slow.sh"
	cat "$tmp/slow.sh" >"$api/update.sh"
}

# Until it is told to go on.
update_waits() {
	rm -f "$tmp/begun" "$tmp/goes-on"
	{ printf '#!/bin/sh\n: >%s\nwhile [ ! -e %s ]; do sleep 0.1; done\n' "$tmp/begun" "$tmp/goes-on"; cat "$tmp/update.sh"; } >"$tmp/slow.sh"
	cat "$tmp/slow.sh" >"$api/update.sh"
}

update_goes_on() {
	: >"$tmp/goes-on"
}

update_begun() {
	[ -e "$tmp/begun" ]
}

update_is() {
	printf '#!/bin/sh\n%s\n' "$1" >"$api/update.sh"
}

workers() {
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" != "$pid" ] || echo "$p"
	done
}

has_workers() {
	[ -n "$(workers)" ]
}

to_workers() {
	for p in $(workers); do
		kill -"$1" "$p"
	done
}

# ---- what is so -------------------------------------------------------------

phase_is() {
	phase=$(phase_of "$step")
	[ "$phase" = "$1" ] || { echo "the phase is $phase, not $1"; return 1; }
}

same_tree() {
	tree >"$tmp/tree.end"
	diff "$tmp/tree.before" "$tmp/tree.end"
}

restarts() {
	cat "$api/run/restarts/api"
}

apply_it() {
	belay apply "$step" --yes && phase_is "done"
}

undo_it() {
	update_as_ever
	belay undo "$step" --yes && phase_is restored && same_tree
}

undone() {
	update_as_ever
	phase_is restored && same_tree
}

skipped() {
	n=$((n + 1))
	echo "ok $n - $1 # SKIP $2"
}

# lab_is_up DEADLINE: up to the step that goes wrong
lab_is_up() {
	up faults --reload && short_plan "$1" && belay apply --to redis-both --yes && tree >"$tmp/tree.before"
}

# ---- what is left ------------------------------------------------------------------

no_secrets() {
	belay history --json >>"$tmp/all"
	belay diff "$step" --json >>"$tmp/all"
	belay status --json >>"$tmp/all"
	grep -h '^REDIS_PASSWORD=' "$dir/hosts/db/srv/voiceai/.env" | cut -d= -f2- >"$tmp/secrets"
	echo "$(cat "$dir/secrets/pg-probe")" >>"$tmp/secrets"
	echo "$(cat "$dir/secrets/ca-key")" >>"$tmp/secrets"
	key=$(grep -h '^INTERNAL_TLS_KEY_B64=' "$dir/hosts/db/srv/voiceai/.env" | cut -d= -f2- | tr -d '"')
	echo "$key" | cut -c61-120 >>"$tmp/secrets"
	echo "$key" | base64 -d | sed -n 2p >>"$tmp/secrets"
	[ "$(grep -c ................ "$tmp/secrets")" -eq 5 ] || { echo "not five secrets"; return 1; }
	! grep -r -l -a -F -f "$tmp/secrets" "$dir/state" "$tmp/all"
}

nothing_runs() {
	! "$lab" list "$dir" | grep -e 'tail -c' -e 'sleep 300' -e '--worker'
}
