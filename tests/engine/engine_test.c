/*
 * What engine.h promises of a run, over the ends of processes: with a real
 * worker (this program is that too: it starts itself anew with --worker) on this
 * machine, and a journal in a folder of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "engine/engine.h"
#include "remote/worker.h"
#include "wire/wire.h"

#define PATIENCE_MS	30000

static char *top;
static struct engine *e;
static uv_timer_t patience;
static char said[2048];		/* what was told last */

static char *
path(const char *name)
{
	return mem_printf("%s/%s", top, name);
}

static void
put_file(const char *name, const char *text)
{
	char *p = path(name);
	FILE *f = fopen(p, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	free(p);
}

static void
assert_file(const char *name, const char *text)
{
	char *p = path(name), got[256] = "";
	FILE *f = fopen(p, "r");

	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	assert_int_equal(fclose(f), 0);
	free(p);
	assert_string_equal(got, text);
}

static int
remove_one(const char *p, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(p);
}

static int
set_up(void **state)
{
	char template[] = "/tmp/belay-engine.XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(template));
	top = mem_strdup(template);
	said[0] = '\0';
	assert_int_equal(setenv("XDG_STATE_HOME", top, 1), 0);
	assert_int_equal(setenv("HOME", top, 1), 0);
	return 0;
}

static void
leave(void)
{
	if (e == NULL)
		return;
	assert_true(engine_close_journal(e));
	engine_free(e);
	e = NULL;
}

static int
tear_down(void **state)
{
	(void)state;
	if (e != NULL)
		engine_free(e);
	e = NULL;
	(void)nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(top);
	return 0;
}

/* ---- an engine, and waiting for it ---- */

static void
on_tell(void *arg, enum tell tell, const char *text)
{
	(void)arg;
	(void)tell;
	(void)snprintf(said, sizeof(said), "%s", text);
}

static const struct engine_events events = { .tell = on_tell };

/* As a process that starts: what there is, it has from the journal. */
static void
begin(void)
{
	char *fleet = path("fleet.yaml"), *plan = path("plan.yaml");
	struct engine_options o = { .fleet_path = fleet, .plan_path = plan, .program = "/proc/self/exe" };
	struct err err = { "" };
	bool locked;

	if (engine_new(&e, &o, &err) != 0 || engine_start(e, &events, NULL, &locked, &err) != 0)
		fail_msg("%s", err.msg);
	free(fleet);
	free(plan);
}

static void
gave_up(uv_timer_t *t)
{
	char text[1024] = "";
	size_t i;

	(void)t;
	for (i = 0; i < engine_plan(e)->nsteps; i++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), " %s %s (%s)",
		    engine_plan(e)->steps[i].id, phase_word(rollout_step(engine_rollout(e), (int)i)->phase),
		    rollout_step(engine_rollout(e), (int)i)->why);
	fail_msg("nothing came within %d s:%s; %s", PATIENCE_MS / 1000, text, said);
}

static void
until(int step, enum phase phase)
{
	(void)uv_timer_init(engine_loop(e), &patience);
	(void)uv_timer_start(&patience, gave_up, PATIENCE_MS, 0);
	while (rollout_step(engine_rollout(e), step)->phase != phase)
		(void)uv_run(engine_loop(e), UV_RUN_ONCE);
	(void)uv_timer_stop(&patience);
	uv_close((uv_handle_t *)&patience, NULL);
	(void)uv_run(engine_loop(e), UV_RUN_NOWAIT);
}

static void
do_it(enum verb verb, int step, enum phase phase)
{
	struct err err = { "" };

	if (engine_ask(e, verb, step, &err) != 0)
		fail_msg("%s: %s", verb_word(verb), err.msg);
	until(step, phase);
}

static void
apply(int step, enum phase phase)
{
	do_it(VERB_PREVIEW, step, PHASE_READY);
	do_it(VERB_APPLY, step, phase);
}

/* How many entries of the history are of that kind and hold the text. */
static size_t
told(const char *kind, const char *text)
{
	const struct history_line *v;
	size_t n = engine_history(e, &v), i, found = 0;

	for (i = 0; i < n; i++)
		found += strcmp(v[i].kind, kind) == 0 && v[i].text != NULL && strstr(v[i].text, text) != NULL;
	return found;
}

