/*
 * keyfile: see keyfile.h.
 *
 * Owns edit and restore over items.  Knows no syntax: what a line means is
 * asked of the struct keyfile_syntax.
 */
#include "core/keyfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/mem.h"

struct items {
	const struct keyfile_syntax *x;
	struct keyfile_item *v;
	size_t	 n;
};

/* The end of the line at `at`, before its \r\n or \n. */
size_t
keyfile_line_end(const char *p, size_t at, size_t len)
{
	const char *nl = memchr(p + at, '\n', len - at);
	size_t end = nl == NULL ? len : (size_t)(nl - p);

	return nl != NULL && end > at && p[end - 1] == '\r' ? end - 1 : end;
}

size_t
keyfile_line_next(const char *p, size_t at, size_t len)
{
	const char *nl = memchr(p + at, '\n', len - at);

	return nl == NULL ? len : (size_t)(nl - p) + 1;
}

static void
items_read(struct items *ret, const struct keyfile_syntax *x, const char *text, size_t len)
{
	const char *section = NULL;
	struct keyfile_item *it;
	size_t at, section_len = 0;

	ret->x = x;
	ret->v = NULL;
	ret->n = 0;
	for (at = 0; at < len; at += it->len) {
		it = mem_push(&ret->v, &ret->n, sizeof(*ret->v));
		x->read(it, text + at, len - at);
		if (it->header) {
			section = it->section;
			section_len = it->section_len;
		}
		it->section = section;
		it->section_len = section_len;
	}
	if (x->settle != NULL)
		x->settle(ret->v, ret->n);
}

static void
items_release(struct items *items)
{
	free(items->v);
	items->v = NULL;
	items->n = 0;
}

/* The last item of the key, or SIZE_MAX. */
static size_t
items_last(const struct items *items, const char *key)
{
	size_t i;

	for (i = items->n; i-- > 0;)
		if (items->x->is(&items->v[i], key))
			return i;
	return SIZE_MAX;
}

static bool
item_has_value(const struct keyfile_syntax *x, const struct keyfile_item *it, const char *value)
{
	struct buf b;
	bool equal;

	buf_init(&b, 0);
	b.secret = true;
	x->value(it, &b);
	equal = b.len == strlen(value) && memcmp(buf_str(&b), value, b.len) == 0;
	buf_release(&b);
	return equal;
}

static bool
items_same_value(const struct keyfile_syntax *x, const struct keyfile_item *a,
    const struct keyfile_item *b)
{
	struct buf v;
	bool equal;

	buf_init(&v, 0);
	v.secret = true;
	x->value(a, &v);
	equal = strlen(buf_str(&v)) == v.len ? item_has_value(x, b, buf_str(&v)) :
	    a->value_len == b->value_len &&
	    memcmp(a->p + a->value, b->p + b->value, a->value_len) == 0;
	buf_release(&v);
	return equal;
}

bool
keyfile_get(const struct keyfile_syntax *x, const char *text, size_t len_bytes, const char *key,
    struct buf *out)
{
	struct items items;
	size_t i;

	items_read(&items, x, text, len_bytes);
	if ((i = items_last(&items, key)) != SIZE_MAX && out != NULL)
		x->value(&items.v[i], out);
	items_release(&items);
	return i != SIZE_MAX;
}

static void
put_item_with(struct buf *out, const struct keyfile_syntax *x, const struct keyfile_item *it,
    const char *value)
{
	(void)buf_put(out, it->p, it->value);
	x->put_value(out, value, it);
	(void)buf_put(out, it->p + it->value + it->value_len, it->len - it->value - it->value_len);
}

static bool
ends_in_newline(const char *text, size_t len)
{
	return len > 0 && text[len - 1] == '\n';
}

const char *
keyfile_eol(const char *text, size_t len)
{
	size_t i;

	for (i = len; i-- > 0;)
		if (text[i] == '\n')
			return i > 0 && text[i - 1] == '\r' ? "\r\n" : "\n";
	return "\n";
}

