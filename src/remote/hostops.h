/*
 * hostops: carries ops out on hosts, over their sessions, by the host-side
 * program (host.sh); reads what is written there.
 *
 * Each call ends with exactly one answer, within its deadline, unless it was
 * cancelled; never from inside the call that began it.  Contents that pass
 * through may be secret: they are wiped, never logged, and reach a text only
 * as a fingerprint, HMAC-SHA256 under the key of this run of the console.
 *
 * One round trip to look, one to write.  What is decided between them (which
 * lines change, what is drift) is decided here, by core/edittext; the host
 * only compares hashes.
 *
 *	OBSERVE	FRESH or IN_PLACE, the diff or the command in `text`; before_sha is
 *		what is there, after_sha what would be.  An ACTIVATE is always FRESH.
 *	APPLY	APPLIED; asked again of an op that is applied, APPLIED without
 *		writing or running anything; so is a command whose `observe` says
 *		that somebody has seen to it since the preview.  DRIFTED where the file is not the one
 *		of the preview.  FAILED where it is known that nothing was changed.
 *	UNDO	RESTORED: every byte where nobody else wrote, else our keys only
 *		(of a file edited by name).  An op without a record was never begun: RESTORED, and nothing
 *		is touched.  A FILE that others changed is DRIFTED.  UNDO of an
 *		ACTIVATE activates again.
 *	RECORD	what the host's own record says: FRESH, APPLIED, FAILED, RESTORED,
 *		CUT.  A command that still runs is UNREACHED, with words: ask again.
 *
 * A deadline that passes while a command runs leaves it running: CUT.
 */
#ifndef BELAY_REMOTE_HOSTOPS_H
#define BELAY_REMOTE_HOSTOPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/op.h"
#include "core/reading.h"
#include "remote/hostproto.h"
#include "wire/wire.h"

struct fleet;
struct probes;
struct session;
struct uv_loop_s;
struct hostops;			/* what the calls of one worker share */
struct hostop;			/* one call */

struct hostops_config {
	struct uv_loop_s *loop;
	const struct fleet *fleet;
	struct session *(*session)(void *arg, int host);	/* never NULL */
	/*
	 * What sudo is told on a host whose fleet says `become`, NULL: nothing; and what came of
	 * it: SUDO_FINE, or why it did not begin the host-side program; told by each call that
	 * really asked.  Both may be NULL.
	 */
	const char *(*password)(void *arg, int host);
	void	(*sudo)(void *arg, int host, enum sudo_trouble);
	void	*arg;
	struct probes *probes;	/* for what is done by statement; NULL: nothing is */
	unsigned char key[32];	/* for fingerprints; copied */
};

struct hostops *hostops_new(const struct hostops_config *);
void	hostops_free(struct hostops *);		/* ends its calls without answers */
/* There is another password for sudo there, or the same is meant once more. */
void	hostops_sudo_anew(struct hostops *, int host);
/* The CA of a cert, to compare clients' trust files with (PEM); len 0 forgets it. */
void	hostops_ca(struct hostops *, int cert, const char *pem, size_t len_bytes);

typedef void hostop_done(void *arg, const struct op_result *);	/* borrowed */
typedef void hostop_text(void *arg, const char *bytes, size_t len_bytes);
/*
 * The order is borrowed until the answer.  `text` (may be NULL) gets a running
 * command's output as it comes.
 */
struct hostop *hostops_op(struct hostops *, enum op_verb, const struct wire_op *,
	    int64_t deadline_ms, hostop_done *, hostop_text *, void *arg);

/* Takes, gives back or looks at the lease of a host; the order is borrowed until the answer.  See wire.h. */
struct hostop *hostops_lease(struct hostops *, int host, const struct wire_lease *,
	    int64_t deadline_ms, hostop_done *, void *arg);

/*
 * What the host recorded of the newest run of a plan.  APPLIED with the records
 * in `text`: for each a line "rec RUN/STEP/SEQ", "state …", the lines of its
 * meta; FRESH where there are none.
 */
struct hostop *hostops_records(struct hostops *, int host, const char *plan_sha,
	    int64_t deadline_ms, hostop_done *, void *arg);

/* Reads the files that facets are bound to; a READING_HOST, which the callback takes over. */
typedef void hostop_read(void *arg, struct reading *);
struct hostop *hostops_read(struct hostops *, int host, int64_t deadline_ms, hostop_read *, void *arg);

/*
 * The same files, for whoever reads them in his own way: what `lookup` gives is gone when the
 * callback returns.  why: the host itself was not read, and lookup gives nothing.
 */
typedef void hostop_files(void *arg, op_lookup *lookup, void *lookup_arg, const char *why);
struct hostop *hostops_files(struct hostops *, int host, int64_t deadline_ms, hostop_files *, void *arg);
/* The CA of a cert as it was told by hostops_ca(), or NULL. */
const char *hostops_ca_of(const struct hostops *, int cert, size_t *ret_len);

/* The value of a `host-env` secret; NULL with why.  The bytes are wiped after the callback. */
typedef void hostop_secret(void *arg, const char *value, size_t len_bytes, const char *why);
struct hostop *hostops_secret(struct hostops *, int secret, int64_t deadline_ms,
	    hostop_secret *, void *arg);

/* Where it only waits for a server to be back, it ends at the next look, whatever that shows. */
void	hostop_hurry(struct hostop *);
/* No answer follows.  What was sent to the host may still happen there. */
void	hostop_cancel(struct hostop *);

#endif
