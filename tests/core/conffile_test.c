/*
 * What conffile.h promises.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/conffile.h"
#include "edits.h"

static void
check_get(enum conf_syntax syntax, const char *text, const char *key, const char *want)
{
	struct buf out;
	bool found;

	buf_init(&out, 0);
	found = conffile_get(syntax, text, strlen(text), key, &out);
	assert_int_equal(found, want != NULL);
	if (want != NULL)
		assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

static void
check_restore(enum conf_syntax syntax, const char *before, const char *const *list, const char *now,
    const char *want)
{
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf back, out;
	size_t n;

	edits_make(&e, list);
	buf_init(&back, 0);
	buf_init(&out, 0);
	n = conffile_restore(syntax, &back, before, strlen(before), &e.set, &e.unset,
	    now, strlen(now), &drift);
	assert_int_equal(n, drift.n);
	put_restored(&out, &back, &drift);
	assert_string_equal(buf_str(&out), want);
	buf_release(&back);
	buf_release(&out);
}

static void
check_edit(enum conf_syntax syntax, const char *text, const char *const *list, const char *want)
{
	struct edits e;
	struct buf out;

	edits_make(&e, list);
	buf_init(&out, 0);
	assert_true(conffile_edit(syntax, &out, text, strlen(text), &e.set, &e.unset));
	assert_string_equal(buf_str(&out), want);
	check_restore(syntax, text, list, buf_str(&out), text);
	buf_release(&out);
}

static void
check_canon(enum conf_syntax syntax, const char *value, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(conffile_canon(syntax, value, &out), want != NULL);
	if (want != NULL)
		assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

#define PG CONF_POSTGRES
#define INI CONF_INI
#define REDIS CONF_REDIS

static void
postgres_values_are_read_as_the_server_reads_them(void **state)
{
	(void)state;
	check_get(PG, "ssl = on\n", "ssl", "on");
	check_get(PG, "ssl on\n", "ssl", "on");
	check_get(PG, "ssl=on", "ssl", "on");
	check_get(PG, "  SSL\t=\ton # why\r\n", "ssl", "on");
	check_get(PG, "ssl = on#why\n", "ssl", "on");
	check_get(PG, "ssl_cert_file = '/etc/a b''s \\'x\\' \\101\\n'  # c\n", "ssl_cert_file",
	    "/etc/a b's 'x' A\n");
	check_get(PG, "ssl = 'o''n'\n", "ssl", "o'n");
	check_get(PG, "ssl = ''\n", "ssl", "");
	check_get(PG, "ssl = on\nssl = off\n", "ssl", "off");
	check_get(PG, "#ssl = on\n # ssl = on\n", "ssl", NULL);
	check_get(PG, "sslx = on\nmy.ssl = off\n", "ssl", NULL);
	check_get(PG, "my.ssl = off\n", "my.ssl", "off");
	/* What the server takes for an error is nothing that is set. */
	check_get(PG, "ssl\n", "ssl", NULL);
	check_get(PG, "ssl =\n", "ssl", NULL);
	check_get(PG, "ssl = 'on\n", "ssl", NULL);
	check_get(PG, "ssl = 'on' off\n", "ssl", NULL);
	check_get(PG, "include_dir 'conf.d'\n", "ssl", NULL);
}

