/*
 * view_change: everything by which the operator changes something, and what
 * only a person can give: apply, undo, the commands, the asks.
 *
 * Owns the questions (view.h, enum question) and their answers.  See view.c for
 * the invariants; 1, 2, 3 and 6 are kept here.
 */
#include "ui/view_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "ui/command.h"
#include "ui/steps.h"

/* ---- what may be done ---- */

static bool
may_change(const struct view *v, const struct scene *s, const char **ret)
{
	if (v->read_only) {
		*ret = "belay was started read-only: nothing is changed";
		return false;
	}
	if (s->plan == NULL) {
		*ret = "there is no plan: belay -p PLAN gives one";
		return false;
	}
	return true;
}

static bool
may_apply_step(const struct view *v, const struct scene *s, int step, const char **ret)
{
	enum phase phase;

	if (!may_change(v, s, ret))
		return false;
	if (s->lock_holder != NULL) {
		*ret = "somebody else holds the lock";
		return false;
	}
	if (step == NONE) {
		int last = rollout_last(s->rollout);

		*ret = "every step is applied";
		/* Not at the end, and yet no next one: the one that stands there says why. */
		if (last != NONE && !phase_passed(rollout_step(s->rollout, last)->phase))
			(void)rollout_may(s->rollout, VERB_APPLY, last, ret);
		return false;
	}
	phase = rollout_step(s->rollout, step)->phase;
	if (step == rollout_next(s->rollout) && (phase == PHASE_TODO || phase == PHASE_RESTORED ||
	    phase == PHASE_READY))
		/* All it may lack is a preview, and that is made first. */
		return rollout_may(s->rollout, VERB_PREVIEW, step, ret);
	return rollout_may(s->rollout, VERB_APPLY, step, ret);
}

static bool
may_undo_step(const struct view *v, const struct scene *s, int step, const char **ret)
{
	if (!may_change(v, s, ret))
		return false;
	if (step == NONE) {
		*ret = "no step is applied: there is nothing to undo";
		return false;
	}
	return rollout_may(s->rollout, VERB_UNDO, step, ret);
}

bool
view_may(const struct view *v, const struct scene *s, enum act act, const char **ret_why_not)
{
	const char *why = NULL;
	bool may = true;

	switch (act) {
	case ACT_APPLY:
		may = may_apply_step(v, s, s->rollout == NULL ? NONE : rollout_next(s->rollout), &why);
		if (may && !v->armed) {
			why = "not armed: A arms, then a applies";
			may = false;
		}
		break;
	case ACT_UNDO:
		may = may_undo_step(v, s, scene_undo_step(s), &why);
		break;
	case ACT_UNDO_STEP:
		may = may_change(v, s, &why);
		break;
	case ACT_ARM:
		may = may_change(v, s, &why);
		break;
	case ACT_PREVIEW:
	case ACT_VERIFY:
	case ACT_PROGRESS:
		if (view_step(v, s) == NONE) {
			why = "there is no plan: belay -p PLAN gives one";
			may = false;
		}
		break;
	default:	/* all others look or move */
		break;
	}
	if (ret_why_not != NULL)
		*ret_why_not = why;
	return may;
}

/* ---- apply ---- */

void
view_begin_apply(struct view *v, const struct scene *s, int step, struct wishes *out)
{
	const char *why = NULL;

	if (!may_apply_step(v, s, step, &why)) {
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
		return;
	}
	if (!v->armed) {
		view_say(v, ROLE_WARN, "not armed: A arms, then a applies");
		return;
	}
	view_open_step(v, PANE_PREVIEW, step);
	v->apply_step = step;
	v->follow = true;
	view_say(v, ROLE_BUSY, "observing the hosts for a fresh preview of step '%s'",
	    s->plan->steps[step].id);
	view_wish_verb(out, VERB_PREVIEW, step);
}

void
view_await_preview(struct view *v, const struct scene *s, struct wishes *out)
{
	const struct step_view *sv = rollout_step(s->rollout, v->apply_step);
	const char *why = NULL;
	int step = v->apply_step;

	if (sv->phase == PHASE_PREVIEWING || s->waiting(s->arg, step))
		return;
	v->apply_step = NONE;
	/* A preview that fails leaves it in TODO. */
	if (sv->phase == PHASE_RESTORED || (sv->phase != PHASE_READY && sv->why[0] == '\0'))
		return;	/* it was not even begun; why was told */
	if (sv->phase != PHASE_READY) {
		view_say(v, ROLE_BAD, "step '%s' cannot be previewed: %s", s->plan->steps[step].id,
		    sv->why);
		return;
	}
	if (!rollout_may(s->rollout, VERB_APPLY, step, &why)) {
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
		return;
	}
	v->message[0] = '\0';
	view_put_question(v, scene_protected(s) ? Q_APPLY_NAMED : Q_APPLY, step, out);
}

