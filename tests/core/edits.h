/*
 * edits: lists of changes as the tests of files write them.
 * "+K=V" sets, "-K" unsets; the list ends with NULL.
 */
#ifndef BELAY_TESTS_CORE_EDITS_H
#define BELAY_TESTS_CORE_EDITS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/fleet.h"

#define KEYS_MAX 4

struct edits {
	struct pair pairs[KEYS_MAX];
	char	*names[KEYS_MAX];
	char	 room[KEYS_MAX][512];
	struct pairs set;
	struct strings unset;
};

#define EDITS(...) ((const char *const []){ __VA_ARGS__, NULL })

static inline void
edits_make(struct edits *e, const char *const *list)
{
	char *eq;
	size_t i;

	memset(e, 0, sizeof(*e));
	e->set.v = e->pairs;
	e->unset.v = e->names;
	for (i = 0; list[i] != NULL; i++) {
		(void)snprintf(e->room[i], sizeof(e->room[i]), "%s", list[i] + 1);
		if (list[i][0] == '-') {
			e->names[e->unset.n++] = e->room[i];
			continue;
		}
		eq = strchr(e->room[i], '=');
		*eq = '\0';
		e->pairs[e->set.n].key = e->room[i];
		e->pairs[e->set.n++].value = eq + 1;
	}
}

/* "drift A\n" for each, or the bytes. */
static inline void
put_restored(struct buf *out, const struct buf *back, struct strings *drift)
{
	size_t i;

	for (i = 0; i < drift->n; i++) {
		(void)buf_printf(out, "drift %s\n", drift->v[i]);
		free(drift->v[i]);
	}
	if (drift->n == 0)
		(void)buf_put(out, buf_str(back), back->len);
	free(drift->v);
	drift->v = NULL;
	drift->n = 0;
}

static inline const char *
pick(const char *const *v, size_t n)
{
	return v[(size_t)rand() % n];
}

#define PICK(v) pick(v, sizeof(v) / sizeof(v[0]))

#endif
