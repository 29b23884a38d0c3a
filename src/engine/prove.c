/*
 * prove: the proof while a run is under way.  Owns the questions that are
 * asked of the posture at hand: is the rest of the plan safe from here; may a
 * step be taken back, or applied again, out of its turn?
 *
 * The posture at hand is what the run believes (the plan's start and the
 * steps that stand), overlaid with what was seen on hosts, and of the settings of servers,
 * since the run's last change: where the two contradict each other, what was seen counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/engine_int.h"

#define TURN_LIVES_MS 1000	/* an answer about turns is good for that long, unless something happens */
#define NAMED_MAX 3		/* links that a refusal names */

static bool
stands(const struct engine *e, int step)
{
	enum phase phase = rollout_step(e->rollout, step)->phase;

	switch (phase) {
	case PHASE_APPLYING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_DOUBT:
	case PHASE_UNDOING:
	case PHASE_STUCK:
		return true;
	case PHASE_FAULTED:
		/* One that came to nothing is still to come: it contradicts nobody. */
		return rollout_wrote(e->rollout, step);
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_GUARDING:
	case PHASE_SKIPPED:
	case PHASE_RESTORED:
		return false;
	}
	return false;
}

static int64_t
last_change_ms(const struct engine *e)
{
	int64_t last = 0;
	size_t i, k;

	for (i = 0; i < e->plan->nsteps; i++) {
		const struct step_view *v = rollout_step(e->rollout, (int)i);

		for (k = 0; k < v->nops; k++)
			if (v->ops[k].state != OPS_WAITING && v->ops[k].since_ms > last)
				last = v->ops[k].since_ms;
	}
	return last;
}

struct overlay {
	const struct engine *e;
	struct posture *p;
	const struct step *but;	/* facets that this step moves are left alone; or NULL */
	size_t	 n;
};

static bool
moves(const struct engine *e, const struct step *step, const struct change *seen)
{
	struct change *v;
	size_t i, k, n;
	bool found = false;

	for (i = 0; i < step->nmoves && !found; i++) {
		posture_changes(e->fleet, &step->moves[i], &v, &n);
		for (k = 0; k < n; k++)
			found = found || (v[k].facet == seen->facet && v[k].subject == seen->subject);
		free(v);
	}
	return found;
}

static void
lay_over(void *arg, const struct change *seen)
{
	struct overlay *o = arg;
	int believed = seen->facet == FACET_ACCEPT ? (int)o->p->accept[seen->subject] :
	    (int)o->p->dial[seen->subject];

	if (believed == seen->value || (o->but != NULL && moves(o->e, o->but, seen)))
		return;
	if (believed != (seen->facet == FACET_ACCEPT ? (int)ACCEPT_UNKNOWN : (int)DIAL_UNKNOWN))
		o->n++;
	posture_change(o->p, seen);
	/* What the run knows nothing of is not taken for absent. */
	if (seen->facet == FACET_ACCEPT && seen->value != ACCEPT_PLAIN && o->p->cert[seen->subject] == NONE)
		o->p->cert[seen->subject] = CERT_UNKNOWN;
	if (seen->facet == FACET_DIAL && o->p->trust[seen->subject] == NONE &&
	    (seen->value == DIAL_VERIFY_CA || seen->value == DIAL_VERIFY_FULL))
		o->p->trust[seen->subject] = CERT_UNKNOWN;
}

/*
 * A CA file that several links read is as it was before the step, whoever else was given it
 * since: the step after it found it written.
 */
static void
files_go_back(const struct engine *e, int step, const struct posture *before, struct posture *p)
{
	const struct step *s = &e->plan->steps[step];
	struct change *v;
	size_t i, k, n;

	for (i = 0; i < s->nmoves; i++) {
		if (s->moves[i].facet != FACET_TRUST || !e->fleet->links[s->moves[i].subject].trust_shared)
			continue;
		posture_changes(e->fleet, &s->moves[i], &v, &n);
		for (k = 0; k < n; k++)
			if (p->trust[v[k].subject] == v[k].value)
				p->trust[v[k].subject] = before->trust[v[k].subject];
		free(v);
	}
}

