/*
 * op: which ops a step becomes, and how they travel.
 *
 * A list of ops is printed one op a line and compared with what it should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/op.h"
#include "op_fixture.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  db: { address: 10.0.0.1, user: ops }\n"
    "  api-1: { address: 10.0.0.2, user: ops }\n"
    "  api-2: { address: 10.0.0.3, user: ops }\n"
    "units:\n"
    "  stack: { host: db, run: ./update.sh, in: /srv, deadline: 60s, restarts: [pg, redis] }\n"
    "  api: { host: api-1, run: systemctl restart api, restarts: [api] }\n"
    "  reload: { host: db, kind: reload, run: \"kill -HUP $(cat /run/pg.pid)\", restarts: [] }\n"
    "certs:\n"
    "  internal:\n"
    "    serves: [pg, redis]\n"
    "    install:\n"
    "      - { env: { on: [db], file: /srv/.env, set: { CA: \"$(ca.b64)\", KEY: \"$(key.b64)\" } } }\n"
    "      - { env: { on: [api-1, api-2], file: /srv/.env, set: { CA: \"$(ca.b64)\" } } }\n"
    "    lands: activation\n"
    "  files:\n"
    "    serves: [pg]\n"
    "    install:\n"
    "      - { file: { file: /etc/tls/server.key, content: \"$(key.pem)\", mode: \"0640\", owner: \"root:70\" } }\n"
    "      - { file: { file: /etc/tls/server.crt, content: \"$(leaf.pem)$(chain.pem)\" } }\n"
    "  lines:\n"
    "    serves: [pg]\n"
    "    install: [ { env: { on: [db], file: /srv/.env, set: { CA: \"$(ca.pem)\" } } } ]\n"
    "  beside: { serves: [pg], install: [ { env: { on: [db], file: /srv/.env, set: { LEAF: \"$(leaf.b64)\" } } } ] }\n"
    "  vault:\n"
    "    serves: [pg]\n"
    "    put: { on: db, run: put-secret, stdin: { CA: \"$(ca.b64)\", \"a key\": \"$(key.pem)\" }, touches: [/srv/a, /srv/b] }\n"
    "    undo: { on: db, run: take-back }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: stack\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      file: /srv/.env\n"
    "      plain: { unset: [PG_TLS] }\n"
    "      both:  { set: { PG_TLS: on } }\n"
    "      tls:   [ { set: { PG_TLS: on } }, { run: \"echo $(step) $$(date) >>/var/log/x\", undo: \"true\" } ]\n"
    "  redis:\n"
    "    kind: redis\n"
    "    unit: stack\n"
    "    listen: { plain: 6379, tls: 6380 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      file: /srv/.env\n"
    "      plain: { unset: [REDIS_TLS, PG_TLS] }\n"
    "      both:  { set: { REDIS_TLS: \"true\" }, implies: { \"otel -> redis\": require } }\n"
    "clients:\n"
    "  api:\n"
    "    unit: api\n"
    "    links:\n"
    "      pg:\n"
    "        match: { host: api-1 }\n"
    "        dial:  { file: /srv/.env, set: { MODE: \"$(dial)\", CA_FILE: \"$(ca_file)\" } }\n"
    "        trust: { ca: internal, file: /etc/ssl/ca.crt, lands: activation }\n"
    "      redis:\n"
    "        match: { host: api-1 }\n"
    "        dial:\n"
    "          disable:     { file: /srv/.env, unset: [RTLS] }\n"
    "          verify-full: { file: /srv/.env, set: { RTLS: \"$(dial)\" } }\n"
    "        trust: { ca: internal, file: /etc/ssl/ca.crt, mode: \"0644\" }\n"
    "  otel:\n"
    "    unit: stack\n"
    "    links: { redis: { match: { address: 10.0.0.1 }, dial: follows } }\n"
    "  health:\n"
    "    unit: stack\n"
    "    links: { redis: { match: { address: 127.0.0.1 }, dial: fixed } }\n";

static int
set_up(void **state)
{
	(void)state;
	return fleet_of(fleet_text);
}

static int
material(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	if (arg != NULL)
		return err_set(err, "the CA has no passphrase yet");
	*ret = mem_printf("<%s of %s>\n", what, fleet->certs[cert].name);
	*ret_len = strlen(*ret);
	return 0;
}

static void
print(const struct ops *ops, struct buf *out)
{
	const struct op *op;
	size_t i;

	for (i = 0; i < ops->n; i++) {
		op = &ops->v[i];
		(void)buf_printf(out, "%s %s %s", op->id, op_kind_word(op->kind),
		    fleet->hosts[op->host].name);
		if (op->path != NULL)
			(void)buf_printf(out, " %s", op->path);
		print_names(op, out);
		if (op->content != NULL)
			(void)buf_printf(out, " {%.*s}", (int)op->len, op->content);
		if (op->mode >= 0)
			(void)buf_printf(out, " %o", (unsigned)op->mode);
		if (op->owner != NULL)
			(void)buf_printf(out, " %s", op->owner);
		if (op->run != NULL) {
			(void)buf_puts(out, " ");
			op_command_text(op, false, out);
		}
		print_unit(op, out);
		if (op->secret)
			(void)buf_puts(out, " secret");
		if (op->back_last)
			(void)buf_puts(out, " back-last");
		(void)buf_puts(out, "\n");
	}
}

static void
check(const struct move *moves, size_t n, op_material *m, void *arg, const char *want)
{
	struct ops ops = { NULL, 0 };
	struct buf out;
	struct err err;

	buf_init(&out, 0);
	if (ops_of_moves(&ops, fleet, moves, n, "run", "s", m, arg, &err) == 0)
		print(&ops, &out);
	else
		(void)buf_printf(&out, "error: %s", err.msg);
	assert_string_equal(buf_str(&out), want);
	ops_release(&ops);
	buf_release(&out);
}


static void
a_move_is_its_edit_and_one_activation(void **state)
{
	(void)state;
	check(MOVES(ACCEPT("pg", ACCEPT_BOTH)), NULL, NULL,
	    "run/s/1 env db /srv/.env +PG_TLS=on [stack]\n"
	    "run/s/2 activate db cd /srv && ./update.sh [stack]\n");
	check(MOVES(ACCEPT("pg", ACCEPT_PLAIN)), NULL, NULL,
	    "run/s/1 env db /srv/.env -PG_TLS [stack]\n"
	    "run/s/2 activate db cd /srv && ./update.sh [stack]\n");
}

static void
edits_of_one_file_are_one_op_and_a_unit_is_activated_once(void **state)
{
	(void)state;
	check(MOVES(ACCEPT("pg", ACCEPT_BOTH), ACCEPT("redis", ACCEPT_BOTH),
	    TRUST("api -> pg", "internal"), DIAL("api -> pg", DIAL_VERIFY_FULL),
	    DIAL("api -> redis", DIAL_VERIFY_FULL)), NULL, NULL,
	    "run/s/1 env db /srv/.env +PG_TLS=on +REDIS_TLS=true [stack]\n"
	    "run/s/2 env api-1 /srv/.env +MODE=verify-full +CA_FILE=/etc/ssl/ca.crt +RTLS=verify-full [api]\n"
	    "run/s/3 activate db cd /srv && ./update.sh [stack]\n"
	    "run/s/4 activate api-1 systemctl restart api [api]\n");
}

static void
a_command_has_what_it_reads_and_what_it_touches(void **state)
{
	const struct move move = CERT("vault");
	struct ops ops;
	struct buf b;
	struct err err;

	(void)state;
	check(&move, 1, material, NULL,
	    "run/s/1 run db +CA=PGNhLnBlbSBvZiB2YXVsdD4K +a key=<key.pem of vault>\n ~/srv/a ~/srv/b put-secret [stack] secret\n"
	    "run/s/2 activate db cd /srv && ./update.sh [stack]\n");
	assert_int_equal(ops_of_moves(&ops, fleet, &move, 1, "run", "s", material, NULL, &err), 0);
	buf_init(&b, 0);
	op_input(&ops.v[0], &b);
	assert_string_equal(buf_str(&b), "{\"CA\":\"PGNhLnBlbSBvZiB2YXVsdD4K\",\"a key\":\"<key.pem of vault>\\n\"}");
	buf_clear(&b);
	op_input(&ops.v[1], &b);
	assert_int_equal(b.len, 0);
	buf_release(&b);
	ops_release(&ops);
}

static void
moves_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	check(MOVES(ACCEPT("pg", ACCEPT_BOTH), ACCEPT("redis", ACCEPT_PLAIN)), NULL, NULL,
	    "error: step 's': endpoint 'redis': fleet.yaml:49:16: two moves of one step disagree about "
	    "'PG_TLS' in '/srv/.env' on host 'db'");
}

static void
trust_that_lands_by_itself_is_no_edit_but_an_activation(void **state)
{
	(void)state;
	check(MOVES(TRUST("api -> pg", "internal")), NULL, NULL,
	    "run/s/1 activate api-1 systemctl restart api [api]\n");
	check(MOVES(TRUST("api -> redis", "internal")), material, NULL,
	    "run/s/1 file api-1 /etc/ssl/ca.crt {<ca.pem of internal>\n} 644 [api] back-last\n"
	    "run/s/2 activate api-1 systemctl restart api [api]\n");
}

static void
a_client_told_disable_keeps_its_ca_file(void **state)
{
	(void)state;
	check(MOVES(DIAL("api -> pg", DIAL_DISABLE)), NULL, NULL,
	    "run/s/1 env api-1 /srv/.env +MODE=disable [api]\n"
	    "run/s/2 activate api-1 systemctl restart api [api]\n");
}

static void
a_certificate_goes_to_every_host_that_it_is_bound_to(void **state)
{
	(void)state;
	check(MOVES(CERT("internal")), material, NULL,
	    "run/s/1 env db /srv/.env +CA=PGNhLnBlbSBvZiBpbnRlcm5hbD4K"
	    " +KEY=PGtleS5wZW0gb2YgaW50ZXJuYWw+Cg== secret\n"
	    "run/s/2 env api-1 /srv/.env +CA=PGNhLnBlbSBvZiBpbnRlcm5hbD4K\n"
	    "run/s/3 env api-2 /srv/.env +CA=PGNhLnBlbSBvZiBpbnRlcm5hbD4K\n");
	check(MOVES(CERT("files")), material, NULL,
	    "run/s/1 file db /etc/tls/server.key {<key.pem of files>\n} 640 root:70 [stack] secret\n"
	    "run/s/2 file db /etc/tls/server.crt {<leaf.pem of files>\n<chain.pem of files>\n} [stack]\n"
	    "run/s/3 activate db cd /srv && ./update.sh [stack]\n");
}

/* Two certificates in one file, of which one lands by itself: the other one's server is activated all the same. */
static void
a_certificate_is_activated_though_its_file_was_begun_by_another_move(void **state)
{
	(void)state;
	check(MOVES(CERT("internal"), CERT("beside")), NULL, NULL,
	    "run/s/1 env db /srv/.env +CA=$(ca.b64) +KEY=$(key.b64) +LEAF=$(leaf.b64) [stack] secret\n"
	    "run/s/2 env api-1 /srv/.env +CA=$(ca.b64)\n"
	    "run/s/3 env api-2 /srv/.env +CA=$(ca.b64)\n"
	    "run/s/4 activate db cd /srv && ./update.sh [stack]\n");
}

