/*
 * reading_codec: a reading as a blob, and back (reading.h).
 *
 * Owns the letter of an encoded reading.  Invariants: reading_encode() writes
 * only what reading_decode() accepts, and never more than READING_BLOB_MAX;
 * reading_decode() allocates no more than the blob's own length allows, and a
 * reading that failed to decode holds nothing.  What the indexes in it mean is
 * not known here: reading_check().
 */
#include "core/reading.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/blob.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/posture.h"
#include "core/trust.h"

/* The first integer of a blob: what it is, and the version of its letter. */
#define READING_MAGIC	INT64_C(0x62656c6179520003)

#define TOOK_MAX_MS	((int64_t)7 * 24 * 3600 * 1000)

/* --- writing ------------------------------------------------------------- */

static void
put_str(struct buf *out, const char *s, size_t max)
{
	size_t len;

	if (s == NULL) {
		blob_put_str(out, NULL);
		return;
	}
	len = strlen(s);
	blob_put_bytes(out, s, len < max ? len : max);
}

static size_t
put_count(struct buf *out, size_t n, size_t max)
{
	if (n > max)
		n = max;
	blob_put_int(out, (int64_t)n);
	return n;
}

static void
put_served(struct buf *out, const struct served *s)
{
	const struct certificate *c = &s->cert;
	size_t i, n;

	blob_put_int(out, s->plain);
	blob_put_int(out, s->tls);
	put_str(out, s->plain_why, READING_STRING_MAX);
	put_str(out, s->tls_why, READING_STRING_MAX);
	put_str(out, s->protocol, READING_STRING_MAX);
	put_str(out, s->cipher, READING_STRING_MAX);
	put_str(out, c->subject, READING_STRING_MAX);
	put_str(out, c->issuer, READING_STRING_MAX);
	n = put_count(out, c->nnames, READING_NAMES_MAX);
	for (i = 0; i < n; i++)
		put_str(out, c->names[i] == NULL ? "" : c->names[i], READING_STRING_MAX);
	blob_put_int(out, c->not_before_s);
	blob_put_int(out, c->not_after_s);
	put_str(out, c->key, READING_STRING_MAX);
	put_str(out, c->signature, READING_STRING_MAX);
	put_str(out, c->weak, READING_STRING_MAX);
	blob_put_int(out, c->sent);
	blob_put_int(out, c->ends_s);
	put_str(out, c->ends_who, READING_STRING_MAX);
	put_str(out, c->sha256, sizeof(c->sha256) - 1);
	blob_put_int(out, c->self_signed);
	blob_put_int(out, s->chain);
	put_str(out, s->chain_why, READING_STRING_MAX);
	blob_put_int(out, s->chain == VERIFIED_OK ? s->ca : NONE);
	n = put_count(out, s->nnames, READING_NAMES_MAX);
	for (i = 0; i < n; i++)
		blob_put_int(out, s->name[i]);
	blob_put_int(out, s->client_cert_asked);
	blob_put_int(out, s->bare);
	put_str(out, s->bare_why, READING_STRING_MAX);
	blob_put_int(out, s->turned_away);
}

static void
put_login_count(struct buf *out, const struct login_count *c)
{
	blob_put_int(out, c->link);
	blob_put_int(out, c->tls);
	blob_put_int(out, c->plain);
	blob_put_int(out, c->refused);
	blob_put_int(out, c->tls_first_ms);
	blob_put_int(out, c->tls_ms);
	blob_put_int(out, c->plain_first_ms);
	blob_put_int(out, c->plain_ms);
	blob_put_int(out, c->refused_ms);
	blob_put_int(out, c->still);
	blob_put_int(out, c->still_ms);
}

