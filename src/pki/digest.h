/*
 * digest: SHA-256 as lower-case hexadecimal, as sha256sum(1) prints it; and the
 * fingerprint under which a secret is shown.
 */
#ifndef BELAY_PKI_DIGEST_H
#define BELAY_PKI_DIGEST_H

#include <stddef.h>

#define DIGEST_HEX_SIZE 65

void	digest_sha256_hex(const void *, size_t len_bytes, char ret[DIGEST_HEX_SIZE]);

/*
 * How a secret is shown: the first 48 bits of its HMAC-SHA256, in hexadecimal.
 * The key is of one run of the console, so that fingerprints of two runs cannot
 * be compared and a short secret cannot be guessed from one.
 */
#define DIGEST_PRINT_SIZE 13
void	digest_print(const unsigned char *key, size_t key_len, const void *, size_t len_bytes,
	    char ret[DIGEST_PRINT_SIZE]);

#endif
