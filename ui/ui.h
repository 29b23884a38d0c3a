/*
 * ui: the console.  Takes the terminal, starts the engine, and runs its loop
 * with the keys on it until the operator leaves.
 */
#ifndef BELAY_UI_UI_H
#define BELAY_UI_UI_H

#include <stdbool.h>

struct engine;
struct err;

struct ui_options {
	const char *fleet_path, *plan_path;	/* for the command that resumes; plan may be NULL */
	bool	 read_only;
};

/*
 * Runs the console over an engine that was made but not started; the caller
 * frees it afterwards.  Returns the exit code of belay(1): 0 left, 1 error, 3 no
 * terminal, 5 left with a step in doubt, 6 locked by somebody else.  The message is on
 * stderr by then.
 */
int	ui_run(const struct ui_options *, struct engine *);

#endif
