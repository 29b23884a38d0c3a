#!/bin/sh
# The layering rule, by what files include and by what core's objects call.
#
# Three tables say what is allowed; a source file that breaks one is named with
# its line. The second half gives each rule a file that breaks it, on purpose,
# and fails if the rule does not notice.

set -eu
LC_ALL=C
export LC_ALL

build=${BUILD:-build}
top=$(pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-layers.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# A layer, and the layers whose headers it may include besides its own.
layer_table='
core
wire    core
pki     core
store   core
remote  core wire pki
engine  core wire pki store remote
verbs   core engine
ui      core engine
main    core wire pki store remote engine verbs ui
'

# Made by the build, so in no layer: which files may include them.
made_table='
version.h   src/
host_sh.h   src/remote/
'

# What core may include of the C library: what neither does I/O nor asks for
# the time, the locale or the environment. stdio.h is here for snprintf,
# arpa/inet.h for addresses as text; the table of calls below keeps the rest out.
core_headers='
assert.h errno.h inttypes.h limits.h stdarg.h stdbool.h stddef.h stdint.h stdio.h
stdlib.h string.h strings.h arpa/inet.h
'

# A foreign library's header, and the only files that may include it.
foreign_table='
yaml.h              src/core/yaml.c
utf8proc.h          src/core/text.c src/core/yaml.c
jansson.h           src/wire/ src/verbs/json_int.h
sqlite3.h           src/store/
libssh2*.h          src/remote/session_conn.h src/remote/session_auth.h
libpq-fe.h          src/remote/pq.c
hiredis/*           src/remote/resp.c
openssl/*           src/pki/ src/remote/tls.c src/remote/keyring.c src/remote/known_hosts.c src/store/chain.c
uv.h                src/engine/ src/remote/ ui/ui.c
curses.h            ui/term.c
term.h              ui/term.c
'

# What core's objects may call: memory and strings, sorting, numbers from text,
# formatting into memory; what the compiler puts in; libyaml from a string and
# utf8proc.
pure_calls='
abort bsearch calloc free malloc qsort realloc reallocarray
bcmp explicit_bzero memchr memcmp memcpy memmem memmove mempcpy memrchr memset
stpcpy stpncpy strcasecmp strchr strchrnul strcmp strcpy strcspn strdup strlen strncasecmp
strncmp strncpy strndup strnlen strpbrk strrchr strspn strstr strtok_r
strtoimax strtol strtoll strtoul strtoull strtoumax
snprintf vsnprintf inet_ntop inet_pton
__assert_fail __errno_location __stack_chk_fail
'
pure_prefixes='yaml_ utf8proc_'
# Of those, the ones that take a FILE.
impure_calls='yaml_parser_set_input_file yaml_emitter_set_output_file'

# ---------------------------------------------------------------------------

# includes ROOT: `FILE:LINE HEADER` for each include of the program's sources,
# the header with its <> or "".
includes()
{
	(cd "$1"
	set -- src
	[ ! -d ui ] || set -- src ui
	find "$@" -name '*.[ch]' | sort | while read -r f; do
		sed -n -e '/^[ 	]*#[ 	]*include/{
			=
			s/^[ 	]*#[ 	]*include[ 	]*//
			s/^\([<"][^>"]*[>"]\).*/\1/
			p
		}' "$f" | paste -d ' ' - - | sed "s|^|$f:|"
	done)
}

one_line() { printf "%s" "$1" | tr "\n" " "; }

# row TABLE KEY: the rest of the row that begins with KEY
row()
{
	printf '%s\n' "$1" | awk -v key="$2" '$1 == key { $1 = ""; print; found = 1 }
	    END { exit !found }'
}

# among FILE PREFIX...: is FILE one of these, or under one of these directories?
among()
{
	among_file=$1
	shift
	for among_p; do
		case $among_p in
		*/) case $among_file in "$among_p"*) return 0 ;; esac ;;
		*) [ "$among_file" != "$among_p" ] || return 0 ;;
		esac
	done
	return 1
}

