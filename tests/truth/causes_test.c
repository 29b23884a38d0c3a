/*
 * causes_test: core/diagnose.h against what real servers and clients say.
 *
 * Each symptom is provoked with the real programs; what was said, by the client
 * or in the server's log, goes to diagnose() with what a look at the endpoint
 * shows (its ports, the certificate, the client's CA), and the cause has to be
 * the one that was made.
 *
 * time limit: 240
 */
#define _GNU_SOURCE		/* strcasestr */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/diagnose.h"
#include "core/err.h"
#include "core/mem.h"
#include "tests/remote/servers.h"

static struct servers sv;
static int ntap, nbad;

/* --- TAP ------------------------------------------------------------------- */

/* The first cause has to be sure, and this one. */
static void
symptom(const char *what, const struct clues *c, const char *want)
{
	struct diagnosis d[DIAGNOSES_MAX];
	size_t n = diagnose(c, d), i;
	bool ok = n > 0 && d[0].sure && strcmp(cause_row(d[0].cause)->name, want) == 0;

	printf("%sok %d - %s: %s\n", ok ? "" : "not ", ++ntap, what, want);
	nbad += !ok;
	if (ok)
		return;
	printf("# said: %s\n", c->said == NULL ? "(nothing)" : c->said);
	for (i = 0; i < n; i++)
		printf("# is: %s%s (%s)\n", d[i].sure ? "" : "perhaps ", cause_row(d[i].cause)->name, d[i].because);
}

/* --- a look, as a probe takes it ------------------------------------------- */

static struct certificate seen_cert;
static char chain_why[256];
static bool asked;

static int
on_asked(SSL *ssl, X509 **x, EVP_PKEY **k)
{
	(void)ssl;
	(void)x;
	(void)k;
	asked = true;
	return 0;
}

static int64_t
seconds(const ASN1_TIME *t)
{
	struct tm tm;

	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static int
dial_port(const char *address, int port)
{
	struct timeval limit = { 2, 0 };
	struct sockaddr_in a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)port);
	(void)inet_pton(AF_INET, address, &a.sin_addr);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	(void)close(fd);
	return -1;
}

/* A handshake on the connection: certificate, chain by our CA, name. */
static enum leg
shake(struct clues *c, int fd)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl;
	X509 *x;
	enum leg leg = LEG_REFUSED;

	asked = false;
	(void)SSL_CTX_load_verify_locations(ctx, servers_path(&sv, "ca.crt"), NULL);
	SSL_CTX_set_client_cert_cb(ctx, on_asked);
	ssl = SSL_new(ctx);
	(void)SSL_set_fd(ssl, fd);
	if (SSL_connect(ssl) == 1 && (x = SSL_get1_peer_certificate(ssl)) != NULL) {
		long why = SSL_get_verify_result(ssl);

		leg = LEG_OPEN;
		memset(&seen_cert, 0, sizeof(seen_cert));
		seen_cert.not_before_s = seconds(X509_get0_notBefore(x));
		seen_cert.not_after_s = seconds(X509_get0_notAfter(x));
		seen_cert.self_signed = X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0;
		c->cert = &seen_cert;
		c->chain = why == X509_V_OK ? VERIFIED_OK : VERIFIED_BAD;
		(void)snprintf(chain_why, sizeof(chain_why), "%s", X509_verify_cert_error_string(why));
		c->chain_why = chain_why;
		c->name = X509_check_host(x, "db.internal", 0, 0, NULL) == 1 ? VERIFIED_OK : VERIFIED_BAD;
		c->dials = "db.internal";
		X509_free(x);
	}
	c->asks = asked ? KNOWN_YES : KNOWN_NO;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return leg;
}

static void
look_postgres(struct clues *c, enum kind kind, int port)
{
	static const unsigned char request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	int fd = dial_port("127.0.0.1", port);
	char answer = 0;

	clues_init(c, kind);
	c->now_s = (int64_t)time(NULL);
	c->plain = c->tls = fd == -1 ? LEG_CLOSED : LEG_OPEN;
	c->anchor = ANCHOR_UNKNOWN;
	if (fd == -1)
		return;
	if (write(fd, request, 8) != 8 || read(fd, &answer, 1) != 1 || answer != 'S')
		c->tls = LEG_REFUSED;
	else
		c->tls = shake(c, fd);
	(void)close(fd);
}

