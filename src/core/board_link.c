/*
 * board_link: what the readings say together of one link.  Holds nothing.
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
 * board_endpoint.c says when the path is proven.
 */
#include <stdio.h>
#include <string.h>

#include "core/attempt.h"
#include "core/board_int.h"
#include "core/op.h"

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

/*
 * A client that verifies does so by its own CA file.  False, with words, where that is known to be
 * another than the one that belay verified by, or where it shows a certificate that is refused.
 */
static bool
client_would_verify(const struct board *b, int link, const struct link_view *v, char *why, size_t size)
{
	const struct link *l = &board_fleet(b)->links[link];
	const struct reading *served = board_reading(b, READING_SERVED, l->endpoint);
	int serving = served != NULL && served->served.chain == VERIFIED_OK ? served->served.ca : NONE;
	int host = link_host(board_fleet(b), l);
	const struct reading *r = host == NONE ? NULL : board_reading(b, READING_HOST, host);
	const struct facet_seen *fs;
	size_t i;

	if (l->stray && served != NULL && served->served.client_cert_asked) {
		board_say(why, size, "its next connection would be refused: it shows a client certificate that is not of this fleet, and one is asked for",
		    NULL);
		return false;
	}
	if (v->dial != DIAL_VERIFY_CA && v->dial != DIAL_VERIFY_FULL)
		return true;
	if (l->trust_cert != NONE && serving != NONE && !link_may_trust(board_fleet(b), l, serving)) {
		(void)snprintf(why, size, "it trusts the CA of '%.80s', and the path was verified by that of '%.80s'",
		    board_fleet(b)->certs[l->trust_cert].name, board_fleet(b)->certs[serving].name);
		return false;
	}
	for (i = 0; r != NULL && i < r->nfacets; i++) {
		fs = &r->facets[i];
		if (fs->facet != FACET_TRUST || fs->subject != link)
			continue;
		if (fs->odd) {
			board_say(why, size, "its next connection would not verify", fs->detail);
			return false;
		}
		if (fs->value >= 0 && serving != NONE && !trust_holds(board_fleet(b), fs->value, serving)) {
			(void)snprintf(why, size, "its next connection would not verify: %.100s, and the path was verified by that of '%.40s'",
			    fs->detail == NULL ? "its CA file is for another" : fs->detail, board_fleet(b)->certs[serving].name);
			return false;
		}
	}
	return true;
}

const struct reading *
board_pooler_settings(const struct board *b, int link)
{
	int pooler = board_fleet(b)->clients[board_fleet(b)->links[link].client].pools;

	return pooler == NONE ? NULL : board_reading(b, READING_SETTINGS, pooler);
}

enum dial
board_dial(const struct board *b, int link, bool *declared)
{
	const struct link *l = &board_fleet(b)->links[link];
	const struct reading *r;
	enum dial dial = DIAL_UNKNOWN;
	int host = link_host(board_fleet(b), l);
	size_t i;

	*declared = false;
	if (l->how == DIAL_ASSUMED || (l->how == DIAL_FIXED && l->assumed != DIAL_UNKNOWN)) {
		*declared = true;
		return l->assumed;
	}
	if (l->how == DIAL_FOLLOWS && l->follows != NONE)
		return board_dial(b, l->follows, declared);
	if (l->how == DIAL_FOLLOWS) {
		/* Moved by what an endpoint's binding implies. */
		const struct endpoint *e;
		struct endpoint_view ev;
		size_t n, a;

		for (n = 0; n < board_fleet(b)->nendpoints; n++) {
			e = &board_fleet(b)->endpoints[n];
			for (a = 0; a < ACCEPT_COUNT; a++)
				for (i = 0; i < e->accept[a].nimplies; i++) {
					if (e->accept[a].implies[i].link != link)
						continue;
					board_endpoint(b, (int)n, 0, INT64_MAX, &ev);
					if (ev.configured == (enum accept)a)
						dial = e->accept[a].implies[i].dial;
					else if (dial == DIAL_UNKNOWN &&
					    ev.configured != ACCEPT_UNKNOWN)
						dial = DIAL_DISABLE;
				}
		}
		return dial;
	}
	r = board_reading(b, READING_HOST, host);
	for (i = 0; r != NULL && i < r->nfacets; i++)
		if (r->facets[i].facet == FACET_DIAL && r->facets[i].subject == link)
			dial = (enum dial)r->facets[i].value;
	if (dial == DIAL_UNKNOWN && (r = board_pooler_settings(b, link)) != NULL)
		dial = dial_by_settings(board_fleet(b), link, r);
	return dial;
}

