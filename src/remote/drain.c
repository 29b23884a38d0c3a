/*
 * drain: ends the sessions at an endpoint that are still on plaintext, one at a
 * time, each by name, under the lock of the endpoint's host.
 *
 *	postgres	pg_terminate_backend()
 *	redis		CLIENT KILL ID
 *	pgbouncer	KILL_CLIENT, from 1.24 on; before, no single client can be ended
 *
 * Who is ended: whoever was there when the drain began.  What connects
 * later is left alone, and is said to be there at the end: then the drain has failed.
 * Sessions of clients that the fleet does not know only with `undeclared`; belay's own, and
 * those between a Redis and its replicas, never.
 *
 * Invariants:
 *  1. A session is looked up once more by the statement that ends it, or its id is one
 *     that is never given twice: process ids come again, so Postgres compares
 *     backend_start.
 *  2. Each that was ended is told by one call of h->text(), a line of clean text, before the next
 *     one is.
 *  3. The lock is given back every HOLD_MS: a lease has to be renewed meanwhile.
 *
 * There is no record on the host: who is on plaintext, the server says.  Nothing is undone.
 */
#include "remote/activate.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/census.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/held.h"
#include "remote/hostops_int.h"
#include "remote/pq.h"
#include "remote/probe_int.h"
#include "remote/statement.h"

#define SESSIONS_MAX	2000	/* of one list; what is beyond is met by the next one */
#define NAMED_MAX	200	/* in a preview */
#define HOLD_MS		5000
#define SETTLE_MS	500	/* what was told to end takes a moment to be gone */
#define ANSWER_MS	2000
#define OWN_NAME	"belay"

struct sitting {		/* a session on plaintext */
	char	*id, *began;	/* began: Postgres */
	char	*words;		/* clean text */
	bool	 declared;
};

enum drain_for { FOR_PREVIEW, FOR_ENDING, FOR_THE_END };

struct drain_op {
	struct hostop *h;
	struct statement *statement;
	enum drain_for purpose;
	struct sitting *v;
	size_t	 n, at;
	size_t	 ended, gone, refused, left_alone, left, undeclared;
	char	 since[64];	/* Postgres: when it began; Redis: the id from which on they are newer */
	bool	 since_known;
	bool	 cannot;	/* no single client can be ended here */
	bool	 more;		/* the list was cut */
	int64_t	 hold_until;
	char	 why[ERR_MAX];	/* of the first one refused */
};

static void	list(struct drain_op *);
static void	next_one(struct drain_op *);

static void
forget_list(struct drain_op *d)
{
	size_t i;

	for (i = 0; i < d->n; i++) {
		free(d->v[i].id);
		free(d->v[i].began);
		free(d->v[i].words);
	}
	free(d->v);
	d->v = NULL;
	d->n = d->at = 0;
	d->undeclared = 0;
}

void
drain_free(struct drain_op *d)
{
	if (d == NULL)
		return;
	statement_free(d->statement);
	forget_list(d);
	free(d);
}

static const struct endpoint *
endpoint_of(const struct drain_op *d)
{
	return &d->h->set->c.fleet->endpoints[d->h->op->endpoint];
}

static int64_t
now_ms(const struct drain_op *d)
{
	return (int64_t)uv_now(d->h->set->c.loop);
}

/* ---- who sits there ---- */

static void
add(struct drain_op *d, const char *what, const char *id, const char *began, const struct seen_session *s)
{
	const struct probes *probes = d->h->set->c.probes;
	const struct fleet *f = d->h->set->c.fleet;
	int link = census_link(f, &probes->known, d->h->op->endpoint, s);
	struct sitting *v;
	char *raw;

	if (link == NONE)
		d->undeclared++;
	if (id == NULL || d->n == SESSIONS_MAX) {
		d->more = d->more || d->n == SESSIONS_MAX;
		return;
	}
	v = mem_push(&d->v, &d->n, sizeof(*d->v));
	v->id = mem_strdup(id);
	v->began = mem_strdup(began);
	v->declared = link != NONE;
	raw = mem_printf("%s %s of %s: role %s, database %s, application %s, from %s", what, id,
	    link == NONE ? "an undeclared client" : f->clients[f->links[link].client].name,
	    s->user == NULL ? "?" : s->user, s->database == NULL ? "-" : s->database,
	    s->application == NULL || s->application[0] == '\0' ? "-" : s->application,
	    s->address == NULL ? "?" : s->address);
	v->words = text_clean_dup(raw);
	free(raw);
}

