/*
 * rollout: traces of events against the effects they print, every pair of
 * phase and event, and what may be asked in each phase.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/rollout.h"

/* Two steps; the first has two edits on two hosts and one activation. */
static struct check guard = { .kind = CHECK_CENSUS };
static struct step steps[2] = {
	{ .id = (char []){ "one" }, .requires = &guard, .nrequires = 1, .soak_ms = 5000 },
	{ .id = (char []){ "two" }, .optional = true },
};
static struct plan plan = { .steps = steps, .nsteps = 2 };
static struct op_shape one[3] = {
	{ .host = 0, .unit = 0 },
	{ .host = 1, .unit = 0 },
	{ .host = 0, .unit = 0, .activates = true, .command = true, .idempotent = true },
};
static const struct op_shape two[1] = { { .host = 0, .unit = 0 } };

struct story {
	struct rollout *r;
	struct effects fx;
	struct buf out;
	int64_t now;
	uint64_t ticket;
	struct record recs[128];	/* what went into the journal */
	size_t	 nrecs;
};

static void
print_effects(struct story *s)
{
	size_t i;

	for (i = 0; i < s->fx.n; i++) {
		const struct effect *e = &s->fx.v[i];

		if (i > 0)
			buf_puts(&s->out, " ");
		switch (e->kind) {
		case EFFECT_JOURNAL:
			assert_true(s->nrecs < sizeof(s->recs) / sizeof(s->recs[0]));
			s->recs[s->nrecs++] = e->record;
			buf_printf(&s->out, "%s", record_word(e->record.kind));
			if (e->op != NONE)
				buf_printf(&s->out, "#%d", e->op);
			if (e->record.kind == REC_PHASE)
				buf_printf(&s->out, "=%s", phase_word(e->record.phase));
			if (e->record.kind == REC_OUTCOME || e->record.kind == REC_UNDO_OUTCOME)
				buf_printf(&s->out, "=%d", e->record.outcome);
			if (e->ticket != 0) {
				buf_puts(&s->out, "!");
				s->ticket = e->ticket;
			}
			break;
		case EFFECT_OP:
			buf_printf(&s->out, "%s#%d", e->verb == OPV_OBSERVE ? "OBSERVE" :
			    e->verb == OPV_APPLY ? "APPLY" : e->verb == OPV_UNDO ? "UNDO" : "RECORD", e->op);
			break;
		case EFFECT_GUARD:
			buf_puts(&s->out, "GUARD");
			break;
		case EFFECT_PROVE:
			buf_puts(&s->out, "PROVE");
			break;
		case EFFECT_REST:
			buf_puts(&s->out, "REST");
			break;
		}
	}
	effects_release(&s->fx);
}

static void
feed(struct story *s, struct event ev)
{
	s->now += 10;
	ev.now_ms = s->now;
	rollout_feed(s->r, &ev, &s->fx);
	print_effects(s);
}

static void
begin(struct story *s)
{
	const struct op_shape *shapes[2] = { one, two };
	const size_t nops[2] = { 3, 1 };

	memset(s, 0, sizeof(*s));
	s->r = rollout_new(&plan, shapes, nops);
	s->now = 1000;
}

static void
end(struct story *s)
{
	rollout_free(s->r);
	buf_release(&s->out);
}

static void
ask(struct story *s, enum event_kind kind)
{
	feed(s, (struct event){ .kind = kind });
}

static void
answer(struct story *s, int op, enum op_verb verb, enum op_outcome outcome)
{
	feed(s, (struct event){ .kind = EV_OP, .op = op, .verb = verb, .outcome = outcome });
}

static void
disk(struct story *s)
{
	feed(s, (struct event){ .kind = EV_JOURNALLED, .ticket = s->ticket });
}

static void
judged(struct story *s, enum event_kind kind, bool ok)
{
	feed(s, (struct event){ .kind = kind, .ok = ok });
}

/* Brings the first step into a phase. */
static void
reach(struct story *s, enum phase phase)
{
	begin(s);
	if (phase == PHASE_TODO)
		return;
	if (phase == PHASE_MET) {
		ask(s, EV_MET);
		return;
	}
	if (phase == PHASE_SKIPPED) {
		steps[0].optional = true;
		ask(s, EV_SKIP);
		steps[0].optional = false;
		return;
	}
	ask(s, EV_PREVIEW);
	if (phase == PHASE_PREVIEWING)
		return;
	answer(s, 0, OPV_OBSERVE, OP_FRESH);
	answer(s, 1, OPV_OBSERVE, OP_FRESH);
	if (phase == PHASE_READY)
		return;
	ask(s, EV_APPLY);
	if (phase == PHASE_GUARDING)
		return;
	judged(s, EV_GUARD, true);
	if (phase == PHASE_APPLYING) {
		disk(s);
		return;
	}
	disk(s);
	if (phase == PHASE_FAULTED) {
		answer(s, 0, OPV_APPLY, OP_DRIFTED);
		return;
	}
	if (phase == PHASE_DOUBT) {
		answer(s, 0, OPV_APPLY, OP_CUT);
		return;
	}
	answer(s, 0, OPV_APPLY, OP_APPLIED);
	disk(s);
	answer(s, 1, OPV_APPLY, OP_APPLIED);
	disk(s);
	answer(s, 2, OPV_APPLY, OP_APPLIED);
	if (phase == PHASE_PROVING)
		return;
	judged(s, EV_GATE, true);
	if (phase == PHASE_SOAKING)
		return;
	s->now += 6000;
	judged(s, EV_GATE, true);
	if (phase == PHASE_DONE)
		return;
	ask(s, EV_UNDO);
	if (phase == PHASE_UNDOING) {
		disk(s);
		return;
	}
	disk(s);
	answer(s, 1, OPV_UNDO, phase == PHASE_STUCK ? OP_DRIFTED : OP_RESTORED);
	disk(s);
	answer(s, 0, OPV_UNDO, OP_RESTORED);
	disk(s);
	answer(s, 2, OPV_UNDO, OP_RESTORED);
}

