/*
 * drain: ends the sessions at an endpoint that are still on plaintext, one at a
 * time, each by name, under the lock of the endpoint's host.
 *
 *	postgres	pg_terminate_backend(); but a pooler of the fleet whose console we
 *			may use is told RECONNECT first (pooler.h), by which none of its
 *			clients loses what it is at; ended is what it still holds after a while
 *	redis		CLIENT KILL ID
 *	pgbouncer	KILL_CLIENT, from 1.24 on; before, no single client can be ended, and
 *			that is said (KILL ends all of a database, and shuts it until RESUME)
 *
 * Who is ended: whoever was there when the drain began.  What connects
 * later is left alone, and is said to be there at the end: then the drain has failed.
 * Sessions of clients that the fleet does not know only with `undeclared`; belay's own, and
 * those between a Redis and its replicas, never.
 *
 * Invariants:
 *  1. A session is looked up once more by the statement that ends it, or its id is one
 *     that is never given twice: process ids come again, so Postgres compares
 *     backend_start.
 *  2. Each that was ended is told by one call of h->text(), a line of clean text, before the next
 *     one is.
 *  3. The lock is given back every HOLD_MS: a lease has to be renewed meanwhile.
 *
 * There is no record on the host: who is on plaintext, the server says.  Nothing is undone.
 */
#include "remote/activate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "remote/drain_int.h"
#include "remote/held.h"

#define NAMED_MAX	200	/* in a preview */
#define HOLD_MS		5000
#define SETTLE_MS	500	/* what was told to end takes a moment to be gone */
#define ANSWER_MS	2000
#define POOLER_MS	8000	/* for telling one pooler, under the lock */
#define LEAVE_MS	10000	/* for what a pooler gives up, which it does when no client needs it */
#define LOOK_AGAIN_MS	200

static void	next_one(struct drain_op *);

void
drain_free(struct drain_op *d)
{
	if (d == NULL)
		return;
	pooler_free(d->pooler);
	statement_free(d->statement);
	drain_forget_list(d);
	drain_free_sittings(d->leaving, d->nleaving);
	free(d->poolers);
	free(d);
}

const struct endpoint *
drain_endpoint(const struct drain_op *d)
{
	return &d->h->set->c.fleet->endpoints[d->h->op->endpoint];
}

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
now_ms(const struct drain_op *d)
{
	return (int64_t)uv_now(d->h->set->c.loop);
}

/* A line of its own for the journal, never two; words are clean. */
static void
tell_words(struct drain_op *d, const char *what, const char *words)
{
	struct hostop *h = d->h;
	struct buf b;

	if (h->text == NULL)
		return;
	buf_init(&b, 2048);
	(void)buf_printf(&b, "%s %s\n", what, words);
	h->text(h->arg, buf_str(&b), b.len);
	buf_release(&b);
}

static void
tell(struct drain_op *d, const char *what, const struct sitting *who)
{
	tell_words(d, what, who->words);
}

static const char *
pooler_name(const struct drain_op *d, int pooler)
{
	return d->h->set->c.fleet->endpoints[pooler].name;
}

static bool
spares(const struct drain_op *d, const struct sitting *who)
{
	return who->link == NONE && !d->h->op->undeclared;
}

/* ---- the end ---- */

/* Which sessions are given up rather than ended. */
static void
say_poolers(const struct drain_op *d, struct buf *out)
{
	const struct fleet *f = d->h->set->c.fleet;
	size_t i, k, n;

	for (i = 0; i < f->nendpoints; i++) {
		for (k = 0, n = 0; k < d->n; k++)
			n += d->v[k].pooler == (int)i;
		if (n > 0)
			(void)buf_printf(out, "%zu of them %s of the pooler '%s', which is told RECONNECT: it gives each up "
			    "when no client is at work on it; ended are those that it holds %d s longer\n", n,
			    n == 1 ? "is" : "are", f->endpoints[i].name, LEAVE_MS / 1000);
	}
}

