/*
 * blob: a flat, bounded encoding for what crosses between console and workers.
 *
 * Integers are 64-bit little-endian, strings and bytes are length-prefixed;
 * NULL strings survive.  A reader that runs short or meets a length above its
 * cap sets `bad` and then yields zeroes and NULLs, so that decoders read
 * straight through and check once at the end.
 */
#ifndef BELAY_CORE_BLOB_H
#define BELAY_CORE_BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct blob_reader {
	const unsigned char *p;
	size_t	 left;
	bool	 bad;
};

void	 blob_put_int(struct buf *, int64_t);
void	 blob_put_str(struct buf *, const char *);		/* may be NULL */
void	 blob_put_bytes(struct buf *, const void *, size_t len_bytes);

void	 blob_read(struct blob_reader *, const void *, size_t len_bytes);
int64_t	 blob_int(struct blob_reader *, int64_t min, int64_t max);	/* outside: bad */
bool	 blob_bool(struct blob_reader *);
char	*blob_str(struct blob_reader *, size_t max_bytes);	/* allocated; a NUL inside is bad */
char	*blob_bytes(struct blob_reader *, size_t max_bytes, size_t *ret_len);	/* allocated, NUL-terminated */
void	 blob_fixed(struct blob_reader *, char *ret, size_t size_bytes);	/* string into an array; too long: bad */
bool	 blob_done(const struct blob_reader *);	/* nothing left and nothing bad */

#endif
