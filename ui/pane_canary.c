/*
 * pane_canary: what the canaries of a step have seen, in a line each for the dashboard, and
 * whole for the step's own panes.  Counts and words are core's (core/canary.h); here they
 * get their colours, and the sparkline what room there is.
 */
#include "ui/pane.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/buf.h"
#include "ui/look.h"

#define STRIP_MIN	8	/* a shorter one says nothing */

static struct look
look_of(enum canary_state state)
{
	static const struct {
		enum glyph glyph;
		enum role role;
	} looks[CANARY_STATE_COUNT] = {
		[CANARY_NOTHING] = { G_PENDING, ROLE_DIM },
		[CANARY_WELL] = { G_DONE, ROLE_GOOD },
		[CANARY_FAILING] = { G_FAIL, ROLE_WARN },
		[CANARY_BREACHED] = { G_FAIL, ROLE_BAD },
		[CANARY_IN_THE_DARK] = { G_DOUBT, ROLE_WARN },
	};
	struct look look = { .glyph = looks[state].glyph, .role = looks[state].role };

	look.word = canary_state_word(state);
	return look;
}

/* The sparkline, in as many cells as the line has left. */
static void
add_strip(struct page *p, const struct canary_view *v)
{
	const struct page_line *line = &p->v[p->n - 1];
	int room = p->width - 1, bars[CANARY_STRIP], i;
	struct buf b = { 0 };
	bool bad;

	if (line->n > 0)
		room -= line->v[line->n - 1].x + line->v[line->n - 1].width + 2;
	if (room > CANARY_STRIP)
		room = CANARY_STRIP;
	if (room < STRIP_MIN)
		return;
	canary_bars(v->canary, v->now_ms, bars, (size_t)room);
	page_add(p, ROLE_TEXT, "  ");
	for (i = 0; i < room;) {
		bad = bars[i] == CANARY_BAR_BAD;
		buf_clear(&b);
		for (; i < room && (bars[i] == CANARY_BAR_BAD) == bad; i++)
			canary_bar(&b, bars[i], p->ascii);
		page_add(p, bad ? ROLE_BAD : ROLE_GOOD, "%s", buf_str(&b));
	}
	buf_release(&b);
}

void
canary_lines(struct page *p, const struct scene *s, int step, bool bad)
{
	struct canary_view v[CANARY_STEP_MAX];
	size_t told = 0, i, n = s->canaries(s->arg, step, v, CANARY_STEP_MAX);
	struct buf b = { 0 };

	for (i = 0; i < n; i++) {
		const struct canary *c = v[i].canary;
		uint64_t all = c->ok + c->failed + c->hung;
		struct look look = look_of(canary_state(c));
		char *name;

		/* Beside the cause of a fault: the one that is it. */
		if (bad && (canary_state(c) != CANARY_BREACHED || told++ > 0))
			continue;
		name = look_link_name(s->fleet, v[i].link, p->ascii);
		page_line(p);
		page_add(p, look.role, "  %s canary %s", glyph(p->ascii, look.glyph), look.word);
		page_add(p, ROLE_TEXT, "  %s  %" PRIu64 "/%" PRIu64 " ok", name, c->ok, all);
		free(name);
		if (c->failed > 0)
			page_add(p, ROLE_BAD, "  %" PRIu64 " failed", c->failed);
		if (c->hung > 0)
			page_add(p, ROLE_BAD, "  %" PRIu64 " hung", c->hung);
		if (canary_failed_ms(c, v[i].now_ms) > 0) {
			buf_clear(&b);
			canary_time(&b, canary_failed_ms(c, v[i].now_ms) * 1000);
			page_add(p, c->failing_since_ms != 0 ? ROLE_BAD : ROLE_TEXT, "  %s %s",
			    c->failing_since_ms != 0 ? "failing for" : "failed for", buf_str(&b));
		} else if (c->ok > 0) {
			buf_clear(&b);
			canary_time(&b, canary_percentile_us(c, 99));
			page_add(p, ROLE_TEXT, "  p99 %s", buf_str(&b));
		}
		add_strip(p, &v[i]);
	}
	buf_release(&b);
}

void
canary_blocks(struct page *p, const struct scene *s, int step)
{
	struct canary_view v[CANARY_STEP_MAX];
	size_t i, n = s->canaries(s->arg, step, v, CANARY_STEP_MAX);
	struct buf b = { 0 };
	struct look look;
	char *name;

	if (n == 0)
		return;
	page_heading(p, "CANARIES");
	for (i = 0; i < n; i++) {
		look = look_of(canary_state(v[i].canary));
		name = look_link_name(s->fleet, v[i].link, p->ascii);
		page_line(p);
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
		page_at(p, 18, ROLE_STRONG, "%s", name);
		free(name);
		buf_clear(&b);
		canary_pace(&b, &v[i].canary->terms);
		page_add(p, ROLE_DIM, "  %s%s", buf_str(&b), v[i].over ? "  (over)" : "");
		buf_clear(&b);
		canary_summary(&b, v[i].canary, v[i].now_ms);
		page_wrap(p, 20, ROLE_TEXT, buf_str(&b));
		if (v[i].canary->breached && v[i].canary->breach_why[0] != '\0')
			page_wrap(p, 20, ROLE_BAD, v[i].canary->breach_why);
		page_line(p);
		page_at(p, 18, ROLE_TEXT, "%s", "");
		add_strip(p, &v[i]);
	}
	buf_release(&b);
}

void
canary_declared(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	struct buf b = { 0 };
	char *name;
	size_t i;

	for (i = 0; i < st->ncanaries; i++) {
		const struct canary_terms *t = &st->canaries[i].terms;

		if (!t->given)
			continue;
		name = look_link_name(s->fleet, st->canaries[i].link, p->ascii);
		buf_clear(&b);
		canary_pace(&b, t);
		page_line(p);
		page_add(p, ROLE_TEXT, "  canary %s: %s", name, buf_str(&b));
		free(name);
	}
	buf_release(&b);
}
