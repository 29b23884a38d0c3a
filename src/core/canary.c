/*
 * canary: see canary.h.  Owns the arithmetic of a canary: what counts as what,
 * when it is too much, and its words.
 *
 * Times are those of what was seen, never those of whoever reports it late; so
 * the same sights come to the same verdict however they were bundled.
 */
#include "core/canary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/blob.h"
#include "core/buf.h"
#include "core/reader.h"

/* A cut is told a moment after it: so long behind its end, what cuts is still held for its cause. */
#define EXPECT_LATE_MS	2000
#define HISTOGRAM_FROM_US 32
#define SUB_BITS	4	/* 16 to the octave */
#define TIME_MAX_MS	INT64_C(253402300799000)	/* the end of the year 9999 */
#define TOOK_MAX_US	INT64_C(86400000000)

void
canary_terms_default(struct canary_terms *t)
{
	memset(t, 0, sizeof(*t));
	t->given = true;
	t->every_ms = CANARY_EVERY_MS;
	t->hang_ms = CANARY_HANG_MS;
	t->breach_ms = CANARY_BREACH_MS;
	t->held = true;
}

/* ---- crossing ---- */

void
canary_report_encode(const struct canary_report *r, struct buf *out)
{
	size_t i;

	blob_put_int(out, (int64_t)r->n);
	for (i = 0; i < r->n; i++) {
		blob_put_int(out, r->v[i].saw);
		blob_put_int(out, r->v[i].at_ms);
		blob_put_int(out, r->v[i].took_us);
		blob_put_str(out, r->v[i].why);
	}
}

bool
canary_report_decode(struct canary_report *ret, const void *bytes, size_t len)
{
	struct blob_reader b;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	blob_read(&b, bytes, len);
	ret->n = (size_t)blob_int(&b, 0, CANARY_REPORT_MAX);
	for (i = 0; i < ret->n; i++) {
		ret->v[i].saw = (enum canary_saw)blob_int(&b, 0, CANARY_SAW_COUNT - 1);
		ret->v[i].at_ms = blob_int(&b, 0, TIME_MAX_MS);
		ret->v[i].took_us = blob_int(&b, 0, TOOK_MAX_US);
		blob_fixed(&b, ret->v[i].why, sizeof(ret->v[i].why));
	}
	return blob_done(&b);
}

void
canary_order_encode(const struct canary_terms *t, int dial, struct buf *out)
{
	blob_put_int(out, dial);
	blob_put_int(out, t->every_ms);
	blob_put_int(out, t->hang_ms);
	blob_put_int(out, t->breach_ms);
	blob_put_int(out, t->held);
}

bool
canary_order_decode(struct canary_terms *ret, int *ret_dial, int dial_max, const void *bytes, size_t len)
{
	struct blob_reader b;

	memset(ret, 0, sizeof(*ret));
	blob_read(&b, bytes, len);
	*ret_dial = (int)blob_int(&b, 0, dial_max);
	ret->given = true;
	ret->every_ms = blob_int(&b, CANARY_EVERY_MIN_MS, CANARY_EVERY_MAX_MS);
	ret->hang_ms = blob_int(&b, CANARY_HANG_MIN_MS, CANARY_HANG_MAX_MS);
	ret->breach_ms = blob_int(&b, 0, CANARY_BREACH_MAX_MS);
	ret->held = blob_bool(&b);
	return blob_done(&b);
}

/* ---- the histogram ---- */

static size_t
histogram_slot(int64_t us)
{
	uint64_t v = us < HISTOGRAM_FROM_US ? HISTOGRAM_FROM_US : (uint64_t)us;
	size_t octave = 0, slot;

	while (v >> octave >= 2 * HISTOGRAM_FROM_US)
		octave++;
	/* HISTOGRAM_FROM_US has one bit more than SUB_BITS: the bits below the highest say which part. */
	slot = octave << SUB_BITS | ((v >> octave >> 1) & ((1u << SUB_BITS) - 1));
	return slot < CANARY_HISTOGRAM ? slot : CANARY_HISTOGRAM - 1;
}

/* The largest that falls into it. */
static int64_t
histogram_top_us(size_t slot)
{
	size_t octave = slot >> SUB_BITS, part = slot & ((1u << SUB_BITS) - 1);

	return (int64_t)((((uint64_t)1 << SUB_BITS) + part + 1) << 1 << octave) - 1;
}

