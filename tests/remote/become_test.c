/*
 * `become`: the host-side program under a real sudo, with sudoers, users and
 * passwords of this test's own, in a mount namespace of its own.  That takes root
 * and sudo; where they are not, all of it is skipped, and says so.
 *
 * The session is local: its commands are run by the user who would have logged in.
 */
#define _GNU_SOURCE	/* unshare, setresuid */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "ops_fixture.h"

int	setgroups(size_t, const gid_t *);	/* <grp.h> has a struct of a name that is ours, too */

#define PASSWORD "rope of 3 strands' \"$(x)\""

/* Users of this test. */
enum { FREELY = 7001, BY_PASSWORD, AT_A_TERMINAL, NOBODY_OF_SUDOERS, FOR_TRUE_ALONE, ANOTHER };
static const char *const names[] = { "tfree", "tpass", "tterm", "tnone", "ttrue", "tother" };

static const char sudoers[] =
    "Defaults env_reset\n"
    "Defaults:tterm requiretty\n"
    "tfree ALL=(ALL) NOPASSWD: ALL\n"
    "tpass ALL=(ALL) ALL\n"
    "tterm ALL=(ALL) NOPASSWD: ALL\n"
    "ttrue ALL=(ALL) NOPASSWD: /bin/true\n";

static const char *why_not;	/* it cannot be tried here */
static char target[300], paths[4096];

/* The command is freed. */
static void
shell(char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
	free(command);
}

static char *
fleet_of_test(void)
{
	return mem_printf("belay: fleet/1\nenvironment: test\nhosts:\n"
	    "  here: { local: yes, state: %s/state, states: { tother: %s/other/place }, become: root }\n"
	    "  there: { local: yes, state: %s/other/state, become: tother }\n"
	    "  nowhere: { local: yes, state: %s/state, become: no-such-user }\n"
	    "  shares: { local: yes, state: %s/state, become: root, become-password: shared }\n"
	    "  shares-too: { local: yes, state: %s/state, become: root, become-password: shared }\n"
	    "secrets: { shared: { file: /nowhere } }\n"
	    "units: { pg: { host: here, run: x, restarts: [] } }\n"
	    "endpoints:\n"
	    "  pg:\n"
	    "    kind: postgres\n"
	    "    unit: pg\n"
	    "    listen: { both: 1 }\n"
	    "    names: [localhost]\n"
	    "    accept:\n"
	    "      plain: [ { env: { file: %s/private/env, set: { A: off } } },"
	    " { env: { file: %s/other/only/env, become: tother, set: { B: off } } } ]\n"
	    "      tls: [ { env: { file: %s/private/env, set: { A: on } } },"
	    " { env: { file: %s/other/only/env, become: tother, set: { B: on } } } ]\n",
	    base, base, base, base, base, base, base, base, base, base);
}

/* /etc/NAME is base/NAME from here on, for this process and what it starts. */
static int
in_place_of(const char *name)
{
	char from[300], to[64];

	(void)snprintf(from, sizeof(from), "%s/%s", base, name);
	(void)snprintf(to, sizeof(to), "/etc/%s", name);
	return mount(from, to, NULL, MS_BIND, NULL);
}

static int
set_up(void **state)
{
	char *path, *text;
	size_t i;

	(void)state;
	if (geteuid() != 0)
		why_not = "this is not root";
	else if (system("command -v sudo >/dev/null 2>&1") != 0)
		why_not = "there is no sudo here";
	else if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		why_not = "no mount namespace can be had here";
	if (why_not != NULL)
		return 0;
	if (ops_set_up(fleet_of_test) != 0)
		return -1;
	if (chmod(base, 0755) != 0)
		return -1;
	(void)snprintf(paths, sizeof(paths), "%s", getenv("PATH"));
	(void)snprintf(target, sizeof(target), "%s/private/file", base);
	shell(mem_printf("cp /etc/passwd /etc/shadow /etc/group '%s' && mkdir -m 700 '%s/private'", base, base));
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		path = mem_printf("%s/hash", base);
		write_text(path, PASSWORD, 0600);
		free(path);
		path = mem_printf("h=$(openssl passwd -6 -salt belay -stdin <'%s/hash') && rm '%s/hash' &&"
		    "echo '%s:x:%zu:7000::/:/bin/sh' >>'%s/passwd' && echo \"%s:$h:19000:0:99999:7:::\" >>'%s/shadow'",
		    base, base, names[i], (size_t)FREELY + i, base, names[i], base);
		if (system(path) != 0)
			return -1;
		free(path);
	}
	path = mem_printf("%s/sudoers", base);
	text = mem_printf("%sDefaults logfile=%s/sudo.log, loglinelen=0\n", sudoers, base);
	write_text(path, text, 0440);
	free(text);
	free(path);
	shell(mem_printf("mkdir '%s/other' && chown 7006:7000 '%s/other'", base, base));
	if (in_place_of("passwd") != 0 || in_place_of("shadow") != 0 || in_place_of("sudoers") != 0)
		return -1;
	/* Nobody's earlier word of a password counts. */
	(void)mount("none", "/run/sudo", "tmpfs", 0, NULL);
	return 0;
}

