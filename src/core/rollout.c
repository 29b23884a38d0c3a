/*
 * rollout: the state machine of a run.
 *
 * A step's way forward:
 *
 *   TODO -> PREVIEWING -> READY -> GUARDING -> APPLYING -> PROVING -> SOAKING -> DONE
 *
 * and back, from every phase in which something may have been changed:
 *
 *   APPLYING PROVING SOAKING DONE FAULTED DOUBT STUCK -> UNDOING -> RESTORED | STUCK
 *
 * Invariants
 *  1. At most one step is in GUARDING, APPLYING, PROVING, SOAKING, DOUBT or UNDOING.
 *  2. An op leaves for its host only from `intent_on_disk()`, that is, after
 *     the journal acknowledged the ticket of its intent.
 *  3. At most one ticket is awaited; a ticket that is not awaited changes nothing.
 *  4. What was begun and did not answer is CUT.  CUT is never taken for done
 *     nor for not done: the host's own record decides (OPV_RECORD).
 *  5. From every phase in which an op may have touched a host, undo is allowed.
 *  6. Edits are undone last in, first out; then the units that these may have
 *     reached are activated again, each once; an edit that is `back_last` goes after them.
 *     An op that cannot be undone sets its host aside; the others go on.
 *  7. Where an undo goes on to the step before, and both have one and the same
 *     unit to activate and nothing else, the activation is left to that step:
 *     until then the unit runs what it ran, or, restarted by somebody, what
 *     stands there, and both are postures that the way back passes through anyway.
 *
 * The table at the end of this file says what each event does in each phase;
 * an empty place means that the event has nothing to say there.
 * It is one file, though a long one, since the table and its handlers are read together.
 */
#include "core/rollout_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* While soaking, a silence longer than this restarts the soak. */
#define SOAK_GAP_MS 30000

/* ---- effects ---- */

void
effects_release(struct effects *fx)
{
	free(fx->v);
	fx->v = NULL;
	fx->n = 0;
}

struct effect *
rollout_emit(struct effects *out, enum effect_kind kind, int step, int op)
{
	struct effect *e = mem_push(&out->v, &out->n, sizeof(*out->v));

	e->kind = kind;
	e->step = step;
	e->op = op;
	return e;
}

void
rollout_copy(char *to, size_t size, const char *from)
{
	(void)snprintf(to, size, "%s", from == NULL ? "" : from);
}

struct record *
rollout_emit_record(struct effects *out, enum record_kind kind, int step, int op, int64_t now_ms)
{
	struct effect *e = rollout_emit(out, EFFECT_JOURNAL, step, op);

	e->record.kind = kind;
	e->record.step = step;
	e->record.op = op;
	e->record.at_ms = now_ms;
	return &e->record;
}

static void
emit_op(struct effects *out, int step, int op, enum op_verb verb)
{
	rollout_emit(out, EFFECT_OP, step, op)->verb = verb;
}

/* ---- small movements ---- */

void
rollout_set_why(struct step_state *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(s->view.why, sizeof(s->view.why), fmt, ap);
	va_end(ap);
}

void
rollout_set_phase(struct step_state *s, enum phase phase, int64_t now_ms)
{
	s->view.phase = phase;
	s->view.since_ms = now_ms;
}

/* A phase that outlives the process, so that the journal is told. */
void
rollout_enter(struct rollout *r, int step, enum phase phase, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[step];
	struct record *rec;

	rollout_set_phase(s, phase, ev->now_ms);
	rec = rollout_emit_record(out, REC_PHASE, step, NONE, ev->now_ms);
	rec->phase = phase;
	rollout_copy(rec->why, sizeof(rec->why), s->view.why);
}

static void
set_op(struct step_state *s, int op, enum op_state state, const struct event *ev)
{
	struct op_view *o = &s->ops[op];

	o->state = state;
	o->drifted = false;
	o->since_ms = ev->now_ms;
	rollout_copy(o->why, sizeof(o->why), ev->why);
}

/* Asks for an intent on disk; the op goes out when it is there. */
void
rollout_intend(struct rollout *r, int step, int op, bool undo, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[step];
	struct op_view *o = &s->ops[op];
	struct record *rec;

	o->state = undo ? OPS_UNDO_INTENT : OPS_INTENT;
	o->since_ms = ev->now_ms;
	r->ticket = ++r->next_ticket;
	r->ticket_step = step;
	r->ticket_op = op;
	rec = rollout_emit_record(out, undo ? REC_UNDO_INTENT : REC_INTENT, step, op, ev->now_ms);
	rollout_copy(rec->before_sha, sizeof(rec->before_sha), o->before_sha);
	rollout_copy(rec->after_sha, sizeof(rec->after_sha), o->after_sha);
	out->v[out->n - 1].ticket = r->ticket;
}

