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
#include "core/mem.h"
#include "remote/canary.h"
#include "dial_fixture.h"

#define OWN_NAME "belay-0123456789abcdef"
#define EVERY_MS 150

static int made;
static struct canary_run *flying;

static void
on_made(void *arg, int endpoint)
{
	(void)arg;
	assert_int_equal(bench.fleet->endpoints[endpoint].kind, KIND_REDIS);
	made++;
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
	uv_update_time(&bench.loop);
	flying = f->run = canary_run_new(&bench.set, link, DIAL_UNKNOWN, &t);
	canary_run_ask(f->run, on_report, f);
}

/* Until so many more of a counter. */
static void
until_more(struct flight *f, const uint64_t *counter, uint64_t more)
{
	uint64_t from = *counter;
	time_t end = time(NULL) + 30;

	while (*counter < from + more && time(NULL) < end)
		(void)uv_run(&bench.loop, UV_RUN_ONCE);
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
		(void)uv_run(&bench.loop, UV_RUN_NOWAIT);
}

static void
redis_up(const char *clients)
{
	char plain[16], tls[16], ca[300], cert[300], key[300];
	const char *more[] = { "--port", plain, "--tls-port", tls, "--tls-ca-cert-file", ca, "--tls-cert-file", cert,
		"--tls-key-file", key, "--tls-auth-clients", clients, "--requirepass", "probe pw", "--save", "", NULL };

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
	dial_env("PG=verify-full\n");
	dial_ca("ca");
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
	dial_ca("otherca");
	until_more(&f, &f.c.failed, 3);
	assert_non_null(strstr(f.c.first_why, "certificate verify failed"));
	assert_int_equal(f.c.cut, 0);
	dial_ca("ca");
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
	dial_env("PGB=disable\n");
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
	char *env;

	(void)state;
	redis_up("no");
	env = mem_printf("REDIS=verify-full\nREDIS_CA=%s/app-ca.crt\n", sv.dir);
	dial_env(env);
	free(env);
	dial_ca("ca");
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
	if (dial_group_up(state) == -1)
		return -1;
	bench.set.redis_name = OWN_NAME;
	bench.set.made = on_made;
	return 0;
}

static int
tear_down(void **state)
{
	canary_run_free(flying);
	return dial_group_down(state);
}

static void
shown(int link)
{
	static struct flight f;

	take_off(&f, link, 10000);
	until_more(&f, &f.c.held, 1);
	until_more(&f, &f.seen, 6);
	assert_int_equal(f.c.failed + f.c.hung + f.c.cut, 0);
	land(&f);
}

/* Each new one and the one that is held: else a server that demands a certificate takes neither. */
static void
a_clients_certificate_is_shown_where_it_is_demanded(void **state)
{
	static struct flight f;

	(void)state;
	dial_ca("ca");
	dial_pair("clientonly", "clientonly");
	dial_postgres_asks(true);
	dial_env_showing("PG=verify-full", "PGCERT");
	shown(LINK_POSTGRES);
	servers_stop(&sv, &sv.postgres);
	redis_up("yes");
	dial_env_showing("REDIS=require", "REDISCERT");
	shown(LINK_REDIS);
	dial_env("REDIS=require\n");
	take_off(&f, LINK_REDIS, 10000);
	until_more(&f, &f.c.failed, 2);
	assert_int_equal(f.seen, 0);
	land(&f);
	dial_pair(NULL, NULL);
	servers_stop(&sv, &sv.redis);
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
		cmocka_unit_test(a_clients_certificate_is_shown_where_it_is_demanded),
	};

	return cmocka_run_group_tests_name("canary", tests, set_up, tear_down);
}
