/*
 * yaml: see yaml.h.
 *
 * Owns the way from bytes to a tree, by libyaml's events.  The only file that
 * includes libyaml.
 *
 * libyaml nests quadratically (100 KB of '[' keep it busy for many seconds),
 * because its scanner reads ahead as long as a token may still turn out to be
 * a key.  We take one event at a time and stop at the first one that is too
 * deep, so that no more is ever scanned than the thousand characters of that
 * look-ahead.
 *
 * It knows nothing of fleets or plans.
 */
#include "core/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>
#include <yaml.h>

#include "core/err.h"
#include "core/mem.h"

struct source {
	const char *path;
	const char *text;
	size_t	 len;
	yaml_parser_t parser;
	size_t	 nodes;
	struct err *err;
};

static int
fail(struct source *s, yaml_mark_t mark, const char *what)
{
	return err_set(s->err, "%s:%zu:%zu: %s", s->path, mark.line + 1,
	    mark.column + 1, what);
}

/*
 * Every byte is UTF-8 and no control character: libyaml would say so too, but
 * without a position.
 */
static int
check_bytes(struct source *s)
{
	size_t i = 0, line = 1, col = 1;
	unsigned char c;
	int32_t cp;
	utf8proc_ssize_t n;

	if (s->len > YAML_TEXT_MAX)
		return err_set(s->err, "%s:1:1: the file has %zu bytes, expected at most %zu",
		    s->path, s->len, YAML_TEXT_MAX);
	while (i < s->len) {
		c = (unsigned char)s->text[i];
		if (c == '\n') {
			line++;
			col = 1;
			i++;
			continue;
		}
		n = utf8proc_iterate((const utf8proc_uint8_t *)s->text + i,
		    (utf8proc_ssize_t)(s->len - i < 4 ? s->len - i : 4), &cp);
		if (n <= 0)
			return err_set(s->err, "%s:%zu:%zu: byte 0x%02x is not UTF-8, expected UTF-8 text",
			    s->path, line, col, c);
		if ((cp < 0x20 && cp != '\t' && cp != '\r') ||
		    (cp >= 0x7f && cp < 0xa0))
			return err_set(s->err, "%s:%zu:%zu: control character U+%04X, expected text",
			    s->path, line, col, (unsigned)cp);
		if (!(cp == 0xfeff && i == 0))
			col++;
		i += (size_t)n;
	}
	return 0;
}

/* libyaml's own complaint, at its position. */
static int
fail_parser(struct source *s)
{
	const yaml_parser_t *p = &s->parser;
	size_t at = p->problem_mark.index;
	const char *problem = p->problem == NULL ? "cannot be read" : p->problem;

	/* The index counts characters; in a line of ASCII that is enough. */
	if (p->error == YAML_SCANNER_ERROR && at < s->len && s->text[at] == '\t')
		return fail(s, p->problem_mark, "a tab, expected blanks: YAML does not indent with tabs");
	if (p->context != NULL)
		return err_set(s->err, "%s:%zu:%zu: not YAML: %s %s, expected 'key: value' lines",
		    s->path, p->problem_mark.line + 1, p->problem_mark.column + 1,
		    problem, p->context);
	return err_set(s->err, "%s:%zu:%zu: not YAML: %s, expected 'key: value' lines",
	    s->path, p->problem_mark.line + 1, p->problem_mark.column + 1, problem);
}

static int
next_event(struct source *s, yaml_event_t *ret)
{
	if (!yaml_parser_parse(&s->parser, ret))
		return fail_parser(s);
	return 0;
}

static struct node *
node_new(struct source *s, enum node_kind kind, yaml_mark_t mark)
{
	struct node *node;

	if (s->nodes >= YAML_NODES_MAX) {
		(void)err_set(s->err, "%s:%zu:%zu: more than %d values, expected a smaller file",
		    s->path, mark.line + 1, mark.column + 1, YAML_NODES_MAX);
		return NULL;
	}
	s->nodes++;
	node = mem_alloc(sizeof(*node));
	node->kind = kind;
	node->line = (int)mark.line + 1;
	node->col = (int)mark.column + 1;
	return node;
}

