/*
 * plan_read: the parts of the plan reader, between themselves.
 */
#ifndef BELAY_CORE_PLAN_READ_H
#define BELAY_CORE_PLAN_READ_H

#include "core/fleet_read.h"
#include "core/plan.h"

struct buf;

/* Of a client on several hosts, those that one step moves it on; see plan_batch.c. */
struct batch {
	int	 first;		/* the client's first part; NONE: the step is not made host by host */
	size_t	 nparts;
	size_t	 from, n;	/* of the parts */
};

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
	struct batch batch;	/* of the step being read */
};

/* The names that a step's own commands may leave to run time. */
extern const char *const step_run_time[];

int	plan_ref(struct plan_reader *, const struct scope *, const struct node *,
	    enum noun, int *ret);
/* What the step binds is not built: the step says so, by its first, and the plan's list does; NULL: nothing. */
void	plan_not_yet(struct plan_reader *, struct step *, struct pos, const char *why);
/* What the step moves, and its drains; a step without any is the caller's to refuse. */
int	plan_read_moves(struct plan_reader *, const struct scope *, const struct node *step, struct step *);

/* What the step is made of: the first batch of it, then the next; false behind the last. */
int	batch_begin(struct plan_reader *, const struct scope *, const struct node *step, struct batch *ret);
bool	batch_go_on(struct batch *);
/* What the step being read is called. */
char	*batch_id(const struct plan_reader *, const char *id);
/* The links that a step's move of this name moves. */
int	batch_links(struct plan_reader *, int line, int col, const char *name, struct indices *ret);
/* Those that something of the step that moves nothing means: of a client on the batch's very hosts, the batch's; else all. */
int	batch_links_beside(struct plan_reader *, int line, int col, const char *name, struct indices *ret);
/*
 * A host, or a client for the hosts that it runs on, of these the batch's.
 * own: it has to be these.
 */
int	batch_hosts(struct plan_reader *, const struct scope *, const struct node *, bool own,
	    struct indices *ret);

/*
 * Checks.  Written ones are read from a list; implied ones follow from the
 * step's moves and stand before them.
 */
int	read_checks(struct plan_reader *, const struct scope *, const struct node *,
	    const char *what, struct step *, struct check **v, size_t *n);
void	imply_checks(const struct fleet *, const struct plan *, struct step *);	/* the last of the plan so far */
/*
 * Before a step it is the settings to be that are tried: the mode that the step writes, with
 * the CA that it brings.
 */
void	check_as_to_be(const struct fleet *, const struct step *, struct check *);
/* A name that no check of the step has yet. */
void	check_put_name(const struct fleet *, const struct step *, struct check *);
void	check_release(struct check *);

/* A quoted string of ours: "$(" is text and doubled, but for `keep`, which may be NULL. */
void	plan_quote(struct buf *out, const char *s, const char *keep);

/* The values that a word behind a variable of `for` stands for; arg of the reader: struct plan_reader. */
int	plan_select(struct reader *, const struct node *, const char *word, struct strings *ret);

/* What a step does, in words. */
char	*step_title(const struct fleet *, const struct step *);

#endif
