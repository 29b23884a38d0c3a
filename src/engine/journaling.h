/*
 * journaling: the journal's calls, on the thread, so that the loop never
 * waits for a disk.  In the order in which they are asked for; each answer
 * comes on the loop when the entry is on disk, or will not be.
 *
 * Everything given is copied.  `done` may be NULL.
 *
 * The journal has no gap.  An intent that cannot be written is refused: nothing
 * was done yet.  What tells of a thing that has happened (every other record, a
 * note, the end of a run) and cannot be written, because its disk is full or
 * fails, is kept and tried again before whatever comes after it; and nothing
 * comes after it before it is written.
 */
#ifndef BELAY_ENGINE_JOURNALING_H
#define BELAY_ENGINE_JOURNALING_H

#include <stdbool.h>

#include "store/journal.h"

struct journaling;
struct thread;

/*
 * Neither is taken over; both must outlive what is under way (thread_free() first,
 * then journaling_free(), which tries a last time what is kept).
 */
struct journaling *journaling_new(struct thread *, struct journal *);
void	journaling_free(struct journaling *);

enum journaled {
	JOURNALED,		/* it is on disk */
	JOURNALED_NOT,		/* it is not, and will not be */
	JOURNALED_NOT_YET	/* it is not, and is kept: `done` comes once more, with one of the two */
};
/* why is NULL where it is on disk. */
typedef void journaling_done(void *arg, enum journaled how, const char *why);

void	journaling_append(struct journaling *, const struct record *, const char *step_id,
	    const char *op_id, const char *text, journaling_done *, void *arg);
void	journaling_note(struct journaling *, int64_t at_ms, const char *step_id, const char *kind,
	    const char *text, journaling_done *, void *arg);
/* begun gets the run with its id, or NULL and why. */
void	journaling_begin(struct journaling *, const struct journal_run *,
	    void (*begun)(void *arg, const struct journal_run *, const char *why), void *arg);
/* The lines are taken over. */
void	journaling_adopt(struct journaling *, const struct journal_run *, struct journal_lines *, bool ended,
	    void (*begun)(void *arg, const struct journal_run *, const char *why), void *arg);
void	journaling_end(struct journaling *, journaling_done *, void *arg);

#endif
