/*
 * errand: see errand.h.  Owns one stream and what came over it.
 */
#include "remote/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/session.h"
#include "remote/stream.h"

struct errand {
	struct stream *stream;
	struct buf out, errors;
	errand_done *done;
	void	*arg;
};

static void
on_opened(void *arg)
{
	stream_write_eof(((struct errand *)arg)->stream);
}

static void
on_data(void *arg, const unsigned char *bytes, size_t len)
{
	(void)buf_put(&((struct errand *)arg)->out, bytes, len);
}

static void
on_errdata(void *arg, const unsigned char *bytes, size_t len)
{
	(void)buf_put(&((struct errand *)arg)->errors, bytes, len);
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct errand *e = arg;
	struct errand_result r = { end == STREAM_EXITED, status, &e->out, &e->errors, NULL };

	e->stream = NULL;
	if (!r.ended)
		r.why = why != NULL ? why->msg : "the command's end is not known";
	e->done(e->arg, &r);
	errand_cancel(e);
}

static const struct stream_events events = {
	.opened = on_opened, .data = on_data, .errdata = on_errdata, .closed = on_closed,
};

struct errand *
errand_run(struct session *session, const char *command, size_t max_bytes, int64_t deadline_ms,
    errand_done *done, void *arg)
{
	struct errand *e = mem_alloc(sizeof(*e));
	struct buf b;

	e->done = done;
	e->arg = arg;
	buf_init(&e->out, max_bytes);
	buf_init(&e->errors, ERRAND_ERRORS_MAX);
	buf_init(&b, 0);
	(void)buf_puts(&b, "sh -c ");
	text_shell_quote(&b, command);
	e->stream = session_exec(session, buf_str(&b), &events, e);
	buf_release(&b);
	stream_deadline(e->stream, deadline_ms);
	return e;
}

void
errand_cancel(struct errand *e)
{
	if (e == NULL)
		return;
	stream_close(e->stream);
	buf_release(&e->out);
	buf_release(&e->errors);
	free(e);
}

const char *
errand_first_line(const struct errand_result *r, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%.200s", buf_str(r->errors->len > 0 ? r->errors : r->out));
	ret[strcspn(ret, "\r\n")] = '\0';
	return ret;
}
