/*
 * canary_read: how a canary is declared: at a link of the fleet, or in a
 * step of the plan, which has the last word; and which steps one of a link runs in.
 */
#ifndef BELAY_CORE_CANARY_READ_H
#define BELAY_CORE_CANARY_READ_H

#include "core/plan_read.h"

/*
 * `yes`, `no`, how often, or a mapping; *ret is begun by the caller, with what holds
 * where nothing is said.
 */
int	canary_read_terms(struct reader *, const struct scope *, const struct node *, struct canary_terms *ret);
/* Those of a step: its own, and those of links that the step may touch. */
int	canary_read_step(struct plan_reader *, const struct scope *, const struct node *step, struct step *);
/*
 * May what the step does be felt by a new connection of the link?  Where it moves the
 * link, its endpoint or its certificates, drains the endpoint, runs something beside
 * it, activates a unit that brings it up anew, or does so behind a pooler that the link dials.
 */
bool	canary_concerned(const struct fleet *, const struct step *, int link);

#endif
