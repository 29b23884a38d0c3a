/*
 * openssl: see openssl.h.
 */
#include "pki/openssl.h"

#include <stddef.h>

#include <openssl/err.h>

#include "core/err.h"

int
openssl_failed(struct err *err, const char *doing)
{
	/* The last one is the outermost; the first one knows the reason. */
	unsigned long code = ERR_peek_error();
	const char *why = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(err, "cannot %s: OpenSSL: %s", doing, why == NULL ? "it gives no reason" : why);
}
