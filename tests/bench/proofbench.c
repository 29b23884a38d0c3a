/*
 * The proof's cost on a generated fleet: CPU time and memory, and next to it
 * what reading the same two files costs.
 *
 *   proofbench CLIENTS STEPS KIND
 *
 * Three servers, CLIENTS clients each with a link to every one of them, and a
 * plan that brings all to TLS, proven.  KIND is one of
 *
 *   links    servers and clients; the flips in as many steps as STEPS leaves
 *   pooled   the first server is a PgBouncer with its own link to a Postgres
 *   for      one step for each client (`for: clients(…)`); STEPS is not used
 *   wrong    links, and the last client's flip left out: a counter-example,
 *            and the look for another order
 *
 * Prints a line of "name value" pairs.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/fleet.h"
#include "core/plan.h"
#include "core/proof.h"

static const char *const servers[] = { "a", "b", "d" };

static double
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* A field of /proc/self/status in KiB, or 0. */
static long
status_kib(const char *field)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long kib = 0;

	while (file != NULL && fgets(line, sizeof(line), file) != NULL)
		if (strncmp(line, field, strlen(field)) == 0)
			kib = strtol(line + strlen(field), NULL, 10);
	if (file != NULL)
		(void)fclose(file);
	return kib;
}

/* The mark of the highest use begins anew. */
static void
forget_peak(void)
{
	FILE *file;

	(void)malloc_trim(0);
	if ((file = fopen("/proc/self/clear_refs", "w")) == NULL)
		return;
	(void)fputs("5", file);
	(void)fclose(file);
}

static void
put_fleet(struct buf *out, size_t clients, bool pooled)
{
	size_t i, k;

	(void)buf_puts(out, "belay: fleet/1\nenvironment: bench\nlists: { c: [");
	for (i = 0; i < clients; i++)
		(void)buf_printf(out, "%sk%zu", i > 0 ? ", " : "", i);
	(void)buf_puts(out, "] }\nhosts:\n  db: { ssh: db }\n  \"$(c)\": { for: { c: c }, ssh: \"$(c)\" }\n"
	    "units:\n  a: { host: db, run: ./restart }\n  b: { host: db, run: ./restart }\n"
	    "  d: { host: db, run: ./restart }\n  p: { host: db, run: ./restart }\n"
	    "  \"$(c)\": { for: { c: c }, host: \"$(c)\", run: ./restart }\n");
	(void)buf_printf(out, "certs:\n  c: { serves: [a, b, d%s], dir: /etc/tls }\nendpoints:\n", pooled ? ", p" : "");
	for (k = 0; k < 3 + (size_t)pooled; k++) {
		const char *name = k < 3 ? servers[k] : "p";

		(void)buf_printf(out, "  %s: { kind: %s, unit: %s, listen: { both: %zu }, names: [%s.internal], "
		    "accept: { file: /srv/%s.env, set: { ACCEPT: \"$(accept)\" } } }\n", name,
		    k == 0 && pooled ? "pgbouncer" : k == 0 || k == 3 ? "postgres" : "redis", name, 5000 + k, name, name);
	}
	(void)buf_puts(out, "clients:\n");
	if (pooled)
		(void)buf_puts(out, "  a: { unit: a, links: { p: { match: { host: db }, dial: { file: /srv/a.env, "
		    "set: { DIAL: \"$(dial)\" } }, trust: { ca: c, file: /etc/a-ca.crt } } } }\n");
	(void)buf_puts(out, "  \"$(c)\":\n    for: { c: c }\n    unit: \"$(c)\"\n    links:\n");
	for (k = 0; k < 3; k++)
		(void)buf_printf(out, "      %s: { match: { host: \"$(c)\" }, dial: { file: /srv/.env, "
		    "set: { DIAL_%s: \"$(dial)\" } }, trust: { ca: c, file: /etc/%s-ca.crt } }\n",
		    servers[k], servers[k], servers[k]);
}

static void
put_moves(struct buf *out, const char *facet, const char *value, size_t clients, size_t group, size_t groups)
{
	size_t i, k;
	const char *comma = "";

	(void)buf_printf(out, ", %s: {", facet);
	for (i = group; i < clients; i += groups)
		for (k = 0; k < 3; k++) {
			(void)buf_printf(out, "%s\"k%zu->%s\": %s", comma, i, servers[k], value);
			comma = ",";
		}
	(void)buf_puts(out, "}");
}

