/*
 * conf, block and url on a real file system, by the real host-side program:
 * previewed, applied, undone to the byte; drift in our lines refused, others' lines kept.
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
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "ops_fixture.h"

static char path[300];

/* One kind of edit, told as a story of texts. */
struct story {
	const char *name;
	enum op_kind kind;
	enum text_syntax syntax;
	const char *key[2], *value[2];	/* value NULL: unset */
	const char *before, *preview, *after;
	const char *deployed, *kept;	/* others wrote, too; and after the undo */
	const char *drifted, *three_ways;
	const char *secret;		/* must not be seen in any text */
};

#define PG_LINES "hostssl all app 10.0.0.2/32 md5\nhost all app 10.0.0.2/32 md5\n"
#define PG_BLOCK "# BEGIN belay pg\n" PG_LINES "# END belay pg\n"

static const struct story stories[] = {
	{ "postgresql.conf", OP_CONF, TEXT_POSTGRES, { "ssl", "ssl_ciphers" }, { "on", NULL },
	    "# main\nssl = off\t# c\nssl_ciphers = 'HIGH'\npassword_encryption = hunter2",
	    "-ssl = off\t# c\n-ssl_ciphers = 'HIGH'\n+ssl = on\t# c\n",
	    "# main\nssl = on\t# c\npassword_encryption = hunter2",
	    "# main\nssl = on\t# c\npassword_encryption = hunter2\nwork_mem = 1MB\n",
	    "# main\nssl = off\t# c\nssl_ciphers = 'HIGH'\npassword_encryption = hunter2\nwork_mem = 1MB\n",
	    "# main\nssl = yes\npassword_encryption = hunter2",
	    "ssl\n  was       'off'\n  we wrote  'on'\n  is now    'yes'\n", "hunter2" },
	{ "pgbouncer.ini", OP_CONF, TEXT_INI, { "client_tls_sslmode", "auth_query" }, { "allow", "x" },
	    "[databases]\r\nclient_tls_sslmode = hunter2\r\n[pgbouncer]\r\nauth_query = select hunter2\r\n",
	    NULL,
	    "[databases]\r\nclient_tls_sslmode = hunter2\r\n[pgbouncer]\r\nauth_query = x\r\nclient_tls_sslmode = allow\r\n",
	    "[pgbouncer]\r\nauth_query = x\r\nclient_tls_sslmode = allow\r\n[users]\r\nclient_tls_sslmode = 2\r\n",
	    "[pgbouncer]\r\nauth_query = select hunter2\r\n[users]\r\nclient_tls_sslmode = 2\r\n",
	    "[pgbouncer]\r\nauth_query = x\r\nclient_tls_sslmode = require\r\n",
	    "client_tls_sslmode\n  was       not set\n  we wrote  'allow'\n  is now    'require'\n", NULL },
	{ "redis.conf", OP_CONF, TEXT_REDIS, { "port", "tls-port" }, { "0", "6379" },
	    "PORT \"6379\"\nrequirepass hunter2\n# tls-port 1\n",
	    "-PORT \"6379\"\n+PORT 0\n…\n+tls-port 6379\n",
	    "PORT 0\nrequirepass hunter2\n# tls-port 1\ntls-port 6379\n",
	    "maxmemory 1gb\nPORT 0\nrequirepass hunter3\n# tls-port 1\ntls-port 6379\n",
	    "maxmemory 1gb\nPORT \"6379\"\nrequirepass hunter3\n# tls-port 1\n",
	    "PORT 0\nrequirepass hunter2\ntls-port 6380\n",
	    "tls-port\n  was       not set\n  we wrote  '6379'\n  is now    '6380'\n", "hunter" },
	{ "pg_hba.conf", OP_BLOCK, TEXT_HBA, { "pg", NULL }, { PG_LINES, NULL },
	    "local all all peer\n# theirs\nhost all all all ldap ldapbindpasswd=\"hunter2\"\n",
	    " local all all peer\n # theirs\n+# BEGIN belay pg\n+hostssl all app 10.0.0.2/32 md5\n"
	    "+host all app 10.0.0.2/32 md5\n+# END belay pg\n host all all all ldap ldapbindpasswd=…\n",
	    "local all all peer\n# theirs\n" PG_BLOCK "host all all all ldap ldapbindpasswd=\"hunter2\"\n",
	    "local all all peer\n# new\n" PG_BLOCK "host all all all md5\n",
	    "local all all peer\n# new\nhost all all all md5\n",
	    "# BEGIN belay pg\nhost all app 10.0.0.2/32 md5\n# END belay pg\nhost all all all md5\n",
	    "block pg: was not there, and is not what we wrote:\n"
	    "-hostssl all app 10.0.0.2/32 md5\n host all app 10.0.0.2/32 md5\n", "hunter2" },
	{ ".env", OP_URL, TEXT_URL, { "DATABASE_URL?sslmode", "MODE" }, { "verify-full", NULL },
	    "export DATABASE_URL='postgres://app:hunter2@db:5432/shop?sslmode=disable'  # c\nMODE=1\nKEY=hunter2\n",
	    "-export DATABASE_URL=postgres://app:…@db:5432/shop?sslmode=disable\n-MODE=1\n"
	    "+export DATABASE_URL=postgres://app:…@db:5432/shop?sslmode=verify-full\n",
	    "export DATABASE_URL='postgres://app:hunter2@db:5432/shop?sslmode=verify-full'  # c\nKEY=hunter2\n",
	    "export DATABASE_URL='postgres://app:hunter3@db-2/shop?sslmode=verify-full&x=1'  # c\nKEY=hunter4\n",
	    "export DATABASE_URL='postgres://app:hunter3@db-2/shop?sslmode=disable&x=1'  # c\nMODE=1\nKEY=hunter4\n",
	    "DATABASE_URL=postgres://app:hunter2@db:5432/shop?sslmode=prefer\n",
	    "DATABASE_URL?sslmode\n  was       'disable'\n  we wrote  'verify-full'\n  is now    'prefer'\n", "hunter" },
};
#define NSTORIES (sizeof(stories) / sizeof(stories[0]))

