/*
 * What wire.h promises: what goes in comes out, and whatever else arrives is
 * refused without harm (run it under SAN=1 to see that there is none).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/board.h"
#include "core/err.h"
#include "core/mem.h"
#include "wire/wire.h"

/* One message of each kind, with every field that it has. */
static struct message
a_message(enum message_kind kind)
{
	struct message m = { .kind = kind, .subject = NONE };
	static const char secret[] = "hunter2\0and\nmore";

	switch (kind) {
	case MSG_FLEET:
	case MSG_READING:
	case MSG_OP_DONE:
	case MSG_OP_TEXT:
	case MSG_CANARY:
	case MSG_CANARY_SEEN:
	case MSG_CHECK:
	case MSG_OP:
	case MSG_LEASE:
	case MSG_RECORDS:
	case MSG_SECRET:
	case MSG_CA:
	case MSG_PAIR:
	case MSG_HOST_KEY:
	case MSG_ADDRESSES:
	case MSG_PASSPHRASE:
	case MSG_SUDO:
	case MSG_HOST:
		m.blob = mem_strndup(secret, sizeof(secret) - 1);
		m.blob_len = sizeof(secret) - 1;
		break;
	case MSG_PROBE:
	case MSG_CANCEL:
	case MSG_HURRY:
	case MSG_WAKE:
	case MSG_READY:
	case MSG_MADE:
	case MSG_MADE_UP:
		break;
	}
	switch (kind) {
	case MSG_SECRET:
	case MSG_CA:
	case MSG_PAIR:
	case MSG_HOST_KEY:
	case MSG_ADDRESSES:
	case MSG_PASSPHRASE:
	case MSG_SUDO:
	case MSG_WAKE:
	case MSG_MADE:
	case MSG_MADE_UP:
		m.subject = 17;
		break;
	case MSG_READY:
		m.subject = WIRE_VERSION;
		break;
	case MSG_PROBE:
		m.id = INT64_MAX;
		m.subject = FLEET_ITEMS_MAX - 1;
		m.what = READING_HOST;
		m.deadline_ms = 5000;
		break;
	case MSG_CHECK:
		m.id = 1;
		m.deadline_ms = WIRE_DEADLINE_MAX_MS;
		m.since_ms = 1767435072123;
		break;
	case MSG_OP:
		m.id = 2;
		m.what = OPV_RECORD;
		m.deadline_ms = 120000;
		break;
	case MSG_LEASE:
	case MSG_RECORDS:
	case MSG_CANARY:
		m.id = 3;
		m.subject = 4;
		m.deadline_ms = 8000;
		break;
	case MSG_HOST:
		m.subject = 0;
		m.what = 4;
		m.need = WIRE_NEED_CHANGED_KEY;
		m.attempts = 12;
		m.retry_ms = 60000;
		break;
	case MSG_CANCEL:
	case MSG_HURRY:
	case MSG_READING:
	case MSG_OP_DONE:
	case MSG_OP_TEXT:
	case MSG_CANARY_SEEN:
		m.id = 99;
		break;
	case MSG_FLEET:
		break;
	}
	return m;
}

static void
same_message(const struct message *a, const struct message *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(a->id == b->id);
	assert_int_equal(a->subject, b->subject);
	assert_int_equal(a->what, b->what);
	assert_int_equal(a->need, b->need);
	assert_int_equal(a->attempts, b->attempts);
	assert_true(a->deadline_ms == b->deadline_ms);
	assert_true(a->since_ms == b->since_ms);
	assert_true(a->retry_ms == b->retry_ms);
	assert_int_equal(a->blob_len, b->blob_len);
	if (a->blob_len > 0)
		assert_memory_equal(a->blob, b->blob, a->blob_len);
}

static void
encode(const struct message *m, struct buf *out)
{
	struct err err;

	if (message_encode(m, out, &err) == -1)
		fail_msg("%s: %s", message_word(m->kind), err.msg);
}