static void
put_logins(struct buf *out, const struct logins *l)
{
	const struct login_seen *s;
	size_t i, n;

	blob_put_int(out, l->seen);
	if (l->seen == LOGINS_NONE)
		return;
	blob_put_int(out, l->from_ms < 0 ? 0 : l->from_ms);
	put_str(out, l->nlinks > READING_LOGINS_MAX ? "more links than a reading carries" :
	    l->seen == LOGINS_BLIND && l->why == NULL ? "no reason was given" : l->why, READING_STRING_MAX);
	n = put_count(out, l->nlinks, READING_LOGINS_MAX);
	for (i = 0; i < n; i++)
		put_login_count(out, &l->links[i]);
	put_login_count(out, &l->undeclared);
	n = put_count(out, l->nwho, READING_WHO_MAX);
	for (i = 0; i < n; i++) {
		s = &l->who[i];
		blob_put_int(out, s->link);
		blob_put_int(out, s->tls);
		blob_put_int(out, s->refused);
		blob_put_int(out, s->still);
		put_str(out, s->address, READING_SHORT_MAX);
		put_str(out, s->user, READING_SHORT_MAX);
		put_str(out, s->database, READING_SHORT_MAX);
		put_str(out, s->application, READING_SHORT_MAX);
		blob_put_int(out, s->count);
		blob_put_int(out, s->first_ms);
		blob_put_int(out, s->last_ms);
	}
}

static void
put_complaints(struct buf *out, const struct census *c)
{
	size_t i, n = put_count(out, c->ncomplaints, READING_COMPLAINTS_MAX);

	blob_put_int(out, c->log_unread);
	for (i = 0; i < n; i++) {
		blob_put_int(out, c->complaints[i].load);
		blob_put_int(out, c->complaints[i].leg);
		blob_put_int(out, c->complaints[i].count);
		blob_put_int(out, c->complaints[i].first_ms);
		blob_put_int(out, c->complaints[i].last_ms);
		put_str(out, c->complaints[i].text, READING_SHORT_MAX);
	}
}

static void
put_census(struct buf *out, const struct census *c)
{
	const struct straggler *s;
	size_t i, n;

	n = put_count(out, c->nlinks, READING_LINKS_MAX);
	for (i = 0; i < n; i++) {
		blob_put_int(out, c->links[i].link);
		blob_put_int(out, c->links[i].tls);
		blob_put_int(out, c->links[i].plain);
	}
	blob_put_int(out, c->undeclared_tls);
	blob_put_int(out, c->undeclared_plain);
	blob_put_int(out, c->total);
	n = put_count(out, c->nstragglers, READING_STRAGGLERS_MAX);
	for (i = 0; i < n; i++) {
		s = &c->stragglers[i];
		blob_put_int(out, s->link);
		blob_put_int(out, s->tls);
		put_str(out, s->address, READING_SHORT_MAX);
		put_str(out, s->user, READING_SHORT_MAX);
		put_str(out, s->database, READING_SHORT_MAX);
		put_str(out, s->application, READING_SHORT_MAX);
		blob_put_int(out, s->port < 0 || s->port > 65535 ? 0 : s->port);
		blob_put_int(out, s->age_s < -1 ? -1 : s->age_s);
	}
	blob_put_int(out, c->upstream_seen);
	blob_put_int(out, c->upstream_tls);
	blob_put_int(out, c->upstream_plain);
	blob_put_int(out, c->connections_total < -1 ? -1 : c->connections_total);
	blob_put_int(out, c->unaccounted < -1 ? -1 : c->unaccounted);
	blob_put_int(out, c->unaccounted_from_ms);
	blob_put_int(out, c->own_tls < 0 ? -1 : c->own_tls > 0);
	put_logins(out, &c->logins);
	put_complaints(out, c);
}

static void
put_strings_seen(struct buf *out, const struct reading *r)
{
	size_t i, n = put_count(out, r->nstrings, READING_STRINGS_MAX);

	for (i = 0; i < n; i++) {
		blob_put_int(out, r->strings[i].link);
		blob_put_int(out, r->strings[i].line);
		blob_put_int(out, r->strings[i].warning);
		put_str(out, r->strings[i].file, READING_SHORT_MAX);
		put_str(out, r->strings[i].variable, READING_SHORT_MAX);
		put_str(out, r->strings[i].name, READING_SHORT_MAX);
		put_str(out, r->strings[i].text, READING_SHORT_MAX);
	}
}

