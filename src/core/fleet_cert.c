/*
 * fleet_cert: reads certificates, and by which edits they get to the hosts.
 *
 * Three ways, which may be combined: `dir` (three files at the served
 * endpoints' hosts), `install` (any edits), `put` (a command of the
 * operator's, with its way back).  What issues them is not here.
 */
#include "core/fleet_read.h"
#include "core/fill.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define ISSUER_WORDS_MAX 64

/* The endpoints named here; tag:NAME stands for all that carry the tag. */
static int
read_serves(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct indices *ret)
{
	struct fleet *f = fr->f;
	struct strings words = { 0 };
	const struct node *at;
	size_t i, k, before;
	int index, rc = -1;

	if (reader_strings(&fr->r, scope, node, "the name of an endpoint, or tag:NAME", &words) == -1)
		goto out;
	for (i = 0; i < words.n; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		if (strncmp(words.v[i], "tag:", 4) != 0) {
			if (noun_find(&fr->r, f, NOUN_ENDPOINT, at->line, at->col, words.v[i], &index) == -1)
				goto out;
			indices_add(ret, index);
			continue;
		}
		before = ret->n;
		for (k = 0; k < f->nendpoints; k++)
			if (strings_has(&f->endpoints[k].tags, words.v[i] + 4))
				indices_add(ret, (int)k);
		if (ret->n == before) {
			(void)reader_fail(&fr->r, at, "no endpoint has the tag '%s', expected one",
			    words.v[i] + 4);
			goto out;
		}
	}
	rc = 0;
out:
	strings_release(&words);
	return rc;
}

static const char *const cert_run_time[] = {
	"ca.pem", "ca.b64", "leaf.pem", "leaf.b64", "key.pem", "key.b64",
	"chain.pem", "chain.b64", "pair.pem", "pair.b64", "step", "before", "after", NULL
};

/*
 * dir: the files, where they are served. Of a key and a leaf in two files whoever reloads a server
 * between the two writes has it meet a pair that does not match; `pair: yes` writes them as one.
 */
static int
read_cert_dir(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct cert *c, const struct indices *hosts)
{
	static const char *const keys[] = { "mode", "owner", NULL };
	const struct node *key = node_get(node, "key"), *dir = node_get(node, "dir");
	char *path = NULL, *owner = NULL, *file;
	int mode = 0600, rc = -1;
	bool pair = false;

	if (opt_bool(fr, scope, node, "pair", &pair) == -1)
		return -1;
	if (dir == NULL && node_get(node, "pair") != NULL)
		return reader_fail(&fr->r, node_get(node, "pair"), "'pair' without 'dir', expected 'dir: /…' beside it");
	if (key != NULL) {
		if (reader_keys(&fr->r, key, "a key", keys) == -1)
			return -1;
		if (dir == NULL)
			return reader_fail(&fr->r, key, "'key' without 'dir', expected 'dir: /…' beside it");
		if (node_get(key, "mode") != NULL &&
		    reader_mode(&fr->r, scope, node_get(key, "mode"), &mode) == -1)
			return -1;
		/* What a server would refuse, and a neighbour could read. */
		if ((mode & 027) != 0)
			return reader_fail(&fr->r, node_get(key, "mode"),
			    "a key that others may read or the group may write, expected \"0600\" or \"0640\"");
		if (node_get(key, "owner") != NULL &&
		    reader_owner(&fr->r, scope, node_get(key, "owner"), &owner) == -1)
			return -1;
	}
	if (dir == NULL) {
		rc = 0;
		goto out;
	}
	if (reader_path(&fr->r, scope, dir, NULL, false, &path) == -1)
		goto out;
	if (hosts->n == 0) {
		(void)reader_fail(&fr->r, dir, "'dir', and no served endpoint has a host, expected 'serves: [ENDPOINT]'");
		goto out;
	}
	file = mem_printf("%s/ca.crt", path);
	bind_file(&c->install, dir, file, "$(ca.pem)", 0644, NULL, hosts);
	free(file);
	if (!pair) {
		file = mem_printf("%s/server.crt", path);
		bind_file(&c->install, dir, file, "$(leaf.pem)", 0644, NULL, hosts);
		free(file);
	}
	file = mem_printf("%s/server.%s", path, pair ? "pem" : "key");
	bind_file(&c->install, dir, file, pair ? "$(pair.pem)" : "$(key.pem)", mode, owner, hosts);
	free(file);
	c->install.bound = true;
	c->install.pos.line = dir->line;
	c->install.pos.col = dir->col;
	rc = 0;
out:
	free(path);
	free(owner);
	return rc;
}

