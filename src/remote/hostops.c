/*
 * hostops: see hostops.h.  Here: the set of calls, how each begins and ends.
 * What is between is a chain of at most a few host calls: of files in
 * hostops_edit.c, of commands in hostops_run.c, of leases and records in
 * hostops_lease.c.  A call that goes by sudo waits for its turn in hostops_sudo.c.
 *
 * Invariants:
 *  1. hostop_finish() is the only way to an answer, and nothing touches a
 *     hostop after it.
 *  2. Pointers of a struct looked live as long as the answer they point into:
 *     until the events' done() returns.
 */
#include "remote/errand.h"
#include "remote/hostops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "remote/activate.h"
#include "remote/held.h"
#include "remote/hostops_int.h"

/* ------------------------------------------------------------------ the set */

struct hostops *
hostops_new(const struct hostops_config *config)
{
	struct hostops *set = mem_alloc(sizeof(*set));

	set->c = *config;
	set->cas = mem_array(config->fleet->ncerts, sizeof(*set->cas));
	set->becomes = mem_array(config->fleet->nhosts, sizeof(*set->becomes));
	set->accounts = mem_array(config->fleet->nhosts, sizeof(*set->accounts));
	set->shared = mem_array(config->fleet->nsecrets, sizeof(*set->shared));
	return set;
}

void
hostops_free(struct hostops *set)
{
	size_t i;

	if (set == NULL)
		return;
	while (set->ops != NULL)
		hostop_cancel(set->ops);
	for (i = 0; i < set->c.fleet->ncerts; i++)
		free(set->cas[i].pem);
	free(set->cas);
	free(set->becomes);
	free(set->accounts);
	free(set->shared);
	mem_wipe(set->c.key, sizeof(set->c.key));
	free(set);
}

void
hostops_ca(struct hostops *set, int cert, const char *pem, size_t len_bytes)
{
	struct ca *ca;

	if (cert < 0 || (size_t)cert >= set->c.fleet->ncerts)
		return;
	ca = &set->cas[cert];
	free(ca->pem);
	ca->pem = len_bytes == 0 ? NULL : mem_strndup(pem, len_bytes);
	ca->len = len_bytes;
}

/* ------------------------------------------------------------------ one call */

struct hostop *
hostop_new(struct hostops *set, int host, int64_t deadline_ms, void *arg)
{
	struct hostop *h = mem_alloc(sizeof(*h));

	h->set = set;
	h->host = host;
	h->arg = arg;
	h->due = (int64_t)uv_now(set->c.loop) + deadline_ms;
	h->result.exit_status = -1;
	(void)uv_timer_init(set->c.loop, &h->timer);
	h->timer.data = h;
	h->next = set->ops;
	if (h->next != NULL)
		h->next->prev = h;
	set->ops = h;
	return h;
}

static void
timer_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void
hostop_drop(struct hostop *h)
{
	if (h->prev != NULL)
		h->prev->next = h->next;
	else
		h->set->ops = h->next;
	if (h->next != NULL)
		h->next->prev = h->prev;
	hostop_leave_sudo(h);
	buf_release(&h->prepared.payload);
	hostop_setting_free(h);
	hostcall_release(&h->call);
	op_result_release(&h->result);
	hostop_free_places(h);
	errand_cancel(h->errand);
	reading_release(&h->reading);
	activation_free(h->activation);
	reload_free(h->reload);
	drain_free(h->drain);
	held_free(h->held);
	uv_close((uv_handle_t *)&h->timer, timer_closed);
}

void
hostop_cancel(struct hostop *h)
{
	hostop_drop(h);
}

void
hostop_hurry(struct hostop *h)
{
	if (h->activation != NULL)
		activation_hurry(h->activation);
}

void
hostop_later(struct hostop *h, uv_timer_cb later)
{
	(void)uv_timer_start(&h->timer, later, 0, 0);
}

struct buf *
hostop_request(struct hostop *h)
{
	struct buf *q = hostcall_headers(&h->call);
	struct err ignored;

	(void)host_header(q, "state", h->set->c.fleet->hosts[h->host].state, &ignored);
	return q;
}

