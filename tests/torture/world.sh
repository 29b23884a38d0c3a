# shellcheck shell=sh
# A small world for the torture: one host (this machine), one step that edits
# files in every way (a variable, a URL's parameter, a key of a server's own file in
# place, a new file, a new key), runs a command that must not run twice, and
# activates a unit.  No server is needed, so that one walk takes a third of a second.
# Sourced by a script that says what is done at a point: record(), points(), strike().
set -u

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${BUILD:-$top/build}
case $build in /*) ;; *) build=$PWD/$build ;; esac
BELAY=${BELAY:-$build/belay}
case $BELAY in /*) ;; *) BELAY=$PWD/$BELAY ;; esac
trip=$build/tests/torture/tripwire
tmp=
if [ "${1-}" = --point ]; then
	tmp=$2
else
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-torture.XXXXXX") || exit 1
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 130' HUP INT TERM
fi
ASAN_OPTIONS=detect_leaks=0	# LeakSanitizer does not run in what is traced
export ASAN_OPTIONS
n=0
bad=0

# ok CLAIM COMMAND …: the command succeeds
ok() {
	claim=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/said" 2>&1; then
		echo "ok $n - $claim"
	else
		echo "not ok $n - $claim"
		tail -n 60 "$tmp/said" | sed 's/^/# /'
		bad=$((bad + 1))
		return 1
	fi
}

finish() {
	echo "1..$n"
	exit $((bad > 0))
}

# in_world DIR: everything that follows happens there
in_world() {
	w=$1
	HOME=$w/home XDG_STATE_HOME=$w/state XDG_CONFIG_HOME=$w/config TMPDIR=$w/temp
	export HOME XDG_STATE_HOME XDG_CONFIG_HOME TMPDIR
	unset SSH_AUTH_SOCK BELAY_SSH_CONFIG
}

# belay …: for at most a minute, else 124
belay() {
	timeout -k 5 60 "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" "$@" </dev/null
}

pristine() {
	mkdir -p "$w/host" "$w/home" "$w/config" "$w/temp" && mkdir -m 700 "$w/state" "$w/hoststate" || return 1
	owner=
	[ "$(id -u)" != 0 ] || owner=', owner: "70:70"'
	(umask 077 && echo passphrase >"$w/pass")
	# Quotes, a comment, CRLF, no newline at the end: what an undo must bring back.
	printf '# the app\nMODE=production\nDATABASE_URL="postgresql://app:pw@localhost:5432/db?application_name=app&sslmode=disable"  # url\nexport OLD=1\r\nLAST='"'a b'" >"$w/host/env"
	printf '; pool\n[databases]\n* = host=x\n\n[pgbouncer]\nlisten_port = 6432\nserver_tls_sslmode = disable\n[users]\n' >"$w/host/pool.ini"
	chmod 640 "$w/host/env" && chmod 604 "$w/host/pool.ini"
	printf '#!/bin/sh\necho x >>%s/count.restart\n' "$w" >"$w/host/restart"
	chmod 755 "$w/host/restart"
	cat >"$w/fleet.yaml" <<END
belay: fleet/1
environment: lab
hosts:
  box: { local: yes, state: $w/hoststate }
secrets:
  pass: { file: $w/pass }
units:
  app: { host: box, run: $w/host/restart, restarts: [app] }
  server: { host: box, run: "false" }		# it is not there, and no step activates it
certs:
  internal: { serves: [pg], passphrase: pass, lands: activation, install: [ { file: { path: $w/host/key.pem, content: "\$(key.pem)\$(leaf.pem)", mode: "0600"$owner } } ] }
endpoints:
  pg:
    kind: postgres
    unit: server
    listen: { both: 5432, at: 127.0.0.1 }
    names: [localhost]
    accept: { file: $w/host/server, plain: { unset: [TLS] }, both: { set: { TLS: both } } }
clients:
  app:
    unit: app
    links:
      pg:
        match: { user: app }
        dial:
          disable:
            - url: { file: $w/host/env, key: DATABASE_URL, query: { sslmode: disable }, unset: [sslrootcert] }
            - env: { file: $w/host/env, unset: [PGSSLMODE] }
            - conf: { file: $w/host/pool.ini, write: in-place, set: { server_tls_sslmode: disable } }
          prefer:
            - url: { file: $w/host/env, key: DATABASE_URL, query: { sslmode: prefer, sslrootcert: "\$(ca_file)" } }
            - env: { file: $w/host/env, set: { PGSSLMODE: prefer }, unset: [OLD] }
            - conf: { file: $w/host/pool.ini, write: in-place, set: { server_tls_sslmode: prefer } }
        trust: { ca: internal, file: $w/host/tls/ca.crt, mode: "0644" }
END
	cat >"$w/plan.yaml" <<END
belay: plan/1
name: torture
from: { accept: plain, dial: disable }
steps:
  - { id: first, run: { on: box, run: "echo first >$w/host/first", undo: "rm $w/host/first" } }
  - id: flip
    certs: { internal: install }
    trust: { "app -> pg": internal }
    dial: { "app -> pg": prefer }
    run: { on: box, run: "echo x >>$w/count.run", undo: "echo x >>$w/count.back", idempotent: no }
END
}

# make_world DIR: DIR/w, and what it was: DIR/before (one step is in place), DIR/done (two).
# The certificates are made once and stay, so that it is always the same files that are written.
make_world() {
	s=$1
	mkdir -p "$s" && in_world "$s/w" && mkdir "$w" && pristine && belay apply --all --yes >"$s/said" 2>&1 &&
		mv "$w/state/belay/ca-lab-internal" "$s/ca" && rm -rf "$w" && mkdir "$w" && pristine &&
		mkdir -m 700 "$w/state/belay" && mv "$s/ca" "$w/state/belay/ca-lab-internal" &&
		belay apply first --yes >"$s/said" 2>&1 && cp -a "$w" "$s/before" && tree >"$s/tree.before" &&
		belay apply flip --yes >"$s/said" 2>&1 && cp -a "$w" "$s/done" && tree >"$s/tree.done" ||
		{ cat "$s/said"; return 1; }
	grep -q 'key.pem' "$s/tree.done" && ! cmp -s "$s/tree.before" "$s/tree.done"
}

# world_as before|done: as it was then
world_as() {
	rm -rf "$w" && cp -a "$s/$1" "$w" && as=$1
}

# Every file on the host: kind, mode, owner, name, content. Nothing else may be there, no temporary file either.
tree() {
	(cd "$w/host" && find . -printf '%y %m %U:%G %P\n' | sort -k 4 && find . -type f -print0 | sort -z | xargs -0 sha256sum)
}

tree_is() {
	tree >"$s/tree.now"
	diff "$s/tree.$1" "$s/tree.now"
}

# ran_for N: the command, less its way back; once, or once more where it began from done
ran_for() {
	most=1
	[ "$as" = before ] || most=2
	[ $(($(count_of run) - $(count_of back))) -eq "$1" ] && [ "$(count_of run)" -le $most ] && [ "$(count_of back)" -le $most ] ||
		{ echo "the command ran $(count_of run) times, its way back $(count_of back) times"; return 1; }
}

entries() {
	jq -c '.entries[] | [.seq, .at_ms, .run, .kind, .step, .op, .text]' "$1"
}

# What has a record on the host that it did not have, or another one, has an intent that is new, too.
no_deed_without_intent() {
	(cd "$w/hoststate/runs" && find . -name state -type f -exec grep -H . {} +) | sort >"$s/records.now"
	(cd "$s/$as/hoststate/runs" && find . -name state -type f -exec grep -H . {} +) | sort >"$s/records.was"
	comm -23 "$s/records.now" "$s/records.was" | sed 's|^\./\(.*\)/state:\(.*\)|\1 \2|' >"$s/records.new"
	# The journal is read after the host's records were: an intent is older than its record.
	belay history --json >"$s/history.now" 2>"$s/words" && jq -e .entries "$s/history.now" >/dev/null ||
		{ cat "$s/words"; return 1; }
	entries "$s/history.now" >"$s/entries.now"
	while read -r op state; do
		kind=intent
		case $state in und*) kind=undo-intent ;; esac
		tail -n +$(($(wc -l <"$s/entries.$as") + 1)) "$s/entries.now" |
			grep -q "\"$kind\",\"flip\",\"${op%~*}\"" ||
			{ echo "on the host op $op is '$state', and no $kind of it is in the journal"; return 1; }
	done <"$s/records.new"
	# A file that is not as it was is one that a record tells of.
	tree >"$s/tree.now"
	[ -s "$s/records.new" ] || diff "$s/tree.$as" "$s/tree.now"
}

# All that was in the journal is there still, in order, without a gap.
nothing_lost() {
	head -n "$(wc -l <"$s/entries.$as")" "$s/entries.now" | diff "$s/entries.$as" - &&
		jq -e '[.entries[].seq] == [range(1; (.entries | length) + 1)]' "$s/history.now" >/dev/null ||
		{ echo "the journal has lost entries"; return 1; }
}

# status_is PHASE …: and it says nothing of a damaged journal
status_is() {
	belay status --json >"$s/status" 2>"$s/words" || { cat "$s/words"; return 1; }
	! grep -e damaged -e 'was changed' "$s/words" || return 1
	phase=$(jq -r '.steps[] | select(.id == "flip").phase' "$s/status")
	for p; do
		[ "$phase" != "$p" ] || return 0
	done
	echo "the phase is '$phase', expected one of: $*"
	cat "$s/words"
	return 1
}

# entries_of before done: of each world as it was, once
entries_of() {
	for a; do
		world_as "$a" && belay history --json >"$s/history.now" && entries "$s/history.now" >"$s/entries.$a" || return 1
	done
}

explain() {
	echo "the killed one said:"; cat "$s/killed"
	echo "the next one said:"; cat "$1"
	tail -n 12 "$s/entries.now"
	cat "$s/records.new"
}

# Onward to the end, and from there back. Where the way back was begun, belay wants it
# finished first, and says so.
finished() {
	if ! belay apply flip --yes >"$s/finish" 2>&1; then
		grep -q "step .flip. is stuck; undo it or retry it" "$s/finish" && [ "$as" = "done" ] && taken_back &&
			belay apply flip --yes >"$s/finish" 2>&1 || { explain "$s/finish"; return 1; }
	fi
	status_is "done" && tree_is "done" && ran_for 1 && taken_back
}

# Back, from wherever it is; twice is as once.
taken_back() {
	belay undo --to first --yes >"$s/back" 2>&1 || { echo "undo: exit $?"; explain "$s/back"; return 1; }
	status_is todo restored && tree_is before && ran_for 0 || return 1
	belay undo flip --yes >"$s/back" 2>&1
	tree_is before
}

count_of() {
	c=0
	[ ! -f "$w/count.$1" ] || c=$(wc -l <"$w/count.$1")
	echo "$c"
}

# ---- points ----------------------------------------------------------------------

# A point is HOW:CALL:N:VERB:THEN: what happens at the N-th CALL of an apply or an
# undo, and whether the step is finished then, or taken back.

# all_points HOW …: every call of $tmp/calls.VERB (lines HOW CALL COUNT), in turns
all_points() {
	for verb in apply undo; do
		awk -v verb=$verb '{ for (i = 1; i <= $3; i++) {
			k++; print $1 ":" $2 ":" i ":" verb ":" ((i + k) % 2 ? "finish" : "back") } }' "$tmp/calls.$verb"
	done
}

# sample N: evenly, as many of each HOW in an apply as in an undo
sample() {
	cut -d: -f1,4 "$tmp/points" | sort -u >"$tmp/groups"
	groups=$(wc -l <"$tmp/groups")
	while IFS=: read -r how verb; do
		awk -F: -v how="$how" -v verb="$verb" -v want="$((($1 + groups - 1) / groups))" -v seed="$$" '
			$1 == how && $4 == verb { p[++m] = $0 }
			END {
				srand(seed)
				if (want > m) want = m
				at = rand()
				for (i = 0; i < want; i++) print p[int((i + at) * m / want) + 1]
			}' "$tmp/points"
	done <"$tmp/groups" | head -n "$1"
}

# One point.  Prints what is wrong.
point() {
	IFS=: read -r how call at verb then <<END
$1
END
	case $verb in
	apply) world_as before ;;
	undo) world_as "done" ;;
	esac && rm -f "$s/fired" && strike "$how" "$call" "$at" "$verb" && no_deed_without_intent && nothing_lost || return 1
	# A belay that is gone works on nothing.
	status_is todo ready faulted doubt stuck proving restored "done" || return 1
	if [ "$then" = finish ]; then
		finished
	else
		taken_back
	fi
}

# Each job has a world of its own; all that is started for a point is gone before the next.
job() {
	s=$tmp/job.$1
	make_world "$s" >"$s.out" 2>&1 && entries_of before "done" >>"$s.out" 2>&1 || { echo "violation - no world: $(cat "$s.out")"; return; }
	awk -v j="$1" -v jobs="$jobs" 'NR % jobs == j' "$tmp/chosen" >"$s.points"
	while read -r p <&3; do
		if "$trip" -w sh "$0" --point "$s" "$p" >"$s.out" 2>&1; then
			if [ -f "$s/fired" ]; then
				echo "fired $p"
			else
				echo "quiet $p"
			fi
		else
			echo "violation $p"
			sed 's/^/# /' "$s.out"
		fi
	done 3<"$s.points"
}

sweep() {
	pids=
	j=0
	while [ $j -lt "$jobs" ]; do
		job $j >"$tmp/result.$j" 2>&1 &
		pids="$pids $!"
		j=$((j + 1))
	done
	for p in $pids; do
		wait "$p"
	done
	cat "$tmp"/result.* >"$tmp/results"
	fired=$(grep -c '^fired' "$tmp/results")
	quiet=$(grep -c '^quiet' "$tmp/results")
	violations=$(grep -c '^violation' "$tmp/results")
	grep -A 40 '^violation' "$tmp/results"
	[ "$violations" -eq 0 ] && [ $((fired + quiet)) -eq "$(wc -l <"$tmp/chosen")" ]
}

# What is looked at can be seen to be wrong: each check is shown something that must not pass.
checks_can_fail() {
	world_as before && : >"$s/killed" || return 1
	mkdir -p "$w/hoststate/runs/x/flip/1" && echo applied >"$w/hoststate/runs/x/flip/1/state"
	! no_deed_without_intent >"$s/said" || { echo "a record without an intent passed"; return 1; }
	world_as before && echo >>"$w/host/env"
	! no_deed_without_intent >"$s/said" || { echo "a file without a record passed"; return 1; }
	! tree_is before >"$s/said" || { echo "another content passed"; return 1; }
	world_as before && chmod 600 "$w/host/env"
	! tree_is before >"$s/said" || { echo "another mode passed"; return 1; }
	world_as "done" && sed '1d' "$s/entries.done" >"$s/entries.now" && as="done"
	! nothing_lost >"$s/said" 2>&1 || { echo "a lost entry passed"; return 1; }
	echo x >>"$w/count.run"
	! ran_for 1 >"$s/said" || { echo "a command that ran twice passed"; return 1; }
}

model() {
	make_world "$tmp/model" && entries_of before "done"
}

# recorded VERB: what calls there are, by record()
recorded() {
	case $1 in
	apply) world_as before ;;
	undo) world_as "done" ;;
	esac
	record "$1" >"$tmp/calls.$1" || { cat "$tmp/calls.$1"; return 1; }
	cat "$tmp/calls.$1" && [ "$(wc -l <"$tmp/calls.$1")" -ge 3 ]
}

# torture [-n POINTS] [-j JOBS] [POINT …]
torture() {
	if [ "${1-}" = --point ]; then
		s=$2
		in_world "$s/w"
		point "$3"
		exit
	fi
	want=0
	jobs=2
	while getopts n:j: opt; do
		case $opt in
		n) want=$OPTARG ;;
		j) jobs=$OPTARG ;;
		*) exit 2 ;;
		esac
	done
	shift $((OPTIND - 1))
	why_not=$(can_trace 2>&1) || {
		echo "1..0 # SKIP this system does not let us trace: $why_not"
		exit 0
	}
	ok "a world to be tortured" model || finish
	ok "the calls of an apply are counted" recorded apply || finish
	ok "the calls of an undo are counted" recorded undo || finish
	ok "what a point is judged by can fail" checks_can_fail || finish
	for verb in apply undo; do
		echo "# $verb: $(awk '{ printf "%s%s", sep, $0; sep = ", " }' "$tmp/calls.$verb")"
	done
	points >"$tmp/points"
	if [ $# -gt 0 ]; then
		printf '%s\n' "$@" >"$tmp/chosen"
	elif [ "$want" -gt 0 ]; then
		sample "$want" >"$tmp/chosen"
	else
		cp "$tmp/points" "$tmp/chosen"
	fi
	began=$(date +%s)
	ok "$(wc -l <"$tmp/chosen") points of $(wc -l <"$tmp/points"): ${what_holds:-nothing lost, finished or taken back to the byte}" sweep
	echo "# points $(wc -l <"$tmp/chosen"), fired ${fired:-0}, did not fire ${quiet:-0}, violations ${violations:-0}, $(($(date +%s) - began)) s"
	awk '$1 == "fired" { split($2, a, ":"); c[a[1] " " a[4]]++ } END { for (k in c) print "# " k ": " c[k] " fired" }' "$tmp/results" | sort
	ok "most of them fired" test "${fired:-0}" -ge $(($(wc -l <"$tmp/chosen") * 9 / 10))
	finish
}
