# belay-host: what belay does on a host.
#
# Embedded into belay at build time without these comments, and run as
#
#	sh -c PROGRAM belay-host VERB NONCE [OP]
#
# in whatever POSIX shell `sh` is there (dash, bash, busybox), with nothing but
# coreutils or busybox.  What is asked comes by stdin, so that no content, hash
# or value is ever an argument: anything up to the line
#
#	belay-payload NONCE
#
# is thrown away, then lines "name
# value" up to an empty one, then bytes up to the end.  The answer is a row of
# lines "NONCE WORD ...", each with a newline before it; what stands between two
# of them is the data of the first.  The last one is "NONCE end OUTCOME ...".
# Without it the answer is none.
#
# Behind a sudo, which writes every argument into a log, the program comes by stdin, too, and
# PROGRAM is a few lines (hostproto.c) that read it and are then this one, as belay-host-as.
#
# The state directory (0700, ours):
#
#	lock			flock; "held" is a symlink to a pid where there is no flock
#	token			the highest fencing token seen, and whose
#	busy			the op whose command was begun last
#	lease			token, until when (seconds of the clock here), holder;
#				then a line who it is and at what
#	runs/RUN/undo.sh	the way back as plain sh, as it is after the last op
#	runs/RUN/STEP/SEQ/	the record of one op:
#	  state			intent applied undoing undone failed | started, ended N,
#				undo-started, undo-ended N, putting-back, undone
#	  meta			what, where, who, when, and the two hashes
#	  before after		the file as it was, the file as it was to be; of settings a line
#				for each: "set NAME VALUE" or "unset NAME"
#	  back			what a per-key undo is writing
#	  out pid		of a command
#	  touched		of a command: the files that it touches, as they were, one
#				a line: number, mode, owner, hash, path and a slash
#	  version-before version-after	what a command that shows a version printed, or
#				one that observes what another is to set
#	  left left-undo	and as the command and its undo left them
#	  N.before N.dirs N.how N.found		of each of them, as above; N.found: what
#				stood there when its command was found cut
#	  kept			of these, by number, what somebody else made of them stays
#
# Invariants:
#  1. A target is written only while its record says intent or undoing, and
#     that is on disk before the first byte is.  So after a kill at any point
#     the record says which two contents the target can have, and a target
#     written by rename has one of them.  One written in place may be torn: a
#     beginning of what was being written; then it is written again.
#  2. Everything is written under the lock, by a token not older than the
#     last, onto the content that the caller expects.
#  3. state changes by rename.  A record appears by rename, whole.
#
#  4. A path may be one in a container, "docker:NAME:/PATH" or "podman:NAME:/PATH": then
#     box.sh comes with the request, and takes the place of what is done with files here;
#     the records stay here.
#
# No apostrophes and no doubled backslashes outside comments, please: the
# program travels inside single quotes, through login shells of several kinds.

set -f
# Behind a sudo LC_ALL was set for what sudo says, and is no wish of anybody.
if [ "${LC_ALL+x}" ] && [ "$0" != belay-host-as ]; then lc_was=$LC_ALL; fi
umask_was=$(umask)
LC_ALL=C
export LC_ALL
umask 077

verb=${1-}
nonce=${2-}
op=${3-}
held= watcher=
how_file=
ifs=$IFS
lf="
"

say() { printf "\n%s %s\n" "$nonce" "$*"; }

finish()
{
	[ -z "$watcher" ] || kill "$watcher" 2>/dev/null
	unlock
	say "end $*"
	exit 0
}

fail() { finish "fail $(printf "%s" "$*" | tr "\n\r" "  ")"; }

# try WHAT COMMAND...: or fail, with what it said
try()
{
	what=$1
	shift
	why=$("$@" 2>&1) || fail "$what: $why"
}

# ---------------------------------------------------------------- request

path= paths= expect= after= mode= owner= inplace= remove= token=0 who= plan= when= issued= kind_of=
holder= ttl= doing= h_state= max=1048576 dir_in= idempotent= phase= images= always= live= as_is=
touches= command_lines= input_bytes= script_lines= version_lines= anew= port= server=
by_value= wanted= more_lines=

begun=
while IFS= read -r line; do
	if [ "$line" = "belay-payload $nonce" ]; then begun=1; break; fi
done
[ "$begun" ] || fail "the request was cut short"
begun=
while IFS= read -r line; do
	value=${line#* }
	case $line in
	"") begun=1; break ;;
	"path "*) path=$value paths=$paths$value$lf ;;
	"expect "*) expect=$value ;;
	"after "*) after=$value ;;
	"mode "*) mode=$value ;;
	"owner "*) owner=$value ;;
	"in-place "*) inplace=$value ;;
	"remove "*) remove=$value ;;
	"token "*) token=$value ;;
	"who "*) who=$value ;;
	"plan "*) plan=$value ;;
	"when "*) when=$value ;;
	"issued "*) issued=$value ;;
	"kind "*) kind_of=$value ;;
	"state "*) h_state=$value ;;
	"max "*) max=$value ;;
	"in "*) dir_in=$value ;;
	"touch "*) touches=$touches$value$lf ;;
	"version-lines "*) version_lines=$value ;;
	"script-lines "*) script_lines=$value ;;
	"command-lines "*) command_lines=$value ;;
	"input-bytes "*) input_bytes=$value ;;
	"idempotent "*) idempotent=$value ;;
	"phase "*) phase=$value ;;
	"images "*) images=$value ;;
	"always "*) always=$value ;;
	"holder "*) holder=$value ;;
	"ttl "*) ttl=$value ;;
	"doing "*) doing=$value ;;
	"live "*) live=$value ;;
	"as-is "*) as_is=$value ;;
	"anew "*) anew=$value ;;
	"port "*) port=$value ;;
	"server "*) server=$value ;;
	"by-value "*) by_value=$value ;;
	"more-lines "*) more_lines=$value ;;
	"wanted "*) wanted=$value ;;
	*) fail "unknown header: ${line%% *}" ;;
	esac
done
[ "$begun" ] || fail "the request was cut short"

# take_lines N: the next lines of the payload, into $text.
take_lines()
{
	text= n=0
	case $1 in *[!0-9]*) fail "not a length" ;; esac
	while [ $n -lt "${1:-0}" ]; do
		IFS= read -r line || fail "the request was cut short"
		text=$text$line$lf
		n=$((n + 1))
	done
}

# More of this program, the way back as sh, and a command that shows a version, before the payload.
take_lines "$more_lines"
more=$text
take_lines "$script_lines"
script=$text
take_lines "$version_lines"
version=$text

