/*
 * A canary against real servers: its pace, what fails and what hangs, the CA file
 * that is read anew, the held session, and what a Redis counts of it.
 * time limit: 120
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

#include <cmocka.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/canary.h"
#include "remote/hostops.h"
#include "remote/keyring.h"
#include "remote/session.h"
#include "servers.h"

enum { LINK_POSTGRES, LINK_PGBOUNCER, LINK_REDIS };

#define OWN_NAME "belay-0123456789abcdef"
#define HBA_BOTH "host all all 127.0.0.1/32 scram-sha-256"
#define EVERY_MS 150

static struct servers sv;
static uv_loop_t loop;
static struct keyring *keyring;
static struct session *session;
static struct hostops *hostops;
static struct fleet *fleet;
static struct rehearsals set;
static int made;
static struct canary_run *flying;

static struct session *
session_of(void *arg, int host)
{
	(void)arg;
	(void)host;
	return session;
}

static const char *
secret_of(void *arg, int secret, const char **ret_why)
{
	(void)arg;
	(void)secret;
	*ret_why = "not given yet";
	return "probe pw";
}

static void
on_made(void *arg, int endpoint)
{
	(void)arg;
	assert_int_equal(fleet->endpoints[endpoint].kind, KIND_REDIS);
	made++;
}

static char *
fleet_text(void)
{
	return mem_printf("belay: fleet/1\nenvironment: test\nhosts: { here: { local: yes, state: %s/state } }\n"
	    "secrets: { pw: { prompt: it } }\n"
	    "units: { all: { host: here, run: \"true\", kind: reload }, app: { host: here, run: \"true\", restarts: [app] } }\n"
	    "certs: { internal: { serves: [postgres, pgbouncer, redis], lands: activation, install: [ { env: { on: [here], file: %s/db.env, set: { CA: \"$(ca.b64)\" } } } ] } }\n"
	    "endpoints:\n"
	    "  postgres: { kind: postgres, unit: all, listen: { both: %d }, names: [127.0.0.1], probe: { user: belay_probe, database: postgres, password: pw } }\n"
	    "  pgbouncer: { kind: pgbouncer, unit: all, listen: { both: %d }, names: [127.0.0.1], probe: { user: belay_probe, password: pw } }\n"
	    "  redis: { kind: redis, unit: all, listen: { plain: %d, tls: %d }, names: [127.0.0.1], probe: { password: pw } }\n"
	    "clients:\n"
	    "  app:\n"
	    "    unit: app\n"
	    "    links:\n"
	    "      postgres: { match: { user: app }, dial: { file: %s/app.env, set: { PG: \"$(dial)\" } }, trust: { ca: internal, file: %s/app-ca.crt, lands: activation } }\n"
	    "      pgbouncer: { match: { user: app }, dial: { file: %s/app.env, set: { PGB: \"$(dial)\" } }, trust: { ca: internal, file: %s/app-ca.crt, lands: activation } }\n"
	    "      redis: { match: { user: app }, dial: { disable: { file: %s/app.env, unset: [REDIS] }, verify-full: { file: %s/app.env, set: { REDIS: yes } } }, trust: { ca: internal, file: %s/app-ca.crt, lands: activation } }\n",
	    sv.dir, sv.dir, sv.postgres_port, sv.pgbouncer_port, sv.redis_port, sv.redis_tls_port, sv.dir, sv.dir, sv.dir,
	    sv.dir, sv.dir, sv.dir, sv.dir);
}

/* ---- one canary ---- */

struct flight {
	struct canary_run *run;
	struct canary c;
	int64_t	 first_at_ms, last_at_ms;	/* when the first and the last good one began */
	uint64_t seen;
};

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
on_report(void *arg, const struct canary_report *r)
{
	struct flight *f = arg;
	size_t i;

	for (i = 0; i < r->n; i++) {
		canary_see(&f->c, &r->v[i]);
		if (r->v[i].saw != CANARY_OK)
			continue;
		f->seen++;
		if (f->first_at_ms == 0)
			f->first_at_ms = r->v[i].at_ms;
		f->last_at_ms = r->v[i].at_ms;
	}
	canary_run_ask(f->run, on_report, f);
}

static void
take_off(struct flight *f, int link, int64_t hang_ms)
{
	struct canary_terms t;

	canary_run_free(flying);	/* of a test that failed */
	memset(f, 0, sizeof(*f));
	canary_terms_default(&t);
	t.every_ms = EVERY_MS;
	t.hang_ms = hang_ms;
	canary_begin(&f->c, &t, wall_ms());
	uv_update_time(&loop);
	flying = f->run = canary_run_new(&set, link, DIAL_UNKNOWN, &t);
	canary_run_ask(f->run, on_report, f);
}

