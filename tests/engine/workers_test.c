/*
 * What workers.h promises of processes that hang, die, or speak nonsense.
 *
 * This program is the worker too: it starts itself anew with --worker, so what
 * is minded here is the real one, on hosts that are `local`.  A question that
 * stays without an answer is a handshake with a socket that takes connections and
 * says nothing.  The enemy at the end is a double: no real worker lies.
 */
#define _GNU_SOURCE		/* getsid() of others, accept4() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "core/err.h"
#include "core/fleet.h"
#include "core/mem.h"
#include "engine/workers.h"
#include "remote/worker.h"
#include "wire/wire.h"

#define LONG_MS		60000
#define PATIENCE_MS	20000

static uv_loop_t loop;
static struct workers *ws;
static struct fleet *fleet;
static char *fleet_text;
static int silent_fd = -1;
static uv_timer_t patience;

/* What came back. */
static char *trace;
static uint64_t last_id;
static int nreadings, nlost, nbegan, nhosts_lost;
static char last_why[512];
static struct reading last_reading;

static void
note(const char *what, const char *word, uint64_t id)
{
	char *was = trace;

	trace = mem_printf("%s%s%s%s\n", was == NULL ? "" : was, what, word[0] == '\0' ? "" : " ", word);
	last_id = id;
	free(was);
}

static void
on_reading(void *arg, uint64_t id, struct reading *r)
{
	(void)arg;
	nreadings++;
	note("reading", "", id);
	reading_release(&last_reading);
	last_reading = *r;
}

static void
on_op_done(void *arg, uint64_t id, const struct op_result *r)
{
	(void)arg;
	note("op", op_outcome_word(r->outcome), id);
}

static void
on_op_text(void *arg, uint64_t id, const char *bytes, size_t len)
{
	(void)arg;
	(void)id;
	(void)bytes;
	(void)len;
}

static void
on_host(void *arg, int host, const struct host_view *v, enum host_need need, const char *subject, const char *keytype)
{
	(void)arg;
	(void)need;
	assert_in_range(host, 0, fleet->nhosts - 1);
	assert_non_null(subject);
	assert_non_null(keytype);
	assert_true(v->since_ms > 0);
	if (v->reach == REACH_LOST && strstr(v->why, "worker") != NULL) {
		nhosts_lost++;
		(void)snprintf(last_why, sizeof(last_why), "%s", v->why);
	}
}

static void
on_lost(void *arg, uint64_t id)
{
	(void)arg;
	nlost++;
	note("lost", "", id);
}

static void
on_began(void *arg, int worker)
{
	(void)arg;
	(void)worker;
	nbegan++;
}

static const struct workers_events events = { on_reading, on_op_done, on_op_text, on_host, on_lost, on_began, NULL };

static void
gave_up(uv_timer_t *t)
{
	(void)t;
	fail_msg("nothing came within %d s; so far:\n%s", PATIENCE_MS / 1000, trace == NULL ? "" : trace);
}

/* Runs the loop until the number has grown to n: a condition, with a limit to patience. */
static void
until(const int *number, int n)
{
	uv_timer_start(&patience, gave_up, PATIENCE_MS, 0);
	while (*number < n)
		uv_run(&loop, UV_RUN_ONCE);
	uv_timer_stop(&patience);
}

static int
listen_on_loopback(int *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd != -1);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

enum { HOSTS = 2 };
/* Endpoints: by host, one where nobody listens and one that is silent. */
#define CLOSED(host) (2 * (host))
#define SILENT(host) (2 * (host) + 1)