/* ---- what was kept ---- */

/* The first step keeps the run open when the second is taken back. */
static void
write_files(const char *runs)
{
	char *fleet = mem_printf("belay: fleet/1\nenvironment: test\n"
	    "hosts: { box: { local: yes, state: %s/host } }\n", top);
	char *plan = mem_printf("belay: plan/1\nname: small\nsteps:\n"
	    "  - { id: first, run: { on: box, run: \"true\", undo: \"true\" } }\n"
	    "  - { id: second, run: %s }\n", runs);

	put_file("fleet.yaml", fleet);
	put_file("plan.yaml", plan);
	free(fleet);
	free(plan);
}

static void
kept_once_is_not_kept_again(bool anew)
{
	char *runs = mem_printf("{ on: box, run: \"echo ours >%s/f\", touches: [%s/f] }", top, top);
	char *name = mem_printf("box:%s/f", top);
	struct err err = { "" };

	write_files(runs);
	put_file("f", "before\n");
	begin();
	apply(0, PHASE_DONE);
	apply(1, PHASE_DONE);
	put_file("f", "theirs\n");
	do_it(VERB_UNDO, 1, PHASE_STUCK);
	if (engine_keep(e, 1, name, "their reason", &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(engine_kept(e, 1, 0), "their reason");
	do_it(VERB_UNDO, 1, PHASE_RESTORED);
	assert_file("f", "theirs\n");
	assert_null(engine_kept(e, 1, 0));
	if (anew) {
		leave();
		begin();
		assert_null(engine_kept(e, 1, 0));
	}
	/* Somebody else's change is found again, and nobody has said that it stays. */
	apply(1, PHASE_DONE);
	put_file("f", "theirs again\n");
	do_it(VERB_UNDO, 1, PHASE_STUCK);
	assert_file("f", "theirs again\n");
	assert_int_equal(engine_keep(e, 1, name, "another reason", &err), 0);
	/* Kept, but not undone yet: that outlives the process. */
	if (anew) {
		leave();
		begin();
		assert_string_equal(engine_kept(e, 1, 0), "another reason");
	}
	do_it(VERB_UNDO, 1, PHASE_RESTORED);
	leave();
	free(runs);
	free(name);
}

static void
what_is_kept_is_kept_for_one_undo(void **state)
{
	(void)state;
	kept_once_is_not_kept_again(false);
}

static void
what_was_kept_is_forgotten_by_the_next_start_too(void **state)
{
	(void)state;
	kept_once_is_not_kept_again(true);
}

/* Two commands touch one file; the undo of the second has ended, that of the first cannot. */
static void
what_is_kept_is_what_is_stuck_of_all_that_have_its_name(void **state)
{
	char *runs = mem_printf("[ { on: box, run: \"echo one >%s/f\", undo: \"test -e %s/may\", touches: [%s/f] },\n"
	    "    { on: box, run: \"echo two >%s/f\", touches: [%s/f] } ]", top, top, top, top, top);
	char *name = mem_printf("box:%s/f", top);
	const struct step_view *v;
	struct err err = { "" };

	(void)state;
	write_files(runs);
	put_file("f", "before\n");
	begin();
	apply(0, PHASE_DONE);
	apply(1, PHASE_DONE);
	assert_int_equal(engine_keep(e, 1, name, "early", &err), -1);
	assert_non_null(strstr(err.msg, "is applied: only what an undo was stuck at"));
	do_it(VERB_UNDO, 1, PHASE_STUCK);
	v = rollout_step(engine_rollout(e), 1);
	assert_int_equal(v->ops[0].state, OPS_STUCK);
	assert_int_equal(v->ops[1].state, OPS_UNDONE);
	if (engine_keep(e, 1, name, "as it is", &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(engine_kept(e, 1, 0), "as it is");
	assert_null(engine_kept(e, 1, 1));
	put_file("may", "");
	do_it(VERB_UNDO, 1, PHASE_RESTORED);
	leave();
	begin();
	assert_int_equal(told("keep", "as it is"), 1);
	leave();
	free(runs);
	free(name);
}

/* ---- an enemy ---- */

#define ENEMY_SESSIONS 5300	/* that its drain says it ended, with blank lines between them */

static void
put(enum message_kind kind, uint64_t id, int subject, const void *blob, size_t len)
{
	struct message m = { .kind = kind, .id = id, .subject = subject, .blob_len = len };
	struct buf b = { 0 };
	struct err err;

	m.blob = mem_strndup(blob, len);
	if (message_encode(&m, &b, &err) == -1 || write(3, b.data, b.len) != (ssize_t)b.len)
		_exit(9);
	buf_release(&b);
	message_release(&m);
}

static void
put_done(uint64_t id, enum op_outcome outcome, const char *text)
{
	struct op_result r = { .outcome = outcome, .exit_status = -1, .text = mem_strdup(text) };
	struct buf b = { 0 };

	op_result_encode(&r, &b);
	put(MSG_OP_DONE, id, NONE, b.data, b.len);
	buf_release(&b);
	free(r.text);
}

static void
tell_sessions(uint64_t id)
{
	struct buf b = { 0 };
	int i;

	for (i = 0; i < ENEMY_SESSIONS; i++) {
		buf_printf(&b, "\n\nsession %d\n", i);
		if (b.len > 8000 || i == ENEMY_SESSIONS - 1) {
			put(MSG_OP_TEXT, id, NONE, b.data, b.len);
			buf_clear(&b);
		}
	}
	buf_release(&b);
}

/* A worker that does what it is asked at once, and drains without end. */
static int
enemy(void)
{
	struct buf in = { 0 };
	struct message m;
	struct err err;
	char chunk[4096];
	ssize_t n;

	put(MSG_READY, 0, WIRE_VERSION, NULL, 0);
	while ((n = read(3, chunk, sizeof(chunk))) > 0) {
		buf_put(&in, chunk, (size_t)n);
		while (message_decode(&in, &m, &err) == 1) {
			if (m.kind == MSG_OP && m.what == OPV_APPLY)
				tell_sessions(m.id);
			if (m.kind == MSG_OP)
				put_done(m.id, m.what == OPV_OBSERVE ? OP_FRESH : OP_APPLIED, "");
			else if (m.kind == MSG_LEASE)
				put_done(m.id, OP_APPLIED, "1");
			message_release(&m);
		}
	}
	buf_release(&in);
	return 0;
}

static void
a_drain_names_no_more_than_the_journal_bears(void **state)
{
	const struct plan *plan;
	struct err err;
	size_t i;

	(void)state;
	put_file("fleet.yaml", "belay: fleet/1\nenvironment: test\nhosts: { box: { local: yes } }\n"
	    "units: { cache: { host: box, run: \"true\" } }\n"
	    "endpoints: { cache: { kind: redis, unit: cache, listen: { plain: 1, tls: 2 }, names: [localhost] } }\n");
	put_file("plan.yaml", "belay: plan/1\nname: small\nsteps: [ { id: first, drain: { cache: plaintext } } ]\n");
	assert_int_equal(setenv("BELAY_TEST_ENEMY", "1", 1), 0);
	begin();
	plan = engine_plan(e);
	for (i = 0; i < plan->steps[0].nrequires; i++)
		assert_int_equal(engine_waive(e, 0, plan->steps[0].requires[i].name, "it is a test", &err), 0);
	apply(0, PHASE_DONE);
	leave();
	assert_int_equal(unsetenv("BELAY_TEST_ENEMY"), 0);
	begin();
	assert_int_equal(told("drain", "session "), 5000);
	assert_int_equal(told("drain", ""), 5001);
	assert_int_equal(told("drain", "and 300 more"), 1);
	leave();
}

#define claim(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(what_is_kept_is_kept_for_one_undo),
		claim(what_was_kept_is_forgotten_by_the_next_start_too),
		claim(what_is_kept_is_what_is_stuck_of_all_that_have_its_name),
		claim(a_drain_names_no_more_than_the_journal_bears),
	};

	if (argc == 2 && strcmp(argv[1], "--worker") == 0)
		return getenv("BELAY_TEST_ENEMY") != NULL ? enemy() : worker_main();
	return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
