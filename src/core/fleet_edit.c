/*
 * fleet_edit: edits by name, as a fleet file writes them: of a text conf, block and
 * url, of a running server setting.
 *
 * Owns their grammar and what each becomes: names and values of one syntax
 * (see edittext.h), in `set` and `unset` of the edit.  Paths and values are checked here
 * where they are known; a value with a $(…) of run time is checked when it is filled in.
 *
 * What a setting may be hangs on the kind of its server, which is known when
 * all of the file is read: fleet_check.c.
 *
 * What is read and not built: a setting of `hba`, and a url that stands in a secret
 * or in Helm's values.
 */
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/hba.h"
#include "core/mem.h"

static const char *const write_words[] = { "rename", "in-place", NULL };
static const char *const hba_words[] = { "transition", "harden", "mutual", NULL };
static const char *const clientcert_words[] = { "verify-ca", "verify-full", NULL };
static const char *const syntax_words[] = { "postgres", "ini", "redis", NULL };

static const struct shape conf_shape[] = {
	{ "file", SHAPE_PATH, false, NULL }, { "in-container", SHAPE_STRING, false, NULL },
	{ "syntax", SHAPE_WORD, false, syntax_words },
	{ "set", SHAPE_PAIRS, false, NULL }, { "unset", SHAPE_STRINGS, false, NULL },
	{ "write", SHAPE_WORD, false, write_words }, { "become", SHAPE_STRING, false, NULL },
	{ "on", SHAPE_STRINGS, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};
static const struct shape block_shape[] = {
	{ "file", SHAPE_PATH, false, NULL }, { "in-container", SHAPE_STRING, false, NULL },
	{ "name", SHAPE_STRING, false, NULL },
	{ "hba", SHAPE_WORD, false, hba_words }, { "text", SHAPE_STRING, false, NULL },
	{ "remove", SHAPE_BOOL, false, NULL },
	{ "roles", SHAPE_STRINGS, false, NULL }, { "databases", SHAPE_STRINGS, false, NULL },
	{ "from", SHAPE_STRINGS, false, NULL }, { "method", SHAPE_STRING, false, NULL },
	{ "clientcert", SHAPE_WORD, false, clientcert_words },
	{ "write", SHAPE_WORD, false, write_words }, { "become", SHAPE_STRING, false, NULL },
	{ "on", SHAPE_STRINGS, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};
static const struct shape url_shape[] = {
	{ "file", SHAPE_PATH, false, NULL }, { "key", SHAPE_STRING, false, NULL },
	{ "secret", SHAPE_STRING, false, NULL }, { "helm", SHAPE_STRING, false, NULL },
	{ "scheme", SHAPE_STRING, false, NULL }, { "host", SHAPE_STRING, false, NULL },
	{ "port", SHAPE_NUMBER, false, NULL }, { "query", SHAPE_PAIRS, false, NULL },
	{ "unset", SHAPE_STRINGS, false, NULL },
	{ "write", SHAPE_WORD, false, write_words }, { "become", SHAPE_STRING, false, NULL },
	{ "on", SHAPE_STRINGS, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};
static const struct shape setting_shape[] = {
	{ "set", SHAPE_PAIRS, false, NULL }, { "unset", SHAPE_STRINGS, false, NULL },
	{ "persist", SHAPE_BOOL, false, NULL }, { "of", SHAPE_STRING, false, NULL },
	{ "hba", SHAPE_WORD, false, hba_words }, { NULL, SHAPE_STRING, false, NULL }
};

static int
fail(struct bind *b, const struct node *node, const char *what, const struct err *err)
{
	return reader_fail(&b->fr->r, node, "%s: %s", what, err->msg);
}

/* A name or value that cannot stand where it is to stand. */
static int
check_names(struct bind *b, const struct node *node, const struct bedit *e)
{
	struct reader *r = &b->fr->r;
	struct buf value;
	struct err err;
	size_t i;
	int rc = 0;

	for (i = 0; rc == 0 && i < e->set.n; i++) {
		const struct pair *p = &e->set.v[i];

		if (text_name_check(e->syntax, p->key, &err) != 0)
			return reader_fail_at(r, p->pos.line, p->pos.col, "%s", err.msg);
		if (strings_has(&e->unset, p->key))
			return reader_fail_at(r, p->pos.line, p->pos.col,
			    "'%s' is set and unset, expected one of them", p->key);
		if (reader_has_foreign(p->value, b->run_time))
			return reader_fail_at(r, p->pos.line, p->pos.col,
			    "the value of '%s' has a '$(' that is no name, expected none", p->key);
		if (strstr(p->value, "$(") != NULL)
			continue;
		buf_init(&value, 0);
		if (text_value(e->syntax, p->key, p->value, &value, &err) != 0)
			rc = reader_fail_at(r, p->pos.line, p->pos.col, "%s", err.msg);
		buf_release(&value);
	}
	for (i = 0; rc == 0 && i < e->unset.n; i++)
		if (text_name_check(e->syntax, e->unset.v[i], &err) != 0)
			rc = reader_fail(r, node_get(node, "unset") == NULL ? node : node_get(node, "unset"),
			    "%s", err.msg);
	return rc;
}

/* "NAME", of docker, or "docker:NAME", "podman:NAME": before the path, see fleet.h. */
static int
read_container(struct bind *b, const struct node *node, struct bedit *e)
{
	static const char *const runtimes[] = { "docker:", "podman:" };
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *runtime = "docker:", *name;
	char *s, *inside;
	size_t i;

	if (reader_string(&b->fr->r, b->scope, node, "the name of a container", &s) == -1)
		return -1;
	name = s;
	for (i = 0; i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		if (strncmp(s, runtimes[i], strlen(runtimes[i])) == 0) {
			runtime = runtimes[i];
			name = s + strlen(runtimes[i]);
		}
	if (*name == '\0' || *name == '-' || *name == '.' || strspn(name, first) != strlen(name)) {
		(void)reader_fail(&b->fr->r, node, "'%s', expected the name of a container: NAME, docker:NAME or podman:NAME", s);
		free(s);
		return -1;
	}
	inside = mem_printf("%s%s:%s", runtime, name, e->file);
	free(e->file);
	e->file = inside;
	free(s);
	return 0;
}

static int
read_path(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *file = node_get(node, "file"), *inside = node_get(node, "in-container");

	if (file != NULL) {
		if (reader_path(&b->fr->r, b->scope, file, NULL, false, &e->file) == -1)
			return -1;
	} else if (b->file != NULL)
		e->file = mem_strdup(b->file);
	else
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "'%s' without a file, expected 'file: /path'", edit_kind_word(e->kind));
	return inside == NULL ? 0 : read_container(b, inside, e);
}

static int
read_end(struct bind *b, const struct node *node, struct bedit *e)
{
	return check_names(b, node, e) == -1 || bind_write(b, node, e) == -1 ||
	    bind_place(b, node, e) == -1 ? -1 : 0;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len >= end_len && strcmp(s + len - end_len, end) == 0;
}

/* What the file is, by its name, or by what it configures. */
static int
read_syntax(struct bind *b, const struct node *node, struct bedit *e)
{
	const struct node *v = node_get(node, "syntax");
	const char *name = strrchr(e->file, '/') + 1;
	int word;

	if (v != NULL) {
		if (reader_word(&b->fr->r, b->scope, v, "syntax", syntax_words, &word) == -1)
			return -1;
		e->syntax = word == 0 ? TEXT_POSTGRES : word == 1 ? TEXT_INI : TEXT_REDIS;
	} else if (ends_with(name, ".ini"))
		e->syntax = TEXT_INI;
	else if (strncmp(name, "redis", 5) == 0)
		e->syntax = TEXT_REDIS;
	else if (strncmp(name, "postgresql", 10) == 0)
		e->syntax = TEXT_POSTGRES;
	else if (b->has_kind)
		e->syntax = b->kind == KIND_REDIS ? TEXT_REDIS : b->kind == KIND_PGBOUNCER ? TEXT_INI :
		    TEXT_POSTGRES;
	else
		return reader_fail_at(&b->fr->r, e->pos.line, e->pos.col,
		    "'%s' can be read in several ways, expected 'syntax: postgres', 'ini' or 'redis'",
		    e->file);
	return 0;
}

int
bind_conf(struct bind *b, const struct node *node, struct bedit *e)
{
	struct reader *r = &b->fr->r;
	const struct node *v;

	if (reader_shape(r, b->scope, node, "a conf edit", conf_shape, b->run_time) == -1 ||
	    read_path(b, node, e) == -1 || read_syntax(b, node, e) == -1)
		return -1;
	if (node_get(node, "set") == NULL && node_get(node, "unset") == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a conf edit without a change, expected 'set: { key: value }' or 'unset: [key]'");
	if ((v = node_get(node, "set")) != NULL &&
	    reader_pairs(r, b->scope, v, "'{ key: value }'", b->run_time, &e->set) == -1)
		return -1;
	if ((v = node_get(node, "unset")) != NULL &&
	    reader_strings(r, b->scope, v, "'[key]'", &e->unset) == -1)
		return -1;
	return read_end(b, node, e);
}

/* ------------------------------------------------------------------ blocks */

/* "web -> redis" becomes web-redis. */
static char *
name_of_owner(const char *owner)
{
	struct buf b;
	size_t len;

	buf_init(&b, 0);
	for (; *owner != '\0'; owner++)
		if ((*owner >= 'a' && *owner <= 'z') || (*owner >= 'A' && *owner <= 'Z') ||
		    (*owner >= '0' && *owner <= '9') || *owner == '.' || *owner == '_')
			(void)buf_putc(&b, *owner);
		else if (b.len > 0 && b.data[b.len - 1] != '-')
			(void)buf_putc(&b, '-');
	(void)buf_puts(&b, "");
	return b.len == 0 ? mem_strdup("belay") : buf_take(&b, &len);
}

static int
opt_list(struct bind *b, const struct node *node, const char *key, struct strings *ret)
{
	const struct node *v = node_get(node, key);

	return v == NULL ? 0 : reader_strings(&b->fr->r, b->scope, v, "a name or a list of names", ret);
}

/* How the endpoint says that roles log in, where that is a method by a password. */
static const char *
declared_method(const struct bind *b)
{
	enum auth auth = b->auth == NULL ? AUTH_UNKNOWN : b->auth[b->value];

	return auth == AUTH_MD5 || auth == AUTH_SCRAM || auth == AUTH_PASSWORD ? auth_word(auth) : NULL;
}

static int
read_hba(struct bind *b, const struct node *node, char **ret)
{
	struct strings roles = { NULL, 0 }, databases = { NULL, 0 }, from = { NULL, 0 };
	struct hba_rule rule = { HBA_TRANSITION, &roles, &databases, &from, NULL, false };
	const struct node *v = node_get(node, "method"), *clientcert = node_get(node, "clientcert");
	char *method = NULL;
	struct buf lines;
	struct err err;
	size_t len;
	int rc = -1, form, word = 1;

	buf_init(&lines, 0);
	if (reader_word(&b->fr->r, b->scope, node_get(node, "hba"), "form:", hba_words, &form) == -1 ||
	    (v != NULL && reader_string(&b->fr->r, b->scope, v, "a method of pg_hba.conf", &method) == -1) ||
	    opt_list(b, node, "roles", &roles) == -1 ||
	    opt_list(b, node, "databases", &databases) == -1 || opt_list(b, node, "from", &from) == -1)
		goto done;
	rule.form = form == 0 ? HBA_TRANSITION : form == 1 ? HBA_HARDEN : HBA_MUTUAL;
	if (clientcert != NULL && reader_word(&b->fr->r, b->scope, clientcert, "demand:", clientcert_words, &word) == -1)
		goto done;
	rule.any_name = word == 0;
	if (clientcert != NULL && rule.form != HBA_MUTUAL) {
		rc = reader_fail(&b->fr->r, clientcert, "'clientcert' beside 'hba: %s', expected 'hba: mutual'", hba_words[form]);
		goto done;
	}
	rule.method = method != NULL ? method : declared_method(b);
	if (roles.n == 0 || from.n == 0)
		rc = reader_fail(&b->fr->r, node, "a block of pg_hba.conf without '%s', expected '%s: […]'",
		    roles.n == 0 ? "roles" : "from", roles.n == 0 ? "roles" : "from");
	else if (hba_lines(&lines, &rule, &err) != 0)
		rc = fail(b, node, "pg_hba.conf", &err);
	else {
		*ret = buf_take(&lines, &len);
		rc = 0;
	}
done:
	buf_release(&lines);
	free(method);
	strings_release(&roles);
	strings_release(&databases);
	strings_release(&from);
	return rc;
}

int
bind_block(struct bind *b, const struct node *node, struct bedit *e)
{
	static const char *const of_hba[] = { "roles", "databases", "from", "method", "clientcert", NULL };
	struct reader *r = &b->fr->r;
	const struct node *hba, *text, *v;
	struct pair *pair;
	bool remove = false;
	char *name = NULL;
	size_t i;

	if (reader_shape(r, b->scope, node, "a block edit", block_shape, b->run_time) == -1 ||
	    read_path(b, node, e) == -1)
		return -1;
	if ((v = node_get(node, "remove")) != NULL && reader_bool(r, b->scope, v, &remove) == -1)
		return -1;
	hba = node_get(node, "hba");
	text = node_get(node, "text");
	if ((hba != NULL) + (text != NULL) + remove != 1)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a block has one of 'hba: transition', 'hba: harden', 'hba: mutual', 'text: …' and 'remove: yes'");
	for (i = 0; hba == NULL && of_hba[i] != NULL; i++)
		if ((v = node_get(node, of_hba[i])) != NULL)
			return reader_fail(r, v, "'%s' belongs to a block of pg_hba.conf, expected 'hba' beside it",
			    of_hba[i]);
	if ((v = node_get(node, "name")) != NULL) {
		if (reader_string(r, b->scope, v, "the name of a block", &name) == -1)
			return -1;
	} else
		name = name_of_owner(b->owner);
	e->syntax = hba != NULL || strcmp(strrchr(e->file, '/') + 1, "pg_hba.conf") == 0 ?
	    TEXT_HBA : TEXT_BLOCK;
	if (remove) {
		strings_push(&e->unset, name);
		return read_end(b, node, e);
	}
	pair = mem_push(&e->set.v, &e->set.n, sizeof(*e->set.v));
	pair->key = name;
	pair->value = NULL;
	pair->pos.line = node->line;
	pair->pos.col = node->col;
	if (hba != NULL ? read_hba(b, node, &pair->value) == -1 :
	    reader_text(r, b->scope, text, "the lines of a block", b->run_time, &pair->value) == -1) {
		pair->value = mem_strdup("");
		return -1;
	}
	return read_end(b, node, e);
}

/* ------------------------------------------------------------------ URLs */

static void
push_part(struct bedit *e, const struct node *at, const char *key, const char *mark, const char *part,
    const char *value)
{
	struct pair *pair = mem_push(&e->set.v, &e->set.n, sizeof(*e->set.v));

	pair->key = mem_printf("%s%s%s", key, mark, part);
	pair->value = mem_strdup(value);
	pair->pos.line = at->line;
	pair->pos.col = at->col;
}

static int
read_part(struct bind *b, const struct node *node, struct bedit *e, const char *key, const char *part)
{
	const struct node *v = node_get(node, part);
	char *value;

	if (v == NULL)
		return 0;
	if (reader_text(&b->fr->r, b->scope, v, "a part of a URL", b->run_time, &value) == -1)
		return -1;
	push_part(e, v, key, ":", part, value);
	free(value);
	return 0;
}

static int
read_query(struct bind *b, const struct node *node, struct bedit *e, const char *key)
{
	const struct node *v = node_get(node, "query");
	struct strings unset = { NULL, 0 };
	struct pairs query = { NULL, 0 };
	size_t i;
	int rc = 0;

	if (v != NULL &&
	    reader_pairs(&b->fr->r, b->scope, v, "'{ parameter: value }'", b->run_time, &query) == -1)
		rc = -1;
	if (rc == 0 && node_get(node, "unset") != NULL)
		rc = opt_list(b, node, "unset", &unset);
	for (i = 0; rc == 0 && i < query.n; i++) {
		push_part(e, v, key, "?", query.v[i].key, query.v[i].value);
		e->set.v[e->set.n - 1].pos = query.v[i].pos;
	}
	for (i = 0; rc == 0 && i < unset.n; i++)
		strings_push(&e->unset, mem_printf("%s?%s", key, unset.v[i]));
	pairs_release(&query);
	strings_release(&unset);
	return rc;
}

int
bind_url(struct bind *b, const struct node *node, struct bedit *e)
{
	static const char *const elsewhere[] = { "secret", "helm", NULL };
	static const char *const parts[] = { "scheme", "host", "port", NULL };
	struct reader *r = &b->fr->r;
	const struct node *v;
	char *key = NULL;
	size_t i;
	int rc = 0;

	e->syntax = TEXT_URL;
	if (reader_shape(r, b->scope, node, "a url edit", url_shape, b->run_time) == -1)
		return -1;
	for (i = 0; elsewhere[i] != NULL; i++)
		if (node_get(node, elsewhere[i]) != NULL) {
			e->not_yet = "url";
			reader_not_yet(r, e->pos.line, e->pos.col, "url");
			return (v = node_get(node, "on")) == NULL ? 0 :
			    read_hosts(b->fr, b->scope, v, &e->on);
		}
	if (read_path(b, node, e) == -1)
		return -1;
	if ((v = node_get(node, "key")) == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a url edit without 'key', expected 'key: NAME' of the variable that holds the URL");
	if (reader_string(r, b->scope, v, "the name of a variable", &key) == -1)
		return -1;
	for (i = 0; rc == 0 && parts[i] != NULL; i++)
		rc = read_part(b, node, e, key, parts[i]);
	if (rc == 0)
		rc = read_query(b, node, e, key);
	free(key);
	if (rc == 0 && e->set.n == 0 && e->unset.n == 0)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a url edit without a change, expected 'query: { parameter: value }', 'scheme', 'host', "
		    "'port' or 'unset'");
	return rc == 0 ? read_end(b, node, e) : -1;
}

/* ------------------------------------------------------------------ settings */

int
bind_setting(struct bind *b, const struct node *node, struct bedit *e)
{
	struct reader *r = &b->fr->r;
	const struct node *v;

	if (reader_shape(r, b->scope, node, "a setting edit", setting_shape, b->run_time) == -1)
		return -1;
	if (node_get(node, "hba") != NULL) {
		e->not_yet = "setting";
		reader_not_yet(r, e->pos.line, e->pos.col, "setting");
		return 0;
	}
	e->persist = true;
	if ((v = node_get(node, "of")) != NULL) {
		if (read_ref(b->fr, b->scope, v, NOUN_ENDPOINT, &e->endpoint) == -1)
			return -1;
	} else if (b->endpoint != NULL)
		e->endpoint = *b->endpoint;
	else
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a setting without a server, expected 'of: ENDPOINT'");
	if ((v = node_get(node, "persist")) != NULL) {
		e->persist_given = true;
		if (reader_bool(r, b->scope, v, &e->persist) == -1)
			return -1;
	}
	if (node_get(node, "set") == NULL && node_get(node, "unset") == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "a setting edit without a change, expected 'set: { name: value }' or 'unset: [name]'");
	if ((v = node_get(node, "set")) != NULL &&
	    reader_pairs(r, b->scope, v, "'{ name: value }'", b->run_time, &e->set) == -1)
		return -1;
	return opt_list(b, node, "unset", &e->unset);
}
