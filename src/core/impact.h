/*
 * impact: what carrying out a step's ops does to those who are connected, by
 * what the board shows.  Pure.
 */
#ifndef BELAY_CORE_IMPACT_H
#define BELAY_CORE_IMPACT_H

#include "core/board.h"
#include "core/op.h"

struct impact {
	size_t	 hosts, edits, runs, activations;
	uint32_t sessions;	/* that the activations cut, as far as counted */
	bool	 uncounted;	/* some of the links hit were never counted */
	bool	 loses_data;	/* a Redis that keeps nothing on disk is restarted */
	bool	 may_lose_data;	/* one of which that is not known */
};

void	impact_of_ops(struct impact *ret, const struct fleet *, const struct board *, const struct ops *);
/*
 * The sessions that one activation cuts: those of every link with an end in what
 * it brings up anew: the unit's own endpoints and clients, and those that its
 * `restarts` names.  A reload cuts nobody.
 */
uint32_t impact_of_unit(const struct fleet *, const struct board *, int unit, bool *ret_uncounted);
/*
 * What an activation does besides, a clause each.  Takes up: what is written and
 * does not run yet, and that `step` (may be NULL) does not move itself: somebody
 * else wrote it, or it was left so.  Loses: what a server keeps in memory only.
 * Of what the board has not seen nothing is said, but that a Redis may lose what it holds.  The caller releases both.
 */
void	impact_besides(struct strings *ret_takes_up, struct strings *ret_loses, const struct fleet *,
	    const struct board *, const struct step *, int unit);

#endif
