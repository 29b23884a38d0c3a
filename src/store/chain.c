/*
 * chain: see chain.h.  The one file of this layer that includes OpenSSL.
 */
#include "store/chain.h"

#include <string.h>

#include <openssl/evp.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/text.h"

/* Told apart from every other SHA-256 that belay computes. */
static const char domain[] = "belay journal entry 1";

int
chain_link(const char before[CHAIN_HASH_SIZE], const void *bytes, size_t len_bytes,
    char ret[CHAIN_HASH_SIZE], struct err *err)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	struct buf hex = { 0 };
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	ok = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	    EVP_DigestUpdate(ctx, domain, sizeof(domain)) == 1 &&
	    EVP_DigestUpdate(ctx, before, CHAIN_HASH_SIZE - 1) == 1 &&
	    EVP_DigestUpdate(ctx, bytes, len_bytes) == 1 &&
	    EVP_DigestFinal_ex(ctx, md, &len) == 1 && len == 32;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return err_set(err, "cannot compute SHA-256: OpenSSL refuses");
	text_hex(&hex, md, len);
	memcpy(ret, hex.data, CHAIN_HASH_SIZE);
	buf_release(&hex);
	return 0;
}
