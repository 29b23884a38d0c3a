/*
 * certificate: see certificate.h.
 *
 * Makes no decision about what to keep and touches no file.  What comes in by
 * certificate_read() may be anything; what goes out was made by OpenSSL from
 * its parsed form.
 */
#include "pki/certificate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "core/buf.h"
#include "core/certs.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki/key.h"
#include "pki/openssl.h"

#define SERIAL_BITS 128
#define COMMON_NAME_MAX CERTIFICATE_SUBJECT_MAX
#define DNS_NAME_MAX 253		/* RFC 1035 2.3.4, without the dot at the end */
#define DNS_LABEL_MAX 63
#define TEXT_MAX ((size_t)1024)		/* of a subject, or of all names */

/* ---- names ---- */

/* The address in network order; returns its length in bytes, 0: it is none. */
static int
address(const char *name, unsigned char ret[16])
{
	if (inet_pton(AF_INET, name, ret) == 1)
		return 4;
	return inet_pton(AF_INET6, name, ret) == 1 ? 16 : 0;
}

int
certificate_check_name(const char *name, struct err *err)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	unsigned char raw[16];
	const char *label = name, *last = name;
	size_t len;

	if (name == NULL || *name == '\0')
		return err_set(err, "an empty name cannot be certified");
	if (address(name, raw) != 0)
		return 0;
	if (strlen(name) > DNS_NAME_MAX)
		return err_set(err, "the name '%.40s…' is longer than the %d bytes of a DNS name",
		    name, DNS_NAME_MAX);
	for (;; label += len + 1) {
		len = strcspn(label, ".");
		last = label;
		if (len == 0)
			return err_set(err, "'%s' has an empty label: no DNS name in a certificate "
			    "begins or ends with a dot", name);
		if (len > DNS_LABEL_MAX)
			return err_set(err, "'%s' has a label of more than %d bytes", name, DNS_LABEL_MAX);
		if (strspn(label, letters) < len &&
		    !(label == name && len == 1 && *label == '*' && label[len] == '.'))
			return err_set(err, "'%s' is neither an address nor a DNS name "
			    "(letters, digits, '-', '_'; '*' as its whole first label)", name);
		if (label[len] == '\0')
			break;
	}
	/* Clients read that as an address, or as part of one. */
	if (strspn(last, "0123456789") == strlen(last))
		return err_set(err, "'%s' is neither an address nor a DNS name: its last label is a number", name);
	return 0;
}

int
certificate_check_subject(const char *name, struct err *err)
{
	size_t i;

	if (name == NULL || *name == '\0')
		return err_set(err, "an empty name cannot be certified");
	if (strlen(name) > CERTIFICATE_SUBJECT_MAX)
		return err_set(err, "the name '%.40s…' is longer than the %d bytes of a common name", name,
		    CERTIFICATE_SUBJECT_MAX);
	for (i = 0; name[i] != '\0'; i++)
		if (name[i] < ' ' || name[i] > '~')
			return err_set(err, "the name of a client has a byte that is not printable ASCII");
	return 0;
}

static GENERAL_NAME *
general_name(const char *name)
{
	GENERAL_NAME *g = GENERAL_NAME_new();
	ASN1_STRING *s;
	unsigned char raw[16];
	int len = address(name, raw);

	s = ASN1_STRING_type_new(len == 0 ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
	if (g == NULL || s == NULL ||
	    ASN1_STRING_set(s, len == 0 ? (const void *)name : raw, len == 0 ? -1 : len) != 1)
		abort();	/* memory is all that these can want */
	GENERAL_NAME_set0_value(g, len == 0 ? GEN_DNS : GEN_IPADD, s);
	return g;
}

bool
certificate_has_name(const X509 *x, const char *name)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	GENERAL_NAME *want = general_name(name);
	const ASN1_STRING *a, *b;
	const char *s, *t;
	bool has = false;
	int type, i, len;

	b = GENERAL_NAME_get0_value(want, &type);
	t = (const char *)ASN1_STRING_get0_data(b);
	len = ASN1_STRING_length(b);
	for (i = 0; !has && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

		if (g->type != type)
			continue;
		a = GENERAL_NAME_get0_value(g, NULL);
		s = (const char *)ASN1_STRING_get0_data(a);
		if (ASN1_STRING_length(a) == len)
			has = type == GEN_DNS ? strncasecmp(s, t, (size_t)len) == 0 :
			    memcmp(s, t, (size_t)len) == 0;
	}
	GENERAL_NAME_free(want);
	GENERAL_NAMES_free(all);
	return has;
}

