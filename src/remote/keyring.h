/*
 * keyring: the operator's user keys, parsed once per worker, and the agent.
 *
 * Unencrypted OpenSSH ed25519 and ECDSA keys are read by our own small reader
 * (OpenSSL 3 does not read OpenSSH's ed25519 format, and libssh2 parses the
 * file anew for each connection, half the cost of the whole connection);
 * encrypted ones by libssh2 with the passphrase (remembered in locked memory
 * until the process ends).  The agent is spoken asynchronously over its socket.
 */
#ifndef BELAY_REMOTE_KEYRING_H
#define BELAY_REMOTE_KEYRING_H

struct uv_loop_s;
struct keyring;

struct keyring *keyring_new(struct uv_loop_s *);
void	keyring_free(struct keyring *);

#endif
