/*
 * engine: see engine.h.  This file owns the life of the whole, the loop, the
 * way of events into the rollout and of its effects out, and the verbs.
 *
 * Invariants: everything here runs on the one loop; the rollout is fed only
 * by engine_feed(), never from within the handling of its own effects
 * (effects are carried out one after the other, and what answers at once is
 * queued behind them).
 */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/thread.h"
#include "pki/digest.h"

#define OP_DEADLINE_MS		30000
#define OUTPUT_MAX		4096
#define SETTLE_EVERY_MS		2000
#define PREVIEW_RUN		"preview"

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
	case ASK_SECRET:
	case ASK_CA_PASSPHRASE:
		return material_answer(e, a, value, err);
	}
	return 0;
}

/* ---- ops ---- */

static int
fill_ops(struct engine *e, int step, const char *run_id, bool real, struct err *err)
{
	struct step_memory *m = &e->memory[step];
	struct ops ops = { 0 };

	if (ops_of_step(&ops, e->fleet, e->plan, step, run_id,
	    real ? material_give : NULL, e, err) != 0)
		return -1;
	ops_release(&m->ops);
	m->ops = ops;
	m->real = real;
	return 0;
}

/* Values are kept only while the step is worked on. */
static void
empty_ops(struct engine *e, int step)
{
	struct err err;

	if (e->memory[step].real)
		(void)fill_ops(e, step, PREVIEW_RUN, false, &err);
}

static struct errand *
errand_of(struct engine *e, uint64_t id)
{
	size_t i;

	for (i = 0; i < e->nerrands; i++)
		if (e->errands[i].id == id)
			return &e->errands[i];
	return NULL;
}

static void
errand_end(struct engine *e, struct errand *errand)
{
	size_t at = (size_t)(errand - e->errands);

	buf_release(&errand->output);
	memmove(errand, errand + 1, (e->nerrands - at - 1) * sizeof(*errand));
	e->nerrands--;
}

static void
send_op(struct engine *e, const struct effect *fx)
{
	struct step_memory *m = &e->memory[fx->step];
	const struct op_view *view = &rollout_step(e->rollout, fx->step)->ops[fx->op];
	const char *run_id = fx->verb == OPV_OBSERVE ? PREVIEW_RUN : e->run.id;
	struct event ev = { .kind = EV_OP, .step = fx->step, .op = fx->op, .verb = fx->verb };
	struct errand *errand;
	const struct op *op;
	struct err err;

	/*
	 * Going back needs no certificate material (the before-image has it all);
	 * going forward does, and material_need() saw to it before.
	 */
	if (fill_ops(e, fx->step, run_id, !e->options.read_only &&
	    (fx->verb == OPV_OBSERVE || fx->verb == OPV_APPLY), &err) != 0) {
		ev.now_ms = engine_now_ms(e);
		ev.outcome = OP_FAILED;
		ev.why = err.msg;
		engine_feed(e, &ev);
		return;
	}
	op = &m->ops.v[fx->op];
	errand = mem_push(&e->errands, &e->nerrands, sizeof(*e->errands));
	errand->step = fx->step;
	errand->op = fx->op;
	errand->verb = fx->verb;
	errand->since_ms = engine_now_ms(e);
	errand->deadline_ms = (fx->verb == OPV_APPLY || fx->verb == OPV_UNDO) && op->deadline_ms > 0 ?
	    op->deadline_ms : OP_DEADLINE_MS;
	buf_init(&errand->output, OUTPUT_MAX * 2);
	errand->id = workers_op(e->workers, fx->verb, op, view->before_sha, e->who,
	    e->plan->sha256, errand->deadline_ms);
}

/* ---- events and effects ---- */

static void
carry_out(struct engine *e, struct effects *fx)
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
			send_op(e, x);
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

