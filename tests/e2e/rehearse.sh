#!/bin/sh
# time limit: 240
# A flip is tried before it is made: by the client's own CA file, which is wrong at first. What a
# client's own runtime says counts; what nothing can see is vouched for by a person; a job that comes too
# rarely is made to come now.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/boxlib.sh"

make_box() {
	make_pair || return 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=other -days 9 \
		-keyout "$box/other.key" -out "$box/other.crt" 2>/dev/null || return 1
	init_postgres || return 1
	printf '%s\n' "listen_addresses = '127.0.0.1'" "shared_buffers = 8MB" "ssl = on" "log_connections = on" \
		"log_line_prefix = '%m [%p] '" "ssl_cert_file = '$box/crt'" "ssl_key_file = '$box/key'" >>"$box/data/postgresql.conf"
	printf '%s\n' 'local all all trust' 'host all all 127.0.0.1/32 scram-sha-256' >"$box/data/pg_hba.conf"
	start_postgres || return 1
	secret=$(od -An -v -tx1 -N12 /dev/urandom | tr -d ' \n')
	sql "CREATE ROLE boss LOGIN SUPERUSER PASSWORD '$secret'; CREATE ROLE backup LOGIN PASSWORD '$secret'" || return 1
	(umask 077; echo "$secret" >"$tmp/pw"; echo "localhost:$port:*:backup:$secret" >"$tmp/pgpass")
	echo 'MODE=disable' >"$box/web.env"
	echo 'MODE=require' >"$box/job.env"
	cp "$box/other.crt" "$box/web-ca.crt"
	cat >"$box/try" <<END
#!/bin/sh
[ ! -e $box/broken ] || { printf 'ImportError: no module\033[2J named ssl\nmore\n'; exit 7; }
echo "connected as \$1"
END
	chmod 755 "$box/try"
	cat >"$fleet" <<END
belay: fleet/1
environment: box
hosts: { box: { local: yes, state: $tmp/hoststate } }
secrets: { pw: { file: $tmp/pw } }
units:
  pg:  { host: box, kind: reload, run: "true", restarts: [] }
  web: { host: box, run: "true", restarts: [web] }
  job: { host: box, run: "true", restarts: [job] }
certs: { own: { external: yes, ca: $box/crt, serves: [pg], names: [localhost] } }
endpoints:
  pg:
    kind: postgres
    unit: pg
    listen: { both: $port, at: 127.0.0.1 }
    names: [localhost]
    probe: { user: boss, database: postgres, password: pw }
    log: { host: box, file: $log }
clients:
  web:
    unit: web
    evidence: rehearsal
    rehearse: { run: "$box/try \$(dial)", expect: connected }
    links:
      pg:
        match: { user: app }
        dial: { file: $box/web.env, set: { MODE: "\$(dial)" } }
        trust: { ca: own, file: $box/web-ca.crt }
  job:
    unit: job
    evidence: log
    window: 7h
    exercise: { run: "PGPASSFILE=$tmp/pgpass PGSSLMODE=require psql -h localhost -p $port -U backup -d postgres -qAtc 'SELECT 1'" }
    links:
      pg:
        match: { user: backup }
        dial: { file: $box/job.env, set: { MODE: "\$(dial)" } }
END
	cat >"$plan" <<END
belay: plan/1
name: rehearsed
from: { accept: both, dial: disable }
steps:
  - { id: flip, trust: { "web -> pg": own }, dial: { "web -> pg": verify-full } }
  - { id: backup, exercise: [job] }
  - { id: word, requires: [ { attest: "nobody dials from elsewhere" } ], run: { on: box, run: "true", read-only: yes } }
END
	chmod 600 "$tmp/pgpass"
}

# tells FILTER: true of what status says as data
tells() {
	box_belay status --json </dev/null >"$tmp/status.json" 2>"$tmp/status.err" || { cat "$tmp/status.err"; return 1; }
	jq -e "$1" "$tmp/status.json" >/dev/null || { jq '.links[] | {client, dial, rehearsed}' "$tmp/status.json"; return 1; }
}

