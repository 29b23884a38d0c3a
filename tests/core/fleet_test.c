/*
 * What the fleet reader makes of files that are right.  (Wrong ones:
 * badfiles_test.c.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/fleet.h"
#include "core/mem.h"

/* Run from the top of the source tree. */
static char *
read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "r");
	char *text = mem_alloc(FLEET_FILE_MAX);

	if (file == NULL)
		fail_msg("cannot open '%s': run from the top of the tree", path);
	*ret_len = fread(text, 1, FLEET_FILE_MAX, file);
	(void)fclose(file);
	return text;
}

static struct fleet *
parse(const char *path, const char *text, size_t len)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, path, text, len, &err) == -1)
		fail_msg("%s", err.msg);
	return f;
}

static struct fleet *
parse_text(const char *text)
{
	return parse("f", text, strlen(text));
}

static struct fleet *
parse_file(const char *path)
{
	struct fleet *f;
	size_t len;
	char *text = read_file(path, &len);

	f = parse(path, text, len);
	free(text);
	return f;
}

static struct link *
link_of(struct fleet *f, const char *name)
{
	int i = fleet_link(f, name);

	if (i == NONE)
		fail_msg("no link '%s'", name);
	return &f->links[i];
}

static void
words_go_both_ways(void **state)
{
	int i;

	(void)state;
	for (i = 1; i < DIALECT_COUNT; i++)
		assert_int_equal(dialect_parse(dialect_word((enum dialect)i)), i);
	for (i = 1; i < AUTH_COUNT; i++)
		assert_int_equal(auth_parse(auth_word((enum auth)i)), i);
	for (i = 1; i < STORED_COUNT; i++)
		assert_int_equal(stored_parse(stored_word((enum stored)i)), i);
	assert_int_equal(dialect_parse("default"), -1);
	assert_int_equal(auth_parse("unknown"), -1);
	for (i = 0; i < KIND_COUNT; i++)
		assert_int_equal(kind_parse(kind_word((enum kind)i)), i);
	for (i = 0; i < ACCEPT_COUNT; i++)
		assert_int_equal(accept_parse(accept_word((enum accept)i)), i);
	for (i = 0; i < DIAL_COUNT; i++)
		assert_int_equal(dial_parse(dial_word((enum dial)i)), i);
	for (i = PROTO_ANY; i <= PROTO_TLS1_3; i++)
		assert_int_equal(proto_parse(proto_word((enum proto)i)), i);
	assert_int_equal(dial_parse("verify"), -1);
	assert_string_equal(accept_word(ACCEPT_UNKNOWN), "unknown");
	assert_string_equal(dial_word(DIAL_UNKNOWN), "unknown");
	assert_string_equal(source_word(SOURCE_CENSUS), "census");
	assert_string_equal(evidence_word(EVIDENCE_ATTEST), "attest");
	assert_string_equal(edit_kind_word(EDIT_HELM), "helm");
}

static void
for_and_lists_expand_in_order(void **state)
{
	static const char *const hosts[] = {
		"db", "api-1", "web-1", "voice-1", "ops-1", "telpro-1"
	};
	static const char *const clients[] = {
		"pgbouncer", "api", "web", "voice", "ops", "telpro", "collector", "redis-health"
	};
	struct fleet *f = parse_file("plans/compose.fleet.yaml");
	size_t i;

	(void)state;
	assert_string_equal(f->environment, "production");
	assert_int_equal(f->nhosts, 6);
	for (i = 0; i < f->nhosts; i++)
		assert_string_equal(f->hosts[i].name, hosts[i]);
	assert_string_equal(f->hosts[2].ssh, "app-web");
	assert_int_equal(f->nclients, 8);
	for (i = 0; i < f->nclients; i++)
		assert_string_equal(f->clients[i].name, clients[i]);
	assert_int_equal(f->nlinks, 12);
	assert_int_equal(f->not_yet.n, 0);
	assert_int_equal(f->clients[fleet_client(f, "ops")].host, fleet_host(f, "ops-1"));
	assert_string_equal(f->units[fleet_unit(f, "web")].restarts.v[0], "web");
	assert_int_equal(f->units[fleet_unit(f, "web")].deadline_ms, 120000);
	fleet_free(f);
}

static void
nested_for_is_a_product(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\n"
	    "lists: { role: [a, b] }\n"
	    "hosts: { \"$(r)-$(n)\": { for: { r: role, n: [1, 2] }, ssh: \"x-$(r)$(n)\" } }\n");

	(void)state;
	assert_int_equal(f->nhosts, 4);
	assert_string_equal(f->hosts[0].name, "a-1");
	assert_string_equal(f->hosts[1].name, "a-2");
	assert_string_equal(f->hosts[3].name, "b-2");
	assert_string_equal(f->hosts[3].ssh, "x-b2");
	/* What is not said is treated as what it would hurt to be wrong about. */
	assert_string_equal(f->environment, "production");
	fleet_free(f);
}

