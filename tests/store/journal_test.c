/*
 * What journal.h promises: an acknowledged entry is on disk, the past cannot
 * be edited unseen, and two belays never hold one journal.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "core/err.h"
#include "core/mem.h"
#include "store/journal.h"
#include "store/state_dir.h"

static char *dir;	/* of one test */

static int
make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	dir = mem_printf("%s/belay-journal-test.XXXXXX", tmp == NULL ? "/tmp" : tmp);
	return mkdtemp(dir) == NULL ? -1 : 0;
}

static int
unlink_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static int
remove_dir(void **state)
{
	(void)state;
	(void)nftw(dir, unlink_one, 16, FTW_DEPTH | FTW_PHYS);
	free(dir);
	return 0;
}

static struct journal *
open_or_fail(const char *name, bool read_only)
{
	struct journal *j = NULL;
	struct err err;
	char *by;

	if (journal_open(&j, dir, name, read_only, &by, &err) == -1)
		fail_msg("%s", err.msg);
	return j;
}

static void
refused(const char *in, const char *name, const char *words)
{
	struct journal *j = NULL;
	struct err err;
	char *by;

	assert_int_equal(journal_open(&j, in, name, false, &by, &err), -1);
	assert_null(by);
	if (strstr(err.msg, words) == NULL)
		fail_msg("'%s' is not in '%s'", words, err.msg);
}

static struct journal_run
a_run(void)
{
	struct journal_run run = { .began_ms = 1767435072000 };

	memset(run.plan_sha, 'a', 64);
	memset(run.fleet_sha, 'b', 64);
	strcpy(run.plan_name, "internal-encryption");
	strcpy(run.who, "ops@bastion");
	return run;
}

static void
begin(struct journal *j)
{
	struct journal_run run = a_run();
	struct err err;

	if (journal_begin(j, &run, &err) == -1)
		fail_msg("%s", err.msg);
}

static int
append(struct journal *j, int op, struct err *err)
{
	struct record r = { .kind = REC_INTENT, .at_ms = 1767435073000 + op, .step = 3, .op = op };

	return journal_append(j, &r, "pg-both", "20260103T101112Z-4f2a/pg-both/1", "a note", err);
}

static bool
count_one(void *arg, const struct journal_entry *e)
{
	int *n = arg;

	if (e->is_record)
		(*n)++;
	return true;
}

static int
count_records(struct journal *j)
{
	struct err err;
	int n = 0;

	if (journal_each(j, NULL, count_one, &n, &err) == -1)
		fail_msg("%s", err.msg);
	return n;
}

static void
chain_holds(struct journal *j)
{
	struct err err;
	char head[65];

	if (journal_verify(j, head, &err) == -1)
		fail_msg("%s", err.msg);
	assert_int_equal(strlen(head), 64);
}

static char *
path_of(const char *file)
{
	return mem_printf("%s/%s", dir, file);
}

/* ---- opening ---- */

static void
directory_and_files_are_made_for_us_alone(void **state)
{
	struct journal *j;
	struct stat st;
	struct err err;
	char *sub = path_of("state"), *file = path_of("state/prod.journal"), *lock = path_of("state/prod.lock"), *by;

	(void)state;
	umask(0);
	assert_int_equal(journal_open(&j, sub, "prod", false, &by, &err), 0);
	umask(022);
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	journal_close(j);
	free(sub);
	free(file);
	free(lock);
}

static void
journal_refuses_a_directory_open_to_others(void **state)
{
	(void)state;
	assert_int_equal(chmod(dir, 0750), 0);
	refused(dir, "prod", "open to others (mode 0750)");
	assert_int_equal(chmod(dir, 0700), 0);
}

static void
journal_refuses_symbolic_links(void **state)
{
	char *real = path_of("real"), *link = path_of("link"), *file = path_of("prod.journal"), *lock = path_of("x.lock");

	(void)state;
	assert_int_equal(mkdir(real, 0700), 0);
	assert_int_equal(symlink("real", link), 0);
	refused(link, "prod", "is a symbolic link");
	assert_int_equal(symlink("elsewhere", file), 0);
	refused(dir, "prod", "cannot open the journal");
	assert_int_equal(symlink("elsewhere", lock), 0);
	refused(dir, "x", "cannot open the lock");
	free(real);
	free(link);
	free(file);
	free(lock);
}