void
rollout_record_outcome(const struct step_state *s, enum record_kind kind, const struct event *ev, int op,
    enum op_outcome outcome, struct effects *out)
{
	const struct op_view *o = &s->ops[op];
	struct record *rec = rollout_emit_record(out, kind, ev->step, op, ev->now_ms);

	rec->outcome = outcome;
	rollout_copy(rec->before_sha, sizeof(rec->before_sha), o->before_sha);
	rollout_copy(rec->after_sha, sizeof(rec->after_sha), o->after_sha);
	rollout_copy(rec->why, sizeof(rec->why), o->why);
}

/* ---- going forward ---- */

/*
 * It rests here, or goes back by itself where the plan says so and the step
 * was asked for in this process: of a run that was only taken up again nobody
 * keeps the hosts, and nobody is there who expects it.
 */
static void
fault(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	bool back = r->plan->steps[ev->step].on_fault == ON_FAULT_UNDO && s->asked &&
	    !s->view.park_wanted;

	s->view.park_wanted = s->view.breached = false;
	rollout_enter(r, ev->step, PHASE_FAULTED, ev, out);
	rollout_emit(out, EFFECT_REST, ev->step, NONE);
	if (!back)
		return;
	s->view.by_itself = true;
	rollout_undo_begin(r, ev, out);
}

void
rollout_prove(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	s->view.why[0] = '\0';
	rollout_enter(r, ev->step, PHASE_PROVING, ev, out);
	rollout_emit(out, EFFECT_PROVE, ev->step, NONE)->since_ms = s->view.applied_ms;
}

/* Carries on with the first op that is not applied; proves when there is none. */
static void
apply_next(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i;

	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state != OPS_APPLIED) {
			rollout_intend(r, ev->step, (int)i, false, ev, out);
			return;
		}
	s->view.applied_ms = ev->now_ms;
	s->view.park_wanted = false;
	rollout_prove(r, ev, out);
}

static void
apply_begin(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	s->view.why[0] = '\0';
	s->view.undo_wanted = s->view.park_wanted = s->view.by_itself = s->view.breached = false;
	rollout_set_phase(s, PHASE_APPLYING, ev->now_ms);
	(void)rollout_emit_record(out, REC_APPLY, ev->step, NONE, ev->now_ms);
	apply_next(r, ev, out);
}

/* An op has ended (or was never begun): go on, go back, or rest here. */
static void
after_op(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i, applied = 0;

	if (s->view.undo_wanted) {
		rollout_undo_begin(r, ev, out);
		return;
	}
	if (s->view.breached) {
		rollout_set_why(s, "%s", s->breach);
		fault(r, ev, out);
		return;
	}
	if (s->view.park_wanted) {
		for (i = 0; i < s->view.nops; i++)
			applied += s->ops[i].state == OPS_APPLIED;
		if (applied < s->view.nops) {
			rollout_set_why(s, "parked after %zu of %zu operations; "
			    "retry goes on, undo goes back", applied, s->view.nops);
			fault(r, ev, out);
			return;
		}
	}
	apply_next(r, ev, out);
}

/* ---- handlers ---- */

typedef void handler(struct rollout *, const struct event *, struct effects *);

static void
on_preview(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i;
	bool asked = false;

	s->view.why[0] = '\0';
	rollout_set_phase(s, PHASE_PREVIEWING, ev->now_ms);
	for (i = 0; i < s->view.nops; i++) {
		memset(&s->ops[i], 0, sizeof(s->ops[i]));
		s->ops[i].since_ms = ev->now_ms;
		if (s->shapes[i].activates) {
			/* There is nothing to look at: it is shown literally. */
			s->ops[i].observed_known = true;
			s->ops[i].observed = OP_FRESH;
			continue;
		}
		emit_op(out, ev->step, (int)i, OPV_OBSERVE);
		asked = true;
	}
	if (!asked)
		rollout_set_phase(s, PHASE_READY, ev->now_ms);
}

