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

echo 1..13
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

exit "$bad"
