/*
 * diagnose: from what was said and seen, the cause of a failure and what mends
 * it, in words.  Pure.
 *
 * The causes and their words are a table (causes.h).  Words alone decide
 * only where they can mean one thing.  The same words said by a client and by a
 * server's log are two things ("unknown ca" is the other side's complaint), and
 * where two causes look alike (a TLS client at a plaintext port waits just as
 * one whose server cannot be reached), the facts decide: what the ports answer, the
 * certificate, whose clock.  Where the facts are missing, each cause that remains is
 * told as possible, and none as sure.
 */
#ifndef BELAY_CORE_DIAGNOSE_H
#define BELAY_CORE_DIAGNOSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attempt.h"
#include "core/causes.h"
#include "core/fleet.h"
#include "core/hba.h"
#include "core/reading.h"

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
