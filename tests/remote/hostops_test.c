/*
 * What hostops.h promises, on this machine over a local session: real shells,
 * real files, the real host-side program.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/plan.h"
#include "core/wayback.h"
#include "pki/digest.h"
#include "ops_fixture.h"
#include "remote/hostproto.h"

static char env_path[300], file_path[300];

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  here: { local: yes, state: %s/state }\n"
    "secrets:\n"
    "  pw: { host-env: { host: here, file: %s, key: PASSWORD } }\n"
    "  none: { host-env: { host: here, file: %s, key: NO_SUCH } }\n"
    "  nowhere: { host-env: { host: here, file: %s.none, key: X } }\n"
    "units:\n"
    "  all: { host: here, run: \"true\", restarts: [] }\n"
    "certs:\n"
    "  internal: { serves: [pg] }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: all\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      file: %s\n"
    "      plain: { unset: [TLS, FORCE] }\n"
    "      both:  { set: { TLS: on }, unset: [FORCE] }\n"
    "      tls:   { set: { TLS: on, FORCE: on } }\n"
    "clients:\n"
    "  web:\n"
    "    unit: all\n"
    "    links:\n"
    "      pg:\n"
    "        match: { host: here }\n"
    "        dial: { file: %s, set: { MODE: \"$(dial)\", CA: \"$(ca_file)\" } }\n"
    "        trust: { ca: internal, file: %s.ca, lands: activation }\n";

static char *
fleet_of_test(void)
{
	(void)snprintf(env_path, sizeof(env_path), "%s/.env", base);
	(void)snprintf(file_path, sizeof(file_path), "%s/etc/ca.crt", base);
	return mem_printf(fleet_text, base, env_path, env_path, env_path, env_path, env_path, env_path);
}

static int
set_up(void **state)
{
	(void)state;
	if (ops_set_up(fleet_of_test) != 0)
		return -1;
	w.order.op.kind = OP_ENV;
	w.order.op.path = mem_strdup(env_path);
	return 0;
}

static void
set_key(const char *key, const char *value)
{
	struct pair *pair = mem_push(&w.order.op.set.v, &w.order.op.set.n, sizeof(*pair));

	pair->key = mem_strdup(key);
	pair->value = mem_strdup(value);
}

static void
unset_key(const char *key)
{
	*(char **)mem_push(&w.order.op.unset.v, &w.order.op.unset.n, sizeof(char *)) = mem_strdup(key);
}

static void
preview(void)
{
	check(OPV_OBSERVE, OP_FRESH);
	(void)strcpy(w.order.expect_sha, w.result.before_sha);
}

#define ENV "# the web service\nPASSWORD=hunter2\nMODE=disable\nOLD=1\n"

static void
an_env_op_is_previewed_applied_and_undone_to_the_byte(void **state)
{
	struct stat st;
	char before[65], after[65];

	(void)state;
	write_text(env_path, ENV, 0640);
	set_key("MODE", "verify-full");
	set_key("CA", "/etc/ssl/ca.crt");
	unset_key("OLD");
	preview();
	assert_string_equal(w.result.text,
	    "-MODE=disable\n-OLD=1\n+MODE=verify-full\n+CA=/etc/ssl/ca.crt\n");
	(void)strcpy(before, w.result.before_sha);
	(void)strcpy(after, w.result.after_sha);
	assert_text(env_path, ENV);
	check(OPV_RECORD, OP_FRESH);
	check(OPV_APPLY, OP_APPLIED);
	assert_string_equal(w.result.before_sha, before);
	assert_string_equal(w.result.after_sha, after);
	assert_text(env_path, "# the web service\nPASSWORD=hunter2\nMODE=verify-full\nCA=/etc/ssl/ca.crt\n");
	assert_int_equal(stat(env_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	check(OPV_RECORD, OP_APPLIED);
	check(OPV_OBSERVE, OP_IN_PLACE);
	assert_string_equal(w.result.text, "");
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, ENV);
	check(OPV_RECORD, OP_RESTORED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, ENV);
	/* and again, under the same id */
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, ENV);
}

static void
no_value_but_ours_is_shown_and_secret_ones_as_fingerprints(void **state)
{
	char print[DIGEST_PRINT_SIZE];
	unsigned char key[32];
	char *want;

	(void)state;
	/* The last line gets an end, so that it stands in the diff. */
	write_text(env_path, "MODE=disable\nKEY=b2xk\n#PASSWORD=hunter1\nPASSWORD=hunter2", 0600);
	set_key("KEY", "bmV3");
	set_key("NEW", "x");
	w.order.op.secret = true;
	preview();
	assert_null(strstr(w.result.text, "hunter"));
	assert_null(strstr(w.result.text, "b2xk"));
	assert_null(strstr(w.result.text, "bmV3"));
	memset(key, 7, sizeof(key));
	digest_print(key, sizeof(key), "b2xk", 4, print);
	want = mem_printf("-KEY=hmac:%s\n", print);
	assert_non_null(strstr(w.result.text, want));
	free(want);
	digest_print(key, sizeof(key), "bmV3", 4, print);
	want = mem_printf("+KEY=hmac:%s\n", print);
	assert_non_null(strstr(w.result.text, want));
	free(want);
	assert_non_null(strstr(w.result.text, "+PASSWORD=…\n"));
}

static void
a_file_that_is_not_the_one_of_the_preview_is_left_alone(void **state)
{
	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "require");
	preview();
	write_text(env_path, ENV "LATE=1\n", 0600);
	check(OPV_APPLY, OP_DRIFTED);
	assert_text(env_path, ENV "LATE=1\n");
	check(OPV_RECORD, OP_FRESH);
	preview();
	check(OPV_APPLY, OP_APPLIED);
	assert_text(env_path, "# the web service\nPASSWORD=hunter2\nMODE=require\nOLD=1\nLATE=1\n");
}

