/*
 * What blockfile.h and hba.h promise.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/blockfile.h"
#include "core/err.h"
#include "core/hba.h"
#include "edits.h"

#define B "# BEGIN belay pg\n"
#define E "# END belay pg\n"

static void
check_restore(enum block_place how, const char *before, const char *const *list, const char *now,
    const char *want)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf back, out;
	size_t n;

	edits_make(&e, list);
	buf_init(&back, 0);
	buf_init(&out, 0);
	n = blockfile_restore(how, &back, before, strlen(before), &e.set, &e.unset,
	    now, strlen(now), &drift);
	assert_int_equal(n, drift.n);
	put_restored(&out, &back, &drift);
	assert_string_equal(buf_str(&out), want);
	buf_release(&back);
	buf_release(&out);
}

static void
check_edit(enum block_place how, const char *text, const char *const *list, const char *want)
{
	struct edits e;
	struct buf out;
	struct err err;

	edits_make(&e, list);
	buf_init(&out, 0);
	assert_int_equal(blockfile_edit(how, &out, text, strlen(text), &e.set, &e.unset, &err), 0);
	assert_string_equal(buf_str(&out), want);
	check_restore(how, text, list, buf_str(&out), text);
	buf_release(&out);
}

static void
check_refused(enum block_place how, const char *text, const char *const *list, const char *words)
{
	struct edits e;
	struct buf out;
	struct err err;

	edits_make(&e, list);
	buf_init(&out, 0);
	assert_int_equal(blockfile_edit(how, &out, text, strlen(text), &e.set, &e.unset, &err), -1);
	assert_non_null(strstr(err.msg, words));
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

static void
a_block_is_put_in_replaced_and_taken_away(void **state)
{
	(void)state;
	check_edit(BLOCK_END, "", EDITS("+pg=a\n"), B "a\n" E);
	check_edit(BLOCK_END, "x\ny", EDITS("+pg=a\nb\n"), "x\ny\n" B "a\nb\n" E);
	check_edit(BLOCK_END, "x\r\n", EDITS("+pg=a\n"),
	    "x\r\n# BEGIN belay pg\r\na\r\n# END belay pg\r\n");
	check_edit(BLOCK_END, "x\n" B "old\n" E "y\n", EDITS("+pg=a\n"), "x\n" B "a\n" E "y\n");
	check_edit(BLOCK_END, "x\n" B "a\n" E "y", EDITS("+pg=a\n"), "x\n" B "a\n" E "y");
	check_edit(BLOCK_END, "x\n" B "old\n" E "y\n", EDITS("-pg"), "x\ny\n");
	check_edit(BLOCK_END, "x\n" B "old\n# END belay pg", EDITS("-pg"), "x\n");
	check_edit(BLOCK_END, "x\n" B E, EDITS("+pg=a\n", "+two=b\n"),
	    "x\n" B "a\n" E "# BEGIN belay two\nb\n# END belay two\n");
	check_edit(BLOCK_END, "x\n", EDITS("-pg"), "x\n");
	/* Another's block of a longer name is not ours. */
	check_edit(BLOCK_END, "# BEGIN belay pg2\na\n# END belay pg2\n", EDITS("+pg=a\n"),
	    "# BEGIN belay pg2\na\n# END belay pg2\n" B "a\n" E);
}

static void
a_torn_or_doubled_block_is_refused_with_its_line(void **state)
{
	(void)state;
	check_refused(BLOCK_END, "x\n" B "a\n", EDITS("+pg=b\n"), "line 2: the block 'pg' has no end");
	check_refused(BLOCK_END, "x\n" B "a\n", EDITS("-pg"), "line 2: the block 'pg' has no end");
	check_refused(BLOCK_END, "x\n" E, EDITS("+pg=b\n"), "line 2: the block 'pg' ends without a beginning");
	check_refused(BLOCK_END, B E B E, EDITS("+pg=b\n"), "line 3: the block 'pg' begins a second time");
	check_refused(BLOCK_END, B B E, EDITS("+pg=b\n"), "line 2: the block 'pg' begins a second time");
	check_refused(BLOCK_END, B E "\n" E, EDITS("+pg=b\n"), "line 4: the block 'pg' ends a second time");
	check_refused(BLOCK_END, B "# BEGIN belay x\n" E "# END belay x\n", EDITS("+pg=b\n"),
	    "line 2: the block 'pg' has another one's marker in it");
	check_refused(BLOCK_HBA, "local all all peer \\", EDITS("+pg=host all a 10.0.0.1/32 md5\n"), "line 1 ends in a backslash");
}