int64_t
canary_percentile_us(const struct canary *c, int percent)
{
	uint64_t below = 0, wanted;
	int64_t top;
	size_t i;

	if (c->ok == 0)
		return -1;
	/* The smallest value that so many percent are not above. */
	wanted = (c->ok * (uint64_t)percent + 99) / 100;
	if (wanted == 0)
		wanted = 1;
	for (i = 0; i < CANARY_HISTOGRAM; i++)
		if ((below += c->histogram[i]) >= wanted)
			break;
	top = i < CANARY_HISTOGRAM - 1 ? histogram_top_us(i) : c->worst_us;
	return top < c->worst_us ? top : c->worst_us;
}

/* ---- what is seen ---- */

void
canary_begin(struct canary *c, const struct canary_terms *t, int64_t now_ms)
{
	memset(c, 0, sizeof(*c));
	c->terms = *t;
	c->began_ms = now_ms;
}

void
canary_expect(struct canary *c, bool cuts, int64_t now_ms)
{
	if (cuts && !c->expecting) {
		/* One that follows hard on another continues it. */
		if (c->expect_until_ms == 0 || now_ms > c->expect_until_ms + EXPECT_LATE_MS)
			c->expect_from_ms = now_ms;
		c->expect_until_ms = 0;
	} else if (!cuts && c->expecting) {
		c->expect_until_ms = now_ms;
		c->recent = c->nrecent = 0;
	}
	c->expecting = cuts;
}

/* Was something known to cut at work in this time? */
static bool
expected(const struct canary *c, int64_t from_ms, int64_t until_ms)
{
	if (c->expect_from_ms == 0 || until_ms < c->expect_from_ms)
		return false;
	return c->expecting || from_ms <= c->expect_until_ms + EXPECT_LATE_MS;
}

static void
breach(struct canary *c, int64_t at_ms, const char *what, const char *why)
{
	if (c->breached)
		return;
	c->breached = true;
	c->breached_ms = at_ms;
	(void)snprintf(c->breach_why, sizeof(c->breach_why), "%s%s%s", what, *why == '\0' ? "" : ": ", why);
}

static void
judge(struct canary *c, int64_t now_ms)
{
	int64_t since = c->failing_since_ms;
	struct buf b = { 0 };
	uint32_t bits, bad = 0;

	if (c->ok == 0 || since == 0 || expected(c, now_ms, now_ms))
		return;
	/* What was known to cut has an end; from there on the server should be back. */
	if (c->expect_until_ms > since)
		since = c->expect_until_ms;
	if (now_ms - since >= c->terms.breach_ms && (c->in_a_row >= 2 || c->terms.breach_ms == 0)) {
		buf_puts(&b, "no new connection came through for ");
		canary_time(&b, (now_ms - c->failing_since_ms) * 1000);
		breach(c, now_ms, buf_str(&b), c->first_why);
		buf_release(&b);
		return;
	}
	for (bits = c->recent & ((1u << CANARY_RECENT) - 1); bits != 0; bits &= bits - 1)
		bad++;
	if (c->nrecent >= CANARY_RECENT && bad * 2 >= CANARY_RECENT) {
		buf_printf(&b, "%u of the last %d new connections did not come through", (unsigned)bad, CANARY_RECENT);
		breach(c, now_ms, buf_str(&b), c->first_why);
		buf_release(&b);
	}
}

static struct canary_piece *
piece_of(struct canary *c, int64_t at_ms)
{
	int64_t each = c->terms.every_ms < 1000 ? 1000 : c->terms.every_ms, nth = at_ms / each;
	struct canary_piece *p;

	if (nth <= 0)
		nth = 1;
	p = &c->strip[nth % CANARY_STRIP];
	if (p->nth > nth)
		return NULL;	/* older than all that is kept */
	if (p->nth != nth) {
		memset(p, 0, sizeof(*p));
		p->nth = nth;
	}
	return p;
}

static void
see_blind(struct canary *c, const struct canary_seen *s)
{
	(void)snprintf(c->blind_why, sizeof(c->blind_why), "%s", s->why);
	if (c->blind)
		return;
	c->blind = true;
	c->blind_since_ms = s->at_ms;
}

static void
see_again(struct canary *c, int64_t at_ms)
{
	if (!c->blind)
		return;
	c->blind = false;
	if (at_ms > c->blind_since_ms)
		c->blind_ms += at_ms - c->blind_since_ms;
}

static void
see_good(struct canary *c, const struct canary_seen *s, int64_t end_ms)
{
	struct canary_piece *p = piece_of(c, end_ms);
	int64_t length;

	c->ok++;
	c->recent <<= 1;
	c->histogram[histogram_slot(s->took_us)]++;
	if (s->took_us > c->worst_us)
		c->worst_us = s->took_us;
	if (end_ms > c->last_ok_ms)
		c->last_ok_ms = end_ms;
	if (p != NULL) {
		p->ok++;
		if (s->took_us > p->worst_us)
			p->worst_us = s->took_us;
	}
	if (c->failing_since_ms == 0)
		return;
	length = end_ms - c->failing_since_ms;
	c->stretches++;
	c->stretches_ms += length;
	if (length > c->longest_ms) {
		c->longest_ms = length;
		c->longest_from_ms = c->failing_since_ms;
	}
	c->failing_since_ms = 0;
	c->in_a_row = 0;
}

