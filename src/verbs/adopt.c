/*
 * adopt: takes a run over that another bastion, or another account, began:
 * the hosts' records become a journal here.
 */
#include "verbs/out.h"
#include "verbs/run.h"

static void
adopt_turn(struct run *r)
{
	bool *asked = r->arg;
	struct err err;
	const char *who;
	size_t steps;

	if (!run_with_plan(r))
		return;
	if (!*asked) {
		*asked = true;
		engine_adopt(r->engine);
	}
	if (engine_adopting(r->engine))
		return;
	if (engine_adopted(r->engine, &steps, &who, &err) != 0) {
		run_end(r, out_fail(&err));
		return;
	}
	if (steps == 0)
		out("there is nothing to adopt: no host has records of this plan that stand\n");
	else
		out("adopted: %zu step%s of a run begun by %s; belay status shows it, belay undo --all takes it back\n",
		    steps, steps == 1 ? "" : "s", who);
	run_end(r, EXIT_DONE);
}

int
verb_adopt(const struct verb_options *options)
{
	bool asked = false;
	struct run r = { .options = options, .turn = adopt_turn, .arg = &asked };

	return run_engine(&r, false, false);
}
