/*
 * brief_test: certificates as people read them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/mem.h"
#include "pki/brief.h"
#include "pki_fixture.h"

#define PASS "a passphrase of a test"

static const char *const names[] = { "db.internal" };
static struct authority_material m;

static int
up(void **state)
{
	struct err err;

	(void)state;
	return top_up(names, 1, PASS) != 0 || authority_ensure(&q, &m, &err) != 0 ? -1 : 0;
}

static int
down(void **state)
{
	(void)state;
	authority_material_release(&m);
	top_down();
	return 0;
}

static char *
brief(const char *text)
{
	size_t len = 0;
	char *is = brief_text(text, strlen(text), &len);

	if (is != NULL)
		assert_int_equal(strlen(is), len);
	return is;
}

static void
each_certificate_is_a_line_in_its_place(void **state)
{
	char *text = mem_printf("# ours\n%s# and whom it serves\n%s", m.ca_pem, m.leaf_pem), *is = brief(text), *at = is;

	(void)state;
	assert_non_null(is);
	assert_memory_equal(at, "# ours\ncertificate of CN=internal CA, until 20", 46);
	at = strchr(strchr(at, '\n') + 1, '\n');
	assert_memory_equal(at, "\n# and whom it serves\ncertificate of CN=db.internal, until 20", 60);
	assert_null(strstr(is, "BEGIN"));
	assert_int_equal(is[strlen(is) - 1], '\n');
	/* Two of one name are told apart. */
	at = strstr(at, "sha256 ");
	assert_non_null(at);
	assert_int_equal(strspn(at + 7, "0123456789abcdef"), 16);
	free(text);
	free(is);
}

static void
what_is_no_certificate_stays_as_it_is(void **state)
{
	static const char broken[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
	char *text, *is;

	(void)state;
	assert_null(brief(""));
	assert_null(brief("a = 1\n"));
	assert_null(brief(broken));
	assert_null(brief("-----BEGIN CERTIFICATE-----\nAAAA\n"));
	assert_null(brief("-----END CERTIFICATE----------BEGIN CERTIFICATE-----"));
	text = mem_printf("%sx\n%s-----BEGIN CERTIFICATE-----\n", broken, m.leaf_pem);
	is = brief(text);
	assert_non_null(is);
	assert_memory_equal(is, broken, sizeof(broken) - 1);
	assert_non_null(strstr(is, "\nx\ncertificate of CN=db.internal,"));
	assert_string_equal(is + strlen(is) - 28, "-----BEGIN CERTIFICATE-----\n");
	free(text);
	free(is);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_certificate_is_a_line_in_its_place),
		cmocka_unit_test(what_is_no_certificate_stays_as_it_is),
	};

	return cmocka_run_group_tests_name("brief", tests, up, down);
}
