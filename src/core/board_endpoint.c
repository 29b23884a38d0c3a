/*
 * board_endpoint: what the readings say together of one endpoint.  Holds nothing.
 *
 * The path to it is proven where a fresh handshake of belay's own was let in and verified chain
 * and names, nothing of it is weak or has ended since, none has failed after it, and the
 * server's row for the session over which belay asks says TLS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/board_int.h"
#include "core/buf.h"
#include "core/op.h"
#include "core/setting.h"
#include "core/settings_seen.h"

/* The name that is not shown to be covered, and why. */
static bool
names_covered(const struct board *b, int endpoint, const struct served *s, char *why, size_t size)
{
	const char *names[READING_NAMES_MAX];
	size_t i, n = served_names(board_fleet(b), endpoint, names);

	if (s->nnames == 0 || s->nnames != n) {
		board_say(why, size, "the fleet names nothing that clients dial", NULL);
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
		board_say(why, size, "the path was not tried by belay itself", NULL);
	else if (failed != NULL)
		board_say(why, size, "belay's own last handshake", failed->why);
	else if (s->tls != LEG_OPEN)
		board_say(why, size, "belay's own handshake", s->tls_why);
	else if (s->chain == VERIFIED_NOT_TRIED)
		board_say(why, size, "no CA known to verify against", NULL);
	else if (s->chain == VERIFIED_BAD)
		board_say(why, size, "chain not verified", s->chain_why);
	else if (s->cert.ends_s != 0 && s->cert.ends_s <= now_ms / 1000)
		board_say(why, size, "chain not verified: it has expired", s->cert.ends_who);
	else if (!names_covered(b, endpoint, s, why, size))
		return false;
	else if (s->cert.weak != NULL)
		board_say(why, size, "the certificate is weak", s->cert.weak);
	else if (board_revocation(b, s->cert.sha256) != NULL)
		board_say(why, size, "its certificate was", board_revocation(b, s->cert.sha256));
	else if (s->turned_away)
		board_say(why, size, "belay was turned away after the handshake", s->tls_why);
	else
		return true;
	return false;
}

#define SERVED_PER_STALE 20	/* handshakes are made so much seldomer than a census */

/* And is that fresh, and does the server say of belay's own session what belay says of it? */
bool
board_path_proven(const struct board *b, int endpoint, int64_t now_ms, int64_t stale_ms, char *why, size_t size)
{
	const struct reading *served = board_reading(b, READING_SERVED, endpoint);
	const struct reading *census = board_reading(b, READING_CENSUS, endpoint);

	if (!handshake_verified(b, endpoint, now_ms, why, size))
		return false;
	if ((now_ms - served->at_ms) / SERVED_PER_STALE > stale_ms)
		board_say(why, size, "belay's own handshake is too long ago", NULL);
	else if (census == NULL || census->census.own_tls < 0)
		board_say(why, size, "the server's row for belay's own session was not seen", NULL);
	else if (census->census.own_tls == 0)
		board_say(why, size, "by the server's row belay's own session is on plaintext", NULL);
	else
		return true;
	return false;
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
	enum kind kind = board_fleet(b)->endpoints[endpoint].kind;
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
		settings_seen_accept_words(board_fleet(b)->endpoints[endpoint].kind, settings, &own);
	(void)snprintf(v->why, sizeof(v->why), "configured %s%s%s%s, served %s%s%s%s", accept_word(is),
	    own.len > 0 ? " (" : "", buf_str(&own), own.len > 0 ? ")" : "",
	    v->served == ACCEPT_PLAIN ? "plaintext only" : v->served == ACCEPT_TLS ? "tls only" : accept_word(v->served),
	    why == NULL || *why == '\0' ? "" : ": ", log != NULL && why == log->text ? "its log: " : "", why == NULL ? "" : why);
	buf_release(&own);
	buf_release(&key);
}

/*
 * Nobody is let in who shows no certificate.  Where pg_hba.conf demands it by role, a look in
 * belay's own name shows no more than that one is asked for.
 */
static bool
demands(enum kind kind, const struct served *s)
{
	return s->client_cert_asked && (s->bare == LEG_REFUSED || kind == KIND_POSTGRES);
}

/* What is written on its host, as far as that was read. */
static enum accept
written(const struct board *b, int endpoint)
{
	const struct endpoint *e = &board_fleet(b)->endpoints[endpoint];
	const struct reading *host = e->host == NONE ? NULL : board_reading(b, READING_HOST, e->host);
	enum accept ret = ACCEPT_UNKNOWN;
	size_t i;

	for (i = 0; host != NULL && i < host->nfacets; i++)
		if (host->facets[i].facet == FACET_ACCEPT && host->facets[i].subject == endpoint)
			ret = (enum accept)host->facets[i].value;
	return ret;
}

/*
 * Under TLS 1.3 the handshake is through before a client without a certificate is turned
 * away, so that what is served was seen.  Any other alert may be about anything.  What a server is
 * set to by its own word was said before that, and is no witness of it.
 */
bool
board_demanded(const struct board *b, int endpoint)
{
	const struct reading *r = board_reading(b, READING_SERVED, endpoint);
	const struct served *s = r == NULL ? NULL : &r->served;

	return s != NULL && s->tls == LEG_REFUSED && s->protocol != NULL && s->client_cert_asked && s->tls_why != NULL &&
	    strstr(s->tls_why, "certificate required") != NULL && written(b, endpoint) == ACCEPT_MUTUAL;
}

void
board_endpoint(const struct board *b, int endpoint, int64_t now_ms, int64_t stale_ms, struct endpoint_view *v)
{
	const struct endpoint *e = &board_fleet(b)->endpoints[endpoint];
	const struct reading *served = board_reading(b, READING_SERVED, endpoint);
	const struct reading *failed = board_failure(b, READING_SERVED, endpoint);
	const struct reading *settings = board_reading(b, READING_SETTINGS, endpoint);

	memset(v, 0, sizeof(*v));
	v->served = v->runs = v->restarts = ACCEPT_UNKNOWN;
	v->configured = written(b, endpoint);
	if (v->configured == ACCEPT_UNKNOWN && settings != NULL)
		v->configured = accept_by_settings(board_fleet(b), endpoint, settings);
	if (settings != NULL) {
		v->runs = settings_seen_accept(e->kind, settings, false);
		v->restarts = settings_seen_accept(e->kind, settings, true);
		not_lasting(e->kind, settings, v);
	}
	if (served == NULL) {
		board_say(v->why, sizeof(v->why), failed == NULL ? "not looked yet" : "cannot see",
		    failed == NULL ? NULL : failed->why);
		return;
	}
	v->at_ms = served->at_ms;
	if (now_ms - served->at_ms > stale_ms) {
		board_say(v->why, sizeof(v->why), "last seen some time ago", failed == NULL ? NULL : failed->why);
		return;
	}
	v->verified = handshake_verified(b, endpoint, now_ms, v->unproven, sizeof(v->unproven));
	v->path_proven = v->verified && board_path_proven(b, endpoint, now_ms, INT64_MAX, v->unproven, sizeof(v->unproven));
	if (served->served.protocol == NULL)
		v->unproven[0] = '\0';
	if (served->served.tls == LEG_OPEN) {
		if (served->served.plain == LEG_OPEN)
			v->served = ACCEPT_BOTH;
		else if (served->served.plain == LEG_REFUSED || served->served.plain == LEG_CLOSED)
			v->served = demands(e->kind, &served->served) && (v->configured == ACCEPT_MUTUAL ||
			    e->kind != KIND_POSTGRES) ? ACCEPT_MUTUAL : ACCEPT_TLS;
	} else if ((served->served.plain == LEG_REFUSED || served->served.plain == LEG_CLOSED) && board_demanded(b, endpoint))
		v->served = ACCEPT_MUTUAL;
	else if (served->served.plain == LEG_OPEN &&
	    (served->served.tls == LEG_REFUSED || served->served.tls == LEG_CLOSED))
		v->served = ACCEPT_PLAIN;
	if (v->served == ACCEPT_UNKNOWN)
		board_say(v->why, sizeof(v->why), "inconclusive",
		    served->served.tls != LEG_OPEN && served->served.tls_why != NULL ?
		    served->served.tls_why : served->served.plain_why);
	else if (differs(v) || claims(v))
		say_differs(b, endpoint, v);
}
