/*
 * json_check: the proof of a plan, with what refutes it, and lint.
 */
#include "core/buf.h"
#include "core/lint.h"
#include "verbs/json.h"
#include "verbs/json_int.h"

static json_t *
counter(const struct fleet *f, const struct plan *plan, const struct counter *c)
{
	json_t *o = json_object(), *way = json_array(), *force = json_object();
	int host = link_host(f, &f->links[c->link]);
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	doc_put(o, "link", doc_words(f->links[c->link].name));
	doc_put(o, "host", doc_words(host == NONE ? NULL : f->hosts[host].name));
	doc_put(o, "verdict", json_string(verdict_word(c->verdict)));
	doc_put(o, "why", doc_words(c->why));
	doc_put(o, "because", doc_words(c->because == NONE ? NULL : f->links[c->because].name));
	doc_put(o, "step", doc_words(c->step == NONE ? NULL : plan->steps[c->step].id));
	doc_put(o, "line", json_integer(c->step == NONE ? f->links[c->link].pos.line : plan->steps[c->step].pos.line));
	doc_put(o, "in_flight", json_boolean(c->in_flight));
	doc_put(o, "delayed", json_boolean(c->delayed));
	doc_put(o, "drained", doc_words(c->drained == NONE ? NULL : plan->steps[c->drained].id));
	counter_line(&b, f, plan, c);
	doc_put(o, "text", doc_words(buf_str(&b)));
	for (i = 0; i < c->nway; i++) {
		buf_clear(&b);
		way_text(&b, f, plan, &c->way[i]);
		doc_add(way, doc_words(buf_str(&b)));
	}
	doc_put(o, "way", way);
	doc_put(force, "accept", json_string(accept_word(c->accept)));
	doc_put(force, "cert", doc_words(c->cert >= 0 ? f->certs[c->cert].name : NULL));
	doc_put(force, "dial", json_string(dial_word(c->dial)));
	buf_clear(&b);
	trust_text(&b, f, c->trust);
	doc_put(force, "trust", doc_words(c->trust >= 0 ? buf_str(&b) : NULL));
	doc_put(o, "in_force", force);
	buf_clear(&b);
	fix_text(&b, plan, c);
	doc_put(o, "fix", doc_words(c->fix_step == NONE ? NULL : buf_str(&b)));
	buf_release(&b);
	return o;
}

static json_t *
proof(const struct fleet *f, const struct plan *plan, const struct proof *p, int64_t ms)
{
	json_t *o = json_object(), *counters = json_array(), *unknown = json_array(), *excused = json_array();
	size_t i;

	doc_put(o, "verdict", json_string(p->ncounters > 0 ? "refuted" : p->unknown.n > 0 ? "unknown" : "proven"));
	doc_put(o, "links", json_integer((json_int_t)p->nlinks));
	doc_put(o, "states", json_integer((json_int_t)p->nstates));
	doc_put(o, "cpu_ms", json_integer(ms));
	for (i = 0; i < p->ncounters; i++)
		doc_add(counters, counter(f, plan, &p->counters[i]));
	for (i = 0; i < p->unknown.n; i++)
		doc_add(unknown, doc_words(f->links[p->unknown.v[i]].name));
	for (i = 0; i < p->excused.n; i++)
		doc_add(excused, doc_words(f->links[p->excused.v[i]].name));
	doc_put(o, "counters", counters);
	doc_put(o, "unknown", unknown);
	doc_put(o, "excused", excused);
	return o;
}

static json_t *
lint(const struct fleet *f, const struct plan *plan)
{
	json_t *a = json_array(), *o;
	struct lints l;
	size_t i;

	lint_run(&l, f, plan);
	for (i = 0; i < l.n; i++) {
		o = json_object();
		doc_put(o, "name", json_string(l.v[i].name));
		doc_put(o, "level", json_string(lint_level_word(l.v[i].level)));
		doc_put(o, "file", doc_words(l.v[i].in_plan ? plan->path : f->path));
		doc_put(o, "line", json_integer(l.v[i].pos.line));
		doc_put(o, "col", json_integer(l.v[i].pos.col));
		doc_put(o, "text", doc_words(l.v[i].text));
		doc_add(a, o);
	}
	lints_release(&l);
	return a;
}

void
json_check(const struct engine *e, const struct proof *p, int64_t ms)
{
	const struct plan *plan = engine_plan(e);
	const struct fleet *f = engine_fleet(e);
	json_t *doc = json_object(), *a = json_array(), *out = json_array();
	size_t i;

	for (i = 0; i < f->not_yet.n; i++)
		doc_add(a, doc_words(f->not_yet.v[i]));
	for (i = 0; plan != NULL && i < plan->not_yet.n; i++)
		doc_add(a, doc_words(plan->not_yet.v[i]));
	for (i = 0; proof_leaves_out[i] != NULL; i++)
		doc_add(out, doc_words(proof_leaves_out[i]));
	doc_put(doc, "belay", json_string("check/1"));
	doc_put(doc, "ok", json_boolean(p == NULL || (p->ncounters == 0 && p->unknown.n == 0)));
	doc_put(doc, "proof", p == NULL ? json_null() : proof(f, plan, p, ms));
	doc_put(doc, "not_considered", out);
	doc_put(doc, "lint", lint(f, plan));
	doc_put(doc, "not_yet", a);
	doc_print(doc);
}
