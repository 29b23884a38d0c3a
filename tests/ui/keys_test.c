/*
 * What the table of keys promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/command.h"
#include "ui/keys.h"

static bool
row_has(const struct key_row *row, int code)
{
	size_t k;

	for (k = 0; k < KEY_CODES; k++)
		if (row->codes[k] == code)
			return true;
	return false;
}

static void
no_key_means_two_things_in_one_place(void **state)
{
	size_t i, j, k;

	(void)state;
	for (i = 0; i < KEY_ROWS; i++)
		for (j = i + 1; j < KEY_ROWS; j++) {
			if ((key_rows[i].in & key_rows[j].in) == 0)
				continue;
			for (k = 0; k < KEY_CODES; k++)
				if (key_rows[i].codes[k] != 0 && row_has(&key_rows[j], key_rows[i].codes[k]))
					fail_msg("'%s' and '%s' share a key", key_rows[i].help, key_rows[j].help);
		}
}

static void
every_key_has_a_help_line_and_a_name(void **state)
{
	char name[KEY_NAME_MAX];
	size_t i, k;

	(void)state;
	for (i = 0; i < KEY_ROWS; i++) {
		assert_int_equal(key_rows[i].act, i + 1);
		assert_true(strlen(key_rows[i].help) > 3);
		assert_true(key_rows[i].codes[0] != 0);
		for (k = 0; k < KEY_CODES && key_rows[i].codes[k] != 0; k++) {
			key_words(name, key_rows[i].codes[k]);
			assert_true(strcmp(name, "?") != 0 || key_rows[i].codes[k] == '?');
		}
	}
}

static void
no_change_is_near_navigation(void **state)
{
	static const int moving[] = {
		'h', 'j', 'k', 'l', 'g', 'q', ' ', K_UP, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PAGE_UP,
		K_PAGE_DOWN, K_ENTER, K_TAB, K_ESC, K_BACKSPACE, K_DELETE,
	};
	size_t i, k, m;

	(void)state;
	for (i = 0; i < KEY_ROWS; i++) {
		if (key_rows[i].section != KEYS_CHANGE)
			continue;
		for (k = 0; k < KEY_CODES; k++)
			for (m = 0; m < sizeof(moving) / sizeof(moving[0]); m++) {
				int code = key_rows[i].codes[k];

				assert_int_not_equal(code, moving[m]);
				/* Nor the same key with Shift held. */
				if (moving[m] >= 'a' && moving[m] <= 'z')
					assert_int_not_equal(code, moving[m] - 'a' + 'A');
			}
	}
}

static void
no_change_is_on_a_control_letter(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < KEY_ROWS; i++)
		for (k = 0; k < KEY_CODES; k++) {
			int code = key_rows[i].codes[k];

			if (key_rows[i].section == KEYS_CHANGE)
				assert_true(code == 0 || code >= 0x20);
			/* In a question only Enter, Tab and Esc of all control characters. */
			if (key_rows[i].section == KEYS_QUESTION && code > 0 && code < 0x20)
				assert_true(code == K_ENTER || code == K_TAB || code == K_ESC);
		}
}

static void
undo_is_one_key_in_every_pane(void **state)
{
	int pane;

	(void)state;
	for (pane = 0; pane < PANE_COUNT; pane++) {
		const struct key_row *row = keys_find((enum place)pane, 'u');

		assert_non_null(row);
		assert_int_equal(row->act, ACT_UNDO);
		assert_int_equal(keys_find((enum place)pane, '?')->act, ACT_HELP);
		assert_int_equal(keys_find((enum place)pane, 'q')->act, ACT_QUIT);
		assert_int_equal(keys_find((enum place)pane, K_ESC)->act, ACT_BACK);
	}
	assert_int_equal(keys_find(PLACE_UNDO, 'u')->act, ACT_NOW);
	assert_int_equal(keys_find(PLACE_UNDO, K_ENTER)->act, ACT_NOW);
	assert_int_equal(keys_find(PLACE_UNDO, K_ESC)->act, ACT_CANCEL);
}

static void
every_question_can_be_declined(void **state)
{
	int place;

	(void)state;
	for (place = PANE_COUNT; place < PLACE_COUNT; place++)
		assert_int_equal(keys_find((enum place)place, K_ESC)->act, ACT_CANCEL);
}

static void
the_manual_has_every_key_and_command(void **state)
{
	char *text = NULL;
	size_t len = 0, i;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	keys_print_mdoc(out);
	commands_print_mdoc(out);
	fclose(out);
	for (i = 0; i < KEY_ROWS; i++) {
		/* Long lines are folded; the first words stand together. */
		char head[24];

		snprintf(head, sizeof(head), "\n%.16s", key_rows[i].help);
		assert_non_null(strstr(text, head));
	}
	for (i = 0; i < COMMAND_COUNT; i++)
		assert_non_null(strstr(text, command_name((enum command_kind)i)));
	for (i = 0; i < len;) {
		size_t line = strcspn(text + i, "\n");

		assert_true(line <= 80);
		i += line + 1;
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_key_means_two_things_in_one_place),
		cmocka_unit_test(every_key_has_a_help_line_and_a_name),
		cmocka_unit_test(no_change_is_near_navigation),
		cmocka_unit_test(no_change_is_on_a_control_letter),
		cmocka_unit_test(undo_is_one_key_in_every_pane),
		cmocka_unit_test(every_question_can_be_declined),
		cmocka_unit_test(the_manual_has_every_key_and_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
