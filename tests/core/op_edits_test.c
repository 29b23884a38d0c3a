/*
 * conf, block and url: what a fleet says of them, which ops they become, how these
 * travel, and what files say of their facets.
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
#include "core/hba_step.h"
#include "core/mem.h"
#include "core/op.h"
#include "op_fixture.h"
#include "core/reading.h"

static const char fleet_text[] =
    "belay: fleet/1\n"
    "environment: test\n"
    "hosts:\n"
    "  db: { address: 10.0.0.1, user: ops }\n"
    "  web: { address: 10.0.0.2, user: ops }\n"
    "units:\n"
    "  pg: { host: db, kind: reload, run: pg reload, restarts: [] }\n"
    "  redis: { host: db, run: redis restart, restarts: [redis] }\n"
    "  pool: { host: db, run: pool reload, restarts: [] }\n"
    "  web: { host: web, run: web restart, restarts: [web] }\n"
    "certs:\n"
    "  internal: { serves: [pg], install: [ { env: { on: [db], file: /srv/.env, set: { CA: x } } } ] }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    names: [db.internal]\n"
    "    auth: { plain: md5, both: md5, tls: scram-sha-256 }\n"
    "    accept:\n"
    "      plain: [ { conf: { file: /pg/conf.d/tls.conf, unset: [ssl] } }, { block: { file: /pg/pg_hba.conf, remove: yes } } ]\n"
    "      both:  [ { conf: { file: /pg/conf.d/tls.conf, set: { ssl: on, ssl_ciphers: \"HIGH:!aNULL\" } } },\n"
    "               { block: { file: /pg/pg_hba.conf, write: in-place, hba: transition, roles: [app], from: [10.0.0.2] } } ]\n"
    "      tls:   { block: { file: /pg/pg_hba.conf, hba: harden, roles: [app], from: [10.0.0.2] } }\n"
    "  pool:\n"
    "    kind: pgbouncer\n"
    "    unit: pool\n"
    "    listen: { both: 6432 }\n"
    "    names: [db.internal]\n"
    "    accept: { conf: { file: /etc/pool/tls.conf, set: { client_tls_sslmode: \"$(accept)\" } } }\n"
    "  redis:\n"
    "    kind: redis\n"
    "    unit: redis\n"
    "    listen: { plain: 6379, tls: 6380 }\n"
    "    names: [db.internal]\n"
    "    accept:\n"
    "      plain: { conf: { file: /etc/redis/redis.conf, set: { port: \"6379\" }, unset: [tls-port] } }\n"
    "      both:  { conf: { file: /etc/redis/redis.conf, set: { port: \"6379\", tls-port: \"'6380'\" } } }\n"
    "      tls:   { conf: { file: /etc/x.conf, syntax: redis, set: { port: \"0\" } } }\n"
    "clients:\n"
    "  web:\n"
    "    unit: web\n"
    "    links:\n"
    "      pg:\n"
    "        match: { host: web }\n"
    "        dial: { url: { file: /srv/.env, key: DATABASE_URL, query: { sslmode: \"$(dial)\", sslrootcert: \"$(ca_file)\" } } }\n"
    "        trust: { ca: internal, file: /etc/ssl/ca.crt, lands: activation }\n"
    "      redis:\n"
    "        match: { host: web }\n"
    "        dial:\n"
    "          disable:     { file: /srv/.env, url: { file: /srv/.env, key: REDIS_URL, scheme: redis, port: 6379, unset: [ssl_cert_reqs] }, set: { PLAIN: on } }\n"
    "          verify-full: { url: { file: /srv/.env, key: REDIS_URL, scheme: rediss, port: 6380, query: { ssl_cert_reqs: required } } }\n"
    "          require:     { file: /srv/.env, set: { DATABASE_URL: none } }\n"
    "          verify-ca:   { conf: { file: /srv/.env, syntax: ini, set: { a: b } } }\n"
    "        trust: { ca: internal, file: /etc/ssl/ca.crt, lands: activation }\n"
    "      pool:\n"
    "        match: { host: web }\n"
    "        dial: { block: { file: /srv/hosts, text: \"x $(dial)\", name: web.pool } }\n";

static int
set_up(void **state)
{
	(void)state;
	return fleet_of(fleet_text);
}

static void
print(const struct ops *ops, struct buf *out)
{
	const struct op *op;
	size_t i;

	for (i = 0; i < ops->n; i++) {
		op = &ops->v[i];
		if (!op_kind_of_file(op->kind))
			continue;
		(void)buf_printf(out, "%s%d %s%s%s", op_kind_word(op->kind), (int)op->syntax, op->path,
		    op->in_place ? " in place" : "", op->secret ? " secret" : "");
		print_names(op, out);
		(void)buf_printf(out, " [%s]\n", op->unit == NONE ? "" : fleet->units[op->unit].name);
	}
}

static void
check(const struct move *moves, size_t n, const char *want)
{
	struct ops ops = { NULL, 0 };
	struct op got;
	struct buf out, blob, again;
	struct err err;
	size_t i;

	buf_init(&out, 0);
	if (ops_of_moves(&ops, fleet, moves, n, "run", "s", NULL, NULL, &err) == 0)
		print(&ops, &out);
	else
		(void)buf_printf(&out, "error: %s", err.msg);
	assert_string_equal(buf_str(&out), want);
	/* And so they travel. */
	for (i = 0; i < ops.n; i++) {
		buf_init(&blob, 0);
		buf_init(&again, 0);
		op_encode(&ops.v[i], &blob);
		assert_int_equal(op_decode(&got, blob.data, blob.len, &err), 0);
		assert_int_equal(got.syntax, ops.v[i].syntax);
		op_encode(&got, &again);
		assert_int_equal(again.len, blob.len);
		assert_memory_equal(again.data, blob.data, blob.len);
		op_release(&got);
		/* A syntax of another kind is refused. */
		if (op_kind_by_name(ops.v[i].kind)) {
			ops.v[i].syntax = ops.v[i].kind == OP_CONF ? TEXT_ENV : TEXT_REDIS;
			buf_clear(&blob);
			op_encode(&ops.v[i], &blob);
			assert_int_equal(op_decode(&got, blob.data, blob.len, &err), -1);
		}
		buf_release(&blob);
		buf_release(&again);
	}
	ops_release(&ops);
	buf_release(&out);
}


