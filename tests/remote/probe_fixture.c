/*
 * probe_fixture: see probe_fixture.h.
 */
#include "probe_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session.h"

struct servers sv;
struct bench bench;

static char *names[] = { "db.internal", "127.0.0.1" };
static char *app_user[] = { "app" }, *other_user[] = { "other" }, *anywhere[] = { "127.0.0.0/8" };
static int served[] = { EP_POSTGRES, EP_PGBOUNCER, EP_REDIS };
static struct host hosts[] = { { .name = "db", .local = true } };
static struct client clients[] = {
	{ .name = "app", .unit = NONE, .host = 0, .pools = NONE },
	{ .name = "other", .unit = NONE, .host = NONE, .pools = NONE },
};
static struct cert certs[] = { { .name = "internal", .serves = { served, EP_COUNT } } };
static struct secret secrets[] = { { .name = "probe" } };

static struct session *
session_of(void *arg, int host)
{
	assert_int_equal(host, 0);
	return ((struct bench *)arg)->session;
}

static const char *
secret_of(void *arg, int secret, const char **ret_why)
{
	assert_int_equal(secret, 0);
	*ret_why = "not given yet";
	return ((struct bench *)arg)->password;
}

void
bench_up(struct bench *b, const struct servers *s)
{
	static const char *const ep_names[] = { "postgres", "pgbouncer", "redis" };
	struct session_config sc;
	struct probes_config pc;
	int i;

	memset(b, 0, sizeof(*b));
	assert_int_equal(uv_loop_init(&b->loop), 0);
	(void)uv_timer_init(&b->loop, &b->timer);
	b->timer.data = b;
	b->keyring = keyring_new(&b->loop);
	memset(&sc, 0, sizeof(sc));
	sc.name = "db";
	sc.local = true;
	b->session = session_new(&b->loop, b->keyring, &sc, NULL, NULL);

	for (i = 0; i < EP_COUNT; i++) {
		struct endpoint *e = &b->endpoints[i];

		e->name = (char *)(uintptr_t)ep_names[i];
		e->kind = (enum kind)i;
		e->host = 0;
		e->unit = e->via = e->log_host = NONE;
		e->at = (char *)(uintptr_t)"127.0.0.1";
		e->names.v = names;
		e->names.n = 2;
		e->probe_secret = 0;
		e->probe_user = i == EP_REDIS ? NULL : (char *)(uintptr_t)"belay_probe";
		e->probe_database = i == EP_POSTGRES ? (char *)(uintptr_t)"postgres" : NULL;
		e->one_port = i != EP_REDIS;
		e->port_plain = i == EP_POSTGRES ? s->postgres_port : i == EP_PGBOUNCER ? s->pgbouncer_port :
		    s->redis_port;
		e->port_tls = i == EP_REDIS ? s->redis_tls_port : e->port_plain;
	}
	for (i = 0; i < LINK_COUNT; i++) {
		b->links[i].client = i == LINK_PG_OTHER;
		b->links[i].match.users.v = i == LINK_PG_OTHER ? other_user : app_user;
		b->links[i].match.users.n = 1;
	}
	b->links[LINK_PG_APP].endpoint = b->links[LINK_PG_OTHER].endpoint = EP_POSTGRES;
	b->links[LINK_PGB_APP].endpoint = EP_PGBOUNCER;
	b->links[LINK_REDIS_APP].endpoint = EP_REDIS;
	b->links[LINK_REDIS_APP].match.users.n = 0;
	b->links[LINK_REDIS_APP].match.addresses.v = anywhere;
	b->links[LINK_REDIS_APP].match.addresses.n = 1;

	b->fleet.hosts = hosts;
	b->fleet.nhosts = 1;
	b->fleet.endpoints = b->endpoints;
	b->fleet.nendpoints = EP_COUNT;
	b->fleet.clients = clients;
	b->fleet.nclients = 2;
	b->fleet.links = b->links;
	b->fleet.nlinks = LINK_COUNT;
	b->fleet.certs = certs;
	b->fleet.ncerts = 1;
	b->fleet.secrets = secrets;
	b->fleet.nsecrets = 1;
	b->password = "probe pw";

	memset(&pc, 0, sizeof(pc));
	pc.loop = &b->loop;
	pc.fleet = &b->fleet;
	pc.session = session_of;
	pc.secret = secret_of;
	pc.arg = b;
	b->probes = probes_new(&pc);
	bench_ca(b, s, "ca");
}

