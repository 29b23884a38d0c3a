/*
 * plan_move: what a step moves, from its `certs`, `trust`, `dial`, `accept`, `present` and
 * `drain`.
 *
 * Whatever is moved must be there, ours to move and bound to something that can be written.
 * Which links a name moves, of a client on several hosts, is plan_batch.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/plan_read.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* The first thing of a binding that is not built, or NULL. */
static const char *
binding_not_yet(const struct binding *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].not_yet != NULL)
			return b->v[i].not_yet;
	return NULL;
}

static const char *
unit_not_yet(const struct fleet *f, int unit)
{
	return unit == NONE ? NULL : f->units[unit].not_yet;
}

static const char *
move_not_yet(const struct fleet *f, const struct move *m)
{
	const struct client *c;
	const struct link *l;
	const char *why = NULL;

	switch (m->facet) {
	case FACET_ACCEPT:
		why = f->endpoints[m->subject].not_yet;
		if (why == NULL)
			why = binding_not_yet(&f->endpoints[m->subject].accept[m->value]);
		return why != NULL ? why : unit_not_yet(f, f->endpoints[m->subject].unit);
	case FACET_CERT:
		return f->certs[m->subject].not_yet;
	case FACET_DIAL:
	case FACET_TRUST:
		c = &f->clients[f->links[m->subject].client];
		why = c->not_yet;
		if (why == NULL)
			why = binding_not_yet(m->facet == FACET_TRUST ?
			    &f->links[m->subject].trust :
			    &f->links[m->subject].dial[m->value]);
		return why != NULL ? why : unit_not_yet(f, c->unit);
	case FACET_PRESENT:
		l = &f->links[m->subject];
		why = f->clients[l->client].not_yet;
		if (why == NULL && m->value != NONE)
			why = binding_not_yet(&l->presents.install);
		if (why == NULL)
			why = binding_not_yet(m->value == NONE ? &l->presents.without : &l->presents.with);
		return why != NULL ? why : unit_not_yet(f, f->clients[l->client].unit);
	}
	return NULL;
}

static int
push_move(struct plan_reader *pr, struct step *s, enum facet facet, int subject,
    int value, const struct entry *e)
{
	struct move *m;
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		if (s->moves[i].facet == facet && s->moves[i].subject == subject)
			return reader_fail_at(&pr->fr.r, e->line, e->col,
			    "'%s' is moved twice in one step, expected once", e->key);
	m = mem_push(&s->moves, &s->nmoves, sizeof(*m));
	m->facet = facet;
	m->subject = subject;
	m->value = value;
	m->pos.line = e->line;
	m->pos.col = e->col;
	plan_not_yet(pr, s, m->pos, move_not_yet(pr->f, m));
	return 0;
}

/* "'redis' has no binding for 'mutual', it has: plain, both, tls" */
static int
fail_unbound(struct plan_reader *pr, const struct node *at, const char *name,
    const struct binding *bindings, const char *const words[], int value, const char *facet)
{
	const char *has[DIAL_COUNT + 1];
	char *all;
	size_t i, n = 0;

	for (i = 0; words[i] != NULL; i++)
		if (bindings[i].bound)
			has[n++] = words[i];
	has[n] = NULL;
	if (n == 0)
		return reader_fail(&pr->fr.r, at, "'%s' has no '%s' in the fleet, expected bindings there",
		    name, facet);
	all = words_joined(has);
	(void)reader_fail(&pr->fr.r, at, "'%s' has no binding for '%s', it has: %s",
	    name, words[value], all);
	free(all);
	return -1;
}

static int
move_accept(struct plan_reader *pr, struct step *s, const struct entry *e, int endpoint, int value)
{
	const struct endpoint *ep = &pr->f->endpoints[endpoint];

	if (!ep->accept[value].bound)
		return fail_unbound(pr, e->value, ep->name, ep->accept, accept_words, value, "accept");
	return push_move(pr, s, FACET_ACCEPT, endpoint, value, e);
}

