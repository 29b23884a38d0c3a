/*
 * What text.h promises, with strings that mean harm.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/text.h"

static void
expect_clean_n(const char *bytes, size_t len, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	text_clean(&b, bytes, len);
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
}

static void
expect_clean(const char *bytes, const char *want)
{
	expect_clean_n(bytes, strlen(bytes), want);
}

static void
clean_passes_ordinary_text(void **state)
{
	(void)state;
	expect_clean("", "");
	expect_clean("web -> pgbouncer: 8 plain", "web -> pgbouncer: 8 plain");
	expect_clean("Zürich → 東京 ✔ ●", "Zürich → 東京 ✔ ●");
	expect_clean("e\xcc\x81t\xc3\xa9", "e\xcc\x81t\xc3\xa9");
}

static void
clean_shows_controls(void **state)
{
	(void)state;
	expect_clean("\x1b[31mred\x1b[0m", "^[[31mred^[[0m");
	expect_clean("\x1b]0;title\x07", "^[]0;title^G");
	expect_clean("a\r\nb\tc\bd\x7f", "a^M^Jb^Ic^Hd^?");
	expect_clean_n("a\0b", 3, "a^@b");
	/* C1, as UTF-8 and as the bare byte that is CSI in Latin-1. */
	expect_clean("\xc2\x9b" "31m", "<U+009B>31m");
	expect_clean("\x9b" "31m", "<9B>31m");
	expect_clean("\xc2\x85", "<U+0085>");
}

static void
clean_shows_bidi_and_invisible(void **state)
{
	(void)state;
	expect_clean("user\xe2\x80\xaegnp.exe", "user<U+202E>gnp.exe");
	expect_clean("a\xe2\x81\xa6" "b\xe2\x81\xa9", "a<U+2066>b<U+2069>");
	expect_clean("a\xe2\x80\x8b" "b\xe2\x80\x8d\xef\xbb\xbf", "a<U+200B>b<U+200D><U+FEFF>");
	expect_clean("\xc2\xad", "<U+00AD>");
	expect_clean("\xe2\x80\xa8\xe2\x80\xa9", "<U+2028><U+2029>");
	/* Letters and marks by category, and yet nothing to see. */
	expect_clean("\xe3\x85\xa4", "<U+3164>");
	expect_clean("\xe1\x85\x9f", "<U+115F>");
	expect_clean("a\xef\xb8\x8f", "a<U+FE0F>");
	expect_clean("a\xcd\x8f", "a<U+034F>");
	/* Private, unassigned, noncharacter, tags. */
	expect_clean("\xee\x80\x80", "<U+E000>");
	expect_clean("\xcd\xb8", "<U+0378>");
	expect_clean("\xef\xbf\xbf", "<U+FFFF>");
	expect_clean("\xf3\xa0\x81\xa1", "<U+E0061>");
}

static void
clean_shows_bytes_that_are_not_utf8(void **state)
{
	(void)state;
	expect_clean("\xff\xfe", "<FF><FE>");
	expect_clean("caf\xe9", "caf<E9>");
	/* Overlong, surrogate, beyond Unicode, cut short, lone continuation. */
	expect_clean("\xc0\xaf", "<C0><AF>");
	expect_clean("\xe0\x80\x9b", "<E0><80><9B>");
	expect_clean("\xed\xa0\x80", "<ED><A0><80>");
	expect_clean("\xf4\x90\x80\x80", "<F4><90><80><80>");
	expect_clean("\xe2\x82", "<E2><82>");
	expect_clean("\x80", "<80>");
	/* A length that ends inside a character does not read on. */
	expect_clean_n("\xe2\x82\xac", 2, "<E2><82>");
}

static void
clean_caps_combining_marks(void **state)
{
	(void)state;
	expect_clean("a\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81",
	    "a\xcc\x81\xcc\x81\xcc\x81\xcc\x81<U+0301><U+0301>");
	/* Nothing to stand on: at the start, and behind what we wrote. */
	expect_clean("\xcc\xb6x", "<U+0336>x");
	expect_clean("\x1b\xcc\xb6", "^[<U+0336>");
	expect_clean("\xff\xcc\xb6", "<FF><U+0336>");
}

