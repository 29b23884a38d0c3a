/*
 * fleet_host: what stands on the ground.  Reads hosts, clusters, secrets and
 * units.
 *
 * A word that becomes an argument of ssh (host, user) is from a closed
 * alphabet and does not start with '-'.  A secret's value is never here, only
 * where it comes from.
 */
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Other users' state directories. */
static int
read_states(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct host *h)
{
	const struct pair *p;
	size_t i;

	if (reader_pairs(&fr->r, scope, node, "'{ user: directory }'", NULL, &h->states) == -1)
		return -1;
	for (i = 0; i < h->states.n; i++) {
		p = &h->states.v[i];
		if (reader_check_plain(&fr->r, p->pos.line, p->pos.col, "the name of a user", p->key, USER_CHARACTERS) == -1)
			return -1;
		if ((p->value[0] != '/' && strncmp(p->value, "~/", 2) != 0) || strpbrk(p->value, "\r\n") != NULL)
			return reader_fail_at(&fr->r, p->pos.line, p->pos.col,
			    "the state directory of '%s' is '%s', expected an absolute path or one that begins with ~/",
			    p->key, p->value);
	}
	return 0;
}

int
read_host(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	static const char *const keys[] = {
		"ssh", "address", "user", "port", "identity", "local", "state",
		"transport", "become", "become-password", "states", "for", NULL
	};
	static const char *const transports[] = { "libssh2", "ssh", NULL };
	static const char *const apart[] = { "address", "user", "port", "identity", NULL };
	struct host *h = &fr->f->hosts[i];
	const struct entry *e;
	const struct node *v;
	size_t k;
	int word;

	h->become_password = h->base = NONE;
	if (reader_keys(&fr->r, node, "a host", keys) == -1 ||
	    opt_plain(fr, scope, node, "ssh", "an alias of ssh_config", HOST_CHARACTERS, &h->ssh) == -1 ||
	    opt_plain(fr, scope, node, "address", "a host name or an address", HOST_CHARACTERS "%", &h->address) == -1 ||
	    opt_plain(fr, scope, node, "user", "the name of a user", USER_CHARACTERS, &h->user) == -1 ||
	    opt_path(fr, scope, node, "identity", true, &h->identity) == -1 ||
	    opt_bool(fr, scope, node, "local", &h->local) == -1 ||
	    opt_path(fr, scope, node, "state", true, &h->state) == -1 ||
	    opt_plain(fr, scope, node, "become", "the name of a user", USER_CHARACTERS, &h->become) == -1 ||
	    opt_ref(fr, scope, node, "become-password", NOUN_SECRET, &h->become_password) == -1)
		return -1;
	if ((v = node_get(node, "states")) != NULL && read_states(fr, scope, v, h) == -1)
		return -1;
	if ((v = node_get(node, "port")) != NULL &&
	    reader_int(&fr->r, scope, v, "a port", 1, 65535, &h->port) == -1)
		return -1;
	if ((v = node_get(node, "transport")) != NULL) {
		if (reader_word(&fr->r, scope, v, "transport", transports, &word) == -1)
			return -1;
		h->transport = mem_strdup(transports[word]);
	}
	if ((h->ssh != NULL) + (h->address != NULL) + h->local != 1)
		return reader_fail(&fr->r, node,
		    "the host '%s' has %s, expected one of: 'ssh: ALIAS', 'address: …', 'local: yes'",
		    h->name, h->ssh == NULL && h->address == NULL && !h->local ?
		    "no address" : "several addresses");
	for (k = 0; apart[k] != NULL; k++)
		if (h->address == NULL && (e = node_entry(node, apart[k])) != NULL)
			return reader_fail_at(&fr->r, e->line, e->col,
			    "'%s' without 'address', expected it in ssh_config beside the alias",
			    e->key);
	return 0;
}

int
read_cluster(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	static const char *const keys[] = {
		"via", "kubectl", "namespace", "poll", "for", NULL
	};
	struct cluster *c = &fr->f->clusters[i];
	char *s = NULL;
	int64_t ms;
	int via = NONE, rc = -1;

	if (reader_keys(&fr->r, node, "a cluster", keys) == -1 ||
	    opt_ref(fr, scope, node, "via", NOUN_HOST, &via) == -1 ||
	    opt_string(fr, scope, node, "kubectl", &s) == -1)
		goto out;
	free(s);
	s = NULL;
	if (opt_plain(fr, scope, node, "namespace", "a namespace", "-", &s) == -1 ||
	    opt_duration(fr, scope, node, "poll", &ms) == -1)
		goto out;
	if (via == NONE) {
		(void)reader_fail(&fr->r, node,
		    "the cluster '%s' has no way to it, expected 'via: HOST'", c->name);
		goto out;
	}
	reader_not_yet(&fr->r, c->pos.line, c->pos.col, "cluster");
	rc = 0;
out:
	free(s);
	return rc;
}

