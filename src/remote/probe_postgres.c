/*
 * probe_postgres: who is connected to a Postgres server, and what it says of
 * its settings.
 *
 * Owns the SQL and what its answers mean.  A role that may not see others'
 * sessions sees its own row only: that is inconclusive, never "0 plaintext".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/pq.h"
#include "remote/probe_int.h"
#include "remote/probe_sql.h"

#define CENSUS_BYTES_MAX	((size_t)32 << 20)
#define CENSUS_ROWS_MAX		50000
#define SETTINGS_BYTES_MAX	((size_t)1 << 20)
#define OPTIONS "-c statement_timeout=10000 -c default_transaction_read_only=on"

struct postgres_probe {
	struct probe base;
	bool	 may_see;	/* the others' sessions */
	bool	 logged;	/* log_connections */
	unsigned rows;
};

static struct postgres_probe *
of(struct probe *p)
{
	return (struct postgres_probe *)p;
}

static bool
is_true(const char *value)
{
	return value != NULL && value[0] == 't';
}

/* --- census -------------------------------------------------------------- */

/*
 * Superusers have every role.  pg_monitor has pg_read_all_stats.  usesysid is
 * NULL until somebody has logged in.  From 18 on log_connections is a list of what is logged.
 */
static const char privilege_sql[] =
	"SELECT pg_catalog.pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS may_see,"
	" (pg_catalog.current_setting('log_connections') IN ('on', 'all') OR"
	" (pg_catalog.strpos(pg_catalog.current_setting('log_connections'), 'receipt') > 0 AND"
	" pg_catalog.strpos(pg_catalog.current_setting('log_connections'), 'authorization') > 0)) AS logged,"
	" (SELECT ssl FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()) AS own";

static const char census_sql[] =
	"SELECT coalesce(s.ssl, false) AS ssl, pg_catalog.host(a.client_addr) AS address, a.client_port AS port, a.usename,"
	" a.datname, a.application_name,"
	" greatest(0, extract(epoch FROM (pg_catalog.clock_timestamp() - a.backend_start))::bigint) AS age,"
	" (a.application_name IN ('" PQ_APPLICATION "', '" PQ_REHEARSAL "') AND a.usename = current_user) AS ours"
	" FROM pg_catalog.pg_stat_activity a LEFT JOIN pg_catalog.pg_stat_ssl s USING (pid)"
	" WHERE a.client_addr IS NOT NULL AND a.usesysid IS NOT NULL"
	" AND a.pid <> pg_catalog.pg_backend_pid()";

static void
census_start_over(struct probe *p)
{
	census_release(&p->reading.census);
	census_begin(&p->reading.census, p->set->c.fleet, p->spot->endpoint);
	of(p)->rows = 0;
	of(p)->may_see = false;
}

static void
privilege_row(struct probe *p, const struct pq_row *row)
{
	of(p)->may_see = is_true(pq_value(row, "may_see"));
	of(p)->logged = is_true(pq_value(row, "logged"));
	if (pq_value(row, "own") != NULL)
		p->reading.census.own_tls = is_true(pq_value(row, "own"));
}

static void
census_row(struct probe *p, const struct pq_row *row)
{
	const char *age = pq_value(row, "age"), *port = pq_value(row, "port");
	struct seen_session s;

	if (is_true(pq_value(row, "ours")))
		return;
	if (++of(p)->rows > CENSUS_ROWS_MAX)
		return;
	s.address = pq_value(row, "address");
	s.user = pq_value(row, "usename");
	s.database = pq_value(row, "datname");
	s.application = pq_value(row, "application_name");
	s.tls = is_true(pq_value(row, "ssl"));
	s.age_s = age == NULL ? -1 : strtoll(age, NULL, 10);
	s.port = port == NULL ? 0 : atoi(port);
	census_add(&p->reading.census, p->set->c.fleet, &p->set->known, p->spot->endpoint, &s);
}

static void
census_finish(struct probe *p)
{
	if (!of(p)->may_see && p->reading.outcome == SAW)
		probe_say(p, SAW_PART, "'%s' may not see others' sessions; GRANT pg_monitor TO \"%s\"",
		    spot_endpoint(p->spot)->probe_user, spot_endpoint(p->spot)->probe_user);
	if (of(p)->rows > CENSUS_ROWS_MAX)
		probe_say(p, SAW_PART, "more than %d sessions", CENSUS_ROWS_MAX);
	spot_doubts(p->spot, p);
	spot_logins(p->spot, of(p)->logged, &p->reading.census);
}

