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

/* Is the thing that a unit restarts (an endpoint or a client, by name) at either end of the link? */
static bool
hit(const struct fleet *f, const struct unit *u, const struct link *link)
{
	size_t i;

	for (i = 0; i < u->restarts.n; i++) {
		if (strcmp(u->restarts.v[i], f->endpoints[link->endpoint].name) == 0)
			return true;
		if (strcmp(u->restarts.v[i], f->clients[link->client].name) == 0)
			return true;
	}
	return false;
}

static void
mark_hits(const struct scene *s, int unit, bool *marks)
{
	const struct unit *u = &s->fleet->units[unit];
	size_t i;

	/* A reload ends nobody's session by itself. */
	if (u->kind == UNIT_RELOAD)
		return;
	for (i = 0; i < s->fleet->nlinks; i++)
		if (hit(s->fleet, u, &s->fleet->links[i]))
			marks[i] = true;
}

static uint32_t
count_marks(const struct scene *s, const bool *marks, bool *ret_uncounted)
{
	struct link_view view;
	uint32_t sessions = 0;
	size_t i;

	*ret_uncounted = false;
	for (i = 0; i < s->fleet->nlinks; i++) {
		if (!marks[i])
			continue;
		scene_link(s, (int)i, &view);
		if (view.counted)
			sessions += view.tls + view.plain;
		else
			*ret_uncounted = true;
	}
	return sessions;
}

uint32_t
scene_unit_sessions(const struct scene *s, int unit, bool *ret_uncounted)
{
	bool *marks = mem_array(s->fleet->nlinks + 1, sizeof(*marks));
	uint32_t sessions;

	mark_hits(s, unit, marks);
	sessions = count_marks(s, marks, ret_uncounted);
	free(marks);
	return sessions;
}

static const char *
setting(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.n; i++)
		if (strcmp(r->settings.v[i].key, name) == 0)
			return r->settings.v[i].value;
	return NULL;
}

/* A Redis that says itself that it writes nothing down. */
static bool
unit_loses_data(const struct scene *s, int unit)
{
	const struct unit *u = &s->fleet->units[unit];
	const struct reading *r;
	const char *save, *aof;
	size_t i;
	int e;

	if (u->kind == UNIT_RELOAD)
		return false;
	for (i = 0; i < u->restarts.n; i++) {
		e = fleet_endpoint(s->fleet, u->restarts.v[i]);
		if (e == NONE || s->fleet->endpoints[e].kind != KIND_REDIS ||
		    (r = board_reading(s->board, READING_SETTINGS, e)) == NULL)
			continue;
		save = setting(r, "save");
		aof = setting(r, "appendonly");
		if (save != NULL && *save == '\0' && aof != NULL && strcmp(aof, "no") == 0)
			return true;
	}
	return false;
}

void
scene_impact(const struct scene *s, int step, struct impact *ret)
{
	const struct ops *ops = s->ops(s->arg, step);
	bool *marks, *hosts;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (ops == NULL)
		return;
	marks = mem_array(s->fleet->nlinks + 1, sizeof(*marks));
	hosts = mem_array(s->fleet->nhosts + 1, sizeof(*hosts));
	for (i = 0; i < ops->n; i++) {
		const struct op *op = &ops->v[i];

		if (op->host >= 0 && (size_t)op->host < s->fleet->nhosts && !hosts[op->host]) {
			hosts[op->host] = true;
			ret->hosts++;
		}
		switch (op->kind) {
		case OP_ENV:
		case OP_FILE:
			ret->edits++;
			break;
		case OP_RUN:
			ret->runs++;
			break;
		case OP_ACTIVATE:
			ret->activations++;
			if (op->unit < 0 || (size_t)op->unit >= s->fleet->nunits)
				break;
			mark_hits(s, op->unit, marks);
			ret->loses_data = ret->loses_data || unit_loses_data(s, op->unit);
			break;
		}
	}
	ret->sessions = count_marks(s, marks, &ret->uncounted);
	free(marks);
	free(hosts);
}