static void
on_observed(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct op_view *o = &s->ops[ev->op];
	size_t i;

	(void)out;
	if (ev->kind == EV_OP && ev->verb != OPV_OBSERVE)
		return;
	if (ev->kind == EV_LOST ||
	    (ev->outcome != OP_FRESH && ev->outcome != OP_IN_PLACE)) {
		rollout_set_why(s, "preview: %s", ev->why == NULL || *ev->why == '\0' ?
		    "the host did not answer" : ev->why);
		rollout_set_phase(s, PHASE_TODO, ev->now_ms);
		return;
	}
	o->observed_known = true;
	o->observed = ev->outcome;
	rollout_copy(o->before_sha, sizeof(o->before_sha), ev->before_sha);
	rollout_copy(o->after_sha, sizeof(o->after_sha), ev->after_sha);
	for (i = 0; i < s->view.nops; i++)
		if (!s->ops[i].observed_known)
			return;
	rollout_set_phase(s, PHASE_READY, ev->now_ms);
}

static void
on_apply(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	if (!rollout_may(r, VERB_APPLY, ev->step, NULL))
		return;
	s->asked = true;
	s->view.why[0] = '\0';
	if (r->plan->steps[ev->step].nrequires == 0) {
		apply_begin(r, ev, out);
		return;
	}
	rollout_set_phase(s, PHASE_GUARDING, ev->now_ms);
	rollout_emit(out, EFFECT_GUARD, ev->step, NONE)->since_ms = ev->now_ms;
}

static void
on_guard(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	rollout_emit(out, EFFECT_REST, ev->step, NONE);
	if (ev->ok) {
		apply_begin(r, ev, out);
		return;
	}
	rollout_set_why(s, "refused: %s", ev->why == NULL ? "a guard does not hold" : ev->why);
	rollout_enter(r, ev->step, PHASE_READY, ev, out);
}

/* Nothing was changed yet. */
static void
on_guard_left(struct rollout *r, const struct event *ev, struct effects *out)
{
	rollout_emit(out, EFFECT_REST, ev->step, NONE);
	rollout_set_phase(&r->steps[ev->step], PHASE_READY, ev->now_ms);
}

static void
on_want_undo(struct rollout *r, const struct event *ev, struct effects *out)
{
	(void)out;
	r->steps[ev->step].view.undo_wanted = true;
}

static void
on_want_park(struct rollout *r, const struct event *ev, struct effects *out)
{
	(void)out;
	r->steps[ev->step].view.park_wanted = true;
}

/* Nothing was changed yet, and nothing will be. */
static void
on_guard_breach(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	rollout_emit(out, EFFECT_REST, ev->step, NONE);
	rollout_set_why(s, "refused: %s", ev->why == NULL ? "clients fail" : ev->why);
	rollout_enter(r, ev->step, PHASE_READY, ev, out);
}

/* The op that runs has to end first: it may be half done. */
static void
on_want_fault(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	(void)out;
	if (s->view.breached)
		return;
	s->view.breached = true;
	rollout_copy(s->breach, sizeof(s->breach), ev->why == NULL ? "clients fail" : ev->why);
}

static void
on_breach(struct rollout *r, const struct event *ev, struct effects *out)
{
	rollout_set_why(&r->steps[ev->step], "%s", ev->why == NULL ? "clients fail" : ev->why);
	fault(r, ev, out);
}

static void
on_undo(struct rollout *r, const struct event *ev, struct effects *out)
{
	if (!rollout_may(r, VERB_UNDO, ev->step, NULL))
		return;
	/* A person's wish has no cause; an undo after a fault keeps that of the fault. */
	r->steps[ev->step].view.why[0] = '\0';
	r->steps[ev->step].view.by_itself = false;
	rollout_undo_begin(r, ev, out);
}

/* The intent is on disk: the op may leave. */
static void
intent_on_disk(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct op_view *o = &s->ops[ev->op];

	o->since_ms = ev->now_ms;
	if (o->state == OPS_UNDO_INTENT) {
		o->state = OPS_UNDOING;
		emit_op(out, ev->step, ev->op, OPV_UNDO);
		return;
	}
	if (s->view.undo_wanted || s->view.park_wanted || s->view.breached) {
		/* It was asked to stop before this one began. */
		o->state = OPS_WAITING;
		rollout_copy(o->why, sizeof(o->why), "not begun");
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_FRESH, out);
		after_op(r, ev, out);
		return;
	}
	o->state = OPS_RUNNING;
	emit_op(out, ev->step, ev->op, OPV_APPLY);
}

