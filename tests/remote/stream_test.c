/*
 * The rule that all streams share: who closed a stream, or was told of its
 * end, hears nothing more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "remote/stream.h"

/* A maker that only notes what it is told. */
struct maker {
	struct stream stream;
	char	trace[512];
};

static void
say(void *arg, const char *word)
{
	struct maker *m = arg;
	size_t n = strlen(m->trace);

	snprintf(m->trace + n, sizeof(m->trace) - n, "%s%s", n > 0 ? " " : "", word);
}

static int
op_write(struct stream *st, const void *p, size_t len)
{
	char word[64];

	(void)p;
	snprintf(word, sizeof(word), "write(%zu)", len);
	say(st, word);
	return 0;
}

static void
op_write_eof(struct stream *st)
{
	say(st, "write_eof");
}

static void
op_deadline(struct stream *st, int64_t ms)
{
	char word[64];

	snprintf(word, sizeof(word), "deadline(%lld)", (long long)ms);
	say(st, word);
}

static void
op_close(struct stream *st)
{
	say(st, "close");
}

static const struct stream_ops ops = {
	.write = op_write, .write_eof = op_write_eof, .deadline = op_deadline, .close = op_close
};

static void
on_opened(void *arg)
{
	say(arg, "OPENED");
}

static void
on_data(void *arg, const unsigned char *p, size_t len)
{
	(void)p;
	(void)len;
	say(arg, "DATA");
}

static void
on_eof(void *arg)
{
	say(arg, "EOF");
}

static void
on_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	char word[64];

	(void)why;
	snprintf(word, sizeof(word), "CLOSED(%s,%d)", stream_end_word(end), status);
	say(arg, word);
}

static const struct stream_events all = {
	.opened = on_opened, .data = on_data, .errdata = on_data, .eof = on_eof, .closed = on_closed
};
static const struct stream_events none = { .data = NULL };

static void
emit_everything(struct maker *m)
{
	stream_emit_opened(&m->stream);
	stream_emit_data(&m->stream, "x", 1);
	stream_emit_errdata(&m->stream, "x", 1);
	stream_emit_eof(&m->stream);
	stream_emit_closed(&m->stream, STREAM_EXITED, 7, NULL);
}

static void
stream_tells_its_owner_each_event_and_the_end_once(void **state)
{
	struct maker m = { .trace = "" };

	(void)state;
	stream_init(&m.stream, &ops, &all, &m);
	emit_everything(&m);
	emit_everything(&m);
	assert_string_equal(m.trace, "OPENED DATA DATA EOF CLOSED(exited,7)");
}

static void
stream_says_nothing_after_its_owner_closed_it(void **state)
{
	struct maker m = { .trace = "" };

	(void)state;
	stream_init(&m.stream, &ops, &all, &m);
	stream_emit_opened(&m.stream);
	stream_close(&m.stream);
	emit_everything(&m);
	assert_string_equal(m.trace, "OPENED close");
	stream_close(NULL);
}

static void
stream_goes_to_another_owner(void **state)
{
	struct maker first = { .trace = "" }, second = { .trace = "" };

	(void)state;
	stream_init(&first.stream, &ops, &all, &first);
	stream_emit_data(&first.stream, "x", 1);
	stream_own(&first.stream, &all, &second);
	stream_emit_data(&first.stream, "x", 1);
	stream_emit_closed(&first.stream, STREAM_EOF, -1, NULL);
	assert_string_equal(first.trace, "DATA");
	assert_string_equal(second.trace, "DATA CLOSED(eof,-1)");
}

static void
stream_owner_need_not_care_for_every_event(void **state)
{
	struct maker m = { .trace = "" };

	(void)state;
	stream_init(&m.stream, &ops, &none, &m);
	emit_everything(&m);
	assert_string_equal(m.trace, "");
}

static void
stream_passes_orders_to_its_maker(void **state)
{
	struct maker m = { .trace = "" };

	(void)state;
	stream_init(&m.stream, &ops, &all, &m);
	assert_int_equal(stream_write(&m.stream, "abc", 3), 0);
	stream_write_eof(&m.stream);
	stream_deadline(&m.stream, 250);
	assert_string_equal(m.trace, "write(3) write_eof deadline(250)");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_tells_its_owner_each_event_and_the_end_once),
		cmocka_unit_test(stream_says_nothing_after_its_owner_closed_it),
		cmocka_unit_test(stream_goes_to_another_owner),
		cmocka_unit_test(stream_owner_need_not_care_for_every_event),
		cmocka_unit_test(stream_passes_orders_to_its_maker),
	};

	return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
