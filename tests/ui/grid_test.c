/*
 * What grid.h and theme.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/text.h"
#include "ui/glyph.h"
#include "ui/grid.h"

static void
expect_row(const struct grid *g, int y, const char *want)
{
	struct buf b;
	const char *row;
	int i;

	buf_init(&b, 0);
	grid_text(g, &b);
	row = buf_str(&b);
	for (i = 0; i < y; i++)
		row = strchr(row, '\n') + 1;
	assert_int_equal(strcspn(row, "\n"), strlen(want));
	assert_memory_equal(row, want, strlen(want));
	buf_release(&b);
}

/* Every cell is whole: a character of its width, or the right half of the one before. */
static void
expect_whole(const struct grid *g)
{
	int y, x, i;

	for (y = 0; y < g->h; y++)
		for (x = 0; x < g->w; x++) {
			const struct cell *c = grid_at(g, y, x);
			char text[CELL_BYTES_MAX + 1];

			if (c->width == 0) {
				assert_true(x > 0 && grid_at(g, y, x - 1)->width == 2);
				continue;
			}
			memcpy(text, c->bytes, c->len_bytes);
			text[c->len_bytes] = '\0';
			assert_int_equal(text_width(text), c->width);
			if (c->width == 2)
				assert_true(x + 1 < g->w && grid_at(g, y, x + 1)->width == 0);
			for (i = 0; i < c->len_bytes; i++)
				assert_true((unsigned char)c->bytes[i] >= 0x20 && c->bytes[i] != 0x7f);
		}
}

static void
text_is_cut_with_an_ellipsis(void **state)
{
	struct grid g;

	(void)state;
	grid_init(&g, 3, 10, false);
	assert_int_equal(grid_put(area_of(&g), 0, 0, -1, ROLE_TEXT, "0123456789"), 10);
	assert_int_equal(grid_put(area_of(&g), 1, 0, -1, ROLE_TEXT, "0123456789a"), 10);
	assert_int_equal(grid_put(area_of(&g), 2, 2, 4, ROLE_TEXT, "abcdef"), 4);
	expect_row(&g, 0, "0123456789");
	expect_row(&g, 1, "012345678\xe2\x80\xa6");
	expect_row(&g, 2, "  abc\xe2\x80\xa6");
	expect_whole(&g);
	grid_release(&g);
}

static void
wide_characters_take_two_cells_and_are_never_halved(void **state)
{
	struct grid g;
	int x;

	(void)state;
	grid_init(&g, 1, 7, false);
	/* Three wide ones and a half: the last does not fit beside the ellipsis. */
	assert_int_equal(grid_put(area_of(&g), 0, 0, -1, ROLE_TEXT, "東京都庁"), 7);
	expect_row(&g, 0, "東京都\xe2\x80\xa6");
	expect_whole(&g);
	/* Overwriting either half leaves no other half behind. */
	for (x = 0; x < 6; x++) {
		grid_clear(&g);
		grid_put(area_of(&g), 0, 0, -1, ROLE_TEXT, "東京都");
		grid_put(area_of(&g), 0, x, 1, ROLE_TEXT, "x");
		expect_whole(&g);
		grid_put(area_of(&g), 0, x, 2, ROLE_TEXT, "京");
		expect_whole(&g);
	}
	grid_release(&g);
}

static void
marks_stay_with_their_character(void **state)
{
	struct grid g;

	(void)state;
	grid_init(&g, 1, 6, false);
	assert_int_equal(grid_put(area_of(&g), 0, 0, -1, ROLE_TEXT, "e\xcc\x81" "a\xcc\x88\xcc\xa3!"), 3);
	assert_int_equal(grid_at(&g, 0, 0)->len_bytes, 3);
	assert_int_equal(grid_at(&g, 0, 1)->len_bytes, 5);
	assert_int_equal(grid_at(&g, 0, 2)->len_bytes, 1);
	expect_whole(&g);
	grid_release(&g);
}

static void
hostile_bytes_reach_no_cell(void **state)
{
	static const char *const hostile[] = {
		"\033[2Jgone", "a\r\nb\tc\bd", "\xc2\x9b" "31m", "\x9b" "31m", "\xe2\x80\xaegnp.exe",
		"zero\xe2\x80\x8bwidth", "\xff\xfe\xfd", "\033]0;title\007", "\x0e\x0f shift",
		"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
		"\xf3\xa0\x81\xa1tag", "\xef\xb8\x8f", "\xcc\x81 mark first", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80",
	};
	struct grid g;
	size_t i;
	int x;
	bool ascii;

	(void)state;
	for (ascii = false;; ascii = true) {
		grid_init(&g, 2, 40, ascii);
		for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
			grid_clear(&g);
			grid_put(area_of(&g), 0, 0, -1, ROLE_TEXT, hostile[i]);
			grid_printf(area_of(&g), 1, 0, -1, ROLE_TEXT, "<%s>", hostile[i]);
			expect_whole(&g);
			for (x = 0; ascii && x < 40; x++)
				assert_true((unsigned char)grid_at(&g, 0, x)->bytes[0] < 0x7f);
		}
		grid_release(&g);
		if (ascii)
			break;
	}
}

