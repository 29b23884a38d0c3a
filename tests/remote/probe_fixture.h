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

/* One of each is enough for a test program. */
extern struct servers sv;
extern struct bench bench;

#define BENCH_HBA_BOTH	"host all all 127.0.0.1/32 scram-sha-256"
#define BENCH_CASE(name) cmocka_unit_test_setup_teardown(name, bench_case_up, bench_case_down)
int	bench_group_up(void **);	/* servers: certificates, Postgres and its roles, ports */
int	bench_group_down(void **);
int	bench_case_up(void **);
int	bench_case_down(void **);

/* Readings in one line, such as "saw: plain open, tls open, chain ok, names ok ok". */
const char *bench_outcome_word(enum outcome);
const char *bench_served_line(const struct reading *);
const char *bench_census_line(const struct reading *);
const char *bench_setting(const struct reading *, const char *name);	/* "(none)" */
void	bench_expect_served(int endpoint, const char *line);
void	bench_expect_census(int endpoint, const char *line);

/* Every bad certificate (and good ones), and what is to be said of the chain, db.internal and 127.0.0.1. */
struct bench_bad {
	const char *cert, *said;
};
#define BENCH_BAD_COUNT 12
extern const struct bench_bad bench_bad[BENCH_BAD_COUNT];

/* client_tls_sslmode, the certificate, and more lines of pgbouncer.ini; belay_probe is in stats_users. */
void	bench_pgbouncer(const char *mode, const char *cert, const char *more);
/* Which listeners, the TLS one's certificate, one more option with its value (or NULL); password "probe pw". */
void	bench_redis(bool plain, bool tls, const char *cert, const char *more, const char *value);

/* A server that says one thing to everybody who talks to it, and then hangs on, or up. */
struct liar {
	uv_tcp_t server;	/* first */
	const char *text;
	size_t	 len;
	size_t	 times;		/* how often it says it */
	bool	 hang_up;
	int	 met;
};
int	liar_up(struct liar *, const char *text, size_t len);	/* its port */
void	liar_down(struct liar *);

#endif
