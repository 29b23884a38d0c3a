/*
 * fleet_check: what no single body can tell.
 *
 * Owns: whom a session at an endpoint belongs to is never in doubt (matches
 * do not overlap); what follows does not run in a circle and is moved by
 * somebody; what is implied can be moved; a pooler's two sides live together;
 * a setting is one that its server can be told.
 *
 * Overlap.  Two links of one endpoint may match the same session only where
 * one match lies wholly within the other: then the narrower one wins
 * (census.h).  Within means: what the wider one leaves open the narrower one
 * states, or its range holds the narrower one's; a user, database, application
 * or host that both state is the same for both.  Everything else is an error
 * that names both.  A host whose address is not written in the fleet is
 * known only at run time, so a host and a range are not compared; there the
 * host, being one address, wins.
 */
#include "core/attempt.h"
#include "core/fleet_read.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/setting.h"

/* How two matches are to one another, in one respect. */
enum relation {
	APART,		/* no session can be both's */
	SAME,
	WIDER,		/* the first holds the second */
	NARROWER,
	CROSSED		/* some sessions are both's, some of either only one's */
};

struct range {
	unsigned char ip[16];	/* IPv4 as v4-mapped */
	int	 bits;		/* of 128 */
	bool	 v4;
};

/* Writes the range that an address or CIDR stands for; -1 where it is none. */
static int
range_parse(const char *s, struct range *ret)
{
	static const unsigned char mapped[12] = {
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
	};
	char text[INET6_ADDRSTRLEN];
	const char *slash = strchr(s, '/');
	size_t len = slash == NULL ? strlen(s) : (size_t)(slash - s), i;
	int bits = -1, width;

	if (len == 0 || len >= sizeof(text))
		return -1;
	memcpy(text, s, len);
	text[len] = '\0';
	memset(ret, 0, sizeof(*ret));
	memcpy(ret->ip, mapped, sizeof(mapped));
	if ((ret->v4 = inet_pton(AF_INET, text, ret->ip + 12) == 1))
		width = 32;
	else if (inet_pton(AF_INET6, text, ret->ip) == 1)
		width = 128;
	else
		return -1;
	bits = width;
	if (slash != NULL) {
		bits = 0;
		for (i = 1; slash[i] >= '0' && slash[i] <= '9' && i < 4; i++)
			bits = bits * 10 + (slash[i] - '0');
		if (i == 1 || slash[i] != '\0' || bits > width)
			return -1;
	}
	ret->bits = bits + 128 - width;
	return 0;
}

/* Whether the ends of the range have bits where its prefix does not reach. */
static bool
range_has_host_bits(const struct range *r)
{
	int i;

	for (i = r->bits; i < 128; i++)
		if ((r->ip[i / 8] & (0x80 >> (i % 8))) != 0)
			return true;
	return false;
}

static bool
range_holds(const struct range *wide, const struct range *narrow)
{
	int i;

	if (wide->bits > narrow->bits || wide->v4 != narrow->v4)
		return false;
	for (i = 0; i < wide->bits; i++)
		if (((wide->ip[i / 8] ^ narrow->ip[i / 8]) & (0x80 >> (i % 8))) != 0)
			return false;
	return true;
}

int
match_check_addresses(struct reader *r, const struct node *node, const struct match *m)
{
	const struct node *at;
	struct range range;
	size_t i;

	for (i = 0; i < m->addresses.n; i++) {
		at = node->kind == NODE_SEQUENCE ? node->items[i] : node;
		if (range_parse(m->addresses.v[i], &range) == -1)
			return reader_fail(r, at,
			    "'%s', expected an address or a range: 10.0.0.7, 10.0.0.0/8, fd00::/8",
			    m->addresses.v[i]);
		if (range_has_host_bits(&range))
			return reader_fail(r, at,
			    "'%s' has bits beyond its prefix, expected the first address of the range",
			    m->addresses.v[i]);
	}
	return 0;
}

static enum relation
compare_words(const struct strings *a, const struct strings *b)
{
	size_t i, common = 0;

	if (a->n == 0 || b->n == 0)
		return a->n == b->n ? SAME : a->n == 0 ? WIDER : NARROWER;
	for (i = 0; i < a->n; i++)
		common += strings_has(b, a->v[i]);
	return common == 0 ? APART : common == a->n && common == b->n ? SAME : CROSSED;
}

