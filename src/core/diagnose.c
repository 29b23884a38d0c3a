/*
 * diagnose: see diagnose.h.
 *
 * Owns what decides: a judge for each cause, which is given the words' answer (causes.h) and the
 * facts.  What is told goes in the order of the causes, from the particular to the general.
 */
#include "core/diagnose.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"

#define SKEW_MIN_S 60		/* clocks that differ by less explain nothing */

enum fit { FIT_NO, FIT_MAYBE, FIT_YES };

/* What a judge is given. */
struct looking {
	const struct clues *e;
	char	*said;		/* lower case, blanks for underscores; "" for none */
	bool	 by_words;	/* one of the row's words was said */
	struct diagnosis *d;
};

static enum fit because(struct looking *, enum fit, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static enum fit
because(struct looking *l, enum fit fit, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(l->d->because, sizeof(l->d->because), fmt, ap);
	va_end(ap);
	return fit;
}

static bool
says(const struct looking *l, const char *words)
{
	return cause_text_has(l->said, words);
}

/* ------------------------------------------------------------------ facts */

static bool
expired(const struct clues *e, int64_t ahead_s)
{
	return e->cert != NULL && e->now_s != 0 && e->cert->not_after_s != 0 &&
	    e->now_s + ahead_s > e->cert->not_after_s;
}

static bool
too_early(const struct clues *e, int64_t ahead_s)
{
	return e->cert != NULL && e->now_s != 0 && e->cert->not_before_s != 0 &&
	    e->now_s + ahead_s < e->cert->not_before_s;
}

static bool
dates_known(const struct clues *e)
{
	return e->cert != NULL && e->now_s != 0 && e->cert->not_after_s != 0;
}

static bool
in_date(const struct clues *e)
{
	return dates_known(e) && !expired(e, 0) && !too_early(e, 0);
}

/* The client verifies and was told only that it failed: the certificate says why. */
static bool
unspecific(const struct looking *l)
{
	return (says(l, "certificate verify failed") && !says(l, "expired") && !says(l, "not yet valid") &&
	    !says(l, "mismatch") && !says(l, "self") && !says(l, "issuer")) || says(l, "closed unexpectedly") ||
	    says(l, "handshake failed") || says(l, "taking longer than") || l->e->waited;
}

static bool
to_client(const struct looking *l)
{
	return l->e->by == SAID_BY_CLIENT;
}

/* Did the client give up waiting? */
static bool
waited(const struct looking *l)
{
	return l->e->waited || says(l, "taking longer than") || says(l, "timed out") || says(l, "timeout") ||
	    says(l, "etimedout") || says(l, "no response");
}

static bool
wants_tls(const struct clues *e)
{
	return e->dial != DIAL_UNKNOWN && e->dial >= DIAL_PREFER;
}

/* Only addresses of its own machine. */
static bool
local_only(const char *listens)
{
	static const char blanks[] = " ,\t";
	size_t len;

	/* None at all is a socket only. */
	for (; *(listens += strspn(listens, blanks)) != '\0'; listens += len) {
		len = strcspn(listens, blanks);
		if (!(len == 9 && strncmp(listens, "localhost", 9) == 0) && strncmp(listens, "127.", 4) != 0 &&
		    !(len == 3 && strncmp(listens, "::1", 3) == 0) && !(len == 4 && strncmp(listens, "-::1", 4) == 0))
			return false;
	}
	return true;
}

static bool
password_words(const struct looking *l)
{
	return says(l, "password authentication failed");
}

const char *
key_state_word(enum key_state state)
{
	static const char *const words[] = {
		[KEY_UNKNOWN] = "not known", [KEY_FINE] = "fine", [KEY_MISSING] = "missing",
		[KEY_OPEN] = "readable by others", [KEY_FOREIGN] = "not the server's", [KEY_OTHER] = "of another certificate",
	};

	return words[state];
}

enum key_state
key_state_of(enum kind kind, unsigned mode, long uid, bool in_group, long server_uid)
{
	bool reads = server_uid == 0 || (uid == server_uid ? (mode & 0400) != 0 : in_group ? (mode & 0040) != 0 :
	    (mode & 0004) != 0);

	if (kind == KIND_POSTGRES) {
		/* check_ssl_key_file_permissions() */
		if (uid != server_uid && uid != 0)
			return KEY_FOREIGN;
		if ((uid == server_uid && (mode & 0077) != 0) || (uid == 0 && uid != server_uid && (mode & 0037) != 0))
			return KEY_OPEN;
	}
	return reads ? KEY_FINE : KEY_FOREIGN;
}

void
clues_init(struct clues *e, enum kind kind)
{
	memset(e, 0, sizeof(*e));
	e->kind = kind;
	e->dial = DIAL_UNKNOWN;
	e->anchor = ANCHOR_UNKNOWN;
	e->configured = e->persisted = ACCEPT_UNKNOWN;
}

void
clues_served(struct clues *e, const struct served *s)
{
	size_t i;

	e->plain = s->plain;
	e->tls = s->tls;
	e->plain_why = s->plain_why;
	e->tls_why = s->tls_why;
	e->asks = s->client_cert_asked ? KNOWN_YES : s->protocol != NULL ? KNOWN_NO : NOT_KNOWN;
	if (s->protocol == NULL)
		return;
	e->cert = &s->cert;
	e->chain = s->chain;
	e->chain_why = s->chain_why;
	for (i = 0; i < s->nnames; i++)
		if (s->name[i] == VERIFIED_BAD || e->name == VERIFIED_NOT_TRIED)
			e->name = s->name[i];
}

/* ------------------------------------------------------------------ judges */

static enum fit
by_words(struct looking *l)
{
	return l->by_words ? FIT_YES : FIT_NO;
}

static enum fit
file_missing(struct looking *l)
{
	if (l->by_words)
		return FIT_YES;
	return l->e->key == KEY_MISSING && l->e->tls != LEG_OPEN ? because(l, FIT_YES, "there is no key file where the "
	    "server is told that there is one") : FIT_NO;
}

static enum fit
file_unreadable(struct looking *l)
{
	return l->by_words && !says(l, "no such file") ? FIT_YES : FIT_NO;
}

static enum fit
key_is(struct looking *l, enum key_state state, const char *why)
{
	if (l->by_words)
		return FIT_YES;
	/* Served still, from before: it is what the next start will say. */
	if (l->e->key == state && l->e->tls == LEG_OPEN && l->e->said == NULL)
		return because(l, FIT_YES, "%s; what is served was loaded before that: the next start fails", why);
	return l->e->key == state && l->e->tls != LEG_OPEN ? because(l, FIT_YES, "%s", why) : FIT_NO;
}

static enum fit
key_permissions(struct looking *l)
{
	return key_is(l, KEY_OPEN, "the key's mode lets others read it");
}

static enum fit
key_owner(struct looking *l)
{
	return key_is(l, KEY_FOREIGN, "the key's owner and mode keep the server from it");
}

static enum fit
key_mismatch(struct looking *l)
{
	return key_is(l, KEY_OTHER, "key and certificate do not belong together");
}

/* The server says that it has no TLS, or shows that it has none. */
static bool
has_no_tls(const struct looking *l)
{
	return says(l, "does not support ssl") || says(l, "ssl not supported") || says(l, "rejected ssl upgrade") ||
	    says(l, "refused tls connection") || says(l, "does not support tls") || says(l, "server refused ssl") ||
	    (l->e->said == NULL && !l->e->waited && l->e->tls == LEG_REFUSED);
}

static enum fit
tls_not_loaded(struct looking *l)
{
	bool on = l->e->configured == ACCEPT_BOTH || l->e->configured == ACCEPT_TLS || l->e->configured == ACCEPT_MUTUAL;

	/* The log said so: what is served, if anything, was loaded before. */
	if (l->by_words)
		return l->e->tls == LEG_OPEN ? because(l, FIT_YES, "what is served was loaded before that: the next start fails") :
		    on ? because(l, FIT_YES, "configured %s, served plaintext only", accept_word(l->e->configured)) : FIT_YES;
	if (!on || l->e->tls == LEG_OPEN || (l->e->said != NULL && !has_no_tls(l)))
		return FIT_NO;
	if (l->e->tls == LEG_UNKNOWN && !has_no_tls(l))
		return FIT_NO;
	/* A particular cause, of which this is what comes. */
	if (l->e->key != KEY_UNKNOWN && l->e->key != KEY_FINE)
		return FIT_NO;
	if (l->e->tls == LEG_CLOSED || l->e->tls == LEG_SILENT)
		return FIT_NO;
	return because(l, FIT_YES, "configured %s, served plaintext only", accept_word(l->e->configured));
}

static enum fit
no_tls(struct looking *l)
{
	const struct clues *e = l->e;

	if (!has_no_tls(l) || e->tls == LEG_OPEN)
		return l->by_words && e->tls == LEG_OPEN ? because(l, FIT_MAYBE, "it speaks TLS when belay asks: "
		    "another server answers this client, or it was so a moment ago") : FIT_NO;
	if ((e->configured != ACCEPT_PLAIN && e->configured != ACCEPT_UNKNOWN) ||
	    (e->key != KEY_UNKNOWN && e->key != KEY_FINE))
		return FIT_NO;
	return FIT_YES;
}

static enum fit
tls_to_plaintext(struct looking *l)
{
	const struct clues *e = l->e;

	if (l->by_words && to_client(l))
		return FIT_YES;
	/* Redis never answers a ClientHello at its plaintext port: the client waits. */
	if (e->kind != KIND_REDIS || !(waited(l) || says(l, "closed the connection")) || !to_client(l) || e->dial == DIAL_DISABLE)
		return FIT_NO;
	if (e->dials_tls_port == KNOWN_NO && e->one_port != KNOWN_YES && e->plain == LEG_OPEN)
		return because(l, FIT_YES, "the client dials TLS, and the port that it dials answers in plaintext");
	if (e->one_port == KNOWN_YES && e->plain == LEG_OPEN && e->tls != LEG_OPEN)
		return because(l, FIT_YES, "the client dials TLS, and the port answers in plaintext");
	if (e->dials_tls_port == KNOWN_YES || (e->plain != LEG_OPEN && e->plain != LEG_UNKNOWN))
		return FIT_NO;
	return because(l, FIT_MAYBE, "a plaintext port never answers a client that begins TLS; which port it dials is "
	    "not known");
}

static enum fit
plaintext_to_tls(struct looking *l)
{
	const struct clues *e = l->e;
	bool cut = says(l, "closed the connection") || says(l, "connection reset") || says(l, "connection closed") ||
	    says(l, "protocol error") || says(l, "i/o error") || says(l, "broken pipe");

	if (l->by_words)
		return FIT_YES;
	if (e->kind != KIND_REDIS || !to_client(l) || !cut || wants_tls(e))
		return FIT_NO;
	if ((e->dials_tls_port == KNOWN_YES || (e->one_port == KNOWN_YES && e->plain != LEG_OPEN)) && e->tls == LEG_OPEN)
		return because(l, FIT_YES, "the port that it dials speaks TLS only, and the client does not");
	return e->dials_tls_port != KNOWN_NO && e->tls == LEG_OPEN && e->dial == DIAL_DISABLE ? FIT_MAYBE : FIT_NO;
}

static bool
enters(const struct hba_answer *a)
{
	return a != NULL && (a->outcome == HBA_ASKS || a->outcome == HBA_LETS_IN);
}

static enum fit
plaintext_refused(struct looking *l)
{
	const struct clues *e = l->e;

	if (says(l, "no encryption") || says(l, "ssl off")) {
		if (e->hba_by_tls != NULL && e->hba_by_tls->outcome == HBA_NO_LINE)
			return FIT_NO;
		if (enters(e->hba_by_tls))
			return because(l, FIT_YES, "by TLS the same client would be let in");
		return because(l, FIT_MAYBE, "whether it would be let in by TLS is not known");
	}
	if (l->by_words)
		return FIT_YES;
	if (e->kind == KIND_REDIS && e->dial == DIAL_DISABLE && e->plain == LEG_CLOSED && e->tls == LEG_OPEN &&
	    (says(l, "refused") || e->said == NULL))
		return because(l, FIT_YES, "the plaintext port is closed and the TLS port answers");
	if (e->said == NULL && !e->waited && e->dial == DIAL_DISABLE && e->plain == LEG_REFUSED && e->tls == LEG_OPEN)
		return because(l, FIT_YES, "the client dials plaintext, which is refused; TLS is spoken");
	return FIT_NO;
}

static enum fit
driver_word(struct looking *l)
{
	static const char *const parameters[] = { "sslmode", "sslrootcert", "sslcert", "sslkey", "ssl_cert_reqs", "ssl", NULL };
	const char *instead;
	size_t i;

	if (!l->by_words)
		return FIT_NO;
	for (i = 0; parameters[i] != NULL && !says(l, parameters[i]); i++)
		;
	if (parameters[i] == NULL)
		return FIT_NO;
	instead = l->e->dialect == DIALECT_DEFAULT ? NULL : dialect_rejects(l->e->dialect, parameters[i]);
	if (instead != NULL)
		return because(l, FIT_YES, "'%s' is not a word of %s: %s", parameters[i], dialect_word(l->e->dialect), instead);
	return because(l, FIT_YES, "'%s' is not a word of this driver", parameters[i]);
}

static bool
refused_at_once(const struct looking *l)
{
	return says(l, "connection refused") || says(l, "econnrefused") || says(l, "no response") ||
	    says(l, "actively refused");
}

static enum fit
not_listening(struct looking *l)
{
	const struct clues *e = l->e;

	if (!to_client(l) || !(refused_at_once(l) || (l->e->said == NULL && e->plain == LEG_CLOSED)))
		return FIT_NO;
	if (e->listens != NULL && local_only(e->listens))
		return because(l, FIT_YES, "it listens at '%.120s' only", e->listens);
	/* From its own host it answers: the client comes from elsewhere. */
	if (e->listens == NULL && e->plain == LEG_OPEN && e->dials_tls_port != KNOWN_YES)
		return because(l, FIT_MAYBE, "it answers on its own host; at which addresses it listens is not known");
	return FIT_NO;
}

static enum fit
tls_port_closed(struct looking *l)
{
	const struct clues *e = l->e;

	if (e->kind != KIND_REDIS || e->one_port == KNOWN_YES || e->tls != LEG_CLOSED || e->dials_tls_port == KNOWN_NO)
		return FIT_NO;
	if (e->said != NULL && !refused_at_once(l))
		return FIT_NO;
	if (e->said == NULL && !wants_tls(e))
		return FIT_NO;
	return e->plain == LEG_OPEN ? because(l, FIT_YES, "nobody listens at the TLS port; the plaintext port answers") :
	    FIT_NO;
}

static enum fit
down(struct looking *l)
{
	const struct clues *e = l->e;

	if (e->plain == LEG_CLOSED && (e->tls == LEG_CLOSED || e->tls == LEG_UNKNOWN || e->one_port == KNOWN_YES ||
	    e->kind != KIND_REDIS) && (e->said == NULL || refused_at_once(l)) &&
	    !(e->listens != NULL && local_only(e->listens)))
		return because(l, FIT_YES, "nobody listens at any of its ports");
	return refused_at_once(l) && e->plain == LEG_UNKNOWN && e->tls == LEG_UNKNOWN ? FIT_MAYBE : FIT_NO;
}

static enum fit
firewall(struct looking *l)
{
	const struct clues *e = l->e;
	bool dropped = e->tls_why != NULL && (strstr(e->tls_why, "timed out") != NULL || strstr(e->tls_why, "time out") != NULL ||
	    strstr(e->tls_why, "no answer") != NULL || strstr(e->tls_why, "unreachable") != NULL);
	bool unreached = says(l, "connection timed out") || says(l, "etimedout") || says(l, "timeout expired") ||
	    says(l, "no route to host") || says(l, "connect timeout") || says(l, "connection timeout");

	if (!to_client(l) || e->tls == LEG_CLOSED || e->tls == LEG_REFUSED)
		return FIT_NO;
	if (!(waited(l) || unreached || (e->said == NULL && dropped)))
		return FIT_NO;
	if (e->plain == LEG_OPEN && (e->tls == LEG_SILENT || dropped) && e->one_port != KNOWN_YES && e->dials_tls_port != KNOWN_NO)
		return because(l, FIT_YES, "the TLS port does not answer, and the plaintext port does");
	if (unreached && (e->tls == LEG_OPEN || e->plain == LEG_OPEN))
		return because(l, e->tls == LEG_OPEN ? FIT_YES : FIT_MAYBE,
		    "the client's packets are not answered, and on its own host the server answers");
	return unreached && e->plain == LEG_UNKNOWN ? FIT_MAYBE : FIT_NO;
}

static enum fit
clock_differs(struct looking *l)
{
	const struct clues *e = l->e;
	bool late = says(l, "expired"), early = says(l, "not yet valid") || says(l, "notyetvalid") || says(l, "not active until");
	int64_t ahead = e->skew_s < 0 ? -e->skew_s : e->skew_s;

	if (!in_date(e) || (e->said != NULL && !late && !early && !unspecific(l)))
		return FIT_NO;
	if (e->skew_known && ahead >= SKEW_MIN_S && (expired(e, e->skew_s) || too_early(e, e->skew_s)))
		return because(l, FIT_YES, "the certificate is in date, and by the verifying side's clock, %lld s %s, it is not",
		    (long long)ahead, e->skew_s < 0 ? "behind" : "ahead");
	if ((late || early) && !e->skew_known)
		return because(l, FIT_MAYBE, "the certificate that is served now is in date; what the verifying side's clock "
		    "says is not known");
	return FIT_NO;
}

static enum fit
out_of_date(struct looking *l, bool is, const char *why)
{
	if (is)
		return l->by_words || l->e->said == NULL || unspecific(l) ? because(l, FIT_YES, "%s", why) : FIT_NO;
	if (!l->by_words)
		return FIT_NO;
	/* It complains of the other's certificate, which we did not see. */
	if (!to_client(l) || says(l, "alert"))
		return because(l, FIT_YES, "the other side says so of the certificate that it was shown");
	return dates_known(l->e) ? FIT_NO : FIT_YES;
}

static enum fit
is_expired(struct looking *l)
{
	return out_of_date(l, expired(l->e, 0), "the certificate served is past its end");
}

static enum fit
is_too_early(struct looking *l)
{
	return out_of_date(l, too_early(l->e, 0), "the certificate served begins later than now");
}

static void
put_names(struct buf *b, const struct certificate *c)
{
	size_t i;

	for (i = 0; i < c->nnames && i < 6; i++)
		(void)buf_printf(b, "%s%s", i > 0 ? ", " : "", c->names[i]);
	if (c->nnames > 6)
		(void)buf_printf(b, " and %zu more", c->nnames - 6);
	if (c->nnames == 0)
		(void)buf_puts(b, "no name at all");
}

static enum fit
wrong_name(struct looking *l)
{
	const struct clues *e = l->e;
	enum fit fit = FIT_NO;
	struct buf b;

	if (!to_client(l) || e->name == VERIFIED_OK)
		return l->by_words && to_client(l) ? because(l, FIT_MAYBE, "every name that the fleet knows is covered: the "
		    "client dials another one") : FIT_NO;
	if (l->by_words)
		fit = FIT_YES;
	/* Only who checks names fails by one. */
	else if (e->name == VERIFIED_BAD && (e->said == NULL || unspecific(l)) && !expired(e, 0) && !too_early(e, 0) &&
	    e->chain != VERIFIED_BAD && (e->dial == DIAL_VERIFY_FULL || e->dial == DIAL_UNKNOWN))
		fit = e->dial == DIAL_VERIFY_FULL || e->said == NULL ? FIT_YES : FIT_MAYBE;
	if (fit == FIT_NO || e->cert == NULL)
		return fit;
	buf_init(&b, 0);
	put_names(&b, e->cert);
	(void)because(l, fit, "the certificate is for %.240s; dialled is %.120s", buf_str(&b),
	    e->dials == NULL ? "another name" : e->dials);
	buf_release(&b);
	return fit;
}

static bool
lacks_issuer(const struct looking *l)
{
	const char *why = l->e->chain_why == NULL ? "" : l->e->chain_why;

	return says(l, "unable to get local issuer") || says(l, "unable to verify the first certificate") ||
	    says(l, "unable to verify leaf signature") || strstr(why, "unable to get local issuer") != NULL ||
	    strstr(why, "unable to verify the first") != NULL;
}

/* The words, or that the file was looked for and is not there. */
static enum fit
ca_missing(struct looking *l)
{
	const struct clues *e = l->e;

	if (l->by_words)
		return FIT_YES;
	return e->said == NULL && !e->waited && e->anchor == ANCHOR_NONE && e->tls == LEG_OPEN && e->dial != DIAL_UNKNOWN &&
	    e->dial >= DIAL_VERIFY_CA ? because(l, FIT_YES, "the file that it is told to verify by is not there") : FIT_NO;
}

static enum fit
chain_incomplete(struct looking *l)
{
	const struct clues *e = l->e;

	if (!to_client(l) || !lacks_issuer(l) || e->chain != VERIFIED_BAD || e->cert == NULL || e->cert->self_signed ||
	    !(e->said == NULL || l->by_words || unspecific(l)) || e->anchor != ANCHOR_ISSUER)
		return FIT_NO;
	return because(l, FIT_YES, "the client has the right CA, and the certificate's issuer, '%.160s', is not sent along",
	    e->cert->issuer == NULL ? "?" : e->cert->issuer);
}

static enum fit
unknown_ca(struct looking *l)
{
	const struct clues *e = l->e;
	bool generic = unspecific(l) && wants_tls(e);

	/* In the server's log an alert is the client's complaint; told to a client, it is the server's. */
	if (says(l, "alert unknown ca"))
		return to_client(l) ? FIT_NO : because(l, FIT_YES, "the client sent the alert: it is the one that does not "
		    "know the CA");
	if (!to_client(l) || expired(e, 0) || too_early(e, 0) || says(l, "mismatch") || says(l, "expired") ||
	    says(l, "not yet valid") || says(l, "purpose") || says(l, "too small") || says(l, "too weak"))
		return FIT_NO;
	if (e->chain == VERIFIED_OK && e->anchor != ANCHOR_OTHER && e->anchor != ANCHOR_NONE)
		return l->by_words && e->anchor == ANCHOR_UNKNOWN ? because(l, FIT_YES, "the chain that is served leads to the CA "
		    "that the fleet names: the client's file holds another") : FIT_NO;
	if (e->anchor == ANCHOR_ISSUER && lacks_issuer(l) && e->chain == VERIFIED_BAD)
		return FIT_NO;
	if (l->by_words)
		return e->cert != NULL && e->cert->self_signed ? because(l, FIT_YES, "the certificate served is signed by itself") :
		    FIT_YES;
	if (e->tls == LEG_OPEN && (e->chain == VERIFIED_BAD || e->anchor == ANCHOR_OTHER) && (generic || e->said == NULL))
		return because(l, FIT_YES, "TLS is spoken there, and the certificate's chain does not lead to the client's CA%s%.200s",
		    e->chain_why == NULL ? "" : ": ", e->chain_why == NULL ? "" : e->chain_why);
	return FIT_NO;
}

static enum fit
stray(struct looking *l)
{
	const struct clues *e = l->e;

	if (!l->by_words)
		return FIT_NO;
	if (!to_client(l))
		return because(l, FIT_YES, "a server verifies nobody's certificate but a client's");
	if (e->shows == KNOWN_NO || e->asks == KNOWN_NO)
		return FIT_NO;
	return because(l, FIT_YES, "the alert comes from the server: it does not know the CA of the certificate that the "
	    "client showed");
}

static enum fit
client_certificate(struct looking *l)
{
	const struct clues *e = l->e;

	if (l->by_words)
		return FIT_YES;
	if (e->hba != NULL && e->hba->outcome == HBA_USELESS && strstr(e->hba->why, "client certificate") != NULL)
		return because(l, FIT_YES, "by pg_hba.conf %.200s", e->hba->why);
	/* Up to TLS 1.2 the alert does not say it. */
	if (says(l, "alert handshake failure") && e->demands == KNOWN_YES && e->shows != KNOWN_YES)
		return because(l, FIT_YES, "the endpoint demands one, and the client shows none");
	return says(l, "alert handshake failure") && e->demands == NOT_KNOWN && e->asks == KNOWN_YES && e->shows != KNOWN_YES ?
	    FIT_MAYBE : FIT_NO;
}

static enum fit
cipher(struct looking *l)
{
	if (says(l, "no shared cipher"))
		return FIT_YES;
	if (!says(l, "handshake failure"))
		return FIT_NO;
	if (l->e->demands == KNOWN_YES && l->e->shows != KNOWN_YES)
		return FIT_NO;
	return l->e->asks == KNOWN_NO ? FIT_YES : because(l, FIT_MAYBE, "the alert is the same for a client certificate that "
	    "is missing");
}

static enum fit
hba_no_line(struct looking *l)
{
	const struct clues *e = l->e;

	if (e->said == NULL && !e->waited && e->hba != NULL && e->hba->outcome == HBA_NO_LINE && !enters(e->hba_by_tls))
		return because(l, FIT_YES, "no record matches this client, by TLS or without");
	if (!l->by_words)
		return FIT_NO;
	if (says(l, "no encryption") || says(l, "ssl off")) {
		if (enters(e->hba_by_tls))
			return FIT_NO;
		return e->hba_by_tls != NULL && e->hba_by_tls->outcome == HBA_NO_LINE ?
		    because(l, FIT_YES, "no record matches it, by TLS either") : FIT_MAYBE;
	}
	return FIT_YES;
}

static enum fit
stored_hash(struct looking *l)
{
	const struct clues *e = l->e;

	if (l->by_words)
		return FIT_YES;
	if (e->hba != NULL && e->hba->outcome == HBA_USELESS && strstr(e->hba->why, "stored as md5") != NULL &&
	    (e->said == NULL || password_words(l)))
		return because(l, FIT_YES, "%.200s", e->hba->why);
	return FIT_NO;
}

static enum fit
wrong_password(struct looking *l)
{
	if (!l->by_words || says(l, "without any password configured") || says(l, "no password is set"))
		return FIT_NO;
	if (password_words(l) && l->e->hba != NULL && l->e->hba->outcome == HBA_USELESS)
		return FIT_NO;
	return password_words(l) && l->e->hba == NULL && l->e->kind == KIND_POSTGRES ?
	    because(l, FIT_YES, "or, which is told in the same words, the role is stored with an md5 hash and the line asks for scram") :
	    FIT_YES;
}

static enum fit
pooler_leg(struct looking *l)
{
	const struct clues *e = l->e;

	if (e->kind != KIND_PGBOUNCER || e->leg_fails == KNOWN_NO)
		return FIT_NO;
	if (l->by_words || (e->leg_fails == KNOWN_YES && (e->said == NULL || waited(l))))
		return e->leg_why != NULL ? because(l, FIT_YES, "its own link to the server fails: %.300s", e->leg_why) : FIT_YES;
	return waited(l) ? because(l, FIT_MAYBE, "a pooler that cannot reach its server makes its clients wait") : FIT_NO;
}

static enum fit
not_reloaded(struct looking *l)
{
	return l->e->same_on_disk == KNOWN_NO && (l->e->said == NULL || says(l, "expired") || says(l, "verify failed")) ?
	    because(l, FIT_YES, "what is served is not what lies on its host") : FIT_NO;
}

static enum fit
not_persisted(struct looking *l)
{
	const struct clues *e = l->e;

	if (e->said != NULL || e->waited || e->configured == ACCEPT_UNKNOWN || e->persisted == ACCEPT_UNKNOWN ||
	    e->configured == e->persisted)
		return FIT_NO;
	return because(l, FIT_YES, "runs as %s, and starts as %s", accept_word(e->configured), accept_word(e->persisted));
}

static enum fit
socket_plain(struct looking *l)
{
	return l->e->by_socket == KNOWN_YES && l->e->said == NULL && l->e->dial != DIAL_UNKNOWN && l->e->dial >= DIAL_REQUIRE ?
	    because(l, FIT_YES, "it dials %s by a Unix socket", dial_word(l->e->dial)) : FIT_NO;
}

static enum fit
session_ended(struct looking *l)
{
	const struct clues *e = l->e;

	if (!l->by_words)
		return FIT_NO;
	if (says(l, "administrator command") || says(l, "being shut down"))
		return FIT_YES;
	if (wants_tls(e) && (e->chain == VERIFIED_BAD || e->name == VERIFIED_BAD || expired(e, 0) || too_early(e, 0)))
		return FIT_NO;
	return because(l, FIT_MAYBE, "the certificate is not the cause, as far as it was looked at");
}

static enum fit
no_answer(struct looking *l)
{
	return waited(l) ? because(l, FIT_MAYBE, "what the ports answer to belay decides: ask for a look at this endpoint") : FIT_NO;
}

/* ------------------------------------------------------------------ looking */

/* A row's judge may say more than its words, or that the facts speak against it. */
static enum fit (*const judges[CAUSE_COUNT])(struct looking *) = {
	[CAUSE_FILE_MISSING] = file_missing,
	[CAUSE_KEY_PERMISSIONS] = key_permissions,
	[CAUSE_KEY_OWNER] = key_owner,
	[CAUSE_FILE_UNREADABLE] = file_unreadable,
	[CAUSE_KEY_MISMATCH] = key_mismatch,
	[CAUSE_TLS_NOT_LOADED] = tls_not_loaded,
	[CAUSE_NO_TLS] = no_tls,
	[CAUSE_TLS_TO_PLAINTEXT] = tls_to_plaintext,
	[CAUSE_PLAINTEXT_TO_TLS] = plaintext_to_tls,
	[CAUSE_PLAINTEXT_REFUSED] = plaintext_refused,
	[CAUSE_DRIVER_WORD] = driver_word,
	[CAUSE_NO_NAME] = by_words,
	[CAUSE_NOT_LISTENING] = not_listening,
	[CAUSE_TLS_PORT_CLOSED] = tls_port_closed,
	[CAUSE_DOWN] = down,
	[CAUSE_FIREWALL] = firewall,
	[CAUSE_CLOCK] = clock_differs,
	[CAUSE_EXPIRED] = is_expired,
	[CAUSE_NOT_YET_VALID] = is_too_early,
	[CAUSE_NAME] = wrong_name,
	[CAUSE_CA_FILE_MISSING] = ca_missing,
	[CAUSE_CHAIN_INCOMPLETE] = chain_incomplete,
	[CAUSE_UNKNOWN_CA] = unknown_ca,
	[CAUSE_STRAY_CERTIFICATE] = stray,
	[CAUSE_CLIENT_CERTIFICATE] = client_certificate,
	[CAUSE_WEAK] = by_words,
	[CAUSE_PURPOSE] = by_words,
	[CAUSE_PROTOCOL] = by_words,
	[CAUSE_CIPHER] = cipher,
	[CAUSE_HBA_NO_LINE] = hba_no_line,
	[CAUSE_HBA_REJECTS] = by_words,
	[CAUSE_HASH] = stored_hash,
	[CAUSE_WRONG_PASSWORD] = wrong_password,
	[CAUSE_NO_PASSWORD] = by_words,
	[CAUSE_PASSWORD_NOT_SET] = by_words,
	[CAUSE_CHANNEL_BINDING] = by_words,
	[CAUSE_POOLER_LEG] = pooler_leg,
	[CAUSE_NOT_RELOADED] = not_reloaded,
	[CAUSE_NOT_PERSISTED] = not_persisted,
	[CAUSE_SOCKET] = socket_plain,
	[CAUSE_SESSION_ENDED] = session_ended,
	[CAUSE_NO_ANSWER] = no_answer,
};

size_t
diagnose(const struct clues *e, struct diagnosis ret[DIAGNOSES_MAX])
{
	struct diagnosis found[CAUSE_COUNT];
	enum fit fits[CAUSE_COUNT];
	struct looking l = { e, cause_text(e->said), false, NULL };
	bool sure = false;
	size_t i, n = 0;

	for (i = 0; i < CAUSE_COUNT; i++) {
		l.d = &found[i];
		memset(l.d, 0, sizeof(*l.d));
		l.d->cause = (enum cause)i;
		l.by_words = cause_said_here((enum cause)i, l.said, e->by);
		fits[i] = judges[i](&l);
		l.d->sure = fits[i] == FIT_YES;
		sure = sure || l.d->sure;
	}
	for (i = 0; i < CAUSE_COUNT && n < DIAGNOSES_MAX; i++)
		if (fits[i] == FIT_YES || (!sure && fits[i] == FIT_MAYBE))
			ret[n++] = found[i];
	free(l.said);
	return n;
}
