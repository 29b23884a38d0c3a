/*
 * key: see key.h.
 *
 * Everything that holds a key in the clear is wiped before it is freed: by
 * OpenSSL for its own objects (EVP_PKEY, PKCS8_PRIV_KEY_INFO and what
 * PKCS8_set0_pbe encodes), by us for the rest.  The PEM in the clear is
 * written here, since PEM_write_bio() frees its base64 state unwiped.
 */
#include "pki/key.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki/digest.h"
#include "pki/openssl.h"

#define SALT_BYTES 16

static const struct profile {
	const char *name;
	int	 type;		/* EVP_PKEY_… */
	int	 bits;
	const char *curve;	/* EC: its short name */
} profiles[] = {
	{ "ecdsa-p256", EVP_PKEY_EC, 256, "prime256v1" },
	{ "rsa-4096", EVP_PKEY_RSA, 4096, NULL },
};

static const struct profile *
find(const char *name)
{
	size_t i;

	if (name == NULL)
		return &profiles[0];
	for (i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
		if (strcmp(profiles[i].name, name) == 0)
			return &profiles[i];
	return NULL;
}

const char *
key_profile(const char *name)
{
	const struct profile *p = find(name);

	return p == NULL ? NULL : p->name;
}

EVP_PKEY *
key_make(const char *profile, struct err *err)
{
	const struct profile *p = find(profile);
	EVP_PKEY *key = NULL;

	if (p == NULL) {
		(void)err_set(err, "no key profile '%s'", profile);
		return NULL;
	}
	ERR_clear_error();
	key = p->type == EVP_PKEY_EC ? EVP_EC_gen(p->curve) : EVP_RSA_gen((unsigned int)p->bits);
	if (key == NULL)
		(void)openssl_failed(err, "make a private key");
	return key;
}

bool
key_fits(const EVP_PKEY *key, const char *profile)
{
	const struct profile *p = find(profile);
	char curve[64];
	size_t len;

	if (p == NULL || EVP_PKEY_get_base_id(key) != p->type || EVP_PKEY_get_bits(key) != p->bits)
		return false;
	return p->curve == NULL ||
	    (EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len) == 1 &&
	    strcmp(curve, p->curve) == 0);
}

int
key_seal(EVP_PKEY *key, const struct passphrase *pass, struct buf *ret, struct err *err)
{
	PKCS8_PRIV_KEY_INFO *info = NULL;
	X509_ALGOR *how = NULL;
	X509_SIG *sealed = NULL;
	BIO *bio = NULL;
	char *text;
	long len;
	int rc = -1;

	if (pass->len == 0)
		return err_set(err, "an empty passphrase protects nothing");
	if (pass->len > KEY_PASSPHRASE_MAX)
		return err_set(err, "the passphrase is longer than %d bytes", KEY_PASSPHRASE_MAX);
	ERR_clear_error();
	info = EVP_PKEY2PKCS8(key);
	/* No salt and no initialisation vector given: random ones. */
	how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, SALT_BYTES, NULL,
	    KEY_SCRYPT_N, KEY_SCRYPT_R, KEY_SCRYPT_P);
	if (info == NULL || how == NULL)
		goto out;
	if ((sealed = PKCS8_set0_pbe(pass->bytes, (int)pass->len, info, how)) == NULL)
		goto out;
	how = NULL;	/* it is part of `sealed` */
	if ((bio = BIO_new(BIO_s_mem())) == NULL || PEM_write_bio_PKCS8(bio, sealed) != 1)
		goto out;
	len = BIO_get_mem_data(bio, &text);
	if (len > 0 && buf_put(ret, text, (size_t)len) == 0)
		rc = 0;
out:
	if (rc == -1)
		(void)openssl_failed(err, "seal a private key");
	BIO_free(bio);
	X509_SIG_free(sealed);
	X509_ALGOR_free(how);
	PKCS8_PRIV_KEY_INFO_free(info);
	return rc;
}

/* 0: no number, or one that is none of a cost. */
static uint64_t
number(const ASN1_INTEGER *n)
{
	uint64_t is;

	return n != NULL && ASN1_INTEGER_get_uint64(&is, n) == 1 && is <= UINT32_MAX ? is : 0;
}