static void
preview(struct drain_op *d)
{
	struct hostop *h = d->h;
	struct buf b;
	size_t i, pass, of_those, named = 0;

	buf_init(&b, OP_TEXT_MAX);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0, of_those = 0; i < d->n; i++)
			of_those += spares(d, &d->v[i]) == (pass == 1);
		if (pass == 0 && of_those > 0)
			(void)buf_printf(&b, "ends %zu%s session%s, which cannot be taken back:\n", of_those,
			    d->more ? " (and more)" : "", of_those == 1 ? "" : "s");
		else if (pass == 0)
			(void)buf_puts(&b, "nobody to be sent away is on plaintext\n");
		else if (of_those > 0)
			(void)buf_printf(&b, "leaves alone %zu of undeclared clients (undeclared: yes ends them too):\n",
			    of_those);
		for (i = 0; i < d->n && named < NAMED_MAX; i++)
			if (spares(d, &d->v[i]) == (pass == 1)) {
				(void)buf_printf(&b, "  %s\n", d->v[i].words);
				named++;
			}
	}
	say_poolers(d, &b);
	hostop_set_text(h, buf_str(&b), b.len);
	buf_release(&b);
	for (i = 0, of_those = 0; i < d->n; i++)
		of_those += !spares(d, &d->v[i]);
	if (of_those > 0 && d->cannot) {
		hostop_say(h, "%s", d->why);
		hostop_finish(h, OP_FAILED);
	} else if (h->verb == OPV_RECORD)
		/* Nothing is recorded; what is left to do, the server says. */
		hostop_finish(h, of_those == 0 ? OP_APPLIED : OP_FRESH);
	else
		hostop_finish(h, of_those == 0 ? OP_IN_PLACE : OP_FRESH);
}

static void
total(struct drain_op *d)
{
	struct hostop *h = d->h;
	struct buf b;
	size_t i, still = 0;

	for (i = 0; i < d->n; i++)
		still += !spares(d, &d->v[i]);
	buf_init(&b, OP_TEXT_MAX);
	(void)buf_printf(&b, "ended %zu", d->ended);
	if (d->recycled > 0)
		(void)buf_printf(&b, ", given up by their pooler %zu", d->recycled);
	(void)buf_printf(&b, ", gone by themselves %zu", d->gone);
	if (d->undeclared > 0 && !h->op->undeclared)
		(void)buf_printf(&b, ", of undeclared clients and left alone %zu", d->undeclared);
	(void)buf_putc(&b, '\n');
	for (i = 0; i < d->n && i < NAMED_MAX; i++)
		(void)buf_printf(&b, "  %s %s\n", spares(d, &d->v[i]) ? "left alone" : "still there", d->v[i].words);
	hostop_set_text(h, buf_str(&b), b.len);
	buf_release(&b);
	if (still == 0) {
		hostop_finish(h, OP_APPLIED);
		return;
	}
	if (d->refused > 0)
		hostop_say(h, "%zu session%s could not be ended: %s", d->refused, d->refused == 1 ? "" : "s", d->why);
	else
		hostop_say(h, "ended %zu, and %zu session%s on plaintext again: %s", d->ended + d->recycled, still,
		    still == 1 ? " is" : "s are", d->v[0].words);
	hostop_finish(h, OP_FAILED);
}

/* ---- ending ---- */

static void
turn(struct hostop *h)
{
	next_one(h->drain);
}

static void
turn_later(uv_timer_t *timer)
{
	turn(timer->data);
}

static void
hold_again(struct hostop *h)
{
	h->drain->hold_until = now_ms(h->drain) + HOLD_MS;
	held_begin(h, false, turn);
}

static void
list_at_the_end(uv_timer_t *timer)
{
	struct hostop *h = timer->data;

	h->drain->purpose = FOR_THE_END;
	drain_list(h->drain);
}

static void
settle(struct hostop *h)
{
	(void)uv_timer_start(&h->timer, list_at_the_end, SETTLE_MS, 0);
}

static void
ended_one(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	struct hostop *h = d->h;
	const struct sitting *who = &d->v[d->at];
	const char *value = r->nrows == 0 || r->columns->n == 0 ? NULL : r->cells[0];
	bool postgres = drain_endpoint(d)->kind == KIND_POSTGRES;

	if (r->end == STATEMENT_LOST || r->end == STATEMENT_NOT_SENT) {
		hostop_say(h, "after %zu session%s: %s", d->ended, d->ended == 1 ? "" : "s", r->why);
		hostop_finish(h, r->end == STATEMENT_LOST ? OP_CUT : OP_FAILED);
		return;
	}
	if (r->end == STATEMENT_REFUSED && (postgres || strstr(r->why, "client") == NULL)) {
		d->refused++;
		if (d->refused == 1)
			(void)snprintf(d->why, sizeof(d->why), "%s", r->why);
		tell(d, "could not end", who);
	} else if (r->end == STATEMENT_REFUSED || (postgres && value == NULL) ||
	    (drain_endpoint(d)->kind == KIND_REDIS && value != NULL && strcmp(value, "0") == 0)) {
		d->gone++;
		tell(d, "gone by itself:", who);
	} else if (postgres && value[0] != 't') {
		d->refused++;
		if (d->refused == 1)
			(void)snprintf(d->why, sizeof(d->why), "Postgres could not tell its process");
		tell(d, "could not end", who);
	} else {
		d->ended++;
		tell(d, "ended", who);
	}
	d->at++;
	if (h->due - now_ms(d) < ANSWER_MS) {
		hostop_say(h, "the deadline is over after %zu session%s", d->ended, d->ended == 1 ? "" : "s");
		hostop_finish(h, OP_FAILED);
	} else
		(void)uv_timer_start(&h->timer, turn_later, (uint64_t)h->op->pace_ms, 0);
}