static void
journal_refuses_names_that_lead_elsewhere(void **state)
{
	(void)state;
	refused(dir, "", "cannot be called");
	refused(dir, "../prod", "cannot be called");
	refused(dir, ".hidden", "cannot be called");
	refused(dir, "a b", "cannot be called");
	refused(dir, "-rf", "cannot be called");
}

static void
journal_refuses_what_is_not_its_own(void **state)
{
	char *file = path_of("prod.journal");
	FILE *f;
	sqlite3 *db;

	(void)state;
	f = fopen(file, "w");
	assert_non_null(f);
	fputs("this is no database at all, but it is longer than a header of one, which is a hundred bytes long, "
	    "and so it goes on", f);
	fclose(f);
	refused(dir, "prod", "mode 0600");
	assert_int_equal(chmod(file, 0600), 0);
	refused(dir, "prod", "damaged");
	assert_int_equal(unlink(file), 0);
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "CREATE TABLE t (x)", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	assert_int_equal(chmod(file, 0600), 0);
	refused(dir, "prod", "not a journal of belay's");
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA application_id = 0x62656c79; PRAGMA user_version = 99", NULL,
	    NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	refused(dir, "prod", "of version 99");
	free(file);
}

static void
network_file_systems_are_refused_by_name(void **state)
{
	(void)state;
	assert_string_equal(state_dir_refused_fs(0x6969), "nfs");
	assert_string_equal(state_dir_refused_fs(0xff534d42), "cifs");
	/* As a signed 32-bit f_type comes out of a cast. */
	assert_string_equal(state_dir_refused_fs((unsigned long)(int32_t)0xff534d42), "cifs");
	assert_null(state_dir_refused_fs(0xef53));	/* ext4 */
	assert_null(state_dir_refused_fs(0x01021994));	/* tmpfs */
	assert_null(state_dir_refused_fs(0x58465342));	/* xfs */
}

