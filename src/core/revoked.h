/*
 * revoked: a certificate that is no longer good though its days are not over, because
 * its key leaked.  As the CA's directory has it (pki/revoked.h); pure.
 */
#ifndef BELAY_CORE_REVOKED_H
#define BELAY_CORE_REVOKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct revoked {
	char	 serial[48], sha256[65];	/* lower case */
	char	 file_sha256[65];	/* of its file as it was issued */
	int64_t	 not_after_s, at_s;	/* at: when it was revoked; both since 1970 */
	char	*name;			/* of the certificate in the fleet */
	char	*replaced_by;		/* "RUN/STEP" that put another in its place; NULL or "-": none */
	char	*by, *reason;		/* either may be NULL or "-" */
};

struct revoked_list {
	struct revoked *v;
	size_t	 n;
};
void	revoked_list_release(struct revoked_list *);

/* By the certificate's fingerprint; or NULL. */
const struct revoked *revoked_by_sha(const struct revoked_list *, const char *sha256);
/* The one of this name in the fleet that this run and step has replaced; or NULL. */
const struct revoked *revoked_for(const struct revoked_list *, const char *name, const char *replaced_by);
/* "revoked(NAME)": the check that an undo which puts its key back has to be insisted on by; for the caller to free. */
char	*revoked_check(const char *cert_name);
/* "revoked by ops@bastion: laptop stolen"; for the caller to free; may hold remote bytes. */
char	*revoked_words(const struct revoked *);

#endif
