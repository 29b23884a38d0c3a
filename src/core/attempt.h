/*
 * attempt: one new connection, and what comes of it.  The truth table of the
 * real programs: what both sides bring in, the verdict out.  Pure; knows no
 * fleet and no plan (posture.h fills an attempt in from those).
 *
 * Sources: measured with PostgreSQL 15, PgBouncer 1.18, Redis 7.0, libpq 15
 * by tests/truth, cell by cell; what could not be run there is marked so at
 * its place (attempt.c) and in dialect_basis().
 */
#ifndef BELAY_CORE_ATTEMPT_H
#define BELAY_CORE_ATTEMPT_H

#include <stdbool.h>

#include "core/fleet.h"

enum verdict {			/* in order: more is better */
	VERDICT_REFUSED, VERDICT_HANGS, VERDICT_UNKNOWN, VERDICT_PLAINTEXT,
	VERDICT_TLS,		/* encrypted, nobody checked */
	VERDICT_CHAIN,		/* the certificate's chain was checked */
	VERDICT_NAME		/* and the name */
};
const char *verdict_word(enum verdict);

/* What the client knows of the served certificate's issuer. */
enum anchor {
	ANCHOR_NONE,		/* no CA file at the client */
	ANCHOR_ISSUER,		/* its CA file holds the issuer */
	ANCHOR_OTHER,		/* its CA file holds other CAs only */
	ANCHOR_UNKNOWN		/* there is a CA file, or there may be; whose is not known */
};

/* The certificate that the endpoint serves. */
enum leaf_state {
	SERVED_NONE,		/* it has none: it cannot speak TLS */
	SERVED_GOOD,		/* in date, covers the dialled name */
	SERVED_MISNAMED,	/* in date, does not cover the dialled name */
	SERVED_EXPIRED,		/* or not yet valid; whatever its names */
	SERVED_UNKNOWN		/* it has one that nobody has seen */
};

/* The client certificate that the client shows when it is asked. */
enum shown { SHOWN_NONE, SHOWN_GOOD, SHOWN_STRAY /* of a CA that the endpoint does not trust, if any */ };

struct attempt {
	enum kind kind;		/* of the endpoint */
	enum accept accept;
	enum leaf_state served;
	bool	 one_port;	/* Redis: plaintext and TLS are dialled at the same port */
	bool	 asks;		/* a client certificate is asked for, not demanded (PostgreSQL's ssl_ca_file; PgBouncer always asks) */
	enum proto server_min, server_max;	/* PROTO_ANY: no bound */
	enum auth auth;		/* how the endpoint authenticates this role */
	enum stored stored;	/* what it has stored for it */

	enum dialect dialect;	/* of the client's driver */
	enum dial dial;
	enum anchor anchor;
	enum shown shown;
	enum proto client_min, client_max;
};

/*
 * The facts that need no value: AUTH_UNKNOWN is not in question (nobody told
 * how roles log in); a bound of protocols that is PROTO_ANY is the program's
 * own, TLS 1.2 at least in all that are current, and an unknown only where the
 * other side stops below that.  Not in the table: names in client
 * certificates, channel binding, Unix sockets, password files.
 *
 * What this connection does.  *ret_why (may be NULL) is a constant string, or
 * NULL: for REFUSED and HANGS the cause in the field's words, for PLAINTEXT
 * that nobody asked for (prefer that fell back) the cause of that.
 * ACCEPT_UNKNOWN, DIAL_UNKNOWN give VERDICT_UNKNOWN, and so does every
 * unknown that decides the outcome; one that does not decide it is no obstacle.
 */
enum verdict attempt_verdict(const struct attempt *, const char **ret_why);

/* What a client tries, in which order. */
enum try_order { TRY_NO_WAY, TRY_PLAIN, TRY_PLAIN_FIRST, TRY_TLS_FIRST, TRY_TLS };

/* What it checks of the certificate served. */
enum try_checks { TRY_CHECKS_NOTHING, TRY_CHECKS_IF_FILE /* the chain, where there is a CA file */, TRY_CHECKS_CHAIN, TRY_CHECKS_FULL };

/* How a try ends. */
enum try_end {
	TRY_WELL = 0,
	TRY_NO_TLS = 1,		/* the endpoint says that it has none */
	TRY_HANDSHAKE = 2,	/* while TLS is being set up, by either side */
	TRY_CUT = 4,		/* behind the client's end of it: an alert, no message */
	TRY_MESSAGE = 8,	/* by a FATAL of class 28, which is about who may come in */
	TRY_OTHER = 16,		/* by one of another class: PgBouncer's "SSL required" */
	TRY_SILENCE = 32	/* there is no answer at all */
};

/* What a driver makes of a mode: the table itself, for whoever dials in its place (remote/rehearse.h). */
struct manner {
	const char *spelling;	/* TRY_NO_WAY: why there is none */
	enum try_order order;
	enum try_checks check;
	unsigned again;		/* the ends of the first try after which there is a second */
};
const struct manner *dialect_manner(enum dialect, enum dial);	/* of a dial that is known */

/*
 * A dialect's own spelling of a mode ("ssl=require", "rejectUnauthorized:
 * false"), or NULL where the driver has no such mode and setting it is an
 * error; *ret_why then says so.
 */
const char *dialect_spelling(enum dialect, enum dial, const char **ret_why);
/* What to write in place of a URL's parameter that this driver takes for an error; NULL where it takes it. */
const char *dialect_rejects(enum dialect, const char *parameter);
/* Whether a client that verifies needs a CA file of its own; else it falls back on the system's. */
bool	dialect_needs_file(enum dialect);
/* Whether tests/truth runs the driver itself, or its documents only are behind the table. */
enum basis { BASIS_RUN, BASIS_DOCUMENTED };
enum basis dialect_basis(enum dialect);

#endif
