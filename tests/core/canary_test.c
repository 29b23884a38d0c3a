/*
 * A canary: what counts as what, what is a breach and what is none, how long
 * clients failed, percentiles, the sparkline; and how it is declared.
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
#include "core/canary.h"
#include "core/err.h"
#include "core/plan.h"

#define T0	INT64_C(1700000000000)

static struct canary_terms usual;

static void
begin(struct canary *c)
{
	canary_terms_default(&usual);
	canary_begin(c, &usual, T0);
}

/* Something seen, so many ms behind the beginning, that took so long. */
static void
see(struct canary *c, enum canary_saw saw, int64_t at_ms, int64_t took_us, const char *why)
{
	struct canary_seen s = { .saw = saw, .at_ms = T0 + at_ms, .took_us = took_us };

	(void)snprintf(s.why, sizeof(s.why), "%s", why);
	canary_see(c, &s);
}

static void
good(struct canary *c, int64_t at_ms)
{
	see(c, CANARY_OK, at_ms, 3000, "");
}

static void
says(const struct canary *c, int64_t now_ms, const char *part)
{
	struct buf b = { 0 };

	canary_summary(&b, c, T0 + now_ms);
	if (strstr(buf_str(&b), part) == NULL)
		fail_msg("'%s' has no '%s'", buf_str(&b), part);
	buf_release(&b);
}

/* ---- what counts ---- */

static void
what_is_not_through_hangs_and_is_counted_apart_from_what_fails(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	see(&c, CANARY_FAILED, 1000, 2000, "certificate verify failed");
	good(&c, 1500);
	see(&c, CANARY_HUNG, 2000, 5000000, "no answer within 5 s");
	good(&c, 8000);
	assert_int_equal(c.ok, 3);
	assert_int_equal(c.failed, 1);
	assert_int_equal(c.hung, 1);
	assert_int_equal(canary_state(&c), CANARY_WELL);
	says(&c, 9000, "5 new connections: 3 ok, 1 failed, 1 hung");
}

static void
the_length_of_failure_is_from_the_first_failed_to_the_first_good(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	see(&c, CANARY_FAILED, 1000, 1000, "certificate verify failed");
	see(&c, CANARY_FAILED, 2000, 1000, "certificate verify failed");
	see(&c, CANARY_FAILED, 3000, 1000, "certificate verify failed");
	assert_int_equal(canary_failed_ms(&c, T0 + 3500), 2500);
	see(&c, CANARY_OK, 4000, 200000, "");
	assert_int_equal(canary_failed_ms(&c, T0 + 60000), 3200);
	says(&c, 60000, "clients failed for 3.2 s (certificate verify failed)");
	/* A shorter one later does not hide it. */
	see(&c, CANARY_FAILED, 5000, 1000, "x");
	good(&c, 6000);
	assert_int_equal(canary_failed_ms(&c, T0 + 60000), 3200);
	says(&c, 60000, "3.2 s at the longest, 2 times");
}

static void
one_that_hung_while_another_came_through_is_no_long_failure(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	good(&c, 1500);
	/* Begun at 1 s, over at 6 s; at 5.5 s another came through. */
	good(&c, 5500);
	see(&c, CANARY_HUNG, 1000, 5000000, "");
	good(&c, 6500);
	assert_int_equal(c.hung, 1);
	assert_true(canary_failed_ms(&c, T0 + 7000) <= 1000);
	assert_false(c.breached);
}

static void
what_cannot_be_looked_at_is_neither_good_nor_bad(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	see(&c, CANARY_BLIND, 1000, 0, "host 'app': connection lost");
	see(&c, CANARY_BLIND, 60000, 0, "host 'app': connection lost");
	assert_int_equal(canary_state(&c), CANARY_IN_THE_DARK);
	assert_false(c.breached);
	assert_int_equal(c.ok + c.failed + c.hung, 1);
	good(&c, 61000);
	assert_int_equal(canary_state(&c), CANARY_WELL);
	says(&c, 61000, "could not look for 1m00s (host 'app': connection lost)");
}