static void
end_one(struct drain_op *d)
{
	const struct sitting *who = &d->v[d->at];
	const char *argv[] = { "CLIENT", "KILL", "ID", who->id };
	struct buf sql;

	d->h->wrote = true;
	if (drain_endpoint(d)->kind == KIND_REDIS) {
		statement_command(d->statement, 4, argv, ended_one, d);
		return;
	}
	buf_init(&sql, 0);
	if (drain_endpoint(d)->kind == KIND_PGBOUNCER)
		(void)buf_printf(&sql, "KILL_CLIENT %" PRIu64, (uint64_t)strtoull(who->id, NULL, 10));
	else {
		(void)buf_printf(&sql, "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a"
		    " JOIN pg_catalog.pg_stat_ssl s USING (pid) WHERE a.pid = %ld AND NOT s.ssl"
		    " AND a.backend_start::text = ", strtol(who->id, NULL, 10));
		statement_put_literal(&sql, who->began == NULL ? "" : who->began);
	}
	statement_sql(d->statement, buf_str(&sql), ended_one, d);
	buf_release(&sql);
}

/* ---- what poolers give up ---- */

static void
told_pooler(void *arg, enum pooler_end how, const struct strings *databases, const char *why)
{
	struct drain_op *d = arg;
	struct hostop *h = d->h;
	const char *name = pooler_name(d, d->pooler_at);
	char *words, *clean;
	size_t i;

	for (i = 0; i < databases->n; i++) {
		words = mem_printf("'%s' RECONNECT \"%s\"", name, databases->v[i]);
		clean = text_clean_dup(words);
		tell_words(d, "told", clean);
		free(clean);
		free(words);
	}
	d->poolers[d->pooler_at] = how == POOLER_CANNOT ? POOLER_HOLDS : POOLER_GIVES_UP;
	if (how == POOLER_FAILED) {
		hostop_say(h, "the pooler '%s' cannot be told to give its sessions up: %s", name, why);
		hostop_finish(h, OP_FAILED);
		return;
	}
	pooler_free(d->pooler);
	d->pooler = NULL;
	next_one(d);
}

/* Is there one to be told?  Under the lock. */
static bool
tell_pooler(struct drain_op *d)
{
	struct strings pids = { NULL, 0 };
	size_t i;

	d->pooler_at = NONE;
	for (i = 0; i < d->n; i++) {
		const struct sitting *who = &d->v[i];

		if (who->pooler == NONE || d->poolers[who->pooler] != POOLER_UNTOLD ||
		    (d->pooler_at != NONE && who->pooler != d->pooler_at))
			continue;
		d->pooler_at = who->pooler;
		strings_push(&pids, mem_strdup(who->id));
	}
	if (d->pooler_at != NONE) {
		d->h->wrote = true;
		d->pooler = pooler_reconnect(d->h->set->c.probes, d->pooler_at, &pids,
		    least(POOLER_MS, d->h->due - now_ms(d) - ANSWER_MS), told_pooler, d);
	}
	strings_release(&pids);
	return d->pooler_at != NONE;
}

static void
look_who_left(struct hostop *h)
{
	drain_list(h->drain);
}

static void
look_again(uv_timer_t *timer)
{
	drain_list(((struct hostop *)timer->data)->drain);
}

/* The lock is given back meanwhile; true: there is somebody to wait for. */
static bool
wait_for_poolers(struct drain_op *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		struct sitting *who = &d->v[i], *to;

		if (who->pooler == NONE || d->poolers[who->pooler] != POOLER_GIVES_UP)
			continue;
		to = mem_push(&d->leaving, &d->nleaving, sizeof(*to));
		*to = *who;
		to->id = mem_strdup(who->id);
		to->began = mem_strdup(who->began);
		to->words = mem_strdup(who->words);
	}
	if (d->nleaving == 0)
		return false;
	d->purpose = FOR_LEAVING;
	d->leave_until = now_ms(d) + least(LEAVE_MS, (d->h->due - now_ms(d)) / 2);
	held_end(d->h, true, look_who_left);
	return true;
}