/* The one common name of a client's, as servers compare it. */
static bool
is_of_subject(X509 *x, const char *name)
{
	const X509_NAME *subject = X509_get_subject_name(x);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	const ASN1_STRING *s = at < 0 ? NULL : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at));

	return s != NULL && X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0 &&
	    (size_t)ASN1_STRING_length(s) == strlen(name) && memcmp(ASN1_STRING_get0_data(s), name, strlen(name)) == 0;
}

bool
certificate_covers(X509 *x, const char *name)
{
	unsigned char raw[16];
	bool does;

	if (certificate_has_name(x, name))
		return true;
	if (address(name, raw) != 0)
		return false;
	does = X509_check_host(x, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
	    NULL) == 1;
	ERR_clear_error();
	return does;
}

/* ---- making ---- */

static int
add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int rc;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	if ((ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value)) == NULL)
		return -1;
	rc = X509_add_ext(x, ext, -1) == 1 ? 0 : -1;
	X509_EXTENSION_free(ext);
	return rc;
}

static int
add_serial(X509 *x)
{
	BIGNUM *n = BN_new();
	int rc = -1;

	/* The highest bit is set: never zero, and positive once encoded (17 of the 20 octets allowed). */
	if (n != NULL && BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	    BN_to_ASN1_INTEGER(n, X509_get_serialNumber(x)) != NULL)
		rc = 0;
	BN_free(n);
	return rc;
}

static int
add_common_name(X509 *x, const char *text)
{
	return X509_NAME_add_entry_by_NID(X509_get_subject_name(x), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)text, -1, -1, 0) == 1 ? 0 : -1;
}

/* What all of them have: version 3, a serial, times, the public key. */
static X509 *
begin(EVP_PKEY *key, int64_t now_s, int64_t until_s)
{
	X509 *x = X509_new();

	if (x != NULL && X509_set_version(x, X509_VERSION_3) == 1 && add_serial(x) == 0 &&
	    ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(now_s - CERTIFICATE_BACK_S)) != NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(x), (time_t)until_s) != NULL &&
	    X509_set_pubkey(x, key) == 1)
		return x;
	X509_free(x);
	return NULL;
}

X509 *
certificate_make_ca(EVP_PKEY *key, const char *name, int64_t now_s, struct err *err)
{
	char *subject = NULL;
	X509 *x = NULL;

	if (name == NULL || *name == '\0') {
		(void)err_set(err, "a CA needs a name");
		return NULL;
	}
	if (strlen(name) > CERTIFICATE_NAME_MAX) {
		(void)err_set(err, "the name '%s' is too long for a CA, expected at most %d bytes",
		    name, CERTIFICATE_NAME_MAX);
		return NULL;
	}
	ERR_clear_error();
	subject = mem_printf("%s CA", name);
	if ((x = begin(key, now_s, now_s + CERTIFICATE_CA_S)) == NULL ||
	    add_common_name(x, subject) == -1 ||
	    X509_set_issuer_name(x, X509_get_subject_name(x)) != 1 ||
	    add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") == -1 ||
	    add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") == -1 ||
	    add_extension(x, x, NID_subject_key_identifier, "hash") == -1 ||
	    add_extension(x, x, NID_authority_key_identifier, "keyid:always") == -1 ||
	    X509_sign(x, key, EVP_sha256()) == 0) {
		(void)openssl_failed(err, "make the CA's certificate");
		X509_free(x);
		x = NULL;
	}
	free(subject);
	return x;
}

static GENERAL_NAMES *
general_names(const char *const *names, size_t nnames)
{
	GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
	size_t i, k;

	for (i = 0; i < nnames; i++) {
		for (k = 0; k < i && strcasecmp(names[k], names[i]) != 0; k++)
			continue;
		if (k == i && sk_GENERAL_NAME_push(all, general_name(names[i])) == 0)
			abort();
	}
	return all;
}

/*
 * The subject is for people: clients go by the names below it.  It stays empty
 * where the first name does not fit or is the CA's own subject (the leaf would
 * look self-issued); the names are critical then (RFC 5280, 4.2.1.6).
 */
