/*
 * journal: what was intended, what was before, what happened; on disk before
 * it happens.  SQLite, synchronous=EXTRA, journal_mode=DELETE, one connection,
 * one file per run's fleet and plan (NAME.journal, with NAME.lock beside it)
 * in the state directory (0700, owner checked, O_NOFOLLOW; refuses network
 * file systems).  Also the local lock: two belays on one machine never apply at once.
 *
 * All calls block; the engine makes them on its own thread, one at a time.
 * Records are chained by SHA-256 (each holds the hash of the one before), so
 * that an edit of the past shows; what the chain cannot show is that its end
 * was cut off, unless its head was noted elsewhere.  No secret is ever in a record:
 * hashes and words only.
 *
 * A call that returns 0 has its entry on disk.  One that returns -1 (disk
 * full, I/O error) left no half of it there; it may be made again.
 */
#ifndef BELAY_STORE_JOURNAL_H
#define BELAY_STORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rollout.h"

struct err;
struct journal;

#define JOURNAL_NAME_MAX	96
#define JOURNAL_TEXT_MAX	((size_t)16 << 10)	/* of one entry; longer is cut */

struct journal_run {
	char	 id[32];	/* "20260103T101112Z-4f2a", in the alphabet of op ids */
	char	 plan_sha[65], fleet_sha[65];
	char	 plan_name[128];
	char	 who[128];	/* user@host of the operator */
	int64_t	 began_ms;
	bool	 ended;		/* everything restored, or everything done and closed */
};

/*
 * Opens (creating if need be) the journal `name` ([A-Za-z0-9._-], not
 * beginning with a dot) in `dir`, and takes its lock.  -1 with *ret_locked_by
 * set (for the caller to free) to who, where, since when and at which step,
 * where another belay holds the lock; NULL for any other failure.
 *
 * read_only takes no lock and writes nothing; a journal that does not exist
 * yet reads as an empty one.  (A journal that a crash cut off in the
 * middle of a write is put right first, as any opening does.)
 */
int	journal_open(struct journal **ret, const char *dir, const char *name,
	    bool read_only, char **ret_locked_by, struct err *);
void	journal_close(struct journal *);	/* lets go of the lock; NULL is fine */
/* Who holds the lock of this journal now: for the caller to free; NULL where nobody does. */
char	*journal_holder(const char *dir, const char *name);

/* The run in progress, or -1 with an empty message when there is none. */
int	journal_current(struct journal *, struct journal_run *ret, struct err *);
/* Makes the id, and began_ms where it is 0.  -1 while another run is in progress. */
int	journal_begin(struct journal *, struct journal_run *inout, struct err *);
int	journal_end(struct journal *, struct err *);

/*
 * Appends to the run in progress; returns after it is on disk.  step_id names
 * the step (an index means nothing after the plan was edited); op_id may be
 * NULL; text is a note for people, or NULL.
 */
int	journal_append(struct journal *, const struct record *, const char *step_id,
	    const char *op_id, const char *text, struct err *);
/*
 * A note: a waived check, an accepted host key, an operator's reason.  Kinds are
 * the caller's, except "begin" and "end".  Also possible outside of a run; step_id may be NULL.
 */
int	journal_note(struct journal *, int64_t at_ms, const char *step_id, const char *kind,
	    const char *text, struct err *);

/*
 * A run under the id that it has on its hosts already, with all that is known
 * of it, and ended where nothing of it stands any more: all of that is on disk, or nothing.
 */
struct journal_line {
	char	*note;		/* its kind; NULL: it is a record */
	struct record record;	/* of a note at_ms alone */
	char	*step_id, *op_id, *text;	/* as above */
};
struct journal_lines {
	struct journal_line *v;
	size_t	 n;
};
void	journal_lines_release(struct journal_lines *);
int	journal_adopt(struct journal *, struct journal_run *inout, const struct journal_lines *, bool ended,
	    struct err *);

/*
 * Did the last call fail for the sake of its disk (full, in error, busy), and not of
 * what was asked?  Then it may be tried again.
 */
bool	journal_ails(const struct journal *);

struct journal_entry {		/* strings are valid during the call only */
	int64_t	 seq, at_ms;
	/* run is "" outside of one; step_id, op_id and text may be NULL */
	const char *run, *kind, *step_id, *op_id, *text, *hash;
	struct record record;	/* record.step is NONE: the caller looks step_id up */
	bool	 is_record;	/* else a note; "begin" and "end" of a run are notes */
};
/*
 * Oldest first; run NULL: all runs.  each() returns false to stop; the
 * database is not held while it is called.
 */
int	journal_each(struct journal *, const char *run,
	    bool (*each)(void *arg, const struct journal_entry *), void *arg, struct err *);
/* Checks the chain; *ret_head is the last hash (zeroes of an empty journal). */
int	journal_verify(struct journal *, char ret_head[65], struct err *);

/* $XDG_STATE_HOME/belay or ~/.local/state/belay, made 0700 and checked; the caller frees. */
int	state_dir(char **ret, struct err *);

#endif
