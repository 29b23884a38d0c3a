/*
 * check: reads both files and walks the postures between the plan's steps.
 * Starts nothing and looks at no host.
 */
#include <stdlib.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/posture.h"
#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"

/* A declared link that is refused or hangs after some step; for the caller to free. */
static char *
refusal(const struct fleet *f, const struct plan *plan, size_t *ret_postures)
{
	struct posture p;
	char *found = NULL;
	const char *why;
	size_t s, l, x;

	posture_from(&p, f, plan);
	for (s = 0; s < plan->nsteps && found == NULL; s++) {
		const struct step *step = &plan->steps[s];

		posture_step(&p, f, step);
		(*ret_postures)++;
		for (l = 0; l < f->nlinks && found == NULL; l++) {
			enum verdict v = posture_verdict(f, &p, (int)l, &why);
			bool excused = false;

			for (x = 0; x < step->nexcuses; x++)
				excused = excused || step->excuses[x].link == (int)l;
			if ((v == VERDICT_REFUSED || v == VERDICT_HANGS) && !excused)
				found = mem_printf("%s:%d:%d: after step %zu '%s': %s %s: %s",
				    plan->path, step->pos.line, step->pos.col, s + 1, step->id,
				    f->links[l].name, verdict_word(v), why);
		}
	}
	posture_release(&p);
	return found;
}

int
verb_check(const struct verb_options *options)
{
	struct engine_options o = {
		.fleet_path = options->fleet, .plan_path = options->plan, .read_only = true,
	};
	struct engine *e;
	struct err err;
	struct buf b = { 0 };
	const struct plan *plan;
	const struct fleet *f;
	char *problem = NULL;
	size_t postures = 0, i;
	int rc;

	if (engine_new(&e, &o, &err) != 0)
		return out_fail(&err);
	plan = engine_plan(e);
	f = engine_fleet(e);
	if (plan != NULL)
		problem = refusal(f, plan, &postures);
	if (options->json)
		json_check(e, problem);
	else if (options->expanded && plan != NULL) {
		plan_print(plan, f, &b);
		out("%s", buf_str(&b));
		buf_release(&b);
	} else {
		for (i = 0; i < f->not_yet.n; i++)
			out("%s\n", f->not_yet.v[i]);
		for (i = 0; plan != NULL && i < plan->not_yet.n; i++)
			out("%s\n", plan->not_yet.v[i]);
		if (problem == NULL && plan != NULL)
			out("%zu steps, %zu links: no declared link is refused after any step, in the plan's order\n"
			    "not considered: the moments within a step, undo, firewalls, DNS, drivers\n",
			    plan->nsteps, f->nlinks);
		else if (problem == NULL)
			out("%zu links at %zu endpoints\n", f->nlinks, f->nendpoints);
	}
	if (problem != NULL && !options->json)
		out("%s\n", problem);
	rc = problem == NULL ? EXIT_DONE : EXIT_ERROR;
	free(problem);
	engine_free(e);
	return rc;
}
