/*
 * lint: see lint.h.  Findings are for people to weigh: they change no exit code.
 */
#include "verbs/lint.h"

#include "core/lint.h"
#include "verbs/out.h"

void
lint_out(const struct fleet *f, const struct plan *plan)
{
	struct lints l;
	size_t i;

	lint_run(&l, f, plan);
	for (i = 0; i < l.n; i++)
		out("%s:%d:%d: %s: %s [%s]\n", l.v[i].in_plan ? plan->path : f->path,
		    l.v[i].pos.line, l.v[i].pos.col, lint_level_word(l.v[i].level),
		    l.v[i].text, l.v[i].name);
	lints_release(&l);
}
