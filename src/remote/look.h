/*
 * look: one connection to an endpoint, to see whether it speaks this way.
 *
 * Postgres and PgBouncer: for TLS an SSLRequest and the handshake, then, either
 * way, a start-up packet in the probe's name, without a password; the first
 * answer decides (a request for authentication: the way is open).  Redis: the
 * handshake on the TLS port, then PING and QUIT either way.
 *
 * In TLS nobody shows a certificate at first.  Who is turned away for want of one tries once more
 * with belay's own, where that is at hand for the endpoint: `demanded` says what the first try met, all
 * else is of the second.
 *
 * A look never judges by itself that plaintext is refused for everybody: that takes two of
 * them (probe_served.c).
 */
#ifndef BELAY_REMOTE_LOOK_H
#define BELAY_REMOTE_LOOK_H

#include <stdbool.h>

#include "core/err.h"
#include "core/reading.h"
#include "remote/tls.h"

struct look;
struct spot;
struct stream;

struct look {
	/* The result; valid once done, and so far as known before. */
	enum leg leg;
	char	 why[ERR_MAX];		/* "" where there is nothing to say */
	bool	 reached;		/* a connection was opened */
	bool	 counted;	/* among the spot's own */
	bool	 welcome;		/* asked to authenticate, or let in */
	/* Answered in the endpoint's own protocol, or TLS, and does not say that it is still starting. */
	bool	 answered;
	bool	 demanded;		/* who shows no client certificate is turned away: */
	char	 demanded_why[ERR_MAX];
	bool	 shows;			/* and belay's own was shown then */
	/* An error that may mean "not this way": it counts only where the other way is welcome. */
	bool	 policy;
	struct tls_facts facts;
	enum verified names[READING_NAMES_MAX];
	size_t	 nnames;

	/* The rest is look.c's. */
	struct spot *spot;
	bool	 tls;
	int64_t	 due;		/* loop time */
	const struct tls_offer *offer;	/* NULL: a look; else only the handshake, and that goodbye */
	struct stream *stream;		/* the outermost, NULL when closed */
	bool	 wrapped;		/* it is a TLS stream */
	int	 stage;
	unsigned char answer[1024];
	size_t	 len;
	bool	 over;
	void	(*done)(void *arg, struct look *);
	void	*arg;
};

/* `done` comes once, from the loop. */
struct look *look_new(struct spot *, bool tls, int64_t deadline_ms,
	    void (*done)(void *arg, struct look *), void *arg);
/* One handshake that offers no more than this; `offer` is borrowed until it is done.  OPEN: it went through. */
struct look *look_offering(struct spot *, const struct tls_offer *offer, int64_t deadline_ms,
	    void (*done)(void *arg, struct look *), void *arg);
/* Ends it where it stands: a connection that never answered is SILENT. */
void	look_give_up(struct look *);
void	look_free(struct look *);		/* NULL is fine; no event follows */

#endif