void
view_answer_apply(struct view *v, const struct scene *s, struct wishes *out)
{
	int step = v->subject;

	if (v->question == Q_APPLY_NAMED && strcmp(v->field.text, s->fleet->environment) != 0) {
		view_say(v, ROLE_WARN, "that is not the environment's name; type '%s', or Esc",
		    s->fleet->environment);
		field_clear(&v->field, false);
		return;
	}
	view_close_question(v);
	if (!v->armed)
		return;
	view_wish_verb(out, VERB_APPLY, step);
	view_open_step(v, PANE_PROGRESS, step);
}

/* ---- undo ---- */

void
view_begin_undo(struct view *v, const struct scene *s, int step, struct wishes *out)
{
	const char *why = NULL;

	if (!may_undo_step(v, s, step, &why)) {
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
		return;
	}
	v->apply_step = NONE;
	v->fire_at_ms = s->now_ms + UNDO_COUNTDOWN_MS;
	view_put_question(v, Q_UNDO, step, out);
}

void
view_undo_now(struct view *v, const struct scene *s, struct wishes *out)
{
	int step = v->subject;

	view_close_question(v);
	v->follow = true;
	view_wish_verb(out, VERB_UNDO, step);
	view_say(v, ROLE_BUSY, "undoing step '%s'", s->plan->steps[step].id);
}

/*
 * Has the step its turn, or is there nothing of it that could be undone?  Else
 * whether it may be undone hangs on whom that would strand.
 */
static bool
in_turn(const struct scene *s, int step)
{
	int last = rollout_last(s->rollout);

	if (last == NONE || step >= last || rollout_in_flight(s->rollout) == step)
		return true;
	switch (rollout_step(s->rollout, step)->phase) {
	case PHASE_DONE:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_STUCK:
		return false;
	default:	/* nothing of it stands, or it is in flight */
		return true;
	}
}

void
view_put_refusal(struct view *v, int step, const char *why)
{
	snprintf(v->refusal, sizeof(v->refusal), "%s", why);
	v->refused_step = step;
	/* Its checks stand there, and are the ones that a command would waive. */
	view_open_step(v, PANE_GATE, step);
	v->question = Q_REFUSED;
	v->subject = step;
	field_clear(&v->field, false);
}

void
view_begin_turn(struct view *v, const struct scene *s, int step, struct wishes *out)
{
	const char *why = NULL;

	if (v->read_only || s->plan == NULL || step == NONE || in_turn(s, step)) {
		view_begin_undo(v, s, step, out);
		return;
	}
	v->apply_step = NONE;
	if (rollout_may(s->rollout, VERB_UNDO, step, &why)) {
		view_put_question(v, Q_TURN, step, out);
		return;
	}
	view_put_refusal(v, step, why == NULL ? "not now" : why);
	(void)view_wish(out, WISH_FLUSH);
}

void
view_answer_turn(struct view *v, const struct scene *s, struct wishes *out)
{
	const char *why = NULL;
	int step = v->subject;

	view_close_question(v);
	/* Things may have changed while it was asked. */
	if (!may_undo_step(v, s, step, &why)) {
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
		return;
	}
	view_wish_verb(out, VERB_UNDO, step);
	view_open_step(v, PANE_PROGRESS, step);
	view_say(v, ROLE_BUSY, "undoing step '%s'", s->plan->steps[step].id);
}

/* ---- commands ---- */

static bool
armed_for(struct view *v, const struct scene *s, const char *what)
{
	const char *why = NULL;

	if (!may_change(v, s, &why)) {
		view_say(v, ROLE_WARN, "%s", why);
		return false;
	}
	if (!v->armed) {
		view_say(v, ROLE_WARN, "not armed: A arms, then :%s works", what);
		return false;
	}
	return true;
}

