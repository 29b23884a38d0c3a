/*
 * What view.h promises: keys in, wishes out.  Each test reads as a trace: the
 * keys pressed, and what was wished for, in words.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/revoked.h"
#include "tests/ui/fixture.h"
#include "ui/grid.h"
#include "ui/render.h"
#include "ui/view.h"

static struct fixture f;
static struct view v;
static struct buf trace;
static bool wants_material;
static void
note(const struct wishes *wishes)
{
	size_t i;

	for (i = 0; i < wishes->n; i++) {
		const struct wish *w = &wishes->v[i];

		if (trace.len > 0)
			buf_puts(&trace, "; ");
		switch (w->kind) {
		case WISH_VERB:
			buf_printf(&trace, "%s %s", verb_word(w->verb), f.plan->steps[w->step].id);
			/* As the engine does at once, unless something is missing. */
			if (w->verb == VERB_PREVIEW && !wants_material)
				fixture_phase(&f, f.plan->steps[w->step].id, PHASE_PREVIEWING, NULL);
			else if (w->verb == VERB_PREVIEW)
				f.waiting = w->step;
			break;
		case WISH_WAIVE:
		case WISH_ATTEST:
		case WISH_KEEP:
			buf_printf(&trace, "waive %s/%s because %s", f.plan->steps[w->step].id, w->text, w->more);
			break;
		case WISH_ANSWER:
			buf_printf(&trace, "answer %d %s", (int)w->ask, w->text == NULL ? "no" : w->text);
			break;
		case WISH_SAVE:
			buf_printf(&trace, "save %s", w->text);
			break;
		case WISH_SWEEP:
			buf_puts(&trace, "sweep");
			break;
		case WISH_FLUSH:
			buf_puts(&trace, "flush");
			break;
		case WISH_REDRAW:
			buf_puts(&trace, "redraw");
			break;
		case WISH_LEAVE:
			buf_puts(&trace, "leave");
			break;
		}
	}
	view_settle(&v);
}

static void
update(void)
{
	struct wishes wishes;

	memset(&wishes, 0, sizeof(wishes));
	view_update(&v, &f.scene, &wishes);
	note(&wishes);
}

static void
paint(void)
{
	struct grid g;

	grid_init(&g, 24, 80, false);
	render(&g, &v, &f.scene);
	grid_release(&g);
}

static void
key(int code)
{
	struct wishes wishes;

	memset(&wishes, 0, sizeof(wishes));
	view_key(&v, &f.scene, code, &wishes);
	note(&wishes);
	update();
	paint();
}

static void
keys(const char *s)
{
	for (; *s != '\0'; s++)
		key(*s == '\n' ? K_ENTER : *s == '\t' ? K_TAB : *s == '\033' ? K_ESC : (unsigned char)*s);
}

static void
interrupt(void)
{
	struct wishes wishes;

	memset(&wishes, 0, sizeof(wishes));
	view_interrupt(&v, &f.scene, &wishes);
	note(&wishes);
	update();
}

/* What was wished for since the last time. */
static void
expect(const char *want)
{
	assert_string_equal(buf_str(&trace), want);
	buf_clear(&trace);
}

static void
expect_message(const char *part)
{
	if (strstr(v.message, part) == NULL)
		fail_msg("the message is '%s', expected '%s'", v.message, part);
}

static int
setup(void **state)
{
	(void)state;
	fixture_init(&f, true);
	wants_material = false;
	fixture_halfway(&f);
	view_init(&v, false, false);
	buf_init(&trace, 0);
	update();
	paint();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	buf_release(&trace);
	view_release(&v);
	fixture_release(&f);
	return 0;
}

/* ---- apply ---- */

static void
nothing_is_applied_before_arming(void **state)
{
	(void)state;
	keys("a");
	expect("");
	expect_message("not armed");
	assert_int_equal(v.question, Q_NONE);
	keys("ay");
	expect("");
}

static void
apply_previews_then_asks_then_applies(void **state)
{
	(void)state;
	keys("Aa");
	expect("preview flip-web-pg");
	assert_int_equal(v.pane, PANE_PREVIEW);
	update();
	expect("");
	assert_int_equal(v.question, Q_NONE);
	/* Enter and y mean nothing yet. */
	keys("y\n");
	expect("");
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("flush");
	assert_int_equal(v.question, Q_APPLY);
	keys("y");
	expect("apply flip-web-pg");
	assert_int_equal(v.pane, PANE_PROGRESS);
	assert_int_equal(v.question, Q_NONE);
}

