/*
 * op: moves and bindings become operations.
 *
 * Invariants of a finished list:
 *  1. At most one op writes a given file of a given host.
 *  2. Every ACTIVATE stands behind every edit, and a unit has at most one.
 *  3. ids are RUN/STEP/SEQ with SEQ = place in the list, from 1.
 *
 * The codec is op_codec.c, names in strings are fill.c, what files say is
 * facets.c.
 */
#include "core/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/fill.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/setting.h"
#include "core/text.h"
#include "core/standing.h"
#include "core/urlfile.h"

#define EDIT_DEADLINE_MS	30000
#define RUN_DEADLINE_MS		120000
#define DRAIN_DEADLINE_MS	3600000

struct maker {
	const struct fleet *fleet;
	struct ops *ops;
	struct indices units;	/* to activate, in the order of the first touch */
	struct fill fill;
	int	 move;		/* index of the move being made, or NONE */
	const struct move *moving;	/* that move; or NULL */
	const struct plan *plan;	/* and the step that it is of; or NULL */
	int	 step;
	/*
	 * Variables that a `disable` leaves alone; see op.h.  Set while a dial
	 * binding of DIAL_DISABLE is made.
	 */
	bool	 no_ca;
	bool	 back_last;	/* a trust binding is being made */
};

static int
at(const struct maker *m, const struct pos *pos, struct err *err)
{
	if (pos->line > 0)
		return err_wrap(err, "%s:%d:%d", m->fleet->path == NULL ? "fleet" : m->fleet->path,
		    pos->line, pos->col);
	return -1;
}

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

static const char *
host_name(const struct maker *m, int host)
{
	return host >= 0 && (size_t)host < m->fleet->nhosts ? m->fleet->hosts[host].name : "?";
}

static int
contradiction(const struct maker *m, const struct op *op, const char *what, struct err *err)
{
	return err_set(err, "two moves of one step disagree about '%s' in '%s' on host '%s'",
	    what, op->path != NULL ? op->path : op->endpoint != NONE ?
	    m->fleet->endpoints[op->endpoint].name : "?", host_name(m, op->host));
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

static struct op *
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

static int
edit_on(struct maker *m, const struct bedit *e, int host, int unit, struct err *err)
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
		    op->path, host_name(m, op->host), op_kind_word(op->kind), op_kind_word(kind));
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

static int
edit(struct maker *m, const struct bedit *e, int unit, int host, struct err *err)
{
	size_t i;

	if (e->on.n == 0) {
		if (host == NONE) {
			(void)err_set(err, "no host to do it on: say `on:`");
			return at(m, &e->pos, err);
		}
		return edit_on(m, e, host, unit, err) == 0 ? 0 : at(m, &e->pos, err);
	}
	for (i = 0; i < e->on.n; i++)
		if (edit_on(m, e, e->on.v[i], unit, err) != 0)
			return at(m, &e->pos, err);
	return 0;
}

static int
unit_host(const struct fleet *fleet, int unit)
{
	return unit == NONE ? NONE : fleet->units[unit].host;
}

static int
bound(struct maker *m, const struct binding *b, int unit, int host, struct err *err)
{
	size_t i;

	if (host == NONE)
		host = unit_host(m->fleet, unit);
	for (i = 0; i < b->n; i++)
		if (edit(m, &b->v[i], unit, host, err) != 0)
			return -1;
	return 0;
}

static int
make_accept(struct maker *m, const struct move *move, struct err *err)
{
	const struct endpoint *e = &m->fleet->endpoints[move->subject];

	if (move->value < 0 || move->value >= ACCEPT_COUNT || !e->accept[move->value].bound)
		return err_set(err, "endpoint '%s' has no binding for accept: %s", e->name,
		    accept_word((enum accept)move->value));
	if (e->not_yet != NULL)
		return err_set(err, "endpoint '%s': %s: not yet", e->name, e->not_yet);
	m->fill.accept = accept_word((enum accept)move->value);
	if (bound(m, &e->accept[move->value], e->unit, e->host, err) != 0)
		return err_wrap(err, "endpoint '%s'", e->name);
	return 0;
}

