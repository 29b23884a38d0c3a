/*
 * undo: the way back, without a terminal: the last step, several down to one,
 * or one alone out of its turn; and the same printed as a script.
 */
#include <stdio.h>

#include "core/batch.h"
#include "core/err.h"
#include "verbs/drive.h"
#include "verbs/out.h"
#include "verbs/script.h"
#include "verbs/show.h"

/* The step to take back now, or NONE. */
static int
undo_which(const struct run *r)
{
	const struct drive *d = r->arg;
	int last = rollout_last(engine_rollout(r->engine));

	if (!d->alone)
		return last == NONE || last < d->target ? NONE : last;
	/* Out of its turn, too: rollout_may() has been asked of the first. */
	if (d->step == NONE)
		return d->target;
	return r->options->all ? batch_last(engine_rollout(r->engine), d->first, d->nnamed) : NONE;
}

static void
undo_next(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro = engine_rollout(r->engine);
	int last = undo_which(r), rc;
	bool alone = d->alone;
	struct err err;

	if (last == NONE) {
		if (d->step == NONE)
			out("there is nothing to undo\n");
		run_end(r, EXIT_DONE);
		return;
	}
	if (d->step == NONE) {
		if (alone && rollout_last(ro) != last && r->options->all)
			out("undo of step '%s' alone, out of its turn, host by host: no link that works now is stranded by it\n",
			    r->options->step);
		else if (alone && rollout_last(ro) != last)
			out("undo of step '%s' alone, out of its turn: no link that works now is stranded by it%s\n",
			    drive_step_id(r, last), r->options->waive[0] != NULL ? ", or that was waived" : "");
		else
			out("undo, last in first out: %d step%s back to before '%s'\n", last - d->target + 1,
			    last == d->target ? "" : "s", drive_step_id(r, d->target));
		if ((rc = drive_confirm(r, "undo")) != 0) {
			run_end(r, rc);
			return;
		}
	}
	d->step = last;
	d->stage = STAGE_WORK;
	d->shown = PHASE_TODO;
	if (alone)
		(void)drive_ask(r, VERB_UNDO, last);
	else if (engine_undo_down(r->engine, last, d->target, &err) != 0) {
		out_err("belay: %s\n", err.msg);
		if (!drive_turned_away(r))
			run_end(r, EXIT_ERROR);
	}
}

/* What an undo is stuck at, and is to be left as it stands. */
static bool
keep_all(struct run *r)
{
	const struct rollout *ro = engine_rollout(r->engine);
	const char *const *file = r->options->keep;
	struct err err;
	int step;

	for (; file != NULL && *file != NULL; file++) {
		(void)err_set(&err, "no undo is stuck at '%s'", *file);
		for (step = (int)engine_plan(r->engine)->nsteps - 1; step >= 0; step--)
			if (rollout_step(ro, step)->phase == PHASE_STUCK &&
			    engine_keep(r->engine, step, *file, r->options->reason, &err) == 0)
				break;
		if (step < 0) {
			drive_fail(r, err.msg, "", "", EXIT_ERROR);
			return false;
		}
	}
	return true;
}

/*
 * Each check that is waived is waived for all that is taken back, from `from` down
 * to `until`, as far as it is a check there; false after saying that it is one nowhere.
 */
static bool
waive_down(struct run *r, int from, int until)
{
	const struct rollout *ro = engine_rollout(r->engine);
	const char *const *check = r->options->waive;
	size_t stand, waived;
	struct err err;
	int step;

	for (; check != NULL && *check != NULL; check++) {
		stand = waived = 0;
		for (step = from; step >= until && step >= 0; step--) {
			if (!rollout_stands(ro, step))
				continue;
			stand++;
			waived += engine_waive(r->engine, step, *check, r->options->reason, &err) == 0;
		}
		if (stand > 0 && waived == 0) {
			drive_fail(r, err.msg, "", "", EXIT_ERROR);
			return false;
		}
	}
	return true;
}

