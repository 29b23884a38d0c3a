/*
 * proof_order: see proof_int.h.  Owns the search for the nearest change of
 * order that frees a link and strands no other: it tries one, and walks the
 * links that it concerns.
 */
#include "core/proof_int.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define FIX_WALKS 20000	/* how many links are walked for one at most */

static bool
concerns(const struct events *events, int step)
{
	size_t i;

	for (i = 0; i < events->n; i++)
		if (events->v[i].step == step)
			return true;
	return false;
}

/* The link is free, or, where it was not and need not be, no worse off. */
static bool
is_free(struct walk *w, const struct found *found, int link, bool must, size_t *budget)
{
	struct found f;
	bool ok;

	if (*budget == 0)
		return false;
	(*budget)--;
	walk_link(w, link, &f);
	ok = f.counter == NULL && (f.excused == NULL || (!must && found[link].excused != NULL));
	counter_free(f.counter);
	counter_free(f.excused);
	return ok;
}

/* What a link goes through, itself included: the pooler's own links, and what is behind those. */
static void
mark_behind(const struct fleet *f, int link, bool *behind)
{
	size_t c, i;

	if (behind[link])
		return;
	behind[link] = true;
	for (c = 0; c < f->nclients; c++)
		for (i = 0; f->clients[c].pools == f->links[link].endpoint && i < f->clients[c].links.n; i++)
			mark_behind(f, f->clients[c].links.v[i], behind);
}

/* Under the order that is tried the link is free, and every other that the moved step concerns no worse off. */
static bool
frees(struct walk *w, const int *order, int moved, const struct found *found, const bool *behind,
    size_t *budget)
{
	size_t l;

	set_order(w, order);
	/* The link itself first: it decides most often. */
	for (l = 0; l < w->f->nlinks; l++)
		if (behind[l] && !is_free(w, found, (int)l, true, budget))
			return false;
	for (l = 0; l < w->f->nlinks; l++) {
		const struct link *link = &w->f->links[l];

		if (behind[l] || found[l].counter != NULL)
			continue;
		if (!concerns(&w->by_link[l], moved) && !concerns(&w->by_endpoint[link->endpoint], moved) &&
		    !(link->trust_lands && link->trust_cert != NONE &&
		    concerns(&w->by_cert[link->trust_cert], moved)))
			continue;
		if (!is_free(w, found, (int)l, false, budget))
			return false;
	}
	return true;
}

static void
shift(int *order, size_t n, size_t from, size_t to)
{
	int step = order[from];

	(void)n;
	for (; from < to; from++)
		order[from] = order[from + 1];
	for (; from > to; from--)
		order[from] = order[from - 1];
	order[to] = step;
}

/* Two moves of one thing: in another order the plan would end in another posture. */
static bool
same_thing(const struct fleet *f, const struct move *a, const struct move *b)
{
	const struct indices *x, *y;
	size_t i, k;

	if (a->facet != b->facet || a->facet != FACET_CERT)
		return a->facet == b->facet && a->subject == b->subject;
	x = &f->certs[a->subject].serves;
	y = &f->certs[b->subject].serves;
	for (i = 0; i < x->n; i++)
		for (k = 0; k < y->n; k++)
			if (x->v[i] == y->v[k])
				return true;
	return false;
}

static bool
may_pass(const struct walk *w, size_t step, size_t other)
{
	const struct step *a = &w->plan->steps[step], *b = &w->plan->steps[other];
	size_t i, k;

	for (i = 0; i < a->nmoves; i++)
		for (k = 0; k < b->nmoves; k++)
			if (same_thing(w->f, &a->moves[i], &b->moves[k]))
				return false;
	return true;
}

/* Whether the step at `from` may go to `to`, past all that stand between. */
static bool
may_shift(const struct walk *w, size_t from, size_t to)
{
	size_t i;

	for (i = from < to ? from + 1 : to; i < (from < to ? to + 1 : from); i++)
		if (!may_pass(w, from, i))
			return false;
	return true;
}

/* Another step before this one, or this one later: the nearest first. */
void
mend(struct walk *w, const struct found *found, struct counter *c)
{
	size_t n = w->plan->nsteps, d, at, to, i, budget = FIX_WALKS;
	int *order = mem_array(n + 1, sizeof(*order));
	bool *behind = mem_array(w->f->nlinks + 1, sizeof(*behind));
	int way;

	for (i = 0; i < n; i++)
		order[i] = (int)i;
	mark_behind(w->f, c->link, behind);
	at = c->step == NONE ? n : (size_t)c->step;
	for (d = 1; at < n && d < n && c->fix_step == NONE && budget > 0; d++)
		for (way = 0; way < 3 && c->fix_step == NONE; way++) {
			size_t from = way == 1 ? at + d : at;

			/* This one later; a later one before it; this one earlier. */
			to = way == 0 ? at + d : way == 1 ? at : at - d;
			if (from >= n || (way == 2 && at < d + w->first) || to >= n || !may_shift(w, from, to))
				continue;
			shift(order, n, from, to);
			if (frees(w, order, (int)from, found, behind, &budget)) {
				c->fix_step = (int)from;
				c->fix_after = to == 0 ? NONE : order[to - 1];
			}
			shift(order, n, to, from);
		}
	free(behind);
	free(order);
}
