/*
 * digest: see digest.h.
 */
#include "pki/digest.h"

#include <stdio.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
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

void
digest_print(const unsigned char *key, size_t key_len, const void *p, size_t len_bytes,
    char ret[DIGEST_PRINT_SIZE])
{
	unsigned char raw[EVP_MAX_MD_SIZE] = { 0 };
	unsigned n = 0;
	size_t i;

	(void)HMAC(EVP_sha256(), key, (int)key_len, p, len_bytes, raw, &n);
	for (i = 0; i < (DIGEST_PRINT_SIZE - 1) / 2; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", raw[i]);
}
