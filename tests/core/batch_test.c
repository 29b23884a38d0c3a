/*
 * A client on several hosts: what the fleet makes of it, what becomes of a step
 * that moves it, that the proof sees one host flipped and the next not, and
 * what is said of the hosts where such a step stops.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/batch.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/proof.h"

#define GROUND								\
	"belay: fleet/1\n"						/* 1 */	\
	"hosts: { db: { ssh: db }, h1: { ssh: h1 }, h2: { ssh: h2 }, h3: { address: 10.0.0.3 } }\n" /* 2 */ \
	"units:\n"							/* 3 */	\
	"  db: { host: db, run: ./restart, restarts: [pg] }\n"		/* 4 */	\
	"  \"u$(n)\": { for: { n: [1, 2, 3] }, host: \"h$(n)\", run: \"./restart $$(hostname)\", restarts: [web] }\n" /* 5 */ \
	"  u4: { host: h3, run: ./other }\n"				/* 6 */	\
	"endpoints:\n"							/* 7 */	\
	"  pg:\n"							/* 8 */	\
	"    { kind: postgres, unit: db, listen: { both: 5432 }, accept: { file: /e, plain: { unset: [T] }, both: { set: { T: on } }, tls: { set: { T: force } } } }\n" /* 9 */ \
	"  redis: { kind: redis, unit: db, listen: { plain: 6379, tls: 6380 } }\n" /* 10 */ \
	"clients:\n"							/* 11 */
#define DIAL "dial: { file: \"/srv/$(host)/env\", set: { M: \"$(dial)\" } }"
#define WEB								\
	"  web:\n"							/* 12 */ \
	"    unit: [u1, u2, u3]\n"					/* 13 */ \
	"    links:\n"							/* 14 */ \
	"      pg: { " DIAL ", trust: { ca: internal, file: /ca } }\n"	/* 15 */ \
	"      redis: { match: { user: w }, dial: { follows: web -> pg } }\n"	/* 16 */ \
	"  job: { unit: [u1, u2, u3], batch: 2, links: { pg: { match: { user: job }, dial: { set: { J: \"$(dial)\" }, file: /j, implies: { web -> pg: require } } } } }\n" /* 17 */ \
	"  api: { unit: u4, links: { pg: { match: { host: db }, dial: { set: { A: \"$(dial)\" }, file: /a, implies: { web -> pg: require } } } } }\n" \
	"certs: { internal: { serves: [pg], dir: /etc/tls } }\n"
#define FLEET GROUND WEB
#define PROVEN GROUND							\
	"  web: { unit: [u1, u2, u3], links: { pg: { " DIAL " } } }\n"	\
	"certs: { internal: { serves: [pg], dir: /etc/tls } }\n"
#define PLAN "belay: plan/1\nname: p\nfrom: { accept: both, dial: disable }\nsteps:\n"	/* 4 lines */

static struct fleet *
fleet_of(const char *text)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, "f", text, strlen(text), &err) == -1)
		fail_msg("%s", err.msg);
	return f;
}

static struct plan *
plan_of(const struct fleet *f, const char *text)
{
	struct plan *p;
	struct err err;

	if (plan_parse(&p, f, "p", text, strlen(text), &err) == -1)
		fail_msg("%s\n%s", err.msg, text);
	return p;
}

/* ---- the fleet ---- */

