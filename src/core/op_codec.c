/*
 * op_codec: an op and its result as blobs, and the words of their enums.
 *
 * Decoding trusts nothing: counts and lengths are capped, enums and ids
 * checked, and a blob with a byte too many is refused.
 */
#include "core/op.h"

#include <stdlib.h>
#include <string.h>

#include "core/blob.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"

#define KEY_MAX		256
#define OWNER_MAX	256

const char *
op_kind_word(enum op_kind kind)
{
	switch (kind) {
	case OP_ENV:		return "env";
	case OP_FILE:		return "file";
	case OP_RUN:		return "run";
	case OP_ACTIVATE:	return "activate";
	case OP_CONF:		return "conf";
	case OP_BLOCK:		return "block";
	case OP_URL:		return "url";
	case OP_SETTING:	return "setting";
	case OP_DRAIN:		return "drain";
	}
	return "?";
}

bool
op_kind_by_name(enum op_kind kind)
{
	return kind == OP_ENV || kind == OP_CONF || kind == OP_BLOCK || kind == OP_URL;
}

bool
op_kind_of_file(enum op_kind kind)
{
	return kind == OP_FILE || op_kind_by_name(kind);
}

const char *
op_outcome_word(enum op_outcome outcome)
{
	switch (outcome) {
	case OP_FRESH:		return "fresh";
	case OP_IN_PLACE:	return "in-place";
	case OP_APPLIED:	return "applied";
	case OP_RESTORED:	return "restored";
	case OP_DRIFTED:	return "drifted";
	case OP_FAILED:		return "failed";
	case OP_CUT:		return "cut";
	case OP_UNREACHED:	return "unreached";
	}
	return "?";
}

static bool
id_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '.' || c == '_' || c == '-';
}

void
op_id_part(struct buf *out, const char *name)
{
	const char *p;
	bool dot = true;	/* the part so far ends with one, or is empty */

	/* A leading dot would make a hidden directory of it; and ".." the host takes nowhere. */
	for (p = name; *p != '\0'; p++)
		if (id_byte(*p) && !(dot && *p == '.') && !(p == name && *p == '-')) {
			(void)buf_putc(out, *p);
			dot = *p == '.';
		} else {
			(void)buf_printf(out, "_%02x", (unsigned char)*p);
			dot = false;
		}
	if (p == name)
		(void)buf_putc(out, '_');
}

bool
op_id_valid(const char *id)
{
	size_t parts = 1, len = strlen(id);
	const char *p;

	if (len == 0 || len >= OP_ID_MAX)
		return false;
	for (p = id; *p != '\0'; p++) {
		if (*p == '/')
			parts++;
		else if (!id_byte(*p))
			return false;
		if (p[0] == '.' && p[1] == '.')
			return false;
		/* Every part begins with something that is no dot and no dash. */
		if ((p == id || p[-1] == '/') && (*p == '/' || *p == '.' || *p == '-'))
			return false;
	}
	return parts == 3 && p[-1] != '/';
}

void
op_release(struct op *op)
{
	size_t i;

	free(op->path);
	for (i = 0; i < op->set.n; i++) {
		free(op->set.v[i].key);
		if (op->set.v[i].value != NULL)
			mem_wipe_free(op->set.v[i].value, strlen(op->set.v[i].value));
	}
	free(op->set.v);
	for (i = 0; i < op->unset.n; i++)
		free(op->unset.v[i]);
	free(op->unset.v);
	mem_wipe_free(op->content, op->len);
	free(op->owner);
	free(op->issued);
	free(op->run);
	free(op->undo);
	free(op->observe);
	free(op->expect);
	free(op->in);
	strings_release(&op->touches);
	free(op->version);
	free(op->value);
	for (i = 0; i < op->waived.n; i++)
		free(op->waived.v[i]);
	free(op->waived.v);
	free(op->moves.v);
	memset(op, 0, sizeof(*op));
}

void
ops_release(struct ops *ops)
{
	size_t i;

	for (i = 0; i < ops->n; i++)
		op_release(&ops->v[i]);
	free(ops->v);
	memset(ops, 0, sizeof(*ops));
}

