/*
 * session_libssh2: the transport that speaks SSH in this process: the life of
 * its connections.  See session_conn.h for the invariants and the other files.
 *
 *   NAME ─> TCP ─> KEX ─> AUTH ─> UP
 *
 * A turn (conn_turn) moves a connection as far as it goes.  What fails before UP
 * fails the session's attempt; a side connection fails by itself.
 */
#include "remote/session.h"

#include <errno.h>
#include <fcntl.h>
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
#include "remote/session_conn.h"
#include "remote/ssh_config.h"

#define KEX_METHODS	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256," \
			"ecdh-sha2-nistp384,ecdh-sha2-nistp521,diffie-hellman-group16-sha512," \
			"diffie-hellman-group14-sha256"
#define HOST_KEY_METHODS "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521"
#define CIPHERS		"aes128-ctr,aes256-ctr,aes192-ctr"
#define MACS		"hmac-sha2-256,hmac-sha2-512"

#define ADDRESS_MS	5000			/* for each address but the last */
#define SIDE_MS		15000			/* for a side connection to come up */

static void	conn_turn(struct conn *);
static void	conn_connect(struct conn *);
static void	conn_stop(struct conn *);
static void	conn_unref(struct conn *);

/* ---- life ---------------------------------------------------------------- */

/* A side connection ends by itself, and only its own channels with it. */
void
conn_failed(struct conn *c, const struct err *why)
{
	struct session *s = c->s;
	struct chan *ch;
	struct conn *before = s->link;
	struct lane *lane;

	if (!c->side) {
		session_failed(s, why);
		return;
	}
	if (before == c)
		s->link = c->next;
	else {
		while (before->next != c)
			before = before->next;
		before->next = c->next;
	}
	c->refs++;
	for (ch = s->first; ch != NULL && !s->dead;) {
		lane = ch->impl;
		if (lane == NULL || lane->conn != c) {
			ch = ch->next;
			continue;
		}
		chan_ended(ch, STREAM_LOST, -1, why);
		ch = s->first;
	}
	conn_stop(c);
	conn_unref(c);
}

static void
fail_doing(struct conn *c, const char *doing)
{
	struct err e;

	conn_explain(c, doing, &e);
	conn_failed(c, &e);
}

static void
step(struct conn *c, enum session_state state, const char *words)
{
	if (!c->side)
		session_step(c->s, state, words);
}

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

static void
poll_cb(uv_poll_t *h, int status, int events)
{
	struct conn *c = h->data;

	(void)status;		/* an error shows in the next read or write */
	if (events & UV_READABLE || status < 0)
		c->rx_dry = false;
	if (events & UV_DISCONNECT)
		c->rx_eof = true;	/* nobody reads: see watch() */
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
	else if (c->phase == PHASE_UP && !conn_reads(c))
		want = (want & UV_WRITABLE) | UV_DISCONNECT;
	if (want == c->polled)
		return;
	if (want == 0)
		uv_poll_stop(c->poll);
	else
		uv_poll_start(c->poll, want, poll_cb);
	c->polled = want;
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
		c->early_retreat = true;
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
	conn_callbacks(c);
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
		step(c, SESSION_CONNECTING, "TCP connection");
		watch(c);
		return;
	}
	err_set(&e, "host '%s': cannot connect to %s port %d: %s", c->s->config.name,
	    c->s->target->hostname, c->s->target->port, strerror(c->connect_errno));
	conn_failed(c, &e);
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
		conn_failed(c, &e);
	} else {
		c->addresses = c->address = res;
		conn_connect(c);
	}
	session_leave(s);
	conn_unref(c);
}

