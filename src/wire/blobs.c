/*
 * blobs: what the messages carry beside their heads; see wire.h.
 *
 * Each pair of functions writes and reads its struct field by field, in one
 * order.  Readers check ranges and lengths, not meanings: whether a host of that number
 * exists is for whoever has the fleet.
 */
#include "wire/wire.h"

#include <stdlib.h>
#include <string.h>

#include "core/blob.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/trust.h"

#define CHECK_STRING_MAX	((size_t)64 << 10)

/* ---- checks ---- */

void
check_encode(const struct check *c, struct buf *out)
{
	blob_put_int(out, c->kind);
	blob_put_int(out, c->implied);
	blob_put_str(out, c->name);
	blob_put_int(out, c->endpoint);
	blob_put_int(out, c->link);
	blob_put_int(out, c->host);
	blob_put_int(out, c->accept);
	blob_put_int(out, c->dial);
	blob_put_int(out, c->known);
	blob_put_int(out, c->trust);
	blob_put_int(out, c->lands);
	blob_put_int(out, c->proto_min);
	blob_put_str(out, c->cipher);
	blob_put_str(out, c->setting);
	blob_put_str(out, c->value);
	blob_put_str(out, c->contains);
	blob_put_str(out, c->absent);
	blob_put_str(out, c->url);
	blob_put_int(out, c->status);
	blob_put_str(out, c->run);
	blob_put_str(out, c->in);
	blob_put_str(out, c->text);
	blob_put_int(out, c->deadline_ms);
}

int
check_decode(struct check *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct check c = { 0 };

	blob_read(&r, p, len_bytes);
	c.kind = (enum check_kind)blob_int(&r, 0, CHECK_COUNT - 1);
	c.implied = blob_bool(&r);
	c.name = blob_str(&r, CHECK_STRING_MAX);
	c.endpoint = (int)blob_int(&r, NONE, FLEET_ITEMS_MAX - 1);
	c.link = (int)blob_int(&r, NONE, FLEET_ITEMS_MAX - 1);
	c.host = (int)blob_int(&r, NONE, FLEET_ITEMS_MAX - 1);
	c.accept = (enum accept)blob_int(&r, 0, ACCEPT_UNKNOWN);
	c.dial = (enum dial)blob_int(&r, 0, DIAL_UNKNOWN);
	c.known = (enum dial)blob_int(&r, 0, DIAL_UNKNOWN);
	c.trust = (int)blob_int(&r, NONE, TRUST_VALUE_MAX);
	c.lands = blob_bool(&r);
	c.proto_min = (enum proto)blob_int(&r, 0, PROTO_TLS1_3);
	c.cipher = blob_str(&r, CHECK_STRING_MAX);
	c.setting = blob_str(&r, CHECK_STRING_MAX);
	c.value = blob_str(&r, CHECK_STRING_MAX);
	c.contains = blob_str(&r, CHECK_STRING_MAX);
	c.absent = blob_str(&r, CHECK_STRING_MAX);
	c.url = blob_str(&r, CHECK_STRING_MAX);
	c.status = (int)blob_int(&r, INT32_MIN, INT32_MAX);
	c.run = blob_str(&r, CHECK_STRING_MAX);
	c.in = blob_str(&r, CHECK_STRING_MAX);
	c.text = blob_str(&r, CHECK_STRING_MAX);
	c.deadline_ms = blob_int(&r, 0, WIRE_DEADLINE_MAX_MS);
	if (!blob_done(&r)) {
		check_release(&c);
		return err_set(err, "malformed check");
	}
	*ret = c;
	return 0;
}

/* ---- the fleet ---- */

void
wire_fleet_encode(const struct wire_fleet *f, struct buf *out)
{
	blob_put_str(out, f->path);
	blob_put_bytes(out, f->text, f->len);
	blob_put_str(out, f->ssh_config);
	blob_put_bytes(out, f->key, sizeof(f->key));
	blob_put_int(out, f->worker);
	blob_put_int(out, f->workers);
}

int
wire_fleet_decode(struct wire_fleet *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct wire_fleet f = { 0 };
	char *key;
	size_t key_len;
	bool good;

	blob_read(&r, p, len_bytes);
	f.path = blob_str(&r, 4096);
	f.text = blob_bytes(&r, FLEET_FILE_MAX, &f.len);
	f.ssh_config = blob_str(&r, 4096);
	key = blob_bytes(&r, sizeof(f.key), &key_len);
	f.worker = (int)blob_int(&r, 0, FLEET_ITEMS_MAX - 1);
	f.workers = (int)blob_int(&r, 1, FLEET_ITEMS_MAX);
	good = blob_done(&r) && f.path != NULL && f.text != NULL && key != NULL && key_len == sizeof(f.key) &&
	    f.worker < f.workers;
	if (good)
		memcpy(f.key, key, sizeof(f.key));
	mem_wipe_free(key, key_len);
	if (!good) {
		wire_fleet_release(&f);
		return err_set(err, "malformed fleet");
	}
	*ret = f;
	return 0;
}

void
wire_fleet_release(struct wire_fleet *f)
{
	free(f->path);
	free(f->text);
	free(f->ssh_config);
	mem_wipe(f, sizeof(*f));
}

/* ---- ops ---- */

