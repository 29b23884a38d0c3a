/*
 * fleet_link: reads endpoints, clients and the links between them: ports and
 * names, how the probe logs in, whose sessions are whose, whom a link trusts.
 */
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/canary_read.h"
#include "core/mem.h"

static int
read_listen(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	static const char *const keys[] = { "plain", "tls", "both", "at", "via", NULL };
	static const struct shape via_shape[] = {
		{ "cluster", SHAPE_STRING, true, NULL }, { "pods", SHAPE_STRING, true, NULL },
		{ NULL, SHAPE_STRING, false, NULL }
	};
	const struct node *plain = node_get(node, "plain"), *tls = node_get(node, "tls");
	const struct node *both = node_get(node, "both"), *via = node_get(node, "via");
	struct reader *r = &fr->r;
	int cluster;

	if (reader_keys(r, node, "listen", keys) == -1)
		return -1;
	if (both != NULL && (plain != NULL || tls != NULL))
		return reader_fail(r, both, "'both' beside 'plain' or 'tls', expected one port for both, or one each");
	if (both == NULL && plain == NULL && tls == NULL)
		return reader_fail(r, node, "listen without a port, expected '{ both: PORT }' or '{ plain: PORT, tls: PORT }'");
	if ((plain != NULL && reader_int(r, scope, plain, "a port", 1, 65535, &e->port_plain) == -1) ||
	    (tls != NULL && reader_int(r, scope, tls, "a port", 1, 65535, &e->port_tls) == -1) ||
	    (both != NULL && reader_int(r, scope, both, "a port", 1, 65535, &e->port_plain) == -1))
		return -1;
	if (both != NULL) {
		e->port_tls = e->port_plain;
		e->one_port = true;
	} else if (e->port_plain == e->port_tls)
		return reader_fail(r, tls, "the same port twice, expected 'both: %d'", e->port_tls);
	if (opt_plain(fr, scope, node, "at", "a host name or an address", HOST_CHARACTERS "%", &e->at) == -1)
		return -1;
	if (via == NULL)
		return 0;
	if (via->kind == NODE_SCALAR)
		return read_ref(fr, scope, via, NOUN_HOST, &e->via);
	if (reader_shape(r, scope, via, "via", via_shape, NULL) == -1 ||
	    read_ref(fr, scope, node_get(via, "cluster"), NOUN_CLUSTER, &cluster) == -1)
		return -1;
	reserve(fr, node, "via", &e->not_yet, "via a cluster");
	return 0;
}

static int
read_probe(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	static const char *const keys[] = { "user", "database", "password", "cert", NULL };

	return reader_keys(&fr->r, node, "probe", keys) == -1 ||
	    opt_ref(fr, scope, node, "cert", NOUN_CERT, &e->probe_cert) == -1 ||
	    opt_string(fr, scope, node, "user", &e->probe_user) == -1 ||
	    opt_string(fr, scope, node, "database", &e->probe_database) == -1 ||
	    opt_ref(fr, scope, node, "password", NOUN_SECRET, &e->probe_secret) == -1 ? -1 : 0;
}

/* How belay logs in where it changes something by statement.  A Redis knows whom the probe knows. */
static int
read_admin(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	static const char *const keys[] = { "user", "database", "password", NULL };

	if (node != NULL && (reader_keys(&fr->r, node, "admin", keys) == -1 ||
	    opt_string(fr, scope, node, "user", &e->admin_user) == -1 ||
	    opt_string(fr, scope, node, "database", &e->admin_database) == -1 ||
	    opt_ref(fr, scope, node, "password", NOUN_SECRET, &e->admin_secret) == -1))
		return -1;
	if (node != NULL && e->kind != KIND_POSTGRES && e->admin_database != NULL)
		return reader_fail(&fr->r, node_get(node, "database"),
		    "the admin of a %s has no database, expected 'user' and 'password' alone", kind_word(e->kind));
	if (node != NULL && e->kind != KIND_REDIS && e->admin_user == NULL)
		return reader_fail(&fr->r, node, "the admin of a %s has no user, expected 'user: …'",
		    kind_word(e->kind));
	if (e->kind != KIND_REDIS || e->admin_secret != NONE)
		return 0;
	e->admin_secret = e->probe_secret;
	if (e->admin_user == NULL)
		e->admin_user = mem_strdup(e->probe_user);
	return 0;
}