static void
accept_is_bound_per_value(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml");
	struct endpoint *pg = &f->endpoints[fleet_endpoint(f, "postgres")];
	struct endpoint *redis = &f->endpoints[fleet_endpoint(f, "redis")];
	const struct bedit *e;

	(void)state;
	assert_true(pg->one_port);
	assert_int_equal(pg->port_plain, 5432);
	assert_int_equal(pg->port_tls, 5432);
	assert_int_equal(pg->host, fleet_host(f, "db"));
	assert_string_equal(pg->log_run, "docker logs -f --since 0s postgres");
	assert_int_equal(pg->log_host, pg->host);
	assert_int_equal(pg->via, NONE);
	assert_true(pg->accept[ACCEPT_PLAIN].bound);
	assert_true(pg->accept[ACCEPT_TLS].bound);
	assert_false(pg->accept[ACCEPT_MUTUAL].bound);
	assert_int_equal(pg->accept[ACCEPT_BOTH].n, 1);
	e = &pg->accept[ACCEPT_BOTH].v[0];
	assert_int_equal(e->kind, EDIT_ENV);
	assert_string_equal(e->file, "/srv/app/.env");		/* said once, at the facet */
	assert_string_equal(e->set.v[0].key, "POSTGRES_TLS_ENABLED");
	assert_string_equal(e->set.v[0].value, "on");		/* text, no boolean */
	assert_string_equal(e->unset.v[0], "POSTGRES_FORCE_SSL");
	assert_int_equal(e->on.n, 0);
	assert_int_equal(e->mode, -1);
	assert_int_equal(redis->port_plain, 6379);
	assert_int_equal(redis->port_tls, 6380);
	assert_false(redis->one_port);
	assert_int_equal(redis->accept[ACCEPT_TLS].nimplies, 1);
	assert_int_equal(redis->accept[ACCEPT_TLS].implies[0].link, fleet_link(f, "collector -> redis"));
	assert_int_equal(redis->accept[ACCEPT_TLS].implies[0].dial, DIAL_REQUIRE);
	fleet_free(f);
}

static void
dial_is_bound_in_one_form_for_all_values(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml");
	const struct link *leg = link_of(f, "pgbouncer -> postgres");
	const struct link *web = link_of(f, "web -> pgbouncer");
	int i;

	(void)state;
	for (i = 0; i < DIAL_COUNT; i++) {
		assert_true(leg->dial[i].bound);
		assert_int_equal(leg->dial[i].n, 1);
		assert_string_equal(leg->dial[i].v[0].set.v[0].value, "$(dial)");
		assert_true(web->dial[i].bound);
	}
	/* A value of its own beside the form. */
	assert_int_equal(web->dial[DIAL_DISABLE].v[0].set.n, 0);
	assert_int_equal(web->dial[DIAL_DISABLE].v[0].unset.n, 2);
	assert_string_equal(web->dial[DIAL_REQUIRE].v[0].set.v[1].value, "$(ca_file)");
	assert_string_equal(web->trust_file, "/etc/ssl/internal/ca.crt");
	/* By a variable of its own: it lands, but not with the certificate. */
	assert_false(web->trust_lands);
	assert_true(web->trust.bound);
	assert_int_equal(web->trust.n, 1);
	assert_string_equal(web->trust.v[0].set.v[0].value, "$(ca.b64)");
	assert_int_equal(web->trust_cert, fleet_cert(f, "internal"));
	fleet_free(f);
}

static void
a_ca_may_come_with_its_certificate(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "certs: { c: { serves: [r], lands: activation, install: [ { env: { file: /e, set: { CA: \"$(ca.b64)\" } } } ] } }\n"
	    "endpoints: { r: { kind: redis, unit: u, listen: { both: 6379 } } }\n"
	    "clients: { c: { unit: u, links: { r: { dial: fixed, trust: { ca: c, file: /ca.crt, lands: activation } } } } }\n");

	(void)state;
	assert_true(f->links[0].trust_lands);
	assert_true(f->links[0].trust.bound);
	assert_int_equal(f->links[0].trust.n, 0);
	fleet_free(f);
}

static void
redis_does_not_dial_opportunistically(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints: { r: { kind: redis, unit: u, listen: { both: 6379 } } }\n"
	    "clients: { c: { unit: u, links: { r: { dial: { file: /e, set: { M: \"$(dial)\" } } } } } }\n");
	const struct link *link = &f->links[0];

	(void)state;
	assert_true(link->dial[DIAL_DISABLE].bound);
	assert_false(link->dial[DIAL_ALLOW].bound);
	assert_false(link->dial[DIAL_PREFER].bound);
	assert_true(link->dial[DIAL_REQUIRE].bound);
	assert_true(link->dial[DIAL_VERIFY_FULL].bound);
	fleet_free(f);
}

static void
links_that_no_step_moves(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml"), *box, *managed;
	const struct link *l;

	(void)state;
	l = link_of(f, "collector -> redis");
	assert_int_equal(l->how, DIAL_FOLLOWS);
	assert_int_equal(l->follows, NONE);
	l = link_of(f, "redis-health -> redis");
	assert_int_equal(l->how, DIAL_FIXED);
	assert_int_equal(l->assumed, DIAL_DISABLE);
	assert_int_equal(f->clients[l->client].evidence, EVIDENCE_ATTEST);
	fleet_free(f);

	box = parse_file("plans/box.fleet.yaml");
	l = link_of(box, "readers -> audit-pg");
	assert_int_equal(l->how, DIAL_ASSUMED);
	assert_int_equal(l->assumed, DIAL_PREFER);
	assert_int_equal(link_host(box, l), NONE);
	fleet_free(box);

	managed = parse_file("plans/managed.fleet.yaml");
	l = link_of(managed, "backup -> postgres");
	assert_int_equal(l->how, DIAL_FOLLOWS);
	assert_int_equal(l->follows, fleet_link(managed, "api -> postgres"));
	assert_int_equal(managed->clients[l->client].window_ms, 25200000);
	fleet_free(managed);
}