static void
undo_keeps_a_deploy_and_refuses_where_our_lines_changed(void **state)
{
	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "verify-full");
	set_key("CA", "/ca");
	unset_key("OLD");
	check(OPV_APPLY, OP_APPLIED);
	write_text(env_path, "# deployed\nPASSWORD=hunter3\nMODE=verify-full\nCA=/ca\nVERSION=8\n", 0600);
	check(OPV_RECORD, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, "# deployed\nPASSWORD=hunter3\nMODE=disable\nOLD=1\nVERSION=8\n");
	check(OPV_UNDO, OP_RESTORED);

	write_text(env_path, ENV, 0600);
	check(OPV_APPLY, OP_APPLIED);
	write_text(env_path, "PASSWORD=hunter3\nMODE=require\nCA=/ca\n", 0600);
	check(OPV_UNDO, OP_DRIFTED);
	assert_string_equal(w.result.text, "MODE\n  was       'disable'\n  we wrote  'verify-full'\n  is now    'require'\n");
	assert_non_null(strstr(w.result.why, "MODE"));
	assert_text(env_path, "PASSWORD=hunter3\nMODE=require\nCA=/ca\n");
	/* Nobody's values but ours are spoken of. */
	assert_null(strstr(w.result.text, "hunter"));
	/* A file that went away is not made again. */
	assert_int_equal(unlink(env_path), 0);
	check(OPV_UNDO, OP_DRIFTED);
	/* Set right by hand, the undo goes through. */
	write_text(env_path, ENV, 0600);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, ENV);
}

static void
an_undo_needs_only_names_the_values_are_on_the_host(void **state)
{
	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("KEY", "c2VjcmV0");
	check(OPV_APPLY, OP_APPLIED);
	/* A console that was started anew has no key material yet. */
	free(w.order.op.set.v[0].value);
	w.order.op.set.v[0].value = mem_strdup("$(key.b64)");
	write_text(env_path, ENV "KEY=c2VjcmV0\nLATER=1\n", 0600);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, ENV "LATER=1\n");
}

static void
an_undo_without_its_record_claims_nothing(void **state)
{
	char *command = mem_printf("rm -rf '%s/state'", base);

	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "require");
	preview();
	check(OPV_APPLY, OP_APPLIED);
	/* What undo is told is what the apply left. */
	(void)strcpy(w.order.expect_sha, w.result.after_sha);
	assert_int_equal(system(command), 0);
	check(OPV_UNDO, OP_FAILED);
	assert_non_null(strstr(w.result.why, "by hand"));
	/* Put right by a person. */
	write_text(env_path, ENV, 0600);
	check(OPV_UNDO, OP_RESTORED);
	/* And where somebody else wrote to it meanwhile, ours still stands. */
	write_text(env_path, "MORE=1\nMODE=require\n", 0600);
	check(OPV_UNDO, OP_FAILED);
	free(command);
}

static void
an_env_file_that_we_made_goes_again(void **state)
{
	(void)state;
	set_key("MODE", "require");
	check(OPV_APPLY, OP_APPLIED);
	assert_text(env_path, "MODE=require\n");
	check(OPV_UNDO, OP_RESTORED);
	assert_int_equal(access(env_path, F_OK), -1);
	check(OPV_APPLY, OP_APPLIED);
	write_text(env_path, "MODE=require\nTHEIRS=1\n", 0600);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, "THEIRS=1\n");
}

static void
file_op(const char *content, int mode)
{
	struct op *op = &w.order.op;

	op->kind = OP_FILE;
	free(op->path);
	op->path = mem_strdup(file_path);
	free(op->content);
	op->content = content == NULL ? NULL : mem_strdup(content);
	op->len = content == NULL ? 0 : strlen(content);
	op->mode = mode;
}

static void
a_file_has_content_mode_and_owner_and_goes_with_its_directory(void **state)
{
	struct stat st;
	char dir[300];

	(void)state;
	file_op("line 1\nline 2\n", 0444);
	w.order.op.owner = mem_printf("%u:%u", geteuid(), getegid());
	check(OPV_OBSERVE, OP_FRESH);
	assert_non_null(strstr(w.result.text, "+ a new file\n+line 1\n+line 2\n+mode 444\n"));
	check(OPV_APPLY, OP_APPLIED);
	assert_text(file_path, "line 1\nline 2\n");
	assert_int_equal(stat(file_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0444);
	check(OPV_OBSERVE, OP_IN_PLACE);
	assert_int_equal(chmod(file_path, 0600), 0);
	check(OPV_OBSERVE, OP_FRESH);
	assert_string_equal(w.result.text, "-mode 600\n+mode 444\n");
	assert_int_equal(chmod(file_path, 0444), 0);
	check(OPV_UNDO, OP_RESTORED);
	(void)snprintf(dir, sizeof(dir), "%s/etc", base);
	assert_int_equal(access(dir, F_OK), -1);
}

/* Whoever says so by name has theirs kept; the rest of ours goes back, and it is over. */
static void
what_others_made_of_ours_is_kept_where_that_is_wanted(void **state)
{
	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "verify-full");
	set_key("CA", "/ca");
	unset_key("OLD");
	check(OPV_APPLY, OP_APPLIED);
	write_text(env_path, "# theirs\nPASSWORD=hunter2\nMODE=require\nCA=/ca\n", 0640);
	check(OPV_UNDO, OP_DRIFTED);
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	assert_non_null(strstr(w.result.why, "MODE"));
	assert_text(env_path, "# theirs\nPASSWORD=hunter2\nOLD=1\nMODE=require\n");
	check(OPV_UNDO, OP_RESTORED);
	assert_text(env_path, "# theirs\nPASSWORD=hunter2\nOLD=1\nMODE=require\n");
}

static void
a_whole_file_of_others_is_kept_as_it_stands(void **state)
{
	struct stat st;

	(void)state;
	(void)snprintf(file_path, sizeof(file_path), "%s/ca.crt", base);
	write_text(file_path, "before\n", 0600);
	file_op("after\n", 0640);
	check(OPV_APPLY, OP_APPLIED);
	write_text(file_path, "theirs\n", 0644);
	assert_int_equal(chmod(file_path, 0644), 0);
	check(OPV_UNDO, OP_DRIFTED);
	assert_non_null(strstr(w.result.text, "-after\n+theirs\n"));
	assert_non_null(strstr(w.result.text, "-theirs\n+before\n"));
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "theirs\n");
	assert_int_equal(stat(file_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	check(OPV_RECORD, OP_RESTORED);

	/* And one that somebody removed stays away. */
	(void)strcpy(w.order.op.id, "run-1/step/2");
	w.order.keep = false;
	check(OPV_APPLY, OP_APPLIED);
	assert_int_equal(unlink(file_path), 0);
	check(OPV_UNDO, OP_DRIFTED);
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "-");
}

