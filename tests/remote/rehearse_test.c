/*
 * Rehearsals against real servers: what one new connection in a client's place
 * comes to, and that it is what attempt.c says of that client.
 * time limit: 300
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/posture.h"
#include "remote/hostops.h"
#include "dial_fixture.h"

/* ---- one rehearsal ---- */

struct wish {
	int	 read, came;
	char	 why[ERR_MAX];
	struct rehearsed res;
};

static void
on_read(void *arg, const char *why)
{
	struct wish *w = arg;

	w->read++;
	(void)snprintf(w->why, sizeof(w->why), "%s", why == NULL ? "" : why);
}

static void
on_done(void *arg, const struct rehearsed *res)
{
	struct wish *w = arg;

	w->came++;
	w->res = *res;
}

static void
until(const int *what)
{
	time_t end = time(NULL) + 30;

	while (*what == 0 && time(NULL) < end)
		(void)uv_run(&bench.loop, UV_RUN_ONCE);
	if (*what == 0)
		fail_msg("nothing came for 30 s");
}

static struct rehearsed
rehearse_as(const struct rehearsal_as *as, int64_t deadline_ms)
{
	struct rehearsal *r = rehearsal_new(&bench.set, as);
	struct wish w;

	memset(&w, 0, sizeof(w));
	uv_update_time(&bench.loop);
	rehearsal_read(r, 10000, on_read, &w);
	assert_int_equal(w.read, 0);
	until(&w.read);
	assert_string_equal(w.why, "");
	assert_non_null(rehearsal_dial(r, deadline_ms, on_done, &w));
	assert_int_equal(w.came, 0);
	until(&w.came);
	assert_int_equal(w.came, 1);
	rehearsal_free(r);
	return w.res;
}

static struct rehearsed
rehearse(int link, int64_t deadline_ms)
{
	struct rehearsal_as as = { link, DIAL_UNKNOWN, DIAL_UNKNOWN, NONE, false };

	return rehearse_as(&as, deadline_ms);
}

static void
expect(int link, enum verdict verdict, const char *why)
{
	struct rehearsed r = rehearse(link, 5000);

	if (r.verdict != verdict || (why != NULL && strstr(r.why, why) == NULL) || (why == NULL && r.why[0] != '\0'))
		fail_msg("%s ('%s', remark '%s'), expected %s ('%s')", verdict_word(r.verdict), r.why, r.remark,
		    verdict_word(verdict), why == NULL ? "" : why);
}

#define HBA_TLS "hostssl all all 127.0.0.1/32 scram-sha-256"

/* ---- what it says ---- */

static void
a_verified_client_gets_through_and_it_is_told_how_long_each_part_took(void **state)
{
	struct rehearsed r;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	dial_env("PG=verify-full\n");
	dial_ca("ca");
	r = rehearse(LINK_POSTGRES, 5000);
	assert_string_equal(r.why, "");
	assert_string_equal(r.remark, "");
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_int_equal(r.dial, DIAL_VERIFY_FULL);
	assert_int_equal(r.phase, REHEARSAL_THROUGH);
	assert_string_equal(r.name, "127.0.0.1");
	assert_int_equal(r.port, sv.postgres_port);
	assert_string_equal(r.protocol, "TLSv1.3");
	assert_int_equal(r.connections, 1);
	assert_true(r.reach_us >= 0 && r.secure_us > 0 && r.login_us > 0);
	assert_true(r.took_us >= r.reach_us + r.secure_us + r.login_us);
	assert_true(r.at_ms > 0);
	assert_true(rehearsed_well(&r));
}

