/*
 * loginlog: who logged in, by what the server's own log says.  Pure.
 *
 * A poll sees who is connected at its moment; a job that connects for a
 * second every six hours is seen by the log alone.
 *
 *	postgres	log_connections = on: "connection received: host=… port=…" tells from where,
 *			"connection authorized: user=… SSL enabled (…)" the rest (absent: plaintext),
 *			joined by the process in brackets, which log_line_prefix has to have
 *			('%m [%p] ', the default since 10, and Debian's).  "no pg_hba.conf entry for
 *			host …, no encryption" is one that was turned away.
 *	pgbouncer	log_connections = 1: "C-0x…: db/user@address:port login attempt: … tls=no".
 *			It says nothing more when the login succeeds, and "closing because: …" at
 *			once when it fails; so one counts when its session ends without that, or is
 *			still there after LOGINLOG_SETTLE_MS.
 *
 * Both as PostgreSQL 15 and PgBouncer 1.18 write them; what is not such a line is passed
 * over.  Logins over a Unix socket have no link and are passed over, too.  The console of
 * a PgBouncer is nobody's database, and who asks there is no client.
 *
 * A name in such a line is whatever the client said it is.  What decides about TLS stands at
 * the line's end, and an application_name could say the same words: this is evidence of
 * declared clients, not a guard against hostile ones.
 */
#ifndef BELAY_CORE_LOGINLOG_H
#define BELAY_CORE_LOGINLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/fleet.h"

struct loginlog;

#define LOGINLOG_SETTLE_MS	2000
#define LOGINLOG_LINE_MAX	8192	/* of a longer one only the beginning is read */
#define LOGINLOG_OPEN_MAX	4096	/* logins begun and not yet decided; the oldest is forgotten */

struct login {
	bool	 tls;
	bool	 refused;	/* turned away for being plaintext (or for being TLS) */
	const char *address, *user, *database, *application;	/* NULL: not told */
	int64_t	 at_ms;		/* since 1970 */
};

typedef void loginlog_found(void *arg, const struct login *);	/* borrowed until it returns */

/* kind: KIND_POSTGRES or KIND_PGBOUNCER; a Redis logs no logins.  Never NULL. */
struct loginlog *loginlog_new(enum kind kind, loginlog_found *, void *arg);
void	loginlog_free(struct loginlog *);	/* NULL is fine */
/* What came at at_ms, in pieces of any size; a line may be spread over several. */
void	loginlog_feed(struct loginlog *, const char *text, size_t len_bytes, int64_t at_ms);
/* The time is now_ms: what had to settle first is told. */
void	loginlog_settle(struct loginlog *, int64_t now_ms);
/* Something of the log is missing here: what was half read is forgotten. */
void	loginlog_gap(struct loginlog *);
/* How many logins could not be joined, for want of a process in brackets. */
unsigned long loginlog_unjoined(const struct loginlog *);

#endif
