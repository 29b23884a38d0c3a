#!/bin/sh
# time limit: 300
# A certificate as variables in base64, which a host's start-up script decodes: installed by a
# step that activates nothing, proven by the one that takes it up, renewed by a
# restart that the plan names, taken back; and the same asked on another bastion.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# A company's CA, whose command signs what has five days left, and later on what has ninety.
with_five_days() {
	up lands || return 1
	tree >"$tmp/tree.start"
	pki=$dir/pki
	mkdir -m 700 "$pki" || return 1
	make_company "$pki/company" || return 1
	sed -i "s|^    passphrase: ca-key|&\\n    issuer: { ca: $pki/company/ca.pem, run: [sh, $pki/company/sign] }|" "$fleet"
	cat >"$dir/renew.yaml" <<END
belay: plan/1
name: renew
from: { certs: internal }
steps: [{ id: renew, certs: { internal: renew }, activate: [db-stack] }]
END
	cutover=$plan renew=$dir/renew.yaml env=$dir/hosts/db/srv/voiceai/.env
}

says() {			# says WORDS COMMAND …
	words=$1
	shift
	"$@" >"$tmp/out" 2>&1 </dev/null || { echo "exit $?"; cat "$tmp/out"; return 1; }
	cat "$tmp/out"
	grep -q -F -e "$words" "$tmp/out" || { echo "does not say: $words"; return 1; }
}

by() {				# by PLAN belay|as_kim …
	plan=$1
	shift
	"$@"
}

of_env() {			# what the variable of the database's host holds, decoded
	sed -n "s/^$1=//p" "$env" | tail -n 1 | tr -d "\"'" | base64 -d
}

# A key of the variables belongs to their certificate, and that to the CA.
whole_in_env() {
	of_env INTERNAL_TLS_CERT_B64 >"$tmp/leaf" && of_env INTERNAL_CA_CRT_B64 >"$tmp/ca" || return 1
	openssl verify -CAfile "$tmp/ca" "$tmp/leaf" || return 1
	of_env INTERNAL_TLS_KEY_B64 | openssl pkey -pubout >"$tmp/public" 2>/dev/null &&
		openssl x509 -noout -pubkey -in "$tmp/leaf" | cmp - "$tmp/public"
}

# in_force FILE: it is what the start-up script has decoded, and what Postgres and PgBouncer present
in_force() {
	cmp "$1" "$dir/hosts/db/srv/voiceai/run/tls/server.crt" || return 1
	openssl x509 -noout -fingerprint -sha256 -in "$1" >"$tmp/want"
	for p in 5432 6432; do
		"$lab" exec "$dir" -- openssl s_client -connect "db.internal:$p" -starttls postgres -CAfile "$pki/company/ca.pem" \
			-verify_hostname db.internal -verify_return_error </dev/null 2>/dev/null |
			openssl x509 -noout -fingerprint -sha256 | cmp - "$tmp/want" || { echo "port $p"; return 1; }
	done
}

nothing_decoded_yet() {
	whole_in_env && [ ! -e "$dir/hosts/db/srv/voiceai/run/tls/server.crt" ]
}

taken_up() {
	says 'postgres presents internal' belay apply pg-both --yes && says 'pgbouncer presents internal' belay apply --to pgb-both --yes &&
		whole_in_env && cp "$tmp/leaf" "$tmp/first" && in_force "$tmp/first"
}

# What the gate of the step says of what Postgres presents.
not_known() {
	fails 3 'what was issued last is not known here' as_kim verify pg-both
}

known() {
	says 'adopted: 4 steps' as_kim adopt && as_kim verify pg-both
}

previewed() {
	fails 2 'restarts db-stack: postgres pgbouncer redis otel redis-health; cuts [1-9][0-9]* sessions' by "$renew" belay diff renew
}

renewed() {
	touch "$pki/company/fresh"
	cp "$env" "$tmp/env.before"
	says 'pgbouncer presents internal' by "$renew" belay apply --yes || return 1
	whole_in_env && ! cmp -s "$tmp/leaf" "$tmp/first" && cp "$tmp/leaf" "$tmp/second" && in_force "$tmp/second" &&
		openssl x509 -noout -checkend $((85 * 86400)) -in "$tmp/second"
}

another_one_is_told() {
	fails 1 'still presents another certificate' by "$cutover" as_kim verify pg-both
}

taken_over() {
	says 'adopted: 1 step of' by "$renew" as_kim adopt && by "$renew" as_kim verify renew
}

first_is_back() {
	cmp "$tmp/env.before" "$env" && in_force "$tmp/first"
}

ok "a lab whose certificates a company signs, for five days" with_five_days || finish
ok "they are installed as variables" belay apply certs --yes
ok "which belong together, and which nobody has decoded yet" nothing_decoded_yet
ok "the steps that restart the servers show what each presents" taken_up
ok "another bastion does not know what was issued" not_known
ok "but by the records on the hosts, once it has adopted the run" known
ok "a renewal says what it restarts and how many sessions that cuts" previewed
ok "it is made, restarted and shown in one step" renewed
ok "by the other bastion's run something else is presented, which it tells" another_one_is_told
ok "it takes the renewal over, and knows what that brought" taken_over
ok "taken back from there" by "$renew" as_kim undo --all --yes
ok "the variables are as they were, to the byte, and the first one is presented" first_is_back
ok "by which the other bastion's run holds again" by "$cutover" as_kim verify pg-both
ok "all of it is undone" by "$cutover" as_kim undo --all --yes
ok "to the byte, mode and owner" same_tree
ok "no operation failed that a client's own trying did not carry over" failed_operations
finish
