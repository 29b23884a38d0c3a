/*
 * What the plan reader makes of plans, and what it prints of them.
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
#include "core/err.h"
#include "core/fleet.h"
#include "core/mem.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/proof.h"

/* Run from the top of the source tree. */
static char *
read_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = mem_alloc(FLEET_FILE_MAX);

	if (file == NULL)
		fail_msg("cannot open '%s': run from the top of the tree", path);
	if (fread(text, 1, FLEET_FILE_MAX - 1, file) == 0)
		fail_msg("'%s' is empty", path);
	(void)fclose(file);
	return text;
}

/* What stands between the markers of a manual page, without its macros. */
static char *
read_example(const char *path)
{
	char *page = read_file(path), *line, *next;
	struct buf out;
	bool in = false;

	buf_init(&out, 0);
	for (line = page; line != NULL && *line != '\0'; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		if (strcmp(line, ".\\\" example begin") == 0)
			in = true;
		else if (strcmp(line, ".\\\" example end") == 0)
			in = false;
		else if (in && line[0] != '.')
			buf_printf(&out, "%s\n", line);
	}
	free(page);
	return buf_take(&out, NULL);
}

static struct fleet *
fleet_of(const char *path, const char *text)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, path, text, strlen(text), &err) == -1)
		fail_msg("%s", err.msg);
	return f;
}

static struct plan *
plan_of(const struct fleet *f, const char *path, const char *text)
{
	struct plan *p;
	struct err err;

	if (plan_parse(&p, f, path, text, strlen(text), &err) == -1)
		fail_msg("%s\n%s", err.msg, text);
	return p;
}

static void
load_both(const char *fleet, const char *plan, struct fleet **f, struct plan **p)
{
	char *path = mem_printf("plans/%s.fleet.yaml", fleet), *text = read_file(path);

	*f = fleet_of(path, text);
	free(path);
	free(text);
	path = mem_printf("plans/%s.plan.yaml", plan);
	text = read_file(path);
	*p = plan_of(*f, path, text);
	free(path);
	free(text);
}

static void
load(const char *name, struct fleet **f, struct plan **p)
{
	load_both(name, name, f, p);
}

static void
put_checks(struct buf *out, const char *mark, const struct check *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (v[i].kind != CHECK_PROOF)	/* every step with a move has it: see its own case */
			buf_printf(out, "   %s %s%s%s%s\n", mark, v[i].name, v[i].implied ? "" : " (written)",
		    v[i].not_yet != NULL ? " not yet: " : "", v[i].not_yet != NULL ? v[i].not_yet : "");
}

/* A plan in short: rows, steps, moves, checks. */
static void
put_plan(struct buf *out, const struct fleet *f, const struct plan *p)
{
	const struct step *s;
	const struct move *m;
	size_t i, k;

	buf_printf(out, "%s from %s %s\n", p->name, accept_word(p->from_accept), dial_word(p->from_dial));
	for (i = 0; i < p->ngroups; i++)
		buf_printf(out, "row %zu+%zu %s\n", p->groups[i].first, p->groups[i].n, p->groups[i].title);
	for (i = 0; i < p->nsteps; i++) {
		s = &p->steps[i];
		buf_printf(out, "%s [%d]%s: %s", s->id, s->group, s->optional ? " optional" : "", s->title);
		if (s->soak_ms != 0)
			buf_printf(out, ", soak %lld s", (long long)s->soak_ms / 1000);
		if (s->on_fault == ON_FAULT_UNDO)
			buf_puts(out, ", undone on a fault");
		if (s->not_yet != NULL)
			buf_printf(out, ", not yet: %s", s->not_yet);
		buf_puts(out, "\n");
		for (k = 0; k < s->nmoves; k++) {
			m = &s->moves[k];
			buf_printf(out, "   %s %s %d\n", facet_word(m->facet),
			    m->facet == FACET_ACCEPT ? f->endpoints[m->subject].name :
			    m->facet == FACET_CERT ? f->certs[m->subject].name :
			    f->links[m->subject].name, m->value);
		}
		for (k = 0; k < s->nruns; k++)
			buf_printf(out, "   run on %d %s | %s | %s\n", s->runs[k].on.v[0], s->runs[k].run,
			    s->runs[k].undo == NULL ? "-" : s->runs[k].undo,
			    s->runs[k].in == NULL ? "-" : s->runs[k].in);
		for (k = 0; k < s->ndrains; k++)
			buf_printf(out, "   drain %s every %lld ms%s\n", f->endpoints[s->drains[k].endpoint].name,
			    (long long)s->drains[k].pace_ms, s->drains[k].undeclared ? ", undeclared too" : "");
		put_checks(out, "?", s->requires, s->nrequires);
		put_checks(out, "=", s->gates, s->ngates);
		for (k = 0; k < s->nexcuses; k++)
			buf_printf(out, "   may refuse %s: %s\n", f->links[s->excuses[k].link].name,
			    s->excuses[k].reason);
	}
}

