/*
 * session: one SSH connection to one host, carrying as many channels as are
 * asked for.
 *
 * Two makers behind one interface: libssh2 (the default; non-blocking on the
 * worker's loop) and the system's ssh (for what libssh2 falls short of:
 * ProxyJump, RSA user keys, hardened ciphers, certificates), plus `local`, which runs commands
 * and dials sockets on this machine.  The choice and its reason are visible (session_transport).
 *
 * A session connects by itself when it is first used, stays connected, and
 * after a loss reconnects with backoff (1 s doubling to 60 s, with jitter)
 * while anybody wants it.  Streams asked for while it connects wait, within
 * their own deadline; when that attempt fails, or the session is blocked, they end with
 * STREAM_REFUSED and the reason.  A loss closes every open stream with
 * STREAM_LOST.
 *
 * At most 8 commands and 16 dials are open at a time, fewer where the host
 * has no room for them (sshd's MaxSessions); the rest wait for their turn.
 *
 * The process has to ignore SIGPIPE.
 *
 * libssh2 1.10: one channel opening and one writer at a time per session; any
 * read may drain the socket for every channel, so after the last EAGAIN both
 * streams and EOF of every open channel are looked at again before waiting.
 * TCP_QUICKACK is set again after reads (40 ms stalls otherwise).  The key
 * is parsed once per worker and signs in libssh2's callback.
 */
#ifndef BELAY_REMOTE_SESSION_H
#define BELAY_REMOTE_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "remote/stream.h"

struct err;
struct uv_loop_s;
struct session;
struct keyring;			/* parsed user keys and the agent: keyring.h */

enum session_state {
	SESSION_IDLE,		/* not connected, nobody wants it */
	SESSION_RESOLVING,	/* ssh -G, DNS */
	SESSION_CONNECTING, SESSION_AUTHENTICATING,
	SESSION_UP,
	SESSION_WAITING,	/* lost or failed; backoff until retry_ms */
	SESSION_BLOCKED		/* needs a person: see session_need */
};
const char *session_state_word(enum session_state);

/* What a person has to give before the session can go on. */
enum session_need {
	NEED_NOTHING,
	NEED_HOST_KEY,		/* unknown host key: show fingerprint, accept or not */
	NEED_PASSPHRASE,	/* for the key file named in `subject` */
	NEED_CHANGED_KEY	/* refused for good: the key differs from known_hosts */
};

struct session_status {
	enum session_state state;
	enum session_need need;
	const char *transport;	/* "libssh2", "ssh", "local" */
	const char *transport_why;	/* why this one, "" when it is the default */
	const char *subject;	/* key file, or fingerprints: "SHA256:…" of the key shown (and known) */
	const char *keytype;	/* of the host key */
	const char *why;	/* last failure, in words; may hold remote bytes */
	int	 attempts;
	int64_t	 retry_ms;	/* until the next attempt */
};

struct session_config {
	const char *name;		/* the fleet's name, for messages */
	const char *ssh;		/* alias for ssh -G, or NULL */
	const char *address, *user, *identity;
	int	 port;
	bool	 local;
	const char *transport;		/* NULL: choose */
	const char *ssh_config;		/* -F FILE for ssh -G, or NULL: the operator's own */
	int64_t	 connect_deadline_ms;	/* 0: 15 s: TCP, key exchange and login together */
};

/* Strings are copied.  `changed` is called from the loop, never from inside a call. */
struct session *session_new(struct uv_loop_s *, struct keyring *,
	    const struct session_config *, void (*changed)(struct session *, void *), void *arg);
void	session_free(struct session *);		/* closes its streams without events */
void	session_status(const struct session *, struct session_status *ret);
void	session_wake(struct session *);		/* connect now, skipping the backoff */

/*
 * The answers to a need.  The passphrase is copied to locked memory, for every
 * session of this keyring: wake the others that are blocked on the same file.  A
 * wrong one is forgotten and asked for again.
 */
void	session_accept_host_key(struct session *, const char *fingerprint);	/* appends to known_hosts; ignored unless it is the one shown */
void	session_passphrase(struct session *, const char *keyfile, const char *passphrase);

/*
 * Runs a command through the host's login shell.  `command` must hold no
 * secret (it is visible in the host's process list); payloads go by stdin.
 * libssh2 cannot tell "exit status 0" from a server that closes the channel without
 * telling a status (OpenSSH always tells it): where it matters, let the
 * command print a last line of its own.
 */
#define SESSION_COMMAND_MAX 32000		/* it goes in one SSH packet */
struct stream *session_exec(struct session *, const char *command,
	    const struct stream_events *, void *arg);
/*
 * Opens a TCP connection as seen from the host.  Where nothing listens there, `why` of STREAM_REFUSED
 * reads "… cannot reach ADDRESS port N …" with "connect failed" or "connection refused" in it;
 * a forward that the host does not allow has "prohibited".  Anything else that kept the stream from
 * opening (the session, a policy of sshd) says nothing about the far side.
 */
bool	session_nothing_listens(const char *why);
struct stream *session_dial(struct session *, const char *address, int port,
	    const struct stream_events *, void *arg);
/* The address of the host itself as its peer in the last connection, "" when not known. */
const char *session_address(const struct session *);

#endif
