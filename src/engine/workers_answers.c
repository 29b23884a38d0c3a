/*
 * workers_answers: what comes up from a worker, decoded as if an enemy had
 * written it.  Owns nothing; an answer to a question that was cancelled is dropped, any
 * other that does not fit ends the worker.
 */
#include "engine/workers_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/err.h"
#include "core/mem.h"

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Is it the kind of answer that the question has? */
static bool
answers(enum message_kind question, enum message_kind answer)
{
	switch (question) {
	case MSG_OP:
	case MSG_LEASE:
	case MSG_RECORDS:
		return answer == MSG_OP_DONE || answer == MSG_OP_TEXT;
	case MSG_CANARY:
		return answer == MSG_CANARY_SEEN;
	default:
		return answer == MSG_READING;
	}
}

/* The question of this worker that the message answers; *ret NULL: it was cancelled meanwhile. */
static int
answered(struct worker *w, const struct message *m, struct question **ret, struct err *err)
{
	struct workers *ws = w->set;
	struct question *q = workers_question(ws, m->id);

	*ret = NULL;
	if (q == NULL) {
		if (m->id >> SLOT_BITS == 0 || m->id >> SLOT_BITS > ws->serial)
			return err_set(err, "an answer to a question that was never asked");
		return 0;
	}
	if (q->worker != w->index || !q->sent || !answers(q->kind, m->kind))
		return err_set(err, "an answer to somebody else's question");
	*ret = q;
	return 0;
}

static int
take_reading(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct reading r;
	struct question *q;
	int64_t now = wall_ms();
	bool rehearsal;
	int expected;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q == NULL)
		return 0;
	if (reading_decode(&r, m->blob, m->blob_len, err) == -1)
		return -1;
	rehearsal = q->kind == MSG_CHECK && q->what != NONE;
	expected = rehearsal ? READING_REHEARSAL : q->kind == MSG_CHECK ? READING_CHECK : q->what;
	/* Another check has no subject of its own: the console knows what it asked. */
	if (q->kind == MSG_CHECK && !rehearsal)
		r.subject = 0;
	if ((int)r.kind != expected || (q->kind == MSG_PROBE && r.subject != q->subject) ||
	    (rehearsal && r.subject != q->what)) {
		reading_release(&r);
		return err_set(err, "a reading that was not asked for");
	}
	if (reading_check(&r, ws->config.fleet, err) == -1) {
		reading_release(&r);
		return -1;
	}
	if (r.at_ms > now)
		r.at_ms = now;
	workers_question_end(ws, q);
	ws->config.events->reading(ws->config.arg, m->id, &r);
	return 0;
}

static int
take_canary(struct worker *w, const struct message *m, struct err *err)
{
	struct canary_report r;
	struct question *q;
	int64_t now = wall_ms();
	size_t i;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q == NULL)
		return 0;
	if (!canary_report_decode(&r, m->blob, m->blob_len))
		return err_set(err, "a malformed report of a canary");
	/* Nothing was seen in the future. */
	for (i = 0; i < r.n; i++)
		if (r.v[i].at_ms + r.v[i].took_us / 1000 > now) {
			r.v[i].at_ms = now - r.v[i].took_us / 1000;
			if (r.v[i].at_ms < 0)
				r.v[i].at_ms = 0;
		}
	workers_question_end(w->set, q);
	w->set->config.events->canary(w->set->config.arg, m->id, &r);
	return 0;
}

/* A connection in a client's place, at an endpoint whose connections another worker counts. */
static int
take_made(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	const struct endpoint *ep;

	if (m->subject < 0 || (size_t)m->subject >= ws->config.fleet->nendpoints)
		return err_set(err, "an endpoint that the fleet does not have");
	ep = &ws->config.fleet->endpoints[m->subject];
	if (ep->kind != KIND_REDIS)
		return err_set(err, "a connection that nobody counts");
	workers_tell(&ws->v[workers_of_host(ws, ep->via != NONE ? ep->via : ep->host)], MSG_MADE, m->subject, NULL, 0);
	return 0;
}

/* What an op may come to, by what was asked. */
static bool
outcome_fits(int verb, enum op_outcome outcome)
{
	switch (outcome) {
	case OP_APPLIED:
		return verb == OPV_APPLY || verb == OPV_RECORD;
	case OP_RESTORED:
		return verb == OPV_UNDO || verb == OPV_RECORD;
	case OP_FRESH:
		return verb != OPV_APPLY;
	case OP_IN_PLACE:
	case OP_DRIFTED:
	case OP_FAILED:
	case OP_CUT:
	case OP_UNREACHED:
		return true;
	}
	return false;
}

static int
take_op_done(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct op_result r;
	struct question *q;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q == NULL)
		return 0;
	if (op_result_decode(&r, m->blob, m->blob_len, err) == -1)
		return -1;
	if (q->kind != MSG_OP ? r.outcome == OP_IN_PLACE || r.outcome == OP_RESTORED :
	    !outcome_fits(q->what, r.outcome)) {
		op_result_release(&r);
		return err_set(err, "an outcome that cannot be");
	}
	workers_question_end(ws, q);
	ws->config.events->op_done(ws->config.arg, m->id, &r);
	op_result_release(&r);
	return 0;
}

