/*
 * pane_dashboard: steps on the left, links and endpoints on the right, the
 * selected thing's detail below.
 *
 * At 80 columns a link's row has its name, dial, sessions and age; what its
 * sessions were seen to speak stands in the detail, and in a column of its own
 * where there is room.  Owns nothing.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"
#include "ui/look.h"
#include "ui/steps.h"

#define DETAIL_MIN	4
#define DETAIL_MAX	12
#define WIDE		104	/* cells from which there is room for "seen as" */

/* ---- steps ---- */

/* Gate results so far: "2/4". */
static void
gate_count(char ret[LOOK_MAX], const struct scene *s, int step)
{
	size_t n, i, passed = 0;
	const struct check_result *r = s->results(s->arg, step, true, &n);

	ret[0] = '\0';
	if (r == NULL || n == 0)
		return;
	for (i = 0; i < n; i++)
		passed += r[i].judgement == CHECK_PASS || r[i].judgement == CHECK_WAIVED;
	snprintf(ret, LOOK_MAX, "%zu/%zu", passed, n);
}

/* Is there somebody on plaintext whom the step's own guard would find? */
static uint32_t
plain_in_the_way(const struct scene *s, const struct step *step)
{
	uint32_t plain = 0;
	size_t i;

	for (i = 0; i < step->nrequires; i++)
		if (step->requires[i].kind == CHECK_CENSUS && step->requires[i].endpoint != NONE)
			plain += scene_plain_at(s, step->requires[i].endpoint, NULL);
	return plain;
}

/* Links that the step strands, over all of its `for` where the row stands for that. */
static unsigned
row_strands(const struct scene *s, const struct step_row *row)
{
	const struct group *g = &s->plan->groups[row->group];
	unsigned n = 0;
	size_t i;

	if (!row->head)
		return proven_strands(s->proven, row->step);
	for (i = g->first; i < g->first + g->n; i++)
		n += proven_strands(s->proven, (int)i);
	return n;
}

/* What stands at the right of a step's row: as little as says it. */
static void
step_status(char ret[LOOK_MAX], enum role *role, const struct scene *s, const struct step_row *row)
{
	int step = row->step;
	unsigned strands = row_strands(s, row);
	const struct step_view *sv = rollout_step(s->rollout, step);
	struct look look = look_phase(sv->phase);
	char count[LOOK_MAX], age[LOOK_MAX];
	struct running run;
	uint32_t plain;

	*role = look.role;
	ret[0] = '\0';
	switch (sv->phase) {
	case PHASE_TODO:
	case PHASE_RESTORED:
	case PHASE_READY:
		if (sv->phase == PHASE_READY && sv->why[0] != '\0') {
			*role = ROLE_WARN;
			snprintf(ret, LOOK_MAX, "refused");
		} else if (strands > 0) {
			*role = ROLE_BAD;
			snprintf(ret, LOOK_MAX, "strands %u", strands);
		} else if ((plain = plain_in_the_way(s, &s->plan->steps[step])) > 0) {
			*role = ROLE_WARN;
			snprintf(ret, LOOK_MAX, "%u plain", (unsigned)plain);
		} else if (sv->phase != PHASE_TODO)
			snprintf(ret, LOOK_MAX, "%s", look.word);
		else if (s->plan->steps[step].not_yet != NULL) {
			*role = ROLE_DIM;
			snprintf(ret, LOOK_MAX, "not yet");
		} else if (s->plan->steps[step].optional) {
			*role = ROLE_DIM;
			snprintf(ret, LOOK_MAX, "optional");
		}
		break;
	case PHASE_APPLYING:
	case PHASE_UNDOING:
		if (s->running(s->arg, &run) && run.step == step) {
			look_age(age, s->now_ms, run.since_ms);
			snprintf(ret, LOOK_MAX, "%s %.12s", look.word, age);
		} else
			snprintf(ret, LOOK_MAX, "%s", look.word);
		break;
	case PHASE_PROVING:
		gate_count(count, s, step);
		snprintf(ret, LOOK_MAX, "%s%s%.8s", look.word, count[0] == '\0' ? "" : " ", count);
		break;
	case PHASE_SOAKING:
		text_age(age, sizeof(age), sv->soak_until_ms > s->now_ms ?
		    sv->soak_until_ms - s->now_ms : 0);
		snprintf(ret, LOOK_MAX, "%s %.12s", look.word, age);
		break;
	case PHASE_DONE:
		if (strands > 0) {
			*role = ROLE_BAD;
			snprintf(ret, LOOK_MAX, "strands %u", strands);
		}
		break;
	case PHASE_PREVIEWING:
	case PHASE_GUARDING:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_FAULTED:
	case PHASE_DOUBT:
	case PHASE_STUCK:
		snprintf(ret, LOOK_MAX, "%s", look.word);
		break;
	}
}

