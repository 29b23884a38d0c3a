/*
 * killer: see killer.h.
 */
#include "killer.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static const char *const wrapped[] = {
	"cat", "mv", "cp", "chmod", "chown", "sync", "stat", "sha256sum", "mkdir", "rm", "rmdir",
	"flock", "id", "tail", "timeout", "grep", "head", "cmp", "tr", "ln", "readlink", "wc", NULL
};

static int
real_command(char **argv)
{
	static const char *const dirs[] = { "/usr/bin", "/bin", "/usr/sbin", "/sbin" };
	char path[64];
	size_t i;

	for (i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], argv[0]);
		(void)execve(path, argv, environ);
	}
	return 127;
}

/* cat, but only half of what there is. */
static void
half_cat(char **argv)
{
	static char bytes[1 << 16];
	int fd = argv[1] == NULL ? STDIN_FILENO : open(argv[1], O_RDONLY);
	ssize_t n, len = 0;

	while (fd >= 0 && (n = read(fd, bytes + len, sizeof(bytes) - (size_t)len)) > 0)
		len += n;
	if (write(STDOUT_FILENO, bytes, (size_t)len / 2) < 0)
		_exit(1);
}

int
killer_main(char **argv)
{
	const char *when = getenv("BELAY_TEST_WHEN"), *count_path = getenv("BELAY_TEST_COUNT");
	long at = strtol(getenv("BELAY_TEST_KILL_AT"), NULL, 10), n = 0;
	const char *slash = strrchr(argv[0], '/');
	char text[32];
	ssize_t len;
	int fd, status = 0;
	pid_t pid;

	if (slash != NULL)
		argv[0] += slash - argv[0] + 1;
	fd = open(count_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		return 126;
	if ((len = read(fd, text, sizeof(text) - 1)) > 0) {
		text[len] = '\0';
		n = strtol(text, NULL, 10);
	}
	n++;
	len = snprintf(text, sizeof(text), "%ld", n);
	if (pwrite(fd, text, (size_t)len, 0) != len)
		return 126;
	(void)close(fd);
	if (n != at)
		return real_command(argv);
	if (strcmp(when, "before") == 0)
		(void)kill(0, SIGKILL);
	if (strcmp(when, "half") == 0 && strcmp(argv[0], "cat") == 0) {
		half_cat(argv);
		(void)kill(0, SIGKILL);
	}
	if ((pid = fork()) == 0)
		_exit(real_command(argv));
	(void)waitpid(pid, &status, 0);
	if (strcmp(when, "after") == 0)
		(void)kill(0, SIGKILL);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int
killer_dirs(const char *self, const char *killers, const char *no_flock)
{
	char link_path[900], path[300];
	size_t i;

	for (i = 0; wrapped[i] != NULL; i++) {
		(void)snprintf(link_path, sizeof(link_path), "%s/%s", killers, wrapped[i]);
		if (symlink(self, link_path) != 0)
			return -1;
		(void)snprintf(path, sizeof(path), "/usr/bin/%s", wrapped[i]);
		if (access(path, X_OK) != 0)
			(void)snprintf(path, sizeof(path), "/bin/%s", wrapped[i]);
		if (no_flock == NULL || strcmp(wrapped[i], "flock") == 0)
			continue;
		(void)snprintf(link_path, sizeof(link_path), "%s/%s", no_flock, wrapped[i]);
		if (symlink(path, link_path) != 0)
			return -1;
	}
	/* What is not counted: the shell itself and naps. */
	(void)snprintf(link_path, sizeof(link_path), "%s/sleep", killers);
	if (symlink("/bin/sleep", link_path) != 0)
		return -1;
	if (no_flock == NULL)
		return 0;
	(void)snprintf(link_path, sizeof(link_path), "%s/sleep", no_flock);
	return symlink("/bin/sleep", link_path);
}
