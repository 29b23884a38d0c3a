/*
 * What envfile.h promises.
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
#include "core/envfile.h"
#include "core/mem.h"

#define KEYS_MAX 4

/* "+K=V" sets, "-K" unsets; the list ends with NULL. */
struct edits {
	struct pair pairs[KEYS_MAX];
	char	*names[KEYS_MAX];
	char	 room[KEYS_MAX][128];
	struct pairs set;
	struct strings unset;
};

static void
edits_make(struct edits *e, const char *const *list)
{
	char *eq;
	size_t i;

	memset(e, 0, sizeof(*e));
	e->set.v = e->pairs;
	e->unset.v = e->names;
	for (i = 0; list[i] != NULL; i++) {
		(void)snprintf(e->room[i], sizeof(e->room[i]), "%s", list[i] + 1);
		if (list[i][0] == '-') {
			e->names[e->unset.n++] = e->room[i];
			continue;
		}
		eq = strchr(e->room[i], '=');
		*eq = '\0';
		e->pairs[e->set.n].key = e->room[i];
		e->pairs[e->set.n++].value = eq + 1;
	}
}

#define EDITS(...) ((const char *const []){ __VA_ARGS__, NULL })

static void
check_edit(const char *text, const char *const *list, const char *want)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf out, back;

	edits_make(&e, list);
	buf_init(&out, 0);
	buf_init(&back, 0);
	assert_true(envfile_edit(&out, text, strlen(text), &e.set, &e.unset));
	assert_string_equal(buf_str(&out), want);
	/* Whatever was done to it, the way back has every byte again. */
	assert_int_equal(envfile_restore(&back, text, strlen(text), &e.set, &e.unset,
	    buf_str(&out), out.len, &drift), 0);
	assert_string_equal(buf_str(&back), text);
	buf_release(&out);
	buf_release(&back);
}

