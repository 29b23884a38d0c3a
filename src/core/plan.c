/*
 * plan: see plan.h.
 *
 * Owns the tree, its words and what a step is called.  Reading is in
 * plan_read.c (steps), plan_move.c (what they move), plan_batch.c (those of several hosts) and plan_check.c
 * (what must be shown), writing in plan_print.c.
 */
#include "core/plan.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/plan_read.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* More subjects than these are counted, not named. */
#define TITLE_PARTS_MAX 3

const char *
facet_word(enum facet facet)
{
	switch (facet) {
	case FACET_ACCEPT:
		return "accept";
	case FACET_CERT:
		return "certs";
	case FACET_DIAL:
		return "dial";
	case FACET_TRUST:
		return "trust";
	case FACET_PRESENT:
		return "present";
	}
	return "unknown";
}

const char *
refused_word(enum accept what)
{
	return what == ACCEPT_PLAIN ? "plaintext" : what == ACCEPT_MUTUAL ? "no-certificate" : "tls";
}

const char *
check_kind_word(enum check_kind kind)
{
	static const char *const words[CHECK_COUNT] = {
		[CHECK_SERVED] = "served", [CHECK_REFUSED] = "refused",
		[CHECK_CENSUS] = "census", [CHECK_SETTING] = "setting",
		[CHECK_LOG] = "log", [CHECK_HTTP] = "http",
		[CHECK_COMMAND] = "command", [CHECK_FILE] = "file",
		[CHECK_JOB] = "job", [CHECK_SEEN] = "seen",
		[CHECK_STEADY] = "steady", [CHECK_ATTEST] = "attest",
		[CHECK_REHEARSAL] = "rehearsal", [CHECK_CAN_TLS] = "can-tls",
		[CHECK_LINK_TLS] = "sessions", [CHECK_LINK_UP] = "up",
		[CHECK_DIAL_SET] = "written", [CHECK_PROOF] = "proof", [CHECK_LINK_NEW] = "new",
		[CHECK_PRESENTS] = "presents", [CHECK_TRUSTS] = "trusts",
		[CHECK_HBA] = "hba", [CHECK_UNSEEN] = "unseen",
		[CHECK_CANARY] = "canary",
	};

	return (size_t)kind < LENGTH(words) ? words[kind] : "unknown";
}

static bool
on_link(const struct move *m)
{
	return m->facet == FACET_DIAL || m->facet == FACET_TRUST ||
	    m->facet == FACET_PRESENT;
}

/* What a link is to do, all its moves of the step together. */
static void
put_link(struct buf *out, const struct fleet *f, const struct step *s, int link)
{
	static const struct {
		enum facet facet;
		const char *verb;
	} verbs[] = {
		{ FACET_DIAL, "dials" }, { FACET_TRUST, "trusts" },
		{ FACET_PRESENT, "presents" },
	};
	const struct move *m;
	const char *sep = " ";
	size_t i, k;

	buf_puts(out, f->links[link].name);
	for (k = 0; k < LENGTH(verbs); k++)
		for (i = 0; i < s->nmoves; i++) {
			m = &s->moves[i];
			if (m->facet != verbs[k].facet || m->subject != link)
				continue;
			buf_printf(out, "%s%s ", sep, verbs[k].verb);
			if (m->facet == FACET_TRUST)
				trust_text(out, f, m->value);
			else
				buf_puts(out, m->facet == FACET_DIAL ? dial_word((enum dial)m->value) :
				    m->value == NONE ? "no certificate" : f->certs[m->value].name);
			sep = ", ";
		}
}

/* Whether the link was spoken of by an earlier move. */
static bool
link_before(const struct step *s, size_t move)
{
	size_t i;

	for (i = 0; i < move; i++)
		if (on_link(&s->moves[i]) && s->moves[i].subject == s->moves[move].subject)
			return true;
	return false;
}

char *
step_title(const struct fleet *f, const struct step *s)
{
	const struct move *m;
	struct buf b;
	size_t i, parts = 0;

	buf_init(&b, 0);
#define NEXT_PART() (parts++ < TITLE_PARTS_MAX && (parts == 1 || buf_puts(&b, "; ") == 0))
	for (i = 0; i < s->nmoves; i++) {
		m = &s->moves[i];
		if (on_link(m)) {
			if (!link_before(s, i) && NEXT_PART())
				put_link(&b, f, s, m->subject);
		} else if (NEXT_PART()) {
			if (m->facet == FACET_ACCEPT)
				buf_printf(&b, "%s accepts %s", f->endpoints[m->subject].name,
				    accept_word((enum accept)m->value));
			else
				buf_printf(&b, "%s certificate %s", m->renew ? "renew" : m->replace ? "replace" : "install", f->certs[m->subject].name);
		}
	}
	for (i = 0; i < s->ndrains; i++)
		if (NEXT_PART())
			buf_printf(&b, "drain plaintext from %s",
			    f->endpoints[s->drains[i].endpoint].name);
	for (i = 0; i + s->nexercises < s->nruns; i++)
		if (NEXT_PART())
			buf_printf(&b, "run %s", s->runs[i].run);
	for (i = 0; i < s->nexercises; i++)
		if (NEXT_PART())
			buf_printf(&b, "exercise %s", f->clients[s->exercises[i].client].name);
	for (i = 0; i < s->activates.n; i++)
		if (NEXT_PART())
			buf_printf(&b, "activate %s", f->units[s->activates.v[i]].name);
#undef NEXT_PART
	if (parts > TITLE_PARTS_MAX)
		buf_printf(&b, "; and %zu more", parts - TITLE_PARTS_MAX);
	return buf_take(&b, NULL);
}

int
plan_step(const struct plan *p, const char *id)
{
	size_t i;

	for (i = 0; i < p->nsteps; i++)
		if (strcmp(p->steps[i].id, id) == 0)
			return (int)i;
	return NONE;
}

size_t
plan_steps(const struct plan *p, const char *name, int *ret_first)
{
	size_t i, n = 0;

	for (i = 0; i < p->nsteps; i++) {
		if (strcmp(p->steps[i].id, name) != 0 &&
		    (p->steps[i].of == NULL || strcmp(p->steps[i].of, name) != 0))
			continue;
		if (n++ == 0)
			*ret_first = (int)i;
	}
	return n;
}

void
check_release(struct check *c)
{
	free(c->name);
	free(c->cipher);
	free(c->setting);
	free(c->value);
	free(c->contains);
	free(c->absent);
	free(c->url);
	free(c->run);
	free(c->in);
	free(c->text);
	memset(c, 0, sizeof(*c));
}

static void
step_release(struct step *s)
{
	size_t i;

	free(s->id);
	free(s->of);
	free(s->title);
	free(s->moves);
	for (i = 0; i < s->nruns; i++)
		bedit_release(&s->runs[i]);
	free(s->runs);
	free(s->drains);
	free(s->exercises);
	free(s->activates.v);
	free(s->canaries);
	for (i = 0; i < s->nrequires; i++)
		check_release(&s->requires[i]);
	free(s->requires);
	for (i = 0; i < s->ngates; i++)
		check_release(&s->gates[i]);
	free(s->gates);
	for (i = 0; i < s->nexcuses; i++)
		free(s->excuses[i].reason);
	free(s->excuses);
}

void
plan_free(struct plan *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->nsteps; i++)
		step_release(&p->steps[i]);
	for (i = 0; i < p->ngroups; i++)
		free(p->groups[i].title);
	free(p->steps);
	free(p->groups);
	strings_release(&p->not_yet);
	free(p->path);
	free(p->name);
	free(p->from_certs.v);
	free(p);
}