static void
put_plan(struct buf *out, size_t clients, size_t steps, const char *kind)
{
	bool pooled = strcmp(kind, "pooled") == 0, each = strcmp(kind, "for") == 0;
	size_t groups = steps - 7 - 2 * (size_t)pooled, i, k;

	(void)buf_puts(out, "belay: plan/1\nname: bench\nfrom: { accept: plain, dial: disable }\nsteps:\n"
	    "  - { id: c, certs: { c: install } }\n");
	if (pooled)
		(void)buf_puts(out, "  - { id: p-both, accept: { p: both } }\n"
		    "  - { id: leg, trust: { \"a->p\": c }, dial: { \"a->p\": require } }\n");
	for (k = 0; k < 3; k++)
		(void)buf_printf(out, "  - { id: %s-both, accept: { %s: both } }\n", servers[k], servers[k]);
	if (each)
		(void)buf_puts(out, "  - id: \"flip-$(c)\"\n    for: { c: clients(a) }\n"
		    "    trust: { \"$(c)->a\": c, \"$(c)->b\": c, \"$(c)->d\": c }\n"
		    "    dial: { \"$(c)->a\": verify-full, \"$(c)->b\": verify-full, \"$(c)->d\": verify-full }\n");
	for (i = 0; i < groups && !each; i++) {
		if (i >= clients || (strcmp(kind, "wrong") == 0 && i + 1 == groups))
			continue;
		(void)buf_printf(out, "  - { id: f%zu", i);
		put_moves(out, "trust", "c", clients, i, groups);
		put_moves(out, "dial", "require", clients, i, groups);
		(void)buf_puts(out, " }\n");
	}
	for (k = 0; k < 3; k++)
		(void)buf_printf(out, "  - { id: %s-tls, accept: { %s: tls } }\n", servers[k], servers[k]);
}

int
main(int argc, char *argv[])
{
	static const char *const kinds[] = { "links", "pooled", "for", "wrong" };
	struct buf fleet_text, plan_text;
	struct fleet *fleet;
	struct plan *plan;
	struct proof proof;
	struct err err;
	size_t clients, steps, i;
	double begin, parsed, proven;
	long before, peak;
	bool expected;

	clients = argc == 4 ? (size_t)strtoul(argv[1], NULL, 10) : 0;
	steps = argc == 4 ? (size_t)strtoul(argv[2], NULL, 10) : 0;
	for (i = 0; clients > 0 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(argv[3], kinds[i]) == 0)
			break;
	if (clients == 0 || steps < 12 || i == sizeof(kinds) / sizeof(kinds[0])) {
		(void)fprintf(stderr, "usage: proofbench CLIENTS STEPS links|pooled|for|wrong\n");
		return 1;
	}
	buf_init(&fleet_text, 0);
	buf_init(&plan_text, 0);
	put_fleet(&fleet_text, clients, strcmp(argv[3], "pooled") == 0);
	put_plan(&plan_text, clients, steps, argv[3]);
	begin = cpu_ms();
	if (fleet_parse(&fleet, "fleet", buf_str(&fleet_text), fleet_text.len, &err) != 0 ||
	    plan_parse(&plan, fleet, "plan", buf_str(&plan_text), plan_text.len, &err) != 0) {
		(void)fprintf(stderr, "proofbench: %.400s\n", err.msg);
		return 1;
	}
	parsed = cpu_ms();
	forget_peak();
	before = status_kib("VmRSS:");
	proof_run(&proof, fleet, plan, NULL, 0);
	proven = cpu_ms();
	peak = status_kib("VmHWM:");
	(void)printf("clients %zu links %zu steps %zu states %zu counters %zu parse_ms %.1f proof_ms %.1f "
	    "proof_kib %ld process_kib %ld fleet_bytes %zu plan_bytes %zu\n", clients, fleet->nlinks, plan->nsteps,
	    proof.nstates, proof.ncounters, parsed - begin, proven - parsed, peak - before, peak,
	    fleet_text.len, plan_text.len);
	expected = (proof.ncounters > 0) == (strcmp(argv[3], "wrong") == 0) && proof.unknown.n == 0;
	if (!expected)
		(void)fprintf(stderr, "proofbench: not what was expected of such a plan\n");
	proof_release(&proof);
	plan_free(plan);
	fleet_free(fleet);
	buf_release(&fleet_text);
	buf_release(&plan_text);
	return expected ? 0 : 1;
}
