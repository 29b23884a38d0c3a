#!/bin/sh
# No acknowledged journal entry is lost, whatever system call its writer is
# killed at, or fails at. Counts the kills and failures that fired.
#
# The writer is journal_test --append: it opens the journal, begins a run,
# appends, and writes a dot after each entry that was acknowledged. strace ends
# it at the N-th call of one name, for each N until it gets through; then
# journal_test --verify counts what is there and checks the chain.

set -u

build=${BUILD:-build}
case $build in
/*) ;;
*) build=$(pwd)/$build ;;
esac
writer=$build/tests/store/journal_test
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-killed.XXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
ASAN_OPTIONS=detect_leaks=0	# LeakSanitizer does not run under strace
export ASAN_OPTIONS

entries=2
n=0
plan() { n=$((n + 1)); }
ok() { plan; echo "ok $n - $1"; }
not_ok() { plan; echo "not ok $n - $1"; }

if ! strace -qq -o /dev/null true 2>/dev/null; then
	echo '1..0 # SKIP strace may not trace here'
	exit 0
fi

# inject CALL HOW N FRESH: one run; sets fired, acked, there. FRESH: from an
# empty directory, else onto a journal that has entries already.
inject()
{
	rm -rf "$tmp/j"
	mkdir -m 700 "$tmp/j"
	base=0
	if [ "$4" = no ]; then
		base=$("$writer" --append "$tmp/j" 2 | wc -c)
	fi
	strace -f -qq -o "$tmp/trace" -e trace="$1" -e inject="$1:$2:when=$3" \
	    "$writer" --append "$tmp/j" "$entries" >"$tmp/acks" 2>"$tmp/words"
	rc=$?
	acked=$(($(wc -c <"$tmp/acks") + base))
	fired=no
	if [ "$rc" -gt 128 ] || grep -q INJECTED "$tmp/trace"; then
		fired=yes
	fi
	if ! there=$("$writer" --verify "$tmp/j" 2>"$tmp/why"); then
		there="unreadable: $(cat "$tmp/why")"
	fi
}

# Are all acknowledged entries there, and at most the one in flight besides?
holds()
{
	case $there in
	*[!0-9]*|'') return 1 ;;
	esac
	[ "$there" -ge "$acked" ] && [ "$there" -le $((acked + 1)) ]
}

# sweep NAME HOW FRESH CALL...: every call at every N
sweep()
{
	name=$1
	how=$2
	states=$3
	shift 3
	total=0
	bad=0
	for call; do
		for fresh in $states; do
			at=1
			while :; do
				inject "$call" "$how" "$at" "$fresh"
				[ "$fired" = yes ] || break
				total=$((total + 1))
				if ! holds; then
					bad=$((bad + 1))
					echo "# $call at $at ($how, fresh $fresh): $acked acknowledged, there: $there"
				fi
				at=$((at + 1))
			done
		done
	done
	echo "# $name: $total fired, $bad violations"
	if [ "$total" -ge 10 ] && [ "$bad" -eq 0 ]; then
		ok "$name: $total fired, no acknowledged entry lost"
	else
		not_ok "$name: $total fired, $bad violations"
	fi
}

sweep 'killed at a system call' signal=KILL 'yes no' pwrite64 fdatasync unlink openat
sweep 'disk full' error=ENOSPC no pwrite64
sweep 'write fails' error=EIO no pwrite64
sweep 'sync fails' error=EIO no fdatasync
echo "1..$n"
