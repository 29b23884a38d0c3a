/*
 * authority: a certificate authority of our own, and the server certificates
 * that it issues.  All of it blocks (key generation, scrypt): it runs on the
 * console's thread, never in a worker.
 *
 * A directory (0700) holds it: ca.pem; ca.key, PKCS#8 encrypted with scrypt (N=16384, r=8,
 * p=1: OpenSSL's default PBKDF2 with 2048 rounds is weak); leaf.pem; leaf.key,
 * encrypted the same way.  No private key is ever on disk in the clear, not
 * for a moment.  Files are written beside and renamed, fsynced, 0600.
 *
 * What is there and valid is kept: asking twice gives the same certificate.
 */
#ifndef BELAY_PKI_AUTHORITY_H
#define BELAY_PKI_AUTHORITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

struct authority_request {
	const char *dir;
	const char *name;		/* of the CA, in its subject */
	const char *profile;		/* "ecdsa-p256" or "rsa-4096"; NULL: the first */
	const char *const *names;	/* every name and address that clients dial; DNS or IP by form */
	size_t	 nnames;
	int64_t	 leaf_ms;		/* 0: 90 days; the CA lives 10 years */
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

/* Is there a CA in this directory already?  (A new one's passphrase is asked for twice.) */
bool	authority_exists(const char *dir);
/* The CA's certificate, which needs no passphrase; -1 where there is none. */
int	authority_ca(const char *dir, char **ret_pem, struct err *);
/*
 * Makes what is missing: the CA; the leaf where there is none, where it lacks a name, has
 * expired or is not of this CA.  A wrong passphrase says so.
 */
int	authority_ensure(const struct authority_request *, struct authority_material *ret, struct err *);
void	authority_material_release(struct authority_material *);	/* wipes the key */

#endif
