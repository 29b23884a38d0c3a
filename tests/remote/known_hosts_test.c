/*
 * Strict host keys: the reader against files as ssh writes them, and as it
 * must not be fooled.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/known_hosts.h"
#include "remote/ssh_config.h"
#include "sshd_fixture.h"

static struct fixture fx;
static char *keys[3];		/* "type base64" of ed25519, ecdsa, rsa */

static int
setup(void **state)
{
	static const char *const names[] = { "ed25519.pub", "ecdsa.pub", "rsa.pub" };
	size_t i;

	(void)state;
	fixture_up(&fx);
	for (i = 0; i < 3; i++) {
		keys[i] = fixture_read(fixture_path(&fx, names[i]));
		*strrchr(keys[i], ' ') = '\0';		/* the comment */
	}
	return 0;
}

static int
teardown(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++)
		free(keys[i]);
	fixture_down(&fx);
	return 0;
}

static void
blob(int which, struct buf *b)
{
	const char *word = strchr(keys[which], ' ') + 1;

	buf_init(b, 8192);
	assert_int_equal(text_base64_decode(b, word, strlen(word)), 0);
}

static struct ssh_config
target(const char *host, int port, const char *file)
{
	struct ssh_config c;

	memset(&c, 0, sizeof(c));
	c.hostname = (char *)(uintptr_t)host;
	c.port = port;
	c.known_hosts[0] = (char *)(uintptr_t)file;
	c.nknown_hosts = c.nuser_known_hosts = 1;
	return c;
}

static enum known_verdict
judge_by(const char *text, const char *host, int port, int key, struct known_answer *ret)
{
	struct known_hosts *kh = known_hosts_new();
	struct ssh_config c = target(host, port, fixture_path(&fx, "judged"));
	struct known_answer answer;
	struct buf b;
	struct err e;

	if (text != NULL)
		fixture_write(c.known_hosts[0], text);
	blob(key, &b);
	assert_int_equal(known_hosts_judge(kh, &c, (unsigned char *)b.data, b.len, &answer, &e), 0);
	buf_release(&b);
	known_hosts_free(kh);
	if (ret != NULL)
		*ret = answer;
	return answer.verdict;
}

