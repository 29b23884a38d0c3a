/*
 * diagnose: see diagnose.h.
 *
 * Owns the table.  A row's words are alternatives; "a&b" wants both; "C:" and
 * "S:" in front restrict who says them.  They are compared in lower case, with
 * Python's underscores as blanks.  A row's judge may say more than the words,
 * or that the facts speak against it.  Rows stand from the particular to the
 * general, which is the order of what is told.
 */
#include "core/diagnose.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

#define SAID_MAX 4096		/* more of what was said is not looked at */
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
	/* Underscores are blanks on both sides. */
	const char *p;
	size_t i;

	for (p = l->said; *p != '\0'; p++) {
		for (i = 0; words[i] != '\0' && p[i] == (words[i] == '_' ? ' ' : words[i]); i++)
			;
		if (words[i] == '\0')
			return true;
	}
	return false;
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

/* ------------------------------------------------------------------ the table */

#define WORDS(...) { __VA_ARGS__, NULL }
#define WORDS_MAX 20

static const struct {
	struct cause_row row;
	enum fit (*judge)(struct looking *);
	const char *words[WORDS_MAX];
} rows[CAUSE_COUNT] = {
	[CAUSE_FILE_MISSING] = { { "file-missing",
	    "a certificate or key file is not there under the name that the server is told; a key of a Secret that is "
	    "called otherwise (redis-cert.pem, not server-cert.pem) is the usual reason",
	    "give the file the name that the setting has, or the setting the file's; then reload, and look at what is "
	    "served" }, file_missing,
	    WORDS("could not load server certificate file&no such file", "failed to load certificate&no such file",
	    "failed to load private key&no such file", "could not access private key file&no such file",
	    "could not load root certificate file&no such file", "failed to configure ca certificate&no such file",
	    "failed to load ca&no such file", "failed to load cert&no such file", "failed to load key&no such file") },
	[CAUSE_KEY_PERMISSIONS] = { { "key-permissions",
	    "others may read the private key's file, and the server takes no such key",
	    "chmod 0600 (0640 where it is root's and the server's group reads it), then reload; where a Secret is "
	    "mounted, its defaultMode or an init container has to do it" }, key_permissions,
	    WORDS("has group or world access", "permissions are too open", "unprotected private key") },
	[CAUSE_KEY_OWNER] = { { "key-owner",
	    "the private key's file belongs to somebody whose keys the server does not take, or it cannot read it",
	    "chown it to the user that the server runs as (in the official images 70 or 999, and Redis' is another than "
	    "Postgres'), mode 0600; then reload" }, key_owner,
	    WORDS("must be owned by the database user or root", "must be owned by the current user or root",
	    "could not load private key file&permission denied", "could not access private key file&permission denied",
	    "failed to load private key&permission denied", "failed to load key&permission denied") },
	[CAUSE_FILE_UNREADABLE] = { { "file-unreadable",
	    "the server may not read its certificate file, or what is in it is no certificate",
	    "let the user that it runs as read the file (and enter its directories); look with openssl x509 that it is "
	    "PEM; a Secret's mount may need fsGroup or a copy by an init container" }, file_unreadable,
	    WORDS("could not load server certificate file",
	    "failed to load certificate&permission denied", "failed to load certificate&no start line",
	    "failed to load cert&permission denied") },
	[CAUSE_KEY_MISMATCH] = { { "key-mismatch",
	    "the private key is not the certificate's: one of the two files was replaced without the other",
	    "put the pair there in one step; openssl pkey -pubout and openssl x509 -pubkey have to print the same" },
	    key_mismatch, WORDS("key values mismatch", "check of private key failed", "x509_check_private_key",
	    "failed to load private key&mismatch") },
	[CAUSE_TLS_NOT_LOADED] = { { "tls-not-loaded",
	    "TLS is configured and not served: a reload could not load key or certificate, said so in the log only, and the "
	    "server went on as it was; the next start may fail for it",
	    "read the server's log for \"SSL configuration was not reloaded\" (PgBouncer before 1.25 says nothing): mode "
	    "and owner of the key, name of the file; then reload and look at what is served, not at what is set" },
	    tls_not_loaded, WORDS("ssl configuration was not reloaded", "tls setup failed") },
	[CAUSE_NO_TLS] = { { "no-tls",
	    "the server does not speak TLS: it is not configured",
	    "configure TLS at the server first (the step that lets it accept both), then the client" }, no_tls,
	    WORDS("does not support ssl", "ssl not supported", "rejected ssl upgrade", "refused tls connection",
	    "does not support tls", "server refused ssl") },
	[CAUSE_TLS_TO_PLAINTEXT] = { { "tls-to-plaintext",
	    "a TLS client talks to a plaintext port; Redis never answers that, so that the client waits until its own "
	    "time is over",
	    "dial the TLS port, or let the server speak TLS at this one; leave ssl_cert_reqs as it is: nothing was "
	    "verified yet" }, tls_to_plaintext,
	    WORDS("C:wrong version number", "C:first record does not look like a tls handshake", "C:record layer failure",
	    "C:packet length too long", "C:unsupported or unrecognized ssl message", "C:not an ssl/tls record",
	    "C:plaintext connection?", "C:http request", "C:unknown protocol") },
	[CAUSE_PLAINTEXT_TO_TLS] = { { "plaintext-to-tls",
	    "a plaintext client talks to a TLS port",
	    "let the client dial TLS (rediss://, with two s), or the plaintext port while there is one; the server's log "
	    "names the client's address from Redis 7.2 on" }, plaintext_to_tls,
	    WORDS("S:wrong version number", "S:http request", "S:unknown protocol", "S:record layer failure") },
	[CAUSE_PLAINTEXT_REFUSED] = { { "plaintext-refused",
	    "the endpoint takes TLS only, and this client dials plaintext",
	    "flip the client, or take the endpoint's step back until it is flipped" }, plaintext_refused,
	    WORDS("ssl required", "tls required", "no encryption", "ssl off") },
	[CAUSE_DRIVER_WORD] = { { "driver-word",
	    "the connection string speaks another driver's dialect: sslmode is libpq's, ssl is asyncpg's",
	    "write it in the driver's own words: ssl=require for asyncpg, sslmode=require for libpq, psycopg and pgx, "
	    "rediss:// and ssl_cert_reqs for redis-py" }, driver_word,
	    WORDS("unexpected keyword argument", "invalid connection option", "invalid uri query parameter",
	    "invalid dsn", "unrecognized configuration parameter", "unknown option", "unknown parameter",
	    "invalid sslmode", "bad connection option") },
	[CAUSE_NO_NAME] = { { "no-name",
	    "the name that is dialled leads nowhere",
	    "mend the name, or its entry in DNS or /etc/hosts on the client's host" }, by_words,
	    WORDS("could not translate host name", "name or service not known", "nodename nor servname", "enotfound",
	    "no such host", "temporary failure in name resolution", "unknownhostexception", "name does not resolve") },
	[CAUSE_NOT_LISTENING] = { { "not-listening",
	    "the server does not listen at the address that is dialled, on its own machine's only",
	    "listen_addresses = '*' (PgBouncer: listen_addr; Redis: bind and protected-mode), and a restart: a reload "
	    "does not change it" }, not_listening, { NULL } },
	[CAUSE_TLS_PORT_CLOSED] = { { "tls-port-closed",
	    "nobody listens at the TLS port: tls-port is 0, or the server could not load its certificate and stayed as it was",
	    "set tls-port with the certificate and key in one CONFIG SET, and write it to the file; then dial again" },
	    tls_port_closed, { NULL } },
	[CAUSE_DOWN] = { { "down",
	    "nobody listens at any of the endpoint's ports: the server is not running, or runs elsewhere",
	    "look at its unit and its log; a server whose certificate or key cannot be loaded does not start" }, down,
	    { NULL } },
	[CAUSE_FIREWALL] = { { "firewall",
	    "packets to the TLS port are dropped on the way: a firewall, a security group or a network policy that knows "
	    "the plaintext port only",
	    "open the TLS port from the client's host to the server; a port that is closed would have answered" },
	    firewall, { NULL } },
	[CAUSE_CLOCK] = { { "clock",
	    "the certificate is in date, and the clock of the side that verifies is wrong",
	    "set that host's clock (chronyc makestep); belay's own leaves begin an hour early for small differences" },
	    clock_differs, { NULL } },
	[CAUSE_EXPIRED] = { { "expired",
	    "the certificate is past its end",
	    "renew the leaf under the same CA and reload; a new CA would have to be trusted by every client first" },
	    is_expired, WORDS("certificate has expired", "certificate expired", "cert has expired",
	    "certificateexpiredexception", "notafter:", "has expired or is not yet valid&is after") },
	[CAUSE_NOT_YET_VALID] = { { "not-yet-valid",
	    "the certificate begins later than now",
	    "wait, or issue one that begins earlier" }, is_too_early,
	    WORDS("certificate is not yet valid", "certificate not yet valid", "cert not yet valid",
	    "certificatenotyetvalidexception", "has expired or is not yet valid&is before", "not active until") },
	[CAUSE_NAME] = { { "name",
	    "the certificate does not cover the name that the client dials; a wildcard covers one label, and addresses "
	    "want an IP entry (libpq: from 15 on)",
	    "issue a leaf whose names have every name that is dialled, or dial a name that it has" }, wrong_name,
	    WORDS("does not match host name", "hostname mismatch", "ip address mismatch", "hostname/ip does not match",
	    "certificate is valid for", "no name matching", "no subject alternative", "altname", "name mismatch",
	    "doesn't match", "could not get server's host name from server certificate") },
	[CAUSE_CA_FILE_MISSING] = { { "ca-file-missing",
	    "the client verifies, and the file with the CA is not where it looks for it",
	    "put the CA there, or name the file (sslrootcert, REDIS_SSL_CA_CERT); inside a container the path is the "
	    "container's" }, ca_missing, WORDS("root certificate file&does not exist", "could not read root certificate file",
	    "could not open ca file", "cafile&no such file", "ssl_ca_certs&no such file",
	    "ca certificate&no such file or directory") },
	[CAUSE_CHAIN_INCOMPLETE] = { { "chain-incomplete",
	    "the server sends its leaf without the intermediate that signed it",
	    "put leaf and intermediates, in this order, into the certificate file, and reload" }, chain_incomplete,
	    WORDS("unable to get local issuer", "unable to verify the first certificate", "unable to verify leaf signature") },
	[CAUSE_UNKNOWN_CA] = { { "unknown-ca",
	    "the client verifies, and its CA file does not hold the CA of the certificate served",
	    "give the client the CA (both, old and new, while they change); not ssl_cert_reqs=none: that encrypts to "
	    "anybody" }, unknown_ca,
	    WORDS("certificate verify failed", "unable to get local issuer", "self-signed certificate",
	    "self signed certificate", "unknown authority", "pkix path building failed", "unable to verify the first certificate",
	    "unable to get issuer", "depth zero self signed", "self signed cert in chain", "unable to verify leaf signature",
	    "S:alert unknown ca", "S:alert bad certificate", "certificate is not trusted") },
	[CAUSE_STRAY_CERTIFICATE] = { { "stray-certificate",
	    "the client shows a client certificate of a CA that the server does not know; libpq takes "
	    "~/.postgresql/postgresql.crt without being told, and a server with a CA file asks everybody",
	    "take the certificate away from the client (sslcert= empty, another home), or let the server trust its CA" },
	    stray, WORDS("C:alert unknown ca", "S:certificate verify failed", "C:alert bad certificate",
	    "C:alert certificate unknown", "C:alert unsupported certificate") },
	[CAUSE_CLIENT_CERTIFICATE] = { { "client-certificate",
	    "the endpoint demands a client certificate and the client shows none; Redis does by default "
	    "(tls-auth-clients yes), PgBouncer with client_tls_sslmode verify-ca and verify-full",
	    "give the client one (sslcert and sslkey, tls-cert-file), or demand none (tls-auth-clients no, "
	    "client_tls_sslmode require)" }, client_certificate,
	    WORDS("alert certificate required", "peer did not return a certificate",
	    "connection requires a valid client certificate", "no required ssl certificate", "certificate required",
	    "certificate authentication failed") },
	[CAUSE_WEAK] = { { "weak",
	    "a key or signature is weaker than the other side's OpenSSL allows",
	    "issue the certificate with P-256 or RSA of 2048 bits at least, signed with SHA-256" }, by_words,
	    WORDS("ee key too small", "ca key too small", "ca md too weak", "dh key too small", "md too weak") },
	[CAUSE_PURPOSE] = { { "purpose",
	    "the certificate is not made for this: a client's at a server, or a CA's own",
	    "issue a leaf with extendedKeyUsage serverAuth (clientAuth for clients)" }, by_words,
	    WORDS("unsupported certificate purpose", "unsuitable certificate purpose", "incompatible key usage",
	    "inappropriate fallback purpose") },
	[CAUSE_PROTOCOL] = { { "protocol",
	    "client and server have no version of TLS in common; with prefer the client goes on in plaintext and says nothing",
	    "lower the server's minimum to TLSv1.2 while such clients remain, or renew the client's library" }, by_words,
	    WORDS("alert protocol version", "unsupported protocol", "no protocols available", "wrong ssl version",
	    "protocol version not supported", "unsupported version", "handshake&no appropriate protocol") },
	[CAUSE_CIPHER] = { { "cipher",
	    "client and server have no cipher in common",
	    "compare ssl_ciphers (client_tls_ciphers, tls-ciphers) with what the client offers; an RSA-only list fails an "
	    "ECDSA certificate" }, cipher, WORDS("no shared cipher", "alert handshake failure", "sslv3 alert handshake failure") },
	[CAUSE_HBA_NO_LINE] = { { "hba-no-line",
	    "no line of pg_hba.conf is for this client's address, role and database",
	    "add a line for it above the first that decides otherwise, and reload; look at pg_hba_file_rules.error "
	    "first: a file with one bad line is ignored as a whole" }, hba_no_line, WORDS("no pg_hba.conf entry") },
	[CAUSE_HBA_REJECTS] = { { "hba-rejects",
	    "a line of pg_hba.conf rejects this client",
	    "let its own line stand above that one; where the line is a hardened block's, the client dials plaintext: flip it" },
	    by_words, WORDS("pg_hba.conf rejects") },
	[CAUSE_HASH] = { { "hash",
	    "the line asks for scram-sha-256, and the role's password is stored as md5: no password will do",
	    "SET password_encryption = 'scram-sha-256' and set the same password again; until then the line's method "
	    "md5 serves both" }, stored_hash,
	    WORDS("does not have a valid scram secret", "doesn't have a valid scram secret", "wrong password type") },
	[CAUSE_WRONG_PASSWORD] = { { "wrong-password",
	    "the password is not the server's; TLS has nothing to do with it",
	    "compare the client's secret with the server's (Redis: requirepass or the ACL's, which CONFIG REWRITE may "
	    "have left behind)" }, wrong_password,
	    WORDS("wrongpass", "password authentication failed", "invalid password", "invalid username-password pair",
	    "auth failed") },
	[CAUSE_NO_PASSWORD] = { { "no-password",
	    "the server wants a password and the client gives none: its URL has none, or the variable is empty",
	    "give the client the password by the variable or the URL; it stays out of argv" }, by_words,
	    WORDS("noauth", "no password supplied", "authentication required", "client password must be a string") },
	[CAUSE_PASSWORD_NOT_SET] = { { "password-not-set",
	    "the client gives a password, and the server has none",
	    "set requirepass (or the ACL's) at the server first; clients that give none fail from then on" }, by_words,
	    WORDS("without any password configured", "no password is set") },
	[CAUSE_CHANNEL_BINDING] = { { "channel-binding",
	    "the client demands channel binding, which goes no further than the other end of its own TLS: not through a pooler",
	    "channel_binding=prefer for what goes through PgBouncer" }, by_words, WORDS("channel binding") },
	[CAUSE_POOLER_LEG] = { { "pooler-leg",
	    "the pooler cannot log in at its server, and its clients wait until their own time is over, without an error",
	    "mend the pooler's own link first: its CA file, server_tls_sslmode, and what the server says in its log" },
	    pooler_leg, WORDS("query_wait_timeout", "query wait timeout", "server login failed", "server_login_retry",
	    "server login has been failing", "server login retry") },
	[CAUSE_NOT_RELOADED] = { { "not-reloaded",
	    "the files were replaced and the server was not told: it serves what it read before",
	    "reload it (Redis: CONFIG SET tls-cert-file to the same path, from 7.0.1; PgBouncer's server side from 1.24: "
	    "RECONNECT), and look at what is served" }, not_reloaded, { NULL } },
	[CAUSE_NOT_PERSISTED] = { { "not-persisted",
	    "what runs was set at run time and stands in no file: the next restart takes it back",
	    "CONFIG REWRITE, or write it to the server's file; a Redis without a file has to be started with it" },
	    not_persisted, { NULL } },
	[CAUSE_SOCKET] = { { "socket",
	    "by a Unix socket there is no TLS, whatever sslmode says, and the client is not told",
	    "nothing to mend where both are on one machine; else dial by TCP" }, socket_plain, { NULL } },
	[CAUSE_SESSION_ENDED] = { { "session-ended",
	    "the server ended the session: a restart, a drain, an administrator, or it died",
	    "look at the server's log for that moment; a client with a pool has to try again" }, session_ended,
	    WORDS("closed unexpectedly", "server closed the connection", "closed the connection unexpectedly",
	    "administrator command", "being shut down", "connection reset by peer", "econnreset") },
	[CAUSE_NO_ANSWER] = { { "no-answer",
	    "nobody answers, and what was seen does not tell who keeps silent",
	    "look from the client's host: does the port take a connection, does it answer a handshake, does the "
	    "plaintext port answer" }, no_answer, WORDS("taking longer than", "timed out", "timeout") },
};