static void
look_redis(struct clues *c, int plain, int tls)
{
	char answer[64];
	int fd;

	clues_init(c, KIND_REDIS);
	c->now_s = (int64_t)time(NULL);
	if ((fd = dial_port("127.0.0.1", plain)) == -1)
		c->plain = LEG_CLOSED;
	else {
		c->plain = write(fd, "PING\r\n", 6) == 6 && read(fd, answer, sizeof(answer)) > 0 ? LEG_OPEN : LEG_SILENT;
		(void)close(fd);
	}
	if ((fd = dial_port("127.0.0.1", tls)) == -1)
		c->tls = LEG_CLOSED;
	else {
		c->tls = shake(c, fd);
		(void)close(fd);
	}
}

/* --- what is said ---------------------------------------------------------- */

static char *said;

static const char *
keep(char *text)
{
	free(said);
	said = text;
	return said;
}

/* What libpq says; "" where it is let in. */
static const char *
libpq_says(int port, const char *more)
{
	char *info = mem_printf("host=db.internal hostaddr=127.0.0.1 port=%d dbname=postgres connect_timeout=4 "
	    "gssencmode=disable user=app password=pw %s", port, more);
	PGconn *pg = PQconnectdb(info);

	(void)keep(mem_strdup(PQstatus(pg) == CONNECTION_OK ? "" : PQerrorMessage(pg)));
	PQfinish(pg);
	free(info);
	return said;
}

static const char *
command_says(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static const char *
command_says(const char *fmt, ...)
{
	char *cmd, *text = mem_alloc(65536);
	va_list ap;
	FILE *f;

	va_start(ap, fmt);
	cmd = mem_vprintf(fmt, ap);
	va_end(ap);
	f = popen(cmd, "r");
	assert_non_null(f);
	text[fread(text, 1, 65535, f)] = '\0';
	(void)pclose(f);
	free(cmd);
	return keep(text);
}

/* The last line of a log that has the word, waited for. */
static const char *
log_says(const char *name, const char *word)
{
	struct timespec t = { 0, 10000000 };
	char *text, *p, *found = NULL;
	int i;

	for (i = 0; i < 500 && found == NULL; i++) {
		text = servers_read(&sv, name);
		for (p = text; (p = strcasestr(p, word)) != NULL; p++)
			found = p;
		if (found != NULL) {
			while (found > text && found[-1] != '\n')
				found--;
			found[strcspn(found, "\n")] = '\0';
			found = mem_strdup(found);
		} else
			(void)nanosleep(&t, NULL);
		free(text);
	}
	if (found == NULL)
		fail_msg("'%s' never says '%s'", name, word);
	return keep(found);
}

/* What a server that cannot start says. */
static const char *
start_says(const char *name, const char *const argv[])
{
	time_t end = time(NULL) + 20;
	struct timespec t = { 0, 10000000 };
	char log[64];
	pid_t pid;
	int status;

	(void)snprintf(log, sizeof(log), "%s.log", name);
	(void)unlink(servers_path(&sv, log));
	pid = servers_spawn(&sv, name, argv);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (time(NULL) > end) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, &status, 0);
			fail_msg("%s started, and was not to", name);
		}
		(void)nanosleep(&t, NULL);
	}
	return keep(servers_read(&sv, log));
}

static const char *
postgres_start_says(const char *cert, const char *key)
{
	char program[300], data[300], c[400], k[400];
	const char *argv[] = { program, "-D", data, "-c", "ssl=on", "-c", c, "-c", k, NULL };

	servers_stop(&sv, &sv.postgres);
	(void)snprintf(program, sizeof(program), "%s/postgres", sv.bindir);
	(void)snprintf(data, sizeof(data), "%s/data", sv.dir);
	(void)snprintf(c, sizeof(c), "ssl_cert_file=%s/%s", sv.dir, cert);
	(void)snprintf(k, sizeof(k), "ssl_key_file=%s/%s", sv.dir, key);
	return start_says("broken", argv);
}

