#!/bin/sh
# time limit: 600
# No secret leaves its place.  Passwords (of probes, in env files, in a URL that is
# edited, read from a host's file) and the private key of a certificate go through
# a whole walk: apply, undo, diff, status, history, check, the way back as a
# script, steps that fail, the console.  Meanwhile every program that is started on either
# side is recorded with its arguments and environment, and what runs is sampled.
# Afterwards all of it is searched: as it is, in base64 at every alignment, base64
# of the key's PEM, the key's bytes.  In each place a decoy has to be found first.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

marker=$tmp/begin
: >"$marker"
mkdir "$tmp/out" "$tmp/screens" "$tmp/cores"
sock=$tmp/tmux.sock
watcher=
recorder=
decoy=belay-decoy
record="strace -f --seccomp-bpf -v -s 100000 -e signal=none -e trace=execve,execveat"

leave() {
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	tmux -S "$sock" kill-server >/dev/null 2>&1
	cleanup
	[ -z "$recorder" ] || wait "$recorder" 2>/dev/null
}
trap leave EXIT

# ---- the watchers ----------------------------------------------------------------

# The lab is started by the recorder: whatever its sshds start, it sees from the first moment on.
recorded_up() {
	dir=$tmp/lab
	labs=$dir
	$record -o "$tmp/exec.hosts" "$lab" up --reload "$dir" >"$tmp/up.log" 2>&1 &
	recorder=$!
	until_ 150 grep -q '^lab: up' "$tmp/up.log" || { cat "$tmp/up.log"; return 1; }
	grep -q 'lab: up in' "$tmp/up.log" || { cat "$tmp/up.log"; return 1; }
	fleet=$dir/canary.yaml
	plan=$dir/plan.yaml
}

# recorded COMMAND …: on the operator's machine, what it prints kept
recorded() {
	i=$(($(cat "$tmp/count" 2>/dev/null || echo 0) + 1))
	echo $i >"$tmp/count"
	recorded_rc=0
	"$lab" exec "$dir" -- $record -o "$tmp/exec.belay.$i" "$@" >"$tmp/out/$i" 2>"$tmp/out/$i.err" </dev/null || recorded_rc=$?
	cat "$tmp/out/$i" "$tmp/out/$i.err"
	return $recorded_rc
}

belay() {
	recorded "$BELAY" -f "$fleet" -p "$plan" "$@"
}

sampling() {
	while :; do
		cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\0' '\n' | LC_ALL=C sort -u >"$tmp/sample.now"
		LC_ALL=C sort -u -m -o "$tmp/sample.all" "$tmp/sample.now" "$tmp/sample.all" 2>/dev/null || cp "$tmp/sample.now" "$tmp/sample.all"
		sleep 0.5
	done
}

# ---- the secrets -------------------------------------------------------------------

srv() {
	"$lab" host "$dir" "$1" -- sh -c 'if [ -f /srv/voiceai/.env ]; then echo /srv; else cd .. && pwd; fi'
}

a_fleet_of_secrets() {
	api=$(srv api) db=$(srv db)
	url_password=$(od -An -v -tx1 -N16 /dev/urandom | tr -d ' \n')
	echo "$url_password" >"$tmp/url-password"
	printf 'APP_URL=postgresql://voiceai:%s@db.internal:6432/voiceai?application_name=app&sslmode=disable\n' \
		"$url_password" >>"$dir/hosts/api/srv/voiceai/.env"
	awk -v url="      - { url: { on: [api-1], file: $api/voiceai/.env, key: APP_URL, query: { sslmode: verify-full } } }" \
		-v key="      - { file: { on: [db], path: $db/voiceai/server.key, content: \"\$(key.pem)\", mode: \"0600\" } }" \
		'/lands: activation/ && !done { print url; print key; done = 1 } { print }' "$dir/fleet-reload.yaml" >"$fleet"
	grep -q server.key "$fleet"
}

# windows TEXT: pieces of it, so that one lies whole between any two breaks of a line
windows() {
	printf '%s\n' "$1" | awk '{ for (i = 1; i + 19 <= length($0); i += 8) print substr($0, i, 20) }'
}

