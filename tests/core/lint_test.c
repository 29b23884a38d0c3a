/*
 * Each finding: on a file that was made for it, with its exact words, and not
 * on the same file mended.  What the readers refuse stays theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/lint.h"
#include "core/mem.h"

/* A server, its client, and the way of both to TLS: nothing is to be said of them. */
static const char fleet[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, web: { ssh: web } }\n"
    "units:\n"
    "  stack: { host: db, run: restart, restarts: [pg] }\n"
    "  web: { host: web, run: restart, restarts: [web] }\n"
    "certs:\n"
    "  ours: { serves: [pg], dir: /tls }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: stack\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept: { file: /env, set: { TLS: \"$(accept)\" } }\n"
    "clients:\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pg:\n"
    "        match: { host: web }\n"
    "        trust: { ca: ours, file: /ca.crt }\n"
    "        dial: { file: /env, set: { MODE: \"$(dial)\", CA: \"$(ca_file)\" } }\n";

static const char plan[] =
    "belay: plan/1\n"
    "name: p\n"
    "from: { accept: plain, dial: disable }\n"
    "steps:\n"
    "  - { id: certs, certs: { ours: install } }\n"
    "  - { id: both, accept: { pg: both } }\n"
    "  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n"
    "  - { id: tls, accept: { pg: tls } }\n";

/* The same with a pooler, and with a Redis beside. */
static const char big_fleet[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, web: { ssh: web } }\n"
    "units:\n"
    "  stack: { host: db, run: restart, restarts: [pg, pool, redis] }\n"
    "  web: { host: web, run: restart, restarts: [web] }\n"
    "certs:\n"
    "  ours: { serves: [pg, pool, redis], dir: /tls, lands: activation }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: stack, listen: { both: 5432 }, names: [db.internal], accept: { file: /env, set: { PG: \"$(accept)\" } } }\n"
    "  pool: { kind: pgbouncer, unit: stack, listen: { both: 6432 }, names: [db.internal], accept: { file: /env, set: { POOL: \"$(accept)\" } } }\n"
    "  redis: { kind: redis, unit: stack, listen: { plain: 6379, tls: 6380 }, names: [db.internal], accept: { file: /env, set: { REDIS: \"$(accept)\" } } }\n"
    "clients:\n"
    "  pool:\n"
    "    unit: stack\n"
    "    links: { pg: { match: { address: 127.0.0.1 }, trust: { ca: ours, file: /ca.crt, lands: activation }, dial: { file: /env, set: { LEG: \"$(dial)\" } } } }\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pool:\n"
    "        trust: { ca: ours, file: /ca.crt }\n"
    "        dial: { file: /env, set: { DB: \"$(dial)\" } }\n"
    "      redis:\n"
    "        driver: jedis\n"
    "        trust: { ca: ours, file: /ca.crt }\n"
    "        dial: { file: /env, set: { REDIS: \"$(dial)\" } }\n";

/* Three restarts would be four if every switch were a step of its own. */
static const char big_plan[] =
    "belay: plan/1\n"
    "name: p\n"
    "from: { accept: plain, dial: disable }\n"
    "steps:\n"
    "  - { id: certs, certs: { ours: install } }\n"
    "  - { id: open, accept: { pg: both, pool: both, redis: both }, trust: { \"pool -> pg\": ours }, dial: { \"pool -> pg\": verify-full } }\n"
    "  - { id: web-pool, trust: { \"web -> pool\": ours }, dial: { \"web -> pool\": verify-full } }\n"
    "  - { id: web-redis, trust: { \"web -> redis\": ours }, dial: { \"web -> redis\": verify-full } }\n"
    "  - { id: close, accept: { pg: tls, pool: tls, redis: tls } }\n";

static char *kept[64];		/* of one test, freed by release() */
static size_t nkept;

static char *
keep(char *s)
{
	assert_true(nkept < sizeof(kept) / sizeof(kept[0]));
	return kept[nkept++] = s;
}

static int
release(void **state)
{
	(void)state;
	while (nkept > 0)
		free(kept[--nkept]);
	return 0;
}

/* The text with something else in place of one part of it. */
static const char *
with(const char *text, const char *was, const char *is)
{
	const char *at = strstr(text, was);

	if (at == NULL)
		fail_msg("no '%s' in:\n%s", was, text);
	return keep(mem_printf("%.*s%s%s", (int)(at - text), text, is, at + strlen(was)));
}

/* All findings, a line each. */
static char *
findings(const char *fleet_text, const char *plan_text)
{
	struct fleet *f;
	struct plan *p = NULL;
	struct lints l;
	struct buf b;
	struct err err;
	size_t i;

	if (fleet_parse(&f, "fleet", fleet_text, strlen(fleet_text), &err) == -1)
		fail_msg("%s\n%s", err.msg, fleet_text);
	if (plan_text != NULL && plan_parse(&p, f, "plan", plan_text, strlen(plan_text), &err) == -1)
		fail_msg("%s\n%s", err.msg, plan_text);
	lint_run(&l, f, p);
	buf_init(&b, 0);
	for (i = 0; i < l.n; i++)
		buf_printf(&b, "%s:%d:%d: %s: %s [%s]\n", l.v[i].in_plan ? "plan" : "fleet",
		    l.v[i].pos.line, l.v[i].pos.col, lint_level_word(l.v[i].level), l.v[i].text,
		    l.v[i].name);
	lints_release(&l);
	plan_free(p);
	fleet_free(f);
	return keep(b.len == 0 ? (buf_release(&b), mem_strdup("")) : buf_take(&b, NULL));
}

