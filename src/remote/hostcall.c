/*
 * hostcall: see hostcall.h.
 *
 * An answer whose "end" line is there is waited for no longer than LINGER_MS: a
 * daemon that a command left behind may hold the channel open for ever.  It is
 * not closed at once either, since closing ends what still runs of a local
 * command's process group.
 */
#include "remote/hostcall.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "remote/session.h"
#include "remote/stream.h"

#define SAID_MAX	1024
#define LINGER_MS	500

static void
tell_of_sudo(struct hostcall *c, enum sudo_trouble trouble)
{
	if (c->as == NULL || c->heard)
		return;
	c->heard = true;
	c->troubled(c->troubled_arg, trouble);
}

static void
finish(struct hostcall *c, enum hostcall_end end, const struct err *why)
{
	const struct hostcall_events *events = c->events;
	struct host_answer answer;
	enum sudo_trouble trouble;
	struct err err;
	void *arg = c->arg;

	stream_close(c->stream);
	c->stream = NULL;
	memset(&answer, 0, sizeof(answer));
	if (end == HOSTCALL_ANSWERED && host_answer_parse(&answer, c->nonce, buf_str(&c->out),
	    c->out.len, &err) != 0) {
		end = HOSTCALL_LOST;
		trouble = c->as == NULL ? SUDO_FINE : host_sudo_trouble(buf_str(&c->said));
		if (trouble != SUDO_FINE) {
			end = HOSTCALL_NOT_SENT;
			(void)host_sudo_why(&err, trouble, c->as);
			tell_of_sudo(c, trouble);
		} else if (c->out.over)
			(void)err_set(&err, "the answer is longer than %zu bytes", c->out.max);
		else if (c->said.len > 0)
			(void)err_set(&err, "no answer; it said: %s", buf_str(&c->said));
		why = &err;
	}
	tell_of_sudo(c, SUDO_SILENT);
	buf_release(&c->password);
	buf_release(&c->request);
	buf_release(&c->out);
	buf_release(&c->said);
	events->done(arg, end, end == HOSTCALL_ANSWERED ? &answer : NULL,
	    end == HOSTCALL_ANSWERED ? NULL : why);
	host_answer_release(&answer);
}

static void
send_request(struct hostcall *c)
{
	struct buf program;

	c->sent = true;
	if (c->as != NULL) {
		buf_init(&program, 0);
		host_program(&program, c->nonce);
		(void)stream_write(c->stream, program.data, program.len);
		buf_release(&program);
	}
	(void)stream_write(c->stream, c->request.data, c->request.len);
	if (c->events->waits == NULL)
		stream_write_eof(c->stream);
	buf_release(&c->request);
}

/*
 * What sudo is told goes alone, and the request when the program says that it is
 * there: a sudo that does not take the one would read lines of the other for its next
 * tries, and count each as a failed login.
 */
static void
on_opened(void *arg)
{
	struct hostcall *c = arg;

	if (c->password.len == 0) {
		send_request(c);
		return;
	}
	c->held = true;
	(void)stream_write(c->stream, c->password.data, c->password.len);
	buf_release(&c->password);
}

/* The mark at or behind `from`, or SIZE_MAX; "\nNONCE " and a word. */
static size_t
find_mark(const struct hostcall *c, size_t from, const char *word)
{
	char mark[HOST_NONCE_MAX + 32];
	const char *p, *end;
	size_t len;

	len = (size_t)snprintf(mark, sizeof(mark), "\n%s %s", c->nonce, word);
	if (c->out.len < len)
		return SIZE_MAX;
	end = c->out.data + c->out.len - len + 1;
	for (p = c->out.data + from; p < end; p++) {
		p = memchr(p, '\n', (size_t)(end - p));
		if (p == NULL)
			break;
		if (memcmp(p, mark, len) == 0)
			return (size_t)(p - c->out.data);
	}
	return SIZE_MAX;
}

/* How many bytes at the end of what came may be the beginning of a mark. */
static size_t
begun_mark(const struct hostcall *c)
{
	char mark[HOST_NONCE_MAX + 3];
	size_t len, n;

	len = (size_t)snprintf(mark, sizeof(mark), "\n%s ", c->nonce);
	for (n = len < c->out.len ? len : c->out.len; n > 0; n--)
		if (memcmp(c->out.data + c->out.len - n, mark, n) == 0)
			break;
	return n;
}

static void
follow_live(struct hostcall *c)
{
	size_t at, n;

	if (!c->live) {
		if (c->live_over || (at = find_mark(c, 0, "live\n")) == SIZE_MAX)
			return;
		c->live = true;
		buf_drop(&c->out, at + strlen(c->nonce) + 2 + 5);
	}
	at = find_mark(c, 0, "");
	n = at != SIZE_MAX ? at : c->out.len - begun_mark(c);
	if (n > 0) {
		c->events->text(c->arg, c->out.data, n);
		buf_drop(&c->out, n);
	}
	if (at != SIZE_MAX) {
		c->live = false;
		c->live_over = true;
	}
	c->searched = 0;
}

/* The last thing that is done with the call: whoever is told may have ended it. */
static void
tell_wait(struct hostcall *c)
{
	const char *word, *nl;
	struct host_answer answer;
	char what[32];
	struct err err;
	size_t at = find_mark(c, c->waited, "wait ");

	if (at == SIZE_MAX)
		return;
	word = c->out.data + at + strlen(c->nonce) + 7;
	if ((nl = memchr(word, '\n', (size_t)(c->out.data + c->out.len - word))) == NULL)
		return;
	c->waited = (size_t)(nl - c->out.data);
	(void)snprintf(what, sizeof(what), "%.*s", (int)(nl - word), word);
	if (host_answer_begun(&answer, c->nonce, buf_str(&c->out), c->out.len, &err) != 0)
		return;
	c->events->waits(c->arg, what, &answer);
	host_answer_release(&answer);
}