static int
make_dial(struct maker *m, const struct move *move, struct err *err)
{
	const struct link *l = &m->fleet->links[move->subject];
	const struct client *c = &m->fleet->clients[l->client];

	switch (l->how) {
	case DIAL_BOUND:
		break;
	case DIAL_FOLLOWS:
		return err_set(err, "link '%s' follows another and is not moved by a step", l->name);
	case DIAL_FIXED:
		return err_set(err, "link '%s' is fixed: not ours to move", l->name);
	case DIAL_ASSUMED:
		return err_set(err, "link '%s' is assumed, not bound: nothing to write", l->name);
	}
	if (move->value < 0 || move->value >= DIAL_COUNT || !l->dial[move->value].bound)
		return err_set(err, "link '%s' has no binding for dial: %s", l->name,
		    dial_word((enum dial)move->value));
	if (c->not_yet != NULL)
		return err_set(err, "client '%s': %s: not yet", c->name, c->not_yet);
	m->fill.dial = dial_word((enum dial)move->value);
	m->fill.ca_file = l->trust_file;
	m->no_ca = move->value == DIAL_DISABLE;
	if (bound(m, &l->dial[move->value], c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	return 0;
}

static int
make_trust(struct maker *m, const struct move *move, struct err *err)
{
	const struct link *l = &m->fleet->links[move->subject];
	const struct client *c = &m->fleet->clients[l->client];

	m->fill.ca_file = l->trust_file;
	m->fill.cert = move->value;
	if (l->trust_lands && c->unit != NONE)
		indices_add(&m->units, c->unit);
	m->back_last = true;
	if (bound(m, &l->trust, c->unit, c->host, err) != 0)
		return err_wrap(err, "link '%s'", l->name);
	return 0;
}

static bool
serves(const struct op *op, int move)
{
	size_t i;

	for (i = 0; i < op->moves.n; i++)
		if (op->moves.v[i] == move)
			return true;
	return false;
}

/*
 * A certificate's edits may stand on many hosts.  Where it does not land by
 * itself at an activation, each served endpoint whose unit is on a host that
 * was edited is activated.
 */
static int
make_cert(struct maker *m, const struct move *move, struct err *err)
{
	const struct cert *c = &m->fleet->certs[move->subject];
	const struct endpoint *e;
	struct indices hosts = { NULL, 0 }, edited = { NULL, 0 }, on;
	size_t i, j, k;
	int ret = -1;

	if (c->not_yet != NULL)
		return err_set(err, "certificate '%s': %s: not yet", c->name, c->not_yet);
	if (c->external)
		return err_set(err, "certificate '%s' is external: watched, not ours to install",
		    c->name);
	if (!c->install.bound)
		return err_set(err, "certificate '%s' has no install", c->name);
	m->fill.cert = move->subject;
	for (i = 0; i < c->serves.n; i++) {
		e = &m->fleet->endpoints[c->serves.v[i]];
		if (e->host != NONE)
			indices_add(&hosts, e->host);
	}
	for (i = 0; i < c->install.n; i++) {
		on = c->install.v[i].on.n > 0 ? c->install.v[i].on : hosts;
		if (on.n == 0) {
			(void)err_set(err, "no host to install it on: say `on:`");
			(void)at(m, &c->install.v[i].pos, err);
			goto out;
		}
		for (j = 0; j < on.n; j++) {
			if (edit_on(m, &c->install.v[i], on.v[j], NONE, err) != 0) {
				(void)at(m, &c->install.v[i].pos, err);
				goto out;
			}
			indices_add(&edited, fleet_base(m->fleet, on.v[j]));
		}
	}
	for (i = 0; !c->lands_at_activation && i < c->serves.n; i++) {
		e = &m->fleet->endpoints[c->serves.v[i]];
		for (j = 0; j < edited.n && e->unit != NONE; j++) {
			if (edited.v[j] != e->host)
				continue;
			/* Another move of the step may have written to that file first. */
			indices_add(&m->units, e->unit);
			for (k = 0; k < m->ops->n; k++)
				if (fleet_base(m->fleet, m->ops->v[k].host) == e->host && m->ops->v[k].unit == NONE && serves(&m->ops->v[k], m->move))
					m->ops->v[k].unit = e->unit;
		}
	}
	ret = 0;
out:
	free(hosts.v);
	free(edited.v);
	return ret == 0 ? 0 : err_wrap(err, "certificate '%s'", c->name);
}

static int
make_move(struct maker *m, const struct move *move, struct err *err)
{
	m->fill.accept = m->fill.dial = m->fill.ca_file = NULL;
	m->fill.cert = NONE;
	m->no_ca = m->back_last = false;
	switch (move->facet) {
	case FACET_ACCEPT:
		return make_accept(m, move, err);
	case FACET_CERT:
		return make_cert(m, move, err);
	case FACET_DIAL:
		return make_dial(m, move, err);
	case FACET_TRUST:
		return make_trust(m, move, err);
	case FACET_PRESENT:
		return err_set(err, "present: not yet");
	}
	return err_set(err, "not a facet");
}

/* The server that is asked what it thinks of its files before the unit is activated, or NONE. */
static int
asked(const struct fleet *f, int unit)
{
	struct indices endpoints;
	const struct endpoint *e;
	int ret = NONE;
	size_t i;

	standing_endpoints(&endpoints, f, unit);
	for (i = 0; i < endpoints.n && ret == NONE; i++) {
		e = &f->endpoints[endpoints.v[i]];
		if (e->kind == KIND_POSTGRES && e->host == f->units[unit].host && e->admin_user != NULL &&
		    (standing_writes(f, endpoints.v[i], TEXT_HBA) || standing_writes(f, endpoints.v[i], TEXT_POSTGRES)))
			ret = endpoints.v[i];
	}
	free(endpoints.v);
	return ret;
}

/* What is not kept would not outlive an activation of the same step. */
static int
survives(struct maker *m, int unit, struct err *err)
{
	const struct endpoint *ep;
	size_t i;

	for (i = 0; i < m->ops->n; i++) {
		if (m->ops->v[i].kind != OP_SETTING || m->ops->v[i].persist)
			continue;
		ep = &m->fleet->endpoints[m->ops->v[i].endpoint];
		if (ep->unit == unit && (ep->kind == KIND_PGBOUNCER || m->fleet->units[unit].kind == UNIT_RESTART))
			return err_set(err, "unit '%s' is activated by the same step, and what '%s' was told "
			    "would be gone: expected a 'conf' edit of its file", m->fleet->units[unit].name, ep->name);
	}
	return 0;
}

/* What a server is told where it reloads itself. */
static char *
own_words(const struct endpoint *e)
{
	switch (e->kind) {
	case KIND_POSTGRES:
		return mem_printf("%s: SELECT pg_reload_conf()", e->name);
	case KIND_PGBOUNCER:
		return mem_printf("%s: RELOAD, once SHOW POOLS has nobody in sv_login", e->name);
	case KIND_REDIS:
		return mem_printf("%s: CONFIG SET tls-cert-file …, as it is", e->name);
	}
	return NULL;
}

static int
activations(struct maker *m, struct err *err)
{
	const struct unit *u;
	struct op *op;
	size_t i, j, k;

	for (i = 0; i < m->units.n; i++) {
		u = &m->fleet->units[m->units.v[i]];
		if (survives(m, m->units.v[i], err) != 0)
			return -1;
		if (u->not_yet != NULL || u->host == NONE) {
			(void)err_set(err, "unit '%s': %s: not yet", u->name,
			    u->not_yet != NULL ? u->not_yet : "a unit without a host");
			return at(m, &u->pos, err);
		}
		if (u->run == NULL && u->by == NONE) {
			(void)err_set(err, "unit '%s' has no command to activate it", u->name);
			return at(m, &u->pos, err);
		}
		op = op_push(m, OP_ACTIVATE, u->host);
		op->unit = m->units.v[i];
		op->run = u->by == NONE ? mem_strdup(u->run) : own_words(&m->fleet->endpoints[u->by]);
		op->in = mem_strdup(u->in);
		op->idempotent = u->idempotent;
		op->deadline_ms = u->deadline_ms > 0 ? u->deadline_ms : RUN_DEADLINE_MS;
		op->native = u->by != NONE;
		op->endpoint = op->native ? u->by : asked(m->fleet, op->unit);
		/* It serves every move whose edits take effect by it. */
		for (j = 0; j < m->ops->n - 1; j++)
			if (m->ops->v[j].unit == op->unit)
				for (k = 0; k < m->ops->v[j].moves.n; k++)
					indices_add(&op->moves, m->ops->v[j].moves.v[k]);
	}
	return 0;
}

static int
name_ops(struct maker *m, const char *run_id, const char *step_id, struct err *err)
{
	struct buf b;
	const char *much;
	size_t i;
	int ret = 0;

	buf_init(&b, 0);
	for (i = 0; ret == 0 && i < m->ops->n; i++) {
		if ((much = op_exceeds(&m->ops->v[i])) != NULL) {
			ret = err_set(err, "step '%s', host '%s': the %s is too long", step_id,
			    host_name(m, m->ops->v[i].host), much);
			break;
		}
		buf_clear(&b);
		op_id_part(&b, run_id);
		(void)buf_putc(&b, '/');
		op_id_part(&b, step_id);
		(void)buf_printf(&b, "/%zu", i + 1);
		if (b.len >= OP_ID_MAX)
			ret = err_set(err, "'%.40s…': the step's name is too long", step_id);
		else
			memcpy(m->ops->v[i].id, buf_str(&b), b.len + 1);
	}
	buf_release(&b);
	return ret;
}

static int
make_drain(struct maker *m, const struct drain *d, struct err *err)
{
	const struct endpoint *e = &m->fleet->endpoints[d->endpoint];
	struct op *op;

	if (e->not_yet != NULL || e->host == NONE)
		return err_set(err, "endpoint '%s': %s: not yet", e->name, e->not_yet != NULL ? e->not_yet :
		    "no host to do it from");
	op = op_push(m, OP_DRAIN, e->host);
	op->endpoint = d->endpoint;
	op->pace_ms = d->pace_ms;
	op->undeclared = d->undeclared;
	op->idempotent = true;
	op->deadline_ms = DRAIN_DEADLINE_MS;
	op->run = mem_printf("%s: end the sessions still on plaintext, one every %lld ms%s", e->name,
	    (long long)d->pace_ms, d->undeclared ? ", those of undeclared clients too" : "");
	return 0;
}

/* plan NULL: the step stands in none. */
static int
make(struct ops *ret, const struct fleet *fleet, const struct plan *plan, int index, const struct step *s,
    const char *run_id, op_material *material, void *arg, struct err *err)
{
	struct ops ops = { NULL, 0 };
	struct maker m;
	size_t i;
	int r = 0;

	memset(&m, 0, sizeof(m));
	m.fleet = fleet;
	m.ops = &ops;
	m.fill.material = material;
	m.fill.arg = arg;
	m.fill.step = s->id;
	m.plan = plan;
	m.step = index;
	for (i = 0; r == 0 && i < s->nmoves; i++) {
		m.move = (int)i;
		m.moving = &s->moves[i];
		r = make_move(&m, &s->moves[i], err);
	}
	m.move = NONE;
	m.moving = NULL;
	m.fill.accept = m.fill.dial = m.fill.ca_file = NULL;
	m.fill.cert = NONE;
	for (i = 0; r == 0 && i < s->nruns; i++)
		r = edit(&m, &s->runs[i], NONE, NONE, err);
	for (i = 0; r == 0 && i < s->ndrains; i++)
		r = make_drain(&m, &s->drains[i], err);
	if (r == 0)
		r = activations(&m, err);
	if (r == 0)
		r = name_ops(&m, run_id, s->id, err);
	free(m.units.v);
	if (r != 0) {
		ops_release(&ops);
		return err_wrap(err, "step '%s'", s->id);
	}
	*ret = ops;
	return 0;
}

int
ops_of_step(struct ops *ret, const struct fleet *fleet, const struct plan *plan, int step,
    const char *run_id, op_material *material, void *arg, struct err *err)
{
	const struct step *s = &plan->steps[step];

	if (s->not_yet != NULL)
		return err_set(err, "%s:%d:%d: step '%s': %s: not yet",
		    plan->path == NULL ? "plan" : plan->path, s->pos.line, s->pos.col, s->id,
		    s->not_yet);
	return make(ret, fleet, plan, step, s, run_id, material, arg, err);
}

int
ops_of_moves(struct ops *ret, const struct fleet *fleet, const struct move *moves,
    size_t nmoves, const char *run_id, const char *step_id, op_material *material, void *arg,
    struct err *err)
{
	char *id = mem_strdup(step_id);
	struct step s = { .id = id, .nmoves = nmoves };
	int r;

	s.moves = mem_array(nmoves, sizeof(*moves));
	memcpy(s.moves, moves, nmoves * sizeof(*moves));
	r = make(ret, fleet, NULL, NONE, &s, run_id, material, arg, err);
	free(s.moves);
	free(id);
	return r;
}

void
op_names(const struct op *op, const struct fleet *fleet, struct strings *ret)
{
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (op->path != NULL)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->path));
	/* What an endpoint does itself, or is asked before, writes no settings. */
	if (op->kind == OP_SETTING)
		strings_push(ret, mem_strdup(fleet->endpoints[op->endpoint].name));
	for (i = 0; i < op->touches.n; i++)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->touches.v[i]));
	if (op->by_value)
		strings_push(ret, mem_printf("%s:%s", fleet->hosts[op->host].name, op->observe));
}

