/*
 * blockfile: blocks of lines between markers, in files of others.  Pure.
 *
 *	# BEGIN belay NAME
 *	…
 *	# END belay NAME
 *
 * A block is put in, replaced or taken away as a whole; every other byte is
 * kept.  Its content is lines that end in \n; in the text they get the ends that
 * the text has.  Where a new one goes:
 *
 *	BLOCK_END	at the end of the text
 *	BLOCK_HBA	pg_hba.conf: before the first record that could decide about a
 *		connection that the block is for (see hba.h), below the comments above that
 *		record, but never into a block of somebody else's (a line `# BEGIN …` to a
 *		line `# END …`): before that.  A block that stands behind such a record
 *		is moved.  Blocks of one edit keep their order among each other.
 *
 * A block that is torn (one marker without the other, or out of order) or there
 * twice is an error with the number of the line: nothing is made of such a text.
 */
#ifndef BELAY_CORE_BLOCKFILE_H
#define BELAY_CORE_BLOCKFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

enum block_place { BLOCK_END, BLOCK_HBA };

/* One word: letters, digits, dots, dashes, underscores. */
bool	blockfile_name_valid(const char *name);
/* No marker in it, no \r; it ends in \n or is empty. */
bool	blockfile_content_valid(const char *content);

/* Appends the content (may be NULL); false: there is no such block, or it is torn. */
bool	blockfile_get(const char *text, size_t len_bytes, const char *name, struct buf *out);

/* set: contents by name. */
int	blockfile_edit(enum block_place, struct buf *out, const char *text, size_t len_bytes,
	    const struct pairs *set, const struct strings *unset, struct err *);

/* As envfile_restore(), a block being a key.  A block that is torn now is drift. */
size_t	blockfile_restore(enum block_place, struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
	    struct strings *ret_drift);

/* Is this line (without its end) a marker of the block? */
bool	blockfile_is_marker(const char *line, size_t len_bytes, const char *name);

#endif
