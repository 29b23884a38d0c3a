/*
 * depth: see depth.h.
 */
#include "core/depth.h"

#include <string.h>

#include "core/certs.h"
#include "core/mem.h"
#include "core/reader.h"

/* A look at files that is older than this is no reason to say anything; they are looked at each minute. */
#define DISK_OLD_MS	(INT64_C(10) * 60 * 1000)

const char *
depth_version_word(int version)
{
	static const char *const words[DEPTH_VERSIONS] = { "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" };

	return words[version];
}

/* How long before its end the fleet wants to hear of the certificate that serves the endpoint. */
static int64_t
warn_s(const struct fleet *f, int endpoint)
{
	size_t i;

	for (i = 0; i < f->ncerts; i++)
		if (indices_has(&f->certs[i].serves, endpoint) && f->certs[i].warn_ms > 0)
			return f->certs[i].warn_ms / 1000;
	return EXPIRY_SOON_S;
}

static void
of_served(struct strings *ret, const struct fleet *f, const struct board *b, int endpoint, const struct served *s, int64_t now_s)
{
	const struct certificate *c = &s->cert;
	int64_t ends_s;
	enum expiry e;

	if (s->protocol == NULL)
		return;
	e = certs_expiry(c, now_s, warn_s(f, endpoint), &ends_s);
	if (e != EXPIRY_FAR && e != EXPIRY_PAST && e != EXPIRY_NOT_YET)
		strings_push(ret, mem_printf("%s ends in %lld day%s: %s", ends_s == c->not_after_s || c->ends_who == NULL ?
		    "the certificate" : c->ends_who, (long long)expiry_days(ends_s, now_s),
		    expiry_days(ends_s, now_s) == 1 ? "" : "s", expiry_word(e)));
	if (board_revocation(b, c->sha256) != NULL)
		strings_push(ret, mem_printf("its certificate was %s, and is served still", board_revocation(b, c->sha256)));
	if (s->client_cert_asked && s->bare == LEG_OPEN && !s->turned_away)
		strings_push(ret, mem_strdup("it asks for a client certificate: a client that holds a stray one of another CA is refused"));
}

static void
of_disk(struct strings *ret, const struct disk *d, const struct reading *served, int64_t at_ms)
{
	bool differs = d->sha256[0] != '\0' && d->served_sha256[0] != '\0' && strcmp(d->sha256, d->served_sha256) != 0;
	const char *then = d->served_sha256[0] != '\0' ? "it would not start again with them" : "it cannot load them";

	/* What is served was seen to be what lies there, after that. */
	if (differs && served != NULL && served->at_ms > at_ms && strcmp(served->served.cert.sha256, d->sha256) == 0)
		differs = false;
	if (d->pair == VERIFIED_BAD)
		strings_push(ret, mem_printf("'%s' and '%s' do not belong together: %s",
		    d->cert_file, d->key_file, then));
	if (differs)
		strings_push(ret, mem_printf("a reload was forgotten: '%s' on its host holds another certificate (%.8s) than the one that is served (%.8s)",
		    d->cert_file, d->sha256, d->served_sha256));
	if (d->not_after_s != 0 && d->not_after_s <= at_ms / 1000 && d->sha256[0] != '\0')
		strings_push(ret, mem_printf("the certificate in '%s' has expired", d->cert_file));
	if (d->key_seen && (d->key_mode & 07u) != 0)
		strings_push(ret, mem_printf("anybody on its host can %s the key '%s' (mode %04o)",
		    (d->key_mode & 04u) != 0 ? "read" : "change", d->key_file, d->key_mode));
}

static void
of_depth(struct strings *ret, const struct depth *d)
{
	int v;

	for (v = 0; v < 2; v++)
		if (d->versions[v] == TRIED_TAKES)
			strings_push(ret, mem_printf("it takes %s, which nobody should use any more", depth_version_word(v)));
	if (d->weak != NULL)
		strings_push(ret, mem_printf("it takes %s, which protects nothing any more", d->weak));
}

void
depth_disk_findings(struct strings *ret, const struct board *b, int endpoint, int64_t now_ms)
{
	const struct reading *disk = board_reading(b, READING_DISK, endpoint);

	if (disk != NULL && now_ms - disk->at_ms <= DISK_OLD_MS)
		of_disk(ret, &disk->disk, board_reading(b, READING_SERVED, endpoint), disk->at_ms);
}

void
depth_findings(struct strings *ret, const struct fleet *f, const struct board *b, int endpoint, int64_t now_ms)
{
	const struct reading *served = board_reading(b, READING_SERVED, endpoint);
	const struct reading *depth = board_reading(b, READING_DEPTH, endpoint);

	depth_disk_findings(ret, b, endpoint, now_ms);
	if (served != NULL)
		of_served(ret, f, b, endpoint, &served->served, now_ms / 1000);
	/* Of the same certificate: what was replaced may have come with other settings. */
	if (depth != NULL && (served == NULL || strcmp(served->served.cert.sha256, depth->depth.sha256) == 0))
		of_depth(ret, &depth->depth);
}
