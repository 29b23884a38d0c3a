/*
 * fleet_overlap: whom a session at an endpoint belongs to is never in doubt.
 *
 * Two links of one endpoint may match the same session only where
 * one match lies wholly within the other: then the narrower one wins
 * (census.h).  Within means: what the wider one leaves open the narrower one
 * states, or its range holds the narrower one's; a user, database, application
 * or host that both state is the same for both.  Everything else is an error
 * that names both.  A host whose address is not written in the fleet is
 * known only at run time, so a host and a range are not compared; there the
 * host, being one address, wins.
 *
 * Of many links at one endpoint not every pair is compared: two that both state a
 * user, say, and have none in common are apart.  So they are kept by what they
 * state in that respect in which the fewest pairs are left.
 */
#include "core/fleet_read.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/names.h"

#define PAIRS_FEW	32	/* so many links are compared one by one */

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

/* ---- which pairs are worth a look ---- */

enum respect { BY_USER, BY_DATABASE, BY_APPLICATION, BY_PLACE };
#define RESPECTS 4

struct sorted {			/* links of one endpoint, by what they state in one respect */
	struct names *keys;	/* of `with` */
	struct indices *with;	/* ascending */
	size_t	 nwith;
	struct indices open;	/* those that state nothing, or a range: ascending */
	struct indices *of;	/* by the place among the links: which of `with` it is in */
	size_t	 nof;
	struct strings owned;	/* keys that were made */
};

/* `of`: the lists that the link is in. */
static void
add_key(struct sorted *s, const char *key, int link, struct indices *of)
{
	int at = names_find(s->keys, 0, key, strlen(key));
	struct indices *with;

	if (at == NONE) {
		(void)mem_push(&s->with, &s->nwith, sizeof(*s->with));
		at = (int)s->nwith - 1;
		names_add(s->keys, 0, key, at);
	}
	with = &s->with[at];
	if (with->n == 0 || with->v[with->n - 1] != link)
		*(int *)mem_push(&with->v, &with->n, sizeof(int)) = link;
	indices_add(of, at);
}

static char *
range_key(const struct range *r)
{
	static const char hex[] = "0123456789abcdef";
	char text[2 * sizeof(r->ip) + 2] = { r->v4 ? '4' : '6' };
	size_t i;

	for (i = 0; i < sizeof(r->ip); i++) {
		text[1 + 2 * i] = hex[r->ip[i] >> 4];
		text[2 + 2 * i] = hex[r->ip[i] & 15];
	}
	return mem_strdup(text);
}

/* Its places as keys, where each is one address or a host; false where they are none such. */
static bool
place_keys(const struct fleet *f, const struct match *m, struct strings *ret)
{
	struct ranges ranges;
	size_t i;
	bool single = true;

	ranges_of(f, m, &ranges);
	for (i = 0; i < ranges.n; i++)
		single = single && ranges.v[i].bits == 128;
	for (i = 0; i < ranges.n && single; i++)
		strings_push(ret, range_key(&ranges.v[i]));
	for (i = 0; i < m->hosts.n && single; i++)
		strings_push(ret, mem_printf("host %d", m->hosts.v[i]));
	free(ranges.v);
	return single && ret->n > 0;
}

static const struct strings *
words_of(const struct match *m, enum respect respect)
{
	return respect == BY_USER ? &m->users : respect == BY_DATABASE ? &m->databases : &m->applications;
}

static void
sort_link(struct sorted *s, const struct fleet *f, enum respect respect, int link, struct indices *of)
{
	const struct match *m = &f->links[link].match;
	const struct strings *words = &s->owned;
	size_t i, from = 0, until;

	if (respect == BY_PLACE) {
		from = s->owned.n;
		until = place_keys(f, m, &s->owned) ? s->owned.n : from;
	} else {
		words = words_of(m, respect);
		until = words->n;
	}
	if (from == until)
		*(int *)mem_push(&s->open.v, &s->open.n, sizeof(int)) = link;
	for (i = from; i < until; i++)
		add_key(s, words->v[i], link, of);
}

