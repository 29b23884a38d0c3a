/*
 * judge: guards and gates while they are being judged.  Owns the judgings:
 * what a check needs is asked for, and asked for again until it passes or
 * the deadline is over; the rollout hears one answer.
 *
 * Invariants: only readings from since_ms on count; inconclusive and pending
 * are never a pass; a guard that fails on a fresh reading is refused at
 * once, a gate may take until its deadline (clients reconnect in their own
 * time); while soaking a breach has to last, since one reconnecting client
 * is no breach.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "engine/engine_int.h"

#define GUARD_DEADLINE_MS	15000
#define GATE_DEADLINE_MS	60000
#define VERIFY_DEADLINE_MS	20000
#define MET_DEADLINE_MS		10000
#define ASK_AGAIN_MS		500
#define SOAK_ASK_AGAIN_MS	2000
#define BREACH_MS		4000
#define CHECK_DEADLINE_MS	20000

static const struct check *
checks_of(const struct engine *e, const struct judging *j, size_t *ret_n)
{
	const struct step *step = &e->plan->steps[j->step];

	*ret_n = j->purpose == JUDGE_GUARD ? step->nrequires : step->ngates;
	return j->purpose == JUDGE_GUARD ? step->requires : step->gates;
}

static void
own_release(struct judging *j)
{
	size_t i;

	for (i = 0; i < j->n; i++)
		if (j->own[i].have)
			reading_release(&j->own[i].reading);
	free(j->own);
	j->own = NULL;
}

void
judge_end(struct engine *e, int step)
{
	size_t i, k;

	for (i = 0; i < e->njudgings;) {
		struct judging *j = &e->judgings[i];

		if (j->step != step) {
			i++;
			continue;
		}
		for (k = 0; k < j->n; k++)
			if (j->own[k].id != 0)
				workers_cancel(e->workers, j->own[k].id);
		own_release(j);
		memmove(j, j + 1, (e->njudgings - i - 1) * sizeof(*j));
		e->njudgings--;
	}
}

void
judge_begin(struct engine *e, int step, enum purpose purpose, int64_t since_ms)
{
	struct step_memory *m = &e->memory[step];
	struct check_result *results;
	const struct check *checks;
	struct judging *j;
	int64_t applied_ms;
	size_t i;

	judge_end(e, step);
	j = mem_push(&e->judgings, &e->njudgings, sizeof(*e->judgings));
	j->step = step;
	j->purpose = purpose;
	j->since_ms = since_ms;
	applied_ms = rollout_step(e->rollout, step)->applied_ms;
	j->step_ms = purpose != JUDGE_GUARD && applied_ms > 0 ? applied_ms : since_ms;
	checks = checks_of(e, j, &j->n);
	j->own = mem_array(j->n, sizeof(*j->own));
	j->deadline_ms = engine_now_ms(e) + (purpose == JUDGE_GUARD ? GUARD_DEADLINE_MS :
	    purpose == JUDGE_GATE ? GATE_DEADLINE_MS :
	    purpose == JUDGE_MET ? MET_DEADLINE_MS : VERIFY_DEADLINE_MS);
	for (i = 0; i < j->n; i++)
		if (purpose != JUDGE_MET && checks[i].deadline_ms > 0 &&
		    engine_now_ms(e) + checks[i].deadline_ms > j->deadline_ms)
			j->deadline_ms = engine_now_ms(e) + checks[i].deadline_ms;
	/* Of one that is seldom, the next has to come, and to be given its time. */
	for (i = 0; purpose != JUDGE_GUARD && i < e->plan->steps[step].ncanaries; i++) {
		const struct canary_terms *t = &e->plan->steps[step].canaries[i].terms;

		if (t->given && engine_now_ms(e) + 2 * (t->every_ms + t->hang_ms) > j->deadline_ms)
			j->deadline_ms = engine_now_ms(e) + 2 * (t->every_ms + t->hang_ms);
	}
	results = purpose == JUDGE_GUARD ? m->guards : m->gates;
	memset(results, 0, j->n * sizeof(*results));
	if (purpose == JUDGE_GUARD)
		m->guards_judged = true;
	else
		m->gates_judged = true;
	engine_arm(e);
}

static int
host_of_check(const struct engine *e, const struct check *c)
{
	if (c->host != NONE)
		return c->host;
	if (c->link != NONE)
		return link_host(e->fleet, &e->fleet->links[c->link]);
	if (c->endpoint != NONE) {
		const struct endpoint *ep = &e->fleet->endpoints[c->endpoint];

		if (c->kind == CHECK_LOG && ep->log_host != NONE)
			return ep->log_host;
		return ep->via != NONE ? ep->via : ep->host;
	}
	return NONE;
}

