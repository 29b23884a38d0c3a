/*
 * What connurl.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/connurl.h"
#include "core/err.h"
#include "edits.h"

static void
check_get(const char *url, const char *part, const char *want)
{
	struct buf out;
	bool found;

	buf_init(&out, 0);
	found = connurl_get(url, strlen(url), part, &out);
	assert_int_equal(found, want != NULL);
	if (want != NULL)
		assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
check_restore(const char *before, const char *const *list, const char *now, const char *want)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf back, out;
	size_t n;

	edits_make(&e, list);
	buf_init(&back, 0);
	buf_init(&out, 0);
	n = connurl_restore(&back, before, strlen(before), &e.set, &e.unset, now,
	    strlen(now), &drift);
	assert_int_equal(n, drift.n);
	put_restored(&out, &back, &drift);
	assert_string_equal(buf_str(&out), want);
	buf_release(&back);
	buf_release(&out);
}

static void
check_edit(const char *url, const char *const *list, const char *want)
{
	struct edits e;
	struct buf out;
	struct err err;

	edits_make(&e, list);
	buf_init(&out, 0);
	if (connurl_edit(&out, url, strlen(url), &e.set, &e.unset, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(buf_str(&out), want);
	check_restore(url, list, buf_str(&out), url);
	buf_release(&out);
}

#define DSN "postgresql://app:s%20e:cret@db.internal:5432/shop"

static void
parts_are_read_as_they_are_meant(void **state)
{
	(void)state;
	check_get(DSN "?sslmode=disable&sslrootcert=%2Fetc%2Fca.crt#x", "scheme", "postgresql");
	check_get(DSN "?sslmode=disable&sslrootcert=%2Fetc%2Fca.crt#x", "host", "db.internal");
	check_get(DSN "?sslmode=disable&sslrootcert=%2Fetc%2Fca.crt#x", "port", "5432");
	check_get(DSN "?sslmode=disable&sslrootcert=%2Fetc%2Fca.crt#x", "?sslmode", "disable");
	check_get(DSN "?sslmode=disable&sslrootcert=%2Fetc%2Fca.crt#x", "?sslrootcert", "/etc/ca.crt");
	check_get(DSN, "?sslmode", NULL);
	check_get(DSN "?", "?sslmode", NULL);
	check_get(DSN "?sslmode", "?sslmode", "");
	check_get(DSN "?xsslmode=1&sslmodex=2", "?sslmode", NULL);
	check_get("redis://:pw@[::1]:6379/0", "host", "[::1]");
	check_get("redis://:pw@[::1]:6379/0", "port", "6379");
	check_get("rediss://cache", "port", NULL);
	check_get("rediss://cache", "host", "cache");
	check_get("postgresql:///shop?host=/run/pg", "host", "");
	check_get("postgresql+asyncpg://u@h/d?ssl=require", "scheme", "postgresql+asyncpg");
	/* An @ in a password that is read by its last one. */
	check_get("redis://u:p@ss@h:1", "host", "h");
	check_get("postgres://a:1,b:2/x", "host", NULL);
	check_get("postgres://a:1,b:2/x?sslmode=require", "?sslmode", "require");
}

static void
only_what_is_meant_is_changed(void **state)
{
	(void)state;
	check_edit(DSN, EDITS("+?sslmode=verify-full"), DSN "?sslmode=verify-full");
	check_edit(DSN "?", EDITS("+?sslmode=require"), DSN "?sslmode=require");
	check_edit(DSN "?a=1", EDITS("+?sslmode=require", "+?sslrootcert=/etc/my ca&.crt"),
	    DSN "?a=1&sslmode=require&sslrootcert=/etc/my%20ca%26.crt");
	check_edit(DSN "?a=1&", EDITS("+?b=2"), DSN "?a=1&b=2");
	check_edit(DSN "?a=1&sslmode=disable&b=2#f", EDITS("+?sslmode=require"),
	    DSN "?a=1&sslmode=require&b=2#f");
	check_edit(DSN "?a=1&sslmode=disable&b=2#f", EDITS("-?sslmode"), DSN "?a=1&b=2#f");
	check_edit(DSN "?sslmode=disable&b=2", EDITS("-?sslmode"), DSN "?b=2");
	check_edit(DSN "?a=1&sslmode=disable#f", EDITS("-?sslmode"), DSN "?a=1#f");
	check_edit(DSN "?sslmode=disable", EDITS("-?sslmode"), DSN);
	check_edit(DSN "#f", EDITS("-?sslmode", "+?a=1"), DSN "?a=1#f");
	check_edit(DSN "?sslmode&b", EDITS("+?sslmode=x"), DSN "?sslmode=x&b");
	check_edit(DSN "?c=%2fa", EDITS("+?c=/a"), DSN "?c=%2fa");
	check_edit("redis://:p%2Fw@cache:6379/0", EDITS("+scheme=rediss", "+port=6380"),
	    "rediss://:p%2Fw@cache:6380/0");
	check_edit("redis://cache", EDITS("+port=6380"), "redis://cache:6380");
	check_edit("redis://cache:6379/1", EDITS("-port", "+host=cache.internal"), "redis://cache.internal/1");
	check_edit("redis://[::1]:1", EDITS("+host=[::2]"), "redis://[::2]:1");
	check_edit("postgres://a:1,b:2/x", EDITS("+?sslmode=require"), "postgres://a:1,b:2/x?sslmode=require");
}

