/*
 * session_socket: the socket under libssh2.
 *
 * libssh2 is never allowed to touch the socket: it reads and writes through
 * these callbacks, which takes away most of what is awkward about it:
 *
 *   - what it sends goes into `tx` and always goes whole, so that no write is
 *     ever half done ("a write begun must be repeated before any other"); `tx`
 *     is flushed once per turn, many packets in one system call;
 *   - what it reads is counted, so that "somebody's read drained the socket for
 *     everybody" is visible (the lost wake-up; see conn_serve());
 *   - a short read means that the socket is empty, which saves a system
 *     call for each of the many calls that would only hear EAGAIN;
 *   - TCP_QUICKACK is set again after each turn that only read;
 *   - bytes before the login, and bytes per turn, are capped.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "remote/session_conn.h"

#define BANNER_BYTES	1024
#define KEEP_BYTES	4096

static ssize_t
take(struct conn *c, void *p, size_t len)
{
	ssize_t n;

	if (c->rx_eof)
		return 0;
	if (c->rx_dry)
		return -EAGAIN;
	if (c->rx_turn >= TURN_BYTES_MAX) {
		c->rx_more = true;
		return -EAGAIN;
	}
	if (c->phase < PHASE_UP && c->rx_total >= LOGIN_BYTES_MAX) {
		c->rx_errno = EMSGSIZE;
		return -EMSGSIZE;
	}
	do
		n = recv(c->fd, p, len, 0);
	while (n == -1 && errno == EINTR);
	if (n == -1) {
		if (errno == EAGAIN || errno == EWOULDBLOCK) {
			c->rx_dry = true;
			return -EAGAIN;
		}
		c->rx_errno = errno;
		return -errno;
	}
	if (n == 0) {
		c->rx_eof = true;
		return 0;
	}
	c->owes_ack = true;
	if ((size_t)n < len)
		c->rx_dry = true;
	c->rx_total += (size_t)n;
	c->rx_turn += (size_t)n;
	return n;
}

static ssize_t
recv_cb(libssh2_socket_t fd, void *p, size_t len, int flags, void **abstract)
{
	struct conn *c = *abstract;
	ssize_t n;

	(void)fd;
	(void)flags;
	if (c->banner_at == c->banner_len && len == 1 && c->phase == PHASE_KEX) {
		if (c->banner == NULL)
			c->banner = mem_alloc(BANNER_BYTES);
		c->banner_at = c->banner_len = 0;
		n = take(c, c->banner, BANNER_BYTES);
		if (n <= 0)
			return n;
		c->banner_len = (size_t)n;
	}
	if (c->banner_at < c->banner_len) {
		if (len > c->banner_len - c->banner_at)
			len = c->banner_len - c->banner_at;
		memcpy(p, c->banner + c->banner_at, len);
		c->banner_at += len;
		return (ssize_t)len;
	}
	return take(c, p, len);
}

static ssize_t
send_cb(libssh2_socket_t fd, const void *p, size_t len, int flags, void **abstract)
{
	struct conn *c = *abstract;

	(void)fd;
	(void)flags;
	if (c->tx_errno != 0)
		return -c->tx_errno;
	if (buf_put(&c->tx, p, len) != 0) {
		c->tx_errno = ENOBUFS;
		return -ENOBUFS;
	}
	return (ssize_t)len;
}

static void
disconnect_cb(LIBSSH2_SESSION *ssh, int reason, const char *message, int message_len,
    const char *language, int language_len, void **abstract)
{
	struct conn *c = *abstract;
	size_t n = message == NULL || message_len < 0 ? 0 : (size_t)message_len;

	(void)ssh;
	(void)reason;
	(void)language;
	(void)language_len;
	if (n >= sizeof(c->said))
		n = sizeof(c->said) - 1;
	if (n > 0)
		memcpy(c->said, message, n);
	c->said[n] = '\0';
}

/* libssh2 takes functions as void *, which ISO C has no cast for. */
static void
set_callback(LIBSSH2_SESSION *ssh, int which, void (*fn)(void))
{
	void *p;

	memcpy(&p, &fn, sizeof(p));
	libssh2_session_callback_set(ssh, which, p);
}

void
conn_flush(struct conn *c)
{
	ssize_t n;

	while (c->tx_errno == 0 && c->tx.len > c->tx_off) {
		n = send(c->fd, c->tx.data + c->tx_off, c->tx.len - c->tx_off, MSG_NOSIGNAL);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				c->tx_errno = errno;
			break;
		}
		c->tx_off += (size_t)n;
		c->owes_ack = false;	/* it went along */
	}
	if (c->tx_off == c->tx.len) {
		/* A large buffer is not kept for the quiet times. */
		if (c->tx.cap > KEEP_BYTES)
			buf_release(&c->tx);
		c->tx.len = 0;
		c->tx_off = 0;
	} else if (c->tx_off > TX_SOFT) {
		buf_drop(&c->tx, c->tx_off);
		c->tx_off = 0;
	}
}

/*
 * Else sshd's Nagle and our delayed ACK wait 40 ms for each other.  It wears
 * off, hence after each turn that read something and sent nothing.
 */
void
conn_ack(struct conn *c)
{
	int one = 1;

	if (c->owes_ack && c->fd != -1)
		setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
	c->owes_ack = false;
}

void
conn_callbacks(struct conn *c)
{
	set_callback(c->ssh, LIBSSH2_CALLBACK_RECV, (void (*)(void))recv_cb);
	set_callback(c->ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))send_cb);
	set_callback(c->ssh, LIBSSH2_CALLBACK_DISCONNECT, (void (*)(void))disconnect_cb);
}


bool
conn_broken(const struct conn *c)
{
	return c->rx_eof || c->rx_errno != 0 || c->tx_errno != 0 || c->said[0] != '\0';
}

void
conn_explain(const struct conn *c, const char *doing, struct err *ret)
{
	char *text = NULL;
	int error = c->rx_errno != 0 ? c->rx_errno : c->tx_errno;

	if (c->said[0] != '\0')
		err_set(ret, "host '%s': %s: the host says: %s", c->s->config.name, doing, c->said);
	else if (error == EMSGSIZE)
		err_set(ret, "host '%s': %s: the host said more than %zu KiB before the login",
		    c->s->config.name, doing, LOGIN_BYTES_MAX >> 10);
	else if (error == ENOBUFS)
		err_set(ret, "host '%s': %s: the host does not take what is sent", c->s->config.name, doing);
	else if (error != 0)
		err_set(ret, "host '%s': %s: %s", c->s->config.name, doing, strerror(error));
	else if (c->rx_eof)
		err_set(ret, "host '%s': %s: the host closed the connection", c->s->config.name, doing);
	else {
		if (c->ssh != NULL)
			libssh2_session_last_error(c->ssh, &text, NULL, 0);
		err_set(ret, "host '%s': %s: %s", c->s->config.name, doing,
		    text == NULL || *text == '\0' ? "failed" : text);
	}
}

