/*
 * show: see show.h.
 */
#include "verbs/show.h"

#include <string.h>

#include "core/batch.h"
#include "core/buf.h"
#include "core/impact.h"
#include "core/reader.h"
#include "verbs/out.h"

#define SAID_LINES	12	/* of what a command printed before it failed, and in bytes */
#define SAID_MAX	2000

/* What an activation does that the step did not ask for. */
static void
show_besides(const struct engine *e, int step, int unit)
{
	struct strings takes_up, loses;
	size_t i;

	impact_besides(&takes_up, &loses, engine_fleet(e), engine_board(e), &engine_plan(e)->steps[step], unit);
	for (i = 0; i < takes_up.n; i++)
		out("    takes up what is not of this step: %s\n", takes_up.v[i]);
	for (i = 0; i < loses.n; i++)
		out("    warning: loses %s\n", loses.v[i]);
	strings_release(&takes_up);
	strings_release(&loses);
}

static void
show_op(const struct engine *e, int step, size_t i)
{
	const struct fleet *f = engine_fleet(e);
	const struct op *op = &engine_ops(e, step)->v[i];
	const struct op_view *v = &rollout_step(engine_rollout(e), step)->ops[i];
	const char *text = engine_op_text(e, step, (int)i);
	struct buf b = { 0 };
	bool uncounted;
	uint32_t cut;
	size_t k;
	int since;

	switch (op->kind) {
	case OP_ENV:
	case OP_CONF:
	case OP_BLOCK:
	case OP_URL:
	case OP_FILE:
		out("  %s:%s%s\n", f->hosts[op->host].name, op->path,
		    v->observed == OP_IN_PLACE ? "  (in place already)" : "");
		if (text != NULL && *text != '\0')
			out_lines("    ", text);
		if ((since = engine_op_since(e, step, (int)i)) != NONE)
			out("    somebody else has written there since step '%s' did\n", engine_plan(e)->steps[since].id);
		if (op->unit != NONE)
			break;
		out("    takes effect when its unit is next activated\n");
		break;
	case OP_SETTING:
		out("  %s: settings of %s%s\n", f->hosts[op->host].name, f->endpoints[op->endpoint].name,
		    v->observed == OP_IN_PLACE ? "  (in place already)" : "");
		if (text != NULL && *text != '\0')
			out_lines("    ", text);
		break;
	case OP_RUN:
		op_command_text(op, false, &b);
		out("  on %s: %s%s\n", f->hosts[op->host].name, buf_str(&b),
		    v->observed == OP_IN_PLACE ? "  (in place already)" : "");
		/* Behind the command: what it reads and touches, and what undoes it. */
		if (text != NULL && strncmp(text, buf_str(&b), b.len) == 0 && text[b.len] == '\n')
			out_lines("    ", text + b.len + 1);
		break;
	case OP_DRAIN:
		op_command_text(op, false, &b);
		out("  from %s: %s\n", f->hosts[op->host].name, buf_str(&b));
		if (text != NULL && *text != '\0')
			out_lines("    ", text);
		break;
	case OP_ACTIVATE:
		op_command_text(op, false, &b);
		out("  then on %s: %s\n", f->hosts[op->host].name, buf_str(&b));
		out("    %s %s%s", f->units[op->unit].kind == UNIT_RELOAD ? "reloads" : "restarts",
		    f->units[op->unit].name, f->units[op->unit].restarts.n > 0 ? ":" : "");
		for (k = 0; k < f->units[op->unit].restarts.n; k++)
			out(" %s", f->units[op->unit].restarts.v[k]);
		cut = impact_of_unit(f, engine_board(e), op->unit, &uncounted);
		if (cut > 0 || uncounted)
			out("; cuts %u session%s%s", cut, cut == 1 ? "" : "s", uncounted ? " at least" : "");
		out("\n");
		show_besides(e, step, op->unit);
		break;
	}
	buf_release(&b);
}

static void
show_canary_of(const struct engine *e, const struct step_canary *c)
{
	struct buf b = { 0 };

	canary_pace(&b, &c->terms);
	out("  canary: %s, %s\n", engine_fleet(e)->links[c->link].name, buf_str(&b));
	buf_release(&b);
}