#define SERVER(c) ((c).by = SAID_BY_SERVER)

/* --- PostgreSQL ------------------------------------------------------------ */

static void
postgres_files(void)
{
	struct clues c;

	servers_run("cd %s && cp good.key open.key && chmod 0644 open.key && cp good.crt shut.crt && chmod 0000 shut.crt && "
	    "if [ $(id -u) -eq 0 ]; then chown postgres: open.key; cp good.key foreign.key; chown nobody foreign.key; "
	    "chmod 0600 foreign.key; fi", sv.dir);
	clues_init(&c, KIND_POSTGRES);
	SERVER(c);
	c.said = postgres_start_says("good.crt", "open.key");
	symptom("postgres does not start: its key is for others to read", &c, "key-permissions");
	c.said = postgres_start_says("none.crt", "good.key");
	symptom("postgres does not start: its certificate is not there", &c, "file-missing");
	c.said = postgres_start_says("good.crt", "none.key");
	symptom("postgres does not start: its key is not there", &c, "file-missing");
	c.said = postgres_start_says("shut.crt", "good.key");
	symptom("postgres does not start: it may not read its certificate", &c, "file-unreadable");
	c.said = postgres_start_says("good.crt", "wrongname.key");
	symptom("postgres does not start: another certificate's key", &c, "key-mismatch");
	if (geteuid() == 0) {
		c.said = postgres_start_says("good.crt", "foreign.key");
		symptom("postgres does not start: somebody else's key", &c, "key-owner");
	} else
		printf("# an ordinary user cannot give a key away: one symptom is left out\n");
}

static void
postgres_certificates(void)
{
	static const struct { const char *cert, *want; } bad[] = { { "wrongname", "name" }, { "expired", "expired" },
	    { "future", "not-yet-valid" }, { "stranger", "unknown-ca" }, { "selfsigned", "unknown-ca" },
	    { "deep", "chain-incomplete" }, { "cnonly", "name" }, { "wildcard", "name" } };
	char *full = mem_printf("sslmode=verify-full sslrootcert=%s/ca.crt", sv.dir), *what, *more;
	struct clues c;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		servers_postgres(&sv, bad[i].cert, "host all all 127.0.0.1/32 trust", NULL);
		look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
		c.dial = DIAL_VERIFY_FULL;
		c.anchor = ANCHOR_ISSUER;
		c.said = libpq_says(sv.postgres_port, full);
		/* By the old habit of libpq a name without a SAN counts. */
		if (c.said[0] == '\0')
			continue;
		if (strcmp(bad[i].want, "unknown-ca") == 0)
			c.anchor = ANCHOR_OTHER;
		what = mem_printf("libpq, verify-full, certificate '%s'", bad[i].cert);
		symptom(what, &c, bad[i].want);
		free(what);
	}
	servers_postgres(&sv, "good", "host all all 127.0.0.1/32 trust", NULL);
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.dial = DIAL_VERIFY_FULL;
	more = mem_printf("sslmode=verify-full sslrootcert=%s/otherca.crt", sv.dir);
	c.said = libpq_says(sv.postgres_port, more);
	free(more);
	symptom("libpq's CA file has another CA", &c, "unknown-ca");
	c.said = log_says("postgres.log", "alert unknown ca");
	SERVER(c);
	symptom("what postgres' log says of that", &c, "unknown-ca");
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.said = libpq_says(sv.postgres_port, "sslmode=verify-full sslrootcert=/nosuch/ca.crt");
	symptom("libpq's CA file is not there", &c, "ca-file-missing");
	c.said = libpq_says(sv.postgres_port, "sslmode=require ssl_min_protocol_version=TLSv1.3");
	assert_string_equal(c.said, "");
	servers_postgres(&sv, "good", "host all all 127.0.0.1/32 trust", "ssl_min_protocol_version = 'TLSv1.3'");
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.said = libpq_says(sv.postgres_port, "sslmode=require ssl_max_protocol_version=TLSv1.2");
	symptom("no version of TLS in common", &c, "protocol");
	/* A file that was replaced, and nobody told the server. */
	servers_run("cd %s && cp good.crt live.crt && cp good.key live.key && { [ $(id -u) -ne 0 ] || chown postgres: live.key; }",
	    sv.dir);
	servers_postgres(&sv, "live", "host all all 127.0.0.1/32 trust", NULL);
	servers_run("cd %s && cp expired.crt live.crt", sv.dir);
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.same_on_disk = KNOWN_NO;
	symptom("certificate replaced, and no reload", &c, "not-reloaded");
	free(full);
}