static void
a_mode_that_was_being_changed_is_known_before_and_after_a_kill(void **state)
{
	struct stat st;
	bool reached = true;
	int at;

	(void)state;
	(void)snprintf(file_path, sizeof(file_path), "%s/mode", base);
	for (at = 19; reached && at < 40; at += 2) {
		write_text(file_path, "same\n", 0640);
		file_op("same\n", 0600);
		(void)snprintf(w.order.op.id, sizeof(w.order.op.id), "run-1/mode/%d", at);
		reached = ops_killed(OPV_APPLY, at, "after");
		check(OPV_APPLY, OP_APPLIED);
		check(OPV_UNDO, OP_RESTORED);
		assert_int_equal(stat(file_path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
	}
}

static void
a_file_that_others_changed_is_not_undone(void **state)
{
	(void)state;
	(void)snprintf(file_path, sizeof(file_path), "%s/ca.crt", base);
	write_text(file_path, "before\n", 0600);
	file_op("after\n", -1);
	check(OPV_APPLY, OP_APPLIED);
	write_text(file_path, "theirs\n", 0600);
	check(OPV_UNDO, OP_DRIFTED);
	check(OPV_APPLY, OP_DRIFTED);
	assert_text(file_path, "theirs\n");
	write_text(file_path, "after\n", 0600);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "before\n");
}

static void
private_keys_are_never_shown(void **state)
{
	(void)state;
	(void)snprintf(file_path, sizeof(file_path), "%s/key.pem", base);
	write_text(file_path, "-----BEGIN PRIVATE KEY-----\nOLDKEY\n-----END PRIVATE KEY-----\n", 0600);
	file_op("-----BEGIN PRIVATE KEY-----\nNEWKEY\n-----END PRIVATE KEY-----\n", 0600);
	check(OPV_OBSERVE, OP_FRESH);
	assert_null(strstr(w.result.text, "KEY"));
	assert_non_null(strstr(w.result.text, "-content hmac:"));
	assert_non_null(strstr(w.result.text, "+content hmac:"));
}

static void
command_op(enum op_kind kind, const char *run, const char *undo)
{
	struct op *op = &w.order.op;

	op->kind = kind;
	free(op->path);
	op->path = NULL;
	free(op->run);
	free(op->undo);
	free(op->in);
	op->run = mem_strdup(run);
	op->undo = mem_strdup(undo);
	op->in = mem_strdup(base);
}

static void
a_command_runs_once_for_one_op_and_is_taken_back_once(void **state)
{
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/log", base);
	command_op(OP_RUN, "echo did | tee -a log", "echo undid >>log");
	check(OPV_UNDO, OP_RESTORED);	/* nothing to undo */
	assert_int_equal(access(path, F_OK), -1);
	check(OPV_OBSERVE, OP_FRESH);
	assert_non_null(strstr(w.result.text, "&& echo did | tee -a log"));
	check(OPV_APPLY, OP_APPLIED);
	assert_int_equal(w.result.exit_status, 0);
	assert_string_equal(w.result.text, "did\n");
	check(OPV_APPLY, OP_APPLIED);
	assert_text(path, "did\n");
	check(OPV_RECORD, OP_APPLIED);
	check(OPV_OBSERVE, OP_IN_PLACE);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(path, "did\nundid\n");
	check(OPV_RECORD, OP_RESTORED);
	check(OPV_APPLY, OP_APPLIED);
	assert_text(path, "did\nundid\ndid\n");
}

static void
a_command_that_fails_says_so_and_may_be_tried_again(void **state)
{
	(void)state;
	command_op(OP_RUN, "echo trouble >&2; test -f ready || exit 3", NULL);
	check(OPV_APPLY, OP_FAILED);
	assert_int_equal(w.result.exit_status, 3);
	assert_string_equal(w.result.text, "trouble\n");
	check(OPV_RECORD, OP_FAILED);
	check(OPV_UNDO, OP_FAILED);	/* there is no undo */
	assert_non_null(strstr(w.result.why, "no command"));
	w.order.op.read_only = true;
	check(OPV_UNDO, OP_RESTORED);
	(void)snprintf(file_path, sizeof(file_path), "%s/ready", base);
	write_text(file_path, "", 0600);
	check(OPV_APPLY, OP_APPLIED);
}

static void
touches(const char *name)
{
	*(char **)mem_push(&w.order.op.touches.v, &w.order.op.touches.n, sizeof(char *)) =
	    mem_printf("%s/%s", base, name);
}

static void
make(const char *name, const char *text, mode_t mode)
{
	char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", base, name);
	write_text(path, text, mode);
}

static char *
tree(void)
{
	char dir[300];
	struct buf b;
	size_t len;

	(void)snprintf(dir, sizeof(dir), "%s/t", base);
	(void)mkdir(dir, 0755);
	buf_init(&b, 0);
	tree_of(dir, &b);
	(void)buf_puts(&b, "");
	return buf_take(&b, &len);
}

#define ALL_TOUCHED() do { \
	touches("t/with a blank "); touches("t/gone"); touches("t/d/e/made"); touches("t/mode"); touches("t/same"); \
} while (0)

static void
with_files(const char *run, const char *undo)
{
	free(tree());
	make("t/with a blank ", "before\n", 0644);
	make("t/gone", "was here\n", 0640);
	make("t/mode", "mode\n", 0644);
	make("t/same", "same\n", 0600);
	command_op(OP_RUN, run, undo);
}

#define TOUCHING "cd t; echo after >'with a blank '; rm gone; mkdir -p d/e; echo made >d/e/made; chmod 4600 mode"

static void
files_that_a_command_touches_come_back_to_the_byte(void **state)
{
	char *was, *is;
	int turn;

	(void)state;
	with_files(TOUCHING, NULL);
	ALL_TOUCHED();
	was = tree();
	check(OPV_OBSERVE, OP_FRESH);
	assert_non_null(strstr(w.result.text, "\ntouches "));
	for (turn = 0; turn < 2; turn++) {
		check(OPV_APPLY, OP_APPLIED);
		is = tree();
		assert_string_not_equal(is, was);
		free(is);
		check(OPV_APPLY, OP_APPLIED);
		check(OPV_UNDO, OP_RESTORED);
		is = tree();
		assert_string_equal(is, was);
		free(is);
		check(OPV_RECORD, OP_RESTORED);
		check(OPV_UNDO, OP_RESTORED);
	}
	free(was);
}

