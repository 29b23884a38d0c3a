/*
 * drive: see drive.h.  Owns what the verbs that drive a rollout share, and
 * apply, verify and diff themselves; undo is in undo.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "verbs/drive.h"
#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"
#include "verbs/show.h"

#define LOOK_AROUND_MS	8000	/* how long the look before the first preview may take */
#define SETTLE_MS	30000	/* how long a DOUBT may take to be settled */
#define PROGRESS_MS	10000
#define WELL_AGAIN_MS	30000	/* how long clients may take to come through again, after an undo */

/* ---- words ---- */

const char *
drive_step_id(const struct run *r, int step)
{
	return engine_plan(r->engine)->steps[step].id;
}

/* Says what has changed since it was last said: phases, and ops that ended. */
void
drive_progress(struct run *r)
{
	struct drive *d = r->arg;
	const struct step_view *v = rollout_step(engine_rollout(r->engine), d->step);
	int64_t now_ms = engine_now_ms(r->engine);
	struct running running;
	size_t i, ended = 0;

	/* On the way back what was applied is what is still to do. */
	for (i = 0; i < v->nops; i++)
		ended += v->ops[i].state == OPS_UNDONE || v->ops[i].state == OPS_STUCK ||
		    (v->phase != PHASE_UNDOING && (v->ops[i].state == OPS_APPLIED ||
		    v->ops[i].state == OPS_FAILED || v->ops[i].state == OPS_CUT));
	if (v->phase != d->shown || d->step != d->shown_step) {
		if (v->phase != PHASE_PREVIEWING && v->phase != PHASE_READY)
			out("step '%s': %s%s%s\n", drive_step_id(r, d->step), phase_word(v->phase),
			    v->why[0] == '\0' ? "" : ": ", v->why);
		d->shown = v->phase;
		d->shown_step = d->step;
		d->shown_ops = ended;
		d->progress_ms = now_ms;
	} else if (ended != d->shown_ops) {
		out("step '%s': %s, %zu of %zu operations\n", drive_step_id(r, d->step),
		    phase_word(v->phase), ended, v->nops);
		d->shown_ops = ended;
		d->progress_ms = now_ms;
	} else if (now_ms - d->progress_ms >= PROGRESS_MS) {
		if (engine_running(r->engine, &running))
			out("step '%s': operation %d has taken %lld s of at most %lld s\n",
			    drive_step_id(r, running.step), running.op + 1,
			    (long long)((now_ms - running.since_ms) / 1000),
			    (long long)((running.deadline_ms - running.since_ms) / 1000));
		else
			out("step '%s': %s for %lld s\n", drive_step_id(r, d->step), phase_word(v->phase),
			    (long long)((now_ms - v->since_ms) / 1000));
		show_canaries(r->engine, d->step, true);
		d->progress_ms = now_ms;
	}
	engine_wake_in(r->engine, PROGRESS_MS);
}

/*
 * How long clients failed is known once one comes through again: true when that is
 * so, or has taken too long, or nobody waits for it.
 */
static bool
well_again(struct run *r)
{
	struct drive *d = r->arg;
	int64_t now_ms = engine_now_ms(r->engine);

	if (d->well_until_ms == 0)
		d->well_until_ms = now_ms + WELL_AGAIN_MS;
	if (r->interrupted || now_ms >= d->well_until_ms || !engine_canaries_fly(r->engine))
		return true;
	engine_wake_in(r->engine, 500);
	return false;
}

/* 0: go on; else the exit code. */

int
drive_confirm(struct run *r, const char *what)
{
	const struct fleet *f = engine_fleet(r->engine);
	bool protected = strcmp(f->environment, "production") == 0;
	char question[256], *answer;
	int rc;

	if (r->options->yes && (!protected || (r->options->yes_environment != NULL &&
	    strcmp(r->options->yes_environment, f->environment) == 0)))
		return 0;
	if (!out_terminal()) {
		out_err("belay: needs a person: %s; without a terminal say --yes%s%s\n", what,
		    protected ? "=" : "", protected ? f->environment : "");
		return EXIT_PERSON;
	}
	if (protected)
		(void)snprintf(question, sizeof(question), "%s? type '%s' to go on: ", what, f->environment);
	else
		(void)snprintf(question, sizeof(question), "%s? (y/n) ", what);
	answer = out_prompt(question, false);
	rc = answer != NULL && strcmp(answer, protected ? f->environment : "y") == 0 ? 0 : EXIT_PENDING;
	free(answer);
	return rc;
}

