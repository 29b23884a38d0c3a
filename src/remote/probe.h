/*
 * probe: looking, over a host's session, without changing anything.
 *
 * Each probe ends with exactly one reading, within its deadline, whatever the
 * far side does.  Nothing a probe learns is kept in the worker but what makes
 * the next one cheaper: held sessions do the census, so that a warm re-probe
 * costs a round trip and not a handshake.
 */
#ifndef BELAY_REMOTE_PROBE_H
#define BELAY_REMOTE_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/census.h"
#include "core/fleet.h"
#include "core/plan.h"
#include "core/reading.h"

struct session;
struct uv_loop_s;
struct probe;

/* What probes of one worker share. */
struct probes;

/*
 * Takes over what the reading holds: calls reading_release() on it, or copies the struct and
 * releases the copy later.  The struct itself is the probe's, and gone when this returns; so
 * is the probe.  Comes from the loop, never from inside a call of this header.
 */
typedef void probe_done(void *arg, struct reading *);

struct probes_config {
	struct uv_loop_s *loop;
	const struct fleet *fleet;
	struct session *(*session)(void *arg, int host);	/* never NULL */
	/* The secret's value, or NULL with why in *ret_why ("not given yet"). */
	const char *(*secret)(void *arg, int secret, const char **ret_why);
	/* What connections in a client's place are called at a Redis: nobody else knows it.  Must outlive them; or NULL. */
	const char *redis_name;
	void	*arg;
};

struct probes *probes_new(const struct probes_config *);
void	probes_free(struct probes *);		/* ends held sessions and running probes without events */

/* The CA that an endpoint's or link's certificate is verified against (PEM); len 0 forgets it. */
void	probes_ca(struct probes *, int cert, const char *pem, size_t len_bytes);
/*
 * A certificate of belay's own with its key (PEM), which is shown to those of its endpoints that
 * let nobody in without one (look.h); copied, and wiped in the end.
 */
void	probes_pair(struct probes *, int cert, const char *pem, size_t len_bytes);
/* Addresses of the fleet's hosts as learnt (from names by getaddrinfo, or the host's own `hostname -I`). */
void	probes_addresses(struct probes *, int host, const struct strings *addresses);

/* A connection under redis_name was made there, by this worker or another one. */
void	probes_made(struct probes *, int endpoint);

/* One probe of an endpoint: READING_SERVED, CENSUS, SETTINGS, DISK or DEPTH. */
struct probe *probe_endpoint(struct probes *, enum reading_kind, int endpoint,
	    int64_t deadline_ms, probe_done *, void *arg);
/* A log, http, setting or command check of a plan (READING_CHECK); `since_ms`: when the step was activated. */
struct probe *probe_check(struct probes *, const struct check *, int64_t since_ms,
	    int64_t deadline_ms, probe_done *, void *arg);
void	probe_cancel(struct probe *);		/* no event follows */

/*
 * Whether an endpoint answers in its own protocol, as pg_isready(1) asks: one look, and
 * no reading.  why: what was met instead; may hold remote bytes.  The pointer is dead when it is done.
 */
struct back;
typedef void probe_back_done(void *arg, bool answers, const char *why);
struct back *probe_back(struct probes *, int endpoint, int64_t deadline_ms, probe_back_done *, void *arg);
void	probe_back_cancel(struct back *);	/* no event follows; NULL is fine */

#endif