static void
a_touched_file_that_others_changed_is_refused_and_no_other_put_back(void **state)
{
	char *was, *is;

	(void)state;
	with_files(TOUCHING, "echo undone >>log");
	ALL_TOUCHED();
	was = tree();
	check(OPV_APPLY, OP_APPLIED);
	make("t/same", "theirs\n", 0600);
	is = tree();
	check(OPV_UNDO, OP_DRIFTED);
	assert_non_null(strstr(w.result.why, "/t/same'"));
	assert_null(strstr(w.result.why, "/t/gone'"));
	free(was);
	was = tree();
	assert_string_equal(was, is);
	/* Not even the command that undoes it was run. */
	(void)snprintf(file_path, sizeof(file_path), "%s/log", base);
	assert_text(file_path, "-");
	make("t/same", "theirs\n", 0600);
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	assert_non_null(strstr(w.result.why, "/t/same'"));
	assert_text(file_path, "undone\n");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "theirs\n");
	(void)snprintf(file_path, sizeof(file_path), "%s/log", base);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "undone\n");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/gone", base);
	assert_text(file_path, "was here\n");
	free(was);
	free(is);
}

static void
the_undo_command_comes_first_and_the_files_put_right_what_it_left(void **state)
{
	char *was, *is;

	(void)state;
	with_files(TOUCHING, "cd t; test -f d/e/made && echo nearly >'with a blank '; echo other >gone");
	ALL_TOUCHED();
	was = tree();
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	is = tree();
	assert_string_equal(is, was);
	free(was);
	free(is);
}

static void
a_command_that_failed_and_is_run_again_keeps_what_was_before_it(void **state)
{
	char *was, *is;

	(void)state;
	with_files("cd t; echo part >>same; test -f ../go", NULL);
	touches("t/same");
	was = tree();
	check(OPV_APPLY, OP_FAILED);
	make("go", "", 0600);
	check(OPV_APPLY, OP_APPLIED);
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "same\npart\npart\n");
	check(OPV_UNDO, OP_RESTORED);
	is = tree();
	assert_string_equal(is, was);
	free(was);
	free(is);
}

static void
a_file_that_is_too_large_to_keep_stops_the_command(void **state)
{
	(void)state;
	with_files("echo ran >t/same", NULL);
	touches("t/gone");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/gone", base);
	assert_int_equal(truncate(file_path, (off_t)HOST_TOUCHED_MAX + 1), 0);
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "larger than"));
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "same\n");
}

static void
a_command_reads_an_object_and_nobody_else_sees_it(void **state)
{
	(void)state;
	with_files("cat >t/same\n# the pattern does not match itself\n"
	    "grep -a -l 's3[c]r3t' /proc/[0-9]*/cmdline /proc/[0-9]*/environ >t/gone 2>/dev/null\n"
	    "grep -r -l 's3[c]r3t' state >>t/gone\nls /proc/self/cmdline", NULL);
	touches("t/same");
	touches("t/gone");
	set_key("KEY", "s3cr3t \"quoted\"\n\\ $(x) 'y' \xc3\xa9 \xf0\x9f\x94\x91\t");
	set_key("CA", "b2xk");
	w.order.op.secret = true;
	check(OPV_OBSERVE, OP_FRESH);
	assert_null(strstr(w.result.text, "s3cr3t"));
	assert_non_null(strstr(w.result.text, "\nreads KEY=hmac:"));
	check(OPV_APPLY, OP_APPLIED);
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "{\"KEY\":\"s3cr3t \\\"quoted\\\"\\n\\\\ $(x) 'y' \\u00e9 \\ud83d\\udd11\\u0009\",\"CA\":\"b2xk\"}");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/gone", base);
	assert_text(file_path, "");
	assert_string_equal(w.result.text, "/proc/self/cmdline\n");
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "was here\n");
}

