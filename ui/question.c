/*
 * question: the box over the lower part of the body: apply? undo! leave? and
 * what only a person can give.  What is typed as a secret is drawn as dots.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/revoked.h"
#include "core/text.h"
#include "ui/look.h"
#include "ui/steps.h"

static void
title(struct page *p, enum role role, const char *word, const struct scene *s, int step)
{
	char number[STEP_NUMBER_MAX], *words = look_title(s->plan->steps[step].title, p->ascii);

	step_number(number, s->plan, step);
	page_line(p);
	page_add(p, role, "%s step %s", word, number);
	page_add(p, ROLE_STRONG, "  %s", s->plan->steps[step].id);
	page_add(p, ROLE_TEXT, "  %s", words);
	free(words);
}

static void
key(struct page *p, const char *name, const char *what)
{
	page_add(p, ROLE_KEY, "%s", name);
	page_add(p, ROLE_TEXT, strcmp(what, "or") == 0 ? " %s " : " %s   ", what);
}

static void
field(struct page *p, const struct view *v, const char *prompt)
{
	const char *cursor = glyph(v->ascii, G_CURSOR), *text = v->field.text;
	size_t room = (size_t)p->width / 2, width, i;
	int32_t cp;

	page_line(p);
	page_add(p, ROLE_TEXT, "%s ", prompt);
	if (v->field.secret) {
		char *dots;
		size_t n = v->field.chars < room ? v->field.chars : room;
		size_t len = strlen(glyph(v->ascii, G_MASK));

		dots = mem_alloc(n * len + 1);
		for (i = 0; i < n; i++)
			memcpy(dots + i * len, glyph(v->ascii, G_MASK), len);
		page_add(p, ROLE_FIELD, "%s", dots);
		free(dots);
	} else {
		/* The end of what was typed is what matters. */
		for (width = text_width(text); width > room; width = text_width(text))
			text += text_next(text, &cp);
		page_add(p, ROLE_FIELD, "%s", text);
	}
	page_add(p, ROLE_CURSOR, "%s", cursor);
}

/* What the undo takes back, in the words of the moves and of the operations done. */
static void
undo_words(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	const struct step_view *sv = rollout_step(s->rollout, step);
	const struct ops *ops = s->ops(s->arg, step);
	size_t i, shown = 0, edits = 0, begun = 0;
	char *words;

	for (i = 0; i < sv->nops; i++) {
		if (sv->ops[i].state == OPS_WAITING || sv->ops[i].state == OPS_UNDONE)
			continue;
		begun++;
		if (!sv->shapes[i].activates)
			edits++;
	}
	if (begun == 0) {
		page_line(p);
		page_add(p, ROLE_TEXT, "nothing of it was carried out; it only stops");
		return;
	}
	for (i = 0; i < st->nmoves && shown < 3; i++, shown++) {
		words = look_move(s->fleet, &st->moves[i], p->ascii);
		page_line(p);
		page_add(p, ROLE_REMOVED, "- %s", words);
		free(words);
	}
	if (st->nmoves > shown)
		page_add(p, ROLE_DIM, "  and %zu more", st->nmoves - shown);
	page_line(p);
	page_add(p, ROLE_TEXT, "%zu operation%s taken back", edits, edits == 1 ? " is" : "s are");
	for (i = 0; ops != NULL && i < ops->n; i++)
		if (s->kept(s->arg, step, (int)i) != NULL) {
			words = op_words(s, &ops->v[i]);
			page_line(p);
			page_add(p, ROLE_WARN, "what somebody else wrote stays in ");
			page_flow(p, 2, ROLE_WARN, words);
			free(words);
		}
	for (i = sv->nops; ops != NULL && i-- > 0;) {
		bool uncounted;
		uint32_t cut;
		char words_cut[LOOK_MAX];

		if (i >= ops->n || ops->v[i].kind != OP_ACTIVATE || ops->v[i].unit == NONE ||
		    sv->ops[i].state == OPS_WAITING)
			continue;
		cut = scene_unit_sessions(s, ops->v[i].unit, &uncounted);
		words = op_words(s, &ops->v[i]);
		page_wrap(p, 0, ROLE_TEXT, words);
		cut_words(words_cut, cut, uncounted);
		page_line(p);
		page_at(p, 2, ROLE_WARN, "%s", words_cut);
		free(words);
	}
}

