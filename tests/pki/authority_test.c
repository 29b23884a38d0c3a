/*
 * What authority.h promises, judged by openssl(1) wherever it can judge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "disk_calls.h"
#include "pki_fixture.h"

#define DAY_S ((int64_t)86400)
#define PASS "correct horse \xe2\x82\xac battery"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const five[] = { "db.internal", "10.1.2.3", "fd00::7", "*.apps.internal", "my_service" };

/* ---- set-up ---- */

static int
make_top(void **state)
{
	(void)state;
	cheap_seals = true;
	return top_up(five, COUNT(five), PASS);
}

static int
remove_top(void **state)
{
	(void)state;
	top_down();
	return 0;
}

/* Its output must have these words in it. */
static void says(const char *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
says(const char *words, const char *fmt, ...)
{
	char *line, *out;
	va_list ap;

	va_start(ap, fmt);
	line = mem_vprintf(fmt, ap);
	va_end(ap);
	out = sh("%s", line);
	if (strstr(out, words) == NULL)
		fail_msg("`%s` does not say '%s' but '%s'", line, words, out);
	free(line);
	free(out);
}

static struct authority_material
ensured(bool made_ca, bool made_leaf)
{
	struct authority_material m;
	struct err err;

	if (authority_ensure(&q, &m, &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(m.made_ca, made_ca);
	assert_int_equal(m.made_leaf, made_leaf);
	assert_int_equal(m.key_len, strlen(m.key_pem));
	return m;
}

static void
ensure(bool made_ca, bool made_leaf)
{
	struct authority_material m = ensured(made_ca, made_leaf);

	authority_material_release(&m);
}

static void
put(const char *name, const char *text)
{
	char *path = mem_printf("%s/%s", top, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
	assert_int_equal(fclose(f), 0);
	free(path);
}

static char *
slurp(const char *path)
{
	struct buf b = { 0 };
	char part[4096];
	FILE *f = fopen(path, "r");
	size_t n;

	assert_non_null(f);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		(void)buf_put(&b, part, n);
	(void)fclose(f);
	return buf_take(&b, NULL);
}

/* Every PEM header of a private key in any file, also in half-written ones, says that it is encrypted. */
static size_t
nothing_is_in_the_clear(const char *key_line)
{
	static const char begin[] = "-----BEGIN ", sealed[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
	struct dirent *d;
	DIR *all = opendir(dir);
	size_t n = 0;

	if (all == NULL)
		return 0;
	while ((d = readdir(all)) != NULL) {
		char *path, *text, *at;

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		n++;
		path = mem_printf("%s/%s", dir, d->d_name);
		text = slurp(path);
		for (at = text; (at = strstr(at, begin)) != NULL; at += strlen(begin))
			if (strncmp(at, sealed, strlen(sealed)) != 0 &&
			    strncmp(at, "-----BEGIN CERTIFICATE-----", 27) != 0)
				fail_msg("'%s' has a key in the clear", d->d_name);
		if (key_line != NULL)
			assert_null(strstr(text, key_line));
		free(text);
		free(path);
	}
	(void)closedir(all);
	return n;
}

static char *
fingerprint(const char *name)
{
	return sh("openssl x509 -noout -fingerprint -sha256 -in ca/%s", name);
}

/* ---- what is made ---- */

static void
what_is_made_is_valid_for_every_name(void **state)
{
	char *got;
	size_t i;

	(void)state;
	ensure(true, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	for (i = 0; i < q.nnames; i++)
		switch (i) {
		case 1:
		case 2:
			says("does match", "openssl x509 -noout -checkip %s -in ca/leaf.pem", five[i]);
			break;
		case 3:
			says("does match", "openssl x509 -noout -checkhost a.apps.internal -in ca/leaf.pem");
			break;
		default:
			says("does match", "openssl x509 -noout -checkhost %s -in ca/leaf.pem", five[i]);
		}
	says("NOT match", "openssl x509 -noout -checkhost a.b.apps.internal -in ca/leaf.pem");
	says("NOT match", "openssl x509 -noout -checkhost other.internal -in ca/leaf.pem");
	says("NOT match", "openssl x509 -noout -checkip 10.1.2.4 -in ca/leaf.pem");
	/* An address is no DNS name, and the other way around. */
	got = sh("openssl x509 -noout -ext subjectAltName -in ca/leaf.pem");
	assert_non_null(strstr(got, "DNS:db.internal, IP Address:10.1.2.3, IP Address:FD00:0:0:0:0:0:0:7, "
	    "DNS:*.apps.internal, DNS:my_service\n"));
	free(got);
}

static void
leaf_serves_and_signs_nothing(void **state)
{
	char *text;

	(void)state;
	ensure(true, true);
	text = sh("openssl x509 -noout -text -in ca/leaf.pem");
	assert_non_null(strstr(text, "Subject: CN = db.internal\n"));
	assert_non_null(strstr(text, "Basic Constraints: critical\n                CA:FALSE\n"));
	assert_non_null(strstr(text, "Key Usage: critical\n                Digital Signature\n"));
	assert_non_null(strstr(text, "Extended Key Usage: \n                TLS Web Server Authentication\n"));
	assert_non_null(strstr(text, "Subject Key Identifier"));
	assert_non_null(strstr(text, "Authority Key Identifier"));
	assert_non_null(strstr(text, "NIST CURVE: P-256"));
	assert_non_null(strstr(text, "Version: 3"));
	free(text);
	run("! openssl verify -purpose sslclient -CAfile ca/ca.pem ca/leaf.pem");
	run("! openssl verify -CAfile ca/leaf.pem ca/leaf.pem");
}

static void
ca_signs_leaves_only(void **state)
{
	char *text;

	(void)state;
	ensure(true, true);
	text = sh("openssl x509 -noout -text -in ca/ca.pem");
	assert_non_null(strstr(text, "Subject: CN = internal CA\n"));
	assert_non_null(strstr(text, "Issuer: CN = internal CA\n"));
	assert_non_null(strstr(text, "Basic Constraints: critical\n                CA:TRUE, pathlen:0\n"));
	assert_non_null(strstr(text, "Key Usage: critical\n                Certificate Sign, CRL Sign\n"));
	assert_non_null(strstr(text, "Subject Key Identifier"));
	free(text);
	run("openssl verify -x509_strict -CAfile ca/ca.pem ca/ca.pem");
}

static void
serials_are_128_random_bits(void **state)
{
	char *ca, *leaf;

	(void)state;
	ensure(true, true);
	ca = sh("openssl x509 -noout -serial -in ca/ca.pem");
	leaf = sh("openssl x509 -noout -serial -in ca/leaf.pem");
	assert_int_equal(strlen(ca), strlen("serial=\n") + 32);
	assert_int_equal(strlen(leaf), strlen("serial=\n") + 32);
	assert_string_not_equal(ca, leaf);
	free(ca);
	free(leaf);
}

static void
it_begins_five_minutes_back_and_lives_as_long_as_asked(void **state)
{
	struct authority_material m;

	(void)state;
	q.leaf_ms = 7 * DAY_S * 1000;
	m = ensured(true, true);
	assert_int_equal(m.leaf_not_after_s, q.now_s + 7 * DAY_S);
	authority_material_release(&m);
	free(sh("openssl verify -attime %lld -CAfile ca/ca.pem ca/leaf.pem", (long long)q.now_s - 300));
	free(sh("! openssl verify -attime %lld -CAfile ca/ca.pem ca/leaf.pem", (long long)q.now_s - 301));
	free(sh("openssl verify -attime %lld -CAfile ca/ca.pem ca/leaf.pem",
	    (long long)(q.now_s + 7 * DAY_S - 1)));
	free(sh("! openssl verify -attime %lld -CAfile ca/ca.pem ca/leaf.pem",
	    (long long)(q.now_s + 7 * DAY_S)));
	free(sh("openssl verify -attime %lld -CAfile ca/ca.pem ca/ca.pem",
	    (long long)(q.now_s + 3652 * DAY_S - 1)));
	free(sh("! openssl verify -attime %lld -CAfile ca/ca.pem ca/ca.pem",
	    (long long)(q.now_s + 3652 * DAY_S)));
}

static void
leaf_lives_90_days_if_nobody_says_else(void **state)
{
	struct authority_material m;

	(void)state;
	m = ensured(true, true);
	assert_int_equal(m.leaf_not_after_s, q.now_s + 90 * DAY_S);
	authority_material_release(&m);
}

static void
leaf_does_not_outlive_its_ca(void **state)
{
	struct authority_material m;

	(void)state;
	q.leaf_ms = INT64_MAX;
	m = ensured(true, true);
	assert_int_equal(m.leaf_not_after_s, q.now_s + 3652 * DAY_S);
	authority_material_release(&m);
}

static void
rsa_is_made_where_it_is_asked_for(void **state)
{
	char *text;

	(void)state;
	q.profile = "rsa-4096";
	ensure(true, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	text = sh("openssl x509 -noout -text -in ca/leaf.pem");
	assert_non_null(strstr(text, "(4096 bit)"));
	assert_non_null(strstr(text, "Digital Signature, Key Encipherment\n"));
	free(text);
	ensure(false, false);
	/* Another profile: another leaf, under the same CA. */
	q.profile = "ecdsa-p256";
	ensure(false, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	says("NIST CURVE: P-256", "openssl x509 -noout -text -in ca/leaf.pem");
	says("(4096 bit)", "openssl x509 -noout -text -in ca/ca.pem");
}

static void
material_is_what_the_files_hold(void **state)
{
	struct authority_material m, again;
	struct err err;
	char *a, *b, *ca;

	(void)state;
	m = ensured(true, true);
	put("key.pem", m.key_pem);
	a = sh("openssl pkey -pubout -in key.pem");
	b = sh("openssl x509 -noout -pubkey -in ca/leaf.pem");
	assert_string_equal(a, b);
	free(a);
	free(b);
	b = sh("cat ca/leaf.pem");
	assert_string_equal(m.leaf_pem, b);
	free(b);
	assert_int_equal(authority_ca(dir, &ca, &err), 0);
	assert_string_equal(m.ca_pem, ca);
	b = sh("cat ca/ca.pem");
	assert_string_equal(ca, b);
	free(b);
	free(ca);
	again = ensured(false, false);
	assert_string_equal(again.key_pem, m.key_pem);
	assert_string_equal(again.leaf_pem, m.leaf_pem);
	/* The same text as openssl(1) writes. */
	a = sh("openssl pkey -in key.pem");
	assert_string_equal(a, m.key_pem);
	free(a);
	authority_material_release(&again);
	authority_material_release(&m);
	assert_null(m.key_pem);
	authority_material_release(&m);
}

static void
a_server_with_it_is_believed_by_a_client_with_the_ca(void **state)
{
	struct authority_material m;

	(void)state;
	m = ensured(true, true);
	put("key.pem", m.key_pem);
	authority_material_release(&m);
	/* It takes any free port, and says which. */
	run("mkfifo said; openssl s_server -accept 127.0.0.1:0 -cert ca/leaf.pem -key key.pem -naccept 1 "
	    "-www >said 2>&1 </dev/null & server=$!; port=\n"
	    "exec 3<said; while read -r line <&3; do case $line in ACCEPT*) port=${line##*:}; break;; esac; done\n"
	    "openssl s_client -connect 127.0.0.1:$port -CAfile ca/ca.pem -verify_hostname x.apps.internal "
	    "-verify_return_error -brief </dev/null; rc=$?; cat <&3 >/dev/null & kill $server 2>/dev/null\n"
	    "wait; exit $rc");
}

/* ---- at rest ---- */

static void
keys_at_rest_are_sealed_with_scrypt(void **state)
{
	static const char *const keys[] = { "ca.key", "leaf.key" };
	struct authority_material m;
	char *line, *salt[2];
	size_t i;

	(void)state;
	cheap_seals = false;
	m = ensured(true, true);
	for (i = 0; i < COUNT(keys); i++) {
		char *text = sh("openssl asn1parse -in ca/%s", keys[i]);

		assert_non_null(strstr(text, ":PBES2\n"));
		assert_non_null(strstr(text, ":scrypt\n"));
		assert_non_null(strstr(text, "INTEGER           :4000\n"));
		assert_non_null(strstr(text, "INTEGER           :08\n"));
		assert_non_null(strstr(text, "INTEGER           :05\n"));
		assert_non_null(strstr(text, ":aes-256-cbc\n"));
		assert_null(strstr(text, "id-ecPublicKey"));
		assert_non_null(salt[i] = strstr(text, "[HEX DUMP]:"));
		salt[i] = mem_strndup(salt[i] + strlen("[HEX DUMP]:"), 32);
		assert_int_equal(strspn(salt[i], "0123456789ABCDEF"), 32);
		free(text);
	}
	assert_string_not_equal(salt[0], salt[1]);
	/* openssl(1) opens it with the passphrase, and it is the key of the certificate. */
	put("pass", PASS "\n");
	run("a=$(openssl pkey -pubout -in ca/ca.key -passin file:pass) && "
	    "b=$(openssl x509 -noout -pubkey -in ca/ca.pem) && [ \"$a\" = \"$b\" ]");
	line = mem_strndup(strchr(m.key_pem, '\n') + 1, 40);
	assert_int_equal(nothing_is_in_the_clear(line), 4);
	free(line);
	free(salt[0]);
	free(salt[1]);
	authority_material_release(&m);
}

static void
files_are_ours_alone_whatever_the_umask(void **state)
{
	mode_t old = umask(0);
	char *modes;

	(void)state;
	ensure(true, true);
	(void)umask(old);
	modes = sh("stat -c '%%a %%n' ca ca/*");
	assert_string_equal(modes, "700 ca\n600 ca/ca.key\n600 ca/ca.pem\n600 ca/leaf.key\n600 ca/leaf.pem\n");
	free(modes);
}

static void
each_file_is_on_disk_before_it_has_its_name(void **state)
{
	(void)state;
	tracing = true;
	ensure(true, true);
	tracing = false;
	assert_string_equal(buf_str(&trace),
	    "fsync the parent\n"
	    "fsync .ca.key.new\n"
	    "rename .ca.key.new to ca.key\n"
	    "fsync ca\n"
	    "fsync .ca.pem.new\n"
	    "rename .ca.pem.new to ca.pem\n"
	    "fsync ca\n"
	    "fsync .leaf.key.new\n"
	    "rename .leaf.key.new to leaf.key\n"
	    "fsync ca\n"
	    "fsync .leaf.pem.new\n"
	    "rename .leaf.pem.new to leaf.pem\n"
	    "fsync ca\n");
	buf_release(&trace);
}

/*
 * Looks for the bytes in all memory that this process can write.  They are
 * given inverted, so as not to find themselves.
 */
static bool
in_memory(const unsigned char *inverted, size_t len)
{
	static unsigned char piece[1 << 16];
	FILE *maps = fopen("/proc/self/maps", "r");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long from, to, at;
	char line[512], perms[8];
	bool found = false;
	size_t i, k;
	ssize_t n;

	assert_non_null(maps);
	assert_int_not_equal(mem, -1);
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx %7s", &from, &to, perms) != 3 || perms[0] != 'r' || perms[1] != 'w')
			continue;
		for (at = from; !found && at < to; at += sizeof(piece) - len) {
			size_t want = to - at < sizeof(piece) ? to - at : sizeof(piece);

			if (at < (unsigned long)(uintptr_t)(piece + sizeof(piece)) &&
			    at + want > (unsigned long)(uintptr_t)piece)
				continue;
			n = pread(mem, piece, want, (off_t)at);
			for (i = 0; n > 0 && !found && i + len <= (size_t)n; i++) {
				for (k = 0; k < len && piece[i + k] == (unsigned char)~inverted[k]; k++)
					continue;
				found = k == len;
			}
		}
	}
	memset(piece, 0, sizeof(piece));
	(void)close(mem);
	(void)fclose(maps);
	return found;
}

static void
released_key_is_nowhere_in_memory(void **state)
{
	struct authority_material m;
	unsigned char inverted[40];
	const char *line;
	size_t i;

	(void)state;
#if defined(__SANITIZE_ADDRESS__)
	skip();		/* freed memory is kept aside there, and the shadow is terabytes */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
	skip();
#endif
#endif
	ensure(true, true);
	m = ensured(false, false);
	/* Line two of the PEM: the private number itself is in it. */
	line = strchr(strchr(m.key_pem, '\n') + 1, '\n') - sizeof(inverted);
	for (i = 0; i < sizeof(inverted); i++)
		inverted[i] = (unsigned char)~(unsigned char)line[i];
	assert_true(in_memory(inverted, sizeof(inverted)));
	authority_material_release(&m);
	assert_false(in_memory(inverted, sizeof(inverted)));
}

/* ---- what is kept, and what is made anew ---- */

static void
asking_twice_gives_the_same(void **state)
{
	char *before[2], *after[2], *sums, *again;

	(void)state;
	ensure(true, true);
	before[0] = fingerprint("ca.pem");
	before[1] = fingerprint("leaf.pem");
	sums = sh("sha256sum ca/* && stat -c '%%i %%Y' ca/*");
	ensure(false, false);
	after[0] = fingerprint("ca.pem");
	after[1] = fingerprint("leaf.pem");
	assert_string_equal(before[0], after[0]);
	assert_string_equal(before[1], after[1]);
	again = sh("sha256sum ca/* && stat -c '%%i %%Y' ca/*");
	assert_string_equal(sums, again);
	free(before[0]);
	free(before[1]);
	free(after[0]);
	free(after[1]);
	free(sums);
	free(again);
}

static void
wrong_passphrase_says_so_and_changes_nothing(void **state)
{
	char *words = mem_printf("the passphrase does not open '%s/ca.key'", dir);
	char *sums, *again;

	(void)state;
	ensure(true, true);
	sums = sh("sha256sum ca/*");
	q.passphrase = "correct horse";
	q.passphrase_len = strlen(q.passphrase);
	refused(words);
	q.now_s += 1000 * DAY_S;	/* also where there is something to make */
	refused(words);
	again = sh("sha256sum ca/*");
	assert_string_equal(sums, again);
	free(sums);
	free(again);
	free(words);
}

static void
new_name_gives_a_new_leaf_under_the_same_ca(void **state)
{
	static const char *const more[] = { "db.internal", "10.1.2.3", "DB2.internal", "10.1.2.9" };
	char *ca, *leaf, *ca_now, *leaf_now;

	(void)state;
	ensure(true, true);
	ca = fingerprint("ca.pem");
	leaf = fingerprint("leaf.pem");
	q.names = more;
	q.nnames = 2;
	ensure(false, false);		/* it has these two, and others */
	q.nnames = 3;
	ensure(false, true);
	ca_now = fingerprint("ca.pem");
	leaf_now = fingerprint("leaf.pem");
	assert_string_equal(ca, ca_now);
	assert_string_not_equal(leaf, leaf_now);
	says("does match", "openssl x509 -noout -checkhost db2.internal -in ca/leaf.pem");
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	q.nnames = 4;
	ensure(false, true);		/* an address */
	q.names = (const char *const[]){ "db2.INTERNAL" };
	q.nnames = 1;
	ensure(false, false);		/* names have no case */
	free(ca);
	free(leaf);
	free(ca_now);
	free(leaf_now);
}

static void
leaf_is_kept_to_its_end_and_made_anew_behind_it(void **state)
{
	char *ca, *ca_now;

	(void)state;
	ensure(true, true);
	ca = fingerprint("ca.pem");
	q.now_s += 89 * DAY_S;
	ensure(false, false);
	q.now_s += DAY_S + 1;
	ensure(false, true);
	free(sh("openssl verify -attime %lld -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem",
	    (long long)q.now_s));
	ca_now = fingerprint("ca.pem");
	assert_string_equal(ca, ca_now);
	free(ca);
	free(ca_now);
}

static void
leaf_that_does_not_fit_is_made_anew(void **state)
{
	static const char *const breaks[] = {
		"rm ca/leaf.pem",
		"rm ca/leaf.key",
		"cp other/leaf.pem ca/leaf.pem",			/* not of its key, nor of this CA */
		"cp other/leaf.pem other/leaf.key ca/",			/* of another CA of the same name */
		"cp ca/ca.pem ca/leaf.pem && cp ca/ca.key ca/leaf.key",	/* no server's */
		"cp ca/ca.key ca/leaf.key",
		": >ca/leaf.pem",
		"echo hello >ca/leaf.key",
		"openssl pkey -in ca/leaf.key -passin file:pass -out clear && cp clear ca/leaf.key",
	};
	char *sum, *now;
	size_t i;

	(void)state;
	put("pass", PASS "\n");
	ensure(true, true);
	run("mv ca other");
	ensure(true, true);
	sum = sh("sha256sum ca/ca.*");
	for (i = 0; i < COUNT(breaks); i++) {
		run(breaks[i]);
		ensure(false, true);
		run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
		assert_int_equal(nothing_is_in_the_clear(NULL), 4);
		ensure(false, false);
	}
	now = sh("sha256sum ca/ca.*");
	assert_string_equal(sum, now);
	free(sum);
	free(now);
}

/* ---- a CA that is not as we made it ---- */

static void
key_without_certificate_is_used(void **state)
{
	char *key, *now;

	(void)state;
	ensure(true, true);
	key = sh("sha256sum ca/ca.key");
	run("rm ca/ca.pem ca/leaf.*");
	assert_true(authority_exists(dir));
	q.passphrase = "another";
	q.passphrase_len = strlen("another");
	refused("the passphrase does not open");
	q.passphrase = PASS;
	q.passphrase_len = strlen(PASS);
	ensure(true, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	now = sh("sha256sum ca/ca.key");
	assert_string_equal(key, now);
	free(key);
	free(now);
}

static void
broken_ca_is_explained_and_left_as_it_is(void **state)
{
	static const struct {
		const char *how, *words;
	} broken[] = {
		{ "rm ca/ca.key", "ca.pem' is there without its key: bring back 'ca.key'" },
		{ "cp other/ca.key ca/", "ca.pem' and 'ca.key' do not belong together" },
		{ "cp other/ca.pem ca/", "ca.pem' and 'ca.key' do not belong together" },
		{ ": >ca/ca.key", "ca.key' is no private key, or a damaged one" },
		{ "rm ca/ca.pem; head -n 3 other/ca.key >ca/ca.key", "ca.key' is no private key, or a damaged one" },
		{ "echo >ca/ca.pem", "ca.pem' is no certificate in PEM, or a damaged one" },
		{ "cat other/ca.pem >>ca/ca.pem", "ca.pem' has more than one certificate" },
		{ "cp ca/leaf.pem ca/ca.pem && cp ca/leaf.key ca/ca.key", "ca.pem' is not the certificate of a CA" },
		{ "cp clear ca/ca.key", "ca.key' is a private key in the clear, expected a key encrypted with scrypt" },
		{ "cp pbkdf2 ca/ca.key", "ca.key' is encrypted in another way, expected" },
		{ "cp cheap ca/ca.key", "ca.key' is encrypted in another way, expected" },
		{ "cp old ca/ca.key", "ca.key' is encrypted in a weak old way, expected" },
		{ "mv ca/ca.key real && ln -s ../real ca/ca.key", "ca.key' is a symbolic link" },
		{ "mv ca/ca.pem real && ln -s ../real ca/ca.pem", "ca.pem' is a symbolic link" },
		{ "rm ca/ca.key && mkfifo ca/ca.key", "ca.key' is not a file" },
		{ "head -c 100000 /dev/zero >ca/ca.pem", "ca.pem' is larger than 65536 bytes" },
	};
	char *sum, *now;
	size_t i;

	(void)state;
	put("pass", PASS "\n");
	ensure(true, true);
	run("mv ca other");
	ensure(true, true);
	run("mv ca good && openssl pkey -in good/ca.key -passin file:pass -out clear && "
	    "openssl pkcs8 -topk8 -in clear -passout file:pass -out pbkdf2 && "
	    "openssl pkcs8 -topk8 -scrypt -scrypt_N 1024 -in clear -passout file:pass -out cheap && "
	    "openssl ec -in clear -aes256 -passout file:pass -out old");
	for (i = 0; i < COUNT(broken); i++) {
		run("rm -rf ca real && cp -a good ca");
		run(broken[i].how);
		sum = sh("ls -l ca && cat $(find ca -type f | sort) | sha256sum");
		refused(broken[i].words);
		now = sh("ls -l ca && cat $(find ca -type f | sort) | sha256sum");
		assert_string_equal(sum, now);
		free(sum);
		free(now);
	}
	/* The way out that the messages give. */
	run("rm -rf ca && cp -a good ca && openssl pkcs8 -topk8 -scrypt -in clear -passout file:pass -out ca/ca.key");
	ensure(false, false);
}

static void
ca_out_of_its_time_is_explained(void **state)
{
	int64_t now_s = q.now_s;

	(void)state;
	ensure(true, true);
	q.now_s = now_s + 3652 * DAY_S;
	refused("ca.pem' has expired on");
	q.now_s = now_s - DAY_S;
	refused("is this machine's clock right?");
}

static void
ca_from_elsewhere_is_used_within_its_limits(void **state)
{
	(void)state;
	put("pass", PASS "\n");
	run("mkdir -m 700 ca && openssl ecparam -name prime256v1 -genkey -noout -out clear && "
	    "openssl pkcs8 -topk8 -scrypt -in clear -passout file:pass -out ca/ca.key && "
	    "openssl req -x509 -key clear -days 30 -subj /CN=db.internal -out ca/ca.pem "
	    "-addext keyUsage=critical,keyCertSign "
	    "-addext 'nameConstraints=critical,permitted;DNS:internal,permitted;IP:10.0.0.0/255.0.0.0'");
	q.now_s = (int64_t)time(NULL);	/* it is valid from just now on */
	q.nnames = 3;
	refused("the server certificate just made is not valid: permitted subtree violation");
	q.nnames = 2;
	ensure(false, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	/* Its subject would be the CA's own: it has none, and its names are critical. */
	says("subject=\n", "openssl x509 -noout -subject -in ca/leaf.pem");
	says("Name: critical", "openssl x509 -noout -ext subjectAltName -in ca/leaf.pem");
}

/* ---- asking ---- */

static void
directory_that_is_not_ours_alone_is_refused(void **state)
{
	(void)state;
	run("mkdir -m 750 ca");
	refused("is open to others (mode 0750): chmod 700 it");
	run("rmdir ca && mkdir -m 700 real && ln -s real ca");
	refused("is a symbolic link");
	q.dir = mem_printf("%s/", dir);
	refused("is a symbolic link");
	free((void *)(uintptr_t)q.dir);
	q.dir = dir;
	run("rm ca && : >ca");
	refused("cannot open the directory");
	if (geteuid() == 0) {
		run("rm ca && mkdir -m 700 ca && chown 12345 ca");
		refused("belongs to uid 12345, not to you (uid 0)");
	}
	run("rm -rf ca real");
	q.dir = "/nonexistent/belay/ca";
	refused("cannot make the directory '/nonexistent/belay/ca'");
}

static void
names_that_cannot_be_certified_are_refused(void **state)
{
	static const struct {
		const char *name, *words;
	} bad[] = {
		{ "", "an empty name cannot be certified" },
		{ "a..b", "has an empty label" },
		{ ".a", "has an empty label" },
		{ "a.", "has an empty label" },
		{ "*", "is neither an address nor a DNS name" },
		{ "a.*.b", "is neither an address nor a DNS name" },
		{ "a*.b", "is neither an address nor a DNS name" },
		{ "*.*.b", "is neither an address nor a DNS name" },
		{ "a b", "is neither an address nor a DNS name" },
		{ "/run/postgresql", "is neither an address nor a DNS name" },
		{ "[fd00::7]", "is neither an address nor a DNS name" },
		{ "fe80::1%eth0", "is neither an address nor a DNS name" },
		{ "10.1.2", "its last label is a number" },
		{ "10.1.2.256", "its last label is a number" },
		{ "b\xc3\xbc" "cher.internal", "is neither an address nor a DNS name" },
		{ "a\n", "is neither an address nor a DNS name" },
		{ "a12345678901234567890123456789012345678901234567890123456789012345.b", "a label of more than 63 bytes" },
	};
	const char *names[2] = { "db.internal", NULL };
	size_t i;

	(void)state;
	q.names = names;
	q.nnames = 2;
	refused("an empty name");
	for (i = 0; i < COUNT(bad); i++) {
		names[1] = bad[i].name;
		refused(bad[i].words);
	}
	q.nnames = 0;
	refused("there is no name to certify");
	assert_false(authority_exists(dir));	/* nothing was made meanwhile */
	run("[ ! -e ca ]");
}

static void
long_and_doubled_names_are_fine(void **state)
{
	const char *names[3];
	char *name = mem_alloc(254), *out;
	size_t i;

	(void)state;
	for (i = 0; i < 253; i++)
		name[i] = i % 50 == 49 ? '.' : 'a';
	names[0] = names[2] = name;
	names[1] = "10.1.2.3";
	q.names = names;
	q.nnames = 3;
	ensure(true, true);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	says("does match", "openssl x509 -noout -checkhost %s -in ca/leaf.pem", name);
	out = sh("openssl x509 -noout -ext subjectAltName -in ca/leaf.pem | grep -o aaa[.] | wc -l");
	assert_int_equal(atoi(out), 5);
	free(out);
	ensure(false, false);
	free(name);
}

static void
nonsense_is_refused_before_anything_is_made(void **state)
{
	static char long_one[2000];

	(void)state;
	q.passphrase_len = 0;
	refused("an empty passphrase protects nothing");
	memset(long_one, 'x', sizeof(long_one) - 1);
	q.passphrase = long_one;
	q.passphrase_len = sizeof(long_one) - 1;
	refused("longer than 1024 bytes");
	q.passphrase = PASS;
	q.passphrase_len = strlen(PASS);
	q.profile = "rsa-1024";
	refused("no certificate profile 'rsa-1024', expected ecdsa-p256 or rsa-4096");
	q.profile = NULL;
	q.leaf_ms = -1;
	refused("expected a second at least");
	q.leaf_ms = 0;
	q.name = "";
	refused("a CA needs a name");
	run("[ ! -e ca ]");
}

static void
what_is_not_there_is_not_there(void **state)
{
	struct err err;
	char *pem;

	(void)state;
	assert_false(authority_exists(dir));
	assert_int_equal(authority_ca(dir, &pem, &err), -1);
	run("mkdir -m 700 ca");
	assert_false(authority_exists(dir));
	assert_int_equal(authority_ca(dir, &pem, &err), -1);
	assert_non_null(strstr(err.msg, "there is no 'ca.pem'"));
	ensure(true, true);
	assert_true(authority_exists(dir));
	run("rm ca/ca.key");
	assert_true(authority_exists(dir));	/* nothing is made over what is left */
}

static void
ca_is_given_as_a_certificate_and_nothing_else(void **state)
{
	struct err err;
	char *pem, *file;

	(void)state;
	ensure(true, true);
	file = sh("cat ca/ca.pem");
	/* Whoever keeps both in one file would have his key sent to every client. */
	run("openssl genpkey -algorithm ed25519 >k && cat k ca/ca.pem >both && cat both >ca/ca.pem");
	assert_int_equal(authority_ca(dir, &pem, &err), 0);
	assert_string_equal(pem, file);
	free(pem);
	free(file);
}

/* ---- what was issued, opened ---- */

static void
shut(const char *words)
{
	struct authority_material m;
	struct err err;

	assert_int_equal(authority_open(&q, &m, &err), -1);
	if (strstr(err.msg, words) == NULL)
		fail_msg("'%s' does not say '%s'", err.msg, words);
	assert_null(strstr(err.msg, PASS));
	assert_null(m.key_pem);
	assert_null(m.leaf_pem);
	authority_material_release(&m);
}

static void
what_was_issued_is_opened_and_nothing_is_made(void **state)
{
	struct authority_material made, opened;
	struct err err;
	char *sum, *now;

	(void)state;
	shut("");
	run("[ ! -e ca ]");
	run("mkdir -m 700 ca");
	shut("there is no 'leaf.pem' with its key");
	run("rmdir ca");
	made = ensured(true, true);
	sum = sh("sha256sum ca/*");
	/* It is shown past its end, too: who is shown it judges that.  The CA's key is not needed. */
	q.now_s += 400 * DAY_S;
	run("mv ca/ca.key ca.key");
	assert_int_equal(authority_open(&q, &opened, &err), 0);
	run("mv ca.key ca/ca.key");
	assert_false(opened.made_ca || opened.made_leaf);
	assert_string_equal(opened.key_pem, made.key_pem);
	assert_int_equal(opened.key_len, strlen(opened.key_pem));
	assert_string_equal(opened.leaf_pem, made.leaf_pem);
	assert_string_equal(opened.ca_pem, made.ca_pem);
	assert_int_equal(opened.leaf_not_after_s, made.leaf_not_after_s);
	now = sh("sha256sum ca/*");
	assert_string_equal(sum, now);
	authority_material_release(&made);
	authority_material_release(&opened);
	free(sum);
	free(now);
}

static void
what_cannot_be_opened_says_so(void **state)
{
	static const struct {
		const char *how, *words;
	} broken[] = {
		{ "rm ca/leaf.key", "there is no 'leaf.pem' with its key" },
		{ "rm ca/leaf.pem", "there is no 'leaf.pem' with its key" },
		{ "cp other/leaf.key ca/", "do not belong together" },
		{ "cp ca/ca.key ca/leaf.key", "do not belong together" },
		{ "echo >ca/leaf.pem", "is no certificate in PEM, or a damaged one" },
		{ ": >ca/leaf.key", "is no private key, or a damaged one" },
		{ "openssl pkey -in good/leaf.key -passin file:pass -out ca/leaf.key", "is a private key in the clear" },
		{ "rm ca/leaf.key && mkfifo ca/leaf.key", "is not a file" },
		{ "chmod 755 ca", "" },
	};
	char sha[65];
	struct err err;
	size_t i;

	(void)state;
	put("pass", PASS "\n");
	ensure(true, true);
	run("mv ca other");
	ensure(true, true);
	run("cp -a ca good");
	for (i = 0; i < COUNT(broken); i++) {
		run(broken[i].how);
		shut(broken[i].words);
		run("rm -r ca && cp -a good ca");
	}
	q.passphrase = "another";
	q.passphrase_len = strlen("another");
	shut("the passphrase does not open");
	q.passphrase = PASS;
	q.passphrase_len = strlen(PASS);
	if (authority_revoke(&q, sha, &err) != 0)
		fail_msg("%s", err.msg);
	shut("was revoked");
}

/* ---- dying, and company ---- */

static void
recovers(void)
{
	struct authority_material m;
	struct err err;

	nothing_is_in_the_clear(NULL);
	if (authority_ensure(&q, &m, &err) == -1)
		fail_msg("%s", err.msg);
	authority_material_release(&m);
	run("openssl verify -x509_strict -purpose sslserver -CAfile ca/ca.pem ca/leaf.pem");
	assert_int_equal(nothing_is_in_the_clear(NULL), 4);
}

static void
killed_anywhere_while_making_all_it_recovers(void **state)
{
	char *before, *after;
	int at;

	(void)state;
	for (at = 1; killed_at(at); at++) {
		/* Once there was a CA, clients may trust it: it is the one that stays. */
		before = sh("cat ca/ca.pem 2>/dev/null || :");
		recovers();
		after = sh("cat ca/ca.pem");
		if (before[0] != '\0')
			assert_string_equal(before, after);
		free(before);
		free(after);
		remove_all(dir);
	}
	/* mkdir and the parent's fsync, then chmod, fsync, rename, fsync for each file. */
	assert_int_equal(at - 1, 2 + 4 * 4);
}

static void
killed_anywhere_while_renewing_it_recovers(void **state)
{
	static const char *const more[] = { "db2.internal" };
	char *before, *after;
	int at;

	(void)state;
	ensure(true, true);
	run("mv ca good");
	before = sh("cat good/ca.pem");
	q.names = more;
	q.nnames = 1;
	for (at = 1; ; at++) {
		run("cp -a good ca");
		if (!killed_at(at))
			break;
		recovers();
		says("does match", "openssl x509 -noout -checkhost db2.internal -in ca/leaf.pem");
		after = sh("cat ca/ca.pem");
		assert_string_equal(before, after);
		free(after);
		remove_all(dir);
	}
	assert_int_equal(at - 1, 2 + 2 * 4);
	free(before);
}

static void
several_at_once_make_one_ca(void **state)
{
	struct authority_material m;
	struct err err;
	pid_t pids[4];
	int status, cas = 0, leaves = 0;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(pids); i++) {
		assert_int_not_equal(pids[i] = fork(), -1);
		if (pids[i] == 0) {
			if (authority_ensure(&q, &m, &err) == -1)
				_exit(100);
			_exit((m.made_ca ? 1 : 0) + (m.made_leaf ? 2 : 0));
		}
	}
	for (i = 0; i < COUNT(pids); i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) < 4);
		cas += WEXITSTATUS(status) & 1;
		leaves += (WEXITSTATUS(status) & 2) / 2;
	}
	assert_int_equal(cas, 1);
	assert_int_equal(leaves, 1);
	ensure(false, false);
}

#define CLAIM(f) cmocka_unit_test_setup_teardown(f, make_top, remove_top)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLAIM(what_is_made_is_valid_for_every_name),
		CLAIM(leaf_serves_and_signs_nothing),
		CLAIM(ca_signs_leaves_only),
		CLAIM(serials_are_128_random_bits),
		CLAIM(it_begins_five_minutes_back_and_lives_as_long_as_asked),
		CLAIM(leaf_lives_90_days_if_nobody_says_else),
		CLAIM(leaf_does_not_outlive_its_ca),
		CLAIM(rsa_is_made_where_it_is_asked_for),
		CLAIM(material_is_what_the_files_hold),
		CLAIM(a_server_with_it_is_believed_by_a_client_with_the_ca),
		CLAIM(keys_at_rest_are_sealed_with_scrypt),
		CLAIM(files_are_ours_alone_whatever_the_umask),
		CLAIM(each_file_is_on_disk_before_it_has_its_name),
		CLAIM(released_key_is_nowhere_in_memory),
		CLAIM(asking_twice_gives_the_same),
		CLAIM(wrong_passphrase_says_so_and_changes_nothing),
		CLAIM(new_name_gives_a_new_leaf_under_the_same_ca),
		CLAIM(leaf_is_kept_to_its_end_and_made_anew_behind_it),
		CLAIM(leaf_that_does_not_fit_is_made_anew),
		CLAIM(key_without_certificate_is_used),
		CLAIM(broken_ca_is_explained_and_left_as_it_is),
		CLAIM(ca_out_of_its_time_is_explained),
		CLAIM(ca_from_elsewhere_is_used_within_its_limits),
		CLAIM(directory_that_is_not_ours_alone_is_refused),
		CLAIM(names_that_cannot_be_certified_are_refused),
		CLAIM(long_and_doubled_names_are_fine),
		CLAIM(nonsense_is_refused_before_anything_is_made),
		CLAIM(what_is_not_there_is_not_there),
		CLAIM(ca_is_given_as_a_certificate_and_nothing_else),
		CLAIM(what_was_issued_is_opened_and_nothing_is_made),
		CLAIM(what_cannot_be_opened_says_so),
		CLAIM(killed_anywhere_while_making_all_it_recovers),
		CLAIM(killed_anywhere_while_renewing_it_recovers),
		CLAIM(several_at_once_make_one_ca),
	};

	return cmocka_run_group_tests_name("authority", tests, NULL, NULL);
}
