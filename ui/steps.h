/*
 * steps: the plan's steps as rows of the screen.  A `for` is one row that can be
 * unfolded.  Pure.
 */
#ifndef BELAY_UI_STEPS_H
#define BELAY_UI_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/scene.h"

#define STEP_NUMBER_MAX 32

struct step_row {
	int	 group;
	int	 step;		/* the step that the row stands for (below) */
	size_t	 in_group;	/* steps in its group */
	bool	 head;		/* stands for a whole `for`, folded or not */
	bool	 child;		/* one of an unfolded `for` */
	char	 number[STEP_NUMBER_MAX];	/* "5", "5.1" */
};

/*
 * The rows, with the group open_group (or NONE) unfolded, of those whose title
 * or id has the filter's text.  The caller frees *ret.
 *
 * A folded row stands for the step of its group that matters now: one that is not
 * at rest, else the next to do, else the last.
 */
size_t	steps_rows(const struct scene *, int open_group, const char *filter, struct step_row **ret);
/* How many steps of the plan need nothing more: done, met, skipped; and of a group. */
size_t	steps_passed(const struct scene *, int group);	/* NONE: the whole plan */
/* "5.1" of a step. */
void	step_number(char ret[STEP_NUMBER_MAX], const struct plan *, int step);
bool	phase_passed(enum phase);

#endif
