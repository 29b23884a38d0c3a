/*
 * errand: a command on a host, run to its end, and what it printed.
 *
 * It is read by sh, whatever the user's login shell is, and its stdin is empty.  It changes
 * nothing, or does not mind being cut: whoever changes something goes by hostcall.h.
 */
#ifndef BELAY_REMOTE_ERRAND_H
#define BELAY_REMOTE_ERRAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"

struct errand;
struct session;

#define ERRAND_ERRORS_MAX	1024	/* bytes that are kept of its stderr */

struct errand_result {
	bool	 ended;		/* it ran to its end; else `why` */
	int	 status;	/* of its exit; 128+n for a signal */
	struct buf *out;	/* may be taken over: copied, and zeroed here */
	struct buf *errors;
	const char *why;	/* NULL, or why it did not end */
};
typedef void errand_done(void *arg, struct errand_result *);	/* from the loop; the errand is gone when it returns */

struct errand *errand_run(struct session *, const char *command, size_t max_bytes, int64_t deadline_ms,
	    errand_done *, void *arg);
void	errand_cancel(struct errand *);		/* no event follows; NULL is fine */
/* The first line of what it said on stderr (or, with nothing there, of its output), cut to 200 bytes. */
const char *errand_first_line(const struct errand_result *, char *ret, size_t size_bytes);

#endif