/* "flip × 4, 2 done", or "flip 2/4" where that is too long. */
static char *
group_words(const struct scene *s, int group, size_t passed, int width, bool ascii)
{
	const struct group *g = &s->plan->groups[group];
	char *title = look_title(g->title, ascii), *words, times[LOOK_MAX], *at;

	words = mem_printf("%s, %zu done", title, passed);
	snprintf(times, sizeof(times), " %s %zu", glyph(ascii, G_TIMES), g->n);
	if ((int)text_width(words) > width && (at = strstr(title, times)) != NULL &&
	    strcmp(at, times) == 0) {
		*at = '\0';
		free(words);
		words = mem_printf("%s %zu/%zu", title, passed, g->n);
	}
	free(title);
	return words;
}

/*
 * Number, sign, name, and at the right what there is to say.  The name is the
 * id, which commands and messages use; what it does stands behind it where
 * there is room.
 */
static void
draw_step(struct area a, int y, const struct view *v, const struct scene *s,
    const struct step_row *row)
{
	const struct step *step = &s->plan->steps[row->step];
	enum phase phase = rollout_step(s->rollout, row->step)->phase;
	struct look look = look_phase(phase);
	char status[LOOK_MAX], *title;
	enum role role = look.role, status_role;
	int end = a.w - 1, x;
	const char *sign = look.blank ? " " : glyph(v->ascii, look.glyph);
	size_t passed = row->head ? steps_passed(s, row->group) : 0;

	step_status(status, &status_role, s, row);
	if (row->step == rollout_next(s->rollout) && look.blank) {
		sign = glyph(v->ascii, G_NEXT);
		role = ROLE_STRONG;
	}
	/* A `for` with nothing more to do is done, whatever its last step was. */
	if (row->head && passed == row->in_group && status_role != ROLE_BAD)
		status[0] = '\0';
	if (row->head)
		grid_put(a, y, 0, 1, ROLE_DIM,
		    glyph(v->ascii, v->open_group == row->group ? G_OPEN : G_FOLDED));
	grid_printf(a, y, 1, 4, ROLE_DIM, row->child ? "%4s" : "%2s", row->number);
	x = row->child ? 6 : 4;
	grid_put(a, y, x, 2, role, sign);
	x += 2;
	if (status[0] != '\0') {
		end -= (int)text_width(status) + 1;
		grid_put_right(a, y, a.w - 1, status_role, status);
		if ((status_role == ROLE_WARN || status_role == ROLE_BAD) && (phase == PHASE_TODO || phase == PHASE_READY ||
		    phase == PHASE_RESTORED || phase == PHASE_DONE)) {
			end -= 2;
			grid_put(a, y, end + 1, 1, status_role, glyph(v->ascii, G_FORBID));
		}
	}
	if (role != ROLE_STRONG && role != ROLE_BUSY && role != ROLE_BAD && role != ROLE_WARN)
		role = ROLE_TEXT;
	if (row->head) {
		title = group_words(s, row->group, passed, end - x, v->ascii);
		grid_put(a, y, x, end - x, role, title);
	} else {
		title = look_title(step->title, v->ascii);
		x += grid_put(a, y, x, end - x, role, step->id);
		if (strcmp(title, step->id) != 0 && (end - x - 2 >= (int)text_width(title) || end - x > 24))
			grid_put(a, y, x + 2, end - x - 2, ROLE_DIM, title);
	}
	free(title);
}