static void
see_bad(struct canary *c, const struct canary_seen *s, int64_t end_ms)
{
	struct canary_piece *p = piece_of(c, end_ms);
	int64_t from_ms;

	if (s->saw == CANARY_HUNG)
		c->hung++;
	else
		c->failed++;
	c->recent = c->recent << 1 | 1;
	if (p != NULL)
		p->bad++;
	if (end_ms > c->last_bad_ms)
		c->last_bad_ms = end_ms;
	/* One that was under way while another came through: clients failed from there on at the earliest. */
	from_ms = s->at_ms > c->last_ok_ms ? s->at_ms : c->last_ok_ms;
	if (c->failing_since_ms == 0) {
		c->failing_since_ms = from_ms > 0 ? from_ms : 1;
		(void)snprintf(c->first_why, sizeof(c->first_why), "%s", s->why);
	} else if (from_ms < c->failing_since_ms)
		c->failing_since_ms = from_ms;
	c->in_a_row++;
	judge(c, end_ms);
}

static void
see_cut(struct canary *c, const struct canary_seen *s)
{
	c->cut++;
	if (expected(c, s->at_ms, s->at_ms)) {
		c->cut_expected++;
		return;
	}
	if (c->ok > 0 && c->held > 0)
		breach(c, s->at_ms, "the held session was cut, and nothing was known to cut it", s->why);
}

void
canary_see(struct canary *c, const struct canary_seen *s)
{
	int64_t end_ms = s->at_ms + s->took_us / 1000;

	if (end_ms > c->last_ms)
		c->last_ms = end_ms;
	switch (s->saw) {
	case CANARY_OK:
		see_again(c, end_ms);
		if (c->nrecent < CANARY_RECENT)
			c->nrecent++;
		see_good(c, s, end_ms);
		return;
	case CANARY_FAILED:
	case CANARY_HUNG:
		see_again(c, end_ms);
		if (c->nrecent < CANARY_RECENT)
			c->nrecent++;
		see_bad(c, s, end_ms);
		return;
	case CANARY_LEFT_OUT:
		c->left_out++;
		return;
	case CANARY_BLIND:
		see_blind(c, s);
		return;
	case CANARY_HELD:
		c->held++;
		return;
	case CANARY_UNHELD:
		(void)snprintf(c->unheld_why, sizeof(c->unheld_why), "%s", s->why);
		return;
	case CANARY_CUT:
		see_cut(c, s);
		return;
	}
}

/* ---- what it comes to ---- */

enum canary_state
canary_state(const struct canary *c)
{
	if (c->breached)
		return CANARY_BREACHED;
	if (c->blind)
		return CANARY_IN_THE_DARK;
	if (c->ok + c->failed + c->hung == 0)
		return CANARY_NOTHING;
	return c->failing_since_ms != 0 ? CANARY_FAILING : CANARY_WELL;
}

const char *
canary_state_word(enum canary_state state)
{
	static const char *const words[CANARY_STATE_COUNT] = {
		[CANARY_NOTHING] = "waiting", [CANARY_WELL] = "well", [CANARY_FAILING] = "failing",
		[CANARY_BREACHED] = "breached", [CANARY_IN_THE_DARK] = "blind",
	};

	return words[state];
}

int64_t
canary_failed_ms(const struct canary *c, int64_t now_ms)
{
	if (c->failing_since_ms == 0)
		return c->longest_ms;
	return now_ms > c->failing_since_ms ? now_ms - c->failing_since_ms : 1;
}

/* ---- words ---- */

void
canary_time(struct buf *out, int64_t us)
{
	if (us < 0)
		us = 0;
	if (us < 10000)
		buf_printf(out, "%" PRId64 ".%" PRId64 " ms", us / 1000, us % 1000 / 100);
	else if (us < 1000000)
		buf_printf(out, "%" PRId64 " ms", us / 1000);
	else if (us < 60000000)
		buf_printf(out, "%" PRId64 ".%" PRId64 " s", us / 1000000, us % 1000000 / 100000);
	else
		buf_printf(out, "%" PRId64 "m%02" PRId64 "s", us / 60000000, us / 1000000 % 60);
}