static void
conn_start(struct session *s, bool side)
{
	struct conn *c = mem_alloc(sizeof(*c));
	struct addrinfo hints;
	char port[16];
	int rc;

	c->next = s->link;
	s->link = c;
	c->side = side;
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
	step(c, SESSION_CONNECTING, "name look-up");
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
libssh2_start(struct session *s)
{
	conn_start(s, false);
}

static void
libssh2_stop(struct session *s)
{
	struct conn *c;

	while ((c = s->link) != NULL) {
		s->link = c->next;
		conn_stop(c);
	}
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
	step(c, SESSION_CONNECTING, "key exchange");
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
		fail_doing(c, "host key");
		return false;
	}
	type_of(key, len, type, sizeof(type));
	if (known_hosts_judge(keyring_known_hosts(s->keyring), s->target, (const unsigned char *)key,
	    len, &answer, &e) != 0) {
		err_wrap(&e, "host '%s'", s->config.name);
		conn_failed(c, &e);
		return false;
	}
	if (answer.verdict != KNOWN_YES && c->side) {
		err_set(&e, "host '%s': shows another key than before", s->config.name);
		conn_failed(c, &e);
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
retreat(struct conn *c, const char *why)
{
	struct err e;

	if (!c->side) {
		session_retreat(c->s, why);
		return;
	}
	err_set(&e, "host '%s': %s", c->s->config.name, why);
	conn_failed(c, &e);
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
		if (conn_broken(c))
			fail_doing(c, "key exchange");
		return;
	}
	if (rc != 0) {
		if (!conn_broken(c) && (rc == LIBSSH2_ERROR_KEX_FAILURE ||
		    rc == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE)) {
			retreat(c, "libssh2 and the host have no algorithm in common");
			return;
		}
		conn_explain(c, "key exchange", &e);
		conn_failed(c, &e);
		return;
	}
	if (!host_key_is_good(c))
		return;
	c->phase = PHASE_AUTH;
	step(c, SESSION_AUTHENTICATING, "login");
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
		} else if (conn_broken(c))
			fail_doing(c, "login");
		return;
	case AUTH_IN:
		auth_free(c->auth);
		c->auth = NULL;
		free(c->banner);
		c->banner = NULL;
		c->banner_at = c->banner_len = 0;
		c->phase = PHASE_UP;
		c->rx_at = session_now(s);
		c->ends_at = 0;
		session_timer(s, c->rx_at + s->silence_ms);
		if (!c->side)
			session_up(s);
		return;
	case AUTH_REFUSED:
		if (conn_broken(c))
			fail_doing(c, "login");
		else
			conn_failed(c, &e);
		return;
	case AUTH_LOCKED:
		if (c->side)
			conn_failed(c, &e);
		else
			session_blocked(s, NEED_PASSPHRASE, auth_subject(c->auth), "", &e);
		return;
	case AUTH_SYSTEM:
		retreat(c, e.msg);
		return;
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
			conn_serve(c);
			break;
		}
	} while (!c->stopped && c->phase > before);
	if (rx != c->rx_total)
		c->rx_at = (int64_t)uv_now(c->loop);
	if (!c->stopped && c->phase > PHASE_TCP && !c->thread) {
		conn_flush(c);
		conn_ack(c);
		if (c->tx_errno != 0)
			fail_doing(c, "connection lost");
	}
	watch(c);
	conn_unref(c);
	session_leave(s);
}

static void
run_one(struct conn *c)
{
	struct err e;

	if (c->has_early) {
		e = c->early;
		if (c->early_retreat)
			retreat(c, e.msg);
		else
			conn_failed(c, &e);
	} else if (c->phase == PHASE_NAME && c->address != NULL)
		conn_connect(c);
	else if (c->phase == PHASE_UP)
		conn_turn(c);
}

/* Whether somebody waits behind dials that do not come back. */
static bool
wants_side(const struct session *s)
{
	const struct conn *c;
	const struct chan *ch;
	int n = 0;

	for (c = s->link; c != NULL; c = c->next, n++)
		if (!conn_stuck(c))
			return false;
	if (n >= CONNS_MAX || session_now(s) < s->side_at)
		return false;
	for (ch = s->first; ch != NULL; ch = ch->next)
		if (ch->state == CHAN_WAITING && !ch->detached)
			return true;
	return false;
}