static void
apply_can_be_declined(void **state)
{
	(void)state;
	keys("Aa");
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("preview flip-web-pg; flush");
	/* Other keys are no answer. */
	keys("xjkqa");
	expect("");
	assert_int_equal(v.question, Q_APPLY);
	keys("\033\n");
	expect("");
	expect_message("");
	assert_int_equal(v.question, Q_NONE);
}

static void
a_preview_that_failed_asks_nothing(void **state)
{
	(void)state;
	keys("Aa");
	fixture_phase(&f, "flip-web-pg", PHASE_TODO, "preview: host 'web-1' did not answer");
	update();
	expect("preview flip-web-pg");
	expect_message("host 'web-1' did not answer");
	assert_int_equal(v.question, Q_NONE);
	/* And a preview that comes later on its own does not bring the question back. */
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("");
	assert_int_equal(v.question, Q_NONE);
}

static void
a_preview_that_waits_for_a_passphrase_is_waited_for(void **state)
{
	struct ask ask = { .kind = ASK_CA_PASSPHRASE, .id = 3, .confirm = true };

	(void)state;
	wants_material = true;
	keys("Aa");
	update();
	expect("preview flip-web-pg");
	view_ask(&v, &ask);
	update();
	expect("flush");
	keys("s3cret\n");
	expect("");
	keys("s3cret\n");
	expect("answer 3 s3cret");
	f.waiting = NONE;
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("flush");
	assert_int_equal(v.question, Q_APPLY);
}

static void
production_wants_its_name(void **state)
{
	char *name = f.fleet->environment;

	(void)state;
	f.fleet->environment = mem_strdup("production");
	free(name);
	keys("Aa");
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("preview flip-web-pg; flush");
	keys("y\n\n");
	expect("");
	expect_message("not the environment's name");
	keys("productio\n");
	expect("");
	keys("production\n");
	expect("apply flip-web-pg");
}

static void
a_refused_apply_says_why(void **state)
{
	(void)state;
	fixture_phase(&f, "flip-web-pg", PHASE_FAULTED, "gate: no");
	keys("Aa");
	expect("");
	expect_message("faulted");
	keys(":apply pgb-tls\n");
	expect("");
	expect_message("flip-web-pg");
	keys(":apply pgb-tsl\n");
	expect_message("did you mean 'pgb-tls'");
}

static void
a_lock_or_read_only_keeps_everything_as_it_is(void **state)
{
	(void)state;
	f.scene.lock_holder = "eve@other";
	keys("Aa");
	expect("");
	expect_message("lock");
	f.scene.lock_holder = NULL;
	v.read_only = f.scene.read_only = true;
	v.armed = false;
	keys("AaAuU:skip pg-tls\n:undo\n:undo pg-both\n:waive written web -> pgbouncer x\n:retry\n:settle\n");
	expect("");
	expect_message("");
	assert_false(v.armed);
}

static void
disarming_while_asked_applies_nothing(void **state)
{
	(void)state;
	keys("Aa");
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	expect("preview flip-web-pg; flush");
	v.armed = false;
	keys("y");
	expect("");
}

static void
a_question_whose_ground_is_gone_closes(void **state)
{
	(void)state;
	keys("Aa");
	fixture_phase(&f, "flip-web-pg", PHASE_READY, NULL);
	update();
	fixture_phase(&f, "flip-web-pg", PHASE_TODO, "drifted");
	update();
	assert_int_equal(v.question, Q_NONE);
	buf_clear(&trace);
	keys("y\n");
	expect("");
}

/* ---- undo ---- */

static void
undo_counts_down_and_starts_by_itself(void **state)
{
	(void)state;
	keys("u");
	expect("flush");
	assert_int_equal(v.question, Q_UNDO);
	f.scene.now_ms += UNDO_COUNTDOWN_MS - 1;
	update();
	expect("");
	f.scene.now_ms += 1;
	update();
	expect("undo flip-api-pg");
	assert_int_equal(v.question, Q_NONE);
}

