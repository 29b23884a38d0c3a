/*
 * render: see render.h.
 *
 * Row 0 the title, row 1 a rule, then the body; the last but one is the
 * message line (or what is being typed), the last the footer, which is made
 * from the table of keys.
 */
#include "ui/render.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "ui/look.h"
#include "ui/pane.h"
#include "ui/steps.h"

static const char *
base_name(const char *path)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	return path == NULL ? "" : slash == NULL ? path : slash + 1;
}

/*
 * What one must not miss has its place first: the clock's, ARMED's; then the
 * name, the environment and how far it is; who we are only where there is room left.
 */
static void
draw_title(struct area a, const struct view *v, const struct scene *s)
{
	char clock[LOOK_MAX];
	const char *name = s->plan != NULL && s->plan->name != NULL ? s->plan->name :
	    base_name(s->fleet->path);
	char *right = NULL;
	int x = 1, end, width;

	look_clock(clock, s->now_ms);
	end = a.w - 1 - (int)text_width(clock);
	grid_put(a, 0, end, -1, ROLE_DIM, clock);
	if (v->read_only) {
		end -= 11;
		grid_put(a, 0, end, -1, ROLE_STRONG, "read-only");
	} else if (v->armed) {
		end -= 9;
		grid_put(a, 0, end, -1, ROLE_ARMED, " ARMED ");
	}
	x += grid_put(a, 0, x, end - x - 1, ROLE_TITLE, "belay") + 2;
	x += grid_put(a, 0, x, end - x - 1, ROLE_STRONG, name) + 1;
	if (s->fleet->environment != NULL && end - x > 8) {
		x += grid_put(a, 0, x, 1, ROLE_DIM, glyph(v->ascii, G_DOT)) + 1;
		x += grid_put(a, 0, x, end - x - 1, scene_protected(s) ? ROLE_WARN : ROLE_TEXT,
		    s->fleet->environment) + 2;
	}
	if (s->plan != NULL && end - x > 14)
		x += grid_printf(a, 0, x, end - x - 1, ROLE_TEXT, "%zu/%zu applied", steps_passed(s, NONE),
		    s->plan->nsteps) + 2;
	if (s->lock_holder != NULL)
		right = mem_printf("locked by %s", s->lock_holder);
	else if (s->who != NULL)
		right = text_clean_dup(s->who);
	width = right == NULL ? 0 : (int)text_width(right);
	if (s->lock_holder != NULL && width > end - x - 2)
		width = end - x - 2;
	if (right != NULL && width > 0 && end - 2 - width >= x)
		grid_put(a, 0, end - 2 - width, width, s->lock_holder != NULL ? ROLE_WARN : ROLE_DIM, right);
	free(right);
}

/* ---- pages ---- */

static void
draw_page(struct area a, struct view *v, const struct scene *s)
{
	struct scroll *l = &v->lists[v->pane];
	struct page p;
	int max;

	page_init(&p, a.w, v->ascii);
	switch (v->pane) {
	case PANE_PREVIEW:
		preview_page(&p, s, v->step);
		break;
	case PANE_PROGRESS:
		progress_page(&p, s, v->step);
		break;
	case PANE_GATE:
		gate_page(&p, s, v->step);
		break;
	case PANE_SESSIONS:
		sessions_page(&p, s);
		break;
	case PANE_CERTS:
		certs_page(&p, s);
		break;
	case PANE_HOSTS:
		hosts_page(&p, s);
		break;
	case PANE_HISTORY:
		history_page(&p, s);
		break;
	case PANE_NOTES:
		notes_page(&p, v);
		break;
	case PANE_HELP:
		help_page(&p);
		break;
	case PANE_DASHBOARD:
	case PLACE_APPLY:
	case PLACE_UNDO:
	case PLACE_LEAVE:
	case PLACE_FIELD:
		break;
	}
	page_filter(&p, v->filter);
	l->rows = (int)p.n;
	l->page = a.h;
	max = l->rows > l->page ? l->rows - l->page : 0;
	if (l->top > max)
		l->top = max;
	if (l->top < 0)
		l->top = 0;
	l->sel = l->top;
	page_draw(&p, a, l->top);
	page_release(&p);
}

/* Where the page stands, at the right end of the rule above it. */
static void
draw_position(struct area rule, const struct view *v)
{
	const struct scroll *l = &v->lists[v->pane];
	char text[64];

	if (l->rows <= l->page)
		return;
	snprintf(text, sizeof(text), " %d-%d of %d ", l->top + 1, l->top + l->page < l->rows ?
	    l->top + l->page : l->rows, l->rows);
	grid_put_right(rule, 0, rule.w - 2, ROLE_DIM, text);
}