enum dial
board_dial_known(const struct board *b, int link)
{
	const struct link *l = &board_fleet(b)->links[link];
	const struct reading *settings = board_pooler_settings(b, link);
	bool declared;

	if (l->how == DIAL_BOUND)
		return settings == NULL ? DIAL_UNKNOWN : dial_by_settings(board_fleet(b), link, settings);
	return board_dial(b, link, &declared);
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
	const struct link *l = &board_fleet(b)->links[link];
	int pools = board_fleet(b)->clients[l->client].pools;
	const struct complaint *own = pools == NONE ? NULL : board_complaint(b, pools, true);
	const struct complaint *behind = board_fleet(b)->endpoints[l->endpoint].kind != KIND_PGBOUNCER ? NULL :
	    board_complaint(b, l->endpoint, true);

	if (own != NULL)
		(void)snprintf(v->why, sizeof(v->why), "its log: %s", own->text);
	else if (behind != NULL)
		(void)snprintf(v->why, sizeof(v->why), "its clients wait: %s cannot log in at its server: %s",
		    board_fleet(b)->endpoints[l->endpoint].name, behind->text);
	return own != NULL || behind != NULL;
}

/*
 * Sessions outlive what refuses their successors (pg_hba.conf, require, port 0): well now, and
 * broken at the next reconnect.
 */
static void
say_successors(const struct board *b, int link, int64_t now_ms, struct link_view *v)
{
	const struct link *l = &board_fleet(b)->links[link];
	struct endpoint_view e;

	if (v->plain + v->tls == 0 || v->dial == DIAL_UNKNOWN || board_failure(b, READING_SERVED, l->endpoint) != NULL)
		return;
	board_endpoint(b, l->endpoint, now_ms, INT64_MAX, &e);
	if (v->dial == DIAL_DISABLE && v->plain > 0 && (e.served == ACCEPT_TLS || e.served == ACCEPT_MUTUAL))
		(void)snprintf(v->why, sizeof(v->why), "its sessions go on, and its next connection is refused%s: it dials %s, "
		    "tls only is served", board_fleet(b)->endpoints[l->endpoint].kind == KIND_POSTGRES ? ", as belay's was" : "",
		    dial_word(v->dial));
	else if (v->dial >= DIAL_REQUIRE && e.served == ACCEPT_PLAIN)
		(void)snprintf(v->why, sizeof(v->why), "its sessions go on, and its next connection is refused: it dials %s, "
		    "plaintext only is served", dial_word(v->dial));
}

/* Is one of its processes what another file, or an older one, made it? */
static void
started_otherwise(const struct board *b, int link, struct link_view *v)
{
	int host = link_host(board_fleet(b), &board_fleet(b)->links[link]);
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
		    r->started[i].differs, board_fleet(b)->hosts[host].name);
		return;
	}
}

void
board_link(const struct board *b, int link, int64_t now_ms, int64_t stale_ms, struct link_view *v)
{
	const struct link *l = &board_fleet(b)->links[link];
	const struct endpoint *e = &board_fleet(b)->endpoints[l->endpoint];
	const struct reading *census = board_reading(b, READING_CENSUS, l->endpoint);
	const struct reading *served = board_reading(b, READING_SERVED, l->endpoint);
	const struct reading *failed = board_failure(b, READING_CENSUS, l->endpoint);
	char not_proven[sizeof(v->why)];
	size_t i;

	memset(v, 0, sizeof(*v));
	v->dial = board_dial(b, link, &v->dial_declared);
	started_otherwise(b, link, v);
	v->verifies = verifies(e->kind, l, v->dial);
	v->path_proven = board_path_proven(b, l->endpoint, now_ms, stale_ms, not_proven, sizeof(not_proven));
	if (served != NULL && served->served.tls == LEG_OPEN) {
		v->protocol = served->served.protocol;
		v->cipher = served->served.cipher;
	}
	if (census == NULL) {
		v->state = LINK_UNKNOWN;
		if (e->cannot_see[SOURCE_CENSUS] != NULL)
			board_say(v->why, sizeof(v->why), "declared not to be seen", e->cannot_see[SOURCE_CENSUS]);
		else if (failed != NULL)
			board_say(v->why, sizeof(v->why), "cannot see sessions", failed->why);
		else
			board_say(v->why, sizeof(v->why), "not looked yet", NULL);
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
		board_say(v->why, sizeof(v->why), "last seen some time ago", failed == NULL ? NULL : failed->why);
		return;
	}
	if (say_leg(b, link, v) && v->tls == 0 && v->plain == 0) {
		v->state = v->counted && census->outcome == SAW ? LINK_IDLE : LINK_UNKNOWN;
		return;
	}
	if (census->outcome == SAW_PART && (v->plain == 0)) {
		v->state = LINK_UNKNOWN;
		board_say(v->why, sizeof(v->why), "inconclusive", census->why);
		return;
	}
	if (!v->counted) {
		v->state = LINK_UNKNOWN;
		board_say(v->why, sizeof(v->why), "the census has no count for this link", NULL);
	} else if (v->tls == 0 && v->plain == 0) {
		v->state = LINK_IDLE;
		board_say(v->why, sizeof(v->why), "no session", NULL);
	} else if (v->plain > 0) {
		v->state = v->tls > 0 ? LINK_MIXED : LINK_PLAINTEXT;
	} else if (!v->path_proven) {
		v->state = LINK_TLS;
		(void)snprintf(v->why, sizeof(v->why), "%s", not_proven);
	} else
		v->state = client_would_verify(b, link, v, v->why, sizeof(v->why)) ? LINK_PROVEN : LINK_TLS;
	say_successors(b, link, now_ms, v);
}
