/*
 * plan_own: a step that belay could not take, or not take back, since a server lets it in no more.
 *
 * A PgBouncer or a Redis that demands a certificate of its clients demands it of everybody, and
 * so of belay: its statements and its console are shut to whoever has none.  Postgres demands
 * it by role (pg_hba.conf), and is not concerned.
 *
 * Owns what counts as logging in: a setting by statement, a unit that an endpoint activates by
 * its own console, a drain.  To look is none; the lint says who is not seen any more.
 */
#include "core/plan.h"

#include <stdlib.h>

#include "core/posture.h"

bool
endpoint_shuts_out(const struct endpoint *e, enum accept accept)
{
	return accept == ACCEPT_MUTUAL && e->kind != KIND_POSTGRES && e->probe_cert == NONE && e->not_yet == NULL;
}

static bool
sets(const struct binding *b, int endpoint)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].kind == EDIT_SETTING && b->v[i].endpoint == endpoint)
			return true;
	return false;
}

static bool
move_logs_in(const struct fleet *f, const struct move *m, int endpoint)
{
	const struct link *l;

	switch (m->facet) {
	case FACET_ACCEPT:
		return sets(&f->endpoints[m->subject].accept[m->value], endpoint);
	case FACET_CERT:
		return sets(&f->certs[m->subject].install, endpoint);
	case FACET_DIAL:
		return sets(&f->links[m->subject].dial[m->value], endpoint);
	case FACET_TRUST:
		return sets(&f->links[m->subject].trust, endpoint);
	case FACET_PRESENT:
		break;
	}
	l = &f->links[m->subject];
	return sets(m->value == NONE ? &l->presents.without : &l->presents.with, endpoint);
}

static bool
step_logs_in(const struct fleet *f, const struct step *s, int endpoint)
{
	struct indices units = { 0 };
	bool does = false;
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		does = does || move_logs_in(f, &s->moves[i], endpoint);
	for (i = 0; i < s->ndrains; i++)
		does = does || s->drains[i].endpoint == endpoint;
	step_units(f, s, &units);
	for (i = 0; i < units.n; i++)
		does = does || (f->units[units.v[i]].run == NULL && f->units[units.v[i]].by == endpoint);
	free(units.v);
	return does;
}

int
plan_shuts_out(const struct fleet *f, const struct plan *plan, int *ret_step)
{
	struct posture before, after;
	int endpoint = NONE;
	size_t i, k;

	posture_from(&before, f, plan);
	posture_from(&after, f, plan);
	for (i = 0; i < plan->nsteps && endpoint == NONE; i++) {
		posture_step(&after, f, &plan->steps[i]);
		for (k = 0; k < f->nendpoints && endpoint == NONE; k++)
			if ((endpoint_shuts_out(&f->endpoints[k], before.accept[k]) ||
			    endpoint_shuts_out(&f->endpoints[k], after.accept[k])) &&
			    step_logs_in(f, &plan->steps[i], (int)k)) {
				endpoint = (int)k;
				*ret_step = (int)i;
			}
		posture_step(&before, f, &plan->steps[i]);
	}
	posture_release(&before);
	posture_release(&after);
	return endpoint;
}