static void
clean_output_is_harmless_for_every_code_point(void **state)
{
	struct buf b;
	int32_t cp, got;
	char in[5], *out, *p;
	size_t n;

	(void)state;
	buf_init(&b, 0);
	for (cp = 0; cp < 0x110000; cp += cp < 0x30000 ? 1 : 61) {
		memset(in, 0, sizeof(in));
		if (cp < 0x80)
			in[0] = (char)cp;
		else if (cp < 0x800) {
			in[0] = (char)(0xc0 | cp >> 6);
			in[1] = (char)(0x80 | (cp & 0x3f));
		} else if (cp < 0x10000) {
			in[0] = (char)(0xe0 | cp >> 12);
			in[1] = (char)(0x80 | (cp >> 6 & 0x3f));
			in[2] = (char)(0x80 | (cp & 0x3f));
		} else {
			in[0] = (char)(0xf0 | cp >> 18);
			in[1] = (char)(0x80 | (cp >> 12 & 0x3f));
			in[2] = (char)(0x80 | (cp >> 6 & 0x3f));
			in[3] = (char)(0x80 | (cp & 0x3f));
		}
		buf_clear(&b);
		buf_putc(&b, 'x');
		text_clean(&b, in, cp == 0 ? 1 : strlen(in));
		out = b.data;
		for (p = out; (n = text_next(p, &got)) > 0; p += n)
			if (got < 0x20 || (got >= 0x7f && got < 0xa0) ||
			    got == 0x202e || got == 0x200b || got == 0xfffe)
				fail_msg("U+%04X came out as U+%04X",
				    (unsigned)cp, (unsigned)got);
		if (text_width(out) < 1)
			fail_msg("U+%04X has no width", (unsigned)cp);
	}
	buf_release(&b);
}

static void
clean_dup_takes_null(void **state)
{
	char *s;

	(void)state;
	s = text_clean_dup(NULL);
	assert_string_equal(s, "");
	free(s);
	s = text_clean_dup("a\nb");
	assert_string_equal(s, "a^Jb");
	free(s);
}

static void
width_counts_cells(void **state)
{
	(void)state;
	assert_int_equal(text_width(""), 0);
	assert_int_equal(text_width("abc"), 3);
	assert_int_equal(text_width("東京"), 4);
	assert_int_equal(text_width("e\xcc\x81"), 1);
	assert_int_equal(text_width("● ✔ → ▁"), 7);
}

static void
fit_keeps_marks_with_their_base(void **state)
{
	size_t cells;

	(void)state;
	assert_int_equal(text_fit("abc", 2, &cells), 2);
	assert_int_equal(cells, 2);
	assert_int_equal(text_fit("abc", 0, &cells), 0);
	assert_int_equal(text_fit("abc", 9, NULL), 3);
	assert_int_equal(text_fit("e\xcc\x81x", 1, &cells), 3);
	assert_int_equal(cells, 1);
	/* Half of a wide character is none. */
	assert_int_equal(text_fit("東京", 3, &cells), 3);
	assert_int_equal(cells, 2);
}

static void
next_ends_and_never_runs_over(void **state)
{
	int32_t cp;

	(void)state;
	assert_int_equal(text_next("", &cp), 0);
	assert_int_equal(text_next("é", &cp), 2);
	assert_int_equal(cp, 0xe9);
	assert_int_equal(text_next("\xe2", &cp), 1);
	assert_int_equal(cp, 0xfffd);
}

/* What a real shell makes of a quoted word. */
static void
expect_round_trip(const char *shell, const char *word)
{
	struct buf b, got;
	int fds[2], status;
	char chunk[256];
	ssize_t n;
	pid_t pid;

	buf_init(&b, 0);
	buf_init(&got, 0);
	buf_puts(&b, "printf %s ");
	text_shell_quote(&b, word);
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(fds[1], 1);
		(void)close(fds[0]);
		(void)close(fds[1]);
		execl(shell, shell, "-c", buf_str(&b), (char *)NULL);
		_exit(127);
	}
	(void)close(fds[1]);
	while ((n = read(fds[0], chunk, sizeof(chunk))) > 0)
		buf_put(&got, chunk, (size_t)n);
	(void)close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_string_equal(buf_str(&got), word);
	buf_release(&b);
	buf_release(&got);
}

static void
shell_quote_survives_dash(void **state)
{
	static const char *const words[] = {
		"plain", "", " ", "'", "''", "it's", "a b", "$(touch /tmp/x)",
		"`id`", "\"$HOME\"", "a\nb\n", "\\", "\\'", "-n", "~root", "*",
		"?[a]", "a;b&c|d>e<f", "#", "!x", "{a,b}", "FOO=bar", "%s%n",
		"\t\r\x01\x7f\xff", "東京 it's", "'\\''", "\\\\n",
	};
	char all[256];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		expect_round_trip("/bin/sh", words[i]);
	for (i = 1; i < 256; i++)
		all[i - 1] = (char)i;
	all[255] = '\0';
	expect_round_trip("/bin/sh", all);
}

static void
shell_quote_leaves_plain_words_plain(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	text_shell_quote(&b, "/srv/app/.env");
	buf_putc(&b, ' ');
	text_shell_quote(&b, "");
	buf_putc(&b, ' ');
	text_shell_quote(&b, "it's");
	assert_string_equal(buf_str(&b), "/srv/app/.env '' 'it'\\''s'");
	buf_release(&b);
}