static void
draw_steps(struct area a, struct view *v, const struct scene *s)
{
	struct scroll *l = &v->lists[PANE_DASHBOARD];
	struct step_row *rows;
	size_t n = steps_rows(s, v->open_group, view_steps_filter(v), &rows);
	int y;

	scroll_fit(l, (int)n, a.h);
	for (y = 0; y < a.h && (size_t)(l->top + y) < n; y++) {
		draw_step(a, y, v, s, &rows[l->top + y]);
		if (l->top + y == l->sel && !v->on_links)
			grid_select(a, y, 0, a.w);
	}
	if (n == 0)
		grid_put(a, 0, 1, -1, ROLE_DIM, "no step matches the filter");
	free(rows);
}

/* ---- links ---- */

struct columns {
	int	 name, dial, sessions, seen, age;	/* x */
	int	 w;
};

static void
columns_fit(struct columns *c, const struct scene *s, int w)
{
	int longest = 8, len;
	size_t i;

	for (i = 0; i < s->fleet->nlinks; i++) {
		const struct link *l = &s->fleet->links[i];

		len = (int)text_width(s->fleet->clients[l->client].name) + 3 +
		    (int)text_width(s->fleet->endpoints[l->endpoint].name);
		if (len > longest)
			longest = len;
	}
	c->w = w;
	c->name = 1;
	c->age = w - 4;
	/* name, dial 13, sessions 14, age 4; a wide screen gives the rest to "seen as". */
	if (w >= longest + 2 + 14 + 18 + 16) {
		c->dial = c->name + longest + 2;
		c->sessions = c->dial + 14;
		c->seen = c->sessions + 18;
		return;
	}
	c->seen = 0;
	c->sessions = c->age - 13;
	c->dial = c->sessions - 12;
	if (c->dial > c->name + longest + 1 && c->dial - (c->name + longest) > 4) {
		c->dial = c->name + longest + 3;
		c->sessions = c->dial + 14 < c->sessions ? c->dial + 14 : c->sessions;
	}
}

/* What belay's own handshake met there, or why nothing is known. */
static char *
seen_as(const struct link_view *lv)
{
	if (lv->state == LINK_UNKNOWN || lv->state == LINK_STALE)
		return mem_strdup(lv->why);
	if (lv->state == LINK_PROVEN && lv->protocol != NULL)
		return mem_printf("path proven, %s %s", lv->protocol, lv->cipher == NULL ? "" : lv->cipher);
	return mem_strdup(lv->why);
}

static void
dial_words(char ret[LOOK_MAX], const struct link_view *lv)
{
	if (lv->dial == DIAL_UNKNOWN)
		snprintf(ret, LOOK_MAX, "?");
	else
		snprintf(ret, LOOK_MAX, lv->dial_declared ? "(%s)" : "%s", dial_word(lv->dial));
}

static void
draw_link(struct area a, int y, const struct view *v, const struct scene *s, int link,
    const struct columns *c)
{
	struct link_view lv;
	struct look look;
	char words[LOOK_MAX], *name, *seen;

	scene_link(s, link, &lv);
	look = look_link(lv.state);
	name = look_link_name(s->fleet, link, v->ascii);
	grid_put(a, y, c->name, c->dial - c->name - 1, ROLE_TEXT, name);
	free(name);
	dial_words(words, &lv);
	grid_put(a, y, c->dial, c->sessions - c->dial - 1,
	    lv.dial == DIAL_UNKNOWN || lv.dial_declared ? ROLE_DIM : ROLE_TEXT, words);
	look_sessions(words, &lv);
	grid_put(a, y, c->sessions, 1, look.role, glyph(v->ascii, look.glyph));
	grid_put(a, y, c->sessions + 2, (c->seen > 0 ? c->seen : c->age) - c->sessions - 3,
	    look.role, words);
	if (c->seen > 0) {
		seen = seen_as(&lv);
		grid_put(a, y, c->seen, c->age - c->seen - 1, ROLE_DIM, seen);
		free(seen);
	}
	look_age_short(words, s->now_ms, lv.at_ms);
	grid_put_right(a, y, c->age + 3, lv.state == LINK_STALE ? ROLE_WARN : ROLE_DIM, words);
}

