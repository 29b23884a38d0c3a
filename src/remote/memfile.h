/*
 * memfile: bytes as a file that has no name and no place on any disk; libpq takes a CA as nothing else.
 */
#ifndef BELAY_REMOTE_MEMFILE_H
#define BELAY_REMOTE_MEMFILE_H

#include <stddef.h>

#define MEMFILE_PATH_MAX 32

/* A descriptor to be closed, and the path by which it can be opened meanwhile; -1: there is none to be had. */
int	memfile_new(const char *bytes, size_t len_bytes, char ret_path[MEMFILE_PATH_MAX]);

#endif
