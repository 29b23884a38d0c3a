/*
 * grid: see grid.h.
 *
 * Invariants: every cell of a grid holds clean UTF-8 of one character (a
 * blank at least) or is the right half of the wide one before it; no wide
 * character is ever half there.
 */
#include "ui/grid.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

/* What is shown of one text at most; nobody's screen is wider. */
#define PUT_MAX ((size_t)16 << 10)

static const struct cell blank = { " ", 1, 1, ROLE_TEXT, false };

void
grid_init(struct grid *g, int h, int w, bool ascii)
{
	if (h < 1)
		h = 1;
	if (w < 1)
		w = 1;
	if (h > GRID_SIDE_MAX)
		h = GRID_SIDE_MAX;
	if (w > GRID_SIDE_MAX)
		w = GRID_SIDE_MAX;
	g->h = h;
	g->w = w;
	g->ascii = ascii;
	g->cells = mem_array((size_t)h * (size_t)w, sizeof(*g->cells));
	grid_clear(g);
}

void
grid_release(struct grid *g)
{
	if (g == NULL)
		return;
	mem_wipe_free(g->cells, (size_t)g->h * (size_t)g->w * sizeof(*g->cells));
	memset(g, 0, sizeof(*g));
}

void
grid_clear(struct grid *g)
{
	size_t i, n = (size_t)g->h * (size_t)g->w;

	for (i = 0; i < n; i++)
		g->cells[i] = blank;
}

static struct cell *
cell_at(struct grid *g, int y, int x)
{
	return &g->cells[(size_t)y * (size_t)g->w + (size_t)x];
}

const struct cell *
grid_at(const struct grid *g, int y, int x)
{
	assert(y >= 0 && y < g->h && x >= 0 && x < g->w);
	return &g->cells[(size_t)y * (size_t)g->w + (size_t)x];
}

bool
cell_same(const struct cell *a, const struct cell *b)
{
	return a->len_bytes == b->len_bytes && a->width == b->width && a->role == b->role &&
	    a->selected == b->selected && memcmp(a->bytes, b->bytes, a->len_bytes) == 0;
}

struct area
area_of(struct grid *g)
{
	return (struct area){ g, 0, 0, g->h, g->w };
}

struct area
area_part(struct area a, int y, int x, int h, int w)
{
	if (y < 0)
		y = 0;
	if (x < 0)
		x = 0;
	if (y > a.h)
		y = a.h;
	if (x > a.w)
		x = a.w;
	if (h < 0)
		h = 0;
	if (w < 0)
		w = 0;
	if (h > a.h - y)
		h = a.h - y;
	if (w > a.w - x)
		w = a.w - x;
	return (struct area){ a.grid, a.y + y, a.x + x, h, w };
}

/* What is about to be overwritten at x leaves no half of a wide character. */
static void
unpair(struct grid *g, int y, int x)
{
	struct cell *c = cell_at(g, y, x);

	if (c->width == 0 && x > 0) {
		struct cell *left = cell_at(g, y, x - 1);

		left->bytes[0] = ' ';
		left->len_bytes = left->width = 1;
	} else if (c->width == 2 && x + 1 < g->w) {
		struct cell *right = cell_at(g, y, x + 1);

		right->bytes[0] = ' ';
		right->len_bytes = right->width = 1;
	}
}

static void
put_cell(struct grid *g, int y, int x, enum role role, const char *bytes, size_t len, int width)
{
	struct cell *c;

	unpair(g, y, x);
	if (width == 2)
		unpair(g, y, x + 1);
	c = cell_at(g, y, x);
	memcpy(c->bytes, bytes, len);
	c->len_bytes = (uint8_t)len;
	c->width = (uint8_t)width;
	c->role = (uint8_t)role;
	c->selected = false;
	if (width == 2) {
		c[1] = *c;
		c[1].len_bytes = c[1].width = 0;
	}
}

/* The width of the one character at clean, with the bytes that it and its marks take. */
static int
next_char(const char *clean, size_t *ret_len)
{
	size_t len, n, cells;
	int32_t cp;
	char one[8];

	if ((len = text_next(clean, &cp)) == 0) {
		*ret_len = 0;
		return 0;
	}
	memcpy(one, clean, len);
	one[len] = '\0';
	cells = text_width(one);
	/* Marks follow: width nothing. */
	while ((n = text_next(clean + len, &cp)) > 0 && len + n <= CELL_BYTES_MAX) {
		memcpy(one, clean + len, n);
		one[n] = '\0';
		if (text_width(one) != 0)
			break;
		len += n;
	}
	*ret_len = len;
	return (int)cells;
}

