/*
 * plan_imply: the checks that follow from a step's moves without being written, and the name of
 * every check.
 */
#include <stdlib.h>
#include <string.h>

#include "core/hba_step.h"
#include "core/mem.h"
#include "core/plan_read.h"
#include "core/posture.h"

static struct check *
push_check(struct check **v, size_t *n, enum check_kind kind)
{
	struct check *c = mem_push(v, n, sizeof(*c));

	c->kind = kind;
	c->endpoint = c->link = c->host = c->cert = c->trust = NONE;
	c->accept = ACCEPT_UNKNOWN;
	c->dial = c->known = DIAL_UNKNOWN;
	return c;
}

/* What the step moves of the link, or NULL. */
static const struct move *
moved(const struct step *s, enum facet facet, int link)
{
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		if (s->moves[i].facet == facet && s->moves[i].subject == link)
			return &s->moves[i];
	return NULL;
}

static bool
ours_to_give(const struct fleet *f, int trust)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(trust, v);

	for (i = 0; i < n && !f->certs[v[i]].external; i++)
		continue;
	return n > 0 && i == n;
}

void
check_as_to_be(const struct fleet *f, const struct step *s, struct check *c)
{
	const struct move *dial = moved(s, FACET_DIAL, c->link), *trust = moved(s, FACET_TRUST, c->link);
	const struct link *l = &f->links[c->link];

	if (dial != NULL)
		c->dial = (enum dial)dial->value;
	/* A certificate that is only watched comes with nothing: its CA file has to be there. */
	if (trust != NULL && ours_to_give(f, trust->value))
		c->trust = trust->value;
	else if (dial != NULL && l->trust_lands) {
		c->trust = l->trust_cert;
		c->lands = true;
	}
}

static char *
with_trust(const struct fleet *f, const char *before, const char *link, const char *verb, int trust)
{
	char *words = trust_words(f, trust), *name = mem_printf("%s%s %s %s", before, link, verb, words);

	free(words);
	return name;
}

static char *
check_name(const struct fleet *f, const struct check *c)
{
	const char *endpoint = c->endpoint == NONE ? "" : f->endpoints[c->endpoint].name;
	const char *link = c->link == NONE ? "" : f->links[c->link].name;
	const char *host = c->host == NONE ? "" : f->hosts[c->host].name;

	switch (c->kind) {
	case CHECK_SERVED:
		return mem_printf("served %s%s%s%s%s", endpoint,
		    c->proto_min == PROTO_ANY ? "" : ", at least ",
		    c->proto_min == PROTO_ANY ? "" : proto_word(c->proto_min),
		    c->cipher == NULL ? "" : ", ", c->cipher == NULL ? "" : c->cipher);
	case CHECK_REFUSED:
		return mem_printf("refused %s %s", refused_word(c->accept), endpoint);
	case CHECK_CENSUS:
		return mem_printf("nobody on plaintext %s", endpoint);
	case CHECK_UNSEEN:
		return mem_printf("nobody unseen %s", endpoint);
	case CHECK_PRESENTS:
		return mem_printf("%s presents %s", endpoint, f->certs[c->cert].name);
	case CHECK_SETTING:
		return mem_printf("setting %s of %s", c->setting, endpoint);
	case CHECK_LOG:
		return mem_printf("log of %s", c->endpoint == NONE ? c->text : endpoint);
	case CHECK_HTTP:
		return mem_printf("http %s from %s", c->url, host);
	case CHECK_COMMAND:
		return mem_printf("command on %s: %s", host, c->run);
	case CHECK_CAN_TLS:
		return mem_printf("can-tls %s", link);
	case CHECK_LINK_TLS:
		return mem_printf("sessions of %s", link);
	case CHECK_LINK_UP:
		return mem_printf("%s is up", link);
	case CHECK_PROOF:
		return mem_strdup("proof");
	case CHECK_DIAL_SET:
		return mem_printf("written %s", link);
	case CHECK_LINK_NEW:
		return mem_printf("new connections of %s", link);
	case CHECK_CANARY:
		return mem_printf("canary %s", link);
	case CHECK_HBA:
		return mem_printf("pg_hba.conf of %s", endpoint);
	case CHECK_TRUSTS:
		return with_trust(f, "", link, "trusts", c->trust);
	case CHECK_REHEARSAL:
		if (c->accept == ACCEPT_MUTUAL)
			return mem_printf("rehearsal of %s showing %s", link, f->certs[f->links[c->link].presents.cert].name);
		return c->dial != DIAL_UNKNOWN ? mem_printf("rehearsal of %s as %s", link, dial_word(c->dial)) :
		    c->trust == NONE ? mem_printf("rehearsal of %s", link) : with_trust(f, "rehearsal of ", link, "trusting", c->trust);
	case CHECK_ATTEST:
		return mem_printf("attest %s", c->text != NULL ? c->text : link);
	case CHECK_SEEN:
		return mem_printf("seen%s %s", c->accept == ACCEPT_TLS ? " on tls" : "", link);
	case CHECK_FILE:
	case CHECK_JOB:
	case CHECK_STEADY:
		return mem_printf("%s %s", check_kind_word(c->kind), c->text);
	}
	return mem_strdup("check");
}

