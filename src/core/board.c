/*
 * board: see board.h.  Owns the latest reading of each kind for each
 * endpoint and host, and the latest failure to see.
 *
 * How a link's state comes about, first line that fits:
 *
 *   no census of its endpoint was ever seen             UNKNOWN
 *   that census is older than it may be                 STALE
 *   the census is partial and shows no session of it    UNKNOWN (never idle, never green)
 *   no session                                          IDLE
 *   plaintext and TLS sessions                          MIXED
 *   plaintext only                                      PLAINTEXT
 *   TLS only, census partial                            UNKNOWN (others may hide)
 *   TLS only, the path is proven, and the client's own CA file, where it was read, is
 *   the one that this was verified by                   PROVEN
 *   TLS only                                            TLS
 *
 * The path is proven where a fresh handshake of belay's own was let in and verified chain
 * and names, nothing of it is weak or has ended since, none has failed after it, and the
 * server's row for the session over which belay asks says TLS.
 */
#include "core/board.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attempt.h"
#include "core/buf.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/peers.h"
#include "core/setting.h"
#include "core/settings_seen.h"

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
	b->vouched = mem_array(f->nclients + 1, sizeof(*b->vouched));
	return b;
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

const char *
link_state_word(enum link_state state)
{
	static const char *const words[] = {
		[LINK_UNKNOWN] = "unknown", [LINK_STALE] = "stale",
		[LINK_IDLE] = "idle", [LINK_PLAINTEXT] = "plaintext",
		[LINK_MIXED] = "mixed", [LINK_TLS] = "tls", [LINK_PROVEN] = "proven",
	};

	return words[state];
}

const char *
client_seen_words(enum client_seen seen)
{
	static const char *const words[] = {
		[CLIENT_NOT_SEEN] = "client not seen", [CLIENT_AWAY] = "client not connected",
		[CLIENT_ON_PLAINTEXT] = "client seen on plaintext", [CLIENT_ON_BOTH] = "client seen on both",
		[CLIENT_ON_TLS] = "client seen on TLS",
	};

	return words[seen];
}

static void
say(char *to, size_t size, const char *word, const char *detail)
{
	if (detail != NULL && *detail != '\0')
		(void)snprintf(to, size, "%s: %s", word, detail);
	else
		(void)snprintf(to, size, "%s", word);
}

/* The name that is not shown to be covered, and why. */
static bool
names_covered(const struct board *b, int endpoint, const struct served *s, char *why, size_t size)
{
	const char *names[READING_NAMES_MAX];
	size_t i, n = served_names(b->fleet, endpoint, names);

	if (s->nnames == 0 || s->nnames != n) {
		say(why, size, "the fleet names nothing that clients dial", NULL);
		return false;
	}
	for (i = 0; i < n && s->name[i] == VERIFIED_OK; i++)
		continue;
	if (i == n && n == READING_NAMES_MAX) {
		(void)snprintf(why, size, "clients dial %d names or more, and no more of them are checked", READING_NAMES_MAX);
		return false;
	}
	if (i == n)
		return true;
	if (s->cert.nnames == 0)
		(void)snprintf(why, size, "the certificate does not cover '%.100s', which clients dial: it has no alternative name",
		    names[i]);
	else
		(void)snprintf(why, size, "the certificate does not cover '%.100s', which clients dial", names[i]);
	return false;
}

/* Did belay's own handshake verify the chain and every name that clients dial? Else why not. */
static bool
handshake_verified(const struct board *b, int endpoint, int64_t now_ms, char *why, size_t size)
{
	const struct reading *r = board_reading(b, READING_SERVED, endpoint), *failed = board_failure(b, READING_SERVED, endpoint);
	const struct served *s = r == NULL ? NULL : &r->served;

	if (s == NULL)
		say(why, size, "the path was not tried by belay itself", NULL);
	else if (failed != NULL)
		say(why, size, "belay's own last handshake", failed->why);
	else if (s->tls != LEG_OPEN)
		say(why, size, "belay's own handshake", s->tls_why);
	else if (s->chain == VERIFIED_NOT_TRIED)
		say(why, size, "no CA known to verify against", NULL);
	else if (s->chain == VERIFIED_BAD)
		say(why, size, "chain not verified", s->chain_why);
	else if (s->cert.ends_s != 0 && s->cert.ends_s <= now_ms / 1000)
		say(why, size, "chain not verified: it has expired", s->cert.ends_who);
	else if (!names_covered(b, endpoint, s, why, size))
		return false;
	else if (s->cert.weak != NULL)
		say(why, size, "the certificate is weak", s->cert.weak);
	else if (s->turned_away)
		say(why, size, "belay was turned away after the handshake", s->tls_why);
	else
		return true;
	return false;
}