static void
postgres_keys_are_set_in_the_style_of_their_line(void **state)
{
	(void)state;
	check_edit(PG, "ssl = off\t# (change requires restart)\n", EDITS("+ssl=on"),
	    "ssl = on\t# (change requires restart)\n");
	check_edit(PG, "Ssl off\n", EDITS("+ssl=on"), "Ssl on\n");
	check_edit(PG, "ssl = 'off'\r\nport = 1\r\n", EDITS("+ssl=on"), "ssl = 'on'\r\nport = 1\r\n");
	check_edit(PG, "ssl = off", EDITS("+ssl=on"), "ssl = on");
	check_edit(PG, "#ssl = off\nport = 1\n", EDITS("+ssl=on"), "#ssl = off\nport = 1\nssl = on\n");
	check_edit(PG, "ssl = off\nssl = off # two\n", EDITS("+ssl=on"), "ssl = off\nssl = on # two\n");
	check_edit(PG, "ssl = off\nx = 1\nSSL 'on'\n", EDITS("-ssl"), "x = 1\n");
	check_edit(PG, "ssl = 'on' # c\n", EDITS("+ssl=on"), "ssl = 'on' # c\n");
	check_edit(PG, "include_dir = 'conf.d'\n", EDITS("+ssl=on", "+ssl_min_protocol_version=TLSv1.3"),
	    "include_dir = 'conf.d'\nssl = on\nssl_min_protocol_version = 'TLSv1.3'\n");
	check_edit(PG, "a = 1\r\nb = 2", EDITS("+c=it's \\ a"), "a = 1\r\nb = 2\r\nc = 'it''s \\\\ a'\r\n");
	check_edit(PG, "", EDITS("+ssl_ciphers=HIGH:!aNULL", "+work_mem=64MB"),
	    "ssl_ciphers = 'HIGH:!aNULL'\nwork_mem = 64MB\n");
	check_edit(PG, "p = 5432\n", EDITS("+p=-1"), "p = '-1'\n");
}

static void
ini_keys_belong_to_their_section(void **state)
{
	static const char ini[] =
	    ";; pools\n[databases]\nclient_tls_sslmode = host=db\n* = host=db port=5432\n\n"
	    "[pgbouncer]\nlisten_port = 6432 \n;client_tls_sslmode = disable\n#x\n\n[users]\nbob = pool_mode=session\n";

	(void)state;
	check_get(INI, ini, "client_tls_sslmode", NULL);
	check_get(INI, ini, "databases.client_tls_sslmode", "host=db");
	check_get(INI, ini, "databases.*", "host=db port=5432");
	check_get(INI, ini, "listen_port", "6432");
	check_get(INI, ini, "pgbouncer.listen_port", "6432");
	check_get(INI, "listen_port=1\n[databases]\nlisten_port=2\n", "listen_port", "1");
	check_get(INI, "listen_port=1\n[databases]\nlisten_port=2\n[pgbouncer]\nx=3\n", "listen_port", NULL);
	/* A second [pgbouncer] begins with the defaults. */
	check_get(INI, "[pgbouncer]\nx=3\n[a]\n[pgbouncer]\ny=4\n", "x", NULL);
	check_edit(INI, "[pgbouncer]\nx=3\n[a]\n[pgbouncer]\ny=4\n[b]\n", EDITS("+x=3"),
	    "[pgbouncer]\nx=3\n[a]\n[pgbouncer]\ny=4\nx = 3\n[b]\n");
	check_get(INI, "[a]\nx=3\n[b]\n[a]\ny=4\n", "a.x", "3");
	check_get(INI, "[pgbouncer]\nx=3\n[a]\n[pgbouncer]\nx= 4 ; no comment\n", "x", "4 ; no comment");
	check_edit(INI, ini, EDITS("+client_tls_sslmode=allow"),
	    ";; pools\n[databases]\nclient_tls_sslmode = host=db\n* = host=db port=5432\n\n"
	    "[pgbouncer]\nlisten_port = 6432 \nclient_tls_sslmode = allow\n;client_tls_sslmode = disable\n#x\n\n"
	    "[users]\nbob = pool_mode=session\n");
	check_edit(INI, ini, EDITS("+listen_port=7000", "-databases.client_tls_sslmode"),
	    ";; pools\n[databases]\n* = host=db port=5432\n\n"
	    "[pgbouncer]\nlisten_port = 7000 \n;client_tls_sslmode = disable\n#x\n\n[users]\nbob = pool_mode=session\n");
	check_edit(INI, "[pgbouncer]\r\na = b\r\n%include x.ini\r\n[z]", EDITS("+c=", "+z.d=1"),
	    "[pgbouncer]\r\na = b\r\nc = \r\n%include x.ini\r\n[z]\r\nd = 1\r\n");
	check_edit(INI, "[pgbouncer]", EDITS("+c=1"), "[pgbouncer]\nc = 1\n");
	check_edit(INI, "a = 1\n", EDITS("+c=1"), "a = 1\nc = 1\n");
}

