/*
 * page: lines of text with roles, longer than a screen.  A pane that is read
 * from top to bottom builds one; what is visible of it is drawn into an area.
 *
 * Whatever is added is cleaned when it is added (core/text.h), so that its
 * width is known; it is cleaned once more on its way into the grid.  Pure.
 */
#ifndef BELAY_UI_PAGE_H
#define BELAY_UI_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/glyph.h"
#include "ui/grid.h"

#define PAGE_LINES_MAX ((size_t)10000)

struct page_span {
	int	 x, width;	/* cells */
	enum role role;
	char	*text;		/* clean */
};

struct page_line {
	struct page_span *v;
	size_t	 n;
	bool	 heading;	/* stays when the page is filtered */
	int	 item;		/* the first line of the item-th thing that can be picked; 0: of none */
};

struct page {
	struct page_line *v;
	size_t	 n;
	int	 width;		/* cells to wrap at */
	bool	 ascii;
};

void	page_init(struct page *, int width, bool ascii);
void	page_release(struct page *);
/* Begins a line; what is added goes there. */
void	page_line(struct page *);
void	page_heading(struct page *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Behind what the line has; remote text goes in by "%s". */
void	page_add(struct page *, enum role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* At column x, or one blank behind what is there if that is further. */
void	page_at(struct page *, int x, enum role, const char *fmt, ...)
	    __attribute__((format(printf, 4, 5)));
/* The same, cut at width cells: a column. */
void	page_col(struct page *, int x, int width, enum role, const char *text);
/* The text in lines of its own, wrapped at blanks, from column `indent` on. */
void	page_wrap(struct page *, int indent, enum role, const char *text);
/* The same, but it goes on where the current line stands; what wraps begins at `indent`. */
void	page_flow(struct page *, int indent, enum role, const char *text);
/* A remote text of several lines: each \n begins one; cut, not wrapped.  by_sign: + and - lines as a diff. */
void	page_text(struct page *, int indent, enum role, bool by_sign, const char *text);
/* Leaves the lines that contain the needle (any case), and headings.  "" leaves all. */
void	page_filter(struct page *, const char *needle);
void	page_draw(const struct page *, struct area, int top);

/* Does the text contain the needle, upper and lower case being the same?  "" is in everything. */
bool	text_has(const char *text, const char *needle);

#endif
