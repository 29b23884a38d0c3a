/*
 * follow: see follow.h.
 *
 * Owns one stream, a list of pieces in the order they came, and a timer for
 * starting again.  Invariant: from_ms is never earlier than the time from which every byte is
 * in the list.
 */
#include "remote/follow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/session.h"
#include "remote/stream.h"

#define AGAIN_MS	3000
/* A command that was just started does not look yet. */
#define SETTLE_MS	300
#define PIECES_MAX	4096

struct piece {
	int64_t at_ms;
	size_t len;
	char *bytes;
};

struct follow {
	struct session *session;
	char	*command;
	struct stream *stream;
	uv_timer_t *timer;
	int64_t	 from_ms;
	int64_t	 started_ms;
	bool	 again;		/* nothing has come since it was started once more */
	follow_heard *heard;
	void	*arg;
	struct piece *v;
	size_t	 n, bytes;
	char	 why[ERR_MAX];
};

static void start(uv_timer_t *);

static int64_t
wall_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
on_opened(void *arg)
{
	struct follow *f = arg;

	stream_deadline(f->stream, 0);
	f->from_ms = wall_ms() + SETTLE_MS;
	f->again = f->started_ms != 0;
	f->started_ms = f->from_ms;
	f->why[0] = '\0';
}

static void
drop_oldest(struct follow *f)
{
	if (f->from_ms <= f->v[0].at_ms)
		f->from_ms = f->v[0].at_ms + 1;
	f->bytes -= f->v[0].len;
	free(f->v[0].bytes);
	f->n--;
	memmove(f->v, f->v + 1, f->n * sizeof(*f->v));
}

static void
on_data(void *arg, const unsigned char *p, size_t len)
{
	struct follow *f = arg;
	struct piece *piece;

	if (f->heard != NULL)
		f->heard(f->arg, f->again, wall_ms(), (const char *)p, len);
	f->again = false;
	if (len > FOLLOW_MAX) {
		p += len - FOLLOW_MAX;
		len = FOLLOW_MAX;
	}
	while (f->n > 0 && (f->bytes + len > FOLLOW_MAX || f->n >= PIECES_MAX))
		drop_oldest(f);
	piece = mem_push(&f->v, &f->n, sizeof(*piece));
	piece->at_ms = wall_ms();
	piece->len = len;
	piece->bytes = mem_alloc(len + 1);
	memcpy(piece->bytes, p, len);
	f->bytes += len;
}

static void
on_errdata(void *arg, const unsigned char *p, size_t len)
{
	struct follow *f = arg;
	struct err e;

	/* Only its last words are kept, for the case that they are its very last. */
	(void)err_set(&e, "%.*s", (int)(len > 200 ? 200 : len), (const char *)p);
	memcpy(f->why, e.msg, sizeof(f->why));
	f->why[strcspn(f->why, "\n")] = '\0';
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct follow *f = arg;
	struct err e;

	f->stream = NULL;
	f->from_ms = f->started_ms = INT64_MAX;
	if (why != NULL)
		(void)err_set(&e, "%s", why->msg);
	else
		(void)err_set(&e, "the log command ended with %d%s%s", end == STREAM_EXITED ? status : -1,
		    f->why[0] != '\0' ? ": " : "", f->why);
	memcpy(f->why, e.msg, sizeof(f->why));
	(void)uv_timer_start(f->timer, start, AGAIN_MS, 0);
}

static const struct stream_events events = {
	.opened = on_opened, .data = on_data, .errdata = on_errdata, .closed = on_closed,
};

static void
start(uv_timer_t *timer)
{
	struct follow *f = timer->data;

	if (f != NULL && f->stream == NULL)
		f->stream = session_exec(f->session, f->command, &events, f);
}

/*
 * The command, tied to our end: a command without a terminal outlives its
 * channel.  When stdin ends it is killed; when it ends, so does the whole.
 */
static char *
tied(const char *command)
{
	/* A simple command takes the shell's place, so that the kill reaches it. */
	bool simple = strpbrk(command, ";|&<>()`\n'\"$\\") == NULL && strncmp(command, "exec ", 5) != 0;
	struct buf script, out;

	buf_init(&script, 0);
	buf_init(&out, 0);
	buf_printf(&script, "exec 3<&0\n{ %s%s\n} </dev/null 3<&- & p=$!\n"
	    "{ cat <&3 >/dev/null; kill $p; } 2>/dev/null & c=$!\n"
	    "exec 3<&-; wait $p; s=$?; kill $c 2>/dev/null; exit $s", simple ? "exec " : "", command);
	buf_puts(&out, "sh -c ");
	text_shell_quote(&out, buf_str(&script));
	buf_release(&script);
	return buf_take(&out, NULL);
}

struct follow *
follow_new(struct uv_loop_s *loop, struct session *session, const char *command)
{
	struct follow *f = mem_alloc(sizeof(*f));

	f->session = session;
	f->command = tied(command);
	f->from_ms = INT64_MAX;
	f->timer = mem_alloc(sizeof(*f->timer));
	(void)uv_timer_init(loop, f->timer);
	f->timer->data = f;
	(void)uv_timer_start(f->timer, start, 0, 0);
	return f;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

void
follow_free(struct follow *f)
{
	size_t i;

	if (f == NULL)
		return;
	stream_close(f->stream);
	f->timer->data = NULL;
	(void)uv_timer_stop(f->timer);
	uv_close((uv_handle_t *)f->timer, timer_closed);
	for (i = 0; i < f->n; i++)
		free(f->v[i].bytes);
	free(f->v);
	free(f->command);
	free(f);
}

int64_t
follow_from_ms(const struct follow *f)
{
	return f->from_ms;
}

void
follow_text(const struct follow *f, int64_t since_ms, struct buf *out)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->v[i].at_ms >= since_ms)
			(void)buf_put(out, f->v[i].bytes, f->v[i].len);
}

void
follow_listen(struct follow *f, follow_heard *heard, void *arg)
{
	f->heard = heard;
	f->arg = arg;
}

int64_t
follow_started_ms(const struct follow *f)
{
	return f->started_ms == 0 ? INT64_MAX : f->started_ms;
}

const char *
follow_why(const struct follow *f)
{
	return f->why[0] == '\0' ? NULL : f->why;
}
