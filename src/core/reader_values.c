/*
 * reader_values: one value of each type, from its node; and the keys of what is read and not built.
 */
#include "core/reader.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

#define WORD_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define KEYS_SHAPE_MAX 24

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
		if (strchr(WORD_CHARACTERS, word[i]) == NULL &&
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
	    strspn(name, WORD_CHARACTERS "._-") != len)
		return reader_fail_at(r, line, col,
		    "'%s', expected the name of %s: letters, digits, '.', '_' and '-', with a letter or digit first",
		    name, what);
	if (len > FLEET_NAME_MAX)
		return reader_fail_at(r, line, col,
		    "a name of %zu characters, expected at most %d", len, FLEET_NAME_MAX);
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
