/*
 * drain_list: who sits at an endpoint on plaintext, and whose that is; the part of
 * drain that only looks.  See drain.c for what becomes of them.
 *
 *	postgres	pg_stat_activity and pg_stat_ssl, what came by a socket left out
 *	redis		CLIENT LIST, by the port of laddr
 *	pgbouncer	SHOW CLIENTS, by its tls column; SHOW VERSION before that
 */
#include "remote/drain_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/census.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/pq.h"
#include "remote/probe_int.h"

#define SESSIONS_MAX	2000	/* of one list; what is beyond is met by the next one */
#define KILL_CLIENT_SINCE 24	/* of PgBouncer 1.x */
#define OWN_NAME	"belay"

void
drain_free_sittings(struct sitting *v, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		free(v[i].id);
		free(v[i].began);
		free(v[i].words);
	}
	free(v);
}

void
drain_forget_list(struct drain_op *d)
{
	drain_free_sittings(d->v, d->n);
	d->v = NULL;
	d->n = d->at = 0;
	d->undeclared = 0;
}

/* Who can be asked to give the sessions of this link up. */
static int
pooler_of(const struct drain_op *d, int link)
{
	const struct fleet *f = d->h->set->c.fleet;
	int pooler = link == NONE ? NONE : f->clients[f->links[link].client].pools;
	const struct endpoint *e = pooler == NONE ? NULL : &f->endpoints[pooler];

	return e == NULL || drain_endpoint(d)->kind != KIND_POSTGRES || e->kind != KIND_PGBOUNCER ||
	    e->admin_user == NULL || (e->host == NONE && e->via == NONE) ? NONE : pooler;
}

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
	v->link = link;
	v->pooler = pooler_of(d, link);
	raw = mem_printf("%s %s of %s: role %s, database %s, application %s, from %s", what, id,
	    link == NONE ? "an undeclared client" : f->clients[f->links[link].client].name,
	    s->user == NULL ? "?" : s->user, s->database == NULL ? "-" : s->database,
	    s->application == NULL || s->application[0] == '\0' ? "-" : s->application,
	    s->address == NULL ? "?" : s->address);
	v->words = text_clean_dup(raw);
	free(raw);
}

/* What the server did not tell: the call is over. */
static bool
told(struct drain_op *d, const struct statement_reply *r)
{
	struct hostop *h = d->h;

	if (r->end == STATEMENT_DONE)
		return true;
	hostop_say(h, "cannot see who is on plaintext at '%s': %s%s", drain_endpoint(d)->name, r->why,
	    d->ended + d->recycled > 0 ? "; some sessions were ended before" : "");
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
	drain_listed(d);
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
	    " AND NOT (a.application_name IN ('" PQ_APPLICATION "', '" PQ_REHEARSAL "') AND a.usename IN (");
	statement_put_literal(&sql, drain_endpoint(d)->admin_user);
	(void)buf_puts(&sql, ", ");
	statement_put_literal(&sql, drain_endpoint(d)->probe_user == NULL ? "" : drain_endpoint(d)->probe_user);
	(void)buf_puts(&sql, "))");
	if (d->since_known && (d->purpose == FOR_ENDING || d->purpose == FOR_LEAVING)) {
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

/* Belay's own, those in a client's place among them. */
static bool
is_own(const char *name)
{
	size_t len = strlen(OWN_NAME);

	return name != NULL && strncmp(name, OWN_NAME, len) == 0 && (name[len] == '\0' || name[len] == '-');
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
	if (id != NULL && !ours && port != NULL && atoi(port + 1) == drain_endpoint(d)->port_plain &&
	    (flags == NULL || strpbrk(flags, "SM") == NULL) && !is_own(name) &&
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
	drain_listed(d);
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

/* Whose clients stay, and what can be done about them. */
static void
say_cannot(struct drain_op *d)
{
	const struct fleet *f = d->h->set->c.fleet;
	struct buf names;
	size_t i, n = 0, sitting;

	buf_init(&names, 256);
	(void)buf_puts(&names, "");
	for (i = 0; i < f->nlinks; i++) {
		if (f->links[i].endpoint != d->h->op->endpoint)
			continue;
		for (sitting = 0; sitting < d->n; sitting++)
			if (d->v[sitting].link == (int)i) {
				(void)buf_printf(&names, "%s%s", n++ == 0 ? "" : ", ", f->clients[f->links[i].client].name);
				break;
			}
	}
	(void)snprintf(d->why, sizeof(d->why), "%s cannot end a single client (KILL_CLIENT came with 1.24): restart %s, "
	    "or wait until they connect anew; KILL on its console ends all of a database, those on TLS too, and lets "
	    "nobody in before RESUME", d->version, n == 0 ? "those that are on plaintext" : buf_str(&names));
	buf_release(&names);
}

static void
pgbouncer_listed(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const struct endpoint *e = drain_endpoint(d);
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
		    (is_own(application) && user != NULL &&
		    (strcmp(user, e->admin_user) == 0 || (e->probe_user != NULL && strcmp(user, e->probe_user) == 0))))
			continue;
		memset(&s, 0, sizeof(s));
		s.address = address;
		s.user = user;
		s.database = statement_value(r, i, "database");
		s.application = application;
		s.age_s = -1;
		d->cannot = d->cannot || id == NULL;
		add(d, "client", id != NULL ? id : statement_value(r, i, "ptr"), NULL, &s);
	}
	if (d->cannot)
		say_cannot(d);
	drain_listed(d);
}

/* "PgBouncer 1.18.0"; a fork may say anything. */
static void
pgbouncer_version(void *arg, const struct statement_reply *r)
{
	struct drain_op *d = arg;
	const char *version = statement_value(r, 0, "version");
	char *clean;
	int minor;

	if (!told(d, r))
		return;
	clean = text_clean_dup(version == NULL ? "PgBouncer" : version);
	(void)snprintf(d->version, sizeof(d->version), "%.63s", clean);
	d->version_known = true;
	d->cannot = sscanf(clean, "PgBouncer 1.%d", &minor) == 1 && minor < KILL_CLIENT_SINCE;
	free(clean);
	drain_list(d);
}

void
drain_list(struct drain_op *d)
{
	static const char *const id[] = { "CLIENT", "ID" };

	drain_forget_list(d);
	switch (drain_endpoint(d)->kind) {
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
		if (d->version_known)
			statement_sql(d->statement, "SHOW CLIENTS", pgbouncer_listed, d);
		else
			statement_sql(d->statement, "SHOW VERSION", pgbouncer_version, d);
		return;
	}
}
