/*
 * The proof on plans that are wrong, each with the counter-example that an
 * operator reads, to the letter; and on the same plans mended, which pass.
 *
 * A case is a fleet, the steps of a plan, and the lines of all links that are
 * stranded, in their order; no line: the plan is proven.  Some have the whole
 * story, too.
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
#include "core/fleet.h"
#include "core/plan.h"
#include "core/proof.h"

/* ---- parts of fleets --------------------------------------------------------- */

#define HEAD "belay: fleet/1\nenvironment: test\nhosts: { db: { ssh: db }, web: { ssh: web }, job: { ssh: job } }\n"
#define UNIT(name, host, kind) "  " name ": { host: " host ", kind: " kind ", run: ./restart }\n"
/* Every server and every client on a unit of its own. */
#define APART "units:\n" UNIT("pg", "db", "restart") UNIT("pool", "db", "reload") UNIT("redis", "db", "restart") \
	UNIT("web", "web", "restart") UNIT("job", "job", "restart")
#define CERT "certs:\n  internal: { serves: [postgres, pgbouncer, redis], dir: /etc/tls }\n"
#define PG_CERT "certs:\n  internal: { serves: [postgres], dir: /etc/tls }\n"
#define PG_CERT_LANDS "certs:\n  internal: { serves: [postgres], dir: /etc/tls, lands: activation }\n"
#define REDIS_CERT "certs:\n  internal: { serves: [redis], dir: /etc/tls }\n"
#define ENDPOINT(name, kind, unit, listen, more) "  " name ": { kind: " kind ", unit: " unit ", listen: { " listen " }, " \
	"names: [" name ".internal], " more "accept: { file: /srv/" name ".env, set: { ACCEPT: \"$(accept)\" }, " \
	"mutual: { set: { ACCEPT: mutual } } } }\n"
#define POSTGRES(more) ENDPOINT("postgres", "postgres", "pg", "both: 5432", more)
#define PGBOUNCER ENDPOINT("pgbouncer", "pgbouncer", "pool", "both: 6432", "")
#define REDIS ENDPOINT("redis", "redis", "redis", "plain: 6379, tls: 6380", "")
#define ENDPOINTS "endpoints:\n"
#define CLIENTS "clients:\n"
#define CLIENT(name, unit, more, links) "  " name ": { unit: " unit ", " more "links: { " links " } }\n"
#define DIALS(client, endpoint) "dial: { file: /srv/" client ".env, set: { " "DIAL_" endpoint ": \"$(dial)\" } }"
#define BOUND(client, endpoint, more) endpoint ": { match: { host: " client " }, " \
	more DIALS(client, endpoint) ", trust: { ca: internal, file: /etc/" client "-" endpoint "-ca.crt } }"
#define POOLER CLIENT("pgbouncer", "pool", "", "postgres: { match: { host: db }, " DIALS("pgbouncer", "postgres") \
	", trust: { ca: internal, file: /etc/pool-ca.crt } }")

/* Postgres with two clients. */
#define DIRECT(endpoint_more, web_client, web_link) HEAD APART PG_CERT ENDPOINTS POSTGRES(endpoint_more) CLIENTS \
	CLIENT("web", "web", web_client, BOUND("web", "postgres", web_link)) \
	CLIENT("job", "job", "", BOUND("job", "postgres", ""))
/* Postgres behind PgBouncer, and Redis. */
#define STACK HEAD APART CERT ENDPOINTS POSTGRES("") PGBOUNCER REDIS CLIENTS POOLER \
	CLIENT("web", "web", "", BOUND("web", "pgbouncer", "") ", " BOUND("web", "redis", ""))
/* The same with a pooler whose sessions can be ended. */
#define DRAINED_STACK HEAD APART CERT ENDPOINTS POSTGRES("") \
	ENDPOINT("pgbouncer", "pgbouncer", "pool", "both: 6432", "admin: { user: boss }, ") REDIS CLIENTS POOLER \
	CLIENT("web", "web", "", BOUND("web", "pgbouncer", "") ", " BOUND("web", "redis", ""))
/* The same where one restart takes all three servers along. */
#define ONE_STACK HEAD "units:\n" UNIT("pg", "db", "restart") UNIT("web", "web", "restart") CERT ENDPOINTS \
	POSTGRES("") ENDPOINT("pgbouncer", "pgbouncer", "pg", "both: 6432", "") \
	ENDPOINT("redis", "redis", "pg", "plain: 6379, tls: 6380", "") CLIENTS \
	CLIENT("pgbouncer", "pg", "", "postgres: { match: { host: db }, " DIALS("pgbouncer", "postgres") \
	", trust: { ca: internal, file: /etc/pool-ca.crt } }") \
	CLIENT("web", "web", "", BOUND("web", "pgbouncer", "") ", " BOUND("web", "redis", ""))

