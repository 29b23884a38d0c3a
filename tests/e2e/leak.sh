#!/bin/sh
# time limit: 200
# A key that leaked: another is put in its place at once, what was issued before is revoked
# and never given out again, whoever serves it still is named, with those who would take
# it; and the way back to it is there for who insists.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

ca=$tmp/pki
pair=$box/tls/pair.pem

write_fleet() {			# write_fleet [MORE]: of the certificate
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pw: { file: $tmp/pw }, pass: { file: $tmp/pass } }
units: { cache: { host: box, kind: reload, by: cache }, app: { host: box, run: "true", restarts: [] } }
certs:
  internal:
    serves: [cache]
    ca-dir: $ca
    passphrase: pass
    ${1-}
    install:
      - { file: { path: $box/tls/ca.crt, content: "\$(ca.pem)", mode: "0644" } }
      - { file: { path: $box/tls/server.crt, content: "\$(leaf.pem)", mode: "0644" } }
      - { file: { path: $pair, content: "\$(pair.pem)", mode: "0600" } }
endpoints:
  cache: { kind: redis, unit: cache, listen: { plain: $rport, tls: $rtls, at: 127.0.0.1 }, names: [localhost], probe: { password: pw } }
clients:
  web: { unit: app, links: { cache: { match: { user: default }, dial: fixed, trust: { ca: internal, file: $box/ca.crt } } } }
END
}

write_plan() {			# write_plan NAME install|renew|replace
	plan=$tmp/$1.yaml
	printf '%s\n' 'belay: plan/1' "name: $1" 'from: { accept: both, dial: require, certs: internal }' \
		"steps: [{ id: $2, certs: { internal: $2 } }]" >"$plan"
}

presents() {			# presents: just what is in the file
	openssl s_client -connect "127.0.0.1:$rtls" -CAfile "$box/tls/ca.crt" -verify_hostname localhost -verify_return_error \
		</dev/null 2>/dev/null | openssl x509 -noout -fingerprint >"$tmp/there" &&
		openssl x509 -noout -fingerprint -in "$pair" | cmp -s - "$tmp/there"
}

make_box() {
	mkdir "$box/tls" && rport=$(free_port) && rtls=$(free_port) || return 1
	(umask 077; echo pw >"$tmp/pw"; echo secret passphrase >"$tmp/pass")
	write_fleet "lands: activation"
	write_plan begin install
	"$BELAY" -f "$fleet" -p "$plan" apply --yes </dev/null || return 1
	write_fleet
	redis-server --bind 127.0.0.1 --port "$rport" --tls-port "$rtls" --tls-cert-file "$pair" --tls-key-file "$pair" \
		--tls-ca-cert-file "$box/tls/ca.crt" --tls-auth-clients no --save '' --requirepass pw --dir "$tmp" >"$tmp/redis.log" 2>&1 &
	pids="$pids $!"
	until_ 15 presents || { cat "$tmp/redis.log"; return 1; }
	cp "$pair" "$tmp/leaked.pem"
}

# Whether whoever looks at the list takes it for good.
good() {
	openssl verify -CAfile "$ca/ca.pem" -CRLfile "$ca/ca.crl" -crl_check "$1"
}

