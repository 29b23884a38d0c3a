/*
 * The checks that a plan asks by name.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "probe_fixture.h"

#define HBA_BOTH	BENCH_HBA_BOTH

/* --- checks -------------------------------------------------------------- */

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct check
a_check(enum check_kind kind)
{
	struct check c;

	memset(&c, 0, sizeof(c));
	c.kind = kind;
	c.endpoint = c.link = NONE;
	c.host = 0;
	return c;
}

static void
expect_outcome(const struct check *c, int64_t since, const char *outcome, const char *words)
{
	struct reading r = bench_check(&bench, c, since);
	const char *said = r.outcome != SAW ? bench_outcome_word(r.outcome) : r.check_passed ? "passed" : "failed";

	if (strcmp(said, outcome) != 0 || r.why == NULL || strstr(r.why, words) == NULL)
		fail_msg("'%s' (%s)\n  but expected '%s' (… %s …)", said, r.why, outcome, words);
	reading_release(&r);
}

#define S(text)	((char *)(uintptr_t)(text))

static void
command_check_looks_at_status_and_output(void **state)
{
	struct check c = a_check(CHECK_COMMAND);

	(void)state;
	c.run = S("echo one; echo two >&2");
	expect_outcome(&c, 0, "passed", "as expected");
	c.contains = S("one");
	expect_outcome(&c, 0, "passed", "has 'one'");
	c.contains = S("two");
	expect_outcome(&c, 0, "failed", "has no 'two'");
	c.contains = NULL;
	c.absent = S("one");
	expect_outcome(&c, 0, "failed", "has 'one'");
	c.absent = NULL;
	c.run = S("echo no >&2; exit 3");
	expect_outcome(&c, 0, "failed", "exit status 3, expected 0: no");
	c.status = 3;
	expect_outcome(&c, 0, "passed", "");
	c.status = 0;
	c.in = S("/usr");
	c.run = S("pwd");
	c.contains = S("/usr");
	expect_outcome(&c, 0, "passed", "/usr");
	c.in = S("/nowhere else");
	expect_outcome(&c, 0, "failed", "exit status");
	c.in = NULL;
	c.run = S("sleep 60");
	c.deadline_ms = 200;
	expect_outcome(&c, 0, "not", "no answer within 0.2 s");
	c.run = S("yes");
	expect_outcome(&c, 0, "not", "no answer within");
}

static void
http_check_compares_the_status(void **state)
{
	static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nstate up";
	struct check c = a_check(CHECK_HTTP);
	struct liar liar;
	char *url;
	int port;

	(void)state;
	port = liar_up(&liar, ok, sizeof(ok) - 1);
	liar.hang_up = true;
	c.url = url = mem_printf("http://127.0.0.1:%d/health?x=1", port);
	c.status = 200;
	expect_outcome(&c, 0, "passed", "status 200");
	c.contains = S("state up");
	expect_outcome(&c, 0, "passed", "state up");
	c.contains = S("state down");
	expect_outcome(&c, 0, "failed", "state down");
	c.contains = NULL;
	c.status = 503;
	expect_outcome(&c, 0, "failed", "status 200, expected 503");
	liar_down(&liar);
	expect_outcome(&c, 0, "not", "refused");
	free(url);
	c.url = S("http://user@127.0.0.1/");
	expect_outcome(&c, 0, "not", "cannot read the URL");
	port = liar_up(&liar, "SSH-2.0-x\r\n", 11);
	liar.hang_up = true;
	c.url = url = mem_printf("http://127.0.0.1:%d", port);
	expect_outcome(&c, 0, "not", "not HTTP");
	liar_down(&liar);
	free(url);
}

static void
setting_check_asks_for_any_name(void **state)
{
	struct check c = a_check(CHECK_SETTING);

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_redis(true, false, NULL, NULL, NULL);
	c.endpoint = EP_POSTGRES;
	c.setting = S("ssl");
	c.value = S("on");
	expect_outcome(&c, 0, "passed", "'ssl' is 'on'");
	c.value = S("off");
	expect_outcome(&c, 0, "failed", "expected 'off'");
	c.setting = S("bgwriter_delay");	/* a default that no settings reading would carry */
	c.value = S("200");
	expect_outcome(&c, 0, "passed", "'bgwriter_delay' is '200'");
	c.setting = S("no_such'; DROP TABLE x; --");
	expect_outcome(&c, 0, "part", "does not say");
	c.endpoint = EP_REDIS;
	c.setting = S("hz");
	c.value = S("10");
	expect_outcome(&c, 0, "passed", "'hz' is '10'");
	c.setting = S("*");
	expect_outcome(&c, 0, "part", "does not say");
}