static void
check_get(const char *text, const char *key, const char *want)
{
	struct buf out;
	bool found;

	buf_init(&out, 0);
	found = envfile_get(text, strlen(text), key, &out);
	assert_int_equal(found, want != NULL);
	if (want != NULL)
		assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
values_are_read_as_a_shell_reads_them(void **state)
{
	(void)state;
	check_get("A=1\n", "A", "1");
	check_get("A=1", "A", "1");
	check_get("A=1\r\nB=2\r\n", "A", "1");
	check_get("A=\n", "A", "");
	check_get("A=  \n", "A", "");
	check_get("A=x y\n", "A", "x y");
	check_get("A=x # because\n", "A", "x");
	check_get("A= # because\n", "A", "");
	check_get("A=x#y\n", "A", "x#y");
	check_get("A='x # y'\n", "A", "x # y");
	check_get("A=\"x \\\" \\$y \\\\ \\n\" # c\n", "A", "x \" $y \\ \\n");
	check_get("A=\"\"\n", "A", "");
	check_get("  export  A = 1 \n", "A", "1");
	check_get("export A=1\nA=2\n", "A", "2");
	check_get("#A=1\n # A=2\n", "A", NULL);
	check_get("AA=1\nBA=2\n", "A", NULL);
	check_get("A\nA B=1\n", "A", NULL);
	check_get("export=7\n", "export", "7");
	check_get("A=it's\nB=don't\n", "B", "don't");
	check_get("A='tis\nB=it's here\n", "B", "it's here");
	check_get("A='tis\nB=it's here\n", "A", "'tis");
	check_get("PEM=\"-----\nA=no\n-----\"\nA=yes\n", "A", "yes");
	check_get("PEM=\"-----\nB=no\n-----\" # c\n", "B", NULL);
	check_get("PEM='a\nb'\n", "PEM", "a\nb");
	check_get("", "A", NULL);
	check_get("A='x'y\n", "A", "'x'y");
}

static void
a_value_is_replaced_in_the_style_of_its_line(void **state)
{
	(void)state;
	check_edit("A=1\nB=2\nC=3\n", EDITS("+B=x"), "A=1\nB=x\nC=3\n");
	check_edit("  export B = 2  # why\n", EDITS("+B=x"), "  export B = x  # why\n");
	check_edit("B='2'\n", EDITS("+B=x"), "B='x'\n");
	check_edit("B='2'\n", EDITS("+B=it's"), "B=\"it's\"\n");
	check_edit("B=\"2\"\t# c\n", EDITS("+B=a\"$`\\b"), "B=\"a\\\"\\$\\`\\\\b\"\t# c\n");
	check_edit("B=2\r\nC=3\r\n", EDITS("+B=x"), "B=x\r\nC=3\r\n");
	check_edit("B=2", EDITS("+B=x"), "B=x");
	check_edit("B=\n", EDITS("+B=x"), "B=x\n");
	check_edit("B=2\n", EDITS("+B="), "B=\n");
	check_edit("B='a\nb'\nC=1\n", EDITS("+B=x"), "B='x'\nC=1\n");
}

static void
a_bare_value_is_quoted_only_where_it_must_be(void **state)
{
	(void)state;
	check_edit("B=2\n", EDITS("+B=/etc/ssl/internal/ca.crt"), "B=/etc/ssl/internal/ca.crt\n");
	check_edit("B=2\n", EDITS("+B=QUJD+/=="), "B=QUJD+/==\n");
	check_edit("B=2\n", EDITS("+B=a b"), "B='a b'\n");
	check_edit("B=2\n", EDITS("+B=it's $HOME"), "B=\"it's \\$HOME\"\n");
	check_edit("B=2\n", EDITS("+B=#x"), "B='#x'\n");
}

static void
a_value_that_is_there_already_changes_nothing(void **state)
{
	(void)state;
	check_edit("B=\"verify-full\" # c\n", EDITS("+B=verify-full"), "B=\"verify-full\" # c\n");
	check_edit("A=1\n", EDITS("-B"), "A=1\n");
}

static void
of_duplicates_the_last_is_changed_and_all_are_unset(void **state)
{
	(void)state;
	check_edit("B=1\nA=0\nB=2\n", EDITS("+B=x"), "B=1\nA=0\nB=x\n");
	check_edit("B=1\nA=0\nB=2\n", EDITS("-B"), "A=0\n");
	check_edit("B=1\nB=2", EDITS("-B"), "");
}

static void
a_new_key_is_appended_in_the_style_of_the_file(void **state)
{
	(void)state;
	check_edit("", EDITS("+B=x"), "B=x\n");
	check_edit("A=1\n", EDITS("+B=x"), "A=1\nB=x\n");
	check_edit("A=1", EDITS("+B=x"), "A=1\nB=x\n");
	check_edit("C=0\r\nA=1", EDITS("+B=x"), "C=0\r\nA=1\r\nB=x\r\n");
	check_edit("A=1\r\n", EDITS("+B=x"), "A=1\r\nB=x\r\n");
	check_edit("export A=1\n# end\n", EDITS("+B=x", "+C=y z"),
	    "export A=1\n# end\nexport B=x\nexport C='y z'\n");
	check_edit("A=1\nB=2\nC=3", EDITS("-C", "+D=4"), "A=1\nB=2\nD=4\n");
	check_edit("A=1\n\n\n", EDITS("+B=x"), "A=1\n\n\nB=x\n");
}

static void
keys_of_others_are_left_alone(void **state)
{
	(void)state;
	check_edit("REDIS_TLS_ENABLED_OLD=1\nX_REDIS_TLS_ENABLED=1\n#REDIS_TLS_ENABLED=1\n",
	    EDITS("+REDIS_TLS_ENABLED=true"),
	    "REDIS_TLS_ENABLED_OLD=1\nX_REDIS_TLS_ENABLED=1\n#REDIS_TLS_ENABLED=1\n"
	    "REDIS_TLS_ENABLED=true\n");
}

static void
check_restore(const char *before, const char *const *list, const char *now, const char *want)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf out, names;
	size_t i, n;

	edits_make(&e, list);
	buf_init(&out, 0);
	buf_init(&names, 0);
	n = envfile_restore(&out, before, strlen(before), &e.set, &e.unset, now, strlen(now), &drift);
	assert_int_equal(n, drift.n);
	for (i = 0; i < drift.n; i++) {
		(void)buf_printf(&names, "drift %s\n", drift.v[i]);
		free(drift.v[i]);
	}
	free(drift.v);
	assert_string_equal(n > 0 ? buf_str(&names) : buf_str(&out), want);
	buf_release(&out);
	buf_release(&names);
}

static void
undo_keeps_what_others_wrote_meanwhile(void **state)
{
	(void)state;
	check_restore("A=1\nB=2\nC=3\n", EDITS("+B=x"),
	    "A=9\nnew=1\nB=x\nC=3\nD=4\n", "A=9\nnew=1\nB=2\nC=3\nD=4\n");
	check_restore("A=1\nB=2\nC=3\n", EDITS("-B"), "A=1\nC=3\nD=4\n", "A=1\nB=2\nC=3\nD=4\n");
	check_restore("A=1\n", EDITS("+B=x"), "A=1\nB=x\nD=4\n", "A=1\nD=4\n");
	check_restore("A=1", EDITS("+B=x"), "A=1\nB=x\nD=4\n", "A=1\nD=4\n");
	check_restore("A=1", EDITS("+B=x"), "A=1\nB='x'\n", "A=1");
	check_restore("A=1\nB=2", EDITS("-B"), "A=1\nD=4\n", "A=1\nB=2\nD=4\n");
	check_restore("B=2\nA=1\n", EDITS("-B"), "Z=0\nA=1\n", "B=2\nZ=0\nA=1\n");
	/* Somebody put our line elsewhere: it is still our value. */
	check_restore("A=1\nB=2 # c\n", EDITS("+B=x"), "B=x\nA=1\n", "B=2\nA=1\n");
	check_restore("A=1\n\nB=2\n\nC=3\n\n", EDITS("-B", "+C=4"),
	    "A=1\n\n\nC=4\n\nD=1\n", "A=1\n\nB=2\n\nC=3\n\nD=1\n");
}

