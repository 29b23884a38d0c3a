/*
 * fixture: see fixture.h.
 */
#include "tests/ui/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/op.h"

static void
die(const char *what, const struct err *err)
{
	fprintf(stderr, "fixture: %s: %s\n", what, err == NULL ? "" : err->msg);
	abort();
}

static char *
read_all(const char *path, size_t *ret_len)
{
	struct buf b;
	char chunk[4096];
	size_t n;
	FILE *f = fopen(path, "r");

	if (f == NULL)
		die(path, NULL);
	buf_init(&b, 0);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_put(&b, chunk, n);
	fclose(f);
	return buf_take(&b, ret_len);
}

/* ---- what an engine would answer ---- */

static const char *
op_text(void *arg, int step, int op)
{
	struct fixture *f = arg;

	return op < 8 ? f->texts[step][op] : NULL;
}

static const struct ops *
ops(void *arg, int step)
{
	struct fixture *f = arg;

	return &f->ops[step];
}

static int
op_since(void *arg, int step, int op)
{
	struct fixture *f = arg;

	return f->since_step == step && op == 0 ? f->since : NONE;
}

static const char *
kept(void *arg, int step, int op)
{
	struct fixture *f = arg;

	return f->kept_step == step && op == 0 ? "they know better" : NULL;
}

static const char *
waiver(void *arg, int step, const char *check)
{
	(void)step;
	return strcmp(check, "proof") == 0 ? ((struct fixture *)arg)->waiver : NULL;
}

static bool
waiting(void *arg, int step)
{
	return ((struct fixture *)arg)->waiting == step;
}

static bool
judging(void *arg, int step)
{
	(void)arg;
	(void)step;
	return false;
}

static bool
running(void *arg, struct running *ret)
{
	struct fixture *f = arg;

	*ret = f->running;
	return f->runs;
}

static const struct check_result *
results(void *arg, int step, bool gate, size_t *ret_n)
{
	struct fixture *f = arg;

	*ret_n = f->nresults[step][gate];
	return f->results[step][gate];
}

static size_t
canaries(void *arg, int step, struct canary_view *ret, size_t max)
{
	struct fixture *f = arg;
	const struct step *s = &f->plan->steps[step];
	size_t i;

	for (i = 0; i < s->ncanaries && i < f->ncanaries && i < max; i++) {
		ret[i].link = s->canaries[i].link;
		ret[i].canary = &f->canaries[i];
		ret[i].over = f->canaries_over;
		ret[i].now_ms = FIXTURE_NOW_MS;
	}
	return i;
}

static size_t
history(void *arg, const struct history_line **ret)
{
	struct fixture *f = arg;

	*ret = f->history;
	return f->nhistory;
}

/* ---- life ---- */

void
fixture_init(struct fixture *f, bool with_plan)
{
	fixture_init_plan(f, with_plan ? "tests/ui/plan.yaml" : NULL);
}

void
fixture_init_plan(struct fixture *f, const char *path)
{
	struct op_shape *shapes[FIXTURE_STEPS_MAX];
	size_t nops[FIXTURE_STEPS_MAX], len, i, j;
	struct err err;
	const char *fleet;
	char *text;

	memset(f, 0, sizeof(*f));
	setenv("TZ", "UTC", 1);
	tzset();
	fleet = path != NULL && strcmp(path, "tests/ui/trouble.yaml") == 0 ? "tests/ui/trouble.fleet.yaml" :
	    "tests/ui/fleet.yaml";
	text = read_all(fleet, &len);
	if (fleet_parse(&f->fleet, fleet, text, len, &err) != 0)
		die("fleet", &err);
	free(text);
	f->board = board_new(f->fleet);
	f->waiting = f->since_step = f->kept_step = NONE;
	f->scene = (struct scene){
		.fleet = f->fleet, .board = f->board, .who = "ops@bastion", .now_ms = FIXTURE_NOW_MS,
		.arg = f, .op_text = op_text, .op_since = op_since, .kept = kept, .ops = ops, .running = running, .results = results,
		.history = history, .canaries = canaries, .waiting = waiting, .judging = judging, .waiver = waiver,
		.proven = &f->proven,
	};
	for (i = 0; i < READING_COUNT; i++)
		f->scene.stale_ms[i] = 60000;
	if (path == NULL) {
		proven_init(&f->proven, f->fleet, NULL);
		return;
	}
	text = read_all(path, &len);
	if (plan_parse(&f->plan, f->fleet, path, text, len, &err) != 0)
		die("plan", &err);
	free(text);
	if (f->plan->nsteps > FIXTURE_STEPS_MAX)
		die("too many steps", NULL);
	for (i = 0; i < f->plan->nsteps; i++) {
		if (ops_of_step(&f->ops[i], f->fleet, f->plan, (int)i, "RUN", NULL, NULL, &err) != 0)
			die(f->plan->steps[i].id, &err);
		nops[i] = f->ops[i].n;
		shapes[i] = mem_array(nops[i] + 1, sizeof(*shapes[i]));
		for (j = 0; j < nops[i]; j++) {
			const struct op *op = &f->ops[i].v[j];

			shapes[i][j] = (struct op_shape){
				.host = op->host, .unit = op->unit, .activates = op->kind == OP_ACTIVATE,
				.command = op->kind == OP_ACTIVATE || op->kind == OP_RUN,
				.idempotent = op->idempotent,
			};
		}
	}
	f->rollout = rollout_new(f->plan, (const struct op_shape *const *)shapes, nops);
	for (i = 0; i < f->plan->nsteps; i++)
		free(shapes[i]);
	proven_init(&f->proven, f->fleet, f->plan);
	proof_run(&f->proof, f->fleet, f->plan, NULL, 0);
	/* How many the walk looks at is its own affair. */
	f->proof.nstates = 600;
	proven_set(&f->proven, &f->proof, "", 0);
	f->scene.plan = f->plan;
	f->scene.rollout = f->rollout;
}