#define TRANSITION "hostssl all app 10.0.0.2/32 md5\nhost all app 10.0.0.2/32 md5\n"
#define HARDEN "hostssl all app 10.0.0.2/32 scram-sha-256\nhostnossl all app 10.0.0.2/32 reject\n"

static void
each_kind_becomes_an_op_of_its_syntax(void **state)
{
	(void)state;
	check(MOVES(ACCEPT("pg", ACCEPT_BOTH)),
	    "conf2 /pg/conf.d/tls.conf +ssl=on +ssl_ciphers=HIGH:!aNULL [pg]\n"
	    "block6 /pg/pg_hba.conf in place +pg=" TRANSITION " [pg]\n");
	check(MOVES(ACCEPT("pg", ACCEPT_TLS)), "block6 /pg/pg_hba.conf +pg=" HARDEN " [pg]\n");
	check(MOVES(ACCEPT("pg", ACCEPT_PLAIN)),
	    "conf2 /pg/conf.d/tls.conf -ssl [pg]\nblock6 /pg/pg_hba.conf -pg [pg]\n");
	check(MOVES(ACCEPT("pool", ACCEPT_TLS)), "conf3 /etc/pool/tls.conf +client_tls_sslmode=tls [pool]\n");
	/* Words of redis.conf in their one spelling. */
	check(MOVES(ACCEPT("redis", ACCEPT_BOTH)),
	    "conf4 /etc/redis/redis.conf +port=6379 +tls-port=6380 [redis]\n");
	check(MOVES(ACCEPT("redis", ACCEPT_TLS)), "conf4 /etc/x.conf +port=0 [redis]\n");
	check(MOVES(DIAL("web -> pg", DIAL_VERIFY_FULL)),
	    "url1 /srv/.env +DATABASE_URL?sslmode=verify-full +DATABASE_URL?sslrootcert=/etc/ssl/ca.crt [web]\n");
	check(MOVES(DIAL("web -> pool", DIAL_REQUIRE)), "block5 /srv/hosts +web.pool=x require\n [web]\n");
}

