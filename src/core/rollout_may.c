/*
 * rollout_may: what may be asked now, and why not.  Owns the words of the
 * refusals and nothing else: it changes no step.
 */
#include <stdarg.h>
#include <stdio.h>

#include "core/rollout_int.h"

static bool
in_flight(enum phase phase)
{
	switch (phase) {
	case PHASE_GUARDING:
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_UNDOING:
		return true;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_STUCK:
	case PHASE_RESTORED:
		return false;
	}
	return false;
}

/* Something of it may stand on a host, by this run's hand. */
static bool
standing(enum phase phase)
{
	switch (phase) {
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_UNDOING:
	case PHASE_STUCK:
		return true;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_GUARDING:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_RESTORED:
		return false;
	}
	return false;
}

static bool
passed(enum phase phase)
{
	return phase == PHASE_DONE || phase == PHASE_MET || phase == PHASE_SKIPPED;
}

bool
rollout_stands(const struct rollout *r, int step)
{
	return standing(r->steps[step].view.phase);
}

/* An edit that failed is as before; of a command that failed nobody knows. */
static bool
may_stand(const struct step_state *s, size_t op)
{
	switch (s->ops[op].state) {
	case OPS_WAITING:
	case OPS_INTENT:
	case OPS_UNDONE:
		return false;
	case OPS_FAILED:
		return s->shapes[op].command;
	case OPS_RUNNING:
	case OPS_APPLIED:
	case OPS_CUT:
	case OPS_UNDO_INTENT:
	case OPS_UNDOING:
	case OPS_STUCK:
		return true;
	}
	return true;
}

bool
rollout_wrote(const struct rollout *r, int step)
{
	const struct step_state *s = &r->steps[step];
	size_t i;

	if (!standing(s->view.phase) || s->view.phase != PHASE_FAULTED)
		return standing(s->view.phase);
	for (i = 0; i < s->view.nops; i++)
		if (may_stand(s, i))
			return true;
	return false;
}

bool
rollout_passed(const struct rollout *r, int step)
{
	return passed(r->steps[step].view.phase);
}

int
rollout_in_flight(const struct rollout *r)
{
	size_t i;

	for (i = 0; i < r->nsteps; i++)
		if (in_flight(r->steps[i].view.phase))
			return (int)i;
	return NONE;
}

int
rollout_next(const struct rollout *r)
{
	size_t i;

	for (i = 0; i < r->nsteps; i++)
		if (!passed(r->steps[i].view.phase))
			return standing(r->steps[i].view.phase) ? NONE : (int)i;
	return NONE;
}

int
rollout_last(const struct rollout *r)
{
	size_t i;

	for (i = r->nsteps; i-- > 0;)
		if (standing(r->steps[i].view.phase))
			return (int)i;
	return NONE;
}

