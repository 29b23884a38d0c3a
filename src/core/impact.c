/*
 * impact: see impact.h.
 */
#include "core/impact.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/posture.h"
#include "core/reader.h"
#include "core/reading.h"

/*
 * Is the thing that a unit restarts (an endpoint or a client, by name) at
 * either end of the link?  Of a client on several hosts it restarts its own part.
 */
static bool
hit(const struct fleet *f, const struct unit *u, const struct link *link)
{
	const struct client *c = &f->clients[link->client];
	size_t i;

	for (i = 0; i < u->restarts.n; i++) {
		if (strcmp(u->restarts.v[i], f->endpoints[link->endpoint].name) == 0)
			return true;
		if (strcmp(u->restarts.v[i], c->name) == 0)
			return true;
		if (c->of != NULL && strcmp(u->restarts.v[i], c->of) == 0 && c->host == u->host)
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

/* Does the step itself move it, or does that follow from what it moves? */
static bool
moves(const struct fleet *f, const struct step *s, enum facet facet, int subject)
{
	struct change *v;
	size_t i, k, n;
	bool found = false;

	for (i = 0; s != NULL && i < s->nmoves && !found; i++) {
		posture_changes(f, &s->moves[i], &v, &n);
		for (k = 0; k < n; k++)
			found = found || (v[k].facet == facet && v[k].subject == subject);
		free(v);
	}
	return found;
}

static bool
names(const struct unit *u, const char *name)
{
	size_t i;

	for (i = 0; i < u->restarts.n; i++)
		if (strcmp(u->restarts.v[i], name) == 0)
			return true;
	return false;
}

static void
endpoint_besides(struct strings *takes_up, struct strings *loses, const struct fleet *f, const struct board *b,
    const struct step *s, int unit, int e)
{
	const struct endpoint *end = &f->endpoints[e];
	const struct reading *r = board_reading(b, READING_SETTINGS, e);
	bool restart = f->units[unit].kind == UNIT_RESTART;
	struct endpoint_view v;
	const char *at, *file;
	size_t i;

	board_endpoint(b, e, 0, INT64_MAX, &v);
	if (v.configured != ACCEPT_UNKNOWN && v.served != ACCEPT_UNKNOWN && v.configured != v.served &&
	    !moves(f, s, FACET_ACCEPT, e))
		strings_push(takes_up, mem_printf("%s: its files say %s, it serves %s", end->name,
		    accept_word(v.configured), accept_word(v.served)));
	for (i = 0; restart && r != NULL && i < r->settings.n; i++)
		if ((at = strchr(r->settings.v[i].key, '@')) != NULL && strcmp(at, "@pending") == 0)
			strings_push(takes_up, mem_printf("%s: '%.*s' is set anew and waits for a restart", end->name,
			    (int)(at - r->settings.v[i].key), r->settings.v[i].key));
	if (!restart || r == NULL || end->kind != KIND_REDIS)
		return;
	file = setting(r, "config_file");
	if (file != NULL && *file == '\0')
		strings_push(loses, mem_printf("%s: it runs without a configuration file: what was set at run time", end->name));
}

static void
link_besides(struct strings *takes_up, const struct fleet *f, const struct board *b, const struct step *s, int l)
{
	struct link_view v;

	board_link(b, l, 0, INT64_MAX, &v);
	if (v.dial == DIAL_UNKNOWN || v.dial_declared || !v.counted || moves(f, s, FACET_DIAL, l))
		return;
	if (v.dial == DIAL_DISABLE && v.tls > 0)
		strings_push(takes_up, mem_printf("%s: its files say %s, %u of its sessions %s on tls", f->links[l].name,
		    dial_word(v.dial), v.tls, v.tls == 1 ? "is" : "are"));
	else if (v.dial >= DIAL_REQUIRE && v.plain > 0)
		strings_push(takes_up, mem_printf("%s: its files say %s, %u of its sessions %s in plaintext", f->links[l].name,
		    dial_word(v.dial), v.plain, v.plain == 1 ? "is" : "are"));
}

void
impact_besides(struct strings *ret_takes_up, struct strings *ret_loses, const struct fleet *f,
    const struct board *b, const struct step *s, int unit)
{
	const struct unit *u = &f->units[unit];
	size_t i;

	memset(ret_takes_up, 0, sizeof(*ret_takes_up));
	memset(ret_loses, 0, sizeof(*ret_loses));
	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].unit == unit || names(u, f->endpoints[i].name))
			endpoint_besides(ret_takes_up, ret_loses, f, b, s, unit, (int)i);
	for (i = 0; i < f->nlinks; i++) {
		const struct client *c = &f->clients[f->links[i].client];

		if (c->unit == unit || names(u, c->name))
			link_besides(ret_takes_up, f, b, s, (int)i);
	}
	if (unit_loses_data(f, b, unit))
		strings_push(ret_loses, mem_strdup("a redis that keeps nothing on disk: what it holds"));
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
		case OP_SETTING:
			ret->edits++;
			break;
		case OP_DRAIN:
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
