/*
 * What explain.h promises: from readings on a board to causes, and none where
 * nothing is wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/explain.h"
#include "core/mem.h"

#define NOW_S INT64_C(1800000000)

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  db: { address: 10.0.0.1, user: ops }\n"
    "  web-1: { address: 10.0.0.2, user: ops }\n"
    "units:\n"
    "  pg: { host: db, run: restart-pg, restarts: [postgres] }\n"
    "  pool: { host: db, run: restart-pool, restarts: [pool] }\n"
    "  web: { host: web-1, run: restart-web, restarts: [web] }\n"
    "certs:\n"
    "  internal: { serves: [postgres, pool], dir: /etc/tls }\n"
    "endpoints:\n"
    "  postgres:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept: { file: /srv/.env, plain: { unset: [TLS] }, both: { set: { TLS: on } }, tls: { set: { TLS: only } } }\n"
    "  pool:\n"
    "    kind: pgbouncer\n"
    "    unit: pool\n"
    "    listen: { both: 6432 }\n"
    "    names: [pool.internal]\n"
    "    accept: { file: /srv/.env, plain: { unset: [POOL] }, both: { set: { POOL: on } } }\n"
    "clients:\n"
    "  pool:\n"
    "    unit: pool\n"
    "    links:\n"
    "      postgres:\n"
    "        match: { host: db }\n"
    "        dial: { file: /srv/.env, set: { LEG: \"$(dial)\" } }\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pool:\n"
    "        match: { host: web-1 }\n"
    "        dial: { file: /srv/.env, set: { SSLMODE: \"$(dial)\" } }\n";

static struct fleet *f;
static struct board *b;

static int
setup(void **state)
{
	struct err err = { "" };

	(void)state;
	if (fleet_parse(&f, "fleet.yaml", fleet_text, sizeof(fleet_text) - 1, &err) != 0)
		fail_msg("%s", err.msg);
	b = board_new(f);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	board_free(b);
	fleet_free(f);
	return 0;
}

static void
served(const char *endpoint, enum leg plain, enum leg tls, enum verified chain, enum verified name, int64_t days_left)
{
	struct reading r = { .kind = READING_SERVED, .subject = fleet_endpoint(f, endpoint), .at_ms = NOW_S * 1000,
	    .outcome = SAW };

	r.served.plain = plain;
	r.served.tls = tls;
	if (tls == LEG_OPEN) {
		r.served.protocol = mem_strdup("TLSv1.3");
		r.served.chain = chain;
		r.served.nnames = 1;
		r.served.name[0] = name;
		r.served.cert.names[0] = mem_strdup("DNS:other.internal");
		r.served.cert.nnames = 1;
		r.served.cert.not_before_s = NOW_S - 100 * 86400;
		r.served.cert.not_after_s = NOW_S + days_left * 86400;
	}
	board_feed(b, &r);
}

static void
written(const char *host, enum facet facet, int subject, int value)
{
	struct reading r = { .kind = READING_HOST, .subject = fleet_host(f, host), .at_ms = NOW_S * 1000, .outcome = SAW };

	r.facets = mem_array(1, sizeof(*r.facets));
	r.nfacets = 1;
	r.facets[0] = (struct facet_seen){ .facet = (int)facet, .subject = subject, .value = value };
	if (facet == FACET_DIAL && strcmp(host, "web-1") == 0) {
		r.strings = mem_array(1, sizeof(*r.strings));
		r.nstrings = 1;
		r.strings[0] = (struct string_seen){ subject, 3, true, mem_strdup("/srv/.env"), mem_strdup("URL"),
		    mem_strdup("dialect"), mem_strdup("'sslmode' is not a word of it") };
	}
	board_feed(b, &r);
}

static void
check(const char *name, const char *want)
{
	struct explanations all;
	struct buf out = { 0 };
	struct err err = { "" };
	size_t i;

	assert_int_equal(explain_board(&all, f, b, NOW_S * 1000, name, &err), 0);
	for (i = 0; i < all.n; i++)
		(void)buf_printf(&out, "%s: %s%s%s%s\n", explained_of(f, &all.v[i]), all.v[i].sure ? "" : "?",
		    all.v[i].cause == NO_CAUSE ? "" : cause_row((enum cause)all.v[i].cause)->name,
		    all.v[i].because == NULL ? "" : " ", all.v[i].because == NULL ? "" : all.v[i].because);
	assert_string_equal(buf_str(&out), want);
	explanations_release(&all);
	buf_release(&out);
}

static void
where_nothing_is_wrong_nothing_is_said(void **state)
{
	(void)state;
	check(NULL, "");
	served("postgres", LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED, 0);
	check(NULL, "");
	written("db", FACET_DIAL, 0, DIAL_DISABLE);
	served("postgres", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, 80);
	served("pool", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, 80);
	check(NULL, "");
}

static void
what_is_configured_and_not_served_is_told(void **state)
{
	(void)state;
	written("db", FACET_ACCEPT, 0, ACCEPT_BOTH);
	served("postgres", LEG_OPEN, LEG_REFUSED, VERIFIED_NOT_TRIED, VERIFIED_NOT_TRIED, 0);
	check(NULL, "postgres: tls-not-loaded configured both, served plaintext only\n");
}

static void
a_certificate_is_a_links_trouble_as_far_as_it_verifies(void **state)
{
	static const char *const name = "postgres: name the certificate is for DNS:other.internal; dialled is db.internal\n";
	static const char *const leg = "pool -> postgres: name the certificate is for DNS:other.internal; dialled is db.internal\n";
	char *both = mem_printf("%s%s", name, leg), *all = mem_printf("%sweb -> pool: pooler-leg pool -> postgres: name, the "
	    "certificate is for DNS:other.internal; dialled is db.internal\n", both);

	(void)state;
	served("postgres", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_BAD, 80);
	written("db", FACET_DIAL, 0, DIAL_REQUIRE);
	check(NULL, name);
	written("db", FACET_DIAL, 0, DIAL_VERIFY_CA);
	check(NULL, name);
	written("db", FACET_DIAL, 0, DIAL_VERIFY_FULL);
	check(NULL, all);
	check("postgres", both);
	check("pool -> postgres", leg);
	check("web", all + strlen(both));
	free(both);
	free(all);
}

static void
a_poolers_clients_are_told_of_its_own_link(void **state)
{
	(void)state;
	served("postgres", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, -1);
	served("pool", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, 80);
	written("db", FACET_DIAL, 0, DIAL_VERIFY_CA);
	check(NULL, "postgres: expired the certificate served is past its end\n"
	    "pool -> postgres: expired the certificate served is past its end\n"
	    "web -> pool: pooler-leg pool -> postgres: expired, the certificate served is past its end\n");
}

static void
a_string_in_another_drivers_words_is_told_with_its_place(void **state)
{
	(void)state;
	written("web-1", FACET_DIAL, 1, DIAL_REQUIRE);
	check("web", "web -> pool: driver-word /srv/.env:3: URL: 'sslmode' is not a word of it\n");
	check("web-1", "web -> pool: driver-word /srv/.env:3: URL: 'sslmode' is not a word of it\n");
	check("db", "");
}

static void
words_of(const struct explanations *all, const char *want)
{
	struct buf out = { 0 };
	size_t i;

	for (i = 0; i < all->n; i++)
		(void)buf_printf(&out, "%s: %s%s; ", explained_of(f, &all->v[i]), all->v[i].sure ? "" : "?",
		    cause_row((enum cause)all->v[i].cause)->name);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
what_is_asked_about_is_told_first_and_each_cause_once(void **state)
{
	struct explanations all;

	(void)state;
	served("postgres", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_BAD, 80);
	served("pool", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, 80);
	written("db", FACET_DIAL, 0, DIAL_VERIFY_FULL);
	/* Its certificate's name is the pooler's link's trouble and the endpoint's: one. */
	explain_about(&all, f, b, NOW_S * 1000, NONE, NONE, 0);
	words_of(&all, "pool -> postgres: name; ");
	assert_non_null(strstr(all.v[0].rests, "handshakes 0 s ago"));
	explanations_release(&all);
	/* Of a pooler's client: what it comes to, then why. */
	explain_about(&all, f, b, NOW_S * 1000, NONE, NONE, 1);
	words_of(&all, "web -> pool: pooler-leg; pool -> postgres: name; ");
	explanations_release(&all);
	explain_about(&all, f, b, NOW_S * 1000, NONE, fleet_endpoint(f, "postgres"), NONE);
	words_of(&all, "postgres: name; pool -> postgres: name; ");
	explanations_release(&all);
	explain_about(&all, f, b, NOW_S * 1000, NONE, fleet_endpoint(f, "pool"), NONE);
	words_of(&all, "pool -> postgres: name; web -> pool: pooler-leg; ");
	explanations_release(&all);
	explain_about(&all, f, b, NOW_S * 1000, fleet_host(f, "web-1"), NONE, NONE);
	words_of(&all, "web -> pool: pooler-leg; ");
	explanations_release(&all);
}

