/*
 * targets_core: fleet and plan files, readings, ops, messages, text, env
 * files.  See targets.h.
 */
#include "tests/fuzz/targets.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/board.h"
#include "core/buf.h"
#include "core/envfile.h"
#include "core/err.h"
#include "core/gate.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/reading.h"
#include "core/text.h"
#include "wire/wire.h"

static void
same_bytes(const struct buf *a, const struct buf *b, const char *what)
{
	if (a->len != b->len || memcmp(buf_str(a), buf_str(b), a->len) != 0)
		broken("%s: the second round says something else", what);
}

/* ---- files ---- */

/* "path:line:col: words", or without a place where the file as a whole is wrong. */
static void
complaint(const struct err *err)
{
	if (strncmp(err->msg, "f:", 2) != 0 || strlen(err->msg) < 8)
		broken("a complaint without its file: '%s'", err->msg);
}

static void
fleet_walk(const struct fleet *f)
{
	struct strings files = { NULL, 0 };
	const char *names[READING_NAMES_MAX];
	size_t i;
	int d;

	for (i = 0; i < f->nhosts; i++) {
		if (fleet_host(f, f->hosts[i].name) != (int)i)
			broken("host '%s' is not found by its name", f->hosts[i].name);
		facets_files(&files, f, (int)i);
	}
	while (files.n > 0)
		free(files.v[--files.n]);
	free(files.v);
	for (i = 0; i < f->nendpoints; i++)
		(void)served_names(f, (int)i, names);
	for (i = 0; i < f->nlinks; i++) {
		const struct link *l = &f->links[i];

		if (fleet_link(f, l->name) != (int)i)
			broken("link '%s' is not found by its name", l->name);
		if (l->client < 0 || (size_t)l->client >= f->nclients ||
		    l->endpoint < 0 || (size_t)l->endpoint >= f->nendpoints)
			broken("link '%s' has an end that is not there", l->name);
		(void)link_dials_name(f, l);
		(void)link_host(f, l);
		for (d = 0; d < DIAL_COUNT; d++)
			(void)link_dials_port(f, l, (enum dial)d);
	}
}

static bool
feed_fleet(const char *p, size_t len)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, "f", p, len, &err) != 0) {
		complaint(&err);
		return false;
	}
	fleet_walk(f);
	fleet_free(f);
	return true;
}

/* An op goes to a worker and comes out as it went in. */
static void
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

static void
plan_walk(const struct plan *plan, const struct fleet *f)
{
	struct posture p;
	struct ops ops;
	struct err err;
	const char *why;
	size_t s, i;

	posture_from(&p, f, plan);
	for (s = 0; s < plan->nsteps; s++) {
		if (plan_step(plan, plan->steps[s].id) != (int)s)
			broken("step '%s' is not found by its id", plan->steps[s].id);
		posture_step(&p, f, &plan->steps[s]);
		for (i = 0; i < f->nlinks; i++)
			(void)posture_verdict(f, &p, (int)i, &why);
		memset(&ops, 0, sizeof(ops));
		if (ops_of_step(&ops, f, plan, (int)s, "20260101T000000Z-0000", NULL, NULL, &err) == 0) {
			for (i = 0; i < ops.n; i++)
				op_round(&ops.v[i]);
			ops_release(&ops);
		}
	}
	posture_release(&p);
}

static bool
feed_plan(const char *p, size_t len)
{
	const struct fleet *f = worked_fleet();
	struct plan *plan, *again;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	if (plan_parse(&plan, f, "f", p, len, &err) != 0) {
		complaint(&err);
		return false;
	}
	plan_walk(plan, f);
	plan_print(plan, f, &a);
	/* What a `for` has made of little may be more than a file may hold. */
	if (a.len <= FLEET_FILE_MAX) {
		if (plan_parse(&again, f, "f", buf_str(&a), a.len, &err) != 0)
			broken("a printed plan is not read: %s\n%s", err.msg, buf_str(&a));
		plan_print(again, f, &b);
		same_bytes(&a, &b, "printed plan");
		plan_free(again);
	}
	plan_free(plan);
	buf_release(&a);
	buf_release(&b);
	return true;
}

/* ---- what workers say ---- */

static const struct plan *
worked_plan(void)
{
	static struct plan *plan;
	struct err err;
	char *text;
	size_t len;

	if (plan != NULL)
		return plan;
	if ((text = file_read(WORKED_PLAN, &len)) == NULL ||
	    plan_parse(&plan, worked_fleet(), WORKED_PLAN, text, len, &err) != 0)
		broken("cannot read %s", WORKED_PLAN);
	free(text);
	return plan;
}

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
		case READING_CHECK:
			r.check_passed = true;
			break;
		}
		reading_encode(&r, &b);
		take(arg, b.data, b.len);
		buf_clear(&b);
		reading_release(&r);
	}
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
	char path[] = "/etc/app/ca.crt", content[] = "-----BEGIN CERTIFICATE-----\n", owner[] = "70:70";

	each_op(seed_op, &s);
	(void)memcpy(file.id, "r/s/1", 6);
	file.path = path;
	file.content = content;
	file.len = sizeof(content) - 1;
	file.owner = owner;
	seed_op(&s, &file);
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
	buf_clear(&b);
	(void)buf_putc(&b, 's');
	wire_strings_encode(path, text, &b);
	take(arg, b.data, b.len);
	buf_release(&b);
}

