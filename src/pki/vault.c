/*
 * vault: see vault.h.
 *
 * Everything is done relative to the opened directory, which was looked at
 * after it was opened: a name that somebody swaps in between changes nothing.
 * A file is written as .NAME.new, fsynced, renamed, and the directory fsynced:
 * a crash leaves the old file or the new one, and maybe a .NAME.new that
 * nobody reads.
 */
#include "pki/vault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

#define NEW_NAME_MAX 256
#define TRY_EVERY_MS 20

static const char *
new_name(const char *name, char ret[NEW_NAME_MAX])
{
	(void)snprintf(ret, NEW_NAME_MAX, ".%s.new", name);
	return ret;
}

/* Without slashes at its end, since open(2) follows a link in front of one. */
static char *
trimmed(const char *dir)
{
	size_t len = strlen(dir);

	while (len > 1 && dir[len - 1] == '/')
		len--;
	return mem_strndup(dir, len);
}

/* The directory is an entry of its parent: that has to last as well. */
static int
sync_parent(const char *path, struct err *err)
{
	char *parent = mem_strdup(path), *slash = strrchr(parent, '/');
	int fd, rc = -1;

	if (slash == NULL)
		(void)snprintf(parent, 2, ".");
	else
		slash[slash == parent] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* A parent that can be entered only was not made by us, nor lately. */
	if (fd == -1 && errno == EACCES)
		rc = 0;
	else if (fd == -1 || fsync(fd) == -1)
		(void)err_set(err, "cannot sync '%s': %s", parent, strerror(errno));
	else
		rc = 0;
	if (fd != -1)
		(void)close(fd);
	free(parent);
	return rc;
}

static int
open_dir(struct vault *v, struct err *err)
{
	struct stat st;

	v->fd = open(v->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (v->fd == -1) {
		if (lstat(v->path, &st) == 0 && S_ISLNK(st.st_mode))
			return err_set(err, "'%s' is a symbolic link: keys are kept in a directory "
			    "of its own only", v->path);
		return err_set(err, "cannot open the directory '%s': %s", v->path, strerror(errno));
	}
	if (fstat(v->fd, &st) == -1)
		return err_set(err, "cannot look at '%s': %s", v->path, strerror(errno));
	if (st.st_uid != geteuid())
		return err_set(err, "'%s' belongs to uid %lu, not to you (uid %lu): no key is kept there",
		    v->path, (unsigned long)st.st_uid, (unsigned long)geteuid());
	if ((st.st_mode & 077) != 0)
		return err_set(err, "'%s' is open to others (mode %04o): chmod 700 it, after looking at "
		    "what is in it", v->path, (unsigned int)(st.st_mode & 07777));
	return 0;
}

static int
lock(struct vault *v, struct err *err)
{
	const struct timespec nap = { 0, TRY_EVERY_MS * 1000000L };
	int tries;

	for (tries = 0; flock(v->fd, LOCK_EX | LOCK_NB) == -1; ) {
		if (errno == EINTR)
			continue;
		if (errno != EWOULDBLOCK)
			return err_set(err, "cannot lock '%s': %s", v->path, strerror(errno));
		if (++tries > VAULT_WAIT_MS / TRY_EVERY_MS)
			return err_set(err, "another belay is busy in '%s' for %d s already", v->path,
			    VAULT_WAIT_MS / 1000);
		(void)nanosleep(&nap, NULL);
	}
	return 0;
}

int
vault_open(struct vault *ret, const char *dir, struct err *err)
{
	struct vault v = { .fd = -1, .path = trimmed(dir) };

	if (mkdir(v.path, 0700) == -1 && errno != EEXIST)
		(void)err_set(err, "cannot make the directory '%s': %s", v.path, strerror(errno));
	else if (open_dir(&v, err) == 0 && sync_parent(v.path, err) == 0 && lock(&v, err) == 0) {
		*ret = v;
		return 0;
	}
	vault_close(&v);
	return -1;
}

int
vault_look(struct vault *ret, const char *dir, struct err *err)
{
	struct vault v = { .fd = -1, .path = trimmed(dir) };

	if (open_dir(&v, err) == 0) {
		*ret = v;
		return 0;
	}
	vault_close(&v);
	return -1;
}

void
vault_close(struct vault *v)
{
	if (v->fd != -1)
		(void)close(v->fd);
	v->fd = -1;
	free(v->path);
	v->path = NULL;
}

bool
vault_has(const struct vault *v, const char *name)
{
	struct stat st;

	return fstatat(v->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

int
vault_read(const struct vault *v, const char *name, struct buf *ret, struct err *err)
{
	struct stat st;
	char part[4096];
	ssize_t n;
	int fd, rc = -1;

	/* O_NONBLOCK: a FIFO in the place of a file must not hold us. */
	fd = openat(v->fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd == -1) {
		if (errno == ENOENT)
			return 0;
		if (errno == ELOOP)
			return err_set(err, "'%s/%s' is a symbolic link, expected a file", v->path, name);
		return err_set(err, "cannot open '%s/%s': %s", v->path, name, strerror(errno));
	}
	if (fstat(fd, &st) == -1)
		(void)err_set(err, "cannot look at '%s/%s': %s", v->path, name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		(void)err_set(err, "'%s/%s' is not a file", v->path, name);
	else if (st.st_uid != geteuid())
		(void)err_set(err, "'%s/%s' belongs to uid %lu, not to you (uid %lu)", v->path, name,
		    (unsigned long)st.st_uid, (unsigned long)geteuid());
	else {
		buf_clear(ret);
		while ((n = read(fd, part, sizeof(part))) > 0 || (n == -1 && errno == EINTR))
			if (n > 0 && (ret->len + (size_t)n > VAULT_FILE_MAX ||
			    buf_put(ret, part, (size_t)n) == -1))
				break;
		if (n == 0)
			rc = 1;
		else if (n > 0)
			(void)err_set(err, "'%s/%s' is larger than %zu bytes", v->path, name, VAULT_FILE_MAX);
		else
			(void)err_set(err, "cannot read '%s/%s': %s", v->path, name, strerror(errno));
		mem_wipe(part, sizeof(part));
	}
	(void)close(fd);
	return rc;
}

static int
write_all(int fd, const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = write(fd, bytes, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int
vault_write(const struct vault *v, const char *name, const void *bytes, size_t len_bytes,
    struct err *err)
{
	char beside[NEW_NAME_MAX];
	int fd;

	vault_tidy(v, name);
	fd = openat(v->fd, new_name(name, beside), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd == -1)
		return err_set(err, "cannot make '%s/%s': %s", v->path, beside, strerror(errno));
	/* The umask may have taken more than we wanted. */
	if (fchmod(fd, 0600) == -1 || write_all(fd, bytes, len_bytes) == -1 || fsync(fd) == -1) {
		(void)err_set(err, "cannot write '%s/%s': %s", v->path, name, strerror(errno));
		(void)close(fd);
		vault_tidy(v, name);
		return -1;
	}
	if (close(fd) == -1 || renameat(v->fd, beside, v->fd, name) == -1) {
		(void)err_set(err, "cannot write '%s/%s': %s", v->path, name, strerror(errno));
		vault_tidy(v, name);
		return -1;
	}
	if (fsync(v->fd) == -1)
		return err_set(err, "cannot sync '%s': %s", v->path, strerror(errno));
	return 0;
}

void
vault_tidy(const struct vault *v, const char *name)
{
	char beside[NEW_NAME_MAX];

	(void)unlinkat(v->fd, new_name(name, beside), 0);
}
