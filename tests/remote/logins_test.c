/*
 * Who comes too shortly for any census: forty plaintext logins between two looks,
 * out of the logs of real servers, by each way of reading one; and forty of a
 * Redis, which has no log.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "core/logins.h"
#include "core/mem.h"
#include "probe_fixture.h"

#define LOGINS	40
#define LOGGED	"log_connections = on"

static PGconn *
client(int port, const char *user, const char *mode)
{
	char text[256];

	(void)snprintf(text, sizeof(text), "host=127.0.0.1 port=%d user=%s password=pw dbname=postgres sslmode=%s "
	    "gssencmode=disable connect_timeout=5 application_name=x", port, user, mode);
	return PQconnectdb(text);
}

/* A login that asks one thing and is gone. */
static void
short_login(int port, const char *user, const char *mode)
{
	PGconn *c = client(port, user, mode);

	assert_int_equal(PQstatus(c), CONNECTION_OK);
	PQclear(PQexec(c, "SELECT 1"));
	PQfinish(c);
}

/* Looks until the link's logins are what they should be, and holds them to it. */
static void
expect(int endpoint, int link, uint32_t plain, uint32_t tls)
{
	const struct login_count *row;
	struct reading r;
	time_t end = time(NULL) + 30;
	bool as_expected = false;
	char said[256] = "";

	while (!as_expected && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, endpoint, 10000);
		assert_int_equal(r.outcome, SAW);
		row = link == NONE ? &r.census.logins.undeclared : logins_of(&r.census.logins, link);
		as_expected = r.census.logins.seen == LOGINS_SINCE && row != NULL && row->plain == plain && row->tls == tls;
		(void)snprintf(said, sizeof(said), "seen %d, %s, %u plain, %u tls", r.census.logins.seen,
		    r.census.logins.why == NULL ? "-" : r.census.logins.why, row == NULL ? 0 : row->plain,
		    row == NULL ? 0 : row->tls);
		reading_release(&r);
	}
	if (!as_expected)
		fail_msg("%s: expected %u plain, %u tls", said, plain, tls);
}

/* The way of reading ends with the case; what the log says so far was before it. */
static void
log_by_file(int endpoint, const char *name)
{
	bench.endpoints[endpoint].log_host = 0;
	bench.endpoints[endpoint].log_file = mem_strdup(servers_path(&sv, name));
}

static void
log_by_command(int endpoint, char *command)
{
	bench.endpoints[endpoint].log_host = 0;
	bench.endpoints[endpoint].log_run = command;
}

static int
down(void **state)
{
	int i;

	for (i = 0; i < EP_COUNT; i++) {
		char *file = bench.endpoints[i].log_file, *run = bench.endpoints[i].log_run;

		bench.endpoints[i].log_file = bench.endpoints[i].log_run = NULL;
		free(file);
		free(run);
	}
	return bench_case_down(state);
}

static void
until_read(int endpoint)
{
	struct reading r;
	time_t end = time(NULL) + 30;
	bool read = false;

	while (!read && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, endpoint, 10000);
		read = r.census.logins.seen == LOGINS_SINCE;
		reading_release(&r);
	}
	assert_true(read);
}

static void
forty(int endpoint, int port, int link)
{
	int i;

	for (i = 0; i < LOGINS; i++)
		short_login(port, "app", "disable");
	short_login(port, "app", "require");
	short_login(port, "other", "disable");
	expect(endpoint, link, LOGINS, 1);
}

static void
postgres_by_a_command_that_follows(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, LOGGED);
	log_by_command(EP_POSTGRES, mem_printf("tail -n 0 -F %s", servers_path(&sv, "postgres.log")));
	until_read(EP_POSTGRES);
	forty(EP_POSTGRES, sv.postgres_port, LINK_PG_APP);
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.census.total, 0);	/* the census itself saw none of them */
	assert_null(r.census.logins.why);
	assert_int_equal(logins_of(&r.census.logins, LINK_PG_OTHER)->plain, 1);
	assert_int_equal(r.census.logins.undeclared.plain + r.census.logins.undeclared.tls, 0);	/* nor is belay itself anybody */
	assert_int_equal(r.census.logins.nwho, 2);
	assert_string_equal(r.census.logins.who[0].application, "x");
	assert_int_equal(r.census.logins.who[0].count, LOGINS);
	reading_release(&r);
}

