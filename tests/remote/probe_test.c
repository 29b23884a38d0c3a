/*
 * What probe.h promises, on real Postgres, PgBouncer and Redis.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "probe_fixture.h"

static struct servers sv;
static struct bench bench;

#define HBA_BOTH	"host all all 127.0.0.1/32 scram-sha-256"
#define HBA_TLS		"hostssl all all 127.0.0.1/32 scram-sha-256"

static const char *
leg_word(enum leg leg)
{
	static const char *const words[] = { "unknown", "open", "refused", "closed", "silent" };

	return words[leg];
}

static const char *
verified_word(enum verified v)
{
	static const char *const words[] = { "not tried", "ok", "bad" };

	return words[v];
}

static const char *
outcome_word(enum outcome o)
{
	static const char *const words[] = { "saw", "part", "not" };

	return words[o];
}

/* One line: "saw: plain open, tls open, chain ok, names ok ok". */
static const char *
served_line(const struct reading *r)
{
	static char line[2048];
	struct buf b = { 0 };
	size_t i;

	buf_printf(&b, "%s: plain %s, tls %s, chain %s, names", outcome_word(r->outcome),
	    leg_word(r->served.plain), leg_word(r->served.tls), verified_word(r->served.chain));
	for (i = 0; i < r->served.nnames; i++)
		buf_printf(&b, " %s", verified_word(r->served.name[i]));
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_release(&b);
	return line;
}

static void
expect_served(int endpoint, const char *line)
{
	struct reading r = bench_look(&bench, READING_SERVED, endpoint, 10000);

	if (strcmp(served_line(&r), line) != 0)
		fail_msg("'%s'\n  but expected '%s'\n  (%s; plain: %s; tls: %s; chain: %s)", served_line(&r),
		    line, r.why, r.served.plain_why, r.served.tls_why, r.served.chain_why);
	reading_release(&r);
}

/* --- Postgres ------------------------------------------------------------ */

static void
postgres_without_tls_is_seen_as_plain(void **state)
{
	(void)state;
	servers_postgres(&sv, NULL, HBA_BOTH, "");
	expect_served(EP_POSTGRES, "saw: plain open, tls refused, chain not tried, names");
}

static void
postgres_with_tls_is_verified_by_chain_and_every_name(void **state)
{
	struct reading r;
	char *sha;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(served_line(&r), "saw: plain open, tls open, chain ok, names ok ok");
	assert_string_equal(r.served.protocol, "TLSv1.3");
	assert_string_equal(r.served.cipher, "TLS_AES_256_GCM_SHA384");
	assert_string_equal(r.served.cert.subject, "CN=db.internal");
	assert_string_equal(r.served.cert.issuer, "CN=belay test CA");
	assert_string_equal(r.served.cert.key, "ECDSA P-256");
	assert_int_equal(r.served.cert.nnames, 2);
	assert_string_equal(r.served.cert.names[0], "DNS:db.internal");
	assert_string_equal(r.served.cert.names[1], "IP:127.0.0.1");
	assert_true(r.served.cert.not_before_s == INT64_C(1577836800));
	assert_true(r.served.cert.not_after_s == INT64_C(2366841600));
	assert_false(r.served.cert.self_signed);
	assert_false(r.served.client_cert_asked);
	servers_run("openssl x509 -in %s/good.crt -outform der | sha256sum | cut -c1-64 | tr -d '\\n' >%s/sha", sv.dir,
	    sv.dir);
	sha = servers_read(&sv, "sha");
	assert_string_equal(r.served.cert.sha256, sha);
	free(sha);
	assert_true(r.took_ms >= 0 && r.at_ms > INT64_C(1600000000000));
	reading_release(&r);
}

/* Every bad certificate: what is said of the chain, and of db.internal and 127.0.0.1. */
static const struct {
	const char *cert, *said;
} bad[] = {
	{ "good",	"chain ok, names ok ok" },
	{ "rsa",	"chain ok, names ok ok" },
	{ "expired",	"chain bad, names ok ok" },
	{ "future",	"chain bad, names ok ok" },
	{ "wrongname",	"chain ok, names bad bad" },
	{ "cnonly",	"chain ok, names bad bad" },
	{ "wildcard",	"chain ok, names bad bad" },
	{ "ipasdns",	"chain ok, names bad bad" },
	{ "clientonly",	"chain bad, names ok ok" },
	{ "stranger",	"chain bad, names ok ok" },
	{ "selfsigned",	"chain bad, names ok ok" },
	{ "deep",	"chain bad, names ok ok" },
};

static void
postgres_never_passes_a_bad_certificate(void **state)
{
	char line[200];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		print_message("  %s\n", bad[i].cert);
		servers_postgres(&sv, bad[i].cert, HBA_BOTH, "");
		(void)snprintf(line, sizeof(line), "saw: plain open, tls open, %s", bad[i].said);
		expect_served(EP_POSTGRES, line);
	}
	/* Without a CA, or with another one, the good certificate proves nothing. */
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_ca(&bench, &sv, NULL);
	expect_served(EP_POSTGRES, "saw: plain open, tls open, chain not tried, names ok ok");
	bench_ca(&bench, &sv, "otherca");
	expect_served(EP_POSTGRES, "saw: plain open, tls open, chain bad, names ok ok");
	bench_ca(&bench, &sv, "ca");
	expect_served(EP_POSTGRES, "saw: plain open, tls open, chain ok, names ok ok");
}

