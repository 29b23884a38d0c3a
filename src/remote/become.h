/*
 * become: whose turn it is to ask sudo.  Pure.
 *
 * A password that is not taken is a failed login, and a few of these lock the
 * account.  So where sudo has not let us in lately, one call asks it alone, and the others
 * wait for what it hears; and what sudo did not take is not told again.  A `become`
 * is kept for each host, and for each secret that several hosts share.
 */
#ifndef BELAY_REMOTE_BECOME_H
#define BELAY_REMOTE_BECOME_H

#include <stdbool.h>
#include <stdint.h>

#include "remote/hostproto.h"

#define BECOME_GOOD_MS	60000	/* how long what was taken once is told by many at a time */
#define BECOME_AGAIN_MS	30000	/* a sudo that wants a password there is none for is asked again after that */

struct become {			/* zero it; times are the loop's */
	const void *prover;	/* who asks alone now; or NULL */
	const void *outdated;	/* it tells a password that is not the one any more */
	int64_t	 good_until, again_at;
	enum sudo_trouble trouble;	/* what was heard last */
	bool	 refused;
};

/* May this one ask now?  Claims nothing. */
bool	become_may(const struct become *, const void *who, int64_t now_ms);
/* It asks; alone, where that is needed. */
void	become_asks(struct become *, const void *who, int64_t now_ms);
/*
 * What it heard.  SUDO_SILENT: its call ended before that; nothing is known, and another
 * one may ask.
 */
void	become_heard(struct become *, const void *who, enum sudo_trouble, int64_t now_ms);
/*
 * Without a password: what would be heard is known from a moment ago, and asking again
 * is but a line in somebody's log.  SUDO_FINE: it is not known.
 */
enum sudo_trouble become_known(const struct become *, int64_t now_ms);
/* There is another password, or a person says it again. */
void	become_anew(struct become *);

#endif
