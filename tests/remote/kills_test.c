/*
 * Every kind of edit, forward and back, with the host-side program killed
 * before, half way through and after each of its external commands:
 *
 *	a renamed file is the one before or the one after, never a third;
 *	one written in place is healed;
 *	undo brings back content, mode, owner and links of everything there;
 *	undo twice equals once.
 *
 * What failed is counted, with the point, and fails the test at its end.  A
 * sample by default, another one for each $BELAY_KILLS_OFFSET; every point with
 * BELAY_TORTURE=1, or then every n-th with $BELAY_KILLS_STEP; of one kind alone with its
 * name in $BELAY_KILLS_KIND.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"
#include "ops_fixture.h"

#define SAMPLE 4	/* points of each kind */
#define SERIES 18	/* in place or not, three ways, three moments */

struct kase {
	const char *name;
	enum op_kind kind;
	enum text_syntax syntax;
	const char *key, *value;	/* value NULL: unset */
	const char *before, *after;	/* of t/f; NULL: there is none */
	const char *run, *undo;
	int	 mode;			/* of a file; 0: as it is */
};

#define HBA_LINES "host all app 10.0.0.2/32 md5\n"

static const struct kase cases[] = {
	{ "env", OP_ENV, TEXT_ENV, "MODE", "verify-full", "# c\nMODE=disable\nKEY=x\n", "# c\nMODE=verify-full\nKEY=x\n", NULL, NULL, 0 },
	{ "env, made", OP_ENV, TEXT_ENV, "MODE", "require", NULL, "MODE=require\n", NULL, NULL, 0 },
	{ "conf", OP_CONF, TEXT_POSTGRES, "ssl", "on", "ssl = off # c\nport = 1\n", "ssl = on # c\nport = 1\n", NULL, NULL, 0 },
	{ "block", OP_BLOCK, TEXT_HBA, "pg", HBA_LINES, "local all all peer\n",
	    "local all all peer\n# BEGIN belay pg\n" HBA_LINES "# END belay pg\n", NULL, NULL, 0 },
	{ "url", OP_URL, TEXT_URL, "URL?sslmode", "verify-full", "URL='postgres://a:b@db/x?sslmode=disable'\n",
	    "URL='postgres://a:b@db/x?sslmode=verify-full'\n", NULL, NULL, 0 },
	{ "file", OP_FILE, TEXT_ENV, NULL, NULL, "before\n", "after, and longer\n", NULL, NULL, 0600 },
	{ "file, made", OP_FILE, TEXT_ENV, NULL, NULL, NULL, "made\n", NULL, NULL, 0644 },
	{ "file, removed", OP_FILE, TEXT_ENV, NULL, NULL, "before\n", NULL, NULL, NULL, 0 },
	{ "file, its mode alone", OP_FILE, TEXT_ENV, NULL, NULL, "same\n", "same\n", NULL, NULL, 0600 },
	{ "run", OP_RUN, TEXT_ENV, NULL, NULL, "before\n", "after\n",
	    "echo after >f; mkdir -p d/e; echo made >d/e/f; chmod 4755 mode; rm -f gone", NULL, 0 },
	{ "run and undo", OP_RUN, TEXT_ENV, NULL, NULL, "before\n", "after\n",
	    "echo after >f; rm -f gone; mkdir -p d/e; chmod 600 mode", "echo nearly >f; rmdir d/e d 2>/dev/null; true", 0 },
};
#define NCASES (sizeof(cases) / sizeof(cases[0]))

static char dir[300], target[400];
static size_t points, fired, torn, failures;

static char *
fleet_of_test(void)
{
	return mem_printf("belay: fleet/1\nenvironment: test\nhosts:\n  here: { local: yes, state: %s/state }\n", base);
}

static void
make(const char *name, const char *text, mode_t mode)
{
	char *path = mem_printf("%s/%s", dir, name);

	write_text(path, text, mode);
	free(path);
}

static char *
tree(void)
{
	struct buf b;
	size_t len;

	buf_init(&b, 0);
	tree_of(dir, &b);
	(void)buf_puts(&b, "");
	return buf_take(&b, &len);
}

static void
touches(const char *name)
{
	*(char **)mem_push(&w.order.op.touches.v, &w.order.op.touches.n, sizeof(char *)) =
	    mem_printf("%s/%s", dir, name);
}

/* The directory as it is before, and the op. */
static void
begin(const struct kase *c, bool in_place, const char *id)
{
	struct op *op = &w.order.op;
	char *command = mem_printf("rm -rf '%s'", dir), *link_path;
	struct pair *pair;

	assert_int_equal(system(command), 0);
	free(command);
	assert_int_equal(mkdir(dir, 0755), 0);
	(void)snprintf(target, sizeof(target), "%s/%s", dir, c->before == NULL ? "new/dir/f" : "f");
	if (c->before != NULL)
		write_text(target, c->before, 0640);
	wire_op_release(&w.order);
	(void)strcpy(w.order.who, "ops@bastion");
	(void)snprintf(op->id, sizeof(op->id), "%s", id);
	op->kind = c->kind;
	op->syntax = c->syntax;
	op->unit = op->endpoint = NONE;
	op->mode = -1;
	op->idempotent = true;
	if (c->kind == OP_RUN) {
		make("gone", "was here\n", 0604);
		make("mode", "mode\n", 0644);
		/* A second name makes it one that is written in place. */
		link_path = mem_printf("%s/other-name", dir);
		if (in_place)
			assert_int_equal(link(target, link_path), 0);
		free(link_path);
		op->run = mem_strdup(c->run);
		op->undo = mem_strdup(c->undo);
		op->in = mem_strdup(dir);
		touches("f");
		touches("gone");
		touches("d/e/f");
		touches("mode");
		return;
	}
	op->path = mem_strdup(target);
	op->in_place = in_place;
	if (c->kind == OP_FILE) {
		op->content = mem_strdup(c->after);
		op->len = c->after == NULL ? 0 : strlen(c->after);
		op->remove = c->after == NULL;
		op->mode = c->mode == 0 ? -1 : c->mode;
		return;
	}
	pair = mem_push(&op->set.v, &op->set.n, sizeof(*pair));
	pair->key = mem_strdup(c->key);
	pair->value = mem_strdup(c->value);
}

