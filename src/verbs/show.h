/*
 * show: what a step would change, what its checks were shown, and what became
 * of its operations, in lines.  Prints; asks and changes nothing.
 */
#ifndef BELAY_VERBS_SHOW_H
#define BELAY_VERBS_SHOW_H

#include "engine/engine.h"

/* What it would change, on which host: operation by operation, then its checks. */
void	show_preview(const struct engine *, int step);
/* What its guards, or its gate's checks, were shown; nothing where they were not judged. */
void	show_results(const struct engine *, int step, bool gate);
/* On stderr: what those operations said that did not do what they should, the end of it. */
void	show_said(const struct engine *, int step);
/* What its canaries have seen, one line each; of the whole of it, or on the way (short). */
void	show_canaries(const struct engine *, int step, bool on_the_way);
/* Of a step on several hosts which of these stand where, on stderr where it is an error; of others nothing. */
void	show_batch(const struct engine *, int step, bool error);

#endif
