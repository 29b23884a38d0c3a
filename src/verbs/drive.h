/*
 * drive: apply, undo, verify and diff, without a terminal.  Each watches the
 * rollout from turn to turn and asks for the next thing; what may be asked is
 * the rollout's word, never theirs.
 *
 * struct drive is the `arg` of their runs.
 */
#ifndef BELAY_VERBS_DRIVE_H
#define BELAY_VERBS_DRIVE_H

#include "verbs/run.h"

enum stage { STAGE_BEGIN, STAGE_PREVIEW, STAGE_WORK, STAGE_VERIFY };

struct drive {
	enum stage stage;
	int	 step;		/* at work, or NONE */
	int	 target;	/* apply: last step to apply; undo: last step to undo */
	bool	 alone;		/* undo: what is named, though other steps stand that came after it */
	int	 first;		/* what is named: one step, or those that it is made into */
	size_t	 nnamed;
	bool	 faulted;	/* it was undone after a fault */
	int64_t	 well_until_ms;	/* apply: what was undone is watched until clients come through again; 0: not yet */
	int64_t	 settle_until_ms, progress_ms;
	int64_t	 swept_ms, swept_until_ms;	/* the look before the first preview; 0: not yet */
	enum phase shown;	/* the phase that was last said */
	int	 shown_step;
	size_t	 shown_ops;
	/* verify */
	int	*steps;
	size_t	 nsteps, at;
	int64_t	 since_ms;
};

const char *drive_step_id(const struct run *, int step);
/* Says what has changed since it was last said: phases, and ops that ended. */
void	drive_progress(struct run *);
/* 0: go on; else the exit code. */
int	drive_confirm(struct run *, const char *what);
/* Ends the run, with these words one behind the other. */
void	drive_fail(struct run *, const char *, const char *a, const char *b, int code);
/* The step named by the operator, or the steps that it is made into; false after saying so. */
bool	drive_find(struct run *, const char *id);
/* The last of the steps that were found. */
int	drive_last_named(const struct drive *);
/* Hosts are somebody else's, or cannot be kept to ourselves: the run is ended. */
bool	drive_turned_away(struct run *);
/* Asks the engine; false after the run's end. */
bool	drive_ask(struct run *, enum verb, int step);
bool	drive_have_plan(struct run *);

#endif
