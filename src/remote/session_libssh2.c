/*
 * session_libssh2: the transport that speaks SSH in this process.
 *
 * Owns the socket and the LIBSSH2_SESSION.  libssh2 is never allowed to touch
 * the socket: it reads and writes through our callbacks, which takes away most of what is
 * awkward about it:
 *
 *   - what it sends goes into `tx` and always goes whole, so that no write is
 *     ever half done ("a write begun must be repeated before any other"); `tx`
 *     is flushed once per turn, many packets in one system call;
 *   - what it reads is counted, so that "somebody's read drained the socket for
 *     everybody" is visible: a turn ends only after a pass over every channel
 *     during which nothing arrived (the lost wake-up);
 *   - a short read means that the socket is empty, which saves a system
 *     call for each of the many calls that would only hear EAGAIN;
 *   - TCP_QUICKACK is set again after each read;
 *   - bytes before the login, and bytes per turn, are capped.
 *
 * Invariants:
 *   1. One channel opening at a time (`opening`); libssh2 has one state for it.
 *   2. A LIBSSH2_CHANNEL is at one place: in a struct lane of a channel, on `ending`,
 *      or it is `drain`.
 *   3. libssh2 reads only when a channel is read.  So while no channel is open,
 *      the last one closed is kept as `drain` and read from, or else nobody
 *      would answer the host or notice that it went away.
 *   4. After anything that may emit an event, `stopped` is looked at before
 *      the connection is touched again.
 */
#include "remote/session.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/known_hosts.h"
#include "remote/session_auth.h"
#include "remote/session_int.h"
#include "remote/ssh_config.h"

#define KEX_METHODS	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
			"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512," \
			"diffie-hellman-group14-sha256"
#define HOST_KEY_METHODS "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"
#define CIPHERS		"aes128-ctr,aes256-ctr,aes192-ctr"
#define MACS		"hmac-sha2-256,hmac-sha2-512"

#define WINDOW_BYTES	((unsigned int)1 << 20)
#define PACKET_BYTES	((unsigned int)32768)
#define READ_BYTES	32768
#define KEEP_BYTES	4096
#define TX_SOFT		((size_t)256 << 10)	/* no channel data is added beyond */
#define TX_HARD		((size_t)4 << 20)	/* the host does not read: give up */
#define LOGIN_BYTES_MAX	((size_t)1 << 20)	/* all that a host may say before we are in */
#define TURN_BYTES_MAX	((size_t)1 << 20)	/* then others have their turn */
#define BANNER_BYTES	1024
#define ADDRESS_MS	5000			/* for each address but the last */
#define SILENCE_MS	30000			/* then the host is asked whether it is there */
#define ANSWER_MS	15000			/* and has so long to say so */

enum phase { PHASE_NAME, PHASE_TCP, PHASE_KEX, PHASE_AUTH, PHASE_UP };

struct lane {			/* a channel's part */
	LIBSSH2_CHANNEL *ch;
	bool	 started;	/* the command was taken */
};

struct ending {
	LIBSSH2_CHANNEL *ch;
	enum chan_kind kind;
	struct ending *next;
};

struct conn {
	struct session *s;
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
	bool	 has_early;

	unsigned char *banner;		/* read ahead while libssh2 reads byte by byte */
	size_t	 banner_at, banner_len;
	size_t	 rx_total, rx_turn;
	int64_t	 rx_at;
	bool	 rx_dry, rx_more, rx_eof;
	int	 rx_errno, tx_errno;
	struct buf tx;
	size_t	 tx_off;
	char	 said[256];		/* the host's farewell */

	struct auth *auth;
	bool	 thread;		/* a thread has the libssh2 session in hand */
	struct chan *opening;
	bool	 opening_any;		/* libssh2 is opening something: `opening`, an orphan or a probe */
	enum chan_kind opening_kind;
	char	*opening_what;
	int	 opening_port;
	int64_t	 opening_at;
	struct ending *ending;
	LIBSSH2_CHANNEL *drain;
};

static void	conn_turn(struct conn *);
static void	conn_connect(struct conn *);

/* ---- life ---------------------------------------------------------------- */