static void
a_pooler_is_endpoint_and_client(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml");

	(void)state;
	assert_int_equal(f->clients[fleet_client(f, "pgbouncer")].pools,
	    fleet_endpoint(f, "pgbouncer"));
	assert_int_equal(f->clients[fleet_client(f, "api")].pools, NONE);
	fleet_free(f);
}

static void
links_are_found_however_the_arrow_is_written(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml");
	int link = fleet_link(f, "web -> pgbouncer");

	(void)state;
	assert_int_not_equal(link, NONE);
	assert_int_equal(fleet_link(f, "web->pgbouncer"), link);
	assert_int_equal(fleet_link(f, "  web  ->  pgbouncer  "), link);
	assert_int_equal(fleet_link(f, "web → pgbouncer"), link);
	assert_int_equal(fleet_link(f, "web"), NONE);
	assert_int_equal(fleet_link(f, "->"), NONE);
	assert_int_equal(fleet_link(f, "web -> pgbounce"), NONE);
	assert_int_equal(fleet_link(f, ""), NONE);
	fleet_free(f);
}

static void
a_link_dials_a_name_and_a_port(void **state)
{
	struct fleet *f = parse_file("plans/compose.fleet.yaml"), *g;
	const struct link *l = link_of(f, "web -> redis");

	(void)state;
	assert_string_equal(link_dials_name(f, l), "db.internal");
	assert_int_equal(link_dials_port(f, l, DIAL_DISABLE), 6379);
	assert_int_equal(link_dials_port(f, l, DIAL_VERIFY_FULL), 6380);
	assert_int_equal(link_dials_port(f, link_of(f, "web -> pgbouncer"), DIAL_DISABLE), 6432);
	assert_int_equal(link_dials_port(f, link_of(f, "web -> pgbouncer"), DIAL_REQUIRE), 6432);
	fleet_free(f);

	g = parse_text("belay: fleet/1\nhosts: { h: { address: 10.0.0.1 } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints: { p: { kind: postgres, unit: u, listen: { plain: 1 } } }\n"
	    "clients:\n"
	    "  a: { links: { p: { match: { user: a }, dial: fixed } } }\n"
	    "  b: { links: { p: { match: { user: b }, at: other.name, dial: fixed } } }\n");
	assert_string_equal(link_dials_name(g, &g->links[0]), "10.0.0.1");
	assert_string_equal(link_dials_name(g, &g->links[1]), "other.name");
	assert_int_equal(link_dials_port(g, &g->links[0], DIAL_REQUIRE), 1);
	fleet_free(g);
}

/* As one file a key and a leaf cannot be met apart. */
static void
a_pair_is_one_file(void **state)
{
	static const char dir[] = "    dir: /etc/audit-tls\n";
	size_t len;
	char *text = read_file("plans/box.fleet.yaml", &len), *at = strstr(text, dir), *with;
	struct fleet *f;
	const struct cert *c;

	(void)state;
	assert_non_null(at);
	with = mem_printf("%.*s%s    pair: yes\n%s", (int)(at - text), text, dir, at + strlen(dir));
	f = parse("box", with, strlen(with));
	c = &f->certs[0];
	assert_int_equal(c->install.n, 2);
	assert_string_equal(c->install.v[0].file, "/etc/audit-tls/ca.crt");
	assert_string_equal(c->install.v[1].file, "/etc/audit-tls/server.pem");
	assert_string_equal(c->install.v[1].content, "$(pair.pem)");
	assert_int_equal(c->install.v[1].mode, 0600);
	assert_string_equal(c->install.v[1].owner, "999:999");
	fleet_free(f);
	free(with);
	free(text);
}

static void
a_certificate_is_installed_where_it_is_served(void **state)
{
	struct fleet *f = parse_file("plans/box.fleet.yaml");
	const struct cert *c = &f->certs[0];
	const struct link *app = link_of(f, "app -> audit-pg");

	(void)state;
	assert_int_equal(c->install.n, 3);
	assert_string_equal(c->install.v[0].file, "/etc/audit-tls/ca.crt");
	assert_string_equal(c->install.v[0].content, "$(ca.pem)");
	assert_int_equal(c->install.v[0].mode, 0644);
	assert_string_equal(c->install.v[1].file, "/etc/audit-tls/server.crt");
	assert_string_equal(c->install.v[2].content, "$(key.pem)");
	assert_int_equal(c->install.v[2].mode, 0600);
	assert_string_equal(c->install.v[2].owner, "999:999");
	assert_int_equal(c->install.v[2].on.n, 1);
	assert_int_equal(c->install.v[2].on.v[0], fleet_host(f, "audit"));
	assert_null(c->not_yet);
	/* A CA file that does not come with the certificate is ours to write. */
	assert_int_equal(app->trust.n, 1);
	assert_int_equal(app->trust.v[0].kind, EDIT_FILE);
	assert_string_equal(app->trust.v[0].file, "/opt/app/certs/ca.crt");
	assert_string_equal(app->trust.v[0].content, "$(ca.pem)");
	fleet_free(f);
}

