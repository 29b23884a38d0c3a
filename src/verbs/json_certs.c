/*
 * json_certs: certificates, as presented and as issued, and who trusts them.
 */
#include "verbs/json.h"
#include "verbs/json_int.h"

static json_t *
issued_object(const struct issued *i, int64_t now_ms)
{
	json_t *o;

	if (i->sha256[0] == '\0')
		return json_null();
	o = json_object();
	doc_put(o, "subject", doc_words(i->subject));
	doc_put(o, "issuer", doc_words(i->issuer));
	doc_put(o, "names", doc_words(i->names));
	doc_put(o, "not_before_s", json_integer((json_int_t)i->not_before_s));
	doc_put(o, "not_after_s", json_integer((json_int_t)i->not_after_s));
	doc_put(o, "days_left", json_integer((json_int_t)expiry_days(i->not_after_s, now_ms / 1000)));
	doc_put(o, "sha256", doc_words(i->sha256));
	return o;
}

static json_t *
trusted_by(const struct fleet *f, const struct posture *seen, int cert)
{
	json_t *a = json_array(), *o;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		enum trust_basis t = certs_trust(f, seen, (int)i, cert);

		if (t == TRUST_NOT)
			continue;
		o = json_object();
		doc_put(o, "link", doc_words(f->links[i].name));
		doc_put(o, "seen", json_boolean(t == TRUST_SEEN));
		doc_add(a, o);
	}
	return a;
}

static json_t *
revoked_array(const struct fleet *f, const struct posture *seen, int cert, const struct revoked_list *list)
{
	json_t *a = json_array(), *o, *taken;
	size_t i, k;

	for (i = 0; i < list->n; i++) {
		const struct revoked *x = &list->v[i];

		o = json_object();
		doc_put(o, "certificate", doc_words(x->name));
		doc_put(o, "serial", doc_words(x->serial));
		doc_put(o, "sha256", doc_words(x->sha256));
		doc_put(o, "not_after_s", json_integer((json_int_t)x->not_after_s));
		doc_put(o, "at_s", json_integer((json_int_t)x->at_s));
		doc_put(o, "by", doc_words(x->by));
		doc_put(o, "reason", doc_words(x->reason));
		taken = json_array();
		for (k = 0; k < f->nlinks; k++)
			if (certs_taken(f, seen, (int)k, cert) != TAKEN_NOT)
				doc_add(taken, doc_words(f->links[k].name));
		doc_put(o, "taken_by", taken);
		doc_add(a, o);
	}
	return a;
}

/* The links that show it, and belay itself. */
static json_t *
shown_by(const struct engine *e, int cert)
{
	const struct fleet *f = engine_fleet(e);
	json_t *a = json_array();
	size_t i;
	bool own = false;

	for (i = 0; i < f->nlinks; i++)
		if (certs_shows(f, engine_board(e), (int)i, cert))
			doc_add(a, doc_words(f->links[i].name));
	for (i = 0; i < f->nendpoints; i++)
		own = own || f->endpoints[i].probe_cert == cert;
	if (own)
		doc_add(a, doc_words("belay"));
	return a;
}

void
json_certs(const struct engine *e, const struct cert_files *const *files, const struct certs_worst *worst)
{
	static const char *const issuers[] = {
		[ISSUER_OWN] = "own", [ISSUER_IMPORTED] = "imported", [ISSUER_GIVEN] = "given", [ISSUER_COMMAND] = "command",
	};
	const struct fleet *f = engine_fleet(e);
	json_t *doc = json_object(), *endpoints = json_array(), *certs = json_array(), *o;
	int64_t now_ms = engine_now_ms(e);
	struct posture seen;
	struct cert_row row;
	size_t i;

	board_posture(engine_board(e), &seen);
	for (i = 0; i < f->nendpoints; i++) {
		certs_row(&row, f, engine_board(e), files, (int)i, now_ms, engine_stale_ms(e, READING_SERVED));
		o = json_object();
		doc_put(o, "endpoint", doc_words(f->endpoints[i].name));
		doc_put(o, "certificate", doc_words(row.cert == NONE ? NULL : f->certs[row.cert].name));
		doc_put(o, "tls", row.c != NULL || !row.wrong ? json_boolean(row.tls) : json_null());
		doc_put(o, "days_left", row.c == NULL ? json_null() : json_integer((json_int_t)row.days));
		doc_put(o, "ends_s", row.c == NULL ? json_null() : json_integer((json_int_t)row.ends_s));
		doc_put(o, "state", row.c == NULL ? json_null() : json_string(expiry_word(row.expiry)));
		doc_put(o, "issued_last", row.match == MATCH_UNKNOWN ? json_null() : json_boolean(row.match == MATCH_SAME));
		doc_put(o, "presented", row.c == NULL ? json_null() : doc_certificate(row.c, now_ms));
		doc_put(o, "revoked", row.c == NULL ? json_null() : json_boolean(row.revoked != NULL));
		doc_put(o, "why", row.why[0] == '\0' ? json_null() : doc_words(row.why));
		doc_add(endpoints, o);
	}
	for (i = 0; i < f->ncerts; i++) {
		static const struct cert_files none;
		const struct cert_files *x = files[i] == NULL ? &none : files[i];

		o = json_object();
		doc_put(o, "name", doc_words(f->certs[i].name));
		doc_put(o, "issuer", json_string(f->certs[i].external ? "external" : issuers[f->certs[i].issuer]));
		doc_put(o, "ca", issued_object(&x->ca, now_ms));
		doc_put(o, "issued", issued_object(&x->leaf, now_ms));
		doc_put(o, "why", doc_words(x->why));
		doc_put(o, "key_warning", doc_words(x->lies));
		doc_put(o, "revoked", revoked_array(f, &seen, (int)i, &x->revoked));
		doc_put(o, "revoked_list", doc_words(x->crl));
		doc_put(o, "revoked_warning", doc_words(x->crl_why));
		doc_put(o, "trusted_by", trusted_by(f, &seen, (int)i));
		doc_put(o, "shown_by", shown_by(e, (int)i));
		doc_add(certs, o);
	}
	posture_release(&seen);
	doc_put(doc, "belay", json_string("certs/1"));
	doc_put(doc, "at_ms", json_integer((json_int_t)now_ms));
	doc_put(doc, "state", json_string(expiry_word(worst->expiry)));
	doc_put(doc, "wrong", json_boolean(worst->wrong));
	doc_put(doc, "revoked", json_boolean(worst->revoked));
	doc_put(doc, "endpoints", endpoints);
	doc_put(doc, "certificates", certs);
	doc_print(doc);
}
