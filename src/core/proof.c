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
#include "core/proof.h"

#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/mem.h"

enum field { OF_ACCEPT, OF_CERT, OF_DIAL, OF_TRUST, OF_PRESENT, OF_LANDED };
#define NFIELDS 6
#define SIDE_CLIENT 0
#define SIDE_ENDPOINT 1
#define FIX_COUNTERS 4	/* of how many counter-examples another order is looked for */
#define FIX_WALKS 20000	/* and how many links are walked for one at most */
#define KEEPS (-1)	/* a unit that was not activated since the step began */

struct state {
	int	 conf[NFIELDS], eff[NFIELDS];
	int	 from;		/* index of the state before, or NONE */
	int	 step;		/* that led here, or NONE */
	bool	 skipped;	/* by being left out */
	int	 took[2];	/* up to which place of it a unit that it does not activate has taken over, or KEEPS */
	bool	 guessed;
};

struct event {			/* a field of the cone changes */
	int	 step, place;	/* place of the move's last edit among the step's files, from 1; 0: before any */
	int	 move;
	enum field field;
	int	 value;
	bool	 at_once;	/* in force as soon as it is written, activated or not */
	bool	 last;		/* and on the way back until all else is activated */
};

struct events {
	struct event *v;
	size_t	 n;
};

struct walk {
	const struct fleet *f;
	const struct plan *plan;
	const int *order;	/* the steps in the order that is tried */
	size_t	 first;
	struct posture at;	/* the start; then a scratch that attempts are made from */
	struct posture start;
	struct events *by_link, *by_endpoint, *by_cert;	/* in the plan's own order */
	bool	*activates;	/* [step × nunits] */
	int	*place_of;	/* by step: its place in `order` */
	/* of the link being walked */
	struct state *states;	/* generation after generation: one for each step that concerns the link */
	size_t	 nstates, room, young;	/* young: the first of the generation that is being made */
	int	*table;		/* open addressing over the young states; NONE: empty */
	size_t	 ntable;
	struct events own;
	size_t	 seen;		/* states looked at, in all */
};

const char *const proof_leaves_out[] = {
	"clients that no file declares",
	"a value while only some of the files that bind it are written",
	"hosts that were set aside while a step was taken back",
	"a certificate that somebody's restart took up before its step was taken back",
	"what a command (run) does beyond the facets",
	"firewalls, DNS, memory, errors of drivers",
	NULL
};

/* ---- what each step changes ------------------------------------------------ */

static bool
same_file(const struct bedit *a, int host_a, const struct bedit *b, int host_b)
{
	return a->file != NULL && b->file != NULL && host_a == host_b && strcmp(a->file, b->file) == 0;
}

/* The files of a step in the order of their first touch. */
struct slots {
	struct { const struct bedit *edit; int host; } *v;
	size_t n;
};

/* The place of the last edit of a binding, from 1; 0 where it has none. */
static int
slot_binding(struct slots *s, const struct binding *b, int host, bool *ret_files)
{
	int last = 0;
	size_t i, j, k;

	for (i = 0; i < b->n; i++)
		for (j = 0; j < (b->v[i].on.n > 0 ? b->v[i].on.n : 1); j++) {
			int on = b->v[i].on.n > 0 ? b->v[i].on.v[j] : host;

			for (k = 0; k < s->n; k++)
				if (same_file(s->v[k].edit, s->v[k].host, &b->v[i], on))
					break;
			if (k == s->n) {
				(void)mem_push(&s->v, &s->n, sizeof(*s->v));
				s->v[k].edit = &b->v[i];
				s->v[k].host = on;
			}
			if ((int)k + 1 > last)
				last = (int)k + 1;
			if (b->v[i].kind != EDIT_FILE && b->v[i].kind != EDIT_OBJECT)
				*ret_files = false;
		}
	return last;
}

static int
slot_move(struct slots *s, const struct fleet *f, const struct move *m, bool *ret_at_once)
{
	const struct endpoint *e;
	const struct link *l;
	bool files = true;
	int place;

	*ret_at_once = false;
	switch (m->facet) {
	case FACET_ACCEPT:
		e = &f->endpoints[m->subject];
		return slot_binding(s, &e->accept[m->value], e->host, &files);
	case FACET_CERT:
		return slot_binding(s, &f->certs[m->subject].install, NONE, &files);
	case FACET_DIAL:
		l = &f->links[m->subject];
		return slot_binding(s, &l->dial[m->value], f->clients[l->client].host, &files);
	case FACET_TRUST:
		l = &f->links[m->subject];
		place = slot_binding(s, &l->trust, f->clients[l->client].host, &files);
		/* Where nothing is written, the client takes it over as it does its dial. */
		*ret_at_once = place > 0 && files;
		return place;
	case FACET_PRESENT:
		break;
	}
	return (int)s->n;
}

static void
push_event(struct events *to, const struct event *e, enum field field, int value)
{
	struct event *v = mem_push(&to->v, &to->n, sizeof(*to->v));

	*v = *e;
	v->field = field;
	v->value = value;
}

