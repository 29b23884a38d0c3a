/*
 * fleet_bind: bindings, the edits that a facet's value stands for.
 *
 * Owns what may stand in a binding, and wherever else a
 * file or a command is named: env, file and command here, conf, block and url in
 * fleet_edit.c; object and helm are read, their keys and shapes checked,
 * and noted as not yet.
 *
 * Invariants of an edit without not_yet: it has a host (`on`, or its owner's);
 * its path is absolute; a variable is set or unset, never both; a command has
 * a way back (undo, the files that it touches, what was observed before), or says that
 * it changes nothing (read-only).
 */
#include "core/attempt.h"
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define SET_VALUE_MAX 4096	/* of what a command finds in its environment */

static const char *const write_words[] = { "rename", "in-place", NULL };

const char *const bind_value_keys[BIND_KEYS_MAX + 1] = {
	"file", "set", "unset", "run", "undo", "observe", "expect", "value", "in", "on",
	"write", "become", "touches", "stdin", "read-only", "idempotent", "deadline", "implies",
	"env", "command", "conf", "block", "url", "setting", "object", "helm",
	NULL
};
static const char *const env_keys[] = { "file", "set", "unset", "on", "write", "become", NULL };
static const char *const file_keys[] = {
	"path", "file", "content", "remove", "mode", "owner", "write", "on", "become", NULL
};
static const char *const command_keys[] = {
	"run", "undo", "observe", "expect", "value", "in", "on", "touches", "stdin", "read-only",
	"idempotent", "deadline", "become", NULL
};
/* Those that mean nothing without run. */
static const char *const command_only_keys[] = {
	"undo", "observe", "expect", "value", "touches", "stdin", "read-only", "idempotent",
	"deadline", NULL
};