static void
put_sockets(struct buf *out, const struct reading *r)
{
	size_t i, n = put_count(out, r->nsockets, READING_SOCKETS_MAX);

	for (i = 0; i < n; i++) {
		put_str(out, r->sockets[i].address, READING_SHORT_MAX);
		blob_put_int(out, r->sockets[i].port);
		blob_put_int(out, r->sockets[i].to_port);
		put_str(out, r->sockets[i].command, READING_SHORT_MAX);
		blob_put_int(out, r->sockets[i].pid);
	}
	n = put_count(out, r->nstarted, READING_STARTED_MAX);
	for (i = 0; i < n; i++) {
		blob_put_int(out, r->started[i].link);
		blob_put_int(out, r->started[i].pid);
		put_str(out, r->started[i].differs, READING_SHORT_MAX);
	}
	blob_put_int(out, r->clock_known);
	blob_put_int(out, r->clock_ahead_s);
}

static void
put_hba_seen(struct buf *out, const struct reading *r)
{
	size_t i, n = put_count(out, r->nhba, READING_HBA_MAX);

	for (i = 0; i < n; i++) {
		blob_put_int(out, r->hba[i].endpoint);
		put_str(out, r->hba[i].file, READING_SHORT_MAX);
		put_str(out, r->hba[i].text, READING_HBA_TEXT_MAX);
		put_str(out, r->hba[i].why, READING_STRING_MAX);
	}
}

static void
put_disk(struct buf *out, const struct disk *d)
{
	put_str(out, d->served_sha256, sizeof(d->served_sha256) - 1);
	put_str(out, d->cert_file, READING_STRING_MAX);
	put_str(out, d->key_file, READING_STRING_MAX);
	put_str(out, d->sha256, sizeof(d->sha256) - 1);
	put_str(out, d->cert_why, READING_STRING_MAX);
	blob_put_int(out, d->not_after_s);
	blob_put_int(out, d->pair);
	put_str(out, d->key_why, READING_STRING_MAX);
	blob_put_int(out, d->key_seen);
	blob_put_int(out, d->key_mode & 07777u);
	blob_put_int(out, d->key_uid);
}

static void
put_depth(struct buf *out, const struct depth *d)
{
	size_t i, n;

	for (i = 0; i < DEPTH_VERSIONS; i++)
		blob_put_int(out, d->versions[i]);
	n = put_count(out, d->nciphers, DEPTH_CIPHERS_MAX);
	for (i = 0; i < n; i++)
		put_str(out, d->ciphers[i] == NULL ? "" : d->ciphers[i], READING_SHORT_MAX);
	blob_put_int(out, d->more_ciphers);
	put_str(out, d->weak, READING_SHORT_MAX);
	put_str(out, d->sha256, sizeof(d->sha256) - 1);
}

static void
put_rehearsed(struct buf *out, const struct rehearsed *r)
{
	blob_put_int(out, r->verdict);
	blob_put_int(out, r->dial);
	blob_put_str(out, r->name);
	blob_put_int(out, r->port);
	blob_put_int(out, r->phase);
	blob_put_str(out, r->why);
	blob_put_str(out, r->remark);
	blob_put_str(out, r->protocol);
	blob_put_str(out, r->cipher);
	blob_put_int(out, r->asked);
	blob_put_str(out, r->shown);
	blob_put_int(out, r->connections);
	blob_put_int(out, r->reach_us);
	blob_put_int(out, r->secure_us);
	blob_put_int(out, r->login_us);
	blob_put_int(out, r->took_us);
	blob_put_int(out, r->at_ms);
	blob_put_int(out, r->ran);
	blob_put_str(out, r->says);
}

/* What has to be left out of the blob, or NULL. */
static const char *
too_much(const struct reading *r)
{
	if (r->kind == READING_SETTINGS && r->settings.n > READING_PAIRS_MAX)
		return "more settings than a reading carries";
	if (r->kind == READING_HOST && r->nfacets > READING_FACETS_MAX)
		return "more facets on this host than a reading carries";
	if (r->kind == READING_CENSUS && r->census.nlinks > READING_LINKS_MAX)
		return "more links than a reading carries";
	return NULL;
}

