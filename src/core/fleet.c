/*
 * fleet: see fleet.h.
 *
 * Owns the tree itself: its words, its lookups and its end.  Reading is in
 * fleet_read.c (the nouns), fleet_bind.c (bindings and edits) and
 * fleet_check.c (what no single place can know).
 */
#include "core/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "core/fleet_read.h"
#include "core/mem.h"
#include "core/names.h"
#include "core/reader.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

const char *const kind_words[] = { "postgres", "pgbouncer", "redis", NULL };
const char *const accept_words[] = { "plain", "both", "tls", "mutual", NULL };
const char *const dial_words[] = {
	"disable", "allow", "prefer", "require", "verify-ca", "verify-full", NULL
};
const char *const proto_words[] = {
	"any", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL
};
const char *const dialect_words[] = {
	"default", "libpq", "pgbouncer", "asyncpg", "sqlalchemy-asyncpg",
	"node-postgres", "pgx", "jdbc", "redis-py", "node-redis", "ioredis",
	"hiredis", "jedis", NULL
};
const char *const auth_words[] = {
	"unknown", "trust", "password", "md5", "scram-sha-256", "cert",
	"external", NULL
};
const char *const stored_words[] = { "unknown", "plain", "md5", "scram-sha-256", NULL };
const char *const source_words[] = {
	"served", "rehearsed", "census", "configured", "persisted", NULL
};
const char *const evidence_words[] = {
	"session", "log", "rehearsal", "attest", NULL
};
const char *const edit_kind_words[] = {
	"env", "file", "command", "conf", "block", "url", "setting", "object",
	"helm", NULL
};

bool
indices_has(const struct indices *in, int index)
{
	size_t i;

	for (i = 0; i < in->n; i++)
		if (in->v[i] == index)
			return true;
	return false;
}

void
indices_add(struct indices *to, int index)
{
	if (!indices_has(to, index))
		*(int *)mem_push(&to->v, &to->n, sizeof(int)) = index;
}

static const char *
word_of(const char *const words[], size_t n, size_t i)
{
	return i < n - 1 ? words[i] : "unknown";
}

static int
index_of(const char *const words[], const char *word)
{
	int i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

const char *
kind_word(enum kind kind)
{
	return word_of(kind_words, LENGTH(kind_words), (size_t)kind);
}

const char *
accept_word(enum accept accept)
{
	return word_of(accept_words, LENGTH(accept_words), (size_t)accept);
}

const char *
dial_word(enum dial dial)
{
	return word_of(dial_words, LENGTH(dial_words), (size_t)dial);
}

const char *
proto_word(enum proto proto)
{
	return word_of(proto_words, LENGTH(proto_words), (size_t)proto);
}

const char *
dialect_word(enum dialect dialect)
{
	return word_of(dialect_words, LENGTH(dialect_words), (size_t)dialect);
}

const char *
auth_word(enum auth auth)
{
	return word_of(auth_words, LENGTH(auth_words), (size_t)auth);
}

const char *
stored_word(enum stored stored)
{
	return word_of(stored_words, LENGTH(stored_words), (size_t)stored);
}

const char *
source_word(enum source source)
{
	return word_of(source_words, LENGTH(source_words), (size_t)source);
}

const char *
evidence_word(enum evidence evidence)
{
	return word_of(evidence_words, LENGTH(evidence_words), (size_t)evidence);
}

const char *
path_in_container(const char *file)
{
	const char *name;

	if (strncmp(file, "docker:", 7) != 0 && strncmp(file, "podman:", 7) != 0)
		return NULL;
	name = file + 7;
	return strchr(name, ':') == NULL || strchr(name, ':')[1] != '/' ? NULL : strchr(name, ':') + 1;
}

const char *
edit_kind_word(enum edit_kind kind)
{
	return word_of(edit_kind_words, LENGTH(edit_kind_words), (size_t)kind);
}

int
kind_parse(const char *word)
{
	return index_of(kind_words, word);
}

int
accept_parse(const char *word)
{
	return index_of(accept_words, word);
}

int
dial_parse(const char *word)
{
	return index_of(dial_words, word);
}

int
proto_parse(const char *word)
{
	return index_of(proto_words, word);
}

/* The first word of these three is none. */
static int
index_after_first(const char *const words[], const char *word)
{
	int i = index_of(words + 1, word);

	return i == -1 ? -1 : i + 1;
}

int
dialect_parse(const char *word)
{
	return index_after_first(dialect_words, word);
}

int
auth_parse(const char *word)
{
	return index_after_first(auth_words, word);
}

int
stored_parse(const char *word)
{
	return index_after_first(stored_words, word);
}

bool
dialect_fits(enum dialect dialect, enum kind kind)
{
	if (dialect == DIALECT_DEFAULT)
		return true;
	return (dialect >= DIALECT_REDIS_PY) == (kind == KIND_REDIS);
}

enum dialect
dialect_of_kind(enum kind kind)
{
	return kind == KIND_REDIS ? DIALECT_HIREDIS : DIALECT_LIBPQ;
}

/* By the table of names; what was made by hand has none, and is looked through. */
#define BY_NAME(noun, array, count) do {			\
	size_t i_;						\
	if (f->names != NULL)					\
		return names_find(f->names, noun, name, strlen(name));	\
	for (i_ = 0; i_ < (count); i_++)			\
		if (strcmp((array)[i_].name, name) == 0)	\
			return (int)i_;				\
	return NONE;						\
} while (0)