void
show_preview(const struct engine *e, int step)
{
	const struct step *s = &engine_plan(e)->steps[step];
	size_t i;

	out("step %d '%s': %s%s\n", step + 1, s->id, s->title, s->optional ? " (optional)" : "");
	for (i = 0; i < engine_ops(e, step)->n; i++)
		show_op(e, step, i);
	for (i = 0; i < s->nrequires; i++)
		out("  before: %s\n", s->requires[i].name);
	for (i = 0; i < s->ngates; i++)
		out("  gate: %s\n", s->gates[i].name);
	if (s->soak_ms > 0)
		out("  soak: %lld s\n", (long long)(s->soak_ms / 1000));
	for (i = 0; i < s->ncanaries; i++)
		if (s->canaries[i].terms.given)
			show_canary_of(e, &s->canaries[i]);
	if (s->on_fault == ON_FAULT_UNDO)
		out("  on a fault: undone by itself\n");
}

void
show_canaries(const struct engine *e, int step, bool on_the_way)
{
	struct canary_view v[CANARY_STEP_MAX];
	size_t i, n = engine_canaries(e, step, v, CANARY_STEP_MAX);
	struct buf b = { 0 };

	for (i = 0; i < n; i++) {
		buf_clear(&b);
		if (on_the_way)
			canary_counts(&b, v[i].canary);
		else
			canary_summary(&b, v[i].canary, v[i].now_ms);
		out("  %-12s canary %s: %s\n", canary_state_word(canary_state(v[i].canary)),
		    engine_fleet(e)->links[v[i].link].name, buf_str(&b));
		if (on_the_way || v[i].canary->ok + v[i].canary->failed + v[i].canary->hung == 0)
			continue;
		buf_clear(&b);
		canary_sparkline(&b, v[i].canary, v[i].now_ms, CANARY_STRIP, true);
		out("  %-12s  |%s|\n", "", buf_str(&b));
	}
	buf_release(&b);
}

/* What those said that did not do what they should: the end of it. */
void
show_said(const struct engine *e, int step)
{
	const struct step_view *v = rollout_step(engine_rollout(e), step);
	const char *text, *from, *end;
	size_t i, lines;

	for (i = 0; i < v->nops; i++) {
		if (v->ops[i].state != OPS_FAILED && v->ops[i].state != OPS_CUT && v->ops[i].state != OPS_STUCK)
			continue;
		if (strncmp(v->ops[i].why, "host '", 6) == 0)
			out_err("belay: %s\n", v->ops[i].why);
		else
			out_err("belay: host '%s': %s\n",
			    engine_fleet(e)->hosts[v->shapes[i].host].name, v->ops[i].why);
		text = engine_op_text(e, step, (int)i);
		if (text == NULL || *text == '\0' || (v->ops[i].state != OPS_STUCK && !v->shapes[i].command))
			continue;
		end = text + strlen(text);
		for (from = end, lines = 0; from > text && end - from < SAID_MAX; from--)
			if (from[-1] == '\n' && from[0] != '\0' && ++lines == SAID_LINES)
				break;
		out_err_lines("  | ", from);
	}
}

void
show_results(const struct engine *e, int step, bool gate)
{
	const struct step *s = &engine_plan(e)->steps[step];
	const struct check_result *results;
	size_t i, n;

	results = engine_results(e, step, gate, &n);
	for (i = 0; results != NULL && i < n; i++)
		out("  %-12s %s: %s\n", judgement_word(results[i].judgement),
		    gate ? s->gates[i].name : s->requires[i].name, results[i].why);
}

void
show_batch(const struct engine *e, int step, bool error)
{
	struct buf b = { 0 };

	batch_words(&b, engine_fleet(e), engine_plan(e), engine_rollout(e), step);
	if (b.len > 0 && error)
		out_err("belay: %s\n", buf_str(&b));
	else if (b.len > 0)
		out("%s\n", buf_str(&b));
	buf_release(&b);
}
