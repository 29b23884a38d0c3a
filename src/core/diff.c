/*
 * diff: see diff.h.  Plain dynamic programming over what is left between the
 * common head and the common tail; configuration files are small.
 */
#include "core/diff.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

void
lines_split(struct lines *ret, const char *text, size_t len_bytes)
{
	const char *p = text, *end = text + len_bytes, *nl;
	struct line *line;

	ret->v = NULL;
	ret->n = 0;
	while (len_bytes > 0 && p < end) {
		nl = memchr(p, '\n', (size_t)(end - p));
		line = mem_push(&ret->v, &ret->n, sizeof(*ret->v));
		line->p = p;
		line->len = nl == NULL ? (size_t)(end - p) : (size_t)(nl - p) + 1;
		p += line->len;
	}
}

void
lines_release(struct lines *lines)
{
	free(lines->v);
	lines->v = NULL;
	lines->n = 0;
}

static bool
same(const struct line *a, const struct line *b)
{
	return a->len == b->len && memcmp(a->p, b->p, a->len) == 0;
}

/* len[i][j]: the length of the longest common subsequence of a[i..] and b[j..]. */
static void
align_middle(const struct line *a, size_t n, const struct line *b, size_t m, int *map, int shift)
{
	uint32_t *len, *row, *below;
	size_t i, j, width = m + 1;

	if (n == 0 || m == 0 || (n + 1) > DIFF_CELLS_MAX / width)
		return;
	len = mem_array((n + 1) * width, sizeof(*len));
	for (i = n; i-- > 0;) {
		row = len + i * width;
		below = row + width;
		for (j = m; j-- > 0;)
			row[j] = same(&a[i], &b[j]) ? below[j + 1] + 1 :
			    below[j] >= row[j + 1] ? below[j] : row[j + 1];
	}
	for (i = j = 0; i < n && j < m;) {
		if (same(&a[i], &b[j])) {
			map[i++] = (int)j++ + shift;
		} else if (len[(i + 1) * width + j] >= len[i * width + j + 1])
			i++;
		else
			j++;
	}
	free(len);
}

void
diff_align(const struct lines *a, const struct lines *b, int *ret_map)
{
	size_t i, head = 0, tail = 0;
	size_t least = a->n < b->n ? a->n : b->n;

	for (i = 0; i < a->n; i++)
		ret_map[i] = -1;
	while (head < least && same(&a->v[head], &b->v[head])) {
		ret_map[head] = (int)head;
		head++;
	}
	while (tail < least - head && same(&a->v[a->n - 1 - tail], &b->v[b->n - 1 - tail])) {
		ret_map[a->n - 1 - tail] = (int)(b->n - 1 - tail);
		tail++;
	}
	align_middle(a->v + head, a->n - head - tail, b->v + head, b->n - head - tail,
	    ret_map + head, (int)head);
}

static void
put_line(struct buf *out, char mark, const struct line *line, diff_show *show, void *arg)
{
	size_t len = line->len;
	bool ended = len > 0 && line->p[len - 1] == '\n';

	if (ended)
		len--;
	(void)buf_putc(out, mark);
	if (show != NULL)
		show(arg, line->p, len, out);
	else
		(void)buf_put(out, line->p, len);
	(void)buf_puts(out, ended || mark == ' ' ? "\n" : " (no newline at the end)\n");
}

/* One line of the merged view: of a, of b, or of both. */
struct row {
	char mark;
	const struct line *line;
};

void
diff_text(struct buf *out, const char *a_text, size_t alen, const char *b_text, size_t blen,
    size_t context, diff_show *show, void *arg)
{
	struct lines a, b;
	struct row *rows, *row;
	size_t n = 0, i, j = 0, k, near, shown = 0;
	int *map;

	lines_split(&a, a_text, alen);
	lines_split(&b, b_text, blen);
	map = mem_array(a.n, sizeof(*map));
	diff_align(&a, &b, map);
	rows = mem_array(a.n + b.n, sizeof(*rows));
	for (i = 0; i < a.n; i++) {
		for (; map[i] >= 0 && j < (size_t)map[i]; j++)
			rows[n++] = (struct row){ '+', &b.v[j] };
		if (map[i] >= 0)
			j++;
		rows[n++] = (struct row){ map[i] >= 0 ? ' ' : '-', &a.v[i] };
	}
	for (; j < b.n; j++)
		rows[n++] = (struct row){ '+', &b.v[j] };
	for (i = 0; i < n; i++) {
		row = &rows[i];
		if (row->mark == ' ') {
			/* Shown where a change is no more than `context` lines away. */
			near = i < context ? 0 : i - context;
			for (k = near; k < n && k <= i + context && rows[k].mark == ' '; k++)
				;
			if (k == n || k > i + context)
				continue;
		}
		if (shown > 0 && i > shown)
			(void)buf_puts(out, "…\n");
		put_line(out, row->mark, row->line, show, arg);
		shown = i + 1;
	}
	free(rows);
	free(map);
	lines_release(&a);
	lines_release(&b);
}