static void
nearest_finds_what_was_meant(void **state)
{
	static const char *const keys[] = {
		"hosts", "units", "endpoints", "clients", "accept", "ssh", "on", NULL
	};

	(void)state;
	assert_string_equal(text_nearest("host", keys), "hosts");
	assert_string_equal(text_nearest("enpoints", keys), "endpoints");
	assert_string_equal(text_nearest("acecpt", keys), "accept");
	assert_string_equal(text_nearest("clinets", keys), "clients");
	assert_string_equal(text_nearest("shs", keys), "ssh");
	assert_string_equal(text_nearest("no", keys), "on");
	assert_null(text_nearest("volumes", keys));
	assert_null(text_nearest("", keys));
	assert_null(text_nearest("x", keys));
}

static void
base64_agrees_with_rfc4648(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" },
	};
	static const char *const bad[] = {
		"Z", "Zg", "Zg=", "Zg===", "=", "====", "Zh==", "Zm9=", "Zg==Zg==",
		"Zm9v!", "Z===", "Zm=v",
	};
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	for (i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		buf_clear(&b);
		text_base64(&b, pairs[i][0], strlen(pairs[i][0]));
		assert_string_equal(buf_str(&b), pairs[i][1]);
		buf_clear(&b);
		assert_int_equal(text_base64_decode(&b, pairs[i][1], strlen(pairs[i][1])), 0);
		assert_string_equal(buf_str(&b), pairs[i][0]);
	}
	buf_clear(&b);
	assert_int_equal(text_base64_decode(&b, "Zm9v\nYmFy\r\n", 10), 0);
	assert_string_equal(buf_str(&b), "foobar");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		buf_clear(&b);
		if (text_base64_decode(&b, bad[i], strlen(bad[i])) != -1)
			fail_msg("'%s' was taken", bad[i]);
	}
	buf_clear(&b);
	text_hex(&b, "\x00\x7f\xff", 3);
	assert_string_equal(buf_str(&b), "007fff");
	buf_release(&b);
}

static void
age_is_for_people(void **state)
{
	static const struct { int64_t ms; const char *want; } table[] = {
		{ 0, "0 s" }, { 999, "0 s" }, { 3000, "3 s" }, { 119999, "119 s" },
		{ 120000, "2 min" }, { 7200000, "2 h" }, { 25200000, "7 h" },
		{ 345600000, "4 d" }, { 7776000000, "90 d" }, { -3000, "-3 s" },
		{ -345600000, "-4 d" }, { INT64_MIN, "-106751991167 d" },
	};
	char got[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		text_age(got, sizeof(got), table[i].ms);
		assert_string_equal(got, table[i].want);
	}
}

static void
duration_takes_units_and_nothing_else(void **state)
{
	static const char *const bad[] = {
		"", "s", "-1", "1.5s", "1w", "1 s", " 1s", "1ss", "1h30m", "+1",
		"99999999999999999999", "9223372036854775807y",
	};
	size_t i;

	(void)state;
	assert_int_equal(text_duration_ms("10"), 10000);
	assert_int_equal(text_duration_ms("10s"), 10000);
	assert_int_equal(text_duration_ms("250ms"), 250);
	assert_int_equal(text_duration_ms("5m"), 300000);
	assert_int_equal(text_duration_ms("7h"), 25200000);
	assert_int_equal(text_duration_ms("90d"), 7776000000);
	assert_int_equal(text_duration_ms("3y"), 94608000000);
	assert_int_equal(text_duration_ms("0"), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(text_duration_ms(bad[i]), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_passes_ordinary_text),
		cmocka_unit_test(clean_shows_controls),
		cmocka_unit_test(clean_shows_bidi_and_invisible),
		cmocka_unit_test(clean_shows_bytes_that_are_not_utf8),
		cmocka_unit_test(clean_caps_combining_marks),
		cmocka_unit_test(clean_output_is_harmless_for_every_code_point),
		cmocka_unit_test(clean_dup_takes_null),
		cmocka_unit_test(width_counts_cells),
		cmocka_unit_test(fit_keeps_marks_with_their_base),
		cmocka_unit_test(next_ends_and_never_runs_over),
		cmocka_unit_test(shell_quote_survives_dash),
		cmocka_unit_test(shell_quote_leaves_plain_words_plain),
		cmocka_unit_test(nearest_finds_what_was_meant),
		cmocka_unit_test(base64_agrees_with_rfc4648),
		cmocka_unit_test(age_is_for_people),
		cmocka_unit_test(duration_takes_units_and_nothing_else),
	};

	return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
