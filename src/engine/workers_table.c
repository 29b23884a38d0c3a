/*
 * workers_table: frames on their way to a worker, and the table of questions
 * without an answer, with their deadlines.  The invariants are those of workers.c.
 */
#include "engine/workers_int.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"

#define GRACE_MS	5000
#define EXPIRE_EVERY_MS	100		/* deadlines are looked at no more often than this */
#define UNSENT_MAX	((size_t)64 << 20)	/* a worker that reads nothing is given up */

/* ---- sending ---- */

struct sending {
	uv_write_t req;
	struct buf frame;
};

static void
sent(uv_write_t *req, int status)
{
	struct sending *s = req->data;

	(void)status;		/* a socket that broke is met again by the reader, and by the exit */
	buf_release(&s->frame);
	free(s);
}

void
workers_kill(struct worker *w, const char *why)
{
	if (w->process == NULL || w->why != NULL)
		return;
	w->why = mem_strdup(why);
	(void)uv_process_kill(w->process, SIGKILL);
}

void
workers_write(struct worker *w, struct buf *frame)
{
	struct sending *s;
	uv_buf_t buf;

	if (w->pipe == NULL || w->why != NULL) {
		buf_release(frame);
		return;
	}
	s = mem_alloc(sizeof(*s));
	s->frame = *frame;
	s->req.data = s;
	memset(frame, 0, sizeof(*frame));
	buf = uv_buf_init(s->frame.data, (unsigned int)s->frame.len);
	if (uv_write(&s->req, (uv_stream_t *)w->pipe, &buf, 1, sent) != 0) {
		buf_release(&s->frame);
		free(s);
		workers_kill(w, "its socket broke");
	} else if (uv_stream_get_write_queue_size((uv_stream_t *)w->pipe) > UNSENT_MAX)
		workers_kill(w, "it reads nothing");
}

int
workers_frame(const struct message *m, struct buf *ret)
{
	buf_init(ret, WIRE_FRAME_MAX);
	ret->secret = true;
	return message_encode(m, ret, NULL);
}

void
workers_tell(struct worker *w, enum message_kind kind, int subject, const void *blob, size_t len)
{
	struct message m = { .kind = kind, .subject = subject, .blob_len = len };
	struct buf frame;

	if (w->pipe == NULL)
		return;
	m.blob = mem_strndup(blob, len);
	if (workers_frame(&m, &frame) == 0)
		workers_write(w, &frame);
	else
		buf_release(&frame);
	message_release(&m);
}

/* ---- questions ---- */

struct question *
workers_question(struct workers *ws, uint64_t id)
{
	size_t slot = (size_t)(id & SLOT_MASK);

	if (id == 0 || slot >= ws->nquestions || ws->questions[slot].id != id)
		return NULL;
	return &ws->questions[slot];
}

void
workers_question_end(struct workers *ws, struct question *q)
{
	size_t *slot = mem_push(&ws->free_slots, &ws->nfree, sizeof(*slot));

	*slot = (size_t)(q - ws->questions);
	buf_release(&q->frame);
	q->id = 0;
	ws->npending--;
}

static void expired(uv_timer_t *);

static void
arm_expiry(struct workers *ws, uint64_t due)
{
	uint64_t now = uv_now(ws->config.loop), in = due > now ? due - now : 0;

	if (in < EXPIRE_EVERY_MS)
		in = EXPIRE_EVERY_MS;
	if (ws->expire_armed && uv_timer_get_due_in(ws->expire) <= in)
		return;
	ws->expire_armed = true;
	(void)uv_timer_start(ws->expire, expired, in, 0);
}

void
workers_question_send(struct workers *ws, struct question *q)
{
	q->sent = true;
	workers_write(&ws->v[q->worker], &q->frame);
}

uint64_t
workers_ask(struct workers *ws, size_t worker, struct message *m, int64_t deadline_ms)
{
	struct question *q;
	int64_t grace = ws->config.grace_ms == 0 ? GRACE_MS : ws->config.grace_ms;
	size_t slot;

	if (ws->nfree > 0)
		slot = ws->free_slots[--ws->nfree];
	else {
		slot = ws->nquestions;
		if (slot > SLOT_MASK)
			abort();	/* a million questions at once: a bug of ours */
		(void)mem_push(&ws->questions, &ws->nquestions, sizeof(*q));
	}
	q = &ws->questions[slot];
	memset(q, 0, sizeof(*q));
	if (deadline_ms < 0)
		deadline_ms = 0;
	if (deadline_ms > WIRE_DEADLINE_MAX_MS)
		deadline_ms = WIRE_DEADLINE_MAX_MS;
	q->id = m->id = ++ws->serial << SLOT_BITS | slot;
	q->kind = m->kind;
	q->what = m->what;
	q->subject = m->subject;
	q->worker = worker;
	m->deadline_ms = deadline_ms;
	uv_update_time(ws->config.loop);
	q->due = uv_now(ws->config.loop) + (uint64_t)(deadline_ms + grace);
	ws->npending++;
	/* A question too large to be asked is reported lost, by the loop, as any other. */
	if (workers_frame(m, &q->frame) == -1) {
		buf_release(&q->frame);
		q->due = 0;
	} else if (ws->v[worker].pipe != NULL && ws->v[worker].why == NULL)
		workers_question_send(ws, q);
	arm_expiry(ws, q->due);
	message_release(m);
	return q->id;
}

void
workers_report_lost(struct workers *ws, uint64_t *ids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		ws->config.events->lost(ws->config.arg, ids[i]);
	free(ids);
}

static void
expired(uv_timer_t *timer)
{
	struct workers *ws = timer->data;
	uint64_t now = uv_now(ws->config.loop), next = UINT64_MAX;
	uint64_t *lost = NULL, *id;
	size_t nlost = 0, i;
	struct question *q;

	ws->expire_armed = false;
	for (i = 0; i < ws->nquestions; i++) {
		q = &ws->questions[i];
		if (q->id == 0)
			continue;
		if (q->due > now) {
			if (q->due < next)
				next = q->due;
		} else if (q->sent) {
			/* Its end comes with the worker's. */
			workers_kill(&ws->v[q->worker], "it did not answer in time");
		} else {
			id = mem_push(&lost, &nlost, sizeof(*id));
			*id = q->id;
			workers_question_end(ws, q);
		}
	}
	if (next != UINT64_MAX)
		arm_expiry(ws, next);
	workers_report_lost(ws, lost, nlost);
}
