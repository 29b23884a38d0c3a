/*
 * view: see view.h.
 *
 * Owns the selection, the open pane, the question that is being asked, and
 * what is being typed.
 *
 * Invariants
 *  1. WISH_VERB with VERB_APPLY arises in view_answer_apply() only, and only while armed.
 *  2. VERB_UNDO arises in view_undo_now(), by `u`, Enter or the countdown's end, and in
 *     view_answer_turn(), by an answer.
 *  3. Everything else that changes something is typed as a command, in full.
 *  4. When a question appears, WISH_FLUSH goes out: what was typed before it
 *     is no answer to it.
 *  5. A paste is text for a field, or nothing at all.
 *  6. A secret is in `field` and `answer` only, and both are wiped when it was given.
 */
#include "ui/view_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "ui/page.h"
#include "ui/steps.h"

void
view_say(struct view *v, enum role role, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(v->message, sizeof(v->message), fmt, ap);
	va_end(ap);
	v->message_role = role;
}

struct wish *
view_wish(struct wishes *out, enum wish_kind kind)
{
	struct wish *w;

	/* No key wishes for more than three things; the last place would be taken again. */
	w = &out->v[out->n < WISHES_MAX ? out->n++ : WISHES_MAX - 1];
	memset(w, 0, sizeof(*w));
	w->kind = kind;
	w->step = NONE;
	return w;
}

void
view_wish_verb(struct wishes *out, enum verb verb, int step)
{
	struct wish *w = view_wish(out, WISH_VERB);

	w->verb = verb;
	w->step = step;
}

void
view_init(struct view *v, bool ascii, bool read_only)
{
	memset(v, 0, sizeof(*v));
	v->ascii = ascii;
	v->read_only = read_only;
	v->pane = PANE_DASHBOARD;
	v->open_group = NONE;
	v->step = NONE;
	v->subject = NONE;
	v->refused_step = NONE;
	v->about = (struct about){ NONE, NONE, NONE, NONE };
	v->apply_step = NONE;
	v->follow = true;
	v->message_role = ROLE_DIM;
}

void
view_release(struct view *v)
{
	size_t i;

	for (i = 0; i < v->nnotes; i++)
		free(v->notes[i].text);
	free(v->notes);
	free(v->asks);
	field_clear(&v->field, false);
	mem_wipe(v->answer, sizeof(v->answer));
	memset(v, 0, sizeof(*v));
}

void
scroll_move(struct scroll *l, int by)
{
	/* Not past INT_MAX, whatever is asked for. */
	if (by > 0 && l->sel > l->rows - 1 - by)
		l->sel = l->rows - 1;
	else
		l->sel += by;
	if (l->sel < 0)
		l->sel = 0;
}

void
scroll_fit(struct scroll *l, int rows, int page)
{
	l->rows = rows;
	l->page = page < 1 ? 1 : page;
	if (l->sel > rows - 1)
		l->sel = rows - 1;
	if (l->sel < 0)
		l->sel = 0;
	if (l->top > l->sel)
		l->top = l->sel;
	if (l->top < l->sel - l->page + 1)
		l->top = l->sel - l->page + 1;
	if (l->top > rows - l->page)
		l->top = rows - l->page;
	if (l->top < 0)
		l->top = 0;
}

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

enum place
view_place(const struct view *v)
{
	switch (v->question) {
	case Q_NONE:
		return v->pane;
	case Q_APPLY:
		return PLACE_APPLY;
	case Q_UNDO:
		return PLACE_UNDO;
	case Q_TURN:
		return PLACE_TURN;
	case Q_REFUSED:
		return PLACE_REFUSED;
	case Q_LEAVE:
		return PLACE_LEAVE;
	case Q_APPLY_NAMED:
	case Q_FILTER:
	case Q_COMMAND:
	case Q_ASK:
		return PLACE_FIELD;
	}
	return v->pane;
}

static bool
is_step_pane(enum place pane)
{
	return (IN(pane) & IN_STEP) != 0;
}

const char *
view_steps_filter(const struct view *v)
{
	return v->on_links || v->pane != PANE_DASHBOARD ? "" : v->filter;
}

size_t
view_links(const struct view *v, const struct scene *s, int **ret)
{
	size_t i, n = 0;
	int *rows = mem_array(s->fleet->nlinks + 1, sizeof(*rows));

	for (i = 0; i < s->fleet->nlinks; i++)
		/* The filter is for what has the keys; the other half stays as it is. */
		if (!v->on_links || text_has(s->fleet->links[i].name, v->filter))
			rows[n++] = (int)i;
	*ret = rows;
	return n;
}

