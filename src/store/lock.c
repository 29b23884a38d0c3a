/*
 * lock: see lock.h.
 *
 * Owns the open descriptor, which is what holds the flock.  It is close-on-exec,
 * so no worker carries it on.  The line is a courtesy: it may be
 * half-written while it is read, and nothing is decided by it.
 */
#include "store/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/err.h"
#include "core/mem.h"

#define LINE_MAX_BYTES 512

struct lock {
	int fd;
	char *line;	/* without the step */
};

/*
 * Somebody who only asks who holds it takes a shared lock for a moment; so a
 * refusal is believed only after it was met a few times.
 */
#define TRIES 5
#define TRY_EVERY_NS 20000000L

static char *
own_line(void)
{
	const struct passwd *pw = getpwuid(geteuid());
	struct tm tm;
	time_t now = time(NULL);
	char host[256] = "", since[32] = "";

	if (gethostname(host, sizeof(host) - 1) == -1 || host[0] == '\0')
		(void)snprintf(host, sizeof(host), "localhost");
	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(since, sizeof(since), "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (pw != NULL)
		return mem_printf("%s@%s, pid %ld, since %s", pw->pw_name, host, (long)getpid(), since);
	return mem_printf("uid %lu@%s, pid %ld, since %s", (unsigned long)geteuid(), host,
	    (long)getpid(), since);
}

/* The line as the holder wrote it; something readable where there is none. */
static char *
read_line(int fd)
{
	char raw[LINE_MAX_BYTES + 1];
	size_t len;
	ssize_t n = pread(fd, raw, LINE_MAX_BYTES, 0);

	if (n < 0)
		n = 0;
	raw[n] = '\0';
	raw[strcspn(raw, "\n")] = '\0';
	for (len = strlen(raw); len > 0 && raw[len - 1] == ' '; len--)
		raw[len - 1] = '\0';
	return mem_strdup(raw[0] == '\0' ? "somebody who left no name" : raw);
}

static int
flock_patiently(int fd)
{
	const struct timespec nap = { 0, TRY_EVERY_NS };
	int i;

	for (i = 0; ; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK || i == TRIES)
			return -1;
		(void)nanosleep(&nap, NULL);
	}
}

int
lock_take(struct lock **ret, const char *path, char **ret_by, struct err *err)
{
	struct stat opened, named;
	struct lock *l;
	int fd, saved;

	*ret_by = NULL;
	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd == -1)
			return err_set(err, "cannot open the lock '%s': %s", path, strerror(errno));
		if (flock_patiently(fd) == -1) {
			saved = errno;
			if (saved == EWOULDBLOCK) {
				*ret_by = read_line(fd);
				err_set(err, "another belay holds the lock: %s", *ret_by);
			} else
				err_set(err, "cannot lock '%s': %s", path, strerror(saved));
			(void)close(fd);
			return -1;
		}
		/* Somebody may have removed the file between open and flock: then ours locks nobody out. */
		if (fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
		    opened.st_dev == named.st_dev && opened.st_ino == named.st_ino)
			break;
		(void)close(fd);
	}
	l = mem_alloc(sizeof(*l));
	l->fd = fd;
	l->line = own_line();
	lock_tell(l, NULL);
	*ret = l;
	return 0;
}

void
lock_tell(struct lock *l, const char *step)
{
	char raw[LINE_MAX_BYTES];
	char *line;
	size_t len;

	line = step == NULL || step[0] == '\0' ? mem_strdup(l->line) :
	    mem_printf("%s, step %s", l->line, step);
	len = strlen(line) < sizeof(raw) - 1 ? strlen(line) : sizeof(raw) - 1;
	memset(raw, ' ', sizeof(raw));
	memcpy(raw, line, len);
	raw[sizeof(raw) - 1] = '\n';
	free(line);
	/* One write of always the same length, so that no old tail shows.  A failure costs a name only. */
	(void)!pwrite(l->fd, raw, sizeof(raw), 0);
}

void
lock_free(struct lock *l)
{
	if (l == NULL)
		return;
	(void)!ftruncate(l->fd, 0);
	(void)close(l->fd);
	free(l->line);
	free(l);
}

char *
lock_holder(const char *path)
{
	char *line = NULL;
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd == -1)
		return NULL;
	if (flock(fd, LOCK_SH | LOCK_NB) == -1 && errno == EWOULDBLOCK)
		line = read_line(fd);
	(void)close(fd);
	return line;
}