static void
what_verifies_is_the_file_on_the_clients_host(void **state)
{
	(void)state;
	dial_env("PG=verify-full\n");
	dial_ca("otherca");
	expect(LINK_POSTGRES, VERDICT_REFUSED, "certificate verify failed");
	dial_ca(NULL);
	expect(LINK_POSTGRES, VERDICT_REFUSED, "app-ca.crt' does not exist");
	servers_run("echo rubbish > '%s/app-ca.crt'", sv.dir);
	expect(LINK_POSTGRES, VERDICT_REFUSED, "app-ca.crt'");
	dial_ca("ca");
	expect(LINK_POSTGRES, VERDICT_NAME, NULL);
	/* require verifies where there is a file, and not where there is none. */
	dial_env("PG=require\n");
	expect(LINK_POSTGRES, VERDICT_CHAIN, NULL);
	dial_ca("otherca");
	expect(LINK_POSTGRES, VERDICT_REFUSED, "certificate verify failed");
	dial_ca(NULL);
	expect(LINK_POSTGRES, VERDICT_TLS, NULL);
	/* The same word means another thing to another driver. */
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_NODE_POSTGRES;
	expect(LINK_POSTGRES, VERDICT_REFUSED, "does not exist");
	dial_ca("ca");
	expect(LINK_POSTGRES, VERDICT_NAME, NULL);
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_JDBC;
	dial_ca("otherca");
	expect(LINK_POSTGRES, VERDICT_TLS, NULL);
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_LIBPQ;
}

static void
one_that_was_read_goes_on_by_what_it_read_until_it_is_read_again(void **state)
{
	struct rehearsal_as as = { LINK_POSTGRES, DIAL_UNKNOWN, DIAL_UNKNOWN, NONE, false };
	struct rehearsal *r = rehearsal_new(&bench.set, &as);
	struct wish w;

	(void)state;
	memset(&w, 0, sizeof(w));
	(void)rehearsal_dial(r, 5000, on_done, &w);
	until(&w.came);
	assert_int_equal(w.res.verdict, VERDICT_UNKNOWN);
	assert_null(rehearsal_says(r));
	dial_env("PG=verify-full\n");
	dial_ca("ca");
	rehearsal_read(r, 10000, on_read, &w);
	until(&w.read);
	dial_ca("otherca");
	w.came = 0;
	(void)rehearsal_dial(r, 5000, on_done, &w);
	until(&w.came);
	assert_int_equal(w.res.verdict, VERDICT_NAME);
	w.came = w.read = 0;
	/* What is out goes on by what it began with. */
	(void)rehearsal_dial(r, 5000, on_done, &w);
	rehearsal_read(r, 10000, on_read, &w);
	until(&w.read);
	until(&w.came);
	w.came = 0;
	(void)rehearsal_dial(r, 5000, on_done, &w);
	until(&w.came);
	assert_int_equal(w.res.verdict, VERDICT_REFUSED);
	(void)rehearsal_dial(r, 5000, on_done, &w);
	rehearsal_free(r);
}

static void
a_bad_certificate_is_never_passed(void **state)
{
	static const struct {
		const char *cert, *why;
		enum verdict ca, full;
	} cases[] = {
		{ "good", NULL, VERDICT_CHAIN, VERDICT_NAME },
		{ "rsa", NULL, VERDICT_CHAIN, VERDICT_NAME },
		{ "expired", "certificate verify failed", VERDICT_REFUSED, VERDICT_REFUSED },
		{ "future", "certificate verify failed", VERDICT_REFUSED, VERDICT_REFUSED },
		{ "wrongname", "does not match host name", VERDICT_CHAIN, VERDICT_REFUSED },
		{ "cnonly", "", VERDICT_CHAIN, VERDICT_REFUSED },
		{ "ipasdns", NULL, VERDICT_CHAIN, VERDICT_NAME },	/* so libpq has it, see below */
		{ "stranger", "certificate verify failed", VERDICT_REFUSED, VERDICT_REFUSED },
		{ "selfsigned", "certificate verify failed", VERDICT_REFUSED, VERDICT_REFUSED },
		{ "deep", "certificate verify failed", VERDICT_REFUSED, VERDICT_REFUSED },
	};
	size_t i;

	(void)state;
	dial_ca("ca");
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		servers_postgres(&sv, cases[i].cert, HBA_BOTH, NULL);
		dial_env("PG=verify-ca\n");
		expect(LINK_POSTGRES, cases[i].ca, cases[i].ca == VERDICT_REFUSED ? "" : NULL);
		dial_env("PG=verify-full\n");
		expect(LINK_POSTGRES, cases[i].full, cases[i].full == VERDICT_REFUSED ? cases[i].why : NULL);
		dial_env("PG=require\n");
		dial_ca(NULL);
		expect(LINK_POSTGRES, VERDICT_TLS, NULL);
		dial_ca("ca");
	}
	servers_postgres(&sv, "ipasdns", HBA_BOTH, NULL);
	dial_env("PG=verify-full\n");
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_PGX;
	expect(LINK_POSTGRES, VERDICT_REFUSED, "does not cover the name");
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_LIBPQ;
}

