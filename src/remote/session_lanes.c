/*
 * session_lanes: channels over one libssh2 connection; see session_conn.h for
 * the invariants.
 *
 * The lost wake-up: any read, by whomever, may drain the socket for every
 * channel.  So conn_serve() passes over all of them again until nothing moved
 * and no byte arrived during a whole pass; only then may the loop wait.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/session_conn.h"

#define WINDOW_BYTES	((unsigned int)1 << 20)
#define PACKET_BYTES	((unsigned int)32768)
#define READ_BYTES	32768

static void
end_channel(struct conn *c, LIBSSH2_CHANNEL *ch)
{
	struct ending *e = mem_alloc(sizeof(*e));

	e->ch = ch;
	e->next = c->ending;
	c->ending = e;
}

void
conn_drop(struct chan *ch)
{
	struct lane *lane = ch->impl;
	struct conn *c = lane->conn;

	if (c->opening == ch)
		c->opening = NULL;	/* libssh2 goes on opening it: an orphan, ended when it is there */
	if (lane->ch != NULL && !c->stopped)
		end_channel(c, lane->ch);
	free(lane);
	ch->impl = NULL;
}

/* A closed channel may be read from as long as that does not send a window adjustment. */
static bool
can_drain(LIBSSH2_CHANNEL *ch)
{
	unsigned long avail, initial, window;

	window = libssh2_channel_window_read_ex(ch, &avail, &initial);
	return avail == 0 && window > initial / 4 * 3 + 16;
}

static bool
serve_ending(struct conn *c)
{
	struct ending **at = &c->ending, *e;
	bool moved = false;

	while ((e = *at) != NULL) {
		if (libssh2_channel_close(e->ch) == LIBSSH2_ERROR_EAGAIN) {
			at = &e->next;
			continue;
		}
		if (can_drain(e->ch)) {
			if (c->drain != NULL)
				libssh2_channel_free(c->drain);
			c->drain = e->ch;
		} else
			libssh2_channel_free(e->ch);
		*at = e->next;
		free(e);
		c->closes++;
		moved = true;
	}
	return moved;
}

static void
refused(struct conn *c, struct chan *ch)
{
	char *text = NULL;
	const char *why;
	struct err e;

	libssh2_session_last_error(c->ssh, &text, NULL, 0);
	why = text == NULL ? "" : strchr(text, '(') == NULL ? text : strchr(text, '(');
	if (ch->kind == CHAN_DIAL)
		err_set(&e, "host '%s': cannot reach %s port %d from there %s%s", c->s->config.name,
		    ch->what, ch->port, why,
		    strstr(why, "prohibited") != NULL ? ": see AllowTcpForwarding in its sshd_config" : "");
	else
		err_set(&e, "host '%s': cannot open a session for a command %s", c->s->config.name, why);
	chan_ended(ch, STREAM_REFUSED, -1, &e);
}

bool
conn_reads(const struct conn *c)
{
	const struct chan *ch;
	const struct lane *lane;

	if (c->drain != NULL || c->ending != NULL || c->opening_any)
		return true;
	for (ch = c->s->first; ch != NULL; ch = ch->next) {
		lane = ch->impl;
		if (lane != NULL && lane->conn == c)
			return true;
	}
	return false;
}

bool
conn_stuck(const struct conn *c)
{
	return c->phase == PHASE_UP && c->opening_any && c->opening_kind == CHAN_DIAL &&
	    session_now(c->s) - c->opening_at >= STUCK_MS;
}

void
conn_ask(struct conn *c)
{
	c->opening = NULL;
	c->opening_kind = CHAN_EXEC;
	c->opening_any = true;
	c->opening_at = session_now(c->s);
}

