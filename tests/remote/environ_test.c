/*
 * What environ.h promises, with real processes, whose connections ss(8) sees, and the
 * commands that a host would be given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/peers.h"
#include "remote/environ.h"
#include "../core/web_fleet.h"

static const char fleet_format[] = WEB_FLEET("127.0.0.1", "%d",
    "{ file: /srv/web.env, set: { SSLMODE: \"$(dial)\", MORE: \"$(dial)\" } }");

static struct fleet *f;
static int listening = -1, met = -1;
static pid_t child;
static const char *self;

/* The client: connected, and there until it is killed. */
static int
dial(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return 1;
	for (;;)
		(void)pause();
}

static int
setup(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	struct err err = { "" };
	char text[sizeof(fleet_format) + 16];

	(void)state;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listening, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(listening, 4), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&at, &len), 0);
	(void)snprintf(text, sizeof(text), fleet_format, ntohs(at.sin_port));
	if (fleet_parse(&f, "fleet.yaml", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fleet_free(f);
	(void)close(listening);
	return 0;
}

/* A client of that environment; `env` ends with NULL. */
static void
begin(char *const env[])
{
	char port[16];

	(void)snprintf(port, sizeof(port), "%d", f->endpoints[0].port_plain != 0 ? f->endpoints[0].port_plain :
	    f->endpoints[0].port_tls);
	child = fork();
	if (child == 0) {
		char *const argv[] = { (char *)(uintptr_t)self, (char *)(uintptr_t)"dial", port, NULL };

		(void)execve(self, argv, env);
		_exit(127);
	}
	assert_true(child > 0);
	met = accept(listening, NULL, NULL);
	assert_true(met != -1);
}

static void
end(void)
{
	(void)kill(child, SIGKILL);
	(void)waitpid(child, NULL, 0);
	(void)close(met);
}

static const char *file;

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	assert_string_equal(path, "/srv/web.env");
	*ret = file;
	*ret_len = file == NULL ? 0 : strlen(file);
	return 0;
}

/* What the host's commands come to, as a shell runs them. */
static void
look(struct reading *r)
{
	struct environ e;
	struct buf command, said;
	char chunk[4096];
	size_t n;
	FILE *p;

	memset(r, 0, sizeof(*r));
	r->kind = READING_HOST;
	environ_written(&e, f, fleet_host(f, "web-1"), lookup, NULL);
	buf_init(&command, 0);
	buf_init(&said, 0);
	assert_true(peers_command(f, fleet_host(f, "web-1"), &command));
	environ_command(&command, PEERS_PIDS, &e);
	p = popen(buf_str(&command), "r");
	assert_non_null(p);
	while ((n = fread(chunk, 1, sizeof(chunk), p)) > 0)
		(void)buf_put(&said, chunk, n);
	assert_int_equal(pclose(p), 0);
	/* No value is printed. */
	assert_null(strstr(buf_str(&said), "disable"));
	assert_null(strstr(buf_str(&said), "canary"));
	peers_read(r, buf_str(&said), said.len, 0);
	assert_int_equal(r->nsockets, 1);
	assert_int_equal(r->sockets[0].pid, child);
	environ_read(r, f, &e, buf_str(&said));
	buf_release(&said);
	buf_release(&command);
	environ_release(&e);
}

static void
a_process_of_before_the_change_is_told(void **state)
{
	char mode[] = "SSLMODE=disable", secret[] = "PASSWORD=canary";
	char *const env[] = { secret, mode, NULL };
	struct reading r;

	(void)state;
	begin(env);
	file = "SSLMODE=verify-full\nPASSWORD=canary\n";
	look(&r);
	assert_int_equal(r.nstarted, 1);
	assert_int_equal(r.started[0].pid, child);
	assert_string_equal(r.started[0].differs, "SSLMODE");
	reading_release(&r);
	/* What was added since is not in it either. */
	file = "SSLMODE=disable\nMORE=x\n";
	look(&r);
	assert_int_equal(r.nstarted, 1);
	assert_string_equal(r.started[0].differs, "MORE");
	reading_release(&r);
	/* And what is gone from the file is. */
	file = "PASSWORD=canary\n";
	look(&r);
	assert_string_equal(r.started[0].differs, "SSLMODE");
	reading_release(&r);
	end();
}

static void
a_process_that_was_restarted_says_what_its_file_says(void **state)
{
	/* A value of two lines, beside one whose second line looks like a variable. */
	char mode[] = "SSLMODE=it's \"quoted\"\nSSLMODE=second", other[] = "OTHER=x\nSSLMODE=disable";
	char *const env[] = { other, mode, NULL };
	struct reading r;

	(void)state;
	begin(env);
	file = "SSLMODE=plain\n";
	look(&r);
	assert_string_equal(r.started[0].differs, "SSLMODE");
	reading_release(&r);
	end();
	{
		char same[] = "SSLMODE=disable", more[] = "MORE=two words";
		char *const again[] = { same, other, more, NULL };

		begin(again);
		file = "SSLMODE=disable\nMORE='two words'\n";
		look(&r);
		assert_int_equal(r.nstarted, 1);
		assert_null(r.started[0].differs);
		reading_release(&r);
		end();
	}
}

static void
of_a_process_that_reads_its_file_itself_nothing_is_said(void **state)
{
	char path[] = "PATH=/bin";
	char *const env[] = { path, NULL };
	struct reading r;

	(void)state;
	begin(env);
	file = "SSLMODE=verify-full\n";
	look(&r);
	assert_int_equal(r.nstarted, 0);
	reading_release(&r);
	end();
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_of_before_the_change_is_told),
		cmocka_unit_test(a_process_that_was_restarted_says_what_its_file_says),
		cmocka_unit_test(of_a_process_that_reads_its_file_itself_nothing_is_said),
	};

	self = argv[0];
	if (argc == 3 && strcmp(argv[1], "dial") == 0)
		return dial(argv[2]);
	return cmocka_run_group_tests_name("environ", tests, setup, teardown);
}