static void
falling_back_to_plaintext_is_told_with_its_reason(void **state)
{
	struct rehearsed r;

	(void)state;
	servers_postgres(&sv, NULL, HBA_BOTH, NULL);
	dial_env("PG=prefer\n");
	dial_ca("ca");
	r = rehearse(LINK_POSTGRES, 5000);
	assert_int_equal(r.verdict, VERDICT_PLAINTEXT);
	assert_non_null(strstr(r.why, "does not support SSL"));
	assert_int_equal(r.connections, 2);
	dial_env("PG=verify-full\n");
	expect(LINK_POSTGRES, VERDICT_REFUSED, "does not support SSL");
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	dial_ca("otherca");
	dial_env("PG=prefer\n");
	expect(LINK_POSTGRES, VERDICT_PLAINTEXT, "certificate verify failed");
	dial_ca("ca");
	expect(LINK_POSTGRES, VERDICT_CHAIN, NULL);
	dial_env("PG=disable\n");
	expect(LINK_POSTGRES, VERDICT_PLAINTEXT, NULL);
}

static void
plaintext_is_refused_only_where_tls_lets_the_probe_in(void **state)
{
	(void)state;
	dial_ca("ca");
	servers_postgres(&sv, "good", HBA_TLS, NULL);
	dial_env("PG=disable\n");
	expect(LINK_POSTGRES, VERDICT_REFUSED, "no pg_hba.conf entry");
	dial_env("PG=allow\n");
	expect(LINK_POSTGRES, VERDICT_CHAIN, NULL);
	servers_postgres(&sv, "good", "host all app 127.0.0.1/32 scram-sha-256", NULL);
	dial_env("PG=disable\n");
	expect(LINK_POSTGRES, VERDICT_UNKNOWN, "says nothing about the client");
}

static void
what_is_said_to_the_probe_alone_is_a_remark(void **state)
{
	struct rehearsed r;

	(void)state;
	dial_ca("ca");
	dial_env("PG=verify-full\n");
	r = rehearse(LINK_POSTGRES, 5000);
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_non_null(strstr(r.remark, "no pg_hba.conf entry"));
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	bench.password = "wrong";
	r = rehearse(LINK_POSTGRES, 5000);
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_non_null(strstr(r.remark, "password authentication failed"));
	assert_null(strstr(r.remark, "28P01"));
	bench.password = NULL;
	r = rehearse(LINK_POSTGRES, 5000);
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_non_null(strstr(r.remark, "no password supplied"));
	bench.password = "probe pw";
}

static void
nothing_listening_is_refused_and_a_stopped_server_hangs(void **state)
{
	struct rehearsed r;

	(void)state;
	dial_env("PG=verify-full\n");
	(void)kill(sv.postgres, SIGSTOP);
	r = rehearse(LINK_POSTGRES, 700);
	(void)kill(sv.postgres, SIGCONT);
	assert_int_equal(r.verdict, VERDICT_HANGS);
	assert_int_equal(r.phase, REHEARSAL_REACHED);
	assert_non_null(strstr(r.why, "no answer to the TLS handshake within 0.7 s"));
	servers_stop(&sv, &sv.postgres);
	expect(LINK_POSTGRES, VERDICT_REFUSED, "onnection refused");
	bench.fleet->links[LINK_POSTGRES].at = mem_strdup("no-such-name.invalid");
	expect(LINK_POSTGRES, VERDICT_UNKNOWN, "");
	free(bench.fleet->links[LINK_POSTGRES].at);
	bench.fleet->links[LINK_POSTGRES].at = NULL;
}