static void
postgres_by_its_file_and_what_was_before(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, LOGGED);
	servers_run(": >%s", servers_path(&sv, "postgres.log"));
	short_login(sv.postgres_port, "app", "disable");
	log_by_file(EP_POSTGRES, "postgres.log");
	expect(EP_POSTGRES, LINK_PG_APP, 1, 0);
	short_login(sv.postgres_port, "app", "require");
	expect(EP_POSTGRES, LINK_PG_APP, 1, 1);
	/* Rotated as logrotate's copytruncate does. */
	servers_run("cp %s/postgres.log %s/postgres.1 && : >%s/postgres.log", sv.dir, sv.dir, sv.dir);
	short_login(sv.postgres_port, "app", "disable");
	expect(EP_POSTGRES, LINK_PG_APP, 2, 1);
}

static void
postgres_by_a_command_that_is_asked_again(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, LOGGED);
	servers_run(": >%s", servers_path(&sv, "postgres.log"));
	log_by_command(EP_POSTGRES, mem_printf(": $(since); cat %s", servers_path(&sv, "postgres.log")));
	short_login(sv.postgres_port, "app", "disable");
	expect(EP_POSTGRES, LINK_PG_APP, 1, 0);
	/* The next time it prints all of it again, and nobody is counted twice. */
	short_login(sv.postgres_port, "app", "require");
	expect(EP_POSTGRES, LINK_PG_APP, 1, 1);
}

static void
pgbouncer_by_its_file(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "");
	bench_pgbouncer("allow", "good", "");
	servers_run(": >%s", servers_path(&sv, "pgbouncer.log"));
	log_by_file(EP_PGBOUNCER, "pgbouncer.log");
	until_read(EP_PGBOUNCER);
	forty(EP_PGBOUNCER, sv.pgbouncer_port, LINK_PGB_APP);
}

static void
who_is_turned_away_is_counted_apart(void **state)
{
	const struct login_count *row;
	struct reading r;
	time_t end = time(NULL) + 30;
	uint32_t refused = 0;
	PGconn *c;

	(void)state;
	servers_postgres(&sv, "good", "hostssl all all 127.0.0.1/32 scram-sha-256", LOGGED);
	log_by_command(EP_POSTGRES, mem_printf("tail -n 0 -F %s", servers_path(&sv, "postgres.log")));
	until_read(EP_POSTGRES);
	c = client(sv.postgres_port, "app", "disable");
	assert_int_equal(PQstatus(c), CONNECTION_BAD);
	PQfinish(c);
	while (refused == 0 && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
		row = logins_of(&r.census.logins, LINK_PG_APP);
		refused = row == NULL ? 0 : row->refused;
		assert_true(row == NULL || row->plain == 0);
		reading_release(&r);
	}
	assert_int_equal(refused, 1);
}

static void
a_log_that_tells_nothing_is_no_evidence(void **state)
{
	struct reading r;
	time_t end = time(NULL) + 30;
	bool told = false;

	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "log_connections = off");
	log_by_file(EP_POSTGRES, "postgres.log");
	while (!told && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
		assert_int_equal(r.census.logins.seen, LOGINS_BLIND);
		told = strstr(r.census.logins.why, "log_connections") != NULL;
		reading_release(&r);
	}
	assert_true(told);
}

static void
a_log_that_cannot_be_read_is_no_evidence(void **state)
{
	struct reading r;
	time_t end = time(NULL) + 30;
	bool told = false;

	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, LOGGED);
	log_by_file(EP_POSTGRES, "none.log");
	while (!told && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
		assert_int_equal(r.census.logins.seen, LOGINS_BLIND);
		told = strstr(r.census.logins.why, "cannot be read") != NULL;
		reading_release(&r);
	}
	assert_true(told);
}

