/*
 * canary_read: see canary_read.h.
 *
 * Invariant: a step's list has each link once, and what it has can be dialled:
 * there is a host to dial from, and an endpoint that is built.
 */
#include "core/canary_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/standing.h"

#define POOLERS_DEEP	4	/* poolers behind one another */

static int
read_bounded(struct reader *r, const struct scope *scope, const struct node *node, const char *key, int64_t min_ms,
    int64_t max_ms, const char *bounds, int64_t *ret)
{
	const struct node *v = node_get(node, key);
	int64_t ms;

	if (v == NULL)
		return 0;
	if (reader_duration(r, scope, v, &ms) == -1)
		return -1;
	if (ms < min_ms || ms > max_ms)
		return reader_fail(r, v, "'%s: %s' of a canary, expected %s", key, v->value, bounds);
	*ret = ms;
	return 0;
}

int
canary_read_terms(struct reader *r, const struct scope *scope, const struct node *node, struct canary_terms *ret)
{
	static const char *const keys[] = { "every", "hang", "breach", "held", NULL };
	const struct node *v;
	char *s;
	bool yes;

	ret->given = true;
	if (node->kind == NODE_SCALAR) {
		if (reader_string(r, scope, node, "'yes', 'no', how often ('every 2s' is '2s'), or { every, hang, breach, held }",
		    &s) == -1)
			return -1;
		yes = strcmp(s, "yes") == 0;
		ret->given = strcmp(s, "no") != 0;
		free(s);
		if (yes || !ret->given)
			return 0;
		if (reader_duration(r, scope, node, &ret->every_ms) == -1)
			return -1;
		if (ret->every_ms < CANARY_EVERY_MIN_MS || ret->every_ms > CANARY_EVERY_MAX_MS)
			return reader_fail(r, node, "a canary every '%s', expected 100ms to 1m", node->value);
		return 0;
	}
	if (reader_keys(r, node, "a canary", keys) == -1 ||
	    read_bounded(r, scope, node, "every", CANARY_EVERY_MIN_MS, CANARY_EVERY_MAX_MS, "100ms to 1m", &ret->every_ms) == -1 ||
	    read_bounded(r, scope, node, "hang", CANARY_HANG_MIN_MS, CANARY_HANG_MAX_MS, "100ms to 1m", &ret->hang_ms) == -1 ||
	    read_bounded(r, scope, node, "breach", 0, CANARY_BREACH_MAX_MS, "at most 1h", &ret->breach_ms) == -1)
		return -1;
	v = node_get(node, "held");
	return v == NULL ? 0 : reader_bool(r, scope, v, &ret->held);
}

/* ---- which steps ---- */

static bool
unit_hits(const struct fleet *f, int unit, int endpoint)
{
	struct indices hit;
	bool hits;

	if (unit == NONE)
		return false;
	standing_endpoints(&hit, f, unit);
	hits = indices_has(&hit, endpoint);
	free(hit.v);
	return hits;
}

static bool
move_felt(const struct fleet *f, const struct move *m, int link)
{
	const struct link *l = &f->links[link];
	const struct cert *c;
	size_t i;

	switch (m->facet) {
	case FACET_ACCEPT:
		return m->subject == l->endpoint || unit_hits(f, f->endpoints[m->subject].unit, l->endpoint);
	case FACET_CERT:
		c = &f->certs[m->subject];
		if (link_may_trust(f, l, m->subject) || indices_has(&c->serves, l->endpoint))
			return true;
		for (i = 0; i < c->serves.n; i++)
			if (unit_hits(f, f->endpoints[c->serves.v[i]].unit, l->endpoint))
				return true;
		return false;
	case FACET_DIAL:
	case FACET_TRUST:
	case FACET_PRESENT:
		return m->subject == link || unit_hits(f, f->clients[f->links[m->subject].client].unit, l->endpoint);
	}
	return false;
}

static bool
felt(const struct fleet *f, const struct step *s, int link, int deep)
{
	const struct link *l = &f->links[link];
	const struct client *c;
	size_t i, k;

	for (i = 0; i < s->nmoves; i++)
		if (move_felt(f, &s->moves[i], link))
			return true;
	for (i = 0; i < s->ndrains; i++)
		if (s->drains[i].endpoint == l->endpoint)
			return true;
	for (i = 0; i < s->activates.n; i++)
		if (unit_hits(f, s->activates.v[i], l->endpoint))
			return true;
	for (i = 0; i < s->nruns; i++)
		if (!s->runs[i].read_only && indices_has(&s->runs[i].on, f->endpoints[l->endpoint].host))
			return true;
	for (i = 0; i < f->nclients && deep < POOLERS_DEEP; i++) {
		c = &f->clients[i];
		for (k = 0; c->pools == l->endpoint && k < c->links.n; k++)
			if (felt(f, s, c->links.v[k], deep + 1))
				return true;
	}
	return false;
}