static void
variables_and_urls_of_one_file_are_one_op(void **state)
{
	(void)state;
	check(MOVES(DIAL("web -> pg", DIAL_DISABLE), DIAL("web -> redis", DIAL_DISABLE)),
	    "url1 /srv/.env +DATABASE_URL?sslmode=disable +REDIS_URL:scheme=redis +REDIS_URL:port=6379 "
	    "+PLAIN=on -REDIS_URL?ssl_cert_reqs [web]\n");
	check(MOVES(DIAL("web -> redis", DIAL_VERIFY_FULL)),
	    "url1 /srv/.env +REDIS_URL:scheme=rediss +REDIS_URL:port=6380 +REDIS_URL?ssl_cert_reqs=required [web]\n");
}

static void
edits_that_contradict_each_other_are_refused(void **state)
{
	(void)state;
	check(MOVES(DIAL("web -> pg", DIAL_REQUIRE), DIAL("web -> redis", DIAL_REQUIRE)),
	    "error: step 's': link 'web -> redis': fleet.yaml:53:43: two moves of one step disagree about "
	    "'DATABASE_URL' in '/srv/.env' on host 'web'");
	check(MOVES(DIAL("web -> pg", DIAL_REQUIRE), DIAL("web -> redis", DIAL_VERIFY_CA)),
	    "error: step 's': link 'web -> redis': fleet.yaml:54:26: two moves of one step edit '/srv/.env' on "
	    "host 'web' in two ways: as 'url' and as 'conf'");
}

/* ------------------------------------------------------------------ what files say */

struct file {
	const char *path, *text;
};

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	const struct file *f;

	(void)ret_why;
	for (f = arg; f->path != NULL && strcmp(f->path, path) != 0; f++)
		;
	*ret = f->path == NULL ? NULL : f->text;
	*ret_len = *ret == NULL ? 0 : strlen(*ret);
	return 0;
}

static void
check_odd(const char *host, enum facet facet, int subject, const struct file *files, int value,
    const char *detail, bool odd)
{
	struct reading r;
	size_t i;

	memset(&r, 0, sizeof(r));
	facets_seen(&r, fleet, fleet_host(fleet, host), lookup, NULL, (void *)(uintptr_t)files);
	for (i = 0; i < r.nfacets; i++)
		if (r.facets[i].facet == (int)facet && r.facets[i].subject == subject)
			break;
	assert_true(i < r.nfacets);
	assert_int_equal(r.facets[i].value, value);
	assert_int_equal(r.facets[i].odd, odd);
	if (detail != NULL)
		assert_string_equal(r.facets[i].detail, detail);
	reading_release(&r);
}

static void
check_seen(const char *host, enum facet facet, int subject, const struct file *files, int value, const char *detail)
{
	check_odd(host, facet, subject, files, value, detail, false);
}

#define FILES(...) ((const struct file []){ __VA_ARGS__, { NULL, NULL } })
#define PG fleet_endpoint(fleet, "pg")
#define REDIS fleet_endpoint(fleet, "redis")

