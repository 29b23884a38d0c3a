/*
 * certs: see certs.h.
 *
 * A date is judged by expiry.c and by nothing else.  What was not seen is
 * wrong, and never fine; an endpoint that does not speak TLS has no certificate to
 * speak of, and that is no fault.
 */
#include "core/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/depth.h"
#include "core/reader.h"

static void
issued_release(struct issued *i)
{
	free(i->subject);
	free(i->issuer);
	free(i->names);
}

void
cert_files_release(struct cert_files *f)
{
	revoked_list_release(&f->revoked);
	free(f->crl);
	free(f->crl_why);
	issued_release(&f->leaf);
	issued_release(&f->ca);
	free(f->why);
	free(f->lies);
	memset(f, 0, sizeof(*f));
}

const char *
cert_match_word(enum cert_match m)
{
	static const char *const words[] = {
		[MATCH_UNKNOWN] = "unknown", [MATCH_SAME] = "same", [MATCH_OTHER] = "other",
	};

	return words[m];
}

static enum expiry
worse(enum expiry a, enum expiry b)
{
	return a > b ? a : b;
}

/*
 * The certificate of the fleet that is meant to be presented there. Of several the one
 * that was issued and is presented, else the one by whose CA it verifies, else the first.
 */
static int
cert_of(const struct fleet *f, const struct cert_files *const *files, int endpoint, const struct served *s,
    const struct certificate *c)
{
	int first = NONE;
	size_t i;

	for (i = 0; i < f->ncerts; i++) {
		if (!indices_has(&f->certs[i].serves, endpoint))
			continue;
		if (first == NONE)
			first = (int)i;
		if (c != NULL && files != NULL && files[i] != NULL && files[i]->leaf.sha256[0] != '\0' &&
		    strcmp(files[i]->leaf.sha256, c->sha256) == 0)
			return (int)i;
	}
	return c != NULL && s->chain == VERIFIED_OK && s->ca != NONE ? s->ca : first;
}

static void
find(struct cert_row *row, const char *fmt, const char *what)
{
	size_t at = strlen(row->why);

	row->wrong = true;
	if (at > 0 && at + 2 < sizeof(row->why)) {
		memcpy(row->why + at, "; ", 3);
		at += 2;
	}
	/* Both are ours: a format with one string, or none. */
	(void)snprintf(row->why + at, sizeof(row->why) - at, "%s%s", fmt, what == NULL ? "" : what);
}

enum expiry
certs_expiry(const struct certificate *c, int64_t now_s, int64_t warn_s, int64_t *ret_ends_s)
{
	enum expiry own = expiry_of(c->not_before_s, c->not_after_s, now_s, warn_s);

	*ret_ends_s = c->not_after_s;
	if (c->ends_s == 0 || c->ends_s >= c->not_after_s)
		return own;
	/* Of another one it rests on only the end is known, so that no warning is put off. */
	*ret_ends_s = c->ends_s;
	return worse(own, expiry_of(INT64_MIN, c->ends_s, now_s, warn_s));
}

static void
judge(struct cert_row *row, const struct fleet *f, const struct board *b, const struct cert_files *const *files, const struct served *s,
    int64_t now_s)
{
	const char *names[READING_NAMES_MAX];
	const struct certificate *c = row->c;
	const struct cert *cert = row->cert == NONE ? NULL : &f->certs[row->cert];
	const struct cert_files *mine = row->cert == NONE || files == NULL ? NULL : files[row->cert];
	int64_t warn_s = cert == NULL ? 0 : cert->warn_ms / 1000;
	size_t i, n = served_names(f, row->endpoint, names);

	row->expiry = certs_expiry(c, now_s, warn_s, &row->ends_s);
	row->days = expiry_days(row->ends_s, now_s);
	if ((row->revoked = board_revocation(b, c->sha256)) != NULL)
		find(row, "its certificate is no good any more, and is served still: ", row->revoked);
	if (s->chain == VERIFIED_BAD)
		find(row, "a client that trusts its CA refuses it: ", s->chain_why == NULL ? "not verified" : s->chain_why);
	else if (s->chain == VERIFIED_NOT_TRIED)
		find(row, "not verified: ", s->chain_why == NULL ? "no CA is known for it" : s->chain_why);
	for (i = 0; i < n && i < s->nnames; i++)
		if (s->name[i] == VERIFIED_BAD)
			find(row, "it is not for ", names[i]);
	if (c->weak != NULL)
		find(row, "weak: ", c->weak);
	if (mine != NULL && mine->leaf.sha256[0] != '\0') {
		row->match = strcmp(mine->leaf.sha256, c->sha256) == 0 ? MATCH_SAME : MATCH_OTHER;
		if (row->match == MATCH_OTHER)
			find(row, "it presents another one than was issued last: that is not installed, or was not taken over", NULL);
	}
}