static void
state_dir_follows_the_environment(void **state)
{
	struct err err;
	char *got, *want = path_of("xdg/belay"), *xdg = path_of("xdg"), *home = mem_strdup(getenv("HOME"));
	struct stat st;

	(void)state;
	setenv("XDG_STATE_HOME", xdg, 1);
	assert_int_equal(state_dir(&got, &err), 0);
	assert_string_equal(got, want);
	assert_int_equal(stat(got, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(got);
	free(want);
	/* A relative one is to be ignored. */
	setenv("XDG_STATE_HOME", "relative", 1);
	setenv("HOME", dir, 1);
	want = path_of(".local/state/belay");
	assert_int_equal(state_dir(&got, &err), 0);
	assert_string_equal(got, want);
	free(got);
	free(want);
	free(xdg);
	unsetenv("XDG_STATE_HOME");
	if (home != NULL)
		setenv("HOME", home, 1);
	free(home);
}

/* ---- entries ---- */

struct seen {
	char *text;
};

static bool
print_entry(void *arg, const struct journal_entry *e)
{
	struct seen *s = arg;
	char *line, *was = s->text;
	const struct record *r = &e->record;

	if (e->is_record)
		line = mem_printf("%lld %s %s %s op=%d phase=%d outcome=%d before=%.4s after=%.4s why=%s text=%s at=%lld\n",
		    (long long)e->seq, e->kind, e->step_id, e->op_id == NULL ? "-" : e->op_id, r->op, (int)r->phase,
		    (int)r->outcome, r->before_sha, r->after_sha, r->why, e->text == NULL ? "-" : e->text,
		    (long long)e->at_ms);
	else
		line = mem_printf("%lld note %s %s %s\n", (long long)e->seq, e->kind,
		    e->step_id == NULL ? "-" : e->step_id, e->text == NULL ? "-" : e->text);
	s->text = mem_printf("%s%s", was == NULL ? "" : was, line);
	free(was);
	free(line);
	return true;
}

/* What another bastion began: it is here whole, or it is not here. */
static void
adopted_run_is_there_whole_or_not_at_all(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct journal_run run = a_run(), got;
	struct journal_line lines[] = {
		{ .note = (char[]){ "adopt" }, .record = { .at_ms = 3 }, .text = (char[]){ "begun by kim" } },
		{ .record = { .kind = REC_APPLY, .at_ms = 4, .op = NONE }, .step_id = (char[]){ "pg-both" } },
		{ .record = { .kind = REC_PHASE, .at_ms = 5, .op = NONE, .phase = PHASE_DONE },
		    .step_id = (char[]){ "pg-both" } },
	};
	const struct journal_lines all = { lines, 3 };
	struct seen seen = { NULL };
	struct err err;

	(void)state;
	(void)snprintf(run.id, sizeof(run.id), "20251231T000000Z-0001");
	/* A note that cannot be, behind what can. */
	lines[0].note = (char[]){ "end" };
	lines[2] = lines[0];
	lines[0].note = (char[]){ "adopt" };
	assert_int_equal(journal_adopt(j, &run, &all, false, &err), -1);
	assert_non_null(strstr(err.msg, "cannot be called 'end'"));
	assert_int_equal(journal_current(j, &got, &err), -1);
	assert_int_equal(journal_each(j, NULL, print_entry, &seen, &err), 0);
	assert_null(seen.text);
	lines[2] = (struct journal_line){ .record = { .kind = REC_PHASE, .at_ms = 5, .op = NONE, .phase = PHASE_DONE },
	    .step_id = (char[]){ "pg-both" } };
	assert_int_equal(journal_adopt(j, &run, &all, false, &err), 0);
	assert_int_equal(journal_adopt(j, &run, &all, false, &err), -1);
	assert_non_null(strstr(err.msg, "still in progress"));
	journal_close(j);

	j = open_or_fail("prod", false);
	assert_int_equal(journal_current(j, &got, &err), 0);
	assert_string_equal(got.id, "20251231T000000Z-0001");
	assert_int_equal(journal_each(j, NULL, print_entry, &seen, &err), 0);
	assert_string_equal(seen.text,
	    "1 note begin - plan internal-encryption, by ops@bastion\n"
	    "2 note adopt - begun by kim\n"
	    "3 apply pg-both - op=-1 phase=0 outcome=0 before= after= why= text=- at=4\n"
	    "4 phase pg-both - op=-1 phase=7 outcome=0 before= after= why= text=- at=5\n");
	chain_holds(j);
	/* Of one that nothing stands of any more the end is known, too. */
	assert_int_equal(journal_end(j, &err), 0);
	(void)snprintf(run.id, sizeof(run.id), "20251231T000000Z-0002");
	assert_int_equal(journal_adopt(j, &run, &all, true, &err), 0);
	assert_int_equal(journal_current(j, &got, &err), -1);
	assert_string_equal(err.msg, "");
	chain_holds(j);
	free(seen.text);
	journal_close(j);
}

static void
entries_come_back_as_they_went_in(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct journal_run run = a_run(), got;
	struct record r = { .at_ms = 5, .step = 7, .op = NONE };
	struct seen seen = { NULL };
	struct err err;

	(void)state;
	assert_int_equal(journal_current(j, &got, &err), -1);
	assert_string_equal(err.msg, "");
	assert_int_equal(journal_note(j, 3, NULL, "host-key", "db: SHA256:x", &err), 0);
	assert_int_equal(journal_begin(j, &run, &err), 0);
	assert_int_equal(strlen(run.id), 21);
	assert_memory_equal(run.id, "20260103T101112Z-", 17);

	r.kind = REC_APPLY;
	assert_int_equal(journal_append(j, &r, "pg-both", NULL, NULL, &err), 0);
	r.kind = REC_INTENT;
	r.op = 2;
	assert_int_equal(journal_append(j, &r, "pg-both", "RUN/pg-both/2", "it's", &err), 0);
	r.kind = REC_OUTCOME;
	r.outcome = OP_DRIFTED;
	memset(r.before_sha, 'c', 64);
	memset(r.after_sha, 'd', 64);
	strcpy(r.why, "somebody was here");
	assert_int_equal(journal_append(j, &r, "pg-both", "RUN/pg-both/2", NULL, &err), 0);
	r = (struct record){ .kind = REC_PHASE, .at_ms = 6, .op = NONE, .phase = PHASE_FAULTED };
	assert_int_equal(journal_append(j, &r, "pg-both", NULL, NULL, &err), 0);
	assert_int_equal(journal_note(j, 7, "pg-both", "waive", "served postgres: not now", &err), 0);
	journal_close(j);

	j = open_or_fail("prod", false);
	assert_int_equal(journal_current(j, &got, &err), 0);
	assert_memory_equal(&got, &run, sizeof(got));
	assert_int_equal(journal_each(j, NULL, print_entry, &seen, &err), 0);
	assert_string_equal(seen.text,
	    "1 note host-key - db: SHA256:x\n"
	    "2 note begin - plan internal-encryption, by ops@bastion\n"
	    "3 apply pg-both - op=-1 phase=0 outcome=0 before= after= why= text=- at=5\n"
	    "4 intent pg-both RUN/pg-both/2 op=2 phase=0 outcome=0 before= after= why= text=it's at=5\n"
	    "5 outcome pg-both RUN/pg-both/2 op=2 phase=0 outcome=4 before=cccc after=dddd why=somebody was here text=- at=5\n"
	    "6 phase pg-both - op=-1 phase=10 outcome=0 before= after= why= text=- at=6\n"
	    "7 note waive pg-both served postgres: not now\n");
	chain_holds(j);

	assert_int_equal(journal_begin(j, &run, &err), -1);
	assert_non_null(strstr(err.msg, "still in progress"));
	assert_int_equal(journal_end(j, &err), 0);
	assert_int_equal(journal_current(j, &got, &err), -1);
	assert_int_equal(append(j, 1, &err), -1);
	assert_string_equal(err.msg, "no run is in progress");
	assert_int_equal(journal_begin(j, &run, &err), 0);
	free(seen.text);
	seen.text = NULL;
	assert_int_equal(journal_each(j, run.id, print_entry, &seen, &err), 0);
	assert_string_equal(seen.text, "9 note begin - plan internal-encryption, by ops@bastion\n");
	free(seen.text);
	chain_holds(j);
	journal_close(j);
}

static bool
stop_at_five(void *arg, const struct journal_entry *e)
{
	(void)e;
	return ++*(int *)arg < 5;
}

static void
reading_goes_through_all_pages_and_stops_when_told(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct err err;
	int i, n = 0;

	(void)state;
	begin(j);
	for (i = 0; i < 300; i++)
		assert_int_equal(append(j, i, &err), 0);
	assert_int_equal(count_records(j), 300);
	assert_int_equal(journal_each(j, NULL, stop_at_five, &n, &err), 0);
	assert_int_equal(n, 5);
	chain_holds(j);
	journal_close(j);
}

static void
reader_sees_while_another_writes_and_writes_nothing(void **state)
{
	struct journal *w, *r = open_or_fail("prod", true);
	struct stat st;
	struct err err;
	char *file = path_of("prod.journal"), *lock = path_of("prod.lock"), *by, head[65];

	(void)state;
	assert_int_equal(count_records(r), 0);
	assert_int_equal(journal_verify(r, head, &err), 0);
	assert_int_equal(stat(file, &st), -1);
	assert_int_equal(stat(lock, &st), -1);
	assert_int_equal(append(r, 0, &err), -1);
	journal_close(r);

	w = open_or_fail("prod", false);
	begin(w);
	assert_int_equal(append(w, 0, &err), 0);
	r = open_or_fail("prod", true);
	assert_int_equal(count_records(r), 1);
	assert_int_equal(append(w, 1, &err), 0);
	assert_int_equal(count_records(r), 2);
	assert_int_equal(append(r, 2, &err), -1);
	assert_non_null(strstr(err.msg, "reading only"));
	assert_int_equal(journal_note(r, 1, NULL, "x", "y", &err), -1);
	journal_close(r);
	journal_close(w);

	assert_int_equal(rmdir(dir) == -1 && errno == ENOTEMPTY, 1);
	free(file);
	file = path_of("missing");
	assert_int_equal(journal_open(&r, file, "prod", true, &by, &err), 0);
	assert_int_equal(count_records(r), 0);
	assert_int_equal(stat(file, &st), -1);
	journal_close(r);
	free(file);
	free(lock);
}

/* ---- the lock ---- */

static void
second_belay_is_told_who_holds_it_and_at_which_step(void **state)
{
	struct journal *j = open_or_fail("prod", false), *other = NULL;
	struct record r = { .kind = REC_APPLY, .op = NONE };
	char *by, *pid = mem_printf(", pid %ld, since ", (long)getpid());
	struct err err;

	(void)state;
	begin(j);
	assert_int_equal(journal_open(&other, dir, "prod", false, &by, &err), -1);
	assert_non_null(by);
	assert_non_null(strstr(by, pid));
	assert_non_null(strchr(by, '@'));
	assert_null(strstr(by, "step"));
	assert_non_null(strstr(err.msg, by));
	free(by);

	assert_int_equal(journal_append(j, &r, "pg-both", NULL, NULL, &err), 0);
	assert_int_equal(journal_open(&other, dir, "prod", false, &by, &err), -1);
	assert_non_null(by);
	assert_non_null(strstr(by, "Z, step pg-both"));
	free(by);
	by = journal_holder(dir, "prod");
	assert_non_null(by);
	assert_non_null(strstr(by, "step pg-both"));
	free(by);

	other = open_or_fail("staging", false);
	journal_close(other);
	journal_close(j);
	assert_null(journal_holder(dir, "prod"));
	j = open_or_fail("prod", false);
	journal_close(j);
	free(pid);
}

/* A child that does something with the journal until it is killed; its pipe says how far it is. */
static pid_t
child(void (*run)(int fd), int *ret_fd)
{
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fds[0]);
		run(fds[1]);
		_exit(1);
	}
	(void)close(fds[1]);
	*ret_fd = fds[0];
	return pid;
}

