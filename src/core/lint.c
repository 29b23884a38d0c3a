/*
 * lint: see lint.h.
 *
 * Owns the list of findings: their names, their order, and that one place is
 * told once.  What there is to be said is found in lint_fleet.c (by the fleet alone),
 * lint_plan.c (by walking the plan) and lint_restarts.c (by comparing steps).
 */
#include "core/lint.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/lint_int.h"
#include "core/mem.h"

/* More of them than these are counted, not named. */
#define OTHERS_NAMED_MAX 3

const char *const lint_names[] = {
	[LINT_VALUES_DIFFER] = "values-differ",
	[LINT_NAME_NOT_COVERED] = "name-not-covered",
	[LINT_WARNING_TOO_LONG] = "warning-too-long",
	[LINT_UNSEEN] = "unseen",
	[LINT_NO_EVIDENCE] = "no-evidence",
	[LINT_MAY_OVERLAP] = "may-overlap",
	[LINT_REDIS_ONE_PORT] = "redis-one-port",
	[LINT_MUTUAL_ON_POOLER] = "mutual-on-pooler", [LINT_OWN_CERTIFICATE] = "own-certificate",
	[LINT_CHANGES_NOTHING] = "changes-nothing",
	[LINT_GOAL_PLAINTEXT] = "goal-plaintext",
	[LINT_GOAL_UNVERIFIED] = "goal-unverified",
	[LINT_GOAL_CHAIN_ONLY] = "goal-chain-only",
	[LINT_REQUIRE_VERIFIES] = "require-verifies",
	[LINT_VERIFY_WITHOUT_TRUST] = "verify-without-trust",
	[LINT_NOT_OURS_TO_MOVE] = "not-ours-to-move",
	[LINT_EXPIRES_IN_PLAN] = "expires-in-plan",
	[LINT_WARNS_IN_PLAN] = "warns-in-plan",
	[LINT_RESTARTS] = "restarts",
	[LINT_DRAIN_TOO_EARLY] = "drain-too-early",
	[LINT_DRAIN_NEEDLESS] = "drain-needless",
	[LINT_DRAIN_BESIDE] = "drain-beside",
	[LINT_DRAIN_STAYS] = "drain-stays",
	[LINT_NEVER_LANDS] = "never-lands",
	[LINT_NAME_COUNT] = NULL,
};

const char *
lint_level_word(enum lint_level level)
{
	return level == LINT_WARN ? "warning" : "note";
}

static bool
same_place(const struct lint *l, enum lint_level level, const char *name, bool in_plan, struct pos pos)
{
	return l->level == level && l->name == name && l->in_plan == in_plan &&
	    l->pos.line == pos.line && l->pos.col == pos.col;
}

void
lint_add(struct linter *l, enum lint_level level, enum lint_name name, bool in_plan,
    struct pos pos, const char *subject, const char *fmt, ...)
{
	struct finding *found;
	va_list ap;
	size_t i;

	for (i = 0; i < l->n; i++)
		if (same_place(&l->v[i].lint, level, lint_names[name], in_plan, pos)) {
			*(char **)mem_push(&l->v[i].others.v, &l->v[i].others.n, sizeof(char *)) =
			    mem_strdup(subject);
			return;
		}
	found = mem_push(&l->v, &l->n, sizeof(*found));
	found->lint.level = level;
	found->lint.name = lint_names[name];
	found->lint.in_plan = in_plan;
	found->lint.pos = pos;
	va_start(ap, fmt);
	found->lint.text = mem_vprintf(fmt, ap);
	va_end(ap);
}

/* "…; the same of 'b', 'c', 'd' and 10 more" */
static void
name_others(struct finding *found)
{
	const struct strings *o = &found->others;
	struct buf b;
	size_t i;

	if (o->n == 0)
		return;
	buf_init(&b, 0);
	buf_printf(&b, "%s; the same of", found->lint.text);
	for (i = 0; i < o->n && i < OTHERS_NAMED_MAX; i++)
		buf_printf(&b, "%s '%s'", i == 0 ? "" : i == o->n - 1 ? " and" : ",", o->v[i]);
	if (o->n > OTHERS_NAMED_MAX)
		buf_printf(&b, " and %zu more", o->n - OTHERS_NAMED_MAX);
	free(found->lint.text);
	found->lint.text = buf_take(&b, NULL);
}

static int
by_place(const void *a, const void *b)
{
	const struct lint *x = &((const struct finding *)a)->lint;
	const struct lint *y = &((const struct finding *)b)->lint;
	int order;

	if (x->in_plan != y->in_plan)
		return x->in_plan ? 1 : -1;
	if (x->pos.line != y->pos.line)
		return x->pos.line < y->pos.line ? -1 : 1;
	if (x->pos.col != y->pos.col)
		return x->pos.col < y->pos.col ? -1 : 1;
	order = strcmp(x->name, y->name);
	return order != 0 ? order : (int)y->level - (int)x->level;
}

void
lint_run(struct lints *ret, const struct fleet *f, const struct plan *plan)
{
	struct linter l = { .f = f, .p = plan };
	size_t i, k;

	memset(ret, 0, sizeof(*ret));
	lint_fleet(&l);
	if (plan != NULL) {
		lint_plan(&l);
		lint_restarts(&l);
	}
	if (l.n > 0)
		qsort(l.v, l.n, sizeof(*l.v), by_place);
	for (i = 0; i < l.n; i++) {
		name_others(&l.v[i]);
		*(struct lint *)mem_push(&ret->v, &ret->n, sizeof(*ret->v)) = l.v[i].lint;
		for (k = 0; k < l.v[i].others.n; k++)
			free(l.v[i].others.v[k]);
		free(l.v[i].others.v);
	}
	free(l.v);
}

void
lints_release(struct lints *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i].text);
	free(l->v);
	memset(l, 0, sizeof(*l));
}
