/*
 * digest: see digest.h.
 */
#include "pki/digest.h"

#include <stdio.h>

#include <openssl/sha.h>

void
digest_sha256_hex(const void *p, size_t len_bytes, char ret[DIGEST_HEX_SIZE])
{
	unsigned char raw[SHA256_DIGEST_LENGTH];
	size_t i;

	(void)SHA256(p, len_bytes, raw);
	for (i = 0; i < sizeof(raw); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}