static int
read_log(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	static const char *const keys[] = { "host", "on", "run", "file", "every", "unit", NULL };
	static const char *const run_time[] = { "log", NULL };
	const struct node *run = node_get(node, "run");
	int64_t ms;
	int unit = NONE;

	if (reader_keys(&fr->r, node, "log", keys) == -1 ||
	    opt_ref(fr, scope, node, "host", NOUN_HOST, &e->log_host) == -1 ||
	    opt_ref(fr, scope, node, "on", NOUN_HOST, &e->log_host) == -1 ||
	    opt_path(fr, scope, node, "file", false, &e->log_file) == -1 ||
	    opt_duration(fr, scope, node, "every", &ms) == -1 ||
	    opt_ref(fr, scope, node, "unit", NOUN_UNIT, &unit) == -1)
		return -1;
	if (run != NULL && reader_text(&fr->r, scope, run, "a command", run_time, &e->log_run) == -1)
		return -1;
	if ((e->log_run != NULL) + (e->log_file != NULL) + (unit != NONE) != 1)
		return reader_fail(&fr->r, node, "log with %s, expected one of: run, file, unit",
		    e->log_run == NULL && e->log_file == NULL && unit == NONE ? "no source" : "several sources");
	if (e->log_host == NONE)
		e->log_host = e->host;
	if (unit == NONE && e->log_host == NONE)
		return reader_fail(&fr->r, node, "log without a host, expected 'host: …'");
	reserve(fr, node, "unit", &e->log_not_yet, "the log of a unit");
	reserve(fr, node, "every", &e->log_not_yet, "a log that is fetched");
	return 0;
}

static int
read_cannot_see(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	size_t i;

	if (reader_keys(&fr->r, node, "cannot-see", source_words) == -1)
		return -1;
	for (i = 0; i < SOURCE_COUNT; i++)
		if (opt_string(fr, scope, node, source_words[i], &e->cannot_see[i]) == -1)
			return -1;
	return 0;
}

/* One bound of a range of protocols, where it is given. */
static int
read_bound(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *key, enum proto *ret)
{
	const struct node *v = node_get(node, key);
	int word;

	if (v == NULL)
		return 0;
	if (reader_word(&fr->r, scope, v, "protocol", proto_words + 1, &word) == -1)
		return -1;
	*ret = (enum proto)(word + 1);
	return 0;
}

/* { min, max }; where `alone` is told, a word alone is the newest. */
static int
read_protocol(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const char *what, bool alone, enum proto *ret_min, enum proto *ret_max)
{
	static const char *const keys[] = { "min", "max", NULL };
	int word;

	if (alone && node->kind == NODE_SCALAR) {
		if (reader_word(&fr->r, scope, node, "protocol", proto_words + 1, &word) == -1)
			return -1;
		*ret_max = (enum proto)(word + 1);
		return 0;
	}
	if (reader_keys(&fr->r, node, what, keys) == -1 ||
	    read_bound(fr, scope, node, "min", ret_min) == -1 ||
	    read_bound(fr, scope, node, "max", ret_max) == -1)
		return -1;
	if (*ret_max != PROTO_ANY && *ret_min > *ret_max)
		return reader_fail(&fr->r, node, "'min: %s' above 'max: %s', expected a range",
		    proto_word(*ret_min), proto_word(*ret_max));
	return 0;
}