/* put, version, undo: one command with its way back and its witness. */
static int
read_cert_put(struct fleet_reader *fr, struct bind *b, const struct node *node, struct cert *c)
{
	static const char *const put_keys[] = { "on", "run", "in", "stdin", "touches", "deadline", "idempotent", NULL };
	static const char *const keys[] = { "on", "run", "in", "deadline", NULL };
	const struct node *put = node_get(node, "put"), *v;
	const struct node *version = node_get(node, "version"), *undo = node_get(node, "undo");
	struct bedit other = { 0 }, *e;
	struct indices on = { NULL, 0 };
	int rc;

	if (put == NULL) {
		if (version != NULL || undo != NULL)
			return reader_fail(&fr->r, version != NULL ? version : undo,
			    "'%s' without 'put', expected 'put: { on: …, run: … }'",
			    version != NULL ? "version" : "undo");
		return 0;
	}
	if (undo == NULL)
		return reader_fail(&fr->r, put, "'put' without a way back, expected 'undo: { on: …, run: … }' beside it");
	e = mem_push(&c->install.v, &c->install.n, sizeof(*e));
	if (bind_command(b, put, "put", put_keys, e) == -1)
		return -1;
	if ((v = node_get(put, "on")) == NULL)
		return reader_fail(&fr->r, put, "'put' without a host, expected 'on: HOST' or 'on: local'");
	if (read_hosts(fr, b->scope, v, &e->on) == -1)
		return -1;
	rc = bind_command(b, undo, "undo", keys, &other);
	e->undo = other.run;
	other.run = NULL;
	bedit_release(&other);
	if (rc == 0 && version != NULL) {
		rc = bind_command(b, version, "version", keys, &other);
		e->version = other.run;
		other.run = NULL;
		bedit_release(&other);
		v = node_get(version, "on");
		if (rc == 0 && v != NULL && read_hosts(fr, b->scope, v, &on) == -1)
			rc = -1;
		if (rc == 0 && v != NULL && (on.n != e->on.n || memcmp(on.v, e->on.v, on.n * sizeof(*on.v)) != 0))
			rc = reader_fail(&fr->r, v, "another host than that of 'put', expected the same");
		free(on.v);
	}
	if (rc == 0 && e->version == NULL && (fill_mentions(e->undo, "before") || fill_mentions(e->undo, "after")))
		rc = reader_fail(&fr->r, undo, "$(before) or $(after) without 'version', expected 'version: { run: … }' beside it");
	c->install.bound = true;
	c->install.pos = e->pos;
	return rc;
}

static int
read_cert_object(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct cert *c)
{
	static const struct shape shape[] = {
		{ "cluster", SHAPE_STRING, true, NULL }, { "secret", SHAPE_STRING, true, NULL },
		{ "type", SHAPE_STRING, false, NULL }, { "keys", SHAPE_PAIRS, true, NULL },
		{ NULL, SHAPE_STRING, false, NULL }
	};
	const struct node *object = node_get(node, "object");
	struct bedit *e;
	int cluster;

	if (object == NULL)
		return 0;
	if (reader_shape(&fr->r, scope, object, "an object", shape, cert_run_time) == -1 ||
	    read_ref(fr, scope, node_get(object, "cluster"), NOUN_CLUSTER, &cluster) == -1)
		return -1;
	e = mem_push(&c->install.v, &c->install.n, sizeof(*e));
	e->kind = EDIT_OBJECT;
	e->pos.line = object->line;
	e->pos.col = object->col;
	e->mode = -1;
	e->not_yet = "object";
	c->install.bound = true;
	c->install.pos = e->pos;
	reserve(fr, node, "object", &c->not_yet, "object");
	return 0;
}

static int
read_cert_ca(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct cert *c)
{
	static const char *const of_ca[] = { "ca-dir", "issuer", "passphrase", NULL };
	const struct node *ca = node_get(node, "ca");
	char *s;
	size_t i;
	int other, rc;

	/* What a client shows is the servers' to verify. */
	if (ca == NULL)
		return c->external && node_get(node, "purpose") == NULL ? reader_fail(&fr->r, node,
		    "the external certificate '%s' has no CA, expected 'ca: /path/ca.pem' or 'ca: system'",
		    c->name) : 0;
	if (reader_string(&fr->r, scope, ca, "a CA", &s) == -1)
		return -1;
	if (c->external) {
		if (strcmp(s, "system") == 0) {
			c->ca_file = s;
			return 0;
		}
		free(s);
		return reader_path(&fr->r, scope, ca, NULL, true, &c->ca_file);
	}
	/* A leaf under the CA of another certificate. */
	rc = noun_find(&fr->r, fr->f, NOUN_CERT, ca->line, ca->col, s, &other);
	free(s);
	if (rc == -1)
		return -1;
	for (i = 0; of_ca[i] != NULL; i++)
		if (node_get(node, of_ca[i]) != NULL)
			return reader_fail(&fr->r, node_get(node, of_ca[i]), "'%s' beside 'ca: %s', expected it there: it is "
			    "that one's CA that signs", of_ca[i], fr->f->certs[other].name);
	c->under_other = true;
	c->other = other;
	return 0;
}

