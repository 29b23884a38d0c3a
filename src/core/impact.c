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
#include "core/standing.h"

static bool
names(const struct unit *u, const char *name)
{
	size_t i;

	for (i = 0; i < u->restarts.n; i++)
		if (strcmp(u->restarts.v[i], name) == 0)
			return true;
	return false;
}

/*
 * Does an activation of the unit hit the client: is it of the unit, named by its
 * `restarts` (of one on several hosts it is the part on the unit's own), or the
 * other side of a pooler that is hit?
 */
static bool
hits_client(const struct fleet *f, int unit, const struct indices *endpoints, const struct client *c)
{
	const struct unit *u = &f->units[unit];

	return c->unit == unit || names(u, c->name) ||
	    (c->of != NULL && c->host == u->host && names(u, c->of)) ||
	    (c->pools != NONE && indices_has(endpoints, c->pools));
}

/*
 * The links that have an end in what the unit restarts.  A reload ends no session at a server; but
 * clients that it names are restarted, or it would not name them.
 */
static void
mark_hits(const struct fleet *f, int unit, bool *marks)
{
	bool reload = f->units[unit].kind == UNIT_RELOAD;
	const struct client *c;
	struct indices endpoints;
	size_t i;

	standing_endpoints(&endpoints, f, unit);
	for (i = 0; i < f->nlinks; i++) {
		c = &f->clients[f->links[i].client];
		if (reload ? c->pools == NONE && c->unit != unit && hits_client(f, unit, &endpoints, c) :
		    indices_has(&endpoints, f->links[i].endpoint) || hits_client(f, unit, &endpoints, c))
			marks[i] = true;
	}
	free(endpoints.v);
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

/* What becomes of what a Redis holds when it is restarted. */
enum keeps { KEEPS, KEEPS_NOTHING, KEEPS_UNKNOWN };

static enum keeps
redis_keeps(const struct board *b, int endpoint)
{
	const struct reading *r = board_reading(b, READING_SETTINGS, endpoint);
	const char *save, *aof;

	if (r == NULL)
		return KEEPS_UNKNOWN;
	save = reading_setting(r, "save");
	aof = reading_setting(r, "appendonly");
	if ((save != NULL && *save != '\0') || (aof != NULL && strcmp(aof, "yes") == 0))
		return KEEPS;
	return save == NULL || aof == NULL ? KEEPS_UNKNOWN : KEEPS_NOTHING;
}

static void
loses(struct impact *im, const struct fleet *f, const struct board *b, int unit)
{
	struct indices endpoints;
	enum keeps keeps;
	size_t i;

	if (f->units[unit].kind == UNIT_RELOAD)
		return;
	standing_endpoints(&endpoints, f, unit);
	for (i = 0; i < endpoints.n; i++) {
		if (f->endpoints[endpoints.v[i]].kind != KIND_REDIS)
			continue;
		keeps = redis_keeps(b, endpoints.v[i]);
		im->loses_data = im->loses_data || keeps == KEEPS_NOTHING;
		im->may_lose_data = im->may_lose_data || keeps == KEEPS_UNKNOWN;
	}
	free(endpoints.v);
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
	if (!restart || end->kind != KIND_REDIS)
		return;
	file = r == NULL ? NULL : reading_setting(r, "config_file");
	if (file != NULL && *file == '\0')
		strings_push(loses, mem_printf("%s: it runs without a configuration file: what was set at run time", end->name));
	switch (redis_keeps(b, e)) {
	case KEEPS:
		break;
	case KEEPS_NOTHING:
		strings_push(loses, mem_printf("%s: it keeps nothing on disk: what it holds", end->name));
		break;
	case KEEPS_UNKNOWN:
		strings_push(loses, mem_printf("%s: perhaps what it holds: whether it keeps anything on disk is not known",
		    end->name));
		break;
	}
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
	struct indices endpoints;
	size_t i;

	memset(ret_takes_up, 0, sizeof(*ret_takes_up));
	memset(ret_loses, 0, sizeof(*ret_loses));
	standing_endpoints(&endpoints, f, unit);
	for (i = 0; i < endpoints.n; i++)
		endpoint_besides(ret_takes_up, ret_loses, f, b, s, unit, endpoints.v[i]);
	for (i = 0; i < f->nlinks; i++)
		if (hits_client(f, unit, &endpoints, &f->clients[f->links[i].client]))
			link_besides(ret_takes_up, f, b, s, (int)i);
	free(endpoints.v);
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

		if (op->host >= 0 && (size_t)op->host < f->nhosts && !hosts[fleet_base(f, op->host)]) {
			hosts[fleet_base(f, op->host)] = true;
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
			loses(ret, f, b, op->unit);
			break;
		}
	}
	ret->sessions = count_marks(f, b, marks, &ret->uncounted);
	free(marks);
	free(hosts);
}