static void
a_client_on_several_hosts_is_one_on_each(void **state)
{
	static const char *const names[] = { "web@h1", "web@h2", "web@h3" };
	static const char *const units[] = { "u1", "u2", "u3" };
	struct fleet *f = fleet_of(FLEET);
	const struct client *c;
	const struct link *l;
	char path[32], name[32];
	int i, first = NONE;

	(void)state;
	assert_int_equal(fleet_clients(f, "web", &first), 3);
	assert_int_equal(fleet_client(f, "web"), NONE);
	for (i = 0; i < 3; i++) {
		c = &f->clients[first + i];
		assert_string_equal(c->name, names[i]);
		assert_string_equal(c->of, "web");
		assert_string_equal(f->units[c->unit].name, units[i]);
		assert_string_equal(f->hosts[c->host].name, names[i] + 4);
		assert_int_equal(c->batch, 1);
		assert_int_equal(c->links.n, 2);
		l = &f->links[c->links.v[0]];
		(void)snprintf(name, sizeof(name), "%s -> pg", names[i]);
		assert_string_equal(l->name, name);
		/* Its own sessions by its own host, its own file by its own name. */
		assert_int_equal(l->match.hosts.n, 1);
		assert_int_equal(l->match.hosts.v[0], c->host);
		(void)snprintf(path, sizeof(path), "/srv/%s/env", names[i] + 4);
		assert_string_equal(l->dial[DIAL_REQUIRE].v[0].file, path);
		/* What follows follows on its own host, and keeps what match says. */
		l = &f->links[c->links.v[1]];
		assert_int_equal(l->follows, c->links.v[0]);
		assert_string_equal(l->match.users.v[0], "w");
		assert_int_equal(l->match.hosts.v[0], c->host);
	}
	fleet_free(f);
}

static void
a_name_stands_for_one_or_for_all(void **state)
{
	struct fleet *f = fleet_of(FLEET);
	struct indices links = { 0 };
	int first = NONE;

	(void)state;
	assert_int_equal(fleet_clients(f, "web@h2", &first), 1);
	assert_string_equal(f->clients[first].name, "web@h2");
	assert_int_equal(fleet_clients(f, "api", &first), 1);
	assert_int_equal(fleet_clients(f, "we", &first), 0);
	assert_int_equal(fleet_clients(f, "web@", &first), 0);
	assert_int_equal(fleet_links(f, "web -> pg", &links), 3);
	assert_int_equal(fleet_links(f, "web@h3->pg", &links), 1);
	assert_int_equal(links.n, 4);
	assert_int_equal(links.v[2], links.v[3]);
	assert_int_equal(fleet_links(f, "web -> nothing", &links), 0);
	assert_int_equal(fleet_links(f, "web", &links), 0);
	assert_int_equal(fleet_link(f, "web -> pg"), NONE);
	free(links.v);
	fleet_free(f);
}