static void
hold_for_ever(int fd)
{
	struct journal *j;
	char *by;
	struct err err;

	if (journal_open(&j, dir, "prod", false, &by, &err) == 0) {
		(void)!write(fd, "x", 1);
		for (;;)
			(void)pause();
	}
}

static void
kill_9_lets_go_of_the_lock(void **state)
{
	struct journal *j;
	struct err err;
	char c, *by;
	int fd, status;
	pid_t pid = child(hold_for_ever, &fd);

	(void)state;
	assert_int_equal(read(fd, &c, 1), 1);
	assert_int_equal(journal_open(&j, dir, "prod", false, &by, &err), -1);
	assert_non_null(by);
	free(by);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(fd);
	j = open_or_fail("prod", false);
	journal_close(j);
}

/* ---- dying ---- */

static void
append_for_ever(int fd)
{
	struct journal *j;
	struct err err;
	char *by;
	int op;

	if (journal_open(&j, dir, "prod", false, &by, &err) == -1)
		_exit(2);
	op = count_records(j);
	if (op == 0) {
		struct journal_run run = a_run();

		/* The run may have been begun by a child that got no further. */
		if (journal_begin(j, &run, &err) == -1 && strstr(err.msg, "still in progress") == NULL)
			_exit(3);
	}
	for (;; op++) {
		if (append(j, op, &err) == -1)
			_exit(4);
		/* This is the acknowledgement: from here on the entry must never be missing. */
		if (write(fd, &op, sizeof(op)) != sizeof(op))
			_exit(5);
	}
}