static void
intent_not_on_disk(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct op_view *o = &s->ops[ev->op];

	rollout_set_why(s, "the journal cannot be written, so nothing more is done: %s",
	    ev->why == NULL ? "" : ev->why);
	if (o->state == OPS_UNDO_INTENT) {
		o->state = OPS_STUCK;
		rollout_copy(o->why, sizeof(o->why), s->view.why);
		rollout_enter(r, ev->step, PHASE_STUCK, ev, out);
		return;
	}
	o->state = OPS_WAITING;
	/* No undo by itself here: it could not be journalled either. */
	s->view.park_wanted = true;
	s->view.undo_wanted = false;
	fault(r, ev, out);
}

void
rollout_settle(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i;

	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state == OPS_CUT)
			emit_op(out, ev->step, (int)i, OPV_RECORD);
}

static void
on_applied(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct op_view *o = &s->ops[ev->op];
	enum op_outcome outcome = ev->kind == EV_LOST ? OP_UNREACHED : ev->outcome;

	if ((ev->kind == EV_OP && ev->verb != OPV_APPLY) || o->state != OPS_RUNNING)
		return;
	switch (outcome) {
	case OP_APPLIED:
	case OP_IN_PLACE:
		set_op(s, ev->op, OPS_APPLIED, ev);
		if (ev->before_sha != NULL && *ev->before_sha != '\0')
			rollout_copy(o->before_sha, sizeof(o->before_sha), ev->before_sha);
		if (ev->after_sha != NULL && *ev->after_sha != '\0')
			rollout_copy(o->after_sha, sizeof(o->after_sha), ev->after_sha);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_APPLIED, out);
		after_op(r, ev, out);
		return;
	case OP_FRESH:
	case OP_RESTORED:
	case OP_DRIFTED:
	case OP_FAILED:
		set_op(s, ev->op, OPS_FAILED, ev);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, outcome, out);
		if (s->view.breached)
			rollout_set_why(s, "%s", s->breach);
		else
			rollout_set_why(s, "operation %d: %s", ev->op + 1,
			    o->why[0] == '\0' ? op_outcome_word(outcome) : o->why);
		if (s->view.undo_wanted)
			rollout_undo_begin(r, ev, out);
		else
			fault(r, ev, out);
		return;
	case OP_CUT:
	case OP_UNREACHED:
		set_op(s, ev->op, OPS_CUT, ev);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, outcome, out);
		if (s->view.undo_wanted) {
			rollout_undo_begin(r, ev, out);
			return;
		}
		rollout_set_why(s, "operation %d was begun and its end is not known: %s",
		    ev->op + 1, o->why[0] == '\0' ? "its worker is gone" : o->why);
		rollout_enter(r, ev->step, PHASE_DOUBT, ev, out);
		rollout_settle(r, ev, out);
		return;
	}
}

/* DOUBT: what the host's own record says. */
static void
on_settled(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	struct op_view *o = &s->ops[ev->op];
	enum op_outcome outcome = ev->kind == EV_LOST ? OP_UNREACHED : ev->outcome;
	size_t i, applied = 0;

	if ((ev->kind == EV_OP && ev->verb != OPV_RECORD) || o->state != OPS_CUT)
		return;
	switch (outcome) {
	case OP_APPLIED:
	case OP_IN_PLACE:
		set_op(s, ev->op, OPS_APPLIED, ev);
		if (ev->after_sha != NULL && *ev->after_sha != '\0')
			rollout_copy(o->after_sha, sizeof(o->after_sha), ev->after_sha);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_APPLIED, out);
		break;
	case OP_FRESH:
	case OP_RESTORED:
		set_op(s, ev->op, OPS_WAITING, ev);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_FRESH, out);
		break;
	case OP_FAILED:
		set_op(s, ev->op, OPS_FAILED, ev);
		rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_FAILED, out);
		break;
	case OP_CUT:
		if (s->shapes[ev->op].command && s->shapes[ev->op].idempotent) {
			/* The host is there and says: begun, no end.  It may be repeated. */
			set_op(s, ev->op, OPS_FAILED, ev);
			rollout_record_outcome(s, REC_OUTCOME, ev, ev->op, OP_FAILED, out);
			break;
		}
		__attribute__((fallthrough));
	case OP_DRIFTED:
	case OP_UNREACHED:
		rollout_copy(o->why, sizeof(o->why), ev->why);
		rollout_set_why(s, "operation %d: its end is not known: %s", ev->op + 1,
		    o->why[0] == '\0' ? "the host does not answer" : o->why);
		return;
	}
	for (i = 0; i < s->view.nops; i++) {
		if (s->ops[i].state == OPS_CUT)
			return;
		applied += s->ops[i].state == OPS_APPLIED;
	}
	if (applied == s->view.nops) {
		s->view.applied_ms = ev->now_ms;
		rollout_prove(r, ev, out);
		return;
	}
	rollout_set_why(s, "interrupted: %zu of %zu operations are applied; "
	    "retry goes on, undo goes back", applied, s->view.nops);
	s->view.park_wanted = true;	/* a person decides which way */
	fault(r, ev, out);
}

