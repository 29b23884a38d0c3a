/*
 * proven: see proven.h.  Owns the lint and the copies; the proof is its maker's.
 */
#include "ui/proven.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

void
proven_init(struct proven *p, const struct fleet *f, const struct plan *plan)
{
	memset(p, 0, sizeof(*p));
	lint_run(&p->lints, f, plan);
	p->nsteps = plan == NULL ? 0 : plan->nsteps;
	p->strands = mem_array(p->nsteps + 1, sizeof(*p->strands));
	p->contradictions = mem_strdup("");
}

void
proven_set(struct proven *p, const struct proof *proof, const char *contradictions, size_t n)
{
	size_t i;

	p->proof = proof;
	memset(p->strands, 0, p->nsteps * sizeof(*p->strands));
	for (i = 0; proof != NULL && i < proof->ncounters; i++)
		if (proof->counters[i].step != NONE)
			p->strands[proof->counters[i].step]++;
	if (strcmp(p->contradictions, contradictions) == 0)
		return;
	free(p->contradictions);
	p->contradictions = mem_strdup(contradictions);
	p->ncontradictions = n;
	p->news++;
}

void
proven_release(struct proven *p)
{
	lints_release(&p->lints);
	free(p->contradictions);
	free(p->strands);
	memset(p, 0, sizeof(*p));
}

enum proof_state
proven_state(const struct proven *p)
{
	if (p == NULL || p->proof == NULL)
		return PROOF_NONE;
	if (p->proof->ncounters > 0)
		return PROOF_REFUTED;
	return p->proof->unknown.n > 0 ? PROOF_OPEN : PROOF_PROVEN;
}

size_t
proven_counters(const struct proven *p)
{
	return p == NULL || p->proof == NULL ? 0 : p->proof->ncounters;
}

unsigned
proven_strands(const struct proven *p, int step)
{
	return p == NULL || p->proof == NULL || step < 0 || (size_t)step >= p->nsteps ? 0 : p->strands[step];
}

void
proven_outcome(struct buf *b, const struct fleet *f, const struct counter *c)
{
	(void)buf_printf(b, "%s %s: ", f->links[c->link].name, c->verdict == VERDICT_HANGS ? "hangs" : "is refused");
	if (c->because != NONE)
		(void)buf_printf(b, "%s is refused: ", f->links[c->because].name);
	(void)buf_puts(b, c->why == NULL ? "" : c->why);
}
