/*
 * names: see names.h.  An open table with linear probing, at most half full.
 */
#include "core/names.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define SLOTS_FIRST 64	/* a power of two, as all that follow */

struct slot {
	const char *name;	/* NULL: empty */
	size_t	 len;
	int	 kind, index;
};

struct names {
	struct slot *v;
	size_t	 nslots, n;
};

/* FNV-1a. */
static size_t
hash(int kind, const char *name, size_t len)
{
	uint64_t h = UINT64_C(14695981039346656037) ^ (unsigned)kind;
	size_t i;

	for (i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * UINT64_C(1099511628211);
	return (size_t)(h ^ h >> 32);
}

/* The slot that has the name, or the empty one where it would be. */
static struct slot *
slot_of(const struct names *t, int kind, const char *name, size_t len)
{
	size_t i = hash(kind, name, len) & (t->nslots - 1);

	while (t->v[i].name != NULL && (t->v[i].kind != kind || t->v[i].len != len ||
	    memcmp(t->v[i].name, name, len) != 0))
		i = (i + 1) & (t->nslots - 1);
	return &t->v[i];
}

struct names *
names_new(void)
{
	struct names *t = mem_alloc(sizeof(*t));

	t->nslots = SLOTS_FIRST;
	t->v = mem_array(t->nslots, sizeof(*t->v));
	return t;
}

void
names_free(struct names *t)
{
	if (t != NULL)
		free(t->v);
	free(t);
}

static void
grow(struct names *t)
{
	struct names bigger = { .nslots = t->nslots * 2, .n = t->n };
	size_t i;

	bigger.v = mem_array(bigger.nslots, sizeof(*bigger.v));
	for (i = 0; i < t->nslots; i++)
		if (t->v[i].name != NULL)
			*slot_of(&bigger, t->v[i].kind, t->v[i].name, t->v[i].len) = t->v[i];
	free(t->v);
	*t = bigger;
}

void
names_add(struct names *t, int kind, const char *name, int index)
{
	size_t len = strlen(name);
	struct slot *slot;

	if (2 * (t->n + 1) > t->nslots)
		grow(t);
	slot = slot_of(t, kind, name, len);
	if (slot->name != NULL)
		return;
	*slot = (struct slot){ name, len, kind, index };
	t->n++;
}

int
names_find(const struct names *t, int kind, const char *name, size_t len_bytes)
{
	const struct slot *slot = slot_of(t, kind, name, len_bytes);

	return slot->name == NULL ? -1 : slot->index;
}