int
view_step(const struct view *v, const struct scene *s)
{
	struct step_row *rows;
	size_t n;
	int step = NONE;

	if (s->plan == NULL)
		return NONE;
	if (is_step_pane(v->pane) && v->step != NONE)
		return v->step;
	n = steps_rows(s, v->open_group, view_steps_filter(v), &rows);
	if (n > 0) {
		size_t sel = v->lists[PANE_DASHBOARD].sel < 0 ? 0 : (size_t)v->lists[PANE_DASHBOARD].sel;

		step = rows[sel < n ? sel : n - 1].step;
	}
	free(rows);
	return step;
}

void
view_open(struct view *v, enum place pane)
{
	if (v->pane == pane)
		return;
	/* The dashboard is the ground; a pane opened twice is not stacked twice. */
	if (v->nunder == VIEW_DEPTH_MAX || is_step_pane(v->pane) == is_step_pane(pane)) {
		if (v->pane == PANE_DASHBOARD)
			v->under[v->nunder++] = v->pane;
	} else
		v->under[v->nunder++] = v->pane;
	v->pane = pane;
	v->lists[pane].top = v->lists[pane].sel = 0;
	if (pane == PANE_HISTORY || pane == PANE_NOTES)
		/* The end is what one wants to see. */
		v->lists[pane].top = v->lists[pane].sel = 1 << 20;
	v->filter[0] = '\0';
}