static void
known_hosts_judges(void **state)
{
	/* E, C: the ed25519 and the ECDSA key. */
	static const struct {
		const char *file, *host;
		int	port, key;
		enum known_verdict want;
	} cases[] = {
		{ "", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "db E\n", "db", 22, 0, KNOWN_YES },
		{ "db E\n", "DB", 22, 0, KNOWN_YES },
		{ "DB E\n", "db", 22, 0, KNOWN_YES },
		{ "db E\r\n", "db", 22, 0, KNOWN_YES },
		{ "  db\tE\n", "db", 22, 0, KNOWN_YES },
		{ "db E a comment\n", "db", 22, 0, KNOWN_YES },
		{ "db E", "db", 22, 0, KNOWN_YES },
		{ "# db E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "db C\n", "db", 22, 0, KNOWN_DIFFERS },
		{ "db C\ndb E\n", "db", 22, 0, KNOWN_YES },
		{ "web,db,10.0.0.1 E\n", "db", 22, 0, KNOWN_YES },
		{ "web,db,10.0.0.1 E\n", "10.0.0.1", 22, 0, KNOWN_YES },
		{ "dbx E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "d? E\n", "db", 22, 0, KNOWN_YES },
		{ "*.internal E\n", "db.internal", 22, 0, KNOWN_YES },
		{ "*.internal E\n", "internal", 22, 0, KNOWN_NEVER_SEEN },
		{ "*.internal,!db.internal E\n", "db.internal", 22, 0, KNOWN_NEVER_SEEN },
		{ "!db.internal,*.internal E\n", "db.internal", 22, 0, KNOWN_NEVER_SEEN },
		{ "*.internal,!db.internal E\n", "web.internal", 22, 0, KNOWN_YES },
		{ "!db E\n", "web", 22, 0, KNOWN_NEVER_SEEN },
		{ "* E\n", "anything", 22, 0, KNOWN_YES },
		{ "db E\n", "db", 2222, 0, KNOWN_NEVER_SEEN },
		{ "[db]:2222 E\n", "db", 2222, 0, KNOWN_YES },
		{ "[db]:2222 E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "[db]:2222 C\n", "db", 2222, 0, KNOWN_DIFFERS },
		{ "[*]:2222 E\n", "db", 2222, 0, KNOWN_YES },
		/* Markers. */
		{ "@revoked * E\ndb E\n", "db", 22, 0, KNOWN_REVOKED },
		{ "db E\n@revoked * E\n", "db", 22, 0, KNOWN_REVOKED },
		{ "db E\n@revoked web E\n", "db", 22, 0, KNOWN_YES },
		{ "db E\n@revoked db C\n", "db", 22, 0, KNOWN_YES },
		{ "@revoked db E\n", "db", 22, 0, KNOWN_REVOKED },
		{ "@cert-authority db E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "@unheard-of db E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		/* Lines that are not what they say. */
		{ "db ssh-ed25519 AAAA\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "db ssh-ed25519\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "db\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "db ssh-rsa X\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "|1|short|short E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
		{ "|2|AAAAAAAAAAAAAAAAAAAAAAAAAAA=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= E\n", "db", 22, 0, KNOWN_NEVER_SEEN },
	};
	struct buf text;
	size_t i;
	const char *p;
	enum known_verdict got;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_init(&text, 65536);
		for (p = cases[i].file; *p != '\0'; p++) {
			bool alone = (p[1] == '\0' || strchr(" \r\n", p[1]) != NULL) &&
			    p > cases[i].file && strchr(" \t", p[-1]) != NULL;

			if (alone && *p == 'E')
				buf_puts(&text, keys[0]);
			else if (alone && *p == 'C')
				buf_puts(&text, keys[1]);
			else if (alone && *p == 'X')
				buf_puts(&text, strchr(keys[0], ' ') + 1);	/* ed25519 that says it is RSA */
			else
				buf_putc(&text, *p);
		}
		got = judge_by(buf_str(&text), cases[i].host, cases[i].port, cases[i].key, NULL);
		if (got != cases[i].want)
			fail_msg("case %zu: %s with '%s': %d, wanted %d", i, cases[i].host,
			    cases[i].file, (int)got, (int)cases[i].want);
		buf_release(&text);
	}
}

static void
known_hosts_shows_the_key_it_knows_and_where_it_stands(void **state)
{
	struct known_answer a;
	struct buf text, other;
	char want[KNOWN_FINGERPRINT_MAX];

	(void)state;
	buf_init(&text, 65536);
	/* The host shows its ECDSA key; known are an RSA and an ed25519 key. */
	buf_printf(&text, "db %s\ndb %s\n", keys[2], keys[0]);
	assert_int_equal(judge_by(buf_str(&text), "db", 22, 1, &a), KNOWN_DIFFERS);
	assert_int_equal(a.line, 1);
	blob(2, &other);
	known_hosts_fingerprint((unsigned char *)other.data, other.len, want);
	assert_string_equal(a.known, want);
	buf_release(&other);
	buf_release(&text);
}

static void
known_hosts_fingerprints_as_ssh_keygen_does(void **state)
{
	char want[KNOWN_FINGERPRINT_MAX], command[1024], line[512];
	struct buf b;
	FILE *fp;

	(void)state;
	snprintf(command, sizeof(command), "ssh-keygen -l -f '%s'", fixture_path(&fx, "ed25519.pub"));
	fp = popen(command, "r");
	assert_non_null(fp);
	assert_non_null(fgets(line, sizeof(line), fp));
	pclose(fp);
	blob(0, &b);
	known_hosts_fingerprint((unsigned char *)b.data, b.len, want);
	assert_non_null(strstr(line, want));
	buf_release(&b);
}

static void
known_hosts_reads_names_that_ssh_keygen_hashed(void **state)
{
	const char *argv[] = { "ssh-keygen", "-q", "-H", "-f", fixture_path(&fx, "judged"), NULL };
	struct buf text;

	(void)state;
	buf_init(&text, 65536);
	buf_printf(&text, "db %s\n[web]:2222 %s\n", keys[0], keys[1]);
	fixture_write(fixture_path(&fx, "judged"), buf_str(&text));
	fixture_run(argv);
	assert_int_equal(judge_by(NULL, "db", 22, 0, NULL), KNOWN_YES);
	assert_int_equal(judge_by(NULL, "db", 22, 1, NULL), KNOWN_DIFFERS);
	assert_int_equal(judge_by(NULL, "web", 2222, 1, NULL), KNOWN_YES);
	assert_int_equal(judge_by(NULL, "web", 22, 1, NULL), KNOWN_NEVER_SEEN);
	buf_release(&text);
}

/* ssh-keygen -F finds what we wrote. */
static void
assert_found(const char *file, const char *name)
{
	const char *argv[] = { "ssh-keygen", "-F", name, "-f", file, NULL };

	fixture_run(argv);
}

static void
known_hosts_accepts_as_the_file_is_hashed_or_plain(void **state)
{
	char file[FIXTURE_PATH_MAX], *text;
	struct ssh_config c;
	struct known_hosts *kh = known_hosts_new();
	struct known_answer a;
	struct stat st;
	struct buf b;
	struct err e;
	const char *hash[] = { "ssh-keygen", "-q", "-H", "-f", file, NULL };

	(void)state;
	blob(0, &b);
	/* A file and directory that are not there yet. */
	snprintf(file, sizeof(file), "%.400s/new/known_hosts", fx.dir);
	c = target("db", 22, file);
	assert_int_equal(known_hosts_accept(&c, "ssh-ed25519", (unsigned char *)b.data, b.len, &e), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	text = fixture_read(file);
	assert_memory_equal(text, "db ssh-ed25519 ", 15);
	free(text);
	assert_int_equal(known_hosts_judge(kh, &c, (unsigned char *)b.data, b.len, &a, &e), 0);
	assert_int_equal(a.verdict, KNOWN_YES);
	/* Hashed as the last entry is; the same cache sees the change. */
	fixture_run(hash);
	c = target("web", 2222, file);
	assert_int_equal(known_hosts_judge(kh, &c, (unsigned char *)b.data, b.len, &a, &e), 0);
	assert_int_equal(a.verdict, KNOWN_NEVER_SEEN);
	assert_int_equal(known_hosts_accept(&c, "ssh-ed25519", (unsigned char *)b.data, b.len, &e), 0);
	assert_int_equal(known_hosts_judge(kh, &c, (unsigned char *)b.data, b.len, &a, &e), 0);
	assert_int_equal(a.verdict, KNOWN_YES);
	text = fixture_read(file);
	assert_null(strstr(text, "web"));
	free(text);
	assert_found(file, "db");
	assert_found(file, "[web]:2222");
	/* A last line without its newline is not glued to ours. */
	fixture_write(file, "x ssh-ed25519 AAAA");
	assert_int_equal(known_hosts_accept(&c, "ssh-ed25519", (unsigned char *)b.data, b.len, &e), 0);
	assert_found(file, "[web]:2222");
	buf_release(&b);
	known_hosts_free(kh);
}

static void
known_hosts_tells_the_kinds_known_and_the_authorities(void **state)
{
	struct known_hosts *kh = known_hosts_new();
	struct ssh_config c = target("db", 22, fixture_path(&fx, "judged"));
	struct known_names names;
	struct buf text;
	struct err e;

	(void)state;
	buf_init(&text, 65536);
	buf_printf(&text, "db %s\n@revoked db %s\ndb %s\ndb %s\n@cert-authority web %s\n", keys[1],
	    keys[2], keys[0], keys[0], keys[2]);
	fixture_write(c.known_hosts[0], buf_str(&text));
	assert_int_equal(known_hosts_names(kh, &c, &names, &e), 0);
	assert_int_equal(names.n, 2);
	assert_string_equal(names.types[0], "ecdsa-sha2-nistp256");
	assert_string_equal(names.types[1], "ssh-ed25519");
	assert_false(names.authority);
	c.hostname = (char *)(uintptr_t)"web";
	assert_int_equal(known_hosts_names(kh, &c, &names, &e), 0);
	assert_int_equal(names.n, 0);
	assert_true(names.authority);
	buf_release(&text);
	known_hosts_free(kh);
}

static void
known_hosts_refuses_to_judge_by_what_it_cannot_read(void **state)
{
	struct known_hosts *kh = known_hosts_new();
	struct ssh_config c = target("db", 22, fx.dir);	/* a directory */
	struct known_names names;
	struct err e;

	(void)state;
	assert_int_equal(known_hosts_names(kh, &c, &names, &e), -1);
	assert_non_null(strstr(e.msg, "is not a file"));
	known_hosts_free(kh);
}

static void
known_hosts_patterns_take_no_time(void **state)
{
	char pattern[2048], name[256];
	size_t i;

	(void)state;
	for (i = 0; i + 2 < sizeof(pattern); i += 2) {
		pattern[i] = '*';
		pattern[i + 1] = 'a';
	}
	pattern[i] = '\0';
	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 2] = 'b';
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(known_hosts_match(pattern, name), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_hosts_judges),
		cmocka_unit_test(known_hosts_shows_the_key_it_knows_and_where_it_stands),
		cmocka_unit_test(known_hosts_fingerprints_as_ssh_keygen_does),
		cmocka_unit_test(known_hosts_reads_names_that_ssh_keygen_hashed),
		cmocka_unit_test(known_hosts_accepts_as_the_file_is_hashed_or_plain),
		cmocka_unit_test(known_hosts_tells_the_kinds_known_and_the_authorities),
		cmocka_unit_test(known_hosts_refuses_to_judge_by_what_it_cannot_read),
		cmocka_unit_test(known_hosts_patterns_take_no_time),
	};

	return cmocka_run_group_tests_name("known_hosts", tests, setup, teardown);
}