static void
what_is_implied_is_implied_on_the_same_host_or_everywhere(void **state)
{
	struct fleet *f = fleet_of(FLEET);
	const struct binding *b;
	struct indices web = { 0 };
	size_t i;

	(void)state;
	(void)fleet_links(f, "web -> pg", &web);
	for (i = 0; i < 3; i++) {
		b = &f->links[fleet_link(f, (const char *[]){ "job@h1 -> pg", "job@h2 -> pg", "job@h3 -> pg" }[i])].dial[DIAL_REQUIRE];
		assert_int_equal(b->nimplies, 1);
		assert_int_equal(b->implies[0].link, web.v[i]);
	}
	/* api runs in one place, and says `web`. */
	b = &f->links[fleet_link(f, "api -> pg")].dial[DIAL_REQUIRE];
	assert_int_equal(b->nimplies, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(b->implies[i].link, web.v[i]);
	free(web.v);
	fleet_free(f);
}

static void
parts_are_told_apart_by_host_or_by_addresses_of_each(void **state)
{
	struct fleet *f = fleet_of(GROUND
	    "  web:\n"
	    "    host: [h1, h2, h3]\n"
	    "    links:\n"
	    "      pg: { match: { user: w, address: { h1: [10.1.0.1, 10.1.0.2], h3: 10.3.0.0/16 } }, " DIAL " }\n"
	    "      redis: { match: { host: [h3, h2, h1] }, " DIAL " }\n"
	    "  one: { unit: [u4], links: { redis: { match: { host: db }, " DIAL " } } }\n");
	const struct match *m;

	(void)state;
	m = &f->links[fleet_link(f, "web@h1 -> pg")].match;
	assert_int_equal(m->addresses.n, 2);
	assert_int_equal(m->hosts.n, 0);
	m = &f->links[fleet_link(f, "web@h2 -> pg")].match;
	assert_int_equal(m->addresses.n, 0);
	assert_int_equal(m->hosts.n, 1);
	m = &f->links[fleet_link(f, "web@h3 -> pg")].match;
	assert_string_equal(m->addresses.v[0], "10.3.0.0/16");
	m = &f->links[fleet_link(f, "web@h2 -> redis")].match;
	assert_int_equal(m->hosts.n, 1);
	assert_int_equal(m->hosts.v[0], fleet_host(f, "h2"));
	assert_int_equal(f->clients[fleet_client(f, "web@h1")].unit, NONE);
	/* A list of one is one place; its host has a name all the same. */
	assert_string_equal(f->links[fleet_link(f, "one -> redis")].dial[DIAL_REQUIRE].v[0].file, "/srv/h3/env");
	assert_null(f->clients[fleet_client(f, "one")].of);
	fleet_free(f);
}

/* ---- the plan ---- */

/* "id: moves; gates" of each step, and the rows. */
static void
put_plan(struct buf *out, const struct fleet *f, const struct plan *p)
{
	const struct step *s;
	size_t i, k;

	for (i = 0; i < p->ngroups; i++)
		buf_printf(out, "row %zu+%zu %s\n", p->groups[i].first, p->groups[i].n, p->groups[i].title);
	for (i = 0; i < p->nsteps; i++) {
		s = &p->steps[i];
		buf_printf(out, "%s%s%s:", s->id, s->of == NULL ? "" : " of ", s->of == NULL ? "" : s->of);
		for (k = 0; k < s->nmoves; k++)
			buf_printf(out, " %s %s;", facet_word(s->moves[k].facet),
			    s->moves[k].facet == FACET_ACCEPT ? f->endpoints[s->moves[k].subject].name :
			    f->links[s->moves[k].subject].name);
		for (k = 0; k < s->nruns; k++)
			buf_printf(out, " run on %zu hosts from %s;", s->runs[k].on.n, f->hosts[s->runs[k].on.v[0]].name);
		for (k = 0; k < s->ngates; k++)
			if (!s->gates[k].implied)
				buf_printf(out, " gate %s;", s->gates[k].name);
		for (k = 0; k < s->nexcuses; k++)
			buf_printf(out, " may refuse %s;", f->links[s->excuses[k].link].name);
		buf_puts(out, "\n");
	}
}

static void
expect_of(const char *fleet, const char *text, const char *want)
{
	struct fleet *f = fleet_of(fleet);
	struct plan *p = plan_of(f, text), *again;
	struct buf got, printed, got_again;

	buf_init(&got, 0);
	buf_init(&got_again, 0);
	buf_init(&printed, 0);
	put_plan(&got, f, p);
	assert_string_equal(buf_str(&got), want);
	/* What is printed is the same plan. */
	plan_print(p, f, &printed);
	again = plan_of(f, buf_str(&printed));
	put_plan(&got_again, f, again);
	assert_string_equal(buf_str(&got_again), want);
	buf_release(&got);
	buf_release(&got_again);
	buf_release(&printed);
	plan_free(again);
	plan_free(p);
	fleet_free(f);
}

static void
expect(const char *text, const char *want)
{
	expect_of(FLEET, text, want);
}

static void
a_step_is_made_host_by_host(void **state)
{
	(void)state;
	expect(PLAN "  - { id: flip, trust: { web -> pg: internal }, dial: { web -> pg: require } }\n",
	    "row 0+3 flip \xc3\x97 3\n"
	    "flip@h1 of flip: trust web@h1 -> pg; dial web@h1 -> pg;\n"
	    "flip@h2 of flip: trust web@h2 -> pg; dial web@h2 -> pg;\n"
	    "flip@h3 of flip: trust web@h3 -> pg; dial web@h3 -> pg;\n");
}

static void
a_batch_is_the_steps_or_the_clients_or_one(void **state)
{
	(void)state;
	expect(PLAN
	    "  - { id: a, batch: 2, dial: { web -> pg: require } }\n"
	    "  - { id: b, dial: { job -> pg: require } }\n"
	    "  - { id: c, batch: 1, dial: { job -> pg: disable } }\n"
	    "  - { id: d, batch: all, dial: { web -> pg: disable }, accept: { pg: plain } }\n"
	    "  - { id: e, batch: 3, dial: { web -> pg: require } }\n",
	    "row 0+2 a \xc3\x97 2\n"
	    "row 2+2 b \xc3\x97 2\n"
	    "row 4+3 c \xc3\x97 3\n"
	    "row 7+1 web@h1 -> pg dials disable; web@h2 -> pg dials disable; web@h3 -> pg dials disable; and 1 more\n"
	    "row 8+1 web@h1 -> pg dials require; web@h2 -> pg dials require; web@h3 -> pg dials require\n"
	    "a@h1..h2 of a: dial web@h1 -> pg; dial web@h2 -> pg;\n"
	    "a@h3 of a: dial web@h3 -> pg;\n"
	    "b@h1..h2 of b: dial job@h1 -> pg; dial job@h2 -> pg;\n"
	    "b@h3 of b: dial job@h3 -> pg;\n"
	    "c@h1 of c: dial job@h1 -> pg;\n"
	    "c@h2 of c: dial job@h2 -> pg;\n"
	    "c@h3 of c: dial job@h3 -> pg;\n"
	    "d: dial web@h1 -> pg; dial web@h2 -> pg; dial web@h3 -> pg; accept pg;\n"
	    "e: dial web@h1 -> pg; dial web@h2 -> pg; dial web@h3 -> pg;\n");
}

static void
selectors_mean_all_of_it_once(void **state)
{
	(void)state;
	expect(PLAN
	    "  - { id: \"flip-$(c)\", for: { c: clients(pg) }, dial: { \"$(c) -> pg\": require } }\n"
	    "  - { id: after, accept: { pg: tls } }\n",
	    "row 0+6 flip-$(c) \xc3\x97 6\n"
	    "row 6+1 pg accepts tls\n"
	    "flip-web@h1 of flip-web: dial web@h1 -> pg;\n"
	    "flip-web@h2 of flip-web: dial web@h2 -> pg;\n"
	    "flip-web@h3 of flip-web: dial web@h3 -> pg;\n"
	    "flip-job@h1..h2 of flip-job: dial job@h1 -> pg; dial job@h2 -> pg;\n"
	    "flip-job@h3 of flip-job: dial job@h3 -> pg;\n"
	    "flip-api: dial api -> pg;\n"
	    "after: accept pg;\n");
	/* A batch of the plan says how many at most: it is no error where there is one. */
	expect_of(PROVEN, PLAN "  - { id: flip, batch: 3, for: { l: links(pg) }, dial: { \"$(l)\": require } }\n",
	    "row 0+1 web@h1 -> pg dials require; web@h2 -> pg dials require; web@h3 -> pg dials require\n"
	    "flip: dial web@h1 -> pg; dial web@h2 -> pg; dial web@h3 -> pg;\n");
}

static void
a_name_in_a_batch_means_its_hosts(void **state)
{
	(void)state;
	expect(PLAN
	    "  - id: flip\n"
	    "    batch: 2\n"
	    "    dial: { web -> pg: require, job -> pg: require }\n"
	    "    run: { on: web, run: x, read-only: yes }\n"
	    "    gate: [ { http: { from: web, url: \"http://x/\" } }, { http: { from: db, url: \"http://x/\" } }, { command: { on: web@h3, run: y } } ]\n"
	    "    may-refuse: { job: asleep }\n"
	    "  - { id: after, accept: { pg: tls }, run: { on: [job, db], run: x, read-only: yes }, gate: [ { command: { on: web, run: y } } ] }\n",
	    "row 0+2 flip \xc3\x97 2\n"
	    "row 2+1 pg accepts tls; run x\n"
	    "flip@h1..h2 of flip: dial web@h1 -> pg; dial web@h2 -> pg; dial job@h1 -> pg; dial job@h2 -> pg; run on 2 hosts from h1;"
	    " gate http http://x/ from h1; gate http http://x/ from h2; gate http http://x/ from db; gate command on h3: y;"
	    " may refuse job@h1 -> pg; may refuse job@h2 -> pg; may refuse job@h3 -> pg;\n"
	    "flip@h3 of flip: dial web@h3 -> pg; dial job@h3 -> pg; run on 1 hosts from h3;"
	    " gate http http://x/ from h3; gate http http://x/ from db; gate command on h3: y;"
	    " may refuse job@h1 -> pg; may refuse job@h2 -> pg; may refuse job@h3 -> pg;\n"
	    "after: accept pg; run on 4 hosts from h1; gate command on h1: y; gate command on h2: y; gate command on h3: y;\n");
}

static void
batches_may_be_written_by_hand(void **state)
{
	(void)state;
	expect(PLAN
	    "  - { id: flip@canary, dial: { web@h2 -> pg: require }, soak: 1h }\n"
	    "  - { id: flip@rest, dial: { web@h1 -> pg: require, web@h3 -> pg: require } }\n",
	    "row 0+2 flip \xc3\x97 2\n"
	    "flip@canary of flip: dial web@h2 -> pg;\n"
	    "flip@rest of flip: dial web@h1 -> pg; dial web@h3 -> pg;\n");
}

/* ---- what is refused ---- */

static void
check_message(const char *got, const char *want, const char *text)
{
	if (strcmp(got, want) != 0)
		fail_msg("%s\n  said     %s\n  expected %s", text, got, want);
}

static void
spoilt_files_are_refused_by_place(void **state)
{
	static const struct {
		const char *fleet, *plan, *message;
	} bad[] = {
		{ GROUND "  web: { unit: [u1, u9], links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:21: unknown unit 'u9', did you mean 'u1'?" },
		{ GROUND "  web: { unit: [u3, u4], links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:21: host 'h3' for the second time, expected units on hosts of their own" },
		{ GROUND "  web: { host: [h1, h2, h1], links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:25: host 'h1' for the second time, expected each host once" },
		{ GROUND "  web: { unit: [], links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:16: nothing in the list, expected the name of a unit" },
		{ GROUND "  web: { unit: [u1, u2], host: h1, links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:32: 'host' beside a list of units, expected none: each unit has its own" },
		{ GROUND "  web: { unit: [u1, u2], batch: 0, links: { pg: { " DIAL " } } }\n", NULL,
		    "f:12:33: '0', expected 'all' or how many hosts at a time: a number from 1 to 8192" },
		{ GROUND "  web: { unit: u1, batch: 2, links: { pg: { dial: fixed } } }\n", NULL,
		    "f:12:27: 'batch' of a client that runs in one place, expected none" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { address: 10.0.0.0/8 }, " DIAL " } } }\n", NULL,
		    "f:12:59: 'web' runs on several hosts, expected addresses for each of them, 'address: { HOST: … }', or none: they are told apart by their host" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { address: { h3: 10.0.0.1 } }, " DIAL " } } }\n", NULL,
		    "f:12:61: 'web' does not run on host 'h3', expected one of its own" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { address: { h1: nowhere } }, " DIAL " } } }\n", NULL,
		    "f:12:65: 'nowhere', expected an address or a range: 10.0.0.7, 10.0.0.0/8, fd00::/8" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { address: { h1: 10.0.0.1, h2: 10.0.0.1 } }, " DIAL " } } }\n", NULL,
		    "f:12:48: 'web@h1 -> pg' and 'web@h2 -> pg' match the same sessions, expected 'match' to tell them apart (address, host, user, database, application)" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { host: [h1, h3] }, " DIAL " } } }\n", NULL,
		    "f:12:61: 'web' does not run on host 'h3', expected one of its own" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { match: { host: h1 }, " DIAL " } } }\n", NULL,
		    "f:12:56: 'web' runs on host 'h2' too, expected it here, or no 'host' at all" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { dial: { on: h1, file: /e, set: { A: b } } } } }\n", NULL,
		    "f:12:53: 'on' at a client that runs on several hosts ('web@h1 -> pg'), expected none: each edit is made on each of them" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { " DIAL " } } }\n  x: { unit: u4, links: { redis: { dial: { follows: web -> pg } } } }\n", NULL,
		    "f:13:53: 'web -> pg' runs on 2 hosts, expected it on one of them: 'web@h1 -> pg', …" },
		{ GROUND "  web: { unit: [u1, u2], links: { pg: { " DIAL " } } }\n  \"$(w)\": { for: { w: [web] }, unit: u4, links: { redis: { dial: fixed } } }\n", NULL,
		    "f:13:3: a second client 'web', expected another name" },
		{ FLEET, PLAN "  - { id: a, dial: { web -> pg: require }, accept: { pg: tls } }\n",
		    "p:5:44: 'accept' in a step that moves 'web' host by host, expected a step of its own, or 'batch: all'" },
		{ FLEET, PLAN "  - { id: a, dial: { api -> pg: require, web -> pg: require } }\n",
		    "p:5:22: 'api -> pg' in a step that moves 'web' host by host, expected a step of its own, or 'batch: all'" },
		{ FLEET, PLAN "  - { id: a, dial: { web -> pg: require, web@h1 -> pg: require } }\n",
		    "p:5:42: 'web@h1 -> pg' in a step that moves 'web' host by host, expected a step of its own, or 'batch: all'" },
		{ FLEET, PLAN "  - { id: a, dial: { web -> pg: require }, run: { on: db, run: x, read-only: yes } }\n",
		    "p:5:55: 'db' in a step that moves 'web' host by host, expected 'on: web', or a step of its own" },
		{ FLEET, PLAN "  - { id: a@x, dial: { web -> pg: require } }\n",
		    "p:5:11: 'a@x' of a step that is made host by host, expected no '@': it comes by itself" },
		{ FLEET, PLAN "  - { id: a, batch: some, dial: { web -> pg: require } }\n",
		    "p:5:21: 'some', expected 'all' or how many hosts at a time: a number from 1 to 8192" },
		{ FLEET, PLAN "  - { id: a, dial: { web -> redis: require } }\n",
		    "p:5:22: 'web@h1 -> redis' follows 'web@h1 -> pg', expected a move of that one" },
		{ FLEET, PLAN "  - { id: a, batch: 1, dial: { web@h9 -> pg: require } }\n",
		    "p:5:32: unknown link 'web@h9 -> pg', did you mean 'web@h1 -> pg'?" },
		{ FLEET, PLAN "  - { id: a@, dial: { web@h1 -> pg: require } }\n",
		    "p:5:11: '', expected the name of a batch of a step: letters, digits, '.', '_' and '-', with a letter or digit first" },
		{ FLEET, PLAN "  - { id: a@x, dial: { web@h1 -> pg: require } }\n  - { id: a@x, dial: { web@h2 -> pg: require } }\n",
		    "p:6:11: a second step 'a@x', expected another id (the first stands in line 5)" },
		{ FLEET, PLAN "  - { id: a@x, dial: { web@h1 -> pg: require } }\n  - { id: a, dial: { web@h2 -> pg: require } }\n",
		    "p:6:11: a second step 'a', expected another id (the first stands in line 5)" },
		{ FLEET, PLAN "  - { id: a, dial: { web@h1 -> pg: require } }\n  - { id: a@x, dial: { web@h2 -> pg: require } }\n",
		    "p:6:11: a second step 'a', expected another id (the first stands in line 5)" },
		{ FLEET, PLAN "  - { id: a@x, dial: { web@h1 -> pg: require } }\n  - { id: b, dial: { api -> pg: require } }\n  - { id: a@y, dial: { web@h2 -> pg: require } }\n",
		    "p:7:11: 'a@y' apart from the batch before it, expected all of 'a' side by side" },
	};
	struct fleet *f;
	struct plan *p;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (fleet_parse(&f, "f", bad[i].fleet, strlen(bad[i].fleet), &err) == -1) {
			check_message(err.msg, bad[i].message, bad[i].fleet);
			continue;
		}
		if (bad[i].plan == NULL)
			fail_msg("read: %s", bad[i].fleet);
		if (plan_parse(&p, f, "p", bad[i].plan, strlen(bad[i].plan), &err) == 0)
			fail_msg("read: %s", bad[i].plan);
		check_message(err.msg, bad[i].message, bad[i].plan);
		fleet_free(f);
	}
}

