/*
 * What thread.h and journaling.h promise: one at a time, in order, answered on
 * the loop, and the loop never waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "engine/journaling.h"
#include "engine/thread.h"

static uv_loop_t loop;
static struct thread *thread;
static char *dir;

static int
unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int
begin(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct err err;

	(void)state;
	dir = mem_printf("%s/belay-thread-test.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(dir) == NULL)
		return -1;
	return uv_loop_init(&loop) == 0 && (thread = thread_new(&loop, &err)) != NULL ? 0 : -1;
}

static int
end(void **state)
{
	(void)state;
	thread_free(thread);
	thread = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
	return uv_loop_close(&loop);	/* -1 where a handle was left open */
}

#define TASKS 500

struct task {
	int n;
	pthread_t worked_on, done_on;
};

static int worked[TASKS], done[TASKS], nworked, ndone, at_once, most_at_once;

static void
work(void *arg)
{
	struct task *t = arg;

	if (++at_once > most_at_once)
		most_at_once = at_once;
	t->worked_on = pthread_self();
	worked[nworked++] = t->n;
	at_once--;
}

static void
note_done(void *arg)
{
	struct task *t = arg;

	t->done_on = pthread_self();
	done[ndone++] = t->n;
}

static void
reset(void)
{
	nworked = ndone = at_once = most_at_once = 0;
}

static void
work_is_done_in_order_on_one_thread_and_answered_on_the_loop(void **state)
{
	struct task *tasks = mem_array(TASKS, sizeof(*tasks));
	int i;

	(void)state;
	reset();
	for (i = 0; i < TASKS; i++) {
		tasks[i].n = i;
		thread_do(thread, work, note_done, &tasks[i]);
	}
	assert_int_equal(ndone, 0);	/* never from inside the call */
	uv_run(&loop, UV_RUN_DEFAULT);	/* ends by itself when all is answered */
	assert_int_equal(ndone, TASKS);
	assert_int_equal(thread_pending(thread), 0);
	assert_int_equal(most_at_once, 1);
	for (i = 0; i < TASKS; i++) {
		assert_int_equal(worked[i], i);
		assert_int_equal(done[i], i);
		assert_true(pthread_equal(tasks[i].worked_on, tasks[0].worked_on));
		assert_false(pthread_equal(tasks[i].worked_on, pthread_self()));
		assert_true(pthread_equal(tasks[i].done_on, pthread_self()));
	}
	free(tasks);
}

static uv_sem_t gate;

static void
wait_for_gate(void *arg)
{
	(void)arg;
	uv_sem_wait(&gate);
}

static int ticks;

static void
tick(uv_timer_t *t)
{
	if (++ticks == 20) {
		uv_timer_stop(t);
		uv_sem_post(&gate);
	}
}

static void
loop_goes_on_while_work_blocks(void **state)
{
	uv_timer_t timer;

	(void)state;
	ticks = 0;
	assert_int_equal(uv_sem_init(&gate, 0), 0);
	thread_do(thread, wait_for_gate, NULL, NULL);
	uv_timer_init(&loop, &timer);
	uv_timer_start(&timer, tick, 1, 1);
	/* The work ends only because the loop went on ticking: else this would hang. */
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(ticks, 20);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_sem_destroy(&gate);
}

static void
ask_for_more(void *arg)
{
	struct task *t = arg;

	note_done(t);
	if (t->n < 5) {
		t->n++;
		thread_do(thread, work, ask_for_more, t);
	}
}

static void
free_finishes_what_was_asked_for(void **state)
{
	struct task tasks[50] = { { .n = 0 } }, more = { .n = 0 };
	struct err err;
	int i;

	(void)state;
	reset();
	for (i = 0; i < 50; i++)
		thread_do(thread, work, note_done, &tasks[i]);
	thread_do(thread, work, ask_for_more, &more);
	thread_free(thread);
	assert_int_equal(nworked, 56);
	assert_int_equal(ndone, 56);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_non_null(thread = thread_new(&loop, &err));
}

static void
look_at_mask(void *arg)
{
	sigset_t *mask = arg;

	pthread_sigmask(SIG_BLOCK, NULL, mask);
}

static void
signals_are_left_to_the_loop(void **state)
{
	sigset_t there, here;

	(void)state;
	thread_do(thread, look_at_mask, NULL, &there);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(sigismember(&there, SIGINT));
	assert_true(sigismember(&there, SIGWINCH));
	assert_true(sigismember(&there, SIGTERM));
	pthread_sigmask(SIG_BLOCK, NULL, &here);
	assert_false(sigismember(&here, SIGINT));
}

/* ---- the journal through it ---- */

static char *trace;

static void
say(const char *word, bool ok)
{
	char *was = trace;

	trace = mem_printf("%s%s %s\n", was == NULL ? "" : was, word, ok ? "ok" : "failed");
	free(was);
}

static void
on_done(void *arg, enum journaled how, const char *why)
{
	char *was = trace;

	assert_true((how == JOURNALED) == (why == NULL));
	if (how == JOURNALED_NOT_YET) {
		trace = mem_printf("%s%s kept\n", was == NULL ? "" : was, (const char *)arg);
		free(was);
	} else
		say(arg, how == JOURNALED);
}

static void
on_begun(void *arg, const struct journal_run *run, const char *why)
{
	assert_true((run == NULL) == (why != NULL));
	say(arg, run != NULL && run->id[0] != '\0');
}

static bool
count_one(void *arg, const struct journal_entry *e)
{
	(void)e;
	(*(int *)arg)++;
	return true;
}

