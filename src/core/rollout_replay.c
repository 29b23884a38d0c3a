/*
 * rollout_replay: the way back into the machine from a journal, after the
 * end of a process at any point.
 *
 * Invariant: an intent without an outcome is CUT, a phase that was being
 * worked on is never taken for finished, and nothing here begins an op; the most it
 * asks for is a look at the hosts (OPV_RECORD) or at the gate.
 */
#include <stdio.h>

#include "core/rollout_int.h"

void
rollout_replay(struct rollout *r, const struct record *rec)
{
	struct step_state *s;
	struct op_view *o = NULL;
	size_t i;

	if (rec->step < 0 || (size_t)rec->step >= r->nsteps)
		return;
	s = &r->steps[rec->step];
	if (rec->op >= 0 && (size_t)rec->op < s->view.nops)
		o = &s->ops[rec->op];
	switch (rec->kind) {
	case REC_APPLY:
		rollout_set_phase(s, PHASE_APPLYING, rec->at_ms);
		s->view.why[0] = '\0';
		s->view.by_itself = s->view.left = false;
		/* A retry keeps what was applied; a new apply after an undo begins anew. */
		for (i = 0; i < s->view.nops; i++)
			if (s->ops[i].state == OPS_UNDONE || s->ops[i].state == OPS_STUCK)
				s->ops[i].state = OPS_WAITING;
		return;
	case REC_UNDO:
		rollout_set_phase(s, PHASE_UNDOING, rec->at_ms);
		s->view.by_itself = rec->why[0] != '\0';	/* nobody's wish has a cause */
		s->view.left = false;
		return;
	case REC_PHASE:
		/* A guard refused it: its preview died with its process. */
		rollout_set_phase(s, rec->phase == PHASE_READY ? PHASE_TODO : rec->phase, rec->at_ms);
		rollout_copy(s->view.why, sizeof(s->view.why), rec->why);
		if (rec->phase == PHASE_PROVING)
			s->view.applied_ms = rec->at_ms;
		return;
	case REC_INTENT:
	case REC_OUTCOME:
	case REC_UNDO_INTENT:
	case REC_UNDO_OUTCOME:
		break;
	}
	if (o == NULL)
		return;
	/* An activation that is back and was never begun was left to the step before. */
	if (rec->kind == REC_UNDO_OUTCOME && rec->outcome == OP_RESTORED && o->state != OPS_UNDOING &&
	    s->shapes[rec->op].activates)
		s->view.left = true;
	o->since_ms = rec->at_ms;
	o->drifted = rec->kind == REC_UNDO_OUTCOME && rec->outcome == OP_DRIFTED;
	rollout_copy(o->why, sizeof(o->why), rec->why);
	if (rec->before_sha[0] != '\0')
		rollout_copy(o->before_sha, sizeof(o->before_sha), rec->before_sha);
	if (rec->after_sha[0] != '\0')
		rollout_copy(o->after_sha, sizeof(o->after_sha), rec->after_sha);
	if (rec->kind == REC_INTENT)
		o->state = OPS_RUNNING;
	else if (rec->kind == REC_UNDO_INTENT)
		o->state = OPS_UNDOING;
	else if (rec->kind == REC_UNDO_OUTCOME)
		o->state = rec->outcome == OP_RESTORED ? OPS_UNDONE : OPS_STUCK;
	else
		switch (rec->outcome) {
		case OP_APPLIED:
		case OP_IN_PLACE:
			o->state = OPS_APPLIED;
			break;
		case OP_FRESH:
		case OP_RESTORED:
			o->state = OPS_WAITING;
			break;
		case OP_DRIFTED:
		case OP_FAILED:
			o->state = OPS_FAILED;
			break;
		case OP_CUT:
		case OP_UNREACHED:
			o->state = OPS_CUT;
			break;
		}
}

void
rollout_resume(struct rollout *r, int64_t now_ms, struct effects *out)
{
	struct event ev = { .kind = EV_SETTLE, .now_ms = now_ms };
	struct step_state *s;
	size_t i, j, cut, applied;

	for (i = 0; i < r->nsteps; i++) {
		s = &r->steps[i];
		ev.step = (int)i;
		cut = applied = 0;
		for (j = 0; j < s->view.nops; j++) {
			if (s->ops[j].state == OPS_RUNNING || s->ops[j].state == OPS_INTENT)
				s->ops[j].state = OPS_CUT;
			if (s->ops[j].state == OPS_UNDOING || s->ops[j].state == OPS_UNDO_INTENT) {
				s->ops[j].state = OPS_STUCK;
				rollout_copy(s->ops[j].why, sizeof(s->ops[j].why),
				    "its undo was interrupted");
			}
			cut += s->ops[j].state == OPS_CUT;
			applied += s->ops[j].state == OPS_APPLIED;
		}
		switch (s->view.phase) {
		case PHASE_APPLYING:
		case PHASE_DOUBT:
			if (cut > 0) {
				rollout_set_why(s, "interrupted in the middle of an operation; its host's record says how far it came");
				rollout_enter(r, (int)i, PHASE_DOUBT, &ev, out);
				rollout_settle(r, &ev, out);
			} else if (applied == s->view.nops) {
				s->view.applied_ms = now_ms;
				rollout_prove(r, &ev, out);
			} else {
				rollout_set_why(s, "interrupted: %zu of %zu operations are applied; "
				    "retry goes on, undo goes back", applied, s->view.nops);
				rollout_enter(r, (int)i, PHASE_FAULTED, &ev, out);
			}
			break;
		case PHASE_PROVING:
		case PHASE_SOAKING:
			s->view.applied_ms = now_ms;
			rollout_prove(r, &ev, out);
			break;
		case PHASE_UNDOING:
			rollout_set_why(s, "its undo was interrupted; undo finishes it");
			rollout_enter(r, (int)i, PHASE_STUCK, &ev, out);
			break;
		case PHASE_TODO:
		case PHASE_PREVIEWING:
		case PHASE_READY:
		case PHASE_GUARDING:
			/* A refused guard was journalled as READY; the preview is stale now. */
			rollout_set_phase(s, PHASE_TODO, now_ms);
			break;
		case PHASE_DONE:
		case PHASE_MET:
		case PHASE_SKIPPED:
		case PHASE_FAULTED:
		case PHASE_STUCK:
		case PHASE_RESTORED:
			break;
		}
	}
}

