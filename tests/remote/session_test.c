/*
 * Sessions against real sshds: see src/remote/session.h for what is claimed.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session.h"
#include "sshd_fixture.h"

static struct fixture fx;
static uv_loop_t loop;
static struct keyring *keyring;

/* What became of one stream. */
struct seen {
	struct stream *stream;
	struct buf out, err;
	bool	opened, eof, closed;
	enum stream_end end;
	int	status;
	struct err why;
};

static void
on_opened(void *arg)
{
	((struct seen *)arg)->opened = true;
}

static void
on_data(void *arg, const unsigned char *p, size_t n)
{
	buf_put(&((struct seen *)arg)->out, p, n);
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

static const struct stream_events events = {
	.opened = on_opened, .data = on_data, .errdata = on_errdata, .eof = on_eof, .closed = on_closed
};

static void
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

/* Runs the loop until *flag; fails after limit_ms. */
static void
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

struct watch {
	enum session_state state;
	enum session_need need;
	bool	reached;
	int	changes;
};

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

static struct session *
session_to(const struct sshd *d, struct watch *w)
{
	struct session_config c;

	memset(&c, 0, sizeof(c));
	c.name = d->name;
	c.ssh = d->name;
	c.ssh_config = fixture_path(&fx, "ssh_config");
	return session_new(&loop, keyring, &c, w == NULL ? NULL : on_changed, w);
}

static void
run_command(struct session *s, const char *command, struct seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->stream = session_exec(s, command, &events, seen);
	stream_write_eof(seen->stream);
	until(&seen->closed, 40000);
}

static void
settle(struct session *s)
{
	int i;

	session_free(s);
	for (i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
}

static struct sshd plain;

static int
setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	unsetenv("SSH_AUTH_SOCK");
	fixture_up(&fx);
	setenv("HOME", fx.dir, 1);
	uv_loop_init(&loop);
	keyring = keyring_new(&loop);
	sshd_up(&plain, &fx, "plain", "ed25519 ecdsa", NULL);
	sshd_known(&plain, "ed25519");
	sshd_config_block(&plain, fixture_path(&fx, "ed25519"), NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	keyring_free(keyring);
	sshd_down(&plain);
	uv_run(&loop, UV_RUN_NOWAIT);
	if (uv_loop_close(&loop) != 0) {
		uv_print_all_handles(&loop, stderr);
		fprintf(stderr, "handles are left over\n");
		return -1;
	}
	fixture_down(&fx);
	return 0;
}

static void
session_runs_a_command_and_tells_its_exit_status(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct session_status st;
	struct seen seen;

	(void)state;
	run_command(s, "echo out; echo err >&2; exit 7", &seen);
	assert_int_equal(seen.end, STREAM_EXITED);
	assert_int_equal(seen.status, 7);
	assert_string_equal(buf_str(&seen.out), "out\n");
	assert_string_equal(buf_str(&seen.err), "err\n");
	assert_true(seen.opened && seen.eof);
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_UP);
	assert_string_equal(st.transport, "libssh2");
	assert_string_equal(session_address(s), "127.0.0.1");
	seen_release(&seen);
	run_command(s, "kill -TERM $$", &seen);
	assert_int_equal(seen.status, 128 + 15);
	seen_release(&seen);
	settle(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_runs_a_command_and_tells_its_exit_status),
	};

	return cmocka_run_group_tests_name("session", tests, setup, teardown);
}