int
fleet_host(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_HOST, f->hosts, f->nhosts);
}

int
fleet_base(const struct fleet *f, int host)
{
	return host == NONE || f->hosts[host].base == NONE ? host : f->hosts[host].base;
}

int
fleet_host_as(struct fleet *f, int host, const char *user)
{
	struct host *h, *base = &f->hosts[host];
	size_t i;

	if (base->become != NULL && strcmp(base->become, user) == 0)
		return host;
	for (i = 0; i < f->nhosts; i++)
		if (f->hosts[i].base == host && strcmp(f->hosts[i].become, user) == 0)
			return (int)i;
	h = mem_push(&f->hosts, &f->nhosts, sizeof(*h));
	base = &f->hosts[host];
	h->name = mem_printf("%s@%s", user, base->name);
	h->pos = base->pos;
	h->ssh = mem_strdup(base->ssh);
	h->address = mem_strdup(base->address);
	h->user = mem_strdup(base->user);
	h->identity = mem_strdup(base->identity);
	h->port = base->port;
	h->local = base->local;
	h->transport = mem_strdup(base->transport);
	h->become = mem_strdup(user);
	h->become_password = base->become_password;
	h->base = host;
	for (i = 0; i < base->states.n; i++)
		if (strcmp(base->states.v[i].key, user) == 0)
			h->state = mem_strdup(base->states.v[i].value);
	names_add(f->names, NOUN_HOST, h->name, (int)f->nhosts - 1);
	return (int)f->nhosts - 1;
}

int
fleet_cluster(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_CLUSTER, f->clusters, f->nclusters);
}

int
fleet_secret(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_SECRET, f->secrets, f->nsecrets);
}

int
fleet_unit(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_UNIT, f->units, f->nunits);
}

int
fleet_cert(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_CERT, f->certs, f->ncerts);
}

int
fleet_endpoint(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_ENDPOINT, f->endpoints, f->nendpoints);
}

int
fleet_client(const struct fleet *f, const char *name)
{
	BY_NAME(NOUN_CLIENT, f->clients, f->nclients);
}

int
fleet_list(const struct fleet *f, const char *name)
{
	size_t i;

	for (i = 0; i < f->nlists; i++)
		if (strcmp(f->lists[i].name, name) == 0)
			return (int)i;
	return NONE;
}

int
fleet_link_between(const struct fleet *f, int client, int endpoint)
{
	const struct indices *links = &f->clients[client].links;
	size_t i;

	for (i = 0; i < links->n; i++)
		if (f->links[links->v[i]].endpoint == endpoint)
			return links->v[i];
	return NONE;
}