/* Runs the script that lies beside the records; its end. */
static int
by_hand(void)
{
	char *command = mem_printf("'%s/state/runs/run-1/undo.sh' 2>'%s/said'", base, base);
	int status = system(command);

	free(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
lay_script(void)
{
	struct buf b;
	size_t len;

	buf_init(&b, 0);
	wayback_of_ops(&b, w.fleet, 0, "run-1", &w.order.op, 1);
	free(w.order.wayback);
	w.order.wayback = buf_take(&b, &len);
}

static void
the_way_back_lies_beside_the_records_and_can_be_run_by_hand(void **state)
{
	char script[300], said[300], *was, *is;
	struct stat st;

	(void)state;
	(void)snprintf(script, sizeof(script), "%s/state/runs/run-1/undo.sh", base);
	(void)snprintf(said, sizeof(said), "%s/said", base);
	write_text(env_path, ENV, 0640);
	set_key("MODE", "verify-full");
	lay_script();
	check(OPV_APPLY, OP_APPLIED);
	assert_text(script, w.order.wayback);
	assert_int_equal(stat(script, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* What others changed is named and left. */
	write_text(env_path, ENV "LATER=1\n", 0640);
	assert_int_equal(by_hand(), 1);
	assert_non_null(strstr(read_text(said), "changed since, not touched"));
	assert_text(env_path, ENV "LATER=1\n");
	write_text(env_path, "# the web service\nPASSWORD=hunter2\nMODE=verify-full\nOLD=1\n", 0640);
	assert_int_equal(by_hand(), 0);
	assert_text(env_path, ENV);
	assert_int_equal(stat(env_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(by_hand(), 0);
	/* With nothing left to take back, it goes. */
	w.order.wayback[0] = '\0';
	check(OPV_UNDO, OP_RESTORED);
	assert_text(script, "-");

	/* A command with its files, and what was made with its directories. */
	with_files(TOUCHING, "echo undone >>log # and no more");
	ALL_TOUCHED();
	(void)strcpy(w.order.op.id, "run-1/step/2");
	lay_script();
	was = tree();
	check(OPV_APPLY, OP_APPLIED);
	make("t/same", "theirs\n", 0600);
	assert_int_equal(by_hand(), 1);
	assert_non_null(strstr(read_text(said), "t/same: changed since"));
	make("t/same", "same\n", 0600);
	assert_int_equal(by_hand(), 0);
	is = tree();
	assert_string_equal(is, was);
	free(is);
	assert_int_equal(by_hand(), 0);
	(void)snprintf(said, sizeof(said), "%s/log", base);
	assert_text(said, "undone\n");
	/* belay finds it undone. */
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_RECORD, OP_RESTORED);
	assert_text(said, "undone\n");
	free(was);
}

static void
an_undo_knows_the_versions_before_and_after(void **state)
{
	(void)state;
	with_files("cat >t/gone; echo v2 >t/mode", "echo \"$(before) $(after)\" >t/same; $(before) 2>/dev/null; true");
	w.order.op.version = mem_strdup("# a comment\ncat t/mode");
	set_key("A", "b");
	make("t/mode", "v 1\n", 0644);
	lay_script();
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "v 1 v2\n");
	/* By hand, too. */
	make("t/mode", "v 3\n", 0644);
	check(OPV_APPLY, OP_APPLIED);
	assert_int_equal(by_hand(), 0);
	assert_text(file_path, "v 3 v2\n");
	check(OPV_UNDO, OP_RESTORED);
	/* Where it cannot be told, the command is not run. */
	free(w.order.op.version);
	w.order.op.version = mem_strdup("echo no such secret >&2; false");
	make("t/mode", "v 4\n", 0644);
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "no such secret"));
	(void)snprintf(file_path, sizeof(file_path), "%s/t/mode", base);
	assert_text(file_path, "v 4\n");
}

/* A store of numbered values: t/mode holds the number, t/same what it was called with. */
#define PUTS	"n=$(cat t/mode); echo $((n + 1)) >t/mode"
static void
an_undo_leaves_a_version_of_somebody_else(void **state)
{
	(void)state;
	with_files(PUTS, "echo \"$(before) $(after)\" >>t/same; " PUTS);
	w.order.op.version = mem_strdup("cat t/mode");
	make("t/mode", "3\n", 0644);
	make("t/same", "", 0644);
	lay_script();
	check(OPV_APPLY, OP_APPLIED);
	/* Somebody puts another one. */
	make("t/mode", "9\n", 0644);
	check(OPV_UNDO, OP_DRIFTED);
	assert_non_null(strstr(w.result.why, "somebody changed it since"));
	assert_non_null(strstr(w.result.text, "before: 3\nafter: 4\nnow: 9\n"));
	assert_int_equal(by_hand(), 1);
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "");
	/* It stays where that is wanted; then it is undone. */
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	w.order.keep = false;
	assert_text(file_path, "");
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_RECORD, OP_RESTORED);
	(void)snprintf(file_path, sizeof(file_path), "%s/t/mode", base);
	assert_text(file_path, "9\n");
	/* What is as before needs no undo: somebody has put that back. */
	check(OPV_APPLY, OP_APPLIED);
	make("t/mode", "9\n", 0644);
	assert_int_equal(by_hand(), 0);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_APPLY, OP_APPLIED);
	make("t/mode", "9\n", 0644);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "9\n");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/same", base);
	assert_text(file_path, "");
	/* And what is ours is taken back by its own command, once. */
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "9 10\n");
	/* An undo that failed has left what is ours, too; one whose version nobody can tell is not begun. */
	free(w.order.op.undo);
	w.order.op.undo = mem_strdup(PUTS "; test -e t/allowed");
	(void)snprintf(file_path, sizeof(file_path), "%s/t/mode", base);
	check(OPV_APPLY, OP_APPLIED);
	assert_text(file_path, "12\n");
	check(OPV_UNDO, OP_FAILED);
	make("t/allowed", "", 0644);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(file_path, "14\n");
	check(OPV_APPLY, OP_APPLIED);
	free(w.order.op.version);
	w.order.op.version = mem_strdup("echo the store is down >&2; false");
	check(OPV_UNDO, OP_FAILED);
	assert_non_null(strstr(w.result.why, "the store is down"));
	assert_text(file_path, "15\n");
}

#define SETS	"printf '%s\\n' \"$BELAY_VALUE\" >t/mode; echo ran >>t/gone"
#define HOSTILE	"it's \"$(touch t/owned)\" `touch t/owned`; touch t/owned\n -n $BELAY_VALUE \\n *"

static void
by_value(const char *run, const char *undo, const char *value)
{
	with_files(run, undo);
	w.order.op.by_value = true;
	free(w.order.op.observe);
	free(w.order.op.value);
	w.order.op.observe = mem_strdup("cat t/mode; echo beside >&2");
	w.order.op.value = mem_strdup(value);
}

static void
a_command_that_takes_its_value_is_given_the_one_before(void **state)
{
	static const char *const before[] = { "disable\n", HOSTILE "\n", "\n", "-e x\n" };
	char mode[300], ran[300], owned[300];
	size_t i;

	(void)state;
	(void)snprintf(mode, sizeof(mode), "%s/t/mode", base);
	(void)snprintf(ran, sizeof(ran), "%s/t/gone", base);
	(void)snprintf(owned, sizeof(owned), "%s/t/owned", base);
	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		by_value(SETS, NULL, "require");
		write_text(mode, before[i], 0644);
		write_text(ran, "", 0644);
		check(OPV_OBSERVE, OP_FRESH);
		assert_non_null(strstr(w.result.text, "BELAY_VALUE=require"));
		assert_non_null(strstr(w.result.text, "observed by cat t/mode"));
		check(OPV_APPLY, OP_APPLIED);
		assert_text(mode, "require\n");
		check(OPV_APPLY, OP_APPLIED);
		check(OPV_OBSERVE, OP_IN_PLACE);
		assert_text(ran, "ran\n");
		check(OPV_UNDO, OP_RESTORED);
		assert_text(mode, before[i]);
		check(OPV_RECORD, OP_RESTORED);
		check(OPV_UNDO, OP_RESTORED);
		assert_text(ran, "ran\nran\n");
		assert_text(owned, "-");
	}
	/* Found as it is to be: nothing to run, and nothing to undo. */
	write_text(mode, "require\n", 0644);
	write_text(ran, "", 0644);
	(void)strcpy(w.order.op.id, "run-1/step/2");
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(ran, "");
}