static void
settings_that_say_nothing_give_nothing_and_those_to_be_are_tried_in_their_place(void **state)
{
	struct rehearsal_as as = { LINK_POSTGRES, DIAL_UNKNOWN, DIAL_VERIFY_FULL, 0, false };
	struct rehearsed r;
	char *pem;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	dial_ca(NULL);
	dial_env("PG=nonsense\n");
	expect(LINK_POSTGRES, VERDICT_UNKNOWN, "PG=nonsense");
	/* After the step: verify-full, with the CA that will be there. */
	r = rehearse_as(&as, 5000);
	assert_int_equal(r.verdict, VERDICT_UNKNOWN);
	assert_non_null(strstr(r.why, "is not known here yet"));
	pem = servers_read(&sv, "ca.crt");
	hostops_ca(bench.hostops, 0, pem, strlen(pem));
	free(pem);
	r = rehearse_as(&as, 5000);
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_int_equal(r.dial, DIAL_VERIFY_FULL);
	pem = servers_read(&sv, "otherca.crt");
	hostops_ca(bench.hostops, 0, pem, strlen(pem));
	free(pem);
	r = rehearse_as(&as, 5000);
	assert_int_equal(r.verdict, VERDICT_REFUSED);
	/* The mode alone moves: the file is the one that is there. */
	as.trust = NONE;
	dial_ca("ca");
	r = rehearse_as(&as, 5000);
	assert_int_equal(r.verdict, VERDICT_NAME);
	/* Told by others, where no file says it. */
	as.to_be = DIAL_UNKNOWN;
	as.dial = DIAL_REQUIRE;
	dial_env("\n");
	r = rehearse_as(&as, 5000);
	assert_int_equal(r.verdict, VERDICT_CHAIN);
	hostops_ca(bench.hostops, 0, NULL, 0);
}

static void
pgbouncer_is_rehearsed_by_its_client_side(void **state)
{
	char *lines = mem_printf("client_tls_sslmode = require\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\nstats_users = belay_probe\n",
	    servers_path(&sv, "good.crt"), servers_path(&sv, "good.key"));

	(void)state;
	dial_ca("ca");
	servers_pgbouncer(&sv, lines);
	free(lines);
	dial_env("PGB=verify-full\n");
	expect(LINK_PGBOUNCER, VERDICT_NAME, NULL);
	dial_env("PGB=disable\n");
	expect(LINK_PGBOUNCER, VERDICT_REFUSED, "SSL required");
	dial_ca("otherca");
	dial_env("PGB=verify-ca\n");
	expect(LINK_PGBOUNCER, VERDICT_REFUSED, "certificate verify failed");
	bench.fleet->links[LINK_PGBOUNCER].stray = true;
	dial_ca("ca");
	expect(LINK_PGBOUNCER, VERDICT_UNKNOWN, "certificate of its own");
	bench.fleet->links[LINK_PGBOUNCER].stray = false;
	servers_pgbouncer(&sv, "stats_users = belay_probe\n");
	expect(LINK_PGBOUNCER, VERDICT_REFUSED, "does not support SSL");
	dial_env("PGB=disable\n");
	expect(LINK_PGBOUNCER, VERDICT_PLAINTEXT, NULL);
	servers_stop(&sv, &sv.pgbouncer);
}

