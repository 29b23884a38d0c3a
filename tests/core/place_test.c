/*
 * `become` at an edit: a place of that user's on the host, which is the same machine.
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
#include "core/reader.h"
#include "core/reading.h"
#include "op_fixture.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  db: { address: 10.0.0.1, user: ops, become: root, state: /var/lib/belay, states: { postgres: ~/belay } }\n"
    "  web: { address: 10.0.0.2, user: ops, become-password: word }\n"
    "secrets: { word: { file: /nowhere } }\n"
    "units:\n"
    "  pg: { host: db, kind: reload, run: pg reload, restarts: [] }\n"
    "  web: { host: web, run: web restart, restarts: [web] }\n"
    "certs:\n"
    "  internal:\n"
    "    serves: [pg]\n"
    "    install: [ { file: { path: /tls/key, content: k, on: [db], become: postgres } } ]\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      plain: { become: postgres, conf: { file: /pg/tls.conf, set: { ssl: off } }, env: { file: /srv/own, set: { A: b }, become: root } }\n"
    "      both: [ { conf: { file: /pg/tls.conf, set: { ssl: on }, become: postgres } }, { env: { file: /srv/own, unset: [A] } } ]\n"
    "clients:\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pg:\n"
    "        match: { host: web }\n"
    "        dial:\n"
    "          file: /srv/.env\n"
    "          become: app\n"
    "          disable: { set: { MODE: disable } }\n"
    "          require: [ { set: { MODE: require } }, { run: x, undo: y } ]\n";

static int
set_up(void **state)
{
	(void)state;
	return fleet_of(fleet_text);
}

static void
check(const struct move *moves, size_t n, const char *want)
{
	struct ops ops = { NULL, 0 };
	struct buf out;
	struct err err;
	size_t i;

	buf_init(&out, 0);
	if (ops_of_moves(&ops, fleet, moves, n, "run", "s", NULL, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	for (i = 0; i < ops.n; i++)
		(void)buf_printf(&out, "%s: %s %s%s%s\n", fleet->hosts[ops.v[i].host].name, op_kind_word(ops.v[i].kind),
		    ops.v[i].path != NULL ? ops.v[i].path : ops.v[i].run, ops.v[i].unit == NONE ? "" : " ",
		    ops.v[i].unit == NONE ? "" : fleet->units[ops.v[i].unit].name);
	assert_string_equal(buf_str(&out), want);
	ops_release(&ops);
	buf_release(&out);
}

static void
a_user_of_a_host_is_a_place_on_the_same_machine(void **state)
{
	const struct host *h;

	(void)state;
	assert_int_equal(fleet->nhosts, 4);
	h = &fleet->hosts[2];
	assert_string_equal(h->name, "postgres@db");
	assert_string_equal(h->become, "postgres");
	assert_string_equal(h->address, "10.0.0.1");
	assert_string_equal(h->user, "ops");
	assert_string_equal(h->state, "~/belay");
	assert_int_equal(h->base, 0);
	assert_int_equal(fleet_base(fleet, 2), 0);
	assert_int_equal(fleet_base(fleet, 0), 0);
	assert_int_equal(fleet_base(fleet, NONE), NONE);
	h = &fleet->hosts[3];
	assert_string_equal(h->name, "app@web");
	assert_null(h->state);
	assert_int_equal(h->become_password, 0);
	assert_int_equal(h->base, 1);
}

static void
each_edit_goes_to_the_place_of_its_user(void **state)
{
	(void)state;
	/* Who works on the host anyway has no place of his own. */
	check(MOVES(ACCEPT("pg", ACCEPT_PLAIN)),
	    "postgres@db: conf /pg/tls.conf pg\ndb: env /srv/own pg\ndb: activate pg reload pg\n");
	check(MOVES(ACCEPT("pg", ACCEPT_BOTH)),
	    "postgres@db: conf /pg/tls.conf pg\ndb: env /srv/own pg\ndb: activate pg reload pg\n");
	check(MOVES(DIAL("web -> pg", DIAL_DISABLE)), "app@web: env /srv/.env web\nweb: activate web restart web\n");
	check(MOVES(DIAL("web -> pg", DIAL_REQUIRE)),
	    "app@web: env /srv/.env web\napp@web: run x web\nweb: activate web restart web\n");
	check(MOVES(CERT("internal")), "postgres@db: file /tls/key pg\ndb: activate pg reload pg\n");
}

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	(void)arg;
	(void)ret_why;
	*ret = strcmp(path, "/pg/tls.conf") == 0 ? "ssl = on\n" : strcmp(path, "/srv/own") == 0 ? "B=1\n" : NULL;
	*ret_len = *ret == NULL ? 0 : strlen(*ret);
	return 0;
}