static void
ourselves(void)
{
	assert_int_equal(setresuid(0, 0, 0), 0);
}

static int
tear_down(void **state)
{
	if (why_not != NULL)
		return 0;
	ourselves();
	(void)umount("/etc/passwd");
	(void)umount("/etc/shadow");
	(void)umount("/etc/sudoers");
	return ops_tear_down(state);
}

/* What is started from here on is started by this user; 0 is who we are. */
static void
as(uid_t uid)
{
	if (why_not != NULL) {
		print_message("SKIPPED: %s, so that nobody can become anybody by sudo\n", why_not);
		skip();
	}
	assert_int_equal(setresuid(0, 0, 0), 0);
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresuid(uid, uid, 0), 0);
}

static void
file_op(int host, const char *path, const char *content, const char *id)
{
	struct op *op = &w.order.op;

	wire_op_release(&w.order);
	(void)strcpy(w.order.who, "ops@bastion");
	(void)snprintf(op->id, sizeof(op->id), "%s", id);
	op->kind = OP_FILE;
	op->host = host;
	op->unit = op->endpoint = NONE;
	op->mode = -1;
	op->path = mem_strdup(path);
	op->content = mem_strdup(content);
	op->len = strlen(content);
	w.password = NULL;
	w.trouble = SUDO_FINE;
}

static void
password(int host, const char *password)
{
	w.password = password;
	hostops_sudo_anew(w.set, host);
}

static void
there_and_back(uid_t uid, const char *told, const char *id)
{
	struct stat st;
	char record[400];

	as(0);
	write_text(target, "before\n", 0600);
	as(uid);
	assert_int_not_equal(access(target, F_OK), 0);
	file_op(0, target, "after\n", id);
	password(0, told);
	check(OPV_OBSERVE, OP_FRESH);
	(void)strcpy(w.order.expect_sha, w.result.before_sha);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_RECORD, OP_APPLIED);
	ourselves();
	assert_text(target, "after\n");
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* The record is root's, as the undo is. */
	(void)snprintf(record, sizeof(record), "%s/state/runs/%s/meta", base, id);
	assert_int_equal(stat(record, &st), 0);
	assert_int_equal(st.st_uid, 0);
	as(uid);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_UNDO, OP_RESTORED);
	ourselves();
	assert_text(target, "before\n");
	assert_int_equal(w.trouble, SUDO_FINE);
}

static void
where_sudo_asks_for_nothing_it_is_another_user_all_the_way(void **state)
{
	(void)state;
	there_and_back(why_not != NULL ? 0 : FREELY, NULL, "run-1/free/1");
}