static int
add_names(X509 *x, X509 *ca, const char *const *names, size_t nnames)
{
	X509_NAME *subject = X509_get_subject_name(x);
	GENERAL_NAMES *all;
	int rc;

	if (strlen(names[0]) <= COMMON_NAME_MAX && add_common_name(x, names[0]) == -1)
		return -1;
	if (X509_NAME_cmp(subject, X509_get_subject_name(ca)) == 0)
		X509_NAME_ENTRY_free(X509_NAME_delete_entry(subject, 0));
	all = general_names(names, nnames);
	rc = X509_add1_ext_i2d(x, NID_subject_alt_name, all, X509_NAME_entry_count(subject) == 0,
	    X509V3_ADD_DEFAULT) == 1 ? 0 : -1;
	GENERAL_NAMES_free(all);
	return rc;
}

static const char *
usage_of(const EVP_PKEY *key)
{
	/* Before TLS 1.3, a client may encrypt its secret to an RSA key. */
	return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA ? "critical,digitalSignature,keyEncipherment" :
	    "critical,digitalSignature";
}

/* Before anything is made of them. */
static int
check_names(enum certificate_use use, const char *const *names, size_t nnames, struct err *err)
{
	size_t i;

	if (nnames == 0)
		return err_set(err, "there is no name to certify");
	if (use == CERTIFICATE_OF_CLIENT)
		return nnames == 1 ? certificate_check_subject(names[0], err) :
		    err_set(err, "a client's certificate has one name, and %zu are asked for", nnames);
	for (i = 0; i < nnames; i++)
		if (certificate_check_name(names[i], err) == -1)
			return -1;
	return 0;
}

/* A client is known by its subject alone; one that is its CA's own would look self-issued. */
static int
add_subject(X509 *x, X509 *ca, const char *name)
{
	return add_common_name(x, name) == -1 ||
	    X509_NAME_cmp(X509_get_subject_name(x), X509_get_subject_name(ca)) == 0 ? -1 : 0;
}

static const char *
use_word(enum certificate_use use)
{
	return use == CERTIFICATE_OF_CLIENT ? "clientAuth" : "serverAuth";
}

X509 *
certificate_make_leaf(EVP_PKEY *key, X509 *ca, EVP_PKEY *ca_key, enum certificate_use use, const char *const *names,
    size_t nnames, int64_t now_s, int64_t lives_s, struct err *err)
{
	const char *what = use == CERTIFICATE_OF_CLIENT ? "client's" : "server";
	int64_t until_s = certificate_not_after_s(ca);
	X509 *x = NULL;

	if (check_names(use, names, nnames, err) == -1)
		return NULL;
	if (lives_s < until_s - now_s)
		until_s = now_s + lives_s;
	ERR_clear_error();
	if ((x = begin(key, now_s, until_s)) == NULL ||
	    X509_set_issuer_name(x, X509_get_subject_name(ca)) != 1 ||
	    (use == CERTIFICATE_OF_CLIENT ? add_subject(x, ca, names[0]) : add_names(x, ca, names, nnames)) == -1 ||
	    add_extension(x, ca, NID_basic_constraints, "critical,CA:FALSE") == -1 ||
	    add_extension(x, ca, NID_key_usage, usage_of(key)) == -1 ||
	    add_extension(x, ca, NID_ext_key_usage, use_word(use)) == -1 ||
	    add_extension(x, ca, NID_subject_key_identifier, "hash") == -1 ||
	    add_extension(x, ca, NID_authority_key_identifier, "keyid:always") == -1 ||
	    X509_sign(x, ca_key, EVP_sha256()) == 0) {
		(void)openssl_failed(err, use == CERTIFICATE_OF_CLIENT ? "make the client's certificate" :
		    "make the server certificate");
		X509_free(x);
		return NULL;
	}
	/* A CA that came from somewhere else may have constraints of its own. */
	if (certificate_verify(x, ca, use, now_s, err) == -1) {
		(void)err_wrap(err, "the %s certificate just made is not valid", what);
		X509_free(x);
		return NULL;
	}
	return x;
}

static int
ask_for(STACK_OF(X509_EXTENSION) **all, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	if (ext == NULL || X509v3_add_ext(all, ext, -1) == NULL) {
		X509_EXTENSION_free(ext);
		return -1;
	}
	X509_EXTENSION_free(ext);
	return 0;
}

