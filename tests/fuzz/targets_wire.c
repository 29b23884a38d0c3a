/*
 * targets_wire: what crosses between the console and its workers.  See
 * targets.h.
 */
#include "tests/fuzz/targets.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/reading.h"
#include "wire/wire.h"

/* ---- readings ---- */

/* Everything that a face asks a board for, with this reading alone on it. */
static void
board_walk(struct reading *r)
{
	const struct fleet *f = worked_fleet();
	const struct plan *plan = worked_plan();
	struct board *board = board_new(f);
	struct link_view l;
	struct endpoint_view e;
	struct check_result result;
	struct posture posture;
	int64_t now_ms = r->at_ms < INT64_MAX / 2 ? r->at_ms + 1 : r->at_ms;
	size_t i, k;

	board_feed(board, r);
	for (i = 0; i < f->nlinks; i++)
		board_link(board, (int)i, now_ms, 10000, &l);
	for (i = 0; i < f->nendpoints; i++)
		board_endpoint(board, (int)i, now_ms, 10000, &e);
	for (i = 0; i < plan->nsteps; i++) {
		const struct step *s = &plan->steps[i];

		(void)board_met(board, s, now_ms, 10000);
		for (k = 0; k < s->nrequires; k++)
			check_judge(&s->requires[k], f, board, NULL, 0, &result);
		for (k = 0; k < s->ngates; k++)
			check_judge(&s->gates[k], f, board, NULL, 0, &result);
	}
	board_posture(board, &posture);
	posture_release(&posture);
	board_free(board);
}

static bool
feed_reading(const char *p, size_t len)
{
	struct reading r, again;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	if (reading_decode(&r, p, len, &err) != 0)
		return false;
	/* The encoder may cut what came; what it made stays as it is. */
	reading_encode(&r, &a);
	if (a.len > READING_BLOB_MAX)
		broken("a reading of %zu bytes", a.len);
	if (reading_decode(&again, a.data, a.len, &err) != 0)
		broken("a reading is not read back: %s", err.msg);
	reading_encode(&again, &b);
	same_bytes(&a, &b, "reading");
	reading_release(&again);
	if (reading_check(&r, worked_fleet(), &err) == 0 && r.kind != READING_CHECK)
		board_walk(&r);		/* takes it over */
	else
		reading_release(&r);
	buf_release(&a);
	buf_release(&b);
	return true;
}

static char *
sha(void)
{
	static char hex[65];

	memset(hex, 'a', 64);
	return hex;
}

static void
seeds_reading(take_seed *take, void *arg)
{
	struct reading r;
	struct straggler *st;
	struct link_count *row;
	struct facet_seen *facet;
	struct pair *pair;
	struct buf b = { 0 };
	int kind;

	for (kind = 0; kind < READING_COUNT; kind++) {
		memset(&r, 0, sizeof(r));
		r.kind = (enum reading_kind)kind;
		r.subject = 1;
		r.at_ms = INT64_C(1767225600000);
		r.took_ms = 12;
		r.outcome = kind == READING_CENSUS ? SAW_PART : SAW;
		r.why = mem_strdup("GRANT pg_monitor TO belay_probe");
		r.over = mem_strdup("tls, verified");
		switch (r.kind) {
		case READING_SERVED:
			r.served.plain = LEG_REFUSED;
			r.served.plain_why = mem_strdup("no pg_hba.conf entry");
			r.served.tls = LEG_OPEN;
			r.served.protocol = mem_strdup("TLSv1.3");
			r.served.cipher = mem_strdup("TLS_AES_256_GCM_SHA384");
			r.served.cert.subject = mem_strdup("CN=db");
			r.served.cert.issuer = mem_strdup("CN=ca");
			r.served.cert.names[0] = mem_strdup("DNS:db.internal");
			r.served.cert.nnames = 1;
			r.served.cert.not_after_s = INT64_C(1800000000);
			r.served.cert.key = mem_strdup("ECDSA P-256");
			memcpy(r.served.cert.sha256, sha(), 65);
			r.served.chain = VERIFIED_OK;
			r.served.name[0] = VERIFIED_OK;
			r.served.nnames = 1;
			break;
		case READING_CENSUS:
			row = mem_push(&r.census.links, &r.census.nlinks, sizeof(*row));
			row->link = 1;
			row->tls = 3;
			row->plain = 7;
			st = mem_push(&r.census.stragglers, &r.census.nstragglers, sizeof(*st));
			st->link = NONE;
			st->address = mem_strdup("10.0.0.9");
			st->user = mem_strdup("app\033[2J");
			st->age_s = 90;
			r.census.total = 11;
			r.census.upstream_seen = true;
			r.census.connections_total = 4711;
			break;
		case READING_SETTINGS:
			pair = mem_push(&r.settings.v, &r.settings.n, sizeof(*pair));
			pair->key = mem_strdup("ssl");
			pair->value = mem_strdup("on");
			break;
		case READING_HOST:
			facet = mem_push(&r.facets, &r.nfacets, sizeof(*facet));
			facet->facet = FACET_DIAL;
			facet->subject = 1;
			facet->value = DIAL_VERIFY_FULL;
			facet->detail = mem_strdup("DATABASE_SSL_MODE=verify-full");
			break;
		case READING_DISK:
			memcpy(r.disk.sha256, sha(), 65);
			r.disk.cert_file = mem_strdup("/etc/tls/server.crt");
			r.disk.key_file = mem_strdup("/etc/tls/server.key");
			r.disk.key_seen = true;
			r.disk.key_mode = 0600;
			break;
		case READING_DEPTH:
			r.depth.versions[3] = TRIED_TAKES;
			r.depth.ciphers[0] = mem_strdup("TLS_AES_256_GCM_SHA384");
			r.depth.nciphers = 1;
			break;
		case READING_CHECK:
			r.check_passed = true;
			break;
		case READING_REHEARSAL:
			r.rehearsed.verdict = VERDICT_REFUSED;
			r.rehearsed.dial = DIAL_VERIFY_FULL;
			r.rehearsed.port = 6432;
			(void)strcpy(r.rehearsed.name, "db.internal");
			(void)strcpy(r.rehearsed.why, "certificate verify failed");
			r.rehearsed.connections = 1;
			r.rehearsed.reach_us = 900;
			r.rehearsed.secure_us = r.rehearsed.login_us = -1;
			break;
		}
		reading_encode(&r, &b);
		take(arg, b.data, b.len);
		buf_clear(&b);
		reading_release(&r);
	}
	buf_release(&b);
}

