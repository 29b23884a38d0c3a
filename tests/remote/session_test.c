/*
 * Sessions against real sshds: see src/remote/session.h for what is claimed.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session_int.h"

static struct sshd plain;

static int
setup(void **state)
{
	(void)state;
	client_up();
	sshd_up(&plain, &fx, "plain", "ed25519 ecdsa", NULL);
	sshd_known(&plain, "ed25519");
	sshd_config_block(&plain, fixture_path(&fx, "ed25519"), NULL);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	sshd_down(&plain);
	return client_down();
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

static void
session_runs_200_commands_at_once_and_loses_none(void **state)
{
	int64_t start = (int64_t)uv_hrtime();
	enum { N = 200 };
	struct session *s = session_to(&plain, NULL);
	struct seen *seen = mem_array(N, sizeof(*seen));
	char command[64], want[64];
	int i;

	(void)state;
	for (i = 0; i < N; i++) {
		snprintf(command, sizeof(command), "echo %d; exit %d", i, i % 100);
		seen[i].stream = session_exec(s, command, &events, &seen[i]);
		stream_write_eof(seen[i].stream);
		stream_deadline(seen[i].stream, 180000);
	}
	for (i = 0; i < N; i++) {
		until(&seen[i].closed, 180000);
		if (seen[i].end != STREAM_EXITED)
			fail_msg("command %d: %s: %s", i, stream_end_word(seen[i].end), seen[i].why.msg);
		snprintf(want, sizeof(want), "%d\n", i);
		assert_string_equal(buf_str(&seen[i].out), want);
		assert_int_equal(seen[i].end, STREAM_EXITED);
		assert_int_equal(seen[i].status, i % 100);
		seen_release(&seen[i]);
	}
	free(seen);
	print_message("200 commands over one session: %lld ms\n",
	    (long long)((int64_t)uv_hrtime() - start) / 1000000);
	settle(s);
}

static unsigned char *
noise(size_t n)
{
	unsigned char *p = mem_alloc(n);
	uint32_t x = 2463534242u;
	size_t i;

	for (i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		p[i] = (unsigned char)x;
	}
	return p;
}

static void
carry_a_mebibyte(struct session *s)
{
	size_t n = (size_t)1 << 20;
	unsigned char *p = noise(n);
	struct seen seen;

	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "cat; printf end >&2; exit 3", &events, &seen);
	assert_int_equal(stream_write(seen.stream, p, n / 2), 0);
	assert_int_equal(stream_write(seen.stream, p + n / 2, n / 2), 0);
	stream_write_eof(seen.stream);
	until(&seen.closed, 30000);
	assert_int_equal(seen.out.len, n);
	assert_memory_equal(seen.out.data, p, n);
	assert_string_equal(buf_str(&seen.err), "end");
	assert_int_equal(seen.status, 3);
	free(p);
	seen_release(&seen);
}

static void
session_carries_a_mebibyte_both_ways(void **state)
{
	struct session *s = session_to(&plain, NULL);

	(void)state;
	carry_a_mebibyte(s);
	settle(s);
}

static void
stream_fails_when_more_is_queued_than_may_wait(void **state)
{
	struct session *s = session_to(&plain, NULL);
	unsigned char *p = noise(STREAM_QUEUE_MAX);
	struct seen seen;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "sleep 100", &events, &seen);
	assert_int_equal(stream_write(seen.stream, p, STREAM_QUEUE_MAX), 0);
	assert_int_equal(stream_write(seen.stream, p, 1), -1);
	until(&seen.closed, 30000);
	assert_int_equal(seen.end, STREAM_LOST);
	assert_non_null(strstr(seen.why.msg, "2048 KiB"));
	free(p);
	seen_release(&seen);
	settle(s);
}

/* ---- a TCP server in this loop: says hello, then echoes ------------------ */

struct peer {
	uv_tcp_t tcp;
	char	chunk[65536];
};

static void
peer_closed(uv_handle_t *h)
{
	free(h->data);
}

static void
peer_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct peer *p = h->data;

	(void)hint;
	*ret = uv_buf_init(p->chunk, sizeof(p->chunk));
}

static void
peer_wrote(uv_write_t *req, int status)
{
	(void)status;
	free(req->data);
	free(req);
}

