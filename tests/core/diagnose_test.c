/*
 * What diagnose.h promises: the words that servers, clients and drivers say,
 * with the facts beside them, and the causes that come of it.  A cause that is
 * only possible has a question mark.
 */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/diagnose.h"
#include "core/mem.h"

#define NOW 1800000000
#define DAY 86400

static const struct certificate good = { .subject = (char *)(uintptr_t)"CN=db", .issuer = (char *)(uintptr_t)"CN=ca",
    .names = { (char *)(uintptr_t)"DNS:db.internal" }, .nnames = 1, .not_before_s = NOW - 10 * DAY,
    .not_after_s = NOW + 80 * DAY };
static const struct certificate past = { .issuer = (char *)(uintptr_t)"CN=ca", .not_before_s = NOW - 90 * DAY,
    .not_after_s = NOW - DAY };
static const struct certificate future = { .not_before_s = NOW + DAY, .not_after_s = NOW + 90 * DAY };
static const struct certificate own = { .self_signed = true, .not_before_s = NOW - DAY, .not_after_s = NOW + DAY };

static const struct hba_answer none = { HBA_NO_LINE, NONE, "" }, asks = { HBA_ASKS, 0, "" };
static const struct hba_answer md5_role = { HBA_USELESS, 0, "the method is scram-sha-256, and the role's password is "
    "stored as md5: it has to be set again" };

struct item {
	const char *want;
	struct clues c;
};

#define PG .kind = KIND_POSTGRES
#define PGB .kind = KIND_PGBOUNCER
#define REDIS .kind = KIND_REDIS
#define LOG .by = SAID_BY_SERVER
#define UNKNOWNS .dial = DIAL_UNKNOWN, .anchor = ANCHOR_UNKNOWN, .configured = ACCEPT_UNKNOWN, .persisted = ACCEPT_UNKNOWN, \
    .now_s = NOW
