/*
 * explain: what is wrong, why, and what to do.
 */
#include "core/explain.h"

#include "core/err.h"
#include "verbs/json.h"
#include "verbs/out.h"
#include "verbs/run.h"

#define LOOK_MS		20000	/* how long the first look may take */
#define LOG_MS		5000	/* how much longer for logs that are read for the first time */

struct explain {
	int64_t	 since_ms, log_deadline_ms, deadline_ms;
};

static void
show(const struct fleet *f, const struct explanations *all)
{
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct explained *e = &all->v[i];
		const struct cause_row *row = e->cause == NO_CAUSE ? NULL : cause_row((enum cause)e->cause);

		out("%s%s%s: %s%s\n", i > 0 ? "\n" : "", e->host != NONE ? "host " : "", explained_of(f, e),
		    e->sure ? "" : "perhaps ", row != NULL ? row->name : "not seen");
		if (row != NULL)
			out("  %s\n", row->what);
		if (e->because != NULL)
			out("  seen: %s\n", e->because);
		if (e->rests != NULL)
			out("  rests on: %s\n", e->rests);
		if (row != NULL)
			out("  to do: %s\n", row->fix);
	}
	if (all->n == 0)
		out("nothing that is seen looks like a failure\n");
}

static void
turn(struct run *r)
{
	struct explain *x = r->arg;
	struct engine *e = r->engine;
	int64_t now_ms = engine_now_ms(e);
	struct explanations all;
	struct err err;

	if (r->interrupted) {
		run_end(r, EXIT_DONE);
		return;
	}
	if (x->since_ms == 0) {
		x->since_ms = engine_sweep(e);
		x->deadline_ms = now_ms + LOOK_MS;
		engine_wake_in(e, LOOK_MS);
	}
	if (!engine_swept(e, x->since_ms) && now_ms < x->deadline_ms)
		return;
	/* They come with the next look. */
	if (board_log_unread(engine_board(e)) && now_ms < x->deadline_ms) {
		if (x->log_deadline_ms == 0)
			x->deadline_ms = x->log_deadline_ms = now_ms + LOG_MS;
		x->since_ms = engine_sweep(e);
		engine_wake_in(e, LOG_MS);
		return;
	}
	if (explain_board(&all, engine_fleet(e), engine_board(e), now_ms, r->options->step, &err) != 0) {
		run_end(r, out_fail(&err));
		return;
	}
	if (r->options->json)
		json_explain(e, &all);
	else
		show(engine_fleet(e), &all);
	explanations_release(&all);
	run_end(r, EXIT_DONE);
}

int
verb_explain(const struct verb_options *options)
{
	struct explain x = { 0 };
	struct run r = { .options = options, .turn = turn, .arg = &x };

	return run_engine(&r, true, true);
}
