/*
 * hostops_setting: carries out settings of a running server (core/setting.h).
 *
 * The statements go from here; the record lies on the endpoint's host, and a hold
 * of its lock (host.sh) is around both: take the lock and read the record,
 * read the values, decide, write the record's intent, set the values, read
 * them again, write the record's end.  Each arrow of the chain is an event.
 *
 * Invariants:
 *  1. A statement that changes something is sent only while the hold waits with the
 *     intent on disk.
 *  2. What a name is decided by is its value under the lock: as before, as we set it, or
 *     drift, and then nothing is set at all.
 *  3. Where an end is not known, the record stays as it is: the server is asked by
 *     the next RECORD or UNDO.
 *
 * Between CONFIG SET and CONFIG REWRITE of a Redis lies a state that no question
 * shows.  A record that says intent is therefore CUT, and an undo always rewrites.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "remote/hostops_int.h"
#include "remote/probe.h"
#include "remote/settings.h"

#define HOLD_MAX_S	9000	/* what the host-side program takes */
#define HOLD_MORE_S	2	/* longer than we wait ourselves: it is we who say what became of it */

struct setting_run {
	struct hostop *h;
	const struct endpoint *ep;
	struct settings *io;
	struct pairs want;		/* the op's */
	char	*record;		/* its state; "none" */
	struct pairs before, after;	/* of the record, in the order of want; empty where there are none */
	struct pairs target;		/* what is being set */
	bool	 going;			/* the intent is on disk, or about to be */
	bool	 putting_back;		/* after a refusal */
	bool	 settled;		/* the host was told the outcome */
	char	*why;			/* of a refusal */
};

static void	read_values(struct setting_run *, settings_done *);

void
hostop_setting_free(struct hostop *h)
{
	struct setting_run *r = h->setting;

	h->setting = NULL;
	if (r == NULL)
		return;
	settings_free(r->io);
	pairs_release(&r->want);
	pairs_release(&r->before);
	pairs_release(&r->after);
	pairs_release(&r->target);
	free(r->record);
	free(r->why);
	free(r);
}

/* ---- what is told ---- */

static void
values_now(const struct setting_run *r, struct pairs *ret)
{
	size_t i;

	for (i = 0; i < r->want.n; i++)
		setting_push(ret, r->want.v[i].key, settings_seen(r->io, i)->value);
}

static void
sha_of(const struct pairs *pairs, char ret[DIGEST_HEX_SIZE])
{
	struct buf b;

	buf_init(&b, 0);
	setting_put_text(&b, pairs);
	digest_sha256_hex(buf_str(&b), b.len, ret);
	buf_release(&b);
}

static void
note(struct setting_run *r, const struct pairs *before, const struct pairs *after)
{
	char b[DIGEST_HEX_SIZE], a[DIGEST_HEX_SIZE];

	sha_of(before, b);
	sha_of(after, a);
	hostop_shas(r->h, b, a);
}

static void
put_value(struct buf *out, const char *value)
{
	if (value == NULL)
		(void)buf_puts(out, "not set");
	else
		(void)buf_printf(out, "'%.200s'", value);
}

static void
put_three_ways(const struct setting_run *r, size_t i, struct buf *out)
{
	(void)buf_printf(out, "%s\n  was       ", r->want.v[i].key);
	put_value(out, r->before.v[i].value);
	(void)buf_puts(out, "\n  we set    ");
	put_value(out, r->after.v[i].value);
	(void)buf_puts(out, "\n  is now    ");
	put_value(out, settings_seen(r->io, i)->value);
	(void)buf_puts(out, "\n");
}

static void
preview(const struct setting_run *r, struct buf *out)
{
	size_t i;

	for (i = 0; i < r->want.n; i++) {
		const struct setting_seen *seen = settings_seen(r->io, i);
		const char *name = r->want.v[i].key, *to = r->want.v[i].value;

		if (seen->refusal != NULL) {
			(void)buf_printf(out, " %s: %s\n", name, seen->refusal);
			continue;
		}
		if (setting_same(r->ep->kind, seen->value, to)) {
			if (to == NULL)
				(void)buf_printf(out, " %s is not set already\n", name);
			else
				(void)buf_printf(out, " %s = %s already\n", name, to);
			continue;
		}
		if (seen->value != NULL || seen->otherwise != NULL)
			(void)buf_printf(out, "-%s = %s\n", name, seen->value != NULL ? seen->value : seen->otherwise);
		if (to != NULL)
			(void)buf_printf(out, "+%s = %s  (%s)\n", name, to, seen->effect);
		else
			(void)buf_printf(out, "+%s is what its other files say, or the default  (%s)\n", name,
			    seen->effect);
	}
}

