/*
 * probe_int: what the files of probes share.  Nobody else includes it.
 *
 * probe.c owns every probe's life: its deadline, its turn, its one reading.
 * A kind of probe is a struct probe_ops.  What is kept between probes of one
 * endpoint (held sessions, what was last seen of its TLS) is its spot.
 *
 * Turns: an endpoint has two lanes, one for handshakes and one for questions on
 * the held session; in each, one probe runs at a time, in the order asked
 * for.  Redis has one lane for both: its census would otherwise count the
 * handshake next to it.
 *
 * Rules: start() and everything after it runs from the loop, never from
 * inside a caller's call; probe_finish() ends the probe and frees it, so
 * that nothing may touch it afterwards; stop() drops what the probe has under
 * way, without events, and is called exactly once, before the reading is given away.
 */
#ifndef BELAY_REMOTE_PROBE_INT_H
#define BELAY_REMOTE_PROBE_INT_H

#include <uv.h>

#include "core/err.h"
#include "remote/look.h"
#include "remote/memfile.h"
#include "remote/probe.h"
#include "remote/stream.h"
#include "remote/tls.h"

struct follow;
struct loginwatch;
struct pq;
struct redis;
struct sql;

enum lane_kind { LANE_LOOK, LANE_ASK };
#define LANE_COUNT 2

struct lane {
	struct probe *first, *last;	/* first is the one that runs */
};

/*
 * A Redis numbers its connections and counts them, and keeps no log: between two looks so
 * many were made, of which so many are listed; what is neither listed nor ours is unaccounted for.
 */
struct account {
	int64_t	 from_ms;	/* 0: not begun */
	int64_t	 total;		/* total_connections_received at the last look */
	int64_t	 newest_id;	/* the highest that was ever listed */
	uint64_t own;		/* of the spot, at the beginning */
	int64_t	 unlisted;	/* made since the beginning and never listed */
};

struct spot {
	struct probes *set;
	int	 endpoint;
	struct lane lanes[LANE_COUNT];
	/* What the last TLS look met, for choosing how a held session goes. */
	int64_t	 looked_at;	/* loop time; 0: never */
	enum leg tls;
	bool	 verified;	/* chain, and the name below */
	const char *verified_name;	/* the fleet's */
	bool	 shows;		/* nobody is let in there without a certificate, and with belay's own it was */
	struct sql *sql;	/* held sessions: one of the two, or NULL */
	struct redis *redis;
	uint64_t own;		/* connections that belay made here and that are in no list any more */
	struct account account;	/* of a Redis: who came without being seen */
	struct follow *follow;	/* its log, where the fleet gives a command that follows it */
	struct loginwatch *logins;	/* who logs in there, by that log */
};

struct probe_ops {
	size_t	 size_bytes;	/* of the kind's own struct, whose first member is a struct probe */
	void	(*start)(struct probe *);
	void	(*stop)(struct probe *);
	/* The deadline passed: put what is known into the reading.  NULL: nothing is. */
	void	(*late)(struct probe *);
};

struct probe {
	struct probes *set;
	struct probe *prev, *next;		/* all of the set */
	struct probe *lane_next;
	struct lane *lane;			/* NULL: no turn needed */
	const struct probe_ops *ops;
	struct spot *spot;			/* NULL where no endpoint is concerned */
	struct reading reading;
	uv_timer_t *timer;
	int64_t	 asked_at, deadline_ms;		/* loop time */
	int64_t	 began_ms;			/* since 1970; 0: not yet */
	bool	 started;
	char	*wants;				/* see probe_wants() */
	struct tail *tail;			/* see probe_then() */
	probe_done *done;
	void	*arg;
};

struct trust_set {		/* the CAs by which an endpoint is verified: those of every cert that serves it */
	struct tls_trust *trust;	/* NULL: none of them is known */
	int	 fd;		/* a memory file with the PEM, for libpq; -1 none */
	char	 path[MEMFILE_PATH_MAX];
	/* The same with belay's own certificate, which is shown where it is asked for; NULL: it has none for there. */
	struct tls_trust *shown;
	int	 pair_fd;	/* it and its key, likewise */
	char	 pair_path[MEMFILE_PATH_MAX];
};

