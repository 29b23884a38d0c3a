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
	bool	 loses_data;	/* a Redis without persistence is restarted */
};

void	impact_of_ops(struct impact *ret, const struct fleet *, const struct board *, const struct ops *);
/*
 * The sessions that one activation cuts: those of every link with an end in
 * the unit's `restarts`.  A reload cuts nobody but what it says it restarts.
 */
uint32_t impact_of_unit(const struct fleet *, const struct board *, int unit, bool *ret_uncounted);
/*
 * What an activation does besides, a clause each.  Takes up: what is written and
 * does not run yet, and that `step` (may be NULL) does not move itself: somebody
 * else wrote it, or it was left so.  Loses: what a server keeps in memory only.
 * Of what the board has not seen nothing is said.  The caller releases both.
 */
void	impact_besides(struct strings *ret_takes_up, struct strings *ret_loses, const struct fleet *,
	    const struct board *, const struct step *, int unit);

#endif
