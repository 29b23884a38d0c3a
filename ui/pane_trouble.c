/*
 * pane_trouble: what heads a step's progress pane when the step has faulted,
 * is stuck or in doubt, or a host of it is lost: of each host what is known,
 * then what can be done, a line each; and of a file that somebody else changed
 * what we wrote, what is there, and what an undo would restore.
 *
 * It says only what the rollout and the board know.  What cannot be done now
 * stands there with the reason.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

#define SILENT_MS	20000	/* longer than a host that is well is ever left alone */
#define COLUMN	28	/* where what is known of a host begins */

/* A session may seem up for a while whose host has hung. */
static bool
away(const struct scene *s, int host)
{
	const struct host_view *hv = board_host_view(s->board, host);
	int64_t heard = board_heard(s->board, host);

	return (hv != NULL && (hv->reach == REACH_LOST || hv->reach == REACH_BLOCKED)) ||
	    (heard > 0 && s->now_ms - heard > SILENT_MS);
}

bool
step_in_trouble(const struct scene *s, int step)
{
	const struct step_view *v = rollout_step(s->rollout, step);
	size_t i;

	switch (v->phase) {
	case PHASE_FAULTED:
	case PHASE_STUCK:
	case PHASE_DOUBT:
		return true;
	case PHASE_APPLYING:
	case PHASE_UNDOING:
		for (i = 0; i < v->nops; i++)
			if (v->ops[i].state != OPS_UNDONE && away(s, v->shapes[i].host))
				return true;
		return false;
	case PHASE_TODO:
	case PHASE_PREVIEWING:
	case PHASE_READY:
	case PHASE_GUARDING:
	case PHASE_PROVING:
	case PHASE_SOAKING:
	case PHASE_DONE:
	case PHASE_MET:
	case PHASE_SKIPPED:
	case PHASE_RESTORED:
		return false;
	}
	return false;
}

/* ---- what is known of each host ---- */

static void
put_count(struct buf *b, size_t n, const char *what)
{
	if (n > 0)
		buf_printf(b, "%s%zu %s", b->len > 0 ? ", " : "", n, what);
}

/* "2 written, 1 not begun; restarted": what stands on one host of what the step does there. */
static char *
host_words(const struct step_view *v, int host)
{
	size_t files[OPS_STUCK + 1] = { 0 }, i;
	const char *activation = NULL;
	struct buf b;

	for (i = 0; i < v->nops; i++) {
		if (v->shapes[i].host != host)
			continue;
		if (!v->shapes[i].activates) {
			files[v->ops[i].state]++;
			continue;
		}
		switch (v->ops[i].state) {
		case OPS_WAITING:
		case OPS_INTENT:
			activation = "not activated";
			break;
		case OPS_RUNNING:
			activation = "being activated";
			break;
		case OPS_APPLIED:
			activation = "activated";
			break;
		case OPS_FAILED:
			activation = "its activation failed";
			break;
		case OPS_CUT:
			activation = "whether it was activated is not known";
			break;
		case OPS_UNDO_INTENT:
		case OPS_UNDOING:
			activation = "being activated as before";
			break;
		case OPS_UNDONE:
			activation = "activated as before";
			break;
		case OPS_STUCK:
			activation = "not activated as before";
			break;
		}
	}
	buf_init(&b, 0);
	put_count(&b, files[OPS_WAITING] + files[OPS_INTENT], "not begun");
	put_count(&b, files[OPS_RUNNING], "under way");
	put_count(&b, files[OPS_APPLIED], "in place");
	put_count(&b, files[OPS_FAILED], "failed, and as before");
	put_count(&b, files[OPS_CUT], "begun, end not known");
	put_count(&b, files[OPS_UNDO_INTENT] + files[OPS_UNDOING], "being undone");
	put_count(&b, files[OPS_UNDONE], "as before");
	put_count(&b, files[OPS_STUCK], "not taken back");
	if (activation != NULL)
		buf_printf(&b, "%s%s", b.len > 0 ? "; " : "", activation);
	return buf_take(&b, NULL);
}

/* What does not answer says so, and when it is tried again. */
static void
add_host(struct page *p, const struct scene *s, int host, const char *words)
{
	const struct host_view *hv = board_host_view(s->board, host);
	struct look look = look_reach(hv == NULL ? REACH_UNKNOWN : hv->reach);
	char age[LOOK_MAX];
	int64_t heard = board_heard(s->board, host);

	page_at(p, 16, look.role, "%s", look.word);
	page_at(p, COLUMN, ROLE_TEXT, "%s", "");
	page_flow(p, COLUMN, ROLE_TEXT, words);
	if (hv == NULL || (hv->reach == REACH_UP && !away(s, host)))
		return;
	look_age(age, s->now_ms, heard);
	page_line(p);
	page_at(p, COLUMN, ROLE_WARN, age[0] == '\0' ? "never answered" : "last answered %s ago", age);
	if (hv->retry_at_ms > s->now_ms) {
		text_age(age, sizeof(age), hv->retry_at_ms - s->now_ms);
		page_add(p, ROLE_DIM, "; tried again in %s", age);
	}
	if (hv->why[0] != '\0')
		page_wrap(p, COLUMN, ROLE_DIM, hv->why);
}

