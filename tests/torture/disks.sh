#!/bin/sh
# time limit: 400
# A host whose disk is full, at every size: the host-side program's own directory,
# or the one with the files that are edited, has room for N pages more, or for N
# files more, from none up to as many as an apply or an undo needs.  It fails in
# words, leaves each file as it was or as it was to be (one that is written in place
# may be torn, and is healed), and with room again the step is finished or taken back.
#
#	tests/torture/disks.sh [-n POINTS] [-j JOBS] [WHERE:WHAT:N:VERB:THEN …]
#
# The disks are tmpfs, in mounts of our own.
case $(id -u):${TORTURE_MOUNTS-} in
*:yes) ;;
0:*) TORTURE_MOUNTS=yes exec unshare -m sh "$0" "$@" ;;
*) TORTURE_MOUNTS=yes exec unshare -U -r -m sh "$0" "$@" ;;
esac
. "$(dirname "$0")/world.sh"

can_trace() {
	mkdir -p "$tmp/mount" && mount -t tmpfs tmpfs "$tmp/mount" && umount "$tmp/mount"
}

# small WHERE WHAT N COMMAND …: with room for so much only
small() {
	case $1 in state) d=$w/hoststate ;; target) d=$w/host ;; esac
	what=$2 room=$3
	shift 3
	cp -a "$d" "$d.was" && mount -t tmpfs -o "mode=$(stat -c %a "$d"),size=64m,nr_inodes=100k" tmpfs "$d" &&
		cp -a "$d.was/." "$d" && rm -rf "$d.was" || return 1
	case $what in
	pages) what=size=$((($(df --output=used -k "$d" | tail -n 1) + room * 4)))k ;;
	inodes) what=nr_inodes=$(($(df --output=iused "$d" | tail -n 1) + room)) ;;
	esac
	mount -o "remount,$what" "$d" || return 1
	small_rc=0
	"$@" || small_rc=$?
	# What belay had started may be at work there for a moment yet.
	tries=0
	until mount -o remount,ro "$d" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 200 ] || { echo "something still writes there"; return 1; }
		sleep 0.05
	done
	cp -a "$d" "$d.was" && umount -l "$d" && rm -rf "$d" && mv "$d.was" "$d"
}

# strike WHERE WHAT N VERB
strike() {
	small "$1" "$2" $(($3 - 1)) belay "$4" flip --yes >"$s/killed" 2>&1 || { cat "$s/killed"; return 1; }
	[ "$small_rc" -ne 0 ] || return 0
	: >"$s/fired"
	case $small_rc:$4 in
	1:*|3:undo) ;;
	*) echo "exit $small_rc"; cat "$s/killed"; return 1 ;;
	esac
	grep -q "host 'box'.*\(No space\|no room\|cannot \)" "$s/killed" || { echo "it does not say why"; cat "$s/killed"; return 1; }
	# Its files: content, mode and owner of before or after, or what is written in place.
	tree >"$s/tree.now"
	grep -v -e ' pool.ini$' -e ' ./pool.ini$' -e ' $' "$s/tree.now" | sort -u >"$s/tree.seen"
	sort -u "$s/tree.before" "$s/tree.done" | comm -23 "$s/tree.seen" - >"$s/tree.odd"
	[ ! -s "$s/tree.odd" ] || { echo "half done:"; cat "$s/tree.odd" "$s/killed"; return 1; }
}

# How much room is enough: from there on it does not fire.
enough() {
	low=-1 high=64
	while [ $((high - low)) -gt 1 ]; do
		mid=$(((low + high) / 2))
		world_as "$as" && small "$1" "$2" $mid belay "$verb" flip --yes >"$s/said" 2>&1 || return 1
		if [ "$small_rc" -eq 0 ]; then high=$mid; else low=$mid; fi
	done
	[ $high -eq 0 ] || echo "$1 $2 $high"
}

record() {
	verb=$1
	for where in state target; do
		enough $where pages && enough $where inodes || return 1
	done
}

points() {
	all_points
}

torture "$@"
