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
 *	… revoked, with that leaf	the leaf is made anew, and ca.crl where it lacks one
 *
 * A CA that is taken over has no such state: without ca.pem it is taken over again.
 *
 * The CA is never replaced by itself: every client trusts it.  What is wrong
 * with it is said, and left to the operator.  The leaf is worth nothing that
 * the CA cannot make again: what is wrong with it is made anew.
 */
#include "pki/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/expiry.h"
#include "core/mem.h"
#include "pki/certificate.h"
#include "pki/key.h"
#include "pki/revoked.h"
#include "pki/signer.h"
#include "pki/vault.h"

#define CA_KEY "ca.key"
#define CA_PEM "ca.pem"
#define LEAF "leaf"

/* The files of one leaf: of the CA's own certificate, or of another that it signs. */
struct leaf_files {
	char	*key, *pem;
};

static void
leaf_files(struct leaf_files *ret, const char *leaf)
{
	ret->key = leaf == NULL ? mem_strdup(LEAF ".key") : mem_printf(LEAF "-%s.key", leaf);
	ret->pem = leaf == NULL ? mem_strdup(LEAF ".pem") : mem_printf(LEAF "-%s.pem", leaf);
}

static void
leaf_files_release(struct leaf_files *f)
{
	free(f->key);
	free(f->pem);
}

/* A key and its certificate; either may be missing. */
struct pair {
	EVP_PKEY *key;
	X509	*x509;			/* the first of `all` */
	STACK_OF(X509) *all;		/* of a leaf: and what stands between; of a CA: what clients trust */
};

static void
pair_release(struct pair *p)
{
	EVP_PKEY_free(p->key);
	certificates_free(p->all);
	memset(p, 0, sizeof(*p));
}

/* Takes the certificates over. */
static void
pair_take(struct pair *p, STACK_OF(X509) *all)
{
	certificates_free(p->all);
	p->all = all;
	p->x509 = sk_X509_value(all, 0);
}

static void
pair_take_one(struct pair *p, X509 *x)
{
	STACK_OF(X509) *all = sk_X509_new_null();

	if (all == NULL || sk_X509_push(all, x) == 0)
		abort();	/* memory is all that these can want */
	pair_take(p, all);
}

/* A file of ours has one certificate, or is the leaf's. */
static STACK_OF(X509) *
read_pem(const struct buf *text, const char *path, bool one, struct err *err)
{
	STACK_OF(X509) *all = certificates_read(buf_str(text), text->len, path, err);

	if (all != NULL && one && sk_X509_num(all) != 1) {
		(void)err_set(err, "'%s' has more than one certificate, expected one alone", path);
		certificates_free(all);
		return NULL;
	}
	return all;
}

