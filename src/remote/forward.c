/*
 * forward: see forward.h.
 *
 * Owns a listening socket until the expected peer came in, then one local
 * socket, and the stream to the far side.  Local bytes are read only once the
 * stream is open.  Each libuv handle is a block of its own, which its close
 * callback frees; a handle whose `data` is NULL has lost its forward.
 */
#include "remote/forward.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "remote/session.h"
#include "remote/stream.h"

#define READ_CHUNK	(16 << 10)
/* What may wait for libpq to read it. */
#define LOCAL_QUEUE_MAX	((size_t)4 << 20)

struct forward {
	uv_loop_t *loop;
	uv_tcp_t *listener, *local;	/* NULL when not there, or no longer */
	struct stream *remote;
	int	 port, expected;
	size_t	 allowed;
	bool	 reached;
	uint64_t reached_ns;
	char	 why[ERR_MAX];
	char	 chunk[READ_CHUNK];
};

struct write {
	uv_write_t req;
	size_t len;
};

static void
handle_closed(uv_handle_t *h)
{
	free(h);
}

static void
drop(uv_tcp_t **h)
{
	if (*h == NULL)
		return;
	(*h)->data = NULL;
	uv_close((uv_handle_t *)*h, handle_closed);
	*h = NULL;
}

static void
shut_down(uv_shutdown_t *req, int status)
{
	(void)status;
	free(req);
}

/* The far side is gone: libpq reads what it has been sent, then the end. */
static void
end(struct forward *f, const char *why)
{
	uv_shutdown_t *req;

	if (why != NULL && f->why[0] == '\0') {
		struct err e;

		(void)err_set(&e, "%s", why);
		memcpy(f->why, e.msg, sizeof(f->why));
	}
	stream_close(f->remote);
	f->remote = NULL;
	drop(&f->listener);
	if (f->local == NULL)
		return;
	(void)uv_read_stop((uv_stream_t *)f->local);
	req = mem_alloc(sizeof(*req));
	if (uv_shutdown(req, (uv_stream_t *)f->local, shut_down) != 0) {
		free(req);
		drop(&f->local);
	}
}

static void
local_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct forward *f = h->data;

	(void)suggested;
	*buf = f == NULL ? uv_buf_init(NULL, 0) : uv_buf_init(f->chunk, sizeof(f->chunk));
}

static void
local_read(uv_stream_t *h, ssize_t n, const uv_buf_t *buf)
{
	struct forward *f = h->data;

	if (f == NULL)
		return;
	if (n > 0) {
		if (f->remote != NULL && stream_write(f->remote, buf->base, (size_t)n) == -1)
			end(f, "the connection takes no more");
		/* It may have been the password. */
		mem_wipe(buf->base, (size_t)n);
	} else if (n < 0) {
		/* libpq hung up; its owner knows. */
		drop(&f->local);
		if (f->remote != NULL)
			stream_write_eof(f->remote);
	}
}

static void
maybe_start(struct forward *f)
{
	if (f->local != NULL && f->reached && f->remote != NULL)
		(void)uv_read_start((uv_stream_t *)f->local, local_alloc, local_read);
}

static bool
is_expected(const struct forward *f, const uv_tcp_t *peer)
{
	struct sockaddr_storage name;
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)&name;
	int len = sizeof(name);

	return f->expected != 0 &&
	    uv_tcp_getpeername(peer, (struct sockaddr *)&name, &len) == 0 &&
	    name.ss_family == AF_INET && ntohs(in->sin_port) == f->expected;
}

static void
connection(uv_stream_t *listener, int status)
{
	struct forward *f = listener->data;
	uv_tcp_t *peer;

	if (status != 0 || f == NULL)
		return;
	peer = mem_alloc(sizeof(*peer));
	if (uv_tcp_init(f->loop, peer) != 0) {
		free(peer);
		return;
	}
	peer->data = f;
	if (uv_accept(listener, (uv_stream_t *)peer) != 0 || !is_expected(f, peer)) {
		drop(&peer);		/* a stranger */
		return;
	}
	f->local = peer;
	(void)uv_tcp_nodelay(peer, 1);
	drop(&f->listener);
	maybe_start(f);
}