static void
every_message_comes_out_as_it_went_in(void **state)
{
	struct message m, got;
	struct buf b = { .secret = true };
	struct err err;
	int kind;

	(void)state;
	/* All of them in one stream, as a socket would give them. */
	for (kind = 0; kind < MESSAGE_COUNT; kind++) {
		m = a_message((enum message_kind)kind);
		encode(&m, &b);
		message_release(&m);
	}
	for (kind = 0; kind < MESSAGE_COUNT; kind++) {
		m = a_message((enum message_kind)kind);
		if (message_decode(&b, &got, &err) != 1)
			fail_msg("%s: %s", message_word((enum message_kind)kind), err.msg);
		same_message(&m, &got);
		message_release(&m);
		message_release(&got);
	}
	assert_int_equal(message_decode(&b, &got, &err), 0);
	assert_int_equal(b.len, 0);
	buf_release(&b);
}

static void
every_word_of_every_list_comes_out_as_it_went_in(void **state)
{
	static const struct { enum message_kind kind; int whats, needs; } lists[] = {
		{ MSG_PROBE, READING_CHECK, 1 },	/* a check is a message of its own */
		{ MSG_OP, OPV_COUNT, 1 },
		{ MSG_HOST, REACH_BLOCKED + 1, WIRE_NEED_COUNT },
	};
	struct message m, got;
	struct buf b = { .secret = true };
	struct err err;
	size_t i;
	int what, need, words = 0;

	(void)state;
	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (what = 0; what < lists[i].whats; what++)
			for (need = 0; need < lists[i].needs; need++) {
				m = a_message(lists[i].kind);
				m.what = what;
				m.need = need;
				encode(&m, &b);
				if (message_decode(&b, &got, &err) != 1)
					fail_msg("%s %d %d: %s", message_word(m.kind), what, need, err.msg);
				same_message(&m, &got);
				message_release(&m);
				message_release(&got);
				words++;
			}
	assert_int_equal(words, 6 + 4 + 5 * 5);
	buf_release(&b);
}

static void
frame_is_waited_for_at_every_length(void **state)
{
	struct message m, got;
	struct buf whole = { 0 }, part = { 0 };
	struct err err;
	size_t i;
	int kind;

	(void)state;
	for (kind = 0; kind < MESSAGE_COUNT; kind++) {
		m = a_message((enum message_kind)kind);
		buf_clear(&whole);
		encode(&m, &whole);
		for (i = 0; i < whole.len; i++) {
			buf_clear(&part);
			buf_put(&part, whole.data, i);
			assert_int_equal(message_decode(&part, &got, &err), 0);
			assert_int_equal(part.len, i);
		}
		message_release(&m);
	}
	buf_release(&whole);
	buf_release(&part);
}

static void
head_holds_no_byte_of_a_blob(void **state)
{
	struct message m;
	struct buf b = { 0 };
	size_t head;
	int kind;
	char *text;

	(void)state;
	for (kind = 0; kind < MESSAGE_COUNT; kind++) {
		m = a_message((enum message_kind)kind);
		buf_clear(&b);
		encode(&m, &b);
		head = b.len - 8 - m.blob_len;
		text = mem_strndup(b.data + 8, head);
		assert_null(strstr(text, "hunter2"));
		free(text);
		message_release(&m);
	}
	buf_release(&b);
}

/* A frame of this head and this many bytes of blob. */
static int
decode_head(const char *head, size_t blob_len, struct err *err)
{
	struct message m;
	struct buf b = { 0 };
	unsigned char len[8] = { 0 };
	size_t n = strlen(head), i;
	int rc;

	for (i = 0; i < 4; i++) {
		len[i] = (unsigned char)(n >> (24 - 8 * i));
		len[4 + i] = (unsigned char)(blob_len >> (24 - 8 * i));
	}
	buf_put(&b, len, 8);
	buf_put(&b, head, n);
	for (i = 0; i < blob_len; i++)
		buf_putc(&b, 'x');
	rc = message_decode(&b, &m, err);
	if (rc == 1)
		message_release(&m);
	buf_release(&b);
	return rc;
}