static void
a_password_is_told_on_stdin_and_lands_nowhere(void **state)
{
	(void)state;
	as(BY_PASSWORD);
	file_op(0, target, "x\n", "run-1/pass/1");
	password(0, NULL);
	check(OPV_OBSERVE, OP_UNREACHED);
	assert_int_equal(w.trouble, SUDO_WANTS_PASSWORD);
	assert_non_null(strstr(w.result.why, "wants a password to become 'root'"));
	assert_non_null(strstr(w.result.why, "become-password"));
	/* Known from a moment ago: nobody is asked again. */
	w.trouble = SUDO_FINE;
	check(OPV_OBSERVE, OP_UNREACHED);
	assert_int_equal(w.trouble, SUDO_FINE);
	assert_non_null(strstr(w.result.why, "wants a password to become 'root'"));
	password(0, "not this one");
	check(OPV_OBSERVE, OP_UNREACHED);
	assert_int_equal(w.trouble, SUDO_WRONG_PASSWORD);
	there_and_back(BY_PASSWORD, PASSWORD, "run-1/pass/2");
	/* Also where sudo leaves it unread: it is no part of a file. */
	there_and_back(FREELY, PASSWORD, "run-1/pass/3");
	/* In nobody's arguments, environment or file while a command runs. */
	as(BY_PASSWORD);
	wire_op_release(&w.order);
	(void)strcpy(w.order.op.id, "run-1/pass/4");
	w.order.op.kind = OP_RUN;
	w.order.op.unit = w.order.op.endpoint = NONE;
	w.order.op.run = mem_strdup("cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | grep -a -c 'rope [o]f 3'; "
	    "grep -a -r 'rope [o]f 3' ~/../tmp/none . 2>/dev/null; id -u; echo \"$HOME ${LC_ALL-none}\"");
	w.order.op.in = mem_printf("%s/state", base);
	w.order.op.read_only = true;
	password(0, PASSWORD);
	check(OPV_APPLY, OP_APPLIED);
	assert_string_equal(w.result.text, "0\n0\n/root none\n");
	ourselves();
}

static void
what_stands_in_sudos_way_is_told_apart(void **state)
{
	static const struct {
		uid_t uid;
		int host;
		const char *password;
		enum sudo_trouble trouble;
		const char *says;
	} cases[] = {
		{ AT_A_TERMINAL, 0, NULL, SUDO_WANTS_TERMINAL, "requiretty" },
		{ AT_A_TERMINAL, 0, PASSWORD, SUDO_WANTS_TERMINAL, "!requiretty" },
		{ NOBODY_OF_SUDOERS, 0, PASSWORD, SUDO_DENIED, "needs a rule in sudoers" },
		{ FOR_TRUE_ALONE, 0, PASSWORD, SUDO_DENIED, "needs a rule in sudoers" },
		{ BY_PASSWORD, 0, NULL, SUDO_WANTS_PASSWORD, "wants a password" },
		{ BY_PASSWORD, 0, "not the one", SUDO_WRONG_PASSWORD, "did not take the password" },
		{ NOBODY_OF_SUDOERS, 0, NULL, SUDO_WANTS_PASSWORD, "wants a password" },
		{ FREELY, 2, NULL, SUDO_UNKNOWN_USER, "no user 'no-such-user'" },
	};
	char *path;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		as(cases[i].uid);
		file_op(cases[i].host, target, "x\n", "run-1/way/1");
		password(cases[i].host, cases[i].password);
		check(OPV_OBSERVE, OP_UNREACHED);
		if (w.trouble != cases[i].trouble)
			print_error("%zu: %s\n", i, w.result.why);
		assert_int_equal(w.trouble, cases[i].trouble);
		assert_non_null(strstr(w.result.why, cases[i].says));
		/* Nothing was sent: an apply knows that it did nothing. */
		check(OPV_APPLY, OP_FAILED);
		ourselves();
	}
	/* A wrong password is one try: nothing else was taken for another. */
	shell(mem_printf("grep -q ' 1 incorrect password attempt ' '%s/sudo.log'", base));
	shell(mem_printf("! grep -q ' incorrect password attempts ' '%s/sudo.log'", base));
	/* No sudo at all. */
	shell(mem_printf("mkdir '%s/few' && ln -s /bin/sh /usr/bin/env '%s/few'", base, base));
	path = mem_printf("%s/few", base);
	(void)setenv("PATH", path, 1);
	free(path);
	as(FREELY);
	file_op(0, target, "x\n", "run-1/way/2");
	password(0, NULL);
	check(OPV_OBSERVE, OP_UNREACHED);
	(void)setenv("PATH", paths, 1);
	assert_int_equal(w.trouble, SUDO_MISSING);
	ourselves();
}

/* ------------------------------------------------------------------ many at once */

#define MANY 20

struct one {
	struct wire_op order;
	enum op_outcome outcome;
	char	 why[300];
};

static int answered;

