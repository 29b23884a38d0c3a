/*
 * When a PgBouncer may be told to part with its server connections, by what
 * SHOW POOLS says of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "remote/pooler.h"
#include "remote/statement.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static char *columns[] = {
	"database", "cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login", "pool_mode"
};
#define COLUMNS LENGTH(columns)
#define ROWS_MAX 4

static struct pair size_of[] = { { .key = "a", .value = "99" }, { .key = "full", .value = "3" } };
static const struct pairs sizes = { size_of, LENGTH(size_of) };

/* Rows by ';', their cells by blanks. */
static enum calm
calm_of(const char *rows, const char *database)
{
	static const struct strings names = { columns, COLUMNS };
	char *cells[ROWS_MAX * COLUMNS], text[512], *p;
	struct statement_reply r = { .end = STATEMENT_DONE, .columns = &names, .cells = cells };
	size_t n = 0;

	(void)snprintf(text, sizeof(text), "%s", rows);
	for (p = strtok(text, " ;"); p != NULL; p = strtok(NULL, " ;")) {
		assert_true(n < LENGTH(cells));
		cells[n++] = p;
	}
	assert_int_equal(n % COLUMNS, 0);
	r.nrows = n / COLUMNS;
	return pooler_calm(&r, database, &sizes);
}

static void
pooler_is_calm_where_nobody_is_about_to_want_a_server(void **state)
{
	static const struct {
		enum calm calm;
		const char *rows;
	} cases[] = {
		/*           database    clients servers i u t login */
		{ CALM_SURE, "" },
		{ CALM_SURE, "a 0 0 0 0 0 0 0 transaction" },
		{ CALM_SURE, "full 9 4 3 0 0 0 0 transaction" },
		{ CALM_SURE, "full 9 4 1 1 1 0 0 transaction" },
		{ CALM_NOW, "full 9 4 2 0 0 0 0 transaction" },
		{ CALM_NOW, "unknown 9 4 9 0 0 0 0 transaction" },
		{ CALM_WELL, "full 9 4 3 0 0 0 0 transaction; a 9 0 2 1 0 0 0 transaction" },
		{ CALM_NOT, "full 9 4 3 0 0 0 1 transaction" },
		{ CALM_WELL, "a 9 0 2 1 0 0 0 transaction" },
		{ CALM_WELL, "a 9 0 2 0 1 0 0 transaction" },		/* idle for long */
		{ CALM_WELL, "a 9 0 2 0 0 1 0 transaction" },
		{ CALM_NOW, "a 9 0 2 0 0 0 0 transaction" },
		{ CALM_NOW, "a 9 1 2 1 0 0 0 transaction" },
		{ CALM_NOT, "a 9 1 2 1 0 0 1 transaction" },
		{ CALM_NOT, "a 0 0 0 0 0 0 1 session" },
		{ CALM_WELL, "a 3 0 3 0 0 0 0 session" },		/* each has its own */
		{ CALM_NOW, "a 4 0 3 0 0 0 0 session" },		/* one has none yet */
		{ CALM_NOW, "a 0 2 3 1 0 0 0 session" },
		{ CALM_NOW, "a 9 0 2 1 0 0 0 transaction; b 9 0 2 0 0 0 0 transaction" },
		{ CALM_NOT, "a 9 0 2 0 0 0 0 transaction; b 9 0 2 1 0 0 2 transaction" },
		/* The console's own, in which who asks is a client without a server. */
		{ CALM_WELL, "pgbouncer 1 0 0 0 0 0 0 statement; a 9 0 2 1 0 0 0 transaction" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < LENGTH(cases); i++)
		if (calm_of(cases[i].rows, NULL) != cases[i].calm)
			fail_msg("'%s' is %d, expected %d", cases[i].rows, (int)calm_of(cases[i].rows, NULL),
			    (int)cases[i].calm);
}

static void
pooler_of_one_database_minds_no_other(void **state)
{
	static const char rows[] = "a 9 0 2 1 0 0 0 transaction; b 9 3 2 0 0 0 2 transaction";

	(void)state;
	assert_int_equal(calm_of(rows, "a"), CALM_WELL);
	assert_int_equal(calm_of(rows, "b"), CALM_NOT);
	assert_int_equal(calm_of(rows, NULL), CALM_NOT);
}

/* Of a version that does not say: what is not there is no reason to tell it nothing. */
static void
pooler_waits_for_what_is_said_only(void **state)
{
	static char *short_columns[] = { "database", "sv_login" };
	static const struct strings names = { short_columns, 2 };
	char *cells[] = { "a", "0", "b", NULL };
	struct statement_reply r = { .end = STATEMENT_DONE, .columns = &names, .nrows = 2, .cells = cells };

	(void)state;
	assert_int_equal(pooler_calm(&r, NULL, &sizes), CALM_SURE);
	cells[1] = "1";
	assert_int_equal(pooler_calm(&r, NULL, &sizes), CALM_NOT);
}

static void
pooler_has_half_of_the_time_for_the_better_moment_and_no_more_than_the_lock_allows(void **state)
{
	static const struct {
		int64_t left;
		enum calm calm;
		int64_t from;	/* -1: never */
	} cases[] = {
		{ 120000, CALM_NOT, -1 }, { 120000, CALM_NOW, 5000 }, { 120000, CALM_WELL, 2500 }, { 120000, CALM_SURE, 0 },
		{ 3000, CALM_NOT, -1 }, { 3000, CALM_NOW, 1500 }, { 3000, CALM_WELL, 750 }, { 3000, CALM_SURE, 0 },
	};
	size_t i;

	(void)state;
	for (i = 0; i < LENGTH(cases); i++) {
		if (cases[i].from > 0)
			assert_false(pooler_will_do(cases[i].calm, 77, cases[i].left, 77 + cases[i].from - 1));
		assert_int_equal(pooler_will_do(cases[i].calm, 77, cases[i].left,
		    77 + (cases[i].from < 0 ? cases[i].left : cases[i].from)), cases[i].from >= 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pooler_is_calm_where_nobody_is_about_to_want_a_server),
		cmocka_unit_test(pooler_of_one_database_minds_no_other),
		cmocka_unit_test(pooler_waits_for_what_is_said_only),
		cmocka_unit_test(pooler_has_half_of_the_time_for_the_better_moment_and_no_more_than_the_lock_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
