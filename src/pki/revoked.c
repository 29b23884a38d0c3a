/*
 * revoked: see revoked.h.
 *
 * Owns the two files' form, and decides nothing: what is revoked and when is
 * authority.c's.  A line of the file is
 *
 *	SERIAL SHA256 SHA256-OF-ITS-FILE NOT-AFTER AT NAME FOR BY REASON…
 *
 * with times in seconds since 1970, `-` for what there is not, and the reason to the
 * end of the line.  FOR is the run and the step that put another in its place.
 */
#include "pki/revoked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "pki/certificate.h"
#include "pki/digest.h"
#include "pki/openssl.h"
#include "pki/vault.h"

#define FIRST_LINE "belay: revoked/1\n"
#define WORD_MAX 256

/* ---- the file ---- */

/* The next word of the line, for the caller to free; NULL: there is none. */
static char *
word(const char **at)
{
	size_t len = strcspn(*at, " \n");
	char *s;

	if (len == 0 || len > WORD_MAX || (*at)[len] != ' ')
		return NULL;
	s = mem_strndup(*at, len);
	*at += len + 1;
	return s;
}

static int
hex_word(const char **at, char *ret, size_t size, bool exact)
{
	size_t len = strspn(*at, "0123456789abcdef");

	if (len == 0 || len >= size || (exact && len + 1 != size) || (*at)[len] != ' ')
		return -1;
	memcpy(ret, *at, len);
	ret[len] = '\0';
	*at += len + 1;
	return 0;
}

static int
number(const char **at, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(*at, &end, 10);
	if (end == *at || *end != ' ' || errno != 0)
		return -1;
	*at = end + 1;
	return 0;
}

static int
read_line(const char *line, struct revoked *x)
{
	size_t len;

	if (hex_word(&line, x->serial, sizeof(x->serial), false) == -1 ||
	    hex_word(&line, x->sha256, sizeof(x->sha256), true) == -1 ||
	    hex_word(&line, x->file_sha256, sizeof(x->file_sha256), true) == -1 ||
	    number(&line, &x->not_after_s) == -1 || number(&line, &x->at_s) == -1 ||
	    (x->name = word(&line)) == NULL || (x->replaced_by = word(&line)) == NULL || (x->by = word(&line)) == NULL)
		return -1;
	len = strcspn(line, "\n");
	if (line[len] != '\n')
		return -1;
	x->reason = mem_strndup(line, len);
	return 0;
}

int
revoked_read(const struct vault *v, struct revoked_list *ret, struct err *err)
{
	const char *line;
	struct revoked *x;
	struct buf text;
	int rc;

	memset(ret, 0, sizeof(*ret));
	buf_init(&text, VAULT_FILE_MAX);
	if ((rc = vault_read(v, REVOKED_FILE, &text, err)) == 1) {
		line = buf_str(&text);
		rc = strlen(line) == text.len && strncmp(line, FIRST_LINE, strlen(FIRST_LINE)) == 0 ? 0 : -1;
		for (line += rc == 0 ? strlen(FIRST_LINE) : 0; rc == 0 && *line != '\0'; line += strcspn(line, "\n") + 1) {
			x = mem_push(&ret->v, &ret->n, sizeof(*x));
			rc = ret->n > REVOKED_MAX ? -1 : read_line(line, x);
		}
		if (rc == -1) {
			/* Going on without it would take a key that leaked for a good one. */
			(void)err_set(err, "'%s/%s', which says what was revoked, is damaged: bring it back from a backup",
			    v->path, REVOKED_FILE);
			revoked_list_release(ret);
		}
	}
	buf_release(&text);
	return rc;
}

/* Into one word, or to the end of a line. */
static void
put_text(struct buf *b, const char *text, bool one_word)
{
	char *clean = text_clean_dup(text == NULL || *text == '\0' ? "-" : text), *p;

	for (p = clean; *p != '\0' && p - clean < WORD_MAX; p++)
		(void)buf_putc(b, *p == '\n' || (one_word && *p == ' ') ? '_' : *p);
	free(clean);
	(void)buf_putc(b, one_word ? ' ' : '\n');
}

int
revoked_write(const struct vault *v, const struct revoked_list *list, struct err *err)
{
	struct buf b;
	size_t i;
	int rc;

	if (list->n > REVOKED_MAX)
		return err_set(err, "more than %d certificates of one CA were revoked: it is time for another CA", REVOKED_MAX);
	buf_init(&b, VAULT_FILE_MAX);
	(void)buf_puts(&b, FIRST_LINE);
	for (i = 0; i < list->n; i++) {
		const struct revoked *x = &list->v[i];

		(void)buf_printf(&b, "%s %s %s %lld %lld ", x->serial, x->sha256, x->file_sha256,
		    (long long)x->not_after_s, (long long)x->at_s);
		put_text(&b, x->name, true);
		put_text(&b, x->replaced_by, true);
		put_text(&b, x->by, true);
		put_text(&b, x->reason, false);
	}
	rc = b.len >= VAULT_FILE_MAX ? err_set(err, "'%s/%s' would be larger than %zu bytes", v->path, REVOKED_FILE,
	    VAULT_FILE_MAX) : vault_write(v, REVOKED_FILE, b.data, b.len, err);
	buf_release(&b);
	return rc;
}

/* ---- entries ---- */

static void
serial_text(const X509 *x, char *ret, size_t size)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
	char *hex = n == NULL ? NULL : BN_bn2hex(n), *p;

	if (hex == NULL)
		abort();	/* memory is all that these can want */
	(void)snprintf(ret, size, "%s", hex);
	for (p = ret; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'F')
			*p = (char)(*p - 'A' + 'a');
	OPENSSL_free(hex);
	BN_free(n);
}