static void
one_done(void *arg, const struct op_result *r)
{
	struct one *one = arg;

	one->outcome = r->outcome;
	(void)snprintf(one->why, sizeof(one->why), "%s", r->why == NULL ? "" : r->why);
	answered++;
	uv_stop(&w.loop);
}

/* So many previews at once, on this host; cancels one in the middle, too, if it is said so. */
static void
at_once(struct one *v, int host, bool cancel)
{
	struct hostop *asks = NULL;
	const char *told = w.password;
	char id[64];
	int i;

	answered = 0;
	for (i = 0; i < MANY; i++) {
		(void)snprintf(id, sizeof(id), "run-1/many/%d", i + 1);
		file_op(host, target, "x\n", id);
		memset(&v[i], 0, sizeof(v[i]));
		v[i].order = w.order;
		memset(&w.order, 0, sizeof(w.order));
	}
	w.password = told;
	for (i = 0; i < MANY; i++) {
		asks = hostops_op(w.set, OPV_OBSERVE, &v[i].order, DEADLINE_MS, one_done, NULL, &v[i]);
		if (cancel && i == 0) {
			while (uv_run(&w.loop, UV_RUN_NOWAIT) == 0)
				;
			hostop_cancel(asks);
			answered++;
			v[0].outcome = OP_FRESH;
		}
	}
	while (answered < MANY)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	for (i = 0; i < MANY; i++)
		wire_op_release(&v[i].order);
}

/* How many logins failed since the last time, as sudo counts them. */
static int
failed_logins(void)
{
	static long seen;
	char *command = mem_printf("grep -c ' incorrect password attempt' '%s/sudo.log' >'%s/count-of-log'", base, base);
	char path[300];
	long n, was = seen;

	ourselves();
	if (system(command) == -1)
		fail();
	free(command);
	(void)snprintf(path, sizeof(path), "%s/count-of-log", base);
	n = seen = strtol(read_text(path), NULL, 10);
	as(BY_PASSWORD);
	return (int)(n - was);
}

static void
many_at_once_try_a_password_once(void **state)
{
	struct one v[MANY];
	int i, round;

	(void)state;
	as(BY_PASSWORD);
	(void)failed_logins();
	/* None: each is answered, and a wrong one: one failed login, whether or not who tries it is cancelled. */
	password(0, NULL);
	at_once(v, 0, false);
	for (i = 0; i < MANY; i++) {
		assert_int_equal(v[i].outcome, OP_UNREACHED);
		assert_non_null(strstr(v[i].why, "wants a password"));
	}
	password(0, "not this one");
	for (round = 0; round < 2; round++) {
		at_once(v, 0, false);
		for (i = 0; i < MANY; i++) {
			assert_int_equal(v[i].outcome, OP_UNREACHED);
			if (strstr(v[i].why, "did not take the password") == NULL)
				fail_msg("%d: %s", i, v[i].why);
		}
	}
	assert_int_equal(failed_logins(), 1);
	/* Then the right one: all go on. */
	password(0, PASSWORD);
	at_once(v, 0, false);
	for (i = 0; i < MANY; i++)
		assert_string_equal(v[i].why, "");
	for (i = 0; i < MANY; i++)
		assert_int_equal(v[i].outcome, OP_FRESH);
	assert_int_equal(failed_logins(), 0);
	assert_int_equal(w.trouble, SUDO_FINE);
	/* Whoever tries it is cancelled: another one does. */
	password(0, PASSWORD);
	at_once(v, 0, true);
	for (i = 0; i < MANY; i++)
		assert_int_equal(v[i].outcome, OP_FRESH);
	ourselves();
}

static void
hosts_that_share_a_secret_try_it_on_one_of_them(void **state)
{
	struct one v[2][MANY];
	int i, host;

	(void)state;
	as(BY_PASSWORD);
	(void)failed_logins();
	password(3, "not this one");
	password(4, "not this one");
	for (host = 0; host < 2; host++) {
		at_once(v[host], 3 + host, false);
		for (i = 0; i < MANY; i++)
			assert_non_null(strstr(v[host][i].why, "did not take the password"));
	}
	assert_int_equal(failed_logins(), 1);
	password(3, PASSWORD);
	for (host = 0; host < 2; host++) {
		at_once(v[host], 3 + host, false);
		for (i = 0; i < MANY; i++)
			assert_int_equal(v[host][i].outcome, OP_FRESH);
	}
	assert_int_equal(failed_logins(), 0);
	ourselves();
}

