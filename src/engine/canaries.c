/*
 * canaries: those of the step that is under way (core/canary.h).  Owns the
 * flights: what was seen of each so far, and the one question that is out for it.
 *
 * A canary flies from the moment at which its step is asked for until that
 * rests, and also while the step is verified.  Where it then still fails it
 * flies on, since how long clients failed is only known when one comes through again.  The worker
 * keeps what it dials with, and drops it when nobody asks any more.
 *
 * Invariants: a breach is told to the rollout once, from what a worker
 * reported; a worker that is gone is a gap, not a failure; nothing is written into the
 * journal for a verification.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/posture.h"
#include "core/standing.h"
#include "engine/engine_int.h"

#define REPORT_DEADLINE_MS	8000	/* a worker answers about once a second */
#define LOST_AGAIN_MS		500
#define FLIES_ON_MS		600000	/* after its step rests, while it fails */
#define POOLERS_DEEP		4
#define BLIND_AFTER_MS		3000	/* without a report */

static const struct step_canary *
declared(const struct engine *e, const struct flight *f)
{
	return &e->plan->steps[f->step].canaries[f->nth];
}

static const char *
link_name(const struct engine *e, const struct flight *f)
{
	return e->fleet->links[declared(e, f)->link].name;
}

static struct flight *
find(const struct engine *e, int step, size_t nth)
{
	size_t i;

	for (i = 0; i < e->nflights; i++)
		if (e->flights[i].step == step && e->flights[i].nth == nth)
			return &e->flights[i];
	return NULL;
}

/* ---- when ---- */

enum wish { WISH_NONE, WISH_END, WISH_FLY };

/* What its step's phase wants of a canary. */
static enum wish
wish_of(enum phase phase)
{
	switch (phase) {
	case PHASE_GUARDING:
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_UNDOING:
	case PHASE_DOUBT:
		return WISH_FLY;
	case PHASE_FAULTED:
	case PHASE_STUCK:
	case PHASE_RESTORED:
		return WISH_END;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_SKIPPED:
		return WISH_NONE;
	}
	return WISH_NONE;
}

static bool
goes_forward(enum phase phase)
{
	return phase == PHASE_GUARDING || phase == PHASE_APPLYING || phase == PHASE_PROVING || phase == PHASE_SOAKING;
}

static void
note(struct engine *e, const struct flight *f, const char *what, const char *text)
{
	char *line = mem_printf("%s: %s%s", link_name(e, f), what, text);
	int step = f->step;

	(void)past_note(e, step, "canary", line, NULL);
	free(line);
}

static void
land(struct engine *e, struct flight *f, int64_t now_ms)
{
	struct buf b = { 0 };

	if (f->over)
		return;
	f->over = true;
	f->over_ms = now_ms;
	if (f->id != 0)
		workers_cancel(e->workers, f->id);
	f->id = 0;
	if (f->verifies || f->canary.ok + f->canary.failed + f->canary.hung == 0)
		return;
	canary_summary(&b, &f->canary, now_ms);
	note(e, f, "", buf_str(&b));
	buf_release(&b);
	engine_dirty(e);
}

static void
take_off(struct engine *e, int step, size_t nth, bool verifies, int64_t now_ms)
{
	struct flight *f = find(e, step, nth);

	if (f == NULL)
		f = mem_push(&e->flights, &e->nflights, sizeof(*e->flights));
	memset(f, 0, sizeof(*f));
	f->step = step;
	f->nth = nth;
	f->verifies = verifies;
	canary_begin(&f->canary, &e->plan->steps[step].canaries[nth].terms, now_ms);
}

/* ---- what is known to cut ---- */

/* Does a new connection to the endpoint reach the other one, itself or through poolers? */
static bool
reaches(const struct fleet *f, int endpoint, int other, int deep)
{
	const struct client *c;
	size_t i, k;

	if (endpoint == other)
		return true;
	for (i = 0; i < f->nclients && deep < POOLERS_DEEP; i++) {
		c = &f->clients[i];
		for (k = 0; c->pools == endpoint && k < c->links.n; k++)
			if (reaches(f, f->links[c->links.v[k]].endpoint, other, deep + 1))
				return true;
	}
	return false;
}

