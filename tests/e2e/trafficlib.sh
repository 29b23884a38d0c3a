# shellcheck shell=sh
# What the scripts have in common that change certificates under traffic: a lab whose
# servers and clients take everything over without a restart (fleet-files.yaml), whose
# clients connect anew all the time, at Postgres, PgBouncer and Redis at once, and what
# they counted. Sourced; expects $0's folder in $here.
. "$here/lib.sh"
exec 3>&1

# up_by_files NAME: that lab; sets $dir, $fleet, $plan, $db and $tls
up_by_files() {
	up "$1" --reload --new 25 --direct ops || return 1
	if grep -qx mode=alias "$dir/lab.conf"; then
		# Said on the script's own output, which its caller has as 3.
		printf 'ok 1 # SKIP no namespaces here: clients cannot be told apart\n1..1\n' >&3
		exit 0
	fi
	fleet=$dir/fleet-files.yaml
	plan=$dir/plan-files.yaml
	tls=$dir/hosts/db/srv/voiceai/tls
	db=$("$lab" exec "$dir" -- getent hosts db.internal | cut -d' ' -f1)
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-telpro 'cd /srv/voiceai && ./ship-tls-build.sh' || return 1
	traffic_mark
}

# A Redis logs nobody: who vouches for connections too short to be seen says so.
step() {			# step ID [OPTIONS]
	s=$1
	shift
	case $s in
	force) belay apply "$s" --yes --waive "nobody unseen redis" --reason "all of them are flipped" "$@" ;;
	*) belay apply "$s" --yes "$@" ;;
	esac
}

ids() {				# the steps of $plan
	belay status --json | jq -r '.steps[].id'
}

# ---- what the clients have counted ----------------------------------------------

stats_now() {
	"$lab" stats "$dir" --json | jq -s 'map({ (.client): .links }) | add' >"$1"
	date +%s%3N >"$1.ms"
}

traffic_mark() {
	stats_now "$tmp/mark.json"
}

# Every client got new connections through on every link since the mark, and those who
# only hold one worked on it: else it proves nothing that none failed.
all_were_at_work() {
	stats_now "$tmp/now.json"
	jq -e --slurpfile was "$tmp/mark.json" 'to_entries | all(.[]; .key as $c | .value | to_entries | all(.[];
		.value.ok > $was[0][$c][.key].ok and
		($c == "otel" or $c == "redis-health" or .value.new_ok > $was[0][$c][.key].new_ok)))' "$tmp/now.json" >"$tmp/worked" ||
		{ cat "$tmp/mark.json" "$tmp/now.json"; return 1; }
}

