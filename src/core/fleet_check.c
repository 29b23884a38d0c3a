/*
 * fleet_check: what no single body can tell.
 *
 * Owns: what follows does not run in a circle and is moved by somebody; what
 * is implied can be moved; a pooler's two sides live together; a setting is one
 * that its server can be told.  That matches do not overlap is fleet_overlap.c's.
 */
#include "core/attempt.h"
#include "core/fleet_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/setting.h"

/* A mode that the link's driver does not have. */
static int
check_spelling(struct fleet_reader *fr, const struct link *link, enum dial dial, struct pos pos)
{
	if (dial == DIAL_UNKNOWN || dialect_spelling(link->dialect, dial, NULL) != NULL)
		return 0;
	return dial_unspelt(fr, pos.line, pos.col, link, dial);
}

static int
check_implied(struct fleet_reader *fr, const struct binding *b, bool *implied)
{
	const struct link *link;
	size_t i;

	for (i = 0; i < b->nimplies; i++) {
		link = &fr->f->links[b->implies[i].link];
		if (link->how == DIAL_FIXED || link->how == DIAL_ASSUMED ||
		    (link->how == DIAL_FOLLOWS && link->follows != NONE))
			return reader_fail_at(&fr->r, b->pos.line, b->pos.col,
			    "'implies' moves '%s', which %s, expected 'dial: follows' there",
			    link->name, link->how == DIAL_FOLLOWS ? "follows another link" :
			    link->how == DIAL_FIXED ? "is fixed" : "is assumed");
		if (check_spelling(fr, link, b->implies[i].dial, b->pos) == -1)
			return -1;
		implied[b->implies[i].link] = true;
	}
	return 0;
}

static int
check_follows(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	const struct link *link, *next;
	bool *implied = mem_array(f->nlinks, sizeof(*implied));
	size_t i, k, hops;
	int rc = -1;

	for (i = 0; i < f->nendpoints; i++)
		for (k = 0; k < ACCEPT_COUNT; k++)
			if (check_implied(fr, &f->endpoints[i].accept[k], implied) == -1)
				goto out;
	for (i = 0; i < f->nlinks; i++)
		for (k = 0; k < DIAL_COUNT; k++)
			if (check_implied(fr, &f->links[i].dial[k], implied) == -1)
				goto out;
	for (i = 0; i < f->nlinks; i++) {
		link = &f->links[i];
		if (check_spelling(fr, link, link->assumed, link->pos) == -1)
			goto out;
		if (link->how != DIAL_FOLLOWS)
			continue;
		if (link->follows == NONE && !implied[i]) {
			(void)reader_fail_at(&fr->r, link->pos.line, link->pos.col,
			    "'%s' follows, and no binding implies it, expected 'implies: { \"%s\": … }' at one, or 'dial: { follows: LINK }'",
			    link->name, link->name);
			goto out;
		}
		if (link->follows != NONE)
			fr->f->links[link->follows].followed = true;
		for (next = link, hops = 0; next->how == DIAL_FOLLOWS && next->follows != NONE; hops++) {
			next = &f->links[next->follows];
			if (next != link && hops < f->nlinks)
				continue;
			if (next != link)
				break;	/* a circle further on: said where it stands */
			(void)reader_fail_at(&fr->r, link->pos.line, link->pos.col,
			    "'%s' follows itself in a circle, expected a link at the end that a step can move",
			    link->name);
			goto out;
		}
	}
	rc = 0;
out:
	free(implied);
	return rc;
}

static int
check_poolers(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	const struct client *c;
	const struct endpoint *e;
	size_t i;

	for (i = 0; i < f->nclients; i++) {
		c = &f->clients[i];
		if (c->pools == NONE)
			continue;
		e = &f->endpoints[c->pools];
		if (c->unit != e->unit)
			return reader_fail_at(&fr->r, c->pos.line, c->pos.col,
			    "the client '%s' is the pooler's own side and has another unit, expected 'unit: %s'",
			    c->name, e->unit == NONE ? "" : f->units[e->unit].name);
		if (fleet_link_between(f, (int)i, c->pools) != NONE)
			return reader_fail_at(&fr->r, c->pos.line, c->pos.col,
			    "'%s' dials itself, expected the endpoint that it pools for", c->name);
	}
	return 0;
}

/* ---- settings ---- */