static void
journal_is_written_in_order_and_answers_come_after_the_disk(void **state)
{
	struct journal *journal, *reader;
	struct journaling *j;
	struct journal_run run = { .plan_name = "p", .who = "ops@bastion", .began_ms = 1767435072000 };
	struct record r = { .kind = REC_INTENT, .at_ms = 1, .op = 0 };
	struct rlimit was, small;
	struct err err;
	char *by;
	int n = 0;

	(void)state;
	assert_int_equal(journal_open(&journal, dir, "prod", false, &by, &err), 0);
	j = journaling_new(thread, journal);
	journaling_append(j, &r, "s", NULL, NULL, on_done, (char[]){ "too early" });
	journaling_begin(j, &run, on_begun, (char[]){ "begin" });
	journaling_begin(j, &run, on_begun, (char[]){ "twice" });
	journaling_append(j, &r, "s", "R/s/0", "note", on_done, (char[]){ "append" });
	journaling_note(j, 2, "s", "waive", "because", on_done, (char[]){ "note" });
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(trace, "too early failed\nbegin ok\ntwice failed\nappend ok\nnote ok\n");
	assert_int_equal(journal_open(&reader, dir, "prod", true, &by, &err), 0);
	assert_int_equal(journal_each(reader, NULL, count_one, &n, &err), 0);
	assert_int_equal(n, 3);
	free(trace);
	trace = NULL;

	/* No room: said, and what was not written is not there. */
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	journaling_append(j, &r, "s", NULL, NULL, on_done, (char[]){ "no room" });
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	journaling_end(j, on_done, (char[]){ "end" });
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(trace, "no room failed\nend ok\n");
	n = 0;
	assert_int_equal(journal_each(reader, NULL, count_one, &n, &err), 0);
	assert_int_equal(n, 4);
	free(trace);
	trace = NULL;
	journal_close(reader);
	journaling_free(j);
	journal_close(journal);
}

static bool
seen_one(void *arg, const struct journal_entry *e)
{
	char **seen = arg, *was = *seen;

	*seen = mem_printf("%s%s ", was, e->kind);
	free(was);
	return true;
}

static void
what_has_happened_is_kept_until_the_disk_takes_it_and_nothing_overtakes_it(void **state)
{
	struct journal *journal;
	struct journaling *j;
	struct journal_run run = { .plan_name = "p", .who = "ops@bastion", .began_ms = 1767435072000 };
	struct record intent = { .kind = REC_INTENT, .at_ms = 1, .op = 0 };
	struct record outcome = { .kind = REC_OUTCOME, .at_ms = 2, .op = 0, .outcome = OP_APPLIED };
	struct rlimit was, small;
	struct err err;
	char *by, *seen = mem_strdup("");

	(void)state;
	assert_int_equal(journal_open(&journal, dir, "prod", false, &by, &err), 0);
	j = journaling_new(thread, journal);
	journaling_begin(j, &run, on_begun, (char[]){ "begin" });
	journaling_append(j, &intent, "s", "R/s/0", NULL, on_done, (char[]){ "intent" });
	thread_drain(thread);
	assert_int_equal(thread_pending(thread), 0);
	assert_string_equal(trace, "begin ok\nintent ok\n");
	free(trace);
	trace = NULL;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	journaling_append(j, &outcome, "s", "R/s/0", NULL, on_done, (char[]){ "outcome" });
	journaling_append(j, &intent, "s", "R/s/1", NULL, on_done, (char[]){ "next intent" });
	journaling_note(j, 3, NULL, "waive", "because", on_done, (char[]){ "note" });
	journaling_note(j, 4, NULL, "begin", "not a note", on_done, (char[]){ "bad note" });
	thread_drain(thread);
	assert_string_equal(trace, "outcome kept\nnext intent failed\nnote kept\nbad note kept\n");
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	journaling_append(j, &intent, "s", "R/s/1", NULL, on_done, (char[]){ "again" });
	thread_drain(thread);
	assert_string_equal(trace, "outcome kept\nnext intent failed\nnote kept\nbad note kept\n"
	    "outcome ok\nnote ok\nbad note failed\nagain ok\n");
	free(trace);
	trace = NULL;

	/* What the journal refuses as such, and not for its disk, is not kept, and stood in nobody's way above. */
	journaling_note(j, 4, NULL, "begin", "not a note", on_done, (char[]){ "bad note" });
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	journaling_end(j, on_done, (char[]){ "end" });
	thread_drain(thread);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	(void)signal(SIGXFSZ, SIG_DFL);
	assert_string_equal(trace, "bad note failed\nend kept\n");
	journaling_free(j);		/* the last try */
	assert_string_equal(trace, "bad note failed\nend kept\nend ok\n");
	free(trace);
	trace = NULL;
	assert_int_equal(journal_each(journal, NULL, seen_one, &seen, &err), 0);
	assert_string_equal(seen, "begin intent outcome waive intent end ");
	free(seen);
	journal_close(journal);
}

#define claim(f) cmocka_unit_test_setup_teardown(f, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		claim(work_is_done_in_order_on_one_thread_and_answered_on_the_loop),
		claim(loop_goes_on_while_work_blocks),
		claim(free_finishes_what_was_asked_for),
		claim(signals_are_left_to_the_loop),
		claim(journal_is_written_in_order_and_answers_come_after_the_disk),
		claim(what_has_happened_is_kept_until_the_disk_takes_it_and_nothing_overtakes_it),
	};

	return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