static void
remote_opened(void *arg)
{
	struct forward *f = arg;

	f->reached = true;
	f->reached_ns = uv_hrtime();
	maybe_start(f);
}

static void
written(uv_write_t *req, int status)
{
	struct write *w = (struct write *)req;

	(void)status;
	mem_wipe_free(w, sizeof(*w) + w->len);
}

static void
remote_data(void *arg, const unsigned char *p, size_t len)
{
	struct forward *f = arg;
	struct write *w;
	uv_buf_t buf;

	if (len > f->allowed) {
		end(f, "it sends more than any answer can be");
		return;
	}
	f->allowed -= len;
	if (f->local == NULL)
		return;
	if (uv_stream_get_write_queue_size((uv_stream_t *)f->local) > LOCAL_QUEUE_MAX) {
		end(f, "it sends faster than it can be read");
		return;
	}
	w = mem_alloc(sizeof(*w) + len);
	w->len = len;
	memcpy(w + 1, p, len);
	buf = uv_buf_init((char *)(w + 1), (unsigned)len);
	if (uv_write(&w->req, (uv_stream_t *)f->local, &buf, 1, written) != 0)
		mem_wipe_free(w, sizeof(*w) + len);
}

static void
remote_eof(void *arg)
{
	end(arg, NULL);
}

static void
remote_closed(void *arg, enum stream_end how, int status, const struct err *why)
{
	struct forward *f = arg;

	(void)how;
	(void)status;
	f->remote = NULL;
	end(f, why == NULL ? NULL : why->msg);
}

static const struct stream_events remote_events = {
	.opened = remote_opened, .data = remote_data, .eof = remote_eof, .closed = remote_closed,
};

struct forward *
forward_new(struct uv_loop_s *loop, struct session *session, const char *address, int port,
    struct err *err)
{
	struct forward *f = mem_alloc(sizeof(*f));
	struct sockaddr_storage name;
	struct sockaddr_in any;
	int len = sizeof(name), rc;

	f->loop = loop;
	f->allowed = SIZE_MAX;
	f->listener = mem_alloc(sizeof(*f->listener));
	if ((rc = uv_tcp_init(loop, f->listener)) != 0) {
		free(f->listener);
		free(f);
		(void)err_set(err, "cannot make a socket: %s", uv_strerror(rc));
		return NULL;
	}
	f->listener->data = f;
	(void)uv_ip4_addr("127.0.0.1", 0, &any);
	if ((rc = uv_tcp_bind(f->listener, (const struct sockaddr *)&any, 0)) != 0 ||
	    (rc = uv_listen((uv_stream_t *)f->listener, 4, connection)) != 0 ||
	    (rc = uv_tcp_getsockname(f->listener, (struct sockaddr *)&name, &len)) != 0) {
		(void)err_set(err, "cannot listen on 127.0.0.1: %s", uv_strerror(rc));
		forward_free(f);
		return NULL;
	}
	f->port = ntohs(((const struct sockaddr_in *)(const void *)&name)->sin_port);
	f->remote = session_dial(session, address, port, &remote_events, f);
	/* Held for as long as its owner likes; the owner has the deadlines. */
	stream_deadline(f->remote, 0);
	return f;
}

int
forward_port(const struct forward *f)
{
	return f->port;
}

void
forward_expect(struct forward *f, int peer_port)
{
	f->expected = peer_port;
}

void
forward_allow(struct forward *f, size_t len_bytes)
{
	f->allowed = len_bytes;
}

const char *
forward_why(const struct forward *f)
{
	return f->why[0] == '\0' ? NULL : f->why;
}

bool
forward_reached(const struct forward *f)
{
	return f->reached;
}

uint64_t
forward_reached_ns(const struct forward *f)
{
	return f->reached_ns;
}

void
forward_free(struct forward *f)
{
	if (f == NULL)
		return;
	stream_close(f->remote);
	drop(&f->listener);
	drop(&f->local);
	mem_wipe_free(f, sizeof(*f));
}