/* ---- ends ---- */

static void
stop(struct setting_run *r, enum op_outcome outcome)
{
	hostop_finish(r->h, outcome);
}

/* The server was not reached, or does not let itself be asked; nothing was set. */
static void
unread(struct setting_run *r, const struct settings_end *e)
{
	hostop_say(r->h, "%s", e->why);
	stop(r, r->h->verb == OPV_APPLY || e->end == STATEMENT_REFUSED ? OP_FAILED : OP_UNREACHED);
}

/* The hold is told; its end ends the op. */
static void
settle(struct setting_run *r, const char *word)
{
	r->settled = true;
	hostcall_say(&r->h->call, word, strlen(word));
	hostcall_say(&r->h->call, "\n", 1);
}

/* ---- setting ---- */

static void
verified(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;
	struct buf b;
	size_t i;

	if (e->end != STATEMENT_DONE) {
		hostop_say(r->h, "the values were set; then: %s", e->why);
		stop(r, OP_UNREACHED);
	} else if (settings_are(r->io, &r->target)) {
		settle(r, r->putting_back ? "failed" : r->h->verb == OPV_UNDO ? "undone" : "applied");
	} else {
		buf_init(&b, OP_TEXT_MAX);
		for (i = 0; i < r->want.n; i++)
			if (!setting_same(r->ep->kind, settings_seen(r->io, i)->value, r->target.v[i].value)) {
				(void)buf_printf(&b, "%s: we said ", r->want.v[i].key);
				put_value(&b, r->target.v[i].value);
				(void)buf_puts(&b, ", and it says ");
				put_value(&b, settings_seen(r->io, i)->value);
				(void)buf_puts(&b, "\n");
			}
		hostop_set_text(r->h, buf_str(&b), b.len);
		buf_release(&b);
		hostop_say(r->h, "'%s' took the change, and says something else: undo puts back what was", r->ep->name);
		stop(r, OP_FAILED);
	}
}

static void
put_back(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;

	if (e->end == STATEMENT_DONE) {
		read_values(r, verified);
		return;
	}
	hostop_say(r->h, "%s; a part of it stands, and putting it back: %s; undo does that", r->why, e->why);
	stop(r, OP_FAILED);
}

static void
read_to_put_back(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;

	if (e->end != STATEMENT_DONE)
		put_back(r, e);
	else
		settings_write(r->io, &r->target, false, put_back, r);
}

static void
written(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;

	if (e->end == STATEMENT_DONE) {
		read_values(r, verified);
		return;
	}
	if (e->end != STATEMENT_REFUSED) {
		hostop_say(r->h, "%s", e->why);
		stop(r, OP_UNREACHED);
		return;
	}
	hostop_say(r->h, "%s", e->why);
	if (r->h->verb == OPV_UNDO) {
		stop(r, OP_FAILED);
		return;
	}
	if (e->changed == 0) {
		settle(r, "failed");
		return;
	}
	/* All or nothing, so that the step can be tried again. */
	r->why = mem_strdup(e->why);
	r->putting_back = true;
	pairs_release(&r->target);
	memset(&r->target, 0, sizeof(r->target));
	{
		size_t i;

		for (i = 0; i < r->before.n; i++)
			setting_push(&r->target, r->before.v[i].key, r->before.v[i].value);
	}
	read_values(r, read_to_put_back);
}

/* ---- deciding, under the lock ---- */

static void
go(struct setting_run *r, const struct pairs *target)
{
	struct buf b;
	struct err err;
	size_t i;

	for (i = 0; i < target->n; i++)
		setting_push(&r->target, target->v[i].key, target->v[i].value);
	if (settings_may(r->io, &r->target, &err) != 0) {
		hostop_failed(r->h, &err);
		return;
	}
	note(r, &r->before, &r->after);
	buf_init(&b, 0);
	(void)buf_puts(&b, "go\n");
	if (r->h->verb == OPV_APPLY) {
		setting_put_text(&b, &r->before);
		(void)buf_putc(&b, '\n');
		setting_put_text(&b, &r->after);
		(void)buf_putc(&b, '\n');
	}
	r->going = r->h->wrote = true;
	hostcall_say(&r->h->call, b.data, b.len);
	buf_release(&b);
}

