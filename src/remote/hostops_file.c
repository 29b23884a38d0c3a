/*
 * hostops_file: what an op makes of a file, and how it is shown.
 *
 * What is shown: of a file that is edited by name the lines of our names (see
 * edittext.h), since the others' values may be anything; values of a `secret` op
 * as fingerprints.  Of a whole file the line diff, unless it is secret or was a
 * private key; a certificate in it is a line that says whose it is (pki/brief.h).
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "pki/brief.h"
#include "remote/hostops_int.h"

#define VALUE_SHOWN_MAX	120
#define DIFF_CONTEXT	2

int
file_after(const struct op *op, const struct looked *l, struct buf *out, bool *ret_there,
    struct err *err)
{
	struct buf value;
	size_t i;
	int rc;

	out->secret = true;
	if (op->kind == OP_FILE) {
		*ret_there = !op->remove;
		if (op->content != NULL)
			(void)buf_put(out, op->content, op->len);
		else if (!op->remove && !l->there)
			return err_set(err, "'%s' does not exist, and no content is given", op->path);
		else if (!op->remove)
			(void)buf_put(out, l->content, l->len);
		return 0;
	}
	for (i = 0; i < op->set.n; i++) {
		buf_init(&value, 0);
		value.secret = true;
		rc = text_name_check(op->syntax, op->set.v[i].key, err);
		if (rc == 0)
			rc = text_value(op->syntax, op->set.v[i].key, op->set.v[i].value, &value, err);
		buf_release(&value);
		if (rc != 0)
			return -1;
	}
	if (text_edit(op->syntax, out, l->content, l->len, &op->set, &op->unset, err) != 0)
		return err_wrap(err, "'%s'", op->path);
	/* Nothing to take away from a file that is not there, and nothing to put into it. */
	*ret_there = l->there || out->len > 0;
	if (out->len > HOST_FILE_MAX)
		return err_set(err, "'%s' would be larger than %zu bytes", op->path, HOST_FILE_MAX);
	return 0;
}

/* chown(1)'s "user:group" by number or by name; an empty group is the user's own, and not compared. */
static bool
owner_as_wanted(const char *owner, const struct looked *l)
{
	const char *colon = strchr(owner, ':'), *id_colon = strchr(l->ids, ':');
	const char *name_colon = strchr(l->names, ':');
	size_t user = colon == NULL ? strlen(owner) : (size_t)(colon - owner);

	if (id_colon == NULL || name_colon == NULL)
		return false;
	if (user > 0 &&
	    !(user == (size_t)(id_colon - l->ids) && memcmp(owner, l->ids, user) == 0) &&
	    !(user == (size_t)(name_colon - l->names) && memcmp(owner, l->names, user) == 0))
		return false;
	return colon == NULL || colon[1] == '\0' || strcmp(colon + 1, id_colon + 1) == 0 ||
	    strcmp(colon + 1, name_colon + 1) == 0;
}

bool
file_mode_as_wanted(const struct op *op, const struct looked *l)
{
	if (op->kind != OP_FILE || op->remove)
		return true;
	if (!l->there)
		return false;
	if (op->mode >= 0 && strtol(l->mode, NULL, 8) != op->mode)
		return false;
	return op->owner == NULL || owner_as_wanted(op->owner, l);
}

static void
put_print(const struct hostops *set, const char *p, size_t len, struct buf *out)
{
	char print[DIGEST_PRINT_SIZE];

	digest_print(set->c.key, sizeof(set->c.key), p, len, print);
	(void)buf_printf(out, "hmac:%s", print);
}

static void
print_value(void *arg, const char *p, size_t len, struct buf *out)
{
	put_print(arg, p, len, out);
}

static void
show_line(void *arg, const char *line, size_t len, struct buf *out)
{
	text_show(arg, line, len, out);
}

