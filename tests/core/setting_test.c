/*
 * Settings by statement: what may be one, what a fleet file makes of them, and
 * what a server's own word says of an accept that they bind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/board.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/reader.h"
#include "core/reading.h"
#include "core/setting.h"

static const char ground[] =
    "belay: fleet/1\n"
    "hosts: { db: { ssh: db } }\n"
    "units:\n"
    "  pg: { host: db, kind: reload, run: reload-pg }\n"
    "  pool: { host: db, kind: reload, run: reload-pool }\n"
    "  redis: { host: db, run: restart-redis }\n"
    "endpoints:\n"
    "  pg:\n"
    "    kind: postgres\n"
    "    unit: pg\n"
    "    listen: { both: 5432 }\n"
    "    admin: { user: boss }\n"
    "    accept:\n"
    "      plain: { setting: { set: { ssl: off }, unset: [ssl_ca_file] } }\n"
    "      both: { setting: { set: { ssl: on } } }\n"
    "  pool:\n"
    "    kind: pgbouncer\n"
    "    unit: pool\n"
    "    listen: { both: 6432 }\n"
    "    admin: { user: boss }\n"
    "    accept:\n"
    "      plain: { setting: { set: { client_tls_sslmode: disable } } }\n"
    "      both: { setting: { set: { client_tls_sslmode: allow } } }\n"
    "      tls: [ { setting: { set: { client_tls_sslmode: require } } }, { conf: { file: /etc/p.ini, set: { x: y } } } ]\n"
    "  redis:\n"
    "    kind: redis\n"
    "    unit: redis\n"
    "    listen: { plain: 6379, tls: 6380 }\n"
    "    accept:\n"
    "      plain: { setting: { set: { port: 6379, tls-port: 0 } } }\n"
    "      both: [ { setting: { set: { port: 6379 } } }, { setting: { set: { tls-port: 6380, tls-auth-clients: no } } } ]\n"
    "      tls: { setting: { set: { port: 0, tls-port: 6380 } } }\n"
    "clients:\n"
    "  pool:\n"
    "    unit: pool\n"
    "    links:\n"
    "      pg:\n"
    "        match: { user: pool }\n"
    "        dial:\n"
    "          disable: { setting: { of: pool, set: { server_tls_sslmode: \"$(dial)\" } } }\n"
    "          require: { setting: { of: pool, set: { server_tls_sslmode: \"$(dial)\" } } }\n"
    "          verify-ca: [ { setting: { of: pool, set: { server_tls_sslmode: verify-ca } } }, { conf: { file: /etc/p.ini, set: { x: y } } } ]\n";

static struct fleet *fleet;

static int
set_up(void **state)
{
	struct err err;

	(void)state;
	if (fleet_parse(&fleet, "f", ground, strlen(ground), &err) == 0)
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

static void
a_name_or_value_that_cannot_be_set_is_refused(void **state)
{
	static const struct { enum kind kind; const char *name, *value, *says; } cases[] = {
		{ KIND_POSTGRES, "ssl", "on", NULL },
		{ KIND_POSTGRES, "ssl", NULL, NULL },
		{ KIND_POSTGRES, "my.own", "it's", NULL },
		{ KIND_POSTGRES, "password_encryption", "md5", NULL },
		{ KIND_POSTGRES, "ssl; DROP", "on", "expected the name" },
		{ KIND_POSTGRES, "ssl-x", "on", "expected the name" },
		{ KIND_POSTGRES, "", "on", "expected the name" },
		{ KIND_POSTGRES, "a.", "on", "expected the name" },
		{ KIND_POSTGRES, "primary_conninfo", "x", "may hold a secret" },
		{ KIND_POSTGRES, "ssl_passphrase_command", "x", "may hold a secret" },
		{ KIND_POSTGRES, "Search_Path", "x", "list of quoted names" },
		{ KIND_POSTGRES, "ssl", "on\noff", "control character" },
		{ KIND_REDIS, "tls-port", "6380", NULL },
		{ KIND_REDIS, "tls_port", "6380", "expected the name" },
		{ KIND_REDIS, "*", "6380", "expected the name" },
		{ KIND_REDIS, "requirepass", "x", "may hold a secret" },
		{ KIND_REDIS, "RequirePass", "x", "may hold a secret" },
		{ KIND_REDIS, "masterauth", "x", "may hold a secret" },
		{ KIND_REDIS, "tls-key-file-pass", "x", "may hold a secret" },
		{ KIND_REDIS, "tls-port", NULL, "no value of 'tls-port' to go back to" },
		{ KIND_PGBOUNCER, "client_tls_sslmode", "allow", NULL },
		{ KIND_PGBOUNCER, "client_tls_sslmode", NULL, "no value of" },
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		err.msg[0] = '\0';
		if ((setting_check(cases[i].kind, cases[i].name, cases[i].value, &err) == 0) !=
		    (cases[i].says == NULL) || (cases[i].says != NULL && strstr(err.msg, cases[i].says) == NULL))
			fail_msg("'%s': '%s'", cases[i].name, err.msg);
	}
}

static void
what_a_server_means_the_same_by_is_the_same(void **state)
{
	static const struct { enum kind kind; const char *a, *b; bool same; } cases[] = {
		{ KIND_POSTGRES, "on", "on", true }, { KIND_POSTGRES, "on", "true", false },
		{ KIND_POSTGRES, NULL, NULL, true }, { KIND_POSTGRES, NULL, "", false },
		{ KIND_REDIS, "100mb", "104857600", true }, { KIND_REDIS, "1k", "1000", true },
		{ KIND_REDIS, "1kb", "1000", false }, { KIND_REDIS, "yes", "no", false },
		{ KIND_REDIS, "0", "00", true }, { KIND_REDIS, "a", "b", false },
		{ KIND_REDIS, "9999999999gb", "9999999998gb", false },
		{ KIND_REDIS, "99999999999", "99999999998", false },
		{ KIND_PGBOUNCER, "1", "on", true }, { KIND_PGBOUNCER, "0.5", "0.50", true },
		{ KIND_PGBOUNCER, "5", "5.0", true }, { KIND_PGBOUNCER, "5kb", "5120", false },
		{ KIND_PGBOUNCER, "-1", "1", false }, { KIND_PGBOUNCER, "", "0", false },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (setting_same(cases[i].kind, cases[i].a, cases[i].b) != cases[i].same ||
		    setting_same(cases[i].kind, cases[i].b, cases[i].a) != cases[i].same)
			fail_msg("'%s' and '%s'", cases[i].a, cases[i].b);
}

static void
a_text_of_settings_is_read_back_or_refused(void **state)
{
	static const char *const spoilt[] = { "set a", "set a 1", "unset \n", "other a 1\n", "set  1\nx", "\n" };
	struct pairs pairs = { NULL, 0 }, back;
	struct buf b;
	struct err err;
	size_t i;

	(void)state;
	setting_push(&pairs, "ssl", "on");
	setting_push(&pairs, "ssl_ciphers", "");
	setting_push(&pairs, "x.y", "a b  'c'");
	setting_push(&pairs, "ssl_ca_file", NULL);
	buf_init(&b, 0);
	setting_put_text(&b, &pairs);
	assert_string_equal(buf_str(&b), "set ssl on\nset ssl_ciphers \nset x.y a b  'c'\nunset ssl_ca_file\n");
	assert_int_equal(setting_parse_text(&back, b.data, b.len, &err), 0);
	assert_int_equal(back.n, pairs.n);
	for (i = 0; i < pairs.n; i++) {
		assert_string_equal(back.v[i].key, pairs.v[i].key);
		assert_true(setting_same(KIND_POSTGRES, back.v[i].value, pairs.v[i].value));
	}
	pairs_release(&back);
	pairs_release(&pairs);
	buf_release(&b);
	for (i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++)
		if (setting_parse_text(&back, spoilt[i], strlen(spoilt[i]), &err) != -1)
			fail_msg("'%s' was read", spoilt[i]);
}

/* "setting redis port=6379 …; activate pg" */
static const char *
ops_line(const char *endpoint, enum accept value, struct err *err)
{
	static char line[1024];
	struct move move = { .facet = FACET_ACCEPT, .subject = fleet_endpoint(fleet, endpoint), .value = (int)value };
	struct buf b, blob;
	struct ops ops;
	struct op op;
	size_t i, k;

	if (ops_of_moves(&ops, fleet, &move, 1, "run", "step", NULL, NULL, err) != 0)
		return NULL;
	buf_init(&b, 0);
	for (i = 0; i < ops.n; i++) {
		buf_init(&blob, 0);
		op_encode(&ops.v[i], &blob);
		assert_int_equal(op_decode(&op, blob.data, blob.len, err), 0);
		buf_release(&blob);
		(void)buf_printf(&b, "%s%s %s", i == 0 ? "" : "; ", op_kind_word(op.kind), op.kind == OP_ACTIVATE ?
		    fleet->units[op.unit].name : fleet->endpoints[op.endpoint].name);
		for (k = 0; k < op.set.n; k++)
			(void)buf_printf(&b, " %s=%s", op.set.v[k].key, op.set.v[k].value);
		for (k = 0; k < op.unset.n; k++)
			(void)buf_printf(&b, " -%s", op.unset.v[k]);
		if (op.kind == OP_SETTING)
			(void)buf_puts(&b, op.persist ? " kept" : " gone");
		op_release(&op);
	}
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_release(&b);
	ops_release(&ops);
	return line;
}