# aligned FILE: its bytes within base64, at each of the three alignments
aligned() {
	for skip in 0 1 2; do
		text=$({ printf '%.*s' $skip xxx; cat "$1"; } | base64 -w 0)
		# The first and the last characters depend on the neighbours.
		windows "$(printf '%s' "$text" | sed 's/^....//; s/....$//; s/=*$//')"
	done
}

# The key as it was installed: the 32 bytes of it that are secret stand at 36 in PKCS#8.
patterns() {
	pem=$dir/hosts/db/srv/voiceai/server.key
	sed '/^-/d' "$pem" | tr -d '\n' >"$tmp/key.b64"
	base64 -d "$tmp/key.b64" | head -c 68 | tail -c 32 >"$tmp/key.secret"
	[ "$(wc -c <"$tmp/key.secret")" -eq 32 ] && head -c 68 "$tmp/key.b64" >/dev/null || return 1
	# The letters of the PEM that the secret bytes alone decide.
	cut -c49-90 "$tmp/key.b64" | tr -d '\n' >"$tmp/key.letters"
	{
		for f in "$dir/secrets/voiceai" "$dir/secrets/pg-probe" "$dir/secrets/redis" "$dir/secrets/ca-key" "$tmp/url-password"; do
			tr -d '\n' <"$f" >"$tmp/one"
			cat "$tmp/one"
			echo
			aligned "$tmp/one"
		done
		aligned "$tmp/key.secret"
		windows "$(cat "$tmp/key.letters")"
		aligned "$tmp/key.letters"
		od -An -v -tx1 "$tmp/key.secret" | tr -d ' \n'
		echo
	} >"$tmp/patterns"
	! grep -q '^.\{0,15\}$' "$tmp/patterns" || { echo "a pattern is too short"; return 1; }
	# Bytes: runs of eight, but for those with a newline or a nul in them.
	od -An -v -tx1 "$tmp/key.secret" | tr -d '\n' | awk '{ n = split($0, b, " ")
		for (i = 1; i + 7 <= n; i += 4) {
			s = ""
			for (k = i; k < i + 8; k++) { if (b[k] == "0a" || b[k] == "00") break; s = s "\\x" b[k] }
			if (k == i + 8) { printf "%s%s", sep, s; sep = "|" }
		} }' >"$tmp/bytes"
	[ -s "$tmp/bytes" ] && echo "$(wc -l <"$tmp/patterns") patterns"
}

# ---- the search ----------------------------------------------------------------------

# hits PATH …: lines in which a secret stands, the place in front
hits() {
	LC_ALL=C grep -r -a -H -n -F -f "$tmp/patterns" -- "$@" 2>/dev/null
	LC_ALL=C grep -r -a -H -n -P -e "$(cat "$tmp/bytes")" -- "$@" 2>/dev/null
}

# nothing_in PATH …: a decoy is found there, in each form, and nothing else
nothing_in() {
	hits "$@" >"$tmp/hits"
	for form in password base64 pem bytes; do
		grep -q -a "$decoy-$form" "$tmp/hits" || { echo "the decoy ($form) was not found: nothing was looked at"; return 1; }
	done
	grep -a -v "$decoy" "$tmp/hits" | cut -c1-300 >"$tmp/found"
	cat "$tmp/found"
	[ ! -s "$tmp/found" ]
}

# A decoy in each form, in FILE.
plant() {
	printf '%s-password=%s\n%s-base64=%s\n%s-pem=%s\n' $decoy "$(cat "$tmp/url-password")" $decoy \
		"$(base64 -w 0 "$tmp/key.secret")" $decoy "$(base64 -w 0 <"$tmp/key.b64")" >"$1"
	printf '%s-bytes=' $decoy >>"$1"
	cat "$tmp/key.secret" >>"$1"
	echo >>"$1"
}

# nothing_under DIR …: with a decoy planted in each, in turn
nothing_under() {
	for d; do
		plant "$d/$decoy"
		hits "$d" >"$tmp/hits"
		n_decoys=$(grep -a -c "^$d/$decoy:" "$tmp/hits")
		rm -f "$d/$decoy"
		[ "$n_decoys" -ge 4 ] || { echo "of the decoys in $d $n_decoys were found: nothing was looked at"; return 1; }
		grep -a -v "^$d/$decoy:" "$tmp/hits" | cut -c1-300 >"$tmp/found"
		cat "$tmp/found"
		[ ! -s "$tmp/found" ] || return 1
	done
}