static int
read_secret_object(struct fleet_reader *fr, const struct scope *scope, const struct node *node)
{
	static const struct shape shape[] = {
		{ "cluster", SHAPE_STRING, true, NULL }, { "secret", SHAPE_STRING, true, NULL },
		{ "key", SHAPE_STRING, true, NULL }, { NULL, SHAPE_STRING, false, NULL }
	};
	int cluster;

	if (reader_shape(&fr->r, scope, node, "an object secret", shape, NULL) == -1)
		return -1;
	return read_ref(fr, scope, node_get(node, "cluster"), NOUN_CLUSTER, &cluster);
}

static int
read_secret_host_env(struct fleet_reader *fr, const struct scope *scope,
    const struct node *node, struct secret *s)
{
	static const char *const keys[] = { "host", "file", "key", NULL };
	size_t k;

	if (reader_keys(&fr->r, node, "a host-env secret", keys) == -1)
		return -1;
	for (k = 0; keys[k] != NULL; k++)
		if (node_get(node, keys[k]) == NULL)
			return reader_fail(&fr->r, node,
			    "a host-env secret without '%s', expected '%s: …'", keys[k], keys[k]);
	return opt_ref(fr, scope, node, "host", NOUN_HOST, &s->host) == -1 ||
	    opt_path(fr, scope, node, "file", false, &s->file) == -1 ||
	    opt_plain(fr, scope, node, "key", "the name of a variable", "_", &s->key) == -1 ? -1 : 0;
}

int
read_secret(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	/* In the order of enum secret_source. */
	static const char *const sources[] = {
		"file", "fd", "command", "prompt", "host-env", "object", "env", "for", NULL
	};
	struct secret *s = &fr->f->secrets[i];
	const struct node *v = NULL;
	size_t k, given = 0;

	s->host = NONE;
	s->fd = -1;
	if (reader_keys(&fr->r, node, "a secret", sources) == -1)
		return -1;
	for (k = 0; k < LENGTH(sources) - 2; k++)
		if (node_get(node, sources[k]) != NULL) {
			given++;
			s->source = (enum secret_source)k;
			v = node_get(node, sources[k]);
		}
	if (given != 1)
		return reader_fail(&fr->r, node,
		    "the secret '%s' has %s, expected one of: file, fd, command, prompt, host-env, object, env",
		    s->name, given == 0 ? "no source" : "several sources");
	switch (s->source) {
	case SECRET_FILE:
		return reader_path(&fr->r, scope, v, NULL, true, &s->file);
	case SECRET_FD:
		return reader_int(&fr->r, scope, v, "a file descriptor", 3, 1023, &s->fd);
	case SECRET_COMMAND:
		return reader_string(&fr->r, scope, v, "a command", &s->command);
	case SECRET_PROMPT:
		return reader_string(&fr->r, scope, v, "what to ask for", &s->prompt);
	case SECRET_HOST_ENV:
		return read_secret_host_env(fr, scope, v, s);
	case SECRET_OBJECT:
		reader_not_yet(&fr->r, v->line, v->col, "object");
		return read_secret_object(fr, scope, v);
	case SECRET_ENV:
		return opt_plain(fr, scope, node, "env", "the name of a variable", "_", &s->key);
	}
	return -1;
}

int
unit_check_restarts(struct fleet_reader *fr, const struct unit *u, const struct node *unit)
{
	const struct node *node = node_get(unit, "restarts");
	const struct fleet *f = fr->f;
	const char **names;
	size_t i, k, n = 0;
	int rc = 0, first;

	if (node == NULL)
		return 0;
	names = mem_array(f->nendpoints + f->nclients + 2, sizeof(*names));
	for (k = 0; k < f->nendpoints; k++)
		names[n++] = f->endpoints[k].name;
	for (k = 0; k < f->nclients; k++)
		if (f->clients[k].of == NULL)
			names[n++] = f->clients[k].name;
		else if (n == 0 || strcmp(names[n - 1], f->clients[k].of) != 0)
			names[n++] = f->clients[k].of;
	for (i = 0; i < u->restarts.n && rc == 0; i++)
		if (fleet_endpoint(f, u->restarts.v[i]) == NONE &&
		    fleet_clients(f, u->restarts.v[i], &first) == 0) {
			const struct node *at = node->kind == NODE_SEQUENCE ? node->items[i] : node;

			rc = reader_unknown(&fr->r, at->line, at->col,
			    "endpoint or client", u->restarts.v[i], names);
		}
	free(names);
	return rc;
}