static void
undo_refuses_where_our_own_lines_were_changed(void **state)
{
	(void)state;
	check_restore("B=2\n", EDITS("+B=x"), "B=y\n", "drift B\n");
	check_restore("B=2\n", EDITS("+B=x"), "", "drift B\n");
	check_restore("A=1\n", EDITS("+B=x"), "A=1\nB=y\n", "drift B\n");
	check_restore("B=2\n", EDITS("-B"), "B=3\n", "drift B\n");
	check_restore("B=2\nC=3\n", EDITS("+B=x", "-C"), "B=y\nC=z\n", "drift B\ndrift C\n");
}

static void
undo_of_what_was_undone_already_changes_nothing(void **state)
{
	(void)state;
	check_restore("A=1\nB=2\n", EDITS("+B=x", "+C=1"), "A=1\nB=2\n", "A=1\nB=2\n");
	check_restore("A=1\nB=2\n", EDITS("-B"), "A=1\nB=2\nE=1\n", "A=1\nB=2\nE=1\n");
	/* What we found set to our value was never changed by us. */
	check_restore("B=x\n", EDITS("+B=x"), "B=y\n", "B=y\n");
}

/* ------------------------------------------------------------------ at random */

static const char *
pick(const char *const *v, size_t n)
{
	return v[(size_t)rand() % n];
}

#define PICK(v) pick(v, sizeof(v) / sizeof(v[0]))

static const char *const some_keys[] = { "A", "B", "C", "AB", "REDIS_TLS", "x.y-z", "_" };
static const char *const some_values[] = {
	"", "1", "x y", "'q'", "\"q\"", "\"a\\\"b\"", "it's", "'tis", "\"open", "a#b", "a # b",
	"$X", "\\", "\"a\\\\\"", "=", "a=b", "'two\nlines'", "\"two\r\nlines\" # c", "  s  ",
	"\xff\xfe", "'a' b", "#", "'", "\""
};
static const char *const some_ends[] = { "\n", "\n", "\n", "\r\n" };
static const char *const some_noise[] = {
	"# c", "", "  ", "junk", "export", "export A", "=", "export =", "\t#A=1", "A", "'", "\""
};

static void
random_file(struct buf *out)
{
	int n = rand() % 9;

	while (n-- > 0) {
		if (rand() % 3 == 0)
			(void)buf_puts(out, PICK(some_noise));
		else
			(void)buf_printf(out, "%s%s%s=%s", rand() % 5 == 0 ? " " : "",
			    rand() % 4 == 0 ? "export " : "", PICK(some_keys), PICK(some_values));
		if (n > 0 || rand() % 3 != 0)
			(void)buf_puts(out, PICK(some_ends));
	}
}

static void
random_edits(struct edits *e)
{
	static const char *const values[] = {
		"", "1", "on", "verify-full", "a b", "it's", "\"", "\\", "$x", "#", "`", "'\"$\\`'"
	};
	const char *list[KEYS_MAX + 1];
	char room[KEYS_MAX][64];
	size_t i, j, n = (size_t)rand() % KEYS_MAX + 1, kept = 0;
	const char *key;

	for (i = 0; i < n; i++) {
		key = PICK(some_keys);
		for (j = 0; j < kept && (strncmp(list[j] + 1, key, strlen(key)) != 0 ||
		    (list[j][strlen(key) + 1] != '\0' && list[j][strlen(key) + 1] != '=')); j++)
			;
		if (j < kept)
			continue;
		if (rand() % 3 == 0)
			(void)snprintf(room[kept], sizeof(room[kept]), "-%s", key);
		else
			(void)snprintf(room[kept], sizeof(room[kept]), "+%s=%s", key, PICK(values));
		list[kept] = room[kept];
		kept++;
	}
	list[kept] = NULL;
	edits_make(e, list);
}

