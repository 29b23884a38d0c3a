/*
 * The quoter against the shells: what text_shell_quote() wrote is read back
 * byte for byte by dash, bash and busybox, as a word and as the value of an
 * assignment; and host_command() arrives through each of them, and through
 * csh and fish where these are, as the arguments that it means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/text.h"
#include "host_sh.h"
#include "remote/hostproto.h"

#define STRINGS		100000
#define BATCH		2500
#define COMMANDS	150
#define LENGTH_MAX	40

static char base[256], self[512];

static const struct shell {
	const char *name, *path, *arg;
	bool	 needed;
} shells[] = {
	{ "dash", "/bin/dash", NULL, true },
	{ "bash", "/bin/bash", NULL, true },
	{ "busybox", "/bin/busybox", "sh", true },
	{ "csh", "/bin/csh", NULL, false },
	{ "tcsh", "/bin/tcsh", NULL, false },
	{ "zsh", "/bin/zsh", NULL, false },
	{ "mksh", "/bin/mksh", NULL, false },
	{ "fish", "/usr/bin/fish", NULL, false },
};

/* The same numbers each time: xorshift. */
static uint64_t seed;

static uint32_t
pick(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 32) % n;
}

/* Every byte but NUL, and what shells take for more than bytes. */
static void
hostile(struct buf *out, bool lines)
{
	static const char *const words[] = {
		"'", "'\\''", "''", "\"", "\\", "\\\\", "\\'", "$", "$(touch x)", "${x}", "$x", "$$", "$'\\n'", "`x`",
		"`", "!", "!!", "!x", "#", " #", "~", "~root", "*", "?", "[a]", "{a,b}", ";", "&", "&&", "|", "||", "<", ">",
		">>x", "<<x", "(", ")", "%s", "%n", "%%", "\\0", "\\n", "\\c", "-", "-n", "--", "-e", "=", "A=b", "\t", " ",
		"  ", "\r", "\033[31m", "\x7f", "\xff", "\xc3\xa9", "\xc3", "\xe2\x80\xae", "\xf0\x9f\x94\x91", "\x80", "\\\n",
		"\n", "\n\n", "EOF", "sh", "belay-payload", "@", "%", "+", ":", ",", ".", "/", "..", "a", "0", "^", "\x01",
	};
	size_t start = out->len, n = pick(8), i;

	for (i = 0; i < n && out->len - start < LENGTH_MAX; i++)
		if (pick(3) > 0)
			(void)buf_puts(out, words[pick(sizeof(words) / sizeof(words[0]))]);
		else
			(void)buf_putc(out, (char)(1 + pick(255)));
	for (i = start; !lines && i < out->len; i++)
		if (out->data[i] == '\n' || out->data[i] == '\r')
			out->data[i] = '\'';
	(void)buf_puts(out, "");
}

