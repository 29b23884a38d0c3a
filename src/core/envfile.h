/*
 * envfile: KEY=value files, edited key by key with every other byte kept.
 * Pure.
 *
 * What counts as an assignment: a line of blanks, an optional `export`, a name
 * ([A-Za-z_][A-Za-z0-9_.-]*), `=` (blanks around it are suffered), a value.
 * Lines that begin with # are comments.  A value is
 *
 *	'…'	as it stands, up to the next '
 *	"…"	with \" \\ \$ \` for these characters, other backslashes as they are
 *	bare	up to the end of the line, or to a blank with # behind it
 *
 * A quoted value may go on over several lines where nothing but blanks or a
 * comment follows its closing quote; else a quote that does not close on its
 * line is a plain character.  CRLF ends stay CRLF.  Where a key stands more
 * than once the last one counts, as in a shell.
 *
 * Sources: POSIX.1-2008 2.2 (quoting), systemd.exec(5) EnvironmentFile,
 * Compose's .env; where they disagree we read what a shell would read.
 */
#ifndef BELAY_CORE_ENVFILE_H
#define BELAY_CORE_ENVFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;

bool	envfile_key_valid(const char *key);

/* Appends the value of the key's last line to out (may be NULL); false: not set at all. */
bool	envfile_get(const char *text, size_t len_bytes, const char *key, struct buf *out);

/* The key that a single line (without its end) assigns, as a part of the line; NULL: none. */
const char *envfile_line_key(const char *line, size_t len_bytes, size_t *ret_len,
	    size_t *ret_value_at);

/*
 * Appends the text with the keys set and unset.
 *
 *  - A key that already has the value: nothing of it changes.
 *  - A key that is there: the value of its last line is replaced, in that
 *    line's quotes; bare values are quoted only where they must be.
 *  - A new key is appended, with `export ` if the last assignment has it, in the
 *    file's line ends; a last line without an end is given one.
 *  - unset takes every line of the key away.
 *
 * false: the result does not read back as wanted, because the text has a quote
 * that is left open; it is not fit for writing.
 */
bool	envfile_edit(struct buf *out, const char *text, size_t len_bytes,
	    const struct pairs *set, const struct strings *unset);

/*
 * The way back, where somebody may have edited the file after us.  `before`
 * is what we found, `set` and `unset` what we did to it, `now` what is there.
 * Appends `now` with our keys as they were before, everything else kept:
 * changed lines get their old value, removed lines come back beside their old
 * neighbours, added lines go.
 *
 * A key is drift when its value is neither what we wrote nor what was before;
 * its name is put into *ret_drift and out is not fit for use.  Keys that we
 * did not change are nobody's drift.  Returns the number of drifted keys.
 */
size_t	envfile_restore(struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset,
	    const char *now, size_t now_len, struct strings *ret_drift);

#endif
