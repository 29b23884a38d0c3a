#!/bin/sh
# time limit: 240
# What `belay check` says of a plan, against what the fleet does when it is driven
# that way. The lab's own plan is proven. Of two adjacent steps swapped, wherever
# that may be, check says who is stranded; some of those orders the lab is then
# driven through by hand (what a step writes, and update.sh), since belay would
# refuse to. Its clients count what they could not do: those links fail that
# were named, in the way that was named, and no others.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

# ---- what check says -----------------------------------------------------------

# swap STEP: the plan with that step right behind the one that follows it, in $tmp/swapped.yaml
swap() {
	awk -v id="$1" 'BEGIN { k = 0 }
		/^  - id:/ { k++; if (index($0, "\"" id "\"")) at = k }
		{ block[k] = block[k] $0 "\n" }
		END {
			printf "%s", block[0]
			for (i = 1; i <= k; i++)
				printf "%s", block[i == at ? at + 1 : i == at + 1 ? at : i]
		}' "$tmp/expanded.yaml" >"$tmp/swapped.yaml"
}

# says STEP "CLIENT ENDPOINT refused|hangs": the links that the swapped plan strands, one a line
says() {
	swap "$1"
	plan=$tmp/swapped.yaml
	rc=0
	belay check --json >"$tmp/check.json" || rc=$?
	plan=$dir/plan.yaml
	jq -r '.proof.counters[] | (.link | sub(" -> "; " ")) + " " + .verdict' "$tmp/check.json" | sort >"$tmp/said.is"
	printf '%s' "$2" | sort >"$tmp/said.want"
	diff "$tmp/said.want" "$tmp/said.is" || return 1
	[ "$rc" -eq "$([ -z "$2" ] && echo 0 || echo 1)" ] || { echo "exit $rc"; return 1; }
	# And how to go about it instead: the order that was there.
	[ -z "$2" ] || jq -e --arg s "'$1'" '.proof.counters[0].fix | contains($s)' "$tmp/check.json"
}

# ---- the lab, by hand --------------------------------------------------------------

# by_hand HOST [KEY=VALUE …]: what a step writes into that host's .env, and its activation
by_hand() {
	host=$1
	shift
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" "voiceai-$host" "cd /srv/voiceai || exit 1
		for kv in $*; do
			grep -v \"^\${kv%%=*}=\" .env >.env.by-hand
			echo \"\$kv\" >>.env.by-hand
			cat .env.by-hand >.env
		done
		rm -f .env.by-hand
		./update.sh --restart-only"
}

ca=/srv/voiceai/run/tls/ca.crt
pg_flip() {
	by_hand "$1" DATABASE_SSL_MODE=verify-full DATABASE_SSL_CA_FILE=$ca
}
redis_flip() {
	by_hand "$1" REDIS_TLS_ENABLED=true REDIS_TLS_CA_FILE=$ca
}

# Who dials what, and what of it could and could not be done so far: CLIENT ENDPOINT DONE FAILED
counts() {
	"$lab" stats "$dir" --json | jq -r '.client as $c | .links | to_entries[] |
		"\($c) \(.key) \(.value.ok + .value.new_ok) \(.value.failed + .value.new_failed)"' | sort >"$1"
}

# grown FILE FIELD LEAST: the links of which that count has grown by so much since
grown() {
	counts "$tmp/counts.now"
	awk -v f="$2" -v least="$3" 'NR == FNR { was[$1 " " $2] = $f; next }
		$f >= was[$1 " " $2] + least { print $1, $2 }' "$1" "$tmp/counts.now"
}

# Exactly the links in $tmp/stranded fail, all the others go on.
as_said() {
	grown "$tmp/counts.before" 4 1 >"$tmp/failing"
	grown "$tmp/counts.before" 3 10 >"$tmp/working"
	sort "$tmp/failing" | cmp -s - "$tmp/stranded" || return 1
	cut -d' ' -f1,2 "$tmp/counts.before" | grep -vxFf "$tmp/stranded" | sort | comm -23 - "$tmp/working" | grep -q . && return 1
	return 0
}

# stranded "CLIENT ENDPOINT refused|hangs" COMMAND …: as they are after that step, by their own counts
stranded() {
	printf '%s' "$1" | grep -v '^pgbouncer ' | cut -d' ' -f1,2 | sort >"$tmp/stranded"
	shift
	counts "$tmp/counts.before"
	"$@" >"$tmp/by-hand" 2>&1 &
	by=$!
	# A client that cannot start keeps its update.sh waiting: it ends with the next step.
	[ -s "$tmp/stranded" ] || wait $by || { cat "$tmp/by-hand"; return 1; }
	until_ 25 as_said && return
	echo "expected to fail:"; cat "$tmp/stranded"
	echo "fail:"; cat "$tmp/failing"
	echo "go on:"; cat "$tmp/working"
	cat "$tmp/by-hand"
	return 1
}