static void
conn_unref(struct conn *c)
{
	if (--c->refs > 0)
		return;
	buf_release(&c->tx);
	free(c->banner);
	free(c->opening_what);
	free(c);
}

static void
poll_closed(uv_handle_t *h)
{
	conn_unref(h->data);
	free(h);
}

static void
conn_close_socket(struct conn *c)
{
	if (c->fd == -1)
		return;
	uv_close((uv_handle_t *)c->poll, poll_closed);
	close(c->fd);
	c->fd = -1;
	c->polled = 0;
}

static void
conn_release(struct conn *c)
{
	struct ending *e;

	/* Freeing the libssh2 session ends its channels: it must not wait for answers to that. */
	c->rx_eof = true;
	if (c->tx_errno == 0)
		c->tx_errno = EPIPE;
	auth_free(c->auth);
	c->auth = NULL;
	while ((e = c->ending) != NULL) {
		c->ending = e->next;
		free(e);
	}
	if (c->ssh != NULL)
		libssh2_session_free(c->ssh);
	c->ssh = NULL;
}

/* A word of farewell, so that the host does not log a lost connection. */
static void
say_goodbye(struct conn *c)
{
	if (c->phase != PHASE_UP || c->rx_eof || c->rx_errno != 0 || c->tx_errno != 0)
		return;
	libssh2_session_disconnect(c->ssh, "bye");
	if (c->tx.len > c->tx_off)
		(void)send(c->fd, c->tx.data + c->tx_off, c->tx.len - c->tx_off,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void
conn_stop(struct conn *c)
{
	if (c->stopped)
		return;
	c->stopped = true;
	if (!c->thread) {
		say_goodbye(c);
		conn_close_socket(c);
	}
	if (c->addresses != NULL)
		freeaddrinfo(c->addresses);
	c->addresses = NULL;
	if (c->auth != NULL)
		auth_stop(c->auth);
	if (!c->thread)
		conn_release(c);
	conn_unref(c);
}

/* ---- the socket under libssh2 -------------------------------------------- */

static ssize_t
take(struct conn *c, void *p, size_t len)
{
	ssize_t n;
	int one = 1;

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
	/* Else sshd's Nagle and our delayed ACK wait 40 ms for each other; it wears off, hence each time. */
	setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof(one));
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

static void
flush(struct conn *c)
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

static void
poll_cb(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;

	(void)status;		/* an error shows in the next read or write */
	if (events & UV_READABLE || status < 0)
		c->rx_dry = false;
	conn_turn(c);
}

static void
watch(struct conn *c)
{
	int want = c->phase == PHASE_TCP ? UV_WRITABLE : UV_READABLE;

	if (c->stopped || c->fd == -1)
		return;
	if (c->phase > PHASE_TCP && c->tx.len > c->tx_off)
		want |= UV_WRITABLE;
	if (c->thread)
		want = 0;
	if (want == c->polled)
		return;
	if (want == 0)
		uv_poll_stop(c->poll);
	else
		uv_poll_start(c->poll, want, poll_cb);
	c->polled = want;
}

/* ---- saying what went wrong ---------------------------------------------- */

static bool
broken(const struct conn *c)
{
	return c->rx_eof || c->rx_errno != 0 || c->tx_errno != 0 || c->said[0] != '\0';
}

static void
explain(const struct conn *c, const char *doing, struct err *ret)
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

static void
conn_failed(struct conn *c, const char *doing)
{
	struct err e;

	explain(c, doing, &e);
	session_failed(c->s, &e);
}

/* ---- connecting ---------------------------------------------------------- */

/* Keys of the kinds that are known come first: a host with several shows the one that we can judge. */
static int
prepare(struct conn *c, struct err *err)
{
	static const char *const ours[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
	    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", NULL };
	struct known_names names;
	struct buf prefs;
	size_t i, j;
	int rc;

	if (known_hosts_names(keyring_known_hosts(c->s->keyring), c->s->target, &names, err) != 0)
		return err_wrap(err, "host '%s'", c->s->config.name);
	buf_init(&prefs, 1024);
	for (i = 0; ours[i] != NULL; i++)
		for (j = 0; j < names.n; j++)
			if (strcmp(ours[i], names.types[j]) == 0)
				buf_printf(&prefs, "%s%s", prefs.len > 0 ? "," : "", ours[i]);
	if (prefs.len == 0 && (names.n > 0 || names.authority)) {
		buf_release(&prefs);
		return err_set(err, "%s", names.n > 0 ?
		    "of this host's keys only such are known as libssh2 cannot check (RSA)" :
		    "known_hosts has a @cert-authority for this host, which libssh2 cannot judge");
	}
	if (prefs.len == 0)
		buf_puts(&prefs, HOST_KEY_METHODS);
	c->ssh = libssh2_session_init_ex(NULL, NULL, NULL, c);
	if (c->ssh == NULL)
		abort();
	libssh2_session_set_blocking(c->ssh, 0);
	set_callback(c->ssh, LIBSSH2_CALLBACK_RECV, (void (*)(void))recv_cb);
	set_callback(c->ssh, LIBSSH2_CALLBACK_SEND, (void (*)(void))send_cb);
	set_callback(c->ssh, LIBSSH2_CALLBACK_DISCONNECT, (void (*)(void))disconnect_cb);
	rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_KEX, KEX_METHODS);
	if (rc == 0)
		rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_HOSTKEY, buf_str(&prefs));
	if (rc == 0)
		rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_CRYPT_CS, CIPHERS);
	if (rc == 0)
		rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_CRYPT_SC, CIPHERS);
	if (rc == 0)
		rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_MAC_CS, MACS);
	if (rc == 0)
		rc = libssh2_session_method_pref(c->ssh, LIBSSH2_METHOD_MAC_SC, MACS);
	buf_release(&prefs);
	if (rc != 0)
		return err_set(err, "this libssh2 lacks the algorithms that are wanted");
	return 0;
}