static void
a_certificate_is_put_by_a_command_with_its_way_back(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\n"
	    "certs:\n"
	    "  c:\n"
	    "    put:     { on: local, run: put-secret, stdin: { CA: \"$(ca.b64)\" } }\n"
	    "    version: { on: local, run: version-of-secret }\n"
	    "    undo:    { on: local, run: \"move $(before) $(after)\" }\n"
	    "    lands:   activation\n");
	const struct bedit *e;

	(void)state;
	assert_int_equal(f->nhosts, 1);
	assert_string_equal(f->hosts[0].name, "local");
	assert_true(f->hosts[0].local);
	assert_int_equal(f->certs[0].install.n, 1);
	e = &f->certs[0].install.v[0];
	assert_int_equal(e->kind, EDIT_RUN);
	assert_int_equal(e->on.v[0], 0);
	assert_string_equal(e->run, "put-secret");
	assert_string_equal(e->undo, "move $(before) $(after)");
	assert_string_equal(e->set.v[0].key, "CA");
	assert_true(f->certs[0].lands_at_activation);
	assert_string_equal(e->version, "version-of-secret");
	assert_null(e->observe);
	assert_int_equal(f->not_yet.n, 0);
	assert_null(f->certs[0].not_yet);
	fleet_free(f);
}

static void
edits_of_all_built_kinds(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\n"
	    "hosts: { h: { ssh: h }, g: { ssh: g } }\n"
	    "units: { u: { host: h, run: \"reload $$(date +%s) $(x y)\", kind: reload } }\n"
	    "endpoints:\n"
	    "  p:\n"
	    "    kind: postgres\n"
	    "    unit: u\n"
	    "    listen: { both: 5432 }\n"
	    "    accept:\n"
	    "      file: /e\n"
	    "      write: in-place\n"
	    "      both:\n"
	    "        - { set: { A: \"$(accept)\" } }\n"
	    "        - env: { file: /other, on: [g, h, g], unset: B, write: rename }\n"
	    "        - file: { path: /f, content: \"x\\n\", mode: \"0640\", owner: \"root:70\" }\n"
	    "        - file: { file: /g, remove: yes }\n"
	    "        - { run: \"do $$(hostname)\", undo: undo-it, in: /srv, deadline: 5s, idempotent: no }\n"
	    "        - command: { run: look, read-only: yes, on: g }\n");
	const struct binding *b = &f->endpoints[0].accept[ACCEPT_BOTH];

	(void)state;
	assert_int_equal(f->units[0].kind, UNIT_RELOAD);
	assert_string_equal(f->units[0].run, "reload $(date +%s) $(x y)");
	assert_int_equal(b->n, 6);
	assert_string_equal(b->v[0].set.v[0].value, "both");
	assert_true(b->v[0].in_place);
	assert_string_equal(b->v[1].file, "/other");
	assert_int_equal(b->v[1].on.n, 2);
	assert_int_equal(b->v[1].on.v[0], fleet_host(f, "g"));
	assert_string_equal(b->v[1].unset.v[0], "B");
	assert_false(b->v[1].in_place);
	assert_int_equal(b->v[2].kind, EDIT_FILE);
	assert_string_equal(b->v[2].content, "x\n");
	assert_int_equal(b->v[2].mode, 0640);
	assert_string_equal(b->v[2].owner, "root:70");
	assert_true(b->v[3].remove);
	assert_null(b->v[3].content);
	assert_int_equal(b->v[4].kind, EDIT_RUN);
	assert_string_equal(b->v[4].run, "do $(hostname)");
	assert_int_equal(b->v[4].deadline_ms, 5000);
	assert_false(b->v[4].idempotent);
	assert_string_equal(b->v[4].in, "/srv");
	assert_true(b->v[5].read_only);
	assert_true(b->v[5].idempotent);
	assert_int_equal(f->not_yet.n, 0);
	fleet_free(f);
}

static void
a_narrower_match_may_lie_within_a_wider_one(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\n"
	    "hosts: { h: { ssh: h }, w: { address: 10.1.2.3 }, v: { ssh: v } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints: { p: { kind: postgres, unit: u, listen: { both: 5432 } } }\n"
	    "clients:\n"
	    "  rest: { links: { p: { dial: fixed } } }\n"
	    "  net:  { links: { p: { match: { address: 10.0.0.0/8 }, dial: fixed } } }\n"
	    "  w:    { links: { p: { match: { host: w }, dial: fixed } } }\n"
	    "  job:  { links: { p: { match: { host: w, user: job }, dial: fixed } } }\n"
	    "  v:    { links: { p: { match: { host: v }, dial: fixed } } }\n"
	    "  six:  { links: { p: { match: { address: [\"fd00::/8\", 192.168.0.0/16] }, dial: fixed } } }\n");

	(void)state;
	assert_int_equal(f->nlinks, 6);
	fleet_free(f);
}

