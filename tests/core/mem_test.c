/*
 * What mem.h, err.h and buf.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

static void
push_keeps_what_was_there_and_zeroes_the_new(void **state)
{
	struct thing { int a; void *p; } *v = NULL, *t;
	size_t n = 0, i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		t = mem_push(&v, &n, sizeof(*v));
		assert_int_equal(t->a, 0);
		assert_null(t->p);
		t->a = (int)i;
		t->p = t;
	}
	assert_int_equal(n, 1000);
	for (i = 0; i < n; i++)
		assert_int_equal(v[i].a, i);
	free(v);
}

static void
strings_are_copied_and_formatted(void **state)
{
	char *s;

	(void)state;
	assert_null(mem_strdup(NULL));
	s = mem_strndup("abcdef", 3);
	assert_string_equal(s, "abc");
	free(s);
	s = mem_printf("%s-%d", "x", 7);
	assert_string_equal(s, "x-7");
	mem_wipe_free(s, strlen(s));
	mem_wipe(NULL, 3);
	mem_wipe_free(NULL, 0);
}

/* Whether a child that runs the function dies by abort(). */
static int
aborts(void (*run)(void))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(2);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status);
}

static void
grow_too_far(void)
{
	free(mem_resize(NULL, SIZE_MAX / 2, 16));
}

static void
arithmetic_overflow_aborts(void **state)
{
	(void)state;
	assert_true(aborts(grow_too_far));
}

static void
err_wrap_reads_outside_in(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, "connection %s", "refused"), -1);
	assert_int_equal(err_wrap(&err, "host '%s'", "db"), -1);
	assert_int_equal(err_wrap(&err, "cannot probe '%s'", "postgres"), -1);
	assert_string_equal(err.msg,
	    "cannot probe 'postgres': host 'db': connection refused");
	assert_int_equal(err_set(NULL, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
}

static void
err_is_cut_never_overrun(void **state)
{
	struct { struct err err; char guard[8]; } e;
	char big[3 * ERR_MAX];

	(void)state;
	memcpy(e.guard, "guarded", 8);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	err_set(&e.err, "%s", big);
	assert_int_equal(strlen(e.err.msg), ERR_MAX - 1);
	err_wrap(&e.err, "p");
	assert_int_equal(strlen(e.err.msg), ERR_MAX - 1);
	assert_memory_equal(e.err.msg, "p: aaa", 6);
	err_wrap(&e.err, "%s", big);
	assert_int_equal(strlen(e.err.msg), ERR_MAX - 1);
	assert_string_equal(e.guard, "guarded");
}

static void
buf_grows_and_stays_terminated(void **state)
{
	struct buf b = { 0 };
	size_t i, len;
	char *s;

	(void)state;
	assert_string_equal(buf_str(&b), "");
	for (i = 0; i < 1000; i++)
		assert_int_equal(buf_printf(&b, "%d,", 7), 0);
	assert_int_equal(b.len, 2000);
	assert_int_equal(strlen(buf_str(&b)), 2000);
	buf_drop(&b, 1998);
	assert_string_equal(buf_str(&b), "7,");
	buf_drop(&b, 99);
	assert_string_equal(buf_str(&b), "");
	buf_puts(&b, "x");
	s = buf_take(&b, &len);
	assert_string_equal(s, "x");
	assert_int_equal(len, 1);
	free(s);
	assert_string_equal(buf_str(&b), "");
	s = buf_take(&b, NULL);
	assert_string_equal(s, "");
	free(s);
	buf_release(&b);
	buf_release(&b);
}

static void
buf_past_its_limit_drops_and_says_so(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 4);
	assert_int_equal(buf_puts(&b, "abc"), 0);
	assert_false(b.over);
	assert_int_equal(buf_puts(&b, "def"), -1);
	assert_true(b.over);
	assert_string_equal(buf_str(&b), "abcd");
	assert_int_equal(buf_putc(&b, 'x'), -1);
	assert_int_equal(b.len, 4);
	buf_clear(&b);
	assert_false(b.over);
	assert_int_equal(buf_puts(&b, "abcd"), 0);
	buf_release(&b);
}

static void
secret_buf_is_overwritten(void **state)
{
	struct buf b;
	const char *was;

	(void)state;
	buf_init(&b, 0);
	b.secret = true;
	buf_puts(&b, "hunter2");
	was = b.data;
	buf_clear(&b);
	assert_int_equal(was[0], 0);
	assert_int_equal(was[6], 0);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_keeps_what_was_there_and_zeroes_the_new),
		cmocka_unit_test(strings_are_copied_and_formatted),
		cmocka_unit_test(arithmetic_overflow_aborts),
		cmocka_unit_test(err_wrap_reads_outside_in),
		cmocka_unit_test(err_is_cut_never_overrun),
		cmocka_unit_test(buf_grows_and_stays_terminated),
		cmocka_unit_test(buf_past_its_limit_drops_and_says_so),
		cmocka_unit_test(secret_buf_is_overwritten),
	};

	return cmocka_run_group_tests_name("mem, err, buf", tests, NULL, NULL);
}