/* The posture at hand, as if step `but` (or NONE) did not stand.  Returns how many facets contradict the run. */
static size_t
at_hand(const struct engine *e, int but, struct posture *ret)
{
	struct overlay o = { .e = e, .p = ret, .but = but == NONE ? NULL : &e->plan->steps[but] };
	struct posture before = { 0 };
	size_t i;

	posture_from(ret, e->fleet, e->plan);
	for (i = 0; i < e->plan->nsteps; i++) {
		if ((int)i == but) {
			posture_init(&before, e->fleet);
			posture_copy(&before, ret);
		} else if (stands(e, (int)i))
			posture_step(ret, e->fleet, &e->plan->steps[i]);
	}
	if (but != NONE) {
		files_go_back(e, but, &before, ret);
		posture_release(&before);
	}
	board_each_seen(e->board, last_change_ms(e), lay_over, &o);
	return o.n;
}

/* ---- the rest of the plan ------------------------------------------------------ */

/* The steps that still come, in order: what stands or was skipped is left out. */
static void
rest_of_plan(const struct engine *e, struct plan *ret, int **ret_step)
{
	size_t i;

	*ret = *e->plan;
	ret->steps = mem_array(e->plan->nsteps + 1, sizeof(*ret->steps));
	*ret_step = mem_array(e->plan->nsteps + 1, sizeof(**ret_step));
	ret->nsteps = 0;
	for (i = 0; i < e->plan->nsteps; i++)
		if (!stands(e, (int)i) && rollout_step(e->rollout, (int)i)->phase != PHASE_SKIPPED) {
			(*ret_step)[ret->nsteps] = (int)i;
			ret->steps[ret->nsteps++] = e->plan->steps[i];
		}
}

/* Step numbers of a part of the plan become those of the plan. */
static void
renumber(struct proof *p, const int *step)
{
	size_t i, k;

	for (i = 0; i < p->ncounters; i++) {
		struct counter *c = &p->counters[i];

		c->step = c->step == NONE ? NONE : step[c->step];
		c->drained = c->drained == NONE ? NONE : step[c->drained];
		c->fix_step = c->fix_step == NONE ? NONE : step[c->fix_step];
		c->fix_after = c->fix_after == NONE ? NONE : step[c->fix_after];
		for (k = 0; k < c->nway; k++) {
			c->way[k].step = step[c->way[k].step];
			c->way[k].last = step[c->way[k].last];
		}
	}
}

static void
prove_rest(const struct engine *e, struct proof *ret)
{
	struct posture p;
	struct plan rest;
	int *step;

	(void)at_hand(e, NONE, &p);
	rest_of_plan(e, &rest, &step);
	proof_run(ret, e->fleet, &rest, &p, 0);
	renumber(ret, step);
	free(rest.steps);
	free(step);
	posture_release(&p);
}

void
prove_check(struct engine *e, bool others_stand, struct check_result *ret)
{
	struct proof p;
	struct buf b;
	size_t i, first;

	memset(ret, 0, sizeof(*ret));
	if (!others_stand) {
		ret->judgement = CHECK_PENDING;
		(void)snprintf(ret->why, sizeof(ret->why), "comes after the other checks");
		return;
	}
	prove_rest(e, &p);
	/* Who is stranded already is not stranded by what comes. */
	for (first = 0; first < p.ncounters && p.counters[first].step == NONE; first++)
		;
	buf_init(&b, 0);
	if (first < p.ncounters) {
		ret->judgement = CHECK_FAIL;
		counter_line(&b, e->fleet, e->plan, &p.counters[first]);
		(void)snprintf(ret->why, sizeof(ret->why), "%s", buf_str(&b));
	} else if (p.unknown.n > 0) {
		ret->judgement = CHECK_INCONCLUSIVE;
		for (i = 0; i < p.unknown.n && i < NAMED_MAX; i++)
			(void)buf_printf(&b, "%s%s", i > 0 ? ", " : "", e->fleet->links[p.unknown.v[i]].name);
		(void)snprintf(ret->why, sizeof(ret->why), "what becomes of %s%s is not known",
		    buf_str(&b), p.unknown.n > NAMED_MAX ? ", …" : "");
	} else {
		ret->judgement = CHECK_PASS;
		(void)snprintf(ret->why, sizeof(ret->why), "%zu links, %zu states", p.nlinks, p.nstates);
	}
	buf_release(&b);
	proof_release(&p);
}

/* ---- out of turn ------------------------------------------------------------------ */

