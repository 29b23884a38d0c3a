/*
 * session_local: the transport for the machine that belay runs on: commands
 * by /bin/sh, and plain TCP sockets.  It is up as soon as it is used and has
 * nothing to lose.
 *
 * Invariant: a struct sock lives until its handle is closed and its name
 * look-up has come back; `chan` is NULL once the channel let go of it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/session_int.h"
#include "remote/session_process.h"

#define CHUNK_BYTES	32768

struct sock {
	struct chan *chan;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_getaddrinfo_t lookup;
	uv_write_t write;
	uv_shutdown_t shutdown;
	struct addrinfo *addresses, *address;
	char	*writing;
	size_t	 writing_len;
	bool	 up;
	int	 error;
	int	 refs;
	char	 chunk[CHUNK_BYTES];
};

static void	sock_run(struct chan *);
static void	sock_connect(struct sock *, int last_error);

static void
sock_unref(struct sock *k)
{
	if (--k->refs > 0)
		return;
	uv_freeaddrinfo(k->addresses);
	mem_wipe_free(k->writing, k->writing_len);
	free(k);
}

static void
sock_closed(uv_handle_t *h)
{
	sock_unref(h->data);
}

static void
sock_let_go(struct sock *k)
{
	if (k->chan != NULL)
		k->chan->impl = NULL;
	k->chan = NULL;
	if (k->tcp.data != NULL && !uv_is_closing((uv_handle_t *)&k->tcp))
		uv_close((uv_handle_t *)&k->tcp, sock_closed);
	else if (k->tcp.data == NULL)
		sock_unref(k);
}

static void
sock_over(struct sock *k, enum stream_end end, const char *doing, int status)
{
	struct chan *c = k->chan;
	struct session *s = c->session;
	struct err e;

	err_set(&e, "host '%s': %s %s port %d: %s", s->config.name, doing, c->what, c->port,
	    status == 0 ? "" : uv_strerror(status));
	sock_let_go(k);
	chan_ended(c, end, -1, end == STREAM_EOF ? NULL : &e);
}

static void
alloc_cb(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct sock *k = h->data;

	(void)hint;
	*ret = uv_buf_init(k->chunk, sizeof(k->chunk));
}

static void
read_cb(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct sock *k = h->data;
	struct chan *c = k->chan;
	struct session *s;

	if (c == NULL || n == 0)
		return;
	s = c->session;
	session_enter(s);
	if (n > 0)
		chan_data(c, b->base, (size_t)n);
	else if (n == UV_EOF) {
		uv_read_stop(h);
		chan_eof(c);
		if (k->chan == c)
			sock_over(k, STREAM_EOF, "", 0);
	} else
		sock_over(k, STREAM_LOST, "connection to", (int)n);
	session_leave(s);
}

static void
connect_cb(uv_connect_t *req, int status)
{
	struct sock *k = req->data;
	struct chan *c = k->chan;
	struct session *s;

	if (c == NULL)
		return;
	s = c->session;
	session_enter(s);
	if (status != 0) {
		k->address = k->address->ai_next;
		sock_connect(k, status);
	} else {
		k->up = true;
		uv_tcp_nodelay(&k->tcp, 1);
		uv_read_start((uv_stream_t *)&k->tcp, alloc_cb, read_cb);
		chan_opened(c);
		if (k->chan == c)
			sock_run(c);
	}
	session_leave(s);
}

static void
again_cb(uv_handle_t *h)
{
	struct sock *k = h->data;
	struct session *s;

	k->tcp.data = NULL;
	if (k->chan == NULL) {
		sock_unref(k);
		return;
	}
	s = k->chan->session;
	session_enter(s);
	sock_connect(k, k->error);
	session_leave(s);
}

static void
sock_connect(struct sock *k, int last_error)
{
	int rc = last_error;

	if (k->address == NULL) {
		sock_over(k, STREAM_REFUSED, "cannot reach", last_error);
		return;
	}
	k->error = last_error;
	if (k->tcp.data != NULL) {
		/* A socket that failed is not used again. */
		if (!uv_is_closing((uv_handle_t *)&k->tcp))
			uv_close((uv_handle_t *)&k->tcp, again_cb);
		return;
	}
	uv_tcp_init(k->chan->session->loop, &k->tcp);
	k->tcp.data = k;
	k->connect.data = k;
	rc = uv_tcp_connect(&k->connect, &k->tcp, k->address->ai_addr, connect_cb);
	if (rc != 0)
		sock_over(k, STREAM_REFUSED, "cannot reach", rc);
}