void
op_copy(struct op *to, const struct op *from)
{
	size_t i;

	*to = *from;
	to->path = mem_strdup(from->path);
	to->set.v = mem_array(from->set.n, sizeof(*to->set.v));
	for (i = 0; i < from->set.n; i++) {
		to->set.v[i].key = mem_strdup(from->set.v[i].key);
		to->set.v[i].value = mem_strdup(from->set.v[i].value);
		to->set.v[i].pos = from->set.v[i].pos;
	}
	to->unset.v = mem_array(from->unset.n, sizeof(*to->unset.v));
	for (i = 0; i < from->unset.n; i++)
		to->unset.v[i] = mem_strdup(from->unset.v[i]);
	to->content = from->content == NULL ? NULL : mem_strndup(from->content, from->len);
	to->owner = mem_strdup(from->owner);
	to->issued = mem_strdup(from->issued);
	to->run = mem_strdup(from->run);
	to->undo = mem_strdup(from->undo);
	to->observe = mem_strdup(from->observe);
	to->expect = mem_strdup(from->expect);
	to->in = mem_strdup(from->in);
	to->version = mem_strdup(from->version);
	to->value = mem_strdup(from->value);
	to->touches.v = mem_array(from->touches.n, sizeof(*to->touches.v));
	for (i = 0; i < from->touches.n; i++)
		to->touches.v[i] = mem_strdup(from->touches.v[i]);
	to->waived.v = mem_array(from->waived.n, sizeof(*to->waived.v));
	for (i = 0; i < from->waived.n; i++)
		to->waived.v[i] = mem_strdup(from->waived.v[i]);
	to->moves.v = mem_array(from->moves.n, sizeof(*to->moves.v));
	if (from->moves.n > 0)
		memcpy(to->moves.v, from->moves.v, from->moves.n * sizeof(*to->moves.v));
}

void
op_encode(const struct op *op, struct buf *out)
{
	size_t i;

	out->secret = true;
	blob_put_str(out, op->id);
	blob_put_int(out, op->kind);
	blob_put_int(out, op->host);
	blob_put_int(out, op->unit);
	blob_put_int(out, op->endpoint);
	blob_put_str(out, op->path);
	blob_put_int(out, (int64_t)op->syntax);
	blob_put_int(out, (int64_t)op->set.n);
	for (i = 0; i < op->set.n; i++) {
		blob_put_str(out, op->set.v[i].key);
		blob_put_str(out, op->set.v[i].value);
	}
	blob_put_int(out, (int64_t)op->unset.n);
	for (i = 0; i < op->unset.n; i++)
		blob_put_str(out, op->unset.v[i]);
	blob_put_int(out, op->content != NULL);
	if (op->content != NULL)
		blob_put_bytes(out, op->content, op->len);
	blob_put_int(out, op->remove);
	blob_put_int(out, op->mode);
	blob_put_str(out, op->owner);
	blob_put_int(out, op->in_place);
	blob_put_int(out, op->persist);
	blob_put_int(out, op->secret);
	blob_put_str(out, op->issued);
	blob_put_str(out, op->run);
	blob_put_str(out, op->undo);
	blob_put_str(out, op->observe);
	blob_put_str(out, op->expect);
	blob_put_str(out, op->in);
	blob_put_str(out, op->version);
	blob_put_int(out, op->by_value);
	blob_put_str(out, op->value);
	blob_put_int(out, (int64_t)op->touches.n);
	for (i = 0; i < op->touches.n; i++)
		blob_put_str(out, op->touches.v[i]);
	blob_put_int(out, op->pace_ms);
	blob_put_int(out, op->undeclared);
	blob_put_int(out, op->native);
	blob_put_int(out, op->idempotent);
	blob_put_int(out, op->read_only);
	blob_put_int(out, op->deadline_ms);
	blob_put_int(out, (int64_t)op->waived.n);
	for (i = 0; i < op->waived.n; i++)
		blob_put_str(out, op->waived.v[i]);
	blob_put_int(out, (int64_t)op->moves.n);
	for (i = 0; i < op->moves.n; i++)
		blob_put_int(out, op->moves.v[i]);
}

static bool
syntax_fits(const struct op *op)
{
	switch (op->syntax) {
	case TEXT_ENV:
		return op->kind == OP_ENV;
	case TEXT_URL:
		return op->kind == OP_URL;
	case TEXT_POSTGRES:
	case TEXT_INI:
	case TEXT_REDIS:
		return op->kind == OP_CONF;
	case TEXT_BLOCK:
	case TEXT_HBA:
		return op->kind == OP_BLOCK;
	}
	return false;
}

