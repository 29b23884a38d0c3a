/*
 * reader: see reader.h.
 *
 * Owns messages with positions, $(name), `for`, and the typed values.  It
 * knows nothing of what a fleet or a plan is.
 *
 * Invariant: what a file can make us allocate is bounded, however its lists
 * and `for`s multiply (text_left, rounds_left).
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
#define KEYS_SHAPE_MAX 24

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

int
reader_text(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, const char *const run_time[], char **ret)
{
	if (reader_is(r, node, NODE_SCALAR, what) == -1)
		return -1;
	return reader_fill(r, scope, node->line, node->col, node->value, run_time, ret);
}

int
reader_string(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, char **ret)
{
	char *s;

	if (reader_text(r, scope, node, what, NULL, &s) == -1)
		return -1;
	if (*s == '\0') {
		free(s);
		return reader_fail(r, node, "nothing, expected %s", what);
	}
	*ret = s;
	return 0;
}

int
reader_strings(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, struct strings *ret)
{
	char *s;
	size_t i;

	if (node->kind == NODE_SCALAR) {
		if (reader_string(r, scope, node, what, &s) == -1)
			return -1;
		strings_push(ret, s);
		return 0;
	}
	if (reader_is(r, node, NODE_SEQUENCE, what) == -1)
		return -1;
	for (i = 0; i < node->n; i++) {
		if (reader_string(r, scope, node->items[i], what, &s) == -1)
			return -1;
		strings_push(ret, s);
	}
	return 0;
}

int
reader_pairs(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, const char *const run_time[], struct pairs *ret)
{
	const struct entry *e;
	struct pair *pair;
	char *key, *value;
	size_t i, k;

	if (reader_is(r, node, NODE_MAPPING, what) == -1)
		return -1;
	for (i = 0; i < node->n; i++) {
		e = &node->entries[i];
		if (reader_fill(r, scope, e->line, e->col, e->key, NULL, &key) == -1)
			return -1;
		for (k = 0; k < ret->n; k++)
			if (strcmp(ret->v[k].key, key) == 0) {
				(void)reader_fail_at(r, e->line, e->col,
				    "duplicate key '%s', expected it once", key);
				free(key);
				return -1;
			}
		if (reader_text(r, scope, e->value, "a value", run_time, &value) == -1) {
			free(key);
			return -1;
		}
		pair = mem_push(&ret->v, &ret->n, sizeof(*pair));
		pair->key = key;
		pair->value = value;
		pair->pos.line = e->line;
		pair->pos.col = e->col;
	}
	return 0;
}

int
reader_bool(struct reader *r, const struct scope *scope, const struct node *node, bool *ret)
{
	static const char *const words[] = { "no", "yes", "false", "true", NULL };
	char *s;
	size_t i;

	if (reader_string(r, scope, node, "yes or no", &s) == -1)
		return -1;
	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], s) == 0)
			break;
	if (words[i] == NULL) {
		(void)reader_fail(r, node, "'%s', expected yes or no", s);
		free(s);
		return -1;
	}
	free(s);
	*ret = i % 2 == 1;
	return 0;
}

int
reader_int(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, int min, int max, int *ret)
{
	char *s;
	long v = 0;
	size_t i;

	if (reader_string(r, scope, node, what, &s) == -1)
		return -1;
	for (i = 0; s[i] >= '0' && s[i] <= '9' && i < 9; i++)
		v = v * 10 + (s[i] - '0');
	if (i == 0 || s[i] != '\0' || v < min || v > max) {
		(void)reader_fail(r, node, "'%s', expected %s: a number from %d to %d",
		    s, what, min, max);
		free(s);
		return -1;
	}
	free(s);
	*ret = (int)v;
	return 0;
}

int
reader_duration(struct reader *r, const struct scope *scope, const struct node *node,
    int64_t *ret_ms)
{
	int64_t ms;
	char *s;

	if (reader_string(r, scope, node, "a duration: 30s, 10m, 7h, 90d", &s) == -1)
		return -1;
	if ((ms = text_duration_ms(s)) == -1) {
		(void)reader_fail(r, node,
		    "'%s', expected a duration: 30s, 10m, 7h, 90d", s);
		free(s);
		return -1;
	}
	free(s);
	*ret_ms = ms;
	return 0;
}

int
reader_deadline(struct reader *r, const struct scope *scope, const struct node *node,
    int64_t *ret_ms)
{
	int64_t ms;

	if (reader_duration(r, scope, node, &ms) == -1)
		return -1;
	if (ms == 0 || ms > FLEET_DEADLINE_MAX_MS)
		return reader_fail(r, node, "'%s', expected a deadline: more than nothing, at most 24h",
		    node->value);
	*ret_ms = ms;
	return 0;
}

int
reader_word(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, const char *const words[], int *ret)
{
	char *s;
	int i;

	if (reader_string(r, scope, node, what, &s) == -1)
		return -1;
	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], s) == 0)
			break;
	if (words[i] == NULL) {
		(void)reader_unknown(r, node->line, node->col, what, s, words);
		free(s);
		return -1;
	}
	free(s);
	*ret = i;
	return 0;
}

int
reader_path(struct reader *r, const struct scope *scope, const struct node *node,
    const char *const run_time[], bool home, char **ret)
{
	char *s;

	if (reader_text(r, scope, node, "an absolute path", run_time, &s) == -1)
		return -1;
	if ((*s != '/' && !(home && strncmp(s, "~/", 2) == 0)) ||
	    strchr(s, '\n') != NULL || s[strlen(s) - 1] == '/') {
		(void)reader_fail(r, node, "'%s', expected the absolute path of a file%s",
		    s, home ? ", or one that starts with ~/" : "");
		free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int
reader_mode(struct reader *r, const struct scope *scope, const struct node *node, int *ret)
{
	char *s;
	size_t i;
	int v = 0;

	if (reader_string(r, scope, node, "a mode: \"0600\"", &s) == -1)
		return -1;
	for (i = 0; s[i] >= '0' && s[i] <= '7' && i < 5; i++)
		v = v * 8 + (s[i] - '0');
	if (s[i] != '\0' || i < 3 || i > 4 || v > 0777) {
		(void)reader_fail(r, node, "'%s', expected a mode: \"0600\", \"0644\"", s);
		free(s);
		return -1;
	}
	free(s);
	*ret = v;
	return 0;
}

int
reader_check_plain(struct reader *r, int line, int col, const char *what,
    const char *word, const char *more)
{
	size_t i;

	if (*word == '-')
		return reader_fail_at(r, line, col,
		    "'%s' starts with '-', expected %s", word, what);
	if (strlen(word) > 253)
		return reader_fail_at(r, line, col,
		    "more than 253 characters, expected %s", what);
	for (i = 0; word[i] != '\0'; i++)
		if (strchr(LETTERS DIGITS, word[i]) == NULL &&
		    strchr(more, word[i]) == NULL)
			break;
	if (i == 0 || word[i] != '\0')
		return reader_fail_at(r, line, col,
		    "'%s', expected %s: letters, digits and %s", word, what, more);
	return 0;
}

int
reader_owner(struct reader *r, const struct scope *scope, const struct node *node, char **ret)
{
	char *s, *colon;

	if (reader_string(r, scope, node, "an owner: user:group", &s) == -1)
		return -1;
	colon = strchr(s, ':');
	if (reader_check_plain(r, node->line, node->col, "an owner (user:group)", s, "._-:") == -1 ||
	    (colon != NULL && (strchr(colon + 1, ':') != NULL || colon[1] == '-' || s[1] == '\0') &&
	    reader_fail(r, node, "'%s', expected an owner (user:group)", s) == -1)) {
		free(s);
		return -1;
	}
	*ret = s;
	return 0;
}

int
reader_check_name(struct reader *r, int line, int col, const char *what, const char *name)
{
	size_t len = strlen(name);

	if (len == 0 || strchr("._-", name[0]) != NULL ||
	    strspn(name, LETTERS DIGITS "._-") != len)
		return reader_fail_at(r, line, col,
		    "'%s', expected the name of %s: letters, digits, '.', '_' and '-', with a letter or digit first",
		    name, what);
	if (len > FLEET_NAME_MAX)
		return reader_fail_at(r, line, col,
		    "a name of %zu characters, expected at most %d", len, FLEET_NAME_MAX);
	return 0;
}

/* What a for is doing while its variables are bound one after another. */
struct rounds {
	struct reader *r;
	const struct node *spec;
	reader_round_fn *fn;
	void *arg;
};

