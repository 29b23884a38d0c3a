/*
 * fleet_facet: what an endpoint accepts and how a link dials: a binding for each value, one form
 * for all of them, or no binding at all (follows, fixed, assume).  What stands in a binding is
 * fleet_bind.c's.
 */
#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/fleet_read.h"

/* What is said once for all values of a facet. */
static int
read_defaults(struct bind *b, const struct node *node)
{
	struct reader *r = &b->fr->r;
	struct bedit probe = { 0 };
	const struct node *v;

	if ((v = node_get(node, "file")) != NULL && v->kind == NODE_SCALAR &&
	    reader_path(r, b->scope, v, NULL, false, &b->file) == -1)
		return -1;
	if ((v = node_get(node, "in")) != NULL &&
	    reader_path(r, b->scope, v, NULL, false, &b->in) == -1)
		return -1;
	if ((v = node_get(node, "on")) != NULL &&
	    (bind_check_on(b, v) == -1 || read_hosts(b->fr, b->scope, v, &b->on) == -1))
		return -1;
	if (opt_plain(b->fr, b->scope, node, "become", "the name of a user", USER_CHARACTERS, &b->become) == -1)
		return -1;
	if (bind_write(b, node, &probe) == -1)
		return -1;
	b->in_place = probe.in_place;
	return 0;
}

static void
release_defaults(struct bind *b)
{
	free(b->file);
	free(b->in);
	free(b->become);
	free(b->on.v);
}

static bool
has_edits(const struct node *node)
{
	size_t i;

	if (node->kind == NODE_SEQUENCE)
		return true;
	for (i = 0; i < node->n; i++)
		if (bind_makes_edit(&node->entries[i]) ||
		    strcmp(node->entries[i].key, "implies") == 0)
			return true;
	return false;
}

/*
 * A facet: per value, in one form for all values, or both (the form is then
 * for the values that are not named).  `values` are all that it could have,
 * `general` says which of them the one form stands for.
 */
static int
read_facet(struct bind *b, const struct node *node, const char *what,
    const char *const values[], const bool general[], bool name_value,
    struct binding bindings[])
{
	const char *keys[BIND_KEYS_MAX + DIAL_COUNT + 1];
	struct reader *r = &b->fr->r;
	const struct scope *outer = b->scope;
	const struct node *v;
	size_t i, n = 0;
	bool form;
	int rc = 0;

	for (i = 0; values[i] != NULL; i++)
		keys[n++] = values[i];
	for (i = 0; bind_value_keys[i] != NULL; i++)
		keys[n++] = bind_value_keys[i];
	keys[n] = NULL;
	if (node->kind != NODE_SEQUENCE && reader_keys(r, node, what, keys) == -1)
		return -1;
	if (node->kind == NODE_MAPPING && read_defaults(b, node) == -1)
		return -1;
	form = has_edits(node);
	for (i = 0; values[i] != NULL && rc == 0; i++) {
		b->value = (int)i;
		if (name_value)
			b->scope = reader_bind(r, outer, "accept", values[i]);
		v = node_get(node, values[i]);
		if (v != NULL)
			rc = bind_value(b, v, &bindings[i]);
		else if (form && general[i]) {
			bindings[i].bound = true;
			bindings[i].pos.line = node->line;
			bindings[i].pos.col = node->col;
			rc = node->kind == NODE_SEQUENCE ?
			    bind_value(b, node, &bindings[i]) :
			    bind_edits(b, node, &bindings[i]);
		}
		b->scope = outer;
	}
	for (i = 0; values[i] != NULL; i++)
		if (bindings[i].bound)
			return rc;
	return rc == -1 ? -1 : reader_fail(r, node,
	    "%s without a value, expected one of its values, or 'set' for all of them", what);
}

int
bind_accept(struct fleet_reader *fr, const struct scope *scope, int endpoint,
    const struct node *node)
{
	static const char *const run_time[] = { "step", "client_ca.pem", "client_ca.b64", NULL };
	static const bool general[] = { true, true, true, false };
	struct endpoint *e = &fr->f->endpoints[endpoint];
	struct bind b = {
		.fr = fr, .scope = scope, .owner = e->name, .owner_host = e->host,
		.run_time = run_time, .managed = e->managed != NULL,
		.has_kind = true, .kind = e->kind, .endpoint = &endpoint, .auth = e->auth, .of_facet = true,
	};
	int rc;

	rc = read_facet(&b, node, "accept", accept_words, general, true, e->accept);
	release_defaults(&b);
	return rc;
}