/* What is printed reads back to the same plan, and prints the same again. */
static void
expect_round_trip(const struct fleet *f, const struct plan *p)
{
	struct buf text, again, was, is;
	struct plan *q;

	buf_init(&text, 0);
	buf_init(&again, 0);
	buf_init(&was, 0);
	buf_init(&is, 0);
	plan_print(p, f, &text);
	q = plan_of(f, "printed", buf_str(&text));
	plan_print(q, f, &again);
	assert_string_equal(buf_str(&text), buf_str(&again));
	put_plan(&was, f, p);
	put_plan(&is, f, q);
	assert_string_equal(buf_str(&was), buf_str(&is));
	plan_free(q);
	buf_release(&text);
	buf_release(&again);
	buf_release(&was);
	buf_release(&is);
}

static void
shipped_plans_parse_and_print_to_themselves(void **state)
{
	static const struct {
		const char *name;
		size_t steps, rows;
	} plans[] = {
		{ "compose", 17, 10 }, { "box", 5, 5 }, { "kubernetes", 59, 7 }, { "kubernetes-secret", 1, 1 },
		{ "managed", 5, 5 },
	};
	struct fleet *f;
	struct plan *p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		load(plans[i].name, &f, &p);
		assert_int_equal(p->nsteps, plans[i].steps);
		assert_int_equal(p->ngroups, plans[i].rows);
		expect_round_trip(f, p);
		plan_free(p);
		fleet_free(f);
	}
}

static void
the_compose_plan_in_short(void **state)
{
	static const char want[] =
	    "internal-encryption from plain disable\n"
	    "row 0+1 install certificate internal\n"
	    "row 1+1 postgres accepts both\n"
	    "row 2+1 pgbouncer -> postgres dials verify-ca, trusts internal\n"
	    "row 3+1 pgbouncer accepts both\n"
	    "row 4+4 flip-$(c)-pg × 4\n"
	    "row 8+1 pgbouncer accepts tls\n"
	    "row 9+1 postgres accepts tls\n"
	    "row 10+1 redis accepts both\n"
	    "row 11+5 flip-$(c)-redis × 5\n"
	    "row 16+1 redis accepts tls\n"
	    "certs [0]: install certificate internal\n"
	    "   certs internal 0\n"
	    "pg-both [1]: postgres accepts both\n"
	    "   accept postgres 1\n"
	    "   = served postgres\n"
	    "   = postgres presents internal\n"
	    "pool-leg [2]: pgbouncer -> postgres dials verify-ca, trusts internal\n"
	    "   trust pgbouncer -> postgres 0\n"
	    "   dial pgbouncer -> postgres 4\n"
	    "   ? rehearsal of pgbouncer -> postgres as verify-ca\n"
	    "   = written pgbouncer -> postgres\n"
	    "   = sessions of pgbouncer -> postgres\n"
	    "pool-both [3]: pgbouncer accepts both\n"
	    "   accept pgbouncer 1\n"
	    "   = served pgbouncer\n"
	    "   = pgbouncer presents internal\n"
	    "flip-api-pg [4]: api -> pgbouncer dials verify-full, trusts internal, soak 600 s\n"
	    "   trust api -> pgbouncer 0\n"
	    "   dial api -> pgbouncer 5\n"
	    "   ? rehearsal of api -> pgbouncer as verify-full\n"
	    "   = written api -> pgbouncer\n"
	    "   = sessions of api -> pgbouncer\n"
	    "flip-web-pg [4]: web -> pgbouncer dials verify-full, trusts internal, soak 600 s\n";
	static const char end[] =
	    "flip-telpro-redis [8]: telpro -> redis dials verify-full, trusts internal\n"
	    "   trust telpro -> redis 0\n"
	    "   dial telpro -> redis 5\n"
	    "   ? can-tls telpro -> redis\n"
	    "   ? rehearsal of telpro -> redis as verify-full\n"
	    "   = written telpro -> redis\n"
	    "   = sessions of telpro -> redis\n"
	    "   = log of redis (written)\n"
	    "redis-tls [9]: redis accepts tls\n"
	    "   accept redis 2\n"
	    "   ? nobody on plaintext redis\n"
	    "   ? nobody unseen redis\n"
	    "   = served redis\n"
	    "   = refused plaintext redis\n";
	struct fleet *f;
	struct plan *p;
	struct buf got;

	(void)state;
	load("compose", &f, &p);
	buf_init(&got, 0);
	put_plan(&got, f, p);
	assert_true(got.len > sizeof(want) + sizeof(end));
	assert_string_equal(got.data + got.len - (sizeof(end) - 1), end);
	got.data[sizeof(want) - 1] = '\0';
	assert_string_equal(got.data, want);
	assert_int_equal(plan_step(p, "pg-tls"), 9);
	assert_true(p->steps[9].optional);
	assert_int_equal(plan_step(p, "nothing"), NONE);
	assert_int_equal(p->not_yet.n, 0);
	buf_release(&got);
	plan_free(p);
	fleet_free(f);
}

