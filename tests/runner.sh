#!/bin/sh
# The runner counts truly: each program below is one that a careless runner
# would let through, and what tests/run makes of it is known.

set -eu

tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-runner.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

n=0
bad=0

# script NAME: a program from the standard input
script()
{
	{ echo '#!/bin/sh'; cat; } >"$tmp/$1"
	chmod +x "$tmp/$1"
}

# counts CLAIM STATUS SUMMARY PROGRAM...: what the runner's last line and exit are
counts()
{
	claim=$1 status=$2 summary=$3
	shift 3
	n=$((n + 1))
	rc=0
	(cd "$tmp" && exec "$run" -b b "$@") >"$tmp/out" 2>&1 || rc=$?
	said=$(tail -n 1 "$tmp/out")
	if [ "$rc" -eq "$status" ] && [ "$said" = "$summary" ]; then
		echo "ok $n - $claim"
	else
		bad=1
		echo "not ok $n - $claim"
		echo "# wanted '$summary' and exit $status, not '$said' and $rc"
		sed 's/^/# /' "$tmp/out"
	fi
}

# says CLAIM TEXT: the run before had a line with TEXT
says()
{
	n=$((n + 1))
	if grep -qF -e "$2" "$tmp/out"; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		sed 's/^/# /' "$tmp/out"
	fi
}

case $0 in
/*) run=$(dirname "$0")/run ;;
*) run=$(pwd)/$(dirname "$0")/run ;;
esac

script two <<'END'
echo 1..2
echo ok 1 - a
echo ok 2 - b
END
script one_bad <<'END'
echo 1..2
echo ok 1 - a
echo not ok 2 - b
END
script skips <<'END'
echo 'ok 1 - a'
echo 'ok 2 - b # SKIP there is no such thing here'
END
script skips_all <<'END'
echo '1..0 # SKIP nothing of this works here'
END
script silent <<'END'
exit 0
END
script dies <<'END'
echo ok 1 - a
kill -9 $$
END
script promises <<'END'
echo 1..3
echo ok 1 - a
END
script hangs <<'END'
# time limit: 1
echo ok 1 - a
sleep 600
END
script liar <<'END'
echo not ok 1 - a
exit 0
END

# Two that wait for each other.
for me in left:right right:left; do
	script "${me%:*}" <<END
touch here.${me%:*}
n=0
until [ -f here.${me#*:} ]; do
	n=\$((n + 1))
	[ \$n -lt 200 ] || { echo not ok 1 - alone; exit 1; }
	sleep 0.05
done
echo ok 1 - met
END
done
script stays <<'END'
echo $$ >stays.pid
exec sleep 600
END

echo 1..16
counts passes_what_passes 0 '2 passed, 0 failed' two
counts fails_on_one_bad_case 1 '3 passed, 1 failed' two one_bad
says names_the_bad_case 'one_bad: b'
counts counts_a_skip_apart 0 '1 passed, 0 failed, 1 skipped' skips
says says_why_it_was_skipped 'b: there is no such thing here'
counts fails_where_all_was_skipped 1 '0 passed, 1 failed, 1 skipped' skips_all
counts fails_where_no_case_ran 1 '2 passed, 1 failed' two silent
counts fails_where_a_program_dies 1 '1 passed, 1 failed' dies
counts fails_on_a_broken_promise 1 '1 passed, 1 failed' promises
counts fails_what_outlives_its_limit 1 '1 passed, 1 failed' hangs
counts fails_a_bad_case_whatever_the_status 1 '0 passed, 1 failed' liar
counts fails_without_a_program 1 '0 passed, 1 failed'
counts fails_a_program_that_is_not_there 1 '0 passed, 1 failed' nowhere
counts runs_several_at_a_time 0 '4 passed, 0 failed' -j 2 left right two

# Whoever interrupts it leaves nothing running.
n=$((n + 1))
rm -f "$tmp/stays.pid"
(cd "$tmp" && exec "$run" -b b -j 2 stays two) >"$tmp/out" 2>&1 &
runner=$!
tries=0
until [ -s "$tmp/stays.pid" ] || [ $tries -ge 200 ]; do
	tries=$((tries + 1))
	sleep 0.05
done
kill -TERM "$runner"
rc=0
wait "$runner" || rc=$?
if [ "$rc" -eq 130 ] && ! kill -0 "$(cat "$tmp/stays.pid")" 2>/dev/null; then
	echo "ok $n - ends_what_it_started_when_it_is_interrupted"
else
	bad=1
	echo "not ok $n - ends_what_it_started_when_it_is_interrupted"
	echo "# exit $rc"
	sed 's/^/# /' "$tmp/out"
fi
says says_that_it_was_interrupted 'interrupted'

exit "$bad"
