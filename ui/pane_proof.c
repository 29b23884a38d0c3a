/*
 * pane_proof: what `belay check` says, to be read on the console: the verdict,
 * where what was seen contradicts the run, each counter-example as a story,
 * what is not proven, what may refuse, the lint, and what no proof considers.
 *
 * The words of a way are core's (proof_text.c).  A line that begins a
 * counter-example is an item of the page, so that it can be picked.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"
#include "ui/steps.h"

#define TOLD_WHOLE 10	/* counter-examples that are told as stories; one more: the chosen one */
#define TOLD 200	/* the others have a line */
#define LISTED 200	/* lines of any other list */
#define LABEL_X 5
#define TEXT_X 15

/* Core writes an arrow as two characters. */
static void
flow(struct page *p, int indent, enum role role, const char *text)
{
	struct buf b;

	buf_init(&b, 0);
	for (; *text != '\0'; text++)
		if (strncmp(text, " -> ", 4) == 0) {
			(void)buf_printf(&b, " %s", glyph(p->ascii, G_ARROW));
			text += 2;
		} else
			buf_putc(&b, *text);
	page_flow(p, indent, role, buf_str(&b));
	buf_release(&b);
}

static void
labelled(struct page *p, const char *label, enum role role, const char *text)
{
	page_line(p);
	page_at(p, LABEL_X, ROLE_DIM, "%s", label);
	page_at(p, TEXT_X, role, "%s", "");
	flow(p, TEXT_X, role, text);
}

static void
listed(struct page *p, enum role role, const char *text)
{
	page_line(p);
	page_add(p, role, "  ");
	flow(p, 4, role, text);
}

/* More than can be read: how many are left out.  false: no more are to be put down. */
static bool
room_for(struct page *p, size_t i, size_t n, size_t max)
{
	if (i < max)
		return true;
	page_line(p);
	page_add(p, ROLE_DIM, "  and %zu more: belay check --json has them all", n - i);
	return false;
}

/* ---- the verdict ---- */

static void
verdict_words(struct buf *b, const struct proof *proof)
{
	if (proof->ncounters > 0)
		(void)buf_printf(b, "%zu of %zu link%s %s stranded somewhere", proof->ncounters, proof->nlinks,
		    proof->nlinks == 1 ? "" : "s", proof->ncounters == 1 ? "is" : "are");
	else if (proof->unknown.n > 0)
		(void)buf_printf(b, "no declared link is seen to be stranded; %zu of %zu are not proven",
		    proof->unknown.n, proof->nlinks);
	else
		(void)buf_puts(b,
		    "no declared link is refused or hangs in any posture that the plan can reach");
}

static void
add_verdict(struct page *p, const struct scene *s)
{
	const struct proof *proof = s->proven->proof;
	struct look look = look_proof(proven_state(s->proven));
	struct buf b;

	buf_init(&b, 0);
	verdict_words(&b, proof);
	page_line(p);
	p->v[p->n - 1].heading = true;
	page_add(p, look.role, " %s %s", glyph(p->ascii, look.glyph), look.word);
	page_add(p, ROLE_TEXT, "  ");
	page_flow(p, 3, ROLE_TEXT, buf_str(&b));
	buf_clear(&b);
	(void)buf_printf(&b, "%zu links, %zu states", proof->nlinks, proof->nstates);
	if (s->proven->ncontradictions > 0)
		(void)buf_puts(&b, "; of what is left of the plan, from what was seen on the hosts");
	else
		(void)buf_printf(&b, ", %zu steps; from the plan's start", s->plan->nsteps);
	page_wrap(p, 3, ROLE_DIM, buf_str(&b));
	buf_release(&b);
}

static void
add_contradictions(struct page *p, const struct scene *s)
{
	const char *at = s->proven->contradictions, *end;
	size_t i;

	if (s->proven->ncontradictions == 0)
		return;
	page_line(p);
	page_heading(p, "SEEN OTHERWISE THAN THE RUN BELIEVES");
	for (i = 0; *at != '\0' && room_for(p, i, s->proven->ncontradictions, LISTED); i++) {
		char *line, *words;

		end = at + strcspn(at, "\n");
		line = mem_strndup(at, (size_t)(end - at));
		words = mem_printf("%s %s", glyph(p->ascii, G_FORBID), line);
		listed(p, ROLE_WARN, words);
		free(words);
		free(line);
		at = *end == '\0' ? end : end + 1;
	}
}

/* ---- counter-examples ---- */

static void
step_words(struct buf *b, const struct scene *s, int step)
{
	char number[STEP_NUMBER_MAX];

	step_number(number, s->plan, step);
	(void)buf_printf(b, "step %s '%s'", number, s->plan->steps[step].id);
}

