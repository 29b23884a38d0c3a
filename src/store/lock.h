/*
 * lock: two belays on one machine never apply at once.
 *
 * A file, held by flock(2) for the life of the process (so that a kill -9 lets
 * go of it), with one line in it that tells another belay who holds it: owner,
 * host, process, since when, and the step it is at.  The file itself stays
 * when the lock is let go; only the flock means anything.
 */
#ifndef BELAY_STORE_LOCK_H
#define BELAY_STORE_LOCK_H

struct err;
struct lock;

/*
 * Takes the lock.  -1 with *ret_by (for the caller to free) set to the
 * holder's line where somebody else has it, NULL for any other failure.
 */
int	lock_take(struct lock **ret, const char *path, char **ret_by, struct err *);
/* What the holder is at, for whoever is turned away; NULL: nothing in particular. */
void	lock_tell(struct lock *, const char *step);
void	lock_free(struct lock *);	/* lets go; NULL is fine */

/* Who holds it: a line for the caller to free, or NULL where nobody does. */
char	*lock_holder(const char *path);

#endif