static void
undo_starts_now_by_u_or_enter(void **state)
{
	(void)state;
	keys("uu");
	expect("flush; undo flip-api-pg");
	keys("u\n");
	expect("flush; undo flip-api-pg");
}

static void
undo_is_cancelled_by_esc_and_by_nothing_else(void **state)
{
	(void)state;
	keys("uaAqyjkhl?:/x ");
	expect("flush");
	assert_int_equal(v.question, Q_UNDO);
	keys("\033");
	expect("");
	assert_int_equal(v.question, Q_NONE);
	f.scene.now_ms += 2 * UNDO_COUNTDOWN_MS;
	update();
	expect("");
}

static void
undo_works_in_every_pane_unarmed(void **state)
{
	static const char *const open[] = { "", "d", "p", "v", "s", "c", "o", "H", "m", "P", "?" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(open) / sizeof(open[0]); i++) {
		keys(open[i]);
		buf_clear(&trace);
		assert_false(v.armed);
		keys("uu");
		expect("flush; undo flip-api-pg");
		keys("\033\033\033");
	}
}

static void
undo_takes_the_step_in_flight(void **state)
{
	(void)state;
	fixture_phase(&f, "flip-web-pg", PHASE_APPLYING, NULL);
	keys("uu");
	expect("flush; undo flip-web-pg");
	fixture_phase(&f, "flip-web-pg", PHASE_DOUBT, "cut");
	keys("uu");
	expect("flush; undo flip-web-pg");
}

static void
undo_of_what_cannot_be_says_why(void **state)
{
	(void)state;
	keys(":undo pg-both\n");
	expect("flush");
	assert_int_equal(v.question, Q_REFUSED);
	assert_non_null(strstr(v.refusal, "last in, first out"));
	keys("\n");
	assert_int_equal(v.question, Q_NONE);
	keys(":undo certs\n");
	expect_message("found in place");
}

static void
a_clock_set_back_does_not_lengthen_the_countdown(void **state)
{
	(void)state;
	keys("u");
	f.scene.now_ms -= 3600000;
	update();
	f.scene.now_ms += UNDO_COUNTDOWN_MS;
	update();
	expect("flush; undo flip-api-pg");
}

/* ---- out of turn ---- */

static void
an_earlier_step_is_undone_when_asked_and_answered(void **state)
{
	(void)state;
	fixture_turns(&f);
	keys("gjjjU");
	expect("flush");
	assert_int_equal(v.question, Q_TURN);
	assert_int_equal(v.subject, fixture_step(&f, "pgb-both"));
	/* No countdown, and other keys are no answer. */
	f.scene.now_ms += 2 * UNDO_COUNTDOWN_MS;
	update();
	keys("uUaqP?:jx ");
	expect("");
	keys("\033");
	expect("");
	expect_message("not undone");
	keys("Uy");
	expect("flush; undo pgb-both");
	assert_int_equal(v.pane, PANE_PROGRESS);
	keys("\033:undo leg2\n\n");
	expect("flush; undo leg2");
}

static void
whom_it_would_strand_is_said_in_full(void **state)
{
	static const char why[] =
	    "out of its turn this would strand api -> pgbouncer (refused: the endpoint accepts plaintext only and the "
	    "client demands tls), web -> pgbouncer (refused: the endpoint accepts plaintext only and the client demands "
	    "tls), voice -> pgbouncer (refused: the endpoint accepts plaintext only and the client demands tls) and 1 "
	    "more; undo what was applied after it, or waive the check 'proof' of this step";

	(void)state;
	fixture_turns(&f);
	f.turn = why;
	keys(":undo pgb-both\n");
	expect("flush");
	assert_int_equal(v.question, Q_REFUSED);
	assert_non_null(strstr(v.refusal, why));
	keys("yuU");
	expect("");
	/* To what insists: its own checks are the ones that are waived. */
	keys(":waive proof they are stopped by hand\n");
	expect("");
	expect_message("not armed");
	keys("A:waive proof they are stopped by hand\n");
	expect("waive pgb-both/proof because they are stopped by hand");
	f.turn = NULL;
	f.waiver = "they are stopped by hand";
	keys("U\n");
	expect("flush; undo pgb-both");
}