/* One method, or one for each value of accept. */
static int
read_auth(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct endpoint *e)
{
	const struct node *v;
	size_t i;
	int word;

	if (node->kind != NODE_SCALAR && reader_keys(&fr->r, node, "auth", accept_words) == -1)
		return -1;
	for (i = 0; i < ACCEPT_COUNT; i++) {
		v = node->kind == NODE_SCALAR ? node : node_get(node, accept_words[i]);
		if (v == NULL)
			continue;
		if (reader_word(&fr->r, scope, v, "method", auth_words + 1, &word) == -1)
			return -1;
		e->auth[i] = (enum auth)(word + 1);
		if (e->kind == KIND_REDIS && e->auth[i] != AUTH_TRUST && e->auth[i] != AUTH_PASSWORD)
			return reader_fail(&fr->r, v,
			    "'%s' of a redis, expected one of: trust, password", auth_word(e->auth[i]));
	}
	return 0;
}

/* "UID" or "UID:GID", in numbers: names are the container's own. */
static int
read_runs_as(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct endpoint *e)
{
	char *text, *end;
	int rc = 0;

	if (reader_string(&fr->r, scope, node, "a user in numbers", &text) == -1)
		return -1;
	e->runs_as = true;
	e->run_gid = -1;
	e->run_uid = text[0] >= '0' && text[0] <= '9' ? strtoll(text, &end, 10) : -1;
	if (e->run_uid >= 0 && *end == ':' && end[1] >= '0' && end[1] <= '9')
		e->run_gid = strtoll(end + 1, &end, 10);
	if (e->run_uid < 0 || *end != '\0' || e->run_uid > UINT32_MAX || e->run_gid > UINT32_MAX)
		rc = reader_fail(&fr->r, node, "'%s', expected a user in numbers, as 70 or 70:70", text);
	free(text);
	return rc;
}

int
read_endpoint(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	static const char *const keys[] = {
		"kind", "unit", "managed", "tags", "listen", "names", "probe", "admin",
		"protocol", "auth", "client-certificates", "clients", "log", "cannot-see", "accept",
		"runs-as", "for", NULL
	};
	static const char *const asks[] = { "asked", NULL };
	struct endpoint *e = &fr->f->endpoints[i];
	struct reader *r = &fr->r;
	const struct node *v;
	size_t k;
	int word;

	e->log_host = e->via = e->probe_secret = e->probe_cert = e->admin_secret = e->clients = NONE;
	if (reader_keys(r, node, "an endpoint", keys) == -1)
		return -1;
	if ((v = node_get(node, "kind")) == NULL)
		return reader_fail(r, node, "the endpoint '%s' has no kind, expected 'kind: postgres', 'kind: pgbouncer' or 'kind: redis'", e->name);
	if (reader_word(r, scope, v, "kind", kind_words, &word) == -1)
		return -1;
	e->kind = (enum kind)word;
	if (opt_string(fr, scope, node, "managed", &e->managed) == -1)
		return -1;
	reserve(fr, node, "managed", &e->not_yet, "a managed service");
	if (e->unit == NONE && e->managed == NULL)
		return reader_fail(r, node, "the endpoint '%s' has no unit, expected 'unit: …' (or 'managed: …')", e->name);
	if (e->unit != NONE && fr->f->units[e->unit].not_yet != NULL)
		e->not_yet = fr->f->units[e->unit].not_yet;
	if ((v = node_get(node, "listen")) == NULL)
		return reader_fail(r, node, "the endpoint '%s' has no port, expected 'listen: { both: PORT }' or 'listen: { plain: PORT, tls: PORT }'", e->name);
	if (read_listen(fr, scope, v, e) == -1)
		return -1;
	if ((v = node_get(node, "names")) != NULL) {
		if (reader_strings(r, scope, v, "a name that clients dial", &e->names) == -1)
			return -1;
		for (k = 0; k < e->names.n; k++)
			if (reader_check_plain(r, v->kind == NODE_SEQUENCE ? v->items[k]->line : v->line,
			    v->kind == NODE_SEQUENCE ? v->items[k]->col : v->col,
			    "a host name or an address", e->names.v[k], HOST_CHARACTERS) == -1)
				return -1;
	}
	if ((v = node_get(node, "probe")) != NULL && read_probe(fr, scope, v, e) == -1)
		return -1;
	if (read_admin(fr, scope, node_get(node, "admin"), e) == -1)
		return -1;
	if ((v = node_get(node, "protocol")) != NULL &&
	    read_protocol(fr, scope, v, "protocol", false, &e->proto_min, &e->proto_max) == -1)
		return -1;
	if ((v = node_get(node, "auth")) != NULL && read_auth(fr, scope, v, e) == -1)
		return -1;
	if ((v = node_get(node, "client-certificates")) != NULL) {
		if (reader_word(r, scope, v, "way to treat client certificates:", asks, &word) == -1)
			return -1;
		e->asks = true;
	}
	if (opt_ref(fr, scope, node, "clients", NOUN_CERT, &e->clients) == -1)
		return -1;
	if ((v = node_get(node, "runs-as")) != NULL && read_runs_as(fr, scope, v, e) == -1)
		return -1;
	if ((v = node_get(node, "log")) != NULL && read_log(fr, scope, v, e) == -1)
		return -1;
	if ((v = node_get(node, "cannot-see")) != NULL && read_cannot_see(fr, scope, v, e) == -1)
		return -1;
	if ((v = node_get(node, "accept")) != NULL && bind_accept(fr, scope, (int)i, v) == -1)
		return -1;
	for (k = 0; e->clients != NONE && k < ACCEPT_COUNT; k++)
		e->knows[k] = e->asks || binding_mentions(&e->accept[k], "client_ca");
	return 0;
}

