/*
 * Every screen, as text and roles, against the saved one.
 *
 * tests/ui/golden/SCREEN.WxH.MODE: the text, a line of dashes, the roles (one letter a
 * cell, theme.h; upper case where the row is selected).  MODE is utf8 or ascii; how a
 * role looks in each colour scheme is golden/theme, so that text and roles together are
 * the screen in every scheme.
 *
 * To accept what is drawn now: BELAY_ACCEPT=1 build/tests/ui/render_test
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
#include "tests/ui/screens.h"
#include "ui/grid.h"

#define GOLDEN_DIR "tests/ui/golden/"

static int wrong;

static void
compare(const char *name, const struct buf *got)
{
	char path[256], now[300], chunk[4096];
	struct buf want;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), GOLDEN_DIR "%s", name);
	if (getenv("BELAY_ACCEPT") != NULL) {
		if ((f = fopen(path, "w")) == NULL)
			fail_msg("cannot write %s", path);
		fwrite(buf_str(got), 1, got->len, f);
		fclose(f);
		return;
	}
	buf_init(&want, 0);
	if ((f = fopen(path, "r")) != NULL) {
		while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
			buf_put(&want, chunk, n);
		fclose(f);
	}
	if (want.len != got->len || memcmp(buf_str(&want), buf_str(got), got->len) != 0) {
		snprintf(now, sizeof(now), "%s/tests/ui.%s.now",
		    getenv("BUILD") == NULL ? "build" : getenv("BUILD"), name);
		if ((f = fopen(now, "w")) != NULL) {
			fwrite(buf_str(got), 1, got->len, f);
			fclose(f);
		}
		print_message("# %s differs: diff -u %s %s\n", name, path, now);
		wrong++;
	}
	buf_release(&want);
}

static void
expect_screens(int h, int w, bool ascii)
{
	struct grid g;
	struct buf b;
	char name[128];
	size_t i;
	int x;

	wrong = 0;
	for (i = 0; screen_name(i) != NULL; i++) {
		assert_true(screen_draw(&g, screen_name(i), h, w, ascii));
		buf_init(&b, 0);
		grid_text(&g, &b);
		for (x = 0; x < w; x++)
			buf_putc(&b, '-');
		buf_putc(&b, '\n');
		grid_roles(&g, &b);
		snprintf(name, sizeof(name), "%s.%dx%d.%s", screen_name(i), w, h, ascii ? "ascii" : "utf8");
		compare(name, &b);
		buf_release(&b);
		grid_release(&g);
	}
	if (wrong > 0)
		fail_msg("%d screens differ; to accept them: BELAY_ACCEPT=1 %s/tests/ui/render_test", wrong,
		    getenv("BUILD") == NULL ? "build" : getenv("BUILD"));
}

static void
screens_at_80x24_are_as_saved(void **state)
{
	(void)state;
	expect_screens(24, 80, false);
}

static void
screens_at_160x45_are_as_saved(void **state)
{
	(void)state;
	expect_screens(45, 160, false);
}

static void
screens_in_ascii_are_as_saved(void **state)
{
	(void)state;
	expect_screens(24, 80, true);
}

static void
put_style(struct buf *b, struct style style)
{
	buf_printf(b, " %4d %4d %s%s%s%s", style.fg, style.bg, style.bold ? "bold " : "",
	    style.dim ? "dim " : "", style.reverse ? "reverse " : "", style.underline ? "underline " : "");
	while (b->len > 0 && b->data[b->len - 1] == ' ')
		b->data[--b->len] = '\0';
}

static void
themes_are_as_saved(void **state)
{
	struct buf b;
	int scheme, role, selected;

	(void)state;
	wrong = 0;
	buf_init(&b, 0);
	for (scheme = 0; scheme < SCHEME_COUNT; scheme++)
		for (role = 0; role < ROLE_COUNT; role++)
			for (selected = 0; selected < 2; selected++) {
				buf_printf(&b, "%-11s %c %-8s", scheme_word((enum scheme)scheme),
				    role_letter((enum role)role), selected ? "selected" : "");
				put_style(&b, theme_style((enum scheme)scheme, (enum role)role, selected != 0));
				buf_putc(&b, '\n');
			}
	compare("theme", &b);
	buf_release(&b);
	if (wrong > 0)
		fail_msg("to accept it: BELAY_ACCEPT=1 %s/tests/ui/render_test",
		    getenv("BUILD") == NULL ? "build" : getenv("BUILD"));
}

/* Nothing but whole, clean characters, whatever the size and the screen. */
static void
every_size_is_drawn_whole(void **state)
{
	static const int sizes[][2] = {
		{ 1, 1 }, { 1, 200 }, { 200, 1 }, { 9, 39 }, { 10, 40 }, { 11, 43 }, { 24, 40 }, { 24, 79 },
		{ 24, 104 }, { 24, 132 }, { 13, 80 }, { 60, 250 }, { 1000, 20 }, { 12, 1000 },
	};
	struct grid g;
	size_t i, s;
	int y, x;

	(void)state;
	for (i = 0; screen_name(i) != NULL; i++)
		for (s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
			assert_true(screen_draw(&g, screen_name(i), sizes[s][0], sizes[s][1], s % 2 == 1));
			for (y = 0; y < g.h; y++)
				for (x = 0; x < g.w; x++) {
					const struct cell *c = grid_at(&g, y, x);
					char text[CELL_BYTES_MAX + 1];

					memcpy(text, c->bytes, c->len_bytes);
					text[c->len_bytes] = '\0';
					assert_int_equal(text_width(text), c->width);
					if (s % 2 == 1 && (unsigned char)c->bytes[0] >= 0x7f)
						fail_msg("%s %dx%d: %s at %d,%d", screen_name(i), g.w, g.h, text, y, x);
					if (s % 2 == 1)
						assert_true(c->len_bytes == 1 && c->bytes[0] >= 0x20 && c->bytes[0] < 0x7f);
				}
			grid_release(&g);
		}
}

