/*
 * rollout_undo: the way back of a step: what is undone, in which order, and
 * what is left to the undo of a step before it.
 *
 * Invariants 6 and 7 of rollout.c are kept here: edits last in, first out; then
 * the units that these may have reached, each once; what clients read until
 * then after that.  An op that cannot be undone sets its host aside.
 */
#include "core/rollout_int.h"

#include <stdio.h>

/* May this op have changed something on its host? */
static bool
touched(const struct op_view *o)
{
	switch (o->state) {
	case OPS_WAITING:
	case OPS_INTENT:
	case OPS_UNDONE:
		return false;
	case OPS_RUNNING:
	case OPS_APPLIED:
	case OPS_FAILED:
	case OPS_CUT:
	case OPS_UNDO_INTENT:
	case OPS_UNDOING:
	case OPS_STUCK:
		return true;
	}
	return true;
}

static bool
host_set_aside(const struct step_state *s, int host)
{
	size_t i;

	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state == OPS_STUCK && s->shapes[i].host == host)
			return true;
	return false;
}

/* The last edit, of those that go before or after the activations, to undo. */
static int
undo_edit(const struct step_state *s, bool back_last)
{
	size_t i;

	for (i = s->view.nops; i-- > 0;)
		if (!s->shapes[i].activates && s->shapes[i].back_last == back_last &&
		    touched(&s->ops[i]) && s->ops[i].state != OPS_STUCK)
			return (int)i;
	return NONE;
}

/* The next op to undo: edits from the last to the first, activations, what clients read until then. */
static int
undo_candidate(const struct step_state *s)
{
	size_t i;
	int edit = undo_edit(s, false);

	if (edit != NONE)
		return edit;
	for (i = 0; i < s->view.nops; i++)
		if (s->shapes[i].activates && touched(&s->ops[i]) &&
		    s->ops[i].state != OPS_STUCK)
			return (int)i;
	return undo_edit(s, true);
}

/* The cause of an undo that nobody asked for stays. */
static void
say_by_itself(struct step_state *s)
{
	char cause[sizeof(s->view.why)];

	rollout_copy(cause, sizeof(cause), s->view.why);
	rollout_set_why(s, "undone by itself: %.*s", (int)sizeof(cause) - 32, cause);
}

void
rollout_undo_next(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i, stuck = 0;
	int op;

	while ((op = undo_candidate(s)) != NONE) {
		if (!host_set_aside(s, s->shapes[op].host)) {
			rollout_intend(r, ev->step, op, true, ev, out);
			return;
		}
		s->ops[op].state = OPS_STUCK;
		s->ops[op].since_ms = ev->now_ms;
		rollout_copy(s->ops[op].why, sizeof(s->ops[op].why),
		    "not tried: its host was set aside");
	}
	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state == OPS_STUCK) {
			if (stuck++ == 0)
				rollout_set_why(s, "%s", s->ops[i].why);
		}
	if (stuck > 0) {
		rollout_enter(r, ev->step, PHASE_STUCK, ev, out);
		return;
	}
	if (s->view.by_itself)
		say_by_itself(s);
	else
		s->view.why[0] = '\0';
	s->view.applied_ms = 0;
	rollout_enter(r, ev->step, PHASE_RESTORED, ev, out);
}

/* The one op that activates, of a step whose activation can be left to another's undo; or NONE. */
static int
only_activation(const struct step_state *s)
{
	int found = NONE;
	size_t i;

	for (i = 0; i < s->view.nops; i++) {
		/* A command wants what is in force; what clients read until then goes behind the activation. */
		if (s->shapes[i].back_last || (s->shapes[i].command && !s->shapes[i].activates))
			return NONE;
		if (s->shapes[i].activates && (found != NONE || !touched(&s->ops[i])))
			return NONE;
		if (s->shapes[i].activates)
			found = (int)i;
	}
	/* What belongs to no unit, or to another, is read as soon as it is taken back. */
	for (i = 0; i < s->view.nops && found != NONE; i++)
		if (s->shapes[i].unit != s->shapes[found].unit || s->shapes[i].mixed)
			return NONE;
	return found;
}

/* Leaves the activation to the undo of the step that is taken back next. */
static void
leave_activation(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step], *before;
	int mine = only_activation(s), its, i;

	for (i = ev->step - 1; mine != NONE && i >= ev->until && i >= 0; i--) {
		before = &r->steps[i];
		if (before->view.phase == PHASE_RESTORED || before->view.phase == PHASE_TODO ||
		    before->view.phase == PHASE_SKIPPED || before->view.phase == PHASE_MET)
			continue;
		its = before->view.phase == PHASE_DONE ? only_activation(before) : NONE;
		if (its == NONE || before->shapes[its].unit != s->shapes[mine].unit)
			return;
		s->ops[mine].state = OPS_UNDONE;
		s->ops[mine].since_ms = ev->now_ms;
		(void)snprintf(s->ops[mine].why, sizeof(s->ops[mine].why),
		    "left to the undo of step '%s'", r->plan->steps[i].id);
		rollout_record_outcome(s, REC_UNDO_OUTCOME, ev, mine, OP_RESTORED, out);
		s->view.left = true;
		return;
	}
}

/* Whether this edit may have stood on disk, so that a restart in between took it over. */
static bool
stood(const struct op_view *o)
{
	return o->state == OPS_UNDONE || (touched(o) && o->state != OPS_FAILED);
}

/*
 * A unit whose activation was not begun may run what was written all the
 * same: somebody may have restarted it.  So it counts as begun.
 */
static void
reckon_with_restarts(struct step_state *s)
{
	size_t i, k;

	for (i = 0; i < s->view.nops; i++) {
		if (!s->shapes[i].activates ||
		    (s->ops[i].state != OPS_WAITING && s->ops[i].state != OPS_INTENT))
			continue;
		for (k = 0; k < s->view.nops; k++)
			if (!s->shapes[k].activates && stood(&s->ops[k]) &&
			    (s->shapes[k].unit == s->shapes[i].unit || s->shapes[k].host == s->shapes[i].host))
				s->ops[i].state = OPS_CUT;
	}
}

void
rollout_undo_begin(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct record *rec;
	size_t i;

	s->view.undo_wanted = false;
	s->view.park_wanted = false;
	s->view.left = false;
	rollout_emit(out, EFFECT_REST, ev->step, NONE);
	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state == OPS_STUCK)
			s->ops[i].state = OPS_CUT;	/* try it again */
	reckon_with_restarts(s);
	rollout_set_phase(s, PHASE_UNDOING, ev->now_ms);
	rec = rollout_emit_record(out, REC_UNDO, ev->step, NONE, ev->now_ms);
	if (s->view.by_itself)
		(void)snprintf(rec->why, sizeof(rec->why), "by itself: %.*s", (int)sizeof(rec->why) - 16, s->view.why);
	if (ev->kind == EV_UNDO && ev->goes_on)
		leave_activation(r, ev, out);
	rollout_undo_next(r, ev, out);
}