static void
check_story(struct story *s, const char *expected)
{
	assert_string_equal(buf_str(&s->out), expected);
}

static void
forward_and_back_in_order(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_RESTORED);
	check_story(&s,
	    "OBSERVE#0 OBSERVE#1"
	    "GUARD"
	    "REST apply intent#0!"
	    "APPLY#0"
	    "outcome#0=2 intent#1!"
	    "APPLY#1"
	    "outcome#1=2 intent#2!"
	    "APPLY#2"
	    "outcome#2=2 phase=proving PROVE"
	    "phase=soaking"
	    "phase=done REST"
	    "REST undo undo-intent#1!"
	    "UNDO#1"
	    "undo-outcome#1=3 undo-intent#0!"
	    "UNDO#0"
	    "undo-outcome#0=3 undo-intent#2!"
	    "UNDO#2"
	    "undo-outcome#2=3 phase=restored");
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
	end(&s);
}

static void
op_never_leaves_before_its_intent_is_on_disk(void **state)
{
	struct story s;
	size_t i;

	(void)state;
	reach(&s, PHASE_GUARDING);
	judged(&s, EV_GUARD, true);
	buf_clear(&s.out);
	/* Everything but the right ticket. */
	for (i = 0; i < EVENT_COUNT; i++) {
		if (i == EV_UNDO || i == EV_PARK || i == EV_BREACH)
			continue;
		feed(&s, (struct event){ .kind = (enum event_kind)i, .ticket = s.ticket + 1,
		    .verb = OPV_APPLY, .outcome = OP_APPLIED });
	}
	check_story(&s, "");
	disk(&s);
	check_story(&s, "APPLY#0");
	/* The same ticket again does nothing. */
	disk(&s);
	check_story(&s, "APPLY#0");
	end(&s);
}

static void
journal_failure_stops_and_begins_nothing(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_GUARDING);
	judged(&s, EV_GUARD, true);
	buf_clear(&s.out);
	feed(&s, (struct event){ .kind = EV_JOURNAL_FAILED, .ticket = s.ticket, .why = "no space left" });
	check_story(&s, "phase=faulted REST");
	assert_non_null(strstr(rollout_step(s.r, 0)->why, "no space left"));
	end(&s);
}

static void
undo_while_an_op_runs_waits_for_it(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_APPLYING);
	buf_clear(&s.out);
	ask(&s, EV_UNDO);
	check_story(&s, "");
	assert_true(rollout_step(s.r, 0)->undo_wanted);
	answer(&s, 0, OPV_APPLY, OP_APPLIED);
	check_story(&s, "outcome#0=2 REST undo undo-intent#0!");
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	/* It stood there for a while: whoever restarted the unit then has it running what is gone. */
	check_story(&s, "outcome#0=2 REST undo undo-intent#0!UNDO#0undo-outcome#0=3 undo-intent#2!");
	disk(&s);
	answer(&s, 2, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
	end(&s);
}

static void
undo_of_what_never_stood_restarts_nothing(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_APPLYING);
	answer(&s, 0, OPV_APPLY, OP_DRIFTED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_FAULTED);
	buf_clear(&s.out);
	ask(&s, EV_UNDO);
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
	check_story(&s, "REST undo undo-intent#0!UNDO#0undo-outcome#0=3 phase=restored");
	end(&s);
}

static void
stuck_host_is_set_aside_and_the_rest_goes_on(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_DONE);
	buf_clear(&s.out);
	ask(&s, EV_UNDO);
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_UNREACHED);	/* host 1 is gone */
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 2, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_STUCK);
	assert_int_equal(rollout_step(s.r, 0)->ops[0].state, OPS_UNDONE);
	/* u again: only what is left. */
	buf_clear(&s.out);
	ask(&s, EV_UNDO);
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_RESTORED);
	check_story(&s, "REST undo undo-intent#1!UNDO#1undo-outcome#1=3 phase=restored");
	end(&s);
}

static void
doubt_is_settled_by_the_hosts_record(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_DOUBT);
	buf_clear(&s.out);
	answer(&s, 0, OPV_RECORD, OP_UNREACHED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_DOUBT);
	ask(&s, EV_SETTLE);
	answer(&s, 0, OPV_RECORD, OP_APPLIED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_FAULTED);
	check_story(&s, "RECORD#0outcome#0=2 phase=faulted REST");
	/* Going on starts with the first op that is not applied. */
	buf_clear(&s.out);
	ask(&s, EV_RETRY);
	check_story(&s, "apply intent#1!");
	end(&s);
}

static void
soak_restarts_after_a_gap(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_SOAKING);
	s.now += 60000;
	ask(&s, EV_TICK);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_SOAKING);
	judged(&s, EV_GATE, true);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_SOAKING);
	s.now += 5000;
	judged(&s, EV_GATE, true);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_DONE);
	end(&s);
}

