#!/bin/sh
# time limit: 600
# A CA gives way to the next by the plan that is shipped, there and back, under clients
# that hold pools and connect anew all the time: some read their file of CAs at each
# connection, others once, when they are told to. None is turned away.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/trafficlib.sh"

rotate=$top/plans/rotate-ca.plan.yaml

make() {
	up_by_files lab && with_next && in_one_go && until_ 20 traffic_flows 200
}

to_tls() {
	belay apply --all --yes --waive "nobody unseen redis" --reason "all of them are flipped" &&
		believed "$(ca_of internal)" "$tls/pg.pem" && believed "$(ca_of internal)" "$tls/redis.pem"
}

proven() {
	plan=$tmp/rotate.yaml
	sed "s/soak: 10m/soak: 2s/" "$rotate" >"$plan"
	tree | sort >"$tmp/tree.start"
	traffic_mark
	belay check
}

rotated() {
	believed "$(ca_of next)" "$tls/pg.pem" && believed "$(ca_of next)" "$tls/redis.pem" || return 1
	# Nobody's file has the old one any more.
	! grep -l "$(sed -n 3p "$(ca_of internal)")" "$dir"/hosts/*/srv/voiceai/tls/*-ca.crt "$tls/upstream.crt"
}

old_again() {
	believed "$(ca_of internal)" "$tls/pg.pem" && believed "$(ca_of internal)" "$tls/redis.pem"
}

ok "a lab comes up, whose clients connect anew all the time" make || finish
ok "all of it is brought to tls" to_tls || finish
ok "nobody failed, nobody had to try again" none_failed
ok "the plan that is shipped is proven" proven || finish
ok "it is applied, step by step" belay apply --all --yes
ok "the new CA's leaf is presented and believed, and nobody trusts the old one" rotated
ok "nobody failed, nobody had to try again" none_failed
traffic_since "rotation"
ok "it is taken back, step by step" belay undo --all --yes
ok "the old CA's leaf is presented and believed" old_again
ok "every file is as it was: content, mode, owner" same_tree
ok "nobody failed there and back, nobody had to try again" none_failed
traffic_since "rotation undone"
finish