/* issuer: a CA that is somebody else's. */
static int
read_cert_issuer(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct cert *c)
{
	static const char *const keys[] = { "ca", "key", "import", "run", "in", "deadline", NULL };
	const struct node *issuer = node_get(node, "issuer"), *key, *run, *v;
	bool import = false;

	if (issuer == NULL)
		return 0;
	if (reader_keys(&fr->r, issuer, "an issuer", keys) == -1 ||
	    opt_path(fr, scope, issuer, "ca", true, &c->issuer_ca) == -1 ||
	    opt_path(fr, scope, issuer, "key", true, &c->issuer_key) == -1 ||
	    opt_bool(fr, scope, issuer, "import", &import) == -1 ||
	    opt_path(fr, scope, issuer, "in", true, &c->issuer_in) == -1)
		return -1;
	key = node_get(issuer, "key");
	run = node_get(issuer, "run");
	if (c->issuer_ca == NULL)
		return reader_fail(&fr->r, issuer, "an issuer without its certificate, expected 'ca: /path/ca.pem' there");
	if ((key == NULL) == (run == NULL))
		return reader_fail(&fr->r, issuer, "an issuer with %s, expected one of them",
		    key == NULL ? "neither 'key' nor 'run'" : "both 'key' and 'run'");
	if (run == NULL && (node_get(issuer, "in") != NULL || node_get(issuer, "deadline") != NULL))
		return reader_fail(&fr->r, issuer, "'in' or 'deadline' of an issuer without 'run', expected neither");
	if (key == NULL && node_get(issuer, "import") != NULL)
		return reader_fail(&fr->r, issuer, "'import' of an issuer without 'key', expected none");
	if (!c->external && node_get(node, "ca") != NULL)
		return reader_fail(&fr->r, issuer, "'issuer' beside 'ca', expected one of them");
	c->issuer = run != NULL ? ISSUER_COMMAND : import ? ISSUER_IMPORTED : ISSUER_GIVEN;
	c->issuer_deadline_ms = INT64_C(60000);
	if ((v = node_get(issuer, "deadline")) != NULL && reader_deadline(&fr->r, scope, v, &c->issuer_deadline_ms) == -1)
		return -1;
	if (run == NULL)
		return 0;
	/* A list is its words; one line is for a shell. */
	if (run->kind != NODE_SEQUENCE) {
		strings_push(&c->issuer_run, mem_strdup("/bin/sh"));
		strings_push(&c->issuer_run, mem_strdup("-c"));
	}
	if (reader_strings(&fr->r, scope, run, "a command, or the list of its words", &c->issuer_run) == -1)
		return -1;
	return c->issuer_run.n <= ISSUER_WORDS_MAX ? 0 :
	    reader_fail(&fr->r, run, "a command of more than %d words", ISSUER_WORDS_MAX);
}

static int
read_cert_names(struct fleet_reader *fr, const struct scope *scope, const struct node *node,
    struct cert *c)
{
	const struct node *at;
	const char *name;
	size_t i;

	if (reader_strings(&fr->r, scope, node, "a host name, an address or '*.' and a name", &c->names) == -1)
		return -1;
	for (i = 0; i < c->names.n; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		name = c->names.v[i];
		if (reader_check_plain(&fr->r, at->line, at->col, "a host name, an address or '*.' and a name",
		    strncmp(name, "*.", 2) == 0 ? name + 2 : name, HOST_CHARACTERS) == -1)
			return -1;
	}
	return 0;
}