/* Frees both. */
static void
expect_short(struct fleet *f, struct plan *p, const char *want)
{
	struct buf got;

	buf_init(&got, 0);
	put_plan(&got, f, p);
	assert_string_equal(buf_str(&got), want);
	expect_round_trip(f, p);
	buf_release(&got);
	plan_free(p);
	fleet_free(f);
}

static void
expect_shipped(const char *fleet, const char *plan, const char *want)
{
	struct fleet *f;
	struct plan *p;

	load_both(fleet, plan, &f, &p);
	expect_short(f, p, want);
}

/* What a client shows is tried in its place; where one is demanded, before the step and after it. */
static void
the_mutual_plans_in_short(void **state)
{
	(void)state;
	expect_shipped("mutual", "mutual-tls",
	    "mutual-tls from tls verify-full\n"
	    "row 0+2 show-$(l) × 2\n"
	    "row 2+1 postgres accepts mutual\n"
	    "show-web [0]: web -> postgres presents id-web\n"
	    "   present web -> postgres 1\n"
	    "   = rehearsal of web -> postgres\n"
	    "show-job [0]: job -> postgres presents id-job\n"
	    "   present job -> postgres 2\n"
	    "   = rehearsal of job -> postgres\n"
	    "demand [1]: postgres accepts mutual\n"
	    "   accept postgres 3\n"
	    "   ? rehearsal of web -> postgres\n"
	    "   ? rehearsal of job -> postgres\n"
	    "   ? nobody on plaintext postgres\n"
	    "   ? pg_hba.conf of postgres\n"
	    "   = rehearsal of web -> postgres showing id-web\n"
	    "   = rehearsal of job -> postgres showing id-job\n"
	    "   = served postgres\n"
	    "   = refused plaintext postgres\n");
	expect_shipped("mutual", "mutual-off",
	    "mutual-off from mutual verify-full\n"
	    "row 0+1 postgres accepts tls\n"
	    "row 1+2 hide-$(l) × 2\n"
	    "relax [0]: postgres accepts tls\n"
	    "   accept postgres 2\n"
	    "   ? nobody on plaintext postgres\n"
	    "   ? pg_hba.conf of postgres\n"
	    "   = served postgres\n"
	    "   = refused plaintext postgres\n"
	    "hide-web [1]: web -> postgres presents no certificate\n"
	    "   present web -> postgres -1\n"
	    "   = rehearsal of web -> postgres\n"
	    "hide-job [1]: job -> postgres presents no certificate\n"
	    "   present job -> postgres -1\n"
	    "   = rehearsal of job -> postgres\n");
}

/* The fleet of the tests below: the manual's. */
static struct fleet *
manual_fleet(void)
{
	char *text = read_example("doc/belay-fleet.5");
	struct fleet *f;

	assert_true(strlen(text) > 1000);
	f = fleet_of("belay-fleet.5", text);
	assert_int_equal(f->not_yet.n, 0);
	free(text);
	return f;
}

static void
the_manuals_examples_parse(void **state)
{
	char *text = read_example("doc/belay-plan.5");
	struct fleet *f = manual_fleet();
	struct plan *p = plan_of(f, "belay-plan.5", text);

	(void)state;
	assert_int_equal(p->nsteps, 7);
	assert_int_equal(p->not_yet.n, 0);
	expect_round_trip(f, p);
	free(text);
	plan_free(p);
	fleet_free(f);
}

#define PLAN "belay: plan/1\nname: p\nsteps:\n"

static void
expect_plan(const char *text, const char *want)
{
	struct fleet *f = manual_fleet();

	expect_short(f, plan_of(f, "p", text), want);
}

static void
a_check_means_the_endpoint_that_the_step_moves(void **state)
{
	(void)state;
	expect_plan(PLAN
	    "  - id: a\n"
	    "    accept: { postgres: tls }\n"
	    "    requires: [ { command: { on: web, run: \"test $$(id -u) = 0 # $(step)\", expect: ok, status: 3 } } ]\n"
	    "    gate:\n"
	    "      - served: { min: TLSv1.3 }\n"
	    "      - served: {}\n"
	    "      - served: pgbouncer\n"
	    "      - refused: plaintext\n"
	    "      - refused: { of: pgbouncer, what: tls }\n"
	    "      - setting: { name: ssl, is: on }\n"
	    "      - log: { contains: ready, deadline: 90s }\n"
	    "      - log: { absent: fatal }\n"
	    "      - http: { from: web, url: \"http://x/\", status: 204, contains: ok }\n",
	    "p from unknown unknown\n"
	    "row 0+1 postgres accepts tls\n"
	    "a [0]: postgres accepts tls\n"
	    "   accept postgres 2\n"
	    "   ? nobody on plaintext postgres\n"
	    "   ? command on web: test $(id -u) = 0 # $(step) (written)\n"
	    "   = served postgres\n"
	    "   = refused plaintext postgres\n"
	    "   = served postgres, at least TLSv1.3 (written)\n"
	    "   = served pgbouncer (written)\n"
	    "   = refused tls pgbouncer (written)\n"
	    "   = setting ssl of postgres (written)\n"
	    "   = log of postgres (written)\n"
	    "   = log of postgres #2 (written)\n"
	    "   = http http://x/ from web (written)\n");
}