void
drive_fail(struct run *r, const char *what, const char *a, const char *b, int code)
{
	char text[1400];

	(void)snprintf(text, sizeof(text), "%s%s%s", what, a, b);
	out_err("belay: %s\n", text);
	run_end(r, code);
}

/* The step named by the operator, or the steps that it is made into; false after saying so. */
bool
drive_find(struct run *r, const char *id)
{
	struct drive *d = r->arg;
	const struct plan *plan = engine_plan(r->engine);
	char *end;
	long n;

	if ((d->nnamed = plan_steps(plan, id, &d->first)) > 0)
		return true;
	n = strtol(id, &end, 10);
	if (*end == '\0' && n >= 1 && (size_t)n <= plan->nsteps) {
		d->first = (int)n - 1;
		d->nnamed = 1;
		return true;
	}
	drive_fail(r, "the plan has no step '", id, "'", EXIT_ERROR);
	return false;
}

/* The last of the steps that were found. */
int
drive_last_named(const struct drive *d)
{
	return d->first + (int)d->nnamed - 1;
}

/* Hosts are somebody else's, or cannot be kept to ourselves; the words were said. */
bool
drive_turned_away(struct run *r)
{
	bool held;

	if (!engine_refused(r->engine, &held))
		return false;
	run_end(r, held ? EXIT_LOCKED : EXIT_ERROR);
	return true;
}

bool
drive_ask(struct run *r, enum verb verb, int step)
{
	struct err err;

	if (engine_ask(r->engine, verb, step, &err) == 0)
		return true;
	out_err("belay: %s\n", err.msg);
	if (!drive_turned_away(r))
		run_end(r, r->need_person ? EXIT_PERSON : EXIT_ERROR);
	return false;
}

bool
drive_have_plan(struct run *r)
{
	if (engine_plan(r->engine) != NULL)
		return true;
	drive_fail(r, "there is no plan; give one with -p", "", "", EXIT_ERROR);
	return false;
}

/*
 * After a start, a step may be proving, soaking or in doubt from before:
 * true once it has come to rest (or has taken too long).
 */
static bool
at_rest(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro = engine_rollout(r->engine);
	const struct plan *plan = engine_plan(r->engine);
	int64_t now_ms = engine_now_ms(r->engine);
	size_t i;

	if (rollout_in_flight(ro) != NONE)
		return false;
	for (i = 0; i < plan->nsteps; i++)
		if (rollout_step(ro, (int)i)->phase == PHASE_DOUBT) {
			if (d->settle_until_ms == 0)
				d->settle_until_ms = now_ms + SETTLE_MS;
			engine_wake_in(r->engine, 500);
			return now_ms > d->settle_until_ms;
		}
	return true;
}

/* ---- apply ---- */

static void
say_doubt(const struct run *r, int step)
{
	out_err("belay: step '%s' is in doubt: %s; belay apply asks again, belay undo goes back\n",
	    drive_step_id(r, step), rollout_step(engine_rollout(r->engine), step)->why);
	show_batch(r->engine, step, true);
}

/* What is waived of several steps need not be a check of each. */
static bool
of_another(const struct run *r, int step, const char *check)
{
	const struct drive *d = r->arg;
	int i;

	for (i = 0; i <= d->target; i++)
		if (i != step && engine_has_check(r->engine, i, check))
			return !engine_has_check(r->engine, step, check);
	return false;
}

/* What is vouched for, where the step asks for it; a client once, at the first step. */
static bool
attest_of(struct run *r, int step)
{
	const char *const *what = r->options->attest;
	const struct drive *d = r->arg;
	struct err err;
	int i;

	for (; what != NULL && *what != NULL; what++) {
		for (i = 0; i <= d->target && !engine_attests(r->engine, i, *what); i++)
			continue;
		if ((i > d->target || engine_attests(r->engine, step, *what)) &&
		    engine_attest(r->engine, step, *what, r->options->reason, &err) != 0) {
			drive_fail(r, err.msg, "", "", EXIT_ERROR);
			return false;
		}
	}
	return true;
}

static bool
waive_of(struct run *r, int step)
{
	const char *const *waive = r->options->waive;
	struct err err;

	if (!attest_of(r, step))
		return false;
	for (; waive != NULL && *waive != NULL; waive++)
		if (!of_another(r, step, *waive) && engine_waive(r->engine, step, *waive, r->options->reason, &err) != 0) {
			drive_fail(r, err.msg, "", "", EXIT_ERROR);
			return false;
		}
	return true;
}

