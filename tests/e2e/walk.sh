#!/bin/sh
# time limit: 900
# The lab's plan forward to everything forced to TLS, and back to all
# plaintext, by the verbs, under the clients' own traffic: once with bindings
# that reload, once with bindings that restart. At every step what belay says
# is held against what psql, redis-cli and PgBouncer's console say.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

apply_one() {
	case $1 in
	# Its clients connect for a moment, too, and a Redis logs nobody.
	redis-tls) belay apply "$1" --yes --waive "nobody unseen redis" --reason "all of them are flipped" ;;
	*) belay apply "$1" --yes ;;
	esac
}

set_in_place() {
	[ "$(phase_of "$1")" = "$2" ]
}

# By hand, what an operator in a hurry would do: this client back to plaintext.
unflip() {
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" "voiceai-$1" \
		"cd /srv/voiceai && cp -p .env .env.kept && sed -i '/^DATABASE_SSL_/d' .env && ./update.sh --restart-only"
}

reflip() {
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" "voiceai-$1" \
		"cd /srv/voiceai && mv .env.kept .env && ./update.sh --restart-only"
}

is_on_plaintext() {
	seen_by_servers | grep -qx "$1 pgbouncer plain"
}

is_off_plaintext() {
	! is_on_plaintext "$1"
}

walk() {
	way=$1
	if [ "$way" = restart ]; then
		ok "$way: the lab is up" up "$way" || return
	else
		ok "$way: the lab is up" up "$way" --reload || return
		fleet=$dir/fleet-reload.yaml
	fi
	ok "$way: traffic flows" until_ 20 traffic_flows 100
	tree >"$tmp/tree.start"
	ok "$way: at the start status agrees with the servers" agreement
	for s in $(steps); do
		case $s in
		pgb-tls)
			ok "$way: one client goes back to plaintext by hand" unflip ops
			ok "$way: the servers see it" until_ 10 is_on_plaintext ops
			ok "$way: forcing tls is refused, and names client and host" \
				fails 1 'ops on ops-1: [0-9]* plaintext session' belay apply pgb-tls --yes
			ok "$way: nothing was applied" set_in_place pgb-tls todo
			ok "$way: the client is put right by hand" reflip ops
			ok "$way: the servers see that" until_ 10 is_off_plaintext ops
			;;
		flip-telpro-redis)
			ok "$way: a build without tls is refused its flip" \
				fails 1 'can-tls telpro' belay apply "$s" --yes
			ok "$way: the tls build is shipped" ship_tls_build
			;;
		esac
		ok "$way: apply $s" apply_one "$s" || return
		ok "$way: after $s status agrees with the servers" agreement
	done
	ok "$way: every step is done" sh -c "! jq -r '.steps[].phase' '$tmp/status.json' | grep -v done"
	ok "$way: every link is on tls, by status --check" belay status --check
	ok "$way: the gates of all steps hold" belay verify
	ok "$way: no operation failed on the way there" failed_operations
	back=$(steps | tac)
	for s in $back; do
		ok "$way: undo $s" belay undo "$s" --yes || return
		ok "$way: after the undo of $s status agrees with the servers" agreement
	done
	ok "$way: every file is as at the start: content, mode, owner" same_tree
	ok "$way: no operation failed there and back" failed_operations
	[ "$way" = restart ] || ok "$way: and none had to be retried" retried_operations
	echo "# $way: longest stall $(jq -s '[.. | objects | .longest_stall_ms? // empty] | max' "$tmp/stats.json") ms"
	"$lab" restarts "$dir" | sed "s/^/# $way: restarts of /"
}

if [ $# -gt 0 ]; then
	walk "$1"
else
	walk reload
	walk restart
fi
finish