void
engine_feed(struct engine *e, const struct event *ev)
{
	struct effects fx = { 0 };

	rollout_feed(e->rollout, ev, &fx);
	carry_out(e, &fx);
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
	other = settle_run(e, now_ms);
	if (other < next)
		next = other;
	if (e->rollout != NULL && (other = rollout_in_flight(e->rollout)) != NONE &&
	    rollout_step(e->rollout, (int)other)->phase == PHASE_SOAKING &&
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

/* ---- what workers say ---- */

static void
on_reading(void *arg, uint64_t id, struct reading *r)
{
	struct engine *e = arg;

	if (judge_answer(e, id, r)) {
		/* It was a check's own probe. */
	} else {
		(void)watch_answer(e, id);
		board_feed(e->board, r);
	}
	engine_dirty(e);
	engine_arm(e);
}

static void
on_op_done(void *arg, uint64_t id, const struct op_result *res)
{
	struct engine *e = arg;
	struct errand *errand = errand_of(e, id);
	struct event ev = { .kind = EV_OP };
	char **text;

	if (errand == NULL)
		return;
	ev.now_ms = engine_now_ms(e);
	ev.step = errand->step;
	ev.op = errand->op;
	ev.verb = errand->verb;
	ev.outcome = res->outcome;
	ev.before_sha = res->before_sha;
	ev.after_sha = res->after_sha;
	ev.why = res->why;
	if (errand->verb == OPV_OBSERVE || res->text != NULL) {
		text = &e->memory[errand->step].texts[errand->op];
		free(*text);
		*text = mem_strdup(res->text == NULL ? "" : res->text);
	}
	errand_end(e, errand);
	if (ev.verb == OPV_APPLY || ev.verb == OPV_UNDO)
		watch_all_soon(e);
	engine_feed(e, &ev);
}

static void
on_op_text(void *arg, uint64_t id, const char *bytes, size_t len)
{
	struct engine *e = arg;
	struct errand *errand = errand_of(e, id);

	if (errand == NULL)
		return;
	if (len > OUTPUT_MAX) {
		bytes += len - OUTPUT_MAX;
		len = OUTPUT_MAX;
	}
	if (errand->output.len + len > OUTPUT_MAX)
		buf_drop(&errand->output, errand->output.len + len - OUTPUT_MAX);
	(void)buf_put(&errand->output, bytes, len);
	engine_dirty(e);
}

static void
on_host(void *arg, int host, const struct host_view *v, enum host_need need,
    const char *subject, const char *keytype)
{
	struct engine *e = arg;
	const char *name = e->fleet->hosts[host].name;
	char title[256], detail[512];

	board_host(e->board, host, v);
	switch (need) {
	case HOST_NEEDS_NOTHING:
		break;
	case HOST_NEEDS_KEY_ACCEPTED:
		(void)snprintf(title, sizeof(title), "host '%s' shows a key that is not known yet", name);
		(void)snprintf(detail, sizeof(detail), "%s %s", keytype == NULL ? "" : keytype,
		    subject == NULL ? "" : subject);
		(void)engine_put_ask(e, ASK_HOST_KEY, host, subject, title, detail, false);
		break;
	case HOST_NEEDS_PASSPHRASE:
		(void)snprintf(title, sizeof(title), "passphrase for %s (host '%s')",
		    subject == NULL ? "its key" : subject, name);
		(void)engine_put_ask(e, ASK_PASSPHRASE, host, subject, title, NULL, false);
		break;
	case HOST_KEY_CHANGED:
		engine_tell(e, TELL_ERROR, "host '%s': its key has changed, refused: %s", name, v->why);
		break;
	}
	engine_dirty(e);
	engine_arm(e);
}

static bool
looked_for(const struct engine *e, int step, enum op_verb verb)
{
	enum phase phase = rollout_step(e->rollout, step)->phase;

	return verb == OPV_OBSERVE ? phase == PHASE_PREVIEWING :
	    verb != OPV_RECORD || phase == PHASE_DOUBT;
}

static void
on_lost(void *arg, uint64_t id)
{
	struct engine *e = arg;
	struct errand *errand = errand_of(e, id);
	struct event ev = { .kind = EV_LOST, .why = "the worker that carried it out is gone" };

	if (errand != NULL) {
		ev.now_ms = engine_now_ms(e);
		ev.step = errand->step;
		ev.op = errand->op;
		ev.verb = errand->verb;
		errand_end(e, errand);
		/* A look that nobody waits for any more says nothing about the op that is out now. */
		if (looked_for(e, ev.step, ev.verb))
			engine_feed(e, &ev);
		return;
	}
	if (!judge_lost(e, id))
		(void)watch_lost(e, id);
	engine_arm(e);
}

static void
on_began(void *arg, int worker)
{
	(void)worker;
	engine_dirty(arg);
}

static const struct workers_events worker_events = {
	on_reading, on_op_done, on_op_text, on_host, on_lost, on_began,
};

/* ---- the verbs ---- */

static int
may_change(const struct engine *e, struct err *err)
{
	if (e->plan == NULL)
		return err_set(err, "there is no plan; give one with -p");
	if (e->options.read_only)
		return err_set(err, "this belay only looks (%s%s)",
		    e->lock_holder == NULL ? "--read-only" : "the lock is held by ",
		    e->lock_holder == NULL ? "" : e->lock_holder);
	return 0;
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
			errand_end(e, &e->errands[i]);
		}
	ev.now_ms = engine_now_ms(e);
	engine_feed(e, &ev);
	return 0;
}

int
engine_ask(struct engine *e, enum verb verb, int step, struct err *err)
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
	if (verb != VERB_PREVIEW && may_change(e, err) != 0)
		return -1;
	if (!rollout_may(e->rollout, verb, step, &why))
		return err_set(err, "%s", why);
	if (e->waiting_step != NONE)
		return err_set(err, "step '%s' is being made ready", e->plan->steps[e->waiting_step].id);
	rc = verb == VERB_PREVIEW ? 0 : past_begin_run(e, err);
	/* Who only looks makes no certificate for it: the values stand by their names. */
	if (rc == 0 && !e->options.read_only &&
	    (verb == VERB_PREVIEW || verb == VERB_APPLY || verb == VERB_RETRY))
		rc = material_need(e, step, err);
	if (rc == 1) {
		/* It is asked again when what it waits for is there. */
		e->waiting_step = step;
		e->waiting_verb = verb;
		return 0;
	}
	return rc == 0 ? feed_verb(e, verb, step) : -1;
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
	if (step == NONE)
		return;
	if (!ok)
		engine_tell(e, TELL_ERROR, "step '%s': %s", e->plan->steps[step].id, why);
	else if (engine_ask(e, e->waiting_verb, step, &err) != 0)
		engine_tell(e, TELL_ERROR, "%s", err.msg);
	engine_dirty(e);
}

