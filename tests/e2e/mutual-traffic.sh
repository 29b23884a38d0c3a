#!/bin/sh
# time limit: 600
# A Postgres that demands a certificate of its clients, a pooler and a service that dials it
# itself: each is given one, it is demanded, and then neither; there and back, under clients
# that connect anew all the time. None is turned away.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/trafficlib.sh"

t=/srv/voiceai/tls
hba=/srv/voiceai/run/postgres/pg_hba.conf

# The lab's fleet, with who its clients are.
with_identities() {
	awk -v t=$t -v hba=$hba '
	/^endpoints:/ {
		print "  id-ops:  { purpose: client, ca: internal, subject: voiceai }"
		print "  id-pool: { purpose: client, ca: internal, subject: voiceai }"
	}
	{ print }
	/^  postgres:$/ && ends { print "    clients: internal" }
	/^endpoints:/ { ends = 1 }
	/hba: harden, roles: \[voiceai, belay_probe/ {
		print "        - block: { file: " hba ", name: probe, remove: yes }"
		print "      mutual:"
		print "        - file:  { path: " t "/clients.crt, content: \"$(client_ca.pem)\", mode: \"0644\" }"
		print "        - conf:  { file: /srv/voiceai/run/postgres/postgresql.conf, set: { ssl: on, ssl_cert_file: " t "/pg.pem, ssl_key_file: " t "/pg.pem, ssl_ca_file: " t "/clients.crt } }"
		print "        - block: { file: " hba ", hba: mutual, roles: [voiceai], from: [10.77.0.0/24], method: scram-sha-256 }"
		print "        - block: { file: " hba ", name: probe, hba: harden, roles: [belay_probe, belay_blind], from: [10.77.0.0/24], method: scram-sha-256 }"
	}
	/upstream.crt }/ {
		print "        present:"
		print "          cert: id-pool"
		print "          file: " t "/pool-id.pem"
		print "          key-file: " t "/pool-id.pem"
		print "          owner: postgres"
		print "          with:    [ { conf: { file: /srv/voiceai/run/pgbouncer/pgbouncer.ini, set: { server_tls_cert_file: \"$(cert_file)\", server_tls_key_file: \"$(key_file)\" } } } ]"
		print "          without: [ { conf: { file: /srv/voiceai/run/pgbouncer/pgbouncer.ini, unset: [server_tls_cert_file, server_tls_key_file] } } ]"
	}
	/^  ops:$/ { ops = ends }
	ops && /pg-ca.crt }/ {
		ops = 0
		print "        present:"
		print "          cert: id-ops"
		print "          file: " t "/ops-id.pem"
		print "          key-file: " t "/ops-id.pem"
		print "          with:    { file: /srv/voiceai/.env, set: { DATABASE_SSL_CERT_FILE: \"$(cert_file)\", DATABASE_SSL_KEY_FILE: \"$(key_file)\" } }"
		print "          without: { file: /srv/voiceai/.env, unset: [DATABASE_SSL_CERT_FILE, DATABASE_SSL_KEY_FILE] }"
	}' "$fleet" | sed '/^      \(plain\|both\):$/,/^      [a-z]*:$/s|unset: \[ssl\]|unset: [ssl, ssl_ca_file]|; s|set: { ssl: on, ssl_cert_file: "/srv/voiceai/tls/pg.pem"|unset: [ssl_ca_file], &|' >"$tmp/fleet.new" &&
		mv "$tmp/fleet.new" "$fleet"
}

make() {
	up_by_files lab && with_identities && in_one_go && until_ 20 traffic_flows 200
}

to_tls() {
	belay apply --all --yes --waive "nobody unseen redis" --reason "all of them are flipped" || return 1
	plan=$tmp/mutual.yaml
	cat >"$plan" <<-PLAN
	belay: plan/1
	name: mutual
	from: { accept: tls, dial: verify-full, certs: internal }
	steps:
	  - { id: pool, present: { "pgbouncer -> postgres": id-pool } }
	  - { id: ops, present: { "ops -> postgres": id-ops } }
	  - { id: demand, accept: { postgres: mutual } }
	  - { id: relax, accept: { postgres: tls } }
	  - { id: ops-off, present: { "ops -> postgres": none } }
	  - { id: pool-off, present: { "pgbouncer -> postgres": none } }
	PLAN
	tree | sort >"$tmp/tree.start"
	traffic_mark
}

too_early() {
	sed 's/^name: .*/name: early/; /id: ops,/d' "$plan" >"$tmp/early.yaml"
	fails 1 "ops -> postgres is refused" "$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$tmp/early.yaml" check
}

# By the server: of the clients' sessions that began since it demands one. Older ones were never asked.
new_ones_show_it() {
	"$lab" sql "$dir" "SELECT count(*) FILTER (WHERE s.client_dn = '/CN=voiceai') > 0 AND
		count(*) FILTER (WHERE s.client_dn IS DISTINCT FROM '/CN=voiceai') = 0
		FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
		WHERE a.usename = 'voiceai' AND a.backend_start > pg_conf_load_time() + interval '1 s'" >"$tmp/show" || return 1
	cat "$tmp/show"
	grep -qx t "$tmp/show"
}

bare() {			# who shows none
	PGPASSWORD=$(cat "$dir/secrets/voiceai") "$lab" exec "$dir" -- psql "host=$db port=5432 user=voiceai dbname=voiceai sslmode=require" -qAtc 'SELECT 1'
}

ok "a lab comes up, whose clients connect anew all the time" make || finish
ok "all of it is brought to tls" to_tls || finish
ok "it is proven" belay check
ok "a certificate demanded before the last client shows one is rejected, with its name" too_early
ok "each is given one, and it is demanded" belay apply --to demand --yes || finish
ok "who connects anew shows it, by the server" until_ 15 new_ones_show_it
ok "who shows none is turned away" fails 2 'requires a valid client certificate' bare
ok "nobody failed, nobody had to try again" none_failed
traffic_since "mutual, on"
ok "and off again" belay apply --all --yes
ok "who shows none is let in" bare
ok "nobody failed, nobody had to try again" none_failed
traffic_since "mutual, off"
ok "all of it is taken back" belay undo --all --yes
ok "every file is as it was: content, mode, owner" same_tree
ok "nobody failed there and back, nobody had to try again" none_failed
traffic_since "undone"
finish
