/*
 * dial_fixture: one client on this machine beside real servers: its settings
 * (app.env), its CA file (app-ca.crt), and what it takes to connect in its place.
 */
#ifndef BELAY_TESTS_REMOTE_DIAL_FIXTURE_H
#define BELAY_TESTS_REMOTE_DIAL_FIXTURE_H

#include <uv.h>

#include "core/fleet.h"
#include "remote/rehearse.h"
#include "servers.h"

enum { LINK_POSTGRES, LINK_PGBOUNCER, LINK_REDIS, LINKS };
enum { CERT_INTERNAL, CERT_APP };

#define HBA_BOTH "host all all 127.0.0.1/32 scram-sha-256"

struct dialling_bench {
	uv_loop_t loop;
	struct keyring *keyring;
	struct session *session;
	struct hostops *hostops;
	struct fleet *fleet;
	struct rehearsals set;
	const char *password;	/* what the secret is; NULL: not given */
	const char *pair;	/* what was issued as the client's certificate, with its key; NULL: not at hand */
};

/* One of each is enough for a test program. */
extern struct servers sv;
extern struct dialling_bench bench;

int	dial_group_up(void **);		/* certificates and ports; no server is started */
int	dial_group_down(void **);	/* insists that the loop has nothing left */

/*
 * PG, PGB: how it dials; REDIS likewise, of disable (none), require, verify-ca and verify-full with REDIS_CA.
 * PGCERT, PGBCERT, REDISCERT: that it shows the certificate in app.pem, whose path that is.
 */
void	dial_env(const char *text);
void	dial_env_showing(const char *settings, const char *variable);
/* Of the certificates of servers.h, which lies at the client's place, and which was issued; NULL: none. */
void	dial_pair(const char *there, const char *issued);
/* A Postgres on TLS only, that demands a client certificate or does not ask for one. */
void	dial_postgres_asks(bool);
/* The client's CA file: a copy of that certificate, or none. */
void	dial_ca(const char *name);

#endif
