/*
 * connurl: the parts of a connection URL that a cutover moves.  Pure.
 *
 *	SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?KEY=VALUE&…][#…]
 *
 * A part is named "scheme", "host", "port", or "?KEY" for a parameter of the
 * query.  User, password and path are never copied out; every byte that is
 * not of a part that is changed stays as it is.  Values are given and told as
 * they are meant; in the URL they are percent-encoded where they must be, and
 * a value that is there in another spelling of the same stays.
 *
 * Not a URL for us, since drivers read it differently: an @ behind the
 * authority (of a password that should have been encoded), a parameter that
 * stands twice, blanks or control characters.  Messages never show the URL.
 *
 * Sources: RFC 3986; PostgreSQL 15, 34.1.1.2 (several hosts with commas).
 */
#ifndef BELAY_CORE_CONNURL_H
#define BELAY_CORE_CONNURL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/fleet.h"

struct buf;
struct err;

#define CONNURL_MAX ((size_t)64 << 10)

bool	connurl_part_valid(const char *part);
/* May the part have this value? */
bool	connurl_value_valid(const char *part, const char *value);

/* 0, or -1 with what is wrong about it, without a byte of it. */
int	connurl_check(const char *url, size_t len_bytes, struct err *);

/* Appends a part's value (out may be NULL); false: no such part, or no URL. */
bool	connurl_get(const char *url, size_t len_bytes, const char *part, struct buf *out);

/*
 * Appends the URL with the parts set and unset.  A new parameter goes to the
 * end of the query.  Host and port of a URL with several hosts are not set:
 * an error.  scheme and host cannot be unset.
 */
int	connurl_edit(struct buf *out, const char *url, size_t len_bytes, const struct pairs *set,
	    const struct strings *unset, struct err *);

/*
 * As envfile_restore(), for a URL that somebody else changed, too: appends `now`
 * with our parts as they were in `before`; drifted parts' names go to *ret_drift.
 */
size_t	connurl_restore(struct buf *out, const char *before, size_t before_len,
	    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
	    struct strings *ret_drift);

/*
 * Appends the URL as it may be shown: "…" in the place of the password and of the values
 * of parameters that sound like one; of what is no URL nothing but "…".
 */
void	connurl_show(const char *url, size_t len_bytes, struct buf *out);

#endif