static bool
same_name(const char *name, const char *s, size_t len)
{
	return strlen(name) == len && memcmp(name, s, len) == 0;
}

/* The first one of that name, or the first part of one on several hosts. */
static int
first_client(const struct fleet *f, const char *name, size_t len, bool *ret_parts)
{
	size_t i;
	int found;

	*ret_parts = false;
	if (f->names != NULL) {
		if ((found = names_find(f->names, NOUN_CLIENT, name, len)) == NONE) {
			*ret_parts = true;
			found = names_find(f->names, NOUN_PARTS, name, len);
		}
		return found;
	}
	for (i = 0; i < f->nclients; i++) {
		if (same_name(f->clients[i].name, name, len))
			return (int)i;
		if ((*ret_parts = f->clients[i].of != NULL && same_name(f->clients[i].of, name, len)))
			return (int)i;
	}
	return NONE;
}

static size_t
clients_of(const struct fleet *f, const char *name, size_t len, int *ret_first)
{
	bool parts;
	int first = first_client(f, name, len, &parts);
	size_t n = 1;

	if (first == NONE)
		return 0;
	*ret_first = first;
	while (parts && (size_t)first + n < f->nclients && f->clients[(size_t)first + n].of != NULL &&
	    same_name(f->clients[(size_t)first + n].of, name, len))
		n++;
	return n;
}

size_t
fleet_clients(const struct fleet *f, const char *name, int *ret_first)
{
	return clients_of(f, name, strlen(name), ret_first);
}

/* The two sides of "client -> endpoint", without the blanks around them; false where there is no arrow. */
static bool
link_sides(const char **name, size_t *client_len, const char **ret_to, size_t *endpoint_len)
{
	const char *arrow, *to;

	if ((arrow = strstr(*name, "->")) != NULL)
		to = arrow + 2;
	else if ((arrow = strstr(*name, "\xe2\x86\x92")) != NULL)	/* U+2192 */
		to = arrow + 3;
	else
		return false;
	*name += strspn(*name, " ");
	while (arrow > *name && arrow[-1] == ' ')
		arrow--;
	*client_len = (size_t)(arrow - *name);
	to += strspn(to, " ");
	*endpoint_len = strlen(to);
	while (*endpoint_len > 0 && to[*endpoint_len - 1] == ' ')
		(*endpoint_len)--;
	*ret_to = to;
	return true;
}

/* The link of this client to an endpoint of this name, or NONE. */
static int
link_to(const struct fleet *f, int client, const char *endpoint, size_t len)
{
	const struct indices *links = &f->clients[client].links;
	size_t i;

	for (i = 0; i < links->n; i++)
		if (same_name(f->endpoints[f->links[links->v[i]].endpoint].name, endpoint, len))
			return links->v[i];
	return NONE;
}

int
fleet_link(const struct fleet *f, const char *name)
{
	const char *to;
	size_t client_len, endpoint_len;
	bool parts;
	int client;

	if (!link_sides(&name, &client_len, &to, &endpoint_len))
		return NONE;
	client = first_client(f, name, client_len, &parts);
	return client == NONE || parts ? NONE : link_to(f, client, to, endpoint_len);
}

size_t
fleet_links(const struct fleet *f, const char *name, struct indices *ret)
{
	const char *to;
	size_t i, nclients, client_len, endpoint_len, n = ret->n;
	int first, link;

	if (!link_sides(&name, &client_len, &to, &endpoint_len))
		return 0;
	nclients = clients_of(f, name, client_len, &first);
	for (i = 0; i < nclients; i++)
		if ((link = link_to(f, first + (int)i, to, endpoint_len)) != NONE)
			*(int *)mem_push(&ret->v, &ret->n, sizeof(int)) = link;
	return ret->n - n;
}

const char *
link_dials_name(const struct fleet *f, const struct link *link)
{
	const struct endpoint *e = &f->endpoints[link->endpoint];
	const struct host *h;

	if (link->at != NULL)
		return link->at;
	if (e->names.n > 0)
		return e->names.v[0];
	if (e->at != NULL)
		return e->at;
	if (e->host == NONE)
		return e->name;
	h = &f->hosts[e->host];
	if (h->local)
		return "localhost";
	return h->address != NULL ? h->address : h->ssh != NULL ? h->ssh : h->name;
}