static bool
sits_there(const struct drain_op *d, const struct sitting *who)
{
	size_t i;

	for (i = 0; i < d->n; i++)
		if (strcmp(d->v[i].id, who->id) == 0 && d->v[i].began != NULL && who->began != NULL &&
		    strcmp(d->v[i].began, who->began) == 0)
			return true;
	return false;
}

/* By the server's own view. */
static void
see_who_left(struct drain_op *d)
{
	size_t i, still = 0, to_end = 0;

	for (i = 0; i < d->nleaving; i++) {
		struct sitting *who = &d->leaving[i];

		if (who->left)
			continue;
		if (sits_there(d, who)) {
			still++;
			continue;
		}
		who->left = true;
		d->recycled++;
		tell(d, "given up by its pooler:", who);
	}
	if (still > 0 && now_ms(d) < d->leave_until) {
		(void)uv_timer_start(&d->h->timer, look_again, LOOK_AGAIN_MS, 0);
		return;
	}
	drain_free_sittings(d->leaving, d->nleaving);
	d->leaving = NULL;
	d->nleaving = 0;
	for (i = 0; i < d->h->set->c.fleet->nendpoints; i++)
		if (d->poolers[i] == POOLER_GIVES_UP)
			d->poolers[i] = POOLER_HOLDS;
	d->purpose = FOR_ENDING;
	for (i = 0; i < d->n; i++)
		to_end += !spares(d, &d->v[i]);
	if (to_end > 0)
		hold_again(d->h);
	else
		settle(d->h);
}

static void
next_one(struct drain_op *d)
{
	struct hostop *h = d->h;

	if (tell_pooler(d) || wait_for_poolers(d))
		return;
	while (d->at < d->n && spares(d, &d->v[d->at]))
		d->at++;
	if (d->at == d->n)
		held_end(h, true, settle);
	else if (now_ms(d) >= d->hold_until)
		held_end(h, true, hold_again);
	else
		end_one(d);
}

void
drain_listed(struct drain_op *d)
{
	size_t i, to_end = 0;

	for (i = 0; i < d->n; i++)
		to_end += !spares(d, &d->v[i]);
	switch (d->purpose) {
	case FOR_PREVIEW:
		preview(d);
		return;
	case FOR_THE_END:
		if (d->more && d->ended + d->recycled > 0 && d->refused == 0) {
			/* The list was longer than one takes in: those that are left. */
			d->more = false;
			memset(d->poolers, 0, d->h->set->c.fleet->nendpoints * sizeof(*d->poolers));
			d->purpose = FOR_ENDING;
			drain_list(d);
		} else
			total(d);
		return;
	case FOR_LEAVING:
		see_who_left(d);
		return;
	case FOR_ENDING:
		break;
	}
	if (d->cannot && to_end > 0) {
		hostop_say(d->h, "%s", d->why);
		hostop_finish(d->h, OP_FAILED);
	} else if (to_end == 0)
		total(d);
	else
		hold_again(d->h);
}

void
hostop_drain(struct hostop *h)
{
	static const char nothing[] = "ended sessions do not come back: nothing to undo";
	const struct fleet *f = h->set->c.fleet;
	struct drain_op *d;

	if (h->verb == OPV_UNDO) {
		hostop_set_text(h, nothing, sizeof(nothing) - 1);
		hostop_finish(h, OP_RESTORED);
		return;
	}
	if (h->set->c.probes == NULL || (size_t)h->op->endpoint >= f->nendpoints ||
	    (f->endpoints[h->op->endpoint].kind != KIND_REDIS && f->endpoints[h->op->endpoint].admin_user == NULL)) {
		hostop_say(h, "nobody can end sessions there: expected 'admin: …' of the endpoint in the fleet file");
		hostop_finish(h, OP_FAILED);
		return;
	}
	d = mem_alloc(sizeof(*d));
	h->drain = d;
	d->h = h;
	d->poolers = mem_array(f->nendpoints, sizeof(*d->poolers));
	d->purpose = h->verb == OPV_APPLY ? FOR_ENDING : FOR_PREVIEW;
	d->statement = statement_new(h->set->c.probes, h->op->endpoint, h->due - now_ms(d) - ANSWER_MS / 2);
	drain_list(d);
}
