/*
 * yaml: the subset of YAML that our files are written in, as a tree.
 *
 * Strings, sequences and mappings; nothing else.  There is no typing: `on`,
 * `yes`, `0600` and `1e3` are the text that stands there, and whoever reads a
 * value says what it may be.  Refused, with the position and what was
 * expected: anchors, aliases, tags, directives, merge keys, keys that are not
 * strings, duplicate keys, a second document, bytes that are not UTF-8,
 * control characters (written as escapes, too), and whatever exceeds the
 * bounds below.
 *
 * Positions count from 1; a column counts characters.
 */
#ifndef BELAY_CORE_YAML_H
#define BELAY_CORE_YAML_H

#include <stdbool.h>
#include <stddef.h>

struct err;

#define YAML_TEXT_MAX	((size_t)256 << 10)
#define YAML_DEPTH_MAX	16
#define YAML_KEYS_MAX	2048	/* of one mapping: duplicates are sought pairwise */
#define YAML_NODES_MAX	65536

enum node_kind { NODE_SCALAR, NODE_SEQUENCE, NODE_MAPPING };

struct entry;

struct node {
	enum node_kind kind;
	int	 line, col;
	char	*value;			/* scalar; never NULL there */
	bool	 empty;			/* scalar: nothing was written at all */
	struct node **items;		/* sequence */
	struct entry *entries;		/* mapping, in the order of the file */
	size_t	 n;			/* items or entries */
};

struct entry {
	char	*key;
	int	 line, col;		/* of the key */
	struct node *value;
};

/*
 * Reads one document.  `path` only names it in messages.  The root is a
 * mapping; freed by node_free(), which accepts NULL.
 */
int	node_read(struct node **ret, const char *path, const char *text,
	    size_t len_bytes, struct err *);
void	node_free(struct node *);

/* The entry of a mapping, or NULL; also NULL where the node is no mapping. */
const struct entry *node_entry(const struct node *, const char *key);
const struct node *node_get(const struct node *, const char *key);

#endif
