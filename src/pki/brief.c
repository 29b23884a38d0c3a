/*
 * brief: see brief.h.  It compares nothing: two texts that are the same here may
 * differ in how their PEM is written.
 */
#include "pki/brief.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki/certificate.h"
#include "pki/openssl.h"

#define SUBJECT_MAX 256
#define SHA_SHOWN 16		/* of 64 hex digits, as everywhere */

static const char begins[] = "-----BEGIN CERTIFICATE-----";
static const char ends[] = "-----END CERTIFICATE-----";

static const char *
find(const char *p, const char *end, const char *what)
{
	size_t n = strlen(what);

	for (; (size_t)(end - p) >= n; p++)
		if (*p == *what && memcmp(p, what, n) == 0)
			return p;
	return NULL;
}

static void
put_one(struct buf *out, X509 *x)
{
	char sha[65], day[CERTIFICATE_DAY_SIZE], *subject = openssl_name_text(X509_get_subject_name(x), SUBJECT_MAX), *c;

	for (c = subject; *c != '\0'; c++)
		if (*c == '\n' || *c == '\r')
			*c = ' ';
	openssl_sha256(x, sha);
	(void)buf_printf(out, "certificate of %s, until %s, sha256 %.*s", subject,
	    certificate_day(day, certificate_not_after_s(x)), SHA_SHOWN, sha);
	free(subject);
}

char *
brief_text(const char *text, size_t len_bytes, size_t *ret_len)
{
	const char *p = text, *end = text + len_bytes, *from, *to;
	struct stack_st_X509 *one;
	struct buf out;
	struct err err;
	size_t n = 0;

	buf_init(&out, 0);
	while (n < BRIEF_MAX && (from = find(p, end, begins)) != NULL && (to = find(from, end, ends)) != NULL) {
		to += sizeof(ends) - 1;
		one = certificates_read(from, (size_t)(to - from), "", &err);
		(void)buf_put(&out, p, (size_t)((one == NULL ? to : from) - p));
		if (one != NULL) {
			put_one(&out, sk_X509_value(one, 0));
			certificates_free(one);
			n++;
		}
		p = to;
	}
	ERR_clear_error();
	(void)buf_put(&out, p, (size_t)(end - p));
	if (n == 0) {
		buf_release(&out);
		return NULL;
	}
	return buf_take(&out, ret_len);
}