static int
read_accept(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	struct reader *r = &pr->fr.r;
	const struct entry *e;
	char *name;
	size_t i, k, matched;
	int value, endpoint, rc = 0;

	for (i = 0; i < node->n && rc == 0; i++) {
		e = &node->entries[i];
		if (reader_fill(r, scope, e->line, e->col, e->key, NULL, &name) == -1)
			return -1;
		rc = reader_word(r, scope, e->value, "accept", accept_words, &value);
		if (rc == 0 && strncmp(name, "tag:", 4) == 0) {
			matched = 0;
			for (k = 0; k < pr->f->nendpoints && rc == 0; k++)
				if (strings_has(&pr->f->endpoints[k].tags, name + 4)) {
					matched++;
					rc = move_accept(pr, s, e, (int)k, value);
				}
			if (matched == 0)
				rc = reader_fail_at(r, e->line, e->col,
				    "no endpoint has the tag '%s', expected one", name + 4);
		} else if (rc == 0) {
			rc = noun_find(r, pr->f, NOUN_ENDPOINT, e->line, e->col, name, &endpoint);
			if (rc == 0)
				rc = move_accept(pr, s, e, endpoint, value);
		}
		free(name);
	}
	return rc;
}

static bool
is_presented(const struct fleet *f, int cert)
{
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].presents.cert == cert)
			return true;
	return false;
}

static int
read_certs(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	static const char *const words[] = { "install", "renew", "replace", NULL };
	struct reader *r = &pr->fr.r;
	const struct cert *c;
	const struct entry *e;
	char *name;
	size_t i;
	int cert, word, rc;

	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		if (reader_fill(r, scope, e->line, e->col, e->key, NULL, &name) == -1)
			return -1;
		rc = noun_find(r, pr->f, NOUN_CERT, e->line, e->col, name, &cert);
		free(name);
		if (rc == -1 || reader_word(r, scope, e->value, "way with a certificate:", words, &word) == -1)
			return -1;
		c = &pr->f->certs[cert];
		if (c->external)
			return reader_fail_at(r, e->line, e->col,
			    "the certificate '%s' is external, expected one that is ours to install", c->name);
		if (!c->install.bound && !is_presented(pr->f, cert))
			return reader_fail_at(r, e->line, e->col,
			    "the fleet does not say how '%s' is installed, expected %s", c->name,
			    c->client ? "'install' there, or 'present' at a link" : "'dir', 'install' or 'put' there");
		if (push_move(pr, s, FACET_CERT, cert, cert, e) == -1)
			return -1;
		s->moves[s->nmoves - 1].renew = word == 1;
		s->moves[s->nmoves - 1].replace = word == 2;
	}
	return 0;
}

/* The link is ours to move. */
static int
check_movable(struct plan_reader *pr, const struct entry *e, const struct link *link)
{
	struct reader *r = &pr->fr.r;

	switch (link->how) {
	case DIAL_BOUND:
		return 0;
	case DIAL_FOLLOWS:
		if (link->follows == NONE)
			return reader_fail_at(r, e->line, e->col,
			    "'%s' follows, expected a move of what implies it", link->name);
		return reader_fail_at(r, e->line, e->col,
		    "'%s' follows '%s', expected a move of that one", link->name,
		    pr->f->links[link->follows].name);
	case DIAL_FIXED:
		return reader_fail_at(r, e->line, e->col,
		    "'%s' is fixed, expected a link that a step can move", link->name);
	case DIAL_ASSUMED:
		return reader_fail_at(r, e->line, e->col,
		    "'%s' is assumed and bound to nothing, expected a link that a step can move", link->name);
	}
	return -1;
}

