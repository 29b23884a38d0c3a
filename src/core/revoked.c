/*
 * revoked: see revoked.h.
 */
#include "core/revoked.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

void
revoked_list_release(struct revoked_list *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->v[i].name);
		free(l->v[i].replaced_by);
		free(l->v[i].by);
		free(l->v[i].reason);
	}
	free(l->v);
	memset(l, 0, sizeof(*l));
}

const struct revoked *
revoked_by_sha(const struct revoked_list *l, const char *sha256)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i].sha256, sha256) == 0)
			return &l->v[i];
	return NULL;
}

const struct revoked *
revoked_for(const struct revoked_list *l, const char *name, const char *replaced_by)
{
	const struct revoked *x;

	for (x = l->v; x < l->v + l->n; x++)
		if (x->replaced_by != NULL && strcmp(x->replaced_by, replaced_by) == 0 && x->name != NULL &&
		    strcmp(x->name, name) == 0)
			return x;
	return NULL;
}

char *
revoked_check(const char *cert_name)
{
	return mem_printf("revoked(%s)", cert_name);
}

static bool
said(const char *text)
{
	return text != NULL && text[0] != '\0' && strcmp(text, "-") != 0;
}

char *
revoked_words(const struct revoked *x)
{
	return mem_printf("revoked%s%s%s%s", said(x->by) ? " by " : "", said(x->by) ? x->by : "",
	    said(x->reason) ? ": " : "", said(x->reason) ? x->reason : "");
}
