/*
 * steps: see steps.h.  Owns nothing.
 */
#include "ui/steps.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "ui/page.h"

bool
phase_passed(enum phase phase)
{
	return phase == PHASE_DONE || phase == PHASE_MET || phase == PHASE_SKIPPED;
}

static bool
at_rest(enum phase phase)
{
	return phase_passed(phase) || phase == PHASE_TODO || phase == PHASE_RESTORED ||
	    phase == PHASE_READY;
}

void
step_number(char ret[STEP_NUMBER_MAX], const struct plan *plan, int step)
{
	int group = plan->steps[step].group;
	const struct group *g = &plan->groups[group];

	if (g->n > 1)
		snprintf(ret, STEP_NUMBER_MAX, "%d.%d", group + 1, step - (int)g->first + 1);
	else
		snprintf(ret, STEP_NUMBER_MAX, "%d", group + 1);
}

size_t
steps_passed(const struct scene *s, int group)
{
	size_t i, n = 0;

	for (i = 0; i < s->plan->nsteps; i++)
		if ((group == NONE || s->plan->steps[i].group == group) &&
		    phase_passed(rollout_step(s->rollout, (int)i)->phase))
			n++;
	return n;
}

static int
group_subject(const struct scene *s, const struct group *g)
{
	size_t i;

	for (i = g->first; i < g->first + g->n; i++)
		if (!at_rest(rollout_step(s->rollout, (int)i)->phase))
			return (int)i;
	for (i = g->first; i < g->first + g->n; i++)
		if (!phase_passed(rollout_step(s->rollout, (int)i)->phase))
			return (int)i;
	return (int)(g->first + g->n - 1);
}

static bool
step_has(const struct step *step, const char *filter)
{
	return text_has(step->title, filter) || text_has(step->id, filter);
}

size_t
steps_rows(const struct scene *s, int open_group, const char *filter, struct step_row **ret)
{
	struct step_row *rows = NULL, *row;
	size_t n = 0, g, i;
	bool any;

	*ret = NULL;
	if (s->plan == NULL)
		return 0;
	for (g = 0; g < s->plan->ngroups; g++) {
		const struct group *group = &s->plan->groups[g];

		any = text_has(group->title, filter);
		for (i = group->first; i < group->first + group->n && !any; i++)
			any = step_has(&s->plan->steps[i], filter);
		if (!any)
			continue;
		row = mem_push(&rows, &n, sizeof(*rows));
		row->group = (int)g;
		row->step = group_subject(s, group);
		row->in_group = group->n;
		row->head = group->n > 1;
		snprintf(row->number, sizeof(row->number), "%zu", g + 1);
		if (!row->head || (int)g != open_group)
			continue;
		for (i = group->first; i < group->first + group->n; i++) {
			row = mem_push(&rows, &n, sizeof(*rows));
			row->group = (int)g;
			row->step = (int)i;
			row->in_group = group->n;
			row->child = true;
			step_number(row->number, s->plan, (int)i);
		}
	}
	*ret = rows;
	return n;
}
