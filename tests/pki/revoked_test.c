/*
 * Keys that leaked: what is revoked is never given out again, and the list that the CA
 * signs of it is judged by openssl(1).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/revoked.h"
#include "disk_calls.h"
#include "pki_fixture.h"

#define PASS "correct horse battery"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const two[] = { "db.internal", "10.1.2.3" };

static int
make_top(void **state)
{
	(void)state;
	if (top_up(two, COUNT(two), PASS) == -1 || chdir(top) != 0)
		return -1;
	cheap_seals = true;
	q.by = "ops@bastion";
	q.reason = "laptop stolen, at the airport";
	return 0;
}

static int
remove_top(void **state)
{
	(void)state;
	top_down();
	return 0;
}

/* A line of shell in `top`. */
static bool
ends_well(const char *line)
{
	return system(line) == 0;	/* the lines are ours */
}

static char *
leaf(void)
{
	char *pem;
	struct err err;

	if (authority_leaf(dir, q.leaf, &pem, &err) != 0)
		fail_msg("%s", err.msg);
	return pem;
}

static struct authority_material
ensured(void)
{
	struct authority_material m;
	struct err err;

	if (authority_ensure(&q, &m, &err) != 0)
		fail_msg("%s", err.msg);
	return m;
}

static void
ensure(bool made_leaf, bool revoked)
{
	struct authority_material m = ensured();

	assert_int_equal(m.made_leaf, made_leaf);
	assert_int_equal(m.revoked_sha256[0] != '\0', revoked);
	authority_material_release(&m);
}

/* What there is of revoked certificates, and whether the signed list has them all. */
static size_t
revoked(bool *ret_listed)
{
	struct revoked_list list;
	struct err err;
	char *crl;
	size_t n;

	if (authority_revoked(dir, &list, &crl, &err) != 0)
		fail_msg("%s", err.msg);
	*ret_listed = crl != NULL;
	n = list.n;
	free(crl);
	revoked_list_release(&list);
	return n;
}

