/*
 * pane_explain: of what is under the cursor what is wrong, why, and what mends
 * it: core/explain.h's answers as a page.  Of a step: each operation that
 * failed and each check that did not pass, by what was said of it; then what it
 * moves.
 *
 * The causes are made when the page is, from the latest looks; nothing is asked
 * of any host for it.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/explain.h"
#include "core/mem.h"

#define LABEL_X	4
#define TEXT_X	14
#define WORDS_MAX	2048	/* of what a command printed, its end */

static void
labelled(struct page *p, const char *label, enum role role, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	page_line(p);
	page_at(p, LABEL_X, ROLE_DIM, "%s", label);
	page_at(p, TEXT_X, role, "%s", "");
	page_flow(p, TEXT_X, role, text);
}

static void
add_cause(struct page *p, const struct scene *s, const struct explained *e)
{
	const struct cause_row *row = e->cause == NO_CAUSE ? NULL : cause_row((enum cause)e->cause);
	char *name = e->link != NONE ? look_link_name(s->fleet, e->link, p->ascii) :
	    e->endpoint == NONE && e->host == NONE ? NULL : mem_printf("%s%s", e->host != NONE ? "host " : "",
	    explained_of(s->fleet, e));

	page_line(p);
	page_add(p, e->sure ? ROLE_BAD : ROLE_WARN, " %s %s", glyph(p->ascii, e->sure ? G_FAIL : G_DOUBT),
	    row == NULL ? "not seen" : row->name);
	if (!e->sure)
		page_add(p, ROLE_WARN, " perhaps");
	if (name != NULL)
		page_add(p, ROLE_STRONG, "  %s", name);
	free(name);
	if (row != NULL)
		labelled(p, "cause", ROLE_TEXT, row->what);
	labelled(p, "seen", ROLE_TEXT, e->because);
	if (row != NULL)
		labelled(p, "to do", ROLE_STRONG, row->fix);
	labelled(p, "rests on", ROLE_DIM, e->rests);
}

static void
add_causes(struct page *p, const struct scene *s, const struct explanations *all)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		add_cause(p, s, &all->v[i]);
	if (all->n > 0 && !all->v[0].sure) {
		page_line(p);
		page_add(p, ROLE_DIM, "   they look alike: what was seen leaves each of them");
	}
}

/* ---- a step ---- */

static const struct explained *
told_of(const struct explanations *told, const struct explained *e)
{
	size_t i;

	for (i = 0; i < told->n; i++)
		if (told->v[i].cause == e->cause && told->v[i].link == e->link && told->v[i].endpoint == e->endpoint &&
		    told->v[i].host == e->host)
			return &told->v[i];
	return NULL;
}

/* What is not told already; what was is kept in mind. */
static void
add_new(struct page *p, const struct scene *s, struct explanations *told, struct explanations *more)
{
	size_t i;

	for (i = 0; i < more->n; i++) {
		struct explained *e = &more->v[i];

		if (told_of(told, e) != NULL) {
			free(e->because);
			free(e->rests);
			continue;
		}
		add_cause(p, s, e);
		*(struct explained *)mem_push(&told->v, &told->n, sizeof(*told->v)) = *e;
	}
	free(more->v);
}

static void
add_said(struct page *p, const struct scene *s, struct explanations *told, int endpoint, int link, enum speaker by,
    const char *said)
{
	struct explanations all;
	size_t n;

	explain_said(&all, s->fleet, s->board, s->now_ms, endpoint, link, by, said);
	n = all.n;
	add_new(p, s, told, &all);
	if (n == 0) {
		page_line(p);
		page_at(p, LABEL_X, ROLE_DIM, "no row of the table of causes knows these words");
	}
}

/* What an operation is about: who carries it out, whom it restarts, what its moves move. */
static void
subject_of(const struct scene *s, const struct step *st, const struct op *op, int *ret_endpoint, int *ret_link)
{
	size_t i;

	*ret_endpoint = op->endpoint;
	*ret_link = NONE;
	for (i = 0; *ret_endpoint == NONE && op->kind == OP_ACTIVATE && i < s->fleet->nendpoints; i++)
		if (s->fleet->endpoints[i].unit == op->unit)
			*ret_endpoint = (int)i;
	for (i = 0; *ret_endpoint == NONE && *ret_link == NONE && i < op->moves.n; i++) {
		const struct move *m = &st->moves[op->moves.v[i]];

		if (m->facet == FACET_ACCEPT)
			*ret_endpoint = m->subject;
		else if (m->facet != FACET_CERT)
			*ret_link = m->subject;
	}
}

static void
add_op(struct page *p, const struct scene *s, struct explanations *told, int step, size_t i)
{
	const struct step_view *v = rollout_step(s->rollout, step);
	const struct op *op = &s->ops(s->arg, step)->v[i];
	struct look look = look_op(v->ops[i].state);
	const char *text = said_text(s, step, i);
	char *words = op_words(s, op), *said;
	int endpoint, link;

	page_heading(p, "OPERATION %zu", i + 1);
	page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
	page_add(p, ROLE_TEXT, "  %s", words);
	free(words);
	labelled(p, "said", ROLE_TEXT, v->ops[i].why);
	if (text != NULL)
		page_text(p, TEXT_X, ROLE_TEXT, false, last_lines(text, 4));
	if (text != NULL && strlen(text) > WORDS_MAX)
		text += strlen(text) - WORDS_MAX;
	said = mem_printf("%s\n%s", v->ops[i].why, text == NULL ? "" : text);
	subject_of(s, &s->plan->steps[step], op, &endpoint, &link);
	add_said(p, s, told, endpoint, link, op->kind == OP_ACTIVATE && endpoint != NONE ? SAID_BY_SERVER : SAID_BY_CLIENT,
	    said);
	free(said);
}