static void
peer_write(struct peer *p, const char *data, size_t n)
{
	uv_write_t *req = mem_alloc(sizeof(*req));
	uv_buf_t b = uv_buf_init(mem_alloc(n), (unsigned int)n);

	memcpy(b.base, data, n);
	req->data = b.base;
	uv_write(req, (uv_stream_t *)&p->tcp, &b, 1, peer_wrote);
}

static void
peer_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct peer *p = h->data;

	if (n > 0)
		peer_write(p, b->base, (size_t)n);
	else if (n < 0)
		uv_close((uv_handle_t *)h, peer_closed);
}

static void
peer_come(uv_stream_t *server, int status)
{
	struct peer *p = mem_alloc(sizeof(*p));

	(void)status;
	uv_tcp_init(&loop, &p->tcp);
	p->tcp.data = p;
	uv_accept(server, (uv_stream_t *)&p->tcp);
	uv_read_start((uv_stream_t *)&p->tcp, peer_alloc, peer_read);
	peer_write(p, "hello", 5);
}

static int
echo_up(uv_tcp_t *server)
{
	struct sockaddr_in sin;
	int len = sizeof(sin);

	uv_tcp_init(&loop, server);
	uv_ip4_addr("127.0.0.1", 0, &sin);
	assert_int_equal(uv_tcp_bind(server, (struct sockaddr *)&sin, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)server, 16, peer_come), 0);
	uv_tcp_getsockname(server, (struct sockaddr *)&sin, &len);
	return ntohs(sin.sin_port);
}

static void
echo_closed(uv_handle_t *h)
{
	*(bool *)h->data = true;
}

static void
echo_down(uv_tcp_t *server)
{
	bool gone = false;

	server->data = &gone;
	uv_close((uv_handle_t *)server, echo_closed);
	until(&gone, 1000);
}

static void
converse(struct session *s, int port)
{
	size_t n = (size_t)1 << 20;
	unsigned char *p = noise(n);
	struct seen d;

	memset(&d, 0, sizeof(d));
	d.want = 5 + n;
	d.stream = session_dial(s, "127.0.0.1", port, &events, &d);
	stream_write(d.stream, p, n);
	until(&d.enough, 30000);
	assert_memory_equal(d.out.data, "hello", 5);
	assert_memory_equal(d.out.data + 5, p, n);
	stream_write_eof(d.stream);
	until(&d.closed, 30000);
	assert_int_equal(d.end, STREAM_EOF);
	assert_int_equal(d.status, -1);
	free(p);
	seen_release(&d);
}

static void
session_dials_from_the_host(void **state)
{
	struct session *s = session_to(&plain, NULL);
	uv_tcp_t echo;
	int port = echo_up(&echo);

	(void)state;
	converse(s, port);
	settle(s);
	echo_down(&echo);
}

static void
session_tells_a_refused_port(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct seen seen;

	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_dial(s, "127.0.0.1", port_free(), &events, &seen);
	until(&seen.closed, 30000);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_false(seen.opened);
	assert_non_null(strstr(seen.why.msg, "host 'plain': cannot reach 127.0.0.1 port "));
	seen_release(&seen);
	settle(s);
}

static void
stream_closed_by_its_owner_says_nothing_more(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct seen d;
	struct seen other;

	(void)state;
	memset(&d, 0, sizeof(d));
	d.want = 1;
	d.stream = session_exec(s, "yes", &events, &d);
	until(&d.enough, 30000);
	stream_close(d.stream);
	d.enough = false;
	run_command(s, "echo after", &other);
	assert_false(d.enough);
	assert_false(d.closed);
	assert_string_equal(buf_str(&other.out), "after\n");
	seen_release(&d);
	seen_release(&other);
	settle(s);
}

struct closer {
	struct session *session;
	struct stream *stream;
	bool	done;
	int	events;
};

static void
close_in_data(void *arg, const unsigned char *p, size_t n)
{
	struct closer *c = arg;

	(void)p;
	(void)n;
	c->events++;
	if (c->session != NULL)
		session_free(c->session);
	else
		stream_close(c->stream);
	c->done = true;
}