static void
remember_address(struct conn *c, const struct addrinfo *ai)
{
	char text[NI_MAXHOST];

	if (getnameinfo(ai->ai_addr, ai->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST) == 0)
		snprintf(c->s->address, sizeof(c->s->address), "%.*s",
		    (int)sizeof(c->s->address) - 1, text);
}

/* Tries the addresses from c->address on; out of addresses: fails. */
static void
conn_connect(struct conn *c)
{
	struct err e;
	int one = 1;

	for (; c->address != NULL; c->address = c->address->ai_next) {
		conn_close_socket(c);
		c->fd = socket(c->address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (c->fd == -1) {
			c->connect_errno = errno;
			continue;
		}
		if (connect(c->fd, c->address->ai_addr, c->address->ai_addrlen) != 0 &&
		    errno != EINPROGRESS) {
			c->connect_errno = errno;
			close(c->fd);
			c->fd = -1;
			continue;
		}
		setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
		remember_address(c, c->address);
		c->poll = mem_alloc(sizeof(*c->poll));
		uv_poll_init(c->loop, c->poll, c->fd);
		c->poll->data = c;
		c->refs++;
		c->phase = PHASE_TCP;
		c->address_ends_at = c->address->ai_next == NULL ? 0 : session_now(c->s) + ADDRESS_MS;
		session_timer(c->s, c->address_ends_at);
		session_step(c->s, SESSION_CONNECTING, "TCP connection");
		watch(c);
		return;
	}
	err_set(&e, "host '%s': cannot connect to %s port %d: %s", c->s->config.name,
	    c->s->target->hostname, c->s->target->port, strerror(c->connect_errno));
	session_failed(c->s, &e);
}

static void
lookup_cb(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct conn *c = req->data;
	struct session *s = c->s;
	struct err e;

	if (c->stopped) {
		uv_freeaddrinfo(res);
		conn_unref(c);
		return;
	}
	session_enter(s);
	if (status != 0) {
		err_set(&e, "host '%s': no address for '%s': %s", s->config.name, s->target->hostname,
		    uv_strerror(status));
		session_failed(s, &e);
	} else {
		c->addresses = c->address = res;
		conn_connect(c);
	}
	session_leave(s);
	conn_unref(c);
}

static void
libssh2_start(struct session *s)
{
	struct conn *c = mem_alloc(sizeof(*c));
	struct addrinfo hints;
	char port[16];
	int rc;

	s->link = c;
	c->s = s;
	c->loop = s->loop;
	c->refs = 1;
	c->fd = -1;
	c->phase = PHASE_NAME;
	buf_init(&c->tx, TX_HARD);
	if (prepare(c, &c->early) != 0) {
		c->has_early = true;
		session_soon(s);
		return;
	}
	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	snprintf(port, sizeof(port), "%d", s->target->port);
	rc = getaddrinfo(s->target->hostname, port, &hints, &c->addresses);
	if (rc == 0) {
		c->address = c->addresses;
		session_soon(s);
		return;
	}
	hints.ai_flags = AI_NUMERICSERV;
	c->lookup.data = c;
	session_step(s, SESSION_CONNECTING, "name look-up");
	rc = uv_getaddrinfo(s->loop, &c->lookup, lookup_cb, s->target->hostname, port, &hints);
	if (rc != 0) {
		err_set(&c->early, "host '%s': cannot look up '%s': %s", s->config.name,
		    s->target->hostname, uv_strerror(rc));
		c->has_early = true;
		session_soon(s);
		return;
	}
	c->refs++;
}

static void
libssh2_stop(struct session *s)
{
	if (s->link != NULL)
		conn_stop(s->link);
	s->link = NULL;
}

static void
turn_tcp(struct conn *c)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		error = errno;
	if (error != 0) {
		c->connect_errno = error;
		c->address = c->address->ai_next;
		conn_connect(c);
		return;
	}
	freeaddrinfo(c->addresses);
	c->addresses = c->address = NULL;
	c->address_ends_at = 0;
	c->rx_dry = true;
	c->phase = PHASE_KEX;
	session_step(c->s, SESSION_CONNECTING, "key exchange");
}

