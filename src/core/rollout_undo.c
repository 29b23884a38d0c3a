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
#include <stdlib.h>

#include "core/mem.h"

/* May this op have changed something on its host? */
static bool
touched(enum op_state state)
{
	switch (state) {
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

/* Edits that the activations take over again; these; edits that clients read until then. */
static int
turn_of(const struct op_shape *shape)
{
	return shape->activates ? 1 : shape->back_last ? 2 : 0;
}

/* The order of the way back: what comes behind `op` (NONE: the first), touched or not; or NONE. */
static int
behind(const struct step_view *v, int op)
{
	int turn = op == NONE ? 0 : turn_of(&v->shapes[op]), n = (int)v->nops, by, i;

	for (; turn <= 2; turn++, op = NONE) {
		by = turn == 1 ? 1 : -1;
		i = op != NONE ? op + by : turn == 1 ? 0 : n - 1;
		for (; i >= 0 && i < n; i += by)
			if (turn_of(&v->shapes[i]) == turn)
				return i;
	}
	return NONE;
}

static int
undo_candidate(const struct step_state *s)
{
	int op = NONE;

	while ((op = behind(&s->view, op)) != NONE)
		if (touched(s->ops[op].state) && s->ops[op].state != OPS_STUCK)
			return op;
	return NONE;
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
		if (s->shapes[i].activates && (found != NONE || !touched(s->ops[i].state)))
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
stood(enum op_state state)
{
	return state == OPS_UNDONE || (touched(state) && state != OPS_FAILED);
}

/*
 * A unit whose activation was not begun may run what was written all the
 * same: somebody may have restarted it.  So it counts as begun.  states: of the
 * step's ops.
 */
static bool
may_have_been_restarted(const struct step_view *v, const enum op_state *states, size_t op)
{
	size_t i;

	if (!v->shapes[op].activates || (states[op] != OPS_WAITING && states[op] != OPS_INTENT))
		return false;
	for (i = 0; i < v->nops; i++)
		if (!v->shapes[i].activates && stood(states[i]) &&
		    (v->shapes[i].unit == v->shapes[op].unit || v->shapes[i].host == v->shapes[op].host))
			return true;
	return false;
}

static void
states_of(const struct step_view *v, enum op_state *ret)
{
	size_t i;

	for (i = 0; i < v->nops; i++)
		ret[i] = v->ops[i].state;
}

static void
reckon_with_restarts(struct step_state *s)
{
	enum op_state *states = mem_array(s->view.nops, sizeof(*states));
	size_t i;

	states_of(&s->view, states);
	for (i = 0; i < s->view.nops; i++)
		if (may_have_been_restarted(&s->view, states, i))
			s->ops[i].state = OPS_CUT;
	free(states);
}

size_t
rollout_way_back(const struct rollout *r, int step, int other, enum op_state as, int *ret)
{
	const struct step_view *v = &r->steps[step].view;
	enum op_state *states = mem_array(v->nops, sizeof(*states));
	size_t n = 0;
	int op = NONE;

	states_of(v, states);
	if (other != NONE)
		states[other] = as;
	while ((op = behind(v, op)) != NONE)
		if (touched(states[op]) || may_have_been_restarted(v, states, (size_t)op))
			ret[n++] = op;
	free(states);
	return n;
}

void
rollout_undo_begin(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct record *rec;
	size_t i;

	s->view.undo_wanted = false;
	s->view.park_wanted = s->view.breached = false;
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