# Programs with secrets in their arguments and environment, on both sides: to be found.
decoys() {
	password=$(cat "$tmp/url-password")
	b64=$(base64 -w 0 "$tmp/key.secret")
	pem=$(base64 -w 0 <"$tmp/key.b64")
	# Bytes cannot all stand in an argument; a part can.
	raw=$(tr -d '\0\n' <"$tmp/key.secret")
	for side in hosts belay; do
		set -- env "$decoy-password=$password" "$decoy-base64=$b64" "$decoy-pem=$pem" true
		if [ $side = hosts ]; then
			"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-api "$*" || return 1
		else
			recorded "$@" || return 1
		fi
	done
	env "$decoy-password=$password" "$decoy-base64=$b64" "$decoy-pem=$pem" "$decoy-bytes=$raw" sleep 300 &
	sleeper=$!
	until_ 20 grep -q -a "$decoy-bytes" "$tmp/sample.all"
	rc=$?
	kill $sleeper
	wait $sleeper 2>/dev/null
	return $rc
}

# The records have no raw bytes: strace writes them in its own way.
nothing_recorded() {
	# The lab's own restart script asks Redis itself, with the password in redis-cli's environment.
	cat "$@" | sed 's/"REDISCLI_AUTH=[^"]*"//g' | LC_ALL=C grep -a -F -f "$tmp/patterns" >"$tmp/hits"
	for form in password base64 pem; do
		grep -q -a "$decoy-$form" "$tmp/hits" || { echo "the decoy ($form) was not found: nothing was looked at"; return 1; }
	done
	grep -a -v "$decoy" "$tmp/hits" | cut -c1-600 >"$tmp/found"
	cat "$tmp/found"
	[ ! -s "$tmp/found" ]
}

nothing_sampled() {
	sed '/^REDISCLI_AUTH=/d' "$tmp/sample.all" >"$tmp/sample.rest"
	[ "$(wc -l <"$tmp/sample.rest")" -gt 100 ] && nothing_in "$tmp/sample.rest"
}

# ---- the walk ---------------------------------------------------------------------------

tm() {
	tmux -S "$sock" -f /dev/null "$@"
}

capture() {
	tm capture-pane -p -t con >"$tmp/screen"
	cp "$tmp/screen" "$tmp/screens/$(date +%s%N)"
	tm capture-pane -p -e -t con >"$tmp/screens/$(date +%s%N).colours"
}

shows() {
	capture
	grep -q -e "$1" "$tmp/screen"
}

taken_back() {
	shows '0/[0-9]* applied' && ! grep -q undoing "$tmp/screen"
}

one_more_q() {
	shows 'left with 0' && return
	tm send-keys -t con q
	sleep 2
	shows 'left with 0'
}

console() {
	tm new-session -d -s con -x 160 -y 50 "$lab exec $dir -- $record -o $tmp/exec.belay.console $BELAY -f $fleet -p $plan; echo left with \$?; exec sleep 100" || return 1
	until_ 40 shows LINK || { cat "$tmp/screen"; return 1; }
	for key in s Escape c Escape H Escape o Escape v Escape d Escape p Escape '?' Escape j k; do
		tm send-keys -t con "$key"
		sleep 0.5
		capture
	done
	until_ 10 shows LINK || { cat "$tmp/screen"; return 1; }
	tm send-keys -t con A
	until_ 10 shows ARMED || { cat "$tmp/screen"; return 1; }
	tm send-keys -t con a
	until_ 60 shows 'y or Enter applies' || { cat "$tmp/screen"; return 1; }
	tm send-keys -t con y
	until_ 120 shows '1/[0-9]* applied' || { cat "$tmp/screen"; return 1; }
	tm send-keys -t con u
	sleep 0.5
	capture
	tm send-keys -t con u
	until_ 120 taken_back || { cat "$tmp/screen"; return 1; }
	until_ 40 one_more_q || { cat "$tmp/screen"; return 1; }
}