/* The cert of the fleet by whose CA belay verifies the endpoint, or NONE. */
static int
cert_serving(const struct fleet *f, int endpoint)
{
	size_t i;

	for (i = 0; i < f->ncerts; i++)
		if (indices_has(&f->certs[i].serves, endpoint))
			return (int)i;
	return NONE;
}

#define SERVED_PER_STALE 20	/* handshakes are made so much seldomer than a census */

/* And is that fresh, and does the server say of belay's own session what belay says of it? */
static bool
path_proven(const struct board *b, int endpoint, int64_t now_ms, int64_t stale_ms, char *why, size_t size)
{
	const struct reading *served = board_reading(b, READING_SERVED, endpoint);
	const struct reading *census = board_reading(b, READING_CENSUS, endpoint);

	if (!handshake_verified(b, endpoint, now_ms, why, size))
		return false;
	if ((now_ms - served->at_ms) / SERVED_PER_STALE > stale_ms)
		say(why, size, "belay's own handshake is too long ago", NULL);
	else if (census == NULL || census->census.own_tls < 0)
		say(why, size, "the server's row for belay's own session was not seen", NULL);
	else if (census->census.own_tls == 0)
		say(why, size, "by the server's row belay's own session is on plaintext", NULL);
	else
		return true;
	return false;
}

/*
 * A client that verifies does so by its own CA file.  False, with words, where that is known to be
 * another than the one that belay verified by, or where it shows a certificate that is refused.
 */
static bool
client_would_verify(const struct board *b, int link, const struct link_view *v, char *why, size_t size)
{
	const struct link *l = &b->fleet->links[link];
	int serving = cert_serving(b->fleet, l->endpoint), host = link_host(b->fleet, l);
	const struct reading *r = host == NONE ? NULL : board_reading(b, READING_HOST, host);
	const struct reading *served = board_reading(b, READING_SERVED, l->endpoint);
	size_t i;

	if (l->stray && served != NULL && served->served.client_cert_asked) {
		say(why, size, "its next connection would be refused: it shows a client certificate that is not of this fleet, and one is asked for",
		    NULL);
		return false;
	}
	if (v->dial != DIAL_VERIFY_CA && v->dial != DIAL_VERIFY_FULL)
		return true;
	if (l->trust_cert != NONE && serving != NONE && l->trust_cert != serving) {
		(void)snprintf(why, size, "it trusts the CA of '%.80s', and the path was verified by that of '%.80s'",
		    b->fleet->certs[l->trust_cert].name, b->fleet->certs[serving].name);
		return false;
	}
	for (i = 0; r != NULL && i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_TRUST && r->facets[i].subject == link && r->facets[i].odd) {
			say(why, size, "its next connection would not verify", r->facets[i].detail);
			return false;
		}
	return true;
}

/* What the pooler that dials says of its settings, or NULL. */
static const struct reading *
pooler_settings(const struct board *b, int link)
{
	int pooler = b->fleet->clients[b->fleet->links[link].client].pools;

	return pooler == NONE ? NULL : board_reading(b, READING_SETTINGS, pooler);
}