/* A line of its own for the journal, never two. */
static void
tell(struct drain_op *d, const char *what, const struct sitting *who)
{
	struct hostop *h = d->h;
	struct buf b;

	if (h->text == NULL)
		return;
	buf_init(&b, 2048);
	(void)buf_printf(&b, "%s %s\n", what, who->words);
	h->text(h->arg, buf_str(&b), b.len);
	buf_release(&b);
}

static bool
spared(const struct drain_op *d, const struct sitting *who)
{
	return !who->declared && !d->h->op->undeclared;
}

/* ---- the end ---- */

static void
preview(struct drain_op *d)
{
	struct hostop *h = d->h;
	struct buf b;
	size_t i, pass, of_those, named = 0;

	buf_init(&b, OP_TEXT_MAX);
	for (pass = 0; pass < 2; pass++) {
		for (i = 0, of_those = 0; i < d->n; i++)
			of_those += spared(d, &d->v[i]) == (pass == 1);
		if (pass == 0 && of_those > 0)
			(void)buf_printf(&b, "ends %zu%s session%s, which cannot be taken back:\n", of_those,
			    d->more ? " (and more)" : "", of_those == 1 ? "" : "s");
		else if (pass == 0)
			(void)buf_puts(&b, "nobody to be sent away is on plaintext\n");
		else if (of_those > 0)
			(void)buf_printf(&b, "leaves alone %zu of undeclared clients (undeclared: yes ends them too):\n",
			    of_those);
		for (i = 0; i < d->n && named < NAMED_MAX; i++)
			if (spared(d, &d->v[i]) == (pass == 1)) {
				(void)buf_printf(&b, "  %s\n", d->v[i].words);
				named++;
			}
	}
	hostop_set_text(h, buf_str(&b), b.len);
	buf_release(&b);
	for (i = 0, of_those = 0; i < d->n; i++)
		of_those += !spared(d, &d->v[i]);
	if (of_those > 0 && d->cannot) {
		hostop_say(h, "%s", d->why);
		hostop_finish(h, OP_FAILED);
	} else if (h->verb == OPV_RECORD)
		/* Nothing is recorded; what is left to do, the server says. */
		hostop_finish(h, of_those == 0 ? OP_APPLIED : OP_FRESH);
	else
		hostop_finish(h, of_those == 0 ? OP_IN_PLACE : OP_FRESH);
}

static void
total(struct drain_op *d)
{
	struct hostop *h = d->h;
	struct buf b;
	size_t i, still = 0;

	for (i = 0; i < d->n; i++)
		still += !spared(d, &d->v[i]);
	buf_init(&b, OP_TEXT_MAX);
	(void)buf_printf(&b, "ended %zu, gone by themselves %zu", d->ended, d->gone);
	if (d->undeclared > 0 && !h->op->undeclared)
		(void)buf_printf(&b, ", of undeclared clients and left alone %zu", d->undeclared);
	(void)buf_putc(&b, '\n');
	for (i = 0; i < d->n && i < NAMED_MAX; i++)
		(void)buf_printf(&b, "  %s %s\n", spared(d, &d->v[i]) ? "left alone" : "still there", d->v[i].words);
	hostop_set_text(h, buf_str(&b), b.len);
	buf_release(&b);
	if (still == 0) {
		hostop_finish(h, OP_APPLIED);
		return;
	}
	if (d->refused > 0)
		hostop_say(h, "%zu session%s could not be ended: %s", d->refused, d->refused == 1 ? "" : "s", d->why);
	else
		hostop_say(h, "ended %zu, and %zu session%s on plaintext again: %s", d->ended, still,
		    still == 1 ? " is" : "s are", d->v[0].words);
	hostop_finish(h, OP_FAILED);
}

/* ---- listing ---- */

static void	listed(struct drain_op *);

/* What the server did not tell: the call is over. */
static bool
told(struct drain_op *d, const struct statement_reply *r)
{
	struct hostop *h = d->h;

	if (r->end == STATEMENT_DONE)
		return true;
	hostop_say(h, "cannot see who is on plaintext at '%s': %s%s", endpoint_of(d)->name, r->why,
	    d->ended > 0 ? "; some sessions were ended before" : "");
	hostop_finish(h, h->verb == OPV_RECORD ? OP_UNREACHED : OP_FAILED);
	return false;
}

