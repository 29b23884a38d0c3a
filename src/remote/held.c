/*
 * held: see held.h.
 *
 * One host call of the verb `hold`, open from the lock to the end.  What comes of
 * it between is of no interest to whoever works under it, but that it ended.
 */
#include "remote/held.h"

#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "remote/hostops_int.h"

#define MORE_S	5	/* the host's own end of it comes behind ours */

enum held_state { HELD_COMING, HELD_NOW, HELD_ENDING };

struct held {
	enum held_state state;
	bool	 record;	/* it is kept */
	held_step *locked, *let_go;
};

void
held_free(struct held *held)
{
	mem_wipe_free(held, sizeof(*held));
}

static void
done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct held *held = h->held;
	held_step *let_go = held->let_go;

	if (held->state == HELD_COMING) {
		if (!hostop_no_answer(h, end, a, why))
			hostop_malformed(h, a);
		return;
	}
	if (held->state == HELD_NOW) {
		hostop_say(h, "the host's lock was lost while this was done%s%s", why == NULL ? "" : ": ",
		    why == NULL ? "" : why->msg);
		hostop_finish(h, h->wrote ? OP_CUT : OP_FAILED);
		return;
	}
	/* What was done is known, whatever became of its record. */
	h->held = NULL;
	held_free(held);
	let_go(h);
}

static bool
may_record(const struct hostop *h, const char *was)
{
	static const char *const forward[] = { "none", "intent", "undone", "failed", NULL };
	static const char *const back[] = { "intent", "applied", "undoing", NULL };
	const char *const *p = h->verb == OPV_UNDO ? back : forward;

	for (; *p != NULL; p++)
		if (strcmp(*p, was) == 0)
			return true;
	return false;
}

static void
waits(void *arg, const char *what, const struct host_answer *so_far)
{
	static const char go[] = "go\n", go_without_lines[] = "go\n\n\n";
	struct hostop *h = arg;
	struct held *held = h->held;
	const struct host_item *item = host_item(so_far, "record", 0);

	if (held->state != HELD_COMING)
		return;
	if (strcmp(what, "locked") == 0 && held->record &&
	    (held->record = may_record(h, item == NULL ? "none" : item->rest))) {
		if (h->verb == OPV_UNDO)
			hostcall_say(&h->call, go, sizeof(go) - 1);
		else
			hostcall_say(&h->call, go_without_lines, sizeof(go_without_lines) - 1);
		return;
	}
	held->state = HELD_NOW;
	held->locked(h);
}

void
held_begin(struct hostop *h, bool record, held_step *locked)
{
	static const struct hostcall_events events = { .done = done, .waits = waits };
	struct held *held = mem_alloc(sizeof(*held));
	struct buf *q = hostop_request(h);
	struct err err;
	char seconds[32];
	int64_t left = h->due - (int64_t)uv_now(h->set->c.loop);

	h->held = held;
	held->record = record;
	held->locked = locked;
	(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)(left / 1000 > 9000 ? 9000 : left / 1000 + MORE_S));
	if (hostop_write_headers(h, q, &err) != 0 ||
	    host_header(q, "phase", h->verb == OPV_UNDO ? "undo" : "do", &err) != 0 ||
	    host_header(q, "server", h->op->endpoint == NONE ? NULL :
	    h->set->c.fleet->endpoints[h->op->endpoint].name, &err) != 0 ||
	    host_header(q, "ttl", seconds, &err) != 0)
		hostop_failed(h, &err);
	else
		hostop_call(h, "hold", h->op->id, NULL, 0, &events);
}

void
held_end(struct hostop *h, bool well, held_step *let_go)
{
	struct held *held = h->held;
	const char *word = !held->record ? "leave\n" : h->verb == OPV_UNDO ? (well ? "undone\n" : "leave\n") :
	    well ? "applied\n" : "failed\n";

	held->state = HELD_ENDING;
	held->let_go = let_go;
	hostcall_say(&h->call, word, strlen(word));
}