/* A key that leaked comes back by an undo alone that somebody insists on: here, too. */
static void
undo_that_is_refused_when_it_is_asked_for_says_what_insists(void **state)
{
	char *check = revoked_check(f.fleet->certs[0].name), *why, *typed, *wished;

	(void)state;
	why = mem_printf("the undo of step 'flip-api-pg' puts back the key of certificate 'x' that was revoked; to go back all the "
	    "same: --waive '%s' --reason TEXT", check);
	fixture_turns(&f);
	keys("uu");
	expect("flush; undo flip-api-pg");
	assert_true(view_undo_refused(&v, f.scene.now_ms, fixture_step(&f, "flip-api-pg"), why));
	assert_int_equal(v.question, Q_REFUSED);
	assert_string_equal(v.refusal, why);
	/* It is read again among the messages. */
	assert_string_equal(v.notes[v.nnotes - 1].text, why);
	typed = mem_printf("A:waive %s the new one is refused\n", check);
	wished = mem_printf("waive flip-api-pg/%s because the new one is refused", check);
	keys("\n");
	keys(typed);
	expect(wished);
	keys("u\n");
	expect("flush; undo flip-api-pg");
	/* Whoever is asked something else meanwhile is not interrupted. */
	keys(":");
	assert_false(view_undo_refused(&v, f.scene.now_ms, fixture_step(&f, "flip-api-pg"), why));
	assert_int_equal(v.question, Q_COMMAND);
	free(check);
	free(why);
	free(typed);
	free(wished);
}

static void
what_turned_up_while_it_was_asked_is_heeded(void **state)
{
	(void)state;
	fixture_turns(&f);
	keys(":undo pgb-both\n");
	expect("flush");
	f.turn = "this would strand web -> pgbouncer";
	keys("y");
	expect("");
	expect_message("would strand");
}

static void
the_last_step_has_its_turn(void **state)
{
	(void)state;
	fixture_turns(&f);
	keys(":undo flip-api-pg\n");
	expect("flush");
	assert_int_equal(v.question, Q_UNDO);
	keys("\033g");
	keys("U");
	expect("");
	expect_message("found in place");
	assert_int_equal(v.question, Q_NONE);
}

/* ---- why ---- */

static void
expect_about(int host, int endpoint, int link, int step)
{
	assert_int_equal(v.pane, PANE_EXPLAIN);
	assert_int_equal(v.about.host, host);
	assert_int_equal(v.about.endpoint, endpoint);
	assert_int_equal(v.about.link, link);
	assert_int_equal(v.about.step, step);
	expect("");
}

static void
what_is_under_the_cursor_is_explained(void **state)
{
	(void)state;
	fixture_halfway(&f);
	update();
	paint();
	keys("e");
	expect_about(NONE, NONE, NONE, fixture_step(&f, "flip-web-pg"));
	/* Once more is no other pane, and back is where it came from. */
	keys("e\033");
	assert_int_equal(v.pane, PANE_DASHBOARD);
	keys("\tj");
	paint();
	keys("e");
	expect_about(NONE, NONE, 1, NONE);
	keys("\033c");
	paint();
	keys("\te");
	expect_about(NONE, 1, NONE, NONE);
	keys("\033\033o");
	paint();
	keys("\t\t:explain\n");
	expect_about(2, NONE, NONE, NONE);
	keys("\033\033\tv");
	buf_clear(&trace);
	keys("e");
	expect_about(NONE, NONE, NONE, v.step);
	keys("\033\033?e");
	expect_about(NONE, NONE, NONE, NONE);
}

static void
what_was_scrolled_away_is_not_picked(void **state)
{
	(void)state;
	fixture_halfway(&f);
	keys("s");
	paint();
	assert_int_equal(v.picked[PANE_SESSIONS], 0);
	keys("G");
	paint();
	assert_true(v.picked[PANE_SESSIONS] > 0);
	/* What is picked comes to be seen. */
	keys("\t");
	paint();
	assert_int_equal(v.picked[PANE_SESSIONS], 0);
	assert_int_equal(v.lists[PANE_SESSIONS].top, 0);
}

/* ---- the proof ---- */

static void
another_plan(const char *path)
{
	view_release(&v);
	fixture_release(&f);
	fixture_init_plan(&f, path);
	view_init(&v, false, false);
}

