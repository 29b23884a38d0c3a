/*
 * board: see board.h.  Owns the latest reading of each kind for each
 * endpoint and host, the latest failure to see, and whoever was seen on plaintext.  What they
 * come to is in board_link.c, board_endpoint.c, board_posture.c and board_rehearsed.c.
 */
#include "core/board_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/peers.h"
#include "core/revoked.h"

struct slot {
	struct reading *good;	/* SAW or SAW_PART */
	struct reading *bad;	/* SAW_NOT, newer than good */
};

struct board {
	const struct fleet *fleet;
	struct slot *slots[READING_COUNT];
	size_t	 nslots[READING_COUNT];
	struct host_view *hosts;
	int64_t	*tls_seen_ms;	/* by link */
	struct sighting *sightings;
	size_t	 nsightings;
	struct sha { char text[65]; } *issued;	/* by certificate of the fleet */
	struct leaked {			/* by certificate: of its CA */
		struct pair *v;		/* fingerprint, words */
		size_t	 n;
	} *leaked;
	char	**vouched;	/* by client */
};

struct board *
board_new(const struct fleet *f)
{
	struct board *b = mem_alloc(sizeof(*b));
	size_t k;

	b->fleet = f;
	b->nslots[READING_SERVED] = f->nendpoints;
	b->nslots[READING_CENSUS] = f->nendpoints;
	b->nslots[READING_SETTINGS] = f->nendpoints;
	b->nslots[READING_HOST] = f->nhosts;
	b->nslots[READING_DISK] = f->nendpoints;
	b->nslots[READING_DEPTH] = f->nendpoints;
	b->nslots[READING_REHEARSAL] = f->nlinks;
	for (k = 0; k < READING_COUNT; k++)
		b->slots[k] = mem_array(b->nslots[k], sizeof(*b->slots[k]));
	b->hosts = mem_array(f->nhosts, sizeof(*b->hosts));
	b->tls_seen_ms = mem_array(f->nlinks, sizeof(*b->tls_seen_ms));
	b->issued = mem_array(f->ncerts, sizeof(*b->issued));
	b->leaked = mem_array(f->ncerts, sizeof(*b->leaked));
	b->vouched = mem_array(f->nclients + 1, sizeof(*b->vouched));
	return b;
}

const struct fleet *
board_fleet(const struct board *b)
{
	return b->fleet;
}

static void
drop(struct reading **r)
{
	if (*r == NULL)
		return;
	reading_release(*r);
	free(*r);
	*r = NULL;
}

static void
sighting_release(struct sighting *s)
{
	free(s->address);
	free(s->user);
	free(s->database);
	free(s->application);
	free(s->process);
}

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
dup_or_null(const char *s)
{
	return s == NULL ? NULL : mem_strdup(s);
}

/* The row for whoever has that session: his own, a new one, or that of him who was seen longest ago. */
static struct sighting *
sighting_of(struct board *b, int endpoint, const struct straggler *g)
{
	struct sighting *s, *oldest = NULL;
	size_t i;

	for (i = 0; i < b->nsightings; i++) {
		s = &b->sightings[i];
		if (s->endpoint == endpoint && s->link == g->link && same(s->address, g->address) && same(s->user, g->user) &&
		    same(s->database, g->database) && same(s->application, g->application))
			return s;
		if (oldest == NULL || s->last_ms < oldest->last_ms)
			oldest = s;
	}
	if (b->nsightings < BOARD_SIGHTINGS_MAX)
		s = mem_push(&b->sightings, &b->nsightings, sizeof(*s));
	else {
		s = oldest;
		sighting_release(s);
		memset(s, 0, sizeof(*s));
	}
	s->endpoint = endpoint;
	s->link = g->link;
	s->address = dup_or_null(g->address);
	s->user = dup_or_null(g->user);
	s->database = dup_or_null(g->database);
	s->application = dup_or_null(g->application);
	return s;
}

