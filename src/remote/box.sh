# box: the part of the host-side program (host.sh) that knows containers.
#
# Comes before the payload of a request about a path such as "docker:NAME:/PATH",
# and takes the place of what host.sh does with files: with several that are read, some
# of which may be of the host, and with the one that a put or a restore is about, which is not.
# Such a one has no owner or mode to be set, and no directory is made for it.  What is done
# inside is one shell command for each thing, by the runtime; what that says is
# told apart from what the runtime says by its words.
#
# Invariants:
#  1. What arrives inside is counted before it becomes the file, or a part of it: who
#     sends it may be gone, and a pipe that ends early looks like one that ends.
#  2. A file is "not there" only where the container itself says so.
#
# No apostrophes and no doubled backslashes outside comments, as in host.sh.

# What is done inside of a container; what it says is a word, and what belongs to it.
box_text()
{
cat <<"END"
p=$2 t=$3
case $1 in
look)
	if [ -L "$p" ] && [ ! -e "$p" ]; then echo dangling
	elif [ -f "$p" ]; then
		if [ -L "$p" ]; then echo link; else echo file; fi
		stat -L -c "%a %u %g %h %U:%G" "$p"
	elif [ -e "$p" ]; then echo special
	elif [ -d "${p%/*}/" ] && [ -x "${p%/*}/" ]; then echo absent
	else echo nowhere
	fi ;;
cat) cat "$p" ;;
sha) sha256sum <"$p" ;;
rm) rm -f "$p" && sync ;;
put)
	rm -f "$t"
	(umask 077 && set -C && cat >"$t") || exit 1
	if [ "$(wc -c <"$t")" -ne "$4" ]; then rm -f "$t"; echo "it was cut short"; exit 1; fi
	if [ -e "$p" ]; then now=$(sha256sum <"$p"); else now=-; fi
	if [ "${now%% *}" != "$6" ]; then rm -f "$t"; echo "drift ${now%% *}"; exit 0; fi
	if [ "$5" = rename ]; then
		if [ "$8" ] && ! chown "$8" "$t"; then rm -f "$t"; exit 1; fi
		if ! chmod "${7:-600}" "$t"; then rm -f "$t"; exit 1; fi
		sync
		if mv -f "$t" "$p" 2>/dev/null; then sync; echo written; else rm -f "$t"; echo mounted; fi
		exit 0
	fi
	cat "$t" >"$p" || exit 1
	rm -f "$t"
	[ ! "$8" ] || chown "$8" "$p" || exit 1
	[ ! "$7" ] || chmod "$7" "$p" || exit 1
	sync
	echo written ;;
esac
END
}

# box VERB PATH...: in the container of the path that was inspected.
box_program=
box() { "$box" exec -i "$box_name" sh -c "$box_program" belay-box "$@"; }

# in_box PATH: box (the runtime, or nothing), box_name, box_path.
in_box()
{
	box=
	case $1 in docker:*:/*|podman:*:/*) ;; *) return 1 ;; esac
	box=${1%%:*} box_path=${1#*:}
	box_name=${box_path%%:*} box_path=${box_path#*:}
	case $box_name in ""|-*|*[!A-Za-z0-9._-]*) fail "not the name of a container: $box_name" ;; esac
	command -v "$box" >/dev/null 2>&1 || fail "$1: there is no $box on this host"
	[ "$box_program" ] || box_program=$(box_text)
}

# As inspect_file; "is not there" only where the container itself says so.
inspect_box()
{
	dir=/ kind=absent mode_is= uid= gid= links=1 names= dmode=755
	look=$(box look "$box_path" 2>/dev/null </dev/null) ||
	fail "$1: the container cannot be looked into: $(box look "$box_path" 2>&1 </dev/null | head -c 300)"
	case $look in
	absent) return 0 ;;
	special) return 1 ;;
	link"$lf"*|file"$lf"*) ;;
	dangling) fail "$1: a symbolic link to nothing" ;;
	nowhere) fail "$1: its directory is not there in the container, or cannot be searched" ;;
	*) fail "$1: the container cannot be looked into" ;;
	esac
	attrs=${look#*"$lf"}
	set -- $attrs
	kind=file mode_is=$1 uid=$2 gid=$3 links=$4
	[ "${look%%"$lf"*}" = file ] || links=2
	names=${attrs#* * * * }
	return 0
}

inspect()
{
	if in_box "$1"; then inspect_box "$1"; else inspect_file "$1"; fi
}

cat_path() { box cat "$box_path" </dev/null; }

give_file()
{
	in_box "$1" || box=
	if [ "$kind" = absent ]; then
		say "absent $2"
	elif [ "$box" ]; then
		say "file $2 $mode_is $uid $gid $links $names"
		cat_path 2>/dev/null | head -c "$((max + 1))"
	elif [ ! -r "$1" ]; then
		say "error $2 permission denied"
	else
		say "file $2 $mode_is $uid $gid $links $names"
		head -c "$((max + 1))" "$1" 2>/dev/null || say "error $2 cannot be read"
	fi
}

current_sha()
{
	sha=-
	[ "$kind" != absent ] || return 0
	sha=$(box sha "$box_path" </dev/null 2>/dev/null) || fail "cannot read $path"
	sha=${sha%% *}
}

temp_name()
{
	one=${op%%/*} two=${op#*/} three=${op##*/}
	temp=${box_path%/*}/.belay-$one-${two%%/*}-$three
}

no_temp() { try "$temp" box rm "$temp" </dev/null; }

torn()
{
	[ "$kind" = file ] && [ -f "${how_file:-$rec/how}" ] || return 1
	cat_path >"$rec/torn" 2>/dev/null || return 1
	size=$(wc -c <"$rec/torn") && head -c "$((size))" "$1" 2>/dev/null | cmp -s - "$rec/torn"
}

# A write keeps both, so there is nothing of them to be put right.
on_file()
{
	[ -z "$3" ] && [ "${4:-$mode_is}" = "$mode_is" ] || fail "$path: mode and owner in a container are not ours to change"
}

remove_file()
{
	temp_name
	no_temp
	try "cannot remove it" box rm "$box_path" </dev/null
}

# A rename onto what is mounted in the container is written in place instead.
write_file()
{
	how=rename
	if [ "$kind" = file ] && { [ "$inplace" = 1 ] || [ "$links" -gt 1 ]; }; then how=in-place; fi
	temp_name
	to_owner=${4:-${uid:+$uid:$gid}}
	size=$(wc -c <"$1") || fail "cannot read $1"
	while :; do
		if [ $how = in-place ]; then
			how_file=${how_file:-$rec/how}
			echo in-place >"$how_file" && sync "$how_file" "$rec" || fail "the record cannot be kept in $rec"
			put_mode=$3 put_owner=$4
		else
			put_mode=${3:-${mode_is:-600}} put_owner=$to_owner
		fi
		said=$(box put "$box_path" "$temp" "$((size))" "$how" "$2" "$put_mode" "$put_owner" <"$1" 2>&1) ||
		fail "$path: cannot be written in the container: $said"
		case $said in
		written) return 0 ;;
		mounted) [ $how = rename ] || fail "$path: cannot be written in the container"; how=in-place ;;
		"drift "*) finish "$said" ;;
		*) fail "$path: the container did not say that it was written: $said" ;;
		esac
	done
}
