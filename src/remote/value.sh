# value: the part of the host-side program (host.sh) that undoes commands by value.
#
# Comes before the payload of a request about such a command.  What observes it
# comes as the command that shows a version does, and what that printed is in version-before,
# version-after (what the command left), version-now and version-back (at its undo).
# It is compared, and given back in BELAY_VALUE, and no shell ever reads it.
#
# No apostrophes and no doubled backslashes outside comments, as in host.sh.

# What is compared has nothing between it that is said beside.
verb_try()
{
	take_command
	[ "$command" ] || fail "no command"
	say out
	(run_command "$command") 2>/dev/null
	finish "exit $?"
}

# note_version TAG: what is observed now
note_version()
{
	kept_input=$input
	input=
	if (run_command "$version") >"$rec/version.new" 2>"$rec/version.said"; then code_was=0; else code_was=$?; fi
	input=$kept_input
	if [ $code_was = 0 ] && [ "$(wc -c <"$rec/version.new")" -gt 16384 ]; then
		echo "it prints more than 16384 bytes" >"$rec/version.said"
		code_was=1
	fi
	[ $code_was = 0 ] && mv -f "$rec/version.new" "$rec/version-$1"
}

# same TAG TAG: was the same observed?
same() { [ "$(cat "$rec/version-$1" 2>/dev/null)" = "$(cat "$rec/version-$2" 2>/dev/null)" ]; }

# An undo by value: it is as before, or as the command left it, or it was somebody else.
look_by_value()
{
	note_version now || fail "what it is now cannot be observed: $(head -c 300 "$rec/version.said"); nothing was undone"
	kept=
	if ! same now before && [ "$was" != undo-started ] && [ -f "$rec/version-after" ] && ! same now after &&
	    { [ ! "$wanted" ] || [ "$(cat "$rec/version-now")" != "$wanted" ]; }; then
		if [ ! "$as_is" ]; then
			for one in before after now; do
				say "value $one"
				cat "$rec/version-$one"
			done
			finish drift
		fi
		kept=1
		say "kept what is observed"
	fi
	if [ "$kept" ] || same now before; then
		set_state undone
		keep_script
		finish undone
	fi
}

# What has been observed is what was to be; or its words, and failure.
proven_by_value()
{
	if ! note_version "$1"; then
		printf "belay: what it is cannot be observed: "
		head -c 300 "$rec/version.said"
		return 1
	fi
	if [ "$1" = back ]; then
		! same back before || return 0
	else
		[ "$wanted" ] || return 0
		[ "$(cat "$rec/version-after")" != "$wanted" ] || return 0
	fi
	printf "belay: the command ended well, and what is observed is not what was to be: "
	head -c 300 "$rec/version-$1"
	return 1
}

# What the command that is to be run finds in its environment.
give_value()
{
	[ "$wanted" ] || return 0
	BELAY_VALUE=$wanted
	[ ! "$tag" ] || BELAY_VALUE=$(cat "$rec/version-before")
	export BELAY_VALUE
}

# After it: its code is a failure where what is observed is not what was to be.
prove_value()
{
	if [ "$code" != 0 ]; then
		[ "$tag" ] || note_version after
	elif [ "$tag" ]; then
		proven_by_value back || code=1
	else
		proven_by_value after || code=1
	fi
}