static int
set_up(void **state)
{
	struct buf b = { 0 };
	struct err err;
	int silent, closed, fd, i;

	(void)state;
	trace = NULL;
	nreadings = nlost = nbegan = nhosts_lost = 0;
	last_why[0] = '\0';
	memset(&last_reading, 0, sizeof(last_reading));
	silent_fd = listen_on_loopback(&silent);
	fd = listen_on_loopback(&closed);
	close(fd);		/* a port on which nobody listens now */
	buf_puts(&b, "belay: fleet/1\nhosts:\n");
	for (i = 0; i < HOSTS; i++)
		buf_printf(&b, "  h%d: { local: yes }\n", i);
	buf_puts(&b, "secrets:\n  probe: { prompt: yes }\nunits:\n");
	for (i = 0; i < HOSTS; i++)
		buf_printf(&b, "  u%d: { host: h%d, run: \"true\" }\n", i, i);
	buf_puts(&b, "endpoints:\n");
	for (i = 0; i < HOSTS; i++)
		buf_printf(&b, "  closed%d: { kind: postgres, unit: u%d, listen: { both: %d, at: 127.0.0.1 }, names: [db] }\n"
		    "  silent%d: { kind: postgres, unit: u%d, listen: { both: %d, at: 127.0.0.1 }, names: [db],"
		    " probe: { user: belay, password: probe } }\n", i, i, closed, i, i, silent);
	fleet_text = buf_take(&b, NULL);
	if (fleet_parse(&fleet, "f.yaml", fleet_text, strlen(fleet_text), &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(fleet->nhosts, HOSTS);
	assert_int_equal(uv_loop_init(&loop), 0);
	uv_timer_init(&loop, &patience);
	uv_unref((uv_handle_t *)&patience);
	return 0;
}

static void
start(const char *program, size_t count, int64_t grace_ms)
{
	struct workers_config c = { .loop = &loop, .fleet = fleet, .fleet_text = fleet_text,
		.fleet_len = strlen(fleet_text), .program = program, .count = count, .grace_ms = grace_ms, .events = &events };
	struct err err;

	if (workers_start(&ws, &c, &err) == -1)
		fail_msg("%s", err.msg);
}

static int
tear_down(void **state)
{
	(void)state;
	workers_stop(ws);
	ws = NULL;
	uv_close((uv_handle_t *)&patience, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	reading_release(&last_reading);
	fleet_free(fleet);
	free(fleet_text);
	free(trace);
	close(silent_fd);
	return uv_loop_close(&loop);
}

#define PROGRAM "/proc/self/exe"

static void
questions_are_answered_by_the_worker_of_their_host(void **state)
{
	uint64_t a, b;

	(void)state;
	start(PROGRAM, 2, 0);
	assert_int_equal(workers_count(ws), 2);
	assert_true(workers_pid(ws, 0) > 0 && workers_pid(ws, 0) != workers_pid(ws, 1));
	a = workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	b = workers_probe(ws, READING_SERVED, CLOSED(1), LONG_MS);
	assert_true(a != 0 && b != 0 && a != b);
	assert_null(trace);		/* never from inside the call */
	until(&nreadings, 2);
	assert_string_equal(trace, "reading\nreading\n");
	assert_int_equal(last_reading.kind, READING_SERVED);
	assert_true(last_reading.at_ms > 0);
	assert_int_equal(nlost, 0);
}

/* Ends the worker of host 0 while a question is out, by a signal. */
static void
ended_by(int sig, const char *words)
{
	long pid, other;
	uint64_t out;

	start(PROGRAM, 2, 0);
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nreadings, 1);
	out = workers_probe(ws, READING_SERVED, SILENT(0), LONG_MS);
	pid = workers_pid(ws, 0);
	other = workers_pid(ws, 1);
	assert_int_equal(kill((pid_t)pid, sig), 0);
	until(&nlost, 1);
	assert_true(last_id == out);
	assert_int_equal(nhosts_lost, 1);
	if (strstr(last_why, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, last_why);
	/* Asked while there is no worker: it waits for the next one. */
	assert_int_equal(workers_pid(ws, 0), -1);
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nbegan, 1);
	until(&nreadings, 2);
	assert_string_equal(trace, "reading\nlost\nreading\n");
	assert_true(workers_pid(ws, 0) > 0 && workers_pid(ws, 0) != pid);
	assert_int_equal(workers_pid(ws, 1), other);
}

static void
killed_worker_is_replaced_and_its_questions_are_lost(void **state)
{
	(void)state;
	ended_by(SIGKILL, "died by signal 9; another is being started");
}

static void
crashed_worker_is_replaced_and_its_questions_are_lost(void **state)
{
	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	ended_by(SIGSEGV, "(it said:");		/* the sanitizer takes the signal, and tells */
#else
	ended_by(SIGSEGV, "died by signal 11");
#endif
}

static void
stopped_worker_is_killed_when_a_deadline_passes(void **state)
{
	uint64_t out;
	long pid;

	(void)state;
	start(PROGRAM, 1, 200);
	assert_int_equal(workers_count(ws), 1);
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nreadings, 1);
	pid = workers_pid(ws, 0);
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	out = workers_probe(ws, READING_SERVED, CLOSED(1), 100);
	until(&nlost, 1);
	assert_true(last_id == out);
	assert_int_equal(nhosts_lost, HOSTS);
	assert_non_null(strstr(last_why, "it did not answer in time"));
	assert_int_equal(kill((pid_t)pid, 0), -1);	/* and it is reaped */
	assert_int_equal(errno, ESRCH);
	(void)workers_probe(ws, READING_SERVED, CLOSED(1), LONG_MS);
	until(&nreadings, 2);
}

static void
silent_far_side_costs_a_deadline_and_no_worker(void **state)
{
	long pid;

	(void)state;
	start(PROGRAM, 1, 0);
	pid = workers_pid(ws, 0);
	(void)workers_probe(ws, READING_SERVED, SILENT(0), 300);
	until(&nreadings, 1);
	assert_int_equal(last_reading.served.tls, LEG_SILENT);
	assert_int_equal(workers_pid(ws, 0), pid);
	assert_int_equal(nlost, 0);
}

static void
cancelled_question_is_answered_by_nobody(void **state)
{
	uint64_t out;

	(void)state;
	start(PROGRAM, 1, 0);
	out = workers_probe(ws, READING_SERVED, SILENT(0), 300);
	workers_cancel(ws, out);
	workers_cancel(ws, out);
	workers_cancel(ws, 12345);
	/* The next one is asked of the same worker, takes longer, and is the only one to be answered. */
	out = workers_probe(ws, READING_SERVED, SILENT(1), 600);
	until(&nreadings, 1);
	assert_true(last_id == out);
	assert_string_equal(trace + strlen(trace) - 1, "\n");
	assert_ptr_equal(strchr(trace, '\n'), trace + strlen(trace) - 1);
}

static void
program_that_does_not_start_is_said_at_once(void **state)
{
	struct workers_config c = { .loop = &loop, .fleet = fleet, .fleet_text = fleet_text,
		.fleet_len = strlen(fleet_text), .program = "/nonexistent/belay", .events = &events };
	struct err err;

	(void)state;
	assert_int_equal(workers_start(&ws, &c, &err), -1);
	assert_string_equal(err.msg, "cannot start a worker ('/nonexistent/belay --worker'): no such file or directory");
	ws = NULL;
}

static void
worker_that_always_ends_is_not_started_in_a_rage(void **state)
{
	uint64_t began = uv_hrtime();

	(void)state;
	start("/bin/false", 1, 100);
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), 100);
	until(&nhosts_lost, 4 * HOSTS);
	/* Pauses of 0.1, 0.2 and 0.4 s lie between the four. */
	assert_true(uv_hrtime() - began > 650 * UINT64_C(1000000));
	assert_int_equal(nlost, 1);
	assert_non_null(strstr(last_why, "ended with status 1"));
}