static void
postgres_that_demands_tls_refuses_plaintext(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", HBA_TLS, "");
	expect_served(EP_POSTGRES, "saw: plain refused, tls open, chain ok, names ok ok");
}

static void
refusal_of_the_role_is_not_refusal_of_plaintext(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", "host all app 127.0.0.1/32 scram-sha-256", "");
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(served_line(&r), "part: plain unknown, tls open, chain ok, names ok ok");
	assert_non_null(strstr(r.why, "says nothing about plaintext"));
	reading_release(&r);
}

static void
postgres_asking_for_client_certificates_is_noticed(void **state)
{
	struct reading r;
	char more[300];

	(void)state;
	(void)snprintf(more, sizeof(more), "ssl_ca_file = '%s/ca.crt'", sv.dir);
	servers_postgres(&sv, "good", HBA_BOTH, more);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_true(r.served.client_cert_asked);
	assert_int_equal(r.served.tls, LEG_OPEN);
	reading_release(&r);
}

static void
nothing_listening_is_not_plaintext_refused(void **state)
{
	struct reading r;

	(void)state;
	servers_stop(&sv, &sv.postgres);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(served_line(&r), "not: plain unknown, tls unknown, chain not tried, names");
	assert_non_null(strstr(r.why, "refused"));
	reading_release(&r);
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "refused"));
	reading_release(&r);
}

static void
stopped_postgres_is_silent_within_the_deadline(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	(void)kill(sv.postgres, SIGSTOP);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 300);
	assert_string_equal(served_line(&r), "not: plain silent, tls silent, chain not tried, names");
	assert_true(r.took_ms >= 300 && r.took_ms < 1300);
	reading_release(&r);
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 300);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_true(r.took_ms >= 300 && r.took_ms < 1300);
	reading_release(&r);
	(void)kill(sv.postgres, SIGCONT);
	expect_served(EP_POSTGRES, "saw: plain open, tls open, chain ok, names ok ok");
}

static PGconn *
client(int port, const char *user, const char *sslmode, const char *application)
{
	char *info = mem_printf("host=127.0.0.1 port=%d user=%s password=pw dbname=postgres sslmode=%s "
	    "application_name=%s gssencmode=disable", port, user, sslmode, application);
	PGconn *c = PQconnectdb(info);

	free(info);
	if (PQstatus(c) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(c));
	return c;
}

/* "saw over tls, verified: 0: 2 tls 1 plain; …; undeclared 0 tls 1 plain". */
static const char *
census_line(const struct reading *r)
{
	static char line[2048];
	struct buf b = { 0 };
	size_t i;

	buf_printf(&b, "%s over %s:", outcome_word(r->outcome), r->over == NULL ? "nothing" : r->over);
	for (i = 0; i < r->census.nlinks; i++)
		buf_printf(&b, " link %d %u tls %u plain;", r->census.links[i].link,
		    (unsigned)r->census.links[i].tls, (unsigned)r->census.links[i].plain);
	buf_printf(&b, " undeclared %u tls %u plain", (unsigned)r->census.undeclared_tls,
	    (unsigned)r->census.undeclared_plain);
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_release(&b);
	return line;
}

static void
expect_census(int endpoint, const char *line)
{
	struct reading r = bench_look(&bench, READING_CENSUS, endpoint, 10000);

	if (strcmp(census_line(&r), line) != 0)
		fail_msg("'%s'\n  but expected '%s'\n  (%s)", census_line(&r), line, r.why);
	reading_release(&r);
}

static void
census_without_privilege_is_inconclusive(void **state)
{
	struct reading r;
	PGconn *c;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	servers_sql(&sv, "REVOKE pg_monitor FROM belay_probe");
	c = client(sv.postgres_port, "app", "disable", "x");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_PART);
	assert_non_null(strstr(r.why, "GRANT pg_monitor TO \"belay_probe\""));
	reading_release(&r);
	PQfinish(c);
	/* The same held session sees, once it may. */
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW);
	reading_release(&r);
}

static void
census_counts_what_the_server_sees(void **state)
{
	struct reading r;
	PGconn *c[5];
	size_t i;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	c[0] = client(sv.postgres_port, "app", "require", "x");
	c[1] = client(sv.postgres_port, "app", "require", "belay");	/* not ours: another role */
	c[2] = client(sv.postgres_port, "app", "disable", "odd\\'\x01\xc3name");
	c[3] = client(sv.postgres_port, "other", "disable", "x");
	servers_sql(&sv, "CREATE ROLE nobody LOGIN PASSWORD 'pw'");
	c[4] = client(sv.postgres_port, "nobody", "disable", "x");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_string_equal(census_line(&r), "saw over tls, verified: link 0 2 tls 1 plain; link 1 0 tls 1 plain; undeclared 0 tls 1 plain");
	assert_int_equal(r.census.total, 5);
	assert_int_equal(r.census.nstragglers, 3);
	for (i = 0; i < r.census.nstragglers; i++) {
		assert_string_equal(r.census.stragglers[i].address, "127.0.0.1");
		assert_string_equal(r.census.stragglers[i].database, "postgres");
		assert_true(r.census.stragglers[i].age_s >= 0 && r.census.stragglers[i].age_s < 60);
	}
	reading_release(&r);
	for (i = 0; i < 5; i++)
		PQfinish(c[i]);
	servers_sql(&sv, "DROP ROLE nobody");
}

