/*
 * disk_calls: see disk_calls.h.
 */
#include "disk_calls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/err.h"
#include "pki_fixture.h"

static int kill_at, points;	/* kill in front of this call; 0: never */
struct buf trace;
bool tracing;

static void
point(void)
{
	if (kill_at != 0 && ++points == kill_at)
		(void)kill(getpid(), SIGKILL);
}

static void
note_fd(const char *what, int fd)
{
	char link[64], path[4096];
	ssize_t n;

	if (!tracing)
		return;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n < 0 ? 0 : n] = '\0';
	(void)buf_printf(&trace, "%s %s\n", what, strcmp(path, top) == 0 ? "the parent" :
	    strrchr(path, '/') + 1);
}

int
mkdir(const char *path, mode_t mode)
{
	point();
	return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int
fchmod(int fd, mode_t mode)
{
	point();	/* the new file is empty */
	return (int)syscall(SYS_fchmod, fd, mode);
}

int
fsync(int fd)
{
	point();
	note_fd("fsync", fd);
	return (int)syscall(SYS_fsync, fd);
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	point();
	if (tracing)
		(void)buf_printf(&trace, "rename %s to %s\n", from, to);
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
}

bool
killed_at(int at)
{
	struct authority_material m;
	struct err err;
	int status;
	pid_t pid;

	assert_int_not_equal(pid = fork(), -1);
	if (pid == 0) {
		kill_at = at;
		points = 0;
		_exit(authority_ensure(&q, &m, &err) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status)) {
		assert_int_equal(WTERMSIG(status), SIGKILL);
		return true;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
	return false;
}
