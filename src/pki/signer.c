/*
 * signer: see signer.h.
 *
 * The command is the leader of a process group of its own, so that what it
 * starts ends with it.  It is told nothing but the request: it inherits the
 * environment and the three standard descriptors, which are pipes.
 */
#include "pki/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"

#define LOOK_EVERY_MS 100	/* whether to stop */

extern char **environ;

struct talk {
	pid_t	 pid;
	int	 in, out, said;		/* our ends; -1: closed */
	const char *text;
	size_t	 left;
	struct buf *got;
	struct buf error;		/* keeps the end */
	int64_t	 until_ms;
};

static int64_t
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
shut(int *fd)
{
	if (*fd != -1)
		(void)close(*fd);
	*fd = -1;
}

/* Both ends are closed in whatever is started beside it. */
static int
pipe_cloexec(int fd[2])
{
	int i;

	if (pipe(fd) == -1)
		return -1;
	for (i = 0; i < 2; i++)
		(void)fcntl(fd[i], F_SETFD, FD_CLOEXEC);
	return 0;
}

/* "cd DIR && exec COMMAND" without a shell's eyes on the command's words. */
static const char *const in_directory[] = { "/bin/sh", "-c", "cd -- \"$0\" && exec \"$@\"", NULL };

#define WORDS_MAX 128

static int
start(struct talk *t, const struct signer *s, int ends[3], struct err *err)
{
	/* posix_spawn(3) writes to none of them. */
	union { const char *c; char *m; } words[WORDS_MAX + 1];
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, usual;
	char *argv[WORDS_MAX + 1];
	size_t i, n = 0;
	int rc;

	for (i = 0; s->in != NULL && in_directory[i] != NULL; i++)
		words[n++].c = in_directory[i];
	if (s->in != NULL)
		words[n++].c = s->in;
	for (i = 0; s->argv[i] != NULL && n < WORDS_MAX; i++)
		words[n++].c = s->argv[i];
	if (s->argv[i] != NULL || i == 0)
		return err_set(err, "a command of %s words", i == 0 ? "no" : "too many");
	for (i = 0; i < n; i++)
		argv[i] = words[i].m;
	argv[n] = NULL;
	if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attr) != 0)
		abort();	/* for want of memory only */
	for (i = 0; i < 3; i++)
		(void)posix_spawn_file_actions_adddup2(&files, ends[i], (int)i);
	/* The thread that runs this takes no signals, and SIGPIPE is ignored here: neither is the command's. */
	(void)sigemptyset(&none);
	(void)sigemptyset(&usual);
	(void)sigaddset(&usual, SIGPIPE);
	(void)sigaddset(&usual, SIGXFSZ);
	(void)posix_spawnattr_setsigmask(&attr, &none);
	(void)posix_spawnattr_setsigdefault(&attr, &usual);
	(void)posix_spawnattr_setpgroup(&attr, 0);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	rc = posix_spawnp(&t->pid, argv[0], &files, &attr, argv, environ);
	(void)posix_spawn_file_actions_destroy(&files);
	(void)posix_spawnattr_destroy(&attr);
	return rc == 0 ? 0 : err_set(err, "cannot run '%s': %s", argv[0], strerror(rc));
}

/* 0: there may be more; 1: its end. */
static int
take(int *fd, struct buf *to)
{
	char part[4096];
	ssize_t n = read(*fd, part, sizeof(part));

	if (n > 0)
		(void)buf_put(to, part, (size_t)n);
	else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		shut(fd);
		return 1;
	}
	return 0;
}

static void
give(struct talk *t)
{
	ssize_t n = t->left == 0 ? 0 : write(t->in, t->text, t->left);

	if (n > 0) {
		t->text += n;
		t->left -= (size_t)n;
	}
	/* Who does not want all of it is judged by what it prints. */
	if (t->left == 0 || (n == -1 && errno != EINTR && errno != EAGAIN))
		shut(&t->in);
}

