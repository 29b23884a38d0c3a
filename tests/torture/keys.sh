#!/bin/sh
# time limit: 400
# kill -9 of belay's console at every state-changing system call of provisioning, with
# the CA, its keys and a leaf made anew each time: no file on the console's side ever holds a
# byte of a key that is not sealed, nor does what was printed; the CA's key is on no host either.
# And there is no core to have them.
#
#	tests/torture/keys.sh [-n POINTS] [-j JOBS] [ROLE:CALL:N:apply:THEN …]
#
# After each kill all files are searched: for what any key in the clear begins with, as
# PEM, base64 and DER; and for the secret number of each key that lies there sealed, which
# openssl(1) opens.  What a file held and was taken away again before the kill is seen by
# tests/e2e/certs.sh, which has every write of such a run.
. "$(dirname "$0")/world.sh"
. "$(dirname "$0")/killlib.sh"

points() {
	all_points | grep '^console:.*:apply:'
}

# The directory of the authority is not there: all of it is made.
make_world() {
	s=$1
	mkdir -p "$s" && in_world "$s/w" && mkdir "$w" && pristine && (umask 077; echo 'seal-3f9c61aa07' >"$w/pass") &&
		belay apply first --yes >"$s/said" 2>&1 && cp -a "$w" "$s/before" && tree >"$s/tree.before" &&
		belay apply flip --yes >"$s/said" 2>&1 && cp -a "$w" "$s/done" && tree >"$s/tree.done" ||
		{ cat "$s/said"; return 1; }
}

# hex: what it reads as hexadecimal digits, in one line
hex() {
	od -An -v -tx1 | tr -d ' \n'
}

# The secret number of each key that lies there sealed, also one that has not got its name yet.
numbers_of() {			# numbers_of FILE …
	for k; do
		[ ! -s "$k" ] || openssl pkey -in "$k" -passin "file:$w/pass" -noout -text 2>/dev/null |
			awk '/^priv:/ { on = 1; next } /^pub:/ { on = 0 } on' | tr -d ' :\n' | sed 's/^00//; s/$/\n/'
	done | grep .
}

# As PEM says it, and as DER and its base64 begin: PKCS#8 and SEC 1, of the curve that is used; and the passphrase.
anything_clear() {
	for text in 'BEGIN PRIVATE KEY' 'BEGIN EC PRIVATE KEY' MIGHAgEAMBMGByqGSM49 MHcCAQEEI seal-3f9c61aa07; do
		printf '%s' "$text" | hex
		echo
	done
	echo 301306072a8648ce3d020106082a8648ce3d030107046d306b0201010420
	echo 30770201010420
}

# What is on the console's side: its state with the journal and the authority, its home, what
# is temporary, and what was printed.
console_side() {
	find "$w/state" "$w/home" "$w/config" "$w/temp" -type f
	find "$w" -type f -name 'core*'
	for f in "$s/killed" "$s/finish"; do
		[ ! -f "$f" ] || echo "$f"
	done
}

host_side() {
	find "$w/host" "$w/hoststate" -type f
}

# holds PATTERNS: the files on stdin in which any of the patterns is
holds() {
	while read -r f; do
		! hex <"$f" | grep -q -F -f "$1" || echo "$f"
	done
}

nothing_clear() {
	ca=$w/state/belay/ca-lab-internal
	numbers_of "$ca/ca.key" "$ca/.ca.key.new" >"$s/ca.numbers"
	numbers_of "$ca/leaf.key" "$ca/.leaf.key.new" >"$s/leaf.numbers"
	{ anything_clear; cat "$s/ca.numbers" "$s/leaf.numbers"; } >"$s/patterns"
	console_side | holds "$s/patterns" >"$s/found"
	if [ -s "$s/ca.numbers" ]; then
		host_side | holds "$s/ca.numbers" >>"$s/found"
	fi
	[ ! -s "$s/found" ] || { echo "a key in the clear, or its passphrase:"; cat "$s/found"; return 1; }
}