static void
close_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	(void)end;
	(void)status;
	(void)why;
	((struct closer *)arg)->events++;
}

static void
session_may_be_freed_from_inside_an_event(void **state)
{
	static const struct stream_events ev = { .data = close_in_data, .closed = close_closed };
	struct closer c = { NULL, NULL, false, 0 };
	struct session *s = session_to(&plain, NULL);
	int i;

	(void)state;
	c.stream = session_exec(s, "yes", &ev, &c);
	until(&c.done, 30000);
	assert_int_equal(c.events, 1);
	c.done = false;
	c.session = s;
	c.stream = session_exec(s, "yes", &ev, &c);
	until(&c.done, 30000);
	for (i = 0; i < 50; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(c.events, 2);
}

static void
stream_deadline_ends_a_command_that_says_nothing(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct seen seen;
	int64_t start;

	(void)state;
	run_command(s, "true", &seen);
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "sleep 60", &events, &seen);
	stream_deadline(seen.stream, 300);
	start = (int64_t)uv_hrtime();
	until(&seen.closed, 30000);
	assert_in_range(((int64_t)uv_hrtime() - start) / 1000000, 290, 3300);
	assert_int_equal(seen.end, STREAM_TIMEOUT);
	assert_string_equal(seen.why.msg, "host 'plain': no answer within 1 s");
	run_command(s, "echo still here", &seen);
	assert_string_equal(buf_str(&seen.out), "still here\n");
	seen_release(&seen);
	settle(s);
}

static void
stream_deadline_holds_while_the_host_is_stopped(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct seen seen, fresh;
	int64_t start;

	(void)state;
	run_command(s, "true", &seen);
	sshd_signal(&plain, SIGSTOP);
	memset(&seen, 0, sizeof(seen));
	memset(&fresh, 0, sizeof(fresh));
	seen.stream = session_exec(s, "true", &events, &seen);
	stream_deadline(seen.stream, 500);
	fresh.stream = session_dial(s, "127.0.0.1", 1, &events, &fresh);
	stream_deadline(fresh.stream, 900);
	start = (int64_t)uv_hrtime();
	until(&seen.closed, 30000);
	assert_in_range(((int64_t)uv_hrtime() - start) / 1000000, 490, 3500);
	until(&fresh.closed, 30000);
	assert_in_range(((int64_t)uv_hrtime() - start) / 1000000, 890, 3900);
	assert_int_equal(seen.end, STREAM_TIMEOUT);
	assert_int_equal(fresh.end, STREAM_TIMEOUT);
	sshd_signal(&plain, SIGCONT);
	run_command(s, "echo back", &seen);
	assert_string_equal(buf_str(&seen.out), "back\n");
	seen_release(&seen);
	settle(s);
}

static void
connecting_to_a_stopped_host_ends_at_its_deadline(void **state)
{
	struct session_config c;
	struct session *s;
	struct seen seen;
	int64_t start;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.name = c.ssh = "plain";
	c.ssh_config = fixture_path(&fx, "ssh_config");
	c.connect_deadline_ms = 700;
	sshd_signal(&plain, SIGSTOP);
	s = session_new(&loop, keyring, &c, NULL, NULL);
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "true", &events, &seen);
	start = (int64_t)uv_hrtime();
	until(&seen.closed, 30000);
	assert_in_range(((int64_t)uv_hrtime() - start) / 1000000, 690, 3700);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_string_equal(seen.why.msg, "host 'plain': no answer within 1 s (key exchange)");
	sshd_signal(&plain, SIGCONT);
	settle(s);
}

static void
session_lost_in_the_middle_reconnects(void **state)
{
	struct watch w = { SESSION_WAITING, NEED_NOTHING, false, 0 };
	struct session *s = session_to(&plain, &w);
	struct session_status st;
	struct seen d;
	struct seen seen;

	(void)state;
	memset(&d, 0, sizeof(d));
	d.want = 6;
	d.stream = session_exec(s, "echo begun; sleep 100; echo never", &events, &d);
	until(&d.enough, 30000);
	sshd_signal_connections(&plain, SIGKILL);
	until(&d.closed, 30000);
	assert_int_equal(d.end, STREAM_LOST);
	assert_true(w.reached);
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_WAITING);
	assert_non_null(strstr(st.why, "host 'plain': connection lost"));
	run_command(s, "echo again", &seen);
	assert_string_equal(buf_str(&seen.out), "again\n");
	seen_release(&d);
	seen_release(&seen);
	settle(s);
}

