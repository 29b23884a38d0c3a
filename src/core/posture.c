/*
 * posture: see posture.h.  Owns what a new connection does under given
 * facets; holds no state and looks at nothing else.
 *
 * The verdict of one link is read from three small tables, in this order:
 * what the endpoint accepts, what the client dials, whether what the client
 * checks holds.  A pooler's clients then inherit a refusal upstream as a hang
 * (measured with PgBouncer 1.18: no error, the client waits).
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
	for (i = 0; i < f->nlinks; i++) {
		p->dial[i] = plan->from_dial;
		if ((f->links[i].how == DIAL_ASSUMED || f->links[i].how == DIAL_FIXED) &&
		    f->links[i].assumed != DIAL_UNKNOWN)
			p->dial[i] = f->links[i].assumed;
	}
}

/* Links that follow `link` move with it; fleet_parse() refused cycles. */
static void
move_dial(struct posture *p, const struct fleet *f, int link, enum dial dial)
{
	size_t i;

	p->dial[link] = dial;
	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].how == DIAL_FOLLOWS && f->links[i].follows == link)
			move_dial(p, f, (int)i, dial);
}

static void
move_trust(struct posture *p, const struct fleet *f, int link, int cert)
{
	size_t i;

	p->trust[link] = cert;
	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].how == DIAL_FOLLOWS && f->links[i].follows == link)
			move_trust(p, f, (int)i, cert);
}

/*
 * A binding's `implies` speaks for links whose dial this endpoint's value
 * carries with it.  A value that implies nothing for a link that another
 * value of the same facet moves takes that link back to plaintext.
 */
static void
move_accept(struct posture *p, const struct fleet *f, int endpoint, enum accept accept)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	size_t v, i;

	p->accept[endpoint] = accept;
	for (v = 0; v < ACCEPT_COUNT; v++)
		for (i = 0; i < e->accept[v].nimplies; i++)
			move_dial(p, f, e->accept[v].implies[i].link, DIAL_DISABLE);
	if (accept == ACCEPT_UNKNOWN)
		return;
	for (i = 0; i < e->accept[accept].nimplies; i++)
		move_dial(p, f, e->accept[accept].implies[i].link,
		    e->accept[accept].implies[i].dial);
}

void
posture_move(struct posture *p, const struct fleet *f, const struct move *m)
{
	size_t i;

	switch (m->facet) {
	case FACET_ACCEPT:
		move_accept(p, f, m->subject, (enum accept)m->value);
		break;
	case FACET_CERT:
		for (i = 0; i < f->certs[m->subject].serves.n; i++)
			p->cert[f->certs[m->subject].serves.v[i]] = m->subject;
		break;
	case FACET_DIAL:
		move_dial(p, f, m->subject, (enum dial)m->value);
		break;
	case FACET_TRUST:
		move_trust(p, f, m->subject, m->value);
		break;
	case FACET_PRESENT:
		p->present[m->subject] = m->value;
		break;
	}
}

void
posture_step(struct posture *p, const struct fleet *f, const struct step *step)
{
	size_t i;

	for (i = 0; i < step->nmoves; i++)
		posture_move(p, f, &step->moves[i]);
}

const char *
verdict_word(enum verdict verdict)
{
	static const char *const words[] = {
		[VERDICT_REFUSED] = "refused", [VERDICT_HANGS] = "hangs",
		[VERDICT_UNKNOWN] = "unknown", [VERDICT_PLAINTEXT] = "plaintext",
		[VERDICT_TLS] = "tls", [VERDICT_CHAIN] = "tls+chain",
		[VERDICT_NAME] = "tls+name",
	};

	return words[verdict];
}

