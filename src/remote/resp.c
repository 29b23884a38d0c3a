/*
 * resp: see resp.h.
 *
 * Owns the stream, hiredis' reader, and the queue of commands that wait for
 * their replies.  Invariants: the reader is never fed more than the command
 * at the head may take; values are freed by the reader's own free function or by us,
 * never both; events come only from the stream's.
 *
 * hiredis 0.14 bounds neither the length of a bulk string nor the elements
 * of an array: bytes are counted before they are fed, elements in
 * createArray.
 */
#include "remote/resp.h"

#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"

#define QUEUE_MAX 64

struct waiting {
	int tag;
	size_t max_bytes;
};

struct resp {
	struct stream *stream;
	const struct resp_events *events;
	void	*arg;
	redisReader *reader;
	struct waiting queue[QUEUE_MAX];
	int	 first, n;
	size_t	 fed;		/* bytes since the last whole reply */
	size_t	 values;	/* of the reply under way */
	bool	 dead;
	int	 busy;
};

/* --- values -------------------------------------------------------------- */

static void
value_free(void *p)
{
	struct resp_value *v = p;
	size_t i;

	if (v == NULL)
		return;
	for (i = 0; i < v->n; i++)
		value_free(v->v[i]);
	free(v->v);
	free(v->text);
	free(v);
}

static struct resp_value *
value_new(const redisReadTask *task, enum resp_type type)
{
	struct resp *r = task->privdata;
	struct resp_value *v, *parent;

	/* NULL is "out of memory" to the reader, which then gives up. */
	if (++r->values > RESP_VALUES_MAX)
		return NULL;
	v = mem_alloc(sizeof(*v));
	v->type = type;
	if (task->parent != NULL) {
		parent = task->parent->obj;
		parent->v[task->idx] = v;
	}
	return v;
}

static void *
create_string(const redisReadTask *task, char *text, size_t len)
{
	struct resp_value *v = value_new(task, task->type == REDIS_REPLY_ERROR ? RESP_ERROR :
	    task->type == REDIS_REPLY_STATUS ? RESP_STATUS : RESP_STRING);

	if (v != NULL) {
		/* mem_strndup() would stop at a NUL. */
		v->text = mem_alloc(len + 1);
		memcpy(v->text, text, len);
		v->len = len;
	}
	return v;
}

static void *
create_array(const redisReadTask *task, int elements)
{
	struct resp_value *v;

	if (elements < 0 || elements > RESP_ARRAY_MAX)
		return NULL;
	v = value_new(task, RESP_ARRAY);
	if (v != NULL && elements > 0) {
		v->v = mem_array((size_t)elements, sizeof(*v->v));
		v->n = (size_t)elements;
	}
	return v;
}

static void *
create_integer(const redisReadTask *task, long long integer)
{
	struct resp_value *v = value_new(task, RESP_INTEGER);

	if (v != NULL)
		v->integer = integer;
	return v;
}

static void *
create_nil(const redisReadTask *task)
{
	return value_new(task, RESP_NIL);
}

static redisReplyObjectFunctions functions = {
	create_string, create_array, create_integer, create_nil, value_free,
};

/* --- life ---------------------------------------------------------------- */

static void
resp_free(struct resp *r)
{
	stream_close(r->stream);
	if (r->reader != NULL)
		redisReaderFree(r->reader);
	free(r);
}

void
resp_close(struct resp *r)
{
	if (r == NULL || r->dead)
		return;
	r->dead = true;
	if (r->busy == 0)
		resp_free(r);
}

static void
leave(struct resp *r)
{
	if (--r->busy == 0 && r->dead)
		resp_free(r);
}

static void
fail(struct resp *r, enum stream_end end, const char *why)
{
	if (r->dead)
		return;
	r->dead = true;
	r->events->closed(r->arg, end, why);
}

static void
on_opened(void *arg)
{
	struct resp *r = arg;

	r->busy++;
	r->events->opened(r->arg);
	leave(r);
}

/* Gives out the replies that are whole; false when there is none any more. */
static bool
next_reply(struct resp *r)
{
	struct waiting *w = &r->queue[r->first];
	void *reply = NULL;
	int tag;

	if (redisReaderGetReply(r->reader, &reply) != REDIS_OK) {
		fail(r, STREAM_LOST, r->reader->err == REDIS_ERR_OOM ? "a reply larger than any can be" :
		    "the answer is not Redis'");
		return false;
	}
	if (reply == NULL)
		return false;
	r->values = 0;
	if (r->n == 0) {
		value_free(reply);
		fail(r, STREAM_LOST, "a reply that nobody asked for");
		return false;
	}
	tag = w->tag;
	r->first = (r->first + 1) % QUEUE_MAX;
	r->n--;
	r->events->reply(r->arg, tag, reply);
	value_free(reply);
	return true;
}

static void
on_data(void *arg, const unsigned char *p, size_t len)
{
	struct resp *r = arg;
	size_t max, n;

	r->busy++;
	while (len > 0 && !r->dead) {
		max = r->n > 0 ? r->queue[r->first].max_bytes : 0;
		n = r->fed < max ? max - r->fed : 0;
		if (n == 0) {
			fail(r, STREAM_LOST, r->n > 0 ? "a reply larger than any can be" :
			    "a reply that nobody asked for");
			break;
		}
		/* In pieces, so that what belongs to the next reply is counted as that one's. */
		if (n > len)
			n = len;
		if (n > 4096)
			n = 4096;
		if (redisReaderFeed(r->reader, (const char *)p, n) != REDIS_OK) {
			fail(r, STREAM_LOST, "the answer is not Redis'");
			break;
		}
		r->fed += n;
		p += n;
		len -= n;
		while (!r->dead && next_reply(r))
			r->fed = 0;
	}
	leave(r);
}

static void
on_eof(void *arg)
{
	struct resp *r = arg;

	r->busy++;
	fail(r, STREAM_EOF, "the server closed the connection");
	leave(r);
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct resp *r = arg;

	(void)status;
	r->busy++;
	fail(r, end, why == NULL ? "the server closed the connection" : why->msg);
	r->stream = NULL;
	leave(r);
}

static const struct stream_events events = {
	.opened = on_opened, .data = on_data, .eof = on_eof, .closed = on_closed,
};

struct resp *
resp_over(struct stream *stream, const struct resp_events *resp_events, void *arg)
{
	struct resp *r = mem_alloc(sizeof(*r));

	r->stream = stream;
	r->events = resp_events;
	r->arg = arg;
	r->reader = redisReaderCreateWithFunctions(&functions);
	if (r->reader == NULL)
		abort();	/* only for want of memory */
	r->reader->privdata = r;
	stream_own(stream, &events, r);
	return r;
}

int
resp_command(struct resp *r, int tag, size_t max_bytes, int argc, const char *const argv[])
{
	struct waiting *w;
	const char *args[16];
	char *command = NULL;
	int len, rc, i;

	if (r->dead || r->stream == NULL || r->n == QUEUE_MAX || argc > 16)
		return -1;
	for (i = 0; i < argc; i++)
		args[i] = argv[i];
	len = redisFormatCommandArgv(&command, argc, args, NULL);
	if (len < 0)
		return -1;
	w = &r->queue[(r->first + r->n++) % QUEUE_MAX];
	w->tag = tag;
	w->max_bytes = max_bytes;
	rc = stream_write(r->stream, command, (size_t)len);
	/* It may hold the password; hiredis' own allocation is free()'s to take. */
	mem_wipe(command, (size_t)len);
	redisFreeCommand(command);
	return rc;
}

struct stream *
resp_stream(struct resp *r)
{
	return r->stream;
}
