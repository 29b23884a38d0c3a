/*
 * labpool: tells a PgBouncer to reload at a moment when it hurts nobody.
 *
 *	PGPASSWORD=... labpool CONNINFO
 *
 * A server login that a reload cuts off counts as a failed one, and PgBouncer
 * then turns everybody away who waits for a server (1.18: "server login has been
 * failing").  So it is asked and told in one session, with nothing between the
 * answer and the command: best when no login is under way and none can begin,
 * since every pool that is used is full; after FULL_MS of asking in vain, when no
 * login is under way.
 *
 * 0: it was told.  1: what it said is on stderr.
 */
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FULL_MS	5000
#define LOGIN_MS	9000
#define PAUSE_MS	2

static long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000L + t.tv_nsec / 1000000;
}

static long
cell(const PGresult *r, int row, const char *name)
{
	int column = PQfnumber(r, name);

	return column < 0 ? 0 : strtol(PQgetvalue(r, row, column), NULL, 10);
}

static long
servers(const PGresult *r, int row)
{
	return cell(r, row, "sv_active") + cell(r, row, "sv_idle") + cell(r, row, "sv_used") + cell(r, row, "sv_tested");
}

/* What SHOW CONFIG says of a number; 0: it does not know it. */
static long
configured(PGconn *pg, const char *key)
{
	PGresult *r = PQexec(pg, "SHOW CONFIG");
	long value = 0;
	int i;

	for (i = 0; i < PQntuples(r); i++)
		if (strcmp(PQgetvalue(r, i, PQfnumber(r, "key")), key) == 0)
			value = cell(r, i, "value");
	PQclear(r);
	return value;
}

/* True: no server login is under way, and where `full` is not 0 none can begin. */
static bool
good_moment(PGconn *pg, long full)
{
	PGresult *r = PQexec(pg, "SHOW POOLS");
	bool good = PQresultStatus(r) == PGRES_TUPLES_OK && PQfnumber(r, "sv_login") >= 0;
	int i;

	for (i = 0; good && i < PQntuples(r); i++)
		good = cell(r, i, "sv_login") == 0 && (cell(r, i, "cl_active") == 0 ||
		    strcmp(PQgetvalue(r, i, 0), "pgbouncer") == 0 || servers(r, i) >= full);
	PQclear(r);
	return good;
}

int
main(int argc, char **argv)
{
	const struct timespec pause = { 0, PAUSE_MS * 1000000L };
	long start = now_ms(), full;
	PGresult *r;
	PGconn *pg;
	int rc = 1;

	if (argc != 2) {
		(void)fputs("usage: labpool CONNINFO\n", stderr);
		return 2;
	}
	pg = PQconnectdb(argv[1]);
	full = PQstatus(pg) == CONNECTION_OK ? configured(pg, "default_pool_size") : 0;
	while (PQstatus(pg) == CONNECTION_OK && !good_moment(pg, now_ms() - start < FULL_MS ? full : 0)) {
		if (now_ms() - start > LOGIN_MS) {
			(void)fputs("a server login was under way all the time\n", stderr);
			PQfinish(pg);
			return 1;
		}
		(void)nanosleep(&pause, NULL);
	}
	r = PQexec(pg, "RELOAD");
	if (PQresultStatus(r) == PGRES_COMMAND_OK)
		rc = 0;
	else
		(void)fputs(PQerrorMessage(pg), stderr);
	PQclear(r);
	PQfinish(pg);
	return rc;
}
