/*
 * keyfile: texts of assignments, edited key by key with every other byte
 * kept; what env files, postgresql.conf, pgbouncer.ini and redis.conf have in
 * common.  Pure.  A syntax says how one line is read and written; envfile.c and
 * conffile.c hold them, and are what others include.
 *
 * A text is cut into items, each one assignment with all its lines, or one
 * line that is none.  Items concatenated are the text, byte for byte; an
 * edit replaces, drops or adds whole items, or the value's bytes inside one.
 * Where a key stands more than once, the last one counts.
 */
#ifndef BELAY_CORE_KEYFILE_H
#define BELAY_CORE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;

struct keyfile_item {
	const char *p;		/* with its line end */
	size_t	 len;
	size_t	 key, key_len;	/* key_len == 0: no assignment */
	size_t	 value, value_len;	/* the raw value, quotes included */
	char	 quote;		/* ' or ", or 0: bare */
	bool	 exported;	/* env: `export` stands before it */
	bool	 header;	/* ini: a section begins here */
	const char *section;	/* ini: NULL before the first header */
	size_t	 section_len;
};

struct keyfile_syntax {
	/* Reads the item at the beginning of p (len > 0) into a zeroed item. */
	void	(*read)(struct keyfile_item *, const char *p, size_t len);
	bool	(*is)(const struct keyfile_item *, const char *key);
	/* Appends what the raw value means. */
	void	(*value)(const struct keyfile_item *, struct buf *out);
	/* Appends a value as it is written in the place of `was`, or in a new line: NULL. */
	void	(*put_value)(struct buf *out, const char *value, const struct keyfile_item *was);
	/* Appends a new line without its end; `last` is the last assignment, or NULL. */
	void	(*put_new)(struct buf *out, const char *key, const char *value,
		    const struct keyfile_item *last);
	/*
	 * ini: may a new line of the key stand behind this item?  It goes behind the
	 * last one that may have it, and nowhere if there is none.  NULL: at the end.
	 */
	bool	(*after)(const struct keyfile_item *, const char *key);
	/* What only the whole text tells: which assignments do not count.  May be NULL. */
	void	(*settle)(struct keyfile_item *v, size_t n);
};

/* See envfile.h for what these promise. */
bool	keyfile_get(const struct keyfile_syntax *, const char *text, size_t len_bytes,
	    const char *key, struct buf *out);
bool	keyfile_edit(const struct keyfile_syntax *, struct buf *out, const char *text,
	    size_t len_bytes, const struct pairs *set, const struct strings *unset);
size_t	keyfile_restore(const struct keyfile_syntax *, struct buf *out, const char *before,
	    size_t before_len, const struct pairs *set, const struct strings *unset,
	    const char *now, size_t now_len, struct strings *ret_drift);

/* For readers of lines: the end of the line at `at` before its \r\n or \n, and the next line. */
size_t	keyfile_line_end(const char *p, size_t at, size_t len_bytes);
size_t	keyfile_line_next(const char *p, size_t at, size_t len_bytes);
/* The line ends of a text: those of its last ended line. */
const char *keyfile_eol(const char *text, size_t len_bytes);

#endif
