/*
 * envfile: see envfile.h.
 *
 * A text is cut into items, each one assignment with all its lines, or one
 * line that is none.  Items concatenated are the text, byte for byte; an
 * edit replaces, drops or adds whole items or the value's bytes inside one.
 */
#include "core/envfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/mem.h"

struct item {
	const char *p;		/* with its line end */
	size_t	 len;
	size_t	 key, key_len;	/* key_len == 0: no assignment */
	size_t	 value, value_len;	/* the raw value, quotes included */
	char	 quote;		/* ' or ", or 0: bare */
	bool	 exported;
};

struct items {
	struct item *v;
	size_t	 n;
};

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

/* The end of the line at `at`, before its \r\n or \n. */
static size_t
line_end(const char *p, size_t at, size_t len)
{
	const char *nl = memchr(p + at, '\n', len - at);
	size_t end = nl == NULL ? len : (size_t)(nl - p);

	return nl != NULL && end > at && p[end - 1] == '\r' ? end - 1 : end;
}

static size_t
line_next(const char *p, size_t at, size_t len)
{
	const char *nl = memchr(p + at, '\n', len - at);

	return nl == NULL ? len : (size_t)(nl - p) + 1;
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
read_value(const char *p, size_t at, size_t len, struct item *it)
{
	size_t end = line_end(p, at, len), close, i;

	it->value = at;
	if (at < end && (p[at] == '\'' || p[at] == '"') && (close = closing(p, at, len)) < len &&
	    only_comment(p, close + 1, line_end(p, close + 1, len))) {
		it->quote = p[at];
		it->value_len = close + 1 - at;
		it->len = line_next(p, close + 1, len);
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
	it->len = line_next(p, at, len);
}

/* Reads the item at the beginning of p. */
static void
read_item(const char *p, size_t len, struct item *it)
{
	size_t i = 0, end = line_end(p, 0, len), key;

	memset(it, 0, sizeof(*it));
	it->p = p;
	it->len = line_next(p, 0, len);
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

static void
items_read(struct items *ret, const char *text, size_t len)
{
	struct item *it;
	size_t at;

	ret->v = NULL;
	ret->n = 0;
	for (at = 0; at < len; at += it->len) {
		it = mem_push(&ret->v, &ret->n, sizeof(*ret->v));
		read_item(text + at, len - at, it);
	}
}

static void
items_release(struct items *items)
{
	free(items->v);
	items->v = NULL;
	items->n = 0;
}

static bool
item_is(const struct item *it, const char *key)
{
	return it->key_len > 0 && it->key_len == strlen(key) &&
	    memcmp(it->p + it->key, key, it->key_len) == 0;
}

/* The last item of the key, or SIZE_MAX. */
static size_t
items_last(const struct items *items, const char *key)
{
	size_t i;

	for (i = items->n; i-- > 0;)
		if (item_is(&items->v[i], key))
			return i;
	return SIZE_MAX;
}

static void
item_value(const struct item *it, struct buf *out)
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

static bool
item_has_value(const struct item *it, const char *value)
{
	struct buf b;
	bool equal;

	buf_init(&b, 0);
	b.secret = true;
	item_value(it, &b);
	equal = b.len == strlen(value) && memcmp(buf_str(&b), value, b.len) == 0;
	buf_release(&b);
	return equal;
}

static bool
items_same_value(const struct item *a, const struct item *b)
{
	struct buf v;
	bool equal;

	buf_init(&v, 0);
	v.secret = true;
	item_value(a, &v);
	equal = strlen(buf_str(&v)) == v.len ? item_has_value(b, buf_str(&v)) :
	    a->value_len == b->value_len &&
	    memcmp(a->p + a->value, b->p + b->value, a->value_len) == 0;
	buf_release(&v);
	return equal;
}

bool
envfile_get(const char *text, size_t len_bytes, const char *key, struct buf *out)
{
	struct items items;
	size_t i;

	items_read(&items, text, len_bytes);
	if ((i = items_last(&items, key)) != SIZE_MAX && out != NULL)
		item_value(&items.v[i], out);
	items_release(&items);
	return i != SIZE_MAX;
}

const char *
envfile_line_key(const char *line, size_t len_bytes, size_t *ret_len, size_t *ret_value_at)
{
	struct item it;

	read_item(line, len_bytes, &it);
	if (it.key_len == 0)
		return NULL;
	*ret_len = it.key_len;
	*ret_value_at = it.value;
	return line + it.key;
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
put_item_with(struct buf *out, const struct item *it, const char *value)
{
	(void)buf_put(out, it->p, it->value);
	put_value(out, value, it->quote);
	(void)buf_put(out, it->p + it->value + it->value_len, it->len - it->value - it->value_len);
}

static bool
strings_have(const struct strings *s, const char *p, size_t len)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strlen(s->v[i]) == len && memcmp(s->v[i], p, len) == 0)
			return true;
	return false;
}

static bool
ends_in_newline(const char *text, size_t len)
{
	return len > 0 && text[len - 1] == '\n';
}

/* The file's line ends: those of its last ended line. */
static const char *
file_eol(const char *text, size_t len)
{
	size_t i;

	for (i = len; i-- > 0;)
		if (text[i] == '\n')
			return i > 0 && text[i - 1] == '\r' ? "\r\n" : "\n";
	return "\n";
}

static bool
reads_back(const char *text, size_t len, const struct pairs *set, const struct strings *unset)
{
	struct items items;
	size_t i, at;
	bool good = true;

	items_read(&items, text, len);
	for (i = 0; i < set->n; i++) {
		at = items_last(&items, set->v[i].key);
		good = good && at != SIZE_MAX && item_has_value(&items.v[at], set->v[i].value);
	}
	for (i = 0; i < unset->n; i++)
		good = good && items_last(&items, unset->v[i]) == SIZE_MAX;
	items_release(&items);
	return good;
}

bool
envfile_edit(struct buf *out, const char *text, size_t len_bytes, const struct pairs *set,
    const struct strings *unset)
{
	const char *eol = file_eol(text, len_bytes);
	struct items items;
	const struct item *it;
	size_t *last, i, k, start = out->len;
	bool exported = false;

	items_read(&items, text, len_bytes);
	last = mem_array(set->n, sizeof(*last));
	for (k = 0; k < set->n; k++)
		last[k] = items_last(&items, set->v[k].key);
	for (i = 0; i < items.n; i++) {
		it = &items.v[i];
		if (it->key_len > 0) {
			exported = it->exported;
			if (strings_have(unset, it->p + it->key, it->key_len))
				continue;
		}
		for (k = 0; k < set->n && last[k] != i; k++)
			;
		if (k == set->n || item_has_value(it, set->v[k].value))
			(void)buf_put(out, it->p, it->len);
		else
			put_item_with(out, it, set->v[k].value);
	}
	for (k = 0; k < set->n; k++) {
		if (last[k] != SIZE_MAX)
			continue;
		if (out->len > start && !ends_in_newline(out->data + start, out->len - start))
			(void)buf_puts(out, eol);
		(void)buf_printf(out, "%s%s=", exported ? "export " : "", set->v[k].key);
		put_value(out, set->v[k].value, 0);
		(void)buf_puts(out, eol);
	}
	free(last);
	items_release(&items);
	return reads_back(out->data == NULL ? "" : out->data + start, out->len - start, set, unset);
}

/* ------------------------------------------------------------------ the way back */

enum fate {
	FATE_KEEP,
	FATE_DROP,		/* we had added it */
	FATE_LINE,		/* as we wrote it: `from` stands there again */
	FATE_VALUE		/* others touched the line: the value of `from` again */
};

struct return_item {
	enum fate fate;
	const struct item *from;
};

/* The lines that edit() would have taken away stand again where they stood. */
struct comeback {
	const struct item *item;	/* of before */
	size_t	 at;			/* before this item of now */
};

struct restoring {
	struct items before, now;
	struct return_item *fates;	/* of now's items */
	struct comeback *comebacks;
	size_t	 ncomebacks;
};

static void
drift(struct strings *ret, const char *key)
{
	*(char **)mem_push(&ret->v, &ret->n, sizeof(*ret->v)) = mem_strdup(key);
}

/* An item's length without its line end. */
static size_t
item_body(const struct item *it)
{
	size_t len = it->len;

	if (len > 0 && it->p[len - 1] == '\n')
		len -= len > 1 && it->p[len - 2] == '\r' ? 2 : 1;
	return len;
}

/* Is `now` what the edit made of `before`, but for the line end? */
static bool
item_is_ours(const struct item *before, const char *value, const struct item *now)
{
	struct item it = *before;
	struct buf b;
	bool ours;

	it.len = item_body(before);
	buf_init(&b, 0);
	b.secret = true;
	put_item_with(&b, &it, value);
	ours = b.len == item_body(now) && memcmp(buf_str(&b), now->p, b.len) == 0;
	buf_release(&b);
	return ours;
}

/* One key that we set. */
static bool
restore_set(struct restoring *r, const struct pair *pair)
{
	size_t b = items_last(&r->before, pair->key), n = items_last(&r->now, pair->key), i;

	if (b != SIZE_MAX && item_has_value(&r->before.v[b], pair->value))
		return true;		/* we changed nothing */
	if (n == SIZE_MAX)
		return b == SIZE_MAX;	/* as before, or somebody took it away */
	if (b != SIZE_MAX && items_same_value(&r->before.v[b], &r->now.v[n]))
		return true;
	if (!item_has_value(&r->now.v[n], pair->value))
		return false;
	if (b != SIZE_MAX) {
		r->fates[n].fate = item_is_ours(&r->before.v[b], pair->value, &r->now.v[n]) ?
		    FATE_LINE : FATE_VALUE;
		r->fates[n].from = &r->before.v[b];
		return true;
	}
	for (i = 0; i < r->now.n; i++)
		if (item_is(&r->now.v[i], pair->key))
			r->fates[i].fate = FATE_DROP;
	return true;
}

/*
 * Where in now does the item `b` of before belong?  map[] aligns before's
 * items with now's; behind the nearest one above that is still there.
 */
static size_t
place(const int *map, size_t b)
{
	while (b-- > 0)
		if (map[b] >= 0)
			return (size_t)map[b] + 1;
	return 0;
}

static bool
restore_unset(struct restoring *r, const char *key, const int *map)
{
	size_t b = items_last(&r->before, key), n = items_last(&r->now, key), i;
	struct comeback *c;

	if (b == SIZE_MAX)
		return true;
	if (n != SIZE_MAX)
		return items_same_value(&r->before.v[b], &r->now.v[n]);
	for (i = 0; i <= b; i++)
		if (item_is(&r->before.v[i], key)) {
			c = mem_push(&r->comebacks, &r->ncomebacks, sizeof(*r->comebacks));
			c->item = &r->before.v[i];
			c->at = place(map, i);
		}
	return true;
}

/*
 * Aligns before's items with now's.  Items of our keys differ in their value
 * alone, and so are compared by their key; those that we removed have no
 * counterpart, which is what they need.
 */
static int *
align(const struct restoring *r, const struct pairs *set)
{
	struct lines a = { NULL, 0 }, b = { NULL, 0 };
	const struct items *items;
	struct lines *lines;
	size_t i, k;
	int *map;

	for (lines = &a; lines != NULL; lines = lines == &a ? &b : NULL) {
		items = lines == &a ? &r->before : &r->now;
		lines->v = mem_array(items->n, sizeof(*lines->v));
		lines->n = items->n;
		for (i = 0; i < items->n; i++) {
			lines->v[i].p = items->v[i].p;
			lines->v[i].len = items->v[i].len;
			for (k = 0; k < set->n; k++)
				if (item_is(&items->v[i], set->v[k].key)) {
					lines->v[i].p = items->v[i].p + items->v[i].key;
					lines->v[i].len = items->v[i].key_len;
				}
			/* The last line may have been given an end by us. */
			while (lines->v[i].len > 0 &&
			    strchr("\r\n", lines->v[i].p[lines->v[i].len - 1]) != NULL &&
			    lines->v[i].p[lines->v[i].len - 1] != '\0')
				lines->v[i].len--;
		}
	}
	map = mem_array(a.n, sizeof(*map));
	diff_align(&a, &b, map);
	free(a.v);
	free(b.v);
	return map;
}

static int
comeback_order(const void *a, const void *b)
{
	const struct comeback *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->item < y->item ? -1 : x->item > y->item;
}

static void
end_line(struct buf *out, size_t start, const char *eol)
{
	if (out->len > start && !ends_in_newline(out->data + start, out->len - start))
		(void)buf_puts(out, eol);
}

static void
put_back(struct buf *out, const struct item *it, size_t start, const char *eol)
{
	end_line(out, start, eol);
	(void)buf_put(out, it->p, it->len);
}

static void
write_restored(struct buf *out, const struct restoring *r, const char *eol)
{
	const struct item *it, *old;
	size_t i, c = 0, start = out->len;

	for (i = 0; i <= r->now.n; i++) {
		for (; c < r->ncomebacks && r->comebacks[c].at == i; c++)
			put_back(out, r->comebacks[c].item, start, eol);
		if (i == r->now.n)
			break;
		it = &r->now.v[i];
		old = r->fates[i].from;
		switch (r->fates[i].fate) {
		case FATE_KEEP:
			put_back(out, it, start, eol);
			break;
		case FATE_DROP:
			break;
		case FATE_LINE:
			end_line(out, start, eol);
			(void)buf_put(out, old->p, item_body(old));
			(void)buf_put(out, it->p + item_body(it), it->len - item_body(it));
			break;
		case FATE_VALUE:
			end_line(out, start, eol);
			(void)buf_put(out, it->p, it->value);
			(void)buf_put(out, old->p + old->value, old->value_len);
			(void)buf_put(out, it->p + it->value + it->value_len,
			    it->len - it->value - it->value_len);
			break;
		}
	}
}

/* A last line that had no end gets none, if it is the last again. */
static void
strip_end(struct buf *out, size_t start, const struct items *before)
{
	const struct item *last = before->n == 0 ? NULL : &before->v[before->n - 1];
	size_t len, eol;

	if (last == NULL || ends_in_newline(last->p, last->len) ||
	    !ends_in_newline(out->data == NULL ? "" : out->data + start, out->len - start))
		return;
	eol = out->len - start > 1 && out->data[out->len - 2] == '\r' ? 2 : 1;
	len = out->len - start - eol;
	if (len < last->len ||
	    memcmp(out->data + start + len - last->len, last->p, last->len) != 0)
		return;
	out->len -= eol;
	out->data[out->len] = '\0';
}

/*
 * Reads the result again.  A quote that somebody left open can make another
 * text of ours; such keys are given up as drift rather than written wrong.
 */
static size_t
not_as_before(const struct restoring *r, const char *text, size_t len, const struct pairs *set,
    const struct strings *unset, struct strings *ret_drift)
{
	struct items items;
	const char *key;
	size_t i, b, n, bad = 0;

	items_read(&items, text, len);
	for (i = 0; i < set->n + unset->n; i++) {
		key = i < set->n ? set->v[i].key : unset->v[i - set->n];
		b = items_last(&r->before, key);
		n = items_last(&items, key);
		if (i < set->n && b != SIZE_MAX && item_has_value(&r->before.v[b], set->v[i].value))
			continue;
		if ((b == SIZE_MAX) == (n == SIZE_MAX) &&
		    (b == SIZE_MAX || items_same_value(&r->before.v[b], &items.v[n])))
			continue;
		drift(ret_drift, key);
		bad++;
	}
	items_release(&items);
	return bad;
}

size_t
envfile_restore(struct buf *out, const char *before, size_t before_len, const struct pairs *set,
    const struct strings *unset, const char *now, size_t now_len, struct strings *ret_drift)
{
	struct restoring r;
	struct buf after;
	size_t i, drifted = ret_drift->n, start = out->len;
	int *map;
	bool ours;

	/* Nobody else was here: the bytes of before, whatever they mean. */
	buf_init(&after, 0);
	after.secret = true;
	(void)envfile_edit(&after, before, before_len, set, unset);
	ours = after.len == now_len && memcmp(buf_str(&after), now, now_len) == 0;
	buf_release(&after);
	if (ours) {
		(void)buf_put(out, before, before_len);
		return 0;
	}

	memset(&r, 0, sizeof(r));
	items_read(&r.before, before, before_len);
	items_read(&r.now, now, now_len);
	r.fates = mem_array(r.now.n, sizeof(*r.fates));
	map = align(&r, set);
	for (i = 0; i < set->n; i++)
		if (!restore_set(&r, &set->v[i]))
			drift(ret_drift, set->v[i].key);
	for (i = 0; i < unset->n; i++)
		if (!restore_unset(&r, unset->v[i], map))
			drift(ret_drift, unset->v[i]);
	drifted = ret_drift->n - drifted;
	if (drifted == 0) {
		if (r.ncomebacks > 1)
			qsort(r.comebacks, r.ncomebacks, sizeof(*r.comebacks), comeback_order);
		write_restored(out, &r, file_eol(before, before_len));
		strip_end(out, start, &r.before);
		drifted = not_as_before(&r, out->data == NULL ? "" : out->data + start,
		    out->len - start, set, unset, ret_drift);
	}
	free(map);
	free(r.fates);
	free(r.comebacks);
	items_release(&r.before);
	items_release(&r.now);
	return drifted;
}