void
reading_encode(const struct reading *r, struct buf *out)
{
	const char *cut = too_much(r);
	enum outcome outcome = r->outcome;
	const char *why = r->why;
	size_t i, n;

	if (cut != NULL && outcome == SAW) {
		outcome = SAW_PART;
		why = cut;
	}
	if (outcome != SAW && why == NULL)
		why = "no reason was given";
	blob_put_int(out, READING_MAGIC);
	blob_put_int(out, r->kind);
	blob_put_int(out, r->subject);
	blob_put_int(out, r->at_ms < 0 ? 0 : r->at_ms);
	blob_put_int(out, r->took_ms < 0 ? 0 : r->took_ms > TOOK_MAX_MS ? TOOK_MAX_MS : r->took_ms);
	blob_put_int(out, outcome);
	put_str(out, why, READING_STRING_MAX);
	put_str(out, r->over, READING_STRING_MAX);
	switch (r->kind) {
	case READING_SERVED:
		put_served(out, &r->served);
		break;
	case READING_CENSUS:
		put_census(out, &r->census);
		break;
	case READING_SETTINGS:
		n = put_count(out, r->settings.n, READING_PAIRS_MAX);
		for (i = 0; i < n; i++) {
			put_str(out, r->settings.v[i].key, READING_STRING_MAX);
			put_str(out, r->settings.v[i].value == NULL ? "" : r->settings.v[i].value,
			    READING_STRING_MAX);
		}
		break;
	case READING_HOST:
		n = put_count(out, r->nfacets, READING_FACETS_MAX);
		for (i = 0; i < n; i++) {
			blob_put_int(out, r->facets[i].facet);
			blob_put_int(out, r->facets[i].subject);
			blob_put_int(out, r->facets[i].value);
			put_str(out, r->facets[i].detail, READING_SHORT_MAX);
			blob_put_int(out, r->facets[i].odd);
		}
		put_strings_seen(out, r);
		put_hba_seen(out, r);
		put_sockets(out, r);
		break;
	case READING_DISK:
		put_disk(out, &r->disk);
		break;
	case READING_DEPTH:
		put_depth(out, &r->depth);
		break;
	case READING_CHECK:
		blob_put_int(out, r->check_passed);
		break;
	case READING_REHEARSAL:
		put_rehearsed(out, &r->rehearsed);
		break;
	}
}

/* --- reading ------------------------------------------------------------- */

static int
get_enum(struct blob_reader *b, int count)
{
	return (int)blob_int(b, 0, count - 1);
}

static uint32_t
get_u32(struct blob_reader *b)
{
	return (uint32_t)blob_int(b, 0, UINT32_MAX);
}

static int
get_index(struct blob_reader *b, int min)
{
	return (int)blob_int(b, min, FLEET_ITEMS_MAX - 1);
}

/* A count of things that take at least min_bytes each: what follows must have room for them. */
static size_t
get_count(struct blob_reader *b, size_t max, size_t min_bytes)
{
	size_t n = (size_t)blob_int(b, 0, (int64_t)max);

	if (n > b->left / min_bytes)
		b->bad = true;
	return b->bad ? 0 : n;
}

/* A string that has to be there. */
static char *
get_given(struct blob_reader *b, size_t max)
{
	char *s = blob_str(b, max);

	if (s == NULL)
		b->bad = true;
	return s;
}