void
wire_op_encode(const struct wire_op *o, struct buf *out)
{
	struct buf op = { .secret = true };
	size_t i;

	blob_put_str(out, o->expect_sha);
	blob_put_str(out, o->who);
	blob_put_str(out, o->plan_sha);
	blob_put_int(out, o->token);
	blob_put_int(out, o->keep);
	blob_put_int(out, (int64_t)o->unseen.n);
	for (i = 0; i < o->unseen.n; i++)
		blob_put_int(out, o->unseen.v[i]);
	blob_put_str(out, o->wayback);
	op_encode(&o->op, &op);
	blob_put_bytes(out, op.data, op.len);
	buf_release(&op);
}

int
wire_op_decode(struct wire_op *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct wire_op o;
	char *op;
	size_t op_len;
	int64_t i, n;
	int rc = -1;

	memset(&o, 0, sizeof(o));
	blob_read(&r, p, len_bytes);
	blob_fixed(&r, o.expect_sha, sizeof(o.expect_sha));
	blob_fixed(&r, o.who, sizeof(o.who));
	blob_fixed(&r, o.plan_sha, sizeof(o.plan_sha));
	o.token = blob_int(&r, 0, INT64_MAX);
	o.keep = blob_int(&r, 0, 1) != 0;
	n = blob_int(&r, 0, FLEET_ITEMS_MAX);
	for (i = 0; i < n; i++)
		*(int *)mem_push(&o.unseen.v, &o.unseen.n, sizeof(int)) = (int)blob_int(&r, 0, FLEET_ITEMS_MAX);
	o.wayback = blob_str(&r, WIRE_WAYBACK_MAX);
	op = blob_bytes(&r, WIRE_BLOB_MAX, &op_len);
	if (!blob_done(&r) || op == NULL)
		err_set(err, "malformed op");
	else
		rc = op_decode(&o.op, op, op_len, err);
	mem_wipe_free(op, op_len);
	if (rc == 0)
		*ret = o;
	else {
		free(o.unseen.v);
		free(o.wayback);
	}
	return rc;
}

void
wire_op_release(struct wire_op *o)
{
	op_release(&o->op);
	free(o->unseen.v);
	free(o->wayback);
	memset(o, 0, sizeof(*o));
}

/* ---- leases ---- */

void
wire_lease_encode(const struct wire_lease *l, struct buf *out)
{
	blob_put_int(out, l->phase);
	blob_put_int(out, l->displace);
	blob_put_int(out, l->ttl_s);
	blob_put_int(out, l->token);
	blob_put_str(out, l->holder);
	blob_put_str(out, l->who);
	blob_put_str(out, l->doing);
}

int
wire_lease_decode(struct wire_lease *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct wire_lease l;

	memset(&l, 0, sizeof(l));
	blob_read(&r, p, len_bytes);
	l.phase = (enum lease_phase)blob_int(&r, 0, LEASE_PHASE_COUNT - 1);
	l.displace = blob_int(&r, 0, 1) != 0;
	l.ttl_s = (int)blob_int(&r, 0, LEASE_TTL_MAX_S);
	l.token = blob_int(&r, 0, INT64_MAX);
	blob_fixed(&r, l.holder, sizeof(l.holder));
	blob_fixed(&r, l.who, sizeof(l.who));
	blob_fixed(&r, l.doing, sizeof(l.doing));
	if (!blob_done(&r))
		return err_set(err, "malformed lease");
	*ret = l;
	return 0;
}

/* ---- hosts ---- */

/* Remote words are cut rather than refused: they are for people only. */
static void
put_cut(struct buf *out, const char *s)
{
	if (s == NULL)
		blob_put_str(out, NULL);
	else
		blob_put_bytes(out, s, strnlen(s, WIRE_HOST_STRING_MAX));
}

void
wire_host_encode(const struct wire_host *h, struct buf *out)
{
	put_cut(out, h->transport);
	put_cut(out, h->subject);
	put_cut(out, h->keytype);
	put_cut(out, h->why);
	put_cut(out, h->address);
}

int
wire_host_decode(struct wire_host *ret, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	struct wire_host h;

	blob_read(&r, p, len_bytes);
	h.transport = blob_str(&r, WIRE_HOST_STRING_MAX);
	h.subject = blob_str(&r, WIRE_HOST_STRING_MAX);
	h.keytype = blob_str(&r, WIRE_HOST_STRING_MAX);
	h.why = blob_str(&r, WIRE_HOST_STRING_MAX);
	h.address = blob_str(&r, WIRE_HOST_STRING_MAX);
	if (!blob_done(&r)) {
		wire_host_release(&h);
		return err_set(err, "malformed host");
	}
	*ret = h;
	return 0;
}

void
wire_host_release(struct wire_host *h)
{
	free(h->transport);
	free(h->subject);
	free(h->keytype);
	free(h->why);
	free(h->address);
	memset(h, 0, sizeof(*h));
}

/* ---- two strings ---- */

void
wire_strings_encode(const char *a, const char *b, struct buf *out)
{
	blob_put_str(out, a);
	blob_put_str(out, b);
}

int
wire_strings_decode(char **ret_a, char **ret_b, const void *p, size_t len_bytes, struct err *err)
{
	struct blob_reader r;
	char *a, *b;

	blob_read(&r, p, len_bytes);
	a = blob_str(&r, WIRE_SECRET_MAX);
	b = blob_str(&r, WIRE_SECRET_MAX);
	if (!blob_done(&r) || a == NULL || b == NULL) {
		free(a);
		mem_wipe_free(b, b == NULL ? 0 : strlen(b));
		return err_set(err, "malformed strings");
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}