#define US "host all app,rep 10.20.1.2/32 scram-sha-256\n"
#define SET EDITS("+pg=" US)

static void
an_hba_block_goes_before_the_first_record_that_could_decide(void **state)
{
	static const char *const could[] = {
		"host all all 0.0.0.0/0 md5", "hostssl all app 10.20.1.0/24 md5",
		"hostnossl db1 \"app\" 10.20.1.2 255.255.255.255 reject",
		"host db1,db2 x, rep 10.20.0.0 255.255.0.0 trust # why", "host all +admins 10.20.1.2/32 md5",
		"host all @roles 10.20.1.2/32 md5", "host all app samenet md5", "host all app .example.com md5",
		"host sameuser all all scram-sha-256", "hostgssenc all all 10.20.1.2/32 gss",
		"include extra.conf", "include_dir 'x'", "\thost\tall\tall\tall\tmd5", "host all app \\\n10.20.1.2/32 md5",
		"host all /^a 10.0.0.0/8 md5", "what is this here",
	};
	static const char *const cannot[] = {
		"local all all peer", "host all other 10.20.1.2/32 md5", "host all app 10.20.2.0/24 md5",
		"host all app ::1/128 md5", "host replication all 10.20.1.2/32 md5", "#host all all all md5", "",
		"host all \"all\" 10.20.1.2/32 md5", "host all app 10.20.1.3 255.255.255.255 md5",
	};
	char text[300], want[600];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(could) / sizeof(could[0]); i++) {
		(void)snprintf(text, sizeof(text), "# top\nlocal all all peer\n# theirs\n%s\nx y\n", could[i]);
		(void)snprintf(want, sizeof(want), "# top\nlocal all all peer\n# theirs\n" B US E "%s\nx y\n", could[i]);
		check_edit(BLOCK_HBA, text, SET, want);
	}
	for (i = 0; i < sizeof(cannot) / sizeof(cannot[0]); i++) {
		(void)snprintf(text, sizeof(text), "# top\n%s\nhost all all all md5\n", cannot[i]);
		(void)snprintf(want, sizeof(want), "# top\n%s\n" B US E "host all all all md5\n", cannot[i]);
		check_edit(BLOCK_HBA, text, SET, want);
	}
	check_edit(BLOCK_HBA, "local all all peer", SET, "local all all peer\n" B US E);
	/* A replication line of ours has nothing to do with `all`. */
	check_edit(BLOCK_HBA, "host all all all md5\nhost replication all all md5\n",
	    EDITS("+pg=hostssl replication rep 10.0.0.1/32 md5\n"),
	    "host all all all md5\n" B "hostssl replication rep 10.0.0.1/32 md5\n" E
	    "host replication all all md5\n");
}

static void
a_block_is_not_put_into_one_of_somebody_else(void **state)
{
	(void)state;
	check_edit(BLOCK_HBA, "# BEGIN ANSIBLE\nlocal all all peer\nhost all all all md5\n# END ANSIBLE\n", SET,
	    B US E "# BEGIN ANSIBLE\nlocal all all peer\nhost all all all md5\n# END ANSIBLE\n");
	check_edit(BLOCK_HBA, "# BEGIN belay b\nhost all all all md5\n# END belay b\n", SET,
	    B US E "# BEGIN belay b\nhost all all all md5\n# END belay b\n");
	check_edit(BLOCK_HBA, "# BEGIN x\n# END x\nhost all all all md5\n", SET,
	    "# BEGIN x\n# END x\n" B US E "host all all all md5\n");
	check_edit(BLOCK_HBA, "# BEGIN of it all\nhost all all all md5\n", SET,
	    "# BEGIN of it all\n" B US E "host all all all md5\n");
}