static void
head_with_anything_odd_in_it_is_refused(void **state)
{
	static const struct {
		const char *head, *words;
		size_t	 blob;
	} bad[] = {
		{ "[]", "no JSON object", 0 },
		{ "x", "no JSON object", 0 },
		{ "{\"message\":\"cancel\",\"id\":1}{", "no JSON object", 0 },
		{ "{\"message\":\"cancel\",\"id\":1,\"id\":2}", "no JSON object", 0 },
		{ "{\"message\":\"cancel\\u0000\",\"id\":1}", "no JSON object", 0 },
		{ "{}", "no kind", 0 },
		{ "{\"message\":\"sing\"}", "no kind", 0 },
		{ "{\"message\":7}", "no kind", 0 },
		{ "{\"message\":\"cancel\"}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":0}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":-1}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":1.0}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":\"1\"}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":true}", "'cancel': id", 0 },
		{ "{\"message\":\"cancel\",\"id\":99999999999999999999}", "no JSON object", 0 },
		{ "{\"message\":\"cancel\",\"id\":1,\"more\":1}", "a field too many", 0 },
		{ "{\"message\":\"cancel\",\"id\":1,\"subject\":1}", "a field too many", 0 },
		{ "{\"message\":\"cancel\",\"id\":1}", "1 bytes, at most 0", 1 },
		{ "{\"message\":\"wake\",\"subject\":-2}", "'wake': subject", 0 },
		{ "{\"message\":\"wake\",\"subject\":8192}", "'wake': subject", 0 },
		{ "{\"message\":\"wake\",\"subject\":4294967296}", "'wake': subject", 0 },
		{ "{\"message\":\"probe\",\"id\":1,\"subject\":1,\"what\":\"check\",\"deadline_ms\":1}", "'probe': what", 0 },
		{ "{\"message\":\"probe\",\"id\":1,\"subject\":1,\"what\":1,\"deadline_ms\":1}", "'probe': what", 0 },
		{ "{\"message\":\"probe\",\"id\":1,\"subject\":1,\"what\":\"host\",\"deadline_ms\":-1}", "deadline_ms", 0 },
		{ "{\"message\":\"probe\",\"id\":1,\"subject\":1,\"what\":\"host\",\"deadline_ms\":86400001}", "deadline_ms", 0 },
		{ "{\"message\":\"op-text\",\"id\":1}", "at most 16384", WIRE_OP_TEXT_MAX + 1 },
		{ "{\"message\":\"secret\",\"subject\":1}", "at most 65536", WIRE_SECRET_MAX + 1 },
	};
	struct err err;
	size_t i;

	(void)state;
	assert_int_equal(decode_head("{\"message\":\"cancel\",\"id\":1}", 0, &err), 1);
	assert_int_equal(decode_head("{\"message\":\"op-text\",\"id\":1}", WIRE_OP_TEXT_MAX, &err), 1);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(decode_head(bad[i].head, bad[i].blob, &err), -1);
		if (strstr(err.msg, bad[i].words) == NULL)
			fail_msg("'%s' is not in '%s' for %s", bad[i].words, err.msg, bad[i].head);
	}
}

static void
lengths_beyond_their_caps_are_refused_before_they_arrive(void **state)
{
	static const unsigned char frames[][8] = {
		{ 0, 0, 0, 0, 0, 0, 0, 0 },		/* no head */
		{ 0, 4, 0, 1, 0, 0, 0, 0 },		/* 256 KiB and one */
		{ 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0 },
		{ 0, 0, 0, 2, 0, 0x10, 0, 1 },		/* 1 MiB and one */
		{ 0, 0, 0, 2, 0xff, 0xff, 0xff, 0xff },
	};
	struct message m;
	struct buf b = { 0 };
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		buf_clear(&b);
		buf_put(&b, frames[i], 8);
		assert_int_equal(message_decode(&b, &m, &err), -1);
	}
	buf_release(&b);
}