static void
nothing_leaves_its_area(void **state)
{
	struct grid g;
	struct area a;
	int y, x;

	(void)state;
	grid_init(&g, 5, 20, false);
	a = area_part(area_of(&g), 1, 5, 3, 8);
	grid_put(a, 0, 0, 100, ROLE_BAD, "longer than eight");
	grid_put(a, 1, 7, -1, ROLE_BAD, "東");
	grid_put(a, 3, 0, -1, ROLE_BAD, "below");
	grid_put(a, -1, 0, -1, ROLE_BAD, "above");
	grid_put(a, 0, -3, -1, ROLE_BAD, "left");
	grid_fill(a, 2, 0, 100, ROLE_BAD, "#");
	grid_select(a, 2, 0, 100);
	assert_int_equal(grid_wrap(a, 0, 0, -1, 99, ROLE_BAD, "one two three four five six seven"), 3);
	for (y = 0; y < 5; y++)
		for (x = 0; x < 20; x++)
			if (y < 1 || y > 3 || x < 5 || x > 12) {
				assert_int_equal(grid_at(&g, y, x)->role, ROLE_TEXT);
				assert_false(grid_at(&g, y, x)->selected);
			}
	/* Parts of parts, and parts that are not there. */
	a = area_part(a, 2, 6, 10, 10);
	assert_int_equal(a.h, 1);
	assert_int_equal(a.w, 2);
	a = area_part(a, 9, 9, 9, 9);
	assert_int_equal(grid_put(a, 0, 0, -1, ROLE_BAD, "x"), 0);
	expect_whole(&g);
	grid_release(&g);
}

static void
wrapping_breaks_at_blanks(void **state)
{
	struct grid g;

	(void)state;
	grid_init(&g, 4, 12, false);
	assert_int_equal(grid_wrap(area_of(&g), 0, 0, 12, 4, ROLE_TEXT, "one two three four"), 2);
	expect_row(&g, 0, "one two");
	expect_row(&g, 1, "three four");
	grid_clear(&g);
	assert_int_equal(grid_wrap(area_of(&g), 0, 0, 12, 2, ROLE_TEXT,
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 2);
	expect_row(&g, 0, "aaaaaaaaaaaa");
	expect_row(&g, 1, "aaaaaaaaaaa\xe2\x80\xa6");
	grid_release(&g);
}

static void
every_glyph_has_its_width(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < GLYPH_COUNT; i++) {
		const char *ascii = glyph(true, (enum glyph)i);

		assert_int_equal(text_width(glyph(false, (enum glyph)i)), 1);
		for (; *ascii != '\0'; ascii++)
			assert_true(*ascii > 0x20 && *ascii < 0x7f);
		if (i != G_ARROW)
			assert_int_equal(text_width(glyph(true, (enum glyph)i)), 1);
	}
}

static bool
style_same(struct style a, struct style b)
{
	return a.fg == b.fg && a.bg == b.bg && a.bold == b.bold && a.dim == b.dim &&
	    a.reverse == b.reverse && a.underline == b.underline;
}

static void
mono_uses_no_colour_and_every_scheme_shows_the_selection(void **state)
{
	int scheme, role;

	(void)state;
	for (scheme = 0; scheme < SCHEME_COUNT; scheme++)
		for (role = 0; role < ROLE_COUNT; role++) {
			struct style off = theme_style((enum scheme)scheme, (enum role)role, false);
			struct style on = theme_style((enum scheme)scheme, (enum role)role, true);

			if (role != ROLE_ARMED)
				assert_false(style_same(off, on));
			if (scheme == SCHEME_MONO)
				assert_true(off.fg == -1 && off.bg == -1 && on.fg == -1 && on.bg == -1);
			if (scheme == SCHEME_8)
				assert_true(off.fg < 8 && off.bg < 8 && on.fg < 8 && on.bg < 8);
		}
	/* What must never be missed stands out in each of them. */
	for (scheme = 0; scheme < SCHEME_COUNT; scheme++) {
		struct style text = theme_style((enum scheme)scheme, ROLE_TEXT, false);

		assert_false(style_same(text, theme_style((enum scheme)scheme, ROLE_ARMED, false)));
		assert_false(style_same(text, theme_style((enum scheme)scheme, ROLE_BAD, false)));
		assert_false(style_same(text, theme_style((enum scheme)scheme, ROLE_WARN, false)));
	}
}

static void
role_letters_are_unique(void **state)
{
	int a, b;

	(void)state;
	for (a = 0; a < ROLE_COUNT; a++) {
		assert_true(role_letter((enum role)a) >= 'a' && role_letter((enum role)a) <= 'z');
		assert_true(strlen(role_use((enum role)a)) > 0);
		for (b = a + 1; b < ROLE_COUNT; b++)
			assert_true(role_letter((enum role)a) != role_letter((enum role)b));
	}
}

static void
no_color_wins(void **state)
{
	(void)state;
	assert_int_equal(scheme_choose(256, true), SCHEME_MONO);
	assert_int_equal(scheme_choose(256, false), SCHEME_256);
	assert_int_equal(scheme_choose(16, false), SCHEME_8);
	assert_int_equal(scheme_choose(8, false), SCHEME_8);
	assert_int_equal(scheme_choose(0, false), SCHEME_MONO);
	assert_int_equal(scheme_choose(-1, false), SCHEME_MONO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_cut_with_an_ellipsis),
		cmocka_unit_test(wide_characters_take_two_cells_and_are_never_halved),
		cmocka_unit_test(marks_stay_with_their_character),
		cmocka_unit_test(hostile_bytes_reach_no_cell),
		cmocka_unit_test(nothing_leaves_its_area),
		cmocka_unit_test(wrapping_breaks_at_blanks),
		cmocka_unit_test(every_glyph_has_its_width),
		cmocka_unit_test(mono_uses_no_colour_and_every_scheme_shows_the_selection),
		cmocka_unit_test(role_letters_are_unique),
		cmocka_unit_test(no_color_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
