/*
 * stream: bytes both ways to something on or behind a host.
 *
 * One small abstraction for an SSH direct-tcpip channel, a command's stdin
 * and stdout on a host, a local socket and a local process, so that TLS, the Postgres
 * start-up and RESP run the same over each of them.  Never blocks; everything
 * happens from the worker's loop.
 *
 * Life: a stream is made by session.h (or stream_local.h's makers); its events
 * come one at a time and never from inside the call that made it or from
 * inside stream_write().  `closed` is the last event and comes exactly once,
 * unless the owner called stream_close() first: then nothing comes any more.
 * After either, the pointer is dead.
 *
 * Deadlines: each stream has one, STREAM_DEADLINE_DEFAULT_MS after it was made
 * until stream_deadline() sets another; when it passes, the stream closes by
 * itself with "no answer within N s".
 */
#ifndef BELAY_REMOTE_STREAM_H
#define BELAY_REMOTE_STREAM_H

#include <stddef.h>
#include <stdint.h>

struct err;
struct stream;

/* How a stream came to its end; `STREAM_EXITED` only for commands. */
enum stream_end {
	STREAM_EOF,		/* the far side ended in good order */
	STREAM_EXITED,		/* the command ended; see exit_status */
	STREAM_REFUSED,		/* could not be opened: nothing listens, not allowed */
	STREAM_TIMEOUT,		/* the deadline passed */
	STREAM_LOST		/* the session or the socket broke: what happened at the far side is not known */
};

struct stream_events {
	void	(*opened)(void *arg);		/* may be written to; may be NULL */
	void	(*data)(void *arg, const unsigned char *, size_t len_bytes);
	void	(*errdata)(void *arg, const unsigned char *, size_t len_bytes);	/* a command's stderr; may be NULL */
	void	(*eof)(void *arg);		/* no more data will come; may be NULL */
	/* exit_status: of a command, else -1; 128+n for a signal. why: only for REFUSED, TIMEOUT, LOST, else NULL. */
	void	(*closed)(void *arg, enum stream_end, int exit_status, const struct err *why);
};

/*
 * Queues bytes; at most STREAM_QUEUE_MAX may wait, more fails the stream.  The
 * bytes are copied (and overwritten after sending).
 */
#define STREAM_QUEUE_MAX ((size_t)2 << 20)
int	stream_write(struct stream *, const void *, size_t len_bytes);
void	stream_write_eof(struct stream *);	/* after what is queued */
#define STREAM_DEADLINE_DEFAULT_MS 30000
/* 0 takes the deadline away: for a held stream of which nothing is asked just now. */
void	stream_deadline(struct stream *, int64_t from_now_ms);
void	stream_close(struct stream *);		/* no event follows; NULL is fine */
/* Hands the stream to another owner (a TLS layer taking over a Postgres preamble). */
void	stream_own(struct stream *, const struct stream_events *, void *arg);

/*
 * For those who make streams: the first member of a maker's own struct.  The
 * maker calls the events through stream_emit_*() below, and only from the
 * loop: never from inside its own ops.  It keeps its memory until the emit
 * returns, since the owner may call stream_close() from inside an event.
 */
struct stream_ops {
	int	(*write)(struct stream *, const void *, size_t len_bytes);
	void	(*write_eof)(struct stream *);
	void	(*deadline)(struct stream *, int64_t from_now_ms);
	void	(*close)(struct stream *);
};

struct stream {
	const struct stream_ops *ops;
	const struct stream_events *events;	/* after the end: events that do nothing */
	void	*arg;
};

void	stream_init(struct stream *, const struct stream_ops *, const struct stream_events *,
	    void *arg);
void	stream_emit_opened(struct stream *);
void	stream_emit_data(struct stream *, const void *, size_t len_bytes);
void	stream_emit_errdata(struct stream *, const void *, size_t len_bytes);
void	stream_emit_eof(struct stream *);
/* The last one: after it the stream says nothing more, whatever is emitted. */
void	stream_emit_closed(struct stream *, enum stream_end, int exit_status, const struct err *why);
const char *stream_end_word(enum stream_end);

#endif
