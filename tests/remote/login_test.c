/*
 * Logging in: by the agent, with encrypted keys, and by the system's ssh
 * where libssh2 is not enough.  Real sshds, a real ssh-agent.
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
#include "remote/keyring.h"
#include "remote/session_int.h"

static struct sshd server;
static pid_t agent_pid;
static const char *agent_socket;

/* An ssh-agent in the foreground, on its own socket. */
static void
agent_up(void)
{
	static char path[FIXTURE_PATH_MAX];
	const char *probe[] = { "sh", "-c", NULL, NULL };
	char command[FIXTURE_PATH_MAX + 64];

	snprintf(path, sizeof(path), "%s", fixture_path(&fx, "agent"));
	agent_socket = path;
	agent_pid = fork();
	if (agent_pid == 0) {
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(126);
		execlp("ssh-agent", "ssh-agent", "-D", "-a", path, (char *)NULL);
		_exit(127);
	}
	snprintf(command, sizeof(command), "until [ -S '%s' ]; do sleep 0.02; done", path);
	probe[2] = command;
	fixture_run(probe);
}

static void
agent_add(const char *key)
{
	const char *argv[] = { "ssh-add", "-q", fixture_path(&fx, key), NULL };

	setenv("SSH_AUTH_SOCK", agent_socket, 1);
	fixture_run(argv);
	unsetenv("SSH_AUTH_SOCK");
}

static void
agent_empty(void)
{
	const char *argv[] = { "ssh-add", "-q", "-D", NULL };

	setenv("SSH_AUTH_SOCK", agent_socket, 1);
	fixture_run(argv);
	unsetenv("SSH_AUTH_SOCK");
}

static int
setup(void **state)
{
	(void)state;
	client_up();
	agent_up();
	sshd_up(&server, &fx, "server", "ed25519", NULL);
	sshd_known(&server, "ed25519");
	sshd_config_block(&server, fixture_path(&fx, "ed25519"), NULL);
	return 0;
}

static int
teardown(void **state)
{
	int status;

	(void)state;
	kill(agent_pid, SIGTERM);
	waitpid(agent_pid, &status, 0);
	sshd_down(&server);
	return client_down();
}

/* A session to the server by an ssh_config block of these lines. */
static struct session *
session_by(const char *lines, struct watch *w)
{
	static int n;
	struct sshd alias = server;

	snprintf(alias.name, sizeof(alias.name), "by%d", n++);
	/* The first value counts, so these stand before the block's own. */
	{
		char text[4096], *old = fixture_read(fixture_path(&fx, "ssh_config"));
		char *all;

		snprintf(text, sizeof(text), "Host %s\n%s\n", alias.name, lines);
		all = mem_printf("%s%s", text, old);
		fixture_write(fixture_path(&fx, "ssh_config"), all);
		free(all);
		free(old);
	}
	sshd_config_block(&alias, fixture_path(&fx, "nokey"), NULL);
	return session_to(&alias, w);
}

static void
assert_logs_in(struct session *s, const char *transport)
{
	struct session_status st;
	struct seen seen;

	run_command(s, "echo in; exit 3", &seen);
	if (seen.end != STREAM_EXITED)
		fail_msg("%s: %s", stream_end_word(seen.end), seen.why.msg);
	assert_string_equal(buf_str(&seen.out), "in\n");
	assert_int_equal(seen.status, 3);
	session_status(s, &st);
	assert_string_equal(st.transport, transport);
	seen_release(&seen);
}

static void
login_with_each_kind_of_key_file(void **state)
{
	static const char *const kinds[] = { "ed25519", "ecdsa" };
	char lines[FIXTURE_PATH_MAX + 64];
	struct session *s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		snprintf(lines, sizeof(lines), "\tIdentityFile %s", fixture_path(&fx, kinds[i]));
		s = session_by(lines, NULL);
		assert_logs_in(s, "libssh2");
		settle(s);
	}
}

static void
login_with_each_kind_of_key_in_the_agent(void **state)
{
	static const char *const kinds[] = { "ed25519", "ecdsa" };
	char lines[FIXTURE_PATH_MAX + 64];
	const char *path;
	struct session *s;
	size_t i;

	(void)state;
	for (i = 0; i < 2; i++) {
		/* Its list of keys is kept for a while, by path: each has a path of its own. */
		path = fixture_path(&fx, i == 0 ? "agent-0" : "agent-1");
		assert_int_equal(symlink(agent_socket, path), 0);
		agent_empty();
		agent_add(kinds[i]);
		snprintf(lines, sizeof(lines), "\tIdentityAgent %s\n\tIdentitiesOnly no", path);
		s = session_by(lines, NULL);
		assert_logs_in(s, "libssh2");
		settle(s);
	}
	agent_empty();
}

