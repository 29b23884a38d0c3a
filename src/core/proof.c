/*
 * proof: see proof.h.  Owns the walk over what a plan can reach; what a
 * connection does there is attempt.c's, what a move changes posture.c's, the
 * words for people are proof_text.c's.
 *
 * The walk of one link, its cone being six small values (enum field), each
 * configured and in force:
 *
 *  1. `states` holds every distinct state in which no step is in flight,
 *     with one predecessor each.
 *  2. A step that concerns the link has its events in the order in which its
 *     edits are written; their places are 1..k.  In flight, each of the two
 *     units (the client's, the endpoint's) either still runs what it ran
 *     before, or has taken over what was written up to some place.
 *  3. After the step the units that it activates run all of it; another unit
 *     may have taken over any part, since somebody may have restarted it.  It
 *     has all of it at the latest when a later step activates it.
 *
 * The way back passes through the same states: what is in force is always
 * some part of the step as it stood on disk at some moment, and the disk
 * passes the same places in reverse order.  But for one thing: what a client
 * without a unit reads is taken back before the units are activated again.
 */
#include "core/proof_int.h"

#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/mem.h"

#define FIX_COUNTERS 4	/* of how many counter-examples another order is looked for */

const char *const proof_leaves_out[] = {
	"clients that no file declares",
	"a value while only some of the files that bind it are written",
	"hosts that were set aside while a step was taken back",
	"a certificate that somebody's restart took up before its step was taken back",
	"what a command (run) does beyond the facets",
	"firewalls, DNS, memory, errors of drivers",
	NULL
};

/* ---- one link --------------------------------------------------------------- */

/* A CA file that lands by its certificate's own install is not there before. */
int
trust_of(const struct link *l, const int *eff)
{
	return l->trust_lands && !eff[OF_LANDED] && eff[OF_TRUST] == l->trust_cert ? NONE : eff[OF_TRUST];
}

static enum verdict
look(struct walk *w, int link, const int *eff, const char **ret_why)
{
	const struct link *l = &w->f->links[link];
	struct attempt a;

	w->at.accept[l->endpoint] = (enum accept)eff[OF_ACCEPT];
	w->at.cert[l->endpoint] = eff[OF_CERT];
	w->at.dial[link] = (enum dial)eff[OF_DIAL];
	w->at.trust[link] = trust_of(l, eff);
	w->at.present[link] = eff[OF_PRESENT];
	w->seen++;
	*ret_why = NULL;
	(void)posture_attempt(w->f, &w->at, link, &a);
	return attempt_verdict(&a, ret_why);
}

static bool
stranded(enum verdict v)
{
	return v == VERDICT_REFUSED || v == VERDICT_HANGS;
}