char *
certificate_request(EVP_PKEY *key, enum certificate_use use, const char *const *names, size_t nnames, struct err *err)
{
	STACK_OF(X509_EXTENSION) *wanted = NULL;
	GENERAL_NAMES *all;
	X509_REQ *r;
	BIO *bio = NULL;
	char *text, *pem = NULL;
	long len;

	if (check_names(use, names, nnames, err) == -1)
		return NULL;
	ERR_clear_error();
	all = use == CERTIFICATE_OF_CLIENT ? NULL : general_names(names, nnames);
	if ((r = X509_REQ_new()) != NULL && X509_REQ_set_version(r, X509_REQ_VERSION_1) == 1 &&
	    X509_REQ_set_pubkey(r, key) == 1 &&
	    (strlen(names[0]) > COMMON_NAME_MAX ||
	    X509_NAME_add_entry_by_NID(X509_REQ_get_subject_name(r), NID_commonName, MBSTRING_UTF8,
	    (const unsigned char *)names[0], -1, -1, 0) == 1) &&
	    (all == NULL || X509V3_add1_i2d(&wanted, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) == 1) &&
	    ask_for(&wanted, NID_key_usage, usage_of(key)) == 0 &&
	    ask_for(&wanted, NID_ext_key_usage, use_word(use)) == 0 &&
	    X509_REQ_add_extensions(r, wanted) == 1 && X509_REQ_sign(r, key, EVP_sha256()) > 0 &&
	    (bio = BIO_new(BIO_s_mem())) != NULL && PEM_write_bio_X509_REQ(bio, r) == 1 &&
	    (len = BIO_get_mem_data(bio, &text)) > 0)
		pem = mem_strndup(text, (size_t)len);
	else
		(void)openssl_failed(err, "make a request for a certificate");
	BIO_free(bio);
	sk_X509_EXTENSION_pop_free(wanted, X509_EXTENSION_free);
	GENERAL_NAMES_free(all);
	X509_REQ_free(r);
	return pem;
}

/* ---- reading and judging ---- */

void
certificates_free(STACK_OF(X509) *all)
{
	sk_X509_pop_free(all, X509_free);
}

STACK_OF(X509) *
certificates_read(const char *pem, size_t len_bytes, const char *path, struct err *err)
{
	BIO *bio = len_bytes > INT32_MAX ? NULL : BIO_new_mem_buf(pem, (int)len_bytes);
	STACK_OF(X509) *all = sk_X509_new_null();
	unsigned long why;
	X509 *x;

	ERR_clear_error();
	if (all == NULL)
		abort();
	while (bio != NULL && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (sk_X509_push(all, x) == 0)
			abort();
		if (sk_X509_num(all) > CERTIFICATE_CHAIN_MAX)
			break;
	}
	why = ERR_peek_last_error();
	ERR_clear_error();
	BIO_free(bio);
	if (sk_X509_num(all) > CERTIFICATE_CHAIN_MAX)
		(void)err_set(err, "'%s' has more than %d certificates", path, CERTIFICATE_CHAIN_MAX);
	else if (sk_X509_num(all) == 0)
		(void)err_set(err, "'%s' is no certificate in PEM, or a damaged one", path);
	else if (ERR_GET_REASON(why) != PEM_R_NO_START_LINE)
		(void)err_set(err, "'%s' has a damaged certificate behind the first %d", path, sk_X509_num(all));
	else
		return all;
	certificates_free(all);
	return NULL;
}

char *
certificates_pem(const STACK_OF(X509) *all)
{
	char *text = mem_strdup(""), *one, *more;
	int i;

	for (i = 0; i < sk_X509_num(all); i++) {
		one = certificate_pem(sk_X509_value(all, i));
		more = mem_printf("%s%s", text, one);
		free(one);
		free(text);
		text = more;
	}
	return text;
}

char *
certificate_pem(X509 *x)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *text, *pem;
	long len;

	if (bio == NULL || PEM_write_bio_X509(bio, x) != 1)
		abort();
	len = BIO_get_mem_data(bio, &text);
	pem = mem_strndup(text, len > 0 ? (size_t)len : 0);
	BIO_free(bio);
	return pem;
}

bool
certificate_is_of(X509 *x, EVP_PKEY *key)
{
	bool is = X509_check_private_key(x, key) == 1;

	ERR_clear_error();
	return is;
}

/* A time that cannot be read has passed. */
static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return t == NULL || ASN1_TIME_to_tm(t, &tm) != 1 ? INT64_MIN : (int64_t)timegm(&tm);
}

int64_t
certificate_not_before_s(const X509 *x)
{
	return seconds(X509_get0_notBefore(x));
}

