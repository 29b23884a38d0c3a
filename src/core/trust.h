/*
 * trust: which of the fleet's CAs a client trusts, as one number: NONE, CERT_UNKNOWN
 * (some CA that nobody knows), a cert's index (the CA that it is issued by, and no
 * other; cert_authority()), or two of them at a time, as while a CA gives way to the next.  Pure.
 *
 * More than two of one link at a time are not told apart: a set that is full
 * stays as it is, so that what is believed of a client is never more than is so.
 */
#ifndef BELAY_CORE_TRUST_H
#define BELAY_CORE_TRUST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;

#define TRUST_CERTS_MAX	2
#define TRUST_VALUE_MAX	((FLEET_ITEMS_MAX + 1) * FLEET_ITEMS_MAX - 1)	/* the greatest there is */

/* The set with this cert's CA in it as well; of NONE and CERT_UNKNOWN: that alone. */
int	trust_with(int trust, int cert);
/* Is this cert's CA in it, whichever of that CA's certs stands for it?  Not of CERT_UNKNOWN: nobody knows. */
bool	trust_holds(const struct fleet *, int trust, int cert);
/* Its certs, the one that is declared first before the other; returns how many. */
size_t	trust_certs(int trust, int ret[TRUST_CERTS_MAX]);
/* A value that came from elsewhere: a set of certs that there are. */
bool	trust_valid(int trust, size_t ncerts);
/* "internal", "internal and next", "none", "unknown". */
void	trust_text(struct buf *out, const struct fleet *, int trust);
char	*trust_words(const struct fleet *, int trust);	/* the same, for the caller to free */

/*
 * A cert that comes `after` another takes over its places under a CA of its own.  Those that
 * follow one another are a line; this is the first of the one that this cert is in.
 */
int	cert_line(const struct fleet *, int cert);
/* The value of a link that trusts this cert's CA: the cert that stands for the CA, but where the file comes with the cert. */
int	link_trust_value(const struct fleet *, const struct link *, int cert);
/* May a step have this link trust the CA of this cert: the one that its file is for, or another of that line? */
bool	link_may_trust(const struct fleet *, const struct link *, int cert);

#endif
