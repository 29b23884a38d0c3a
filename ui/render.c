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

#define STORY_LINES 10	/* of a counter-example, about */

static const char *
base_name(const char *path)
{
	const char *slash = path == NULL ? NULL : strrchr(path, '/');

	return path == NULL ? "" : slash == NULL ? path : slash + 1;
}

/* A mark with its sign, so that it ends before `end`; returns where it begins. */
static int
mark(struct area a, int end, bool ascii, struct look look, const char *words)
{
	char *text = mem_printf("%s %s", glyph(ascii, look.glyph), words);

	end -= (int)text_width(text) + 2;
	grid_put(a, 0, end, -1, look.role, text);
	free(text);
	return end;
}

/* What the proof says in a word, and whether the fleet is seen otherwise than the run believes. */
static int
draw_proof(struct area a, int end, const struct view *v, const struct scene *s)
{
	struct look look = look_proof(proven_state(s->proven)), otherwise = { G_FORBID, false, ROLE_WARN, "" };
	size_t links, seen;
	char words[LOOK_MAX];
	/* Where both would push the environment's name out, each is a word. */
	bool brief;

	/* Who holds the lock matters more than that all is well. */
	if (s->plan == NULL || look.blank || (proven_state(s->proven) == PROOF_PROVEN &&
	    s->lock_holder != NULL && a.w < 100 && s->proven->ncontradictions == 0))
		return end;
	links = s->proven->proof->ncounters;
	seen = s->proven->ncontradictions;
	brief = a.w < 100 && seen > 0;
	if (links > 0 && !brief)
		snprintf(words, sizeof(words), "%s: %zu link%s", look.word, links, links == 1 ? "" : "s");
	else
		snprintf(words, sizeof(words), "%s", look.word);
	end = mark(a, end, v->ascii, look, words);
	if (seen == 0)
		return end;
	snprintf(words, sizeof(words), brief ? "%zu otherwise" : "%zu seen otherwise", seen);
	return mark(a, end, v->ascii, otherwise, words);
}

/*
 * What one must not miss has its place first: the clock's, ARMED's, the proof's;
 * then the environment and the name, and how far it is; who we are only where there
 * is room left.
 */
static void
draw_title(struct area a, const struct view *v, const struct scene *s)
{
	char clock[LOOK_MAX], progress[LOOK_MAX];
	const char *name = s->plan != NULL && s->plan->name != NULL ? s->plan->name :
	    base_name(s->fleet->path), *environment = s->fleet->environment;
	char *right = NULL;
	int x = 1, end, width, room;

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
	end = draw_proof(a, end, v, s);
	x += grid_put(a, 0, x, end - x - 1, ROLE_TITLE, "belay") + 2;
	room = end - x - 1;
	if (environment != NULL && room > (int)text_width(environment) + 3 + 8)
		room -= (int)text_width(environment) + 3;
	x += grid_put(a, 0, x, room, ROLE_STRONG, name) + 1;
	if (environment != NULL && (end - x > 8 || end - x > (int)text_width(environment) + 2)) {
		x += grid_put(a, 0, x, 1, ROLE_DIM, glyph(v->ascii, G_DOT)) + 1;
		x += grid_put(a, 0, x, end - x - 1, scene_protected(s) ? ROLE_WARN : ROLE_TEXT,
		    environment) + 2;
	}
	if (s->plan != NULL) {
		snprintf(progress, sizeof(progress), "%zu/%zu applied", steps_passed(s, NONE), s->plan->nsteps);
		if (end - x > (int)strlen(progress))
			x += grid_put(a, 0, x, -1, ROLE_TEXT, progress) + 2;
		else if (end - x > (int)strcspn(progress, " "))
			x += grid_putn(a, 0, x, -1, ROLE_TEXT, progress, strcspn(progress, " ")) + 2;
	}
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


/* The line on which an item begins, or -1. */
static int
item_line(const struct page *p, int item)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->v[i].item == item)
			return (int)i;
	return -1;
}

/* What is picked is to be seen: where it was scrolled away, the first that is. */
static void
pick(struct view *v, const struct page *p, struct scroll *l, int h)
{
	int at, i, max = l->rows > h ? l->rows - h : 0, *picked = &v->picked[v->pane];
	size_t line;

	if ((IN(v->pane) & PICKED_FROM) == 0)
		return;
	at = item_line(p, *picked + 1);
	if (v->to_picked && at >= 0 && (at < l->top || at >= l->top + h))
		l->top = at > max ? max : at;
	v->to_picked = false;
	if (at >= l->top && at < l->top + h)
		return;
	for (i = 0, line = 0; line < p->n && (int)line < l->top + h; line++)
		if (p->v[line].item > 0) {
			i = p->v[line].item;
			if ((int)line >= l->top)
				break;
		}
	if (i > 0)
		*picked = i - 1;
}

static void
draw_page(struct area a, struct view *v, const struct scene *s)
{
	struct scroll *l = &v->lists[v->pane];
	struct page p;
	int max, at;

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
	case PANE_PROOF:
		proof_page(&p, s, v->counter);
		break;
	case PANE_EXPLAIN:
		explain_page(&p, s, &v->about);
		break;
	case PANE_HELP:
		help_page(&p);
		break;
	case PANE_DASHBOARD:
	case PLACE_APPLY:
	case PLACE_UNDO:
	case PLACE_TURN:
	case PLACE_REFUSED:
	case PLACE_LEAVE:
	case PLACE_FIELD:
		break;
	}
	page_filter(&p, v->filter);
	l->rows = (int)p.n;
	l->page = a.h;
	max = l->rows > l->page ? l->rows - l->page : 0;
	/* All of its story is to be seen, or as much as there is room for. */
	if (v->to_counter && (at = item_line(&p, v->counter + 1)) >= 0 &&
	    (at < l->top || at + STORY_LINES > l->top + a.h))
		l->top = at;
	v->to_counter = false;
	pick(v, &p, l, a.h);
	if (l->top > max)
		l->top = max;
	if (l->top < 0)
		l->top = 0;
	l->sel = l->top;
	page_draw(&p, a, l->top);
	if ((IN(v->pane) & PICKED_FROM) != 0 && (at = item_line(&p, v->picked[v->pane] + 1)) >= l->top && at < l->top + a.h)
		grid_select(a, at - l->top, 0, a.w);
	if (v->pane == PANE_PROOF && (at = item_line(&p, v->counter + 1)) >= l->top && at < l->top + a.h)
		grid_select(a, at - l->top, 0, a.w);
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