static void
without_a_process_in_its_lines_that_is_said(void **state)
{
	struct reading r;
	time_t end = time(NULL) + 30;
	bool told = false;

	(void)state;
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, LOGGED "\nlog_line_prefix = '%m '");
	log_by_command(EP_POSTGRES, mem_printf("tail -n 0 -F %s", servers_path(&sv, "postgres.log")));
	until_read(EP_POSTGRES);
	short_login(sv.postgres_port, "app", "disable");
	while (!told && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
		told = r.census.logins.why != NULL && strstr(r.census.logins.why, "log_line_prefix") != NULL;
		reading_release(&r);
	}
	assert_true(told);
}

/* A Redis keeps no log: what its own count says, less what was listed, less what is ours. */
static void
redis_tells_how_many_nobody_saw(void **state)
{
	char port[16];
	const char *const stays[] = { "/usr/bin/redis-cli", "-a", "probe pw", "-p", port, "subscribe", "x", NULL };
	time_t end = time(NULL) + 30;
	uint32_t listed = 0;
	int64_t unaccounted = -1;
	pid_t pid;
	struct reading r;
	int i;

	(void)state;
	bench_redis(true, true, "good", NULL, NULL);
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.outcome, SAW);
	assert_int_equal(r.census.unaccounted, 0);
	assert_true(r.census.unaccounted_from_ms > 0);
	reading_release(&r);
	/* Our own handshakes are nobody's. */
	for (i = 0; i < 3; i++) {
		r = bench_look(&bench, READING_SERVED, EP_REDIS, 10000);
		assert_int_equal(r.served.tls, LEG_OPEN);
		reading_release(&r);
	}
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.census.unaccounted, 0);
	reading_release(&r);
	servers_run("for i in $(seq %d); do REDISCLI_AUTH='probe pw' redis-cli -p %d ping >/dev/null || exit 1; done", LOGINS, sv.redis_port);
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.census.total, 0);
	assert_int_equal(r.census.unaccounted, LOGINS);
	reading_release(&r);
	/* One that stays is listed, and none of them. */
	(void)snprintf(port, sizeof(port), "%d", sv.redis_port);
	pid = servers_spawn(&sv, "cli", stays);
	while ((listed == 0 || unaccounted != LOGINS) && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
		listed = r.census.total;
		unaccounted = r.census.unaccounted;
		assert_true(unaccounted == LOGINS || unaccounted == LOGINS + 1);	/* while it comes */
		reading_release(&r);
	}
	assert_int_equal(listed, 1);
	assert_int_equal(unaccounted, LOGINS);
	servers_stop(&sv, &pid);
	/* It was seen, and goes; it is none of them for that. */
	while (listed > 0 && time(NULL) < end) {
		r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
		listed = r.census.total;
		assert_int_equal(r.census.unaccounted, LOGINS);
		reading_release(&r);
	}
	assert_int_equal(listed, 0);
	/* Started anew, it counts anew. */
	bench_redis(true, true, "good", NULL, NULL);
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.census.unaccounted, 0);
	reading_release(&r);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, bench_case_up, down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(postgres_by_a_command_that_follows),
		CASE(postgres_by_its_file_and_what_was_before),
		CASE(postgres_by_a_command_that_is_asked_again),
		CASE(pgbouncer_by_its_file),
		CASE(redis_tells_how_many_nobody_saw),
		CASE(who_is_turned_away_is_counted_apart),
		CASE(a_log_that_tells_nothing_is_no_evidence),
		CASE(a_log_that_cannot_be_read_is_no_evidence),
		CASE(without_a_process_in_its_lines_that_is_said),
	};

	return cmocka_run_group_tests_name("logins", tests, bench_group_up, bench_group_down);
}
