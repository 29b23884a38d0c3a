/*
 * json_step: a step before it is applied, and the checks and canaries of steps.
 */
#include "core/buf.h"
#include "core/impact.h"
#include "core/reader.h"
#include "verbs/json.h"
#include "verbs/json_int.h"

static json_t *
string_array(const struct strings *v)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < v->n; i++)
		doc_add(a, doc_words(v->v[i]));
	return a;
}

static json_t *
check_names(const struct check *checks, size_t n)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		doc_add(a, doc_words(checks[i].name));
	return a;
}

/* What an activation hits; null for what is none. */
static void
put_activation(json_t *o, const struct engine *e, int step, const struct op *op)
{
	const struct fleet *f = engine_fleet(e);
	struct strings takes_up, loses;
	const struct unit *u;
	bool uncounted;
	uint32_t cut;
	json_t *x;

	if (op->kind != OP_ACTIVATE) {
		doc_put(o, "activation", json_null());
		return;
	}
	u = &f->units[op->unit];
	cut = impact_of_unit(f, engine_board(e), op->unit, &uncounted);
	impact_besides(&takes_up, &loses, f, engine_board(e), &engine_plan(e)->steps[step], op->unit);
	x = json_object();
	doc_put(x, "kind", json_string(u->kind == UNIT_RELOAD ? "reload" : "restart"));
	doc_put(x, "restarts", string_array(&u->restarts));
	doc_put(x, "sessions", json_integer((json_int_t)cut));
	doc_put(x, "all_counted", json_boolean(!uncounted));
	doc_put(x, "takes_up", string_array(&takes_up));
	doc_put(x, "loses", string_array(&loses));
	doc_put(o, "activation", x);
	strings_release(&takes_up);
	strings_release(&loses);
}

/* How the canaries of a step are declared. */
static json_t *
canary_terms(const struct fleet *f, const struct step *s)
{
	const struct canary_terms *t;
	json_t *a = json_array(), *o;
	size_t i;

	for (i = 0; i < s->ncanaries; i++) {
		t = &s->canaries[i].terms;
		if (!t->given)
			continue;
		o = json_object();
		doc_put(o, "link", doc_words(f->links[s->canaries[i].link].name));
		doc_put(o, "every_ms", json_integer(t->every_ms));
		doc_put(o, "hang_ms", json_integer(t->hang_ms));
		doc_put(o, "breach_ms", json_integer(t->breach_ms));
		doc_put(o, "held", json_boolean(t->held));
		doc_add(a, o);
	}
	return a;
}

void
json_diff(const struct engine *e, int step)
{
	const struct ops *ops = engine_ops(e, step);
	const struct step_view *v = rollout_step(engine_rollout(e), step);
	json_t *doc = json_object(), *a = json_array(), *o;
	const struct step *s = &engine_plan(e)->steps[step];
	struct buf b = { 0 };
	size_t i;
	int since;

	for (i = 0; i < ops->n; i++) {
		const struct op *op = &ops->v[i];

		o = json_object();
		doc_put(o, "host", doc_words(engine_fleet(e)->hosts[op->host].name));
		doc_put(o, "kind", doc_words(op_kind_word(op->kind)));
		doc_put(o, "path", doc_words(op->path));
		if (op->kind == OP_RUN || op->kind == OP_ACTIVATE || op->kind == OP_DRAIN) {
			op_command_text(op, false, &b);
			doc_put(o, "command", doc_words(buf_str(&b)));
			buf_clear(&b);
		} else
			doc_put(o, "command", json_null());
		/* Whom an activation asks is told by its command. */
		doc_put(o, "endpoint", op->endpoint == NONE || op->kind == OP_ACTIVATE ? json_null() :
		    doc_words(engine_fleet(e)->endpoints[op->endpoint].name));
		doc_put(o, "unit", op->unit == NONE ? json_null() : doc_words(engine_fleet(e)->units[op->unit].name));
		doc_put(o, "in_place", json_boolean(v->ops[i].observed_known && v->ops[i].observed == OP_IN_PLACE));
		doc_put(o, "diff", doc_lines(engine_op_text(e, step, (int)i)));
		since = engine_op_since(e, step, (int)i);
		doc_put(o, "written_since", doc_words(since == NONE ? NULL : engine_plan(e)->steps[since].id));
		put_activation(o, e, step, op);
		doc_add(a, o);
	}
	buf_release(&b);
	doc_put(doc, "belay", json_string("diff/1"));
	doc_put(doc, "step", doc_words(s->id));
	doc_put(doc, "title", doc_words(s->title));
	doc_put(doc, "operations", a);
	doc_put(doc, "requires", check_names(s->requires, s->nrequires));
	doc_put(doc, "gate", check_names(s->gates, s->ngates));
	doc_put(doc, "soak_ms", json_integer(s->soak_ms));
	doc_put(doc, "canaries", canary_terms(engine_fleet(e), s));
	doc_put(doc, "on_fault", json_string(s->on_fault == ON_FAULT_UNDO ? "undo" : "pause"));
	doc_print(doc);
}

