/*
 * state_dir: the directory that the journal and the lock live in, and what is
 * demanded of it: ours alone (0700, our uid), not a symbolic link, and on a
 * file system whose locks and fsync can be believed.
 *
 * state_dir() itself is declared in journal.h.
 */
#ifndef BELAY_STORE_STATE_DIR_H
#define BELAY_STORE_STATE_DIR_H

#include <stdbool.h>

struct err;

/*
 * Checks `dir`, making it (0700, its last component only) where `make` says
 * so.  *ret_real is its path without symbolic links, for the caller to free;
 * a missing directory that may not be made gives 0 with *ret_real NULL.
 */
int	state_dir_check(const char *dir, bool make, char **ret_real, struct err *);

/* The name of a file system (a statfs f_type) that is refused, or NULL: it may hold a journal. */
const char *state_dir_refused_fs(unsigned long type);

#endif