static void
soak_ends_only_when_the_gate_is_seen_to_hold(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_SOAKING);
	/* Time alone does not end it: the gate may be inconclusive since. */
	s.now += 6000;
	ask(&s, EV_TICK);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_SOAKING);
	judged(&s, EV_GATE, true);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_DONE);
	end(&s);
}

/* Ways in which a step does not come to its end, from the phase that it is in. */
static void
op_fails(struct story *s)
{
	answer(s, 0, OPV_APPLY, OP_FAILED);
}

static void
op_has_drifted(struct story *s)
{
	answer(s, 0, OPV_APPLY, OP_DRIFTED);
}

static void
op_is_cut(struct story *s)
{
	answer(s, 0, OPV_APPLY, OP_CUT);
}

static void
worker_is_lost(struct story *s)
{
	feed(s, (struct event){ .kind = EV_LOST, .op = 0 });
}

static void
parked(struct story *s)
{
	ask(s, EV_PARK);
	answer(s, 0, OPV_APPLY, OP_APPLIED);
}

static void
parked_and_fails(struct story *s)
{
	ask(s, EV_PARK);
	answer(s, 0, OPV_APPLY, OP_FAILED);
}

static void
journal_full(struct story *s)
{
	answer(s, 0, OPV_APPLY, OP_APPLIED);
	feed(s, (struct event){ .kind = EV_JOURNAL_FAILED, .ticket = s->ticket, .why = "no room" });
}

static void
gate_fails(struct story *s)
{
	feed(s, (struct event){ .kind = EV_GATE, .why = "two on plaintext" });
}

static void
settles_as_waiting(struct story *s)
{
	answer(s, 0, OPV_RECORD, OP_FRESH);
}

static void
settles_as_failed(struct story *s)
{
	answer(s, 0, OPV_RECORD, OP_FAILED);
}

static void
guard_refuses(struct story *s)
{
	judged(s, EV_GUARD, false);
}

static void
a_step_that_faulted_before_its_first_edit_wrote_nothing(void **state)
{
	struct story s;

	(void)state;
	reach(&s, PHASE_FAULTED);
	assert_true(rollout_stands(s.r, 0));
	assert_false(rollout_wrote(s.r, 0));
	end(&s);
	/* The first edit is in place, the second one is not. */
	reach(&s, PHASE_APPLYING);
	answer(&s, 0, OPV_APPLY, OP_APPLIED);
	disk(&s);
	answer(&s, 1, OPV_APPLY, OP_FAILED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_FAULTED);
	assert_true(rollout_wrote(s.r, 0));
	end(&s);
	/* Nobody knows. */
	reach(&s, PHASE_DOUBT);
	assert_true(rollout_wrote(s.r, 0));
	end(&s);
	/* A command that failed may have done something. */
	one[0].command = true;
	reach(&s, PHASE_FAULTED);
	assert_true(rollout_wrote(s.r, 0));
	end(&s);
	one[0].command = false;
	reach(&s, PHASE_READY);
	assert_false(rollout_wrote(s.r, 0));
	end(&s);
	reach(&s, PHASE_DONE);
	assert_true(rollout_wrote(s.r, 0));
	end(&s);
}

static void
clients_fail(struct story *s)
{
	feed(s, (struct event){ .kind = EV_BREACH, .why = "canary web: nothing came through" });
}

static void
clients_fail_under_an_op(struct story *s)
{
	clients_fail(s);
	assert_int_equal(rollout_step(s->r, 0)->phase, PHASE_APPLYING);
	answer(s, 0, OPV_APPLY, OP_APPLIED);
}

static void
clients_fail_and_parked(struct story *s)
{
	clients_fail(s);
	ask(s, EV_PARK);
	answer(s, 0, OPV_APPLY, OP_APPLIED);
}

/* The policy is about faults: an op or the gate that failed.  Not about doubt, nor about what a person wanted. */
static void
on_fault_undo_goes_back_by_itself_from_faults_only(void **state)
{
	static const struct {
		const char *name;
		enum phase from;
		void	(*happens)(struct story *);
		enum phase paused, undone;	/* where it comes to, by policy */
	} rows[] = {
		{ "op fails", PHASE_APPLYING, op_fails, PHASE_FAULTED, PHASE_UNDOING },
		{ "op has drifted", PHASE_APPLYING, op_has_drifted, PHASE_FAULTED, PHASE_UNDOING },
		{ "gate fails", PHASE_PROVING, gate_fails, PHASE_FAULTED, PHASE_UNDOING },
		{ "gate is breached in soak", PHASE_SOAKING, gate_fails, PHASE_FAULTED, PHASE_UNDOING },
		{ "op is cut", PHASE_APPLYING, op_is_cut, PHASE_DOUBT, PHASE_DOUBT },
		{ "worker is lost", PHASE_APPLYING, worker_is_lost, PHASE_DOUBT, PHASE_DOUBT },
		{ "parked", PHASE_APPLYING, parked, PHASE_FAULTED, PHASE_FAULTED },
		{ "parked, and the op fails", PHASE_APPLYING, parked_and_fails, PHASE_FAULTED, PHASE_FAULTED },
		{ "journal is full", PHASE_APPLYING, journal_full, PHASE_FAULTED, PHASE_FAULTED },
		{ "doubt: not done", PHASE_DOUBT, settles_as_waiting, PHASE_FAULTED, PHASE_FAULTED },
		{ "doubt: failed", PHASE_DOUBT, settles_as_failed, PHASE_FAULTED, PHASE_FAULTED },
		{ "clients fail in soak", PHASE_SOAKING, clients_fail, PHASE_FAULTED, PHASE_UNDOING },
		{ "clients fail while it is proven", PHASE_PROVING, clients_fail, PHASE_FAULTED, PHASE_UNDOING },
		{ "clients fail before it", PHASE_GUARDING, clients_fail, PHASE_READY, PHASE_READY },
		{ "clients fail under an op", PHASE_APPLYING, clients_fail_under_an_op, PHASE_FAULTED, PHASE_UNDOING },
		{ "clients fail, and it is parked", PHASE_APPLYING, clients_fail_and_parked, PHASE_FAULTED, PHASE_FAULTED },
		{ "guard refuses", PHASE_GUARDING, guard_refuses, PHASE_READY, PHASE_READY },
	};
	enum phase wanted, got;
	struct story s;
	size_t i;
	int policy;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (policy = ON_FAULT_PAUSE; policy <= ON_FAULT_UNDO; policy++) {
			steps[0].on_fault = (enum on_fault)policy;
			reach(&s, rows[i].from);
			rows[i].happens(&s);
			wanted = policy == ON_FAULT_UNDO ? rows[i].undone : rows[i].paused;
			got = rollout_step(s.r, 0)->phase;
			if (got != wanted)
				fail_msg("%s, by policy %d: %s, expected %s", rows[i].name, policy,
				    phase_word(got), phase_word(wanted));
			assert_int_equal(rollout_step(s.r, 0)->by_itself, got == PHASE_UNDOING);
			end(&s);
		}
	steps[0].on_fault = ON_FAULT_PAUSE;
}

