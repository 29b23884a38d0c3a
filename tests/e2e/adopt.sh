#!/bin/sh
# time limit: 200
# A run begun on one bastion, killed in the middle, its journal deleted: adopted
# from another account by the records on the hosts, and undone to the byte.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# Killed while the second of two operations runs.
killed() {
	api=$dir/hosts/api/srv/voiceai
	cp -p "$api/update.sh" "$tmp/update.sh"
	{ printf '#!/bin/sh\nsleep 2\n'; cat "$tmp/update.sh"; } >"$tmp/slow.sh"
	cat "$tmp/slow.sh" >"$api/update.sh"
	belay apply flip-api-pg --yes >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	until_ 20 grep -q '1 of 2' "$tmp/out" || { cat "$tmp/out"; return 1; }
	kill -9 "$pid"
	# The shell that was asked for is the lab's; what it started is belay.
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" != "$pid" ] || kill -9 "$p" 2>/dev/null
	done
	wait "$pid" 2>/dev/null
	cat "$tmp/update.sh" >"$api/update.sh"
	rm -rf "$dir"/state/belay/*.journal
}

adopts() {
	as_kim adopt >"$tmp/adopted" || return 1
	cat "$tmp/adopted"
	grep -q '^adopted: 5 steps of a run begun by ' "$tmp/adopted"
}

shown() {
	as_kim status --json | jq -r '.steps[] | "\(.id) \(.phase)"' >"$tmp/phases"
	cat "$tmp/phases"
	grep -qx 'certs done' "$tmp/phases" && grep -qx 'pgb-both done' "$tmp/phases" &&
		grep -qx 'flip-web-pg todo' "$tmp/phases" && ! grep -qx 'flip-api-pg todo' "$tmp/phases"
}

noted() {
	as_kim history | grep 'from the records on the hosts; begun by'
}

# The one that was killed gave nothing back: its leases live for a while, or are taken over by its name.
taken_over() {
	owner=$(as_kim unlock 2>&1 | sed -n 's/.*belay unlock --yes=//p')
	echo "owner: ${owner:-nobody}"
	[ -z "$owner" ] || as_kim unlock --yes="$owner"
}

another_plan() {
	sed 's/^name: .*/name: another/' "$plan" >"$dir/another.yaml"
	plan=$dir/another.yaml
	as_kim adopt
}

ok "the lab is up" up adopt --reload || finish
fleet=$dir/fleet-reload.yaml
tree >"$tmp/tree.start"
ok "half of the way" belay apply --to pgb-both --yes || finish
ok "killed in the middle of a step, and its journal deleted" killed
was=$plan
ok "another plan finds nothing of its own" another_plan
plan=$was
ok "adopted from another account" until_ 100 adopts
ok "its steps stand as the hosts have them" shown
ok "the journal says where it is from" noted
ok "who has a run already adopts none" fails 1 'a run is in progress here already' as_kim adopt
# Its command may run for a moment more, which unlock says and waits for nobody.
ok "its hosts are taken over from who was killed, by name" until_ 30 taken_over
ok "all of it is undone" as_kim undo --all --yes
ok "to the byte, mode and owner" same_tree
ok "no operation failed" failed_operations

# Without belay: the script that lies on each host beside the before-images, which is what
# undo --print prints, run there by hand.
by_hand() {
	belay undo --all --print >"$tmp/print.all" || return 1
	awk -v dir="$tmp" '/^#!\/bin\/sh$/ { n++; f = dir "/back." n ".sh" } { print >f }' "$tmp/print.all"
	for f in "$tmp"/back.*.sh; do
		name=$(sed -n "s/^# The way back on host '\\([a-z]*\\)-*1*'.*/\\1/p" "$f")
		run=$(sed -n "s/^# The way back .*, of run \\([^,]*\\),.*/\\1/p" "$f")
		there=$(sed -n "s/^state=//p" "$f")/runs/$run/undo.sh
		"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" "voiceai-$name" "cat $there" >"$f.there" || return 1
		# A blank line parts the printed ones.
		sed '$d' "$f" | cmp - "$f.there" || { diff "$f" "$f.there"; return 1; }
		"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" "voiceai-$name" "$there" || { echo "$name: failed"; cat "$f"; return 1; }
	done
}

ok "half of the way, once more" belay apply --to flip-web-pg --yes
ok "the way back as plain sh, on each host by hand" by_hand
ok "to the byte, mode and owner, by hand" same_tree
ok "and status finds everybody on plaintext" sh -c "! '$lab' exec '$dir' -- '$BELAY' -f '$fleet' status --json |
	jq -e '[.links[].sessions.tls] | add > 0'"
finish
