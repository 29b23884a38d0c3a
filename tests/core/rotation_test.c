/*
 * A CA that gives way to another: what a client trusts is a set, a certificate
 * comes after another one, and no order of steps passes by which a client that
 * verifies meets a certificate whose CA it does not trust.
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
#include "core/certs.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/mem.h"
#include "core/proof.h"
#include "core/reading.h"
#include "core/trust.h"
#include "op_fixture.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db, state: /st }, web: { ssh: web, state: /st }, api: { ssh: api, state: /st } }\n"
    "units: { pg: { host: db, kind: reload, run: r, restarts: [] }, web: { host: web, run: w, restarts: [web] }, api: { host: api, run: a, restarts: [api] } }\n"
    "certs:\n"
    "  internal: { serves: [pg, cache], dir: /tls, leaf: 60d, warn: 20d, ca-dir: /ca, key: { mode: \"0640\" } }\n"
    "  next: { after: internal, leaf: 30d }\n"
    "  other: { serves: [pg], dir: /other }\n"
    "  third: { after: next }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: pg, listen: { both: 5432 }, names: [db.internal] }\n"
    "  cache: { kind: redis, unit: pg, listen: { plain: 6379, tls: 6380 }, names: [db.internal] }\n"
    "clients:\n"
    "  web: { unit: web, links: {\n"
    "    pg: { match: { user: web }, dial: { file: /env, set: { MODE: \"$(dial)\" } }, trust: { ca: internal, file: /ca.crt } },\n"
    "    cache: { match: { host: web }, dial: { file: /env, set: { CACHE: \"$(dial)\" } }, trust: { ca: internal, file: /ca.crt } } } }\n"
    "  api: { unit: api, links: {\n"
    "    pg: { match: { user: api }, dial: { file: /env, set: { MODE: \"$(dial)\" } },\n"
    "      trust: { ca: internal, file: /ca.crt, lands: activation, install: [ { env: { file: /env, set: { CA: \"$(ca.b64)\" } } } ] } } } }\n";

#define PLAN "belay: plan/1\nname: rotate\nfrom: { accept: tls, dial: verify-full, certs: internal }\nsteps:\n"
#define BOTH "  - { id: \"both-$(l)\", for: { l: trusting(internal) }, trust: { \"$(l)\": [internal, next] } }\n"
#define SWAP "  - { id: swap, certs: { next: install } }\n"
#define DROP "  - { id: \"drop-$(l)\", for: { l: trusting(internal) }, trust: { \"$(l)\": next } }\n"

#define WHY_MAX sizeof(((struct check_result *)0)->why)

static struct plan *plan;

static int
set_up(void **state)
{
	(void)state;
	return fleet_of(fleet_text);
}

static void
read_plan(const char *text)
{
	struct err err = { "" };

	plan_free(plan);
	plan = NULL;
	if (plan_parse(&plan, fleet, "p", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
}

static int
tear_down(void **state)
{
	plan_free(plan);
	plan = NULL;
	return fleet_gone(state);
}

static int
both(void)
{
	return trust_with(trust_with(NONE, fleet_cert(fleet, "next")), fleet_cert(fleet, "internal"));
}

static bool
has(int trust, int cert)
{
	int v[TRUST_CERTS_MAX];
	size_t n = trust_certs(trust, v);

	return (n > 0 && v[0] == cert) || (n > 1 && v[1] == cert);
}

static void
a_trust_is_a_set_of_one_or_two(void **state)
{
	int a, b, v[TRUST_CERTS_MAX];
	char *words;

	(void)state;
	assert_int_equal(trust_with(NONE, 3), 3);
	assert_int_equal(trust_with(CERT_UNKNOWN, 3), 3);
	assert_int_equal(trust_with(3, 3), 3);
	assert_false(trust_holds(fleet, NONE, 0));
	assert_false(trust_holds(fleet, CERT_UNKNOWN, 0));
	assert_true(trust_holds(fleet, both(), fleet_cert(fleet, "next")));
	assert_false(trust_holds(fleet, both(), fleet_cert(fleet, "third")));
	for (a = 0; a < FLEET_ITEMS_MAX; a += 61)
		for (b = 0; b < FLEET_ITEMS_MAX; b += 67) {
			int set = trust_with(a, b);

			assert_int_equal(set, trust_with(b, a));
			assert_true(has(set, a) && has(set, b));
			assert_int_equal(trust_certs(set, v), a == b ? 1 : 2);
			assert_true(trust_valid(set, FLEET_ITEMS_MAX));
			assert_int_equal(trust_valid(set, (size_t)(a > b ? a : b)), false);
			assert_int_equal(has(set, a + 1), a + 1 == b);
			/* Full is full. */
			if (a != b)
				assert_int_equal(trust_with(set, 1), set);
			assert_in_range(set, 0, TRUST_VALUE_MAX);
		}
	assert_false(trust_valid(CERT_UNKNOWN, 4));
	assert_false(trust_valid(TRUST_VALUE_MAX + 1, FLEET_ITEMS_MAX));
	/* The same pair the wrong way round is no set. */
	assert_false(trust_valid((2 + 1) * FLEET_ITEMS_MAX + 1, 4));
	words = trust_words(fleet, both());
	assert_string_equal(words, "internal and next");
	free(words);
}

