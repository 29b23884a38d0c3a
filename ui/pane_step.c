/*
 * pane_step: the three panes of one step: what it would change, what its
 * operations are doing, and what its checks were shown.
 *
 * Commands are shown literally.  Values that are secret come as fingerprints
 * already (the preview is made where the file is); they are not known here.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/batch.h"
#include "core/buf.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "ui/look.h"
#include "ui/steps.h"

static void
count(struct buf *b, size_t n, const char *one, const char *many)
{
	if (n == 0)
		return;
	buf_printf(b, "%s%zu %s", b->len > 0 ? ", " : "", n, n == 1 ? one : many);
}

void
cut_words(char ret[LOOK_MAX], uint32_t sessions, bool uncounted)
{
	if (uncounted && sessions == 0)
		snprintf(ret, LOOK_MAX, "cuts sessions, not counted");
	else
		snprintf(ret, LOOK_MAX, "cuts %s%u session%s", uncounted ? "at least " : "",
		    (unsigned)sessions, sessions == 1 ? "" : "s");
}

char *
impact_words(const struct scene *s, int step)
{
	struct impact im;
	struct buf b;

	scene_impact(s, step, &im);
	buf_init(&b, 0);
	count(&b, im.hosts, "host", "hosts");
	count(&b, im.edits, "edit", "edits");
	count(&b, im.runs, "command", "commands");
	count(&b, im.activations, "activation", "activations");
	if (im.loses_data)
		buf_puts(&b, ", loses data");
	else if (im.may_lose_data)
		buf_puts(&b, ", may lose data");
	if (im.activations > 0) {
		char cut[LOOK_MAX];

		cut_words(cut, im.sessions, im.uncounted);
		buf_printf(&b, ", %s", cut);
	}
	if (b.len == 0)
		buf_puts(&b, "changes nothing by itself");
	return buf_take(&b, NULL);
}

char *
command_words(const char *run, const char *in)
{
	return in == NULL ? mem_strdup(run) : mem_printf("%s  (in %s)", run, in);
}

static const char *
host_name(const struct scene *s, int host)
{
	return host >= 0 && (size_t)host < s->fleet->nhosts ? s->fleet->hosts[host].name : "?";
}

char *
op_words(const struct scene *s, const struct op *op)
{
	char *command, *words;

	switch (op->kind) {
	case OP_ENV:
	case OP_CONF:
	case OP_BLOCK:
	case OP_URL:
		return mem_printf("%s:%s", host_name(s, op->host), op->path == NULL ? "?" : op->path);
	case OP_SETTING:
		return mem_printf("settings of %s, on %s", op->endpoint >= 0 &&
		    (size_t)op->endpoint < s->fleet->nendpoints ? s->fleet->endpoints[op->endpoint].name : "?",
		    host_name(s, op->host));
	case OP_FILE:
		return mem_printf("%s:%s%s", host_name(s, op->host), op->path == NULL ? "?" : op->path,
		    op->remove ? " (removed)" : "");
	case OP_DRAIN:
		return mem_printf("drain from %s: %s", host_name(s, op->host), op->run == NULL ? "?" : op->run);
	case OP_RUN:
	case OP_ACTIVATE:
		command = command_words(op->run == NULL ? "?" : op->run, op->in);
		words = mem_printf("%s %s: %s", op->kind == OP_RUN ? "run on" :
		    op->unit >= 0 && (size_t)op->unit < s->fleet->nunits &&
		    s->fleet->units[op->unit].kind == UNIT_RELOAD ? "then reload on" :
		    "then restart on", host_name(s, op->host), command);
		free(command);
		return words;
	}
	return mem_strdup("");
}

/* Of a step on several hosts: how these stand, once one of them does; its own cause is in it. */
static bool
add_batch(struct page *p, const struct scene *s, int step, enum role role)
{
	struct buf b = { 0 };
	int first = NONE;
	size_t n;

	if (s->plan->steps[step].of == NULL)
		return false;
	n = plan_steps(s->plan, s->plan->steps[step].of, &first);
	if (batch_last(s->rollout, first, n) == NONE)
		return false;
	batch_words(&b, s->fleet, s->plan, s->rollout, step);
	page_wrap(p, 1, role, buf_str(&b));
	buf_release(&b);
	return true;
}

