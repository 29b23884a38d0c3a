#!/bin/sh
# time limit: 300
# What can go wrong while a step is applied or taken back, one thing after the
# other: workers that die or hang, hosts that fall silent, commands that fail, hang or
# shout, files that others changed, full disks, two belays at once, an
# impatient person.  After each, what belay says is true and the way back is open.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

step=flip-api-redis

# Three steps, and services that may take six seconds to restart.
short_plan() {
	sed '/"$(svc)"/s/deadline: 60s/deadline: 6s/' "$dir/fleet-reload.yaml" >"$dir/fast.yaml"
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

update_begun() {
	[ -e "$tmp/begun" ]
}

update_is() {
	printf '#!/bin/sh\n%s\n' "$1" >"$api/update.sh"
}

# ---- a belay in the background ----------------------------------------------

go() {
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$plan" "$@" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
}

said() {
	grep -q -e "$1" "$tmp/out"
}

gone() {
	[ ! -d "/proc/$pid" ] || grep -q ') Z ' "/proc/$pid/stat" 2>/dev/null
}

# comes_to CODE [TEXT]: it ends within a minute, with that code, and has said that
comes_to() {
	until_ 60 gone || { echo "it hangs"; kill -9 "$pid"; }
	rc=0
	wait "$pid" 2>/dev/null || rc=$?
	cat "$tmp/out"
	cat "$tmp/out" >>"$tmp/all"
	[ "$rc" -eq "$1" ] || { echo "exit $rc, expected $1"; return 1; }
	[ $# -lt 2 ] || said "$2" || { echo "does not say: $2"; return 1; }
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

ok "the lab is up" up faults --reload || finish
short_plan
ok "the steps before" belay apply --to redis-both --yes || finish
tree >"$tmp/tree.before"

# ---- workers ------------------------------------------------------------------

worker_killed() {
	update_takes 2
	before=$(restarts)
	go "$1" "$step" --yes
	until_ 20 update_begun || return 1
	to_workers KILL
	comes_to 0 "$2" && [ $(($(restarts) - before)) -eq 1 ]
}

worker_stopped() {
	update_takes 2
	go apply "$step" --yes
	until_ 20 update_begun || return 1
	to_workers STOP
	comes_to 0 ': done'
}

worker_killed_at_preview() {
	"$lab" stop-sshd "$dir" api
	go apply "$step" --yes
	until_ 10 has_workers && sleep 1	# it is looking at a host that does not answer
	to_workers KILL
	comes_to 1 'was not begun'
	rc=$?
	"$lab" cont-sshd "$dir" api
	return $rc
}

ok "apply: its workers are killed: the host's record ends the doubt" worker_killed apply ': doubt: '
ok "which is done once" phase_is "done"
ok "undo: its workers are killed: it goes on" worker_killed undo ': restored'
ok "and every file is as before" undone
ok "apply: its workers hang: they are replaced, and the doubt ends" worker_stopped
ok "and back" undo_it
ok "preview: its workers are killed: nothing is begun" worker_killed_at_preview

# ---- hosts ----------------------------------------------------------------------

silent_in_apply() {
	update_takes 2
	go apply "$step" --yes
	until_ 20 update_begun || return 1
	"$lab" stop-sshd "$dir" api
	until_ 20 said "doubt: .*host 'api-1': no answer" || { cat "$tmp/out"; return 1; }
	belay status >"$tmp/status"
	"$lab" cont-sshd "$dir" api
	comes_to 0 ': done'
}

silent_status() {
	cat "$tmp/status"
	grep -q '^host api-1: ' "$tmp/status" && grep -q 'api -> redis .*unknown' "$tmp/status" &&
		! grep -q 'web -> redis .*unknown' "$tmp/status"
}

# The first step touches every host; one of them is silent.
silent_in_undo() {
	update_as_ever
	"$lab" stop-sshd "$dir" telpro
	go undo --all --yes
	comes_to 3 "host 'telpro-1': no answer"
	rc=$?
	"$lab" cont-sshd "$dir" telpro
	[ "$rc" -eq 0 ] && [ "$(grep -l INTERNAL_CA "$dir"/hosts/*/srv/voiceai/.env)" = \
		"$dir/hosts/telpro/srv/voiceai/.env" ]
}

finished_later() {
	belay undo --yes && ! grep -q INTERNAL_CA "$dir/hosts/telpro/srv/voiceai/.env"
}

ok "apply: the host falls silent: in doubt until it answers again" silent_in_apply
ok "status meanwhile names it, and knows the others" silent_status
ok "undo: one host is silent: it is set aside by name, the others are restored" silent_in_undo
ok "and a later undo finishes it" finished_later
ok "the steps before, once more" belay apply --to redis-both --yes
tree >"$tmp/tree.before"

# ---- commands -------------------------------------------------------------------

command_fails() {
	update_is 'printf "\033[31mno\033[0m \033]0;x\007 luck\n"; exit 7'
	go "$1" "$step" --yes
	comes_to "$2" "host 'api-1': the command ended with status 7" && said '| .*no.* luck' &&
		! LC_ALL=C grep -q "$(printf '[\033\007]')" "$tmp/out"
}

command_shouts() {
	update_is 'yes 0123456789abcdef | head -c 10000000; exit 1'
	go apply "$step" --yes
	comes_to 1 'status 1' >/dev/null && [ "$(wc -c <"$tmp/out")" -lt 8000 ]
}

retried() {
	update_as_ever
	apply_it
}

# It is not waited for longer than said; nothing pretends that it has ended.
command_hangs() {
	update_is 'exec sleep 300'
	go apply "$step" --yes
	until_ 20 said 'doubt: .*no answer within 6 s' || { cat "$tmp/out"; return 1; }
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	go undo "$step" --yes
	comes_to 3 'still runs on the host (below process' || return 1
	runner=$(sed -n 's/.*(below process \([0-9]*\)).*/\1/p' "$tmp/out" | head -n 1)
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" != "$runner" ] || kill "$p"
	done
}

ok "apply: its command fails: what it printed is shown, and harmless" command_fails apply 1
ok "status says faulted" phase_is faulted
ok "undo: its command fails: stuck" command_fails undo 3
ok "and back, once it works" undo_it
ok "apply: its command prints 10 MB: the end is shown" command_shouts
ok "and is taken up again, once it works" retried
ok "and back" undo_it
ok "apply: its command hangs: in doubt, and an undo says that it still runs" command_hangs
ok "and back, once it was ended" undo_it

# ---- files ------------------------------------------------------------------------

others_change() {
	apply_it && cp -p "$api/.env" "$tmp/env" && sed -i 's/^LOG_LEVEL=.*/LOG_LEVEL=debug/' "$api/.env" &&
		echo OTHERS=1 >>"$api/.env" && belay undo "$step" --yes || return 1
	grep -q '^LOG_LEVEL=debug' "$api/.env" && grep -q '^OTHERS=1' "$api/.env" &&
		! grep -q '^REDIS_TLS_ENABLED' "$api/.env" || return 1
	sed -i -e 's/^LOG_LEVEL=.*/LOG_LEVEL=info/' -e '/^OTHERS=/d' "$api/.env" && same_tree
}

ours_changed() {
	apply_it && sed -i 's/^REDIS_TLS_ENABLED=.*/REDIS_TLS_ENABLED=maybe/' "$api/.env" || return 1
	fails 3 "is now    'maybe'" belay undo "$step" --yes && phase_is stuck &&
		grep -q '^REDIS_TLS_ENABLED=maybe' "$api/.env" || return 1
	sed -i 's/^REDIS_TLS_ENABLED=.*/REDIS_TLS_ENABLED=true/' "$api/.env" && undo_it
}

record_lost() {
	apply_it || return 1
	mv "$dir/hosts/api/srv/home/.local/state/belay" "$tmp/host-state"
	fails 3 'no record of this run' belay undo "$step" --yes || return 1
	rm -rf "$dir/hosts/api/srv/home/.local/state/belay"
	mv "$tmp/host-state" "$dir/hosts/api/srv/home/.local/state/belay"
	undo_it
}

on_api() {
	"$lab" host "$dir" api -- sh -c "$1"
}

not_writable() {
	on_api 'cd /srv/voiceai && mount --bind .env .env && mount -o remount,ro,bind .env' || return 1
	fails 1 'cannot be written' belay apply "$step" --yes
	rc=$?
	on_api 'umount /srv/voiceai/.env'
	[ $rc -eq 0 ] && undo_it
}

no_room() {
	on_api 's=/srv/home/.local/state/belay; mount -t tmpfs -o size=16k,mode=700 tmpfs $s &&
		! cat /dev/zero 2>/dev/null >$s/fill' || return 1
	fails 1 'no room' belay apply "$step" --yes && same_tree && ! phase_is applying
	rc=$?
	on_api 'umount /srv/home/.local/state/belay'
	return $rc
}

ok "others' edits between apply and undo are kept" others_change
ok "ours, changed by somebody, are not overwritten: both versions are shown" ours_changed
ok "an undo whose record is gone claims nothing" record_lost
if grep -q '^mode=ns' "$dir/lab.conf"; then
	ok "a file that cannot be written: nothing is half done" not_writable
	ok "a host without room for its records: nothing is touched" no_room
else
	skipped "a file that cannot be written: nothing is half done" "no namespaces"
	skipped "a host without room for its records: nothing is touched" "no namespaces"
fi

# ---- the journal ----------------------------------------------------------------

# No file may grow beyond 4 KiB: the journal is larger.
cramped() {
	(ulimit -f 8; belay "$@")
}

journal_full() {
	fails 1 'the journal cannot be written, so nothing more is done' cramped apply "$step" --yes &&
		same_tree && belay history >/dev/null
}

journal_full_at_undo() {
	apply_it && fails 3 'the journal cannot be written' cramped undo "$step" --yes && undo_it
}

state_read_only() {
	"$lab" exec "$dir" -- sh -c 'mount --bind "$XDG_STATE_HOME" "$XDG_STATE_HOME" &&
		mount -o remount,ro,bind "$XDG_STATE_HOME"' || return 1
	fails 1 'Read-only file system' belay apply "$step" --yes &&
		fails 0 'restored .*flip-api-redis' belay status && belay history >/dev/null
	rc=$?
	"$lab" exec "$dir" -- sh -c 'umount "$XDG_STATE_HOME"'
	return $rc
}

two_at_once() {
	update_takes 2
	go apply "$step" --yes
	until_ 20 update_begun || return 1
	sed 's/^name: .*/name: another/' "$plan" >"$dir/another.yaml"
	fails 6 "pid $pid, .*step $step" belay apply "$step" --yes &&
		fails 6 "pid $pid" belay undo --yes &&
		fails 6 "pid $pid" belay -p "$dir/another.yaml" apply --yes &&
		phase_is applying
	rc=$?
	kill -9 "$pid"
	wait "$pid" 2>/dev/null
	return $rc
}

no_holder() {
	belay status --json >"$tmp/status.json"
	jq -e '.lock_holder == null and ([.steps[].phase] | all(. != "applying"))' "$tmp/status.json"
}

another_plan() {
	sed "s/id: $step/id: flip-api/" "$plan" >"$dir/renamed.yaml"
	fails 1 "step '$step' was applied in this run" belay -p "$dir/renamed.yaml" apply --yes
}

ok "a journal that cannot grow: nothing is begun" journal_full
ok "nor taken back, until it can" journal_full_at_undo
if grep -q '^mode=ns' "$dir/lab.conf"; then
	ok "a state directory that is read-only: status and history answer" state_read_only
else
	skipped "a state directory that is read-only: status and history answer" "no namespaces"
fi
ok "a second belay is told who holds the lock" two_at_once
ok "the holder is killed: nobody holds it any more" no_holder
ok "a plan that lacks the step may not go on" another_plan
ok "and back" undo_it

# ---- a person ---------------------------------------------------------------------

# On a terminal: it runs, until `ends CODE`; `keys` are typed when `shows` has seen what they answer.
at_terminal() {
	cat >"$tmp/typed.sh" <<-END
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$plan" $*
	echo "exit \$?"
	END
	rm -f "$tmp/keys"
	mkfifo "$tmp/keys"
	: >"$tmp/screen"
	script -qec "sh $tmp/typed.sh" /dev/null <"$tmp/keys" >"$tmp/screen" 2>&1 &
	terminal=$!
	exec 3>"$tmp/keys"
}

on_screen() {
	grep -q -e "$1" "$tmp/screen"
}

shows() {
	until_ 60 on_screen "$1" && return
	echo "does not show: $1"
	cat "$tmp/screen"
	return 1
}

keys() {
	printf "$1" >&3
}

ends() {
	shows 'exit [0-9]'
	exec 3>&-
	wait "$terminal"
	tr -d '\r' <"$tmp/screen" | tee -a "$tmp/all"
	on_screen "exit $1"
}

end_of_input() {
	at_terminal apply "$step"
	shows 'apply this step' && keys '\004'
	ends 2 && phase_is restored
}

parks() {
	update_takes 2
	at_terminal apply "$step"
	shows 'apply this step' && keys 'y\n' && until_ 20 update_begun && keys '\003'
	ends 0 && on_screen 'stopping where it is safe'
}

leaves() {
	update_takes 3
	at_terminal apply "$step"
	shows 'apply this step' && keys 'y\n' && until_ 20 update_begun && keys '\003' &&
		shows 'stopping where it is safe' && keys '\003'
	ends 5 && on_screen "left while step '$step' was applying; belay apply goes on"
}

drifted() {
	at_terminal apply "$step"
	shows 'apply this step' && echo REDIS_TLS_ENABLED=false >>"$api/.env" && keys 'y\n'
	ends 1 && on_screen 'is not what the preview saw' && grep -q '^REDIS_TLS_ENABLED=false' "$api/.env" || return 1
	sed -i '/^REDIS_TLS_ENABLED=false/d' "$api/.env" && undo_it
}

production() {
	sed 's/^environment:.*/environment: production/' "$fleet" >"$dir/production.yaml"
	fails 3 'say --yes=production' belay -f "$dir/production.yaml" apply --yes &&
		fails 3 'say --yes=production' belay -f "$dir/production.yaml" apply --yes=lab
}

if command -v script >/dev/null; then
	ok "the end of input at the question is a no" end_of_input
	ok "Ctrl-C once: it parks where it is safe" parks
	ok "and back" undo_it
	ok "Ctrl-C twice: it leaves, and says how to go on" leaves
	ok "and back" undo_it
	ok "a file changed while the question stands is left alone" drifted
else
	skipped "on a terminal" "there is no script(1)"
fi
ok "without a terminal and without --yes it needs a person" fails 3 'without a terminal say --yes' \
	belay apply "$step" </dev/null
ok "production needs its name" production

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

# How many descriptors the console and its workers have, after all of them were replaced once.
descriptors() {
	for p in "$pid" $(workers); do
		ls "/proc/$p/fd" || return 1
	done 2>/dev/null | wc -l
}

steady() {
	go status --watch
	until_ 20 said 'redis: serves' || return 1
	before=$(descriptors)
	to_workers KILL
	: >"$tmp/out"
	until_ 30 said 'redis: serves both, path proven' || { cat "$tmp/out"; return 1; }
	after=$(descriptors)
	kill -INT "$pid"
	comes_to 0 >/dev/null && echo "$before descriptors, then $after" && [ "$after" -le $((before + 2)) ]
}

nothing_runs() {
	! "$lab" list "$dir" | grep -e 'tail -c' -e 'sleep 300' -e '--worker'
}

ok "no secret is in the journal, in what was printed, or in the state directory" no_secrets
ok "replaced workers leave no descriptor open" steady
ok "nothing of it still runs on the hosts" until_ 15 nothing_runs
finish