static void
going_back_to_plaintext_is_a_plan_too(void **state)
{
	(void)state;
	expect_plan(PLAN
	    "  - { id: a, accept: { postgres: plain, pgbouncer: plain }, dial: { web -> pgbouncer: disable } }\n",
	    "p from unknown unknown\n"
	    "row 0+1 postgres accepts plain; pgbouncer accepts plain; web -> pgbouncer dials disable\n"
	    "a [0]: postgres accepts plain; pgbouncer accepts plain; web -> pgbouncer dials disable\n"
	    "   accept postgres 0\n"
	    "   accept pgbouncer 0\n"
	    "   dial web -> pgbouncer 0\n"
	    "   = refused tls postgres\n"
	    "   = refused tls pgbouncer\n"
	    "   = written web -> pgbouncer\n");
}

static void
commands_drains_excuses_and_rows(void **state)
{
	(void)state;
	expect_plan(PLAN
	    "  - { id: a, row: \"both $$(x)\", run: { on: web, run: \"do $(step)\", undo: \"undo \\\"it\\\"\", in: /srv } }\n"
	    "  - { id: b, row: \"both $$(x)\", title: \"look: here\", run: [ { on: [db, web], run: look, read-only: yes } ] }\n"
	    "  - { id: c, drain: { postgres: plaintext } }\n"
	    "  - { id: c2, drain: { pgbouncer: { sessions: plaintext, pace: 1s, undeclared: yes } } }\n"
	    "  - { id: d, accept: { pgbouncer: both }, may-refuse: { web: \"asleep: at night\" } }\n"
	    "  - { id: e, accept: { pgbouncer: both }, may-refuse: [web -> pgbouncer], reason: asleep }\n",
	    "p from unknown unknown\n"
	    "row 0+2 both $(x) × 2\n"
	    "row 2+1 drain plaintext from postgres\n"
	    "row 3+1 drain plaintext from pgbouncer\n"
	    "row 4+1 pgbouncer accepts both\n"
	    "row 5+1 pgbouncer accepts both\n"
	    "a [0]: run do $(step)\n"
	    "   run on 1 do $(step) | undo \"it\" | /srv\n"
	    "b [0]: look: here\n"
	    "   run on 0 look | - | -\n"
	    "c [1]: drain plaintext from postgres\n"
	    "   drain postgres every 200 ms\n"
	    "   ? new connections of pgbouncer -> postgres\n"
	    "c2 [2]: drain plaintext from pgbouncer\n"
	    "   drain pgbouncer every 1000 ms, undeclared too\n"
	    "   ? new connections of web -> pgbouncer\n"
	    "d [3]: pgbouncer accepts both\n"
	    "   accept pgbouncer 1\n"
	    "   = served pgbouncer\n"
	    "   may refuse web -> pgbouncer: asleep: at night\n"
	    "e [4]: pgbouncer accepts both\n"
	    "   accept pgbouncer 1\n"
	    "   = served pgbouncer\n"
	    "   may refuse web -> pgbouncer: asleep\n");
}

static void
a_steps_own_policy_on_faults_wins(void **state)
{
	(void)state;
	expect_plan("belay: plan/1\nname: p\non-fault: undo\nsteps:\n"
	    "  - { id: a, run: { on: web, run: x, read-only: yes }, on-fault: pause }\n"
	    "  - { id: b, run: { on: web, run: y, read-only: yes } }\n",
	    "p from unknown unknown\n"
	    "row 0+1 run x\n"
	    "row 1+1 run y\n"
	    "a [0]: run x\n"
	    "   run on 1 x | - | -\n"
	    "b [1]: run y, undone on a fault\n"
	    "   run on 1 y | - | -\n");
	expect_plan(PLAN
	    "  - { id: a, run: { on: web, run: x, read-only: yes }, on-fault: undo }\n"
	    "  - { id: b, run: { on: web, run: y, read-only: yes } }\n",
	    "p from unknown unknown\n"
	    "row 0+1 run x\n"
	    "row 1+1 run y\n"
	    "a [0]: run x, undone on a fault\n"
	    "   run on 1 x | - | -\n"
	    "b [1]: run y\n"
	    "   run on 1 y | - | -\n");
}

