/*
 * op_edit: what one edit of a binding comes to on a host: the operation that it begins, or
 * the one of the same file that it goes into (at most one operation writes a file).
 */

#include "core/op_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/setting.h"
#include "core/urlfile.h"

#define EDIT_DEADLINE_MS	30000

/* Fills a string of the binding in; NULL stays NULL. */
static int
filled(struct maker *m, const char *text, int flags, size_t max, struct op *op,
    char **ret, size_t *ret_len, struct err *err)
{
	struct buf b;
	size_t len;
	int got = 0;

	if (text == NULL)
		return 0;
	buf_init(&b, max);
	b.secret = true;
	if (fill_text(&b, &m->fill, text, flags, &got, err) != 0) {
		buf_release(&b);
		return -1;
	}
	if (got & FILL_SECRET)
		op->secret = true;
	(void)buf_puts(&b, "");
	len = b.len;
	*ret = buf_take(&b, ret_len == NULL ? &len : ret_len);
	return 0;
}

static struct op *
same_file(struct maker *m, int host, const char *path)
{
	size_t i;

	for (i = 0; i < m->ops->n; i++)
		if (m->ops->v[i].host == host && m->ops->v[i].path != NULL &&
		    strcmp(m->ops->v[i].path, path) == 0)
			return &m->ops->v[i];
	return NULL;
}

const char *
op_host_name(const struct maker *m, int host)
{
	return host >= 0 && (size_t)host < m->fleet->nhosts ? m->fleet->hosts[host].name : "?";
}

static int
contradiction(const struct maker *m, const struct op *op, const char *what, struct err *err)
{
	return err_set(err, "two moves of one step disagree about '%s' in '%s' on host '%s'",
	    what, op->path != NULL ? op->path : op->endpoint != NONE ?
	    m->fleet->endpoints[op->endpoint].name : "?", op_host_name(m, op->host));
}

static struct pair *
set_find(const struct op *op, const char *key)
{
	size_t i;

	for (i = 0; i < op->set.n; i++)
		if (strcmp(op->set.v[i].key, key) == 0)
			return &op->set.v[i];
	return NULL;
}

static bool
unset_find(const struct op *op, const char *key)
{
	size_t i;

	for (i = 0; i < op->unset.n; i++)
		if (strcmp(op->unset.v[i], key) == 0)
			return true;
	return false;
}

static int
name_set(struct maker *m, struct op *op, const char *key, char *value, struct err *err)
{
	struct pair *pair = set_find(op, key);
	int ret = 0;

	if (unset_find(op, key) || (pair != NULL && strcmp(pair->value, value) != 0))
		ret = contradiction(m, op, key, err);
	else if (pair == NULL) {
		pair = mem_push(&op->set.v, &op->set.n, sizeof(*op->set.v));
		pair->key = mem_strdup(key);
		pair->value = value;
		return 0;
	}
	mem_wipe_free(value, strlen(value));
	return ret;
}

/* A variable that is written as a whole, and by parts of its URL. */
static int
url_agrees(const struct maker *m, const struct op *op, struct err *err)
{
	const char *part, *name;
	size_t i, k, len, n = op->set.n + op->unset.n;

	for (i = 0; op->syntax == TEXT_URL && i < n; i++) {
		name = i < op->set.n ? op->set.v[i].key : op->unset.v[i - op->set.n];
		len = urlfile_split(name, &part);
		for (k = 0; part != NULL && k < n; k++) {
			const char *other = k < op->set.n ? op->set.v[k].key : op->unset.v[k - op->set.n];

			if (strlen(other) == len && memcmp(other, name, len) == 0)
				return contradiction(m, op, other, err);
		}
	}
	return 0;
}

/* A value as its text knows it. */
static int
value_of(enum text_syntax syntax, const char *name, char *value, char **ret, struct err *err)
{
	struct buf b;
	size_t len;
	int rc;

	buf_init(&b, 0);
	b.secret = true;
	(void)buf_puts(&b, "");
	if ((rc = text_value(syntax, name, value, &b, err)) == 0)
		*ret = b.data == NULL ? mem_strdup("") : buf_take(&b, &len);
	buf_release(&b);
	mem_wipe_free(value, strlen(value));
	return rc;
}