static void
draw_links(struct area a, struct view *v, const struct scene *s)
{
	struct columns c;
	int *rows, y;
	size_t n = view_links(v, s, &rows);
	struct area list = area_part(a, 1, 0, a.h - 1, a.w);

	columns_fit(&c, s, a.w);
	scroll_fit(&v->links, (int)n, list.h);
	if (n > (size_t)list.h)
		grid_printf(a, 0, c.name, c.dial - c.name - 1, ROLE_HEADING, "LINK %d-%d of %zu",
		    v->links.top + 1, v->links.top + list.h < (int)n ? v->links.top + list.h : (int)n, n);
	else
		grid_put(a, 0, c.name, -1, ROLE_HEADING, "LINK");
	grid_put(a, 0, c.dial, -1, ROLE_HEADING, "DIALS");
	grid_put(a, 0, c.sessions, -1, ROLE_HEADING, "SESSIONS");
	if (c.seen > 0)
		grid_put(a, 0, c.seen, -1, ROLE_HEADING, "SEEN AS");
	grid_put_right(a, 0, c.age + 3, ROLE_HEADING, "AGE");
	for (y = 0; y < list.h && (size_t)(v->links.top + y) < n; y++) {
		draw_link(list, y, v, s, rows[v->links.top + y], &c);
		if (v->links.top + y == v->links.sel && v->on_links)
			grid_select(list, y, 0, list.w);
	}
	free(rows);
}

/* ---- endpoints ---- */

static void
draw_endpoint(struct area a, int y, const struct view *v, const struct scene *s, int endpoint,
    int x_accept, int x_cert)
{
	const struct endpoint *e = &s->fleet->endpoints[endpoint];
	const struct reading *r = board_reading(s->board, READING_SERVED, endpoint);
	struct endpoint_view ev;
	struct cert_row row;
	char age[LOOK_MAX], words[LOOK_MAX * 2];
	enum role role = ROLE_TEXT;
	size_t i, covered = 0;
	int x;

	scene_endpoint(s, endpoint, &ev);
	grid_put(a, y, 1, x_accept - 2, ROLE_TEXT, e->name);
	/* What is written is not what runs, or what the server says of itself. */
	if (ev.served == ACCEPT_UNKNOWN && ev.configured == ACCEPT_UNKNOWN) {
		role = ROLE_DIM;
		snprintf(words, sizeof(words), "?");
	} else if (ev.served == ACCEPT_UNKNOWN)
		snprintf(words, sizeof(words), "(%s)", accept_word(ev.configured));
	else if (ev.configured != ACCEPT_UNKNOWN && ev.configured != ev.served) {
		/* What is written is not what runs: that is the finding. */
		role = ROLE_WARN;
		snprintf(words, sizeof(words), "%s, set %s", accept_word(ev.served),
		    accept_word(ev.configured));
	} else
		snprintf(words, sizeof(words), "%s", accept_word(ev.served));
	grid_put(a, y, x_accept, x_cert - x_accept - 1, role, words);
	if (r == NULL || r->served.tls != LEG_OPEN) {
		grid_put(a, y, x_cert, -1, ROLE_DIM, ev.why[0] != '\0' ? ev.why :
		    r == NULL ? "not seen yet" : "no tls");
		return;
	}
	for (i = 0; i < r->served.nnames; i++)
		covered += r->served.name[i] == VERIFIED_OK;
	scene_cert(s, endpoint, &row);
	if (row.revoked != NULL) {
		/* Worse than whatever else there is to say of it. */
		grid_put(a, y, x_cert, 1, ROLE_BAD, glyph(v->ascii, G_FAIL));
		grid_put(a, y, x_cert + 2, -1, ROLE_BAD, row.revoked);
		return;
	}
	text_age(age, sizeof(age), row.ends_s * 1000 - s->now_ms);
	role = ev.path_proven ? ROLE_GOOD : ROLE_WARN;
	grid_put(a, y, x_cert, 1, role, glyph(v->ascii, ev.path_proven ? G_DONE : G_DOUBT));
	x = x_cert + 2;
	x += grid_put(a, y, x, -1, role, ev.path_proven ? "path proven" : ev.verified ? "verified" : "unproven") + 1;
	if (row.expiry == EXPIRY_FAR)
		x += grid_printf(a, y, x, -1, ROLE_DIM, "%s", age);
	else
		x += grid_printf(a, y, x, -1, look_expiry(row.expiry), "%s left: %s", row.expiry == EXPIRY_PAST ? "none" : age,
		    expiry_word(row.expiry));
	/* Where the path is proven every name is covered. */
	if (!ev.path_proven)
		x += grid_printf(a, y, x, -1, ROLE_DIM, ", names %zu/%zu", covered, r->served.nnames);
	if (x + 12 < a.w)
		grid_put(a, y, x + 2, -1, ROLE_DIM, ev.path_proven && r->served.cert.key != NULL ?
		    r->served.cert.key : ev.why);
}

