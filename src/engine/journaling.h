/*
 * journaling: the journal's calls, on the thread, so that the loop never
 * waits for a disk.  In the order in which they are asked for; each answer
 * comes on the loop when the entry is on disk, or will not be.
 *
 * Everything given is copied.  `done` may be NULL.
 */
#ifndef BELAY_ENGINE_JOURNALING_H
#define BELAY_ENGINE_JOURNALING_H

#include <stdbool.h>

#include "store/journal.h"

struct journaling;
struct thread;

/* Neither is taken over; both must outlive what is under way (thread_free() first, then journaling_free()). */
struct journaling *journaling_new(struct thread *, struct journal *);
void	journaling_free(struct journaling *);

/* why is NULL where ok. */
typedef void journaling_done(void *arg, bool ok, const char *why);

void	journaling_append(struct journaling *, const struct record *, const char *step_id,
	    const char *op_id, const char *text, journaling_done *, void *arg);
void	journaling_note(struct journaling *, int64_t at_ms, const char *step_id, const char *kind,
	    const char *text, journaling_done *, void *arg);
/* begun gets the run with its id, or NULL and why. */
void	journaling_begin(struct journaling *, const struct journal_run *,
	    void (*begun)(void *arg, const struct journal_run *, const char *why), void *arg);
void	journaling_end(struct journaling *, journaling_done *, void *arg);

#endif