/* A client's driver is that of those of its links whose servers it speaks to. */
static int
check_client_driver(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const struct client *c)
{
	const struct node *v = node_get(node, "driver");
	const struct fleet *f = fr->f;
	size_t i;
	int word;

	if (v == NULL)
		return 0;
	if (reader_word(&fr->r, scope, v, "driver", dialect_words + 1, &word) == -1)
		return -1;
	for (i = 0; i < c->links.n; i++)
		if (dialect_fits((enum dialect)(word + 1),
		    f->endpoints[f->links[c->links.v[i]].endpoint].kind))
			return 0;
	return c->links.n == 0 ? 0 : reader_fail(&fr->r, v,
	    "'%s' speaks to none of the servers that '%s' dials, expected a driver that does",
	    dialect_word((enum dialect)(word + 1)), c->name);
}

/* What makes it connect now: an effect, so that a step runs it (plan: `exercise`). */
static int
read_exercise(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct client *c)
{
	static const char *const keys[] = { "cluster", "host", "on", "run", "in", "deadline", NULL };
	static const char *const run_time[] = { "step", NULL };
	struct bind b = {
		.fr = fr, .scope = scope, .owner = c->name, .owner_host = c->host, .run_time = run_time,
	};
	const struct node *on = node_get(node, "host") != NULL ? node_get(node, "host") : node_get(node, "on");
	int cluster;

	c->exercise = mem_alloc(sizeof(*c->exercise));
	if (bind_command(&b, node, "exercise", keys, c->exercise) == -1)
		return -1;
	c->exercise->read_only = true;
	if (node_get(node, "cluster") != NULL) {
		if (read_ref(fr, scope, node_get(node, "cluster"), NOUN_CLUSTER, &cluster) == -1)
			return -1;
		c->exercise->not_yet = "exercise in a cluster";
		reserve(fr, node, "cluster", &c->exercise->not_yet, "exercise in a cluster");
		return 0;
	}
	if (on != NULL)
		return read_hosts(fr, scope, on, &c->exercise->on);
	if (c->host == NONE)
		return reader_fail(&fr->r, node, "exercise without a host, expected 'host: …'");
	return 0;
}

