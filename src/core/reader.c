/*
 * reader: see reader.h.
 *
 * Owns messages with positions, and $(name); reader_values.c has the typed values, reader_for.c
 * `for`.  None of them knows what a fleet or a plan is.
 *
 * Invariant: what a file can make us allocate is bounded, however its lists
 * and `for`s multiply (text_left, and rounds_left in reader_for.c).
 */
#include "core/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"

/* More names than this are not listed in a message. */
#define LISTED_MAX 24

void
reader_init(struct reader *r, const char *path, struct strings *not_yet, struct err *err)
{
	memset(r, 0, sizeof(*r));
	r->path = path;
	r->err = err;
	r->not_yet = not_yet;
	r->text_left = READER_TEXT_MAX;
	r->rounds_left = READER_ROUNDS_MAX;
}

void
reader_release(struct reader *r)
{
	size_t i;

	for (i = 0; i < r->nscopes; i++) {
		free(r->scopes[i]->name);
		free(r->scopes[i]->value);
		free(r->scopes[i]);
	}
	free(r->scopes);
	r->scopes = NULL;
	r->nscopes = 0;
}

int
reader_fail_at(struct reader *r, int line, int col, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	(void)err_set(r->err, "%s:%d:%d: %s", r->path, line, col, s);
	free(s);
	return -1;
}

int
reader_fail(struct reader *r, const struct node *node, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	(void)err_set(r->err, "%s:%d:%d: %s", r->path, node->line, node->col, s);
	free(s);
	return -1;
}

char *
words_joined(const char *const words[])
{
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	for (i = 0; words[i] != NULL && i < LISTED_MAX; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ", words[i]);
	if (words[i] != NULL)
		buf_puts(&b, ", …");
	return buf_take(&b, NULL);
}

int
reader_unknown(struct reader *r, int line, int col, const char *what,
    const char *word, const char *const candidates[])
{
	const char *near = text_nearest(word, candidates);
	char *all;

	if (near != NULL)
		return reader_fail_at(r, line, col,
		    "unknown %s '%s', did you mean '%s'?", what, word, near);
	if (candidates[0] == NULL)
		return reader_fail_at(r, line, col,
		    "unknown %s '%s', expected none: there are none", what, word);
	all = words_joined(candidates);
	(void)reader_fail_at(r, line, col, "unknown %s '%s', expected %s%s",
	    what, word, candidates[1] == NULL ? "" : "one of: ", all);
	free(all);
	return -1;
}

void
reader_note(struct reader *r, int line, int col, const char *text)
{
	char *s = mem_printf("%s:%d:%d: %s", r->path, line, col, text);

	if (strings_has(r->not_yet, s))
		free(s);
	else
		strings_push(r->not_yet, s);
}

void
reader_not_yet(struct reader *r, int line, int col, const char *what)
{
	char *s = mem_printf("'%s': not yet", what);

	reader_note(r, line, col, s);
	free(s);
}

void
reader_sort_not_yet(struct reader *r)
{
	struct strings *s = r->not_yet;
	size_t skip = strlen(r->path) + 1, i, k;
	long line, col, other;
	char *end, *moved;

	/* By insertion: they come nearly sorted, and a stable order is wanted. */
	for (i = 1; i < s->n; i++) {
		moved = s->v[i];
		line = strtol(moved + skip, &end, 10);
		col = strtol(end + 1, NULL, 10);
		for (k = i; k > 0; k--) {
			other = strtol(s->v[k - 1] + skip, &end, 10);
			if (other < line || (other == line &&
			    strtol(end + 1, NULL, 10) <= col))
				break;
			s->v[k] = s->v[k - 1];
		}
		s->v[k] = moved;
	}
}

int
reader_is(struct reader *r, const struct node *node, enum node_kind kind, const char *what)
{
	static const char *const words[] = { "a value", "a list", "a mapping" };

	if (node->kind == kind)
		return 0;
	return reader_fail(r, node, "%s, expected %s",
	    node->kind == NODE_SCALAR && node->empty ? "nothing" : words[node->kind],
	    what);
}

int
reader_keys(struct reader *r, const struct node *node, const char *what,
    const char *const keys[])
{
	const struct entry *e;
	char *expected, *where;
	size_t i, k;
	int rc = 0;

	if (node->kind != NODE_MAPPING) {
		expected = words_joined(keys);
		where = mem_printf("%s: a mapping with the keys %s", what, expected);
		rc = reader_is(r, node, NODE_MAPPING, where);
		free(expected);
		free(where);
		return rc;
	}
	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		for (k = 0; keys[k] != NULL; k++)
			if (strcmp(keys[k], e->key) == 0)
				break;
		if (keys[k] != NULL)
			continue;
		where = mem_printf("key in %s:", what);
		rc = reader_unknown(r, e->line, e->col, where, e->key, keys);
		free(where);
		return rc;
	}
	return 0;
}

