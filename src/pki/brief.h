/*
 * brief: a text with certificates in PEM as people read it: a line for each, in its
 * place, that says whose it is.  Everything else stands as it was.
 */
#ifndef BELAY_PKI_BRIEF_H
#define BELAY_PKI_BRIEF_H

#include <stddef.h>

#define BRIEF_MAX 256		/* certificates of one text; what follows stays as it was */

/*
 * For the caller to free; *ret_len bytes.  NULL where there is none that can be read.  The
 * subject may hold whatever its issuer wrote there, but no line ends.
 */
char	*brief_text(const char *text, size_t len_bytes, size_t *ret_len);

#endif