/* ---- key exchange and login ---------------------------------------------- */

/* The type that the key blob itself names. */
static void
type_of(const char *key, size_t len, char *ret, size_t size)
{
	size_t n = len < 4 ? 0 : (size_t)(unsigned char)key[2] << 8 | (unsigned char)key[3];

	if (n == 0 || n + 4 > len || n >= size || key[0] != 0 || key[1] != 0)
		n = 0;
	else
		memcpy(ret, key + 4, n);
	ret[n] = '\0';
}

static bool
host_key_is_good(struct conn *c)
{
	struct session *s = c->s;
	struct known_answer answer;
	size_t len = 0;
	int libtype;
	const char *key = libssh2_session_hostkey(c->ssh, &len, &libtype);
	char type[48], *subject;
	struct err e;

	if (key == NULL) {
		conn_failed(c, "host key");
		return false;
	}
	type_of(key, len, type, sizeof(type));
	if (known_hosts_judge(keyring_known_hosts(s->keyring), s->target, (const unsigned char *)key,
	    len, &answer, &e) != 0) {
		err_wrap(&e, "host '%s'", s->config.name);
		session_failed(s, &e);
		return false;
	}
	switch (answer.verdict) {
	case KNOWN_YES:
		return true;
	case KNOWN_NEVER_SEEN:
		free(s->shown_key);
		s->shown_key = mem_alloc(len);
		memcpy(s->shown_key, key, len);
		s->shown_len = len;
		err_set(&e, "host '%s': its %s key is not in known_hosts: %s", s->config.name, type,
		    answer.shown);
		session_blocked(s, NEED_HOST_KEY, answer.shown, type, &e);
		return false;
	case KNOWN_DIFFERS:
		err_set(&e, "host '%s': THE HOST KEY CHANGED: it shows %s %s, but %s:%d has %s; "
		    "if that is right, take the old line out with ssh-keygen -R", s->config.name,
		    type, answer.shown, answer.file, answer.line, answer.known);
		break;
	case KNOWN_REVOKED:
		err_set(&e, "host '%s': its %s key %s is marked @revoked at %s:%d", s->config.name,
		    type, answer.shown, answer.file, answer.line);
		break;
	}
	subject = answer.known[0] == '\0' ? mem_strdup(answer.shown) :
	    mem_printf("%s %s", answer.shown, answer.known);
	session_blocked(s, NEED_CHANGED_KEY, subject, type, &e);
	free(subject);
	return false;
}

