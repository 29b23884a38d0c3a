/*
 * client: see client.h.
 */
#include "client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote/keyring.h"

struct fixture fx;
uv_loop_t loop;
struct keyring *keyring;

static void
on_opened(void *arg)
{
	((struct seen *)arg)->opened = true;
}

static void
on_data(void *arg, const unsigned char *p, size_t n)
{
	struct seen *s = arg;

	buf_put(&s->out, p, n);
	if (s->want > 0 && s->out.len >= s->want)
		s->enough = true;
}

static void
on_errdata(void *arg, const unsigned char *p, size_t n)
{
	buf_put(&((struct seen *)arg)->err, p, n);
}

static void
on_eof(void *arg)
{
	((struct seen *)arg)->eof = true;
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct seen *s = arg;

	assert_false(s->closed);
	s->closed = true;
	s->end = end;
	s->status = status;
	s->stream = NULL;
	if (why != NULL)
		s->why = *why;
}

const struct stream_events events = {
	.opened = on_opened, .data = on_data, .errdata = on_errdata, .eof = on_eof, .closed = on_closed
};

void
seen_release(struct seen *s)
{
	buf_release(&s->out);
	buf_release(&s->err);
	memset(s, 0, sizeof(*s));
}

/* ---- turning the loop until something is so ------------------------------ */

static void
too_long(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static void
tick_closed(uv_handle_t *h)
{
	*(bool *)h->data = true;
}

void
until(const bool *flag, int64_t limit_ms)
{
	uv_timer_t timer;
	bool late = false, gone = false;

	uv_update_time(&loop);
	uv_timer_init(&loop, &timer);
	timer.data = &late;
	uv_timer_start(&timer, too_long, (uint64_t)limit_ms, 0);
	while (!*flag && !late)
		uv_run(&loop, UV_RUN_ONCE);
	timer.data = &gone;
	uv_close((uv_handle_t *)&timer, tick_closed);
	while (!gone)
		uv_run(&loop, UV_RUN_NOWAIT);
	if (!*flag)
		fail_msg("nothing within %lld ms", (long long)limit_ms);
}

static void
on_changed(struct session *s, void *arg)
{
	struct watch *w = arg;
	struct session_status st;

	session_status(s, &st);
	w->changes++;
	if (st.state == w->state && st.need == w->need)
		w->reached = true;
}

struct session *
session_to(const struct sshd *d, struct watch *w)
{
	struct session_config c;

	memset(&c, 0, sizeof(c));
	c.name = d->name;
	c.ssh = d->name;
	c.ssh_config = fixture_path(&fx, "ssh_config");
	return session_new(&loop, keyring, &c, w == NULL ? NULL : on_changed, w);
}

void
run_command(struct session *s, const char *command, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->stream = session_exec(s, command, &events, seen);
	stream_write_eof(seen->stream);
	until(&seen->closed, 60000);
}

void
settle(struct session *s)
{
	int i;

	session_free(s);
	for (i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

int
client_up(void)
{
	signal(SIGPIPE, SIG_IGN);
	unsetenv("SSH_AUTH_SOCK");
	fixture_up(&fx);
	setenv("HOME", fx.dir, 1);
	uv_loop_init(&loop);
	keyring = keyring_new(&loop);
	return 0;
}

int
client_down(void)
{
	int i;

	keyring_free(keyring);
	/* Children that were told to end are waited for, but not for ever. */
	alarm(60);
	for (i = 0; i < 1000 && uv_loop_alive(&loop); i++)
		uv_run(&loop, UV_RUN_ONCE);
	alarm(0);
	if (uv_loop_close(&loop) != 0) {
		uv_print_all_handles(&loop, stderr);
		fprintf(stderr, "handles are left over\n");
		return -1;
	}
	fixture_down(&fx);
	return 0;
}