void
view_open_step(struct view *v, enum place pane, int step)
{
	v->step = step;
	view_open(v, pane);
	v->lists[pane].top = v->lists[pane].sel = 0;
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

void
view_explain(struct view *v, const struct scene *s)
{
	struct about about = { NONE, NONE, NONE, NONE };
	int *rows;
	size_t n;

	switch (v->pane) {
	case PANE_DASHBOARD:
		if (!v->on_links && (about.step = view_step(v, s)) != NONE)
			break;
		if ((n = view_links(v, s, &rows)) > 0)
			about.link = rows[v->links.sel >= 0 && (size_t)v->links.sel < n ? (size_t)v->links.sel : n - 1];
		free(rows);
		break;
	case PANE_PREVIEW:
	case PANE_PROGRESS:
	case PANE_GATE:
		about.step = v->step;
		break;
	case PANE_SESSIONS:
	case PANE_CERTS:
		if ((size_t)v->picked[v->pane] < s->fleet->nendpoints)
			about.endpoint = v->picked[v->pane];
		break;
	case PANE_HOSTS:
		if ((size_t)v->picked[v->pane] < s->fleet->nhosts)
			about.host = v->picked[v->pane];
		break;
	default:	/* the others are about the fleet */
		break;
	}
	if (v->pane == PANE_EXPLAIN)
		return;
	v->about = about;
	view_open(v, PANE_EXPLAIN);
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

void
view_put_question(struct view *v, enum question q, int subject, struct wishes *out)
{
	v->question = q;
	v->subject = subject;
	field_clear(&v->field, false);
	(void)view_wish(out, WISH_FLUSH);
}

void
view_close_question(struct view *v)
{
	v->question = Q_NONE;
	v->subject = NONE;
	field_clear(&v->field, false);
}

/* ---- acts ---- */

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

static void
act_in_pane(struct view *v, const struct scene *s, enum act act, struct wishes *out)
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
static void
act_in_question(struct view *v, const struct scene *s, enum act act, struct wishes *out)
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

static void
type(struct view *v, int key)
{
	if (!field_key(&v->field, key))
		return;
	if (v->question == Q_FILTER)
		snprintf(v->filter, sizeof(v->filter), "%.*s", (int)sizeof(v->filter) - 1,
		    v->field.text);
}

void
view_key(struct view *v, const struct scene *s, int key, struct wishes *out)
{
	const struct key_row *row;
	enum place place = view_place(v);

	v->interrupts = 0;
	if (key == K_PASTE_BEGIN || key == K_PASTE_END) {
		v->pasting = key == K_PASTE_BEGIN;
		if (v->pasting && place != PLACE_FIELD)
			view_say(v, ROLE_DIM, "pasted text is not taken for keys");
		return;
	}
	if (v->pasting) {
		if (place == PLACE_FIELD && key != K_BACKSPACE && key >= 0x20)
			type(v, key);
		return;
	}
	row = keys_find(place, key);
	if (place == PLACE_FIELD && row == NULL) {
		type(v, key);
		return;
	}
	if (row == NULL) {
		/* While undo counts down other keys do not matter. */
		if (v->question == Q_NONE && key != K_OTHER)
			view_say(v, ROLE_DIM, "that key does nothing here; ? lists the keys");
		return;
	}
	if (v->question != Q_NONE) {
		act_in_question(v, s, row->act, out);
		return;
	}
	v->message[0] = '\0';
	act_in_pane(v, s, row->act, out);
}

void
view_interrupt(struct view *v, const struct scene *s, struct wishes *out)
{
	int step = s->rollout == NULL ? NONE : rollout_in_flight(s->rollout);
	const char *why;

	if (v->interrupts++ > 0) {
		(void)view_wish(out, WISH_LEAVE);
		return;
	}
	v->apply_step = NONE;
	if (v->question != Q_NONE)
		view_cancel(v, out);
	if (step != NONE && !v->read_only && rollout_may(s->rollout, VERB_PARK, step, &why)) {
		view_wish_verb(out, VERB_PARK, step);
		view_say(v, ROLE_WARN, "parking step '%s' after the operation that runs; Ctrl-C again leaves",
		    s->plan->steps[step].id);
	} else
		view_say(v, ROLE_WARN, "Ctrl-C again leaves");
}

/* The selection stands where the rollout is, until the operator moves it. */
static void
follow(struct view *v, const struct scene *s)
{
	struct step_row *rows;
	size_t n, i;
	int step;

	if (!v->follow || s->plan == NULL || v->on_links)
		return;
	if ((step = rollout_in_flight(s->rollout)) == NONE &&
	    (step = rollout_next(s->rollout)) == NONE &&
	    (step = rollout_last(s->rollout)) == NONE)
		return;
	n = steps_rows(s, v->open_group, view_steps_filter(v), &rows);
	for (i = 0; i < n; i++)
		if (rows[i].step == step && !(rows[i].head && rows[i].group == v->open_group)) {
			v->lists[PANE_DASHBOARD].sel = (int)i;
			break;
		}
	free(rows);
}

void
view_update(struct view *v, const struct scene *s, struct wishes *out)
{
	const char *why;

	if (s->plan == NULL)
		v->on_links = true;
	/* What was said to be going on is over. */
	if (v->message_role == ROLE_BUSY && v->apply_step == NONE &&
	    (s->rollout == NULL || rollout_in_flight(s->rollout) == NONE))
		v->message[0] = '\0';
	view_tell_proof(v, s);
	follow(v, s);
	if (v->question == Q_UNDO && s->now_ms >= v->fire_at_ms)
		view_undo_now(v, s, out);
	/* The clock was set back: the countdown is not made longer by it. */
	else if (v->question == Q_UNDO && v->fire_at_ms - s->now_ms > UNDO_COUNTDOWN_MS)
		v->fire_at_ms = s->now_ms + UNDO_COUNTDOWN_MS;
	if (v->question == Q_NONE && v->apply_step != NONE)
		view_await_preview(v, s, out);
	if ((v->question == Q_APPLY || v->question == Q_APPLY_NAMED) &&
	    !rollout_may(s->rollout, VERB_APPLY, v->subject, &why)) {
		view_close_question(v);
		view_say(v, ROLE_WARN, "%s", why == NULL ? "not now" : why);
	}
	if (v->question == Q_NONE && v->nasks > 0)
		view_open_ask(v, out);
}

void
view_tell(struct view *v, int64_t now_ms, enum tell tell, const char *text)
{
	static const enum role roles[] = {
		[TELL_NOTE] = ROLE_TEXT, [TELL_WARN] = ROLE_WARN, [TELL_ERROR] = ROLE_BAD,
	};
	struct note *note;

	if (v->nnotes == VIEW_NOTES_MAX) {
		free(v->notes[0].text);
		memmove(v->notes, v->notes + 1, (VIEW_NOTES_MAX - 1) * sizeof(*v->notes));
		v->nnotes--;
	}
	note = mem_push(&v->notes, &v->nnotes, sizeof(*v->notes));
	note->at_ms = now_ms;
	note->tell = tell;
	note->text = mem_strndup(text, strnlen(text, 2048));
	view_say(v, roles[tell], "%s", text);
}

void
view_refused(struct view *v, const char *why)
{
	v->apply_step = NONE;
	view_say(v, ROLE_WARN, "%s", why);
}
