/*
 * authority: see authority.h.
 *
 * Decides what of a directory is kept and what is made; how keys, certificates
 * and files are made is in key.c, certificate.c and vault.c.
 *
 * A key is on disk before the certificate that speaks of it, and each file is
 * there as a whole or not at all.  So whenever the process dies, it leaves one
 * of these, and the next call goes on from there:
 *
 *	nothing				all is made
 *	ca.key				the certificate is made for that key
 *	ca.key ca.pem			the leaf is made
 *	… leaf.key			the same: a key without a certificate is nobody's
 *	… leaf.key (new) leaf.pem (old)	they do not match: both are made anew
 *	all four			kept, if the leaf fits
 *
 * The CA is never replaced by itself: every client trusts it.  What is wrong
 * with it is said, and left to the operator.  The leaf is worth nothing that
 * the CA cannot make again: what is wrong with it is made anew.
 */
#include "pki/authority.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki/certificate.h"
#include "pki/key.h"
#include "pki/vault.h"

#define CA_KEY "ca.key"
#define CA_PEM "ca.pem"
#define LEAF_KEY "leaf.key"
#define LEAF_PEM "leaf.pem"

static const char *const files[] = { CA_KEY, CA_PEM, LEAF_KEY, LEAF_PEM };

/* A key and its certificate; either may be missing. */
struct pair {
	EVP_PKEY *key;
	X509	*x509;
};

static void
pair_release(struct pair *p)
{
	EVP_PKEY_free(p->key);
	X509_free(p->x509);
	p->key = NULL;
	p->x509 = NULL;
}

/* 1: read, 0: no such file, -1: there is one that cannot be used. */
static int
read_x509(const struct vault *v, const char *name, X509 **ret, struct err *err)
{
	char *path = mem_printf("%s/%s", v->path, name);
	struct buf text;
	int rc;

	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;	/* somebody may have put a key into it */
	rc = vault_read(v, name, &text, err);
	if (rc == 1 && (*ret = certificate_read(buf_str(&text), text.len, path, err)) == NULL)
		rc = -1;
	buf_release(&text);
	free(path);
	return rc;
}

static int
read_key(const struct vault *v, const char *name, const struct passphrase *pass, EVP_PKEY **ret,
    struct err *err)
{
	char *path = mem_printf("%s/%s", v->path, name);
	struct buf text;
	int rc;

	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;
	rc = vault_read(v, name, &text, err);
	if (rc == 1 && key_open(buf_str(&text), text.len, path, pass, ret, err) == -1)
		rc = -1;
	buf_release(&text);
	free(path);
	return rc;
}

static int
write_x509(const struct vault *v, const char *name, X509 *x, struct err *err)
{
	char *pem = certificate_pem(x);
	int rc = vault_write(v, name, pem, strlen(pem), err);

	free(pem);
	return rc;
}

static int
write_key(const struct vault *v, const char *name, const struct passphrase *pass, EVP_PKEY *key,
    struct err *err)
{
	struct buf sealed;
	int rc = -1;

	buf_init(&sealed, VAULT_FILE_MAX);
	if (key_seal(key, pass, &sealed, err) == 0)
		rc = vault_write(v, name, sealed.data, sealed.len, err);
	buf_release(&sealed);
	return rc;
}

static int
settle_ca(const struct vault *v, const struct authority_request *q, const struct passphrase *pass,
    struct pair *ca, bool *ret_made, struct err *err)
{
	char *path = mem_printf("%s/%s", v->path, CA_PEM);
	int has_cert, has_key, rc = -1;

	if ((has_cert = read_x509(v, CA_PEM, &ca->x509, err)) == -1 ||
	    (has_key = read_key(v, CA_KEY, pass, &ca->key, err)) == -1)
		goto out;
	if (has_cert == 1 && has_key == 0) {
		(void)err_set(err, "'%s' is there without its key: bring back '%s', or move the "
		    "directory away and a new CA is made, which every client has to trust first",
		    path, CA_KEY);
		goto out;
	}
	if (has_cert == 1) {
		if (!certificate_is_of(ca->x509, ca->key))
			(void)err_set(err, "'%s' and '%s' do not belong together: bring back the pair "
			    "that does", path, CA_KEY);
		else
			rc = certificate_check_ca(ca->x509, path, q->now_s, err);
		goto out;
	}
	if (has_key == 0 && ((ca->key = key_make(q->profile, err)) == NULL ||
	    write_key(v, CA_KEY, pass, ca->key, err) == -1))
		goto out;
	if ((ca->x509 = certificate_make_ca(ca->key, q->name, q->now_s, err)) == NULL ||
	    write_x509(v, CA_PEM, ca->x509, err) == -1)
		goto out;
	*ret_made = true;
	rc = 0;
out:
	free(path);
	return rc;
}