void
check_put_name(const struct fleet *f, const struct step *s, struct check *c)
{
	char *name = check_name(f, c), *numbered = NULL;
	size_t i, number = 1;
	const char *wanted = name;
	bool taken = true;

	while (taken) {
		taken = false;
		for (i = 0; i < s->nrequires; i++)
			taken |= s->requires[i].name != NULL && strcmp(s->requires[i].name, wanted) == 0;
		for (i = 0; i < s->ngates; i++)
			taken |= s->gates[i].name != NULL && strcmp(s->gates[i].name, wanted) == 0;
		if (taken) {
			free(numbered);
			numbered = mem_printf("%s #%zu", name, ++number);
			wanted = numbered;
		}
	}
	c->name = mem_strdup(wanted);
	free(name);
	free(numbered);
}

static void
imply(const struct fleet *f, struct step *s, struct check **v, size_t *n,
    enum check_kind kind, const struct move *m, int endpoint, int link, enum accept accept)
{
	struct check *c = push_check(v, n, kind);

	c->implied = true;
	c->pos = m->pos;
	c->endpoint = endpoint;
	c->link = link;
	c->accept = accept;
	if (kind == CHECK_PRESENTS)
		c->cert = m->subject;
	if (kind == CHECK_CAN_TLS && f->links[link].can_tls->on.n > 0)
		c->host = f->links[link].can_tls->on.v[0];
	check_put_name(f, s, c);
}

/* Its file has to hold these CAs; cert: since that one is about to be presented to it, or NONE. */
static void
imply_trusts(const struct fleet *f, struct step *s, struct check **v, size_t *n, const struct move *m, int link, int trust, int cert)
{
	struct check *c = push_check(v, n, CHECK_TRUSTS);

	c->implied = true;
	c->pos = m->pos;
	c->endpoint = f->links[link].endpoint;
	c->link = link;
	c->trust = trust;
	c->cert = cert;
	check_put_name(f, s, c);
}

/* Which of its endpoints present another CA's certificate before the step, or may: by the plan alone. */
static void
presents_another(const struct fleet *f, const struct plan *plan, const struct step *s, int cert, bool *ret)
{
	const struct indices *serves = &f->certs[cert].serves;
	bool several = false;
	struct posture p;
	size_t i, k;

	for (i = 0; i < serves->n; i++) {
		ret[serves->v[i]] = false;
		for (k = 0; k < f->ncerts; k++)
			several = several || (cert_authority(f, (int)k) != cert_authority(f, cert) &&
			    indices_has(&f->certs[k].serves, serves->v[i]));
	}
	if (!several)
		return;
	posture_from(&p, f, plan);
	for (i = 0; i < plan->nsteps && &plan->steps[i] != s; i++)
		posture_step(&p, f, &plan->steps[i]);
	for (i = 0; i < serves->n; i++)
		ret[serves->v[i]] = p.cert[serves->v[i]] == CERT_UNKNOWN || (p.cert[serves->v[i]] != NONE &&
		    cert_authority(f, p.cert[serves->v[i]]) != cert_authority(f, cert));
	posture_release(&p);
}

/* In the place of a client that shows a certificate, or does no more: is it let in so? */
static void
imply_shown(const struct fleet *f, struct step *s, struct check **v, size_t *n, const struct move *m, int link,
    enum accept demanded)
{
	if (f->links[link].presents.cert != NONE && link_rehearsable(f, link) && !f->links[link].stray)
		imply(f, s, v, n, CHECK_REHEARSAL, m, f->links[link].endpoint, link, demanded);
}

