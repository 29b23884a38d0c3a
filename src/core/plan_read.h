/*
 * plan_read: the parts of the plan reader, between themselves.
 */
#ifndef BELAY_CORE_PLAN_READ_H
#define BELAY_CORE_PLAN_READ_H

#include "core/fleet_read.h"
#include "core/plan.h"

struct buf;

struct plan_reader {
	/*
	 * Bindings are read with the fleet's own functions.  `fr.f` stays NULL:
	 * the fleet is finished, and nothing here may add to it.
	 */
	struct fleet_reader fr;
	const struct fleet *f;
	struct plan *p;
	char	**rows;		/* what each group is folded by, or NULL; by group */
	size_t	 nrows;
};

/* The names that a step's own commands may leave to run time. */
extern const char *const step_run_time[];

int	plan_host(struct plan_reader *, const struct scope *, const struct node *, int *ret);
int	plan_ref(struct plan_reader *, const struct scope *, const struct node *,
	    enum noun, int *ret);

/*
 * Checks.  Written ones are read from a list; implied ones follow from the
 * step's moves and stand before them.
 */
int	read_checks(struct plan_reader *, const struct scope *, const struct node *,
	    const char *what, struct step *, struct check **v, size_t *n);
void	imply_checks(const struct fleet *, struct step *);
void	check_release(struct check *);

/* A quoted string of ours: "$(" is text and doubled, but for `keep`, which may be NULL. */
void	plan_quote(struct buf *out, const char *s, const char *keep);

/* What a step does, in words. */
char	*step_title(const struct fleet *, const struct step *);

#endif
