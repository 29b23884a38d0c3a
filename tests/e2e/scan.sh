#!/bin/sh
# time limit: 240
# What belay says of TLS at each endpoint, column by column, against what another program
# meets there: openssl-s_client(1) for TLS, psql(1) and redis-cli(1) for plaintext. At the start, when two
# of three have been told to speak TLS, and when all have. The table is printed; no column may differ.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

columns=0
differ=0

# ---- the other program --------------------------------------------------------

port_of() {			# port_of ENDPOINT tls|plain
	case $1.$2 in
	postgres.*) echo 5432 ;;
	pgbouncer.*) echo 6432 ;;
	redis.tls) echo 6380 ;;
	redis.plain) echo 6379 ;;
	esac
}

shake() {			# shake ENDPOINT OPTIONS...: what s_client says
	e=$1
	shift
	case $e in
	redis) ;;
	*) set -- -starttls postgres "$@" ;;
	esac
	"$lab" exec "$dir" -- timeout 10 openssl s_client -connect "$at:$(port_of "$e" tls)" -servername db.internal \
		-CAfile "$tmp/ca.crt" -verify_hostname db.internal -nameopt RFC2253 -showcerts "$@" </dev/null 2>&1
}

speaks() {			# whether a handshake went through, by what s_client said
	grep -q 'Cipher is [A-Z]' "$1" && ! grep -q 'Cipher is (NONE)' "$1"
}

takes_plaintext() {
	case $1 in
	redis)
		"$lab" exec "$dir" -- env REDISCLI_AUTH="$(sed -n 's/^REDIS_PASSWORD=//p' "$dir/hosts/db/srv/voiceai/.env")" \
			redis-cli -h "$at" -p 6379 ping 2>/dev/null | grep -q PONG ;;
	*)
		db=voiceai
		[ "$1" = postgres ] || db=pgbouncer
		# It exits with 2 where it could not connect, and with 1 where it did not like the answer.
		"$lab" exec "$dir" -- env PGPASSWORD="$(cat "$dir/secrets/pg-probe")" psql -XqAt -c 'SHOW VERSION' \
			"host=$at port=$(port_of "$1" plain) user=belay_probe dbname=$db sslmode=disable" >"$tmp/psql" 2>&1
		[ $? -ne 2 ] ;;
	esac
}

first_certificate() {
	sed -n '/BEGIN CERTIFICATE/,/END CERTIFICATE/p; /END CERTIFICATE/q' "$1"
}

of_certificate() {		# of_certificate OPTION...: one line of x509's, after its equals sign
	openssl x509 -in "$tmp/leaf.crt" -noout -nameopt RFC2253 "$@" | sed 's/^[^=]*=//; s/^ *//'
}

key_of_certificate() {
	openssl x509 -in "$tmp/leaf.crt" -noout -text >"$tmp/leaf.txt"
	if grep -q 'Public Key Algorithm: rsaEncryption' "$tmp/leaf.txt"; then
		sed -n 's/.*Public-Key: (\([0-9]*\) bit.*/RSA \1/p' "$tmp/leaf.txt"
	else
		sed -n 's/.*NIST CURVE: /ECDSA /p' "$tmp/leaf.txt"
	fi
}

# The names, each on a line, as belay spells them.
names_of_certificate() {
	openssl x509 -in "$tmp/leaf.crt" -noout -ext subjectAltName | sed 1d | tr ',' '\n' |
		sed 's/^ *//; s/^IP Address:/IP:/' | sort | paste -sd' ' -
}

versions_of() {
	for v in tls1 tls1_1 tls1_2 tls1_3; do
		shake "$1" "-$v" -cipher 'DEFAULT:@SECLEVEL=0' >"$tmp/version"
		! speaks "$tmp/version" || echo "$v"
	done | sed 's/tls1_/TLSv1./; s/tls1$/TLSv1/' | paste -sd' ' -
}

