/*
 * posture: see posture.h.  Owns how a move becomes changes of facets, and how
 * the facts of a fleet and the facets of a posture become one attempt; what
 * comes of that is attempt.c's.  Holds no state and looks at nothing else.
 *
 * A pooler's clients inherit a refusal upstream as a hang (measured with
 * PgBouncer 1.18: no error, the client waits).
 */
#include "core/posture.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

void
posture_init(struct posture *p, const struct fleet *f)
{
	size_t i, k;

	p->nendpoints = f->nendpoints;
	p->nlinks = f->nlinks;
	p->ncerts = f->ncerts;
	p->accept = mem_array(p->nendpoints, sizeof(*p->accept));
	p->cert = mem_array(p->nendpoints, sizeof(*p->cert));
	p->dial = mem_array(p->nlinks, sizeof(*p->dial));
	p->trust = mem_array(p->nlinks, sizeof(*p->trust));
	p->present = mem_array(p->nlinks, sizeof(*p->present));
	for (i = 0; i < p->nendpoints; i++) {
		p->accept[i] = ACCEPT_UNKNOWN;
		p->cert[i] = CERT_UNKNOWN;
	}
	/* What the fleet says of an endpoint's certificate begins with its absence. */
	for (i = 0; i < f->ncerts; i++)
		for (k = 0; k < f->certs[i].serves.n; k++)
			p->cert[f->certs[i].serves.v[k]] = NONE;
	for (i = 0; i < p->nlinks; i++) {
		p->dial[i] = DIAL_UNKNOWN;
		p->trust[i] = p->present[i] = NONE;
	}
}

void
posture_release(struct posture *p)
{
	free(p->accept);
	free(p->cert);
	free(p->dial);
	free(p->trust);
	free(p->present);
	memset(p, 0, sizeof(*p));
}

void
posture_copy(struct posture *to, const struct posture *from)
{
	memcpy(to->accept, from->accept, from->nendpoints * sizeof(*to->accept));
	memcpy(to->cert, from->cert, from->nendpoints * sizeof(*to->cert));
	memcpy(to->dial, from->dial, from->nlinks * sizeof(*to->dial));
	memcpy(to->trust, from->trust, from->nlinks * sizeof(*to->trust));
	memcpy(to->present, from->present, from->nlinks * sizeof(*to->present));
}

void
posture_from(struct posture *p, const struct fleet *f, const struct plan *plan)
{
	size_t i, j;

	posture_init(p, f);
	for (i = 0; i < f->nendpoints; i++) {
		p->accept[i] = plan->from_accept;
		/* A certificate that is only watched is there from the start. */
		for (j = 0; j < f->ncerts; j++) {
			size_t k;

			if (!f->certs[j].external)
				continue;
			for (k = 0; k < f->certs[j].serves.n; k++)
				if (f->certs[j].serves.v[k] == (int)i)
					p->cert[i] = (int)j;
		}
	}
	for (j = 0; j < plan->from_certs.n; j++) {
		const struct cert *c = &f->certs[plan->from_certs.v[j]];
		size_t k;

		for (k = 0; k < c->serves.n; k++)
			p->cert[c->serves.v[k]] = plan->from_certs.v[j];
		for (i = 0; i < f->nlinks; i++)
			if (link_may_trust(f, &f->links[i], plan->from_certs.v[j]))
				p->trust[i] = link_trust_value(f, &f->links[i], plan->from_certs.v[j]);
		/* Of a client: shown by whoever is bound to show it. */
		for (i = 0; i < f->nlinks; i++)
			if (f->links[i].presents.cert == plan->from_certs.v[j] && c->client)
				p->present[i] = plan->from_certs.v[j];
	}
	for (i = 0; i < f->nlinks; i++) {
		p->dial[i] = plan->from_dial;
		if ((f->links[i].how == DIAL_ASSUMED || f->links[i].how == DIAL_FIXED) &&
		    f->links[i].assumed != DIAL_UNKNOWN)
			p->dial[i] = f->links[i].assumed;
	}
}

static void
add_change(struct change **v, size_t *n, enum facet facet, int subject, int value)
{
	struct change *c;

	c = mem_push(v, n, sizeof(*c));
	c->facet = facet;
	c->subject = subject;
	c->value = value;
}

/* Links that follow `link` move with it; fleet_parse() refused cycles. */
static void
add_link(struct change **v, size_t *n, const struct fleet *f, enum facet facet, int link, int value)
{
	size_t i;

	add_change(v, n, facet, link, value);
	for (i = 0; f->links[link].followed && i < f->nlinks; i++)
		if (f->links[i].how == DIAL_FOLLOWS && f->links[i].follows == link)
			add_link(v, n, f, facet, (int)i, value);
}