static void
an_ini_file_without_the_section_is_refused(void **state)
{
	struct edits e;
	struct buf out;

	(void)state;
	edits_make(&e, EDITS("+a=1"));
	buf_init(&out, 0);
	assert_false(conffile_edit(INI, &out, "[databases]\nx=1\n", 16, &e.set, &e.unset));
	assert_false(conffile_edit(INI, &out, "; nothing\n", 10, &e.set, &e.unset));
	buf_clear(&out);
	assert_true(conffile_edit(INI, &out, "", 0, &e.set, &e.unset));
	assert_string_equal(buf_str(&out), "a = 1\n");
	buf_release(&out);
}

static void
redis_words_are_read_as_the_server_reads_them(void **state)
{
	(void)state;
	check_get(REDIS, "port 6379\n", "port", "6379");
	check_get(REDIS, "  PORT\t6379  \r\n", "port", "6379");
	check_get(REDIS, "port \"6379\"\n", "port", "6379");
	check_get(REDIS, "bind 127.0.0.1   '::1'\n", "bind", "127.0.0.1 ::1");
	check_get(REDIS, "tls-protocols \"TLSv1.2 TLSv1.3\"\n", "tls-protocols", "\"TLSv1.2 TLSv1.3\"");
	check_get(REDIS, "requirepass a#b\n", "requirepass", "a#b");
	check_get(REDIS, "requirepass \"a\\\"b\\x41\\n\"\n", "requirepass", "\"a\\\"bA\\n\"");
	check_get(REDIS, "requirepass 'a\\'b'\n", "requirepass", "\"a'b\"");
	check_get(REDIS, "save \"\"\n", "save", "\"\"");
	check_get(REDIS, "port 1\nport 2\n", "port", "2");
	check_get(REDIS, "# port 1\n #port 1\nportx 2\n", "port", NULL);
	check_get(REDIS, "port\nport \"1\nport '1'2\n", "port", NULL);
}

static void
redis_keys_are_set_word_by_word(void **state)
{
	(void)state;
	check_edit(REDIS, "port 6379\r\n# tls-port 6380\r\n", EDITS("+tls-port=6380"),
	    "port 6379\r\n# tls-port 6380\r\ntls-port 6380\r\n");
	check_edit(REDIS, "Port   6379 \nport 1", EDITS("+port=0"), "Port   6379 \nport 0");
	check_edit(REDIS, "port \"6379\"\n", EDITS("+port=6379"), "port \"6379\"\n");
	check_edit(REDIS, "include /etc/x\nbind 127.0.0.1\n", EDITS("+bind=127.0.0.1 ::1"),
	    "include /etc/x\nbind 127.0.0.1 ::1\n");
	check_edit(REDIS, "port 1\nPORT 2\nsave 1 1\n", EDITS("-port"), "save 1 1\n");
	check_canon(REDIS, "'a b'  c", "\"a b\" c");
	check_canon(REDIS, "", NULL);
	check_canon(REDIS, "\"a", NULL);
	check_canon(REDIS, "\"a\"b", NULL);
	check_canon(REDIS, "a\nb", NULL);
	check_canon(INI, " a", NULL);
	check_canon(INI, "a b", "a b");
	check_canon(PG, "a'b", "a'b");
	check_canon(PG, "a\nb", NULL);
}

static void
keys_that_include_files_are_not_set(void **state)
{
	(void)state;
	assert_true(conffile_key_valid(PG, "ssl_min_protocol_version"));
	assert_true(conffile_key_valid(PG, "my.setting"));
	assert_false(conffile_key_valid(PG, "include_dir"));
	assert_false(conffile_key_valid(PG, "Include"));
	assert_false(conffile_key_valid(PG, "a b"));
	assert_false(conffile_key_valid(PG, ""));
	assert_true(conffile_key_valid(INI, "client_tls_sslmode"));
	assert_true(conffile_key_valid(INI, "databases.my-db"));
	assert_false(conffile_key_valid(INI, "databases."));
	assert_false(conffile_key_valid(INI, ".a"));
	assert_false(conffile_key_valid(INI, "%include"));
	assert_false(conffile_key_valid(INI, "a=b"));
	assert_true(conffile_key_valid(REDIS, "tls-port"));
	assert_false(conffile_key_valid(REDIS, "include"));
	assert_false(conffile_key_valid(REDIS, "tls port"));
}

