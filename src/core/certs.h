/*
 * certs: what there is of certificates, as one table: what each endpoint
 * presents and how long that is good for, against what was issued; what each
 * CA is, and who trusts it.  Pure; `belay certs` in all its forms and the console's page
 * say these numbers.
 */
#ifndef BELAY_CORE_CERTS_H
#define BELAY_CORE_CERTS_H

#include "core/board.h"
#include "core/expiry.h"
#include "core/revoked.h"

/* A certificate that lies in a file here: one that was issued, or a CA's. */
struct issued {
	char	*subject, *issuer;	/* may hold bytes of whoever signed it */
	char	*names;			/* "db.internal, 10.0.0.7", or "" */
	int64_t	 not_before_s, not_after_s;	/* since 1970 */
	char	 sha256[65];		/* "": there is none; then `why` may say more */
};

/* Of one certificate of the fleet. */
struct cert_files {
	struct issued leaf, ca;
	char	*why;		/* why the CA is not known though it should be, or NULL */
	char	*lies;		/* what is wrong with how the CA's key lies, or NULL */
	struct revoked_list revoked;	/* by its CA, under whatever name */
	char	*crl;		/* the file of the list that the CA signed, or NULL */
	char	*crl_why;	/* why there is none though something was revoked, or what is wrong; or NULL */
};
void	cert_files_release(struct cert_files *);

enum cert_match {
	MATCH_UNKNOWN,		/* nothing was issued here, or nothing was seen */
	MATCH_SAME,		/* what was issued last is what is presented */
	MATCH_OTHER		/* another one is: not installed yet, or not taken over */
};
const char *cert_match_word(enum cert_match);

/*
 * Of what is presented, with what it rests on: the worst warning, and when the first of
 * them ends.
 */
enum expiry certs_expiry(const struct certificate *, int64_t now_s, int64_t warn_s, int64_t *ret_ends_s);

/* An endpoint, and what it presents. */
struct cert_row {
	int	 endpoint;
	int	 cert;			/* the fleet's that is meant to be there, or NONE */
	const struct certificate *c;	/* as presented; NULL: none was seen */
	bool	 tls;			/* false: it does not speak TLS, as far as it was seen */
	enum expiry expiry;		/* with c */
	int64_t	 ends_s, days;		/* with c: of the first that it rests on */
	enum cert_match match;
	const char *revoked;		/* what is presented was: "revoked by …"; or NULL */
	bool	 wrong;			/* something is not as it should be: `why` */
	char	 why[512];		/* in words, or ""; may hold remote bytes */
};

/* files: by certificate of the fleet, or NULL where nobody has looked. */
void	certs_row(struct cert_row *ret, const struct fleet *, const struct board *, const struct cert_files *const *files,
	    int endpoint, int64_t now_ms, int64_t stale_ms);
/* How long the CA that clients trust for this certificate is good for; false: it is not known. */
bool	certs_ca(const struct cert_files *, int64_t now_s, enum expiry *ret, int64_t *ret_days);

enum trust_basis {
	TRUST_NOT,		/* it does not trust this CA, as far as is known */
	TRUST_DECLARED,		/* the fleet means it to */
	TRUST_SEEN		/* its file holds this CA */
};
/* Does this link's client trust the CA of this certificate? */
enum trust_basis certs_trust(const struct fleet *, const struct posture *seen, int link, int cert);

/*
 * Who would still take a revoked certificate, until it ends: whoever trusts its CA, since no client of a fleet is
 * known to look at a list; and whoever does not verify and dials what it serves, who would take any.
 */
enum revoked_taken {
	TAKEN_NOT, TAKEN_BY_TRUST, TAKEN_UNVERIFIED
};
enum revoked_taken certs_taken(const struct fleet *, const struct posture *seen, int link, int cert);

/*
 * Of a client's certificate, by its files: how long what was issued last is good for.  False: it is a
 * server's, nothing was issued, or nobody shows it as far as is seen (links by their hosts' files; belay
 * itself at an endpoint).
 */
bool	certs_client(const struct fleet *, const struct board *, const struct cert_files *, int cert, int64_t now_s,
	    enum expiry *, int64_t *ret_days);
/* Does the link show it: as its host's files say, or, where they were not read, as it is declared? */
bool	certs_shows(const struct fleet *, const struct board *, int link, int cert);

/* The worst of all that: of rows, CAs, and what clients show. */
struct certs_worst {
	enum expiry expiry;
	bool	 revoked;	/* one that was is presented */
	bool	 wrong;
};
void	certs_worst(struct certs_worst *ret, const struct fleet *, const struct board *,
	    const struct cert_files *const *files, int64_t now_ms, int64_t stale_ms);

#endif