static bool
same(const char *text, const char *want)
{
	return strcmp(text, want == NULL ? "-" : want) == 0;
}

static void
wrong(const struct kase *c, bool in_place, bool undo, bool again, int at, const char *when, const char *what)
{
	failures++;
	print_error("%s%s, %s killed %s command %d%s: %s (%s: %s)\n", c->name, in_place ? " in place" : "",
	    undo ? "undo" : "apply", when, at, again ? ", applied again" : "", what,
	    op_outcome_word(w.result.outcome), w.result.why == NULL ? "" : w.result.why);
}

/* One point; false where the call has fewer commands. */
static bool
point(const struct kase *c, bool in_place, bool undo, bool again, int at, const char *when)
{
	char id[64], *was, *is;
	const char *text;
	bool reached;

	(void)snprintf(id, sizeof(id), "run/k-%d%d%d%s-%d/%d", in_place, undo, again, when, (int)(c - cases), at);
	begin(c, in_place, id);
	was = tree();
	if (undo)
		check(OPV_APPLY, OP_APPLIED);
	reached = ops_killed(undo ? OPV_UNDO : OPV_APPLY, at, when);
	points += reached;
	fired += reached && (w.result.outcome == OP_UNREACHED || w.result.outcome == OP_FAILED);
	text = read_text(target);
	if (!same(text, c->before) && !same(text, c->after)) {
		torn++;
		/* A command writes as it likes; what is put back is put back by rename. */
		if (!in_place && !(c->kind == OP_RUN && (!undo || c->undo != NULL)))
			wrong(c, in_place, undo, again, at, when, "a third file");
	}
	if (ops_ask(OPV_RECORD, DEADLINE_MS) == OP_DRIFTED)
		wrong(c, in_place, undo, again, at, when, "its own write is drift to it");
	if (again && ops_ask(OPV_APPLY, DEADLINE_MS) != OP_APPLIED)
		wrong(c, in_place, undo, again, at, when, "it cannot be applied again");
	if (again && c->kind != OP_RUN && !same(read_text(target), c->after))
		wrong(c, in_place, undo, again, at, when, "applied again it is not as it was to be");
	if (ops_ask(OPV_UNDO, DEADLINE_MS) != OP_RESTORED)
		wrong(c, in_place, undo, again, at, when, "it cannot be undone");
	is = tree();
	if (strcmp(is, was) != 0)
		wrong(c, in_place, undo, again, at, when, "not as before");
	free(is);
	if (ops_ask(OPV_UNDO, DEADLINE_MS) != OP_RESTORED)
		wrong(c, in_place, undo, again, at, when, "it cannot be undone twice");
	is = tree();
	if (strcmp(is, was) != 0)
		wrong(c, in_place, undo, again, at, when, "twice is not once");
	free(is);
	free(was);
	return reached;
}

static long
number(const char *name, long otherwise)
{
	const char *s = getenv(name);
	long n = s == NULL ? otherwise : strtol(s, NULL, 10);

	assert_true(n >= 0);
	return n;
}

static bool
one(const struct kase *c, size_t series, int at)
{
	static const char *const whens[] = { "before", "half", "after" };

	return point(c, series % 2 != 0, series / 2 % 3 == 2, series / 2 % 3 == 1, at, whens[series / 6]);
}

static void
killed_at_any_point_every_kind_goes_back_to_the_byte(void **state)
{
	bool all = getenv("BELAY_TORTURE") != NULL;
	const char *kind = getenv("BELAY_KILLS_KIND");
	int step = (int)number("BELAY_KILLS_STEP", 1), at;
	size_t c, i, kinds = 0, before, offset = (size_t)number("BELAY_KILLS_OFFSET", 0);

	(void)state;
	assert_true(step > 0);
	for (c = 0; c < NCASES; c++) {
		if (kind != NULL && strcmp(cases[c].name, kind) != 0)
			continue;
		before = points;
		for (i = 0; i < SERIES && all; i++)
			for (at = 1 + (int)((c + i + offset) % (size_t)step); one(&cases[c], i, at); at += step)
				;
		for (i = 0; i < SAMPLE && !all; i++)
			(void)one(&cases[c], (c * 5 + i * 7 + offset) % SERIES,
			    1 + (int)((c * 13 + i * 29 + offset * 17) % 45));
		kinds += points > before;
	}
	print_message("%zu points of %zu kinds tried, %zu left the call without an answer, %zu files were found torn, "
	    "%zu failures\n", points, kinds, fired, torn, failures);
	assert_int_equal(failures, 0);
	assert_int_equal(kinds, kind != NULL ? 1 : NCASES);
	assert_true(kind != NULL ? fired > 0 : fired > points / 2);
	assert_true(kind != NULL || points >= (all && step == 1 ? 2000 : NCASES * SAMPLE / 2));
}

static int
set_up(void **state)
{
	(void)state;
	if (ops_set_up(fleet_of_test) != 0)
		return -1;
	(void)snprintf(dir, sizeof(dir), "%s/t", base);
	return 0;
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(killed_at_any_point_every_kind_goes_back_to_the_byte),
	};
	int status;

	(void)argc;
	if (ops_killer(argv, &status))
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, ops_tear_down);
}
