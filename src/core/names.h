/*
 * names: where something stands in its array, by its name.  A table for several
 * kinds of things at once; each name once in each kind, the first one counts.
 * Pure.
 */
#ifndef BELAY_CORE_NAMES_H
#define BELAY_CORE_NAMES_H

#include <stddef.h>

struct names;

struct names *names_new(void);
void	names_free(struct names *);	/* NULL is taken */
/* The name is borrowed, and has to live as long as the table. */
void	names_add(struct names *, int kind, const char *name, int index);
/* The index, or -1.  The name need not end with a NUL. */
int	names_find(const struct names *, int kind, const char *name, size_t len_bytes);

#endif