static bool
in_order(void *arg, const struct journal_entry *e)
{
	int *next = arg;

	if (e->is_record) {
		assert_int_equal(e->record.op, *next);
		(*next)++;
	}
	return true;
}

static void
every_acknowledged_entry_survives_kill_9(void **state)
{
	enum { ROUNDS = 60 };
	struct timespec nap = { 0, 0 };
	struct journal *j;
	struct err err;
	int fd, i, status, acked = -1, op, want, next, in_write = 0;
	char *hot = path_of("prod.journal-journal");
	struct stat st;
	pid_t pid;

	(void)state;
	srand(20260103);
	for (i = 0; i < ROUNDS; i++) {
		pid = child(append_for_ever, &fd);
		want = rand() % 12;
		while (want-- > 0 && read(fd, &op, sizeof(op)) == sizeof(op))
			acked = op;
		nap.tv_nsec = rand() % 3000000;
		(void)nanosleep(&nap, NULL);	/* not a wait for anything: the point at which it dies is random */
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		while (read(fd, &op, sizeof(op)) == sizeof(op))
			acked = op;
		(void)close(fd);
		if (stat(hot, &st) == 0)
			in_write++;
		/* Half of the time somebody looks before anybody writes again. */
		j = open_or_fail("prod", i % 2 == 0);
		next = 0;
		if (journal_each(j, NULL, in_order, &next, &err) == -1)
			fail_msg("%s", err.msg);
		/* All that was acknowledged, and at most the one that was being written. */
		assert_in_range(next, acked + 1, acked + 2);
		acked = next - 1;
		chain_holds(j);
		journal_close(j);
	}
	print_message("# %d kills, %d of them in the middle of a write, %d entries acknowledged, 0 lost\n", ROUNDS,
	    in_write, acked + 1);
	assert_true(in_write > 0);
	free(hot);
}

