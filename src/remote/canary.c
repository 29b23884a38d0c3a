/*
 * canary: see canary.h.
 *
 * Owns the pace: a connection is begun by the timer alone, so never more often than
 * declared, and behind a reading of the client's files where one is due: a reading that is
 * slow makes them fewer, not more.
 *
 * Invariants: at most CANARY_OUT_MAX connections are under way; what could not be
 * looked at is told as that; a report tells each sight once.
 */
#include "remote/canary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/mem.h"
#include "remote/canary_held.h"

#define READ_EVERY_MS	2000
#define READ_MS		5000
#define REPORT_MS	1000
#define PING_MIN_MS	1000	/* between questions on the held session */

struct out {			/* a connection under way */
	struct canary_run *run;
	struct rehearsal_call *call;
	int64_t	 at_ms;
};

struct canary_run {
	const struct rehearsals *set;
	int	 link;
	enum dial dial;
	struct canary_terms terms;
	struct rehearsal *rehearsal;
	uv_timer_t *pace, *report;
	struct out out[CANARY_OUT_MAX];
	bool	 reading, have, stale;
	uint64_t read_at;		/* loop time */
	/* What was seen and not told yet. */
	struct canary_report seen;
	bool	 urgent;
	canary_told *told;
	void	*told_arg;
	uint64_t asked_at;		/* loop time of the last question */
	/* The held session, and what it was made by. */
	struct held_session *held;
	bool	 held_tls, unheld;
	char	 held_name[256];
	int	 held_port;
};

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- telling ---- */

static void on_report(uv_timer_t *);

static void
saw(struct canary_run *r, enum canary_saw what, int64_t at_ms, int64_t took_us, const char *why)
{
	struct canary_seen *s;

	/* Who is not asked for long keeps the latest. */
	if (r->seen.n == CANARY_REPORT_MAX)
		memmove(r->seen.v, r->seen.v + 1, --r->seen.n * sizeof(*r->seen.v));
	s = &r->seen.v[r->seen.n++];
	s->saw = what;
	s->at_ms = at_ms;
	s->took_us = took_us;
	(void)snprintf(s->why, sizeof(s->why), "%s", why);
	if (what != CANARY_FAILED && what != CANARY_HUNG && what != CANARY_CUT)
		return;
	r->urgent = true;
	if (r->told != NULL)
		(void)uv_timer_start(r->report, on_report, 0, 0);
}

static void
on_report(uv_timer_t *timer)
{
	struct canary_run *r = timer->data;
	struct canary_report seen = r->seen;
	canary_told *told = r->told;

	if (told == NULL)
		return;
	r->told = NULL;
	r->urgent = false;
	r->seen.n = 0;
	told(r->told_arg, &seen);
}

/* ---- the held session ---- */

static void
held_up(void *arg)
{
	saw(arg, CANARY_HELD, wall_ms(), 0, "");
}

static void
held_down(void *arg, bool was_up, bool dead, const char *why)
{
	struct canary_run *r = arg;

	r->held = NULL;
	if (was_up && dead)
		saw(r, CANARY_CUT, wall_ms(), 0, why);
	else if (!was_up && dead && !r->unheld) {
		r->unheld = true;
		saw(r, CANARY_UNHELD, wall_ms(), 0, why);
	}
}

/* One came through: hold one of its kind, instead of one that the client would not make any more. */
static void
hold(struct canary_run *r, const struct rehearsed *by)
{
	static const struct held_events events = { held_up, held_down };
	bool tls = by->verdict >= VERDICT_TLS;

	if (!r->terms.held || (r->held != NULL && r->held_tls == tls && r->held_port == by->port &&
	    strcmp(r->held_name, by->name) == 0))
		return;
	if (by->remark[0] != '\0') {
		if (!r->unheld)
			saw(r, CANARY_UNHELD, by->at_ms, 0, by->remark);
		r->unheld = true;
		return;
	}
	held_session_free(r->held);
	r->held_tls = tls;
	r->held_port = by->port;
	(void)snprintf(r->held_name, sizeof(r->held_name), "%s", by->name);
	r->held = held_session_new(r->set, r->link, by,
	    r->terms.every_ms < PING_MIN_MS ? PING_MIN_MS : r->terms.every_ms, r->terms.hang_ms, &events, r);
}

/* ---- new connections ---- */