static void
hosts_alone_are_a_fleet(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nenvironment: lab\nhosts:\n  h0: { ssh: h0 }\n");

	(void)state;
	assert_int_equal(f->nhosts, 1);
	assert_int_equal(f->nendpoints, 0);
	fleet_free(f);
	fleet_free(NULL);
}

/* What is read but not built is told, where it stands, in the file's order. */
static void
what_is_not_built_is_noted(void **state)
{
	static const char *const files[] = {
		"plans/kubernetes.fleet.yaml", "plans/managed.fleet.yaml"
	};
	static const char *const wanted[][6] = {
		{ "'cluster'", "'object'", "'setting'", "'pods'", "'unit'", NULL },
		{ "'helm'", "'managed'", "'command'", "'cluster'", "'url'", NULL },
	};
	struct fleet *f;
	size_t i, k, n;
	long line, last;

	(void)state;
	for (i = 0; i < 2; i++) {
		f = parse_file(files[i]);
		for (k = 0; wanted[i][k] != NULL; k++) {
			for (n = 0; n < f->not_yet.n; n++)
				if (strstr(f->not_yet.v[n], wanted[i][k]) != NULL)
					break;
			if (n == f->not_yet.n)
				fail_msg("%s: nothing about %s", files[i], wanted[i][k]);
		}
		for (n = 0, last = 0; n < f->not_yet.n; n++) {
			assert_memory_equal(f->not_yet.v[n], files[i], strlen(files[i]));
			line = strtol(f->not_yet.v[n] + strlen(files[i]) + 1, NULL, 10);
			assert_true(line >= last);
			last = line;
		}
		fleet_free(f);
	}
	f = parse_file("plans/kubernetes.fleet.yaml");
	assert_int_equal(f->nlinks, 42);
	assert_int_equal(f->nendpoints, 15);
	assert_string_equal(f->endpoints[0].accept[ACCEPT_BOTH].v[0].not_yet, "object");
	assert_non_null(f->units[0].not_yet);
	assert_int_equal(f->certs[0].serves.n, 14);
	fleet_free(f);
}

/* A small file does not become a large tree. */
static void
expansion_is_bounded(void **state)
{
	struct fleet *f;
	struct err err;
	struct buf b;
	size_t i;
	clock_t begin = clock();

	(void)state;
	buf_init(&b, 0);
	buf_puts(&b, "belay: fleet/1\nlists: { l: [");
	for (i = 0; i < 200; i++)
		buf_printf(&b, "%zu,", i);
	buf_puts(&b, "] }\nhosts: { \"h$(a)-$(b)-$(c)\": { for: { a: l, b: l, c: l }, ssh: x } }\n");
	assert_int_equal(fleet_parse(&f, "f", b.data, b.len, &err), -1);
	assert_string_equal(err.msg, "f:3:10: more than 8192 of them, expected fewer");

	buf_clear(&b);
	buf_puts(&b, "belay: fleet/1\nlists: { l: [");
	for (i = 0; i < 100; i++)
		buf_printf(&b, "%01000zu,", i);
	buf_puts(&b, "] }\nhosts: { h: { for: { a: l }, ssh: \"");
	for (i = 0; i < 1000; i++)
		buf_puts(&b, "$(a)");
	buf_puts(&b, "\" } }\n");
	assert_int_equal(fleet_parse(&f, "f", b.data, b.len, &err), -1);

	/* The same in a place that is read for each round. */
	buf_clear(&b);
	buf_puts(&b, "belay: fleet/1\nlists: { l: [");
	for (i = 0; i < 100; i++)
		buf_printf(&b, "%01000zu,", i);
	buf_puts(&b, "], n: [");
	for (i = 0; i < 400; i++)
		buf_printf(&b, "n%zu,", i);
	buf_puts(&b, "] }\nsecrets: { \"$(m)\": { for: { m: n }, prompt: \"");
	for (i = 0; i < 10000; i++)
		buf_puts(&b, "$(m)$(m)$(m)$(m)");
	buf_puts(&b, "\" } }\n");
	assert_int_equal(fleet_parse(&f, "f", b.data, b.len, &err), -1);
	assert_non_null(strstr(err.msg, "expands to more than 16777216 bytes"));
	buf_release(&b);
	assert_true(clock() - begin < 5 * CLOCKS_PER_SEC);
}

/* Cut or spoilt anywhere, a file is refused or read, and nothing worse. */
static void
spoilt_files_are_refused_or_read(void **state)
{
	static const char *const files[] = {
		"plans/compose.fleet.yaml", "plans/box.fleet.yaml", "plans/managed.fleet.yaml"
	};
	static const char spoil[] = "{}[]:,\"'$(-\n #x";
	struct fleet *f;
	struct err err;
	size_t i, len, at, n;
	char *text, was;

	(void)state;
	for (i = 0; i < 3; i++) {
		text = read_file(files[i], &len);
		for (at = 0; at < len; at += 7) {
			if (fleet_parse(&f, "f", text, at, &err) == 0)
				fleet_free(f);
			n = at % (sizeof(spoil) - 1);
			was = text[at];
			text[at] = spoil[n];
			if (fleet_parse(&f, "f", text, len, &err) == 0)
				fleet_free(f);
			else
				assert_memory_equal(err.msg, "f:", 2);
			text[at] = was;
		}
		free(text);
	}
}