/* Has the op what its kind needs? */
static const char *
op_lacks(const struct op *op)
{
	switch (op->kind) {
	case OP_ENV:
	case OP_CONF:
	case OP_BLOCK:
	case OP_URL:
		return op->path == NULL ? "a path" : syntax_fits(op) ? NULL : "its syntax";
	case OP_FILE:
		return op->path == NULL ? "a path" :
		    op->content == NULL && !op->remove && op->mode < 0 && op->owner == NULL ?
		    "a content" : NULL;
	case OP_SETTING:
		return op->endpoint == NONE ? "a server" : op->set.n + op->unset.n == 0 ? "a setting" : NULL;
	case OP_DRAIN:
		return op->endpoint == NONE ? "a server" : op->run == NULL ? "its words" : NULL;
	case OP_RUN:
	case OP_ACTIVATE:
		return op->run == NULL ? "a command" : op->native && op->endpoint == NONE ? "a server" : NULL;
	}
	return "a kind";
}

static bool
longer(const char *s, size_t max)
{
	return s != NULL && strlen(s) > max;
}

const char *
op_exceeds(const struct op *op)
{
	size_t i;

	if (longer(op->path, OP_PATH_MAX) || longer(op->in, OP_PATH_MAX))
		return "path";
	for (i = 0; i < op->touches.n; i++)
		if (longer(op->touches.v[i], OP_PATH_MAX))
			return "path";
	if (longer(op->run, OP_COMMAND_MAX) || longer(op->undo, OP_COMMAND_MAX) ||
	    longer(op->observe, OP_COMMAND_MAX) || longer(op->version, OP_COMMAND_MAX) ||
	     longer(op->expect, OP_COMMAND_MAX) || longer(op->value, OP_PATH_MAX))
		return "command";
	if (longer(op->owner, OWNER_MAX))
		return "owner";
	if (longer(op->issued, OP_ISSUED_MAX))
		return "list of certificates";
	for (i = 0; i < op->set.n; i++)
		if (longer(op->set.v[i].key, KEY_MAX) || longer(op->set.v[i].value, OP_VALUE_MAX))
			return "variable";
	for (i = 0; i < op->unset.n; i++)
		if (longer(op->unset.v[i], KEY_MAX))
			return "variable";
	return NULL;
}

