/*
 * openssl: see openssl.h.
 */
#include "pki/openssl.h"

#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "core/err.h"
#include "core/mem.h"
#include "pki/digest.h"

int
openssl_failed(struct err *err, const char *doing)
{
	/* The last one is the outermost; the first one knows the reason. */
	unsigned long code = ERR_peek_error();
	const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(err, "cannot %s: OpenSSL: %s", doing, why == NULL ? "it gives no reason" : why);
}

void
openssl_sha256(const X509 *x, char ret[65])
{
	unsigned char *der = NULL;
	int len = i2d_X509(x, &der);

	ret[0] = '\0';
	if (len > 0)
		digest_sha256_hex(der, (size_t)len, ret);
	OPENSSL_free(der);
}

char *
openssl_name_text(const X509_NAME *name, size_t max_bytes)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data, *s;
	long len;

	if (bio == NULL)
		abort();
	(void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	len = BIO_get_mem_data(bio, &data);
	s = mem_strndup(data == NULL || len < 0 ? "" : data, len < 0 ? 0 : (size_t)len > max_bytes ? max_bytes : (size_t)len);
	BIO_free(bio);
	return s;
}
