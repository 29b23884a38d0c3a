/*
 * What yaml.h promises: positions, strings only, and bombs that cost nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/yaml.h"

static struct node *
read_ok(const char *text)
{
	struct node *root;
	struct err err;

	if (node_read(&root, "f", text, strlen(text), &err) == -1)
		fail_msg("%s", err.msg);
	return root;
}

static void
everything_is_a_string(void **state)
{
	static const char *const values[] = {
		"on", "yes", "0600", "1e3", "~", "null", "2024-01-01", "a: b", "# x", ""
	};
	struct node *root = read_ok("a: on\nb: yes\nc: 0600\nd: 1e3\ne: ~\nf: null\n"
	    "g: 2024-01-01\nh: 'a: b'\ni: \"# x\"\nj:\n");
	size_t i;

	(void)state;
	assert_int_equal(root->kind, NODE_MAPPING);
	assert_int_equal(root->n, 10);
	for (i = 0; i < root->n; i++) {
		assert_int_equal(root->entries[i].value->kind, NODE_SCALAR);
		assert_string_equal(root->entries[i].value->value, values[i]);
	}
	assert_true(node_get(root, "j")->empty);
	assert_false(node_get(root, "h")->empty);
	assert_null(node_get(root, "k"));
	assert_null(node_get(node_get(root, "a"), "x"));
	node_free(root);
	node_free(NULL);
}

static void
positions_count_characters_from_one(void **state)
{
	struct node *root = read_ok("# é\nä: { ö: [x, ü, y] }\n");
	const struct entry *e = &root->entries[0];
	const struct node *list = e->value->entries[0].value;

	(void)state;
	assert_int_equal(e->line, 2);
	assert_int_equal(e->col, 1);
	assert_int_equal(e->value->entries[0].line, 2);
	assert_int_equal(e->value->entries[0].col, 6);
	assert_int_equal(list->items[2]->line, 2);
	assert_int_equal(list->items[2]->col, 16);
	node_free(root);
}

static void
sixteen_deep_is_deep_enough(void **state)
{
	struct node *root;
	struct err err;

	(void)state;
	/* The root counts: a mapping and fourteen lists around a value. */
	root = read_ok("a: [[[[[[[[[[[[[[x]]]]]]]]]]]]]]\n");
	node_free(root);
	assert_int_equal(node_read(&root, "f", "a: [[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]\n", 37, &err), -1);
}

/* Refused, and at once: CPU time, so that a busy machine does not matter. */
static void
expect_refused_fast(const char *text, size_t len, const char *message)
{
	struct node *root;
	struct err err;
	clock_t begin = clock();

	assert_int_equal(node_read(&root, "f", text, len, &err), -1);
	assert_non_null(strstr(err.msg, message));
	assert_true(clock() - begin < CLOCKS_PER_SEC);
}

static void
expect_bomb(const char *unit, size_t total, const char *message)
{
	struct buf b;

	buf_init(&b, 0);
	while (b.len < total)
		buf_puts(&b, unit);
	expect_refused_fast(b.data, b.len, message);
	buf_release(&b);
}

static void
bombs_are_refused_at_once(void **state)
{
	(void)state;
	expect_bomb("[", 100000, "expected");
	expect_bomb("{", 100000, "expected");
	expect_bomb("- ", 100000, "expected");
	expect_bomb("? ", 100000, "expected");
	expect_bomb("[\n", 100000, "expected");
	expect_bomb("a: [[[[[[[[[[[[[[[[[[", 100000, "nested more than 16 deep");
	expect_bomb("{a: ", 100000, "nested more than 16 deep");
	expect_bomb("[a, ", 100000, "expected");
	expect_bomb("x", YAML_TEXT_MAX + 1, "expected at most 262144");
	expect_bomb("\"", 100000, "expected");
	expect_bomb("&a ", 100000, "expected");
	expect_bomb("!<x> ", 100000, "expected");
	expect_bomb("#", 200000, "nothing in the file");
}

static void
many_values_and_keys_are_refused(void **state)
{
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "a: [");
	for (i = 0; i < 100000; i++)
		buf_puts(&b, "x,");
	buf_puts(&b, "]\n");
	expect_refused_fast(b.data, b.len, "more than 65536 values");
	buf_clear(&b);
	for (i = 0; i < 20000; i++)
		buf_printf(&b, "k%zu: v\n", i);
	expect_refused_fast(b.data, b.len, "more than 2048 keys");
	buf_release(&b);
}

static void
nothing_reads_beyond_a_file_cut_anywhere(void **state)
{
	static const char text[] = "belay: fleet/1\nhosts:\n  \"$(s)-ü\": { for: { s: [a, 'b'] } }\n"
	    "x: |\n  block\n  text\ny: >-\n  folded\n";
	struct node *root;
	struct err err;
	char *copy;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(text); len++) {
		/* On the heap and without an end, so that the sanitizer sees a step too far. */
		copy = mem_strndup(text, len);
		copy = mem_resize(copy, len == 0 ? 1 : len, 1);
		if (node_read(&root, "f", copy, len, &err) == 0)
			node_free(root);
		free(copy);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_a_string),
		cmocka_unit_test(positions_count_characters_from_one),
		cmocka_unit_test(sixteen_deep_is_deep_enough),
		cmocka_unit_test(bombs_are_refused_at_once),
		cmocka_unit_test(many_values_and_keys_are_refused),
		cmocka_unit_test(nothing_reads_beyond_a_file_cut_anywhere),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
