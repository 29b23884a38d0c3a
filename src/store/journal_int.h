/*
 * journal_int: what the files of the journal share.  Nobody else includes it, nor SQLite.
 *
 * journal_db.c has the database, its rows and its opening, journal.c writes,
 * journal_read.c reads and verifies.
 */
#ifndef BELAY_STORE_JOURNAL_INT_H
#define BELAY_STORE_JOURNAL_INT_H

#include <sqlite3.h>

#include "store/chain.h"
#include "store/journal.h"

#define JOURNAL_SCHEMA	1	/* version of the tables, part of each run's begin */

/* The columns of `entry` after seq and before hash, in the order of struct row. */
#define COLUMNS "run, at_ms, is_record, kind, step_id, op_id, op, phase, outcome," \
    " before_sha, after_sha, why, text"

/* An entry's place in the chain. */
struct link_of {
	int64_t	 seq;
	char	 before[CHAIN_HASH_SIZE], hash[CHAIN_HASH_SIZE];
};

struct journal {
	sqlite3	*db;		/* NULL: read-only, and there is none yet */
	struct lock *lock;	/* NULL: read-only */
	char	*path;
	char	 run[32];	/* in progress, or "" */
	bool	 ails;		/* see journal_ails() */
	bool	 adopting;	/* a transaction is open, which all of an adoption goes into */
	struct link_of doubt;	/* an entry whose COMMIT failed; seq 0: none */
};

/* One row of `entry`.  Strings are borrowed, or owned by row_read()'s caller. */
struct row {
	int64_t	 seq, at_ms;
	bool	 is_record;
	int	 op;
	char	*run, *kind, *step_id, *op_id, *phase, *outcome, *before_sha, *after_sha, *why, *text, *hash;
};

#define RUN_COLUMNS "id, plan_sha, fleet_sha, plan_name, who, began_ms"

/* Says what failed ("read", "write to", …) and how, by the database; the journal ails.  Returns -1. */
int	jr_fail(struct journal *, const char *what, struct err *);
int	jr_sql(struct journal *, const char *sql, const char *what, struct err *);
/* NULL: it failed. */
sqlite3_stmt *jr_prepare(struct journal *, const char *sql, const char *what, struct err *);
void	jr_bind(sqlite3_stmt *, int i, const char *);	/* NULL binds NULL */
void	jr_column(sqlite3_stmt *, int i, char *ret, size_t size_bytes);	/* cut to fit; NULL is "" */
int64_t	jr_number(struct journal *, const char *sql);	/* the answer's first column; -1: none */
void	jr_give_up(struct journal *);	/* what a failed transaction left, if there is one */

void	jr_row_read(sqlite3_stmt *, struct row *ret);	/* from SELECT seq, COLUMNS, hash */
void	jr_row_release(struct row *);
bool	jr_row_begins(const struct row *);		/* a run */
int	jr_row_hash(const struct row *, const struct journal_run *, const char *before,
	    char ret[CHAIN_HASH_SIZE], struct err *);	/* run: where it begins one, else NULL */
void	jr_run_read(sqlite3_stmt *, struct journal_run *ret);	/* from SELECT RUN_COLUMNS */

#endif