static void
postgres_reload_that_fails(void)
{
	struct timespec t = { 0, 10000000 };
	struct clues c;
	int i;

	servers_postgres(&sv, NULL, "host all all 127.0.0.1/32 trust", NULL);
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.configured = ACCEPT_PLAIN;
	c.said = libpq_says(sv.postgres_port, "sslmode=require");
	symptom("postgres has no TLS", &c, "no-tls");
	servers_run("cd %s && printf '%%s\\n' 'ssl = on' \"ssl_key_file = '$PWD/open.key'\" >>data/postgresql.conf", sv.dir);
	assert_int_equal(kill(sv.postgres, SIGHUP), 0);
	(void)log_says("postgres.log", "not reloaded");
	for (i = 0; i < 500; i++) {
		char *on = servers_ask(&sv, "SHOW ssl");
		bool is = strncmp(on, "on", 2) == 0;

		free(on);
		if (is)
			break;
		(void)nanosleep(&t, NULL);
	}
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.configured = ACCEPT_BOTH;
	c.said = libpq_says(sv.postgres_port, "sslmode=require");
	symptom("configured, and served plaintext only", &c, "tls-not-loaded");
	c.key = key_state_of(KIND_POSTGRES, 0644, 70, true, 70);
	symptom("the same, with the key's mode known", &c, "key-permissions");
	c.said = NULL;
	c.key = KEY_UNKNOWN;
	symptom("the same, before anybody complains", &c, "tls-not-loaded");
}

/* The answer of pg_hba.conf, as it stands there. */
static void
ask_hba(struct hba_answer *ret, bool tls, enum stored stored)
{
	static const struct hba_reading how = { 15, NULL, NULL, NULL };
	char *text = servers_read(&sv, "data/pg_hba.conf");
	struct hba_connection hc;
	struct hba_rules rules;
	struct err err;

	memset(&hc, 0, sizeof(hc));
	hc.address = "127.0.0.1";
	hc.user = "app";
	hc.database = "postgres";
	hc.tls = tls;
	hc.stored = stored;
	assert_int_equal(hba_read(&rules, &how, text, strlen(text), &err), 0);
	hba_match(&rules, &hc, ret);
	hba_rules_release(&rules);
	free(text);
}