static void
warm_census_keeps_its_session_and_a_restart_does_not_matter(void **state)
{
	static const char pid_sql[] = "SELECT pid FROM pg_stat_activity WHERE usename = 'belay_probe'";
	char *before, *after;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	before = servers_ask(&sv, pid_sql);
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	after = servers_ask(&sv, pid_sql);
	assert_true(strlen(before) > 1);
	assert_string_equal(before, after);
	free(before);
	free(after);
	/* Terminated behind our back: the next question opens another. */
	servers_sql(&sv, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'belay_probe'");
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	/* Restarted as another server: what was known of its TLS is not believed. */
	servers_postgres(&sv, NULL, HBA_BOTH, "");
	expect_census(EP_POSTGRES, "saw over plaintext: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	servers_postgres(&sv, "stranger", HBA_TLS, "");
	expect_census(EP_POSTGRES, "saw over tls, not verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
wrong_password_is_told_and_the_right_one_works_later(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench.password = "wrong";
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "password authentication failed"));
	assert_null(strstr(r.why, "wrong"));
	reading_release(&r);
	bench.password = NULL;
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "not given yet"));
	reading_release(&r);
	bench.password = "probe pw";
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
inherited_habits_do_not_reach_libpq(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	(void)setenv("PGSSLMODE", "disable", 1);
	(void)setenv("PGUSER", "nobody", 1);
	(void)setenv("PGSERVICE", "none", 1);
	(void)setenv("PGOPTIONS", "-c nonsense=1", 1);
	(void)setenv("PGREQUIREPEER", "nobody", 1);
	expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	assert_null(getenv("PGSERVICE"));
}

static const char *
setting(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.n; i++)
		if (strcmp(r->settings.v[i].key, name) == 0)
			return r->settings.v[i].value;
	return "(none)";
}

static void
postgres_settings_are_read_with_their_source(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "ssl_min_protocol_version = 'TLSv1.3'");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	if (r.outcome != SAW)
		fail_msg("%s", r.why);
	assert_string_equal(setting(&r, "ssl"), "on");
	assert_string_equal(setting(&r, "ssl@source"), "configuration file");
	assert_string_equal(setting(&r, "ssl_min_protocol_version"), "TLSv1.3");
	assert_non_null(strstr(setting(&r, "pg_hba@unseen"), "permission denied"));
	reading_release(&r);
	servers_sql(&sv, "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO belay_probe");
	servers_sql(&sv, "GRANT SELECT ON pg_hba_file_rules TO belay_probe");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW);
	assert_string_equal(setting(&r, "pg_hba:2"), "host {all} {all} 127.0.0.1 255.255.255.255 scram-sha-256");
	reading_release(&r);
}

static int
group_up(void **state)
{
	(void)state;
	servers_up(&sv);
	/* Starts once, so that ports and roles are there. */
	servers_postgres(&sv, "good", HBA_BOTH, "");
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	sv.pgbouncer_port = servers_free_port();
	sv.redis_port = servers_free_port();
	sv.redis_tls_port = servers_free_port();
	return 0;
}

static int
group_down(void **state)
{
	(void)state;
	servers_down(&sv);
	return 0;
}

static int
up(void **state)
{
	(void)state;
	bench_up(&bench, &sv);
	return 0;
}

static int
down(void **state)
{
	(void)state;
	bench_down(&bench);
	return 0;
}

#define CASE(name)	cmocka_unit_test_setup_teardown(name, up, down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(postgres_without_tls_is_seen_as_plain),
		CASE(postgres_with_tls_is_verified_by_chain_and_every_name),
		CASE(postgres_never_passes_a_bad_certificate),
		CASE(postgres_that_demands_tls_refuses_plaintext),
		CASE(refusal_of_the_role_is_not_refusal_of_plaintext),
		CASE(postgres_asking_for_client_certificates_is_noticed),
		CASE(nothing_listening_is_not_plaintext_refused),
		CASE(stopped_postgres_is_silent_within_the_deadline),
		CASE(census_without_privilege_is_inconclusive),
		CASE(census_counts_what_the_server_sees),
		CASE(warm_census_keeps_its_session_and_a_restart_does_not_matter),
		CASE(wrong_password_is_told_and_the_right_one_works_later),
		CASE(inherited_habits_do_not_reach_libpq),
		CASE(postgres_settings_are_read_with_their_source),
	};

	return cmocka_run_group_tests_name("probes", tests, group_up, group_down);
}