static size_t
add_checks(struct page *p, const struct scene *s, struct explanations *told, int step, bool gate)
{
	const struct step *st = &s->plan->steps[step];
	const struct check *checks = gate ? st->gates : st->requires;
	size_t i, n = 0, nchecks = gate ? st->ngates : st->nrequires, any = 0;
	const struct check_result *r = s->results(s->arg, step, gate, &n);
	struct look look;

	for (i = 0; r != NULL && i < n && i < nchecks; i++) {
		const struct check *c = &checks[i];

		if (r[i].judgement != CHECK_FAIL && r[i].judgement != CHECK_INCONCLUSIVE)
			continue;
		any++;
		look = look_judgement(r[i].judgement);
		page_heading(p, gate ? "GATE" : "GUARD");
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
		page_add(p, ROLE_STRONG, "  %s", c->name);
		labelled(p, "said", ROLE_TEXT, r[i].why);
		if (c->kind == CHECK_PROOF)
			labelled(p, "to do", ROLE_STRONG, "P tells how it comes to that, and which order frees the link");
		else if (c->endpoint != NONE || c->link != NONE)
			add_said(p, s, told, c->endpoint, c->link, c->kind == CHECK_LOG ? SAID_BY_SERVER : SAID_BY_CLIENT, r[i].why);
	}
	return any;
}

static void
add_step(struct page *p, const struct scene *s, int step)
{
	const struct step_view *v = rollout_step(s->rollout, step);
	const struct ops *ops = s->ops(s->arg, step);
	struct explanations told = { NULL, 0 }, all;
	size_t i, any = 0, before;

	step_head(p, s, step);
	for (i = 0; ops != NULL && i < ops->n && i < v->nops; i++)
		if (v->ops[i].state == OPS_FAILED || v->ops[i].state == OPS_STUCK || v->ops[i].state == OPS_CUT) {
			add_op(p, s, &told, step, i);
			any++;
		}
	any += add_checks(p, s, &told, step, false);
	any += add_checks(p, s, &told, step, true);
	page_heading(p, "WHAT IT MOVES");
	before = told.n;
	for (i = 0; i < s->plan->steps[step].nmoves; i++) {
		const struct move *m = &s->plan->steps[step].moves[i];

		if (m->facet == FACET_CERT)
			continue;
		explain_about(&all, s->fleet, s->board, s->now_ms, NONE, m->facet == FACET_ACCEPT ? m->subject : NONE,
		    m->facet == FACET_ACCEPT ? NONE : m->subject);
		add_new(p, s, &told, &all);
	}
	if (told.n == before) {
		page_line(p);
		page_add(p, ROLE_DIM, " nothing %sthat is seen looks like a failure", any > 0 ? "else " : "");
	}
	explanations_release(&told);
}

/* ---- the rest ---- */

static void
head_of_link(struct page *p, const struct scene *s, int link)
{
	struct link_view lv;
	char words[LOOK_MAX], *name = look_link_name(s->fleet, link, p->ascii);
	struct look look;

	scene_link(s, link, &lv);
	look = look_link(lv.state);
	look_sessions(words, &lv);
	page_heading(p, "%s", name);
	free(name);
	page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), words);
	if (lv.why[0] != '\0')
		page_wrap(p, LABEL_X, look.role, lv.why);
}

static void
head_of_endpoint(struct page *p, const struct scene *s, int endpoint)
{
	struct endpoint_view ev;

	scene_endpoint(s, endpoint, &ev);
	page_heading(p, "%s", s->fleet->endpoints[endpoint].name);
	page_add(p, ROLE_TEXT, "  serves %s", ev.served == ACCEPT_UNKNOWN ? "?" : accept_word(ev.served));
	if (ev.why[0] != '\0')
		page_wrap(p, LABEL_X, ROLE_WARN, ev.why);
	if (ev.lasting[0] != '\0')
		page_wrap(p, LABEL_X, ROLE_WARN, ev.lasting);
}

static void
head_of_host(struct page *p, const struct scene *s, int host)
{
	const struct host_view *hv = board_host_view(s->board, host);
	struct look look = look_reach(hv == NULL ? REACH_UNKNOWN : hv->reach);

	page_heading(p, "host %s", s->fleet->hosts[host].name);
	page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
}

void
explain_page(struct page *p, const struct scene *s, const struct about *about)
{
	struct explanations all;
	struct err ignored;

	if (about->step != NONE && s->plan != NULL) {
		add_step(p, s, about->step);
		return;
	}
	if (about->link != NONE)
		head_of_link(p, s, about->link);
	else if (about->endpoint != NONE)
		head_of_endpoint(p, s, about->endpoint);
	else if (about->host != NONE)
		head_of_host(p, s, about->host);
	else
		page_heading(p, "the fleet");
	if (about->link == NONE && about->endpoint == NONE && about->host == NONE)
		(void)explain_board(&all, s->fleet, s->board, s->now_ms, NULL, &ignored);
	else
		explain_about(&all, s->fleet, s->board, s->now_ms, about->host, about->endpoint, about->link);
	add_causes(p, s, &all);
	if (all.n == 0) {
		page_line(p);
		page_add(p, ROLE_DIM, " nothing that is seen looks like a failure");
	}
	explanations_release(&all);
}