static void
a_driver_is_named_or_what_is_usual(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints:\n"
	    "  pg: { kind: postgres, unit: u, listen: { both: 5432 } }\n"
	    "  pool: { kind: pgbouncer, unit: u, listen: { both: 6432 } }\n"
	    "  r: { kind: redis, unit: u, listen: { plain: 6379, tls: 6380 } }\n"
	    "clients:\n"
	    "  pool: { links: { pg: { match: { user: p }, dial: fixed } } }\n"
	    "  a: { unit: u, driver: pgx, links: { pg: { match: { user: a }, dial: fixed }, r: { match: { user: a }, dial: fixed } } }\n"
	    "  b: { unit: u, driver: pgx, links: { pg: { driver: jdbc, match: { user: b }, dial: fixed } } }\n"
	    "  c: { unit: u, links: { pg: { match: { user: c }, dial: fixed }, r: { match: { user: c }, dial: fixed } } }\n");

	(void)state;
	assert_int_equal(link_of(f, "pool -> pg")->dialect, DIALECT_PGBOUNCER);
	assert_int_equal(link_of(f, "a -> pg")->dialect, DIALECT_PGX);
	assert_int_equal(link_of(f, "a -> r")->dialect, DIALECT_HIREDIS);	/* pgx is not for it */
	assert_int_equal(link_of(f, "b -> pg")->dialect, DIALECT_JDBC);
	assert_int_equal(link_of(f, "c -> pg")->dialect, DIALECT_LIBPQ);
	assert_int_equal(link_of(f, "c -> r")->dialect, DIALECT_HIREDIS);
	fleet_free(f);
}

static void
facts_that_no_step_moves(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints:\n"
	    "  pg: { kind: postgres, unit: u, listen: { both: 5432 }, protocol: { min: TLSv1.2, max: TLSv1.2 },\n"
	    "        auth: { plain: md5, both: md5, tls: scram-sha-256 }, client-certificates: asked, runs-as: 70:71 }\n"
	    "  pool: { kind: pgbouncer, unit: u, listen: { both: 6432 }, auth: trust }\n"
	    "clients:\n"
	    "  a: { unit: u, speaks: TLSv1.2, links: { pg: { stored: md5, shows: stray, dial: fixed } } }\n"
	    "  b: { unit: u, speaks: { min: TLSv1.2, max: TLSv1.3 }, links: { pool: { dial: fixed } } }\n");
	const struct endpoint *pg = &f->endpoints[0], *pool = &f->endpoints[1];
	int i;

	(void)state;
	assert_int_equal(pg->proto_min, PROTO_TLS1_2);
	assert_int_equal(pg->proto_max, PROTO_TLS1_2);
	assert_true(pg->asks);
	assert_true(f->endpoints[0].runs_as);
	assert_int_equal(f->endpoints[0].run_uid, 70);
	assert_int_equal(f->endpoints[0].run_gid, 71);
	assert_int_equal(pg->auth[ACCEPT_PLAIN], AUTH_MD5);
	assert_int_equal(pg->auth[ACCEPT_TLS], AUTH_SCRAM);
	assert_int_equal(pg->auth[ACCEPT_MUTUAL], AUTH_UNKNOWN);
	assert_false(pool->asks);
	for (i = 0; i < ACCEPT_COUNT; i++)
		assert_int_equal(pool->auth[i], AUTH_TRUST);
	assert_int_equal(f->links[0].stored, STORED_MD5);
	assert_true(f->links[0].stray);
	assert_int_equal(f->links[1].stored, STORED_UNKNOWN);
	assert_false(f->links[1].stray);
	assert_int_equal(f->clients[0].proto_min, PROTO_ANY);
	assert_int_equal(f->clients[0].proto_max, PROTO_TLS1_2);
	assert_int_equal(f->clients[1].proto_min, PROTO_TLS1_2);
	assert_int_equal(f->clients[1].proto_max, PROTO_TLS1_3);
	fleet_free(f);
}