static void
lookup_cb(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct sock *k = req->data;
	struct session *s;

	k->addresses = k->address = res;
	if (k->chan != NULL) {
		s = k->chan->session;
		session_enter(s);
		sock_connect(k, status != 0 ? status : UV_EAI_NONAME);
		session_leave(s);
	}
	sock_unref(k);
}

static void
sock_start(struct chan *c)
{
	struct sock *k = mem_alloc(sizeof(*k));
	struct addrinfo hints;
	char port[16];
	int rc;

	c->impl = k;
	k->chan = c;
	k->refs = 2;
	k->lookup.data = k;
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICSERV;
	snprintf(port, sizeof(port), "%d", c->port);
	rc = uv_getaddrinfo(c->session->loop, &k->lookup, lookup_cb, c->what, port, &hints);
	if (rc != 0) {
		k->refs--;
		sock_over(k, STREAM_REFUSED, "cannot look up", rc);
	}
}

static void
write_cb(uv_write_t *req, int status)
{
	struct sock *k = req->data;
	struct chan *c = k->chan;
	struct session *s;

	mem_wipe_free(k->writing, k->writing_len);
	k->writing = NULL;
	if (c == NULL)
		return;
	s = c->session;
	session_enter(s);
	if (status != 0)
		sock_over(k, STREAM_LOST, "connection to", status);
	else
		sock_run(c);
	session_leave(s);
}

static void
shutdown_cb(uv_shutdown_t *req, int status)
{
	(void)req;
	(void)status;
}

static void
sock_run(struct chan *c)
{
	struct sock *k = c->impl;
	const void *data;
	size_t n;
	uv_buf_t b;

	if (k == NULL || !k->up || k->writing != NULL)
		return;
	n = chan_pending(c, &data);
	if (n > 0) {
		k->writing = mem_alloc(n);
		k->writing_len = n;
		memcpy(k->writing, data, n);
		chan_sent(c, n);
		b = uv_buf_init(k->writing, (unsigned int)n);
		k->write.data = k;
		if (uv_write(&k->write, (uv_stream_t *)&k->tcp, &b, 1, write_cb) != 0)
			sock_over(k, STREAM_LOST, "connection to", UV_EPIPE);
	} else if (c->out_eof && !c->out_eof_sent) {
		c->out_eof_sent = true;
		k->shutdown.data = k;
		uv_shutdown(&k->shutdown, (uv_stream_t *)&k->tcp, shutdown_cb);
	}
}

/* ---- the transport ------------------------------------------------------- */

static void
local_start(struct session *s)
{
	strcpy(s->address, "127.0.0.1");
	session_soon(s);
}

static void
local_stop(struct session *s)
{
	(void)s;
}

static void
local_drop(struct chan *c)
{
	if (c->kind == CHAN_EXEC)
		proc_drop(c);
	else
		sock_let_go(c->impl);
}

static void
local_run(struct session *s)
{
	struct chan *c, *next;
	char *argv[4];

	if (s->state != SESSION_UP) {
		session_up(s);
		return;
	}
	for (c = s->first; c != NULL && !s->dead; c = next) {
		next = c->next;
		if (c->state == CHAN_WAITING)
			continue;
		if (c->detached)
			chan_ended(c, STREAM_EOF, -1, NULL);
		else if (c->kind == CHAN_EXEC)
			proc_run(c);
		else
			sock_run(c);
	}
	while (!s->dead && (c = session_next(s)) != NULL) {
		if (c->kind == CHAN_DIAL) {
			sock_start(c);
			continue;
		}
		argv[0] = (char *)(uintptr_t)"/bin/sh";
		argv[1] = (char *)(uintptr_t)"-c";
		argv[2] = c->what;
		argv[3] = NULL;
		proc_start(c, argv, NULL);
	}
}

static int64_t
local_tick(struct session *s, int64_t now)
{
	(void)s;
	(void)now;
	return 0;
}

const struct transport transport_local = {
	.name = "local", .start = local_start, .stop = local_stop, .run = local_run,
	.drop = local_drop, .tick = local_tick
};
