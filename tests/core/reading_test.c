/*
 * What reading.h promises: a reading survives the way up, and nothing that is
 * not a reading does any harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/plan.h"
#include "core/reading.h"

static void
fill_served(struct served *s)
{
	s->plain = LEG_REFUSED;
	s->tls = LEG_OPEN;
	s->plain_why = mem_strdup("no pg_hba.conf entry");
	s->protocol = mem_strdup("TLSv1.3");
	s->cipher = mem_strdup("TLS_AES_256_GCM_SHA384");
	s->cert.subject = mem_strdup("CN=\x1b[31mdb");
	s->cert.issuer = mem_strdup("CN=ca");
	s->cert.names[0] = mem_strdup("DNS:db.internal");
	s->cert.names[1] = mem_strdup("IP:10.0.0.1");
	s->cert.nnames = 2;
	s->cert.not_before_s = -5;
	s->cert.not_after_s = INT64_C(4000000000);
	s->cert.key = mem_strdup("ECDSA P-256");
	s->cert.signature = mem_strdup("ecdsa-with-SHA256");
	s->cert.weak = mem_strdup("its key is RSA 1024");
	s->cert.sent = 3;
	s->cert.ends_s = INT64_C(3000000000);
	s->cert.ends_who = mem_strdup("CN=ca");
	s->turned_away = true;
	memset(s->cert.sha256, 'a', 64);
	s->cert.self_signed = true;
	s->chain = VERIFIED_BAD;
	s->chain_why = mem_strdup("certificate has expired");
	s->name[0] = VERIFIED_OK;
	s->name[1] = VERIFIED_BAD;
	s->nnames = 2;
	s->client_cert_asked = true;
}

static void
fill_census(struct census *c)
{
	struct link_count *row;
	struct straggler *st;
	struct login_count *count;
	struct login_seen *who;

	row = mem_push(&c->links, &c->nlinks, sizeof(*row));
	row->link = 3;
	row->tls = UINT32_MAX;
	row->plain = 7;
	c->undeclared_tls = 1;
	c->undeclared_plain = 2;
	c->total = 10;
	st = mem_push(&c->stragglers, &c->nstragglers, sizeof(*st));
	st->link = NONE;
	st->address = mem_strdup("10.0.0.9");
	st->user = mem_strdup("");
	st->age_s = -1;
	c->upstream_seen = true;
	c->upstream_tls = 20;
	c->connections_total = INT64_C(1) << 40;
	c->unaccounted = 41;
	c->unaccounted_from_ms = INT64_C(1600000000000);
	c->logins.seen = LOGINS_SINCE;
	c->logins.from_ms = INT64_C(1600000000000);
	c->logins.why = mem_strdup("somebody is missing");
	count = mem_push(&c->logins.links, &c->logins.nlinks, sizeof(*count));
	*count = (struct login_count){ 3, 1, 2, 3, 9, 4, 5, 6, 7, 8, 10 };
	c->logins.undeclared = (struct login_count){ NONE, 8, 7, 6, 9, 5, 4, 3, 2, 1, 10 };
	who = mem_push(&c->logins.who, &c->logins.nwho, sizeof(*who));
	who->link = NONE;
	who->refused = true;
	who->address = mem_strdup("10.0.0.9");
	who->count = 40;
	who->first_ms = 1;
	who->last_ms = 2;
}

static void
fill(struct reading *r, enum reading_kind kind)
{
	struct facet_seen *f;
	struct string_seen *s;
	struct pair *p;

	memset(r, 0, sizeof(*r));
	r->kind = kind;
	r->subject = 4;
	r->at_ms = INT64_C(1700000000000);
	r->took_ms = 12;
	r->outcome = SAW_PART;
	r->why = mem_strdup("GRANT pg_monitor TO belay_probe");
	r->over = mem_strdup("tls, verified");
	switch (kind) {
	case READING_SERVED:
		fill_served(&r->served);
		break;
	case READING_CENSUS:
		fill_census(&r->census);
		break;
	case READING_SETTINGS:
		p = mem_push(&r->settings.v, &r->settings.n, sizeof(*p));
		p->key = mem_strdup("ssl");
		p->value = mem_strdup("on");
		p = mem_push(&r->settings.v, &r->settings.n, sizeof(*p));
		p->key = mem_strdup("ssl@source");
		p->value = mem_strdup("command line");
		break;
	case READING_HOST:
		f = mem_push(&r->facets, &r->nfacets, sizeof(*f));
		f->facet = FACET_DIAL;
		f->subject = 2;
		f->value = DIAL_VERIFY_FULL;
		f->detail = mem_strdup("DATABASE_SSL_MODE=verify-full");
		f->odd = true;
		s = mem_push(&r->strings, &r->nstrings, sizeof(*s));
		s->link = 2;
		s->line = 7;
		s->warning = true;
		s->file = mem_strdup("/srv/.env");
		s->variable = mem_strdup("DATABASE_URL");
		s->name = mem_strdup("falls-back");
		s->text = mem_strdup("sslmode=prefer goes on in plaintext");
		break;
	case READING_DISK:
		memset(r->disk.served_sha256, 'a', 64);
		memset(r->disk.sha256, 'b', 64);
		r->disk.cert_file = mem_strdup("/etc/tls/server.crt");
		r->disk.key_file = mem_strdup("/etc/tls/server.key");
		r->disk.pair = VERIFIED_BAD;
		r->disk.key_seen = true;
		r->disk.key_mode = 0640;
		r->disk.key_uid = 70;
		break;
	case READING_DEPTH:
		r->depth.versions[2] = r->depth.versions[3] = TRIED_TAKES;
		r->depth.ciphers[0] = mem_strdup("TLS_AES_256_GCM_SHA384");
		r->depth.nciphers = 1;
		r->depth.weak = mem_strdup("NULL-SHA256");
		memset(r->depth.sha256, 'c', 64);
		break;
	case READING_CHECK:
		r->check_passed = true;
		break;
	case READING_REHEARSAL:
		r->rehearsed.verdict = VERDICT_REFUSED;
		r->rehearsed.dial = DIAL_VERIFY_FULL;
		r->rehearsed.port = 6432;
		(void)strcpy(r->rehearsed.name, "db.internal");
		(void)strcpy(r->rehearsed.why, "certificate verify failed");
		r->rehearsed.connections = 1;
		r->rehearsed.reach_us = 900;
		r->rehearsed.secure_us = r->rehearsed.login_us = -1;
		break;
	}
}

static void
every_kind_comes_back_as_it_was(void **state)
{
	struct reading r, back;
	struct buf a, b;
	struct err err;
	int kind;

	(void)state;
	for (kind = 0; kind < READING_COUNT; kind++) {
		buf_init(&a, 0);
		buf_init(&b, 0);
		fill(&r, (enum reading_kind)kind);
		reading_encode(&r, &a);
		if (reading_decode(&back, a.data, a.len, &err) == -1)
			fail_msg("kind %d: %s", kind, err.msg);
		/* The letter is canonical: the same bytes, the same reading. */
		reading_encode(&back, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		assert_int_equal(back.kind, kind);
		assert_int_equal(back.subject, 4);
		assert_int_equal(back.at_ms, r.at_ms);
		assert_string_equal(back.why, r.why);
		assert_string_equal(back.over, r.over);
		reading_release(&r);
		reading_release(&back);
		buf_release(&a);
		buf_release(&b);
	}
	fill(&r, READING_SERVED);
	buf_init(&a, 0);
	reading_encode(&r, &a);
	assert_int_equal(reading_decode(&back, a.data, a.len, &err), 0);
	assert_int_equal(back.served.plain, LEG_REFUSED);
	assert_int_equal(back.served.tls, LEG_OPEN);
	assert_null(back.served.tls_why);
	assert_string_equal(back.served.cert.names[1], "IP:10.0.0.1");
	assert_int_equal(back.served.cert.not_before_s, -5);
	assert_string_equal(back.served.cert.weak, "its key is RSA 1024");
	assert_int_equal(back.served.cert.sent, 3);
	assert_true(back.served.cert.ends_s == INT64_C(3000000000));
	assert_string_equal(back.served.cert.ends_who, "CN=ca");
	assert_true(back.served.turned_away);
	assert_int_equal(back.served.chain, VERIFIED_BAD);
	assert_int_equal(back.served.name[1], VERIFIED_BAD);
	assert_true(back.served.client_cert_asked);
	reading_release(&r);
	reading_release(&back);
	buf_release(&a);
}