void
bench_ca(struct bench *b, const struct servers *s, const char *name)
{
	char file[64], *pem;

	if (name == NULL) {
		probes_ca(b->probes, 0, NULL, 0);
		return;
	}
	(void)snprintf(file, sizeof(file), "%s.crt", name);
	pem = servers_read(s, file);
	probes_ca(b->probes, 0, pem, strlen(pem));
	free(pem);
}

static void
out_of_time(uv_timer_t *t)
{
	((struct bench *)t->data)->late = true;
}

void
bench_until(struct bench *b, bool (*enough)(void *), void *arg)
{
	b->late = false;
	uv_update_time(&b->loop);
	(void)uv_timer_start(&b->timer, out_of_time, 30000, 0);
	while (!enough(arg) && !b->late)
		(void)uv_run(&b->loop, UV_RUN_ONCE);
	(void)uv_timer_stop(&b->timer);
	if (b->late)
		fail_msg("nothing came for 30 s");
}

void
bench_down(struct bench *b)
{
	time_t end = time(NULL) + 30;

	probes_free(b->probes);
	session_free(b->session);
	keyring_free(b->keyring);
	uv_close((uv_handle_t *)&b->timer, NULL);
	while (uv_loop_alive(&b->loop) && time(NULL) < end)
		(void)uv_run(&b->loop, UV_RUN_NOWAIT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
}

struct wish {
	struct reading reading;
	int came;
};

static void
took(void *arg, struct reading *r)
{
	struct wish *w = arg;

	w->reading = *r;
	w->came++;
}

static bool
came(void *arg)
{
	return ((struct wish *)arg)->came > 0;
}

struct reading
bench_look(struct bench *b, enum reading_kind kind, int endpoint, int64_t deadline_ms)
{
	struct wish w;

	memset(&w, 0, sizeof(w));
	uv_update_time(&b->loop);
	(void)probe_endpoint(b->probes, kind, endpoint, deadline_ms, took, &w);
	assert_int_equal(w.came, 0);
	bench_until(b, came, &w);
	assert_int_equal(w.came, 1);
	return w.reading;
}

struct reading
bench_check(struct bench *b, const struct check *check, int64_t since_ms)
{
	struct wish w;

	memset(&w, 0, sizeof(w));
	uv_update_time(&b->loop);
	(void)probe_check(b->probes, check, since_ms, 10000, took, &w);
	assert_int_equal(w.came, 0);
	bench_until(b, came, &w);
	assert_int_equal(w.came, 1);
	return w.reading;
}

/* --- in words ------------------------------------------------------------ */

static const char *
leg_word(enum leg leg)
{
	static const char *const words[] = { "unknown", "open", "refused", "closed", "silent" };

	return words[leg];
}

static const char *
verified_word(enum verified v)
{
	static const char *const words[] = { "not tried", "ok", "bad" };

	return words[v];
}

const char *
bench_outcome_word(enum outcome o)
{
	static const char *const words[] = { "saw", "part", "not" };

	return words[o];
}

/* One line: "saw: plain open, tls open, chain ok, names ok ok". */
const char *
bench_served_line(const struct reading *r)
{
	static char line[2048];
	struct buf b = { 0 };
	size_t i;

	buf_printf(&b, "%s: plain %s, tls %s, chain %s, names", bench_outcome_word(r->outcome),
	    leg_word(r->served.plain), leg_word(r->served.tls), verified_word(r->served.chain));
	for (i = 0; i < r->served.nnames; i++)
		buf_printf(&b, " %s", verified_word(r->served.name[i]));
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_release(&b);
	return line;
}

void
bench_expect_served(int endpoint, const char *line)
{
	struct reading r = bench_look(&bench, READING_SERVED, endpoint, 10000);

	if (strcmp(bench_served_line(&r), line) != 0)
		fail_msg("'%s'\n  but expected '%s'\n  (%s; plain: %s; tls: %s; chain: %s)", bench_served_line(&r),
		    line, r.why, r.served.plain_why, r.served.tls_why, r.served.chain_why);
	reading_release(&r);
}

/* "saw over tls, verified: 0: 2 tls 1 plain; …; undeclared 0 tls 1 plain". */
const char *
bench_census_line(const struct reading *r)
{
	static char line[2048];
	struct buf b = { 0 };
	size_t i;

	buf_printf(&b, "%s over %s:", bench_outcome_word(r->outcome), r->over == NULL ? "nothing" : r->over);
	for (i = 0; i < r->census.nlinks; i++)
		buf_printf(&b, " link %d %u tls %u plain;", r->census.links[i].link,
		    (unsigned)r->census.links[i].tls, (unsigned)r->census.links[i].plain);
	buf_printf(&b, " undeclared %u tls %u plain", (unsigned)r->census.undeclared_tls,
	    (unsigned)r->census.undeclared_plain);
	(void)snprintf(line, sizeof(line), "%s", buf_str(&b));
	buf_release(&b);
	return line;
}

void
bench_expect_census(int endpoint, const char *line)
{
	struct reading r = bench_look(&bench, READING_CENSUS, endpoint, 10000);

	if (strcmp(bench_census_line(&r), line) != 0)
		fail_msg("'%s'\n  but expected '%s'\n  (%s)", bench_census_line(&r), line, r.why);
	reading_release(&r);
}

const char *
bench_setting(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.n; i++)
		if (strcmp(r->settings.v[i].key, name) == 0)
			return r->settings.v[i].value;
	return "(none)";
}

