/*
 * rehearse: one new connection as the client of a link would make it, tried
 * before the client does.
 *
 * From the client's own host, to the name and port that its settings dial, by its own mode as
 * its driver means it (attempt.h's table, a second try included where the driver makes
 * one), against the CA file that it reads, by its content on that host.  libpq and OpenSSL stand in for
 * the driver; for Redis OpenSSL and RESP.
 *
 * It logs in as the endpoint's probe, never as the client: no password of a client is read.
 * So it shows the way and what the client checks, and nothing about the client's
 * role; what the server says to the probe's role alone is a remark.  At a
 * PgBouncer it is the console that is logged in to: the server's side is a link of its own.
 * A client certificate is shown in its client's place where its key is at hand at the bastion, since it was made there, and it
 * is the one that lies at the client's; no key is ever read from a host.  Without that UNKNOWN is the best that can be
 * said of a client that is set to show one.
 *
 * Life: a rehearsal is made once, read when the settings or the CA file may have
 * changed (one round trip by the host-side program), and dialled many times.  Answers come from the loop, never
 * from inside the call that asked.
 *
 * What it leaves at the endpoint: a connection of application "belay-rehearsal", in the name of the probe, which every
 * census leaves out.  A Redis counts its connections: each is told (`made`).
 */
#ifndef BELAY_REMOTE_REHEARSE_H
#define BELAY_REMOTE_REHEARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dialling.h"
#include "core/rehearsed.h"

struct hostops;
struct rehearsal;
struct rehearsal_call;
struct session;
struct uv_loop_s;

struct rehearsals {		/* what they share; must outlive them */
	struct uv_loop_s *loop;
	const struct fleet *fleet;
	struct hostops *hostops;
	struct session *(*session)(void *arg, int host);	/* never NULL */
	/* The secret's value, or NULL with why in *ret_why; without it nobody logs in. */
	const char *(*secret)(void *arg, int secret, const char **ret_why);
	/*
	 * The key and the certificate of a client's in PEM, where they are at hand, or NULL.  It is shown where it
	 * is what lies at the client's own place.
	 */
	const char *(*pair)(void *arg, int cert, size_t *ret_len);
	/* What such a connection to a Redis is called, as told to the census (probe.h); NULL: as belay's others. */
	const char *redis_name;
	/* One to a Redis was made: it counts them.  May be NULL. */
	void	(*made)(void *arg, int endpoint);
	void	*arg;
};

/*
 * link: dialled from a host of the fleet (link_host()).
 * dial: the mode where no file of the client's host says it, or DIAL_UNKNOWN.
 * to_be, trust: as it would be after a step, or DIAL_UNKNOWN, NONE: the mode that the
 * step writes, and the CAs that the file will hold (core/trust.h); lands: only where there is none yet.
 */
struct rehearsal_as {
	int	 link;
	enum dial dial;
	enum dial to_be;
	int	 trust;
	bool	 lands;
};
struct rehearsal *rehearsal_new(const struct rehearsals *, const struct rehearsal_as *);
void	rehearsal_free(struct rehearsal *);	/* NULL is fine; its calls end without answers */

/*
 * Reads mode, address and CA file on the client's host.  why NULL: they were; else the last that
 * was read still stands.  One at a time: another reading takes the earlier one's place.
 */
typedef void rehearsal_read_done(void *arg, const char *why);
void	rehearsal_read(struct rehearsal *, int64_t deadline_ms, rehearsal_read_done *, void *arg);
/* What was read last, or NULL. */
const struct dialling *rehearsal_says(const struct rehearsal *);

/*
 * One new connection, by what was read last.  HANGS: the deadline passed, and the client's host itself
 * answered meanwhile or then; where it did not, UNKNOWN.  Up to 2 s may be added for that.
 * Several may be out at once.
 */
typedef void rehearsal_done(void *arg, const struct rehearsed *);
struct rehearsal_call *rehearsal_dial(struct rehearsal *, int64_t deadline_ms, rehearsal_done *, void *arg);
void	rehearsal_call_cancel(struct rehearsal_call *);	/* no answer follows; NULL is fine */

#endif