int64_t
certificate_not_after_s(const X509 *x)
{
	return seconds(X509_get0_notAfter(x));
}

int
certificate_first(const char *pem, size_t len_bytes, char ret_public_sha[65], int64_t *ret_not_before_s,
    int64_t *ret_not_after_s, struct err *err)
{
	BIO *bio = len_bytes > INT32_MAX ? NULL : BIO_new_mem_buf(pem, (int)len_bytes);
	X509 *x;
	int rc = -1;

	ERR_clear_error();
	x = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (x != NULL && X509_get0_pubkey(x) != NULL)
		rc = key_sha(X509_get0_pubkey(x), ret_public_sha);
	if (rc == 0) {
		*ret_not_before_s = seconds(X509_get0_notBefore(x));
		*ret_not_after_s = seconds(X509_get0_notAfter(x));
	}
	X509_free(x);
	ERR_clear_error();
	return rc == 0 ? 0 : err_set(err, "this is no certificate in PEM, or a damaged one");
}

int
certificate_on_disk(const char *text, size_t len_bytes, char ret_sha256[65], int64_t *ret_not_after_s,
    int *ret_pair, struct err *err)
{
	BIO *bio = len_bytes > INT32_MAX ? NULL : BIO_new_mem_buf(text, (int)len_bytes);
	EVP_PKEY *key = NULL;
	X509 *x = NULL;
	int rc = -1;

	*ret_pair = -1;
	ret_sha256[0] = '\0';
	if (bio != NULL)
		x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	bio = x == NULL ? NULL : BIO_new_mem_buf(text, (int)len_bytes);
	if (bio != NULL)
		key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (x != NULL) {
		openssl_sha256(x, ret_sha256);
		*ret_not_after_s = seconds(X509_get0_notAfter(x));
		rc = 0;
	}
	if (rc == 0 && key != NULL)
		*ret_pair = X509_get0_pubkey(x) != NULL && EVP_PKEY_eq(X509_get0_pubkey(x), key) == 1;
	EVP_PKEY_free(key);
	X509_free(x);
	ERR_clear_error();
	return rc == 0 ? 0 : err_set(err, "this is no certificate in PEM, or a damaged one");
}

/* Names and addresses, with commas. */
static char *
names_text(const X509 *x)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	const ASN1_STRING *s;
	char text[INET6_ADDRSTRLEN];
	struct buf b;
	int i, type;

	buf_init(&b, TEXT_MAX);
	for (i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
		if (type != GEN_DNS && type != GEN_IPADD)
			continue;
		if (b.len > 0)
			(void)buf_puts(&b, ", ");
		if (type == GEN_DNS)
			(void)buf_put(&b, ASN1_STRING_get0_data(s), strnlen((const char *)ASN1_STRING_get0_data(s),
			    (size_t)ASN1_STRING_length(s)));
		else
			(void)buf_puts(&b, inet_ntop(ASN1_STRING_length(s) == 4 ? AF_INET : AF_INET6,
			    ASN1_STRING_get0_data(s), text, sizeof(text)) == NULL || (ASN1_STRING_length(s) != 4 &&
			    ASN1_STRING_length(s) != 16) ? "?" : text);
	}
	GENERAL_NAMES_free(all);
	return buf_take(&b, NULL);
}

int
certificate_look(const char *pem, size_t len_bytes, const char *path, struct issued *ret, struct err *err)
{
	STACK_OF(X509) *all = certificates_read(pem, len_bytes, path, err);
	X509 *x;

	if (all == NULL)
		return -1;
	x = sk_X509_value(all, 0);
	memset(ret, 0, sizeof(*ret));
	ret->subject = openssl_name_text(X509_get_subject_name(x), TEXT_MAX);
	ret->issuer = openssl_name_text(X509_get_issuer_name(x), TEXT_MAX);
	ret->names = names_text(x);
	ret->not_before_s = certificate_not_before_s(x);
	ret->not_after_s = certificate_not_after_s(x);
	openssl_sha256(x, ret->sha256);
	certificates_free(all);
	ERR_clear_error();
	return 0;
}

const char *
certificate_day(char ret[CERTIFICATE_DAY_SIZE], int64_t at_s)
{
	time_t t = (time_t)at_s;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(ret, CERTIFICATE_DAY_SIZE, "%Y-%m-%d", &tm) == 0)
		(void)snprintf(ret, CERTIFICATE_DAY_SIZE, "an unreadable date");
	return ret;
}