static void
an_undo_by_itself_keeps_its_cause_to_the_end(void **state)
{
	struct effects fx = { 0 };
	struct event ev = { .kind = EV_GATE, .now_ms = 99999, .why = "two on plaintext" };
	struct story s;
	size_t i;

	(void)state;
	steps[0].on_fault = ON_FAULT_UNDO;
	reach(&s, PHASE_SOAKING);
	rollout_feed(s.r, &ev, &fx);
	for (i = 0; i < fx.n; i++)
		if (fx.v[i].kind == EFFECT_JOURNAL && fx.v[i].record.kind == REC_UNDO)
			assert_string_equal(fx.v[i].record.why, "by itself: gate: two on plaintext");
	buf_clear(&s.out);
	s.fx = fx;
	print_effects(&s);
	check_story(&s, "phase=faulted REST REST undo undo-intent#1!");
	assert_string_equal(rollout_step(s.r, 0)->why, "gate: two on plaintext");
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 2, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
	assert_string_equal(rollout_step(s.r, 0)->why, "undone by itself: gate: two on plaintext");
	assert_true(rollout_step(s.r, 0)->by_itself);
	/* It may be tried again, and the words go. */
	ask(&s, EV_PREVIEW);
	assert_string_equal(rollout_step(s.r, 0)->why, "");
	steps[0].on_fault = ON_FAULT_PAUSE;
	end(&s);
}

static void
an_undo_by_itself_that_cannot_finish_waits_for_a_person(void **state)
{
	struct story s;

	(void)state;
	steps[0].on_fault = ON_FAULT_UNDO;
	reach(&s, PHASE_PROVING);
	gate_fails(&s);
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_DRIFTED);
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 2, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_STUCK);
	buf_clear(&s.out);
	feed(&s, (struct event){ .kind = EV_TICK });
	check_story(&s, "");
	ask(&s, EV_UNDO);
	assert_false(rollout_step(s.r, 0)->by_itself);
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_RESTORED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
	assert_string_equal(rollout_step(s.r, 0)->why, "");
	steps[0].on_fault = ON_FAULT_PAUSE;
	end(&s);
}

static void
a_breach_lets_the_op_that_runs_end_and_begins_no_other(void **state)
{
	struct story s;

	(void)state;
	steps[0].on_fault = ON_FAULT_UNDO;
	reach(&s, PHASE_APPLYING);
	buf_clear(&s.out);
	clients_fail(&s);
	check_story(&s, "");
	assert_true(rollout_step(s.r, 0)->breached);
	answer(&s, 0, OPV_APPLY, OP_APPLIED);
	check_story(&s, "outcome#0=2 phase=faulted REST REST undo undo-intent#0!");
	assert_string_equal(rollout_step(s.r, 0)->why, "canary web: nothing came through");
	assert_true(rollout_step(s.r, 0)->by_itself);
	assert_false(rollout_step(s.r, 0)->breached);
	end(&s);
	/* Its intent was on its way to disk: it is not begun. */
	reach(&s, PHASE_GUARDING);
	judged(&s, EV_GUARD, true);
	clients_fail(&s);
	buf_clear(&s.out);
	disk(&s);
	check_story(&s, "outcome#0=0 phase=faulted REST REST undo phase=restored");
	end(&s);
	steps[0].on_fault = ON_FAULT_PAUSE;
	/* Where a person goes on all the same, what was breached is forgotten. */
	reach(&s, PHASE_APPLYING);
	clients_fail_under_an_op(&s);
	ask(&s, EV_RETRY);
	disk(&s);
	answer(&s, 1, OPV_APPLY, OP_APPLIED);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_APPLYING);
	end(&s);
}

/* Nobody asked for it in this process, and nobody keeps its hosts. */

