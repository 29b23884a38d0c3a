/*
 * session_auth: logging in over a libssh2 session with the operator's keys.
 *
 * Keys are offered in ssh's order: the agent's that the ssh_config names, the
 * agent's others (not with IdentitiesOnly), then the files.  Each is asked
 * about first and signed with only when the host would take it.  What libssh2
 * 1.10 cannot sign with (RSA: it has no rsa-sha2) is left to the system's ssh.
 */
#ifndef BELAY_REMOTE_SESSION_AUTH_H
#define BELAY_REMOTE_SESSION_AUTH_H

#include <libssh2.h>
#include <stdbool.h>

struct auth;
struct err;
struct session;

#define AUTH_OFFERS_MAX	6	/* sshd's MaxAuthTries */

enum auth_result {
	AUTH_AGAIN,		/* waits for the host, or for `wake` */
	AUTH_IN,
	AUTH_REFUSED,		/* see err */
	AUTH_LOCKED,		/* the passphrase of auth_subject() is needed; see err */
	AUTH_SYSTEM		/* only a key that the system's ssh can sign with is left: see err */
};

/* `wake` is called from the loop when auth_run() should be called again. */
struct auth *auth_new(struct session *, LIBSSH2_SESSION *, void (*wake)(void *), void *arg);
enum auth_result auth_run(struct auth *, struct err *);
const char *auth_subject(const struct auth *);
/* While a thread has the session in hand nobody else may touch it. */
bool	auth_busy(const struct auth *);
/* Ends what is asked of the agent: no wake comes any more, but for the one after a thread. */
void	auth_stop(struct auth *);
/* Not while busy. */
void	auth_free(struct auth *);

#endif