/* What is not said again is not known. */
#define CASE(want, ...) { want, { UNKNOWNS, __VA_ARGS__ } }
#define FULL .dial = DIAL_VERIFY_FULL
#define OPENS .plain = LEG_OPEN, .tls = LEG_OPEN
#define SERVES .cert = &good, .chain = VERIFIED_OK, .name = VERIFIED_OK

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif
static const struct item items[] = {
	/* wrong version number: who says it decides */
	CASE("plaintext-to-tls", REDIS, LOG, .said = "Error accepting a client connection: error:0A00010B:SSL "
	    "routines::wrong version number (addr=10.0.0.5:40412 laddr=10.0.0.2:6380)"),
	CASE("tls-to-plaintext", REDIS, .said = "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
	CASE("tls-to-plaintext", REDIS, .said = "tls: first record does not look like a TLS handshake"),
	CASE("plaintext-to-tls", PG, LOG, .said = "LOG:  could not accept SSL connection: http request"),
	CASE("plaintext-to-tls", REDIS, .said = "Server closed the connection", .dial = DIAL_DISABLE, .tls = LEG_OPEN,
	    .plain = LEG_CLOSED, .dials_tls_port = KNOWN_YES),
	/* keys and files */
	CASE("key-permissions", PG, LOG, .said = "FATAL:  private key file \"/tls/server-key.pem\" has group or world access"),
	CASE("key-owner", PG, LOG, .said = "FATAL:  private key file \"server.key\" must be owned by the database user or root"),
	CASE("key-owner", REDIS, LOG, .said = "Failed to load private key: /tls/k.pem: error:8000000D:system "
	    "library::Permission denied"),
	CASE("file-missing", REDIS, LOG, .said = "Failed to load certificate: /tls/server-cert.pem: error:80000002:system "
	    "library::No such file or directory"),
	CASE("file-missing", PG, LOG, .said = "FATAL:  could not load server certificate file \"server.crt\": No such file or "
	    "directory"),
	CASE("file-unreadable", PG, LOG, .said = "FATAL:  could not load server certificate file \"/tls/tls.crt\": Permission "
	    "denied"),
	CASE("key-mismatch", PG, LOG, .said = "LOG:  check of private key failed: key values mismatch"),
	CASE("key-permissions", PG, .key = KEY_OPEN, .configured = ACCEPT_BOTH, .plain = LEG_OPEN, .tls = LEG_REFUSED),
	CASE("key-owner", PGB, .key = KEY_FOREIGN, .configured = ACCEPT_BOTH, .plain = LEG_OPEN, .tls = LEG_REFUSED),
	/* a time bomb: served still, from before */
	CASE("key-permissions", PG, .key = KEY_OPEN, .configured = ACCEPT_BOTH, OPENS),
	/* configuration lies */
	CASE("tls-not-loaded", PG, .configured = ACCEPT_BOTH, .plain = LEG_OPEN, .tls = LEG_REFUSED, .key = KEY_FINE),
	CASE("tls-not-loaded", PGB, .configured = ACCEPT_BOTH, .plain = LEG_OPEN, .tls = LEG_REFUSED),
	CASE("no-tls", PG, .configured = ACCEPT_PLAIN, .plain = LEG_OPEN, .tls = LEG_REFUSED,
	    .said = "server does not support SSL, but SSL was required"),
	CASE("no-tls", PG, .said = "PostgreSQL server at \"db:5432\" rejected SSL upgrade"),
	CASE("no-tls", PG, .said = "SSL not supported by this database"),
	CASE("tls-not-loaded", PG, .said = "server does not support SSL, but SSL was required", .configured = ACCEPT_TLS,
	    .tls = LEG_REFUSED),
	CASE("no-tls", PGB, LOG, .said = "closing because: server refused SSL"),
	/* plaintext that is refused */
	CASE("plaintext-refused", PGB, .said = "FATAL:  SSL required", .dial = DIAL_DISABLE),
	CASE("plaintext-refused", PG, .said = "FATAL:  no pg_hba.conf entry for host \"10.0.0.5\", user \"app\", database "
	    "\"shop\", no encryption", .hba = &none, .hba_by_tls = &asks),
	CASE("hba-no-line", PG, .said = "FATAL:  no pg_hba.conf entry for host \"10.0.0.5\", user \"app\", database \"shop\", "
	    "no encryption", .hba = &none, .hba_by_tls = &none),
	CASE("?plaintext-refused ?hba-no-line", PG, .said = "FATAL:  no pg_hba.conf entry for host \"10.0.0.5\", user \"app\", "
	    "database \"shop\", no encryption"),
	CASE("hba-no-line", PG, .said = "FATAL:  no pg_hba.conf entry for host \"10.0.0.5\", user \"app\", database \"shop\", "
	    "SSL encryption"),
	CASE("hba-rejects", PG, .said = "FATAL:  pg_hba.conf rejects connection for host \"10.0.0.5\", user \"app\", database "
	    "\"shop\", no encryption", .hba_by_tls = &none),
	CASE("plaintext-refused", REDIS, .said = "Connection refused", .dial = DIAL_DISABLE, .plain = LEG_CLOSED, .tls = LEG_OPEN,
	    .dials_tls_port = KNOWN_NO),
	/* drivers */
	CASE("driver-word", PG, .said = "connect() got an unexpected keyword argument 'sslmode'", .dialect = DIALECT_ASYNCPG),
	CASE("driver-word", PG, .said = "TypeError: connect() got an unexpected keyword argument 'sslrootcert'",
	    .dialect = DIALECT_SQLALCHEMY_ASYNCPG),
	CASE("driver-word", PG, .said = "invalid connection option \"ssl\"", .dialect = DIALECT_LIBPQ),
	CASE("driver-word", PG, .said = "invalid URI query parameter: \"ssl\""),
	CASE("driver-word", REDIS, .said = "AbstractConnection.__init__() got an unexpected keyword argument 'ssl_cert_reqs'"),
	CASE("", PG, .said = "f() got an unexpected keyword argument 'colour'"),
	/* who listens where */
	CASE("no-name", PG, .said = "could not translate host name \"db\" to address: Name or service not known"),
	CASE("not-listening", PG, .said = "external-db-service:5432 - no response", .listens = "localhost"),
	CASE("not-listening", PG, .said = "connection to server at \"10.0.0.2\", port 5432 failed: Connection refused",
	    .listens = "127.0.0.1, ::1", .plain = LEG_OPEN),
	CASE("?not-listening", PG, .said = "Connection refused", .plain = LEG_OPEN),
	CASE("down", PG, .said = "Connection refused", .plain = LEG_CLOSED, .tls = LEG_CLOSED, .listens = "*"),
	CASE("?down", PG, .said = "Connection refused"),
	CASE("tls-port-closed", REDIS, .said = "Error 111 connecting to redis:6380. Connection refused.", .plain = LEG_OPEN,
	    .tls = LEG_CLOSED, .dial = DIAL_REQUIRE, .dials_tls_port = KNOWN_YES),
	CASE("firewall", REDIS, .said = "Error 110 connecting to redis:6380. Connection timed out.", .plain = LEG_OPEN,
	    .tls = LEG_SILENT, .dial = DIAL_REQUIRE, .dials_tls_port = KNOWN_YES),
	CASE("firewall", REDIS, .said = "connect ETIMEDOUT 10.0.0.2:6380", OPENS, .dial = DIAL_REQUIRE, .dials_tls_port = KNOWN_YES),
	/* a handshake that takes its time: the evidence decides, not the folklore */
	CASE("tls-to-plaintext", REDIS, .said = "SSL handshake is taking longer than 60.0 seconds: aborting the connection",
	    .dial = DIAL_REQUIRE, .dials_tls_port = KNOWN_NO, .plain = LEG_OPEN, .tls = LEG_CLOSED),
	CASE("unknown-ca", REDIS, .said = "SSL handshake is taking longer than 60.0 seconds", FULL, .dials_tls_port = KNOWN_YES,
	    OPENS, .cert = &good, .chain = VERIFIED_BAD, .anchor = ANCHOR_OTHER),
	CASE("firewall", REDIS, .said = "SSL handshake is taking longer than 60.0 seconds", FULL, .dials_tls_port = KNOWN_YES,
	    .plain = LEG_OPEN, .tls = LEG_SILENT),
	CASE("?tls-to-plaintext ?no-answer", REDIS, .said = "SSL handshake is taking longer than 60.0 seconds", FULL),
	CASE("pooler-leg", PGB, .waited = true, .leg_fails = KNOWN_YES, .leg_why = "certificate verify failed", OPENS, SERVES),
	CASE("?pooler-leg ?no-answer", PGB, .waited = true, OPENS, SERVES),
	CASE("pooler-leg", PGB, .said = "FATAL:  query_wait_timeout"),
	/* certificates */
	CASE("expired", PG, .said = "SSL error: certificate verify failed", FULL, OPENS, .cert = &past, .chain = VERIFIED_BAD),
	CASE("expired", PG, OPENS, .cert = &past, .chain = VERIFIED_BAD, .name = VERIFIED_OK),
	CASE("expired", REDIS, .said = "certificate verify failed: certificate has expired", .cert = &past, OPENS),
	CASE("expired", REDIS, .said = "CERT_HAS_EXPIRED"),
	CASE("not-yet-valid", PG, .said = "certificate verify failed: certificate is not yet valid", .cert = &future, OPENS),
	CASE("not-yet-valid", PG, .said = "SSL error: certificate verify failed", FULL, .cert = &future, .chain = VERIFIED_BAD, OPENS),
	CASE("clock", PG, .said = "certificate verify failed: certificate has expired", SERVES, OPENS, .skew_known = true,
	    .skew_s = 100 * DAY),
	CASE("clock", PG, .said = "x509: certificate has expired or is not yet valid: current time 2020-01-01T00:00:00Z is before "
	    "2026-11-22T00:00:00Z", SERVES, OPENS, .skew_known = true, .skew_s = -365 * DAY),
	CASE("?clock", PG, .said = "certificate verify failed: certificate has expired", SERVES, OPENS),
	CASE("name", PG, .said = "server certificate for \"db.internal\" does not match host name \"db\"", FULL, .cert = &good,
	    .name = VERIFIED_BAD, .chain = VERIFIED_OK, OPENS),
	CASE("name", REDIS, .said = "certificate verify failed: Hostname mismatch, certificate is not valid for 'redis'."),
	CASE("name", PG, .said = "x509: certificate is valid for db.internal, not db"),
	CASE("name", PG, .said = "SSL connection has been closed unexpectedly", FULL, .cert = &good, .chain = VERIFIED_OK,
	    .name = VERIFIED_BAD, OPENS),
	CASE("unknown-ca", PG, .said = "SSL connection has been closed unexpectedly", FULL, .cert = &good, .chain = VERIFIED_BAD,
	    OPENS),
	CASE("?session-ended", PG, .said = "SSL connection has been closed unexpectedly", SERVES, FULL, OPENS),
	CASE("session-ended", PG, .said = "FATAL:  terminating connection due to administrator command"),
	CASE("unknown-ca", PG, .said = "SSL error: certificate verify failed", FULL, OPENS, .cert = &good, .chain = VERIFIED_BAD),
	CASE("unknown-ca", PG, .said = "certificate verify failed: self-signed certificate in certificate chain (_ssl.c:1006)",
	    OPENS, .cert = &good, .chain = VERIFIED_OK),
	CASE("unknown-ca", PG, .said = "certificate verify failed: self-signed certificate", .cert = &own, .chain = VERIFIED_BAD),
	CASE("unknown-ca", PG, LOG, .said = "LOG:  could not accept SSL connection: tlsv1 alert unknown ca"),
	CASE("chain-incomplete", PG, .said = "unable to verify the first certificate", FULL, OPENS, .cert = &good,
	    .chain = VERIFIED_BAD, .anchor = ANCHOR_ISSUER),
	CASE("ca-file-missing", PG, .said = "root certificate file \"/root/.postgresql/root.crt\" does not exist"),
	CASE("stray-certificate", PG, .said = "SSL error: tlsv1 alert unknown ca", .asks = KNOWN_YES, OPENS),
	CASE("stray-certificate", PG, LOG, .said = "LOG:  could not accept SSL connection: certificate verify failed"),
	CASE("client-certificate", REDIS, .said = "SSL error: tlsv13 alert certificate required"),
	CASE("client-certificate", PGB, LOG, .said = "TLS handshake failed: peer did not return a certificate"),
	CASE("client-certificate", PG, .said = "FATAL:  connection requires a valid client certificate"),
	CASE("client-certificate", REDIS, .said = "sslv3 alert handshake failure", .demands = KNOWN_YES, .shows = KNOWN_NO),
	CASE("?client-certificate ?cipher", REDIS, .said = "sslv3 alert handshake failure", .asks = KNOWN_YES),
	CASE("cipher", PG, .said = "sslv3 alert handshake failure", .asks = KNOWN_NO),
	CASE("protocol", PG, .said = "SSL error: tlsv1 alert protocol version"),
	CASE("weak", PG, .said = "SSL error: ee key too small"),
	CASE("purpose", PG, .said = "certificate verify failed: unsupported certificate purpose"),
	/* passwords */
	CASE("wrong-password", REDIS, .said = "WRONGPASS invalid username-password pair or user is disabled."),
	CASE("no-password", REDIS, .said = "NOAUTH Authentication required."),
	CASE("password-not-set", REDIS, .said = "ERR AUTH <password> called without any password configured for the default "
	    "user. Are you sure your configuration is correct?"),
	CASE("hash", PG, .said = "FATAL:  password authentication failed for user \"app\"", .hba = &md5_role),
	CASE("hash", PG, LOG, .said = "DETAIL:  User \"app\" does not have a valid SCRAM secret."),
	CASE("wrong-password", PG, .said = "FATAL:  password authentication failed for user \"app\"", .hba = &asks),
	CASE("channel-binding", PGB, .said = "channel binding required, but server did not offer an authentication method that "
	    "supports channel binding"),
	/* what looks well and is not */
	CASE("not-reloaded", PG, OPENS, SERVES, .same_on_disk = KNOWN_NO),
	CASE("not-persisted", REDIS, OPENS, SERVES, .configured = ACCEPT_BOTH, .persisted = ACCEPT_PLAIN),
	CASE("socket", PG, FULL, .by_socket = KNOWN_YES),
	/* nothing is the matter */
	CASE("", PG, OPENS, SERVES, FULL),
	CASE("", REDIS, OPENS, SERVES, .configured = ACCEPT_BOTH, .persisted = ACCEPT_BOTH, .same_on_disk = KNOWN_YES),
	CASE("", PG),
};
#pragma GCC diagnostic pop

static void
say_all(struct buf *b, const struct clues *c)
{
	struct diagnosis d[DIAGNOSES_MAX];
	size_t i, n = diagnose(c, d);

	for (i = 0; i < n; i++)
		(void)buf_printf(b, "%s%s%s", i > 0 ? " " : "", d[i].sure ? "" : "?", cause_row(d[i].cause)->name);
}

static void
words_and_facts_lead_to_the_cause(void **state)
{
	struct buf b = { 0 };
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		buf_clear(&b);
		say_all(&b, &items[i].c);
		if (strcmp(buf_str(&b), items[i].want) != 0) {
			print_error("%zu '%s': '%s', expected '%s'\n", i, items[i].c.said == NULL ? "" : items[i].c.said,
			    buf_str(&b), items[i].want);
			wrong++;
		}
	}
	buf_release(&b);
	print_message("%zu cases\n", i);
	assert_int_equal(wrong, 0);
}