static size_t
hash(const struct state *s)
{
	const unsigned char *p = (const unsigned char *)s->conf;
	size_t h = 1469598103u, i;

	for (i = 0; i < sizeof(s->conf) + sizeof(s->eff); i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

static bool
same(const struct state *a, const struct state *b)
{
	return memcmp(a->conf, b->conf, sizeof(a->conf)) == 0 && memcmp(a->eff, b->eff, sizeof(a->eff)) == 0;
}

static void
remember(struct walk *w, size_t state)
{
	size_t h = hash(&w->states[state]) & (w->ntable - 1);

	while (w->table[h] != NONE)
		h = (h + 1) & (w->ntable - 1);
	w->table[h] = (int)state;
}

static void
empty_table(struct walk *w, size_t room)
{
	size_t i;

	if (room != w->ntable) {
		w->ntable = room;
		w->table = mem_resize(w->table, w->ntable, sizeof(*w->table));
	}
	for (i = 0; i < w->ntable; i++)
		w->table[i] = NONE;
}

/* States are distinct within a generation only: a later one may come back to an earlier one's. */
static void
begin_generation(struct walk *w)
{
	w->young = w->nstates;
	empty_table(w, 64);
}

static void
push_state(struct walk *w, const struct state *s)
{
	size_t h, i;

	for (h = hash(s) & (w->ntable - 1); w->table[h] != NONE; h = (h + 1) & (w->ntable - 1))
		if (same(&w->states[w->table[h]], s))
			return;
	if (w->nstates == w->room) {
		w->room = w->room == 0 ? 64 : w->room * 2;
		w->states = mem_resize(w->states, w->room, sizeof(*w->states));
	}
	w->states[w->nstates++] = *s;
	if ((w->nstates - w->young) * 2 <= w->ntable) {
		w->table[h] = (int)w->nstates - 1;
		return;
	}
	empty_table(w, w->ntable * 2);
	for (i = w->young; i < w->nstates; i++)
		remember(w, i);
}

int
side(enum field field)
{
	return field == OF_ACCEPT || field == OF_CERT ? SIDE_ENDPOINT : SIDE_CLIENT;
}

/*
 * What is in force while events e[0..n) are written up to `front`, of which
 * all that is no file of a CA is taken back again down to `back`; the
 * client's unit has taken over what stood there at p[0], the endpoint's at p[1].
 */
static void
in_force(const struct state *s, const struct event *e, size_t n, const int p[2], int front, int back,
    int *eff)
{
	size_t i;
	int k;

	for (k = 0; k < NFIELDS; k++)
		eff[k] = p[side((enum field)k)] == KEEPS ? s->eff[k] : s->conf[k];
	for (i = 0; i < n; i++)
		if (e[i].place <= (!e[i].at_once ? p[side(e[i].field)] : e[i].last ? front : back))
			eff[e[i].field] = e[i].value;
}

static bool
may_refuse(const struct step *step, int link)
{
	size_t i;

	for (i = 0; i < step->nexcuses; i++)
		if (step->excuses[i].link == link)
			return true;
	return false;
}

/* The events that concern a link, in the order that is tried. */
static void
gather(struct walk *w, int link)
{
	const struct link *l = &w->f->links[link];
	const int unit = client_unit(w->f, link);
	const struct events *from[3] = { &w->by_link[link], &w->by_endpoint[l->endpoint], NULL };
	struct event *v;
	size_t i, k, j;

	if (l->trust_lands && l->trust_cert != NONE)
		from[2] = &w->by_cert[l->trust_cert];
	w->own.n = 0;
	for (k = 0; k < 3; k++)
		for (i = 0; from[k] != NULL && i < from[k]->n; i++) {
			if ((size_t)w->place_of[from[k]->v[i].step] < w->first)
				continue;
			if (w->own.n % 16 == 0)
				w->own.v = mem_resize(w->own.v, w->own.n + 16, sizeof(*w->own.v));
			/* Few, and each list is nearly in order: by insertion. */
			for (j = w->own.n; j > 0; j--) {
				v = &w->own.v[j - 1];
				if (w->place_of[v->step] < w->place_of[from[k]->v[i].step] ||
				    (v->step == from[k]->v[i].step && v->place <= from[k]->v[i].place))
					break;
				w->own.v[j] = *v;
			}
			w->own.v[j] = from[k]->v[i];
			/* Nobody restarts a client without a unit: it reads what is there whenever it connects. */
			if (unit == NONE && side(w->own.v[j].field) == SIDE_CLIENT)
				w->own.v[j].at_once = true;
			w->own.n++;
		}
}

/* Fields that nobody told are taken as whatever works. */
static void
first_states(struct walk *w, int link)
{
	const struct link *l = &w->f->links[link];
	struct state s;
	const char *why;
	int accept, dial;
	size_t i;

	memset(&s, 0, sizeof(s));
	s.from = s.step = NONE;
	s.took[0] = s.took[1] = KEEPS;
	s.conf[OF_ACCEPT] = (int)w->start.accept[l->endpoint];
	s.conf[OF_CERT] = w->start.cert[l->endpoint];
	s.conf[OF_DIAL] = (int)w->start.dial[link];
	s.conf[OF_TRUST] = w->start.trust[link];
	s.conf[OF_PRESENT] = w->start.present[link];
	if (l->trust_cert != NONE) {
		const struct cert *c = &w->f->certs[l->trust_cert];

		s.conf[OF_LANDED] = c->external;
		for (i = 0; i < c->serves.n; i++)
			if (w->start.cert[c->serves.v[i]] == l->trust_cert)
				s.conf[OF_LANDED] = 1;
	}
	memcpy(s.eff, s.conf, sizeof(s.eff));
	w->nstates = 0;
	begin_generation(w);
	if (s.conf[OF_ACCEPT] != ACCEPT_UNKNOWN && s.conf[OF_DIAL] != DIAL_UNKNOWN) {
		push_state(w, &s);
		return;
	}
	for (accept = 0; accept < ACCEPT_COUNT; accept++)
		for (dial = 0; dial < DIAL_COUNT; dial++) {
			struct state g = s;

			if ((s.conf[OF_ACCEPT] != ACCEPT_UNKNOWN && s.conf[OF_ACCEPT] != accept) ||
			    (s.conf[OF_DIAL] != DIAL_UNKNOWN && s.conf[OF_DIAL] != dial))
				continue;
			g.conf[OF_ACCEPT] = g.eff[OF_ACCEPT] = accept;
			g.conf[OF_DIAL] = g.eff[OF_DIAL] = dial;
			g.guessed = true;
			if (look(w, link, g.eff, &why) > VERDICT_UNKNOWN)
				push_state(w, &g);
		}
	if (w->nstates == 0)
		push_state(w, &s);
}

/* The places that events of a step have, renumbered 1..k (0 stays): returns k. */
static int
renumber(struct event *e, size_t n)
{
	int k = 0, last = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		if (e[i].place > last) {
			last = e[i].place;
			k++;
		}
		e[i].place = last == 0 ? 0 : k;
	}
	return k;
}


static void
find(struct walk *w, struct found *ret, int link, int state, const struct event *e, size_t n,
    const int p[2], int front, int back, bool whole)
{
	const struct step *step = &w->plan->steps[e[0].step];
	struct counter *c;
	const char *why;
	enum verdict v;
	int eff[NFIELDS];

	in_force(&w->states[state], e, n, p, front, back, eff);
	v = look(w, link, eff, &why);
	ret->unknown = ret->unknown || v == VERDICT_UNKNOWN;
	if (!stranded(v))
		return;
	c = counter_new(w, link, state, e[0].step, whole, v, why, eff);
	if (!whole)
		way_in_flight(w, c, link, e, n, p, front, back);
	else
		c->delayed = !cuts(w, e[0].step, client_unit(w->f, link)) &&
		    !cuts(w, e[0].step, w->f->endpoints[w->f->links[link].endpoint].unit);
	if (may_refuse(step, link)) {
		if (ret->excused == NULL)
			ret->excused = c;
		else
			counter_free(c);
	} else if (ret->counter == NULL || c->nway < ret->counter->nway) {
		counter_free(ret->counter);
		ret->counter = c;
	} else
		counter_free(c);
}

/* All that can be in force of one step, from one state. */
static void
in_flight(struct walk *w, struct found *ret, int link, int state, const struct event *e, size_t n, int k,
    const int unit[2], bool at_once, bool goes_first)
{
	const bool one_unit = unit[0] != NONE && unit[0] == unit[1];
	int p[2], front, back, most;

	for (p[0] = KEEPS; p[0] <= (unit[0] == NONE ? KEEPS : k); p[0]++)
		for (p[1] = one_unit ? p[0] : KEEPS; p[1] <= (one_unit ? p[0] : k); p[1]++) {
			most = p[0] > p[1] ? p[0] : p[1];
			if (most < 0)
				most = 0;
			/*
			 * What else is written, and in force nowhere, makes no
			 * difference.  On the way back units still run what
			 * stands on disk no more.
			 */
			for (front = most; front <= (at_once ? k : most); front++)
				for (back = front; back >= (goes_first ? 0 : front); back--)
					find(w, ret, link, state, e, n, p, front, back, false);
		}
}

static void
push_next(struct walk *w, int from, int step, bool skipped, struct state *next)
{
	next->from = from;
	next->step = step;
	next->skipped = skipped;
	push_state(w, next);
}

/*
 * The states in which the step has been applied whole.  The simplest way to
 * one of them comes first and is the one that is kept.
 */
static void
applied(struct walk *w, int state, const struct event *e, size_t n, int k, const int unit[2],
    const bool activated[2])
{
	const bool one_unit = unit[0] != NONE && unit[0] == unit[1], both = activated[0] || activated[1];
	const struct state s = w->states[state];
	struct state next;
	size_t i;
	int p[2], try[2];

	/* Not at all, all of it, then some part: k, KEEPS, 0 … k - 1 are KEEPS, 0 … k turned round. */
	for (try[0] = KEEPS; try[0] <= k; try[0]++)
		for (try[1] = KEEPS; try[1] <= k; try[1]++) {
			for (i = 0; i < 2; i++)
				p[i] = try[i] == KEEPS ? KEEPS : try[i] == 0 ? k : try[i] - 1;
			next = s;
			for (i = 0; i < 2; i++) {
				next.took[i] = p[i];
				if (activated[i] || (one_unit && both)) {
					p[i] = k;
					next.took[i] = KEEPS;
				}
			}
			if (unit[0] == NONE)
				next.took[0] = p[0] = KEEPS;
			if (one_unit && p[0] != p[1])
				continue;
			in_force(&s, e, n, p, k, k, next.eff);
			for (i = 0; i < n; i++)
				next.conf[e[i].field] = e[i].value;
			push_next(w, state, e[0].step, false, &next);
		}
}

static bool
lags(const struct walk *w, const bool sides[2])
{
	size_t s;
	int k;

	for (s = w->young; s < w->nstates; s++)
		for (k = 0; k < NFIELDS; k++)
			if (sides[side((enum field)k)] && w->states[s].conf[k] != w->states[s].eff[k])
				return true;
	return false;
}

/*
 * Steps that do not concern the link, at the places from..until, but activate
 * its units: what lagged there comes into force.
 */
static void
catch_up(struct walk *w, const int unit[2], size_t from, size_t until)
{
	const bool all[2] = { true, true };
	size_t i, s, begin, end;
	bool sides[2];
	int k;

	for (; from < until && lags(w, all); from++) {
		int step = w->order[from];

		for (i = 0; i < 2; i++)
			sides[i] = unit[i] != NONE && w->activates[(size_t)step * w->f->nunits + (size_t)unit[i]];
		if (!lags(w, sides))
			continue;
		begin = w->young;
		end = w->nstates;
		begin_generation(w);
		for (s = begin; s < end; s++) {
			struct state next = w->states[s], left = next;

			for (k = 0; k < NFIELDS; k++)
				if (sides[side((enum field)k)])
					next.eff[k] = next.conf[k];
			if (!w->plan->steps[step].optional) {
				push_state(w, &next);
				continue;
			}
			next.took[0] = next.took[1] = left.took[0] = left.took[1] = KEEPS;
			push_next(w, (int)s, step, false, &next);
			push_next(w, (int)s, step, true, &left);
		}
	}
}

void
walk_link(struct walk *w, int link, struct found *ret)
{
	const struct link *l = &w->f->links[link];
	int unit[2] = { client_unit(w->f, link), w->f->endpoints[l->endpoint].unit };
	bool one_unit = unit[0] != NONE && unit[0] == unit[1], at_once, goes_first, activated[2];
	size_t i, j, s, begin, end, next;
	const char *why;
	enum verdict v;
	int k, all[2];

	memset(ret, 0, sizeof(*ret));
	gather(w, link);
	first_states(w, link);
	for (s = w->young; s < w->nstates; s++) {
		v = look(w, link, w->states[s].eff, &why);
		ret->unknown = ret->unknown || (v == VERDICT_UNKNOWN && w->own.n > 0);
		if (stranded(v) && ret->counter == NULL)
			ret->counter = counter_new(w, link, (int)s, NONE, true, v, why, w->states[s].eff);
	}
	for (i = 0; i < w->own.n && ret->counter == NULL; i = j) {
		struct event *e = &w->own.v[i];
		const struct step *step = &w->plan->steps[e->step];

		at_once = goes_first = false;
		for (j = i; j < w->own.n && w->own.v[j].step == e->step; j++) {
			at_once = at_once || w->own.v[j].at_once;
			goes_first = goes_first || (w->own.v[j].at_once && !w->own.v[j].last);
		}
		k = renumber(e, j - i);
		activated[0] = unit[0] != NONE && w->activates[(size_t)e->step * w->f->nunits + (size_t)unit[0]];
		activated[1] = unit[1] != NONE && w->activates[(size_t)e->step * w->f->nunits + (size_t)unit[1]];
		all[0] = activated[0] ? k : KEEPS;
		all[1] = activated[1] ? k : KEEPS;
		if (one_unit && all[0] != all[1])
			all[0] = all[1] = k;
		begin = w->young;
		end = w->nstates;
		/* What stands refused already, by excuse, is no news. */
		for (s = begin; s < end; s++)
			if (!stranded(look(w, link, w->states[s].eff, &why)))
				find(w, ret, link, (int)s, e, j - i, all, k, k, true);
		for (s = begin; s < end && ret->counter == NULL; s++)
			if (!stranded(look(w, link, w->states[s].eff, &why)))
				in_flight(w, ret, link, (int)s, e, j - i, k, unit, at_once, goes_first);
		begin_generation(w);
		for (s = begin; step->optional && s < end; s++) {
			struct state left = w->states[s];

			left.took[0] = left.took[1] = KEEPS;
			push_next(w, (int)s, e->step, true, &left);
		}
		for (s = begin; s < end; s++)
			applied(w, (int)s, e, j - i, k, unit, activated);
		next = j < w->own.n ? (size_t)w->place_of[w->own.v[j].step] : w->plan->nsteps;
		catch_up(w, unit, (size_t)w->place_of[e->step] + 1, next);
	}
}

/* ---- the proof -------------------------------------------------------------- */

void
set_order(struct walk *w, const int *order)
{
	size_t i;

	w->order = order;
	for (i = 0; i < w->plan->nsteps; i++)
		w->place_of[order[i]] = (int)i;
}

static void
walk_begin(struct walk *w, const struct fleet *f, const struct plan *plan, const struct posture *from,
    size_t first)
{
	size_t s;

	memset(w, 0, sizeof(*w));
	w->f = f;
	w->plan = plan;
	w->first = first;
	if (from == NULL)
		posture_from(&w->start, f, plan);
	else {
		posture_init(&w->start, f);
		posture_copy(&w->start, from);
	}
	posture_init(&w->at, f);
	posture_copy(&w->at, &w->start);
	w->by_link = mem_array(f->nlinks + 1, sizeof(*w->by_link));
	w->by_endpoint = mem_array(f->nendpoints + 1, sizeof(*w->by_endpoint));
	w->by_cert = mem_array(f->ncerts + 1, sizeof(*w->by_cert));
	w->activates = mem_array(plan->nsteps * f->nunits + 1, sizeof(*w->activates));
	w->place_of = mem_array(plan->nsteps + 1, sizeof(*w->place_of));
	for (s = 0; s < plan->nsteps; s++)
		step_events(w, s);
}

static void
walk_end(struct walk *w)
{
	size_t i;

	for (i = 0; i < w->f->nlinks; i++)
		free(w->by_link[i].v);
	for (i = 0; i < w->f->nendpoints; i++)
		free(w->by_endpoint[i].v);
	for (i = 0; i < w->f->ncerts; i++)
		free(w->by_cert[i].v);
	free(w->by_link);
	free(w->by_endpoint);
	free(w->by_cert);
	free(w->activates);
	free(w->place_of);
	free(w->states);
	free(w->table);
	free(w->own.v);
	posture_release(&w->start);
	posture_release(&w->at);
}

static void
push_index(struct indices *to, int value)
{
	*(int *)mem_push(&to->v, &to->n, sizeof(*to->v)) = value;
}

/*
 * A pooler's clients wait while its own link upstream is refused.  Goes on
 * until nothing is new, since a pooler may stand behind another.
 */
static void
inherit(const struct fleet *f, const struct plan *plan, struct found *found)
{
	bool more = true;
	size_t c, i, k;

	while (more) {
		more = false;
		for (c = 0; c < f->nclients; c++) {
			if (f->clients[c].pools == NONE)
				continue;
			for (i = 0; i < f->clients[c].links.n; i++) {
				int up = f->clients[c].links.v[i];
				const struct counter *cause = found[up].counter != NULL ?
				    found[up].counter : found[up].excused;

				for (k = 0; cause != NULL && k < f->nlinks; k++) {
					struct counter *own;
					bool excused = cause->step != NONE &&
					    may_refuse(&plan->steps[cause->step], (int)k);

					if (f->links[k].endpoint != f->clients[c].pools ||
					    found[k].counter != NULL || (excused && found[k].excused != NULL))
						continue;
					own = mem_array(1, sizeof(*own));
					*own = *cause;
					own->way = mem_array(cause->nway + 1, sizeof(*own->way));
					if (cause->nway > 0)
						memcpy(own->way, cause->way, cause->nway * sizeof(*own->way));
					own->link = (int)k;
					own->verdict = VERDICT_HANGS;
					own->because = cause->because != NONE ? cause->because : up;
					*(excused ? &found[k].excused : &found[k].counter) = own;
					more = true;
				}
			}
		}
	}
}

int
proof_drained(const struct fleet *f, const struct plan *plan, const struct posture *from, size_t first,
    int link, int after)
{
	struct posture p;
	bool was_plain;
	size_t i, k;
	int ret = NONE;

	for (i = first; i < plan->nsteps && plan->steps[i].ndrains == 0; i++)
		;
	if (i == plan->nsteps)
		return NONE;
	if (from == NULL)
		posture_from(&p, f, plan);
	else {
		posture_init(&p, f);
		posture_copy(&p, from);
	}
	was_plain = posture_verdict(f, &p, link, NULL) == VERDICT_PLAINTEXT;
	for (i = first; i < plan->nsteps && ret == NONE; i++) {
		const struct step *s = &plan->steps[i];

		for (k = 0; k < s->ndrains; k++)
			if (s->drains[k].endpoint == f->links[link].endpoint && (int)i > after && was_plain &&
			    stranded(posture_verdict(f, &p, link, NULL)))
				ret = (int)i;
		posture_step(&p, f, s);
		was_plain = was_plain || posture_verdict(f, &p, link, NULL) == VERDICT_PLAINTEXT;
	}
	posture_release(&p);
	return ret;
}

/* By the step at which it happens, then by the length of the way; causes before what hangs on them. */
static int
by_length(const void *a, const void *b)
{
	const struct counter *x = a, *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	if ((x->because == NONE) != (y->because == NONE))
		return x->because == NONE ? -1 : 1;
	if (x->nway != y->nway)
		return x->nway < y->nway ? -1 : 1;
	return x->link < y->link ? -1 : x->link > y->link;
}

void
proof_run(struct proof *ret, const struct fleet *f, const struct plan *plan, const struct posture *from,
    size_t first)
{
	struct walk w;
	struct found *found = mem_array(f->nlinks + 1, sizeof(*found));
	int *order = mem_array(plan->nsteps + 1, sizeof(*order));
	size_t l;

	memset(ret, 0, sizeof(*ret));
	walk_begin(&w, f, plan, from, first);
	for (l = 0; l < plan->nsteps; l++)
		order[l] = (int)l;
	set_order(&w, order);
	for (l = 0; l < f->nlinks; l++)
		walk_link(&w, (int)l, &found[l]);
	ret->nlinks = f->nlinks;
	ret->nstates = w.seen;
	inherit(f, plan, found);
	for (l = 0; l < f->nlinks; l++) {
		if (found[l].counter != NULL)
			*(struct counter *)mem_push(&ret->counters, &ret->ncounters,
			    sizeof(*ret->counters)) = *found[l].counter;
		else if (found[l].unknown)
			push_index(&ret->unknown, (int)l);
		if (found[l].excused != NULL)
			push_index(&ret->excused, (int)l);
	}
	for (l = 0; l < ret->ncounters; l++) {
		struct counter *c = &ret->counters[l];

		if (c->step != NONE && c->delayed)
			c->drained = proof_drained(f, plan, from, first, c->because != NONE ? c->because : c->link, c->step);
	}
	if (ret->ncounters > 1)
		qsort(ret->counters, ret->ncounters, sizeof(*ret->counters), by_length);
	for (l = 0; l < ret->ncounters && l < FIX_COUNTERS; l++)
		mend(&w, found, &ret->counters[l]);
	for (l = 0; l < f->nlinks; l++) {
		free(found[l].counter);	/* its way has moved into the list */
		counter_free(found[l].excused);
	}
	free(found);
	free(order);
	walk_end(&w);
}

void
proof_release(struct proof *p)
{
	size_t i;

	for (i = 0; i < p->ncounters; i++)
		free(p->counters[i].way);
	free(p->counters);
	free(p->unknown.v);
	free(p->excused.v);
	memset(p, 0, sizeof(*p));
}
