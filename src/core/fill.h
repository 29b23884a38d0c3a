/*
 * fill: $(name) in a binding's strings, where the value is known only once a
 * move is at hand.
 *
 *	$(dial)		the dial's word          (dial bindings)
 *	$(accept)	the accept's word        (accept bindings)
 *	$(ca_file)	the link's trust file    (dial and trust bindings)
 *	$(cert_file) $(key_file)	the link's own certificate and key (present bindings)
 *	$(step)		the step's id
 *	$(ca.pem) $(leaf.pem) $(key.pem) $(chain.pem) $(pair.pem), and .b64 of each
 *			certificate material     (cert and trust bindings)
 *	$(client_ca.pem) $(client_ca.b64)	the CA that an endpoint knows clients by (accept bindings)
 *
 * A name that is none of these stays as it is: the readers have refused unknown
 * ones, so it is the shell's, or was written $$(…) on purpose.  In commands certificate
 * keys are refused: a command is visible to everyone on the host.
 */
#ifndef BELAY_CORE_FILL_H
#define BELAY_CORE_FILL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/op.h"
#include "core/trust.h"

struct buf;
struct err;

struct fill {			/* NULL and NONE: not known here */
	const char *dial, *accept, *ca_file, *step;
	int	 cert;
	int	 cas[TRUST_CERTS_MAX];	/* whose CAs $(ca.pem) is, one behind the other */
	size_t	 ncas;			/* 0: that of `cert` */
	bool	 has_client_ca;
	int	 client_ca;	/* the cert whose CA it is */
	const char *cert_file, *key_file;
	op_material *material;	/* NULL: the names of materials stay as they are */
	void	*arg;
};

#define FILL_COMMAND	1	/* the text is a command */
#define FILL_SECRET	2	/* *ret_flags: private key material went in */
#define FILL_BLANK	4	/* *ret_flags: a material's name stayed, for want of a callback */

/* Appends; the buf should be `secret`.  The message names what is missing. */
int	fill_text(struct buf *out, const struct fill *, const char *text, int flags,
	    int *ret_flags, struct err *);
/* Does the text mention $(name)? */
bool	fill_mentions(const char *text, const char *name);

#endif