static void
what_comes_after_a_certificate_has_its_places(void **state)
{
	const struct cert *internal = &fleet->certs[fleet_cert(fleet, "internal")];
	const struct cert *next = &fleet->certs[fleet_cert(fleet, "next")], *third = &fleet->certs[fleet_cert(fleet, "third")];
	size_t i;

	(void)state;
	assert_int_equal(next->after, fleet_cert(fleet, "internal"));
	assert_int_equal(next->serves.n, 2);
	assert_int_equal(next->install.n, internal->install.n);
	assert_int_equal(third->install.n, internal->install.n);
	for (i = 0; i < internal->install.n; i++) {
		assert_string_equal(next->install.v[i].file, internal->install.v[i].file);
		assert_string_equal(third->install.v[i].file, internal->install.v[i].file);
	}
	/* The CA is not among them; what it says itself counts. */
	assert_string_equal(internal->ca_dir, "/ca");
	assert_null(next->ca_dir);
	assert_int_equal(next->warn_ms, internal->warn_ms);
	assert_int_equal(next->leaf_ms, INT64_C(30) * 86400000);
	assert_int_equal(third->leaf_ms, next->leaf_ms);
	assert_int_equal(cert_line(fleet, fleet_cert(fleet, "third")), fleet_cert(fleet, "internal"));
	assert_true(link_may_trust(fleet, &fleet->links[link_of("web -> pg")], fleet_cert(fleet, "third")));
	assert_false(link_may_trust(fleet, &fleet->links[link_of("web -> pg")], fleet_cert(fleet, "other")));
}

/* The first counter-example's line; "" where it is proven. */
static char *
verdict_of(const char *text)
{
	struct proof proof;
	struct buf b;
	char *ret;

	read_plan(text);
	buf_init(&b, 0);
	proof_run(&proof, fleet, plan, NULL, 0);
	if (proof.ncounters > 0)
		counter_line(&b, fleet, plan, &proof.counters[0]);
	assert_int_equal(proof.unknown.n, 0);
	proof_release(&proof);
	ret = mem_strdup(buf_str(&b));
	buf_release(&b);
	return ret;
}

static void
says(const char *text, const char *want)
{
	char *is = verdict_of(text);

	if (*want == '\0' ? *is != '\0' : strstr(is, want) == NULL)
		fail_msg("said '%s', expected '%s'", is, want);
	free(is);
}

