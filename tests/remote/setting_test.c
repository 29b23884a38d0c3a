/*
 * Settings of real servers, set and put back under the lock of a real host:
 * by name and value, whatever happens in between.
 * time limit: 900
 *
 * What a server has is looked at by its own tools, never by belay.
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

#include "core/buf.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/setting.h"
#include "core/wayback.h"
#include "ops_fixture.h"
#include "remote/probe.h"
#include "servers.h"

#define NAMES 2

struct subject {
	const char *endpoint;
	enum kind kind;
	bool	 persist;
	const char *name[NAMES];
	const char *before[NAMES];	/* NULL: postgresql.auto.conf has nothing of it */
	const char *after[NAMES];	/* NULL: unset */
	const char *other;		/* what somebody else makes of the first */
};

static const struct subject subjects[] = {
	{ "postgres", KIND_POSTGRES, true, { "work_mem", "log_min_duration_statement" }, { NULL, "100" },
	    { "7MB", "250" }, "9MB" },
	{ "postgres", KIND_POSTGRES, true, { "application_name", "lock_timeout" }, { "it's \\ so", "1000" },
	    { NULL, "2s" }, "x" },
	{ "pgbouncer", KIND_PGBOUNCER, false, { "query_timeout", "server_idle_timeout" }, { "0", "600" },
	    { "7", "60" }, "8" },
	{ "redis", KIND_REDIS, true, { "timeout", "maxmemory-policy" }, { "0", "noeviction" },
	    { "30", "allkeys-lru" }, "31" },
	{ "redis", KIND_REDIS, false, { "maxmemory", "maxmemory-policy" }, { "0", "noeviction" },
	    { "100mb", "allkeys-lru" }, "5" },
};
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static struct servers sv;
static struct probes *probes;
static int run_number;
static unsigned points, failures;

static struct session *
session_of(void *arg, int host)
{
	(void)host;
	return ((struct world *)arg)->session;
}

static const char *
secret_of(void *arg, int secret, const char **ret_why)
{
	(void)arg;
	(void)secret;
	(void)ret_why;
	return "probe pw";
}

static char *
fleet_of_test(void)
{
	return mem_printf("belay: fleet/1\nenvironment: test\nhosts: { here: { local: yes, state: %s/state } }\n"
	    "secrets: { pw: { prompt: it } }\n"
	    "units: { all: { host: here, run: \"true\", kind: reload, restarts: [] } }\n"
	    "endpoints:\n"
	    "  postgres: { kind: postgres, unit: all, listen: { both: %d, at: 127.0.0.1 }, "
	    "admin: { user: boss, password: pw } }\n"
	    "  pgbouncer: { kind: pgbouncer, unit: all, listen: { both: %d, at: 127.0.0.1 }, "
	    "admin: { user: belay_probe, password: pw } }\n"
	    "  redis: { kind: redis, unit: all, listen: { plain: %d, at: 127.0.0.1 }, probe: { password: pw } }\n",
	    base, sv.postgres_port, sv.pgbouncer_port, sv.redis_port);
}

/* ---- the servers, by their own tools ---- */

static char *
said_by(const char *command)
{
	char *text = mem_alloc(65536);
	FILE *f = popen(command, "r");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, 65535, f);
	text[n] = '\0';
	(void)pclose(f);
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = '\0';
	return text;
}

static char *
console(const char *sql)
{
	char *command = mem_printf("PGPASSWORD='probe pw' psql -XqAt -h 127.0.0.1 -p %d -U belay_probe -d pgbouncer "
	    "-c \"%s\"", sv.pgbouncer_port, sql), *said = said_by(command);

	free(command);
	return said;
}

static char *
redis(const char *words)
{
	char *command = mem_printf("REDISCLI_AUTH='probe pw' redis-cli -h 127.0.0.1 -p %d %s", sv.redis_port, words);
	char *said = said_by(command);

	free(command);
	return said;
}