/* How many names have neither their value of before nor that of after; told in *out. */
static size_t
drift(const struct setting_run *r, struct buf *out)
{
	size_t i, n = 0;

	for (i = 0; i < r->want.n; i++) {
		const char *now = settings_seen(r->io, i)->value;

		if (setting_same(r->ep->kind, now, r->before.v[i].value) ||
		    setting_same(r->ep->kind, now, r->after.v[i].value))
			continue;
		put_three_ways(r, i, out);
		n++;
	}
	return n;
}

static void
drifted(struct setting_run *r, struct buf *ways, const char *then)
{
	note(r, &r->before, &r->after);
	hostop_say(r->h, "'%s': somebody changed what we had set there; %s", r->ep->name, then);
	hostop_drifted(r->h, buf_str(ways));
}

static void
apply(struct setting_run *r)
{
	struct pairs now = { NULL, 0 };
	char sha[DIGEST_HEX_SIZE];
	struct buf ways;
	struct hostop *h = r->h;

	buf_init(&ways, OP_TEXT_MAX);
	if (strcmp(r->record, "applied") == 0) {
		note(r, &r->before, &r->after);
		if (settings_are(r->io, &r->after))
			stop(r, OP_APPLIED);
		else {
			(void)drift(r, &ways);
			drifted(r, &ways, "undo first");
		}
	} else if (strcmp(r->record, "intent") == 0) {
		/* Begun before: from where it was left, and back to where it began. */
		if (drift(r, &ways) > 0)
			drifted(r, &ways, "nothing was set: undo, then look at it again");
		else
			go(r, &r->after);
	} else if (strcmp(r->record, "none") == 0 || strcmp(r->record, "undone") == 0 ||
	    strcmp(r->record, "failed") == 0) {
		values_now(r, &now);
		sha_of(&now, sha);
		if (h->order->expect_sha[0] != '\0' && strcmp(h->order->expect_sha, sha) != 0) {
			hostop_shas(h, sha, "");
			hostop_say(h, "'%s' has not the values that the preview saw; nothing was set: undo, then look "
			    "at it again", r->ep->name);
			pairs_release(&now);
			stop(r, OP_DRIFTED);
		} else {
			pairs_release(&r->before);
			pairs_release(&r->after);
			r->before = now;
			setting_wanted(h->op, &r->after);
			go(r, &r->after);
		}
	} else {
		hostop_say(h, "its record says %s: undo first", r->record);
		stop(r, OP_FAILED);
	}
	buf_release(&ways);
}

/* Back, but what somebody else set stays. */
static void
go_but(struct setting_run *r)
{
	struct pairs target = { NULL, 0 };
	struct buf names;
	size_t i;

	buf_init(&names, OP_WHY_MAX / 2);
	for (i = 0; i < r->want.n; i++) {
		const char *now = settings_seen(r->io, i)->value;
		bool theirs = !setting_same(r->ep->kind, now, r->before.v[i].value) &&
		    !setting_same(r->ep->kind, now, r->after.v[i].value);

		if (theirs)
			(void)buf_printf(&names, "%s%s", names.len == 0 ? "" : ", ", r->want.v[i].key);
		setting_push(&target, r->want.v[i].key, theirs ? now : r->before.v[i].value);
	}
	hostop_say(r->h, "left as somebody else set it: %s", buf_str(&names));
	go(r, &target);
	pairs_release(&target);
	buf_release(&names);
}

static void
undo(struct setting_run *r)
{
	struct buf ways;

	/* Without a record: was it ever set? */
	if (strcmp(r->record, "none") == 0) {
		if (settings_are(r->io, &r->want)) {
			hostop_say(r->h, "the host has no record of this run any more, so the values before are lost: "
			    "set '%s' by hand, then undo again", r->ep->name);
			stop(r, OP_FAILED);
		} else
			stop(r, OP_RESTORED);
		return;
	}
	buf_init(&ways, OP_TEXT_MAX);
	if (drift(r, &ways) == 0)
		go(r, &r->before);
	else if (r->h->order->keep)
		go_but(r);
	else
		drifted(r, &ways, "nothing was undone: put back ours or what was before and undo again, or keep what "
		    "is there");
	buf_release(&ways);
}

static void
decide(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;

	if (e->end != STATEMENT_DONE)
		unread(r, e);
	else if (r->h->verb == OPV_APPLY)
		apply(r);
	else
		undo(r);
}

static void
read_values(struct setting_run *r, settings_done *then)
{
	if (r->io == NULL)
		r->io = settings_new(r->h->set->c.probes, r->h->op->endpoint, &r->want, r->h->op->persist,
		    r->h->due - (int64_t)uv_now(r->h->set->c.loop));
	settings_read(r->io, then, r);
}