/* How a cluster's unit is activated: read, not built. */
static int
read_unit_reserved(struct fleet_reader *fr, const struct scope *scope,
    const struct node *node, struct unit *u)
{
	static const char *const words[] = {
		"rollout", "container", "helm", "chart", "waits", NULL
	};
	char *s;
	size_t k;
	bool yes;
	int cluster = NONE;

	if (opt_ref(fr, scope, node, "cluster", NOUN_CLUSTER, &cluster) == -1 ||
	    opt_bool(fr, scope, node, "exclusive-volume", &yes) == -1)
		return -1;
	for (k = 0; words[k] != NULL; k++) {
		s = NULL;
		if (opt_string(fr, scope, node, words[k], &s) == -1)
			return -1;
		free(s);
	}
	if (cluster != NONE)
		reserve(fr, node, "cluster", &u->not_yet, "a unit of a cluster");
	reserve(fr, node, "helm", &u->not_yet, "helm");
	return 0;
}

/* Instead of a command: a server's own console, or a service manager. */
static int
read_unit_by(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct unit *u)
{
	const struct node *by = node_get(node, "by"), *kind = node_get(node, "kind");
	char *s = NULL, *service = NULL;
	int rc = 0;

	if (by == NULL && node_get(node, "service") == NULL)
		return 0;
	if (by == NULL)
		return reader_fail(&fr->r, node, "'service' without 'by: systemctl'");
	if (u->run != NULL)
		return reader_fail(&fr->r, by, "both 'run' and 'by', expected one of them");
	if (reader_string(&fr->r, scope, by, "the name of an endpoint, or systemctl", &s) == -1)
		return -1;
	u->by = fleet_endpoint(fr->f, s);
	if (u->by != NONE) {
		if (node_get(node, "service") != NULL)
			rc = reader_fail(&fr->r, by, "'service' goes with 'by: systemctl' alone");
		else if (kind != NULL && u->kind == UNIT_RESTART)
			rc = reader_fail(&fr->r, kind, "a server's own console reloads it, expected 'kind: reload'");
		u->kind = UNIT_RELOAD;
	} else if (strcmp(s, "systemctl") != 0)
		rc = reader_fail(&fr->r, by, "unknown way to activate '%s', expected the name of an endpoint, or systemctl", s);
	else if (node_get(node, "service") == NULL)
		rc = reader_fail(&fr->r, by, "'by: systemctl' needs 'service: NAME'");
	else if ((rc = opt_plain(fr, scope, node, "service", "the name of a service", "_@", &service)) == 0)
		u->run = mem_printf("systemctl %s %s", u->kind == UNIT_RELOAD ? "reload" : "restart", service);
	free(s);
	free(service);
	return rc;
}

int
read_unit(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	static const char *const keys[] = {
		"host", "run", "by", "service", "in", "kind", "deadline", "idempotent", "restarts",
		"cluster", "rollout", "container", "helm", "chart", "waits",
		"exclusive-volume", "for", NULL
	};
	static const char *const kinds[] = { "restart", "reload", NULL };
	struct unit *u = &fr->f->units[i];
	const struct node *v;
	int word;

	u->host = u->by = NONE;
	u->idempotent = true;
	u->deadline_ms = 120000;
	if (reader_keys(&fr->r, node, "a unit", keys) == -1 ||
	    opt_ref(fr, scope, node, "host", NOUN_HOST, &u->host) == -1 ||
	    opt_string(fr, scope, node, "run", &u->run) == -1 ||
	    opt_path(fr, scope, node, "in", false, &u->in) == -1 ||
	    ((v = node_get(node, "deadline")) != NULL &&
	    reader_deadline(&fr->r, scope, v, &u->deadline_ms) == -1) ||
	    opt_bool(fr, scope, node, "idempotent", &u->idempotent) == -1 ||
	    opt_strings(fr, scope, node, "restarts", "the name of an endpoint or a client", &u->restarts) == -1 ||
	    read_unit_reserved(fr, scope, node, u) == -1)
		return -1;
	if ((v = node_get(node, "kind")) != NULL) {
		if (reader_word(&fr->r, scope, v, "kind of activation", kinds, &word) == -1)
			return -1;
		u->kind = word == 0 ? UNIT_RESTART : UNIT_RELOAD;
	}
	if (read_unit_by(fr, scope, node, u) == -1)
		return -1;
	if ((u->host == NONE) == (node_get(node, "cluster") == NULL))
		return reader_fail(&fr->r, node, "the unit '%s' has %s, expected 'host: …' or 'cluster: …'",
		    u->name, u->host == NONE ? "no host" : "a host and a cluster");
	if (u->host != NONE && u->run == NULL && u->by == NONE)
		return reader_fail(&fr->r, node,
		    "the unit '%s' has no command, expected 'run: …', which restarts or reloads it, or 'by: …'", u->name);
	return 0;
}
