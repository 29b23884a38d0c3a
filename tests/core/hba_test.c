/*
 * What hba.h promises and the server cannot be asked here: files in files of
 * 16 and later, what is not known, what may be shown.  Which record decides,
 * tests/truth/hba_test.c asks a real server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/hba.h"

struct file { const char *path, *text; };
static const struct file files[] = {
	{ "/pg/apps", "app, web\n+ops\n" }, { "/pg/more.conf", "host all all 10.0.0.0/8 md5\nhost all all all reject\n" },
	{ "/pg/loop.conf", "include loop.conf\n" }, { "/pg/empty", "\n# nobody\n" }, { NULL, NULL }
};

static int
look_up(void *arg, const char *path, const char **text, size_t *len)
{
	const struct file *f;

	(void)arg;
	for (f = files; f->path != NULL; f++)
		if (strcmp(f->path, path) == 0) {
			*text = f->text;
			*len = strlen(f->text);
			return 0;
		}
	return strcmp(path, "/pg/unseen") == 0 ? -1 : 1;
}

static void
read_text(struct hba_rules *r, int version, const char *text)
{
	struct hba_reading how = { version, "/pg/pg_hba.conf", look_up, NULL };
	struct err err;

	assert_int_equal(hba_read(r, &how, text, strlen(text), &err), 0);
}

/* Every record in words, one a line. */
static void
check_read(int version, const char *text, const char *want)
{
	struct hba_rules r;
	struct buf b = { 0 };
	size_t i;

	read_text(&r, version, text);
	for (i = 0; i < r.n; i++) {
		hba_record_words(&b, &r.v[i]);
		(void)buf_putc(&b, '\n');
	}
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
	hba_rules_release(&r);
}

static struct hba_connection
from(const char *address, const char *user, const char *database)
{
	struct hba_connection c;

	memset(&c, 0, sizeof(c));
	c.address = address;
	c.local = address == NULL;
	c.user = user;
	c.database = database;
	return c;
}

static void
check_match(const char *text, const struct hba_connection *c, enum hba_outcome want, int line, const char *why)
{
	struct hba_rules r;
	struct hba_answer a;

	read_text(&r, 16, text);
	hba_match(&r, c, &a);
	assert_string_equal(hba_outcome_word(a.outcome), hba_outcome_word(want));
	assert_int_equal(a.record == NONE ? 0 : r.v[a.record].line, line);
	assert_string_equal(a.why, why);
	hba_rules_release(&r);
}

static void
a_file_in_a_list_gives_its_names(void **state)
{
	(void)state;
	check_read(15, "host all @apps,x 10.0.0.0/8 md5\n", "line 1: host all app,web,+ops,x 10.0.0.0/8 md5\n");
	/* A field of nothing is no field. */
	check_read(15, "host all @empty all md5\n", "line 1: end-of-line before authentication method\n");
	check_read(15, "host all @none all md5\n",
	    "line 1: could not open secondary authentication file \"@none\" as \"/pg/none\"\n");
	check_read(15, "host all @unseen all md5\n", "line 1: host all @… all md5\n");
}

static void
sixteen_includes_files_and_fifteen_does_not(void **state)
{
	(void)state;
	check_read(15, "include more.conf\n", "line 1: invalid connection type \"include\"\n");
	check_read(16, "\ninclude more.conf\nhost all all ::1/128 trust\n",
	    "line 1 of /pg/more.conf: host all all 10.0.0.0/8 md5\nline 2 of /pg/more.conf: host all all all reject\n"
	    "line 3: host all all ::1/128 trust\n");
	check_read(16, "include none.conf\n", "line 1: could not open file \"/pg/none.conf\"\n");
	check_read(16, "include_if_exists none.conf\ninclude_dir conf.d\ninclude unseen\n",
	    "line 2: files that were not read\nline 3: files that were not read\n");
}

static void
a_file_that_includes_itself_ends(void **state)
{
	struct hba_rules r;

	(void)state;
	read_text(&r, 16, "include loop.conf\n");
	assert_int_equal(r.n, 1);
	assert_int_equal(r.broken, 0);
	hba_rules_release(&r);
}

static void
what_is_not_known_is_not_guessed(void **state)
{
	struct hba_connection c = from("10.0.0.5", "app", "shop");
	char *one[] = { (char *)(uintptr_t)"ops" };
	struct strings groups = { one, 1 };

	(void)state;
	check_match("host all +ops all md5\n", &c, HBA_UNSURE, 1,
	    "line 1 may match: whether it is for this role is not known");
	c.groups = &groups;
	check_match("host all +ops all md5\n", &c, HBA_ASKS, 1, "");
	check_match("host all app db.example.com md5\n", &c, HBA_UNSURE, 1,
	    "line 1 may match: the name of the client's address is not known");
	check_match("host all app samenet md5\n", &c, HBA_UNSURE, 1,
	    "line 1 may match: the server's own addresses are not known");
	check_match("host /^sh all all md5\nhost all all all reject\n", &c, HBA_UNSURE, 1,
	    "line 1 may match: whether it is for this database is not known");
	check_match("include_dir d\nhost all all all md5\n", &c, HBA_UNSURE, 1,
	    "line 1 may match: its files were not read");
	/* A doubt that decides nothing is none. */
	check_match("host other +ops db.example.com md5\nhost all all all md5\n", &c, HBA_ASKS, 2, "");
	check_match("host all all all ldap ldapserver=x\n", &c, HBA_UNSURE, 1, "the method is ldap: somebody else decides");
}

