/*
 * grid: the screen as we mean it.  A matrix of cells; each holds one
 * character with its marks, its width, and a role (what it means, not how it
 * looks: theme.h).  Pure: no terminal, no locale.
 *
 * grid_put() is the only way in, and everything that goes in passes
 * text_clean() there.  A string from a host cannot reach a cell any other way,
 * and no byte in a cell is a command to a terminal.
 */
#ifndef BELAY_UI_GRID_H
#define BELAY_UI_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ui/theme.h"

struct buf;

#define GRID_SIDE_MAX	1000	/* cells; a terminal that claims more gets this */
#define CELL_BYTES_MAX	24	/* a character of 4 bytes and TEXT_MARKS_MAX marks */

struct cell {
	char	 bytes[CELL_BYTES_MAX];	/* UTF-8, not terminated */
	uint8_t	 len_bytes;		/* 0 in the right half of a wide character */
	uint8_t	 width;			/* 1 or 2; 0 in that right half */
	uint8_t	 role;			/* enum role */
	bool	 selected;
};

struct grid {
	int	 h, w;
	bool	 ascii;		/* whatever is not ASCII becomes '?' */
	struct cell *cells;	/* h × w */
};

void	 grid_init(struct grid *, int h, int w, bool ascii);
void	 grid_release(struct grid *);
void	 grid_clear(struct grid *);		/* blanks in ROLE_TEXT */
const struct cell *grid_at(const struct grid *, int y, int x);
bool	 cell_same(const struct cell *, const struct cell *);

/*
 * A rectangle of a grid that somebody draws in; nothing gets out of it.
 * Coordinates below are relative to it.
 */
struct area {
	struct grid *grid;
	int	 y, x, h, w;
};
struct area area_of(struct grid *);
/* A part of it, cut to what is there. */
struct area area_part(struct area, int y, int x, int h, int w);

/*
 * Writes the text at (y, x), cut at width cells (or at the area's edge, where
 * width is negative) with an ellipsis for what is lost.  Returns the cells used.
 */
int	 grid_put(struct area, int y, int x, int width, enum role, const char *text);
int	 grid_putn(struct area, int y, int x, int width, enum role, const char *text, size_t len_bytes);
int	 grid_printf(struct area, int y, int x, int width, enum role, const char *fmt, ...)
	    __attribute__((format(printf, 6, 7)));
/* So that it ends before column x_end. */
int	 grid_put_right(struct area, int y, int x_end, enum role, const char *text);
/* The same character across. */
void	 grid_fill(struct area, int y, int x, int width, enum role, const char *one);
/* Marks a row as the selected one, from x on. */
void	 grid_select(struct area, int y, int x, int width);

/*
 * Lines that a text takes when wrapped to width cells: at blanks where it can
 * be.  Calls each line's put; returns the number of lines written, at most max.
 */
int	 grid_wrap(struct area, int y, int x, int width, int max_lines, enum role, const char *text);

/* The text as it stands, rows ended by \n, trailing blanks left out. */
void	 grid_text(const struct grid *, struct buf *out);
/* The roles the same way, one letter a cell, upper case where selected (theme.h). */
void	 grid_roles(const struct grid *, struct buf *out);

#endif