static void
postgres_listed(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	struct seen_session s;
	size_t i;

	if (!told(d, r))
		return;
	for (i = 0; i < r->nrows; i++) {
		memset(&s, 0, sizeof(s));
		s.address = statement_value(r, i, "address");
		s.user = statement_value(r, i, "usename");
		s.database = statement_value(r, i, "datname");
		s.application = statement_value(r, i, "application_name");
		s.age_s = -1;
		add(d, "session", statement_value(r, i, "pid"), statement_value(r, i, "began"), &s);
	}
	listed(d);
}

static void
postgres_list(struct drain_op *d)
{
	struct buf sql;

	buf_init(&sql, 0);
	(void)buf_puts(&sql, "SELECT a.pid, a.backend_start::text AS began, pg_catalog.host(a.client_addr) AS address,"
	    " a.usename, a.datname, a.application_name FROM pg_catalog.pg_stat_activity a"
	    " JOIN pg_catalog.pg_stat_ssl s USING (pid) WHERE a.client_addr IS NOT NULL AND NOT s.ssl"
	    " AND a.usesysid IS NOT NULL AND a.pid <> pg_catalog.pg_backend_pid()"
	    " AND NOT (a.application_name = '" PQ_APPLICATION "' AND a.usename IN (");
	statement_put_literal(&sql, endpoint_of(d)->admin_user);
	(void)buf_puts(&sql, ", ");
	statement_put_literal(&sql, endpoint_of(d)->probe_user == NULL ? "" : endpoint_of(d)->probe_user);
	(void)buf_puts(&sql, "))");
	if (d->since_known && d->purpose == FOR_ENDING) {
		(void)buf_puts(&sql, " AND a.backend_start < ");
		statement_put_literal(&sql, d->since);
	}
	(void)buf_printf(&sql, " ORDER BY a.backend_start LIMIT %d", SESSIONS_MAX);
	statement_sql(d->statement, buf_str(&sql), postgres_listed, d);
	buf_release(&sql);
}

static void
postgres_clock(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const char *now = statement_value(r, 0, "now");

	if (!told(d, r))
		return;
	d->since_known = true;
	(void)snprintf(d->since, sizeof(d->since), "%s", now == NULL ? "now" : now);
	postgres_list(d);
}

/* The value of a field of a line of CLIENT LIST; the caller frees it. */
static char *
field(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name), i = 0, end;

	while (i < len) {
		for (end = i; end < len && line[end] != ' '; end++)
			;
		if (end - i > n && memcmp(line + i, name, n) == 0 && line[i + n] == '=')
			return mem_strndup(line + i + n + 1, end - i - n - 1);
		i = end + 1;
	}
	return NULL;
}

/* An address without its port and brackets. */
static void
cut_port(char *address)
{
	char *colon = address == NULL ? NULL : strrchr(address, ':');

	if (colon == NULL)
		return;
	*colon = '\0';
	if (address[0] == '[' && colon > address + 1 && colon[-1] == ']') {
		colon[-1] = '\0';
		memmove(address, address + 1, strlen(address));
	}
}

static void
redis_line(struct drain_op *d, const char *line, size_t len)
{
	char *id = field(line, len, "id"), *address = field(line, len, "addr"), *laddr = field(line, len, "laddr");
	char *name = field(line, len, "name"), *user = field(line, len, "user"), *flags = field(line, len, "flags");
	const char *port = laddr == NULL ? NULL : strrchr(laddr, ':');
	struct seen_session s;
	bool newer = id != NULL && d->since_known && strtoull(id, NULL, 10) > strtoull(d->since, NULL, 10);
	bool ours = id != NULL && d->since_known && strcmp(id, d->since) == 0;	/* who asked for it */

	/* On a socket there is no port, and nobody's word is heard on the way. */
	if (id != NULL && !ours && port != NULL && atoi(port + 1) == endpoint_of(d)->port_plain &&
	    (flags == NULL || strpbrk(flags, "SM") == NULL) && (name == NULL || strcmp(name, OWN_NAME) != 0) &&
	    !(newer && d->purpose == FOR_ENDING)) {
		cut_port(address);
		memset(&s, 0, sizeof(s));
		s.address = address;
		s.user = user;
		s.application = name;
		s.age_s = -1;
		add(d, "client", id, NULL, &s);
	}
	free(id);
	free(address);
	free(laddr);
	free(name);
	free(user);
	free(flags);
}

