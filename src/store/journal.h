/*
 * journal: what was intended, what was before, what happened; on disk before
 * it happens.  SQLite, synchronous=EXTRA, journal_mode=DELETE, one connection,
 * one file per run's fleet and plan in the state directory (0700, owner checked, O_NOFOLLOW; refuses
 * network file systems).  Also the local lock: two belays on one machine
 * never apply at once.
 *
 * All calls block; the engine makes them on its own thread.  Records are chained by SHA-256
 * (each holds the hash of the one before), so that an edit of the
 * past shows.  No secret is ever in a record: hashes and words only.
 */
#ifndef BELAY_STORE_JOURNAL_H
#define BELAY_STORE_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/rollout.h"

struct err;
struct journal;

struct journal_run {
	char	 id[32];	/* "20260103T101112Z-4f2a", in the alphabet of op ids */
	char	 plan_sha[65], fleet_sha[65];
	char	 plan_name[128];
	char	 who[128];	/* user@host of the operator */
	int64_t	 began_ms;
	bool	 ended;		/* everything restored, or everything done and closed */
};

/*
 * Opens (creating if need be) the journal of this fleet and plan name in
 * `dir`.  read_only opens without the lock and writes nothing.
 * -1 with errno-like *ret_locked_by set where another belay holds the lock.
 */
int	journal_open(struct journal **ret, const char *dir, const char *name,
	    bool read_only, char **ret_locked_by, struct err *);
void	journal_close(struct journal *);

/* The run in progress, or -1 with an empty message when there is none. */
int	journal_current(struct journal *, struct journal_run *ret, struct err *);
int	journal_begin(struct journal *, struct journal_run *inout, struct err *);	/* makes the id */
int	journal_end(struct journal *, struct err *);

/*
 * Appends; returns after it is on disk.  step_id names the step (an index means nothing
 * after the plan was edited); op_id may be NULL; text is a note for people.
 */
int	journal_append(struct journal *, const struct record *, const char *step_id,
	    const char *op_id, const char *text, struct err *);
/* A note: a waived check, an accepted host key, an operator's reason. */
int	journal_note(struct journal *, int64_t at_ms, const char *step_id, const char *kind,
	    const char *text, struct err *);

struct journal_entry {		/* strings are valid during the call only */
	int64_t	 seq, at_ms;
	const char *run, *kind, *step_id, *op_id, *text, *hash;
	struct record record;	/* record.step is NONE: the caller looks step_id up */
	bool	 is_record;	/* else a note */
};
/* Oldest first; run NULL: all runs.  each() returns false to stop. */
int	journal_each(struct journal *, const char *run,
	    bool (*each)(void *arg, const struct journal_entry *), void *arg, struct err *);
/* Checks the chain; *ret_head is the last hash. */
int	journal_verify(struct journal *, char ret_head[65], struct err *);

/* Waived checks of the run in progress, so that they survive a restart. */

/* $XDG_STATE_HOME/belay or ~/.local/state/belay, made 0700 and checked; the caller frees. */
int	state_dir(char **ret, struct err *);

#endif