int
read_client(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	static const char *const keys[] = {
		"unit", "host", "batch", "tags", "evidence", "window", "exercise", "rehearse",
		"speaks", "driver", "links", "for", NULL
	};
	struct client *c = &fr->f->clients[i];
	const struct node *v;
	int word;

	if (reader_keys(&fr->r, node, "a client", keys) == -1 ||
	    opt_strings(fr, scope, node, "tags", "a tag", &c->tags) == -1 ||
	    opt_duration(fr, scope, node, "window", &c->window_ms) == -1 ||
	    check_client_driver(fr, scope, node, c) == -1)
		return -1;
	c->batch = 1;
	if ((v = node_get(node, "batch")) != NULL && read_batch(&fr->r, scope, v, &c->batch) == -1)
		return -1;
	if (v != NULL && c->of == NULL)
		return reader_fail(&fr->r, v, "'batch' of a client that runs in one place, expected none");
	if ((v = node_get(node, "evidence")) != NULL) {
		if (reader_word(&fr->r, scope, v, "evidence", evidence_words, &word) == -1)
			return -1;
		c->evidence = (enum evidence)word;
	}
	if ((v = node_get(node, "speaks")) != NULL &&
	    read_protocol(fr, scope, v, "speaks", true, &c->proto_min, &c->proto_max) == -1)
		return -1;
	if ((v = node_get(node, "exercise")) != NULL && read_exercise(fr, scope, v, c) == -1)
		return -1;
	if (c->unit != NONE && fr->f->units[c->unit].not_yet != NULL)
		c->not_yet = fr->f->units[c->unit].not_yet;
	if (c->links.n == 0)
		return reader_fail(&fr->r, node, "the client '%s' dials nothing, expected 'links: { ENDPOINT: … }'", c->name);
	return 0;
}

static int
read_match(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const struct client *client, struct match *m)
{
	static const char *const keys[] = {
		"address", "host", "user", "database", "application", "pods", NULL
	};
	const struct node *address = node_get(node, "address"), *host = node_get(node, "host");
	struct strings pods = { 0 };

	m->pos.line = node->line;
	m->pos.col = node->col;
	if (reader_keys(&fr->r, node, "match", keys) == -1 ||
	    opt_strings(fr, scope, node, "user", "the name of a user", &m->users) == -1 ||
	    opt_strings(fr, scope, node, "database", "the name of a database", &m->databases) == -1 ||
	    opt_strings(fr, scope, node, "application", "the name of an application", &m->applications) == -1 ||
	    opt_strings(fr, scope, node, "pods", "a label: name=value", &pods) == -1)
		return -1;
	strings_release(&pods);
	reserve(fr, node, "pods", &m->not_yet, "pods");
	if (client->of != NULL)
		return part_places(fr, scope, node, client, m);
	if (address != NULL) {
		if (reader_strings(&fr->r, scope, address, "an address or a range (10.0.0.0/8)", &m->addresses) == -1)
			return -1;
		if (match_check_addresses(&fr->r, address, m) == -1)
			return -1;
	}
	return host == NULL ? 0 : read_hosts(fr, scope, host, &m->hosts);
}

