/*
 * view_act: what an act of keys.h does, where no question is asked and where one is.  Holds nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ui/page.h"
#include "ui/steps.h"
#include "ui/view_int.h"

/* Panes that are read rather than picked from scroll by their top line. */
static void
page_move(struct scroll *l, int by)
{
	int max = l->rows > l->page ? l->rows - l->page : 0;

	l->top += by;
	if (l->top > max)
		l->top = max;
	if (l->top < 0)
		l->top = 0;
	l->sel = l->top;
}

/* To a step's row, wherever one is. */
static void
go_to_step(struct view *v, const struct scene *s, int step)
{
	struct step_row *rows;
	size_t n, i;
	int group = s->plan->steps[step].group;

	v->nunder = 0;
	v->pane = PANE_DASHBOARD;
	v->filter[0] = '\0';
	v->on_links = false;
	v->follow = false;
	v->open_group = s->plan->groups[group].n > 1 ? group : v->open_group;
	n = steps_rows(s, v->open_group, "", &rows);
	for (i = 0; i < n; i++)
		if (rows[i].step == step && !(rows[i].head && rows[i].group == v->open_group))
			v->lists[PANE_DASHBOARD].sel = (int)i;
	free(rows);
}

static bool
back(struct view *v)
{
	if (v->filter[0] != '\0') {
		v->filter[0] = '\0';
		return true;
	}
	if (v->nunder == 0)
		return false;
	v->pane = v->under[--v->nunder];
	return true;
}

static void
refuse(struct view *v, const struct scene *s, enum act act)
{
	const char *why = NULL;

	(void)view_may(v, s, act, &why);
	view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
}

/* The pane that fits where the step is. */
static enum place
pane_for(const struct scene *s, int step)
{
	switch (rollout_step(s->rollout, step)->phase) {
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_RESTORED:
	case PHASE_SKIPPED:
		return PANE_PREVIEW;
	case PHASE_APPLYING:
	case PHASE_UNDOING:
	case PHASE_DOUBT:
	case PHASE_STUCK:
	case PHASE_FAULTED:
		return PANE_PROGRESS;
	case PHASE_GUARDING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_MET:
		return PANE_GATE;
	}
	return PANE_PREVIEW;
}

static void
preview_if_none(const struct scene *s, int step, struct wishes *out)
{
	enum phase phase = rollout_step(s->rollout, step)->phase;

	/* Observing changes nothing; a preview that is there is shown as it is. */
	if ((phase == PHASE_TODO || phase == PHASE_RESTORED) &&
	    rollout_may(s->rollout, VERB_PREVIEW, step, NULL))
		view_wish_verb(out, VERB_PREVIEW, step);
}

static bool
selected_row(const struct view *v, const struct scene *s, struct step_row *ret)
{
	struct step_row *rows;
	size_t n = steps_rows(s, v->open_group, view_steps_filter(v), &rows), sel;

	if (n > 0) {
		sel = (size_t)v->lists[PANE_DASHBOARD].sel;
		*ret = rows[sel < n ? sel : n - 1];
	}
	free(rows);
	return n > 0;
}

static void
go_to_counter(struct view *v, const struct scene *s)
{
	int step = s->proven->proof->counters[v->counter].step;

	if (step == NONE)
		view_say(v, ROLE_DIM, "no step of the plan brings it about: it is so already");
	else
		go_to_step(v, s, step);
}

static void
go_in(struct view *v, const struct scene *s, struct wishes *out)
{
	struct step_row row;

	if (v->pane == PANE_PROOF && proven_counters(s->proven) > 0) {
		go_to_counter(v, s);
		return;
	}
	if (v->pane != PANE_DASHBOARD) {
		page_move(&v->lists[v->pane], 1);
		return;
	}
	if (v->on_links) {
		view_open(v, PANE_SESSIONS);
		return;
	}
	if (!selected_row(v, s, &row))
		return;
	if (row.head && v->open_group != row.group) {
		v->open_group = row.group;
		return;
	}
	view_open_step(v, pane_for(s, row.step), row.step);
	if (v->pane == PANE_PREVIEW)
		preview_if_none(s, row.step, out);
}