static void
get_served(struct blob_reader *b, struct served *s)
{
	struct certificate *c = &s->cert;
	size_t i, n;

	s->plain = (enum leg)get_enum(b, LEG_SILENT + 1);
	s->tls = (enum leg)get_enum(b, LEG_SILENT + 1);
	s->plain_why = blob_str(b, READING_STRING_MAX);
	s->tls_why = blob_str(b, READING_STRING_MAX);
	s->protocol = blob_str(b, READING_STRING_MAX);
	s->cipher = blob_str(b, READING_STRING_MAX);
	c->subject = blob_str(b, READING_STRING_MAX);
	c->issuer = blob_str(b, READING_STRING_MAX);
	n = get_count(b, READING_NAMES_MAX, 8);
	for (i = 0; i < n && !b->bad; i++) {
		c->names[i] = get_given(b, READING_STRING_MAX);
		c->nnames = i + 1;
	}
	c->not_before_s = blob_int(b, INT64_MIN, INT64_MAX);
	c->not_after_s = blob_int(b, INT64_MIN, INT64_MAX);
	c->key = blob_str(b, READING_STRING_MAX);
	c->signature = blob_str(b, READING_STRING_MAX);
	c->weak = blob_str(b, READING_STRING_MAX);
	c->sent = get_u32(b);
	c->ends_s = blob_int(b, INT64_MIN, INT64_MAX);
	c->ends_who = blob_str(b, READING_STRING_MAX);
	blob_fixed(b, c->sha256, sizeof(c->sha256));
	if (c->sha256[strspn(c->sha256, "0123456789abcdef")] != '\0')
		b->bad = true;
	c->self_signed = blob_bool(b);
	s->chain = (enum verified)get_enum(b, VERIFIED_BAD + 1);
	s->chain_why = blob_str(b, READING_STRING_MAX);
	s->ca = get_index(b, NONE);
	s->nnames = get_count(b, READING_NAMES_MAX, 8);
	for (i = 0; i < s->nnames; i++)
		s->name[i] = (enum verified)get_enum(b, VERIFIED_BAD + 1);
	s->client_cert_asked = blob_bool(b);
	s->bare = (enum leg)get_enum(b, LEG_SILENT + 1);
	s->bare_why = blob_str(b, READING_STRING_MAX);
	s->turned_away = blob_bool(b);
}

static void
get_login_count(struct blob_reader *b, struct login_count *c)
{
	c->link = get_index(b, NONE);
	c->tls = get_u32(b);
	c->plain = get_u32(b);
	c->refused = get_u32(b);
	c->tls_first_ms = blob_int(b, 0, INT64_MAX);
	c->tls_ms = blob_int(b, 0, INT64_MAX);
	c->plain_first_ms = blob_int(b, 0, INT64_MAX);
	c->plain_ms = blob_int(b, 0, INT64_MAX);
	c->refused_ms = blob_int(b, 0, INT64_MAX);
	c->still = get_u32(b);
	c->still_ms = blob_int(b, 0, INT64_MAX);
}

static void
get_logins(struct blob_reader *b, struct logins *l)
{
	struct login_seen *s;
	size_t i, n;

	l->seen = (enum logins_seen)get_enum(b, LOGINS_SINCE + 1);
	if (l->seen == LOGINS_NONE)
		return;
	l->from_ms = blob_int(b, 0, INT64_MAX);
	l->why = blob_str(b, READING_STRING_MAX);
	if (l->seen == LOGINS_BLIND && l->why == NULL)
		b->bad = true;
	n = get_count(b, READING_LOGINS_MAX, 88);
	if (n > 0)
		l->links = mem_array(n, sizeof(*l->links));
	for (i = 0; i < n; i++) {
		get_login_count(b, &l->links[i]);
		if (l->links[i].link == NONE)
			b->bad = true;
	}
	l->nlinks = n;
	get_login_count(b, &l->undeclared);
	n = get_count(b, READING_WHO_MAX, 88);
	if (n > 0)
		l->who = mem_array(n, sizeof(*l->who));
	l->nwho = n;
	for (i = 0; i < n && !b->bad; i++) {
		s = &l->who[i];
		s->link = get_index(b, NONE);
		s->tls = blob_bool(b);
		s->refused = blob_bool(b);
		s->still = blob_bool(b);
		s->address = blob_str(b, READING_SHORT_MAX);
		s->user = blob_str(b, READING_SHORT_MAX);
		s->database = blob_str(b, READING_SHORT_MAX);
		s->application = blob_str(b, READING_SHORT_MAX);
		s->count = get_u32(b);
		s->first_ms = blob_int(b, 0, INT64_MAX);
		s->last_ms = blob_int(b, 0, INT64_MAX);
	}
}