static const struct shape object_shape[] = {
	{ "cluster", SHAPE_STRING, false, NULL }, { "deployment", SHAPE_STRING, false, NULL },
	{ "statefulset", SHAPE_STRING, false, NULL }, { "service", SHAPE_STRING, false, NULL },
	{ "configmap", SHAPE_STRING, false, NULL }, { "secret", SHAPE_STRING, false, NULL },
	{ "container", SHAPE_STRING, false, NULL }, { "type", SHAPE_STRING, false, NULL },
	{ "keys", SHAPE_PAIRS, false, NULL }, { "merge", SHAPE_STRING, false, NULL },
	{ "remove", SHAPE_STRING, false, NULL }, { "args", SHAPE_STRINGS, false, NULL },
	{ "env", SHAPE_PAIRS, false, NULL }, { "data", SHAPE_PAIRS, false, NULL },
	{ "ports", SHAPE_PAIRS, false, NULL }, { "probes", SHAPE_PAIRS, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};
static const struct shape helm_shape[] = {
	{ "release", SHAPE_STRING, false, NULL }, { "chart", SHAPE_STRING, false, NULL },
	{ "set", SHAPE_PAIRS, false, NULL }, { "unset", SHAPE_STRINGS, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};

/* Kinds of edit that are read and not built. */
static const struct {
	enum edit_kind kind;
	const char *what;
	const struct shape *shape;
} reserved[] = {
	{ EDIT_OBJECT, "an object edit", object_shape },
	{ EDIT_HELM, "a helm edit", helm_shape },
};

/* Kinds that edit by name. */
static const struct {
	enum edit_kind kind;
	int	(*read)(struct bind *, const struct node *, struct bedit *);
} by_name[] = {
	{ EDIT_CONF, bind_conf },
	{ EDIT_BLOCK, bind_block },
	{ EDIT_URL, bind_url },
	{ EDIT_SETTING, bind_setting },
};

static bool
is_one_of(const char *const words[], const char *word)
{
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static struct bedit *
push_edit(struct binding *b, enum edit_kind kind, int line, int col)
{
	struct bedit *e = mem_push(&b->v, &b->n, sizeof(*e));

	e->kind = kind;
	e->pos.line = line;
	e->pos.col = col;
	e->mode = -1;
	e->endpoint = NONE;
	return e;
}

int
bind_check_on(struct bind *b, const struct node *on)
{
	return !b->several ? 0 : reader_fail(&b->fr->r, on,
	    "'on' at a client that runs on several hosts ('%s'), expected none: each edit is made on each of them",
	    b->owner);
}

static void
copy_hosts(struct indices *to, const struct indices *from)
{
	size_t i;

	for (i = 0; i < from->n; i++)
		indices_add(to, from->v[i]);
}

/* As whom: its own `become`, the facet's; on each host at a place of that user's. */
static int
bind_become(struct bind *b, const struct node *node, struct bedit *e)
{
	char *own = NULL;
	const char *user;
	size_t i;

	if (opt_plain(b->fr, b->scope, node, "become", "the name of a user", USER_CHARACTERS, &own) == -1)
		return -1;
	user = own != NULL ? own : b->become;
	if (user == NULL || e->not_yet != NULL) {
		free(own);
		return 0;
	}
	if (e->on.n == 0 && b->owner_host != NONE)
		indices_add(&e->on, b->owner_host);
	for (i = 0; i < e->on.n; i++)
		e->on.v[i] = fleet_host_as(b->fr->f, e->on.v[i], user);
	free(own);
	return e->on.n > 0 ? 0 : reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
	    "'become' without a host, expected 'on: HOST' beside it");
}

/* Where the edit goes: its own `on`, the facet's, the owner's. */
int
bind_place(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *on = node_get(node, "on");

	if (on != NULL && (bind_check_on(b, on) == -1 || read_hosts(b->fr, b->scope, on, &e->on) == -1))
		return -1;
	if (e->on.n == 0)
		copy_hosts(&e->on, &b->on);
	if (e->on.n == 0 && b->hosts != NULL)
		copy_hosts(&e->on, b->hosts);
	if (e->on.n == 0 && b->owner_host == NONE && e->not_yet == NULL)
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "'%s' has no host of its own, expected 'on: HOST' here or a unit with a host there",
		    b->owner);
	return bind_become(b, node, e);
}

int
bind_write(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *write = node_get(node, "write");
	int word;

	e->in_place = b->in_place;
	if (write == NULL)
		return 0;
	if (reader_word(&b->fr->r, b->scope, write, "way to write:", write_words, &word) == -1)
		return -1;
	e->in_place = word == 1;
	return 0;
}

static int
check_variable(struct reader *r, int line, int col, const char *name)
{
	static const char first[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";

	if (*name == '\0' || strchr(first, *name) == NULL ||
	    strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789") != strlen(name))
		return reader_fail_at(r, line, col,
		    "'%s', expected the name of a variable: letters, digits and '_'", name);
	return 0;
}

static int
read_env(struct bind *b, const struct node *node, struct bedit *e)
{
	struct reader *r = &b->fr->r;
	const struct node *file = node_get(node, "file");
	const struct node *set = node_get(node, "set");
	const struct node *unset = node_get(node, "unset");
	size_t i;

	if (set == NULL && unset == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a file without a change, expected 'set: { NAME: value }' or 'unset: [NAME]'");
	if (file != NULL && file->kind == NODE_SCALAR) {
		if (reader_path(r, b->scope, file, NULL, false, &e->file) == -1)
			return -1;
	} else if (b->file != NULL)
		e->file = mem_strdup(b->file);
	else
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "'set' or 'unset' without a file, expected 'file: /path' beside it");
	if (set != NULL &&
	    reader_pairs(r, b->scope, set, "'{ NAME: value }'", b->run_time, &e->set) == -1)
		return -1;
	if (unset != NULL &&
	    reader_strings(r, b->scope, unset, "'[NAME]'", &e->unset) == -1)
		return -1;
	for (i = 0; i < e->set.n; i++) {
		if (check_variable(r, e->set.v[i].pos.line, e->set.v[i].pos.col,
		    e->set.v[i].key) == -1)
			return -1;
		if (reader_has_foreign(e->set.v[i].value, b->run_time))
			return reader_fail_at(r, e->set.v[i].pos.line,
			    e->set.v[i].pos.col,
			    "the value of '%s' has a '$(' that is no name, expected none",
			    e->set.v[i].key);
		if (strpbrk(e->set.v[i].value, "\r\n") != NULL)
			return reader_fail_at(r, e->set.v[i].pos.line,
			    e->set.v[i].pos.col,
			    "the value of '%s' has several lines, expected one",
			    e->set.v[i].key);
		if (strings_has(&e->unset, e->set.v[i].key))
			return reader_fail_at(r, e->set.v[i].pos.line,
			    e->set.v[i].pos.col,
			    "'%s' is set and unset, expected one of them",
			    e->set.v[i].key);
	}
	for (i = 0; i < e->unset.n; i++)
		if (check_variable(r, unset->line, unset->col, e->unset.v[i]) == -1)
			return -1;
	return bind_write(b, node, e) == -1 || bind_place(b, node, e) == -1 ? -1 : 0;
}

static int
read_file(struct bind *b, const struct node *node, struct bedit *e)
{
	struct reader *r = &b->fr->r;
	const struct node *path = node_get(node, "path"), *v;

	if (path == NULL)
		path = node_get(node, "file");
	else if (node_get(node, "file") != NULL)
		return reader_fail(r, node, "'path' and 'file', expected one of them");
	if (path == NULL)
		return reader_fail(r, node, "a file edit without 'path', expected 'path: /…'");
	if (reader_path(r, b->scope, path, NULL, false, &e->file) == -1)
		return -1;
	if ((v = node_get(node, "remove")) != NULL &&
	    reader_bool(r, b->scope, v, &e->remove) == -1)
		return -1;
	if ((v = node_get(node, "content")) != NULL &&
	    reader_text(r, b->scope, v, "the content of the file", b->run_time, &e->content) == -1)
		return -1;
	if (e->remove == (v != NULL))
		return reader_fail(r, node, e->remove ?
		    "'remove' and 'content', expected one of them" :
		    "a file edit without 'content', expected it, or 'remove: yes'");
	if (e->content != NULL && reader_has_foreign(e->content, b->run_time))
		return reader_fail(r, v, "the content has a '$(' that is no name, expected none");
	if ((v = node_get(node, "mode")) != NULL &&
	    reader_mode(r, b->scope, v, &e->mode) == -1)
		return -1;
	if ((v = node_get(node, "owner")) != NULL &&
	    reader_owner(r, b->scope, v, &e->owner) == -1)
		return -1;
	return bind_write(b, node, e) == -1 || bind_place(b, node, e) == -1 ? -1 : 0;
}

static int
read_line(struct bind *b, const struct node *node, const char *key, char **ret)
{
	const struct node *v = node_get(node, key);
	char *s;

	if (v == NULL)
		return 0;
	if (reader_text(&b->fr->r, b->scope, v, "a command", b->run_time, &s) == -1)
		return -1;
	if (*s == '\0') {
		free(s);
		return reader_fail(&b->fr->r, v, "nothing, expected a command");
	}
	*ret = s;
	return 0;
}

/* The files that belay keeps before the command, and puts back. */
static int
bind_touches(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *v = node_get(node, "touches"), *at;
	size_t i, k;

	if (v == NULL)
		return 0;
	if (reader_strings(&b->fr->r, b->scope, v, "the path of a file", &e->touches) == -1)
		return -1;
	if (e->touches.n > EDIT_TOUCHES_MAX)
		return reader_fail(&b->fr->r, v, "%zu files, expected at most %d", e->touches.n, EDIT_TOUCHES_MAX);
	for (i = 0; i < e->touches.n; i++) {
		const char *path = e->touches.v[i];

		at = v->kind == NODE_SEQUENCE ? v->items[i] : v;
		if (*path != '/' || strpbrk(path, "\r\n") != NULL || path[strlen(path) - 1] == '/')
			return reader_fail(&b->fr->r, at, "'%s', expected the absolute path of a file", path);
		for (k = 0; k < i; k++)
			if (strcmp(path, e->touches.v[k]) == 0)
				return reader_fail(&b->fr->r, at, "'%s' stands there twice, expected it once", path);
	}
	return 0;
}

/* What the command reads: an object in JSON, of these names and values. */
static int
bind_stdin(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *v = node_get(node, "stdin");
	size_t i;

	if (v == NULL)
		return 0;
	if (reader_pairs(&b->fr->r, b->scope, v, "'{ NAME: value }'", b->run_time, &e->set) == -1)
		return -1;
	for (i = 0; i < e->set.n; i++)
		if (reader_has_foreign(e->set.v[i].value, b->run_time))
			return reader_fail_at(&b->fr->r, e->set.v[i].pos.line, e->set.v[i].pos.col,
			    "the value of '%s' has a '$(' that is no name, expected none", e->set.v[i].key);
	return 0;
}

/* What the command is to set, in its environment: one that takes any value undoes itself. */
static int
read_value(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *v = node_get(node, "value");
	const char *beside = e->undo != NULL ? "undo" : e->touches.n > 0 ? "touches" : e->read_only ? "read-only" :
	    e->expect != NULL ? "expect" : e->set.n > 0 ? "stdin" : NULL;

	e->by_value = e->observe != NULL && e->undo == NULL && e->touches.n == 0 && !e->read_only;
	if (v == NULL)
		return e->by_value && e->set.n > 0 ? reader_fail(&b->fr->r, node_get(node, "stdin"),
		    "'stdin' of a command that is undone by value, expected 'undo: …' beside it: the way back reads nothing") : 0;
	if (e->observe == NULL)
		return reader_fail(&b->fr->r, v, "'value' without 'observe', expected the command that prints what it is");
	if (beside != NULL)
		return reader_fail(&b->fr->r, v, "'value' and '%s', expected one of them", beside);
	if (reader_text(&b->fr->r, b->scope, v, "what the command is to set", b->run_time, &e->value) == -1)
		return -1;
	if (reader_has_foreign(e->value, b->run_time))
		return reader_fail(&b->fr->r, v, "the value has a '$(' that is no name, expected none");
	if (e->value[0] == '\0' || strchr(e->value, '\n') != NULL || strlen(e->value) > SET_VALUE_MAX)
		return reader_fail(&b->fr->r, v, "expected a value of one line, of at most %d bytes", SET_VALUE_MAX);
	return 0;
}

static int
read_command(struct bind *b, const struct node *node, struct bedit *e)
{
	struct reader *r = &b->fr->r;
	const struct node *v;

	e->idempotent = true;
	e->deadline_ms = 120000;
	if (node_get(node, "run") == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a command without 'run', expected 'run: …'");
	if (read_line(b, node, "run", &e->run) == -1 ||
	    read_line(b, node, "undo", &e->undo) == -1 ||
	    read_line(b, node, "observe", &e->observe) == -1)
		return -1;
	if ((v = node_get(node, "expect")) != NULL &&
	    reader_text(r, b->scope, v, "what the command's output contains", b->run_time, &e->expect) == -1)
		return -1;
	if ((v = node_get(node, "in")) != NULL) {
		if (reader_path(r, b->scope, v, NULL, false, &e->in) == -1)
			return -1;
	} else if (b->in != NULL)
		e->in = mem_strdup(b->in);
	if (bind_touches(b, node, e) == -1 || bind_stdin(b, node, e) == -1)
		return -1;
	if ((v = node_get(node, "read-only")) != NULL &&
	    reader_bool(r, b->scope, v, &e->read_only) == -1)
		return -1;
	if ((v = node_get(node, "idempotent")) != NULL &&
	    reader_bool(r, b->scope, v, &e->idempotent) == -1)
		return -1;
	if ((v = node_get(node, "deadline")) != NULL &&
	    reader_deadline(r, b->scope, v, &e->deadline_ms) == -1)
		return -1;
	if (b->managed) {
		e->not_yet = "a command that is undone by value";
		reader_not_yet(r, e->pos.line, e->pos.col, "command");
	}
	return read_value(b, node, e);
}

int
bind_check_way_back(struct bind *b, const struct bedit *e)
{
	if (e->read_only && e->touches.n > 0)
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "'read-only' and 'touches', expected one of them");
	if (e->read_only && e->undo != NULL)
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "'read-only' and 'undo', expected one of them");
	if (e->undo != NULL || e->touches.n > 0 || e->read_only || e->not_yet != NULL || e->value != NULL)
		return 0;
	if (!e->by_value)
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "a command without a way back, expected 'undo: …', 'touches: [FILE]', 'read-only: yes' or "
		    "'observe: …' with 'value: …'");
	/* Only of a facet is there an earlier value. */
	return b->of_facet ? 0 : reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
	    "a command that is observed and not undone, expected 'undo: …', or 'value: …' that it takes from BELAY_VALUE");
}