static char *
fleet_of_test(void)
{
	return mem_printf("belay: fleet/1\nenvironment: test\nhosts:\n  here: { local: yes, state: %s/state }\n", base);
}

static int
set_up(void **state)
{
	(void)state;
	return ops_set_up(fleet_of_test);
}

static void
begin(const struct story *s, const char *id)
{
	struct op *op = &w.order.op;
	size_t i;

	op_release(op);
	(void)snprintf(path, sizeof(path), "%s/%s", base, s->name);
	(void)snprintf(op->id, sizeof(op->id), "%s", id);
	op->kind = s->kind;
	op->syntax = s->syntax;
	op->mode = -1;
	op->unit = NONE;
	op->path = mem_strdup(path);
	w.order.expect_sha[0] = '\0';
	for (i = 0; i < 2 && s->key[i] != NULL; i++)
		if (s->value[i] == NULL)
			*(char **)mem_push(&op->unset.v, &op->unset.n, sizeof(char *)) = mem_strdup(s->key[i]);
		else {
			struct pair *pair = mem_push(&op->set.v, &op->set.n, sizeof(*pair));

			pair->key = mem_strdup(s->key[i]);
			pair->value = mem_strdup(s->value[i]);
		}
}

static void
told(const struct story *s, enum op_verb verb, enum op_outcome want, const char *text)
{
	check(verb, want);
	if (text != NULL)
		assert_text(path, text);
	if (s->secret != NULL && w.result.text != NULL)
		assert_null(strstr(w.result.text, s->secret));
	if (s->secret != NULL && w.result.why != NULL)
		assert_null(strstr(w.result.why, s->secret));
}

