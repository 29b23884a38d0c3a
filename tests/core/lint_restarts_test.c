/*
 * What lint suggests of restarts is followed to the letter, for random plans
 * from fixed seeds, and then proven: the plan that comes of it restarts the unit as
 * often as was said, and strands no link that the first one did not strand.
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
#include "core/lint.h"
#include "core/proof.h"

#define PLANS 4000
#define SUGGESTIONS_MIN 800	/* of so many plans: fewer, and the test tests little */

static const char fleet_text[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, web: { ssh: web } }\n"
    "units: { stack: { host: db, run: restart }, web: { host: web, run: restart } }\n"
    "certs: { ours: { serves: [pg, pool, redis], dir: /tls, lands: activation } }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: stack, listen: { both: 5432 }, names: [db], accept: { file: /env, set: { PG: \"$(accept)\" } } }\n"
    "  pool: { kind: pgbouncer, unit: stack, listen: { both: 6432 }, names: [db], accept: { file: /env, set: { POOL: \"$(accept)\" } } }\n"
    "  redis: { kind: redis, unit: stack, listen: { plain: 6379, tls: 6380 }, names: [db], accept: { file: /env, set: { REDIS: \"$(accept)\" } } }\n"
    "clients:\n"
    "  pool:\n"
    "    unit: stack\n"
    "    links: { pg: { match: { address: 127.0.0.1 }, trust: { ca: ours, file: /ca, lands: activation }, dial: { file: /env, set: { LEG: \"$(dial)\" } } } }\n"
    "  job:\n"
    "    unit: stack\n"
    "    links: { redis: { match: { user: job }, trust: { ca: ours, file: /ca, lands: activation }, dial: { file: /env, set: { JOB: \"$(dial)\" } } } }\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pool: { match: { user: web }, trust: { ca: ours, file: /ca }, dial: { file: /env, set: { DB: \"$(dial)\" } } }\n"
    "      redis: { match: { user: web }, trust: { ca: ours, file: /ca }, dial: { file: /env, set: { R: \"$(dial)\" } } }\n";

/* The moves that plans are made of, in an order that is safe. */
enum kind_of_move { INSTALL, ACCEPTS, FLIP };
static const struct atom {
	enum kind_of_move kind;
	const char *subject, *value;
	bool	 stack;		/* restarts the unit at hand */
} atoms[] = {
	{ INSTALL, "ours", "install", false },
	{ ACCEPTS, "pg", "both", true },
	{ FLIP, "pool -> pg", "verify-ca", true },
	{ ACCEPTS, "pool", "both", true },
	{ FLIP, "web -> pool", "verify-full", false },
	{ ACCEPTS, "redis", "both", true },
	{ FLIP, "web -> redis", "require", false },
	{ FLIP, "job -> redis", "require", true },
	{ ACCEPTS, "pool", "tls", true },
	{ ACCEPTS, "pg", "tls", true },
	{ ACCEPTS, "redis", "tls", true },
};
#define ATOMS (sizeof(atoms) / sizeof(atoms[0]))

struct one {			/* a step */
	char	 id[16];
	size_t	 atom[ATOMS], n;
	bool	 optional;
	int	 soak_s;
};

struct many {
	struct one v[ATOMS];
	size_t	 n;
};

static unsigned
roll(uint64_t *seed, unsigned sides)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(*seed >> 33) % sides;
}

static bool
holds(const struct one *s, const char *subject)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(atoms[s->atom[i]].subject, subject) == 0)
			return true;
	return false;
}

/* The atoms in the safe order with some neighbours swapped, now and then two in one step. */
static void
random_plan(struct many *p, uint64_t *seed)
{
	size_t order[ATOMS], i, k;
	unsigned swaps = roll(seed, 14);

	for (i = 0; i < ATOMS; i++)
		order[i] = i;
	while (swaps-- > 0) {
		i = roll(seed, ATOMS - 1);
		k = order[i];
		order[i] = order[i + 1];
		order[i + 1] = k;
	}
	p->n = 0;
	for (i = 0; i < ATOMS; i++) {
		if (p->n == 0 || roll(seed, 8) != 0 || holds(&p->v[p->n - 1], atoms[order[i]].subject)) {
			memset(&p->v[p->n], 0, sizeof(p->v[0]));
			(void)snprintf(p->v[p->n].id, sizeof(p->v[0].id), "s%zu", p->n);
			p->v[p->n].optional = roll(seed, 10) == 0;
			p->v[p->n].soak_s = roll(seed, 6) == 0 ? 60 : 0;
			p->n++;
		}
		p->v[p->n - 1].atom[p->v[p->n - 1].n++] = order[i];
	}
}

static void
put_moves(struct buf *out, const struct one *s, enum kind_of_move kind, const char *key, const char *value)
{
	const char *sep = "";
	size_t i;

	for (i = 0; i < s->n; i++) {
		const struct atom *a = &atoms[s->atom[i]];

		if (a->kind != kind)
			continue;
		buf_printf(out, "%s\"%s\": %s", *sep == '\0' ? key : sep, a->subject, value != NULL ? value : a->value);
		sep = ", ";
	}
	if (*sep != '\0')
		buf_puts(out, " }");
}