const struct scope *
reader_bind(struct reader *r, const struct scope *up, const char *name, const char *value)
{
	struct scope *s = mem_alloc(sizeof(*s));

	s->up = up;
	s->name = mem_strdup(name);
	s->value = mem_strdup(value);
	*(struct scope **)mem_push(&r->scopes, &r->nscopes, sizeof(s)) = s;
	return s;
}

static int
values_of(struct reader *r, const struct scope *scope, const struct entry *e,
    struct strings *ret)
{
	char *word;
	int rc;

	if (e->value->kind == NODE_SEQUENCE)
		return reader_strings(r, scope, e->value, "a list", ret);
	if (reader_string(r, scope, e->value, "a list or the name of one", &word) == -1)
		return -1;
	rc = r->select(r, e->value, word, ret);
	free(word);
	return rc;
}

static int
run_rounds(const struct rounds *rounds, const struct scope *scope, size_t variable)
{
	struct reader *r = rounds->r;
	const struct scope *s;
	const struct entry *e;
	struct strings values = { 0 };
	size_t i;
	int rc = -1;

	if (variable == rounds->spec->n) {
		if (r->rounds_left-- == 0) {
			r->rounds_left = 0;
			return reader_fail(r, rounds->spec,
			    "'for' makes more than %d rounds, expected fewer",
			    READER_ROUNDS_MAX);
		}
		return rounds->fn(rounds->arg, scope);
	}
	e = &rounds->spec->entries[variable];
	if (strspn(e->key, LETTERS DIGITS "_") != strlen(e->key) ||
	    strchr(LETTERS "_", e->key[0]) == NULL)
		return reader_fail_at(r, e->line, e->col,
		    "'%s', expected the name of a variable: letters, digits and '_'", e->key);
	for (s = scope; s != NULL; s = s->up)
		if (strcmp(s->name, e->key) == 0)
			return reader_fail_at(r, e->line, e->col,
			    "'%s' is bound by the 'for' around this one, expected another name", e->key);
	if (values_of(r, scope, e, &values) == -1)
		goto out;
	if (values.n == 0) {
		(void)reader_fail(r, e->value, "'for' has nothing to go through, expected at least one value");
		goto out;
	}
	for (i = 0; i < values.n; i++)
		if (run_rounds(rounds, reader_bind(r, scope, e->key, values.v[i]), variable + 1) == -1)
			goto out;
	rc = 0;
out:
	strings_release(&values);
	return rc;
}

