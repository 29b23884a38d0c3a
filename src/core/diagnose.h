/*
 * diagnose: from what was said and seen, the cause of a failure and what mends
 * it, in words.  Pure.
 *
 * One table (diagnose.c), printed by the manual as it stands: a name, the
 * words by which a cause is known, what it is, what to do.  Words alone decide
 * only where they can mean one thing.  The same words said by a client and by a
 * server's log are two things ("unknown ca" is the other side's complaint), and
 * where two causes look alike (a TLS client at a plaintext port waits just as
 * one whose server cannot be reached), the facts decide: what the ports answer, the
 * certificate, whose clock.  Where the facts are missing, each cause that remains is
 * told as possible, and none as sure.
 *
 * Sources of the words: PostgreSQL 15 (be-secure-openssl.c, fe-secure-openssl.c,
 * auth.c), PgBouncer 1.18, Redis 7.0 (tls.c), OpenSSL 3.0, and what drivers make of them.
 */
#ifndef BELAY_CORE_DIAGNOSE_H
#define BELAY_CORE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attempt.h"
#include "core/fleet.h"
#include "core/hba.h"
#include "core/reading.h"

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

/* What is the matter with the server's private key on its host. */
enum key_state {
	KEY_UNKNOWN, KEY_FINE, KEY_MISSING,
	KEY_OPEN,		/* others may read it, and the server refuses it for that */
	KEY_FOREIGN,		/* it is somebody's whose the server will not take, or the server cannot read it */
	KEY_OTHER		/* it does not belong to the certificate */
};
const char *key_state_word(enum key_state);
/*
 * By the rules of the kind of server: Postgres wants at most 0600 of a key of its own
 * user's, at most 0640 of root's; the others have to be able to read it.  gid is of the key,
 * in_group whether the server's user is in that group.
 */
enum key_state key_state_of(enum kind, unsigned mode, long uid, bool in_group, long server_uid);

enum known { NOT_KNOWN, KNOWN_NO, KNOWN_YES };

/*
 * The evidence.  Zeroed by clues_init(), which sets what is not zero when
 * it is not known; everything is borrowed.  What is not known decides nothing.
 */
struct clues {
	enum kind kind;		/* of the endpoint */
	const char *said;	/* the words, NULL: none (it hangs, or nothing failed yet) */
	enum speaker by;
	bool	 waited;	/* nothing was said: it was waited for in vain */

	enum dialect dialect;	/* DIALECT_DEFAULT: not known */
	enum dial dial;		/* DIAL_UNKNOWN */
	enum known dials_tls_port;	/* Redis: which of the two ports the client dials */
	enum known by_socket;	/* it goes by a Unix socket */
	enum known shows;	/* it has a client certificate */
	enum anchor anchor;	/* ANCHOR_UNKNOWN */

	/* The endpoint's ports, as they answered from its own host. */
	enum leg plain, tls;	/* LEG_UNKNOWN */
	const char *plain_why, *tls_why;
	enum known one_port;
	const char *listens;	/* listen_addresses, listen_addr or bind; NULL not known */
	enum accept configured, persisted;	/* ACCEPT_UNKNOWN */

	const struct certificate *cert;	/* as served; NULL */
	enum verified chain, name;
	const char *chain_why;
	const char *dials;	/* the name that the client dials; NULL */
	enum known same_on_disk;	/* what is served is what lies on its host */
	enum known asks, demands;	/* a client certificate */
	enum key_state key;

	int64_t	 now_s;		/* by the clock that is trusted; 0 not known */
	bool	 skew_known;
	int64_t	 skew_s;	/* the verifying side's clock is so far ahead (< 0: behind) */

	const struct hba_answer *hba;		/* for the connection as it is made */
	const struct hba_answer *hba_by_tls;	/* for the same by TLS */

	enum known leg_fails;	/* a pooler: its own link upstream fails */
	const char *leg_why;
};
void	clues_init(struct clues *, enum kind);
/* What a served reading and its endpoint's settings say; NULLs are left out. */
void	clues_served(struct clues *, const struct served *);

struct diagnosis {
	enum cause cause;
	bool	 sure;		/* the evidence leaves no other; else one of those that remain */
	char	 because[512];	/* what of the evidence decided, in words; may hold remote bytes */
};
#define DIAGNOSES_MAX 6
/* Best first; 0: nothing of what is known looks like a failure.  Sure ones only, where there is one. */
size_t	diagnose(const struct clues *, struct diagnosis ret[DIAGNOSES_MAX]);

#endif