static void
undo_keeps_others_lines_and_refuses_where_ours_changed(void **state)
{
	(void)state;
	check_restore(PG, "ssl = off # c\n", EDITS("+ssl=on", "+port=1"),
	    "x = 1\nssl = on # c\nport = 1\ny = 2\n", "x = 1\nssl = off # c\ny = 2\n");
	check_restore(PG, "a = 1\nssl = 'on'\nb = 2\n", EDITS("-ssl"), "a = 1\nb = 9\nc = 3\n",
	    "a = 1\nssl = 'on'\nb = 9\nc = 3\n");
	check_restore(PG, "ssl = off\n", EDITS("+ssl=on"), "SSL = yes\n", "drift ssl\n");
	check_restore(INI, "[pgbouncer]\na = 1\n[x]\nb = 1\n", EDITS("+c=1", "+a=2", "-x.b"),
	    "[pgbouncer]\na = 2\nd = 4\nc = 1\n[x]\ny = 1\n", "[pgbouncer]\na = 1\nd = 4\n[x]\nb = 1\ny = 1\n");
	check_restore(INI, "[pgbouncer]\na = 1\n", EDITS("+a=2"), "[pgbouncer]\na = 3\n", "drift a\n");
	/* A key of the same name in another section is nobody's drift. */
	check_restore(INI, "[pgbouncer]\na = 1\n", EDITS("+a=2"), "[pgbouncer]\na = 2\n[x]\na = 3\n",
	    "[pgbouncer]\na = 1\n[x]\na = 3\n");
	check_restore(REDIS, "port 6379\nsave 60 1\n", EDITS("+port=0", "+tls-port=6379"),
	    "maxmemory 1gb\nport \"0\"\ntls-port 6379\nsave 60 1\n", "maxmemory 1gb\nport 6379\nsave 60 1\n");
	check_restore(REDIS, "port 6379\n", EDITS("+port=0"), "port 1\n", "drift port\n");
	check_restore(REDIS, "port 6379\n", EDITS("+port=0"), "", "drift port\n");
}

/* ------------------------------------------------------------------ at random */

static const char *const lines[CONF_SYNTAX_COUNT][16] = {
	{ "ssl = on", "SSL off # c", " ssl='o''n'", "port 1", "port=", "# ssl = on", "", "include_dir 'x'",
	  "ssl = 'on", "port = '\\061'", "a.b = c d", "junk", "ssl 'x' # '", "port\t=\t5 ", "'", "#" },
	{ "[pgbouncer]", "[databases]", "ssl = on", "ssl=off ; x", "port = ", "; ssl = 1", "%include x",
	  "port = 5", "[x", "", "* = a", "# c", " ssl = y ", "junk", "[]", "a.b = 1" },
	{ "ssl on", "SSL \"o n\"", "port 1 2", "port '1", "# ssl on", "", "include x", "port \"\\x00\"", "ssl",
	  "save \"\"", "ssl on # no", "port   5  ", "\"port\" 1", "junk", "ssl a\"b\"", "port \"\\\\\"" },
};
static const char *const values[CONF_SYNTAX_COUNT][8] = {
	{ "", "on", "it's", "\\", "a b", "TLSv1.3", "#", "\"" },
	{ "", "on", "it's", "\\", "a b", "; x", "#", "\"" },
	{ "\"\"", "on", "a b", "\"a b\"", "\"it's\"", "\"\\x00\"", "\"#\" a", "\"\\\\\"" },
};
static const char *const ends[] = { "\n", "\n", "\r\n" };
static const char *const keys[] = { "ssl", "port", "new" };

