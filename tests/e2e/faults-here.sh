#!/bin/sh
# time limit: 300
# What can go wrong with files and at the bastion while a step is applied or taken back,
# one thing after the other: files that others changed, full disks, two belays at once,
# an impatient person. After each, what belay says is true and the way back is open.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/faultlib.sh"

ok "the lab is up, and the steps before are done" lab_is_up 60s || finish

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
	update_waits
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
	update_goes_on
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
	update_waits
	at_terminal apply "$step"
	shows 'apply this step' && keys 'y\n' && until_ 20 update_begun && keys '\003' && shows 'stopping where it is safe'
	update_goes_on
	ends 0 && on_screen 'stopping where it is safe'
}

leaves() {
	update_waits
	at_terminal apply "$step"
	shows 'apply this step' && keys 'y\n' && until_ 20 update_begun && keys '\003' &&
		shows 'stopping where it is safe' && keys '\003'
	ends 5 && update_goes_on && on_screen "left while step '$step' was applying; belay apply goes on"
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

ok "no secret is in the journal, in what was printed, or in the state directory" no_secrets
ok "nothing of it still runs on the hosts" until_ 15 nothing_runs
finish