looked_at() {
	for v in status "status --json" history "history --json" check "check --json" "diff --json" verify "undo --all --print"; do
		belay $v
	done >/dev/null
	[ "$(cat "$tmp/out"/* | wc -l)" -gt 200 ]
}

a_step_that_fails() {
	plan=$dir/plan2.yaml
	printf 'belay: plan/1\nname: fails\nfrom: { accept: plain, dial: disable }\nsteps:\n  - { id: certs, certs: { internal: install } }\n  - { id: fails, run: { on: api-1, run: "echo no >&2; exit 3", undo: "true" } }\n' >"$plan"
	belay apply --all --yes
	[ $recorded_rc -eq 1 ] && belay status && belay undo --all --yes
	rc=$?
	# And one whose file cannot be written.
	chmod 400 "$dir/hosts/api/srv/voiceai/.env"
	belay diff certs
	chmod 600 "$dir/hosts/api/srv/voiceai/.env"
	plan=$dir/plan.yaml
	return $rc
}

# ---- cores --------------------------------------------------------------------------------

dumps() {
	(cd "$tmp/cores" && ulimit -c unlimited && strace -f -o "$tmp/core.control" sh -c 'kill -SEGV $$') >/dev/null 2>&1
	grep -q 'core dumped' "$tmp/core.control" && rm -f "$tmp/cores"/core*
}

workers_of() {
	for stat in /proc/[0-9]*/stat; do
		read -r p _ _ parent _ <"$stat" 2>/dev/null || continue
		[ "$parent" = "$1" ] && tr '\0' ' ' <"/proc/$p/cmdline" 2>/dev/null | grep -q -e --worker && echo "$p"
	done
}

console_pid() {
	for p in /proc/[0-9]*; do
		# The one that is belay itself, not the strace around it.
		case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in
		"$BELAY -f $fleet "*"status --watch "*) echo "${p#/proc/}"; return ;;
		esac
	done
}

# dies_without CORE: SIGNAL to the console, after one to its worker, while they hold the passwords
dies_without() {
	(cd "$tmp/cores" && ulimit -c unlimited && exec "$lab" exec "$dir" -- strace -f -o "$tmp/core.$1" -e trace=none \
		"$BELAY" -f "$fleet" -p "$plan" status --watch) >"$tmp/out/core.$1" 2>&1 </dev/null &
	shell=$!
	until_ 40 grep -q 'redis: serves' "$tmp/out/core.$1" || { cat "$tmp/out/core.$1"; return 1; }
	c=$(console_pid)
	w=$(workers_of "$c")
	[ -n "$w" ] || { echo "no worker of '$c'"; return 1; }
	kill -"$1" $w
	kill -"$1" "$c"
	wait $shell 2>/dev/null
	[ "$(grep -c "killed by SIG$1" "$tmp/core.$1")" -ge 2 ] || { cat "$tmp/core.$1"; return 1; }
	! grep 'core dumped' "$tmp/core.$1" && [ -z "$(ls "$tmp/cores")" ]
}

# ---- what may be where -------------------------------------------------------------------------

# The hosts' records hold what the files held: nobody else may read them.
records_are_private() {
	found=0
	for d in "$dir"/hosts/*/srv/home/.local/state/belay; do
		[ -d "$d" ] || continue
		found=$((found + 1))
		find "$d" ! -type l \( -type d ! -perm 700 -o -type f ! -perm 600 \) -printf '%m %p\n'
	done >"$tmp/open"
	cat "$tmp/open"
	[ "$found" -ge 6 ] && [ ! -s "$tmp/open" ] && hits "$dir"/hosts/*/srv/home/.local/state/belay | grep -q -a .
}