static void
facets_are_read_back_from_conf_block_and_url(void **state)
{
	(void)state;
	check_seen("db", FACET_ACCEPT, PG, FILES({ "/pg/conf.d/tls.conf", "# ssl = on\n" }), ACCEPT_PLAIN,
	    "ssl is not set, block pg is not there");
	check_seen("db", FACET_ACCEPT, PG, FILES({ "/pg/conf.d/tls.conf", "SSL 'on'\nssl_ciphers = 'HIGH:!aNULL'\n" },
	    { "/pg/pg_hba.conf", "# BEGIN belay pg\n" TRANSITION "# END belay pg\n" }), ACCEPT_BOTH,
	    "ssl=on, ssl_ciphers=HIGH:!aNULL, block pg is as bound");
	check_seen("db", FACET_ACCEPT, PG, FILES({ "/pg/conf.d/tls.conf", "ssl = on\n" },
	    { "/pg/pg_hba.conf", "# BEGIN belay pg\n" HARDEN "# END belay pg\n" }), ACCEPT_TLS, NULL);
	/* Somebody's own lines, or half a block, are no value. */
	check_odd("db", FACET_ACCEPT, PG, FILES({ "/pg/conf.d/tls.conf", "ssl = on\n" },
	    { "/pg/pg_hba.conf", "# BEGIN belay pg\nhost all all all md5\n# END belay pg\n" }), ACCEPT_UNKNOWN, NULL, true);
	check_odd("db", FACET_ACCEPT, PG, FILES({ "/pg/conf.d/tls.conf", "ssl = on\n" },
	    { "/pg/pg_hba.conf", "# BEGIN belay pg\n" HARDEN }), ACCEPT_UNKNOWN, NULL, true);
	check_seen("db", FACET_ACCEPT, REDIS, FILES({ "/etc/redis/redis.conf", "port 6379\ntls-port \"6380\"\n" }),
	    ACCEPT_BOTH, "port=6379, tls-port=6380");
	check_seen("db", FACET_ACCEPT, REDIS, FILES({ "/etc/redis/redis.conf", "port 6379\n" }), ACCEPT_PLAIN, NULL);
	check_seen("web", FACET_DIAL, fleet_link(fleet, "web -> pg"),
	    FILES({ "/srv/.env", "DATABASE_URL='postgres://u:hunter2@h/d?sslmode=verify-full&sslrootcert=%2Fetc%2Fssl%2Fca.crt'\n" }),
	    DIAL_VERIFY_FULL, "DATABASE_URL?sslmode=verify-full, DATABASE_URL?sslrootcert=/etc/ssl/ca.crt");
	check_odd("web", FACET_DIAL, fleet_link(fleet, "web -> pg"),
	    FILES({ "/srv/.env", "DATABASE_URL=hunter2\n" }), DIAL_UNKNOWN,
	    "DATABASE_URL?sslmode is not set, DATABASE_URL?sslrootcert is not set", true);
	check_seen("web", FACET_DIAL, fleet_link(fleet, "web -> redis"),
	    FILES({ "/srv/.env", "REDIS_URL=rediss://:hunter2@h:6380/0?ssl_cert_reqs=required\n" }), DIAL_VERIFY_FULL, NULL);
}

/* ------------------------------------------------------------------ broken fleets */

#define HEAD "belay: fleet/1\nhosts: { db: { ssh: db } }\nunits: { db: { host: db, run: x } }\n" \
	"endpoints:\n  pg: { kind: postgres, unit: db, listen: { both: 5432 }, accept: { tls: { "
#define TAIL " } } }\n"

static void
broken_edits_have_their_message(void **state)
{
	static const struct {
		const char *edit, *message;
	} bad[] = {
		{ "conf: { set: { ssl: on } }", "f:5:76: 'conf' without a file, expected 'file: /path'" },
		{ "conf: { file: /x }", "f:5:76: a conf edit without a change, expected 'set: { key: value }' or 'unset: [key]'" },
		{ "conf: { file: /x, set: { include_dir: x } }", "f:5:101: 'include_dir' is no key of postgresql.conf" },
		{ "conf: { file: /x, unset: [a b] }", "f:5:101: 'a b' is no key of postgresql.conf" },
		{ "conf: { file: /x, syntax: yaml, set: { a: b } }",
		    "f:5:102: unknown syntax 'yaml', expected one of: postgres, ini, redis" },
		{ "conf: { file: /x, set: { ssl: on }, unset: [ssl] }", "f:5:101: 'ssl' is set and unset, expected one of them" },
		{ "conf: { file: /redis.conf, set: { port: \"'\" } }",
		    "f:5:110: 'port': the value cannot stand in redis.conf: it has a line break, no word, or a quote that is left open" },
		{ "conf: { file: /x, sett: { a: b } }", "f:5:94: unknown key in a conf edit: 'sett', did you mean 'set'?" },
		{ "block: { file: /x }",
		    "f:5:76: a block has one of 'hba: transition', 'hba: harden', 'hba: mutual', 'text: …' and 'remove: yes'" },
		{ "block: { file: /x, text: a, remove: yes }",
		    "f:5:76: a block has one of 'hba: transition', 'hba: harden', 'hba: mutual', 'text: …' and 'remove: yes'" },
		{ "block: { file: /x, text: a, roles: [b] }",
		    "f:5:111: 'roles' belongs to a block of pg_hba.conf, expected 'hba' beside it" },
		{ "block: { file: /x, text: a, name: \"a b\" }", "f:5:83: 'a b' is no name of a block" },
		{ "block: { file: /x, text: \"# END belay x\" }",
		    "f:5:83: block 'pg': a marker or a carriage return cannot stand in it" },
		{ "block: { file: /x, hba: harden, from: [all] }",
		    "f:5:83: a block of pg_hba.conf without 'roles', expected 'roles: […]'" },
		{ "block: { file: /x, hba: harden, roles: [a], from: [10.0.0.0/40] }",
		    "f:5:83: pg_hba.conf: '10.0.0.0/40', expected a length from 0 to 32 behind the '/'" },
		{ "block: { file: /x, hba: hard }", "f:5:100: unknown hba 'hard', did you mean 'harden'?" },
		{ "url: { file: /x, query: { a: b } }",
		    "f:5:76: a url edit without 'key', expected 'key: NAME' of the variable that holds the URL" },
		{ "url: { file: /x, key: U }",
		    "f:5:76: a url edit without a change, expected 'query: { parameter: value }', 'scheme', 'host', 'port' or 'unset'" },
		{ "url: { file: /x, key: U-?, scheme: a }", "f:5:111: 'U-?:scheme' is no name of a variable or of a part of a URL" },
		{ "url: { file: /x, key: U, host: a@b }", "f:5:107: 'U:host': 'a@b' cannot stand in a URL there" },
	};
	struct fleet *f;
	struct err err;
	char *text;
	size_t i, wrong = 0;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		text = mem_printf("%s%s%s", HEAD, bad[i].edit, TAIL);
		memset(&err, 0, sizeof(err));
		if (fleet_parse(&f, "f", text, strlen(text), &err) == 0)
			fleet_free(f);
		free(text);
		if (strcmp(err.msg, bad[i].message) == 0)
			continue;
		wrong++;
		print_error("%s\n  said:     %s\n  expected: %s\n", bad[i].edit, err.msg, bad[i].message);
	}
	assert_int_equal(wrong, 0);
}

