/*
 * peers: which processes of a host hold connections to the fleet's endpoints, by
 * that host's own word, and what its clock says.  Pure.
 *
 * One command that only looks: date(1), and ss(8) of the established connections to
 * the endpoints' ports.  ss names a process to who may know it (its own user, or root): where it
 * does not, none is named, and nothing is guessed.
 */
#ifndef BELAY_CORE_PEERS_H
#define BELAY_CORE_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "core/buf.h"
#include "core/reading.h"

#define PEERS_BYTES_MAX	((size_t)64 << 10)

/* The processes of what was printed, a number a line; for what is added to the command. */
#define PEERS_PIDS "printf '%s\\n' \"$peers\" | sed -n 's/^[^=]*pid=\\([0-9]*\\).*/\\1/p'"

/* The command, for sh, which leaves in $peers what it printed; false: nobody of the fleet dials from there. */
bool	peers_command(const struct fleet *, int host, struct buf *out);
/*
 * What it printed, into the reading of a host; now_s: belay's own clock when it came.
 * What is not understood is passed over.
 */
void	peers_read(struct reading *, const char *text, size_t len_bytes, int64_t now_s);
/* The process at the client's side of a session, by the sockets of one host; or NULL. */
const struct socket_seen *peers_find(const struct reading *host, const struct fleet *, int endpoint, const char *address, int port);

#endif