static void
go_sideways(struct view *v, const struct scene *s, bool right)
{
	struct step_row row;

	if (v->pane != PANE_DASHBOARD)
		return;
	if (v->on_links || !selected_row(v, s, &row)) {
		v->on_links = right || s->plan == NULL;
		return;
	}
	if (right) {
		if (row.head && v->open_group != row.group)
			v->open_group = row.group;
		else
			v->on_links = true;
		return;
	}
	if (v->open_group == row.group) {
		if (row.child) {
			const struct group *g = &s->plan->groups[row.group];

			scroll_move(&v->lists[PANE_DASHBOARD], -(row.step - (int)g->first + 1));
		}
		v->open_group = NONE;
	}
}

static void
next_pane(struct view *v, const struct scene *s)
{
	size_t n;

	switch (v->pane) {
	case PANE_DASHBOARD:
		if (s->plan != NULL)
			v->on_links = !v->on_links;
		break;
	case PANE_PREVIEW:
		view_open_step(v, PANE_PROGRESS, v->step);
		break;
	case PANE_PROGRESS:
		view_open_step(v, PANE_GATE, v->step);
		break;
	case PANE_GATE:
		view_open_step(v, PANE_PREVIEW, v->step);
		break;
	case PANE_PROOF:
		if (proven_counters(s->proven) > 0)
			v->counter = (int)((size_t)(v->counter + 1) % proven_counters(s->proven));
		v->to_counter = proven_counters(s->proven) > 0;
		break;
	case PANE_SESSIONS:
	case PANE_CERTS:
	case PANE_HOSTS:
		n = v->pane == PANE_HOSTS ? s->fleet->nhosts : s->fleet->nendpoints;
		v->picked[v->pane] = n == 0 ? 0 : (int)((size_t)(v->picked[v->pane] + 1) % n);
		v->to_picked = n > 0;
		break;
	default:	/* the others stand alone */
		break;
	}
}

static void
move(struct view *v, int by)
{
	if (v->pane != PANE_DASHBOARD)
		page_move(&v->lists[v->pane], by);
	else if (v->on_links)
		scroll_move(&v->links, by);
	else {
		scroll_move(&v->lists[PANE_DASHBOARD], by);
		v->follow = false;
	}
}

static int
page_of(const struct view *v)
{
	const struct scroll *l = v->pane == PANE_DASHBOARD && v->on_links ? &v->links : &v->lists[v->pane];

	return l->page > 2 ? l->page - 1 : 1;
}

#define FAR (1 << 20)