void
fixture_release(struct fixture *f)
{
	size_t i;

	for (i = 0; f->plan != NULL && i < f->plan->nsteps; i++) {
		ops_release(&f->ops[i]);
		free(f->results[i][0]);
		free(f->results[i][1]);
	}
	proven_release(&f->proven);
	proof_release(&f->proof);
	rollout_free(f->rollout);
	plan_free(f->plan);
	board_free(f->board);
	fleet_free(f->fleet);
}

static bool
turns(void *arg, enum verb verb, int step, char *ret_why, size_t size)
{
	struct fixture *f = arg;

	(void)verb;
	(void)step;
	snprintf(ret_why, size, "%s", f->turn == NULL ? "" : f->turn);
	return f->turn == NULL;
}

void
fixture_turns(struct fixture *f)
{
	rollout_ask_turns(f->rollout, turns, f);
}

void
fixture_contradicted(struct fixture *f, const char *lines, size_t n)
{
	proven_set(&f->proven, &f->proof, lines, n);
}

int
fixture_step(const struct fixture *f, const char *id)
{
	int step = plan_step(f->plan, id);

	if (step == NONE)
		die(id, NULL);
	return step;
}

/* Neither is a phase of the journal: a preview is begun, and for READY every host answers. */
static void
preview(struct fixture *f, int step, bool answered)
{
	struct event ev = { .kind = EV_PREVIEW, .now_ms = FIXTURE_NOW_MS - 12000, .step = step };
	struct effects out = { NULL, 0 };
	size_t i, n = rollout_step(f->rollout, step)->nops;

	if (rollout_step(f->rollout, step)->phase != PHASE_PREVIEWING)
		rollout_feed(f->rollout, &ev, &out);
	ev.kind = EV_OP;
	ev.verb = OPV_OBSERVE;
	ev.outcome = OP_FRESH;
	for (i = 0; answered && i < n; i++)
		if (!rollout_step(f->rollout, step)->shapes[i].activates) {
			ev.op = (int)i;
			rollout_feed(f->rollout, &ev, &out);
		}
	effects_release(&out);
	if (answered != (rollout_step(f->rollout, step)->phase == PHASE_READY))
		die("no preview", NULL);
}

void
fixture_phase(struct fixture *f, const char *id, enum phase phase, const char *why)
{
	struct record rec = { .kind = REC_PHASE, .at_ms = FIXTURE_NOW_MS - 12000, .op = NONE };

	rec.step = fixture_step(f, id);
	rec.phase = phase;
	if (phase == PHASE_READY || phase == PHASE_PREVIEWING) {
		preview(f, rec.step, phase == PHASE_READY);
		return;
	}
	if (why != NULL)
		snprintf(rec.why, sizeof(rec.why), "%s", why);
	rollout_replay(f->rollout, &rec);
}

void
fixture_op(struct fixture *f, const char *id, int op, enum record_kind kind, enum op_outcome outcome,
    const char *why)
{
	struct record rec = { .kind = kind, .at_ms = FIXTURE_NOW_MS - 8000, .op = op, .outcome = outcome };

	rec.step = fixture_step(f, id);
	if (why != NULL)
		snprintf(rec.why, sizeof(rec.why), "%s", why);
	rollout_replay(f->rollout, &rec);
}