static bool
no(struct rollout *r, const char **ret_why_not, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool
no(struct rollout *r, const char **ret_why_not, const char *fmt, ...)
{
	va_list ap;

	if (ret_why_not == NULL)
		return false;
	va_start(ap, fmt);
	(void)vsnprintf(r->why_not, sizeof(r->why_not), fmt, ap);
	va_end(ap);
	*ret_why_not = r->why_not;
	return false;
}

/* Step `later` stands, and came after it. */
static bool
out_of_turn(struct rollout *w, enum verb verb, int step, int later, const char **ret)
{
	char why[sizeof(w->why_not) - 64];

	if (w->turns == NULL)
		return no(w, ret, "step '%s' was applied after it; last in, first out",
		    w->plan->steps[later].id);
	if (w->turns(w->turns_arg, verb, step, why, sizeof(why)))
		return true;
	return no(w, ret, "step '%s' was applied after it, and %s", w->plan->steps[later].id, why);
}

/* The reasons that hold for going forward, whichever phase the step is in. */
static bool
may_go_on(struct rollout *w, int step, const char **ret)
{
	const struct plan *plan = w->plan;
	size_t i;
	int other;

	if (plan->steps[step].not_yet != NULL)
		return no(w, ret, "step '%s' needs what is not built yet: %s",
		    plan->steps[step].id, plan->steps[step].not_yet);
	if ((other = rollout_in_flight(w)) != NONE && other != step)
		return no(w, ret, "step '%s' is %s; one step at a time",
		    plan->steps[other].id, phase_word(w->steps[other].view.phase));
	for (i = 0; i < w->nsteps; i++) {
		enum phase phase = w->steps[i].view.phase;

		if ((int)i != step && (phase == PHASE_FAULTED || phase == PHASE_DOUBT ||
		    phase == PHASE_STUCK))
			return no(w, ret, "step '%s' is %s; undo it or retry it first",
			    plan->steps[i].id, phase_word(phase));
	}
	for (i = 0; i < (size_t)step; i++)
		if (!passed(w->steps[i].view.phase))
			return no(w, ret, "step '%s' comes first%s", plan->steps[i].id,
			    plan->steps[i].optional ? " (it is optional: skip it or apply it)" : "");
	for (i = (size_t)step + 1; i < w->nsteps; i++)
		if (standing(w->steps[i].view.phase))
			return out_of_turn(w, VERB_APPLY, step, (int)i, ret);
	return true;
}

static bool
may_apply(struct rollout *w, int step, const char **ret)
{
	enum phase phase = w->steps[step].view.phase;
	const char *id = w->plan->steps[step].id;

	switch (phase) {
	case PHASE_READY:
		return may_go_on(w, step, ret);
	case PHASE_TODO:
	case PHASE_RESTORED:
		if (!may_go_on(w, step, ret))
			return false;
		return no(w, ret, "step '%s' has no fresh preview; preview it first", id);
	case PHASE_PREVIEWING:
		return no(w, ret, "the preview of step '%s' is still being made", id);
	case PHASE_MET:
	case PHASE_DONE:
		return no(w, ret, "step '%s' is in place already", id);
	case PHASE_SKIPPED:
		return no(w, ret, "step '%s' was skipped; preview it to take it up again", id);
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_STUCK:
		return no(w, ret, "step '%s' is %s; undo it or retry it", id, phase_word(phase));
	case PHASE_GUARDING:
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_UNDOING:
		return no(w, ret, "step '%s' is %s", id, phase_word(phase));
	}
	return false;
}

static bool
may_undo(struct rollout *w, int step, const char **ret)
{
	enum phase phase = w->steps[step].view.phase;
	const char *id = w->plan->steps[step].id;
	int last = rollout_last(w), other;

	if (phase == PHASE_GUARDING)
		return true;	/* nothing was changed; it only stops */
	if (phase == PHASE_UNDOING)
		return no(w, ret, "step '%s' is being undone", id);
	if (phase == PHASE_MET)
		return no(w, ret, "step '%s' was found in place: this run has no before-image of it", id);
	if (!standing(phase))
		return no(w, ret, "step '%s' is %s: there is nothing to undo", id, phase_word(phase));
	if (last == step)
		return true;
	if ((other = rollout_in_flight(w)) != NONE && other != step)
		return no(w, ret, "step '%s' is %s; one step at a time",
		    w->plan->steps[other].id, phase_word(w->steps[other].view.phase));
	return out_of_turn(w, VERB_UNDO, step, last, ret);
}

bool
rollout_may(const struct rollout *r, enum verb verb, int step, const char **ret_why_not)
{
	/* The words of a refusal live in the rollout; nothing else of it changes. */
	union { const struct rollout *c; struct rollout *m; } cast = { .c = r };
	struct rollout *w = cast.m;
	enum phase phase;
	const char *id;

	if (ret_why_not != NULL)
		*ret_why_not = NULL;
	if (step < 0 || (size_t)step >= r->nsteps)
		return no(w, ret_why_not, "there is no such step");
	phase = r->steps[step].view.phase;
	id = r->plan->steps[step].id;
	switch (verb) {
	case VERB_PREVIEW:
		if (!rollout_heeds(phase, EV_PREVIEW))
			return no(w, ret_why_not, "step '%s' is %s: nothing to preview",
			    id, phase_word(phase));
		if (r->plan->steps[step].not_yet != NULL)
			return no(w, ret_why_not, "step '%s' needs what is not built yet: %s",
			    id, r->plan->steps[step].not_yet);
		return true;
	case VERB_APPLY:
		return may_apply(w, step, ret_why_not);
	case VERB_UNDO:
		return may_undo(w, step, ret_why_not);
	case VERB_SKIP:
		if (!r->plan->steps[step].optional)
			return no(w, ret_why_not, "step '%s' is not optional", id);
		if (!rollout_heeds(phase, EV_SKIP))
			return no(w, ret_why_not, "step '%s' is %s", id, phase_word(phase));
		return may_go_on(w, step, ret_why_not);
	case VERB_PARK:
		if (!rollout_heeds(phase, EV_PARK))
			return no(w, ret_why_not, "step '%s' is %s: nothing to stop",
			    id, phase_word(phase));
		return true;
	case VERB_RETRY:
		if (!rollout_heeds(phase, EV_RETRY))
			return no(w, ret_why_not, "step '%s' is %s, not faulted",
			    id, phase_word(phase));
		return may_go_on(w, step, ret_why_not);
	case VERB_SETTLE:
		if (!rollout_heeds(phase, EV_SETTLE))
			return no(w, ret_why_not, "step '%s' is not in doubt", id);
		return true;
	case VERB_VERIFY:
		return true;
	}
	return false;
}

const struct step_view *
rollout_step(const struct rollout *r, int step)
{
	return &r->steps[step].view;
}