static void
die_while_growing_the_file(int fd)
{
	char *file = path_of("prod.journal"), *by;
	struct journal *j;
	struct rlimit limit;
	struct stat st;
	struct err err;
	int op = 0;

	if (journal_open(&j, dir, "prod", false, &by, &err) == -1 || stat(file, &st) == -1)
		_exit(2);
	/* The write that would make the file longer ends the process by SIGXFSZ, in the middle of the commit. */
	limit.rlim_cur = limit.rlim_max = (rlim_t)st.st_size;
	if (setrlimit(RLIMIT_FSIZE, &limit) == -1)
		_exit(3);
	for (;; op++) {
		if (append(j, op, &err) == -1)
			_exit(4);
		if (write(fd, &op, sizeof(op)) != sizeof(op))
			_exit(5);
	}
}

static void
reader_puts_a_write_that_was_cut_off_right_first(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct err err;
	char *hot = path_of("prod.journal-journal");
	struct stat st;
	int fd, op, acked = 0, status, i;
	pid_t pid;

	(void)state;
	begin(j);
	for (i = 0; i < 30; i++)
		assert_int_equal(append(j, i, &err), 0);
	journal_close(j);
	pid = child(die_while_growing_the_file, &fd);
	while (read(fd, &op, sizeof(op)) == sizeof(op))
		acked++;
	(void)close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGXFSZ);
	assert_int_equal(stat(hot, &st), 0);
	assert_true(st.st_size > 0);
	j = open_or_fail("prod", true);
	assert_int_equal(count_records(j), 30 + acked);
	chain_holds(j);
	assert_int_equal(append(j, 99, &err), -1);
	journal_close(j);
	assert_int_equal(stat(hot, &st), -1);
	free(hot);
}

