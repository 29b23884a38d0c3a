/*
 * census: whose session is this?  Matches what a server lists to the fleet's
 * links.  Pure.
 */
#ifndef BELAY_CORE_CENSUS_H
#define BELAY_CORE_CENSUS_H

#include "core/fleet.h"
#include "core/reading.h"

/* One session as a server lists it; NULL where the server does not tell. */
struct seen_session {
	const char *address;	/* numeric, no port; NULL or "" for a Unix socket */
	const char *user, *database, *application;
	bool	tls;
	int64_t	age_s;		/* -1 not known */
	int	port;		/* of its side; 0 not known; for census_add() */
};

/* Numeric addresses of the fleet's hosts, as learnt; v[host] may be empty. */
struct host_addresses {
	struct strings *v;
	size_t n;
};

/* Is `address` in `range` (an address or CIDR, IPv4 or IPv6; v4-mapped counts as v4)? */
bool	address_in(const char *address, const char *range);

/* The link of this endpoint that the session belongs to, or NONE; the most specific match wins. */
int	census_link(const struct fleet *, const struct host_addresses *,
	    int endpoint, const struct seen_session *);
/* Counts one session, naming it where it is plaintext or undeclared. */
void	census_add(struct census *, const struct fleet *,
	    const struct host_addresses *, int endpoint, const struct seen_session *);
/* Gives every link of the endpoint a row, so that "0 sessions" is said and not left out. */
void	census_begin(struct census *, const struct fleet *, int endpoint);

#endif