const struct cause_row *
cause_row(enum cause cause)
{
	return &rows[cause].row;
}

const char *const *
cause_words(enum cause cause)
{
	return rows[cause].words;
}

/* ------------------------------------------------------------------ looking */

/* Does the text hold what the entry wants, from whom it wants it? */
static bool
entry_said(const struct looking *l, const char *entry)
{
	const char *and;
	char first[128];

	if (entry[1] == ':') {
		if ((entry[0] == 'C') != (l->e->by == SAID_BY_CLIENT))
			return false;
		entry += 2;
	}
	if ((and = strchr(entry, '&')) == NULL)
		return says(l, entry);
	(void)snprintf(first, sizeof(first), "%.*s", (int)(and - entry), entry);
	return says(l, first) && says(l, and + 1);
}

static char *
lower(const char *said)
{
	size_t i, len = said == NULL ? 0 : strnlen(said, SAID_MAX);
	char *ret = mem_strndup(said == NULL ? "" : said, len);

	for (i = 0; i < len; i++) {
		if (ret[i] >= 'A' && ret[i] <= 'Z')
			ret[i] = (char)(ret[i] - 'A' + 'a');
		else if (ret[i] == '_' || ret[i] == '\n' || ret[i] == '\t')
			ret[i] = ' ';
	}
	return ret;
}

