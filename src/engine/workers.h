/*
 * workers: the processes that touch the network, minded from the console's loop.
 *
 * At most as many as there are cores; each owns a share of the hosts (host %
 * count).  A worker is a re-exec of this binary (`belay --worker`, its socketpair on
 * descriptor 3), never a bare fork.  It may hang or crash: then its
 * questions in flight end with `lost`, its hosts are reported REACH_LOST, and another is
 * started (backoff 0.1 s doubling to 5 s).  A worker that does not answer by a question's
 * deadline plus a grace is killed (SIGKILL, by the pid that was kept).
 *
 * What a worker sends is decoded as if an enemy had written it: an answer to
 * no question of its own, an index that the fleet does not have, a time from the
 * future, and it is given up (the time is only put right).  A question asked
 * while its worker is being started anew waits for it, within its own deadline.
 */
#ifndef BELAY_ENGINE_WORKERS_H
#define BELAY_ENGINE_WORKERS_H

#include <stddef.h>
#include <stdint.h>

#include "core/board.h"
#include "core/canary.h"
#include "core/fleet.h"
#include "core/op.h"
#include "core/reading.h"

struct err;
struct uv_loop_s;
struct wire_op;
struct workers;

/* What a host needs a person for; see remote/session.h. */
enum host_need { HOST_NEEDS_NOTHING, HOST_NEEDS_KEY_ACCEPTED, HOST_NEEDS_PASSPHRASE, HOST_KEY_CHANGED,
	HOST_NEEDS_SUDO };	/* the password of the user that logs in; subject: whom to become */

/*
 * All are called from the loop, never from inside a call of the functions
 * below; they may ask new questions, but not call workers_stop().
 */
struct workers_events {		/* strings and readings are valid (and owned) as said */
	void	(*reading)(void *arg, uint64_t id, struct reading *);	/* its content is taken over: reading_release() */
	void	(*op_done)(void *arg, uint64_t id, const struct op_result *);
	void	(*op_text)(void *arg, uint64_t id, const char *bytes, size_t len_bytes);
	void	(*host)(void *arg, int host, const struct host_view *, enum host_need,
		    const char *subject, const char *keytype);	/* may be "", may hold remote bytes */
	/* The question will not be answered: its worker is gone. */
	void	(*lost)(void *arg, uint64_t id);
	/* A worker began anew: secrets and CAs were sent again already. */
	void	(*began)(void *arg, int worker);
	/* What a canary has seen since its last report. */
	void	(*canary)(void *arg, uint64_t id, const struct canary_report *);
};

struct workers_config {
	struct uv_loop_s *loop;
	const struct fleet *fleet;
	const char *fleet_text;		/* what fleet was parsed from */
	size_t	 fleet_len;
	const char *ssh_config;		/* or NULL */
	const char *program;		/* path to re-exec; "/proc/self/exe" */
	size_t	 count;			/* 0: as many as there are cores, and no more than hosts */
	int64_t	 grace_ms;		/* behind a question's deadline; 0: 5000 */
	const struct workers_events *events;	/* must outlive the workers, as do loop, fleet and fleet_text */
	void	*arg;
};

/* Has the process ignore SIGPIPE from here on. */
int	workers_start(struct workers **ret, const struct workers_config *, struct err *);
/*
 * Closes, waits at most 1 s, kills; then frees.  No event follows.  The loop
 * has to run once more afterwards, to close its handles.  NULL is fine.
 */
void	workers_stop(struct workers *);

/* Each returns a fresh id, never 0.  A deadline is counted from now. */
uint64_t workers_probe(struct workers *, enum reading_kind, int subject, int64_t deadline_ms);
uint64_t workers_check(struct workers *, const struct check *, int host, int64_t since_ms, int64_t deadline_ms);
uint64_t workers_op(struct workers *, enum op_verb, const struct wire_op *, int64_t deadline_ms);
/* Answered by op_done; see wire.h for what its outcomes mean. */
struct wire_lease;
uint64_t workers_lease(struct workers *, int host, const struct wire_lease *, int64_t deadline_ms);
uint64_t workers_records(struct workers *, int host, const char *plan_sha, int64_t deadline_ms);	/* op_done; see remote/hostops.h */
/*
 * What a canary of the link has seen (dial: its mode where no file says it), answered by `canary` within about a second, and at
 * once where it is nothing good.  It is begun by the first question, and ends when none is asked any
 * more, or the last is cancelled.
 */
uint64_t workers_canary(struct workers *, int link, enum dial, const struct canary_terms *, int64_t deadline_ms);
/* No event follows for this question; an op that has begun on its host is not taken back by it. */
void	workers_cancel(struct workers *, uint64_t id);
/* An op that only waits for a server to be back is to end now; it answers as ever. */
void	workers_hurry(struct workers *, uint64_t id);

/* Kept (in wiped memory) and given again to a worker that is started anew. */
void	workers_secret(struct workers *, int secret, const char *value, size_t len_bytes);
void	workers_ca(struct workers *, int cert, const char *pem, size_t len_bytes);
/* Of a client's certificate: its key and it, so that a connection in the client's place can show it. */
void	workers_pair(struct workers *, int cert, const char *pem, size_t len_bytes);
void	workers_passphrase(struct workers *, int host, const char *keyfile, const char *passphrase);
/* Not kept: a worker that is started anew asks again. */
void	workers_sudo(struct workers *, int host, const char *password);
void	workers_accept_host_key(struct workers *, int host, const char *fingerprint);
void	workers_wake(struct workers *, int host);

size_t	workers_count(const struct workers *);
long	workers_pid(const struct workers *, size_t worker);	/* for tests and `doctor`; -1 while there is none */

#endif