/* Every bad certificate: what is said of the chain, and of db.internal and 127.0.0.1. */
const struct bench_bad bench_bad[BENCH_BAD_COUNT] = {
	{ "good",	"chain ok, names ok ok" },
	{ "rsa",	"chain ok, names ok ok" },
	{ "expired",	"chain bad, names ok ok" },
	{ "future",	"chain bad, names ok ok" },
	{ "wrongname",	"chain ok, names bad bad" },
	{ "cnonly",	"chain ok, names bad bad" },
	{ "wildcard",	"chain ok, names bad bad" },
	{ "ipasdns",	"chain ok, names bad bad" },
	{ "clientonly",	"chain bad, names ok ok" },
	{ "stranger",	"chain bad, names ok ok" },
	{ "selfsigned",	"chain bad, names ok ok" },
	{ "deep",	"chain bad, names ok ok" },
};

void
bench_pgbouncer(const char *mode, const char *cert, const char *more)
{
	char *lines = mem_printf("stats_users = belay_probe\nclient_tls_sslmode = %s\nclient_tls_cert_file = %s/%s.crt\n"
	    "client_tls_key_file = %s/%s.key\nclient_tls_ca_file = %s/ca.crt\n%s\n", mode, sv.dir, cert,
	    sv.dir, cert, sv.dir, more);

	servers_pgbouncer(&sv, lines);
	free(lines);
}

static char redis_words[12][300];

/* plain and tls: which listeners; cert: of the tls one. */
void
bench_redis(bool plain, bool tls, const char *cert, const char *more, const char *value)
{
	const char *argv[20];
	int n = 0, w = 0;

#define WORD(...) ((void)snprintf(redis_words[w], sizeof(redis_words[w]), __VA_ARGS__), argv[n++] = redis_words[w++])
	argv[n++] = "--port";
	WORD("%d", plain ? sv.redis_port : 0);
	argv[n++] = "--tls-port";
	WORD("%d", tls ? sv.redis_tls_port : 0);
	if (tls) {
		argv[n++] = "--tls-cert-file";
		WORD("%s/%s.crt", sv.dir, cert);
		argv[n++] = "--tls-key-file";
		WORD("%s/%s.key", sv.dir, cert);
		argv[n++] = "--tls-ca-cert-file";
		WORD("%s/ca.crt", sv.dir);
		if (more == NULL || strcmp(more, "--tls-auth-clients") != 0) {
			argv[n++] = "--tls-auth-clients";
			argv[n++] = "no";
		}
	}
	argv[n++] = "--requirepass";
	argv[n++] = "probe pw";
	if (more != NULL) {
		argv[n++] = more;
		argv[n++] = value;
	}
	argv[n] = NULL;
#undef WORD
	servers_redis(&sv, argv);
}

