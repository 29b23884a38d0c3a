/*
 * Reading of OpenSSH's key files, as ssh-keygen writes them and damaged.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/ec.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/keyring.h"
#include "remote/opensshkey.h"
#include "sshd_fixture.h"

static struct fixture fx;

static int
setup(void **state)
{
	const char *argv[] = { "ssh-keygen", "-q", "-t", "ecdsa", "-b", "521", "-N", "", "-f", NULL, NULL };
	const char *pem[] = { "ssh-keygen", "-q", "-t", "ecdsa", "-m", "PEM", "-N", "", "-f", NULL, NULL };

	(void)state;
	fixture_up(&fx);
	argv[9] = fixture_path(&fx, "p521");
	fixture_run(argv);
	pem[9] = fixture_path(&fx, "pem");
	fixture_run(pem);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fixture_down(&fx);
	return 0;
}

static int
parse(const char *name, struct opensshkey *k, struct err *e)
{
	char *text = fixture_read(fixture_path(&fx, name));
	int rc;

	memset(k, 0, sizeof(*k));
	rc = opensshkey_parse(text, strlen(text), k, e);
	free(text);
	return rc;
}

/* The public part is the one in the .pub file. */
static void
assert_public(const struct opensshkey *k, const char *name)
{
	char pub[64], *text, *word;
	struct buf b;

	snprintf(pub, sizeof(pub), "%s.pub", name);
	text = fixture_read(fixture_path(&fx, pub));
	assert_memory_equal(text, k->type, strlen(k->type));
	word = text + strlen(k->type) + 1;
	buf_init(&b, 8192);
	assert_int_equal(text_base64_decode(&b, word, strcspn(word, " \n")), 0);
	assert_int_equal(b.len, k->blob_len);
	assert_memory_equal(b.data, k->blob, b.len);
	buf_release(&b);
	free(text);
}

static void
opensshkey_reads_what_ssh_keygen_writes(void **state)
{
	static const struct { const char *name, *type; bool secret, encrypted; } cases[] = {
		{ "ed25519", "ssh-ed25519", true, false },
		{ "ecdsa", "ecdsa-sha2-nistp256", true, false },
		{ "p521", "ecdsa-sha2-nistp521", true, false },
		{ "rsa", "ssh-rsa", false, false },
		{ "locked", "ssh-ed25519", false, true }
	};
	struct opensshkey k;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(cases[i].name, &k, &e), 0);
		assert_string_equal(k.type, cases[i].type);
		assert_int_equal(k.secret_read, cases[i].secret);
		assert_int_equal(k.encrypted, cases[i].encrypted);
		assert_public(&k, cases[i].name);
		opensshkey_release(&k);
	}
}

static void
opensshkey_refuses_what_is_cut_off_anywhere(void **state)
{
	char *text = fixture_read(fixture_path(&fx, "ecdsa"));
	size_t n = strlen(text), i;
	struct opensshkey k;
	struct err e;

	(void)state;
	/* Less the newline behind the last line, nothing may be missing. */
	for (i = 0; i < n - 1; i++) {
		memset(&k, 0, sizeof(k));
		assert_int_equal(opensshkey_parse(text, i, &k, &e), -1);
		assert_null(k.blob);
	}
	free(text);
}

/* Every byte of the decoded body, changed in turn: refused, or the same key, or another public key. */
static void
opensshkey_survives_every_changed_byte(void **state)
{
	char *text = fixture_read(fixture_path(&fx, "ed25519"));
	char *body = strchr(text, '\n') + 1, *end = strstr(body, "-----END");
	struct buf b64, raw, again;
	struct opensshkey k, good;
	struct err e;
	size_t i, refused = 0;

	(void)state;
	assert_int_equal(parse("ed25519", &good, &e), 0);
	buf_init(&b64, 65536);
	buf_init(&raw, 65536);
	for (; body < end; body++)
		if (*body != '\n')
			buf_putc(&b64, *body);
	assert_int_equal(text_base64_decode(&raw, buf_str(&b64), b64.len), 0);
	for (i = 0; i < raw.len; i++) {
		raw.data[i] = (char)(raw.data[i] ^ 0x41);
		buf_init(&again, 65536);
		buf_puts(&again, "-----BEGIN OPENSSH PRIVATE KEY-----\n");
		text_base64(&again, raw.data, raw.len);
		buf_puts(&again, "\n-----END OPENSSH PRIVATE KEY-----\n");
		memset(&k, 0, sizeof(k));
		if (opensshkey_parse(buf_str(&again), again.len, &k, &e) != 0)
			refused++;
		opensshkey_release(&k);
		buf_release(&again);
		raw.data[i] = (char)(raw.data[i] ^ 0x41);
	}
	/* Not refused: the comment, the outer public key, the key bytes themselves, the kdf options. */
	assert_true(refused > 60);
	opensshkey_release(&good);
	buf_release(&b64);
	buf_release(&raw);
	free(text);
}

