/*
 * session_process: a channel that is a child process on this machine: a
 * command of the local transport, or an `ssh` of the system transport.
 *
 * The child has a session and process group of its own, so that closing the
 * channel ends all that it started: SIGTERM, and SIGKILL after PROC_GRACE_MS.
 */
#ifndef BELAY_REMOTE_SESSION_PROCESS_H
#define BELAY_REMOTE_SESSION_PROCESS_H

#include "remote/session_int.h"

#define PROC_GRACE_MS	2000

/*
 * Starts argv for an OPENING channel and opens it; a failure to start ends it
 * as REFUSED.  `translate` (may be NULL) turns exit status and collected
 * stderr into an end: for `ssh`, whose 255 means that ssh itself failed.
 */
typedef enum stream_end proc_translate(struct chan *, int status, const char *errtext, struct err *ret);

void	proc_start(struct chan *, char *const argv[], proc_translate *);
void	proc_run(struct chan *);	/* writes what is pending */
void	proc_drop(struct chan *);

#endif