/* The link that moves it, on its own host where the name stands for several. */
static int
read_follows(struct fleet_reader *fr, const struct scope *scope, const struct node *node, struct link *link)
{
	struct indices links = { 0 };
	char *name;
	int rc;

	if (reader_string(&fr->r, scope, node, "the name of a link", &name) == -1)
		return -1;
	rc = links_find(&fr->r, fr->f, link_host(fr->f, link), node->line, node->col, name, &links);
	if (rc == 0 && links.n == 1)
		link->follows = links.v[0];
	else if (rc == 0)	/* it dials one value, and these may differ for a while */
		rc = noun_find(&fr->r, fr->f, NOUN_LINK, node->line, node->col, name, &link->follows);
	free(name);
	free(links.v);
	return rc;
}

/* follows, fixed, assume: a dial that no step moves. */
static int
read_unmoved(struct fleet_reader *fr, const struct scope *scope, struct link *link,
    const struct node *node)
{
	static const char *const words[] = { "follows", "fixed", NULL };
	const struct node *v;
	int word;

	link->follows = NONE;
	if (node->kind == NODE_SCALAR) {
		if (reader_word(&fr->r, scope, node, "way to dial:", words, &word) == -1)
			return -1;
		link->how = word == 0 ? DIAL_FOLLOWS : DIAL_FIXED;
		return 0;
	}
	if (node->n != 1)
		return reader_fail(&fr->r, node,
		    "'follows', 'fixed' or 'assume' beside something else, expected it alone");
	if ((v = node_get(node, "follows")) != NULL) {
		link->how = DIAL_FOLLOWS;
		return read_follows(fr, scope, v, link);
	}
	if ((v = node_get(node, "fixed")) != NULL)
		link->how = DIAL_FIXED;
	else {
		v = node_get(node, "assume");
		link->how = DIAL_ASSUMED;
	}
	if (reader_word(&fr->r, scope, v, "dial", dial_words, &word) == -1)
		return -1;
	link->assumed = (enum dial)word;
	return 0;
}

int
dial_unspelt(struct fleet_reader *fr, int line, int col, const struct link *link, enum dial dial)
{
	const char *words[DIAL_COUNT + 1];
	size_t n = 0;
	char *expected;
	enum dial i;

	for (i = DIAL_DISABLE; i < DIAL_COUNT; i++)
		if (dialect_spelling(link->dialect, i, NULL) != NULL)
			words[n++] = dial_words[i];
	words[n] = NULL;
	expected = words_joined(words);
	(void)reader_fail_at(&fr->r, line, col, "'%s' of a %s client ('%s'), expected one of: %s",
	    dial_word(dial), link->dialect == dialect_of_kind(fr->f->endpoints[link->endpoint].kind) ?
	    kind_word(fr->f->endpoints[link->endpoint].kind) : dialect_word(link->dialect),
	    link->name, expected);
	free(expected);
	return -1;
}

int
bind_dial(struct fleet_reader *fr, const struct scope *scope, int index,
    const struct node *node)
{
	static const char *const with_ca[] = { "dial", "step", "ca_file", NULL };
	static const char *const without_ca[] = { "dial", "step", NULL };
	struct link *link = &fr->f->links[index];
	bool general[DIAL_COUNT];
	struct bind b = {
		.fr = fr, .scope = scope, .owner = link->name,
		.owner_host = fr->f->clients[link->client].host,
		.run_time = link->trust_file != NULL ? with_ca : without_ca,
		.dialect = link->dialect, .several = fr->f->clients[link->client].of != NULL, .of_facet = true,
	};
	const struct entry *e;
	enum dial i;
	int rc;

	link->how = DIAL_BOUND;
	link->follows = NONE;
	link->assumed = DIAL_UNKNOWN;
	if (node->kind == NODE_SCALAR || node_get(node, "follows") != NULL ||
	    node_get(node, "fixed") != NULL || node_get(node, "assume") != NULL)
		return read_unmoved(fr, scope, link, node);
	for (i = DIAL_DISABLE; i < DIAL_COUNT; i++) {
		general[i] = dialect_spelling(link->dialect, i, NULL) != NULL;
		if (!general[i] && (e = node_entry(node, dial_words[i])) != NULL)
			return dial_unspelt(fr, e->line, e->col, link, i);
	}
	rc = read_facet(&b, node, "dial", dial_words, general, false, link->dial);
	release_defaults(&b);
	return rc;
}