/* A row that nothing leads to is no row. */
static void
every_cause_is_met_by_a_case(void **state)
{
	struct diagnosis d[DIAGNOSES_MAX];
	bool met[CAUSE_COUNT] = { false };
	size_t i, k, n;

	(void)state;
	for (i = 0; i < sizeof(items) / sizeof(items[0]); i++)
		for (n = diagnose(&items[i].c, d), k = 0; k < n; k++)
			met[d[k].cause] = true;
	for (i = 0; i < CAUSE_COUNT; i++)
		if (!met[i])
			fail_msg("no case leads to '%s'", cause_row((enum cause)i)->name);
}

static void
every_row_has_its_words_and_says_what_to_do(void **state)
{
	size_t i, k;

	(void)state;
	for (i = 0; i < CAUSE_COUNT; i++) {
		const struct cause_row *r = cause_row((enum cause)i);

		assert_non_null(r->name);
		assert_true(strlen(r->what) > 20 && strlen(r->fix) > 10);
		assert_true(r->fix[strlen(r->fix) - 1] != '.');
		for (k = 0; k < i; k++)
			assert_string_not_equal(r->name, cause_row((enum cause)k)->name);
	}
}

/* With both parts of those that want two, in capitals, and whatever stands around them. */
static void
every_word_of_a_row_is_found(void **state)
{
	const char *const *w;
	char *said, *text;
	size_t i, k, len;
	bool of_client;

	(void)state;
	for (i = 0; i < CAUSE_COUNT; i++)
		for (w = cause_words((enum cause)i); *w != NULL; w++) {
			of_client = strncmp(*w, "C:", 2) == 0;
			said = mem_printf("at 10: %s (5)", *w + (of_client || strncmp(*w, "S:", 2) == 0 ? 2 : 0));
			for (k = 0, len = strlen(said); k < len; k++)
				said[k] = (char)(said[k] == '&' ? '\n' : toupper((unsigned char)said[k]));
			text = cause_text(said);
			if (!cause_said_here((enum cause)i, text, of_client ? SAID_BY_CLIENT : SAID_BY_SERVER))
				fail_msg("%s: '%s' is not found in '%s'", cause_row((enum cause)i)->name, *w, text);
			free(said);
			free(text);
		}
}