static int
client_unit(const struct fleet *f, int link)
{
	const struct link *l = &f->links[link];
	const struct endpoint *e = &f->endpoints[l->endpoint];
	size_t depth, v, i;

	/* A link that follows is carried by what it follows. */
	for (depth = 0; l->how == DIAL_FOLLOWS && l->follows != NONE && depth < f->nlinks; depth++)
		l = &f->links[l->follows];
	if (l->how == DIAL_FOLLOWS)
		for (v = 0; v < ACCEPT_COUNT; v++)
			for (i = 0; i < e->accept[v].nimplies; i++)
				if (&f->links[e->accept[v].implies[i].link] == l)
					return e->unit;
	for (depth = 0; l->how == DIAL_FOLLOWS && depth < f->nlinks; depth++)
		for (v = 0; v < DIAL_COUNT; v++)
			for (i = 0; i < f->links[depth].dial[v].nimplies; i++)
				if (&f->links[f->links[depth].dial[v].implies[i].link] == l)
					return f->clients[f->links[depth].client].unit;
	return f->clients[l->client].unit;
}

static bool
on_host(const struct bedit *e, int host)
{
	size_t i;

	for (i = 0; i < e->on.n; i++)
		if (e->on.v[i] == host)
			return true;
	return e->on.n == 0;
}

/* As ops_of_step() does: edits bring an activation with them, what only looks does not. */
static bool
activates(const struct binding *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].kind != EDIT_RUN || !b->v[i].read_only)
			return true;
	return false;
}

/* The unit that a move activates, or NONE; of a certificate see step_events(). */
static int
move_activates(const struct fleet *f, const struct move *m)
{
	const struct link *l;
	bool written;

	if (m->facet == FACET_CERT)
		return NONE;
	if (m->facet == FACET_ACCEPT)
		return activates(&f->endpoints[m->subject].accept[m->value]) ?
		    f->endpoints[m->subject].unit : NONE;
	l = &f->links[m->subject];
	written = m->facet == FACET_DIAL ? activates(&l->dial[m->value]) :
	    m->facet == FACET_TRUST ? l->trust_lands || activates(&l->trust) : true;
	return written ? f->clients[l->client].unit : NONE;
}

/* An endpoint is activated where the certificate is written to its host. */
static void
cert_activates(const struct fleet *f, const struct cert *c, bool *ret)
{
	const struct endpoint *e;
	size_t i, k;

	for (i = 0; !c->lands_at_activation && i < c->serves.n; i++) {
		e = &f->endpoints[c->serves.v[i]];
		for (k = 0; k < c->install.n && e->unit != NONE; k++)
			if (on_host(&c->install.v[k], e->host))
				ret[e->unit] = true;
	}
}

static void
step_events(struct walk *w, size_t s)
{
	const struct fleet *f = w->f;
	const struct step *step = &w->plan->steps[s];
	bool *activated = w->activates + s * f->nunits;
	struct slots slots = { NULL, 0 };
	struct change *changes;
	size_t m, n, k;

	for (m = 0; m < step->nmoves; m++) {
		const struct move *move = &step->moves[m];
		struct event e = { .step = (int)s, .move = (int)m };
		int unit = move_activates(f, move);

		e.place = slot_move(&slots, f, move, &e.at_once);
		e.last = e.at_once;
		if (move->facet == FACET_CERT) {
			push_event(&w->by_cert[move->subject], &e, OF_LANDED, 1);
			cert_activates(f, &f->certs[move->subject], activated);
		}
		if (unit != NONE)
			activated[unit] = true;
		posture_changes(f, move, &changes, &n);
		for (k = 0; k < n; k++)
			switch (changes[k].facet) {
			case FACET_ACCEPT:
				push_event(&w->by_endpoint[changes[k].subject], &e, OF_ACCEPT, changes[k].value);
				break;
			case FACET_CERT:
				push_event(&w->by_endpoint[changes[k].subject], &e, OF_CERT, changes[k].value);
				break;
			case FACET_DIAL:
				push_event(&w->by_link[changes[k].subject], &e, OF_DIAL, changes[k].value);
				break;
			case FACET_TRUST:
				push_event(&w->by_link[changes[k].subject], &e, OF_TRUST, changes[k].value);
				break;
			case FACET_PRESENT:
				push_event(&w->by_link[changes[k].subject], &e, OF_PRESENT, changes[k].value);
				break;
			}
		free(changes);
	}
	free(slots.v);
}

/* ---- one link --------------------------------------------------------------- */

/* A CA file that lands by its certificate's own install is not there before. */
static int
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

static int
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
static bool
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

static void
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

static struct counter *
counter_new(struct walk *w, int link, int state, int step, bool whole, enum verdict v, const char *why,
    const int *eff)
{
	struct counter *c = mem_array(1, sizeof(*c));

	c->link = link;
	c->verdict = v;
	c->why = why;
	c->because = NONE;
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

static void
counter_free(struct counter *c)
{
	if (c != NULL)
		free(c->way);
	free(c);
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

struct found {
	struct counter *counter;	/* the shortest that nothing excuses */
	struct counter *excused;	/* the first that something does */
	bool	 unknown;
};

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

static void
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

static void
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

/* ---- a better order ---------------------------------------------------------- */

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
static void
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