static void
a_step_on_several_hosts_goes_by_its_name(void **state)
{
	(void)state;
	another_plan("tests/ui/several.yaml");
	fixture_phase(&f, "certs", PHASE_DONE, NULL);
	fixture_phase(&f, "pgb-both", PHASE_DONE, NULL);
	fixture_phase(&f, "flip@api-1", PHASE_DONE, NULL);
	update();
	paint();
	buf_clear(&trace);
	keys("A:apply flip\n");
	expect("preview flip@web-1");
	fixture_phase(&f, "flip@web-1", PHASE_DONE, NULL);
	keys("\033:undo flip\n");
	expect("flush");
	assert_int_equal(v.subject, fixture_step(&f, "flip@web-1"));
	keys("\033:undo flip@web-1\n\033:diff flip\n");
	expect("flush; preview flip@voice-1");
	fixture_phase(&f, "flip@voice-1", PHASE_DONE, NULL);
	keys("\033:apply flip\n");
	expect("");
	expect_message("step 'flip@voice-1' is in place already");
	keys(":apply flop\n");
	expect_message("there is no step 'flop'; did you mean 'flip'?");
}

static void
a_refuted_plan_is_shown_by_itself_once(void **state)
{
	(void)state;
	another_plan("tests/ui/refuted.yaml");
	update();
	paint();
	assert_int_equal(v.pane, PANE_PROOF);
	keys("\033");
	assert_int_equal(v.pane, PANE_DASHBOARD);
	update();
	assert_int_equal(v.pane, PANE_DASHBOARD);
	keys(":proof\n");
	assert_int_equal(v.pane, PANE_PROOF);
	expect("");
	/* Not where something was applied: then what is under way comes first. */
	another_plan("tests/ui/refuted.yaml");
	fixture_phase(&f, "pg-both", PHASE_DONE, NULL);
	update();
	assert_int_equal(v.pane, PANE_DASHBOARD);
	keys("P");
	assert_int_equal(v.pane, PANE_PROOF);
}

static void
tab_picks_a_counter_example_and_enter_goes_to_its_step(void **state)
{
	int i, n;

	(void)state;
	another_plan("tests/ui/refuted.yaml");
	update();
	paint();
	n = (int)f.proof.ncounters;
	assert_true(n > 1);
	for (i = 0; i < n; i++) {
		assert_int_equal(v.counter, i);
		keys("\t");
	}
	assert_int_equal(v.counter, 0);
	keys("\n");
	assert_int_equal(v.pane, PANE_DASHBOARD);
	assert_int_equal(view_step(&v, &f.scene), f.proof.counters[0].step);
	assert_int_equal(f.proof.counters[0].step, fixture_step(&f, "pgb-tls"));
	/* Nor does the selection leave it by itself. */
	update();
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "pgb-tls"));
	expect("");
	/* Fewer are left: what was picked is one of them. */
	keys("P\t\t");
	f.proof.ncounters = 1;
	update();
	assert_int_equal(v.counter, 0);
	f.proof.ncounters = (size_t)n;
}

static void
what_is_seen_otherwise_is_told_once(void **state)
{
	size_t before;

	(void)state;
	before = v.nnotes;
	fixture_contradicted(&f, "postgres is set to accept plain; by the plan it accepts both\n", 1);
	update();
	expect_message("postgres is set to accept plain");
	assert_int_equal(v.nnotes, before + 1);
	fixture_contradicted(&f, "postgres is set to accept plain; by the plan it accepts both\n", 1);
	update();
	update();
	assert_int_equal(v.nnotes, before + 1);
	fixture_contradicted(&f, "", 0);
	update();
	expect_message("again what the run believes");
	assert_int_equal(v.nnotes, before + 2);
}

static void
a_plan_that_becomes_refuted_is_told_once(void **state)
{
	struct proof other = { 0 };
	size_t before = v.nnotes;
	struct counter c = { .link = 1, .verdict = VERDICT_REFUSED, .why = "it is so", .because = NONE, .step = 2,
	    .fix_step = NONE };

	(void)state;
	other.counters = &c;
	other.ncounters = other.nlinks = 1;
	proven_set(&f.proven, &other, "", 0);
	update();
	update();
	expect_message("REFUTED");
	assert_int_equal(v.nnotes, before + 1);
	assert_int_equal(v.pane, PANE_DASHBOARD);
	assert_int_equal(proven_strands(&f.proven, 2), 1);
	proven_set(&f.proven, &f.proof, "", 0);
	update();
	expect_message("proven");
	assert_int_equal(v.nnotes, before + 2);
	assert_int_equal(proven_strands(&f.proven, 2), 0);
}