static void
login_by_a_pub_file_whose_key_is_in_the_agent(void **state)
{
	char lines[2 * FIXTURE_PATH_MAX + 64];
	struct session *s;
	char *pub = fixture_read(fixture_path(&fx, "ecdsa.pub"));

	(void)state;
	fixture_write(fixture_path(&fx, "away.pub"), pub);
	free(pub);
	agent_add("ecdsa");
	agent_add("ed25519");
	snprintf(lines, sizeof(lines), "\tIdentityAgent %s\n\tIdentityFile %s", agent_socket,
	    fixture_path(&fx, "away"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "libssh2");
	settle(s);
	agent_empty();
}

static void
login_goes_on_with_files_when_the_agent_is_gone(void **state)
{
	char lines[2 * FIXTURE_PATH_MAX + 64];
	struct session *s;

	(void)state;
	snprintf(lines, sizeof(lines), "\tIdentityAgent %s\n\tIdentityFile %s",
	    fixture_path(&fx, "no-agent"), fixture_path(&fx, "ed25519"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "libssh2");
	settle(s);
}

/* An agent that accepts and says nothing. */
static void
quiet_come(uv_stream_t *server_pipe, int status)
{
	(void)server_pipe;
	(void)status;
}

static void
login_goes_on_with_files_when_the_agent_hangs(void **state)
{
	char lines[2 * FIXTURE_PATH_MAX + 64];
	struct session *s;
	uv_pipe_t quiet;

	(void)state;
	uv_pipe_init(&loop, &quiet, 0);
	assert_int_equal(uv_pipe_bind(&quiet, fixture_path(&fx, "quiet")), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&quiet, 1, quiet_come), 0);
	snprintf(lines, sizeof(lines), "\tIdentityAgent %s\n\tIdentityFile %s",
	    fixture_path(&fx, "quiet"), fixture_path(&fx, "ed25519"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "libssh2");
	settle(s);
	uv_close((uv_handle_t *)&quiet, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

static void
login_asks_for_the_passphrase_of_a_key_that_the_host_takes(void **state)
{
	struct watch w = { SESSION_BLOCKED, NEED_PASSPHRASE, false, 0 };
	struct session_status st;
	char lines[FIXTURE_PATH_MAX + 64], *subject;
	struct session *s;
	struct seen seen;

	(void)state;
	snprintf(lines, sizeof(lines), "\tIdentityFile %s", fixture_path(&fx, "locked"));
	s = session_by(lines, &w);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_true(w.reached);
	session_status(s, &st);
	assert_string_equal(st.subject, fixture_path(&fx, "locked"));
	assert_non_null(strstr(st.why, "is encrypted: its passphrase is needed"));
	subject = mem_strdup(st.subject);

	w.reached = false;
	session_passphrase(s, subject, "open barley");
	until(&w.reached, 30000);
	session_status(s, &st);
	assert_non_null(strstr(st.why, "that is not the passphrase of key '"));

	session_passphrase(s, subject, "open sesame");
	assert_logs_in(s, "libssh2");
	settle(s);
	/* And others need not ask again. */
	s = session_by(lines, NULL);
	assert_logs_in(s, "libssh2");
	settle(s);
	keyring_passphrase(keyring, subject, NULL);
	free(subject);
}

static void
login_asks_for_no_passphrase_where_another_key_does(void **state)
{
	char lines[2 * FIXTURE_PATH_MAX + 64];
	struct session *s;

	(void)state;
	snprintf(lines, sizeof(lines), "\tIdentityFile %s\n\tIdentityFile %s",
	    fixture_path(&fx, "ed25519"), fixture_path(&fx, "locked"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "libssh2");
	settle(s);
}

static void
session_may_be_freed_while_a_thread_signs(void **state)
{
	char lines[FIXTURE_PATH_MAX + 64];
	struct watch w = { SESSION_AUTHENTICATING, NEED_NOTHING, false, 0 };
	struct session *s;
	int i;

	(void)state;
	keyring_passphrase(keyring, fixture_path(&fx, "locked"), "open sesame");
	snprintf(lines, sizeof(lines), "\tIdentityFile %s", fixture_path(&fx, "locked"));
	s = session_by(lines, &w);
	session_wake(s);
	until(&w.reached, 30000);
	for (i = 0; i < 3; i++)
		uv_run(&loop, UV_RUN_ONCE);
	settle(s);
	while (uv_loop_alive(&loop))
		uv_run(&loop, UV_RUN_ONCE);
	keyring_passphrase(keyring, fixture_path(&fx, "locked"), NULL);
}

static void
rsa_key_goes_by_the_systems_ssh_and_says_so(void **state)
{
	char lines[FIXTURE_PATH_MAX + 64];
	struct session_status st;
	struct session *s;

	(void)state;
	snprintf(lines, sizeof(lines), "\tIdentityFile %s", fixture_path(&fx, "rsa"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "ssh");
	session_status(s, &st);
	assert_non_null(strstr(st.transport_why, "libssh2 cannot sign with '"));
	settle(s);
}

static void
carry(struct session *s)
{
	size_t n = (size_t)1 << 20, i;
	unsigned char *p = mem_alloc(n);
	struct seen seen;

	for (i = 0; i < n; i++)
		p[i] = (unsigned char)(i * 2654435761u >> 24);
	memset(&seen, 0, sizeof(seen));
	seen.stream = session_exec(s, "cat; printf end >&2; exit 3", &events, &seen);
	stream_write(seen.stream, p, n);
	stream_write_eof(seen.stream);
	until(&seen.closed, 60000);
	assert_int_equal(seen.out.len, n);
	assert_memory_equal(seen.out.data, p, n);
	assert_string_equal(buf_str(&seen.err), "end");
	assert_int_equal(seen.status, 3);
	free(p);
	seen_release(&seen);
}

static void
system_ssh_goes_through_a_jump_host(void **state)
{
	char lines[FIXTURE_PATH_MAX + 128];
	struct session_status st;
	struct session *s;
	struct seen seen[20], dial;
	int i;

	(void)state;
	/* Through the same server: what counts is that it is asked for. */
	snprintf(lines, sizeof(lines), "\tIdentityFile %s\n\tProxyJump server", fixture_path(&fx, "ed25519"));
	s = session_by(lines, NULL);
	assert_logs_in(s, "ssh");
	session_status(s, &st);
	assert_string_equal(st.transport_why, "the ssh_config has ProxyJump server");
	carry(s);
	for (i = 0; i < 20; i++) {
		memset(&seen[i], 0, sizeof(seen[i]));
		seen[i].stream = session_exec(s, "echo x; exit 5", &events, &seen[i]);
		stream_deadline(seen[i].stream, 90000);
	}
	for (i = 0; i < 20; i++) {
		until(&seen[i].closed, 90000);
		assert_string_equal(buf_str(&seen[i].out), "x\n");
		assert_int_equal(seen[i].status, 5);
		seen_release(&seen[i]);
	}
	/* sshd's own banner, through -W. */
	memset(&dial, 0, sizeof(dial));
	dial.want = 8;
	dial.stream = session_dial(s, "127.0.0.1", server.port, &events, &dial);
	until(&dial.enough, 30000);
	assert_memory_equal(dial.out.data, "SSH-2.0-", 8);
	stream_close(dial.stream);
	seen_release(&dial);
	dial.stream = session_dial(s, "127.0.0.1", port_free(), &events, &dial);
	until(&dial.closed, 30000);
	assert_int_equal(dial.end, STREAM_REFUSED);
	assert_non_null(strstr(dial.why.msg, "from there: Session open refused by peer"));
	seen_release(&dial);
	settle(s);
}

static void
hardened_host_goes_by_the_systems_ssh(void **state)
{
	struct session_status st;
	struct session *s;
	struct sshd d;

	(void)state;
	sshd_up(&d, &fx, "hardened", "ed25519", "Ciphers chacha20-poly1305@openssh.com\n"
	    "MACs hmac-sha2-512-etm@openssh.com");
	sshd_known(&d, "ed25519");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	s = session_to(&d, NULL);
	assert_logs_in(s, "ssh");
	session_status(s, &st);
	assert_string_equal(st.transport_why, "libssh2 and the host have no algorithm in common");
	settle(s);
	sshd_down(&d);
}

static void
host_known_by_an_rsa_key_alone_goes_by_the_systems_ssh(void **state)
{
	struct session *s;
	struct sshd d;

	(void)state;
	sshd_up(&d, &fx, "rsahost", "rsa ed25519", NULL);
	sshd_known(&d, "rsa");
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), NULL);
	s = session_to(&d, NULL);
	assert_logs_in(s, "ssh");
	settle(s);
	sshd_down(&d);
}

static void
system_ssh_accepts_no_unknown_host(void **state)
{
	struct session *s;
	struct sshd d;
	struct seen seen;
	char *before = fixture_read(fixture_path(&fx, "known_hosts")), *after;

	(void)state;
	sshd_up(&d, &fx, "foreign", "ed25519", NULL);
	sshd_config_block(&d, fixture_path(&fx, "ed25519"), "\tProxyJump server");
	s = session_to(&d, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "its key is not (or no longer) the one in known_hosts"));
	after = fixture_read(fixture_path(&fx, "known_hosts"));
	assert_string_equal(before, after);
	free(before);
	free(after);
	settle(s);
	sshd_down(&d);
}

static void
system_ssh_that_is_killed_is_a_lost_connection(void **state)
{
	char lines[FIXTURE_PATH_MAX + 128];
	struct watch w = { SESSION_WAITING, NEED_NOTHING, false, 0 };
	struct session *s;
	struct seen seen;

	(void)state;
	snprintf(lines, sizeof(lines), "\tIdentityFile %s", fixture_path(&fx, "rsa"));
	s = session_by(lines, &w);
	assert_logs_in(s, "ssh");
	memset(&seen, 0, sizeof(seen));
	seen.want = 6;
	seen.stream = session_exec(s, "echo begun; sleep 100", &events, &seen);
	until(&seen.enough, 30000);
	sshd_signal_connections(&server, SIGKILL);
	until(&seen.closed, 30000);
	if (!w.reached)
		until(&w.reached, 30000);
	assert_logs_in(s, "ssh");
	seen_release(&seen);
	settle(s);
}

static void
transport_that_the_fleet_names_is_kept_to(void **state)
{
	struct session_config c;
	struct session *s;
	struct seen seen;

	(void)state;
	memset(&c, 0, sizeof(c));
	c.name = c.ssh = "server";
	c.ssh_config = fixture_path(&fx, "ssh_config");
	c.transport = "ssh";
	s = session_new(&loop, keyring, &c, NULL, NULL);
	assert_logs_in(s, "ssh");
	settle(s);
	c.transport = "libssh2";
	c.ssh = "rsaonly";
	{
		struct sshd alias = server;

		snprintf(alias.name, sizeof(alias.name), "rsaonly");
		sshd_config_block(&alias, fixture_path(&fx, "rsa"), NULL);
	}
	s = session_new(&loop, keyring, &c, NULL, NULL);
	run_command(s, "true", &seen);
	assert_int_equal(seen.end, STREAM_REFUSED);
	assert_non_null(strstr(seen.why.msg, "libssh2 is not enough (libssh2 cannot sign with '"));
	settle(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_with_each_kind_of_key_file),
		cmocka_unit_test(login_with_each_kind_of_key_in_the_agent),
		cmocka_unit_test(login_by_a_pub_file_whose_key_is_in_the_agent),
		cmocka_unit_test(login_goes_on_with_files_when_the_agent_is_gone),
		cmocka_unit_test(login_goes_on_with_files_when_the_agent_hangs),
		cmocka_unit_test(login_asks_for_the_passphrase_of_a_key_that_the_host_takes),
		cmocka_unit_test(login_asks_for_no_passphrase_where_another_key_does),
		cmocka_unit_test(session_may_be_freed_while_a_thread_signs),
		cmocka_unit_test(rsa_key_goes_by_the_systems_ssh_and_says_so),
		cmocka_unit_test(system_ssh_goes_through_a_jump_host),
		cmocka_unit_test(hardened_host_goes_by_the_systems_ssh),
		cmocka_unit_test(host_known_by_an_rsa_key_alone_goes_by_the_systems_ssh),
		cmocka_unit_test(system_ssh_accepts_no_unknown_host),
		cmocka_unit_test(system_ssh_that_is_killed_is_a_lost_connection),
		cmocka_unit_test(transport_that_the_fleet_names_is_kept_to),
	};

	return cmocka_run_group_tests_name("login", tests, setup, teardown);
}