static void
a_run_taken_up_again_pauses_whatever_the_policy(void **state)
{
	const struct op_shape *shapes[2] = { one, two };
	const size_t nops[2] = { 3, 1 };
	struct record rec = { .step = 0, .op = NONE };
	struct story s;
	int op;

	(void)state;
	steps[0].on_fault = ON_FAULT_UNDO;
	memset(&s, 0, sizeof(s));
	s.r = rollout_new(&plan, shapes, nops);
	s.now = 1000;
	rec.kind = REC_APPLY;
	rollout_replay(s.r, &rec);
	for (op = 0; op < 3; op++) {
		rec.op = op;
		rec.kind = REC_INTENT;
		rollout_replay(s.r, &rec);
		rec.kind = REC_OUTCOME;
		rec.outcome = OP_APPLIED;
		rollout_replay(s.r, &rec);
	}
	rollout_resume(s.r, s.now, &s.fx);
	effects_release(&s.fx);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_PROVING);
	gate_fails(&s);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_FAULTED);
	/* Who takes it up by asking is who expects the policy. */
	ask(&s, EV_RETRY);
	gate_fails(&s);
	assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_UNDOING);
	steps[0].on_fault = ON_FAULT_PAUSE;
	end(&s);
}

/* Who still verifies reads it at each new connection. */
static void
a_ca_file_goes_last_on_the_way_back(void **state)
{
	struct story s;

	(void)state;
	one[0].back_last = true;
	reach(&s, PHASE_DONE);
	buf_clear(&s.out);
	ask(&s, EV_UNDO);
	disk(&s);
	answer(&s, 1, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 2, OPV_UNDO, OP_RESTORED);
	disk(&s);
	answer(&s, 0, OPV_UNDO, OP_RESTORED);
	one[0].back_last = false;
	check_story(&s, "REST undo undo-intent#1!UNDO#1undo-outcome#1=3 undo-intent#2!UNDO#2undo-outcome#2=3 "
	    "undo-intent#0!UNDO#0undo-outcome#0=3 phase=restored");
	end(&s);
}

/* One unit, two steps: it is activated once on the way back. */
static void
an_undo_that_goes_on_leaves_the_activation_to_the_step_before(void **state)
{
	static const struct op_shape edit_and_activate[2] = {
		{ .host = 0, .unit = 0 },
		{ .host = 0, .unit = 0, .activates = true, .command = true, .idempotent = true },
	};
	const struct op_shape *shapes[2] = { edit_and_activate, edit_and_activate };
	const size_t nops[2] = { 2, 2 };
	struct rollout *again;
	struct story s;
	size_t i;
	int step;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.r = rollout_new(&plan, shapes, nops);
	s.now = 1000;
	steps[0].soak_ms = 0;
	for (step = 0; step < 2; step++) {
		feed(&s, (struct event){ .kind = EV_PREVIEW, .step = step });
		feed(&s, (struct event){ .kind = EV_OP, .step = step, .verb = OPV_OBSERVE, .outcome = OP_FRESH });
		feed(&s, (struct event){ .kind = EV_APPLY, .step = step });
		if (step == 0)
			feed(&s, (struct event){ .kind = EV_GUARD, .ok = true });
		disk(&s);
		feed(&s, (struct event){ .kind = EV_OP, .step = step, .verb = OPV_APPLY, .outcome = OP_APPLIED });
		disk(&s);
		feed(&s, (struct event){ .kind = EV_OP, .step = step, .op = 1, .verb = OPV_APPLY, .outcome = OP_APPLIED });
		feed(&s, (struct event){ .kind = EV_GATE, .step = step, .ok = true });
		assert_int_equal(rollout_step(s.r, step)->phase, PHASE_DONE);
	}
	steps[0].soak_ms = 5000;
	buf_clear(&s.out);
	feed(&s, (struct event){ .kind = EV_UNDO, .step = 1, .goes_on = true, .until = 0 });
	assert_true(rollout_step(s.r, 1)->left);
	/* A process that comes after a crash says so, too. */
	again = rollout_new(&plan, shapes, nops);
	for (i = 0; i < s.nrecs; i++) {
		assert_false(rollout_step(again, 1)->left);
		rollout_replay(again, &s.recs[i]);
		if (s.recs[i].kind == REC_UNDO_OUTCOME)
			break;
	}
	assert_true(i < s.nrecs && rollout_step(again, 1)->left);
	rollout_free(again);
	disk(&s);
	feed(&s, (struct event){ .kind = EV_OP, .step = 1, .verb = OPV_UNDO, .outcome = OP_RESTORED });
	check_story(&s, "REST undo undo-outcome#1=3 undo-intent#0!UNDO#0undo-outcome#0=3 phase=restored");
	buf_clear(&s.out);
	feed(&s, (struct event){ .kind = EV_UNDO, .step = 0, .goes_on = true, .until = 0 });
	assert_false(rollout_step(s.r, 0)->left);
	disk(&s);
	feed(&s, (struct event){ .kind = EV_OP, .verb = OPV_UNDO, .outcome = OP_RESTORED });
	disk(&s);
	feed(&s, (struct event){ .kind = EV_OP, .op = 1, .verb = OPV_UNDO, .outcome = OP_RESTORED });
	check_story(&s, "REST undo undo-intent#0!UNDO#0undo-outcome#0=3 undo-intent#1!UNDO#1undo-outcome#1=3 phase=restored");
	end(&s);
}