void
view_arm(struct view *v, const struct scene *s, bool on)
{
	const char *why = NULL;

	if (!on) {
		v->armed = false;
		view_say(v, ROLE_DIM, "disarmed: nothing can be applied; u still undoes");
		return;
	}
	if (!may_change(v, s, &why)) {
		view_say(v, ROLE_WARN, "%s", why);
		return;
	}
	v->armed = true;
	view_say(v, ROLE_WARN, "armed: a previews the next step, asks, and applies it");
}

void
view_leave(struct view *v, const struct scene *s, struct wishes *out)
{
	int step = s->rollout == NULL ? NONE : rollout_in_flight(s->rollout);

	if (step == NONE || s->read_only) {
		(void)view_wish(out, WISH_LEAVE);
		return;
	}
	view_put_question(v, Q_LEAVE, step, out);
}

static void
command_verb(struct view *v, const struct scene *s, enum verb verb, int step, struct wishes *out)
{
	const char *why = NULL;

	if (step == NONE)
		view_say(v, ROLE_WARN, "there is no such step to %s", verb_word(verb));
	else if (!rollout_may(s->rollout, verb, step, &why))
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
	else
		view_wish_verb(out, verb, step);
}

static void
run_command(struct view *v, const struct scene *s, const char *line, struct wishes *out)
{
	struct command c;
	struct wish *w;
	struct err err;
	int step = view_step(v, s), subject;

	if (command_parse(&c, line, s, step, &err) != 0) {
		view_say(v, ROLE_WARN, "%s", err.msg);
		return;
	}
	subject = c.step != NONE ? c.step : step;
	if (s->plan == NULL && (c.kind <= CMD_PARK)) {
		view_say(v, ROLE_WARN, "there is no plan: belay -p PLAN gives one");
		return;
	}
	switch (c.kind) {
	case CMD_APPLY:
		view_begin_apply(v, s, c.step != NONE ? c.step : rollout_next(s->rollout), out);
		break;
	case CMD_UNDO:
		view_begin_turn(v, s, c.step != NONE ? c.step : scene_undo_step(s), out);
		break;
	case CMD_DIFF:
		view_open_step(v, PANE_PREVIEW, subject);
		command_verb(v, s, VERB_PREVIEW, subject, out);
		break;
	case CMD_VERIFY:
		view_open_step(v, PANE_GATE, subject);
		command_verb(v, s, VERB_VERIFY, subject, out);
		break;
	case CMD_SKIP:
		if (armed_for(v, s, "skip"))
			command_verb(v, s, VERB_SKIP, c.step != NONE ? c.step : rollout_next(s->rollout), out);
		break;
	case CMD_RETRY:
		if (armed_for(v, s, "retry"))
			command_verb(v, s, VERB_RETRY, c.step != NONE ? c.step : rollout_last(s->rollout), out);
		break;
	case CMD_SETTLE:
		if (!v->read_only)
			command_verb(v, s, VERB_SETTLE, c.step != NONE ? c.step : scene_undo_step(s), out);
		break;
	case CMD_PARK:
		command_verb(v, s, VERB_PARK, rollout_in_flight(s->rollout), out);
		break;
	case CMD_WAIVE:
	case CMD_ATTEST:
	case CMD_KEEP:
		/* What only goes back needs no arming. */
		if (c.kind != CMD_KEEP && !armed_for(v, s, command_name(c.kind)))
			break;
		snprintf(v->said, sizeof(v->said), "%s", c.check);
		snprintf(v->reason, sizeof(v->reason), "%s", c.text);
		w = view_wish(out, c.kind == CMD_WAIVE ? WISH_WAIVE : c.kind == CMD_ATTEST ? WISH_ATTEST : WISH_KEEP);
		w->step = c.step;
		w->text = v->said;
		w->more = v->reason;
		break;
	case CMD_ARM:
		view_arm(v, s, true);
		break;
	case CMD_DISARM:
		view_arm(v, s, false);
		break;
	case CMD_REFRESH:
		(void)view_wish(out, WISH_SWEEP);
		view_say(v, ROLE_DIM, "probing everything now");
		break;
	case CMD_SESSIONS:
		view_open(v, PANE_SESSIONS);
		break;
	case CMD_CERTS:
		view_open(v, PANE_CERTS);
		break;
	case CMD_HOSTS:
		view_open(v, PANE_HOSTS);
		break;
	case CMD_EXPLAIN:
		view_explain(v, s);
		break;
	case CMD_PROOF:
		view_open(v, PANE_PROOF);
		break;
	case CMD_HISTORY:
		view_open(v, PANE_HISTORY);
		break;
	case CMD_MESSAGES:
		view_open(v, PANE_NOTES);
		break;
	case CMD_HELP:
		view_open(v, PANE_HELP);
		break;
	case CMD_WRITE:
		snprintf(v->said, sizeof(v->said), "%s", c.text);
		view_wish(out, WISH_SAVE)->text = v->said;
		break;
	case CMD_QUIT:
		view_leave(v, s, out);
		break;
	case COMMAND_COUNT:
		break;
	}
}

