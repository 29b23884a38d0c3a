/*
 * ops_fixture: hostops on this machine over a local session: real shells, real
 * files, the real host-side program, which can be killed at any of its commands.
 */
#ifndef BELAY_TESTS_REMOTE_OPS_FIXTURE_H
#define BELAY_TESTS_REMOTE_OPS_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "core/buf.h"
#include "remote/hostops.h"

#define DEADLINE_MS 30000

extern char base[200];		/* a directory of this test; the state directory is base/state */

struct world {
	uv_loop_t loop;
	struct fleet *fleet;
	struct keyring *keyring;
	struct session *session;
	struct hostops *set;
	struct wire_op order;
	struct op_result result;	/* of the last call */
	struct reading reading;
	char	*secret, *why;
	struct buf live;		/* what a command printed while it ran */
	int	 answers;
	const char *password;		/* what sudo is told; or NULL */
	enum sudo_trouble trouble;	/* the last */
};
extern struct world w;

/*
 * With $BELAY_TEST_SH (a path) that is the shell of the host-side program and of commands.
 * Makes base and begins; fleet: a fleet file, allocated, once base is known.  The
 * order of the world is op "run-1/step/1" of nothing.  0, or -1.
 */
int	ops_set_up(char *(*fleet)(void));
int	ops_tear_down(void **state);

/* One call to its end. */
enum op_outcome ops_ask(enum op_verb, int64_t deadline_ms);
void	ops_done(void *arg, const struct op_result *);	/* for calls of one's own: arg is &w */
void	ops_text(void *arg, const char *bytes, size_t len);
/* A call that has to end so; print_error() says why it did not. */
void	check(enum op_verb, enum op_outcome want);

/*
 * One call with its host-side program killed at command number `at`, "before" it,
 * "half" way (cat), or "after" it; whether there was one.  main() has to begin with
 * ops_killer(): true where it is one of these commands, and *ret_status its end.
 */
bool	ops_killed(enum op_verb, int at, const char *when);
bool	ops_killer(char **argv, int *ret_status);

void	write_text(const char *path, const char *text, mode_t mode);
const char *read_text(const char *path);	/* until the next call; "-" where there is no file */
void	assert_text(const char *path, const char *want);
/* Content, mode and owner of everything below a directory, but for hidden temporaries of nobody. */
void	tree_of(const char *dir, struct buf *out);

#endif