static void
redis_up(bool plain, const char *cert, const char *clients)
{
	char ports[2][16];
	const char *more[20];
	int n = 0;

	(void)snprintf(ports[0], sizeof(ports[0]), "%d", plain ? sv.redis_port : 0);
	(void)snprintf(ports[1], sizeof(ports[1]), "%d", cert != NULL ? sv.redis_tls_port : 0);
	more[n++] = "--port";
	more[n++] = ports[0];
	more[n++] = "--requirepass";
	more[n++] = "probe pw";
	if (cert != NULL) {
		char file[64];

		more[n++] = "--tls-port";
		more[n++] = ports[1];
		(void)snprintf(file, sizeof(file), "%s.crt", cert);
		more[n++] = "--tls-cert-file";
		more[n++] = servers_path(&sv, file);
		(void)snprintf(file, sizeof(file), "%s.key", cert);
		more[n++] = "--tls-key-file";
		more[n++] = servers_path(&sv, file);
		more[n++] = "--tls-ca-cert-file";
		more[n++] = servers_path(&sv, "ca.crt");
		more[n++] = "--tls-auth-clients";
		more[n++] = clients;
	}
	more[n] = NULL;
	servers_redis(&sv, more);
}

static void
redis_is_rehearsed_on_the_port_of_its_mode(void **state)
{
	struct rehearsed r;

	(void)state;
	dial_ca("ca");
	redis_up(true, "good", "no");
	dial_env("\n");
	expect(LINK_REDIS, VERDICT_PLAINTEXT, NULL);
	dial_env("REDIS=verify-full\nREDIS_CA=");
	servers_run("printf 'REDIS=verify-full\\nREDIS_CA=%s/app-ca.crt\\n' > '%s/app.env'", sv.dir, sv.dir);
	r = rehearse(LINK_REDIS, 5000);
	assert_string_equal(r.why, "");
	assert_string_equal(r.remark, "");
	assert_int_equal(r.verdict, VERDICT_NAME);
	assert_int_equal(r.port, sv.redis_tls_port);
	assert_true(r.secure_us > 0 && r.login_us >= 0);
	dial_ca("otherca");
	expect(LINK_REDIS, VERDICT_REFUSED, "certificate verify failed");
	dial_ca(NULL);
	/* A driver that has the system's CAs to fall back on, and a certificate of ours. */
	expect(LINK_REDIS, VERDICT_REFUSED, "does not exist");
	dial_ca("ca");
	redis_up(false, "wrongname", "no");
	expect(LINK_REDIS, VERDICT_REFUSED, "does not cover the name '127.0.0.1'");
	/* Without REDIS_CA it is known to read no file. */
	dial_env("REDIS=require\n");
	expect(LINK_REDIS, VERDICT_TLS, NULL);
	dial_env("\n");
	expect(LINK_REDIS, VERDICT_REFUSED, "onnection refused");
	redis_up(false, "good", "yes");
	dial_env("REDIS=require\n");
	expect(LINK_REDIS, VERDICT_REFUSED, "certificate required");
	bench.password = "wrong";
	redis_up(true, NULL, NULL);
	dial_env("\n");
	r = rehearse(LINK_REDIS, 5000);
	assert_int_equal(r.verdict, VERDICT_PLAINTEXT);
	assert_non_null(strstr(r.remark, "WRONGPASS"));
	bench.password = "probe pw";
	(void)kill(sv.redis, SIGSTOP);
	r = rehearse(LINK_REDIS, 500);
	(void)kill(sv.redis, SIGCONT);
	assert_int_equal(r.verdict, VERDICT_HANGS);
	servers_stop(&sv, &sv.redis);
}

/* ---- with a certificate of the client's own ---- */

static void
expect_shown(int link, enum verdict verdict, bool asked, const char *shown, const char *why)
{
	struct rehearsed r = rehearse(link, 5000);

	if (r.verdict != verdict || r.asked != asked || strcmp(r.shown, shown) != 0 || strstr(r.why, why) == NULL)
		fail_msg("%s ('%s', remark '%s'), asked %d, shown '%s'; expected %s ('%s'), %d, '%s'", verdict_word(r.verdict),
		    r.why, r.remark, r.asked, r.shown, verdict_word(verdict), why, asked, shown);
}

