/*
 * script: `undo --print`: the way back as plain sh.
 */
#ifndef BELAY_VERBS_SCRIPT_H
#define BELAY_VERBS_SCRIPT_H

#include "engine/engine.h"

/*
 * Prints one script for each host that has something to take back, of the
 * steps `from` down to `until`.  How many.
 */
size_t	script_print(const struct engine *, int from, int until);

#endif