void
step_head(struct page *p, const struct scene *s, int step)
{
	const struct step_view *sv = rollout_step(s->rollout, step);
	const struct step *st = &s->plan->steps[step];
	struct look look = look_phase(sv->phase);
	enum role role = look.role == ROLE_STRONG || look.role == ROLE_TEXT ? ROLE_WARN : look.role;
	char number[STEP_NUMBER_MAX], age[LOOK_MAX], *title = look_title(st->title, p->ascii);

	step_number(number, s->plan, step);
	page_line(p);
	p->v[p->n - 1].heading = true;
	page_add(p, ROLE_HEADING, " STEP %s", number);
	page_add(p, ROLE_STRONG, "  %s", st->id);
	page_add(p, ROLE_TEXT, "  %s", title);
	free(title);
	look_age(age, s->now_ms, sv->since_ms);
	page_line(p);
	p->v[p->n - 1].heading = true;
	if (look.blank)
		page_add(p, ROLE_DIM, " not applied");
	else {
		page_add(p, look.role, " %s %s", glyph(p->ascii, look.glyph), look.word);
		if (age[0] != '\0')
			page_add(p, ROLE_DIM, "  for %s", age);
	}
	if (st->optional)
		page_add(p, ROLE_DIM, "  optional");
	if (sv->undo_wanted)
		page_add(p, ROLE_WARN, "  undo begins when the operation that runs has ended");
	if (st->not_yet != NULL)
		page_wrap(p, 1, ROLE_WARN, st->not_yet);
	if (!add_batch(p, s, step, sv->why[0] == '\0' ? ROLE_TEXT : role) && sv->why[0] != '\0')
		page_wrap(p, 1, role, sv->why);
}

/* ---- what it would change ---- */

/* What it does that the step did not ask for. */
static void
add_besides(struct page *p, const struct scene *s, int step, int unit)
{
	struct strings takes_up, loses;
	char *words;
	size_t i;

	scene_besides(s, step, unit, &takes_up, &loses);
	for (i = 0; i < takes_up.n; i++) {
		words = mem_printf("takes up what is not of this step: %s", takes_up.v[i]);
		page_wrap(p, 5, ROLE_WARN, words);
		free(words);
	}
	for (i = 0; i < loses.n; i++) {
		words = mem_printf("loses %s; undo cannot bring it back", loses.v[i]);
		page_wrap(p, 5, ROLE_BAD, words);
		free(words);
	}
	strings_release(&takes_up);
	strings_release(&loses);
}

