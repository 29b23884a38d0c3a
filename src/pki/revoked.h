/*
 * revoked: what a CA's certificates are no longer good for: those whose keys
 * leaked, kept beside the CA for good, and the list (CRL, RFC 5280) that it signs
 * of them.
 *
 * In the CA's directory (vault.h): `revoked`, a line for each, written whole
 * before anything follows from it; and ca.crl, in PEM, as whoever verifies with
 * one reads it (openssl(1), libpq's sslcrl, PostgreSQL's ssl_crl_file).  A list is
 * a file that is put somewhere, and is replaced when there is more to say: so it
 * does not end before its CA does (its nextUpdate), since whoever verifies with one that
 * has ended refuses everybody.
 */
#ifndef BELAY_PKI_REVOKED_H
#define BELAY_PKI_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "core/revoked.h"

struct err;
struct vault;

#define REVOKED_FILE "revoked"
#define REVOKED_CRL "ca.crl"
#define REVOKED_MAX 256		/* of one CA */

/* 0, also where there is none; -1: there is a file that cannot be used, and it says so.  *ret is zeroed first. */
int	revoked_read(const struct vault *, struct revoked_list *ret, struct err *);
int	revoked_write(const struct vault *, const struct revoked_list *, struct err *);

/* The entry of this certificate, or NULL. */
struct revoked *revoked_find(const struct revoked_list *, const X509 *);
/*
 * Adds the certificate; `text` is its file's, as it may have been installed.  name: of the
 * certificate in the fleet.
 */
struct revoked *revoked_add(struct revoked_list *, X509 *, const char *text, const char *name, int64_t now_s);

/* May this CA sign such a list?  Some of somebody else's may not. */
bool	revoked_signable(X509 *ca);
/* Signs the list and writes it. */
int	revoked_sign(const struct vault *, const struct revoked_list *, X509 *ca, EVP_PKEY *key, int64_t now_s, struct err *);
/* Does the list that lies there name each of them? */
bool	revoked_signed(const struct vault *, const struct revoked_list *);

#endif