static void
sorted_init(struct sorted *s, const struct fleet *f, const struct indices *links, enum respect respect)
{
	size_t i;

	memset(s, 0, sizeof(*s));
	s->keys = names_new();
	s->of = mem_array(links->n, sizeof(*s->of));
	s->nof = links->n;
	for (i = 0; i < links->n; i++)
		sort_link(s, f, respect, links->v[i], &s->of[i]);
}

static void
sorted_release(struct sorted *s)
{
	size_t i;

	for (i = 0; i < s->nwith; i++)
		free(s->with[i].v);
	for (i = 0; i < s->nof; i++)
		free(s->of[i].v);
	free(s->of);
	free(s->with);
	free(s->open.v);
	names_free(s->keys);
	strings_release(&s->owned);
	memset(s, 0, sizeof(*s));
}

/* How many pairs are left in this respect. */
static double
pairs_left(const struct sorted *s, size_t nlinks)
{
	double n = 2.0 * (double)s->open.n * (double)nlinks;
	size_t i;

	for (i = 0; i < s->nwith; i++)
		n += (double)s->with[i].n * (double)s->with[i].n;
	return n;
}

struct conflict {		/* link NONE: there is none */
	int	 link, with;
};

/* The first link of these, below `link`, that matches what it does. */
static void
look_among(const struct fleet *f, const struct indices *others, int link, struct conflict *first)
{
	enum relation relation;
	size_t i;

	for (i = 0; i < others->n && others->v[i] < link; i++) {
		if (first->link == link && others->v[i] >= first->with)
			return;
		relation = compare_matches(f, &f->links[others->v[i]].match, &f->links[link].match);
		if (relation == SAME || relation == CROSSED) {
			*first = (struct conflict){ link, others->v[i] };
			return;
		}
	}
}

/* Those that may match what the link at this place does, by one respect. */
static void
look_sorted(const struct fleet *f, const struct sorted *s, const struct indices *links, size_t at, struct conflict *first)
{
	size_t i;

	if (s->of[at].n == 0) {
		look_among(f, links, links->v[at], first);
		return;
	}
	look_among(f, &s->open, links->v[at], first);
	for (i = 0; i < s->of[at].n; i++)
		look_among(f, &s->with[s->of[at].v[i]], links->v[at], first);
}

/* The first conflict among the links of one endpoint. */
static struct conflict
look_at_endpoint(const struct fleet *f, const struct indices *links)
{
	struct conflict first = { NONE, NONE };
	struct sorted sorted[RESPECTS];
	size_t i, best = 0;

	if (links->n <= PAIRS_FEW) {
		for (i = 0; i < links->n && first.link == NONE; i++)
			look_among(f, links, links->v[i], &first);
		return first;
	}
	for (i = 0; i < RESPECTS; i++) {
		sorted_init(&sorted[i], f, links, (enum respect)i);
		if (pairs_left(&sorted[i], links->n) < pairs_left(&sorted[best], links->n))
			best = i;
	}
	for (i = 0; i < links->n && first.link == NONE; i++)
		look_sorted(f, &sorted[best], links, i, &first);
	for (i = 0; i < RESPECTS; i++)
		sorted_release(&sorted[i]);
	return first;
}

int
fleet_check_overlap(struct fleet_reader *fr)
{
	const struct fleet *f = fr->f;
	struct indices *at = mem_array(f->nendpoints + 1, sizeof(*at));
	struct conflict first = { NONE, NONE }, c;
	const struct link *a, *b;
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		*(int *)mem_push(&at[f->links[i].endpoint].v, &at[f->links[i].endpoint].n, sizeof(int)) = (int)i;
	for (i = 0; i < f->nendpoints; i++) {
		c = look_at_endpoint(f, &at[i]);
		if (c.link != NONE && (first.link == NONE || c.link < first.link))
			first = c;
		free(at[i].v);
	}
	free(at);
	if (first.link == NONE)
		return 0;
	a = &f->links[first.with];
	b = &f->links[first.link];
	return reader_fail_at(&fr->r, b->match.pos.line, b->match.pos.col,
	    "'%s' and '%s' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)",
	    a->name, b->name);
}
