/*
 * What an activation does to those who are connected: whom it cuts, what it
 * takes up besides, what a server loses; by the unit's own endpoints and
 * clients as by what its `restarts` names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/impact.h"
#include "core/mem.h"
#include "core/posture.h"
#include "core/reader.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts: { db: { ssh: db }, h1: { ssh: h1 }, h2: { ssh: h2 } }\n"
    "units:\n"
    "  pg: { host: db, run: ./pg }\n"
    "  pg-reload: { host: db, run: ./reload, kind: reload, restarts: [pg, redis, pool] }\n"
    "  with-job: { host: db, run: ./reload, kind: reload, restarts: [pg, pool, job] }\n"
    "  redis: { host: db, run: ./redis }\n"
    "  stack: { host: db, run: ./stack, restarts: [pg, pool, redis] }\n"
    "  u1: { host: h1, run: ./restart, restarts: [web] }\n"
    "  u2: { host: h2, run: ./restart, restarts: [web] }\n"
    "  job: { host: h1, run: ./job }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: pg, listen: { both: 5432 }, names: [db.internal], accept: { file: /e, plain: { unset: [T] }, both: { set: { T: on } } } }\n"
    "  pool: { kind: pgbouncer, unit: stack, listen: { both: 6432 }, names: [db.internal], accept: { file: /p, plain: { unset: [T] }, both: { set: { T: on } } } }\n"
    "  redis: { kind: redis, unit: redis, listen: { plain: 6379, tls: 6380 }, names: [db.internal] }\n"
    "clients:\n"
    "  pool: { unit: stack, links: { pg: { match: { user: pool }, dial: { file: /p, set: { D: \"$(dial)\" } } } } }\n"
    "  web: { unit: [u1, u2], links: { pool: { dial: { file: /w, set: { D: \"$(dial)\" } } } } }\n"
    "  job: { unit: job, links: { redis: { match: { user: job }, dial: { file: /j, set: { D: \"$(dial)\" } } } } }\n";

struct world {
	struct fleet *f;
	struct board *b;
	int64_t	 now_ms;
};

static int
set_up(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct err err;

	if (fleet_parse(&w->f, "f", fleet_text, sizeof(fleet_text) - 1, &err) != 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	w->b = board_new(w->f);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	board_free(w->b);
	fleet_free(w->f);
	free(w);
	return 0;
}

static void
feed_sessions(struct world *w, const char *link, uint32_t plain)
{
	int l = fleet_link(w->f, link);
	struct reading r = { .kind = READING_CENSUS, .at_ms = ++w->now_ms, .outcome = SAW };

	assert_int_not_equal(l, NONE);
	r.subject = w->f->links[l].endpoint;
	r.census.links = mem_array(1, sizeof(*r.census.links));
	r.census.nlinks = 1;
	r.census.links[0] = (struct link_count){ .link = l, .plain = plain };
	r.census.total = plain;
	r.census.connections_total = -1;
	board_feed(w->b, &r);
}

static void
feed_settings(struct world *w, const char *const pairs[])
{
	struct reading r = { .kind = READING_SETTINGS, .at_ms = ++w->now_ms, .outcome = SAW };
	struct pair *p;

	r.subject = fleet_endpoint(w->f, "redis");
	for (; pairs[0] != NULL; pairs += 2) {
		p = mem_push(&r.settings.v, &r.settings.n, sizeof(*p));
		p->key = mem_strdup(pairs[0]);
		p->value = mem_strdup(pairs[1]);
	}
	board_feed(w->b, &r);
}

static void
assert_cuts(const struct world *w, const char *unit, uint32_t want, bool all_counted)
{
	bool uncounted;
	uint32_t cut = impact_of_unit(w->f, w->b, fleet_unit(w->f, unit), &uncounted);

	if (cut != want || uncounted == all_counted)
		fail_msg("%s cuts %u%s, expected %u%s", unit, (unsigned)cut, uncounted ? " at least" : "",
		    (unsigned)want, all_counted ? "" : " at least");
}

/* What it loses, a line each. */
static void
assert_loses(const struct world *w, const char *unit, const char *want)
{
	struct strings takes_up, loses;
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	impact_besides(&takes_up, &loses, w->f, w->b, NULL, fleet_unit(w->f, unit));
	for (i = 0; i < loses.n; i++)
		(void)buf_printf(&b, "%s%s", i == 0 ? "" : "\n", loses.v[i]);
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
	strings_release(&takes_up);
	strings_release(&loses);
}