/* ---- asks ---- */

static void
a_host_key_wants_yes_in_full(void **state)
{
	struct ask ask = { .kind = ASK_HOST_KEY, .id = 5 };

	(void)state;
	view_ask(&v, &ask);
	update();
	expect("flush");
	keys("\n");
	keys("y\n");
	expect("");
	key(K_CTRL('u'));
	keys("yes\n");
	expect("answer 5 yes");
	ask.id = 6;
	view_ask(&v, &ask);
	update();
	keys("yes\033");
	expect("flush; answer 6 no");
}

static void
asks_wait_for_each_other_and_for_questions(void **state)
{
	struct ask ask = { .kind = ASK_SECRET, .id = 1 };

	(void)state;
	keys("u");
	view_ask(&v, &ask);
	ask.id = 2;
	view_ask(&v, &ask);
	update();
	assert_int_equal(v.question, Q_UNDO);
	keys("\033");
	expect("flush; flush");
	assert_int_equal(v.question, Q_ASK);
	keys("one\n");
	expect("answer 1 one; flush");
	keys("two\n");
	expect("answer 2 two");
}

static void
a_new_passphrase_is_typed_twice(void **state)
{
	struct ask ask = { .kind = ASK_CA_PASSPHRASE, .id = 4, .confirm = true };

	(void)state;
	view_ask(&v, &ask);
	update();
	keys("\n");
	expect("flush");
	expect_message("not left without");
	keys("abc\nabd\n");
	expect("");
	expect_message("differ");
	keys("abc\nabc\n");
	expect("answer 4 abc");
}

static void
secrets_are_wiped(void **state)
{
	struct ask ask = { .kind = ASK_SECRET, .id = 1 };
	const char *at = (const char *)&v;
	size_t i;

	(void)state;
	view_ask(&v, &ask);
	update();
	keys("hunter22\n");
	expect("flush; answer 1 hunter22");
	for (i = 0; i + 8 <= sizeof(v); i++)
		assert_true(memcmp(at + i, "hunter22", 8) != 0);
}

/* ---- pastes, interrupts, commands ---- */

static void
pasted_text_is_not_taken_for_keys(void **state)
{
	(void)state;
	key(K_PASTE_BEGIN);
	keys("Aauuq\ny");
	key(K_PASTE_END);
	expect("");
	assert_false(v.armed);
	assert_int_equal(v.question, Q_NONE);
	keys(":");
	key(K_PASTE_BEGIN);
	keys("messages\nuu");
	key(K_PASTE_END);
	assert_string_equal(v.field.text, "messagesuu");
	keys("\033");
	expect("");
}

static void
the_first_interrupt_parks_and_the_second_leaves(void **state)
{
	(void)state;
	fixture_phase(&f, "flip-web-pg", PHASE_APPLYING, NULL);
	interrupt();
	expect("park flip-web-pg");
	expect_message("Ctrl-C again leaves");
	interrupt();
	expect("leave");
	/* A key between them says that somebody is there. */
	keys("j");
	interrupt();
	expect("park flip-web-pg");
}

static void
quit_asks_in_the_middle_of_a_step_only(void **state)
{
	(void)state;
	keys("q");
	expect("leave");
	fixture_phase(&f, "flip-web-pg", PHASE_APPLYING, NULL);
	keys("q");
	expect("flush");
	assert_int_equal(v.question, Q_LEAVE);
	keys("\nq\033");
	expect("");
	keys("qy");
	expect("flush; leave");
	/* Elsewhere q goes back. */
	keys("sq");
	expect("");
	assert_int_equal(v.pane, PANE_DASHBOARD);
}

static void
commands_that_change_something_are_spelt_out(void **state)
{
	(void)state;
	keys(":sk pg-tls\n:wai x\n:ret\n:app\n:und\n");
	expect("");
	expect_message("did you mean 'undo'");
	keys(":hist\n");
	assert_int_equal(v.pane, PANE_HISTORY);
	keys("\033:frobnicate\n");
	expect_message("there is no command");
	keys(":w /tmp/x y\n");
	expect("save /tmp/x y");
	keys(":refresh\n");
	expect("sweep");
	keys(":park\n:settle\n");
	expect("");
}