bool
cause_said(const char *text, enum speaker by, enum cause *ret)
{
	struct clues e;
	struct looking l = { &e, lower(text), false, NULL };
	size_t i, k;
	bool said = false;

	clues_init(&e, KIND_POSTGRES);
	e.by = by;
	for (i = 0; i < CAUSE_COUNT && !said; i++)
		for (k = 0; rows[i].words[k] != NULL && !said; k++)
			if ((said = entry_said(&l, rows[i].words[k])))
				*ret = (enum cause)i;
	free(l.said);
	return said;
}

size_t
diagnose(const struct clues *e, struct diagnosis ret[DIAGNOSES_MAX])
{
	struct diagnosis found[CAUSE_COUNT];
	enum fit fits[CAUSE_COUNT];
	struct looking l = { e, lower(e->said), false, NULL };
	bool sure = false;
	size_t i, k, n = 0;

	for (i = 0; i < CAUSE_COUNT; i++) {
		l.d = &found[i];
		memset(l.d, 0, sizeof(*l.d));
		l.d->cause = (enum cause)i;
		l.by_words = false;
		for (k = 0; rows[i].words[k] != NULL && !l.by_words; k++)
			l.by_words = entry_said(&l, rows[i].words[k]);
		fits[i] = rows[i].judge(&l);
		l.d->sure = fits[i] == FIT_YES;
		sure = sure || l.d->sure;
	}
	for (i = 0; i < CAUSE_COUNT && n < DIAGNOSES_MAX; i++)
		if (fits[i] == FIT_YES || (!sure && fits[i] == FIT_MAYBE))
			ret[n++] = found[i];
	free(l.said);
	return n;
}
