/*
 * probe_fixture: a small fleet by hand (one host, which is this machine) and
 * a loop that runs until a probe has given its reading.
 */
#ifndef BELAY_TESTS_REMOTE_PROBE_FIXTURE_H
#define BELAY_TESTS_REMOTE_PROBE_FIXTURE_H

#include <uv.h>

#include "core/fleet.h"
#include "core/reading.h"
#include "remote/probe.h"
#include "servers.h"

enum { EP_POSTGRES, EP_PGBOUNCER, EP_REDIS, EP_COUNT };
enum { LINK_PG_APP, LINK_PG_OTHER, LINK_PGB_APP, LINK_REDIS_APP, LINK_COUNT };

struct bench {
	uv_loop_t loop;
	uv_timer_t timer;
	bool	late;
	struct keyring *keyring;
	struct session *session;
	struct probes *probes;
	struct fleet fleet;
	struct endpoint endpoints[EP_COUNT];
	struct link links[LINK_COUNT];
	const char *password;		/* what the secret is; NULL: not given */
};

void	bench_up(struct bench *, const struct servers *);
/* Ends everything and insists that the loop has nothing left. */
void	bench_down(struct bench *);
void	bench_ca(struct bench *, const struct servers *, const char *name);	/* NULL: none */
/* One probe, run to its reading; the caller releases it. */
struct reading bench_look(struct bench *, enum reading_kind, int endpoint, int64_t deadline_ms);
struct reading bench_check(struct bench *, const struct check *, int64_t since_ms);
/* Turns the loop until the function says true; fails after 30 s. */
void	bench_until(struct bench *, bool (*)(void *), void *arg);

#endif