/* What the client's host has written for this link, and how it was learnt. */
static void
configured_dial(const struct board *b, int link, struct link_view *v)
{
	const struct link *l = &b->fleet->links[link];
	const struct reading *r;
	int host = link_host(b->fleet, l);
	size_t i;

	v->dial = DIAL_UNKNOWN;
	if (l->how == DIAL_ASSUMED || (l->how == DIAL_FIXED && l->assumed != DIAL_UNKNOWN)) {
		v->dial = l->assumed;
		v->dial_declared = true;
		return;
	}
	if (l->how == DIAL_FOLLOWS && l->follows != NONE) {
		configured_dial(b, l->follows, v);
		return;
	}
	if (l->how == DIAL_FOLLOWS) {
		/* Moved by what an endpoint's binding implies. */
		const struct endpoint *e;
		struct endpoint_view ev;
		size_t n, a;

		for (n = 0; n < b->fleet->nendpoints; n++) {
			e = &b->fleet->endpoints[n];
			for (a = 0; a < ACCEPT_COUNT; a++)
				for (i = 0; i < e->accept[a].nimplies; i++) {
					if (e->accept[a].implies[i].link != link)
						continue;
					board_endpoint(b, (int)n, 0, INT64_MAX, &ev);
					if (ev.configured == (enum accept)a)
						v->dial = e->accept[a].implies[i].dial;
					else if (v->dial == DIAL_UNKNOWN &&
					    ev.configured != ACCEPT_UNKNOWN)
						v->dial = DIAL_DISABLE;
				}
		}
		return;
	}
	r = board_reading(b, READING_HOST, host);
	for (i = 0; r != NULL && i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_DIAL && r->facets[i].subject == link)
			v->dial = (enum dial)r->facets[i].value;
	if (v->dial == DIAL_UNKNOWN && (r = pooler_settings(b, link)) != NULL)
		v->dial = dial_by_settings(b->fleet, link, r);
}

enum dial
board_dial_known(const struct board *b, int link)
{
	const struct link *l = &b->fleet->links[link];
	const struct reading *settings = pooler_settings(b, link);
	struct link_view v;

	if (l->how == DIAL_BOUND)
		return settings == NULL ? DIAL_UNKNOWN : dial_by_settings(b->fleet, link, settings);
	memset(&v, 0, sizeof(v));
	configured_dial(b, link, &v);
	return v.dial;
}

/* What a client that dials so checks of a certificate that is good: the truth table's own answer. */
static const char *
verifies(enum kind kind, const struct link *l, enum dial dial)
{
	enum verdict verdict;
	struct attempt a;

	if (dial == DIAL_UNKNOWN)
		return NULL;
	memset(&a, 0, sizeof(a));
	a.kind = kind;
	a.accept = ACCEPT_BOTH;
	a.served = SERVED_GOOD;
	a.dialect = l->dialect;
	a.dial = dial;
	a.anchor = ANCHOR_NONE;
	verdict = attempt_verdict(&a, NULL);
	if (verdict == VERDICT_REFUSED) {
		/* It does not go on without a CA: then it verifies. */
		a.anchor = ANCHOR_ISSUER;
		verdict = attempt_verdict(&a, NULL);
	}
	switch (verdict) {
	case VERDICT_NAME:
		return "chain and name";
	case VERDICT_CHAIN:
		return "the chain";
	case VERDICT_UNKNOWN:
		return NULL;
	default:
		return "nothing";
	}
}

/* A pooler whose own link fails: of that link, and of those who wait behind it. */
static bool
say_leg(const struct board *b, int link, struct link_view *v)
{
	const struct link *l = &b->fleet->links[link];
	int pools = b->fleet->clients[l->client].pools;
	const struct complaint *own = pools == NONE ? NULL : board_complaint(b, pools, true);
	const struct complaint *behind = b->fleet->endpoints[l->endpoint].kind != KIND_PGBOUNCER ? NULL :
	    board_complaint(b, l->endpoint, true);

	if (own != NULL)
		(void)snprintf(v->why, sizeof(v->why), "its log: %s", own->text);
	else if (behind != NULL)
		(void)snprintf(v->why, sizeof(v->why), "its clients wait: %s cannot log in at its server: %s",
		    b->fleet->endpoints[l->endpoint].name, behind->text);
	return own != NULL || behind != NULL;
}

/*
 * Sessions outlive what refuses their successors (pg_hba.conf, require, port 0): well now, and
 * broken at the next reconnect.
 */
static void
say_successors(const struct board *b, int link, int64_t now_ms, struct link_view *v)
{
	const struct link *l = &b->fleet->links[link];
	struct endpoint_view e;

	if (v->plain + v->tls == 0 || v->dial == DIAL_UNKNOWN || board_failure(b, READING_SERVED, l->endpoint) != NULL)
		return;
	board_endpoint(b, l->endpoint, now_ms, INT64_MAX, &e);
	if (v->dial == DIAL_DISABLE && v->plain > 0 && (e.served == ACCEPT_TLS || e.served == ACCEPT_MUTUAL))
		(void)snprintf(v->why, sizeof(v->why), "its sessions go on, and its next connection is refused%s: it dials %s, "
		    "tls only is served", b->fleet->endpoints[l->endpoint].kind == KIND_POSTGRES ? ", as belay's was" : "",
		    dial_word(v->dial));
	else if (v->dial >= DIAL_REQUIRE && e.served == ACCEPT_PLAIN)
		(void)snprintf(v->why, sizeof(v->why), "its sessions go on, and its next connection is refused: it dials %s, "
		    "plaintext only is served", dial_word(v->dial));
}

