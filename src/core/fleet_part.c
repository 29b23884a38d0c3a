/*
 * fleet_part: a client on several hosts, read as one client on each.
 *
 * Owns what makes a part of it: where it runs, what it is called ("web@web-1"),
 * which sessions are its own, and which links a name means there.  All parts
 * are read from the same text; $(host) and $(unit) tell them apart in it.
 *
 * Invariants: parts stand side by side, in the order of the file; no two of a
 * client are on one host; each part's sessions are told from the others' by
 * their host, or by addresses that are given for each.
 */
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* The list that says where the client runs, where it is on several hosts. */
static const struct node *
places(const struct node *client)
{
	const struct node *unit = node_get(client, "unit"), *host = node_get(client, "host");
	const struct node *v = unit != NULL ? unit : host;

	return v != NULL && v->kind == NODE_SEQUENCE ? v : NULL;
}

static int
read_part(struct fleet_reader *fr, const struct scope *scope, const struct node *at, bool by_unit,
    struct parts *parts)
{
	const struct fleet *f = fr->f;
	struct part *p, part = { .unit = NONE, .host = NONE };
	size_t i;

	if (read_ref(fr, scope, at, by_unit ? NOUN_UNIT : NOUN_HOST, by_unit ? &part.unit : &part.host) == -1)
		return -1;
	if (by_unit)
		part.host = f->units[part.unit].host;
	if (part.host == NONE)
		return reader_fail(&fr->r, at, "the unit '%s' is on no host, expected units on hosts of their own",
		    f->units[part.unit].name);
	for (i = 0; i < parts->n; i++)
		if (parts->v[i].host == part.host)
			return reader_fail(&fr->r, at, "host '%s' for the second time, expected %s",
			    f->hosts[part.host].name, by_unit ? "units on hosts of their own" : "each host once");
	part.scope = reader_bind(&fr->r, scope, "host", f->hosts[part.host].name);
	if (by_unit)
		part.scope = reader_bind(&fr->r, part.scope, "unit", f->units[part.unit].name);
	p = mem_push(&parts->v, &parts->n, sizeof(*p));
	*p = part;
	return 0;
}

int
parts_read(struct fleet_reader *fr, const struct scope *scope, const struct node *client,
    struct parts *ret)
{
	const struct node *list;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (client->kind != NODE_MAPPING || (list = places(client)) == NULL)
		return 0;
	if (list->n == 0)
		return reader_fail(&fr->r, list, "nothing in the list, expected the name of a %s",
		    node_get(client, "unit") != NULL ? "unit" : "host");
	if (node_get(client, "unit") != NULL && node_get(client, "host") != NULL)
		return reader_fail(&fr->r, node_get(client, "host"),
		    "'host' beside a list of units, expected none: each unit has its own");
	for (i = 0; i < list->n; i++)
		if (read_part(fr, scope, list->items[i], node_get(client, "unit") != NULL, ret) == -1)
			return -1;
	return 0;
}

void
parts_release(struct parts *parts)
{
	free(parts->v);
	memset(parts, 0, sizeof(*parts));
}

int
links_find(struct reader *r, const struct fleet *f, int host, int line, int col,
    const char *name, struct indices *ret)
{
	struct indices all = { 0 };
	size_t i;
	int own = NONE, rc = 0;

	if (fleet_links(f, name, &all) == 0)
		rc = noun_find(r, f, NOUN_LINK, line, col, name, &own);
	for (i = 0; i < all.n && host != NONE && all.n > 1; i++)
		if (link_host(f, &f->links[all.v[i]]) == host)
			own = all.v[i];
	for (i = 0; i < all.n; i++)
		if (own == NONE || own == all.v[i])
			*(int *)mem_push(&ret->v, &ret->n, sizeof(int)) = all.v[i];
	free(all.v);
	return rc;
}

int
read_batch(struct reader *r, const struct scope *scope, const struct node *node, int *ret)
{
	char *word;
	int rc;

	if (reader_string(r, scope, node, "'all' or how many hosts at a time", &word) == -1)
		return -1;
	if (strcmp(word, "all") == 0) {
		*ret = BATCH_ALL;
		rc = 0;
	} else
		rc = reader_int(r, scope, node, "'all' or how many hosts at a time", 1, FLEET_ITEMS_MAX, ret);
	free(word);
	return rc;
}

/* Whether the client has a part on that host. */
static bool
runs_on(const struct fleet *f, const struct client *part, int host)
{
	size_t i, n;
	int first;

	n = fleet_clients(f, part->of, &first);
	for (i = 0; i < n; i++)
		if (f->clients[(size_t)first + i].host == host)
			return true;
	return false;
}

static int
fail_elsewhere(struct fleet_reader *fr, const struct client *part, int line, int col, int host)
{
	return reader_fail_at(&fr->r, line, col, "'%s' does not run on host '%s', expected one of its own",
	    part->of, fr->f->hosts[host].name);
}

/* address: { HOST: addresses, … }: of each host its own. */
static int
read_addresses(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const struct client *part, struct match *m)
{
	const struct entry *e;
	char *name;
	size_t i;
	int host, rc;

	if (node->kind != NODE_MAPPING)
		return reader_fail(&fr->r, node, "'%s' runs on several hosts, expected addresses for each of them, "
		    "'address: { HOST: … }', or none: they are told apart by their host", part->of);
	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		if (reader_fill(&fr->r, scope, e->line, e->col, e->key, NULL, &name) == -1)
			return -1;
		rc = host_find(fr, e->line, e->col, name, &host);
		free(name);
		if (rc == -1)
			return -1;
		if (!runs_on(fr->f, part, host))
			return fail_elsewhere(fr, part, e->line, e->col, host);
		if (host != part->host)
			continue;
		if (reader_strings(&fr->r, scope, e->value, "an address or a range (10.0.0.0/8)", &m->addresses) == -1 ||
		    match_check_addresses(&fr->r, e->value, m) == -1)
			return -1;
	}
	return 0;
}

int
part_places(struct fleet_reader *fr, const struct scope *scope, const struct node *match,
    const struct client *part, struct match *m)
{
	const struct node *address = node_get(match, "address"), *host = node_get(match, "host"), *at;
	struct indices hosts = { 0 };
	bool own = false;
	size_t i;
	int rc = 0;

	if (address != NULL && read_addresses(fr, scope, address, part, m) == -1)
		return -1;
	if (host != NULL)
		rc = read_hosts(fr, scope, host, &hosts);
	for (i = 0; i < hosts.n && rc == 0; i++) {
		at = host->kind == NODE_SEQUENCE ? host->items[i] : host;
		own = own || hosts.v[i] == part->host;
		if (!runs_on(fr->f, part, hosts.v[i]))
			rc = fail_elsewhere(fr, part, at->line, at->col, hosts.v[i]);
	}
	if (rc == 0 && host != NULL && !own)
		rc = reader_fail(&fr->r, host, "'%s' runs on host '%s' too, expected it here, or no 'host' at all",
		    part->of, fr->f->hosts[part->host].name);
	free(hosts.v);
	if (rc == 0 && m->addresses.n == 0)
		indices_add(&m->hosts, part->host);
	return rc;
}
