/*
 * complaints: what a server's own log says is wrong with TLS.  Pure.
 *
 * A setting that could not be taken over, a client that was turned away, a pooler whose own
 * link fails: the servers say so in their logs, and often nowhere else.  Kept is the
 * latest line of each cause of diagnose.h, by the words of its table:
 *
 *	load	what the server was given could not be loaded: it stands until the next reload
 *		or start begins, which would say it again
 *	leg	a pooler says it of its own link to its server: COMPLAINTS_LEG_MS
 *	else	of a client: COMPLAINTS_MS
 *
 * What is no such line is passed over.  A name in a line is whatever a client said it is:
 * these are evidence for people, no guard.
 */
#ifndef BELAY_CORE_COMPLAINTS_H
#define BELAY_CORE_COMPLAINTS_H

#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"
#include "core/reading.h"

struct complaints;

#define COMPLAINTS_LEG_MS	(INT64_C(60) * 1000)
#define COMPLAINTS_MS		(INT64_C(15) * 60 * 1000)
#define COMPLAINT_TEXT_MAX	400	/* of a line */

struct complaints *complaints_new(enum kind);	/* never NULL */
void	complaints_free(struct complaints *);	/* NULL is fine */
/* What came at at_ms (since 1970), in pieces of any size. */
void	complaints_feed(struct complaints *, const char *text, size_t len_bytes, int64_t at_ms);
/* Something is missing here: what was half read is forgotten. */
void	complaints_gap(struct complaints *);
/*
 * What stands at that time, into the census: the latest first, and after all of them that nothing
 * was reloaded, which is what came of another line here, or all that was said.
 */
void	complaints_tell(const struct complaints *, int64_t now_ms, struct census *ret);

#endif