flows() {
	grown "$tmp/counts.before" 3 10 >"$tmp/working"
	cut -d' ' -f1,2 "$tmp/counts.before" | comm -23 - "$tmp/working" | grep -q . && return 1
	return 0
}

# cured COMMAND …: the other of the two steps, and all of them work again
cured() {
	"$@" || return 1
	wait "$by" || { cat "$tmp/by-hand"; return 1; }
	counts "$tmp/counts.before"
	until_ 15 flows || { echo "still:"; diff "$tmp/counts.before" "$tmp/counts.now"; return 1; }
}

# A login by hand from a host, with its own setting: it waits, or is told no.
login() {
	mode=$(sed -n 's/^DATABASE_SSL_MODE=//p' "$dir/hosts/$1/srv/voiceai/.env")
	rc=0
	"$lab" host "$dir" "$1" -- env PGPASSWORD="$(cat "$dir/secrets/voiceai")" PGSSLMODE="${mode:-disable}" \
		PGSSLROOTCERT=$ca timeout 3 psql -X -w -h db.internal -p 6432 -U voiceai voiceai -c 'SELECT 1' \
		>"$tmp/login" 2>&1 || rc=$?
	cat "$tmp/login"
	case $2 in
	hangs) [ $rc -eq 124 ] ;;
	refused) [ $rc -ne 0 ] && [ $rc -ne 124 ] && grep -q "$3" "$tmp/login" ;;
	esac
}

ok "the lab is up" up proof || finish
belay check --expanded >"$tmp/expanded.yaml"
ok "its plan is proven" fails 0 '^proven: no declared link' belay check
ok "traffic flows" until_ 20 traffic_flows 50

# ---- every swap is judged; six of them, which do not touch one another, are driven

pool='api pgbouncer hangs
ops pgbouncer hangs
voice pgbouncer hangs
web pgbouncer hangs
pgbouncer postgres refused
'
ok "check: pg-both before certs strands the leg, and all that is behind it" says certs "$pool"
ok "check: leg2 before pg-both strands the leg, and all that is behind it" says pg-both "$pool"
ok "check: pgb-both before leg2 strands nobody" says leg2 ''
ok "check: flip-api-pg before pgb-both strands api" says pgb-both 'api pgbouncer refused
'
ok "check: voice may flip before web" says flip-web-pg ''
ok "check: pgb-tls before flip-ops-pg strands ops" says flip-ops-pg 'ops pgbouncer refused
'
ok "check: pg-tls before pgb-tls strands nobody" says pgb-tls ''
ok "check: redis-both before pg-tls strands nobody" says pg-tls ''
ok "check: flip-api-redis before redis-both strands api" says redis-both 'api redis refused
'
ok "check: redis-tls before flip-telpro-redis strands telpro" says flip-telpro-redis 'telpro redis refused
'

ok "certs, by belay" belay apply certs --yes || finish

ok "leg2 before pg-both: those links fail, the others go on" \
	stranded "$pool" by_hand db PGBOUNCER_SERVER_TLS_SSLMODE=verify-ca
ok "and they hang: a login gets no answer" login web hangs
ok "pg-both behind it: all work again" cured by_hand db POSTGRES_TLS_ENABLED=on

ok "flip-api-pg before pgb-both: api fails, the others go on" \
	stranded 'api pgbouncer refused
' pg_flip api
ok "and it is refused" login api refused 'server does not support SSL'
ok "pgb-both behind it: all work again" cured by_hand db PGBOUNCER_CLIENT_TLS_SSLMODE=allow

ok "voice before web: nobody fails" stranded '' pg_flip voice
ok "and web behind it" stranded '' pg_flip web

ok "pgb-tls before flip-ops-pg: ops fails, the others go on" \
	stranded 'ops pgbouncer refused
' by_hand db PGBOUNCER_CLIENT_TLS_SSLMODE=require
ok "and it is refused" login ops refused 'SSL required'
ok "flip-ops-pg behind it: all work again" cured pg_flip ops

ok "redis-both before pg-tls: nobody fails" stranded '' by_hand db REDIS_TLS_ENABLED=true
ok "and pg-tls behind it" stranded '' by_hand db POSTGRES_FORCE_SSL=on

ok "telpro's build learns tls" "$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-telpro \
	'cd /srv/voiceai && ./ship-tls-build.sh'
flips() {
	for s in api web voice ops; do
		redis_flip $s >"$tmp/flip.$s" 2>&1 &
		eval "flip_$s=$!"
	done
	for s in api web voice ops; do
		eval "wait \$flip_$s" || { cat "$tmp/flip.$s"; return 1; }
	done
}
ok "four clients flip to redis' tls, in any order: nobody fails" stranded '' flips
ok "redis-tls before flip-telpro-redis: telpro fails, the others go on" \
	stranded 'telpro redis refused
' by_hand db REDIS_FORCE_TLS=true
ok "flip-telpro-redis behind it: all work again" cured redis_flip telpro
ok "driven by hand, the fleet is where the plan ends: belay sees every link on tls" \
	until_ 15 belay status --check
finish