/* A later step that stands has moved the same facet, or written the same whole file. */
static int
overlaps(const struct engine *e, int step)
{
	const struct step *s = &e->plan->steps[step];
	size_t t, i, k, n, a, b;
	struct change *v;
	bool same;

	for (t = (size_t)step + 1; t < e->plan->nsteps; t++) {
		if (!stands(e, (int)t))
			continue;
		same = false;
		for (i = 0; i < e->plan->steps[t].nmoves && !same; i++) {
			posture_changes(e->fleet, &e->plan->steps[t].moves[i], &v, &n);
			for (k = 0; k < n; k++)
				same = same || moves(e, s, &v[k]);
			free(v);
		}
		for (a = 0; a < e->memory[t].ops.n && !same; a++)
			for (b = 0; b < e->memory[step].ops.n; b++) {
				const struct op *x = &e->memory[t].ops.v[a], *y = &e->memory[step].ops.v[b];

				same = same || (x->kind == OP_FILE && y->kind == OP_FILE && x->host == y->host &&
				    strcmp(x->path, y->path) == 0);
			}
		if (same)
			return (int)t;
	}
	return NONE;
}

static bool
waived(const struct engine *e, int step)
{
	const struct step *s = &e->plan->steps[step];
	size_t i;

	for (i = 0; i < s->nrequires; i++)
		if (s->requires[i].kind == CHECK_PROOF && e->memory[step].waived_guards[i] != NULL)
			return true;
	return false;
}

/* Names who would be stranded by the step's being taken back, or applied, now.  How many. */
static size_t
would_strand(const struct engine *e, enum verb verb, int step, struct buf *out)
{
	struct plan one = *e->plan;
	struct posture now, from;
	struct proof p;
	size_t i, n = 0;

	(void)at_hand(e, NONE, &now);
	(void)at_hand(e, step, &from);
	one.steps = &e->plan->steps[step];
	one.nsteps = 1;
	/* Without the step; with part of it; with all of it, which is now: the way back passes there. */
	proof_run(&p, e->fleet, &one, verb == VERB_UNDO ? &from : &now, 0);
	for (i = 0; i < p.ncounters; i++) {
		const struct counter *c = &p.counters[i];

		if (posture_verdict(e->fleet, &now, c->link, NULL) <= VERDICT_HANGS)
			continue;
		if (n++ < NAMED_MAX)
			(void)buf_printf(out, "%s%s (%s%s: %s)", n > 1 ? ", " : "", e->fleet->links[c->link].name,
			    verdict_word(c->verdict), c->in_flight ? " on the way" : "", c->why == NULL ? "" : c->why);
	}
	if (n > NAMED_MAX)
		(void)buf_printf(out, " and %zu more", n - NAMED_MAX);
	proof_release(&p);
	posture_release(&now);
	posture_release(&from);
	return n;
}

static bool
judge_turn(struct engine *e, enum verb verb, int step, char *why, size_t size)
{
	struct buf b;
	size_t n;
	int other;

	if (verb == VERB_UNDO && (other = overlaps(e, step)) != NONE) {
		(void)snprintf(why, size, "step '%s' moved the same after it; undo that first",
		    e->plan->steps[other].id);
		return false;
	}
	if (waived(e, step))
		return true;
	buf_init(&b, 0);
	n = would_strand(e, verb, step, &b);
	if (n > 0)
		(void)snprintf(why, size, "out of its turn this would strand %s; undo what was applied after it, "
		    "or waive the check 'proof' of this step", buf_str(&b));
	buf_release(&b);
	return n == 0;
}

bool
prove_turn(void *arg, enum verb verb, int step, char *why, size_t size)
{
	struct engine *e = arg;
	int64_t now = engine_now_ms(e);
	struct turn *t = &e->turn;

	/* Screens ask at each paint. */
	if (t->at_ms == 0 || t->verb != verb || t->step != step || now - t->at_ms > TURN_LIVES_MS ||
	    now < t->at_ms) {
		t->verb = verb;
		t->step = step;
		t->at_ms = now;
		t->why[0] = '\0';
		t->ok = judge_turn(e, verb, step, t->why, sizeof(t->why));
	}
	(void)snprintf(why, size, "%s", t->why);
	return t->ok;
}

/* ---- what faces read --------------------------------------------------------------- */

static void
mix(uint64_t *hash, int value)
{
	size_t i;

	for (i = 0; i < sizeof(value); i++)
		*hash = (*hash ^ ((unsigned)value >> (8 * i) & 0xff)) * UINT64_C(1099511628211);
}

