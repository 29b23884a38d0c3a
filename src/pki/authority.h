/*
 * authority: a certificate authority, ours or somebody else's, and the server
 * certificates that it issues.  All of it blocks (key generation, scrypt,
 * waiting for another process, or for a command that signs): it runs on a thread of the
 * console, never in a worker.
 *
 * A directory (0700) holds it: ca.pem; ca.key, PKCS#8 encrypted with scrypt
 * (key.h has the cost: OpenSSL's default, PBKDF2 with 2048 rounds, is weak);
 * leaf.pem, with what stands between it and the CA behind it; leaf.key,
 * encrypted the same way.  Other certificates that the same CA signs lie beside
 * them, as leaf-NAME.pem and leaf-NAME.key.  No private key is ever on disk in the clear, not
 * for a moment.  Files are written beside and renamed, fsynced, 0600.
 *
 * What is there and valid is kept: asking twice gives the same certificate.
 * The CA is never replaced by itself; one that has expired, has lost its key
 * or is damaged is an error which says what to do.  Nothing is given out that
 * was not checked (certificate_check_leaf()).
 *
 * A leaf whose key leaked is revoked, and is never given out again: revoked.h has what is
 * kept of it.
 */
#ifndef BELAY_PKI_AUTHORITY_H
#define BELAY_PKI_AUTHORITY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pki/certificate.h"

struct err;
struct revoked_list;

#define AUTHORITY_LEAF_MS ((int64_t)90 * 86400 * 1000)
#define AUTHORITY_LEAF_MS_MIN ((int64_t)1000)

/* Whose CA signs. */
enum authority_issuer {
	AUTHORITY_OWN,		/* one in `dir`, made where there is none */
	AUTHORITY_IMPORTED,	/* the same, taken over from ca_file and ca_key_file where there is none */
	AUTHORITY_GIVEN,	/* ca_file and ca_key_file, where they lie; no copy is made */
	AUTHORITY_COMMAND	/* a command signs what was asked for; clients trust what is in ca_file */
};

struct authority_request {
	const char *dir;		/* made where it is missing, its parent is not */
	const char *leaf;		/* which of its certificates: a name for files, or NULL: the CA's own */
	enum certificate_use use;
	const char *name;		/* of the CA, whose subject is "NAME CA" */
	const char *profile;		/* "ecdsa-p256" or "rsa-4096"; NULL: the first */
	const char *const *names;	/* every name and address that clients dial, DNS or IP by form; a client's one name */
	size_t	 nnames;
	int64_t	 leaf_ms;		/* 0: 90 days; the CA lives 10 years, and no leaf outlives it */
	int64_t	 renew_within_ms;	/* one with less left than this, and than a third of its life, is made anew; 0: kept to its end */
	int64_t	 now_s;			/* since 1970 */
	const char *passphrase;
	size_t	 passphrase_len;
	enum authority_issuer issuer;
	const char *ca_file, *ca_key_file;
	const char *const *sign;	/* COMMAND: its words, ending with NULL; see signer.h */
	const char *sign_in;
	int64_t	 sign_deadline_ms;
	const atomic_bool *stop;	/* true: a command is killed; or NULL */
	/*
	 * Its key leaked: what was issued last is revoked, and another made at once, whatever days it
	 * has left.  "RUN/STEP": once for each such word and certificate, however often it is asked; NULL: no.
	 */
	const char *replace;
	const char *cert;		/* its name in the fleet */
	const char *by, *reason;	/* who revokes it, and why */
};

struct authority_material {
	char	*ca_pem;		/* what clients have to trust; may be several */
	char	*leaf_pem;		/* and what stands between it and the CA */
	char	*warning;		/* about the file of the CA's key, or NULL */
	char	*key_pem;		/* PKCS#8 in the clear: memory only */
	size_t	 key_len;
	bool	 made_ca, made_leaf;
	bool	 imported;		/* the CA, just now */
	int64_t	 leaf_not_after_s;
	char	 revoked_sha256[65];	/* what was revoked just now, or "" */
};

/*
 * Is there a CA in this directory already, or at least its key?  (A new one's
 * passphrase is asked for twice.)
 */
bool	authority_exists(const char *dir);
/* The CA's certificate, which needs no passphrase; -1 where there is none. */
int	authority_ca(const char *dir, char **ret_pem, struct err *);
/* What was issued last, with what stands between; likewise. */
int	authority_leaf(const char *dir, const char *leaf, char **ret_pem, struct err *);
int64_t	authority_leaf_ms(const char *dir, const char *leaf);	/* when it was written there, since the epoch; 0: there is none */
/*
 * What was revoked of this CA, which needs no passphrase; *ret_crl: the file of its list, for the
 * caller to free, or NULL where there is none that names them all.
 */
int	authority_revoked(const char *dir, struct revoked_list *ret, char **ret_crl, struct err *);
/*
 * The key of a CA that lies about: what is wrong with how it does, for the caller to
 * free; NULL: nothing, as far as it can be looked at.
 */
char	*authority_key_lies(const char *path);
/*
 * Makes what is missing: the CA; the leaf where there is none, where it lacks a name, has
 * expired, is not of this CA, has a key of another profile or does not fit its key.  A leaf
 * that has more names than these is kept.  A wrong passphrase says so.  *ret is
 * zeroed first: releasing it is fine after a failure.
 */
int	authority_ensure(const struct authority_request *, struct authority_material *ret, struct err *);
/*
 * Opens what was issued last and makes nothing, whatever is wrong with it but that it was
 * revoked; the CA's key stays shut.  Of the request dir, leaf and passphrase count.
 */
int	authority_open(const struct authority_request *, struct authority_material *ret, struct err *);
/*
 * Revokes what was issued last, and signs the list anew; makes nothing else.  Twice is the same as
 * once.  ret_sha256: "" where it was revoked already.
 */
int	authority_revoke(const struct authority_request *, char ret_sha256[65], struct err *);
void	authority_material_release(struct authority_material *);	/* wipes the key */

#endif