static void
session_waits_longer_after_each_failure(void **state)
{
	struct sshd d;
	struct session *s;
	struct session_status st;
	struct seen seen;

	(void)state;
	sshd_up(&d, &fx, "flappy", "ed25519", NULL);
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	sshd_down(&d);
	s = session_to(&d, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "host 'flappy': cannot connect to 127.0.0.1 port "));
	assert_non_null(strstr(seen.why.msg, "onnection refused"));
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_WAITING);
	assert_in_range(st.retry_ms, 700, 1000);
	run_command(s, "true", &seen);
	session_status(s, &st);
	assert_int_equal(st.attempts, 2);
	assert_in_range(st.retry_ms, 1450, 2000);
	sshd_again(&d);
	session_wake(s);
	run_command(s, "echo up", &seen);
	assert_string_equal(buf_str(&seen.out), "up\n");
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_UP);
	seen_release(&seen);
	settle(s);
	sshd_down(&d);
}

static void
session_asks_about_an_unknown_host_key_and_accepts_that_one(void **state)
{
	struct watch w = { SESSION_BLOCKED, NEED_HOST_KEY, false, 0 };
	struct session_status st;
	struct session *s;
	struct sshd d;
	struct seen seen;
	char *before, *after, *fingerprint;

	(void)state;
	sshd_up(&d, &fx, "stranger", "ed25519", NULL);
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	before = fixture_read(fixture_path(&fx, "known_hosts"));
	s = session_to(&d, &w);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_true(w.reached);
	session_status(s, &st);
	assert_string_equal(st.keytype, "ssh-ed25519");
	assert_memory_equal(st.subject, "SHA256:", 7);
	assert_non_null(strstr(st.why, st.subject));
	fingerprint = mem_strdup(st.subject);
	session_accept_host_key(s, "SHA256:somethingelse");
	after = fixture_read(fixture_path(&fx, "known_hosts"));
	assert_string_equal(before, after);
	free(after);
	session_accept_host_key(s, fingerprint);
	run_command(s, "echo in", &seen);
	assert_string_equal(buf_str(&seen.out), "in\n");
	after = fixture_read(fixture_path(&fx, "known_hosts"));
	assert_memory_equal(after, before, strlen(before));
	assert_non_null(strstr(after + strlen(before), "ssh-ed25519"));
	/* And ssh itself agrees. */
	{
		const char *argv[] = { "ssh", "-F", fixture_path(&fx, "ssh_config"), "-o",
		    "StrictHostKeyChecking=yes", "-o", "BatchMode=yes", "stranger", "true", NULL };

		fixture_run(argv);
	}
	free(before);
	free(after);
	free(fingerprint);
	seen_release(&seen);
	settle(s);
	sshd_down(&d);
}

static void
session_refuses_a_changed_host_key_and_shows_both(void **state)
{
	struct watch w = { SESSION_BLOCKED, NEED_CHANGED_KEY, false, 0 };
	struct session_status st;
	struct session *s;
	struct sshd d;
	struct seen seen;
	char text[8192], *pub;

	(void)state;
	sshd_up(&d, &fx, "changed", "ed25519", NULL);
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	pub = fixture_read(fixture_path(&fx, "plain_ed25519.pub"));
	snprintf(text, sizeof(text), "[127.0.0.1]:%d %s", d.port, pub);
	free(pub);
	pub = fixture_read(fixture_path(&fx, "known_hosts"));
	fixture_write(fixture_path(&fx, "known_hosts"), strncat(text, pub, sizeof(text) / 2));
	s = session_to(&d, &w);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_true(w.reached);
	session_status(s, &st);
	assert_non_null(strstr(st.subject, " SHA256:"));
	assert_non_null(strstr(st.why, "THE HOST KEY CHANGED"));
	assert_non_null(strstr(st.why, "known_hosts:1 has SHA256:"));
	session_accept_host_key(s, st.subject);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	fixture_write(fixture_path(&fx, "known_hosts"), pub);
	free(pub);
	settle(s);
	sshd_down(&d);
}

