/*
 * pq: the one door to libpq.  A session with a Postgres server or a PgBouncer
 * console behind a host, asynchronously, through a forward of its own.
 *
 * Every habit that libpq takes from its surroundings is pinned: PG* variables
 * are taken out of this process's environment, and root.crt, client
 * certificates, passfile, service files and GSS are given as "none".  No
 * fallback: the mode asked for is the mode used, or there is no session.
 *
 * It has no timers (libpq ignores connect_timeout when polled): the owner's
 * deadline ends it with pq_close().
 */
#ifndef BELAY_REMOTE_PQ_H
#define BELAY_REMOTE_PQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"

struct err;
struct pq;
struct pq_row;
struct session;
struct uv_loop_s;

enum pq_mode {
	PQ_PLAINTEXT,		/* sslmode=disable */
	PQ_TLS,			/* require, and no root file: encrypted, not verified */
	PQ_TLS_CHAIN,		/* verify-ca */
	PQ_TLS_VERIFIED		/* verify-full */
};

/* How far a login came, for whoever asks about the login itself.  Times by uv_hrtime(); 0: it did not come to it. */
struct pq_progress {
	uint64_t began_ns, reached_ns, secured_ns, ready_ns;
	bool	 no_tls;		/* it said that it does no TLS */
	char	 sqlstate[6];		/* of the FATAL that ended it, or "" */
	char	 protocol[16], cipher[64];	/* negotiated, or "" */
	bool	 asked;			/* for a client certificate */
};

struct pq_config {
	struct uv_loop_s *loop;
	struct session *session;
	const char *address;	/* dialled from the host */
	int	 port;
	const char *name;	/* the name that the certificate must have (VERIFIED) */
	const char *user, *database;
	const char *password;	/* may be NULL */
	enum pq_mode mode;
	const char *ca_file;	/* CHAIN, VERIFIED: a path that can be read now */
	const char *pair_file;	/* a client's key and certificate, likewise; NULL: none is shown */
	const char *options;	/* "-c …", or NULL; a console takes none */
	const char *application;	/* NULL: PQ_APPLICATION */
	enum proto min, max;	/* PROTO_ANY: TLS 1.2, and no bound */
	struct pq_progress *progress;	/* up to date in each event and after pq_look(); must outlive the pq; or NULL */
};

/* What an application_name tells belay's own sessions by. */
#define PQ_APPLICATION "belay"
/* Those that it makes in a client's place: from the client's host, by the client's mode. */
#define PQ_REHEARSAL "belay-rehearsal"

struct pq_events {
	void	(*ready)(void *arg);		/* logged in */
	void	(*row)(void *arg, const struct pq_row *);
	/* The end of a query; sqlstate NULL: it went well.  Another may be sent from inside. */
	void	(*done)(void *arg, const char *sqlstate, const char *why);
	/* No login, or the connection was lost; the last event, the pointer is dead after it. */
	void	(*closed)(void *arg, const char *why);
};

/* Events come from the loop only. NULL with the reason where not even a socket could be had. */
struct pq *pq_open(const struct pq_config *, const struct pq_events *, void *arg, struct err *);
/*
 * One query at a time.  With params the extended protocol is used, which a
 * PgBouncer console does not have; without, the simple one.  max_bytes bounds
 * the answer.
 */
int	pq_query(struct pq *, const char *sql, const char *const params[], int nparams,
	    size_t max_bytes);
void	pq_look(struct pq *);		/* brings `progress` up to date */
void	*pq_tls(struct pq *);		/* OpenSSL's SSL, for tls.h; NULL in plaintext */
void	pq_close(struct pq *);		/* no event follows; NULL is fine */

/* The columns of a row, from 0, and its values; NULL is SQL's NULL. */
int	pq_columns(const struct pq_row *);
const char *pq_column(const struct pq_row *, int column);
const char *pq_cell(const struct pq_row *, int column);
/* A value by its column's name; NULL for SQL's NULL and for a column that is not there. */
const char *pq_value(const struct pq_row *, const char *column);
bool	pq_has(const struct pq_row *, const char *column);

#endif