# Else on the hosts: the files that are edited, what the services themselves derive from these, and nothing.
nothing_else_on_hosts() {
	mkdir -p "$tmp/elsewhere"
	for h in db api web voice ops telpro; do
		(cd "$dir/hosts/$h" && find . \( -path ./srv/home/.local/state/belay -o -path ./srv/voiceai/run -o -path ./srv/voiceai/secrets \
			-o -path ./srv/voiceai/.env -o -path ./srv/voiceai/server.key -o -path ./srv/pg \) -prune -o -type f -print |
			cpio -pdm --quiet "$tmp/elsewhere/$h" 2>/dev/null || find . \( -path ./srv/home/.local/state/belay -o -path ./srv/voiceai/run \
			-o -path ./srv/voiceai/secrets -o -path ./srv/voiceai/.env -o -path ./srv/voiceai/server.key -o -path ./srv/pg \) -prune \
			-o -type f -print | tar -cf - -T - | (mkdir -p "$tmp/elsewhere/$h" && tar -xf - -C "$tmp/elsewhere/$h"))
		[ -n "$(ls -A "$tmp/elsewhere/$h")" ] || { echo "nothing was looked at on $h"; return 1; }
	done
	nothing_under "$tmp/elsewhere"
}

nothing_in_temporary_files() {
	mkdir -p "$tmp/new"
	plant "/tmp/$decoy.$$"
	find /tmp /var/tmp -xdev -path "$tmp" -prune -o -type f -newer "$marker" -size -4096k -print 2>/dev/null |
		head -n 20000 >"$tmp/new.list"
	grep -q "$decoy.$$" "$tmp/new.list" || { rm -f "/tmp/$decoy.$$"; echo "the decoy was not listed"; return 1; }
	{
		xargs -d '\n' grep -a -H -n -F -f "$tmp/patterns" -- <"$tmp/new.list"
		LC_ALL=C xargs -d '\n' grep -a -H -n -P -e "$(cat "$tmp/bytes")" -- <"$tmp/new.list"
	} 2>/dev/null >"$tmp/hits"
	rm -f "/tmp/$decoy.$$"
	[ "$(grep -a -c "$decoy" "$tmp/hits")" -ge 4 ] || { echo "the decoys were not found"; return 1; }
	! grep -a -v "$decoy" "$tmp/hits"
}

ok "the lab is up, and every program in it recorded" recorded_up || finish
a_fleet_of_secrets
sampling &
watcher=$!
cp -p "$dir/hosts/api/srv/voiceai/.env" "$tmp/env.start"
tree >"$tmp/tree.start"
ok "the tls build is shipped" ship_tls_build
ok "check and diff" belay check
belay diff >/dev/null
ok "steps that fail" a_step_that_fails
ok "a session of the console" console
ok "apply --all" belay apply --all --yes --waive "nobody unseen redis" --reason "all of them are flipped" || finish
ok "what is to be found is known" patterns || finish
ok "status, history, check, diff, verify, the way back as a script" looked_at
ok "decoys run on both sides" decoys
if dumps; then
	ok "a segmentation fault leaves no core" dies_without SEGV
	ok "nor does an abort" dies_without ABRT
else
	n=$((n + 1))
	echo "ok $n - cores # SKIP this system lets nobody dump a core, so that nothing would be shown"
fi
ok "undo --all" belay undo --all --yes
ok "every file is as at the start" same_tree
belay history --json >/dev/null
kill "$watcher"
wait "$watcher" 2>/dev/null
watcher=
ok "no argument and no environment of a program that belay started" nothing_recorded "$tmp"/exec.belay.*
ok "none of a program on the hosts" nothing_recorded "$tmp/exec.hosts"
ok "none of what ran at any moment" nothing_sampled
ok "what was printed, and JSON" nothing_under "$tmp/out"
ok "the screens" nothing_under "$tmp/screens"
ok "the journal, belay's own state and configuration" nothing_under "$dir/state" "$dir/config"
ok "the logs of the hosts' sshds" nothing_under "$dir/log"
ok "records on the hosts are their owner's alone, and hold what they must" records_are_private
ok "nowhere else on the hosts" nothing_else_on_hosts
ok "temporary files" nothing_in_temporary_files
echo "# $(wc -l <"$tmp/patterns") patterns; $(cat "$tmp"/exec.belay.* | grep -c execve) programs recorded on belay's side, $(grep -c execve "$tmp/exec.hosts") on the hosts, $(wc -l <"$tmp/sample.all") strings sampled, $(ls "$tmp/screens" | wc -l) screens"
finish