static void
a_restart_cuts_the_sessions_of_all_that_is_of_its_unit(void **state)
{
	struct world *w = *state;

	feed_sessions(w, "pool -> pg", 3);
	feed_sessions(w, "web@h1 -> pool", 4);
	/* An endpoint whose unit names nothing; a client likewise. */
	assert_cuts(w, "pg", 3, true);
	assert_cuts(w, "redis", 0, false);
	feed_sessions(w, "job -> redis", 5);
	assert_cuts(w, "redis", 5, true);
	assert_cuts(w, "job", 5, true);
	/* Of a client on several hosts: its own part. */
	assert_cuts(w, "u1", 4, true);
	assert_cuts(w, "u2", 0, false);
	/* All of it at once, each session once. */
	assert_cuts(w, "stack", 12, false);
}

static void
a_reload_cuts_only_whom_it_restarts(void **state)
{
	struct world *w = *state;
	struct op op = { .kind = OP_ACTIVATE, .host = 0 };
	struct ops ops = { .v = &op, .n = 1 };
	struct impact im;

	assert_cuts(w, "pg-reload", 0, true);
	feed_sessions(w, "pool -> pg", 3);
	assert_cuts(w, "pg-reload", 0, true);
	op.unit = fleet_unit(w->f, "pg-reload");
	impact_of_ops(&im, w->f, w->b, &ops);
	assert_int_equal(im.sessions, 0);
	assert_false(im.uncounted);
	assert_false(im.loses_data);
	assert_false(im.may_lose_data);
	op.unit = fleet_unit(w->f, "stack");
	impact_of_ops(&im, w->f, w->b, &ops);
	assert_int_equal(im.sessions, 3);
	assert_true(im.uncounted);
	assert_true(im.may_lose_data);
	/* But a client that it takes along is restarted. */
	feed_sessions(w, "job -> redis", 2);
	assert_cuts(w, "with-job", 2, true);
}

static void
what_a_redis_keeps_is_not_guessed(void **state)
{
	static const char *const none[] = { "save", "", "appendonly", "no", NULL };
	static const char *const half[] = { "save", "", NULL };
	static const char *const saves[] = { "save", "3600 1", "appendonly", "no", NULL };
	static const char *const appends[] = { "save", "", "appendonly", "yes", NULL };
	static const char *const bare[] = { "save", "", "appendonly", "no", "config_file", "", NULL };
	static const char perhaps[] = "redis: perhaps what it holds: whether it keeps anything on disk is not known";
	struct world *w = *state;

	assert_loses(w, "redis", perhaps);
	assert_loses(w, "stack", perhaps);
	assert_loses(w, "pg", "");
	assert_loses(w, "pg-reload", "");
	feed_settings(w, half);
	assert_loses(w, "redis", perhaps);
	feed_settings(w, none);
	assert_loses(w, "redis", "redis: it keeps nothing on disk: what it holds");
	feed_settings(w, saves);
	assert_loses(w, "redis", "");
	feed_settings(w, appends);
	assert_loses(w, "redis", "");
	feed_settings(w, bare);
	assert_loses(w, "redis", "redis: it runs without a configuration file: what was set at run time\n"
	    "redis: it keeps nothing on disk: what it holds");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_restart_cuts_the_sessions_of_all_that_is_of_its_unit, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reload_cuts_only_whom_it_restarts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_redis_keeps_is_not_guessed, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
