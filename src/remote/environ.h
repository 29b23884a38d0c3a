/*
 * environ: what a running process has in its environment of the variables by which its client
 * dials, against the files that it was started by.
 *
 * A service that was written to and not restarted goes on by what it was started with; that is
 * in /proc/PID/environ (proc(5)), for its own user and for root.  Values stay on the host: they
 * are compared by their SHA-256.  A process that has none of the names reads its files itself, or
 * is started otherwise; of it nothing is said.
 */
#ifndef BELAY_REMOTE_ENVIRON_H
#define BELAY_REMOTE_ENVIRON_H

#include "core/op.h"
#include "core/reading.h"

struct buf;

struct written {		/* a variable of an env file, and what it is */
	int	 link;
	char	*name;
	char	*sha;		/* SHA-256 of its value as a program gets it, or "-": not set there */
};

struct environ {
	struct written *v;
	size_t	 n;
};

/* The variables of env files on the host that its links' values name; what cannot be read is left out. */
void	environ_written(struct environ *ret, const struct fleet *, int host, op_lookup *, void *arg);
void	environ_release(struct environ *);
/*
 * Adds to the command of peers.h what prints "environ PID NAME SHA256" ("-": not there) of the processes whose
 * numbers `pids`, a command, prints, of the first few of them.
 */
void	environ_command(struct buf *out, const char *pids, const struct environ *);
/* What it printed, into the reading of the host, whose sockets are known. */
void	environ_read(struct reading *, const struct fleet *, const struct environ *, const char *text);

#endif
