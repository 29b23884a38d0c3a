/*
 * statement: administrative statements at an endpoint, in the name of its
 * `admin` (belay-fleet(5)), over a stream from the host that it is looked at from.
 *
 * SQL to a Postgres and to the console of a PgBouncer, commands to a Redis.  The
 * session is opened by the first statement: over TLS where that is served,
 * verified where the CA is known and verifies, and otherwise in plaintext
 * (inside of the session to the host, as far as that goes).
 *
 * Each statement ends with exactly one answer, from the loop and never from
 * inside the call that asked, unless the session is freed first.  One at a time; the
 * next may be asked from inside the answer, and the session may be freed there.
 * Nothing is ever sent twice.
 */
#ifndef BELAY_REMOTE_STATEMENT_H
#define BELAY_REMOTE_STATEMENT_H

#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"

struct buf;
struct probes;
struct statement;		/* a session with one endpoint */

#define STATEMENT_CELLS_MAX	16384			/* of one answer, in all rows */
#define STATEMENT_BYTES_MAX	((size_t)1 << 20)	/* likewise */

enum statement_end {
	STATEMENT_DONE,		/* the server carried it out */
	STATEMENT_REFUSED,	/* the server answered no: nothing of it was done */
	STATEMENT_NOT_SENT,	/* there is no session: the server knows nothing of it */
	STATEMENT_LOST		/* sent, and no answer came: whether it was carried out is not known */
};

struct statement_reply {
	enum statement_end end;
	char	 sqlstate[6];	/* REFUSED, by SQL; else "" */
	const char *why;	/* the server's words (remote bytes) or ours; NULL where DONE */
	/*
	 * DONE: what came back.  A Redis' answer has one column, "value", and as many
	 * rows as it has elements; of nested ones the innermost, one after the other.
	 */
	const struct strings *columns;
	size_t	 nrows;
	char	*const *cells;	/* row by row; NULL is SQL's NULL */
};
/* The value by row and column; NULL also where there is none. */
const char *statement_value(const struct statement_reply *, size_t row, const char *column);

typedef void statement_done(void *arg, const struct statement_reply *);	/* borrowed */

/*
 * deadline_ms bounds the whole life of the session: when it has passed, what is
 * under way is LOST (or NOT_SENT), and everything after it NOT_SENT.
 */
struct statement *statement_new(struct probes *, int endpoint, int64_t deadline_ms);
/* One SQL statement, without parameters: they are quoted by the functions below. */
void	statement_sql(struct statement *, const char *sql, statement_done *, void *arg);
/* A Redis command. */
void	statement_command(struct statement *, int argc, const char *const argv[], statement_done *,
	    void *arg);
void	statement_free(struct statement *);	/* no answer follows; NULL is fine */

/* "name", each part of it where it has dots. */
void	statement_put_name(struct buf *, const char *name);
/* 'value'; where it has a backslash E'value', which reads the same whatever the server is set to. */
void	statement_put_literal(struct buf *, const char *value);

#endif
