/*
 * board and gate: what readings say together, and what they do not say.
 * An unknown is never green, a partial view is never idle, an old one is stale.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/board.h"
#include "core/depth.h"
#include "core/reader.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/mem.h"
#include "core/setting.h"
#include "core/posture.h"

#define HOUR	INT64_C(3600000)

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  db: { address: 10.0.0.1, user: ops }\n"
    "  web-1: { address: 10.0.0.2, user: ops }\n"
    "units:\n"
    "  pg: { host: db, run: restart-pg, restarts: [postgres] }\n"
    "  web: { host: web-1, run: restart-web, restarts: [web] }\n"
    "certs:\n"
    "  internal: { serves: [postgres], dir: /etc/tls }\n"
    "endpoints:\n"
    "  postgres:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    probe: { user: probe, database: app }\n"
    "    accept:\n"
    "      file: /srv/.env\n"
    "      plain: { unset: [TLS] }\n"
    "      both: { set: { TLS: on } }\n"
    "      tls: { set: { TLS: only } }\n"
    "clients:\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      postgres:\n"
    "        match: { host: web-1 }\n"
    "        dial:\n"
    "          disable: { file: /srv/.env, unset: [SSLMODE] }\n"
    "          verify-full: { file: /srv/.env, set: { SSLMODE: verify-full, CA: \"$(ca_file)\" } }\n"
    "        trust: { ca: internal, file: /etc/ca.crt, lands: activation }\n";

static const char plan_text[] =
    "belay: plan/1\n"
    "name: test\n"
    "from: { accept: plain, dial: disable }\n"
    "steps:\n"
    "  - { id: certs, certs: { internal: install } }\n"
    "  - { id: both, accept: { postgres: both } }\n"
    "  - { id: flip, trust: { \"web -> postgres\": internal }, dial: { \"web -> postgres\": verify-full } }\n"
    "  - { id: force, accept: { postgres: tls } }\n";

struct world {
	struct fleet *f;
	struct plan *p;
	struct board *b;
};

static int
setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct err err = { "" };

	if (fleet_parse(&w->f, "fleet.yaml", fleet_text, sizeof(fleet_text) - 1, &err) != 0 ||
	    plan_parse(&w->p, w->f, "plan.yaml", plan_text, sizeof(plan_text) - 1, &err) != 0)
		fail_msg("%s", err.msg);
	w->b = board_new(w->f);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	board_free(w->b);
	plan_free(w->p);
	fleet_free(w->f);
	free(w);
	return 0;
}

/* The server's row for belay's own session. */
static int own_tls = 1;

static void
feed_census(struct world *w, int64_t at_ms, enum outcome outcome, uint32_t tls, uint32_t plain)
{
	struct reading r = { .kind = READING_CENSUS, .subject = 0, .at_ms = at_ms, .outcome = outcome };

	if (outcome != SAW)
		r.why = mem_strdup("may not see others' sessions");
	r.census.links = mem_array(1, sizeof(*r.census.links));
	r.census.nlinks = 1;
	r.census.links[0] = (struct link_count){ .link = 0, .tls = tls, .plain = plain };
	r.census.total = tls + plain;
	r.census.connections_total = -1;
	r.census.own_tls = own_tls;
	board_feed(w->b, &r);
}

static void
feed_served(struct world *w, int64_t at_ms, enum leg plain, enum leg tls, enum verified chain, enum verified name)
{
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = at_ms, .outcome = SAW };

	r.served.plain = plain;
	r.served.tls = tls;
	r.served.chain = chain;
	r.served.nnames = 1;
	r.served.name[0] = name;
	r.served.protocol = mem_strdup("TLSv1.3");
	r.served.cipher = mem_strdup("TLS_AES_256_GCM_SHA384");
	board_feed(w->b, &r);
}

static void
feed_host(struct world *w, int host, int64_t at_ms, enum facet facet, int subject, int value)
{
	struct reading r = { .kind = READING_HOST, .subject = host, .at_ms = at_ms, .outcome = SAW };

	r.facets = mem_array(1, sizeof(*r.facets));
	r.nfacets = 1;
	r.facets[0] = (struct facet_seen){ .facet = (int)facet, .subject = subject, .value = value };
	board_feed(w->b, &r);
}

static void
feed_rehearsal(struct world *w, int link, int64_t at_ms, enum verdict verdict, const char *why)
{
	struct reading r = { .kind = READING_REHEARSAL, .subject = link, .at_ms = at_ms, .outcome = SAW };

	r.rehearsed.verdict = verdict;
	r.rehearsed.dial = DIAL_VERIFY_FULL;
	r.rehearsed.connections = 1;
	r.rehearsed.at_ms = at_ms;
	r.rehearsed.took_us = 12000;
	(void)snprintf(r.rehearsed.why, sizeof(r.rehearsed.why), "%s", why);
	if (verdict == VERDICT_UNKNOWN) {
		r.outcome = SAW_NOT;
		r.why = mem_strdup(why);
	}
	board_feed(w->b, &r);
}

static enum link_state
state_at(struct world *w, int64_t now_ms)
{
	struct link_view v;

	board_link(w->b, 0, now_ms, 5000, &v);
	return v.state;
}

