/*
 * lint: what a careful reader would say of a fleet and a plan that are both
 * correct.  Pure.
 *
 * A finding is no error: the files were read, the plan can be run, and what
 * strands a client is the proof's to say (proof.h).  Each finding has a place, quotes what
 * it is about, says what is wrong there and what would be right.  What the
 * readers refuse already (a command without a way back, a step that moves a
 * link which follows another, matches that overlap) is not looked for again.
 *
 * The things that one line of a file stands for by its `for` are one finding:
 * the first of them in full, the others by name behind it.
 *
 * Names are a closed list, lint_names[], with their levels; belay-plan(5) says what each means:
 *
 *   of the fleet   values-differ, name-not-covered, warning-too-long, unseen,
 *                  no-evidence, may-overlap, redis-one-port, mutual-on-pooler
 *   of the plan    changes-nothing, goal-plaintext, goal-unverified,
 *                  goal-chain-only, require-verifies, verify-without-trust,
 *                  not-ours-to-move, expires-in-plan, warns-in-plan,
 *                  mutual-on-pooler, own-certificate, restarts, drain-too-early, drain-needless,
 *                  drain-beside, drain-stays, never-lands
 */
#ifndef BELAY_CORE_LINT_H
#define BELAY_CORE_LINT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"
#include "core/plan.h"

enum lint_level {
	LINT_NOTE,	/* true, and may well be meant so */
	LINT_WARN	/* hardly meant so */
};
const char *lint_level_word(enum lint_level);	/* "note", "warning" */

struct lint {
	enum lint_level level;
	bool	 in_plan;	/* which file pos is in: the plan's, else the fleet's */
	struct pos pos;
	const char *name;	/* one of lint_names[] */
	char	*text;		/* one line, without its place */
};

struct lints {
	struct lint *v;
	size_t	 n;
};

/* Every name that a finding can have; ends with NULL. */
extern const char *const lint_names[];

/*
 * A plan with more steps is not asked how often it restarts a unit, nor is a unit
 * that more steps restart: every two of them are compared.
 */
#define LINT_RESTART_STEPS_MAX 8192
#define LINT_RESTARTS_MAX 256

/* *ret is written whole, the fleet's findings first, then the plan's, each in the order of its file. */
void	lint_run(struct lints *ret, const struct fleet *, const struct plan * /* may be NULL */);
void	lints_release(struct lints *);

#endif
