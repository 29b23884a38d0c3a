#!/bin/sh
# time limit: 300
# What `make install` puts where (without building: what is tested is there), and that `make uninstall` takes it away.

set -eu

build=${BUILD:-build}
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-install.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# The make that runs this test has its own flags and job server.
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR || :

n=0
bad=0
claim()		# NAME COMMAND...: ok if the command succeeds
{
	name=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/why" 2>&1; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$tmp/why"
	fi
}

# These are called by claim.
# shellcheck disable=SC2317
{
into() { make -s BUILD="$build" PREFIX=/usr BINDIR=/usr/bin MANDIR=/usr/share/man DESTDIR="$tmp/d" "$@"; }
none() { if grep .; then return 1; fi; }
runs() { "$tmp/d/usr/bin/belay" --version | grep '^belay [0-9]'; }
manuals_are_there()
{
	for m in doc/*.[1-8]; do
		f=$tmp/d/usr/share/man/man${m##*.}/${m##*/}
		cmp "$m" "$f" || return 1
	done
}
modes()
{
	[ "$(stat -c %a "$tmp/d/usr/bin/belay")" = 755 ] || return 1
	find "$tmp/d/usr/share/man" -type f ! -perm 644 | none
}
clean_manuals() { mandoc -T lint -W warning doc/*.[1-8]; }
nothing_left() { find "$tmp/d" ! -type d | none; }
}

echo 1..7
claim installs_under_destdir into install-built
claim the_installed_program_runs runs
claim every_manual_is_installed manuals_are_there
claim with_their_modes modes
claim mandoc_has_no_warning_about_them clean_manuals
claim uninstalls into uninstall
claim uninstall_leaves_no_file nothing_left

exit "$bad"