static void
four_phases_are_proven(void **state)
{
	(void)state;
	says(PLAN BOTH SWAP DROP, "");
	assert_int_equal(plan->nsteps, 7);
	assert_string_equal(plan->steps[0].id, "both-web.pg");
	assert_string_equal(plan->steps[2].id, "both-api.pg");
}

static void
a_leaf_before_its_ca_is_refused_by_the_clients_name(void **state)
{
	(void)state;
	says(PLAN SWAP, "after step 1 'swap': web -> pg is refused: the client's CA file does not hold the CA of the certificate served");
	/* The last one does not trust it yet. */
	says(PLAN "  - { id: one, trust: { web -> pg: [internal, next], web -> cache: [internal, next] } }\n" SWAP,
	    "after step 2 'swap': api -> pg is refused");
	/* All at once: the server may be first, or last. */
	says(PLAN "  - { id: all, certs: { next: install }, trust: { web -> pg: next, web -> cache: next, api -> pg: next } }\n", "is refused");
	says(PLAN "  - { id: all, certs: { next: install }, trust: { web -> pg: [internal, next], web -> cache: [internal, next], api -> pg: [internal, next] } }\n",
	    "is refused");
}

static void
an_old_ca_is_not_dropped_before_its_leaf_is(void **state)
{
	(void)state;
	says(PLAN BOTH DROP SWAP, "web -> pg is refused");
	says(PLAN "  - { id: early, trust: { web -> pg: next } }\n", "after step 1 'early': web -> pg is refused");
}

static void
one_file_is_one_set_for_all_who_read_it(void **state)
{
	struct change *v;
	size_t i, n, seen = 0;
	struct move m = { .facet = FACET_TRUST, .subject = link_of("web -> pg"), .value = both() };

	(void)state;
	posture_changes(fleet, &m, &v, &n);
	assert_int_equal(n, 2);
	for (i = 0; i < n; i++)
		seen += v[i].facet == FACET_TRUST && v[i].value == both() &&
		    (v[i].subject == link_of("web -> pg") || v[i].subject == link_of("web -> cache"));
	assert_int_equal(seen, 2);
	free(v);
	/* So whoever drops the old CA for one of them has dropped it for the other. */
	says(PLAN "  - { id: other, certs: { other: install } }\n  - { id: one, trust: { web -> cache: next } }\n", "is refused");
}

static size_t
count(const struct check *v, size_t n, enum check_kind kind, const char *name)
{
	size_t i, found = 0;

	for (i = 0; i < n; i++)
		found += v[i].kind == kind && v[i].implied && strcmp(v[i].name, name) == 0;
	return found;
}

static void
what_is_asked_at_each_phase(void **state)
{
	const struct step *s;

	(void)state;
	read_plan(PLAN BOTH SWAP DROP);
	s = &plan->steps[0];
	assert_int_equal(count(s->requires, s->nrequires, CHECK_REHEARSAL, "rehearsal of web -> pg trusting internal and next"), 1);
	assert_int_equal(count(s->gates, s->ngates, CHECK_TRUSTS, "web -> pg trusts internal and next"), 1);
	s = &plan->steps[3];
	assert_string_equal(s->id, "swap");
	assert_int_equal(count(s->requires, s->nrequires, CHECK_TRUSTS, "web -> pg trusts next"), 1);
	assert_int_equal(count(s->requires, s->nrequires, CHECK_TRUSTS, "web -> cache trusts next"), 1);
	assert_int_equal(count(s->requires, s->nrequires, CHECK_TRUSTS, "api -> pg trusts next"), 1);
	s = &plan->steps[4];
	assert_int_equal(count(s->requires, s->nrequires, CHECK_REHEARSAL, "rehearsal of web -> pg trusting next"), 1);
	assert_int_equal(count(s->gates, s->ngates, CHECK_TRUSTS, "web -> pg trusts next"), 1);
	/* Where nothing is replaced nobody is asked. */
	read_plan("belay: plan/1\nname: p\nfrom: { accept: plain, dial: disable }\nsteps: [{ id: certs, certs: { internal: install } }]\n");
	s = &plan->steps[0];
	assert_int_equal(s->nrequires, 1);
	assert_int_equal(s->requires[0].kind, CHECK_PROOF);
}