static void
a_certificate_covers_exactly_its_names(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "units: { u: { host: h, run: x } }\n"
	    "endpoints:\n"
	    "  pg: { kind: postgres, unit: u, listen: { both: 5432 }, names: [db.internal, 10.0.0.5] }\n"
	    "certs:\n"
	    "  ours:  { serves: [pg] }\n"
	    "  named: { serves: [pg], names: [\"*.bakery-ia.svc\", db, 10.0.0.7] }\n"
	    "  theirs: { serves: [pg], external: yes, ca: system }\n"
	    "clients: { a: { unit: u, links: { pg: { at: alias.internal, dial: fixed } } } }\n");
	const struct cert *ours = &f->certs[0], *named = &f->certs[1], *theirs = &f->certs[2];

	(void)state;
	assert_int_equal(cert_covers(f, ours, "db.internal"), 1);
	assert_int_equal(cert_covers(f, ours, "DB.Internal"), 1);
	assert_int_equal(cert_covers(f, ours, "10.0.0.5"), 1);
	assert_int_equal(cert_covers(f, ours, "alias.internal"), 1);	/* dialled at what it serves */
	assert_int_equal(cert_covers(f, ours, "other.internal"), 0);
	assert_int_equal(cert_covers(f, named, "auth-db.bakery-ia.svc"), 1);
	assert_int_equal(cert_covers(f, named, "a.auth-db.bakery-ia.svc"), 0);
	assert_int_equal(cert_covers(f, named, "bakery-ia.svc"), 0);
	assert_int_equal(cert_covers(f, named, ".bakery-ia.svc"), 0);
	assert_int_equal(cert_covers(f, named, "auth-db"), 0);
	assert_int_equal(cert_covers(f, named, "auth-db.bakery-ia"), 0);
	assert_int_equal(cert_covers(f, named, "db"), 1);
	assert_int_equal(cert_covers(f, named, "10.0.0.7"), 1);
	assert_int_equal(cert_covers(f, named, "10.0.0.8"), 0);
	assert_int_equal(cert_covers(f, named, "db.internal"), 0);	/* its names are all that it has */
	assert_int_equal(cert_covers(f, theirs, "db.internal"), -1);
	fleet_free(f);
}

static void
issuer_is_belays_own_unless_another_is_named(void **state)
{
	struct fleet *f = parse_text("belay: fleet/1\nhosts: { h: { ssh: h } }\n"
	    "certs:\n"
	    "  own: { }\n"
	    "  given: { issuer: { ca: ~/ca.pem, key: /k } }\n"
	    "  taken: { profile: rsa-4096, issuer: { ca: /c, key: /k, import: yes } }\n"
	    "  shell: { issuer: { ca: /c, run: 'step ca sign /dev/stdin /dev/stdout', in: ~/pki, deadline: 5s } }\n"
	    "  words: { profile: rsa-4096, leaf: 9d, issuer: { ca: /c, run: [sign, \"a b\"] } }\n");
	const struct cert *c = f->certs;

	(void)state;
	assert_int_equal(c[0].issuer, ISSUER_OWN);
	assert_int_equal(c[0].leaf_ms, INT64_C(90) * 86400000);
	assert_int_equal(c[1].issuer, ISSUER_GIVEN);
	assert_string_equal(c[1].issuer_ca, "~/ca.pem");
	assert_string_equal(c[1].issuer_key, "/k");
	assert_int_equal(c[2].issuer, ISSUER_IMPORTED);
	assert_int_equal(c[2].leaf_ms, INT64_C(3) * 365 * 86400000);
	assert_int_equal(c[3].issuer, ISSUER_COMMAND);
	assert_int_equal(c[3].issuer_run.n, 3);
	assert_string_equal(c[3].issuer_run.v[0], "/bin/sh");
	assert_string_equal(c[3].issuer_run.v[1], "-c");
	assert_string_equal(c[3].issuer_run.v[2], "step ca sign /dev/stdin /dev/stdout");
	assert_string_equal(c[3].issuer_in, "~/pki");
	assert_int_equal(c[3].issuer_deadline_ms, 5000);
	assert_int_equal(c[4].issuer_run.n, 2);
	assert_string_equal(c[4].issuer_run.v[1], "a b");
	assert_int_equal(c[4].issuer_deadline_ms, 60000);
	assert_int_equal(c[4].leaf_ms, INT64_C(9) * 86400000);
	fleet_free(f);
}

/* ---- many links ---- */

#define MANY	40	/* more than are compared one by one */
#define ROUNDS	16

static unsigned
next_random(unsigned *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return *seed >> 16;
}

/* One client's line, with a match of some of what a match may have; `wide`: how many words there are. */
static char *
random_client(unsigned *seed, int number, unsigned wide)
{
	static const char *const hosts[] = { "a", "b", "c", "d", "e", "f" };
	struct buf b;
	unsigned parts = next_random(seed) % 15 + 1;
	size_t len;

	buf_init(&b, 0);
	(void)buf_printf(&b, "  c%d: { host: a, links: { pg: { dial: { fixed: disable }, match: {", number);
	if ((parts & 1) != 0)
		(void)buf_printf(&b, " user: [u%u, u%u],", next_random(seed) % wide, wide + next_random(seed) % wide);
	if ((parts & 2) != 0)
		(void)buf_printf(&b, " database: d%u,", next_random(seed) % wide);
	if ((parts & 4) != 0)
		(void)buf_printf(&b, " host: [%s],", hosts[next_random(seed) % 6]);
	if ((parts & 8) != 0 && next_random(seed) % 4 != 0)
		(void)buf_printf(&b, " address: [10.0.0.%u],", next_random(seed) % wide);
	else if ((parts & 8) != 0)
		(void)buf_printf(&b, " address: [10.0.%u.0/24],", next_random(seed) % 3);
	(void)buf_printf(&b, " application: p%u } } } }\n", next_random(seed) % 4 == 0 ? (unsigned)number : next_random(seed) % wide);
	return buf_take(&b, &len);
}