static enum relation
compare_hosts(const struct indices *a, const struct indices *b)
{
	size_t i, k, common = 0;

	for (i = 0; i < a->n; i++)
		for (k = 0; k < b->n; k++)
			common += a->v[i] == b->v[k];
	return common == 0 ? APART : common == a->n && common == b->n ? SAME : CROSSED;
}

struct ranges {
	struct range *v;
	size_t	 n;
	bool	 unknown;	/* a host whose address is not written */
};

/* The places of a match: its ranges, and its hosts as far as they are written. */
static void
ranges_of(const struct fleet *f, const struct match *m, struct ranges *ret)
{
	struct range range;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < m->addresses.n; i++)
		if (range_parse(m->addresses.v[i], &range) == 0)
			*(struct range *)mem_push(&ret->v, &ret->n, sizeof(range)) = range;
	for (i = 0; i < m->hosts.n; i++) {
		const char *address = f->hosts[m->hosts.v[i]].address;

		if (address != NULL && range_parse(address, &range) == 0)
			*(struct range *)mem_push(&ret->v, &ret->n, sizeof(range)) = range;
		else
			ret->unknown = true;
	}
}

static enum relation
compare_ranges(const struct ranges *a, const struct ranges *b)
{
	bool touch = false, a_in_b = true, b_in_a = true, held;
	size_t i, k;

	for (i = 0; i < a->n; i++) {
		held = false;
		for (k = 0; k < b->n; k++) {
			held |= range_holds(&b->v[k], &a->v[i]);
			touch |= range_holds(&b->v[k], &a->v[i]) || range_holds(&a->v[i], &b->v[k]);
		}
		a_in_b &= held;
	}
	for (k = 0; k < b->n; k++) {
		held = false;
		for (i = 0; i < a->n; i++)
			held |= range_holds(&a->v[i], &b->v[k]);
		b_in_a &= held;
	}
	if (!touch)
		return APART;
	return a_in_b && b_in_a ? SAME : b_in_a ? WIDER : a_in_b ? NARROWER : CROSSED;
}

static enum relation
compare_places(const struct fleet *f, const struct match *a, const struct match *b)
{
	size_t na = a->addresses.n + a->hosts.n, nb = b->addresses.n + b->hosts.n;
	struct ranges ra, rb;
	enum relation relation;

	if (na == 0 || nb == 0)
		return na == nb ? SAME : na == 0 ? WIDER : NARROWER;
	if (a->addresses.n == 0 && b->addresses.n == 0)
		return compare_hosts(&a->hosts, &b->hosts);
	ranges_of(f, a, &ra);
	ranges_of(f, b, &rb);
	relation = ra.unknown || rb.unknown ? APART : compare_ranges(&ra, &rb);
	free(ra.v);
	free(rb.v);
	return relation;
}

/* Of all respects together. */
static enum relation
combine(enum relation a, enum relation b)
{
	if (a == APART || b == APART)
		return APART;
	if (a == SAME || a == b)
		return b;
	return b == SAME ? a : CROSSED;
}

static enum relation
compare_matches(const struct fleet *f, const struct match *a, const struct match *b)
{
	enum relation relation;

	/* Labels of pods are not judged yet. */
	if (a->not_yet != NULL || b->not_yet != NULL)
		return APART;
	relation = compare_words(&a->users, &b->users);
	relation = combine(relation, compare_words(&a->databases, &b->databases));
	relation = combine(relation, compare_words(&a->applications, &b->applications));
	return relation == APART ? APART : combine(relation, compare_places(f, a, b));
}

static int
check_matches(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	const struct link *a, *b;
	enum relation relation;
	size_t i, k;

	for (i = 0; i < f->nlinks; i++)
		for (k = 0; k < i; k++) {
			a = &f->links[k];
			b = &f->links[i];
			if (a->endpoint != b->endpoint)
				continue;
			relation = compare_matches(f, &a->match, &b->match);
			if (relation == SAME || relation == CROSSED)
				return reader_fail_at(&fr->r, b->match.pos.line, b->match.pos.col,
				    "'%s' and '%s' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)",
				    a->name, b->name);
		}
	return 0;
}

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
	    check_matches(fr) == -1 || check_settings(fr) == -1 ? -1 : 0;
}
