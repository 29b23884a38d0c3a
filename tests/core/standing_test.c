/*
 * Which files a server would read, by its own texts, and whether it could:
 * every rule of standing.h once kept and once broken.
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
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/standing.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts: { db: { local: yes }, other: { ssh: other } }\n"
    "units:\n"
    "  pg: { host: db, run: \"true\", restarts: [] }\n"
    "  other: { host: other, run: \"true\", restarts: [] }\n"
    "  all: { host: db, run: \"true\", restarts: [pg, redis] }\n"
    "certs:\n"
    "  internal: { serves: [pg, bouncer], dir: /tls }\n"
    "  alone: { serves: [redis], dir: /redis-tls }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      plain: [ { conf: { file: /etc/pg.conf, syntax: postgres, set: { ssl: off } } } ]\n"
    "      both:\n"
    "        - conf: { file: /etc/pg.conf, syntax: postgres, set: { ssl: on } }\n"
    "        - block: { file: /etc/pg_hba.conf, hba: transition, roles: [app], from: [10.0.0.0/8] }\n"
    "  bouncer:\n"
    "    kind: pgbouncer\n"
    "    unit: all\n"
    "    listen: { both: 6432 }\n"
    "    names: [db.internal]\n"
    "    accept: { both: [ { conf: { file: /etc/bouncer.ini, syntax: ini, set: { client_tls_sslmode: allow } } } ] }\n"
    "  redis:\n"
    "    kind: redis\n"
    "    unit: pg\n"
    "    listen: { plain: 6379, tls: 6380 }\n"
    "    names: [db.internal]\n"
    "    accept: { both: [ { run: \"true\", undo: \"true\" } ] }\n"
    "  cache:\n"
    "    kind: redis\n"
    "    unit: other\n"
    "    listen: { plain: 6379, tls: 6380 }\n"
    "    names: [other.internal]\n"
    "    accept: { both: [ { conf: { file: /etc/redis.conf, syntax: redis, set: { tls-port: 6380 } } } ] }\n"
    "  elsewhere:\n"
    "    kind: postgres\n"
    "    unit: other\n"
    "    listen: { both: 5433 }\n"
    "    names: [other.internal]\n"
    "    accept: { both: [ { conf: { file: /etc/else.conf, syntax: postgres, set: { ssl_cert_file: /c } } } ] }\n"
    "  stated:\n"
    "    kind: postgres\n"
    "    unit: other\n"
    "    listen: { both: 5434 }\n"
    "    admin: { user: boss }\n"
    "    names: [other.internal]\n"
    "    accept: { both: [ { conf: { file: /etc/stated.conf, syntax: postgres, set: { ssl: on } } },\n"
    "      { setting: { set: { ssl: on } } } ] }\n"
    "  two:\n"
    "    kind: postgres\n"
    "    unit: other\n"
    "    listen: { both: 5435 }\n"
    "    names: [other.internal]\n"
    "    accept: { both: [ { conf: { file: /etc/two-a.conf, syntax: postgres, set: { ssl_key_file: /k } } },\n"
    "      { conf: { file: /etc/two-b.conf, syntax: postgres, set: { ssl: on } } } ] }\n"
    "clients:\n"
    "  bouncer:\n"
    "    unit: all\n"
    "    links:\n"
    "      pg:\n"
    "        match: { user: app }\n"
    "        dial: { verify-ca: [ { conf: { file: /etc/bouncer.ini, syntax: ini, set: { server_tls_sslmode: verify-ca, server_tls_ca_file: \"$(ca_file)\" } } } ] }\n"
    "        trust: { ca: internal, file: /etc/ca.crt }\n";

static struct fleet *fleet;

static int
set_up(void **state)
{
	struct err err;

	(void)state;
	if (fleet_parse(&fleet, "f", fleet_text, sizeof(fleet_text) - 1, &err) == 0)
		return 0;
	print_error("%s\n", err.msg);
	return -1;
}

static int
tear_down(void **state)
{
	(void)state;
	fleet_free(fleet);
	return 0;
}

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	const char *const *texts = arg;

	for (; *texts != NULL; texts += 2)
		if (strcmp(texts[0], path) == 0) {
			*ret = texts[1];
			*ret_len = strlen(texts[1]);
			return 0;
		}
	*ret_why = "permission denied";
	return -1;
}

/* "key /path!, cert /path" (!: named), then the notes. */
static void
assert_files(const char *endpoint, const char *const texts[], const char *want)
{
	static const char *const roles[] = { "key", "cert", "ca" };
	struct standing_files files;
	struct strings notes = { NULL, 0 };
	union { const char *const *c; void *v; } arg = { texts };
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	standing_files(&files, fleet, fleet_endpoint(fleet, endpoint), lookup, arg.v, &notes);
	for (i = 0; i < files.n; i++)
		(void)buf_printf(&b, "%s%s %s%s", i == 0 ? "" : ", ", roles[files.v[i].role], files.v[i].path,
		    files.v[i].named ? "!" : "");
	for (i = 0; i < notes.n; i++)
		(void)buf_printf(&b, " (%s)", notes.v[i]);
	assert_string_equal(buf_str(&b), want);
	buf_release(&b);
	strings_release(&notes);
	standing_files_release(&files);
}