/* What the server has of a name; NULL: nothing.  The caller frees. */
static char *
actual(const struct subject *s, size_t i)
{
	char *command, *said, *value;

	switch (s->kind) {
	case KIND_POSTGRES:
		command = mem_printf("SELECT '=' || setting FROM pg_file_settings WHERE name = '%s' AND sourcefile LIKE "
		    "'%%postgresql.auto.conf'", s->name[i]);
		said = servers_ask(&sv, command);
		free(command);
		value = said[0] == '=' ? mem_strndup(said + 1, strcspn(said + 1, "\n")) : NULL;
		free(said);
		return value;
	case KIND_PGBOUNCER:
		command = mem_printf("SHOW CONFIG\" | sed -n \"s/^%s|\\([^|]*\\)|.*/\\1/p", s->name[i]);
		said = console(command);
		free(command);
		return said;
	case KIND_REDIS:
		command = mem_printf("CONFIG GET %s | sed -n 2p", s->name[i]);
		said = redis(command);
		free(command);
		return said;
	}
	return NULL;
}

static void
somebody_sets(const struct subject *s, size_t i, const char *value)
{
	char *command;

	switch (s->kind) {
	case KIND_POSTGRES:
		command = value == NULL ? mem_printf("ALTER SYSTEM RESET %s", s->name[i]) :
		    mem_printf("ALTER SYSTEM SET %s = \\$\\$%s\\$\\$", s->name[i], value);
		if (value != NULL) {
			struct buf b;

			buf_init(&b, 0);
			(void)buf_printf(&b, "ALTER SYSTEM SET %s = ", s->name[i]);
			(void)buf_putc(&b, '\'');
			for (; *value != '\0'; value++) {
				if (*value == '\'')
					(void)buf_putc(&b, '\'');
				/* It goes through the double quotes of a shell. */
				(void)buf_puts(&b, *value == '\\' ? "\\\\" : "");
				if (*value != '\\')
					(void)buf_putc(&b, *value);
			}
			(void)buf_putc(&b, '\'');
			free(command);
			command = buf_take(&b, NULL);
		}
		servers_sql(&sv, command);
		free(command);
		return;
	case KIND_PGBOUNCER:
		command = mem_printf("SET %s = '%s'", s->name[i], value);
		free(console(command));
		free(command);
		return;
	case KIND_REDIS:
		command = mem_printf("CONFIG SET %s '%s'", s->name[i], value);
		free(redis(command));
		free(command);
		return;
	}
}

static bool
has(const struct subject *s, const char *const values[])
{
	bool same = true;
	size_t i;

	for (i = 0; i < NAMES; i++) {
		char *is = actual(s, i);

		if (!setting_same(s->kind, is, values[i])) {
			print_error("%s: %s is '%s', not '%s'\n", s->endpoint, s->name[i], is == NULL ? "(none)" : is,
			    values[i] == NULL ? "(none)" : values[i]);
			same = false;
		}
		free(is);
	}
	return same;
}

/* What a restart would bring, of a Redis. */
static bool
kept(const char *name, const char *value)
{
	char *conf = servers_read(&sv, "redis.conf"), *line = mem_printf("\n%s %s\n", name, value);
	bool there = strstr(conf, line) != NULL;

	free(conf);
	free(line);
	return there;
}

static void
redis_up(bool with_file)
{
	static char conf[300];
	const char *const file[] = { "/usr/bin/redis-server", conf, NULL };
	const char *const bare[] = { "--port", NULL, "--requirepass", "probe pw", NULL };
	const char *argv[5];
	char port[16], *text;
	int i;

	servers_stop(&sv, &sv.redis);
	if (with_file) {
		(void)snprintf(conf, sizeof(conf), "%s/redis.conf", sv.dir);
		text = mem_printf("bind 127.0.0.1\nport %d\nrequirepass \"probe pw\"\nsave \"\"\ndir %s\n", sv.redis_port,
		    sv.dir);
		servers_write(&sv, "redis.conf", text);
		servers_run("chown --reference=%s %s/redis.conf", sv.dir, sv.dir);
		free(text);
		sv.redis = servers_spawn(&sv, "redis", file);
		servers_run("for i in $(seq 500); do REDISCLI_AUTH='probe pw' redis-cli -h 127.0.0.1 -p %d ping 2>/dev/null | "
		    "grep -q PONG && exit 0; sleep 0.01; done; exit 1", sv.redis_port);
		return;
	}
	(void)snprintf(port, sizeof(port), "%d", sv.redis_port);
	for (i = 0; i < 5; i++)
		argv[i] = i == 1 ? port : bare[i];
	servers_redis(&sv, argv);
}