/* One certificate whose CA the link is to trust, or a list of two. */
static int
read_trust(struct plan_reader *pr, const struct scope *scope, const struct node *node, const struct link *link, int *ret)
{
	const struct fleet *f = pr->f;
	const struct node *at;
	size_t i, n = node->kind == NODE_SEQUENCE ? node->n : 1;
	int cert;

	*ret = NONE;
	if (n == 0 || n > TRUST_CERTS_MAX)
		return reader_fail(&pr->fr.r, node, "%zu certificates to trust, expected one, or two while one gives way to the other", n);
	for (i = 0; i < n; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		if (plan_ref(pr, scope, at, NOUN_CERT, &cert) == -1)
			return -1;
		if (trust_holds(f, *ret, cert))
			return reader_fail(&pr->fr.r, at, "'%s' twice, expected it once", f->certs[cert].name);
		if (link->trust_cert != NONE && !link_may_trust(f, link, cert))
			return reader_fail(&pr->fr.r, at, "'%s' is bound to trust '%s', expected that one, or one of its line ('after')",
			    link->name, f->certs[link->trust_cert].name);
		if (link->trust_lands && cert != link->trust_cert)
			return reader_fail(&pr->fr.r, at,
			    "the CA file of '%s' comes with the certificate '%s' itself, expected 'install' at its 'trust' in the fleet: another CA has to be there before a certificate of it is",
			    link->name, f->certs[link->trust_cert].name);
		*ret = trust_with(*ret, link_trust_value(f, link, cert));
	}
	return 0;
}

/* The certificate that the fleet binds there, or none. */
static int
move_present(struct plan_reader *pr, const struct scope *scope, const struct entry *e, int index, struct step *s)
{
	const struct link *link = &pr->f->links[index];
	struct reader *r = &pr->fr.r;
	char *name;
	int value = NONE, rc = 0;

	if (reader_string(r, scope, e->value, "the name of a certificate, or 'none'", &name) == -1)
		return -1;
	if (link->presents.cert == NONE)
		rc = reader_fail_at(r, e->line, e->col, "the fleet does not say what '%s' presents, expected 'present: "
		    "{ cert: CERTIFICATE, … }' there", link->name);
	else if (strcmp(name, "none") != 0)
		rc = noun_find(r, pr->f, NOUN_CERT, e->value->line, e->value->col, name, &value);
	else if (!link->presents.without.bound)
		rc = reader_fail(r, e->value, "the fleet does not say how '%s' comes to present none, expected 'without: "
		    "…' below its 'present'", link->name);
	free(name);
	if (rc == 0 && value != NONE && value != link->presents.cert)
		rc = reader_fail(r, e->value, "'%s' is bound to present '%s', expected that one, or 'none'",
		    link->name, pr->f->certs[link->presents.cert].name);
	return rc == 0 ? push_move(pr, s, FACET_PRESENT, index, value, e) : -1;
}

static int
move_link(struct plan_reader *pr, const struct scope *scope, const struct entry *e,
    enum facet facet, int index, struct step *s)
{
	struct reader *r = &pr->fr.r;
	const struct link *link = &pr->f->links[index];
	int value;

	/* What it shows is its own, whoever moves its dial. */
	if (facet == FACET_PRESENT)
		return move_present(pr, scope, e, index, s);
	if (check_movable(pr, e, link) == -1)
		return -1;
	if (facet == FACET_DIAL) {
		if (reader_word(r, scope, e->value, "dial", dial_words, &value) == -1)
			return -1;
		if (!link->dial[value].bound)
			return fail_unbound(pr, e->value, link->name, link->dial, dial_words, value, "dial");
		return push_move(pr, s, facet, index, value, e);
	}
	if (facet == FACET_TRUST ? read_trust(pr, scope, e->value, link, &value) == -1 :
	    plan_ref(pr, scope, e->value, NOUN_CERT, &value) == -1)
		return -1;
	return push_move(pr, s, facet, index, value, e);
}

static int
read_link_move(struct plan_reader *pr, const struct scope *scope, const struct entry *e,
    enum facet facet, struct step *s)
{
	struct indices links = { 0 };
	char *name;
	size_t i;
	int rc;

	if (reader_fill(&pr->fr.r, scope, e->line, e->col, e->key, NULL, &name) == -1)
		return -1;
	rc = batch_links(pr, e->line, e->col, name, &links);
	free(name);
	for (i = 0; i < links.n && rc == 0; i++)
		rc = move_link(pr, scope, e, facet, links.v[i], s);
	free(links.v);
	return rc;
}

