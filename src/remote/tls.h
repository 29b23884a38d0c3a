/*
 * tls: an OpenSSL client as a stream over a stream.
 *
 * Made to look, not to trust: the handshake is completed with whatever
 * certificate is presented, and what was met is reported apart: the chain
 * against the CA given, and each name by itself.  Who sends a secret over such a stream asks
 * tls_facts() first.
 *
 * What counts as verified: X509_verify_cert() for the purpose of a TLS server
 * said yes against this CA alone (no system store).  Names by
 * X509_check_host()/X509_check_ip(): subject alternative names only, never the
 * common name, no partial wildcards.  Revocation is not considered.
 */
#ifndef BELAY_REMOTE_TLS_H
#define BELAY_REMOTE_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/reading.h"
#include "remote/stream.h"

struct err;

/* What is trusted: one SSL_CTX, shared by every handshake against the same CA. */
struct tls_trust;

/* Is the certificate with this SHA-256 among those of the PEM? */
bool	tls_pem_has(const char *pem, size_t len_bytes, const char *sha256);

/* From PEM certificates; pem NULL trusts nothing, and says "not tried" of every chain. */
struct tls_trust *tls_trust_new(const char *pem, size_t len_bytes, struct err *);
void	tls_trust_free(struct tls_trust *);	/* streams made with it live on */
/*
 * A key and its certificates in PEM are shown to whoever asks for a client certificate: before
 * the first stream is made with it.  Nothing keeps the text.
 */
int	tls_trust_show(struct tls_trust *, const char *pem, size_t len_bytes, struct err *);

struct tls_facts {
	char	*protocol, *cipher;	/* NULL until the handshake is through */
	struct certificate cert;
	enum verified chain;
	char	*chain_why;		/* for anything but VERIFIED_OK */
	char	 ca_sha256[65];		/* of VERIFIED_OK: the CA that the chain ends at */
	bool	 client_cert_asked;
};

/* Why a TLS stream ended. */
enum tls_fault {
	TLS_FINE,		/* it was ended, or not at all */
	TLS_ALERT,		/* the far side said no, in TLS */
	TLS_NOT_TLS,		/* the far side answered, but not in TLS */
	TLS_CUT,		/* the far side ended in the middle of the handshake */
	TLS_BROKEN		/* we could not go on: no common protocol, garbage, too much of it */
};

/*
 * Takes `inner` over.  `open`: it is open already (else the handshake begins
 * with its `opened`).  The stream's `opened` comes when the handshake is
 * through; under TLS 1.3 the server may still refuse after that (a missing client
 * certificate), so only an answer in the protocol above proves the way open.
 * Failure to begin is told by `closed`, as all else.  server_name goes into
 * the hello where it is a DNS name; NULL for none.
 */
struct stream *tls_over(struct stream *inner, bool open, const struct tls_trust *,
	    const char *server_name, const struct stream_events *, void *arg);

/*
 * The same to see what the far side takes: one version and no other, and only these ciphers,
 * however weak.  Nothing is to be said over such a stream.
 */
struct tls_offer {
	bool	 only;
	int	 version;		/* 0 … 3: TLS 1.0 … 1.3 */
	const char *ciphers, *suites;	/* OpenSSL's lists, up to TLS 1.2 and of 1.3; NULL: as ever */
};
struct stream *tls_offering(struct stream *inner, bool open, const struct tls_trust *,
	    const char *server_name, const struct tls_offer *, const struct stream_events *, void *arg);

/* For the stream of tls_over() only; valid until the end of its `closed` event. */
const struct tls_facts *tls_facts(const struct stream *);
enum tls_fault tls_fault(const struct stream *);
/* Was the connection underneath opened, and the hello sent? */
bool	tls_reached(const struct stream *);
/* Is the name (DNS or numeric address) covered by the certificate presented? */
enum verified tls_covers(const struct stream *, const char *name);
/* The same of somebody else's SSL (pq_tls()); cn: the common name counts where there is no DNS name, as many drivers have it. */
enum verified tls_session_covers(void *ssl, const char *name, bool cn);
/* Did its server ask for a client certificate, in a handshake that is through? */
bool	tls_session_asked(void *ssl);
/* Hands the facts over to the caller, who releases them. */
void	tls_take_facts(struct stream *, struct tls_facts *ret);

#endif