static void
the_files_are_those_that_the_text_names_now(void **state)
{
	static const char *const on[] = { "/etc/pg.conf",
	    "ssl = on\nssl_key_file = '/k'\nssl_cert_file = '/c'\n#ssl_ca_file = '/no'\n", NULL };
	static const char *const off[] = { "/etc/pg.conf", "ssl = off\nssl_key_file = '/k'\n", NULL };
	static const char *const relative[] = { "/etc/pg.conf", "ssl = yes\nssl_key_file = 'server.key'\n", NULL };
	static const char *const none[] = { NULL };
	static const char *const bouncer[] = { "/etc/bouncer.ini",
	    "[pgbouncer]\nclient_tls_sslmode = disable\nclient_tls_key_file = /k\n"
	    "server_tls_sslmode = verify-ca\nserver_tls_ca_file = /ca\n", NULL };

	(void)state;
	assert_files("pg", on, "cert /c!, key /k!");
	assert_files("pg", off, "");
	assert_files("pg", relative, " (ssl_key_file 'server.key' is no absolute path: not looked at)");
	assert_files("pg", none, " ('/etc/pg.conf': permission denied: not looked at)");
	assert_files("bouncer", bouncer, "ca /ca!");
	/* Where no binding edits a text: what is installed for this one alone. */
	assert_files("redis", none, "ca /redis-tls/ca.crt, cert /redis-tls/server.crt, key /redis-tls/server.key");
}

