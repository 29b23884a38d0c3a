/*
 * What an admin is answered by real servers: rows, refusals in the server's
 * own words, and ends that are not known.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "probe_fixture.h"
#include "remote/statement.h"

struct heard {
	int	 came;
	enum statement_end end;
	char	 sqlstate[6];
	char	*line;		/* columns and rows, or why */
};

static const char *const ends[] = { "done", "refused", "not sent", "lost" };

static void
hear(void *arg, const struct statement_reply *r)
{
	struct heard *h = arg;
	struct buf b;
	size_t i, k;

	h->came++;
	h->end = r->end;
	(void)snprintf(h->sqlstate, sizeof(h->sqlstate), "%s", r->sqlstate);
	buf_init(&b, 0);
	(void)buf_printf(&b, "%s", ends[r->end]);
	if (r->why != NULL)
		(void)buf_printf(&b, " %s: %s", r->sqlstate, r->why);
	for (i = 0; i < r->nrows; i++)
		for (k = 0; k < r->columns->n; k++)
			(void)buf_printf(&b, "%s%s=%s", k == 0 ? "; " : " ", r->columns->v[k],
			    r->cells[i * r->columns->n + k] == NULL ? "(null)" : r->cells[i * r->columns->n + k]);
	free(h->line);
	h->line = buf_take(&b, NULL);
}

static bool
has_come(void *arg)
{
	return ((struct heard *)arg)->came > 0;
}

static char heard_line[8192];

static const char *
listen_to(struct heard *h)
{
	bench_until(&bench, has_come, h);
	assert_int_equal(h->came, 1);
	(void)snprintf(heard_line, sizeof(heard_line), "%s", h->line);
	free(h->line);
	h->line = NULL;
	return heard_line;
}

static const char *
sql(struct statement *s, const char *text)
{
	struct heard h = { 0 };

	statement_sql(s, text, hear, &h);
	assert_int_equal(h.came, 0);
	return listen_to(&h);
}

static const char *
command(struct statement *s, const char *a, const char *b, const char *c)
{
	const char *argv[] = { a, b, c };
	struct heard h = { 0 };

	statement_command(s, b == NULL ? 1 : c == NULL ? 2 : 3, argv, hear, &h);
	assert_int_equal(h.came, 0);
	return listen_to(&h);
}

#define assert_begins(line, with) do { \
	const char *line_ = (line); \
	if (strncmp(line_, with, strlen(with)) != 0) \
		fail_msg("'%s' but expected '%s…'", line_, with); \
} while (0)

static struct statement *
admin_of(int endpoint)
{
	struct endpoint *e = &bench.endpoints[endpoint];

	e->admin_secret = 0;
	e->admin_user = (char *)(uintptr_t)(endpoint == EP_POSTGRES ? "boss" :
	    endpoint == EP_PGBOUNCER ? "belay_probe" : NULL);
	e->admin_database = (char *)(uintptr_t)(endpoint == EP_POSTGRES ? "postgres" : NULL);
	return statement_new(bench.probes, endpoint, 20000);
}

static int
group_up(void **state)
{
	int rc = bench_group_up(state);

	servers_sql(&sv, "CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'probe pw'");
	return rc;
}

static void
postgres_answers_with_rows_and_refuses_with_its_own_words(void **state)
{
	static const char *const ways[] = { NULL, "good" };
	struct statement *s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		servers_postgres(&sv, ways[i], BENCH_HBA_BOTH, "");
		s = admin_of(EP_POSTGRES);
		assert_string_equal(sql(s, "SELECT 1 AS one, NULL AS nothing UNION SELECT 2, 'x' ORDER BY 1"),
		    "done; one=1 nothing=(null); one=2 nothing=x");
		assert_string_equal(sql(s, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"),
		    i == 0 ? "done; ssl=f" : "done; ssl=t");
		assert_string_equal(sql(s, "ALTER SYSTEM SET no_such_thing = 'x'"),
		    "refused 42704: unrecognized configuration parameter \"no_such_thing\"");
		assert_string_equal(sql(s, "ALTER SYSTEM SET application_name = 'x'"), "done");
		assert_string_equal(sql(s, "ALTER SYSTEM RESET application_name"), "done");
		statement_free(s);
	}
}

static void
a_quoted_value_arrives_as_it_was(void **state)
{
	static const char *const values[] = { "plain", "it's", "back\\slash", "\\'; DROP TABLE x; --", "'", "" };
	struct statement *s;
	struct buf q, expect;
	size_t i, on;

	(void)state;
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	s = admin_of(EP_POSTGRES);
	for (on = 0; on < 2; on++) {
		assert_string_equal(sql(s, on ? "SET standard_conforming_strings = on" :
		    "SET standard_conforming_strings = off"), "done");
		for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			buf_init(&q, 0);
			buf_init(&expect, 0);
			(void)buf_puts(&q, "SELECT ");
			statement_put_literal(&q, values[i]);
			(void)buf_puts(&q, " AS ");
			statement_put_name(&q, "v\"v");
			(void)buf_printf(&expect, "done; v\"v=%s", values[i]);
			assert_string_equal(sql(s, buf_str(&q)), buf_str(&expect));
			buf_release(&q);
			buf_release(&expect);
		}
	}
	statement_free(s);
}

