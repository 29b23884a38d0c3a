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
#include "core/reader.h"
#include "core/text.h"

#define SAID_LINES	6	/* of what a command printed */
#define NAMED_MAX	3	/* commands of one kind that are written out */
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

enum sort { SORT_FILE, SORT_SETTING, SORT_COMMAND, SORT_DRAIN, SORT_ACTIVATION };
#define SORT_COUNT 5

/* What a file edit that failed left is what was there before; of the others nobody knows that. */
static const struct {
	const char *noun;	/* NULL: its words say it */
	const char *state[OPS_STUCK + 1];
} words_of[SORT_COUNT] = {
	[SORT_FILE] = { NULL, {
		[OPS_WAITING] = "not begun", [OPS_INTENT] = "not begun", [OPS_RUNNING] = "under way",
		[OPS_APPLIED] = "in place", [OPS_FAILED] = "failed, and as before", [OPS_CUT] = "begun, end not known",
		[OPS_UNDO_INTENT] = "being undone", [OPS_UNDOING] = "being undone", [OPS_UNDONE] = "as before",
		[OPS_STUCK] = "not taken back" } },
	[SORT_SETTING] = { "settings", {
		[OPS_WAITING] = "not begun", [OPS_INTENT] = "not begun", [OPS_RUNNING] = "under way",
		[OPS_APPLIED] = "in place", [OPS_FAILED] = "failed", [OPS_CUT] = "begun, end not known",
		[OPS_UNDO_INTENT] = "being undone", [OPS_UNDOING] = "being undone", [OPS_UNDONE] = "as before",
		[OPS_STUCK] = "not taken back" } },
	[SORT_COMMAND] = { "command", {
		[OPS_WAITING] = "not run", [OPS_INTENT] = "not run", [OPS_RUNNING] = "running",
		[OPS_APPLIED] = "run", [OPS_FAILED] = "failed", [OPS_CUT] = "begun, end not known",
		[OPS_UNDO_INTENT] = "being undone", [OPS_UNDOING] = "being undone", [OPS_UNDONE] = "undone",
		[OPS_STUCK] = "not undone" } },
	[SORT_DRAIN] = { "drain", {
		[OPS_WAITING] = "not begun", [OPS_INTENT] = "not begun", [OPS_RUNNING] = "under way",
		[OPS_APPLIED] = "carried out", [OPS_FAILED] = "failed", [OPS_CUT] = "begun, end not known",
		[OPS_UNDO_INTENT] = "cannot be undone", [OPS_UNDOING] = "cannot be undone",
		[OPS_UNDONE] = "cannot be undone", [OPS_STUCK] = "cannot be undone" } },
	[SORT_ACTIVATION] = { NULL, {
		[OPS_WAITING] = "not activated", [OPS_INTENT] = "not activated", [OPS_RUNNING] = "being activated",
		[OPS_APPLIED] = "activated", [OPS_FAILED] = "activation failed",
		[OPS_CUT] = "activation begun, end not known", [OPS_UNDO_INTENT] = "being activated as before",
		[OPS_UNDOING] = "being activated as before", [OPS_UNDONE] = "activated as before",
		[OPS_STUCK] = "not activated as before" } },
};

static enum sort
sort_of(const struct scene *s, int step, const struct step_view *v, size_t op)
{
	const struct ops *ops = s->ops(s->arg, step);

	if (v->shapes[op].activates)
		return SORT_ACTIVATION;
	if (ops != NULL && op < ops->n && ops->v[op].kind == OP_DRAIN)
		return SORT_DRAIN;
	if (v->shapes[op].command)
		return SORT_COMMAND;
	return ops != NULL && op < ops->n && ops->v[op].kind == OP_SETTING ? SORT_SETTING : SORT_FILE;
}

