/*
 * run: what the verbs that need an engine have in common: starting it,
 * answering what it asks a person, its notes on stderr, Ctrl-C.
 */
#ifndef BELAY_VERBS_RUN_H
#define BELAY_VERBS_RUN_H

#include "core/err.h"
#include "engine/engine.h"
#include "verbs/verbs.h"

struct run {
	const struct verb_options *options;
	struct engine *engine;
	void	(*turn)(struct run *);	/* something changed */
	void	*arg;
	int	 exit;		/* what the verb will return */
	bool	 interrupted, need_person;
	bool	 ended;		/* by run_end(), and not by a second Ctrl-C */
};

/*
 * Reads the files, starts the engine, and runs its loop until run_end().
 * `turn` is called at least once.  Returns the exit code.
 */
int	run_engine(struct run *, bool read_only, bool probe);
void	run_end(struct run *, int exit_code);
/* False: there is no plan, which it says, or somebody interrupted; it has ended then. */
bool	run_with_plan(struct run *);

#endif
