/*
 * resp: the one door to hiredis (its reader and formatter, nothing else).
 * RESP over a stream, plain or TLS: commands out, replies in the order of the commands.
 *
 * Caps, so that a bomb costs bounded memory: an array has at most
 * RESP_ARRAY_MAX elements, a reply RESP_VALUES_MAX values, and what one command's
 * reply may take in bytes is given with the command.
 */
#ifndef BELAY_REMOTE_RESP_H
#define BELAY_REMOTE_RESP_H

#include <stddef.h>
#include <stdint.h>

#include "remote/stream.h"

struct resp;

#define RESP_ARRAY_MAX	4096
#define RESP_VALUES_MAX	16384
#define RESP_REPLY_MAX	((size_t)1 << 20)	/* what an ordinary reply may take */

enum resp_type { RESP_STRING, RESP_STATUS, RESP_ERROR, RESP_INTEGER, RESP_NIL, RESP_ARRAY };

struct resp_value {
	enum resp_type type;
	char	*text;		/* STRING, STATUS, ERROR: NUL-terminated; may hold NULs before */
	size_t	 len;
	int64_t	 integer;
	struct resp_value **v;	/* ARRAY */
	size_t	 n;
};

struct resp_events {
	void	(*opened)(void *arg);
	/* The reply to the command with this tag; the value is gone when it returns. */
	void	(*reply)(void *arg, int tag, const struct resp_value *);
	void	(*closed)(void *arg, enum stream_end, const char *why);	/* the last; the pointer is dead after it */
};

/* Takes the stream over; made by stream_own() or a TLS layer before it is open. */
struct resp *resp_over(struct stream *, const struct resp_events *, void *arg);
/*
 * The arguments are sent as they are (NULs in them would need lengths: there are none);
 * the formatted command is wiped after it was handed to the stream.
 */
int	resp_command(struct resp *, int tag, size_t max_bytes, int argc, const char *const argv[]);
void	resp_close(struct resp *);	/* no event follows; NULL is fine */
/* The stream underneath, for tls_facts(). */
struct stream *resp_stream(struct resp *);

#endif