static int
name_edit(struct maker *m, const struct bedit *e, struct op *op, struct err *err)
{
	char *value;
	size_t i;

	for (i = 0; i < e->set.n; i++) {
		if (m->no_ca && fill_mentions(e->set.v[i].value, "ca_file"))
			continue;
		value = NULL;
		if (filled(m, e->set.v[i].value, 0, OP_VALUE_MAX, op, &value, NULL, err) != 0)
			return err_wrap(err, "'%s'", e->set.v[i].key);
		if (text_name_check(e->syntax, e->set.v[i].key, err) != 0) {
			mem_wipe_free(value, strlen(value));
			return -1;
		}
		if (value_of(e->syntax, e->set.v[i].key, value, &value, err) != 0 ||
		    name_set(m, op, e->set.v[i].key, value, err) != 0)
			return -1;
	}
	for (i = 0; i < e->unset.n; i++) {
		if (set_find(op, e->unset.v[i]) != NULL)
			return contradiction(m, op, e->unset.v[i], err);
		if (text_name_check(e->syntax, e->unset.v[i], err) != 0)
			return -1;
		if (!unset_find(op, e->unset.v[i]))
			*(char **)mem_push(&op->unset.v, &op->unset.n, sizeof(*op->unset.v)) =
			    mem_strdup(e->unset.v[i]);
	}
	if (op->set.n > OP_KEYS_MAX || op->unset.n > OP_KEYS_MAX)
		return err_set(err, "more than %d names in one file", OP_KEYS_MAX);
	return url_agrees(m, op, err);
}

/* A second edit of a whole file says the same, or is a contradiction. */
static int
file_edit(struct maker *m, const struct bedit *e, struct op *op, bool fresh, struct err *err)
{
	char *content = NULL;
	size_t len = 0;
	bool same;

	if (filled(m, e->content, 0, OP_CONTENT_MAX, op, &content, &len, err) != 0)
		return err_wrap(err, "content");
	if (fresh) {
		op->content = content;
		op->len = len;
		op->remove = e->remove;
		op->mode = e->mode;
		op->owner = mem_strdup(e->owner);
		return 0;
	}
	same = op->remove == e->remove && op->mode == e->mode &&
	    (op->content == NULL) == (content == NULL) && op->len == len &&
	    (content == NULL || memcmp(op->content, content, len) == 0) &&
	    strcmp(op->owner == NULL ? "" : op->owner, e->owner == NULL ? "" : e->owner) == 0;
	mem_wipe_free(content, len);
	return same ? 0 : contradiction(m, op, "content, mode or owner", err);
}

/* What undoes it: itself, with another value, or the command of the value that its facet had before. */
static int
earlier_command(struct maker *m, const struct bedit *e, struct op *op, struct err *err)
{
	const struct bedit *earlier;
	const char *accept = m->fill.accept, *dial = m->fill.dial;
	int value, rc;

	if (e->value != NULL) {
		if (filled(m, e->value, FILL_COMMAND, OP_PATH_MAX - 1, op, &op->value, NULL, err) != 0)
			return err_wrap(err, "value");
		return strchr(op->value, '\n') == NULL ? 0 : err_set(err, "value: expected one line");
	}
	earlier = m->plan == NULL || m->moving == NULL ? NULL :
	    plan_earlier(m->fleet, m->plan, m->step, m->moving, e, &value);
	if (earlier == NULL)
		return err_set(err, "run: the value before has no command that is observed by '%s', so there is no way back",
		    e->observe);
	if (m->moving->facet == FACET_ACCEPT)
		m->fill.accept = accept_word((enum accept)value);
	else
		m->fill.dial = dial_word((enum dial)value);
	rc = filled(m, earlier->run, FILL_COMMAND, OP_COMMAND_MAX, op, &op->undo, NULL, err);
	m->fill.accept = accept;
	m->fill.dial = dial;
	return rc;
}

