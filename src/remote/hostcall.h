/*
 * hostcall: one run of the host-side program over a session.  Sends the
 * request, collects the answer, hands it on; knows nothing of what is asked.
 */
#ifndef BELAY_REMOTE_HOSTCALL_H
#define BELAY_REMOTE_HOSTCALL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/err.h"
#include "remote/hostproto.h"

struct session;
struct stream;

enum hostcall_end {
	HOSTCALL_ANSWERED,	/* the answer is whole */
	HOSTCALL_NOT_SENT,	/* the host was not reached: it knows nothing of it */
	HOSTCALL_LATE,		/* sent, and no answer within the deadline */
	HOSTCALL_LOST		/* sent, and the way to the host broke, or the answer is none */
};

struct hostcall;
struct hostcall_events {
	/* The last event.  answer: only for ANSWERED, borrowed; why: for the others. */
	void	(*done)(void *arg, enum hostcall_end, const struct host_answer *, const struct err *why);
	/* Behind a "live" line, as it comes; may be NULL. */
	void	(*text)(void *arg, const char *bytes, size_t len_bytes);
	/*
	 * The program waits, behind a line "wait FOR"; goes on by hostcall_say(), or ends by
	 * hostcall_release().  NULL: its stdin ends with the request.
	 */
	void	(*waits)(void *arg, const char *for_what, const struct host_answer *so_far);
};

struct hostcall {		/* zero it before the first use */
	struct stream *stream;	/* NULL: none under way */
	char	 nonce[HOST_NONCE_MAX];
	struct buf request, out, said;	/* said: the far side's stderr */
	size_t	 waited;	/* of out: no later than this is a "wait" that was told */
	size_t	 searched;	/* of out: the end is not before this */
	bool	 sent, live, live_over, ended;
	bool	 held;		/* sudo was told, and the program has not said that it is there */
	bool	 heard;		/* of sudo, by whoever wants to know */
	/* by sudo: as whom (or NULL), what it is told, and what came of it */
	const char *as;
	struct buf password;
	void	(*troubled)(void *arg, enum sudo_trouble);
	void	*troubled_arg;
	const struct hostcall_events *events;
	void	*arg;
};

/* The headers come by host_header() into hostcall_headers(), then begin sends it all. */
struct buf *hostcall_headers(struct hostcall *);
/*
 * After the headers are begun: as another user; borrowed until the end.  password NULL:
 * sudo may not ask for one; it is copied.  A sudo that does not begin the program ends
 * the call as NOT_SENT, with words.  `troubled` is told once for each call that does not end by
 * hostcall_release(): SUDO_FINE as soon as the program says that it is there, which of its
 * troubles, or SUDO_SILENT.
 */
void	hostcall_as(struct hostcall *, const char *user, const char *password,
	    void (*troubled)(void *arg, enum sudo_trouble), void *arg);
void	hostcall_begin(struct hostcall *, struct session *, const char *verb, const char *op_id,
	    const void *payload, size_t payload_len, int64_t deadline_ms,
	    const struct hostcall_events *, void *arg);
/* More of its stdin, to a program that waits: whole lines. */
void	hostcall_say(struct hostcall *, const void *, size_t len_bytes);
void	hostcall_release(struct hostcall *);	/* ends it without an event */

#endif