/* One that somebody else has issued for belay itself lies on the operator's machine, and stays there. */
static int
read_cert_pair(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct cert *c)
{
	const struct node *file = node_get(node, "file"), *key = node_get(node, "key-file");

	if (!c->external || !c->client)
		return file == NULL && key == NULL ? 0 : reader_fail(&fr->r, file != NULL ? file : key, "'%s' of a certificate %s, expected %s", file != NULL ? "file" : "key-file", c->external ? "of a server's" : "that is issued here",
		    c->external ? "'purpose: client' beside it" : "none: its key is kept, sealed, beside its CA");
	if (file == NULL || key == NULL)
		return reader_fail(&fr->r, node, "the external certificate '%s' of a client lies nowhere, expected 'file: …' and "
		    "'key-file: …' on this machine", c->name);
	return opt_path(fr, scope, node, "file", true, &c->pair_file) == -1 ||
	    opt_path(fr, scope, node, "key-file", true, &c->pair_key) == -1 ? -1 : 0;
}

/* What a client shows: it is known by one name, and serves nothing. */
static int
read_cert_client(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct cert *c)
{
	static const char *const purposes[] = { "server", "client", NULL };
	static const char *const of_servers[] = { "serves", "names", "dir", "key", "pair", NULL };
	const struct node *v = node_get(node, "purpose"), *subject = node_get(node, "subject");
	size_t i;
	int word = 0;

	if (v != NULL && reader_word(&fr->r, scope, v, "purpose", purposes, &word) == -1)
		return -1;
	c->client = word == 1;
	if (read_cert_pair(fr, scope, node, c) == -1)
		return -1;
	if (!c->client)
		return subject == NULL ? 0 : reader_fail(&fr->r, subject,
		    "'subject' of a server's certificate, expected 'names', or 'purpose: client' beside it");
	for (i = 0; of_servers[i] != NULL; i++)
		if ((v = node_get(node, of_servers[i])) != NULL)
			return reader_fail(&fr->r, v, "'%s' of a client's certificate, expected %s", of_servers[i],
			    i == 0 ? "none: it is shown by links ('present')" : i == 1 ? "'subject'" : "'install', or 'file' "
			    "and 'key-file' where a link presents it");
	if (subject == NULL)
		return 0;
	if (reader_string(&fr->r, scope, subject, "the name of a client, as its role", &c->subject) == -1)
		return -1;
	for (i = 0; c->subject[i] >= ' ' && c->subject[i] <= '~'; i++)
		continue;
	return c->subject[i] == '\0' && i > 0 && i <= CERT_SUBJECT_MAX ? 0 : reader_fail(&fr->r, subject,
	    "'%s', expected the name of a client in at most %d printable characters of ASCII", c->subject, CERT_SUBJECT_MAX);
}

static bool
is_own(const struct node *node, const char *key)
{
	/* A CA is whose it is: what comes after it has another. */
	static const char *const never[] = { "after", "for", "external", "ca", "issuer", "ca-dir", NULL };
	size_t i;

	for (i = 0; never[i] != NULL; i++)
		if (strcmp(key, never[i]) == 0)
			return true;
	return node_entry(node, key) != NULL;
}

/*
 * after: the places of another certificate, under a CA of its own.  *ret is the mapping with
 * what it does not say itself, in `entries` of its own; all else in it is borrowed.
 */
static int
read_cert_after(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct cert *c,
    struct node *ret)
{
	const struct fleet *f = fr->f;
	const struct node *after = node_get(node, "after"), *from;
	int at;
	size_t i;

	*ret = *node;
	ret->entries = mem_array(node->n + 1, sizeof(*ret->entries));
	if (node->n > 0)
		memcpy(ret->entries, node->entries, node->n * sizeof(*ret->entries));
	if (after == NULL)
		return 0;
	if (read_ref(fr, scope, after, NOUN_CERT, &c->after) == -1)
		return -1;
	at = c->after;
	if (fr->cert_nodes[at] == NULL) {
		c->after = NONE;
		return reader_fail(&fr->r, after, "'%s' is declared %s, expected above it what it comes after",
		    f->certs[at].name, &f->certs[at] == c ? "by this" : "further down");
	}
	if (f->certs[at].external || c->external)
		return reader_fail(&fr->r, after, "'%s' is external: watched only, so that nothing of ours comes after it",
		    f->certs[at].external ? f->certs[at].name : c->name);
	for (; at != NONE; at = f->certs[at].after) {
		from = fr->cert_nodes[at];
		for (i = 0; i < from->n; i++)
			if (!is_own(ret, from->entries[i].key)) {
				ret->entries = mem_resize(ret->entries, ret->n + 1, sizeof(*ret->entries));
				ret->entries[ret->n++] = from->entries[i];
			}
	}
	return 0;
}

