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
		view_act_in_question(v, s, row->act, out);
		return;
	}
	v->message[0] = '\0';
	view_act_in_pane(v, s, row->act, out);
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
view_refused(struct view *v, int64_t now_ms, const char *why)
{
	v->apply_step = NONE;
	view_tell(v, now_ms, TELL_WARN, why);
}

bool
view_undo_refused(struct view *v, int64_t now_ms, int step, const char *why)
{
	view_refused(v, now_ms, why);
	if (v->question != Q_NONE)
		return false;
	v->message[0] = '\0';	/* it stands in full above */
	view_put_refusal(v, step, why);
	return true;
}
