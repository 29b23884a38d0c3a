/*
 * loginwatch: who logs in at an endpoint, from the log that the fleet names.
 *
 *	log: { run } without $(since)	followed from the first look on; what is logged while
 *					the command does not run is missing, and `from_ms` says so
 *	log: { run } with $(since)	asked again every LOGINWATCH_EVERY_MS, back to the longest window of
 *					a client that dials here
 *	log: { file }			its last LOGINWATCH_BACK bytes with the times in its lines, and
 *					then what is written, by name, so that it may be rotated
 *
 * The same lines are read for what they say is wrong with TLS (core/complaints.h), of a Redis too,
 * which logs no logins.
 */
#ifndef BELAY_REMOTE_LOGINWATCH_H
#define BELAY_REMOTE_LOGINWATCH_H

#include "core/reading.h"

struct loginwatch;
struct spot;

#define LOGINWATCH_BACK		((size_t)1 << 20)
#define LOGINWATCH_EVERY_MS	10000

/* NULL: the fleet names no log there. */
struct loginwatch *loginwatch_new(struct spot *);
void	loginwatch_free(struct loginwatch *);	/* NULL is fine */
/* What is known by now, into *ret, which is empty; NULL gives LOGINS_NONE. */
void	loginwatch_read(struct loginwatch *, struct logins *ret);
/* What it says is wrong, into the census; NULL says nothing. */
void	loginwatch_complaints(struct loginwatch *, struct census *ret);

#endif
