/*
 * posture: one value for every facet of the fleet, and what a new connection
 * does under it.  Pure.
 *
 * A fleet has two postures at any time: configured (what is written on the
 * hosts) and effective (what runs).  They differ until the unit that carries
 * a facet is activated.
 */
#ifndef BELAY_CORE_POSTURE_H
#define BELAY_CORE_POSTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attempt.h"
#include "core/fleet.h"
#include "core/plan.h"

#define CERT_UNKNOWN (-2)

struct posture {
	size_t	 nendpoints, nlinks, ncerts;
	enum accept *accept;	/* by endpoint; ACCEPT_UNKNOWN where nobody knows */
	int	*cert;		/* by endpoint: the cert it serves or would serve, NONE, or CERT_UNKNOWN: no cert of the fleet is for it */
	enum dial *dial;	/* by link; DIAL_UNKNOWN where nobody knows */
	int	*trust;		/* by link: the set of CAs that it trusts (trust.h) */
	int	*present;	/* by link: the client certificate it shows, or NONE */
};

void	posture_init(struct posture *, const struct fleet *);	/* all unknown */
/* The posture that a plan starts from: its `from`, the fleet's `assume` and `fixed`. */
void	posture_from(struct posture *, const struct fleet *, const struct plan *);
void	posture_copy(struct posture *to, const struct posture *from);
void	posture_release(struct posture *);
/*
 * What a move comes to: its own facet, with everything that the binding
 * implies and that follows it.  Each facet of each subject stands there once.
 */
struct change {
	enum facet facet;
	int	 subject;	/* endpoint (accept, and cert), link (dial, trust, present) */
	int	 value;		/* as in struct posture */
};
/* *ret is the caller's to free. */
void	posture_changes(const struct fleet *, const struct move *, struct change **ret, size_t *ret_n);
void	posture_change(struct posture *, const struct change *);
/* Applies the changes of one move. */
void	posture_move(struct posture *, const struct fleet *, const struct move *);
void	posture_step(struct posture *, const struct fleet *, const struct step *);

/*
 * The attempt that a new connection of this link is.  False where its accept
 * or dial is unknown (which attempt_verdict() says, too).
 */
bool	posture_attempt(const struct fleet *, const struct posture *, int link, struct attempt *ret);

/*
 * What a new connection of this link does: attempt_verdict(), and behind a
 * pooler HANGS where one of the pooler's own links upstream is refused or
 * hangs.  *ret_why (may be NULL) is a constant string for REFUSED and HANGS,
 * else NULL.
 */
enum verdict posture_verdict(const struct fleet *, const struct posture *, int link, const char **ret_why);

#endif
