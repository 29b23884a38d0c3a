/*
 * Probes of servers that lie, and probes that are cut short: exactly one reading,
 * in time, and never a conclusion out of nonsense.
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

/* --- hostile servers ----------------------------------------------------- */

static void
nonsense_is_never_a_conclusion(void **state)
{
	static const struct { const char *text; size_t len; bool hang_up; } lies[] = {
		{ "", 0, false },
		{ "S", 1, true },
		{ "Sgarbage before tls", 19, false },
		{ "SSSSSSSS", 8, false },
		{ "E\0\0\0\10x", 6, true },
		{ "E\0\0\0\xff" "C28000\0", 12, true },
		{ "R", 1, true },
		{ "R\0\0\0\3", 5, false },
		{ "\0\0\0\0\0\0\0\0", 8, true },
		{ "HTTP/1.1 400 Bad Request\r\n\r\n", 28, true },
		{ "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", 40, false },
		{ "*2000000000\r\n", 13, false },
		{ "$2000000000\r\n", 13, false },
		{ "*-5\r\n", 5, true },
		{ ":1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", 20, false },
		{ "\x16\x03\x03\xff\xff", 5, false },
		{ "\x16\x03\x03\0\4\2\0\0\0", 9, true },
		{ "N\r\nN\r\nN", 7, true },
	};
	static const enum reading_kind kinds[] = { READING_SERVED, READING_CENSUS, READING_SETTINGS };
	struct reading r;
	struct liar liar;
	size_t i, k;
	int ep, port;

	(void)state;
	for (i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		port = liar_up(&liar, lies[i].text, lies[i].len);
		liar.hang_up = lies[i].hang_up;
		for (ep = 0; ep < EP_COUNT; ep++) {
			bench.endpoints[ep].port_plain = bench.endpoints[ep].port_tls = port;
			bench.endpoints[ep].one_port = true;
			for (k = 0; k < 3; k++) {
				r = bench_look(&bench, kinds[k], ep, 150);
				if (r.outcome == SAW || r.why == NULL)
					fail_msg("lie %zu at %d: taken for a conclusion", i, ep);
				assert_int_not_equal(r.served.tls, LEG_OPEN);
				assert_int_not_equal(r.served.chain, VERIFIED_OK);
				assert_true(r.took_ms < 1150);
				reading_release(&r);
			}
		}
		liar_down(&liar);
	}
}

static void
bombs_cost_bounded_memory(void **state)
{
	static char flood[65536];
	struct reading r;
	struct liar liar;
	int port;

	(void)state;
	/* "+AAAA…" without an end, 64 MiB of it, to a held session's login. */
	memset(flood, 'A', sizeof(flood));
	flood[0] = '+';
	port = liar_up(&liar, flood, sizeof(flood));
	liar.times = 1024;
	bench.endpoints[EP_REDIS].port_plain = port;
	bench.endpoints[EP_REDIS].port_tls = 0;
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 5000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "larger than any can be"));
	reading_release(&r);
	liar_down(&liar);
}

/* --- at once, and cut short ---------------------------------------------- */

struct wishes {
	int asked, came, saw;
};

static void
one_came(void *arg, struct reading *r)
{
	struct wishes *w = arg;

	w->came++;
	w->saw += r->outcome == SAW;
	reading_release(r);
}

static bool
all_came(void *arg)
{
	struct wishes *w = arg;

	return w->came == w->asked;
}

static void
questions_at_once_each_get_one_answer(void **state)
{
	static const enum reading_kind kinds[] = { READING_SERVED, READING_CENSUS, READING_SETTINGS };
	struct wishes w = { 0, 0, 0 };
	int i, ep, k;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	bench_pgbouncer("allow", "good", "");
	bench_redis(true, true, "good", NULL, NULL);
	uv_update_time(&bench.loop);
	for (i = 0; i < 4; i++)
		for (ep = 0; ep < EP_COUNT; ep++)
			for (k = 0; k < 3; k++, w.asked++)
				(void)probe_endpoint(bench.probes, kinds[k], ep, 20000, one_came, &w);
	bench_until(&bench, all_came, &w);
	assert_int_equal(w.came, 36);
	assert_int_equal(w.saw, 36);
}

static void
cancelled_probe_says_nothing_and_leaves_the_next_well(void **state)
{
	static const enum reading_kind kinds[] = { READING_SERVED, READING_CENSUS, READING_SETTINGS };
	struct wishes w = { 0, 0, 0 };
	struct probe *p[9];
	int turns, ep, k, n;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_pgbouncer("allow", "good", "");
	bench_redis(true, true, "good", NULL, NULL);
	/* After every number of turns of the loop that a probe takes. */
	for (turns = 0; turns < 40; turns++) {
		n = 0;
		uv_update_time(&bench.loop);
		for (ep = 0; ep < EP_COUNT; ep++)
			for (k = 0; k < 3; k++)
				p[n++] = probe_endpoint(bench.probes, kinds[k], ep, 20000, one_came, &w);
		for (k = 0; k < turns && w.came == 0; k++)
			(void)uv_run(&bench.loop, UV_RUN_ONCE);
		if (w.came > 0) {
			/* Some are over: those pointers are dead; the rest come by themselves. */
			w.asked = 9;
			bench_until(&bench, all_came, &w);
			memset(&w, 0, sizeof(w));
			continue;
		}
		while (n > 0)
			probe_cancel(p[--n]);
		assert_int_equal(w.came, 0);
	}
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls open, chain ok, names ok ok");
	bench_expect_census(EP_REDIS, "saw over tls, verified: link 3 0 tls 0 plain; undeclared 0 tls 0 plain");
	/* And freed in the middle, by bench_down(). */
	for (ep = 0; ep < EP_COUNT; ep++)
		(void)probe_endpoint(bench.probes, READING_CENSUS, ep, 20000, one_came, &w);
	(void)uv_run(&bench.loop, UV_RUN_ONCE);
	(void)uv_run(&bench.loop, UV_RUN_ONCE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_CASE(nonsense_is_never_a_conclusion),
		BENCH_CASE(bombs_cost_bounded_memory),
		BENCH_CASE(questions_at_once_each_get_one_answer),
		BENCH_CASE(cancelled_probe_says_nothing_and_leaves_the_next_well),
	};

	return cmocka_run_group_tests_name("probe_hostile", tests, bench_group_up, bench_group_down);
}