static void
a_block_that_something_decides_before_is_moved(void **state)
{
	(void)state;
	check_edit(BLOCK_HBA, "host all all all md5\nlocal all all peer\n" B US E "x y z 1\n", SET,
	    B US E "host all all all md5\nlocal all all peer\nx y z 1\n");
	check_edit(BLOCK_HBA, "# a\n" B "old\n" E "host all all all md5\n", SET,
	    "# a\n" B US E "host all all all md5\n");
	/* Undone under a deploy it goes back where it was. */
	check_restore(BLOCK_HBA, "host all all all md5\nlocal all all peer\n" B "old\n" E "x y z 1\n", SET,
	    B US E "host all all all md5\nlocal all all peer\n# new\nx y z 1\n",
	    "host all all all md5\nlocal all all peer\n" B "old\n" E "# new\nx y z 1\n");
}

static void
undo_keeps_others_lines_and_refuses_where_the_block_changed(void **state)
{
	(void)state;
	check_restore(BLOCK_END, "x\n", EDITS("+pg=a\n"), "y\n" B "a\n" E "z\n", "y\nz\n");
	check_restore(BLOCK_END, "x", EDITS("+pg=a\n"), "y\nx\n" B "a\n" E, "y\nx");
	check_restore(BLOCK_END, "x\n" B "old\n" E "y\n", EDITS("+pg=a\n"), "x\nnew\n" B "a\n" E "y\n",
	    "x\nnew\n" B "old\n" E "y\n");
	check_restore(BLOCK_END, "x\n" B "old\n" E "y\n", EDITS("-pg"), "w\nx\ny\nz\n",
	    "w\nx\n" B "old\n" E "y\nz\n");
	check_restore(BLOCK_END, "x\n", EDITS("+pg=a\n"), "x\n" B "b\n" E, "drift pg\n");
	check_restore(BLOCK_END, "x\n" B "old\n" E, EDITS("+pg=a\n"), "x\n", "drift pg\n");
	check_restore(BLOCK_END, "x\n" B "old\n" E, EDITS("-pg"), "x\n" B "b\n" E, "drift pg\n");
	check_restore(BLOCK_END, "x\n", EDITS("+pg=a\n"), "x\n" B "a\n", "drift pg\n");
	/* As before already, whoever put it so. */
	check_restore(BLOCK_END, "x\n", EDITS("+pg=a\n"), "y\n", "y\n");
	check_restore(BLOCK_END, "x\n" B "old\n" E, EDITS("-pg"), "z\n" B "old\n" E, "z\n" B "old\n" E);
	check_restore(BLOCK_END, B "a\n" E, EDITS("+pg=a\n"), "z\n" B "b\n" E, "z\n" B "b\n" E);
}

/* ------------------------------------------------------------------ records */

static void
strings_make(struct strings *s, char **room, const char *const *list)
{
	for (s->v = room, s->n = 0; list[s->n] != NULL; s->n++)
		room[s->n] = (char *)(uintptr_t)list[s->n];
}

static void
check_lines(enum hba_form form, const char *const *roles, const char *const *databases,
    const char *const *from, const char *method, const char *want)
{
	char *rooms[3][8];
	struct strings r, d, f;
	struct hba_rule rule = { .form = form, .roles = &r, .databases = &d, .from = &f, .method = method };
	struct buf out;
	struct err err;

	strings_make(&r, rooms[0], roles);
	strings_make(&d, rooms[1], databases);
	strings_make(&f, rooms[2], from);
	buf_init(&out, 0);
	if (hba_lines(&out, &rule, &err) == 0)
		assert_string_equal(buf_str(&out), want);
	else
		assert_string_equal(err.msg, want);
	buf_release(&out);
}

#define NONE_OF ((const char *const []){ NULL })

