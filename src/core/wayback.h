/*
 * wayback: the way back on one host as plain sh, for hands that have no belay:
 * the same edits from the same before-images, in the same order.
 *
 * The text is a function of the run alone, so that what `undo --print` prints
 * and what lies beside the before-images on the host
 * (runs/RUN/undo.sh) are the same bytes.  The script needs sh, coreutils or
 * busybox, and the host's records; it has no secret in it, since contents come from there.
 *
 * It does what it can be sure of: a file that is neither as before nor as it
 * was left is named and not touched, so is a setting, and the script ends with 1.  Edits by name
 * are put back as whole files; where others wrote to one too, that is for a person.
 */
#ifndef BELAY_CORE_WAYBACK_H
#define BELAY_CORE_WAYBACK_H

#include "core/op.h"
#include "core/rollout.h"

struct buf;

#define WAYBACK_MAX	((size_t)96 << 10)	/* of one host's script; see wayback_kept() */

struct wayback {
	const struct fleet *fleet;
	const struct plan *plan;
	const struct rollout *rollout;
	const char *run_id;
	/* The ops of a step, as many as the rollout has of it. */
	const struct ops *(*ops)(void *arg, int step);
	void	*arg;
};

/*
 * Appends the script of the steps `from` down to `until`; false, and nothing is
 * appended, where this host has nothing to take back.
 */
bool	wayback_script(struct buf *out, const struct wayback *, int host, int from, int until);
/*
 * What is to lie on the host when an op has been carried out: the whole run with
 * that op applied, or undone.  Empty where nothing is left to take back; longer
 * than WAYBACK_MAX: a script that says so and does nothing.
 */
void	wayback_kept(struct buf *out, const struct wayback *, int step, int op, bool undone);
/* Of ops that were all applied, in this order. */
void	wayback_of_ops(struct buf *out, const struct fleet *, int host, const char *run_id, const struct op *ops,
	    size_t n);

#endif
