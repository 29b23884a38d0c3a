/*
 * view_proof: what the operator is told of the proof without asking: a plan
 * that strands somebody is opened, and news are said once.  Owns what was told.
 */
#include "ui/view_int.h"

#include <string.h>

#include "core/buf.h"

/* A plan that strands somebody is shown by itself, once, before anything of it was applied. */
static void
greet(struct view *v, const struct scene *s)
{
	v->greeted = true;
	v->told_proof = proven_state(s->proven);
	if (v->told_proof == PROOF_REFUTED && v->pane == PANE_DASHBOARD &&
	    rollout_in_flight(s->rollout) == NONE && rollout_last(s->rollout) == NONE)
		view_open(v, PANE_PROOF);
}

/* What is new about the proof is told, once. */
void
view_tell_proof(struct view *v, const struct scene *s)
{
	enum proof_state state = proven_state(s->proven);
	struct buf b;

	if (s->plan == NULL || state == PROOF_NONE)
		return;
	if (!v->greeted)
		greet(v, s);
	if ((size_t)v->counter >= proven_counters(s->proven))
		v->counter = 0;
	buf_init(&b, 0);
	if (s->proven->news != v->told_news) {
		v->told_news = s->proven->news;
		if (s->proven->ncontradictions > 0)
			(void)buf_printf(&b, "seen otherwise than the run believes (P): %.*s",
			    (int)strcspn(s->proven->contradictions, "\n"), s->proven->contradictions);
		else
			(void)buf_puts(&b, "what is seen is again what the run believes");
		if (s->proven->ncontradictions > 1)
			(void)buf_printf(&b, "; and %zu more", s->proven->ncontradictions - 1);
		view_tell(v, s->now_ms, s->proven->ncontradictions > 0 ? TELL_WARN : TELL_NOTE, buf_str(&b));
	}
	if (state != v->told_proof) {
		v->told_proof = state;
		buf_clear(&b);
		(void)buf_puts(&b, state == PROOF_REFUTED ? "what is left of the plan is REFUTED (P): " :
		    state == PROOF_OPEN ? "what is left of the plan is not proven (P)" :
		    "what is left of the plan is proven");
		if (state == PROOF_REFUTED)
			proven_outcome(&b, s->fleet, &s->proven->proof->counters[0]);
		view_tell(v, s->now_ms, state == PROOF_REFUTED ? TELL_ERROR : state == PROOF_OPEN ? TELL_WARN :
		    TELL_NOTE, buf_str(&b));
	}
	buf_release(&b);
}
