/*
 * proof_text: a counter-example in words.  Owns the words and nothing else;
 * they are the same on the screen, in `belay check` and in messages.
 */
#include "core/buf.h"
#include "core/proof.h"

/* "step 4 'pool-tls'", "step 5.2 'flip-web'": counted as in the file and on the screen, where a `for` is one. */
static void
step_text(struct buf *out, const struct plan *plan, int step)
{
	const struct step *s = &plan->steps[step];
	const struct group *g = &plan->groups[s->group];

	(void)buf_printf(out, "step %d", s->group + 1);
	if (g->n > 1)
		(void)buf_printf(out, ".%d", step - (int)g->first + 1);
	(void)buf_printf(out, " '%s'", s->id);
}

static const char *
cert_name(const struct fleet *f, int cert)
{
	return cert >= 0 ? f->certs[cert].name : cert == NONE ? "none" : "unknown";
}

static void
move_text(struct buf *out, const struct fleet *f, const struct move *m)
{
	switch (m->facet) {
	case FACET_ACCEPT:
		(void)buf_printf(out, "%s accepts %s", f->endpoints[m->subject].name,
		    accept_word((enum accept)m->value));
		return;
	case FACET_CERT:
		(void)buf_printf(out, "certificate %s", f->certs[m->subject].name);
		return;
	case FACET_DIAL:
		(void)buf_printf(out, "%s dials %s", f->links[m->subject].name, dial_word((enum dial)m->value));
		return;
	case FACET_TRUST:
		(void)buf_printf(out, "%s trusts ", f->links[m->subject].name);
		trust_text(out, f, m->value);
		return;
	case FACET_PRESENT:
		(void)buf_printf(out, "%s shows %s", f->links[m->subject].name, cert_name(f, m->value));
		return;
	}
}

void
way_text(struct buf *out, const struct fleet *f, const struct plan *plan, const struct way *w)
{
	switch (w->what) {
	case WAY_APPLIED:
		step_text(out, plan, w->step);
		if (w->last != w->step) {
			(void)buf_puts(out, " to ");
			step_text(out, plan, w->last);
		}
		(void)buf_puts(out, w->last != w->step ? " are applied" : " is applied");
		return;
	case WAY_SKIPPED:
		(void)buf_puts(out, "but ");
		step_text(out, plan, w->step);
		(void)buf_puts(out, ", which is optional, is not");
		return;
	case WAY_BEGUN:
		step_text(out, plan, w->step);
		(void)buf_puts(out, ", or its undo, is in flight");
		return;
	case WAY_WRITTEN:
		(void)buf_puts(out, "  written: ");
		move_text(out, f, &plan->steps[w->step].moves[w->move]);
		return;
	case WAY_TAKEN_BACK:
		(void)buf_puts(out, "  taken back: ");
		move_text(out, f, &plan->steps[w->step].moves[w->move]);
		return;
	case WAY_IN_FORCE:
		(void)buf_printf(out, "  %s is activated, or restarted by somebody: it runs what is written there",
		    f->units[w->unit].name);
		return;
	case WAY_NOT_YET:
		(void)buf_printf(out, "  %s still runs what it ran before the step", f->units[w->unit].name);
		return;
	}
}

void
fix_text(struct buf *out, const struct plan *plan, const struct counter *c)
{
	if (c->fix_step == NONE)
		return;
	step_text(out, plan, c->fix_step);
	if (c->fix_after == NONE)
		(void)buf_puts(out, " as the first");
	else {
		(void)buf_puts(out, " after ");
		step_text(out, plan, c->fix_after);
	}
}

static void
verdict_text(struct buf *out, const struct fleet *f, const struct counter *c)
{
	(void)buf_printf(out, "%s %s: ", f->links[c->link].name,
	    c->verdict == VERDICT_HANGS ? "hangs" : "is refused");
	if (c->because != NONE)
		(void)buf_printf(out, "%s is refused: ", f->links[c->because].name);
	(void)buf_puts(out, c->why == NULL ? "" : c->why);
}

void
counter_line(struct buf *out, const struct fleet *f, const struct plan *plan, const struct counter *c)
{
	if (c->step == NONE)
		(void)buf_puts(out, "before the first step");
	else if (!c->in_flight) {
		(void)buf_puts(out, "after ");
		step_text(out, plan, c->step);
	} else {
		(void)buf_puts(out, "in the middle of ");
		step_text(out, plan, c->step);
	}
	(void)buf_puts(out, ": ");
	verdict_text(out, f, c);
}

void
counter_text(struct buf *out, const struct fleet *f, const struct plan *plan, const struct counter *c)
{
	const struct pos *pos = c->step == NONE ? &f->links[c->link].pos : &plan->steps[c->step].pos;
	const struct link *l = &f->links[c->because != NONE ? c->because : c->link];
	int host = link_host(f, l);
	size_t i;

	(void)buf_printf(out, "%s:%d:%d: ", c->step == NONE ? f->path : plan->path, pos->line, pos->col);
	counter_line(out, f, plan, c);
	(void)buf_puts(out, "\n");
	for (i = 0; i < c->nway; i++) {
		(void)buf_puts(out, "  ");
		way_text(out, f, plan, &c->way[i]);
		(void)buf_puts(out, "\n");
	}
	(void)buf_printf(out, "  then %s accepts %s and serves %s; %s%s%s%s dials %s and trusts ",
	    f->endpoints[l->endpoint].name, accept_word(c->accept), cert_name(f, c->cert), l->name,
	    host != NONE ? ", from host " : "", host != NONE ? f->hosts[host].name : "",
	    host != NONE ? "," : "", dial_word(c->dial));
	trust_text(out, f, c->trust);
	(void)buf_puts(out, "\n");
	if (c->guessed)
		(void)buf_puts(out, "  how it dials or is accepted at the start is not known; this is possible\n");
	if (c->step != NONE && c->drained != NONE) {
		(void)buf_puts(out, "  open sessions go on until ");
		step_text(out, plan, c->drained);
		(void)buf_puts(out, " ends those on plaintext: they cannot connect again, which is an outage\n");
	} else if (c->step != NONE)
		(void)buf_puts(out, c->delayed ?
		    "  open sessions go on; it fails when they connect again\n" :
		    "  at once: what is restarted there has to connect again\n");
	if (c->fix_step != NONE) {
		(void)buf_puts(out, "  safe instead: ");
		fix_text(out, plan, c);
		(void)buf_puts(out, "\n");
	}
}