static void
without_material_its_name_stands_there(void **state)
{
	(void)state;
	check(MOVES(CERT("internal")), NULL, NULL,
	    "run/s/1 env db /srv/.env +CA=$(ca.b64) +KEY=$(key.b64) secret\n"
	    "run/s/2 env api-1 /srv/.env +CA=$(ca.b64)\n"
	    "run/s/3 env api-2 /srv/.env +CA=$(ca.b64)\n");
	check(MOVES(CERT("internal")), material, &fleet,
	    "error: step 's': certificate 'internal': fleet.yaml:15:11: 'CA': $(ca.b64): "
	    "the CA has no passphrase yet");
}

static void
a_certificate_with_line_breaks_is_no_value_of_a_variable(void **state)
{
	(void)state;
	check(MOVES(CERT("lines")), material, NULL,
	    "error: step 's': certificate 'lines': fleet.yaml:25:18: 'CA': a line break cannot stand in an "
	    "env file (use .b64 for certificates)");
}

static void
commands_keep_what_is_the_shells(void **state)
{
	(void)state;
	check(MOVES(ACCEPT("pg", ACCEPT_TLS)), NULL, NULL,
	    "run/s/1 env db /srv/.env +PG_TLS=on [stack]\n"
	    "run/s/2 run db echo s $(date) >>/var/log/x [stack]\n"
	    "run/s/3 activate db cd /srv && ./update.sh [stack]\n");
}