static void
a_value_that_somebody_else_has_set_is_no_business_of_an_undo(void **state)
{
	char mode[300];

	(void)state;
	(void)snprintf(mode, sizeof(mode), "%s/t/mode", base);
	by_value(SETS, NULL, "require");
	write_text(mode, "disable\n", 0644);
	check(OPV_APPLY, OP_APPLIED);
	write_text(mode, "theirs\n", 0644);
	check(OPV_UNDO, OP_DRIFTED);
	assert_non_null(strstr(w.result.text, "before: disable\n"));
	assert_non_null(strstr(w.result.text, "after: require\n"));
	assert_non_null(strstr(w.result.text, "now: theirs\n"));
	assert_text(mode, "theirs\n");
	w.order.keep = true;
	check(OPV_UNDO, OP_RESTORED);
	w.order.keep = false;
	assert_text(mode, "theirs\n");
	/* Somebody has undone it by hand. */
	write_text(mode, "disable\n", 0644);
	check(OPV_APPLY, OP_APPLIED);
	write_text(mode, "disable\n", 0644);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_RECORD, OP_RESTORED);
}

static void
what_a_command_has_set_is_observed_both_ways(void **state)
{
	char mode[300];

	(void)state;
	(void)snprintf(mode, sizeof(mode), "%s/t/mode", base);
	/* One that does nothing, and says that all is well. */
	by_value("true", NULL, "require");
	write_text(mode, "disable\n", 0644);
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.text, "what is observed is not what was to be: disable"));
	check(OPV_UNDO, OP_RESTORED);
	/* One that can go one way only. */
	by_value("[ \"$BELAY_VALUE\" = disable ] || echo \"$BELAY_VALUE\" >t/mode", NULL, "require");
	write_text(mode, "disable\n", 0644);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_FAILED);
	assert_non_null(strstr(w.result.text, "what is observed is not what was to be: require"));
	assert_text(mode, "require\n");
	/* What cannot be observed is not begun. */
	by_value(SETS, NULL, "require");
	(void)strcpy(w.order.op.id, "run-1/step/2");
	free(w.order.op.observe);
	w.order.op.observe = mem_strdup("echo no such thing >&2; false");
	write_text(mode, "disable\n", 0644);
	check(OPV_OBSERVE, OP_FAILED);
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "no such thing"));
	assert_text(mode, "disable\n");
}

static void
a_command_is_undone_by_that_of_the_value_before(void **state)
{
	char mode[300];

	(void)state;
	(void)snprintf(mode, sizeof(mode), "%s/t/mode", base);
	by_value("echo on >t/mode", "echo off >t/mode", NULL);
	write_text(mode, "off\n", 0644);
	check(OPV_OBSERVE, OP_FRESH);
	assert_non_null(strstr(w.result.text, "undone by echo off"));
	check(OPV_APPLY, OP_APPLIED);
	assert_text(mode, "on\n");
	check(OPV_UNDO, OP_RESTORED);
	assert_text(mode, "off\n");
	/* It was something else before, and the way back says that it does not lead there. */
	write_text(mode, "half\n", 0644);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_FAILED);
	assert_non_null(strstr(w.result.text, "what is observed is not what was to be: off"));
}

static void
a_value_goes_back_by_hand_too(void **state)
{
	char mode[300], said[300];

	(void)state;
	(void)snprintf(mode, sizeof(mode), "%s/t/mode", base);
	(void)snprintf(said, sizeof(said), "%s/said", base);
	by_value(SETS, NULL, "it's");
	free(w.order.op.in);
	w.order.op.in = mem_strdup(base);
	write_text(mode, HOSTILE "\n", 0644);
	lay_script();
	check(OPV_APPLY, OP_APPLIED);
	assert_text(mode, "it's\n");
	write_text(mode, "theirs\n", 0644);
	assert_int_equal(by_hand(), 1);
	assert_non_null(strstr(read_text(said), "theirs"));
	assert_text(mode, "theirs\n");
	write_text(mode, "it's\n", 0644);
	assert_int_equal(by_hand(), 0);
	assert_text(mode, HOSTILE "\n");
	assert_int_equal(by_hand(), 0);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_RECORD, OP_RESTORED);
	assert_text(mode, HOSTILE "\n");
}

static void
an_observe_command_tells_what_is_in_place(void **state)
{
	(void)state;
	command_op(OP_RUN, "touch done", "rm done");
	w.order.op.observe = mem_strdup("ls");
	w.order.op.expect = mem_strdup("done");
	check(OPV_OBSERVE, OP_FRESH);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_OBSERVE, OP_IN_PLACE);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_OBSERVE, OP_FRESH);
}

static void
undoing_an_activation_activates_again(void **state)
{
	char path[300];

	(void)state;
	(void)snprintf(path, sizeof(path), "%s/log", base);
	command_op(OP_ACTIVATE, "echo restarted >>log", NULL);
	check(OPV_OBSERVE, OP_FRESH);
	check(OPV_APPLY, OP_APPLIED);
	check(OPV_UNDO, OP_RESTORED);
	check(OPV_UNDO, OP_RESTORED);
	assert_text(path, "restarted\nrestarted\n");
	/* Also where the activation itself was never reached. */
	(void)strcpy(w.order.op.id, "run-1/step/2");
	check(OPV_UNDO, OP_RESTORED);
	assert_text(path, "restarted\nrestarted\nrestarted\n");
}

static void
what_a_command_prints_comes_while_it_runs(void **state)
{
	(void)state;
	/* It goes on only once its first line has come through. */
	command_op(OP_RUN, "echo first; i=0; until test -f go || test $i = 200; do i=$((i+1)); sleep 0.1; done; "
	    "test -f go && echo second", NULL);
	(void)snprintf(file_path, sizeof(file_path), "%s/go", base);
	w.answers = 0;
	(void)hostops_op(w.set, OPV_APPLY, &w.order, DEADLINE_MS, ops_done, ops_text, &w);
	while (w.answers == 0) {
		(void)uv_run(&w.loop, UV_RUN_ONCE);
		if (strstr(buf_str(&w.live), "first") != NULL && access(file_path, F_OK) != 0)
			write_text(file_path, "", 0600);
	}
	assert_int_equal(w.result.outcome, OP_APPLIED);
	assert_string_equal(w.result.text, "first\nsecond\n");
	assert_int_equal(strncmp(buf_str(&w.live), "first\n", 6), 0);
}