static void
a_clients_certificate_is_shown_and_it_is_told_whether_it_was_asked_for(void **state)
{
	(void)state;
	dial_ca("ca");
	dial_pair("clientonly", "clientonly");
	dial_postgres_asks(false);
	dial_env_showing("PG=verify-full", "PGCERT");
	expect_shown(LINK_POSTGRES, VERDICT_NAME, false, "id-app", "");
	dial_postgres_asks(true);
	expect_shown(LINK_POSTGRES, VERDICT_NAME, true, "id-app", "");
	/* One of another CA, or none: the server's word. */
	dial_pair("stranger", "stranger");
	expect_shown(LINK_POSTGRES, VERDICT_REFUSED, true, "id-app", "unknown ca");
	dial_env("PG=verify-full\n");
	expect_shown(LINK_POSTGRES, VERDICT_REFUSED, true, "", "requires a valid client certificate");
}

/* What belay has and what lies there has to be the same, or nothing is said of the client. */
static void
one_that_is_not_at_hand_or_not_there_is_nobodys_pass(void **state)
{
	(void)state;
	dial_postgres_asks(true);
	dial_env_showing("PG=verify-full", "PGCERT");
	dial_pair("clientonly", NULL);
	expect_shown(LINK_POSTGRES, VERDICT_UNKNOWN, true, "", "whose key is not at hand here");
	dial_pair(NULL, "clientonly");
	expect_shown(LINK_POSTGRES, VERDICT_UNKNOWN, true, "", "what lies at its place was not read");
	dial_pair("good", "clientonly");
	expect_shown(LINK_POSTGRES, VERDICT_UNKNOWN, true, "", "another one lies at its place than was issued last");
	/* Where nobody asks it makes no difference. */
	dial_postgres_asks(false);
	expect_shown(LINK_POSTGRES, VERDICT_NAME, false, "", "");
	servers_run("printf 'PG=verify-full\\nPGCERT=/elsewhere.pem\\n' > '%s/app.env'", sv.dir);
	dial_postgres_asks(true);
	expect_shown(LINK_POSTGRES, VERDICT_UNKNOWN, true, "", "whether it shows a client certificate is not known");
	servers_stop(&sv, &sv.postgres);
}

static void
poolers_and_redis_take_it_likewise(void **state)
{
	char *lines = mem_printf("client_tls_sslmode = verify-full\nclient_tls_cert_file = %s\nclient_tls_key_file = %s\n"
	    "client_tls_ca_file = %s\nstats_users = belay_probe\n",
	    servers_path(&sv, "good.crt"), servers_path(&sv, "good.key"), servers_path(&sv, "ca.crt"));

	(void)state;
	dial_pair("clientonly", "clientonly");
	servers_pgbouncer(&sv, lines);
	free(lines);
	dial_env_showing("PGB=verify-full", "PGBCERT");
	expect_shown(LINK_PGBOUNCER, VERDICT_NAME, true, "id-app", "");
	dial_pair("clientonly", NULL);
	expect_shown(LINK_PGBOUNCER, VERDICT_UNKNOWN, true, "", "whose key is not at hand here");
	servers_stop(&sv, &sv.pgbouncer);
	dial_pair("clientonly", "clientonly");
	dial_env_showing("REDIS=require", "REDISCERT");
	redis_up(false, "good", "no");
	expect_shown(LINK_REDIS, VERDICT_TLS, false, "id-app", "");
	redis_up(false, "good", "yes");
	expect_shown(LINK_REDIS, VERDICT_TLS, true, "id-app", "");
	dial_pair("stranger", "stranger");
	expect_shown(LINK_REDIS, VERDICT_REFUSED, true, "id-app", "unknown ca");
	servers_stop(&sv, &sv.redis);
	dial_pair(NULL, NULL);
}

/*
 * Every driver of Postgres by every mode, with each kind of CA file, at a server
 * without TLS, with it, and that demands it: what is rehearsed is what the
 * truth table says.
 */
