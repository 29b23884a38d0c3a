# shellcheck shell=sh
# How a torture counts belay's calls, and kills it at one of them, by tripwire.
# Sourced, behind world.sh.

can_trace() {
	"$trip" -o "$tmp/can" true
}

record() {
	"$trip" -w -o "$tmp/trip" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" "$1" flip --yes >"$s/said" 2>&1 </dev/null ||
		{ cat "$s/said"; return 1; }
	grep -q '^console fdatasync' "$tmp/trip" && grep -q '^worker write' "$tmp/trip" && cat "$tmp/trip"
}

# strike ROLE CALL N VERB
strike() {
	rc=0
	timeout -k 5 90 "$trip" -o "$s/trip" -k "$1:$2:$3" "$BELAY" -f "$w/fleet.yaml" -p "$w/plan.yaml" \
		"$4" flip --yes >"$s/killed" 2>&1 </dev/null || rc=$?
	! grep -q '^fired' "$s/trip" || : >"$s/fired"
	case $1:$([ -f "$s/fired" ]; echo $?):$rc in
	console:0:137) ;;
	*:1:0|worker:0:[0135]) ;;
	*) echo "exit $rc"; cat "$s/killed"; return 1 ;;
	esac
}