static void
a_deadline_ends_the_wait_and_the_record_knows_the_rest(void **state)
{
	(void)state;
	command_op(OP_RUN, "trap '' TERM; until test -f go || ! test -d \"$PWD\"; do sleep 0.1; done; echo late >done", NULL);
	(void)ops_ask(OPV_APPLY, 1500);
	assert_int_equal(w.result.outcome, OP_CUT);
	/* A local session ends what it started; what is on record is a command without an end. */
	do
		(void)ops_ask(OPV_RECORD, DEADLINE_MS);
	while (w.result.outcome == OP_UNREACHED);
	assert_int_equal(w.result.outcome, OP_CUT);
	check(OPV_APPLY, OP_CUT);
	(void)snprintf(file_path, sizeof(file_path), "%s/go", base);
	write_text(file_path, "", 0600);
	w.order.op.idempotent = true;
	check(OPV_APPLY, OP_APPLIED);
}

static void
on_done_too(void *arg, const struct op_result *r)
{
	*(int *)arg = (int)r->outcome;
}

static void
stop_loop(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void
an_undo_waits_for_a_command_that_still_runs(void **state)
{
	static uv_timer_t timer;
	int undone = -1;
	char go[300], log[300];

	(void)state;
	(void)snprintf(go, sizeof(go), "%s/go", base);
	(void)snprintf(log, sizeof(log), "%s/log", base);
	command_op(OP_ACTIVATE, "echo begun; until test -f go || ! test -d \"$PWD\"; do sleep 0.1; done; echo ran >>log", NULL);
	w.answers = 0;
	(void)hostops_op(w.set, OPV_APPLY, &w.order, DEADLINE_MS, ops_done, ops_text, &w);
	while (strstr(buf_str(&w.live), "begun") == NULL)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	(void)hostops_op(w.set, OPV_UNDO, &w.order, DEADLINE_MS, on_done_too, NULL, &undone);
	/* Long enough for the host to say that it still runs. */
	(void)uv_timer_init(&w.loop, &timer);
	(void)uv_timer_start(&timer, stop_loop, 1500, 0);
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	assert_int_equal(undone, -1);
	assert_int_equal(w.answers, 0);
	write_text(go, "", 0600);
	while (undone == -1)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(w.result.outcome, OP_APPLIED);
	assert_int_equal(undone, OP_RESTORED);
	assert_text(log, "ran\nran\n");
}

static void
an_older_token_is_told_who_took_over(void **state)
{
	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "require");
	w.order.token = 5;
	check(OPV_APPLY, OP_APPLIED);
	(void)strcpy(w.order.op.id, "run-1/step/2");
	w.order.op.set.v[0].value[0] = 'x';
	w.order.token = 4;
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "5 ops@bastion"));
}

static void
what_cannot_be_written_is_refused_with_words(void **state)
{
	(void)state;
	set_key("NOT A NAME", "x");
	write_text(env_path, ENV, 0600);
	check(OPV_OBSERVE, OP_FAILED);
	assert_string_equal(w.result.why, "'NOT A NAME' is no name of a variable");
	free(w.order.op.path);
	w.order.op.path = mem_strdup("/etc/pass\nwd");
	check(OPV_OBSERVE, OP_FAILED);
	free(w.order.op.path);
	w.order.op.path = mem_strdup(base);
	check(OPV_APPLY, OP_FAILED);
	assert_non_null(strstr(w.result.why, "not a regular file"));
}

/* ------------------------------------------------------------------ reading */

static void
on_read(void *arg, struct reading *r)
{
	struct world *world = arg;

	reading_release(&world->reading);
	world->reading = *r;
	world->answers++;
}

static const struct facet_seen *
facet(int kind)
{
	size_t i;

	w.answers = 0;
	(void)hostops_read(w.set, 0, DEADLINE_MS, on_read, &w);
	while (w.answers == 0)
		(void)uv_run(&w.loop, UV_RUN_ONCE);
	assert_int_equal(w.reading.kind, READING_HOST);
	assert_int_equal(w.reading.outcome, SAW);
	assert_true(w.reading.at_ms > 0);
	for (i = 0; i < w.reading.nfacets; i++)
		if (w.reading.facets[i].facet == kind)
			return &w.reading.facets[i];
	fail_msg("no such facet");
	return NULL;
}

static void
what_is_written_is_read_as_facets(void **state)
{
	char path[400];

	(void)state;
	assert_int_equal(facet(FACET_ACCEPT)->value, ACCEPT_PLAIN);
	assert_int_equal(facet(FACET_DIAL)->value, DIAL_UNKNOWN);
	write_text(env_path, "TLS=on\nMODE=disable\nPASSWORD=hunter2\n", 0600);
	assert_int_equal(facet(FACET_ACCEPT)->value, ACCEPT_BOTH);
	assert_string_equal(facet(FACET_ACCEPT)->detail, "TLS=on, FORCE is not set");
	assert_int_equal(facet(FACET_DIAL)->value, DIAL_DISABLE);
	assert_int_equal(facet(FACET_TRUST)->value, NONE);
	(void)snprintf(path, sizeof(path), "TLS=on\nFORCE='on'\nMODE=verify-full\nCA=%s.ca\n", env_path);
	write_text(env_path, path, 0600);
	assert_int_equal(facet(FACET_ACCEPT)->value, ACCEPT_TLS);
	assert_int_equal(facet(FACET_DIAL)->value, DIAL_VERIFY_FULL);
	/* A wrong CA file is no value, and the detail says what stands there. */
	write_text(env_path, "TLS=off\nMODE=verify-full\nCA=/other\n", 0600);
	assert_int_equal(facet(FACET_DIAL)->value, DIAL_UNKNOWN);
	assert_string_equal(facet(FACET_DIAL)->detail, "MODE=verify-full, CA=/other");
	assert_int_equal(facet(FACET_ACCEPT)->value, ACCEPT_UNKNOWN);
	/* The CA is compared where it is known. */
	(void)snprintf(path, sizeof(path), "%s.ca", env_path);
	write_text(path, "junk\n-----BEGIN\nabc\n-----END\nmore\n", 0644);
	assert_int_equal(facet(FACET_TRUST)->value, NONE);
	hostops_ca(w.set, 0, "-----BEGIN\nabc\n-----END\n", 24);
	assert_int_equal(facet(FACET_TRUST)->value, 0);
	hostops_ca(w.set, 0, "-----BEGIN\nabd\n-----END\n", 24);
	assert_int_equal(facet(FACET_TRUST)->value, NONE);
	/* Unreadable is not absent. */
	assert_int_equal(unlink(env_path), 0);
	assert_int_equal(mkdir(env_path, 0700), 0);
	assert_int_equal(facet(FACET_ACCEPT)->value, ACCEPT_UNKNOWN);
	assert_non_null(strstr(facet(FACET_ACCEPT)->detail, "not a regular file"));
}