static int
group_up(void **state)
{
	(void)state;
	servers_up(&sv);
	servers_postgres(&sv, NULL, "host all all 127.0.0.1/32 scram-sha-256", "");
	servers_sql(&sv, "CREATE ROLE boss LOGIN SUPERUSER PASSWORD 'probe pw'");
	servers_pgbouncer(&sv, "admin_users = belay_probe\n");
	sv.redis_port = port_free();
	redis_up(true);
	return 0;
}

static int
group_down(void **state)
{
	(void)state;
	print_message("points tried: %u, failures: %u\n", points, failures);
	servers_down(&sv);
	return 0;
}

static int
set_up(void **state)
{
	struct probes_config pc;
	struct hostops_config hc;

	(void)state;
	if (ops_set_up(fleet_of_test) != 0)
		return -1;
	memset(&pc, 0, sizeof(pc));
	memset(&hc, 0, sizeof(hc));
	pc.loop = hc.loop = &w.loop;
	pc.fleet = hc.fleet = w.fleet;
	pc.session = hc.session = session_of;
	pc.secret = secret_of;
	pc.arg = hc.arg = &w;
	memset(hc.key, 7, sizeof(hc.key));
	probes = hc.probes = probes_new(&pc);
	hostops_free(w.set);
	w.set = hostops_new(&hc);
	return 0;
}

static int
tear_down(void **state)
{
	hostops_free(w.set);
	w.set = NULL;
	probes_free(probes);
	return ops_tear_down(state);
}

/* A new op, on a server that has the values of before. */
static void
begin(const struct subject *s)
{
	size_t i;

	for (i = 0; i < NAMES; i++)
		somebody_sets(s, i, s->before[i]);
	assert_true(has(s, s->before));
	op_release(&w.order.op);
	w.order.op.kind = OP_SETTING;
	w.order.op.mode = -1;
	w.order.op.unit = NONE;
	w.order.op.endpoint = fleet_endpoint(w.fleet, s->endpoint);
	w.order.op.persist = s->persist;
	w.order.token = 0;
	w.order.expect_sha[0] = '\0';
	(void)snprintf(w.order.op.id, sizeof(w.order.op.id), "run-%d/step/1", ++run_number);
	for (i = 0; i < NAMES; i++)
		if (s->after[i] == NULL)
			*(char **)mem_push(&w.order.op.unset.v, &w.order.op.unset.n, sizeof(char *)) =
			    mem_strdup(s->name[i]);
		else
			setting_push(&w.order.op.set, s->name[i], s->after[i]);
}

static void
expect_of_preview(void)
{
	(void)snprintf(w.order.expect_sha, sizeof(w.order.expect_sha), "%s", w.result.before_sha);
}

static void
expect_of_apply(void)
{
	(void)snprintf(w.order.expect_sha, sizeof(w.order.expect_sha), "%s", w.result.after_sha);
}

static void
assert_said(const char *text, const char *words)
{
	if (text == NULL || strstr(text, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, text == NULL ? "(nothing)" : text);
}

/* ---- claims ---- */

static void
settings_come_and_go_by_value(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];

		begin(s);
		check(OPV_RECORD, OP_FRESH);
		check(OPV_OBSERVE, OP_FRESH);
		assert_said(w.result.text, s->kind == KIND_POSTGRES ? "(ALTER SYSTEM; takes effect at a reload)" :
		    s->kind == KIND_PGBOUNCER ? "gone at a RELOAD or a restart" : s->persist ? "redis.conf)" :
		    "lost at a restart");
		expect_of_preview();
		check(OPV_APPLY, OP_APPLIED);
		assert_true(has(s, s->after));
		if (s->kind == KIND_REDIS)
			assert_int_equal(kept(s->name[1], s->after[1]), s->persist);
		check(OPV_RECORD, OP_APPLIED);
		check(OPV_APPLY, OP_APPLIED);
		check(OPV_OBSERVE, s->kind == KIND_REDIS && s->persist ? OP_FRESH : OP_IN_PLACE);
		check(OPV_RECORD, OP_APPLIED);
		expect_of_apply();
		check(OPV_UNDO, OP_RESTORED);
		assert_true(has(s, s->before));
		if (s->kind == KIND_REDIS)
			assert_false(kept(s->name[1], s->after[1]));
		check(OPV_RECORD, OP_RESTORED);
		check(OPV_UNDO, OP_RESTORED);
		assert_true(has(s, s->before));
		w.order.expect_sha[0] = '\0';
		check(OPV_APPLY, OP_APPLIED);
		assert_true(has(s, s->after));
		check(OPV_UNDO, OP_RESTORED);
		assert_true(has(s, s->before));
	}
}