int
link_dials_port(const struct fleet *f, const struct link *link, enum dial dial)
{
	const struct endpoint *e = &f->endpoints[link->endpoint];

	switch (dial) {
	case DIAL_DISABLE:
	case DIAL_ALLOW:	/* plaintext comes first */
	case DIAL_UNKNOWN:
		return e->port_plain != 0 ? e->port_plain : e->port_tls;
	case DIAL_PREFER:
	case DIAL_REQUIRE:
	case DIAL_VERIFY_CA:
	case DIAL_VERIFY_FULL:
		return e->port_tls != 0 ? e->port_tls : e->port_plain;
	}
	return 0;
}

bool
link_rehearsable(const struct fleet *f, int link)
{
	const struct link *l = &f->links[link];
	const struct endpoint *e = &f->endpoints[l->endpoint];

	return link_host(f, l) != NONE && f->clients[l->client].not_yet == NULL && e->not_yet == NULL &&
	    e->cannot_see[SOURCE_REHEARSED] == NULL;
}

bool
links_share_trust(const struct fleet *f, const struct link *a, const struct link *b)
{
	return a->trust_file != NULL && b->trust_file != NULL && !a->trust_lands && !b->trust_lands && link_host(f, a) != NONE &&
	    link_host(f, a) == link_host(f, b) && strcmp(a->trust_file, b->trust_file) == 0;
}

int
cert_authority(const struct fleet *f, int cert)
{
	return f->certs[cert].under_other ? f->certs[cert].other : cert;
}

int
link_host(const struct fleet *f, const struct link *link)
{
	return f->clients[link->client].host;
}

static bool
is_address(const char *name)
{
	return strchr(name, ':') != NULL ||
	    (*name != '\0' && strspn(name, "0123456789.") == strlen(name));
}

static bool
names_equal(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++) {
		char x = *a >= 'A' && *a <= 'Z' ? (char)(*a - 'A' + 'a') : *a;
		char y = *b >= 'A' && *b <= 'Z' ? (char)(*b - 'A' + 'a') : *b;

		if (x != y)
			return false;
	}
	return *a == *b;
}

/* As OpenSSL and libpq have it: measured, see attempt.h. */
static bool
name_matches(const char *pattern, const char *name)
{
	const char *dot;

	if (strncmp(pattern, "*.", 2) != 0 || is_address(name))
		return names_equal(pattern, name);
	dot = strchr(name, '.');
	return dot != NULL && dot != name && names_equal(pattern + 1, dot);
}

int
cert_covers(const struct fleet *f, const struct cert *c, const char *name)
{
	const struct endpoint *e;
	size_t i, k;

	for (i = 0; i < c->names.n; i++)
		if (name_matches(c->names.v[i], name))
			return 1;
	if (c->names.n > 0)
		return 0;
	if (c->external)
		return -1;
	for (i = 0; i < c->serves.n; i++) {
		e = &f->endpoints[c->serves.v[i]];
		for (k = 0; k < e->names.n; k++)
			if (names_equal(e->names.v[k], name))
				return 1;
	}
	for (i = 0; i < f->nlinks; i++)
		for (k = 0; k < c->serves.n; k++)
			if (f->links[i].endpoint == c->serves.v[k] &&
			    names_equal(link_dials_name(f, &f->links[i]), name))
				return 1;
	return 0;
}

void
bedit_release(struct bedit *e)
{
	free(e->on.v);
	free(e->file);
	pairs_release(&e->set);
	strings_release(&e->unset);
	free(e->content);
	free(e->owner);
	free(e->run);
	free(e->undo);
	free(e->observe);
	free(e->expect);
	free(e->in);
	strings_release(&e->touches);
	free(e->version);
	free(e->value);
	memset(e, 0, sizeof(*e));
}