/* Off by what is written is off in any spelling, and where it is not said; and only where all was read. */
static void
what_is_turned_off_is_not_looked_at(void **state)
{
	static const struct {
		const char *endpoint, *path, *text, *want;
	} rows[] = {
		{ "pg", "/etc/pg.conf", "ssl = OFF\nssl_key_file = '/k'\n", "" },
		{ "pg", "/etc/pg.conf", "ssl = 0\nssl_key_file = '/k'\n", "" },
		{ "pg", "/etc/pg.conf", "ssl = 'No'\nssl_key_file = '/k'\n", "" },
		{ "pg", "/etc/pg.conf", "ssl_key_file = '/k'\n", "" },
		{ "pg", "/etc/pg.conf", "ssl = ON\nssl_key_file = '/k'\n", "key /k!" },
		{ "pg", "/etc/pg.conf", "ssl = 1\nssl_key_file = '/k'\n", "key /k!" },
		{ "bouncer", "/etc/bouncer.ini", "[pgbouncer]\nclient_tls_sslmode = DISABLE\nclient_tls_key_file = /k\n", "" },
		{ "bouncer", "/etc/bouncer.ini", "[pgbouncer]\nclient_tls_key_file = /k\n", "" },
		/* Its server side is not off where nobody says so: by version. */
		{ "bouncer", "/etc/bouncer.ini", "[pgbouncer]\nserver_tls_ca_file = /ca\n", "ca /ca!" },
		{ "bouncer", "/etc/bouncer.ini", "[pgbouncer]\nserver_tls_sslmode = Disable\nserver_tls_ca_file = /ca\n", "" },
		{ "cache", "/etc/redis.conf", "tls-port 0\ntls-key-file /k\n", "" },
		{ "cache", "/etc/redis.conf", "tls-port \"0\"\ntls-key-file /k\n", "" },
		{ "cache", "/etc/redis.conf", "tls-key-file /k\n", "" },
		{ "cache", "/etc/redis.conf", "tls-port 6381\ntls-key-file /k\n", "key /k!" },
		{ "cache", "/etc/redis.conf", "tls-replication yes\ntls-key-file /k\n", "key /k!" },
		/* Not a word of it in what is bound, or set by statement: what the file says is not the last word. */
		{ "elsewhere", "/etc/else.conf", "ssl_key_file = '/k'\n", "key /k!" },
		{ "stated", "/etc/stated.conf", "ssl = off\nssl_key_file = '/k'\n", "key /k!" },
		/* Its other text cannot be read: it may be on there. */
		{ "two", "/etc/two-a.conf", "ssl_key_file = '/k'\n", "key /k! ('/etc/two-b.conf': permission denied: not looked at)" },
	};
	const char *texts[] = { NULL, NULL, NULL };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		texts[0] = rows[i].path;
		texts[1] = rows[i].text;
		assert_files(rows[i].endpoint, texts, rows[i].want);
	}
}

static void
a_unit_brings_up_its_endpoints_and_what_it_restarts(void **state)
{
	struct indices e;

	(void)state;
	standing_endpoints(&e, fleet, fleet_unit(fleet, "all"));
	assert_int_equal(e.n, 3);
	free(e.v);
	standing_endpoints(&e, fleet, fleet_unit(fleet, "pg"));
	assert_int_equal(e.n, 2);
	free(e.v);
	assert_true(standing_writes(fleet, fleet_endpoint(fleet, "pg"), TEXT_HBA));
	assert_false(standing_writes(fleet, fleet_endpoint(fleet, "bouncer"), TEXT_HBA));
	assert_true(standing_holds(fleet, fleet_endpoint(fleet, "pg"), "/etc/pg.conf", "ssl = on\n", 9));
	assert_false(standing_holds(fleet, fleet_endpoint(fleet, "pg"), "/etc/pg.conf", "#ssl = on\n", 10));
}

static void
its_checks_have_names_of_their_own(void **state)
{
	char *name = standing_name(fleet, STANDING_HBA, fleet_endpoint(fleet, "pg"));

	(void)state;
	assert_string_equal(name, "hba pg");
	assert_true(standing_is_name(fleet, name, strlen(name)));
	free(name);
	assert_true(standing_is_name(fleet, "files redis: because", 11));
	assert_false(standing_is_name(fleet, "files nobody", 12));
	assert_false(standing_is_name(fleet, "file pg", 7));
	assert_false(standing_is_name(fleet, "hba ", 4));
	assert_false(standing_is_name(fleet, "hba", 3));
}

/* ---- judging ---- */

#define NOW 1000000

struct world {
	struct standing_file files[3];
	struct standing_facts facts[3];
	struct standing_user user;
	char	 why[1024];
};

static char key_path[] = "/t/key", cert_path[] = "/t/cert", ca_path[] = "/t/ca", dir_path[] = "/t", root_path[] = "/";