static void
what_is_too_long_is_cut_and_still_decodes(void **state)
{
	struct reading r, back;
	struct straggler *st;
	struct pair *p;
	struct buf b;
	struct err err;
	char *big;
	size_t i;

	(void)state;
	big = mem_alloc(100001);
	memset(big, 'x', 100000);

	fill(&r, READING_SETTINGS);
	r.outcome = SAW;
	for (i = 0; i < 1000; i++) {
		p = mem_push(&r.settings.v, &r.settings.n, sizeof(*p));
		p->key = mem_strdup(big);
		p->value = mem_strdup(big);
	}
	buf_init(&b, 0);
	reading_encode(&r, &b);
	assert_true(b.len <= READING_BLOB_MAX);
	assert_int_equal(reading_decode(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.settings.n, READING_PAIRS_MAX);
	assert_int_equal(back.outcome, SAW_PART);	/* what was cut is said */
	reading_release(&r);
	reading_release(&back);
	buf_release(&b);

	fill(&r, READING_CENSUS);
	for (i = 0; i < 1000; i++) {
		st = mem_push(&r.census.stragglers, &r.census.nstragglers, sizeof(*st));
		st->address = mem_strdup(big);
		st->user = mem_strdup(big);
		st->database = mem_strdup(big);
		st->application = mem_strdup(big);
	}
	r.census.links = mem_resize(r.census.links, READING_LINKS_MAX, sizeof(*r.census.links));
	memset(r.census.links, 0, READING_LINKS_MAX * sizeof(*r.census.links));
	r.census.nlinks = READING_LINKS_MAX;
	r.census.logins.seen = LOGINS_SINCE;
	free(r.census.logins.links);
	r.census.logins.links = mem_array(READING_LINKS_MAX, sizeof(*r.census.logins.links));
	r.census.logins.nlinks = READING_LINKS_MAX;
	for (i = 0; i < 1000; i++) {
		struct login_seen *who = mem_push(&r.census.logins.who, &r.census.logins.nwho, sizeof(*who));

		who->address = mem_strdup(big);
		who->user = mem_strdup(big);
		who->database = mem_strdup(big);
		who->application = mem_strdup(big);
	}
	buf_init(&b, 0);
	reading_encode(&r, &b);
	assert_true(b.len <= READING_BLOB_MAX);
	assert_int_equal(reading_decode(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.census.nstragglers, READING_STRAGGLERS_MAX);
	assert_int_equal(back.census.logins.nwho, READING_WHO_MAX);
	assert_int_equal(back.census.logins.nlinks, READING_LOGINS_MAX);
	assert_non_null(back.census.logins.why);	/* what was cut is said */
	reading_release(&r);
	reading_release(&back);
	buf_release(&b);

	fill(&r, READING_HOST);
	for (i = 0; i < 2000; i++) {
		r.facets = mem_resize(r.facets, r.nfacets + 1, sizeof(*r.facets));
		r.facets[r.nfacets] = r.facets[0];
		r.facets[r.nfacets++].detail = mem_strdup(big);
	}
	buf_init(&b, 0);
	reading_encode(&r, &b);
	assert_true(b.len <= READING_BLOB_MAX);
	assert_int_equal(reading_decode(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.nfacets, READING_FACETS_MAX);
	reading_release(&r);
	reading_release(&back);
	buf_release(&b);
	free(big);
}

static void
a_failure_to_see_always_says_why(void **state)
{
	struct reading r, back;
	struct buf b;
	struct err err;

	(void)state;
	memset(&r, 0, sizeof(r));
	r.outcome = SAW_NOT;
	buf_init(&b, 0);
	reading_encode(&r, &b);
	assert_int_equal(reading_decode(&back, b.data, b.len, &err), 0);
	assert_non_null(back.why);
	reading_release(&back);
	buf_release(&b);
}

static void
every_truncation_and_any_tail_is_refused(void **state)
{
	struct reading r, back;
	struct buf b;
	struct err err;
	unsigned char *copy;
	size_t len;
	int kind;

	(void)state;
	for (kind = 0; kind < READING_COUNT; kind++) {
		fill(&r, (enum reading_kind)kind);
		buf_init(&b, 0);
		reading_encode(&r, &b);
		for (len = 0; len < b.len; len++) {
			/* A block of its own, so that reading past it is seen. */
			copy = malloc(len == 0 ? 1 : len);
			assert_non_null(copy);
			memcpy(copy, b.data, len);
			if (reading_decode(&back, copy, len, &err) == 0)
				fail_msg("kind %d decoded from %zu of %zu bytes", kind, len, b.len);
			free(copy);
		}
		buf_putc(&b, '\0');
		assert_int_equal(reading_decode(&back, b.data, b.len, &err), -1);
		reading_release(&r);
		buf_release(&b);
	}
}

static uint32_t
random_next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void
mutations_decode_to_something_sound_or_not_at_all(void **state)
{
	struct reading r, back, again;
	struct buf b, c;
	struct err err;
	unsigned char *copy;
	uint32_t seed = 20240501;
	size_t at;
	int kind, round, k, taken = 0, refused = 0;

	(void)state;
	for (kind = 0; kind < READING_COUNT; kind++) {
		fill(&r, (enum reading_kind)kind);
		buf_init(&b, 0);
		reading_encode(&r, &b);
		copy = malloc(b.len);
		assert_non_null(copy);
		for (round = 0; round < 20000; round++) {
			memcpy(copy, b.data, b.len);
			for (k = (int)(random_next(&seed) % 4); k >= 0; k--) {
				at = random_next(&seed) % b.len;
				/* Mostly lengths, counts and enums: their low bytes. */
				if (random_next(&seed) % 2 == 0)
					at &= ~(size_t)7;
				copy[at] = (unsigned char)random_next(&seed);
			}
			if (reading_decode(&back, copy, b.len, &err) == -1) {
				refused++;
				continue;
			}
			taken++;
			/* What was accepted can be said again. */
			buf_init(&c, 0);
			reading_encode(&back, &c);
			assert_int_equal(reading_decode(&again, c.data, c.len, &err), 0);
			reading_release(&again);
			reading_release(&back);
			buf_release(&c);
		}
		free(copy);
		reading_release(&r);
		buf_release(&b);
	}
	assert_true(taken > 1000 && refused > 1000);
}

static void
a_count_without_bytes_costs_no_memory(void **state)
{
	struct reading r, back;
	struct buf b;
	struct err err;
	size_t at;

	(void)state;
	/* Every 8-byte field in turn becomes the largest count that is allowed somewhere. */
	fill(&r, READING_CENSUS);
	buf_init(&b, 0);
	reading_encode(&r, &b);
	for (at = 0; at + 8 <= b.len; at++) {
		unsigned char was[8];

		memcpy(was, b.data + at, 8);
		memcpy(b.data + at, "\xff\x1f\0\0\0\0\0\0", 8);
		if (reading_decode(&back, b.data, b.len, &err) == 0)
			reading_release(&back);
		memcpy(b.data + at, was, 8);
	}
	reading_release(&r);
	buf_release(&b);
}

static void
indices_outside_the_fleet_are_refused(void **state)
{
	static char *names[] = { "db.internal", "10.0.0.1" };
	struct endpoint endpoints[5] = { [4].names = { names, 2 } };
	struct link links[4] = { { .endpoint = 4, .at = NULL } };
	struct fleet fleet = { .endpoints = endpoints, .nendpoints = 5, .links = links, .nlinks = 4 };
	struct reading r;
	struct err err;

	(void)state;
	fill(&r, READING_CENSUS);
	assert_int_equal(reading_check(&r, &fleet, &err), 0);
	fleet.nlinks = 3;
	assert_int_equal(reading_check(&r, &fleet, &err), -1);
	fleet.nlinks = 4;
	fleet.nendpoints = 4;
	assert_int_equal(reading_check(&r, &fleet, &err), -1);
	reading_release(&r);

	fleet.nendpoints = 5;
	fill(&r, READING_HOST);
	assert_int_equal(reading_check(&r, &fleet, &err), -1);	/* no hosts at all */
	r.subject = 0;
	fleet.nhosts = 1;
	assert_int_equal(reading_check(&r, &fleet, &err), 0);
	r.facets[0].value = DIAL_UNKNOWN + 1;
	assert_int_equal(reading_check(&r, &fleet, &err), -1);
	reading_release(&r);

	fill(&r, READING_SERVED);
	assert_int_equal(reading_check(&r, &fleet, &err), 0);
	r.served.nnames = 1;
	assert_int_equal(reading_check(&r, &fleet, &err), -1);
	r.served.nnames = 2;
	reading_release(&r);
}

static void
served_names_are_all_that_is_dialled(void **state)
{
	static char *names[] = { "db.internal", "10.0.0.1" };
	struct endpoint endpoints[2] = { { .names = { names, 2 } }, { .names = { names, 1 } } };
	struct link links[] = {
		{ .endpoint = 0 }, { .endpoint = 0, .at = "db" }, { .endpoint = 0, .at = "10.0.0.1" },
		{ .endpoint = 1, .at = "elsewhere" }, { .endpoint = 0, .at = "db" },
	};
	struct fleet fleet = { .endpoints = endpoints, .nendpoints = 2, .links = links, .nlinks = 5 };
	const char *ret[READING_NAMES_MAX];

	(void)state;
	assert_int_equal(served_names(&fleet, 0, ret), 3);
	assert_string_equal(ret[0], "db.internal");
	assert_string_equal(ret[1], "10.0.0.1");
	assert_string_equal(ret[2], "db");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_comes_back_as_it_was),
		cmocka_unit_test(what_is_too_long_is_cut_and_still_decodes),
		cmocka_unit_test(a_failure_to_see_always_says_why),
		cmocka_unit_test(every_truncation_and_any_tail_is_refused),
		cmocka_unit_test(mutations_decode_to_something_sound_or_not_at_all),
		cmocka_unit_test(a_count_without_bytes_costs_no_memory),
		cmocka_unit_test(indices_outside_the_fleet_are_refused),
		cmocka_unit_test(served_names_are_all_that_is_dialled),
	};

	return cmocka_run_group_tests_name("reading", tests, NULL, NULL);
}