static void
draw_endpoints(struct area a, const struct view *v, const struct scene *s)
{
	size_t i, n = s->fleet->nendpoints;
	int x_accept = 13, x_cert, y;

	for (i = 0; i < n; i++)
		if ((int)text_width(s->fleet->endpoints[i].name) + 2 > x_accept)
			x_accept = (int)text_width(s->fleet->endpoints[i].name) + 2;
	if (x_accept > a.w / 3)
		x_accept = a.w / 3;
	x_cert = x_accept + 10;
	for (i = 0; i < n; i++) {
		struct endpoint_view ev;

		scene_endpoint(s, (int)i, &ev);
		if (ev.configured != ev.served && ev.configured != ACCEPT_UNKNOWN &&
		    ev.served != ACCEPT_UNKNOWN)
			x_cert = x_accept + 17;
	}
	grid_put(a, 0, 1, -1, ROLE_HEADING, "ENDPOINT");
	grid_put(a, 0, x_accept, -1, ROLE_HEADING, "ACCEPTS");
	grid_put(a, 0, x_cert, -1, ROLE_HEADING, "CERTIFICATE");
	for (y = 1; y < a.h && (size_t)(y - 1) < n; y++) {
		if (y == a.h - 1 && n > (size_t)a.h - 1) {
			grid_printf(a, y, 1, -1, ROLE_DIM, "%zu more: c", n - (size_t)y + 1);
			break;
		}
		draw_endpoint(a, y, v, s, y - 1, x_accept, x_cert);
	}
}

/* ---- detail ---- */

static void
detail_changes(struct page *p, const struct scene *s, int step, bool roomy)
{
	const struct step *st = &s->plan->steps[step];
	const struct ops *ops = s->ops(s->arg, step);
	const char *text;
	char *words;
	size_t i;

	for (i = 0; ops != NULL && i < ops->n; i++) {
		const struct op *op = &ops->v[i];

		words = op_words(s, op);
		page_line(p);
		page_add(p, ROLE_TEXT, "  %s", words);
		free(words);
		text = s->op_text(s->arg, step, (int)i);
		if (op_kind_of_file(op->kind) || op->kind == OP_SETTING) {
			if (text == NULL)
				page_add(p, ROLE_DIM, "  (d shows the lines)");
			else if (roomy)
				page_text(p, 6, ROLE_DIM, true, text);
			else
				/* One line: the changed lines behind each other. */
				for (; *text != '\0'; text += strcspn(text, "\n"), text += *text == '\n')
					if ((text[0] == '+' || text[0] == '-') && text[1] != text[0])
						page_add(p, text[0] == '+' ? ROLE_ADDED : ROLE_REMOVED,
						    "  %.*s", (int)strcspn(text, "\n"), text);
		}
	}
	if (ops == NULL)
		for (i = 0; i < st->nmoves; i++) {
			words = look_move(s->fleet, &st->moves[i], p->ascii);
			page_line(p);
			page_add(p, ROLE_TEXT, "  %s", words);
			free(words);
		}
}

