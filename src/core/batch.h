/*
 * batch: a step on several hosts while it is carried out: the steps that it
 * was made into (plan.h, `of`) seen as one.  Pure.
 */
#ifndef BELAY_CORE_BATCH_H
#define BELAY_CORE_BATCH_H

#include "core/rollout.h"

struct buf;

/* Of the n steps from `first` on: the next one that is not passed, and the last that stands; or NONE. */
int	batch_next(const struct rollout *, int first, size_t n);
int	batch_last(const struct rollout *, int first, size_t n);
/*
 * How the hosts of the step stand that this one is a batch of, as one line:
 * "flip-web: 1 of 3 hosts done (web-1); web-2 faulted: …; web-3 untouched".
 * Nothing where it is no batch.  May hold remote bytes.
 */
void	batch_words(struct buf *out, const struct fleet *, const struct plan *, const struct rollout *, int step);

#endif