/* Everything that a state is told by must survive the loss of colour: the glyph or the word. */
static void
what_hosts_say_reaches_no_cell_raw(void **state)
{
	struct grid g;
	struct buf b;
	size_t i;

	(void)state;
	assert_true(screen_draw(&g, "hostile", 24, 80, false));
	buf_init(&b, 0);
	grid_text(&g, &b);
	for (i = 0; i < b.len; i++)
		assert_true((unsigned char)b.data[i] >= 0x20 || b.data[i] == '\n');
	assert_non_null(strstr(buf_str(&b), "^[[2J^[]0;owned^G^M^Jroot<U+202E>cod<9B>31m<FF>"));
	assert_null(strstr(buf_str(&b), "\xe2\x80\xae"));
	buf_release(&b);
	grid_release(&g);
}

static void
a_secret_is_drawn_as_dots(void **state)
{
	struct grid g;
	struct buf b;

	(void)state;
	assert_true(screen_draw(&g, "passphrase", 24, 80, false));
	buf_init(&b, 0);
	grid_text(&g, &b);
	assert_null(strstr(buf_str(&b), "correct"));
	assert_null(strstr(buf_str(&b), "horse"));
	assert_non_null(strstr(buf_str(&b), "•••••••••••••"));
	buf_release(&b);
	grid_release(&g);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(screens_at_80x24_are_as_saved),
		cmocka_unit_test(screens_at_160x45_are_as_saved),
		cmocka_unit_test(screens_in_ascii_are_as_saved),
		cmocka_unit_test(themes_are_as_saved),
		cmocka_unit_test(every_size_is_drawn_whole),
		cmocka_unit_test(what_hosts_say_reaches_no_cell_raw),
		cmocka_unit_test(a_secret_is_drawn_as_dots),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
