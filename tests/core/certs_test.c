/*
 * certs: what is said of each certificate, and how bad the worst of it is.
 * What was not seen is never fine.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/certs.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/mem.h"
#include "core/posture.h"

#define DAY EXPIRY_DAY_S
#define NOW_MS INT64_C(1800000000000)
#define NOW (NOW_MS / 1000)
#define STALE_MS 90000

static const char text[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db }, web: { ssh: web } }\n"
    "units: { u: { host: db, run: x }, w: { host: web, run: x } }\n"
    "endpoints:\n"
    "  pg: { kind: postgres, unit: u, listen: { both: 5432 }, names: [db.internal, 10.0.0.5] }\n"
    "  old: { kind: redis, unit: u, listen: { plain: 6379, tls: 6380 }, names: [db.internal] }\n"
    "certs:\n"
    "  internal: { serves: [pg, old], dir: /tls, warn: 20d }\n"
    "  next: { serves: [pg], ca-dir: /next }\n"
    "clients:\n"
    "  web: { unit: w, links: { pg: { match: { host: web }, dial: fixed, trust: { ca: internal, file: /ca } } } }\n";

struct world {
	struct fleet *f;
	struct board *b;
	struct cert_files files[2];
	const struct cert_files *all[2];
};

static int
setup(void **state)
{
	struct world *w = mem_alloc(sizeof(*w));
	struct err err = { "" };

	if (fleet_parse(&w->f, "f", text, sizeof(text) - 1, &err) != 0)
		fail_msg("%s", err.msg);
	w->b = board_new(w->f);
	w->all[0] = &w->files[0];
	w->all[1] = &w->files[1];
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	cert_files_release(&w->files[0]);
	cert_files_release(&w->files[1]);
	board_free(w->b);
	fleet_free(w->f);
	free(w);
	return 0;
}

/* A handshake with a certificate of a life of 90 days. */
static struct reading
seen(int endpoint, int64_t left_s)
{
	struct reading r = { .kind = READING_SERVED, .subject = endpoint, .at_ms = NOW_MS - 1000, .outcome = SAW };

	r.served.tls = LEG_OPEN;
	r.served.plain = LEG_OPEN;
	r.served.protocol = mem_strdup("TLSv1.3");
	r.served.cipher = mem_strdup("x");
	r.served.chain = VERIFIED_OK;
	r.served.cert.subject = mem_strdup("CN=db");
	r.served.cert.issuer = mem_strdup("CN=ca");
	r.served.cert.not_after_s = r.served.cert.ends_s = NOW + left_s;
	r.served.cert.not_before_s = r.served.cert.not_after_s - 90 * DAY;
	memset(r.served.cert.sha256, 'a', 64);
	r.served.nnames = endpoint == 0 ? 2 : 1;
	r.served.name[0] = r.served.name[1] = VERIFIED_OK;
	return r;
}

/* One that speaks plaintext only. */
static void
feed_plain(struct world *w, int endpoint)
{
	struct reading r = { .kind = READING_SERVED, .subject = endpoint, .at_ms = NOW_MS - 1000, .outcome = SAW };

	r.served.plain = LEG_OPEN;
	r.served.tls = LEG_CLOSED;
	board_feed(w->b, &r);
}

static struct cert_row
row(struct world *w, int endpoint)
{
	struct cert_row ret;

	certs_row(&ret, w->f, w->b, w->all, endpoint, NOW_MS, STALE_MS);
	return ret;
}

static struct certs_worst
worst(struct world *w)
{
	struct certs_worst ret;

	certs_worst(&ret, w->f, w->b, w->all, NOW_MS, STALE_MS);
	return ret;
}

/* A client's that ends turns its client away; one that nobody shows turns away nobody. */
static void
the_end_of_what_a_client_shows_counts(void **state)
{
	struct world *w = *state;
	struct fleet *f = (struct fleet *)w->f;
	struct cert_files files = { .leaf = { .not_before_s = NOW_MS / 1000 - 86 * 86400, .not_after_s = NOW_MS / 1000 + 4 * 86400 } };
	struct cert *c = &f->certs[0];
	const struct cert_files *all[16] = { &files };
	struct certs_worst ret;
	bool client = c->client;
	int own = f->endpoints[0].probe_cert;
	enum expiry e;
	int64_t days;

	assert_true(f->ncerts <= 16);
	(void)memset(files.leaf.sha256, 'a', 64);
	c->client = true;
	assert_false(certs_client(f, w->b, &files, 0, NOW_MS / 1000, &e, &days));
	f->endpoints[0].probe_cert = 0;
	assert_true(certs_client(f, w->b, &files, 0, NOW_MS / 1000, &e, &days));
	assert_int_equal(e, EXPIRY_URGENT);
	assert_int_equal(days, 4);
	certs_worst(&ret, f, w->b, all, NOW_MS, STALE_MS);
	assert_int_equal(ret.expiry, EXPIRY_URGENT);
	files.leaf.sha256[0] = '\0';
	assert_false(certs_client(f, w->b, &files, 0, NOW_MS / 1000, &e, &days));
	f->endpoints[0].probe_cert = own;
	c->client = client;
}