static void
add_hosts(struct page *p, const struct scene *s, const struct step_view *v)
{
	bool *seen = mem_array(s->fleet->nhosts + 1, sizeof(*seen));
	size_t i, k;
	char *words;
	int host;

	page_heading(p, "WHAT IS WHERE");
	for (i = 0; i < v->nops; i++) {
		host = v->shapes[i].host;
		if (host < 0 || (size_t)host >= s->fleet->nhosts || seen[host])
			continue;
		seen[host] = true;
		words = host_words(v, host);
		page_line(p);
		page_col(p, 2, 13, ROLE_STRONG, s->fleet->hosts[host].name);
		add_host(p, s, host, words);
		free(words);
		for (k = i; k < v->nops; k++)
			if (v->shapes[k].host == host && v->ops[k].why[0] != '\0' &&
			    strcmp(v->ops[k].why, v->why) != 0 &&
			    (v->ops[k].state == OPS_FAILED || v->ops[k].state == OPS_STUCK ||
			    v->ops[k].state == OPS_CUT))
				page_wrap(p, COLUMN, look_op(v->ops[k].state).role, v->ops[k].why);
	}
	free(seen);
}

/* ---- what somebody else changed ---- */

static const char *
drift_text(const struct scene *s, int step, const struct step_view *v, size_t op)
{
	const struct ops *ops = s->ops(s->arg, step);
	const char *text;

	if (ops == NULL || op >= ops->n || v->ops[op].state != OPS_STUCK || !v->ops[op].drifted)
		return NULL;
	text = s->op_text(s->arg, step, (int)op);
	return text == NULL || text[0] == '\0' ? NULL : text;
}

static bool
any_drift(const struct step_view *v)
{
	size_t i;

	for (i = 0; i < v->nops; i++)
		if (v->ops[i].state == OPS_STUCK && v->ops[i].drifted)
			return true;
	return false;
}

static void
add_drift(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	const char *text;
	char *words;
	size_t i;

	for (i = 0; i < v->nops; i++) {
		if ((text = drift_text(s, step, v, i)) == NULL)
			continue;
		words = op_words(s, &s->ops(s->arg, step)->v[i]);
		page_heading(p, "CHANGED BY SOMEBODY ELSE: %s", words);
		free(words);
		page_text(p, 4, ROLE_TEXT, true, text);
	}
}

/* ---- which checks did not pass ---- */

static void
add_failed(struct page *p, const struct scene *s, int step)
{
	const struct step *st = &s->plan->steps[step];
	const struct check_result *r;
	struct look look;
	size_t i, n = 0, shown = 0;

	r = s->results(s->arg, step, true, &n);
	for (i = 0; r != NULL && i < n && i < st->ngates; i++) {
		if (r[i].judgement != CHECK_FAIL && r[i].judgement != CHECK_INCONCLUSIVE)
			continue;
		if (shown++ == 0)
			page_heading(p, "ITS GATE DID NOT HOLD");
		look = look_judgement(r[i].judgement);
		page_line(p);
		page_add(p, look.role, "  %s %s", glyph(p->ascii, look.glyph), look.word);
		page_at(p, COLUMN, ROLE_STRONG, "%s", st->gates[i].name);
		if (r[i].why[0] != '\0')
			page_wrap(p, COLUMN, ROLE_TEXT, r[i].why);
	}
}

/* ---- what can be done ---- */

static void
add_way(struct page *p, const char *key, enum role role, const char *words)
{
	page_line(p);
	page_at(p, 2, ROLE_KEY, "%s", key);
	page_at(p, COLUMN, role, "%s", "");
	page_flow(p, COLUMN, role, words);
}

/* The verb's line, or why it cannot be done now. */
static void
add_verb(struct page *p, const struct scene *s, int step, enum verb verb, const char *key, const char *words)
{
	const char *why = NULL;
	char *text;

	if (s->read_only)
		why = "this belay only looks";
	else if (rollout_may(s->rollout, verb, step, &why))
		why = NULL;
	else if (why == NULL)
		why = "not now";
	if (why == NULL) {
		add_way(p, key, ROLE_TEXT, words);
		return;
	}
	text = mem_printf("not now: %s", why);
	add_way(p, key, ROLE_DIM, text);
	free(text);
}

static void
add_ways(struct page *p, const struct scene *s, int step, const struct step_view *v, bool drift)
{
	page_heading(p, "WHAT CAN BE DONE");
	switch (v->phase) {
	case PHASE_FAULTED:
		add_verb(p, s, step, VERB_UNDO, "u", "takes back what of it is in place, and activates as before");
		add_verb(p, s, step, VERB_RETRY, ":retry", "goes on with what is left, then judges its gate");
		add_way(p, "v", ROLE_TEXT, "judges its gate again, and changes nothing");
		add_way(p, ":waive CHECK REASON", ROLE_TEXT, "lets a check count as passed; the mark stays");
		break;
	case PHASE_STUCK:
		add_verb(p, s, step, VERB_UNDO, "u", "tries again what is left; what is back stays back");
		if (drift)
			add_way(p, ":keep WHAT REASON", ROLE_TEXT,
			    "then u: what somebody else made of WHAT (HOST:PATH, or an endpoint) stays, the rest goes back");
		add_way(p, "belay undo --print", ROLE_TEXT, "in a shell: the way back as plain commands, to do by hand");
		break;
	case PHASE_DOUBT:
		add_verb(p, s, step, VERB_SETTLE, ":settle", "asks the hosts now; they are asked by themselves, too");
		add_verb(p, s, step, VERB_UNDO, "u", "goes back, whatever became of it");
		break;
	default:
		add_verb(p, s, step, VERB_UNDO, "u", "takes it back; a host that is away is set aside, the others go first");
		add_verb(p, s, step, VERB_PARK, "Ctrl-C", "stops it where it is safe");
		break;
	}
}

void
trouble_add(struct page *p, const struct scene *s, int step)
{
	const struct step_view *v = rollout_step(s->rollout, step);

	add_hosts(p, s, v);
	if (v->phase == PHASE_FAULTED)
		add_failed(p, s, step);
	add_ways(p, s, step, v, any_drift(v));
	add_drift(p, s, step, v);
}