/* "2 in place, 1 not begun; 1 activated, 1 not activated": what stands on one host of what the step does there. */
static char *
host_words(const struct scene *s, int step, const struct step_view *v, int host)
{
	size_t n[SORT_COUNT][OPS_STUCK + 1] = { 0 }, all[SORT_COUNT] = { 0 }, i, sort, k, other;
	const char *word;
	struct buf b;

	for (i = 0; i < v->nops; i++)
		if (v->shapes[i].host == host) {
			n[sort_of(s, step, v, i)][v->ops[i].state]++;
			all[sort_of(s, step, v, i)]++;
		}
	buf_init(&b, 0);
	for (sort = 0; sort < SORT_COUNT; sort++) {
		if (all[sort] == 0)
			continue;
		(void)buf_puts(&b, b.len > 0 ? "; " : "");
		if (words_of[sort].noun != NULL)
			(void)buf_printf(&b, "%s%s ", words_of[sort].noun,
			    all[sort] > 1 && sort != SORT_SETTING ? "s:" : sort == SORT_SETTING ? ":" : "");
		for (k = 0, i = 0; k <= OPS_STUCK; k++) {
			size_t count = n[sort][k];

			word = words_of[sort].state[k];
			/* States that have one word are one. */
			for (other = k + 1; other <= OPS_STUCK; other++)
				if (words_of[sort].state[other] == word || strcmp(words_of[sort].state[other], word) == 0) {
					count += n[sort][other];
					n[sort][other] = 0;
				}
			if (count == 0)
				continue;
			if (sort == SORT_ACTIVATION && k == OPS_UNDONE && v->left)
				word = "activation left to the undo of a step before it";
			(void)buf_puts(&b, i++ > 0 ? ", " : "");
			if (all[sort] > 1 || sort == SORT_FILE)
				(void)buf_printf(&b, "%zu ", count);
			(void)buf_puts(&b, word);
		}
	}
	return buf_take(&b, NULL);
}

/* What does not answer says so, and when it is tried again; not once more why, where that was told. */
static void
add_host(struct page *p, const struct scene *s, int host, const char *words, const char *told)
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
	if (hv->why[0] != '\0' && strstr(told, hv->why) == NULL)
		page_wrap(p, COLUMN, ROLE_DIM, hv->why);
}

static void
add_hosts(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	bool *seen = mem_array(s->fleet->nhosts + 1, sizeof(*seen));
	size_t i, k;
	char *words;
	int host;

	page_heading(p, "WHAT IS WHERE");
	for (i = 0; i < v->nops; i++) {
		const struct host_view *hv;

		host = v->shapes[i].host;
		if (host < 0 || (size_t)host >= s->fleet->nhosts || seen[host])
			continue;
		seen[host] = true;
		words = host_words(s, step, v, host);
		page_line(p);
		page_col(p, 2, 13, ROLE_STRONG, s->fleet->hosts[host].name);
		add_host(p, s, host, words, v->why);
		free(words);
		hv = board_host_view(s->board, host);
		/* Not what stands above already: as why the step is where it is, or why the host is away. */
		for (k = i; k < v->nops; k++)
			if (v->shapes[k].host == host && v->ops[k].why[0] != '\0' &&
			    strstr(v->why, v->ops[k].why) == NULL &&
			    (hv == NULL || hv->reach == REACH_UP || strstr(v->ops[k].why, hv->why) == NULL ||
			    hv->why[0] == '\0') &&
			    (v->ops[k].state == OPS_FAILED || v->ops[k].state == OPS_STUCK ||
			    v->ops[k].state == OPS_CUT))
				page_wrap(p, COLUMN, look_op(v->ops[k].state).role, v->ops[k].why);
	}
	free(seen);
}

/* ---- what a command said ---- */

const char *
said_text(const struct scene *s, int step, size_t op)
{
	const struct step_view *v = rollout_step(s->rollout, step);
	const char *text;

	if (op >= v->nops || !v->shapes[op].command || (v->ops[op].state != OPS_FAILED &&
	    v->ops[op].state != OPS_CUT && v->ops[op].state != OPS_STUCK))
		return NULL;
	text = s->op_text(s->arg, step, (int)op);
	return text == NULL || text[strspn(text, "\n")] == '\0' ? NULL : text;
}

const char *
last_lines(const char *text, size_t n)
{
	const char *at = text + strlen(text);

	if (at > text && at[-1] == '\n')
		at--;
	while (at > text && (at[-1] != '\n' || --n > 0))
		at--;
	return at;
}