static void
imply_accept(const struct fleet *f, struct step *s, const struct move *m)
{
	enum accept accept = (enum accept)m->value;
	bool forced = accept == ACCEPT_TLS || accept == ACCEPT_MUTUAL;
	size_t i;

	for (i = 0; accept == ACCEPT_MUTUAL && i < f->nlinks; i++)
		if (f->links[i].endpoint == m->subject) {
			imply_shown(f, s, &s->requires, &s->nrequires, m, (int)i, ACCEPT_UNKNOWN);
			imply_shown(f, s, &s->gates, &s->ngates, m, (int)i, ACCEPT_MUTUAL);
		}
	if (forced)
		imply(f, s, &s->requires, &s->nrequires, CHECK_CENSUS, m, m->subject, NONE, ACCEPT_UNKNOWN);
	if (hba_step_bound(f, m->subject, accept))
		imply(f, s, &s->requires, &s->nrequires, CHECK_HBA, m, m->subject, NONE, accept);
	if (forced && f->endpoints[m->subject].kind == KIND_REDIS)
		imply(f, s, &s->requires, &s->nrequires, CHECK_UNSEEN, m, m->subject, NONE, ACCEPT_UNKNOWN);
	if (accept != ACCEPT_PLAIN)
		imply(f, s, &s->gates, &s->ngates, CHECK_SERVED, m, m->subject, NONE, ACCEPT_UNKNOWN);
	if (forced)
		imply(f, s, &s->gates, &s->ngates, CHECK_REFUSED, m, m->subject, NONE, ACCEPT_PLAIN);
	if (accept == ACCEPT_PLAIN)
		imply(f, s, &s->gates, &s->ngates, CHECK_REFUSED, m, m->subject, NONE, ACCEPT_TLS);
	/* pg_hba.conf demands one by role, and belay's own role is none of those. */
	if (accept == ACCEPT_MUTUAL && f->endpoints[m->subject].kind != KIND_POSTGRES)
		imply(f, s, &s->gates, &s->ngates, CHECK_REFUSED, m, m->subject, NONE, ACCEPT_MUTUAL);
}

/* Where it is written and taken over in this step. */
static void
imply_cert(const struct fleet *f, const struct plan *plan, struct step *s, const struct move *m)
{
	const struct cert *c = &f->certs[m->subject];
	const struct endpoint *e;
	bool here, *another = mem_array(f->nendpoints, sizeof(*another));
	size_t i, k;

	/* Whoever verifies has to trust its CA before it is there. */
	presents_another(f, plan, s, m->subject, another);
	for (i = 0; i < f->nlinks; i++)
		if (another[f->links[i].endpoint] && link_may_trust(f, &f->links[i], m->subject))
			imply_trusts(f, s, &s->requires, &s->nrequires, m, (int)i, m->subject, m->subject);
	for (i = 0; !c->lands_at_activation && i < c->serves.n; i++) {
		e = &f->endpoints[c->serves.v[i]];
		for (k = 0, here = false; e->unit != NONE && k < c->install.n; k++)
			here = here || c->install.v[k].on.n == 0 || indices_has(&c->install.v[k].on, e->host);
		if (here)
			imply(f, s, &s->gates, &s->ngates, CHECK_PRESENTS, m, c->serves.v[i], NONE, ACCEPT_UNKNOWN);
	}
	free(another);
}

/* Where it is written to land at an activation, by the step whose activation that is, which may come much later. */
static void
imply_landed(const struct fleet *f, const struct plan *p, struct step *s)
{
	struct move at = { .pos = s->pos };
	size_t i, k;

	for (i = 0; i < f->ncerts; i++)
		for (k = 0; k < f->certs[i].serves.n; k++)
			if (plan_takes_up(f, p, p->nsteps - 1, (int)i, f->certs[i].serves.v[k])) {
				at.subject = (int)i;
				imply(f, s, &s->gates, &s->ngates, CHECK_PRESENTS, &at, f->certs[i].serves.v[k], NONE,
				    ACCEPT_UNKNOWN);
			}
}

static void
imply_dial(const struct fleet *f, struct step *s, const struct move *m)
{
	/* By the client's evidence: what would show that it dials by TLS. */
	static const enum check_kind shown[] = {
		[EVIDENCE_SESSION] = CHECK_LINK_TLS, [EVIDENCE_LOG] = CHECK_SEEN,
		[EVIDENCE_REHEARSAL] = CHECK_REHEARSAL, [EVIDENCE_ATTEST] = CHECK_ATTEST,
	};
	const struct link *link = &f->links[m->subject];
	enum dial dial = (enum dial)m->value;
	enum check_kind kind = shown[f->clients[link->client].evidence];

	if (link->can_tls != NULL && dial != DIAL_DISABLE)
		imply(f, s, &s->requires, &s->nrequires, CHECK_CAN_TLS, m, NONE, m->subject, ACCEPT_UNKNOWN);
	imply(f, s, &s->gates, &s->ngates, CHECK_DIAL_SET, m, link->endpoint, m->subject, ACCEPT_UNKNOWN);
	s->gates[s->ngates - 1].dial = dial;
	if (dial != DIAL_REQUIRE && dial != DIAL_VERIFY_CA && dial != DIAL_VERIFY_FULL)
		return;
	imply(f, s, &s->gates, &s->ngates, kind, m, link->endpoint, m->subject,
	    kind == CHECK_SEEN ? ACCEPT_TLS : ACCEPT_UNKNOWN);
}

