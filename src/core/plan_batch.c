/*
 * plan_batch: a step that moves a client on several hosts is as many steps,
 * one after the other, each of which moves it on the next of them.
 *
 * Owns which steps these are, how many hosts each has, what they are called
 * ("flip-web@web-1"; "flip-web@web-1..web-2" of several hosts), and what the
 * client's name means in one of them.  To everything else, the proof, the
 * rollout and the journal among it, they are steps like any other.
 *
 * Invariant: such a step moves nothing but clients on these very hosts, and
 * runs nothing elsewhere; what is done once cannot be done once for each host.
 */
#include "core/plan_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* What is done once, and so stands in no step that is made host by host. */
static const char *const once[] = { "certs", "accept", "drain" };
static const char *const of_links[] = { "trust", "dial", "present" };

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

static const struct client *
part(const struct fleet *f, int first, size_t i)
{
	return &f->clients[(size_t)first + i];
}

/* Whether these parts of a client are on the very hosts of the batch's, in the same order. */
static bool
on_its_hosts(const struct plan_reader *pr, const struct batch *b, int first, size_t n)
{
	size_t i;

	if (n != b->nparts)
		return false;
	for (i = 0; i < n; i++)
		if (part(pr->f, first, i)->host != part(pr->f, b->first, i)->host)
			return false;
	return true;
}

/* The first client on several hosts among the links that the mapping moves. */
static int
find_parts(struct plan_reader *pr, const struct scope *scope, const struct node *moves, struct batch *ret)
{
	struct indices links = { 0 };
	const struct entry *e;
	char *name;
	size_t i;

	if (moves == NULL || moves->kind != NODE_MAPPING)
		return 0;	/* said where it is read */
	for (i = 0; i < moves->n && ret->first == NONE; i++) {
		e = &moves->entries[i];
		if (reader_fill(&pr->fr.r, scope, e->line, e->col, e->key, NULL, &name) == -1)
			return -1;
		links.n = 0;
		if (fleet_links(pr->f, name, &links) > 1) {
			ret->first = pr->f->links[links.v[0]].client;
			ret->nparts = fleet_clients(pr->f, part(pr->f, ret->first, 0)->of, &ret->first);
		}
		free(name);
		free(links.v);
		memset(&links, 0, sizeof(links));
	}
	return 0;
}

int
batch_begin(struct plan_reader *pr, const struct scope *scope, const struct node *step, struct batch *ret)
{
	const struct node *v = node_get(step, "batch");
	const struct entry *e;
	size_t i;
	int size;

	memset(ret, 0, sizeof(*ret));
	ret->first = NONE;
	for (i = 0; i < LENGTH(of_links); i++)
		if (find_parts(pr, scope, node_get(step, of_links[i]), ret) == -1)
			return -1;
	size = ret->first == NONE ? 0 : part(pr->f, ret->first, 0)->batch;
	if (v != NULL && read_batch(&pr->fr.r, scope, v, &size) == -1)
		return -1;
	if (ret->first == NONE || (size_t)size >= ret->nparts) {
		ret->first = NONE;	/* all of it at once */
		return 0;
	}
	ret->n = (size_t)size;
	for (i = 0; i < LENGTH(once); i++)
		if ((e = node_entry(step, once[i])) != NULL)
			return reader_fail_at(&pr->fr.r, e->line, e->col,
			    "'%s' in a step that moves '%s' host by host, expected a step of its own, or 'batch: all'",
			    e->key, part(pr->f, ret->first, 0)->of);
	return 0;
}

bool
batch_go_on(struct batch *b)
{
	if (b->first == NONE || b->from + b->n >= b->nparts)
		return false;
	b->from += b->n;
	if (b->n > b->nparts - b->from)
		b->n = b->nparts - b->from;
	return true;
}

char *
batch_id(const struct plan_reader *pr, const char *id)
{
	const struct batch *b = &pr->batch;
	const char *from, *last;

	if (b->first == NONE)
		return mem_strdup(id);
	from = pr->f->hosts[part(pr->f, b->first, b->from)->host].name;
	last = pr->f->hosts[part(pr->f, b->first, b->from + b->n - 1)->host].name;
	return mem_printf("%s@%s%s%s", id, from, b->n == 1 ? "" : "..", b->n == 1 ? "" : last);
}

int
batch_links(struct plan_reader *pr, int line, int col, const char *name, struct indices *ret)
{
	const struct batch *b = &pr->batch;
	const struct fleet *f = pr->f;
	struct indices all = { 0 };
	size_t i;
	int rc;

	if (b->first == NONE)
		return links_find(&pr->fr.r, f, NONE, line, col, name, ret);
	if ((rc = links_find(&pr->fr.r, f, NONE, line, col, name, &all)) == 0 &&
	    (all.n < 2 || !on_its_hosts(pr, b, f->links[all.v[0]].client, all.n)))
		rc = reader_fail_at(&pr->fr.r, line, col,
		    "'%s' in a step that moves '%s' host by host, expected a step of its own, or 'batch: all'",
		    name, part(f, b->first, 0)->of);
	/* A client's parts stand in the order of its hosts, and so do their links. */
	for (i = b->from; rc == 0 && i < b->from + b->n; i++)
		*(int *)mem_push(&ret->v, &ret->n, sizeof(int)) = all.v[i];
	free(all.v);
	return rc;
}

int
batch_links_beside(struct plan_reader *pr, int line, int col, const char *name, struct indices *ret)
{
	const struct batch *b = &pr->batch;
	struct indices all = { 0 };
	size_t i, from = 0, to;
	int rc = links_find(&pr->fr.r, pr->f, NONE, line, col, name, &all);

	to = all.n;
	if (rc == 0 && b->first != NONE && all.n > 1 && on_its_hosts(pr, b, pr->f->links[all.v[0]].client, all.n)) {
		from = b->from;
		to = b->from + b->n;
	}
	for (i = from; rc == 0 && i < to; i++)
		*(int *)mem_push(&ret->v, &ret->n, sizeof(int)) = all.v[i];
	free(all.v);
	return rc;
}

int
batch_hosts(struct plan_reader *pr, const struct scope *scope, const struct node *node, bool own,
    struct indices *ret)
{
	const struct batch *b = &pr->batch;
	const struct fleet *f = pr->f;
	size_t i, n = 0, from = 0, to;
	char *name;
	int first = NONE, host, rc = 0;

	if (reader_string(&pr->fr.r, scope, node, "a host", &name) == -1)
		return -1;
	if (fleet_host(f, name) == NONE)
		n = fleet_clients(f, name, &first);
	to = n;
	if (b->first != NONE && n > 1 && on_its_hosts(pr, b, first, n)) {
		from = b->from;
		to = b->from + b->n;
	} else if (b->first != NONE && own) {
		rc = reader_fail(&pr->fr.r, node,
		    "'%s' in a step that moves '%s' host by host, expected 'on: %s', or a step of its own", name,
		    part(f, b->first, 0)->of, part(f, b->first, 0)->of);
		from = to;
	} else if (n == 0 || part(f, first, 0)->host == NONE) {
		rc = noun_find(&pr->fr.r, f, NOUN_HOST, node->line, node->col, name, &host);
		if (rc == 0)
			indices_add(ret, host);
		to = 0;
	}
	for (i = from; i < to; i++)
		indices_add(ret, part(f, first, i)->host);
	free(name);
	return rc;
}