static bool
is_key(const char *p, size_t len)
{
	static const char mark[] = "PRIVATE KEY-----";
	size_t i;

	for (i = 0; i + sizeof(mark) - 1 <= len; i++)
		if (memcmp(p + i, mark, sizeof(mark) - 1) == 0)
			return true;
	return false;
}

static void
put_whole(const struct hostops *set, char sign, const char *p, size_t len, struct buf *out)
{
	(void)buf_printf(out, "%ccontent ", sign);
	put_print(set, p, len, out);
	(void)buf_printf(out, ", %zu bytes\n", len);
}

/* A certificate is its owner's name rather than its lines, unless they are all that differs. */
static void
put_lines(const char *from, size_t from_len, const char *to, size_t to_len, struct buf *out)
{
	size_t a_len = from_len, b_len = to_len;
	char *a = brief_text(from, from_len, &a_len), *b = brief_text(to, to_len, &b_len);
	const char *was = a == NULL ? from : a, *is = b == NULL ? to : b;

	if (a_len != b_len || memcmp(was, is, a_len) != 0)
		diff_text(out, was, a_len, is, b_len, DIFF_CONTEXT, NULL, NULL);
	else
		diff_text(out, from, from_len, to, to_len, DIFF_CONTEXT, NULL, NULL);
	free(a);
	free(b);
}

/* From one content of a file to another; as fingerprints where one of them is secret. */
static void
put_change(const struct hostops *set, bool secret, const char *from, size_t from_len, bool was,
    const char *to, size_t to_len, bool there, struct buf *out)
{
	if (!was && there)
		(void)buf_puts(out, "+ a new file\n");
	if (was && !there)
		(void)buf_puts(out, "- the file is removed\n");
	if (!secret && !is_key(from, from_len) && !is_key(to, to_len))
		put_lines(from, from_len, to, to_len, out);
	else if (from_len != to_len || memcmp(from, to, from_len) != 0 || was != there) {
		if (was)
			put_whole(set, '-', from, from_len, out);
		if (there)
			put_whole(set, '+', to, to_len, out);
	}
}

static void
preview_file(const struct hostops *set, const struct op *op, const struct looked *l,
    const char *after, size_t after_len, bool there, struct buf *out)
{
	put_change(set, op->secret, l->content, l->len, l->there, after, after_len, there, out);
	if (!there)
		return;
	if (l->there && op->mode >= 0 && strtol(l->mode, NULL, 8) != op->mode)
		(void)buf_printf(out, "-mode %s\n+mode %o\n", l->mode, (unsigned)op->mode);
	else if (!l->there)
		(void)buf_printf(out, "+mode %o\n", op->mode >= 0 ? (unsigned)op->mode : 0600u);
	if (op->owner != NULL && !(l->there && owner_as_wanted(op->owner, l))) {
		if (l->there)
			(void)buf_printf(out, "-owner %s\n", l->ids);
		(void)buf_printf(out, "+owner %s\n", op->owner);
	}
}

void
file_preview(const struct hostops *set, const struct op *op, const struct looked *l,
    const char *after, size_t after_len, bool there, struct buf *out)
{
	struct text_view view = { op->syntax, &op->set, &op->unset, l->content, l->len,
	    op->secret ? print_value : NULL, (void *)(uintptr_t)set };

	if (op->kind == OP_FILE) {
		preview_file(set, op, l, after, after_len, there, out);
		return;
	}
	if (!l->there && there)
		(void)buf_puts(out, "+ a new file\n");
	diff_text(out, l->content, l->len, after, after_len, text_context(op->syntax),
	    show_line, &view);
}

static void
wrote_key(const struct op *op, const struct looked *l, const char *key, struct pairs *set,
    struct strings *unset)
{
	struct pair *pair;
	struct buf value;
	size_t len;