static void
write_that_fails_is_said_and_leaves_nothing(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct rlimit was, small;
	struct stat st;
	struct err err;
	char *file = path_of("prod.journal");
	int op, acked = 0;

	(void)state;
	begin(j);
	assert_int_equal(stat(file, &st), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = was;
	small.rlim_cur = (rlim_t)st.st_size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (op = 0; op < 200 && append(j, op, &err) == 0; op++)
		acked++;
	assert_true(acked < 200);
	assert_non_null(strstr(err.msg, "cannot write the journal"));
	assert_int_equal(append(j, op, &err), -1);
	assert_int_equal(count_records(j), acked);
	chain_holds(j);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(append(j, op, &err), 0);
	assert_int_equal(count_records(j), acked + 1);
	chain_holds(j);
	journal_close(j);
	(void)signal(SIGXFSZ, SIG_DFL);
	free(file);
}

/* ---- edits of the past ---- */

static void
tamper(const char *sql)
{
	char *file = path_of("prod.journal");
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s", sqlite3_errmsg(db));
	sqlite3_close(db);
	free(file);
}

static void
shows(const char *sql, const char *back, const char *words)
{
	struct journal *j;
	struct err err;
	char head[65];

	tamper(sql);
	j = open_or_fail("prod", true);
	assert_int_equal(journal_verify(j, head, &err), -1);
	if (strstr(err.msg, words) == NULL)
		fail_msg("'%s' is not in '%s' (%s)", words, err.msg, sql);
	journal_close(j);
	tamper(back);
}

static void
every_edit_of_the_past_shows(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct err err;
	int i;

	(void)state;
	begin(j);
	for (i = 0; i < 5; i++)
		assert_int_equal(append(j, i, &err), 0);
	chain_holds(j);
	journal_close(j);
	shows("UPDATE entry SET why = 'it was me' WHERE seq = 3", "UPDATE entry SET why = NULL WHERE seq = 3", "entry 3 ");
	shows("UPDATE entry SET text = '' WHERE seq = 1", "UPDATE entry SET text ="
	    " 'plan internal-encryption, by ops@bastion' WHERE seq = 1", "entry 1 ");
	shows("UPDATE entry SET op_id = step_id, step_id = op_id WHERE seq = 4",
	    "UPDATE entry SET op_id = step_id, step_id = op_id WHERE seq = 4", "entry 4 ");
	shows("UPDATE entry SET at_ms = at_ms + 1 WHERE seq = 6", "UPDATE entry SET at_ms = at_ms - 1 WHERE seq = 6",
	    "entry 6 ");
	shows("UPDATE run SET who = 'root@elsewhere'", "UPDATE run SET who = 'ops@bastion'", "entry 1 ");
	shows("INSERT INTO run SELECT 'x', plan_sha, fleet_sha, plan_name, who, 1 FROM run",
	    "DELETE FROM run WHERE id = 'x'", "never begun");
	j = open_or_fail("prod", false);
	chain_holds(j);
	journal_close(j);
	shows("DELETE FROM entry WHERE seq = 4", "SELECT 1", "entry 5 ");
}

static void
damaged_words_are_refused_and_not_guessed(void **state)
{
	struct journal *j = open_or_fail("prod", false);
	struct err err;
	int n = 0;

	(void)state;
	begin(j);
	assert_int_equal(append(j, 0, &err), 0);
	journal_close(j);
	tamper("UPDATE entry SET kind = 'sing' WHERE is_record");
	j = open_or_fail("prod", true);
	assert_int_equal(journal_each(j, NULL, count_one, &n, &err), -1);
	assert_non_null(strstr(err.msg, "makes no sense"));
	journal_close(j);
}

/* ---- for killed.sh: appends and says so, or counts and verifies ---- */

static int
append_and_tell(const char *in, int n)
{
	struct journal_run run = a_run();
	struct journal *j;
	struct err err;
	char *by;
	int i;

	if (journal_open(&j, in, "prod", false, &by, &err) == -1) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 2;
	}
	if (journal_begin(j, &run, &err) == -1 && strstr(err.msg, "still in progress") == NULL)
		return 3;
	for (i = 0; i < n; i++) {
		if (append(j, i, &err) == -1) {
			(void)fprintf(stderr, "%s\n", err.msg);
			return 4;
		}
		if (write(1, ".", 1) != 1)
			return 5;
	}
	journal_close(j);
	return 0;
}

static int
count_and_verify(const char *in)
{
	struct journal *j;
	struct err err;
	char *by, head[65];
	int n = 0;

	if (journal_open(&j, in, "prod", false, &by, &err) == -1 || journal_each(j, NULL, count_one, &n, &err) == -1 ||
	    journal_verify(j, head, &err) == -1) {
		(void)fprintf(stderr, "%s\n", err.msg);
		return 1;
	}
	(void)printf("%d\n", n);
	journal_close(j);
	return 0;
}

#define claim(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		claim(directory_and_files_are_made_for_us_alone),
		claim(journal_refuses_a_directory_open_to_others),
		claim(journal_refuses_symbolic_links),
		claim(journal_refuses_names_that_lead_elsewhere),
		claim(journal_refuses_what_is_not_its_own),
		claim(network_file_systems_are_refused_by_name),
		claim(state_dir_follows_the_environment),
		claim(entries_come_back_as_they_went_in),
		claim(adopted_run_is_there_whole_or_not_at_all),
		claim(reading_goes_through_all_pages_and_stops_when_told),
		claim(reader_sees_while_another_writes_and_writes_nothing),
		claim(second_belay_is_told_who_holds_it_and_at_which_step),
		claim(kill_9_lets_go_of_the_lock),
		claim(every_acknowledged_entry_survives_kill_9),
		claim(reader_puts_a_write_that_was_cut_off_right_first),
		claim(write_that_fails_is_said_and_leaves_nothing),
		claim(every_edit_of_the_past_shows),
		claim(damaged_words_are_refused_and_not_guessed),
	};

	if (argc == 4 && strcmp(argv[1], "--append") == 0)
		return append_and_tell(argv[2], atoi(argv[3]));
	if (argc == 3 && strcmp(argv[1], "--verify") == 0)
		return count_and_verify(argv[2]);
	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