static void
on_secret(void *arg, const char *value, size_t len, const char *why)
{
	struct world *world = arg;

	free(world->secret);
	free(world->why);
	world->secret = value == NULL ? NULL : mem_strndup(value, len);
	world->why = mem_strdup(why);
	world->answers++;
}

static void
a_secret_is_read_from_an_env_file(void **state)
{
	int i;

	(void)state;
	write_text(env_path, "PASSWORD=old\nexport PASSWORD='hunter 2' # c\n", 0600);
	for (i = 0; i < 3; i++) {
		w.answers = 0;
		(void)hostops_secret(w.set, i, DEADLINE_MS, on_secret, &w);
		while (w.answers == 0)
			(void)uv_run(&w.loop, UV_RUN_ONCE);
		if (i == 0)
			assert_string_equal(w.secret, "hunter 2");
		else {
			assert_null(w.secret);
			assert_non_null(strstr(w.why, i == 1 ? "does not set 'NO_SUCH'" : "does not exist"));
		}
	}
}

static void
cancelled_calls_answer_nothing(void **state)
{
	struct hostop *h;
	int i;

	(void)state;
	write_text(env_path, ENV, 0600);
	set_key("MODE", "require");
	w.answers = 0;
	for (i = 0; i < 20; i++) {
		h = hostops_op(w.set, OPV_OBSERVE, &w.order, DEADLINE_MS, ops_done, NULL, &w);
		if (i % 2 == 1)
			(void)uv_run(&w.loop, UV_RUN_ONCE);
		if (w.answers == 0)
			hostop_cancel(h);
	}
	assert_int_equal(w.answers, 0);
	check(OPV_OBSERVE, OP_FRESH);
	/* And freeing the set ends what is under way: see the tear-down. */
	(void)hostops_op(w.set, OPV_OBSERVE, &w.order, DEADLINE_MS, ops_done, NULL, &w);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, ops_tear_down)

int
main(int argc, char **argv)
{
	static const char *const others[] = { "/bin/bash", "/bin/busybox" };
	const struct CMUnitTest tests[] = {
		T(an_env_op_is_previewed_applied_and_undone_to_the_byte),
		T(no_value_but_ours_is_shown_and_secret_ones_as_fingerprints),
		T(a_file_that_is_not_the_one_of_the_preview_is_left_alone),
		T(undo_keeps_a_deploy_and_refuses_where_our_lines_changed),
		T(an_undo_needs_only_names_the_values_are_on_the_host),
		T(an_undo_without_its_record_claims_nothing),
		T(an_env_file_that_we_made_goes_again),
		T(a_file_has_content_mode_and_owner_and_goes_with_its_directory),
		T(a_mode_that_was_being_changed_is_known_before_and_after_a_kill),
		T(a_file_that_others_changed_is_not_undone),
		T(what_others_made_of_ours_is_kept_where_that_is_wanted),
		T(a_whole_file_of_others_is_kept_as_it_stands),
		T(private_keys_are_never_shown),
		T(a_command_runs_once_for_one_op_and_is_taken_back_once),
		T(a_command_that_fails_says_so_and_may_be_tried_again),
		T(files_that_a_command_touches_come_back_to_the_byte),
		T(a_touched_file_that_others_changed_is_refused_and_no_other_put_back),
		T(the_undo_command_comes_first_and_the_files_put_right_what_it_left),
		T(a_command_that_failed_and_is_run_again_keeps_what_was_before_it),
		T(a_file_that_is_too_large_to_keep_stops_the_command),
		T(a_command_reads_an_object_and_nobody_else_sees_it),
		T(the_way_back_lies_beside_the_records_and_can_be_run_by_hand),
		T(an_undo_knows_the_versions_before_and_after),
		T(an_undo_leaves_a_version_of_somebody_else),
		T(a_command_that_takes_its_value_is_given_the_one_before),
		T(a_value_that_somebody_else_has_set_is_no_business_of_an_undo),
		T(what_a_command_has_set_is_observed_both_ways),
		T(a_command_is_undone_by_that_of_the_value_before),
		T(a_value_goes_back_by_hand_too),
		T(an_observe_command_tells_what_is_in_place),
		T(undoing_an_activation_activates_again),
		T(what_a_command_prints_comes_while_it_runs),
		T(a_deadline_ends_the_wait_and_the_record_knows_the_rest),
		T(an_undo_waits_for_a_command_that_still_runs),
		T(an_older_token_is_told_who_took_over),
		T(what_cannot_be_written_is_refused_with_words),
		T(what_is_written_is_read_as_facets),
		T(a_secret_is_read_from_an_env_file),
		T(cancelled_calls_answer_nothing),
	};
	const struct CMUnitTest in_each_shell[] = {
		T(an_env_op_is_previewed_applied_and_undone_to_the_byte),
		T(a_command_runs_once_for_one_op_and_is_taken_back_once),
		T(files_that_a_command_touches_come_back_to_the_byte),
		T(a_touched_file_that_others_changed_is_refused_and_no_other_put_back),
		T(the_undo_command_comes_first_and_the_files_put_right_what_it_left),
		T(a_command_that_failed_and_is_run_again_keeps_what_was_before_it),
		T(a_command_reads_an_object_and_nobody_else_sees_it),
		T(the_way_back_lies_beside_the_records_and_can_be_run_by_hand),
		T(an_undo_knows_the_versions_before_and_after),
		T(an_undo_leaves_a_version_of_somebody_else),
		T(a_command_that_takes_its_value_is_given_the_one_before),
		T(a_value_that_somebody_else_has_set_is_no_business_of_an_undo),
		T(what_a_command_has_set_is_observed_both_ways),
		T(a_command_is_undone_by_that_of_the_value_before),
		T(a_value_goes_back_by_hand_too),
	};
	int failed;
	size_t i;
	int status;

	(void)argc;
	if (ops_killer(argv, &status))
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (access(others[i], X_OK) != 0) {
			print_error("no %s here: it is what hosts have\n", others[i]);
			failed++;
			continue;
		}
		(void)setenv("BELAY_TEST_SH", others[i], 1);
		failed += cmocka_run_group_tests_name(others[i], in_each_shell, NULL, NULL);
	}
	return failed;
}