static bool
reads_back(const struct keyfile_syntax *x, const char *text, size_t len,
    const struct pairs *set, const struct strings *unset)
{
	struct items items;
	size_t i, at;
	bool good = true;

	items_read(&items, x, text, len);
	for (i = 0; i < set->n; i++) {
		at = items_last(&items, set->v[i].key);
		good = good && at != SIZE_MAX && item_has_value(x, &items.v[at], set->v[i].value);
	}
	for (i = 0; i < unset->n; i++)
		good = good && items_last(&items, unset->v[i]) == SIZE_MAX;
	items_release(&items);
	return good;
}

static void
put_new(struct buf *out, const struct keyfile_syntax *x, const struct pair *pair, size_t start,
    const struct keyfile_item *last, const char *eol)
{
	if (out->len > start && !ends_in_newline(out->data + start, out->len - start))
		(void)buf_puts(out, eol);
	x->put_new(out, pair->key, pair->value, last);
	(void)buf_puts(out, eol);
}

static bool
unsets(const struct keyfile_syntax *x, const struct strings *unset, const struct keyfile_item *it)
{
	size_t i;

	for (i = 0; i < unset->n; i++)
		if (x->is(it, unset->v[i]))
			return true;
	return false;
}

/* The item that a new line of the key goes behind; items->n: the end; SIZE_MAX: none. */
static size_t
anchor(const struct items *items, const char *key)
{
	size_t i;

	if (items->x->after == NULL)
		return items->n;
	for (i = items->n; i-- > 0;)
		if (items->x->after(&items->v[i], key))
			return i;
	return items->n == 0 ? 0 : SIZE_MAX;
}

bool
keyfile_edit(const struct keyfile_syntax *x, struct buf *out, const char *text, size_t len_bytes,
    const struct pairs *set, const struct strings *unset)
{
	const char *eol = keyfile_eol(text, len_bytes);
	const struct keyfile_item *it, *latest = NULL;
	struct items items;
	size_t *last, *behind, i, k, start = out->len;

	items_read(&items, x, text, len_bytes);
	last = mem_array(set->n, sizeof(*last));
	behind = mem_array(set->n, sizeof(*behind));
	for (k = 0; k < set->n; k++)
		if ((last[k] = items_last(&items, set->v[k].key)) == SIZE_MAX)
			behind[k] = anchor(&items, set->v[k].key);
		else
			behind[k] = SIZE_MAX;
	for (i = 0; i <= items.n; i++) {
		it = i < items.n ? &items.v[i] : NULL;
		if (it != NULL && it->key_len > 0)
			latest = it;
		if (it != NULL && !(it->key_len > 0 && unsets(x, unset, it))) {
			for (k = 0; k < set->n && last[k] != i; k++)
				;
			if (k == set->n || item_has_value(x, it, set->v[k].value))
				(void)buf_put(out, it->p, it->len);
			else
				put_item_with(out, x, it, set->v[k].value);
		}
		for (k = 0; k < set->n; k++)
			if (behind[k] == i)
				put_new(out, x, &set->v[k], start, latest, eol);
	}
	free(last);
	free(behind);
	items_release(&items);
	return reads_back(x, out->data == NULL ? "" : out->data + start, out->len - start, set, unset);
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
	const struct keyfile_item *from;
};