static void
what_is_revoked_is_never_given_out_again(void **state)
{
	struct revoked_list list;
	struct err err;
	char sha[65], *crl;

	(void)state;
	ensure(true, false);
	assert_true(ends_well("cp ca/leaf.pem leaked.pem"));
	if (authority_revoke(&q, sha, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(strlen(sha), 64);
	/* Twice is the same as once. */
	assert_int_equal(authority_revoke(&q, sha, &err), 0);
	assert_string_equal(sha, "");
	ensure(true, false);
	ensure(false, false);
	assert_false(ends_well("cmp -s ca/leaf.pem leaked.pem"));
	assert_int_equal(authority_revoked(dir, &list, &crl, &err), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0].reason, q.reason);
	assert_string_equal(list.v[0].by, "ops@bastion");
	assert_string_equal(list.v[0].name, "internal");
	assert_int_equal(list.v[0].at_s, q.now_s);
	revoked_list_release(&list);
	free(crl);
}

static void
openssl_reads_the_list_and_goes_by_it(void **state)
{
	struct err err;
	char sha[65];

	(void)state;
	ensure(true, false);
	assert_true(ends_well("cp ca/leaf.pem leaked.pem"));
	assert_int_equal(authority_revoke(&q, sha, &err), 0);
	ensure(true, false);
	assert_true(ends_well("openssl crl -in ca/ca.crl -CAfile ca/ca.pem -noout -text >crl.txt 2>crl.err && grep -q 'verify OK' crl.err"));
	/* Of the second version, with a number and what key it was signed by, and why. */
	assert_true(ends_well("grep -q 'Version 2 (0x1)' crl.txt && grep -q 'X509v3 CRL Number' crl.txt && "
	    "grep -q 'X509v3 Authority Key Identifier' crl.txt && grep -q 'Key Compromise' crl.txt"));
	assert_true(ends_well("s=$(openssl x509 -noout -serial -in leaked.pem); grep -q \"Serial Number: ${s#serial=}\" crl.txt"));
	/* It does not end before the CA: a list that has ended refuses everybody. */
	assert_true(ends_well("[ \"$(openssl crl -in ca/ca.crl -noout -nextupdate | cut -d= -f2)\" = "
	    "\"$(openssl x509 -in ca/ca.pem -noout -enddate | cut -d= -f2)\" ]"));
	assert_true(ends_well("openssl verify -x509_strict -CAfile ca/ca.pem -CRLfile ca/ca.crl -crl_check -purpose sslserver ca/leaf.pem >/dev/null"));
	assert_false(ends_well("openssl verify -CAfile ca/ca.pem -CRLfile ca/ca.crl -crl_check leaked.pem >said 2>&1"));
	assert_true(ends_well("grep -q 'certificate revoked' said"));
}

static void
replaced_once_for_each_word(void **state)
{
	char *first, *second, *third;
	bool listed;

	(void)state;
	ensure(true, false);
	first = leaf();
	q.replace = "run-1/replace";
	ensure(true, true);
	second = leaf();
	assert_string_not_equal(first, second);
	/* The run goes on after a crash: what it made is there. */
	ensure(false, false);
	q.replace = "run-2/replace";
	ensure(true, true);
	third = leaf();
	assert_string_not_equal(second, third);
	assert_int_equal(revoked(&listed), 2);
	assert_true(listed);
	free(first);
	free(second);
	free(third);
}

/* Several leaves of one CA may leak at once, and one step replaces them all. */
static void
each_leaf_of_a_ca_is_replaced_for_the_word_that_they_share(void **state)
{
	char *first, *other, *now;
	bool listed;

	(void)state;
	q.cert = "internal";
	ensure(true, false);
	first = leaf();
	q.leaf = q.cert = "pooler";
	ensure(true, false);
	other = leaf();
	q.leaf = NULL;
	q.cert = "internal";
	q.replace = "run-1/replace";
	ensure(true, true);
	q.leaf = q.cert = "pooler";
	ensure(true, true);
	now = leaf();
	assert_string_not_equal(other, now);
	assert_int_equal(revoked(&listed), 2);
	assert_true(listed);
	/* Once each. */
	ensure(false, false);
	q.leaf = NULL;
	q.cert = "internal";
	ensure(false, false);
	free(now);
	now = leaf();
	assert_string_not_equal(first, now);
	assert_int_equal(revoked(&listed), 2);
	free(first);
	free(other);
	free(now);
}

static void
what_was_revoked_before_is_replaced_and_not_revoked_twice(void **state)
{
	struct err err;
	char sha[65];
	bool listed;

	(void)state;
	ensure(true, false);
	assert_int_equal(authority_revoke(&q, sha, &err), 0);
	q.replace = "run-1/replace";
	ensure(true, false);
	ensure(false, false);
	assert_int_equal(revoked(&listed), 1);
	assert_true(listed);
}

static void
reason_with_anything_in_it_is_one_line(void **state)
{
	struct revoked_list list;
	struct err err;
	char sha[65], *crl;

	(void)state;
	ensure(true, false);
	q.reason = "two\nlines \x1b[31m";
	q.by = "a b";
	assert_int_equal(authority_revoke(&q, sha, &err), 0);
	assert_int_equal(authority_revoked(dir, &list, &crl, &err), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.v[0].reason, "two^Jlines ^[[31m");
	assert_string_equal(list.v[0].by, "a_b");
	revoked_list_release(&list);
	free(crl);
}

static void
damaged_list_is_no_reason_to_trust_what_leaked(void **state)
{
	struct authority_material m;
	struct err err;
	char sha[65];
	static const char *const damages[] = {
		"echo x >>ca/revoked", "sed -i 's/ [0-9]/ x/' ca/revoked", ": >ca/revoked", "printf 'belay: revoked/2\\n' >ca/revoked",
	};
	size_t i;

	(void)state;
	ensure(true, false);
	assert_int_equal(authority_revoke(&q, sha, &err), 0);
	assert_true(ends_well("cp ca/revoked kept"));
	for (i = 0; i < COUNT(damages); i++) {
		assert_true(ends_well(damages[i]));
		assert_int_equal(authority_ensure(&q, &m, &err), -1);
		assert_non_null(strstr(err.msg, "is damaged: bring it back"));
		assert_true(ends_well("cp kept ca/revoked"));
	}
	ensure(true, false);
}

static void
nothing_issued_is_nothing_to_revoke(void **state)
{
	struct err err;
	char sha[65];

	(void)state;
	assert_int_equal(authority_revoke(&q, sha, &err), -1);
	assert_non_null(strstr(err.msg, "nothing was issued"));
	assert_false(ends_well("[ -e ca/ca.pem ]"));
}

static void
wrong_passphrase_revokes_nothing(void **state)
{
	struct err err;
	char sha[65];
	bool listed;

	(void)state;
	ensure(true, false);
	q.passphrase = "wrong";
	q.passphrase_len = 5;
	assert_int_equal(authority_revoke(&q, sha, &err), -1);
	assert_int_equal(revoked(&listed), 0);
}

/* A CA that is kept elsewhere signs the list, if it may. */
static void
given_ca_signs_the_list_if_it_may(void **state)
{
	struct err err;
	char sha[65];
	bool listed;
	int may;

	(void)state;
	for (may = 0; may < 2; may++) {
		assert_true(ends_well(may ? "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300 -subj '/CN=Their CA' "
		    "-addext keyUsage=critical,keyCertSign,cRLSign -keyout their.key -out their.pem 2>/dev/null" :
		    "umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300 -subj '/CN=Their CA' "
		    "-addext keyUsage=critical,keyCertSign -keyout their.key -out their.pem 2>/dev/null"));
		q.issuer = AUTHORITY_GIVEN;
		q.ca_file = "their.pem";
		q.ca_key_file = "their.key";
		q.now_s = (int64_t)time(NULL);
		ensure(true, false);
		assert_int_equal(authority_revoke(&q, sha, &err), 0);
		assert_true(revoked(&listed) > 0);
		assert_int_equal(listed, may);
		ensure(true, false);
		if (may)
			assert_true(ends_well("openssl crl -in ca/ca.crl -CAfile their.pem -noout 2>&1 | grep -q 'verify OK'"));
		assert_true(ends_well("rm -r ca"));
	}
}

static void
killed_anywhere_while_replacing_it_recovers(void **state)
{
	char *leaked, *now;
	bool listed;
	int at;

	(void)state;
	ensure(true, false);
	assert_true(ends_well("cp -r ca kept"));
	leaked = leaf();
	q.replace = "run-1/replace";
	for (at = 1; killed_at(at); at++) {
		struct authority_material m = ensured();

		assert_string_not_equal(m.leaf_pem, leaked);
		authority_material_release(&m);
		/* It is the one that leaked that was revoked, and no other. */
		assert_int_equal(revoked(&listed), 1);
		assert_true(listed);
		assert_true(ends_well("openssl verify -CAfile ca/ca.pem -CRLfile ca/ca.crl -crl_check ca/leaf.pem >/dev/null"));
		assert_false(ends_well("openssl verify -CAfile ca/ca.pem -CRLfile ca/ca.crl -crl_check kept/leaf.pem >/dev/null 2>&1"));
		assert_false(ends_well("grep -lE -e '-----BEGIN (EC |RSA )?PRIVATE KEY' ca/* ca/.[!.]* 2>/dev/null"));
		assert_true(ends_well("rm -r ca && cp -r kept ca"));
	}
	/* mkdir and the parent's fsync, then chmod, fsync, rename, fsync for each of four files. */
	assert_int_equal(at - 1, 2 + 4 * 4);
	now = leaf();
	assert_string_not_equal(now, leaked);
	free(now);
	free(leaked);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, make_top, remove_top)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(what_is_revoked_is_never_given_out_again),
		CLAIM(openssl_reads_the_list_and_goes_by_it),
		CLAIM(replaced_once_for_each_word),
		CLAIM(each_leaf_of_a_ca_is_replaced_for_the_word_that_they_share),
		CLAIM(what_was_revoked_before_is_replaced_and_not_revoked_twice),
		CLAIM(reason_with_anything_in_it_is_one_line),
		CLAIM(damaged_list_is_no_reason_to_trust_what_leaked),
		CLAIM(nothing_issued_is_nothing_to_revoke),
		CLAIM(wrong_passphrase_revokes_nothing),
		CLAIM(given_ca_signs_the_list_if_it_may),
		CLAIM(killed_anywhere_while_replacing_it_recovers),
	};

	return cmocka_run_group_tests_name("revoked", tests, NULL, NULL);
}
