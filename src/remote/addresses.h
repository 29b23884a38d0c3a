/*
 * addresses: where the fleet's hosts are, in numbers, so that a server's list of
 * sessions can be matched to the hosts they come from.
 *
 * Learnt from the address in the fleet file (by getaddrinfo, off the loop),
 * from the connection to the host, and from the host itself.  Only ever
 * grows; loopback, link-local and unspecified addresses are left out.
 */
#ifndef BELAY_REMOTE_ADDRESSES_H
#define BELAY_REMOTE_ADDRESSES_H

#include <stddef.h>

struct addresses;
struct session;
struct uv_loop_s;

/* learnt is called from the loop when there is a new one for a host. */
struct addresses *addresses_new(struct uv_loop_s *, size_t nhosts, void (*learnt)(void *arg, int host), void *arg);
/* Ends everything under way; the loop has to run once more. */
void	addresses_free(struct addresses *);

void	addresses_resolve(struct addresses *, int host, const char *name);	/* a name or a number */
void	addresses_own(struct addresses *, int host);				/* those of this machine */
/* Asks the host over its session, unless it is being asked already; and takes the session's peer address. */
void	addresses_ask(struct addresses *, int host, struct session *);
/* Before the session is freed. */
void	addresses_forget(struct addresses *, int host);

/* All that are known, separated by blanks; "" where none is. */
const char *addresses_text(const struct addresses *, int host);

#endif