# "COLUMN VALUE" for each thing that it met.
scanned() {
	shake "$1" >"$tmp/shake"
	plain=no
	! takes_plaintext "$1" || plain=yes
	if ! speaks "$tmp/shake"; then
		echo "serves $([ $plain = yes ] && echo plain || echo nothing)"
		return
	fi
	first_certificate "$tmp/shake" >"$tmp/leaf.crt"
	echo "serves $([ $plain = yes ] && echo both || echo tls)"
	echo "protocol $(sed -n 's/^New, \([^,]*\), Cipher is .*/\1/p' "$tmp/shake" | head -n 1)"
	echo "cipher $(sed -n 's/^New, [^,]*, Cipher is \(.*\)/\1/p' "$tmp/shake" | head -n 1)"
	echo "verified $(grep -q '^Verif.*: 0 (ok)\|^Verification: OK' "$tmp/shake" && echo yes || echo no)"
	echo "sent $(grep -c 'BEGIN CERTIFICATE' "$tmp/shake")"
	echo "client-certificate $(grep -q 'Requested Signature Algorithms' "$tmp/shake" && echo asked || echo none)"
	echo "subject $(of_certificate -subject)"
	echo "issuer $(of_certificate -issuer)"
	echo "key $(key_of_certificate)"
	echo "signature $(sed -n 's/^ *Signature Algorithm: //p' "$tmp/leaf.txt" | head -n 1)"
	echo "names $(names_of_certificate)"
	echo "not-before $(date -u -d "$(of_certificate -startdate)" +%s)"
	echo "not-after $(date -u -d "$(of_certificate -enddate)" +%s)"
	echo "sha256 $(of_certificate -fingerprint -sha256 | tr -d : | tr A-F a-f)"
	echo "versions $(versions_of "$1")"
}

# ---- belay ----------------------------------------------------------------------

told() {
	jq -r --arg e "$1" '.endpoints[] | select(.name == $e) |
		"serves \(.served // "nothing")",
		(if .certificate == null then empty else
		"protocol \(.tls.protocol)", "cipher \(.tls.cipher)",
		"verified \(if .path_proven then "yes" else "no" end)",
		"sent \(.certificate.sent)",
		"client-certificate \(.client_certificate)",
		"subject \(.certificate.subject)", "issuer \(.certificate.issuer)",
		"key \(.certificate.key)", "signature \(.certificate.signature)",
		"names \(.certificate.names | sort | join(" "))",
		"not-before \(.certificate.not_before_s)", "not-after \(.certificate.not_after_s)",
		"sha256 \(.certificate.sha256)",
		"versions \(.tls.versions | join(" "))" end)' "$tmp/status.json"
}

# ---- column by column -------------------------------------------------------------

compare() {
	belay status --deep --json >"$tmp/status.json" || return 1
	base64 -d >"$tmp/ca.crt" <<-END
	$(sed -n 's/^INTERNAL_CA_CRT_B64=//p' "$dir/hosts/db/srv/voiceai/.env" | tr -d '"')
	END
	[ -s "$tmp/ca.crt" ] || cp "$tmp/other.crt" "$tmp/ca.crt"
	: >"$tmp/table"
	for e in postgres pgbouncer redis; do
		told "$e" >"$tmp/told"
		scanned "$e" >"$tmp/scanned"
		for c in $(cut -d' ' -f1 "$tmp/told" "$tmp/scanned" | sort -u); do
			a=$(sed -n "s/^$c //p" "$tmp/told")
			b=$(sed -n "s/^$c //p" "$tmp/scanned")
			same="="
			[ "$a" = "$b" ] || same="DIFFERS"
			printf '%-9s %-18s %-8s %s%s\n' "$e" "$c" "$same" "$a" "$([ "$same" = "=" ] || echo " | $b")" >>"$tmp/table"
		done
	done
	cat "$tmp/table"
	! grep -q ' DIFFERS ' "$tmp/table"
}

scan() {
	ok "$1: every column is the same" compare
	sed 's/^/# /' "$tmp/table"
	columns=$((columns + $(wc -l <"$tmp/table")))
	differ=$((differ + $(grep -c ' DIFFERS ' "$tmp/table")))
}

# Nothing of TLS stands anywhere: then the table has one column for each endpoint.
ok "the lab is up" up scan --reload || finish
at=$("$lab" exec "$dir" -- getent hosts db.internal | cut -d' ' -f1)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other -keyout "$tmp/other.key" \
	-out "$tmp/other.crt" 2>/dev/null
scan "at the start"
ok "two of them speak TLS" belay apply --to pgb-both --yes
scan "two speak TLS"
# Postgres is not forced: that psql logged in there on plaintext stands in its log, and belay minds.
ok "all of them do" belay apply --to redis-both --skip-optional --yes
scan "all speak TLS"
ok "of $columns columns of three endpoints $differ differ" [ "$differ" -eq 0 ]
ok "and there were enough of them" [ "$columns" -ge 60 ]
finish