static int
read_cert_body(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct cert *c)
{
	static const char *const keys[] = {
		"after", "profile", "leaf", "warn", "serves", "external", "ca", "issuer", "ca-dir", "passphrase", "purpose", "subject",
		"file", "key-file", "dir", "key", "pair", "install", "put", "version", "undo", "object",
		"lands", "names", "for", NULL
	};
	static const char *const profiles[] = { "ecdsa-p256", "rsa-4096", NULL };
	static const char *const lands[] = { "activation", NULL };
	static const char *const ours[] = {
		"profile", "leaf", "dir", "key", "pair", "install", "put", "object", "lands", "ca-dir", "issuer",
		"passphrase", "subject", NULL
	};
	struct indices hosts = { 0 };
	struct bind b = {
		.fr = fr, .scope = scope, .owner = c->name, .owner_host = NONE,
		.hosts = &hosts, .run_time = cert_run_time,
	};
	const struct node *v;
	size_t k;
	int word, rc = -1;

	c->leaf_ms = INT64_C(90) * 86400000;
	c->warn_ms = INT64_C(30) * 86400000;
	if (reader_keys(&fr->r, node, "a certificate", keys) == -1 ||
	    opt_duration(fr, scope, node, "leaf", &c->leaf_ms) == -1 ||
	    opt_duration(fr, scope, node, "warn", &c->warn_ms) == -1 ||
	    opt_bool(fr, scope, node, "external", &c->external) == -1 ||
	    opt_path(fr, scope, node, "ca-dir", true, &c->ca_dir) == -1 ||
	    opt_ref(fr, scope, node, "passphrase", NOUN_SECRET, &c->passphrase) == -1 ||
	    read_cert_ca(fr, scope, node, c) == -1 ||
	    read_cert_issuer(fr, scope, node, c) == -1)
		return -1;
	for (k = 0; c->external && ours[k] != NULL; k++)
		if (node_entry(node, ours[k]) != NULL)
			return reader_fail_at(&fr->r, node_entry(node, ours[k])->line,
			    node_entry(node, ours[k])->col,
			    "'%s' of an external certificate, expected none: it is watched only", ours[k]);
	if ((v = node_get(node, "profile")) != NULL &&
	    reader_word(&fr->r, scope, v, "profile", profiles, &word) == -1)
		return -1;
	c->profile = mem_strdup(v == NULL ? profiles[0] : profiles[word]);
	/* Its key costs a server more; it is issued for longer. */
	if (strcmp(c->profile, "rsa-4096") == 0 && node_get(node, "leaf") == NULL)
		c->leaf_ms = INT64_C(3 * 365) * 86400000;
	if (read_cert_client(fr, scope, node, c) == -1)
		return -1;
	if ((v = node_get(node, "lands")) != NULL) {
		if (reader_word(&fr->r, scope, v, "moment:", lands, &word) == -1)
			return -1;
		c->lands_at_activation = true;
	}
	if ((v = node_get(node, "names")) != NULL && read_cert_names(fr, scope, v, c) == -1)
		return -1;
	if ((v = node_get(node, "serves")) != NULL &&
	    read_serves(fr, scope, v, &c->serves) == -1)
		return -1;
	for (k = 0; k < c->serves.n; k++)
		if (fr->f->endpoints[c->serves.v[k]].host != NONE)
			indices_add(&hosts, fr->f->endpoints[c->serves.v[k]].host);
	if (read_cert_dir(fr, scope, node, c, &hosts) == -1 ||
	    read_cert_put(fr, &b, node, c) == -1 ||
	    read_cert_object(fr, scope, node, c) == -1)
		goto out;
	if ((v = node_get(node, "install")) != NULL && bind_value(&b, v, &c->install) == -1)
		goto out;
	for (k = 0; k < c->install.n; k++)
		if (c->install.v[k].not_yet != NULL)
			c->not_yet = c->install.v[k].not_yet;
	rc = 0;
out:
	free(hosts.v);
	return rc;
}

int
read_cert(struct fleet_reader *fr, const struct scope *scope, const struct node *node, size_t i)
{
	struct cert *c = &fr->f->certs[i];
	struct node merged;
	int rc;

	c->passphrase = c->after = NONE;
	if (reader_is(&fr->r, node, NODE_MAPPING, "a certificate: { serves: … }") == -1)
		return -1;
	if (fr->cert_nodes == NULL)
		fr->cert_nodes = mem_array(fr->f->ncerts, sizeof(*fr->cert_nodes));
	rc = read_cert_after(fr, scope, node, c, &merged);
	if (rc == 0)
		rc = read_cert_body(fr, scope, &merged, c);
	free(merged.entries);
	fr->cert_nodes[i] = node;
	return rc;
}