static void
says(const char *fleet_text, const char *plan_text, const char *want)
{
	assert_string_equal(findings(fleet_text, plan_text), want);
}

static void
silent(const char *fleet_text, const char *plan_text)
{
	says(fleet_text, plan_text, "");
}

/* What the reader of the plan says; the files are refused there. */
static void
refused(const char *fleet_text, const char *plan_text, const char *want)
{
	struct fleet *f;
	struct plan *p;
	struct err err;

	if (fleet_parse(&f, "fleet", fleet_text, strlen(fleet_text), &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(plan_parse(&p, f, "plan", plan_text, strlen(plan_text), &err), -1);
	assert_string_equal(err.msg, want);
	fleet_free(f);
}

static void
nothing_is_said_of_a_sound_plan(void **state)
{
	(void)state;
	silent(fleet, plan);
	silent(fleet, NULL);
	silent(big_fleet, big_plan);
	silent(big_fleet, NULL);
}

static void
a_step_that_changes_nothing(void **state)
{
	(void)state;
	says(fleet, with(plan, "  - { id: tls,", "  - { id: again, accept: { pg: both } }\n  - { id: tls,"),
	    "plan:8:5: warning: step 'again' changes nothing: 'pg' accepts both since step 'both'; expected it left out, or another value [changes-nothing]\n");
	says(fleet, with(plan, "accept: { pg: both } }", "accept: { pg: both } }\n  - { id: again, certs: { ours: install } }"),
	    "plan:7:5: warning: step 'again' changes nothing: 'ours' is installed since step 'certs'; expected it left out, or another value [changes-nothing]\n");
	says(fleet, with(plan, "from: { accept: plain,", "from: { accept: both,"),
	    "plan:6:5: warning: step 'both' changes nothing: 'pg' accepts both from the start; expected it left out, or another value [changes-nothing]\n");
	says(fleet, with(plan, "  - { id: tls,",
	    "  - { id: again, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n  - { id: tls,"),
	    "plan:8:5: warning: step 'again' changes nothing: 'web -> pg' trusts 'ours' since step 'flip', 'web -> pg' dials verify-full since step 'flip'; expected it left out, or another value [changes-nothing]\n");
}

static void
a_step_that_changes_something_on_one_path_is_left_alone(void **state)
{
	const char *optional = with(plan, "accept: { pg: both } }", "accept: { pg: both }, optional: yes }");

	(void)state;
	/* Where the optional one was skipped, the second one does it. */
	silent(fleet, with(optional, "  - { id: flip,", "  - { id: again, accept: { pg: both } }\n  - { id: flip,"));
	/* A command may do anything. */
	silent(fleet, with(plan, "  - { id: tls,",
	    "  - { id: again, accept: { pg: both }, run: { on: db, run: do, undo: undo } }\n  - { id: tls,"));
	/* Nobody said what is there at the start. */
	silent(fleet, with(plan, "from: { accept: plain, dial: disable }\n", ""));
}

static void
a_goal_in_plaintext(void **state)
{
	const char *no_flip = with(with(plan, "  - { id: tls, accept: { pg: tls } }\n", ""),
	    "  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n", "");
	const char *fixed = with(fleet, "dial: { file: /env, set: { MODE: \"$(dial)\", CA: \"$(ca_file)\" } }",
	    "dial: { fixed: disable }");

	(void)state;
	says(fleet, no_flip,
	    "fleet:19:7: warning: 'web -> pg' ends in plaintext: it dials disable and 'pg' accepts both; expected a step that moves it to verify-full and gives it its CA to trust [goal-plaintext]\n");
	says(fixed, no_flip,
	    "fleet:19:7: warning: 'web -> pg' ends in plaintext: it dials disable and 'pg' accepts both; expected its owner to move it, and the fleet to say so [goal-plaintext]\n");
}

static void
a_goal_that_nobody_verifies(void **state)
{
	const char *no_trust = with(fleet, "        trust: { ca: ours, file: /ca.crt }\n", "");
	const char *require = with(plan, "trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full }",
	    "dial: { \"web -> pg\": require }");

	(void)state;
	says(fleet, require,
	    "plan:7:25: warning: 'web -> pg' ends as tls, not tls+name: it dials require, so whoever answers is believed; expected a step that moves it to verify-full and gives it its CA to trust [goal-unverified]\n");
	says(with(no_trust, ", CA: \"$(ca_file)\"", ""), require,
	    "plan:7:25: warning: 'web -> pg' ends as tls, not tls+name: it dials require, so whoever answers is believed; expected 'verify-full', with 'trust' at the link in the fleet [goal-unverified]\n");
	/* A value that the fleet does not bind cannot be moved to. */
	says(with(fleet, "dial: { file: /env, set: { MODE: \"$(dial)\", CA: \"$(ca_file)\" } }",
	    "dial: { file: /env, disable: { set: { MODE: off } }, require: { set: { MODE: on } } }"), require,
	    "plan:7:25: warning: 'web -> pg' ends as tls, not tls+name: it dials require, so whoever answers is believed; expected a binding of 'verify-full' in the fleet, and a step that moves it there [goal-unverified]\n");
	/* Not ours to move: true all the same, and no more than a note. */
	says(with(with(no_trust, ", CA: \"$(ca_file)\"", ""), "dial: { file: /env, set: { MODE: \"$(dial)\" } }",
	    "dial: { assume: prefer }"), with(plan,
	    "  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n", ""),
	    "fleet:19:7: note: 'web -> pg' ends as tls, not tls+name: it dials prefer, so whoever answers is believed; expected its owner to move it, and the fleet to say so [goal-unverified]\n");
}

static void
a_goal_that_falls_back(void **state)
{
	const char *open = with(plan, "  - { id: tls, accept: { pg: tls } }\n", "");

	(void)state;
	says(fleet, with(open, "trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full }",
	    "dial: { \"web -> pg\": prefer }"),
	    "plan:7:25: warning: 'web -> pg' ends as tls, not tls+name: it dials prefer, so whoever answers is believed, and plaintext will do where tls fails; expected a step that moves it to verify-full and gives it its CA to trust [goal-unverified]\n");
	says(fleet, with(open, "dial: { \"web -> pg\": verify-full }", "dial: { \"web -> pg\": prefer }"),
	    "plan:7:55: warning: 'web -> pg' ends as tls+chain only as long as that works: it dials prefer, and plaintext will do where it fails; expected a step that moves it to verify-full and gives it its CA to trust [goal-unverified]\n");
	silent(fleet, open);
}

static void
a_goal_that_verifies_the_chain_only(void **state)
{
	(void)state;
	says(fleet, with(plan, "dial: { \"web -> pg\": verify-full }", "dial: { \"web -> pg\": verify-ca }"),
	    "plan:7:55: note: 'web -> pg' ends as tls+chain, not tls+name: verify-ca checks no name, so every certificate of that CA will do; expected 'verify-full' [goal-chain-only]\n");
}

static void
require_that_verifies_after_all(void **state)
{
	(void)state;
	says(fleet, with(plan, "dial: { \"web -> pg\": verify-full }", "dial: { \"web -> pg\": require }"),
	    "plan:7:55: note: 'web -> pg' dials require and has a root file, so libpq verifies the chain as verify-ca does, and refuses another CA's certificate; expected 'verify-full', or no 'trust' [require-verifies]\n");
}

static void
what_one_line_stands_for_is_told_once(void **state)
{
	const char *five = with(with(with(with(fleet, "hosts: { db: { ssh: db }, web: { ssh: web } }",
	    "lists: { s: [a, b, c, d, e] }\nhosts: { db: { ssh: db }, \"$(x)\": { for: { x: s }, ssh: h } }"),
	    "  web: { host: web, run: restart, restarts: [web] }", "  \"$(x)\": { for: { x: s }, host: \"$(x)\", run: restart }"),
	    "  web:\n    unit: web\n", "  \"$(x)\":\n    for: { x: s }\n    unit: \"$(x)\"\n"),
	    "match: { host: web }", "match: { host: \"$(x)\" }");

	(void)state;
	says(five, with(plan, "  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }",
	    "  - { id: \"flip-$(x)\", for: { x: s }, dial: { \"$(x) -> pg\": require } }"),
	    "plan:7:47: warning: 'a -> pg' ends as tls, not tls+name: it dials require, so whoever answers is believed; expected a step that moves it to verify-full and gives it its CA to trust; the same of 'b -> pg', 'c -> pg', 'd -> pg' and 1 more [goal-unverified]\n");
}

static void
verify_without_a_ca(void **state)
{
	const char *no_trust = with(with(fleet, "        trust: { ca: ours, file: /ca.crt }\n", ""),
	    ", CA: \"$(ca_file)\"", "");
	const char *untrusting = with(plan, "trust: { \"web -> pg\": ours }, ", "");

	(void)state;
	says(no_trust, untrusting,
	    "plan:7:25: warning: 'web -> pg' is to dial verify-full and is given no CA to verify by; expected 'trust' at the link in the fleet, moved by this step or before it [verify-without-trust]\n");
	says(fleet, untrusting,
	    "plan:7:25: warning: 'web -> pg' is to dial verify-full and is given no CA to verify by; expected its 'trust' moved by this step or before it [verify-without-trust]\n");
	/* Somebody else's certificate: libpq has no CA but those that it is given, others ask the system. */
	says(with(no_trust, "ours: { serves: [pg], dir: /tls }", "theirs: { serves: [pg], external: yes, ca: system }"),
	    with(untrusting, "  - { id: certs, certs: { ours: install } }\n", ""),
	    "plan:6:25: warning: 'web -> pg' is to dial verify-full and is given no CA to verify by, without which its driver fails; expected 'trust' at the link in the fleet, moved by this step or before it [verify-without-trust]\n");
	silent(with(with(no_trust, "ours: { serves: [pg], dir: /tls }", "theirs: { serves: [pg], external: yes, ca: system, names: [db.internal] }"),
	    "        match: { host: web }", "        driver: pgx\n        match: { host: web }"),
	    with(untrusting, "  - { id: certs, certs: { ours: install } }\n", ""));
}

static void
a_link_that_is_not_ours_to_move(void **state)
{
	const char *probe = with(fleet, "clients:\n",
	    "clients:\n  probe: { host: db, links: { pg: { match: { user: probe }, dial: { fixed: disable } } } }\n");
	const char *follows = with(with(fleet, "match: { host: web }", "match: { user: web }"), "clients:\n",
	    "clients:\n  job: { host: db, links: { pg: { match: { user: job }, dial: { follows: \"web -> pg\" } } } }\n");
	const char *late = with(plan,
	    "  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n  - { id: tls, accept: { pg: tls } }\n",
	    "  - { id: tls, accept: { pg: tls } }\n  - { id: flip, trust: { \"web -> pg\": ours }, dial: { \"web -> pg\": verify-full } }\n");

	(void)state;
	says(with(probe, "match: { host: web }", "match: { user: web }"), plan,
	    "plan:8:26: warning: step 'tls' makes 'pg' accept tls only, and 'probe -> pg' is fixed to disable; expected it moved by its owner first, and said so in the fleet, or 'may-refuse' with a reason [not-ours-to-move]\n");
	silent(with(probe, "match: { host: web }", "match: { user: web }"),
	    with(plan, "accept: { pg: tls } }", "accept: { pg: tls }, may-refuse: { probe: it goes } }"));
	says(follows, late,
	    "plan:7:26: warning: step 'tls' makes 'pg' accept tls only, and 'job -> pg' follows 'web -> pg' and dials disable; expected a move of that before this step [not-ours-to-move]\n");
	silent(follows, plan);
}

static void
a_certificate_that_ends_before_the_plan(void **state)
{
	const char *slow = with(plan, "verify-full }", "verify-full }, soak: 6d"), *slower;

	(void)state;
	says(with(fleet, "dir: /tls", "dir: /tls, leaf: 7d, warn: 2d"), slow,
	    "plan:5:27: note: 'ours' is to be renewed after 5 d, and from this step on the plan watches for 6 d (soaks, and windows of clients): the warning comes before the end; expected a longer 'leaf' or a shorter 'warn' in the fleet [warns-in-plan]\n");
	slower = with(slow, "pg: tls }", "pg: tls }, soak: 1d");
	says(with(fleet, "dir: /tls", "dir: /tls, leaf: 7d, warn: 2d"), slower,
	    "plan:5:27: warning: 'ours' lives 7 d, and from this step on the plan watches for 7 d (soaks, and windows of clients): it expires before the end; expected a longer 'leaf' in the fleet [expires-in-plan]\n");
	silent(with(fleet, "dir: /tls", "dir: /tls, leaf: 10d, warn: 2d"), slower);
	/* A client that comes by once a week has to be waited for: at its own step, and before it is forced. */
	says(with(with(fleet, "    unit: web\n    links:", "    unit: web\n    window: 7d\n    links:"),
	    "dir: /tls", "dir: /tls, leaf: 14d, warn: 0"), plan,
	    "plan:5:27: warning: 'ours' lives 14 d, and from this step on the plan watches for 14 d (soaks, and windows of clients): it expires before the end; expected a longer 'leaf' in the fleet [expires-in-plan]\n");
	/* What soaked before it was installed does not count. */
	silent(with(fleet, "dir: /tls", "dir: /tls, leaf: 7d, warn: 2d"),
	    with(plan, "  - { id: certs,", "  - { id: first, run: { on: db, run: do, undo: undo }, soak: 9d }\n  - { id: certs,"));
}

static void
a_warning_that_is_longer_than_the_life(void **state)
{
	(void)state;
	says(with(fleet, "dir: /tls", "dir: /tls, leaf: 30d, warn: 60d"), NULL,
	    "fleet:7:3: warning: 'ours' lives 30 d and warns 60 d before its end, so from its first day; expected 'warn' shorter than 'leaf' [warning-too-long]\n");
	silent(with(fleet, "dir: /tls", "dir: /tls, leaf: 60d, warn: 30d"), NULL);
	silent(with(fleet, "  ours: ", "  theirs: { external: yes, ca: system, warn: 120d }\n  ours: "), NULL);
}

static void
a_name_that_no_certificate_covers(void **state)
{
	(void)state;
	says(with(fleet, "dir: /tls", "dir: /tls, names: [db]"), NULL,
	    "fleet:9:3: warning: 'pg' is dialled as 'db.internal', and the certificate 'ours' is not for that name; expected it among its 'names' [name-not-covered]\n");
	says(with(with(fleet, "dir: /tls", "dir: /tls, names: [\"*.internal\"]"), "        match:", "        at: pg.db.internal\n        match:"), NULL,
	    "fleet:19:7: warning: 'web -> pg' dials 'pg.db.internal', and the certificate 'ours' is not for that name ('*.internal' stands for one label more, and for no other name); expected it among its 'names' [name-not-covered]\n");
	silent(with(fleet, "dir: /tls", "dir: /tls, names: [\"*.internal\"]"), NULL);
	/* Without names of its own it is made for every name that is dialled. */
	silent(with(fleet, "        match:", "        at: pg.db.internal\n        match:"), NULL);
	/* Whose names nobody wrote down may have them. */
	silent(with(fleet, "  ours: ", "  theirs: { serves: [pg], external: yes, ca: system }\n  ours: "), NULL);
}

static void
a_client_that_nothing_sees(void **state)
{
	const char *nowhere = with(with(fleet, "    unit: web\n    links", "    links"),
	    "        trust: { ca: ours, file: /ca.crt }\n        dial: { file: /env, set: { MODE: \"$(dial)\", CA: \"$(ca_file)\" } }\n",
	    "        dial: { assume: verify-full }\n");
	const char *bare = with(nowhere, "        match: { host: web }\n", "");

	(void)state;
	says(bare, NULL,
	    "fleet:18:7: warning: no probe can see 'web -> pg': no session can be told to be its own, without 'match' and without a host, 'pg' has no 'log', and 'web' has no host to rehearse from; expected one of them mended, or 'evidence: attest' [unseen]\n");
	silent(nowhere, NULL);
	silent(with(bare, "    links:", "    evidence: attest\n    links:"), NULL);
	silent(with(bare, "    links:", "    host: web\n    links:"), NULL);
}

static void
evidence_that_cannot_be_had(void **state)
{
	const char *log = with(fleet, "    unit: web\n    links:", "    unit: web\n    evidence: log\n    links:");
	const char *blind = with(fleet, "    names: [db.internal]\n", "    names: [db.internal]\n    cannot-see: { census: pooled }\n");

	(void)state;
	says(log, NULL,
	    "fleet:20:7: warning: 'web -> pg' is to be seen by 'evidence: log', and 'pg' has no 'log'; expected 'evidence: session' [no-evidence]\n");
	silent(with(log, "    names: [db.internal]\n", "    names: [db.internal]\n    log: { file: /log }\n"), NULL);
	says(with(big_fleet, "  web:\n    unit: web\n", "  web:\n    unit: web\n    evidence: log\n"), NULL,
	    "fleet:20:7: warning: 'web -> pool' is to be seen by 'evidence: log', and 'pool' has no 'log'; expected 'evidence: session' [no-evidence]\n"
	    "fleet:23:7: warning: 'web -> redis' is to be seen by 'evidence: log', and a redis logs no logins; expected 'evidence: session' [no-evidence]\n");
	says(blind, NULL,
	    "fleet:20:7: warning: 'web -> pg' is to be seen by 'evidence: session', and the sessions at 'pg' cannot be seen (pooled); expected 'evidence: rehearsal' [no-evidence]\n");
	silent(with(blind, "    unit: web\n    links:", "    unit: web\n    evidence: rehearsal\n    links:"), NULL);
}

static void
values_that_set_different_keys(void **state)
{
	static const char was[] = "accept: { file: /env, set: { TLS: \"$(accept)\" } }";

	(void)state;
	says(with(fleet, was, "accept:\n      file: /env\n      plain: { unset: [TLS] }\n      both: { set: { TLS: on } }\n      tls: { set: { TLS: on, FORCE: on } }"), NULL,
	    "fleet:16:14: warning: 'pg accept: plain' leaves standing 'FORCE' in '/env', which 'tls' sets; expected it set or unset there [values-differ]\n"
	    "fleet:17:13: warning: 'pg accept: both' leaves standing 'FORCE' in '/env', which 'tls' sets; expected it set or unset there [values-differ]\n");
	silent(with(fleet, was, "accept:\n      file: /env\n      plain: { unset: [TLS, FORCE] }\n      both: { set: { TLS: on }, unset: [FORCE] }\n      tls: { set: { TLS: on, FORCE: on } }"), NULL);
	/* The same key of another file is another one. */
	says(with(fleet, was, "accept:\n      plain: { file: /a, unset: [TLS] }\n      both: { file: /b, set: { TLS: on } }\n      tls: { file: /b, set: { TLS: force } }"), NULL,
	    "fleet:15:14: warning: 'pg accept: plain' leaves standing 'TLS' in '/b', which 'both' and 'tls' set; expected it set or unset there [values-differ]\n");
	/* A file that one value writes and the other does not take away. */
	says(with(fleet, was, "accept:\n      plain: [ { file: { path: /x, remove: yes } } ]\n      both: [ { file: { path: /x, content: on } }, { file: { path: /y, content: on } } ]"), NULL,
	    "fleet:15:14: warning: 'pg accept: plain' leaves standing the file '/y', which 'both' writes; expected it set or unset there [values-differ]\n");
	/* Keys of a conf file, and blocks, are names like others. */
	says(with(fleet, was, "accept:\n      plain: { conf: { file: /c, unset: [ssl] } }\n      both: [ { conf: { file: /c, set: { ssl: on, ssl_key_file: /k } } }, { block: { file: /h, text: x } } ]"), NULL,
	    "fleet:15:14: warning: 'pg accept: plain' leaves standing 'ssl_key_file' in '/c', which 'both' sets; 'pg' in '/h', which 'both' sets; expected it set or unset there [values-differ]\n");
	silent(with(fleet, was, "accept:\n      plain: [ { conf: { file: /c, unset: [ssl] } }, { block: { file: /h, remove: yes } } ]\n      both: [ { conf: { file: /c, set: { ssl: on } } }, { block: { file: /h, text: x } } ]"), NULL);
	/* What a command does is not known here. */
	silent(with(fleet, was, "accept:\n      plain: { run: off, undo: on }\n      both: { file: /b, set: { TLS: on } }"), NULL);
}

static void
matches_that_may_overlap(void **state)
{
	const char *job = with(fleet, "clients:\n",
	    "clients:\n  job: { links: { pg: { match: { address: 10.0.0.7 }, dial: { assume: verify-full } } } }\n");

	(void)state;
	says(job, NULL,
	    "fleet:21:16: note: 'web -> pg' and 'job -> pg' may match the same sessions: where the host 'web' is, is not written, and '10.0.0.7' may hold it; expected a user, database or application that tells them apart [may-overlap]\n");
	/* It is the machine of the job. */
	silent(with(job, "{ links: { pg", "{ host: db, links: { pg"), NULL);
	/* A host within a range wins over it. */
	silent(with(job, "10.0.0.7", "10.0.0.0/8"), NULL);
	/* But not where the range says more about whom. */
	says(with(job, "address: 10.0.0.7", "address: 10.0.0.0/8, user: job"), NULL,
	    "fleet:21:16: note: 'web -> pg' and 'job -> pg' may match the same sessions: where the host 'web' is, is not written, and '10.0.0.0/8' may hold it; expected a user, database or application that tells them apart [may-overlap]\n");
	silent(with(with(job, "address: 10.0.0.7", "address: 10.0.0.0/8, user: job"),
	    "match: { host: web }", "match: { host: web, user: web }"), NULL);
	silent(with(job, "10.0.0.7", "127.0.0.1"), NULL);
	says(with(with(job, "10.0.0.7", "127.0.0.1"), "match: { host: web }", "match: { host: db }"), NULL,
	    "fleet:21:16: note: 'web -> pg' and 'job -> pg' may match the same sessions: where the host 'db' is, is not written, and '127.0.0.1' may hold it; expected a user, database or application that tells them apart [may-overlap]\n");
}

static void
a_redis_with_one_port(void **state)
{
	const char *one = with(big_fleet, "listen: { plain: 6379, tls: 6380 }", "listen: { both: 6379 }");

	(void)state;
	says(one, big_plan,
	    "plan:6:49: warning: 'redis' has one port for both, and a redis speaks either plaintext or tls on a port, so it cannot accept both there; expected 'listen: { plain: 6379, tls: PORT }' [redis-one-port]\n");
	says(with(one, "accept: { file: /env, set: { REDIS: \"$(accept)\" } }",
	    "accept: { file: /env, plain: { set: { R: p } }, both: { set: { R: b } }, tls: { set: { R: t } } }"), NULL,
	    "fleet:11:138: warning: 'redis' has one port for both, and a redis speaks either plaintext or tls on a port, so it cannot accept both there; expected 'listen: { plain: 6379, tls: PORT }' [redis-one-port]\n");
	silent(with(one, "accept: { file: /env, set: { REDIS: \"$(accept)\" } }",
	    "accept: { file: /env, plain: { set: { R: p } }, tls: { set: { R: t } } }"), NULL);
}

static void
a_pooler_that_is_to_verify_its_clients(void **state)
{
	const char *values = "accept: { file: /env, plain: { unset: [POOL] }, both: { set: { POOL: allow } }, tls: { set: { POOL: require } }, mutual: { set: { POOL: verify-full } } }";
	const char *mutual = with(big_fleet, "accept: { file: /env, set: { POOL: \"$(accept)\" } }", values);

	(void)state;
	silent(mutual, big_plan);
	says(with(mutual, "POOL: require", "POOL: verify-full"), NULL,
	    "fleet:10:181: warning: 'POOL: verify-full' of 'pool' for its clients: there it demands a certificate of each client, which is 'mutual'; expected 'require' for 'tls' [mutual-on-pooler]\n");
	says(mutual, with(big_plan, "pool: tls", "pool: mutual"),
	    "plan:9:37: warning: 'pool' is to demand a certificate of each client, and 'web -> pool' presents none; expected 'tls' (verifying the server is the dial of the pooler's own link) [mutual-on-pooler]\n"
	    "plan:9:37: warning: 'pool' is to demand a certificate of everybody, and belay has none for it: from then on it sees nobody's sessions there; expected 'probe: { cert: … }' there [own-certificate]\n");
}

static void
a_unit_that_is_restarted_too_often(void **state)
{
	static const char open[] = "  - { id: open, accept: { pg: both, pool: both, redis: both }, trust: { \"pool -> pg\": ours }, dial: { \"pool -> pg\": verify-full } }\n";
	static const char close[] = "  - { id: close, accept: { pg: tls, pool: tls, redis: tls } }\n";
	static const char flip[] = "  - { id: web-redis,";
	const char *one_by_one = with(with(with(big_plan, open,
	    "  - { id: pg-both, accept: { pg: both } }\n"
	    "  - { id: leg, trust: { \"pool -> pg\": ours }, dial: { \"pool -> pg\": verify-full } }\n"
	    "  - { id: pool-both, accept: { pool: both } }\n"), flip,
	    "  - { id: pool-tls, accept: { pool: tls } }\n"
	    "  - { id: pg-tls, accept: { pg: tls }, optional: yes }\n"
	    "  - { id: redis-both, accept: { redis: both } }\n"
	    "  - { id: web-redis,"), close, "  - { id: redis-tls, accept: { redis: tls } }\n");

	(void)state;
	says(big_fleet, one_by_one,
	    "plan:6:5: note: 'stack' is restarted by 7 steps, where 2 would do: 'pg-both', 'leg', 'pool-both' and 'redis-both' as one step before 'web-pool'; then 'pool-tls', 'pg-tls' (optional) and 'redis-tls' as one step at the end (then proven as a whole, and undone as a whole) [restarts]\n");
	/* What is suggested leaves nothing to be said. */
	silent(big_fleet, big_plan);
	/* A reload cuts nobody. */
	silent(with(big_fleet, "stack: { host: db,", "stack: { host: db, kind: reload,"), one_by_one);
}

static void
restarts_that_cannot_be_one(void **state)
{
	const char *leg = with(fleet, "clients:\n",
	    "clients:\n  job: { unit: stack, links: { pg: { match: { user: job }, dial: { file: /env, set: { JOB: \"$(dial)\" } }, trust: { ca: ours, file: /job.crt } } } }\n");
	const char *apart = with(leg, "match: { host: web }", "match: { user: web }");
	const char *steps = with(plan, "  - { id: tls,",
	    "  - { id: job, trust: { \"job -> pg\": ours }, dial: { \"job -> pg\": verify-full } }\n  - { id: tls,");

	(void)state;
	/* The job can be moved with `both`, or before `tls`, but not by the step that forces it: its guard would not pass. */
	says(apart, steps,
	    "plan:5:5: note: 'stack' is restarted by 4 steps, where 3 would do: 'both' and 'job' as one step before 'flip'; then 'tls' alone at the end (then proven as a whole, and undone as a whole) [restarts]\n");
	/* It is to be watched before anything else. */
	silent(apart, with(steps, "accept: { pg: both } }", "accept: { pg: both }, soak: 1h }"));
	/* Somebody's own guard, or a command, stands where it stands. */
	silent(apart, with(steps, "\"job -> pg\": verify-full } }",
	    "\"job -> pg\": verify-full }, requires: [ { command: { on: db, run: ready } } ] }"));
	silent(apart, with(steps, "\"job -> pg\": verify-full } }",
	    "\"job -> pg\": verify-full }, run: { on: db, run: do, undo: undo } }"));
}

static void
what_the_reader_refuses_is_its_own(void **state)
{
	const char *follows = with(with(fleet, "match: { host: web }", "match: { user: web }"), "clients:\n",
	    "clients:\n  job: { host: db, links: { pg: { match: { user: job }, dial: { follows: \"web -> pg\" } } } }\n"
	    "  probe: { host: db, links: { pg: { match: { user: probe }, dial: { fixed: disable } } } }\n");

	(void)state;
	refused(fleet, with(plan, "accept: { pg: both } }", "run: { on: db, run: do } }"),
	    "plan:6:22: a command without a way back, expected 'undo: …', 'touches: [FILE]', 'read-only: yes' or 'observe: …' with 'value: …'");
	refused(follows, with(plan, "dial: { \"web -> pg\": verify-full }", "dial: { \"job -> pg\": verify-full }"),
	    "plan:7:55: 'job -> pg' follows 'web -> pg', expected a move of that one");
	refused(follows, with(plan, "dial: { \"web -> pg\": verify-full }", "dial: { \"probe -> pg\": verify-full }"),
	    "plan:7:55: 'probe -> pg' is fixed, expected a link that a step can move");
}

static char *
file_text(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = keep(mem_alloc(FLEET_FILE_MAX));

	if (file == NULL)
		fail_msg("cannot open '%s': run from the top of the tree", path);
	if (fread(text, 1, FLEET_FILE_MAX - 1, file) == 0)
		fail_msg("'%s' is empty", path);
	(void)fclose(file);
	return text;
}

/* Names and levels only: the words are held by the tests above. */
static void
shipped(const char *name, const char *want)
{
	char *fleet_path = keep(mem_printf("plans/%s.fleet.yaml", name));
	char *plan_path = keep(mem_printf("plans/%s.plan.yaml", name)), *line, *rest, *end;
	struct buf b;

	buf_init(&b, 0);
	rest = findings(file_text(fleet_path), file_text(plan_path));
	for (line = rest; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		buf_printf(&b, "%s %s\n", strstr(line, ": note: ") != NULL ? "note" : "warning",
		    strrchr(line, '['));
	}
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
}

static void
what_is_said_of_the_shipped_plans(void **state)
{
	(void)state;
	shipped("compose", "note [restarts]\nnote [goal-chain-only]\nwarning [goal-unverified]\nwarning [not-ours-to-move]\n");
	shipped("box", "note [goal-unverified]\nwarning [no-evidence]\n");
	shipped("kubernetes", "warning [goal-unverified]\nwarning [goal-unverified]\n");
	shipped("kubernetes-secret", "");
	shipped("managed", "warning [no-evidence]\nwarning [changes-nothing]\n");
}

/* Where the endpoints speak TLS already, a new leaf has to be taken up by somebody. */
static void
a_certificate_that_no_step_takes_up(void **state)
{
	static const char head[] = "belay: plan/1\nname: p\nfrom: { accept: tls, dial: verify-full, certs: ours }\nsteps:\n";
	const char *never = "plan:5:23: warning: 'ours' lands at an activation of 'stack', and neither step 'r' nor one behind it "
	    "activates that: 'pg' goes on presenting what it has, and nothing shows the new one; expected 'activate: [stack]' [never-lands]\n";
	char *got = findings(big_fleet, keep(mem_printf("%s  - { id: r, certs: { ours: renew } }\n", head)));

	(void)state;
	assert_non_null(strstr(got, never));
	got = findings(big_fleet, keep(mem_printf("%s  - { id: r, certs: { ours: renew }, activate: [stack] }\n", head)));
	assert_null(strstr(got, "never-lands"));
	got = findings(big_fleet, keep(mem_printf("%s  - { id: r, certs: { ours: renew } }\n  - { id: a, activate: [stack] }\n", head)));
	assert_null(strstr(got, "never-lands"));
	got = findings(big_fleet, keep(mem_printf("%s  - { id: a, activate: [stack] }\n  - { id: r, certs: { ours: renew } }\n", head)));
	assert_non_null(strstr(got, "[never-lands]"));
	/* Before it speaks TLS there is nothing that it presents. */
	got = findings(big_fleet, "belay: plan/1\nname: p\nfrom: { accept: plain }\nsteps:\n  - { id: r, certs: { ours: install } }\n");
	assert_null(strstr(got, "never-lands"));
}

static const char *
drained(const char *steps)
{
	return keep(mem_printf("%s%s", plan, steps));
}

/* A server whose clients, and whose own settings, are taken over without a restart: a drain is what it takes. */
static void
a_drain_that_does_nothing_or_too_much(void **state)
{
	const char *admin = with(fleet, "    unit: stack\n", "    unit: stack\n    admin: { user: boss }\n");
	const char *gentle = with(admin, "stack: { host: db, run: restart,", "stack: { host: db, kind: reload, run: reload,");
	const char *web = with(gentle, "web: { host: web, run: restart,", "web: { host: web, kind: reload, run: reload,");
	const char *step = "  - { id: end, drain: { pg: plaintext } }\n";
	const char *early = with(plan, "  - { id: flip,", "  - { id: end, drain: { pg: plaintext } }\n  - { id: flip,");
	const char *beside = with(plan, "dial: { \"web -> pg\": verify-full } }",
	    "dial: { \"web -> pg\": verify-full }, drain: { pg: plaintext } }");

	(void)state;
	silent(web, drained(step));
	says(admin, drained(step),
	    "plan:9:25: note: step 'end' has nothing to end: step 'tls' restarts 'pg', which takes no plaintext since; expected it left out [drain-needless]\n");
	says(gentle, drained(step),
	    "plan:9:25: note: step 'end' has nothing to end: every client of 'pg' is restarted by the step that moves it; expected it left out, or 'undeclared: yes' for those that the fleet does not know [drain-needless]\n");
	silent(gentle, drained("  - { id: end, drain: { pg: { sessions: plaintext, undeclared: yes } } }\n"));
	says(web, early,
	    "plan:7:25: warning: step 'end' ends what is on plaintext at 'pg', and 'web -> pg' still dials disable by then: it would come back so, and the step is refused; expected it moved by a step before [drain-too-early]\n");
	says(web, beside,
	    "plan:7:92: warning: step 'flip' ends sessions before what it writes is activated, and its undo takes back the rest without them; expected the drain in a step of its own, behind this one [drain-beside]\n"
	    "plan:7:92: warning: step 'flip' ends what is on plaintext at 'pg', and 'web -> pg' still dials disable by then, since a step's guards come before its moves: it would come back so, and the step is refused; expected it moved by a step before [drain-too-early]\n");
	says(web, drained("  - { id: end, drain: { pg: plaintext }, on-fault: undo }\n"),
	    "plan:9:25: note: step 'end' is taken back by itself where it faults, and what it has ended by then stays ended: nothing undoes a drain; expected 'on-fault: pause' [drain-stays]\n");
}

static void
every_name_stands_in_the_manual(void **state)
{
	const char *page = file_text("doc/belay-plan.5");
	size_t i;

	(void)state;
	for (i = 0; lint_names[i] != NULL; i++)
		if (strstr(page, keep(mem_printf(".It Li %s\n", lint_names[i]))) == NULL)
			fail_msg("'%s' does not stand in doc/belay-plan.5", lint_names[i]);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(nothing_is_said_of_a_sound_plan, release),
		cmocka_unit_test_teardown(a_step_that_changes_nothing, release),
		cmocka_unit_test_teardown(a_step_that_changes_something_on_one_path_is_left_alone, release),
		cmocka_unit_test_teardown(a_goal_in_plaintext, release),
		cmocka_unit_test_teardown(a_goal_that_nobody_verifies, release),
		cmocka_unit_test_teardown(a_goal_that_falls_back, release),
		cmocka_unit_test_teardown(a_goal_that_verifies_the_chain_only, release),
		cmocka_unit_test_teardown(require_that_verifies_after_all, release),
		cmocka_unit_test_teardown(what_one_line_stands_for_is_told_once, release),
		cmocka_unit_test_teardown(verify_without_a_ca, release),
		cmocka_unit_test_teardown(a_link_that_is_not_ours_to_move, release),
		cmocka_unit_test_teardown(a_certificate_that_ends_before_the_plan, release),
		cmocka_unit_test_teardown(a_warning_that_is_longer_than_the_life, release),
		cmocka_unit_test_teardown(a_name_that_no_certificate_covers, release),
		cmocka_unit_test_teardown(a_client_that_nothing_sees, release),
		cmocka_unit_test_teardown(evidence_that_cannot_be_had, release),
		cmocka_unit_test_teardown(values_that_set_different_keys, release),
		cmocka_unit_test_teardown(matches_that_may_overlap, release),
		cmocka_unit_test_teardown(a_drain_that_does_nothing_or_too_much, release),
		cmocka_unit_test_teardown(a_redis_with_one_port, release),
		cmocka_unit_test_teardown(a_pooler_that_is_to_verify_its_clients, release),
		cmocka_unit_test_teardown(a_unit_that_is_restarted_too_often, release),
		cmocka_unit_test_teardown(restarts_that_cannot_be_one, release),
		cmocka_unit_test_teardown(what_the_reader_refuses_is_its_own, release),
		cmocka_unit_test_teardown(what_is_said_of_the_shipped_plans, release),
		cmocka_unit_test_teardown(a_certificate_that_no_step_takes_up, release),
		cmocka_unit_test_teardown(every_name_stands_in_the_manual, release),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