/* ---- text ---- */

/* The code point at p, by the letter of RFC 3629; 0 bytes where there is none. */
static size_t
utf8(const unsigned char *p, size_t len, uint32_t *ret)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	size_t i;

	if (n == 0 || n > len)
		return 0;
	*ret = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (p[i] & 0x3fu);
	}
	if (*ret < least[n] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff))
		return 0;
	return n;
}

/* What no terminal may be sent, by a table that is not the sanitiser's own. */
static bool
harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	    (c >= 0xe000 && c <= 0xf8ff) || c >= 0xe0000;
}

static void
clean_is_clean(const struct buf *clean)
{
	const unsigned char *p = (const unsigned char *)buf_str(clean);
	size_t i, n, marks = 0;
	uint32_t c;

	for (i = 0; i < clean->len; i += n) {
		if ((n = utf8(p + i, clean->len - i, &c)) == 0)
			broken("clean text is not UTF-8 at byte %zu", i);
		if (harmful(c))
			broken("clean text has U+%04" PRIX32, c);
		marks = c >= 0x300 && c <= 0x36f ? marks + 1 : 0;
		if (marks > TEXT_MARKS_MAX)
			broken("%zu marks on one character", marks);
	}
}

/* What a POSIX shell makes of one word; broken() where it is not one word. */
static void
unquote(const char *p, struct buf *out)
{
	bool quoted = false;

	for (; *p != '\0'; p++)
		if (*p == '\'')
			quoted = !quoted;
		else if (!quoted && *p == '\\') {
			if (*++p == '\0')
				broken("a quoted word ends in a backslash");
			(void)buf_putc(out, *p);
		} else if (!quoted && strchr(" \t\n|&;<>()$`\"*?[#~=", *p) != NULL)
			broken("a quoted word has a bare '%c'", *p);
		else
			(void)buf_putc(out, *p);
	if (quoted)
		broken("a quoted word that is left open");
}

static bool
feed_text(const char *p, size_t len)
{
	static const char *const candidates[] = { "accept", "dial", "trust", "postgres", "$(s)", NULL };
	struct buf clean, again, word, back;
	char *string = mem_strndup(p, len);
	char small[8];
	size_t cells, fit, w, before = 0;
	int64_t ms;

	buf_init(&clean, 0);
	buf_init(&again, 0);
	buf_init(&word, 0);
	buf_init(&back, 0);
	text_clean(&clean, p, len);
	clean_is_clean(&clean);
	text_clean(&again, buf_str(&clean), clean.len);
	same_bytes(&clean, &again, "clean text");
	for (w = 0; w < 12; w++) {
		fit = text_fit(buf_str(&clean), w, &cells);
		if (fit > clean.len || cells > w || fit < before)
			broken("%zu bytes in %zu cells of %zu", fit, cells, w);
		before = fit;
	}
	if (text_fit(buf_str(&clean), SIZE_MAX, &cells) != clean.len || cells != text_width(buf_str(&clean)))
		broken("all of a text does not fit in any width");
	text_shell_quote(&word, string);
	unquote(buf_str(&word), &back);
	if (strcmp(buf_str(&back), string) != 0)
		broken("a shell would read another word");
	buf_clear(&word);
	buf_clear(&back);
	text_base64(&word, p, len);
	if (text_base64_decode(&back, buf_str(&word), word.len) != 0 || back.len != len ||
	    memcmp(buf_str(&back), p, len) != 0)
		broken("base64 is not read back");
	buf_clear(&back);
	(void)text_base64_decode(&back, p, len);
	(void)text_nearest(string, candidates);
	if ((ms = text_duration_ms(string)) >= 0)
		text_age(small, sizeof(small), ms);
	free(string);
	buf_release(&clean);
	buf_release(&again);
	buf_release(&word);
	buf_release(&back);
	return true;
}

/* ---- env files ---- */

/*
 * Lines "KEY value" and "-KEY" up to an empty one, then the file.  In a
 * value, \n stands for a line break.
 */
struct edit {
	struct pairs set;
	struct strings unset;
	const char *file;
	size_t	 len;
};

static bool
edit_has(const struct edit *e, const char *key)
{
	size_t i;

	for (i = 0; i < e->set.n; i++)
		if (strcmp(e->set.v[i].key, key) == 0)
			return true;
	for (i = 0; i < e->unset.n; i++)
		if (strcmp(e->unset.v[i], key) == 0)
			return true;
	return false;
}

