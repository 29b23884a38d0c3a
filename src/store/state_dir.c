/*
 * state_dir: where belay keeps what it has to remember.
 *
 * Owns no memory and no descriptor beyond a call.  Everything is decided on an
 * opened directory (O_NOFOLLOW), never on a name that somebody could swap in
 * between.
 */
#include "store/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/err.h"
#include "core/mem.h"
#include "store/journal.h"

/*
 * Sources of the numbers: statfs(2) and linux/magic.h.  FUSE is refused as a
 * whole, since sshfs and its like cannot be told apart from the others.
 */
static const struct {
	unsigned long type;
	const char *name;
} refused[] = {
	{ 0x6969, "nfs" },	{ 0x517b, "smb" },	{ 0xff534d42, "cifs" },
	{ 0xfe534d42, "smb2" },	{ 0x5346414f, "afs" },	{ 0x6b414653, "afs" },
	{ 0x73757245, "coda" },	{ 0x564c, "ncp" },	{ 0x01021997, "9p" },
	{ 0x00c36400, "ceph" },	{ 0x65735546, "fuse" },	{ 0x0bd00bd0, "lustre" },
	{ 0x47504653, "gpfs" },	{ 0x786f4256, "vboxsf" }, { 0xaad7aaea, "panfs" },
};

const char *
state_dir_refused_fs(unsigned long type)
{
	size_t i;

	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (refused[i].type == (type & 0xffffffffUL))
			return refused[i].name;
	return NULL;
}

/* The path of an opened directory, for a library that wants names: it must lead back to the same one. */
static int
real_path(int fd, const char *dir, char **ret, struct err *err)
{
	struct stat opened, named;
	char *real = realpath(dir, NULL);

	if (real == NULL)
		return err_set(err, "cannot follow '%s': %s", dir, strerror(errno));
	if (fstat(fd, &opened) == -1 || stat(real, &named) == -1 ||
	    opened.st_dev != named.st_dev || opened.st_ino != named.st_ino) {
		free(real);
		return err_set(err, "'%s' changed while it was being opened", dir);
	}
	*ret = real;
	return 0;
}

int
state_dir_check(const char *dir, bool make, char **ret_real, struct err *err)
{
	struct statfs fs;
	struct stat st;
	const char *name;
	int fd, rc = -1;

	if (make && mkdir(dir, 0700) == -1 && errno != EEXIST)
		return err_set(err, "cannot make the directory '%s': %s", dir, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1) {
		if (errno == ENOENT && !make) {
			*ret_real = NULL;
			return 0;
		}
		if (errno == ELOOP || (errno == ENOTDIR && lstat(dir, &st) == 0 && S_ISLNK(st.st_mode)))
			return err_set(err, "'%s' is a symbolic link: belay keeps its journal "
			    "in a directory of its own only", dir);
		return err_set(err, "cannot open the directory '%s': %s", dir, strerror(errno));
	}
	if (fstat(fd, &st) == -1 || fstatfs(fd, &fs) == -1) {
		err_set(err, "cannot look at '%s': %s", dir, strerror(errno));
		goto out;
	}
	if (st.st_uid != geteuid()) {
		err_set(err, "'%s' belongs to uid %lu, not to you (uid %lu): belay does not keep its "
		    "journal there", dir, (unsigned long)st.st_uid, (unsigned long)geteuid());
		goto out;
	}
	if ((st.st_mode & 077) != 0) {
		err_set(err, "'%s' is open to others (mode %04o): chmod 700 it, after looking at what is in it",
		    dir, (unsigned int)(st.st_mode & 07777));
		goto out;
	}
	name = state_dir_refused_fs((unsigned long)fs.f_type);
	if (name != NULL) {
		err_set(err, "'%s' is on a network file system (%s), whose locks and fsync cannot be relied "
		    "on: set XDG_STATE_HOME to a directory on a local disk", dir, name);
		goto out;
	}
	rc = real_path(fd, dir, ret_real, err);
out:
	(void)close(fd);
	return rc;
}

/* mkdir -p for what is above the state directory; what exists is left as it is. */
static int
make_parents(const char *path, struct err *err)
{
	char *copy = mem_strdup(path), *p;
	int rc = 0;

	for (p = copy + 1; rc == 0 && (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		if (mkdir(copy, 0700) == -1 && errno != EEXIST)
			rc = err_set(err, "cannot make the directory '%s': %s", copy, strerror(errno));
		*p = '/';
	}
	free(copy);
	return rc;
}

int
state_dir(char **ret, struct err *err)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	const struct passwd *pw;
	char *dir, *real = NULL;
	int rc = -1;

	/* A relative path is to be ignored, says the XDG base directory specification. */
	if (xdg != NULL && xdg[0] == '/')
		dir = mem_printf("%s/belay", xdg);
	else {
		if (home == NULL || home[0] != '/') {
			pw = getpwuid(geteuid());
			home = pw == NULL ? NULL : pw->pw_dir;
		}
		if (home == NULL || home[0] != '/')
			return err_set(err, "no home directory is known: set XDG_STATE_HOME");
		dir = mem_printf("%s/.local/state/belay", home);
	}
	if (make_parents(dir, err) == 0 && state_dir_check(dir, true, &real, err) == 0) {
		*ret = real;
		rc = 0;
	}
	free(dir);
	return rc;
}
