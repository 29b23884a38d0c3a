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

struct trusting {
	const struct fleet *f;
	struct link *link;
};

static int
by_trust_file(const void *a, const void *b)
{
	const struct trusting *x = a, *y = b;
	int h = link_host(x->f, x->link), k = link_host(y->f, y->link);

	return h != k ? (h > k) - (h < k) : strcmp(x->link->trust_file, y->link->trust_file);
}

/* Whose CA file others read as well. */
static void
mark_shared_trust(struct fleet *f)
{
	struct trusting *v = mem_array(f->nlinks + 1, sizeof(*v));
	size_t i, n = 0;

	for (i = 0; i < f->nlinks; i++)
		/* What comes with a certificate's own install is no step's to write. */
		if (f->links[i].trust_file != NULL && !f->links[i].trust_lands && link_host(f, &f->links[i]) != NONE) {
			v[n].f = f;
			v[n++].link = &f->links[i];
		}
	if (n > 1)
		qsort(v, n, sizeof(*v), by_trust_file);
	for (i = 1; i < n; i++)
		if (links_share_trust(f, v[i - 1].link, v[i].link))
			v[i - 1].link->trust_shared = v[i].link->trust_shared = true;
	free(v);
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
	static const char *const of_accept[] = { "step", "client_ca.pem", "client_ca.b64", NULL };
	static const char *const of_dial[] = { "dial", "step", "ca_file", NULL };
	static const char *const of_present[] = { "cert_file", "key_file", "step", NULL };
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
		if (check_settings_of(fr, &f->links[i].presents.with, of_present) == -1 ||
		    check_settings_of(fr, &f->links[i].presents.without, of_present) == -1)
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

/* ---- files that are edited as one user and as another ---- */

struct edited {
	const struct bedit *edit;
	int	 on;
};

struct edits {
	const struct fleet *f;
	struct edited *v;		/* by another user than the host's own */
	size_t	 n;
	bool	 collects;
	const struct edited *other;	/* of the clash: the one, and what meets it */
	const struct bedit *clash;
	int	 clash_on;
};

static void
each_edit(struct edits *x, const struct bedit *e, int on)
{
	size_t i;

	if (on == NONE || e->file == NULL || x->clash != NULL)
		return;
	if (x->collects) {
		if (x->f->hosts[on].base != NONE)
			*(struct edited *)mem_push(&x->v, &x->n, sizeof(*x->v)) = (struct edited){ e, on };
		return;
	}
	for (i = 0; i < x->n; i++)
		if (x->v[i].on != on && fleet_base(x->f, x->v[i].on) == fleet_base(x->f, on) &&
		    strcmp(x->v[i].edit->file, e->file) == 0) {
			x->other = &x->v[i];
			x->clash = e;
			x->clash_on = on;
			return;
		}
}

static void
each_of(struct edits *x, const struct binding *b, int owner)
{
	size_t i, k;

	for (i = 0; i < b->n; i++) {
		if (b->v[i].on.n == 0)
			each_edit(x, &b->v[i], owner);
		for (k = 0; k < b->v[i].on.n; k++)
			each_edit(x, &b->v[i], b->v[i].on.v[k]);
	}
}

static int
place_of(const struct fleet *f, int host, int unit)
{
	return host != NONE ? host : unit != NONE ? f->units[unit].host : NONE;
}

static void
all_edits(struct edits *x)
{
	const struct fleet *f = x->f;
	const struct client *c;
	size_t i;
	int v;

	for (i = 0; i < f->nendpoints; i++)
		for (v = 0; v < ACCEPT_COUNT; v++)
			each_of(x, &f->endpoints[i].accept[v], place_of(f, f->endpoints[i].host, f->endpoints[i].unit));
	for (i = 0; i < f->nlinks; i++) {
		c = &f->clients[f->links[i].client];
		for (v = 0; v < DIAL_COUNT; v++)
			each_of(x, &f->links[i].dial[v], place_of(f, c->host, c->unit));
		each_of(x, &f->links[i].presents.install, place_of(f, c->host, c->unit));
		each_of(x, &f->links[i].presents.with, place_of(f, c->host, c->unit));
		each_of(x, &f->links[i].presents.without, place_of(f, c->host, c->unit));
	}
	for (i = 0; i < f->ncerts; i++)
		each_of(x, &f->certs[i].install, NONE);
}

/* Each keeps what it changed for itself, so that one would put back what the other has written. */
static int
check_users(struct fleet_reader *fr)
{
	struct edits x = { .f = fr->f, .collects = true };
	const struct host *h, *o;
	int rc = 0;

	all_edits(&x);
	x.collects = false;
	if (x.n > 0)
		all_edits(&x);
	if (x.clash != NULL) {
		h = &fr->f->hosts[x.clash_on];
		o = &fr->f->hosts[x.other->on];
		rc = reader_fail_at(&fr->r, x.clash->pos.line, x.clash->pos.col,
		    "'%s' is edited as '%s' here and as '%s' at line %d, expected one user for all edits of a file",
		    x.clash->file, h->base == NONE && h->become == NULL ? "the user who logs in" : h->become,
		    o->become, x.other->edit->pos.line);
	}
	free(x.v);
	return rc;
}

/* A password is for somebody who becomes somebody; and places are hosts to everybody who counts. */
static int
check_passwords(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	size_t i, k;

	if (f->nhosts > FLEET_ITEMS_MAX)
		return reader_fail_at(&fr->r, f->hosts[0].pos.line, f->hosts[0].pos.col,
		    "more than %d hosts and users on them", FLEET_ITEMS_MAX);
	for (i = 0; i < f->nhosts; i++) {
		const struct host *h = &f->hosts[i];

		for (k = 0; h->become_password != NONE && h->become == NULL && k < f->nhosts; k++)
			if (f->hosts[k].base == (int)i)
				break;
		if (h->become_password != NONE && h->become == NULL && k == f->nhosts)
			return reader_fail_at(&fr->r, h->pos.line, h->pos.col,
			    "'become-password' without 'become', expected 'become: USER' beside it, or in an edit on '%s'",
			    h->name);
	}
	return 0;
}

/* ---- certificates of clients ---- */

/* Known by the client that presents it, where it has no name of its own. */
static int
name_client(struct fleet_reader *fr, int cert)
{
	struct cert *c = &fr->f->certs[cert];
	const struct fleet *f = fr->f;
	const char *name = NULL, *who;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		const struct client *client = &f->clients[f->links[i].client];

		if (f->links[i].presents.cert != cert)
			continue;
		who = client->of != NULL ? client->of : client->name;
		if (name != NULL && strcmp(name, who) != 0)
			return reader_fail_at(&fr->r, c->pos.line, c->pos.col,
			    "'%s' is shown by '%s' and by '%s', expected 'subject: …' here", c->name, name, who);
		name = who;
	}
	c->subject = mem_strdup(name != NULL ? name : c->name);
	return 0;
}