static void
what_somebody_changed_is_drift_and_left_alone(void **state)
{
	size_t i;
	char *now;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];
		const char *const theirs[NAMES] = { s->other, s->after[1] };

		begin(s);
		check(OPV_OBSERVE, OP_FRESH);
		expect_of_preview();
		somebody_sets(s, 0, s->other);
		check(OPV_APPLY, OP_DRIFTED);		/* between preview and apply */
		somebody_sets(s, 0, s->before[0]);
		check(OPV_APPLY, OP_APPLIED);
		expect_of_apply();
		somebody_sets(s, 0, s->other);
		check(OPV_UNDO, OP_DRIFTED);		/* between apply and undo */
		assert_said(w.result.text, s->name[0]);
		assert_said(w.result.text, s->other);
		assert_true(has(s, theirs));
		check(OPV_APPLY, OP_DRIFTED);
		assert_true(has(s, theirs));
		if (s->after[0] == NULL) {		/* as we had it */
			somebody_sets(s, 0, NULL);
			check(OPV_UNDO, OP_RESTORED);
		} else {				/* as it was before */
			somebody_sets(s, 0, s->before[0]);
			check(OPV_UNDO, OP_RESTORED);
		}
		assert_true(has(s, s->before));
	}
	now = actual(&subjects[0], 0);
	assert_null(now);
}

static void
what_somebody_set_is_kept_where_that_is_wanted(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];
		const char *const kept[NAMES] = { s->other, s->before[1] };

		begin(s);
		check(OPV_OBSERVE, OP_FRESH);
		expect_of_preview();
		check(OPV_APPLY, OP_APPLIED);
		expect_of_apply();
		somebody_sets(s, 0, s->other);
		check(OPV_UNDO, OP_DRIFTED);
		w.order.keep = true;
		check(OPV_UNDO, OP_RESTORED);
		w.order.keep = false;
		assert_true(has(s, kept));
		somebody_sets(s, 0, s->before[0]);
	}
}

static void
who_was_taken_over_sets_nothing(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		begin(&subjects[i]);
		w.order.token = 100 + (int64_t)i * 2;
		check(OPV_APPLY, OP_APPLIED);
		w.order.token--;
		check(OPV_UNDO, OP_FAILED);
		assert_said(w.result.why, "took this run over");
		assert_true(has(&subjects[i], subjects[i].after));
		w.order.token += 2;
		check(OPV_UNDO, OP_RESTORED);
		w.order.token--;
		check(OPV_APPLY, OP_FAILED);
		assert_true(has(&subjects[i], subjects[i].before));
	}
}

static void
set_only(const char *name, const char *value)
{
	struct pairs *set = &w.order.op.set;

	pairs_release(set);
	setting_push(set, name, value);
}

static void
what_a_server_cannot_take_leaves_nothing_behind(void **state)
{
	static const struct { size_t subject; const char *name, *value, *why; } cases[] = {
		{ 0, "no_such_setting", "1", "knows no 'no_such_setting'" },
		{ 0, "server_version", "1", "cannot be changed in a running server" },
		{ 0, "work_mem", "much", "refuses (22023): invalid value" },
		{ 0, "data_directory", "/tmp", "refuses (55P02)" },
		{ 2, "no_such_setting", "1", "knows no 'no_such_setting'" },
		{ 2, "listen_port", "1", "cannot be changed in a running pgbouncer" },
		{ 3, "no-such-setting", "1", "knows no 'no-such-setting'" },
		{ 3, "timeout", "many", "refuses: ERR" },
		{ 3, "port", "0", "no port any more" },
	};
	const struct subject *s;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		s = &subjects[cases[i].subject];
		begin(s);
		set_only(cases[i].name, cases[i].value);
		check(OPV_APPLY, OP_FAILED);
		assert_said(w.result.why, cases[i].why);
		assert_true(has(s, s->before));
		check(OPV_UNDO, OP_RESTORED);
		assert_true(has(s, s->before));
	}
	/* The second of two is refused: the first is put back. */
	begin(&subjects[0]);
	free(w.order.op.set.v[1].value);
	w.order.op.set.v[1].value = mem_strdup("nonsense");
	check(OPV_APPLY, OP_FAILED);
	assert_said(w.result.why, "refuses (22023)");
	assert_said(w.result.why, "was put back");
	assert_true(has(&subjects[0], subjects[0].before));
	check(OPV_RECORD, OP_FAILED);
	check(OPV_UNDO, OP_RESTORED);
	free(w.order.op.set.v[1].value);
	w.order.op.set.v[1].value = mem_strdup("250");
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
}

