/*
 * What diff.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/mem.h"

static void
check(const char *a, const char *b, size_t context, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	diff_text(&out, a, strlen(a), b, strlen(b), context, NULL, NULL);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
same_texts_have_no_diff(void **state)
{
	(void)state;
	check("", "", 3, "");
	check("a\nb\n", "a\nb\n", 3, "");
}

static void
changed_lines_stand_in_their_context(void **state)
{
	(void)state;
	check("a\nb\nc\nd\ne\n", "a\nb\nC\nd\ne\n", 1, " b\n-c\n+C\n d\n");
	check("a\nb\nc\nd\ne\n", "a\nb\nC\nd\ne\n", 0, "-c\n+C\n");
	check("", "x\ny\n", 2, "+x\n+y\n");
	check("x\ny\n", "", 2, "-x\n-y\n");
	check("1\n2\n3\n4\n5\n6\n7\n", "0\n1\n2\n3\n4\n5\n6\n7\n8\n", 1, "+0\n 1\n…\n 7\n+8\n");
}

static void
a_missing_last_newline_is_a_difference(void **state)
{
	(void)state;
	check("a\nb", "a\nb\n", 0, "-b (no newline at the end)\n+b\n");
	check("a", "a\nb\n", 5, "-a (no newline at the end)\n+a\n+b\n");
}

static void
masked(void *arg, const char *line, size_t len, struct buf *out)
{
	(void)arg;
	(void)line;
	(void)buf_printf(out, "<%zu>", len);
}

static void
lines_are_shown_as_the_callback_has_it(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	diff_text(&out, "p=secret\nq=1\n", 13, "p=other\nq=1\n", 12, 1, masked, NULL);
	assert_string_equal(buf_str(&out), "-<8>\n+<7>\n <3>\n");
	buf_release(&out);
}

/* The alignment rises, maps equal lines only, and is as long as the plain recursion finds. */
static void
alignment_is_a_longest_common_subsequence(void **state)
{
	struct lines a, b;
	char ta[64], tb[64];
	size_t i, j, n, m, round, got;
	unsigned len[32][32];
	int *map, prev;

	(void)state;
	srand(7);
	for (round = 0; round < 3000; round++) {
		n = (size_t)rand() % 12;
		m = (size_t)rand() % 12;
		for (i = 0; i < n; i++) {
			ta[2 * i] = (char)('a' + rand() % 4);
			ta[2 * i + 1] = '\n';
		}
		for (i = 0; i < m; i++) {
			tb[2 * i] = (char)('a' + rand() % 4);
			tb[2 * i + 1] = '\n';
		}
		lines_split(&a, ta, 2 * n);
		lines_split(&b, tb, 2 * m);
		assert_int_equal(a.n, n);
		assert_int_equal(b.n, m);
		map = mem_array(n, sizeof(*map));
		diff_align(&a, &b, map);
		memset(len, 0, sizeof(len));
		for (i = n; i-- > 0;)
			for (j = m; j-- > 0;)
				len[i][j] = ta[2 * i] == tb[2 * j] ? len[i + 1][j + 1] + 1 :
				    len[i + 1][j] > len[i][j + 1] ? len[i + 1][j] : len[i][j + 1];
		prev = -1;
		got = 0;
		for (i = 0; i < n; i++)
			if (map[i] >= 0) {
				assert_true(map[i] > prev && (size_t)map[i] < m);
				assert_int_equal(ta[2 * i], tb[2 * map[i]]);
				prev = map[i];
				got++;
			}
		assert_int_equal(got, len[0][0]);
		free(map);
		lines_release(&a);
		lines_release(&b);
	}
}

static void
huge_differences_cost_bounded_memory(void **state)
{
	struct buf a, b, out;
	size_t i;

	(void)state;
	buf_init(&a, 0);
	buf_init(&b, 0);
	buf_init(&out, 0);
	for (i = 0; i < 5000; i++) {
		(void)buf_printf(&a, "a%zu\n", i);
		(void)buf_printf(&b, "b%zu\n", i);
	}
	diff_text(&out, a.data, a.len, b.data, b.len, 3, NULL, NULL);
	assert_int_equal(strncmp(buf_str(&out), "-a0\n-a1\n", 8), 0);
	assert_int_equal(out.len, a.len + b.len + 10000);
	buf_release(&a);
	buf_release(&b);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_texts_have_no_diff),
		cmocka_unit_test(changed_lines_stand_in_their_context),
		cmocka_unit_test(a_missing_last_newline_is_a_difference),
		cmocka_unit_test(lines_are_shown_as_the_callback_has_it),
		cmocka_unit_test(alignment_is_a_longest_common_subsequence),
		cmocka_unit_test(huge_differences_cost_bounded_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
