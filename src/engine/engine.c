/*
 * engine: see engine.h.  This file owns the way of events into the
 * rollout and of its effects out, the timer, and the verbs.
 *
 * Invariants: everything here runs on the one loop; the rollout is fed only
 * by engine_feed(), never from within the handling of its own effects
 * (effects are carried out one after the other, and what answers at once is
 * queued behind them).
 */
#include "engine/engine.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/secrets.h"
#include "wire/wire.h"

#define OP_DEADLINE_MS		30000
#define SETTLE_EVERY_MS		2000

void
engine_because(struct engine *e, const char *reason)
{
	free(e->reason);
	e->reason = reason == NULL ? NULL : mem_strdup(reason);
}

int64_t
engine_now_ms(const struct engine *e)
{
	struct timespec ts;

	(void)e;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- telling the face ---- */

static void
on_idle(uv_idle_t *idle)
{
	struct engine *e = idle->data;

	(void)uv_idle_stop(idle);
	e->dirty = false;
	if (e->events != NULL && e->events->changed != NULL && !e->stopping)
		e->events->changed(e->arg);
}

void
engine_dirty(struct engine *e)
{
	if (e->dirty || !e->loop_open)
		return;
	e->dirty = true;
	(void)uv_idle_start(&e->changed_idle, on_idle);
}

void
engine_tell(struct engine *e, enum tell tell, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	if (e->events != NULL && e->events->tell != NULL)
		e->events->tell(e->arg, tell, text);
	free(text);
}

uint64_t
engine_put_ask(struct engine *e, enum ask_kind kind, int subject, const char *subject_text,
    const char *title, const char *detail, bool confirm)
{
	struct asked *a;
	size_t i;

	for (i = 0; i < e->nasks; i++)
		if (e->asks[i].open && e->asks[i].ask.kind == kind &&
		    e->asks[i].ask.subject == subject)
			return e->asks[i].ask.id;
	a = mem_push(&e->asks, &e->nasks, sizeof(*e->asks));
	a->ask.kind = kind;
	a->ask.id = e->nasks;
	a->ask.subject = subject;
	a->ask.confirm = confirm;
	a->open = true;
	a->subject = mem_strdup(subject_text);
	(void)snprintf(a->ask.title, sizeof(a->ask.title), "%s", title);
	(void)snprintf(a->ask.detail, sizeof(a->ask.detail), "%s", detail == NULL ? "" : detail);
	if (e->events != NULL && e->events->ask != NULL)
		e->events->ask(e->arg, &a->ask);
	return a->ask.id;
}

int
engine_answer(struct engine *e, uint64_t id, const char *value, struct err *err)
{
	struct asked *a;

	if (id == 0 || id > e->nasks || !e->asks[id - 1].open)
		return err_set(err, "nobody asks for that any more");
	a = &e->asks[id - 1];
	a->open = false;
	switch (a->ask.kind) {
	case ASK_HOST_KEY:
		if (value != NULL) {
			workers_accept_host_key(e->workers, a->ask.subject, a->subject);
			(void)past_note(e, NONE, "host-key", a->ask.detail, NULL);
		}
		return 0;
	case ASK_PASSPHRASE:
		if (value != NULL)
			workers_passphrase(e->workers, a->ask.subject, a->subject, value);
		return 0;
	case ASK_SUDO:
		if (value != NULL) {
			workers_sudo(e->workers, a->ask.subject, value);
			watch_all_soon(e);
			engine_arm(e);
		}
		return 0;
	case ASK_SECRET:
		secrets_answer(e, a->ask.subject, value);
		return 0;
	case ASK_CA_PASSPHRASE:
		return material_answer(e, a->ask.subject, value, err);
	}
	return 0;
}

/* ---- ops ---- */

int
engine_fill_ops(struct engine *e, int step, const char *run_id, bool real, struct err *err)
{
	struct step_memory *m = &e->memory[step];
	struct ops ops = { 0 };
	size_t i, k;

	if (ops_of_step(&ops, e->fleet, e->plan, step, run_id,
	    !real ? NULL : material_at_hand(e, step) ? material_give : material_name, e, err) != 0)
		return -1;
	ops_release(&m->ops);
	m->ops = ops;
	for (i = 0; i < ops.n; i++)
		for (k = 0; ops.v[i].kind == OP_ACTIVATE && k < m->waived_standing.n; k++)
			if (m->waived_standing.v[k].value != NULL)
				strings_push(&m->ops.v[i].waived, mem_strdup(m->waived_standing.v[k].key));
	m->real = real;
	return 0;
}

/* Values are kept only while the step is worked on. */
static void
empty_ops(struct engine *e, int step)
{
	struct err err;

	if (e->memory[step].real)
		(void)engine_fill_ops(e, step, ENGINE_PREVIEW_RUN, false, &err);
}

struct errand *
engine_errand(struct engine *e, uint64_t id)
{
	size_t i;

	for (i = 0; i < e->nerrands; i++)
		if (e->errands[i].id == id)
			return &e->errands[i];
	return NULL;
}

void
engine_errand_end(struct engine *e, struct errand *errand)
{
	size_t at = (size_t)(errand - e->errands);

	answers_note_rest(e, errand);
	buf_release(&errand->output);
	memmove(errand, errand + 1, (e->nerrands - at - 1) * sizeof(*errand));
	e->nerrands--;
}

void
engine_send_op(struct engine *e, const struct effect *fx, unsigned lost)
{
	struct step_memory *m = &e->memory[fx->step];
	const struct op_view *view = &rollout_step(e->rollout, fx->step)->ops[fx->op];
	const char *run_id = fx->verb == OPV_OBSERVE ? ENGINE_PREVIEW_RUN : e->run.id;
	struct event ev = { .kind = EV_OP, .step = fx->step, .op = fx->op, .verb = fx->verb };
	struct wire_op order = { .token = 0 };
	struct errand *errand;
	const char *expect;
	struct wayback wayback;
	struct buf script;
	const struct op *op;
	struct err err;

	if (fx->verb == OPV_APPLY && (fx->op == 0 || m->began_ms == 0))
		m->began_ms = engine_now_ms(e);
	/*
	 * Going back needs no certificate material (the before-image has it all);
	 * going forward does, and material_need() saw to it before.
	 */
	if (engine_fill_ops(e, fx->step, run_id, !e->options.read_only &&
	    (fx->verb == OPV_OBSERVE || fx->verb == OPV_APPLY), &err) != 0) {
		ev.now_ms = engine_now_ms(e);
		ev.outcome = OP_FAILED;
		ev.why = err.msg;
		engine_feed(e, &ev);
		return;
	}
	op = &m->ops.v[fx->op];
	if (fx->verb == OPV_UNDO && (ev.why = lease_refusal(e, op->host)) != NULL) {
		ev.now_ms = engine_now_ms(e);
		ev.outcome = OP_FAILED;
		engine_feed(e, &ev);
		return;
	}
	errand = mem_push(&e->errands, &e->nerrands, sizeof(*e->errands));
	errand->step = fx->step;
	errand->op = fx->op;
	errand->verb = fx->verb;
	errand->lost = lost;
	errand->since_ms = engine_now_ms(e);
	errand->deadline_ms = (fx->verb == OPV_APPLY || fx->verb == OPV_UNDO) && op->deadline_ms > 0 ?
	    op->deadline_ms : OP_DEADLINE_MS;
	buf_init(&errand->output, ENGINE_OUTPUT_MAX * 2);
	/* Going forward: what the preview saw.  Going back: what we left, where that is another thing. */
	expect = fx->verb != OPV_UNDO ? view->before_sha :
	    strcmp(view->before_sha, view->after_sha) == 0 ? "" : view->after_sha;
	order.op = *op;			/* borrowed */
	order.token = lease_token(e, op->host);
	order.keep = fx->verb == OPV_UNDO && m->keeps[fx->op] != NULL;
	(void)snprintf(order.expect_sha, sizeof(order.expect_sha), "%s", expect);
	(void)snprintf(order.who, sizeof(order.who), "%s", e->who);
	(void)snprintf(order.plan_sha, sizeof(order.plan_sha), "%s", e->plan->sha256);
	buf_init(&script, 0);
	if (fx->verb == OPV_APPLY || fx->verb == OPV_UNDO) {
		engine_wayback(e, &wayback);
		wayback_kept(&script, &wayback, fx->step, fx->op, fx->verb == OPV_UNDO);
	}
	order.wayback = fx->verb == OPV_APPLY || fx->verb == OPV_UNDO ? mem_strdup(buf_str(&script)) : NULL;
	buf_release(&script);
	if (fx->verb == OPV_UNDO && op->kind == OP_ACTIVATE)
		sight_silent(e, &order.unseen);
	errand->id = workers_op(e->workers, fx->verb, &order, errand->deadline_ms);
	free(order.unseen.v);
	free(order.wayback);
}

/* ---- events and effects ---- */

void
engine_carry_out(struct engine *e, struct effects *fx)
{
	size_t i;

	for (i = 0; i < fx->n; i++) {
		const struct effect *x = &fx->v[i];

		switch (x->kind) {
		case EFFECT_JOURNAL:
			past_write(e, x);
			if (x->record.kind == REC_PHASE &&
			    (x->record.phase == PHASE_DONE || x->record.phase == PHASE_RESTORED))
				empty_ops(e, x->step);
			break;
		case EFFECT_OP:
			engine_send_op(e, x, 0);
			break;
		case EFFECT_GUARD:
			judge_begin(e, x->step, JUDGE_GUARD, x->since_ms);
			break;
		case EFFECT_PROVE:
			judge_begin(e, x->step, JUDGE_GATE, x->since_ms);
			break;
		case EFFECT_REST:
			judge_end(e, x->step);
			break;
		}
	}
	effects_release(fx);
}

static void
feed_now(struct engine *e, const struct event *ev)
{
	struct effects fx = { 0 };

	rollout_feed(e->rollout, ev, &fx);
	engine_carry_out(e, &fx);
}

/* Who wants to go back does not want to wait until a server that was restarted answers. */
static void
hurry(struct engine *e)
{
	const struct step_view *v;
	struct errand *x;
	size_t i;

	for (i = 0; i < e->nerrands; i++) {
		x = &e->errands[i];
		v = rollout_step(e->rollout, x->step);
		if (x->hurried || x->verb != OPV_APPLY || !(v->undo_wanted || v->breached) ||
		    e->memory[x->step].ops.v[x->op].kind != OP_ACTIVATE)
			continue;
		x->hurried = true;
		workers_hurry(e->workers, x->id);
	}
}

void
engine_feed(struct engine *e, const struct event *ev)
{
	struct event *later, next;
	union { const char *c; char *m; } why;

	if (e->feeding) {
		/* An effect has answered at once: it waits its turn. */
		later = mem_push(&e->later, &e->nlater, sizeof(*e->later));
		*later = *ev;
		later->why = mem_strdup(ev->why);
		later->before_sha = later->after_sha = NULL;
		return;
	}
	e->feeding = true;
	e->turn.at_ms = 0;
	feed_now(e, ev);
	while (e->nlater > 0) {
		next = e->later[0];
		memmove(e->later, e->later + 1, --e->nlater * sizeof(*e->later));
		why.c = next.why;
		feed_now(e, &next);
		free(why.m);
	}
	e->feeding = false;
	hurry(e);
	engine_dirty(e);
	engine_arm(e);
}

/* ---- the timer ---- */

/*
 * A step in doubt: its hosts are asked again and again, since a host may come
 * back and a command may still run there.  Returns when the next look is due.
 */
static int64_t
settle_run(struct engine *e, int64_t now_ms)
{
	struct event ev = { .kind = EV_SETTLE, .now_ms = now_ms };
	size_t i;

	if (e->rollout == NULL || e->options.read_only)
		return INT64_MAX;
	for (ev.step = 0; (size_t)ev.step < e->plan->nsteps; ev.step++)
		if (rollout_step(e->rollout, ev.step)->phase == PHASE_DOUBT)
			break;
	if ((size_t)ev.step == e->plan->nsteps) {
		e->settle_ms = 0;
		return INT64_MAX;
	}
	for (i = 0; i < e->nerrands; i++)
		if (e->errands[i].step == ev.step && e->errands[i].verb == OPV_RECORD) {
			/* Being asked; the next time is counted from the answer. */
			e->settle_ms = 0;
			return INT64_MAX;
		}
	if (e->settle_ms == 0)
		e->settle_ms = now_ms + SETTLE_EVERY_MS;
	if (e->settle_ms > now_ms)
		return e->settle_ms;
	e->settle_ms = 0;
	engine_feed(e, &ev);
	return INT64_MAX;
}

static void
on_timer(uv_timer_t *timer)
{
	struct engine *e = timer->data;
	struct event tick = { .kind = EV_TICK, .now_ms = engine_now_ms(e) };

	if (e->stopping)
		return;
	if (e->rollout != NULL && rollout_in_flight(e->rollout) != NONE)
		engine_feed(e, &tick);
	engine_arm(e);
}

void
engine_arm(struct engine *e)
{
	int64_t now_ms, next, other, wait;

	if (!e->started || e->stopping || e->workers == NULL)
		return;
	now_ms = engine_now_ms(e);
	other = judge_run(e, now_ms);
	next = watch_run(e, now_ms);
	if (other < next)
		next = other;
	other = canaries_run(e, now_ms);
	if (other < next)
		next = other;
	other = lease_run(e, now_ms);
	if (other < next)
		next = other;
	other = settle_run(e, now_ms);
	if (other < next)
		next = other;
	if (e->rollout != NULL && (other = rollout_in_flight(e->rollout)) != NONE &&
	    rollout_step(e->rollout, (int)other)->phase == PHASE_SOAKING &&
	    rollout_step(e->rollout, (int)other)->soak_until_ms > now_ms &&
	    rollout_step(e->rollout, (int)other)->soak_until_ms < next)
		next = rollout_step(e->rollout, (int)other)->soak_until_ms;
	if (next == INT64_MAX) {
		(void)uv_timer_stop(&e->timer);
		return;
	}
	wait = next - now_ms;
	if (wait < 20)
		wait = 20;
	(void)uv_timer_start(&e->timer, on_timer, (uint64_t)wait, 0);
}

/* ---- the verbs ---- */

int
engine_may_change(const struct engine *e, struct err *err)
{
	if (e->plan == NULL)
		return err_set(err, "there is no plan; give one with -p");
	if (e->options.read_only)
		return err_set(err, "this belay only looks (%s%s)",
		    e->lock_holder == NULL ? "--read-only" : "the lock is held by ",
		    e->lock_holder == NULL ? "" : e->lock_holder);
	if (e->stranger != NULL)
		return err_set(err, "step '%s' was applied in this run, and this plan has it no more: "
		    "take it back with the plan that it was applied with", e->stranger);
	return 0;
}

/* All that the step would write stands there already. */
static bool
in_place(const struct engine *e, int step)
{
	const struct step_view *v = rollout_step(e->rollout, step);
	size_t i, edits = 0, activations = 0;

	for (i = 0; i < v->nops; i++) {
		if (v->shapes[i].activates) {
			activations++;
			continue;
		}
		if (!v->ops[i].observed_known || v->ops[i].observed != OP_IN_PLACE)
			return false;
		edits++;
	}
	/* Whether it is in force only a gate can say. */
	return edits > 0 && (activations == 0 || e->plan->steps[step].ngates > 0);
}

/* Of sessions that are ended one by one, those that are left stay: it may stop between any two. */
static void
stop_drain(struct engine *e, int step, int64_t now_ms)
{
	struct event ev = { .kind = EV_OP, .now_ms = now_ms, .step = step, .verb = OPV_APPLY, .outcome = OP_FAILED,
		.why = "stopped; the sessions that were ended are in the history" };
	struct errand *errand;
	size_t i;

	for (i = 0; i < e->nerrands; i++) {
		errand = &e->errands[i];
		if (errand->step != step || errand->verb != OPV_APPLY ||
		    e->memory[step].ops.v[errand->op].kind != OP_DRAIN)
			continue;
		ev.op = errand->op;
		workers_cancel(e->workers, errand->id);
		engine_errand_end(e, errand);
		engine_feed(e, &ev);
		return;
	}
}

static int
feed_verb(struct engine *e, enum verb verb, int step)
{
	static const enum event_kind kinds[VERB_COUNT] = {
		[VERB_PREVIEW] = EV_PREVIEW, [VERB_APPLY] = EV_APPLY,
		[VERB_UNDO] = EV_UNDO, [VERB_SKIP] = EV_SKIP, [VERB_PARK] = EV_PARK,
		[VERB_RETRY] = EV_RETRY, [VERB_SETTLE] = EV_SETTLE,
	};
	struct event ev = { .kind = kinds[verb], .step = step };
	size_t i;

	/* What an earlier preview still waits for is not what this one sees. */
	for (i = e->nerrands; verb == VERB_PREVIEW && i-- > 0;)
		if (e->errands[i].step == step && e->errands[i].verb == OPV_OBSERVE) {
			workers_cancel(e->workers, e->errands[i].id);
			engine_errand_end(e, &e->errands[i]);
		}
	ev.now_ms = engine_now_ms(e);
	ev.goes_on = verb == VERB_UNDO && e->undo_goes_on;
	ev.until = e->undo_until;
	if (verb == VERB_APPLY && in_place(e, step)) {
		/* judge.c says EV_MET, or EV_APPLY where the gate does not hold. */
		judge_begin(e, step, JUDGE_MET, ev.now_ms);
		return 0;
	}
	engine_feed(e, &ev);
	if (verb == VERB_PARK || verb == VERB_UNDO)
		stop_drain(e, step, ev.now_ms);
	return 0;
}

static int
ask_again(struct engine *e, enum verb verb, int step, struct err *err)
{
	const char *why;
	int rc;

	if (e->plan == NULL)
		return err_set(err, "there is no plan; give one with -p");
	if (verb == VERB_VERIFY) {
		if (step < 0 || (size_t)step >= e->plan->nsteps)
			return err_set(err, "there is no such step");
		judge_begin(e, step, JUDGE_VERIFY, engine_now_ms(e));
		return 0;
	}
	if (verb != VERB_PREVIEW && engine_may_change(e, err) != 0)
		return -1;
	if (!rollout_may(e->rollout, verb, step, &why))
		return err_set(err, "%s", why);
	if (verb == VERB_UNDO && leak_refuses(e, step, err) != 0)
		return -1;
	/* The way back waits for no passphrase. */
	if (e->waiting_step != NONE && verb != VERB_UNDO && verb != VERB_PARK && verb != VERB_SETTLE)
		return err_set(err, "step '%s' is being made ready", e->plan->steps[e->waiting_step].id);
	rc = verb == VERB_PREVIEW ? 0 : past_begin_run(e, err);
	/* Who only looks makes no certificate for it: the values stand by their names. */
	if (rc == 0 && !e->options.read_only &&
	    (verb == VERB_PREVIEW || verb == VERB_APPLY || verb == VERB_RETRY))
		rc = material_need(e, step, verb, err);
	/* Nor for a certificate; but what belay logs in by is being opened since it began. */
	if (rc == 0 && verb == VERB_UNDO)
		rc = own_need(e, step);
	if (rc == 0 && (verb == VERB_APPLY || verb == VERB_RETRY || verb == VERB_UNDO)) {
		e->waiting_step = step;		/* for whoever is turned away by us meanwhile */
		rc = lease_need(e, step, verb, err);
		e->waiting_step = NONE;
		e->waiting_lease = rc == 1;
	}
	if (rc == 1) {
		/* It is asked again when what it waits for is there. */
		e->waiting_step = step;
		e->waiting_verb = verb;
		return 0;
	}
	return rc == 0 ? feed_verb(e, verb, step) : -1;
}

int
engine_undo_down(struct engine *e, int step, int until, struct err *err)
{
	int rc;

	e->undo_goes_on = true;
	e->undo_until = until;
	rc = engine_ask(e, VERB_UNDO, step, err);
	/* What waits for its leases goes on when they are there. */
	e->waiting_goes_on = rc == 0 && e->waiting_step == step;
	e->undo_goes_on = false;
	return rc;
}

int
engine_ask(struct engine *e, enum verb verb, int step, struct err *err)
{
	lease_begin(e);
	return ask_again(e, verb, step, err);
}

bool
engine_waiting(const struct engine *e, int step)
{
	return e->waiting_step == step;
}

void
engine_material_ready(struct engine *e, bool ok, const char *why)
{
	int step = e->waiting_step;
	struct err err;

	e->waiting_step = NONE;
	if (step == NONE && !ok)
		leak_revoked(e, why);
	if (step == NONE)
		return;
	if (!ok)
		engine_tell(e, TELL_ERROR, "step '%s': %s", e->plan->steps[step].id, why);
	else {
		e->undo_goes_on = e->waiting_goes_on;
		if (ask_again(e, e->waiting_verb, step, &err) != 0)
			engine_tell(e, TELL_ERROR, "%s", err.msg);
		e->undo_goes_on = false;
	}
	if (e->waiting_step == NONE)
		e->waiting_goes_on = false;
	engine_dirty(e);
}

/* ---- what faces read ---- */

uv_loop_t *
engine_loop(struct engine *e)
{
	return &e->loop;
}

const struct fleet *
engine_fleet(const struct engine *e)
{
	return e->fleet;
}

const struct plan *
engine_plan(const struct engine *e)
{
	return e->plan;
}

const struct board *
engine_board(const struct engine *e)
{
	return e->board;
}

const struct rollout *
engine_rollout(const struct engine *e)
{
	return e->rollout;
}

const char *
engine_run_id(const struct engine *e)
{
	return e->run_open ? e->run.id : "";
}

const char *
engine_who(const struct engine *e)
{
	return e->who;
}

const char *
engine_lock_holder(const struct engine *e)
{
	return e->lock_holder;
}

const char *
engine_op_text(const struct engine *e, int step, int op)
{
	const struct step_memory *m = &e->memory[step];

	return op < 0 || (size_t)op >= m->ops.n ? NULL : m->texts[op];
}

int
engine_op_since(const struct engine *e, int step, int op)
{
	const struct op *o = &e->memory[step].ops.v[op], *w;
	const struct op_view *now = &rollout_step(e->rollout, step)->ops[op], *then, *last = NULL;
	const struct step_view *v;
	int by = NONE;
	size_t i, k;

	if (o->path == NULL || !now->observed_known || now->before_sha[0] == '\0')
		return NONE;
	for (i = 0; i < e->plan->nsteps; i++) {
		v = rollout_step(e->rollout, (int)i);
		for (k = 0; (int)i != step && k < v->nops; k++) {
			w = &e->memory[i].ops.v[k];
			then = &v->ops[k];
			if (then->state != OPS_APPLIED || w->path == NULL || w->host != o->host ||
			    strcmp(w->path, o->path) != 0 || (last != NULL && then->since_ms <= last->since_ms))
				continue;
			last = then;
			by = (int)i;
		}
	}
	return last != NULL && last->after_sha[0] != '\0' && strcmp(last->after_sha, now->before_sha) != 0 ? by : NONE;
}

const struct ops *
engine_ops(const struct engine *e, int step)
{
	return &e->memory[step].ops;
}

static const struct ops *
ops_of(void *arg, int step)
{
	const struct engine *e = arg;

	return &e->memory[step].ops;
}

void
engine_wayback(const struct engine *e, struct wayback *ret)
{
	union { const struct engine *c; void *p; } u = { .c = e };	/* it is read only */

	ret->fleet = e->fleet;
	ret->plan = e->plan;
	ret->rollout = e->rollout;
	ret->run_id = engine_run_id(e);
	ret->ops = ops_of;
	ret->arg = u.p;
}

bool
engine_running(const struct engine *e, struct running *ret)
{
	size_t i;

	for (i = 0; i < e->nerrands; i++) {
		const struct errand *x = &e->errands[i];

		if (x->verb != OPV_APPLY && x->verb != OPV_UNDO)
			continue;
		ret->step = x->step;
		ret->op = x->op;
		ret->verb = x->verb;
		ret->since_ms = x->since_ms;
		ret->deadline_ms = x->since_ms + x->deadline_ms;
		ret->output = buf_str(&x->output);
		return true;
	}
	return false;
}

static void
on_wake(uv_timer_t *timer)
{
	engine_dirty(timer->data);
}

void
engine_wake_in(struct engine *e, int64_t ms)
{
	(void)uv_timer_start(&e->wake, on_wake, ms < 0 ? 0 : (uint64_t)ms, 0);
}