static void
what_the_command_line_says_is_not_set(void **state)
{
	static const struct subject s = { "postgres", KIND_POSTGRES, true, { "work_mem", "lock_timeout" },
	    { NULL, NULL }, { "7MB", "1000" }, "9MB" };
	char data[300], program[300];
	const char *argv[] = { program, "-D", data, "-c", "work_mem=3MB", NULL };

	(void)state;
	servers_stop(&sv, &sv.postgres);
	(void)snprintf(program, sizeof(program), "%s/postgres", sv.bindir);
	(void)snprintf(data, sizeof(data), "%s/data", sv.dir);
	sv.postgres = servers_spawn(&sv, "postgres", argv);
	servers_run("for i in $(seq 500); do %s/pg_isready -q -h %s -p %d && exit 0; sleep 0.01; done; exit 1",
	    sv.bindir, sv.dir, sv.postgres_port);
	begin(&s);
	check(OPV_OBSERVE, OP_FAILED);
	assert_said(w.result.why, "command line");
	check(OPV_APPLY, OP_FAILED);
	assert_said(w.result.why, "command line");
	assert_true(has(&s, s.before));
	servers_postgres(&sv, NULL, "host all all 127.0.0.1/32 scram-sha-256", "");
}

static void
a_restart_is_named_where_it_is_needed(void **state)
{
	(void)state;
	begin(&subjects[0]);
	set_only("max_connections", "50");
	check(OPV_OBSERVE, OP_FRESH);
	assert_said(w.result.text, "+max_connections = 50  (ALTER SYSTEM; needs a restart)");
	assert_said(w.result.text, "postgresql.conf");
}

static void
a_redis_without_a_file_says_before_that_it_keeps_nothing(void **state)
{
	const struct subject *s = &subjects[3];

	(void)state;
	redis_up(false);
	begin(s);
	check(OPV_OBSERVE, OP_FAILED);
	assert_said(w.result.why, "without a configuration file");
	check(OPV_APPLY, OP_FAILED);
	assert_true(has(s, s->before));
	w.order.op.persist = false;
	check(OPV_OBSERVE, OP_FRESH);
	assert_said(w.result.text, "lost at a restart");
	check(OPV_APPLY, OP_APPLIED);
	assert_true(has(s, s->after));
	check(OPV_UNDO, OP_RESTORED);
	/* A file that its server may not write: set, not kept, and so put back. */
	redis_up(true);
	servers_run("rm %s/redis.conf && mkdir %s/redis.conf", sv.dir, sv.dir);
	begin(s);
	check(OPV_APPLY, OP_FAILED);
	assert_said(w.result.why, "refuses: ERR Rewriting config file");
	assert_said(w.result.why, "was put back");
	assert_true(has(s, s->before));
	check(OPV_UNDO, OP_RESTORED);
	servers_run("rmdir %s/redis.conf", sv.dir);
	redis_up(true);
}