static void
set_then_undo_is_the_same_bytes(void **state)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf file, after, back, value;
	size_t i, changed = 0, refused = 0;
	int round;

	(void)state;
	srand(20);
	buf_init(&file, 0);
	buf_init(&after, 0);
	buf_init(&back, 0);
	buf_init(&value, 0);
	for (round = 0; round < 200000; round++) {
		buf_clear(&file);
		buf_clear(&after);
		buf_clear(&back);
		random_file(&file);
		random_edits(&e);
		if (!envfile_edit(&after, buf_str(&file), file.len, &e.set, &e.unset)) {
			refused++;
			continue;
		}
		/* What was set is read back, what was unset is gone. */
		for (i = 0; i < e.set.n; i++) {
			buf_clear(&value);
			assert_true(envfile_get(buf_str(&after), after.len, e.set.v[i].key, &value));
			assert_string_equal(buf_str(&value), e.set.v[i].value);
		}
		for (i = 0; i < e.unset.n; i++)
			assert_false(envfile_get(buf_str(&after), after.len, e.unset.v[i], NULL));
		/* Twice is once. */
		assert_true(envfile_edit(&back, buf_str(&after), after.len, &e.set, &e.unset));
		assert_int_equal(back.len, after.len);
		assert_memory_equal(buf_str(&back), buf_str(&after), after.len);
		buf_clear(&back);
		assert_int_equal(envfile_restore(&back, buf_str(&file), file.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift), 0);
		assert_int_equal(back.len, file.len);
		assert_memory_equal(buf_str(&back), buf_str(&file), file.len);
		changed += file.len != after.len || memcmp(buf_str(&file), buf_str(&after), file.len) != 0;
	}
	assert_true(changed > 100000);
	assert_true(refused < 1000);
	buf_release(&file);
	buf_release(&after);
	buf_release(&back);
	buf_release(&value);
}

/*
 * A deploy adds lines at random places of the edited file, between
 * assignments; after the undo every key is as before, every added line is
 * there, and without the added lines the file is the one of before.
 */
static void
undo_under_a_deploy_keeps_the_deploy(void **state)
{
	static const char *const lines[] = { "A=1", "B='2'", "export C=3", "# c", "", "AB=4 # x" };
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf file, after, now, back, bare;
	const char *p, *nl;
	int round, i, n;

	(void)state;
	srand(21);
	buf_init(&file, 0);
	buf_init(&after, 0);
	buf_init(&now, 0);
	buf_init(&back, 0);
	buf_init(&bare, 0);
	for (round = 0; round < 50000; round++) {
		buf_clear(&file);
		buf_clear(&after);
		buf_clear(&now);
		buf_clear(&back);
		buf_clear(&bare);
		for (n = rand() % 10; n > 0; n--)
			(void)buf_printf(&file, "%s\n", PICK(lines));
		random_edits(&e);
		assert_true(envfile_edit(&after, buf_str(&file), file.len, &e.set, &e.unset));
		for (p = buf_str(&after), i = 0; *p != '\0'; p = nl + 1) {
			if (rand() % 4 == 0)
				(void)buf_printf(&now, "DEPLOY%d=1\n", i++);
			nl = strchr(p, '\n');
			(void)buf_put(&now, p, (size_t)(nl - p) + 1);
		}
		(void)buf_printf(&now, "DEPLOY%d=1\n", i++);
		assert_int_equal(envfile_restore(&back, buf_str(&file), file.len, &e.set, &e.unset,
		    buf_str(&now), now.len, &drift), 0);
		for (p = buf_str(&back), n = 0; *p != '\0'; p = nl + 1) {
			nl = strchr(p, '\n');
			if (strncmp(p, "DEPLOY", 6) == 0)
				n++;
			else
				(void)buf_put(&bare, p, (size_t)(nl - p) + 1);
		}
		assert_int_equal(n, i);
		assert_string_equal(buf_str(&bare), buf_str(&file));
	}
	buf_release(&file);
	buf_release(&after);
	buf_release(&now);
	buf_release(&back);
	buf_release(&bare);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_read_as_a_shell_reads_them),
		cmocka_unit_test(a_value_is_replaced_in_the_style_of_its_line),
		cmocka_unit_test(a_bare_value_is_quoted_only_where_it_must_be),
		cmocka_unit_test(a_value_that_is_there_already_changes_nothing),
		cmocka_unit_test(of_duplicates_the_last_is_changed_and_all_are_unset),
		cmocka_unit_test(a_new_key_is_appended_in_the_style_of_the_file),
		cmocka_unit_test(keys_of_others_are_left_alone),
		cmocka_unit_test(undo_keeps_what_others_wrote_meanwhile),
		cmocka_unit_test(undo_refuses_where_our_own_lines_were_changed),
		cmocka_unit_test(undo_of_what_was_undone_already_changes_nothing),
		cmocka_unit_test(set_then_undo_is_the_same_bytes),
		cmocka_unit_test(undo_under_a_deploy_keeps_the_deploy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