static void
blob_too_large_for_its_kind_is_not_sent(void **state)
{
	struct message m = { .kind = MSG_OP, .id = 1, .what = OPV_APPLY };
	struct buf b = { .max = 2 * WIRE_FRAME_MAX };
	struct err err;

	(void)state;
	m.blob_len = WIRE_BLOB_MAX + 1;
	m.blob = mem_alloc(m.blob_len);
	assert_int_equal(message_encode(&m, &b, &err), -1);
	assert_non_null(strstr(err.msg, "too large"));
	assert_int_equal(b.len, 0);
	m.blob_len = WIRE_BLOB_MAX;
	assert_int_equal(message_encode(&m, &b, &err), 0);
	m.kind = MSG_SECRET;
	assert_int_equal(message_encode(&m, &b, &err), -1);
	message_release(&m);
	buf_release(&b);
}

/* ---- blobs ---- */

static struct check
a_check(void)
{
	struct check c = { .kind = CHECK_LOG, .implied = true, .endpoint = 3, .link = NONE, .host = 8191,
		.accept = ACCEPT_TLS, .proto_min = PROTO_TLS1_2, .status = -7, .deadline_ms = 1000 };

	c.name = mem_strdup("log postgres");
	c.cipher = mem_strdup("AES");
	c.setting = mem_strdup("ssl");
	c.value = mem_strdup("");
	c.contains = mem_strdup("a\nb");
	c.url = mem_strdup("http://127.0.0.1/");
	c.run = mem_strdup("true");
	c.in = mem_strdup("/srv");
	return c;
}