static void
says(const struct cert_row *r, const char *words)
{
	assert_true(r->wrong);
	if (strstr(r->why, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, r->why);
}

/* What leaked is no better for having days left: no row, no path and no check is good by it. */
static void
revoked_one_is_wrong_however_good_it_looks(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);
	struct revoked leaked = { .not_after_s = NOW + 60 * DAY, .at_s = NOW - DAY, .by = mem_strdup("ops@bastion"),
		.reason = mem_strdup("laptop stolen"), .name = mem_strdup("internal") };
	struct revoked_list list = { &leaked, 1 }, none = { NULL, 0 };
	struct check check = { .kind = CHECK_SERVED, .endpoint = 0, .link = NONE, .cert = NONE };
	struct check_result res;
	struct endpoint_view v;
	struct posture at;

	board_feed(w->b, &r);
	feed_plain(w, 1);
	memset(leaked.sha256, 'b', 64);
	board_revoked(w->b, 0, &list);
	assert_string_equal(row(w, 0).why, "");
	assert_false(worst(w).revoked);
	check_judge(&check, w->f, w->b, NULL, NOW_MS - 5000, &res);
	assert_int_equal(res.judgement, CHECK_PASS);
	memset(leaked.sha256, 'a', 64);
	board_revoked(w->b, 0, &list);
	assert_string_equal(row(w, 0).why, "its certificate is no good any more, and is served still: revoked by ops@bastion: laptop stolen");
	assert_true(worst(w).revoked);
	check_judge(&check, w->f, w->b, NULL, NOW_MS - 5000, &res);
	assert_int_equal(res.judgement, CHECK_FAIL);
	assert_string_equal(res.why, "'pg': its certificate was revoked by ops@bastion: laptop stolen");
	board_endpoint(w->b, 0, NOW_MS, STALE_MS, &v);
	assert_false(v.verified);
	assert_string_equal(v.unproven, "its certificate was: revoked by ops@bastion: laptop stolen");
	/* Whoever trusts the CA takes it; who verifies nothing would take any; nobody else. */
	assert_int_equal(certs_taken(w->f, NULL, 0, 0), TAKEN_BY_TRUST);
	assert_int_equal(certs_taken(w->f, NULL, 0, 1), TAKEN_NOT);
	posture_init(&at, w->f);
	at.dial[0] = DIAL_REQUIRE;
	assert_int_equal(certs_taken(w->f, &at, 0, 1), TAKEN_UNVERIFIED);
	at.dial[0] = DIAL_VERIFY_CA;
	assert_int_equal(certs_taken(w->f, &at, 0, 1), TAKEN_NOT);
	at.dial[0] = DIAL_DISABLE;
	assert_int_equal(certs_taken(w->f, &at, 0, 1), TAKEN_NOT);
	posture_release(&at);
	board_revoked(w->b, 0, &none);
	assert_string_equal(row(w, 0).why, "");
	free(leaked.by);
	free(leaked.reason);
	free(leaked.name);
}

static void
good_one_is_fine_and_plaintext_is_no_fault(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);

	board_feed(w->b, &r);
	feed_plain(w, 1);
	assert_int_equal(row(w, 0).expiry, EXPIRY_FAR);
	assert_int_equal(row(w, 0).days, 60);
	assert_string_equal(row(w, 0).why, "");
	assert_int_equal(row(w, 0).cert, 0);
	assert_int_equal(row(w, 0).match, MATCH_UNKNOWN);
	assert_null(row(w, 1).c);
	assert_false(row(w, 1).tls || row(w, 1).wrong);
	assert_int_equal(worst(w).expiry, EXPIRY_FAR);
	assert_false(worst(w).wrong);
}

static void
what_was_not_seen_is_never_fine(void **state)
{
	struct world *w = *state;
	struct reading bad = { .kind = READING_SERVED, .subject = 0, .at_ms = NOW_MS - STALE_MS - 9, .outcome = SAW_NOT };
	struct reading old = seen(0, 60 * DAY);
	struct cert_row x;

	x = row(w, 0);
	says(&x, "nobody has looked");
	assert_true(worst(w).wrong);
	bad.why = mem_strdup("host 'db': no route");
	board_feed(w->b, &bad);
	x = row(w, 0);
	says(&x, "no route");
	old.at_ms = NOW_MS - STALE_MS - 1;
	board_feed(w->b, &old);
	x = row(w, 0);
	says(&x, "seen too long ago");
}