static void
nothing_seen_is_not_well(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	assert_int_equal(canary_state(&c), CANARY_NOTHING);
	assert_int_equal(canary_percentile_us(&c, 50), -1);
	see(&c, CANARY_LEFT_OUT, 0, 0, "");
	assert_int_equal(canary_state(&c), CANARY_NOTHING);
}

/* ---- a breach ---- */

static void
none_through_for_too_long_is_a_breach_and_says_why(void **state)
{
	struct canary c;
	int64_t at;

	(void)state;
	begin(&c);
	good(&c, 0);
	for (at = 1000; at < 6000; at += 1000) {
		see(&c, CANARY_FAILED, at, 1000, "unable to get local issuer certificate");
		assert_false(c.breached);
	}
	see(&c, CANARY_FAILED, 6000, 1000, "another word");
	assert_true(c.breached);
	assert_int_equal(canary_state(&c), CANARY_BREACHED);
	assert_non_null(strstr(c.breach_why, "came through for 5.0 s: unable to get local issuer certificate"));
	/* It stays one, though clients come through again. */
	good(&c, 7000);
	assert_int_equal(canary_state(&c), CANARY_BREACHED);
	assert_int_equal(canary_failed_ms(&c, T0 + 9000), 6003);
}

static void
hanging_is_a_breach_too(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	see(&c, CANARY_HUNG, 1000, 5000000, "no answer within 5 s");
	assert_false(c.breached);	/* one is not yet two */
	see(&c, CANARY_HUNG, 2000, 5000000, "no answer within 5 s");
	assert_true(c.breached);
	assert_int_equal(c.hung, 2);
}

static void
one_that_fails_alone_is_none_unless_nothing_is_borne(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	c.terms.every_ms = 60000;
	good(&c, 0);
	see(&c, CANARY_FAILED, 60000, 9000000, "x");
	assert_false(c.breached);
	begin(&c);
	c.terms.breach_ms = 0;
	good(&c, 0);
	see(&c, CANARY_FAILED, 1000, 10, "x");
	assert_true(c.breached);
}

static void
half_of_the_last_ones_failing_is_a_breach_though_others_come_through(void **state)
{
	struct canary c;
	int i;

	(void)state;
	begin(&c);
	for (i = 0; i < 8; i++)
		good(&c, i * 1000);
	for (; i < 40 && !c.breached; i++)
		see(&c, i % 2 == 0 ? CANARY_OK : CANARY_FAILED, i * 1000, 1000, "refused");
	assert_true(c.breached);
	assert_non_null(strstr(c.breach_why, "10 of the last 20"));
	begin(&c);
	for (i = 0; i < 100; i++)
		see(&c, i % 4 != 0 ? CANARY_OK : CANARY_FAILED, i * 1000, 1000, "refused");
	assert_false(c.breached);
}

static void
what_was_never_well_is_no_breach_but_failing(void **state)
{
	struct canary c;
	int i;

	(void)state;
	begin(&c);
	for (i = 0; i < 30; i++)
		see(&c, CANARY_FAILED, i * 1000, 1000, "refused");
	see(&c, CANARY_CUT, 31000, 0, "x");
	assert_false(c.breached);
	assert_int_equal(canary_state(&c), CANARY_FAILING);
}

static void
what_an_activation_is_known_to_cut_is_no_breach(void **state)
{
	struct canary c;
	int64_t at;

	(void)state;
	begin(&c);
	see(&c, CANARY_HELD, 0, 0, "");
	good(&c, 0);
	canary_expect(&c, true, T0 + 500);
	see(&c, CANARY_CUT, 600, 0, "server closed the connection");
	for (at = 1000; at < 30000; at += 1000)
		see(&c, CANARY_FAILED, at, 1000, "connection refused");
	assert_false(c.breached);
	canary_expect(&c, false, T0 + 29500);
	/* The clock begins behind it. */
	see(&c, CANARY_FAILED, 32000, 1000, "connection refused");
	see(&c, CANARY_FAILED, 34000, 1000, "connection refused");
	assert_false(c.breached);
	assert_int_equal(c.cut, 1);
	assert_int_equal(c.cut_expected, 1);
	see(&c, CANARY_FAILED, 34600, 1000, "connection refused");
	assert_true(c.breached);
	says(&c, 35000, "the held session was cut 1 time, as the step was known to");
}