/* Is its passphrase stretched as ours are, or more?  What is weaker would be guessed. */
static bool
is_scrypt(const X509_SIG *sealed)
{
	const X509_ALGOR *how;
	PBE2PARAM *pbe = NULL;
	SCRYPT_PARAMS *cost = NULL;
	bool is = false;

	X509_SIG_get0(sealed, &how, NULL);
	if (how == NULL || OBJ_obj2nid(how->algorithm) != NID_pbes2 || how->parameter == NULL)
		return false;
	pbe = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), how->parameter);
	if (pbe != NULL && pbe->keyfunc != NULL && pbe->keyfunc->parameter != NULL &&
	    OBJ_obj2nid(pbe->keyfunc->algorithm) == NID_id_scrypt)
		cost = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), pbe->keyfunc->parameter);
	if (cost != NULL)
		is = number(cost->costParameter) >= KEY_SCRYPT_N && number(cost->blockSize) >= KEY_SCRYPT_R &&
		    number(cost->parallelizationParameter) >= 1;
	SCRYPT_PARAMS_free(cost);
	PBE2PARAM_free(pbe);
	return is;
}

static int
not_sealed(const char *path, const char *what, struct err *err)
{
	return err_set(err, "'%s' is %s, expected a key encrypted with scrypt (N=%d, r=%d, p=%d): "
	    "openssl pkcs8 -topk8 -scrypt -scrypt_p %d -in OLD -out NEW makes one", path, what,
	    KEY_SCRYPT_N, KEY_SCRYPT_R, KEY_SCRYPT_P, KEY_SCRYPT_P);
}

int
key_open(const char *pem, size_t len_bytes, const char *path, const struct passphrase *pass,
    EVP_PKEY **ret, struct err *err)
{
	char *label = NULL, *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	PKCS8_PRIV_KEY_INFO *info = NULL;
	X509_SIG *sealed = NULL;
	EVP_PKEY *key = NULL;
	BIO *bio;
	long len = 0;
	int rc = -1;

	if (pass->len == 0 || pass->len > KEY_PASSPHRASE_MAX)
		return err_set(err, "the passphrase does not open '%s'", path);
	ERR_clear_error();
	if (len_bytes > INT32_MAX || (bio = BIO_new_mem_buf(pem, (int)len_bytes)) == NULL)
		return err_set(err, "cannot read '%s'", path);
	if (PEM_read_bio(bio, &label, &header, &der, &len) != 1) {
		(void)err_set(err, "'%s' is no private key, or a damaged one: bring it back from a backup", path);
		goto out;
	}
	at = der;
	if (strcmp(label, PEM_STRING_PKCS8) != 0) {
		if (strstr(label, "PRIVATE KEY") == NULL)
			(void)not_sealed(path, "no private key", err);
		else if (strstr(header, "ENCRYPTED") != NULL)
			(void)not_sealed(path, "encrypted in a weak old way", err);
		else
			(void)not_sealed(path, "a private key in the clear", err);
		goto out;
	}
	if ((sealed = d2i_X509_SIG(NULL, &at, len)) == NULL) {
		(void)err_set(err, "'%s' is a damaged private key: bring it back from a backup", path);
		goto out;
	}
	if (!is_scrypt(sealed)) {
		(void)not_sealed(path, "encrypted in another way", err);
		goto out;
	}
	if ((info = PKCS8_decrypt(sealed, pass->bytes, (int)pass->len)) == NULL) {
		(void)err_set(err, "the passphrase does not open '%s'", path);
		goto out;
	}
	if ((key = EVP_PKCS82PKEY(info)) == NULL) {
		(void)err_set(err, "'%s' opens, and is not a key that OpenSSL knows", path);
		goto out;
	}
	*ret = key;
	rc = 0;
out:
	ERR_clear_error();
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_SIG_free(sealed);
	OPENSSL_free(label);
	OPENSSL_free(header);
	OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
	BIO_free(bio);
	return rc;
}

enum key_lies
key_lies(const char *pem, size_t len_bytes)
{
	char *label = NULL, *header = NULL;
	unsigned char *der = NULL;
	const unsigned char *at;
	enum key_lies how = KEY_NONE;
	X509_SIG *sealed;
	BIO *bio;
	long len = 0;

	if (len_bytes > INT32_MAX || (bio = BIO_new_mem_buf(pem, (int)len_bytes)) == NULL)
		return KEY_NONE;
	/* A key of a curve may have its parameters in front of it. */
	while (how == KEY_NONE && PEM_read_bio(bio, &label, &header, &der, &len) == 1) {
		if (strcmp(label, PEM_STRING_PKCS8) == 0) {
			at = der;
			sealed = d2i_X509_SIG(NULL, &at, len);
			if (sealed != NULL)
				how = is_scrypt(sealed) ? KEY_SEALED : KEY_WEAK;
			X509_SIG_free(sealed);
		} else if (strstr(label, "PRIVATE KEY") != NULL)
			how = strstr(header, "ENCRYPTED") != NULL ? KEY_WEAK : KEY_CLEAR;
		OPENSSL_free(label);
		OPENSSL_free(header);
		OPENSSL_clear_free(der, len > 0 ? (size_t)len : 0);
		label = header = NULL;
		der = NULL;
		len = 0;
	}
	ERR_clear_error();
	BIO_free(bio);
	return how;
}