int
engine_waive(struct engine *e, int step, const char *check, const char *reason, struct err *err)
{
	const struct step *s;
	struct step_memory *m;
	char *text;
	size_t i;
	int rc;

	if (may_change(e, err) != 0)
		return -1;
	if (step < 0 || (size_t)step >= e->plan->nsteps)
		return err_set(err, "there is no such step");
	if (reason == NULL || *reason == '\0')
		return err_set(err, "a check is waived only with a reason");
	s = &e->plan->steps[step];
	m = &e->memory[step];
	for (i = 0; i < s->nrequires + s->ngates; i++) {
		bool guard = i < s->nrequires;
		size_t k = guard ? i : i - s->nrequires;
		char **slot = guard ? &m->waived_guards[k] : &m->waived_gates[k];

		if (strcmp(guard ? s->requires[k].name : s->gates[k].name, check) != 0)
			continue;
		text = mem_printf("%s: %s", check, reason);
		rc = past_note(e, step, "waive", text, err);
		free(text);
		if (rc != 0)
			return -1;
		free(*slot);
		*slot = mem_strdup(reason);
		engine_dirty(e);
		engine_arm(e);
		return 0;
	}
	return err_set(err, "step '%s' has no check '%s'", s->id, check);
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

const struct ops *
engine_ops(const struct engine *e, int step)
{
	return &e->memory[step].ops;
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

static void
on_signal(uv_signal_t *handle, int signal)
{
	struct engine *e = handle->data;

	if (++e->interrupts > 1 || e->events == NULL || e->events->interrupt == NULL)
		engine_stop(e);
	else
		e->events->interrupt(e->arg, signal);
}

/* ---- life ---- */

static int
read_file(const char *path, char **ret, size_t *ret_len, struct err *err)
{
	struct buf b;
	char chunk[8192];
	ssize_t n;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY)) == -1)
		return err_set(err, "cannot open '%s': %s", path, strerror(errno));
	buf_init(&b, FLEET_FILE_MAX + 1);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_put(&b, chunk, (size_t)n) != 0)
			break;
	(void)close(fd);
	if (n == -1) {
		buf_release(&b);
		return err_set(err, "cannot read '%s': %s", path, strerror(errno));
	}
	*ret = buf_take(&b, ret_len);
	return 0;
}