/* Opens the next channel as far as it goes; true when something moved. */
static bool
serve_opening(struct conn *c)
{
	LIBSSH2_CHANNEL *ch;
	struct chan *chan;
	struct lane *lane;
	struct err e;
	bool gone;
	int rc;

	if (!c->opening_any) {
		chan = session_next(c->s);
		if (chan != NULL) {
			lane = mem_alloc(sizeof(*lane));
			lane->conn = c;
			chan->impl = lane;
			c->opening = chan;
			c->opening_kind = chan->kind;
			free(c->opening_what);
			c->opening_what = mem_strdup(chan->what);
			c->opening_port = chan->port;
		} else if (!conn_reads(c) && !c->mute) {
			/* Invariant 3: without a channel nobody would read. */
			conn_ask(c);
		} else
			return false;
		c->opening_any = true;
		c->opening_at = session_now(c->s);
		session_timer(c->s, c->opening_at + (c->opening_kind == CHAN_DIAL ? STUCK_MS :
		    c->s->answer_ms));
	}
	if (c->opening_kind == CHAN_EXEC)
		ch = libssh2_channel_open_ex(c->ssh, "session", 7, WINDOW_BYTES, PACKET_BYTES, NULL, 0);
	else
		ch = libssh2_channel_direct_tcpip_ex(c->ssh, c->opening_what, c->opening_port,
		    "127.0.0.1", 0);
	if (ch == NULL) {
		rc = libssh2_session_last_errno(c->ssh);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return false;
		c->opening_any = false;
		if (conn_broken(c))
			return true;	/* told by the caller */
		chan = c->opening;
		c->opening = NULL;
		if (chan == NULL) {
			c->mute = true;
			return true;
		}
		if (chan->kind == CHAN_EXEC && rc == LIBSSH2_ERROR_CHANNEL_FAILURE &&
		    (c->s->execs > 1 || c->ending != NULL || c->closes != c->closes_refused)) {
			/*
			 * MaxSessions: it has room again when one of the others ends.  One
			 * may have ended while this was under way; and sshd counts what it
			 * has our CLOSE of until it has gone round its loop once more.
			 */
			gone = c->closes != c->closes_refused;
			c->closes_refused = c->closes;
			free(chan->impl);
			chan->impl = NULL;
			chan_requeue(chan);
			if (gone)
				return true;
			if (c->s->execs == 0) {
				err_set(&e, "host '%s': has no room for another command: those that "
				    "were given up still run there", c->s->config.name);
				conn_failed(c, &e);
			}
			return false;
		}
		refused(c, chan);
		return true;
	}
	c->opened++;
	c->opening_any = false;
	chan = c->opening;
	c->opening = NULL;
	if (chan == NULL) {
		end_channel(c, ch);
		return true;
	}
	lane = chan->impl;
	lane->ch = ch;
	if (chan->kind == CHAN_DIAL) {
		lane->started = true;
		chan_opened(chan);
	}
	return true;
}

static bool
serve_write(struct conn *c, struct chan *ch, LIBSSH2_CHANNEL *lch)
{
	const void *p;
	size_t n;
	ssize_t rc;
	bool moved = false;

	while ((n = chan_pending(ch, &p)) > 0 && c->tx.len - c->tx_off < TX_SOFT) {
		rc = libssh2_channel_write(lch, p, n);
		if (rc == LIBSSH2_ERROR_EAGAIN || rc == 0)
			break;
		if (rc < 0) {
			chan_sent(ch, n);	/* nobody reads it any more; the end is seen when reading */
			break;
		}
		chan_sent(ch, (size_t)rc);
		moved = true;
	}
	if (ch->out_eof && !ch->out_eof_sent && chan_pending(ch, &p) == 0) {
		libssh2_channel_send_eof(lch);
		ch->out_eof_sent = true;
		moved = true;
	}
	return moved;
}

/* 128+n, as a shell has it. */
static int
signal_status(const char *name)
{
	static const struct { const char *name; int n; } signals[] = {
		{ "ABRT", 6 }, { "ALRM", 14 }, { "BUS", 7 }, { "FPE", 8 }, { "HUP", 1 }, { "ILL", 4 },
		{ "INT", 2 }, { "KILL", 9 }, { "PIPE", 13 }, { "QUIT", 3 }, { "SEGV", 11 },
		{ "TERM", 15 }, { "USR1", 10 }, { "USR2", 12 }
	};
	size_t i;

	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(signals[i].name, name) == 0)
			return 128 + signals[i].n;
	return 255;
}

