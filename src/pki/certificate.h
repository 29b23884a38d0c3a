/*
 * certificate: X.509 certificates (RFC 5280), made, asked for, read and judged.
 *
 * A CA lives 10 years and signs server certificates only (pathlen 0).  All
 * begin five minutes before they are made, since the clocks of the hosts are
 * not ours.  Serials are 128 random bits.
 */
#ifndef BELAY_PKI_CERTIFICATE_H
#define BELAY_PKI_CERTIFICATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

struct issued;
struct err;

#define CERTIFICATE_CA_S ((int64_t)3652 * 86400)	/* 10 years with their leap days */
#define CERTIFICATE_BACK_S ((int64_t)300)
#define CERTIFICATE_NAME_MAX 61		/* bytes; " CA" follows, and X.520 has 64 */
#define CERTIFICATE_CHAIN_MAX 8		/* certificates in one file */

/* Whom a certificate is for: whoever is dialled by its names, or a client, whose one name is its common name. */
enum certificate_use { CERTIFICATE_OF_SERVER, CERTIFICATE_OF_CLIENT };
#define CERTIFICATE_SUBJECT_MAX 64	/* bytes of a common name (X.520) */

struct stack_st_X509;		/* STACK_OF(X509) */

/*
 * Can a certificate be made for this name?  An address (as inet_pton(3) reads
 * it) becomes an IP name, everything else a DNS name: labels of letters,
 * digits, `-` and `_`, the first of them may be `*`.
 */
int	certificate_check_name(const char *name, struct err *);
/* Can a client have this name?  Printable ASCII, as servers compare it with a role's. */
int	certificate_check_subject(const char *name, struct err *);

/* Its subject is "NAME CA", so that no server's name can be equal to it. */
X509	*certificate_make_ca(EVP_PKEY *, const char *name, int64_t now_s, struct err *);
/*
 * A certificate for all the names (a client has one), by this CA; it does not outlive the
 * CA.  It is verified before it is given out.
 */
X509	*certificate_make_leaf(EVP_PKEY *, X509 *ca, EVP_PKEY *ca_key, enum certificate_use, const char *const *names,
	    size_t nnames, int64_t now_s, int64_t lives_s, struct err *);
/*
 * A request (PKCS#10, PEM) for such a one, to a CA that is not ours to sign by; for the
 * caller to free.  NULL where it cannot be made.
 */
char	*certificate_request(EVP_PKEY *, enum certificate_use, const char *const *names, size_t nnames, struct err *);

/*
 * The certificates of a PEM file, at most CERTIFICATE_CHAIN_MAX, in their order; at least
 * one.  What else the file holds is passed over; `path` only names it in messages.
 */
struct stack_st_X509 *certificates_read(const char *pem, size_t len_bytes, const char *path, struct err *);
void	certificates_free(struct stack_st_X509 *);
/* What people want to know of the first of a PEM file; *ret is released by the caller on success. */
int	certificate_look(const char *pem, size_t len_bytes, const char *path, struct issued *ret, struct err *);
/*
 * Of the first certificate of a PEM file, which a server presents as its own:
 * the SHA-256 of its public key, and from when until when it is valid.
 */
int	certificate_first(const char *pem, size_t len_bytes, char ret_public_sha[65], int64_t *ret_not_before_s,
	    int64_t *ret_not_after_s, struct err *);
/*
 * Of a text with a certificate in PEM, and perhaps a public key: the certificate's SHA-256,
 * when it ends, and whether they belong together (*ret_pair: 1, 0; -1 where there is no key).
 */
int	certificate_on_disk(const char *text, size_t len_bytes, char ret_sha256[65], int64_t *ret_not_after_s,
	    int *ret_pair, struct err *);
/* "2026-11-23", in UTC; returns ret. */
#define CERTIFICATE_DAY_SIZE 32
const char *certificate_day(char ret[CERTIFICATE_DAY_SIZE], int64_t at_s);
/* For the caller to free; nothing but the certificate itself is in it. */
char	*certificate_pem(X509 *);
char	*certificates_pem(const struct stack_st_X509 *);

bool	certificate_has_name(const X509 *, const char *name);
/* Does a client that dials this name take it for the one?  A wildcard counts, a subject does not. */
bool	certificate_covers(X509 *, const char *name);
bool	certificate_is_of(X509 *, EVP_PKEY *);
int64_t	certificate_not_before_s(const X509 *);
int64_t	certificate_not_after_s(const X509 *);
/* May it sign others now?  `path` only names it in messages. */
int	certificate_check_ca(X509 *, const char *path, int64_t now_s, struct err *);
/* Does whoever trusts this CA alone take it for a server's, or a client's, now? */
int	certificate_verify(X509 *, X509 *ca, enum certificate_use, int64_t now_s, struct err *);
/*
 * What has to hold before it is given to anybody: it is of this key, valid now (or within five minutes), for that use by
 * its purpose, leads by what stands between to one of these CAs, and covers every name.
 * The message says which does not.
 */
int	certificate_check_leaf(X509 *, const struct stack_st_X509 *between, const struct stack_st_X509 *cas,
	    EVP_PKEY *, enum certificate_use, const char *const *names, size_t nnames, int64_t now_s, struct err *);

#endif