/* What must hold after a cut, wherever it was: the host and the server know together. */
static void
judge_cut(const struct subject *s, enum op_verb verb, bool finish)
{
	enum op_outcome outcome = ops_ask(OPV_RECORD, DEADLINE_MS);
	bool bad = false;

	points++;
	if (verb == OPV_APPLY) {
		bad = (outcome == OP_FRESH && !has(s, s->before)) || (outcome == OP_APPLIED && !has(s, s->after)) ||
		    (outcome != OP_FRESH && outcome != OP_APPLIED && outcome != OP_CUT);
		if (finish && (ops_ask(OPV_APPLY, DEADLINE_MS) != OP_APPLIED || !has(s, s->after) ||
		    (s->kind == KIND_REDIS && s->persist && !kept(s->name[1], s->after[1]))))
			bad = true;
	} else
		bad = (outcome == OP_RESTORED && !has(s, s->before)) || (outcome == OP_APPLIED && !has(s, s->after)) ||
		    (outcome != OP_RESTORED && outcome != OP_APPLIED && outcome != OP_CUT);
	if (bad)
		print_error("%s: %s after the cut: %s\n", s->endpoint, op_outcome_word(outcome),
		    w.result.why == NULL ? "" : w.result.why);
	if (ops_ask(OPV_UNDO, DEADLINE_MS) != OP_RESTORED || !has(s, s->before) ||
	    (s->kind == KIND_REDIS && s->persist && kept(s->name[1], s->after[1])) ||
	    ops_ask(OPV_UNDO, DEADLINE_MS) != OP_RESTORED || !has(s, s->before)) {
		print_error("%s: the undo: %s: %s\n", s->endpoint, op_outcome_word(w.result.outcome),
		    w.result.why == NULL ? "" : w.result.why);
		bad = true;
	}
	failures += bad;
}

/* One call, and its worker gone at a turn of its loop; whether it was still under way. */
static bool
cut_at(enum op_verb verb, int turn)
{
	struct hostop *h;
	int i;

	w.answers = 0;
	h = hostops_op(w.set, verb, &w.order, DEADLINE_MS, ops_done, ops_text, &w);
	for (i = 0; i < turn && w.answers == 0; i++)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	if (w.answers > 0)
		return false;
	hostop_cancel(h);
	for (i = 0; i < 20; i++)
		(void)uv_run(&w.loop, UV_RUN_NOWAIT);
	return true;
}

static int
stride(int ordinary)
{
	return getenv("BELAY_TORTURE") != NULL ? 1 : ordinary;
}

static void
a_worker_that_dies_at_any_turn_leaves_what_can_be_finished(void **state)
{
	unsigned was = failures;
	size_t i;
	int turn;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];

		for (turn = 1 + (int)i % 2; ; turn += stride(9)) {
			begin(s);
			if (!cut_at(OPV_APPLY, turn))
				break;
			judge_cut(s, OPV_APPLY, turn % 3 == 0);
		}
		check(OPV_UNDO, OP_RESTORED);
		for (turn = 1; ; turn += stride(11)) {
			begin(s);
			check(OPV_APPLY, OP_APPLIED);
			if (!cut_at(OPV_UNDO, turn))
				break;
			judge_cut(s, OPV_UNDO, false);
		}
		assert_true(has(s, s->before));
	}
	assert_int_equal(failures, was);
}

static void
a_host_that_dies_at_any_command_leaves_what_can_be_finished(void **state)
{
	static const char *const when[] = { "before", "after" };
	unsigned was = failures;
	size_t i, k;
	int at;
	bool fired;

	(void)state;
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];

		for (k = 0; k < 2; k++) {
			for (at = 1, fired = true; fired; at += stride(11)) {
				begin(s);
				fired = ops_killed(OPV_APPLY, at, when[k]);
				judge_cut(s, OPV_APPLY, at % 2 == 0);
			}
			for (at = 1, fired = true; fired; at += stride(11)) {
				begin(s);
				check(OPV_APPLY, OP_APPLIED);
				fired = ops_killed(OPV_UNDO, at, when[k]);
				judge_cut(s, OPV_UNDO, false);
			}
		}
	}
	assert_int_equal(failures, was);
}

static void
a_server_that_hangs_does_not_keep_the_lock(void **state)
{
	const struct subject *s = &subjects[2];
	time_t began;

	(void)state;
	begin(s);
	assert_int_equal(kill(sv.pgbouncer, SIGSTOP), 0);
	assert_int_equal(ops_ask(OPV_APPLY, 1500), OP_FAILED);
	began = time(NULL);
	begin(&subjects[0]);
	check(OPV_APPLY, OP_APPLIED);
	assert_true(time(NULL) - began < 8);
	check(OPV_UNDO, OP_RESTORED);
	assert_int_equal(kill(sv.pgbouncer, SIGCONT), 0);
	begin(s);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
}

