/*
 * When a certificate's end is worth a warning.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/expiry.h"

#define DAY EXPIRY_DAY_S
#define NOW ((int64_t)1800000000)

/* Of a life of so many days, with so much left. */
static enum expiry
left(int64_t life_days, int64_t left_s, int64_t warn_s)
{
	return expiry_of(NOW + left_s - life_days * DAY, NOW + left_s, NOW, warn_s);
}

static void
three_warnings_come_at_90_30_and_7_days(void **state)
{
	(void)state;
	assert_int_equal(left(3650, 90 * DAY + 1, 0), EXPIRY_FAR);
	assert_int_equal(left(3650, 90 * DAY, 0), EXPIRY_NOTICE);
	assert_int_equal(left(3650, 30 * DAY + 1, 0), EXPIRY_NOTICE);
	assert_int_equal(left(3650, 30 * DAY, 0), EXPIRY_SOON);
	assert_int_equal(left(3650, 7 * DAY + 1, 0), EXPIRY_SOON);
	assert_int_equal(left(3650, 7 * DAY, 0), EXPIRY_URGENT);
	assert_int_equal(left(3650, 1, 0), EXPIRY_URGENT);
	assert_int_equal(left(3650, 0, 0), EXPIRY_PAST);
	assert_int_equal(left(3650, -DAY, 0), EXPIRY_PAST);
}

static void
no_warning_comes_before_the_last_third_of_its_life(void **state)
{
	(void)state;
	/* One of 90 days has its renewal at 30, and no notice before. */
	assert_int_equal(left(90, 89 * DAY, 0), EXPIRY_FAR);
	assert_int_equal(left(90, 30 * DAY + 1, 0), EXPIRY_FAR);
	assert_int_equal(left(90, 30 * DAY, 0), EXPIRY_SOON);
	assert_int_equal(left(90, 5 * DAY, 0), EXPIRY_URGENT);
	assert_int_equal(left(1, DAY / 2, 0), EXPIRY_FAR);
	assert_int_equal(left(1, DAY / 3, 0), EXPIRY_URGENT);
}

static void
fleet_sets_the_middle_one(void **state)
{
	(void)state;
	assert_int_equal(left(3650, 60 * DAY, 60 * DAY), EXPIRY_SOON);
	assert_int_equal(left(3650, 60 * DAY + 1, 60 * DAY), EXPIRY_NOTICE);
	assert_int_equal(left(3650, 20 * DAY, 10 * DAY), EXPIRY_NOTICE);
}

static void
what_is_not_valid_yet_or_makes_no_sense_is_never_fine(void **state)
{
	(void)state;
	assert_int_equal(expiry_of(NOW + 1, NOW + 90 * DAY, NOW, 0), EXPIRY_NOT_YET);
	assert_int_equal(expiry_of(NOW + 10, NOW - 10, NOW, 0), EXPIRY_PAST);
	assert_int_equal(expiry_of(INT64_MIN, INT64_MIN, NOW, 0), EXPIRY_PAST);
	assert_int_equal(expiry_of(INT64_MIN, NOW + DAY, NOW, 0), EXPIRY_URGENT);
	assert_int_equal(expiry_of(INT64_MIN, INT64_MAX, NOW, 0), EXPIRY_FAR);
}

static void
days_are_whole_ones(void **state)
{
	(void)state;
	assert_int_equal(expiry_days(NOW + 5 * DAY, NOW), 5);
	assert_int_equal(expiry_days(NOW + 5 * DAY - 1, NOW), 4);
	assert_int_equal(expiry_days(NOW + 1, NOW), 0);
	assert_int_equal(expiry_days(NOW, NOW), 0);
	assert_int_equal(expiry_days(NOW - 1, NOW), -1);
	assert_int_equal(expiry_days(NOW - DAY, NOW), -1);
	assert_int_equal(expiry_days(NOW - DAY - 1, NOW), -2);
	assert_string_equal(expiry_word(EXPIRY_URGENT), "urgent");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_warnings_come_at_90_30_and_7_days),
		cmocka_unit_test(no_warning_comes_before_the_last_third_of_its_life),
		cmocka_unit_test(fleet_sets_the_middle_one),
		cmocka_unit_test(what_is_not_valid_yet_or_makes_no_sense_is_never_fine),
		cmocka_unit_test(days_are_whole_ones),
	};

	return cmocka_run_group_tests_name("expiry", tests, NULL, NULL);
}