static void
log_file_check_looks_only_behind_the_step(void **state)
{
	struct check c = a_check(CHECK_LOG);
	struct endpoint *e = &bench.endpoints[EP_REDIS];
	int64_t since;

	(void)state;
	bench_redis(true, true, "good", NULL, NULL);
	e->log_host = 0;
	e->log_file = mem_strdup(servers_path(&sv, "redis.log"));
	c.endpoint = EP_REDIS;
	/* Plaintext at the TLS port, before the step. */
	servers_run("printf 'PING\\r\\n' | timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; cat >&3; cat <&3' >/dev/null; "
	    "for i in $(seq 500); do grep -q 'wrong version number\\|Error accepting' %s/redis.log && exit 0; sleep 0.01; done; exit 1",
	    sv.redis_tls_port, sv.dir);
	/* The log has milliseconds; the step begins behind them. */
	(void)usleep(5000);
	since = now_ms();
	c.absent = S("Error accepting");
	expect_outcome(&c, 0, "failed", "has 'Error accepting'");
	expect_outcome(&c, since, "passed", "has no 'Error accepting'");
	c.absent = NULL;
	c.contains = S("Error accepting");
	expect_outcome(&c, since, "failed", "has no");
	c.contains = NULL;
	c.absent = S("Error accepting");
	servers_run("printf 'PING\\r\\n' | timeout 5 bash -c 'exec 3<>/dev/tcp/127.0.0.1/%d; cat >&3; cat <&3' >/dev/null; "
	    "for i in $(seq 500); do [ $(grep -c 'Error accepting' %s/redis.log) -ge 2 ] && exit 0; sleep 0.01; done; exit 1",
	    sv.redis_tls_port, sv.dir);
	expect_outcome(&c, since, "failed", "has 'Error accepting'");
	free(e->log_file);
	/* Postgres' letter, and a file in which no time can be read, and none at all. */
	servers_postgres(&sv, "good", HBA_BOTH, "");
	e->log_file = mem_strdup(servers_path(&sv, "postgres.log"));
	since = now_ms();
	c.absent = S("no pg_hba.conf entry");
	expect_outcome(&c, since, "passed", "has no");
	free(e->log_file);
	servers_write(&sv, "odd.log", "something happened\n");
	e->log_file = mem_strdup(servers_path(&sv, "odd.log"));
	expect_outcome(&c, since, "part", "cannot be read");
	free(e->log_file);
	e->log_file = mem_strdup(servers_path(&sv, "none.log"));
	expect_outcome(&c, since, "not", "No such file");
	free(e->log_file);
	e->log_file = NULL;
}

static bool
followed(void *arg)
{
	struct check c = a_check(CHECK_LOG);
	struct reading r;
	bool yes;

	(void)arg;
	c.endpoint = EP_REDIS;
	c.absent = S("nothing like it");
	r = bench_check(&bench, &c, now_ms() - 100);
	yes = r.outcome == SAW;
	reading_release(&r);
	return yes;
}

static void
log_that_is_followed_is_conclusive_only_from_then_on(void **state)
{
	struct check c = a_check(CHECK_LOG);
	struct endpoint *e = &bench.endpoints[EP_REDIS];
	struct reading r;
	int64_t since;
	int i;

	(void)state;
	bench_redis(true, false, NULL, NULL, NULL);
	servers_write(&sv, "own.log", "old: bad thing\n");
	e->log_host = 0;
	e->log_run = mem_printf("exec tail -n 0 -F %s/own.log", sv.dir);
	c.endpoint = EP_REDIS;
	c.absent = S("bad thing");
	/* The first look at the endpoint starts it. */
	expect_outcome(&c, now_ms() - 1000, "part", "not followed");
	r = bench_look(&bench, READING_SERVED, EP_REDIS, 5000);
	reading_release(&r);
	for (i = 0; i < 100 && !followed(NULL); i++)
		continue;
	expect_outcome(&c, now_ms() - 60000, "part", "followed only since");
	since = now_ms();
	expect_outcome(&c, since, "passed", "has no 'bad thing'");
	servers_run("echo 'new: bad thing' >>%s/own.log", sv.dir);
	for (i = 0; i < 100; i++) {
		r = bench_check(&bench, &c, since);
		if (!r.check_passed)
			break;
		reading_release(&r);
	}
	assert_int_equal(r.outcome, SAW);
	assert_false(r.check_passed);
	reading_release(&r);
	free(e->log_run);
	/* With $(since) the command looks back by itself. */
	e->log_run = mem_printf("echo since $(since); cat %s/own.log", sv.dir);
	c.absent = NULL;
	c.contains = S("since 12345\n");
	expect_outcome(&c, 12345678, "passed", "since 12345");
	free(e->log_run);
	e->log_run = S("echo cannot >&2; exit 1 # $(since)");
	expect_outcome(&c, 12345678, "not", "cannot");
	e->log_run = NULL;
}

static void
can_tls_is_a_question_to_the_build(void **state)
{
	struct check c = a_check(CHECK_CAN_TLS);
	struct bedit b;

	(void)state;
	memset(&b, 0, sizeof(b));
	bench.links[LINK_REDIS_APP].can_tls = &b;
	bench.links[LINK_REDIS_APP].name = S("app -> redis");
	c.link = LINK_REDIS_APP;
	b.run = S("echo libssl.so.3");
	b.expect = S("ssl");
	expect_outcome(&c, 0, "passed", "can do TLS");
	b.expect = S("hiredis_ssl");
	expect_outcome(&c, 0, "failed", "no TLS");
	b.run = S("no-such-program-at-all");
	expect_outcome(&c, 0, "not", "cannot be run");
	bench.links[LINK_REDIS_APP].can_tls = NULL;
	expect_outcome(&c, 0, "not", "no 'can-tls'");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_CASE(command_check_looks_at_status_and_output),
		BENCH_CASE(http_check_compares_the_status),
		BENCH_CASE(setting_check_asks_for_any_name),
		BENCH_CASE(log_file_check_looks_only_behind_the_step),
		BENCH_CASE(log_that_is_followed_is_conclusive_only_from_then_on),
		BENCH_CASE(can_tls_is_a_question_to_the_build),
	};

	return cmocka_run_group_tests_name("probe_check", tests, bench_group_up, bench_group_down);
}
