/*
 * causes: why a connection fails, as a table: a name, the words by which a cause is known, what
 * it is, what to do.  belay-explain(7) prints it as it stands.  Rows stand from the particular to
 * the general.  What the words are worth beside the facts is diagnose.h's.  Pure.
 *
 * Sources of the words: PostgreSQL 15 (be-secure-openssl.c, fe-secure-openssl.c,
 * auth.c), PgBouncer 1.18, Redis 7.0 (tls.c), OpenSSL 3.0, and what drivers make of them.
 */
#ifndef BELAY_CORE_CAUSES_H
#define BELAY_CORE_CAUSES_H

#include <stdbool.h>

enum cause {
	/* what the server was given */
	CAUSE_FILE_MISSING, CAUSE_KEY_PERMISSIONS, CAUSE_KEY_OWNER, CAUSE_FILE_UNREADABLE, CAUSE_KEY_MISMATCH,
	CAUSE_TLS_NOT_LOADED, CAUSE_NO_TLS,
	/* who talks to what */
	CAUSE_TLS_TO_PLAINTEXT, CAUSE_PLAINTEXT_TO_TLS, CAUSE_PLAINTEXT_REFUSED, CAUSE_DRIVER_WORD,
	CAUSE_NO_NAME, CAUSE_NOT_LISTENING, CAUSE_TLS_PORT_CLOSED, CAUSE_DOWN, CAUSE_FIREWALL,
	/* certificates */
	CAUSE_CLOCK, CAUSE_EXPIRED, CAUSE_NOT_YET_VALID, CAUSE_NAME, CAUSE_CA_FILE_MISSING,
	CAUSE_CHAIN_INCOMPLETE, CAUSE_UNKNOWN_CA, CAUSE_STRAY_CERTIFICATE, CAUSE_CLIENT_CERTIFICATE,
	CAUSE_WEAK, CAUSE_PURPOSE, CAUSE_PROTOCOL, CAUSE_CIPHER,
	/* logging in */
	CAUSE_HBA_NO_LINE, CAUSE_HBA_REJECTS, CAUSE_HASH, CAUSE_WRONG_PASSWORD, CAUSE_NO_PASSWORD,
	CAUSE_PASSWORD_NOT_SET, CAUSE_CHANNEL_BINDING,
	/* what looks well and is not */
	CAUSE_POOLER_LEG, CAUSE_NOT_RELOADED, CAUSE_NOT_PERSISTED, CAUSE_SOCKET,
	CAUSE_SESSION_ENDED, CAUSE_NO_ANSWER
};
#define CAUSE_COUNT 42

/* A row of the table; all of it constant. */
struct cause_row {
	const char *name;	/* one word with dashes, for --json and the manual */
	const char *what;	/* the cause */
	const char *fix;
};
const struct cause_row *cause_row(enum cause);
/* The row's words, and NULL: what is looked for, in lower case; the manual shows them. */
const char *const *cause_words(enum cause);

enum speaker {
	SAID_BY_CLIENT,		/* a client or its library, or a probe in its place */
	SAID_BY_SERVER		/* the endpoint's own log */
};
/* The first row whose words stand in the text, in the order of the table; no fact is asked. */
bool	cause_said(const char *text, enum speaker, enum cause *ret);

/* What was said, as the words are compared with it: in lower case, of bounded length; the caller's.  NULL: "". */
char	*cause_text(const char *said);
bool	cause_text_has(const char *text, const char *words);
/* Was one of the cause's words said? */
bool	cause_said_here(enum cause, const char *text, enum speaker);

#endif