static const char *
cert_word(const struct scene *s, int cert)
{
	return cert >= 0 && (size_t)cert < s->fleet->ncerts ? s->fleet->certs[cert].name :
	    cert == NONE ? "none" : "unknown";
}

static void
when_words(struct buf *b, const struct scene *s, const struct counter *c)
{
	if (c->step == NONE) {
		/* The walk begins at what is there. */
		(void)buf_puts(b, s->proven->ncontradictions > 0 ? "already, as it is seen now" :
		    "before the first step");
		return;
	}
	(void)buf_puts(b, c->in_flight ? "in the middle of " : "after ");
	step_words(b, s, c->step);
}

static void
add_story(struct page *p, const struct scene *s, const struct counter *c)
{
	const struct link *through = &s->fleet->links[c->because != NONE ? c->because : c->link];
	const struct pos *pos = c->step == NONE ? &s->fleet->links[c->link].pos : &s->plan->steps[c->step].pos;
	int host = link_host(s->fleet, &s->fleet->links[c->link]);
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	when_words(&b, s, c);
	(void)buf_printf(&b, ", %s:%d:%d", c->step == NONE ? s->fleet->path : s->plan->path, pos->line, pos->col);
	labelled(p, "when", ROLE_TEXT, buf_str(&b));
	if (host != NONE)
		labelled(p, "host", ROLE_TEXT, s->fleet->hosts[host].name);
	for (i = 0; i < c->nway; i++) {
		const char *text;
		int in;

		buf_clear(&b);
		way_text(&b, s->fleet, s->plan, &c->way[i]);
		text = buf_str(&b);
		in = (int)strspn(text, " ");
		page_line(p);
		if (i == 0)
			page_at(p, LABEL_X, ROLE_DIM, "the way");
		page_at(p, TEXT_X + in, ROLE_TEXT, "%s", "");
		flow(p, TEXT_X + in + 2, ROLE_TEXT, text + in);
	}
	buf_clear(&b);
	(void)buf_printf(&b, "%s accepts %s, serves %s; %s dials %s, trusts ",
	    s->fleet->endpoints[through->endpoint].name, accept_word(c->accept), cert_word(s, c->cert),
	    through->name, dial_word(c->dial));
	trust_text(&b, s->fleet, c->trust);
	labelled(p, "in force", ROLE_STRONG, buf_str(&b));
	if (c->guessed)
		labelled(p, "", ROLE_DIM, "how it dials or is accepted at the start is not known; this is possible");
	if (c->step != NONE && c->drained != NONE) {
		buf_clear(&b);
		(void)buf_printf(&b, "open sessions go on until step %d '%s' ends those on plaintext: they cannot connect again",
		    c->drained + 1, s->plan->steps[c->drained].id);
		labelled(p, "outage", ROLE_BAD, buf_str(&b));
	} else if (c->step != NONE && c->delayed)
		labelled(p, "delayed", ROLE_WARN, "open sessions go on; it fails when they connect again");
	else if (c->step != NONE)
		labelled(p, "at once", ROLE_WARN, "what is restarted there has to connect again");
	buf_clear(&b);
	fix_text(&b, s->plan, c);
	if (b.len > 0)
		labelled(p, "safe", ROLE_GOOD, buf_str(&b));
	else if (c->step != NONE)
		labelled(p, "safe", ROLE_DIM, "no change of order was found that would be");
	buf_release(&b);
}

static void
add_counters(struct page *p, const struct scene *s, int chosen)
{
	const struct proof *proof = s->proven->proof;
	struct buf b;
	size_t i;

	if (proof->ncounters == 0)
		return;
	page_line(p);
	page_heading(p, "COUNTER-EXAMPLES");
	page_add(p, ROLE_DIM, "  Tab picks the next, Enter goes to its step");
	buf_init(&b, 0);
	for (i = 0; i < proof->ncounters && room_for(p, i, proof->ncounters, TOLD); i++) {
		const struct counter *c = &proof->counters[i];
		bool whole = i < TOLD_WHOLE || (int)i == chosen;

		buf_clear(&b);
		if (!whole) {
			when_words(&b, s, c);
			(void)buf_puts(&b, ": ");
		}
		proven_outcome(&b, s->fleet, c);
		page_line(p);
		p->v[p->n - 1].item = (int)i + 1;
		page_add(p, ROLE_DIM, "%3zu ", i + 1);
		page_add(p, ROLE_BAD, "%s ", glyph(p->ascii, G_FAIL));
		flow(p, LABEL_X + 1, ROLE_BAD, buf_str(&b));
		if (whole)
			add_story(p, s, c);
	}
	buf_release(&b);
}