static void
edit_release(struct edit *e)
{
	while (e->set.n > 0) {
		e->set.n--;
		free(e->set.v[e->set.n].key);
		free(e->set.v[e->set.n].value);
	}
	free(e->set.v);
	while (e->unset.n > 0)
		free(e->unset.v[--e->unset.n]);
	free(e->unset.v);
}

static char *
value_of(const char *p)
{
	char *v = mem_strdup(p), *to = v;

	for (; *p != '\0'; p++)
		if (p[0] == '\\' && p[1] == 'n') {
			*to++ = '\n';
			p++;
		} else
			*to++ = *p;
	*to = '\0';
	return v;
}

static bool
edit_read(struct edit *e, const char *p, size_t len)
{
	const char *end;
	char *line, *value;
	struct pair *pair;

	memset(e, 0, sizeof(*e));
	for (; len > 0 && *p != '\n'; len -= (size_t)(end - p) + 1, p = end + 1) {
		if ((end = memchr(p, '\n', len)) == NULL || e->set.n + e->unset.n == 8)
			return false;
		line = mem_strndup(p, (size_t)(end - p));
		if ((value = strchr(line, ' ')) != NULL)
			*value++ = '\0';
		/* The fleet's reader lets no other key come here, and none twice. */
		if (!envfile_key_valid(*line == '-' ? line + 1 : line) ||
		    edit_has(e, *line == '-' ? line + 1 : line)) {
			free(line);
			return false;
		}
		if (*line == '-')
			*(char **)mem_push(&e->unset.v, &e->unset.n, sizeof(char *)) = mem_strdup(line + 1);
		else {
			pair = mem_push(&e->set.v, &e->set.n, sizeof(*pair));
			pair->key = mem_strdup(line);
			pair->value = value_of(value == NULL ? "" : value);
		}
		free(line);
	}
	if (len == 0)
		return false;
	e->file = p + 1;
	e->len = len - 1;
	return true;
}

static void
has_value(const struct buf *text, const char *key, bool set, const char *value, size_t len, const char *what)
{
	struct buf got = { 0 };
	bool there = envfile_get(buf_str(text), text->len, key, &got);

	if (there != set || (set && (got.len != len || memcmp(buf_str(&got), value, len) != 0)))
		broken("%s: '%s' has another value", what, key);
	buf_release(&got);
}

/* Back again: our keys have the value that they had. */
static void
way_back(const struct edit *e, const struct buf *after)
{
	struct buf back = { 0 }, was = { 0 };
	struct strings drift = { NULL, 0 };
	size_t i, n = e->set.n + e->unset.n;
	const char *key;
	bool there;

	if (envfile_restore(&back, e->file, e->len, &e->set, &e->unset, buf_str(after), after->len, &drift) != 0)
		broken("what we wrote ourselves is drift: '%s'", drift.v[0]);
	for (i = 0; i < n; i++) {
		key = i < e->set.n ? e->set.v[i].key : e->unset.v[i - e->set.n];
		there = envfile_get(e->file, e->len, key, &was);
		has_value(&back, key, there, buf_str(&was), was.len, "the way back");
		buf_clear(&was);
	}
	buf_release(&back);
	buf_release(&was);
}

static bool
feed_envfile(const char *p, size_t len)
{
	struct edit e;
	struct buf after = { 0 }, twice = { 0 };
	size_t i;
	bool taken;

	if (!edit_read(&e, p, len)) {
		edit_release(&e);
		return false;
	}
	if ((taken = envfile_edit(&after, e.file, e.len, &e.set, &e.unset))) {
		for (i = 0; i < e.set.n; i++)
			has_value(&after, e.set.v[i].key, true, e.set.v[i].value,
			    strlen(e.set.v[i].value), "edit");
		for (i = 0; i < e.unset.n; i++)
			has_value(&after, e.unset.v[i], false, "", 0, "edit");
		if (!envfile_edit(&twice, buf_str(&after), after.len, &e.set, &e.unset))
			broken("an edit cannot be made twice");
		same_bytes(&after, &twice, "edit");
		way_back(&e, &after);
	}
	edit_release(&e);
	buf_release(&after);
	buf_release(&twice);
	return taken;
}

const struct target core_targets[] = {
	{ "fleet", feed_fleet, NULL, 8192, true },
	{ "plan", feed_plan, NULL, 4096, true },
	{ "reading", feed_reading, seeds_reading, 4096, true },
	{ "op", feed_op, seeds_op, 4096, true },
	{ "op_result", feed_op_result, seeds_op_result, 2048, true },
	{ "message", feed_message, seeds_message, 4096, true },
	{ "blobs", feed_blobs, seeds_blobs, 4096, true },
	{ "text", feed_text, NULL, 512, false },
	{ "envfile", feed_envfile, NULL, 2048, true },
};
const size_t core_target_count = sizeof(core_targets) / sizeof(core_targets[0]);