/* Brings an op where a journal could have left it, in the n-th of so many ways. */
#define WAYS 8
static void
left_so(struct rollout *r, int op, int way)
{
	static const struct { enum record_kind kind; enum op_outcome outcome; } ways[WAYS] = {
		{ REC_PHASE, OP_FRESH },	/* not at all */
		{ REC_OUTCOME, OP_FRESH }, { REC_INTENT, OP_FRESH }, { REC_OUTCOME, OP_APPLIED },
		{ REC_OUTCOME, OP_FAILED }, { REC_OUTCOME, OP_CUT }, { REC_UNDO_OUTCOME, OP_RESTORED },
		{ REC_UNDO_OUTCOME, OP_DRIFTED },
	};
	struct record rec = { .kind = ways[way].kind, .op = op, .outcome = ways[way].outcome };

	if (rec.kind != REC_PHASE)
		rollout_replay(r, &rec);
}

/* What a script does by hand is what an undo does, whatever has happened. */
static void
the_way_back_that_is_told_is_the_one_that_is_gone(void **state)
{
	static const struct op_shape mixed[4] = {
		{ .host = 0, .unit = 0 },
		{ .host = 0, .unit = 0, .activates = true, .command = true, .idempotent = true },
		{ .host = 1, .unit = 0, .back_last = true },
		{ .host = 1, .unit = 1, .activates = true, .command = true },
	};
	const struct op_shape *shapes[2] = { mixed, two };
	const size_t nops[2] = { 4, 1 };
	struct record faulted = { .kind = REC_PHASE, .op = NONE, .phase = PHASE_FAULTED };
	int told[4], gone[4], way, i, w;
	struct story s;
	size_t n, ngone;

	(void)state;
	for (way = 0; way < WAYS * WAYS * WAYS * WAYS; way++) {
		memset(&s, 0, sizeof(s));
		s.r = rollout_new(&plan, shapes, nops);
		for (i = 0, w = way; i < 4; i++, w /= WAYS)
			left_so(s.r, i, w % WAYS);
		rollout_replay(s.r, &faulted);
		n = rollout_way_back(s.r, 0, NONE, OPS_WAITING, told);
		s.now = 1000;
		ask(&s, EV_UNDO);
		for (ngone = 0; ngone < 4 && rollout_step(s.r, 0)->phase == PHASE_UNDOING; ngone++) {
			disk(&s);
			for (i = 0; rollout_step(s.r, 0)->ops[i].state != OPS_UNDOING; i++)
				assert_in_range(i, 0, 3);
			gone[ngone] = i;
			answer(&s, i, OPV_UNDO, OP_RESTORED);
		}
		assert_int_equal(rollout_step(s.r, 0)->phase, PHASE_RESTORED);
		if (n != ngone || memcmp(told, gone, n * sizeof(*told)) != 0)
			fail_msg("way %d: %zu operations are told, %zu gone", way, n, ngone);
		end(&s);
	}
}

/* What is about to be done counts as done; and where edits stand somebody may restart the unit. */
static void
the_way_back_reckons_with_what_is_about_to_be_done(void **state)
{
	struct story s;
	int ops[3];

	(void)state;
	reach(&s, PHASE_GUARDING);
	judged(&s, EV_GUARD, true);
	assert_int_equal(rollout_way_back(s.r, 0, NONE, OPS_WAITING, ops), 0);
	assert_int_equal(rollout_way_back(s.r, 0, 0, OPS_APPLIED, ops), 2);
	assert_int_equal(ops[0], 0);
	assert_int_equal(ops[1], 2);
	end(&s);
	reach(&s, PHASE_DONE);
	assert_int_equal(rollout_way_back(s.r, 0, 1, OPS_UNDONE, ops), 2);
	assert_int_equal(ops[0], 0);
	assert_int_equal(ops[1], 2);
	end(&s);
}

/* Its cause was that of the undo before. */
static void
a_step_applied_again_is_not_undone_by_itself_any_more(void **state)
{
	const struct op_shape *shapes[2] = { one, two };
	const size_t nops[2] = { 3, 1 };
	struct record rec = { .op = NONE };
	struct story s;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.r = rollout_new(&plan, shapes, nops);
	rec.kind = REC_UNDO;
	(void)snprintf(rec.why, sizeof(rec.why), "by itself: gate");
	rollout_replay(s.r, &rec);
	assert_true(rollout_step(s.r, 0)->by_itself);
	rec.kind = REC_APPLY;
	rec.why[0] = '\0';
	rollout_replay(s.r, &rec);
	assert_false(rollout_step(s.r, 0)->by_itself);
	end(&s);
}

static void
last_in_first_out(void **state)
{
	struct story s;
	const char *why;

	(void)state;
	reach(&s, PHASE_DONE);
	feed(&s, (struct event){ .kind = EV_PREVIEW, .step = 1 });
	feed(&s, (struct event){ .kind = EV_OP, .step = 1, .verb = OPV_OBSERVE, .outcome = OP_FRESH });
	feed(&s, (struct event){ .kind = EV_APPLY, .step = 1 });
	disk(&s);
	feed(&s, (struct event){ .kind = EV_OP, .step = 1, .verb = OPV_APPLY, .outcome = OP_APPLIED });
	feed(&s, (struct event){ .kind = EV_GATE, .step = 1, .ok = true });
	assert_int_equal(rollout_step(s.r, 1)->phase, PHASE_DONE);
	assert_false(rollout_may(s.r, VERB_UNDO, 0, &why));
	assert_string_equal(why, "step 'two' was applied after it; last in, first out");
	assert_int_equal(rollout_last(s.r), 1);
	buf_clear(&s.out);
	ask(&s, EV_UNDO);	/* of step 0: refused, nothing happens */
	check_story(&s, "");
	end(&s);
}

