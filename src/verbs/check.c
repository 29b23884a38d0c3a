/*
 * check: reads both files and runs the proof.  Starts nothing and looks at no
 * host.
 */
#include <time.h>

#include "core/buf.h"
#include "core/proof.h"
#include "verbs/json.h"
#include "verbs/lint.h"
#include "verbs/out.h"
#include "verbs/run.h"

#define SHOWN_WHOLE 3	/* counter-examples that are told as stories; the others have a line */
#define SHOWN_LINES 40

static int64_t
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void
not_yet(const struct fleet *f, const struct plan *plan)
{
	size_t i;

	for (i = 0; i < f->not_yet.n; i++)
		out("%s\n", f->not_yet.v[i]);
	for (i = 0; plan != NULL && i < plan->not_yet.n; i++)
		out("%s\n", plan->not_yet.v[i]);
}

static const char *
reason(const struct plan *plan, int link)
{
	size_t s, x;

	for (s = 0; s < plan->nsteps; s++)
		for (x = 0; x < plan->steps[s].nexcuses; x++)
			if (plan->steps[s].excuses[x].link == link)
				return plan->steps[s].excuses[x].reason;
	return "";
}

static void
refuted(const struct fleet *f, const struct plan *plan, const struct proof *p)
{
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	for (i = 0; i < p->ncounters && i < SHOWN_WHOLE; i++) {
		buf_clear(&b);
		counter_text(&b, f, plan, &p->counters[i]);
		out("%s", buf_str(&b));
	}
	for (; i < p->ncounters && i < SHOWN_LINES; i++) {
		buf_clear(&b);
		counter_line(&b, f, plan, &p->counters[i]);
		out("also %s\n", buf_str(&b));
	}
	if (i < p->ncounters)
		out("and %zu more links\n", p->ncounters - i);
	buf_release(&b);
}

static void
said(const struct fleet *f, const struct plan *plan, const struct proof *p, int64_t ms)
{
	size_t i;
	int drained;

	refuted(f, plan, p);
	for (i = 0; i < p->unknown.n; i++)
		out("not proven: %s: what it does is not known in every posture\n",
		    f->links[p->unknown.v[i]].name);
	for (i = 0; i < p->excused.n; i++) {
		out("may refuse: %s: %s\n", f->links[p->excused.v[i]].name, reason(plan, p->excused.v[i]));
		drained = proof_drained(f, plan, NULL, 0, p->excused.v[i], NONE);
		if (drained != NONE)
			out("  and step '%s' ends its open sessions on plaintext, which is an outage: it cannot connect again\n",
			    plan->steps[drained].id);
	}
	if (p->ncounters > 0)
		out("%zu of %zu links are stranded somewhere", p->ncounters, p->nlinks);
	else if (p->unknown.n > 0)
		out("no declared link is seen to be stranded; %zu of %zu are not proven", p->unknown.n, p->nlinks);
	else
		out("proven: no declared link is refused or hangs in any posture that the plan can reach");
	out("\n%zu steps, %zu links, %zu states, %lld ms\n", plan->nsteps, p->nlinks, p->nstates, (long long)ms);
	for (i = 0; proof_leaves_out[i] != NULL; i++)
		out("%s%s", i == 0 ? "not considered: " : "; ", proof_leaves_out[i]);
	out("\n");
}

int
verb_check(const struct verb_options *options)
{
	struct engine_options o = {
		.fleet_path = options->fleet, .plan_path = options->plan, .read_only = true,
	};
	struct engine *e;
	struct err err;
	struct buf b;
	const struct plan *plan;
	const struct fleet *f;
	struct proof p = { 0 };
	int64_t ms = 0;
	int rc = EXIT_DONE;

	if (engine_new(&e, &o, &err) != 0)
		return out_fail(&err);
	plan = engine_plan(e);
	f = engine_fleet(e);
	if (plan != NULL) {
		ms = cpu_ms();
		proof_run(&p, f, plan, NULL, 0);
		ms = cpu_ms() - ms;
		rc = p.ncounters > 0 ? EXIT_ERROR : p.unknown.n > 0 ? EXIT_PERSON : EXIT_DONE;
	}
	if (options->json)
		json_check(e, plan == NULL ? NULL : &p, ms);
	else if (options->expanded && plan != NULL) {
		buf_init(&b, 0);
		plan_print(plan, f, &b);
		out("%s", buf_str(&b));
		buf_clear(&b);
		if (p.ncounters > 0) {
			counter_line(&b, f, plan, &p.counters[0]);
			out_err("belay: %s\n", buf_str(&b));
		}
		buf_release(&b);
	} else {
		not_yet(f, plan);
		if (plan != NULL)
			said(f, plan, &p, ms);
		else
			out("%zu links at %zu endpoints\n", f->nlinks, f->nendpoints);
		lint_out(f, plan);
	}
	proof_release(&p);
	engine_free(e);
	return rc;
}