/* FNV-1a of the posture, and of the steps that still come from there; never 0. */
static uint64_t
rest_key(const struct engine *e, const struct posture *p)
{
	uint64_t hash = UINT64_C(14695981039346656037);
	size_t i;

	for (i = 0; i < p->nendpoints; i++) {
		mix(&hash, (int)p->accept[i]);
		mix(&hash, p->cert[i]);
	}
	for (i = 0; i < p->nlinks; i++) {
		mix(&hash, (int)p->dial[i]);
		mix(&hash, p->trust[i]);
		mix(&hash, p->present[i]);
	}
	for (i = 0; i < e->plan->nsteps; i++)
		mix(&hash, stands(e, (int)i) || rollout_step(e->rollout, (int)i)->phase == PHASE_SKIPPED);
	return hash | 1;
}

const struct proof *
engine_proof(struct engine *e)
{
	struct posture p;
	size_t contradicted;
	uint64_t of;

	if (e->plan == NULL)
		return NULL;
	contradicted = at_hand(e, NONE, &p);
	/* 0: the plan itself, as it begins. */
	of = contradicted == 0 ? 0 : rest_key(e, &p);
	posture_release(&p);
	if (e->proof_known && e->proof_of == of)
		return &e->proof;
	proof_release(&e->proof);
	/* A run that is as the plan has it is proven by the plan's own proof. */
	if (contradicted == 0)
		proof_run(&e->proof, e->fleet, e->plan, NULL, 0);
	else
		prove_rest(e, &e->proof);
	e->proof_known = true;
	e->proof_of = of;
	return &e->proof;
}

struct listing {
	const struct engine *e;
	const struct posture *believed;
	struct buf *out;
	size_t	 n;
};

static void
list_one(void *arg, const struct change *seen)
{
	struct listing *l = arg;
	const struct fleet *f = l->e->fleet;
	enum accept accept;
	enum dial dial;

	if (seen->facet == FACET_ACCEPT) {
		accept = l->believed->accept[seen->subject];
		if (accept == ACCEPT_UNKNOWN || (int)accept == seen->value)
			return;
		(void)buf_printf(l->out, "%s is set to accept %s; by the plan and its steps so far it accepts %s\n",
		    f->endpoints[seen->subject].name, accept_word((enum accept)seen->value), accept_word(accept));
	} else {
		dial = l->believed->dial[seen->subject];
		if (dial == DIAL_UNKNOWN || (int)dial == seen->value)
			return;
		(void)buf_printf(l->out, "%s is set to dial %s; by the plan and its steps so far it dials %s\n",
		    f->links[seen->subject].name, dial_word((enum dial)seen->value), dial_word(dial));
	}
	l->n++;
}

/* The last step in place that wrote it, whole; or NONE. */
static int
written_by(const struct engine *e, const struct change *seen)
{
	size_t i;

	for (i = e->plan->nsteps; i-- > 0;) {
		enum phase phase = rollout_step(e->rollout, (int)i)->phase;

		if (stands(e, (int)i) && moves(e, &e->plan->steps[i], seen))
			return phase == PHASE_DONE || phase == PHASE_SOAKING || phase == PHASE_PROVING ? (int)i : NONE;
	}
	return NONE;
}

/* What a step wrote, and is no value of its binding any more, was changed by somebody. */
static void
list_odd(void *arg, int host, const struct facet_seen *seen)
{
	struct listing *l = arg;
	const struct fleet *f = l->e->fleet;
	struct change c = { (enum facet)seen->facet, seen->subject, seen->value };
	int step = written_by(l->e, &c);

	if (step == NONE)
		return;
	(void)buf_printf(l->out, "%s: somebody changed on %s what step '%s' wrote: %s\n",
	    c.facet == FACET_ACCEPT ? f->endpoints[c.subject].name : f->links[c.subject].name, f->hosts[host].name,
	    l->e->plan->steps[step].id, seen->detail == NULL ? "it is none of the values that it is bound to" : seen->detail);
	l->n++;
}

size_t
engine_contradictions(const struct engine *e, struct buf *out)
{
	struct listing l = { .e = e, .out = out };
	struct posture p;
	size_t i;

	if (e->plan == NULL)
		return 0;
	posture_from(&p, e->fleet, e->plan);
	for (i = 0; i < e->plan->nsteps; i++)
		if (stands(e, (int)i))
			posture_step(&p, e->fleet, &e->plan->steps[i]);
	l.believed = &p;
	board_each_seen(e->board, last_change_ms(e), list_one, &l);
	board_each_odd(e->board, last_change_ms(e), list_odd, &l);
	posture_release(&p);
	return l.n;
}