static bool
in_words(const char *const words[], const char *word)
{
	size_t i;

	for (i = 0; words != NULL && words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

static int
unknown_variable(struct reader *r, const struct scope *scope, int line, int col,
    const char *name, const char *const run_time[])
{
	const char *candidates[LISTED_MAX + 1], *near;
	const struct scope *s;
	size_t n = 0, i;

	for (s = scope; s != NULL && n < LISTED_MAX; s = s->up)
		candidates[n++] = s->name;
	for (i = 0; run_time != NULL && run_time[i] != NULL && n < LISTED_MAX; i++)
		candidates[n++] = run_time[i];
	candidates[n] = NULL;
	if ((near = text_nearest(name, candidates)) != NULL)
		return reader_fail_at(r, line, col,
		    "unknown name '$(%s)', did you mean '$(%s)'?", name, near);
	if (strcmp(name, "ca_file") == 0)
		return reader_fail_at(r, line, col,
		    "unknown name '$(ca_file)', expected a link with 'trust: { file: … }'");
	return reader_fail_at(r, line, col,
	    "unknown name '$(%s)', expected a name bound by 'for'; '$$(%s)' stands for the text itself",
	    name, name);
}

/* The length of a name at s that ends with ')', or 0. */
static size_t
variable_length(const char *s)
{
	size_t n;

	if (*s == '\0' || strchr(LETTERS "_", *s) == NULL)
		return 0;
	n = strspn(s, LETTERS DIGITS "_.-");
	return s[n] == ')' ? n : 0;
}

static int
fill(struct reader *r, const struct scope *scope, int line, int col,
    const char *s, const char *const run_time[], struct buf *out)
{
	const struct scope *sc;
	size_t n;
	char *name;

	while (*s != '\0') {
		if (strncmp(s, "$$(", 3) == 0) {
			buf_puts(out, "$(");
			s += 3;
			continue;
		}
		if (strncmp(s, "$(", 2) != 0 || (n = variable_length(s + 2)) == 0) {
			buf_putc(out, *s++);
			continue;
		}
		name = mem_strndup(s + 2, n);
		for (sc = scope; sc != NULL; sc = sc->up)
			if (strcmp(sc->name, name) == 0)
				break;
		if (sc != NULL)
			buf_puts(out, sc->value);
		else if (in_words(run_time, name))
			buf_printf(out, "$(%s)", name);
		else {
			(void)unknown_variable(r, scope, line, col, name, run_time);
			free(name);
			return -1;
		}
		free(name);
		s += n + 3;
	}
	return 0;
}

bool
reader_has_foreign(const char *s, const char *const run_time[])
{
	char *name;
	size_t n;
	bool ours;

	while ((s = strstr(s, "$(")) != NULL) {
		s += 2;
		if ((n = variable_length(s)) == 0)
			return true;
		name = mem_strndup(s, n);
		ours = in_words(run_time, name);
		free(name);
		if (!ours)
			return true;
	}
	return false;
}

int
reader_fill(struct reader *r, const struct scope *scope, int line, int col,
    const char *s, const char *const run_time[], char **ret)
{
	struct buf b;

	buf_init(&b, r->text_left);
	if (fill(r, scope, line, col, s, run_time, &b) == -1) {
		buf_release(&b);
		return -1;
	}
	if (b.over || b.len >= r->text_left) {
		buf_release(&b);
		return reader_fail_at(r, line, col,
		    "the file expands to more than %zu bytes, expected less",
		    READER_TEXT_MAX);
	}
	r->text_left -= b.len + 1;
	*ret = buf_take(&b, NULL);
	return 0;
}

void
strings_release(struct strings *s)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	s->v = NULL;
	s->n = 0;
}

void
strings_push(struct strings *s, char *owned)
{
	*(char **)mem_push(&s->v, &s->n, sizeof(char *)) = owned;
}

bool
strings_has(const struct strings *s, const char *word)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (strcmp(s->v[i], word) == 0)
			return true;
	return false;
}

void
pairs_release(struct pairs *p)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].value);
	}
	free(p->v);
	p->v = NULL;
	p->n = 0;
}
