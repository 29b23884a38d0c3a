/*
 * probe_pgbouncer: who is connected to a PgBouncer, over what it reaches its
 * servers, and what it says of its settings; from its admin console.
 *
 * Owns the console's words.  The console has the simple protocol only, and
 * its columns move between versions: they are read by name.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/pq.h"
#include "remote/probe_int.h"
#include "remote/probe_sql.h"

#define SHOW_BYTES_MAX	((size_t)32 << 20)
#define SHOW_ROWS_MAX	50000
#define CONSOLE		"pgbouncer"
#define LOGIN_HINT	"the console wants it in stats_users or admin_users"

struct pgbouncer_probe {
	struct probe base;
	unsigned rows;
	bool	 no_tls_column;
	bool	 refused;	/* a SHOW was */
	bool	 logged;	/* log_connections */
};

static struct pgbouncer_probe *
of(struct probe *p)
{
	return (struct pgbouncer_probe *)p;
}

static bool
equal(const char *a, const char *b)
{
	return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void
census_start_over(struct probe *p)
{
	census_release(&p->reading.census);
	census_begin(&p->reading.census, p->set->c.fleet, p->spot->endpoint);
	of(p)->rows = 0;
}

/* Does the row have a tls column at all?  Without one nothing can be told. */
static bool
row_tls(struct probe *p, const struct pq_row *row)
{
	const char *tls = pq_value(row, "tls");

	if (!pq_has(row, "tls"))
		of(p)->no_tls_column = true;
	return tls != NULL && tls[0] != '\0';
}

static void
client_row(struct probe *p, const struct pq_row *row)
{
	const char *user = pq_value(row, "user"), *database = pq_value(row, "database");
	const char *application = pq_value(row, "application_name"), *address = pq_value(row, "addr");
	struct seen_session s;

	/* In a client's place: as that client dials, and no word of how belay does. */
	if (equal(user, spot_endpoint(p->spot)->probe_user) && equal(application, PQ_REHEARSAL))
		return;
	/* Belay's own, at the console; or, before 1.18, whoever of that name is there. */
	if (equal(user, spot_endpoint(p->spot)->probe_user) && (equal(application, PQ_APPLICATION) ||
	    (application == NULL && equal(database, CONSOLE)))) {
		/* Which of several is this belay's own is not to be told: all of them have to be. */
		p->reading.census.own_tls = row_tls(p, row) && p->reading.census.own_tls != 0;
		return;
	}
	if (address == NULL || equal(address, "unix"))
		return;
	if (++of(p)->rows > SHOW_ROWS_MAX)
		return;
	s.address = address;
	s.user = user;
	s.database = database;
	s.application = application;
	s.tls = row_tls(p, row);
	s.age_s = -1;
	s.port = pq_value(row, "port") == NULL ? 0 : atoi(pq_value(row, "port"));
	census_add(&p->reading.census, p->set->c.fleet, &p->set->known, p->spot->endpoint, &s);
}

static void
server_row(struct probe *p, const struct pq_row *row)
{
	struct census *c = &p->reading.census;

	if (equal(pq_value(row, "addr"), "unix"))
		return;
	if (row_tls(p, row))
		c->upstream_tls++;
	else
		c->upstream_plain++;
}

static bool
show_refused(struct probe *p, const char *sqlstate, const char *why)
{
	(void)sqlstate;
	of(p)->refused = true;
	probe_say(p, SAW_PART, "'%s' may not ask the console: %s; add it to stats_users",
	    spot_endpoint(p->spot)->probe_user, why);
	return false;
}

static void
census_finish(struct probe *p)
{
	p->reading.census.upstream_seen = p->reading.outcome != SAW_NOT && !of(p)->refused;
	if (of(p)->no_tls_column)
		probe_say(p, SAW_PART, "this PgBouncer does not say which sessions are on TLS (1.7 and later do)");
	if (of(p)->rows > SHOW_ROWS_MAX)
		probe_say(p, SAW_PART, "more than %d sessions", SHOW_ROWS_MAX);
	spot_doubts(p->spot, p);
	spot_logins(p->spot, of(p)->logged, &p->reading.census);
}

static void
config_of_census(struct probe *p, const struct pq_row *row)
{
	if (equal(pq_value(row, "key"), "log_connections"))
		of(p)->logged = equal(pq_value(row, "value"), "1");
	if (equal(pq_value(row, "key"), "so_reuseport") && equal(pq_value(row, "value"), "1"))
		probe_say(p, SAW_PART, "with so_reuseport this is one process out of several, "
		    "and only its sessions are seen");
}

static const struct sql_question census_questions[] = {
	{ "SHOW CLIENTS", NULL, SHOW_BYTES_MAX, client_row, show_refused },
	{ "SHOW SERVERS", NULL, SHOW_BYTES_MAX, server_row, show_refused },
	{ "SHOW CONFIG", NULL, SHOW_BYTES_MAX, config_of_census, show_refused },
};
static const struct sql_script census_script = {
	census_questions, 3, CONSOLE, NULL, census_start_over, census_finish, census_start_over, LOGIN_HINT,
};

static void
census_start(struct probe *p)
{
	sql_start(p, &census_script);
}

const struct probe_ops pgbouncer_census_ops = {
	sizeof(struct pgbouncer_probe), census_start, sql_stop, sql_late,
};

/* --- settings ------------------------------------------------------------ */

static void
config_row(struct probe *p, const struct pq_row *row)
{
	const char *key = pq_value(row, "key");

	if (key != NULL)
		setting_put(p, key, pq_value(row, "value"));
}

static void
version_row(struct probe *p, const struct pq_row *row)
{
	if (pq_value(row, "version") != NULL)
		setting_put(p, "version", pq_value(row, "version"));
}

static bool
version_refused(struct probe *p, const char *sqlstate, const char *why)
{
	(void)p;
	(void)sqlstate;
	(void)why;
	return true;
}

static void
settings_finish(struct probe *p)
{
	if (equal(setting_get(&p->reading, "so_reuseport"), "1"))
		probe_say(p, SAW_PART, "with so_reuseport this is the word of one process out of several");
	persisted_pgbouncer(p);
}

static const struct sql_question settings_questions[] = {
	{ "SHOW CONFIG", NULL, SHOW_BYTES_MAX, config_row, show_refused },
	{ "SHOW VERSION", NULL, SHOW_BYTES_MAX, version_row, version_refused },
};
static const struct sql_script settings_script = {
	settings_questions, 2, CONSOLE, NULL, setting_forget, settings_finish, setting_forget, LOGIN_HINT,
};

static void
settings_start(struct probe *p)
{
	sql_start(p, &settings_script);
}

const struct probe_ops pgbouncer_settings_ops = {
	sizeof(struct pgbouncer_probe), settings_start, sql_stop, sql_late,
};
