/*
 * fleet_read: from the text of a fleet file to the tree.
 *
 * Owns the order in which it is read: names first (with `for` expanded), then
 * the bodies, kind by kind.  So anything may refer to anything, and an index
 * is final from the first pass on.  (One exception: the host `local` comes
 * into being where it is first spoken of, at the end of the array.)  Clients
 * are declared when units have been read: one on several hosts is one on each
 * (fleet_part.c).
 *
 * The bodies are read in fleet_host.c, fleet_cert.c, fleet_link.c and, where
 * they are bindings, fleet_bind.c; what needs more than one body at hand is
 * judged in fleet_check.c.
 */
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/names.h"
#include "core/text.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct noun_info {
	const char *word;	/* "unknown host 'x'" */
	size_t	 array, count;	/* offsets into struct fleet */
	size_t	 size;
};

#define NOUN(word, plural, type) { word, offsetof(struct fleet, plural), \
    offsetof(struct fleet, n##plural), sizeof(struct type) }
static const struct noun_info nouns[] = {
	[NOUN_HOST] = NOUN("host", hosts, host),
	[NOUN_CLUSTER] = NOUN("cluster", clusters, cluster),
	[NOUN_SECRET] = NOUN("secret", secrets, secret),
	[NOUN_UNIT] = NOUN("unit", units, unit),
	[NOUN_CERT] = NOUN("certificate", certs, cert),
	[NOUN_ENDPOINT] = NOUN("endpoint", endpoints, endpoint),
	[NOUN_CLIENT] = NOUN("client", clients, client),
	[NOUN_LINK] = NOUN("link", links, link),
};

/* All of them begin with their name, so that one walk serves them all. */
static const char *
noun_name(const struct fleet *f, enum noun noun, size_t i)
{
	const char *array, *name;

	memcpy(&array, (const char *)f + nouns[noun].array, sizeof(array));
	memcpy(&name, array + i * nouns[noun].size, sizeof(name));
	return name;
}

static size_t
noun_count(const struct fleet *f, enum noun noun)
{
	size_t n;

	memcpy(&n, (const char *)f + nouns[noun].count, sizeof(n));
	return n;
}

static int
noun_index(const struct fleet *f, enum noun noun, const char *name)
{
	return noun == NOUN_LINK ? fleet_link(f, name) : names_find(f->names, (int)noun, name, strlen(name));
}

int
noun_find(struct reader *r, const struct fleet *f, enum noun noun, int line,
    int col, const char *name, int *ret)
{
	const char **names;
	size_t i, n;
	int found = noun_index(f, noun, name);

	if (found != NONE) {
		*ret = found;
		return 0;
	}
	if (noun == NOUN_CLIENT || noun == NOUN_LINK) {
		struct indices parts = { 0 };
		int first;

		n = noun == NOUN_LINK ? fleet_links(f, name, &parts) : fleet_clients(f, name, &first);
		if (noun == NOUN_LINK && n > 0)
			first = parts.v[0];
		free(parts.v);
		if (n > 1) {
			(void)reader_fail_at(r, line, col, "'%s' runs on %zu hosts, expected it on one of them: '%s', …",
			    name, n, noun_name(f, noun, (size_t)first));
			return -1;
		}
	}
	n = noun_count(f, noun);
	names = mem_array(n + 1, sizeof(*names));
	for (i = 0; i < n; i++)
		names[i] = noun_name(f, noun, i);
	(void)reader_unknown(r, line, col, nouns[noun].word, name, names);
	free(names);
	return -1;
}

int
host_find(struct fleet_reader *fr, int line, int col, const char *name, int *ret)
{
	struct fleet *f = fr->f;
	struct host *h;

	if (strcmp(name, "local") == 0 && fleet_host(f, name) == NONE) {
		h = mem_push(&f->hosts, &f->nhosts, sizeof(*h));
		h->name = mem_strdup(name);
		h->pos.line = line;
		h->pos.col = col;
		h->local = true;
		names_add(f->names, NOUN_HOST, h->name, (int)f->nhosts - 1);
		h->become_password = h->base = NONE;
	}
	return noun_find(&fr->r, f, NOUN_HOST, line, col, name, ret);
}

int
read_ref(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    enum noun noun, int *ret)
{
	char *name, *what = mem_printf("the name of a %s", nouns[noun].word);
	int rc;

	rc = reader_string(&fr->r, scope, node, what, &name);
	free(what);
	if (rc == -1)
		return -1;
	rc = noun == NOUN_HOST ?
	    host_find(fr, node->line, node->col, name, ret) :
	    noun_find(&fr->r, fr->f, noun, node->line, node->col, name, ret);
	free(name);
	return rc;
}

int
read_hosts(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct indices *ret)
{
	int host;
	size_t i;

	if (node->kind != NODE_SEQUENCE) {
		if (read_ref(fr, scope, node, NOUN_HOST, &host) == -1)
			return -1;
		indices_add(ret, host);
		return 0;
	}
	for (i = 0; i < node->n; i++) {
		if (read_ref(fr, scope, node->items[i], NOUN_HOST, &host) == -1)
			return -1;
		indices_add(ret, host);
	}
	return 0;
}

/* An optional value: 0 where the key is not given. */
int
opt_string(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, char **ret)
{
	const struct node *v = node_get(node, key);
	char *what;
	int rc;

	if (v == NULL)
		return 0;
	what = mem_printf("'%s: …'", key);
	rc = reader_string(&fr->r, scope, v, what, ret);
	free(what);
	return rc;
}

int
opt_bool(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, bool *ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : reader_bool(&fr->r, scope, v, ret);
}

int
opt_duration(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, int64_t *ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : reader_duration(&fr->r, scope, v, ret);
}

int
opt_strings(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, const char *what, struct strings *ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : reader_strings(&fr->r, scope, v, what, ret);
}

int
opt_path(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, bool home, char **ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : reader_path(&fr->r, scope, v, NULL, home, ret);
}

int
opt_ref(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, enum noun noun, int *ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : read_ref(fr, scope, v, noun, ret);
}

/* ssh and its kin get these as arguments: a closed alphabet, no leading '-'. */
int
opt_plain(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, const char *what, const char *more, char **ret)
{
	const struct node *v = node_get(node, key);
	char *s;

	if (v == NULL)
		return 0;
	if (reader_string(&fr->r, scope, v, what, &s) == -1)
		return -1;
	if (reader_check_plain(&fr->r, v->line, v->col, what, s, more) == -1) {
		free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

void
reserve(struct fleet_reader *fr, const struct node *node, const char *key,
    const char **ret_not_yet, const char *what)
{
	const struct entry *e = node_entry(node, key);

	if (e == NULL)
		return;
	*ret_not_yet = what;
	reader_not_yet(&fr->r, e->line, e->col, key);
}

/* A body that waits until all names are known. */
struct pending {
	enum noun noun;
	size_t	 index;
	const struct node *node;
	const struct scope *scope;
	const struct node *client;	/* of a link */
};

struct declaring {
	struct fleet_reader *fr;
	enum noun noun;
	struct pending *pending;
	size_t	 npending;
	int	 client;		/* whose links are declared */
	const struct node *client_node;
};

/* One more of a kind; the name is taken over. */
static size_t
push_noun(struct fleet *f, enum noun noun, char *name, struct pos pos)
{
	/* The arrays are of different types: each is grown by its own. */
#define PUSH(plural, type) do {							\
	struct type *new_ = mem_push(&f->plural, &f->n##plural, sizeof(*new_));	\
	new_->name = name;							\
	new_->pos = pos;							\
	if (noun != NOUN_LINK)	/* found by its client */			\
		names_add(f->names, (int)noun, name, (int)f->n##plural - 1);	\
	return f->n##plural - 1;						\
} while (0)
	switch (noun) {
	case NOUN_HOST:
		PUSH(hosts, host);
	case NOUN_CLUSTER:
		PUSH(clusters, cluster);
	case NOUN_SECRET:
		PUSH(secrets, secret);
	case NOUN_UNIT:
		PUSH(units, unit);
	case NOUN_CERT:
		PUSH(certs, cert);
	case NOUN_ENDPOINT:
		PUSH(endpoints, endpoint);
	case NOUN_CLIENT:
		PUSH(clients, client);
	case NOUN_LINK:
		PUSH(links, link);
	}
#undef PUSH
	return 0;
}

static int
check_new_name(struct declaring *d, const struct entry *e, const char *name)
{
	struct fleet_reader *fr = d->fr;
	char *what;
	int rc, first;

	what = mem_printf("a %s", nouns[d->noun].word);
	rc = reader_check_name(&fr->r, e->line, e->col, what, name);
	free(what);
	if (rc == -1)
		return -1;
	if (d->noun == NOUN_CLIENT ? fleet_clients(fr->f, name, &first) > 0 :
	    noun_index(fr->f, d->noun, name) != NONE)
		return reader_fail_at(&fr->r, e->line, e->col,
		    "a second %s '%s', expected another name", nouns[d->noun].word, name);
	if (noun_count(fr->f, d->noun) >= FLEET_ITEMS_MAX)
		return reader_fail_at(&fr->r, e->line, e->col,
		    "more than %d of them, expected fewer", FLEET_ITEMS_MAX);
	return 0;
}

static size_t
declare_one(struct declaring *d, char *name, const struct entry *e, const struct scope *scope)
{
	struct pos pos = { e->line, e->col };
	struct pending *p;
	size_t index;

	index = push_noun(d->fr->f, d->noun, name, pos);
	p = mem_push(&d->pending, &d->npending, sizeof(*p));
	p->noun = d->noun;
	p->index = index;
	p->node = e->value;
	p->scope = scope;
	return index;
}

static int
declare(void *arg, char *name, const struct entry *e, const struct scope *scope)
{
	struct declaring *d = arg;

	if (check_new_name(d, e, name) == -1) {
		free(name);
		return -1;
	}
	(void)declare_one(d, name, e, scope);
	return 0;
}

/* In one place, or a part on each of its hosts. */
static int
declare_client(void *arg, char *name, const struct entry *e, const struct scope *scope)
{
	struct declaring *d = arg;
	struct fleet *f = d->fr->f;
	struct parts parts = { 0 };
	struct client *c;
	size_t i, index;
	int rc = -1;

	if (check_new_name(d, e, name) == -1 || parts_read(d->fr, scope, e->value, &parts) == -1)
		goto out;
	rc = 0;
	if (parts.n < 2) {
		/* $(host) is known where a list is written, however short it is. */
		(void)declare_one(d, mem_strdup(name), e, parts.n == 0 ? scope : parts.v[0].scope);
		goto out;
	}
	for (i = 0; i < parts.n; i++) {
		if (f->nclients >= FLEET_ITEMS_MAX) {
			rc = reader_fail_at(&d->fr->r, e->line, e->col,
			    "more than %d of them, expected fewer", FLEET_ITEMS_MAX);
			goto out;
		}
		index = declare_one(d, mem_printf("%s@%s", name, f->hosts[parts.v[i].host].name),
		    e, parts.v[i].scope);
		c = &f->clients[index];
		c->of = mem_strdup(name);
		names_add(f->names, NOUN_PARTS, c->of, (int)index);
		c->unit = parts.v[i].unit;
		c->host = parts.v[i].host;
	}
out:
	free(name);
	parts_release(&parts);
	return rc;
}

static int
declare_link(void *arg, char *endpoint, const struct entry *e, const struct scope *scope)
{
	struct declaring *d = arg;
	struct fleet *f = d->fr->f;
	struct pos pos = { e->line, e->col };
	struct pending *p;
	char *name;
	size_t index;
	int to = NONE;

	if (noun_find(&d->fr->r, f, NOUN_ENDPOINT, e->line, e->col, endpoint, &to) == -1) {
		free(endpoint);
		return -1;
	}
	name = mem_printf("%s -> %s", f->clients[d->client].name, endpoint);
	free(endpoint);
	if (fleet_link(f, name) != NONE || f->nlinks >= FLEET_ITEMS_MAX) {
		if (f->nlinks >= FLEET_ITEMS_MAX)
			(void)reader_fail_at(&d->fr->r, e->line, e->col,
			    "more than %d links, expected fewer", FLEET_ITEMS_MAX);
		else
			(void)reader_fail_at(&d->fr->r, e->line, e->col, "a second link '%s', expected one", name);
		free(name);
		return -1;
	}
	index = push_noun(f, NOUN_LINK, name, pos);
	f->links[index].client = d->client;
	f->links[index].endpoint = to;
	indices_add(&f->clients[d->client].links, (int)index);
	p = mem_push(&d->pending, &d->npending, sizeof(*p));
	p->noun = NOUN_LINK;
	p->index = index;
	p->node = e->value;
	p->scope = scope;
	p->client = d->client_node;
	return 0;
}

static int
declare_links(struct declaring *d)
{
	struct pending p;
	const struct node *links;
	size_t i, n = d->npending;

	for (i = 0; i < n; i++) {
		p = d->pending[i];
		if (p.noun != NOUN_CLIENT || (links = node_get(p.node, "links")) == NULL)
			continue;
		d->noun = NOUN_LINK;
		d->client = (int)p.index;
		d->client_node = p.node;
		if (reader_each(&d->fr->r, p.scope, links, "endpoint", declare_link, d) == -1)
			return -1;
	}
	return 0;
}

/*
 * What bodies of other kinds need to know of an endpoint or a client: tags,
 * and where it runs.
 */
static int
read_place_of(struct fleet_reader *fr, const struct pending *p)
{
	struct fleet *f = fr->f;
	struct parts parts;
	struct client *c;
	int unit = NONE, host = NONE, pools;
	char *kind = NULL;

	if (p->node->kind != NODE_MAPPING)
		return 0;	/* said with the body */
	if (p->noun == NOUN_CLIENT) {
		c = &f->clients[p->index];
		pools = fleet_endpoint(f, c->of != NULL ? c->of : c->name);
		c->pools = pools != NONE && f->endpoints[pools].kind == KIND_PGBOUNCER ? pools : NONE;
		if (c->pools != NONE && c->of != NULL)
			return reader_fail_at(&fr->r, c->pos.line, c->pos.col,
			    "'%s' is the pooler's own side, which runs where that does, expected one unit", c->of);
		if (c->of != NULL)
			return 0;	/* known since it was declared */
		if (parts_read(fr, p->scope, p->node, &parts) == -1)
			return -1;
		if (parts.n > 0) {
			c->unit = parts.v[0].unit;
			c->host = parts.v[0].host;
			parts_release(&parts);
			return 0;
		}
	}
	if (opt_ref(fr, p->scope, p->node, "unit", NOUN_UNIT, &unit) == -1)
		return -1;
	if (p->noun == NOUN_ENDPOINT) {
		/* The kind, too: a client asks whether it is a pooler's own side. */
		if (opt_string(fr, p->scope, p->node, "kind", &kind) == -1)
			return -1;
		if (kind != NULL && kind_parse(kind) != -1)
			f->endpoints[p->index].kind = (enum kind)kind_parse(kind);
		free(kind);
		f->endpoints[p->index].unit = unit;
		f->endpoints[p->index].host = unit == NONE ? NONE : f->units[unit].host;
		return opt_strings(fr, p->scope, p->node, "tags", "a tag", &f->endpoints[p->index].tags);
	}
	if (opt_ref(fr, p->scope, p->node, "host", NOUN_HOST, &host) == -1)
		return -1;
	if (unit == NONE && f->clients[p->index].pools != NONE)
		unit = f->endpoints[f->clients[p->index].pools].unit;
	f->clients[p->index].unit = unit;
	f->clients[p->index].host = host != NONE ? host :
	    unit == NONE ? NONE : f->units[unit].host;
	return 0;
}

static int
read_body(struct fleet_reader *fr, const struct pending *p)
{
	switch (p->noun) {
	case NOUN_HOST:
		return read_host(fr, p->scope, p->node, p->index);
	case NOUN_CLUSTER:
		return read_cluster(fr, p->scope, p->node, p->index);
	case NOUN_SECRET:
		return read_secret(fr, p->scope, p->node, p->index);
	case NOUN_UNIT:
		return read_unit(fr, p->scope, p->node, p->index);
	case NOUN_CERT:
		return read_cert(fr, p->scope, p->node, p->index);
	case NOUN_ENDPOINT:
		return read_endpoint(fr, p->scope, p->node, p->index);
	case NOUN_CLIENT:
		return read_client(fr, p->scope, p->node, p->index);
	case NOUN_LINK:
		return read_link(fr, p->scope, p->node, p->client, p->index);
	}
	return -1;
}

static int
read_bodies(struct declaring *d, const enum noun order[], size_t n)
{
	const struct pending *p;
	size_t i, k;

	for (k = 0; k < n; k++) {
		/* Units are read: now it is known where things run. */
		for (i = 0; order[k] == NOUN_ENDPOINT && i < d->npending; i++) {
			p = &d->pending[i];
			if ((p->noun == NOUN_ENDPOINT || p->noun == NOUN_CLIENT) &&
			    read_place_of(d->fr, p) == -1)
				return -1;
			if (p->noun == NOUN_UNIT &&
			    unit_check_restarts(d->fr, &d->fr->f->units[p->index], p->node) == -1)
				return -1;
		}
		for (i = 0; i < d->npending; i++)
			if (d->pending[i].noun == order[k] &&
			    read_body(d->fr, &d->pending[i]) == -1)
				return -1;
	}
	return 0;
}

static int
read_lists(struct fleet_reader *fr, const struct node *node)
{
	const struct entry *e;
	struct list *list;
	size_t i;

	if (reader_is(&fr->r, node, NODE_MAPPING, "a mapping: the name of each list and its values") == -1)
		return -1;
	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		if (reader_check_name(&fr->r, e->line, e->col, "a list", e->key) == -1)
			return -1;
		list = mem_push(&fr->f->lists, &fr->f->nlists, sizeof(*list));
		list->name = mem_strdup(e->key);
		if (reader_is(&fr->r, e->value, NODE_SEQUENCE, "a list: [a, b, c]") == -1 ||
		    reader_strings(&fr->r, NULL, e->value, "a value", &list->items) == -1)
			return -1;
	}
	return 0;
}

static int
select_list(struct reader *r, const struct node *node, const char *word, struct strings *ret)
{
	const struct fleet *f = r->arg;
	const char **names;
	size_t i;
	int index = fleet_list(f, word);

	if (index == NONE) {
		names = mem_array(f->nlists + 1, sizeof(*names));
		for (i = 0; i < f->nlists; i++)
			names[i] = f->lists[i].name;
		(void)reader_unknown(r, node->line, node->col, "list", word, names);
		free(names);
		return -1;
	}
	for (i = 0; i < f->lists[index].items.n; i++)
		strings_push(ret, mem_strdup(f->lists[index].items.v[i]));
	return 0;
}

static int
read_head(struct fleet_reader *fr, const struct node *root)
{
	static const char *const keys[] = {
		"belay", "environment", "lists", "hosts", "clusters", "secrets",
		"units", "certs", "endpoints", "clients", NULL
	};
	const struct node *v = node_get(root, "belay");

	if (v == NULL)
		return reader_fail(&fr->r, root, "no 'belay', expected 'belay: fleet/1'");
	if (v->kind != NODE_SCALAR || strcmp(v->value, "fleet/1") != 0)
		return reader_fail(&fr->r, v, "'%s', expected 'belay: fleet/1'%s",
		    v->kind == NODE_SCALAR ? v->value : "",
		    v->kind == NODE_SCALAR && strncmp(v->value, "plan/", 5) == 0 ?
		    " (this is a plan: it goes with -p)" : "");
	if (reader_keys(&fr->r, root, "a fleet", keys) == -1)
		return -1;
	if (opt_string(fr, NULL, root, "environment", &fr->f->environment) == -1)
		return -1;
	/* Not said: then it is treated as what it would hurt to be wrong about. */
	if (fr->f->environment == NULL)
		fr->f->environment = mem_strdup("production");
	if ((v = node_get(root, "lists")) != NULL)
		return read_lists(fr, v);
	return 0;
}

static int
read_fleet(struct fleet_reader *fr, const struct node *root)
{
	static const struct {
		const char *key;
		enum noun noun;
	} sections[] = {
		{ "hosts", NOUN_HOST }, { "clusters", NOUN_CLUSTER },
		{ "secrets", NOUN_SECRET }, { "units", NOUN_UNIT },
		{ "certs", NOUN_CERT }, { "endpoints", NOUN_ENDPOINT },
	};
	static const enum noun grounds[] = { NOUN_HOST, NOUN_CLUSTER, NOUN_SECRET, NOUN_UNIT };
	/* Certificates after endpoints, whose hosts they are installed on. */
	static const enum noun others[] = { NOUN_ENDPOINT, NOUN_CERT, NOUN_CLIENT, NOUN_LINK };
	struct declaring d = { .fr = fr };
	const struct node *v;
	size_t i;
	int rc = -1;

	if (read_head(fr, root) == -1)
		return -1;
	for (i = 0; i < LENGTH(sections); i++) {
		if ((v = node_get(root, sections[i].key)) == NULL)
			continue;
		d.noun = sections[i].noun;
		if (reader_each(&fr->r, NULL, v, nouns[d.noun].word, declare, &d) == -1)
			goto out;
	}
	if (read_bodies(&d, grounds, LENGTH(grounds)) == -1)
		goto out;
	d.noun = NOUN_CLIENT;
	if ((v = node_get(root, "clients")) != NULL &&
	    reader_each(&fr->r, NULL, v, nouns[d.noun].word, declare_client, &d) == -1)
		goto out;
	if (declare_links(&d) == -1 || read_bodies(&d, others, LENGTH(others)) == -1 || fleet_check(fr) == -1)
		goto out;
	rc = 0;
out:
	free(d.pending);
	return rc;
}

int
fleet_parse(struct fleet **ret, const char *path, const char *text,
    size_t len_bytes, struct err *err)
{
	struct fleet_reader fr;
	struct node *root;
	int rc;

	if (node_read(&root, path, text, len_bytes, err) == -1)
		return -1;
	fr.f = mem_alloc(sizeof(*fr.f));
	fr.f->path = mem_strdup(path);
	fr.f->names = names_new();
	fr.cert_nodes = NULL;
	reader_init(&fr.r, path, &fr.f->not_yet, err);
	fr.r.select = select_list;
	fr.r.arg = fr.f;
	rc = read_fleet(&fr, root);
	reader_sort_not_yet(&fr.r);
	reader_release(&fr.r);
	free(fr.cert_nodes);
	node_free(root);
	if (rc == -1) {
		fleet_free(fr.f);
		return -1;
	}
	*ret = fr.f;
	return 0;
}
