/*
 * edittext: texts that are edited by name, whatever their syntax.  Pure.
 *
 * One table: a syntax says what a name is, what a value may be, and how both
 * are read, edited and restored.  What stands on hosts, what facets compare
 * and what an edit of a fleet file may say all go through it.
 *
 *	TEXT_ENV	a variable of an env file			(envfile)
 *	TEXT_URL	the same, or a part of the URL in one		(urlfile)
 *	TEXT_POSTGRES	a key of postgresql.conf			(conffile)
 *	TEXT_INI	a key of pgbouncer.ini
 *	TEXT_REDIS	a key of redis.conf
 *	TEXT_BLOCK	a block between markers, at the end		(blockfile)
 *	TEXT_HBA	a block of pg_hba.conf, where it decides
 */
#ifndef BELAY_CORE_EDITTEXT_H
#define BELAY_CORE_EDITTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

/* "env file", "postgresql.conf", …: what a message calls it. */
const char *text_word(enum text_syntax);

int	text_name_check(enum text_syntax, const char *name, struct err *);
/* Appends the value in the one spelling that edit and restore know it by. */
int	text_value(enum text_syntax, const char *name, const char *value, struct buf *out,
	    struct err *);

/* These three keep the contracts of envfile.h. */
bool	text_get(enum text_syntax, const char *text, size_t len_bytes, const char *name,
	    struct buf *out);
int	text_edit(enum text_syntax, struct buf *out, const char *text, size_t len_bytes,
	    const struct pairs *set, const struct strings *unset, struct err *);
size_t	text_restore(enum text_syntax, struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
	    struct strings *ret_drift);

/*
 * How one line of the texts is shown in a diff, where nobody's values but
 * those of our names are shown.  `print`: our values are secret, and it appends what stands
 * for one; NULL: they are not.
 */
typedef void text_print(void *arg, const char *bytes, size_t len_bytes, struct buf *out);
struct text_view {
	enum text_syntax syntax;
	const struct pairs *set;
	const struct strings *unset;
	const char *before;	/* the text before: old lines of our blocks */
	size_t	 before_len;
	text_print *print;
	void	*arg;
};
void	text_show(const struct text_view *, const char *line, size_t len_bytes, struct buf *out);
/* The lines around a change that help to judge it. */
size_t	text_context(enum text_syntax);

#endif
