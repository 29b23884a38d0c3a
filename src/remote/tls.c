/*
 * tls: see tls.h.
 *
 * Owns the SSL object and its two memory BIOs: what the inner stream brings
 * goes into one, what OpenSSL wants to send is drained from the other after
 * every call.  Invariants: facts.chain is VERIFIED_OK only where
 * X509_verify_cert() returned 1 with no error for this very handshake;
 * events are emitted only from the inner stream's events; after the last one
 * the memory goes when the callback that is running returns.
 *
 * It does not judge: whether a bad chain matters is the caller's.
 */
#include "remote/tls.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "pki/certificate.h"
#include "pki/key.h"
#include "pki/openssl.h"

/* A handshake that brings more than this is a bomb; OpenSSL's own cap on the chain is 100 KiB. */
#define HANDSHAKE_MAX	((size_t)256 << 10)
#define SUBJECT_MAX	READING_STRING_MAX
/*
 * What is taken for strong enough, in bits, whatever the system's OpenSSL is set to: RSA
 * from 2048, SHA-2, P-224 (NIST SP 800-57; OpenSSL's level 2).  The connection itself may be
 * of level 1, so that what is weaker is seen, and said.
 */
#define STRONG_LEVEL	2
#define STRONG_BITS	112
#define SEEN_LEVEL	1

struct tls_trust {
	SSL_CTX	*ctx;
	bool	 known;		/* a CA is in it */
};

struct tls {
	struct stream base;	/* first: a struct stream * is a struct tls * */
	struct stream *inner;	/* NULL once it is gone */
	SSL	*ssl;
	BIO	*in, *out;	/* owned by ssl */
	X509	*peer;
	struct tls_facts facts;
	enum tls_fault fault;
	size_t	 fed;		/* bytes of the handshake so far */
	int64_t	 ends_s;	/* of the chain as verified: when the first of it ends */
	char	*ends_who;	/* NULL: the server's own certificate does */
	bool	 trust_known;
	bool	 reached;
	bool	 ready;
	bool	 dead;		/* closed by its owner, or told its end */
	int	 busy;		/* inside callbacks of the inner stream */
};

/* --- trust --------------------------------------------------------------- */

/* The oldest of OpenSSL's pending errors, in words. */
static const char *
openssl_says(char *ret, size_t size_bytes)
{
	unsigned long code = ERR_get_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);

	ERR_clear_error();
	if (reason != NULL)
		(void)snprintf(ret, size_bytes, "%s", reason);
	else if (code != 0)
		ERR_error_string_n(code, ret, size_bytes);
	else
		(void)snprintf(ret, size_bytes, "OpenSSL does not say why");
	return ret;
}

static int64_t seconds_since_1970(const ASN1_TIME *);

/* The first of them that ends; *ret_who stays NULL where that is the server's own. */
static void
first_to_end(STACK_OF(X509) *chain, int64_t *ret_s, char **ret_who)
{
	int i, n = chain == NULL ? 0 : sk_X509_num(chain);

	free(*ret_who);
	*ret_who = NULL;
	for (i = 0; i < n; i++) {
		X509 *x = sk_X509_value(chain, i);
		int64_t s = seconds_since_1970(X509_get0_notAfter(x));

		if (i > 0 && s >= *ret_s)
			continue;
		*ret_s = s;
		free(*ret_who);
		*ret_who = i == 0 ? NULL : openssl_name_text(X509_get_subject_name(x), SUBJECT_MAX);
	}
}