/* Is one of its processes what another file, or an older one, made it? */
static void
started_otherwise(const struct board *b, int link, struct link_view *v)
{
	int host = link_host(b->fleet, &b->fleet->links[link]);
	const struct reading *r = host == NONE ? NULL : board_reading(b, READING_HOST, host);
	const char *command = NULL;
	size_t i, k;

	for (i = 0; r != NULL && i < r->nstarted; i++) {
		if (r->started[i].link != link || r->started[i].differs == NULL)
			continue;
		for (k = 0; k < r->nsockets && command == NULL; k++)
			if (r->sockets[k].pid == r->started[i].pid)
				command = r->sockets[k].command;
		(void)snprintf(v->started, sizeof(v->started), "process %ld (%s) was started with another %s than is written on '%s': "
		    "not restarted since, or set elsewhere", r->started[i].pid, command == NULL ? "?" : command,
		    r->started[i].differs, b->fleet->hosts[host].name);
		return;
	}
}

void
board_link(const struct board *b, int link, int64_t now_ms, int64_t stale_ms, struct link_view *v)
{
	const struct link *l = &b->fleet->links[link];
	const struct endpoint *e = &b->fleet->endpoints[l->endpoint];
	const struct reading *census = board_reading(b, READING_CENSUS, l->endpoint);
	const struct reading *served = board_reading(b, READING_SERVED, l->endpoint);
	const struct reading *failed = board_failure(b, READING_CENSUS, l->endpoint);
	char not_proven[sizeof(v->why)];
	size_t i;

	memset(v, 0, sizeof(*v));
	configured_dial(b, link, v);
	started_otherwise(b, link, v);
	v->verifies = verifies(e->kind, l, v->dial);
	v->path_proven = path_proven(b, l->endpoint, now_ms, stale_ms, not_proven, sizeof(not_proven));
	if (served != NULL && served->served.tls == LEG_OPEN) {
		v->protocol = served->served.protocol;
		v->cipher = served->served.cipher;
	}
	if (census == NULL) {
		v->state = LINK_UNKNOWN;
		if (e->cannot_see[SOURCE_CENSUS] != NULL)
			say(v->why, sizeof(v->why), "declared not to be seen", e->cannot_see[SOURCE_CENSUS]);
		else if (failed != NULL)
			say(v->why, sizeof(v->why), "cannot see sessions", failed->why);
		else
			say(v->why, sizeof(v->why), "not looked yet", NULL);
		return;
	}
	v->at_ms = census->at_ms;
	for (i = 0; i < census->census.nlinks; i++)
		if (census->census.links[i].link == link) {
			v->counted = true;
			v->tls += census->census.links[i].tls;
			v->plain += census->census.links[i].plain;
		}
	if (v->counted)
		v->client = v->plain == 0 && v->tls == 0 ? CLIENT_AWAY : v->plain == 0 ? CLIENT_ON_TLS :
		    v->tls == 0 ? CLIENT_ON_PLAINTEXT : CLIENT_ON_BOTH;
	if (now_ms - census->at_ms > stale_ms) {
		v->state = LINK_STALE;
		say(v->why, sizeof(v->why), "last seen some time ago", failed == NULL ? NULL : failed->why);
		return;
	}
	if (say_leg(b, link, v) && v->tls == 0 && v->plain == 0) {
		v->state = v->counted && census->outcome == SAW ? LINK_IDLE : LINK_UNKNOWN;
		return;
	}
	if (census->outcome == SAW_PART && (v->plain == 0)) {
		v->state = LINK_UNKNOWN;
		say(v->why, sizeof(v->why), "inconclusive", census->why);
		return;
	}
	if (!v->counted) {
		v->state = LINK_UNKNOWN;
		say(v->why, sizeof(v->why), "the census has no count for this link", NULL);
	} else if (v->tls == 0 && v->plain == 0) {
		v->state = LINK_IDLE;
		say(v->why, sizeof(v->why), "no session", NULL);
	} else if (v->plain > 0) {
		v->state = v->tls > 0 ? LINK_MIXED : LINK_PLAINTEXT;
	} else if (!v->path_proven) {
		v->state = LINK_TLS;
		(void)snprintf(v->why, sizeof(v->why), "%s", not_proven);
	} else
		v->state = client_would_verify(b, link, v, v->why, sizeof(v->why)) ? LINK_PROVEN : LINK_TLS;
	say_successors(b, link, now_ms, v);
}