/* Who is on plaintext by this census. */
static void
sight(struct board *b, const struct reading *census)
{
	const struct socket_seen *process;
	size_t i;

	for (i = 0; i < census->census.nstragglers; i++) {
		const struct straggler *g = &census->census.stragglers[i];
		struct sighting *s;
		int64_t since_ms = g->age_s < 0 ? census->at_ms : census->at_ms - g->age_s * 1000;

		if (g->tls)
			continue;
		s = sighting_of(b, census->subject, g);
		if (s->first_ms == 0 || since_ms < s->first_ms)
			s->first_ms = since_ms;
		s->last_ms = census->at_ms;
		if ((process = board_process(b, census->subject, g)) == NULL)
			continue;
		free(s->process);
		s->process = mem_strdup(process->command);
		s->pid = process->pid;
	}
}

const struct sighting *
board_sightings(const struct board *b, size_t *ret_n)
{
	*ret_n = b->nsightings;
	return b->sightings;
}

void
board_issued(struct board *b, int cert, const char *sha256)
{
	(void)snprintf(b->issued[cert].text, sizeof(b->issued[cert].text), "%s", sha256);
}

const char *
board_issued_sha(const struct board *b, int cert)
{
	return b->issued[cert].text;
}

static void
forget_leaked(struct leaked *l)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		free(l->v[i].key);
		free(l->v[i].value);
	}
	free(l->v);
	memset(l, 0, sizeof(*l));
}

void
board_revoked(struct board *b, int cert, const struct revoked_list *list)
{
	struct leaked *l = &b->leaked[cert];
	struct pair *p;
	size_t i;

	forget_leaked(l);
	for (i = 0; i < list->n; i++) {
		p = mem_push(&l->v, &l->n, sizeof(*p));
		p->key = mem_strdup(list->v[i].sha256);
		p->value = revoked_words(&list->v[i]);
	}
}

const char *
board_revocation(const struct board *b, const char *sha256)
{
	size_t i, k;

	for (i = 0; i < b->fleet->ncerts; i++)
		for (k = 0; k < b->leaked[i].n; k++)
			if (strcmp(b->leaked[i].v[k].key, sha256) == 0)
				return b->leaked[i].v[k].value;
	return NULL;
}

void
board_free(struct board *b)
{
	size_t k, i;

	if (b == NULL)
		return;
	for (k = 0; k < READING_COUNT; k++) {
		for (i = 0; i < b->nslots[k]; i++) {
			drop(&b->slots[k][i].good);
			drop(&b->slots[k][i].bad);
		}
		free(b->slots[k]);
	}
	free(b->hosts);
	free(b->tls_seen_ms);
	for (i = 0; i < b->nsightings; i++)
		sighting_release(&b->sightings[i]);
	free(b->sightings);
	for (i = 0; i < b->fleet->ncerts; i++)
		forget_leaked(&b->leaked[i]);
	free(b->leaked);
	free(b->issued);
	for (i = 0; i < b->fleet->nclients; i++)
		free(b->vouched[i]);
	free(b->vouched);
	free(b);
}

static struct slot *
slot_of(const struct board *b, enum reading_kind kind, int subject)
{
	if ((unsigned int)kind >= READING_COUNT || subject < 0 ||
	    (size_t)subject >= b->nslots[kind])
		return NULL;
	return &b->slots[kind][subject];
}

void
board_feed(struct board *b, struct reading *r)
{
	struct slot *s = slot_of(b, r->kind, r->subject);
	struct reading **place, *copy;
	size_t i;

	if (s == NULL) {
		reading_release(r);
		return;
	}
	place = r->outcome == SAW_NOT ? &s->bad : &s->good;
	if ((s->good != NULL && s->good->at_ms > r->at_ms) ||
	    (s->bad != NULL && s->bad->at_ms > r->at_ms)) {
		reading_release(r);
		return;
	}
	copy = mem_alloc(sizeof(*copy));
	*copy = *r;
	memset(r, 0, sizeof(*r));
	drop(place);
	*place = copy;
	if (copy->outcome != SAW_NOT)
		drop(&s->bad);
	if (copy->kind == READING_CENSUS && copy->outcome != SAW_NOT)
		sight(b, copy);
	if (copy->kind == READING_CENSUS && copy->outcome != SAW_NOT)
		for (i = 0; i < copy->census.nlinks; i++)
			if (copy->census.links[i].tls > 0 && (size_t)copy->census.links[i].link < b->fleet->nlinks)
				b->tls_seen_ms[copy->census.links[i].link] = copy->at_ms;
}

