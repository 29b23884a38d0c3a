/*
 * lint_restarts: a unit that the plan restarts more often than it has to.
 *
 * Looked at are units that carry an endpoint and are restarted (a reload cuts
 * nobody; a client's own restart cuts only itself).  The steps that activate
 * such a unit and nothing else, and are nothing but moves, are `free`: they may be put
 * together, and to another place between the others, whose own order is left
 * alone.  A suggestion keeps the order of every two steps that depend on one another:
 *
 *   Two steps depend on one another where they move the same link, or where one
 *   owns an endpoint that the other concerns.  A step owns an endpoint whose accept it
 *   moves, or the certificate that it serves or that its clients trust, or that it has
 *   a written check of; it concerns those too whose links it moves.  What one link
 *   does hangs on its own facets and on those of its endpoint (posture.h; a pooler's
 *   clients wait only where its own link is refused), so that every link comes
 *   through the same states as before, in the same order.
 *
 *   A step that runs commands, drains, has guards or excuses of its own
 *   depends on every other one.
 *
 * Two dependent steps can be one only if they write no facet twice, the first
 * does not soak, and the guard of the whole can pass: an endpoint is not forced to
 * tls by the step that takes a link to it off plaintext.
 *
 * The fewest groups: each free step has the first and the last place where it
 * may stand; the group is formed as late as the first of these last places, and takes
 * along all that may stand there (the greedy stabbing of intervals).
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/lint_int.h"
#include "core/mem.h"

struct about {			/* one step */
	struct change *v;	/* all that it writes */
	size_t	 n;
	struct indices units;	/* that it activates */
	struct indices owns;	/* endpoints */
	struct indices concerns; /* endpoints */
	bool	 alone;		/* it depends on every other one */
	bool	 moves_only;	/* no certificate among them */
};

struct grouping {
	struct linter *l;
	const struct fleet *f;
	const struct plan *p;
	struct about *about;
	int	 unit;
	/* Of the unit at hand, by step; places count the steps that stay where they are. */
	bool	*free_step;	/* may be put elsewhere */
	struct indices free_steps;	/* the same as a list */
	size_t	*first, *last;
	int	*group;		/* NONE: not in one yet */
	size_t	*at;		/* by group: its place */
	size_t	 ngroups;
	size_t	 nother;	/* restarts by steps that stay */
};

static void
own(struct about *a, int endpoint)
{
	indices_add(&a->owns, endpoint);
	indices_add(&a->concerns, endpoint);
}

static void
concern_cert(struct about *a, const struct fleet *f, int cert)
{
	size_t i;

	for (i = 0; i < f->certs[cert].serves.n; i++)
		own(a, f->certs[cert].serves.v[i]);
	for (i = 0; i < f->nlinks; i++)
		if (link_may_trust(f, &f->links[i], cert))
			own(a, f->links[i].endpoint);
}

static void
concern_checks(struct about *a, const struct fleet *f, const struct check *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		/* What is implied is about what is moved. */
		if (v[i].implied)
			continue;
		if (v[i].endpoint != NONE)
			own(a, v[i].endpoint);
		if (v[i].link != NONE)
			own(a, f->links[v[i].link].endpoint);
	}
}

static void
add_writes(struct about *a, const struct fleet *f, const struct move *m)
{
	struct change *v;
	size_t n, i;

	posture_changes(f, m, &v, &n);
	for (i = 0; i < n; i++) {
		/* Whoever else reads a file is given a CA by it, and waits for nothing. */
		if (m->facet == FACET_TRUST && links_share_trust(f, &f->links[m->subject], &f->links[v[i].subject]) &&
		    v[i].subject != m->subject)
			continue;
		*(struct change *)mem_push(&a->v, &a->n, sizeof(*a->v)) = v[i];
		if (v[i].facet == FACET_ACCEPT || v[i].facet == FACET_CERT)
			own(a, v[i].subject);
		else
			indices_add(&a->concerns, f->links[v[i].subject].endpoint);
	}
	free(v);
}

static void
about_init(struct about *a, const struct fleet *f, const struct step *s)
{
	size_t i;

	a->alone = s->nruns > 0 || s->ndrains > 0 || s->nexcuses > 0 || s->activates.n > 0;
	a->moves_only = true;
	step_units(f, s, &a->units);
	for (i = 0; i < s->nrequires; i++)
		a->alone |= !s->requires[i].implied;
	for (i = 0; i < s->nmoves; i++) {
		add_writes(a, f, &s->moves[i]);
		if (s->moves[i].facet != FACET_CERT)
			continue;
		a->moves_only = false;
		concern_cert(a, f, s->moves[i].subject);
	}
	concern_checks(a, f, s->requires, s->nrequires);
	concern_checks(a, f, s->gates, s->ngates);
}

