#!/bin/sh
# time limit: 300
# configure: what it names, what it writes, what it leaves alone.
#
# A copy of it runs in a directory of its own, with a pkg-config that lacks
# what the test takes away.
# shellcheck disable=SC2317

set -eu

tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-configure-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

real=$(command -v pkg-config || command -v pkgconf)
mkdir -p "$tmp/d/src"
cp configure "$tmp/d/"
: >"$tmp/d/src/main.c"
# "lacking LIST": a pkg-config that has everything but LIST
cat >"$tmp/lacking" <<END
#!/bin/sh
for arg; do
	for gone in \$LACKING; do
		case \$arg in
		"\$gone"|"\$gone "*) echo "no \$gone" >&2; exit 1 ;;
		esac
	done
done
exec $real "\$@"
END
chmod +x "$tmp/lacking"
unset CC AR CFLAGS CPPFLAGS LDFLAGS LIBS PKG_CONFIG || :

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
		{ cat "$tmp/why"; cat "$tmp/out"; } | sed 's/^/# /'
	fi
}

# These are called by claim.
configure() { (cd "$tmp/d" && LACKING="${lacking-}" ./configure "$@") >"$tmp/out" 2>&1; }
says() { grep -qF -e "$1" "$tmp/out"; }
has() { grep -qF -e "$1" "$tmp/d/config.mk"; }
not() { if "$@"; then return 1; fi; }
same() { [ "$1" = "$2" ] || { echo "'$1' is not '$2'"; return 1; }; }

echo 1..21

# A compiler that does not know one of the flags
cat >"$tmp/oldcc" <<'END'
#!/bin/sh
for arg; do
	[ "$arg" != -fstack-clash-protection ] || { echo "what is $arg?" >&2; exit 1; }
done
exec cc "$@"
END
chmod +x "$tmp/oldcc"

lacking='libuv libssh2 cmocka'
claim fails_without_a_library not configure PKG_CONFIG="$tmp/lacking"
claim names_the_first_for_debian says libuv1-dev
claim names_the_second_too says libssh2-1-dev
claim names_it_for_fedora says libuv-devel
claim one_line_installs_them_all says 'Debian:  apt-get install libssh2-1-dev libuv1-dev'
claim writes_nothing_then not test -e "$tmp/d/config.mk"

lacking=cmocka
claim builds_without_cmocka configure PKG_CONFIG="$tmp/lacking"
claim says_so_about_cmocka says libcmocka-dev
claim notes_that_there_is_no_cmocka has 'HAVE_CMOCKA = no'

lacking=
claim goes_on_without_a_flag_that_the_compiler_lacks configure CC="$tmp/oldcc"
claim leaves_that_flag_out not has -fstack-clash-protection
claim keeps_the_others has -fstack-protector-strong

# shellcheck disable=SC2016
claim takes_variables configure --prefix=/opt/belay 'CFLAGS=-O0 -DX=$y#z' LDFLAGS=-L/opt/lib
claim begins_with_its_command_line same "$(sed -n 1p "$tmp/d/config.mk")" \
    "# ./configure --prefix=/opt/belay 'CFLAGS=-O0 -DX=\$y#z' LDFLAGS=-L/opt/lib"
# shellcheck disable=SC2016
claim make_reads_back_what_was_given same '-O0 -DX=$y#z' \
    "$(cd "$tmp/d" && printf 'include config.mk\nall:\n\t@printf "%%s\\n" '"'"'$(CFLAGS)'"'"'\n' | make -s -f -)"
cp "$tmp/d/config.mk" "$tmp/before"
claim does_it_again_the_same configure --again
claim again_gives_the_same_file cmp "$tmp/before" "$tmp/d/config.mk"
# shellcheck disable=SC2016
claim takes_variables_from_the_environment env CFLAGS="-O1 -g" sh -c 'cd "$1" && ./configure' sh "$tmp/d"
claim and_notes_them_for_the_next_time has "# ./configure 'CFLAGS=-O1 -g'"
claim refuses_what_it_does_not_know not configure --with-luck
claim writes_only_config_mk_and_its_log same "$(cd "$tmp/d" && echo *)" \
    'config.log config.mk configure src'

exit "$bad"
