/*
 * probe_sql: the session that is held with a Postgres server or a PgBouncer
 * console, and scripts of questions run on it.
 *
 * The session is opened when first asked for (after a look at TLS: verified where
 * the CA is known and verifies, else encrypted where TLS is served, else
 * plaintext), kept for the next question, and opened again once when it turns
 * out to be gone.
 */
#ifndef BELAY_REMOTE_PROBE_SQL_H
#define BELAY_REMOTE_PROBE_SQL_H

#include <stdbool.h>
#include <stddef.h>

struct look;
struct pq_row;
struct probe;
struct reading;

struct sql_question {
	const char *text;
	/* The value of $1 (then the extended protocol is used); NULL: none. */
	const char *(*param)(const struct probe *);
	size_t	 max_bytes;	/* of the answer */
	void	(*row)(struct probe *, const struct pq_row *);
	/*
	 * The server said no.  Says into the reading what that means; false ends the
	 * script (finish is called all the same).
	 */
	bool	(*refused)(struct probe *, const char *sqlstate, const char *why);
};

struct sql_script {
	const struct sql_question *v;
	size_t	 n;
	const char *database;	/* NULL: the probe's own */
	const char *options;
	void	(*begin)(struct probe *);	/* before the first question (again, where it is run again); may be NULL */
	void	(*finish)(struct probe *);	/* all is read: judge; may be NULL */
	/* Empties what begin and rows put into the reading. */
	void	(*reset)(struct probe *);
	/* What to advise where the login is refused; may be NULL. */
	const char *login_hint;
};

/* The struct probe_ops of such a probe use these, and keep a struct sql_probe first. */
struct sql_probe_state;
void	sql_start(struct probe *, const struct sql_script *);
void	sql_stop(struct probe *);
void	sql_late(struct probe *);

#endif