/* ---- steps ---------------------------------------------------------------------- */

#define PLAIN "from: { accept: plain, dial: disable }\n"
#define STEP(id, moves) "  - { id: " id ", " moves " }\n"
#define ACCEPT(id, endpoint, value) STEP(id, "accept: { " endpoint ": " value " }")
#define INSTALL STEP("certs", "certs: { internal: install }")
#define TRUST(id, link) STEP(id, "trust: { \"" link "\": internal }")
#define DIAL(id, link, value) STEP(id, "dial: { \"" link "\": " value " }")
#define FLIP(id, link, value) STEP(id, "trust: { \"" link "\": internal }, dial: { \"" link "\": " value " }")

struct trial {
	const char *name;
	const char *fleet, *from, *steps;
	const char *lines;	/* one for each stranded link, each ended; "": proven */
	const char *story;	/* of the last of them, whole; or NULL */
	const char *unknown;	/* links that are not proven, each ended; or NULL */
};

#include "tests/core/proof_cases.h"

/* ---- looking ---------------------------------------------------------------------- */

static void
prove(const struct trial *t, struct buf *lines, struct buf *story, struct buf *unknown)
{
	struct fleet *f;
	struct plan *plan;
	struct proof p;
	struct buf text;
	struct err err;
	size_t i;

	buf_init(&text, 0);
	(void)buf_printf(&text, "belay: plan/1\nname: trial\n%ssteps:\n%s", t->from, t->steps);
	if (fleet_parse(&f, "fleet.yaml", t->fleet, strlen(t->fleet), &err) != 0)
		fail_msg("%s: %s\n%s", t->name, err.msg, t->fleet);
	if (plan_parse(&plan, f, "plan.yaml", buf_str(&text), text.len, &err) != 0)
		fail_msg("%s: %s\n%s", t->name, err.msg, buf_str(&text));
	proof_run(&p, f, plan, NULL, 0);
	for (i = 0; i < p.ncounters; i++) {
		counter_line(lines, f, plan, &p.counters[i]);
		(void)buf_puts(lines, "\n");
	}
	if (p.ncounters > 0)
		counter_text(story, f, plan, &p.counters[p.ncounters - 1]);
	for (i = 0; i < p.unknown.n; i++)
		(void)buf_printf(unknown, "%s\n", f->links[p.unknown.v[i]].name);
	proof_release(&p);
	plan_free(plan);
	fleet_free(f);
	buf_release(&text);
}

static void
check(const struct trial *t)
{
	struct buf lines, story, unknown;

	buf_init(&lines, 0);
	buf_init(&story, 0);
	buf_init(&unknown, 0);
	prove(t, &lines, &story, &unknown);
	if (strcmp(buf_str(&lines), t->lines) != 0)
		fail_msg("%s: expected\n%sis\n%s%s", t->name, t->lines, buf_str(&lines), buf_str(&story));
	if (t->story != NULL && strcmp(buf_str(&story), t->story) != 0)
		fail_msg("%s: expected\n%sis\n%s", t->name, t->story, buf_str(&story));
	if (strcmp(buf_str(&unknown), t->unknown == NULL ? "" : t->unknown) != 0)
		fail_msg("%s: not known: %s", t->name, buf_str(&unknown));
	buf_release(&lines);
	buf_release(&story);
	buf_release(&unknown);
}

static void
every_wrong_plan_has_its_counter_example(void **state)
{
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < sizeof(trials) / sizeof(trials[0]); i++)
		if (trials[i].lines[0] != '\0') {
			check(&trials[i]);
			n++;
		}
	assert_true(n >= 20);
}

static void
every_mended_plan_is_proven(void **state)
{
	size_t i, n = 0;

	(void)state;
	for (i = 0; i < sizeof(trials) / sizeof(trials[0]); i++)
		if (trials[i].lines[0] == '\0') {
			check(&trials[i]);
			n++;
		}
	assert_true(n >= 10);
}

/* What each case says, for whoever adds one. */
static void
dump(void)
{
	struct buf lines, story, unknown;
	size_t i;

	for (i = 0; i < sizeof(trials) / sizeof(trials[0]); i++) {
		buf_init(&lines, 0);
		buf_init(&story, 0);
		buf_init(&unknown, 0);
		prove(&trials[i], &lines, &story, &unknown);
		(void)printf("== %s\n%s--\n%s%s%s", trials[i].name, buf_str(&lines), buf_str(&story),
		    unknown.len > 0 ? "not known: " : "", buf_str(&unknown));
		buf_release(&lines);
		buf_release(&story);
		buf_release(&unknown);
	}
}

int
main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_plan_has_its_counter_example),
		cmocka_unit_test(every_mended_plan_is_proven),
	};

	if (argc > 1 && strcmp(argv[1], "dump") == 0) {
		dump();
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