case $op in
*[!A-Za-z0-9._/-]*|*..*|/*|*/|*//*|*/.*|.*) fail "not an op id: $op" ;;
"") ;;
*/*/*/*) fail "not an op id: $op" ;;
*/*/*) ;;
*) fail "not an op id: $op" ;;
esac
case $token in ""|*[!0-9]*) fail "not a token: $token" ;; esac

[ "$h_state${HOME-}" ] || fail "no HOME, and no state directory given"
state=${h_state:-${HOME-}/.local/state/belay}
case $state in
"~/"*) state=${HOME-}/${state#"~/"} ;;
esac
case $state in
/*) ;;
*) fail "the state directory is not an absolute path: $state" ;;
esac
rec=$state/runs/$op

# ---------------------------------------------------------------- lock, token

own_state()
{
	[ ! -L "$state" ] || fail "$state: a symbolic link; it must be a directory of our own"
	[ -d "$state/runs" ] || try "cannot make the state directory" mkdir -p "$state/runs"
	me=$(id -u) || fail "id: does not say who we are"
	set -- $(stat -c "%u %a" "$state")
	[ "${1-}" = "$me" ] || fail "$state: belongs to somebody else"
	[ "${2-}" = 700 ] || try "$state" chmod 700 "$state"
}

nap() { sleep 0.1 2>/dev/null || sleep 1; }

lock()
{
	own_state
	tries=0
	if command -v flock >/dev/null 2>&1; then
		[ -f "$state/lock" ] || : >"$state/lock" || fail "$state/lock: cannot be made"
		exec 9>>"$state/lock"
		until flock -n 9 2>/dev/null; do
			tries=$((tries + 1))
			[ $tries -lt 100 ] || finish busy
			nap
		done
		return
	fi
	until ln -s "$$" "$state/held" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || finish busy
		owner_pid=$(readlink "$state/held") || continue
		if ! kill -0 "$owner_pid" 2>/dev/null; then
			# Taken aside by rename, so that of two who find it stale only
			# one takes it; and put back if it was not the stale one.
			mv "$state/held" "$state/held.$$" 2>/dev/null || continue
			if [ "$(readlink "$state/held.$$")" != "$owner_pid" ]; then
				mv "$state/held.$$" "$state/held"
				nap
				continue
			fi
			rm -f "$state/held.$$"
			continue
		fi
		nap
	done
	held=1
}

unlock()
{
	if [ "$held" ]; then
		held=
		rm -f "$state/held"
	fi
	exec 9>&-
}

fence()
{
	seen=0 seen_who=
	[ -f "$state/token" ] && IFS=" " read -r seen seen_who <"$state/token"
	case $seen in ""|*[!0-9]*) seen=0 ;; esac
	[ "$token" -ge "$seen" ] || finish "fenced $seen $seen_who"
	[ "$token" -gt "$seen" ] || return 0
	printf "%s %s\n" "$token" "$who" >"$state/token.new" &&
	sync "$state/token.new" && mv -f "$state/token.new" "$state/token" && sync "$state" ||
	fail "no room for the fencing token in $state"
}

# ---------------------------------------------------------------- files

sha_of()
{
	sha=$(sha256sum <"$1") || fail "cannot read $1"
	sha=${sha%% *}
}

# inspect PATH: kind (file, absent), mode_is uid gid links, dir dmode.
# "Is not there" is said only where we could have seen it.
inspect() { inspect_file "$1"; }

inspect_file()
{
	case $1 in
	*/) fail "$1: not a file" ;;
	/*) ;;
	*) fail "$1: not an absolute path" ;;
	esac
	dir=${1%/*}
	[ -n "$dir" ] || dir=/
	kind=absent mode_is= uid= gid= links=1 names= dmode=
	if [ -e "$1" ]; then
		[ -f "$1" ] || return 1
		attrs=$(stat -L -c "%a %u %g %h %U:%G" "$1" "$dir" 2>&1) || fail "$attrs"
		dmode=${attrs##*$lf}
		dmode=${dmode%% *}
		attrs=${attrs%%$lf*}
		set -- $attrs
		kind=file mode_is=$1 uid=$2 gid=$3 links=$4
		# Last, since a directory service has groups with blanks in their names.
		names=${attrs#* * * * }
		return 0
	fi
	[ ! -L "$1" ] || fail "$1: a symbolic link to nothing"
	up=$dir
	while [ ! -e "$up" ] && [ "$up" != / ]; do
		up=${up%/*}
		[ -n "$up" ] || up=/
	done
	[ -d "$up" ] || fail "$up: not a directory"
	[ -x "$up" ] || fail "$up: permission denied"
	[ ! -d "$dir" ] || dmode=$(stat -L -c %a "$dir")
	return 0
}

put_state()
{
	printf "%s\n" "$1" >"$rec/state.new" && sync "$rec/state.new" &&
	mv -f "$rec/state.new" "$rec/state" && sync "$rec"
}

set_state() { put_state "$1" || fail "the record cannot be kept in $rec"; }

# A record that was making room for its successor counts until that is there.
get_state()
{
	was=none
	if [ ! -d "$rec" ] && [ -d "$rec.gone" ]; then rec=$rec.gone; fi
	[ -f "$rec/state" ] && IFS= read -r was <"$rec/state"
	return 0
}

# The record's meta: m_* for what an undo and a replay have to know.
get_meta()
{
	m_path= m_before= m_after= m_mode= m_uid= m_gid= m_inplace=
	[ -f "$rec/meta" ] || return 0
	while IFS= read -r line; do
		value=${line#* }
		case $line in
		"path "*) m_path=$value ;;
		"before "*) m_before=$value ;;
		"after "*) m_after=$value ;;
		"mode "*) m_mode=$value ;;
		"uid "*) m_uid=$value ;;
		"gid "*) m_gid=$value ;;
		"in-place "*) m_inplace=$value ;;
		esac
	done <"$rec/meta"
}

# Who asked for it, by which plan, when; and what certificates it brings, which is public.
whose()
{
	printf "who %s\nplan %s\nwhen %s\n" "$who" "$plan" "$when"
	[ -z "$issued" ] || printf "issued %s\n" "$issued"
}

# For those who write: under its own name again.
keep_gone()
{
	if [ ! -d "$rec" ] && [ -d "$rec.gone" ]; then
		try "cannot take the record up again" mv "$rec.gone" "$rec"
	fi
}

# The old record makes room for a new one: kept under the next free number.
set_aside()
{
	n=1
	while [ -e "$rec~$n" ]; do n=$((n + 1)); done
	try "cannot set the old record aside" mv "$rec" "$rec~$n"
}

# What was put together in new becomes the record, whole and on disk.
begin_record()
{
	set +f
	why=$(sync "$new"/* "$new" 2>&1) || fail "the record cannot be kept: $why"
	set -f
	if [ -d "$rec" ]; then
		rm -rf "$rec.gone"
		try "cannot begin the record anew" mv "$rec" "$rec.gone"
	fi
	try "cannot begin a record" mv "$new" "$rec"
	sync "${rec%/*}" 2>/dev/null
	[ ! -d "$rec.gone" ] || rm -rf "$rec.gone"
}

temp_name()
{
	one=${op%%/*} two=${op#*/} three=${op##*/}
	temp=$dir/.belay-$one-${two%%/*}-$three
}

no_temp() { [ ! -e "$temp" ] && [ ! -L "$temp" ] || rm -f "$temp"; }

# Is what stands there a beginning of FILE, and so our own write in place cut short?
torn()
{
	[ "$kind" = file ] && [ -f "${how_file:-$rec/how}" ] || return 1
	size=$(wc -c <"$path") && head -c "$((size))" "$1" 2>/dev/null | cmp -s - "$path"
}

# Whoever owns a directory can put something else under a name while we work as root. So
# a file is opened once, as 8, and what is done to it is done to that: by this name.
fd8=/proc/self/fd/8

# on_file SOURCE SHA OWNER MODE: the file at path, as long as it has that content: written
# over by SOURCE, if there is one, and given these, if they are any.
on_file()
{
	[ "$1$3$4" ] || return 0
	why=$( (
		exec 8<"$path" || exit 3
		[ -e "$fd8" ] || fd8=$path
		now=$(sha256sum <&8) || exit 3
		[ "${now%% *}" = "$2" ] || exit 7
		[ -z "$1" ] || cat "$1" 2>/dev/null >"$fd8" || exit 6
		[ -z "$3" ] || chown "$3" "$fd8" || exit 4
		[ -z "$4" ] || [ "$4" = "$mode_is" ] || chmod "$4" "$fd8" || exit 3
		[ -z "$1" ] || sync "$fd8" || exit 3
	) 2>&1)
	case $? in
	0) ;;
	4) fail "cannot give it to $3: $why" ;;
	6) fail "$path: cannot be written" ;;
	7) finish "drift ?" ;;
	*) fail "$path: $why" ;;
	esac
}

# Onto a name, and never into a directory that has it. An old busybox knows no -T.
rename()
{
	why=$(mv -fT "$1" "$2" 2>&1) && return 0
	case $why in *[Oo]ption*) ;; *) return 1 ;; esac
	[ ! -d "$2" ] && why=$(mv -f "$1" "$2" 2>&1)
}

# write_file SOURCE EXPECT MODE OWNER: onto path, as inspected.  Empty MODE
# or OWNER: as it is, or 600 and ours for a new file.
write_file()
{
	how=rename
	if [ "$kind" = file ]; then
		if [ -L "$path" ] || [ "$inplace" = 1 ] || [ "$links" -gt 1 ]; then
			how=in-place
		elif [ "$me" != 0 ] && [ "$uid" != "$me" ] && [ -z "$4" ]; then
			# A renamed file would be ours: the owner could not be kept.
			how=in-place
		fi
	fi
	temp_name
	no_temp
	if [ $how = rename ]; then
		case $dmode in
		[1357]???) ;;
		*[2367]) fail "$dir: everyone may write there; a file is not safe in it" ;;
		esac
		to_owner=${4:-${uid:+$uid:$gid}}
		why=$( (
			set -C
			exec 8>"$temp" || exit 3
			[ -e "$fd8" ] || fd8=$temp
			cat "$1" >&8 || exit 3
			[ -z "$to_owner" ] || chown "$to_owner" "$fd8" || exit 4
			chmod "${3:-${mode_is:-600}}" "$fd8" && sync "$fd8" || exit 5
		) 2>&1)
		case $? in
		0) ;;
		4) rm -f "$temp"; fail "cannot give it to $to_owner: $why" ;;
		5) rm -f "$temp"; fail "$temp: $why" ;;
		*) rm -f "$temp"; fail "cannot write in $dir: $why" ;;
		esac
		# The last look before the rename.
		if [ "$2" = - ]; then
			[ ! -e "$path" ] || { rm -f "$temp"; finish "drift ?"; }
		else
			sha_of "$path"
			[ "$sha" = "$2" ] || { rm -f "$temp"; finish "drift $sha"; }
		fi
		if rename "$temp" "$path"; then
			sync "$dir" 2>/dev/null
			return 0
		fi
		rm -f "$temp"
		# A file mounted over cannot be renamed onto.
		grep -q -F " $path " /proc/self/mountinfo 2>/dev/null || fail "$path: $why"
	fi
	how_file=${how_file:-$rec/how}
	echo in-place >"$how_file" && sync "$how_file" "$rec" || fail "the record cannot be kept in $rec"
	on_file "$1" "$2" "$4" "$3"
}

cat_path() { cat "$path"; }

remove_file()
{
	temp_name
	no_temp
	[ "$kind" = absent ] && return 0
	try "cannot remove it" rm -f "$path"
	sync "$dir" 2>/dev/null
	return 0
}

# unmake LIST: it was not there before, nor were the directories on the list, if there is one.
unmake()
{
	remove_file
	[ -f "$1" ] || return 0
	while IFS= read -r d; do rmdir "$d" 2>/dev/null; done <"$1"
	return 0
}

# Directories that are not there yet, deepest first, one a line.
missing_dirs()
{
	up=$dir
	while [ ! -d "$up" ]; do
		printf "%s\n" "$up"
		up=${up%/*}
		[ -n "$up" ] || up=/
	done
}

current_sha() { if [ "$kind" = absent ]; then sha=-; else sha_of "$path"; fi; }

# ---------------------------------------------------------------- verbs

# give_file PATH N, as inspected.
give_file()
{
	if [ "$kind" = absent ]; then
		say "absent $2"
	elif [ ! -r "$1" ]; then
		say "error $2 permission denied"
	else
		say "file $2 $mode_is $uid $gid $links $names"
		head -c "$((max + 1))" "$1" 2>/dev/null || say "error $2 cannot be read"
	fi
}

# In a subshell, so that one bad path does not end the others.
give_one()
{
	answer=$(inspect "$1" >/dev/null 2>&1; echo "$? $kind $mode_is $uid $gid $links $names" 2>/dev/null)
	case $answer in
	"0 "*)
		path_given=$1 n_given=$2 names=${answer#* * * * * * }
		set -- $answer
		kind=$2 mode_is=$3 uid=$4 gid=$5 links=$6
		give_file "$path_given" "$n_given" ;;
	"1 "*) say "error $2 not a regular file" ;;
	*) say "error $2 permission denied, or nothing that can be looked at" ;;
	esac
}

# Each file's content and attributes.
verb_read()
{
	n=0
	IFS=$lf
	for p in $paths; do
		IFS=$ifs
		give_one "$p" $n
		n=$((n + 1))
	done
	IFS=$ifs
	finish ok
}

# How files stand: each as verb_read gives it, itself as "at N MODE UID GID PATH", every
# directory that leads to it as "way N ...", and "user UID NAME GID...", whose socket
# it is that listens on the port, as far as this host knows one.
verb_stand()
{
	n=0
	IFS=$lf
	for p in $paths; do
		IFS=$ifs
		real=$(readlink -f "$p" 2>/dev/null) || real=$p
		case $real in
		*"$lf"*) ;;
		/*)
			attrs=$(stat -c "%a %u %g" "$real" 2>/dev/null) && say "at $n $attrs $real"
			while [ "$real" != / ]; do
				real=${real%/*}
				[ -n "$real" ] || real=/
				give_way "$real" $n
			done ;;
		esac
		give_one "$p" $n
		n=$((n + 1))
	done
	IFS=$ifs
	case $port in ""|*[!0-9]*|??????*) ;; *) give_user ;; esac
	finish ok
}

give_way()
{
	attrs=$(stat -c "%a %u %g" "$1" 2>/dev/null) && say "way $2 $attrs $1"
}

# Whoever listens there, where it is one and the same on all addresses.
give_user()
{
	hex=$(printf "%04X" "$port")
	listens=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep ":$hex [0-9A-F]*:0000 0A ")
	them=
	IFS=$lf
	for line in $listens; do
		IFS=$ifs
		set -- $line
		[ "${them:-$8}" = "$8" ] || return 0
		them=$8
	done
	IFS=$ifs
	[ "$them" ] || return 0
	name=$(getent passwd "$them" 2>/dev/null || grep "^[^:]*:[^:]*:$them:" /etc/passwd 2>/dev/null)
	name=${name%%:*}
	if [ "$name" ]; then
		say "user $them $name $(id -G "$name" 2>/dev/null)"
	else
		say "user $them $them"
	fi
}

# runner: who still minds the command; the last one does when the others are gone.
alive()
{
	runner=
	[ -f "$rec/pid" ] || return 1
	while read -r pid; do
		kill -0 "$pid" 2>/dev/null &&
		grep -q belay-host "/proc/$pid/cmdline" 2>/dev/null && runner=$pid
	done <"$rec/pid"
	[ "$runner" ]
}

give_record()
{
	get_state
	if [ "$was" = none ]; then
		say "record none"
		return
	fi
	get_meta
	say "record $was"
	say meta
	cat "$rec/meta" 2>/dev/null
	case $was in
	started|undo-started)
		if alive; then say "running $runner"; fi ;;
	esac
	if [ -f "$rec/out" ]; then
		say out
		tail -c 60000 "$rec/out"
	fi
	if [ "$images" = 1 ]; then
		if [ -f "$rec/before" ]; then say before; cat "$rec/before"; fi
		if [ -f "$rec/after" ]; then say after; cat "$rec/after"; fi
		if [ -f "$rec/back" ]; then say back; cat "$rec/back"; fi
	fi
}

# The record of an op, and the file it is about.  Changes nothing.
verb_look()
{
	[ -z "$op" ] || give_record
	if [ "$path" ]; then
		inspect "$path" || fail "$path: not a regular file"
		if [ "$was" = intent ] && [ -f "$rec/after" ] && torn "$rec/after"; then say torn; fi
		if [ "$was" = undoing ] && [ -f "$rec/back" ] && torn "$rec/back"; then say torn; fi
		if [ "$was" = undoing ] && [ ! -f "$rec/back" ] && [ -f "$rec/before" ] &&
		   torn "$rec/before"; then say torn; fi
		give_file "$path" 0
	fi
	finish ok
}

note_after()
{
	inspect "$path" || fail "$path: not a regular file"
	if [ "$kind" = file ]; then
		printf "after-attr %s %s:%s\n" "$mode_is" "$uid" "$gid" >"$rec/attr"
		[ -z "$1" ] || [ "$1" = "$mode_is" ] || fail "$path: its mode became $mode_is, not $1"
	fi
	set_state applied
}

# Writes path: after (its hash; "-" removes it), mode, owner; over expect.
verb_put()
{
	lock
	fence
	inspect "$path" || fail "$path: not a regular file"
	keep_gone
	get_state
	get_meta
	case $was in
	none|undone|intent) ;;
	applied)
		current_sha
		[ "$m_path" = "$path" ] && [ "$sha" = "$m_after" ] && [ "$m_after" = "$after" ] ||
		finish "drift $sha"
		say "sha $m_before $m_after"
		keep_script
		finish again ;;
	*) fail "its record says $was: undo first" ;;
	esac
	if [ "$was" = intent ]; then
		# Cut short before.  Either nothing was written yet, or all of it,
		# or, in place, a part of it.
		[ "$m_path" = "$path" ] || fail "its record is about $m_path"
		# With the same content before and after, what may be written is the mode.
		current_sha
		if [ "$sha" != "$m_before" ] || [ "$m_before $m_after" = "$after $after" ]; then
			[ "$m_after" = "$after" ] || finish "drift $sha"
			inplace=$m_inplace
			if [ "$sha" != "$after" ]; then
				torn "$rec/after" || finish "drift $sha"
				inplace=1
				write_file "$rec/after" "$sha" "$mode" "$owner"
			elif [ "$kind" = file ]; then
				on_file "" "$sha" "$owner" "$mode"
			fi
			temp_name
			no_temp
			note_after "$mode"
			say "sha $m_before $m_after"
			finish applied
		fi
		temp_name
		no_temp
	elif [ "$was" = undone ]; then
		set_aside
	fi

	# The record, whole, before anything is touched.
	new=$rec.new
	rm -rf "$new"
	try "cannot begin a record" mkdir -p "$new"
	if [ "$after" != - ]; then
		cat >"$new/after" || fail "no room for what is to be written"
		sha_of "$new/after"
		[ "$sha" = "$after" ] || fail "what arrived is not what was sent"
	fi
	before=-
	if [ "$kind" = file ]; then
		cat_path >"$new/before" || fail "$path: cannot be read"
		sha_of "$new/before"
		before=$sha
	fi
	if [ "$before" != "$expect" ]; then
		rm -rf "$new"
		finish "drift $before"
	fi
	{ missing_dirs; cat "$rec/dirs" 2>/dev/null; } >"$new/dirs"
	{
		printf "belay-record 1\nop %s\nkind %s\npath %s\n" "$op" "$kind_of" "$path"
		printf "before %s\nafter %s\n" "$before" "$after"
		printf "mode %s\nuid %s\ngid %s\nin-place %s\n" "$mode_is" "$uid" "$gid" "$inplace"
		printf "set-mode %s\nset-owner %s\n" "$mode" "$owner"
		whose
	} >"$new/meta" && echo intent >"$new/state" || fail "no room for the record"
	begin_record
	keep_script || fail "no room for the way back"

	say "sha $before $after"
	if [ "$after" = - ]; then
		remove_file
	elif [ "$before" = "$after" ] && [ -z "$owner" ] && { [ -z "$mode" ] || [ "$mode" = "$mode_is" ]; }; then
		: nothing to write
	else
		if [ ! -d "$dir" ]; then
			(umask 022 && mkdir -p "$dir") 2>/dev/null || fail "$dir: cannot be made"
			dmode=755
		fi
		write_file "$rec/after" "$before" "$mode" "$owner"
	fi
	note_after "$mode"
	finish applied
}

# The way back.  Without `after` the before-image, else the payload, which
# is what a per-key undo came to; over expect.
verb_restore()
{
	lock
	fence
	keep_gone
	get_state
	case $was in
	none) finish none ;;
	undone) keep_script; finish again ;;
	intent|applied|undoing) ;;
	*) fail "its record says $was" ;;
	esac
	get_meta
	[ -z "$path" ] || [ "$path" = "$m_path" ] || fail "its record is about $m_path"
	path=$m_path
	inplace=$m_inplace
	inspect "$path" || fail "$path: not a regular file"
	current_sha
	[ "$sha" = "$expect" ] || finish "drift $sha"
	if [ "$after" = "" ]; then
		rm -f "$rec/back"
		source=$rec/before
		after=$m_before
	elif [ "$after" != - ]; then
		cat >"$rec/back.new" || fail "no room for what is to be written"
		sha_of "$rec/back.new"
		[ "$sha" = "$after" ] || fail "what arrived is not what was sent"
		sync "$rec/back.new" && mv -f "$rec/back.new" "$rec/back" || fail "$rec: cannot be kept"
		source=$rec/back
	fi
	set_state undoing

	# Mode and owner go back where they are still what we left.
	to_mode=$mode_is to_owner=
	if [ "$as_is" ]; then
		:
	elif [ -n "$m_mode" ] && [ "$kind" = file ]; then
		a_mode= a_owner=
		if [ -f "$rec/attr" ]; then
			IFS=" " read -r word a_mode a_owner <"$rec/attr"
		fi
		if [ -z "$a_mode" ] || [ "$a_mode" = "$mode_is" ]; then to_mode=$m_mode; fi
		if [ -z "$a_owner" ] || [ "$a_owner" = "$uid:$gid" ]; then
			[ "$m_uid:$m_gid" = "$uid:$gid" ] || to_owner=$m_uid:$m_gid
		fi
	elif [ -n "$m_mode" ]; then
		to_mode=$m_mode
		[ "$me" != 0 ] || to_owner=$m_uid:$m_gid
	fi
	if [ "$after" = - ]; then
		unmake "$rec/dirs"
	elif [ "$after" = "$expect" ]; then
		temp_name
		no_temp
		on_file "" "$expect" "$to_owner" "$to_mode"
	else
		write_file "$source" "$expect" "$to_mode" "$to_owner"
	fi
	say "sha $expect $after"
	set_state undone
	rm -f "$rec/back"
	keep_script
	finish undone
}

# Who may change this host: one holder at a time, for ttl seconds, renewed while
# it works.  phase take: the token to write with, a higher one than anybody had
# before where the holder changes, so that the one before writes here no more.
# A holder whose time is not up is not displaced, unless always says so.
# phase free: gives it back.  phase look: says who has it.
verb_lease()
{
	case $phase in take|free|look) ;; *) fail "not a phase of a lease: $phase" ;; esac
	case $holder in ""|*[!A-Za-z0-9]*) fail "not a holder: $holder" ;; esac
	case $ttl in ""|*[!0-9]*|?????*) fail "not a time to live: $ttl" ;; esac
	lock
	seen=0 l_until=0 l_holder= l_who=
	[ -f "$state/token" ] && IFS=" " read -r seen l_who <"$state/token"
	case $seen in ""|*[!0-9]*) seen=0 ;; esac
	l_token=0 l_who=
	[ -f "$state/lease" ] && { IFS=" " read -r l_token l_until l_holder && IFS= read -r l_who; } <"$state/lease"
	case $l_token:$l_until in :*|*:|*[!0-9:]*) l_token=0 l_until=0 l_holder= l_who= ;; esac
	now=$(date +%s) || fail "date: does not say the time"
	left=$((l_until - now))
	# A clock that was set back does not make a lease longer than it can be.
	[ "$left" -le 9999 ] || left=0
	case $phase in
	look)
		[ "$left" -gt 0 ] || finish free
		[ "$l_holder" != "$holder" ] || finish "leased $l_token"
		finish "held $left $l_who" ;;
	free)
		[ "$l_holder" = "$holder" ] && [ "$l_token" = "$token" ] || finish free
		put_lease "$l_token" 0
		finish free ;;
	esac
	if [ "$l_holder" != "$holder" ] && [ "$left" -gt 0 ] && [ ! "$always" ]; then
		finish "held $left $l_who"
	fi
	# What the one before has begun is waited for, whoever takes it over.
	if [ "$l_holder" != "$holder" ] && [ -f "$state/busy" ]; then
		IFS= read -r op <"$state/busy"
		rec=$state/runs/$op
		get_state
		case $was in
		started|undo-started)
			if alive; then finish "held 1 $l_who: its command still runs"; fi ;;
		esac
	fi
	if [ "$l_holder" = "$holder" ] && [ "$l_token" = "$seen" ] && [ "$seen" -gt 0 ]; then
		token=$seen
	else
		token=$((seen + 1))
		fence
	fi
	put_lease "$token" "$((now + ttl))"
	finish "leased $token"
}

put_lease()
{
	printf "%s %s %s\n%s %s\n" "$1" "$2" "$holder" "$who" "$doing" >"$state/lease.new" &&
	sync "$state/lease.new" && mv -f "$state/lease.new" "$state/lease" && sync "$state" ||
	fail "no room for the lease in $state"
}

# The records of the newest run of this plan, each with its state.
verb_records()
{
	case $plan in ""|*[!0-9a-f]*) fail "not a plan: $plan" ;; esac
	[ -d "$state/runs" ] || finish none
	set +f
	for one in $(ls -r "$state/runs"); do
		cat "$state/runs/$one"/*/*/meta 2>/dev/null | grep -q "^plan $plan\$" || continue
		for rec in "$state/runs/$one"/*/*; do
			case $rec in *"~"*|*.new|*.gone) continue ;; esac
			get_state
			[ "$was" != none ] || continue
			say "rec ${rec#"$state/runs/"}"
			printf "state %s\n" "$was"
			cat "$rec/meta"
		done
		finish ok
	done
	finish none
}

# The command, and what it is to read.  That goes through this shell alone: it is
# no argument, no variable of anybody, and in no file.
take_command()
{
	input=
	if [ ! "$command_lines" ]; then
		command=$(cat)
		return
	fi
	case $command_lines:$input_bytes in *[!0-9:]*|*:|:*) fail "not a length" ;; esac
	command= n=0
	while [ $n -lt "$command_lines" ] && IFS= read -r line; do
		command=$command$line$lf
		n=$((n + 1))
	done
	[ $n = "$command_lines" ] || fail "the request was cut short"
	input=$(cat; echo .)
	input=${input%.}
	[ ${#input} = "$input_bytes" ] || fail "the request was cut short"
	case $(type printf) in
	*builtin*) ;;
	*) fail "the shell has no printf of its own: what the command is to read would be seen by others" ;;
	esac
}

# In the environment that a login would have given it.
run_command()
{
	umask "$umask_was"
	if [ "${lc_was+x}" ]; then LC_ALL=$lc_was; else unset LC_ALL; fi
	[ -z "$dir_in" ] || cd "$dir_in" || return 127
	set +f
	if [ "$input" ]; then
		printf "%s" "$input" 2>/dev/null | sh -c "$1"
	else
		sh -c "$1" </dev/null
	fi
}

# A command that changes nothing: no record.
verb_try()
{
	take_command
	[ "$command" ] || fail "no command"
	say out
	(run_command "$command") 2>&1
	finish "exit $?"
}

# Lays the way back beside the records, for hands that have no belay.
keep_script()
{
	[ "$script_lines" ] || return 0
	run_dir=$state/runs/${op%%/*}
	if [ "$script_lines" = 0 ]; then
		rm -f "$run_dir/undo.sh"
	else
		printf "%s" "$script" >"$run_dir/undo.new" && chmod 700 "$run_dir/undo.new" &&
		sync "$run_dir/undo.new" && mv -f "$run_dir/undo.new" "$run_dir/undo.sh"
	fi
}

# ---------------------------------------------------------------- files that a command touches

# line_of FILE N: t_mode t_owner t_sha of file N; false where there is none.
line_of()
{
	t_mode= t_owner= t_sha= t_path=
	[ -f "$1" ] || return 1
	while IFS=" " read -r t_n t_mode t_owner t_sha t_path; do
		[ "$t_n" != "$2" ] || return 0
	done <"$1"
	t_mode= t_owner= t_sha= t_path=
	return 1
}

# Before the command: each as it is.  A command that is run again, after it
# failed or was cut, keeps what was before the first time, unless others came in between.
keep_touched()
{
	[ "$touches" ] || return 0
	n=0
	: >"$rec/touched.new" || fail "no room for the record"
	IFS=$lf
	for path in $touches; do
		IFS=$ifs
		n=$((n + 1))
		inspect "$path" || fail "$path: not a regular file"
		current_sha
		if line_of "$rec/left" $n; then left_sha=$t_sha; else left_sha=$sha; fi
		if line_of "$rec/touched" $n && [ "${t_path%/}" = "$path" ] && [ "$left_sha" = "$sha" ]; then
			printf "%s %s %s %s %s/\n" $n "$t_mode" "$t_owner" "$t_sha" "$path" >>"$rec/touched.new" ||
			fail "no room for the record"
			continue
		fi
		rm -f "$rec/$n.before" "$rec/$n.dirs" "$rec/$n.how" "$rec/$n.found"
		if [ "$kind" = file ]; then
			size=$(wc -c <"$path") || fail "cannot read $path"
			[ "$((size))" -le "$max" ] ||
			fail "$path: larger than $max bytes; it is not kept, so the command was not run"
			was_sha=$sha
			try "cannot keep $path" cp "$path" "$rec/$n.before"
			sha_of "$rec/$n.before"
			[ "$sha" = "$was_sha" ] || fail "$path: keeps changing; the command was not run"
		else
			missing_dirs >"$rec/$n.dirs"
		fi
		printf "%s %s %s %s %s/\n" $n "${mode_is:--}" "$uid:$gid" "$sha" "$path" >>"$rec/touched.new" ||
		fail "no room for the record"
	done
	IFS=$ifs
	set +f
	why=$(sync "$rec"/* "$rec" 2>&1) || fail "the record cannot be kept: $why"
	set -f
	try "the record cannot be kept" mv -f "$rec/touched.new" "$rec/touched"
}

# note_left TAG: how the command left them, by lines as in touched.
note_left()
{
	: >"$rec/left.new"
	while IFS=" " read -r n t_mode t_owner t_sha path; do
		path=${path%/}
		now=$(inspect "$path" >/dev/null 2>&1 && current_sha >/dev/null 2>&1 &&
			echo "${mode_is:--} $uid:$gid $sha" 2>/dev/null)
		case $now in *" "*" "*) ;; *) now="? ? ?" ;; esac
		printf "%s %s %s/\n" "$n" "$now" "$path" >>"$rec/left.new"
	done <"$rec/touched"
	sync "$rec/left.new" && mv -f "$rec/left.new" "$rec/left$1" && sync "$rec"
}

# Nobody saw how the command left them: what is there now is kept, too.
keep_found()
{
	while IFS=" " read -r n t_mode t_owner t_sha path; do
		path=${path%/}
		[ ! -f "$path" ] || cp "$path" "$rec/$n.found" || fail "no room for what stands in $path"
	done <"$rec/touched"
	note_left "" || fail "the record cannot be kept in $rec"
}

# Is the file as it was, as the command or its undo left it, or our own write cut short?
is_ours()
{
	[ "$sha" != "$t_sha" ] || return 0
	how_file=$rec/$n.how
	if torn "$rec/$n.before"; then return 0; fi
	before_is=$t_sha
	for left in "$rec/left" "$rec/left-undo"; do
		line_of "$left" "$n"
		[ "$t_sha" != "$sha" ] || { t_sha=$before_is; return 0; }
	done
	return 1
}

# All of them, or none is touched.
still_left()
{
	drifted=
	while IFS=" " read -r n t_mode t_owner t_sha path; do
		path=${path%/}
		if is_kept "$n"; then continue; fi
		if inspect "$path"; then current_sha; else sha="?"; fi
		is_ours && continue
		say "drifted $path"
		drifted=1
	done <"$rec/touched"
	how_file=
	[ ! "$drifted" ] || finish drift
}

# What somebody else made of them stays, if that is wanted: noted before the undo
# begins, since its command leaves them as they are, and that counts as ours.
note_kept()
{
	rm -f "$rec/kept"
	[ "$as_is" ] || return 0
	: >"$rec/kept.new" || fail "no room for the record"
	while IFS=" " read -r n t_mode t_owner t_sha path; do
		path=${path%/}
		if inspect "$path"; then current_sha; else sha="?"; fi
		is_ours || printf "%s\n" "$n" >>"$rec/kept.new" || fail "no room for the record"
	done <"$rec/touched"
	how_file=
	try "the record cannot be kept" mv -f "$rec/kept.new" "$rec/kept"
}

is_kept() { [ -f "$rec/kept" ] && grep -q -x -F "$1" "$rec/kept"; }

put_back()
{
	still_left
	while IFS=" " read -r n b_mode b_owner b_sha path; do
		path=${path%/}
		if is_kept "$n"; then
			say "kept $path"
			continue
		fi
		inspect "$path" || fail "$path: not a regular file"
		current_sha
		how_file=$rec/$n.how
		line_of "$rec/left-undo" "$n" || line_of "$rec/left" "$n"
		# Mode and owner go back where they are still as the command left them.
		to_mode= to_owner=
		if [ "$kind" = file ] && [ "$b_sha" != - ]; then
			case $t_mode in "$mode_is"|-|"?") [ "$b_mode" = "$mode_is" ] || to_mode=$b_mode ;; esac
			case $t_owner in "$uid:$gid"|:|"?") [ "$b_owner" = "$uid:$gid" ] || to_owner=$b_owner ;; esac
		else
			to_mode=$b_mode
			[ "$me" != 0 ] || to_owner=$b_owner
		fi
		if [ "$b_sha" = - ]; then
			unmake "$rec/$n.dirs"
		elif [ "$sha" = "$b_sha" ]; then
			temp_name
			no_temp
			on_file "" "$sha" "$to_owner" "$to_mode"
		else
			if [ ! -d "$dir" ]; then
				(umask 022 && mkdir -p "$dir") 2>/dev/null || fail "$dir: cannot be made"
				dmode=755
			fi
			write_file "$rec/$n.before" "$sha" "$to_mode" "$to_owner"
		fi
	done <"$rec/touched"
	how_file=
	set_state undone
}

# A timeout that is ended while it begins may leave behind what it was to mind.
# It makes a group of its own before that (busybox has none, and needs none).
stop_follower()
{
	kill -- "-$follower" 2>/dev/null || {
		nap
		kill -- "-$follower" 2>/dev/null || kill "$follower" 2>/dev/null
	}
	wait "$follower" 2>/dev/null
}

# What was before a command is in its record, and must not be taken again.
keeps_before() { [ -f "$rec/touched" ] || [ -f "$rec/version-before" ]; }

# note_version TAG: what the command that shows it prints now
note_version()
{
	[ "$version" ] || return 0
	kept_input=$input
	input=
	if (run_command "$version") >"$rec/version.new" 2>"$rec/version.said"; then code_was=0; else code_was=$?; fi
	input=$kept_input
	[ $code_was = 0 ] && mv -f "$rec/version.new" "$rec/version-$1"
}

same_version() { [ "$(cat "$rec/version-now")" = "$(cat "$rec/version-$1" 2>/dev/null)" ]; }

# An undo of what has a version: it is as before, or as the command or its undo left it, or
# somebody else has put another one since.  Of a command that was cut, what is there now is its.
look_version()
{
	note_version now || fail "what its version is now is not known: $(head -c 300 "$rec/version.said"); nothing was undone"
	[ -f "$rec/version-after" ] || cp "$rec/version-now" "$rec/version-after" || fail "no room for the record"
	if ! same_version before; then
		if same_version after || same_version undone; then return; fi
		if [ ! "$as_is" ]; then
			for one in before after now; do
				say "value $one"
				cat "$rec/version-$one"
			done
			finish drift
		fi
		say "kept the version"
	fi
	# There is nothing for its undo to do, but the files.
	command=
	[ ! -f "$rec/touched" ] || return 0
	set_state undone
	keep_script
	finish undone
}

# phase do or undo.  The record says started before the command is, and ended
# with its status after; in between it is cut, unless it still runs.
verb_run()
{
	take_command
	[ "$command" ] || [ "$phase" = undo ] || fail "no command"
	lock
	fence
	get_state
	case $phase:$was in
	do:none) ;;
	do:"ended 0")
		if [ "$anew" != 1 ]; then give_out; finish again; fi
		set_aside ;;
	do:undone|do:"undo-ended 0") set_aside ;;
	do:"ended "*) keeps_before || set_aside ;;
	do:started)
		if alive; then finish "running $runner"; fi
		[ "$idempotent" = 1 ] || finish cut
		keeps_before || set_aside ;;
	do:*) fail "its record says $was: undo first" ;;
	undo:none) [ "$always" ] || finish none ;;
	undo:"undo-ended 0"|undo:undone) keep_script; give_out; finish again ;;
	undo:started)
		if alive; then finish "running $runner"; fi ;;
	undo:undo-started)
		if alive; then finish "running $runner"; fi
		[ "$idempotent" = 1 ] || finish cut ;;
	undo:"ended "*|undo:"undo-ended "*) ;;
	undo:putting-back)
		put_back
		keep_script
		give_out
		finish undone ;;
	*) fail "its record says $was" ;;
	esac
	case $phase$by_value:$was in
	undo:undo-started) ;;
	undo:*) if [ "$version" ] && [ -f "$rec/version-before" ]; then look_version; fi ;;
	esac
	if [ "$phase" = undo ] && [ -f "$rec/touched" ]; then
		# What a command that was cut has left is what is there now.
		[ -f "$rec/left" ] || keep_found
		case $was in
		undo-started) ;;
		putting-back) still_left ;;
		*)
			note_kept
			still_left ;;
		esac
		if [ ! "$command" ]; then
			set_state putting-back
			put_back
			keep_script
			finish undone
		fi
	fi
	if [ "$phase" = undo ] && [ "$by_value" ] && [ -f "$rec/version-before" ]; then look_by_value; fi
	[ "$command" ] || fail "there is no command that undoes it, and no file was kept"
	tag=
	[ "$phase" = do ] || tag=undo-
	try "cannot begin a record" mkdir -p "$rec"
	if [ "$phase" = do ]; then keep_touched; fi
	if [ "$phase" = do ] && [ ! -f "$rec/version-before" ]; then
		note_version before || fail "what was before is not known: $(head -c 300 "$rec/version.said"); the command was not run"
	fi
	{
		printf "belay-record 1\nop %s\nkind %s\nin %s\n" "$op" "$kind_of" "$dir_in"
		whose
	} >"$rec/meta" && printf "%s\n" "$command" >"$rec/${tag}command" &&
	printf "%s\n" "$$" >"$rec/pid" && : >"$rec/out" || fail "no room for the record"
	sync "$rec/meta" "$rec/pid" 2>/dev/null
	printf "%s\n" "$op" >"$state/busy.new" && mv -f "$state/busy.new" "$state/busy" || fail "no room for the record"
	# Before the record says started: from then on nobody can tell that it did not run.
	[ "$phase" = undo ] || keep_script || fail "no room for the way back"
	set_state "${tag}started"
	[ "$phase" = undo ] || rm -f "$rec/left" "$rec/left-undo"
	sync "${rec%/*}" 2>/dev/null
	unlock

	# This one sees the command through, even if whoever waits for it is gone.
	(
		trap "" HUP
		if [ "$tag" ] && [ ! "$by_value" ] && [ -f "$rec/version-before" ]; then
			BELAY_RECORD=$rec
			export BELAY_RECORD
			command="before() { cat \"\$BELAY_RECORD/version-before\"; }${lf}after() { cat \"\$BELAY_RECORD/version-after\"; }${lf}$command"
		fi
		[ ! "$by_value" ] || give_value
		(trap - HUP; run_command "$command")
		code=$?
		if [ "$by_value" ]; then
			prove_value
		elif [ "$tag" ]; then
			note_version undone
		else
			note_version after
		fi
		if [ -f "$rec/touched" ]; then note_left "${tag:+-undo}"; fi
		if [ "$tag" ] && [ "$code" = 0 ] && [ -f "$rec/touched" ]; then
			put_state putting-back
		else
			put_state "${tag}ended $code"
		fi
		exit "$code"
	) >"$rec/out" 2>&1 </dev/null &
	runner=$!
	printf "%s\n" "$runner" >>"$rec/pid"
	follower=
	if [ "$live" ]; then
		say live
		timeout "$live" tail -c +1 -f "$rec/out" 2>/dev/null &
		follower=$!
	fi
	wait "$runner"
	code=$?
	if [ "$follower" ]; then
		stop_follower
	fi
	give_out
	get_state
	if [ "$was" = putting-back ]; then
		lock
		fence
		get_state
		if [ "$was" = putting-back ]; then put_back; fi
		keep_script
		finish undone
	fi
	# Whoever waited for its end may be undoing it already.
	case $phase:$was in
	"$phase:${tag}ended $code"|do:undo*) ;;
	*) fail "the record of its end cannot be kept" ;;
	esac
	[ "$tag$code" != undo-0 ] || keep_script
	finish "exit $code"
}

# Ends this program after so many seconds, and the lock with it: who is
# waited for may be gone without a word.
watch()
{
	(
		exec 9>&- </dev/null >/dev/null 2>&1
		n=0
		while [ $n -lt "$1" ]; do
			sleep 1
			kill -0 $$ 2>/dev/null || exit 0
			n=$((n + 1))
		done
		kill $$
	) &
	watcher=$!
}

# take_lines FILE: lines of stdin up to an empty one.
take_lines()
{
	while IFS= read -r line; do
		[ "$line" ] || return 0
		printf "%s\n" "$line"
	done >"$1"
	return 1
}

# For what is done elsewhere and belongs under the lock of this host: a statement at
# a server.  Says what the record is and waits: for "go" (phase do: then lines of
# what was before and of what is to be), which it keeps; says so and waits for
# the outcome.  Where stdin ends instead, the record stays what it is.  It
# waits no longer than ttl seconds.
verb_hold()
{
	case $phase in do|undo) ;; *) fail "not a phase of a hold: $phase" ;; esac
	case $ttl in ""|*[!0-9]*|?????*) fail "not a time to live: $ttl" ;; esac
	lock
	watch "$ttl"
	fence
	keep_gone
	give_record
	say "wait locked"
	IFS= read -r line || finish cut
	[ "$line" = go ] || finish left
	if [ "$phase" = undo ]; then
		case $was in
		intent|applied|undoing) ;;
		*) fail "its record says $was" ;;
		esac
		set_state undoing
	else
		case $was in
		none|intent) ;;
		undone|failed) set_aside ;;
		*) fail "its record says $was: undo first" ;;
		esac
		new=$rec.new
		rm -rf "$new"
		try "cannot begin a record" mkdir -p "$new"
		take_lines "$new/before" && take_lines "$new/after" || finish cut
		sha_of "$new/before"
		before=$sha
		sha_of "$new/after"
		{
			printf "belay-record 1\nop %s\nkind %s\nserver %s\n" "$op" "$kind_of" "$server"
			printf "before %s\nafter %s\n" "$before" "$sha"
			whose
		} >"$new/meta" && echo intent >"$new/state" || fail "no room for the record"
		begin_record
		keep_script || fail "no room for the way back"
	fi
	say "wait holding"
	IFS= read -r line || finish cut
	case $line in
	applied|undone|failed)
		set_state "$line"
		[ "$line" = applied ] || keep_script
		finish "$line" ;;
	esac
	finish left
}

give_out()
{
	if [ -f "$rec/out" ]; then
		say out
		tail -c 60000 "$rec/out"
	fi
}

eval "$more"
case $verb in
read) verb_read ;;
stand) verb_stand ;;
look) verb_look ;;
lease) verb_lease ;;
records) verb_records ;;
try) verb_try ;;
put|restore|run|hold)
	[ "$op" ] || fail "no op id"
	"verb_$verb" ;;
*) fail "unknown verb: $verb" ;;
esac
