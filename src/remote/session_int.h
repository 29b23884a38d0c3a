/*
 * session_int: what session.c and the transports share.  Nobody else includes it.
 *
 * session.c owns the state machine, the queue of channels, their deadlines and
 * every event; a transport owns the connection and moves bytes.
 *
 * Rules between them:
 *   - a transport calls session_up(), session_failed(), session_blocked(),
 *     session_retreat(), chan_opened(), chan_data(), chan_ended() … only from the loop (a libuv
 *     callback or its own run()), never from start() or stop();
 *   - around a callback of its own a transport calls session_enter() and
 *     session_leave(); after any emit it checks session->dead or chan->state;
 *   - a channel is taken off the list only by chan_ended(), and only while its
 *     transport is looking at that channel, so that a walk over the list that
 *     has noted the next one is safe;
 *   - stream_close() only marks (chan->detached) and asks for a run.
 */
#ifndef BELAY_REMOTE_SESSION_INT_H
#define BELAY_REMOTE_SESSION_INT_H

#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "remote/session.h"
#include "remote/stream.h"

struct keyring;
struct ssh_config;
struct ssh_config_query;
struct transport;

enum chan_kind { CHAN_EXEC, CHAN_DIAL };

enum chan_state {
	CHAN_WAITING,		/* for the session, or for its turn */
	CHAN_OPENING,		/* the transport has it */
	CHAN_OPEN,
	CHAN_GONE		/* ended; the memory lives while it is held */
};

struct chan {
	struct stream stream;		/* first: a struct stream * is a struct chan * */
	struct session *session;
	struct chan *prev, *next;
	enum chan_kind kind;
	enum chan_state state;
	char	*what;			/* the command, or the address to dial */
	int	 port;
	struct buf out;			/* not yet given to the transport, from out_off on */
	size_t	 out_off;
	bool	 out_eof;		/* the owner wants EOF after `out` */
	bool	 out_eof_sent;
	bool	 eof_seen;		/* the far side's EOF was told */
	bool	 detached;		/* the owner closed it: end it quietly */
	bool	 too_long;		/* the command */
	bool	 doomed;		/* about to be ended with the connection */
	bool	 flooded;		/* more was queued than may wait */
	int64_t	 deadline_at;		/* loop time; 0: none */
	int64_t	 deadline_ms;		/* as asked, for the message */
	void	*impl;			/* the transport's part */
};

struct transport {
	const char *name;
	/* Begins to connect to session->target. */
	void	(*start)(struct session *);
	/* Drops everything at once, without events; channels are session.c's to end. */
	void	(*stop)(struct session *);
	/* Moves whatever can move: opens waiting channels, writes, reads, drops detached ones. */
	void	(*run)(struct session *);
	/* Lets go of the transport's part of a channel that session.c is ending. */
	void	(*drop)(struct chan *);
	/* Called when a timer fires; returns the loop time of its next wish, 0: none. */
	int64_t	(*tick)(struct session *, int64_t now);
};

extern const struct transport transport_libssh2;
extern const struct transport transport_system;
extern const struct transport transport_local;

#define EXECS_MAX	8	/* below sshd's MaxSessions of 10, which counts these only */
#define DIALS_MAX	16

struct session {
	uv_loop_t *loop;
	struct keyring *keyring;
	struct session_config config;	/* strings owned */
	void	(*changed)(struct session *, void *);
	void	*changed_arg;
	bool	 changed_due;

	enum session_state state;
	enum session_need need;
	char	*subject, *keytype;
	char	 why[ERR_MAX];
	char	*transport_why;
	const char *step;		/* what is being waited for, for the deadline's message */
	int	 attempts;
	int64_t	 retry_at;
	int64_t	 up_at;
	int64_t	 side_at;		/* no other side connection before */
	int64_t	 silence_ms;		/* so long may a host say nothing before it is asked */
	int64_t	 answer_ms;		/* and so long may the answer take */
	int64_t	 attempt_ends_at;
	bool	 wanted;		/* session_wake(): connect although no stream waits */

	struct ssh_config_query *query;
	unsigned char *shown_key;	/* the host key that NEED_HOST_KEY is about */
	size_t	 shown_len;
	struct ssh_config *target;	/* where to connect; NULL before it is known */
	const struct transport *transport;
	bool	 system_only;		/* libssh2 was found not to be enough for this host */
	void	*link;			/* the transport's connection */
	char	 address[64];

	struct chan *first, *last;
	struct chan *gone;		/* ended, freed when no callback is running */
	int	 execs, dials;		/* channels that the transport has */
	int	 exec_cap, dial_cap;
	int	 exec_streak;		/* commands ended since the host last had no room */

	uv_timer_t timer;
	int64_t	 timer_at;		/* 0: not set */
	uv_idle_t soon;
	int	 handles;		/* libuv handles not yet closed */
	int	 depth;			/* callbacks we are inside of */
	bool	 dead;			/* session_free() was called */
};

void	session_enter(struct session *);
void	session_leave(struct session *);	/* may free the session */
void	session_soon(struct session *);		/* run() at the next turn of the loop */
void	session_timer(struct session *, int64_t at);	/* wake up then, or earlier */
int64_t	session_now(const struct session *);

/* What a transport reports. */
void	session_step(struct session *, enum session_state, const char *step);
void	session_up(struct session *);
/* The connection failed or was lost: try again later.  Channels end with LOST (opened) or REFUSED. */
void	session_failed(struct session *, const struct err *);
void	session_blocked(struct session *, enum session_need, const char *subject,
	    const char *keytype, const struct err *);
/* libssh2 cannot do this host: go on with the system's ssh, at once. */
void	session_retreat(struct session *, const char *why);

/* The next channel that may be opened now, or NULL; it is OPENING then and counted. */
struct chan *session_next(struct session *);
/* Puts it back to the head of the queue: the host has no room for it now. */
void	chan_requeue(struct chan *);
void	chan_opened(struct chan *);
void	chan_data(struct chan *, const void *, size_t len_bytes);
void	chan_errdata(struct chan *, const void *, size_t len_bytes);
void	chan_eof(struct chan *);
void	chan_ended(struct chan *, enum stream_end, int exit_status, const struct err *);
size_t	chan_pending(const struct chan *, const void **ret);	/* bytes to send */
void	chan_sent(struct chan *, size_t len_bytes);

#endif