static void
on_data(void *arg, const unsigned char *p, size_t len_bytes)
{
	struct hostcall *c = arg;
	size_t at, back = strlen(c->nonce) + 8;

	(void)buf_put(&c->out, p, len_bytes);
	if (c->as != NULL && !c->heard && find_mark(c, 0, "here\n") != SIZE_MAX) {
		tell_of_sudo(c, SUDO_FINE);
		if (c->held)
			send_request(c);
		c->held = false;
	}
	if (c->events->text != NULL && !c->live_over)
		follow_live(c);
	at = find_mark(c, c->searched, "end ");
	if (at != SIZE_MAX && memchr(c->out.data + at + 1, '\n', c->out.len - at - 1) != NULL) {
		if (!c->ended)
			stream_deadline(c->stream, LINGER_MS);
		c->ended = true;
	} else if (c->out.over) {
		/* A flood; nothing of it will be an answer. */
		finish(c, HOSTCALL_ANSWERED, NULL);
		return;
	} else if (at == SIZE_MAX)
		c->searched = c->out.len > back ? c->out.len - back : 0;
	else
		c->searched = at;
	if (c->stream != NULL && !c->ended && c->events->waits != NULL)
		tell_wait(c);
}

static void
on_errdata(void *arg, const unsigned char *p, size_t len_bytes)
{
	struct hostcall *c = arg;

	(void)buf_put(&c->said, p, len_bytes);
	if (c->held && host_sudo_trouble(buf_str(&c->said)) != SUDO_FINE) {
		c->held = false;
		stream_write_eof(c->stream);
	}
}

static void
on_closed(void *arg, enum stream_end end, int exit_status, const struct err *why)
{
	struct hostcall *c = arg;
	struct err err;

	c->stream = NULL;
	if (c->ended) {
		finish(c, HOSTCALL_ANSWERED, NULL);
		return;
	}
	switch (end) {
	case STREAM_EOF:
	case STREAM_EXITED:
		/* Ended without an answer: 127 is a host without the shell that we need. */
		if (c->out.len == 0 && c->said.len == 0 && exit_status > 0)
			(void)buf_printf(&c->said, "exit status %d", exit_status);
		finish(c, HOSTCALL_ANSWERED, NULL);
		return;
	case STREAM_REFUSED:
		finish(c, HOSTCALL_NOT_SENT, why);
		return;
	case STREAM_TIMEOUT:
		finish(c, c->sent ? HOSTCALL_LATE : HOSTCALL_NOT_SENT, why);
		return;
	case STREAM_LOST:
		if (why == NULL) {
			(void)err_set(&err, "the connection broke");
			why = &err;
		}
		finish(c, c->sent ? HOSTCALL_LOST : HOSTCALL_NOT_SENT, why);
		return;
	}
}

struct buf *
hostcall_headers(struct hostcall *c)
{
	unsigned char random[16];
	size_t i;

	hostcall_release(c);
	if (getentropy(random, sizeof(random)) != 0)
		abort();
	for (i = 0; i < sizeof(random); i++)
		(void)snprintf(c->nonce + 2 * i, 3, "%02x", random[i]);
	buf_init(&c->request, STREAM_QUEUE_MAX);
	buf_init(&c->out, HOST_ANSWER_MAX);
	buf_init(&c->said, SAID_MAX);
	c->out.secret = true;
	c->as = NULL;
	c->held = c->heard = false;
	host_begin(&c->request, c->nonce);
	return &c->request;
}

void
hostcall_as(struct hostcall *c, const char *user, const char *password,
    void (*troubled)(void *arg, enum sudo_trouble), void *arg)
{
	c->as = user;
	c->troubled = troubled;
	c->troubled_arg = arg;
	if (password == NULL)
		return;
	buf_init(&c->password, 0);
	c->password.secret = true;
	(void)buf_puts(&c->password, password);
	(void)buf_putc(&c->password, '\n');
}

void
hostcall_begin(struct hostcall *c, struct session *session, const char *verb, const char *op_id,
    const void *payload, size_t payload_len, int64_t deadline_ms,
    const struct hostcall_events *events, void *arg)
{
	static const struct stream_events stream_events = {
		.opened = on_opened, .data = on_data, .errdata = on_errdata, .closed = on_closed,
	};
	struct buf command;

	host_headers_end(&c->request);
	(void)buf_put(&c->request, payload, payload_len);
	c->events = events;
	c->arg = arg;
	c->sent = c->live = c->live_over = c->ended = false;
	c->searched = c->waited = 0;
	buf_init(&command, 0);
	host_command(&command, verb, c->nonce, op_id, c->as, c->password.len > 0);
	c->stream = session_exec(session, buf_str(&command), &stream_events, c);
	buf_release(&command);
	stream_deadline(c->stream, deadline_ms < 1 ? 1 : deadline_ms);
}

void
hostcall_say(struct hostcall *c, const void *bytes, size_t len_bytes)
{
	if (c->stream != NULL)
		(void)stream_write(c->stream, bytes, len_bytes);
}

void
hostcall_release(struct hostcall *c)
{
	stream_close(c->stream);
	c->stream = NULL;
	buf_release(&c->password);
	buf_release(&c->request);
	buf_release(&c->out);
	buf_release(&c->said);
}