static void
records_let_both_in_or_turn_plaintext_away(void **state)
{
	(void)state;
	check_lines(HBA_TRANSITION, EDITS("writer", "reader"), NONE_OF, EDITS("10.20.1.2", "fe80::/10"), NULL,
	    "hostssl all writer,reader 10.20.1.2/32 scram-sha-256\n"
	    "hostssl all writer,reader fe80::/10 scram-sha-256\n"
	    "host all writer,reader 10.20.1.2/32 scram-sha-256\n"
	    "host all writer,reader fe80::/10 scram-sha-256\n");
	check_lines(HBA_HARDEN, EDITS("+ops", "a b"), EDITS("audit", "replication"), EDITS("::1", "samenet"), "md5",
	    "hostssl audit,replication +ops,\"a b\" ::1/128 md5\n"
	    "hostssl audit,replication +ops,\"a b\" samenet md5\n"
	    "hostnossl audit,replication +ops,\"a b\" ::1/128 reject\n"
	    "hostnossl audit,replication +ops,\"a b\" samenet reject\n");
	check_lines(HBA_HARDEN, EDITS("x"), NONE_OF, EDITS("app.internal"), "cert",
	    "hostssl all x app.internal cert\nhostnossl all x app.internal reject\n");
	check_lines(HBA_MUTUAL, EDITS("x"), NONE_OF, EDITS("10.0.0.0/8"), NULL,
	    "hostssl all x 10.0.0.0/8 scram-sha-256 clientcert=verify-full\nhostnossl all x 10.0.0.0/8 reject\n");
	check_lines(HBA_MUTUAL, EDITS("x"), NONE_OF, EDITS("all"), "cert", "hostssl all x all cert\nhostnossl all x all reject\n");
	check_lines(HBA_TRANSITION, EDITS("@f", "a,b"), NONE_OF, EDITS("all"), NULL,
	    "hostssl all \"@f\",\"a,b\" all scram-sha-256\nhost all \"@f\",\"a,b\" all scram-sha-256\n");
}

static void
what_cannot_stand_in_a_record_is_refused(void **state)
{
	(void)state;
	check_lines(HBA_HARDEN, NONE_OF, NONE_OF, EDITS("all"), NULL, "no role, expected at least one");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, NONE_OF, NULL, "no address, expected at least one");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, EDITS("10.0.0.0/33"), NULL,
	    "'10.0.0.0/33', expected a length from 0 to 32 behind the '/'");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, EDITS("10.0.0.0/x"), NULL,
	    "'10.0.0.0/x', expected a length from 0 to 32 behind the '/'");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, EDITS("a b"), NULL,
	    "'a b', expected an address, a range like 10.0.0.0/8 or a host name");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, EDITS("all"), "md5 x=1",
	    "'md5 x=1', expected a method of pg_hba.conf in one word");
	check_lines(HBA_TRANSITION, EDITS("a"), NONE_OF, EDITS("all"), "cert",
	    "the method 'cert' would refuse what the block is to let in");
	check_lines(HBA_HARDEN, EDITS("a"), NONE_OF, EDITS("all"), "reject",
	    "the method 'reject' would refuse what the block is to let in");
	check_lines(HBA_HARDEN, EDITS("a\nhost"), NONE_OF, EDITS("all"), NULL,
	    "'a\nhost': a role whose name has a quote, a backslash or a control character cannot "
	    "stand in pg_hba.conf by name");
	assert_true(blockfile_name_valid("audit-pg.1"));
	assert_false(blockfile_name_valid("a b"));
	assert_false(blockfile_name_valid(""));
	assert_true(blockfile_content_valid(""));
	assert_false(blockfile_content_valid("a"));
	assert_false(blockfile_content_valid("a\r\n"));
	assert_false(blockfile_content_valid(B));
}

/* ------------------------------------------------------------------ at random */

