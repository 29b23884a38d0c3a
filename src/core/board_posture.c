/*
 * board_posture: the readings as facets: what is configured, by files and by servers' own word,
 * as a posture, and held against a step.  Holds nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/board_int.h"
#include "core/mem.h"
#include "core/op.h"

static bool
certain(const struct facet_seen *s)
{
	return s->value >= 0 && ((s->facet == FACET_ACCEPT && s->value < ACCEPT_UNKNOWN) ||
	    (s->facet == FACET_DIAL && s->value < DIAL_UNKNOWN));
}

void
board_each_seen(const struct board *b, int64_t since_ms, board_seen_fn *each, void *arg)
{
	const struct fleet *f = board_fleet(b);
	bool *accepts = mem_array(f->nendpoints + 1, sizeof(*accepts)), *dials = mem_array(f->nlinks + 1, sizeof(*dials));
	const struct reading *r;
	struct change c;
	size_t h, i;

	for (h = 0; h < f->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL || r->at_ms <= since_ms)
			continue;
		for (i = 0; i < r->nfacets; i++) {
			if (!certain(&r->facets[i]))
				continue;
			c = (struct change){ (enum facet)r->facets[i].facet, r->facets[i].subject, r->facets[i].value };
			*(c.facet == FACET_ACCEPT ? &accepts[c.subject] : &dials[c.subject]) = true;
			each(arg, &c);
		}
	}
	c.facet = FACET_ACCEPT;
	for (i = 0; i < f->nendpoints; i++) {
		if (accepts[i] || (r = board_reading(b, READING_SETTINGS, (int)i)) == NULL || r->at_ms <= since_ms)
			continue;
		c.subject = (int)i;
		if ((c.value = (int)accept_by_settings(f, c.subject, r)) != ACCEPT_UNKNOWN)
			each(arg, &c);
	}
	c.facet = FACET_DIAL;
	for (i = 0; i < f->nlinks; i++) {
		if (dials[i] || (r = board_pooler_settings(b, (int)i)) == NULL || r->at_ms <= since_ms)
			continue;
		c.subject = (int)i;
		if ((c.value = (int)dial_by_settings(f, c.subject, r)) != DIAL_UNKNOWN)
			each(arg, &c);
	}
	free(accepts);
	free(dials);
}

void
board_each_odd(const struct board *b, int64_t since_ms, board_odd_fn *each, void *arg)
{
	const struct reading *r;
	size_t h, i;

	for (h = 0; h < board_fleet(b)->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL || r->at_ms <= since_ms)
			continue;
		for (i = 0; i < r->nfacets; i++)
			if (r->facets[i].odd && (r->facets[i].facet == FACET_ACCEPT || r->facets[i].facet == FACET_DIAL))
				each(arg, (int)h, &r->facets[i]);
	}
}

void
board_posture(const struct board *b, struct posture *p)
{
	struct endpoint_view ev;
	const struct reading *r;
	size_t i, h;
	bool declared;

	posture_init(p, board_fleet(b));
	for (i = 0; i < board_fleet(b)->nendpoints; i++) {
		board_endpoint(b, (int)i, 0, INT64_MAX, &ev);
		p->accept[i] = ev.configured;
	}
	for (i = 0; i < board_fleet(b)->nlinks; i++)
		p->dial[i] = board_dial(b, (int)i, &declared);

	for (h = 0; h < board_fleet(b)->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL)
			continue;
		for (i = 0; i < r->nfacets; i++)
			if (r->facets[i].facet == FACET_TRUST)
				p->trust[r->facets[i].subject] = r->facets[i].value;
			else if (r->facets[i].facet == FACET_PRESENT && r->facets[i].value != CERT_UNKNOWN)
				p->present[r->facets[i].subject] = r->facets[i].value;
	}
}

int
board_present(const struct board *b, int link)
{
	const struct link *l = &board_fleet(b)->links[link];
	const struct reading *r;
	int host = link_host(board_fleet(b), l);
	size_t i;

	if (l->presents.cert == NONE)
		return l->stray ? CERT_UNKNOWN : NONE;
	if (host == NONE || (r = board_reading(b, READING_HOST, host)) == NULL)
		return CERT_UNKNOWN;
	for (i = 0; i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_PRESENT && r->facets[i].subject == link)
			return r->facets[i].value;
	return CERT_UNKNOWN;
}

bool
board_met(const struct board *b, const struct step *step, int64_t now_ms, int64_t stale_ms)
{
	struct endpoint_view ev;
	struct link_view lv;
	size_t i, n = 0;

	for (i = 0; i < step->nmoves; i++) {
		const struct move *m = &step->moves[i];

		switch (m->facet) {
		case FACET_ACCEPT:
			board_endpoint(b, m->subject, now_ms, stale_ms, &ev);
			if (ev.configured != (enum accept)m->value ||
			    ev.served != (enum accept)m->value)
				return false;
			n++;
			break;
		case FACET_DIAL:
			board_link(b, m->subject, now_ms, stale_ms, &lv);
			if (lv.dial != (enum dial)m->value || lv.dial_declared)
				return false;
			if (m->value != DIAL_DISABLE && lv.state != LINK_TLS &&
			    lv.state != LINK_PROVEN)
				return false;
			n++;
			break;
		case FACET_TRUST:
			/* What a client trusts shows in what it dials. */
			break;
		case FACET_CERT:
		case FACET_PRESENT:
			/* Nothing that is seen here says so with certainty. */
			return false;
		}
	}
	return n > 0 && step->nruns == 0 && step->ndrains == 0 && step->activates.n == 0;
}