void
op_command_text(const struct op *op, bool undo, struct buf *out)
{
	const char *command = undo && op->kind == OP_RUN && op->value == NULL ? op->undo : op->run;

	if (command == NULL)
		return;
	if (op->in != NULL)
		(void)buf_printf(out, "cd %s && ", op->in);
	if (op->value != NULL && !undo) {
		(void)buf_puts(out, "BELAY_VALUE=");
		text_shell_quote(out, op->value);
		(void)buf_putc(out, ' ');
	}
	(void)buf_puts(out, command);
}

/* A string of JSON, in ASCII alone, so that no shell's idea of characters matters. */
static void
put_json_string(struct buf *out, const char *s)
{
	int32_t cp;
	size_t n;

	(void)buf_putc(out, '"');
	for (; (n = text_next(s, &cp)) > 0; s += n)
		if (cp == '"' || cp == '\\')
			(void)buf_printf(out, "\\%c", (char)cp);
		else if (cp == '\n')
			(void)buf_puts(out, "\\n");
		else if (cp >= 0x20 && cp < 0x7f)
			(void)buf_putc(out, (char)cp);
		else if (cp < 0x10000)
			(void)buf_printf(out, "\\u%04x", (unsigned)cp);
		else
			(void)buf_printf(out, "\\u%04x\\u%04x", 0xd7c0 + ((unsigned)cp >> 10),
			    0xdc00 + ((unsigned)cp & 0x3ff));
	(void)buf_putc(out, '"');
}

void
op_input(const struct op *op, struct buf *out)
{
	size_t i;

	if (op->kind != OP_RUN || op->set.n == 0)
		return;
	out->secret = true;
	for (i = 0; i < op->set.n; i++) {
		(void)buf_puts(out, i == 0 ? "{" : ",");
		put_json_string(out, op->set.v[i].key);
		(void)buf_putc(out, ':');
		put_json_string(out, op->set.v[i].value);
	}
	(void)buf_putc(out, '}');
}
