/*
 * servers: real Postgres, PgBouncer and Redis for the tests, and certificates
 * good and bad, in a private directory below $TMPDIR that goes away with them.
 *
 * Everything listens on 127.0.0.1 on ports that were free and is ended by its
 * pid (and by the kernel, should the test die).  Postgres and PgBouncer refuse to run as root:
 * a test run by root runs all servers as "postgres".
 */
#ifndef BELAY_TESTS_REMOTE_SERVERS_H
#define BELAY_TESTS_REMOTE_SERVERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "port.h"

struct servers {
	char	dir[256];
	char	bindir[256];	/* Postgres' programs */
	pid_t	postgres, pgbouncer, redis;
	int	postgres_port, pgbouncer_port, redis_port, redis_tls_port;
};

void	servers_up(struct servers *);		/* the directory, CAs and certificates; starts nothing */
void	servers_down(struct servers *);

/*
 * Certificates, as dir/NAME.crt and dir/NAME.key, by `ca` (db.internal and 127.0.0.1
 * unless said otherwise): good, expired, future, wrongname, cnonly, wildcard (*.internal, *.db.internal, d*.internal: none covers it),
 * ipasdns (127.0.0.1 as a DNS name), stranger (by `otherca`), selfsigned,
 * deep (by an intermediate that is not sent), rsa.
 */
const char *servers_path(const struct servers *, const char *name);	/* overwritten by the eighth call after it */
void	servers_write(const struct servers *, const char *name, const char *text);
char	*servers_read(const struct servers *, const char *name);	/* the caller frees */

/*
 * Starts, or stops and starts anew.  cert NULL: no TLS.  hba: lines for the
 * hosts (a socket line for everybody is there already).  Superuser "postgres"
 * on the socket in dir; roles belay_probe (password "probe pw"), app, other (password "pw").
 */
void	servers_postgres(struct servers *, const char *cert, const char *hba, const char *more);
void	servers_sql(const struct servers *, const char *sql);		/* as superuser, by the socket */
char	*servers_ask(const struct servers *, const char *sql);		/* the caller frees */
/* lines of its [pgbouncer] section; postgres on 127.0.0.1 behind it */
void	servers_pgbouncer(struct servers *, const char *lines);
/* more command line, NULL-terminated, a configuration file first; port and tls-port are given by the caller's words */
void	servers_redis(struct servers *, const char *const more[]);
void	servers_stop(struct servers *, pid_t *);	/* one of its pids; 0 is fine */

/* A child as the servers' user, in the directory, its words in NAME.log; the caller ends it by its pid. */
pid_t	servers_spawn(const struct servers *, const char *name, const char *const argv[]);
void	servers_run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));	/* sh -c; fails the test */

#endif
