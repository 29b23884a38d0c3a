/*
 * probe_served: READING_SERVED, from two looks at once: one in plaintext, one
 * in TLS.
 *
 * Owns the judgement that takes both.  What one look calls a refusal may be
 * about the probe's own role or address, and a port that cannot be dialled
 * may be the host's doing: plaintext counts as refused or closed only where
 * the same probe was welcome over TLS, and TLS that was agreed on counts as refused
 * where it was then turned away, and welcome over plaintext (a pg_hba.conf without a
 * hostssl line).  In doubt the leg is UNKNOWN, and the reading says why.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/probe_int.h"

/*
 * A Redis that speaks plaintext only waits for the end of the line that it takes
 * a TLS hello for.  Where it has answered in plaintext on the very same port, this
 * long without an answer is one.
 */
#define HELLO_GRACE_MS	2000

struct served_probe {
	struct probe base;
	struct look *plain, *tls;
	int	 open;		/* looks that are not done */
};

static bool
takes_hello_for_a_line(const struct served_probe *p)
{
	const struct endpoint *ep = spot_endpoint(p->base.spot);

	return ep->kind == KIND_REDIS && ep->one_port;
}

static char *
reason(const struct look *l, const char *otherwise)
{
	if (l == NULL || l->why[0] == '\0')
		return mem_strdup(otherwise);
	return mem_strdup(l->why);
}

static bool
conclusive(enum leg leg)
{
	return leg == LEG_OPEN || leg == LEG_REFUSED || leg == LEG_CLOSED;
}

/* What the plaintext look showed, in the light of the TLS one. */
static void
judge_plain(struct served *s, const struct look *plain, const struct look *tls)
{
	bool welcome = tls != NULL && tls->welcome;

	s->plain_why = NULL;
	if (plain == NULL) {
		s->plain = LEG_UNKNOWN;
		s->plain_why = mem_strdup("no plaintext port is declared");
		return;
	}
	s->plain = plain->leg;
	if (plain->policy && welcome) {
		s->plain = LEG_REFUSED;
		s->plain_why = reason(plain, NULL);
	} else if (plain->policy)
		s->plain_why = mem_printf("%s; over TLS it did not let the probe in either, so that this "
		    "says nothing about plaintext", plain->why);
	else if (plain->leg == LEG_CLOSED && (tls == NULL || !tls->reached)) {
		s->plain = LEG_UNKNOWN;
		s->plain_why = mem_printf("%s", plain->why);
	} else
		s->plain_why = reason(plain, NULL);
}

static void
judge_tls(struct served *s, struct look *tls, const struct look *plain)
{
	size_t i;

	if (tls == NULL) {
		s->tls = LEG_UNKNOWN;
		s->tls_why = mem_strdup("no TLS port is declared");
		return;
	}
	s->tls = tls->leg;
	if (tls->leg == LEG_CLOSED && (plain == NULL || !plain->reached))
		s->tls = LEG_UNKNOWN;
	s->turned_away = tls->facts.protocol != NULL && tls->policy;
	s->tls_why = reason(tls, NULL);
	s->protocol = tls->facts.protocol;
	s->cipher = tls->facts.cipher;
	s->cert = tls->facts.cert;
	s->chain = tls->facts.chain;
	s->chain_why = tls->facts.chain_why;
	s->ca = s->chain == VERIFIED_OK ? spot_ca(tls->spot, tls->facts.ca_sha256) : NONE;
	s->client_cert_asked = tls->facts.client_cert_asked || tls->demanded;
	s->bare = tls->demanded ? LEG_REFUSED : s->client_cert_asked && s->tls == LEG_OPEN ? LEG_OPEN : LEG_UNKNOWN;
	s->bare_why = tls->demanded ? mem_strdup(tls->demanded_why) : NULL;
	memset(&tls->facts, 0, sizeof(tls->facts));
	for (i = 0; i < tls->nnames; i++)
		s->name[i] = tls->names[i];
	s->nnames = tls->nnames;
}

/* A leg whose port is not declared takes nothing from the reading. */
static bool
doubtful(const struct look *l, enum leg leg)
{
	return l != NULL && !conclusive(leg);
}

static void
judge(struct served_probe *p)
{
	struct reading *r = &p->base.reading;
	struct served *s = &r->served;
	bool any;

	if (p->tls != NULL) {
		if (p->tls->leg == LEG_OPEN && p->tls->policy && p->plain != NULL && p->plain->welcome)
			p->tls->leg = LEG_REFUSED;
		spot_saw(p->base.spot, p->tls);
	}
	judge_plain(s, p->plain, p->tls);
	judge_tls(s, p->tls, p->plain);
	any = conclusive(s->plain) || conclusive(s->tls);
	if (doubtful(p->plain, s->plain))
		probe_say(&p->base, any ? SAW_PART : SAW_NOT, "plaintext: %s",
		    s->plain_why != NULL ? s->plain_why : "nothing conclusive");
	if (doubtful(p->tls, s->tls))
		probe_say(&p->base, any ? SAW_PART : SAW_NOT, "%s",
		    s->tls_why != NULL ? s->tls_why : "nothing conclusive");
}

static void
looked(void *arg, struct look *l)
{
	struct served_probe *p = arg;

	if (--p->open > 0) {
		if (l == p->plain && l->leg == LEG_OPEN && takes_hello_for_a_line(p))
			probe_hurry(&p->base, HELLO_GRACE_MS);
		return;
	}
	judge(p);
	probe_finish(&p->base);
}

static void
start(struct probe *base)
{
	struct served_probe *p = (struct served_probe *)base;
	struct spot *spot = base->spot;
	int64_t left = probe_left_ms(base);

	/* Counted first: a look never ends from inside look_new(). */
	p->open = (spot_port(spot, false) != 0) + (spot_port(spot, true) != 0);
	if (p->open == 0) {
		probe_end(base, SAW_NOT, "no port is declared for '%s'", spot_endpoint(spot)->name);
		return;
	}
	if (spot_port(spot, true) != 0)
		p->tls = look_new(spot, true, left, looked, p);
	if (spot_port(spot, false) != 0)
		p->plain = look_new(spot, false, left, looked, p);
}

static void
stop(struct probe *base)
{
	struct served_probe *p = (struct served_probe *)base;

	look_free(p->plain);
	look_free(p->tls);
	p->plain = p->tls = NULL;
}

static void
late(struct probe *base)
{
	struct served_probe *p = (struct served_probe *)base;

	if (p->plain != NULL)
		look_give_up(p->plain);
	if (p->tls != NULL)
		look_give_up(p->tls);
	if (p->tls != NULL && p->tls->leg == LEG_SILENT && p->plain != NULL && p->plain->leg == LEG_OPEN &&
	    takes_hello_for_a_line(p)) {
		p->tls->leg = LEG_REFUSED;
		(void)snprintf(p->tls->why, sizeof(p->tls->why),
		    "it speaks plaintext there, and leaves a TLS hello without an answer");
	}
	judge(p);
}

const struct probe_ops served_ops = { sizeof(struct served_probe), start, stop, late };
