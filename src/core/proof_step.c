/*
 * proof_step: see proof_int.h.  Owns what each step changes, in the order in
 * which its edits are written, and which units it activates; both as
 * ops_of_step() does it.
 */
#include "core/proof_int.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

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
	int place, used;

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
		l = &f->links[m->subject];
		place = m->value == NONE ? 0 : slot_binding(s, &l->presents.install, f->clients[l->client].host, &files);
		files = true;
		used = slot_binding(s, m->value == NONE ? &l->presents.without : &l->presents.with,
		    f->clients[l->client].host, &files);
		place = used > place ? used : place;
		/* Where only files are written, the client takes them over as they are there, or at its next start. */
		*ret_at_once = place > 0 && files && !l->presents.lands;
		return place;
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

int
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

void
step_events(struct walk *w, size_t s)
{
	const struct fleet *f = w->f;
	const struct step *step = &w->plan->steps[s];
	bool *activated = w->activates + s * f->nunits;
	struct slots slots = { NULL, 0 };
	struct indices units = { NULL, 0 };
	struct change *changes;
	size_t m, n, k;

	step_units(f, step, &units);
	for (k = 0; k < units.n; k++)
		activated[units.v[k]] = true;
	free(units.v);
	for (m = 0; m < step->nmoves; m++) {
		const struct move *move = &step->moves[m];
		struct event e = { .step = (int)s, .move = (int)m };

		e.place = slot_move(&slots, f, move, &e.at_once);
		e.last = e.at_once && move->facet == FACET_TRUST && plan_trust_goes_last(f, w->plan, (int)s, move->subject);
		if (move->facet == FACET_CERT)
			push_event(&w->by_cert[move->subject], &e, OF_LANDED, 1);
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
