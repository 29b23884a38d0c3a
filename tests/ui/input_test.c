/*
 * What input.h and field.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ui/field.h"
#include "ui/input.h"
#include "ui/keys.h"

/* The keys that come of a burst, behind each other; ESC as `E`, K_OTHER as `#`. */
static void
expect_keys(const char *burst, const char *want)
{
	struct input in = { .state = INPUT_PLAIN };
	char got[128];
	size_t n = 0;
	int key;

	for (; *burst != '\0'; burst++)
		for (key = input_take(&in, (unsigned char)*burst, 1000); key != K_NONE; key = input_held(&in))
			got[n++] = (char)(key == K_ESC ? 'E' : key == K_OTHER ? '#' : key);
	if ((key = input_rest(&in)) != K_NONE)
		got[n++] = key == K_ESC ? 'E' : '!';
	got[n] = '\0';
	assert_string_equal(got, want);
}

static void
plain_keys_pass(void **state)
{
	(void)state;
	expect_keys("auq", "auq");
	expect_keys("\033", "E");
	expect_keys("\033\033", "EE");
	/* In one packet, and yet typed. */
	expect_keys("\033u", "Eu");
	expect_keys("\033\033q", "EEq");
}

static void
replies_of_a_terminal_are_no_keys(void **state)
{
	(void)state;
	expect_keys("\033[?62;4u", "");
	expect_keys("\033[?1;2cq", "q");
	expect_keys("\033[24;80Ra", "a");
	expect_keys("\033]11;rgb:0000/0000/0000\033\\u", "u");
	expect_keys("\033]0;u\007a", "a");
	expect_keys("\033P>|xterm(370)\033\\q", "q");
	expect_keys("\033[97;5u", "");
	expect_keys("\033OZq", "q");
	
	expect_keys("\033[\033[Aq", "q");
}

static void
a_reply_in_two_pieces_is_still_no_key(void **state)
{
	struct input in = { .state = INPUT_PLAIN };

	(void)state;
	assert_int_equal(input_take(&in, K_ESC, 1000), K_NONE);
	assert_int_equal(input_take(&in, '[', 1000), K_NONE);
	assert_int_equal(input_rest(&in), K_NONE);
	assert_int_equal(input_take(&in, '?', 1050), K_NONE);
	assert_int_equal(input_take(&in, 'u', 1050), K_NONE);
	/* But one that is never ended does not swallow the operator's keys for ever. */
	assert_int_equal(input_take(&in, K_ESC, 2000), K_NONE);
	assert_int_equal(input_take(&in, '[', 2000), K_NONE);
	assert_int_equal(input_take(&in, 'u', 2000 + INPUT_PATIENCE_MS + 1), 'u');
}

static void
a_field_takes_characters_and_edits(void **state)
{
	struct field f = { .len_bytes = 0 };
	const int keys[] = { 'a', 0xe9, 0x6771, 0x1f600, ' ', 'b' };
	size_t i;

	(void)state;
	field_clear(&f, false);
	for (i = 0; i < 6; i++)
		assert_true(field_key(&f, keys[i]));
	assert_string_equal(f.text, "a\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x98\x80 b");
	assert_int_equal(f.chars, 6);
	assert_true(field_key(&f, K_CTRL('w')));
	assert_string_equal(f.text, "a\xc3\xa9\xe6\x9d\xb1\xf0\x9f\x98\x80 ");
	assert_true(field_key(&f, K_BACKSPACE));
	assert_true(field_key(&f, K_BACKSPACE));
	assert_string_equal(f.text, "a\xc3\xa9\xe6\x9d\xb1");
	assert_true(field_key(&f, K_CTRL('u')));
	assert_string_equal(f.text, "");
	assert_true(field_key(&f, K_BACKSPACE));
}

static void
a_field_takes_no_control_characters(void **state)
{
	struct field f = { .len_bytes = 0 };
	int code;

	(void)state;
	field_clear(&f, true);
	for (code = 1; code < 0x20; code++)
		if (code != K_CTRL('h') && code != K_CTRL('u') && code != K_CTRL('w'))
			assert_false(field_key(&f, code));
	assert_false(field_key(&f, 0x9b));
	assert_false(field_key(&f, 0xd800));
	assert_false(field_key(&f, K_UP));
	assert_int_equal(f.len_bytes, 0);
}

static void
a_field_does_not_overflow_and_is_wiped(void **state)
{
	struct field f = { .len_bytes = 0 };
	size_t i;

	(void)state;
	field_clear(&f, true);
	for (i = 0; i < FIELD_MAX * 2; i++)
		(void)field_key(&f, 0x6771);
	assert_true(f.len_bytes < FIELD_MAX);
	assert_int_equal(f.len_bytes % 3, 0);
	assert_int_equal(strlen(f.text), f.len_bytes);
	field_clear(&f, false);
	for (i = 0; i < FIELD_MAX; i++)
		assert_int_equal(f.text[i], 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_keys_pass),
		cmocka_unit_test(replies_of_a_terminal_are_no_keys),
		cmocka_unit_test(a_reply_in_two_pieces_is_still_no_key),
		cmocka_unit_test(a_field_takes_characters_and_edits),
		cmocka_unit_test(a_field_takes_no_control_characters),
		cmocka_unit_test(a_field_does_not_overflow_and_is_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