static int
material(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	(void)arg;
	(void)err;
	*ret = mem_printf("%s of %s%s", what, fleet->certs[cert].name, cert == fleet_cert(fleet, "internal") ? "" : "\n");
	*ret_len = strlen(*ret);
	return 0;
}

static void
a_bundle_holds_the_one_behind_the_other(void **state)
{
	struct err err = { "" };
	struct ops ops;
	size_t i, found = 0;

	(void)state;
	read_plan(PLAN BOTH SWAP DROP);
	if (ops_of_step(&ops, fleet, plan, 0, "r", material, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	for (i = 0; i < ops.n; i++)
		if (ops.v[i].content != NULL) {
			assert_string_equal(ops.v[i].content, "ca.pem of internal\nca.pem of next\n");
			found++;
		}
	assert_int_equal(found, 1);
	ops_release(&ops);
	/* In one variable, as one text. */
	if (ops_of_step(&ops, fleet, plan, 2, "r", material, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	for (i = 0, found = 0; i < ops.n; i++)
		if (ops.v[i].kind == OP_ENV) {
			assert_string_equal(ops.v[i].set.v[0].value, "Y2EucGVtIG9mIGludGVybmFsCmNhLnBlbSBvZiBuZXh0Cg==");
			found++;
		}
	assert_int_equal(found, 1);
	ops_release(&ops);
}

/* A client may read its file when it is activated, and then only: what it had is back by then. */
static void
a_ca_that_a_client_had_is_back_before_it_is_activated(void **state)
{
	static const struct { const char *text; bool last; } cases[] = {
		{ PLAN BOTH SWAP DROP, false },
		/* Its first one stays until nobody verifies by it. */
		{ "belay: plan/1\nname: first\nfrom: { accept: tls, dial: require }\nsteps:\n"
		    "  - { id: flip, trust: { \"web -> pg\": internal }, dial: { \"web -> pg\": verify-full } }\n", true },
	};
	struct err err = { "" };
	size_t c, s, i, found;
	struct ops ops;

	(void)state;
	for (c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		read_plan(cases[c].text);
		for (s = found = 0; s < plan->nsteps; s++) {
			if (ops_of_step(&ops, fleet, plan, (int)s, "r", material, NULL, &err) != 0)
				fail_msg("%s", err.msg);
			for (i = 0; i < ops.n; i++)
				if (ops.v[i].path != NULL && strcmp(ops.v[i].path, "/ca.crt") == 0) {
					assert_int_equal(ops.v[i].back_last, cases[c].last);
					found++;
				}
			ops_release(&ops);
		}
		assert_int_equal(found, cases[c].last ? 1 : 4);
	}
}

/* ---- what is seen ---- */

static const char *file_text;

static int
look(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	*ret = strcmp(path, "/ca.crt") == 0 ? file_text : NULL;
	*ret_len = *ret == NULL ? 0 : strlen(*ret);
	return 0;
}

static const char *
ca(void *arg, int cert, size_t *ret_len)
{
	static const char *const pem[] = { "-----BEGIN\nold\n-----END\n", "-----BEGIN\nnew\n-----END\n", "-----BEGIN\nother\n-----END\n", NULL };

	(void)arg;
	*ret_len = pem[cert] == NULL ? 0 : strlen(pem[cert]);
	return pem[cert];
}

static void
see(struct reading *r)
{
	memset(r, 0, sizeof(*r));
	r->kind = READING_HOST;
	r->subject = fleet_host(fleet, "web");
	r->outcome = SAW;
	r->at_ms = 1000;
	facets_seen(r, fleet, r->subject, look, ca, NULL);
}

static const struct facet_seen *
trust_seen(const struct reading *r, const char *link)
{
	size_t i;

	for (i = 0; i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_TRUST && r->facets[i].subject == link_of(link))
			return &r->facets[i];
	fail_msg("nothing was seen of %s", link);
	return NULL;
}

static enum judgement
judged(const char *content, int trust, int cert, char why[WHY_MAX])
{
	struct check c = { .kind = CHECK_TRUSTS, .link = link_of("web -> pg"), .endpoint = 0, .host = NONE, .trust = trust, .cert = cert,
		.dial = DIAL_UNKNOWN };
	struct check_result ret;
	struct board *b = board_new(fleet);
	struct reading r;

	file_text = content;
	see(&r);
	board_feed(b, &r);
	memset(&ret, 0, sizeof(ret));
	check_judge(&c, fleet, b, NULL, 1, &ret);
	(void)snprintf(why, WHY_MAX, "%s", ret.why);
	board_free(b);
	return ret.judgement;
}

static void
a_file_says_which_of_them_it_holds(void **state)
{
	int internal = fleet_cert(fleet, "internal"), next = fleet_cert(fleet, "next");
	struct reading r;

	(void)state;
	file_text = "-----BEGIN\nold\n-----END\n-----BEGIN\nnew\n-----END\n";
	see(&r);
	assert_int_equal(trust_seen(&r, "web -> pg")->value, both());
	assert_string_equal(trust_seen(&r, "web -> pg")->detail, "/ca.crt holds the CA of internal and next");
	assert_int_equal(trust_seen(&r, "web -> cache")->value, both());
	reading_release(&r);
	file_text = "-----BEGIN\nnew\n-----END\n";
	see(&r);
	assert_int_equal(trust_seen(&r, "web -> pg")->value, next);
	reading_release(&r);
	file_text = "-----BEGIN\nold\n-----END\n-----BEGIN\nother\n-----END\n";
	see(&r);
	assert_int_equal(trust_seen(&r, "web -> pg")->value, internal);
	assert_false(trust_seen(&r, "web -> pg")->odd);
	reading_release(&r);
	/* A CA that the link has nothing to do with is no CA of it. */
	file_text = "-----BEGIN\nother\n-----END\n";
	see(&r);
	assert_int_equal(trust_seen(&r, "web -> pg")->value, NONE);
	assert_true(trust_seen(&r, "web -> pg")->odd);
	reading_release(&r);
}

/* Two servers' certificates under one CA, and a link bound to each. */
static const char one_ca_text[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, web: { ssh: web } }\n"
    "units: { pg: { host: db, kind: reload, run: r, restarts: [] }, web: { host: web, run: w, restarts: [web] } }\n"
    "certs:\n"
    "  internal: { serves: [pg], dir: /tls }\n"
    "  side: { ca: internal, serves: [cache], dir: /side }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: pg, listen: { both: 5432 }, names: [db.internal] }\n"
    "  cache: { kind: redis, unit: pg, listen: { plain: 6379, tls: 6380 }, names: [db.internal] }\n"
    "clients:\n"
    "  web: { unit: web, links: {\n"
    "    pg: { match: { user: web }, dial: { file: /env, set: { MODE: \"$(dial)\" } }, trust: { ca: side, file: /ca.crt } },\n"
    "    cache: { match: { host: web }, dial: { file: /env, set: { CACHE: \"$(dial)\" } }, trust: { ca: internal, file: /ca.crt } } } }\n";

static int
set_up_one_ca(void **state)
{
	(void)state;
	return fleet_of(one_ca_text);
}

static void
one_ca_is_one_whichever_of_its_certificates_is_named(void **state)
{
	int internal = fleet_cert(fleet, "internal"), side = fleet_cert(fleet, "side"), link;
	struct posture seen;
	struct reading r;

	(void)state;
	says("belay: plan/1\nname: p\nfrom: { accept: tls, dial: verify-full, certs: [internal, side] }\n"
	    "steps: [{ id: again, trust: { web -> pg: side, web -> cache: side } }]\n", "");
	assert_int_equal(plan->steps[0].moves[0].value, internal);
	file_text = "-----BEGIN\nold\n-----END\n";
	see(&r);
	posture_init(&seen, fleet);
	for (link = 0; link < 2; link++) {
		assert_true(link_may_trust(fleet, &fleet->links[link], internal) && link_may_trust(fleet, &fleet->links[link], side));
		assert_int_equal(certs_trust(fleet, NULL, link, side), TRUST_DECLARED);
		seen.trust[link] = trust_seen(&r, fleet->links[link].name)->value;
		/* One CA, and not two that are full. */
		assert_int_equal(seen.trust[link], internal);
		assert_int_equal(certs_trust(fleet, &seen, link, side), TRUST_SEEN);
		assert_int_equal(certs_trust(fleet, &seen, link, internal), TRUST_SEEN);
	}
	posture_release(&seen);
	reading_release(&r);
	/* Nothing of another CA is put in its place: nobody is asked. */
	read_plan("belay: plan/1\nname: p\nfrom: { accept: tls, dial: verify-full, certs: [internal, side] }\n"
	    "steps: [{ id: again, certs: { side: renew } }]\n");
	assert_int_equal(plan->steps[0].nrequires, 1);
}

/* Who gave the old CA up does not trust it any more, whatever the fleet began with. */
static void
what_was_read_counts_for_who_trusts_whom(void **state)
{
	int internal = fleet_cert(fleet, "internal"), next = fleet_cert(fleet, "next"), link = link_of("web -> pg");
	struct posture seen;

	(void)state;
	posture_init(&seen, fleet);
	assert_int_equal(certs_trust(fleet, &seen, link, internal), TRUST_DECLARED);
	seen.trust[link] = both();
	assert_int_equal(certs_trust(fleet, &seen, link, internal), TRUST_SEEN);
	assert_int_equal(certs_trust(fleet, &seen, link, next), TRUST_SEEN);
	seen.trust[link] = next;
	assert_int_equal(certs_trust(fleet, &seen, link, internal), TRUST_NOT);
	posture_release(&seen);
}

static void
a_guard_looks_into_the_file(void **state)
{
	int next = fleet_cert(fleet, "next");
	char why[WHY_MAX];

	(void)state;
	assert_int_equal(judged("-----BEGIN\nold\n-----END\n-----BEGIN\nnew\n-----END\n", next, next, why), CHECK_PASS);
	assert_int_equal(judged("-----BEGIN\nold\n-----END\n-----BEGIN\nnew\n-----END\n", both(), NONE, why), CHECK_PASS);
	assert_int_equal(judged("-----BEGIN\nold\n-----END\n", next, next, why), CHECK_FAIL);
	assert_string_equal(why, "web: /ca.crt holds the CA of internal, not that of 'next'");
	assert_int_equal(judged("-----BEGIN\nnew\n-----END\n", both(), NONE, why), CHECK_FAIL);
	assert_int_equal(judged("-----BEGIN\nother\n-----END\n", next, next, why), CHECK_FAIL);
	assert_int_equal(judged(NULL, next, next, why), CHECK_FAIL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trust_is_a_set_of_one_or_two, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_comes_after_a_certificate_has_its_places, set_up, tear_down),
		cmocka_unit_test_setup_teardown(four_phases_are_proven, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leaf_before_its_ca_is_refused_by_the_clients_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_old_ca_is_not_dropped_before_its_leaf_is, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_file_is_one_set_for_all_who_read_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_asked_at_each_phase, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bundle_holds_the_one_behind_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_ca_that_a_client_had_is_back_before_it_is_activated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_says_which_of_them_it_holds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_ca_is_one_whichever_of_its_certificates_is_named, set_up_one_ca, tear_down),
		cmocka_unit_test_setup_teardown(what_was_read_counts_for_who_trusts_whom, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guard_looks_into_the_file, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
