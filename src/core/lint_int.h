/*
 * lint_int: what the files of lint share.  Included by lint*.c only.
 */
#ifndef BELAY_CORE_LINT_INT_H
#define BELAY_CORE_LINT_INT_H

#include "core/lint.h"
#include "core/posture.h"

struct finding {
	struct lint lint;
	struct strings others;	/* subjects of which the same is said, from the same place */
};

struct linter {
	const struct fleet *f;
	const struct plan *p;	/* or NULL */
	struct finding *v;
	size_t	 n;
};

/* What lint_add() says, in the order of lint_names[] and lint.c's levels. */
enum lint_name {
	LINT_VALUES_DIFFER, LINT_NAME_NOT_COVERED, LINT_WARNING_TOO_LONG, LINT_UNSEEN,
	LINT_NO_EVIDENCE, LINT_MAY_OVERLAP, LINT_REDIS_ONE_PORT, LINT_MUTUAL_ON_POOLER, LINT_OWN_CERTIFICATE,
	LINT_CHANGES_NOTHING, LINT_GOAL_PLAINTEXT, LINT_GOAL_UNVERIFIED, LINT_GOAL_CHAIN_ONLY,
	LINT_REQUIRE_VERIFIES, LINT_VERIFY_WITHOUT_TRUST, LINT_NOT_OURS_TO_MOVE,
	LINT_EXPIRES_IN_PLAN, LINT_WARNS_IN_PLAN, LINT_RESTARTS,
	LINT_DRAIN_TOO_EARLY, LINT_DRAIN_NEEDLESS, LINT_DRAIN_BESIDE, LINT_DRAIN_STAYS, LINT_NEVER_LANDS
};
#define LINT_NAME_COUNT 24

/*
 * A finding about `subject`, which the text says too.  Another one of the same name at the
 * same place is not said again: its subject is added to the first.
 */
void	lint_add(struct linter *, enum lint_level, enum lint_name, bool in_plan, struct pos,
	    const char *subject, const char *fmt, ...) __attribute__((format(printf, 7, 8)));

/* The fleet says what accepting both takes, as a value of its own (not by one form for all of them). */
bool	lint_binds_both(const struct endpoint *);

void	lint_fleet(struct linter *);
void	lint_plan(struct linter *);
void	lint_restarts(struct linter *);

#endif
