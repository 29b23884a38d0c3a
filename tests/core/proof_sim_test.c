/*
 * The proof against brute force.
 *
 * Small random fleets and plans are written as text and read by the real
 * readers.  A simulator that knows nothing of the proof then drives them: it
 * has the disk (what is written of each facet, by the operations that
 * ops_of_step() makes, in their order), what each unit took over when it was
 * last activated, and walks at random: the next operation, a restart by
 * somebody else, an undo from anywhere, a step skipped, taken up again.  After
 * whatever changes something that is in force, every link is looked at.
 *
 * Shown are three claims: a link that the proof calls safe is never stranded
 * on any walk; every counter-example, followed by the letter, ends in the
 * refusal that it tells; the better order that it names frees the link and
 * strands no other.  The verdict of one connection is shared with the proof
 * (posture_verdict()), so this says nothing of the truth table.
 *
 * With arguments, proof_sim_test FIRST COUNT [WALKS] runs other seeds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/fleet.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/proof.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

/* ---- chance ------------------------------------------------------------------ */

static uint64_t dice;

static uint64_t
roll(void)
{
	uint64_t z = (dice += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static size_t
below(size_t n)
{
	return (size_t)(roll() % n);
}

static bool
chance(unsigned percent)
{
	return below(100) < percent;
}

/* ---- a random fleet and plan, as text ------------------------------------------ */

#define HOSTS 3
#define UNITS 4
#define ENDS 3
#define CLIENTS 6
#define LINKS 16
#define CERTS 3
#define STEPS 16
#define MOVES 4

enum way_to_write { OWN_FILE, SHARED_FILE, TWO_FILES, COMMAND, WAYS_TO_WRITE };

struct draft_link {
	int	 client, end;
	enum { BOUND, IMPLIED, FOLLOWS, FIXED, ASSUMED } how;
	int	 follows;
	enum { TRUST_NONE, TRUST_FILE, TRUST_LANDS, TRUST_ENV } trust;
	int	 ca;
	const char *value;	/* FIXED, ASSUMED */
};

struct draft_move {
	char	 facet;		/* c a d t */
	int	 subject;
	const char *value;
};

struct draft_step {
	struct draft_move move[MOVES];
	size_t	 nmoves;
	bool	 optional;
	int	 excuse;	/* a link, or NONE */
};

struct draft {
	bool	 wild;		/* names, protocols, ways to log in may not fit */
	bool	 crowded;	/* few units, many clients without one, steps of many moves */
	size_t	 nhosts, nunits, nends, nclients, nlinks, ncerts, nsteps;
	int	 unit_host[UNITS];
	struct { enum kind kind; int unit; } end[ENDS];
	struct { int unit, host, pools; } client[CLIENTS];
	struct draft_link link[LINKS];
	struct { bool external, lands; unsigned serves; } cert[CERTS];
	const char *from_accept, *from_dial;
	struct draft_step step[STEPS];
};

static const char *const any_dial[] = {
	"disable", "allow", "prefer", "require", "verify-ca", "verify-full"
};
static const char *const redis_dial[] = { "disable", "require", "verify-ca", "verify-full" };
static const char *const any_accept[] = { "plain", "both", "tls", "mutual" };

static const char *
some_dial(const struct draft *d, int end, bool strong)
{
	/* Who falls back, until told to insist, meets a renewal late. */
	if (strong && d->end[end].kind != KIND_REDIS && chance(6))
		return "prefer";
	if (strong)
		return chance(60) ? "verify-full" : chance(50) ? "require" : "verify-ca";
	if (d->end[end].kind == KIND_REDIS)
		return redis_dial[below(LEN(redis_dial))];
	return any_dial[below(LEN(any_dial))];
}

/* { file: …, set: … }, or what else writes KEY=VALUE. */
static void
put_binding(struct buf *out, enum way_to_write way, int host, const char *key, const char *value)
{
	switch (way) {
	case OWN_FILE:
	case WAYS_TO_WRITE:
		(void)buf_printf(out, "{ file: /srv/%s.env, set: { %s: \"%s\" } }", key, key, value);
		return;
	case SHARED_FILE:
		(void)buf_printf(out, "{ file: /srv/h%d.env, set: { %s: \"%s\" } }", host, key, value);
		return;
	case TWO_FILES:
		(void)buf_printf(out, "[ { env: { file: /srv/h%d.env, set: { %s: \"%s\" } } }, "
		    "{ env: { file: /srv/%s.env, set: { %s: \"%s\" } } } ]", host, key, value, key, key, value);
		return;
	case COMMAND:
		(void)buf_printf(out, "{ run: \"do %s %s\", undo: \"undo %s\" }", key, value, key);
		return;
	}
}

static void
draft_links(struct draft *d)
{
	size_t c, e, k;

	for (c = 0; c < d->nclients; c++)
		for (e = 0; e < d->nends && d->nlinks < LINKS; e++) {
			struct draft_link *l = &d->link[d->nlinks];

			if (d->client[c].pools != NONE ? d->end[e].kind != KIND_POSTGRES : !chance(55))
				continue;
			memset(l, 0, sizeof(*l));
			l->client = (int)c;
			l->end = (int)e;
			l->how = chance(75) ? BOUND : chance(40) ? IMPLIED : chance(40) ? FOLLOWS :
			    chance(50) ? FIXED : ASSUMED;
			if (d->client[c].pools != NONE && l->how == IMPLIED)
				l->how = BOUND;
			if (l->how == FOLLOWS) {
				for (k = 0; k < d->nlinks; k++)
					if (d->link[k].how == BOUND && d->link[k].end == l->end)
						break;
				l->follows = (int)k;
				if (k == d->nlinks)
					l->how = BOUND;
			}
			if (l->how == FIXED || l->how == ASSUMED)
				l->value = chance(60) ? "disable" : some_dial(d, l->end, false);
			l->ca = NONE;
			if (d->ncerts > 0 && l->how == BOUND && chance(92)) {
				l->ca = (int)below(d->ncerts);
				for (k = 0; k < d->ncerts && !(d->cert[l->ca].serves >> e & 1); k++)
					l->ca = (int)below(d->ncerts);
				l->trust = chance(55) ? TRUST_FILE : chance(60) ? TRUST_LANDS : TRUST_ENV;
				if (d->cert[l->ca].external)
					l->trust = TRUST_FILE;
			}
			d->nlinks++;
		}
}

static void
draft_fleet(struct draft *d)
{
	size_t i;
	bool postgres = false, pooler = false;

	memset(d, 0, sizeof(*d));
	d->wild = chance(25);
	d->crowded = chance(35);
	d->nhosts = 1 + below(HOSTS);
	d->nunits = 1 + below(d->crowded ? 2 : UNITS);
	for (i = 0; i < d->nunits; i++)
		d->unit_host[i] = (int)below(d->nhosts);
	d->nends = 1 + below(ENDS);
	for (i = 0; i < d->nends; i++) {
		d->end[i].kind = (enum kind)below(KIND_COUNT);
		if (d->end[i].kind == KIND_PGBOUNCER && (!postgres || pooler))
			d->end[i].kind = KIND_POSTGRES;
		postgres |= d->end[i].kind == KIND_POSTGRES;
		pooler |= d->end[i].kind == KIND_PGBOUNCER;
		d->end[i].unit = (int)below(d->nunits);
	}
	d->ncerts = chance(90) ? 1 + below(CERTS) : 0;
	for (i = 0; i < d->ncerts; i++) {
		d->cert[i].external = chance(15);
		d->cert[i].lands = !d->cert[i].external && chance(i == 0 ? 35 : 60);
		d->cert[i].serves = i == 0 ? (1u << d->nends) - 1 : (unsigned)below((size_t)1 << d->nends);
		if (d->cert[i].serves == 0)
			d->cert[i].serves = 1;
	}
	for (i = 0; i < d->nends; i++)
		if (d->end[i].kind == KIND_PGBOUNCER) {
			d->client[d->nclients].pools = (int)i;
			d->client[d->nclients].unit = d->end[i].unit;
			d->client[d->nclients++].host = NONE;
		}
	for (i = 1 + below(CLIENTS - 1); i > 0 && d->nclients < CLIENTS; i--) {
		d->client[d->nclients].pools = NONE;
		d->client[d->nclients].unit = chance(d->crowded ? 50 : 92) ? (int)below(d->nunits) : NONE;
		d->client[d->nclients].host = (int)below(d->nhosts);
		d->nclients++;
	}
	draft_links(d);
}

static void
put_units(struct buf *out, const struct draft *d)
{
	size_t i;

	(void)buf_puts(out, "belay: fleet/1\nenvironment: test\nhosts:\n");
	for (i = 0; i < d->nhosts; i++)
		(void)buf_printf(out, "  h%zu: { ssh: h%zu }\n", i, i);
	(void)buf_puts(out, "units:\n");
	for (i = 0; i < d->nunits; i++)
		(void)buf_printf(out, "  u%zu: { host: h%d, kind: %s, run: ./update, in: /srv }\n",
		    i, d->unit_host[i], chance(70) ? "restart" : "reload");
}

static void
put_certs(struct buf *out, const struct draft *d)
{
	size_t i, e, h;

	if (d->ncerts > 0)
		(void)buf_puts(out, "certs:\n");
	for (i = 0; i < d->ncerts; i++) {
		const char *comma = "";

		(void)buf_printf(out, "  c%zu:\n    serves: [", i);
		for (e = 0; e < d->nends; e++)
			if (d->cert[i].serves >> e & 1) {
				(void)buf_printf(out, "%se%zu", comma, e);
				comma = ", ";
			}
		(void)buf_puts(out, "]\n");
		if (d->wild && chance(30))
			(void)buf_printf(out, "    names: [%s]\n", chance(50) ? "other.internal" : "\"*.internal\"");
		if (d->cert[i].external) {
			(void)buf_printf(out, "    external: yes\n    ca: %s\n", chance(50) ? "system" : "/etc/ca.pem");
			continue;
		}
		if (d->cert[i].lands)
			(void)buf_puts(out, "    lands: activation\n");
		if (chance(40))
			(void)buf_printf(out, "    dir: /etc/tls%zu\n", i);
		else if (chance(50))
			(void)buf_printf(out, "    install: [ { env: { file: /srv/cert%zu.env, "
			    "set: { CERT%zu: \"$(leaf.b64)\" } } } ]\n", i, i);
		else {
			/* On hosts by name, which need not be those of all that it serves. */
			h = below(d->nhosts);
			(void)buf_printf(out, "    install: [ { env: { on: [h%zu%s], file: /srv/h%zu.env, "
			    "set: { CERT%zu: \"$(leaf.b64)\" } } } ]\n", h,
			    h != 0 && chance(70) ? ", h0" : "", h, i);
		}
	}
}

static void
put_ends(struct buf *out, const struct draft *d)
{
	size_t i, v, k;

	(void)buf_puts(out, "endpoints:\n");
	for (i = 0; i < d->nends; i++) {
		enum way_to_write way = (enum way_to_write)below(WAYS_TO_WRITE);
		char key[32];

		(void)snprintf(key, sizeof(key), "ACCEPT%zu", i);
		(void)buf_printf(out, "  e%zu:\n    kind: %s\n    unit: u%d\n    listen: { both: %zu }\n"
		    "    names: [e%zu.internal]\n", i, kind_word(d->end[i].kind), d->end[i].unit, 5000 + i, i);
		if (d->wild && chance(30))
			(void)buf_printf(out, "    protocol: { min: TLSv1.%d }\n", chance(50) ? 2 : 3);
		if (d->wild && d->end[i].kind != KIND_REDIS && chance(20))
			(void)buf_puts(out, "    auth: { plain: md5, both: md5, tls: scram-sha-256 }\n");
		if (d->wild && d->end[i].kind == KIND_POSTGRES && chance(20))
			(void)buf_puts(out, "    client-certificates: asked\n");
		(void)buf_puts(out, "    accept:\n");
		for (v = 0; v < LEN(any_accept); v++) {
			struct buf b;
			const char *comma = "", *last;

			buf_init(&b, 0);
			put_binding(&b, way == TWO_FILES ? SHARED_FILE : way, d->unit_host[d->end[i].unit],
			    key, any_accept[v]);
			/* What it takes along stands within the braces. */
			last = strrchr(buf_str(&b), '}');
			(void)buf_printf(out, "      %s: %.*s", any_accept[v],
			    (int)(last - buf_str(&b)), buf_str(&b));
			for (k = 0; k < d->nlinks; k++) {
				if (d->link[k].how != IMPLIED || d->link[k].end != (int)i ||
				    (v == ACCEPT_MUTUAL && chance(50)))
					continue;
				(void)buf_printf(out, "%s \"k%d -> e%zu\": %s",
				    *comma == '\0' ? ", implies: {" : comma, d->link[k].client, i,
				    v == ACCEPT_PLAIN ? "disable" : "require");
				comma = ",";
			}
			(void)buf_printf(out, "%s }\n", *comma == '\0' ? "" : " }");
			buf_release(&b);
		}
	}
}

static const char *
client_name(const struct draft *d, int client, char name[16])
{
	(void)snprintf(name, 16, d->client[client].pools != NONE ? "e%d" : "k%d",
	    d->client[client].pools != NONE ? d->client[client].pools : client);
	return name;
}

static void
put_link(struct buf *out, const struct draft *d, size_t i)
{
	const struct draft_link *l = &d->link[i];
	int unit = d->client[l->client].unit, host = unit == NONE ? d->client[l->client].host : d->unit_host[unit];
	enum way_to_write way = (enum way_to_write)below(WAYS_TO_WRITE);
	char key[32], name[16];

	(void)snprintf(key, sizeof(key), "DIAL%zu", i);
	(void)buf_printf(out, "      e%d:\n        match: { address: 10.0.0.%zu }\n        dial: ", l->end, i + 1);
	switch (l->how) {
	case BOUND:
		put_binding(out, way == TWO_FILES ? SHARED_FILE : way, host, key, "$(dial)");
		break;
	case IMPLIED:
		(void)buf_puts(out, "follows");
		break;
	case FOLLOWS:
		(void)buf_printf(out, "{ follows: \"%s -> e%d\" }",
		    client_name(d, d->link[l->follows].client, name), d->link[l->follows].end);
		break;
	case FIXED:
		(void)buf_printf(out, "{ fixed: %s }", l->value);
		break;
	case ASSUMED:
		(void)buf_printf(out, "{ assume: %s }", l->value);
		break;
	}
	(void)buf_puts(out, "\n");
	switch (l->trust) {
	case TRUST_NONE:
		break;
	case TRUST_FILE:
		(void)buf_printf(out, "        trust: { ca: c%d, file: /etc/ca%zu.crt }\n", l->ca, i);
		break;
	case TRUST_LANDS:
		(void)buf_printf(out, "        trust: { ca: c%d, file: /etc/ca%zu.crt, lands: activation }\n", l->ca, i);
		break;
	case TRUST_ENV:
		(void)buf_printf(out, "        trust: { ca: c%d, install: [ { env: { file: /srv/%s.env, "
		    "set: { TRUST%zu: \"$(ca.b64)\" } } } ] }\n", l->ca, chance(50) ? key : "trust", i);
		break;
	}
	if (d->wild && chance(15))
		(void)buf_puts(out, "        shows: stray\n");
	if (d->wild && d->end[l->end].kind != KIND_REDIS && chance(15))
		(void)buf_printf(out, "        stored: %s\n", chance(50) ? "md5" : "scram-sha-256");
	if (d->wild && chance(15))
		(void)buf_puts(out, "        at: alias.internal\n");
}

static void
put_clients(struct buf *out, const struct draft *d)
{
	size_t c, i, n;
	char name[16];

	(void)buf_puts(out, "clients:\n");
	for (c = 0; c < d->nclients; c++) {
		for (i = n = 0; i < d->nlinks; i++)
			n += d->link[i].client == (int)c;
		if (n == 0)
			continue;
		(void)buf_printf(out, "  %s:\n", client_name(d, (int)c, name));
		if (d->client[c].unit != NONE)
			(void)buf_printf(out, "    unit: u%d\n", d->client[c].unit);
		else
			(void)buf_printf(out, "    host: h%d\n", d->client[c].host);
		if (d->wild && chance(25))
			(void)buf_printf(out, "    speaks: TLSv1.%d\n", chance(60) ? 2 : 3);
		(void)buf_puts(out, "    links:\n");
		for (i = 0; i < d->nlinks; i++)
			if (d->link[i].client == (int)c)
				put_link(out, d, i);
	}
}

static void
push_move(struct draft_step *s, char facet, int subject, const char *value)
{
	size_t i;

	for (i = 0; i < s->nmoves; i++)
		if (s->move[i].facet == facet && s->move[i].subject == subject)
			return;
	if (s->nmoves < MOVES)
		s->move[s->nmoves++] = (struct draft_move){ facet, subject, value };
}

static struct draft_step *
push_step(struct draft *d)
{
	static struct draft_step spill;
	struct draft_step *s = d->nsteps < STEPS ? &d->step[d->nsteps++] : &spill;

	memset(s, 0, sizeof(*s));
	s->excuse = NONE;
	return s;
}

/* The order that is usual, so that many plans are nearly right. */
static void
draft_usual(struct draft *d)
{
	size_t i, e;
	struct draft_step *s;

	bool late[CERTS] = { false };

	for (i = 0; i < d->ncerts; i++) {
		late[i] = i > 0 && chance(50);
		if (!d->cert[i].external && !late[i] && chance(95))
			push_move(push_step(d), 'c', (int)i, "install");
	}
	for (e = 0; e < d->nends; e++) {
		if (chance(90))
			push_move(push_step(d), 'a', (int)e, "both");
		for (i = 0; i < d->nlinks; i++) {
			const struct draft_link *l = &d->link[i];

			if (l->end != (int)e || !chance(95))
				continue;
			s = NULL;
			if (l->trust != TRUST_NONE && chance(94))
				push_move(s = push_step(d), 't', (int)i, "");
			if (l->how == BOUND)
				push_move(s != NULL && chance(75) ? s : push_step(d), 'd', (int)i,
				    some_dial(d, l->end, chance(93)));
		}
		if (chance(80))
			push_move(push_step(d), 'a', (int)e, chance(93) ? "tls" : "mutual");
	}
	/* A certificate that comes in the middle of it all, a renewal. */
	for (i = 0; i < d->ncerts; i++) {
		struct draft_step renewal;
		size_t at;

		if (!late[i] || d->cert[i].external || d->nsteps == STEPS)
			continue;
		push_move(push_step(d), 'c', (int)i, "install");
		at = below(d->nsteps);
		renewal = d->step[d->nsteps - 1];
		memmove(&d->step[at + 1], &d->step[at], (d->nsteps - 1 - at) * sizeof(renewal));
		d->step[at] = renewal;
	}
}

/*
 * A renewal that lands when somebody restarts the server, under a client that
 * falls back until it is told to insist: a restart between two steps decides.
 */
static bool
draft_renewal(struct draft *d)
{
	size_t i, c;

	for (i = 0; i < d->nlinks; i++)
		for (c = 0; c < d->ncerts; c++) {
			const struct draft_link *l = &d->link[i];
			struct draft_step *s;

			if (l->how != BOUND || l->trust != TRUST_FILE || d->end[l->end].kind == KIND_REDIS ||
			    d->cert[l->ca].external || d->cert[l->ca].lands || (int)c == l->ca ||
			    !d->cert[c].lands || !(d->cert[c].serves >> l->end & 1) ||
			    !(d->cert[l->ca].serves >> l->end & 1))
				continue;
			push_move(push_step(d), 'c', l->ca, "install");
			push_move(push_step(d), 'a', l->end, "both");
			push_move(push_step(d), 'd', (int)i, "prefer");
			push_move(push_step(d), 'c', (int)c, "install");
			push_move(s = push_step(d), 't', (int)i, "");
			push_move(s, 'd', (int)i, chance(50) ? "require" : "verify-ca");
			return true;
		}
	return false;
}

static void
draft_plan(struct draft *d)
{
	size_t i, k, n, end;
	struct draft_step s;

	d->from_accept = chance(88) ? "plain" : chance(50) ? "both" : NULL;
	d->from_dial = chance(88) ? "disable" : chance(70) ? "prefer" : NULL;
	for (i = 0; i < d->nlinks; i++)
		if (d->end[d->link[i].end].kind == KIND_REDIS && d->from_dial != NULL &&
		    strcmp(d->from_dial, "prefer") == 0)
			d->from_dial = "disable";
	if (!chance(30) || !draft_renewal(d))
		draft_usual(d);
	/* What people do to a plan. */
	for (n = d->crowded ? 2 + below(4) : chance(55) ? 0 : 1 + below(4); n > 0 && d->nsteps > 1; n--) {
		i = below(d->nsteps);
		k = below(d->nsteps);
		switch (d->crowded && chance(75) ? 0 : below(6)) {
		case 0:		/* two steps in one */
			if (i + 1 < d->nsteps && d->step[i].nmoves + d->step[i + 1].nmoves <= MOVES) {
				size_t m;

				for (m = 0; m < d->step[i + 1].nmoves; m++)
					push_move(&d->step[i], d->step[i + 1].move[m].facet,
					    d->step[i + 1].move[m].subject, d->step[i + 1].move[m].value);
				memmove(&d->step[i + 1], &d->step[i + 2], (d->nsteps - i - 2) * sizeof(s));
				d->nsteps--;
			}
			break;
		case 1:
		case 2:		/* another order */
			s = d->step[i];
			d->step[i] = d->step[k];
			d->step[k] = s;
			break;
		case 3:		/* left out */
			memmove(&d->step[i], &d->step[i + 1], (d->nsteps - i - 1) * sizeof(s));
			d->nsteps--;
			break;
		case 4:		/* a value that nobody expects */
			end = below(d->nends);
			push_move(push_step(d), 'a', (int)end, any_accept[below(LEN(any_accept))]);
			break;
		case 5:
			end = below(d->nlinks);
			if (d->link[end].how == BOUND)
				push_move(push_step(d), 'd', (int)end, some_dial(d, d->link[end].end, false));
			break;
		}
	}
	for (i = 0; i < d->nsteps; i++) {
		d->step[i].optional = chance(12);
		if (chance(5))
			d->step[i].excuse = (int)below(d->nlinks);
	}
}

static void
put_move(struct buf *out, const struct draft *d, const struct draft_move *m)
{
	char name[16];

	if (m->facet == 'c' || m->facet == 'a')
		(void)buf_printf(out, "%c%d: %s", m->facet == 'c' ? 'c' : 'e', m->subject, m->value);
	else
		(void)buf_printf(out, "\"%s -> e%d\": %s%.0d", client_name(d, d->link[m->subject].client, name),
		    d->link[m->subject].end, m->facet == 't' ? "c" : m->value, 0);
	if (m->facet == 't')
		(void)buf_printf(out, "%d", d->link[m->subject].ca);
}

/* order: the steps' places, NULL for as they stand. */
static void
put_plan(struct buf *out, const struct draft *d, const int *order)
{
	static const struct { char facet; const char *key; } facets[] = {
		{ 'c', "certs" }, { 'a', "accept" }, { 't', "trust" }, { 'd', "dial" }
	};
	size_t i, k, m;
	char name[16];

	(void)buf_puts(out, "belay: plan/1\nname: p\n");
	if (d->from_accept != NULL || d->from_dial != NULL)
		(void)buf_printf(out, "from: { %s%s%s%s%s }\n", d->from_accept != NULL ? "accept: " : "",
		    d->from_accept != NULL ? d->from_accept : "",
		    d->from_accept != NULL && d->from_dial != NULL ? ", " : "",
		    d->from_dial != NULL ? "dial: " : "", d->from_dial != NULL ? d->from_dial : "");
	(void)buf_puts(out, "steps:\n");
	for (i = 0; i < d->nsteps; i++) {
		size_t at = order == NULL ? i : (size_t)order[i];
		const struct draft_step *s = &d->step[at];

		(void)buf_printf(out, "  - { id: s%zu", at);
		for (k = 0; k < LEN(facets); k++) {
			const char *comma = "";

			for (m = 0; m < s->nmoves; m++) {
				if (s->move[m].facet != facets[k].facet)
					continue;
				(void)buf_printf(out, *comma == '\0' ? ", %s: { " : "%.0s, ", facets[k].key);
				put_move(out, d, &s->move[m]);
				comma = ",";
			}
			if (*comma != '\0')
				(void)buf_puts(out, " }");
		}
		if (s->optional)
			(void)buf_puts(out, ", optional: yes");
		if (s->excuse != NONE)
			(void)buf_printf(out, ", may-refuse: { \"%s -> e%d\": it is known }",
			    client_name(d, d->link[s->excuse].client, name), d->link[s->excuse].end);
		(void)buf_puts(out, " }\n");
	}
}

/* ---- the simulator --------------------------------------------------------------- */

/* What a move comes to: it stands on disk when its last operation is done. */
struct sim_move {
	struct change *changes;
	size_t	 nchanges;
	int	 cert;		/* of a move of a certificate, or NONE */
	int	 last;		/* index of its last edit, or NONE: it needs none */
};

struct sim_step {
	struct ops ops;
	struct sim_move *moves;
	size_t	 nmoves;
	int	*order;		/* the moves by `last` */
};

enum status { TODO, DONE, SKIPPED };

struct sim {
	const struct fleet *f;
	const struct plan *plan;
	struct sim_step *steps;
	int	*carrier;	/* by link: the unit whose activation brings its dial into force; nunits + client: it has none */
	int	*reader;	/* by link: the one that does so for its trust */
	bool	*at_once;	/* by link: its CA file is read at each connection */
		/* The state. */
	struct posture start, disk, run, seen;
	bool	*landed;	/* by cert: on disk */
	bool	*ran_landed;	/* by link: at its reader's last activation */
	enum status *status;
	size_t	 pos;		/* steps before it are done or skipped */
	int	 flight;	/* the step that is under way, or NONE */
	bool	 undoing;
	int	 until;		/* an undo goes on to this step, or NONE */
	bool	*did;		/* by op of that step */
	bool	*undone;
	bool	 stale;		/* something in force has changed since the last look */
	struct buf log;
	bool	 logging;
};

static void say(struct sim *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct sim *s, const char *fmt, ...)
{
	va_list ap;
	char *text;

	if (!s->logging)
		return;
	va_start(ap, fmt);
	text = mem_vprintf(fmt, ap);
	va_end(ap);
	(void)buf_printf(&s->log, "    %s\n", text);
	free(text);
}

static int
unit_of_client(const struct fleet *f, int client)
{
	return f->clients[client].unit != NONE ? f->clients[client].unit : (int)f->nunits + client;
}

static int
find_carrier(const struct fleet *f, int link)
{
	const struct link *l = &f->links[link];
	size_t e, v, i;

	if (l->how != DIAL_FOLLOWS)
		return unit_of_client(f, l->client);
	if (l->follows != NONE)
		return find_carrier(f, l->follows);
	for (e = 0; e < f->nendpoints; e++)
		for (v = 0; v < ACCEPT_COUNT; v++)
			for (i = 0; i < f->endpoints[e].accept[v].nimplies; i++)
				if (f->endpoints[e].accept[v].implies[i].link == link)
					return f->endpoints[e].unit;
	return unit_of_client(f, l->client);
}

/* A link that follows another reads that one's CA, as it takes its dial. */
static int
leader(const struct fleet *f, int link)
{
	while (f->links[link].how == DIAL_FOLLOWS && f->links[link].follows != NONE)
		link = f->links[link].follows;
	return link;
}

static void
make_step(struct sim *s, size_t step)
{
	struct sim_step *t = &s->steps[step];
	const struct step *p = &s->plan->steps[step];
	struct err err;
	size_t m, o, i;

	if (ops_of_step(&t->ops, s->f, s->plan, (int)step, "run", NULL, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	t->nmoves = p->nmoves;
	t->moves = mem_array(t->nmoves + 1, sizeof(*t->moves));
	t->order = mem_array(t->nmoves + 1, sizeof(*t->order));
	for (m = 0; m < t->nmoves; m++) {
		struct sim_move *sm = &t->moves[m];

		posture_changes(s->f, &p->moves[m], &sm->changes, &sm->nchanges);
		sm->cert = p->moves[m].facet == FACET_CERT ? p->moves[m].subject : NONE;
		sm->last = NONE;
		for (o = 0; o < t->ops.n; o++)
			for (i = 0; t->ops.v[o].kind != OP_ACTIVATE && i < t->ops.v[o].moves.n; i++)
				if (t->ops.v[o].moves.v[i] == (int)m)
					sm->last = (int)o;
		for (i = m; i > 0 && t->moves[t->order[i - 1]].last > sm->last; i--)
			t->order[i] = t->order[i - 1];
		t->order[i] = (int)m;
	}
}

static void
sim_init(struct sim *s, const struct fleet *f, const struct plan *plan)
{
	size_t i, most = 0, k;

	memset(s, 0, sizeof(*s));
	s->f = f;
	s->plan = plan;
	s->steps = mem_array(plan->nsteps + 1, sizeof(*s->steps));
	for (i = 0; i < plan->nsteps; i++) {
		make_step(s, i);
		most = s->steps[i].ops.n > most ? s->steps[i].ops.n : most;
	}
	s->carrier = mem_array(f->nlinks + 1, sizeof(*s->carrier));
	s->reader = mem_array(f->nlinks + 1, sizeof(*s->reader));
	s->at_once = mem_array(f->nlinks + 1, sizeof(*s->at_once));
	for (i = 0; i < f->nlinks; i++) {
		const struct link *l = &f->links[leader(f, (int)i)];

		s->carrier[i] = find_carrier(f, (int)i);
		s->reader[i] = unit_of_client(f, l->client);
		s->at_once[i] = l->trust.n > 0;
		for (k = 0; k < l->trust.n; k++)
			if (l->trust.v[k].kind != EDIT_FILE)
				s->at_once[i] = false;
	}
		s->landed = mem_array(f->ncerts + 1, sizeof(*s->landed));
	s->ran_landed = mem_array(f->nlinks + 1, sizeof(*s->ran_landed));
	s->status = mem_array(plan->nsteps + 1, sizeof(*s->status));
	s->did = mem_array(most + 1, sizeof(*s->did));
	s->undone = mem_array(most + 1, sizeof(*s->undone));
	posture_init(&s->start, f);
	posture_init(&s->disk, f);
	posture_init(&s->run, f);
	posture_init(&s->seen, f);
	buf_init(&s->log, 0);
}

static void
sim_release(struct sim *s)
{
	size_t i, m;

	for (i = 0; i < s->plan->nsteps; i++) {
		ops_release(&s->steps[i].ops);
		for (m = 0; m < s->steps[i].nmoves; m++)
			free(s->steps[i].moves[m].changes);
		free(s->steps[i].moves);
		free(s->steps[i].order);
	}
	free(s->steps);
	free(s->carrier);
	free(s->reader);
	free(s->at_once);
	free(s->landed);
	free(s->ran_landed);
	free(s->status);
	free(s->did);
	free(s->undone);
	posture_release(&s->start);
	posture_release(&s->disk);
	posture_release(&s->run);
	posture_release(&s->seen);
	buf_release(&s->log);
}

static bool
stands(const struct sim *s, size_t step, const struct sim_move *m)
{
	const struct sim_step *t = &s->steps[step];
	size_t o, i;

	if (s->status[step] == DONE)
		return true;
	if (s->flight != (int)step)
		return false;
	/* All of its edits: a value of which a part is written counts as not written. */
	for (o = 0; o < t->ops.n; o++)
		for (i = 0; t->ops.v[o].kind != OP_ACTIVATE && i < t->ops.v[o].moves.n; i++)
			if (&t->moves[t->ops.v[o].moves.v[i]] == m && !s->did[o])
				return false;
	return true;
}

/* What is written, from what was there and the moves that stand. */
static void
write_disk(struct sim *s)
{
	size_t i, m, c, k;

	posture_copy(&s->disk, &s->start);
	for (i = 0; i < s->f->ncerts; i++) {
		s->landed[i] = s->f->certs[i].external;
		for (k = 0; k < s->f->certs[i].serves.n; k++)
			s->landed[i] = s->landed[i] ||
			    s->start.cert[s->f->certs[i].serves.v[k]] == (int)i;
	}
	for (i = 0; i < s->plan->nsteps; i++)
		for (m = 0; m < s->steps[i].nmoves; m++) {
			const struct sim_move *sm = &s->steps[i].moves[s->steps[i].order[m]];

			if (!stands(s, i, sm))
				continue;
			for (c = 0; c < sm->nchanges; c++)
				posture_change(&s->disk, &sm->changes[c]);
			if (sm->cert != NONE)
				s->landed[sm->cert] = true;
		}
	s->stale = true;	/* a CA file may be read at once */
}

static bool
has_landed(const struct sim *s, int link)
{
	int cert = s->f->links[link].trust_cert;

	return cert != NONE && s->landed[cert];
}

/* What is written there comes into force, whoever restarted it. */
static void
activate(struct sim *s, int unit)
{
	size_t i;

	for (i = 0; i < s->f->nendpoints; i++)
		if (s->f->endpoints[i].unit == unit) {
			s->run.accept[i] = s->disk.accept[i];
			s->run.cert[i] = s->disk.cert[i];
		}
	for (i = 0; i < s->f->nlinks; i++) {
		if (s->carrier[i] == unit)
			s->run.dial[i] = s->disk.dial[i];
		if (s->reader[i] != unit)
			continue;
		s->run.trust[i] = s->disk.trust[i];
		s->ran_landed[i] = has_landed(s, (int)i);
	}
	s->stale = true;
}

static void
sim_reset(struct sim *s, const struct posture *start)
{
	size_t u;

	posture_copy(&s->start, start);
	posture_copy(&s->run, start);
	memset(s->status, 0, (s->plan->nsteps + 1) * sizeof(*s->status));
	s->pos = 0;
	s->flight = NONE;
	s->undoing = false;
	s->until = NONE;
	write_disk(s);
	for (u = 0; u < s->f->nunits; u++)
		activate(s, (int)u);
	buf_clear(&s->log);
}

/* What runs, as a new connection meets it. */
static const struct posture *
in_force(struct sim *s)
{
	size_t i;

	posture_copy(&s->seen, &s->run);
	for (i = 0; i < s->f->nlinks; i++) {
		/* Nobody restarts a client without a unit: it reads at each connection. */
		if (s->carrier[i] >= (int)s->f->nunits)
			s->seen.dial[i] = s->disk.dial[i];
		if (s->at_once[i] || s->reader[i] >= (int)s->f->nunits)
			s->seen.trust[i] = s->disk.trust[i];
		if (!s->f->links[i].trust_lands)
			continue;
		if (s->reader[i] >= (int)s->f->nunits ? !has_landed(s, (int)i) : !s->ran_landed[i])
			s->seen.trust[i] = NONE;
	}
	return &s->seen;
}

static void
do_op(struct sim *s, size_t o)
{
	const struct op *op = &s->steps[s->flight].ops.v[o];

	s->did[o] = true;
	if (op->kind == OP_ACTIVATE) {
		say(s, "activate %s", s->f->units[op->unit].name);
		activate(s, op->unit);
		return;
	}
	say(s, "write %s on %s", op->path != NULL ? op->path : op->run, s->f->hosts[op->host].name);
	write_disk(s);
}

static void
begin(struct sim *s, size_t step)
{
	say(s, "begin %s", s->plan->steps[step].id);
	s->flight = (int)step;
	s->undoing = false;
	memset(s->did, 0, (s->steps[step].ops.n + 1) * sizeof(*s->did));
	memset(s->undone, 0, (s->steps[step].ops.n + 1) * sizeof(*s->undone));
	write_disk(s);
}

static void
forward(struct sim *s)
{
	const struct ops *ops = &s->steps[s->flight].ops;
	size_t o;

	for (o = 0; o < ops->n && s->did[o]; o++)
		continue;
	if (o < ops->n) {
		do_op(s, o);
		return;
	}
	say(s, "done %s", s->plan->steps[s->flight].id);
	s->status[s->flight] = DONE;
	s->pos = (size_t)s->flight + 1;
	s->flight = NONE;
}

/* The unit that takes over what a move writes; of a certificate, which may have several, NONE. */
static int
unit_of_move(const struct fleet *f, const struct move *m)
{
	return m->facet == FACET_ACCEPT ? f->endpoints[m->subject].unit : m->facet == FACET_CERT ? NONE :
	    f->clients[f->links[m->subject].client].unit;
}

/*
 * The activation of a step that can leave it to the undo of the one before:
 * all that it writes is for one unit, and nobody reads it sooner.
 */
static int
only_activation(const struct sim *s, size_t step)
{
	const struct ops *ops = &s->steps[step].ops;
	int found = NONE;
	size_t o;

	for (o = 0; o < ops->n; o++) {
		if (ops->v[o].kind == OP_RUN || ops->v[o].back_last ||
		    (ops->v[o].kind == OP_ACTIVATE && found != NONE))
			return NONE;
		if (ops->v[o].kind == OP_ACTIVATE)
			found = (int)o;
	}
	/* A client without a unit reads its part as soon as it is taken back. */
	for (o = 0; found != NONE && o < s->plan->steps[step].nmoves; o++)
		if (unit_of_move(s->f, &s->plan->steps[step].moves[o]) != ops->v[found].unit)
			return NONE;
	return found;
}

/* The undo goes on to the step before, and both activate one and the same unit. */
static bool
leaves(const struct sim *s, size_t step)
{
	int mine = only_activation(s, step), its;
	size_t i;

	for (i = step; mine != NONE && s->until != NONE && i-- > (size_t)s->until;) {
		if (s->status[i] != DONE)
			continue;
		its = only_activation(s, i);
		return its != NONE && s->steps[i].ops.v[its].unit == s->steps[step].ops.v[mine].unit;
	}
	return false;
}

static void
begin_undo(struct sim *s, size_t step)
{
	bool left = s->flight == NONE && leaves(s, step);

	size_t o;

	say(s, "undo %s", s->plan->steps[step].id);
	if (s->flight == NONE) {
		s->flight = (int)step;
		s->pos = step;
		s->status[step] = TODO;
		for (o = 0; o < s->steps[step].ops.n; o++)
			s->did[o] = true;
	}
	memset(s->undone, 0, (s->steps[step].ops.n + 1) * sizeof(*s->undone));
	if (left) {
		say(s, "leaving its activation to the undo of the step before");
		s->did[only_activation(s, step)] = false;
		s->undone[only_activation(s, step)] = true;
	}
	s->undoing = true;
}

/*
 * On the way back a unit is activated where an edit of this step may have
 * reached it: somebody may have restarted it in between, whether or not its
 * own activation had begun.
 */
static bool
reached(const struct sim *s, size_t activation)
{
	const struct ops *ops = &s->steps[s->flight].ops;
	size_t o;

	if (s->undone[activation])
		return false;
	for (o = 0; o < ops->n && !s->did[activation]; o++)
		if (s->undone[o] && (ops->v[o].unit == ops->v[activation].unit ||
		    ops->v[o].host == ops->v[activation].host))
			return true;
	return s->did[activation];
}

/* Edits from the last to the first, activations, then what clients read until then. */
static void
back(struct sim *s)
{
	const struct ops *ops = &s->steps[s->flight].ops;
	size_t o, u;
	int last, at = NONE, step;

	for (last = 0; last < 2 && at == NONE; last++) {
		for (o = ops->n; o-- > 0 && at == NONE;)
			if (s->did[o] && ops->v[o].kind != OP_ACTIVATE && ops->v[o].back_last == (last == 1))
				at = (int)o;
		for (o = 0; last == 0 && o < ops->n && at == NONE; o++)
			if (ops->v[o].kind == OP_ACTIVATE && reached(s, o))
				at = (int)o;
	}
	if (at == NONE) {
		say(s, "restored %s", s->plan->steps[s->flight].id);
		step = s->flight;
		s->flight = NONE;
		s->undoing = false;
		write_disk(s);
		/*
		 * Not considered by the proof, and so not walked: a unit that
		 * took a certificate over by somebody's restart, which no
		 * activation of the step takes from it again, and then the
		 * undo of steps before that one.
		 */
		for (o = 0; o < s->steps[step].nmoves; o++)
			for (u = 0; s->steps[step].moves[o].cert != NONE && u < s->f->nunits; u++)
				activate(s, (int)u);
		return;
	}
	s->did[at] = false;
	s->undone[at] = true;
	if (ops->v[at].kind == OP_ACTIVATE) {
		say(s, "activate %s again", s->f->units[ops->v[at].unit].name);
		activate(s, ops->v[at].unit);
	} else {
		say(s, "take back %s", ops->v[at].path != NULL ? ops->v[at].path : ops->v[at].run);
		write_disk(s);
	}
}

/* ---- the claims -------------------------------------------------------------------- */

struct tally {
	size_t fleets, plans_proven, links, links_proven, walks, events, looks, refusals;
	size_t counters, guessed, fixes, walks_of_fixes, states;
	size_t wrong;		/* claims that did not hold */
};

static struct tally tally;
static bool brief;		/* one line for each claim that does not hold */

static bool
stranded(enum verdict v)
{
	return v == VERDICT_REFUSED || v == VERDICT_HANGS;
}

static void
complain(const struct draft *d, uint64_t seed, struct sim *s, const char *fleet, const char *plan,
    const char *fmt, ...) __attribute__((format(printf, 6, 7)));

static void
complain(const struct draft *d, uint64_t seed, struct sim *s, const char *fleet, const char *plan,
    const char *fmt, ...)
{
	va_list ap;

	(void)d;
	if (tally.wrong++ >= 3 && !brief)
		return;
	(void)fprintf(stderr, "seed %llu: ", (unsigned long long)seed);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n%s", brief ? "" : buf_str(&s->log));
	if (tally.wrong == 1 && !brief)
		(void)fprintf(stderr, "---- fleet\n%s---- plan\n%s----\n", fleet, plan);
}

/* A posture to start from: what the plan does not tell is anything. */
static void
some_start(const struct fleet *f, const struct plan *plan, struct posture *start)
{
	size_t i;

	posture_from(start, f, plan);
	for (i = 0; i < f->nendpoints; i++)
		if (start->accept[i] == ACCEPT_UNKNOWN)
			start->accept[i] = (enum accept)below(ACCEPT_COUNT);
	for (i = 0; i < f->nlinks; i++)
		if (start->dial[i] == DIAL_UNKNOWN)
			start->dial[i] = (enum dial)below(DIAL_COUNT);
}

/* What is behind a pooler has to work at the start, too. */
static bool
behind_is(const struct fleet *f, int link, const bool *considered)
{
	size_t c, i;

	for (c = 0; c < f->nclients; c++)
		for (i = 0; f->clients[c].pools == f->links[link].endpoint && i < f->clients[c].links.n; i++)
			if (!considered[f->clients[c].links.v[i]])
				return false;
	return true;
}

/*
 * One walk.  safe[link]: the proof says that it is never stranded.  Returns
 * the link that is, or NONE.
 */
static int
walk(struct sim *s, const bool *safe, bool *considered, uint64_t seed)
{
	static const unsigned often[] = { 3, 12, 35 };
	unsigned foreign, undo, skip;
	size_t events, i;
	struct posture start;
	const char *why;

	dice = seed;
	foreign = often[below(3)];
	undo = often[below(3)];
	skip = chance(50) ? 50 : 10;
	some_start(s->f, s->plan, &start);
	sim_reset(s, &start);
	posture_release(&start);
	for (i = 0; i < s->f->nlinks; i++)
		considered[i] = posture_verdict(s->f, in_force(s), (int)i, NULL) > VERDICT_UNKNOWN;
	for (i = 0; i < s->f->nlinks; i++)
		considered[i] = considered[i] && behind_is(s->f, (int)i, considered);
	tally.walks++;
	for (events = 20 + below(60); events > 0; events--) {
		if (chance(foreign)) {
			int unit = (int)below(s->f->nunits);

			say(s, "somebody restarts %s", s->f->units[unit].name);
			activate(s, unit);
		} else if (s->flight != NONE && s->undoing)
			back(s);
		else if (s->flight != NONE && chance(undo))
			begin_undo(s, (size_t)s->flight);
		else if (s->flight != NONE)
			forward(s);
		else if (s->pos > 0 && (s->until != NONE || chance(undo) || s->pos == s->plan->nsteps)) {
			if (s->until == NONE && chance(40))
				s->until = (int)below(s->pos);
			/* The last that stands; those skipped after it are open again. */
			while (s->pos > 0 && s->status[s->pos - 1] == SKIPPED)
				s->status[--s->pos] = TODO;
			if (s->pos > 0 && (s->until == NONE || (int)s->pos > s->until))
				begin_undo(s, s->pos - 1);
			else
				s->until = NONE;
		} else if (s->pos < s->plan->nsteps && s->plan->steps[s->pos].optional && chance(skip)) {
			say(s, "skip %s", s->plan->steps[s->pos].id);
			s->status[s->pos++] = SKIPPED;
		} else if (s->pos < s->plan->nsteps)
			begin(s, s->pos);
		tally.events++;
		if (!s->stale)
			continue;
		s->stale = false;
		(void)in_force(s);
		for (i = 0; i < s->f->nlinks; i++) {
			enum verdict v = posture_verdict(s->f, &s->seen, (int)i, &why);

			tally.looks++;
			if (!stranded(v))
				continue;
			tally.refusals++;
			if (safe[i] && considered[i]) {
				say(s, "%s %s: %s", s->f->links[i].name, verdict_word(v), why);
				return (int)i;
			}
		}
	}
	return NONE;
}

/* Follows a counter-example by the letter.  NULL: it is as it says, else what is not. */
static const char *
follow(struct sim *s, const struct counter *c, const struct posture *start)
{
	int link = c->because != NONE ? c->because : c->link, cert;
	const struct posture *now;
	const char *why = NULL;
	bool taken[STEPS];
	size_t i, k, o;
	enum verdict v;

	sim_reset(s, start);
	for (i = 0; i < c->nway; i++) {
		const struct way *w = &c->way[i];

		switch (w->what) {
		case WAY_APPLIED:
			for (k = 0; k < s->plan->nsteps; k++)
				taken[k] = k >= (size_t)w->step && k <= (size_t)w->last;
			/* Which of them are not stands right behind. */
			for (k = i + 1; k < c->nway && c->way[k].what == WAY_SKIPPED; k++)
				taken[c->way[k].step] = false;
			for (k = 0; k < s->plan->nsteps; k++) {
				if (!taken[k])
					continue;
				if (s->flight != (int)k)
					begin(s, k);
				while (s->flight != NONE)
					forward(s);
			}
			break;
		case WAY_BEGUN:
			begin(s, (size_t)w->step);
			break;
		case WAY_WRITTEN:
			for (o = 0; (int)o <= s->steps[w->step].moves[w->move].last; o++)
				if (!s->did[o])
					do_op(s, o);
			break;
		case WAY_TAKEN_BACK:
			if (!s->undoing)
				begin_undo(s, (size_t)w->step);
			while (stands(s, (size_t)w->step, &s->steps[w->step].moves[w->move]))
				back(s);
			break;
		case WAY_IN_FORCE:
			say(s, "%s takes over", s->f->units[w->unit].name);
			activate(s, w->unit);
			break;
		case WAY_NOT_YET:
		case WAY_SKIPPED:
			break;
		}
	}
	now = in_force(s);
	v = posture_verdict(s->f, now, c->link, &why);
	/* What hangs on a pooler may be refused by itself already, and excused. */
	if (c->because == NONE ? v != c->verdict : !stranded(v))
		return "another verdict";
	if (!stranded(posture_verdict(s->f, now, link, &why)) || why == NULL || c->why == NULL ||
	    strcmp(why, c->why) != 0)
		return "another reason";
	cert = now->cert[s->f->links[link].endpoint];
	if (now->accept[s->f->links[link].endpoint] != c->accept || now->dial[link] != c->dial ||
	    cert != c->cert || now->trust[link] != c->trust)
		return "other facets in force than it tells";
	return NULL;
}

/* What is not known at the start is tried in every way under which the link works. */
static const char *
follow_any(struct sim *s, const struct counter *c)
{
	int link = c->because != NONE ? c->because : c->link, end = s->f->links[link].endpoint;
	const char *wrong = NULL;
	bool works = false, guess;
	struct posture start;
	int a, d;

	posture_from(&start, s->f, s->plan);
	guess = start.accept[end] == ACCEPT_UNKNOWN || start.dial[link] == DIAL_UNKNOWN;
	if (!guess)
		wrong = follow(s, c, &start);
	else
		for (a = 0; a < ACCEPT_COUNT && (!works || wrong != NULL); a++)
			for (d = 0; d < DIAL_COUNT && (!works || wrong != NULL); d++) {
				struct attempt attempt;
				size_t i;

				posture_release(&start);
				posture_from(&start, s->f, s->plan);
				for (i = 0; i < s->f->nendpoints; i++)
					if (start.accept[i] == ACCEPT_UNKNOWN)
						start.accept[i] = (enum accept)a;
				for (i = 0; i < s->f->nlinks; i++)
					if (start.dial[i] == DIAL_UNKNOWN)
						start.dial[i] = (enum dial)d;
				(void)posture_attempt(s->f, &start, link, &attempt);
				if (attempt_verdict(&attempt, NULL) <= VERDICT_UNKNOWN)
					continue;
				works = true;
				wrong = follow(s, c, &start);
			}
	if (guess && !works) {
		/* It never does: then it does not matter what was there. */
		posture_release(&start);
		posture_from(&start, s->f, s->plan);
		wrong = follow(s, c, &start);
	}
	posture_release(&start);
	return wrong;
}

static bool
has(const struct indices *v, size_t what)
{
	size_t i;

	for (i = 0; i < v->n; i++)
		if (v->v[i] == (int)what)
			return true;
	return false;
}

static void
safe_links(const struct proof *p, size_t nlinks, bool *safe)
{
	size_t i;

	for (i = 0; i < nlinks; i++)
		safe[i] = !has(&p->unknown, i) && !has(&p->excused, i);
	for (i = 0; i < p->ncounters; i++)
		safe[p->counters[i].link] = false;
}

/* The plan with the steps in the order that a counter-example names. */
static struct plan *
mended(const struct fleet *f, const struct draft *d, const struct counter *c, struct buf *text)
{
	int order[STEPS];
	struct plan *plan;
	struct err err;
	size_t i, n = 0;

	if (c->fix_after == NONE)
		order[n++] = c->fix_step;
	for (i = 0; i < d->nsteps; i++) {
		if ((int)i != c->fix_step)
			order[n++] = (int)i;
		if ((int)i == c->fix_after)
			order[n++] = c->fix_step;
	}
	put_plan(text, d, order);
	if (plan_parse(&plan, f, "plan", buf_str(text), text->len, &err) != 0)
		fail_msg("%s\n%s", err.msg, buf_str(text));
	return plan;
}

/* Both plans, applied whole, end in one posture. */
static bool
same_end(const struct fleet *f, const struct plan *a, const struct plan *b)
{
	struct posture p, q;
	size_t i;
	bool same = true;

	posture_from(&p, f, a);
	posture_from(&q, f, b);
	for (i = 0; i < a->nsteps; i++)
		posture_step(&p, f, &a->steps[i]);
	for (i = 0; i < b->nsteps; i++)
		posture_step(&q, f, &b->steps[i]);
	for (i = 0; i < f->nendpoints; i++)
		same = same && p.accept[i] == q.accept[i] && p.cert[i] == q.cert[i];
	for (i = 0; i < f->nlinks; i++)
		same = same && p.dial[i] == q.dial[i] && p.trust[i] == q.trust[i];
	posture_release(&p);
	posture_release(&q);
	return same;
}

static void
check_fix(const struct fleet *f, const struct plan *original, const struct draft *d, const struct proof *before,
    const struct counter *c, const char *fleet_text, uint64_t seed, size_t walks)
{
	bool was[LINKS] = { false }, considered[LINKS], safe[LINKS];
	struct proof after;
	struct buf text;
	struct plan *plan;
	struct sim s;
	size_t i;

	buf_init(&text, 0);
	plan = mended(f, d, c, &text);
	sim_init(&s, f, plan);
	for (i = 0; i < before->ncounters; i++)
		was[before->counters[i].link] = true;
	if (!same_end(f, original, plan))
		complain(d, seed, &s, fleet_text, buf_str(&text), "the better order ends elsewhere");
	proof_run(&after, f, plan, NULL, 0);
	for (i = 0; i < after.ncounters; i++)
		if (after.counters[i].link == c->link || !was[after.counters[i].link])
			complain(d, seed, &s, fleet_text, buf_str(&text), "the better order of step %d after %d strands %s",
			    c->fix_step, c->fix_after, f->links[after.counters[i].link].name);
	safe_links(&after, f->nlinks, safe);
	for (i = 0; i < walks; i++) {
		s.logging = false;
		tally.walks_of_fixes++;
		if (walk(&s, safe, considered, seed * 4096 + i) == NONE)
			continue;
		s.logging = true;
		(void)walk(&s, safe, considered, seed * 4096 + i);
		complain(d, seed, &s, fleet_text, buf_str(&text), "in the better order a link that was proven is stranded");
		break;
	}
	tally.fixes++;
	proof_release(&after);
	sim_release(&s);
	plan_free(plan);
	buf_release(&text);
}

static void
one(uint64_t seed, size_t walks)
{
	bool safe[LINKS], considered[LINKS];
	struct buf fleet_text, plan_text;
	struct draft d;
	struct fleet *f;
	struct plan *plan;
	struct proof p;
	struct sim s;
	struct err err;
	size_t i;

	dice = seed * 0x2545f4914f6cdd1du + 1;
	do {
		draft_fleet(&d);
		if (d.nlinks > 0)
			draft_plan(&d);
	} while (d.nlinks == 0 || d.nsteps == 0);
	buf_init(&fleet_text, 0);
	buf_init(&plan_text, 0);
	put_units(&fleet_text, &d);
	put_certs(&fleet_text, &d);
	put_ends(&fleet_text, &d);
	put_clients(&fleet_text, &d);
	put_plan(&plan_text, &d, NULL);
	if (fleet_parse(&f, "fleet", buf_str(&fleet_text), fleet_text.len, &err) != 0)
		fail_msg("seed %llu: %s\n%s", (unsigned long long)seed, err.msg, buf_str(&fleet_text));
	if (plan_parse(&plan, f, "plan", buf_str(&plan_text), plan_text.len, &err) != 0)
		fail_msg("seed %llu: %s\n%s\n%s", (unsigned long long)seed, err.msg, buf_str(&plan_text), buf_str(&fleet_text));
	sim_init(&s, f, plan);
	proof_run(&p, f, plan, NULL, 0);
	safe_links(&p, f->nlinks, safe);
	tally.fleets++;
	tally.plans_proven += p.ncounters == 0;
	tally.links += f->nlinks;
	tally.states += p.nstates;
	for (i = 0; i < f->nlinks; i++)
		tally.links_proven += safe[i];
	for (i = 0; i < walks; i++) {
		s.logging = false;
		if (walk(&s, safe, considered, seed * 4096 + i) == NONE)
			continue;
		s.logging = true;
		(void)walk(&s, safe, considered, seed * 4096 + i);
		complain(&d, seed, &s, buf_str(&fleet_text), buf_str(&plan_text), "a link that was proven is stranded");
		break;
	}
	s.logging = true;
	for (i = 0; i < p.ncounters; i++) {
		const char *wrong = follow_any(&s, &p.counters[i]);

		tally.counters++;
		tally.guessed += p.counters[i].guessed;
		if (wrong != NULL) {
			struct buf text;

			buf_init(&text, 0);
			counter_text(&text, f, plan, &p.counters[i]);
			complain(&d, seed, &s, buf_str(&fleet_text), buf_str(&plan_text),
			    "a counter-example does not replay: %s\n%s", wrong, buf_str(&text));
			buf_release(&text);
		}
		if (p.counters[i].fix_step != NONE)
			check_fix(f, plan, &d, &p, &p.counters[i], buf_str(&fleet_text), seed, walks / 4);
	}
	proof_release(&p);
	sim_release(&s);
	plan_free(plan);
	fleet_free(f);
	buf_release(&fleet_text);
	buf_release(&plan_text);
}

static void
show(void)
{
	(void)fprintf(stderr, "%zu fleets with a plan (%zu proven), %zu links (%zu proven), %zu states of the proof\n"
	    "%zu walks (%zu of them in a mended order), %zu events, %zu looks at a link, %zu refusals met\n"
	    "%zu counter-examples replayed (%zu from a start not told), %zu better orders tried\n",
	    tally.fleets, tally.plans_proven, tally.links, tally.links_proven, tally.states, tally.walks,
	    tally.walks_of_fixes, tally.events, tally.looks, tally.refusals, tally.counters, tally.guessed,
	    tally.fixes);
}

static void
no_walk_and_no_counter_example_gainsays_the_proof(void **state)
{
	uint64_t seed;

	(void)state;
	for (seed = 1; tally.walks < 100000; seed++)
		one(seed, 40);
	show();
	assert_int_equal(tally.wrong, 0);
	/* The claims are empty unless both kinds of link are there, and refusals are met. */
	assert_true(tally.links_proven > tally.links / 10);
	assert_true(tally.counters > tally.links / 10);
	assert_true(tally.refusals > 1000);
	assert_true(tally.fixes > 100);
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_walk_and_no_counter_example_gainsays_the_proof),
	};

	if (argc > 2) {
		uint64_t first = strtoull(argv[1], NULL, 10), n = strtoull(argv[2], NULL, 10), i;

		brief = n > 1;
		for (i = 0; i < n; i++)
			one(first + i, argc > 3 ? (size_t)strtoull(argv[3], NULL, 10) : 40);
		show();
		return tally.wrong == 0 ? 0 : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