/* Whom it hits: the names, and how many sessions that ends. */
static void
add_activation(struct page *p, const struct scene *s, int step, const struct op *op)
{
	const struct unit *u;
	bool uncounted;
	uint32_t sessions;
	char cut[LOOK_MAX];
	struct buf b;
	size_t i;

	if (op->unit < 0 || (size_t)op->unit >= s->fleet->nunits)
		return;
	u = &s->fleet->units[op->unit];
	buf_init(&b, 0);
	for (i = 0; i < u->restarts.n; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ", u->restarts.v[i]);
	page_line(p);
	page_add(p, ROLE_TEXT, "     unit %s", u->name);
	if (b.len > 0) {
		page_add(p, ROLE_TEXT, ": %s ", u->kind == UNIT_RELOAD ? "reloads" : "restarts");
		page_flow(p, 7, ROLE_TEXT, buf_str(&b));
	}
	page_line(p);
	page_add(p, ROLE_TEXT, "     ");
	buf_release(&b);
	sessions = scene_unit_sessions(s, op->unit, &uncounted);
	if (u->kind == UNIT_RELOAD && sessions == 0 && !uncounted) {
		page_add(p, ROLE_DIM, "ends no session by itself");
		add_besides(p, s, step, op->unit);
		return;
	}
	cut_words(cut, sessions, uncounted);
	page_add(p, sessions > 0 || uncounted ? ROLE_WARN : ROLE_DIM, "%s", cut);
	if (!u->idempotent)
		page_add(p, ROLE_WARN, "  not repeated if it is cut");
	add_besides(p, s, step, op->unit);
}

static void
add_op(struct page *p, const struct scene *s, int step, int i, const struct op *op)
{
	const struct op_view *ov = NULL;
	const char *text = s->op_text(s->arg, step, i);
	char *words = op_words(s, op), *undo;
	int since;
	const struct step_view *sv = rollout_step(s->rollout, step);

	if ((size_t)i < sv->nops)
		ov = &sv->ops[i];
	page_line(p);
	page_add(p, ROLE_DIM, " %2d  ", i + 1);
	page_flow(p, 5, ROLE_STRONG, words);
	free(words);
	if (op->kind == OP_FILE && op->mode >= 0)
		page_add(p, ROLE_DIM, "  mode %04o%s%s", (unsigned)op->mode & 07777,
		    op->owner == NULL ? "" : ", owner ", op->owner == NULL ? "" : op->owner);
	if (op->kind != OP_ACTIVATE && ov != NULL && ov->observed_known) {
		if (ov->observed == OP_IN_PLACE)
			page_add(p, ROLE_FAIR, "  in place already");
		else if (ov->observed != OP_FRESH)
			page_add(p, ROLE_WARN, "  %s", op_outcome_word(ov->observed));
	}
	switch (op->kind) {
	case OP_ENV:
	case OP_CONF:
	case OP_BLOCK:
	case OP_URL:
	case OP_FILE:
	case OP_SETTING:
	case OP_DRAIN:
		if (text != NULL)
			page_text(p, 5, ROLE_DIM, true, text);
		else {
			page_line(p);
			page_add(p, ROLE_DIM, "     not observed yet");
		}
		if ((since = s->op_since(s->arg, step, i)) != NONE) {
			page_line(p);
			page_add(p, ROLE_WARN, "     somebody else has written there since %s did", s->plan->steps[since].id);
		}
		break;
	case OP_RUN:
		if (op->undo != NULL) {
			undo = command_words(op->undo, op->in);
			page_line(p);
			page_add(p, ROLE_DIM, "     undone by: ");
			page_flow(p, 7, ROLE_TEXT, undo);
			free(undo);
		} else if (op->value != NULL) {
			page_line(p);
			page_add(p, ROLE_DIM, "     undone by the same, with what was before: ");
			page_flow(p, 7, ROLE_TEXT, op->observe);
		} else if (op->touches.n > 0) {
			page_line(p);
			page_add(p, ROLE_DIM, "     undone by putting back the files that it touches");
		} else if (!op->read_only) {
			page_line(p);
			page_add(p, ROLE_WARN, "     has no undo");
		}
		break;
	case OP_ACTIVATE:
		add_activation(p, s, step, op);
		break;
	}
	if (ov != NULL && ov->why[0] != '\0')
		page_wrap(p, 5, ROLE_WARN, ov->why);
}

static void
add_moves(struct page *p, const struct scene *s, const struct step *st)
{
	struct posture now;
	const char *from;
	char *words;
	size_t i;

	board_posture(s->board, &now);
	page_heading(p, "MOVES");
	for (i = 0; i < st->nmoves; i++) {
		const struct move *m = &st->moves[i];

		from = NULL;
		if (m->facet == FACET_ACCEPT && now.accept[m->subject] != ACCEPT_UNKNOWN)
			from = accept_word(now.accept[m->subject]);
		else if (m->facet == FACET_DIAL && now.dial[m->subject] != DIAL_UNKNOWN)
			from = dial_word(now.dial[m->subject]);
		words = look_move(s->fleet, m, p->ascii);
		page_line(p);
		page_add(p, ROLE_TEXT, "  %s", words);
		free(words);
		if (from != NULL)
			page_add(p, ROLE_DIM, "  (now %s)", from);
	}
	posture_release(&now);
}

static void
add_checks(struct page *p, const struct scene *s, int step, const char *title,
    const struct check *checks, size_t n)
{
	size_t i, named = 0;

	if (n == 0)
		return;
	page_heading(p, "%s", title);
	for (i = 0; i < n; i++) {
		if (checks[i].kind == CHECK_PROOF)
			continue;
		if (named++ == 0)
			page_line(p);
		else
			page_add(p, ROLE_TEXT, ", ");
		page_flow(p, 2, ROLE_TEXT, checks[i].name);
	}
	/* What it stands for is not to be seen from its name. */
	for (i = 0; i < n; i++)
		if (checks[i].kind == CHECK_PROOF) {
			page_line(p);
			page_at(p, 2, ROLE_TEXT, "%s: ", checks[i].name);
			proof_check_words(p, s, step, 9);
		}
}

void
preview_page(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	const struct ops *ops = s->ops(s->arg, step);
	char *words;
	size_t i;

	step_head(p, s, step);
	words = impact_words(s, step);
	page_line(p);
	p->v[p->n - 1].heading = true;
	page_add(p, ROLE_TEXT, " %s", words);
	free(words);
	if (st->nmoves > 0)
		add_moves(p, s, st);
	if (ops != NULL && ops->n > 0) {
		page_heading(p, "OPERATIONS, IN ORDER");
		for (i = 0; i < ops->n; i++)
			add_op(p, s, step, (int)i, &ops->v[i]);
	}
	add_checks(p, s, step, "GUARDS, BEFORE", st->requires, st->nrequires);
	add_checks(p, s, step, "GATE, AFTER", st->gates, st->ngates);
	if (st->soak_ms > 0) {
		char soak[LOOK_MAX];

		text_age(soak, sizeof(soak), st->soak_ms);
		page_line(p);
		page_add(p, ROLE_TEXT, "  then it has to hold for %s", soak);
	}
	canary_declared(p, s, step);
	if (st->on_fault == ON_FAULT_UNDO) {
		page_line(p);
		page_add(p, ROLE_TEXT, "  on a fault: undone by itself");
	}
	for (i = 0; i < st->nexcuses; i++) {
		words = look_link_name(s->fleet, st->excuses[i].link, p->ascii);
		page_line(p);
		page_add(p, ROLE_WARN, "  may refuse %s: %s", words, st->excuses[i].reason);
		free(words);
	}
}

/* ---- what its operations are doing ---- */

void
progress_page(struct page *p, const struct scene *s, int step)
{
	const struct step_view *sv = rollout_step(s->rollout, step);
	const struct ops *ops = s->ops(s->arg, step);
	struct running run;
	bool runs = s->running(s->arg, &run) && run.step == step;
	char age[LOOK_MAX], limit[LOOK_MAX], *words;
	struct look look;
	size_t i;

	step_head(p, s, step);
	if (ops == NULL || sv->nops == 0) {
		page_line(p);
		page_add(p, ROLE_DIM, " it has no operations");
		return;
	}
	if (step_in_trouble(s, step))
		trouble_add(p, s, step);
	page_heading(p, "OPERATIONS");
	for (i = 0; i < ops->n && i < sv->nops; i++) {
		look = look_op(sv->ops[i].state);
		words = op_words(s, &ops->v[i]);
		page_line(p);
		page_add(p, ROLE_DIM, " %2zu ", i + 1);
		page_add(p, look.role, "%s %s", glyph(p->ascii, look.glyph), look.word);
		page_at(p, 18, ROLE_TEXT, "%s", "");
		page_flow(p, 20, ROLE_TEXT, words);
		free(words);
		if (runs && run.op == (int)i) {
			look_age(age, s->now_ms, run.since_ms);
			text_age(limit, sizeof(limit), run.deadline_ms - run.since_ms);
			page_line(p);
			page_at(p, 18, ROLE_BUSY, "%s of %s", age, limit);
			if (run.deadline_ms < s->now_ms)
				page_add(p, ROLE_WARN, "  past its deadline");
		}
		if (sv->ops[i].why[0] != '\0')
			page_wrap(p, 18, look.role == ROLE_GOOD ? ROLE_DIM : look.role, sv->ops[i].why);
	}
	canary_blocks(p, s, step);
	if (runs && run.output != NULL && run.output[0] != '\0') {
		page_heading(p, "OUTPUT OF %d", run.op + 1);
		page_text(p, 2, ROLE_TEXT, false, run.output);
	}
}

/* ---- what its checks were shown ---- */

/* The proof judges with numbers or with a counter-example: what these are said of. */
static void
add_proof_result(struct page *p, const struct check_result *r)
{
	char *words;

	if (r->judgement == CHECK_PASS)
		words = mem_printf("what is left of the plan strands no client%s%s", r->why[0] == '\0' ? "" : ": ",
		    r->why);
	else if (r->judgement == CHECK_FAIL)
		words = mem_printf("%s  (P tells how it comes to that)", r->why);
	else
		words = mem_strdup(r->why);
	if (words[0] != '\0')
		page_wrap(p, 20, r->judgement == CHECK_PASS ? ROLE_DIM : ROLE_TEXT, words);
	free(words);
}

static void
add_results(struct page *p, const struct scene *s, int step, const char *title,
    const struct check *checks, size_t nchecks, const struct check_result *r, size_t n)
{
	struct look look;
	const char *waiver;
	size_t i;

	if (nchecks == 0)
		return;
	page_heading(p, "%s", title);
	for (i = 0; i < nchecks; i++) {
		waiver = s->waiver(s->arg, step, checks[i].name);
		page_line(p);
		if (waiver != NULL && (r == NULL || i >= n || (r[i].judgement != CHECK_WAIVED &&
		    r[i].judgement != CHECK_PASS))) {
			/* It was waived after it was judged, or before it ever was. */
			look = look_judgement(CHECK_WAIVED);
			page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
			page_at(p, 18, ROLE_STRONG, "%s", checks[i].name);
			page_wrap(p, 20, ROLE_TEXT, waiver);
			continue;
		}
		if (r == NULL || i >= n) {
			page_add(p, ROLE_DIM, "  %s not judged", glyph(p->ascii, G_PENDING));
			page_at(p, 18, ROLE_DIM, "%s", checks[i].name);
			if (checks[i].kind == CHECK_PROOF) {
				page_line(p);
				page_at(p, 20, ROLE_DIM, "%s", "");
				proof_check_words(p, s, step, 20);
			}
			continue;
		}
		look = look_judgement(r[i].judgement);
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
		page_at(p, 18, ROLE_STRONG, "%s", checks[i].name);
		if (checks[i].not_yet != NULL)
			page_add(p, ROLE_DIM, "  not yet: %s", checks[i].not_yet);
		if (checks[i].kind == CHECK_PROOF)
			add_proof_result(p, &r[i]);
		else if (r[i].why[0] != '\0')
			page_wrap(p, 20, r[i].judgement == CHECK_PASS ? ROLE_DIM : ROLE_TEXT, r[i].why);
	}
}

void
gate_page(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	const struct check_result *r;
	size_t n = 0;

	step_head(p, s, step);
	if (st->nrequires + st->ngates == 0) {
		page_line(p);
		page_add(p, ROLE_DIM, " it has no checks");
		return;
	}
	r = s->results(s->arg, step, false, &n);
	add_results(p, s, step, "GUARDS, BEFORE", st->requires, st->nrequires, r, n);
	n = 0;
	r = s->results(s->arg, step, true, &n);
	add_results(p, s, step, "GATE, AFTER", st->gates, st->ngates, r, n);
	canary_blocks(p, s, step);
	page_line(p);
	page_line(p);
	page_add(p, ROLE_DIM,
	    "  v judges again   :waive CHECK REASON lets one count as passed; the mark stays");
}