static void
what_is_not_ours_to_move_is_refused(void **state)
{
	(void)state;
	check(MOVES(DIAL("otel -> redis", DIAL_REQUIRE)), NULL, NULL,
	    "error: step 's': link 'otel -> redis' follows another and is not moved by a step");
	check(MOVES(DIAL("health -> redis", DIAL_REQUIRE)), NULL, NULL,
	    "error: step 's': link 'health -> redis' is fixed: not ours to move");
	check(MOVES(DIAL("api -> redis", DIAL_VERIFY_CA)), NULL, NULL,
	    "error: step 's': link 'api -> redis' has no binding for dial: verify-ca");
	check(MOVES(ACCEPT("redis", ACCEPT_TLS)), NULL, NULL,
	    "error: step 's': endpoint 'redis' has no binding for accept: tls");
}

static void
a_plans_step_has_its_commands_before_the_activation(void **state)
{
	static const char text[] =
	    "belay: plan/1\n"
	    "name: p\n"
	    "steps:\n"
	    "  - id: one\n"
	    "    accept: { pg: both }\n"
	    "    run: { on: api-1, run: \"echo $(step)\", undo: \"echo back\" }\n"
	    "  - { id: b, accept: { pg: tls } }\n";
	struct plan *plan;
	struct ops ops;
	struct buf out;
	struct err err;

	(void)state;
	if (plan_parse(&plan, fleet, "plan.yaml", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	buf_init(&out, 0);
	if (ops_of_step(&ops, fleet, plan, 0, "r", NULL, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	print(&ops, &out);
	assert_string_equal(buf_str(&out),
	    "r/one/1 env db /srv/.env +PG_TLS=on [stack]\n"
	    "r/one/2 run api-1 echo one\n"
	    "r/one/3 activate db cd /srv && ./update.sh [stack]\n");
	assert_string_equal(ops.v[1].undo, "echo back");
	ops_release(&ops);
	buf_release(&out);
	plan_free(plan);
}

static int
fingerprints(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	if (strcmp(what, "leaf.sha256") != 0)
		return material(NULL, cert, what, ret, ret_len, err);
	/* Of nobody's making, and none at all. */
	*ret = arg != NULL ? mem_strdup("no fingerprint") : mem_alloc(65);
	if (arg == NULL)
		memset(*ret, cert == fleet_cert(fleet, "internal") ? 'a' : 'b', 64);
	*ret_len = strlen(*ret);
	return 0;
}

/* Not a key nor a certificate: what everybody sees who connects. */
static void
what_brings_a_certificate_names_it_by_its_fingerprint(void **state)
{
	const struct move moves[] = { CERT("internal"), CERT("beside"), ACCEPT("pg", ACCEPT_BOTH) };
	char a[65] = "", b[65] = "", *both;
	struct ops ops;
	struct err err;

	(void)state;
	memset(a, 'a', 64);
	memset(b, 'b', 64);
	both = mem_printf("internal=%s beside=%s", a, b);
	assert_int_equal(ops_of_moves(&ops, fleet, moves, 3, "r", "s", fingerprints, NULL, &err), 0);
	assert_int_equal(ops.n, 4);
	assert_string_equal(ops.v[0].issued, both);
	assert_memory_equal(ops.v[1].issued, both, strlen("internal=") + 64);
	assert_int_equal(strlen(ops.v[1].issued), strlen("internal=") + 64);
	assert_int_equal(ops.v[3].kind, OP_ACTIVATE);
	assert_null(ops.v[3].issued);
	ops_release(&ops);
	assert_int_equal(ops_of_moves(&ops, fleet, moves, 3, "r", "s", fingerprints, &ops, &err), 0);
	assert_null(ops.v[0].issued);
	ops_release(&ops);
	assert_int_equal(ops_of_moves(&ops, fleet, moves, 3, "r", "s", NULL, NULL, &err), 0);
	assert_null(ops.v[0].issued);
	ops_release(&ops);
	free(both);
}

/* Of a certificate that lands at an activation, and a client's file beside; a unit that another move activates comes once. */
static void
a_unit_that_the_step_names_is_activated_behind_its_edits(void **state)
{
	static const char text[] =
	    "belay: plan/1\n"
	    "name: p\n"
	    "steps:\n"
	    "  - { id: one, certs: { internal: install }, activate: [api, stack] }\n"
	    "  - { id: two, certs: { internal: install }, accept: { pg: both }, activate: stack }\n"
	    "  - { id: alone, activate: [reload] }\n";
	struct plan *plan;
	struct ops ops;
	struct buf out;
	struct err err;
	int i;

	(void)state;
	if (plan_parse(&plan, fleet, "plan.yaml", text, strlen(text), &err) != 0)
		fail_msg("%s", err.msg);
	buf_init(&out, 0);
	for (i = 0; i < 3; i++) {
		if (ops_of_step(&ops, fleet, plan, i, "r", NULL, NULL, &err) != 0)
			fail_msg("%s", err.msg);
		print(&ops, &out);
		ops_release(&ops);
	}
	assert_string_equal(buf_str(&out),
	    "r/one/1 env db /srv/.env +CA=$(ca.b64) +KEY=$(key.b64) [stack] secret\n"
	    "r/one/2 env api-1 /srv/.env +CA=$(ca.b64)\n"
	    "r/one/3 env api-2 /srv/.env +CA=$(ca.b64)\n"
	    "r/one/4 activate api-1 systemctl restart api [api]\n"
	    "r/one/5 activate db cd /srv && ./update.sh [stack]\n"
	    "r/two/1 env db /srv/.env +CA=$(ca.b64) +KEY=$(key.b64) +PG_TLS=on [stack] secret\n"
	    "r/two/2 env api-1 /srv/.env +CA=$(ca.b64)\n"
	    "r/two/3 env api-2 /srv/.env +CA=$(ca.b64)\n"
	    "r/two/4 activate db cd /srv && ./update.sh [stack]\n"
	    "r/alone/1 activate db kill -HUP $(cat /run/pg.pid) [reload]\n");
	buf_release(&out);
	plan_free(plan);
}

/* A fleet and a plan of their own; the ops of a step, or the message. */
static char *
ops_of(const char *plan_text, int step)
{
	static const char of_commands[] =
	    "belay: fleet/1\n"
	    "hosts: { db: { ssh: db }, far: { ssh: far } }\n"
	    "units: { db: { host: db, run: ./restart } }\n"
	    "endpoints:\n"
	    "  pg:\n"
	    "    kind: postgres\n"
	    "    unit: db\n"
	    "    listen: { both: 5432 }\n"
	    "    accept:\n"
	    "      plain: { observe: get, run: set off }\n"
	    "      both:  { observe: get, run: set $(accept), expect: both }\n"
	    "      tls:   { observe: get, on: far, run: set tls }\n"
	    "      mutual: { observe: get, run: 'set \"$BELAY_VALUE\"', value: $(accept) }\n";
	struct fleet *f;
	struct plan *plan;
	struct ops ops;
	struct buf out;
	struct err err;
	size_t len;

	if (fleet_parse(&f, "f", of_commands, strlen(of_commands), &err) != 0)
		fail_msg("%s", err.msg);
	buf_init(&out, 0);
	if (plan_parse(&plan, f, "p", plan_text, strlen(plan_text), &err) != 0)
		(void)buf_puts(&out, err.msg);
	else {
		if (ops_of_step(&ops, f, plan, step, "r", NULL, NULL, &err) != 0)
			fail_msg("%s", err.msg);
		(void)buf_printf(&out, "%s%s | %s%s%s", ops.v[0].by_value ? "by value: " : "", ops.v[0].run,
		    ops.v[0].undo == NULL ? "-" : ops.v[0].undo, ops.v[0].value == NULL ? "" : " | ",
		    ops.v[0].value == NULL ? "" : ops.v[0].value);
		ops_release(&ops);
		plan_free(plan);
	}
	fleet_free(f);
	return buf_take(&out, &len);
}

static void
a_command_by_value_is_undone_by_that_of_the_plans_value_before(void **state)
{
#define BACK(from, steps) "belay: plan/1\nname: p\nfrom: { accept: " from " }\nsteps:\n" steps
#define ONE "  - { id: one, accept: { pg: both } }\n"
	static const struct { const char *plan; int step; const char *want; } cases[] = {
		{ BACK("plain", ONE), 0, "by value: set both | set off" },
		{ BACK("both", "  - { id: none, accept: { pg: plain } }\n" ONE), 0, "by value: set off | set both" },
		{ BACK("both", "  - { id: one, accept: { pg: plain } }\n" "  - { id: two, accept: { pg: both } }\n"), 1,
		    "by value: set both | set off" },
		/* One that takes its value asks for no value before. */
		{ BACK("tls", "  - { id: one, accept: { pg: mutual } }\n"), 0, "by value: set \"$BELAY_VALUE\" | - | mutual" },
		{ BACK("mutual", ONE), 0, "p:5:26: 'set both' cannot be undone: its value before this step has no command that "
		    "is observed by 'get', expected one, or 'undo' or 'value' at f:11:30" },
		{ BACK("tls", ONE), 0, "p:5:26: 'set both' cannot be undone: its value before this step has no command that "
		    "is observed by 'get', expected one, or 'undo' or 'value' at f:11:30" },
		/* A plan that does not say where it begins. */
		{ "belay: plan/1\nname: p\nsteps:\n" ONE, 0, "p:4:26: 'set both' cannot be undone: its value before this step "
		    "has no command that is observed by 'get', expected one, or 'undo' or 'value' at f:11:30" },
	};
	size_t i;
	char *got;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		got = ops_of(cases[i].plan, cases[i].step);
		assert_string_equal(got, cases[i].want);
		free(got);
	}
}

static void
ids_are_of_a_closed_alphabet(void **state)
{
	static const char *const good[] = { "a/b/1", "2026-01-01_x/flip-api-pg/12", "r/_2e./1" };
	static const char *const bad[] = {
		"", "a", "a/b", "a/b/c/d", "a//c", "/a/b/c", "a/b/", "a/../c", "../b/c", "a/.b/c",
		"a/-b/c", "a b/c/d", "a/b/\xc3\xa4", "a/b/'"
	};
	struct buf b;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(op_id_valid(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(op_id_valid(bad[i]));
	buf_init(&b, 0);
	op_id_part(&b, "..");
	(void)buf_putc(&b, '/');
	op_id_part(&b, "flip/web 1");
	(void)buf_putc(&b, '/');
	op_id_part(&b, "-x");
	assert_string_equal(buf_str(&b), "_2e./flip_2fweb_201/_2dx");
	assert_true(op_id_valid(buf_str(&b)));
	buf_clear(&b);
	buf_puts(&b, "r/");
	op_id_part(&b, "flip@a..b....");
	buf_puts(&b, "/1");
	assert_string_equal(buf_str(&b), "r/flip_40a._2eb._2e._2e/1");
	assert_true(op_id_valid(buf_str(&b)));
	assert_false(op_id_valid("r/a..b/1"));
	buf_release(&b);
}

static void
ops_travel_whole_or_not_at_all(void **state)
{
	struct ops ops;
	struct op op, copy;
	struct buf a, b;
	struct err err;
	const struct move moves[] = { CERT("files"), ACCEPT("pg", ACCEPT_TLS), DIAL("api -> pg", DIAL_DISABLE) };
	size_t i, n;

	(void)state;
	assert_int_equal(ops_of_moves(&ops, fleet, moves, 3, "r", "s", fingerprints, NULL, &err), 0);
	assert_true(ops.n >= 5);
	for (i = 0; i < ops.n; i++) {
		buf_init(&a, 0);
		buf_init(&b, 0);
		op_encode(&ops.v[i], &a);
		assert_int_equal(op_decode(&op, a.data, a.len, &err), 0);
		op_copy(&copy, &op);
		op_release(&op);
		op_encode(&copy, &b);
		assert_int_equal(a.len, b.len);
		assert_memory_equal(a.data, b.data, a.len);
		op_release(&copy);
		for (n = 0; n < a.len; n++)
			assert_int_equal(op_decode(&op, a.data, n, &err), -1);
		/* Whatever an enemy makes of it, it is refused or harmless. */
		srand(1);
		for (n = 0; n < 20000; n++) {
			size_t at = (size_t)rand() % a.len;
			char was = a.data[at];

			a.data[at] = (char)rand();
			if (op_decode(&op, a.data, a.len, &err) == 0)
				op_release(&op);
			a.data[at] = was;
		}
		buf_release(&a);
		buf_release(&b);
	}
	ops_release(&ops);
}

static void
results_travel_with_their_ends_cut_to_size(void **state)
{
	struct op_result r = { .outcome = OP_UNREACHED, .before_sha = "-", .exit_status = 255 }, got;
	struct buf b;
	struct err err;
	size_t n;

	(void)state;
	r.text = mem_alloc(OP_TEXT_MAX + 100);
	memset(r.text, 'x', OP_TEXT_MAX + 98);
	r.text[OP_TEXT_MAX + 98] = 'z';
	buf_init(&b, 0);
	op_result_encode(&r, &b);
	assert_int_equal(op_result_decode(&got, b.data, b.len, &err), 0);
	assert_int_equal(got.outcome, OP_UNREACHED);
	assert_int_equal(strlen(got.text), OP_TEXT_MAX);
	assert_int_equal(got.text[OP_TEXT_MAX - 1], 'z');
	assert_string_equal(got.before_sha, "-");
	assert_null(got.why);
	op_result_release(&got);
	for (n = 0; n < 200; n++)
		assert_int_equal(op_result_decode(&got, b.data, n, &err), -1);
	op_result_release(&r);
	buf_clear(&b);
	r.outcome = OP_APPLIED;
	(void)strcpy(r.after_sha, "not a hash");
	op_result_encode(&r, &b);
	assert_int_equal(op_result_decode(&got, b.data, b.len, &err), -1);
	buf_release(&b);
}

/* Whatever the console would send and a worker refuse is found before. */
static void
what_a_worker_would_refuse_is_refused_before(void **state)
{
	static char path[OP_PATH_MAX + 2], command[OP_COMMAND_MAX + 2];
	struct op op = { .id = "r/s/1", .kind = OP_RUN, .run = command, .in = path, .deadline_ms = 1 }, got;
	struct buf b;
	struct err err;
	size_t path_len, command_len;

	(void)state;
	for (path_len = OP_PATH_MAX - 1; path_len <= OP_PATH_MAX + 1; path_len++)
		for (command_len = OP_COMMAND_MAX - 1; command_len <= OP_COMMAND_MAX + 1; command_len++) {
			bool taken;

			(void)memset(path, 0, sizeof(path));
			(void)memset(command, 0, sizeof(command));
			(void)memset(path, '/', path_len);
			(void)memset(command, 'x', command_len);
			buf_init(&b, 0);
			op_encode(&op, &b);
			taken = op_decode(&got, b.data, b.len, &err) == 0;
			assert_int_equal(taken, op_exceeds(&op) == NULL);
			if (taken)
				op_release(&got);
			buf_release(&b);
		}
	assert_string_equal(op_exceeds(&op), "path");
	path[0] = '\0';
	assert_string_equal(op_exceeds(&op), "command");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_is_its_edit_and_one_activation),
		cmocka_unit_test(edits_of_one_file_are_one_op_and_a_unit_is_activated_once),
		cmocka_unit_test(a_command_has_what_it_reads_and_what_it_touches),
		cmocka_unit_test(moves_that_contradict_each_other_are_refused),
		cmocka_unit_test(what_brings_a_certificate_names_it_by_its_fingerprint),
		cmocka_unit_test(a_unit_that_the_step_names_is_activated_behind_its_edits),
		cmocka_unit_test(trust_that_lands_by_itself_is_no_edit_but_an_activation),
		cmocka_unit_test(a_client_told_disable_keeps_its_ca_file),
		cmocka_unit_test(a_certificate_goes_to_every_host_that_it_is_bound_to),
		cmocka_unit_test(a_certificate_is_activated_though_its_file_was_begun_by_another_move),
		cmocka_unit_test(without_material_its_name_stands_there),
		cmocka_unit_test(a_certificate_with_line_breaks_is_no_value_of_a_variable),
		cmocka_unit_test(commands_keep_what_is_the_shells),
		cmocka_unit_test(what_is_not_ours_to_move_is_refused),
		cmocka_unit_test(a_plans_step_has_its_commands_before_the_activation),
		cmocka_unit_test(a_command_by_value_is_undone_by_that_of_the_plans_value_before),
		cmocka_unit_test(ids_are_of_a_closed_alphabet),
		cmocka_unit_test(ops_travel_whole_or_not_at_all),
		cmocka_unit_test(results_travel_with_their_ends_cut_to_size),
		cmocka_unit_test(what_a_worker_would_refuse_is_refused_before),
	};

	return cmocka_run_group_tests(tests, set_up, fleet_gone);
}