struct asked {
	const struct passphrase *pass;
	bool	 used;
};

static int
tell_passphrase(char *buf, int size, int writing, void *arg)
{
	struct asked *a = arg;

	(void)writing;
	a->used = true;
	if (size <= 0 || a->pass->len == 0 || a->pass->len > (size_t)size)
		return -1;
	memcpy(buf, a->pass->bytes, a->pass->len);
	return (int)a->pass->len;
}

int
key_open_any(const char *pem, size_t len_bytes, const char *path, const struct passphrase *pass,
    EVP_PKEY **ret, struct err *err)
{
	BIO *bio = len_bytes > INT32_MAX ? NULL : BIO_new_mem_buf(pem, (int)len_bytes);
	struct asked a = { .pass = pass };
	EVP_PKEY *key;

	ERR_clear_error();
	key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, tell_passphrase, &a);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL)
		return err_set(err, a.used ? "the passphrase does not open '%s'" :
		    "'%s' is no private key in PEM, or a damaged one", path);
	*ret = key;
	return 0;
}

int
key_pem(EVP_PKEY *key, char **ret, size_t *ret_len, struct err *err)
{
	enum { LINE_BYTES = 48 };	/* 64 characters of base64 */
	PKCS8_PRIV_KEY_INFO *info;
	unsigned char *der = NULL;
	unsigned char line[LINE_BYTES / 3 * 4 + 1];
	struct buf text;
	int len, at, part;

	ERR_clear_error();
	if ((info = EVP_PKEY2PKCS8(key)) == NULL)
		return openssl_failed(err, "encode a private key");
	len = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (len <= 0)
		return openssl_failed(err, "encode a private key");
	buf_init(&text, 0);
	text.secret = true;
	(void)buf_puts(&text, "-----BEGIN " PEM_STRING_PKCS8INF "-----\n");
	for (at = 0; at < len; at += part) {
		part = len - at < LINE_BYTES ? len - at : LINE_BYTES;
		(void)buf_put(&text, line, (size_t)EVP_EncodeBlock(line, der + at, part));
		(void)buf_putc(&text, '\n');
	}
	(void)buf_puts(&text, "-----END " PEM_STRING_PKCS8INF "-----\n");
	OPENSSL_clear_free(der, (size_t)len);
	OPENSSL_cleanse(line, sizeof(line));
	*ret = buf_take(&text, ret_len);
	return 0;
}

int
key_sha(EVP_PKEY *key, char ret[DIGEST_HEX_SIZE])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	ret[0] = '\0';
	if (len > 0)
		digest_sha256_hex(der, (size_t)len, ret);
	OPENSSL_free(der);
	ERR_clear_error();
	return len > 0 ? 0 : -1;
}

/* Whoever asks for a passphrase is told that there is none; OpenSSL would ask the terminal. */
static int
no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

EVP_PKEY *
key_clear(const char *pem, size_t len_bytes, struct err *err)
{
	BIO *bio = len_bytes > INT32_MAX ? NULL : BIO_new_mem_buf(pem, (int)len_bytes);
	EVP_PKEY *key;
	bool sealed = false;

	ERR_clear_error();
	key = bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &sealed);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL)
		(void)err_set(err, sealed ? "a passphrase seals this key, so it cannot be looked into" :
		    "this is no private key in PEM, or a damaged one");
	return key;
}

int
key_public_sha(const char *pem, size_t len_bytes, char ret[DIGEST_HEX_SIZE], struct err *err)
{
	EVP_PKEY *key = key_clear(pem, len_bytes, err);
	int rc;

	if (key == NULL)
		return -1;
	rc = key_sha(key, ret);
	EVP_PKEY_free(key);
	return rc == 0 ? 0 : err_set(err, "a key that OpenSSL cannot write down");
}