static void
auth_wake(void *arg)
{
	struct conn *c = arg;

	if (!c->thread) {
		conn_turn(c);
		return;
	}
	c->thread = false;
	if (c->stopped) {
		conn_close_socket(c);
		conn_release(c);
	} else
		conn_turn(c);
	conn_unref(c);
}

static void
turn_kex(struct conn *c)
{
	struct err e;
	int rc = libssh2_session_handshake(c->ssh, c->fd);

	if (rc == LIBSSH2_ERROR_EAGAIN) {
		if (broken(c))
			conn_failed(c, "key exchange");
		return;
	}
	if (rc != 0) {
		if (!broken(c) && (rc == LIBSSH2_ERROR_KEX_FAILURE ||
		    rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)) {
			session_retreat(c->s, "libssh2 and the host have no algorithm in common");
			return;
		}
		explain(c, "key exchange", &e);
		session_failed(c->s, &e);
		return;
	}
	if (!host_key_is_good(c))
		return;
	c->phase = PHASE_AUTH;
	session_step(c->s, SESSION_AUTHENTICATING, "login");
	c->auth = auth_new(c->s, c->ssh, auth_wake, c);
}

static void
turn_auth(struct conn *c)
{
	struct session *s = c->s;
	struct err e;

	switch (auth_run(c->auth, &e)) {
	case AUTH_AGAIN:
		if (auth_busy(c->auth)) {
			c->thread = true;
			c->refs++;
		} else if (broken(c))
			conn_failed(c, "login");
		return;
	case AUTH_IN:
		auth_free(c->auth);
		c->auth = NULL;
		free(c->banner);
		c->banner = NULL;
		c->banner_at = c->banner_len = 0;
		c->phase = PHASE_UP;
		c->rx_at = session_now(s);
		session_timer(s, c->rx_at + SILENCE_MS);
		session_up(s);
		return;
	case AUTH_REFUSED:
		if (broken(c))
			conn_failed(c, "login");
		else
			session_failed(s, &e);
		return;
	case AUTH_LOCKED:
		session_blocked(s, NEED_PASSPHRASE, auth_subject(c->auth), "", &e);
		return;
	case AUTH_SYSTEM:
		session_retreat(s, e.msg);
		return;
	}
}

/* ---- channels ------------------------------------------------------------ */

static void
end_channel(struct conn *c, LIBSSH2_CHANNEL *ch, enum chan_kind kind)
{
	struct ending *e = mem_alloc(sizeof(*e));

	e->ch = ch;
	e->kind = kind;
	e->next = c->ending;
	c->ending = e;
}