/*
 * A preview says who is cut off and what an activation takes up, so the fleet
 * is looked at once before the first; what does not answer is not waited for long.
 */
static void
look_around(struct run *r)
{
	struct drive *d = r->arg;

	if (d->swept_ms == 0) {
		d->swept_ms = engine_sweep(r->engine);
		d->swept_until_ms = engine_now_ms(r->engine) + LOOK_AROUND_MS;
	}
}

static bool
looked_around(struct run *r)
{
	struct drive *d = r->arg;
	int64_t now_ms = engine_now_ms(r->engine);

	if (r->interrupted || now_ms >= d->swept_until_ms || engine_swept(r->engine, d->swept_ms))
		return true;
	engine_wake_in(r->engine, d->swept_until_ms - now_ms);
	return false;
}

static void
apply_next(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro = engine_rollout(r->engine);
	const struct plan *plan = engine_plan(r->engine);
	size_t i;

	for (i = 0; i < plan->nsteps; i++) {
		enum phase phase = rollout_step(ro, (int)i)->phase;

		if (phase == PHASE_FAULTED) {
			if ((int)i > d->target)
				break;
			out("step '%s' is taken up again: %s\n", plan->steps[i].id,
			    rollout_step(ro, (int)i)->why);
			d->step = (int)i;
			d->stage = STAGE_WORK;
			d->shown = PHASE_TODO;
			if (waive_of(r, d->step))
				(void)drive_ask(r, VERB_RETRY, d->step);
			return;
		}
		if (phase == PHASE_DOUBT) {
			say_doubt(r, (int)i);
			run_end(r, EXIT_DOUBT);
			return;
		}
		if (phase == PHASE_STUCK) {
			out_err("belay: step '%s' is stuck: %s; belay undo tries again what is left\n",
			    plan->steps[i].id, rollout_step(ro, (int)i)->why);
			run_end(r, EXIT_PERSON);
			return;
		}
	}
	d->step = rollout_next(ro);
	if (d->step == NONE || d->step > d->target) {
		run_end(r, EXIT_DONE);
		return;
	}
	if (plan->steps[d->step].optional && r->options->skip_optional) {
		if (drive_ask(r, VERB_SKIP, d->step))
			d->stage = STAGE_BEGIN;
		return;
	}
	d->stage = STAGE_PREVIEW;
	d->shown = PHASE_TODO;
	look_around(r);
	(void)drive_ask(r, VERB_PREVIEW, d->step);
}

/* What is to be applied, and whether that may be now: the step to end with, or NONE after the run's end. */
static int
apply_target(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro = engine_rollout(r->engine);
	const char *why = NULL;
	int next = rollout_next(ro);

	if (r->options->to != NULL)
		return drive_find(r, r->options->to) ? drive_last_named(d) : NONE;
	if (r->options->step == NULL) {
		if (r->options->all)
			return (int)engine_plan(r->engine)->nsteps - 1;
		if (next == NONE && (next = rollout_last(ro)) == NONE)
			run_end(r, EXIT_DONE);
		return next;	/* or the last: taken up again, or nothing */
	}
	if (!drive_find(r, r->options->step))
		return NONE;
	/* Of one that was skipped or is done, it is asked by itself. */
	if ((next = batch_next(ro, d->first, d->nnamed)) == NONE)
		next = drive_last_named(d);
	if (rollout_next(ro) == next || rollout_step(ro, next)->phase == PHASE_FAULTED)
		return r->options->all ? drive_last_named(d) : next;
	if (rollout_passed(ro, next) && rollout_step(ro, next)->phase != PHASE_SKIPPED) {
		out("step '%s' is in place already\n", r->options->step);
		run_end(r, EXIT_DONE);
		return NONE;
	}
	(void)rollout_may(ro, VERB_APPLY, next, &why);
	drive_fail(r, why == NULL ? "not now" : why, "", "", EXIT_ERROR);
	return NONE;
}