static void
get_complaints(struct blob_reader *b, struct census *c)
{
	size_t i, n = get_count(b, READING_COMPLAINTS_MAX, 48);

	if (n > 0)
		c->complaints = mem_array(n, sizeof(*c->complaints));
	c->ncomplaints = n;
	c->log_unread = blob_bool(b);
	for (i = 0; i < n && !b->bad; i++) {
		c->complaints[i].load = blob_bool(b);
		c->complaints[i].leg = blob_bool(b);
		c->complaints[i].count = get_u32(b);
		c->complaints[i].first_ms = blob_int(b, 0, INT64_MAX);
		c->complaints[i].last_ms = blob_int(b, 0, INT64_MAX);
		c->complaints[i].text = get_given(b, READING_SHORT_MAX);
	}
}

static void
get_census(struct blob_reader *b, struct census *c)
{
	struct straggler *s;
	size_t i, n;

	n = get_count(b, READING_LINKS_MAX, 24);
	if (n > 0)
		c->links = mem_array(n, sizeof(*c->links));
	for (i = 0; i < n; i++) {
		c->links[i].link = get_index(b, 0);
		c->links[i].tls = get_u32(b);
		c->links[i].plain = get_u32(b);
	}
	c->nlinks = n;
	c->undeclared_tls = get_u32(b);
	c->undeclared_plain = get_u32(b);
	c->total = get_u32(b);
	n = get_count(b, READING_STRAGGLERS_MAX, 64);
	if (n > 0)
		c->stragglers = mem_array(n, sizeof(*c->stragglers));
	c->nstragglers = n;
	for (i = 0; i < n && !b->bad; i++) {
		s = &c->stragglers[i];
		s->link = get_index(b, NONE);
		s->tls = blob_bool(b);
		s->address = blob_str(b, READING_SHORT_MAX);
		s->user = blob_str(b, READING_SHORT_MAX);
		s->database = blob_str(b, READING_SHORT_MAX);
		s->application = blob_str(b, READING_SHORT_MAX);
		s->port = (int)blob_int(b, 0, 65535);
		s->age_s = blob_int(b, -1, INT64_MAX);
	}
	c->upstream_seen = blob_bool(b);
	c->upstream_tls = get_u32(b);
	c->upstream_plain = get_u32(b);
	c->connections_total = blob_int(b, -1, INT64_MAX);
	c->unaccounted = blob_int(b, -1, INT64_MAX);
	c->unaccounted_from_ms = blob_int(b, 0, INT64_MAX);
	c->own_tls = (int)blob_int(b, -1, 1);
	get_logins(b, &c->logins);
	get_complaints(b, c);
}

static void
get_settings(struct blob_reader *b, struct pairs *p)
{
	size_t i, n = get_count(b, READING_PAIRS_MAX, 16);

	if (n > 0)
		p->v = mem_array(n, sizeof(*p->v));
	p->n = n;
	for (i = 0; i < n && !b->bad; i++) {
		p->v[i].key = get_given(b, READING_STRING_MAX);
		p->v[i].value = get_given(b, READING_STRING_MAX);
	}
}

static void
get_sockets(struct blob_reader *b, struct reading *r)
{
	size_t i, n = get_count(b, READING_SOCKETS_MAX, 40);

	if (n > 0)
		r->sockets = mem_array(n, sizeof(*r->sockets));
	r->nsockets = n;
	for (i = 0; i < n && !b->bad; i++) {
		r->sockets[i].address = get_given(b, READING_SHORT_MAX);
		r->sockets[i].port = (int)blob_int(b, 0, 65535);
		r->sockets[i].to_port = (int)blob_int(b, 0, 65535);
		r->sockets[i].command = blob_str(b, READING_SHORT_MAX);
		r->sockets[i].pid = (long)blob_int(b, 0, INT32_MAX);
	}
	n = get_count(b, READING_STARTED_MAX, 24);
	if (n > 0)
		r->started = mem_array(n, sizeof(*r->started));
	r->nstarted = n;
	for (i = 0; i < n && !b->bad; i++) {
		r->started[i].link = get_index(b, 0);
		r->started[i].pid = (long)blob_int(b, 0, INT32_MAX);
		r->started[i].differs = blob_str(b, READING_SHORT_MAX);
	}
	r->clock_known = blob_bool(b);
	r->clock_ahead_s = blob_int(b, -INT32_MAX, INT32_MAX);
}

