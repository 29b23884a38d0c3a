/*
 * What probe.h promises, on real Postgres, PgBouncer and Redis.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <libpq-fe.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/settings_seen.h"
#include "probe_fixture.h"

#define HBA_BOTH	BENCH_HBA_BOTH
#define HBA_TLS		"hostssl all all 127.0.0.1/32 scram-sha-256"

/* --- Postgres ------------------------------------------------------------ */

static void
postgres_without_tls_is_seen_as_plain(void **state)
{
	(void)state;
	servers_postgres(&sv, NULL, HBA_BOTH, "");
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls refused, chain not tried, names");
}

static void
postgres_with_tls_is_verified_by_chain_and_every_name(void **state)
{
	struct reading r;
	char *sha;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(bench_served_line(&r), "saw: plain open, tls open, chain ok, names ok ok");
	assert_string_equal(r.served.protocol, "TLSv1.3");
	assert_string_equal(r.served.cipher, "TLS_AES_256_GCM_SHA384");
	assert_string_equal(r.served.cert.subject, "CN=db.internal");
	assert_string_equal(r.served.cert.issuer, "CN=belay test CA");
	assert_string_equal(r.served.cert.key, "ECDSA P-256");
	assert_int_equal(r.served.cert.nnames, 2);
	assert_string_equal(r.served.cert.names[0], "DNS:db.internal");
	assert_string_equal(r.served.cert.names[1], "IP:127.0.0.1");
	assert_true(r.served.cert.not_before_s == INT64_C(1577836800));
	assert_true(r.served.cert.not_after_s == INT64_C(2366841600));
	assert_false(r.served.cert.self_signed);
	assert_false(r.served.client_cert_asked);
	servers_run("openssl x509 -in %s/good.crt -outform der | sha256sum | cut -c1-64 | tr -d '\\n' >%s/sha", sv.dir,
	    sv.dir);
	sha = servers_read(&sv, "sha");
	assert_string_equal(r.served.cert.sha256, sha);
	free(sha);
	assert_true(r.took_ms >= 0 && r.at_ms > INT64_C(1600000000000));
	reading_release(&r);
}

static void
postgres_never_passes_a_bad_certificate(void **state)
{
	char line[200];
	size_t i;

	(void)state;
	for (i = 0; i < BENCH_BAD_COUNT; i++) {
		print_message("  %s\n", bench_bad[i].cert);
		servers_postgres(&sv, bench_bad[i].cert, HBA_BOTH, "");
		(void)snprintf(line, sizeof(line), "saw: plain open, tls open, %s", bench_bad[i].said);
		bench_expect_served(EP_POSTGRES, line);
	}
	/* Without a CA, or with another one, the good certificate proves nothing. */
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_ca(&bench, &sv, NULL);
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls open, chain not tried, names ok ok");
	bench_ca(&bench, &sv, "otherca");
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls open, chain bad, names ok ok");
	bench_ca(&bench, &sv, "ca");
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls open, chain ok, names ok ok");
}

static void
postgres_that_demands_tls_refuses_plaintext(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", HBA_TLS, "");
	bench_expect_served(EP_POSTGRES, "saw: plain refused, tls open, chain ok, names ok ok");
}

static void
refusal_of_the_role_is_not_refusal_of_plaintext(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", "host all app 127.0.0.1/32 scram-sha-256", "");
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(bench_served_line(&r), "part: plain unknown, tls open, chain ok, names ok ok");
	assert_non_null(strstr(r.why, "says nothing about plaintext"));
	reading_release(&r);
}

static void
postgres_asking_for_client_certificates_is_noticed(void **state)
{
	struct reading r;
	char more[300];

	(void)state;
	(void)snprintf(more, sizeof(more), "ssl_ca_file = '%s/ca.crt'", sv.dir);
	servers_postgres(&sv, "good", HBA_BOTH, more);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_true(r.served.client_cert_asked);
	assert_int_equal(r.served.tls, LEG_OPEN);
	reading_release(&r);
}