/* Until so many more of a counter. */
static void
until_more(struct flight *f, const uint64_t *counter, uint64_t more)
{
	uint64_t from = *counter;
	time_t end = time(NULL) + 30;

	while (*counter < from + more && time(NULL) < end)
		(void)uv_run(&loop, UV_RUN_ONCE);
	if (*counter < from + more) {
		struct buf b = { 0 };

		canary_summary(&b, &f->c, wall_ms());
		fail_msg("not within 30 s: %s", buf_str(&b));
	}
}

static void
land(struct flight *f)
{
	int i;

	canary_run_free(f->run);
	flying = NULL;
	for (i = 0; i < 20; i++)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
}

static void
write_env(const char *text)
{
	servers_write(&sv, "app.env", text);
}

static void
client_ca(const char *name)
{
	servers_run("cp '%s/%s.crt' '%s/app-ca.crt'", sv.dir, name, sv.dir);
}

static void
redis_up(void)
{
	char plain[16], tls[16], ca[300], cert[300], key[300];
	const char *more[] = { "--port", plain, "--tls-port", tls, "--tls-ca-cert-file", ca, "--tls-cert-file", cert,
		"--tls-key-file", key, "--tls-auth-clients", "no", "--requirepass", "probe pw", "--save", "", NULL };

	(void)snprintf(plain, sizeof(plain), "%d", sv.redis_port);
	(void)snprintf(tls, sizeof(tls), "%d", sv.redis_tls_port);
	(void)snprintf(ca, sizeof(ca), "%s/ca.crt", sv.dir);
	(void)snprintf(cert, sizeof(cert), "%s/good.crt", sv.dir);
	(void)snprintf(key, sizeof(key), "%s/good.key", sv.dir);
	servers_redis(&sv, more);
}

/* ---- what it says ---- */

static void
they_come_at_their_pace_and_one_session_is_held(void **state)
{
	static struct flight f;
	char *n;

	(void)state;
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	write_env("PG=verify-full\n");
	client_ca("ca");
	take_off(&f, LINK_POSTGRES, 10000);
	until_more(&f, &f.seen, 12);
	assert_int_equal(f.c.failed + f.c.hung, 0);
	assert_int_equal(f.c.held, 1);
	/* A timer may be late, and the next one not: but they do not come sooner all together. */
	assert_true(f.last_at_ms - f.first_at_ms >= ((int64_t)f.seen - 2) * EVERY_MS);
	n = servers_ask(&sv, "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'belay-rehearsal' AND state = 'idle'");
	assert_int_not_equal(n[0], '0');
	free(n);
	land(&f);
}

static void
a_ca_file_made_wrong_fails_the_next_ones_and_put_right_they_come_through(void **state)
{
	static struct flight f;

	(void)state;
	take_off(&f, LINK_POSTGRES, 10000);
	until_more(&f, &f.c.ok, 3);
	client_ca("otherca");
	until_more(&f, &f.c.failed, 3);
	assert_non_null(strstr(f.c.first_why, "certificate verify failed"));
	assert_int_equal(f.c.cut, 0);
	client_ca("ca");
	until_more(&f, &f.c.ok, 3);
	assert_int_equal(f.c.hung, 0);
	assert_int_equal(canary_state(&f.c), CANARY_WELL);
	assert_true(canary_failed_ms(&f.c, wall_ms()) >= 2 * EVERY_MS);
	land(&f);
}

static void
a_server_that_says_nothing_hangs_them_and_no_more_than_four(void **state)
{
	static struct flight f;

	(void)state;
	take_off(&f, LINK_POSTGRES, 2000);
	until_more(&f, &f.c.ok, 2);
	assert_int_equal(kill(sv.postgres, SIGSTOP), 0);
	until_more(&f, &f.c.hung, 4);
	assert_int_equal(kill(sv.postgres, SIGCONT), 0);
	assert_int_equal(f.c.failed, 0);
	/* Two seconds to hang, and one every 150 ms: there is no room for all of them. */
	until_more(&f, &f.c.ok, 2);
	assert_true(f.c.left_out > 0);
	land(&f);
}

static void
the_held_session_cut_by_the_server_is_told_and_held_anew(void **state)
{
	static struct flight f;
	uint64_t held;

	(void)state;
	take_off(&f, LINK_POSTGRES, 10000);
	until_more(&f, &f.c.held, 1);
	held = f.c.held;
	/* The oldest of ours: those that come and go are younger. */
	servers_sql(&sv, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'belay-rehearsal' "
	    "AND state = 'idle' ORDER BY backend_start LIMIT 1");
	until_more(&f, &f.c.cut, 1);
	assert_true(f.c.breached);
	while (f.c.held == held)
		until_more(&f, &f.c.ok, 1);
	land(&f);
}