static void
settings_of_one_server_are_one_op_and_only_postgres_is_activated(void **state)
{
	struct err err;

	(void)state;
	assert_string_equal(ops_line("pg", ACCEPT_PLAIN, &err), "setting pg ssl=off -ssl_ca_file kept; activate pg");
	assert_string_equal(ops_line("pool", ACCEPT_BOTH, &err), "setting pool client_tls_sslmode=allow gone");
	assert_string_equal(ops_line("redis", ACCEPT_BOTH, &err),
	    "setting redis port=6379 tls-port=6380 tls-auth-clients=no kept");
	/* Its file's edit activates the unit, and the console's word would be gone with that. */
	assert_null(ops_line("pool", ACCEPT_TLS, &err));
	assert_non_null(strstr(err.msg, "would be gone"));
}

static enum accept
accept_of(const char *endpoint, const char *a, const char *b, const char *c, const char *d)
{
	struct reading r;
	enum accept accept;

	memset(&r, 0, sizeof(r));
	r.kind = READING_SETTINGS;
	r.outcome = SAW;
	setting_push(&r.settings, a, b);
	if (c != NULL)
		setting_push(&r.settings, c, d);
	accept = accept_by_settings(fleet, fleet_endpoint(fleet, endpoint), &r);
	r.outcome = SAW_PART;
	assert_int_equal(accept_by_settings(fleet, fleet_endpoint(fleet, endpoint), &r), ACCEPT_UNKNOWN);
	pairs_release(&r.settings);
	return accept;
}