/* A shell with this on its stdin, or as its -c; everything that it printed. */
static void
shell(const struct shell *sh, const char *command, const struct buf *in, const char *path, struct buf *out)
{
	const char *argv[6];
	int to[2], from[2], status;
	struct pollfd fds[2];
	size_t n = 0, sent = 0;
	char bytes[65536];
	ssize_t got;
	pid_t pid;

	argv[n++] = sh->name;
	if (sh->arg != NULL)
		argv[n++] = sh->arg;
	if (command != NULL) {
		argv[n++] = "-c";
		argv[n++] = command;
	}
	argv[n] = NULL;
	assert_int_equal(pipe(to), 0);
	assert_int_equal(pipe(from), 0);
	if ((pid = fork()) == 0) {
		(void)dup2(to[0], STDIN_FILENO);
		(void)dup2(from[1], STDOUT_FILENO);
		(void)close(to[0]);
		(void)close(to[1]);
		(void)close(from[0]);
		(void)close(from[1]);
		if (chdir(base) != 0)
			_exit(126);
		if (path != NULL) {
			(void)setenv("PATH", path, 1);
			(void)setenv("BELAY_TEST_ARGS", "1", 1);
		}
		(void)execv(sh->path, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	(void)fcntl(to[1], F_SETFL, O_NONBLOCK);
	for (;;) {
		fds[0] = (struct pollfd){ from[0], POLLIN, 0 };
		fds[1] = (struct pollfd){ to[1], POLLOUT, 0 };
		assert_true(poll(fds, to[1] < 0 ? 1 : 2, 60000) > 0);
		if (to[1] >= 0 && fds[1].revents != 0) {
			got = in == NULL ? 0 : write(to[1], in->data + sent, in->len - sent);
			if (got > 0)
				sent += (size_t)got;
			if (in == NULL || sent == in->len) {
				(void)close(to[1]);
				to[1] = -1;
			}
		}
		if (fds[0].revents != 0) {
			if ((got = read(from[0], bytes, sizeof(bytes))) <= 0)
				break;
			(void)buf_put(out, bytes, (size_t)got);
		}
	}
	if (to[1] >= 0)
		(void)close(to[1]);
	(void)close(from[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
what_is_quoted_is_read_back_by_every_shell(void **state)
{
	const struct shell *sh = *state;
	struct buf script, want, one, got;
	size_t done = 0, i;

	if (access(sh->path, X_OK) != 0)
		fail_msg("no %s here: it is what hosts have", sh->path);
	seed = 0x9e3779b97f4a7c15u;
	buf_init(&script, 0);
	buf_init(&want, 0);
	buf_init(&one, 0);
	buf_init(&got, 0);
	while (done < STRINGS) {
		buf_clear(&script);
		buf_clear(&want);
		buf_clear(&got);
		for (i = 0; i < BATCH; i++, done++) {
			buf_clear(&one);
			hostile(&one, true);
			if (i % 2 == 0)
				(void)buf_puts(&script, "printf '%s\\0' ");
			else
				(void)buf_puts(&script, "x=");
			text_shell_quote(&script, buf_str(&one));
			(void)buf_puts(&script, i % 2 == 0 ? "\n" : "; printf '%s\\0' \"$x\"\n");
			(void)buf_put(&want, buf_str(&one), one.len);
			(void)buf_putc(&want, '\0');
		}
		shell(sh, NULL, &script, NULL, &got);
		assert_int_equal(got.len, want.len);
		assert_memory_equal(got.data, want.data, want.len);
	}
	print_message("%s: %zu strings\n", sh->name, done);
	buf_release(&script);
	buf_release(&want);
	buf_release(&one);
	buf_release(&got);
}

/* The next of the arguments that were printed. */
static const char *
next(const struct buf *got, size_t *at)
{
	const char *s = got->data + *at;

	assert_true(*at < got->len);
	*at += strlen(s) + 1;
	return s;
}

static void
a_host_command_arrives_as_it_is_meant(void **state)
{
	char path[300];
	struct buf command, op, got;
	size_t i, k, at, tried = 0;

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", base);
	seed = 88172645463325252u;
	buf_init(&command, 0);
	buf_init(&op, 0);
	buf_init(&got, 0);
	for (i = 0; i < sizeof(shells) / sizeof(shells[0]); i++) {
		const struct shell *sh = &shells[i];

		if (access(sh->path, X_OK) != 0) {
			if (sh->needed)
				fail_msg("no %s here", sh->path);
			print_message("no %s here: not tried through it\n", sh->name);
			continue;
		}
		for (k = 0; k < COMMANDS; k++) {
			buf_clear(&command);
			buf_clear(&op);
			buf_clear(&got);
			/* An op's id has none of it; what would come by one is tried all the same. */
			if (sh->needed)
				hostile(&op, true);
			else
				(void)buf_puts(&op, "run-1/step_20a/1");
			host_command(&command, "look", "5f0e", buf_str(&op), NULL, false);
			shell(sh, buf_str(&command), NULL, path, &got);
			(void)buf_putc(&got, '\0');
			at = 0;
			assert_string_equal(next(&got, &at), "-c");
			assert_string_equal(next(&got, &at), host_sh);
			assert_string_equal(next(&got, &at), "belay-host");
			assert_string_equal(next(&got, &at), "look");
			assert_string_equal(next(&got, &at), "5f0e");
			assert_string_equal(next(&got, &at), buf_str(&op));
			assert_int_equal(at + 1, got.len);
			tried++;
		}
	}
	print_message("%zu commands\n", tried);
	buf_release(&command);
	buf_release(&op);
	buf_release(&got);
}

static int
set_up(void **state)
{
	char path[300];
	ssize_t n;

	(void)state;
	(void)snprintf(base, sizeof(base), "%.200s/belay-quote-XXXXXX",
	    getenv("TMPDIR") == NULL ? "/tmp" : getenv("TMPDIR"));
	if (mkdtemp(base) == NULL || (n = readlink("/proc/self/exe", self, sizeof(self) - 1)) < 0)
		return -1;
	self[n] = '\0';
	(void)snprintf(path, sizeof(path), "%s/bin", base);
	if (mkdir(path, 0700) != 0)
		return -1;
	(void)strcat(path, "/sh");
	return symlink(self, path);
}

static int
tear_down(void **state)
{
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/bin/sh", base);
	(void)unlink(path);
	(void)snprintf(path, sizeof(path), "%s/bin", base);
	(void)rmdir(path);
	/* Nothing else was made there, whatever the strings said. */
	return rmdir(base);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		{ "what_is_quoted_is_read_back (dash)", what_is_quoted_is_read_back_by_every_shell, NULL, NULL,
		    (void *)(uintptr_t)&shells[0] },
		{ "what_is_quoted_is_read_back (bash)", what_is_quoted_is_read_back_by_every_shell, NULL, NULL,
		    (void *)(uintptr_t)&shells[1] },
		{ "what_is_quoted_is_read_back (busybox)", what_is_quoted_is_read_back_by_every_shell, NULL, NULL,
		    (void *)(uintptr_t)&shells[2] },
		cmocka_unit_test(a_host_command_arrives_as_it_is_meant),
	};
	int i;

	/* In the place of `sh`: what it was given, each with a NUL behind it. */
	if (getenv("BELAY_TEST_ARGS") != NULL) {
		for (i = 1; i < argc; i++)
			if (fwrite(argv[i], 1, strlen(argv[i]) + 1, stdout) == 0)
				return 1;
		return fflush(stdout) == 0 ? 0 : 1;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