static void
postgres_hba(void)
{
	static const struct { const char *lines, *mode, *what, *want; enum stored stored; } v[] = {
		{ "hostssl all all 127.0.0.1/32 md5", "disable", "hostssl only, plaintext client", "plaintext-refused", STORED_SCRAM },
		{ "host all other 127.0.0.1/32 md5", "require", "no line, by TLS", "hba-no-line", STORED_SCRAM },
		{ "host all other 127.0.0.1/32 md5", "disable", "no line, in plaintext", "hba-no-line", STORED_SCRAM },
		{ "host all all 127.0.0.1/32 reject", "require", "a line that rejects", "hba-rejects", STORED_SCRAM },
		{ "host all all 127.0.0.1/32 scram-sha-256", "require", "md5 role, scram line", "hash", STORED_MD5 },
		{ "host all all 127.0.0.1/32 md5", "require password=wrong", "another password", "wrong-password", STORED_SCRAM },
		{ "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca", "require", "a client certificate is demanded",
		    "client-certificate", STORED_SCRAM },
	};
	struct hba_answer now, by_tls;
	struct clues c;
	char *more, *ca = mem_printf("ssl_ca_file = '%s/ca.crt'", sv.dir);
	size_t i;

	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		servers_postgres(&sv, "good", v[i].lines, ca);
		servers_sql(&sv, v[i].stored == STORED_MD5 ? "SET password_encryption='md5'; ALTER ROLE app PASSWORD 'pw'" :
		    "SET password_encryption='scram-sha-256'; ALTER ROLE app PASSWORD 'pw'");
		look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
		c.dial = strncmp(v[i].mode, "disable", 7) == 0 ? DIAL_DISABLE : DIAL_REQUIRE;
		c.shows = KNOWN_NO;
		ask_hba(&now, c.dial != DIAL_DISABLE, v[i].stored);
		ask_hba(&by_tls, true, v[i].stored);
		c.hba = &now;
		c.hba_by_tls = &by_tls;
		more = mem_printf("sslmode=%s", v[i].mode);
		c.said = libpq_says(sv.postgres_port, more);
		free(more);
		symptom(v[i].what, &c, v[i].want);
	}
	clues_init(&c, KIND_POSTGRES);
	SERVER(c);
	c.said = log_says("postgres.log", "SCRAM secret");
	symptom("what postgres' log says of the md5 role", &c, "hash");
	/* A certificate of another CA that the client has by habit. */
	servers_postgres(&sv, "good", "host all all 127.0.0.1/32 trust", ca);
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.dial = DIAL_REQUIRE;
	c.shows = KNOWN_YES;
	servers_run("cd %s && cp stranger.key mine.key && chmod 0600 mine.key", sv.dir);
	more = mem_printf("sslmode=require sslcert=%s/stranger.crt sslkey=%s/mine.key", sv.dir, sv.dir);
	c.said = libpq_says(sv.postgres_port, more);
	free(more);
	symptom("a stray client certificate", &c, "stray-certificate");
	SERVER(c);
	c.said = log_says("postgres.log", "certificate verify failed");
	symptom("what postgres' log says of that", &c, "stray-certificate");
	free(ca);
}

static void
postgres_reached(void)
{
	struct clues c;
	PGconn *pg;
	char *info;

	servers_postgres(&sv, "good", "host all all 127.0.0.0/8 trust", "listen_addresses = 'localhost'");
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.listens = "localhost";
	c.said = libpq_says(sv.postgres_port, "hostaddr=127.0.0.2");
	symptom("it listens at localhost only", &c, "not-listening");
	c.listens = NULL;
	c.said = libpq_says(sv.postgres_port, "host=nosuch.invalid hostaddr=''");
	symptom("a name that leads nowhere", &c, "no-name");
	info = mem_printf("postgresql://app@127.0.0.1:%d/postgres?ssl=require", sv.postgres_port);
	pg = PQconnectdb(info);
	c.dialect = DIALECT_LIBPQ;
	c.said = keep(mem_strdup(PQerrorMessage(pg)));
	PQfinish(pg);
	free(info);
	symptom("asyncpg's word given to libpq", &c, "driver-word");
	/* An administrator ends a session. */
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	info = mem_printf("host=db.internal hostaddr=127.0.0.1 port=%d dbname=postgres user=app sslmode=require", sv.postgres_port);
	pg = PQconnectdb(info);
	free(info);
	assert_int_equal(PQstatus(pg), CONNECTION_OK);
	info = mem_printf("SELECT pg_terminate_backend(%d, 5000)", PQbackendPID(pg));
	servers_sql(&sv, info);
	free(info);
	PQclear(PQexec(pg, "SELECT 1"));
	c.said = keep(mem_strdup(PQerrorMessage(pg)));
	PQfinish(pg);
	symptom("a session that was ended", &c, "session-ended");
	/* By the socket nobody says that there is no TLS. */
	clues_init(&c, KIND_POSTGRES);
	info = mem_printf("host=%s port=%d dbname=postgres user=app sslmode=require", sv.dir, sv.postgres_port);
	pg = PQconnectdb(info);
	free(info);
	assert_int_equal(PQstatus(pg), CONNECTION_OK);
	assert_false(PQsslInUse(pg));
	PQfinish(pg);
	c.by_socket = KNOWN_YES;
	c.dial = DIAL_REQUIRE;
	symptom("require by a Unix socket", &c, "socket");
	servers_stop(&sv, &sv.postgres);
	look_postgres(&c, KIND_POSTGRES, sv.postgres_port);
	c.said = libpq_says(sv.postgres_port, "");
	symptom("nobody is there", &c, "down");
}