# Whatever is looked for is found, wherever it is put.
checks_can_fail() {
	ca=$w/state/belay/ca-lab-internal
	world_as "done" && nothing_clear && [ "$(wc -l <"$s/ca.numbers")" -eq 1 ] && [ "$(wc -l <"$s/leaf.numbers")" -eq 1 ] || return 1
	# On the host, where a server reads it, the leaf's key is; so the number is the right one.
	openssl pkey -in "$w/host/key.pem" -outform DER | hex | grep -q -F -f "$s/leaf.numbers" || { echo "not the leaf's number"; return 1; }
	openssl pkey -in "$ca/ca.key" -passin "file:$w/pass" -out "$tmp/clear.pem" && openssl pkcs8 -topk8 -nocrypt -in "$tmp/clear.pem" -outform DER -out "$tmp/clear.der" &&
		openssl ec -in "$tmp/clear.pem" -outform DER -out "$tmp/sec1.der" 2>/dev/null && base64 "$tmp/clear.der" >"$tmp/clear.b64" &&
		dd if="$tmp/clear.der" of="$tmp/clear.raw" bs=1 skip=36 count=32 2>/dev/null || return 1
	for put in "pem $w/state/belay/x" "der $w/home/x" "b64 $w/temp/x" "raw $w/core.1" "raw $ca/.leaf.pem.new"; do
		what=${put%% *} where=${put#* }
		cp "$tmp/clear.$what" "$where"
		! nothing_clear >"$s/said" || { echo "a key as $what passed in $where"; return 1; }
		rm "$where"
	done
	cp "$tmp/clear.raw" "$w/hoststate/x"
	! nothing_clear >"$s/said" || { echo "the CA's key passed on a host"; return 1; }
	rm "$w/hoststate/x"
	# A key that was never sealed: what it begins with is enough.
	openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 2>/dev/null | openssl pkcs8 -topk8 -nocrypt -outform DER -out "$w/temp/x" &&
		! nothing_clear >"$s/said" || { echo "a key that nobody knows passed"; return 1; }
	cp "$tmp/sec1.der" "$w/temp/x"
	! nothing_clear >"$s/said" || { echo "a key by SEC 1 passed"; return 1; }
	cp "$w/pass" "$w/temp/x"
	! nothing_clear >"$s/said" || { echo "the passphrase passed"; return 1; }
	rm "$w/temp/x" && nothing_clear
}

# One point: nothing is there after the kill, nor when another has gone on from there.
point() {
	IFS=: read -r how call at verb then <<END
$1
END
	world_as before && rm -f "$s/fired" "$s/finish" || return 1
	# One that was not killed counts apart, however it ended: nothing is in the clear by it either.
	strike "$how" "$call" "$at" "$verb" >"$s/struck" 2>&1 || [ ! -f "$s/fired" ] || { cat "$s/struck"; return 1; }
	nothing_clear || return 1
	# On a machine that is too busy a worker is taken for dead, and the step not begun: that is said, and tried again.
	belay apply flip --yes >"$s/finish" 2>&1 || { grep -q "was not begun" "$s/finish" && belay apply flip --yes >>"$s/finish" 2>&1; } ||
		{ cat "$s/killed" "$s/finish"; return 1; }
	status_is "done" && nothing_clear && [ -s "$s/ca.numbers" ] && [ -s "$s/leaf.numbers" ]
}

# aborted COMMAND …: what strace(1) says of its end by a signal that leaves a core
aborted() {
	mkdir -p "$tmp/abort" && rm -f "$tmp/abort/"* || return 1
	(cd "$tmp/abort" && ulimit -c unlimited && exec strace -o "$tmp/abort/trace" -e trace=none "$@" >"$tmp/abort/said" 2>&1 </dev/null) &
	tracer=$!
	pid= tries=0
	while [ -z "$pid" ] || ! kill -0 "$pid" 2>/dev/null || ! awk '/^TracerPid/ { exit $2 == 0 }' "/proc/$pid/status" ||
		{ [ "$1" != sleep ] && ! [ -s "$tmp/abort/said" ]; }; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "it did not begin"; return 1; }
		sleep 0.1
		pid=$(cat "/proc/$tracer/task/$tracer/children" 2>/dev/null)
		pid=${pid%% *}
	done
	kill -ABRT "$pid"
	wait "$tracer"
	grep '^+++ killed by SIGABRT' "$tmp/abort/trace"
}

no_core() {
	in_world "$tmp/model/w" && world_as before || return 1
	aborted sleep 60 >"$tmp/control" || return 1
	grep -q 'core dumped' "$tmp/control" || { echo "# this system leaves no core of anything"; cat "$tmp/control"; }
	aborted "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" status --watch >"$tmp/core" || return 1
	cat "$tmp/control" "$tmp/core"
	! grep 'core dumped' "$tmp/core" && [ -z "$(find "$tmp/abort" -name 'core*')" ]
}

case ${1-} in
--point) ;;
*)
	if command -v strace >/dev/null 2>&1 && strace -o "$tmp/can.strace" true 2>/dev/null; then
		s=$tmp/model
		ok "a world to abort in" make_world "$tmp/model" || finish
		ok "aborted it leaves no core, where another program does" no_core
		rm -rf "$tmp/model"
	fi ;;
esac
what_holds="no key in the clear, and provisioned in the end"
torture "$@"