static void
session_takes_the_host_key_that_is_known_of_several(void **state)
{
	struct session *s;
	struct sshd d;
	struct seen seen;

	(void)state;
	sshd_up(&d, &fx, "several", "ed25519 ecdsa rsa", NULL);
	sshd_known(&d, "ecdsa");
	sshd_config_block(&d, fixture_path(&fx, "ecdsa"), NULL);
	s = session_to(&d, NULL);
	run_command(s, "echo ok", &seen);
	assert_string_equal(buf_str(&seen.out), "ok\n");
	seen_release(&seen);
	settle(s);
	sshd_down(&d);
}

static void
session_gives_way_to_max_sessions(void **state)
{
	enum { N = 12 };
	struct session *s;
	struct sshd d;
	struct seen seen[N];
	int i;

	(void)state;
	sshd_up(&d, &fx, "narrow", "ed25519", "MaxSessions 3");
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	s = session_to(&d, NULL);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < N; i++)
		seen[i].stream = session_exec(s, "sleep 0.05; echo x", &events, &seen[i]);
	for (i = 0; i < N; i++) {
		until(&seen[i].closed, 30000);
		assert_int_equal(seen[i].end, STREAM_EXITED);
		assert_string_equal(buf_str(&seen[i].out), "x\n");
		seen_release(&seen[i]);
	}
	settle(s);
	sshd_down(&d);
}

/* The refusal and the ends of those that stood in its way are read in one go. */
static void
command_that_had_no_room_is_not_refused_when_the_others_have_ended_since(void **state)
{
	enum { ROOM = 3, N = ROOM + 1 };
	const struct timespec nap = { .tv_nsec = 20000000 };
	char *marker[ROOM], command[N][PATH_MAX + 64];
	struct session *s;
	struct sshd d;
	struct seen seen[N];
	int i;

	(void)state;
	sshd_up(&d, &fx, "full", "ed25519", "MaxSessions 3");
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	s = session_to(&d, NULL);
	memset(seen, 0, sizeof(seen));
	for (i = 0; i < ROOM; i++) {
		marker[i] = mem_printf("%s.%d", fixture_path(&fx, "ended"), i);
		snprintf(command[i], sizeof(command[i]), "read x; echo x; : >%s", marker[i]);
		seen[i].stream = session_exec(s, command[i], &events, &seen[i]);
	}
	for (i = 0; i < ROOM; i++)
		until(&seen[i].opened, 30000);
	seen[ROOM].stream = session_exec(s, "echo x", &events, &seen[ROOM]);
	for (i = 0; i < ROOM; i++)
		stream_write_eof(seen[i].stream);
	for (i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_NOWAIT);	/* it is asked for; what comes back is not read yet */
	for (i = 0; i < ROOM; i++) {
		while (access(marker[i], F_OK) != 0)
			nanosleep(&nap, NULL);
		free(marker[i]);
	}
	nanosleep(&nap, NULL);	/* the shells' ends are on their way here */
	for (i = 0; i < N; i++) {
		until(&seen[i].closed, 30000);
		assert_int_equal(seen[i].end, STREAM_EXITED);
		assert_string_equal(buf_str(&seen[i].out), "x\n");
		seen_release(&seen[i]);
	}
	settle(s);
	sshd_down(&d);
}

static void
session_says_who_was_not_let_in_and_with_what(void **state)
{
	struct session *s;
	struct sshd d;
	struct seen seen;
	char *keys = fixture_read(fixture_path(&fx, "ed25519.pub"));

	(void)state;
	fixture_write(fixture_path(&fx, "only"), keys);
	free(keys);
	sshd_up(&d, &fx, "picky", "ed25519", NULL);
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ecdsa"), NULL);
	keys = fixture_read(fixture_path(&fx, "authorized_keys"));
	fixture_write(fixture_path(&fx, "authorized_keys"), "");
	s = session_to(&d, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "is not let in: the host takes none of '"));
	assert_non_null(strstr(seen.why.msg, "/ecdsa'"));
	fixture_write(fixture_path(&fx, "authorized_keys"), keys);
	free(keys);
	settle(s);
	sshd_down(&d);
}