struct victim {
	uv_tcp_t tcp;
	struct liar *liar;
	char in[4096];
};

static void
victim_gone(uv_handle_t *h)
{
	free(h);
}

static void
said(uv_write_t *req, int status)
{
	struct victim *v = req->data;

	(void)status;
	if (v->liar->hang_up && !uv_is_closing((uv_handle_t *)&v->tcp))
		uv_close((uv_handle_t *)&v->tcp, victim_gone);
	free(req);
}

static void
lie(struct victim *v)
{
	struct liar *l = v->liar;
	uv_write_t *req;
	uv_buf_t b;
	size_t i;

	if (l->len == 0)
		return;
	for (i = 0; i < l->times; i++) {
		req = mem_alloc(sizeof(*req));
		req->data = v;
		b = uv_buf_init((char *)(uintptr_t)l->text, (unsigned)l->len);
		(void)uv_write(req, (uv_stream_t *)&v->tcp, &b, 1, said);
	}
}

static void
victim_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
	struct victim *v = (struct victim *)h;

	(void)n;
	*b = uv_buf_init(v->in, sizeof(v->in));
}

static void
victim_read(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct victim *v = (struct victim *)h;

	(void)b;
	if (n < 0)
		uv_close((uv_handle_t *)h, victim_gone);
	else if (n > 0)
		lie(v);
}

static void
victim_came(uv_stream_t *server, int status)
{
	struct victim *v = mem_alloc(sizeof(*v));

	assert_int_equal(status, 0);
	v->liar = (struct liar *)server;
	v->liar->met++;
	assert_int_equal(uv_tcp_init(server->loop, &v->tcp), 0);
	assert_int_equal(uv_accept(server, (uv_stream_t *)&v->tcp), 0);
	(void)uv_read_start((uv_stream_t *)&v->tcp, victim_alloc, victim_read);
}

int
liar_up(struct liar *l, const char *text, size_t len)
{
	struct sockaddr_in a;
	struct sockaddr_storage name;
	int namelen = sizeof(name);

	memset(l, 0, sizeof(*l));
	l->text = text;
	l->len = len;
	l->times = 1;
	assert_int_equal(uv_tcp_init(&bench.loop, &l->server), 0);
	assert_int_equal(uv_ip4_addr("127.0.0.1", 0, &a), 0);
	assert_int_equal(uv_tcp_bind(&l->server, (struct sockaddr *)&a, 0), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&l->server, 8, victim_came), 0);
	assert_int_equal(uv_tcp_getsockname(&l->server, (struct sockaddr *)&name, &namelen), 0);
	return ntohs(((struct sockaddr_in *)(void *)&name)->sin_port);
}

void
liar_down(struct liar *l)
{
	uv_close((uv_handle_t *)&l->server, NULL);
	(void)uv_run(&bench.loop, UV_RUN_NOWAIT);
	(void)uv_run(&bench.loop, UV_RUN_NOWAIT);
}

int
bench_group_up(void **state)
{
	(void)state;
	servers_up(&sv);
	/* Starts once, so that ports and roles are there. */
	servers_postgres(&sv, "good", BENCH_HBA_BOTH, "");
	servers_sql(&sv, "GRANT pg_monitor TO belay_probe");
	sv.pgbouncer_port = port_free();
	sv.redis_port = port_free();
	sv.redis_tls_port = port_free();
	return 0;
}

int
bench_group_down(void **state)
{
	(void)state;
	servers_down(&sv);
	return 0;
}

int
bench_case_up(void **state)
{
	(void)state;
	bench_up(&bench, &sv);
	return 0;
}

int
bench_case_down(void **state)
{
	(void)state;
	bench_down(&bench);
	return 0;
}