/* What it will be judged by: names only. */
static void
detail_checks(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	size_t i;

	if (st->ngates == 0)
		return;
	page_line(p);
	page_add(p, ROLE_DIM, "  gate: ");
	for (i = 0; i < st->ngates; i++)
		page_add(p, ROLE_DIM, "%s%s", i == 0 ? "" : ", ", st->gates[i].name);
}

static void
detail_gate(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	const struct check_result *r;
	struct look look;
	size_t n, i;

	r = s->results(s->arg, step, true, &n);
	for (i = 0; i < st->ngates; i++) {
		look = look_judgement(r == NULL || i >= n ? CHECK_PENDING : r[i].judgement);
		page_line(p);
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
		page_at(p, 18, ROLE_TEXT, "%s", st->gates[i].name);
		if (r != NULL && i < n && r[i].why[0] != '\0')
			page_add(p, ROLE_DIM, "  %s", r[i].why);
	}
}

static void
detail_running(struct page *p, const struct scene *s, int step)
{
	const struct ops *ops = s->ops(s->arg, step);
	struct running run;
	char since[LOOK_MAX], limit[LOOK_MAX], *words;

	if (!s->running(s->arg, &run) || run.step != step || ops == NULL || run.op < 0 ||
	    (size_t)run.op >= ops->n)
		return;
	words = op_words(s, &ops->v[run.op]);
	look_age(since, s->now_ms, run.since_ms);
	text_age(limit, sizeof(limit), run.deadline_ms - run.since_ms);
	page_line(p);
	page_add(p, ROLE_BUSY, "  %d/%zu %s", run.op + 1, ops->n, words);
	page_add(p, ROLE_DIM, "  %s of %s", since, limit);
	free(words);
	if (run.output == NULL || *run.output == '\0')
		return;
	page_text(p, 4, ROLE_DIM, false, last_lines(run.output, 2));
}

/* Whom the plan strands at this step; and how it is taken back, where that is not the last one's turn. */
static void
detail_proof(struct page *p, const struct scene *s, int step)
{
	unsigned strands = proven_strands(s->proven, step);

	if (strands > 0) {
		page_line(p);
		page_add(p, ROLE_BAD, "  %s strands %u link%s, while it is in flight or after it", glyph(p->ascii, G_FORBID),
		    strands, strands == 1 ? "" : "s");
		page_add(p, ROLE_TEXT, "  P tells how");
	}
	if (rollout_step(s->rollout, step)->phase == PHASE_DONE && step != rollout_last(s->rollout)) {
		page_line(p);
		page_add(p, ROLE_DIM, "  U undoes it out of its turn, if that strands nobody");
	}
}

/* The last line of what a command said that failed. */
static void
detail_said(struct page *p, const struct scene *s, int step, size_t nops)
{
	const char *text;
	size_t i;

	for (i = 0; i < nops; i++)
		if ((text = said_text(s, step, i)) != NULL) {
			page_text(p, 4, ROLE_TEXT, false, last_lines(text, 1));
			return;
		}
}