static void
nothing_listening_is_not_plaintext_refused(void **state)
{
	struct reading r;

	(void)state;
	servers_stop(&sv, &sv.postgres);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
	assert_string_equal(bench_served_line(&r), "not: plain unknown, tls unknown, chain not tried, names");
	assert_non_null(strstr(r.why, "refused"));
	reading_release(&r);
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "refused"));
	reading_release(&r);
}

static void
stopped_postgres_is_silent_within_the_deadline(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	(void)kill(sv.postgres, SIGSTOP);
	r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 300);
	assert_string_equal(bench_served_line(&r), "not: plain silent, tls silent, chain not tried, names");
	assert_true(r.took_ms >= 300 && r.took_ms < 1300);
	reading_release(&r);
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 300);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_true(r.took_ms >= 300 && r.took_ms < 1300);
	reading_release(&r);
	(void)kill(sv.postgres, SIGCONT);
	bench_expect_served(EP_POSTGRES, "saw: plain open, tls open, chain ok, names ok ok");
}

static PGconn *
client(int port, const char *user, const char *sslmode, const char *application)
{
	char *info = mem_printf("host=127.0.0.1 port=%d user=%s password=pw dbname=postgres sslmode=%s "
	    "application_name=%s gssencmode=disable", port, user, sslmode, application);
	PGconn *c = PQconnectdb(info);

	free(info);
	if (PQstatus(c) != CONNECTION_OK)
		fail_msg("%s", PQerrorMessage(c));
	return c;
}

static void
census_without_privilege_is_inconclusive(void **state)
{
	struct reading r;
	PGconn *c;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	servers_sql(&sv, "REVOKE pg_monitor FROM belay_probe");
	c = client(sv.postgres_port, "app", "disable", "x");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_PART);
	assert_non_null(strstr(r.why, "GRANT pg_monitor TO \"belay_probe\""));
	reading_release(&r);
	PQfinish(c);
	/* The same held session sees, once it may. */
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW);
	reading_release(&r);
}

static void
census_counts_what_the_server_sees(void **state)
{
	struct reading r;
	PGconn *c[5];
	size_t i;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	c[0] = client(sv.postgres_port, "app", "require", "x");
	c[1] = client(sv.postgres_port, "app", "require", "belay");	/* not ours: another role */
	c[2] = client(sv.postgres_port, "app", "disable", "odd\\'\x01\xc3name");
	c[3] = client(sv.postgres_port, "other", "disable", "x");
	servers_sql(&sv, "CREATE ROLE nobody LOGIN PASSWORD 'pw'");
	c[4] = client(sv.postgres_port, "nobody", "disable", "x");
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_string_equal(bench_census_line(&r), "saw over tls, verified: link 0 2 tls 1 plain; link 1 0 tls 1 plain; undeclared 0 tls 1 plain");
	assert_int_equal(r.census.total, 5);
	assert_int_equal(r.census.nstragglers, 3);
	for (i = 0; i < r.census.nstragglers; i++) {
		assert_string_equal(r.census.stragglers[i].address, "127.0.0.1");
		assert_string_equal(r.census.stragglers[i].database, "postgres");
		assert_true(r.census.stragglers[i].age_s >= 0 && r.census.stragglers[i].age_s < 60);
	}
	reading_release(&r);
	for (i = 0; i < 5; i++)
		PQfinish(c[i]);
	servers_sql(&sv, "DROP ROLE nobody");
}

