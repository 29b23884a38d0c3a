/*
 * digest: SHA-256 as lower-case hexadecimal, as sha256sum(1) prints it.
 */
#ifndef BELAY_PKI_DIGEST_H
#define BELAY_PKI_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_SIZE 65

void	digest_sha256_hex(const void *, size_t len_bytes, char ret[DIGEST_HEX_SIZE]);

#endif