int
op_decode(struct op *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct op op;
	const char *lacks = NULL;
	size_t i, n;

	memset(&op, 0, sizeof(op));
	blob_read(&r, p, len_bytes);
	blob_fixed(&r, op.id, sizeof(op.id));
	op.kind = (enum op_kind)blob_int(&r, 0, OP_KIND_COUNT - 1);
	op.host = (int)blob_int(&r, 0, FLEET_ITEMS_MAX);
	op.unit = (int)blob_int(&r, NONE, FLEET_ITEMS_MAX);
	op.endpoint = (int)blob_int(&r, NONE, FLEET_ITEMS_MAX);
	op.path = blob_str(&r, OP_PATH_MAX);
	op.syntax = (enum text_syntax)blob_int(&r, 0, TEXT_SYNTAX_COUNT - 1);
	n = (size_t)blob_int(&r, 0, OP_KEYS_MAX);
	op.set.v = mem_array(n, sizeof(*op.set.v));
	for (i = 0; i < n && !r.bad; i++) {
		op.set.n++;
		op.set.v[i].key = blob_str(&r, KEY_MAX);
		op.set.v[i].value = blob_str(&r, OP_VALUE_MAX);
		if (op.set.v[i].key == NULL || op.set.v[i].value == NULL)
			r.bad = true;
	}
	n = (size_t)blob_int(&r, 0, OP_KEYS_MAX);
	op.unset.v = mem_array(n, sizeof(*op.unset.v));
	for (i = 0; i < n && !r.bad; i++) {
		op.unset.n++;
		if ((op.unset.v[i] = blob_str(&r, KEY_MAX)) == NULL)
			r.bad = true;
	}
	if (blob_bool(&r) && (op.content = blob_bytes(&r, OP_CONTENT_MAX, &op.len)) == NULL)
		r.bad = true;
	op.remove = blob_bool(&r);
	op.mode = (int)blob_int(&r, -1, 07777);
	op.owner = blob_str(&r, OWNER_MAX);
	op.in_place = blob_bool(&r);
	op.persist = blob_bool(&r);
	op.secret = blob_bool(&r);
	op.issued = blob_str(&r, OP_ISSUED_MAX);
	op.run = blob_str(&r, OP_COMMAND_MAX);
	op.undo = blob_str(&r, OP_COMMAND_MAX);
	op.observe = blob_str(&r, OP_COMMAND_MAX);
	op.expect = blob_str(&r, OP_COMMAND_MAX);
	op.in = blob_str(&r, OP_PATH_MAX);
	op.version = blob_str(&r, OP_COMMAND_MAX);
	op.by_value = blob_bool(&r);
	op.value = blob_str(&r, OP_PATH_MAX);
	n = (size_t)blob_int(&r, 0, EDIT_TOUCHES_MAX);
	op.touches.v = mem_array(n, sizeof(*op.touches.v));
	for (i = 0; i < n && !r.bad; i++) {
		op.touches.n++;
		if ((op.touches.v[i] = blob_str(&r, OP_PATH_MAX)) == NULL)
			r.bad = true;
	}
	op.pace_ms = blob_int(&r, 0, DRAIN_PACE_MAX_MS);
	op.undeclared = blob_bool(&r);
	op.native = blob_bool(&r);
	op.idempotent = blob_bool(&r);
	op.read_only = blob_bool(&r);
	op.deadline_ms = blob_int(&r, 0, FLEET_DEADLINE_MAX_MS);
	n = (size_t)blob_int(&r, 0, OP_KEYS_MAX);
	op.waived.v = mem_array(n, sizeof(*op.waived.v));
	for (i = 0; i < n && !r.bad; i++) {
		op.waived.n++;
		if ((op.waived.v[i] = blob_str(&r, KEY_MAX)) == NULL)
			r.bad = true;
	}
	n = (size_t)blob_int(&r, 0, FLEET_ITEMS_MAX);
	op.moves.v = mem_array(r.bad ? 0 : n, sizeof(*op.moves.v));
	for (i = 0; i < n && !r.bad; i++) {
		op.moves.n++;
		op.moves.v[i] = (int)blob_int(&r, 0, FLEET_ITEMS_MAX);
	}
	if (!blob_done(&r) || !op_id_valid(op.id) || (lacks = op_lacks(&op)) != NULL) {
		op_release(&op);
		return lacks != NULL ? err_set(err, "malformed op: lacks %s", lacks) :
		    err_set(err, "malformed op");
	}
	*ret = op;
	return 0;
}

void
op_result_release(struct op_result *r)
{
	free(r->text);
	free(r->why);
	memset(r, 0, sizeof(*r));
}

/* At most max bytes of a text that may have grown: the end of it is what matters. */
static void
put_tail(struct buf *out, const char *s, size_t max)
{
	size_t len;

	if (s != NULL && (len = strlen(s)) > max)
		s += len - max;
	blob_put_str(out, s);
}

void
op_result_encode(const struct op_result *r, struct buf *out)
{
	blob_put_int(out, r->outcome);
	blob_put_str(out, r->before_sha);
	blob_put_str(out, r->after_sha);
	blob_put_int(out, r->exit_status);
	put_tail(out, r->text, OP_TEXT_MAX);
	put_tail(out, r->why, OP_WHY_MAX);
}

static bool
sha_valid(const char *sha)
{
	return sha[0] == '\0' || strcmp(sha, "-") == 0 ||
	    (strlen(sha) == 64 && strspn(sha, "0123456789abcdef") == 64);
}

int
op_result_decode(struct op_result *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct op_result v;
	struct blob_reader r;

	memset(&v, 0, sizeof(v));
	blob_read(&r, p, len_bytes);
	v.outcome = (enum op_outcome)blob_int(&r, 0, OP_OUTCOME_COUNT - 1);
	blob_fixed(&r, v.before_sha, sizeof(v.before_sha));
	blob_fixed(&r, v.after_sha, sizeof(v.after_sha));
	v.exit_status = (int)blob_int(&r, -1, 255);
	v.text = blob_str(&r, OP_TEXT_MAX);
	v.why = blob_str(&r, OP_WHY_MAX);
	if (!blob_done(&r) || !sha_valid(v.before_sha) || !sha_valid(v.after_sha)) {
		op_result_release(&v);
		return err_set(err, "malformed op result");
	}
	*ret = v;
	return 0;
}