/* What is to be taken back, into d->target; false after the run's end. */
static bool
undo_target(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro = engine_rollout(r->engine);
	int last = rollout_last(ro);
	const char *why;

	if (r->options->to != NULL) {
		/* Back to where this step was the last one. */
		if (!drive_find(r, r->options->to))
			return false;
		d->target = drive_last_named(d) + 1;
		return waive_down(r, last, d->target);
	}
	if (r->options->step == NULL) {
		d->target = r->options->all || last == NONE ? 0 : last;
		return waive_down(r, last, d->target);
	}
	if (!drive_find(r, r->options->step))
		return false;
	if ((d->target = batch_last(ro, d->first, d->nnamed)) == NONE)
		d->target = drive_last_named(d);
	if (!waive_down(r, d->target, r->options->all ? d->first : d->target))
		return false;
	if (!rollout_may(ro, VERB_UNDO, d->target, &why)) {
		drive_fail(r, why, "", "", EXIT_ERROR);
		return false;
	}
	/* All of it in its turn goes down as several steps do. */
	d->alone = !r->options->all || last != d->target;
	if (!d->alone)
		d->target = d->first;
	return true;
}

static void
undo_turn(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro;
	const struct step_view *v;
	const struct plan *plan;

	if (!drive_have_plan(r))
		return;
	ro = engine_rollout(r->engine);
	plan = engine_plan(r->engine);
	if (d->stage == STAGE_BEGIN) {
		/* An undo waits for nothing that can go back now. */
		if (rollout_in_flight(ro) != NONE && !rollout_may(ro, VERB_UNDO, rollout_in_flight(ro), NULL))
			return;
		if (!keep_all(r) || !undo_target(r))
			return;
		if ((size_t)d->target >= plan->nsteps) {
			run_end(r, EXIT_DONE);
			return;
		}
		undo_next(r);
		return;
	}
	v = rollout_step(ro, d->step);
	if (engine_waiting(r->engine, d->step) || drive_turned_away(r))
		return;
	drive_progress(r);
	switch (v->phase) {
	case PHASE_RESTORED:
	case PHASE_READY:
	case PHASE_TODO:
		show_batch(r->engine, d->step, false);
		/* What was left to the step before is not left undone. */
		if (r->interrupted && !v->left) {
			run_end(r, EXIT_DONE);
			return;
		}
		undo_next(r);
		return;
	case PHASE_STUCK:
		show_said(r->engine, d->step);
		out_err("belay: step '%s' is stuck; belay undo tries again what is left\n",
		    drive_step_id(r, d->step));
		show_batch(r->engine, d->step, true);
		run_end(r, EXIT_PERSON);
		return;
	case PHASE_PREVIEWING:
	case PHASE_GUARDING:
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_UNDOING:
		return;
	}
}

static void
print_turn(struct run *r)
{
	const struct drive *d = r->arg;
	const struct rollout *ro;
	int from, until;

	if (!drive_have_plan(r))
		return;
	ro = engine_rollout(r->engine);
	from = until = rollout_last(ro);
	if (r->options->to != NULL) {
		if (!drive_find(r, r->options->to))
			return;
		until = drive_last_named(d) + 1;
	} else if (r->options->step != NULL) {
		if (!drive_find(r, r->options->step))
			return;
		if ((from = batch_last(ro, d->first, d->nnamed)) == NONE)
			from = drive_last_named(d);
		until = r->options->all ? d->first : from;
	} else if (r->options->all)
		until = 0;
	if (from == NONE || script_print(r->engine, from, until) == 0)
		out_err("belay: there is nothing to undo\n");
	run_end(r, EXIT_DONE);
}

int
verb_undo(const struct verb_options *options)
{
	struct drive d = { .step = NONE, .target = NONE, .shown_step = NONE };
	struct run r = { .options = options, .turn = options->print ? print_turn : undo_turn, .arg = &d };

	return run_engine(&r, options->print, false);
}
