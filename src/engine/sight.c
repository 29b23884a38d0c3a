/*
 * sight: which endpoints were ever seen to answer, and which were silent when
 * their unit was about to be activated, so that their silence is not that activation's
 * doing, and the way back need not wait for them.
 *
 * That an endpoint was silent then is in the journal before the activation is
 * begun ("silent"), that it has answered since when that is seen ("answers"): who goes
 * back may be another process, which has seen nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/standing.h"
#include "engine/engine_int.h"

void
sight_note(struct engine *e, const struct reading *r)
{
	struct sight *sight;

	if (r->kind != READING_SERVED && r->kind != READING_CENSUS && r->kind != READING_SETTINGS)
		return;
	sight = &e->sights[r->subject];
	sight->looked = true;
	if (r->kind != READING_SERVED)
		sight->answered = sight->answered || r->outcome != SAW_NOT;
	else
		sight->answered = sight->answered || r->served.plain == LEG_OPEN || r->served.plain == LEG_REFUSED ||
		    r->served.tls == LEG_OPEN || r->served.tls == LEG_REFUSED;
	if (!sight->silent || !sight->answered)
		return;
	sight->silent = false;
	if (e->run_open && !e->options.read_only && e->journaling != NULL)
		(void)past_note(e, NONE, "answers", e->fleet->endpoints[r->subject].name, NULL);
}

void
sight_before(struct engine *e, int step, const struct op *op)
{
	struct indices endpoints;
	struct sight *sight;
	size_t i;

	standing_endpoints(&endpoints, e->fleet, op->unit);
	for (i = 0; i < endpoints.n; i++) {
		sight = &e->sights[endpoints.v[i]];
		if (sight->silent || !sight->looked || sight->answered)
			continue;
		sight->silent = true;
		(void)past_note(e, step, "silent", e->fleet->endpoints[endpoints.v[i]].name, NULL);
	}
	free(endpoints.v);
}

void
sight_silent(const struct engine *e, struct indices *ret)
{
	size_t i;

	for (i = 0; i < e->fleet->nendpoints; i++)
		if (e->sights[i].silent)
			*(int *)mem_push(&ret->v, &ret->n, sizeof(*ret->v)) = (int)i;
}

void
sight_replay(struct engine *e, const char *kind, const char *text)
{
	bool silent = strcmp(kind, "silent") == 0;
	int endpoint;

	if ((silent || strcmp(kind, "answers") == 0) && (endpoint = fleet_endpoint(e->fleet, text)) != NONE)
		e->sights[endpoint].silent = silent;
}

/* What another run met is no reason any more. */
void
sight_forget(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->fleet->nendpoints; i++)
		e->sights[i].silent = false;
}