/* How a link dials that the value's binding, of the n of a facet, takes along: plaintext where it says nothing. */
static enum dial
implied_dial(const struct binding *values, size_t n, int value, int link)
{
	enum dial dial = DIAL_DISABLE;
	size_t i;

	if (value >= 0 && (size_t)value < n)
		for (i = 0; i < values[value].nimplies; i++)
			if (values[value].implies[i].link == link)
				dial = values[value].implies[i].dial;
	return dial;
}

static bool
is_implied_before(const struct binding *values, size_t v, size_t i)
{
	int link = values[v].implies[i].link;
	size_t w, k;

	for (w = 0; w <= v; w++)
		for (k = 0; k < (w == v ? i : values[w].nimplies); k++)
			if (values[w].implies[k].link == link)
				return true;
	return false;
}

/*
 * A binding's `implies` speaks for links whose dial this value carries with
 * it.  A value that implies nothing for a link that another value of the same
 * facet moves takes that link back to plaintext.
 */
static void
add_implied(struct change **ret, size_t *n, const struct fleet *f, const struct binding *values, size_t nvalues,
    int value)
{
	size_t v, i;
	int link;

	for (v = 0; v < nvalues; v++)
		for (i = 0; i < values[v].nimplies; i++) {
			if (is_implied_before(values, v, i))
				continue;
			link = values[v].implies[i].link;
			add_link(ret, n, f, FACET_DIAL, link, (int)implied_dial(values, nvalues, value, link));
		}
}

/* The same file at the same host is read by other links as well: what it holds they trust, too. */
static void
add_trust(struct change **v, size_t *n, const struct fleet *f, int link, int value)
{
	const struct link *l = &f->links[link];
	size_t i, k;

	add_link(v, n, f, FACET_TRUST, link, value);
	for (i = 0; l->trust_shared && i < f->nlinks; i++) {
		if ((int)i == link || !links_share_trust(f, l, &f->links[i]))
			continue;
		/* It may have come along already, since it follows the link. */
		for (k = 0; k < *n && (*v)[k].subject != (int)i; k++)
			continue;
		if (k == *n)
			add_link(v, n, f, FACET_TRUST, (int)i, value);
	}
}

void
posture_changes(const struct fleet *f, const struct move *m, struct change **ret, size_t *ret_n)
{
	size_t i;

	*ret = NULL;
	*ret_n = 0;
	switch (m->facet) {
	case FACET_ACCEPT:
		add_change(ret, ret_n, FACET_ACCEPT, m->subject, m->value);
		add_implied(ret, ret_n, f, f->endpoints[m->subject].accept, ACCEPT_COUNT, m->value);
		break;
	case FACET_CERT:
		for (i = 0; i < f->certs[m->subject].serves.n; i++)
			add_change(ret, ret_n, FACET_CERT, f->certs[m->subject].serves.v[i], m->subject);
		break;
	case FACET_DIAL:
		add_link(ret, ret_n, f, FACET_DIAL, m->subject, m->value);
		add_implied(ret, ret_n, f, f->links[m->subject].dial, DIAL_COUNT, m->value);
		break;
	case FACET_TRUST:
		add_trust(ret, ret_n, f, m->subject, m->value);
		break;
	case FACET_PRESENT:
		add_change(ret, ret_n, FACET_PRESENT, m->subject, m->value);
		break;
	}
}

void
posture_change(struct posture *p, const struct change *c)
{
	switch (c->facet) {
	case FACET_ACCEPT:
		p->accept[c->subject] = (enum accept)c->value;
		break;
	case FACET_CERT:
		p->cert[c->subject] = c->value;
		break;
	case FACET_DIAL:
		p->dial[c->subject] = (enum dial)c->value;
		break;
	case FACET_TRUST:
		p->trust[c->subject] = c->value;
		break;
	case FACET_PRESENT:
		p->present[c->subject] = c->value;
		break;
	}
}

void
posture_move(struct posture *p, const struct fleet *f, const struct move *m)
{
	struct change *changes;
	size_t i, n;

	posture_changes(f, m, &changes, &n);
	for (i = 0; i < n; i++)
		posture_change(p, &changes[i]);
	free(changes);
}

void
posture_step(struct posture *p, const struct fleet *f, const struct step *step)
{
	size_t i;

	for (i = 0; i < step->nmoves; i++)
		posture_move(p, f, &step->moves[i]);
}

/* What of its issuer the client knows, for a certificate that is known. */
static enum anchor
anchor_of(const struct fleet *f, int trust, int cert, enum dialect dialect)
{
	const char *ca;

	if (trust == CERT_UNKNOWN)
		return ANCHOR_UNKNOWN;
	if (trust != NONE)
		return trust_holds(f, trust, cert) ? ANCHOR_ISSUER : ANCHOR_OTHER;
	if (dialect_needs_file(dialect) || !f->certs[cert].external)
		return ANCHOR_NONE;
	/* The system's CAs: they hold the issuer of somebody else's certificate, or may. */
	ca = f->certs[cert].ca_file;
	return ca != NULL && strcmp(ca, "system") == 0 ? ANCHOR_ISSUER : ANCHOR_UNKNOWN;
}