/* Is what is there still what is asked for? */
static bool
leaf_fits(const struct pair *leaf, const struct pair *ca, const struct authority_request *q)
{
	struct err why;
	size_t i;

	if (!certificate_is_of(leaf->x509, leaf->key) || !key_fits(leaf->key, q->profile) ||
	    certificate_verify(leaf->x509, ca->x509, q->now_s, &why) == -1)
		return false;
	for (i = 0; i < q->nnames; i++)
		if (!certificate_has_name(leaf->x509, q->names[i]))
			return false;
	return true;
}

static int
settle_leaf(const struct vault *v, const struct authority_request *q, const struct passphrase *pass,
    const struct pair *ca, struct pair *leaf, bool *ret_made, struct err *err)
{
	int64_t lives_ms = q->leaf_ms > 0 ? q->leaf_ms : AUTHORITY_LEAF_MS;

	/* Whatever cannot be read of it is no loss; a file that cannot be replaced will say so. */
	if (read_x509(v, LEAF_PEM, &leaf->x509, err) == 1 &&
	    read_key(v, LEAF_KEY, pass, &leaf->key, err) == 1 && leaf_fits(leaf, ca, q))
		return 0;
	pair_release(leaf);
	if ((leaf->key = key_make(q->profile, err)) == NULL ||
	    (leaf->x509 = certificate_make_leaf(leaf->key, ca->x509, ca->key, q->names, q->nnames,
	    q->now_s, lives_ms / 1000, err)) == NULL ||
	    write_key(v, LEAF_KEY, pass, leaf->key, err) == -1 ||
	    write_x509(v, LEAF_PEM, leaf->x509, err) == -1)
		return -1;
	*ret_made = true;
	return 0;
}

/* Before anything is made: what is asked for can be done at all. */
static int
check(const struct authority_request *q, struct err *err)
{
	size_t i;

	if (key_profile(q->profile) == NULL)
		return err_set(err, "no certificate profile '%s', expected ecdsa-p256 or rsa-4096", q->profile);
	if (q->name == NULL || q->name[0] == '\0')
		return err_set(err, "a CA needs a name");
	if (q->nnames == 0)
		return err_set(err, "there is no name to certify");
	for (i = 0; i < q->nnames; i++)
		if (certificate_check_name(q->names[i], err) == -1)
			return -1;
	if (q->leaf_ms != 0 && q->leaf_ms < AUTHORITY_LEAF_MS_MIN)
		return err_set(err, "a certificate that lives %lld ms, expected a second at least",
		    (long long)q->leaf_ms);
	if (q->passphrase == NULL || q->passphrase_len == 0)
		return err_set(err, "an empty passphrase protects nothing");
	if (q->passphrase_len > KEY_PASSPHRASE_MAX)
		return err_set(err, "the passphrase is longer than %d bytes", KEY_PASSPHRASE_MAX);
	return 0;
}

bool
authority_exists(const char *dir)
{
	struct vault v;
	struct err err;
	bool has;

	if (vault_look(&v, dir, &err) == -1)
		return false;
	/* A key alone: somebody died over making it, and it has its passphrase already. */
	has = vault_has(&v, CA_KEY) || vault_has(&v, CA_PEM);
	vault_close(&v);
	return has;
}

int
authority_ca(const char *dir, char **ret_pem, struct err *err)
{
	struct vault v;
	X509 *x = NULL;
	int rc;

	if (vault_look(&v, dir, err) == -1)
		return -1;
	if ((rc = read_x509(&v, CA_PEM, &x, err)) == 0)
		(void)err_set(err, "there is no '%s' in '%s' yet", CA_PEM, v.path);
	if (rc == 1)
		*ret_pem = certificate_pem(x);
	X509_free(x);
	vault_close(&v);
	return rc == 1 ? 0 : -1;
}

int
authority_ensure(const struct authority_request *q, struct authority_material *ret, struct err *err)
{
	const struct passphrase pass = { q->passphrase, q->passphrase_len };
	struct authority_material m = { 0 };
	struct pair ca = { 0 }, leaf = { 0 };
	struct vault v;
	size_t i;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (check(q, err) == -1 || vault_open(&v, q->dir, err) == -1)
		return -1;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		vault_tidy(&v, files[i]);
	if (settle_ca(&v, q, &pass, &ca, &m.made_ca, err) == 0 &&
	    settle_leaf(&v, q, &pass, &ca, &leaf, &m.made_leaf, err) == 0 &&
	    key_pem(leaf.key, &m.key_pem, &m.key_len, err) == 0) {
		m.ca_pem = certificate_pem(ca.x509);
		m.leaf_pem = certificate_pem(leaf.x509);
		m.leaf_not_after_s = certificate_not_after_s(leaf.x509);
		*ret = m;
		rc = 0;
	}
	pair_release(&leaf);
	pair_release(&ca);
	vault_close(&v);
	return rc;
}

void
authority_material_release(struct authority_material *m)
{
	free(m->ca_pem);
	free(m->leaf_pem);
	mem_wipe_free(m->key_pem, m->key_len);
	memset(m, 0, sizeof(*m));
}
