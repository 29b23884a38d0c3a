/*
 * pooler: see pooler.h.
 *
 * SHOW SERVERS says whose backend is whose: its remote_pid is the process id at a
 * Postgres, wherever an address was translated on the way.  SHOW DATABASES says how
 * large a pool becomes.  Then for each database
 * SHOW POOLS until the moment is right, and RECONNECT behind it, in the same session.
 *
 * It does not look what became of them: whoever asked sees that at the server.
 */
#include "remote/pooler.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/fleet.h"
#include "core/mem.h"
#include "core/reader.h"
#include "remote/probe_int.h"
#include "remote/statement.h"

#define AGAIN_MS	50
#define ANSWER_MS	1000	/* what is left of the deadline for the last question */
#define PATIENCE_MS	5000
#define CONSOLE		"pgbouncer"	/* its own pool, in which we are */

struct pooler {
	struct probes *probes;
	struct statement *statement;
	uv_timer_t *timer;
	struct strings pids, databases, told;
	struct pairs sizes;
	size_t	 at;
	int64_t	 began, due;	/* loop time */
	pooler_done *done;
	void	*arg;
};

static void	ask_pools(struct pooler *);

/* ---- the moment ---- */

static long
number(const struct statement_reply *r, size_t row, const char *column)
{
	const char *value = statement_value(r, row, column);

	return value == NULL ? 0 : strtol(value, NULL, 10);
}

void
pooler_sizes(const struct statement_reply *r, struct pairs *ret)
{
	const char *name;
	struct pair *pair;
	size_t i;

	for (i = 0; i < r->nrows; i++) {
		if ((name = statement_value(r, i, "name")) == NULL || number(r, i, "pool_size") <= 0)
			continue;
		pair = mem_push(&ret->v, &ret->n, sizeof(*ret->v));
		pair->key = mem_strdup(name);
		pair->value = mem_printf("%ld", number(r, i, "pool_size") + number(r, i, "reserve_pool"));
	}
}

static bool
is_full(const struct statement_reply *r, size_t row, const char *database, const struct pairs *sizes)
{
	static const char *const states[] = { "sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used", "sv_tested" };
	long servers = 0;
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		servers += number(r, row, states[i]);
	for (i = 0; i < sizes->n; i++)
		if (database != NULL && strcmp(sizes->v[i].key, database) == 0)
			return servers >= strtol(sizes->v[i].value, NULL, 10);
	return false;
}

/*
 * Whether nobody of the pool is about to have a login begun.  In a session pool
 * who is connected keeps its server: there is nobody in want of one while they are not
 * more than the servers that are taken.
 */
static enum calm
calm_of_pool(const struct statement_reply *r, size_t row, const char *database, const struct pairs *sizes)
{
	const char *mode = statement_value(r, row, "pool_mode");
	long clients = number(r, row, "cl_active"), waiting = number(r, row, "cl_waiting");

	if (number(r, row, "sv_login") > 0)
		return CALM_NOT;
	if (clients + waiting == 0 || is_full(r, row, database, sizes))
		return CALM_SURE;
	if (waiting > 0)
		return CALM_NOW;
	/* Of those that were idle for a while one is tried first, and then taken. */
	if (number(r, row, "sv_idle") + number(r, row, "sv_used") + number(r, row, "sv_tested") > 0)
		return CALM_WELL;
	return mode != NULL && strcmp(mode, "session") == 0 && clients <= number(r, row, "sv_active") ? CALM_WELL :
	    CALM_NOW;
}

enum calm
pooler_calm(const struct statement_reply *r, const char *database, const struct pairs *sizes)
{
	enum calm calm = CALM_SURE, one;
	const char *of;
	size_t i;

	for (i = 0; i < r->nrows; i++) {
		of = statement_value(r, i, "database");
		if (of != NULL && (strcmp(of, CONSOLE) == 0 || (database != NULL && strcmp(of, database) != 0)))
			continue;
		one = calm_of_pool(r, i, of, sizes);
		calm = one < calm ? one : calm;
	}
	return calm;
}

bool
pooler_will_do(enum calm calm, int64_t began, int64_t left_ms, int64_t now)
{
	int64_t patience = left_ms / 2 < PATIENCE_MS ? left_ms / 2 : PATIENCE_MS;

	switch (calm) {
	case CALM_NOT:
		return false;
	case CALM_NOW:
		return now - began >= patience;
	case CALM_WELL:
		return now - began >= patience / 2;
	case CALM_SURE:
		return true;
	}
	return false;
}

/* ---- the end ---- */

static void
timer_closed(uv_handle_t *timer)
{
	free(timer);
}