static void
redis_listed(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const char *p, *nl;

	if (!told(d, r))
		return;
	for (p = statement_value(r, 0, "value"); p != NULL && *p != '\0'; p = nl + 1) {
		if ((nl = strchr(p, '\n')) == NULL)
			break;
		redis_line(d, p, (size_t)(nl - p));
	}
	listed(d);
}

static void
redis_list(struct drain_op *d)
{
	static const char *const argv[] = { "CLIENT", "LIST" };

	statement_command(d->statement, 2, argv, redis_listed, d);
}

static void
redis_id(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const char *id = statement_value(r, 0, "value");

	if (!told(d, r))
		return;
	d->since_known = true;
	(void)snprintf(d->since, sizeof(d->since), "%s", id == NULL ? "0" : id);
	redis_list(d);
}

static void
pgbouncer_listed(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const struct endpoint *e = endpoint_of(d);
	const char *user, *address, *application, *tls, *id;
	struct seen_session s;
	size_t i;

	if (!told(d, r))
		return;
	for (i = 0; i < r->nrows; i++) {
		user = statement_value(r, i, "user");
		address = statement_value(r, i, "addr");
		application = statement_value(r, i, "application_name");
		tls = statement_value(r, i, "tls");
		id = statement_value(r, i, "id");
		if (address == NULL || strcmp(address, "unix") == 0 || (tls != NULL && tls[0] != '\0') ||
		    (application != NULL && strcmp(application, PQ_APPLICATION) == 0 && user != NULL &&
		    (strcmp(user, e->admin_user) == 0 || (e->probe_user != NULL && strcmp(user, e->probe_user) == 0))))
			continue;
		memset(&s, 0, sizeof(s));
		s.address = address;
		s.user = user;
		s.database = statement_value(r, i, "database");
		s.application = application;
		s.age_s = -1;
		if (id == NULL && !d->cannot) {
			d->cannot = true;
			(void)snprintf(d->why, sizeof(d->why), "this PgBouncer cannot end a single client (KILL_CLIENT "
			    "came with 1.24): restart those that are on plaintext, or wait for them");
		}
		add(d, "client", id != NULL ? id : statement_value(r, i, "ptr"), NULL, &s);
	}
	listed(d);
}

static void
list(struct drain_op *d)
{
	static const char *const id[] = { "CLIENT", "ID" };

	forget_list(d);
	switch (endpoint_of(d)->kind) {
	case KIND_POSTGRES:
		if (d->since_known)
			postgres_list(d);
		else
			statement_sql(d->statement, "SELECT pg_catalog.clock_timestamp()::text AS now", postgres_clock, d);
		return;
	case KIND_REDIS:
		if (d->since_known)
			redis_list(d);
		else
			statement_command(d->statement, 2, id, redis_id, d);
		return;
	case KIND_PGBOUNCER:
		statement_sql(d->statement, "SHOW CLIENTS", pgbouncer_listed, d);
		return;
	}
}

/* ---- ending ---- */

static void
turn(struct hostop *h)
{
	next_one(h->drain);
}

static void
turn_later(uv_timer_t *timer)
{
	turn(timer->data);
}

static void
hold_again(struct hostop *h)
{
	h->drain->hold_until = now_ms(h->drain) + HOLD_MS;
	held_begin(h, false, turn);
}

static void
list_at_the_end(uv_timer_t *timer)
{
	struct hostop *h = timer->data;

	h->drain->purpose = FOR_THE_END;
	list(h->drain);
}

static void
settle(struct hostop *h)
{
	(void)uv_timer_start(&h->timer, list_at_the_end, SETTLE_MS, 0);
}

