/*
 * killer: kills the host-side program at a chosen one of its external commands.
 *
 * A test program stands in a directory of the PATH under the names of those
 * commands, and hands its main() over where it is called by one of them.  It
 * counts the calls in the file $BELAY_TEST_COUNT and at number
 * $BELAY_TEST_KILL_AT kills its process group: "before" the command,
 * "after" it, or (cat) "half" way through, as $BELAY_TEST_WHEN says.
 */
#ifndef BELAY_TESTS_REMOTE_KILLER_H
#define BELAY_TESTS_REMOTE_KILLER_H

/* What main() does where $BELAY_TEST_KILL_AT is set. */
int	killer_main(char **argv);
/*
 * Fills two directories that are there: `killers` with the names, all of them
 * `self`; `no_flock` (may be NULL) with the real commands but flock.
 */
int	killer_dirs(const char *self, const char *killers, const char *no_flock);

#endif
