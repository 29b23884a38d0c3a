/*
 * authority: a certificate authority of our own, and the server certificates
 * that it issues.  All of it blocks (key generation, scrypt, waiting for
 * another process): it runs on the console's thread, never in a worker.
 *
 * A directory (0700) holds it: ca.pem; ca.key, PKCS#8 encrypted with scrypt (N=16384, r=8,
 * p=1: OpenSSL's default PBKDF2 with 2048 rounds is weak); leaf.pem; leaf.key,
 * encrypted the same way.  No private key is ever on disk in the clear, not
 * for a moment.  Files are written beside and renamed, fsynced, 0600.
 *
 * What is there and valid is kept: asking twice gives the same certificate.
 * The CA is never replaced by itself; one that has expired, has lost its key
 * or is damaged is an error which says what to do.
 */
#ifndef BELAY_PKI_AUTHORITY_H
#define BELAY_PKI_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define AUTHORITY_LEAF_MS ((int64_t)90 * 86400 * 1000)
#define AUTHORITY_LEAF_MS_MIN ((int64_t)1000)

struct authority_request {
	const char *dir;		/* made where it is missing, its parent is not */
	const char *name;		/* of the CA, whose subject is "NAME CA" */
	const char *profile;		/* "ecdsa-p256" or "rsa-4096"; NULL: the first */
	const char *const *names;	/* every name and address that clients dial; DNS or IP by form */
	size_t	 nnames;
	int64_t	 leaf_ms;		/* 0: 90 days; the CA lives 10 years, and no leaf outlives it */
	int64_t	 now_s;			/* since 1970 */
	const char *passphrase;
	size_t	 passphrase_len;
};

struct authority_material {
	char	*ca_pem, *leaf_pem, *key_pem;	/* key_pem is PKCS#8 in the clear: memory only */
	size_t	 key_len;
	bool	 made_ca, made_leaf;
	int64_t	 leaf_not_after_s;
};

/*
 * Is there a CA in this directory already, or at least its key?  (A new one's
 * passphrase is asked for twice.)
 */
bool	authority_exists(const char *dir);
/* The CA's certificate, which needs no passphrase; -1 where there is none. */
int	authority_ca(const char *dir, char **ret_pem, struct err *);
/*
 * Makes what is missing: the CA; the leaf where there is none, where it lacks a name, has
 * expired, is not of this CA, has a key of another profile or does not fit its key.  A leaf
 * that has more names than these is kept.  A wrong passphrase says so.  *ret is
 * zeroed first: releasing it is fine after a failure.
 */
int	authority_ensure(const struct authority_request *, struct authority_material *ret, struct err *);
void	authority_material_release(struct authority_material *);	/* wipes the key */

#endif