/* ---- the rest ---- */

static const char *
excuse(const struct plan *plan, int link)
{
	size_t i, k;

	for (i = 0; i < plan->nsteps; i++)
		for (k = 0; k < plan->steps[i].nexcuses; k++)
			if (plan->steps[i].excuses[k].link == link)
				return plan->steps[i].excuses[k].reason;
	return "";
}

static void
add_links(struct page *p, const struct scene *s)
{
	const struct proof *proof = s->proven->proof;
	char *words;
	size_t i;

	if (proof->unknown.n > 0) {
		page_line(p);
		page_heading(p, "NOT PROVEN");
	}
	for (i = 0; i < proof->unknown.n && room_for(p, i, proof->unknown.n, LISTED); i++) {
		words = mem_printf("%s %s: what it does is not known in every posture", glyph(p->ascii, G_DOUBT),
		    s->fleet->links[proof->unknown.v[i]].name);
		listed(p, ROLE_WARN, words);
		free(words);
	}
	if (proof->excused.n > 0) {
		page_line(p);
		page_heading(p, "MAY REFUSE");
	}
	for (i = 0; i < proof->excused.n && room_for(p, i, proof->excused.n, LISTED); i++) {
		words = mem_printf("%s %s: %s", glyph(p->ascii, G_WAIVED),
		    s->fleet->links[proof->excused.v[i]].name, excuse(s->plan, proof->excused.v[i]));
		listed(p, ROLE_WARN, words);
		free(words);
	}
}

static void
add_lint(struct page *p, const struct scene *s)
{
	const struct lints *l = &s->proven->lints;
	size_t i;

	if (l->n == 0)
		return;
	page_line(p);
	page_heading(p, "LINT");
	for (i = 0; i < l->n && room_for(p, i, l->n, LISTED); i++) {
		const struct lint *f = &l->v[i];
		enum role role = f->level == LINT_WARN ? ROLE_WARN : ROLE_TEXT;
		char *words = mem_printf("%s [%s]", f->text, f->name);

		page_line(p);
		page_add(p, role, "  %s", lint_level_word(f->level));
		page_add(p, ROLE_DIM, "  %s:%d:%d", f->in_plan ? s->plan->path : s->fleet->path,
		    f->pos.line, f->pos.col);
		page_line(p);
		page_add(p, role, "    ");
		flow(p, 4, ROLE_TEXT, words);
		free(words);
	}
}

static void
add_not_yet(struct page *p, const struct scene *s)
{
	size_t i, n = s->fleet->not_yet.n + (s->plan == NULL ? 0 : s->plan->not_yet.n);

	if (n == 0)
		return;
	page_line(p);
	page_heading(p, "WRITTEN THERE, AND NOT BUILT YET");
	for (i = 0; i < n && room_for(p, i, n, LISTED); i++)
		listed(p, ROLE_DIM, i < s->fleet->not_yet.n ? s->fleet->not_yet.v[i] :
		    s->plan->not_yet.v[i - s->fleet->not_yet.n]);
}

void
proof_page(struct page *p, const struct scene *s, int chosen)
{
	size_t i;

	if (s->proven == NULL) {
		page_line(p);
		page_add(p, ROLE_DIM, " nobody has looked yet");
		return;
	}
	if (s->plan == NULL || s->proven->proof == NULL) {
		page_line(p);
		page_add(p, ROLE_DIM, " there is no plan to prove: belay -p PLAN gives one");
	} else {
		add_verdict(p, s);
		add_contradictions(p, s);
		add_counters(p, s, chosen);
		add_links(p, s);
	}
	add_lint(p, s);
	add_not_yet(p, s);
	if (s->plan == NULL)
		return;
	page_line(p);
	page_heading(p, "NOT CONSIDERED BY THE PROOF");
	for (i = 0; proof_leaves_out[i] != NULL; i++)
		listed(p, ROLE_DIM, proof_leaves_out[i]);
}

void
proof_check_words(struct page *p, const struct scene *s, int step, int indent)
{
	struct look look = look_proof(proven_state(s->proven));
	unsigned strands = proven_strands(s->proven, step);
	char *words;

	page_flow(p, indent, ROLE_DIM,
	    "what is left of the plan strands no client; judged last, on what is seen then");
	if (look.blank)
		return;
	words = strands > 0 ? mem_printf("so far: %s %s, by this step for %u link%s (P)", glyph(p->ascii, look.glyph),
	    look.word, strands, strands == 1 ? "" : "s") :
	    mem_printf("so far: %s %s (P)", glyph(p->ascii, look.glyph), look.word);
	page_add(p, ROLE_DIM, "  ");
	page_flow(p, indent, look.role, words);
	free(words);
}