static void
selectors_expand_in_the_fleets_order(void **state)
{
	(void)state;
	expect_plan(PLAN
	    "  - { id: \"a-$(n)\", for: { n: [1, 2] }, dial: { web -> pgbouncer: require } }\n"
	    "  - { id: \"b-$(c)\", for: { c: clients(postgres) }, dial: { \"$(c) -> postgres\": prefer } }\n"
	    "  - { id: c, for: { l: links(pgbouncer) }, dial: { \"$(l)\": allow } }\n",
	    "p from unknown unknown\n"
	    "row 0+2 a-$(n) × 2\n"
	    "row 2+1 pgbouncer -> postgres dials prefer\n"
	    "row 3+1 web -> pgbouncer dials allow\n"
	    "a-1 [0]: web -> pgbouncer dials require\n"
	    "   dial web -> pgbouncer 3\n"
	    "   ? rehearsal of web -> pgbouncer as require\n"
	    "   = written web -> pgbouncer\n"
	    "   = sessions of web -> pgbouncer\n"
	    "a-2 [0]: web -> pgbouncer dials require\n"
	    "   dial web -> pgbouncer 3\n"
	    "   ? rehearsal of web -> pgbouncer as require\n"
	    "   = written web -> pgbouncer\n"
	    "   = sessions of web -> pgbouncer\n"
	    "b-pgbouncer [1]: pgbouncer -> postgres dials prefer\n"
	    "   dial pgbouncer -> postgres 2\n"
	    "   ? rehearsal of pgbouncer -> postgres as prefer\n"
	    "   = written pgbouncer -> postgres\n"
	    "c [2]: web -> pgbouncer dials allow\n"
	    "   dial web -> pgbouncer 1\n"
	    "   ? rehearsal of web -> pgbouncer as allow\n"
	    "   = written web -> pgbouncer\n");
}

static void
tags_select_endpoints_to_move(void **state)
{
	struct fleet *f = fleet_of("f", "belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints:\n"
	    "  \"p$(n)\":\n"
	    "    for: { n: [1, 2] }\n"
	    "    tags: [db]\n"
	    "    kind: postgres\n"
	    "    unit: u\n"
	    "    listen: { both: 5432 }\n"
	    "    accept: { file: /e, set: { MODE: \"$(accept)\" } }\n");
	struct plan *p = plan_of(f, "p", PLAN "  - { id: a, accept: { tag:db: tls } }\n"
	    "  - { id: \"b-$(e)\", for: { e: tag:db }, accept: { \"$(e)\": plain } }\n");

	(void)state;
	assert_int_equal(p->nsteps, 3);
	assert_int_equal(p->steps[0].nmoves, 2);
	assert_int_equal(p->steps[0].moves[1].subject, 1);
	assert_string_equal(p->steps[2].id, "b-p2");
	assert_string_equal(f->endpoints[1].accept[ACCEPT_TLS].v[0].set.v[0].value, "tls");
	assert_false(f->endpoints[1].accept[ACCEPT_MUTUAL].bound);
	expect_round_trip(f, p);
	plan_free(p);
	fleet_free(f);
}

static void
a_step_that_moves_something_requires_the_proof(void **state)
{
	struct fleet *f;
	struct plan *p;
	size_t i, k, n;

	(void)state;
	load("box", &f, &p);
	for (i = 0; i < p->nsteps; i++) {
		for (k = n = 0; k < p->steps[i].nrequires; k++)
			n += p->steps[i].requires[k].kind == CHECK_PROOF && p->steps[i].requires[k].implied;
		assert_int_equal(n, p->steps[i].nmoves > 0);
	}
	plan_free(p);
	fleet_free(f);
}

/* A dial is shown by what the client's evidence can show, and else by nothing. */
static void
evidence_decides_what_shows_a_dial(void **state)
{
	struct fleet *f = fleet_of("f", "belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints: { p: { kind: postgres, unit: u, listen: { both: 5432 } } }\n"
	    "clients:\n"
	    "  job: { unit: u, evidence: rehearsal, links: { p: { dial: { file: /e, set: { M: \"$(dial)\" } } } } }\n");
	struct plan *p = plan_of(f, "p", PLAN "  - { id: a, dial: { job -> p: require } }\n");
	const struct step *s = &p->steps[0];

	(void)state;
	assert_int_equal(s->ngates, 2);
	assert_int_equal(s->gates[0].kind, CHECK_DIAL_SET);
	assert_int_equal(s->gates[0].dial, DIAL_REQUIRE);
	assert_int_equal(s->gates[1].kind, CHECK_REHEARSAL);
	assert_int_equal(s->gates[1].dial, DIAL_UNKNOWN);
	assert_null(s->gates[1].not_yet);
	assert_null(s->not_yet);
	/* And whatever shows it afterwards, it is tried before. */
	assert_int_equal(s->requires[0].kind, CHECK_REHEARSAL);
	assert_int_equal(s->requires[0].dial, DIAL_REQUIRE);
	assert_int_equal(s->requires[0].trust, NONE);
	plan_free(p);
	fleet_free(f);
}

