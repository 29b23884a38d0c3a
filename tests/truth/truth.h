/*
 * truth: the truth table of core/attempt.h, cell by cell, against the real
 * programs.  A cell is one connection that is really made: a server set up in
 * one way, a client that dials in one way, and what came of it.
 *
 * What a client checked is not believed but derived: a cell that became TLS
 * counts as "chain" only where the same client, all else equal, did not become
 * TLS with a CA file that lacks the issuer, and as "name" only where it did
 * not become TLS with a certificate that does not cover the name dialled.
 *
 *   servers.c (tests/remote)  the programs, their directory, certificates
 *   posts.c      one server configuration after the other
 *   bouncers.c   PgBouncers as clients of Postgres, one for each way to dial
 *   dialler.c    the clients, many at once: libpq, OpenSSL with RESP
 *   drivers.c    the drivers' programs in drivers/, fed by a pipe
 *   truth_test.c which cells there are, comparison, TAP
 */
#ifndef BELAY_TESTS_TRUTH_H
#define BELAY_TESTS_TRUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "core/attempt.h"
#include "tests/remote/servers.h"

enum seen {
	SEEN_NOTHING,		/* not run yet */
	SEEN_REFUSED,		/* an error, soon */
	SEEN_HANGS,		/* no answer until the deadline, twice at least */
	SEEN_PLAINTEXT,
	SEEN_TLS,
	SEEN_SPELLING,		/* the driver has no such mode */
	SEEN_ABSENT		/* the driver is not installed */
};

/* Longer than anything that answers needs, even on a busy machine that is tried again alone. */
#define HANG_MS		2000
#define HANG_AGAIN_MS	4500
#define HANG_AT_LAST_MS	30000	/* where the table says that there is an answer */

#define HOST_NAME	"db.internal"	/* every client dials this, at 127.0.0.1 */
#define ROLE_PASSWORD	"pw"

struct cell {
	struct attempt a;
	const char *role;	/* constant */
	const char *words;	/* parameters of the URL instead of the mode; constant, or NULL */
	int	 port;
	int	 port_tls;	/* of Redis: the one for TLS; 0 where the server has none */
	int	 bouncer;	/* dialect pgbouncer: which of them */
	enum shown shows;	/* the file that it really has; a.shown: what that is to this server */
	bool	 started;
	bool	 told;		/* dialect pgbouncer: its own client got an error, and did not just wait */
	enum seen seen;
	char	*text;		/* what the program said, or NULL */
};

struct cells {
	struct cell *v;
	size_t n;
};

/* --- posts.c: the servers ------------------------------------------------ */

struct post {			/* one configuration */
	enum kind kind;
	enum accept accept;
	enum leaf_state served;
	bool	 asks;
	enum proto min, max;
	/* PgBouncer: its auth_type, AUTH_UNKNOWN: any role by trust; names: mutual by verify-full */
	enum auth auth;
	enum stored stored;	/* PgBouncer: what its auth_file holds */
	bool	 names;
	bool	 one_port;	/* Redis: the TLS port is the one that clients take for either */
};

void	posts_up(struct servers *);
void	posts_down(void);
/* Makes the server so, and waits until it is. */
void	post_set(const struct post *);
/* Whether the program starts with TLS set and no certificate; nothing runs afterwards. */
bool	post_starts_bare(struct servers *, const struct post *);
/* PostgreSQL's role for a method and a hash ("" for either unknown); constant. */
const char *post_role(enum auth, enum stored);

/* --- bouncers.c ---------------------------------------------------------- */

struct dialling {		/* how one PgBouncer dials Postgres */
	enum dial dial;
	enum anchor anchor;
	enum shown shown;
	enum proto min, max;
};

int	bouncers_up(struct servers *, const struct dialling *, size_t n);	/* how many run */
void	bouncers_down(void);
int	bouncer_port(int);	/* 0: it did not start */
/* What its log says of its server connections since the last call, or NULL; to be freed. */
char	*bouncer_complaint(int);
void	bouncer_forget(int);	/* drops its connections, and what its log says until now */
const char *bouncer_start_error(int);

/* --- dialler.c ----------------------------------------------------------- */

/* Runs all cells of [first, n) that are not run, many at once, and the drivers' besides. */
void	dialler_run(struct servers *, struct cells *, size_t first);
/* PEM files of a client, absolute paths; "" for none. */
const char *anchor_file(const struct servers *, enum anchor);
const char *shown_file(const struct servers *, enum shown, bool key);
const char *proto_name(enum proto);	/* "TLSv1.2", or "" */
long long now_ms(void);

/* --- drivers.c ----------------------------------------------------------- */

/* Which dialects a program in drivers/ speaks for. */
bool	driver_exists(enum dialect);
void	drivers_up(const struct servers *);
void	drivers_down(void);
const char *driver_absent(enum dialect);	/* NULL: it runs; else why not */
const char *driver_version(enum dialect);
/* Hands the cell to its driver; answers come in by drivers_take(). */
void	driver_give(const struct servers *, struct cell *, int id, int deadline_ms);
int	drivers_fds(int *fds, int max);
/* Reads what came on fd; *ret_id gets the id of an answered cell, or -1; call until that. */
void	driver_take(int fd, struct cells *, int *ret_id);

#endif