static int
read_drain_of(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct drain *d)
{
	static const char *const keys[] = { "sessions", "pace", "undeclared", NULL };
	static const char *const words[] = { "plaintext", NULL };
	const struct node *v = node, *more;
	int word;

	if (node->kind == NODE_MAPPING) {
		if (reader_keys(&pr->fr.r, node, "drain", keys) == -1)
			return -1;
		if ((v = node_get(node, "sessions")) == NULL)
			return reader_fail(&pr->fr.r, node, "drain without 'sessions', expected 'sessions: plaintext'");
		if ((more = node_get(node, "pace")) != NULL &&
		    reader_duration(&pr->fr.r, scope, more, &d->pace_ms) == -1)
			return -1;
		if (more != NULL && d->pace_ms > DRAIN_PACE_MAX_MS)
			return reader_fail(&pr->fr.r, more, "a pace of more than a minute, expected less");
		if ((more = node_get(node, "undeclared")) != NULL &&
		    reader_bool(&pr->fr.r, scope, more, &d->undeclared) == -1)
			return -1;
	}
	return reader_word(&pr->fr.r, scope, v, "sessions:", words, &word);
}

static int
read_drain(struct plan_reader *pr, const struct scope *scope, const struct entry *drain, struct step *s)
{
	const struct node *node = drain->value;
	struct drain d, *to;
	const struct entry *e;
	char *name;
	size_t i;
	int rc;

	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		if (reader_fill(&pr->fr.r, scope, e->line, e->col, e->key, NULL, &name) == -1)
			return -1;
		memset(&d, 0, sizeof(d));
		d.pos.line = e->line;
		d.pos.col = e->col;
		d.pace_ms = DRAIN_PACE_MS;
		rc = noun_find(&pr->fr.r, pr->f, NOUN_ENDPOINT, e->line, e->col, name, &d.endpoint);
		free(name);
		if (rc == -1 || read_drain_of(pr, scope, e->value, &d) == -1)
			return -1;
		to = mem_push(&s->drains, &s->ndrains, sizeof(*s->drains));
		*to = d;
	}
	return 0;
}

int
plan_read_moves(struct plan_reader *pr, const struct scope *scope, const struct node *node, struct step *s)
{
	static const struct {
		const char *key;
		const char *what;
	} moves[] = {
		{ "certs", "'certs: { CERTIFICATE: install }'" },
		{ "trust", "'trust: { \"client -> endpoint\": CERTIFICATE }'" },
		{ "dial", "'dial: { \"client -> endpoint\": value }'" },
		{ "accept", "'accept: { ENDPOINT: value }'" },
		{ "present", "'present: { \"client -> endpoint\": CERTIFICATE }'" },
		{ "drain", "'drain: { ENDPOINT: plaintext }'" },
	};
	const struct entry *e;
	size_t i, k, l;
	int rc = 0;

	for (i = 0; i < node->n && rc == 0; i++) {
		e = &node->entries[i];
		for (k = 0; k < LENGTH(moves) && strcmp(moves[k].key, e->key) != 0; k++)
			continue;
		if (k == LENGTH(moves))
			continue;
		if (reader_is(&pr->fr.r, e->value, NODE_MAPPING, moves[k].what) == -1)
			return -1;
		if (strcmp(e->key, "certs") == 0)
			rc = read_certs(pr, scope, e->value, s);
		else if (strcmp(e->key, "accept") == 0)
			rc = read_accept(pr, scope, e->value, s);
		else if (strcmp(e->key, "drain") == 0)
			rc = read_drain(pr, scope, e, s);
		else
			for (l = 0; l < e->value->n && rc == 0; l++)
				rc = read_link_move(pr, scope, &e->value->entries[l],
				    strcmp(e->key, "dial") == 0 ? FACET_DIAL :
				    strcmp(e->key, "trust") == 0 ? FACET_TRUST :
				    FACET_PRESENT, s);
	}
	return rc;
}
