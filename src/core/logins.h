/*
 * logins: who has logged in since a log is read, by link.  Pure.
 *
 * A worker keeps a book of who was seen in a server's log; with each census what is in
 * it is attributed to links anew, since the addresses of hosts may be learnt later
 * than the first login.
 */
#ifndef BELAY_CORE_LOGINS_H
#define BELAY_CORE_LOGINS_H

#include "core/census.h"
#include "core/loginlog.h"
#include "core/reading.h"

/* Different people (address, user, database, application, how) that a book tells apart. */
#define LOGIN_BOOK_MAX	2000

struct login_book;

struct login_book *login_book_new(void);
void	login_book_free(struct login_book *);	/* NULL is fine */
void	login_book_add(struct login_book *, const struct login *);
/*
 * Adds rows and names to *ret, which the caller emptied; `seen`, `from_ms` and `why` are
 * the caller's.  False: somebody did not fit the book, and is missing.
 */
bool	login_book_tell(const struct login_book *, const struct fleet *, const struct host_addresses *,
	    int endpoint, struct logins *ret);

/* The row of a link, or NULL: nobody of it has logged in. */
const struct login_count *logins_of(const struct logins *, int link);

#endif
