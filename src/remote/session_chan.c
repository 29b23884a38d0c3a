/*
 * session_chan: a session's channels: their queue, their turn, what their
 * owners want of them, and their end.  See session_int.h for the rules.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/session_int.h"

static void
chan_unlink(struct chan *c)
{
	struct session *s = c->session;

	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		s->first = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	else
		s->last = c->prev;
}

static void
chan_count(struct chan *c, int by)
{
	int *n = c->kind == CHAN_EXEC ? &c->session->execs : &c->session->dials;

	*n = *n + by < 0 ? 0 : *n + by;
}

struct chan *
session_next(struct session *s)
{
	struct chan *c;

	for (c = s->first; c != NULL; c = c->next) {
		if (c->state != CHAN_WAITING || c->detached)
			continue;
		if (c->kind == CHAN_EXEC ? s->execs >= s->exec_cap : s->dials >= s->dial_cap)
			continue;
		c->state = CHAN_OPENING;
		chan_count(c, 1);
		return c;
	}
	return NULL;
}

void
chan_requeue(struct chan *c)
{
	c->state = CHAN_WAITING;
	chan_count(c, -1);
	/* The host has room for fewer than we thought; try one more after a while. */
	if (c->kind == CHAN_EXEC && c->session->execs > 0)
		c->session->exec_cap = c->session->execs;
	c->session->exec_streak = 0;
}

void
chan_opened(struct chan *c)
{
	c->state = CHAN_OPEN;
	stream_emit_opened(&c->stream);
}

void
chan_data(struct chan *c, const void *p, size_t len_bytes)
{
	stream_emit_data(&c->stream, p, len_bytes);
}

void
chan_errdata(struct chan *c, const void *p, size_t len_bytes)
{
	stream_emit_errdata(&c->stream, p, len_bytes);
}

void
chan_eof(struct chan *c)
{
	if (c->eof_seen)
		return;
	c->eof_seen = true;
	stream_emit_eof(&c->stream);
}

void
chan_ended(struct chan *c, enum stream_end end, int exit_status, const struct err *why)
{
	struct session *s = c->session;

	if (c->state == CHAN_GONE)
		return;
	if (c->impl != NULL)
		s->transport->drop(c);
	c->impl = NULL;
	if (c->state != CHAN_WAITING)
		chan_count(c, -1);
	if (end == STREAM_EXITED && s->exec_cap < EXECS_MAX && ++s->exec_streak >= 4 * EXECS_MAX) {
		s->exec_cap++;
		s->exec_streak = 0;
	}
	chan_unlink(c);
	c->state = CHAN_GONE;
	stream_emit_closed(&c->stream, end, exit_status, why);
	c->next = s->gone;
	s->gone = c;
	if (s->first != NULL)
		session_soon(s);
}

size_t
chan_pending(const struct chan *c, const void **ret)
{
	*ret = c->out.data + c->out_off;
	return c->out.len - c->out_off;
}

void
chan_sent(struct chan *c, size_t len_bytes)
{
	c->out_off += len_bytes;
	if (c->out_off == c->out.len) {
		/* Nothing more to say for now: the memory, overwritten, goes back. */
		buf_release(&c->out);
		c->out_off = 0;
	}
}

static int
op_write(struct stream *st, const void *p, size_t len_bytes)
{
	struct chan *c = (struct chan *)st;

	if (c->state == CHAN_GONE || c->detached || c->out_eof)
		return -1;
	if (c->out.len - c->out_off + len_bytes > STREAM_QUEUE_MAX) {
		c->flooded = true;
		session_soon(c->session);
		return -1;
	}
	if (c->out_off > 0 && c->out_off >= c->out.len / 2) {
		buf_drop(&c->out, c->out_off);
		c->out_off = 0;
	}
	buf_put(&c->out, p, len_bytes);
	session_soon(c->session);
	return 0;
}

static void
op_write_eof(struct stream *st)
{
	struct chan *c = (struct chan *)st;

	c->out_eof = true;
	session_soon(c->session);
}

static void
op_deadline(struct stream *st, int64_t from_now_ms)
{
	struct chan *c = (struct chan *)st;

	/* The loop may be busy since long: its idea of now is of when it woke up. */
	uv_update_time(c->session->loop);
	c->deadline_ms = from_now_ms;
	c->deadline_at = from_now_ms <= 0 ? 0 : session_now(c->session) + from_now_ms;
	session_timer(c->session, c->deadline_at);
}

static void
op_close(struct stream *st)
{
	struct chan *c = (struct chan *)st;

	if (c->state == CHAN_GONE)
		return;
	c->detached = true;
	c->deadline_at = 0;
	session_soon(c->session);
}

static const struct stream_ops chan_ops = {
	.write = op_write, .write_eof = op_write_eof, .deadline = op_deadline, .close = op_close
};

static struct stream *
chan_new(struct session *s, enum chan_kind kind, const char *what, int port,
    const struct stream_events *events, void *arg)
{
	struct chan *c = mem_alloc(sizeof(*c));

	stream_init(&c->stream, &chan_ops, events, arg);
	c->session = s;
	c->kind = kind;
	c->what = mem_strdup(what);
	c->port = port;
	c->too_long = strlen(what) > SESSION_COMMAND_MAX;
	c->out.max = 2 * STREAM_QUEUE_MAX;
	c->out.secret = true;
	c->prev = s->last;
	if (s->last != NULL)
		s->last->next = c;
	else
		s->first = c;
	s->last = c;
	op_deadline(&c->stream, STREAM_DEADLINE_DEFAULT_MS);
	session_soon(s);
	return &c->stream;
}

struct stream *
session_exec(struct session *s, const char *command, const struct stream_events *events, void *arg)
{
	return chan_new(s, CHAN_EXEC, command, 0, events, arg);
}

struct stream *
session_dial(struct session *s, const char *address, int port, const struct stream_events *events,
    void *arg)
{
	return chan_new(s, CHAN_DIAL, address, port, events, arg);
}