/* What no node may carry. */
static int
check_plainness(struct source *s, const yaml_event_t *event)
{
	const yaml_char_t *anchor = NULL, *tag = NULL;

	switch (event->type) {
	case YAML_ALIAS_EVENT:
		return fail(s, event->start_mark, "an alias (*), expected the value itself; "
		    "quote a value that starts with '*'");
	case YAML_SCALAR_EVENT:
		anchor = event->data.scalar.anchor;
		tag = event->data.scalar.tag;
		break;
	case YAML_SEQUENCE_START_EVENT:
		anchor = event->data.sequence_start.anchor;
		tag = event->data.sequence_start.tag;
		break;
	case YAML_MAPPING_START_EVENT:
		anchor = event->data.mapping_start.anchor;
		tag = event->data.mapping_start.tag;
		break;
	default:	/* libyaml's enum: the rest carries neither */
		break;
	}
	if (anchor != NULL)
		return fail(s, event->start_mark, "an anchor (&), expected a plain value; "
		    "quote a value that starts with '&'");
	if (tag != NULL)
		return fail(s, event->start_mark, "a tag (!), expected a plain value; "
		    "quote a value that starts with '!'");
	return 0;
}

static int
check_scalar(struct source *s, const yaml_event_t *event)
{
	const yaml_char_t *v = event->data.scalar.value;
	size_t i, len = event->data.scalar.length;

	for (i = 0; i < len; i++)
		if ((v[i] < 0x20 && v[i] != '\n' && v[i] != '\t') || v[i] == 0x7f ||
		    (v[i] == 0xc2 && i + 1 < len && v[i + 1] < 0xa0))
			return fail(s, event->start_mark,
			    "an escaped control character, expected text");
	return 0;
}

static int	read_node(struct source *, const yaml_event_t *, int depth, struct node **);

static int
read_sequence(struct source *s, struct node *node, int depth)
{
	struct node *item;
	yaml_event_t event;
	int rc;

	for (;;) {
		if (next_event(s, &event) == -1)
			return -1;
		if (event.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&event);
			return 0;
		}
		item = NULL;
		rc = read_node(s, &event, depth + 1, &item);
		yaml_event_delete(&event);
		if (rc == -1)
			return -1;
		*(struct node **)mem_push(&node->items, &node->n,
		    sizeof(struct node *)) = item;
	}
}

static int
read_key(struct source *s, struct node *node, const yaml_event_t *event)
{
	struct entry *entry;
	const char *key;
	size_t i;

	if (check_plainness(s, event) == -1)
		return -1;
	if (event->type != YAML_SCALAR_EVENT)
		return fail(s, event->start_mark, "a key that is a list or a mapping, expected a word");
	if (check_scalar(s, event) == -1)
		return -1;
	key = (const char *)event->data.scalar.value;
	if (*key == '\0')
		return fail(s, event->start_mark, "an empty key, expected a word");
	if (strcmp(key, "<<") == 0)
		return fail(s, event->start_mark, "a merge key (<<), expected the keys themselves");
	for (i = 0; i < node->n; i++)
		if (strcmp(node->entries[i].key, key) == 0)
			return err_set(s->err, "%s:%zu:%zu: duplicate key '%s', expected it once (it stands in line %d)",
			    s->path, event->start_mark.line + 1,
			    event->start_mark.column + 1, key, node->entries[i].line);
	if (node->n >= YAML_KEYS_MAX)
		return err_set(s->err, "%s:%zu:%zu: more than %d keys in one mapping, expected fewer",
		    s->path, event->start_mark.line + 1,
		    event->start_mark.column + 1, YAML_KEYS_MAX);
	entry = mem_push(&node->entries, &node->n, sizeof(*entry));
	entry->key = mem_strdup(key);
	entry->line = (int)event->start_mark.line + 1;
	entry->col = (int)event->start_mark.column + 1;
	return 0;
}

static int
read_mapping(struct source *s, struct node *node, int depth)
{
	yaml_event_t event;
	bool end;
	int rc;

	for (;;) {
		if (next_event(s, &event) == -1)
			return -1;
		end = event.type == YAML_MAPPING_END_EVENT;
		rc = end ? 0 : read_key(s, node, &event);
		yaml_event_delete(&event);
		if (end || rc == -1)
			return rc;
		if (next_event(s, &event) == -1)
			return -1;
		rc = read_node(s, &event, depth + 1,
		    &node->entries[node->n - 1].value);
		yaml_event_delete(&event);
		if (rc == -1)
			return -1;
	}
}

