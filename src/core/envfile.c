/*
 * envfile: see envfile.h.  The syntax of env files; keyfile does the rest.
 */
#include "core/envfile.h"

#include <string.h>

#include "core/buf.h"
#include "core/keyfile.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
key_byte(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	    (!first && ((c >= '0' && c <= '9') || c == '.' || c == '-'));
}

bool
envfile_key_valid(const char *key)
{
	size_t i;

	for (i = 0; key[i] != '\0'; i++)
		if (!key_byte(key[i], i == 0))
			return false;
	return i > 0;
}

/* The closing quote of a value that opens at `at`, or len. */
static size_t
closing(const char *p, size_t at, size_t len)
{
	char quote = p[at];
	size_t i;

	for (i = at + 1; i < len; i++) {
		if (quote == '"' && p[i] == '\\' && i + 1 < len)
			i++;
		else if (p[i] == quote)
			return i;
	}
	return len;
}

/* Nothing but blanks, or blanks and a comment, from `at` to the line's end. */
static bool
only_comment(const char *p, size_t at, size_t end)
{
	size_t i;

	for (i = at; i < end && blank(p[i]); i++)
		;
	return i == end || (p[i] == '#' && i > at);
}

static void
read_value(const char *p, size_t at, size_t len, struct keyfile_item *it)
{
	size_t end = keyfile_line_end(p, at, len), close, i;

	it->value = at;
	if (at < end && (p[at] == '\'' || p[at] == '"') && (close = closing(p, at, len)) < len &&
	    only_comment(p, close + 1, keyfile_line_end(p, close + 1, len))) {
		it->quote = p[at];
		it->value_len = close + 1 - at;
		it->len = keyfile_line_next(p, close + 1, len);
		return;
	}
	/* A # with a blank before it begins a comment; KEY= # says the value is empty. */
	for (i = at; i < end; i++)
		if (p[i] == '#' && i > 0 && blank(p[i - 1]))
			break;
	while (i > at && blank(p[i - 1]))
		i--;
	it->value_len = i - at;
	/* An empty value stands at the =, so that a comment keeps its blank. */
	while (i == at && it->value > 0 && blank(p[it->value - 1]))
		it->value--;
	it->len = keyfile_line_next(p, at, len);
}

/* Reads the item at the beginning of p. */
static void
read_item(struct keyfile_item *it, const char *p, size_t len)
{
	size_t i = 0, end = keyfile_line_end(p, 0, len), key;

	it->p = p;
	it->len = keyfile_line_next(p, 0, len);
	while (i < end && blank(p[i]))
		i++;
	if (end - i > 7 && memcmp(p + i, "export", 6) == 0 && blank(p[i + 6])) {
		for (key = i + 6; key < end && blank(p[key]); key++)
			;
		/* A variable named export is one, too: `export = x`. */
		if (key < end && key_byte(p[key], true)) {
			it->exported = true;
			i = key;
		}
	}
	key = i;
	while (i < end && key_byte(p[i], i == key))
		i++;
	if (i == key)
		return;
	it->key = key;
	it->key_len = i - key;
	while (i < end && blank(p[i]))
		i++;
	if (i == end || p[i] != '=') {
		it->key_len = 0;
		it->exported = false;
		return;
	}
	i++;
	while (i < end && blank(p[i]))
		i++;
	read_value(p, i, len, it);
}

static bool
item_is(const struct keyfile_item *it, const char *key)
{
	return it->key_len > 0 && it->key_len == strlen(key) &&
	    memcmp(it->p + it->key, key, it->key_len) == 0;
}

static void
item_value(const struct keyfile_item *it, struct buf *out)
{
	const char *v = it->p + it->value;
	size_t i, len = it->value_len;

	if (it->quote == 0) {
		(void)buf_put(out, v, len);
		return;
	}
	for (i = 1; i + 1 < len; i++) {
		if (it->quote == '"' && v[i] == '\\' && strchr("\"\\$`", v[i + 1]) != NULL &&
		    v[i + 1] != '\0' && i + 2 < len)
			i++;
		(void)buf_putc(out, v[i]);
	}
}

/* Characters that mean nothing to any reader of such files. */
static bool
plain(const char *value)
{
	return value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	    "_./:@%+,=-")] == '\0';
}

/* A value with `quote`, or the least that it needs where quote is 0. */
static void
put_value(struct buf *out, const char *value, char quote)
{
	const char *p;

	if (quote == 0 && plain(value)) {
		(void)buf_puts(out, value);
		return;
	}
	if (quote == 0 || (quote == '\'' && strchr(value, '\'') != NULL))
		quote = strchr(value, '\'') == NULL ? '\'' : '"';
	(void)buf_putc(out, quote);
	for (p = value; *p != '\0'; p++) {
		if (quote == '"' && strchr("\"\\$`", *p) != NULL)
			(void)buf_putc(out, '\\');
		(void)buf_putc(out, *p);
	}
	(void)buf_putc(out, quote);
}

static void
put_item_value(struct buf *out, const char *value, const struct keyfile_item *was)
{
	put_value(out, value, was->quote);
}

static void
put_item(struct buf *out, const char *key, const char *value, const struct keyfile_item *last)
{
	(void)buf_printf(out, "%s%s=", last != NULL && last->exported ? "export " : "", key);
	put_value(out, value, 0);
}

static const struct keyfile_syntax syntax = {
	.read = read_item, .is = item_is, .value = item_value, .put_value = put_item_value,
	.put_new = put_item,
};

bool
envfile_get(const char *text, size_t len_bytes, const char *key, struct buf *out)
{
	return keyfile_get(&syntax, text, len_bytes, key, out);
}

const char *
envfile_line_key(const char *line, size_t len_bytes, size_t *ret_len, size_t *ret_value_at)
{
	struct keyfile_item it;

	memset(&it, 0, sizeof(it));
	read_item(&it, line, len_bytes);
	if (it.key_len == 0)
		return NULL;
	*ret_len = it.key_len;
	*ret_value_at = it.value;
	return line + it.key;
}

bool
envfile_edit(struct buf *out, const char *text, size_t len_bytes, const struct pairs *set,
    const struct strings *unset)
{
	return keyfile_edit(&syntax, out, text, len_bytes, set, unset);
}

size_t
envfile_restore(struct buf *out, const char *before, size_t before_len, const struct pairs *set,
    const struct strings *unset, const char *now, size_t now_len, struct strings *ret_drift)
{
	return keyfile_restore(&syntax, out, before, before_len, set, unset, now, now_len, ret_drift);
}
