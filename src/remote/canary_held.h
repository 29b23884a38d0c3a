/*
 * canary_held: one session that is held, with a question on it now and then: it
 * lives, or was cut.  It is the canary's (canary.h), and checks nothing: that is for new connections.
 */
#ifndef BELAY_REMOTE_CANARY_HELD_H
#define BELAY_REMOTE_CANARY_HELD_H

#include <stdbool.h>

#include "remote/rehearse.h"

struct held_session;

struct held_events {
	void	(*up)(void *arg);
	/* It was up and is not any more, or did not come up; dead: by the server, and not since our way to it is gone. */
	void	(*down)(void *arg, bool was_up, bool dead, const char *why);	/* the last; the pointer is dead */
};

/* By what a rehearsal of the link went through with: its name, port, and whether it was TLS. */
struct held_session *held_session_new(const struct rehearsals *, int link, const struct rehearsed *, int64_t every_ms,
	    int64_t hang_ms, const struct held_events *, void *arg);
void	held_session_free(struct held_session *);	/* no event follows; NULL is fine */

#endif