static void
opensshkey_refuses_a_bomb_of_lengths(void **state)
{
	static const char *const bodies[] = { "", "AAAA", "b3BlbnNzaC1rZXktdjEA",
	    "b3BlbnNzaC1rZXktdjEA/////w==", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZf////8=" };
	char text[512];
	struct opensshkey k;
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		snprintf(text, sizeof(text), "-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n"
		    "-----END OPENSSH PRIVATE KEY-----\n", bodies[i]);
		memset(&k, 0, sizeof(k));
		assert_int_equal(opensshkey_parse(text, strlen(text), &k, &e), -1);
	}
}

/* ---- the keyring on top of it -------------------------------------------- */

/* The signature, verified by OpenSSL with the public key from the .pub file. */
static void
assert_signs(struct keyring *kr, const char *name)
{
	const struct userkey *key = keyring_key(kr, fixture_path(&fx, name));
	static const char data[] = "what is to be signed";
	struct buf sig;
	struct err e;
	EVP_PKEY *pub;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	assert_int_equal(key->state, USERKEY_READY);
	buf_init(&sig, 1024);
	assert_int_equal(keyring_sign(kr, key, data, sizeof(data), &sig, &e), 0);
	if (strcmp(key->type, "ssh-ed25519") == 0) {
		pub = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key->blob + key->blob_len - 32, 32);
		assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pub), 1);
		assert_int_equal(EVP_DigestVerify(ctx, (unsigned char *)sig.data, sig.len,
		    (const unsigned char *)data, sizeof(data)), 1);
		EVP_PKEY_free(pub);
	} else
		assert_true(sig.len > 2 * 4 + 60);	/* two mpints; sshd verifies them in session_test */
	buf_release(&sig);
	EVP_MD_CTX_free(ctx);
}

static void
keyring_signs_with_unencrypted_keys_and_says_why_not_with_others(void **state)
{
	uv_loop_t loop;
	struct keyring *kr;
	const struct userkey *key;

	(void)state;
	uv_loop_init(&loop);
	kr = keyring_new(&loop);
	assert_signs(kr, "ed25519");
	assert_signs(kr, "ecdsa");
	assert_signs(kr, "p521");
	assert_signs(kr, "pem");
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "rsa"))->state, USERKEY_UNUSABLE);
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "none"))->state, USERKEY_MISSING);
	key = keyring_key(kr, fixture_path(&fx, "known_hosts"));
	assert_int_equal(key->state, USERKEY_BAD);
	assert_string_equal(key->why, "it is not a private key that OpenSSH or OpenSSL knows");
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "locked"))->state, USERKEY_LOCKED);
	keyring_passphrase(kr, fixture_path(&fx, "locked"), "guess");
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "locked"))->state, USERKEY_UNLOCKED);
	assert_string_equal(keyring_passphrase_of(kr, fixture_path(&fx, "locked")), "guess");
	keyring_passphrase(kr, fixture_path(&fx, "locked"), NULL);
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "locked"))->state, USERKEY_LOCKED);
	keyring_free(kr);
	uv_loop_close(&loop);
}

static void
keyring_reads_a_key_again_when_its_file_changed(void **state)
{
	uv_loop_t loop;
	struct keyring *kr;
	const struct userkey *key;
	char *text;

	(void)state;
	uv_loop_init(&loop);
	kr = keyring_new(&loop);
	text = fixture_read(fixture_path(&fx, "ed25519"));
	fixture_write(fixture_path(&fx, "moving"), text);
	free(text);
	key = keyring_key(kr, fixture_path(&fx, "moving"));
	assert_string_equal(key->type, "ssh-ed25519");
	assert_ptr_equal(keyring_key(kr, fixture_path(&fx, "moving")), key);
	text = fixture_read(fixture_path(&fx, "p521"));
	fixture_write(fixture_path(&fx, "moving"), text);
	free(text);
	assert_string_equal(keyring_key(kr, fixture_path(&fx, "moving"))->type, "ecdsa-sha2-nistp521");
	unlink(fixture_path(&fx, "moving"));
	assert_int_equal(keyring_key(kr, fixture_path(&fx, "moving"))->state, USERKEY_MISSING);
	keyring_free(kr);
	uv_loop_close(&loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opensshkey_reads_what_ssh_keygen_writes),
		cmocka_unit_test(opensshkey_refuses_what_is_cut_off_anywhere),
		cmocka_unit_test(opensshkey_survives_every_changed_byte),
		cmocka_unit_test(opensshkey_refuses_a_bomb_of_lengths),
		cmocka_unit_test(keyring_signs_with_unencrypted_keys_and_says_why_not_with_others),
		cmocka_unit_test(keyring_reads_a_key_again_when_its_file_changed),
	};

	return cmocka_run_group_tests_name("opensshkey", tests, setup, teardown);
}