static void
warm_census_keeps_its_session_and_a_restart_does_not_matter(void **state)
{
	static const char pid_sql[] = "SELECT pid FROM pg_stat_activity WHERE usename = 'belay_probe'";
	char *before, *after;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	before = servers_ask(&sv, pid_sql);
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	after = servers_ask(&sv, pid_sql);
	assert_true(strlen(before) > 1);
	assert_string_equal(before, after);
	free(before);
	free(after);
	/* Terminated behind our back: the next question opens another. */
	servers_sql(&sv, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'belay_probe'");
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	/* Restarted as another server: what was known of its TLS is not believed. */
	servers_postgres(&sv, NULL, HBA_BOTH, "");
	bench_expect_census(EP_POSTGRES, "saw over plaintext: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	servers_postgres(&sv, "stranger", HBA_TLS, "");
	bench_expect_census(EP_POSTGRES, "saw over tls, not verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
held_session_moves_to_tls_once_it_is_served(void **state)
{
	struct reading r;
	int i;

	(void)state;
	servers_postgres(&sv, NULL, HBA_BOTH, "");
	bench_expect_census(EP_POSTGRES, "saw over plaintext: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	servers_sql(&sv, "ALTER SYSTEM SET ssl = on");
	servers_sql(&sv, "SELECT pg_reload_conf()");
	for (i = 0; i < 500; i++) {
		r = bench_look(&bench, READING_SERVED, EP_POSTGRES, 10000);
		if (r.served.tls == LEG_OPEN)
			break;
		reading_release(&r);
	}
	assert_int_equal(r.served.tls, LEG_OPEN);
	reading_release(&r);
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	servers_sql(&sv, "ALTER SYSTEM RESET ssl");
}

static void
wrong_password_is_told_and_the_right_one_works_later(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench.password = "wrong";
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "password authentication failed"));
	assert_null(strstr(r.why, "wrong"));
	reading_release(&r);
	bench.password = NULL;
	r = bench_look(&bench, READING_CENSUS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "not given yet"));
	reading_release(&r);
	bench.password = "probe pw";
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
inherited_habits_do_not_reach_libpq(void **state)
{
	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	(void)setenv("PGSSLMODE", "disable", 1);
	(void)setenv("PGUSER", "nobody", 1);
	(void)setenv("PGSERVICE", "none", 1);
	(void)setenv("PGOPTIONS", "-c nonsense=1", 1);
	(void)setenv("PGREQUIREPEER", "nobody", 1);
	bench_expect_census(EP_POSTGRES, "saw over tls, verified: link 0 0 tls 0 plain; link 1 0 tls 0 plain; undeclared 0 tls 0 plain");
	assert_null(getenv("PGSERVICE"));
}

static void
postgres_settings_are_read_with_their_source(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "ssl_min_protocol_version = 'TLSv1.3'");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	if (r.outcome != SAW)
		fail_msg("%s", r.why);
	assert_string_equal(bench_setting(&r, "ssl"), "on");
	assert_string_equal(bench_setting(&r, "ssl@source"), "configuration file");
	assert_string_equal(bench_setting(&r, "ssl_min_protocol_version"), "TLSv1.3");
	assert_non_null(strstr(bench_setting(&r, "pg_hba@unseen"), "permission denied"));
	reading_release(&r);
	servers_sql(&sv, "GRANT EXECUTE ON FUNCTION pg_hba_file_rules() TO belay_probe");
	servers_sql(&sv, "GRANT SELECT ON pg_hba_file_rules TO belay_probe");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_int_equal(r.outcome, SAW);
	assert_string_equal(bench_setting(&r, "pg_hba:2"), "host {all} {all} 127.0.0.1 255.255.255.255 scram-sha-256");
	reading_release(&r);
}

/* --- what will be after a restart ------------------------------------------ */

static const char *
drift(enum kind kind, const struct reading *r)
{
	static char said[1024];
	struct buf words;

	buf_init(&words, 0);
	(void)settings_seen_drift(kind, r, &words);
	(void)snprintf(said, sizeof(said), "%s", buf_str(&words));
	buf_release(&words);
	return said;
}

static void
postgres_says_what_its_files_will_make_of_it(void **state)
{
	struct reading r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_non_null(strstr(bench_setting(&r, "persisted@unseen"), "permission denied"));	/* not for everybody to see */
	assert_string_equal(drift(KIND_POSTGRES, &r), "");
	reading_release(&r);
	servers_sql(&sv, "GRANT SELECT ON pg_file_settings TO belay_probe; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO belay_probe");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_string_equal(bench_setting(&r, "ssl@persisted"), "on");
	assert_string_equal(drift(KIND_POSTGRES, &r), "");
	reading_release(&r);
	/* Edited, and not reloaded; then by ALTER SYSTEM, which counts more. */
	servers_run("echo 'ssl = off' >>%s/data/postgresql.conf", sv.dir);
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_string_equal(drift(KIND_POSTGRES, &r), "runtime tls, after a restart plaintext: its files say so, and were not reloaded; "
	    "ssl is on, and off after a reload or a restart");
	reading_release(&r);
	servers_sql(&sv, "ALTER SYSTEM SET ssl = on");
	r = bench_look(&bench, READING_SETTINGS, EP_POSTGRES, 10000);
	assert_string_equal(drift(KIND_POSTGRES, &r), "");
	reading_release(&r);
	servers_sql(&sv, "ALTER SYSTEM RESET ssl");
	servers_sql(&sv, "REVOKE SELECT ON pg_file_settings FROM belay_probe");
}

static void
pgbouncer_says_what_its_file_will_make_of_it(void **state)
{
	struct reading r;

	(void)state;
	bench_pgbouncer("allow", "good", "");
	r = bench_look(&bench, READING_SETTINGS, EP_PGBOUNCER, 10000);
	assert_string_equal(bench_setting(&r, "client_tls_sslmode@persisted"), "allow");
	assert_string_equal(drift(KIND_PGBOUNCER, &r), "");
	reading_release(&r);
	servers_run("f=$(ls %s/*.ini) && sed -i 's/^client_tls_sslmode.*/client_tls_sslmode = require/' $f", sv.dir);
	r = bench_look(&bench, READING_SETTINGS, EP_PGBOUNCER, 10000);
	assert_string_equal(drift(KIND_PGBOUNCER, &r), "runtime tls beside plaintext, after a restart tls: set at the console and not in its file, or "
	    "its file not reloaded; client_tls_sslmode is allow, and require after a reload or a restart");
	reading_release(&r);
}

/* CONFIG SET, and no CONFIG REWRITE. */
static void
redis_says_what_its_file_will_make_of_it(void **state)
{
	char text[1000], port[16], expected[200];
	const char *const argv[] = { servers_path(&sv, "redis.conf"), "--port", port, NULL };
	struct reading r;

	(void)state;
	(void)snprintf(port, sizeof(port), "%d", sv.redis_port);
	(void)snprintf(text, sizeof(text), "port %s\nrequirepass \"probe pw\"\ntls-cert-file %s/good.crt\ntls-key-file %s/good.key\n"
	    "tls-ca-cert-file %s/ca.crt\ntls-auth-clients no\n", port, sv.dir, sv.dir, sv.dir);
	servers_write(&sv, "redis.conf", text);
	servers_run("chmod 666 %s/redis.conf", sv.dir);
	servers_redis(&sv, argv);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	assert_string_equal(bench_setting(&r, "tls-port@persisted"), "0");
	assert_string_equal(drift(KIND_REDIS, &r), "");
	reading_release(&r);
	servers_run("REDISCLI_AUTH='probe pw' redis-cli -p %s config set tls-port %d", port, sv.redis_tls_port);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	(void)snprintf(expected, sizeof(expected), "runtime tls beside plaintext, after a restart plaintext: set by CONFIG SET, not rewritten; "
	    "tls-port is %d, and 0 in its file: after a restart that counts, unless its command line says so",
	    sv.redis_tls_port);
	assert_string_equal(drift(KIND_REDIS, &r), expected);
	reading_release(&r);
	servers_run("cd %s && REDISCLI_AUTH='probe pw' redis-cli -p %s config set dir %s && printf '%%s\\n' 'tls-port %d' >>redis.conf",
	    sv.dir, port, sv.dir, sv.redis_tls_port);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	assert_string_equal(drift(KIND_REDIS, &r), "");
	reading_release(&r);
	/* Without a file nothing can be told. */
	bench_redis(true, true, "good", NULL, NULL);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	assert_non_null(strstr(bench_setting(&r, "persisted@unseen"), "without a configuration file"));
	reading_release(&r);
}

/* --- PgBouncer ----------------------------------------------------------- */

static void
pgbouncer_modes_are_seen_for_what_they_do(void **state)
{
	struct reading r;

	(void)state;
	servers_pgbouncer(&sv, "stats_users = belay_probe");
	bench_expect_served(EP_PGBOUNCER, "saw: plain open, tls refused, chain not tried, names");
	bench_pgbouncer("allow", "good", "");
	bench_expect_served(EP_PGBOUNCER, "saw: plain open, tls open, chain ok, names ok ok");
	bench_pgbouncer("require", "good", "");
	r = bench_look(&bench, READING_SERVED, EP_PGBOUNCER, 10000);
	assert_string_equal(bench_served_line(&r), "saw: plain refused, tls open, chain ok, names ok ok");
	assert_string_equal(r.served.plain_why, "SSL required");
	reading_release(&r);
	/* verify-full on the client side is mutual TLS. */
	bench_pgbouncer("verify-full", "good", "");
	r = bench_look(&bench, READING_SERVED, EP_PGBOUNCER, 10000);
	assert_string_equal(bench_served_line(&r), "saw: plain refused, tls refused, chain ok, names ok ok");
	assert_true(r.served.client_cert_asked);
	assert_non_null(strstr(r.served.tls_why, "needs a client certificate"));
	assert_string_equal(r.served.cert.subject, "CN=db.internal");
	reading_release(&r);
}

static void
pgbouncer_never_passes_a_bad_certificate(void **state)
{
	char line[200];
	size_t i;

	(void)state;
	for (i = 0; i < BENCH_BAD_COUNT; i++) {
		bench_pgbouncer("allow", bench_bad[i].cert, "");
		(void)snprintf(line, sizeof(line), "saw: plain open, tls open, %s", bench_bad[i].said);
		bench_expect_served(EP_PGBOUNCER, line);
	}
}

static void
pgbouncer_console_counts_clients_and_its_own_servers(void **state)
{
	struct reading r;
	PGconn *c[3];
	size_t i;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, "");
	bench_pgbouncer("allow", "good", "server_tls_sslmode = require");
	bench_expect_census(EP_PGBOUNCER, "saw over tls, verified: link 2 0 tls 0 plain; undeclared 0 tls 0 plain");
	c[0] = client(sv.pgbouncer_port, "app", "require", "x");
	c[1] = client(sv.pgbouncer_port, "app", "disable", "x");
	c[2] = client(sv.pgbouncer_port, "other", "disable", "x");
	for (i = 0; i < 3; i++)
		PQclear(PQexec(c[i], "SELECT 1"));
	r = bench_look(&bench, READING_CENSUS, EP_PGBOUNCER, 10000);
	assert_string_equal(bench_census_line(&r), "saw over tls, verified: link 2 1 tls 1 plain; undeclared 0 tls 1 plain");
	assert_true(r.census.upstream_seen);
	assert_true(r.census.upstream_tls >= 1);
	assert_int_equal(r.census.upstream_plain, 0);
	reading_release(&r);
	for (i = 0; i < 3; i++)
		PQfinish(c[i]);
	/* The server leg in plaintext shows as such. */
	bench_pgbouncer("allow", "good", "server_tls_sslmode = disable");
	c[0] = client(sv.pgbouncer_port, "app", "require", "x");
	PQclear(PQexec(c[0], "SELECT 1"));
	r = bench_look(&bench, READING_CENSUS, EP_PGBOUNCER, 10000);
	assert_int_equal(r.census.upstream_tls, 0);
	assert_int_equal(r.census.upstream_plain, 1);
	reading_release(&r);
	PQfinish(c[0]);
}

static void
pgbouncer_console_closed_to_the_role_is_told(void **state)
{
	struct reading r;

	(void)state;
	servers_pgbouncer(&sv, "");
	r = bench_look(&bench, READING_CENSUS, EP_PGBOUNCER, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "stats_users"));
	reading_release(&r);
}

