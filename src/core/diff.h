/*
 * diff: which lines changed.  Pure; bounded in time and memory.
 */
#ifndef BELAY_CORE_DIFF_H
#define BELAY_CORE_DIFF_H

#include <stddef.h>

struct buf;

/*
 * Text as lines, each with its end (\n, or nothing at the end of the text).
 * They point into the text.
 */
struct line {
	const char *p;
	size_t	 len;
};

struct lines {
	struct line *v;
	size_t	 n;
};

void	lines_split(struct lines *ret, const char *text, size_t len_bytes);
void	lines_release(struct lines *);

/*
 * The longest common subsequence: ret_map[i] is the line of b that line i of a
 * became, or -1.  Rising.  ret_map has a->n elements.  Where the part that
 * differs is larger than DIFF_CELLS_MAX cells, only the lines that are the same
 * at the beginning and at the end are mapped.
 */
#define DIFF_CELLS_MAX ((size_t)4 << 20)
void	diff_align(const struct lines *a, const struct lines *b, int *ret_map);

/*
 * How one line is shown, without its end: the callback appends it, masked
 * where it is secret.  NULL shows it as it is.
 */
typedef void diff_show(void *arg, const char *line, size_t len_bytes, struct buf *out);

/*
 * "-old", "+new" and " context" lines, one hunk after the other, "…" on a line
 * between hunks.  A missing end of the last line is said.  Nothing where the
 * texts are the same.  The bytes are as they were: text_clean() before a screen.
 */
void	diff_text(struct buf *out, const char *a, size_t alen, const char *b, size_t blen,
	    size_t context, diff_show *, void *arg);

#endif
