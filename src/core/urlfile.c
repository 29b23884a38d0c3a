/*
 * urlfile: see urlfile.h.
 *
 * An edit of parts becomes an edit of whole variables, which envfile makes:
 * each variable of which parts are named is taken out, changed and put back.
 * Values of URLs live in wiped bufs only.
 */
#include "core/urlfile.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/connurl.h"
#include "core/envfile.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"

/* What is wanted of one variable; keys and names are borrowed. */
struct wanted {
	char	*variable;
	struct pairs set;		/* by part */
	struct strings unset;
};

struct sorted {
	struct wanted *v;		/* variables by parts */
	size_t	 n;
	struct pairs set;		/* whole variables */
	struct strings unset;
};

size_t
urlfile_split(const char *name, const char **ret_part)
{
	size_t len = strcspn(name, "?:");

	*ret_part = name[len] == '\0' ? NULL : name[len] == ':' ? name + len + 1 : name + len;
	return len;
}

bool
urlfile_name_valid(const char *name)
{
	const char *part;
	size_t len = urlfile_split(name, &part);
	char *variable = mem_strndup(name, len);
	/* NAME:?KEY would be another spelling of NAME?KEY. */
	bool valid = envfile_key_valid(variable) && (part == NULL || (connurl_part_valid(part) &&
	    (name[len] == '?') == (part[0] == '?')));

	free(variable);
	return valid;
}

static struct wanted *
wanted_of(struct sorted *p, const char *name, size_t len)
{
	struct wanted *w;
	size_t i;

	for (i = 0; i < p->n; i++)
		if (strlen(p->v[i].variable) == len && memcmp(p->v[i].variable, name, len) == 0)
			return &p->v[i];
	w = mem_push(&p->v, &p->n, sizeof(*w));
	w->variable = mem_strndup(name, len);
	return w;
}

static void
push_pair(struct pairs *to, const char *key, const char *value)
{
	struct pair *pair = mem_push(&to->v, &to->n, sizeof(*pair));

	pair->key = (char *)(uintptr_t)key;
	pair->value = (char *)(uintptr_t)value;
}

static void
push_name(struct strings *to, const char *name)
{
	*(char **)mem_push(&to->v, &to->n, sizeof(char *)) = (char *)(uintptr_t)name;
}

static void
sort_out(struct sorted *ret, const struct pairs *set, const struct strings *unset)
{
	const char *part;
	size_t i, len;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < set->n; i++) {
		len = urlfile_split(set->v[i].key, &part);
		push_pair(part == NULL ? &ret->set : &wanted_of(ret, set->v[i].key, len)->set,
		    part == NULL ? set->v[i].key : part, set->v[i].value);
	}
	for (i = 0; i < unset->n; i++) {
		len = urlfile_split(unset->v[i], &part);
		push_name(part == NULL ? &ret->unset : &wanted_of(ret, unset->v[i], len)->unset,
		    part == NULL ? unset->v[i] : part);
	}
}

/* A variable that is given as a whole and by its parts, or NULL. */
static const char *
twofold(const struct sorted *p)
{
	size_t i, k;

	for (i = 0; i < p->n; i++) {
		if (strings_has(&p->unset, p->v[i].variable))
			return p->v[i].variable;
		for (k = 0; k < p->set.n; k++)
			if (strcmp(p->set.v[k].key, p->v[i].variable) == 0)
				return p->v[i].variable;
	}
	return NULL;
}

static void
plan_release(struct sorted *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->v[i].variable);
		free(p->v[i].set.v);
		free(p->v[i].unset.v);
	}
	free(p->v);
	free(p->set.v);
	free(p->unset.v);
}

/* A value that is a string, or NULL: not there, or it has a NUL in it. */
static char *
value_of(const char *text, size_t len, const char *variable)
{
	struct buf b;
	size_t got;
	char *value = NULL;

	buf_init(&b, 0);
	b.secret = true;
	if (envfile_get(text, len, variable, &b) && strlen(buf_str(&b)) == b.len) {
		(void)buf_puts(&b, "");
		value = b.data == NULL ? mem_strdup("") : buf_take(&b, &got);
	}
	buf_release(&b);
	return value;
}

static void
value_free(char *value)
{
	if (value != NULL)
		mem_wipe_free(value, strlen(value));
}

bool
urlfile_get(const char *text, size_t len_bytes, const char *name, struct buf *out)
{
	const char *part;
	size_t len = urlfile_split(name, &part);
	char *variable, *url;
	bool there;

	if (part == NULL)
		return envfile_get(text, len_bytes, name, out);
	variable = mem_strndup(name, len);
	url = value_of(text, len_bytes, variable);
	there = url != NULL && connurl_get(url, strlen(url), part, out);
	value_free(url);
	free(variable);
	return there;
}

/* The URL with its parts as wanted; NULL with words, or without where there is nothing to do. */
static char *
changed(const struct wanted *w, const char *text, size_t len, bool *ret_wrong, struct err *err)
{
	char *url = value_of(text, len, w->variable), *value = NULL;
	struct buf b;
	size_t got;

	*ret_wrong = false;
	if (url == NULL) {
		if ((*ret_wrong = w->set.n > 0))
			(void)err_set(err, "'%s' is not set, so that there is no URL to change", w->variable);
		return NULL;
	}
	buf_init(&b, 0);
	b.secret = true;
	if (connurl_edit(&b, url, strlen(url), &w->set, &w->unset, err) != 0) {
		(void)err_wrap(err, "'%s'", w->variable);
		*ret_wrong = true;
	} else {
		(void)buf_puts(&b, "");
		value = buf_take(&b, &got);
	}
	buf_release(&b);
	value_free(url);
	return value;
}

