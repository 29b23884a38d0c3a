/*
 * What complaints.h promises, with lines as PostgreSQL 15, PgBouncer 1.18 and Redis 7.0 write them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/census.h"
#include "core/complaints.h"

#define KEY "2026-11-22 18:55:10.784 GMT [26301] LOG:  private key file \"/tls/server.key\" has group or world access\n"
#define NOT_RELOADED "2026-11-22 18:55:10.784 GMT [26301] LOG:  SSL configuration was not reloaded\n"
#define SIGHUP "2026-11-22 18:56:10.784 GMT [26301] LOG:  received SIGHUP, reloading configuration files\n"

static void
feed(struct complaints *c, int64_t at_ms, const char *text)
{
	complaints_feed(c, text, strlen(text), at_ms);
}

static struct census
told(const struct complaints *c, int64_t now_ms)
{
	struct census ret;

	memset(&ret, 0, sizeof(ret));
	complaints_tell(c, now_ms, &ret);
	return ret;
}

static void
what_could_not_be_loaded_stands_until_the_next_reload(void **state)
{
	struct complaints *c = complaints_new(KIND_POSTGRES);
	struct census said;

	(void)state;
	feed(c, 1000, SIGHUP KEY);
	feed(c, 1000, NOT_RELOADED "2026-11-22 18:55:11.855 GMT [24641] LOG:  connection authorized: user=app\n");
	said = told(c, 1000 + 10 * COMPLAINTS_MS);
	assert_int_equal(said.ncomplaints, 2);
	assert_true(said.complaints[0].load && !said.complaints[0].leg);
	assert_string_equal(said.complaints[0].text, "private key file \"/tls/server.key\" has group or world access");
	census_release(&said);
	feed(c, 2000, SIGHUP);
	said = told(c, 2000);
	assert_int_equal(said.ncomplaints, 0);
	census_release(&said);
	complaints_free(c);
}

/* The log is read when it grows, and may have grown by one of the two lines only. */
static void
the_reason_stands_before_what_came_of_it(void **state)
{
	struct complaints *c = complaints_new(KIND_POSTGRES);
	struct census said;

	(void)state;
	feed(c, 1000, SIGHUP KEY);
	feed(c, 1400, NOT_RELOADED);
	said = told(c, 1500);
	assert_int_equal(said.ncomplaints, 2);
	assert_string_equal(said.complaints[0].text, "private key file \"/tls/server.key\" has group or world access");
	assert_string_equal(said.complaints[1].text, "SSL configuration was not reloaded");
	census_release(&said);
	/* Alone, it is what there is to tell. */
	feed(c, 2000, SIGHUP NOT_RELOADED);
	said = told(c, 2000);
	assert_int_equal(said.ncomplaints, 1);
	assert_true(said.complaints[0].load);
	census_release(&said);
	complaints_free(c);
}

static void
a_line_may_come_in_pieces_and_is_told_once(void **state)
{
	struct complaints *c = complaints_new(KIND_POSTGRES);
	struct census said;

	(void)state;
	complaints_feed(c, KEY, 60, 1000);
	complaints_feed(c, &KEY[60], strlen(KEY) - 60, 1001);
	feed(c, 1002, KEY);
	/* What was half read is forgotten. */
	complaints_feed(c, KEY, 90, 1003);
	complaints_gap(c);
	complaints_feed(c, &KEY[90], strlen(KEY) - 90, 1004);
	said = told(c, 2000);
	assert_int_equal(said.ncomplaints, 1);
	assert_int_equal(said.complaints[0].count, 2);
	assert_int_equal(said.complaints[0].first_ms, 1001);
	assert_int_equal(said.complaints[0].last_ms, 1002);
	census_release(&said);
	complaints_free(c);
}

