/*
 * CAs that are somebody else's: given by their files, taken over, or a command
 * that signs.  Made and judged by openssl(1).
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki_fixture.h"

#define PASS "correct horse battery"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char *ca_pem, *ca_key;
static const char *const two[] = { "db.internal", "10.1.2.3" };

static int
make_top(void **state)
{
	(void)state;
	if (top_up(two, COUNT(two), PASS) == -1)
		return -1;
	ca_pem = mem_printf("%s/theirs.pem", top);
	ca_key = mem_printf("%s/theirs.key", top);
	q.ca_file = ca_pem;
	q.ca_key_file = ca_key;
	/* theirs.pem, theirs.key: a CA with a key in the clear, which is its owner's alone. */
	run("umask 077; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3000 -subj '/CN=Their CA' "
	    "-addext keyUsage=critical,keyCertSign,cRLSign -keyout theirs.key -out theirs.pem 2>/dev/null");
	q.now_s = (int64_t)time(NULL);	/* it is valid from just now on */
	return 0;
}

static int
remove_top(void **state)
{
	(void)state;
	free(ca_pem);
	free(ca_key);
	top_down();
	return 0;
}

static struct authority_material
ensured(bool imported, bool made_leaf)
{
	struct authority_material m;
	struct err err;

	if (authority_ensure(&q, &m, &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(m.made_ca, false);
	assert_int_equal(m.imported, imported);
	assert_int_equal(m.made_leaf, made_leaf);
	return m;
}

static void
ensure(bool imported, bool made_leaf)
{
	struct authority_material m = ensured(imported, made_leaf);

	authority_material_release(&m);
}

static void
warned(struct authority_material *m, const char *words)
{
	if (words == NULL)
		assert_null(m->warning);
	else if (m->warning == NULL || strstr(m->warning, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, m->warning == NULL ? "" : m->warning);
	authority_material_release(m);
}

static void
believed(const char *ca)
{
	free(sh("openssl verify -x509_strict -purpose sslserver -CAfile %s -untrusted ca/leaf.pem ca/leaf.pem", ca));
	free(sh("openssl x509 -noout -checkhost db.internal -in ca/leaf.pem | grep -q 'does match'"));
	free(sh("openssl x509 -noout -checkip 10.1.2.3 -in ca/leaf.pem | grep -q 'does match'"));
}

static void
nothing_of_theirs_is_here(void)
{
	run("test ! -e ca/ca.key && test ! -e ca/ca.pem");
}

/* ---- by its files ---- */

static void
given_ca_signs_and_nothing_of_it_is_copied(void **state)
{
	struct authority_material m;

	(void)state;
	q.issuer = AUTHORITY_GIVEN;
	m = ensured(false, true);
	warned(&m, "theirs.key' is not encrypted");
	believed("theirs.pem");
	nothing_of_theirs_is_here();
	ensure(false, false);
}

static void
key_that_others_can_read_is_told_with_what_to_do(void **state)
{
	struct authority_material m;
	char *words;

	(void)state;
	q.issuer = AUTHORITY_GIVEN;
	run("chmod 640 theirs.key");
	m = ensured(false, true);
	warned(&m, "may be read by others and is not encrypted: chmod 600 it");
	run("chmod 602 theirs.key");
	assert_non_null(words = authority_key_lies(ca_key));
	assert_non_null(strstr(words, "may be written by others"));
	free(words);
}

static void
sealed_key_is_opened_and_a_weak_seal_is_told(void **state)
{
	struct authority_material m;

	(void)state;
	q.issuer = AUTHORITY_GIVEN;
	run("umask 077; echo '" PASS "' >pass; mv theirs.key clear; "
	    "openssl ec -in clear -aes128 -passout file:pass -out theirs.key");
	m = ensured(false, true);
	warned(&m, "guessed fast");
	run("umask 077; openssl pkcs8 -topk8 -in clear -passout file:pass -out theirs.key");	/* PBKDF2, 2048 rounds */
	m = ensured(false, false);
	warned(&m, "guessed fast");
	run("umask 077; openssl pkcs8 -topk8 -scrypt -in clear -passout file:pass -out theirs.key");
	m = ensured(false, false);
	warned(&m, NULL);
	q.passphrase = "another";
	q.passphrase_len = 7;
	refused("the passphrase does not open");
}

static void
key_of_another_ca_is_refused(void **state)
{
	(void)state;
	q.issuer = AUTHORITY_GIVEN;
	run("openssl ecparam -name prime256v1 -genkey -noout -out theirs.key");
	refused("do not belong together");
	run("rm theirs.key");
	refused("cannot open");
	run("cp theirs.pem theirs.key");
	refused("is no private key in PEM");
	run("test ! -e ca/leaf.key");
}

/* ---- taken over ---- */

static void
imported_ca_is_sealed_here_and_needs_its_files_no_more(void **state)
{
	struct authority_material m;

	(void)state;
	q.issuer = AUTHORITY_IMPORTED;
	m = ensured(true, true);
	warned(&m, "it was taken over into");
	believed("theirs.pem");
	run("cmp theirs.pem ca/ca.pem && grep -q 'BEGIN ENCRYPTED PRIVATE KEY' ca/ca.key && "
	    "openssl asn1parse -in ca/ca.key | grep -q :scrypt && test \"$(stat -c %a ca/ca.key)\" = 600");
	run("rm theirs.key theirs.pem ca/leaf.pem");
	m = ensured(false, true);
	warned(&m, NULL);
	run("openssl verify -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
}

static void
another_ca_than_the_one_taken_over_is_refused(void **state)
{
	(void)state;
	q.issuer = AUTHORITY_IMPORTED;
	ensure(true, true);
	run("cp -r ca before; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=Third CA' "
	    "-keyout theirs.key -out theirs.pem 2>/dev/null");
	refused("is not the CA that was taken over");
	run("diff -r before ca");
}

static void
import_that_was_cut_is_begun_anew(void **state)
{
	(void)state;
	q.issuer = AUTHORITY_IMPORTED;
	/* A key alone, of whoever: our own CA would be made of it. */
	run("umask 077; mkdir ca; echo '" PASS "' >pass; openssl genpkey -algorithm ed25519 -out x && "
	    "openssl pkcs8 -topk8 -scrypt -in x -passout file:pass -out ca/ca.key");
	ensure(true, true);
	run("cmp theirs.pem ca/ca.pem");
	believed("ca/ca.pem");
}

static void
leaf_is_no_ca_to_import(void **state)
{
	(void)state;
	q.issuer = AUTHORITY_IMPORTED;
	run("openssl req -x509 -key theirs.key -days 30 -subj /CN=x -addext basicConstraints=critical,CA:FALSE -out theirs.pem");
	refused("is not the certificate of a CA");
	nothing_of_theirs_is_here();
}

/* ---- by a command ---- */

/* Signs what it reads: by theirs.key unless the words say else, for 40 days. */
#define SIGN "openssl x509 -req -CA theirs.pem -CAkey theirs.key -days 40 -copy_extensions copyall -in /dev/stdin"

static void
command(const char *line)
{
	static const char *words[4];

	words[0] = "/bin/sh";
	words[1] = "-c";
	words[2] = line;
	words[3] = NULL;
	q.issuer = AUTHORITY_COMMAND;
	q.sign = words;
	q.sign_in = top;
	q.ca_key_file = NULL;
}

static void
command_signs_and_sees_the_request_alone(void **state)
{
	struct authority_material m;
	char *line;

	(void)state;
	command("tee request | " SIGN);
	m = ensured(false, true);
	believed("theirs.pem");
	nothing_of_theirs_is_here();
	run("openssl req -in request -verify -noout && test \"$(grep -c BEGIN request)\" = 1 && "
	    "openssl req -in request -noout -text | grep -q 'DNS:db.internal, IP Address:10.1.2.3' && "
	    "openssl req -in request -noout -text | grep -q 'TLS Web Server Authentication'");
	/* The key did not leave: neither to the command nor to the disk. */
	line = mem_strndup(strchr(strchr(m.key_pem, '\n') + 1, '\n') + 1, 40);	/* the first line is that of any such key */
	free(sh("! grep -rqF -e '%s' .", line));
	free(line);
	authority_material_release(&m);
	run("rm request");
	ensure(false, false);
	run("test ! -e request");
}

static void
what_stands_between_is_kept_and_a_root_is_dropped(void **state)
{
	struct authority_material m;

	(void)state;
	run("openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=Between' -keyout between.key -out b.csr 2>/dev/null && "
	    "printf 'basicConstraints=critical,CA:TRUE\\nkeyUsage=critical,keyCertSign\\nsubjectKeyIdentifier=hash\\nauthorityKeyIdentifier=keyid\\n' >b.ext && "
	    "openssl x509 -req -in b.csr -CA theirs.pem -CAkey theirs.key -days 100 -extfile b.ext -out between.pem 2>/dev/null");
	command("openssl x509 -req -CA between.pem -CAkey between.key -days 40 -copy_extensions copyall -in /dev/stdin; "
	    "cat theirs.pem between.pem");
	m = ensured(false, true);
	run("test \"$(grep -c BEGIN ca/leaf.pem)\" = 2");
	assert_non_null(strstr(strstr(m.leaf_pem, "-----END") + 1, "-----BEGIN CERTIFICATE"));
	authority_material_release(&m);
	believed("theirs.pem");
	ensure(false, false);
}

static void
what_the_command_signs_is_checked_before_it_is_used(void **state)
{
	static const struct { const char *line, *why; } wrong[] = {
		{ "openssl x509 -req -CA theirs.pem -CAkey theirs.key -days 9 -in /dev/stdin", "it is not for 'db.internal'" },
		{ "cat >/dev/null; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -subj /CN=x",
		    "not of the key that it was asked for" },
		{ "openssl req -x509 -key theirs.key -days 30 -subj '/CN=Other CA' -out o.pem && "
		    "openssl x509 -req -CA o.pem -CAkey theirs.key -copy_extensions copyall -in /dev/stdin",
		    "a client that trusts its CA would refuse it" },
		{ "printf 'extendedKeyUsage=clientAuth\\nsubjectAltName=DNS:db.internal,IP:10.1.2.3' >e; "
		    "openssl x509 -req -CA theirs.pem -CAkey theirs.key -extfile e -in /dev/stdin", "would refuse it" },
		{ "openssl x509 -req -CA theirs.pem -CAkey theirs.key -days -1 -copy_extensions copyall -in /dev/stdin", "it has expired" },
		{ "cat", "is no certificate in PEM" },
		{ "true", "is no certificate in PEM" },
		{ "head -c 100000 /dev/zero", "more than 65536 bytes" },
		{ "echo nobody may >&2; exit 7", "it ended with 7: nobody may" },
		{ "kill -9 $$", "ended by signal 9" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(wrong); i++) {
		command(wrong[i].line);
		refused(wrong[i].why);
		run("test ! -e ca/leaf.pem && test ! -e ca/leaf.key");
	}
	{
		static const char *const none[] = { "belay-no-such-command", NULL };

		q.sign = none;
		q.sign_in = NULL;
		refused("cannot run 'belay-no-such-command'");
	}
}

static void
command_without_end_is_killed_with_what_it_began(void **state)
{
	atomic_bool stop = true;
	time_t since = time(NULL);

	(void)state;
	command("sleep 600 & echo $! >pid; wait");
	q.sign_deadline_ms = 300;
	refused("did not end within its deadline");
	q.sign_deadline_ms = 0;
	q.stop = &stop;
	refused("told to end");
	assert_true(time(NULL) - since < 30);
	/* A zombie, until its new parent has taken it, is dead as well. */
	run("for i in 1 2 3 4 5 6 7 8 9 10; do s=$(cut -d' ' -f3 /proc/$(cat pid)/stat 2>/dev/null || echo Z); [ $s = Z ] && exit; sleep 0.2; done; exit 1");
}

static void
words_of_a_command_are_no_shells(void **state)
{
	static const char *const words[] = { "sh", "-c", "printf '%s' \"$1\" >word; exit 3", "x", "a b;touch owned $(touch owned)", NULL };

	(void)state;
	command("true");
	q.sign = words;
	refused("it ended with 3");
	run("test \"$(cat word)\" = 'a b;touch owned $(touch owned)' && test ! -e owned");
}

/* ---- renewal ---- */

static void
leaf_near_its_end_is_made_anew_with_its_key(void **state)
{
	char *before, *after;

	(void)state;
	q.issuer = AUTHORITY_GIVEN;
	q.leaf_ms = (int64_t)90 * 86400 * 1000;
	q.renew_within_ms = (int64_t)30 * 86400 * 1000;
	ensure(false, true);
	q.now_s += (int64_t)59 * 86400;
	ensure(false, false);
	before = sh("openssl x509 -noout -pubkey -in ca/leaf.pem");
	q.now_s += (int64_t)86400 + 600;
	ensure(false, true);
	after = sh("openssl x509 -noout -pubkey -in ca/leaf.pem");
	assert_string_not_equal(before, after);
	free(before);
	free(after);
	/* One that is to live for a week is not late from its first day on. */
	run("rm ca/leaf.pem");
	q.leaf_ms = (int64_t)7 * 86400 * 1000;
	ensure(false, true);
	q.now_s += (int64_t)4 * 86400;
	ensure(false, false);
	q.now_s += (int64_t)86400;
	ensure(false, true);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, make_top, remove_top)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(given_ca_signs_and_nothing_of_it_is_copied),
		CLAIM(key_that_others_can_read_is_told_with_what_to_do),
		CLAIM(sealed_key_is_opened_and_a_weak_seal_is_told),
		CLAIM(key_of_another_ca_is_refused),
		CLAIM(imported_ca_is_sealed_here_and_needs_its_files_no_more),
		CLAIM(another_ca_than_the_one_taken_over_is_refused),
		CLAIM(import_that_was_cut_is_begun_anew),
		CLAIM(leaf_is_no_ca_to_import),
		CLAIM(command_signs_and_sees_the_request_alone),
		CLAIM(what_stands_between_is_kept_and_a_root_is_dropped),
		CLAIM(what_the_command_signs_is_checked_before_it_is_used),
		CLAIM(command_without_end_is_killed_with_what_it_began),
		CLAIM(words_of_a_command_are_no_shells),
		CLAIM(leaf_near_its_end_is_made_anew_with_its_key),
	};

	/* As belay does: a command may end before it has read its request. */
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("issuer", tests, NULL, NULL);
}
