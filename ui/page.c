/*
 * page: see page.h.  Owns its lines; draws nothing by itself.
 */
#include "ui/page.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

void
page_init(struct page *p, int width, bool ascii)
{
	memset(p, 0, sizeof(*p));
	p->width = width < 20 ? 20 : width;
	p->ascii = ascii;
}

static void
line_release(struct page_line *line)
{
	size_t i;

	for (i = 0; i < line->n; i++)
		free(line->v[i].text);
	free(line->v);
}

void
page_release(struct page *p)
{
	size_t i;

	if (p == NULL)
		return;
	for (i = 0; i < p->n; i++)
		line_release(&p->v[i]);
	free(p->v);
	memset(p, 0, sizeof(*p));
}

void
page_line(struct page *p)
{
	/* A page that is full says nothing more; its builders have caps of their own. */
	if (p->n < PAGE_LINES_MAX)
		mem_push(&p->v, &p->n, sizeof(*p->v));
}

static struct page_line *
current(struct page *p)
{
	if (p->n == 0)
		page_line(p);
	return &p->v[p->n - 1];
}

static int
line_end(const struct page_line *line)
{
	const struct page_span *last;

	if (line->n == 0)
		return 0;
	last = &line->v[line->n - 1];
	return last->x + last->width;
}

/* Takes clean over. */
static void
add_clean(struct page *p, int x, enum role role, char *clean)
{
	struct page_line *line = current(p);
	struct page_span *span = mem_push(&line->v, &line->n, sizeof(*line->v));

	span->x = x;
	span->role = role;
	span->text = clean;
	span->width = (int)text_width(clean);
}

static char *
vclean(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *
vclean(const char *fmt, va_list ap)
{
	char *text = mem_vprintf(fmt, ap), *clean = text_clean_dup(text);

	free(text);
	return clean;
}

void
page_add(struct page *p, enum role role, const char *fmt, ...)
{
	va_list ap;
	char *clean;

	va_start(ap, fmt);
	clean = vclean(fmt, ap);
	va_end(ap);
	add_clean(p, line_end(current(p)), role, clean);
}

static int
column(struct page *p, int x)
{
	int end = line_end(current(p));

	return end == 0 || end < x ? x : end + 1;
}

void
page_at(struct page *p, int x, enum role role, const char *fmt, ...)
{
	va_list ap;
	char *clean;

	va_start(ap, fmt);
	clean = vclean(fmt, ap);
	va_end(ap);
	add_clean(p, column(p, x), role, clean);
}

void
page_col(struct page *p, int x, int width, enum role role, const char *text)
{
	char *clean = text_clean_dup(text);
	size_t fit, cells;
	struct buf cut;

	if ((int)text_width(clean) <= width) {
		add_clean(p, column(p, x), role, clean);
		return;
	}
	fit = text_fit(clean, width > 1 ? (size_t)width - 1 : 0, &cells);
	buf_init(&cut, 0);
	buf_put(&cut, clean, fit);
	buf_puts(&cut, p->ascii ? "~" : "\xe2\x80\xa6");
	free(clean);
	add_clean(p, column(p, x), role, buf_take(&cut, NULL));
}

void
page_heading(struct page *p, const char *fmt, ...)
{
	va_list ap;
	char *clean;

	va_start(ap, fmt);
	clean = vclean(fmt, ap);
	va_end(ap);
	page_line(p);
	current(p)->heading = true;
	add_clean(p, 1, ROLE_HEADING, clean);
}

void
page_flow(struct page *p, int indent, enum role role, const char *text)
{
	char *clean = text_clean_dup(text), *at = clean;
	size_t fit, cut, i, width;
	int x;

	while (*at == ' ')
		at++;
	while (*at != '\0') {
		x = line_end(current(p));
		x = x == 0 ? indent : x;
		width = p->width - 1 - x > 8 ? (size_t)(p->width - 1 - x) : 8;
		fit = text_fit(at, width, NULL);
		if (fit == 0)
			break;
		cut = fit;
		if (at[fit] != '\0')
			for (i = fit + 1; i > fit / 3 + 1; i--)
				if (at[i - 1] == ' ') {
					cut = i - 1;
					break;
				}
		add_clean(p, x, role, mem_strndup(at, cut));
		at += cut;
		while (*at == ' ')
			at++;
		if (*at != '\0')
			page_line(p);
		if (p->n >= PAGE_LINES_MAX)
			break;
	}
	free(clean);
}

void
page_wrap(struct page *p, int indent, enum role role, const char *text)
{
	page_line(p);
	page_flow(p, indent, role, text);
}

void
page_text(struct page *p, int indent, enum role role, bool by_sign, const char *text)
{
	const char *end;
	struct buf clean;
	enum role this_role;

	for (; *text != '\0'; text = *end == '\0' ? end : end + 1) {
		end = text + strcspn(text, "\n");
		this_role = role;
		if (by_sign && *text == '+')
			this_role = ROLE_ADDED;
		else if (by_sign && *text == '-')
			this_role = ROLE_REMOVED;
		else if (by_sign && *text == '@')
			this_role = ROLE_DIM;
		buf_init(&clean, 0);
		text_clean(&clean, text, (size_t)(end - text) < 4096 ? (size_t)(end - text) : 4096);
		page_line(p);
		add_clean(p, indent, this_role, buf_take(&clean, NULL));
		if (p->n >= PAGE_LINES_MAX)
			break;
	}
}

bool
text_has(const char *text, const char *needle)
{
	size_t len = strlen(needle);

	if (len == 0)
		return true;
	for (; *text != '\0'; text++)
		if (strncasecmp(text, needle, len) == 0)
			return true;
	return false;
}

static bool
line_has(const struct page_line *line, const char *needle)
{
	size_t i;

	for (i = 0; i < line->n; i++)
		if (text_has(line->v[i].text, needle))
			return true;
	return false;
}

void
page_filter(struct page *p, const char *needle)
{
	size_t i, kept = 0;

	if (*needle == '\0')
		return;
	for (i = 0; i < p->n; i++)
		if (p->v[i].heading || line_has(&p->v[i], needle))
			p->v[kept++] = p->v[i];
		else
			line_release(&p->v[i]);
	p->n = kept;
}

void
page_draw(const struct page *p, struct area a, int top)
{
	const struct page_line *line;
	int y;
	size_t i;

	for (y = 0; y < a.h && (size_t)(top + y) < p->n; y++) {
		line = &p->v[top + y];
		for (i = 0; i < line->n; i++)
			grid_put(a, y, line->v[i].x, -1, line->v[i].role, line->v[i].text);
	}
}