static void
a_step_on_what_is_not_built_says_so(void **state)
{
	struct fleet *f;
	struct plan *p;

	(void)state;
	load("box", &f, &p);
	assert_null(p->steps[plan_step(p, "certs")].not_yet);
	assert_null(p->steps[plan_step(p, "transition")].not_yet);
	assert_null(p->steps[plan_step(p, "flip")].not_yet);
	assert_null(p->steps[plan_step(p, "drain")].not_yet);
	assert_int_equal(p->not_yet.n, 0);
	plan_free(p);
	fleet_free(f);

	load("managed", &f, &p);
	assert_non_null(p->steps[plan_step(p, "pg-tls")].not_yet);
	plan_free(p);
	fleet_free(f);

	load("kubernetes", &f, &p);
	assert_non_null(p->steps[0].not_yet);
	assert_non_null(p->steps[1].not_yet);
	assert_string_equal(p->groups[1].title, "$(d)-both × 14");
	plan_free(p);
	fleet_free(f);
}

/* What leaked is replaced at once, proven as a renewal is, and is not put back by itself. */
static void
certificate_that_leaked_is_replaced(void **state)
{
	char *fleet = read_file("plans/box.fleet.yaml"), *text = read_file("plans/replace-leaf.plan.yaml"), *by_itself;
	struct fleet *f;
	struct plan *p = NULL;
	struct err err;
	size_t i, k;

	(void)state;
	if (fleet_parse(&f, "box", fleet, strlen(fleet), &err) != 0 || plan_parse(&p, f, "replace", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(p->steps[0].moves[0].replace);
	assert_false(p->steps[0].moves[0].renew);
	assert_string_equal(p->steps[0].title, "replace certificate internal");
	expect_round_trip(f, p);
	for (i = 0, k = 0; i < p->steps[0].ngates; i++)
		k += p->steps[0].gates[i].kind == CHECK_PRESENTS;
	assert_int_equal(k, 1);
	plan_free(p);
	by_itself = mem_printf("%son-fault: undo\n", text);
	assert_int_equal(plan_parse(&p, f, "replace", by_itself, strlen(by_itself), &err), -1);
	assert_non_null(strstr(err.msg, "replaces a key that leaked, and its undo by itself would put that back, expected 'on-fault: pause'"));
	free(by_itself);
	fleet_free(f);
	free(fleet);
	free(text);
}

static void
a_ca_may_give_way_to_another_at_restarts(void **state)
{
	char *fleet = read_file("plans/compose.fleet.yaml"), *text = read_file("plans/rotate-ca-at-restart.plan.yaml");
	struct fleet *f;
	struct plan *p = NULL;
	struct proof proof;
	struct err err;

	(void)state;
	if (fleet_parse(&f, "compose", fleet, strlen(fleet), &err) != 0 || plan_parse(&p, f, "rotate", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	expect_round_trip(f, p);
	proof_run(&proof, f, p, NULL, 0);
	assert_int_equal(proof.ncounters, 0);
	proof_release(&proof);
	plan_free(p);
	fleet_free(f);
	free(fleet);
	free(text);
}

static void
a_ca_may_give_way_to_another(void **state)
{
	char *fleet = read_file("plans/box.fleet.yaml"), *text = read_file("plans/rotate-ca.plan.yaml");
	struct fleet *f;
	struct plan *p = NULL;
	struct err err;

	(void)state;
	if (fleet_parse(&f, "box", fleet, strlen(fleet), &err) != 0 || plan_parse(&p, f, "rotate", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(p->steps[0].title, "app -> audit-pg trusts internal and next");
	assert_string_equal(p->steps[0].id, "both-app.audit-pg");
	assert_string_equal(p->steps[2].title, "app -> audit-pg trusts next");
	expect_round_trip(f, p);
	plan_free(p);
	fleet_free(f);
	free(fleet);
	free(text);
}

static void
certificates_may_be_installed_already_and_renewed(void **state)
{
	char *fleet = read_file("plans/box.fleet.yaml"), *text = read_file("plans/renew-leaf.plan.yaml");
	struct posture at;
	struct fleet *f;
	struct plan *p = NULL;
	struct err err;
	size_t i, k;

	(void)state;
	if (fleet_parse(&f, "box", fleet, strlen(fleet), &err) != 0 || plan_parse(&p, f, "renew", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(p->steps[0].moves[0].renew);
	assert_string_equal(p->steps[0].title, "renew certificate internal");
	assert_int_equal(p->from_certs.n, 1);
	expect_round_trip(f, p);
	/* By a handshake at each endpoint that is activated. */
	for (i = 0, k = 0; i < p->steps[0].ngates; i++)
		if (p->steps[0].gates[i].kind == CHECK_PRESENTS) {
			assert_string_equal(p->steps[0].gates[i].name, "audit-pg presents internal");
			k++;
		}
	assert_int_equal(k, 1);
	posture_from(&at, f, p);
	assert_int_equal(at.cert[0], 0);
	for (i = 0; i < f->nlinks; i++)
		assert_int_equal(at.trust[i], f->links[i].trust_cert);
	posture_release(&at);
	plan_free(p);
	fleet_free(f);
	free(fleet);
	free(text);
}

static void
a_renewal_that_takes_a_restart_names_it(void **state)
{
	char *fleet = read_file("plans/compose.fleet.yaml"), *text = read_file("plans/renew-at-restart.plan.yaml");
	struct fleet *f = fleet_of("compose", fleet);
	struct plan *p = plan_of(f, "renew", text);
	size_t i, k;

	(void)state;
	expect_round_trip(f, p);
	assert_int_equal(p->steps[0].activates.n, 1);
	assert_string_equal(f->units[p->steps[0].activates.v[0]].name, "db-stack");
	for (i = k = 0; i < p->steps[0].ngates; i++)
		k += p->steps[0].gates[i].kind == CHECK_PRESENTS;
	assert_int_equal(k, 3);
	plan_free(p);
	fleet_free(f);
	free(fleet);
	free(text);
}

static const char landing_fleet[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, far: { ssh: far } }\n"
    "units: { stack: { host: db, run: restart }, redis: { host: far, run: restart } }\n"
    "certs:\n"
    "  ours: { serves: [pg, pool, redis], lands: activation, install: [ { env: { on: [db, far], file: /env, set: { K: \"$(key.b64)\" } } } ] }\n"
    "  files: { serves: [pg], dir: /tls }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: stack, listen: { both: 5432 }, names: [db], accept: { file: /env, set: { PG: \"$(accept)\" } } }\n"
    "  pool: { kind: pgbouncer, unit: stack, listen: { both: 6432 }, names: [db], accept: { file: /env, set: { POOL: \"$(accept)\" } } }\n"
    "  redis: { kind: redis, unit: redis, listen: { plain: 6379, tls: 6380 }, names: [far], accept: { file: /env, set: { R: \"$(accept)\" } } }\n";

/* "STEP: ENDPOINT presents CERT, …" for each step that has such a check. */
static char *
presented(const char *from, const char *steps)
{
	struct fleet *f = fleet_of("fleet", landing_fleet);
	char *text = mem_printf("belay: plan/1\nname: p\nfrom: { accept: %s }\nsteps:\n%s", from, steps);
	struct plan *p = plan_of(f, "plan", text);
	struct buf b;
	size_t i, k, n;

	expect_round_trip(f, p);
	buf_init(&b, 0);
	(void)buf_puts(&b, "");
	for (i = 0; i < p->nsteps; i++) {
		for (k = n = 0; k < p->steps[i].ngates; k++)
			if (p->steps[i].gates[k].kind == CHECK_PRESENTS) {
				assert_true(p->steps[i].gates[k].implied);
				if (n++ == 0)
					buf_printf(&b, "%s:", p->steps[i].id);
				buf_printf(&b, " %s,", p->steps[i].gates[k].name);
			}
		if (n > 0)
			buf_puts(&b, "\n");
	}
	plan_free(p);
	fleet_free(f);
	free(text);
	return buf_take(&b, NULL);
}

static void
expect_presented(const char *from, const char *steps, const char *want)
{
	char *got = presented(from, steps);

	assert_string_equal(got, want);
	free(got);
}

static void
what_lands_later_is_shown_by_the_step_that_takes_it_up(void **state)
{
	(void)state;
	/* A restart that nobody can see it by shows nothing; the next one with TLS does, once. */
	expect_presented("plain",
	    "  - { id: certs, certs: { ours: install } }\n"
	    "  - { id: again, activate: [stack] }\n"
	    "  - { id: pg, accept: { pg: both } }\n"
	    "  - { id: pool, accept: { pool: both } }\n"
	    "  - { id: last, activate: stack }\n"
	    "  - { id: redis, accept: { redis: both } }\n",
	    "pg: pg presents ours,\npool: pool presents ours,\nredis: redis presents ours,\n");
	/* Of a start that nobody told it is asked again where it is told. */
	expect_presented("tls",
	    "  - { id: certs, certs: { ours: install } }\n"
	    "  - { id: pg, accept: { pg: both } }\n",
	    "pg: pg presents ours, pool presents ours,\n");
	/* What may be left out has shown nothing. */
	expect_presented("tls",
	    "  - { id: certs, certs: { ours: install } }\n"
	    "  - { id: maybe, accept: { pg: both }, optional: yes }\n"
	    "  - { id: pg, accept: { pg: tls } }\n",
	    "maybe: pg presents ours, pool presents ours,\npg: pg presents ours, pool presents ours,\n");
	/* Each installation is shown; a restart without one has nothing to show. */
	expect_presented("tls",
	    "  - { id: before, activate: [stack, redis] }\n"
	    "  - { id: certs, certs: { ours: install }, activate: [stack] }\n"
	    "  - { id: new, certs: { ours: renew } }\n"
	    "  - { id: up, activate: [redis, stack] }\n",
	    "certs: pg presents ours, pool presents ours,\n"
	    "up: pg presents ours, pool presents ours, redis presents ours,\n");
	/* Where another one came later it is that one's to show. */
	expect_presented("tls",
	    "  - { id: a, certs: { ours: install } }\n"
	    "  - { id: b, certs: { files: install } }\n"
	    "  - { id: up, activate: [stack] }\n",
	    "b: pg presents files, pool presents ours,\n");
	/* One that does not wait for an activation is shown where it is written. */
	expect_presented("tls", "  - { id: files, certs: { files: install } }\n  - { id: up, activate: [stack] }\n",
	    "files: pg presents files,\n");
}

static void
a_step_names_units_that_it_activates(void **state)
{
	static const struct { const char *steps, *says; } bad[] = {
		{ "  - { id: a, activate: [pg] }\n", "plan:5:25: unknown unit 'pg', expected one of: stack, redis" },
		{ "  - { id: a, activate: [stack, stack] }\n", "plan:5:32: 'stack' twice, expected each unit once" },
		{ "  - { id: a, activate: { stack: yes } }\n", "plan:5:24: a mapping, expected the name of a unit" },
		{ "  - { id: a }\n", "plan:5:5: the step 'a' moves nothing, expected one of: certs, trust, dial, accept, present, drain, run, exercise, activate" },
	};
	struct fleet *f = fleet_of("fleet", landing_fleet);
	struct plan *p;
	struct err err;
	char *text;
	size_t i;

	(void)state;
	p = plan_of(f, "plan", "belay: plan/1\nname: p\nsteps:\n  - { id: a, certs: { ours: renew }, activate: [redis, stack] }\n");
	assert_string_equal(p->steps[0].title, "renew certificate ours; activate redis; activate stack");
	assert_int_equal(p->steps[0].activates.n, 2);
	plan_free(p);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = mem_printf("belay: plan/1\nname: p\nfrom: { accept: tls }\nsteps:\n%s", bad[i].steps);
		assert_int_equal(plan_parse(&p, f, "plan", text, strlen(text), &err), -1);
		if (strncmp(err.msg, bad[i].says, strlen(bad[i].says)) != 0)
			fail_msg("%s, expected %s", err.msg, bad[i].says);
		free(text);
	}
	fleet_free(f);
}

static void
spoilt_plans_are_refused_or_read(void **state)
{
	static const char spoil[] = "{}[]:,\"'$(-\n #x";
	struct fleet *f;
	struct plan *p, *q;
	struct err err;
	size_t at, len;
	char *text, was;

	(void)state;
	load("compose", &f, &p);
	text = read_file("plans/compose.plan.yaml");
	len = strlen(text);
	for (at = 0; at < len; at += 3) {
		if (plan_parse(&q, f, "p", text, at, &err) == 0)
			plan_free(q);
		was = text[at];
		text[at] = spoil[at % (sizeof(spoil) - 1)];
		if (plan_parse(&q, f, "p", text, len, &err) == 0) {
			expect_round_trip(f, q);
			plan_free(q);
		} else
			assert_memory_equal(err.msg, "p:", 2);
		text[at] = was;
	}
	free(text);
	plan_free(p);
	plan_free(NULL);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_plans_parse_and_print_to_themselves),
		cmocka_unit_test(certificates_may_be_installed_already_and_renewed),
		cmocka_unit_test(a_ca_may_give_way_to_another),
		cmocka_unit_test(certificate_that_leaked_is_replaced),
		cmocka_unit_test(a_ca_may_give_way_to_another_at_restarts),
		cmocka_unit_test(the_compose_plan_in_short),
		cmocka_unit_test(the_mutual_plans_in_short),
		cmocka_unit_test(the_manuals_examples_parse),
		cmocka_unit_test(a_check_means_the_endpoint_that_the_step_moves),
		cmocka_unit_test(going_back_to_plaintext_is_a_plan_too),
		cmocka_unit_test(commands_drains_excuses_and_rows),
		cmocka_unit_test(a_steps_own_policy_on_faults_wins),
		cmocka_unit_test(selectors_expand_in_the_fleets_order),
		cmocka_unit_test(tags_select_endpoints_to_move),
		cmocka_unit_test(a_step_that_moves_something_requires_the_proof),
		cmocka_unit_test(evidence_decides_what_shows_a_dial),
		cmocka_unit_test(a_step_on_what_is_not_built_says_so),
		cmocka_unit_test(a_renewal_that_takes_a_restart_names_it),
		cmocka_unit_test(what_lands_later_is_shown_by_the_step_that_takes_it_up),
		cmocka_unit_test(a_step_names_units_that_it_activates),
		cmocka_unit_test(spoilt_plans_are_refused_or_read),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