/* What stays, and whether anybody is worse off. */
static void
turn_words(struct page *p, const struct view *v, const struct scene *s)
{
	const char *waiver = s->waiver(s->arg, v->subject, "proof");
	struct buf b;
	size_t i, n = 0;
	char *words;

	buf_init(&b, 0);
	(void)buf_puts(&b, "what came after it stays:");
	for (i = (size_t)v->subject + 1; i < s->plan->nsteps; i++)
		switch (rollout_step(s->rollout, (int)i)->phase) {
		case PHASE_DONE:
		case PHASE_FAULTED:
		case PHASE_DOUBT:
		case PHASE_STUCK:
			if (n++ < 5)
				(void)buf_printf(&b, "%s %s", n > 1 ? "," : "", s->plan->steps[i].id);
			break;
		default:	/* nothing of it stands */
			break;
		}
	if (n > 5)
		(void)buf_printf(&b, " and %zu more", n - 5);
	page_wrap(p, 0, ROLE_TEXT, buf_str(&b));
	buf_release(&b);
	if (waiver == NULL) {
		page_wrap(p, 0, ROLE_GOOD, "no link becomes worse by it than it is now");
		return;
	}
	words = mem_printf("whom it strands is not asked: its check 'proof' is waived: %s", waiver);
	page_wrap(p, 0, ROLE_WARN, words);
	free(words);
	if (v->refused_step == v->subject) {
		words = mem_printf("it was refused before: %s", v->refusal);
		page_wrap(p, 0, ROLE_WARN, words);
		free(words);
	}
}

/* What its guard `proof` will come to, where that is not that all is well. */
static void
proof_words(struct page *p, const struct scene *s, int step)
{
	enum proof_state state = proven_state(s->proven);
	struct look look = look_proof(state);
	const char *waiver = s->waiver(s->arg, step, "proof");
	char *words;

	if (waiver != NULL)
		words = mem_printf("%s its guard 'proof' is waived: %s", glyph(p->ascii, G_WAIVED), waiver);
	else if (state == PROOF_REFUTED || state == PROOF_OPEN)
		words = mem_printf("%s %s so far: its guard 'proof' will hardly pass",
		    glyph(p->ascii, look.glyph), look.word);
	else
		return;
	page_wrap(p, 0, waiver != NULL ? ROLE_WARN : look.role, words);
	free(words);
}

static void
ask_words(struct page *p, const struct view *v)
{
	const struct ask *ask = &v->asks[0];

	page_wrap(p, 0, ROLE_STRONG, ask->title);
	if (ask->detail[0] != '\0')
		page_wrap(p, 0, ROLE_TEXT, ask->detail);
	if (ask->kind == ASK_HOST_KEY) {
		page_wrap(p, 0, ROLE_WARN,
		    "Compare the fingerprint with one from a source that you trust. It is kept from then on.");
		field(p, v, "type yes to accept:");
	} else
		field(p, v, v->again ? "once more:" : ask->kind == ASK_SECRET ? "secret:" :
		    ask->kind == ASK_SUDO ? "password:" : "passphrase:");
	page_line(p);
	key(p, "Enter", "takes it");
	key(p, "Esc", "refuses");
	if (v->nasks > 1)
		page_add(p, ROLE_DIM, "%zu more question%s", v->nasks - 1, v->nasks == 2 ? "" : "s");
}

/* The check that the refusal names, of a key that leaked; else it is the proof's.  For the caller to free. */
static char *
insists_by(const struct view *v, const struct scene *s)
{
	const struct step *st = &s->plan->steps[v->subject];
	char *name;
	size_t i;

	for (i = 0; i < st->nmoves; i++) {
		if (st->moves[i].facet != FACET_CERT)
			continue;
		name = revoked_check(s->fleet->certs[st->moves[i].subject].name);
		if (strstr(v->refusal, name) != NULL)
			return name;
		free(name);
	}
	return mem_strdup("proof");
}

/* The reason says whether that would help. */
static void
insist_words(struct page *p, const struct view *v, const struct scene *s)
{
	char *name, *words;

	if (strstr(v->refusal, "waive") == NULL)
		return;
	name = insists_by(v, s);
	words = mem_printf(v->armed ? ":waive %s REASON insists; then %s" : "A arms, :waive %s REASON insists, then %s",
	    name, strcmp(name, "proof") == 0 ? "U asks" : "u undoes it");
	page_wrap(p, 0, ROLE_DIM, words);
	free(words);
	free(name);
}

