/*
 * memfile: see memfile.h.
 */
#define _GNU_SOURCE		/* memfd_create */
#include "remote/memfile.h"

#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int
memfile_new(const char *bytes, size_t len_bytes, char ret_path[MEMFILE_PATH_MAX])
{
	int fd = memfd_create("belay-ca", MFD_CLOEXEC);
	ssize_t n;

	ret_path[0] = '\0';
	if (fd == -1)
		return -1;
	/* libpq takes no key from a file that others may read. */
	(void)fchmod(fd, 0600);
	while (len_bytes > 0) {
		n = write(fd, bytes, len_bytes);
		if (n <= 0) {
			(void)close(fd);
			return -1;
		}
		bytes += n;
		len_bytes -= (size_t)n;
	}
	(void)snprintf(ret_path, MEMFILE_PATH_MAX, "/proc/self/fd/%d", fd);
	return fd;
}
