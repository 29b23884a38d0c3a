/*
 * canary: new connections of a link, one every so often, and one held session;
 * what became of them is told in reports (core/canary.h).
 *
 * Each new connection is a rehearsal (rehearse.h): from the client's host, by what
 * its settings and its CA file say there, which is read again every two seconds and
 * after each that did not come through.
 *
 * Life: it flies from canary_run_new() on, and reports when it is asked.  Nobody
 * asking for CANARY_ALONE_MS ends what it has under way; the next question begins it again.
 */
#ifndef BELAY_REMOTE_CANARY_H
#define BELAY_REMOTE_CANARY_H

#include "core/canary.h"
#include "remote/rehearse.h"

#define CANARY_ALONE_MS	10000

struct canary_run;

/* dial: the mode where no file of the client's host says it, or DIAL_UNKNOWN.  set must outlive it. */
struct canary_run *canary_run_new(const struct rehearsals *set, int link, enum dial dial, const struct canary_terms *);
void	canary_run_free(struct canary_run *);	/* no report follows; NULL is fine */
/* Is it one of the same terms? */
bool	canary_run_is(const struct canary_run *, int link, enum dial dial, const struct canary_terms *);

/*
 * What was seen since the last report: at once where something of it is not good, else within
 * a second.  One at a time.  Never from inside the call.
 */
typedef void canary_told(void *arg, const struct canary_report *);
void	canary_run_ask(struct canary_run *, canary_told *, void *arg);
void	canary_run_forget(struct canary_run *);	/* the question: no report follows */

#endif