void
board_vouch(struct board *b, int client, const char *words)
{
	free(b->vouched[client]);
	b->vouched[client] = mem_strdup(words);
}

const char *
board_vouched(const struct board *b, int client)
{
	return b->vouched[client];
}

int64_t
board_tls_seen_ms(const struct board *b, int link)
{
	return b->tls_seen_ms[link];
}

void
board_host(struct board *b, int host, const struct host_view *v)
{
	if (host >= 0 && (size_t)host < b->fleet->nhosts)
		b->hosts[host] = *v;
}

const struct host_view *
board_host_view(const struct board *b, int host)
{
	return &b->hosts[host];
}

const struct reading *
board_reading(const struct board *b, enum reading_kind kind, int subject)
{
	const struct slot *s = slot_of(b, kind, subject);

	return s == NULL ? NULL : s->good;
}

const struct reading *
board_failure(const struct board *b, enum reading_kind kind, int subject)
{
	const struct slot *s = slot_of(b, kind, subject);

	return s == NULL ? NULL : s->bad;
}

int64_t
board_heard(const struct board *b, int host)
{
	const struct fleet *f = b->fleet;
	const struct reading *r = board_reading(b, READING_HOST, host);
	int64_t at_ms = r == NULL ? 0 : r->at_ms;
	size_t i, k;

	for (i = 0; i < f->nendpoints; i++) {
		if ((f->endpoints[i].via != NONE ? f->endpoints[i].via : f->endpoints[i].host) != host)
			continue;
		for (k = 0; k < READING_COUNT; k++)
			if (k != READING_HOST && k != READING_REHEARSAL && (r = board_reading(b, (enum reading_kind)k, (int)i)) != NULL &&
			    r->at_ms > at_ms)
				at_ms = r->at_ms;
	}
	return at_ms;
}

const char *
reach_word(enum reach reach)
{
	static const char *const words[] = {
		[REACH_UNKNOWN] = "unknown", [REACH_CONNECTING] = "connecting",
		[REACH_UP] = "up", [REACH_LOST] = "lost", [REACH_BLOCKED] = "blocked",
	};

	return words[reach];
}

const struct complaint *
board_complaint(const struct board *b, int endpoint, bool leg)
{
	const struct reading *r = board_reading(b, READING_CENSUS, endpoint);
	size_t i;

	for (i = 0; r != NULL && i < r->census.ncomplaints; i++)
		if (leg ? r->census.complaints[i].leg : r->census.complaints[i].load)
			return &r->census.complaints[i];
	return NULL;
}

bool
board_log_unread(const struct board *b)
{
	const struct reading *r;
	size_t i;

	for (i = 0; i < b->fleet->nendpoints; i++)
		if ((r = board_reading(b, READING_CENSUS, (int)i)) != NULL && r->census.log_unread)
			return true;
	return false;
}

const struct socket_seen *
board_process(const struct board *b, int endpoint, const struct straggler *s)
{
	const struct reading *census = board_reading(b, READING_CENSUS, endpoint), *r;
	const struct socket_seen *found;
	size_t i;

	for (i = 0; i < b->fleet->nhosts; i++) {
		r = board_reading(b, READING_HOST, (int)i);
		if (r == NULL || (found = peers_find(r, b->fleet, endpoint, s->address, s->port)) == NULL || found->command == NULL)
			continue;
		/* A port is used again: the host has to have looked while this session was there. */
		if (census == NULL || s->age_s < 0 || r->at_ms + 1000 >= census->at_ms - s->age_s * 1000)
			return found;
	}
	return NULL;
}

void
board_say(char *to, size_t size, const char *word, const char *detail)
{
	if (detail != NULL && *detail != '\0')
		(void)snprintf(to, size, "%s: %s", word, detail);
	else
		(void)snprintf(to, size, "%s", word);
}
