/*
 * reload: a unit that its server's own console reloads, under the lock of its host.
 *
 *	postgres	pg_reload_conf(); done when pg_conf_load_time() has moved, as the
 *			session that asked sees it
 *	pgbouncer	RELOAD, in the session that has just seen that no server connection
 *			is logging in, and for a while only at a moment when none is
 *			about to: 1.18 takes one that is cut for a failed login, and
 *			turns away everybody who waits for a server (pooler.h)
 *	redis		CONFIG SET tls-cert-file to what it is, which reads certificate, key and
 *			CA again; 7.0.0 takes that for no change
 *
 * To do it twice is as good as once: the record of one that was cut is repeated.
 */
#include "remote/activate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/reader.h"
#include "remote/held.h"
#include "remote/hostops_int.h"
#include "remote/pooler.h"
#include "remote/statement.h"

#define AGAIN_MS	50
#define ANSWER_MS	2000	/* what is left of the deadline for telling how it ended */

struct reload {
	struct statement *statement;
	char	 loaded[64];	/* when Postgres last did */
	char	*path;		/* of Redis' certificate */
	struct pairs sizes;		/* of a PgBouncer's pools; see pooler.h */
	int64_t	 began;		/* loop time */
	bool	 well;
};

static void	ask(struct hostop *);

void
reload_free(struct reload *r)
{
	if (r == NULL)
		return;
	statement_free(r->statement);
	free(r->path);
	pairs_release(&r->sizes);
	free(r);
}

static void
let_go(struct hostop *h)
{
	if (h->reload->well)
		hostop_await_back(h, h->verb == OPV_UNDO ? OP_RESTORED : OP_APPLIED, false);
	else
		hostop_finish(h, OP_FAILED);
}

static void
finished(struct hostop *h, bool well)
{
	h->reload->well = well;
	statement_free(h->reload->statement);
	h->reload->statement = NULL;
	held_end(h, well, let_go);
}

/* True: it was carried out.  False: the call has ended, or is about to. */
static bool
carried_out(struct hostop *h, const struct statement_reply *r)
{
	switch (r->end) {
	case STATEMENT_DONE:
		return true;
	case STATEMENT_LOST:
		if (!h->wrote)
			break;
		hostop_say(h, "the server did not say whether it reloads: %s", r->why);
		hostop_finish(h, OP_CUT);
		return false;
	case STATEMENT_REFUSED:
	case STATEMENT_NOT_SENT:
		break;
	}
	hostop_say(h, "not reloaded: %s", r->why);
	finished(h, false);
	return false;
}

static void
ask_later(uv_timer_t *timer)
{
	ask(timer->data);
}

/* False: the deadline is over, and so is the call. */
static bool
again(struct hostop *h, const char *why)
{
	if (h->due - (int64_t)uv_now(h->set->c.loop) > ANSWER_MS) {
		(void)uv_timer_start(&h->timer, ask_later, AGAIN_MS, 0);
		return true;
	}
	hostop_say(h, "%s", why);
	finished(h, false);
	return false;
}

/* ---- postgres ---- */

static const char loaded_sql[] = "SELECT pg_catalog.pg_conf_load_time()::text AS at";

static void
told_postgres(void *arg, const struct statement_reply *r)
{
	struct hostop *h = arg;
	const char *ok = statement_value(r, 0, "ok");

	if (!carried_out(h, r))
		return;
	if (ok == NULL || ok[0] != 't') {
		hostop_say(h, "not reloaded: Postgres says that it could not tell its processes");
		finished(h, false);
	} else
		ask(h);
}

static void
loaded(void *arg, const struct statement_reply *r)
{
	struct hostop *h = arg;
	struct reload *x = h->reload;
	const char *at = statement_value(r, 0, "at");

	if (!carried_out(h, r))
		return;
	if (x->loaded[0] == '\0') {
		(void)snprintf(x->loaded, sizeof(x->loaded), "%s", at == NULL || at[0] == '\0' ? "?" : at);
		h->wrote = true;
		statement_sql(x->statement, "SELECT pg_catalog.pg_reload_conf() AS ok", told_postgres, h);
	} else if (at != NULL && strcmp(at, x->loaded) != 0)
		finished(h, true);
	else
		(void)again(h, "Postgres was told to reload, and has not done so");
}

