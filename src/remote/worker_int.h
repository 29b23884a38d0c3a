/*
 * worker_int: what the files of the worker process share.  Nobody else includes it.
 *
 * worker.c		the process, its socket, what it is told
 * worker_hosts.c	sessions, what sudo is told, addresses
 * worker_jobs.c	what it is asked, from the question to the answer
 */
#ifndef BELAY_REMOTE_WORKER_INT_H
#define BELAY_REMOTE_WORKER_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "core/buf.h"
#include "remote/canary.h"
#include "remote/hostops.h"
#include "remote/rehearse.h"
#include "wire/wire.h"

struct err;
struct job;
struct worker;

struct slot {			/* a host */
	struct worker *worker;
	int	 host;
	struct session *session;	/* NULL: nobody asked for it yet */
	bool	 was_up;
	char	*addresses;		/* as the console tells them, of all hosts; or NULL */
	char	*sudo;			/* what sudo is told; NULL: nothing */
	bool	 sudo_wanted;		/* a person is asked for it */
	int	 sudo_by;		/* it: for whom, a host or another user's place there */
	bool	 sudo_refused;		/* it did not take what it was told last */
};

struct secret_slot {
	char	*value;			/* NULL: not known */
	size_t	 len;
	char	*why;			/* it could not be read */
	int64_t	 read_ms;		/* HOST_ENV: loop time */
	struct hostop *reading;		/* HOST_ENV: it is being read now */
	struct worker *worker;
	int	 secret;
};

struct pair_slot {
	char	*pem;			/* NULL: it is not at hand */
	size_t	 len;
};

struct worker {
	uv_loop_t loop;
	uv_pipe_t socket;
	struct buf in;
	char	*chunk;
	int	 status;		/* the process's, once it ends */
	bool	 ending;
	struct fleet *fleet;		/* NULL: not told yet */
	int	 index, count;
	struct keyring *keyring;
	struct slot *slots;
	struct secret_slot *secrets;
	struct pair_slot *pairs;	/* by cert */
	struct addresses *addresses;
	bool	 addresses_changed;
	char	*ssh_config;
	struct probes *probes;
	struct hostops *hostops;
	struct rehearsals rehearsals;
	struct job *jobs;
	char	 redis_name[40];	/* of connections in a client's place; the same in all workers */
	struct canary_run **canaries;	/* by link; NULL: none */
};

/* worker.c */
/* Ends the process, with words on stderr. */
void	worker_die(struct worker *, const char *what, const struct err *);
/* Sends a message; its blob stays the caller's. */
void	worker_say(struct worker *, const struct message *);
int64_t	worker_now(struct worker *);	/* loop time */
/* An index of the console's; false: the process ends. */
bool	worker_has(struct worker *, int index, size_t n);

/* worker_hosts.c */
bool	worker_owns(const struct worker *, int host);
void	worker_tell_host(struct slot *);
void	worker_host_learnt(void *arg, int host);		/* its address */
struct session *worker_session(void *arg, int host);	/* never NULL */
void	worker_sudo_told(struct slot *, const char *password);
const char *worker_sudo_password(void *arg, int host);
void	worker_sudo_heard(void *arg, int host, enum sudo_trouble);
/* What is known of the addresses of all hosts is given to the probes, if it changed. */
void	worker_give_addresses(struct worker *);

/* worker_jobs.c */
/* Begins what the message asks for: PROBE, CHECK, OP, LEASE, RECORDS, CANARY; or CANCEL, HURRY. */
void	worker_take_question(struct worker *, const struct message *);
void	worker_end_jobs(struct worker *);	/* without answers */
/* Of a client's certificate: its key and it in PEM, or NULL. */
const char *worker_pair(void *arg, int cert, size_t *ret_len);
const char *worker_secret(void *arg, int secret, const char **ret_why);
/* value NULL: it is forgotten. */
void	worker_set_secret(struct secret_slot *, const char *value, size_t len);

#endif
