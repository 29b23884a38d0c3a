/*
 * sshdata: the data types of the SSH protocol (RFC 4251 section 5), as far as
 * keys and the agent use them.  Pure.
 *
 * A reader that runs short sets `bad` and then yields nothing, so that
 * readers go straight through and look once at the end.
 */
#ifndef BELAY_REMOTE_SSHDATA_H
#define BELAY_REMOTE_SSHDATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

struct sshdata {
	const unsigned char *p;
	size_t	 left;
	bool	 bad;
};

uint32_t sshdata_u32(struct sshdata *);
/* A string; what it holds is read in turn, or taken as bytes (p, left).  It points into the data. */
struct sshdata sshdata_string(struct sshdata *);

void	sshdata_put_u32(struct buf *, size_t);
void	sshdata_put_string(struct buf *, const void *, size_t len_bytes);

#endif