static void
a_stored_password_that_the_method_cannot_use_is_told(void **state)
{
	struct hba_connection c = from("10.0.0.5", "app", "shop");

	(void)state;
	c.stored = STORED_MD5;
	check_match("host all all all scram-sha-256\n", &c, HBA_USELESS, 1, "the method is scram-sha-256, and the "
	    "role's password is stored as md5: it has to be set again with password_encryption = 'scram-sha-256'");
	check_match("host all all all md5\n", &c, HBA_ASKS, 1, "");
	c.stored = STORED_SCRAM;
	check_match("host all all all md5\n", &c, HBA_ASKS, 1, "");
	c.no_password = true;
	check_match("host all all all md5\n", &c, HBA_USELESS, 1, "the method is md5, and the role has no password");
}

static void
a_certificate_that_is_asked_for_is_told(void **state)
{
	static const char text[] = "hostssl all all all scram-sha-256 clientcert=verify-full\n";
	struct hba_connection c = from("10.0.0.5", "app", "shop");

	(void)state;
	check_match(text, &c, HBA_NO_LINE, 0, "");
	c.tls = true;
	check_match(text, &c, HBA_UNSURE, 1,
	    "it asks for a client certificate, and whether the client has one is not known");
	c.shows = HBA_SHOWS_NONE;
	check_match(text, &c, HBA_USELESS, 1, "it asks for a client certificate, and the client shows none");
	c.shows = HBA_SHOWS_CERT;
	c.cn = "web";
	c.stored = STORED_SCRAM;
	check_match(text, &c, HBA_USELESS, 1, "the client's certificate is for 'web', not for 'app'");
	c.cn = "app";
	check_match(text, &c, HBA_ASKS, 1, "");
}

static void
check_shadow(const char *text, int record, int by)
{
	struct hba_rules r;

	read_text(&r, 16, text);
	assert_int_equal(hba_shadowed_by(&r, record), by);
	hba_rules_release(&r);
}

static void
a_line_that_is_never_asked_is_named_with_the_one_above_it(void **state)
{
	(void)state;
	check_shadow("host all all 10.0.0.0/8 md5\nhostssl all app 10.1.0.0/16 scram-sha-256\n", 1, 0);
	check_shadow("hostssl all all all md5\nhost all app 10.1.0.0/16 md5\n", 1, NONE);
	/* Two together. */
	check_shadow("hostssl all all all md5\nhostnossl all all all reject\nhost all app 10.1.0.0/16 md5\n", 2, 1);
	check_shadow("host all all all md5\nhost replication all all md5\n", 1, NONE);
	check_shadow("host all all all md5\nlocal all all peer\n", 1, NONE);
	check_shadow("host all +ops all md5\nhost all app all md5\n", 1, NONE);
	check_shadow("host all all 0.0.0.0/0 md5\nhost all all ::1/128 md5\n", 1, NONE);
}

static void
what_is_carried_elsewhere_has_no_password_and_the_same_lines(void **state)
{
	static const char text[] = "# TYPE secret\nlocal all all peer\nhost \"a=b\" all 10.0.0.0/8 ldap ldapserver=s "
	    "ldapbindpasswd=\"hush hush\" # hush\n# BEGIN belay pg\nhostssl all \\\n +\"x y\" all md5 clientcert=verify-ca\n"
	    "# END belay pg\n";
	struct buf b = { 0 };

	(void)state;
	hba_redact(&b, text, strlen(text));
	assert_string_equal(buf_str(&b), "\nlocal all all peer\nhost \"a=b\" all 10.0.0.0/8 ldap ldapserver=… "
	    "ldapbindpasswd=…\n# BEGIN belay pg\nhostssl all +\"x y\" all md5 clientcert=verify-ca\n\n# END belay pg\n");
	buf_release(&b);
}

static void
a_row_of_the_view_is_a_record(void **state)
{
	struct hba_row row = { "7", "hostssl", "{all,\"we ird\"}", "{app,+ops}", "10.0.0.0", "255.0.0.0", "md5",
	    "{clientcert=verify-ca}", NULL };
	struct hba_row bad = { "8", NULL, NULL, NULL, NULL, NULL, NULL, NULL, "invalid connection type \"x\"" };
	struct hba_rules r;
	struct buf b = { 0 };

	(void)state;
	hba_rules_init(&r);
	hba_add_row(&r, &row);
	assert_int_equal(r.broken, NONE);
	assert_int_equal(r.v[0].clientcert, HBA_CLIENTCERT_CA);
	hba_record_words(&b, &r.v[0]);
	assert_string_equal(buf_str(&b), "line 7: hostssl all,we ird app,+ops 10.0.0.0/8 md5");
	hba_add_row(&r, &bad);
	assert_int_equal(r.broken, 1);
	buf_release(&b);
	hba_rules_release(&r);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_in_a_list_gives_its_names),
		cmocka_unit_test(sixteen_includes_files_and_fifteen_does_not),
		cmocka_unit_test(a_file_that_includes_itself_ends),
		cmocka_unit_test(what_is_not_known_is_not_guessed),
		cmocka_unit_test(a_stored_password_that_the_method_cannot_use_is_told),
		cmocka_unit_test(a_certificate_that_is_asked_for_is_told),
		cmocka_unit_test(a_line_that_is_never_asked_is_named_with_the_one_above_it),
		cmocka_unit_test(what_is_carried_elsewhere_has_no_password_and_the_same_lines),
		cmocka_unit_test(a_row_of_the_view_is_a_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