struct revoked *
revoked_find(const struct revoked_list *list, const X509 *x)
{
	char sha[65];
	size_t i;

	openssl_sha256(x, sha);
	for (i = 0; i < list->n; i++)
		if (strcmp(list->v[i].sha256, sha) == 0)
			return &list->v[i];
	return NULL;
}

struct revoked *
revoked_add(struct revoked_list *list, X509 *x, const char *text, const char *name, int64_t now_s)
{
	struct revoked *r = mem_push(&list->v, &list->n, sizeof(*r));

	serial_text(x, r->serial, sizeof(r->serial));
	openssl_sha256(x, r->sha256);
	digest_sha256_hex(text, strlen(text), r->file_sha256);
	r->not_after_s = certificate_not_after_s(x);
	r->at_s = now_s;
	r->name = mem_strdup(name);
	return r;
}

/* ---- the signed list ---- */

bool
revoked_signable(X509 *ca)
{
	return (X509_get_key_usage(ca) & KU_CRL_SIGN) != 0;
}

static int
add_entry(X509_CRL *crl, const struct revoked *x)
{
	ASN1_ENUMERATED *why = ASN1_ENUMERATED_new();
	ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)x->at_s);
	X509_REVOKED *r = X509_REVOKED_new();
	ASN1_INTEGER *serial = NULL;
	BIGNUM *n = NULL;
	int rc = -1;

	if (why != NULL && at != NULL && r != NULL && BN_hex2bn(&n, x->serial) > 0 &&
	    (serial = BN_to_ASN1_INTEGER(n, NULL)) != NULL &&
	    X509_REVOKED_set_serialNumber(r, serial) == 1 && X509_REVOKED_set_revocationDate(r, at) == 1 &&
	    ASN1_ENUMERATED_set(why, CRL_REASON_KEY_COMPROMISE) == 1 &&
	    X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, why, 0, 0) == 1 && X509_CRL_add0_revoked(crl, r) == 1) {
		r = NULL;
		rc = 0;
	}
	BN_free(n);
	ASN1_INTEGER_free(serial);
	ASN1_ENUMERATED_free(why);
	ASN1_TIME_free(at);
	X509_REVOKED_free(r);
	return rc;
}

static int
add_extensions(X509_CRL *crl, X509 *ca, int64_t number_of)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	X509_EXTENSION *ext = NULL;
	X509V3_CTX ctx;
	int rc = -1;

	X509V3_set_ctx(&ctx, ca, NULL, NULL, crl, 0);
	if (n != NULL && ASN1_INTEGER_set_int64(n, number_of) == 1 &&
	    X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1 &&
	    (ext = X509V3_EXT_nconf_nid(NULL, &ctx, NID_authority_key_identifier, "keyid")) != NULL &&
	    X509_CRL_add_ext(crl, ext, -1) == 1)
		rc = 0;
	X509_EXTENSION_free(ext);
	ASN1_INTEGER_free(n);
	return rc;
}

static X509_CRL *
make(const struct revoked_list *list, X509 *ca, EVP_PKEY *key, int64_t now_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)(now_s - CERTIFICATE_BACK_S));
	bool good;
	size_t i;

	good = crl != NULL && from != NULL && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
	    X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
	    X509_CRL_set1_lastUpdate(crl, from) == 1 && X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(ca)) == 1;
	for (i = 0; good && i < list->n; i++)
		good = add_entry(crl, &list->v[i]) == 0;
	/* By the clock, so that each has a higher number than those before it. */
	good = good && add_extensions(crl, ca, now_s) == 0 && X509_CRL_sort(crl) == 1 &&
	    X509_CRL_sign(crl, key, EVP_sha256()) != 0;
	ASN1_TIME_free(from);
	if (!good) {
		X509_CRL_free(crl);
		crl = NULL;
	}
	return crl;
}

int
revoked_sign(const struct vault *v, const struct revoked_list *list, X509 *ca, EVP_PKEY *key, int64_t now_s,
    struct err *err)
{
	BIO *bio = BIO_new(BIO_s_mem());
	X509_CRL *crl = NULL;
	char *data;
	long len;
	int rc;

	ERR_clear_error();
	if (bio == NULL || (crl = make(list, ca, key, now_s)) == NULL || PEM_write_bio_X509_CRL(bio, crl) != 1)
		rc = openssl_failed(err, "sign the list of what was revoked");
	else {
		len = BIO_get_mem_data(bio, &data);
		rc = vault_write(v, REVOKED_CRL, data, (size_t)len, err);
	}
	X509_CRL_free(crl);
	BIO_free(bio);
	return rc;
}

bool
revoked_signed(const struct vault *v, const struct revoked_list *list)
{
	X509_CRL *crl = NULL;
	X509_REVOKED *found;
	ASN1_INTEGER *serial;
	struct buf text;
	struct err none;
	BIO *bio = NULL;
	BIGNUM *n;
	bool all;
	size_t i;

	buf_init(&text, VAULT_FILE_MAX);
	if (vault_read(v, REVOKED_CRL, &text, &none) == 1 && (bio = BIO_new_mem_buf(text.data, (int)text.len)) != NULL)
		crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL);
	all = crl != NULL;
	for (i = 0; all && i < list->n; i++) {
		n = NULL;
		serial = BN_hex2bn(&n, list->v[i].serial) > 0 ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
		all = serial != NULL && X509_CRL_get0_by_serial(crl, &found, serial) == 1;
		ASN1_INTEGER_free(serial);
		BN_free(n);
	}
	X509_CRL_free(crl);
	BIO_free(bio);
	buf_release(&text);
	ERR_clear_error();
	return all;
}