static int
check_presents(struct fleet_reader *fr, const struct link *l)
{
	const struct fleet *f = fr->f;
	const struct endpoint *e = &f->endpoints[l->endpoint];
	const struct presents *p = &l->presents;

	if (!f->certs[p->cert].client)
		return reader_fail_at(&fr->r, p->install.pos.line, p->install.pos.col,
		    "'%s' is a server's certificate, expected one with 'purpose: client'", f->certs[p->cert].name);
	if (f->certs[p->cert].external)
		return reader_fail_at(&fr->r, p->install.pos.line, p->install.pos.col,
		    "'%s' is external, and not ours to put anywhere, expected one that is issued here", f->certs[p->cert].name);
	if (e->clients == NONE)
		return reader_fail_at(&fr->r, p->install.pos.line, p->install.pos.col,
		    "'%s' does not say whose CA it knows clients by, expected 'clients: CERTIFICATE' there", e->name);
	return l->stray ? reader_fail_at(&fr->r, p->install.pos.line, p->install.pos.col,
	    "'present' beside 'shows: stray', expected one of them") : 0;
}

/* What belay shows of itself has to be known there. */
static int
check_own(struct fleet_reader *fr, const struct endpoint *e)
{
	const struct fleet *f = fr->f;
	const struct cert *c = &f->certs[e->probe_cert];

	if (!c->client)
		return reader_fail_at(&fr->r, e->pos.line, e->pos.col,
		    "the probe of '%s' shows '%s', a server's certificate, expected one with 'purpose: client'", e->name, c->name);
	if (c->external)
		return 0;
	if (e->clients == NONE)
		return reader_fail_at(&fr->r, e->pos.line, e->pos.col, "the probe of '%s' shows '%s', and '%s' does not say whose "
		    "CA it knows clients by, expected 'clients: CERTIFICATE' there", e->name, c->name, e->name);
	return cert_authority(f, e->probe_cert) == cert_authority(f, e->clients) ? 0 : reader_fail_at(&fr->r, e->pos.line,
	    e->pos.col, "the probe of '%s' shows '%s', and '%s' knows clients by the CA of '%s', expected one of that CA", e->name,
	    c->name, e->name, f->certs[e->clients].name);
}

static int
check_certs(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	const struct cert *c;
	size_t i;

	for (i = 0; i < f->ncerts; i++) {
		c = &f->certs[i];
		if (c->under_other && (f->certs[c->other].external || f->certs[c->other].under_other || c->other == (int)i))
			return reader_fail_at(&fr->r, c->pos.line, c->pos.col,
			    "'%s' is to be signed by the CA of '%s', which has none of its own to sign by", c->name,
			    f->certs[c->other].name);
		if (c->client && c->subject == NULL && name_client(fr, (int)i) == -1)
			return -1;
	}
	for (i = 0; i < f->nlinks; i++)
		if (f->links[i].presents.cert != NONE && check_presents(fr, &f->links[i]) == -1)
			return -1;
	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].probe_cert != NONE && check_own(fr, &f->endpoints[i]) == -1)
			return -1;
	return 0;
}

int
fleet_check(struct fleet_reader *fr)
{
	mark_shared_trust(fr->f);
	return check_passwords(fr) == -1 || check_users(fr) == -1 || check_units(fr) == -1 || check_poolers(fr) == -1 ||
	    check_follows(fr) == -1 || fleet_check_overlap(fr) == -1 || check_settings(fr) == -1 || check_certs(fr) == -1 ? -1 : 0;
}