static void
good(struct world *w)
{
	static const enum standing_role roles[] = { STANDING_KEY, STANDING_CERT, STANDING_CA };
	char *const paths[] = { key_path, cert_path, ca_path };
	size_t i;

	memset(w, 0, sizeof(*w));
	for (i = 0; i < 3; i++) {
		w->files[i].role = roles[i];
		w->files[i].path = paths[i];
		w->files[i].named = true;
		w->facts[i].there = w->facts[i].read = true;
		w->facts[i].nways = 3;
		w->facts[i].ways[0] = (struct standing_way){ paths[i], i == 0 ? 0600 : 0644, 70, 70 };
		w->facts[i].ways[1] = (struct standing_way){ dir_path, 0755, 0, 0 };
		w->facts[i].ways[2] = (struct standing_way){ root_path, 0755, 0, 0 };
		if (i < 2)
			(void)strcpy(w->facts[i].public_sha, "same");
	}
	w->facts[1].not_before_s = NOW - 10;
	w->facts[1].not_after_s = NOW + 10;
	w->user.known = true;
	w->user.uid = 70;
	(void)strcpy(w->user.name, "postgres");
	w->user.groups[0] = 70;
	w->user.groups[1] = 113;
	w->user.ngroups = 2;
}

static void
assert_judged(enum kind kind, struct world *w, enum judgement want, const char *words)
{
	enum judgement judgement;
	struct buf why;

	buf_init(&why, 0);
	judgement = standing_judge(kind, w->files, w->facts, 3, &w->user, NOW, &why);
	if (judgement != want || (words == NULL) != (why.len == 0) || (words != NULL && strstr(buf_str(&why), words) == NULL))
		fail_msg("%s: '%s', expected %s: '%s'", judgement_word(judgement), buf_str(&why), judgement_word(want),
		    words == NULL ? "" : words);
	buf_release(&why);
}

static void
a_key_is_as_postgres_takes_it(void **state)
{
	static const struct {
		unsigned mode, uid, gid;
		enum judgement judgement;
		const char *words;
	} rows[] = {
		{ 0600, 70, 70, CHECK_PASS, NULL },
		{ 0400, 70, 70, CHECK_PASS, NULL },
		{ 0700, 70, 70, CHECK_PASS, NULL },	/* Postgres looks at group and others only */
		{ 0640, 70, 70, CHECK_FAIL, "0600 or less" },
		{ 0604, 70, 70, CHECK_FAIL, "0600 or less" },
		{ 0644, 70, 70, CHECK_FAIL, "has mode 0644" },
		{ 0640, 0, 113, CHECK_PASS, NULL },
		{ 0640, 0, 5, CHECK_FAIL, "cannot be read by 'postgres'" },
		{ 0600, 0, 113, CHECK_FAIL, "cannot be read by 'postgres'" },
		{ 0660, 0, 113, CHECK_FAIL, "0640 or less" },
		{ 0644, 0, 0, CHECK_FAIL, "0640 or less" },
		{ 0600, 71, 71, CHECK_FAIL, "its own user 'postgres' or to root" },
	};
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		good(&w);
		w.facts[0].ways[0].mode = rows[i].mode;
		w.facts[0].ways[0].uid = rows[i].uid;
		w.facts[0].ways[0].gid = rows[i].gid;
		assert_judged(KIND_POSTGRES, &w, rows[i].judgement, rows[i].words);
	}
	/* Nobody else looks at that, as long as it can be read. */
	good(&w);
	w.facts[0].ways[0].mode = 0644;
	w.facts[0].ways[0].uid = 71;
	assert_judged(KIND_REDIS, &w, CHECK_PASS, NULL);
	/* Who runs the server is not known: what is wrong for anybody is wrong, and nothing of it is right. */
	good(&w);
	w.user.known = false;
	w.facts[0].ways[0].uid = 71;
	assert_judged(KIND_POSTGRES, &w, CHECK_INCONCLUSIVE, "who runs the server is not known here (");
	w.facts[0].ways[0].mode = 0644;
	assert_judged(KIND_POSTGRES, &w, CHECK_FAIL, "0600 or less");
}