static bool
op_cuts(const struct engine *e, const struct op *op, int endpoint)
{
	struct indices hit;
	bool cuts = false;
	size_t i;

	switch (op->kind) {
	case OP_ACTIVATE:
		if (e->fleet->units[op->unit].kind == UNIT_RELOAD)
			return false;
		standing_endpoints(&hit, e->fleet, op->unit);
		for (i = 0; i < hit.n && !cuts; i++)
			cuts = reaches(e->fleet, endpoint, hit.v[i], 0);
		free(hit.v);
		return cuts;
	case OP_DRAIN:
		return reaches(e->fleet, endpoint, op->endpoint, 0);
	case OP_RUN:
		return !op->read_only;
	case OP_ENV:
	case OP_FILE:
	case OP_CONF:
	case OP_BLOCK:
	case OP_URL:
	case OP_SETTING:
		return false;
	}
	return false;
}

/*
 * What is written for the client is not what it runs by before its unit is activated:
 * until then a new connection by its files may be one that nobody makes yet, or no more.
 */
static bool
between_two_postures(const struct engine *e, const struct flight *f)
{
	const struct client *c = &e->fleet->clients[e->fleet->links[declared(e, f)->link].client];
	const struct step_view *v = rollout_step(e->rollout, f->step);
	const struct ops *ops = &e->memory[f->step].ops;
	enum op_state done = v->phase == PHASE_UNDOING ? OPS_UNDONE : OPS_APPLIED;
	size_t i;

	if (c->unit == NONE || (v->phase != PHASE_APPLYING && v->phase != PHASE_UNDOING))
		return false;
	for (i = 0; i < ops->n && i < v->nops; i++)
		if (ops->v[i].kind == OP_ACTIVATE && ops->v[i].unit == c->unit && v->ops[i].state != done)
			return true;
	return false;
}

static bool
cut_expected(const struct engine *e, const struct flight *f)
{
	int endpoint = e->fleet->links[declared(e, f)->link].endpoint;
	const struct errand *x;
	size_t i;

	if (between_two_postures(e, f))
		return true;
	for (i = 0; i < e->nerrands; i++) {
		x = &e->errands[i];
		if ((x->verb == OPV_APPLY || x->verb == OPV_UNDO) &&
		    op_cuts(e, &e->memory[x->step].ops.v[x->op], endpoint))
			return true;
	}
	return false;
}

/* ---- the run of them ---- */

/* Begins, ends or keeps one, as its step's phase wants it. */
static void
mind(struct engine *e, int step, size_t nth, int64_t now_ms)
{
	enum phase phase = rollout_step(e->rollout, step)->phase;
	struct flight *f = find(e, step, nth);
	/* Who only looks has no step under way; it may be judged. */
	enum wish wish = e->options.read_only ? WISH_NONE : wish_of(phase);
	bool flies = f != NULL && !f->over;

	if (wish == WISH_FLY) {
		if (flies && (f->verifies || (f->rested && goes_forward(phase))))
			land(e, f, now_ms);
		/* Who is taken back without having been seen before has nothing to compare with. */
		if ((!flies || f->over) && goes_forward(phase))
			take_off(e, step, nth, false, now_ms);
		return;
	}
	if (engine_judging(e, step)) {
		if (!flies)
			take_off(e, step, nth, true, now_ms);
		return;
	}
	if (!flies)
		return;
	if (!f->rested) {
		f->rested = true;
		f->rested_ms = now_ms;
	}
	if (wish == WISH_NONE || f->verifies || f->canary.failing_since_ms == 0 || now_ms - f->rested_ms > FLIES_ON_MS)
		land(e, f, now_ms);
}

/* Is there a question out about the link?  One answers for all that it is a canary of. */
static bool
asked(const struct engine *e, int link)
{
	size_t i;

	for (i = 0; i < e->nflights; i++)
		if (e->flights[i].id != 0 && declared(e, &e->flights[i])->link == link)
			return true;
	return false;
}

