/*
 * batch: see batch.h.  Owns the words for what a failure leaves where.
 */
#include "core/batch.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

int
batch_next(const struct rollout *r, int first, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (!rollout_passed(r, first + (int)i))
			return first + (int)i;
	return NONE;
}

int
batch_last(const struct rollout *r, int first, size_t n)
{
	while (n-- > 0)
		if (rollout_stands(r, first + (int)n))
			return first + (int)n;
	return NONE;
}

/* The hosts that the step's links are dialled from, each once. */
static void
hosts_of(const struct fleet *f, const struct step *s, struct indices *ret)
{
	const struct move *m;
	size_t i, k;
	int host;

	for (i = 0; i < s->nmoves; i++) {
		m = &s->moves[i];
		host = m->facet == FACET_DIAL || m->facet == FACET_TRUST || m->facet == FACET_PRESENT ?
		    link_host(f, &f->links[m->subject]) : NONE;
		for (k = 0; k < ret->n && ret->v[k] != host; k++)
			continue;
		if (host != NONE && k == ret->n)
			*(int *)mem_push(&ret->v, &ret->n, sizeof(int)) = host;
	}
}

static size_t
put_hosts(struct buf *out, const struct fleet *f, const struct step *s, const char *before)
{
	struct indices hosts = { 0 };
	size_t i, n;

	hosts_of(f, s, &hosts);
	for (i = 0; out != NULL && i < hosts.n; i++)
		buf_printf(out, "%s%s", i == 0 ? before : ", ", f->hosts[hosts.v[i]].name);
	n = hosts.n;
	free(hosts.v);
	return n;
}

/* What is said of its hosts; those of one word after the other are said together. */
static const char *
stands_as(enum phase phase)
{
	switch (phase) {
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_GUARDING:
		return "untouched";
	case PHASE_RESTORED:
		return "undone";
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_UNDOING:
	case PHASE_STUCK:
		return phase_word(phase);
	}
	return "";
}

static bool
is_done(enum phase phase)
{
	return phase == PHASE_DONE || phase == PHASE_MET;
}

void
batch_words(struct buf *out, const struct fleet *f, const struct plan *p, const struct rollout *r, int step)
{
	const struct step_view *v;
	const char *word, *next;
	size_t i, n, hosts = 0, done = 0;
	int first = NONE;

	if (p->steps[step].of == NULL)
		return;
	n = plan_steps(p, p->steps[step].of, &first);
	for (i = (size_t)first; i < (size_t)first + n; i++) {
		hosts += put_hosts(NULL, f, &p->steps[i], "");
		if (is_done(rollout_step(r, (int)i)->phase))
			done += put_hosts(NULL, f, &p->steps[i], "");
	}
	buf_printf(out, "%s: %zu of %zu host%s done", p->steps[step].of, done, hosts, hosts == 1 ? "" : "s");
	for (i = (size_t)first, done = 0; i < (size_t)first + n; i++)
		if (is_done(rollout_step(r, (int)i)->phase))
			done += put_hosts(out, f, &p->steps[i], done == 0 ? " (" : ", ");
	buf_puts(out, done > 0 ? ")" : "");
	for (i = (size_t)first; i < (size_t)first + n; i++) {
		v = rollout_step(r, (int)i);
		if (is_done(v->phase))
			continue;
		(void)put_hosts(out, f, &p->steps[i], "; ");
		word = stands_as(v->phase);
		while (v->why[0] == '\0' && i + 1 < (size_t)first + n) {
			next = stands_as(rollout_step(r, (int)i + 1)->phase);
			if (strcmp(next, word) != 0 || rollout_step(r, (int)i + 1)->why[0] != '\0')
				break;
			(void)put_hosts(out, f, &p->steps[++i], ", ");
		}
		if (v->phase == PHASE_RESTORED && v->by_itself)	/* it begins with the word */
			buf_printf(out, " %s", v->why);
		else
			buf_printf(out, " %s%s%s", word, v->why[0] == '\0' ? "" : ": ", v->why);
	}
}