/* ------------------------------------------------------------------ how the program gets there */

static long
size_of_log(void)
{
	struct stat st;
	char path[300];

	ourselves();
	(void)snprintf(path, sizeof(path), "%s/sudo.log", base);
	assert_int_equal(stat(path, &st), 0);
	as(FREELY);
	return (long)st.st_size;
}

static void
sudo_logs_a_few_words_for_a_call_and_not_the_program(void **state)
{
	long before, after;

	(void)state;
	as(FREELY);
	password(0, NULL);
	file_op(0, target, "x\n", "run-1/log/1");
	check(OPV_OBSERVE, OP_FRESH);
	before = size_of_log();
	check(OPV_OBSERVE, OP_FRESH);
	after = size_of_log();
	print_message("# %ld bytes of sudo's log for a call\n", after - before);
	assert_true(after > before && after - before < 1000);
	ourselves();
}

static void
a_dd_that_knows_no_fullblock_reads_the_program_too(void **state)
{
	char *path, *script;

	(void)state;
	as(0);
	shell(mem_printf("mkdir -m 755 '%s/old'", base));
	path = mem_printf("%s/old/dd", base);
	script = mem_printf("#!/bin/sh\ncase \"$*\" in *iflag*) exit 1 ;; esac\necho >>'%s/old/used'\nexec /bin/dd \"$@\"\n", base);
	write_text(path, script, 0755);
	free(script);
	free(path);
	path = mem_printf("%s/old:%s", base, paths);
	(void)setenv("PATH", path, 1);
	free(path);
	as(FREELY);
	file_op(0, target, "x\n", "run-1/dd/1");
	check(OPV_OBSERVE, OP_FRESH);
	ourselves();
	(void)setenv("PATH", paths, 1);
	shell(mem_printf("test -s '%s/old/used'", base));
}

static void
another_user_than_root_has_records_of_its_own(void **state)
{
	struct stat st;
	char path[300];

	(void)state;
	as(FREELY);
	(void)snprintf(path, sizeof(path), "%s/other/made", base);
	file_op(1, path, "made\n", "run-1/other/1");
	check(OPV_APPLY, OP_APPLIED);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, ANOTHER);
	ourselves();
	(void)snprintf(path, sizeof(path), "%s/other/state/runs/run-1/other/1/meta", base);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, ANOTHER);
	as(FREELY);
	check(OPV_UNDO, OP_RESTORED);
	ourselves();
	(void)snprintf(path, sizeof(path), "%s/other/made", base);
	assert_text(path, "-");
}

/* ------------------------------------------------------------------ an edit as another user */