static void
what_is_no_url_is_refused_without_a_byte_of_it(void **state)
{
	static const char *const bad[] = {
		"", "hunter2", "host=hunter2 user=x", "://hunter2", "1a://hunter2", "postgres:hunter2@h",
		"postgres://u:hunter2/x@h/d", "postgres://u:hunter2?x@h/d", "postgres://u:hunter2#x@h/d",
		"postgres://hunter2 @h", "postgres://h/d?a=hunter2&a=2", "postgres://u:hunter2\n@h",
		"postgres://u:hunter2/d", "postgres://h/d?x=hunter2@y"
	};
	struct edits e;
	struct buf out;
	struct err err;
	size_t i;

	(void)state;
	edits_make(&e, EDITS("+?sslmode=require"));
	buf_init(&out, 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(connurl_edit(&out, bad[i], strlen(bad[i]), &e.set, &e.unset, &err), -1);
		assert_null(strstr(err.msg, "hunter"));
		assert_int_equal(connurl_check(bad[i], strlen(bad[i]), &err), -1);
		assert_false(connurl_get(bad[i], strlen(bad[i]), "host", NULL));
		connurl_show(bad[i], strlen(bad[i]), &out);
		assert_string_equal(buf_str(&out), "…");
		buf_clear(&out);
	}
	edits_make(&e, EDITS("+port=1"));
	assert_int_equal(connurl_edit(&out, "postgres://a,b/x", 16, &e.set, &e.unset, &err), -1);
	assert_non_null(strstr(err.msg, "several hosts"));
	edits_make(&e, EDITS("-host"));
	assert_int_equal(connurl_edit(&out, "postgres://a/x", 14, &e.set, &e.unset, &err), -1);
	assert_int_equal(out.len, 0);
	buf_release(&out);
}

static void
only_sound_parts_and_values_are_taken(void **state)
{
	(void)state;
	assert_true(connurl_part_valid("?sslmode"));
	assert_true(connurl_part_valid("port"));
	assert_false(connurl_part_valid("?"));
	assert_false(connurl_part_valid("?a&b"));
	assert_false(connurl_part_valid("user"));
	assert_true(connurl_value_valid("scheme", "postgresql+asyncpg"));
	assert_false(connurl_value_valid("scheme", "a://b"));
	assert_false(connurl_value_valid("port", "6x"));
	assert_false(connurl_value_valid("port", ""));
	assert_false(connurl_value_valid("host", "a/b"));
	assert_false(connurl_value_valid("host", "u:p@h"));
	assert_true(connurl_value_valid("host", "[fe80::1]"));
	assert_true(connurl_value_valid("?x", "a b&c"));
	assert_false(connurl_value_valid("?x", "a\nb"));
}

static void
undo_keeps_what_others_changed_of_the_url(void **state)
{
	(void)state;
	check_restore("postgres://u:a@h/d?sslmode=disable", EDITS("+?sslmode=require", "+?c=1"),
	    "postgres://u:rotated@h2/d?x=1&sslmode=require&c=1",
	    "postgres://u:rotated@h2/d?x=1&sslmode=disable");
	check_restore("redis://:a@h:6379", EDITS("+scheme=rediss", "+port=6380"), "rediss://:b@h:6380/2",
	    "redis://:b@h:6379/2");
	check_restore("redis://h", EDITS("+port=6380"), "redis://:new@h:6380", "redis://:new@h");
	check_restore("postgres://h/d?a=%2f", EDITS("-?a"), "postgres://h/e", "postgres://h/e?a=%2f");
	check_restore("postgres://h/d?sslmode=disable", EDITS("+?sslmode=require"),
	    "postgres://h/d?sslmode=prefer&x=1", "drift ?sslmode\n");
	check_restore("postgres://h/d?sslmode=disable", EDITS("+?sslmode=require"), "postgres://h/d",
	    "drift ?sslmode\n");
	check_restore("postgres://h/d?a=1", EDITS("-?a"), "postgres://h/d?a=2", "drift ?a\n");
	check_restore("postgres://h/d", EDITS("+?a=1"), "gone", "drift ?a\n");
	/* As before already, and never changed. */
	check_restore("postgres://h/d", EDITS("+?a=1"), "postgres://h2/d", "postgres://h2/d");
	check_restore("postgres://h/d?a=1", EDITS("+?a=1"), "postgres://h/d?a=2", "postgres://h/d?a=2");
}

