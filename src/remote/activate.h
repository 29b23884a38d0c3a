/*
 * activate: what goes before the activation of a unit, and behind it; a part of
 * hostops.  See belay-fleet(5), units.
 */
#ifndef BELAY_REMOTE_ACTIVATE_H
#define BELAY_REMOTE_ACTIVATE_H

#include "core/op.h"

struct activation;
struct hostop;

/*
 * Looks whether the unit would come up with what stands on its host; then
 * hostop_run_now(), or the end: FAILED, "not restarted: …", with nothing done.
 */
void	hostop_activate(struct hostop *);
/*
 * The command ended well: waits for the endpoints, then ends as `good`, or FAILED.
 * before: it had ended before this call; then one that may be repeated is, where they do not answer.
 */
void	hostop_await_back(struct hostop *, enum op_outcome good, bool before);
void	activation_hurry(struct activation *);	/* behind the command: one more look, and that counts */
void	activation_free(struct activation *);	/* NULL is fine */

/* reload.c: the unit's own server is told, under the lock; then hostop_await_back(). */
struct reload;
void	hostop_reload(struct hostop *);
void	reload_free(struct reload *);		/* NULL is fine */

/* drain.c: an op of OP_DRAIN, whatever is asked of it. */
struct drain_op;
void	hostop_drain(struct hostop *);
void	drain_free(struct drain_op *);		/* NULL is fine */

#endif