static const char many_head[] =
    "belay: fleet/1\n"
    "hosts: { a: { ssh: a }, b: { ssh: b }, c: { address: 10.0.0.1 }, d: { address: 10.0.0.2 }, e: { address: 10.0.1.9 }, f: { address: db.example } }\n"
    "units: { u: { host: a, run: \"true\" } }\n"
    "endpoints: { pg: { kind: postgres, unit: u, listen: { both: 5432 } } }\n"
    "clients:\n";

/* What the reader says of these clients, from its first quote on; "" if it takes them. */
static void
verdict_of(char *const lines[], const int *which, size_t n, char *ret, size_t size)
{
	struct fleet *f;
	struct err err;
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	(void)buf_puts(&b, many_head);
	for (i = 0; i < n; i++)
		(void)buf_puts(&b, lines[which[i]]);
	ret[0] = '\0';
	if (fleet_parse(&f, "f", buf_str(&b), b.len, &err) == 0)
		fleet_free(f);
	else if (strstr(err.msg, "match the same sessions") == NULL)
		fail_msg("%s", err.msg);
	else
		(void)snprintf(ret, size, "%s", strchr(err.msg, '\''));
	buf_release(&b);
}

/* Of many links the same two are named as by comparing each with each. */
static void
of_many_links_none_is_overlooked(void **state)
{
	char whole[256], pair[256], *lines[MANY];
	size_t round, conflicts = 0, i;
	int all[MANY], two[2], a, b;
	unsigned seed = 7;

	(void)state;
	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < MANY; i++) {
			all[i] = (int)i;
			lines[i] = random_client(&seed, (int)i, 4 + (unsigned)round * 8);
		}
		verdict_of(lines, all, MANY, whole, sizeof(whole));
		pair[0] = '\0';
		for (a = 1; a < MANY && pair[0] == '\0'; a++)
			for (b = 0; b < a && pair[0] == '\0'; b++) {
				two[0] = b;
				two[1] = a;
				verdict_of(lines, two, 2, pair, sizeof(pair));
			}
		assert_string_equal(whole, pair);
		conflicts += whole[0] != '\0';
		for (i = 0; i < MANY; i++)
			free(lines[i]);
	}
	/* Both kinds came up. */
	assert_true(conflicts > ROUNDS / 8 && conflicts < ROUNDS);
}

static void
a_name_is_found_however_many_there_are(void **state)
{
	struct fleet *f;
	struct buf b;
	char name[64];
	int i, first;

	(void)state;
	buf_init(&b, 0);
	(void)buf_puts(&b, many_head);
	for (i = 0; i < 2000; i++)
		(void)buf_printf(&b, "  c%d: { host: a, links: { pg: { match: { user: u%d }, dial: { fixed: disable } } } }\n", i, i);
	f = parse_text(buf_str(&b));
	for (i = 0; i < 2000; i++) {
		(void)snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(fleet_client(f, name), i);
		assert_int_equal(fleet_clients(f, name, &first), 1);
		assert_int_equal(first, i);
		(void)snprintf(name, sizeof(name), " c%d->  pg ", i);
		assert_int_equal(fleet_link(f, name), i);
	}
	assert_int_equal(fleet_client(f, "c2000"), NONE);
	assert_int_equal(fleet_client(f, ""), NONE);
	assert_int_equal(fleet_endpoint(f, "c1"), NONE);
	assert_int_equal(fleet_link(f, "c1 -> u"), NONE);
	fleet_free(f);
	buf_release(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_go_both_ways),
		cmocka_unit_test(for_and_lists_expand_in_order),
		cmocka_unit_test(nested_for_is_a_product),
		cmocka_unit_test(accept_is_bound_per_value),
		cmocka_unit_test(dial_is_bound_in_one_form_for_all_values),
		cmocka_unit_test(a_ca_may_come_with_its_certificate),
		cmocka_unit_test(redis_does_not_dial_opportunistically),
		cmocka_unit_test(links_that_no_step_moves),
		cmocka_unit_test(a_pooler_is_endpoint_and_client),
		cmocka_unit_test(links_are_found_however_the_arrow_is_written),
		cmocka_unit_test(a_link_dials_a_name_and_a_port),
		cmocka_unit_test(a_certificate_is_installed_where_it_is_served),
		cmocka_unit_test(a_pair_is_one_file),
		cmocka_unit_test(a_certificate_is_put_by_a_command_with_its_way_back),
		cmocka_unit_test(edits_of_all_built_kinds),
		cmocka_unit_test(a_narrower_match_may_lie_within_a_wider_one),
		cmocka_unit_test(hosts_alone_are_a_fleet),
		cmocka_unit_test(of_many_links_none_is_overlooked),
		cmocka_unit_test(a_name_is_found_however_many_there_are),
		cmocka_unit_test(a_driver_is_named_or_what_is_usual),
		cmocka_unit_test(facts_that_no_step_moves),
		cmocka_unit_test(a_certificate_covers_exactly_its_names),
		cmocka_unit_test(issuer_is_belays_own_unless_another_is_named),
		cmocka_unit_test(what_is_not_built_is_noted),
		cmocka_unit_test(expansion_is_bounded),
		cmocka_unit_test(spoilt_files_are_refused_or_read),
	};

	return cmocka_run_group_tests_name("fleet", tests, NULL, NULL);
}
