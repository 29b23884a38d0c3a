/*
 * stream: see stream.h.
 *
 * Owns the one rule that all makers share: an owner who closed a stream, or
 * was told of its end, hears nothing more.  It keeps no bytes and no state of
 * its own; queues and deadlines are the makers'.
 */
#include "remote/stream.h"

static const struct stream_events silent;

void
stream_init(struct stream *st, const struct stream_ops *ops, const struct stream_events *events,
    void *arg)
{
	st->ops = ops;
	st->events = events;
	st->arg = arg;
}

int
stream_write(struct stream *st, const void *p, size_t len_bytes)
{
	return st->ops->write(st, p, len_bytes);
}

void
stream_write_eof(struct stream *st)
{
	st->ops->write_eof(st);
}

void
stream_deadline(struct stream *st, int64_t from_now_ms)
{
	st->ops->deadline(st, from_now_ms);
}

void
stream_close(struct stream *st)
{
	if (st == NULL)
		return;
	st->events = &silent;
	st->ops->close(st);
}

void
stream_own(struct stream *st, const struct stream_events *events, void *arg)
{
	st->events = events;
	st->arg = arg;
}

void
stream_emit_opened(struct stream *st)
{
	if (st->events->opened != NULL)
		st->events->opened(st->arg);
}

void
stream_emit_data(struct stream *st, const void *p, size_t len_bytes)
{
	if (st->events->data != NULL)
		st->events->data(st->arg, p, len_bytes);
}

void
stream_emit_errdata(struct stream *st, const void *p, size_t len_bytes)
{
	if (st->events->errdata != NULL)
		st->events->errdata(st->arg, p, len_bytes);
}

void
stream_emit_eof(struct stream *st)
{
	if (st->events->eof != NULL)
		st->events->eof(st->arg);
}

void
stream_emit_closed(struct stream *st, enum stream_end end, int exit_status, const struct err *why)
{
	const struct stream_events *events = st->events;

	st->events = &silent;
	if (events->closed != NULL)
		events->closed(st->arg, end, exit_status, why);
}

const char *
stream_end_word(enum stream_end end)
{
	switch (end) {
	case STREAM_EOF:
		return "eof";
	case STREAM_EXITED:
		return "exited";
	case STREAM_REFUSED:
		return "refused";
	case STREAM_TIMEOUT:
		return "timeout";
	case STREAM_LOST:
		return "lost";
	}
	return "?";
}