/* What TLS comes to, once both sides want it. */
static enum verdict
handshake(const struct fleet *f, const struct posture *p, const struct link *l, int link,
    const char **ret_why)
{
	enum dial dial = p->dial[link];
	int cert = p->cert[l->endpoint];
	bool trusted = cert >= 0 && p->trust[link] == cert;

	if (p->accept[l->endpoint] == ACCEPT_MUTUAL && p->present[link] == NONE) {
		*ret_why = "the endpoint asks for a client certificate and the client shows none";
		return VERDICT_REFUSED;
	}
	switch (dial) {
	case DIAL_VERIFY_CA:
	case DIAL_VERIFY_FULL:
		/* Redis clients fall back on the system's CAs, libpq does not. */
		if (cert == CERT_UNKNOWN && f->endpoints[l->endpoint].kind == KIND_REDIS)
			return VERDICT_UNKNOWN;
		if (p->trust[link] == NONE) {
			*ret_why = "the client verifies and trusts no CA";
			return VERDICT_REFUSED;
		}
		if (cert == CERT_UNKNOWN)
			return VERDICT_UNKNOWN;
		if (!trusted) {
			*ret_why = "the client does not trust the CA of the certificate served";
			return VERDICT_REFUSED;
		}
		return dial == DIAL_VERIFY_FULL ? VERDICT_NAME : VERDICT_CHAIN;
	case DIAL_REQUIRE:
		/* libpq verifies the chain as soon as a root file is there. */
		if (cert == CERT_UNKNOWN && p->trust[link] != NONE)
			return VERDICT_UNKNOWN;
		if (p->trust[link] == NONE || trusted)
			return trusted ? VERDICT_CHAIN : VERDICT_TLS;
		*ret_why = "the client's root file does not hold the CA of the certificate served";
		return VERDICT_REFUSED;
	case DIAL_ALLOW:
	case DIAL_PREFER:
		return trusted ? VERDICT_CHAIN : VERDICT_TLS;
	case DIAL_DISABLE:
	case DIAL_UNKNOWN:
		break;
	}
	return VERDICT_UNKNOWN;
}

static enum verdict
direct(const struct fleet *f, const struct posture *p, int link, const char **ret_why)
{
	const struct link *l = &f->links[link];
	enum accept accept = p->accept[l->endpoint];
	enum dial dial = p->dial[link];
	enum verdict v;

	if (accept == ACCEPT_UNKNOWN || dial == DIAL_UNKNOWN)
		return VERDICT_UNKNOWN;
	if (accept != ACCEPT_PLAIN && p->cert[l->endpoint] == NONE) {
		/* PostgreSQL does not start without its certificate, nor does Redis. */
		*ret_why = "the endpoint is to speak TLS and no certificate is installed for it";
		return VERDICT_REFUSED;
	}
	switch (dial) {
	case DIAL_DISABLE:
		if (accept == ACCEPT_PLAIN || accept == ACCEPT_BOTH)
			return VERDICT_PLAINTEXT;
		*ret_why = "the endpoint accepts tls only and the client dials disable";
		return VERDICT_REFUSED;
	case DIAL_ALLOW:
		/* Plaintext first, TLS only where that is rejected. */
		if (accept == ACCEPT_PLAIN || accept == ACCEPT_BOTH)
			return VERDICT_PLAINTEXT;
		return handshake(f, p, l, link, ret_why);
	case DIAL_PREFER:
		if (accept == ACCEPT_PLAIN)
			return VERDICT_PLAINTEXT;
		v = handshake(f, p, l, link, ret_why);
		if (v == VERDICT_REFUSED && accept == ACCEPT_BOTH) {
			*ret_why = NULL;	/* falls back, silently */
			return VERDICT_PLAINTEXT;
		}
		return v;
	case DIAL_REQUIRE:
	case DIAL_VERIFY_CA:
	case DIAL_VERIFY_FULL:
		if (accept != ACCEPT_PLAIN)
			return handshake(f, p, l, link, ret_why);
		*ret_why = "the client insists on tls and the endpoint accepts plaintext only";
		return VERDICT_REFUSED;
	case DIAL_UNKNOWN:
		break;
	}
	return VERDICT_UNKNOWN;
}

enum verdict
posture_verdict(const struct fleet *f, const struct posture *p, int link, const char **ret_why)
{
	const struct link *l = &f->links[link];
	const char *why = NULL, *upstream_why = NULL;
	enum verdict v = direct(f, p, link, &why), up;
	size_t i, j;

	if (v > VERDICT_HANGS && f->endpoints[l->endpoint].kind == KIND_PGBOUNCER)
		for (i = 0; i < f->nclients; i++) {
			if (f->clients[i].pools != l->endpoint)
				continue;
			for (j = 0; j < f->clients[i].links.n; j++) {
				up = direct(f, p, f->clients[i].links.v[j], &upstream_why);
				if (up == VERDICT_REFUSED || up == VERDICT_HANGS) {
					v = VERDICT_HANGS;
					why = "the pooler cannot reach its server, so its clients wait";
				}
			}
		}
	if (ret_why != NULL)
		*ret_why = v <= VERDICT_HANGS ? why : NULL;
	return v;
}
