/*
 * census: see census.h.
 *
 * Owns the rule by which a session belongs to a link.  A session that matches
 * no declared link is undeclared, never the nearest one's; a session from a
 * Unix socket is nobody's.
 */
#include "core/census.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* An address as 16 bytes, IPv4 as v4-mapped, so that both compare alike. */
struct ip {
	unsigned char b[16];
	bool v4;
};

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static int
ip_parse(struct ip *ret, const char *s, size_t len)
{
	char text[INET6_ADDRSTRLEN + 1];
	const char *zone;

	/* fe80::1%eth0: the zone means something on one host only. */
	zone = memchr(s, '%', len);
	if (zone != NULL)
		len = (size_t)(zone - s);
	if (len == 0 || len >= sizeof(text))
		return -1;
	memcpy(text, s, len);
	text[len] = '\0';
	memcpy(ret->b, mapped, sizeof(mapped));
	if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
		ret->v4 = true;
		return 0;
	}
	if (inet_pton(AF_INET6, text, ret->b) != 1)
		return -1;
	ret->v4 = memcmp(ret->b, mapped, sizeof(mapped)) == 0;
	return 0;
}

/* "10.0.0.0/8", "::1", "::ffff:10.0.0.0/104": the prefix counts in 128 bits. */
static int
range_parse(struct ip *ret, int *ret_bits, const char *s)
{
	const char *slash = strchr(s, '/'), *p;
	size_t len = slash == NULL ? strlen(s) : (size_t)(slash - s);
	bool dotted = memchr(s, ':', len) == NULL;
	int bits = 0, max = dotted ? 32 : 128;

	if (ip_parse(ret, s, len) == -1)
		return -1;
	if (slash == NULL)
		bits = max;
	else {
		if (slash[1] == '\0' || strlen(slash + 1) > 3)
			return -1;
		for (p = slash + 1; *p != '\0'; p++) {
			if (*p < '0' || *p > '9')
				return -1;
			bits = 10 * bits + (*p - '0');
		}
		if (bits > max)
			return -1;
	}
	*ret_bits = dotted ? bits + 96 : bits;
	return 0;
}

/* The bits of the range that holds the address, or -1. */
static int
range_bits(const char *address, const char *range)
{
	struct ip a, r;
	int bits, whole, rest;

	if (ip_parse(&a, address, strlen(address)) == -1 || range_parse(&r, &bits, range) == -1)
		return -1;
	/* ::/0 is the IPv6 internet; it is not meant to hold 10.0.0.1. */
	if (a.v4 && !r.v4)
		return -1;
	whole = bits / 8;
	rest = bits % 8;
	if (memcmp(a.b, r.b, (size_t)whole) != 0)
		return -1;
	if (rest != 0 && ((a.b[whole] ^ r.b[whole]) & (0xff << (8 - rest)) & 0xff) != 0)
		return -1;
	return bits;
}

bool
address_in(const char *address, const char *range)
{
	return range_bits(address, range) != -1;
}

static bool
is_loopback(const char *address)
{
	return address_in(address, "127.0.0.0/8") || address_in(address, "::1");
}

/* Does the address belong to the host? */
static bool
host_has(const struct fleet *fleet, const struct host_addresses *known, int host, int endpoint,
    const char *address)
{
	const struct host *h = &fleet->hosts[host];
	size_t i;

	if (h->address != NULL && address_in(address, h->address))
		return true;
	if (known != NULL && (size_t)host < known->n)
		for (i = 0; i < known->v[host].n; i++)
			if (address_in(address, known->v[host].v[i]))
				return true;
	/* What comes over the loopback comes from the endpoint's own host. */
	return fleet->endpoints[endpoint].host == host && is_loopback(address);
}

static bool
in_strings(const struct strings *s, const char *word)
{
	size_t i;

	for (i = 0; word != NULL && i < s->n; i++)
		if (strcmp(s->v[i], word) == 0)
			return true;
	return false;
}

/*
 * How well a session matches, larger is more specific, or -1.  Each word that
 * had to match (user, database, application) counts more than any address; a
 * host counts as its one address.
 */
#define SCORE_WORD	1000
#define SCORE_HOST	128

