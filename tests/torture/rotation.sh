#!/bin/sh
# What comes between while a CA gives way to the next: a client's file changed by hand, a
# host that does not answer, a client that is declared in the middle, the program killed
# in each phase and on the way back. The swap waits, and says for whom; what was cut is
# finished or taken back; and no client that connects meanwhile is turned away.
here=$(cd "$(dirname "$0")/../e2e" && pwd)
. "$here/trafficlib.sh"

phase_1=both-redis-health.redis

make() {
	up_by_files lab && with_next && in_one_go && until_ 20 traffic_flows 200
}

to_tls() {
	belay apply --all --yes --waive "nobody unseen redis" --reason "all of them are flipped" || return 1
	plan=$tmp/rotate.yaml
	sed "s/soak: 10m/soak: 1s/" "$top/plans/rotate-ca.plan.yaml" >"$plan"
	tree | sort >"$tmp/tree.start"
	traffic_mark
}

# ---- killed -------------------------------------------------------------------------

said() {
	grep -q -e "$1" "$tmp/out"
}

# killed_as TEXT ARGUMENTS: with SIGKILL, as soon as it says so
killed_as() {
	text=$1
	shift
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$plan" "$@" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
	end=$(($(date +%s) + 240))
	until said "$text"; do
		kill -0 "$pid" 2>/dev/null && [ "$(date +%s)" -lt "$end" ] || { tail -n 5 "$tmp/out"; kill -9 "$pid"; return 1; }
		sleep 0.02
	done
	kill -9 "$pid" || return 1
	rc=0
	wait "$pid" 2>/dev/null || rc=$?
	tail -n 2 "$tmp/out"
	[ "$rc" -eq 137 ]
}

# In whatever state it was left: not done, and nobody works on it.
left_open() {
	phase=$(phase_of "$1")
	echo "$phase"
	case $phase in faulted | doubt | stuck) ;; *) return 1 ;; esac
}

# ---- by hand ------------------------------------------------------------------------

# A client that reads its file when it is told to, and is not told.
by_hand() {			# by_hand CERTIFICATE: that CA alone
	file=$dir/hosts/telpro/srv/voiceai/tls/redis-ca.crt
	[ -f "$tmp/file.kept" ] || cp -p "$file" "$tmp/file.kept"
	cat "$(ca_of "$1")" >"$file"
}

put_right() {
	cat "$tmp/file.kept" >"$file"
}

file_changed() {
	by_hand internal
	fails 1 "swap: refused: telpro -> redis trusts next: telpro-1: .*redis-ca.crt holds the CA of internal, not that of 'next'" \
		belay apply swap --yes
	rc=$?
	put_right
	return $rc
}

host_is_silent() {
	"$lab" stop-sshd "$dir" voice || return 1
	fails 1 "swap: refused: voice -> pgbouncer trusts next: inconclusive" belay apply swap --yes
	rc=$?
	"$lab" cont-sshd "$dir" voice
	return $rc
}

# ---- one more client -----------------------------------------------------------------

declare_late() {		# declare_late DIAL: with the old CA in its file
	cp "$(ca_of internal)" "$dir/hosts/web/srv/voiceai/tls/late.crt"
	echo MODE=verify-full >"$dir/hosts/web/srv/voiceai/late.env"
	cp "$fleet" "$tmp/fleet.kept"
	cat >>"$fleet" <<-CLIENT
	  late:
	    host: web-1
	    evidence: rehearsal
	    links:
	      redis: { match: { address: 10.77.1.1 }, dial: $1, trust: { ca: internal, file: /srv/voiceai/tls/late.crt } }
	CLIENT
}

undeclare() {
	cp "$tmp/fleet.kept" "$fleet"
	rm -f "$dir/hosts/web/srv/voiceai/tls/late.crt" "$dir/hosts/web/srv/voiceai/late.env"
}

late_comes_first() {
	declare_late '{ file: /srv/voiceai/late.env, set: { MODE: "$(dial)" } }'
	fails 1 "step 'both-late.redis' comes first" belay apply swap --yes
	rc=$?
	undeclare
	return $rc
}

late_cannot_be_moved() {
	declare_late '{ fixed: verify-full }'
	fails 1 "late -> redis is refused: the client's CA file does not hold the CA" belay check
	rc=$?
	undeclare
	return $rc
}

all_undone() {
	belay undo --all --yes && believed "$(ca_of internal)" "$tls/pg.pem"
}

ok "a lab comes up, whose clients connect anew all the time" make || finish
ok "all of it is brought to tls" to_tls || finish
ok "killed while the first client is given both" killed_as "both-api.redis': applying, 1 of" apply --to both-api.redis --yes
ok "its step is open" left_open both-api.redis
ok "it is gone on with, to the end of the phase" belay apply --to $phase_1 --yes || finish
ok "a file that somebody put back: the swap is refused, and says whose" file_changed
ok "a host that does not answer: the swap is refused, and says which" host_is_silent
ok "a client that is declared now: it comes before the swap" late_comes_first
ok "one that cannot be moved: the plan is rejected with its name" late_cannot_be_moved
ok "killed in the swap" killed_as "swap': applying, 2 of" apply swap --yes
ok "it is open" left_open swap
ok "it is taken back" belay undo swap --yes
ok "nobody failed, nobody had to try again" none_failed
ok "killed in the swap once more" killed_as "swap': applying, 1 of" apply swap --yes
ok "it is finished" belay apply swap --yes
ok "the next CA's leaf is presented" believed "$(ca_of next)" "$tls/pg.pem"
ok "killed while a client gives up the old one" killed_as "drop-telpro.redis': applying, 1 of" apply --to drop-telpro.redis --yes
ok "its step is open" left_open drop-telpro.redis
ok "killed on the way back" killed_as "swap': undoing, 1 of" undo --all --yes
ok "the swap is half back" left_open swap
ok "the way back is gone to its end" all_undone
ok "every file is as it was: content, mode, owner" same_tree
ok "nobody failed, nobody had to try again" none_failed
traffic_since "a rotation that is cut again and again"
finish