static void
worker_has_no_terminal_no_core_and_no_secret_to_show(void **state)
{
	char path[64], *text = mem_alloc(65536), link[64];
	static const char canary[] = "canary-4711-secret";
	long pid;
	size_t len;
	FILE *f;
	int i;

	(void)state;
	start(PROGRAM, 1, 0);
	workers_secret(ws, 0, canary, strlen(canary));
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nreadings, 1);
	pid = workers_pid(ws, 0);
	assert_int_equal(getsid((pid_t)pid), pid);
	for (i = 0; i < 3; i++) {
		static const char *const files[] = { "environ", "cmdline", "limits" };

		(void)snprintf(path, sizeof(path), "/proc/%ld/%s", pid, files[i]);
		f = fopen(path, "r");
		if (f == NULL)
			continue;		/* not dumpable: not for us to read, which is better still */
		len = fread(text, 1, 65535, f);
		text[len] = '\0';
		assert_null(memmem(text, len, canary, strlen(canary)));
		if (i == 2)
			assert_non_null(strstr(text, "Max core file size        0 "));
		fclose(f);
	}
	(void)snprintf(path, sizeof(path), "/proc/%ld/fd/0", pid);
	memset(link, 0, sizeof(link));
	if (readlink(path, link, sizeof(link) - 1) > 0)
		assert_string_equal(link, "/dev/null");
	free(text);
}