/* A flip is tried before it is made, unless the step changes its endpoint, too. */
static void
imply_rehearsal(const struct fleet *f, struct step *s, const struct move *m)
{
	int endpoint = f->links[m->subject].endpoint;
	const struct move *other;
	struct check *c;
	size_t i, k;

	if (!link_rehearsable(f, m->subject) || f->links[m->subject].stray)
		return;
	for (i = 0; i < s->nmoves; i++) {
		other = &s->moves[i];
		if (other->facet == FACET_ACCEPT && other->subject == endpoint)
			return;
		for (k = 0; other->facet == FACET_CERT && k < f->certs[other->subject].serves.n; k++)
			if (f->certs[other->subject].serves.v[k] == endpoint)
				return;
	}
	c = push_check(&s->requires, &s->nrequires, CHECK_REHEARSAL);
	c->implied = true;
	c->pos = m->pos;
	c->endpoint = endpoint;
	c->link = m->subject;
	check_as_to_be(f, s, c);
	check_put_name(f, s, c);
}

/* By itself, with no dial beside it that would show it: what the file holds, and that the client gets on with it. */
static void
imply_trust(const struct fleet *f, struct step *s, const struct move *m)
{
	if (!ours_to_give(f, m->value))
		return;
	imply_rehearsal(f, s, m);
	if (f->links[m->subject].trust_file != NULL && link_host(f, &f->links[m->subject]) != NONE)
		imply_trusts(f, s, &s->gates, &s->ngates, m, m->subject, m->value, NONE);
}

/* Whoever is sent away has to come back by TLS: every link of the endpoint. */
static void
imply_drain(const struct fleet *f, struct step *s, const struct drain *d)
{
	const struct move at = { .pos = d->pos };
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].endpoint == d->endpoint)
			imply(f, s, &s->requires, &s->nrequires, CHECK_LINK_NEW, &at, d->endpoint, (int)i, ACCEPT_UNKNOWN);
}

/* It has to be seen, by whatever shows it, that it has come. */
static void
imply_exercise(const struct fleet *f, struct step *s, const struct exercise *x)
{
	const struct move at = { .pos = x->pos };
	const struct client *c = &f->clients[x->client];
	size_t i;

	for (i = 0; i < c->links.n; i++)
		imply(f, s, &s->gates, &s->ngates, CHECK_SEEN, &at, f->links[c->links.v[i]].endpoint, c->links.v[i],
		    ACCEPT_TLS);
}

void
imply_checks(const struct fleet *f, const struct plan *plan, struct step *s)
{
	size_t i;

	for (i = 0; i < s->nmoves; i++) {
		if (s->moves[i].facet == FACET_ACCEPT)
			imply_accept(f, s, &s->moves[i]);
		else if (s->moves[i].facet == FACET_DIAL) {
			imply_dial(f, s, &s->moves[i]);
			imply_rehearsal(f, s, &s->moves[i]);
		} else if (s->moves[i].facet == FACET_CERT)
			imply_cert(f, plan, s, &s->moves[i]);
		else if (s->moves[i].facet == FACET_PRESENT)
			imply_shown(f, s, &s->gates, &s->ngates, &s->moves[i], s->moves[i].subject, ACCEPT_UNKNOWN);
		else if (s->moves[i].facet == FACET_TRUST && moved(s, FACET_DIAL, s->moves[i].subject) == NULL)
			imply_trust(f, s, &s->moves[i]);
	}
	imply_landed(f, plan, s);
	for (i = 0; i < s->nexercises; i++)
		imply_exercise(f, s, &s->exercises[i]);
	for (i = 0; i < s->ndrains; i++)
		imply_drain(f, s, &s->drains[i]);
	for (i = 0; i < s->ncanaries; i++) {
		const struct move at = { .pos = s->canaries[i].pos };

		if (s->canaries[i].terms.given)
			imply(f, s, &s->gates, &s->ngates, CHECK_CANARY, &at, f->links[s->canaries[i].link].endpoint,
			    s->canaries[i].link, ACCEPT_UNKNOWN);
	}
	/* The last of all: it says what the others leave open. */
	if (s->nmoves > 0)
		imply(f, s, &s->requires, &s->nrequires, CHECK_PROOF, &s->moves[0], NONE, NONE, ACCEPT_UNKNOWN);
}
