/*
 * sshd_fixture: real sshds, agents and keys for the tests, in a private
 * directory below $TMPDIR that goes away with the fixture.
 *
 * Everything listens on 127.0.0.1, on ports that were free, runs as the user
 * who runs the test, and is ended by its pid.
 */
#ifndef BELAY_TESTS_REMOTE_SSHD_FIXTURE_H
#define BELAY_TESTS_REMOTE_SSHD_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>

#include "port.h"

#define FIXTURE_PATH_MAX 512

struct fixture {
	char	dir[FIXTURE_PATH_MAX];
};

struct sshd {
	struct fixture *fixture;
	char	name[32];
	int	port;
	pid_t	pid;
};

void	fixture_up(struct fixture *);		/* makes user keys: dir/ed25519, ecdsa, rsa, locked (passphrase "open sesame") */
void	fixture_down(struct fixture *);
/* The result is overwritten by the eighth call after it. */
const char *fixture_path(const struct fixture *, const char *name);
/* Runs a program and waits; fails the test when it fails. */
void	fixture_run(const char *const argv[]);
void	fixture_write(const char *path, const char *text);
char	*fixture_read(const char *path);		/* the caller frees */

/*
 * A server with its own host keys (dir/NAME_ed25519, and _ecdsa, _rsa where
 * the types name them), which lets in the keys of authorized_keys; `options` are more
 * lines for its sshd_config, or NULL.
 */
void	sshd_up(struct sshd *, struct fixture *, const char *name, const char *host_key_types,
	    const char *options);
void	sshd_again(struct sshd *);		/* starts it anew on the same port */
void	sshd_down(struct sshd *);		/* the listener and the connections it has */
/* Sends a signal to the listener and to every process below it. */
void	sshd_signal(const struct sshd *, int signo);
/* Ends (or stops) the connections, not the listener. */
void	sshd_signal_connections(const struct sshd *, int signo);
/* A host block for ssh_config: alias NAME; known_hosts is dir/known_hosts; `more` lines or NULL. */
void	sshd_config_block(const struct sshd *, const char *identity, const char *more);
void	sshd_known(const struct sshd *, const char *key_type);	/* into dir/known_hosts */

#endif