static void
each_kind_is_previewed_applied_and_undone_to_the_byte(void **state)
{
	const struct story *s;
	struct stat st;

	(void)state;
	for (s = stories; s < stories + NSTORIES; s++) {
		begin(s, "run-1/step/1");
		(void)snprintf(w.order.op.id, sizeof(w.order.op.id), "run-1/step/%d", (int)(s - stories) + 1);
		write_text(path, s->before, 0640);
		told(s, OPV_OBSERVE, OP_FRESH, s->before);
		if (s->preview != NULL)
			assert_string_equal(w.result.text, s->preview);
		(void)strcpy(w.order.expect_sha, w.result.before_sha);
		told(s, OPV_APPLY, OP_APPLIED, s->after);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0640);
		told(s, OPV_RECORD, OP_APPLIED, s->after);
		told(s, OPV_OBSERVE, OP_IN_PLACE, s->after);
		assert_string_equal(w.result.text, "");
		told(s, OPV_APPLY, OP_APPLIED, s->after);
		told(s, OPV_UNDO, OP_RESTORED, s->before);
		told(s, OPV_RECORD, OP_RESTORED, s->before);
		told(s, OPV_UNDO, OP_RESTORED, s->before);
	}
}

static void
others_lines_are_kept_and_changes_of_ours_refused(void **state)
{
	const struct story *s;
	size_t i;

	(void)state;
	for (s = stories; s < stories + NSTORIES; s++) {
		begin(s, "run-1/step/1");
		(void)snprintf(w.order.op.id, sizeof(w.order.op.id), "run-2/step/%d", (int)(s - stories) + 1);
		write_text(path, s->before, 0640);
		told(s, OPV_APPLY, OP_APPLIED, s->after);
		write_text(path, s->deployed, 0640);
		told(s, OPV_RECORD, OP_APPLIED, s->deployed);
		/* An undo needs the names only. */
		for (i = 0; i < w.order.op.set.n; i++) {
			free(w.order.op.set.v[i].value);
			w.order.op.set.v[i].value = mem_strdup("gone");
		}
		told(s, OPV_UNDO, OP_RESTORED, s->kept);
		told(s, OPV_UNDO, OP_RESTORED, s->kept);

		begin(s, "run-3/step/1");
		(void)snprintf(w.order.op.id, sizeof(w.order.op.id), "run-3/step/%d", (int)(s - stories) + 1);
		write_text(path, s->before, 0640);
		told(s, OPV_APPLY, OP_APPLIED, s->after);
		write_text(path, s->drifted, 0640);
		told(s, OPV_UNDO, OP_DRIFTED, s->drifted);
		assert_string_equal(w.result.text, s->three_ways);
		assert_non_null(strstr(w.result.why, "somebody changed"));
		write_text(path, s->before, 0640);
		told(s, OPV_UNDO, OP_RESTORED, s->before);
	}
}

static void
what_cannot_be_edited_is_refused_and_left_alone(void **state)
{
	static const struct story bad[] = {
		{ .name = "torn.conf", .kind = OP_BLOCK, .syntax = TEXT_HBA, .key = { "pg" }, .value = { PG_LINES },
		    .before = "local all all peer\n# BEGIN belay pg\nhost all all all md5\n",
		    .after = "torn.conf': line 2: the block 'pg' has no end; put it right by hand first" },
		{ .name = "url.env", .kind = OP_URL, .syntax = TEXT_URL, .key = { "URL?sslmode" }, .value = { "x" },
		    .before = "URL=host=db password=hunter2\n",
		    .after = "url.env': 'URL': the value is no connection URL that can be edited: it has blanks",
		    .secret = "hunter" },
		{ .name = "none.env", .kind = OP_URL, .syntax = TEXT_URL, .key = { "URL:scheme" }, .value = { "rediss" },
		    .before = "A=1\n", .after = "'URL' is not set, so that there is no URL to change" },
		{ .name = "pool.ini", .kind = OP_CONF, .syntax = TEXT_INI, .key = { "a" }, .value = { "b" },
		    .before = "[databases]\nx = y\n", .after = "there is no such section" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		begin(&bad[i], "run-4/step/1");
		write_text(path, bad[i].before, 0640);
		told(&bad[i], OPV_OBSERVE, OP_FAILED, bad[i].before);
		assert_non_null(strstr(w.result.why, bad[i].after));
		told(&bad[i], OPV_APPLY, OP_FAILED, bad[i].before);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_is_previewed_applied_and_undone_to_the_byte),
		cmocka_unit_test(others_lines_are_kept_and_changes_of_ours_refused),
		cmocka_unit_test(what_cannot_be_edited_is_refused_and_left_alone),
	};
	int status;

	(void)argc;
	if (ops_killer(argv, &status))
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, set_up, ops_tear_down);
}
