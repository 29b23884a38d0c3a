/*
 * session_conn: what the three files of the libssh2 transport share.
 *
 *   session_libssh2.c  a connection's life: name, TCP, key exchange, login
 *   session_socket.c   the socket under libssh2
 *   session_lanes.c    the channels over it
 *
 * A session has one connection, and for a while a second and third ("side" connections):
 * libssh2 can open one channel at a time, and a dial to an address that swallows packets keeps it
 * at that for minutes.  When others wait behind such a dial, a side connection
 * is made for them.
 *
 * Invariants:
 *   1. One channel opening at a time per connection (`opening_any`); libssh2 has
 *      one state for it.
 *   2. A LIBSSH2_CHANNEL is at one place: in a channel's struct lane, on
 *      `ending`, or it is `drain`.
 *   3. libssh2 reads only when a channel is read.  So while no channel is open,
  *      the last one closed is kept as `drain` and read from, or else nobody
 *      would answer the host or notice that it went away.  Where there is none
 *      at all (a host that allows forwarding only) nothing is read and only the end is waited for.
 *   4. After anything that may emit an event, `stopped` is looked at before
 *      the connection is touched again.
 *   5. While a thread has the libssh2 session (`thread`), nobody else touches it
 *      or the socket.
 */
#ifndef BELAY_REMOTE_SESSION_CONN_H
#define BELAY_REMOTE_SESSION_CONN_H

#include <libssh2.h>
#include <sys/types.h>

#include "remote/session_int.h"

struct auth;

#define CONNS_MAX	3
#define TX_SOFT		((size_t)256 << 10)	/* no channel data is added beyond */
#define TX_HARD		((size_t)4 << 20)	/* the host does not read: give up */
#define LOGIN_BYTES_MAX	((size_t)1 << 20)	/* all that a host may say before we are in */
#define TURN_BYTES_MAX	((size_t)1 << 20)	/* then others have their turn */
/*
 * What a host may send that no channel takes: libssh2 keeps packets that
 * nobody asked for, and walks over them at each read.
 */
#define FLOOD_BYTES	((size_t)1 << 20)
#define FLOOD_PER_CHANNEL ((size_t)16 << 10)
#define FLOOD_FACTOR	((size_t)80)		/* a packet of one byte has a header, padding and MAC of 70 */
#define STUCK_MS	2000			/* a dial that takes longer lets nobody wait behind it */

enum phase { PHASE_NAME, PHASE_TCP, PHASE_KEX, PHASE_AUTH, PHASE_UP };

struct lane {			/* a channel's part */
	struct conn *conn;
	LIBSSH2_CHANNEL *ch;
	bool	 started;	/* the command was taken */
};

struct ending {
	LIBSSH2_CHANNEL *ch;
	struct ending *next;
};

struct conn {
	struct session *s;
	struct conn *next;		/* an older one of the same session */
	bool	 side;
	int64_t	 ends_at;		/* of a side connection that is not up yet */
	enum phase phase;
	int	 refs;			/* the owner, the poll handle, a name look-up, a thread */
	bool	 stopped;
	LIBSSH2_SESSION *ssh;
	int	 fd;
	uv_loop_t *loop;
	uv_poll_t *poll;		/* one for each socket: it closes in its own time */
	int	 polled;
	uv_getaddrinfo_t lookup;
	struct addrinfo *addresses, *address;
	int64_t	 address_ends_at;
	int	 connect_errno;
	struct err early;		/* start() failed: told by the next run() */
	bool	 has_early, early_retreat;

	unsigned char *banner;		/* read ahead while libssh2 reads byte by byte */
	size_t	 banner_at, banner_len;
	size_t	 rx_total, rx_turn;
	size_t	 delivered, opened;	/* channel data given out, channels opened: what rx_total may be measured by */
	int64_t	 rx_at;
	bool	 rx_dry, rx_more, rx_eof, owes_ack;
	int	 rx_errno, tx_errno;
	struct buf tx;
	size_t	 tx_off;
	char	 said[256];		/* the host's farewell */

	struct auth *auth;
	bool	 thread;		/* a thread has the libssh2 session in hand */
	struct chan *opening;
	bool	 opening_any;		/* libssh2 is opening something: `opening`, an orphan or a question */
	enum chan_kind opening_kind;
	char	*opening_what;
	int	 opening_port;
	int64_t	 opening_at;
	size_t	 closes, closes_refused;	/* our CLOSEs: so far, and when an opening was last refused */
	struct ending *ending;
	LIBSSH2_CHANNEL *drain;
	bool	 mute;			/* the host opens no session channels: not asked again at once */
};

/* session_socket.c */
void	conn_callbacks(struct conn *);		/* gives libssh2 our socket */
void	conn_flush(struct conn *);
void	conn_ack(struct conn *);		/* what was read and not answered */
bool	conn_broken(const struct conn *);
/* "host 'db': DOING: why", from what is known about the socket, the host's farewell or libssh2. */
void	conn_explain(const struct conn *, const char *doing, struct err *ret);

/* session_lanes.c */
void	conn_serve(struct conn *);		/* everything that can move over a connection that is up */
void	conn_drop(struct chan *);		/* takes a channel's lane */
void	conn_ask(struct conn *);		/* whether the host is there: opens and closes a session channel */
bool	conn_stuck(const struct conn *);
bool	conn_reads(const struct conn *);	/* there is a channel that libssh2 reads by */

/* session_libssh2.c */
void	conn_failed(struct conn *, const struct err *);

#endif