static void
what_is_rehearsed_is_what_the_truth_table_says(void **state)
{
	static const struct {
		const char *cert, *hba;
		enum accept accept;
	} posts[] = {
		{ NULL, HBA_BOTH, ACCEPT_PLAIN }, { "good", HBA_BOTH, ACCEPT_BOTH }, { "good", HBA_TLS, ACCEPT_TLS },
	};
	static const struct {
		const char *name;
		enum anchor anchor;
	} files[] = { { NULL, ANCHOR_NONE }, { "ca", ANCHOR_ISSUER }, { "otherca", ANCHOR_OTHER } };
	struct rehearsal_as as = { LINK_POSTGRES, DIAL_UNKNOWN, DIAL_UNKNOWN, NONE, false };
	size_t p, k;
	int d, v, cells = 0, differ = 0;

	(void)state;
	dial_env("\n");
	for (p = 0; p < sizeof(posts) / sizeof(posts[0]); p++) {
		servers_postgres(&sv, posts[p].cert, posts[p].hba, NULL);
		for (k = 0; k < sizeof(files) / sizeof(files[0]); k++) {
			dial_ca(files[k].name);
			for (d = DIALECT_LIBPQ; d < DIALECT_COUNT; d++) {
				if (!dialect_fits((enum dialect)d, KIND_POSTGRES))
					continue;
				bench.fleet->links[LINK_POSTGRES].dialect = (enum dialect)d;
				for (v = 0; v < DIAL_COUNT; v++) {
					struct attempt a = { .kind = KIND_POSTGRES, .accept = posts[p].accept,
						.served = posts[p].cert == NULL ? SERVED_NONE : SERVED_GOOD,
						.one_port = true, .auth = AUTH_SCRAM, .stored = STORED_SCRAM,
						.dialect = (enum dialect)d, .dial = (enum dial)v, .anchor = files[k].anchor };
					struct rehearsed r;
					const char *why;
					enum verdict says = attempt_verdict(&a, &why);

					as.to_be = (enum dial)v;
					r = rehearse_as(&as, 5000);
					cells++;
					if (r.verdict != says) {
						differ++;
						print_error("%s %s at %s with %s: rehearsed %s (%s), the table says %s (%s)\n",
						    dialect_word((enum dialect)d), dial_word((enum dial)v),
						    accept_word(posts[p].accept), files[k].name == NULL ? "no CA" :
						    files[k].name, verdict_word(r.verdict), r.why, verdict_word(says),
						    why == NULL ? "" : why);
					}
				}
			}
		}
	}
	bench.fleet->links[LINK_POSTGRES].dialect = DIALECT_LIBPQ;
	print_message("cells: %d, not as the table says: %d\n", cells, differ);
	assert_int_equal(differ, 0);
	assert_true(cells > 300);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verified_client_gets_through_and_it_is_told_how_long_each_part_took),
		cmocka_unit_test(what_verifies_is_the_file_on_the_clients_host),
		cmocka_unit_test(one_that_was_read_goes_on_by_what_it_read_until_it_is_read_again),
		cmocka_unit_test(falling_back_to_plaintext_is_told_with_its_reason),
		cmocka_unit_test(plaintext_is_refused_only_where_tls_lets_the_probe_in),
		cmocka_unit_test(what_is_said_to_the_probe_alone_is_a_remark),
		cmocka_unit_test(nothing_listening_is_refused_and_a_stopped_server_hangs),
		cmocka_unit_test(settings_that_say_nothing_give_nothing_and_those_to_be_are_tried_in_their_place),
		cmocka_unit_test(a_bad_certificate_is_never_passed),
		cmocka_unit_test(pgbouncer_is_rehearsed_by_its_client_side),
		cmocka_unit_test(redis_is_rehearsed_on_the_port_of_its_mode),
		cmocka_unit_test(a_clients_certificate_is_shown_and_it_is_told_whether_it_was_asked_for),
		cmocka_unit_test(one_that_is_not_at_hand_or_not_there_is_nobodys_pass),
		cmocka_unit_test(poolers_and_redis_take_it_likewise),
		cmocka_unit_test(what_is_rehearsed_is_what_the_truth_table_says),
	};

	return cmocka_run_group_tests_name("rehearse", tests, dial_group_up, dial_group_down);
}