static void
pgbouncer_settings_come_from_show_config(void **state)
{
	struct reading r;

	(void)state;
	bench_pgbouncer("allow", "good", "");
	r = bench_look(&bench, READING_SETTINGS, EP_PGBOUNCER, 10000);
	assert_int_equal(r.outcome, SAW);
	assert_string_equal(bench_setting(&r, "client_tls_sslmode"), "allow");
	assert_string_equal(bench_setting(&r, "server_tls_sslmode"), "disable");
	reading_release(&r);
}

/* --- Redis --------------------------------------------------------------- */

static void
redis_listeners_are_seen_for_what_they_are(void **state)
{
	struct reading r;

	(void)state;
	bench_redis(true, false, NULL, NULL, NULL);
	bench_expect_served(EP_REDIS, "saw: plain open, tls closed, chain not tried, names");
	bench_redis(true, true, "good", NULL, NULL);
	bench_expect_served(EP_REDIS, "saw: plain open, tls open, chain ok, names ok ok");
	bench_redis(false, true, "good", NULL, NULL);
	bench_expect_served(EP_REDIS, "saw: plain closed, tls open, chain ok, names ok ok");
	bench_redis(true, true, "good", "--tls-auth-clients", "yes");
	r = bench_look(&bench, READING_SERVED, EP_REDIS, 10000);
	assert_string_equal(bench_served_line(&r), "saw: plain open, tls refused, chain ok, names ok ok");
	assert_non_null(strstr(r.served.tls_why, "needs a client certificate"));
	reading_release(&r);
	servers_stop(&sv, &sv.redis);
	bench_expect_served(EP_REDIS, "not: plain unknown, tls unknown, chain not tried, names");
}

