/*
 * proven: what is known of the plan before and while it is run, kept between
 * paints: the proof, where what was seen contradicts the run, and the lint.
 * Nothing here is computed for a paint or in the path of a key.  Pure.
 */
#ifndef BELAY_UI_PROVEN_H
#define BELAY_UI_PROVEN_H

#include <stddef.h>

#include "core/lint.h"
#include "core/proof.h"

struct buf;

enum proof_state {
	PROOF_NONE,		/* there is no plan */
	PROOF_PROVEN,
	PROOF_REFUTED,		/* a link is stranded somewhere */
	PROOF_OPEN		/* none is seen to be, and of some it is not known */
};

struct proven {
	const struct proof *proof;	/* whoever gave it keeps it; NULL without a plan */
	struct lints lints;
	char	*contradictions;	/* engine_contradictions(): a line each, each ended */
	size_t	 ncontradictions;
	unsigned news;			/* another number whenever the contradictions are others */
	unsigned *strands;		/* by step: links of whose counter-example it is the step */
	size_t	 nsteps;
};

/* Once: runs the lint.  plan may be NULL. */
void	proven_init(struct proven *, const struct fleet *, const struct plan *);
/* What is known now; contradictions is copied. */
void	proven_set(struct proven *, const struct proof *, const char *contradictions, size_t n);
void	proven_release(struct proven *);

enum proof_state proven_state(const struct proven * /* may be NULL */);
/* Links that are stranded while the step is in flight, or after it. */
unsigned proven_strands(const struct proven * /* may be NULL */, int step);

/* Counter-examples that there are. */
size_t	proven_counters(const struct proven * /* may be NULL */);
/* "web -> pgbouncer is refused: …" */
void	proven_outcome(struct buf *, const struct fleet *, const struct counter *);

#endif