static void
connection_strings_are_looked_at_where_a_link_dials_by_them(void **state)
{
	static const char text[] = "OTHER=redis://elsewhere:6379\nREDIS_URL=rediss://:pw@db.internal:6379/0?ssl_cert_reqs=none\n"
	    "DATABASE_URL=postgres://app:pw@db/x?sslmode=prefer\nREAD_URL=postgres://app:pw@db.internal/x?sslmode=allow\n";
	struct reading r;
	struct buf b = { 0 };
	size_t i;

	(void)state;
	memset(&r, 0, sizeof(r));
	strings_seen(&r, fleet, fleet_host(fleet, "web"), lookup, (void *)(uintptr_t)FILES({ "/srv/.env", text }));
	for (i = 0; i < r.nstrings; i++)
		(void)buf_printf(&b, "%s %d %s %s%s\n", fleet->links[r.strings[i].link].name, r.strings[i].line,
		    r.strings[i].variable, r.strings[i].name, r.strings[i].warning ? "!" : "");
	assert_string_equal(buf_str(&b),
	    "web -> pg 3 DATABASE_URL falls-back!\nweb -> pg 3 DATABASE_URL name-not-covered\n"
	    "web -> pg 4 READ_URL falls-back!\n"
	    "web -> redis 2 REDIS_URL unverified!\nweb -> redis 2 REDIS_URL port!\n");
	buf_release(&b);
	reading_release(&r);
	/* No file, and another host: nothing. */
	memset(&r, 0, sizeof(r));
	strings_seen(&r, fleet, fleet_host(fleet, "web"), lookup, (void *)(uintptr_t)FILES({ NULL, NULL }));
	strings_seen(&r, fleet, fleet_host(fleet, "db"), lookup, (void *)(uintptr_t)FILES({ "/srv/.env", text }));
	assert_int_equal(r.nstrings, 0);
	reading_release(&r);
}

/* What becomes of the sessions, each "user address tls|plain", when pg accepts so. */
static void
check_hba(const char *text, enum accept accept, enum hba_step_says want, const char *why, struct straggler *v, size_t n)
{
	struct reading host, census;
	struct buf blob = { 0 };
	struct reading back;
	struct err err;
	char said[512];

	memset(&host, 0, sizeof(host));
	memset(&census, 0, sizeof(census));
	host.kind = READING_HOST;
	host.subject = fleet_host(fleet, "db");
	hba_step_seen(&host, fleet, host.subject, lookup, (void *)(uintptr_t)FILES({ "/pg/pg_hba.conf", text }));
	assert_int_equal(host.nhba, 1);
	/* As it comes from a worker. */
	reading_encode(&host, &blob);
	assert_int_equal(reading_decode(&back, buf_str(&blob), blob.len, &err), 0);
	assert_int_equal(reading_check(&back, fleet, &err), 0);
	census.census.stragglers = v;
	census.census.nstragglers = n;
	assert_int_equal(hba_step_judge(fleet, PG, accept, &census, &back, NULL, said, sizeof(said)), want);
	assert_string_equal(said, why);
	reading_release(&host);
	reading_release(&back);
	buf_release(&blob);
}