void
certs_row(struct cert_row *ret, const struct fleet *f, const struct board *b, const struct cert_files *const *files,
    int endpoint, int64_t now_ms, int64_t stale_ms)
{
	const struct reading *r = board_reading(b, READING_SERVED, endpoint);
	const struct reading *bad = board_failure(b, READING_SERVED, endpoint);
	const struct endpoint *e = &f->endpoints[endpoint];
	const struct served *s = r == NULL ? NULL : &r->served;
	struct strings found = { NULL, 0 };
	size_t i;

	memset(ret, 0, sizeof(*ret));
	ret->endpoint = endpoint;
	/* Presented, also where the server refused behind the handshake. */
	if (s != NULL && s->protocol != NULL && s->cert.sha256[0] != '\0')
		ret->c = &s->cert;
	ret->cert = cert_of(f, files, endpoint, s, ret->c);
	if (e->cannot_see[SOURCE_SERVED] != NULL)
		find(ret, "declared as not to be seen: ", e->cannot_see[SOURCE_SERVED]);
	else if (r == NULL)
		find(ret, "not seen: ", bad != NULL && bad->why != NULL ? bad->why : "nobody has looked");
	else if (now_ms - r->at_ms > stale_ms)
		find(ret, "seen too long ago", NULL);
	if (ret->c != NULL) {
		ret->tls = true;
		judge(ret, f, b, files, s, now_ms / 1000);
		depth_disk_findings(&found, b, endpoint, now_ms);
		for (i = 0; i < found.n; i++)
			find(ret, found.v[i], NULL);
		strings_release(&found);
	} else if (s != NULL && s->tls != LEG_REFUSED && s->tls != LEG_CLOSED) {
		/* Neither a handshake nor a refusal of one. */
		ret->tls = s->tls == LEG_OPEN;
		find(ret, "no certificate was seen: ", s->tls_why == NULL ? "nothing conclusive" : s->tls_why);
	}
}

bool
certs_ca(const struct cert_files *f, int64_t now_s, enum expiry *ret, int64_t *ret_days)
{
	if (f == NULL || f->ca.sha256[0] == '\0')
		return false;
	*ret = expiry_of(f->ca.not_before_s, f->ca.not_after_s, now_s, 0);
	*ret_days = expiry_days(f->ca.not_after_s, now_s);
	return true;
}

enum trust_basis
certs_trust(const struct fleet *f, const struct posture *seen, int link, int cert)
{
	const struct link *l = &f->links[link];

	/* What was read counts, also where the fleet meant another: of one line it may be either. */
	if (seen != NULL && seen->trust[link] >= 0)
		return trust_holds(f, seen->trust[link], cert) ? TRUST_SEEN : TRUST_NOT;
	return l->trust_cert != NONE && cert_authority(f, l->trust_cert) == cert_authority(f, cert) ? TRUST_DECLARED : TRUST_NOT;
}

enum revoked_taken
certs_taken(const struct fleet *f, const struct posture *seen, int link, int cert)
{
	enum dial dial = seen == NULL ? DIAL_UNKNOWN : seen->dial[link];

	if (certs_trust(f, seen, link, cert) != TRUST_NOT)
		return TAKEN_BY_TRUST;
	return indices_has(&f->certs[cert].serves, f->links[link].endpoint) && dial != DIAL_UNKNOWN &&
	    dial != DIAL_DISABLE && dial < DIAL_VERIFY_CA ? TAKEN_UNVERIFIED : TAKEN_NOT;
}

bool
certs_shows(const struct fleet *f, const struct board *b, int link, int cert)
{
	int seen = board_present(b, link);

	return f->links[link].presents.cert == cert && (seen == cert || seen == CERT_UNKNOWN);
}

bool
certs_client(const struct fleet *f, const struct board *b, const struct cert_files *files, int cert, int64_t now_s,
    enum expiry *ret_expiry, int64_t *ret_days)
{
	const struct cert *c = &f->certs[cert];
	bool shown = false;
	size_t i;

	if (!c->client || files == NULL || files->leaf.sha256[0] == '\0')
		return false;
	for (i = 0; i < f->nendpoints; i++)
		shown = shown || f->endpoints[i].probe_cert == cert;
	for (i = 0; i < f->nlinks; i++)
		shown = shown || certs_shows(f, b, (int)i, cert);
	*ret_expiry = expiry_of(files->leaf.not_before_s, files->leaf.not_after_s, now_s, c->warn_ms / 1000);
	*ret_days = expiry_days(files->leaf.not_after_s, now_s);
	return shown;
}

void
certs_worst(struct certs_worst *ret, const struct fleet *f, const struct board *b, const struct cert_files *const *files,
    int64_t now_ms, int64_t stale_ms)
{
	struct cert_row row;
	enum expiry e;
	int64_t days;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < f->nendpoints; i++) {
		certs_row(&row, f, b, files, (int)i, now_ms, stale_ms);
		if (row.c != NULL)
			ret->expiry = worse(ret->expiry, row.expiry);
		ret->wrong = ret->wrong || row.wrong;
		ret->revoked = ret->revoked || row.revoked != NULL;
	}
	for (i = 0; files != NULL && i < f->ncerts; i++) {
		if (certs_ca(files[i], now_ms / 1000, &e, &days))
			ret->expiry = worse(ret->expiry, e);
		if (certs_client(f, b, files[i], (int)i, now_ms / 1000, &e, &days))
			ret->expiry = worse(ret->expiry, e);
		if (files[i] != NULL && (files[i]->why != NULL || files[i]->lies != NULL || files[i]->crl_why != NULL))
			ret->wrong = true;
	}
}