/* ---- what only a person can give ---- */

void
view_ask(struct view *v, const struct ask *ask)
{
	struct ask *a;

	if (v->nasks == VIEW_ASKS_MAX)
		return;
	a = mem_push(&v->asks, &v->nasks, sizeof(*v->asks));
	*a = *ask;
}

static void
give_answer(struct view *v, bool yes, struct wishes *out)
{
	struct wish *w = view_wish(out, WISH_ANSWER);

	w->ask = v->asks[0].id;
	if (yes) {
		memcpy(v->answer, v->field.text, sizeof(v->answer));
		w->text = v->answer;
	}
	v->nasks--;
	memmove(v->asks, v->asks + 1, v->nasks * sizeof(*v->asks));
	v->again = false;
	view_close_question(v);
}

static void
answer_ask(struct view *v, struct wishes *out)
{
	const struct ask *ask = &v->asks[0];

	if (ask->kind == ASK_HOST_KEY) {
		if (strcmp(v->field.text, "yes") == 0)
			give_answer(v, true, out);
		else
			view_say(v, ROLE_WARN, "type 'yes' to trust this key from now on, or Esc to refuse it");
		return;
	}
	if (ask->kind == ASK_CA_PASSPHRASE && ask->confirm) {
		if (v->field.len_bytes == 0) {
			view_say(v, ROLE_WARN, "the ca's key is not left without a passphrase");
			return;
		}
		if (!v->again) {
			memcpy(v->answer, v->field.text, sizeof(v->answer));
			v->again = true;
			field_clear(&v->field, true);
			return;
		}
		if (strcmp(v->answer, v->field.text) != 0) {
			mem_wipe(v->answer, sizeof(v->answer));
			v->again = false;
			field_clear(&v->field, true);
			view_say(v, ROLE_WARN, "the two differ; once more from the beginning");
			return;
		}
	}
	v->message[0] = '\0';
	give_answer(v, true, out);
}

void
view_settle(struct view *v)
{
	if (!v->again)
		mem_wipe(v->answer, sizeof(v->answer));
}
void
view_cancel(struct view *v, struct wishes *out)
{
	switch (v->question) {
	case Q_APPLY:
	case Q_APPLY_NAMED:
		view_say(v, ROLE_DIM, "not applied");
		break;
	case Q_UNDO:
	case Q_TURN:
		view_say(v, ROLE_DIM, "not undone");
		break;
	case Q_ASK:
		give_answer(v, false, out);
		view_say(v, ROLE_DIM, "refused");
		break;
	case Q_FILTER:
		v->filter[0] = '\0';
		break;
	case Q_REFUSED:
	case Q_LEAVE:
	case Q_COMMAND:
	case Q_NONE:
		break;
	}
	view_close_question(v);
}

void
view_accept(struct view *v, const struct scene *s, struct wishes *out)
{
	char line[FIELD_MAX];

	switch (v->question) {
	case Q_APPLY_NAMED:
		view_answer_apply(v, s, out);
		break;
	case Q_ASK:
		answer_ask(v, out);
		break;
	case Q_FILTER:
		view_close_question(v);
		break;
	case Q_COMMAND:
		memcpy(line, v->field.text, sizeof(line));
		view_close_question(v);
		if (line[strspn(line, " ")] != '\0')
			run_command(v, s, line, out);
		break;
	case Q_NONE:
	case Q_APPLY:
	case Q_UNDO:
	case Q_TURN:
	case Q_REFUSED:
	case Q_LEAVE:
		break;
	}
}


void
view_open_ask(struct view *v, struct wishes *out)
{
	view_put_question(v, Q_ASK, NONE, out);
	v->again = false;
	v->field.secret = v->asks[0].kind != ASK_HOST_KEY;
}