/* What those of a step have seen. */
static void
put_canaries(json_t *a, const struct engine *e, int step)
{
	struct canary_view v[CANARY_STEP_MAX];
	size_t i, k, n = engine_canaries(e, step, v, CANARY_STEP_MAX);
	int bars[CANARY_STRIP];
	struct buf b = { 0 };
	json_t *o, *strip;

	for (i = 0; i < n; i++) {
		const struct canary *c = v[i].canary;

		o = json_object();
		doc_put(o, "step", doc_words(engine_plan(e)->steps[step].id));
		doc_put(o, "link", doc_words(engine_fleet(e)->links[v[i].link].name));
		doc_put(o, "state", doc_words(canary_state_word(canary_state(c))));
		doc_put(o, "ok", json_integer((json_int_t)c->ok));
		doc_put(o, "failed", json_integer((json_int_t)c->failed));
		doc_put(o, "hung", json_integer((json_int_t)c->hung));
		doc_put(o, "left_out", json_integer((json_int_t)c->left_out));
		doc_put(o, "p50_us", c->ok == 0 ? json_null() : json_integer(canary_percentile_us(c, 50)));
		doc_put(o, "p99_us", c->ok == 0 ? json_null() : json_integer(canary_percentile_us(c, 99)));
		doc_put(o, "failed_ms", json_integer(canary_failed_ms(c, v[i].now_ms)));
		doc_put(o, "held", json_integer((json_int_t)c->held));
		doc_put(o, "cut", json_integer((json_int_t)c->cut));
		doc_put(o, "cut_expected", json_integer((json_int_t)c->cut_expected));
		strip = json_array();
		canary_bars(c, v[i].now_ms, bars, CANARY_STRIP);
		for (k = 0; k < CANARY_STRIP; k++)
			doc_add(strip, bars[k] == CANARY_BAR_NONE ? json_null() : json_integer(bars[k]));
		doc_put(o, "strip", strip);
		buf_clear(&b);
		canary_summary(&b, c, v[i].now_ms);
		doc_put(o, "text", doc_words(buf_str(&b)));
		doc_add(a, o);
	}
	buf_release(&b);
}

void
json_results(const struct engine *e, const int *steps, size_t n)
{
	json_t *doc = json_object(), *a = json_array(), *canaries = json_array(), *o;
	size_t i, k, count;

	for (i = 0; i < n; i++) {
		const struct check_result *r = engine_results(e, steps[i], true, &count);
		const struct step *s = &engine_plan(e)->steps[steps[i]];

		for (k = 0; r != NULL && k < count; k++) {
			o = json_object();
			doc_put(o, "step", doc_words(s->id));
			doc_put(o, "check", doc_words(s->gates[k].name));
			doc_put(o, "result", doc_words(judgement_word(r[k].judgement)));
			doc_put(o, "why", doc_words(r[k].why));
			doc_add(a, o);
		}
		put_canaries(canaries, e, steps[i]);
	}
	doc_put(doc, "belay", json_string("verify/1"));
	doc_put(doc, "checks", a);
	doc_put(doc, "canaries", canaries);
	doc_print(doc);
}
