/*
 * forward: a one-shot door on 127.0.0.1 to a TCP port behind a host.
 *
 * libpq insists on a socket of its own.  The door listens on a port of the
 * system's choice, lets in the one connection whose port is that of libpq's
 * socket (anybody else on this machine is turned away), closes the listener,
 * and carries bytes to and from a stream of the host's session.
 *
 * It has no events: whatever ends it, libpq sees its socket end (after
 * reading what came before), and forward_why() has the reason.
 */
#ifndef BELAY_REMOTE_FORWARD_H
#define BELAY_REMOTE_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct forward;
struct session;
struct uv_loop_s;

struct forward *forward_new(struct uv_loop_s *, struct session *, const char *address, int port,
	    struct err *);
int	forward_port(const struct forward *);
/* The local port of the socket that may come in; nobody may before this is called. */
void	forward_expect(struct forward *, int peer_port);
/*
 * From now on the far side may send this much; more is taken for a bomb and
 * ends the connection: libpq itself reads whatever it is sent into memory.
 */
void	forward_allow(struct forward *, size_t len_bytes);
/* Why the far side is gone, or NULL while it is not, or went in good order. */
const char *forward_why(const struct forward *);
/* Whether the far side was reached at all. */
bool	forward_reached(const struct forward *);
uint64_t forward_reached_ns(const struct forward *);	/* when, by uv_hrtime(); 0: not */
void	forward_free(struct forward *);		/* NULL is fine */

#endif