/* How the link dials where no file of the client's host says it. */
static enum dial
otherwise(const struct engine *e, int link)
{
	const struct link *l = &e->fleet->links[link];
	struct posture now;
	enum dial dial;

	if (l->how == DIAL_BOUND || l->assumed != DIAL_UNKNOWN)
		return l->how == DIAL_BOUND ? DIAL_UNKNOWN : l->assumed;
	board_posture(e->board, &now);
	dial = now.dial[link];
	posture_release(&now);
	return dial;
}

int64_t
canaries_run(struct engine *e, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	struct canary_seen gap;
	struct flight *f;
	size_t i, k;

	if (e->rollout == NULL)
		return INT64_MAX;
	for (i = 0; i < e->plan->nsteps; i++)
		for (k = 0; k < e->plan->steps[i].ncanaries; k++)
			if (e->plan->steps[i].canaries[k].terms.given)
				mind(e, (int)i, k, now_ms);
	for (i = 0; i < e->nflights; i++) {
		f = &e->flights[i];
		if (f->over)
			continue;
		canary_expect(&f->canary, cut_expected(e, f), now_ms);
		if (f->id != 0) {
			/* Its worker is silent, or gone: nothing is seen meanwhile. */
			if (!f->canary.blind && now_ms - f->asked_ms > BLIND_AFTER_MS) {
				memset(&gap, 0, sizeof(gap));
				gap.saw = CANARY_BLIND;
				gap.at_ms = f->asked_ms;
				(void)snprintf(gap.why, sizeof(gap.why), "its worker does not answer");
				canary_see(&f->canary, &gap);
				engine_dirty(e);
			}
		} else if (f->due_ms <= now_ms && !asked(e, declared(e, f)->link)) {
			f->asked_ms = now_ms;
			f->id = workers_canary(e->workers, declared(e, f)->link, otherwise(e, declared(e, f)->link),
			    &f->canary.terms, REPORT_DEADLINE_MS);
		} else if (f->due_ms > now_ms && f->due_ms < next)
			next = f->due_ms;
		if (f->id != 0 && !f->canary.blind && f->asked_ms + BLIND_AFTER_MS + 1 < next)
			next = f->asked_ms + BLIND_AFTER_MS + 1;
	}
	return next;
}

static struct flight *
flight_of(struct engine *e, uint64_t id)
{
	size_t i;

	for (i = 0; i < e->nflights; i++)
		if (e->flights[i].id == id)
			return &e->flights[i];
	return NULL;
}

/* The gate's results say it, too, though nobody judges them any more. */
static void
show_breach(struct engine *e, const struct flight *f)
{
	const struct step *s = &e->plan->steps[f->step];
	struct check_result *results = e->memory[f->step].gates;
	size_t i;

	for (i = 0; e->memory[f->step].gates_judged && i < s->ngates; i++)
		if (s->gates[i].kind == CHECK_CANARY && s->gates[i].link == declared(e, f)->link)
			canaries_check(e, f->step, &s->gates[i], 0, false, &results[i]);
}

static void
tell_breach(struct engine *e, struct flight *f)
{
	struct event ev = { .kind = EV_BREACH, .now_ms = engine_now_ms(e), .step = f->step };
	char *why;

	f->told = true;
	if (f->verifies)
		return;
	note(e, f, "breached: ", f->canary.breach_why);
	show_breach(e, f);
	why = mem_printf("canary %s", link_name(e, f));
	if (engine_waiver(e, f->step, why) == NULL) {
		free(why);
		ev.why = why = mem_printf("canary %s: %s", link_name(e, f), f->canary.breach_why);
		engine_feed(e, &ev);
	}
	free(why);
}