/* Before all advice: it tells what to mend. */
static void
add_said(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	const struct ops *ops = s->ops(s->arg, step);
	const char *text, *from;
	char *words;
	size_t i;

	for (i = 0; i < v->nops; i++) {
		if (ops == NULL || i >= ops->n || (text = said_text(s, step, i)) == NULL)
			continue;
		words = op_words(s, &ops->v[i]);
		from = last_lines(text, SAID_LINES);
		page_heading(p, "%s BY: %s", from > text ? "SAID LAST" : "SAID", words);
		free(words);
		page_text(p, 4, ROLE_TEXT, false, from);
	}
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

static void
add_drift(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	const char *text, *kept;
	char *words;
	size_t i;

	for (i = 0; i < v->nops; i++) {
		if ((text = drift_text(s, step, v, i)) == NULL)
			continue;
		words = op_words(s, &s->ops(s->arg, step)->v[i]);
		page_heading(p, "CHANGED BY SOMEBODY ELSE: %s", words);
		free(words);
		if ((kept = s->kept(s->arg, step, (int)i)) != NULL) {
			words = mem_printf("stays: %s", kept);
			page_wrap(p, 4, ROLE_WARN, words);
			free(words);
		}
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

/* What to type stands on a line of its own where it is long. */
static void
add_way(struct page *p, const char *key, enum role role, const char *words)
{
	page_line(p);
	page_at(p, 2, ROLE_KEY, "%s", key);
	if (text_width(key) > COLUMN - 4)
		page_line(p);
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

/* The checks that are in the way, as they are waived. */
static void
add_waives(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	const struct step *st = &s->plan->steps[step];
	const struct check_result *r;
	size_t i, n = 0, named = 0;
	bool standing = false;
	char *words;

	r = s->results(s->arg, step, true, &n);
	for (i = 0; r != NULL && i < n && i < st->ngates; i++) {
		if ((r[i].judgement != CHECK_FAIL && r[i].judgement != CHECK_INCONCLUSIVE) || named++ >= NAMED_MAX)
			continue;
		words = mem_printf(":waive %s REASON", st->gates[i].name);
		add_way(p, words, ROLE_TEXT, "lets it count as passed; the mark stays");
		free(words);
	}
	/* Checks before and behind an activation have names, which its refusal says. */
	for (i = 0; i < v->nops; i++)
		standing = standing || (v->shapes[i].activates && v->ops[i].state == OPS_FAILED &&
		    said_text(s, step, i) == NULL);
	if (standing)
		add_way(p, ":waive CHECK REASON", ROLE_TEXT, "then :retry: a check that refused it counts as passed; the mark stays");
}

static void
add_keeps(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	const struct ops *ops = s->ops(s->arg, step);
	struct strings names;
	size_t i, k, n = 0;
	char *words;

	for (i = 0; i < v->nops && ops != NULL && i < ops->n; i++) {
		if (v->ops[i].state != OPS_STUCK || !v->ops[i].drifted || s->kept(s->arg, step, (int)i) != NULL)
			continue;
		op_names(&ops->v[i], s->fleet, &names);
		for (k = 0; k < names.n; k++) {
			if (n++ >= NAMED_MAX)
				continue;
			words = mem_printf(":keep %s REASON", names.v[k]);
			add_way(p, words, ROLE_TEXT, "then u: what somebody else made of it stays, the rest goes back");
			free(words);
		}
		strings_release(&names);
	}
}

static void
add_ways(struct page *p, const struct scene *s, int step, const struct step_view *v)
{
	page_heading(p, "WHAT CAN BE DONE");
	switch (v->phase) {
	case PHASE_FAULTED:
		add_verb(p, s, step, VERB_UNDO, "u", rollout_wrote(s->rollout, step) ?
		    "takes back what of it is in place, and activates as before" :
		    "nothing of it is in place: then it can be looked at, and applied, anew");
		add_verb(p, s, step, VERB_RETRY, ":retry", rollout_wrote(s->rollout, step) ?
		    "goes on with what is left, then judges its gate" : "tries it again as it was previewed");
		add_way(p, "v", ROLE_TEXT, "judges its gate again, and changes nothing");
		add_waives(p, s, step, v);
		break;
	case PHASE_STUCK:
		add_verb(p, s, step, VERB_UNDO, "u", "tries again what is left; what is back stays back");
		add_keeps(p, s, step, v);
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

	add_hosts(p, s, step, v);
	add_said(p, s, step, v);
	if (v->phase == PHASE_FAULTED)
		add_failed(p, s, step);
	add_ways(p, s, step, v);
	add_drift(p, s, step, v);
}
