/*
 * plan_select: what stands behind a variable of `for` in a plan: a list of the
 * fleet, the clients or links of an endpoint, the endpoints of a tag.  Values
 * are names, in the fleet's order.
 */
#include "core/plan_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* The endpoint in "clients(pgbouncer)"; NULL where the word is no such call. */
static char *
call_argument(const char *word, const char *function)
{
	size_t len = strlen(function), all = strlen(word);

	if (strncmp(word, function, len) != 0 || word[len] != '(' || word[all - 1] != ')')
		return NULL;
	return mem_strndup(word + len + 1, all - len - 2);
}

/* The clients of an endpoint that a step can move, or their links. */
static int
select_links(struct plan_reader *pr, const struct node *node, const char *endpoint,
    bool clients, struct strings *ret)
{
	const struct fleet *f = pr->f;
	const struct client *c;
	const char *name;
	char *value;
	size_t i;
	int e;

	if (noun_find(&pr->fr.r, f, NOUN_ENDPOINT, node->line, node->col, endpoint, &e) == -1)
		return -1;
	for (i = 0; i < f->nlinks; i++) {
		if (f->links[i].endpoint != e || f->links[i].how != DIAL_BOUND)
			continue;
		/* On several hosts it is one client all the same, and one value. */
		c = &f->clients[f->links[i].client];
		name = c->of != NULL ? c->of : c->name;
		value = clients ? mem_strdup(name) : mem_printf("%s -> %s", name, f->endpoints[e].name);
		if (ret->n > 0 && strcmp(ret->v[ret->n - 1], value) == 0)
			free(value);
		else
			strings_push(ret, value);
	}
	return 0;
}

int
plan_select(struct reader *r, const struct node *node, const char *word, struct strings *ret)
{
	struct plan_reader *pr = r->arg;
	const struct fleet *f = pr->f;
	const char **names;
	char *endpoint;
	size_t i;
	bool clients;
	int list = fleet_list(f, word), rc;

	if (list != NONE) {
		for (i = 0; i < f->lists[list].items.n; i++)
			strings_push(ret, mem_strdup(f->lists[list].items.v[i]));
		return 0;
	}
	if (strncmp(word, "tag:", 4) == 0) {
		for (i = 0; i < f->nendpoints; i++)
			if (strings_has(&f->endpoints[i].tags, word + 4))
				strings_push(ret, mem_strdup(f->endpoints[i].name));
		return ret->n > 0 ? 0 : reader_fail(r, node,
		    "no endpoint has the tag '%s', expected one", word + 4);
	}
	endpoint = call_argument(word, "clients");
	clients = endpoint != NULL;
	if (endpoint == NULL)
		endpoint = call_argument(word, "links");
	if (endpoint != NULL) {
		rc = select_links(pr, node, endpoint, clients, ret);
		free(endpoint);
		return rc;
	}
	names = mem_array(f->nlists + 4, sizeof(*names));
	for (i = 0; i < f->nlists; i++)
		names[i] = f->lists[i].name;
	names[i++] = "clients(ENDPOINT)";
	names[i++] = "links(ENDPOINT)";
	names[i++] = "tag:NAME";
	(void)reader_unknown(r, node->line, node->col, "list", word, names);
	free(names);
	return -1;
}