/* ---- ops ---- */

/* An op goes to a worker and comes out as it went in. */
void
op_round(const struct op *op)
{
	struct buf a = { 0 }, b = { 0 };
	struct op back;
	struct err err;

	op_encode(op, &a);
	if (op_decode(&back, a.data, a.len, &err) != 0)
		broken("op '%s' is not read back: %s", op->id, err.msg);
	op_encode(&back, &b);
	same_bytes(&a, &b, "op");
	buf_clear(&b);
	if (back.kind == OP_RUN || back.kind == OP_ACTIVATE) {
		op_command_text(&back, false, &b);
		op_command_text(&back, true, &b);
	}
	op_release(&back);
	buf_release(&a);
	buf_release(&b);
}

static bool
feed_op(const char *p, size_t len)
{
	struct op op;
	struct err err;

	if (op_decode(&op, p, len, &err) != 0)
		return false;
	if (!op_id_valid(op.id))
		broken("an op with the id '%s'", op.id);
	op_round(&op);
	op_release(&op);
	return true;
}

/* The ops of a whole plan; what they hold of certificates is not filled in. */
static void
each_op(void (*each)(void *arg, const struct op *), void *arg)
{
	const struct plan *plan = worked_plan();
	struct ops ops;
	struct err err;
	size_t s, i;

	for (s = 0; s < plan->nsteps; s++) {
		memset(&ops, 0, sizeof(ops));
		if (ops_of_step(&ops, worked_fleet(), plan, (int)s, "20260101T000000Z-0000", NULL, NULL,
		    &err) != 0)
			broken("%s: %s", WORKED_PLAN, err.msg);
		for (i = 0; i < ops.n; i++)
			each(arg, &ops.v[i]);
		ops_release(&ops);
	}
}

struct seeding {
	take_seed *take;
	void	*arg;
};

static void
seed_op(void *arg, const struct op *op)
{
	struct seeding *s = arg;
	struct buf b = { 0 };

	op_encode(op, &b);
	s->take(s->arg, b.data, b.len);
	buf_release(&b);
}

static void
seeds_op(take_seed *take, void *arg)
{
	struct seeding s = { take, arg };
	struct op file = { .kind = OP_FILE, .unit = NONE, .mode = 0640, .deadline_ms = 1000 };
	struct op named = { .kind = OP_URL, .syntax = TEXT_URL, .unit = 0, .mode = -1, .deadline_ms = 1000 };
	char keys[2][16] = { "URL?sslmode", "URL:port" }, values[2][16] = { "verify-full", "6432" };
	struct pair pairs[2] = { { .key = keys[0], .value = values[0] }, { .key = keys[1], .value = values[1] } };
	char path[] = "/etc/app/ca.crt", content[] = "-----BEGIN CERTIFICATE-----\n", owner[] = "70:70";

	each_op(seed_op, &s);
	(void)memcpy(file.id, "r/s/1", 6);
	file.path = path;
	file.content = content;
	file.len = sizeof(content) - 1;
	file.owner = owner;
	seed_op(&s, &file);
	(void)memcpy(named.id, "r/s/2", 6);
	named.path = path;
	named.set.v = pairs;
	named.set.n = 2;
	seed_op(&s, &named);
}