int
reader_for(struct reader *r, const struct scope *scope, const struct node *spec,
    reader_round_fn *fn, void *arg)
{
	struct rounds rounds = { .r = r, .spec = spec, .fn = fn, .arg = arg };

	if (spec == NULL)
		return fn(arg, scope);
	if (reader_is(r, spec, NODE_MAPPING, "'for: { name: list }'") == -1)
		return -1;
	if (spec->n == 0)
		return reader_fail(r, spec, "'for' binds nothing, expected 'for: { name: list }'");
	return run_rounds(&rounds, scope, 0);
}

struct each {
	struct reader *r;
	const struct entry *entry;
	reader_each_fn *fn;
	void *arg;
};

static int
each_round(void *arg, const struct scope *scope)
{
	const struct each *each = arg;
	char *name;

	if (reader_fill(each->r, scope, each->entry->line, each->entry->col,
	    each->entry->key, NULL, &name) == -1)
		return -1;
	return each->fn(each->arg, name, each->entry, scope);
}

int
reader_each(struct reader *r, const struct scope *scope, const struct node *map,
    const char *what, reader_each_fn *fn, void *arg)
{
	struct each each = { .r = r, .fn = fn, .arg = arg };
	char *expected;
	size_t i;
	int rc;

	if (map->kind != NODE_MAPPING) {
		expected = mem_printf("a mapping: the name of each %s and what it is", what);
		rc = reader_is(r, map, NODE_MAPPING, expected);
		free(expected);
		return rc;
	}
	for (i = 0; i < map->n; i++) {
		each.entry = &map->entries[i];
		if (reader_for(r, scope, node_get(each.entry->value, "for"),
		    each_round, &each) == -1)
			return -1;
	}
	return 0;
}

static int
check_shape(struct reader *r, const struct scope *scope, const struct node *node,
    const struct shape *shape, const char *const run_time[])
{
	struct strings strings = { 0 };
	struct pairs pairs = { 0 };
	char *s = NULL;
	int64_t ms;
	bool yes;
	int v, rc = -1;

	switch (shape->kind) {
	case SHAPE_STRING:
		rc = reader_text(r, scope, node, "a value", run_time, &s);
		break;
	case SHAPE_STRINGS:
		rc = reader_strings(r, scope, node, "a value or a list of values", &strings);
		break;
	case SHAPE_PAIRS:
		rc = reader_pairs(r, scope, node, "a mapping of values", run_time, &pairs);
		break;
	case SHAPE_BOOL:
		rc = reader_bool(r, scope, node, &yes);
		break;
	case SHAPE_NUMBER:
		rc = reader_int(r, scope, node, shape->key, 0, 999999999, &v);
		break;
	case SHAPE_DURATION:
		rc = reader_duration(r, scope, node, &ms);
		break;
	case SHAPE_PATH:
		rc = reader_path(r, scope, node, run_time, false, &s);
		break;
	case SHAPE_WORD:
		rc = reader_word(r, scope, node, shape->key, shape->words, &v);
		break;
	}
	strings_release(&strings);
	pairs_release(&pairs);
	free(s);
	return rc;
}

int
reader_shape(struct reader *r, const struct scope *scope, const struct node *node,
    const char *what, const struct shape shapes[], const char *const run_time[])
{
	const char *keys[KEYS_SHAPE_MAX + 1];
	const struct node *value;
	size_t i;

	for (i = 0; shapes[i].key != NULL && i < KEYS_SHAPE_MAX; i++)
		keys[i] = shapes[i].key;
	keys[i] = NULL;
	if (reader_keys(r, node, what, keys) == -1)
		return -1;
	for (i = 0; shapes[i].key != NULL; i++) {
		value = node_get(node, shapes[i].key);
		if (value == NULL && shapes[i].required)
			return reader_fail(r, node, "%s without '%s', expected '%s: …'",
			    what, shapes[i].key, shapes[i].key);
		if (value != NULL && check_shape(r, scope, value, &shapes[i], run_time) == -1)
			return -1;
	}
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