static void
a_pooler_runs_where_its_endpoint_does(void **state)
{
	static const char text[] = GROUND
	    "  web: { host: db, links: { pg: { match: { host: db }, dial: fixed } } }\n"
	    "  pool: { unit: [u1, u2], links: { pg: { dial: fixed } } }\n";
	char *pooler = strdup(text), *at = strstr(pooler, "  redis: { kind: redis, ");
	struct fleet *f;
	struct err err;

	(void)state;
	/* The same length, so that nothing moves. */
	memcpy(at, "  pool: { kind: pgbouncer, unit: db, listen: { both: 6432 } } # ", 64);
	assert_int_equal(fleet_parse(&f, "f", pooler, strlen(pooler), &err), -1);
	assert_string_equal(err.msg,
	    "f:13:3: 'pool' is the pooler's own side, which runs where that does, expected one unit");
	free(pooler);
}

/* ---- the proof ---- */

#define FROM_PLAIN "belay: plan/1\nname: p\nfrom: { accept: plain, dial: disable }\nsteps:\n" \
	"  - { id: certs, certs: { internal: install } }\n"		\
	"  - { id: both, accept: { pg: both } }\n"

static size_t
counters_of(const char *plan_text, struct buf *out)
{
	struct fleet *f = fleet_of(PROVEN);
	struct plan *p = plan_of(f, plan_text);
	struct proof proof = { 0 };
	size_t i, n;

	proof_run(&proof, f, p, NULL, 0);
	buf_init(out, 0);
	for (i = 0; i < proof.ncounters; i++)
		counter_text(out, f, p, &proof.counters[i]);
	n = proof.ncounters;
	proof_release(&proof);
	plan_free(p);
	fleet_free(f);
	return n;
}

