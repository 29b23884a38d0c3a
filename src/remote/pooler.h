/*
 * pooler: the connections of a PgBouncer to its servers: when they may be cut, and
 * how it is asked to part with them (RECONNECT, which 1.12 and later know).
 *
 * A login at a server that is cut counts as a failed one, and 1.18 then turns away
 * everybody who waits for a server.  Between the answer that nobody logs in and
 * the command that follows it there is a way to the host and back, so the better moment
 * is one at which nobody is about to begin a login either.
 */
#ifndef BELAY_REMOTE_POOLER_H
#define BELAY_REMOTE_POOLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pairs;
struct probes;
struct statement_reply;
struct strings;

enum calm {
	CALM_NOT,	/* a server connection is logging in */
	CALM_NOW,	/* none is; one may begin at any moment */
	CALM_WELL,	/* and nobody waits, and whoever is connected finds a server that is idle */
	CALM_SURE	/* none can begin: every pool that has clients is full */
};

/* How large pools become, by database: of an answer to SHOW DATABASES. */
void	pooler_sizes(const struct statement_reply *, struct pairs *ret);
/* By an answer to SHOW POOLS; database NULL: of all of them. */
enum calm pooler_calm(const struct statement_reply *, const char *database, const struct pairs *sizes);
/*
 * Whether that will do, asked since `began` with `left_ms` before it then: CALM_SURE at first,
 * then CALM_WELL, and after half of the time, 5 s at most, since a lock of a host is
 * held meanwhile, CALM_NOW.
 */
bool	pooler_will_do(enum calm, int64_t began, int64_t left_ms, int64_t now);

/* How it ended, and for each database that was told RECONNECT its name; all borrowed. */
enum pooler_end {
	POOLER_TOLD,	/* as far as there was anything to tell */
	POOLER_CANNOT,	/* it does not know RECONNECT: why */
	POOLER_FAILED	/* it cannot be asked, or is never calm: why.  What was told was told */
};
typedef void pooler_done(void *arg, enum pooler_end, const struct strings *databases, const char *why);

/*
 * Has the pooler at `endpoint` part with the connections that the backends `pids` serve and
 * that are not on TLS, and with all others of the same databases, each when nobody needs it.
 * One at a time for each; done comes once, from the loop, unless it is freed before, and
 * may free it.
 */
struct pooler *pooler_reconnect(struct probes *, int endpoint, const struct strings *pids, int64_t deadline_ms,
	    pooler_done *, void *arg);
void	pooler_free(struct pooler *);	/* NULL is fine */

#endif
