#!/bin/sh
# The manuals say what the program does: belay(1) against the program's own
# help, its table of options, its exit codes, its keys and commands, what its
# JSON has, and the environment that it reads.
#
# Each check compares two lists, what the manual has and what the source has, and
# says what only one of them has. The second half spoils a copy of the manual in
# one place for each check, and fails if the check does not notice.

# What claim and notices call looks unreachable to it.
# shellcheck disable=SC2317
set -eu
LC_ALL=C
export LC_ALL

build=${BUILD:-build}
belay=${BELAY:-$build/belay}
mdoc=$build/tests/ui/mdoc
tmp=$(mktemp -d "${TMPDIR:-/tmp}/belay-manual.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# part FILE SECTION [SUBSECTION]: its lines; without a subsection, all of them
part()
{
	awk -v want_sh="$2" -v want_ss="${3-}" '
	/^\.Sh / { sh = substr($0, 5); ss = ""; next }
	/^\.Ss / { ss = substr($0, 5); next }
	sh == want_sh && (want_ss == "" || ss == want_ss)' "$1"
}

# between FILE NAME: what stands between `.\" NAME begin...` and `.\" NAME end`
between()
{
	awk -v b=".\\\\\" $2 begin" -v e=".\\\\\" $2 end" '
	index($0, e) == 1 { on = 0 }
	on
	index($0, b) == 1 { on = 1 }' "$1"
}

# differ MANUAL SOURCE: two files of words, a line each; prints what only one has
differ()
{
	sort -u "$1" >"$tmp/a"
	sort -u "$2" >"$tmp/b"
	[ -s "$tmp/a" ] || echo 'the manual has none of them'
	[ -s "$tmp/b" ] || echo 'the source has none of them'
	comm -23 "$tmp/a" "$tmp/b" | sed 's/^/only in the manual: /'
	comm -13 "$tmp/a" "$tmp/b" | sed 's/^/only in the source: /'
}

# ---------------------------------------------------------------------------
# The checks, called by claim and notices: each takes a manual and prints a line for each difference.

# Options with what they take: "--to ARG", "--yes [ARG]", "--json", "-f --fleet ARG".
options()
{
	part "$1" DESCRIPTION Options | sed -n '
	s/^\.It Fl \([a-z]\) Ar [a-z]* , Fl -\([a-z-]*\) Ar [a-z]*$/-\1 --\2 ARG/p
	s/^\.It Fl \([a-z]\) , Fl -\([a-z-]*\)$/-\1 --\2/p
	s/^\.It Fl -\([a-z-]*\)$/--\1/p
	s/^\.It Fl -\([a-z-]*\) Ar [a-z]*$/--\1 ARG/p
	s/^\.It Fl -\([a-z-]*\) Ns Op = Ns Ar [a-z]*$/--\1 [ARG]/p' >"$tmp/manual"
	sed -n '/^static const struct option/,/^}/{
	s/^	{ "\([a-z-]*\)", \([a-z_]*\), NULL, \(.*\) },$/\3 --\1 \2/p
	}' src/main.c | sed -e "s/^'\(.\)' /-\1 /" -e 's/^OPT_[A-Z_]* //' -e 's/ no_argument$//' \
	    -e 's/ required_argument$/ ARG/' -e 's/ optional_argument$/ [ARG]/' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

# Every --option of the help, and of the manual those that are not the help's own.
help_options()
{
	part "$1" DESCRIPTION Options | grep '^\.It Fl' | grep -o 'Fl -[a-z-]*' | sed 's/^Fl /-/' |
	    grep -v -x -e --help -e --version >"$tmp/manual" || :
	"$belay" --help | sed -n '/^options:/,/^exit:/p' | sed 's/try .*//' |
	    grep -o -e '--[a-z][a-z-]*' >"$tmp/source" || :
	differ "$tmp/manual" "$tmp/source"
}

# Verbs, with the step that they take.
verbs()
{
	part "$1" DESCRIPTION Verbs | sed -n 's/^\.It Cm //p' | sed -e 's/ Op Ar step$/ [STEP]/' -e 's/ Op Ar name$/ [NAME]/' >"$tmp/manual"
	"$belay" --help | sed '/^options:/,$d' | sed -n 's/^  \([a-z][a-z]*\) *\(\[[A-Z]*\]\)*.*/\1 \2/p' |
	    sed 's/ $//' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

exits()
{
	part "$1" 'EXIT STATUS' | sed -n 's/^\.It \([0-9]*\)$/\1/p' >"$tmp/manual"
	sed -n 's/^	EXIT_[A-Z]* = \([0-9]*\).*/\1/p' src/verbs/verbs.h >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
	"$belay" --help | sed -n '/^exit:/,$p' | grep -o '[0-9] [a-z]' | sed 's/ .*//' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

keys()
{
	between "$1" keys >"$tmp/manual"
	"$mdoc" keys >"$tmp/source"
	diff "$tmp/manual" "$tmp/source" || echo 'the table of keys is not what build/tests/ui/mdoc keys prints'
}

commands()
{
	between "$1" commands >"$tmp/manual"
	"$mdoc" commands >"$tmp/source"
	diff "$tmp/manual" "$tmp/source" || echo 'the table of commands is not what build/tests/ui/mdoc commands prints'
}

causes()
{
	between "$1" causes >"$tmp/manual"
	"$mdoc" causes >"$tmp/source"
	diff "$tmp/manual" "$tmp/source" || echo 'the table of causes is not what build/tests/ui/mdoc causes prints'
}

# Options that a verb takes, in the synopsis as in the list.
synopsis()
{
	part "$1" SYNOPSIS | grep -o 'Fl -[a-z-]*' | sed 's/^Fl /-/' >"$tmp/manual" || :
	sed -n '/^static const struct option/,/^}/s/^	{ "\([a-z-]*\)",.*/--\1/p' src/main.c |
	    grep -v -x -e --fleet -e --plan >"$tmp/source" || :
	differ "$tmp/manual" "$tmp/source"
	# With which verbs, as their paragraphs say.
	part "$1" DESCRIPTION Options | awk '
	/^\.It Fl/ { option = ""; n = split($0, w, " "); for (i = 1; i <= n; i++) if (w[i] ~ /^-[a-z-]+$/) option = "-" w[i]; on = 0; next }
	/^(With|and with)$/ { on = 1; next }
	on && /^\.Cm / { for (i = 2; i <= NF; i++) if ($i != ",") { sub(/:$/, "", $i); if ($i ~ /^[a-z]+$/) print $i, option }; next }
	on && /^and$/ { next }
	{ on = 0 }' >"$tmp/manual"
	part "$1" SYNOPSIS | awk '
	/^\.Nm/ { verb = "" }
	/^\.Cm / { verb = $2 }
	verb != "" { for (i = 1; i <= NF; i++) if ($i ~ /^-[a-z-]+$/) print verb, "-" $i }' >"$tmp/source"
	sort -u "$tmp/manual" >"$tmp/a"
	sort -u "$tmp/source" >"$tmp/b"
	comm -23 "$tmp/a" "$tmp/b" | sed 's/^/not in the synopsis: /'
}

# Kinds of operations, and of notes in the journal.
kinds()
{
	part "$1" JSON diff/1 | sed -n '/^\.It Li operations\[\]\.kind$/,/^\.It Li operations\[\]\.path$/s/^\.Li //p' |
	    tr -s ' ,' '\n' | sed '/^$/d' >"$tmp/manual"
	sed -n '/^op_kind_word/,/^}/s/.*return "\([a-z]*\)";/\1/p' src/core/op_codec.c >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
	part "$1" JSON history/1 | sed -n '/^and notes:$/,/^\.It/s/^\.Li //p' | tr -s ' ,' '\n' | sed '/^$/d' >"$tmp/manual"
	cat src/engine/*.c | grep -oE '(past_note|insist|note)\(e, [a-zA-Z]+, "[a-z-]+"' | sed 's/.*"\(.*\)"/\1/' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

# Members of each document, "status/1 sessions": a function that makes no
# document of its own is a part of the next one that does.
json()
{
	awk '
	/^\.Sh / { sh = substr($0, 5); doc = "" }
	/^\.Ss / { doc = sh == "JSON" ? substr($0, 5) : "" }
	doc != "" && /^\.It Li / {
		n = split(substr($0, 8), path, " ")
		for (i = 1; i <= n; i++) {
			if (path[i] == ",") continue
			gsub(/\[\]/, "", path[i])
			m = split(path[i], name, ".")
			for (k = 1; k <= m; k++) print doc, name[k]
		}
	}' "$1" >"$tmp/manual"
	awk '
	/^[a-z_]+\(/ { fn++ }
	match($0, /put\([a-z]+, "[a-z_0-9]+"/) {
		s = substr($0, RSTART, RLENGTH); sub(/^[^"]*"/, "", s); sub(/"$/, "", s)
		of[++n] = fn; name[n] = s
	}
	match($0, /json_string\("[a-z]+\/[0-9]+"\)/) {
		s = substr($0, RSTART, RLENGTH); sub(/^[^"]*"/, "", s); sub(/".*/, "", s)
		doc[fn] = s
	}
	END {
		for (i = 1; i <= n; i++) {
			for (f = of[i]; f < fn && !(f in doc); f++) continue
			print doc[f], name[i]
		}
	}
	' src/verbs/json_status.c src/verbs/json_certs.c src/verbs/json_step.c src/verbs/json_check.c src/verbs/json.c >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

# What documents really hold, path by path: of a fleet that is this machine alone, and
# an endpoint at which nobody listens.
printed()
{
	awk '
	/^\.Sh / { sh = substr($0, 5); doc = "" }
	/^\.Ss / { doc = sh == "JSON" ? substr($0, 5) : "" }
	doc != "" && /^\.It Li / {
		n = split(substr($0, 8), path, " ")
		for (i = 1; i <= n; i++) {
			while (path[i] != "" && path[i] != ",") {
				print doc, path[i]
				if (path[i] ~ /\[\]$/) sub(/\[\]$/, "", path[i])
				else if (!sub(/\.[^.]*$/, "", path[i])) break
			}
		}
	}' "$1" | sort -u >"$tmp/manual"
	mkdir -p "$tmp/fleet"
	sed "s|DIR|$tmp/fleet|" >"$tmp/fleet/fleet.yaml" <<'END'
belay: fleet/1
environment: test
hosts: { here: { local: yes, state: DIR/host } }
units: { u: { host: here, run: "true", restarts: [r] } }
endpoints:
  r:
    kind: redis
    unit: u
    listen: { plain: 1, tls: 2 }
    names: [localhost]
    accept: { file: DIR/env, plain: { unset: [TLS] }, both: { set: { TLS: on } } }
clients:
  c: { host: here, links: { r: { match: { address: 127.0.0.1 }, dial: { fixed: disable } } } }
END
	printf '%s\n' 'belay: plan/1' 'name: p' 'steps: [{ id: s, accept: { r: both } }]' >"$tmp/fleet/plan.yaml"
	: >"$tmp/fleet/env"
	for verb in status check diff verify explain history certs; do
		rc=0
		XDG_STATE_HOME=$tmp/fleet "$belay" -f "$tmp/fleet/fleet.yaml" -p "$tmp/fleet/plan.yaml" \
		    "$verb" --json </dev/null >"$tmp/document" 2>"$tmp/why" || rc=$?
		# diff: changes are pending; certs: nobody answers
		[ "$rc" -eq 0 ] || [ "$verb$rc" = diff2 ] || [ "$verb$rc" = certs2 ] || { echo "$verb: exit $rc"; cat "$tmp/why"; }
		jq -r '.belay as $doc | paths | map(if type == "number" then "[]" else "." + . end) | join("")
		    | $doc + " " + .[1:]' "$tmp/document"
	done | sort -u >"$tmp/source"
	for doc in status/1 check/1 diff/1 verify/1 explain/1 history/1 certs/1; do
		grep -q "^$doc " "$tmp/source" || echo "no $doc was printed"
	done
	comm -13 "$tmp/manual" "$tmp/source" | sed 's/^/only in the source: /'
}

# The locale is read by setlocale(3).
environment()
{
	part "$1" ENVIRONMENT | sed -n 's/^\.It Ev //p' | tr -s ' ,' '\n' |
	    grep -v -x -e LANG -e 'LC_.*' >"$tmp/manual" || :
	grep -rhoE 'getenv\("[A-Z_]+"\)' src ui | sed 's/.*("\(.*\)")/\1/' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

words()
{
	part "$1" DESCRIPTION Words | sed -n 's/^\.It Li //p' >"$tmp/manual"
	cat src/core/board_link.c src/core/rollout_words.c | grep -oE '\[(LINK|PHASE)_[A-Z]+\] = "[a-z]+"' |
	    sed 's/.*"\(.*\)"/\1/' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

strings()
{
	part "$1" DESCRIPTION 'Connection strings' | sed -n 's/^\.It Li //p' >"$tmp/manual"
	sed -n '/^const char \*const connstring_names/,/;/p' src/core/connstring.c | grep -o '"[a-z-]*"' | tr -d '"' >"$tmp/source"
	differ "$tmp/manual" "$tmp/source"
}

# Not a manual's fault: that the others are not installed here. A matter of
# taste: the length of its lines.
lint()
{
	mandoc -T lint -W style "$@" 2>/dev/null |
	    grep -v -e 'STYLE: referenced manual not found' -e 'STYLE: input text line longer' || :
}

# ---------------------------------------------------------------------------

n=0
bad=0

# claim NAME COMMAND...: ok if it says nothing
claim()
{
	name=$1
	shift
	n=$((n + 1))
	rc=0
	"$@" >"$tmp/said" 2>"$tmp/err" || rc=$?
	if [ "$rc" -eq 0 ] && [ ! -s "$tmp/said" ] && [ ! -s "$tmp/err" ]; then
		echo "ok $n - $name"
	else
		bad=1
		echo "not ok $n - $name"
		sed 's/^/# /' "$tmp/said" "$tmp/err"
	fi
}

# notices NAME SED CHECK TEXT [FILE]: ok if the check says TEXT of a manual that SED has spoilt
notices()
{
	n=$((n + 1))
	spoilt=${5:-doc/belay.1}
	sed "$2" "$spoilt" >"$tmp/spoilt.1"
	"$3" "$tmp/spoilt.1" >"$tmp/said" 2>&1 || :
	if ! cmp -s "$spoilt" "$tmp/spoilt.1" && grep -qF -e "$4" "$tmp/said"; then
		echo "ok $n - $1"
	else
		bad=1
		echo "not ok $n - $1"
		echo "# was to say: $4"
		sed 's/^/# said: /' "$tmp/said"
	fi
}

echo 1..33

claim every_manual_is_clean lint doc/belay.1 doc/belay-fleet.5 doc/belay-plan.5 doc/belay-explain.7 doc/belay-internals.7
claim manual_has_every_option_and_what_it_takes options doc/belay.1
claim manual_and_help_have_the_same_options help_options doc/belay.1
claim synopsis_has_every_option_of_every_verb synopsis doc/belay.1
claim manual_has_every_kind_of_operation_and_note kinds doc/belay.1
claim manual_and_help_have_the_same_verbs verbs doc/belay.1
claim manual_has_every_exit_code exits doc/belay.1
claim manual_has_the_table_of_keys keys doc/belay.1
claim manual_has_the_table_of_commands commands doc/belay.1
claim manual_has_the_table_of_causes causes doc/belay-explain.7
claim manual_has_every_member_of_the_json json doc/belay.1
claim what_is_printed_stands_in_the_manual printed doc/belay.1
claim manual_has_the_environment environment doc/belay.1
claim manual_has_every_state_and_phase words doc/belay.1
claim manual_has_what_is_found_in_connection_strings strings doc/belay.1

notices catches_a_macro_that_is_none 's/^\.Sh JSON/.Shh JSON/' lint 'unknown macro'
notices catches_an_option_that_was_forgotten '/^\.It Fl -waive/d' options 'only in the source: --waive ARG'
notices catches_an_option_that_is_no_more 's/^\.It Fl -watch$/&er/' options 'only in the manual: --watcher'
notices catches_an_option_that_takes_nothing 's/^\.It Fl -to Ar step$/.It Fl -to/' options 'only in the manual: --to'
notices catches_an_option_that_help_lacks 's/^\.It Fl -json$/&l/' help_options 'only in the manual: --jsonl'
notices catches_an_option_that_a_synopsis_lacks '/^\.Op Fl -keep/d' synopsis 'not in the synopsis: undo --keep'
notices catches_a_kind_that_was_forgotten 's/^\.Li env , conf , block , url , file , setting/.Li env , conf , block , url , file/' kinds 'only in the source: setting'
notices catches_a_note_that_was_forgotten 's/^\.Li waive , attest , keep , drain$/.Li waive , attest , keep/' kinds 'only in the source: drain'
notices catches_a_verb_that_was_forgotten '/^\.It Cm history/d' verbs 'only in the source: history'
notices catches_a_code_that_was_forgotten '/^\.It 5$/d' exits 'only in the source: 5'
notices catches_a_key_that_means_something_else 's/^this table$/this list/' keys 'the table of keys is not'
notices catches_a_command_that_was_renamed 's/^\.It Ic :park/.It Ic :halt/' commands 'the table of commands is not'
notices catches_a_cause_that_was_forgotten '/^\.It Cm expired$/d' causes 'the table of causes is not' doc/belay-explain.7
notices catches_a_member_that_was_forgotten '/^.It Li endpoints.*handshake_verified/d' json 'only in the source: status/1 handshake_verified'
notices catches_a_member_in_another_place '/^\.It Li operations.*unit/d' printed 'only in the source: diff/1 operations[].unit'
notices catches_a_variable_that_was_forgotten '/^\.It Ev TERM/d' environment 'only in the source: TERM'
notices catches_a_phase_that_was_forgotten '/^\.It Li soaking/d' words 'only in the source: soaking'
notices catches_a_finding_that_was_forgotten '/^\.It Li falls-back/d' strings 'only in the source: falls-back'

exit "$bad"