static void
one_host_flipped_and_the_next_not_is_a_reachable_posture(void **state)
{
	struct buf b;

	(void)state;
	/* As it should be: all hosts, then the server. */
	assert_int_equal(counters_of(FROM_PLAIN
	    "  - { id: web, dial: { web -> pg: require } }\n"
	    "  - { id: tls, accept: { pg: tls } }\n", &b), 0);
	buf_release(&b);
	/* Forced when one host is flipped: the others are refused, by name, and it is not. */
	assert_int_equal(counters_of(FROM_PLAIN
	    "  - { id: web@h1, dial: { web@h1 -> pg: require } }\n"
	    "  - { id: tls, accept: { pg: tls } }\n"
	    "  - { id: late, dial: { web@h2 -> pg: require, web@h3 -> pg: require } }\n", &b), 2);
	assert_null(strstr(buf_str(&b), "web@h1 -> pg is refused"));
	assert_non_null(strstr(buf_str(&b), "web@h2 -> pg is refused"));
	assert_non_null(strstr(buf_str(&b), "web@h3 -> pg is refused"));
	buf_release(&b);
}

static void
all_at_once_is_every_subset_of_the_hosts(void **state)
{
	struct buf b;

	(void)state;
	/* Each of the three can be the one that was not restarted yet, when the server was. */
	assert_int_equal(counters_of(FROM_PLAIN
	    "  - { id: all, batch: all, dial: { web -> pg: require }, accept: { pg: tls } }\n", &b), 3);
	buf_release(&b);
}