static bool
serve_end(struct conn *c, struct chan *ch, LIBSSH2_CHANNEL *lch)
{
	const void *p;
	char *name = NULL;
	int status;

	if (libssh2_channel_eof(lch) != 1)
		return false;
	if (!ch->eof_seen) {
		chan_eof(ch);
		return true;
	}
	if (ch->kind == CHAN_DIAL) {
		if (chan_pending(ch, &p) > 0 && c->tx.len - c->tx_off < TX_SOFT)
			chan_sent(ch, chan_pending(ch, &p));	/* the far side has hung up */
		chan_ended(ch, STREAM_EOF, -1, NULL);
		return true;
	}
	if (libssh2_channel_wait_closed(lch) != 0)
		return false;
	status = libssh2_channel_get_exit_status(lch);
	libssh2_channel_get_exit_signal(lch, &name, NULL, NULL, NULL, NULL, NULL);
	if (name != NULL) {
		status = signal_status(name);
		libssh2_free(c->ssh, name);
	}
	chan_ended(ch, STREAM_EXITED, status, NULL);
	return true;
}

/* True when something moved.  The caller looks at c->stopped and ch->state afterwards. */
static bool
serve(struct conn *c, struct chan *ch)
{
	struct lane *lane = ch->impl;
	char data[READ_BYTES];
	bool moved = false;
	ssize_t n;
	struct err e;
	int stream, rc;

	if (lane == NULL || lane->conn != c)
		return false;
	if (ch->detached) {
		chan_ended(ch, STREAM_EOF, -1, NULL);
		return true;
	}
	if (lane->ch == NULL)
		return false;
	if (!lane->started) {
		rc = libssh2_channel_process_startup(lane->ch, "exec", 4, ch->what,
		    (unsigned int)strlen(ch->what));
		if (rc == LIBSSH2_ERROR_EAGAIN) {
			/* The request is out: what goes to its stdin follows in the same breath. */
			return serve_write(c, ch, lane->ch);
		}
		if (conn_broken(c))
			return false;
		if (rc != 0) {
			err_set(&e, "host '%s': refuses to run commands", c->s->config.name);
			chan_ended(ch, STREAM_REFUSED, -1, &e);
			return true;
		}
		lane->started = true;
		moved = true;
		chan_opened(ch);
		if (c->stopped || ch->state == CHAN_GONE)
			return true;
	}
	moved |= serve_write(c, ch, lane->ch);
	for (stream = 0; stream < 2; stream++) {
		while ((n = libssh2_channel_read_ex(lane->ch, stream, data, sizeof(data))) > 0) {
			c->delivered += (size_t)n;
			moved = true;
			if (stream == 0)
				chan_data(ch, data, (size_t)n);
			else
				chan_errdata(ch, data, (size_t)n);
			if (c->stopped || c->s->dead || ch->detached)
				return true;
		}
	}
	return serve_end(c, ch, lane->ch) || moved;
}

static bool
flooded(struct conn *c)
{
	struct err e;
	size_t minutes = (size_t)((session_now(c->s) - c->s->up_at) / 60000);

	if (c->rx_total < FLOOD_BYTES + (c->opened + minutes) * FLOOD_PER_CHANNEL +
	    FLOOD_FACTOR * c->delivered)
		return false;
	err_set(&e, "host '%s': connection lost: it sends what nobody asked for", c->s->config.name);
	conn_failed(c, &e);
	return true;
}

void
conn_serve(struct conn *c)
{
	struct session *s = c->s;
	struct chan *ch, *next;
	size_t rx;
	bool moved;
	char byte;
	struct err e;

	do {
		rx = c->rx_total;
		/* Ends before openings: sshd counts a session until it has our CLOSE. */
		moved = serve_ending(c);
		moved |= serve_opening(c);
		if (c->stopped || s->dead)
			return;
		for (ch = s->first; ch != NULL && !c->stopped && !s->dead; ch = next) {
			next = ch->next;
			moved |= serve(c, ch);
		}
		if (c->stopped || s->dead)
			return;
		if (c->drain != NULL)
			libssh2_channel_read_ex(c->drain, 0, &byte, 1);
		if (flooded(c))
			return;
		conn_flush(c);
		if (conn_broken(c)) {
			conn_explain(c, "connection lost", &e);
			conn_failed(c, &e);
			return;
		}
	} while (moved || rx != c->rx_total);
	if (c->rx_more) {
		c->rx_more = false;
		session_soon(s);
	}
}