static void
redis_on_one_port_is_tried_both_ways(void **state)
{
	struct endpoint *e = &bench.endpoints[EP_REDIS];

	(void)state;
	e->one_port = true;
	e->port_plain = e->port_tls = sv.redis_tls_port;
	bench_redis(false, true, "good", NULL, NULL);
	bench_expect_served(EP_REDIS, "saw: plain refused, tls open, chain ok, names ok ok");
	e->port_plain = e->port_tls = sv.redis_port;
	bench_redis(true, false, NULL, NULL, NULL);
	bench_expect_served(EP_REDIS, "saw: plain open, tls refused, chain not tried, names");
}

static void
redis_never_passes_a_bad_certificate(void **state)
{
	char line[200];
	size_t i;

	(void)state;
	for (i = 0; i < BENCH_BAD_COUNT; i++) {
		bench_redis(true, true, bench_bad[i].cert, NULL, NULL);
		(void)snprintf(line, sizeof(line), "saw: plain open, tls open, %s", bench_bad[i].said);
		bench_expect_served(EP_REDIS, line);
	}
}

/* redis-cli that stays: connected and named, until its stdin closes. */
static FILE *
redis_client(bool tls, const char *name)
{
	char *cmd = mem_printf("exec redis-cli -h 127.0.0.1 -p %d %s%s%s --no-auth-warning -a 'probe pw' >%s/cli.%s 2>&1",
	    tls ? sv.redis_tls_port : sv.redis_port, tls ? "--tls --cacert " : "", tls ? sv.dir : "",
	    tls ? "/ca.crt" : "", sv.dir, name);
	FILE *f = popen(cmd, "w");
	char *said = NULL;
	int i;

	assert_non_null(f);
	free(cmd);
	fprintf(f, "CLIENT SETNAME %s\n", name);
	fflush(f);
	cmd = mem_printf("cli.%s", name);
	for (i = 0; i < 2000 && (said == NULL || strstr(said, "OK") == NULL); i++) {
		free(said);
		(void)usleep(5000);
		/* The shell makes the file, in its own time. */
		said = access(servers_path(&sv, cmd), R_OK) == 0 ? servers_read(&sv, cmd) : NULL;
	}
	assert_non_null(said);
	assert_non_null(strstr(said, "OK"));
	free(said);
	free(cmd);
	return f;
}