static void
drivers(void)
{
	struct clues c;
	const char *text;

	clues_init(&c, KIND_POSTGRES);
	text = command_says("/usr/bin/python3 -I -c 'import asyncpg, asyncio; asyncio.run(asyncpg.connect(host=\"127.0.0.1\", "
	    "sslmode=\"require\"))' 2>&1 | tail -1");
	if (strstr(text, "No module") != NULL || strstr(text, "not found") != NULL) {
		printf("# asyncpg is not installed: one symptom is left out\n");
		return;
	}
	c.said = text;
	c.dialect = DIALECT_ASYNCPG;
	symptom("sslmode given to asyncpg", &c, "driver-word");
}

/* --- PgBouncer ------------------------------------------------------------- */

static void
pgbouncer(void)
{
	struct clues c;
	char *lines;

	servers_postgres(&sv, "good", "host all all 127.0.0.1/32 trust", NULL);
	lines = mem_printf("client_tls_sslmode = require\nclient_tls_cert_file = %s/good.crt\nclient_tls_key_file = %s/good.key\n",
	    sv.dir, sv.dir);
	servers_pgbouncer(&sv, lines);
	free(lines);
	look_postgres(&c, KIND_PGBOUNCER, sv.pgbouncer_port);
	c.dial = DIAL_DISABLE;
	c.said = libpq_says(sv.pgbouncer_port, "sslmode=disable");
	symptom("plaintext at a pooler that wants TLS", &c, "plaintext-refused");
	c.dial = DIAL_REQUIRE;
	c.said = libpq_says(sv.pgbouncer_port, "sslmode=require channel_binding=require");
	symptom("channel binding through a pooler", &c, "channel-binding");
	lines = mem_printf("client_tls_sslmode = verify-ca\nclient_tls_cert_file = %s/good.crt\nclient_tls_key_file = "
	    "%s/good.key\nclient_tls_ca_file = %s/ca.crt\n", sv.dir, sv.dir, sv.dir);
	servers_pgbouncer(&sv, lines);
	free(lines);
	look_postgres(&c, KIND_PGBOUNCER, sv.pgbouncer_port);
	c.said = libpq_says(sv.pgbouncer_port, "sslmode=require");
	c.demands = KNOWN_YES;
	c.shows = KNOWN_NO;
	symptom("a pooler that wants client certificates", &c, "client-certificate");
	/* Its own link has the wrong CA: clients wait. */
	lines = mem_printf("server_tls_sslmode = verify-ca\nserver_tls_ca_file = %s/otherca.crt\n", sv.dir);
	servers_pgbouncer(&sv, lines);
	free(lines);
	look_postgres(&c, KIND_PGBOUNCER, sv.pgbouncer_port);
	c.said = libpq_says(sv.pgbouncer_port, "sslmode=disable connect_timeout=3");
	c.dial = DIAL_DISABLE;
	c.leg_fails = KNOWN_YES;
	c.leg_why = "certificate verify failed";
	symptom("a pooler whose own link fails", &c, "pooler-leg");
	/* Its server has no TLS. */
	servers_postgres(&sv, NULL, "host all all 127.0.0.1/32 trust", NULL);
	servers_run(": >%s/pgbouncer.log", sv.dir);
	servers_pgbouncer(&sv, "server_tls_sslmode = require\n");
	(void)libpq_says(sv.pgbouncer_port, "sslmode=disable connect_timeout=3");
	clues_init(&c, KIND_PGBOUNCER);
	SERVER(c);
	c.said = log_says("pgbouncer.log", "refused SSL");
	symptom("what the pooler's log says of a server without TLS", &c, "no-tls");
}