static void
about_release(struct about *a)
{
	free(a->v);
	free(a->units.v);
	free(a->owns.v);
	free(a->concerns.v);
}

static bool
meet(const struct indices *a, const struct indices *b)
{
	size_t i;

	for (i = 0; i < a->n; i++)
		if (indices_has(b, a->v[i]))
			return true;
	return false;
}

static bool
same_link(const struct about *a, const struct about *b)
{
	size_t i, k;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < b->n; k++)
			if (a->v[i].subject == b->v[k].subject && a->v[i].facet != FACET_ACCEPT &&
			    a->v[i].facet != FACET_CERT && b->v[k].facet != FACET_ACCEPT &&
			    b->v[k].facet != FACET_CERT)
				return true;
	return false;
}

static bool
depends(const struct grouping *g, size_t one, size_t other)
{
	const struct about *a = &g->about[one], *b = &g->about[other];

	return a->alone || b->alone || meet(&a->owns, &b->concerns) || meet(&b->owns, &a->concerns) ||
	    same_link(a, b);
}

static bool
is_forced(enum accept accept)
{
	return accept == ACCEPT_TLS || accept == ACCEPT_MUTUAL;
}

/* Whether a step and a later one that depends on it can be one step. */
static bool
can_be_one(const struct grouping *g, size_t a, size_t b)
{
	const struct change *p, *q;
	size_t i, k;

	if (g->p->steps[a].soak_ms > 0)
		return false;
	for (i = 0; i < g->about[a].n; i++)
		for (k = 0; k < g->about[b].n; k++) {
			p = &g->about[a].v[i];
			q = &g->about[b].v[k];
			if (p->facet == q->facet && p->subject == q->subject)
				return false;
			if (p->facet == FACET_DIAL && q->facet == FACET_ACCEPT && is_forced((enum accept)q->value) &&
			    g->f->links[p->subject].endpoint == q->subject)
				return false;
		}
	return true;
}

/* Between which of the steps that stay each free step may stand. */
/* How many of the steps that stay stand before this one. */
static size_t
staying_before(const struct grouping *g, size_t step)
{
	size_t i, n = 0;

	for (i = 0; i < step; i++)
		n += !g->free_step[i];
	return n;
}

/* The first place where a free step may stand: behind what it depends on. */
static size_t
first_place(const struct grouping *g, size_t step)
{
	size_t i, k, place = 0;

	for (k = step; k-- > 0;)
		if (!g->free_step[k] && depends(g, k, step)) {
			place = staying_before(g, k) + 1;
			break;
		}
	for (i = 0; i < g->free_steps.n && (k = (size_t)g->free_steps.v[i]) < step; i++)
		if (depends(g, k, step) && g->first[k] > place)
			place = g->first[k];
	return place;
}

/* The last one: before what depends on it. */
static size_t
last_place(const struct grouping *g, size_t step)
{
	size_t i, k, place;

	for (k = step + 1; k < g->p->nsteps; k++)
		if (!g->free_step[k] && depends(g, step, k))
			break;
	place = staying_before(g, k);
	for (i = g->free_steps.n; i-- > 0 && (k = (size_t)g->free_steps.v[i]) > step;)
		if (depends(g, step, k) && g->last[k] < place)
			place = g->last[k];
	return place;
}

static void
find_places(struct grouping *g)
{
	size_t i;

	for (i = 0; i < g->free_steps.n; i++)
		g->first[g->free_steps.v[i]] = first_place(g, (size_t)g->free_steps.v[i]);
	for (i = g->free_steps.n; i-- > 0;)
		g->last[g->free_steps.v[i]] = last_place(g, (size_t)g->free_steps.v[i]);
}

/* Whether the step can be in the group that is formed at this place. */
static bool
fits(const struct grouping *g, size_t step, size_t place)
{
	size_t i, k;

	if (g->first[step] > place)
		return false;
	for (i = 0; i < g->free_steps.n && (k = (size_t)g->free_steps.v[i]) < step; i++) {
		if (!depends(g, k, step))
			continue;
		if (g->group[k] == NONE)
			return false;
		if (g->group[k] == (int)g->ngroups && !can_be_one(g, k, step))
			return false;
	}
	return true;
}

