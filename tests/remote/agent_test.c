/*
 * The agent's protocol against a real ssh-agent, and against one that lies.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "core/mem.h"
#include "remote/agent.h"

static struct agent *agent;

struct answer {
	bool	done;
	size_t	nkeys;
	unsigned char *blob;		/* of the first */
	size_t	blob_len;
	size_t	sig_len;
	struct err why;
};

static void
on_listed(void *arg, const struct agent_key *keys, size_t n, const struct err *err)
{
	struct answer *a = arg;

	assert_false(a->done);
	a->done = true;
	a->nkeys = n;
	if (err != NULL)
		a->why = *err;
	if (n > 0) {
		a->blob = mem_alloc(keys[0].blob_len);
		memcpy(a->blob, keys[0].blob, keys[0].blob_len);
		a->blob_len = keys[0].blob_len;
	}
}

static void
on_signed(void *arg, const unsigned char *sig, size_t len, const struct err *err)
{
	struct answer *a = arg;

	(void)sig;
	assert_false(a->done);
	a->done = true;
	a->sig_len = len;
	if (err != NULL)
		a->why = *err;
}

static int
setup(void **state)
{
	(void)state;
	client_up();
	agent = agent_new(&loop);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	agent_free(agent);
	return client_down();
}

static void
agent_lists_and_signs(void **state)
{
	const char *path = fixture_path(&fx, "agent");
	char command[2 * FIXTURE_PATH_MAX + 128];
	const char *argv[] = { "sh", "-c", command, NULL };
	struct answer list, sig, many[30];
	pid_t pid;
	int status, i;

	(void)state;
	pid = fork();
	if (pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(126);
		execlp("ssh-agent", "ssh-agent", "-D", "-a", path, (char *)NULL);
		_exit(127);
	}
	snprintf(command, sizeof(command), "until [ -S '%s' ]; do sleep 0.02; done; "
	    "SSH_AUTH_SOCK='%s' ssh-add -q '%s'", path, path, fixture_path(&fx, "ed25519"));
	fixture_run(argv);

	memset(&list, 0, sizeof(list));
	agent_list(agent, path, on_listed, &list);
	until(&list.done, 30000);
	assert_int_equal(list.nkeys, 1);
	assert_memory_equal(list.blob, "\0\0\0\013ssh-ed25519", 15);

	/* More at once than it is asked at once. */
	memset(many, 0, sizeof(many));
	for (i = 0; i < 30; i++)
		agent_sign(agent, path, list.blob, list.blob_len, (const unsigned char *)"data", 4,
		    on_signed, &many[i]);
	for (i = 0; i < 30; i++) {
		until(&many[i].done, 30000);
		assert_int_equal(many[i].sig_len, 64);
	}

	/* A key that it does not have. */
	memset(&sig, 0, sizeof(sig));
	list.blob[list.blob_len - 1] ^= 1;
	agent_sign(agent, path, list.blob, list.blob_len, (const unsigned char *)"data", 4, on_signed, &sig);
	until(&sig.done, 30000);
	assert_string_equal(sig.why.msg, "ssh-agent: it does not sign (locked, or not confirmed)");
	free(list.blob);
	kill(pid, SIGTERM);
	waitpid(pid, &status, 0);
}

static void
agent_that_is_not_there_is_said_so(void **state)
{
	struct answer a;

	(void)state;
	memset(&a, 0, sizeof(a));
	agent_list(agent, fixture_path(&fx, "nobody"), on_listed, &a);
	assert_false(a.done);
	until(&a.done, 30000);
	assert_string_equal(a.why.msg, "ssh-agent: no such file or directory");
}

static void
agent_query_cancelled_is_never_answered(void **state)
{
	struct answer a;
	int i;

	(void)state;
	memset(&a, 0, sizeof(a));
	agent_cancel(agent_list(agent, fixture_path(&fx, "nobody"), on_listed, &a));
	for (i = 0; i < 20; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	assert_false(a.done);
}

/* ---- one that lies ------------------------------------------------------- */

struct liar {
	uv_pipe_t server, client;
	const char *says;
	size_t	len;
	bool	here;
	char	chunk[1024];
};

static void
liar_alloc(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct liar *l = h->data;

	(void)hint;
	*ret = uv_buf_init(l->chunk, sizeof(l->chunk));
}

static void
liar_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct liar *l = h->data;
	uv_buf_t out = uv_buf_init((char *)(uintptr_t)l->says, (unsigned int)l->len);

	(void)b;
	if (n > 0)
		uv_try_write(h, &out, 1);
	else if (n < 0 && !uv_is_closing((uv_handle_t *)h))
		uv_close((uv_handle_t *)h, NULL);
}

static void
liar_come(uv_stream_t *server, int status)
{
	struct liar *l = server->data;

	(void)status;
	l->here = true;
	uv_pipe_init(&loop, &l->client, 0);
	l->client.data = l;
	uv_accept(server, (uv_stream_t *)&l->client);
	uv_read_start((uv_stream_t *)&l->client, liar_alloc, liar_read);
}

static void
agent_that_lies_is_not_believed(void **state)
{
	static const struct { const char *says; size_t len; const char *want; } cases[] = {
		{ "\xff\xff\xff\xff\x0c", 5, "ssh-agent: its answer is too long" },
		{ "\0\0\0\0\x0c", 5, "ssh-agent: its answer is too long" },
		{ "\0\0\0\x01\x05", 5, "ssh-agent: it does not list its keys" },
		{ "\0\0\0\x01\x0e", 5, "ssh-agent: it does not list its keys" },
		{ "\0\0\0\x05\x0c\xff\xff\xff\xff", 9, "ssh-agent: its list of keys is damaged or too long" },
		{ "\0\0\0\x05\x0c\0\0\0\x02", 9, "ssh-agent: its list of keys is damaged" },
		{ "\0\0\0\x09\x0c\0\0\0\x01\x7f\xff\xff\xff", 13, "ssh-agent: its list of keys is damaged" },
		{ "\0\0\0\x01\x0c", 5, "ssh-agent: its list of keys is damaged or too long" }
	};
	char path[FIXTURE_PATH_MAX];
	struct answer a;
	struct liar l;
	size_t i;
	int j;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(&l, 0, sizeof(l));
		l.says = cases[i].says;
		l.len = cases[i].len;
		snprintf(path, sizeof(path), "%s%zu", fixture_path(&fx, "liar"), i);
		uv_pipe_init(&loop, &l.server, 0);
		l.server.data = &l;
		assert_int_equal(uv_pipe_bind(&l.server, path), 0);
		assert_int_equal(uv_listen((uv_stream_t *)&l.server, 4, liar_come), 0);
		memset(&a, 0, sizeof(a));
		agent_list(agent, path, on_listed, &a);
		until(&a.done, 30000);
		assert_string_equal(a.why.msg, cases[i].want);
		uv_close((uv_handle_t *)&l.server, NULL);
		if (l.here && !uv_is_closing((uv_handle_t *)&l.client))
			uv_close((uv_handle_t *)&l.client, NULL);
		for (j = 0; j < 20; j++)
			uv_run(&loop, UV_RUN_NOWAIT);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agent_lists_and_signs),
		cmocka_unit_test(agent_that_is_not_there_is_said_so),
		cmocka_unit_test(agent_query_cancelled_is_never_answered),
		cmocka_unit_test(agent_that_lies_is_not_believed),
	};

	return cmocka_run_group_tests_name("agent", tests, setup, teardown);
}