/* ---- the record ---- */

/*
 * One image, in the order of want.  Exactly the op's names: what a host says is
 * not what the server is told, unless it could have been.
 */
static int
take_image(const struct setting_run *r, const char *text, size_t len, struct pairs *ret, struct err *err)
{
	struct pairs found;
	size_t i, k;
	int rc = 0;

	if (setting_parse_text(&found, text, len, err) != 0)
		return -1;
	if (found.n != r->want.n)
		rc = err_set(err, "the record on the host is not of these settings");
	for (i = 0; rc == 0 && i < r->want.n; i++) {
		for (k = 0; k < found.n && !setting_name_same(found.v[k].key, r->want.v[i].key); k++)
			;
		if (k == found.n)
			rc = err_set(err, "the record on the host has nothing of '%s'", r->want.v[i].key);
		else if (found.v[k].value == NULL || (rc = setting_check(r->ep->kind, r->want.v[i].key,
		    found.v[k].value, err)) == 0)
			setting_push(ret, r->want.v[i].key, found.v[k].value);
	}
	pairs_release(&found);
	if (rc != 0)
		pairs_release(ret);
	return rc;
}

static int
take_record(struct setting_run *r, const struct host_answer *a, struct err *err)
{
	struct looked l;

	if (hostop_read_look(&l, a, NULL, err) != 0)
		return -1;
	r->record = mem_strdup(l.record);
	if (!l.has_before || !l.has_after)
		return 0;
	return take_image(r, l.before, l.before_len, &r->before, err) != 0 ||
	    take_image(r, l.after, l.after_len, &r->after, err) != 0 ? -1 : 0;
}

static bool
stands(const char *record)
{
	return strcmp(record, "intent") == 0 || strcmp(record, "applied") == 0 || strcmp(record, "undoing") == 0;
}

static void
locked(struct setting_run *r, const struct host_answer *a)
{
	struct hostop *h = r->h;
	struct err err;

	if (take_record(r, a, &err) != 0 || (stands(r->record) && r->before.n == 0)) {
		hostop_say(h, "the record on the host is damaged; the values before are under '%s'", h->op->id);
		stop(r, OP_FAILED);
		return;
	}
	if (h->verb == OPV_UNDO && (strcmp(r->record, "undone") == 0 || strcmp(r->record, "failed") == 0 ||
	    (strcmp(r->record, "none") == 0 && h->order->expect_sha[0] == '\0'))) {
		stop(r, OP_RESTORED);
		return;
	}
	read_values(r, decide);
}

static void
hold_waits(void *arg, const char *what, const struct host_answer *a)
{
	struct hostop *h = arg;
	struct setting_run *r = h->setting;

	if (strcmp(what, "locked") == 0 && r->record == NULL)
		locked(r, a);
	else if (strcmp(what, "holding") == 0 && r->going && !r->settled)
		settings_write(r->io, &r->target, h->op->persist && r->ep->kind == KIND_REDIS, written, r);
}

static void
hold_done(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct setting_run *r = h->setting;

	/* Whatever is under way at the server: nobody waits for it any more. */
	settings_free(r->io);
	r->io = NULL;
	if (hostop_no_answer(h, end, a, why))
		return;
	if (host_outcome_is(a, "applied", NULL))
		stop(r, OP_APPLIED);
	else if (host_outcome_is(a, "undone", NULL))
		stop(r, OP_RESTORED);
	else if (host_outcome_is(a, "failed", NULL)) {
		if (r->putting_back)
			hostop_say(h, "%s; what was set was put back", r->why);
		stop(r, OP_FAILED);
	} else
		hostop_malformed(h, a);
}

static void
hold(struct setting_run *r)
{
	static const struct hostcall_events events = { .done = hold_done, .waits = hold_waits };
	struct hostop *h = r->h;
	struct buf *q = hostop_request(h);
	struct err err;
	char seconds[32];
	int64_t left = (h->due - (int64_t)uv_now(h->set->c.loop)) / 1000;

	(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)((left > HOLD_MAX_S ? HOLD_MAX_S : left) + HOLD_MORE_S));
	if (hostop_write_headers(h, q, &err) != 0 ||
	    host_header(q, "phase", h->verb == OPV_UNDO ? "undo" : "do", &err) != 0 ||
	    host_header(q, "ttl", seconds, &err) != 0 || host_header(q, "images", "1", &err) != 0 ||
	    host_header(q, "server", r->ep->name, &err) != 0) {
		hostop_failed(h, &err);
		return;
	}
	hostop_call(h, "hold", h->op->id, NULL, 0, &events);
}