/* --- Redis ----------------------------------------------------------------- */

static const char *const redis_more[] = { "--tls-auth-clients", "no", NULL };

static void
redis_start(int plain, int tls, const char *cert, const char *const more[])
{
	static char port[16], tls_port[16], crt[300], key[300], ca[300];
	const char *argv[32] = { "--port", port, "--tls-port", tls_port, "--tls-cert-file", crt, "--tls-key-file", key,
	    "--tls-ca-cert-file", ca };
	int n = 10, i;

	(void)snprintf(port, sizeof(port), "%d", plain);
	(void)snprintf(tls_port, sizeof(tls_port), "%d", tls);
	(void)snprintf(crt, sizeof(crt), "%s/%s.crt", sv.dir, cert);
	(void)snprintf(key, sizeof(key), "%s/%s.key", sv.dir, cert);
	(void)snprintf(ca, sizeof(ca), "%s/ca.crt", sv.dir);
	for (i = 0; more[i] != NULL && n < 31; i++)
		argv[n++] = more[i];
	argv[n] = NULL;
	servers_run("[ ! -f %s/redis.log ] || : >%s/redis.log", sv.dir, sv.dir);
	servers_redis(&sv, argv);
}

static void
redis_broken(const char *crt, const char *key, const char *what, const char *want)
{
	char c[300], k[300], ca[300], tls[16];
	const char *argv[] = { "/usr/bin/redis-server", "--port", "0", "--tls-port", tls, "--tls-cert-file", c, "--tls-key-file", k,
	    "--tls-ca-cert-file", ca, NULL };
	struct clues clues;

	(void)snprintf(tls, sizeof(tls), "%d", sv.redis_tls_port);
	(void)snprintf(c, sizeof(c), "%s/%s", sv.dir, crt);
	(void)snprintf(k, sizeof(k), "%s/%s", sv.dir, key);
	(void)snprintf(ca, sizeof(ca), "%s/ca.crt", sv.dir);
	clues_init(&clues, KIND_REDIS);
	SERVER(clues);
	clues.said = start_says("redis-broken", argv);
	symptom(what, &clues, want);
}