static void
a_record_that_is_not_of_these_settings_is_not_believed(void **state)
{
	const struct subject *s = &subjects[0];
	char path[512];

	(void)state;
	begin(s);
	check(OPV_APPLY, OP_APPLIED);
	(void)snprintf(path, sizeof(path), "%s/state/runs/%s/before", base, w.order.op.id);
	write_text(path, "set work_mem 1MB\nset archive_command rm\n", 0600);
	check(OPV_UNDO, OP_FAILED);
	assert_said(w.result.why, "damaged");
	assert_true(has(s, s->after));
	write_text(path, "unset work_mem\nset log_min_duration_statement 100\n", 0600);
	check(OPV_UNDO, OP_RESTORED);
	assert_true(has(s, s->before));
}

static void
without_the_record_what_stands_is_not_called_restored(void **state)
{
	const struct subject *s = &subjects[0];

	(void)state;
	begin(s);
	check(OPV_APPLY, OP_APPLIED);
	expect_of_apply();
	servers_run("rm -rf %s/state/runs", base);
	check(OPV_UNDO, OP_FAILED);
	assert_said(w.result.why, "no record of this run any more");
	somebody_sets(s, 0, s->before[0]);
	check(OPV_UNDO, OP_RESTORED);
}

/* The way back without belay, by the servers' own clients: its exit status. */
static int
by_hand(void)
{
	char path[512], run[32], *command;
	struct buf b;
	int status;

	(void)snprintf(run, sizeof(run), "run-%d", run_number);
	buf_init(&b, 0);
	wayback_of_ops(&b, w.fleet, 0, run, &w.order.op, 1);
	(void)snprintf(path, sizeof(path), "%s/back.sh", base);
	write_text(path, buf_str(&b), 0700);
	assert_null(strstr(buf_str(&b), "probe pw"));
	buf_release(&b);
	command = mem_printf("PGPASSWORD='probe pw' REDISCLI_AUTH='probe pw' sh %s 2>%s/back.log", path, base);
	status = system(command);
	free(command);
	(void)snprintf(path, sizeof(path), "%s/back.log", base);
	(void)read_text(path);
	return status;
}

static void
hands_put_back_the_same(void **state)
{
	char log[512];
	size_t i;

	(void)state;
	(void)snprintf(log, sizeof(log), "%s/back.log", base);
	for (i = 0; i < SUBJECTS; i++) {
		const struct subject *s = &subjects[i];
		const char *const theirs[NAMES] = { s->other, s->after[1] };

		begin(s);
		check(OPV_APPLY, OP_APPLIED);
		if (s->name[0] != subjects[4].name[0]) {	/* whose value is said otherwise than it was told */
			somebody_sets(s, 0, s->other);
			assert_int_not_equal(by_hand(), 0);
			assert_true(has(s, theirs));
			assert_said(read_text(log), "changed since");
			somebody_sets(s, 0, s->before[0]);
		}
		if (by_hand() != 0)
			fail_msg("%s", read_text(log));
		assert_true(has(s, s->before));
		assert_int_equal(by_hand(), 0);
		assert_true(has(s, s->before));
		if (s->kind == KIND_REDIS && s->persist)
			assert_false(kept(s->name[1], s->after[1]));
		check(OPV_UNDO, OP_RESTORED);
		assert_true(has(s, s->before));
		assert_int_equal(by_hand(), 0);
	}
}

#define claim(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(settings_come_and_go_by_value),
		claim(what_somebody_changed_is_drift_and_left_alone),
		claim(what_somebody_set_is_kept_where_that_is_wanted),
		claim(who_was_taken_over_sets_nothing),
		claim(what_a_server_cannot_take_leaves_nothing_behind),
		claim(what_the_command_line_says_is_not_set),
		claim(a_restart_is_named_where_it_is_needed),
		claim(a_redis_without_a_file_says_before_that_it_keeps_nothing),
		claim(a_server_that_hangs_does_not_keep_the_lock),
		claim(a_record_that_is_not_of_these_settings_is_not_believed),
		claim(without_the_record_what_stands_is_not_called_restored),
		claim(hands_put_back_the_same),
		claim(a_worker_that_dies_at_any_turn_leaves_what_can_be_finished),
		claim(a_host_that_dies_at_any_command_leaves_what_can_be_finished),
	};
	int status;

	if (ops_killer(argv, &status))
		return status;
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, group_up, group_down);
}