static bool
feed_op_result(const char *p, size_t len)
{
	struct op_result r, again;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	if (op_result_decode(&r, p, len, &err) != 0)
		return false;
	op_result_encode(&r, &a);
	if (op_result_decode(&again, a.data, a.len, &err) != 0)
		broken("an op's result is not read back: %s", err.msg);
	op_result_encode(&again, &b);
	same_bytes(&a, &b, "an op's result");
	op_result_release(&again);
	op_result_release(&r);
	buf_release(&a);
	buf_release(&b);
	return true;
}

static void
seeds_op_result(take_seed *take, void *arg)
{
	struct op_result r;
	struct buf b = { 0 };
	int outcome;

	for (outcome = 0; outcome < OP_OUTCOME_COUNT; outcome++) {
		memset(&r, 0, sizeof(r));
		r.outcome = (enum op_outcome)outcome;
		memcpy(r.before_sha, sha(), 65);
		memcpy(r.after_sha, "-", 2);
		r.exit_status = outcome == OP_FAILED ? 3 : -1;
		r.text = mem_strdup("-DATABASE_SSL_MODE=disable\n+DATABASE_SSL_MODE=verify-full\n");
		r.why = mem_strdup("no such file");
		op_result_encode(&r, &b);
		take(arg, b.data, b.len);
		buf_clear(&b);
		op_result_release(&r);
	}
	buf_release(&b);
}

/* ---- the wire ---- */

static bool
feed_message(const char *p, size_t len)
{
	struct buf in = { 0 }, out = { 0 };
	struct message m, again;
	struct err err;
	size_t before, taken = 0;
	int rc;

	buf_init(&in, WIRE_FRAME_MAX + (64 << 10));
	(void)buf_put(&in, p, len);
	for (;;) {
		before = in.len;
		if ((rc = message_decode(&in, &m, &err)) != 1)
			break;
		taken++;
		if (in.len >= before)
			broken("a message that took no bytes");
		if (message_encode(&m, &out, &err) != 0)
			broken("a message that cannot be sent was taken: %s", err.msg);
		if (message_decode(&out, &again, &err) != 1)
			broken("a message is not read back");
		if (again.kind != m.kind || again.id != m.id || again.subject != m.subject ||
		    again.what != m.what || again.blob_len != m.blob_len)
			broken("%s: the second round says something else", message_word(m.kind));
		message_release(&again);
		message_release(&m);
		buf_clear(&out);
	}
	buf_release(&in);
	buf_release(&out);
	return rc == 0 && taken > 0;
}

static void
seeds_message(take_seed *take, void *arg)
{
	struct message m;
	struct buf b = { 0 };
	struct err err;
	char blob[] = "a blob";
	int kind;

	for (kind = 0; kind < MESSAGE_COUNT; kind++) {
		memset(&m, 0, sizeof(m));
		m.kind = (enum message_kind)kind;
		m.id = 7;
		m.deadline_ms = 1000;
		m.blob = blob;
		m.blob_len = sizeof(blob) - 1;
		/* Kinds without a blob take none. */
		if (message_encode(&m, &b, &err) != 0) {
			buf_clear(&b);
			m.blob = NULL;
			m.blob_len = 0;
			if (message_encode(&m, &b, &err) != 0)
				broken("%s: %s", message_word(m.kind), err.msg);
		}
		take(arg, b.data, b.len);
		buf_clear(&b);
	}
	buf_release(&b);
}