struct probes {
	struct probes_config c;
	struct spot *spots;
	struct buf *cas;		/* by cert: the PEM of its CA */
	struct buf *pairs;		/* by cert: belay's own ones, with their keys */
	struct trust_set *trusts;	/* by endpoint */
	struct tls_trust *no_trust;
	struct host_addresses known;
	struct probe *first;
};

/* How old what was seen of TLS may be, to choose a way by it. */
#define LOOK_FRESH_MS 5000

struct probe *probe_new(struct probes *, const struct probe_ops *, struct spot *, enum lane_kind,
	    enum reading_kind, int subject, int64_t deadline_ms, probe_done *, void *arg);
/* The probe is over; the reading is what it is. */
void	probe_finish(struct probe *);
/* …with an outcome and the reason; returns for the caller's `return`. */
void	probe_end(struct probe *, enum outcome, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/* Sets outcome and reason without ending; a worse outcome is never bettered. */
void	probe_say(struct probe *, enum outcome, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
/*
 * Before the probe ends well: a command on a host, at most PROBE_TAIL_MAX of whose output is
 * given to done(), or why it could not be had.  Within the probe's deadline, and its turn.
 */
#define PROBE_TAIL_MAX	((size_t)256 << 10)
void	probe_then(struct probe *, int host, const char *command,
	    void (*done)(struct probe *, const char *text, size_t len_bytes, const char *why));
int64_t	probe_left_ms(const struct probe *);	/* until its deadline, at least 1 */
/* Brings the deadline nearer: late() comes then. */
void	probe_hurry(struct probe *, int64_t from_now_ms);

/* Of an endpoint. */
const struct endpoint *spot_endpoint(const struct spot *);
struct session *spot_session(const struct spot *);
const char *spot_address(const struct spot *);
int	spot_port(const struct spot *, bool tls);	/* 0: none is declared */
const struct tls_trust *spot_trust(const struct spot *, bool shows);
const struct tls_trust *spot_shown(const struct spot *);	/* NULL: belay has no certificate to show there */
const char *spot_ca_file(const struct spot *);		/* NULL: no CA known */
const char *spot_pair_file(const struct spot *);	/* NULL: none is shown there, as `shows` has it */
int	spot_ca(const struct spot *, const char *sha256);	/* the cert that serves it and whose CA this is, or NONE */
/* The probe's password: 0 with *ret (NULL: none is declared), or -1 with *ret_why. */
int	spot_password(const struct spot *, const char **ret, const char **ret_why);
/* The admin's, likewise. */
int	spot_admin_password(const struct spot *, const char **ret, const char **ret_why);
/* Keeps in mind what a TLS look met. */
void	spot_saw(struct spot *, const struct look *);
/* Adds "sessions match no link, and host … has no known address" where that may be why. */
void	spot_doubts(const struct spot *, struct probe *);

/* READING_DISK or READING_DEPTH.  probe_depth.c */
struct probe *probe_deep(struct probes *, enum reading_kind, int endpoint, int64_t deadline_ms, probe_done *, void *arg);

/* The kinds. */
extern const struct probe_ops served_ops;		/* probe_served.c */
extern const struct probe_ops postgres_census_ops, postgres_settings_ops;
extern const struct probe_ops pgbouncer_census_ops, pgbouncer_settings_ops;
extern const struct probe_ops redis_census_ops, redis_settings_ops;
/* The command of a log with $(since) in it, filled in (seconds since 1970); the caller's. */
char	*log_since(const char *command, int64_t since_ms);
/* Puts who has logged in into the census; `logged`: the server says that it logs logins. */
void	spot_logins(struct spot *, bool logged, struct census *);
void	sql_free(struct sql *);
void	redis_free(struct redis *);

/*
 * What will be after a restart, beside what runs: KEY@persisted, as the server's own file
 * has it, or persisted@unseen with why it cannot be told.  persisted.c
 */
void	persisted_redis(struct probe *);
void	persisted_postgres(struct probe *);	/* its key only: its files it tells itself */
void	persisted_pgbouncer(struct probe *);

/* One more setting that a check asks the settings probe for, or "". */
const char *probe_wants(const struct probe *);
void	setting_forget(struct probe *);
void	setting_put(struct probe *, const char *name, const char *value);
const char *setting_get(const struct reading *, const char *name);

#endif
