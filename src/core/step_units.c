/*
 * step_units: which units a step activates, by the plan alone; and where a
 * certificate that lands by itself is taken up.
 *
 * It is as ops_of_step() does it: edits bring the activation of their owner's unit with
 * them, questions bring none, and a certificate that lands at an activation waits for
 * one.  What the operations are is not known here: op.c makes them.
 */
#include "core/plan.h"

#include <stdlib.h>

/* As ops_of_step() does: edits bring an activation with them, what only looks does not. */
static bool
writes(const struct binding *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].kind != EDIT_RUN || !b->v[i].read_only)
			return true;
	return false;
}

static bool
on_host(const struct fleet *f, const struct bedit *e, int host)
{
	size_t i;

	for (i = 0; i < e->on.n; i++)
		if (fleet_base(f, e->on.v[i]) == host)
			return true;
	return e->on.n == 0;
}

/* An endpoint is activated where the certificate is written to its host. */
static void
cert_units(const struct fleet *f, const struct cert *c, struct indices *ret)
{
	const struct endpoint *e;
	size_t i, k;

	for (i = 0; !c->lands_at_activation && i < c->serves.n; i++) {
		e = &f->endpoints[c->serves.v[i]];
		for (k = 0; k < c->install.n && e->unit != NONE; k++)
			if (on_host(f, &c->install.v[k], e->host))
				indices_add(ret, e->unit);
	}
}

/* A client's certificate lies where it is shown. */
static void
shown_units(const struct fleet *f, int cert, struct indices *ret)
{
	const struct link *l;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		l = &f->links[i];
		if (f->certs[cert].client && l->presents.cert == cert && f->clients[l->client].unit != NONE &&
		    (l->presents.lands || writes(&l->presents.install)))
			indices_add(ret, f->clients[l->client].unit);
	}
}

static void
move_units(const struct fleet *f, const struct move *m, struct indices *ret)
{
	const struct link *l;
	int unit = NONE;

	switch (m->facet) {
	case FACET_CERT:
		cert_units(f, &f->certs[m->subject], ret);
		shown_units(f, m->subject, ret);
		return;
	case FACET_ACCEPT:
		if (writes(&f->endpoints[m->subject].accept[m->value]))
			unit = f->endpoints[m->subject].unit;
		break;
	case FACET_DIAL:
		l = &f->links[m->subject];
		if (writes(&l->dial[m->value]))
			unit = f->clients[l->client].unit;
		break;
	case FACET_TRUST:
		l = &f->links[m->subject];
		if (l->trust_lands || writes(&l->trust))
			unit = f->clients[l->client].unit;
		break;
	case FACET_PRESENT:
		l = &f->links[m->subject];
		if (l->presents.lands || (m->value != NONE && writes(&l->presents.install)) ||
		    writes(m->value == NONE ? &l->presents.without : &l->presents.with))
			unit = f->clients[l->client].unit;
		break;
	}
	if (unit != NONE)
		indices_add(ret, unit);
}

void
step_units(const struct fleet *f, const struct step *s, struct indices *ret)
{
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		move_units(f, &s->moves[i], ret);
	for (i = 0; i < s->activates.n; i++)
		indices_add(ret, s->activates.v[i]);
}

static bool
step_activates(const struct fleet *f, const struct step *s, int unit)
{
	struct indices units = { NULL, 0 };
	bool found;

	step_units(f, s, &units);
	found = indices_has(&units, unit);
	free(units.v);
	return found;
}

/* What the endpoint accepts behind the step, by the plan's own word. */
static enum accept
accept_behind(const struct plan *p, size_t step, int endpoint)
{
	size_t i, k;

	for (i = step + 1; i-- > 0;)
		for (k = p->steps[i].nmoves; k-- > 0;)
			if (p->steps[i].moves[k].facet == FACET_ACCEPT && p->steps[i].moves[k].subject == endpoint)
				return (enum accept)p->steps[i].moves[k].value;
	return p->from_accept;
}

/* The certificate for the endpoint that the step brings last, or NONE. */
static int
cert_brought(const struct fleet *f, const struct step *s, int endpoint)
{
	size_t i;

	for (i = s->nmoves; i-- > 0;)
		if (s->moves[i].facet == FACET_CERT && indices_has(&f->certs[s->moves[i].subject].serves, endpoint))
			return s->moves[i].subject;
	return NONE;
}

bool
plan_takes_up(const struct fleet *f, const struct plan *p, size_t step, int cert, int endpoint)
{
	int unit = f->endpoints[endpoint].unit;
	enum accept accept;
	size_t i;
	int brought;

	if (unit == NONE || !f->certs[cert].lands_at_activation ||
	    accept_behind(p, step, endpoint) == ACCEPT_PLAIN || !step_activates(f, &p->steps[step], unit))
		return false;
	for (i = step + 1; i-- > 0;) {
		/* Where it was shown before, nothing new has come since; of a step that may be left out nobody knows. */
		accept = accept_behind(p, i, endpoint);
		if (i < step && !p->steps[i].optional && accept != ACCEPT_PLAIN && accept != ACCEPT_UNKNOWN &&
		    step_activates(f, &p->steps[i], unit))
			return false;
		/* Another one that came later is what it presents instead. */
		if ((brought = cert_brought(f, &p->steps[i], endpoint)) != NONE)
			return brought == cert;
	}
	return false;
}