bool
canaries_answer(struct engine *e, uint64_t id, const struct canary_report *r)
{
	struct flight *f = flight_of(e, id);
	int64_t now_ms = engine_now_ms(e);
	size_t i, k;
	int link;

	if (f == NULL)
		return false;
	f->id = 0;
	f->due_ms = now_ms;
	link = declared(e, f)->link;
	for (k = 0; k < e->nflights; k++) {
		f = &e->flights[k];
		if (f->over || declared(e, f)->link != link)
			continue;
		canary_expect(&f->canary, cut_expected(e, f), now_ms);
		for (i = 0; i < r->n; i++)
			canary_see(&f->canary, &r->v[i]);
	}
	/* At most one of them is of a step under way; what follows may move them all. */
	for (k = 0; k < e->nflights; k++) {
		f = &e->flights[k];
		if (!f->over && !f->told && f->canary.breached && declared(e, f)->link == link) {
			tell_breach(e, f);
			break;
		}
	}
	return true;
}

bool
canaries_lost(struct engine *e, uint64_t id)
{
	struct flight *f = flight_of(e, id);

	if (f == NULL)
		return false;
	f->id = 0;
	f->due_ms = engine_now_ms(e) + LOST_AGAIN_MS;
	return true;
}

void
canaries_check(const struct engine *e, int step, const struct check *check, int64_t since_ms, bool soaking,
    struct check_result *ret)
{
	const struct step *s = &e->plan->steps[step];
	const struct flight *f = NULL;
	const struct canary *c;
	struct buf b = { 0 };
	int64_t now_ms = engine_now_ms(e);
	size_t i;

	ret->judgement = CHECK_PENDING;
	for (i = 0; i < s->ncanaries; i++)
		if (s->canaries[i].link == check->link)
			f = find(e, step, i);
	if (f == NULL || f->over) {
		(void)snprintf(ret->why, sizeof(ret->why), "no new connection yet");
		return;
	}
	c = &f->canary;
	switch (canary_state(c)) {
	case CANARY_NOTHING:
		buf_puts(&b, "no new connection yet");
		break;
	case CANARY_WELL:
		/* While it soaks one that is asked for more seldom than the gate is has been asked for lately enough. */
		if (c->last_ok_ms >= (soaking ? since_ms - c->terms.every_ms : since_ms))
			ret->judgement = CHECK_PASS;
		else
			buf_puts(&b, "none since the step; ");
		canary_counts(&b, c);
		break;
	case CANARY_FAILING:
		if (canary_failed_ms(c, now_ms) > c->terms.breach_ms && c->in_a_row > 1)
			ret->judgement = CHECK_FAIL;
		buf_puts(&b, "none has come through for ");
		canary_time(&b, canary_failed_ms(c, now_ms) * 1000);
		buf_printf(&b, "%s%s", c->first_why[0] == '\0' ? "" : ": ", c->first_why);
		break;
	case CANARY_BREACHED:
		ret->judgement = CHECK_FAIL;
		buf_puts(&b, c->breach_why);
		break;
	case CANARY_IN_THE_DARK:
		ret->judgement = CHECK_INCONCLUSIVE;
		buf_printf(&b, "cannot look: %s", c->blind_why);
		break;
	}
	(void)snprintf(ret->why, sizeof(ret->why), "%s", buf_str(&b));
	buf_release(&b);
}

void
canaries_end(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->nflights; i++)
		land(e, &e->flights[i], engine_now_ms(e));
}

void
canaries_release(struct engine *e)
{
	free(e->flights);
	e->flights = NULL;
	e->nflights = 0;
}

size_t
engine_canaries(const struct engine *e, int step, struct canary_view *ret, size_t max)
{
	const struct flight *f;
	size_t i, n = 0;

	for (i = 0; i < e->plan->steps[step].ncanaries && n < max; i++) {
		if ((f = find(e, step, i)) == NULL)
			continue;
		ret[n].link = declared(e, f)->link;
		ret[n].canary = &f->canary;
		ret[n].over = f->over;
		ret[n].now_ms = f->over ? f->over_ms : engine_now_ms(e);
		n++;
	}
	return n;
}

bool
engine_canaries_fly(const struct engine *e)
{
	size_t i;

	for (i = 0; i < e->nflights; i++)
		if (!e->flights[i].over)
			return true;
	return false;
}