static void
redis_census_tells_tls_by_the_local_port(void **state)
{
	struct reading r;
	FILE *a, *b, *c;

	(void)state;
	bench_redis(true, true, "good", NULL, NULL);
	bench_expect_census(EP_REDIS, "saw over tls, verified: link 3 0 tls 0 plain; undeclared 0 tls 0 plain");
	a = redis_client(true, "one");
	b = redis_client(false, "two");
	c = redis_client(false, "three");
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_string_equal(bench_census_line(&r), "saw over tls, verified: link 3 1 tls 2 plain; undeclared 0 tls 0 plain");
	assert_int_equal(r.census.total, 3);
	assert_true(r.census.connections_total >= 4);
	assert_string_equal(r.census.stragglers[0].address, "127.0.0.1");
	assert_string_equal(r.census.stragglers[0].database, "0");
	assert_string_equal(r.census.stragglers[0].user, "default");
	assert_true(r.census.stragglers[0].age_s >= 0);
	reading_release(&r);
	/* Looking at what is served leaves no trace in the next count. */
	bench_expect_served(EP_REDIS, "saw: plain open, tls open, chain ok, names ok ok");
	bench_expect_census(EP_REDIS, "saw over tls, verified: link 3 1 tls 2 plain; undeclared 0 tls 0 plain");
	/* Forced to TLS: what is connected stays, and stays plaintext. */
	servers_run("redis-cli --no-auth-warning -a 'probe pw' -p %d CONFIG SET port 0 >/dev/null", sv.redis_port);
	bench_expect_census(EP_REDIS, "saw over tls, verified: link 3 1 tls 2 plain; undeclared 0 tls 0 plain");
	(void)pclose(b);
	(void)pclose(c);
	/* The TLS port moved to where plaintext was: old sessions there are not taken for TLS. */
	servers_run("redis-cli --no-auth-warning --tls --cacert %s/ca.crt -a 'probe pw' -h 127.0.0.1 -p %d "
	    "CONFIG SET tls-port %d >/dev/null", sv.dir, sv.redis_tls_port, sv.redis_port);
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_string_equal(bench_census_line(&r), "saw over tls, verified: link 3 1 tls 0 plain; undeclared 0 tls 0 plain");
	reading_release(&r);
	(void)pclose(a);
}