int
bind_command(struct bind *b, const struct node *node, const char *what,
    const char *const keys[], struct bedit *e)
{
	e->kind = EDIT_RUN;
	e->mode = -1;
	e->endpoint = NONE;
	e->pos.line = node->line;
	e->pos.col = node->col;
	if (reader_keys(&b->fr->r, node, what, keys) == -1 ||
	    read_command(b, node, e) == -1)
		return -1;
	return 0;
}

void
bind_file(struct binding *binding, const struct node *at, const char *path,
    const char *content, int mode, const char *owner, const struct indices *on)
{
	struct bedit *e = push_edit(binding, EDIT_FILE, at->line, at->col);

	e->file = mem_strdup(path);
	e->content = mem_strdup(content);
	e->mode = mode;
	e->owner = mem_strdup(owner);
	if (on != NULL)
		copy_hosts(&e->on, on);
}

bool
binding_mentions(const struct binding *b, const char *stem)
{
	char *open = mem_printf("$(%s.", stem);
	bool does = false;
	size_t i, k;

	for (i = 0; i < b->n && !does; i++) {
		does = b->v[i].content != NULL && strstr(b->v[i].content, open) != NULL;
		for (k = 0; k < b->v[i].set.n && !does; k++)
			does = strstr(b->v[i].set.v[k].value, open) != NULL;
		does = does || (b->v[i].run != NULL && strstr(b->v[i].run, open) != NULL);
	}
	free(open);
	return does;
}