static void
a_restart_that_is_over_is_no_breach_and_its_length_is_told(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	good(&c, 0);
	canary_expect(&c, true, T0 + 900);
	see(&c, CANARY_FAILED, 1000, 1000, "connection refused");
	see(&c, CANARY_FAILED, 2000, 1000, "connection refused");
	canary_expect(&c, false, T0 + 2500);
	good(&c, 3000);
	assert_false(c.breached);
	assert_int_equal(canary_failed_ms(&c, T0 + 9000), 2003);
}

static void
the_held_session_cut_by_nothing_known_is_a_breach(void **state)
{
	struct canary c;

	(void)state;
	begin(&c);
	see(&c, CANARY_HELD, 0, 0, "");
	good(&c, 0);
	canary_expect(&c, true, T0 + 1000);
	canary_expect(&c, false, T0 + 2000);
	see(&c, CANARY_CUT, 3900, 0, "terminating connection");	/* told late */
	assert_false(c.breached);
	see(&c, CANARY_HELD, 4000, 0, "");
	see(&c, CANARY_CUT, 9000, 0, "terminating connection");
	assert_true(c.breached);
	assert_non_null(strstr(c.breach_why, "nothing was known to cut it: terminating connection"));
	assert_int_equal(c.failed + c.hung, 0);
}

/* ---- percentiles and sparkline ---- */

static void
percentiles_are_within_a_sixteenth_over_the_whole_range(void **state)
{
	static const int64_t values[] = { 40, 333, 3100, 47000, 999999, 7000000, 59000000 };
	struct canary c;
	int64_t p;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		begin(&c);
		for (k = 0; k < 200; k++)
			see(&c, CANARY_OK, (int64_t)k * 1000, k < 196 ? values[i] : values[i] * 10, "");
		p = canary_percentile_us(&c, 50);
		assert_true(p >= values[i] && p <= values[i] + values[i] / 16 + 1);
		p = canary_percentile_us(&c, 98);
		assert_true(p >= values[i] && p <= values[i] + values[i] / 16 + 1);
		p = canary_percentile_us(&c, 99);
		assert_true(p >= values[i] * 10 - 1 && p <= values[i] * 11);
		assert_int_equal(canary_percentile_us(&c, 100), values[i] * 10);
	}
}

static void
the_sparkline_shows_what_failed_and_where_nothing_was_seen(void **state)
{
	struct canary c;
	struct buf b = { 0 };
	int64_t base = -(T0 % 1000);

	(void)state;
	begin(&c);
	see(&c, CANARY_OK, base + 1000, 1000, "");
	see(&c, CANARY_OK, base + 2000, 8000, "");
	see(&c, CANARY_FAILED, base + 3000, 10, "x");
	see(&c, CANARY_OK, base + 5000, 4000, "");
	canary_sparkline(&b, &c, T0 + base + 5500, 6, true);
	assert_string_equal(buf_str(&b), " _#x -");
	buf_clear(&b);
	canary_sparkline(&b, &c, T0 + base + 5500, 6, false);
	assert_string_equal(buf_str(&b), " \xe2\x96\x81\xe2\x96\x88\xe2\x9c\x98 \xe2\x96\x84");
	buf_clear(&b);
	/* Long after, all of it has gone by. */
	canary_sparkline(&b, &c, T0 + 3600000, 4, true);
	assert_string_equal(buf_str(&b), "    ");
	buf_release(&b);
}

/* ---- crossing ---- */

