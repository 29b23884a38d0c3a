/*
 * dialling: how the client of a link dials, as its settings say: the mode, the
 * name and the port, and the CA file that it reads.  Pure; reads the client's files by
 * a lookup, as facets_seen() does.
 *
 * The mode is the facet `dial`, read the same way.  Name and port are those of the URL
 * that the link's bindings edit, where there is one, else the fleet's.  Where some of the
 * link's values name $(ca_file) and the one at hand does not, the client reads no CA file;
 * where none does, the file is at its place whatever the mode.
 */
#ifndef BELAY_CORE_DIALLING_H
#define BELAY_CORE_DIALLING_H

#include "core/op.h"

#define DIALLING_CA_MAX	((size_t)256 << 10)

struct dialling {
	enum dial dial;		/* DIAL_UNKNOWN: `why` */
	char	*why;		/* may hold remote bytes; NULL of a mode that is known */
	char	*name;		/* dialled, and to be covered by the certificate */
	int	 port;
	bool	 by_url;	/* name and port are the URL's own */
	const char *ca_path;	/* the fleet's; NULL: this client reads no CA file, or none is declared */
	char	*ca;		/* its content, NULL: it is not there, or `ca_why` */
	size_t	 ca_len;
	char	*ca_why;	/* it could not be read */
	int	 presents;	/* the client certificate that it is set to show: a cert, NONE, or CERT_UNKNOWN */
	char	*shows;		/* what lies at its place; NULL: it is not there, it was not read, or it has no place */
	size_t	 shows_len;
};

/* What is to be instead of what is written: DIAL_UNKNOWN and NULL leave it. */
struct dialling_to_be {
	enum dial dial;
	const char *ca;		/* what the CA file will hold */
	size_t	 ca_len;
	bool	 lands;		/* only where there is no file yet */
};

/*
 * `otherwise`: the mode where no file says it (it is declared, implied, or a
 * setting of a running pooler), or DIAL_UNKNOWN.  to_be may be NULL.
 */
void	dialling_read(struct dialling *ret, const struct fleet *, int link, enum dial otherwise,
	    const struct dialling_to_be *, op_lookup *, void *arg);
void	dialling_release(struct dialling *);

#endif
