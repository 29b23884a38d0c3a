/*
 * held: the lock of a host, its fencing token and the record of an op, kept
 * while something is done at a server; a part of hostops.
 */
#ifndef BELAY_REMOTE_HELD_H
#define BELAY_REMOTE_HELD_H

#include <stdbool.h>

struct held;
struct hostop;

typedef void held_step(struct hostop *);

/*
 * Takes the lock; then `locked`, from the loop.  record: the op's record says that it
 * is begun, before `locked`, and its end by held_end(); where what the record says already does
 * not allow that, it stays as it is.  Where there is no lock, or it is lost, the call
 * ends by itself: FAILED before, CUT after.
 */
void	held_begin(struct hostop *, bool record, held_step *locked);
/* Gives it back; well: what was done is done.  Then `let_go`. */
void	held_end(struct hostop *, bool well, held_step *let_go);
void	held_free(struct held *);	/* NULL is fine */

#endif