static void
form_groups(struct grouping *g)
{
	size_t i, step, place;
	bool left;

	for (;;) {
		left = false;
		place = SIZE_MAX;
		for (i = 0; i < g->free_steps.n; i++) {
			step = (size_t)g->free_steps.v[i];
			if (g->group[step] == NONE) {
				left = true;
				if (g->last[step] < place)
					place = g->last[step];
			}
		}
		if (!left)
			return;
		for (i = 0; i < g->free_steps.n; i++) {
			step = (size_t)g->free_steps.v[i];
			if (g->group[step] == NONE && fits(g, step, place))
				g->group[step] = (int)g->ngroups;
		}
		g->at[g->ngroups++] = place;
	}
}

static size_t
members(const struct grouping *g, size_t group)
{
	size_t i, n = 0;

	for (i = 0; i < g->p->nsteps; i++)
		n += g->free_step[i] && g->group[i] == (int)group;
	return n;
}

/* "'a', 'b' (optional) and 'c' as one step before 'd'" */
static void
put_group(struct buf *out, const struct grouping *g, size_t group)
{
	size_t i, n = members(g, group), said = 0, before = 0;

	for (i = 0; i < g->p->nsteps; i++) {
		if (!g->free_step[i] || g->group[i] != (int)group)
			continue;
		buf_printf(out, "%s'%s'%s", said == 0 ? "" : said + 1 == n ? " and " : ", ",
		    g->p->steps[i].id, g->p->steps[i].optional ? " (optional)" : "");
		said++;
	}
	buf_puts(out, n == 1 ? " alone" : " as one step");
	for (i = 0; i < g->p->nsteps; i++) {
		if (g->free_step[i])
			continue;
		if (before++ == g->at[group]) {
			buf_printf(out, " before '%s'", g->p->steps[i].id);
			return;
		}
	}
	buf_puts(out, " at the end");
}

static void
suggest(struct grouping *g, size_t restarts)
{
	const struct unit *u = &g->f->units[g->unit];
	const char *sep = "";
	struct buf b;
	size_t i;
	int first = NONE;

	buf_init(&b, 0);
	for (i = 0; i < g->ngroups; i++) {
		buf_puts(&b, sep);
		put_group(&b, g, i);
		sep = "; then ";
	}
	for (i = 0; i < g->p->nsteps && first == NONE; i++)
		if (indices_has(&g->about[i].units, g->unit))
			first = (int)i;
	lint_add(g->l, LINT_NOTE, LINT_RESTARTS, true, g->p->steps[first].pos, u->name,
	    "'%s' is restarted by %zu steps, where %zu would do: %s (then proven as a whole, and undone as a whole)",
	    u->name, restarts, g->ngroups + g->nother, buf_str(&b));
	buf_release(&b);
}

static bool
carries_endpoint(const struct fleet *f, int unit)
{
	size_t i;

	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].unit == unit)
			return true;
	return false;
}

static void
one_unit(struct grouping *g, int unit)
{
	size_t i, n = g->p->nsteps, restarts = 0;

	g->unit = unit;
	g->ngroups = g->nother = g->free_steps.n = 0;
	for (i = 0; i < n; i++) {
		const struct about *a = &g->about[i];
		bool touches = indices_has(&a->units, unit);

		restarts += touches;
		g->free_step[i] = touches && a->units.n == 1 && !a->alone && a->moves_only;
		if (g->free_step[i])
			*(int *)mem_push(&g->free_steps.v, &g->free_steps.n, sizeof(int)) = (int)i;
		g->nother += touches && !g->free_step[i];
		g->group[i] = NONE;
	}
	if (restarts < 2 || g->free_steps.n > LINT_RESTARTS_MAX)
		return;
	find_places(g);
	form_groups(g);
	if (g->ngroups + g->nother < restarts)
		suggest(g, restarts);
}

void
lint_restarts(struct linter *l)
{
	struct grouping g = { .l = l, .f = l->f, .p = l->p };
	size_t n = l->p->nsteps, i;

	if (n > LINT_RESTART_STEPS_MAX)
		return;
	g.about = mem_array(n, sizeof(*g.about));
	g.free_step = mem_array(n, sizeof(*g.free_step));
	g.first = mem_array(n, sizeof(*g.first));
	g.last = mem_array(n, sizeof(*g.last));
	g.group = mem_array(n, sizeof(*g.group));
	g.at = mem_array(n + 1, sizeof(*g.at));
	for (i = 0; i < n; i++)
		about_init(&g.about[i], l->f, &l->p->steps[i]);
	for (i = 0; i < l->f->nunits; i++)
		if (l->f->units[i].kind == UNIT_RESTART && carries_endpoint(l->f, (int)i))
			one_unit(&g, (int)i);
	for (i = 0; i < n; i++)
		about_release(&g.about[i]);
	free(g.about);
	free(g.free_step);
	free(g.first);
	free(g.last);
	free(g.group);
	free(g.at);
	free(g.free_steps.v);
}