static void
words_are_judged_with_what_is_seen(void **state)
{
	struct explanations all;

	(void)state;
	served("postgres", LEG_OPEN, LEG_OPEN, VERIFIED_OK, VERIFIED_OK, -1);
	written("db", FACET_DIAL, 0, DIAL_VERIFY_FULL);
	explain_said(&all, f, b, NOW_S * 1000, NONE, 0, SAID_BY_CLIENT, "SSL error: certificate verify failed");
	words_of(&all, "pool -> postgres: expired; ");
	explanations_release(&all);
	explain_said(&all, f, b, NOW_S * 1000, fleet_endpoint(f, "postgres"), NONE, SAID_BY_SERVER,
	    "private key file \"/tls/key\" has group or world access");
	words_of(&all, "postgres: key-permissions; ");
	explanations_release(&all);
	explain_said(&all, f, b, NOW_S * 1000, NONE, NONE, SAID_BY_CLIENT, "it is a nice day");
	words_of(&all, "");
	explanations_release(&all);
}

static void
a_name_that_is_none_is_refused(void **state)
{
	struct explanations all;
	struct err err;

	(void)state;
	assert_int_equal(explain_board(&all, f, b, 0, "nobody", &err), -1);
	assert_string_equal(err.msg, "there is no host, endpoint, client or link 'nobody' in 'fleet.yaml'");
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(where_nothing_is_wrong_nothing_is_said),
		TEST(what_is_configured_and_not_served_is_told),
		TEST(a_certificate_is_a_links_trouble_as_far_as_it_verifies),
		TEST(a_poolers_clients_are_told_of_its_own_link),
		TEST(a_string_in_another_drivers_words_is_told_with_its_place),
		TEST(what_is_asked_about_is_told_first_and_each_cause_once),
		TEST(words_are_judged_with_what_is_seen),
		TEST(a_name_that_is_none_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