none_failed() {			# ever, nor had to be tried again
	until_ 20 all_were_at_work && [ "$(counted failed new_failed retried new_retried)" -eq 0 ] || {
		"$lab" stats "$dir"
		grep -h 'went on\|FAILED' "$dir"/hosts/*/srv/voiceai/run/log/*.log | tail -n 20
		return 1
	}
}

# One line: how much there was since the mark. New ones are of 9 links that connect anew.
traffic_since() {		# traffic_since WHAT
	stats_now "$tmp/now.json"
	jq -rn --arg what "$1" --slurpfile was "$tmp/mark.json" --slurpfile is "$tmp/now.json" \
		--argjson ms "$(($(cat "$tmp/now.json.ms") - $(cat "$tmp/mark.json.ms")))" '
		def sum($s; $f): [$s[0][][] | .[$f]] | add;
		[$is[0] | to_entries[] | .key as $c | .value | to_entries[] | .value.new_ok - $was[0][$c][.key].new_ok | select(. > 0)] as $new |
		"# \($what): \($ms / 1000 | floor) s, \(sum($is; "ok") - sum($was; "ok")) operations, \($new | add) new connections, " +
		"one every \($ms / ($new | min) | floor) ms of the slowest link; longest stall \([$is[0][][] | .longest_stall_ms] | max) ms"'
	traffic_mark
}

# ---- what is served, by openssl(1) ------------------------------------------------

s_client() {			# s_client PORT [OPTIONS]: from the hub
	at=$1
	shift
	case $at in 5432 | 6432) set -- -starttls postgres "$@" ;; esac
	"$lab" exec "$dir" -- openssl s_client -connect "$db:$at" "$@" </dev/null 2>"$tmp/s_client.err"
}

fingerprint() {
	openssl x509 -noout -fingerprint -sha256
}

# Each server presents the leaf of that file, whole: by the CA alone a client believes it, for every name dialled.
# `believed CA-FILE PEM-FILE`
believed() {
	openssl crl2pkcs7 -nocrl -certfile "$2" | openssl pkcs7 -print_certs >"$tmp/chain.pem" &&
		openssl verify -x509_strict -purpose sslserver -CAfile "$1" -untrusted "$tmp/chain.pem" "$tmp/chain.pem" || return 1
	! openssl verify -purpose sslclient -CAfile "$1" -untrusted "$tmp/chain.pem" "$tmp/chain.pem" || { echo "good for a client, too"; return 1; }
	openssl x509 -noout -checkhost db.internal -in "$2" | grep 'does match' &&
		openssl x509 -noout -checkip "$db" -in "$2" | grep 'does match' &&
		openssl x509 -noout -checkip 127.0.0.1 -in "$2" | grep 'does match' || return 1
	openssl x509 -noout -checkhost other.internal -in "$2" | grep -q 'does NOT match' || { echo "for any name"; return 1; }
	fingerprint <"$2" >"$tmp/there"
	for p in 5432 6432 6380; do
		s_client $p -CAfile "$1" -verify_hostname db.internal -verify_return_error >"$tmp/served" || { echo "$p"; cat "$tmp/s_client.err"; return 1; }
		fingerprint <"$tmp/served" | diff "$tmp/there" - || { echo "$p presents another one"; return 1; }
	done
}

# A company signs what is of the fleet's own CA: `company DIR`, see make_company().
company() {
	make_company "$1" || return 1
	sed -i "s|^    passphrase: ca-key\$|&\\n    issuer: { ca: $1/ca.pem, run: [sh, $1/sign] }|" "$fleet"
}

# ---- a CA that gives way to another -------------------------------------------------

with_next() {			# the fleet with a CA that comes after 'internal'
	sed -i 's|^endpoints:$|  next: { after: internal }\n&|' "$fleet"
}

# The same way to TLS in a few steps, for what comes after it.
in_one_go() {
	{
		sed '/^steps:/q; s/^name: .*/name: in-one-go/' "$plan"
		cat <<-STEPS
		  - { id: certs, certs: { internal: install } }
		  - { id: offer, accept: { postgres: both, pgbouncer: both, redis: both } }
		  - { id: leg, trust: { "pgbouncer -> postgres": internal }, dial: { "pgbouncer -> postgres": verify-full } }
		  - id: flip
		    trust: { $(every_link internal) }
		    dial: { $(every_link verify-full) }
		  - { id: force, accept: { pgbouncer: tls, postgres: tls, redis: tls } }
		STEPS
	} >"$tmp/in-one-go.yaml"
	plan=$tmp/in-one-go.yaml
}

every_link() {			# every_link VALUE: but the pooler's own, as a mapping
	for l in "api -> pgbouncer" "web -> pgbouncer" "voice -> pgbouncer" "ops -> postgres" "api -> redis" "web -> redis" \
		"voice -> redis" "ops -> redis" "telpro -> redis" "otel -> redis" "redis-health -> redis"; do
		printf '"%s": %s, ' "$l" "$1"
	done | sed 's/, $//'
}

ca_of() {			# ca_of CERTIFICATE: the file of its CA, where belay keeps it
	echo "$dir/state/belay/ca-lab-$1/ca.pem"
}