/* 1: read, 0: no such file, -1: there is one that cannot be used. */
static int
read_x509(const struct vault *v, const char *name, struct pair *ret, struct err *err)
{
	char *path = mem_printf("%s/%s", v->path, name);
	STACK_OF(X509) *all;
	struct buf text;
	struct err why;
	int rc;

	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;	/* somebody may have put a key into it */
	rc = vault_read(v, name, &text, err);
	if (rc == 1) {
		all = read_pem(&text, path, strcmp(name, CA_PEM) == 0, err);
		if (all == NULL) {
			why = *err;
			rc = err_set(err, "%s: bring it back from a backup", why.msg);
		} else
			pair_take(ret, all);
	}
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
write_x509(const struct vault *v, const char *name, const struct pair *p, struct err *err)
{
	char *pem = certificates_pem(p->all);
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

/* ---- the CA of somebody else ---- */

/* A file of the operator's, wherever it lies; the mode is that of the file that was read. */
static int
read_outside(const char *path, struct buf *ret, mode_t *ret_mode, struct err *err)
{
	struct stat st;
	char part[4096];
	ssize_t n = 0;
	int fd, rc = -1;

	/* O_NONBLOCK: a FIFO in its place must not hold us. */
	if ((fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)) == -1)
		return err_set(err, "cannot open '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		(void)err_set(err, "'%s' is not a file", path);
	else {
		while ((n = read(fd, part, sizeof(part))) > 0 || (n == -1 && errno == EINTR))
			if (n > 0 && buf_put(ret, part, (size_t)n) == -1)
				break;
		if (n == 0)
			rc = 0;
		else if (n > 0)
			(void)err_set(err, "'%s' is larger than %zu bytes", path, VAULT_FILE_MAX);
		else
			(void)err_set(err, "cannot read '%s': %s", path, strerror(errno));
		mem_wipe(part, sizeof(part));
	}
	(void)close(fd);
	if (rc == 0 && ret_mode != NULL)
		*ret_mode = st.st_mode;
	return rc;
}

static char *
lies_how(const char *path, mode_t mode, enum key_lies how)
{
	const char *open = (mode & (S_IRWXG | S_IRWXO)) == 0 ? NULL :
	    (mode & (S_IWGRP | S_IWOTH)) != 0 ? "may be written by others" : "may be read by others";
	const char *text = how == KEY_CLEAR ? "is not encrypted" :
	    how == KEY_WEAK ? "is encrypted in a way by which its passphrase is guessed fast" : NULL;

	if (open == NULL && text == NULL)
		return NULL;
	return mem_printf("the CA's key '%s' %s%s%s%s", path, open == NULL ? "" : open,
	    open != NULL && text != NULL ? " and " : "", text == NULL ? "" : text,
	    open != NULL ? ": chmod 600 it" : "");
}

char *
authority_key_lies(const char *path)
{
	struct buf text;
	char *words = NULL;
	struct err err;
	mode_t mode;

	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;
	if (read_outside(path, &text, &mode, &err) == 0)
		words = lies_how(path, mode, key_lies(buf_str(&text), text.len));
	buf_release(&text);
	return words;
}

static int
read_ca_file(const char *path, bool one, struct pair *ca, struct err *err)
{
	STACK_OF(X509) *all = NULL;
	struct buf text;

	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;
	if (read_outside(path, &text, NULL, err) == 0)
		all = read_pem(&text, path, one, err);
	if (all != NULL)
		pair_take(ca, all);
	buf_release(&text);
	return all == NULL ? -1 : 0;
}

/* Both files of it; they belong together, and it may sign. */
static int
read_given(const struct authority_request *q, const struct passphrase *pass, struct pair *ca,
    char **ret_warning, struct err *err)
{
	struct buf text;
	mode_t mode;
	int rc = -1;

	if (read_ca_file(q->ca_file, true, ca, err) == -1)
		return -1;
	buf_init(&text, VAULT_FILE_MAX);
	text.secret = true;
	if (read_outside(q->ca_key_file, &text, &mode, err) == 0 &&
	    key_open_any(buf_str(&text), text.len, q->ca_key_file, pass, &ca->key, err) == 0) {
		*ret_warning = lies_how(q->ca_key_file, mode, key_lies(buf_str(&text), text.len));
		if (!certificate_is_of(ca->x509, ca->key))
			(void)err_set(err, "'%s' and '%s' do not belong together", q->ca_file, q->ca_key_file);
		else
			rc = certificate_check_ca(ca->x509, q->ca_file, q->now_s, err);
	}
	buf_release(&text);
	return rc;
}

/* Sealed, and then the certificate: without that the next call begins here again. */
static int
import_ca(const struct vault *v, const struct authority_request *q, const struct passphrase *pass,
    struct pair *ca, char **ret_warning, struct err *err)
{
	char *lies = NULL;

	if (read_given(q, pass, ca, &lies, err) == -1) {
		free(lies);
		return err_wrap(err, "cannot take the CA over");
	}
	if (lies != NULL)
		*ret_warning = mem_printf("%s; it was taken over into '%s', so that one is not needed here any more",
		    lies, v->path);
	free(lies);
	return write_key(v, CA_KEY, pass, ca->key, err) == -1 ? -1 : write_x509(v, CA_PEM, ca, err);
}

/* The fleet names one CA, and the directory has another? */
static int
check_imported(const struct vault *v, const struct authority_request *q, const struct pair *ca, struct err *err)
{
	struct pair given = { 0 };
	struct err none;
	int rc = 0;

	/* It may have been taken away since: it is not needed. */
	if (read_ca_file(q->ca_file, true, &given, &none) == 0 && X509_cmp(given.x509, ca->x509) != 0)
		rc = err_set(err, "'%s' is not the CA that was taken over into '%s': name that one, or another "
		    "directory (ca-dir)", q->ca_file, v->path);
	pair_release(&given);
	return rc;
}

/* ---- what is there, and what is made ---- */

static int
settle_own(const struct vault *v, const struct authority_request *q, const struct passphrase *pass,
    struct pair *ca, struct authority_material *m, struct err *err)
{
	char *path = mem_printf("%s/%s", v->path, CA_PEM);
	bool import = q->issuer == AUTHORITY_IMPORTED;
	int has_cert, has_key = 0, rc = -1;
	X509 *made;

	if ((has_cert = read_x509(v, CA_PEM, ca, err)) == -1)
		goto out;
	if (import && has_cert == 0) {
		if ((rc = import_ca(v, q, pass, ca, &m->warning, err)) == 0)
			m->imported = true;
		goto out;
	}
	if ((has_key = read_key(v, CA_KEY, pass, &ca->key, err)) == -1)
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
		else if ((rc = certificate_check_ca(ca->x509, path, q->now_s, err)) == 0 && import)
			rc = check_imported(v, q, ca, err);
		goto out;
	}
	if (has_key == 0 && ((ca->key = key_make(q->profile, err)) == NULL ||
	    write_key(v, CA_KEY, pass, ca->key, err) == -1))
		goto out;
	if ((made = certificate_make_ca(ca->key, q->name, q->now_s, err)) == NULL)
		goto out;
	pair_take_one(ca, made);
	if (write_x509(v, CA_PEM, ca, err) == -1)
		goto out;
	m->made_ca = true;
	rc = 0;
out:
	free(path);
	return rc;
}

static int
settle_ca(const struct vault *v, const struct authority_request *q, const struct passphrase *pass,
    struct pair *ca, struct authority_material *m, struct err *err)
{
	switch (q->issuer) {
	case AUTHORITY_OWN:
	case AUTHORITY_IMPORTED:
		return settle_own(v, q, pass, ca, m, err);
	case AUTHORITY_GIVEN:
		return read_given(q, pass, ca, &m->warning, err);
	case AUTHORITY_COMMAND:
		return read_ca_file(q->ca_file, false, ca, err);
	}
	return -1;
}

/* What stands between the leaf and the CA; for the caller to free, but for what is in it. */
static STACK_OF(X509) *
between(const struct pair *leaf)
{
	STACK_OF(X509) *rest = sk_X509_dup(leaf->all);

	if (rest == NULL)
		abort();
	(void)sk_X509_shift(rest);
	return rest;
}

static int
check_leaf(const struct pair *leaf, const struct pair *ca, const struct authority_request *q, struct err *err)
{
	STACK_OF(X509) *rest = between(leaf);
	int rc = certificate_check_leaf(leaf->x509, rest, ca->all, leaf->key, q->use, q->names, q->nnames, q->now_s, err);

	sk_X509_free(rest);
	return rc;
}

/* Is what is there still what is asked for? */
static bool
leaf_fits(const struct pair *leaf, const struct pair *ca, const struct authority_request *q)
{
	int64_t from_s = certificate_not_before_s(leaf->x509), until_s = certificate_not_after_s(leaf->x509);
	struct err why;

	return key_fits(leaf->key, q->profile) && check_leaf(leaf, ca, q, &why) == 0 &&
	    (q->renew_within_ms == 0 ||
	    until_s - q->now_s > expiry_within_s(from_s, until_s, q->renew_within_ms / 1000));
}

/*
 * What the command signed: ours first, whatever else may be needed behind it. The
 * CA itself is of no use there: who trusts it has it.
 */
static int
ask_command(const struct authority_request *q, const struct pair *ca, struct pair *leaf, struct err *err)
{
	const struct signer s = {
		.argv = q->sign, .in = q->sign_in, .deadline_ms = q->sign_deadline_ms, .stop = q->stop,
	};
	char *request = certificate_request(leaf->key, q->use, q->names, q->nnames, err);
	STACK_OF(X509) *all = NULL;
	struct buf out;
	int i, rc = -1;

	if (request == NULL)
		return -1;
	buf_init(&out, SIGNER_OUT_MAX);
	out.secret = true;	/* it is not ours to know what it prints */
	if (signer_run(&s, request, strlen(request), &out, err) == -1)
		(void)err_wrap(err, "the command that signs, '%s'", q->sign[0]);
	else if ((all = certificates_read(buf_str(&out), out.len, "what the command that signs has printed", err)) != NULL) {
		for (i = sk_X509_num(all) - 1; i > 0; i--)
			if (X509_self_signed(sk_X509_value(all, i), 0) == 1)
				X509_free(sk_X509_delete(all, i));
		pair_take(leaf, all);
		if ((rc = check_leaf(leaf, ca, q, err)) == -1)
			(void)err_wrap(err, "the certificate that the command signed cannot be used");
	}
	buf_release(&out);
	free(request);
	return rc;
}

static int
make_leaf(const struct authority_request *q, const struct pair *ca, struct pair *leaf, struct err *err)
{
	int64_t lives_ms = q->leaf_ms > 0 ? q->leaf_ms : AUTHORITY_LEAF_MS;
	X509 *made;

	if ((leaf->key = key_make(q->profile, err)) == NULL)
		return -1;
	if (q->issuer == AUTHORITY_COMMAND)
		return ask_command(q, ca, leaf, err);
	if ((made = certificate_make_leaf(leaf->key, ca->x509, ca->key, q->use, q->names, q->nnames,
	    q->now_s, lives_ms / 1000, err)) == NULL)
		return -1;
	pair_take_one(leaf, made);
	return 0;
}

static int
settle_leaf(const struct vault *v, const struct leaf_files *f, const struct authority_request *q, const struct passphrase *pass,
    const struct pair *ca, const struct revoked_list *revoked, struct pair *leaf, bool *ret_made, struct err *err)
{
	/* Whatever cannot be read of it is no loss; a file that cannot be replaced will say so. */
	if (read_x509(v, f->pem, leaf, err) == 1 &&
	    read_key(v, f->key, pass, &leaf->key, err) == 1 && leaf_fits(leaf, ca, q) &&
	    revoked_find(revoked, leaf->x509) == NULL)
		return 0;
	pair_release(leaf);
	if (make_leaf(q, ca, leaf, err) == -1 ||
	    write_key(v, f->key, pass, leaf->key, err) == -1 ||
	    write_x509(v, f->pem, leaf, err) == -1)
		return -1;
	*ret_made = true;
	return 0;
}

/* ---- keys that leaked ---- */

static void
give(char **slot, const char *text)
{
	free(*slot);
	*slot = mem_strdup(text);
}

/* By what a certificate of this request is known to the list. */
static const char *
listed_name(const struct authority_request *q)
{
	return q->cert == NULL ? q->name : q->cert;
}

/* What was issued last, if anything: on disk as revoked before anything else follows from it. */
static int
revoke_leaf(const struct vault *v, const struct authority_request *q, struct revoked_list *list, char ret_sha256[65],
    struct err *err)
{
	struct pair leaf = { 0 };
	struct leaf_files f;
	struct revoked *x = NULL;
	bool added = false;
	char *text;
	int rc;

	leaf_files(&f, q->leaf);
	rc = read_x509(v, f.pem, &leaf, err);
	leaf_files_release(&f);
	if (rc == 1) {
		if ((x = revoked_find(list, leaf.x509)) == NULL) {
			text = certificates_pem(leaf.all);
			x = revoked_add(list, leaf.x509, text, listed_name(q), q->now_s);
			give(&x->by, q->by);
			give(&x->reason, q->reason);
			free(text);
			added = true;
		}
		if (q->replace != NULL)
			give(&x->replaced_by, q->replace);
		if ((added || q->replace != NULL) && (rc = revoked_write(v, list, err)) == 0 && added)
			memcpy(ret_sha256, x->sha256, sizeof(x->sha256));
	}
	pair_release(&leaf);
	return rc == -1 ? -1 : 0;
}

/* The signed list is made anew where it lacks one; not by a CA whose key is not here, or that may not. */
static int
settle_crl(const struct vault *v, const struct authority_request *q, const struct pair *ca,
    const struct revoked_list *list, struct err *err)
{
	if (list->n == 0 || ca->key == NULL || !revoked_signable(ca->x509) || revoked_signed(v, list))
		return 0;
	return revoked_sign(v, list, ca->x509, ca->key, q->now_s, err);
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
	if (q->use == CERTIFICATE_OF_CLIENT && q->nnames != 1)
		return err_set(err, "a client's certificate has one name, and %zu are asked for", q->nnames);
	for (i = 0; i < q->nnames; i++)
		if ((q->use == CERTIFICATE_OF_CLIENT ? certificate_check_subject(q->names[i], err) :
		    certificate_check_name(q->names[i], err)) == -1)
			return -1;
	if (q->leaf_ms != 0 && q->leaf_ms < AUTHORITY_LEAF_MS_MIN)
		return err_set(err, "a certificate that lives %lld ms, expected a second at least",
		    (long long)q->leaf_ms);
	if (q->passphrase == NULL || q->passphrase_len == 0)
		return err_set(err, "an empty passphrase protects nothing");
	if (q->passphrase_len > KEY_PASSPHRASE_MAX)
		return err_set(err, "the passphrase is longer than %d bytes", KEY_PASSPHRASE_MAX);
	if (q->issuer != AUTHORITY_OWN && q->ca_file == NULL)
		return err_set(err, "the certificate of the CA that issues is not named");
	if ((q->issuer == AUTHORITY_GIVEN || q->issuer == AUTHORITY_IMPORTED) && q->ca_key_file == NULL)
		return err_set(err, "the key of the CA that issues is not named");
	if (q->issuer == AUTHORITY_COMMAND && (q->sign == NULL || q->sign[0] == NULL))
		return err_set(err, "the command that signs is not named");
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
	has = vault_has(&v, CA_KEY) || vault_has(&v, CA_PEM) || vault_has(&v, LEAF ".key");
	vault_close(&v);
	return has;
}

static int
look(const char *dir, const char *name, char **ret_pem, struct err *err)
{
	struct pair p = { 0 };
	struct vault v;
	int rc;

	if (vault_look(&v, dir, err) == -1)
		return -1;
	if ((rc = read_x509(&v, name, &p, err)) == 0)
		(void)err_set(err, "there is no '%s' in '%s' yet", name, v.path);
	if (rc == 1)
		*ret_pem = certificates_pem(p.all);
	pair_release(&p);
	vault_close(&v);
	return rc == 1 ? 0 : -1;
}

int
authority_ca(const char *dir, char **ret_pem, struct err *err)
{
	return look(dir, CA_PEM, ret_pem, err);
}

int
authority_leaf(const char *dir, const char *leaf, char **ret_pem, struct err *err)
{
	struct leaf_files f;
	int rc;

	leaf_files(&f, leaf);
	rc = look(dir, f.pem, ret_pem, err);
	leaf_files_release(&f);
	return rc;
}

int64_t
authority_leaf_ms(const char *dir, const char *leaf)
{
	struct leaf_files f;
	struct stat st;
	char *path;
	int rc;

	leaf_files(&f, leaf);
	path = mem_printf("%s/%s", dir, f.pem);
	rc = stat(path, &st);
	leaf_files_release(&f);
	free(path);
	return rc == 0 ? (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000 : 0;
}

int
authority_ensure(const struct authority_request *q, struct authority_material *ret, struct err *err)
{
	const struct passphrase pass = { q->passphrase, q->passphrase_len };
	struct authority_material m = { 0 };
	struct revoked_list revoked = { NULL, 0 };
	struct pair ca = { 0 }, leaf = { 0 };
	struct leaf_files f;
	struct vault v;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (check(q, err) == -1 || vault_open(&v, q->dir, err) == -1)
		return -1;
	leaf_files(&f, q->leaf);
	vault_tidy(&v, CA_KEY);
	vault_tidy(&v, CA_PEM);
	vault_tidy(&v, f.key);
	vault_tidy(&v, f.pem);
	vault_tidy(&v, REVOKED_FILE);
	vault_tidy(&v, REVOKED_CRL);
	if (settle_ca(&v, q, &pass, &ca, &m, err) == 0 &&
	    revoked_read(&v, &revoked, err) == 0 &&
	    (q->replace == NULL || revoked_for(&revoked, listed_name(q), q->replace) != NULL ||
	    revoke_leaf(&v, q, &revoked, m.revoked_sha256, err) == 0) &&
	    settle_crl(&v, q, &ca, &revoked, err) == 0 &&
	    settle_leaf(&v, &f, q, &pass, &ca, &revoked, &leaf, &m.made_leaf, err) == 0 &&
	    check_leaf(&leaf, &ca, q, err) == 0 &&
	    key_pem(leaf.key, &m.key_pem, &m.key_len, err) == 0) {
		m.ca_pem = certificates_pem(ca.all);
		m.leaf_pem = certificates_pem(leaf.all);
		m.leaf_not_after_s = certificate_not_after_s(leaf.x509);
		*ret = m;
		rc = 0;
	} else {
		memcpy(ret->revoked_sha256, m.revoked_sha256, sizeof(ret->revoked_sha256));	/* that stays so */
		free(m.warning);
	}
	pair_release(&leaf);
	pair_release(&ca);
	revoked_list_release(&revoked);
	vault_close(&v);
	leaf_files_release(&f);
	return rc;
}

int
authority_open(const struct authority_request *q, struct authority_material *ret, struct err *err)
{
	const struct passphrase pass = { q->passphrase, q->passphrase_len };
	struct revoked_list revoked = { NULL, 0 };
	struct pair ca = { 0 }, leaf = { 0 };
	struct leaf_files f;
	struct vault v;
	int rc = -1;

	memset(ret, 0, sizeof(*ret));
	if (vault_look(&v, q->dir, err) == -1)
		return -1;
	leaf_files(&f, q->leaf);
	if (read_x509(&v, f.pem, &leaf, err) == -1 || revoked_read(&v, &revoked, err) == -1 ||
	    (leaf.x509 != NULL && read_key(&v, f.key, &pass, &leaf.key, err) == -1))
		rc = -1;
	else if (leaf.x509 == NULL || leaf.key == NULL)
		(void)err_set(err, "there is no '%s' with its key in '%s' yet", f.pem, v.path);
	else if (revoked_find(&revoked, leaf.x509) != NULL)
		(void)err_set(err, "'%s' in '%s' was revoked", f.pem, v.path);
	else if (!certificate_is_of(leaf.x509, leaf.key))
		(void)err_set(err, "'%s' and '%s' in '%s' do not belong together", f.pem, f.key, v.path);
	else if ((rc = key_pem(leaf.key, &ret->key_pem, &ret->key_len, err)) == 0) {
		ret->leaf_pem = certificates_pem(leaf.all);
		ret->leaf_not_after_s = certificate_not_after_s(leaf.x509);
		if (read_x509(&v, CA_PEM, &ca, err) == 1)
			ret->ca_pem = certificates_pem(ca.all);
	}
	pair_release(&leaf);
	pair_release(&ca);
	revoked_list_release(&revoked);
	vault_close(&v);
	leaf_files_release(&f);
	return rc;
}

int
authority_revoke(const struct authority_request *q, char ret_sha256[65], struct err *err)
{
	const struct passphrase pass = { q->passphrase, q->passphrase_len };
	struct authority_material m = { 0 };
	struct revoked_list revoked = { NULL, 0 };
	struct pair ca = { 0 };
	struct leaf_files f;
	struct vault v;
	int rc = -1;

	ret_sha256[0] = '\0';
	if (check(q, err) == -1 || vault_open(&v, q->dir, err) == -1)
		return -1;
	vault_tidy(&v, REVOKED_FILE);
	vault_tidy(&v, REVOKED_CRL);
	leaf_files(&f, q->leaf);
	if (!vault_has(&v, f.pem))
		(void)err_set(err, "nothing was issued into '%s' yet", v.path);
	else if (settle_ca(&v, q, &pass, &ca, &m, err) == 0 && revoked_read(&v, &revoked, err) == 0 &&
	    revoke_leaf(&v, q, &revoked, ret_sha256, err) == 0)
		rc = settle_crl(&v, q, &ca, &revoked, err);
	free(m.warning);
	revoked_list_release(&revoked);
	pair_release(&ca);
	vault_close(&v);
	leaf_files_release(&f);
	return rc;
}

int
authority_revoked(const char *dir, struct revoked_list *ret, char **ret_crl, struct err *err)
{
	struct vault v;
	int rc;

	memset(ret, 0, sizeof(*ret));
	*ret_crl = NULL;
	/* No directory yet: nothing was revoked. */
	if (vault_look(&v, dir, err) == -1)
		return 0;
	rc = revoked_read(&v, ret, err);
	if (rc == 0 && ret->n > 0 && revoked_signed(&v, ret))
		*ret_crl = mem_printf("%s/%s", v.path, REVOKED_CRL);
	vault_close(&v);
	return rc;
}

void
authority_material_release(struct authority_material *m)
{
	free(m->ca_pem);
	free(m->leaf_pem);
	free(m->warning);
	mem_wipe_free(m->key_pem, m->key_len);
	memset(m, 0, sizeof(*m));
}