void
fixture_result(struct fixture *f, const char *id, bool gate, size_t i, enum judgement judgement,
    const char *why)
{
	int step = fixture_step(f, id);
	const struct step *s = &f->plan->steps[step];
	size_t n = gate ? s->ngates : s->nrequires;

	if (i >= n)
		die("no such check", NULL);
	if (f->results[step][gate] == NULL)
		f->results[step][gate] = mem_array(n, sizeof(**f->results[step]));
	f->nresults[step][gate] = n;
	f->results[step][gate][i].judgement = judgement;
	snprintf(f->results[step][gate][i].why, sizeof(f->results[step][gate][i].why), "%s", why);
}

/* ---- readings ---- */

static int
endpoint_of(const struct fixture *f, const char *name)
{
	int e = fleet_endpoint(f->fleet, name);

	if (e == NONE)
		die(name, NULL);
	return e;
}

/*
 * spec: "CLIENT PLAIN TLS; …", the client `?` for sessions unaccounted for;
 * plaintext and undeclared ones are named as stragglers, up to three a client.
 */
void
fixture_census(struct fixture *f, const char *endpoint, int64_t ago_ms, const char *spec)
{
	struct reading r = { .kind = READING_CENSUS, .outcome = SAW };
	struct census *c = &r.census;
	char client[64], name[160];
	unsigned plain, tls, i;

	r.subject = endpoint_of(f, endpoint);
	r.at_ms = FIXTURE_NOW_MS - ago_ms;
	c->connections_total = c->unaccounted = -1;
	c->own_tls = 1;
	while (sscanf(spec, " %63s %u %u", client, &plain, &tls) == 3) {
		int link = NONE;

		if (strcmp(client, "?") != 0) {
			struct link_count *count = mem_push(&c->links, &c->nlinks, sizeof(*c->links));

			snprintf(name, sizeof(name), "%s -> %s", client, endpoint);
			if ((link = fleet_link(f->fleet, name)) == NONE)
				die(name, NULL);
			count->link = link;
			count->plain = plain;
			count->tls = tls;
		} else {
			c->undeclared_plain += plain;
			c->undeclared_tls += tls;
		}
		c->total += plain + tls;
		for (i = 0; i < plain && i < 3; i++) {
			struct straggler *g = mem_push(&c->stragglers, &c->nstragglers, sizeof(*g));

			g->link = link;
			g->address = mem_printf("10.0.0.%u", 20 + (unsigned)r.subject * 10 + i);
			g->user = mem_strdup("app");
			g->database = mem_strdup("app");
			g->application = mem_strdup(link == NONE ? "pg_dump" : "");
			g->age_s = 310 + (int64_t)i * 60;
			g->port = 50000 + (int)i;
		}
		spec += strcspn(spec, ";");
		spec += *spec == ';';
	}
	board_feed(f->board, &r);
}

void
fixture_served(struct fixture *f, const char *endpoint, int64_t ago_ms, bool plain, bool tls,
    bool verified)
{
	struct reading r = { .kind = READING_SERVED, .outcome = SAW };
	struct served *v = &r.served;
	const struct endpoint *e;
	size_t i;

	r.subject = endpoint_of(f, endpoint);
	e = &f->fleet->endpoints[r.subject];
	r.at_ms = FIXTURE_NOW_MS - ago_ms;
	v->plain = plain ? LEG_OPEN : LEG_REFUSED;
	v->tls = tls ? LEG_OPEN : LEG_REFUSED;
	if (!tls)
		v->tls_why = mem_strdup("the server does not support ssl");
	if (tls) {
		v->protocol = mem_strdup("TLSv1.3");
		v->cipher = mem_strdup("TLS_AES_256_GCM_SHA384");
		v->chain = verified ? VERIFIED_OK : VERIFIED_BAD;
		if (!verified)
			v->chain_why = mem_strdup("unable to get local issuer certificate");
		v->nnames = e->names.n;
		for (i = 0; i < e->names.n; i++)
			v->name[i] = verified ? VERIFIED_OK : VERIFIED_NOT_TRIED;
		v->cert.subject = mem_strdup("CN = db.internal");
		v->cert.issuer = mem_strdup("CN = internal ca");
		v->cert.names[v->cert.nnames++] = mem_strdup("DNS:db.internal");
		v->cert.names[v->cert.nnames++] = mem_strdup("DNS:pool.internal");
		v->cert.not_before_s = FIXTURE_NOW_MS / 1000 - 86400;
		v->cert.not_after_s = FIXTURE_NOW_MS / 1000 + INT64_C(89) * 86400 + 3600;
		v->cert.key = mem_strdup("ECDSA P-256");
		snprintf(v->cert.sha256, sizeof(v->cert.sha256),
		    "4be1c9d02f7a6a3a91d3a6ce9b0e35c1f2a7708d5bb1d9f5e0a3c4b5d6e7f809");
	}
	board_feed(f->board, &r);
}