bool
canary_concerned(const struct fleet *f, const struct step *s, int link)
{
	return felt(f, s, link, 0);
}

/* ---- of a step ---- */

static struct step_canary *
declared(struct step *s, int link)
{
	size_t i;

	for (i = 0; i < s->ncanaries; i++)
		if (s->canaries[i].link == link)
			return &s->canaries[i];
	return NULL;
}

/* One name of a step's `canary`, with what stands behind it (NULL: nothing). */
static int
read_named(struct plan_reader *pr, const struct scope *scope, int line, int col, const char *name,
    const struct node *terms, struct step *s)
{
	struct reader *r = &pr->fr.r;
	const struct fleet *f = pr->f;
	struct indices links = { 0 };
	struct step_canary *c;
	const struct link *l;
	size_t i;
	int rc = batch_links_beside(pr, line, col, name, &links);

	for (i = 0; i < links.n && rc == 0; i++) {
		l = &f->links[links.v[i]];
		if (declared(s, links.v[i]) != NULL) {
			rc = reader_fail_at(r, line, col, "a second canary of '%s' in one step, expected one", l->name);
			break;
		}
		c = mem_push(&s->canaries, &s->ncanaries, sizeof(*c));
		c->link = links.v[i];
		c->pos.line = line;
		c->pos.col = col;
		/* What the link says holds where the step says nothing else. */
		if (l->canary.given)
			c->terms = l->canary;
		else
			canary_terms_default(&c->terms);
		if (terms != NULL)
			rc = canary_read_terms(r, scope, terms, &c->terms);
		if (rc == 0 && c->terms.given && link_host(f, l) == NONE)
			rc = reader_fail_at(r, line, col, "a canary of '%s', which has no host to be dialled from, expected "
			    "'unit' or 'host' at '%s' in the fleet", l->name, f->clients[l->client].name);
	}
	free(links.v);
	return rc;
}

static int
read_own(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	struct reader *r = &pr->fr.r;
	struct strings names = { 0 };
	const struct entry *e;
	const struct node *at;
	char *name;
	size_t i;
	int rc = 0;

	if (node->kind == NODE_MAPPING) {
		for (i = 0; i < node->n && rc == 0; i++) {
			e = &node->entries[i];
			if (reader_fill(r, scope, e->line, e->col, e->key, NULL, &name) == -1)
				return -1;
			rc = read_named(pr, scope, e->line, e->col, name, e->value, s);
			free(name);
		}
		return rc;
	}
	rc = reader_strings(r, scope, node, "a link: \"client -> endpoint\"", &names);
	for (i = 0; i < names.n && rc == 0; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		rc = read_named(pr, scope, at->line, at->col, names.v[i], NULL, s);
	}
	strings_release(&names);
	return rc;
}

int
canary_read_step(struct plan_reader *pr, const struct scope *scope, const struct node *step, struct step *s)
{
	const struct node *node = node_get(step, "canary");
	const struct fleet *f = pr->f;
	struct step_canary *c;
	size_t i, n = 0;

	if (node != NULL && read_own(pr, scope, node, s) == -1)
		return -1;
	for (i = 0; i < f->nlinks; i++) {
		if (!f->links[i].canary.given || declared(s, (int)i) != NULL || !canary_concerned(f, s, (int)i))
			continue;
		c = mem_push(&s->canaries, &s->ncanaries, sizeof(*c));
		c->link = (int)i;
		c->pos = s->pos;
		c->terms = f->links[i].canary;
	}
	for (i = 0; i < s->ncanaries; i++)
		n += s->canaries[i].terms.given;
	if (n > CANARY_STEP_MAX)
		return reader_fail_at(&pr->fr.r, s->pos.line, s->pos.col, "%zu canaries in one step, expected at most %d: "
		    "'canary: { \"client -> endpoint\": no }' leaves one of a link out", n, CANARY_STEP_MAX);
	return 0;
}