static int
match_score(const struct fleet *fleet, const struct host_addresses *known, int link,
    const struct seen_session *s)
{
	const struct match *m = &fleet->links[link].match;
	int endpoint = fleet->links[link].endpoint;
	int score = 0, best = -1, bits, host;
	size_t i;

	if (m->addresses.n > 0) {
		for (i = 0; i < m->addresses.n; i++) {
			bits = range_bits(s->address, m->addresses.v[i]);
			if (bits > best)
				best = bits;
		}
		if (best == -1)
			return -1;
		score += best;
	}
	if (m->hosts.n > 0) {
		for (i = 0; i < m->hosts.n; i++)
			if (host_has(fleet, known, m->hosts.v[i], endpoint, s->address))
				break;
		if (i == m->hosts.n)
			return -1;
		score += SCORE_HOST;
	}
	if (m->users.n > 0) {
		if (!in_strings(&m->users, s->user))
			return -1;
		score += SCORE_WORD;
	}
	if (m->databases.n > 0) {
		if (!in_strings(&m->databases, s->database))
			return -1;
		score += SCORE_WORD;
	}
	if (m->applications.n > 0) {
		if (!in_strings(&m->applications, s->application))
			return -1;
		score += SCORE_WORD;
	}
	if (m->addresses.n + m->hosts.n + m->users.n + m->databases.n + m->applications.n == 0) {
		/* Nothing was declared: then what comes from the client's own host. */
		host = fleet->clients[fleet->links[link].client].host;
		if (host == NONE || !host_has(fleet, known, host, endpoint, s->address))
			return -1;
	}
	return score;
}

int
census_link(const struct fleet *fleet, const struct host_addresses *known, int endpoint,
    const struct seen_session *s)
{
	int link, score, best = -1, found = NONE;

	if (s->address == NULL || s->address[0] == '\0')
		return NONE;
	for (link = 0; (size_t)link < fleet->nlinks; link++) {
		if (fleet->links[link].endpoint != endpoint)
			continue;
		score = match_score(fleet, known, link, s);
		if (score > best) {
			best = score;
			found = link;
		}
	}
	return found;
}

void
census_begin(struct census *c, const struct fleet *fleet, int endpoint)
{
	struct link_count *row;
	size_t i;

	memset(c, 0, sizeof(*c));
	c->connections_total = c->unaccounted = -1;
	c->own_tls = -1;
	for (i = 0; i < fleet->nlinks; i++) {
		if (fleet->links[i].endpoint != endpoint)
			continue;
		row = mem_push(&c->links, &c->nlinks, sizeof(*row));
		row->link = (int)i;
	}
}

/* At most READING_SHORT_MAX bytes of it; the rest of a name that long says nothing. */
static char *
short_dup(const char *s)
{
	size_t len;

	if (s == NULL)
		return NULL;
	len = strlen(s);
	return mem_strndup(s, len < READING_SHORT_MAX ? len : READING_SHORT_MAX);
}

/*
 * Room for one more name.  When all are taken, plaintext displaces TLS: a
 * thousand undeclared TLS sessions must not hide the one on plaintext.
 */
static struct straggler *
straggler_room(struct census *c, bool tls)
{
	struct straggler *s;
	size_t i;

	if (c->nstragglers < READING_STRAGGLERS_MAX)
		return mem_push(&c->stragglers, &c->nstragglers, sizeof(*s));
	if (tls)
		return NULL;
	for (i = 0; i < c->nstragglers; i++) {
		s = &c->stragglers[i];
		if (s->tls) {
			straggler_release(s);
			return s;
		}
	}
	return NULL;
}

void
census_add(struct census *c, const struct fleet *fleet, const struct host_addresses *known,
    int endpoint, const struct seen_session *s)
{
	struct straggler *st;
	struct link_count *row = NULL;
	size_t i;
	int link;

	if (s->address == NULL || s->address[0] == '\0')
		return;
	link = census_link(fleet, known, endpoint, s);
	c->total++;
	for (i = 0; i < c->nlinks && link != NONE; i++)
		if (c->links[i].link == link)
			row = &c->links[i];
	if (row == NULL && link != NONE) {
		row = mem_push(&c->links, &c->nlinks, sizeof(*row));
		row->link = link;
	}
	if (row != NULL && s->tls)
		row->tls++;
	else if (row != NULL)
		row->plain++;
	else if (s->tls)
		c->undeclared_tls++;
	else
		c->undeclared_plain++;

	if (link != NONE && s->tls)
		return;
	st = straggler_room(c, s->tls);
	if (st == NULL)
		return;
	st->link = link;
	st->tls = s->tls;
	st->address = short_dup(s->address);
	st->user = short_dup(s->user);
	st->database = short_dup(s->database);
	st->application = short_dup(s->application);
	st->age_s = s->age_s;
	st->port = s->port;
}
