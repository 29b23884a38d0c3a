/*
 * keyring: what the operator brings to every connection, once per worker: the
 * user keys, the agent, and the files that were read for it (known_hosts and
 * ssh_config answers).
 *
 * Unencrypted OpenSSH ed25519 and ECDSA keys are read by our own small reader
 * (OpenSSL 3 does not read OpenSSH's ed25519 format, and libssh2 parses the
 * file anew for each connection, half the cost of the whole connection);
 * encrypted ones by libssh2 with the passphrase (remembered in locked memory
 * until the process ends).  The agent is spoken asynchronously over its socket.
 */
#ifndef BELAY_REMOTE_KEYRING_H
#define BELAY_REMOTE_KEYRING_H

#include <stdbool.h>
#include <stddef.h>

#include "remote/opensshkey.h"

struct buf;
struct err;
struct agent;
struct known_hosts;
struct ssh_config_cache;
struct uv_loop_s;
struct keyring;

struct keyring *keyring_new(struct uv_loop_s *);
/* After every session of it was freed. */
void	keyring_free(struct keyring *);

/*
 * ---- for the sessions ------------------------------------------------------
 */
enum userkey_state {
	USERKEY_MISSING,	/* there is no such file */
	USERKEY_BAD,		/* cannot be read: see why */
	USERKEY_READY,		/* signs */
	USERKEY_LOCKED,		/* encrypted, and no (right) passphrase yet */
	USERKEY_UNLOCKED,	/* encrypted, passphrase known: libssh2 signs with it */
	USERKEY_UNUSABLE	/* RSA and others that libssh2 1.10 cannot sign with */
};

struct userkey {
	enum userkey_state state;
	const char *path;
	const char *why;
	char	 type[OPENSSHKEY_TYPE_MAX];
	const unsigned char *blob;	/* public key; NULL when not known */
	size_t	 blob_len;
};

/* Read when first asked for, and again when the file changed.  Valid until the next call for the same path. */
const struct userkey *keyring_key(struct keyring *, const char *path);
/* Appends the signature as it stands inside SSH's signature blob (RFC 8709, RFC 5656), of a READY key. */
int	keyring_sign(struct keyring *, const struct userkey *, const void *data, size_t len_bytes,
	    struct buf *out, struct err *);
/* The passphrase for an encrypted key; copied to locked memory.  NULL forgets it (it was wrong). */
void	keyring_passphrase(struct keyring *, const char *path, const char *passphrase);
const char *keyring_passphrase_of(struct keyring *, const char *path);	/* NULL: not known */
/* The whole private key file, for libssh2.  The buf is secret. */
int	keyring_read_file(const char *path, struct buf *out, struct err *);

/* A private directory for control sockets, made when first asked for; NULL when that fails. */
const char *keyring_socket_dir(struct keyring *);
struct agent *keyring_agent(struct keyring *);
struct known_hosts *keyring_known_hosts(struct keyring *);
struct ssh_config_cache *keyring_ssh_config(struct keyring *);

#endif