web() {
	tells "[.links[] | select(.client == \"web\")][0] | $1"
}

as_it_is() {
	web '.rehearsed.verdict == "plaintext" and .rehearsed.finding == null and .rehearsed.name == "localhost" and .rehearsed.took_ms > 0 and .rehearsed.asked == null'
}

the_wrong_ca_refuses_the_flip() {
	fails 1 'certificate verify failed' box_belay apply flip --yes </dev/null &&
		grep -q 'rehearsal of web -> pg as verify-full' "$tmp/failed" && grep -q 'MODE=disable' "$box/web.env"
}

the_right_ca_lets_it() {
	cp "$box/crt" "$box/web-ca.crt"
	box_belay apply flip --yes </dev/null && grep -q 'MODE=verify-full' "$box/web.env" &&
		web '.rehearsed.verdict == "tls+name" and .rehearsed.asked == false and .rehearsed.own_runtime == "connected as verify-full"'
}

a_wrong_ca_is_a_finding() {
	cp "$box/other.crt" "$box/web-ca.crt"
	web '.rehearsed.verdict == "refused" and (.rehearsed.finding | test("a new connection is refused: .*certificate verify failed"))' || return 1
	box_belay status </dev/null >"$tmp/status" 2>&1
	cp "$box/crt" "$box/web-ca.crt"
	grep -q 'web -> pg: a new connection is refused' "$tmp/status" || { cat "$tmp/status"; return 1; }
}

its_own_runtime_counts() {
	: >"$box/broken"
	web '.rehearsed.verdict == "refused" and (.rehearsed.why | test("its own rehearsal ended with 7: ImportError"))' || return 1
	box_belay status </dev/null >"$tmp/status" 2>&1
	rm "$box/broken"
	grep -q 'ImportError' "$tmp/status" && ! grep -q "$(printf '\033')" "$tmp/status" || { cat "$tmp/status"; return 1; }
}

the_job_is_made_to_come() {
	! grep -q 'user=backup' "$log" || return 1
	box_belay apply backup --yes </dev/null && grep -q 'user=backup' "$log" &&
		box_belay history </dev/null | grep -q 'seen on tls job -> pg\|psql -h localhost'
}

nobody_said_so() {
	fails 1 'somebody has to say so' box_belay apply word --yes </dev/null
}

somebody_says_so() {
	fails 1 'only with a reason' box_belay apply word --yes --attest 'nobody dials from elsewhere' </dev/null &&
		fails 1 'nobody is asked to vouch' box_belay apply word --yes --attest nonsense --reason so </dev/null &&
		box_belay apply word --yes --attest 'nobody dials from elsewhere' --reason 'asked all of them' </dev/null &&
		box_belay history </dev/null >"$tmp/history" && grep -q 'attest.*nobody dials from elsewhere: .*asked all of them' "$tmp/history" ||
		{ cat "$tmp/history"; return 1; }
}

no_secret() {
	! grep -rqF "$secret" "$tmp/status" "$tmp/status.json" "$tmp/history" "$XDG_STATE_HOME"
}

echo 1..10
ok "a Postgres with TLS, and a client whose CA file is another's" make_box
ok "its settings as they are: plaintext, and that is no finding" as_it_is
ok "the wrong CA file refuses the flip before anything is written" the_wrong_ca_refuses_the_flip
ok "with the right one it goes through, and its gate rests on the rehearsal" the_right_ca_lets_it
ok "a CA file that is wrong afterwards is found before the client finds it" a_wrong_ca_is_a_finding
ok "what its own runtime says counts, and reaches no screen raw" its_own_runtime_counts
ok "a job that comes too rarely is made to come, and seen" the_job_is_made_to_come
ok "what nothing can see is not passed by itself" nobody_said_so
ok "it is passed by somebody's word, which stays in the journal" somebody_says_so
ok "no password in any of it" no_secret