static void
middle_warning_is_the_fleets(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 21 * DAY);

	board_feed(w->b, &r);
	feed_plain(w, 1);
	/* 90 days are the last third here, which begins with 30. */
	assert_int_equal(row(w, 0).expiry, EXPIRY_NOTICE);
	r = seen(0, 20 * DAY);
	r.at_ms++;
	board_feed(w->b, &r);
	assert_int_equal(row(w, 0).expiry, EXPIRY_SOON);
	r = seen(0, 5 * DAY);
	r.at_ms += 2;
	board_feed(w->b, &r);
	assert_int_equal(row(w, 0).expiry, EXPIRY_URGENT);
	assert_int_equal(worst(w).expiry, EXPIRY_URGENT);
	assert_false(worst(w).wrong);
}

static void
what_it_rests_on_may_end_first(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);

	r.served.cert.ends_s = NOW + 6 * DAY;
	r.served.cert.ends_who = mem_strdup("CN=ca");
	board_feed(w->b, &r);
	assert_int_equal(row(w, 0).expiry, EXPIRY_URGENT);
	assert_int_equal(row(w, 0).days, 6);
	assert_int_equal(row(w, 0).ends_s, NOW + 6 * DAY);
}

static void
what_a_client_would_stumble_over_is_told(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);
	struct cert_row x;

	r.served.chain = VERIFIED_BAD;
	r.served.chain_why = mem_strdup("unable to get local issuer certificate");
	r.served.name[1] = VERIFIED_BAD;
	r.served.cert.weak = mem_strdup("RSA 1024");
	board_feed(w->b, &r);
	x = row(w, 0);
	says(&x, "unable to get local issuer certificate");
	says(&x, "it is not for 10.0.0.5");
	says(&x, "weak: RSA 1024");
	r = seen(0, 60 * DAY);
	r.at_ms++;
	r.served.chain = VERIFIED_NOT_TRIED;
	board_feed(w->b, &r);
	x = row(w, 0);
	says(&x, "no CA is known for it");
}

static void
presented_is_held_against_what_was_issued(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);
	struct cert_row x;

	board_feed(w->b, &r);
	memset(w->files[0].leaf.sha256, 'b', 64);
	x = row(w, 0);
	assert_int_equal(x.match, MATCH_OTHER);
	says(&x, "another one than was issued last");
	memset(w->files[0].leaf.sha256, 'a', 64);
	x = row(w, 0);
	assert_int_equal(x.match, MATCH_SAME);
	assert_false(x.wrong);
	/* Of two that serve it, it is the one that is presented. */
	memset(w->files[0].leaf.sha256, 'b', 64);
	memset(w->files[1].leaf.sha256, 'a', 64);
	x = row(w, 0);
	assert_int_equal(x.cert, 1);
	assert_int_equal(x.match, MATCH_SAME);
}

static void
ca_counts_as_a_leaf_does(void **state)
{
	struct world *w = *state;
	struct reading r = seen(0, 60 * DAY);
	enum expiry e;
	int64_t days;

	board_feed(w->b, &r);
	feed_plain(w, 1);
	assert_false(certs_ca(&w->files[0], NOW, &e, &days));
	memset(w->files[0].ca.sha256, 'c', 64);
	w->files[0].ca.not_before_s = NOW - 3000 * DAY;
	w->files[0].ca.not_after_s = NOW + 80 * DAY;
	assert_true(certs_ca(&w->files[0], NOW, &e, &days));
	assert_int_equal(days, 80);
	assert_int_equal(e, EXPIRY_NOTICE);
	assert_int_equal(worst(w).expiry, EXPIRY_NOTICE);
	assert_false(worst(w).wrong);
	w->files[0].lies = mem_strdup("may be read by others");
	assert_true(worst(w).wrong);
}

static void
trust_that_was_seen_is_told_from_what_is_declared(void **state)
{
	struct world *w = *state;
	struct posture p;

	posture_init(&p, w->f);
	assert_int_equal(certs_trust(w->f, &p, 0, 0), TRUST_DECLARED);
	assert_int_equal(certs_trust(w->f, &p, 0, 1), TRUST_NOT);
	p.trust[0] = 0;
	assert_int_equal(certs_trust(w->f, &p, 0, 0), TRUST_SEEN);
	p.trust[0] = 1;
	assert_int_equal(certs_trust(w->f, &p, 0, 1), TRUST_SEEN);
	posture_release(&p);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(the_end_of_what_a_client_shows_counts),
		CLAIM(good_one_is_fine_and_plaintext_is_no_fault),
		CLAIM(revoked_one_is_wrong_however_good_it_looks),
		CLAIM(what_was_not_seen_is_never_fine),
		CLAIM(middle_warning_is_the_fleets),
		CLAIM(what_it_rests_on_may_end_first),
		CLAIM(what_a_client_would_stumble_over_is_told),
		CLAIM(presented_is_held_against_what_was_issued),
		CLAIM(ca_counts_as_a_leaf_does),
		CLAIM(trust_that_was_seen_is_told_from_what_is_declared),
	};

	return cmocka_run_group_tests_name("certs", tests, NULL, NULL);
}