static int
read_implies(struct bind *b, const struct node *node, struct binding *ret)
{
	struct reader *r = &b->fr->r;
	const struct entry *entry;
	struct indices links = { 0 };
	struct implied *implied;
	char *name;
	size_t i, k;
	int word, rc = 0;

	if (reader_is(r, node, NODE_MAPPING, "'implies: { \"client -> endpoint\": value }'") == -1)
		return -1;
	for (i = 0; i < node->n && rc == 0; i++) {
		entry = &node->entries[i];
		if ((rc = reader_fill(r, b->scope, entry->line, entry->col, entry->key, NULL, &name)) == -1)
			break;
		/* What a part writes on its host moves what runs there. */
		links.n = 0;
		rc = links_find(r, b->fr->f, b->several ? b->owner_host : NONE, entry->line, entry->col, name, &links);
		free(name);
		if (rc == 0)
			rc = reader_word(r, b->scope, entry->value, "dial", dial_words, &word);
		for (k = 0; k < links.n && rc == 0; k++) {
			implied = mem_push(&ret->implies, &ret->nimplies, sizeof(*implied));
			implied->link = links.v[k];
			implied->dial = (enum dial)word;
		}
	}
	free(links.v);
	return rc;
}

/* Parameters of a URL that the link's driver takes for an error. */
static int
check_query(struct bind *b, const struct node *node)
{
	const struct node *query = node_get(node, "query");
	const char *instead;
	size_t i;

	for (i = 0; query != NULL && query->kind == NODE_MAPPING && i < query->n; i++)
		if ((instead = dialect_rejects(b->dialect, query->entries[i].key)) != NULL)
			return reader_fail_at(&b->fr->r, query->entries[i].line, query->entries[i].col,
			    "%s takes no '%s', expected %s", dialect_word(b->dialect),
			    query->entries[i].key, instead);
	return 0;
}