void
canary_pace(struct buf *out, const struct canary_terms *t)
{
	if (t->every_ms % 1000 == 0)
		buf_printf(out, "a new connection every %" PRId64 " s", t->every_ms / 1000);
	else
		buf_printf(out, "a new connection every %" PRId64 " ms", t->every_ms);
}

void
canary_counts(struct buf *out, const struct canary *c)
{
	uint64_t all = c->ok + c->failed + c->hung;

	buf_printf(out, "%" PRIu64 " new connection%s: %" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64 " hung", all,
	    all == 1 ? "" : "s", c->ok, c->failed, c->hung);
	if (c->left_out > 0)
		buf_printf(out, ", %" PRIu64 " left out", c->left_out);
	if (c->ok == 0)
		return;
	buf_puts(out, "; p50 ");
	canary_time(out, canary_percentile_us(c, 50));
	buf_puts(out, ", p99 ");
	canary_time(out, canary_percentile_us(c, 99));
}

void
canary_summary(struct buf *out, const struct canary *c, int64_t now_ms)
{
	canary_counts(out, c);
	if (c->failing_since_ms != 0) {
		buf_puts(out, "; clients have failed for ");
		canary_time(out, canary_failed_ms(c, now_ms) * 1000);
		buf_puts(out, " so far");
	} else if (c->stretches > 0) {
		buf_puts(out, "; clients failed for ");
		canary_time(out, c->longest_ms * 1000);
		if (c->stretches > 1) {
			buf_printf(out, " at the longest, %" PRIu64 " times, ", c->stretches);
			canary_time(out, c->stretches_ms * 1000);
			buf_puts(out, " together");
		}
	}
	if ((c->failing_since_ms != 0 || c->stretches > 0) && c->first_why[0] != '\0')
		buf_printf(out, " (%s)", c->first_why);
	if (c->cut > 0) {
		buf_printf(out, "; the held session was cut %" PRIu64 " time%s", c->cut, c->cut == 1 ? "" : "s");
		if (c->cut_expected == c->cut)
			buf_puts(out, ", as the step was known to");
		else
			buf_printf(out, ", %" PRIu64 " of them by nothing known to", c->cut - c->cut_expected);
	} else if (c->held > 0)
		buf_puts(out, "; the held session lived");
	else if (c->unheld_why[0] != '\0')
		buf_printf(out, "; no session could be held (%s)", c->unheld_why);
	if (c->blind || c->blind_ms > 0) {
		buf_puts(out, "; could not look for ");
		canary_time(out, (c->blind_ms + (c->blind && now_ms > c->blind_since_ms ? now_ms - c->blind_since_ms : 0)) *
		    1000);
		if (c->blind_why[0] != '\0')
			buf_printf(out, " (%s)", c->blind_why);
	}
}

/* ---- the sparkline ---- */

void
canary_bars(const struct canary *c, int64_t now_ms, int *ret, size_t n)
{
	int64_t each = c->terms.every_ms < 1000 ? 1000 : c->terms.every_ms, last = now_ms / each, nth, worst = 1;
	const struct canary_piece *p;
	size_t i;

	for (i = 0; i < n; i++) {
		nth = last - (int64_t)(n - 1 - i);
		p = nth > 0 ? &c->strip[nth % CANARY_STRIP] : NULL;
		if (p != NULL && p->nth == nth && p->worst_us > worst)
			worst = p->worst_us;
	}
	for (i = 0; i < n; i++) {
		nth = last - (int64_t)(n - 1 - i);
		p = nth > 0 ? &c->strip[nth % CANARY_STRIP] : NULL;
		ret[i] = p == NULL || p->nth != nth || p->ok + p->bad == 0 ? CANARY_BAR_NONE :
		    p->bad > 0 ? CANARY_BAR_BAD : (int)(p->worst_us * 7 / worst);
	}
}

void
canary_bar(struct buf *out, int bar, bool ascii)
{
	static const char *const blocks[] = {
		"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84", "\xe2\x96\x85", "\xe2\x96\x86",
		"\xe2\x96\x87", "\xe2\x96\x88", "\xe2\x9c\x98"
	};
	static const char *const plain[] = { "_", ".", ",", "-", "=", "+", "*", "#", "x" };

	buf_puts(out, bar == CANARY_BAR_NONE ? " " : ascii ? plain[bar] : blocks[bar]);
}

void
canary_sparkline(struct buf *out, const struct canary *c, int64_t now_ms, size_t n, bool ascii)
{
	int bars[CANARY_STRIP];
	size_t i;

	if (n > CANARY_STRIP)
		n = CANARY_STRIP;
	canary_bars(c, now_ms, bars, n);
	for (i = 0; i < n; i++)
		canary_bar(out, bars[i], ascii);
}