static void
dialled(void *arg, const struct rehearsed *res)
{
	struct out *o = arg;
	struct canary_run *r = o->run;

	o->call = NULL;
	if (rehearsed_well(res)) {
		saw(r, CANARY_OK, o->at_ms, res->took_us, "");
		hold(r, res);
		return;
	}
	/* It may be by what the client reads, and that may have changed since. */
	r->stale = true;
	if (res->verdict == VERDICT_UNKNOWN)
		saw(r, CANARY_BLIND, o->at_ms, 0, res->why);
	else if (res->verdict == VERDICT_HANGS)
		saw(r, CANARY_HUNG, o->at_ms, r->terms.hang_ms * 1000, res->why);
	else
		saw(r, CANARY_FAILED, o->at_ms, res->took_us, res->why);
}

static void
dial(struct canary_run *r)
{
	size_t i;

	for (i = 0; i < CANARY_OUT_MAX && r->out[i].call != NULL; i++)
		continue;
	if (i == CANARY_OUT_MAX) {
		saw(r, CANARY_LEFT_OUT, wall_ms(), 0, "");
		return;
	}
	r->out[i].run = r;
	r->out[i].at_ms = wall_ms();
	r->out[i].call = rehearsal_dial(r->rehearsal, r->terms.hang_ms, dialled, &r->out[i]);
}

static void on_pace(uv_timer_t *);

static void
files_read(void *arg, const char *why)
{
	struct canary_run *r = arg;

	r->reading = false;
	r->read_at = uv_now(r->set->loop);
	r->have = why == NULL;
	r->stale = why != NULL;
	/* The next one comes no sooner behind this one. */
	(void)uv_timer_start(r->pace, on_pace, (uint64_t)r->terms.every_ms, (uint64_t)r->terms.every_ms);
	if (why != NULL)
		saw(r, CANARY_BLIND, wall_ms(), 0, why);
	else
		dial(r);
}

static void
stop(struct canary_run *r)
{
	size_t i;

	(void)uv_timer_stop(r->pace);
	for (i = 0; i < CANARY_OUT_MAX; i++) {
		rehearsal_call_cancel(r->out[i].call);
		r->out[i].call = NULL;
	}
	held_session_free(r->held);
	r->held = NULL;
	rehearsal_free(r->rehearsal);	/* and with it what is being read */
	r->rehearsal = NULL;
	r->reading = r->have = false;
}

static void
on_pace(uv_timer_t *timer)
{
	struct canary_run *r = timer->data;
	uint64_t now = uv_now(r->set->loop);

	if (r->told == NULL && now - r->asked_at > CANARY_ALONE_MS) {
		stop(r);
		return;
	}
	if (r->reading)
		return;		/* it begins one when it has read */
	if (r->have && !r->stale && now - r->read_at < READ_EVERY_MS) {
		dial(r);
		return;
	}
	r->reading = true;
	rehearsal_read(r->rehearsal, READ_MS, files_read, r);
}

/* ---- life ---- */

static uv_timer_t *
timer_new(struct canary_run *r)
{
	uv_timer_t *timer = mem_alloc(sizeof(*timer));

	(void)uv_timer_init(r->set->loop, timer);
	timer->data = r;
	return timer;
}

static void
timer_closed(uv_handle_t *handle)
{
	free(handle);
}

struct canary_run *
canary_run_new(const struct rehearsals *set, int link, enum dial dial, const struct canary_terms *terms)
{
	struct canary_run *r = mem_alloc(sizeof(*r));

	r->set = set;
	r->link = link;
	r->dial = dial;
	r->terms = *terms;
	r->pace = timer_new(r);
	r->report = timer_new(r);
	return r;
}

void
canary_run_free(struct canary_run *r)
{
	if (r == NULL)
		return;
	stop(r);
	uv_close((uv_handle_t *)r->pace, timer_closed);
	uv_close((uv_handle_t *)r->report, timer_closed);
	free(r);
}

bool
canary_run_is(const struct canary_run *r, int link, enum dial dial, const struct canary_terms *terms)
{
	return r->link == link && r->dial == dial && r->terms.every_ms == terms->every_ms &&
	    r->terms.hang_ms == terms->hang_ms && r->terms.held == terms->held;
}

void
canary_run_ask(struct canary_run *r, canary_told *told, void *arg)
{
	struct rehearsal_as as = { .link = r->link, .dial = r->dial, .to_be = DIAL_UNKNOWN, .trust = NONE };

	r->told = told;
	r->told_arg = arg;
	r->asked_at = uv_now(r->set->loop);
	(void)uv_timer_start(r->report, on_report, r->urgent ? 0 : REPORT_MS, 0);
	if (r->rehearsal != NULL)
		return;
	r->rehearsal = rehearsal_new(r->set, &as);
	(void)uv_timer_start(r->pace, on_pace, 0, (uint64_t)r->terms.every_ms);
}

void
canary_run_forget(struct canary_run *r)
{
	r->told = NULL;
	(void)uv_timer_stop(r->report);
}
