/*
 * hostops_lease: who may change a host, and what belay recorded there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/hostops_int.h"

static void
lease_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const char *rest, *who;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (host_outcome_is(a, "leased", &rest)) {
		hostop_set_text(h, rest, strlen(rest));
		hostop_finish(h, OP_APPLIED);
	} else if (host_outcome_is(a, "held", &rest)) {
		who = strchr(rest, ' ');
		if (who != NULL)
			hostop_set_text(h, who + 1, strlen(who + 1));
		hostop_say(h, "another belay holds it: %s, for %.*s s more unless it goes on", who == NULL ? "?" : who + 1,
		    who == NULL ? 0 : (int)(who - rest), rest);
		hostop_finish(h, OP_DRIFTED);
	} else if (host_outcome_is(a, "free", &rest))
		hostop_finish(h, OP_FRESH);
	else
		hostop_malformed(h, a);
}

static void
lease(uv_timer_t *timer)
{
	static const struct hostcall_events events = { .done = lease_done };
	static const char *const phases[LEASE_PHASE_COUNT] = {
		[LEASE_TAKE] = "take", [LEASE_FREE] = "free", [LEASE_LOOK] = "look",
	};
	struct hostop *h = timer->data;
	const struct wire_lease *l = h->lease;
	struct buf *q = hostop_request(h);
	char token[32], ttl[32];
	struct err err;

	(void)snprintf(token, sizeof(token), "%lld", (long long)l->token);
	(void)snprintf(ttl, sizeof(ttl), "%d", l->ttl_s);
	if (host_header(q, "phase", phases[l->phase], &err) != 0 || host_header(q, "token", token, &err) != 0 ||
	    host_header(q, "holder", l->holder, &err) != 0 || host_header(q, "ttl", ttl, &err) != 0 ||
	    host_header(q, "who", l->who, &err) != 0 || host_header(q, "doing", l->doing, &err) != 0 ||
	    host_header(q, "always", l->displace ? "1" : NULL, &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	hostop_call(h, "lease", NULL, NULL, 0, &events);
}

struct hostop *
hostops_lease(struct hostops *set, int host, const struct wire_lease *order, int64_t deadline_ms,
    hostop_done *done, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->verb = OPV_OBSERVE;
	h->lease = order;
	h->done = done;
	hostop_later(h, lease);
	return h;
}

/* ------------------------------------------------------------------ records */

static void
records_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	const struct host_item *item;
	struct buf b;
	size_t i;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (host_outcome_is(a, "none", NULL)) {
		hostop_finish(h, OP_FRESH);
		return;
	}
	buf_init(&b, OP_TEXT_MAX);
	for (i = 0; (item = host_item(a, "rec", i)) != NULL; i++) {
		(void)buf_printf(&b, "rec %s\n", item->rest);
		(void)buf_put(&b, item->data, item->len);
	}
	if (b.over) {
		hostop_say(h, "there are more records than can be taken in");
		hostop_finish(h, OP_FAILED);
	} else {
		hostop_set_text(h, buf_str(&b), b.len);
		hostop_finish(h, OP_APPLIED);
	}
	buf_release(&b);
}

static void
records(uv_timer_t *timer)
{
	static const struct hostcall_events events = { .done = records_done };
	struct hostop *h = timer->data;
	struct buf *q = hostop_request(h);
	struct err err;

	if (host_header(q, "plan", h->plan_sha, &err) != 0)
		hostop_failed(h, &err);
	else
		hostop_call(h, "records", NULL, NULL, 0, &events);
}

struct hostop *
hostops_records(struct hostops *set, int host, const char *plan_sha, int64_t deadline_ms,
    hostop_done *done, void *arg)
{
	struct hostop *h = hostop_new(set, host, deadline_ms, arg);

	h->verb = OPV_OBSERVE;
	(void)snprintf(h->plan_sha, sizeof(h->plan_sha), "%s", plan_sha);
	h->done = done;
	hostop_later(h, records);
	return h;
}