int
urlfile_edit(struct buf *out, const char *text, size_t len_bytes, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	struct sorted p;
	size_t i, whole;
	bool bad = false;
	char *value;

	sort_out(&p, set, unset);
	whole = p.set.n;
	if (twofold(&p) != NULL) {
		(void)err_set(err, "'%s' is given as a whole and by its parts", twofold(&p));
		bad = true;
	}
	for (i = 0; !bad && i < p.n; i++)
		if ((value = changed(&p.v[i], text, len_bytes, &bad, err)) != NULL)
			push_pair(&p.set, p.v[i].variable, value);
	if (!bad && !envfile_edit(out, text, len_bytes, &p.set, &p.unset)) {
		(void)err_set(err, "a quote is left open: what would be written would not be read back; "
		    "close the quote first");
		bad = true;
	}
	for (i = whole; i < p.set.n; i++)
		value_free(p.set.v[i].value);
	plan_release(&p);
	return bad ? -1 : 0;
}

/* ------------------------------------------------------------------ the way back */

static size_t
drift_all(const struct wanted *w, const struct strings *parts, struct strings *ret)
{
	size_t i, n = 0;
	const char *part;

	for (i = 0; i < w->set.n + w->unset.n; i++) {
		part = i < w->set.n ? w->set.v[i].key : w->unset.v[i - w->set.n];
		if (parts != NULL && !strings_has(parts, part))
			continue;
		strings_push(ret, mem_printf("%s%s%s", w->variable, part[0] == '?' ? "" : ":", part));
		n++;
	}
	return n;
}

/*
 * One variable: what of it is for the way back by whole values (`set`: what we
 * wrote), and what is to be written once that is done (`then`).  Returns the
 * number of drifted parts.
 */
static size_t
restore_url(const struct wanted *w, const char *before, size_t before_len, const char *now,
    size_t now_len, struct pairs *set, struct pairs *then, struct strings *ret_drift)
{
	char *was = value_of(before, before_len, w->variable), *wrote = NULL, *is;
	struct strings parts = { NULL, 0 };
	struct err ignored;
	struct buf b;
	size_t drifted = 0, got;
	bool wrong;

	if (was == NULL)
		return 0;		/* there was nothing that we could have changed */
	wrote = changed(w, before, before_len, &wrong, &ignored);
	is = value_of(now, now_len, w->variable);
	buf_init(&b, 0);
	b.secret = true;
	if (wrote == NULL || is == NULL)
		drifted = drift_all(w, NULL, ret_drift);
	else if (strcmp(is, wrote) == 0) {
		push_pair(set, w->variable, wrote);
		wrote = NULL;
	} else if (connurl_restore(&b, was, strlen(was), &w->set, &w->unset, is, strlen(is), &parts) > 0)
		drifted = drift_all(w, &parts, ret_drift);
	else {
		(void)buf_puts(&b, "");
		/* As something that we left as it was, its line still stands where lines around it are looked for. */
		push_pair(set, w->variable, was);
		was = NULL;
		push_pair(then, w->variable, b.data == NULL ? mem_strdup("") : buf_take(&b, &got));
	}
	strings_release(&parts);
	buf_release(&b);
	value_free(was);
	value_free(wrote);
	value_free(is);
	return drifted;
}

size_t
urlfile_restore(struct buf *out, const char *before, size_t before_len, const struct pairs *set,
    const struct strings *unset, const char *now, size_t now_len, struct strings *ret_drift)
{
	static const struct strings nothing = { NULL, 0 };
	struct sorted p;
	struct pairs then = { NULL, 0 };
	struct buf b;
	struct err ignored;
	size_t i, whole, drifted = 0;

	buf_init(&b, 0);
	b.secret = true;
	if (urlfile_edit(&b, before, before_len, set, unset, &ignored) == 0 && b.len == now_len &&
	    memcmp(buf_str(&b), now, now_len) == 0) {
		(void)buf_put(out, before, before_len);
		buf_release(&b);
		return 0;
	}
	buf_clear(&b);
	sort_out(&p, set, unset);
	whole = p.set.n;
	for (i = 0; i < p.n; i++)
		drifted += restore_url(&p.v[i], before, before_len, now, now_len, &p.set, &then, ret_drift);
	drifted += envfile_restore(&b, before, before_len, &p.set, &p.unset, now, now_len, ret_drift);
	if (drifted == 0 && !envfile_edit(out, buf_str(&b), b.len, &then, &nothing))
		for (i = 0; i < then.n; i++, drifted++)
			strings_push(ret_drift, mem_strdup(then.v[i].key));
	for (i = whole; i < p.set.n; i++)
		value_free(p.set.v[i].value);
	for (i = 0; i < then.n; i++)
		value_free(then.v[i].value);
	free(then.v);
	plan_release(&p);
	buf_release(&b);
	return drifted;
}