static void
link_states_follow_the_census(void **state)
{
	struct world *w = *state;

	assert_int_equal(state_at(w, 1000), LINK_UNKNOWN);
	feed_census(w, 1000, SAW, 0, 0);
	assert_int_equal(state_at(w, 1000), LINK_IDLE);
	feed_census(w, 1001, SAW, 0, 3);
	assert_int_equal(state_at(w, 1001), LINK_PLAINTEXT);
	feed_census(w, 1002, SAW, 1, 3);
	assert_int_equal(state_at(w, 1002), LINK_MIXED);
	feed_census(w, 1003, SAW, 4, 0);
	assert_int_equal(state_at(w, 1003), LINK_TLS);
	feed_served(w, 1004, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(state_at(w, 1004), LINK_PROVEN);
}

static void
unknown_is_never_green(void **state)
{
	struct world *w = *state;

	/* Partial: plaintext seen is plaintext; tls alone proves nothing of the others. */
	feed_census(w, 1000, SAW_PART, 4, 0);
	assert_int_equal(state_at(w, 1000), LINK_UNKNOWN);
	feed_census(w, 1001, SAW_PART, 0, 0);
	assert_int_equal(state_at(w, 1001), LINK_UNKNOWN);
	feed_census(w, 1002, SAW_PART, 0, 1);
	assert_int_equal(state_at(w, 1002), LINK_PLAINTEXT);
	/* Old: stale, whatever it said. */
	feed_census(w, 1003, SAW, 4, 0);
	feed_served(w, 1003, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(state_at(w, 1003 + 5001), LINK_STALE);
	/* Unverified in any way: tls, not proven. */
	feed_census(w, 9000, SAW, 4, 0);
	feed_served(w, 9000, LEG_OPEN, LEG_OPEN, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	assert_int_equal(state_at(w, 9000), LINK_TLS);
	feed_served(w, 9001, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_BAD);
	assert_int_equal(state_at(w, 9001), LINK_TLS);
	feed_served(w, 9002, LEG_OPEN, LEG_OPEN, VERIFIED_BAD, VERIFIED_OK);
	assert_int_equal(state_at(w, 9002), LINK_TLS);
	feed_served(w, 9003, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	assert_int_equal(state_at(w, 9003), LINK_TLS);
}

/* What the last handshake met, changed in one thing that makes it no proof. */
static void
feed_flawed(struct world *w, int64_t at_ms, const char *weak, bool turned_away, int64_t ends_s)
{
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = at_ms, .outcome = SAW };

	r.served.plain = r.served.tls = LEG_OPEN;
	r.served.chain = VERIFIED_OK;
	r.served.nnames = 1;
	r.served.name[0] = VERIFIED_OK;
	r.served.protocol = mem_strdup("TLSv1.3");
	r.served.cert.weak = weak == NULL ? NULL : mem_strdup(weak);
	r.served.cert.ends_s = ends_s;
	r.served.turned_away = turned_away;
	if (turned_away)
		r.served.tls_why = mem_strdup("no pg_hba.conf entry");
	board_feed(w->b, &r);
}

static void
expect_unproven(struct world *w, int64_t now_ms, const char *words)
{
	struct check check = { .kind = CHECK_SERVED, .endpoint = 0, .link = NONE, .host = NONE };
	struct check_result result = { .judgement = CHECK_PENDING };
	struct endpoint_view ev;
	struct link_view v;

	board_link(w->b, 0, now_ms, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	if (strstr(v.why, words) == NULL)
		fail_msg("'%s' does not say '%s'", v.why, words);
	board_endpoint(w->b, 0, now_ms, 5000, &ev);
	assert_false(ev.verified);
	if (strstr(ev.unproven, words) == NULL)
		fail_msg("'%s' does not say '%s'", ev.unproven, words);
	check_judge(&check, w->f, w->b, NULL, 0, &result);
	if (strstr(words, "expired") == NULL && strstr(words, "last handshake") == NULL)
		assert_int_not_equal(result.judgement, CHECK_PASS);
}

static void
a_path_with_a_flaw_is_not_proven(void **state)
{
	struct reading bad = { .kind = READING_SERVED, .subject = 0, .at_ms = 1010, .outcome = SAW_NOT };
	struct world *w = *state;

	feed_census(w, 1000, SAW, 4, 0);
	feed_flawed(w, 1000, NULL, false, 2000);
	assert_int_equal(state_at(w, 1000), LINK_PROVEN);
	feed_flawed(w, 1001, "its key is RSA 1024", false, 2000);
	expect_unproven(w, 1001, "weak: its key is RSA 1024");
	feed_flawed(w, 1002, NULL, true, 2000);
	expect_unproven(w, 1002, "turned away after the handshake: no pg_hba.conf entry");
	/* It was good when it was looked at, and has ended since. */
	feed_census(w, 1999500, SAW, 4, 0);
	feed_flawed(w, 1999500, NULL, false, 2000);
	assert_int_equal(state_at(w, 1999999), LINK_PROVEN);
	expect_unproven(w, 2000000, "it has expired");
	/* And the one after it failed. */
	feed_census(w, 3000000, SAW, 4, 0);
	feed_flawed(w, 3000000, NULL, false, 9000);
	assert_int_equal(state_at(w, 3000000), LINK_PROVEN);
	bad.at_ms = 3000001;
	bad.why = mem_strdup("it takes the connection and does not answer");
	board_feed(w->b, &bad);
	expect_unproven(w, 3000001, "last handshake: it takes the connection");
}

/* The certificate of a letter, as served or as it lies there. */
static void
feed_disk(struct world *w, int64_t at_ms, char served, char disk, enum verified pair, unsigned mode)
{
	struct reading r = { .kind = READING_DISK, .subject = 0, .at_ms = at_ms, .outcome = SAW };

	if (served != 0)
		memset(r.disk.served_sha256, served, 64);
	memset(r.disk.sha256, disk, 64);
	r.disk.cert_file = mem_strdup("/tls/s.crt");
	r.disk.key_file = mem_strdup("/tls/s.key");
	r.disk.pair = pair;
	r.disk.key_seen = true;
	r.disk.key_mode = mode;
	board_feed(w->b, &r);
}

static void
expect_findings(struct world *w, int64_t now_ms, size_t n, const char *words)
{
	struct strings found = { NULL, 0 };

	depth_findings(&found, w->f, w->b, 0, now_ms);
	assert_int_equal(found.n, n);
	if (n > 0 && strstr(found.v[0], words) == NULL)
		fail_msg("'%s' does not say '%s'", found.v[0], words);
	strings_release(&found);
}

static void
what_lies_on_the_host_is_held_against_what_is_served_then(void **state)
{
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = 3000, .outcome = SAW };
	struct world *w = *state;

	expect_findings(w, 1000, 0, NULL);
	feed_disk(w, 1000, 'a', 'a', VERIFIED_OK, 0600);
	expect_findings(w, 1000, 0, NULL);
	feed_disk(w, 2000, 'a', 'b', VERIFIED_OK, 0600);
	expect_findings(w, 2000, 1, "a reload was forgotten: '/tls/s.crt' on its host holds another certificate (bbbbbbbb)");
	/* Reloaded since: the next look at what is served shows it before the files are looked at again. */
	memset(r.served.cert.sha256, 'b', 64);
	r.served.tls = LEG_OPEN;
	board_feed(w->b, &r);
	expect_findings(w, 3000, 0, NULL);
	feed_disk(w, 4000, 'b', 'b', VERIFIED_BAD, 0644);
	expect_findings(w, 4000, 2, "do not belong together: it would not start again with them");
	feed_disk(w, 5000, 0, 'b', VERIFIED_BAD, 0600);
	expect_findings(w, 5000, 1, "it cannot load them");
	/* Long ago: it says nothing, neither way. */
	expect_findings(w, 5000 + HOUR, 0, NULL);
}

/* Sessions that are there verified long ago; the file is what the next one verifies by. */
static void
a_client_whose_ca_file_is_another_is_not_proven(void **state)
{
	struct reading r = { .kind = READING_HOST, .subject = 1, .at_ms = 1000, .outcome = SAW };
	struct world *w = *state;
	struct link_view v;

	feed_census(w, 1000, SAW, 4, 0);
	feed_served(w, 1000, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	r.facets = mem_array(2, sizeof(*r.facets));
	r.nfacets = 2;
	r.facets[0] = (struct facet_seen){ .facet = FACET_DIAL, .subject = 0, .value = DIAL_VERIFY_FULL };
	r.facets[1] = (struct facet_seen){ .facet = FACET_TRUST, .subject = 0, .value = NONE, .odd = true };
	r.facets[1].detail = mem_strdup("/etc/ca.crt does not hold the CA of internal");
	board_feed(w->b, &r);
	board_link(w->b, 0, 1000, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_string_equal(v.why, "its next connection would not verify: /etc/ca.crt does not hold the CA of internal");
	/* Where it does not verify it does not matter. */
	feed_host(w, 1, 1001, FACET_DIAL, 0, DIAL_DISABLE);
	assert_int_equal(state_at(w, 1001), LINK_PROVEN);
}

/* Old sessions outlive the setting; a new one is refused for what it shows. */
static void
a_client_with_a_stray_certificate_is_not_proven_where_one_is_asked(void **state)
{
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = 1001, .outcome = SAW };
	struct world *w = *state;
	struct link_view v;

	w->f->links[0].stray = true;
	feed_census(w, 1000, SAW, 4, 0);
	feed_served(w, 1000, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(state_at(w, 1000), LINK_PROVEN);
	r.served.plain = r.served.tls = LEG_OPEN;
	r.served.chain = r.served.name[0] = VERIFIED_OK;
	r.served.nnames = 1;
	r.served.protocol = mem_strdup("TLSv1.3");
	r.served.client_cert_asked = true;
	board_feed(w->b, &r);
	board_link(w->b, 0, 1001, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_non_null(strstr(v.why, "next connection would be refused"));
}

static void
the_path_is_proven_by_the_handshake_and_the_servers_own_row(void **state)
{
	struct world *w = *state;
	struct reading bad = { .kind = READING_SERVED, .subject = 0, .at_ms = 1005, .outcome = SAW_NOT };
	struct endpoint_view e;
	struct link_view v;

	feed_served(w, 1000, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	own_tls = -1;
	feed_census(w, 1001, SAW, 4, 0);
	board_link(w->b, 0, 1001, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_string_equal(client_seen_words(v.client), "client seen on TLS");
	assert_string_equal(v.why, "the server's row for belay's own session was not seen");
	own_tls = 0;
	feed_census(w, 1002, SAW, 4, 0);
	board_link(w->b, 0, 1002, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_string_equal(v.why, "by the server's row belay's own session is on plaintext");
	board_endpoint(w->b, 0, 1002, 60000, &e);
	assert_true(e.verified && !e.path_proven);
	own_tls = 1;
	feed_census(w, 1003, SAW, 1, 3);
	board_link(w->b, 0, 1003, 5000, &v);
	/* The path is one thing, what the client does another. */
	assert_true(v.path_proven);
	assert_int_equal(v.state, LINK_MIXED);
	assert_int_equal(v.client, CLIENT_ON_BOTH);
	feed_census(w, 1004, SAW, 4, 0);
	assert_int_equal(state_at(w, 1004), LINK_PROVEN);
	/* A look that fails takes it back, however fresh the last good one is. */
	board_feed(w->b, &bad);
	assert_int_equal(state_at(w, 1005), LINK_TLS);
	board_endpoint(w->b, 0, 1005, 60000, &e);
	assert_false(e.path_proven);
}

static void
what_a_client_verifies_is_declared_by_how_it_dials(void **state)
{
	static const struct { enum dial dial; const char *verifies; } rows[] = {
		{ DIAL_DISABLE, "nothing" }, { DIAL_PREFER, "nothing" }, { DIAL_REQUIRE, "nothing" },
		{ DIAL_VERIFY_CA, "the chain" }, { DIAL_VERIFY_FULL, "chain and name" },
	};
	struct world *w = *state;
	struct link_view v;
	size_t i;

	feed_census(w, 1000, SAW, 4, 0);
	board_link(w->b, 0, 1000, 5000, &v);
	assert_null(v.verifies);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		feed_host(w, 1, 1001 + (int64_t)i, FACET_DIAL, 0, (int)rows[i].dial);
		board_link(w->b, 0, 1001 + (int64_t)i, 5000, &v);
		assert_string_equal(v.verifies, rows[i].verifies);
		/* It is no part of what was seen. */
		assert_int_equal(v.state, LINK_TLS);
	}
}

static void
what_is_set_and_what_is_served_are_told_apart(void **state)
{
	struct world *w = *state;
	struct reading s = { .kind = READING_SETTINGS, .subject = 0, .at_ms = 1000, .outcome = SAW };
	struct endpoint_view v;

	setting_push(&s.settings, "ssl", "on");
	setting_push(&s.settings, "ssl@persisted", "off");
	board_feed(w->b, &s);
	feed_served(w, 1001, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	board_endpoint(w->b, 0, 1001, 60000, &v);
	assert_string_equal(v.why, "configured both (ssl on), served plaintext only");
	assert_int_equal(v.runs, ACCEPT_BOTH);
	assert_int_equal(v.restarts, ACCEPT_PLAIN);
	assert_non_null(strstr(v.lasting, "runtime tls, after a restart plaintext: "));
}

static void
sessions_that_go_on_are_told_where_their_successors_would_not(void **state)
{
	struct world *w = *state;
	struct link_view v;

	feed_host(w, 1, 1000, FACET_DIAL, 0, DIAL_DISABLE);
	feed_census(w, 1000, SAW, 0, 4);
	feed_served(w, 1000, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	board_link(w->b, 0, 1000, 5000, &v);
	assert_string_equal(v.why, "");
	feed_served(w, 1001, LEG_REFUSED, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	board_link(w->b, 0, 1001, 5000, &v);
	assert_int_equal(v.state, LINK_PLAINTEXT);
	assert_non_null(strstr(v.why, "its sessions go on, and its next connection is refused"));
	assert_non_null(strstr(v.why, "it dials disable, tls only is served"));
	feed_host(w, 1, 1002, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	feed_census(w, 1002, SAW, 4, 0);
	feed_served(w, 1002, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	board_link(w->b, 0, 1002, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_non_null(strstr(v.why, "it dials verify-full, plaintext only is served"));
}

static void
on_plaintext(struct world *w, int64_t at_ms, const char *address, int64_t age_s)
{
	struct reading r = { .kind = READING_CENSUS, .subject = 0, .at_ms = at_ms, .outcome = SAW };
	struct straggler *g;

	if (address != NULL) {
		g = mem_push(&r.census.stragglers, &r.census.nstragglers, sizeof(*g));
		g->link = NONE;
		g->address = mem_strdup(address);
		g->user = mem_strdup("backup");
		g->age_s = age_s;
		g->port = 50000;
	}
	board_feed(w->b, &r);
}

static void
who_was_on_plaintext_is_remembered_with_first_and_last(void **state)
{
	struct world *w = *state;
	const struct sighting *s;
	char address[32];
	size_t n, i;

	on_plaintext(w, 10000, "10.0.0.9", 4);
	on_plaintext(w, 12000, "10.0.0.9", 6);
	on_plaintext(w, 14000, NULL, 0);
	s = board_sightings(w->b, &n);
	assert_int_equal(n, 1);
	assert_int_equal(s->link, NONE);
	assert_int_equal(s->first_ms, 6000);
	assert_int_equal(s->last_ms, 12000);
	assert_null(s->process);
	/* Again, by a new session: the same one. */
	on_plaintext(w, 20000, "10.0.0.9", 0);
	s = board_sightings(w->b, &n);
	assert_int_equal(n, 1);
	assert_int_equal(s->first_ms, 6000);
	assert_int_equal(s->last_ms, 20000);
	/* However many come, so many are kept: those that were seen last. */
	for (i = 0; i < BOARD_SIGHTINGS_MAX; i++) {
		(void)snprintf(address, sizeof(address), "10.1.%u.%u", (unsigned)i / 250, (unsigned)i % 250);
		on_plaintext(w, 30000 + (int64_t)i, address, -1);
	}
	s = board_sightings(w->b, &n);
	assert_int_equal(n, BOARD_SIGHTINGS_MAX);
	for (i = 0; i < n; i++)
		assert_true(s[i].last_ms >= 30000);
}

static void
a_key_that_cannot_be_read_is_the_reason(void **state)
{
	static const struct { const char *look, *says; } rows[] = {
		{ "0 101 101 101 1", "served plaintext only: PostgreSQL could not load its key (permission denied): '/tls/key' is 0000 of user 101" },
		{ "600 7 7 101 0", "could not load its key (permission denied): '/tls/key' is 0600 of user 7, and it runs as user 101" },
		{ "644 101 101 - -", "could not load its key (others may read it): '/tls/key' is 0644 of user 101" },
		/* It is well, or it cannot be told. */
		{ "600 101 101 101 1", "configured both (ssl on), served plaintext only" },
		{ "640 0 7 101 -", "configured both (ssl on), served plaintext only" },
	};
	struct world *w = *state;
	struct endpoint_view v;
	size_t i;

	feed_served(w, 1000, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct reading s = { .kind = READING_SETTINGS, .subject = 0, .at_ms = 1000 + (int64_t)i, .outcome = SAW };

		setting_push(&s.settings, "ssl", "on");
		setting_push(&s.settings, "ssl_key_file", "/tls/key");
		setting_push(&s.settings, "ssl_key_file@key", rows[i].look);
		board_feed(w->b, &s);
		board_endpoint(w->b, 0, 1010, 60000, &v);
		if (strstr(v.why, rows[i].says) == NULL)
			fail_msg("'%s' does not say '%s'", v.why, rows[i].says);
		assert_int_equal(strstr(v.why, "could not") != NULL, i < 3);
	}
}

static void
failure_to_see_keeps_the_last_reading_and_its_age(void **state)
{
	struct world *w = *state;
	struct link_view v;

	feed_census(w, 1000, SAW, 4, 0);
	feed_census(w, 2000, SAW_NOT, 0, 0);
	board_link(w->b, 0, 2000, 5000, &v);
	assert_int_equal(v.state, LINK_TLS);
	assert_int_equal(v.at_ms, 1000);
	assert_non_null(board_failure(w->b, READING_CENSUS, 0));
	board_link(w->b, 0, 7000, 5000, &v);
	assert_int_equal(v.state, LINK_STALE);
	/* An older reading that comes late changes nothing. */
	feed_census(w, 500, SAW, 0, 9);
	board_link(w->b, 0, 2000, 5000, &v);
	assert_int_equal(v.tls, 4);
}

static void
endpoint_is_what_it_serves_not_what_is_written(void **state)
{
	struct world *w = *state;
	struct endpoint_view v;

	feed_host(w, 0, 1000, FACET_ACCEPT, 0, ACCEPT_BOTH);
	feed_served(w, 1000, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	board_endpoint(w->b, 0, 1000, 60000, &v);
	assert_int_equal(v.served, ACCEPT_PLAIN);
	assert_string_equal(v.why, "configured both, served plaintext only");
	feed_served(w, 1001, LEG_SILENT, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	board_endpoint(w->b, 0, 1001, 60000, &v);
	assert_int_equal(v.served, ACCEPT_UNKNOWN);
	feed_served(w, 1002, LEG_REFUSED, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	board_endpoint(w->b, 0, 1002, 60000, &v);
	assert_int_equal(v.served, ACCEPT_TLS);
}

static const struct check *
check_of(const struct world *w, const char *step, bool gate, enum check_kind kind)
{
	const struct step *s = &w->p->steps[plan_step(w->p, step)];
	size_t i, n = gate ? s->ngates : s->nrequires;

	for (i = 0; i < n; i++)
		if ((gate ? s->gates : s->requires)[i].kind == kind)
			return &(gate ? s->gates : s->requires)[i];
	fail_msg("step '%s' has no such check", step);
	return NULL;
}

static enum judgement
judged(struct world *w, const struct check *c, int64_t since_ms, const char *says)
{
	struct check_result r;

	memset(&r, 0, sizeof(r));
	check_judge(c, w->f, w->b, NULL, since_ms, &r);
	if (says != NULL && strstr(r.why, says) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", r.why, says);
	return r.judgement;
}

static void
forcing_needs_everybody_off_plaintext_and_names_who_is_not(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "force", false, CHECK_CENSUS);

	assert_int_equal(judged(w, c, 1000, "not looked"), CHECK_PENDING);
	feed_census(w, 1000, SAW, 0, 3);
	assert_int_equal(judged(w, c, 1000, "not looked"), CHECK_PENDING);	/* its host */
	feed_host(w, 1, 1000, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	assert_int_equal(judged(w, c, 1000, "web on web-1: 3 plaintext sessions"), CHECK_FAIL);
	/* Nobody is connected, but it would come back on plaintext. */
	feed_census(w, 1001, SAW, 0, 0);
	feed_host(w, 1, 1001, FACET_DIAL, 0, DIAL_DISABLE);
	assert_int_equal(judged(w, c, 1001, "web on web-1 dials disable"), CHECK_FAIL);
	/* Nobody is connected and nobody knows. */
	feed_host(w, 1, 1002, FACET_DIAL, 0, DIAL_UNKNOWN);
	assert_int_equal(judged(w, c, 1001, "not known"), CHECK_INCONCLUSIVE);
	feed_census(w, 1003, SAW_PART, 2, 0);
	assert_int_equal(judged(w, c, 1001, "may not see"), CHECK_INCONCLUSIVE);
	feed_census(w, 1004, SAW, 2, 0);
	assert_int_equal(judged(w, c, 1001, NULL), CHECK_PASS);
	/* What was seen before the step proves nothing about it. */
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_PENDING);
}

/* A census with nobody in it, and what the log says of the link and of nobody's. */
static void
feed_logins(struct world *w, int64_t at_ms, enum logins_seen seen, const struct login_count *web,
    const struct login_count *undeclared)
{
	struct reading r = { .kind = READING_CENSUS, .subject = 0, .at_ms = at_ms, .outcome = SAW };
	struct logins *l = &r.census.logins;
	struct login_seen *who;

	r.census.links = mem_array(1, sizeof(*r.census.links));
	r.census.nlinks = 1;
	r.census.connections_total = r.census.unaccounted = -1;
	l->seen = seen;
	l->from_ms = at_ms - INT64_C(48) * HOUR;
	l->why = seen == LOGINS_BLIND ? mem_strdup("log_connections is off") : NULL;
	if (web != NULL) {
		l->links = mem_array(1, sizeof(*l->links));
		l->nlinks = 1;
		l->links[0] = *web;
	}
	l->undeclared.link = NONE;
	if (undeclared != NULL)
		l->undeclared = *undeclared;
	who = mem_push(&l->who, &l->nwho, sizeof(*who));
	who->link = undeclared != NULL ? NONE : 0;
	who->still = true;
	who->user = mem_strdup("backup");
	who->address = mem_strdup("10.0.0.2");
	who->application = mem_strdup("pg_dump");
	who->last_ms = 1;
	board_feed(w->b, &r);
	feed_host(w, 1, at_ms, FACET_DIAL, 0, DIAL_VERIFY_FULL);
}

#define AT	(INT64_C(1000) * HOUR)

static void
forcing_needs_everybody_seen_on_tls_within_the_window(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "force", false, CHECK_CENSUS);

	feed_census(w, AT, SAW, 0, 0);
	feed_host(w, 1, AT, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	assert_int_equal(judged(w, c, AT, "web on web-1: was not seen on tls"), CHECK_INCONCLUSIVE);
	feed_census(w, AT + 1, SAW, 1, 0);
	assert_int_equal(judged(w, c, AT, NULL), CHECK_PASS);
	/* It has gone again, and was there within the day. */
	feed_census(w, AT + 23 * HOUR, SAW, 0, 0);
	feed_host(w, 1, AT + 23 * HOUR, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	assert_int_equal(judged(w, c, AT, NULL), CHECK_PASS);
	w->f->clients[0].window_ms = 7 * HOUR;
	assert_int_equal(judged(w, c, AT, "not seen"), CHECK_INCONCLUSIVE);
	w->f->clients[0].window_ms = 0;
	feed_census(w, AT + 25 * HOUR, SAW, 0, 0);
	feed_host(w, 1, AT + 25 * HOUR, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	assert_int_equal(judged(w, c, AT, "not seen"), CHECK_INCONCLUSIVE);
	w->f->clients[0].evidence = EVIDENCE_ATTEST;
	assert_int_equal(judged(w, c, AT, "vouch"), CHECK_INCONCLUSIVE);
	w->f->clients[0].evidence = EVIDENCE_REHEARSAL;
	assert_int_equal(judged(w, c, AT, "was not rehearsed yet"), CHECK_INCONCLUSIVE);
	feed_rehearsal(w, 0, AT - 1, VERDICT_NAME, "");
	assert_int_equal(judged(w, c, AT, "was not rehearsed yet"), CHECK_INCONCLUSIVE);
	feed_rehearsal(w, 0, AT, VERDICT_UNKNOWN, "no way");
	assert_int_equal(judged(w, c, AT, "could not be tried: no way"), CHECK_INCONCLUSIVE);
	feed_rehearsal(w, 0, AT + 1, VERDICT_PLAINTEXT, "the endpoint offers no tls");
	assert_int_equal(judged(w, c, AT, "web on web-1: rehearsed: plaintext"), CHECK_FAIL);
	feed_rehearsal(w, 0, AT + 2, VERDICT_TLS, "");
	(void)judged(w, c, AT, NULL);
	{
		struct check_result r;

		check_judge(c, w->f, w->b, NULL, AT, &r);
		assert_null(strstr(r.why, "rehears"));
	}
}

static void
a_login_on_plaintext_that_no_census_saw_stops_the_forcing(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "force", false, CHECK_CENSUS);
	struct login_count plain = { .link = 0, .plain = 40, .plain_ms = AT - 6 * HOUR, .still = 1, .still_ms = AT - 6 * HOUR };

	feed_logins(w, AT, LOGINS_SINCE, &plain, NULL);
	assert_int_equal(judged(w, c, AT, "web on web-1: logged in on plaintext 6 h ago (backup from 10.0.0.2, pg_dump), and not on tls since"),
	    CHECK_FAIL);
	/* The same people came on TLS since. */
	plain.still = 0;
	plain.tls = 1;
	plain.tls_ms = AT - HOUR;
	feed_logins(w, AT + 1, LOGINS_SINCE, &plain, NULL);
	assert_int_equal(judged(w, c, AT, "nor any login of the last 2 d"), CHECK_PASS);
	/* So long ago that it does not count. */
	plain.still = 1;
	plain.still_ms = AT - 30 * HOUR;
	feed_logins(w, AT + 2, LOGINS_SINCE, &plain, NULL);
	assert_int_equal(judged(w, c, AT, NULL), CHECK_PASS);
	/* Nobody's. */
	plain.still_ms = AT - HOUR;
	feed_logins(w, AT + 3, LOGINS_SINCE, &(struct login_count){ .tls = 1, .tls_ms = AT }, &plain);
	assert_int_equal(judged(w, c, AT, "somebody undeclared logged in on plaintext 1 h ago (backup from 10.0.0.2, pg_dump)"), CHECK_FAIL);
}

static void
who_is_to_be_shown_by_the_log_is_shown_by_it_alone(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "force", false, CHECK_CENSUS);
	struct login_count row = { .link = 0, .tls = 1, .tls_ms = AT - 3 * HOUR };

	w->f->clients[0].evidence = EVIDENCE_LOG;
	w->f->clients[0].window_ms = 7 * HOUR;
	feed_logins(w, AT, LOGINS_NONE, NULL, NULL);
	assert_int_equal(judged(w, c, AT, "no log is read"), CHECK_INCONCLUSIVE);
	feed_logins(w, AT + 1, LOGINS_BLIND, &row, NULL);
	assert_int_equal(judged(w, c, AT, "log_connections is off"), CHECK_INCONCLUSIVE);
	feed_logins(w, AT + 2, LOGINS_SINCE, NULL, NULL);
	assert_int_equal(judged(w, c, AT, "no login on tls within 7 h; the log is read back 2 d"), CHECK_INCONCLUSIVE);
	feed_logins(w, AT + 3, LOGINS_SINCE, &row, NULL);
	assert_int_equal(judged(w, c, AT, NULL), CHECK_PASS);
	row.tls_ms = AT - 8 * HOUR;
	feed_logins(w, AT + 4, LOGINS_SINCE, &row, NULL);
	assert_int_equal(judged(w, c, AT, "no login on tls"), CHECK_INCONCLUSIVE);
}

static void
connections_that_nobody_saw_are_never_a_pass(void **state)
{
	struct world *w = *state;
	const struct check c = { .kind = CHECK_UNSEEN, .endpoint = 0, .link = NONE, .host = NONE };
	struct reading r = { .kind = READING_CENSUS, .subject = 0, .at_ms = AT, .outcome = SAW };

	r.census.unaccounted = -1;
	board_feed(w->b, &r);
	assert_int_equal(judged(w, &c, AT, "does not say"), CHECK_INCONCLUSIVE);
	r = (struct reading){ .kind = READING_CENSUS, .subject = 0, .at_ms = AT + 1, .outcome = SAW };
	r.census.unaccounted = 41;
	r.census.unaccounted_from_ms = AT - 7 * HOUR;
	board_feed(w->b, &r);
	assert_int_equal(judged(w, &c, AT, "41 connections at 'postgres' within 7 h unaccounted for"), CHECK_INCONCLUSIVE);
	r = (struct reading){ .kind = READING_CENSUS, .subject = 0, .at_ms = AT + 2, .outcome = SAW };
	r.census.unaccounted_from_ms = AT - 7 * HOUR;
	board_feed(w->b, &r);
	assert_int_equal(judged(w, &c, AT, NULL), CHECK_PASS);
	assert_int_equal(judged(w, &c, AT + 3, NULL), CHECK_PENDING);
}

static void
served_gate_passes_only_when_chain_and_every_name_hold(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "both", true, CHECK_SERVED);

	feed_served(w, 1000, LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_FAIL);
	feed_served(w, 1001, LEG_OPEN, LEG_SILENT, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_served(w, 1002, LEG_OPEN, LEG_OPEN, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_served(w, 1003, LEG_OPEN, LEG_OPEN, VERIFIED_BAD, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_FAIL);
	feed_served(w, 1004, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_BAD);
	assert_int_equal(judged(w, c, 1000, "db.internal"), CHECK_FAIL);
	feed_served(w, 1005, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_NOT_TRIED);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_served(w, 1006, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_PASS);
}

/* As belay, which shows no certificate, meets an endpoint in TLS 1.3. */
static void
feed_turned_away(struct world *w, int64_t at_ms, const char *protocol, bool asked, enum verified name, const char *why)
{
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = at_ms, .outcome = SAW };

	r.served.plain = LEG_REFUSED;
	r.served.tls = LEG_REFUSED;
	r.served.chain = VERIFIED_OK;
	r.served.nnames = 1;
	r.served.name[0] = name;
	r.served.client_cert_asked = asked;
	r.served.protocol = protocol == NULL ? NULL : mem_strdup(protocol);
	r.served.tls_why = mem_strdup(why);
	board_feed(w->b, &r);
}

static void
an_endpoint_that_turns_away_who_shows_no_certificate_is_mutual_where_it_is_to_be(void **state)
{
	static const char required[] = "it needs a client certificate: tlsv13 alert certificate required";
	struct world *w = *state;
	const struct check *c = check_of(w, "both", true, CHECK_SERVED);
	struct check presents = { .kind = CHECK_PRESENTS, .endpoint = 0, .cert = 0, .link = NONE, .host = NONE };
	struct endpoint_view v;

	/* Clients are turned away that it is to let in. */
	feed_host(w, 0, 1000, FACET_ACCEPT, 0, ACCEPT_TLS);
	feed_turned_away(w, 1000, "TLSv1.3", true, VERIFIED_OK, required);
	assert_int_equal(judged(w, c, 1000, "needs a client certificate"), CHECK_FAIL);
	board_endpoint(w->b, 0, 1000, 60000, &v);
	assert_int_equal(v.served, ACCEPT_UNKNOWN);

	feed_host(w, 0, 1001, FACET_ACCEPT, 0, ACCEPT_MUTUAL);
	assert_int_equal(judged(w, c, 1000, "what comes after the login is unseen"), CHECK_PASS);
	board_endpoint(w->b, 0, 1001, 60000, &v);
	assert_int_equal(v.served, ACCEPT_MUTUAL);
	assert_false(v.verified);
	/* What was written before the step does not count. */
	feed_turned_away(w, 1010, "TLSv1.3", true, VERIFIED_OK, required);
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_PENDING);
	feed_host(w, 0, 1010, FACET_ACCEPT, 0, ACCEPT_MUTUAL);
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_PASS);
	/* A wrong name stays one, and another refusal proves nothing. */
	feed_turned_away(w, 1011, "TLSv1.3", true, VERIFIED_BAD, required);
	assert_int_equal(judged(w, c, 1005, "db.internal"), CHECK_FAIL);
	feed_turned_away(w, 1012, "TLSv1.3", true, VERIFIED_OK, "it needs a client certificate: tlsv1 alert internal error");
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_FAIL);
	feed_turned_away(w, 1013, "TLSv1.3", false, VERIFIED_OK, required);
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_FAIL);
	/* Up to TLS 1.2 it ends in the middle of the handshake: that is TLS, and what it presents was not read. */
	feed_turned_away(w, 1014, NULL, true, VERIFIED_OK, "it needs a client certificate: sslv3 alert handshake failure");
	assert_int_equal(judged(w, c, 1005, NULL), CHECK_FAIL);
	board_endpoint(w->b, 0, 1014, 60000, &v);
	assert_int_equal(v.served, ACCEPT_UNKNOWN);
	assert_int_equal(judged(w, &presents, 1005, "needs a client certificate"), CHECK_INCONCLUSIVE);
}

/* Belay is let in with a certificate of its own; how one fares without is a fact beside that. */
static void
feed_shown(struct world *w, int endpoint, int64_t at_ms, bool asked, enum leg bare, enum leg tls)
{
	struct reading r = { .kind = READING_SERVED, .subject = endpoint, .at_ms = at_ms, .outcome = SAW };

	r.served.plain = LEG_REFUSED;
	r.served.tls = tls;
	r.served.chain = VERIFIED_OK;
	r.served.nnames = 1;
	r.served.name[0] = VERIFIED_OK;
	r.served.client_cert_asked = asked;
	r.served.bare = bare;
	r.served.protocol = mem_strdup("TLSv1.3");
	if (bare == LEG_REFUSED)
		r.served.bare_why = mem_strdup("it needs a client certificate: tlsv13 alert certificate required");
	board_feed(w->b, &r);
}

static void
who_shows_no_certificate_has_to_be_seen_turned_away(void **state)
{
	struct world *w = *state;
	enum kind kind = w->f->endpoints[0].kind;
	struct check c = { .kind = CHECK_REFUSED, .endpoint = 0, .link = NONE, .host = NONE, .accept = ACCEPT_MUTUAL };
	struct endpoint_view v;

	feed_host(w, 0, 1000, FACET_ACCEPT, 0, ACCEPT_MUTUAL);
	((struct endpoint *)&w->f->endpoints[0])->kind = KIND_REDIS;
	feed_shown(w, 0, 1000, true, LEG_REFUSED, LEG_OPEN);
	assert_int_equal(judged(w, &c, 1000, "certificate required"), CHECK_PASS);
	board_endpoint(w->b, 0, 1000, 60000, &v);
	assert_int_equal(v.served, ACCEPT_MUTUAL);
	/* It asks and demands nothing: set to be mutual, it is not. */
	feed_shown(w, 0, 1001, true, LEG_OPEN, LEG_OPEN);
	assert_int_equal(judged(w, &c, 1000, "lets in who shows no"), CHECK_FAIL);
	board_endpoint(w->b, 0, 1001, 60000, &v);
	assert_int_equal(v.served, ACCEPT_TLS);
	assert_non_null(strstr(v.why, "configured mutual"));
	feed_shown(w, 0, 1002, false, LEG_UNKNOWN, LEG_OPEN);
	assert_int_equal(judged(w, &c, 1000, "does not ask"), CHECK_FAIL);
	feed_shown(w, 0, 1003, false, LEG_UNKNOWN, LEG_SILENT);
	assert_int_equal(judged(w, &c, 1000, NULL), CHECK_INCONCLUSIVE);
	assert_int_equal(judged(w, &c, 2000, NULL), CHECK_PENDING);
	/* A Postgres demands one of whom its pg_hba.conf says: belay's own role tells nothing of theirs. */
	((struct endpoint *)&w->f->endpoints[0])->kind = KIND_POSTGRES;
	feed_shown(w, 0, 1004, true, LEG_OPEN, LEG_OPEN);
	assert_int_equal(judged(w, &c, 1000, "pg_hba.conf"), CHECK_INCONCLUSIVE);
	board_endpoint(w->b, 0, 1004, 60000, &v);
	assert_int_equal(v.served, ACCEPT_MUTUAL);
	((struct endpoint *)&w->f->endpoints[0])->kind = kind;
}

static void
plaintext_is_refused_only_when_it_was_tried_and_refused(void **state)
{
	struct world *w = *state;
	const struct check *c = check_of(w, "force", true, CHECK_REFUSED);

	feed_served(w, 1000, LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_FAIL);
	feed_served(w, 1001, LEG_UNKNOWN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_served(w, 1002, LEG_SILENT, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_served(w, 1003, LEG_REFUSED, LEG_OPEN, VERIFIED_OK, VERIFIED_OK);
	assert_int_equal(judged(w, c, 1000, NULL), CHECK_PASS);
}

static void
flipped_link_needs_a_session_on_tls_and_none_on_plaintext(void **state)
{
	struct world *w = *state;
	const struct check *tls = check_of(w, "flip", true, CHECK_LINK_TLS);
	const struct check *set = check_of(w, "flip", true, CHECK_DIAL_SET);

	feed_census(w, 1000, SAW, 0, 0);
	assert_int_equal(judged(w, tls, 1000, NULL), CHECK_INCONCLUSIVE);
	feed_census(w, 1001, SAW, 3, 1);
	assert_int_equal(judged(w, tls, 1000, "web-1"), CHECK_FAIL);
	feed_census(w, 1002, SAW, 3, 0);
	assert_int_equal(judged(w, tls, 1000, NULL), CHECK_PASS);
	feed_host(w, 1, 1000, FACET_DIAL, 0, DIAL_DISABLE);
	assert_int_equal(judged(w, set, 1000, "says disable, not verify-full"), CHECK_FAIL);
	feed_host(w, 1, 1001, FACET_DIAL, 0, DIAL_VERIFY_FULL);
	assert_int_equal(judged(w, set, 1000, NULL), CHECK_PASS);
}

/* accept × dial, without and with trust: the verdict, one letter each. */
static void
verdict_of_every_accept_and_dial(void **state)
{
	static const char letters[] = "RHUPTCN";
	static const char *const expected[] = {
		/*          disable allow prefer require verify-ca verify-full */
		"plain  - PPPRRR", "both   - PPTTRR", "tls    - RTTTRR", "mutual - RRRRRR",
		"plain  t PPPRRR", "both   t PPCCCN", "tls    t RCCCCN", "mutual t RRRRRR",
	};
	struct world *w = *state;
	struct posture p;
	size_t row = 0;
	int trust, a, d;

	posture_init(&p, w->f);
	p.cert[0] = 0;
	for (trust = 0; trust < 2; trust++)
		for (a = 0; a < ACCEPT_COUNT; a++, row++) {
			char got[32];
			size_t at = (size_t)snprintf(got, sizeof(got), "%-6s %c ", accept_word((enum accept)a), trust ? 't' : '-');

			for (d = 0; d < DIAL_COUNT; d++) {
				const char *why = NULL;
				enum verdict v;

				p.accept[0] = (enum accept)a;
				p.dial[0] = (enum dial)d;
				p.trust[0] = trust ? 0 : NONE;
				v = posture_verdict(w->f, &p, 0, &why);
				got[at++] = letters[v];
				assert_true((v == VERDICT_REFUSED) == (why != NULL));
			}
			got[at] = '\0';
			assert_string_equal(got, expected[row]);
		}
	posture_release(&p);
}

static void
only_what_was_issued_last_is_taken_for_it(void **state)
{
	struct world *w = *state;
	struct check check = { .kind = CHECK_PRESENTS, .endpoint = 0, .cert = 0, .link = NONE, .host = NONE };
	struct reading r = { .kind = READING_SERVED, .subject = 0, .at_ms = 3000, .outcome = SAW };
	struct reading none = { .kind = READING_SERVED, .subject = 0, .at_ms = 1000, .outcome = SAW };
	struct check_result result;
	char issued[65] = "";

	/* What was seen before the step proves nothing; no TLS is no wrong certificate. */
	none.served.plain = LEG_OPEN;
	none.served.tls = LEG_REFUSED;
	board_feed(w->b, &none);
	check_judge(&check, w->f, w->b, NULL, 1001, &result);
	assert_int_equal(result.judgement, CHECK_PENDING);
	check_judge(&check, w->f, w->b, NULL, 1000, &result);
	assert_int_equal(result.judgement, CHECK_PASS);
	assert_non_null(strstr(result.why, "does not speak tls yet"));
	r.served.tls = r.served.plain = LEG_OPEN;
	r.served.protocol = mem_strdup("TLSv1.3");
	memset(r.served.cert.sha256, 'a', 64);
	board_feed(w->b, &r);
	check_judge(&check, w->f, w->b, NULL, 2000, &result);
	assert_int_equal(result.judgement, CHECK_INCONCLUSIVE);
	memset(issued, 'b', 64);
	board_issued(w->b, 0, issued);
	check_judge(&check, w->f, w->b, NULL, 2000, &result);
	assert_int_equal(result.judgement, CHECK_FAIL);
	assert_non_null(strstr(result.why, "still presents another certificate"));
	memset(issued, 'a', 64);
	board_issued(w->b, 0, issued);
	check_judge(&check, w->f, w->b, NULL, 2000, &result);
	assert_int_equal(result.judgement, CHECK_PASS);
}

static const char *
finding_at(struct world *w, int64_t now_ms)
{
	static struct rehearsal_view v;

	board_rehearsed(w->b, 0, now_ms, 5000, 60000, &v);
	return v.finding;
}

static void
a_rehearsal_that_disagrees_with_the_sessions_is_a_finding(void **state)
{
	struct world *w = *state;
	struct rehearsal_view v;

	board_rehearsed(w->b, 0, 1000, 5000, 60000, &v);
	assert_string_equal(v.words, "");
	assert_null(v.reading);
	feed_census(w, 1000, SAW, 3, 0);
	feed_rehearsal(w, 0, 1000, VERDICT_NAME, "");
	board_rehearsed(w->b, 0, 1000, 5000, 60000, &v);
	assert_string_equal(v.words, "tls+name, 12 ms");
	assert_true(v.fresh);
	/* Healthy now, broken at the next reconnect. */
	feed_rehearsal(w, 0, 1001, VERDICT_REFUSED, "certificate verify failed");
	assert_string_equal(finding_at(w, 1001), "its sessions go on, and a new connection is refused: certificate verify failed");
	feed_rehearsal(w, 0, 1002, VERDICT_HANGS, "no answer");
	assert_string_equal(finding_at(w, 1002), "its sessions go on, and a new connection hangs: no answer");
	feed_rehearsal(w, 0, 1003, VERDICT_PLAINTEXT, "the endpoint offers no tls");
	assert_string_equal(finding_at(w, 1003), "set to verify-full, and a new connection is plaintext: the endpoint offers no tls");
	feed_census(w, 1004, SAW, 0, 2);
	feed_rehearsal(w, 0, 1004, VERDICT_NAME, "");
	assert_string_equal(finding_at(w, 1004), "set to verify-full, by which a new connection is tls+name; "
	    "2 sessions are still on plaintext: not restarted, or not reconnected");
	/* An old one says nothing any more, and one that could not be tried never did. */
	assert_string_equal(finding_at(w, 70000), "");
	feed_rehearsal(w, 0, 1005, VERDICT_UNKNOWN, "host 'web-1' does not know the name");
	board_rehearsed(w->b, 0, 1005, 5000, 60000, &v);
	assert_string_equal(v.words, "not tried: host 'web-1' does not know the name");
	assert_string_equal(v.finding, "");
	assert_false(v.fresh);
}

static void
a_check_rests_on_the_rehearsal_that_was_made_for_it(void **state)
{
	struct world *w = *state;
	struct check c = { .kind = CHECK_REHEARSAL, .link = 0, .endpoint = 0, .host = NONE, .trust = NONE,
		.dial = DIAL_UNKNOWN, .known = DIAL_UNKNOWN };
	struct reading own = { .kind = READING_REHEARSAL, .outcome = SAW };
	struct check_result r;

	check_judge(&c, w->f, w->b, NULL, 1000, &r);
	assert_int_equal(r.judgement, CHECK_PENDING);
	own.rehearsed.verdict = VERDICT_PLAINTEXT;
	own.rehearsed.dial = DIAL_PREFER;
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_FAIL);
	/* Before a step it is enough that it gets what its mode insists on. */
	c.dial = DIAL_PREFER;
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_PASS);
	c.dial = own.rehearsed.dial = DIAL_VERIFY_FULL;
	own.rehearsed.verdict = VERDICT_REFUSED;
	(void)strcpy(own.rehearsed.why, "certificate verify failed");
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_FAIL);
	assert_non_null(strstr(r.why, "dialling verify-full"));
	assert_non_null(strstr(r.why, "certificate verify failed"));
	/* What cannot be tried is nobody's pass: of a written check inconclusive. */
	own.outcome = SAW_NOT;
	own.why = mem_strdup("no way to the host");
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_INCONCLUSIVE);
	c.implied = true;
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_NOT_TRIED);
	free(own.why);
}

/* It was let in, but is what it shows what let it in? */
static void
where_one_is_demanded_it_was_asked_for_and_shown(void **state)
{
	struct world *w = *state;
	struct check c = { .kind = CHECK_REHEARSAL, .link = 0, .endpoint = 0, .host = NONE, .trust = NONE,
		.dial = DIAL_UNKNOWN, .known = DIAL_UNKNOWN, .accept = ACCEPT_MUTUAL, .implied = true };
	struct reading own = { .kind = READING_REHEARSAL, .outcome = SAW };
	struct check_result r;

	own.rehearsed.verdict = VERDICT_NAME;
	own.rehearsed.dial = DIAL_VERIFY_FULL;
	(void)strcpy(own.rehearsed.shown, "id-web");
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_FAIL);
	assert_non_null(strstr(r.why, "no client certificate was asked for"));
	own.rehearsed.asked = true;
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_PASS);
	assert_non_null(strstr(r.why, "showing id-web"));
	own.rehearsed.shown[0] = '\0';
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_INCONCLUSIVE);
	own.rehearsed.verdict = VERDICT_REFUSED;
	(void)strcpy(own.rehearsed.why, "tlsv13 alert certificate required");
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_FAIL);
	assert_non_null(strstr(r.why, "certificate required"));
	/* Where it is only to be let in, nobody has to ask. */
	c.accept = ACCEPT_UNKNOWN;
	own.rehearsed.verdict = VERDICT_NAME;
	own.rehearsed.asked = false;
	check_judge(&c, w->f, w->b, &own, 1000, &r);
	assert_int_equal(r.judgement, CHECK_PASS);
}

static void
somebodys_word_counts_for_whom_it_was_given(void **state)
{
	struct world *w = *state;
	struct check c = { .kind = CHECK_ATTEST, .link = 0, .endpoint = 0, .host = NONE };
	struct check_result r;

	check_judge(&c, w->f, w->b, NULL, 1000, &r);
	assert_int_equal(r.judgement, CHECK_INCONCLUSIVE);
	board_vouch(w->b, w->f->links[0].client, "ann@bastion: seen in its own log");
	check_judge(&c, w->f, w->b, NULL, 1000, &r);
	assert_int_equal(r.judgement, CHECK_PASS);
	assert_non_null(strstr(r.why, "ann@bastion: seen in its own log"));
	c.link = NONE;
	check_judge(&c, w->f, w->b, NULL, 1000, &r);
	assert_int_equal(r.judgement, CHECK_INCONCLUSIVE);
	board_vouch(w->b, w->f->links[0].client, NULL);
	assert_null(board_vouched(w->b, w->f->links[0].client));
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_was_issued_last_is_taken_for_it, setup, teardown),
		T(link_states_follow_the_census), T(unknown_is_never_green),
		T(a_client_with_a_stray_certificate_is_not_proven_where_one_is_asked),
		T(what_lies_on_the_host_is_held_against_what_is_served_then),
		T(a_path_with_a_flaw_is_not_proven),
		T(a_client_whose_ca_file_is_another_is_not_proven),
		T(the_path_is_proven_by_the_handshake_and_the_servers_own_row),
		T(what_a_client_verifies_is_declared_by_how_it_dials),
		T(what_is_set_and_what_is_served_are_told_apart),
		T(a_key_that_cannot_be_read_is_the_reason),
		T(who_was_on_plaintext_is_remembered_with_first_and_last),
		T(sessions_that_go_on_are_told_where_their_successors_would_not),
		T(failure_to_see_keeps_the_last_reading_and_its_age),
		T(endpoint_is_what_it_serves_not_what_is_written),
		T(forcing_needs_everybody_off_plaintext_and_names_who_is_not),
		T(forcing_needs_everybody_seen_on_tls_within_the_window),
		T(a_login_on_plaintext_that_no_census_saw_stops_the_forcing),
		T(who_is_to_be_shown_by_the_log_is_shown_by_it_alone),
		T(connections_that_nobody_saw_are_never_a_pass),
		T(served_gate_passes_only_when_chain_and_every_name_hold),
		T(an_endpoint_that_turns_away_who_shows_no_certificate_is_mutual_where_it_is_to_be),
		T(who_shows_no_certificate_has_to_be_seen_turned_away),
		T(plaintext_is_refused_only_when_it_was_tried_and_refused),
		T(flipped_link_needs_a_session_on_tls_and_none_on_plaintext),
		T(verdict_of_every_accept_and_dial),
		T(a_rehearsal_that_disagrees_with_the_sessions_is_a_finding),
		T(a_check_rests_on_the_rehearsal_that_was_made_for_it),
		T(where_one_is_demanded_it_was_asked_for_and_shown),
		T(somebodys_word_counts_for_whom_it_was_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