static int
command_edit(struct maker *m, const struct bedit *e, struct op *op, struct err *err)
{
	size_t i;

	if (e->run == NULL)
		return err_set(err, "run: no command");
	if (filled(m, e->run, FILL_COMMAND, OP_COMMAND_MAX, op, &op->run, NULL, err) != 0 ||
	    filled(m, e->undo, FILL_COMMAND, OP_COMMAND_MAX, op, &op->undo, NULL, err) != 0 ||
	    filled(m, e->observe, FILL_COMMAND, OP_COMMAND_MAX, op, &op->observe, NULL, err) != 0)
		return -1;
	for (i = 0; i < e->set.n; i++) {
		char *value = NULL;
		struct pair *pair;

		if (filled(m, e->set.v[i].value, 0, OP_VALUE_MAX, op, &value, NULL, err) != 0)
			return err_wrap(err, "stdin: '%s'", e->set.v[i].key);
		pair = mem_push(&op->set.v, &op->set.n, sizeof(*op->set.v));
		pair->key = mem_strdup(e->set.v[i].key);
		pair->value = value;
	}
	for (i = 0; i < e->touches.n; i++)
		strings_push(&op->touches, mem_strdup(e->touches.v[i]));
	op->version = mem_strdup(e->version);
	op->by_value = e->by_value;
	if (e->by_value && earlier_command(m, e, op, err) != 0)
		return -1;
	op->expect = mem_strdup(e->expect);
	op->in = mem_strdup(e->in);
	op->idempotent = e->idempotent;
	op->read_only = e->read_only;
	if (op->undo == NULL && op->touches.n == 0 && !op->read_only && op->value == NULL)
		return err_set(err, "run: neither undo nor touches nor read-only nor value, so there is no way back");
	return 0;
}

struct op *
op_push(struct maker *m, enum op_kind kind, int host)
{
	struct op *op = mem_push(&m->ops->v, &m->ops->n, sizeof(*m->ops->v));

	op->kind = kind;
	op->host = host;
	op->unit = NONE;
	op->endpoint = NONE;
	op->mode = -1;
	return op;
}

/* Variables and parts of URLs of one env file go together; else a file has one kind of edit. */
static bool
go_together(struct op *op, enum op_kind kind, enum text_syntax syntax)
{
	if (op->kind == kind && op->syntax == syntax)
		return true;
	if ((op->kind != OP_ENV && op->kind != OP_URL) || (kind != OP_ENV && kind != OP_URL))
		return false;
	op->kind = OP_URL;
	op->syntax = TEXT_URL;
	return true;
}

/* Settings of one server by one op, on the endpoint's own host, whatever it is that they serve. */
static int
setting_edit(struct maker *m, const struct bedit *e, struct err *err)
{
	const struct endpoint *ep;
	struct op *op = NULL;
	char *value;
	size_t i;

	if (e->not_yet != NULL)
		return err_set(err, "%s: not yet", e->not_yet);
	ep = &m->fleet->endpoints[e->endpoint];
	if (ep->not_yet != NULL)
		return err_set(err, "endpoint '%s': %s: not yet", ep->name, ep->not_yet);
	for (i = 0; i < m->ops->n && op == NULL; i++)
		if (m->ops->v[i].kind == OP_SETTING && m->ops->v[i].endpoint == e->endpoint)
			op = &m->ops->v[i];
	if (op != NULL && op->persist != e->persist)
		return contradiction(m, op, "persist", err);
	if (op == NULL) {
		op = op_push(m, OP_SETTING, ep->host);
		op->endpoint = e->endpoint;
		op->persist = e->persist;
		/* A Postgres takes it up when it is activated; the others act at once. */
		op->unit = ep->kind == KIND_POSTGRES ? ep->unit : NONE;
	}
	op->deadline_ms = EDIT_DEADLINE_MS;
	if (m->move != NONE)
		indices_add(&op->moves, m->move);
	for (i = 0; i < e->set.n; i++) {
		if (m->no_ca && fill_mentions(e->set.v[i].value, "ca_file"))
			continue;
		value = NULL;
		if (filled(m, e->set.v[i].value, 0, OP_VALUE_MAX, op, &value, NULL, err) != 0)
			return err_wrap(err, "'%s'", e->set.v[i].key);
		if (op->secret)
			(void)err_set(err, "'%s': a secret cannot be a setting: it would be kept in the record",
			    e->set.v[i].key);
		if (op->secret || setting_check(ep->kind, e->set.v[i].key, value, err) != 0) {
			mem_wipe_free(value, strlen(value));
			return -1;
		}
		if (name_set(m, op, e->set.v[i].key, value, err) != 0)
			return -1;
	}
	for (i = 0; i < e->unset.n; i++) {
		if (set_find(op, e->unset.v[i]) != NULL)
			return contradiction(m, op, e->unset.v[i], err);
		if (setting_check(ep->kind, e->unset.v[i], NULL, err) != 0)
			return -1;
		if (!unset_find(op, e->unset.v[i]))
			*(char **)mem_push(&op->unset.v, &op->unset.n, sizeof(*op->unset.v)) =
			    mem_strdup(e->unset.v[i]);
	}
	if (op->set.n + op->unset.n == 0) {	/* a `disable` left them all alone */
		op_release(op);
		m->ops->n--;
		return 0;
	}
	if (op->set.n + op->unset.n > SETTING_NAMES_MAX)
		return err_set(err, "more than %d settings of '%s'", SETTING_NAMES_MAX, ep->name);
	if (op->unit != NONE)
		indices_add(&m->units, op->unit);
	return 0;
}