static void
check_show(const char *url, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	connurl_show(url, strlen(url), &out);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
a_password_is_never_shown(void **state)
{
	(void)state;
	check_show(DSN "?sslmode=require", "postgresql://app:…@db.internal:5432/shop?sslmode=require");
	check_show("redis://:hunter2@h/0", "redis://:…@h/0");
	check_show("redis://u:p@ss@h/0", "redis://u:…@h/0");
	check_show("redis://u@h/0", "redis://u@h/0");
	check_show("redis://h/0", "redis://h/0");
	check_show("postgres://h/d?user=x&password=hunter2&sslpassword=h&sslkey=/k.pem#f",
	    "postgres://h/d?user=x&password=…&sslpassword=…&sslkey=/k.pem#f");
	check_show("postgres://u:x@a:1,b:2/x", "postgres://u:…@a:1,b:2/x");
}

static void
whatever_is_done_is_read_back_and_undone_to_the_byte(void **state)
{
	static const char *const heads[] = {
		"postgres://", "postgresql+asyncpg://u:p%40w@", "redis://:x@", "rediss://u@"
	};
	static const char *const hosts[] = { "h", "h:1", "[::1]:2", "a.b", "", "a,b:2", "h:" };
	static const char *const tails[] = {
		"", "/d", "/d?", "/d?sslmode=x", "?a=1&sslmode=%78&b", "/d?sslmode#f", "#f", "/d?&sslmode=1&", "?a&b&c"
	};
	static const char *const values[] = { "", "require", "/etc/ca b.crt", "&=#?%", "\xc3\xa9" };
	static const char *const keys[] = { "?sslmode", "?a", "port", "scheme" };
	const char *list[KEYS_MAX + 1];
	char room[KEYS_MAX][64];
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf url, after, back, value;
	struct err err;
	size_t i, n, refused = 0;
	int round;

	(void)state;
	srand(33);
	buf_init(&url, 0);
	buf_init(&after, 0);
	buf_init(&back, 0);
	buf_init(&value, 0);
	for (round = 0; round < 100000; round++) {
		buf_clear(&url);
		buf_clear(&after);
		buf_clear(&back);
		(void)buf_printf(&url, "%s%s%s", PICK(heads), PICK(hosts), PICK(tails));
		for (i = n = 0; i < KEYS_MAX; i++) {
			if (rand() % 2 == 0)
				continue;
			if (rand() % 3 == 0 && i < 3)
				(void)snprintf(room[n], sizeof(room[n]), "-%s", keys[i]);
			else
				(void)snprintf(room[n], sizeof(room[n]), "+%s=%s", keys[i],
				    i == 2 ? "6380" : i == 3 ? "rediss" : PICK(values));
			list[n] = room[n];
			n++;
		}
		list[n] = NULL;
		edits_make(&e, list);
		if (connurl_edit(&after, buf_str(&url), url.len, &e.set, &e.unset, &err) != 0) {
			assert_non_null(strstr(err.msg, "several hosts"));
			refused++;
			continue;
		}
		for (i = 0; i < e.set.n; i++) {
			buf_clear(&value);
			assert_true(connurl_get(buf_str(&after), after.len, e.set.v[i].key, &value));
			assert_string_equal(buf_str(&value), e.set.v[i].value);
		}
		for (i = 0; i < e.unset.n; i++)
			assert_false(connurl_get(buf_str(&after), after.len, e.unset.v[i], NULL));
		assert_int_equal(connurl_edit(&back, buf_str(&after), after.len, &e.set, &e.unset, &err), 0);
		assert_string_equal(buf_str(&back), buf_str(&after));
		buf_clear(&back);
		assert_int_equal(connurl_restore(&back, buf_str(&url), url.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift), 0);
		assert_string_equal(buf_str(&back), buf_str(&url));
		/* Somebody adds a parameter: the values of before, and theirs. */
		buf_clear(&back);
		if (strchr(buf_str(&after), '#') != NULL)
			continue;
		(void)buf_puts(&after, strchr(buf_str(&after), '?') != NULL ? "&theirs=1" : "?theirs=1");
		assert_int_equal(connurl_restore(&back, buf_str(&url), url.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift), 0);
		assert_true(connurl_get(buf_str(&back), back.len, "?theirs", NULL));
		for (i = 0; i < KEYS_MAX; i++) {
			struct buf was;
			bool there;

			buf_init(&was, 0);
			buf_clear(&value);
			there = connurl_get(buf_str(&url), url.len, keys[i], &was);
			assert_int_equal(there, connurl_get(buf_str(&back), back.len, keys[i], &value));
			assert_string_equal(buf_str(&was), buf_str(&value));
			buf_release(&was);
		}
	}
	assert_true(refused < 20000);
	buf_release(&url);
	buf_release(&after);
	buf_release(&back);
	buf_release(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_read_as_they_are_meant),
		cmocka_unit_test(only_what_is_meant_is_changed),
		cmocka_unit_test(what_is_no_url_is_refused_without_a_byte_of_it),
		cmocka_unit_test(only_sound_parts_and_values_are_taken),
		cmocka_unit_test(undo_keeps_what_others_changed_of_the_url),
		cmocka_unit_test(a_password_is_never_shown),
		cmocka_unit_test(whatever_is_done_is_read_back_and_undone_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