layer_of()
{
	case $1 in
	src/main.c) echo main ;;
	src/*/*) layer_of_rest=${1#src/}; echo "${layer_of_rest%%/*}" ;;
	ui/*) echo ui ;;
	*) echo none ;;
	esac
}

# The three checks on includes print a line for each breach, and nothing else.

own_breaches()
{
	includes "$1" | while read -r where header; do
		file=${where%:*}
		case $header in
		\"*\") name=${header#\"}; name=${name%\"} ;;
		\<*\>) continue ;;
		*) echo "$where: includes $header, which is no file's name"; continue ;;
		esac
		case $name in
		*..*) echo "$where: includes $header: from the top of src, please"; continue ;;
		*/*) ;;
		*)
			if allowed=$(row "$made_table" "$name"); then
				# shellcheck disable=SC2086
				among "$file" $allowed || echo "$where: may not include $header"
			else
				echo "$where: includes $header: \"layer/file.h\", please"
			fi
			continue ;;
		esac
		layer=$(layer_of "$file")
		other=${name%%/*}
		[ "$layer" != "$other" ] || continue
		if ! allowed=$(row "$layer_table" "$layer"); then
			echo "$where: is in no layer ($layer)"
			continue
		fi
		case " $allowed " in
		*" $other "*) ;;
		*) echo "$where: $layer may not include $header" ;;
		esac
	done
}

foreign_breaches()
{
	includes "$1" | while read -r where header; do
		file=${where%:*}
		name=${header#[<\"]}
		name=${name%[>\"]}
		printf '%s\n' "$foreign_table" | while read -r pattern files; do
			[ -n "$pattern" ] || continue
			# The pattern is meant to match.
			# shellcheck disable=SC2254
			case $name in
			$pattern) ;;
			*) continue ;;
			esac
			# shellcheck disable=SC2086
			among "$file" $files || echo "$where: $header belongs to $files alone"
		done
	done
}

core_breaches()
{
	allowed=" $(one_line "$core_headers") yaml.h utf8proc.h "
	includes "$1" | grep '^src/core/' | while read -r where header; do
		case $header in
		\<*\>) name=${header#<}; name=${name%>} ;;
		*) continue ;;
		esac
		case $allowed in
		*" $name "*) ;;
		*) echo "$where: core may not include $header" ;;
		esac
	done
}

foreign_headers=$(printf "%s\n" "$foreign_table" | awk "NF { print \$1 }")

# A header of no known library and not the C library's would pass the table
# above, so these are all that may be included between <>.
system_breaches()
{
	includes "$1" | while read -r where header; do
		case $header in
		\<*\>) name=${header#<}; name=${name%>} ;;
		*) continue ;;
		esac
		known=no
		set -f
		for pattern in $foreign_headers; do
			# shellcheck disable=SC2254
			case $name in
			$pattern) known=yes; break ;;
			esac
		done
		set +f
		[ "$known" = no ] || continue
		case $name in
		sys/*|netinet/*|arpa/*|net/*|linux/*) ;;
		assert.h|ctype.h|dirent.h|errno.h|fcntl.h|fnmatch.h|getopt.h|grp.h|inttypes.h|langinfo.h) ;;
		limits.h|locale.h|netdb.h|paths.h|poll.h|pthread.h|pty.h|pwd.h|sched.h|signal.h) ;;
		spawn.h|stdarg.h|stdatomic.h|stdbool.h|stddef.h|stdint.h|stdio.h|stdlib.h|stdnoreturn.h) ;;
		string.h|strings.h|termios.h|time.h|unistd.h|wchar.h|mntent.h|glob.h|ifaddrs.h) ;;
		*) echo "$where: $header is of no library that this program has" ;;
		esac
	done
}

# undefined ARCHIVE-OR-OBJECT: `MEMBER SYMBOL` that no member of it defines
undefined()
{
	nm -A "$1" >"$tmp/nm" 2>/dev/null || { echo "? cannot read $1"; return; }
	awk '
	{ type = $(NF - 1); name = $NF; member = $1; sub(/:[^:]*$/, "", member); sub(/^.*:/, "", member) }
	type == "U" || type == "w" || type == "v" { n++; who[n] = member; what[n] = name; next }
	type ~ /^[A-Z]$/ { have[name] = 1 }
	END { for (i = 1; i <= n; i++) if (!(what[i] in have)) print who[i], what[i] }' "$tmp/nm"
}

call_breaches()
{
	pure=" $(one_line "$pure_calls") "
	impure=" $impure_calls "
	undefined "$1" | while read -r member symbol; do
		symbol=${symbol%%@*}
		case $impure in
		*" $symbol "*) echo "$member: core may not call $symbol"; continue ;;
		esac
		case $symbol in
		# what the sanitizers and the linker put in
		__asan_*|__ubsan_*|__sanitizer_*|__sancov_*|_GLOBAL_OFFSET_TABLE_) continue ;;
		esac
		# fortified and versioned forms are the same function
		plain=$symbol
		case $plain in
		__*_chk) plain=${plain#__}; plain=${plain%_chk} ;;
		__isoc*_*) plain=${plain#__isoc}; plain=${plain#*_} ;;
		esac
		case $pure in
		*" $symbol "*|*" $plain "*) continue ;;
		esac
		ok=no
		for prefix in $pure_prefixes; do
			case $symbol in
			"$prefix"*) ok=yes ;;
			esac
		done
		[ "$ok" = yes ] || echo "$member: core may not call $symbol"
	done
}

# Variables that can change. Constant tables are in other sections.
variable_breaches()
{
	size -A "$1" 2>/dev/null | awk '
	/:$/ || / :$/ || /\(ex / { member = $1 }
	$1 ~ /^\.(data|bss|tdata|tbss)($|\.)/ && $1 !~ /^\.data\.rel\.ro/ && $2 > 0 {
		print member ": core has " $2 " bytes of variables in " $1 }'
}

# ---------------------------------------------------------------------------

n=0
bad=0

# The checks write what they have to say into $tmp/said (not through a pipe:
# the counters would stay in its subshell).

# claim NAME: ok if nothing was said
claim()
{
	n=$((n + 1))
	if [ -s "$tmp/said" ]; then
		bad=1
		echo "not ok $n - $1"
		sed 's/^/# /' "$tmp/said"
	else
		echo "ok $n - $1"
	fi
}

# notices NAME TEXT: ok if TEXT was said
notices()
{
	n=$((n + 1))
	if grep -qF -e "$2" "$tmp/said"; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		echo "# was to say: $2"
		sed 's/^/# said: /' "$tmp/said"
	fi
}

echo 1..15

own_breaches "$top" >"$tmp/said"
claim each_layer_includes_only_layers_below_it
foreign_breaches "$top" >"$tmp/said"
claim each_foreign_header_stays_in_its_files
system_breaches "$top" >"$tmp/said"
claim no_header_of_an_undeclared_library
core_breaches "$top" >"$tmp/said"
claim core_includes_nothing_that_does_io
call_breaches "$build/core.a" >"$tmp/said"
claim core_calls_only_pure_functions
if nm "$build/core.a" 2>/dev/null | grep -q __asan_; then
	n=$((n + 1))
	echo "ok $n - core_has_no_variables # SKIP the sanitizer adds variables of its own"
else
	variable_breaches "$build/core.a" >"$tmp/said"
	claim core_has_no_variables
fi
n=$((n + 1))
if [ "$(undefined "$build/core.a" | grep -c ' abort$\| abort@')" -gt 0 ]; then
	echo "ok $n - core_archive_was_read"	# it calls abort when memory is out
else
	bad=1
	echo "not ok $n - core_archive_was_read"
	echo "# $build/core.a is empty or unreadable, so the claims on it mean nothing"
fi

# Each rule, broken on purpose.
wrong=$tmp/wrong
mkdir -p "$wrong/src/core" "$wrong/src/remote" "$wrong/src/verbs" "$wrong/src/store" "$wrong/ui"
printf '#include "core/x.h"\n#include "store/journal.h"\n' >"$wrong/src/remote/a.c"
printf '  #  include "remote/session.h"\n' >"$wrong/ui/b.c"
printf '#include "remote/probe.h"\n#include <jansson.h>\n#include <expat.h>\n' >"$wrong/src/verbs/c.c"
printf '#include <stdio.h>\n#include <unistd.h>\n' >"$wrong/src/core/d.c"
printf '#include <curses.h>\n' >"$wrong/ui/e.c"
cat >"$wrong/calls.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
int counter(void);
long bad_time(void);
const char *bad_env(void);
void bad_io(const char *);
static int count = 1;
int counter(void) { return count++; }
long bad_time(void) { return (long)time(NULL); }
const char *bad_env(void) { return getenv("HOME"); }
void bad_io(const char *s) { FILE *f = fopen(s, "r"); if (f) fclose(f); }
END

own_breaches "$wrong" >"$tmp/said"
notices catches_remote_that_includes_store \
    'src/remote/a.c:2: remote may not include "store/journal.h"'
own_breaches "$wrong" >"$tmp/said"
notices catches_ui_that_includes_remote \
    'ui/b.c:1: ui may not include "remote/session.h"'
own_breaches "$wrong" >"$tmp/said"
notices catches_verbs_that_includes_remote \
    'src/verbs/c.c:1: verbs may not include "remote/probe.h"'
foreign_breaches "$wrong" >"$tmp/said"
notices catches_curses_outside_its_file \
    'ui/e.c:1: <curses.h> belongs to ui/term.c alone'
system_breaches "$wrong" >"$tmp/said"
notices catches_a_library_that_nobody_declared \
    'src/verbs/c.c:3: <expat.h> is of no library'
core_breaches "$wrong" >"$tmp/said"
notices catches_core_that_includes_io \
    'src/core/d.c:2: core may not include <unistd.h>'
${CC:-cc} -c -o "$wrong/calls.o" "$wrong/calls.c"
call_breaches "$wrong/calls.o" | sort | sed 's/.* call //' | tr '\n' ' ' >"$tmp/said"
notices catches_core_that_calls_the_system 'fclose fopen getenv time '
variable_breaches "$wrong/calls.o" >"$tmp/said"
notices catches_core_that_keeps_a_variable \
    'bytes of variables in .data'

exit "$bad"