	buf_init(&value, 0);
	value.secret = true;
	if (text_get(op->syntax, l->after, l->after_len, key, &value)) {
		pair = mem_push(&set->v, &set->n, sizeof(*set->v));
		pair->key = mem_strdup(key);
		(void)buf_puts(&value, "");
		pair->value = buf_take(&value, &len);
	} else
		*(char **)mem_push(&unset->v, &unset->n, sizeof(*unset->v)) = mem_strdup(key);
	buf_release(&value);
}

void
file_wrote(const struct op *op, const struct looked *l, struct pairs *set, struct strings *unset)
{
	size_t i;

	memset(set, 0, sizeof(*set));
	memset(unset, 0, sizeof(*unset));
	for (i = 0; i < op->set.n; i++)
		wrote_key(op, l, op->set.v[i].key, set, unset);
	for (i = 0; i < op->unset.n; i++)
		wrote_key(op, l, op->unset.v[i], set, unset);
}

void
file_wrote_release(struct pairs *set, struct strings *unset)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		free(set->v[i].key);
		mem_wipe_free(set->v[i].value, strlen(set->v[i].value));
	}
	free(set->v);
	set->v = NULL;
	set->n = 0;
	strings_release(unset);
}

static void
put_value(const struct hostops *set, const struct op *op, const char *text, size_t len,
    const char *key, struct buf *out)
{
	struct buf value;

	buf_init(&value, 0);
	value.secret = true;
	if (!text_get(op->syntax, text, len, key, &value))
		(void)buf_puts(out, "not set");
	else if (op->secret)
		put_print(set, buf_str(&value), value.len, out);
	else
		(void)buf_printf(out, "'%.*s'", VALUE_SHOWN_MAX, buf_str(&value));
	buf_release(&value);
}

/* A block has many lines: which of them are not ours any more. */
static void
put_block_ways(const struct op *op, const struct looked *l, const char *name, struct buf *out)
{
	struct buf wrote, is;
	bool there;

	buf_init(&wrote, 0);
	buf_init(&is, 0);
	wrote.secret = is.secret = true;
	(void)text_get(op->syntax, l->after, l->after_len, name, &wrote);
	there = text_get(op->syntax, l->content, l->len, name, &is);
	(void)buf_printf(out, "block %s: was %s, and is %s:\n", name,
	    text_get(op->syntax, l->before, l->before_len, name, NULL) ? "there" : "not there",
	    there ? "not what we wrote" : "gone or torn");
	if (there && !op->secret)
		diff_text(out, buf_str(&wrote), wrote.len, buf_str(&is), is.len, DIFF_CONTEXT, NULL, NULL);
	buf_release(&wrote);
	buf_release(&is);
}

void
file_three_ways(const struct hostops *set, const struct op *op, const struct looked *l,
    const struct strings *keys, struct buf *out)
{
	size_t i;

	for (i = 0; i < keys->n; i++) {
		if (op->kind == OP_BLOCK) {
			put_block_ways(op, l, keys->v[i], out);
			continue;
		}
		(void)buf_printf(out, "%s\n  was       ", keys->v[i]);
		put_value(set, op, l->before, l->before_len, keys->v[i], out);
		(void)buf_puts(out, "\n  we wrote  ");
		put_value(set, op, l->after, l->after_len, keys->v[i], out);
		(void)buf_puts(out, "\n  is now    ");
		put_value(set, op, l->content, l->len, keys->v[i], out);
		(void)buf_puts(out, "\n");
	}
}

void
file_two_ways(const struct hostops *set, const struct op *op, const struct looked *l, struct buf *out)
{
	(void)buf_puts(out, "from what we wrote to what is there:\n");
	put_change(set, op->secret, l->after, l->after_len, strcmp(l->m_after, "-") != 0, l->content, l->len,
	    l->there, out);
	(void)buf_puts(out, "from what is there to what was before us:\n");
	put_change(set, op->secret, l->content, l->len, l->there, l->before, l->before_len,
	    strcmp(l->m_before, "-") != 0, out);
}
