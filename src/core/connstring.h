/*
 * connstring: what a careful reader would say of the connection strings in an
 * env file.  Pure.
 *
 * Looked at are values that are a connection URL (connurl.h; also jdbc:… in
 * front), libpq's key=value, and variables that are a mode by their name
 * (PGSSLMODE, …_SSL_CERT_REQS).  What is said names the variable, its line, and at
 * most a mode, a parameter and a host name: never the user, the password or the
 * path, nor any byte of what cannot be read.
 *
 * Names are a closed list:
 *
 *	unreadable	 it begins like a URL and is none that drivers agree on
 *	plaintext	 it asks for no TLS
 *	falls-back	 allow, prefer: goes on in plaintext without a word
 *	no-mode		 no mode is named, and the driver's default falls back
 *	unverified	 encrypts to anybody: require, ssl_cert_reqs=none, …
 *	chain-only	 verifies the chain and no name
 *	unknown-mode	 a mode that the driver does not have
 *	dialect		 a parameter of another driver's
 *	no-password	 Redis in production without a password
 *	name-not-covered the certificate does not have the host's name
 *	socket		 a Unix socket, where TLS was asked for
 *	port		 TLS at the plaintext port, or the other way round
 */
#ifndef BELAY_CORE_CONNSTRING_H
#define BELAY_CORE_CONNSTRING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"
#include "core/lint.h"

#define CONNSTRING_FINDINGS_MAX 256	/* of one text */

struct connstring_finding {
	const char *name;	/* one of connstring_names[] */
	enum lint_level level;
	int	 line;		/* of the variable, from 1 */
	char	*variable;
	char	*text;		/* words, without variable and line; may hold a host name of the file's */
};

struct connstring_findings {
	struct connstring_finding *v;
	size_t	 n;
};

struct connstring_about {	/* of whom the file is; zeroed: nothing is known */
	enum dialect dialect;	/* DIALECT_DEFAULT: by the URL's scheme */
	bool	 production;
	const struct strings *names;	/* of the certificate served (DNS names, wildcards, addresses), or NULL */
	int	 port_plain, port_tls;	/* of the endpoint, 0 not known */
	/*
	 * What is looked at, where `only` is given: these variables, and besides them the
	 * URLs and pairs to one of `hosts`; of URLs and pairs those for this kind of endpoint.
	 */
	const struct strings *only, *hosts;
	enum kind kind;
};

/* Every name that a finding can have; ends with NULL. */
extern const char *const connstring_names[];

/* Adds what is found in the text of an env file, in the order of its lines. */
void	connstring_look(struct connstring_findings *, const struct connstring_about *, const char *text,
	    size_t len_bytes);
void	connstring_release(struct connstring_findings *);

#endif