static void
lease(int host, enum lease_phase phase, const char *holder, enum op_outcome want)
{
	struct wire_lease l = { .phase = phase, .ttl_s = 60, .who = "ops@bastion", .doing = "x" };

	(void)snprintf(l.holder, sizeof(l.holder), "%s", holder);
	w.answers = 0;
	(void)hostops_lease(w.set, host, &l, DEADLINE_MS, ops_done, &w);
	while (w.answers == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(w.result.outcome, want);
}

static void
on_reading(void *arg, struct reading *r)
{
	(void)arg;
	reading_release(&w.reading);
	w.reading = *r;
	w.answers++;
}

static void
read_host(int host)
{
	w.answers = 0;
	(void)hostops_read(w.set, host, DEADLINE_MS, on_reading, &w);
	while (w.answers == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
}

static void
an_edit_as_another_user_is_locked_and_recorded_as_his(void **state)
{
	int place = fleet_host(w.fleet, "tother@here");
	struct stat st;
	char path[400], env[300];

	(void)state;
	as(0);
	assert_int_not_equal(place, NONE);
	/* A directory that root may enter, and a state that is his alone. */
	shell(mem_printf("mkdir -m 700 '%s/other/only' && printf 'B=off\\n' >'%s/other/only/env' &&"
	    "chown -R 7006:7000 '%s/other/only' && printf 'A=off\\n' >'%s/private/env'", base, base, base, base));
	(void)snprintf(env, sizeof(env), "%s/other/only/env", base);
	as(FREELY);
	password(place, NULL);
	/* One reading of the host: each file by its own user. */
	read_host(fleet_host(w.fleet, "here"));
	assert_int_equal(w.reading.outcome, SAW);
	assert_int_equal(w.reading.nfacets, 1);
	assert_int_equal(w.reading.facets[0].value, ACCEPT_PLAIN);
	/* The lease there is one of its own, and its token fences. */
	lease(place, LEASE_TAKE, "aa", OP_APPLIED);
	assert_string_equal(w.result.text, "1");
	lease(place, LEASE_TAKE, "bb", OP_DRIFTED);
	lease(0, LEASE_TAKE, "bb", OP_APPLIED);
	file_op(place, env, "B=on\n", "run-1/place/1");
	w.order.token = 1;
	check(OPV_OBSERVE, OP_FRESH);
	(void)strcpy(w.order.expect_sha, w.result.before_sha);
	w.order.token = 0;
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "takes nothing without one"));
	w.order.token = 1;
	check(OPV_APPLY, OP_APPLIED);
	ourselves();
	assert_text(env, "B=on\n");
	assert_int_equal(stat(env, &st), 0);
	assert_int_equal(st.st_uid, ANOTHER);
	(void)snprintf(path, sizeof(path), "%s/other/place/runs/run-1/place/1/meta", base);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, ANOTHER);
	(void)snprintf(path, sizeof(path), "%s/state/runs/run-1/place", base);
	assert_int_not_equal(stat(path, &st), 0);
	as(FREELY);
	read_host(fleet_host(w.fleet, "here"));
	assert_int_equal(w.reading.facets[0].value, ACCEPT_UNKNOWN);
	check(OPV_RECORD, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	ourselves();
	assert_text(env, "B=off\n");
	as(FREELY);
	lease(place, LEASE_FREE, "aa", OP_FRESH);
	ourselves();
}

static void
a_password_is_the_same_whoever_is_to_be_become_on_a_host(void **state)
{
	int place = fleet_host(w.fleet, "tother@here");
	struct one v[2][MANY];
	int i, n;

	(void)state;
	as(BY_PASSWORD);
	(void)failed_logins();
	password(place, "not this one");
	for (n = 0; n < 2; n++) {
		at_once(v[n], n == 0 ? place : 0, false);
		for (i = 0; i < MANY; i++)
			assert_non_null(strstr(v[n][i].why, "did not take the password"));
	}
	assert_int_equal(failed_logins(), 1);
	password(0, PASSWORD);
	at_once(v[0], place, false);
	/* Who was become may not look there. */
	for (i = 0; i < MANY; i++)
		assert_non_null(strstr(v[0][i].why, "permission denied"));
	assert_int_equal(failed_logins(), 0);
	ourselves();
}

/* ------------------------------------------------------------------ a command that runs, and a way that is lost */

/* What is started meanwhile is still started by the other. */
static bool
root_reads(const char *path, const char *want)
{
	bool same;

	ourselves();
	same = strcmp(read_text(path), want) == 0;
	as(BY_PASSWORD);
	return same;
}

