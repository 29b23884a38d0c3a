/*
 * thread: the console's one thread beside its loop, for what may block:
 * journal commits, key generation, key derivation.
 *
 * First in, first out: a piece of work is begun when all that was asked for
 * before it has ended.  Results come back on the loop, in the same order.
 * While something is under way the loop does not end by itself.
 */
#ifndef BELAY_ENGINE_THREAD_H
#define BELAY_ENGINE_THREAD_H

#include <stddef.h>

struct err;
struct thread;
struct uv_loop_s;

struct thread *thread_new(struct uv_loop_s *, struct err *);	/* NULL: see the message */
/*
 * Lets all that was asked for run to its end (this blocks) and calls each of
 * its `done`s; then frees.  The loop has to run once more afterwards, to close a
 * handle.  NULL is fine.
 */
void	thread_free(struct thread *);

/*
 * work(arg) is called on the thread, then done(arg) (may be NULL) on the loop,
 * never from inside this call.  arg is the caller's: work and loop must not look into it
 * at the same time.
 */
void	thread_do(struct thread *, void (*work)(void *arg), void (*done)(void *arg), void *arg);

/* Waits until all that was asked for is done, and calls each `done`; what these ask for, too. */
void	thread_drain(struct thread *);
/* How much was asked for whose `done` was not called yet. */
size_t	thread_pending(const struct thread *);

#endif