static void
a_server_that_is_gone_is_no_cut_of_our_own_way(void **state)
{
	static struct flight f;

	(void)state;
	take_off(&f, LINK_POSTGRES, 10000);
	until_more(&f, &f.c.held, 1);
	canary_expect(&f.c, true, wall_ms());
	servers_stop(&sv, &sv.postgres);
	until_more(&f, &f.c.failed, 2);
	assert_int_equal(f.c.cut, 1);
	assert_int_equal(f.c.cut_expected, 1);
	assert_false(f.c.breached);
	servers_postgres(&sv, "good", HBA_BOTH, NULL);
	until_more(&f, &f.c.ok, 2);
	land(&f);
}

static void
a_pooler_is_dialled_at_its_console(void **state)
{
	static struct flight f;

	(void)state;
	servers_pgbouncer(&sv, "admin_users = belay_probe\n");
	write_env("PGB=disable\n");
	take_off(&f, LINK_PGBOUNCER, 10000);
	until_more(&f, &f.c.ok, 3);
	assert_int_equal(f.c.failed + f.c.hung, 0);
	land(&f);
	servers_stop(&sv, &sv.pgbouncer);
}

static long
redis_says(const char *command, const char *field)
{
	char *out;
	long n;

	servers_run("REDISCLI_AUTH='probe pw' redis-cli -h 127.0.0.1 -p %d %s | grep -o '%s' | sed 's/.*://' | head -n 1 >'%s/said'",
	    sv.redis_port, command, field, sv.dir);
	out = servers_read(&sv, "said");
	n = strtol(out, NULL, 10);
	free(out);
	return n;
}

static void
a_redis_counts_each_and_we_say_so_of_each(void **state)
{
	static struct flight f;
	long before, after;

	(void)state;
	redis_up();
	write_env("REDIS=yes\n");
	client_ca("ca");
	before = redis_says("INFO stats", "total_connections_received:[0-9]*");
	made = 0;
	take_off(&f, LINK_REDIS, 10000);
	until_more(&f, &f.c.ok, 5);
	assert_int_equal(f.c.failed + f.c.hung, 0);
	assert_int_equal(f.c.held, 1);
	servers_run("REDISCLI_AUTH='probe pw' redis-cli -h 127.0.0.1 -p %d CLIENT LIST | grep -q ' name=" OWN_NAME " '",
	    sv.redis_port);
	land(&f);
	/* Ours, and the two that asked. */
	after = redis_says("INFO stats", "total_connections_received:[0-9]*");
	assert_int_equal(after - before - 2, made);
	servers_stop(&sv, &sv.redis);
}

static int
set_up(void **state)
{
	struct session_config config = { .name = "here", .local = true };
	struct hostops_config hc;
	struct err err;
	char *text;

	(void)state;
	(void)signal(SIGPIPE, SIG_IGN);
	servers_up(&sv);
	sv.postgres_port = servers_free_port();
	sv.pgbouncer_port = servers_free_port();
	sv.redis_port = servers_free_port();
	sv.redis_tls_port = servers_free_port();
	text = fleet_text();
	if (fleet_parse(&fleet, "fleet.yaml", text, strlen(text), &err) != 0) {
		print_error("%s\n", err.msg);
		return -1;
	}
	free(text);
	(void)uv_loop_init(&loop);
	keyring = keyring_new(&loop);
	session = session_new(&loop, keyring, &config, NULL, NULL);
	memset(&hc, 0, sizeof(hc));
	hc.loop = &loop;
	hc.fleet = fleet;
	hc.session = session_of;
	hostops = hostops_new(&hc);
	set.loop = &loop;
	set.fleet = fleet;
	set.hostops = hostops;
	set.session = session_of;
	set.secret = secret_of;
	set.redis_name = OWN_NAME;
	set.made = on_made;
	return 0;
}

static int
tear_down(void **state)
{
	time_t end = time(NULL) + 30;

	(void)state;
	canary_run_free(flying);
	hostops_free(hostops);
	session_free(session);
	keyring_free(keyring);
	while (uv_loop_alive(&loop) && time(NULL) < end)
		(void)uv_run(&loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&loop), 0);
	fleet_free(fleet);
	servers_down(&sv);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_come_at_their_pace_and_one_session_is_held),
		cmocka_unit_test(a_ca_file_made_wrong_fails_the_next_ones_and_put_right_they_come_through),
		cmocka_unit_test(a_server_that_says_nothing_hangs_them_and_no_more_than_four),
		cmocka_unit_test(the_held_session_cut_by_the_server_is_told_and_held_anew),
		cmocka_unit_test(a_server_that_is_gone_is_no_cut_of_our_own_way),
		cmocka_unit_test(a_pooler_is_dialled_at_its_console),
		cmocka_unit_test(a_redis_counts_each_and_we_say_so_of_each),
	};

	return cmocka_run_group_tests_name("canary", tests, set_up, tear_down);
}