static void
nothing_is_left_after_stop(void **state)
{
	long pid[2];
	size_t i;

	(void)state;
	start(PROGRAM, 2, 0);
	(void)workers_probe(ws, READING_SERVED, SILENT(0), LONG_MS);
	for (i = 0; i < 2; i++)
		pid[i] = workers_pid(ws, i);
	assert_int_equal(kill((pid_t)pid[1], SIGSTOP), 0);
	workers_stop(ws);
	ws = NULL;
	for (i = 0; i < 2; i++) {
		assert_int_equal(kill((pid_t)pid[i], 0), -1);
		assert_int_equal(errno, ESRCH);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_null(trace);
}

/* ---- an enemy ---- */

static void
put(int kind, uint64_t id, int subject, int what, const void *blob, size_t len)
{
	struct message m = { .kind = (enum message_kind)kind, .id = id, .subject = subject, .what = what,
		.blob_len = len };
	struct buf b = { 0 };
	struct err err;

	m.blob = mem_strndup(blob, len);
	if (message_encode(&m, &b, &err) == -1 || write(3, b.data, b.len) != (ssize_t)b.len)
		_exit(9);
	buf_release(&b);
	message_release(&m);
}

/* Reads until the first question, whose id it gives. */
static uint64_t
first_question(void)
{
	struct buf in = { 0 };
	struct message m;
	struct err err;
	char chunk[4096];
	ssize_t n;

	for (;;) {
		while (message_decode(&in, &m, &err) == 1)
			if (m.id != 0)
				return m.id;
		n = read(3, chunk, sizeof(chunk));
		if (n <= 0)
			_exit(8);
		buf_put(&in, chunk, (size_t)n);
	}
}

static void
put_reading(uint64_t id, enum reading_kind kind, int subject, bool wild)
{
	struct reading r = { .kind = kind, .subject = subject, .at_ms = INT64_MAX / 2, .census.connections_total = -1 };
	struct link_count wrong = { .link = 4000 };
	struct buf b = { 0 };

	if (wild) {
		r.census.links = &wrong;
		r.census.nlinks = 1;
	}
	reading_encode(&r, &b);
	put(MSG_READING, id, NONE, 0, b.data, b.len);
}

static void
enemy(int how)
{
	struct op_result result = { .outcome = OP_APPLIED, .exit_status = -1 };
	struct wire_host h = { 0 };
	struct buf b = { 0 };
	uint64_t id;

	put(MSG_READY, 0, how == 0 ? WIRE_VERSION + 1 : WIRE_VERSION, 0, NULL, 0);
	id = first_question();
	switch (how) {
	case 1:
		(void)!write(3, "this is no frame at all", 23);
		break;
	case 2:
		put(MSG_WAKE, 0, 0, 0, NULL, 0);
		break;
	case 3:
		put_reading(id + (UINT64_C(7) << 20), READING_SERVED, CLOSED(0), false);
		break;
	case 4:
		op_result_encode(&result, &b);
		put(MSG_OP_DONE, id, NONE, 0, b.data, b.len);
		break;
	case 5:
		put_reading(id, READING_SERVED, SILENT(1), false);
		break;
	case 6:
		put_reading(id, READING_SETTINGS, CLOSED(0), false);
		break;
	case 7:
		put_reading(id, READING_CENSUS, CLOSED(0), true);
		break;
	case 8:
		put(MSG_READING, id, NONE, 0, "xxxxxxxxxxxxxxxxxxxxxxxx", 24);
		break;
	case 9:
		wire_host_encode(&h, &b);
		put(MSG_HOST, 0, 77, 1, b.data, b.len);
		break;
	case 10:
		put(MSG_READY, 0, WIRE_VERSION, 0, NULL, 0);
		break;
	case 11:	/* a good answer, from the future */
		put_reading(id, READING_SERVED, CLOSED(0), false);
		break;
	case 12:	/* a good answer, and dead before it was read */
		put_reading(id, READING_SERVED, CLOSED(0), false);
		(void)kill(getpid(), SIGKILL);
		break;
	}
	for (;;)
		(void)pause();
}
#define ENEMIES 11		/* from there on they are no enemies */

static void
enemy_is_given_up_and_its_question_lost(void **state)
{
	static const char *const words[ENEMIES] = {
		"another version's", "malformed frame", "goes the other way", "never asked", "somebody else's",
		"not asked for", "not asked for", "link", "nonsense", "not its own", "began twice",
	};
	char how[16];
	int i;

	(void)state;
	for (i = 0; i < ENEMIES; i++) {
		nlost = nhosts_lost = 0;
		(void)snprintf(how, sizeof(how), "%d", i);
		setenv("BELAY_TEST_ENEMY", how, 1);
		start(PROGRAM, 1, 0);
		unsetenv("BELAY_TEST_ENEMY");
		(void)workers_probe(ws, i == 7 ? READING_CENSUS : READING_SERVED, CLOSED(0), LONG_MS);
		until(&nlost, 1);
		if (strstr(last_why, words[i]) == NULL)
			fail_msg("'%s' is not in '%s' (%d)", words[i], last_why, i);
		assert_int_equal(nreadings, 0);
		workers_stop(ws);
		ws = NULL;
	}
}

static void
reading_from_the_future_is_put_right(void **state)
{
	uv_timeval64_t now;

	(void)state;
	setenv("BELAY_TEST_ENEMY", "11", 1);
	start(PROGRAM, 1, 0);
	unsetenv("BELAY_TEST_ENEMY");
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nreadings, 1);
	uv_gettimeofday(&now);
	assert_true(last_reading.at_ms <= now.tv_sec * 1000 + now.tv_usec / 1000 + 1);
}