static void
detail_step(struct page *p, const struct scene *s, int step, bool roomy)
{
	const struct step_view *sv = rollout_step(s->rollout, step);
	char *impact = impact_words(s, step), age[LOOK_MAX], number[STEP_NUMBER_MAX];
	struct look look = look_phase(sv->phase);

	step_number(number, s->plan, step);
	page_line(p);
	page_add(p, ROLE_HEADING, " STEP %s", number);
	page_add(p, ROLE_STRONG, "  %s", s->plan->steps[step].id);
	if (look.word[0] != '\0')
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
	page_at(p, 0, ROLE_DIM, " %s", impact);
	free(impact);
	detail_proof(p, s, step);
	switch (sv->phase) {
	case PHASE_FAULTED:
	case PHASE_STUCK:
	case PHASE_DOUBT:
		page_line(p);
		page_add(p, ROLE_TEXT, sv->phase == PHASE_FAULTED ?
		    "  u undoes it; :retry takes it up again; p shows what is where" :
		    sv->phase == PHASE_STUCK ? "  u tries again; p shows what is where" :
		    "  :settle asks the hosts again; u undoes it; p shows what is where");
		canary_lines(p, s, step, true);
		page_wrap(p, 2, look.role, sv->why);
		detail_said(p, s, step, sv->nops);
		detail_gate(p, s, step);
		break;
	case PHASE_APPLYING:
	case PHASE_UNDOING:
		if (sv->undo_wanted)
			page_wrap(p, 2, ROLE_WARN, "undo begins when the operation that runs has ended");
		canary_lines(p, s, step, false);
		detail_running(p, s, step);
		break;
	case PHASE_SOAKING:
		text_age(age, sizeof(age), sv->soak_until_ms > s->now_ms ?
		    sv->soak_until_ms - s->now_ms : 0);
		page_line(p);
		page_add(p, ROLE_TEXT, "  proven; watched for %s more", age);
		canary_lines(p, s, step, false);
		detail_gate(p, s, step);
		break;
	case PHASE_GUARDING:
	case PHASE_PROVING:
	case PHASE_DONE:
		canary_lines(p, s, step, false);
		detail_gate(p, s, step);
		break;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_RESTORED:
		if (sv->why[0] != '\0')
			page_wrap(p, 2, ROLE_WARN, sv->why);
		if (sv->phase == PHASE_RESTORED)
			canary_lines(p, s, step, false);
		detail_changes(p, s, step, roomy);
		detail_checks(p, s, step);
		break;
	}
}

static void
detail_link(struct page *p, const struct scene *s, int link)
{
	const struct link *l = &s->fleet->links[link];
	struct rehearsal_view rv;
	struct link_view lv;
	struct look look;
	char words[LOOK_MAX], age[LOOK_MAX], *name;
	int host = link_host(s->fleet, l);

	scene_link(s, link, &lv);
	look = look_link(lv.state);
	name = look_link_name(s->fleet, link, p->ascii);
	page_line(p);
	page_add(p, ROLE_HEADING, " LINK");
	page_add(p, ROLE_STRONG, "  %s", name);
	free(name);
	look_sessions(words, &lv);
	page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), words);
	look_age(age, s->now_ms, lv.at_ms);
	if (age[0] != '\0')
		page_add(p, ROLE_DIM, "  %s, %s ago", client_seen_words(lv.client), age);
	page_line(p);
	dial_words(words, &lv);
	page_add(p, ROLE_TEXT, "  dials %s:%d as %s", link_dials_name(s->fleet, l),
	    link_dials_port(s->fleet, l, lv.dial), words);
	if (host != NONE)
		page_add(p, ROLE_DIM, "  from %s", s->fleet->hosts[host].name);
	page_add(p, ROLE_DIM, lv.dial_declared ? "  (declared, not seen)" :
	    lv.dial == DIAL_UNKNOWN ? "  (not read)" : "  (as written there)");
	if (lv.verifies != NULL) {
		page_line(p);
		page_add(p, ROLE_TEXT, "  verifies %s (declared)", lv.verifies);
		page_add(p, ROLE_DIM, "  no server can see that");
	}
	if (lv.why[0] != '\0')
		page_wrap(p, 2, look.role, lv.why);
	if (lv.started[0] != '\0')
		page_wrap(p, 2, ROLE_WARN, lv.started);
	board_rehearsed(s->board, link, s->now_ms, s->stale_ms[READING_CENSUS], s->stale_ms[READING_REHEARSAL], &rv);
	if (rv.words[0] != '\0') {
		page_line(p);
		page_add(p, rv.finding[0] != '\0' ? ROLE_WARN : ROLE_TEXT, "  rehearsed: %s", rv.words);
		if (rv.reading != NULL) {
			look_age(age, s->now_ms, rv.reading->at_ms);
			page_add(p, ROLE_DIM, "  %s ago", age);
		}
	}
	if (rv.finding[0] != '\0')
		page_wrap(p, 2, ROLE_WARN, rv.finding);
	if (lv.path_proven || lv.protocol != NULL) {
		page_line(p);
		page_add(p, lv.path_proven ? ROLE_GOOD : ROLE_TEXT, "  %s", lv.path_proven ? "path proven" : "path not proven");
		page_add(p, ROLE_DIM, "  belay's own handshake: %s %s", lv.protocol == NULL ? "" : lv.protocol,
		    lv.cipher == NULL ? "" : lv.cipher);
	}
}