static void
each_user_reads_his_files_and_the_host_says_what_they_come_to(void **state)
{
	struct strings files = { NULL, 0 };
	struct reading r;

	(void)state;
	facets_files(&files, fleet, 0);
	assert_int_equal(files.n, 1);
	assert_string_equal(files.v[0], "/srv/own");
	strings_release(&files);
	facets_files(&files, fleet, 2);
	assert_int_equal(files.n, 1);
	assert_string_equal(files.v[0], "/pg/tls.conf");
	strings_release(&files);
	memset(&r, 0, sizeof(r));
	facets_seen(&r, fleet, 0, lookup, NULL, NULL);
	assert_int_equal(r.nfacets, 1);
	assert_int_equal(r.facets[0].value, ACCEPT_BOTH);
	reading_release(&r);
}

static void
what_cannot_be_is_refused_with_words(void **state)
{
	static const struct {
		const char *host, *accept, *message;
	} bad[] = {
		{ "", "{ both: [ { conf: { file: /a.ini, set: { x.a: b }, become: p } }, { conf: { file: /a.ini, set: { x.c: d } } } ] }",
		    "f:5:155: '/a.ini' is edited as 'the user who logs in' here and as 'p' at line 5, expected one user for all edits of a file" },
		{ "", "{ both: { become: \"-x\", conf: { file: /a.ini, set: { x.a: b } } } }",
		    "f:5:105: '-x' starts with '-', expected the name of a user" },
		{ ", states: { p: relative }", "{ both: { conf: { file: /a.ini, set: { x.a: b } } } }",
		    "f:3:45: the state directory of 'p' is 'relative', expected an absolute path or one that begins with ~/" },
		{ ", states: { \"-p\": /x }", "{ both: { conf: { file: /a.ini, set: { x.a: b } } } }",
		    "f:3:45: '-p' starts with '-', expected the name of a user" },
		{ "", "{ both: { setting: { set: { ssl: on }, become: p } } }",
		    "f:5:126: unknown key in a setting edit: 'become'" },
	};
	struct fleet *f;
	struct err err;
	char *text;
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = mem_printf("belay: fleet/1\nenvironment: t\nhosts: { db: { address: 10.0.0.1%s } }\n"
		    "units: { pg: { host: db, run: x, restarts: [] } }\n"
		    "endpoints: { pg: { kind: postgres, unit: pg, listen: { both: 1 }, names: [a], accept: %s } }\n",
		    bad[i].host, bad[i].accept);
		memset(&err, 0, sizeof(err));
		if (fleet_parse(&f, "f", text, strlen(text), &err) == 0)
			fleet_free(f);
		free(text);
		if (strncmp(err.msg, bad[i].message, strlen(bad[i].message)) == 0)
			continue;
		wrong++;
		print_error("%s\n  said:     %s\n  expected: %s\n", bad[i].accept, err.msg, bad[i].message);
	}
	assert_int_equal(wrong, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_user_of_a_host_is_a_place_on_the_same_machine),
		cmocka_unit_test(each_edit_goes_to_the_place_of_its_user),
		cmocka_unit_test(each_user_reads_his_files_and_the_host_says_what_they_come_to),
		cmocka_unit_test(what_cannot_be_is_refused_with_words),
	};

	return cmocka_run_group_tests(tests, set_up, fleet_gone);
}
