# shellcheck shell=sh
# What the end-to-end scripts have in common. Sourced; expects $0's folder in $here.
# Every case is one line `ok N - claim` or `not ok N - claim`; what it printed
# stands below as comments.
set -u

top=$(cd "$here/../.." && pwd)
lab=$top/tests/lab/lab
BELAY=${BELAY:-${BUILD:-$top/build}/belay}
case $BELAY in /*) ;; *) BELAY=$PWD/$BELAY ;; esac
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-e2e.XXXXXX")
chmod 755 "$tmp"
n=0
bad=0
labs=

cleanup() {
	for d in $labs; do
		"$lab" down "$d" >/dev/null 2>&1 || echo "# lab down $d failed"
	done
	rm -rf "$tmp"
}
trap cleanup EXIT
trap 'exit 130' HUP INT TERM

# ok CLAIM COMMAND …: the command succeeds
ok() {
	claim=$1
	shift
	n=$((n + 1))
	if "$@" >"$tmp/said" 2>&1; then
		echo "ok $n - $claim"
	else
		echo "not ok $n - $claim"
		tail -n 60 "$tmp/said" | sed 's/^/# /'
		bad=$((bad + 1))
		return 1
	fi
}

# fails CODE TEXT COMMAND …: it exits with CODE and says TEXT
fails() {
	code=$1 text=$2
	shift 2
	rc=0
	"$@" >"$tmp/failed" 2>&1 || rc=$?
	cat "$tmp/failed"
	echo "$rc" | grep -qx "$code" || { echo "exit $rc, expected $code"; return 1; }
	grep -q -e "$text" "$tmp/failed" || { echo "does not say: $text"; return 1; }
}

finish() {
	echo "1..$n"
	exit $((bad > 0))
}

# up NAME [--reload]: a lab in $tmp/NAME; sets $dir
up() {
	dir=$tmp/$1
	shift
	labs="$labs $dir"
	"$lab" up "$@" "$dir" >"$tmp/up.log" 2>&1 || { cat "$tmp/up.log"; return 1; }
	fleet=$dir/fleet.yaml
	plan=$dir/plan.yaml
}

belay() {
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$plan" "$@"
}

as_kim() {			# the same from another account, which knows what the hosts know
	mkdir -p "$dir/state.kim"
	"$lab" exec "$dir" -- env XDG_STATE_HOME="$dir/state.kim" "$BELAY" -f "$fleet" -p "$plan" "$@"
}

# Waits for a condition: until SECONDS COMMAND …
until_() {
	end=$(($(date +%s) + $1))
	shift
	while ! "$@"; do
		[ "$(date +%s)" -lt "$end" ] || return 1
		sleep 0.3
	done
}

# ---- what belay says, against what the servers say --------------------------

# Both print "CLIENT ENDPOINT tls|plain" for each kind of session that there is.
seen_by_belay() {
	belay status --json >"$tmp/status.json" || return 1
	jq -r '.links[] | select(.sessions.tls > 0) | "\(.client) \(.endpoint) tls"' "$tmp/status.json"
	jq -r '.links[] | select(.sessions.plaintext > 0) | "\(.client) \(.endpoint) plain"' "$tmp/status.json"
}

client_of() {			# client_of ADDRESS: the service whose host it is
	for h in api web voice ops telpro; do
		if [ "$1" = "$("$lab" exec "$dir" -- getent hosts "$h-1" | cut -d' ' -f1)" ]; then
			echo "$h"
			return
		fi
	done
	echo "$1"
}

addresses() {			# "ADDRESS CLIENT", once for each lab
	[ -s "$dir/addresses" ] || for h in api web voice ops telpro; do
		"$lab" exec "$dir" -- getent hosts "$h-1" | awk -v h="$h" '{ print $1, h }'
	done >"$dir/addresses"
	cat "$dir/addresses"
}

seen_by_servers() {
	addresses >"$tmp/addr"
	"$lab" sql "$dir" "SELECT CASE WHEN s.ssl THEN 'tls' ELSE 'plain' END FROM pg_stat_activity a
		JOIN pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL AND a.usename = 'voiceai'" |
		sort -u | sed 's/^/pgbouncer postgres /'
	"$lab" console "$dir" 'SHOW CLIENTS' | awk -F'|' '
		NR == FNR { split($0, w, " "); who[w[1]] = w[2]; next }
		FNR == 1 { for (i = 1; i <= NF; i++) col[$i] = i; next }
		$col["user"] == "voiceai" && ($col["addr"] in who) {
			print who[$col["addr"]], "pgbouncer", ($col["tls"] == "" ? "plain" : "tls") }
	' "$tmp/addr" - | sort -u
	db=$("$lab" exec "$dir" -- getent hosts db.internal | cut -d' ' -f1)
	"$lab" redis "$dir" CLIENT LIST | tr ' ' '\n' | awk -F= -v db="$db" '
		NR == FNR { split($0, w, " "); who[w[1]] = w[2]; next }
		$1 == "addr" { a = $2; sub(/:[0-9]*$/, "", a) }
		$1 == "laddr" { p = $2; sub(/.*:/, "", p) }
		$1 == "name" { name = $2 }
		$1 == "cmd" {
			c = (a in who) ? who[a] : (a == db) ? "otel" : (a == "127.0.0.1") ? "redis-health" : ""
			if (c != "" && name !~ /^belay/ && $2 != "client|list")
				print c, "redis", (p == 6379 ? "plain" : "tls") }
	' "$tmp/addr" - | sort -u
}

agree() {
	seen_by_belay | sort >"$tmp/belay.seen" && seen_by_servers | sort >"$tmp/servers.seen" &&
		cmp -s "$tmp/belay.seen" "$tmp/servers.seen"
}

# Sessions come and go: asked until both agree, a few times.
agreement() {
	until_ 15 agree && return
	diff "$tmp/belay.seen" "$tmp/servers.seen" | sed 's/^</belay: /; s/^>/servers: /'
	return 1
}

# Every file of every host but what runs and decodes there: content, mode, owner.
tree() {
	for h in db api web voice ops telpro; do
		(cd "$dir/hosts/$h/srv/voiceai" && find . -path ./run -prune -o -type f -print | sort |
			while read -r f; do
				printf '%s %s %s %s\n' "$h" "$f" "$(sha256sum <"$f")" "$(stat -c '%a %u %g' "$f")"
			done)
	done
}

steps() {
	jq -r '.steps[].id' "$tmp/status.json"
}

phase_of() {
	belay status --json | jq -r --arg s "$1" '.steps[] | select(.id == $s).phase'
}

# Against $tmp/tree.start, which the script takes at its start.
same_tree() {
	tree | sort >"$tmp/tree.end"
	sort "$tmp/tree.start" | diff - "$tmp/tree.end"
}

# telpro's build comes without TLS; shipping the other one is no step of the
# plan, so what it changes belongs to the start.
ship_tls_build() {
	"$lab" exec "$dir" -- ssh -F "$dir/ssh_config" voiceai-telpro \
		'cd /srv/voiceai && ./ship-tls-build.sh' || return 1
	tree >"$tmp/tree.now"
	grep -v '^telpro ./build/' "$tmp/tree.start" >"$tmp/tree.x"
	grep '^telpro ./build/' "$tmp/tree.now" >>"$tmp/tree.x"
	mv "$tmp/tree.x" "$tmp/tree.start"
}

# ---- what the clients have counted -------------------------------------------

counted() {			# counted FIELD …: their sum over all clients and links
	"$lab" stats "$dir" --json >"$tmp/stats.json" || return 1
	for field; do
		jq -s --arg f "$field" '[.. | objects | .[$f]? | numbers] | add // 0' "$tmp/stats.json"
	done | awk '{ sum += $1 } END { print sum + 0 }'
}

traffic_flows() {
	[ "$(counted ok)" -gt "$1" ]
}

failed_operations() {		# none that 5 s of a client's own retrying did not carry over
	[ "$(counted failed new_failed)" -eq 0 ] || { cat "$tmp/stats.json"; return 1; }
}

retried_operations() {
	[ "$(counted retried new_retried)" -eq 0 ] || { cat "$tmp/stats.json"; return 1; }
}

# make_company DIR: the CA of somebody else, $1/ca.pem, whose command `sh $1/sign` signs what began 85 days
# ago and ends in five, and once there is $1/fresh what has ninety days left.
make_company() {
	mkdir -p "$1" || return 1
	(umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3000 -subj '/CN=Company CA' \
		-addext keyUsage=critical,keyCertSign,cRLSign -keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null) || return 1
	: >"$1/index.txt"
	cat >"$1/ca.cnf" <<-CNF
	[ca]
	default_ca = it
	[it]
	database = $1/index.txt
	new_certs_dir = $1
	certificate = $1/ca.pem
	private_key = $1/ca.key
	rand_serial = yes
	unique_subject = no
	default_md = sha256
	policy = any
	copy_extensions = copyall
	[any]
	commonName = supplied
	CNF
	cat >"$1/sign" <<-SH
	[ -e $1/fresh ] && exec openssl ca -config $1/ca.cnf -batch -notext -days 90 -in /dev/stdin
	exec openssl ca -config $1/ca.cnf -batch -notext -startdate $(date -u -d '85 days ago' +%Y%m%d%H%M%SZ) \
		-enddate $(date -u -d '5 days 1 hour' +%Y%m%d%H%M%SZ) -in /dev/stdin
	SH
}

# ---- a belay in the background ----------------------------------------------

go() {
	"$lab" exec "$dir" -- "$BELAY" -f "$fleet" -p "$plan" "$@" >"$tmp/out" 2>&1 </dev/null &
	pid=$!
}

said() {
	grep -q -e "$1" "$tmp/out"
}

gone() {
	[ ! -d "/proc/$pid" ] || grep -q ') Z ' "/proc/$pid/stat" 2>/dev/null
}

# comes_to CODE [TEXT]: it ends within $patience seconds (60), with that code, and has said that
comes_to() {
	until_ "${patience:-60}" gone || { echo "it hangs"; kill -9 "$pid"; }
	rc=0
	wait "$pid" 2>/dev/null || rc=$?
	cat "$tmp/out"
	cat "$tmp/out" >>"$tmp/all"
	[ "$rc" -eq "$1" ] || { echo "exit $rc, expected $1"; return 1; }
	[ $# -lt 2 ] || said "$2" || { echo "does not say: $2"; return 1; }
}