static const struct sql_question census_questions[] = {
	{ privilege_sql, NULL, SETTINGS_BYTES_MAX, privilege_row, NULL },
	{ census_sql, NULL, CENSUS_BYTES_MAX, census_row, NULL },
};
static const struct sql_script census_script = {
	census_questions, 2, NULL, OPTIONS, census_start_over, census_finish, census_start_over, NULL,
};

static void
census_start(struct probe *p)
{
	sql_start(p, &census_script);
}

const struct probe_ops postgres_census_ops = {
	sizeof(struct postgres_probe), census_start, sql_stop, sql_late,
};

/* --- settings ------------------------------------------------------------ */

/*
 * What has to do with TLS, what a check asked for, and then what somebody
 * set: a reading has room for about eighty names with their sources.
 */
static const char settings_sql[] =
	"SELECT name, setting, source, sourcefile, pending_restart FROM pg_catalog.pg_settings"
	" WHERE name LIKE 'ssl%' OR name = $1 OR name IN ('hba_file', 'password_encryption',"
	" 'listen_addresses', 'port', 'log_connections', 'server_version', 'config_file', 'data_directory')"
	" OR source NOT IN ('default', 'override', 'client', 'session')"
	" ORDER BY name = $1 DESC, name LIKE 'ssl%' DESC, name LIMIT 60";

/* Needs EXECUTE on pg_hba_file_rules(), which only superusers have to begin with. */
static const char hba_sql[] =
	"SELECT line_number, type, database, user_name, address, netmask, auth_method, error"
	" FROM pg_catalog.pg_hba_file_rules WHERE type IS NULL OR type <> 'local'"
	" ORDER BY line_number LIMIT 64";

/* What the files say, the last of each name; for who may see it. */
static const char file_sql[] =
	"SELECT DISTINCT ON (name) name, setting FROM pg_catalog.pg_file_settings"
	" WHERE name LIKE 'ssl%' AND error IS NULL ORDER BY name, seqno DESC";

static void
put_about(struct probe *p, const char *name, const char *what, const char *value)
{
	char *key;

	if (value == NULL || value[0] == '\0')
		return;
	key = mem_printf("%s@%s", name, what);
	setting_put(p, key, value);
	free(key);
}

static void
settings_row(struct probe *p, const struct pq_row *row)
{
	const char *name = pq_value(row, "name");

	if (name == NULL)
		return;
	setting_put(p, name, pq_value(row, "setting"));
	put_about(p, name, "source", pq_value(row, "source"));
	put_about(p, name, "file", pq_value(row, "sourcefile"));
	if (is_true(pq_value(row, "pending_restart")))
		put_about(p, name, "pending", "restart");
}

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

static void
hba_row(struct probe *p, const struct pq_row *row)
{
	const char *line = pq_value(row, "line_number"), *error = pq_value(row, "error");
	char *key = mem_printf("pg_hba:%s", or_empty(line)), *value;

	if (error != NULL)
		value = mem_printf("error: %s", error);
	else
		value = mem_printf("%s %s %s %s%s%s %s", or_empty(pq_value(row, "type")),
		    or_empty(pq_value(row, "database")), or_empty(pq_value(row, "user_name")),
		    or_empty(pq_value(row, "address")), pq_value(row, "netmask") == NULL ? "" : " ",
		    or_empty(pq_value(row, "netmask")), or_empty(pq_value(row, "auth_method")));
	setting_put(p, key, value);
	free(key);
	free(value);
}

static bool
hba_refused(struct probe *p, const char *sqlstate, const char *why)
{
	(void)sqlstate;
	/* Not a failure of the reading: few roles may, and nothing hangs on it. */
	put_about(p, "pg_hba", "unseen", why);
	return true;
}

static void
file_row(struct probe *p, const struct pq_row *row)
{
	if (pq_value(row, "name") != NULL)
		put_about(p, pq_value(row, "name"), "persisted", pq_value(row, "setting"));
}

static bool
file_refused(struct probe *p, const char *sqlstate, const char *why)
{
	(void)sqlstate;
	put_about(p, "persisted", "unseen", why);
	return true;
}

static const struct sql_question settings_questions[] = {
	{ settings_sql, probe_wants, SETTINGS_BYTES_MAX, settings_row, NULL },
	{ hba_sql, NULL, SETTINGS_BYTES_MAX, hba_row, hba_refused },
	{ file_sql, NULL, SETTINGS_BYTES_MAX, file_row, file_refused },
};
static const struct sql_script settings_script = {
	settings_questions, 3, NULL, OPTIONS, setting_forget, persisted_postgres, setting_forget, NULL,
};

static void
settings_start(struct probe *p)
{
	sql_start(p, &settings_script);
}

const struct probe_ops postgres_settings_ops = {
	sizeof(struct postgres_probe), settings_start, sql_stop, sql_late,
};