/* ---- what is said ---- */

static void
feed(struct rollout *r, struct event ev)
{
	struct effects fx = { 0 };
	uint64_t ticket = 0;
	size_t i;

	rollout_feed(r, &ev, &fx);
	for (i = 0; i < fx.n; i++)
		if (fx.v[i].ticket != 0)
			ticket = fx.v[i].ticket;
	effects_release(&fx);
	if (ticket != 0)
		feed(r, (struct event){ .kind = EV_JOURNALLED, .ticket = ticket });
}

static void
apply(struct rollout *r, int step, enum op_outcome outcome, const char *why)
{
	feed(r, (struct event){ .kind = EV_PREVIEW, .step = step });
	feed(r, (struct event){ .kind = EV_OP, .step = step, .verb = OPV_OBSERVE, .outcome = OP_FRESH });
	feed(r, (struct event){ .kind = EV_APPLY, .step = step });
	feed(r, (struct event){ .kind = EV_GUARD, .step = step, .ok = true });
	feed(r, (struct event){ .kind = EV_OP, .step = step, .verb = OPV_APPLY, .outcome = outcome, .why = why });
	if (outcome == OP_APPLIED)
		feed(r, (struct event){ .kind = EV_GATE, .step = step, .ok = true });
}

static void
undo(struct rollout *r, int step)
{
	feed(r, (struct event){ .kind = EV_UNDO, .step = step });
	feed(r, (struct event){ .kind = EV_OP, .step = step, .verb = OPV_UNDO, .outcome = OP_RESTORED });
}

