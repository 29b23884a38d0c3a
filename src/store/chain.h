/*
 * chain: each journal entry holds the hash of the one before, so that an
 * edit of the past shows.  SHA-256 by OpenSSL, lower-case hexadecimal.
 */
#ifndef BELAY_STORE_CHAIN_H
#define BELAY_STORE_CHAIN_H

#include <stddef.h>

struct err;

#define CHAIN_HASH_SIZE 65
#define CHAIN_START "0000000000000000000000000000000000000000000000000000000000000000"

/* The hash of an entry: of the one before it and of all its own bytes. */
int	chain_link(const char before[CHAIN_HASH_SIZE], const void *, size_t len_bytes,
	    char ret[CHAIN_HASH_SIZE], struct err *);

#endif