/* The journal as it stands after each effect, replayed, is the same machine or in DOUBT. */
static void
replay_after_a_kill_at_every_record(void **state)
{
	struct record recs[64];
	size_t n = 0, i, cut;
	const struct op_shape *shapes[2] = { one, two };
	const size_t nops[2] = { 3, 1 };
	static const enum phase expected[] = {
		PHASE_TODO,	/* nothing */
		PHASE_FAULTED,	/* apply, no op begun */
		PHASE_DOUBT,	/* intent#0 */
		PHASE_FAULTED,	/* outcome#0 */
		PHASE_DOUBT, PHASE_FAULTED, PHASE_DOUBT,
		PHASE_PROVING,	/* outcome of the last op */
		PHASE_PROVING,	/* phase=proving */
		PHASE_PROVING,	/* phase=soaking */
		PHASE_DONE,
		PHASE_STUCK, PHASE_STUCK, PHASE_STUCK, PHASE_STUCK, PHASE_STUCK,
		PHASE_STUCK, PHASE_STUCK,
		PHASE_RESTORED,
	};
	struct story s;

	(void)state;
	/* Collect the records of a whole way forward and back. */
	begin(&s);
	{
		struct event evs[] = {
			{ .kind = EV_PREVIEW }, { .kind = EV_OP, .op = 0 }, { .kind = EV_OP, .op = 1 },
			{ .kind = EV_APPLY }, { .kind = EV_GUARD, .ok = true },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 0, .verb = OPV_APPLY, .outcome = OP_APPLIED },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 1, .verb = OPV_APPLY, .outcome = OP_APPLIED },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 2, .verb = OPV_APPLY, .outcome = OP_APPLIED },
			{ .kind = EV_GATE, .ok = true }, { .kind = EV_GATE, .ok = true, .now_ms = 6000 },
			{ .kind = EV_UNDO },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 1, .verb = OPV_UNDO, .outcome = OP_RESTORED },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 0, .verb = OPV_UNDO, .outcome = OP_RESTORED },
			{ .kind = EV_JOURNALLED }, { .kind = EV_OP, .op = 2, .verb = OPV_UNDO, .outcome = OP_RESTORED },
		};

		for (i = 0; i < sizeof(evs) / sizeof(evs[0]); i++) {
			size_t k;

			evs[i].ticket = s.ticket;
			rollout_feed(s.r, &evs[i], &s.fx);
			for (k = 0; k < s.fx.n; k++)
				if (s.fx.v[k].kind == EFFECT_JOURNAL) {
					assert_true(n < 64);
					recs[n++] = s.fx.v[k].record;
					if (s.fx.v[k].ticket != 0)
						s.ticket = s.fx.v[k].ticket;
				}
			effects_release(&s.fx);
		}
	}
	end(&s);
	assert_int_equal(n + 1, sizeof(expected) / sizeof(expected[0]));
	for (cut = 0; cut <= n; cut++) {
		struct rollout *r = rollout_new(&plan, shapes, nops);
		struct effects fx = { 0 };

		for (i = 0; i < cut; i++)
			rollout_replay(r, &recs[i]);
		rollout_resume(r, 99999, &fx);
		if (rollout_step(r, 0)->phase != expected[cut])
			fail_msg("after %zu records: %s, expected %s", cut,
			    phase_word(rollout_step(r, 0)->phase), phase_word(expected[cut]));
		/* Whatever happened, there is a way back unless nothing stands. */
		if (expected[cut] != PHASE_TODO && expected[cut] != PHASE_RESTORED)
			assert_true(rollout_may(r, VERB_UNDO, 0, NULL));
		effects_release(&fx);
		rollout_free(r);
	}
}

/* Where each event leads from each phase; what is not listed changes nothing. */
static const char *const pairs =
    "todo preview -> previewing: OBSERVE#0 OBSERVE#1\n"
    "todo met -> met: phase=met\n"
    "previewing preview -> previewing: OBSERVE#0 OBSERVE#1\n"
    "previewing op -> todo: \n"
    "previewing lost -> todo: \n"
    "ready preview -> previewing: OBSERVE#0 OBSERVE#1\n"
    "ready apply -> guarding: GUARD\n"
    "ready met -> met: phase=met\n"
    "guarding undo -> ready: REST\n"
    "guarding park -> ready: REST\n"
    "guarding guard -> ready: REST phase=ready\n"
    "guarding breach -> ready: REST phase=ready\n"
    "applying undo -> applying: \n"
    "applying park -> applying: \n"
    "applying op -> faulted: outcome#0=5 phase=faulted REST\n"
    "applying lost -> doubt: outcome#0=7 phase=doubt RECORD#0\n"
    "applying breach -> applying: \n"
    "proving undo -> undoing: REST undo undo-intent#1!\n"
    "proving gate -> faulted: phase=faulted REST\n"
    "proving breach -> faulted: phase=faulted REST\n"
    "soaking undo -> undoing: REST undo undo-intent#1!\n"
    "soaking gate -> faulted: phase=faulted REST\n"
    "soaking tick -> soaking: \n"
    "soaking breach -> faulted: phase=faulted REST\n"
    "done undo -> undoing: REST undo undo-intent#1!\n"
    "skipped preview -> previewing: OBSERVE#0 OBSERVE#1\n"
    "faulted undo -> undoing: REST undo undo-intent#0!\n"
    "faulted retry -> applying: apply intent#0!\n"
    "doubt undo -> undoing: REST undo undo-intent#0!\n"
    "doubt op -> faulted: outcome#0=5 phase=faulted REST\n"
    "doubt lost -> doubt: \n"
    "doubt settle -> doubt: RECORD#0\n"
    "undoing op -> undoing: undo-outcome#1=5 undo-intent#0!\n"
    "undoing lost -> undoing: undo-outcome#1=7 undo-intent#0!\n"
    "stuck undo -> undoing: REST undo undo-intent#1!\n"
    "restored preview -> previewing: OBSERVE#0 OBSERVE#1\n";