/* A side connection that carries nothing, when the others are free again. */
static bool
idle_side(const struct conn *c)
{
	const struct session *s = c->s;
	const struct conn *other;
	const struct chan *ch;
	const struct lane *lane;

	if (!c->side || c->phase != PHASE_UP || c->opening_any || c->ending != NULL)
		return false;
	for (ch = s->first; ch != NULL; ch = ch->next) {
		lane = ch->impl;
		if (lane != NULL && lane->conn == c)
			return false;
	}
	for (other = s->link; other != NULL; other = other->next)
		if (other != c && conn_stuck(other))
			return false;
	return true;
}

static void
libssh2_run(struct session *s)
{
	struct conn *c, *next;
	struct err e;

	for (c = s->link; c != NULL && !s->dead; c = next) {
		next = c->next;		/* side connections stand in front: ending one leaves the rest */
		if (idle_side(c)) {
			err_set(&e, "host '%s': not needed any more", s->config.name);
			conn_failed(c, &e);
		} else
			run_one(c);
		if (s->transport != &transport_libssh2 || s->link == NULL)
			return;
	}
	if (!s->dead && s->state == SESSION_UP && wants_side(s)) {
		s->side_at = session_now(s) + SIDE_MS;
		conn_start(s, true);
		c = s->link;
		c->ends_at = session_now(s) + SIDE_MS;
		session_timer(s, c->ends_at);
	}
}

static void
sooner(int64_t *at, int64_t candidate)
{
	if (candidate != 0 && (*at == 0 || candidate < *at))
		*at = candidate;
}

/* True when the connection is still there. */
static bool
tick_one(struct conn *c, int64_t now, int64_t *at)
{
	struct session *s = c->s;
	struct err e;

	if (c->ends_at != 0 && now >= c->ends_at) {
		err_set(&e, "host '%s': no answer within %d s", s->config.name, SIDE_MS / 1000);
		conn_failed(c, &e);
		return false;
	}
	sooner(at, c->ends_at);
	if (c->phase == PHASE_TCP && c->address_ends_at != 0) {
		if (now < c->address_ends_at) {
			sooner(at, c->address_ends_at);
			return true;
		}
		c->connect_errno = ETIMEDOUT;
		c->address = c->address->ai_next;
		conn_connect(c);
		return false;
	}
	if (c->phase != PHASE_UP)
		return true;
	if (c->opening_any && now - c->opening_at >= s->answer_ms && now - c->rx_at >= s->answer_ms) {
		err_set(&e, "host '%s': connection lost: no answer for %lld s", s->config.name,
		    (long long)((s->answer_ms + 999) / 1000));
		conn_failed(c, &e);
		return false;
	}
	if (!c->opening_any && now - c->rx_at >= s->silence_ms)
		conn_ask(c);
	if (!c->opening_any)
		sooner(at, c->rx_at + s->silence_ms);
	else if (c->opening_kind == CHAN_DIAL && !conn_stuck(c))
		sooner(at, c->opening_at + STUCK_MS);
	else
		sooner(at, (c->opening_at > c->rx_at ? c->opening_at : c->rx_at) + s->answer_ms);
	return true;
}

static int64_t
libssh2_tick(struct session *s, int64_t now)
{
	struct conn *c, *next;
	int64_t at = 0;

	for (c = s->link; c != NULL && !s->dead; c = next) {
		next = c->next;
		if (!tick_one(c, now, &at) && (s->transport != &transport_libssh2 || s->link == NULL))
			return 0;
	}
	return at;
}

const struct transport transport_libssh2 = {
	.name = "libssh2", .start = libssh2_start, .stop = libssh2_stop, .run = libssh2_run,
	.drop = conn_drop, .tick = libssh2_tick
};