static int
read_trust(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct link *link, int host)
{
	static const char *const keys[] = {
		"ca", "file", "env", "mode", "owner", "lands", "install", NULL
	};
	static const char *const lands[] = { "activation", NULL };
	static const char *const run_time[] = {
		"ca.pem", "ca.b64", "ca_file", "step", NULL
	};
	struct bind b = {
		.fr = fr, .scope = scope, .owner = link->name, .owner_host = host,
		.run_time = run_time, .several = fr->f->clients[link->client].of != NULL,
	};
	const struct node *v;
	char *env = NULL, *owner = NULL;
	bool external;
	int mode = 0644, word, rc;

	if (reader_keys(&fr->r, node, "trust", keys) == -1)
		return -1;
	if (node_get(node, "ca") == NULL)
		return reader_fail(&fr->r, node, "trust without a certificate, expected 'ca: CERTIFICATE'");
	if (opt_ref(fr, scope, node, "ca", NOUN_CERT, &link->trust_cert) == -1 ||
	    opt_path(fr, scope, node, "file", false, &link->trust_file) == -1 ||
	    opt_plain(fr, scope, node, "env", "the name of a variable", "_", &env) == -1)
		return -1;
	free(env);
	link->trust.bound = true;
	link->trust.pos.line = node->line;
	link->trust.pos.col = node->col;
	external = fr->f->certs[link->trust_cert].external;
	if ((v = node_get(node, "lands")) != NULL) {
		if (reader_word(&fr->r, scope, v, "moment:", lands, &word) == -1)
			return -1;
		/* With edits of its own it comes by these, and appears when they are taken up. */
		link->trust_lands = node_get(node, "install") == NULL;
	}
	if (node_get(node, "env") != NULL) {
		/* The variable belongs into an object or a chart, and neither is built. */
		struct bedit *e = mem_push(&link->trust.v, &link->trust.n, sizeof(*e));

		e->kind = EDIT_OBJECT;
		e->pos = link->trust.pos;
		e->mode = -1;
		reserve(fr, node, "env", &e->not_yet, "env");
	}
	if ((v = node_get(node, "install")) != NULL)
		return bind_value(&b, v, &link->trust);
	if ((v = node_get(node, "mode")) != NULL && reader_mode(&fr->r, scope, v, &mode) == -1)
		return -1;
	if ((v = node_get(node, "owner")) != NULL && reader_owner(&fr->r, scope, v, &owner) == -1)
		return -1;
	rc = 0;
	/* Ours to write, unless it comes with the certificate or is there already. */
	if (link->trust_file != NULL && !link->trust_lands && !external) {
		if (host == NONE)
			rc = reader_fail(&fr->r, node,
			    "'%s' has no host of its own, expected 'unit: …' at the client, or 'lands: activation' here", link->name);
		else
			bind_file(&link->trust, node, link->trust_file, "$(ca.pem)", mode, owner, NULL);
	}
	free(owner);
	return rc;
}

/* Which certificate it shows, where that lies, and how its client comes to use it. */
static int
read_present(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct link *link, int host)
{
	static const char *const keys[] = {
		"cert", "file", "key-file", "mode", "owner", "lands", "install", "with", "without", NULL
	};
	static const char *const lands[] = { "activation", NULL };
	static const char *const material[] = {
		"leaf.pem", "leaf.b64", "key.pem", "key.b64", "chain.pem", "chain.b64", "pair.pem", "pair.b64",
		"cert_file", "key_file", "step", NULL
	};
	static const char *const files[] = { "cert_file", "key_file", "step", NULL };
	struct presents *p = &link->presents;
	struct bind b = {
		.fr = fr, .scope = scope, .owner = link->name, .owner_host = host,
		.run_time = material, .several = fr->f->clients[link->client].of != NULL,
	};
	const struct node *v;
	char *owner = NULL;
	int mode = 0600, word, rc = -1;

	if (reader_keys(&fr->r, node, "present", keys) == -1)
		return -1;
	if (node_get(node, "cert") == NULL)
		return reader_fail(&fr->r, node, "present without a certificate, expected 'cert: CERTIFICATE'");
	if (opt_ref(fr, scope, node, "cert", NOUN_CERT, &p->cert) == -1 ||
	    opt_path(fr, scope, node, "file", false, &p->file) == -1 ||
	    opt_path(fr, scope, node, "key-file", false, &p->key_file) == -1)
		return -1;
	if ((v = node_get(node, "lands")) != NULL && reader_word(&fr->r, scope, v, "moment:", lands, &word) == -1)
		return -1;
	p->lands = v != NULL;
	if ((p->file == NULL) != (p->key_file == NULL))
		return reader_fail(&fr->r, node, "'%s' alone, expected 'file' and 'key-file' (which may be the same)",
		    p->file != NULL ? "file" : "key-file");
	if (p->file == NULL && node_get(node, "install") == NULL)
		return reader_fail(&fr->r, node, "present without a place, expected 'file' and 'key-file', or 'install: …'");
	if ((v = node_get(node, "mode")) != NULL && reader_mode(&fr->r, scope, v, &mode) == -1)
		return -1;
	if ((mode & 027) != 0)
		return reader_fail(&fr->r, v, "a key that others may read or the group may write, expected \"0600\" or \"0640\"");
	if ((v = node_get(node, "owner")) != NULL && reader_owner(&fr->r, scope, v, &owner) == -1)
		return -1;
	p->install.bound = true;
	p->install.pos.line = node->line;
	p->install.pos.col = node->col;
	if ((v = node_get(node, "install")) != NULL) {
		rc = bind_value(&b, v, &p->install);
	} else if (host == NONE) {
		(void)reader_fail(&fr->r, node, "'%s' has no host of its own, expected 'unit: …' at the client", link->name);
	} else if (strcmp(p->file, p->key_file) == 0) {
		bind_file(&p->install, node, p->file, "$(pair.pem)", mode, owner, NULL);
		rc = 0;
	} else {
		bind_file(&p->install, node, p->file, "$(leaf.pem)", 0644, owner, NULL);
		bind_file(&p->install, node, p->key_file, "$(key.pem)", mode, owner, NULL);
		rc = 0;
	}
	b.run_time = files;
	if (rc == 0 && (v = node_get(node, "with")) != NULL)
		rc = bind_value(&b, v, &p->with);
	if (rc == 0 && (v = node_get(node, "without")) != NULL)
		rc = bind_value(&b, v, &p->without);
	free(owner);
	return rc;
}

