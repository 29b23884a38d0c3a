/*
 * pki_fixture: a directory of a test's own, what it asks an authority for in it, and
 * openssl(1) beside that.
 */
#ifndef BELAY_TESTS_PKI_PKI_FIXTURE_H
#define BELAY_TESTS_PKI_PKI_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "pki/authority.h"

extern char *top;			/* of one test */
extern char *dir;			/* of the authority, not there yet */
extern struct authority_request q;	/* what a test asks for, to be changed by it */
/*
 * Where a key is sealed hundreds of times a seal costs less; what it costs otherwise has a
 * test of its own.
 */
extern bool cheap_seals;

/* Makes `top`, and the request: of the CA "internal", for these names, sealed with the passphrase. */
int	top_up(const char *const *names, size_t n, const char *passphrase);
void	top_down(void);
void	remove_all(const char *path);

/* Runs a line of shell in `top`; fails the test unless it exits 0.  Its output, for the caller to free. */
char	*sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	run(const char *line);

/* The request is refused with these words among the reasons, and nothing of the passphrase. */
void	refused(const char *words);

#endif