static void
get_facets(struct blob_reader *b, struct reading *r)
{
	size_t i, n = get_count(b, READING_FACETS_MAX, 40);

	if (n > 0)
		r->facets = mem_array(n, sizeof(*r->facets));
	r->nfacets = n;
	for (i = 0; i < n && !b->bad; i++) {
		r->facets[i].facet = get_enum(b, FACET_PRESENT + 1);
		r->facets[i].subject = get_index(b, 0);
		r->facets[i].value = (int)blob_int(b, CERT_UNKNOWN, TRUST_VALUE_MAX);
		r->facets[i].detail = blob_str(b, READING_SHORT_MAX);
		r->facets[i].odd = blob_bool(b);
	}
}

static void
get_strings_seen(struct blob_reader *b, struct reading *r)
{
	size_t i, n = get_count(b, READING_STRINGS_MAX, 32);

	if (n > 0)
		r->strings = mem_array(n, sizeof(*r->strings));
	r->nstrings = n;
	for (i = 0; i < n && !b->bad; i++) {
		r->strings[i].link = get_index(b, 0);
		r->strings[i].line = (int)blob_int(b, 0, INT32_MAX);
		r->strings[i].warning = blob_bool(b);
		r->strings[i].file = get_given(b, READING_SHORT_MAX);
		r->strings[i].variable = get_given(b, READING_SHORT_MAX);
		r->strings[i].name = get_given(b, READING_SHORT_MAX);
		r->strings[i].text = get_given(b, READING_SHORT_MAX);
	}
}

static void
get_sha(struct blob_reader *b, char ret[65])
{
	blob_fixed(b, ret, 65);
	if (ret[strspn(ret, "0123456789abcdef")] != '\0')
		b->bad = true;
}

static void
get_disk(struct blob_reader *b, struct disk *d)
{
	get_sha(b, d->served_sha256);
	d->cert_file = blob_str(b, READING_STRING_MAX);
	d->key_file = blob_str(b, READING_STRING_MAX);
	get_sha(b, d->sha256);
	d->cert_why = blob_str(b, READING_STRING_MAX);
	d->not_after_s = blob_int(b, INT64_MIN, INT64_MAX);
	d->pair = (enum verified)get_enum(b, VERIFIED_BAD + 1);
	d->key_why = blob_str(b, READING_STRING_MAX);
	d->key_seen = blob_bool(b);
	d->key_mode = (uint32_t)blob_int(b, 0, 07777);
	d->key_uid = blob_int(b, 0, UINT32_MAX);
	/* What is said of files names them. */
	if ((d->sha256[0] != '\0' || d->pair != VERIFIED_NOT_TRIED || d->key_seen) && (d->cert_file == NULL || d->key_file == NULL))
		b->bad = true;
}

static void
get_depth(struct blob_reader *b, struct depth *d)
{
	size_t i, n;

	for (i = 0; i < DEPTH_VERSIONS; i++)
		d->versions[i] = (enum tried)get_enum(b, TRIED_REFUSES + 1);
	n = get_count(b, DEPTH_CIPHERS_MAX, 8);
	for (i = 0; i < n && !b->bad; i++) {
		d->ciphers[i] = get_given(b, READING_SHORT_MAX);
		d->nciphers = i + 1;
	}
	d->more_ciphers = blob_bool(b);
	d->weak = blob_str(b, READING_SHORT_MAX);
	get_sha(b, d->sha256);
}