static int
read_can_tls(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct link *link, int host)
{
	static const char *const keys[] = {
		"host", "on", "run", "in", "expect", "deadline", NULL
	};
	struct bind b = {
		.fr = fr, .scope = scope, .owner = link->name, .owner_host = host,
	};
	const struct node *on = node_get(node, "host") != NULL ?
	    node_get(node, "host") : node_get(node, "on");

	link->can_tls = mem_alloc(sizeof(*link->can_tls));
	if (bind_command(&b, node, "can-tls", keys, link->can_tls) == -1)
		return -1;
	link->can_tls->read_only = true;
	if (on != NULL)
		return read_hosts(fr, scope, on, &link->can_tls->on);
	if (host == NONE)
		return reader_fail(&fr->r, node, "can-tls without a host, expected 'host: …'");
	return 0;
}

/* The client's own runtime: of the link, or of its client for all of them. */
static int
read_rehearse(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct link *link, int host)
{
	static const char *const keys[] = { "host", "on", "run", "in", "expect", "deadline", NULL };
	static const char *const run_time[] = { "dial", "ca_file", NULL };
	struct bind b = {
		.fr = fr, .scope = scope, .owner = link->name, .owner_host = host, .run_time = run_time,
	};
	const struct node *on = node_get(node, "host") != NULL ? node_get(node, "host") : node_get(node, "on");

	link->rehearse = mem_alloc(sizeof(*link->rehearse));
	if (bind_command(&b, node, "rehearse", keys, link->rehearse) == -1)
		return -1;
	link->rehearse->read_only = true;
	if (on != NULL)
		return read_hosts(fr, scope, on, &link->rehearse->on);
	if (host == NONE)
		return reader_fail(&fr->r, node, "rehearse without a host, expected 'host: …'");
	return 0;
}