static void
console_of_a_pgbouncer_is_told_by_its_admin_only(void **state)
{
	struct statement *s;

	(void)state;
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	bench_pgbouncer("disable", "good", "admin_users = belay_probe");
	s = admin_of(EP_PGBOUNCER);
	assert_string_equal(sql(s, "SET query_timeout = '7'"), "done");
	assert_non_null(strstr(sql(s, "SHOW CONFIG"), "key=query_timeout value=7 default=0 changeable=yes"));
	assert_begins(sql(s, "SET nothing = 'x'"), "refused");
	assert_string_equal(sql(s, "RELOAD"), "done");
	statement_free(s);
	/* Only in stats_users: looks, and changes nothing. */
	bench_pgbouncer("disable", "good", "");
	s = admin_of(EP_PGBOUNCER);
	assert_begins(sql(s, "SET query_timeout = '7'"), "refused");
	statement_free(s);
}

static void
redis_answers_each_kind_of_reply(void **state)
{
	struct statement *s;
	int tls;

	(void)state;
	for (tls = 0; tls < 2; tls++) {
		bench_redis(true, tls == 1, "good", NULL, NULL);
		s = admin_of(EP_REDIS);
		assert_string_equal(command(s, "PING", NULL, NULL), "done; value=PONG");
		assert_string_equal(command(s, "INCR", "n", NULL), "done; value=1");
		assert_string_equal(command(s, "GET", "absent", NULL), "done; value=(null)");
		assert_string_equal(command(s, "CONFIG", "GET", "maxclients"),
		    "done; value=maxclients; value=10000");
		assert_string_equal(command(s, "CONFIG", "REWRITE", NULL),
		    "refused : ERR The server is running without a config file");
		statement_free(s);
	}
}

static void
who_cannot_log_in_has_sent_nothing(void **state)
{
	struct statement *s;

	(void)state;
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	bench_redis(true, false, NULL, NULL, NULL);
	bench.password = "wrong";
	s = admin_of(EP_POSTGRES);
	assert_begins(sql(s, "SELECT 1"), "not sent : cannot log in to 'postgres' as 'boss': FATAL: password");
	assert_begins(sql(s, "SELECT 1"), "not sent : cannot log in");
	statement_free(s);
	s = admin_of(EP_REDIS);
	assert_begins(command(s, "PING", NULL, NULL), "not sent : cannot log in to 'redis': WRONGPASS");
	statement_free(s);
	bench.password = NULL;
	s = admin_of(EP_POSTGRES);
	assert_begins(sql(s, "SELECT 1"), "not sent : the password of 'boss': not given yet");
	statement_free(s);
	bench.password = "probe pw";
	s = admin_of(EP_POSTGRES);
	bench.endpoints[EP_POSTGRES].admin_user = NULL;
	assert_begins(sql(s, "SELECT 1"), "not sent : the fleet file gives no 'admin:");
	statement_free(s);
	servers_stop(&sv, &sv.redis);
	s = admin_of(EP_REDIS);
	assert_begins(command(s, "PING", NULL, NULL), "not sent : ");
	statement_free(s);
}

static void
what_was_sent_and_not_answered_is_lost(void **state)
{
	struct heard h = { 0 };
	struct statement *s;

	(void)state;
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	s = admin_of(EP_POSTGRES);
	assert_begins(sql(s, "SELECT pg_terminate_backend(pg_backend_pid())"), "lost");
	assert_begins(sql(s, "SELECT 1"), "not sent");
	statement_free(s);
	s = statement_new(bench.probes, EP_POSTGRES, 1500);
	assert_begins(sql(s, "SELECT pg_sleep(20)"), "lost : 'postgres' did not answer in time");
	statement_free(s);
	/* Freed while it is asked: nothing comes. */
	s = statement_new(bench.probes, EP_POSTGRES, 10000);
	assert_string_equal(sql(s, "SELECT 1 AS x"), "done; x=1");
	statement_sql(s, "SELECT 2", hear, &h);
	statement_free(s);
	assert_int_equal(h.came, 0);
}

static void
an_answer_without_end_is_cut(void **state)
{
	struct statement *s;

	(void)state;
	servers_postgres(&sv, NULL, BENCH_HBA_BOTH, "");
	s = admin_of(EP_POSTGRES);
	assert_begins(sql(s, "SELECT repeat('x', 1000) FROM generate_series(1, 1000000)"), "lost");
	statement_free(s);
	s = admin_of(EP_POSTGRES);
	assert_begins(sql(s, "SELECT x FROM generate_series(1, 20000) AS x"), "lost : an answer larger");
	/* Rows of several shapes, as a server that lies can send them for any question. */
	assert_string_equal(sql(s, "SELECT 1 AS a UNION SELECT 2; SELECT 1 AS a, 2 AS b, 3 AS c"),
	    "lost : an answer of several kinds of rows");
	assert_string_equal(sql(s, "SELECT 1 AS a, 2 AS b, 3 AS c; SELECT 1 AS a"),
	    "lost : an answer of several kinds of rows");
	assert_string_equal(sql(s, "SELECT 1 AS a; SELECT 2 AS a"), "done; a=1; a=2");
	statement_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_CASE(postgres_answers_with_rows_and_refuses_with_its_own_words),
		BENCH_CASE(a_quoted_value_arrives_as_it_was),
		BENCH_CASE(console_of_a_pgbouncer_is_told_by_its_admin_only),
		BENCH_CASE(redis_answers_each_kind_of_reply),
		BENCH_CASE(who_cannot_log_in_has_sent_nothing),
		BENCH_CASE(what_was_sent_and_not_answered_is_lost),
		BENCH_CASE(an_answer_without_end_is_cut),
	};

	return cmocka_run_group_tests(tests, group_up, bench_group_down);
}