static int
read_node(struct source *s, const yaml_event_t *event, int depth, struct node **ret)
{
	struct node *node;
	int rc = 0;

	if (check_plainness(s, event) == -1)
		return -1;
	if (depth > YAML_DEPTH_MAX)
		return err_set(s->err, "%s:%zu:%zu: nested more than %d deep, expected less",
		    s->path, event->start_mark.line + 1,
		    event->start_mark.column + 1, YAML_DEPTH_MAX);
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		if (check_scalar(s, event) == -1 ||
		    (node = node_new(s, NODE_SCALAR, event->start_mark)) == NULL)
			return -1;
		node->value = mem_strndup((const char *)event->data.scalar.value,
		    event->data.scalar.length);
		node->empty = event->data.scalar.length == 0 &&
		    event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
		break;
	case YAML_SEQUENCE_START_EVENT:
		if ((node = node_new(s, NODE_SEQUENCE, event->start_mark)) == NULL)
			return -1;
		rc = read_sequence(s, node, depth);
		break;
	case YAML_MAPPING_START_EVENT:
		if ((node = node_new(s, NODE_MAPPING, event->start_mark)) == NULL)
			return -1;
		rc = read_mapping(s, node, depth);
		break;
	default:	/* libyaml's enum: no other event starts a node */
		return fail(s, event->start_mark, "not YAML, expected a value");
	}
	if (rc == -1) {
		node_free(node);
		return -1;
	}
	*ret = node;
	return 0;
}

/* The event must be of this type; it is consumed. */
static int
expect_event(struct source *s, yaml_event_type_t type, const char *complaint)
{
	yaml_event_t event;
	int rc = 0;

	if (next_event(s, &event) == -1)
		return -1;
	if (event.type != type)
		rc = fail(s, event.start_mark, complaint);
	yaml_event_delete(&event);
	return rc;
}

static int
read_document(struct source *s, struct node **ret)
{
	struct node *root = NULL;
	yaml_event_t event;
	int rc;

	if (expect_event(s, YAML_STREAM_START_EVENT, "not YAML, expected text") == -1 ||
	    next_event(s, &event) == -1)
		return -1;
	rc = 0;
	if (event.type != YAML_DOCUMENT_START_EVENT)
		rc = fail(s, event.start_mark, "nothing in the file, expected 'belay: …' and what follows it");
	else if (event.data.document_start.version_directive != NULL ||
	    event.data.document_start.tag_directives.start !=
	    event.data.document_start.tag_directives.end)
		rc = fail(s, event.start_mark, "a directive (%), expected none");
	yaml_event_delete(&event);
	if (rc == -1 || next_event(s, &event) == -1)
		return -1;
	if (event.type != YAML_MAPPING_START_EVENT &&
	    event.type != YAML_ALIAS_EVENT)
		rc = fail(s, event.start_mark, "not a mapping, expected 'belay: …' and what follows it");
	else
		rc = read_node(s, &event, 1, &root);
	yaml_event_delete(&event);
	if (rc == -1)
		return -1;
	if (expect_event(s, YAML_DOCUMENT_END_EVENT, "not YAML, expected the end of the document") == -1 ||
	    expect_event(s, YAML_STREAM_END_EVENT, "a second document, expected one") == -1) {
		node_free(root);
		return -1;
	}
	*ret = root;
	return 0;
}

int
node_read(struct node **ret, const char *path, const char *text,
    size_t len_bytes, struct err *err)
{
	struct source s = { .path = path, .text = text, .len = len_bytes, .err = err };
	int rc;

	if (check_bytes(&s) == -1)
		return -1;
	if (!yaml_parser_initialize(&s.parser))
		abort();	/* out of memory is its only reason */
	yaml_parser_set_encoding(&s.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&s.parser, (const unsigned char *)text, len_bytes);
	rc = read_document(&s, ret);
	yaml_parser_delete(&s.parser);
	return rc;
}

void
node_free(struct node *node)
{
	size_t i;

	if (node == NULL)
		return;
	for (i = 0; i < node->n; i++) {
		if (node->kind == NODE_SEQUENCE)
			node_free(node->items[i]);
		else {
			free(node->entries[i].key);
			node_free(node->entries[i].value);
		}
	}
	free(node->items);
	free(node->entries);
	free(node->value);
	free(node);
}

const struct entry *
node_entry(const struct node *node, const char *key)
{
	size_t i;

	if (node == NULL || node->kind != NODE_MAPPING)
		return NULL;
	for (i = 0; i < node->n; i++)
		if (strcmp(node->entries[i].key, key) == 0)
			return &node->entries[i];
	return NULL;
}

const struct node *
node_get(const struct node *node, const char *key)
{
	const struct entry *entry = node_entry(node, key);

	return entry == NULL ? NULL : entry->value;
}