static void
a_report_crosses_and_a_malformed_one_does_not(void **state)
{
	struct canary_report r = { .n = 2 }, back;
	struct buf b = { 0 };
	size_t i;

	(void)state;
	r.v[0].saw = CANARY_CUT;
	r.v[0].at_ms = T0;
	(void)snprintf(r.v[0].why, sizeof(r.v[0].why), "cut");
	r.v[1].saw = CANARY_OK;
	r.v[1].took_us = 4711;
	canary_report_encode(&r, &b);
	assert_true(canary_report_decode(&back, b.data, b.len));
	assert_int_equal(back.n, 2);
	assert_int_equal(back.v[1].took_us, 4711);
	assert_string_equal(back.v[0].why, "cut");
	for (i = 0; i < b.len; i++)
		assert_false(canary_report_decode(&back, b.data, i));
	b.data[0] = CANARY_REPORT_MAX + 1;
	assert_false(canary_report_decode(&back, b.data, b.len));
	b.data[0] = 2;
	b.data[8] = CANARY_SAW_COUNT;
	assert_false(canary_report_decode(&back, b.data, b.len));
	buf_release(&b);
}

static void
terms_cross_within_their_bounds_only(void **state)
{
	struct canary_terms t, back;
	struct buf b = { 0 };
	int dial;

	(void)state;
	canary_terms_default(&t);
	canary_order_encode(&t, DIAL_UNKNOWN, &b);
	assert_true(canary_order_decode(&back, &dial, DIAL_UNKNOWN, b.data, b.len));
	assert_memory_equal(&t, &back, sizeof(t));
	assert_int_equal(dial, DIAL_UNKNOWN);
	assert_false(canary_order_decode(&back, &dial, DIAL_UNKNOWN - 1, b.data, b.len));
	buf_clear(&b);
	t.every_ms = CANARY_EVERY_MIN_MS - 1;
	canary_order_encode(&t, 0, &b);
	assert_false(canary_order_decode(&back, &dial, DIAL_UNKNOWN, b.data, b.len));
	buf_release(&b);
}

/* ---- declaring ---- */

static const char ground[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, app: { ssh: app } }\n"
    "units:\n"
    "  pg: { host: db, run: restart-pg, restarts: [pg, cache] }\n"
    "  cache: { host: db, run: restart-cache }\n"
    "  pool: { host: db, kind: reload, run: reload-pool }\n"
    "  app: { host: app, run: restart-app }\n"
    "  job: { host: app, run: restart-job }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: pg, listen: { both: 5432 }, accept: {\n"
    "    plain: { env: { file: /pg, set: { S: a } } }, both: { env: { file: /pg, set: { S: b } } } } }\n"
    "  cache: { kind: redis, unit: cache, listen: { plain: 6379, tls: 6380 }, accept: {\n"
    "    plain: { env: { file: /c, set: { S: a } } }, both: { env: { file: /c, set: { S: b } } } } }\n"
    "  pool: { kind: pgbouncer, unit: pool, listen: { both: 6432 }, accept: {\n"
    "    plain: { env: { file: /p, set: { S: a } } }, both: { env: { file: /p, set: { S: b } } } } }\n"
    "clients:\n"
    "  pool: { links: { pg: { dial: fixed } } }\n"
    "  app: { unit: app, links: {\n"
    "    pool: { %s dial: { disable: { env: { file: /app, set: { M: disable } } }, require: { env: { file: /app, set: { M: require } } } } },\n"
    "    cache: { match: { user: x }, dial: { disable: { env: { file: /app, set: { R: disable } } }, require: { env: { file: /app, set: { R: require } } } } } } }\n"
    "  job: { unit: job, links: { pool: { match: { user: job }, dial: fixed } } }\n"
    "  far: { links: { pool: { match: { user: far }, dial: fixed } } }\n";

