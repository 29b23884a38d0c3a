/*
 * reader_for: `for`: names that are bound, and what is read once for each of their values.
 *
 * Invariant: how ever lists and `for`s multiply, there are no more rounds than rounds_left.
 */
#include "core/reader.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

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
	if (strspn(e->key, LETTERS "0123456789") != strlen(e->key) ||
	    strchr(LETTERS, e->key[0]) == NULL)
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
