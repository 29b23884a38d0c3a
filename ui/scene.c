/*
 * scene: see scene.h.
 *
 * Owns nothing; asks core, and sums up what several panes want to know.
 */
#include "ui/scene.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/op.h"

bool
scene_protected(const struct scene *s)
{
	return s->fleet->environment != NULL && strcmp(s->fleet->environment, "production") == 0;
}

void
scene_link(const struct scene *s, int link, struct link_view *ret)
{
	board_link(s->board, link, s->now_ms, s->stale_ms[READING_CENSUS], ret);
}

void
scene_endpoint(const struct scene *s, int endpoint, struct endpoint_view *ret)
{
	board_endpoint(s->board, endpoint, s->now_ms, s->stale_ms[READING_SERVED], ret);
}

void
scene_cert(const struct scene *s, int endpoint, struct cert_row *ret)
{
	const struct cert_files **files = NULL;
	size_t i;

	if (s->cert_files != NULL) {
		files = mem_array(s->fleet->ncerts + 1, sizeof(*files));
		for (i = 0; i < s->fleet->ncerts; i++)
			files[i] = s->cert_files(s->arg, (int)i);
	}
	certs_row(ret, s->fleet, s->board, files, endpoint, s->now_ms, s->stale_ms[READING_SERVED]);
	free(files);
}

uint32_t
scene_plain_at(const struct scene *s, int endpoint, size_t *ret_unknown)
{
	struct link_view view;
	uint32_t plain = 0;
	size_t i, unknown = 0;

	for (i = 0; i < s->fleet->nlinks; i++) {
		if (s->fleet->links[i].endpoint != endpoint)
			continue;
		scene_link(s, (int)i, &view);
		if (view.counted)
			plain += view.plain;
		else
			unknown++;
	}
	if (ret_unknown != NULL)
		*ret_unknown = unknown;
	return plain;
}

int
scene_undo_step(const struct scene *s)
{
	int step;

	if (s->rollout == NULL)
		return NONE;
	if ((step = rollout_in_flight(s->rollout)) != NONE)
		return step;
	return rollout_last(s->rollout);
}

void
scene_besides(const struct scene *s, int step, int unit, struct strings *ret_takes_up, struct strings *ret_loses)
{
	impact_besides(ret_takes_up, ret_loses, s->fleet, s->board, &s->plan->steps[step], unit);
}

uint32_t
scene_unit_sessions(const struct scene *s, int unit, bool *ret_uncounted)
{
	return impact_of_unit(s->fleet, s->board, unit, ret_uncounted);
}

void
scene_impact(const struct scene *s, int step, struct impact *ret)
{
	const struct ops *ops = s->ops(s->arg, step);

	memset(ret, 0, sizeof(*ret));
	if (ops != NULL)
		impact_of_ops(ret, s->fleet, s->board, ops);
}