static void
answer_that_was_sent_before_death_counts(void **state)
{
	(void)state;
	setenv("BELAY_TEST_ENEMY", "12", 1);
	start(PROGRAM, 1, 0);
	unsetenv("BELAY_TEST_ENEMY");
	(void)workers_probe(ws, READING_SERVED, CLOSED(0), LONG_MS);
	until(&nhosts_lost, HOSTS);
	assert_int_equal(nreadings, 1);
	assert_int_equal(nlost, 0);
}

#define claim(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(questions_are_answered_by_the_worker_of_their_host),
		claim(killed_worker_is_replaced_and_its_questions_are_lost),
		claim(crashed_worker_is_replaced_and_its_questions_are_lost),
		claim(stopped_worker_is_killed_when_a_deadline_passes),
		claim(silent_far_side_costs_a_deadline_and_no_worker),
		claim(cancelled_question_is_answered_by_nobody),
		claim(program_that_does_not_start_is_said_at_once),
		claim(worker_that_always_ends_is_not_started_in_a_rage),
		claim(worker_has_no_terminal_no_core_and_no_secret_to_show),
		claim(nothing_is_left_after_stop),
		claim(enemy_is_given_up_and_its_question_lost),
		claim(reading_from_the_future_is_put_right),
		claim(answer_that_was_sent_before_death_counts),
	};

	if (argc == 2 && strcmp(argv[1], "--worker") == 0) {
		if (getenv("BELAY_TEST_ENEMY") != NULL)
			enemy(atoi(getenv("BELAY_TEST_ENEMY")));
		return worker_main();
	}
	return cmocka_run_group_tests_name("workers", tests, NULL, NULL);
}
