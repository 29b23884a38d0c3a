/*
 * What hostproto.h promises of answers, whoever wrote them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "remote/hostproto.h"

#define N "0123abcd"

static int
parse(struct host_answer *a, const char *text)
{
	struct err err;

	return host_answer_parse(a, N, text, strlen(text), &err);
}

static void
an_answer_is_found_in_whatever_stands_around_it(void **state)
{
	struct host_answer a;

	(void)state;
	assert_int_equal(parse(&a, "Welcome!\n" N "not the mark\r\n\n" N " file 0 644 rest of it\n"
	    "bytes\n\n" N " absent 1\n\n" N " end ok\nlogout\n\n" N " file 7\n"), 0);
	assert_int_equal(a.nitems, 3);
	assert_string_equal(host_item(&a, "file", 0)->rest, "0 644 rest of it");
	assert_string_equal(host_item(&a, "file", 0)->data, "bytes\n");
	assert_int_equal(host_item(&a, "file", 0)->len, 6);
	assert_null(host_item(&a, "file", 1));
	assert_int_equal(host_item(&a, "absent", 0)->len, 0);
	assert_string_equal(host_outcome(&a), "ok");
	host_answer_release(&a);
}

static void
the_outcomes_first_word_is_a_whole_word(void **state)
{
	struct host_answer a;
	const char *rest;

	(void)state;
	assert_int_equal(parse(&a, "\n" N " end drift 12\n"), 0);
	assert_true(host_outcome_is(&a, "drift", &rest));
	assert_string_equal(rest, "12");
	assert_false(host_outcome_is(&a, "drif", NULL));
	assert_false(host_outcome_is(&a, "drifted", NULL));
	host_answer_release(&a);
	assert_int_equal(parse(&a, "\n" N " end busy\n"), 0);
	assert_true(host_outcome_is(&a, "busy", &rest));
	assert_string_equal(rest, "");
	host_answer_release(&a);
}

static void
an_answer_without_its_end_is_none(void **state)
{
	static const char whole[] = "x\n" N " sha a b\n\n" N " end applied\n";
	struct host_answer a;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(whole) - 1; i++)
		assert_int_equal(host_answer_parse(&a, N, whole, i, &err), -1);
	assert_int_equal(host_answer_parse(&a, N, whole, i, &err), 0);
	host_answer_release(&a);
	/* Somebody else's nonce is noise. */
	assert_int_equal(parse(&a, "\n0123abce end applied\n"), -1);
	assert_int_equal(parse(&a, ""), -1);
}

static void
data_keeps_every_byte(void **state)
{
	struct host_answer a;
	struct buf b;
	struct err err;
	int i;

	(void)state;
	buf_init(&b, 0);
	(void)buf_puts(&b, "\n" N " file 0\n");
	for (i = 0; i < 256; i++)
		(void)buf_putc(&b, (char)i);
	(void)buf_puts(&b, "\n\n\n" N " end ok\n");
	assert_int_equal(host_answer_parse(&a, N, b.data, b.len, &err), 0);
	assert_int_equal(host_item(&a, "file", 0)->len, 258);
	for (i = 0; i < 256; i++)
		assert_int_equal((unsigned char)host_item(&a, "file", 0)->data[i], i);
	host_answer_release(&a);
	buf_release(&b);
}

static void
no_answer_breaks_the_parser(void **state)
{
	static const char *const pieces[] = {
		"\n", " ", N, "\n" N " ", "\n" N " end ", "ok", "\n" N " data\n", "\0x", "end", "\n\n"
	};
	struct host_answer a;
	struct buf b;
	struct err err;
	size_t i, n, k, good = 0;

	(void)state;
	srand(5);
	buf_init(&b, 0);
	for (i = 0; i < 50000; i++) {
		buf_clear(&b);
		for (n = (size_t)rand() % 12; n > 0; n--) {
			k = (size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]));
			(void)buf_put(&b, pieces[k], k == 7 ? 2 : strlen(pieces[k]));
		}
		if (host_answer_parse(&a, N, b.data, b.len, &err) == 0) {
			good++;
			for (k = 0; k < a.nitems; k++) {
				assert_true(strlen(a.items[k].word) + strlen(a.items[k].rest) < b.len);
				assert_true(a.items[k].data + a.items[k].len <= a.bytes + a.len);
				assert_true(a.items[k].data[a.items[k].len] == '\0');
			}
			host_answer_release(&a);
		}
	}
	assert_true(good > 1000);
	buf_release(&b);
}

static void
headers_cannot_carry_a_line_break(void **state)
{
	struct buf b;
	struct err err;

	(void)state;
	buf_init(&b, 0);
	assert_int_equal(host_header(&b, "path", "/a\nexpect x", &err), -1);
	assert_int_equal(host_header(&b, "path", "/a\r", &err), -1);
	assert_int_equal(b.len, 0);
	assert_int_equal(host_header(&b, "owner", NULL, &err), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(host_header(&b, "path", "/a b", &err), 0);
	assert_string_equal(buf_str(&b), "path /a b\n");
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_found_in_whatever_stands_around_it),
		cmocka_unit_test(the_outcomes_first_word_is_a_whole_word),
		cmocka_unit_test(an_answer_without_its_end_is_none),
		cmocka_unit_test(data_keeps_every_byte),
		cmocka_unit_test(no_answer_breaks_the_parser),
		cmocka_unit_test(headers_cannot_carry_a_line_break),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