static void
whatever_is_done_is_read_back_and_undone_to_the_byte(void **state)
{
	const char *list[KEYS_MAX + 1];
	char room[3][64];
	struct edits e;
	struct strings drift = { NULL, 0 };
	struct buf file, after, back, value;
	enum conf_syntax s;
	size_t i, n, changed = 0, refused = 0;
	int round, k;

	(void)state;
	srand(31);
	buf_init(&file, 0);
	buf_init(&after, 0);
	buf_init(&back, 0);
	buf_init(&value, 0);
	for (round = 0; round < 150000; round++) {
		s = (enum conf_syntax)(round % CONF_SYNTAX_COUNT);
		buf_clear(&file);
		buf_clear(&after);
		buf_clear(&back);
		if (s == CONF_INI && rand() % 4 != 0)
			(void)buf_puts(&file, "[pgbouncer]\n");
		for (k = rand() % 8; k > 0; k--)
			(void)buf_printf(&file, "%s%s", lines[s][rand() % 16], k == 1 && rand() % 3 == 0 ? "" : PICK(ends));
		for (i = n = 0; i < 3; i++) {
			if (rand() % 2 == 0)
				continue;
			if (rand() % 3 == 0)
				(void)snprintf(room[n], sizeof(room[n]), "-%s", keys[i]);
			else
				(void)snprintf(room[n], sizeof(room[n]), "+%s=%s", keys[i], values[s][rand() % 8]);
			list[n] = room[n];
			n++;
		}
		list[n] = NULL;
		edits_make(&e, list);
		if (!conffile_edit(s, &after, buf_str(&file), file.len, &e.set, &e.unset)) {
			assert_int_equal(s, CONF_INI);
			refused++;
			continue;
		}
		for (i = 0; i < e.set.n; i++) {
			buf_clear(&value);
			assert_true(conffile_get(s, buf_str(&after), after.len, e.set.v[i].key, &value));
			assert_string_equal(buf_str(&value), e.set.v[i].value);
		}
		for (i = 0; i < e.unset.n; i++)
			assert_false(conffile_get(s, buf_str(&after), after.len, e.unset.v[i], NULL));
		assert_true(conffile_edit(s, &back, buf_str(&after), after.len, &e.set, &e.unset));
		assert_int_equal(back.len, after.len);
		assert_memory_equal(buf_str(&back), buf_str(&after), after.len);
		buf_clear(&back);
		assert_int_equal(conffile_restore(s, &back, buf_str(&file), file.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift), 0);
		assert_int_equal(back.len, file.len);
		assert_memory_equal(buf_str(&back), buf_str(&file), file.len);
		/* Somebody adds a line at the end. */
		buf_clear(&back);
		if (after.len > 0 && after.data[after.len - 1] != '\n')
			(void)buf_putc(&after, '\n');
		(void)buf_puts(&after, s == CONF_REDIS ? "theirs 1\n" : "theirs = 1\n");
		if (conffile_restore(s, &back, buf_str(&file), file.len, &e.set, &e.unset,
		    buf_str(&after), after.len, &drift) == 0) {
			assert_true(back.len >= 9);
			assert_non_null(strstr(buf_str(&back) + (back.len > 11 ? back.len - 11 : 0), "theirs"));
			for (i = 0; i < 3; i++) {
				struct buf was;
				bool there;

				buf_init(&was, 0);
				buf_clear(&value);
				there = conffile_get(s, buf_str(&file), file.len, keys[i], &was);
				assert_int_equal(there, conffile_get(s, buf_str(&back), back.len, keys[i], &value));
				assert_string_equal(buf_str(&was), buf_str(&value));
				buf_release(&was);
			}
		} else
			put_restored(&value, &back, &drift);
		changed += n > 0;
	}
	assert_true(changed > 100000);
	assert_true(refused < 10000);
	buf_release(&file);
	buf_release(&after);
	buf_release(&back);
	buf_release(&value);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(postgres_values_are_read_as_the_server_reads_them),
		cmocka_unit_test(postgres_keys_are_set_in_the_style_of_their_line),
		cmocka_unit_test(ini_keys_belong_to_their_section),
		cmocka_unit_test(an_ini_file_without_the_section_is_refused),
		cmocka_unit_test(redis_words_are_read_as_the_server_reads_them),
		cmocka_unit_test(redis_keys_are_set_word_by_word),
		cmocka_unit_test(keys_that_include_files_are_not_set),
		cmocka_unit_test(undo_keeps_others_lines_and_refuses_where_ours_changed),
		cmocka_unit_test(whatever_is_done_is_read_back_and_undone_to_the_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