/* ---- pgbouncer ---- */

static void
told_pgbouncer(void *arg, const struct statement_reply *r)
{
	if (carried_out(arg, r))
		finished(arg, true);
}

static void
pools(void *arg, const struct statement_reply *r)
{
	struct hostop *h = arg;
	struct reload *x = h->reload;

	if (!carried_out(h, r))
		return;
	if (!pooler_will_do(pooler_calm(r, NULL, &x->sizes), x->began, h->due - x->began,
	    (int64_t)uv_now(h->set->c.loop))) {
		(void)again(h, "not reloaded: PgBouncer has servers logging in all the time, and would take a cut "
		    "login for a failed one");
		return;
	}
	h->wrote = true;
	statement_sql(x->statement, "RELOAD", told_pgbouncer, h);
}

static void
databases(void *arg, const struct statement_reply *r)
{
	struct hostop *h = arg;

	if (!carried_out(h, r))
		return;
	pooler_sizes(r, &h->reload->sizes);
	statement_sql(h->reload->statement, "SHOW POOLS", pools, h);
}

/* ---- redis ---- */

static void
told_redis(void *arg, const struct statement_reply *r)
{
	if (carried_out(arg, r))
		finished(arg, true);
}

static void
version(void *arg, const struct statement_reply *r)
{
	static const char mark[] = "redis_version:";
	struct hostop *h = arg;
	const char *info = statement_value(r, 0, "value"), *v;
	const char *argv[] = { "CONFIG", "SET", "tls-cert-file", h->reload->path };

	if (!carried_out(h, r))
		return;
	v = info == NULL ? NULL : strstr(info, mark);
	if (v != NULL && strncmp(v + sizeof(mark) - 1, "7.0.0", 5) == 0 && strchr("\r\n", v[sizeof(mark) + 4]) != NULL) {
		hostop_say(h, "not reloaded: Redis 7.0.0 does not read a certificate again that has the same path; restart it");
		finished(h, false);
		return;
	}
	h->wrote = true;
	statement_command(h->reload->statement, 4, argv, told_redis, h);
}

static void
certificate(void *arg, const struct statement_reply *r)
{
	static const char *const argv[] = { "INFO", "server" };
	static const char none[] = "it has no certificate, so there is none to read again";
	struct hostop *h = arg;
	const char *path = statement_value(r, 1, "value");

	if (!carried_out(h, r))
		return;
	if (path == NULL || path[0] == '\0') {
		hostop_set_text(h, none, sizeof(none) - 1);
		finished(h, true);
		return;
	}
	h->reload->path = mem_strdup(path);
	statement_command(h->reload->statement, 2, argv, version, h);
}

/* ---- all ---- */

static void
ask(struct hostop *h)
{
	static const char *const argv[] = { "CONFIG", "GET", "tls-cert-file" };
	struct statement *s = h->reload->statement;

	switch (h->set->c.fleet->endpoints[h->op->endpoint].kind) {
	case KIND_POSTGRES:
		statement_sql(s, loaded_sql, loaded, h);
		return;
	case KIND_PGBOUNCER:
		if (h->reload->sizes.n == 0)
			statement_sql(s, "SHOW DATABASES", databases, h);
		else
			statement_sql(s, "SHOW POOLS", pools, h);
		return;
	case KIND_REDIS:
		statement_command(s, 3, argv, certificate, h);
		return;
	}
}

static void
locked(struct hostop *h)
{
	int64_t left = h->due - (int64_t)uv_now(h->set->c.loop) - ANSWER_MS / 2;

	h->reload->began = (int64_t)uv_now(h->set->c.loop);
	h->reload->statement = statement_new(h->set->c.probes, h->op->endpoint, left < 1 ? 1 : left);
	ask(h);
}

void
hostop_reload(struct hostop *h)
{
	const struct fleet *f = h->set->c.fleet;

	if (h->set->c.probes == NULL || h->op->endpoint < 0 || (size_t)h->op->endpoint >= f->nendpoints) {
		hostop_say(h, "there is no server to be told");
		hostop_finish(h, OP_FAILED);
		return;
	}
	h->reload = mem_alloc(sizeof(*h->reload));
	held_begin(h, true, locked);
}