/* An edit written as `kind: { … }`. */
static int
read_kind(struct bind *b, const struct entry *entry, struct binding *ret)
{
	struct reader *r = &b->fr->r;
	struct bedit *e;
	const char *what;
	size_t i;

	for (i = 0; i < LENGTH(by_name); i++)
		if (strcmp(entry->key, edit_kind_words[by_name[i].kind]) == 0)
			return check_query(b, entry->value) == -1 ? -1 : by_name[i].read(b,
			    entry->value, push_edit(ret, by_name[i].kind, entry->line, entry->col));
	for (i = 0; i < LENGTH(reserved); i++) {
		what = edit_kind_words[reserved[i].kind];
		if (strcmp(entry->key, what) != 0)
			continue;
		e = push_edit(ret, reserved[i].kind, entry->line, entry->col);
		e->not_yet = what;
		reader_not_yet(r, entry->line, entry->col, what);
		if (reader_shape(r, b->scope, entry->value, reserved[i].what,
		    reserved[i].shape, b->run_time) == -1)
			return -1;
		return node_get(entry->value, "on") == NULL ? 0 :
		    read_hosts(b->fr, b->scope, node_get(entry->value, "on"), &e->on);
	}
	if (strcmp(entry->key, "env") == 0) {
		e = push_edit(ret, EDIT_ENV, entry->line, entry->col);
		return reader_keys(r, entry->value, "an env edit", env_keys) == -1 ||
		    read_env(b, entry->value, e) == -1 ? -1 : 0;
	}
	if (strcmp(entry->key, "file") == 0) {
		e = push_edit(ret, EDIT_FILE, entry->line, entry->col);
		return reader_keys(r, entry->value, "a file edit", file_keys) == -1 ||
		    read_file(b, entry->value, e) == -1 ? -1 : 0;
	}
	e = push_edit(ret, EDIT_RUN, entry->line, entry->col);
	return reader_keys(r, entry->value, "a command", command_keys) == -1 ||
	    read_command(b, entry->value, e) == -1 || bind_check_way_back(b, e) == -1 ||
	    bind_place(b, entry->value, e) == -1 ? -1 : 0;
}