static struct plan *
plan_of(const struct fleet *f, const struct many *p)
{
	struct plan *plan;
	struct err err;
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	buf_puts(&b, "belay: plan/1\nname: p\nfrom: { accept: plain, dial: disable }\nsteps:\n");
	for (i = 0; i < p->n; i++) {
		buf_printf(&b, "  - { id: %s", p->v[i].id);
		put_moves(&b, &p->v[i], INSTALL, ", certs: { ", NULL);
		put_moves(&b, &p->v[i], ACCEPTS, ", accept: { ", NULL);
		put_moves(&b, &p->v[i], FLIP, ", trust: { ", "ours");
		put_moves(&b, &p->v[i], FLIP, ", dial: { ", NULL);
		buf_printf(&b, "%s, soak: %ds }\n", p->v[i].optional ? ", optional: yes" : "", p->v[i].soak_s);
	}
	if (plan_parse(&plan, f, "plan", buf_str(&b), b.len, &err) == -1)
		fail_msg("%s\n%s", err.msg, buf_str(&b));
	buf_release(&b);
	return plan;
}

static size_t
restarts(const struct many *p)
{
	size_t i, k, n = 0;

	for (i = 0; i < p->n; i++) {
		bool stack = false;

		for (k = 0; k < p->v[i].n; k++)
			stack |= atoms[p->v[i].atom[k]].stack;
		n += stack;
	}
	return n;
}

/* The id behind the next quote; returns where to go on. */
static const char *
next_id(const char *at, const struct many *p, size_t *ret)
{
	const char *end;

	at = strchr(at, '\'') + 1;
	end = strchr(at, '\'');
	for (*ret = 0; *ret < p->n; (*ret)++)
		if (strlen(p->v[*ret].id) == (size_t)(end - at) &&
		    memcmp(p->v[*ret].id, at, (size_t)(end - at)) == 0)
			return end + 1;
	fail_msg("no such step: %s", at);
	return NULL;
}

/* Does what the words say: "'a', 'b' (optional) and 'c' as one step before 'd'; then 'e' alone at the end (then …". */
static void
follow(const char *text, const struct many *was, struct many *is)
{
	struct many groups = { .n = 0 };
	size_t before[ATOMS], i, k, m;
	bool moved[ATOMS] = { false };
	const char *at = strstr(text, "would do: ") + strlen("would do: "), *end, *place;
	const char *close = strstr(text, " (then proven");

	for (; at < close; at = end + 2) {
		struct one *g = &groups.v[groups.n];

		memset(g, 0, sizeof(*g));
		end = strstr(at, "; then ");
		if (end == NULL)
			end = close;
		place = strstr(at, " as one step");
		if (place == NULL || place > end)
			place = strstr(at, " alone");
		while (strchr(at, '\'') < place) {
			at = next_id(at, was, &i);
			moved[i] = true;
			for (k = 0; k < was->v[i].n; k++)
				g->atom[g->n++] = was->v[i].atom[k];
			if (was->v[i].soak_s > g->soak_s)
				g->soak_s = was->v[i].soak_s;
			if (strchr(at, '\'') == NULL)
				break;
		}
		(void)snprintf(g->id, sizeof(g->id), "g%zu", groups.n);
		before[groups.n] = was->n;
		at = strstr(place, " before ");
		if (at != NULL && at < end)
			(void)next_id(at, was, &before[groups.n]);
		groups.n++;
	}
	is->n = 0;
	for (i = 0; i <= was->n; i++) {
		for (m = 0; m < groups.n; m++)
			if (before[m] == i)
				is->v[is->n++] = groups.v[m];
		if (i < was->n && !moved[i])
			is->v[is->n++] = was->v[i];
	}
}

static void
expect_no_worse(const struct fleet *f, const struct plan *was, const struct plan *is, const char *text)
{
	struct proof a, b;
	size_t i, k;

	proof_run(&a, f, was, NULL, 0);
	proof_run(&b, f, is, NULL, 0);
	for (i = 0; i < b.ncounters; i++) {
		for (k = 0; k < a.ncounters && a.counters[k].link != b.counters[i].link; k++)
			continue;
		if (k == a.ncounters)
			fail_msg("'%s' is stranded where it was not, by: %s",
			    f->links[b.counters[i].link].name, text);
	}
	proof_release(&a);
	proof_release(&b);
}

static void
what_is_suggested_restarts_as_often_as_said_and_strands_nobody(void **state)
{
	struct fleet *f;
	struct err err;
	uint64_t seed = 20;
	size_t i, k, n, suggestions = 0, saved = 0;

	(void)state;
	if (fleet_parse(&f, "fleet", fleet_text, strlen(fleet_text), &err) == -1)
		fail_msg("%s", err.msg);
	for (n = 0; n < PLANS; n++) {
		struct many was, is;
		struct plan *p, *q;
		struct lints l;
		size_t many, few;

		random_plan(&was, &seed);
		p = plan_of(f, &was);
		lint_run(&l, f, p);
		for (i = 0, k = l.n; i < l.n; i++)
			if (strcmp(l.v[i].name, "restarts") == 0)
				k = i;
		if (k < l.n) {
			suggestions++;
			if (sscanf(l.v[k].text, "'stack' is restarted by %zu steps, where %zu would do", &many, &few) != 2)
				fail_msg("%s", l.v[k].text);
			follow(l.v[k].text, &was, &is);
			assert_int_equal(restarts(&was), many);
			assert_int_equal(restarts(&is), few);
			assert_true(few < many);
			saved += many - few;
			q = plan_of(f, &is);
			expect_no_worse(f, p, q, l.v[k].text);
			plan_free(q);
		}
		lints_release(&l);
		plan_free(p);
	}
	print_message("%d plans, %zu suggestions, %zu restarts saved\n", PLANS, suggestions, saved);
	assert_true(suggestions >= SUGGESTIONS_MIN);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_suggested_restarts_as_often_as_said_and_strands_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