static void
skip_and_retry_want_arming(void **state)
{
	(void)state;
	keys(":skip\n:retry\n");
	expect("");
	expect_message("not armed");
	fixture_phase(&f, "flip-web-pg", PHASE_FAULTED, "gate: no");
	keys("A:retry\n");
	expect("retry flip-web-pg");
	keys(":skip flip-web-pg\n");
	expect("");
	expect_message("not optional");
}

static void
a_check_is_waived_by_its_name_and_with_a_reason(void **state)
{
	const struct step *st = &f.plan->steps[fixture_step(&f, "flip-web-pg")];
	char line[512], want[512];

	(void)state;
	fixture_phase(&f, "flip-web-pg", PHASE_FAULTED, "gate: no");
	update();
	keys("A");
	snprintf(line, sizeof(line), ":waive %s\n", st->gates[0].name);
	keys(line);
	expect("");
	expect_message("needs a reason");
	snprintf(line, sizeof(line), ":waive %s  the dba agreed \n", st->gates[0].name);
	keys(line);
	snprintf(want, sizeof(want), "waive flip-web-pg/%s because the dba agreed", st->gates[0].name);
	expect(want);
	keys(":waive nothing of it\n");
	expect("");
	expect_message("no check named so");
}

/* ---- moving about ---- */

static void
moving_about_changes_nothing(void **state)
{
	static const int moving[] = {
		K_UP, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PAGE_UP, K_PAGE_DOWN, K_TAB, K_BACKTAB, K_ESC,
		K_BACKSPACE, K_DELETE, K_OTHER, 'h', 'j', 'k', 'l', 'g', 'G', ' ', K_ENTER,
	};
	unsigned seed = 1;
	int i, c;

	(void)state;
	v.armed = true;
	for (c = 1; c < 0x20; c++)
		if (c != K_CTRL('l'))
			key(c);
	for (i = 0; i < 3000; i++) {
		seed = seed * 1103515245u + 12345u;
		key(moving[(seed >> 16) % (sizeof(moving) / sizeof(moving[0]))]);
		assert_int_equal(v.question, Q_NONE);
	}
	/* At most the observation of a preview, which changes nothing. */
	while (trace.len > 0) {
		assert_memory_equal(trace.data, "preview ", 8);
		buf_drop(&trace, strcspn(trace.data, ";"));
		if (trace.len > 0)
			buf_drop(&trace, 2);
	}
}

static void
a_for_unfolds_and_folds(void **state)
{
	(void)state;
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "flip-web-pg"));
	keys("\n");
	assert_int_equal(v.open_group, 4);
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "flip-web-pg"));
	keys("jj");
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "flip-ops-pg"));
	keys("h");
	assert_int_equal(v.open_group, NONE);
	assert_int_equal(v.lists[PANE_DASHBOARD].sel, 4);
}

static void
the_selection_follows_the_rollout_until_it_is_moved(void **state)
{
	(void)state;
	fixture_phase(&f, "flip-web-pg", PHASE_DONE, NULL);
	fixture_phase(&f, "flip-voice-pg", PHASE_DONE, NULL);
	fixture_phase(&f, "flip-ops-pg", PHASE_DONE, NULL);
	update();
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "pgb-tls"));
	keys("gj");
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "pg-both"));
	fixture_phase(&f, "pgb-tls", PHASE_DONE, NULL);
	update();
	assert_int_equal(view_step(&v, &f.scene), fixture_step(&f, "pg-both"));
}

static void
lists_stay_within_their_rows(void **state)
{
	struct scroll l = { .sel = 0 };

	(void)state;
	scroll_fit(&l, 0, 5);
	scroll_move(&l, 1);
	assert_int_equal(l.sel, 0);
	scroll_fit(&l, 20, 5);
	scroll_move(&l, 1 << 20);
	assert_int_equal(l.sel, 19);
	scroll_fit(&l, 20, 5);
	assert_int_equal(l.top, 15);
	scroll_fit(&l, 3, 5);
	assert_int_equal(l.sel, 2);
	assert_int_equal(l.top, 0);
	scroll_move(&l, -(1 << 20));
	assert_int_equal(l.sel, 0);
}

