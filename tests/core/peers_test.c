/*
 * What peers.h promises, with what ss(8) of iproute2 6.1 prints.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/peers.h"
#include "web_fleet.h"

static const char fleet_text[] = WEB_FLEET("10.0.0.2", "5432", "{ file: /srv/.env, set: { SSLMODE: \"$(dial)\" } }");

static struct fleet *f;

static int
setup(void **state)
{
	struct err err = { "" };

	(void)state;
	if (fleet_parse(&f, "fleet.yaml", fleet_text, sizeof(fleet_text) - 1, &err) != 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fleet_free(f);
	return 0;
}

static const char said[] =
    "1800000090\n"
    "0      0          10.0.0.2:51234      10.0.0.1:5432  users:((\"python3\",pid=123,fd=5),(\"python3\",pid=124,fd=5))\n"
    "0      0          10.0.0.2:51236      10.0.0.1:5432 \n"
    "0      0      [::ffff:10.0.0.2]:51238 [::ffff:10.0.0.1]:5432 users:((\"java\",pid=7,fd=9))\n"
    "nonsense\n"
    "0      0          10.0.0.2            10.0.0.1:5432 \n"
    "0      0          10.0.0.2:0          10.0.0.1:5432 \n";

static void
a_session_is_named_with_its_process(void **state)
{
	struct reading r = { .kind = READING_HOST };
	const struct socket_seen *s;

	(void)state;
	peers_read(&r, said, sizeof(said) - 1, 1800000000);
	assert_true(r.clock_known);
	assert_int_equal(r.clock_ahead_s, 90);
	assert_int_equal(r.nsockets, 3);
	s = peers_find(&r, f, 0, "10.0.0.2", 51234);
	assert_non_null(s);
	assert_string_equal(s->command, "python3");
	assert_int_equal(s->pid, 123);
	/* Mapped addresses are one. */
	s = peers_find(&r, f, 0, "10.0.0.2", 51238);
	assert_non_null(s);
	assert_string_equal(s->command, "java");
	reading_release(&r);
}

static void
what_the_host_does_not_tell_is_not_guessed(void **state)
{
	struct reading r = { .kind = READING_HOST };
	const struct socket_seen *s;

	(void)state;
	peers_read(&r, said, sizeof(said) - 1, 1800000000);
	s = peers_find(&r, f, 0, "10.0.0.2", 51236);
	assert_non_null(s);
	assert_null(s->command);
	/* Another port, another address, none at all. */
	assert_null(peers_find(&r, f, 0, "10.0.0.2", 51235));
	assert_null(peers_find(&r, f, 0, "10.0.0.3", 51234));
	assert_null(peers_find(&r, f, 0, "10.0.0.2", 0));
	assert_null(peers_find(&r, f, 0, NULL, 51234));
	reading_release(&r);
	/* Without a time it was not that command that spoke. */
	memset(&r, 0, sizeof(r));
	peers_read(&r, "sh: date: not found\n", 20, 1800000000);
	assert_false(r.clock_known);
	assert_int_equal(r.nsockets, 0);
	reading_release(&r);
}

static void
only_hosts_that_somebody_dials_from_are_asked(void **state)
{
	struct buf b = { 0 };

	(void)state;
	assert_false(peers_command(f, fleet_host(f, "db"), &b));
	assert_int_equal(b.len, 0);
	assert_true(peers_command(f, fleet_host(f, "web-1"), &b));
	assert_non_null(strstr(buf_str(&b), "( dport = :5432 )"));
	buf_release(&b);
}

int
main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
	static const struct CMUnitTest tests[] = {
		TEST(a_session_is_named_with_its_process),
		TEST(what_the_host_does_not_tell_is_not_guessed),
		TEST(only_hosts_that_somebody_dials_from_are_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