static int
converse(struct talk *t, const struct signer *s, struct err *err)
{
	struct pollfd p[3];
	int64_t left_ms;

	while (t->out != -1 || t->said != -1) {
		if (s->stop != NULL && atomic_load(s->stop))
			return err_set(err, "given up, since belay was told to end");
		if ((left_ms = t->until_ms - now_ms()) <= 0)
			return err_set(err, "it did not end within its deadline");
		p[0].fd = t->in;
		p[0].events = POLLOUT;
		p[1].fd = t->out;
		p[2].fd = t->said;
		p[1].events = p[2].events = POLLIN;
		if (poll(p, 3, left_ms < LOOK_EVERY_MS ? (int)left_ms : LOOK_EVERY_MS) <= 0)
			continue;
		if (t->in != -1 && p[0].revents != 0)
			give(t);
		if (t->out != -1 && p[1].revents != 0)
			(void)take(&t->out, t->got);
		if (t->said != -1 && p[2].revents != 0) {
			(void)take(&t->said, &t->error);
			if (t->error.len > SIGNER_SAID_MAX)
				buf_drop(&t->error, t->error.len - SIGNER_SAID_MAX);
		}
		if (t->got->over)
			return err_set(err, "it printed more than %zu bytes", SIGNER_OUT_MAX);
	}
	return 0;
}

/* Its exit, within the deadline: one that has closed its output may still run. */
static int
outcome(struct talk *t, const struct signer *s, struct err *err)
{
	const struct timespec nap = { 0, 10 * 1000000L };
	int status;
	pid_t rc;

	while ((rc = waitpid(t->pid, &status, WNOHANG)) == 0 || (rc == -1 && errno == EINTR)) {
		if ((s->stop != NULL && atomic_load(s->stop)) || now_ms() >= t->until_ms)
			return err_set(err, "it did not end within its deadline");
		(void)nanosleep(&nap, NULL);
	}
	t->pid = -1;
	if (rc == -1)
		return err_set(err, "its end was not seen: %s", strerror(errno));
	if (WIFSIGNALED(status))
		return err_set(err, "it was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return err_set(err, "it ended with %d", WEXITSTATUS(status));
	return 0;
}

int
signer_run(const struct signer *s, const char *request, size_t len_bytes, struct buf *out, struct err *err)
{
	struct talk t = { .pid = -1, .in = -1, .out = -1, .said = -1, .text = request, .left = len_bytes, .got = out };
	int in[2] = { -1, -1 }, got[2] = { -1, -1 }, said[2] = { -1, -1 }, ends[3];
	struct err why;
	int rc = -1;

	t.until_ms = now_ms() + (s->deadline_ms > 0 ? s->deadline_ms : SIGNER_DEADLINE_MS);
	if (pipe_cloexec(in) == -1 || pipe_cloexec(got) == -1 || pipe_cloexec(said) == -1) {
		(void)err_set(err, "cannot make a pipe: %s", strerror(errno));
		goto out;
	}
	ends[0] = in[0];
	ends[1] = got[1];
	ends[2] = said[1];
	if (start(&t, s, ends, err) == -1)
		goto out;
	shut(&in[0]);
	shut(&got[1]);
	shut(&said[1]);
	(void)fcntl(in[1], F_SETFL, O_NONBLOCK);
	t.in = in[1];
	t.out = got[0];
	t.said = said[0];
	in[1] = got[0] = said[0] = -1;
	rc = converse(&t, s, err);
	if (rc == 0)
		rc = outcome(&t, s, err);
	if (t.pid != -1) {
		(void)kill(-t.pid, SIGKILL);
		while (waitpid(t.pid, NULL, 0) == -1 && errno == EINTR)
			continue;
	}
	if (rc == -1 && t.error.len > 0) {
		while (t.error.len > 0 && (t.error.data[t.error.len - 1] == '\n' || t.error.data[t.error.len - 1] == '\r'))
			t.error.data[--t.error.len] = '\0';
		why = *err;
		(void)err_set(err, "%s: %s", why.msg, buf_str(&t.error));
	}
out:
	shut(&in[0]);
	shut(&in[1]);
	shut(&got[0]);
	shut(&got[1]);
	shut(&said[0]);
	shut(&said[1]);
	shut(&t.in);
	shut(&t.out);
	shut(&t.said);
	buf_release(&t.error);
	return rc;
}