static void
apply_turn(struct run *r)
{
	struct drive *d = r->arg;
	const struct rollout *ro;
	const struct step_view *v;
	int rc = 0;

	if (!drive_have_plan(r))
		return;
	ro = engine_rollout(r->engine);
	if (d->stage == STAGE_BEGIN) {
		if (!at_rest(r)) {
			if (r->interrupted)
				run_end(r, EXIT_DONE);
			return;
		}
		if (d->target == NONE && (d->target = apply_target(r)) == NONE)
			return;
		apply_next(r);
		return;
	}
	v = rollout_step(ro, d->step);
	if (r->interrupted && d->stage == STAGE_WORK && rollout_may(ro, VERB_PARK, d->step, NULL) && !v->park_wanted)
		(void)drive_ask(r, VERB_PARK, d->step);
	if (engine_waiting(r->engine, d->step))
		return;
	if (d->stage == STAGE_PREVIEW) {
		if (v->phase == PHASE_PREVIEWING)
			return;
		if (v->phase != PHASE_READY) {
			out_err("belay: step '%s' was not begun: %s\n", drive_step_id(r, d->step),
			    v->why[0] != '\0' && v->phase != PHASE_RESTORED ? v->why : "it could not be previewed");
			run_end(r, r->need_person ? EXIT_PERSON : EXIT_ERROR);
			return;
		}
		if (!looked_around(r))
			return;
		show_preview(r->engine, d->step);
		if (r->interrupted || (rc = drive_confirm(r, "apply this step")) != 0) {
			run_end(r, r->interrupted ? EXIT_PENDING : rc);
			return;
		}
		d->stage = STAGE_WORK;
		if (waive_of(r, d->step))
			(void)drive_ask(r, VERB_APPLY, d->step);
		return;
	}
	if (drive_turned_away(r))
		return;
	drive_progress(r);
	switch (v->phase) {
	case PHASE_MET:
		out("step '%s' was found in place: nothing was changed\n", drive_step_id(r, d->step));
		/* FALLTHROUGH */
	case PHASE_DONE:
		show_results(r->engine, d->step, true);
		show_canaries(r->engine, d->step, false);
		show_batch(r->engine, d->step, false);
		if (r->interrupted) {
			run_end(r, EXIT_DONE);
			return;
		}
		d->stage = STAGE_BEGIN;
		apply_next(r);
		return;
	case PHASE_READY:
		if (v->why[0] == '\0' || engine_judging(r->engine, d->step))
			return;		/* about to begin */
		show_results(r->engine, d->step, false);
		drive_fail(r, drive_step_id(r, d->step), ": ", v->why, EXIT_ERROR);
		return;
	case PHASE_FAULTED:
		show_results(r->engine, d->step, true);
		show_canaries(r->engine, d->step, false);
		show_said(r->engine, d->step);
		out_err("belay: step '%s' faulted; the way back: belay undo %s\n",
		    drive_step_id(r, d->step), drive_step_id(r, d->step));
		show_batch(r->engine, d->step, true);
		run_end(r, EXIT_ERROR);
		return;
	case PHASE_RESTORED:
		if (!well_again(r))
			return;
		if (!d->faulted)
			show_said(r->engine, d->step);
		show_results(r->engine, d->step, true);
		show_canaries(r->engine, d->step, false);
		out_err("belay: step '%s' faulted and was %s\n", drive_step_id(r, d->step),
		    v->by_itself ? v->why : "undone");
		show_batch(r->engine, d->step, true);
		run_end(r, EXIT_UNDONE);
		return;
	case PHASE_STUCK:
		show_canaries(r->engine, d->step, false);
		show_said(r->engine, d->step);
		out_err("belay: step '%s' faulted, and its undo is stuck; belay undo tries again what is left\n",
		    drive_step_id(r, d->step));
		show_batch(r->engine, d->step, true);
		run_end(r, EXIT_PERSON);
		return;
	case PHASE_DOUBT:
		if (!at_rest(r))
			return;
		say_doubt(r, d->step);
		run_end(r, EXIT_DOUBT);
		return;
	case PHASE_UNDOING:
		if (!d->faulted)
			show_said(r->engine, d->step);
		d->faulted = true;
		return;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_GUARDING:
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_SKIPPED:
		return;
	}
}

int
verb_apply(const struct verb_options *options)
{
	struct drive d = { .step = NONE, .target = NONE, .shown_step = NONE };
	struct run r = { .options = options, .turn = apply_turn, .arg = &d };

	return run_engine(&r, false, false);
}

/* ---- verify ---- */