/* ---- looking only ---- */

static void
observed(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;
	struct pairs now = { NULL, 0 };
	struct buf text;
	struct err err;
	bool may;

	if (e->end != STATEMENT_DONE) {
		unread(r, e);
		return;
	}
	values_now(r, &now);
	note(r, &now, &r->want);
	pairs_release(&now);
	may = settings_may(r->io, &r->want, &err) == 0;
	buf_init(&text, OP_TEXT_MAX);
	preview(r, &text);
	hostop_set_text(r->h, buf_str(&text), text.len);
	buf_release(&text);
	if (!may) {
		hostop_failed(r->h, &err);
		return;
	}
	/* That a Redis has it now does not say that it has it after a restart. */
	stop(r, settings_are(r->io, &r->want) && !(r->ep->kind == KIND_REDIS && r->h->op->persist) ?
	    OP_IN_PLACE : OP_FRESH);
}

/* The record says intent: it is the server that knows how far it came. */
static void
asked(void *arg, const struct settings_end *e)
{
	struct setting_run *r = arg;
	struct buf ways;
	bool as_after, as_before;

	if (e->end != STATEMENT_DONE) {
		hostop_say(r->h, "%s", e->why);
		stop(r, OP_UNREACHED);
		return;
	}
	note(r, &r->before, &r->after);
	as_after = settings_are(r->io, &r->after);
	as_before = settings_are(r->io, &r->before);
	buf_init(&ways, OP_TEXT_MAX);
	if (r->ep->kind == KIND_REDIS && r->h->op->persist && as_after) {
		hostop_say(r->h, "'%s' has the values; whether CONFIG REWRITE kept them is not known: undo, or do it "
		    "again", r->ep->name);
		stop(r, OP_CUT);
	} else if (as_after)
		stop(r, OP_APPLIED);
	else if (as_before)
		stop(r, OP_FRESH);
	else if (drift(r, &ways) > 0) {
		hostop_say(r->h, "'%s' has neither the values before nor those that we meant to set", r->ep->name);
		hostop_drifted(r->h, buf_str(&ways));
	} else {
		hostop_say(r->h, "'%s' has a part of the values: undo puts them back", r->ep->name);
		stop(r, OP_CUT);
	}
	buf_release(&ways);
}

static void
looked(void *arg, enum hostcall_end end, const struct host_answer *a, const struct err *why)
{
	struct hostop *h = arg;
	struct setting_run *r = h->setting;
	struct err err;

	if (hostop_no_answer(h, end, a, why))
		return;
	if (take_record(r, a, &err) != 0 || (stands(r->record) && r->before.n == 0)) {
		hostop_say(h, "the record on the host is damaged; the values before are under '%s'", h->op->id);
		stop(r, OP_CUT);
		return;
	}
	if (r->before.n > 0)
		note(r, &r->before, &r->after);
	if (strcmp(r->record, "none") == 0)
		stop(r, OP_FRESH);
	else if (strcmp(r->record, "undone") == 0)
		stop(r, OP_RESTORED);
	else if (strcmp(r->record, "applied") == 0)
		stop(r, OP_APPLIED);
	else if (strcmp(r->record, "failed") == 0) {
		hostop_say(h, "'%s' refused it, and nothing of it stands", r->ep->name);
		stop(r, OP_FAILED);
	} else if (strcmp(r->record, "undoing") == 0) {
		hostop_say(h, "its undo was begun and not finished; undo again");
		stop(r, OP_CUT);
	} else
		read_values(r, asked);
}

void
hostop_setting(struct hostop *h)
{
	static const struct hostcall_events looks = { .done = looked };
	struct setting_run *r;
	struct buf *q;
	struct err err;

	if (h->set->c.probes == NULL) {
		hostop_say(h, "no server can be asked from here");
		hostop_finish(h, OP_FAILED);
		return;
	}
	r = h->setting = mem_alloc(sizeof(*r));
	r->h = h;
	r->ep = &h->set->c.fleet->endpoints[h->op->endpoint];
	setting_wanted(h->op, &r->want);
	switch (h->verb) {
	case OPV_OBSERVE:
		read_values(r, observed);
		return;
	case OPV_RECORD:
		q = hostop_request(h);
		if (host_header(q, "images", "1", &err) != 0)
			hostop_failed(h, &err);
		else
			hostop_call(h, "look", h->op->id, NULL, 0, &looks);
		return;
	case OPV_APPLY:
	case OPV_UNDO:
		hold(r);
		return;
	}
}