#define FACETS_MAX 64
static struct facet_seen facets[FACETS_MAX];
static int facet_hosts[FACETS_MAX];
static size_t nfacets;

static void
put_facet(int host, int facet, int subject, int value)
{
	if (nfacets == FACETS_MAX)
		die("too many facets", NULL);
	facets[nfacets] = (struct facet_seen){ .facet = facet, .subject = subject, .value = value };
	facet_hosts[nfacets++] = host;
}

void
fixture_dial(struct fixture *f, const char *name, enum dial dial)
{
	int link = fleet_link(f->fleet, name);

	if (link == NONE)
		die(name, NULL);
	put_facet(link_host(f->fleet, &f->fleet->links[link]), FACET_DIAL, link, (int)dial);
}

void
fixture_accept(struct fixture *f, const char *name, enum accept accept)
{
	int e = endpoint_of(f, name);

	put_facet(f->fleet->endpoints[e].host, FACET_ACCEPT, e, (int)accept);
}

void
fixture_hosts(struct fixture *f, int64_t ago_ms)
{
	size_t h, i;

	for (h = 0; h < f->fleet->nhosts; h++) {
		struct reading r = { .kind = READING_HOST, .outcome = SAW };
		struct host_view hv = { .reach = REACH_UP, .transport = "libssh2" };

		r.subject = (int)h;
		r.at_ms = FIXTURE_NOW_MS - ago_ms;
		for (i = 0; i < nfacets; i++)
			if (facet_hosts[i] == (int)h) {
				struct facet_seen *to = mem_push(&r.facets, &r.nfacets, sizeof(*to));

				*to = facets[i];
				to->detail = mem_strdup("");
			}
		/* Where it is asked to, its process is told. */
		if (f->processes && strcmp(f->fleet->hosts[h].name, "web-1") == 0) {
			struct socket_seen *to = mem_push(&r.sockets, &r.nsockets, sizeof(*to));

			*to = (struct socket_seen){ mem_strdup("10.0.0.31"), 50001, 6432, mem_strdup("gunicorn"), 4711 };
		}
		board_feed(f->board, &r);
		hv.since_ms = FIXTURE_NOW_MS - 3600000;
		board_host(f->board, (int)h, &hv);
	}
	nfacets = 0;
}

void
fixture_halfway(struct fixture *f)
{
	static const char *const services[] = { "api", "web", "voice", "ops" };
	char name[64];
	size_t i;

	if (f->plan != NULL) {
		fixture_phase(f, "certs", PHASE_MET, NULL);
		fixture_phase(f, "pg-both", PHASE_DONE, NULL);
		fixture_phase(f, "leg2", PHASE_DONE, NULL);
		fixture_phase(f, "pgb-both", PHASE_DONE, NULL);
		fixture_phase(f, "flip-api-pg", PHASE_DONE, NULL);
		f->texts[fixture_step(f, "flip-web-pg")][0] =
		    "-DATABASE_SSL_MODE=disable\n+DATABASE_SSL_MODE=verify-full\n"
		    "+DATABASE_SSL_CA=/srv/app/run/tls/ca.crt\n";
	}
	fixture_census(f, "postgres", 1000, "pgbouncer 0 20; ? 1 0");
	fixture_census(f, "pgbouncer", 1000, "api 0 8; web 6 0; voice 5 2; ops 0 0");
	fixture_census(f, "redis", 2000, "api 4 0; web 3 0; voice 2 0; ops 1 0; otel 1 0");
	fixture_served(f, "postgres", 9000, true, true, true);
	fixture_served(f, "pgbouncer", 9000, true, true, true);
	fixture_served(f, "redis", 9000, true, false, false);
	fixture_dial(f, "pgbouncer -> postgres", DIAL_VERIFY_CA);
	fixture_accept(f, "postgres", ACCEPT_BOTH);
	fixture_accept(f, "pgbouncer", ACCEPT_BOTH);
	fixture_accept(f, "redis", ACCEPT_PLAIN);
	for (i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s -> pgbouncer", services[i]);
		fixture_dial(f, name, i == 0 ? DIAL_VERIFY_FULL : DIAL_DISABLE);
		snprintf(name, sizeof(name), "%s -> redis", services[i]);
		fixture_dial(f, name, DIAL_DISABLE);
	}
	fixture_hosts(f, 4000);
}