/* The link's own word, its client's, or what is usual there. */
static int
read_driver(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const struct node *client, struct link *link)
{
	const struct node *own = node_get(node, "driver"), *v = own;
	enum kind kind = fr->f->endpoints[link->endpoint].kind;
	bool pooler = fr->f->clients[link->client].pools != NONE;
	int word;

	link->dialect = pooler ? DIALECT_PGBOUNCER : dialect_of_kind(kind);
	if (v == NULL && (v = node_get(client, "driver")) == NULL)
		return 0;
	if (reader_word(&fr->r, scope, v, "driver", dialect_words + 1, &word) == -1)
		return -1;
	if (pooler != ((enum dialect)(word + 1) == DIALECT_PGBOUNCER))
		return reader_fail(&fr->r, v, pooler ?
		    "'%s' of a pooler's own side ('%s'), expected none: it is pgbouncer" :
		    "'%s' of '%s', expected a client with the name of a pgbouncer endpoint",
		    dialect_word((enum dialect)(word + 1)), link->name);
	if (dialect_fits((enum dialect)(word + 1), kind))
		link->dialect = (enum dialect)(word + 1);
	else if (own != NULL)
		return reader_fail(&fr->r, v, "'%s' does not speak to a %s ('%s'), expected a driver that does",
		    dialect_word((enum dialect)(word + 1)), kind_word(kind), link->name);
	return 0;
}

int
read_link(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    const struct node *client, size_t i)
{
	static const char *const keys[] = {
		"match", "dial", "trust", "can-tls", "rehearse", "driver", "stored", "shows", "at",
		"canary", "present", "for", NULL
	};
	static const char *const shows[] = { "none", "stray", NULL };
	struct link *link = &fr->f->links[i];
	const struct client *c = &fr->f->clients[link->client];
	int host = c->host;
	const struct node *v;
	int word;

	link->trust_cert = link->follows = link->presents.cert = NONE;
	link->assumed = DIAL_UNKNOWN;
	if (reader_keys(&fr->r, node, "a link", keys) == -1)
		return -1;
	link->match.pos = link->pos;
	if ((v = node_get(node, "match")) != NULL) {
		if (read_match(fr, scope, v, c, &link->match) == -1)
			return -1;
	} else if (c->of != NULL)
		indices_add(&link->match.hosts, c->host);
	if (opt_plain(fr, scope, node, "at", "a host name or an address", HOST_CHARACTERS, &link->at) == -1 ||
	    read_driver(fr, scope, node, client, link) == -1)
		return -1;
	if ((v = node_get(node, "stored")) != NULL) {
		if (reader_word(&fr->r, scope, v, "way to store a password:", stored_words + 1, &word) == -1)
			return -1;
		link->stored = (enum stored)(word + 1);
		if (link->stored == STORED_PLAIN && fr->f->endpoints[link->endpoint].kind == KIND_POSTGRES)
			return reader_fail(&fr->r, v,
			    "'plain' at a postgres ('%s'), expected one of: md5, scram-sha-256: it stores none in plain",
			    link->name);
	}
	if ((v = node_get(node, "shows")) != NULL) {
		if (reader_word(&fr->r, scope, v, "client certificate:", shows, &word) == -1)
			return -1;
		link->stray = word == 1;
	}
	if ((v = node_get(node, "canary")) != NULL) {
		canary_terms_default(&link->canary);
		if (canary_read_terms(&fr->r, scope, v, &link->canary) == -1)
			return -1;
		if (link->canary.given && host == NONE)
			return reader_fail(&fr->r, v, "a canary of '%s', which has no host to be dialled from, expected "
			    "'unit' or 'host' at its client", link->name);
	}
	if ((v = node_get(node, "present")) != NULL && read_present(fr, scope, v, link, host) == -1)
		return -1;
	/* Before dial, which may speak of $(ca_file). */
	if ((v = node_get(node, "trust")) != NULL && read_trust(fr, scope, v, link, host) == -1)
		return -1;
	if ((v = node_get(node, "can-tls")) != NULL && read_can_tls(fr, scope, v, link, host) == -1)
		return -1;
	if ((v = node_get(node, "rehearse")) == NULL)
		v = node_get(client, "rehearse");
	if (v != NULL && read_rehearse(fr, scope, v, link, host) == -1)
		return -1;
	if ((v = node_get(node, "dial")) == NULL)
		return reader_fail(&fr->r, node, "'%s' does not say how it dials, expected 'dial: …'", link->name);
	return bind_dial(fr, scope, (int)i, v);
}
