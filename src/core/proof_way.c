/*
 * proof_way: see proof_int.h.  Owns a counter-example, and the way that leads
 * there: steps, what is written, which units have taken it over.
 */
#include "core/proof_int.h"

#include <stdlib.h>

#include "core/mem.h"

static struct way *
push_way(struct counter *c, enum way_what what, int step)
{
	struct way *way = mem_push(&c->way, &c->nway, sizeof(*c->way));

	way->what = what;
	way->step = way->last = step;
	way->move = way->unit = NONE;
	return way;
}

static bool
restarts(const struct fleet *f, int unit)
{
	return unit != NONE && f->units[unit].kind == UNIT_RESTART;
}

/* The step, applied whole, restarts what runs there. */
bool
cuts(const struct walk *w, int step, int unit)
{
	return restarts(w->f, unit) && w->activates[(size_t)step * w->f->nunits + (size_t)unit];
}

/* The moves of a step that are written up to a place, and were not so at the one before. */
static void
way_written(struct counter *c, const struct event *e, size_t n, int after, int upto)
{
	size_t i, k;

	for (i = 0; i < n; i++) {
		if (e[i].place <= after || e[i].place > upto)
			continue;
		for (k = 0; k < i; k++)
			if (e[k].move == e[i].move)
				break;
		if (k == i)
			push_way(c, WAY_WRITTEN, e[i].step)->move = e[i].move;
	}
}

/* And those that are taken back, from the last to the first. */
static void
way_taken_back(struct counter *c, const struct event *e, size_t n, int from, int to)
{
	size_t i, k;

	for (i = n; i-- > 0;) {
		if (e[i].place <= to || e[i].place > from || e[i].last)
			continue;
		for (k = i + 1; k < n && (e[k].move != e[i].move || e[k].place > from); k++)
			continue;
		if (k == n)
			push_way(c, WAY_TAKEN_BACK, e[i].step)->move = e[i].move;
	}
}

/* Something of the step is carried by this side's unit. */
static bool
carries(const struct event *e, size_t n, int s)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (side(e[i].field) == s)
			return true;
	return false;
}

void
way_in_flight(struct walk *w, struct counter *c, int link, const struct event *e, size_t n,
    const int p[2], int front, int back)
{
	const int unit[2] = { client_unit(w->f, link), w->f->endpoints[w->f->links[link].endpoint].unit };
	const int late = p[1] < p[0] ? 0 : 1, order[2] = { 1 - late, late };
	const bool one = unit[0] == unit[1];
	int at = -1, i;

	(void)push_way(c, WAY_BEGUN, e[0].step);
	for (i = 0; i < 2; i++) {
		int s = order[i];

		if (p[s] == KEEPS || unit[s] == NONE || (i == 1 && one))
			continue;
		way_written(c, e, n, at, p[s]);
		at = p[s];
		push_way(c, WAY_IN_FORCE, e[0].step)->unit = unit[s];
		c->delayed = c->delayed && !restarts(w->f, unit[s]);
	}
	way_written(c, e, n, at, front);
	way_taken_back(c, e, n, front, back);
	for (i = 0; i < 2; i++)
		if (p[i] == KEEPS && unit[i] != NONE && (carries(e, n, i) || (one && carries(e, n, 1))) &&
		    !(i == 1 && one))
			push_way(c, WAY_NOT_YET, e[0].step)->unit = unit[i];
}

/* Steps that are applied, by their places, and then those of them that are not. */
static void
way_applied(struct walk *w, struct counter *c, size_t from, size_t until, const bool *skipped)
{
	size_t i;

	if (from >= until)
		return;
	push_way(c, WAY_APPLIED, w->order[from])->last = w->order[until - 1];
	/* An optional step that does not concern the link is neither here nor there: it is left as applied. */
	for (i = from; i < until; i++)
		if (skipped[w->order[i]])
			(void)push_way(c, WAY_SKIPPED, w->order[i]);
}

/*
 * A step on the way in which, or behind which, somebody restarts a unit that
 * it does not activate itself.  at: the place up to which all is told.
 */
static size_t
way_taken_over(struct walk *w, struct counter *c, int link, const struct state *s, size_t at,
    const bool *skipped)
{
	const int unit[2] = { client_unit(w->f, link), w->f->endpoints[w->f->links[link].endpoint].unit };
	const int late = s->took[0] > s->took[1] ? 0 : 1, order[2] = { 1 - late, late };
	const size_t place = (size_t)w->place_of[s->step];
	const struct event *e = w->own.v;
	size_t n, i;
	bool begun = false;
	int done = 0;

	while (e->step != s->step)
		e++;
	for (n = 1; e + n < w->own.v + w->own.n && e[n].step == s->step; n++)
		continue;
	for (i = 0; i < 2; i++) {
		int took = s->took[order[i]];

		if (took == KEEPS || (i == 1 && unit[0] == unit[1]))
			continue;
		if (took >= e[n - 1].place && at <= place) {
			way_applied(w, c, at, place + 1, skipped);
			at = place + 1;
		} else if (took < e[n - 1].place) {
			way_applied(w, c, at, place, skipped);
			at = place;
			if (!begun)
				(void)push_way(c, WAY_BEGUN, s->step);
			begun = true;
			way_written(c, e, n, done, took);
			done = took;
		}
		push_way(c, WAY_IN_FORCE, s->step)->unit = unit[order[i]];
	}
	return at;
}

/* The steps from the start to a state. */
static void
way_to(struct walk *w, struct counter *c, int link, int state, int step, bool whole)
{
	size_t until = step == NONE ? w->first : (size_t)w->place_of[step] + whole, at = w->first, n = 0;
	bool *skipped = mem_array(w->plan->nsteps + 1, sizeof(*skipped));
	int *chain = mem_array(w->nstates + 1, sizeof(*chain));

	for (; state != NONE; state = w->states[state].from)
		if (w->states[state].step != NONE) {
			skipped[w->states[state].step] = w->states[state].skipped;
			chain[n++] = state;
		}
	while (n-- > 0) {
		const struct state *s = &w->states[chain[n]];

		if (!s->skipped && (s->took[0] != KEEPS || s->took[1] != KEEPS))
			at = way_taken_over(w, c, link, s, at, skipped);
	}
	way_applied(w, c, at, until, skipped);
	free(skipped);
	free(chain);
}

struct counter *
counter_new(struct walk *w, int link, int state, int step, bool whole, enum verdict v, const char *why,
    const int *eff)
{
	struct counter *c = mem_array(1, sizeof(*c));

	c->link = link;
	c->verdict = v;
	c->why = why;
	c->because = c->drained = NONE;
	c->step = step;
	c->in_flight = step != NONE && !whole;
	c->delayed = true;
	c->guessed = w->states[state].guessed;
	c->accept = (enum accept)eff[OF_ACCEPT];
	c->dial = (enum dial)eff[OF_DIAL];
	c->cert = eff[OF_CERT];
	c->trust = trust_of(&w->f->links[link], eff);
	c->fix_step = c->fix_after = NONE;
	way_to(w, c, link, state, step, whole);
	return c;
}

void
counter_free(struct counter *c)
{
	if (c != NULL)
		free(c->way);
	free(c);
}