/* The lines that edit() would have taken away stand again where they stood. */
struct comeback {
	const struct keyfile_item *item;	/* of before */
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
item_body(const struct keyfile_item *it)
{
	size_t len = it->len;

	if (len > 0 && it->p[len - 1] == '\n')
		len -= len > 1 && it->p[len - 2] == '\r' ? 2 : 1;
	return len;
}

/* Is `now` what the edit made of `before`, but for the line end? */
static bool
item_is_ours(const struct keyfile_syntax *x, const struct keyfile_item *before, const char *value,
    const struct keyfile_item *now)
{
	struct keyfile_item it = *before;
	struct buf b;
	bool ours;

	it.len = item_body(before);
	buf_init(&b, 0);
	b.secret = true;
	put_item_with(&b, x, &it, value);
	ours = b.len == item_body(now) && memcmp(buf_str(&b), now->p, b.len) == 0;
	buf_release(&b);
	return ours;
}

/* One key that we set. */
static bool
restore_set(struct restoring *r, const struct pair *pair)
{
	const struct keyfile_syntax *x = r->now.x;
	size_t b = items_last(&r->before, pair->key), n = items_last(&r->now, pair->key), i;

	if (b != SIZE_MAX && item_has_value(x, &r->before.v[b], pair->value))
		return true;		/* we changed nothing */
	if (n == SIZE_MAX)
		return b == SIZE_MAX;	/* as before, or somebody took it away */
	if (b != SIZE_MAX && items_same_value(x, &r->before.v[b], &r->now.v[n]))
		return true;
	if (!item_has_value(x, &r->now.v[n], pair->value))
		return false;
	if (b != SIZE_MAX) {
		r->fates[n].fate = item_is_ours(x, &r->before.v[b], pair->value, &r->now.v[n]) ?
		    FATE_LINE : FATE_VALUE;
		r->fates[n].from = &r->before.v[b];
		return true;
	}
	for (i = 0; i < r->now.n; i++)
		if (x->is(&r->now.v[i], pair->key))
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
	const struct keyfile_syntax *x = r->now.x;
	size_t b = items_last(&r->before, key), n = items_last(&r->now, key), i;
	struct comeback *c;

	if (b == SIZE_MAX)
		return true;
	if (n != SIZE_MAX)
		return items_same_value(x, &r->before.v[b], &r->now.v[n]);
	for (i = 0; i <= b; i++)
		if (x->is(&r->before.v[i], key)) {
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
				if (items->x->is(&items->v[i], set->v[k].key)) {
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
put_back(struct buf *out, const struct keyfile_item *it, size_t start, const char *eol)
{
	end_line(out, start, eol);
	(void)buf_put(out, it->p, it->len);
}

static void
write_restored(struct buf *out, const struct restoring *r, const char *eol)
{
	const struct keyfile_item *it, *old;
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
	const struct keyfile_item *last = before->n == 0 ? NULL : &before->v[before->n - 1];
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
	const struct keyfile_syntax *x = r->now.x;
	struct items items;
	const char *key;
	size_t i, b, n, bad = 0;

	items_read(&items, x, text, len);
	for (i = 0; i < set->n + unset->n; i++) {
		key = i < set->n ? set->v[i].key : unset->v[i - set->n];
		b = items_last(&r->before, key);
		n = items_last(&items, key);
		if (i < set->n && b != SIZE_MAX && item_has_value(x, &r->before.v[b], set->v[i].value))
			continue;
		if ((b == SIZE_MAX) == (n == SIZE_MAX) &&
		    (b == SIZE_MAX || items_same_value(x, &r->before.v[b], &items.v[n])))
			continue;
		drift(ret_drift, key);
		bad++;
	}
	items_release(&items);
	return bad;
}

size_t
keyfile_restore(const struct keyfile_syntax *x, struct buf *out, const char *before,
    size_t before_len, const struct pairs *set, const struct strings *unset, const char *now,
    size_t now_len, struct strings *ret_drift)
{
	struct restoring r;
	struct buf after;
	size_t i, drifted = ret_drift->n, start = out->len;
	int *map;
	bool ours;

	/* Nobody else was here: the bytes of before, whatever they mean. */
	buf_init(&after, 0);
	after.secret = true;
	(void)keyfile_edit(x, &after, before, before_len, set, unset);
	ours = after.len == now_len && memcmp(buf_str(&after), now, now_len) == 0;
	buf_release(&after);
	if (ours) {
		(void)buf_put(out, before, before_len);
		return 0;
	}

	memset(&r, 0, sizeof(r));
	items_read(&r.before, x, before, before_len);
	items_read(&r.now, x, now, now_len);
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
		write_restored(out, &r, keyfile_eol(before, before_len));
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