static void
not_lasting(enum kind kind, const struct reading *settings, struct endpoint_view *v)
{
	struct buf words;

	buf_init(&words, 4096);
	if (settings_seen_drift(kind, settings, &words) > 0)
		(void)snprintf(v->lasting, sizeof(v->lasting), "%s", buf_str(&words));
	buf_release(&words);
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

/* Is what is written or set another thing than what is served? */
static bool
differs(const struct endpoint_view *v)
{
	return v->configured != ACCEPT_UNKNOWN && v->configured != v->served;
}

/* Or what the server says of itself, whose rules its settings do not tell: only that TLS is on, or off. */
static bool
claims(const struct endpoint_view *v)
{
	return v->runs != ACCEPT_UNKNOWN && (v->runs == ACCEPT_PLAIN) != (v->served == ACCEPT_PLAIN);
}

/* "600 101 0 101 1": a number of what was printed of a key, or -1 for a dash; *ok is false where it is neither. */
static long
key_number(const char **at, int base, bool *ok)
{
	const char *p = *at + strspn(*at, " ");
	char *end;
	long v;

	if (*p == '-') {
		*at = p + 1;
		return -1;
	}
	v = strtol(p, &end, base);
	*ok = *ok && end != p && v >= 0;
	*at = end;
	return v;
}

enum key_state
board_key(const struct board *b, int endpoint, struct buf *words)
{
	static const char *const servers[KIND_COUNT] = { "PostgreSQL", "PgBouncer", "Redis" };
	const struct reading *r = board_reading(b, READING_SETTINGS, endpoint);
	enum kind kind = b->fleet->endpoints[endpoint].kind;
	const char *name = setting_key_name(kind), *path, *look;
	long mode, uid, gid, server, in_group;
	enum key_state state;
	bool ok = true;
	char key[64];

	(void)snprintf(key, sizeof(key), "%s@key", name);
	if (r == NULL || (path = reading_setting(r, name)) == NULL || (look = reading_setting(r, key)) == NULL)
		return KEY_UNKNOWN;
	mode = key_number(&look, 8, &ok);
	uid = key_number(&look, 10, &ok);
	gid = key_number(&look, 10, &ok);
	server = key_number(&look, 10, &ok);
	in_group = key_number(&look, 10, &ok);
	if (!ok || mode < 0 || uid < 0 || gid < 0)
		return KEY_UNKNOWN;
	/* Who runs it was not seen: then as if it were its own. */
	if (server < 0)
		server = uid;
	if (in_group < 0 && server != uid && server != 0)
		return KEY_UNKNOWN;
	state = key_state_of(kind, (unsigned)mode, uid, in_group == 1, server);
	if (state == KEY_OPEN)
		(void)buf_printf(words, "%s could not load its key (others may read it): '%.120s' is %04lo of user %ld", servers[kind],
		    path, (unsigned long)mode, uid);
	else if (state == KEY_FOREIGN)
		(void)buf_printf(words, "%s could not load its key (permission denied): '%.120s' is %04lo of user %ld, and it runs as "
		    "user %ld", servers[kind], path, (unsigned long)mode, uid, server);
	return state;
}

/* "configured both (client_tls_sslmode allow), served plaintext only: it answers that it does not do TLS" */
static void
say_differs(const struct board *b, int endpoint, struct endpoint_view *v)
{
	const struct reading *settings = board_reading(b, READING_SETTINGS, endpoint);
	const struct served *s = &board_reading(b, READING_SERVED, endpoint)->served;
	enum accept is = differs(v) ? v->configured : v->runs;
	const struct complaint *log = board_complaint(b, endpoint, false);
	const char *why = v->served != ACCEPT_PLAIN ? NULL : log != NULL ? log->text : s->tls_why;
	struct buf own, key;

	buf_init(&own, 128);
	buf_init(&key, 256);
	/* What its log says says it better, where it says why at all. */
	if (v->served == ACCEPT_PLAIN && (log == NULL || strstr(log->text, "(null)") != NULL)) {
		(void)board_key(b, endpoint, &key);
		if (key.len > 0) {
			why = buf_str(&key);
			log = NULL;
		}
	}
	if (settings != NULL && v->runs == is)
		settings_seen_accept_words(b->fleet->endpoints[endpoint].kind, settings, &own);
	(void)snprintf(v->why, sizeof(v->why), "configured %s%s%s%s, served %s%s%s%s", accept_word(is),
	    own.len > 0 ? " (" : "", buf_str(&own), own.len > 0 ? ")" : "",
	    v->served == ACCEPT_PLAIN ? "plaintext only" : v->served == ACCEPT_TLS ? "tls only" : accept_word(v->served),
	    why == NULL || *why == '\0' ? "" : ": ", log != NULL && why == log->text ? "its log: " : "", why == NULL ? "" : why);
	buf_release(&own);
	buf_release(&key);
}

void
board_endpoint(const struct board *b, int endpoint, int64_t now_ms, int64_t stale_ms, struct endpoint_view *v)
{
	const struct endpoint *e = &b->fleet->endpoints[endpoint];
	const struct reading *served = board_reading(b, READING_SERVED, endpoint);
	const struct reading *failed = board_failure(b, READING_SERVED, endpoint);
	const struct reading *host = e->host == NONE ? NULL : board_reading(b, READING_HOST, e->host);
	const struct reading *settings = board_reading(b, READING_SETTINGS, endpoint);
	size_t i;

	memset(v, 0, sizeof(*v));
	v->configured = v->served = v->runs = v->restarts = ACCEPT_UNKNOWN;
	for (i = 0; host != NULL && i < host->nfacets; i++)
		if (host->facets[i].facet == FACET_ACCEPT && host->facets[i].subject == endpoint)
			v->configured = (enum accept)host->facets[i].value;
	if (v->configured == ACCEPT_UNKNOWN && settings != NULL)
		v->configured = accept_by_settings(b->fleet, endpoint, settings);
	if (settings != NULL) {
		v->runs = settings_seen_accept(e->kind, settings, false);
		v->restarts = settings_seen_accept(e->kind, settings, true);
		not_lasting(e->kind, settings, v);
	}
	if (served == NULL) {
		say(v->why, sizeof(v->why), failed == NULL ? "not looked yet" : "cannot see",
		    failed == NULL ? NULL : failed->why);
		return;
	}
	v->at_ms = served->at_ms;
	if (now_ms - served->at_ms > stale_ms) {
		say(v->why, sizeof(v->why), "last seen some time ago", failed == NULL ? NULL : failed->why);
		return;
	}
	v->verified = handshake_verified(b, endpoint, now_ms, v->unproven, sizeof(v->unproven));
	v->path_proven = v->verified && path_proven(b, endpoint, now_ms, INT64_MAX, v->unproven, sizeof(v->unproven));
	if (served->served.protocol == NULL)
		v->unproven[0] = '\0';
	if (served->served.tls == LEG_OPEN) {
		if (served->served.plain == LEG_OPEN)
			v->served = ACCEPT_BOTH;
		else if (served->served.plain == LEG_REFUSED || served->served.plain == LEG_CLOSED)
			v->served = served->served.client_cert_asked &&
			    v->configured == ACCEPT_MUTUAL ? ACCEPT_MUTUAL : ACCEPT_TLS;
	} else if (served->served.plain == LEG_OPEN &&
	    (served->served.tls == LEG_REFUSED || served->served.tls == LEG_CLOSED))
		v->served = ACCEPT_PLAIN;
	if (v->served == ACCEPT_UNKNOWN)
		say(v->why, sizeof(v->why), "inconclusive",
		    served->served.tls != LEG_OPEN && served->served.tls_why != NULL ?
		    served->served.tls_why : served->served.plain_why);
	else if (differs(v) || claims(v))
		say_differs(b, endpoint, v);
}

static bool
certain(const struct facet_seen *s)
{
	return s->value >= 0 && ((s->facet == FACET_ACCEPT && s->value < ACCEPT_UNKNOWN) ||
	    (s->facet == FACET_DIAL && s->value < DIAL_UNKNOWN));
}

void
board_each_seen(const struct board *b, int64_t since_ms, board_seen_fn *each, void *arg)
{
	const struct fleet *f = b->fleet;
	bool *accepts = mem_array(f->nendpoints + 1, sizeof(*accepts)), *dials = mem_array(f->nlinks + 1, sizeof(*dials));
	const struct reading *r;
	struct change c;
	size_t h, i;

	for (h = 0; h < f->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL || r->at_ms <= since_ms)
			continue;
		for (i = 0; i < r->nfacets; i++) {
			if (!certain(&r->facets[i]))
				continue;
			c = (struct change){ (enum facet)r->facets[i].facet, r->facets[i].subject, r->facets[i].value };
			*(c.facet == FACET_ACCEPT ? &accepts[c.subject] : &dials[c.subject]) = true;
			each(arg, &c);
		}
	}
	c.facet = FACET_ACCEPT;
	for (i = 0; i < f->nendpoints; i++) {
		if (accepts[i] || (r = board_reading(b, READING_SETTINGS, (int)i)) == NULL || r->at_ms <= since_ms)
			continue;
		c.subject = (int)i;
		if ((c.value = (int)accept_by_settings(f, c.subject, r)) != ACCEPT_UNKNOWN)
			each(arg, &c);
	}
	c.facet = FACET_DIAL;
	for (i = 0; i < f->nlinks; i++) {
		if (dials[i] || (r = pooler_settings(b, (int)i)) == NULL || r->at_ms <= since_ms)
			continue;
		c.subject = (int)i;
		if ((c.value = (int)dial_by_settings(f, c.subject, r)) != DIAL_UNKNOWN)
			each(arg, &c);
	}
	free(accepts);
	free(dials);
}

