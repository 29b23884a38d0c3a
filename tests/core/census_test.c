/*
 * What census.h promises: whose session is it?
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
#include "core/census.h"
#include "core/logins.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/*
 * A small fleet, drawn by hand: pgbouncer on `db`, dialled by web (its host),
 * api (its host and a user), batch (a range), report (a range within it),
 * a client of the endpoint's own host, and plain, which declares no match.
 */
enum { DB, WEB, API, PLAIN_HOST };
enum { L_WEB, L_API, L_BATCH, L_REPORT, L_LOCAL, L_PLAIN, L_ELSEWHERE };

static char *web_addresses[] = { "10.0.0.2", "fd00::2" };
static char *api_addresses[] = { "10.0.0.3" };
static char *batch_range[] = { "10.1.0.0/16" };
static char *report_range[] = { "10.1.2.0/24", "10.9.9.9" };
static char *api_user[] = { "api" };
static char *local_database[] = { "queue" };
static int on_web[] = { WEB }, on_api[] = { API }, on_db[] = { DB };

static struct host hosts[] = {
	{ .name = "db" }, { .name = "web-1" }, { .name = "api-1" },
	{ .name = "plain-1", .address = "10.0.0.4" },
};
static struct endpoint endpoints[] = {
	{ .name = "pgbouncer", .kind = KIND_PGBOUNCER, .host = DB },
	{ .name = "other", .kind = KIND_POSTGRES, .host = DB },
};
static struct client clients[] = {
	{ .name = "web", .host = WEB }, { .name = "api", .host = API }, { .name = "batch", .host = NONE },
	{ .name = "report", .host = NONE }, { .name = "local", .host = DB },
	{ .name = "plain", .host = PLAIN_HOST },
};
static struct link links[] = {
	[L_WEB] = { .client = 0, .match.hosts = { on_web, 1 } },
	[L_API] = { .client = 1, .match = { .hosts = { on_api, 1 }, .users = { api_user, 1 } } },
	[L_BATCH] = { .client = 2, .match.addresses = { batch_range, 1 } },
	[L_REPORT] = { .client = 3, .match.addresses = { report_range, 2 } },
	[L_LOCAL] = { .client = 4, .match = { .hosts = { on_db, 1 }, .databases = { local_database, 1 } } },
	[L_PLAIN] = { .client = 5 },
	[L_ELSEWHERE] = { .client = 0, .endpoint = 1, .match.hosts = { on_web, 1 } },
};
static struct fleet fleet = {
	.hosts = hosts, .nhosts = N(hosts), .endpoints = endpoints, .nendpoints = N(endpoints),
	.clients = clients, .nclients = N(clients), .links = links, .nlinks = N(links),
};
static struct strings learnt_v[] = {
	[DB] = { NULL, 0 }, [WEB] = { web_addresses, 2 }, [API] = { api_addresses, 1 },
	[PLAIN_HOST] = { NULL, 0 },
};
static const struct host_addresses learnt = { learnt_v, N(learnt_v) };

static int
link_of(const char *address, const char *user, const char *database)
{
	struct seen_session s = { address, user, database, NULL, false, -1, 0 };

	return census_link(&fleet, &learnt, 0, &s);
}