static void
on_settle(struct rollout *r, const struct event *ev, struct effects *out)
{
	rollout_settle(r, ev, out);
}

static void
on_gate(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	int64_t soak_ms = r->plan->steps[ev->step].soak_ms;

	if (!ev->ok) {
		rollout_set_why(s, "gate: %s", ev->why == NULL ? "not shown" : ev->why);
		fault(r, ev, out);
		return;
	}
	s->seen_ms = ev->now_ms;
	if (s->view.phase == PHASE_SOAKING && ev->now_ms < s->view.soak_until_ms)
		return;
	if (s->view.phase != PHASE_SOAKING && soak_ms > 0) {
		s->view.soak_until_ms = ev->now_ms + soak_ms;
		rollout_enter(r, ev->step, PHASE_SOAKING, ev, out);
		return;
	}
	rollout_enter(r, ev->step, PHASE_DONE, ev, out);
	rollout_emit(out, EFFECT_REST, ev->step, NONE);
}

static void
on_soak_tick(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];

	(void)out;
	if (ev->now_ms - s->seen_ms <= SOAK_GAP_MS)
		return;
	/* Nobody looked for a while: what was not seen did not soak. */
	s->seen_ms = ev->now_ms;
	s->view.soak_until_ms = ev->now_ms + r->plan->steps[ev->step].soak_ms;
}

static void
on_retry(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	size_t i;

	s->asked = true;
	for (i = 0; i < s->view.nops; i++)
		if (s->ops[i].state != OPS_APPLIED) {
			apply_begin(r, ev, out);
			return;
		}
	s->view.applied_ms = s->view.applied_ms == 0 ? ev->now_ms : s->view.applied_ms;
	rollout_prove(r, ev, out);
}

static void
on_undone(struct rollout *r, const struct event *ev, struct effects *out)
{
	struct step_state *s = &r->steps[ev->step];
	enum op_outcome outcome = ev->kind == EV_LOST ? OP_UNREACHED : ev->outcome;

	if ((ev->kind == EV_OP && ev->verb != OPV_UNDO) ||
	    s->ops[ev->op].state != OPS_UNDOING)
		return;
	if (outcome == OP_RESTORED || outcome == OP_FRESH) {
		set_op(s, ev->op, OPS_UNDONE, ev);
		outcome = OP_RESTORED;
	} else {
		set_op(s, ev->op, OPS_STUCK, ev);
		s->ops[ev->op].drifted = outcome == OP_DRIFTED;
		if (s->ops[ev->op].why[0] == '\0')
			rollout_copy(s->ops[ev->op].why, sizeof(s->ops[ev->op].why),
			    "the host did not answer");
	}
	rollout_record_outcome(s, REC_UNDO_OUTCOME, ev, ev->op, outcome, out);
	rollout_undo_next(r, ev, out);
}

static void
on_skip(struct rollout *r, const struct event *ev, struct effects *out)
{
	if (rollout_may(r, VERB_SKIP, ev->step, NULL))
		rollout_enter(r, ev->step, PHASE_SKIPPED, ev, out);
}

static void
on_met(struct rollout *r, const struct event *ev, struct effects *out)
{
	rollout_enter(r, ev->step, PHASE_MET, ev, out);
}