/* The blobs of messages; the first byte says which. */
static bool
feed_blobs(const char *p, size_t len)
{
	struct buf a = { 0 }, b = { 0 };
	struct err err;
	bool taken = false;

	if (len == 0)
		return false;
	switch (p[0]) {
	case 'c': {
		struct check c, again;

		if ((taken = check_decode(&c, p + 1, len - 1, &err) == 0)) {
			check_encode(&c, &a);
			if (check_decode(&again, a.data, a.len, &err) != 0)
				broken("a check is not read back");
			check_encode(&again, &b);
			check_release(&c);
			check_release(&again);
		}
		break;
	}
	case 'f': {
		struct wire_fleet f, again;

		if ((taken = wire_fleet_decode(&f, p + 1, len - 1, &err) == 0)) {
			wire_fleet_encode(&f, &a);
			if (wire_fleet_decode(&again, a.data, a.len, &err) != 0)
				broken("a fleet is not read back");
			wire_fleet_encode(&again, &b);
			wire_fleet_release(&f);
			wire_fleet_release(&again);
		}
		break;
	}
	case 'o': {
		struct wire_op o, again;

		if ((taken = wire_op_decode(&o, p + 1, len - 1, &err) == 0)) {
			wire_op_encode(&o, &a);
			if (wire_op_decode(&again, a.data, a.len, &err) != 0)
				broken("an order is not read back");
			wire_op_encode(&again, &b);
			wire_op_release(&o);
			wire_op_release(&again);
		}
		break;
	}
	case 'h': {
		struct wire_host h, again;

		if ((taken = wire_host_decode(&h, p + 1, len - 1, &err) == 0)) {
			wire_host_encode(&h, &a);
			if (wire_host_decode(&again, a.data, a.len, &err) != 0)
				broken("a host's state is not read back");
			wire_host_encode(&again, &b);
			wire_host_release(&h);
			wire_host_release(&again);
		}
		break;
	}
	case 'l': {
		struct wire_lease l, again;

		if ((taken = wire_lease_decode(&l, p + 1, len - 1, &err) == 0)) {
			wire_lease_encode(&l, &a);
			if (wire_lease_decode(&again, a.data, a.len, &err) != 0)
				broken("a lease is not read back");
			wire_lease_encode(&again, &b);
		}
		break;
	}
	case 's': {
		char *x, *y, *x2, *y2;

		if ((taken = wire_strings_decode(&x, &y, p + 1, len - 1, &err) == 0)) {
			wire_strings_encode(x, y, &a);
			if (wire_strings_decode(&x2, &y2, a.data, a.len, &err) != 0)
				broken("strings are not read back");
			wire_strings_encode(x2, y2, &b);
			free(x);
			free(y);
			free(x2);
			free(y2);
		}
		break;
	}
	default:
		break;
	}
	if (taken)
		same_bytes(&a, &b, "a message's blob");
	buf_release(&a);
	buf_release(&b);
	return taken;
}

static void
seed_order(void *arg, const struct op *op)
{
	struct seeding *s = arg;
	struct wire_op o = { .who = "ops@bastion", .token = 3 };
	struct buf b = { 0 };

	memcpy(o.expect_sha, sha(), 65);
	memcpy(o.plan_sha, sha(), 65);
	op_copy(&o.op, op);
	o.wayback = mem_strdup("#!/bin/sh\nexit $failed\n");
	(void)buf_putc(&b, 'o');
	wire_op_encode(&o, &b);
	s->take(s->arg, b.data, b.len);
	buf_release(&b);
	wire_op_release(&o);
}

static void
seeds_blobs(take_seed *take, void *arg)
{
	struct seeding s = { take, arg };
	const struct plan *plan = worked_plan();
	struct wire_fleet f = { .worker = 1, .workers = 2 };
	char path[] = "fleet.yaml", text[] = "belay: fleet/1\n", words[] = "up", address[] = "10.0.0.7 fe80::1";
	struct wire_host h = { .transport = words, .address = address };
	struct buf b = { 0 };
	size_t i, k;

	each_op(seed_order, &s);
	for (i = 0; i < plan->nsteps; i++)
		for (k = 0; k < plan->steps[i].ngates; k++) {
			buf_clear(&b);
			(void)buf_putc(&b, 'c');
			check_encode(&plan->steps[i].gates[k], &b);
			take(arg, b.data, b.len);
		}
	f.path = path;
	f.text = text;
	f.len = sizeof(text) - 1;
	buf_clear(&b);
	(void)buf_putc(&b, 'f');
	wire_fleet_encode(&f, &b);
	take(arg, b.data, b.len);
	buf_clear(&b);
	(void)buf_putc(&b, 'h');
	wire_host_encode(&h, &b);
	take(arg, b.data, b.len);
	for (k = 0; k < LEASE_PHASE_COUNT; k++) {
		struct wire_lease l = { .phase = (enum lease_phase)k, .displace = k == 0, .ttl_s = 60, .token = (int64_t)k * 7,
			.holder = "0a1b2c3d", .who = "ops", .doing = "step flip-web" };

		buf_clear(&b);
		(void)buf_putc(&b, 'l');
		wire_lease_encode(&l, &b);
		take(arg, b.data, b.len);
	}
	buf_clear(&b);
	(void)buf_putc(&b, 's');
	wire_strings_encode(path, text, &b);
	take(arg, b.data, b.len);
	buf_release(&b);
}

const struct target wire_targets[] = {
	{ "reading", feed_reading, seeds_reading, 4096, true },
	{ "op", feed_op, seeds_op, 4096, true },
	{ "op_result", feed_op_result, seeds_op_result, 2048, true },
	{ "message", feed_message, seeds_message, 4096, true },
	{ "blobs", feed_blobs, seeds_blobs, 4096, true },
};
const size_t wire_target_count = sizeof(wire_targets) / sizeof(wire_targets[0]);