static void
verify_turn(struct run *r)
{
	struct drive *d = r->arg;
	const struct plan *plan;
	const struct check_result *results;
	size_t i, k, n, failed = 0, unknown = 0;

	if (!drive_have_plan(r))
		return;
	plan = engine_plan(r->engine);
	if (r->interrupted) {
		run_end(r, EXIT_ERROR);
		return;
	}
	if (d->stage == STAGE_BEGIN) {
		d->steps = mem_array(plan->nsteps, sizeof(*d->steps));
		if (r->options->step != NULL) {
			if (!drive_find(r, r->options->step))
				return;
			for (i = 0; i < d->nnamed; i++)
				d->steps[d->nsteps++] = d->first + (int)i;
		} else
			for (i = 0; i < plan->nsteps; i++) {
				enum phase phase = rollout_step(engine_rollout(r->engine), (int)i)->phase;

				if (phase == PHASE_DONE || phase == PHASE_MET)
					d->steps[d->nsteps++] = (int)i;
			}
		d->stage = STAGE_VERIFY;
		for (i = 0; i < d->nsteps; i++)
			if (!drive_ask(r, VERB_VERIFY, d->steps[i]))
				return;
	}
	for (i = 0; i < d->nsteps; i++)
		if (engine_judging(r->engine, d->steps[i]))
			return;
	for (i = 0; i < d->nsteps; i++) {
		if (!r->options->json) {
			out("step '%s'\n", drive_step_id(r, d->steps[i]));
			show_results(r->engine, d->steps[i], true);
		}
		results = engine_results(r->engine, d->steps[i], true, &n);
		for (k = 0; results != NULL && k < n; k++) {
			failed += results[k].judgement == CHECK_FAIL;
			unknown += results[k].judgement != CHECK_FAIL && results[k].judgement != CHECK_PASS;
		}
	}
	if (r->options->json)
		json_results(r->engine, d->steps, d->nsteps);
	else if (d->nsteps == 0)
		out("no step is in place, so there is no gate to run\n");
	/* Inconclusive is not a pass. */
	run_end(r, failed > 0 ? EXIT_ERROR : unknown > 0 ? EXIT_PERSON : EXIT_DONE);
}

int
verb_verify(const struct verb_options *options)
{
	struct drive d = { .step = NONE, .target = NONE };
	struct run r = { .options = options, .turn = verify_turn, .arg = &d };
	int rc = run_engine(&r, true, false);

	free(d.steps);
	return rc;
}

/* ---- diff ---- */

static void
diff_turn(struct run *r)
{
	struct drive *d = r->arg;
	const struct step_view *v;
	size_t i;
	bool pending = false;

	if (!drive_have_plan(r))
		return;
	if (r->interrupted) {
		run_end(r, EXIT_ERROR);
		return;
	}
	if (d->stage == STAGE_BEGIN) {
		if (r->options->step != NULL) {
			if (!drive_find(r, r->options->step))
				return;
			if ((d->step = batch_next(engine_rollout(r->engine), d->first, d->nnamed)) == NONE)
				d->step = drive_last_named(d);
		} else if ((d->step = rollout_next(engine_rollout(r->engine))) == NONE) {
			d->step = rollout_last(engine_rollout(r->engine));
			v = d->step == NONE ? NULL : rollout_step(engine_rollout(r->engine), d->step);
			if (v != NULL && v->phase != PHASE_DONE) {
				out_err("belay: step '%s' is %s%s%s%s\n", drive_step_id(r, d->step),
				    phase_word(v->phase), v->why[0] == '\0' ? "" : ": ", v->why,
				    v->phase == PHASE_FAULTED || v->phase == PHASE_DOUBT ||
				    v->phase == PHASE_STUCK ? "; undo it or retry it first" : "");
				run_end(r, EXIT_ERROR);
				return;
			}
			out("every step is in place\n");
			run_end(r, EXIT_DONE);
			return;
		}
		d->stage = STAGE_PREVIEW;
		look_around(r);
		if (!drive_ask(r, VERB_PREVIEW, d->step))
			return;
	}
	if (engine_waiting(r->engine, d->step))
		return;
	v = rollout_step(engine_rollout(r->engine), d->step);
	if (v->phase == PHASE_PREVIEWING)
		return;
	if (v->phase != PHASE_READY) {
		drive_fail(r, drive_step_id(r, d->step), ": ", v->why[0] == '\0' ? "it could not be previewed" : v->why,
		    r->need_person ? EXIT_PERSON : EXIT_ERROR);
		return;
	}
	if (!looked_around(r))
		return;
	if (r->options->json)
		json_diff(r->engine, d->step);
	else
		show_preview(r->engine, d->step);
	for (i = 0; i < v->nops; i++)
		if (!v->shapes[i].activates && v->ops[i].observed != OP_IN_PLACE)
			pending = true;
	run_end(r, pending ? EXIT_PENDING : EXIT_DONE);
}

int
verb_diff(const struct verb_options *options)
{
	struct drive d = { .step = NONE, .target = NONE };
	struct run r = { .options = options, .turn = diff_turn, .arg = &d };

	return run_engine(&r, true, false);
}