static void
every_phase_meets_every_event(void **state)
{
	/* The verb of an op's answer that each phase waits for, and on which op. */
	static const enum op_verb verb[PHASE_COUNT] = {
		[PHASE_PREVIEWING] = OPV_OBSERVE, [PHASE_APPLYING] = OPV_APPLY,
		[PHASE_DOUBT] = OPV_RECORD, [PHASE_UNDOING] = OPV_UNDO,
	};
	struct buf all = { 0 };
	struct story s;
	size_t p, e, met = 0;

	(void)state;
	for (p = 0; p < PHASE_COUNT; p++)
		for (e = 0; e < EVENT_COUNT; e++) {
			struct step_view before;
			bool changed;

			reach(&s, (enum phase)p);
			assert_int_equal(rollout_step(s.r, 0)->phase, p);
			buf_clear(&s.out);
			before = *rollout_step(s.r, 0);
			feed(&s, (struct event){ .kind = (enum event_kind)e,
			    .op = p == PHASE_UNDOING ? 1 : 0, .verb = verb[p],
			    .outcome = OP_FAILED, .ticket = UINT64_MAX });
			changed = memcmp(&before, rollout_step(s.r, 0), sizeof(before)) != 0 || s.out.len > 0;
			if (changed || (p == PHASE_SOAKING && e == EV_TICK))
				buf_printf(&all, "%s %s -> %s: %s\n", phase_word((enum phase)p),
				    event_word((enum event_kind)e),
				    phase_word(rollout_step(s.r, 0)->phase), buf_str(&s.out));
			/* Nothing but an acknowledged intent lets an op change a host. */
			assert_null(strstr(buf_str(&s.out), "APPLY#"));
			assert_null(strstr(buf_str(&s.out), "UNDO#"));
			met++;
			end(&s);
		}
	assert_int_equal(met, PHASE_COUNT * EVENT_COUNT);
	assert_string_equal(buf_str(&all), pairs);
	buf_release(&all);
}

static void
every_refusal_has_a_reason(void **state)
{
	struct story s;
	const char *why;
	size_t p, v;

	(void)state;
	for (p = 0; p < PHASE_COUNT; p++)
		for (v = 0; v < VERB_COUNT; v++) {
			int step;

			reach(&s, (enum phase)p);
			for (step = -1; step < 3; step++) {
				if (rollout_may(s.r, (enum verb)v, step, &why))
					continue;
				assert_non_null(why);
				assert_true(strlen(why) > 8);
			}
			end(&s);
		}
}

static void
undo_is_allowed_wherever_a_host_may_have_been_touched(void **state)
{
	static const enum phase touched[] = { PHASE_APPLYING, PHASE_PROVING, PHASE_SOAKING,
	    PHASE_DONE, PHASE_FAULTED, PHASE_DOUBT, PHASE_STUCK };
	struct story s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(touched) / sizeof(touched[0]); i++) {
		reach(&s, touched[i]);
		assert_true(rollout_may(s.r, VERB_UNDO, 0, NULL));
		end(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forward_and_back_in_order),
		cmocka_unit_test(op_never_leaves_before_its_intent_is_on_disk),
		cmocka_unit_test(journal_failure_stops_and_begins_nothing),
		cmocka_unit_test(undo_while_an_op_runs_waits_for_it),
		cmocka_unit_test(undo_of_what_never_stood_restarts_nothing),
		cmocka_unit_test(stuck_host_is_set_aside_and_the_rest_goes_on),
		cmocka_unit_test(doubt_is_settled_by_the_hosts_record),
		cmocka_unit_test(soak_restarts_after_a_gap),
		cmocka_unit_test(soak_ends_only_when_the_gate_is_seen_to_hold),
		cmocka_unit_test(a_step_that_faulted_before_its_first_edit_wrote_nothing),
		cmocka_unit_test(on_fault_undo_goes_back_by_itself_from_faults_only),
		cmocka_unit_test(a_breach_lets_the_op_that_runs_end_and_begins_no_other),
		cmocka_unit_test(an_undo_by_itself_keeps_its_cause_to_the_end),
		cmocka_unit_test(an_undo_by_itself_that_cannot_finish_waits_for_a_person),
		cmocka_unit_test(a_run_taken_up_again_pauses_whatever_the_policy),
		cmocka_unit_test(a_ca_file_goes_last_on_the_way_back),
		cmocka_unit_test(an_undo_that_goes_on_leaves_the_activation_to_the_step_before),
		cmocka_unit_test(the_way_back_that_is_told_is_the_one_that_is_gone),
		cmocka_unit_test(the_way_back_reckons_with_what_is_about_to_be_done),
		cmocka_unit_test(a_step_applied_again_is_not_undone_by_itself_any_more),
		cmocka_unit_test(last_in_first_out),
		cmocka_unit_test(replay_after_a_kill_at_every_record),
		cmocka_unit_test(every_phase_meets_every_event),
		cmocka_unit_test(every_refusal_has_a_reason),
		cmocka_unit_test(undo_is_allowed_wherever_a_host_may_have_been_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