/* What each event does in each phase. */
static handler *const table[PHASE_COUNT][EVENT_COUNT] = {
	[PHASE_TODO] = {
		[EV_PREVIEW] = on_preview,
		[EV_SKIP] = on_skip,
		[EV_MET] = on_met,
	},
	[PHASE_PREVIEWING] = {
		[EV_PREVIEW] = on_preview,
		[EV_OP] = on_observed,
		[EV_LOST] = on_observed,
	},
	[PHASE_READY] = {
		[EV_MET] = on_met,
		[EV_PREVIEW] = on_preview,
		[EV_APPLY] = on_apply,
		[EV_SKIP] = on_skip,
	},
	[PHASE_GUARDING] = {
		[EV_GUARD] = on_guard,
		[EV_BREACH] = on_guard_breach,
		[EV_UNDO] = on_guard_left,
		[EV_PARK] = on_guard_left,
	},
	[PHASE_APPLYING] = {
		[EV_UNDO] = on_want_undo,
		[EV_PARK] = on_want_park,
		[EV_BREACH] = on_want_fault,
		[EV_OP] = on_applied,
		[EV_LOST] = on_applied,
		[EV_JOURNALLED] = intent_on_disk,
		[EV_JOURNAL_FAILED] = intent_not_on_disk,
	},
	[PHASE_PROVING] = {
		[EV_UNDO] = on_undo,
		[EV_BREACH] = on_breach,
		[EV_GATE] = on_gate,
	},
	[PHASE_SOAKING] = {
		[EV_UNDO] = on_undo,
		[EV_BREACH] = on_breach,
		[EV_GATE] = on_gate,
		[EV_TICK] = on_soak_tick,
	},
	[PHASE_DONE] = {
		[EV_UNDO] = on_undo,
	},
	[PHASE_SKIPPED] = {
		[EV_PREVIEW] = on_preview,
	},
	[PHASE_FAULTED] = {
		[EV_UNDO] = on_undo,
		[EV_RETRY] = on_retry,
	},
	[PHASE_DOUBT] = {
		[EV_UNDO] = on_undo,
		[EV_OP] = on_settled,
		[EV_LOST] = on_settled,
		[EV_SETTLE] = on_settle,
	},
	[PHASE_UNDOING] = {
		[EV_OP] = on_undone,
		[EV_LOST] = on_undone,
		[EV_JOURNALLED] = intent_on_disk,
		[EV_JOURNAL_FAILED] = intent_not_on_disk,
	},
	[PHASE_STUCK] = {
		[EV_UNDO] = on_undo,
	},
	[PHASE_RESTORED] = {
		[EV_PREVIEW] = on_preview,
		[EV_SKIP] = on_skip,
	},
};

bool
rollout_heeds(enum phase phase, enum event_kind kind)
{
	return table[phase][kind] != NULL;
}

void
rollout_feed(struct rollout *r, const struct event *event, struct effects *out)
{
	struct event ev = *event;
	handler *h;
	size_t i;

	if (ev.kind == EV_JOURNALLED || ev.kind == EV_JOURNAL_FAILED) {
		if (ev.ticket == 0 || ev.ticket != r->ticket)
			return;
		ev.step = r->ticket_step;
		ev.op = r->ticket_op;
		r->ticket = 0;
	}
	if (ev.kind == EV_TICK) {
		for (i = 0; i < r->nsteps; i++) {
			ev.step = (int)i;
			if ((h = table[r->steps[i].view.phase][ev.kind]) != NULL)
				h(r, &ev, out);
		}
		return;
	}
	if (ev.step < 0 || (size_t)ev.step >= r->nsteps)
		return;
	if ((ev.kind == EV_OP || ev.kind == EV_LOST) &&
	    (ev.op < 0 || (size_t)ev.op >= r->steps[ev.step].view.nops))
		return;
	if ((h = table[r->steps[ev.step].view.phase][ev.kind]) != NULL)
		h(r, &ev, out);
}

/* ---- life ---- */

struct rollout *
rollout_new(const struct plan *plan, const struct op_shape *const *shapes, const size_t *nops)
{
	struct rollout *r = mem_alloc(sizeof(*r));
	size_t i;

	r->plan = plan;
	r->nsteps = plan->nsteps;
	r->steps = mem_array(r->nsteps, sizeof(*r->steps));
	for (i = 0; i < r->nsteps; i++) {
		struct step_state *s = &r->steps[i];

		s->shapes = mem_array(nops[i], sizeof(*s->shapes));
		if (nops[i] > 0)
			memcpy(s->shapes, shapes[i], nops[i] * sizeof(*s->shapes));
		s->ops = mem_array(nops[i], sizeof(*s->ops));
		s->view.shapes = s->shapes;
		s->view.ops = s->ops;
		s->view.nops = nops[i];
	}
	return r;
}

void
rollout_ask_turns(struct rollout *r, rollout_turns *turns, void *arg)
{
	r->turns = turns;
	r->turns_arg = arg;
}

void
rollout_free(struct rollout *r)
{
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; i < r->nsteps; i++) {
		free(r->steps[i].shapes);
		free(r->steps[i].ops);
	}
	free(r->steps);
	free(r);
}