static void
without_a_plan_it_only_looks(void **state)
{
	(void)state;
	view_release(&v);
	fixture_release(&f);
	fixture_init(&f, false);
	fixture_halfway(&f);
	view_init(&v, false, false);
	update();
	paint();
	keys("aAuUdvpsco\033HmP?\033\033:apply\n:undo x\n:waive a b\n:park\nhjkl\n\t");
	expect("");
	assert_false(v.armed);
}

/* Keys at random, the fiercest hand: nothing is applied unless it was asked for and answered. */
static void
random_keys_never_apply_without_an_answer(void **state)
{
	static const char some[] = "aAuUdvpscoHmP?/:jkhlgG \n\t\033qyrx";
	unsigned seed = 7;
	int i;

	(void)state;
	fixture_turns(&f);
	for (i = 0; i < 20000; i++) {
		enum question before = v.question;
		char c;

		seed = seed * 1103515245u + 12345u;
		c = some[(seed >> 16) % (sizeof(some) - 1)];
		if (i % 50 == 0)
			fixture_phase(&f, "flip-web-pg", i % 100 == 0 ? PHASE_READY : PHASE_TODO, NULL);
		buf_clear(&trace);
		key(c == '\n' ? K_ENTER : c == '\t' ? K_TAB : c == '\033' ? K_ESC : c);
		if (strstr(buf_str(&trace), "apply ") != NULL) {
			assert_int_equal(before, Q_APPLY);
			assert_true(c == 'y' || c == '\n');
		}
		if (strstr(buf_str(&trace), "undo ") != NULL)
			assert_true(before == Q_UNDO || (before == Q_TURN && (c == 'y' || c == '\n')));
		assert_null(strstr(buf_str(&trace), "skip "));
		assert_null(strstr(buf_str(&trace), "retry "));
	}
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(nothing_is_applied_before_arming),
		T(apply_previews_then_asks_then_applies),
		T(apply_can_be_declined),
		T(a_preview_that_failed_asks_nothing),
		T(a_preview_that_waits_for_a_passphrase_is_waited_for),
		T(production_wants_its_name),
		T(a_refused_apply_says_why),
		T(a_lock_or_read_only_keeps_everything_as_it_is),
		T(disarming_while_asked_applies_nothing),
		T(a_question_whose_ground_is_gone_closes),
		T(undo_counts_down_and_starts_by_itself),
		T(undo_starts_now_by_u_or_enter),
		T(undo_is_cancelled_by_esc_and_by_nothing_else),
		T(undo_works_in_every_pane_unarmed),
		T(undo_takes_the_step_in_flight),
		T(undo_of_what_cannot_be_says_why),
		T(a_clock_set_back_does_not_lengthen_the_countdown),
		T(an_earlier_step_is_undone_when_asked_and_answered),
		T(whom_it_would_strand_is_said_in_full),
		T(undo_that_is_refused_when_it_is_asked_for_says_what_insists),
		T(what_turned_up_while_it_was_asked_is_heeded),
		T(the_last_step_has_its_turn),
		T(what_is_under_the_cursor_is_explained),
		T(what_was_scrolled_away_is_not_picked),
		T(a_step_on_several_hosts_goes_by_its_name),
		T(a_refuted_plan_is_shown_by_itself_once),
		T(tab_picks_a_counter_example_and_enter_goes_to_its_step),
		T(what_is_seen_otherwise_is_told_once),
		T(a_plan_that_becomes_refuted_is_told_once),
		T(a_host_key_wants_yes_in_full),
		T(asks_wait_for_each_other_and_for_questions),
		T(a_new_passphrase_is_typed_twice),
		T(secrets_are_wiped),
		T(pasted_text_is_not_taken_for_keys),
		T(the_first_interrupt_parks_and_the_second_leaves),
		T(quit_asks_in_the_middle_of_a_step_only),
		T(commands_that_change_something_are_spelt_out),
		T(skip_and_retry_want_arming),
		T(a_check_is_waived_by_its_name_and_with_a_reason),
		T(moving_about_changes_nothing),
		T(a_for_unfolds_and_folds),
		T(the_selection_follows_the_rollout_until_it_is_moved),
		T(lists_stay_within_their_rows),
		T(without_a_plan_it_only_looks),
		T(random_keys_never_apply_without_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