static void
a_key_is_judged_as_its_server_does(void **state)
{
	(void)state;
	assert_int_equal(key_state_of(KIND_POSTGRES, 0600, 70, false, 70), KEY_FINE);
	assert_int_equal(key_state_of(KIND_POSTGRES, 0640, 70, true, 70), KEY_OPEN);
	assert_int_equal(key_state_of(KIND_POSTGRES, 0640, 0, true, 70), KEY_FINE);
	assert_int_equal(key_state_of(KIND_POSTGRES, 0644, 0, true, 70), KEY_OPEN);
	assert_int_equal(key_state_of(KIND_POSTGRES, 0600, 0, false, 70), KEY_FOREIGN);
	assert_int_equal(key_state_of(KIND_POSTGRES, 0600, 999, false, 70), KEY_FOREIGN);
	assert_int_equal(key_state_of(KIND_REDIS, 0600, 70, false, 999), KEY_FOREIGN);
	assert_int_equal(key_state_of(KIND_REDIS, 0644, 70, false, 999), KEY_FINE);
	assert_int_equal(key_state_of(KIND_PGBOUNCER, 0640, 0, true, 999), KEY_FINE);
}

static void
words_of_any_length_and_bytes_are_looked_at_and_no_more(void **state)
{
	struct diagnosis d[DIAGNOSES_MAX];
	struct clues c;
	char *text = malloc(100000);

	(void)state;
	assert_non_null(text);
	memset(text, 0xff, 99999);
	text[99999] = '\0';
	memcpy(text + 90000, "WRONGPASS", 9);
	clues_init(&c, KIND_REDIS);
	c.said = text;
	assert_int_equal(diagnose(&c, d), 0);
	memcpy(text + 1000, "WRONGPASS", 9);
	assert_int_equal(diagnose(&c, d), 1);
	free(text);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_and_facts_lead_to_the_cause),
		cmocka_unit_test(every_cause_is_met_by_a_case),
		cmocka_unit_test(every_row_has_its_words_and_says_what_to_do),
		cmocka_unit_test(every_word_of_a_row_is_found),
		cmocka_unit_test(a_key_is_judged_as_its_server_does),
		cmocka_unit_test(words_of_any_length_and_bytes_are_looked_at_and_no_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