static void
session_never_gives_ssh_an_option_for_a_host(void **state)
{
	struct session_config c;
	struct session *s;
	struct seen seen;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.name = "evil";
	c.ssh = "-oProxyCommand=true";
	c.ssh_config = fixture_path(&fx, "ssh_config");
	s = session_new(&loop, keyring, &c, NULL, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "cannot be given to ssh"));
	settle(s);
}

static void
session_gives_up_a_match_exec_that_hangs(void **state)
{
	struct session_config c;
	struct session *s;
	struct seen seen;

	(void)state;
	fixture_write(fixture_path(&fx, "slow_config"), "Match exec \"sleep 100\"\n\tUser nobody\n");
	memset(&c, 0, sizeof(c));
	c.name = "slow";
	c.ssh = "127.0.0.1";
	c.ssh_config = fixture_path(&fx, "slow_config");
	c.connect_deadline_ms = 500;
	s = session_new(&loop, keyring, &c, NULL, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "ssh -G"));
	settle(s);
}

static void
local_session_runs_commands_and_dials(void **state)
{
	struct session_config c;
	struct session *s;
	struct session_status st;
	struct seen seen;
	uv_tcp_t echo;
	int port = echo_up(&echo);

	(void)state;
	memset(&c, 0, sizeof(c));
	c.name = "here";
	c.local = true;
	s = session_new(&loop, keyring, &c, NULL, NULL);
	run_command(s, "echo out; echo err >&2; exit 7", &seen);
	assert_int_equal(seen.end, STREAM_EXITED);
	assert_int_equal(seen.status, 7);
	assert_string_equal(buf_str(&seen.out), "out\n");
	assert_string_equal(buf_str(&seen.err), "err\n");
	session_status(s, &st);
	assert_string_equal(st.transport, "local");
	carry_a_mebibyte(s);
	converse(s, port);
	seen_release(&seen);
	seen.stream = session_dial(s, "127.0.0.1", port_free(), &events, &seen);
	until(&seen.closed, 30000);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "connection refused"));
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "sleep 100 & sleep 100", &events, &seen);
	stream_deadline(seen.stream, 200);
	until(&seen.closed, 30000);
	assert_int_equal(seen.end, STREAM_TIMEOUT);
	settle(s);
	echo_down(&echo);
}

/*
 * An address that swallows packets: a listener whose backlog is full.  Linux
 * drops the SYN then, and sshd's connect() hangs for minutes.
 */
static int
black_hole(int fds[8])
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int i;

	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&sin, sizeof(sin)), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	getsockname(fds[0], (struct sockaddr *)&sin, &len);
	for (i = 1; i < 8; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (struct sockaddr *)&sin, sizeof(sin));
	}
	return ntohs(sin.sin_port);
}

static void
dial_that_hangs_holds_nobody_up(void **state)
{
	struct session *s = session_to(&plain, NULL);
	struct session_status st;
	struct seen hanging, seen;
	int fds[8], port = black_hole(fds), i;
	int64_t start;

	(void)state;
	run_command(s, "true", &seen);
	memset(&hanging, 0, sizeof(hanging));
	hanging.stream = session_dial(s, "127.0.0.1", port, &events, &hanging);
	stream_deadline(hanging.stream, 120000);
	start = (int64_t)uv_hrtime();
	for (i = 0; i < 3; i++) {
		run_command(s, "echo through", &seen);
		assert_int_equal(seen.end, STREAM_EXITED);
		assert_string_equal(buf_str(&seen.out), "through\n");
		seen_release(&seen);
	}
	assert_true(((int64_t)uv_hrtime() - start) / 1000000 < 20000);
	assert_false(hanging.closed);
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_UP);
	/* Its owner gives it up; the side connection stays as long as the dial hangs on the host. */
	stream_close(hanging.stream);
	run_command(s, "echo after", &seen);
	assert_string_equal(buf_str(&seen.out), "after\n");
	seen_release(&seen);
	settle(s);
	for (i = 0; i < 8; i++)
		close(fds[i]);
}