bool
tls_pem_has(const char *pem, size_t len_bytes, const char *sha256)
{
	char is[65];
	bool found = false;
	BIO *bio;
	X509 *x;

	if (len_bytes == 0 || len_bytes > INT32_MAX || sha256[0] == '\0')
		return false;
	if ((bio = BIO_new_mem_buf(pem, (int)len_bytes)) == NULL)
		abort();
	while (!found && (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		openssl_sha256(x, is);
		found = strcmp(is, sha256) == 0;
		X509_free(x);
	}
	BIO_free(bio);
	ERR_clear_error();
	return found;
}

/*
 * Called instead of OpenSSL's own verification.  Asks it, writes the answer
 * down, and lets the handshake go on: the certificate is to be shown.
 */
static int
verify_and_go_on(X509_STORE_CTX *store, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *tls = SSL_get_app_data(ssl);
	STACK_OF(X509) *chain;
	int rc, code;

	(void)arg;
	tls->facts.ca_sha256[0] = '\0';
	free(tls->facts.chain_why);
	tls->facts.chain_why = NULL;
	if (!tls->trust_known) {
		tls->facts.chain = VERIFIED_NOT_TRIED;
		tls->facts.chain_why = mem_strdup("no CA is known for it");
		return 1;
	}
	X509_VERIFY_PARAM_set_auth_level(X509_STORE_CTX_get0_param(store), STRONG_LEVEL);
	rc = X509_verify_cert(store);
	code = X509_STORE_CTX_get_error(store);
	if (rc == 1 && code == X509_V_OK) {
		tls->facts.chain = VERIFIED_OK;
		first_to_end(X509_STORE_CTX_get0_chain(store), &tls->ends_s, &tls->ends_who);
		chain = X509_STORE_CTX_get0_chain(store);
		if (sk_X509_num(chain) > 0)
			openssl_sha256(sk_X509_value(chain, sk_X509_num(chain) - 1), tls->facts.ca_sha256);
	} else {
		tls->facts.chain = VERIFIED_BAD;
		tls->facts.chain_why = mem_strdup(X509_verify_cert_error_string(
		    code == X509_V_OK ? X509_V_ERR_UNSPECIFIED : code));
	}
	ERR_clear_error();
	return 1;
}

/* The server asked for a client certificate; what tls_trust_show() put into the context is shown by OpenSSL itself. */
static int
client_cert_asked(SSL *ssl, void *arg)
{
	struct tls *tls = SSL_get_app_data(ssl);

	(void)arg;
	tls->facts.client_cert_asked = true;
	return 1;
}

static int
trust_pem(SSL_CTX *ctx, const char *pem, size_t len, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	char says[256];
	BIO *bio;
	X509 *x;
	int n = 0;

	if (len == 0 || len > INT32_MAX)
		return err_set(err, "a CA file of %zu bytes", len);
	bio = BIO_new_mem_buf(pem, (int)len);
	if (bio == NULL)
		abort();
	ERR_clear_error();
	while ((x = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		if (X509_STORE_add_cert(store, x) == 1)
			n++;
		X509_free(x);
	}
	BIO_free(bio);
	/* The loop ends with "no start line" at the end of the file; anything else is damage. */
	if (n > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
		ERR_clear_error();
		return 0;
	}
	return err_set(err, "cannot read the CA certificate: %s", openssl_says(says, sizeof(says)));
}

struct tls_trust *
tls_trust_new(const char *pem, size_t len_bytes, struct err *err)
{
	struct tls_trust *trust = mem_alloc(sizeof(*trust));
	char says[256];

	trust->ctx = SSL_CTX_new(TLS_client_method());
	if (trust->ctx == NULL || SSL_CTX_set_min_proto_version(trust->ctx, TLS1_2_VERSION) != 1) {
		(void)err_set(err, "OpenSSL: %s", openssl_says(says, sizeof(says)));
		tls_trust_free(trust);
		return NULL;
	}
	SSL_CTX_set_security_level(trust->ctx, SEEN_LEVEL);
	SSL_CTX_set_session_cache_mode(trust->ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(trust->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET);
	SSL_CTX_set_verify(trust->ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(trust->ctx, verify_and_go_on, NULL);
	SSL_CTX_set_cert_cb(trust->ctx, client_cert_asked, NULL);
	if (pem != NULL) {
		if (trust_pem(trust->ctx, pem, len_bytes, err) == -1) {
			tls_trust_free(trust);
			return NULL;
		}
		trust->known = true;
	}
	return trust;
}

int
tls_trust_show(struct tls_trust *trust, const char *pem, size_t len_bytes, struct err *err)
{
	STACK_OF(X509) *all = certificates_read(pem, len_bytes, "it", err);
	EVP_PKEY *key = all == NULL ? NULL : key_clear(pem, len_bytes, err);
	char says[256];
	bool ok = key != NULL && SSL_CTX_use_certificate(trust->ctx, sk_X509_value(all, 0)) == 1 &&
	    SSL_CTX_use_PrivateKey(trust->ctx, key) == 1;
	int i;

	/* What stands between it and the CA. */
	for (i = 1; ok && i < sk_X509_num(all); i++)
		ok = SSL_CTX_add1_chain_cert(trust->ctx, sk_X509_value(all, i)) == 1;
	if (key != NULL && !ok)
		(void)err_set(err, "%s", openssl_says(says, sizeof(says)));
	EVP_PKEY_free(key);
	certificates_free(all);
	ERR_clear_error();
	return ok ? 0 : -1;
}

void
tls_trust_free(struct tls_trust *trust)
{
	if (trust == NULL)
		return;
	SSL_CTX_free(trust->ctx);
	free(trust);
}

/* --- what was presented -------------------------------------------------- */

static char *
alternative_name(const GENERAL_NAME *gen)
{
	const ASN1_STRING *s;
	const unsigned char *p;
	char text[INET6_ADDRSTRLEN];
	struct buf b;
	int type, len;

	buf_init(&b, SUBJECT_MAX);
	s = GENERAL_NAME_get0_value(gen, &type);
	switch (type) {
	case GEN_DNS:
	case GEN_EMAIL:
	case GEN_URI:
		p = ASN1_STRING_get0_data(s);
		len = ASN1_STRING_length(s);
		buf_puts(&b, type == GEN_DNS ? "DNS:" : type == GEN_URI ? "URI:" : "email:");
		/* A NUL inside a name is an old trick; it is shown, not obeyed. */
		for (; len > 0; len--, p++)
			if (*p == '\0')
				buf_puts(&b, "\\0");
			else
				buf_putc(&b, (char)*p);
		break;
	case GEN_IPADD:
		p = ASN1_STRING_get0_data(s);
		len = ASN1_STRING_length(s);
		if (len == 4 && inet_ntop(AF_INET, p, text, sizeof(text)) != NULL)
			buf_printf(&b, "IP:%s", text);
		else if (len == 16 && inet_ntop(AF_INET6, p, text, sizeof(text)) != NULL)
			buf_printf(&b, "IP:%s", text);
		else
			buf_puts(&b, "IP:malformed");
		break;
	default:
		buf_puts(&b, "other name");
		break;
	}
	return buf_take(&b, NULL);
}

static int64_t
seconds_since_1970(const ASN1_TIME *t)
{
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int days = 0, seconds = 0;

	if (epoch == NULL)
		abort();
	if (ASN1_TIME_diff(&days, &seconds, epoch, t) != 1)
		days = seconds = 0;
	ASN1_TIME_free(epoch);
	return (int64_t)days * 86400 + seconds;
}

static char *
key_text(X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	char group[64];
	const char *nist, *name;
	size_t len;

	if (key == NULL)
		return mem_strdup("unreadable");
	switch (EVP_PKEY_get_base_id(key)) {
	case EVP_PKEY_RSA:
	case EVP_PKEY_RSA_PSS:
		return mem_printf("RSA %d", EVP_PKEY_get_bits(key));
	case EVP_PKEY_EC:
		if (EVP_PKEY_get_group_name(key, group, sizeof(group), &len) != 1)
			return mem_printf("ECDSA %d", EVP_PKEY_get_bits(key));
		nist = EC_curve_nid2nist(OBJ_sn2nid(group));
		return mem_printf("ECDSA %s", nist != NULL ? nist : group);
	case EVP_PKEY_ED25519:
		return mem_strdup("Ed25519");
	case EVP_PKEY_ED448:
		return mem_strdup("Ed448");
	default:
		name = EVP_PKEY_get0_type_name(key);
		return mem_printf("%s %d", name != NULL ? name : "key of", EVP_PKEY_get_bits(key));
	}
}

/* "ecdsa-with-SHA256" */
static char *
signature_text(const X509 *x)
{
	const char *name = OBJ_nid2ln(X509_get_signature_nid(x));

	return mem_strdup(name == NULL ? "?" : name);
}

/* What of one certificate is too weak; its signature counts where somebody else made it. */
static void
weak_of_one(struct buf *to, X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	int bits = key == NULL ? 0 : EVP_PKEY_get_security_bits(key), sign = 0;
	char *text;

	if (bits > 0 && bits < STRONG_BITS) {
		text = key_text(x);
		buf_printf(to, "%sits key is %s", to->len > 0 ? ", " : "", text);
		free(text);
	}
	if ((X509_get_extension_flags(x) & EXFLAG_SS) == 0 && X509_get_signature_info(x, NULL, NULL, &sign, NULL) == 1 &&
	    sign < STRONG_BITS) {
		text = signature_text(x);
		buf_printf(to, "%sit is signed by %s", to->len > 0 ? ", " : "", text);
		free(text);
	}
}

/* …of all that was presented, the server's own first. */
static char *
weak_text(STACK_OF(X509) *sent)
{
	struct buf all, one;
	char	*who, *ret = NULL;
	int i, n = sent == NULL ? 0 : sk_X509_num(sent);

	buf_init(&all, SUBJECT_MAX);
	for (i = 0; i < n; i++) {
		buf_init(&one, SUBJECT_MAX);
		weak_of_one(&one, sk_X509_value(sent, i));
		if (one.len > 0 && i > 0) {
			who = openssl_name_text(X509_get_subject_name(sk_X509_value(sent, i)), SUBJECT_MAX);
			buf_printf(&all, "%sof '%s', sent with it: %s", all.len > 0 ? "; " : "", who, buf_str(&one));
			free(who);
		} else if (one.len > 0)
			buf_puts(&all, buf_str(&one));
		buf_release(&one);
	}
	if (all.len > 0)
		ret = mem_strdup(buf_str(&all));
	buf_release(&all);
	ERR_clear_error();
	return ret;
}

static void
certificate_read(struct certificate *c, X509 *x)
{
	GENERAL_NAMES *names;
	int i, n;

	c->subject = openssl_name_text(X509_get_subject_name(x), SUBJECT_MAX);
	c->issuer = openssl_name_text(X509_get_issuer_name(x), SUBJECT_MAX);
	c->not_before_s = seconds_since_1970(X509_get0_notBefore(x));
	c->not_after_s = seconds_since_1970(X509_get0_notAfter(x));
	c->key = key_text(x);
	c->signature = signature_text(x);
	c->self_signed = (X509_get_extension_flags(x) & EXFLAG_SS) != 0;
	openssl_sha256(x, c->sha256);
	names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	n = names == NULL ? 0 : sk_GENERAL_NAME_num(names);
	for (i = 0; i < n && c->nnames < READING_NAMES_MAX; i++)
		c->names[c->nnames++] = alternative_name(sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	ERR_clear_error();
}

static void
facts_read(struct tls *tls)
{
	const char *cipher = SSL_get_cipher_name(tls->ssl);

	tls->facts.protocol = mem_strdup(SSL_get_version(tls->ssl));
	tls->facts.cipher = mem_strdup(cipher == NULL ? "?" : cipher);
	tls->peer = SSL_get1_peer_certificate(tls->ssl);
	if (tls->peer != NULL) {
		STACK_OF(X509) *sent = SSL_get_peer_cert_chain(tls->ssl);
		struct certificate *c = &tls->facts.cert;

		certificate_read(c, tls->peer);
		c->weak = weak_text(sent);
		c->sent = sent == NULL ? 0 : (uint32_t)sk_X509_num(sent);
		if (tls->facts.chain != VERIFIED_OK) {
			tls->ends_s = c->not_after_s;
			first_to_end(sent, &tls->ends_s, &tls->ends_who);
		}
		c->ends_s = tls->ends_s;
		c->ends_who = tls->ends_who;
		tls->ends_who = NULL;
	} else
		/* An anonymous suite: nothing was proven, whatever the callback saw. */
		tls->facts.chain = VERIFIED_BAD;
}

static enum verified
covers(X509 *peer, const char *name, bool cn)
{
	const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | (cn ? 0 : X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	unsigned char ip[16];
	int rc;

	if (peer == NULL)
		return VERIFIED_NOT_TRIED;
	/* OpenSSL reads "" as "do not check" and ".x" as "anything under x". */
	if (name == NULL || name[0] == '\0' || name[0] == '.')
		return VERIFIED_BAD;
	if (inet_pton(AF_INET, name, ip) == 1)
		rc = X509_check_ip(peer, ip, 4, flags);
	else if (inet_pton(AF_INET6, name, ip) == 1)
		rc = X509_check_ip(peer, ip, 16, flags);
	else
		rc = X509_check_host(peer, name, strlen(name), flags, NULL);
	ERR_clear_error();
	return rc == 1 ? VERIFIED_OK : VERIFIED_BAD;
}

enum verified
tls_covers(const struct stream *st, const char *name)
{
	return covers(((const struct tls *)st)->peer, name, false);
}

enum verified
tls_session_covers(void *ssl, const char *name, bool cn)
{
	X509 *peer = ssl == NULL ? NULL : SSL_get1_peer_certificate(ssl);
	enum verified v = covers(peer, name, cn);

	X509_free(peer);
	return v;
}

/* A server says by which signatures in the very message that asks. */
bool
tls_session_asked(void *ssl)
{
	return ssl != NULL && SSL_get_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL) > 0;
}

const struct tls_facts *
tls_facts(const struct stream *st)
{
	return &((const struct tls *)st)->facts;
}

enum tls_fault
tls_fault(const struct stream *st)
{
	return ((const struct tls *)st)->fault;
}

bool
tls_reached(const struct stream *st)
{
	return ((const struct tls *)st)->reached;
}

void
tls_take_facts(struct stream *st, struct tls_facts *ret)
{
	struct tls *tls = (struct tls *)st;

	*ret = tls->facts;
	memset(&tls->facts, 0, sizeof(tls->facts));
}

/* --- the stream ---------------------------------------------------------- */

static void
tls_free(struct tls *tls)
{
	struct reading r;

	stream_close(tls->inner);
	SSL_free(tls->ssl);
	X509_free(tls->peer);
	free(tls->ends_who);
	/* The facts are members of a reading; its release knows them all. */
	memset(&r, 0, sizeof(r));
	r.served.protocol = tls->facts.protocol;
	r.served.cipher = tls->facts.cipher;
	r.served.chain_why = tls->facts.chain_why;
	r.served.cert = tls->facts.cert;
	reading_release(&r);
	free(tls);
}

static void
enter(struct tls *tls)
{
	tls->busy++;
}

static void
leave(struct tls *tls)
{
	if (--tls->busy == 0 && tls->dead)
		tls_free(tls);
}

static void
finish(struct tls *tls, enum stream_end end, const struct err *why)
{
	struct stream *inner = tls->inner;

	if (tls->dead)
		return;
	tls->dead = true;
	tls->inner = NULL;
	stream_close(inner);
	stream_emit_closed(&tls->base, end, -1, why);
}

/* Sends what OpenSSL wants sent. */
static int
flush(struct tls *tls)
{
	char chunk[16 << 10];
	int n;

	while ((n = BIO_read(tls->out, chunk, sizeof(chunk))) > 0)
		if (tls->inner == NULL || stream_write(tls->inner, chunk, (size_t)n) == -1)
			return -1;
	return 0;
}

/* OpenSSL gave up: sort out why. */
static void
fail(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	int reason = ERR_GET_REASON(code);
	char says[256];
	struct err why;

	/* An alert on its way out tells the server's log what we did not like. */
	(void)flush(tls);
	if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
		tls->fault = TLS_ALERT;
	else if (ERR_GET_LIB(code) == ERR_LIB_SSL && !tls->ready &&
	    (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
	    reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_UNKNOWN_PROTOCOL))
		tls->fault = TLS_NOT_TLS;
	else
		tls->fault = TLS_BROKEN;
	(void)err_set(&why, "%s", openssl_says(says, sizeof(says)));
	if (tls->fault == TLS_NOT_TLS)
		(void)err_set(&why, "the answer is not TLS");
	finish(tls, STREAM_LOST, &why);
}

static void
handshake(struct tls *tls)
{
	int rc, error;

	ERR_clear_error();
	rc = SSL_do_handshake(tls->ssl);
	error = SSL_get_error(tls->ssl, rc);
	if (rc == 1) {
		struct err why;

		if (flush(tls) == -1) {
			(void)err_set(&why, "the connection takes no more");
			finish(tls, STREAM_LOST, &why);
			return;
		}
		tls->ready = true;
		facts_read(tls);
		stream_emit_opened(&tls->base);
		return;
	}
	if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
		fail(tls);
		return;
	}
	(void)flush(tls);
}

static void
pump(struct tls *tls)
{
	char chunk[16 << 10];
	int n, error;

	if (!tls->ready && !tls->dead)
		handshake(tls);
	while (tls->ready && !tls->dead) {
		ERR_clear_error();
		n = SSL_read(tls->ssl, chunk, sizeof(chunk));
		if (n > 0) {
			stream_emit_data(&tls->base, chunk, (size_t)n);
			continue;
		}
		error = SSL_get_error(tls->ssl, n);
		if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
			(void)flush(tls);
			return;
		}
		if (error == SSL_ERROR_ZERO_RETURN) {
			stream_emit_eof(&tls->base);
			finish(tls, STREAM_EOF, NULL);
			return;
		}
		fail(tls);
	}
}

static void
inner_opened(void *arg)
{
	struct tls *tls = arg;

	enter(tls);
	tls->reached = true;
	pump(tls);
	leave(tls);
}

static void
inner_data(void *arg, const unsigned char *p, size_t len)
{
	struct tls *tls = arg;
	struct err why;

	enter(tls);
	if (!tls->ready) {
		tls->fed += len;
		if (tls->fed > HANDSHAKE_MAX) {
			tls->fault = TLS_BROKEN;
			(void)err_set(&why, "more than %zu KiB of handshake", HANDSHAKE_MAX >> 10);
			finish(tls, STREAM_LOST, &why);
		}
	}
	if (!tls->dead && len > 0 && len <= INT32_MAX) {
		if (BIO_write(tls->in, p, (int)len) != (int)len)
			abort();	/* a memory BIO fails only for want of memory */
		pump(tls);
	}
	leave(tls);
}

static void
inner_eof(void *arg)
{
	struct tls *tls = arg;
	struct err why;

	enter(tls);
	if (!tls->ready) {
		tls->fault = TLS_CUT;
		(void)err_set(&why, "the connection was closed in the middle of the handshake");
		finish(tls, STREAM_LOST, &why);
	} else if (!tls->dead) {
		stream_emit_eof(&tls->base);
		finish(tls, STREAM_EOF, NULL);
	}
	leave(tls);
}

static void
inner_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct tls *tls = arg;
	struct err cut;

	(void)status;
	enter(tls);
	tls->inner = NULL;
	if (!tls->ready && tls->fed == 0 && end != STREAM_EOF && end != STREAM_EXITED)
		finish(tls, end, why);		/* nothing of TLS in it */
	else if (!tls->ready) {
		tls->fault = end == STREAM_TIMEOUT ? TLS_FINE : TLS_CUT;
		(void)err_set(&cut, "the connection was closed in the middle of the handshake");
		finish(tls, end == STREAM_TIMEOUT ? end : STREAM_LOST,
		    end == STREAM_TIMEOUT ? why : &cut);
	} else
		finish(tls, end == STREAM_EXITED ? STREAM_EOF : end, why);
	leave(tls);
}

static const struct stream_events inner_events = {
	.opened = inner_opened, .data = inner_data, .eof = inner_eof, .closed = inner_closed,
};

static int
op_write(struct stream *st, const void *p, size_t len)
{
	struct tls *tls = (struct tls *)st;

	if (tls->dead || !tls->ready || len > STREAM_QUEUE_MAX)
		return -1;
	if (len == 0)
		return 0;
	ERR_clear_error();
	/* A memory BIO takes everything at once. */
	if (SSL_write(tls->ssl, p, (int)len) != (int)len) {
		ERR_clear_error();
		return -1;
	}
	return flush(tls);
}

static void
op_write_eof(struct stream *st)
{
	struct tls *tls = (struct tls *)st;

	if (tls->dead || !tls->ready)
		return;
	(void)SSL_shutdown(tls->ssl);
	ERR_clear_error();
	(void)flush(tls);
}

static void
op_deadline(struct stream *st, int64_t from_now_ms)
{
	struct tls *tls = (struct tls *)st;

	if (tls->inner != NULL)
		stream_deadline(tls->inner, from_now_ms);
}

static void
op_close(struct stream *st)
{
	struct tls *tls = (struct tls *)st;

	if (tls->dead)
		return;
	op_write_eof(st);	/* close_notify, if there is still somebody to hear it */
	tls->dead = true;
	if (tls->busy == 0)
		tls_free(tls);
}

static const struct stream_ops ops = { op_write, op_write_eof, op_deadline, op_close };

/* What cannot be offered, as by an OpenSSL without it, fails the handshake here. */
static void
set_offer(SSL *ssl, const struct tls_offer *offer)
{
	int version = TLS1_VERSION + offer->version;

	SSL_set_security_level(ssl, 0);
	(void)SSL_set_min_proto_version(ssl, version);
	(void)SSL_set_max_proto_version(ssl, version);
	if (offer->ciphers != NULL && SSL_set_cipher_list(ssl, offer->ciphers) != 1)
		(void)SSL_set_max_proto_version(ssl, SSL3_VERSION);
	if (offer->suites != NULL && SSL_set_ciphersuites(ssl, offer->suites) != 1)
		(void)SSL_set_max_proto_version(ssl, SSL3_VERSION);
	ERR_clear_error();
}

struct stream *
tls_over(struct stream *inner, bool open, const struct tls_trust *trust, const char *server_name,
    const struct stream_events *events, void *arg)
{
	return tls_offering(inner, open, trust, server_name, NULL, events, arg);
}

struct stream *
tls_offering(struct stream *inner, bool open, const struct tls_trust *trust, const char *server_name,
    const struct tls_offer *offer, const struct stream_events *events, void *arg)
{
	struct tls *tls = mem_alloc(sizeof(*tls));
	unsigned char ip[16];

	stream_init(&tls->base, &ops, events, arg);
	tls->inner = inner;
	tls->trust_known = trust->known;
	tls->facts.chain = VERIFIED_NOT_TRIED;
	tls->ssl = SSL_new(trust->ctx);
	tls->in = BIO_new(BIO_s_mem());
	tls->out = BIO_new(BIO_s_mem());
	if (tls->ssl == NULL || tls->in == NULL || tls->out == NULL)
		abort();	/* only for want of memory */
	SSL_set_bio(tls->ssl, tls->in, tls->out);
	(void)SSL_set_app_data(tls->ssl, tls);
	SSL_set_connect_state(tls->ssl);
	if (offer != NULL && offer->only)
		set_offer(tls->ssl, offer);
	if (server_name != NULL && server_name[0] != '\0' && strlen(server_name) < 256 &&
	    inet_pton(AF_INET, server_name, ip) != 1 && inet_pton(AF_INET6, server_name, ip) != 1)
		(void)SSL_set_tlsext_host_name(tls->ssl, server_name);
	stream_own(inner, &inner_events, tls);
	if (open) {
		tls->reached = true;
		/*
		 * The hello needs nothing from the far side, and cannot end the stream; a
		 * failure shows when the answer comes, or does not.
		 */
		ERR_clear_error();
		(void)SSL_do_handshake(tls->ssl);
		ERR_clear_error();
		(void)flush(tls);
	}
	return &tls->base;
}
