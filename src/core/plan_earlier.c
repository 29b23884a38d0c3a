/*
 * plan_earlier: what a step's way back takes from the steps before it: what undoes a command
 * by value that does not take its value, which is the command of the value that its facet had
 * before, as the plan has it; and whether a client had a CA before.
 *
 * Owns what counts as the same thing done for another value: a command on the same
 * hosts that is observed in the same words.
 */
#include "core/plan.h"

#include <string.h>

#include "core/posture.h"

static bool
same_hosts(const struct indices *a, const struct indices *b)
{
	return a->n == b->n && (a->n == 0 || memcmp(a->v, b->v, a->n * sizeof(*a->v)) == 0);
}

static const struct binding *
binding_of(const struct fleet *f, const struct posture *p, const struct move *move, int *ret_value)
{
	switch (move->facet) {
	case FACET_ACCEPT:
		*ret_value = (int)p->accept[move->subject];
		return *ret_value == ACCEPT_UNKNOWN ? NULL : &f->endpoints[move->subject].accept[*ret_value];
	case FACET_DIAL:
		*ret_value = (int)p->dial[move->subject];
		return *ret_value == DIAL_UNKNOWN ? NULL : &f->links[move->subject].dial[*ret_value];
	case FACET_CERT: case FACET_TRUST: case FACET_PRESENT:
		break;
	}
	return NULL;
}

const struct bedit *
plan_earlier(const struct fleet *f, const struct plan *plan, int step, const struct move *move,
    const struct bedit *command, int *ret_value)
{
	const struct binding *b;
	struct posture p;
	int i, value;
	size_t k;

	posture_from(&p, f, plan);
	for (i = 0; i < step; i++)
		posture_step(&p, f, &plan->steps[i]);
	b = binding_of(f, &p, move, &value);
	posture_release(&p);
	for (k = 0; b != NULL && k < b->n; k++)
		if (b->v[k].kind == EDIT_RUN && b->v[k].by_value && b->v[k].value == NULL &&
		    strcmp(b->v[k].observe, command->observe) == 0 && same_hosts(&b->v[k].on, &command->on)) {
			*ret_value = value;
			return &b->v[k];
		}
	return NULL;
}

const struct bedit *
plan_cannot_go_back(const struct fleet *f, const struct plan *plan, int step, const struct move *move)
{
	const struct binding *b;
	size_t i;
	int value;

	if (move->facet == FACET_ACCEPT)
		b = &f->endpoints[move->subject].accept[move->value];
	else if (move->facet == FACET_DIAL)
		b = &f->links[move->subject].dial[move->value];
	else
		return NULL;
	for (i = 0; i < b->n; i++)
		if (b->v[i].kind == EDIT_RUN && b->v[i].by_value && b->v[i].value == NULL && b->v[i].not_yet == NULL &&
		    plan_earlier(f, plan, step, move, &b->v[i], &value) == NULL)
			return &b->v[i];
	return NULL;
}

/* By a step before it that nobody skips, or by the posture that the plan begins with. */
static bool
had_ca(const struct fleet *f, const struct plan *plan, int step, int link)
{
	const struct step *s;
	size_t k;
	int i;

	for (k = 0; k < plan->from_certs.n; k++)
		if (link_may_trust(f, &f->links[link], plan->from_certs.v[k]))
			return true;
	for (i = 0; i < step; i++) {
		s = &plan->steps[i];
		for (k = 0; k < s->nmoves && !s->optional; k++)
			if (s->moves[k].facet == FACET_TRUST && (s->moves[k].subject == link ||
			    links_share_trust(f, &f->links[link], &f->links[s->moves[k].subject])))
				return true;
	}
	return false;
}

bool
plan_trust_goes_last(const struct fleet *f, const struct plan *plan, int step, int link)
{
	return !had_ca(f, plan, step, link);
}