static int
check_setting(struct fleet_reader *fr, struct bedit *e, const char *const run_time[])
{
	const struct endpoint *ep = &fr->f->endpoints[e->endpoint];
	struct reader *r = &fr->r;
	struct err err;
	size_t i;

	if (ep->kind == KIND_PGBOUNCER && e->persist && e->persist_given)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "what the console of a pgbouncer is told is gone at a RELOAD and at a restart: "
		    "expected a 'conf' edit of its file, or no 'persist'");
	if (ep->kind == KIND_PGBOUNCER)
		e->persist = false;
	if (ep->kind == KIND_POSTGRES && !e->persist)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "ALTER SYSTEM of a postgres is always kept, expected no 'persist'");
	if (ep->kind != KIND_REDIS && ep->admin_user == NULL && ep->not_yet == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "the endpoint '%s' has no admin to change a setting, expected 'admin: { user: … }' there",
		    ep->name);
	if (ep->host == NONE && ep->not_yet == NULL)
		return reader_fail_at(r, e->pos.line, e->pos.col,
		    "the endpoint '%s' has no host that the change could be recorded on", ep->name);
	if (e->set.n + e->unset.n > SETTING_NAMES_MAX)
		return reader_fail_at(r, e->pos.line, e->pos.col, "more than %d settings", SETTING_NAMES_MAX);
	for (i = 0; i < e->set.n; i++) {
		const struct pair *p = &e->set.v[i];
		bool known = strstr(p->value, "$(") == NULL;

		if (setting_check(ep->kind, p->key, known ? p->value : "", &err) != 0)
			return reader_fail_at(r, p->pos.line, p->pos.col, "%s", err.msg);
		if (reader_has_foreign(p->value, run_time))
			return reader_fail_at(r, p->pos.line, p->pos.col,
			    "the value of '%s' has a '$(' that is no name, expected none", p->key);
		if (strings_has(&e->unset, p->key))
			return reader_fail_at(r, p->pos.line, p->pos.col,
			    "'%s' is set and unset, expected one of them", p->key);
	}
	for (i = 0; i < e->unset.n; i++)
		if (setting_check(ep->kind, e->unset.v[i], NULL, &err) != 0)
			return reader_fail_at(r, e->pos.line, e->pos.col, "%s", err.msg);
	return 0;
}

static int
check_settings_of(struct fleet_reader *fr, struct binding *b, const char *const run_time[])
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (b->v[i].kind == EDIT_SETTING && b->v[i].not_yet == NULL &&
		    check_setting(fr, &b->v[i], run_time) == -1)
			return -1;
	return 0;
}

static int
check_settings(struct fleet_reader *fr)
{
	static const char *const of_accept[] = { "step", NULL };
	static const char *const of_dial[] = { "dial", "step", "ca_file", NULL };
	struct fleet *f = fr->f;
	size_t i, k;

	for (i = 0; i < f->nendpoints; i++)
		for (k = 0; k < ACCEPT_COUNT; k++)
			if (check_settings_of(fr, &f->endpoints[i].accept[k], of_accept) == -1)
				return -1;
	for (i = 0; i < f->nlinks; i++) {
		for (k = 0; k < DIAL_COUNT; k++)
			if (check_settings_of(fr, &f->links[i].dial[k], of_dial) == -1)
				return -1;
		if (check_settings_of(fr, &f->links[i].trust, of_dial) == -1)
			return -1;
	}
	for (i = 0; i < f->ncerts; i++)
		if (check_settings_of(fr, &f->certs[i].install, of_accept) == -1)
			return -1;
	return 0;
}

static int
check_units(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	const struct endpoint *e;
	const struct unit *u;
	size_t i;

	for (i = 0; i < f->nunits; i++) {
		u = &f->units[i];
		if (u->by == NONE)
			continue;
		e = &f->endpoints[u->by];
		if (e->unit != (int)i)
			return reader_fail_at(&fr->r, u->pos.line, u->pos.col,
			    "the unit '%s' is reloaded by '%s', which does not belong to it", u->name, e->name);
		if (e->kind != KIND_REDIS && e->admin_user == NULL)
			return reader_fail_at(&fr->r, u->pos.line, u->pos.col,
			    "the unit '%s' is reloaded by '%s', which names no admin, expected 'admin: …' there",
			    u->name, e->name);
	}
	return 0;
}

int
fleet_check(struct fleet_reader *fr)
{
	return check_units(fr) == -1 || check_poolers(fr) == -1 || check_follows(fr) == -1 ||
	    fleet_check_overlap(fr) == -1 || check_settings(fr) == -1 ? -1 : 0;
}