static void
libssh2_drop(struct chan *ch)
{
	struct conn *c = ch->session->link;
	struct lane *lane = ch->impl;

	if (c->opening == ch)
		c->opening = NULL;	/* libssh2 goes on opening it: an orphan, ended when it is there */
	if (lane->ch != NULL)
		end_channel(c, lane->ch, ch->kind);
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

/* Opens the next channel as far as it goes; true when something moved. */
static bool
serve_opening(struct conn *c)
{
	LIBSSH2_CHANNEL *ch;
	struct chan *chan;
	struct lane *lane;
	struct err e;
	int rc;

	if (!c->opening_any) {
		chan = session_next(c->s);
		if (chan != NULL) {
			lane = mem_alloc(sizeof(*lane));
			chan->impl = lane;
			c->opening = chan;
			c->opening_kind = chan->kind;
			free(c->opening_what);
			c->opening_what = mem_strdup(chan->what);
			c->opening_port = chan->port;
		} else if (c->drain == NULL && c->ending == NULL && c->s->execs + c->s->dials == 0) {
			/* Invariant 3: without a channel nobody would read. */
			c->opening = NULL;
			c->opening_kind = CHAN_EXEC;
		} else
			return false;
		c->opening_any = true;
		c->opening_at = session_now(c->s);
		session_timer(c->s, c->opening_at + ANSWER_MS);
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
		if (broken(c))
			return true;	/* told by the caller */
		chan = c->opening;
		c->opening = NULL;
		if (chan == NULL)
			return true;
		if (chan->kind == CHAN_EXEC && rc == LIBSSH2_ERROR_CHANNEL_FAILURE &&
		    (c->s->execs > 1 || c->ending != NULL)) {
			/* MaxSessions: it has room again when one of the others ends. */
			free(chan->impl);
			chan->impl = NULL;
			chan_requeue(chan);
			if (c->s->execs == 0) {
				err_set(&e, "host '%s': has no room for another command: those that "
				    "were given up still run there", c->s->config.name);
				session_failed(c->s, &e);
			}
			return false;
		}
		refused(c, chan);
		return true;
	}
	c->opening_any = false;
	chan = c->opening;
	c->opening = NULL;
	if (chan == NULL) {
		end_channel(c, ch, c->opening_kind);
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

	if (lane == NULL)
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
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return false;
		if (broken(c))
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

static void
turn_up(struct conn *c)
{
	struct session *s = c->s;
	struct chan *ch, *next;
	size_t rx;
	bool moved;
	char byte;

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
		flush(c);
		if (broken(c)) {
			conn_failed(c, "connection lost");
			return;
		}
	} while (moved || rx != c->rx_total);
	if (c->rx_more) {
		c->rx_more = false;
		session_soon(s);
	}
}

/* One turn: everything that can move, moves. */
static void
conn_turn(struct conn *c)
{
	struct session *s = c->s;
	enum phase before;

	size_t rx = c->rx_total;

	if (c->stopped || c->thread)
		return;
	session_enter(s);
	c->refs++;
	c->rx_turn = 0;
	do {
		before = c->phase;
		switch (c->phase) {
		case PHASE_NAME:
			break;
		case PHASE_TCP:
			turn_tcp(c);
			break;
		case PHASE_KEX:
			turn_kex(c);
			break;
		case PHASE_AUTH:
			turn_auth(c);
			break;
		case PHASE_UP:
			turn_up(c);
			break;
		}
	} while (!c->stopped && c->phase > before);
	if (rx != c->rx_total)
		c->rx_at = (int64_t)uv_now(c->loop);
	if (!c->stopped && c->phase > PHASE_TCP && !c->thread) {
		flush(c);
		if (c->tx_errno != 0)
			conn_failed(c, "connection lost");
	}
	watch(c);
	conn_unref(c);
	session_leave(s);
}

static void
libssh2_run(struct session *s)
{
	struct conn *c = s->link;
	struct err e;

	if (c->has_early) {
		e = c->early;
		if (strncmp(e.msg, "host '", 6) == 0)
			session_failed(s, &e);
		else
			session_retreat(s, e.msg);
		return;
	}
	if (c->phase == PHASE_NAME && c->address != NULL) {
		conn_connect(c);
		return;
	}
	if (c->phase == PHASE_UP)
		conn_turn(c);
}

static int64_t
libssh2_tick(struct session *s, int64_t now)
{
	struct conn *c = s->link;
	struct err e;

	if (c->phase == PHASE_TCP && c->address_ends_at != 0) {
		if (now < c->address_ends_at)
			return c->address_ends_at;
		c->connect_errno = ETIMEDOUT;
		c->address = c->address->ai_next;
		conn_connect(c);
		return 0;
	}
	if (c->phase != PHASE_UP)
		return 0;
	if (c->opening_any && now - c->opening_at >= ANSWER_MS && now - c->rx_at >= ANSWER_MS) {
		err_set(&e, "host '%s': connection lost: no answer for %d s", s->config.name,
		    ANSWER_MS / 1000);
		session_failed(s, &e);
		return 0;
	}
	if (!c->opening_any && now - c->rx_at >= SILENCE_MS) {
		/* A session channel, opened and closed: the one question whose answer libssh2 uses up. */
		c->opening = NULL;
		c->opening_kind = CHAN_EXEC;
		c->opening_any = true;
		c->opening_at = now;
	}
	if (c->opening_any)
		return now - c->opening_at >= ANSWER_MS ? c->rx_at + ANSWER_MS : c->opening_at + ANSWER_MS;
	return c->rx_at + SILENCE_MS;
}

const struct transport transport_libssh2 = {
	.name = "libssh2", .start = libssh2_start, .stop = libssh2_stop, .run = libssh2_run,
	.drop = libssh2_drop, .tick = libssh2_tick
};