int
op_edit_on(struct maker *m, const struct bedit *e, int host, int unit, struct err *err)
{
	struct op *op;
	enum op_kind kind;
	bool fresh;
	int ret;

	switch (e->kind) {
	case EDIT_ENV:
		kind = OP_ENV;
		break;
	case EDIT_FILE:
		kind = OP_FILE;
		break;
	case EDIT_RUN:
		kind = OP_RUN;
		break;
	case EDIT_CONF:
		kind = OP_CONF;
		break;
	case EDIT_BLOCK:
		kind = OP_BLOCK;
		break;
	case EDIT_URL:
		kind = OP_URL;
		break;
	case EDIT_SETTING:
		return setting_edit(m, e, err);
	case EDIT_OBJECT: case EDIT_HELM:
		return err_set(err, "'%s' edits: not yet", edit_kind_word(e->kind));
	default:
		return err_set(err, "not yet");
	}
	if (e->not_yet != NULL)
		return err_set(err, "%s: not yet", e->not_yet);
	if (kind != OP_RUN && (e->file == NULL || (e->file[0] != '/' && path_in_container(e->file) == NULL)))
		return err_set(err, "'%s': an absolute path was expected",
		    e->file == NULL ? "" : e->file);
	op = kind == OP_RUN ? NULL : same_file(m, host, e->file);
	if (op != NULL && !go_together(op, kind, e->syntax))
		return err_set(err, "two moves of one step edit '%s' on host '%s' in two ways: as '%s' and as '%s'",
		    op->path, op_host_name(m, op->host), op_kind_word(op->kind), op_kind_word(kind));
	if ((fresh = op == NULL)) {
		op = op_push(m, kind, host);
		op->path = kind == OP_RUN ? NULL : mem_strdup(e->file);
		op->syntax = e->syntax;
		op->unit = unit;
		op->back_last = m->back_last && kind == OP_FILE;
	}
	op->mixed = op->mixed || op->unit != unit;
	op->in_place = op->in_place || e->in_place;
	op->deadline_ms = e->deadline_ms > 0 ? e->deadline_ms :
	    kind == OP_RUN ? RUN_DEADLINE_MS : EDIT_DEADLINE_MS;
	if (m->move != NONE)
		indices_add(&op->moves, m->move);
	ret = kind == OP_FILE ? file_edit(m, e, op, fresh, err) :
	    kind == OP_RUN ? command_edit(m, e, op, err) : name_edit(m, e, op, err);
	if (ret == 0 && unit != NONE && !(kind == OP_RUN && op->read_only))
		indices_add(&m->units, unit);
	return ret;
}

int
op_edit(struct maker *m, const struct bedit *e, int unit, int host, struct err *err)
{
	size_t i;

	if (e->on.n == 0) {
		if (host == NONE) {
			(void)err_set(err, "no host to do it on: say `on:`");
			return op_at(m, &e->pos, err);
		}
		return op_edit_on(m, e, host, unit, err) == 0 ? 0 : op_at(m, &e->pos, err);
	}
	for (i = 0; i < e->on.n; i++)
		if (op_edit_on(m, e, e->on.v[i], unit, err) != 0)
			return op_at(m, &e->pos, err);
	return 0;
}

