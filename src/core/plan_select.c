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

/* Further values are names; one that follows its like is left out: of a client on several hosts there is one. */
static void
add_once(struct strings *ret, char *value)
{
	if (ret->n > 0 && strcmp(ret->v[ret->n - 1], value) == 0)
		free(value);
	else
		strings_push(ret, value);
}

/* The links that a step can give the CA of a certificate, or of one that comes after it. */
static int
select_trusting(struct plan_reader *pr, const struct node *node, const char *cert, struct strings *ret)
{
	const struct fleet *f = pr->f;
	const struct client *c;
	const struct link *l;
	size_t i;
	int index;

	if (noun_find(&pr->fr.r, f, NOUN_CERT, node->line, node->col, cert, &index) == -1)
		return -1;
	for (i = 0; i < f->nlinks; i++) {
		l = &f->links[i];
		if (!link_may_trust(f, l, index) || l->how != DIAL_BOUND)
			continue;
		c = &f->clients[l->client];
		add_once(ret, mem_printf("%s -> %s", c->of != NULL ? c->of : c->name, f->endpoints[l->endpoint].name));
	}
	return ret->n > 0 ? 0 : reader_fail(&pr->fr.r, node, "no link that a step can move trusts '%s', expected one", cert);
}

/* The clients of an endpoint that a step can move, or their links. */
static int
select_links(struct plan_reader *pr, const struct node *node, const char *endpoint,
    bool clients, struct strings *ret)
{
	const struct fleet *f = pr->f;
	const struct client *c;
	const char *name;
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
		add_once(ret, clients ? mem_strdup(name) : mem_printf("%s -> %s", name, f->endpoints[e].name));
	}
	return 0;
}

int
plan_select(struct reader *r, const struct node *node, const char *word, struct strings *ret)
{
	struct plan_reader *pr = r->arg;
	const struct fleet *f = pr->f;
	const char **names;
	char *endpoint, *cert;
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
	if ((cert = call_argument(word, "trusting")) != NULL) {
		rc = select_trusting(pr, node, cert, ret);
		free(cert);
		return rc;
	}
	names = mem_array(f->nlists + 5, sizeof(*names));
	for (i = 0; i < f->nlists; i++)
		names[i] = f->lists[i].name;
	names[i++] = "clients(ENDPOINT)";
	names[i++] = "links(ENDPOINT)";
	names[i++] = "trusting(CERTIFICATE)";
	names[i++] = "tag:NAME";
	(void)reader_unknown(r, node->line, node->col, "list", word, names);
	free(names);
	return -1;
}