static void
a_command_that_runs_did_not_fail_where_the_host_is_not_reached_then(void **state)
{
	struct one first = { .outcome = OP_FRESH };
	char record[400], gate[300];

	(void)state;
	as(BY_PASSWORD);
	file_op(0, NULL, "", "run-1/runs/1");
	free(w.order.op.content);
	w.order.op.content = NULL;
	w.order.op.kind = OP_RUN;
	w.order.op.run = mem_printf("until [ -f '%s/state/go-on' ]; do sleep 0.1; done", base);
	w.order.op.undo = mem_strdup("true");
	w.order.token = 2;
	password(0, PASSWORD);
	answered = 0;
	(void)hostops_op(w.set, OPV_APPLY, &w.order, DEADLINE_MS, one_done, NULL, &first);
	(void)snprintf(record, sizeof(record), "%s/state/runs/run-1/runs/1/state", base);
	w.answers = 0;
	while (!root_reads(record, "started\n")) {
		(void)uv_run(&w.loop, UV_RUN_NOWAIT);
		(void)usleep(10000);
		assert_int_equal(answered, 0);
	}
	/* Asked once more it says that it runs; then sudo lets nobody in any more. */
	w.trouble = SUDO_SILENT;
	w.answers = 0;
	(void)hostops_op(w.set, OPV_APPLY, &w.order, DEADLINE_MS, ops_done, NULL, &w);
	while (w.trouble != SUDO_FINE)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	password(0, "not this one");
	while (w.answers == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_string_equal(op_outcome_word(w.result.outcome), op_outcome_word(OP_UNREACHED));
	ourselves();
	(void)snprintf(gate, sizeof(gate), "%s/state/go-on", base);
	write_text(gate, "", 0600);
	as(BY_PASSWORD);
	while (answered == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(first.outcome, OP_APPLIED);
	ourselves();
}

/* ------------------------------------------------------------------ a directory of somebody else's */

/* Whatever belay writes there as root: its owner puts a link to root's file in its place in between. */
static void
root_gives_no_file_of_its_own_away_in_a_directory_of_others(void **state)
{
	static const char *const tools[] = { "chown", "chmod" };
	char path[300], victim[300], *script, *name;
	struct stat st;
	size_t i;

	(void)state;
	as(0);
	(void)snprintf(path, sizeof(path), "%s/other/trap/file", base);
	(void)snprintf(victim, sizeof(victim), "%s/private/victim", base);
	shell(mem_printf("mkdir '%s/traps' '%s/other/trap' && chown 7006 '%s/other/trap'", base, base, base));
	for (i = 0; i < 2; i++) {
		name = mem_printf("%s/traps/%s", base, tools[i]);
		script = mem_printf("#!/bin/sh\nfor f in '%s/other/trap/'.belay-* '%s'; do\n"
		    "[ -f \"$f\" ] && [ ! -L \"$f\" ] && rm -f \"$f\" && ln -s '%s' \"$f\" && echo >>'%s/traps/sprung'\n"
		    "done\nexec /bin/%s \"$@\"\n", base, path, victim, base, tools[i]);
		write_text(name, script, 0755);
		free(script);
		free(name);
	}
	name = mem_printf("%s/traps:%s", base, paths);
	for (i = 0; i < 3; i++) {
		as(0);
		(void)unlink(path);
		write_text(victim, "root's own\n", 0600);
		write_text(path, "before\n", 0600);
		assert_int_equal(chown(path, ANOTHER, 7000), 0);
		as(FREELY);
		/* A new content, a mode alone, and back from that. */
		script = mem_printf("run-1/trap/%d", i == 2 ? 2 : (int)i + 1);
		file_op(0, path, i == 0 ? "after\n" : "before\n", script);
		free(script);
		password(0, NULL);
		w.order.op.mode = 0666;
		w.order.token = 2;
		if (i == 2)
			check(OPV_APPLY, OP_APPLIED);
		(void)setenv("PATH", name, 1);
		(void)ops_ask(i == 2 ? OPV_UNDO : OPV_APPLY, DEADLINE_MS);
		(void)setenv("PATH", paths, 1);
		ourselves();
		assert_int_equal(stat(victim, &st), 0);
		assert_int_equal(st.st_uid, 0);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_text(victim, "root's own\n");
	}
	free(name);
	shell(mem_printf("[ $(wc -l <'%s/traps/sprung') -ge 3 ]", base));
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_sudo_asks_for_nothing_it_is_another_user_all_the_way),
		cmocka_unit_test(a_password_is_told_on_stdin_and_lands_nowhere),
		cmocka_unit_test(what_stands_in_sudos_way_is_told_apart),
		cmocka_unit_test(many_at_once_try_a_password_once),
		cmocka_unit_test(hosts_that_share_a_secret_try_it_on_one_of_them),
		cmocka_unit_test(sudo_logs_a_few_words_for_a_call_and_not_the_program),
		cmocka_unit_test(a_dd_that_knows_no_fullblock_reads_the_program_too),
		cmocka_unit_test(another_user_than_root_has_records_of_its_own),
		cmocka_unit_test(an_edit_as_another_user_is_locked_and_recorded_as_his),
		cmocka_unit_test(a_command_that_runs_did_not_fail_where_the_host_is_not_reached_then),
		cmocka_unit_test(root_gives_no_file_of_its_own_away_in_a_directory_of_others),
		cmocka_unit_test(a_password_is_the_same_whoever_is_to_be_become_on_a_host),
	};
	int status;

	(void)argc;
	if (ops_killer(argv, &status))
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