static void
ended_one(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	struct hostop *h = d->h;
	const struct sitting *who = &d->v[d->at];
	const char *value = r->nrows == 0 || r->columns->n == 0 ? NULL : r->cells[0];
	bool postgres = endpoint_of(d)->kind == KIND_POSTGRES;

	if (r->end == STATEMENT_LOST || r->end == STATEMENT_NOT_SENT) {
		hostop_say(h, "after %zu session%s: %s", d->ended, d->ended == 1 ? "" : "s", r->why);
		hostop_finish(h, r->end == STATEMENT_LOST ? OP_CUT : OP_FAILED);
		return;
	}
	if (r->end == STATEMENT_REFUSED && (postgres || strstr(r->why, "client") == NULL)) {
		d->refused++;
		if (d->refused == 1)
			(void)snprintf(d->why, sizeof(d->why), "%s", r->why);
		tell(d, "could not end", who);
	} else if (r->end == STATEMENT_REFUSED || (postgres && value == NULL) ||
	    (endpoint_of(d)->kind == KIND_REDIS && value != NULL && strcmp(value, "0") == 0)) {
		d->gone++;
		tell(d, "gone by itself:", who);
	} else if (postgres && value[0] != 't') {
		d->refused++;
		if (d->refused == 1)
			(void)snprintf(d->why, sizeof(d->why), "Postgres could not tell its process");
		tell(d, "could not end", who);
	} else {
		d->ended++;
		tell(d, "ended", who);
	}
	d->at++;
	if (h->due - now_ms(d) < ANSWER_MS) {
		hostop_say(h, "the deadline is over after %zu session%s", d->ended, d->ended == 1 ? "" : "s");
		hostop_finish(h, OP_FAILED);
	} else
		(void)uv_timer_start(&h->timer, turn_later, (uint64_t)h->op->pace_ms, 0);
}

static void
end_one(struct drain_op *d)
{
	const struct sitting *who = &d->v[d->at];
	const char *argv[] = { "CLIENT", "KILL", "ID", who->id };
	struct buf sql;

	d->h->wrote = true;
	if (endpoint_of(d)->kind == KIND_REDIS) {
		statement_command(d->statement, 4, argv, ended_one, d);
		return;
	}
	buf_init(&sql, 0);
	if (endpoint_of(d)->kind == KIND_PGBOUNCER)
		(void)buf_printf(&sql, "KILL_CLIENT %" PRIu64, (uint64_t)strtoull(who->id, NULL, 10));
	else {
		(void)buf_printf(&sql, "SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a"
		    " JOIN pg_catalog.pg_stat_ssl s USING (pid) WHERE a.pid = %ld AND NOT s.ssl"
		    " AND a.backend_start::text = ", strtol(who->id, NULL, 10));
		statement_put_literal(&sql, who->began == NULL ? "" : who->began);
	}
	statement_sql(d->statement, buf_str(&sql), ended_one, d);
	buf_release(&sql);
}

static void
next_one(struct drain_op *d)
{
	struct hostop *h = d->h;

	while (d->at < d->n && spared(d, &d->v[d->at]))
		d->at++;
	if (d->at == d->n)
		held_end(h, true, settle);
	else if (now_ms(d) >= d->hold_until)
		held_end(h, true, hold_again);
	else
		end_one(d);
}

static void
listed(struct drain_op *d)
{
	size_t i, to_end = 0;

	for (i = 0; i < d->n; i++)
		to_end += !spared(d, &d->v[i]);
	switch (d->purpose) {
	case FOR_PREVIEW:
		preview(d);
		return;
	case FOR_THE_END:
		if (d->more && d->ended > 0 && d->refused == 0) {
			/* The list was longer than one takes in: those that are left. */
			d->more = false;
			d->purpose = FOR_ENDING;
			list(d);
		} else
			total(d);
		return;
	case FOR_ENDING:
		break;
	}
	if (d->cannot && to_end > 0) {
		hostop_say(d->h, "%s", d->why);
		hostop_finish(d->h, OP_FAILED);
	} else if (to_end == 0)
		total(d);
	else
		hold_again(d->h);
}

void
hostop_drain(struct hostop *h)
{
	static const char nothing[] = "ended sessions do not come back: nothing to undo";
	const struct fleet *f = h->set->c.fleet;
	struct drain_op *d;

	if (h->verb == OPV_UNDO) {
		hostop_set_text(h, nothing, sizeof(nothing) - 1);
		hostop_finish(h, OP_RESTORED);
		return;
	}
	if (h->set->c.probes == NULL || (size_t)h->op->endpoint >= f->nendpoints ||
	    (f->endpoints[h->op->endpoint].kind != KIND_REDIS && f->endpoints[h->op->endpoint].admin_user == NULL)) {
		hostop_say(h, "nobody can end sessions there: expected 'admin: …' of the endpoint in the fleet file");
		hostop_finish(h, OP_FAILED);
		return;
	}
	d = mem_alloc(sizeof(*d));
	h->drain = d;
	d->h = h;
	d->purpose = h->verb == OPV_APPLY ? FOR_ENDING : FOR_PREVIEW;
	d->statement = statement_new(h->set->c.probes, h->op->endpoint, h->due - now_ms(d) - ANSWER_MS / 2);
	list(d);
}