/* clean: from text_clean().  Returns the cells used. */
static int
put_clean(struct area a, int y, int x, int width, enum role role, const char *clean)
{
	int used = 0, cells, all;
	size_t len;
	const char *dots = a.grid->ascii ? "~" : "\xe2\x80\xa6";

	if (y < 0 || y >= a.h || x < 0 || x >= a.w)
		return 0;
	if (width < 0 || width > a.w - x)
		width = a.w - x;
	all = (int)text_width(clean);
	for (; *clean != '\0'; clean += len) {
		cells = next_char(clean, &len);
		if (len == 0)
			break;
		if (cells == 0)
			continue;
		if (used + cells > width || (all > width && used + cells > width - 1)) {
			if (used < width) {
				put_cell(a.grid, a.y + y, a.x + x + used, role, dots, strlen(dots), 1);
				used++;
			}
			break;
		}
		if (a.grid->ascii && (len > 1 || (unsigned char)*clean >= 0x80)) {
			int i;

			for (i = 0; i < cells; i++)
				put_cell(a.grid, a.y + y, a.x + x + used + i, role, "?", 1, 1);
		} else
			put_cell(a.grid, a.y + y, a.x + x + used, role, clean, len, cells);
		used += cells;
	}
	return used;
}

int
grid_putn(struct area a, int y, int x, int width, enum role role, const char *text,
    size_t len_bytes)
{
	struct buf clean;
	int used;

	buf_init(&clean, PUT_MAX * 8);
	text_clean(&clean, text, len_bytes < PUT_MAX ? len_bytes : PUT_MAX);
	used = put_clean(a, y, x, width, role, buf_str(&clean));
	buf_release(&clean);
	return used;
}

int
grid_put(struct area a, int y, int x, int width, enum role role, const char *text)
{
	if (text == NULL)
		return 0;
	return grid_putn(a, y, x, width, role, text, strnlen(text, PUT_MAX));
}

int
grid_printf(struct area a, int y, int x, int width, enum role role, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int used;

	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	used = grid_put(a, y, x, width, role, text);
	mem_wipe_free(text, strlen(text));
	return used;
}

int
grid_put_right(struct area a, int y, int x_end, enum role role, const char *text)
{
	char *clean = text_clean_dup(text);
	int width = (int)text_width(clean), used;

	if (width > x_end)
		width = x_end;
	used = put_clean(a, y, x_end - width, width, role, clean);
	mem_wipe_free(clean, strlen(clean));
	return used;
}

void
grid_fill(struct area a, int y, int x, int width, enum role role, const char *one)
{
	int used = 0, n;

	if (width < 0 || width > a.w - x)
		width = a.w - x;
	while (used < width) {
		if ((n = grid_put(a, y, x + used, width - used, role, one)) == 0)
			break;
		used += n;
	}
}

void
grid_select(struct area a, int y, int x, int width)
{
	int i;

	if (y < 0 || y >= a.h || x < 0)
		return;
	if (width < 0 || width > a.w - x)
		width = a.w - x;
	for (i = 0; i < width; i++)
		cell_at(a.grid, a.y + y, a.x + x + i)->selected = true;
}

int
grid_wrap(struct area a, int y, int x, int width, int max_lines, enum role role, const char *text)
{
	char *clean = text_clean_dup(text), *at = clean;
	int lines = 0;
	size_t fit, cut, i;

	if (width < 0 || width > a.w - x)
		width = a.w - x;
	if (max_lines > a.h - y)
		max_lines = a.h - y;
	while (*at != '\0' && lines < max_lines && width > 0) {
		fit = text_fit(at, (size_t)width, NULL);
		if (fit == 0)
			break;
		if (at[fit] == '\0' || lines == max_lines - 1) {
			put_clean(a, y + lines, x, width, role, at);
			lines++;
			break;
		}
		/* Back to a blank, unless that would leave most of the line empty. */
		cut = fit;
		for (i = fit + 1; i > fit / 3 + 1; i--)
			if (at[i - 1] == ' ') {
				cut = i - 1;
				break;
			}
		{
			char kept = at[cut];

			at[cut] = '\0';
			put_clean(a, y + lines, x, width, role, at);
			at[cut] = kept;
		}
		lines++;
		at += cut;
		while (*at == ' ')
			at++;
	}
	mem_wipe_free(clean, strlen(clean));
	return lines;
}

void
grid_text(const struct grid *g, struct buf *out)
{
	int y, x, end;
	const struct cell *c;

	for (y = 0; y < g->h; y++) {
		for (end = g->w; end > 0; end--) {
			c = grid_at(g, y, end - 1);
			if (c->len_bytes != 1 || c->bytes[0] != ' ')
				break;
		}
		for (x = 0; x < end; x++) {
			c = grid_at(g, y, x);
			buf_put(out, c->bytes, c->len_bytes);
		}
		buf_putc(out, '\n');
	}
}

void
grid_roles(const struct grid *g, struct buf *out)
{
	int y, x, end;
	const struct cell *c;
	char letter;

	for (y = 0; y < g->h; y++) {
		for (end = g->w; end > 0; end--) {
			c = grid_at(g, y, end - 1);
			if (c->len_bytes != 1 || c->bytes[0] != ' ' || c->role != ROLE_TEXT ||
			    c->selected)
				break;
		}
		for (x = 0; x < end; x++) {
			c = grid_at(g, y, x);
			/* A blank in ordinary text says nothing; leave it blank. */
			if (c->len_bytes == 1 && c->bytes[0] == ' ' && c->role == ROLE_TEXT)
				letter = c->selected ? '_' : ' ';
			else {
				letter = role_letter((enum role)c->role);
				if (c->selected)
					letter = (char)toupper((unsigned char)letter);
			}
			buf_putc(out, letter);
		}
		buf_putc(out, '\n');
	}
}