static void
an_accept_is_told_by_the_servers_own_word_or_not_at_all(void **state)
{
	(void)state;
	assert_int_equal(accept_of("redis", "port", "6379", "tls-port", "0"), ACCEPT_PLAIN);
	assert_int_equal(accept_of("redis", "port", "0", "tls-port", "6380"), ACCEPT_TLS);
	/* tls-auth-clients was not seen. */
	assert_int_equal(accept_of("redis", "port", "6379", "tls-port", "6380"), ACCEPT_UNKNOWN);
	assert_int_equal(accept_of("redis", "port", "1", "tls-port", "2"), ACCEPT_UNKNOWN);
	assert_int_equal(accept_of("pool", "client_tls_sslmode", "allow", NULL, NULL), ACCEPT_BOTH);
	/* A file binds it, too. */
	assert_int_equal(accept_of("pool", "client_tls_sslmode", "require", NULL, NULL), ACCEPT_UNKNOWN);
	/* What runs is not what is written. */
	assert_int_equal(accept_of("pg", "ssl", "on", NULL, NULL), ACCEPT_UNKNOWN);
}

static void
list_seen(void *arg, const struct change *seen)
{
	const struct fleet *f = fleet;

	if (seen->facet == FACET_ACCEPT)
		buf_printf(arg, "%s %s; ", f->endpoints[seen->subject].name, accept_word((enum accept)seen->value));
	else
		buf_printf(arg, "%s %s; ", f->links[seen->subject].name, dial_word((enum dial)seen->value));
}

static void
feed_settings(struct board *b, const char *endpoint, int64_t at_ms, const char *const pairs[])
{
	struct reading r = { .kind = READING_SETTINGS, .at_ms = at_ms, .outcome = SAW };

	r.subject = fleet_endpoint(fleet, endpoint);
	for (; pairs[0] != NULL; pairs += 2)
		setting_push(&r.settings, pairs[0], pairs[1]);
	board_feed(b, &r);
}

static void
feed_accept(struct board *b, const char *endpoint, int64_t at_ms, enum accept value)
{
	struct reading r = { .kind = READING_HOST, .at_ms = at_ms, .outcome = SAW };

	r.facets = mem_array(1, sizeof(*r.facets));
	r.nfacets = 1;
	r.facets[0] = (struct facet_seen){ .facet = FACET_ACCEPT, .subject = fleet_endpoint(fleet, endpoint), .value = (int)value };
	board_feed(b, &r);
}