static char *
who_am_i(void)
{
	const struct passwd *pw = getpwuid(getuid());
	char host[256];

	if (gethostname(host, sizeof(host)) != 0)
		(void)snprintf(host, sizeof(host), "?");
	host[sizeof(host) - 1] = '\0';
	if (pw != NULL)
		return mem_printf("%s@%s", pw->pw_name, host);
	return mem_printf("%ld@%s", (long)getuid(), host);
}

static int
memory_init(struct engine *e, struct err *err)
{
	const struct op_shape **shapes = mem_array(e->plan->nsteps, sizeof(*shapes));
	size_t *nops = mem_array(e->plan->nsteps, sizeof(*nops));
	struct op_shape *all;
	size_t i, k;
	int rc = 0;

	e->memory = mem_array(e->plan->nsteps, sizeof(*e->memory));
	for (i = 0; i < e->plan->nsteps; i++) {
		const struct step *s = &e->plan->steps[i];
		struct step_memory *m = &e->memory[i];
		struct err step_err;

		m->guards = mem_array(s->nrequires, sizeof(*m->guards));
		m->gates = mem_array(s->ngates, sizeof(*m->gates));
		m->waived_guards = mem_array(s->nrequires, sizeof(*m->waived_guards));
		m->waived_gates = mem_array(s->ngates, sizeof(*m->waived_gates));
		/* A step that needs what is not built has no ops; the rollout refuses it. */
		if (s->not_yet == NULL && fill_ops(e, (int)i, PREVIEW_RUN, false, &step_err) != 0) {
			rc = err_set(err, "step '%s': %s", s->id, step_err.msg);
			break;
		}
		m->texts = mem_array(m->ops.n, sizeof(*m->texts));
		all = mem_array(m->ops.n, sizeof(*all));
		for (k = 0; k < m->ops.n; k++) {
			const struct op *op = &m->ops.v[k];

			all[k].host = op->host;
			all[k].unit = op->unit;
			all[k].activates = op->kind == OP_ACTIVATE;
			all[k].command = op->kind == OP_ACTIVATE || op->kind == OP_RUN;
			all[k].idempotent = op->idempotent;
		}
		shapes[i] = all;
		nops[i] = m->ops.n;
	}
	if (rc == 0)
		e->rollout = rollout_new(e->plan, shapes, nops);
	for (i = 0; i < e->plan->nsteps; i++) {
		union { const struct op_shape *c; struct op_shape *m; } cast = { .c = shapes[i] };

		free(cast.m);
	}
	free(shapes);
	free(nops);
	return rc;
}

int
engine_new(struct engine **ret, const struct engine_options *options, struct err *err)
{
	struct engine *e = mem_alloc(sizeof(*e));
	char *text = NULL;
	size_t len;

	e->options = *options;
	e->fleet_path = mem_strdup(options->fleet_path);
	e->plan_path = mem_strdup(options->plan_path);
	e->ssh_config = mem_strdup(options->ssh_config);
	e->program = mem_strdup(options->program);
	e->waiting_step = NONE;
	if (uv_loop_init(&e->loop) != 0) {
		(void)err_set(err, "cannot make an event loop");
		goto fail;
	}
	e->loop_open = true;
	(void)uv_timer_init(&e->loop, &e->timer);
	(void)uv_idle_init(&e->loop, &e->changed_idle);
	(void)uv_timer_init(&e->loop, &e->wake);
	(void)uv_signal_init(&e->loop, &e->on_int);
	(void)uv_signal_init(&e->loop, &e->on_term);
	e->timer.data = e->changed_idle.data = e->wake.data = e;
	e->on_int.data = e->on_term.data = e;
	if (read_file(e->fleet_path, &e->fleet_text, &e->fleet_len, err) != 0 ||
	    fleet_parse(&e->fleet, e->fleet_path, e->fleet_text, e->fleet_len, err) != 0)
		goto fail;
	if (e->plan_path != NULL) {
		if (read_file(e->plan_path, &text, &len, err) != 0 ||
		    plan_parse(&e->plan, e->fleet, e->plan_path, text, len, err) != 0)
			goto fail;
		digest_sha256_hex(text, len, e->plan->sha256);
		if (memory_init(e, err) != 0)
			goto fail;
	}
	free(text);
	e->who = who_am_i();
	e->board = board_new(e->fleet);
	e->certs = mem_array(e->fleet->ncerts, sizeof(*e->certs));
	e->secret_given = mem_array(e->fleet->nsecrets, sizeof(*e->secret_given));
	watch_init(e);
	*ret = e;
	return 0;
fail:
	free(text);
	engine_free(e);
	return -1;
}

