/*
 * setting: settings of a running server by name, as they are changed by
 * statement.  Pure.
 *
 * What "the value" is, and what undoes a change:
 *
 * postgres	what postgresql.auto.conf holds: ALTER SYSTEM SET and RESET.  It may hold
 *		nothing of a name; then the value is NULL, and what counts stands elsewhere.
 * pgbouncer	what the console's SHOW CONFIG says: SET.  Gone at a RELOAD or a restart.
 * redis	what CONFIG GET says: CONFIG SET, then CONFIG REWRITE.
 *
 * A text of settings, as the host's record keeps it, has a line for each name:
 * "set NAME VALUE" or "unset NAME".
 */
#ifndef BELAY_CORE_SETTING_H
#define BELAY_CORE_SETTING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;
struct op;

#define SETTING_NAME_MAX	128
#define SETTING_VALUE_MAX	4096
#define SETTING_NAMES_MAX	64	/* of one op: a command's arguments */

/*
 * Whether belay may change it: a name that such a server can have, no secret
 * (it would stand in the record, and on the screen), and a value of one line; value NULL: unset.
 */
int	setting_check(enum kind, const char *name, const char *value, struct err *);
/* Whether the server means the same by both; NULL is no value. */
bool	setting_same(enum kind, const char *a, const char *b);
int	setting_truth(const char *);	/* 0, 1, in any case; -1: it is no boolean */
bool	setting_name_same(const char *a, const char *b);	/* in any case */

/* The setting that names the private key that clients meet. */
const char *setting_key_name(enum kind);

/* value NULL: "unset". */
void	setting_put_text(struct buf *out, const struct pairs *);
/* -1 where it is none; what was read is released then.  pairs_release() of reader.h is for the caller. */
int	setting_parse_text(struct pairs *ret, const char *text, size_t len_bytes, struct err *);
void	setting_push(struct pairs *, const char *name, const char *value);
/* What an op wants: its set, then its unset. */
void	setting_wanted(const struct op *, struct pairs *ret);

#endif
