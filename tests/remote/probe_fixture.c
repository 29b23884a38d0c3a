/*
 * probe_fixture: see probe_fixture.h.
 */
#include "probe_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session.h"

static char *names[] = { "db.internal", "127.0.0.1" };
static char *app_user[] = { "app" }, *other_user[] = { "other" }, *anywhere[] = { "127.0.0.0/8" };
static int served[] = { EP_POSTGRES, EP_PGBOUNCER, EP_REDIS };
static struct host hosts[] = { { .name = "db", .local = true } };
static struct client clients[] = {
	{ .name = "app", .unit = NONE, .host = NONE, .pools = NONE },
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