static void
silent_host_is_asked_and_given_up(void **state)
{
	struct watch w = { SESSION_WAITING, NEED_NOTHING, false, 0 };
	struct session *s = session_to(&plain, &w);
	struct session_status st;
	struct seen seen;

	(void)state;
	s->silence_ms = 200;
	s->answer_ms = 4000;
	run_command(s, "sleep 1.5; echo still", &seen);	/* asked some times, and answering */
	assert_string_equal(buf_str(&seen.out), "still\n");
	seen_release(&seen);
	s->answer_ms = 500;
	sshd_signal(&plain, SIGSTOP);
	memset(&seen, 0, sizeof(seen));
	until(&w.reached, 30000);
	session_status(s, &st);
	assert_string_equal(st.why, "host 'plain': connection lost: no answer for 1 s");
	sshd_signal(&plain, SIGCONT);
	settle(s);
}

static void
session_refuses_a_command_that_no_packet_holds(void **state)
{
	struct session *s = session_to(&plain, NULL);
	char *command = mem_alloc(SESSION_COMMAND_MAX + 2);
	struct seen seen;

	(void)state;
	memset(command, ' ', SESSION_COMMAND_MAX);
	memcpy(command, "echo fits", 9);
	run_command(s, command, &seen);
	assert_string_equal(buf_str(&seen.out), "fits\n");
	seen_release(&seen);
	command[SESSION_COMMAND_MAX] = 'x';
	run_command(s, command, &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "a command of more than 32000 bytes"));
	free(command);
	settle(s);
}

/* ---- servers that are no sshd -------------------------------------------- */

static void
babble(uv_write_t *req, int status)
{
	static char lines[16384];
	struct peer *p = req->handle->data;
	uv_buf_t b = uv_buf_init(lines, sizeof(lines));

	memset(lines, 'x', sizeof(lines));
	lines[100] = '\n';
	if (status == 0 && uv_is_active((uv_handle_t *)&p->tcp))
		uv_write(req, (uv_stream_t *)&p->tcp, &b, 1, babble);
	else
		free(req);
}

static void
babbler_come(uv_stream_t *server, int status)
{
	struct peer *p = mem_alloc(sizeof(*p));
	uv_write_t *req = mem_alloc(sizeof(*req));
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)"hello\n", 6);

	(void)status;
	uv_tcp_init(&loop, &p->tcp);
	p->tcp.data = p;
	uv_accept(server, (uv_stream_t *)&p->tcp);
	uv_read_start((uv_stream_t *)&p->tcp, peer_alloc, peer_read);
	uv_write(req, (uv_stream_t *)&p->tcp, &b, 1, babble);
}

static void
endless_banner_is_cut_off(void **state)
{
	struct session_config c;
	struct session *s;
	struct seen seen;
	uv_tcp_t server;
	struct sockaddr_in sin;
	int len = sizeof(sin);

	(void)state;
	uv_tcp_init(&loop, &server);
	uv_ip4_addr("127.0.0.1", 0, &sin);
	assert_int_equal(uv_tcp_bind(&server, (struct sockaddr *)&sin, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server, 16, babbler_come), 0);
	uv_tcp_getsockname(&server, (struct sockaddr *)&sin, &len);
	memset(&c, 0, sizeof(c));
	c.name = "babbler";
	c.address = "127.0.0.1";
	c.port = ntohs(sin.sin_port);
	c.connect_deadline_ms = 60000;
	s = session_new(&loop, keyring, &c, NULL, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_string_equal(seen.why.msg,
	    "host 'babbler': key exchange: the host said more than 1024 KiB before the login");
	settle(s);
	echo_down(&server);
}

static void
note_over(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

static void
host_that_forwards_only_is_left_in_peace(void **state)
{
	struct watch w = { SESSION_WAITING, NEED_NOTHING, false, 0 };
	struct session *s;
	struct session_status st;
	struct sshd d;
	struct seen seen;
	uv_timer_t timer;
	bool over = false;
	const bool *flag;
	uv_tcp_t echo;
	int port = echo_up(&echo), turns = 0;

	(void)state;
	sshd_up(&d, &fx, "forwarder", "ed25519", "MaxSessions 0");
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	s = session_to(&d, &w);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "cannot open a session for a command"));
	converse(s, port);
	session_status(s, &st);
	assert_int_equal(st.state, SESSION_UP);
	/* With no channel there is nothing to read by: the loop sleeps, and still sees the end. */
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_dial(s, "127.0.0.1", port_free(), &events, &seen);
	until(&seen.closed, 30000);
	uv_timer_init(&loop, &timer);
	timer.data = &over;
	uv_timer_start(&timer, note_over, 500, 0);
	for (flag = &over; !*flag; turns++)
		uv_run(&loop, UV_RUN_ONCE);
	assert_in_range(turns, 1, 50);
	uv_close((uv_handle_t *)&timer, NULL);
	w.reached = false;
	sshd_signal_connections(&d, SIGKILL);
	until(&w.reached, 30000);
	settle(s);
	echo_down(&echo);
	sshd_down(&d);
}