static void
ask_for(struct engine *e, struct judging *j, const struct check *c, size_t i, int64_t now_ms)
{
	struct wants w;
	size_t k;
	int host;

	check_wants(c, e->fleet, &w);
	/* Anything younger than what was judged last will do. */
	if (w.served)
		watch_soon(e, READING_SERVED, w.endpoint, now_ms);
	if (w.census)
		watch_soon(e, READING_CENSUS, w.endpoint, now_ms);
	for (k = 0; c->kind == CHECK_CENSUS && k < e->fleet->nlinks; k++) {
		const struct link *l = &e->fleet->links[k];

		if (l->endpoint != c->endpoint || (host = link_host(e->fleet, l)) == NONE)
			continue;
		watch_soon(e, READING_HOST, host, now_ms);
		if (e->fleet->clients[l->client].evidence == EVIDENCE_REHEARSAL)
			watch_soon(e, READING_REHEARSAL, (int)k, now_ms);
	}
	if (w.settings)
		watch_soon(e, READING_SETTINGS, w.endpoint, now_ms);
	if (w.host != NONE)
		watch_soon(e, READING_HOST, w.host, now_ms);
	if (w.own && j->own[i].id == 0) {
		struct check asked = *c;

		if (c->kind == CHECK_REHEARSAL)
			asked.known = board_dial_known(e->board, c->link);
		j->own[i].id = workers_check(e->workers, &asked, host_of_check(e, c), j->step_ms, CHECK_DEADLINE_MS);
	}
}

/* The first check that stands in the way, in words. */
static void
say_why(const struct check *checks, const struct check_result *results, size_t n, char *ret, size_t size)
{
	enum judgement worst[] = { CHECK_FAIL, CHECK_INCONCLUSIVE, CHECK_PENDING };
	size_t w, i;

	for (w = 0; w < sizeof(worst) / sizeof(worst[0]); w++)
		for (i = 0; i < n; i++)
			if (results[i].judgement == worst[w]) {
				(void)snprintf(ret, size, "%s: %s%s", checks[i].name,
				    worst[w] == CHECK_INCONCLUSIVE ? "inconclusive: " : "",
				    results[i].why);
				return;
			}
	(void)snprintf(ret, size, "nothing was judged");
}

static bool
stood(const struct check_result *r)
{
	return r->judgement == CHECK_PASS || r->judgement == CHECK_WAIVED || r->judgement == CHECK_NOT_TRIED;
}

/* A check that did not pass may be waived. */
static void
count_one(const char *waived, struct check_result *r, size_t *passed, size_t *failed)
{
	if (r->judgement != CHECK_PASS && r->judgement != CHECK_NOT_TRIED && waived != NULL) {
		r->judgement = CHECK_WAIVED;
		(void)snprintf(r->why, sizeof(r->why), "waived: %s", waived);
	}
	*passed += stood(r);
	*failed += r->judgement == CHECK_FAIL;
}