int
engine_start(struct engine *e, const struct engine_events *events, void *arg, bool *ret_locked,
    struct err *err)
{
	struct workers_config wc = {
		.loop = &e->loop, .fleet = e->fleet, .fleet_text = e->fleet_text,
		.fleet_len = e->fleet_len, .ssh_config = e->ssh_config,
		.program = e->program, .events = &worker_events, .arg = e,
	};
	struct effects fx = { 0 };

	e->events = events;
	e->arg = arg;
	*ret_locked = false;
	if ((e->thread = thread_new(&e->loop, err)) == NULL)
		return -1;
	if (past_open(e, ret_locked, err) != 0)
		return -1;
	if (workers_start(&e->workers, &wc, err) != 0)
		return -1;
	e->started = true;
	if (events != NULL && events->interrupt != NULL) {
		(void)uv_signal_start(&e->on_int, on_signal, SIGINT);
		(void)uv_signal_start(&e->on_term, on_signal, SIGTERM);
	}
	material_start(e);
	/* Who only looks sees an interrupted run as one, unless its holder is still at it; and settles nothing. */
	if (e->rollout != NULL && e->run_open && (!e->options.read_only || e->lock_holder == NULL)) {
		rollout_resume(e->rollout, engine_now_ms(e), &fx);
		if (e->options.read_only)
			effects_release(&fx);
		else
			carry_out(e, &fx);
	}
	engine_dirty(e);
	engine_arm(e);
	return 0;
}

void
engine_run(struct engine *e)
{
	(void)uv_run(&e->loop, UV_RUN_DEFAULT);
}

void
engine_stop(struct engine *e)
{
	uv_stop(&e->loop);
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
memory_release(struct engine *e)
{
	size_t i, k;

	for (i = 0; e->memory != NULL && i < e->plan->nsteps; i++) {
		struct step_memory *m = &e->memory[i];

		for (k = 0; m->texts != NULL && k < m->ops.n; k++)
			free(m->texts[k]);
		for (k = 0; m->waived_guards != NULL && k < e->plan->steps[i].nrequires; k++)
			free(m->waived_guards[k]);
		for (k = 0; m->waived_gates != NULL && k < e->plan->steps[i].ngates; k++)
			free(m->waived_gates[k]);
		free(m->texts);
		free(m->waived_guards);
		free(m->waived_gates);
		free(m->guards);
		free(m->gates);
		ops_release(&m->ops);
	}
	free(e->memory);
}

void
engine_free(struct engine *e)
{
	size_t i;

	if (e == NULL)
		return;
	e->stopping = true;
	while (e->njudgings > 0)
		judge_end(e, e->judgings[0].step);
	workers_stop(e->workers);
	thread_free(e->thread);		/* what is queued for the journal is written first */
	past_release(e);
	if (e->loop_open) {
		uv_walk(&e->loop, close_handle, NULL);
		(void)uv_run(&e->loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&e->loop);
	}
	for (i = 0; i < e->nerrands; i++)
		buf_release(&e->errands[i].output);
	for (i = 0; i < e->nasks; i++)
		free(e->asks[i].subject);
	material_release(e);
	if (e->plan != NULL)
		memory_release(e);
	rollout_free(e->rollout);
	board_free(e->board);
	plan_free(e->plan);
	fleet_free(e->fleet);
	free(e->errands);
	free(e->asks);
	free(e->judgings);
	free(e->slots);
	free(e->secret_given);
	free(e->fleet_text);
	free(e->fleet_path);
	free(e->plan_path);
	free(e->ssh_config);
	free(e->program);
	free(e->who);
	free(e->lock_holder);
	free(e->state_dir);
	free(e);
}