static struct fleet *
fleet_of(const char *canary)
{
	char text[4096];
	struct fleet *f;
	struct err err;

	(void)snprintf(text, sizeof(text), ground, canary);
	if (fleet_parse(&f, "fleet", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	return f;
}

static struct plan *
plan_of(const struct fleet *f, const char *steps, struct err *err)
{
	char text[4096];
	struct plan *p = NULL;

	(void)snprintf(text, sizeof(text), "belay: plan/1\nname: p\nsteps:\n%s", steps);
	return plan_parse(&p, f, "plan", text, strlen(text), err) == 0 ? p : NULL;
}

static struct plan *
must_plan(const struct fleet *f, const char *steps)
{
	struct err err = { "" };
	struct plan *p = plan_of(f, steps, &err);

	if (p == NULL)
		fail_msg("%s", err.msg);
	return p;
}

static void
refuses(const struct fleet *f, const char *steps, const char *part)
{
	struct err err = { "" };
	struct plan *p = plan_of(f, steps, &err);

	if (p != NULL)
		fail_msg("taken: %s", steps);
	if (strstr(err.msg, part) == NULL)
		fail_msg("'%s' has no '%s'", err.msg, part);
}

static void
a_step_declares_its_canaries_in_three_ways(void **state)
{
	static const char *const ways[] = { "\"app -> pool\"", "[ \"app -> pool\" ]", "{ \"app -> pool\": yes }" };
	struct fleet *f = fleet_of("");
	char step[512];
	struct plan *p;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		(void)snprintf(step, sizeof(step), "- { id: a, dial: { \"app -> pool\": require }, canary: %s }\n", ways[i]);
		p = must_plan(f, step);
		assert_int_equal(p->steps[0].ncanaries, 1);
		assert_int_equal(p->steps[0].canaries[0].link, fleet_link(f, "app -> pool"));
		assert_int_equal(p->steps[0].canaries[0].terms.every_ms, CANARY_EVERY_MS);
		assert_true(p->steps[0].canaries[0].terms.held);
		/* And it is a check of the gate, that can be waived by its name. */
		assert_int_equal(p->steps[0].gates[p->steps[0].ngates - 1].kind, CHECK_CANARY);
		assert_string_equal(p->steps[0].gates[p->steps[0].ngates - 1].name, "canary app -> pool");
		plan_free(p);
	}
	p = must_plan(f, "- { id: a, dial: { \"app -> pool\": require }, canary: { \"app -> pool\": "
	    "{ every: 500ms, hang: 2s, breach: 0s, held: no }, \"app -> cache\": 2s } }\n");
	assert_int_equal(p->steps[0].ncanaries, 2);
	assert_int_equal(p->steps[0].canaries[0].terms.every_ms, 500);
	assert_int_equal(p->steps[0].canaries[0].terms.hang_ms, 2000);
	assert_int_equal(p->steps[0].canaries[0].terms.breach_ms, 0);
	assert_false(p->steps[0].canaries[0].terms.held);
	assert_int_equal(p->steps[0].canaries[1].terms.every_ms, 2000);
	plan_free(p);
	fleet_free(f);
}

static void
what_cannot_be_a_canary_is_refused(void **state)
{
	struct fleet *f = fleet_of("");

	(void)state;
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: { \"app -> pool\": 50ms } }\n", "expected 100ms to 1m");
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: { \"app -> pool\": { hang: 2m } } }\n",
	    "expected 100ms to 1m");
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: { \"app -> pool\": { rate: 2 } } }\n", "unknown");
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: nobody }\n", "nobody");
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: [ \"app -> pool\", \"app -> pool\" ] }\n", "second canary");
	refuses(f, "- { id: a, dial: { \"app -> pool\": require }, canary: \"far -> pool\" }\n", "has no host to be dialled from");
	fleet_free(f);
}

