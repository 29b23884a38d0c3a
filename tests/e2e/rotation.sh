#!/bin/sh
# time limit: 600
# The life of certificates under traffic: made and installed, the whole way to TLS, a
# leaf near its end renewed, each there and back, by bindings that reload. Every client
# holds a pool and connects anew all the time, one of them at Postgres itself: no
# operation fails, and none has to be tried again.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/trafficlib.sh"

make() {
	up_by_files lab && company "$tmp/company" && until_ 20 traffic_flows 200 && tree | sort >"$tmp/tree.start"
}

presented() {
	believed "$tmp/company/ca.pem" "$tls/pg.pem" && believed "$tmp/company/ca.pem" "$tls/redis.pem"
}

forced() {
	seen_by_servers >"$tmp/seen"
	cat "$tmp/seen"
	! grep plain "$tmp/seen" && [ "$(wc -l <"$tmp/seen")" -eq 11 ]
}

# ---- renewal --------------------------------------------------------------------

renewal() {
	touch "$tmp/company/fresh"
	plan=$tmp/renew.yaml
	cp "$top/plans/renew-leaf.plan.yaml" "$plan"
	cp "$tls/pg.pem" "$tmp/pair.before"
	# The file as it stands, with what the plan for it says of where it begins.
	belay check
}

renewed() {
	belay apply --yes || return 1
	! cmp -s "$tmp/pair.before" "$tls/pg.pem" && openssl x509 -noout -checkend $((88 * 86400)) -in "$tls/pg.pem"
}

kept_once_more() {
	sed 's/^name: .*/name: again/' "$plan" >"$tmp/again.yaml"
	sha256sum "$tls/pg.pem" >"$tmp/before"
	plan=$tmp/again.yaml
	belay apply --yes && sha256sum "$tls/pg.pem" | diff "$tmp/before" -
	rc=$?
	plan=$tmp/renew.yaml
	return $rc
}

taken_back() {
	belay undo --yes && cmp "$tmp/pair.before" "$tls/pg.pem" && presented
}

ok "a lab comes up, whose clients connect anew all the time" make || finish
for s in $(ids); do
	ok "apply $s" step "$s" || finish
done
ok "all are on tls, by the servers" until_ 15 forced
ok "what is presented openssl believes, for every name dialled" presented
ok "nobody failed, nobody had to try again" none_failed
traffic_since "cutover"
ok "a leaf that ends in five days is due" renewal || finish
ok "it is made anew" renewed
ok "what is presented openssl believes, for every name dialled" presented
ok "nobody failed, nobody had to try again" none_failed
traffic_since "renewal"
ok "asked once more nothing is made" kept_once_more
ok "the old pair is taken back" taken_back
ok "nobody failed, nobody had to try again" none_failed
traffic_since "renewal undone"
plan=$dir/plan-files.yaml
for s in $(ids | tac); do
	ok "undo $s" belay undo "$s" --yes || finish
done
ok "every file is as at the start: content, mode, owner" same_tree
ok "nobody failed there and back, nobody had to try again" none_failed
traffic_since "cutover undone"
ok "nothing was restarted" sh -c "'$lab' restarts '$dir' | grep -v ' 0\$'; ! '$lab' restarts '$dir' | grep -v ' 0\$'"
finish