/* True when the rollout was answered (and the judging is gone or was changed). */
static bool
judge_one(struct engine *e, struct judging *j, int64_t now_ms)
{
	struct step_memory *m = &e->memory[j->step];
	struct check_result *results = j->purpose == JUDGE_GUARD ? m->guards : m->gates;
	char **waived = j->purpose == JUDGE_GUARD ? m->waived_guards : m->waived_gates;
	const struct check *checks;
	struct event ev = { 0 };
	char why[1024];
	size_t i, n, passed = 0, failed = 0, others = 0;
	bool ask_now = now_ms >= j->next_ask_ms;

	checks = checks_of(e, j, &n);
	for (i = 0; i < n; i++)
		if (checks[i].kind != CHECK_PROOF) {
			if (checks[i].kind == CHECK_CANARY)
				canaries_check(e, j->step, &checks[i], j->since_ms, j->soaking, &results[i]);
			else
				check_judge(&checks[i], e->fleet, e->board, j->own[i].have ? &j->own[i].reading : NULL,
				    /* Who was made to come came while it was being applied. */
				    checks[i].kind == CHECK_SEEN && j->purpose != JUDGE_GUARD && m->began_ms > 0 ?
				    m->began_ms : j->since_ms, &results[i]);
			(void)insist_attested(e, j->step, &checks[i], &results[i]);
			count_one(waived[i], &results[i], &passed, &failed);
			others++;
			if (ask_now && (j->soaking || !stood(&results[i])))
				ask_for(e, j, &checks[i], i, now_ms);
		}
	for (i = 0; i < n; i++)
		if (checks[i].kind == CHECK_PROOF) {
			prove_check(e, passed == others, &results[i]);
			count_one(waived[i], &results[i], &passed, &failed);
		}
	if (ask_now)
		j->next_ask_ms = now_ms + (j->soaking ? SOAK_ASK_AGAIN_MS : ASK_AGAIN_MS);
	engine_dirty(e);
	ev.now_ms = now_ms;
	ev.step = j->step;
	ev.ok = passed == n;
	if (j->soaking) {
		j->since_ms = now_ms - SOAK_ASK_AGAIN_MS * 4 > j->since_ms ?
		    now_ms - SOAK_ASK_AGAIN_MS * 4 : j->since_ms;
		if (failed == 0)
			j->failing_since_ms = 0;
		else if (j->failing_since_ms == 0)
			j->failing_since_ms = now_ms;
		if (failed > 0 && now_ms - j->failing_since_ms < BREACH_MS)
			return false;
		if (passed == n)
			j->unsure_since_ms = 0;
		else if (j->unsure_since_ms == 0)
			j->unsure_since_ms = now_ms;
		/* A gap; the rollout restarts the soak when it lasts, but that has an end too. */
		if (failed == 0 && passed < n && now_ms - j->unsure_since_ms < GATE_DEADLINE_MS)
			return false;
	} else if (!ev.ok && now_ms < j->deadline_ms &&
	    !(j->purpose == JUDGE_GUARD && failed > 0))
		return false;
	if (!ev.ok) {
		say_why(checks, results, n, why, sizeof(why));
		ev.why = why;
	}
	switch (j->purpose) {
	case JUDGE_GUARD:
		ev.kind = EV_GUARD;
		break;
	case JUDGE_GATE:
		ev.kind = EV_GATE;
		if (ev.ok && !j->soaking && e->plan->steps[j->step].soak_ms > 0) {
			j->soaking = true;
			/* What the gate was shown by does not count for the soak. */
			j->since_ms = now_ms;
			j->next_ask_ms = now_ms + ASK_AGAIN_MS;
			engine_feed(e, &ev);
			return true;
		}
		if (ev.ok && j->soaking) {
			engine_feed(e, &ev);
			return true;
		}
		break;
	case JUDGE_VERIFY:
		judge_end(e, j->step);
		return true;
	case JUDGE_MET:
		/* Written and not in force, or not shown to be: it is applied like any other. */
		ev.kind = ev.ok ? EV_MET : EV_APPLY;
		judge_end(e, ev.step);
		break;
	}
	/* The effects that follow may end this judging: it is not used after. */
	if (j->purpose == JUDGE_GATE && !ev.ok)
		judge_end(e, ev.step);
	engine_feed(e, &ev);
	return true;
}

int64_t
judge_run(struct engine *e, int64_t now_ms)
{
	int64_t next = INT64_MAX;
	size_t i;

	for (i = 0; i < e->njudgings; i++) {
		if (e->judgings[i].soaking && now_ms < e->judgings[i].next_ask_ms)
			continue;
		if (judge_one(e, &e->judgings[i], now_ms))
			break;		/* the array may have changed; the timer comes again */
	}
	for (i = 0; i < e->njudgings; i++)
		if (e->judgings[i].next_ask_ms < next)
			next = e->judgings[i].next_ask_ms;
	return next;
}

static struct own_probe *
own_of(struct engine *e, uint64_t id)
{
	size_t i, k;

	for (i = 0; i < e->njudgings; i++)
		for (k = 0; k < e->judgings[i].n; k++)
			if (e->judgings[i].own[k].id == id)
				return &e->judgings[i].own[k];
	return NULL;
}

bool
judge_answer(struct engine *e, uint64_t id, struct reading *r)
{
	struct own_probe *own = own_of(e, id);

	if (own == NULL)
		return false;
	own->id = 0;
	if (own->have)
		reading_release(&own->reading);
	own->reading = *r;
	memset(r, 0, sizeof(*r));
	own->have = true;
	return true;
}

bool
judge_lost(struct engine *e, uint64_t id)
{
	struct own_probe *own = own_of(e, id);

	if (own == NULL)
		return false;
	own->id = 0;
	return true;
}

const struct check_result *
engine_results(const struct engine *e, int step, bool gate, size_t *ret_n)
{
	const struct step_memory *m = &e->memory[step];
	const struct step *s = &e->plan->steps[step];

	*ret_n = 0;
	if (!(gate ? m->gates_judged : m->guards_judged))
		return NULL;
	*ret_n = gate ? s->ngates : s->nrequires;
	return gate ? m->gates : m->guards;
}

bool
engine_judging(const struct engine *e, int step)
{
	size_t i;

	for (i = 0; i < e->njudgings; i++)
		if (e->judgings[i].step == step)
			return true;
	return false;
}