static int
bring(struct hostop *h, struct buf *q, const char *more, struct err *err)
{
	char number[32];
	const char *p;
	size_t lines = 0;

	if (h->brings == more)
		return 0;
	for (p = more; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	(void)snprintf(number, sizeof(number), "%zu", lines);
	h->brings = more;
	return host_header(q, "more-lines", number, err);
}

int
hostop_path(struct hostop *h, struct buf *q, const char *path, struct err *err)
{
	if (path_in_container(path) != NULL && bring(h, q, host_box(), err) != 0)
		return -1;
	return host_header(q, "path", path, err);
}

int
hostop_by_value(struct hostop *h, struct buf *q, struct err *err)
{
	return !h->op->by_value || (bring(h, q, host_value(), err) == 0 &&
	    host_header(q, "by-value", "1", err) == 0 && host_header(q, "wanted", h->op->value, err) == 0) ? 0 : -1;
}

void
hostop_call(struct hostop *h, const char *verb, const char *op_id, const void *payload,
    size_t payload_len, const struct hostcall_events *events)
{
	struct prepared *p = &h->prepared;

	buf_init(&p->payload, 0);
	p->payload.secret = true;
	if (h->brings != NULL)
		(void)buf_puts(&p->payload, h->brings);
	h->brings = NULL;
	if (h->lays_script)
		(void)buf_puts(&p->payload, h->order->wayback);
	h->lays_script = false;
	(void)buf_put(&p->payload, payload, payload_len);
	p->verb = verb;
	p->op_id = op_id;
	p->events = events;
	if (h->set->c.fleet->hosts[h->host].become != NULL)
		hostop_call_by_sudo(h);
	else
		hostop_send(h);
}

void
hostop_send(struct hostop *h)
{
	struct prepared p = h->prepared;

	memset(&h->prepared, 0, sizeof(h->prepared));
	hostcall_begin(&h->call, h->set->c.session(h->set->c.arg, h->host), p.verb, p.op_id, p.payload.data,
	    p.payload.len, h->due - (int64_t)uv_now(h->set->c.loop), p.events, h);
	buf_release(&p.payload);
}

/* ------------------------------------------------------------------ endings */

void
hostop_shas(struct hostop *h, const char *before, const char *after)
{
	(void)snprintf(h->result.before_sha, sizeof(h->result.before_sha), "%s", before);
	(void)snprintf(h->result.after_sha, sizeof(h->result.after_sha), "%s", after);
}

void
hostop_finish(struct hostop *h, enum op_outcome outcome)
{
	struct op_result result = h->result;
	hostop_done *done = h->done;
	void *arg = h->arg;

	result.outcome = outcome;
	memset(&h->result, 0, sizeof(h->result));
	hostop_drop(h);
	done(arg, &result);
	op_result_release(&result);
}

void
hostop_say(struct hostop *h, const char *fmt, ...)
{
	va_list ap;

	free(h->result.why);
	va_start(ap, fmt);
	h->result.why = mem_vprintf(fmt, ap);
	va_end(ap);
}

void
hostop_failed(struct hostop *h, const struct err *err)
{
	hostop_say(h, "%s", err->msg);
	hostop_finish(h, OP_FAILED);
}

void
hostop_set_text(struct hostop *h, const char *bytes, size_t len)
{
	size_t cut = len > OP_TEXT_MAX ? len - OP_TEXT_MAX : 0, i;

	free(h->result.text);
	h->result.text = mem_strndup(bytes + cut, len - cut);
	/* It travels as a string. */
	for (i = 0; i < len - cut; i++)
		if (h->result.text[i] == '\0')
			h->result.text[i] = '?';
}

void
hostop_drifted(struct hostop *h, const char *text)
{
	if (text != NULL)
		hostop_set_text(h, text, strlen(text));
	hostop_finish(h, OP_DRIFTED);
}

/*
 * The host did not answer.  What that means hangs on whether anything that
 * changes something was sent.
 */
static void
unanswered(struct hostop *h, enum hostcall_end end, const struct err *why)
{
	hostop_say(h, "%s", why == NULL ? "the host did not answer" : why->msg);
	if (end == HOSTCALL_LATE && h->wrote && h->op->path == NULL && h->op->kind != OP_SETTING)
		hostop_finish(h, OP_CUT);
	else if (h->verb == OPV_APPLY && !h->runs && (!h->wrote || end == HOSTCALL_NOT_SENT))
		hostop_finish(h, OP_FAILED);
	else
		hostop_finish(h, OP_UNREACHED);
}

/*
 * Answers that are the same for every verb: refused by the lock or the token, or an
 * error of the program's own.  True: it was one, and the call has ended.
 */
static bool
refused(struct hostop *h, const struct host_answer *a)
{
	const char *rest;

	if (host_outcome_is(a, "fail", &rest))
		hostop_say(h, "%s", rest);
	else if (host_outcome_is(a, "busy", NULL))
		hostop_say(h, "another belay holds this host's lock; try again when it is done");
	else if (host_outcome_is(a, "fenced", &rest) && h->order != NULL && h->order->token == 0)
		hostop_say(h, "it gave no lease in time, and takes nothing without one (the last was number %s)", rest);
	else if (host_outcome_is(a, "fenced", &rest))
		hostop_say(h, "somebody took this run over: the host has seen token %s", rest);
	else
		return false;
	hostop_finish(h, OP_FAILED);
	return true;
}

/* True: the call has ended, since there is no answer, or one that is the same for every verb. */
bool
hostop_no_answer(struct hostop *h, enum hostcall_end end, const struct host_answer *a,
    const struct err *why)
{
	if (end == HOSTCALL_ANSWERED)
		return refused(h, a);
	unanswered(h, end, why);
	return true;
}

void
hostop_malformed(struct hostop *h, const struct host_answer *a)
{
	hostop_say(h, "malformed answer: '%s'", host_outcome(a));
	hostop_finish(h, OP_UNREACHED);
}

/* Of every request that may change something: by whose right, for whom, when. */
int
hostop_write_headers(struct hostop *h, struct buf *q, struct err *err)
{
	char number[32], when[32];
	const char *p;
	size_t lines = 0;
	struct tm tm;
	time_t now = time(NULL);

	(void)snprintf(number, sizeof(number), "%lld", (long long)h->order->token);
	(void)gmtime_r(&now, &tm);
	(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (host_header(q, "token", number, err) != 0 ||
	    host_header(q, "who", h->order->who, err) != 0 ||
	    host_header(q, "plan", h->order->plan_sha, err) != 0 ||
	    host_header(q, "when", when, err) != 0 ||
	    host_header(q, "issued", h->op->issued, err) != 0 ||
	    host_header(q, "kind", op_kind_word(h->op->kind), err) != 0)
		return -1;
	if (h->order->wayback == NULL || (h->verb != OPV_APPLY && h->verb != OPV_UNDO))
		return 0;
	for (p = h->order->wayback; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	(void)snprintf(number, sizeof(number), "%zu", lines);
	h->lays_script = true;
	return host_header(q, "script-lines", number, err);
}

/* ------------------------------------------------------------------ beginning */

static void
begin(uv_timer_t *timer)
{
	struct hostop *h = timer->data;

	if (op_kind_of_file(h->op->kind))
		hostop_edit(h);
	else if (h->op->kind == OP_SETTING)
		hostop_setting(h);
	else if (h->op->kind == OP_DRAIN)
		hostop_drain(h);
	else
		hostop_run(h);
}

struct hostop *
hostops_op(struct hostops *set, enum op_verb verb, const struct wire_op *order,
    int64_t deadline_ms, hostop_done *done, hostop_text *text, void *arg)
{
	struct hostop *h = hostop_new(set, order->op.host, deadline_ms, arg);

	h->verb = verb;
	h->order = order;
	h->op = &order->op;
	h->done = done;
	h->text = text;
	hostop_later(h, begin);
	return h;
}