static void
get_hba_seen(struct blob_reader *b, struct reading *r)
{
	size_t i, n = get_count(b, READING_HBA_MAX, 16);

	if (n > 0)
		r->hba = mem_array(n, sizeof(*r->hba));
	r->nhba = n;
	for (i = 0; i < n && !b->bad; i++) {
		r->hba[i].endpoint = get_index(b, 0);
		r->hba[i].file = get_given(b, READING_SHORT_MAX);
		r->hba[i].text = blob_str(b, READING_HBA_TEXT_MAX);
		r->hba[i].why = blob_str(b, READING_STRING_MAX);
	}
}

static void
get_text(struct blob_reader *b, char *ret, size_t size_bytes)
{
	char *text = blob_str(b, size_bytes - 1);

	(void)snprintf(ret, size_bytes, "%s", text == NULL ? "" : text);
	free(text);
}

static void
get_rehearsed(struct blob_reader *b, struct rehearsed *r)
{
	r->verdict = (enum verdict)get_enum(b, VERDICT_NAME + 1);
	r->dial = (enum dial)get_enum(b, DIAL_UNKNOWN + 1);
	get_text(b, r->name, sizeof(r->name));
	r->port = (int)blob_int(b, 0, 65535);
	r->phase = (enum rehearsal_phase)get_enum(b, REHEARSAL_THROUGH + 1);
	get_text(b, r->why, sizeof(r->why));
	get_text(b, r->remark, sizeof(r->remark));
	get_text(b, r->protocol, sizeof(r->protocol));
	get_text(b, r->cipher, sizeof(r->cipher));
	r->asked = blob_bool(b);
	get_text(b, r->shown, sizeof(r->shown));
	r->connections = (int)blob_int(b, 0, 16);
	r->reach_us = blob_int(b, -1, INT64_MAX);
	r->secure_us = blob_int(b, -1, INT64_MAX);
	r->login_us = blob_int(b, -1, INT64_MAX);
	r->took_us = blob_int(b, 0, INT64_MAX);
	r->at_ms = blob_int(b, 0, INT64_MAX);
	r->ran = blob_bool(b);
	get_text(b, r->says, sizeof(r->says));
}

int
reading_decode(struct reading *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader b;
	struct reading r;

	memset(&r, 0, sizeof(r));
	if (len_bytes > READING_BLOB_MAX)
		return err_set(err, "a reading of %zu bytes, larger than any can be", len_bytes);
	blob_read(&b, p, len_bytes);
	if (blob_int(&b, INT64_MIN, INT64_MAX) != READING_MAGIC)
		return err_set(err, "not a reading of this version");
	r.kind = (enum reading_kind)get_enum(&b, READING_COUNT);
	r.subject = (int)blob_int(&b, 0, INT32_MAX);
	r.at_ms = blob_int(&b, 0, INT64_MAX);
	r.took_ms = blob_int(&b, 0, TOOK_MAX_MS);
	r.outcome = (enum outcome)get_enum(&b, SAW_NOT + 1);
	r.why = blob_str(&b, READING_STRING_MAX);
	r.over = blob_str(&b, READING_STRING_MAX);
	if (!b.bad) {
		switch (r.kind) {
		case READING_SERVED:
			get_served(&b, &r.served);
			break;
		case READING_CENSUS:
			get_census(&b, &r.census);
			break;
		case READING_SETTINGS:
			get_settings(&b, &r.settings);
			break;
		case READING_HOST:
			get_facets(&b, &r);
			get_strings_seen(&b, &r);
			get_hba_seen(&b, &r);
			get_sockets(&b, &r);
			break;
		case READING_DISK:
			get_disk(&b, &r.disk);
			break;
		case READING_DEPTH:
			get_depth(&b, &r.depth);
			break;
		case READING_CHECK:
			r.check_passed = blob_bool(&b);
			break;
		case READING_REHEARSAL:
			get_rehearsed(&b, &r.rehearsed);
			break;
		}
	}
	/* Anything but a plain success has to say why. */
	if (r.outcome != SAW && r.why == NULL)
		b.bad = true;
	if (!blob_done(&b)) {
		reading_release(&r);
		return err_set(err, "a malformed reading");
	}
	*ret = r;
	return 0;
}