void
binding_release(struct binding *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		bedit_release(&b->v[i]);
	free(b->v);
	free(b->implies);
	memset(b, 0, sizeof(*b));
}

static void
host_release(struct host *h)
{
	free(h->name);
	free(h->ssh);
	free(h->address);
	free(h->user);
	free(h->identity);
	free(h->become);
	pairs_release(&h->states);
	free(h->state);
	free(h->transport);
}

static void
secret_release(struct secret *s)
{
	free(s->name);
	free(s->file);
	free(s->command);
	free(s->prompt);
	free(s->key);
}

static void
unit_release(struct unit *u)
{
	free(u->name);
	free(u->run);
	free(u->in);
	strings_release(&u->restarts);
}

static void
cert_release(struct cert *c)
{
	free(c->name);
	free(c->profile);
	free(c->subject);
	free(c->pair_file);
	free(c->pair_key);
	free(c->ca_file);
	free(c->ca_dir);
	free(c->issuer_ca);
	free(c->issuer_key);
	free(c->issuer_in);
	strings_release(&c->issuer_run);
	free(c->serves.v);
	strings_release(&c->names);
	binding_release(&c->install);
}

static void
endpoint_release(struct endpoint *e)
{
	size_t i;

	free(e->name);
	strings_release(&e->tags);
	free(e->at);
	strings_release(&e->names);
	free(e->probe_user);
	free(e->probe_database);
	free(e->admin_user);
	free(e->admin_database);
	free(e->managed);
	free(e->log_run);
	free(e->log_file);
	for (i = 0; i < SOURCE_COUNT; i++)
		free(e->cannot_see[i]);
	for (i = 0; i < ACCEPT_COUNT; i++)
		binding_release(&e->accept[i]);
}

static void
client_release(struct client *c)
{
	free(c->name);
	free(c->of);
	strings_release(&c->tags);
	if (c->exercise != NULL)
		bedit_release(c->exercise);
	free(c->exercise);
	free(c->links.v);
}

static void
link_release(struct link *l)
{
	size_t i;

	free(l->name);
	strings_release(&l->match.addresses);
	free(l->match.hosts.v);
	strings_release(&l->match.users);
	strings_release(&l->match.databases);
	strings_release(&l->match.applications);
	for (i = 0; i < DIAL_COUNT; i++)
		binding_release(&l->dial[i]);
	free(l->trust_file);
	binding_release(&l->trust);
	free(l->presents.file);
	free(l->presents.key_file);
	binding_release(&l->presents.install);
	binding_release(&l->presents.with);
	binding_release(&l->presents.without);
	if (l->can_tls != NULL)
		bedit_release(l->can_tls);
	free(l->can_tls);
	if (l->rehearse != NULL)
		bedit_release(l->rehearse);
	free(l->rehearse);
	free(l->at);
}

void
fleet_free(struct fleet *f)
{
	size_t i;

	if (f == NULL)
		return;
	for (i = 0; i < f->nlists; i++) {
		free(f->lists[i].name);
		strings_release(&f->lists[i].items);
	}
	for (i = 0; i < f->nhosts; i++)
		host_release(&f->hosts[i]);
	for (i = 0; i < f->nclusters; i++)
		free(f->clusters[i].name);
	for (i = 0; i < f->nsecrets; i++)
		secret_release(&f->secrets[i]);
	for (i = 0; i < f->nunits; i++)
		unit_release(&f->units[i]);
	for (i = 0; i < f->ncerts; i++)
		cert_release(&f->certs[i]);
	for (i = 0; i < f->nendpoints; i++)
		endpoint_release(&f->endpoints[i]);
	for (i = 0; i < f->nclients; i++)
		client_release(&f->clients[i]);
	for (i = 0; i < f->nlinks; i++)
		link_release(&f->links[i]);
	free(f->lists);
	free(f->hosts);
	free(f->clusters);
	free(f->secrets);
	free(f->units);
	free(f->certs);
	free(f->endpoints);
	free(f->clients);
	free(f->links);
	strings_release(&f->not_yet);
	names_free(f->names);
	free(f->path);
	free(f->environment);
	free(f);
}