static void
whatever_is_done_is_read_back_and_undone_to_the_byte(void **state)
{
	static const char *const parts[] = {
		"local all all peer", "host all all all md5", "host all app 10.0.0.0/8 md5", "# c", "",
		"# BEGIN ANSIBLE", "# END ANSIBLE", "# BEGIN belay pg\nold\n# END belay pg",
		"# BEGIN belay two\nhost all all all md5\n# END belay two", "host a \\", "junk"
	};
	static const char *const ends[] = { "\n", "\n", "\n", "\r\n" };
	static const char *const contents[] = {
		"", "hostssl all app 10.20.1.2/32 md5\n", "old\n", "host x y ::1/128 md5\n# c\n"
	};
	char room[2][100];
	const char *list[3];
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf file, after, back, value, out;
	struct err err;
	enum block_place how;
	size_t i, n, refused = 0, drifted = 0, changed = 0;
	int round, k;

	(void)state;
	srand(32);
	buf_init(&file, 0);
	buf_init(&after, 0);
	buf_init(&back, 0);
	buf_init(&value, 0);
	buf_init(&out, 0);
	for (round = 0; round < 100000; round++) {
		how = round % 2 == 0 ? BLOCK_END : BLOCK_HBA;
		buf_clear(&file);
		buf_clear(&after);
		buf_clear(&back);
		for (k = rand() % 8; k > 0; k--)
			(void)buf_printf(&file, "%s%s", PICK(parts), k == 1 && rand() % 3 == 0 ? "" : PICK(ends));
		for (n = 0; n < 2; n++) {
			if (rand() % 3 == 0)
				(void)snprintf(room[n], sizeof(room[n]), "-%s", n == 0 ? "pg" : "two");
			else
				(void)snprintf(room[n], sizeof(room[n]), "+%s=%s", n == 0 ? "pg" : "two", PICK(contents));
			list[n] = room[n];
		}
		list[rand() % 2 + 1] = NULL;
		list[2] = NULL;
		edits_make(&e, list);
		if (blockfile_edit(how, &after, buf_str(&file), file.len, &e.set, &e.unset, &err) != 0) {
			refused++;
			continue;
		}
		for (i = 0; i < e.set.n; i++) {
			buf_clear(&value);
			assert_true(blockfile_get(buf_str(&after), after.len, e.set.v[i].key, &value));
			assert_string_equal(buf_str(&value), e.set.v[i].value);
		}
		for (i = 0; i < e.unset.n; i++)
			assert_false(blockfile_get(buf_str(&after), after.len, e.unset.v[i], NULL));
		assert_int_equal(blockfile_restore(how, &back, buf_str(&file), file.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift), 0);
		assert_int_equal(back.len, file.len);
		assert_memory_equal(buf_str(&back), buf_str(&file), file.len);
		changed += after.len != file.len;
		/* Somebody adds a line at the top: without it the file is the one of before. */
		buf_clear(&back);
		buf_clear(&out);
		(void)buf_printf(&out, "# theirs\n%s", buf_str(&after));
		if (blockfile_restore(how, &back, buf_str(&file), file.len, &e.set, &e.unset, buf_str(&out),
		    out.len, &drift) == 0) {
			assert_non_null(strstr(buf_str(&back), "# theirs\n"));
			for (i = 0; i < 2; i++) {
				struct buf was;
				bool there;

				buf_init(&was, 0);
				buf_clear(&value);
				there = blockfile_get(buf_str(&file), file.len, i == 0 ? "pg" : "two", &was);
				assert_int_equal(there, blockfile_get(buf_str(&back), back.len,
				    i == 0 ? "pg" : "two", &value));
				assert_string_equal(buf_str(&was), buf_str(&value));
				buf_release(&was);
			}
		} else {
			drifted++;
			put_restored(&value, &back, &drift);
		}
	}
	assert_true(changed > 40000);
	assert_true(refused < 50000);
	assert_int_equal(drifted, 0);
	buf_release(&file);
	buf_release(&after);
	buf_release(&back);
	buf_release(&value);
	buf_release(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_put_in_replaced_and_taken_away),
		cmocka_unit_test(a_torn_or_doubled_block_is_refused_with_its_line),
		cmocka_unit_test(an_hba_block_goes_before_the_first_record_that_could_decide),
		cmocka_unit_test(a_block_is_not_put_into_one_of_somebody_else),
		cmocka_unit_test(a_block_that_something_decides_before_is_moved),
		cmocka_unit_test(undo_keeps_others_lines_and_refuses_where_the_block_changed),
		cmocka_unit_test(records_let_both_in_or_turn_plaintext_away),
		cmocka_unit_test(what_cannot_stand_in_a_record_is_refused),
		cmocka_unit_test(whatever_is_done_is_read_back_and_undone_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