static int
take_op_text(struct worker *w, const struct message *m, struct err *err)
{
	struct question *q;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q != NULL)
		w->set->config.events->op_text(w->set->config.arg, m->id, m->blob, m->blob_len);
	return 0;
}

/* Keeps what is an address of what a worker says are a host's; NULL where nothing is. */
static char *
clean_addresses(const char *said)
{
	struct buf b = { 0 };
	unsigned char raw[sizeof(struct in6_addr)];
	char *copy = mem_strdup(said == NULL ? "" : said), *p, *save = NULL;

	for (p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
		if (inet_pton(AF_INET, p, raw) == 1 || inet_pton(AF_INET6, p, raw) == 1)
			(void)buf_printf(&b, "%s%s", b.len > 0 ? " " : "", p);
	free(copy);
	return b.len == 0 ? NULL : buf_take(&b, NULL);
}

static void
learn_addresses(struct workers *ws, int host, const char *said)
{
	char *now = clean_addresses(said), **was = &ws->addresses[host];
	size_t i;

	/* An address once learnt stays until there is news: a host that is down has not moved. */
	if (now == NULL || (*was != NULL && strcmp(now, *was) == 0)) {
		free(now);
		return;
	}
	free(*was);
	*was = now;
	for (i = 0; i < ws->n; i++)
		workers_tell(&ws->v[i], MSG_ADDRESSES, host, now, strlen(now));
}

void
workers_show_host(struct workers *ws, int host, const struct host_view *view, enum host_need need, const char *subject,
    const char *keytype)
{
	struct host_view *was = &ws->views[host];
	struct host_view now = *view;

	now.since_ms = was->reach == now.reach && was->since_ms != 0 ? was->since_ms : wall_ms();
	*was = now;
	ws->config.events->host(ws->config.arg, host, &now, need, subject, keytype);
}

static int
take_host(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct host_view view = { .reach = REACH_UNKNOWN };
	struct wire_host h;

	if (m->subject < 0 || (size_t)m->subject >= ws->config.fleet->nhosts ||
	    workers_of_host(ws, m->subject) != w->index)
		return err_set(err, "news of a host that is not its own");
	if (wire_host_decode(&h, m->blob, m->blob_len, err) == -1)
		return -1;
	view.reach = (enum reach)m->what;
	(void)snprintf(view.transport, sizeof(view.transport), "%s", h.transport == NULL ? "" : h.transport);
	(void)snprintf(view.why, sizeof(view.why), "%s", h.why == NULL ? "" : h.why);
	if (m->retry_ms > 0)
		view.retry_at_ms = wall_ms() + m->retry_ms;
	learn_addresses(ws, m->subject, h.address);
	workers_show_host(ws, m->subject, &view, (enum host_need)m->need, h.subject == NULL ? "" : h.subject,
	    h.keytype == NULL ? "" : h.keytype);
	wire_host_release(&h);
	return 0;
}

static int
take_ready(struct worker *w, const struct message *m, struct err *err)
{
	if (m->subject != WIRE_VERSION)
		return err_set(err, "it is another version's (%d, not %d): belay was replaced while it ran; start it again",
		    m->subject, WIRE_VERSION);
	if (w->ready)
		return err_set(err, "it began twice");
	w->ready = true;
	w->ready_at = uv_now(w->set->config.loop);
	if (w->started > 1)
		w->set->config.events->began(w->set->config.arg, (int)w->index);
	return 0;
}

static int
take_message(struct worker *w, const struct message *m, struct err *err)
{
	if (!w->ready && m->kind != MSG_READY)
		return err_set(err, "a message before its first");
	switch (m->kind) {
	case MSG_READY:
		return take_ready(w, m, err);
	case MSG_HOST:
		return take_host(w, m, err);
	case MSG_READING:
		return take_reading(w, m, err);
	case MSG_OP_DONE:
		return take_op_done(w, m, err);
	case MSG_OP_TEXT:
		return take_op_text(w, m, err);
	case MSG_CANARY_SEEN:
		return take_canary(w, m, err);
	case MSG_MADE_UP:
		return take_made(w, m, err);
	case MSG_FLEET:
	case MSG_SECRET:
	case MSG_CA:
	case MSG_PAIR:
	case MSG_PROBE:
	case MSG_CHECK:
	case MSG_OP:
	case MSG_LEASE:
	case MSG_RECORDS:
	case MSG_CANARY:
	case MSG_CANCEL:
	case MSG_MADE:
	case MSG_HURRY:
	case MSG_HOST_KEY:
	case MSG_PASSPHRASE:
	case MSG_SUDO:
	case MSG_WAKE:
	case MSG_ADDRESSES:
		break;
	}
	return err_set(err, "a message that goes the other way");
}

/* Feeds what was read; a worker that speaks nonsense is given up. */
void
workers_feed(struct worker *w, const char *bytes, size_t len)
{
	struct message m;
	struct err err;
	char why[256];
	int rc;

	if (w->why != NULL)
		return;
	(void)buf_put(&w->in, bytes, len);
	while ((rc = message_decode(&w->in, &m, &err)) == 1) {
		rc = take_message(w, &m, &err);
		message_release(&m);
		if (rc == -1 || w->why != NULL)
			break;
	}
	if (rc == -1) {
		(void)snprintf(why, sizeof(why), "it spoke nonsense: %.200s", err.msg);
		workers_kill(w, why);
	}
}