#define SESSION(user_, address_, tls_) { NONE, tls_, (char *)(uintptr_t)address_, (char *)(uintptr_t)user_, \
    (char *)(uintptr_t)"shop", NULL, 0, 60 }

static void
a_session_that_would_lose_its_line_is_named(void **state)
{
	static const char md5[] = "# secret comment\nlocal all all peer\nhost all all 10.0.0.0/8 md5\n";
	struct straggler app[] = { SESSION("app", "10.0.0.2", false) }, tls[] = { SESSION("app", "10.0.0.2", true) };
	struct straggler other[] = { SESSION("app", "10.0.0.2", true), SESSION("backup", "192.168.7.9", true) };
	struct straggler socket[] = { SESSION("app", "", false) }, nobody[] = { SESSION(NULL, "10.0.0.2", false) };

	(void)state;
	/* The block takes both; hardened it rejects plaintext, and nothing else. */
	check_hba(md5, ACCEPT_BOTH, HBA_STEP_KEEPS, "", app, 1);
	check_hba(md5, ACCEPT_TLS, HBA_STEP_LOSES,
	    "app from 10.0.0.2 in plaintext, database shop: line 5 would reject it", app, 1);
	check_hba(md5, ACCEPT_TLS, HBA_STEP_KEEPS, "", tls, 1);
	/* Somebody else, whom no line lets in already: it was connected before the file was so. */
	check_hba(md5, ACCEPT_TLS, HBA_STEP_LOSES,
	    "backup from 192.168.7.9 by tls, database shop: no line would match (as it is now)", other, 2);
	check_hba(md5, ACCEPT_TLS, HBA_STEP_KEEPS, "", socket, 1);
	check_hba(md5, ACCEPT_TLS, HBA_STEP_UNSURE, "a session from 10.0.0.2, whose role was not told", nobody, 1);
	/* Back to plaintext without what let the client in. */
	check_hba("# BEGIN belay pg\nhostssl all app 10.0.0.2/32 md5\n# END belay pg\n", ACCEPT_PLAIN, HBA_STEP_LOSES,
	    "app from 10.0.0.2 by tls, database shop: no line would match", tls, 1);
}

static void
what_is_not_known_of_pg_hba_conf_is_no_pass(void **state)
{
	struct straggler app[] = { SESSION("app", "10.0.0.2", true), SESSION("ops", "10.9.9.9", true) };

	(void)state;
	/* That refuses the activation, by a check that is about nothing else. */
	check_hba("host all all 10.0.0.0/8\n", ACCEPT_TLS, HBA_STEP_KEEPS, "'/pg/pg_hba.conf' line 1: end-of-line before "
	    "authentication method: the server takes nothing of such a file", app, 1);
	check_hba(NULL, ACCEPT_TLS, HBA_STEP_UNSURE, "'/pg/pg_hba.conf' does not exist", app, 1);
	check_hba("# BEGIN belay pg\n", ACCEPT_TLS, HBA_STEP_UNSURE, "'/pg/pg_hba.conf': line 1: the block 'pg' has no end; "
	    "put it right by hand first", app, 1);
	check_hba("host all +staff 10.9.0.0/16 md5\n", ACCEPT_TLS, HBA_STEP_KEEPS, "", app, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_becomes_an_op_of_its_syntax),
		cmocka_unit_test(variables_and_urls_of_one_file_are_one_op),
		cmocka_unit_test(edits_that_contradict_each_other_are_refused),
		cmocka_unit_test(facets_are_read_back_from_conf_block_and_url),
		cmocka_unit_test(broken_edits_have_their_message),
		cmocka_unit_test(connection_strings_are_looked_at_where_a_link_dials_by_them),
		cmocka_unit_test(a_session_that_would_lose_its_line_is_named),
		cmocka_unit_test(what_is_not_known_of_pg_hba_conf_is_no_pass),
	};

	return cmocka_run_group_tests(tests, set_up, fleet_gone);
}