looked_at() {
	write_plan replace replace
	sha256sum "$ca"/* >"$tmp/before"
	box_belay diff </dev/null >"$tmp/diff" 2>&1
	cat "$tmp/diff"
	# Whose certificate goes is said, not its base64.
	grep -q -- '-certificate of CN=localhost, until ....-..-.., sha256 [0-9a-f]' "$tmp/diff" || return 1
	grep -q 'pair.pem' "$tmp/diff" && sha256sum "$ca"/* | diff "$tmp/before" - && [ ! -e "$ca/revoked" ]
}

replaced() {
	box_belay apply --yes --reason 'laptop stolen' </dev/null >"$tmp/applied" 2>&1 || { cat "$tmp/applied"; return 1; }
	# What is not made yet is told by its name, and what stays is not shown as new.
	grep -q "(leaf.pem of 'internal' anew, made when the step is applied)" "$tmp/applied" && grep -q "ca\.crt  (in place already)" "$tmp/applied" ||
		{ cat "$tmp/applied"; return 1; }
	! cmp -s "$pair" "$tmp/leaked.pem" && presents && good "$pair" || return 1
	! good "$tmp/leaked.pem" >"$tmp/verify" 2>&1 && grep -q 'certificate revoked' "$tmp/verify" || return 1
	box_belay history | grep 'revoked.*laptop stolen'
}

who_would_take_it() {
	box_belay certs </dev/null >"$tmp/certs" || { echo "exit $?"; cat "$tmp/certs"; return 1; }
	cat "$tmp/certs"
	grep -q 'revoked by .*: laptop stolen, on ' "$tmp/certs" && grep -q 'still taken by web -> cache: they trust its CA' "$tmp/certs" &&
		grep -q "the list that says so: $ca/ca.crl" "$tmp/certs"
}

way_back_is_named() {
	cp "$pair" "$tmp/good.pem"
	box_belay undo --print </dev/null | grep "# it replaced the certificate .internal., whose key leaked: this puts that key back" || return 1
	fails 1 "puts back the key of certificate 'internal' that was revoked by .*laptop stolen.*--waive 'revoked(internal)'" \
		box_belay undo --yes </dev/null || return 1
	fails 1 "puts back the key" box_belay undo replace --yes </dev/null || return 1
	cmp "$pair" "$tmp/good.pem" && presents
}

insisted_on() {
	box_belay undo --yes --waive 'revoked(internal)' --reason 'the new one is refused' </dev/null || return 1
	cmp "$pair" "$tmp/leaked.pem" && presents && box_belay history | grep 'waive.*revoked(internal): the new one is refused'
}

told() {
	fails 9 '^cache .*its certificate is no good any more, and is served still: revoked by .*laptop stolen' box_belay certs </dev/null || return 1
	box_belay certs --metrics </dev/null >"$tmp/prom" && grep -qx 'belay_certificate_revoked{endpoint="cache",certificate="internal"} 1' "$tmp/prom" ||
		{ cat "$tmp/prom"; return 1; }
	fails 9 . box_belay certs --json </dev/null >/dev/null || return 1
	jq -e '.revoked and (.endpoints[0].revoked) and (.certificates[0].revoked[0] | .reason == "laptop stolen" and .taken_by == ["web -> cache"])' \
		"$tmp/failed" || return 1
	box_belay status </dev/null >"$tmp/status"
	grep 'its certificate was revoked by .*: laptop stolen, and is served still' "$tmp/status" || { cat "$tmp/status"; return 1; }
}

# The same plan once more is another run, and what it finds leaked is replaced again.
once_more() {
	box_belay apply --yes --reason 'again' </dev/null || return 1
	! cmp -s "$pair" "$tmp/leaked.pem" && ! cmp -s "$pair" "$tmp/good.pem" && presents && good "$pair" || return 1
	# What was never in service again by then is revoked, too: nobody can tell that it did not leak.
	! good "$tmp/good.pem" && nothing_warns
}

nothing_warns() {
	box_belay certs </dev/null || { echo "exit $?"; return 1; }
}

by_the_verb() {
	cp "$pair" "$tmp/third.pem"
	fails 1 'only with a reason' "$BELAY" -f "$fleet" certs revoke internal </dev/null || return 1
	fails 1 "no certificate 'other'" "$BELAY" -f "$fleet" certs revoke other --reason x </dev/null || return 1
	"$BELAY" -f "$fleet" certs revoke internal --reason 'on a pastebin' </dev/null >"$tmp/said.revoke" || { cat "$tmp/said.revoke"; return 1; }
	cat "$tmp/said.revoke"
	grep -q 'certs: { internal: replace }' "$tmp/said.revoke" && ! good "$pair" || return 1
	fails 9 'served still: revoked by .*on a pastebin' box_belay certs </dev/null
}

# Whatever step comes next does not give it out again.
never_again() {
	write_plan install install
	box_belay apply --yes </dev/null || return 1
	! cmp -s "$pair" "$tmp/third.pem" && presents && good "$pair" && nothing_warns
}

# And its undo is one that puts a leaked key back, too: by the file that the step has found.
way_back_is_named_there_too() {
	fails 1 "puts back the key of certificate 'internal' that was revoked by .*on a pastebin" box_belay undo --yes </dev/null
}

ok "a Redis with a leaf of ours" make_box || finish
ok "who only looks makes nothing, and revokes nothing" looked_at
ok "another key is in its place, and what leaked is on a list that openssl goes by" replaced
ok "it is said who would take it still, and until when" who_would_take_it
ok "an undo that would put it back is refused, by its name, and changes nothing" way_back_is_named
ok "whoever insists has a way back" insisted_on
ok "served still it is an error: exit code, metrics, data, board" told
ok "another run replaces again" once_more
ok "a verb revokes alone, without a plan" by_the_verb
ok "what was revoked is given out by no step" never_again
ok "nor put back by its undo" way_back_is_named_there_too
finish
