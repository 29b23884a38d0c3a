/*
 * urlfile: an env file whose variables hold connection URLs, edited part by
 * part.  Pure; core/envfile for the file, core/connurl for the value.
 *
 * A name is a variable, as in an env file, or a part of the URL in one:
 *
 *	NAME		the variable
 *	NAME:scheme	NAME:host	NAME:port
 *	NAME?KEY	a parameter of the query
 *
 * A variable is given as a whole or by its parts, never both.
 */
#ifndef BELAY_CORE_URLFILE_H
#define BELAY_CORE_URLFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

bool	urlfile_name_valid(const char *name);
/* The length of the variable in a name; *ret_part is what connurl calls the part, or NULL. */
size_t	urlfile_split(const char *name, const char **ret_part);

/* As envfile_get(); a part of a value that is no URL is not there. */
bool	urlfile_get(const char *text, size_t len_bytes, const char *name, struct buf *out);

/*
 * As envfile_edit(), with words: -1 also where a part is to be set of a
 * variable that is not there, or whose value is no URL.
 */
int	urlfile_edit(struct buf *out, const char *text, size_t len_bytes, const struct pairs *set,
	    const struct strings *unset, struct err *);

/* As envfile_restore(): what others changed in the same URL is kept. */
size_t	urlfile_restore(struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
	    struct strings *ret_drift);

#endif
