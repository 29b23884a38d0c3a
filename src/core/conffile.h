/*
 * conffile: keys of the servers' own configuration files, edited one by one
 * with every other byte kept.  Pure.
 *
 * CONF_POSTGRES	postgresql.conf and what it includes.  `name = value`, the = may
 *		be missing; names in any case; values bare or in '…' with '' and \ for
 *		what else could not stand there; # begins a comment.
 * CONF_INI	pgbouncer.ini.  `key = value` up to the end of the line, below
 *		[section]s; lines that begin with ; or # are comments.  A key is one of
 *		[pgbouncer] unless it is written `section.key`; what stands before the first
 *		header, as in an included file, counts to [pgbouncer].  Where [pgbouncer]
 *		begins a second time, what was set in the first one does not count any more
 *		(measured: PgBouncer 1.18 goes back to its defaults there).
 * CONF_REDIS	redis.conf.  KEY and words, keys in any case; words bare, in "…" with
 *		\n \xHH …, or in '…' with \'; a # makes a comment only at the
 *		beginning of a line.  The value is all words as redis.conf has them, each
 *		quoted only where it must be, with one blank between: see conffile_canon().
 *
 * Where a key stands more than once, the last one counts, as for the servers.
 * Defaults in comments stay comments; include, include_dir and %include are
 * lines like others, and are never followed.
 *
 * Sources: src/backend/utils/misc/guc-file.l (PostgreSQL 15), usual/cfparser.c
 * (libusual, PgBouncer 1.18), loadServerConfigFromString() in config.c and
 * sdssplitargs() in sds.c (Redis 7.0).
 */
#ifndef BELAY_CORE_CONFFILE_H
#define BELAY_CORE_CONFFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;

enum conf_syntax { CONF_POSTGRES, CONF_INI, CONF_REDIS };
#define CONF_SYNTAX_COUNT 3

/* A key that may be set: includes are not. */
bool	conffile_key_valid(enum conf_syntax, const char *key);
/*
 * Appends the value as conffile_get() would give it: what edit and restore
 * want.  False: it cannot stand in such a file (a line break, a quote left open).
 */
bool	conffile_canon(enum conf_syntax, const char *value, struct buf *out);

/* These three as their like in envfile.h. */
bool	conffile_get(enum conf_syntax, const char *text, size_t len_bytes, const char *key,
	    struct buf *out);
/*
 * A new key goes to the end of the file, in an ini file to the end of its
 * section.  False also where an ini file has no such section.
 */
bool	conffile_edit(enum conf_syntax, struct buf *out, const char *text, size_t len_bytes,
	    const struct pairs *set, const struct strings *unset);
size_t	conffile_restore(enum conf_syntax, struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
	    struct strings *ret_drift);

/*
 * The key of a single line (without its end), as a part of the line; NULL: none.
 * is: whether it is `key`; an ini key is compared without its section.
 */
const char *conffile_line_key(enum conf_syntax, const char *line, size_t len_bytes,
	    size_t *ret_len, size_t *ret_value_at);
bool	conffile_key_is(enum conf_syntax, const char *line_key, size_t len_bytes, const char *key);

#endif