static void
address_is_in_a_range(void **state)
{
	static const struct { const char *address, *range; bool in; } t[] = {
		{ "10.0.0.1", "10.0.0.1", true },
		{ "10.0.0.1", "10.0.0.2", false },
		{ "10.1.2.3", "10.1.0.0/16", true },
		{ "10.2.2.3", "10.1.0.0/16", false },
		{ "172.31.255.255", "172.16.0.0/12", true },
		{ "172.32.0.0", "172.16.0.0/12", false },
		{ "1.2.3.4", "0.0.0.0/0", true },
		{ "::ffff:10.1.2.3", "10.1.0.0/16", true },
		{ "10.1.2.3", "::ffff:10.1.2.3", true },
		{ "10.1.2.3", "::ffff:10.1.0.0/112", true },
		{ "10.1.2.3", "::/0", false },
		{ "fd00::1", "::/0", true },
		{ "fd00::1", "fd00::/8", true },
		{ "fd00::1", "0.0.0.0/0", false },
		{ "fe80::1%eth0", "fe80::1", true },
		{ "FD00:0:0::1", "fd00::1", true },
		{ "10.0.0.1", "10.0.0.1/33", false },
		{ "10.0.0.1", "10.0.0.1/", false },
		{ "10.0.0.1", "10.0.0.1/-1", false },
		{ "10.0.0.1", "10.0.0.0/8x", false },
		{ "10.0.0.1", "db.internal", false },
		{ "10.0.0.1", "", false },
		{ "", "0.0.0.0/0", false },
		{ "/run/postgresql", "0.0.0.0/0", false },
		{ "10.0.0", "10.0.0.0/8", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < N(t); i++)
		if (address_in(t[i].address, t[i].range) != t[i].in)
			fail_msg("'%s' in '%s': expected %d", t[i].address, t[i].range, t[i].in);
}

static void
session_belongs_to_the_link_of_its_host(void **state)
{
	(void)state;
	assert_int_equal(link_of("10.0.0.2", "app", "x"), L_WEB);
	assert_int_equal(link_of("fd00::2", "app", "x"), L_WEB);
	assert_int_equal(link_of("::ffff:10.0.0.2", "app", "x"), L_WEB);
}

static void
everything_declared_must_match(void **state)
{
	(void)state;
	assert_int_equal(link_of("10.0.0.3", "api", "x"), L_API);
	assert_int_equal(link_of("10.0.0.3", "root", "x"), NONE);
	assert_int_equal(link_of("10.0.0.3", NULL, "x"), NONE);
	assert_int_equal(link_of("10.0.0.2", "api", "x"), L_WEB);
}

static void
most_specific_match_wins(void **state)
{
	(void)state;
	assert_int_equal(link_of("10.1.2.3", "x", "x"), L_REPORT);
	assert_int_equal(link_of("10.1.3.3", "x", "x"), L_BATCH);
	assert_int_equal(link_of("10.9.9.9", "x", "x"), L_REPORT);
}

static void
loopback_is_the_endpoints_own_host(void **state)
{
	(void)state;
	assert_int_equal(link_of("127.0.0.1", "x", "queue"), L_LOCAL);
	assert_int_equal(link_of("::1", "x", "queue"), L_LOCAL);
	assert_int_equal(link_of("127.0.0.1", "x", "other"), NONE);
}

static void
link_without_a_match_is_its_clients_host(void **state)
{
	(void)state;
	assert_int_equal(link_of("10.0.0.4", "x", "x"), L_PLAIN);
}

static void
nobody_is_given_a_strangers_session(void **state)
{
	(void)state;
	assert_int_equal(link_of("192.0.2.1", "api", "queue"), NONE);
	assert_int_equal(link_of("", "api", "queue"), NONE);
	assert_int_equal(link_of(NULL, "api", "queue"), NONE);
	assert_int_equal(link_of("nonsense", "api", "queue"), NONE);
}

static void
hosts_without_learnt_addresses_match_nothing(void **state)
{
	struct seen_session s = { "10.0.0.2", "app", "x", NULL, true, 1, 0 };
	struct host_addresses none = { NULL, 0 };

	(void)state;
	assert_int_equal(census_link(&fleet, &none, 0, &s), NONE);
	assert_int_equal(census_link(&fleet, NULL, 0, &s), NONE);
}

static void
add(struct census *c, const char *address, bool tls)
{
	struct seen_session s = { address, "u", "d", "a", tls, 5, 0 };

	census_add(c, &fleet, &learnt, 0, &s);
}

static void
census_counts_by_link_and_names_who_is_left(void **state)
{
	struct census c;
	struct buf b = { 0 };
	size_t i;

	(void)state;
	census_begin(&c, &fleet, 0);
	add(&c, "10.0.0.2", true);
	add(&c, "10.0.0.2", false);
	add(&c, "10.1.2.3", true);
	add(&c, "192.0.2.1", true);
	add(&c, "192.0.2.2", false);
	add(&c, "", false);		/* a Unix socket is nobody's */
	add(&c, NULL, false);
	for (i = 0; i < c.nlinks; i++)
		buf_printf(&b, "link %d: %u tls, %u plain\n", c.links[i].link,
		    (unsigned)c.links[i].tls, (unsigned)c.links[i].plain);
	buf_printf(&b, "undeclared: %u tls, %u plain; %u in all\n", (unsigned)c.undeclared_tls,
	    (unsigned)c.undeclared_plain, (unsigned)c.total);
	for (i = 0; i < c.nstragglers; i++)
		buf_printf(&b, "%d %s %s %s@%s/%s %d s\n", c.stragglers[i].link,
		    c.stragglers[i].tls ? "tls" : "plain", c.stragglers[i].address,
		    c.stragglers[i].user, c.stragglers[i].database, c.stragglers[i].application,
		    (int)c.stragglers[i].age_s);
	assert_string_equal(buf_str(&b),
	    "link 0: 1 tls, 1 plain\n"
	    "link 1: 0 tls, 0 plain\n"
	    "link 2: 0 tls, 0 plain\n"
	    "link 3: 1 tls, 0 plain\n"
	    "link 4: 0 tls, 0 plain\n"
	    "link 5: 0 tls, 0 plain\n"
	    "undeclared: 1 tls, 1 plain; 5 in all\n"
	    "0 plain 10.0.0.2 u@d/a 5 s\n"
	    "-1 tls 192.0.2.1 u@d/a 5 s\n"
	    "-1 plain 192.0.2.2 u@d/a 5 s\n");
	buf_release(&b);
	census_release(&c);
}

static void
a_crowd_on_tls_does_not_hide_one_on_plaintext(void **state)
{
	struct census c;
	size_t i, plain = 0;

	(void)state;
	census_begin(&c, &fleet, 0);
	for (i = 0; i < 1000; i++)
		add(&c, "192.0.2.1", true);
	add(&c, "10.0.0.2", false);
	assert_int_equal(c.nstragglers, READING_STRAGGLERS_MAX);
	for (i = 0; i < c.nstragglers; i++)
		plain += !c.stragglers[i].tls;
	assert_int_equal(plain, 1);
	for (i = 0; i < 1000; i++)
		add(&c, "10.0.0.2", false);
	assert_int_equal(c.nstragglers, READING_STRAGGLERS_MAX);
	assert_int_equal(c.links[L_WEB].plain, 1001);
	assert_int_equal(c.total, 2001);
	census_release(&c);
}

static void
login(struct login_book *b, const char *address, bool tls, bool refused, int64_t at_ms)
{
	const struct login l = { tls, refused, address, "app", "shop", NULL, at_ms };

	login_book_add(b, &l);
}

static void
logins_are_counted_by_link_with_their_times(void **state)
{
	struct login_book *b = login_book_new();
	const struct login_count *web;
	struct logins ret = { .seen = LOGINS_SINCE };
	size_t i;

	(void)state;
	for (i = 0; i < 40; i++)
		login(b, "10.0.0.2", false, false, 1000 + (int64_t)i);
	login(b, "10.0.0.2", true, false, 5000);
	login(b, "10.0.0.2", true, false, 6000);
	login(b, "10.0.0.2", false, true, 7000);
	login(b, "203.0.113.1", false, false, 8000);
	login(b, "203.0.113.2", true, false, 9000);
	assert_true(login_book_tell(b, &fleet, &learnt, 0, &ret));
	web = logins_of(&ret, L_WEB);
	assert_non_null(web);
	assert_int_equal(web->plain, 40);
	assert_int_equal(web->plain_first_ms, 1000);
	assert_int_equal(web->plain_ms, 1039);
	assert_int_equal(web->tls, 2);
	assert_int_equal(web->tls_first_ms, 5000);
	assert_int_equal(web->tls_ms, 6000);
	assert_int_equal(web->refused, 1);
	assert_int_equal(web->refused_ms, 7000);
	assert_int_equal(web->still, 0);	/* the same person came on TLS later */
	assert_null(logins_of(&ret, L_API));
	assert_int_equal(ret.undeclared.plain, 1);
	assert_int_equal(ret.undeclared.still, 1);
	assert_int_equal(ret.undeclared.still_ms, 8000);
	assert_int_equal(ret.undeclared.tls, 1);
	assert_int_equal(ret.nwho, 4);	/* web on plaintext, web turned away, and two that nobody declared */
	assert_int_equal(ret.who[0].link, L_WEB);
	assert_int_equal(ret.who[0].count, 40);
	logins_release(&ret);
	login_book_free(b);
}

static void
a_crowd_of_logins_on_tls_does_not_hide_one_on_plaintext(void **state)
{
	struct login_book *b = login_book_new();
	struct logins ret = { .seen = LOGINS_SINCE };
	char address[32];
	size_t i, plain = 0;

	(void)state;
	login(b, "10.0.0.2", false, false, 1);
	for (i = 0; i < 3 * LOGIN_BOOK_MAX; i++) {
		(void)snprintf(address, sizeof(address), "192.0.%zu.%zu", i / 250, i % 250);
		login(b, address, true, false, 2 + (int64_t)i);
	}
	login(b, "192.0.2.7", false, false, 3);
	assert_false(login_book_tell(b, &fleet, &learnt, 0, &ret));	/* and that somebody is missing is said */
	assert_int_equal(ret.nwho, READING_WHO_MAX);
	for (i = 0; i < ret.nwho; i++)
		plain += !ret.who[i].tls;
	assert_int_equal(plain, 2);
	logins_release(&ret);
	login_book_free(b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_in_a_range),
		cmocka_unit_test(session_belongs_to_the_link_of_its_host),
		cmocka_unit_test(everything_declared_must_match),
		cmocka_unit_test(most_specific_match_wins),
		cmocka_unit_test(loopback_is_the_endpoints_own_host),
		cmocka_unit_test(link_without_a_match_is_its_clients_host),
		cmocka_unit_test(nobody_is_given_a_strangers_session),
		cmocka_unit_test(hosts_without_learnt_addresses_match_nothing),
		cmocka_unit_test(census_counts_by_link_and_names_who_is_left),
		cmocka_unit_test(a_crowd_on_tls_does_not_hide_one_on_plaintext),
		cmocka_unit_test(logins_are_counted_by_link_with_their_times),
		cmocka_unit_test(a_crowd_of_logins_on_tls_does_not_hide_one_on_plaintext),
	};

	return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