static void
draw_detail(struct area a, struct view *v, const struct scene *s)
{
	struct page p;
	int *rows, step;
	size_t n;

	page_init(&p, a.w, v->ascii);
	if (v->on_links) {
		if ((n = view_links(v, s, &rows)) > 0)
			detail_link(&p, s, rows[(size_t)v->links.sel < n ? (size_t)v->links.sel : n - 1]);
		free(rows);
	} else if ((step = view_step(v, s)) != NONE)
		detail_step(&p, s, step, a.h > 2 * DETAIL_MIN);
	page_draw(&p, a, 0);
	page_release(&p);
}

/* ---- all of it ---- */

void
dashboard_draw(struct area all, struct view *v, const struct scene *s)
{
	struct area a = area_part(all, 1, 0, all.h - 1, all.w);
	int left, detail, body, endpoints, y, want;
	struct area right;
	size_t nlinks = s->fleet->nlinks, nends = s->fleet->nendpoints;

	left = s->plan == NULL ? 0 : a.w < WIDE ? a.w * 28 / 80 : a.w < 150 ? 36 : 46;
	/* The detail gets what the lists do not need, but never less than its minimum. */
	want = (int)(nlinks + 1 + nends + 2);
	if (s->plan != NULL && (int)s->plan->ngroups > want)
		want = (int)s->plan->ngroups;
	detail = a.h - 1 - want;
	if (detail < DETAIL_MIN)
		detail = DETAIL_MIN;
	if (detail > DETAIL_MAX)
		detail = DETAIL_MAX;
	if (detail > a.h / 2)
		detail = a.h / 2;
	body = a.h - detail - 1;
	endpoints = (int)nends + 1;
	if (endpoints > body / 3)
		endpoints = body / 3;
	grid_fill(all, 0, 0, -1, ROLE_RULE, glyph(v->ascii, G_HLINE));
	if (left > 0) {
		grid_put(all, 0, left, 1, ROLE_RULE, glyph(v->ascii, G_TEE_DOWN));
		draw_steps(area_part(a, 0, 0, body, left), v, s);
		for (y = 0; y < body; y++)
			grid_put(a, y, left, 1, ROLE_RULE, glyph(v->ascii, G_VLINE));
		left++;
	}
	right = area_part(a, 0, left, body, a.w - left);
	/* A blank line between the two where there is one to spare. */
	want = (int)nlinks + 1 + 1 + endpoints <= body ? 1 : 0;
	draw_links(area_part(right, 0, 0, (int)nlinks + 1 < body - endpoints - want ?
	    (int)nlinks + 1 : body - endpoints - want, right.w), v, s);
	y = (int)nlinks + 1 < body - endpoints - want ? (int)nlinks + 1 + want : body - endpoints;
	draw_endpoints(area_part(right, y, 0, endpoints, right.w), v, s);
	grid_fill(a, body, 0, -1, ROLE_RULE, glyph(v->ascii, G_HLINE));
	if (left > 0)
		grid_put(a, body, left - 1, 1, ROLE_RULE, glyph(v->ascii, G_TEE_UP));
	draw_detail(area_part(a, body + 1, 0, detail, a.w), v, s);
}