static enum leaf_state
served_of(const struct fleet *f, const struct link *l, int cert)
{
	const struct cert *c = &f->certs[cert];

	/* Issued by us for every name that is dialled at what it serves. */
	if (c->names.n == 0 && !c->external)
		return SERVED_GOOD;
	switch (cert_covers(f, c, link_dials_name(f, l))) {
	case 1:
		return SERVED_GOOD;
	case 0:
		return SERVED_MISNAMED;
	default:
		return SERVED_UNKNOWN;
	}
}

/* What the client shows, as the endpoint knows its clients now. */
static enum shown
shown_of(const struct fleet *f, const struct link *l, int present, enum accept accept)
{
	const struct endpoint *e = &f->endpoints[l->endpoint];

	if (present == NONE)
		return l->stray ? SHOWN_STRAY : SHOWN_NONE;
	if (e->clients == NONE || accept == ACCEPT_UNKNOWN || !e->knows[accept])
		return SHOWN_STRAY;
	return cert_authority(f, present) == cert_authority(f, e->clients) ? SHOWN_GOOD : SHOWN_STRAY;
}

bool
posture_attempt(const struct fleet *f, const struct posture *p, int link, struct attempt *ret)
{
	const struct link *l = &f->links[link];
	const struct endpoint *e = &f->endpoints[l->endpoint];
	const struct client *c = &f->clients[l->client];
	int cert = p->cert[l->endpoint], trust = p->trust[link];

	memset(ret, 0, sizeof(*ret));
	ret->kind = e->kind;
	ret->accept = p->accept[l->endpoint];
	/* Where there is one port only, everybody dials it (link_dials_port()). */
	ret->one_port = e->one_port || e->port_plain == 0 || e->port_tls == 0;
	ret->asks = e->asks;
	ret->server_min = e->proto_min;
	ret->server_max = e->proto_max;
	ret->auth = ret->accept == ACCEPT_UNKNOWN ? AUTH_UNKNOWN : e->auth[ret->accept];
	ret->stored = l->stored;
	ret->dialect = l->dialect;
	ret->dial = p->dial[link];
	ret->client_min = c->proto_min;
	ret->client_max = c->proto_max;
	ret->shown = shown_of(f, l, p->present[link], ret->accept);
	/* A Postgres that has a CA of clients asks each of them. */
	if (e->kind == KIND_POSTGRES && e->clients != NONE && ret->accept != ACCEPT_UNKNOWN && e->knows[ret->accept])
		ret->asks = true;
	if (cert == NONE) {
		ret->served = SERVED_NONE;
		ret->anchor = trust == NONE ? ANCHOR_NONE : ANCHOR_UNKNOWN;
	} else if (cert == CERT_UNKNOWN) {
		ret->served = SERVED_UNKNOWN;
		ret->anchor = trust != NONE || !dialect_needs_file(l->dialect) ?
		    ANCHOR_UNKNOWN : ANCHOR_NONE;
	} else {
		ret->served = served_of(f, l, cert);
		ret->anchor = anchor_of(f, trust, cert, l->dialect);
	}
	return ret->accept != ACCEPT_UNKNOWN && ret->dial != DIAL_UNKNOWN;
}

/*
 * Whether a link upstream of this pooler is refused, or one behind a pooler
 * that it dials in turn.  `seen` are the poolers that were asked: a circle of
 * them ends there, and no pooler is asked twice.
 */
static bool
upstream_fails(const struct fleet *f, const struct posture *p, int endpoint, bool *seen)
{
	const struct client *c;
	struct attempt a;
	size_t i, j;
	int link;

	seen[endpoint] = true;
	for (i = 0; i < f->nclients; i++) {
		c = &f->clients[i];
		if (c->pools != endpoint)
			continue;
		for (j = 0; j < c->links.n; j++) {
			link = c->links.v[j];
			(void)posture_attempt(f, p, link, &a);
			if (attempt_verdict(&a, NULL) <= VERDICT_HANGS)
				return true;
			if (a.kind == KIND_PGBOUNCER && !seen[f->links[link].endpoint] &&
			    upstream_fails(f, p, f->links[link].endpoint, seen))
				return true;
		}
	}
	return false;
}

enum verdict
posture_verdict(const struct fleet *f, const struct posture *p, int link, const char **ret_why)
{
	struct attempt a;
	enum verdict v;
	const char *why;
	bool *seen;

	(void)posture_attempt(f, p, link, &a);
	v = attempt_verdict(&a, &why);
	if (v > VERDICT_HANGS && a.kind == KIND_PGBOUNCER) {
		seen = mem_array(f->nendpoints, sizeof(*seen));
		if (upstream_fails(f, p, f->links[link].endpoint, seen)) {
			v = VERDICT_HANGS;
			why = "the pooler cannot reach its server, so its clients wait";
		}
		free(seen);
	}
	if (ret_why != NULL)
		*ret_why = v <= VERDICT_HANGS ? why : NULL;
	return v;
}