int
certificate_check_ca(X509 *x, const char *path, int64_t now_s, struct err *err)
{
	int64_t from_s = seconds(X509_get0_notBefore(x)), until_s = certificate_not_after_s(x);
	char text[CERTIFICATE_DAY_SIZE];

	/* 1: by its extensions (X509_check_ca(3)); the others are guesses for old ones. */
	if (X509_check_ca(x) != 1)
		return err_set(err, "'%s' is not the certificate of a CA", path);
	if (X509_self_signed(x, 1) != 1) {
		ERR_clear_error();
		return err_set(err, "'%s' is not self-signed: clients that trust it alone would refuse "
		    "what it signs", path);
	}
	if (now_s < from_s)
		return err_set(err, "'%s' is valid from %s on only: is this machine's clock right?", path,
		    certificate_day(text, from_s));
	if (now_s >= until_s)
		return err_set(err, "'%s' has expired on %s: move its directory away and a new CA is made, "
		    "which every client has to trust first", path, certificate_day(text, until_s));
	return 0;
}

static int
verify(X509 *x, const STACK_OF(X509) *between, const STACK_OF(X509) *cas, enum certificate_use use, int64_t now_s, struct err *err)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *more = between == NULL ? NULL : sk_X509_dup(between);
	int i, rc = -1;

	ERR_clear_error();
	for (i = 0; store != NULL && i < sk_X509_num(cas); i++)
		if (X509_STORE_add_cert(store, sk_X509_value(cas, i)) != 1) {
			X509_STORE_free(store);
			store = NULL;
		}
	if (ctx == NULL || store == NULL || X509_STORE_CTX_init(ctx, store, x, more) != 1 ||
	    X509_STORE_CTX_set_purpose(ctx, use == CERTIFICATE_OF_CLIENT ? X509_PURPOSE_SSL_CLIENT :
	    X509_PURPOSE_SSL_SERVER) != 1) {
		(void)openssl_failed(err, "verify a certificate");
		goto out;
	}
	X509_VERIFY_PARAM_set_time(X509_STORE_CTX_get0_param(ctx), (time_t)now_s);
	if (X509_verify_cert(ctx) == 1)
		rc = 0;
	else
		(void)err_set(err, "%s", X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
out:
	ERR_clear_error();
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_free(more);
	return rc;
}

int
certificate_verify(X509 *x, X509 *ca, enum certificate_use use, int64_t now_s, struct err *err)
{
	STACK_OF(X509) *cas = sk_X509_new_null();
	int rc;

	if (cas == NULL || sk_X509_push(cas, ca) == 0)
		abort();	/* memory is all that these can want */
	rc = verify(x, NULL, cas, use, now_s, err);
	sk_X509_free(cas);
	return rc;
}

int
certificate_check_leaf(X509 *x, const STACK_OF(X509) *between, const STACK_OF(X509) *cas, EVP_PKEY *key,
    enum certificate_use use, const char *const *names, size_t nnames, int64_t now_s, struct err *err)
{
	int64_t from_s = certificate_not_before_s(x);
	char text[CERTIFICATE_DAY_SIZE];
	size_t i;

	if (!certificate_is_of(x, key))
		return err_set(err, "it is not of the key that it was asked for with");
	/* Whoever signed it has a clock of its own, and it took its time. */
	if (from_s > now_s && from_s - now_s <= CERTIFICATE_BACK_S)
		now_s = from_s;
	if (now_s < from_s)
		return err_set(err, "it is valid from %s on only: is this machine's clock right?",
		    certificate_day(text, from_s));
	if (now_s >= certificate_not_after_s(x))
		return err_set(err, "it has expired on %s", certificate_day(text, certificate_not_after_s(x)));
	if (verify(x, between, cas, use, now_s, err) == -1)
		return err_wrap(err, "a %s that trusts its CA would refuse it", use == CERTIFICATE_OF_CLIENT ? "server" : "client");
	for (i = 0; i < nnames && use == CERTIFICATE_OF_CLIENT; i++)
		if (!is_of_subject(x, names[i]))
			return err_set(err, "its common name is not '%s', which was asked for", names[i]);
	for (i = 0; i < nnames && use == CERTIFICATE_OF_SERVER; i++)
		if (!certificate_covers(x, names[i]))
			return err_set(err, "it is not for '%s', which is dialled", names[i]);
	return 0;
}