/* ---- message line and footer ---- */

static void
draw_message(struct area a, const struct view *v)
{
	const char *prompt = v->question == Q_FILTER ? "/" : ":";
	const char *text = v->field.text;
	int32_t cp;
	int x;

	if (v->question == Q_FILTER || v->question == Q_COMMAND) {
		while (text_width(text) + 4 > (size_t)a.w)
			text += text_next(text, &cp);
		x = 1 + grid_put(a, 0, 1, -1, ROLE_KEY, prompt);
		x += grid_put(a, 0, x, -1, ROLE_TEXT, text);
		grid_put(a, 0, x, 1, ROLE_CURSOR, glyph(v->ascii, G_CURSOR));
		return;
	}
	if (v->message[0] != '\0')
		grid_put(a, 0, 1, -1, v->message_role, v->message);
	else if (v->filter[0] != '\0')
		grid_printf(a, 0, 1, -1, ROLE_DIM, "only rows with \"%s\"; Esc shows all", v->filter);
}

struct label {
	char	 name[KEY_NAME_MAX], text[LOOK_MAX];
	int	 weight, width;
	bool	 on, shown;
};

static size_t
footer_labels(struct label *labels, const struct view *v, const struct scene *s)
{
	enum place place = view_place(v);
	size_t i, n = 0;
	int step;

	for (i = 0; i < KEY_ROWS; i++) {
		const struct key_row *row = &key_rows[i];
		struct label *l = &labels[n];

		if ((row->in & IN(place)) == 0 || row->weight == 0)
			continue;
		memset(l, 0, sizeof(*l));
		key_words(l->name, row->codes[0]);
		snprintf(l->text, sizeof(l->text), "%s", row->label);
		if (row->act == ACT_UNDO && (step = scene_undo_step(s)) != NONE)
			/* What it would take back stands there before it is pressed. */
			snprintf(l->text, sizeof(l->text), "undo %.20s", s->plan->steps[step].id);
		else if (row->act == ACT_ARM && v->armed)
			snprintf(l->text, sizeof(l->text), "disarm");
		else if (row->act == ACT_QUIT && v->nunder > 0)
			snprintf(l->text, sizeof(l->text), "back");
		l->weight = row->weight;
		l->on = view_may(v, s, row->act, NULL);
		l->width = (int)text_width(l->name) + 1 + (int)text_width(l->text);
		n++;
	}
	return n;
}

static void
draw_footer(struct area a, const struct view *v, const struct scene *s)
{
	struct label labels[KEY_ROWS];
	size_t n = footer_labels(labels, v, s), i;
	int room = a.w - 2, weight, x = 1;

	/* The weightiest first, until it is full; shown in the order of the table. */
	for (weight = 1; weight < 100; weight++)
		for (i = 0; i < n; i++)
			if (labels[i].weight == weight && labels[i].width <= room) {
				labels[i].shown = true;
				room -= labels[i].width + 2;
			}
	for (i = 0; i < n; i++) {
		if (!labels[i].shown)
			continue;
		x += grid_put(a, 0, x, -1, labels[i].on ? ROLE_KEY : ROLE_OFF, labels[i].name) + 1;
		x += grid_put(a, 0, x, -1, labels[i].on ? ROLE_TEXT : ROLE_OFF, labels[i].text) + 2;
	}
}

void
render(struct grid *g, struct view *v, const struct scene *s)
{
	struct area all = area_of(g), body;

	grid_clear(g);
	if (g->h < RENDER_MIN_H || g->w < RENDER_MIN_W) {
		grid_printf(all, 0, 0, -1, ROLE_WARN, "too small: needs %dx%d", RENDER_MIN_W, RENDER_MIN_H);
		return;
	}
	draw_title(area_part(all, 0, 0, 1, all.w), v, s);
	body = area_part(all, 2, 0, all.h - 4, all.w);
	if (v->pane == PANE_DASHBOARD) {
		dashboard_draw(area_part(all, 1, 0, all.h - 3, all.w), v, s);
		(void)question_draw(body, v, s);
	} else {
		grid_fill(all, 1, 0, -1, ROLE_RULE, glyph(v->ascii, G_HLINE));
		grid_printf(all, 1, 1, -1, ROLE_HEADING, " %s ", place_word(v->pane));
		/* What is asked stands below the page, which can still be read to its end. */
		body.h -= question_draw(body, v, s);
		draw_page(body, v, s);
		draw_position(area_part(all, 1, 0, 1, all.w), v);
	}
	draw_message(area_part(all, all.h - 2, 0, 1, all.w), v);
	draw_footer(area_part(all, all.h - 1, 0, 1, all.w), v, s);
}