static void
expect_words(const struct fleet *f, const struct plan *p, const struct rollout *r, const char *want)
{
	struct buf b;

	buf_init(&b, 0);
	batch_words(&b, f, p, r, 2);
	assert_string_equal(buf_str(&b), want);
	buf_clear(&b);
	batch_words(&b, f, p, r, 0);
	assert_string_equal(buf_str(&b), "");
	buf_release(&b);
}

static void
what_a_failure_leaves_is_said_host_by_host(void **state)
{
	static const struct op_shape one = { .unit = NONE };
	struct fleet *f = fleet_of(FLEET);
	struct plan *p = plan_of(f, PLAN
	    "  - { id: api, dial: { api -> pg: require } }\n"
	    "  - { id: flip-web, dial: { web -> pg: require } }\n");
	const struct op_shape *shapes[4] = { &one, &one, &one, &one };
	const size_t nops[4] = { 1, 1, 1, 1 };
	struct rollout *r = rollout_new(p, shapes, nops);
	int first = NONE;
	size_t n;

	(void)state;
	n = plan_steps(p, "flip-web", &first);
	assert_int_equal(n, 3);
	assert_int_equal(first, 1);
	expect_words(f, p, r, "flip-web: 0 of 3 hosts done; h1, h2, h3 untouched");
	assert_int_equal(batch_next(r, first, n), 1);
	assert_int_equal(batch_last(r, first, n), NONE);
	apply(r, 0, OP_APPLIED, NULL);
	apply(r, 1, OP_APPLIED, NULL);
	assert_int_equal(batch_next(r, first, n), 2);
	assert_int_equal(batch_last(r, first, n), 1);
	apply(r, 2, OP_FAILED, "it is read-only");
	expect_words(f, p, r,
	    "flip-web: 1 of 3 hosts done (h1); h2 faulted: operation 1: it is read-only; h3 untouched");
	assert_int_equal(batch_next(r, first, n), 2);
	assert_int_equal(batch_last(r, first, n), 2);
	undo(r, 2);
	expect_words(f, p, r, "flip-web: 1 of 3 hosts done (h1); h2 undone; h3 untouched");
	undo(r, 1);
	expect_words(f, p, r, "flip-web: 0 of 3 hosts done; h1, h2 undone; h3 untouched");
	assert_int_equal(batch_last(r, first, n), NONE);
	apply(r, 1, OP_APPLIED, NULL);
	p->steps[2].on_fault = ON_FAULT_UNDO;
	apply(r, 2, OP_FAILED, "it is read-only");
	feed(r, (struct event){ .kind = EV_OP, .step = 2, .verb = OPV_UNDO, .outcome = OP_RESTORED });
	expect_words(f, p, r,
	    "flip-web: 1 of 3 hosts done (h1); h2 undone by itself: operation 1: it is read-only; h3 untouched");
	apply(r, 2, OP_APPLIED, NULL);
	apply(r, 3, OP_APPLIED, NULL);
	expect_words(f, p, r, "flip-web: 3 of 3 hosts done (h1, h2, h3)");
	assert_int_equal(batch_next(r, first, n), NONE);
	rollout_free(r);
	plan_free(p);
	fleet_free(f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_on_several_hosts_is_one_on_each),
		cmocka_unit_test(a_name_stands_for_one_or_for_all),
		cmocka_unit_test(what_is_implied_is_implied_on_the_same_host_or_everywhere),
		cmocka_unit_test(parts_are_told_apart_by_host_or_by_addresses_of_each),
		cmocka_unit_test(a_step_is_made_host_by_host),
		cmocka_unit_test(a_batch_is_the_steps_or_the_clients_or_one),
		cmocka_unit_test(selectors_mean_all_of_it_once),
		cmocka_unit_test(a_name_in_a_batch_means_its_hosts),
		cmocka_unit_test(batches_may_be_written_by_hand),
		cmocka_unit_test(spoilt_files_are_refused_by_place),
		cmocka_unit_test(a_pooler_runs_where_its_endpoint_does),
		cmocka_unit_test(one_host_flipped_and_the_next_not_is_a_reachable_posture),
		cmocka_unit_test(all_at_once_is_every_subset_of_the_hosts),
		cmocka_unit_test(what_a_failure_leaves_is_said_host_by_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