static void
a_poolers_own_link_is_told_apart_and_for_a_minute(void **state)
{
	struct complaints *c = complaints_new(KIND_PGBOUNCER);
	struct census said;

	(void)state;
	feed(c, 1000, "2026-11-22 18:55:28.692 UTC [26610] LOG RELOAD command issued\n"
	    "2026-11-22 18:55:28.694 UTC [26610] ERROR TLS setup failed: failed to load private key file \"/k\": (null)\n"
	    "2026-11-22 19:10:57.469 UTC [26610] LOG S-0x55625bcb3c40: voiceai/voiceai@10.77.0.10:5432 new connection to server (from 10.77.0.10:56660)\n"
	    "2026-11-22 19:10:57.478 UTC [26610] WARNING TLS handshake error: handshake failed: error:0A000086:SSL routines::certificate verify failed\n"
	    "2026-11-22 19:10:57.478 UTC [26610] LOG S-0x55625bcb3c40: voiceai/voiceai@10.77.0.10:5432 closing because: server conn crashed? (age=0s)\n");
	said = told(c, 1000);
	assert_int_equal(said.ncomplaints, 2);
	assert_int_equal(said.complaints[0].leg + said.complaints[1].leg, 1);
	assert_int_equal(said.complaints[0].load + said.complaints[1].load, 1);
	census_release(&said);
	said = told(c, 1001 + COMPLAINTS_LEG_MS);
	assert_int_equal(said.ncomplaints, 1);
	assert_true(said.complaints[0].load);
	census_release(&said);
	complaints_free(c);
}

/* The same words of a client's connection: it is a client that failed. */
static void
whose_handshake_failed_is_told_by_what_is_closed_next(void **state)
{
	struct complaints *c = complaints_new(KIND_PGBOUNCER);
	struct census said;

	(void)state;
	feed(c, 1000, "2026-11-22 19:10:57.478 UTC [1] WARNING TLS handshake error: handshake failed: error:0A000418:SSL routines::tlsv1 alert unknown ca\n");
	said = told(c, 1000);
	assert_int_equal(said.ncomplaints, 0);
	census_release(&said);
	feed(c, 1001, "2026-11-22 19:10:57.478 UTC [1] LOG C-0x55625bcb3c40: (nodb)/(nouser)@10.77.0.12:5432 closing because: client unexpected eof (age=0s)\n");
	said = told(c, 1001);
	assert_int_equal(said.ncomplaints, 1);
	assert_false(said.complaints[0].leg || said.complaints[0].load);
	census_release(&said);
	complaints_free(c);
}

static void
a_client_that_speaks_otherwise_is_told_for_a_while(void **state)
{
	struct complaints *c = complaints_new(KIND_REDIS);
	struct census said;

	(void)state;
	feed(c, 1000, "26311:M 22 Nov 2026 18:55:32.284 # Error accepting a client connection: error:0A00010B:SSL routines::wrong version number (conn: fd=9)\n"
	    "26311:M 22 Nov 2026 18:55:33.284 * DB saved on disk\n");
	said = told(c, 1000);
	assert_int_equal(said.ncomplaints, 1);
	assert_false(said.complaints[0].load);
	assert_true(strncmp(said.complaints[0].text, "Error accepting", 15) == 0);
	census_release(&said);
	said = told(c, 1001 + COMPLAINTS_MS);
	assert_int_equal(said.ncomplaints, 0);
	census_release(&said);
	complaints_free(c);
}

static void
a_line_of_any_length_costs_no_more(void **state)
{
	struct complaints *c = complaints_new(KIND_REDIS);
	struct census said;
	char *line = malloc(100000);
	size_t i;

	(void)state;
	assert_non_null(line);
	memset(line, 'x', 100000);
	for (i = 0; i < 20; i++)
		complaints_feed(c, line, 100000, 1000);
	feed(c, 1000, "\nFailed to load certificate: /c: no such file\n");
	said = told(c, 1000);
	assert_int_equal(said.ncomplaints, 1);
	census_release(&said);
	complaints_free(c);
	free(line);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_could_not_be_loaded_stands_until_the_next_reload),
		cmocka_unit_test(the_reason_stands_before_what_came_of_it),
		cmocka_unit_test(a_line_may_come_in_pieces_and_is_told_once),
		cmocka_unit_test(a_poolers_own_link_is_told_apart_and_for_a_minute),
		cmocka_unit_test(whose_handshake_failed_is_told_by_what_is_closed_next),
		cmocka_unit_test(a_client_that_speaks_otherwise_is_told_for_a_while),
		cmocka_unit_test(a_line_of_any_length_costs_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