void
view_act_in_pane(struct view *v, const struct scene *s, enum act act, struct wishes *out)
{
	int step;

	if (!view_may(v, s, act, NULL)) {
		refuse(v, s, act);
		return;
	}
	switch (act) {
	case ACT_APPLY:
		view_begin_apply(v, s, rollout_next(s->rollout), out);
		break;
	case ACT_UNDO:
		view_begin_undo(v, s, scene_undo_step(s), out);
		break;
	case ACT_UNDO_STEP:
		view_begin_turn(v, s, view_step(v, s), out);
		break;
	case ACT_ARM:
		view_arm(v, s, !v->armed);
		break;
	case ACT_PREVIEW:
		step = view_step(v, s);
		view_open_step(v, PANE_PREVIEW, step);
		if (rollout_may(s->rollout, VERB_PREVIEW, step, NULL))
			view_wish_verb(out, VERB_PREVIEW, step);
		break;
	case ACT_VERIFY:
		step = view_step(v, s);
		view_open_step(v, PANE_GATE, step);
		view_wish_verb(out, VERB_VERIFY, step);
		break;
	case ACT_PROGRESS:
		view_open_step(v, PANE_PROGRESS, view_step(v, s));
		break;
	case ACT_SESSIONS:
		view_open(v, PANE_SESSIONS);
		break;
	case ACT_CERTS:
		view_open(v, PANE_CERTS);
		break;
	case ACT_HOSTS:
		view_open(v, PANE_HOSTS);
		break;
	case ACT_HISTORY:
		view_open(v, PANE_HISTORY);
		break;
	case ACT_NOTES:
		view_open(v, PANE_NOTES);
		break;
	case ACT_EXPLAIN:
		view_explain(v, s);
		break;
	case ACT_PROOF:
		view_open(v, PANE_PROOF);
		break;
	case ACT_HELP:
		view_open(v, PANE_HELP);
		break;
	case ACT_REFRESH:
		(void)view_wish(out, WISH_SWEEP);
		view_say(v, ROLE_DIM, "probing everything now");
		break;
	case ACT_FILTER:
		v->question = Q_FILTER;
		field_set(&v->field, v->filter);
		break;
	case ACT_COMMAND:
		v->question = Q_COMMAND;
		field_clear(&v->field, false);
		break;
	case ACT_REDRAW:
		(void)view_wish(out, WISH_REDRAW);
		break;
	case ACT_UP:
		move(v, -1);
		break;
	case ACT_DOWN:
		move(v, 1);
		break;
	case ACT_PAGE_UP:
		move(v, -page_of(v));
		break;
	case ACT_PAGE_DOWN:
		move(v, page_of(v));
		break;
	case ACT_FIRST:
		move(v, -FAR);
		break;
	case ACT_LAST:
		move(v, FAR);
		break;
	case ACT_LEFT:
		go_sideways(v, s, false);
		break;
	case ACT_RIGHT:
		go_sideways(v, s, true);
		break;
	case ACT_IN:
		go_in(v, s, out);
		break;
	case ACT_NEXT:
		next_pane(v, s);
		break;
	case ACT_BACK:
		if (v->apply_step != NONE) {
			v->apply_step = NONE;
			view_say(v, ROLE_DIM, "not applied");
		}
		(void)back(v);
		break;
	case ACT_QUIT:
		v->apply_step = NONE;
		if (!back(v))
			view_leave(v, s, out);
		break;
	case ACT_YES:
	case ACT_NOW:
	case ACT_TURN:
	case ACT_READ:
	case ACT_LEAVE:
	case ACT_ACCEPT:
	case ACT_SCROLL_UP:
	case ACT_SCROLL_DOWN:
	case ACT_CANCEL:
	case ACT_NONE:
	case ACT_COUNT:
		break;
	}
}

void
view_act_in_question(struct view *v, const struct scene *s, enum act act, struct wishes *out)
{
	switch (act) {
	case ACT_YES:
		view_answer_apply(v, s, out);
		break;
	case ACT_NOW:
		view_undo_now(v, s, out);
		break;
	case ACT_TURN:
		view_answer_turn(v, s, out);
		break;
	case ACT_READ:
		view_close_question(v);
		break;
	case ACT_COMMAND:
		/* From a refusal: to what would insist. */
		view_close_question(v);
		v->question = Q_COMMAND;
		break;
	case ACT_LEAVE:
		view_close_question(v);
		(void)view_wish(out, WISH_LEAVE);
		break;
	case ACT_ACCEPT:
		view_accept(v, s, out);
		break;
	case ACT_SCROLL_UP:
		if (v->pane != PANE_DASHBOARD)
			page_move(&v->lists[v->pane], -(v->lists[v->pane].page / 2 + 1));
		break;
	case ACT_SCROLL_DOWN:
		if (v->pane != PANE_DASHBOARD)
			page_move(&v->lists[v->pane], v->lists[v->pane].page / 2 + 1);
		break;
	case ACT_CANCEL:
		view_cancel(v, out);
		break;
	default:	/* none else is bound where a question is asked */
		break;
	}
}