static void
question_page(struct page *p, const struct view *v, const struct scene *s)
{
	char *words;
	int64_t left;

	switch (v->question) {
	case Q_APPLY:
	case Q_APPLY_NAMED:
		title(p, ROLE_BUSY, "apply", s, v->subject);
		words = impact_words(s, v->subject);
		page_wrap(p, 0, ROLE_TEXT, words);
		free(words);
		proof_words(p, s, v->subject);
		if (v->question == Q_APPLY_NAMED) {
			words = mem_printf("type %s to apply:", s->fleet->environment);
			field(p, v, words);
			free(words);
			page_line(p);
			key(p, "Enter", "applies");
		} else {
			page_line(p);
			key(p, "y", "or");
			key(p, "Enter", "applies");
		}
		key(p, "Esc", "does not");
		break;
	case Q_UNDO:
		title(p, ROLE_BUSY, "undo", s, v->subject);
		undo_words(p, s, v->subject);
		left = v->fire_at_ms - s->now_ms;
		page_line(p);
		page_add(p, ROLE_WARN, "starts in %d s   ", left > 0 ? (int)((left + 999) / 1000) : 0);
		key(p, "u", "or");
		key(p, "Enter", "now");
		key(p, "Esc", "cancels");
		break;
	case Q_TURN:
		title(p, ROLE_BUSY, "undo out of its turn:", s, v->subject);
		undo_words(p, s, v->subject);
		turn_words(p, v, s);
		page_line(p);
		key(p, "y", "or");
		key(p, "Enter", "undoes it");
		key(p, "Esc", "does not");
		break;
	case Q_REFUSED:
		title(p, ROLE_WARN, "not undone:", s, v->subject);
		page_wrap(p, 0, ROLE_TEXT, v->refusal);
		insist_words(p, v, s);
		page_line(p);
		key(p, ":", "types a command");
		key(p, "Esc", "closes this");
		break;
	case Q_LEAVE:
		title(p, ROLE_WARN, "in the middle of", s, v->subject);
		page_wrap(p, 0, ROLE_TEXT,
		    "What runs on a host runs on; the next start finds out what became of it. "
		    "Ctrl-C stops the step where it is safe.");
		page_line(p);
		key(p, "y", "leaves now");
		key(p, "Esc", "stays");
		break;
	case Q_ASK:
		ask_words(p, v);
		break;
	case Q_NONE:
	case Q_FILTER:
	case Q_COMMAND:
		break;
	}
}

static void
draw_frame(struct area a, bool ascii)
{
	int y;

	grid_fill(a, 0, 1, a.w - 2, ROLE_BOX, glyph(ascii, G_HLINE));
	grid_fill(a, a.h - 1, 1, a.w - 2, ROLE_BOX, glyph(ascii, G_HLINE));
	for (y = 1; y < a.h - 1; y++) {
		grid_fill(a, y, 0, a.w, ROLE_TEXT, " ");
		grid_put(a, y, 0, 1, ROLE_BOX, glyph(ascii, G_VLINE));
		grid_put(a, y, a.w - 1, 1, ROLE_BOX, glyph(ascii, G_VLINE));
	}
	grid_put(a, 0, 0, 1, ROLE_BOX, glyph(ascii, G_TOP_LEFT));
	grid_put(a, 0, a.w - 1, 1, ROLE_BOX, glyph(ascii, G_TOP_RIGHT));
	grid_put(a, a.h - 1, 0, 1, ROLE_BOX, glyph(ascii, G_END_LEFT));
	grid_put(a, a.h - 1, a.w - 1, 1, ROLE_BOX, glyph(ascii, G_END_RIGHT));
}

int
question_draw(struct area a, const struct view *v, const struct scene *s)
{
	struct page p;
	int w = a.w < 104 ? a.w - 2 : 100, h = 0;
	struct area box;

	page_init(&p, w - 3, v->ascii);
	question_page(&p, v, s);
	if (p.n > 0) {
		h = (int)p.n + 2 < a.h ? (int)p.n + 2 : a.h;
		box = area_part(a, a.h - h, (a.w - w) / 2, h, w);
		draw_frame(box, v->ascii);
		/* What does not fit is the beginning: the answer's keys stand at the end. */
		page_draw(&p, area_part(box, 1, 2, h - 2, w - 4), (int)p.n - (h - 2));
	}
	page_release(&p);
	return h;
}