static void
redis(void)
{
	static const char *const password[] = { "--tls-auth-clients", "no", "--requirepass", "right", NULL };
	static const char *const none[] = { NULL };
	struct clues c;

	sv.redis_port = port_free();
	sv.redis_tls_port = port_free();
	redis_broken("none.crt", "good.key", "redis does not start: its certificate is not there", "file-missing");
	redis_broken("good.crt", "wrongname.key", "redis does not start: another certificate's key", "key-mismatch");
	redis_start(sv.redis_port, sv.redis_tls_port, "good", redis_more);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.dial = DIAL_DISABLE;
	c.dials_tls_port = KNOWN_YES;
	c.said = command_says("timeout 4 redis-cli -p %d ping 2>&1", sv.redis_tls_port);
	symptom("plaintext at redis' TLS port", &c, "plaintext-to-tls");
	SERVER(c);
	c.said = log_says("redis.log", "wrong version number");
	symptom("what redis' log says of that", &c, "plaintext-to-tls");
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.dial = DIAL_REQUIRE;
	c.dials_tls_port = KNOWN_NO;
	(void)command_says("timeout 3 redis-cli --tls --insecure -p %d ping 2>&1; echo $?", sv.redis_port);
	c.waited = strstr(said, "124") != NULL;
	c.said = c.waited ? NULL : said;
	symptom("TLS at redis' plaintext port", &c, "tls-to-plaintext");
	c.waited = false;
	c.said = command_says("timeout 3 openssl s_client -connect 127.0.0.1:%d </dev/null 2>&1 | grep -i error | tail -1",
	    sv.redis_port);
	c.waited = c.said[0] == '\0';
	symptom("the same by openssl", &c, "tls-to-plaintext");
	c.waited = false;
	c.dial = DIAL_VERIFY_FULL;
	c.dials_tls_port = KNOWN_YES;
	c.said = command_says("timeout 4 redis-cli --tls --cacert %s/otherca.crt -p %d ping 2>&1", sv.dir, sv.redis_tls_port);
	symptom("redis-cli's CA file has another CA", &c, "unknown-ca");
	SERVER(c);
	c.said = log_says("redis.log", "alert unknown ca");
	symptom("what redis' log says of that", &c, "unknown-ca");
	redis_start(sv.redis_port, sv.redis_tls_port, "expired", redis_more);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.dial = DIAL_VERIFY_FULL;
	c.dials_tls_port = KNOWN_YES;
	c.said = command_says("timeout 4 redis-cli --tls --cacert %s/ca.crt -p %d ping 2>&1", sv.dir, sv.redis_tls_port);
	symptom("redis' certificate is past its end", &c, "expired");
	redis_start(sv.redis_port, sv.redis_tls_port, "good", none);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.dial = DIAL_VERIFY_CA;
	c.demands = KNOWN_YES;
	c.shows = KNOWN_NO;
	c.said = command_says("timeout 4 openssl s_client -connect 127.0.0.1:%d -CAfile %s/ca.crt </dev/null 2>&1 | "
	    "grep -i alert | tail -1", sv.redis_tls_port, sv.dir);
	if (c.said[0] == '\0')
		c.said = command_says("(sleep 1; echo PING; sleep 1) | timeout 5 openssl s_client -connect 127.0.0.1:%d -CAfile "
		    "%s/ca.crt 2>&1 | grep -i alert | tail -1", sv.redis_tls_port, sv.dir);
	symptom("redis demands a client certificate, as it does by default", &c, "client-certificate");
	SERVER(c);
	c.said = log_says("redis.log", "did not return a certificate");
	symptom("what redis' log says of that", &c, "client-certificate");
	redis_start(sv.redis_port, sv.redis_tls_port, "good", password);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.said = command_says("redis-cli -p %d ping 2>&1", sv.redis_port);
	symptom("no password given", &c, "no-password");
	c.said = command_says("REDISCLI_AUTH=wrong redis-cli -p %d ping 2>&1", sv.redis_port);
	symptom("another password given", &c, "wrong-password");
	redis_start(sv.redis_port, sv.redis_tls_port, "good", redis_more);
	c.said = command_says("REDISCLI_AUTH=any redis-cli -p %d ping 2>&1", sv.redis_port);
	symptom("a password where there is none", &c, "password-not-set");
	redis_start(sv.redis_port, 0, "good", redis_more);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.dial = DIAL_REQUIRE;
	c.dials_tls_port = KNOWN_YES;
	c.said = command_says("redis-cli --tls --insecure -p %d ping 2>&1", sv.redis_tls_port);
	symptom("nobody at the TLS port", &c, "tls-port-closed");
	/* CONFIG SET and no REWRITE. */
	servers_run("redis-cli -p %d config set tls-port %d >/dev/null", sv.redis_port, sv.redis_tls_port);
	look_redis(&c, sv.redis_port, sv.redis_tls_port);
	c.configured = ACCEPT_BOTH;
	c.persisted = ACCEPT_PLAIN;
	symptom("set at run time only", &c, "not-persisted");
}

static void
all_down(void)
{
	servers_down(&sv);
}

int
main(void)
{
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	servers_up(&sv);
	(void)atexit(all_down);
	(void)setenv("HOME", sv.dir, 1);
	(void)setenv("PGSYSCONFDIR", sv.dir, 1);
	(void)unsetenv("PGSSLMODE");
	servers_postgres(&sv, "good", "host all all 127.0.0.1/32 trust", NULL);
	postgres_files();
	postgres_certificates();
	postgres_reload_that_fails();
	postgres_hba();
	postgres_reached();
	drivers();
	pgbouncer();
	redis();
	printf("# %d symptoms provoked, %d named\n1..%d\n", ntap, ntap - nbad, ntap);
	free(said);
	return nbad > 0;
}
