/*
 * What blob.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/blob.h"
#include "core/buf.h"

static void
what_is_put_comes_back(void **state)
{
	struct blob_reader r;
	struct buf b = { 0 };
	char fixed[4], *s;
	size_t len;

	(void)state;
	blob_put_int(&b, INT64_MIN);
	blob_put_int(&b, -1);
	blob_put_int(&b, 1);
	blob_put_str(&b, "text");
	blob_put_str(&b, NULL);
	blob_put_str(&b, "");
	blob_put_bytes(&b, "a\0b", 3);
	blob_put_str(&b, "abc");
	blob_read(&r, b.data, b.len);
	assert_true(blob_int(&r, INT64_MIN, INT64_MAX) == INT64_MIN);
	assert_true(blob_int(&r, -1, 0) == -1);
	assert_true(blob_bool(&r));
	s = blob_str(&r, 4);
	assert_string_equal(s, "text");
	free(s);
	assert_null(blob_str(&r, 4));
	s = blob_str(&r, 0);
	assert_string_equal(s, "");
	free(s);
	s = blob_bytes(&r, 3, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(s, "a\0b", 4);
	free(s);
	assert_false(blob_done(&r));
	blob_fixed(&r, fixed, sizeof(fixed));
	assert_string_equal(fixed, "abc");
	assert_true(blob_done(&r));
	buf_release(&b);
}

static void
integer_outside_its_range_is_bad(void **state)
{
	struct blob_reader r;
	struct buf b = { 0 };

	(void)state;
	blob_put_int(&b, 5);
	blob_read(&r, b.data, b.len);
	assert_int_equal(blob_int(&r, 0, 4), 0);
	assert_true(r.bad);
	assert_false(blob_done(&r));
	blob_read(&r, b.data, b.len);
	assert_int_equal(blob_int(&r, 6, 9), 6);	/* still within what the caller expects */
	assert_true(r.bad);
	blob_read(&r, b.data, b.len);
	assert_false(blob_bool(&r));
	assert_true(r.bad);
	buf_release(&b);
}

static void
string_above_its_cap_or_with_a_nul_is_bad(void **state)
{
	struct blob_reader r;
	struct buf b = { 0 };
	char fixed[4], *s;

	(void)state;
	blob_put_str(&b, "text");
	blob_read(&r, b.data, b.len);
	assert_null(blob_str(&r, 3));
	assert_true(r.bad);
	blob_read(&r, b.data, b.len);
	blob_fixed(&r, fixed, sizeof(fixed));
	assert_true(r.bad);
	assert_string_equal(fixed, "");
	buf_clear(&b);
	blob_put_bytes(&b, "a\0b", 3);
	blob_read(&r, b.data, b.len);
	s = blob_str(&r, 3);
	assert_true(r.bad);
	free(s);
	buf_release(&b);
}

static void
length_beyond_the_end_is_bad(void **state)
{
	struct blob_reader r;
	struct buf b = { 0 };
	size_t len;

	(void)state;
	blob_put_int(&b, INT64_MAX);
	buf_puts(&b, "short");
	blob_read(&r, b.data, b.len);
	assert_null(blob_bytes(&r, SIZE_MAX, &len));
	assert_true(r.bad);
	assert_int_equal(len, 0);
	/* Once bad, always bad: zeroes and NULLs to the end. */
	assert_int_equal(blob_int(&r, 0, 9), 0);
	assert_null(blob_str(&r, 9));
	assert_false(blob_done(&r));
	blob_read(&r, b.data, 7);
	assert_int_equal(blob_int(&r, 0, 9), 0);
	assert_true(r.bad);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_comes_back),
		cmocka_unit_test(integer_outside_its_range_is_bad),
		cmocka_unit_test(string_above_its_cap_or_with_a_nul_is_bad),
		cmocka_unit_test(length_beyond_the_end_is_bad),
	};

	return cmocka_run_group_tests_name("blob", tests, NULL, NULL);
}
