/*
 * impact: see impact.h.
 */
#include "core/impact.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/reading.h"

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
mark_hits(const struct fleet *f, int unit, bool *marks)
{
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		if (hit(f, &f->units[unit], &f->links[i]))
			marks[i] = true;
}

static uint32_t
count_marks(const struct fleet *f, const struct board *b, const bool *marks, bool *ret_uncounted)
{
	struct link_view view;
	uint32_t sessions = 0;
	size_t i;

	*ret_uncounted = false;
	for (i = 0; i < f->nlinks; i++) {
		if (!marks[i])
			continue;
		board_link(b, (int)i, 0, INT64_MAX, &view);
		if (view.counted)
			sessions += view.tls + view.plain;
		else
			*ret_uncounted = true;
	}
	return sessions;
}

uint32_t
impact_of_unit(const struct fleet *f, const struct board *b, int unit, bool *ret_uncounted)
{
	bool *marks = mem_array(f->nlinks + 1, sizeof(*marks));
	uint32_t sessions;

	mark_hits(f, unit, marks);
	sessions = count_marks(f, b, marks, ret_uncounted);
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
unit_loses_data(const struct fleet *f, const struct board *b, int unit)
{
	const struct unit *u = &f->units[unit];
	const struct reading *r;
	const char *save, *aof;
	size_t i;
	int e;

	if (u->kind == UNIT_RELOAD)
		return false;
	for (i = 0; i < u->restarts.n; i++) {
		e = fleet_endpoint(f, u->restarts.v[i]);
		if (e == NONE || f->endpoints[e].kind != KIND_REDIS ||
		    (r = board_reading(b, READING_SETTINGS, e)) == NULL)
			continue;
		save = setting(r, "save");
		aof = setting(r, "appendonly");
		if (save != NULL && *save == '\0' && aof != NULL && strcmp(aof, "no") == 0)
			return true;
	}
	return false;
}

void
impact_of_ops(struct impact *ret, const struct fleet *f, const struct board *b, const struct ops *ops)
{
	bool *marks, *hosts;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	marks = mem_array(f->nlinks + 1, sizeof(*marks));
	hosts = mem_array(f->nhosts + 1, sizeof(*hosts));
	for (i = 0; i < ops->n; i++) {
		const struct op *op = &ops->v[i];

		if (op->host >= 0 && (size_t)op->host < f->nhosts && !hosts[op->host]) {
			hosts[op->host] = true;
			ret->hosts++;
		}
		switch (op->kind) {
		case OP_ENV:
		case OP_CONF:
		case OP_BLOCK:
		case OP_URL:
		case OP_FILE:
			ret->edits++;
			break;
		case OP_RUN:
			ret->runs++;
			break;
		case OP_ACTIVATE:
			ret->activations++;
			if (op->unit < 0 || (size_t)op->unit >= f->nunits)
				break;
			mark_hits(f, op->unit, marks);
			ret->loses_data = ret->loses_data || unit_loses_data(f, b, op->unit);
			break;
		}
	}
	ret->sessions = count_marks(f, b, marks, &ret->uncounted);
	free(marks);
	free(hosts);
}