void
pooler_free(struct pooler *p)
{
	if (p == NULL)
		return;
	statement_free(p->statement);
	uv_close((uv_handle_t *)p->timer, timer_closed);
	strings_release(&p->pids);
	strings_release(&p->databases);
	strings_release(&p->told);
	pairs_release(&p->sizes);
	free(p);
}

static void
end(struct pooler *p, enum pooler_end how, const char *why)
{
	p->done(p->arg, how, &p->told, why);
}

static int64_t
left_ms(const struct pooler *p)
{
	return p->due - (int64_t)uv_now(p->probes->c.loop);
}

/* ---- what is asked and told ---- */

static void
reconnected(void *arg, const struct statement_reply *r)
{
	struct pooler *p = arg;

	/* An answer that was lost is one all the same: who asked looks at the server. */
	if (r->end == STATEMENT_REFUSED) {
		end(p, POOLER_CANNOT, r->why);
		return;
	}
	if (r->end == STATEMENT_NOT_SENT) {
		end(p, POOLER_FAILED, r->why);
		return;
	}
	strings_push(&p->told, mem_strdup(p->databases.v[p->at]));
	if (r->end == STATEMENT_LOST) {
		end(p, POOLER_FAILED, r->why);
		return;
	}
	p->at++;
	ask_pools(p);
}

/* As the console reads a name; a dot is a part of it. */
static void
put_database(struct buf *out, const char *name)
{
	(void)buf_putc(out, '"');
	for (; *name != '\0'; name++) {
		if (*name == '"')
			(void)buf_putc(out, '"');
		(void)buf_putc(out, *name);
	}
	(void)buf_putc(out, '"');
}

static void
pools_later(uv_timer_t *timer)
{
	ask_pools(timer->data);
}

static void
pools(void *arg, const struct statement_reply *r)
{
	struct pooler *p = arg;
	struct buf sql;

	if (r->end != STATEMENT_DONE) {
		end(p, POOLER_FAILED, r->why);
		return;
	}
	if (pooler_will_do(pooler_calm(r, p->databases.v[p->at], &p->sizes), p->began, p->due - p->began,
	    (int64_t)uv_now(p->probes->c.loop))) {
		buf_init(&sql, 0);
		(void)buf_puts(&sql, "RECONNECT ");
		put_database(&sql, p->databases.v[p->at]);
		statement_sql(p->statement, buf_str(&sql), reconnected, p);
		buf_release(&sql);
	} else if (left_ms(p) > ANSWER_MS)
		(void)uv_timer_start(p->timer, pools_later, AGAIN_MS, 0);
	else
		end(p, POOLER_FAILED, "it has servers logging in all the time, and would take a cut login for a failed one");
}

static void
ask_pools(struct pooler *p)
{
	if (p->at == p->databases.n)
		end(p, POOLER_TOLD, NULL);
	else
		statement_sql(p->statement, "SHOW POOLS", pools, p);
}

static void
databases(void *arg, const struct statement_reply *r)
{
	struct pooler *p = arg;

	if (r->end != STATEMENT_DONE) {
		end(p, POOLER_FAILED, r->why);
		return;
	}
	pooler_sizes(r, &p->sizes);
	ask_pools(p);
}

static void
servers(void *arg, const struct statement_reply *r)
{
	struct pooler *p = arg;
	const char *pid, *tls, *database;
	size_t i;

	if (r->end != STATEMENT_DONE) {
		end(p, POOLER_FAILED, r->why);
		return;
	}
	for (i = 0; i < r->nrows; i++) {
		pid = statement_value(r, i, "remote_pid");
		tls = statement_value(r, i, "tls");
		database = statement_value(r, i, "database");
		if (pid != NULL && database != NULL && (tls == NULL || tls[0] == '\0') && strings_has(&p->pids, pid) &&
		    !strings_has(&p->databases, database))
			strings_push(&p->databases, mem_strdup(database));
	}
	statement_sql(p->statement, "SHOW DATABASES", databases, p);
}

struct pooler *
pooler_reconnect(struct probes *probes, int endpoint, const struct strings *pids, int64_t deadline_ms,
    pooler_done *done, void *arg)
{
	struct pooler *p = mem_alloc(sizeof(*p));
	size_t i;

	p->probes = probes;
	p->began = (int64_t)uv_now(probes->c.loop);
	p->due = p->began + deadline_ms;
	p->done = done;
	p->arg = arg;
	for (i = 0; i < pids->n; i++)
		strings_push(&p->pids, mem_strdup(pids->v[i]));
	p->timer = mem_alloc(sizeof(*p->timer));
	(void)uv_timer_init(probes->c.loop, p->timer);
	p->timer->data = p;
	p->statement = statement_new(probes, endpoint, deadline_ms);
	statement_sql(p->statement, "SHOW SERVERS", servers, p);
	return p;
}