static void
redis_census_without_permission_is_inconclusive(void **state)
{
	struct reading r;

	(void)state;
	bench_redis(true, false, NULL, NULL, NULL);
	servers_run("redis-cli --no-auth-warning -a 'probe pw' -p %d ACL SETUSER belay_probe on '>probe pw' "
	    "+auth '+client|setname' '+client|id' >/dev/null", sv.redis_port);
	bench.endpoints[EP_REDIS].probe_user = (char *)(uintptr_t)"belay_probe";
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.outcome, SAW_PART);
	assert_non_null(strstr(r.why, "ACL SETUSER"));
	reading_release(&r);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	assert_int_equal(r.outcome, SAW_PART);
	assert_non_null(strstr(r.why, "NOPERM"));
	reading_release(&r);
}

static void
redis_wrong_or_missing_password_is_told(void **state)
{
	struct reading r;

	(void)state;
	bench_redis(true, false, NULL, NULL, NULL);
	bench.password = "wrong";
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "WRONGPASS"));
	reading_release(&r);
	bench.endpoints[EP_REDIS].probe_secret = NONE;
	r = bench_look(&bench, READING_CENSUS, EP_REDIS, 10000);
	assert_int_equal(r.outcome, SAW_NOT);
	assert_non_null(strstr(r.why, "wants a password"));
	reading_release(&r);
	bench.endpoints[EP_REDIS].probe_secret = 0;
	bench.password = "probe pw";
	bench_expect_census(EP_REDIS, "saw over plaintext: link 3 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
redis_restart_is_survived_by_the_next_question(void **state)
{
	(void)state;
	bench_redis(true, true, "good", NULL, NULL);
	bench_expect_census(EP_REDIS, "saw over tls, verified: link 3 0 tls 0 plain; undeclared 0 tls 0 plain");
	bench_redis(true, false, NULL, NULL, NULL);
	bench_expect_census(EP_REDIS, "saw over plaintext: link 3 0 tls 0 plain; undeclared 0 tls 0 plain");
}

static void
redis_settings_are_read_but_no_password(void **state)
{
	struct reading r;
	size_t i;

	(void)state;
	bench_redis(true, true, "good", NULL, NULL);
	r = bench_look(&bench, READING_SETTINGS, EP_REDIS, 10000);
	if (r.outcome != SAW)
		fail_msg("%s", r.why);
	assert_string_equal(bench_setting(&r, "tls-auth-clients"), "no");
	assert_string_equal(bench_setting(&r, "appendonly"), "no");
	assert_string_equal(bench_setting(&r, "save"), "");
	assert_string_equal(bench_setting(&r, "role"), "master");
	assert_non_null(strstr(bench_setting(&r, "tls-cert-file"), "good.crt"));
	for (i = 0; i < r.settings.n; i++)
		assert_null(strstr(r.settings.v[i].value, "probe pw"));
	reading_release(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_CASE(postgres_without_tls_is_seen_as_plain),
		BENCH_CASE(postgres_with_tls_is_verified_by_chain_and_every_name),
		BENCH_CASE(postgres_never_passes_a_bad_certificate),
		BENCH_CASE(postgres_that_demands_tls_refuses_plaintext),
		BENCH_CASE(refusal_of_the_role_is_not_refusal_of_plaintext),
		BENCH_CASE(postgres_asking_for_client_certificates_is_noticed),
		BENCH_CASE(nothing_listening_is_not_plaintext_refused),
		BENCH_CASE(stopped_postgres_is_silent_within_the_deadline),
		BENCH_CASE(census_without_privilege_is_inconclusive),
		BENCH_CASE(census_counts_what_the_server_sees),
		BENCH_CASE(warm_census_keeps_its_session_and_a_restart_does_not_matter),
		BENCH_CASE(held_session_moves_to_tls_once_it_is_served),
		BENCH_CASE(wrong_password_is_told_and_the_right_one_works_later),
		BENCH_CASE(inherited_habits_do_not_reach_libpq),
		BENCH_CASE(postgres_settings_are_read_with_their_source),
		BENCH_CASE(postgres_says_what_its_files_will_make_of_it),
		BENCH_CASE(pgbouncer_says_what_its_file_will_make_of_it),
		BENCH_CASE(redis_says_what_its_file_will_make_of_it),
		BENCH_CASE(pgbouncer_modes_are_seen_for_what_they_do),
		BENCH_CASE(pgbouncer_never_passes_a_bad_certificate),
		BENCH_CASE(pgbouncer_console_counts_clients_and_its_own_servers),
		BENCH_CASE(pgbouncer_console_closed_to_the_role_is_told),
		BENCH_CASE(pgbouncer_settings_come_from_show_config),
		BENCH_CASE(redis_listeners_are_seen_for_what_they_are),
		BENCH_CASE(redis_on_one_port_is_tried_both_ways),
		BENCH_CASE(redis_never_passes_a_bad_certificate),
		BENCH_CASE(redis_census_tells_tls_by_the_local_port),
		BENCH_CASE(redis_census_without_permission_is_inconclusive),
		BENCH_CASE(redis_wrong_or_missing_password_is_told),
		BENCH_CASE(redis_restart_is_survived_by_the_next_question),
		BENCH_CASE(redis_settings_are_read_but_no_password),
	};

	return cmocka_run_group_tests_name("probe", tests, bench_group_up, bench_group_down);
}