static void
check_comes_out_as_it_went_in(void **state)
{
	struct check c = a_check(), got;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	(void)state;
	check_encode(&c, &a);
	assert_int_equal(check_decode(&got, a.data, a.len, &err), 0);
	check_encode(&got, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_int_equal(got.kind, CHECK_LOG);
	assert_true(got.implied);
	assert_int_equal(got.host, 8191);
	assert_int_equal(got.status, -7);
	assert_string_equal(got.contains, "a\nb");
	assert_string_equal(got.value, "");
	assert_null(got.absent);
	assert_null(got.text);
	check_release(&c);
	check_release(&got);
	buf_release(&a);
	buf_release(&b);
}

static void
fleet_host_and_strings_come_out_as_they_went_in(void **state)
{
	struct wire_fleet f = { .path = (char[]){ "f.yaml" }, .text = (char[]){ "belay: fleet/1\n" }, .len = 15, .workers = 1 }, fgot;
	struct wire_host h = { .transport = (char[]){ "libssh2" }, .why = mem_alloc(2000) }, hgot;
	struct buf b = { 0 };
	struct err err;
	char *x, *y;

	(void)state;
	memset(f.key, 7, sizeof(f.key));
	wire_fleet_encode(&f, &b);
	assert_int_equal(wire_fleet_decode(&fgot, b.data, b.len, &err), 0);
	assert_string_equal(fgot.path, "f.yaml");
	assert_int_equal(fgot.len, 15);
	assert_string_equal(fgot.text, f.text);
	assert_null(fgot.ssh_config);
	assert_memory_equal(fgot.key, f.key, sizeof(f.key));
	wire_fleet_release(&fgot);

	buf_clear(&b);
	memset(h.why, 'w', 1999);
	wire_host_encode(&h, &b);
	assert_int_equal(wire_host_decode(&hgot, b.data, b.len, &err), 0);
	assert_string_equal(hgot.transport, "libssh2");
	assert_int_equal(strlen(hgot.why), WIRE_HOST_STRING_MAX);
	assert_null(hgot.address);
	wire_host_release(&hgot);
	free(h.why);

	buf_clear(&b);
	wire_strings_encode("/home/ops/.ssh/id", "open sesame", &b);
	assert_int_equal(wire_strings_decode(&x, &y, b.data, b.len, &err), 0);
	assert_string_equal(x, "/home/ops/.ssh/id");
	assert_string_equal(y, "open sesame");
	free(x);
	free(y);
	buf_clear(&b);
	wire_strings_encode("a", NULL, &b);
	assert_int_equal(wire_strings_decode(&x, &y, b.data, b.len, &err), -1);
	buf_release(&b);
}

static struct wire_op
an_op(void)
{
	struct wire_op o = { .token = 5 };

	strcpy(o.who, "ops@bastion");
	memset(o.expect_sha, 'e', 64);
	strcpy(o.op.id, "RUN/pg-both/1");
	o.op.kind = OP_FILE;
	o.op.host = 2;
	o.op.unit = 1;
	o.op.path = mem_strdup("/etc/x");
	o.op.content = mem_strdup("secret");
	o.op.len = 6;
	o.op.mode = 0600;
	o.op.secret = true;
	o.keep = true;
	*(int *)mem_push(&o.unseen.v, &o.unseen.n, sizeof(int)) = 3;
	*(int *)mem_push(&o.unseen.v, &o.unseen.n, sizeof(int)) = 0;
	return o;
}

static void
op_comes_out_as_it_went_in(void **state)
{
	struct wire_op o = an_op(), got;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	(void)state;
	wire_op_encode(&o, &a);
	if (wire_op_decode(&got, a.data, a.len, &err) == -1)
		fail_msg("%s", err.msg);
	wire_op_encode(&got, &b);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(a.data, b.data, a.len);
	assert_string_equal(got.who, "ops@bastion");
	assert_int_equal(got.token, 5);
	assert_string_equal(got.op.path, "/etc/x");
	wire_op_release(&o);
	wire_op_release(&got);
	buf_release(&a);
	buf_release(&b);
}

/* What is an enum in a blob is a number there: each of its values, and none behind the last. */
static void
every_value_of_every_enum_in_a_blob_comes_out_as_it_went_in(void **state)
{
	static const enum accept accepts[] = { ACCEPT_PLAIN, ACCEPT_BOTH, ACCEPT_TLS, ACCEPT_MUTUAL, ACCEPT_UNKNOWN };
	struct wire_op o = an_op(), ogot;
	struct check c = a_check(), cgot;
	struct wire_lease l = { .phase = LEASE_TAKE, .holder = "00ff" }, lgot;
	struct op_result r = { .outcome = OP_FRESH, .exit_status = -1 }, rgot;
	struct buf b = { 0 };
	struct err err;
	int i, syntax, taken = 0;

	(void)state;
	for (i = 0; i <= CHECK_COUNT; i++) {
		c.kind = (enum check_kind)i;
		c.accept = accepts[i % 5];
		c.proto_min = (enum proto)(i % (PROTO_TLS1_3 + 1));
		buf_clear(&b);
		check_encode(&c, &b);
		assert_int_equal(check_decode(&cgot, b.data, b.len, &err), i < CHECK_COUNT ? 0 : -1);
		if (i == CHECK_COUNT)
			break;
		assert_int_equal(cgot.kind, i);
		assert_int_equal(cgot.accept, c.accept);
		assert_int_equal(cgot.proto_min, c.proto_min);
		check_release(&cgot);
	}
	for (i = 0; i <= LEASE_PHASE_COUNT; i++) {
		l.phase = (enum lease_phase)i;
		buf_clear(&b);
		wire_lease_encode(&l, &b);
		assert_int_equal(wire_lease_decode(&lgot, b.data, b.len, &err), i < LEASE_PHASE_COUNT ? 0 : -1);
		assert_true(i == LEASE_PHASE_COUNT || (int)lgot.phase == i);
	}
	for (i = 0; i <= OP_OUTCOME_COUNT; i++) {
		r.outcome = (enum op_outcome)i;
		buf_clear(&b);
		op_result_encode(&r, &b);
		assert_int_equal(op_result_decode(&rgot, b.data, b.len, &err), i < OP_OUTCOME_COUNT ? 0 : -1);
		if (i == OP_OUTCOME_COUNT)
			break;
		assert_int_equal(rgot.outcome, i);
		op_result_release(&rgot);
	}
	/* An op of every kind, with every syntax: whatever fits comes through. */
	o.op.run = mem_strdup("true");
	o.op.endpoint = 1;
	*(struct pair *)mem_push(&o.op.set.v, &o.op.set.n, sizeof(struct pair)) =
	    (struct pair){ .key = mem_strdup("a"), .value = mem_strdup("b") };
	for (i = 0; i < OP_KIND_COUNT; i++)
		for (syntax = 0; syntax < TEXT_SYNTAX_COUNT; syntax++) {
			o.op.kind = (enum op_kind)i;
			o.op.syntax = (enum text_syntax)syntax;
			buf_clear(&b);
			wire_op_encode(&o, &b);
			if (wire_op_decode(&ogot, b.data, b.len, &err) == -1)
				continue;
			assert_int_equal(ogot.op.kind, i);
			assert_int_equal(ogot.op.syntax, syntax);
			wire_op_release(&ogot);
			taken++;
		}
	/* By name, each syntax has its one kind; the five others have any. */
	assert_int_equal(taken, TEXT_SYNTAX_COUNT + 5 * TEXT_SYNTAX_COUNT);
	check_release(&c);
	wire_op_release(&o);
	buf_release(&b);
}

/* ---- what an enemy sends ---- */

static int
decode_blob(int which, const void *p, size_t len)
{
	struct check c;
	struct wire_fleet f;
	struct wire_host h;
	struct wire_op o;
	struct err err;
	char *a, *b;

	switch (which) {
	case 0:
		if (check_decode(&c, p, len, &err) == -1)
			return -1;
		check_release(&c);
		return 0;
	case 1:
		if (wire_fleet_decode(&f, p, len, &err) == -1)
			return -1;
		wire_fleet_release(&f);
		return 0;
	case 2:
		if (wire_host_decode(&h, p, len, &err) == -1)
			return -1;
		wire_host_release(&h);
		return 0;
	case 3:
		if (wire_op_decode(&o, p, len, &err) == -1)
			return -1;
		wire_op_release(&o);
		return 0;
	case 4:
		if (wire_strings_decode(&a, &b, p, len, &err) == -1)
			return -1;
		free(a);
		free(b);
		return 0;
	}
	fail();
	return -1;
}
#define BLOBS 5

static void
sample_blob(int which, struct buf *out)
{
	struct check c = a_check();
	struct wire_fleet f = { .path = (char[]){ "f.yaml" }, .text = (char[]){ "belay: fleet/1\n" }, .len = 15, .workers = 1 };
	struct wire_host h = { .transport = (char[]){ "libssh2" }, .address = (char[]){ "10.0.0.1" } };
	struct wire_op o = an_op();

	switch (which) {
	case 0: check_encode(&c, out); break;
	case 1: wire_fleet_encode(&f, out); break;
	case 2: wire_host_encode(&h, out); break;
	case 3: wire_op_encode(&o, out); break;
	case 4: wire_strings_encode("a", "b", out); break;
	}
	check_release(&c);
	wire_op_release(&o);
}

static void
truncated_or_longer_blob_is_refused(void **state)
{
	struct buf b = { 0 };
	char *exact;
	size_t i;
	int which;

	(void)state;
	for (which = 0; which < BLOBS; which++) {
		buf_clear(&b);
		sample_blob(which, &b);
		assert_int_equal(decode_blob(which, b.data, b.len), 0);
		for (i = 0; i < b.len; i++) {
			/* In memory of exactly that size, so that a read too far is one that ASan sees. */
			exact = malloc(i == 0 ? 1 : i);
			assert_non_null(exact);
			memcpy(exact, b.data, i);
			assert_int_equal(decode_blob(which, exact, i), -1);
			free(exact);
		}
		buf_putc(&b, 'x');
		assert_int_equal(decode_blob(which, b.data, b.len), -1);
	}
	buf_release(&b);
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void
mutated_frames_and_blobs_do_no_harm(void **state)
{
	struct message m, got;
	struct buf whole = { 0 }, b = { 0 };
	struct err err;
	uint32_t seed = 20260103;
	int kind, i, n, rc, taken = 0, refused = 0;

	(void)state;
	for (kind = 0; kind < MESSAGE_COUNT + BLOBS; kind++) {
		buf_clear(&whole);
		if (kind < MESSAGE_COUNT) {
			m = a_message((enum message_kind)kind);
			encode(&m, &whole);
			message_release(&m);
		} else
			sample_blob(kind - MESSAGE_COUNT, &whole);
		for (i = 0; i < 3000; i++) {
			buf_clear(&b);
			buf_put(&b, whole.data, whole.len);
			for (n = 1 + (int)(next_random(&seed) % 4); n > 0; n--)
				b.data[next_random(&seed) % b.len] = (char)next_random(&seed);
			if (kind < MESSAGE_COUNT) {
				rc = message_decode(&b, &got, &err);
				if (rc == 1)
					message_release(&got);
			} else
				rc = decode_blob(kind - MESSAGE_COUNT, b.data, b.len);
			if (rc == -1)
				refused++;
			else
				taken++;
		}
	}
	print_message("# %d mutations: %d refused, %d read as something\n", taken + refused, refused, taken);
	assert_true(refused > taken / 4);
	buf_release(&whole);
	buf_release(&b);
}

static void
direction_of_each_kind_is_known(void **state)
{
	(void)state;
	assert_false(message_goes_up(MSG_FLEET));
	assert_false(message_goes_up(MSG_OP));
	assert_false(message_goes_up(MSG_WAKE));
	assert_true(message_goes_up(MSG_READY));
	assert_true(message_goes_up(MSG_OP_TEXT));
	assert_string_equal(message_word(MSG_OP_DONE), "op-done");
}

static void
a_lease_comes_back_as_it_was(void **state)
{
	struct wire_lease l = { .phase = LEASE_LOOK, .displace = true, .ttl_s = LEASE_TTL_MAX_S,
	    .token = INT64_MAX, .holder = "00ff", .who = "ops@bastion", .doing = "plan, step 'x'" }, back;
	struct buf b = { 0 };
	struct err err;
	size_t i;

	(void)state;
	wire_lease_encode(&l, &b);
	assert_int_equal(wire_lease_decode(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.phase, LEASE_LOOK);
	assert_true(back.displace);
	assert_int_equal(back.ttl_s, LEASE_TTL_MAX_S);
	assert_true(back.token == INT64_MAX);
	assert_string_equal(back.holder, l.holder);
	assert_string_equal(back.who, l.who);
	assert_string_equal(back.doing, l.doing);
	for (i = 0; i < b.len; i++)
		assert_int_equal(wire_lease_decode(&back, b.data, i, &err), -1);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_comes_back_as_it_was),
		cmocka_unit_test(every_message_comes_out_as_it_went_in),
		cmocka_unit_test(every_word_of_every_list_comes_out_as_it_went_in),
		cmocka_unit_test(every_value_of_every_enum_in_a_blob_comes_out_as_it_went_in),
		cmocka_unit_test(frame_is_waited_for_at_every_length),
		cmocka_unit_test(head_holds_no_byte_of_a_blob),
		cmocka_unit_test(head_with_anything_odd_in_it_is_refused),
		cmocka_unit_test(lengths_beyond_their_caps_are_refused_before_they_arrive),
		cmocka_unit_test(blob_too_large_for_its_kind_is_not_sent),
		cmocka_unit_test(check_comes_out_as_it_went_in),
		cmocka_unit_test(fleet_host_and_strings_come_out_as_they_went_in),
		cmocka_unit_test(op_comes_out_as_it_went_in),
		cmocka_unit_test(truncated_or_longer_blob_is_refused),
		cmocka_unit_test(mutated_frames_and_blobs_do_no_harm),
		cmocka_unit_test(direction_of_each_kind_is_known),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