void
board_each_odd(const struct board *b, int64_t since_ms, board_odd_fn *each, void *arg)
{
	const struct reading *r;
	size_t h, i;

	for (h = 0; h < b->fleet->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL || r->at_ms <= since_ms)
			continue;
		for (i = 0; i < r->nfacets; i++)
			if (r->facets[i].odd && (r->facets[i].facet == FACET_ACCEPT || r->facets[i].facet == FACET_DIAL))
				each(arg, (int)h, &r->facets[i]);
	}
}

void
board_posture(const struct board *b, struct posture *p)
{
	struct endpoint_view ev;
	struct link_view lv;
	const struct reading *r;
	size_t i, h;

	posture_init(p, b->fleet);
	for (i = 0; i < b->fleet->nendpoints; i++) {
		board_endpoint(b, (int)i, 0, INT64_MAX, &ev);
		p->accept[i] = ev.configured;
	}
	for (i = 0; i < b->fleet->nlinks; i++) {
		memset(&lv, 0, sizeof(lv));
		configured_dial(b, (int)i, &lv);
		p->dial[i] = lv.dial;
	}
	for (h = 0; h < b->fleet->nhosts; h++) {
		if ((r = board_reading(b, READING_HOST, (int)h)) == NULL)
			continue;
		for (i = 0; i < r->nfacets; i++)
			if (r->facets[i].facet == FACET_TRUST)
				p->trust[r->facets[i].subject] = r->facets[i].value;
	}
}

bool
board_met(const struct board *b, const struct step *step, int64_t now_ms, int64_t stale_ms)
{
	struct endpoint_view ev;
	struct link_view lv;
	size_t i, n = 0;

	for (i = 0; i < step->nmoves; i++) {
		const struct move *m = &step->moves[i];

		switch (m->facet) {
		case FACET_ACCEPT:
			board_endpoint(b, m->subject, now_ms, stale_ms, &ev);
			if (ev.configured != (enum accept)m->value ||
			    ev.served != (enum accept)m->value)
				return false;
			n++;
			break;
		case FACET_DIAL:
			board_link(b, m->subject, now_ms, stale_ms, &lv);
			if (lv.dial != (enum dial)m->value || lv.dial_declared)
				return false;
			if (m->value != DIAL_DISABLE && lv.state != LINK_TLS &&
			    lv.state != LINK_PROVEN)
				return false;
			n++;
			break;
		case FACET_TRUST:
			/* What a client trusts shows in what it dials. */
			break;
		case FACET_CERT:
		case FACET_PRESENT:
			/* Nothing that is seen here says so with certainty. */
			return false;
		}
	}
	return n > 0 && step->nruns == 0 && step->ndrains == 0;
}