static void
assert_seen(const struct board *b, int64_t since_ms, const char *want)
{
	struct buf out;

	buf_init(&out, 0);
	board_each_seen(b, since_ms, list_seen, &out);
	assert_string_equal(buf_str(&out), want);
	buf_release(&out);
}

/* What a run is held against: files first, else a server's own word, and nothing from before the last change. */
static void
what_contradicts_a_run_is_seen_in_settings_too(void **state)
{
	static const char *const pool[] = { "client_tls_sslmode", "allow", "server_tls_sslmode", "require", NULL };
	static const char *const odd[] = { "client_tls_sslmode", "allow", "server_tls_sslmode", "verify-full", NULL };
	static const char *const filed[] = { "client_tls_sslmode", "verify-full", "server_tls_sslmode", "verify-ca", NULL };
	static const char *const redis[] = { "port", "0", "tls-port", "6380", NULL };
	struct board *b = board_new(fleet);
	struct posture p;

	(void)state;
	assert_seen(b, 0, "");
	feed_settings(b, "pool", 10, pool);
	feed_settings(b, "redis", 20, redis);
	assert_seen(b, 0, "pool both; redis tls; pool -> pg require; ");
	assert_seen(b, 10, "redis tls; ");
	assert_seen(b, 20, "");
	board_posture(b, &p);
	assert_int_equal(p.dial[0], DIAL_REQUIRE);
	posture_release(&p);
	/* No value of the binding says that; and of verify-ca a file says the other half. */
	feed_settings(b, "pool", 30, odd);
	assert_seen(b, 20, "pool both; ");
	feed_settings(b, "pool", 40, filed);
	assert_seen(b, 20, "");
	/* What a host's files say for certain is not asked of the server. */
	feed_accept(b, "redis", 50, ACCEPT_PLAIN);
	assert_seen(b, 0, "redis plain; ");
	feed_accept(b, "redis", 60, ACCEPT_UNKNOWN);
	assert_seen(b, 0, "redis tls; ");
	board_free(b);
}

/* What an undo may be told to leave is named by what was written, never by who activates it. */
static void
settings_bear_their_servers_name_and_its_activation_does_not(void **state)
{
	static const char text[] =
	    "belay: fleet/1\n"
	    "hosts: { db: { ssh: db } }\n"
	    "units: { pg: { host: db, by: pg } }\n"
	    "endpoints:\n"
	    "  pg:\n"
	    "    kind: postgres\n"
	    "    unit: pg\n"
	    "    listen: { both: 5432 }\n"
	    "    admin: { user: boss }\n"
	    "    accept: { both: [ { setting: { set: { ssl: on } } },\n"
	    "      { conf: { file: /etc/pg.conf, set: { port: 5432 } } } ] }\n";
	const struct move move = { .facet = FACET_ACCEPT, .subject = 0, .value = ACCEPT_BOTH };
	struct fleet *f;
	struct strings names;
	struct buf out = { 0 };
	struct ops ops;
	struct err err;
	size_t i, k;

	(void)state;
	if (fleet_parse(&f, "f", text, strlen(text), &err) != 0 ||
	    ops_of_moves(&ops, f, &move, 1, "run", "step", NULL, NULL, &err) != 0)
		fail_msg("%s", err.msg);
	for (i = 0; i < ops.n; i++) {
		op_names(&ops.v[i], f, &names);
		buf_printf(&out, "%s:", op_kind_word(ops.v[i].kind));
		for (k = 0; k < names.n; k++)
			buf_printf(&out, " %s", names.v[k]);
		buf_puts(&out, "\n");
		strings_release(&names);
	}
	assert_string_equal(buf_str(&out), "setting: pg\nconf: db:/etc/pg.conf\nactivate:\n");
	assert_int_equal(ops.v[2].endpoint, 0);
	buf_release(&out);
	ops_release(&ops);
	fleet_free(f);
}

#define claim(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		claim(a_name_or_value_that_cannot_be_set_is_refused),
		claim(what_a_server_means_the_same_by_is_the_same),
		claim(a_text_of_settings_is_read_back_or_refused),
		claim(settings_of_one_server_are_one_op_and_only_postgres_is_activated),
		claim(settings_bear_their_servers_name_and_its_activation_does_not),
		claim(an_accept_is_told_by_the_servers_own_word_or_not_at_all),
		claim(what_contradicts_a_run_is_seen_in_settings_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
