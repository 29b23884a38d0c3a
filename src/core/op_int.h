/*
 * op_int: what op.c (moves, activations, ids) and op_edit.c (what an edit of a binding
 * comes to) share.  Nobody else includes it.
 */
#ifndef BELAY_CORE_OP_INT_H
#define BELAY_CORE_OP_INT_H

#include "core/fill.h"
#include "core/op.h"

#define RUN_DEADLINE_MS		120000	/* of a command, a change's or an activation's */

struct maker {
	const struct fleet *fleet;
	struct ops *ops;
	struct indices units;	/* to activate, in the order of the first touch */
	struct fill fill;
	int	 move;		/* index of the move being made, or NONE */
	const struct move *moving;	/* that move; or NULL */
	const struct plan *plan;	/* and the step that it is of; or NULL */
	int	 step;
	/*
	 * Variables that a `disable` leaves alone; see op.h.  Set while a dial
	 * binding of DIAL_DISABLE is made.
	 */
	bool	 no_ca;
	bool	 back_last;	/* a trust binding is being made */
};

/* The edits of a binding, on the hosts that they name or on `host`; unit may be NONE. */
int	op_edit(struct maker *, const struct bedit *, int unit, int host, struct err *);
/* One of them, on one host. */
int	op_edit_on(struct maker *, const struct bedit *, int host, int unit, struct err *);
/* A new operation at the end of the list, of no unit and no endpoint yet. */
struct op *op_push(struct maker *, enum op_kind, int host);
const char *op_host_name(const struct maker *, int host);	/* "?" where there is none */
/* Puts the place of a noun in the fleet file before the error; returns -1. */
int	op_at(const struct maker *, const struct pos *, struct err *);

#endif