/* A read for one channel takes what came for all of them: much, for several at once. */
static void
channels_that_read_for_each_other_lose_nothing(void **state)
{
	enum { N = 8, ROUNDS = 12, BYTES = 200000 };
	struct session *s = session_to(&plain, NULL);
	struct seen seen[N];
	char command[64];
	int i, round;

	(void)state;
	snprintf(command, sizeof(command), "head -c %d /dev/zero; exit 9", BYTES);
	for (round = 0; round < ROUNDS; round++) {
		memset(seen, 0, sizeof(seen));
		for (i = 0; i < N; i++) {
			seen[i].stream = session_exec(s, command, &events, &seen[i]);
			stream_deadline(seen[i].stream, 60000);
		}
		for (i = 0; i < N; i++) {
			until(&seen[i].closed, 70000);
			if (seen[i].end != STREAM_EXITED)
				fail_msg("round %d, command %d: %s after %zu bytes", round, i,
				    stream_end_word(seen[i].end), seen[i].out.len);
			assert_int_equal(seen[i].out.len, BYTES);
			assert_int_equal(seen[i].status, 9);
			seen_release(&seen[i]);
		}
	}
	settle(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(session_runs_a_command_and_tells_its_exit_status),
		cmocka_unit_test(session_runs_200_commands_at_once_and_loses_none),
		cmocka_unit_test(session_carries_a_mebibyte_both_ways),
		cmocka_unit_test(channels_that_read_for_each_other_lose_nothing),
		cmocka_unit_test(stream_fails_when_more_is_queued_than_may_wait),
		cmocka_unit_test(session_dials_from_the_host),
		cmocka_unit_test(session_tells_a_refused_port),
		cmocka_unit_test(stream_closed_by_its_owner_says_nothing_more),
		cmocka_unit_test(session_may_be_freed_from_inside_an_event),
		cmocka_unit_test(stream_deadline_ends_a_command_that_says_nothing),
		cmocka_unit_test(stream_deadline_holds_while_the_host_is_stopped),
		cmocka_unit_test(connecting_to_a_stopped_host_ends_at_its_deadline),
		cmocka_unit_test(session_lost_in_the_middle_reconnects),
		cmocka_unit_test(dial_that_hangs_holds_nobody_up),
		cmocka_unit_test(silent_host_is_asked_and_given_up),
		cmocka_unit_test(session_waits_longer_after_each_failure),
		cmocka_unit_test(session_asks_about_an_unknown_host_key_and_accepts_that_one),
		cmocka_unit_test(session_refuses_a_changed_host_key_and_shows_both),
		cmocka_unit_test(session_takes_the_host_key_that_is_known_of_several),
		cmocka_unit_test(session_gives_way_to_max_sessions),
		cmocka_unit_test(command_that_had_no_room_is_not_refused_when_the_others_have_ended_since),
		cmocka_unit_test(host_that_forwards_only_is_left_in_peace),
		cmocka_unit_test(session_says_who_was_not_let_in_and_with_what),
		cmocka_unit_test(session_never_gives_ssh_an_option_for_a_host),
		cmocka_unit_test(session_gives_up_a_match_exec_that_hangs),
		cmocka_unit_test(session_refuses_a_command_that_no_packet_holds),
		cmocka_unit_test(endless_banner_is_cut_off),
		cmocka_unit_test(local_session_runs_commands_and_dials),
	};

	return cmocka_run_group_tests_name("session", tests, setup, teardown);
}