static void
what_the_server_cannot_reach_fails(void **state)
{
	struct world w;

	(void)state;
	good(&w);
	w.facts[2].ways[1].mode = 0700;
	assert_judged(KIND_PGBOUNCER, &w, CHECK_FAIL, "'/t/ca' cannot be reached by 'postgres', who may not search '/t'");
	w.facts[2].ways[1].mode = 0710;
	w.facts[2].ways[1].gid = 113;
	assert_judged(KIND_PGBOUNCER, &w, CHECK_PASS, NULL);
	w.facts[2].ways[1].mode = 0740;
	assert_judged(KIND_PGBOUNCER, &w, CHECK_FAIL, "may not search '/t'");
	good(&w);
	w.facts[1].ways[0].mode = 0060;	/* the owner's bits decide for the owner */
	assert_judged(KIND_PGBOUNCER, &w, CHECK_FAIL, "'/t/cert' cannot be read by 'postgres'");
	good(&w);
	w.facts[1].there = false;
	w.facts[1].nways = 0;
	assert_judged(KIND_REDIS, &w, CHECK_FAIL, "'/t/cert' is not there");
	w.user.known = false;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "'/t/cert' is not there");
	/* Declared, where nobody sees it: that decides who may read, and nothing of what is there. */
	w.user.known = w.user.declared = true;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "'/t/cert' is not there");
	w.user.known = w.user.declared = false;
	w.files[1].named = false;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "whether '/t/key' can be read");
	w.facts[0].ways[0].mode = 0640;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "whether '/t/key' can be read");
	w.facts[2].ways[0].mode = 0640;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "whether '/t/key' and 1 more can be read");
	/* What everybody may read can be read by whoever it is; not so behind a door. */
	w.facts[0].ways[0].mode = w.facts[2].ways[0].mode = 0644;
	assert_judged(KIND_REDIS, &w, CHECK_PASS, NULL);
	w.facts[0].ways[1].mode = 0750;
	assert_judged(KIND_REDIS, &w, CHECK_INCONCLUSIVE, "whether '/t/key' can be read");
}

static void
a_pair_belongs_together_and_is_valid_now(void **state)
{
	struct world w;
	char words[] = "permission denied", sealed[] = "a passphrase seals this key";

	(void)state;
	good(&w);
	(void)strcpy(w.facts[0].public_sha, "another");
	assert_judged(KIND_POSTGRES, &w, CHECK_FAIL, "'/t/cert' and the key '/t/key' do not belong together");
	w.files[0].pair = 1;
	assert_judged(KIND_POSTGRES, &w, CHECK_PASS, NULL);
	good(&w);
	w.facts[1].not_after_s = NOW;
	assert_judged(KIND_REDIS, &w, CHECK_FAIL, "'/t/cert' has expired");
	good(&w);
	w.facts[1].not_before_s = NOW + 1;
	assert_judged(KIND_REDIS, &w, CHECK_FAIL, "'/t/cert' is not valid yet");
	/* What was not seen is never a pass. */
	good(&w);
	w.facts[0].read = false;
	w.facts[0].public_sha[0] = '\0';
	assert_judged(KIND_POSTGRES, &w, CHECK_INCONCLUSIVE, "cannot be read by us");
	good(&w);
	w.facts[0].public_sha[0] = '\0';
	w.facts[0].not_understood = sealed;
	assert_judged(KIND_POSTGRES, &w, CHECK_INCONCLUSIVE, "a passphrase seals this key");
	good(&w);
	w.facts[2].unseen = words;
	assert_judged(KIND_POSTGRES, &w, CHECK_INCONCLUSIVE, "'/t/ca': permission denied");
	/* And does not hide what fails. */
	w.facts[0].ways[0].mode = 0644;
	assert_judged(KIND_POSTGRES, &w, CHECK_FAIL, "0600 or less");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_files_are_those_that_the_text_names_now),
		cmocka_unit_test(what_is_turned_off_is_not_looked_at),
		cmocka_unit_test(a_unit_brings_up_its_endpoints_and_what_it_restarts),
		cmocka_unit_test(its_checks_have_names_of_their_own),
		cmocka_unit_test(a_key_is_as_postgres_takes_it),
		cmocka_unit_test(what_the_server_cannot_reach_fails),
		cmocka_unit_test(a_pair_belongs_together_and_is_valid_now),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