static void
one_of_a_link_runs_in_the_steps_that_it_may_feel(void **state)
{
	static const struct {
		const char *step;
		size_t n;
	} cases[] = {
		{ "accept: { pool: both }", 1 },		/* its endpoint */
		{ "accept: { pg: both }", 1 },			/* behind the pooler */
		{ "dial: { \"app -> pool\": require }", 1 },	/* itself */
		{ "dial: { \"app -> cache\": require }", 0 },	/* restarts the client, not the server */
		{ "accept: { cache: both }", 0 },		/* another server, restarted alone */
		{ "run: [ { on: db, run: x, undo: y } ]", 1 },	/* who knows what, beside it */
		{ "run: [ { on: app, run: x, undo: y } ]", 0 },
		{ "drain: { pool: plaintext }", 1 },
	};
	struct fleet *f = fleet_of("canary: 2s,");
	char step[256];
	struct plan *p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(step, sizeof(step), "- { id: a, %s }\n", cases[i].step);
		p = must_plan(f, step);
		if (p->steps[0].ncanaries != cases[i].n)
			fail_msg("%s: %zu canaries", cases[i].step, p->steps[0].ncanaries);
		if (cases[i].n > 0)
			assert_int_equal(p->steps[0].canaries[0].terms.every_ms, 2000);
		plan_free(p);
	}
	fleet_free(f);
}

static void
a_step_has_the_last_word(void **state)
{
	struct fleet *f = fleet_of("canary: { every: 2s, breach: 9s },");
	struct plan *p, *again;
	struct buf b = { 0 };
	struct err err;
	size_t i;

	(void)state;
	p = must_plan(f, "- { id: a, accept: { pool: both }, canary: { \"app -> pool\": no } }\n"
	    "- { id: b, dial: { \"app -> pool\": require }, canary: { \"app -> pool\": 3s } }\n");
	assert_int_equal(p->steps[0].ncanaries, 1);
	assert_false(p->steps[0].canaries[0].terms.given);
	for (i = 0; i < p->steps[0].ngates; i++)
		assert_int_not_equal(p->steps[0].gates[i].kind, CHECK_CANARY);
	assert_int_equal(p->steps[1].canaries[0].terms.every_ms, 3000);
	assert_int_equal(p->steps[1].canaries[0].terms.breach_ms, 9000);
	/* Printed, it reads back to the same. */
	plan_print(p, f, &b);
	if (plan_parse(&again, f, "again", b.data, b.len, &err) != 0)
		fail_msg("%s\n%s", err.msg, b.data);
	assert_int_equal(again->steps[0].ncanaries, 1);
	assert_false(again->steps[0].canaries[0].terms.given);
	assert_memory_equal(&again->steps[1].canaries[0].terms, &p->steps[1].canaries[0].terms, sizeof(struct canary_terms));
	plan_free(again);
	plan_free(p);
	buf_release(&b);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_through_hangs_and_is_counted_apart_from_what_fails),
		cmocka_unit_test(the_length_of_failure_is_from_the_first_failed_to_the_first_good),
		cmocka_unit_test(one_that_hung_while_another_came_through_is_no_long_failure),
		cmocka_unit_test(what_cannot_be_looked_at_is_neither_good_nor_bad),
		cmocka_unit_test(nothing_seen_is_not_well),
		cmocka_unit_test(none_through_for_too_long_is_a_breach_and_says_why),
		cmocka_unit_test(hanging_is_a_breach_too),
		cmocka_unit_test(one_that_fails_alone_is_none_unless_nothing_is_borne),
		cmocka_unit_test(half_of_the_last_ones_failing_is_a_breach_though_others_come_through),
		cmocka_unit_test(what_was_never_well_is_no_breach_but_failing),
		cmocka_unit_test(what_an_activation_is_known_to_cut_is_no_breach),
		cmocka_unit_test(a_restart_that_is_over_is_no_breach_and_its_length_is_told),
		cmocka_unit_test(the_held_session_cut_by_nothing_known_is_a_breach),
		cmocka_unit_test(percentiles_are_within_a_sixteenth_over_the_whole_range),
		cmocka_unit_test(the_sparkline_shows_what_failed_and_where_nothing_was_seen),
		cmocka_unit_test(a_report_crosses_and_a_malformed_one_does_not),
		cmocka_unit_test(terms_cross_within_their_bounds_only),
		cmocka_unit_test(a_step_declares_its_canaries_in_three_ways),
		cmocka_unit_test(what_cannot_be_a_canary_is_refused),
		cmocka_unit_test(one_of_a_link_runs_in_the_steps_that_it_may_feel),
		cmocka_unit_test(a_step_has_the_last_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