bool
bind_makes_edit(const struct entry *e)
{
	static const char *const kinds[] = {
		"set", "unset", "run", "env", "command", "conf", "block", "url",
		"setting", "object", "helm", NULL
	};

	return is_one_of(kinds, e->key) ||
	    (strcmp(e->key, "file") == 0 && e->value->kind == NODE_MAPPING);
}

int
bind_edits(struct bind *b, const struct node *node, struct binding *ret)
{
	struct reader *r = &b->fr->r;
	const struct entry *entry;
	struct bedit *e;
	bool env = false, run = false;
	size_t i;

	for (i = 0; i < node->n; i++) {
		entry = &node->entries[i];
		if (strcmp(entry->key, "implies") == 0) {
			if (read_implies(b, entry->value, ret) == -1)
				return -1;
		} else if (strcmp(entry->key, "set") == 0 || strcmp(entry->key, "unset") == 0) {
			if (env)
				continue;
			env = true;
			e = push_edit(ret, EDIT_ENV, entry->line, entry->col);
			if (read_env(b, node, e) == -1)
				return -1;
		} else if (strcmp(entry->key, "run") == 0 && entry->value->kind != NODE_MAPPING) {
			run = true;
			e = push_edit(ret, EDIT_RUN, entry->line, entry->col);
			if (read_command(b, node, e) == -1 || bind_check_way_back(b, e) == -1 ||
			    bind_place(b, node, e) == -1)
				return -1;
		} else if (bind_makes_edit(entry)) {
			if (read_kind(b, entry, ret) == -1)
				return -1;
		}
	}
	for (i = 0; i < node->n && !run; i++)
		if (is_one_of(command_only_keys, node->entries[i].key))
			return reader_fail_at(r, node->entries[i].line,
			    node->entries[i].col, "'%s' without a command, expected 'run: …' beside it",
			    node->entries[i].key);
	return 0;
}

static int
bind_mapping_as(struct bind *b, const struct node *node, struct binding *ret)
{
	const struct node *file;

	if (reader_keys(&b->fr->r, node, "a binding", bind_value_keys) == -1)
		return -1;
	file = node_get(node, "file");
	if (file != NULL && file->kind == NODE_SCALAR &&
	    node_get(node, "set") == NULL && node_get(node, "unset") == NULL)
		return reader_fail(&b->fr->r, file,
		    "a file without a change, expected 'set: { NAME: value }' or 'unset: [NAME]'");
	return bind_edits(b, node, ret);
}

/* What it says of `become` is said of all that stands in it. */
static int
bind_mapping(struct bind *b, const struct node *node, struct binding *ret)
{
	char *outer = b->become, *own = NULL;
	int rc;

	if (node->kind == NODE_MAPPING &&
	    opt_plain(b->fr, b->scope, node, "become", "the name of a user", USER_CHARACTERS, &own) == -1)
		return -1;
	if (own != NULL)
		b->become = own;
	rc = bind_mapping_as(b, node, ret);
	b->become = outer;
	free(own);
	return rc;
}

int
bind_value(struct bind *b, const struct node *node, struct binding *ret)
{
	size_t i;

	ret->bound = true;
	ret->pos.line = node->line;
	ret->pos.col = node->col;
	if (node->kind != NODE_SEQUENCE)
		return bind_mapping(b, node, ret);
	for (i = 0; i < node->n; i++)
		if (bind_mapping(b, node->items[i], ret) == -1)
			return -1;
	return 0;
}
