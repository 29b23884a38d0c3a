/*
 * dialler: see truth.h.  Owns the clients: many connections at once in one
 * poll(2) loop, each a small state machine with a deadline of its own (libpq
 * keeps none when polled).  What hangs is tried again when nothing else runs,
 * with more time, so that a busy machine is not taken for a silent server.
 */
#include "truth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/mem.h"

#define SLOTS		64
#define BOUNCERS_AT_ONCE 24
#define DRIVERS_SILENT_MS 60000	/* a driver that says nothing for so long is broken */
#define COMPLAINT_MS	150	/* what its log says last might still turn out well */

enum what {
	PQ_CONNECTING, POOL_CONNECTING, POOL_ASKING,
	RESP_CONNECTING, RESP_SHAKING, RESP_WRITING, RESP_READING
};

struct slot {
	struct cell *cell;	/* NULL: free */
	enum what what;
	PGconn	*pg;
	SSL	*ssl;
	int	 fd;
	short	 events;
	long long deadline;
	long long complained;	/* when its PgBouncer did first */
	char	*complaint;
	char	 got[64];
	size_t	 ngot;
};

static struct servers *sv;
static struct slot slots[SLOTS];

long long
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (long long)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *
anchor_file(const struct servers *s, enum anchor anchor)
{
	return anchor == ANCHOR_ISSUER ? servers_path(s, "ca.crt") :
	    anchor == ANCHOR_OTHER ? servers_path(s, "otherca.crt") : "";
}

const char *
shown_file(const struct servers *s, enum shown shown, bool key)
{
	if (shown == SHOWN_NONE)
		return "";
	if (shown == SHOWN_GOOD)
		return servers_path(s, key ? "client.key" : "t_client.crt");
	return servers_path(s, key ? "stray.key" : "t_stray.crt");
}

const char *
proto_name(enum proto proto)
{
	static const char *const names[] = { "", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" };

	return names[proto];
}

/* --- ends ------------------------------------------------------------------ */

static void
slot_close(struct slot *s)
{
	if (s->pg != NULL)
		PQfinish(s->pg);
	if (s->ssl != NULL)
		SSL_free(s->ssl);
	if (s->fd != -1)
		(void)close(s->fd);
	free(s->complaint);
	memset(s, 0, sizeof(*s));
	s->fd = -1;
}

static void
slot_end(struct slot *s, enum seen seen, const char *text)
{
	char *end;

	s->cell->seen = seen;
	free(s->cell->text);
	s->cell->text = text != NULL ? mem_strdup(text) : NULL;
	if (s->cell->text != NULL)
		for (end = s->cell->text; *end != '\0'; end++)
			if (*end == '\n' || *end == '\t')
				*end = ' ';
	slot_close(s);
}

/* --- libpq, and PgBouncers through it -------------------------------------- */

static void
pq_start(struct slot *s)
{
	const struct cell *c = s->cell;
	bool pool = c->a.dialect == DIALECT_PGBOUNCER;
	const char *none = servers_path(sv, "nosuch"), *ca = anchor_file(sv, c->a.anchor);
	const char *cert = shown_file(sv, c->shows, false), *key = shown_file(sv, c->shows, true);
	char port[16];
	const char *keys[] = { "host", "hostaddr", "port", "user", "password", "dbname", "sslmode", "sslrootcert",
	    "sslcert", "sslkey", "sslcrl", "gssencmode", "ssl_min_protocol_version", "ssl_max_protocol_version",
	    "client_encoding", NULL };
	/* An empty bound would be libpq's default of 1.2 at least; no bound is what a cell without one means. */
	const char *values[] = { HOST_NAME, "127.0.0.1", port, c->role, ROLE_PASSWORD, "postgres",
	    pool ? "disable" : dial_word(c->a.dial), pool || *ca == '\0' ? none : ca,
	    pool || *cert == '\0' ? none : cert, pool || *key == '\0' ? none : key, none, "disable",
	    pool ? "" : proto_name(c->a.client_min), pool ? "" : proto_name(c->a.client_max), "UTF8", NULL };

	(void)snprintf(port, sizeof(port), "%d", pool ? bouncer_port(c->bouncer) : c->port);
	s->what = pool ? POOL_CONNECTING : PQ_CONNECTING;
	s->pg = PQconnectStartParams(keys, values, 0);
	assert_non_null(s->pg);
	if (PQstatus(s->pg) == CONNECTION_BAD) {
		slot_end(s, SEEN_REFUSED, PQerrorMessage(s->pg));
		return;
	}
	s->events = POLLOUT;
}

static void
pool_look(struct slot *s)
{
	char *more = bouncer_complaint(s->cell->bouncer);

	if (more != NULL && s->complaint == NULL) {
		s->complaint = more;
		s->complained = now_ms();
	} else
		free(more);
	if (s->complaint != NULL && now_ms() > s->complained + COMPLAINT_MS)
		slot_end(s, SEEN_REFUSED, s->complaint);
}

/*
 * A PgBouncer whose last login failed turns the next client away at once, and
 * tries the server anew behind its back: that is news of the past.
 */
static bool
pool_again(struct slot *s, const char *said)
{
	struct cell *c = s->cell;
	long long deadline = s->deadline;

	if (s->complaint != NULL || strstr(said, "server login has been failing") == NULL)
		return false;
	slot_close(s);
	s->cell = c;
	s->deadline = deadline;
	pq_start(s);
	return true;
}

static void
pool_failed(struct slot *s)
{
	struct cell *c = s->cell;

	if (!pool_again(s, PQerrorMessage(s->pg)))
		slot_end(s, SEEN_REFUSED, s->complaint != NULL ? s->complaint : PQerrorMessage(s->pg));
	c->told = c->seen == SEEN_REFUSED;
}

static void
pool_answer(struct slot *s)
{
	PGresult *r = PQgetResult(s->pg);

	if (PQresultStatus(r) == PGRES_TUPLES_OK && PQntuples(r) == 1)
		slot_end(s, PQgetvalue(r, 0, 0)[0] == 't' ? SEEN_TLS : SEEN_PLAINTEXT, NULL);
	else
		slot_end(s, SEEN_REFUSED, s->complaint != NULL ? s->complaint : PQresultErrorMessage(r));
	PQclear(r);
}

static void
pq_step(struct slot *s)
{
	if (s->what == POOL_ASKING) {
		if (!PQconsumeInput(s->pg))
			pool_failed(s);
		else if (!PQisBusy(s->pg))
			pool_answer(s);
		return;
	}
	switch (PQconnectPoll(s->pg)) {
	case PGRES_POLLING_READING:
		s->events = POLLIN;
		return;
	case PGRES_POLLING_WRITING:
		s->events = POLLOUT;
		return;
	case PGRES_POLLING_OK:
		if (s->what == PQ_CONNECTING) {
			slot_end(s, PQsslInUse(s->pg) ? SEEN_TLS : SEEN_PLAINTEXT, NULL);
			return;
		}
		/* What the server itself says of the pooler's connection. */
		if (!PQsendQuery(s->pg, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
			slot_end(s, SEEN_REFUSED, PQerrorMessage(s->pg));
		s->what = POOL_ASKING;
		s->events = POLLIN;
		return;
	default:
		if (s->what == PQ_CONNECTING)
			slot_end(s, SEEN_REFUSED, PQerrorMessage(s->pg));
		else
			pool_failed(s);
	}
}

/* --- RESP ------------------------------------------------------------------ */

static void
resp_error(struct slot *s, const char *what)
{
	char text[300], says[200];
	unsigned long code = ERR_get_error();

	if (code != 0)
		ERR_error_string_n(code, says, sizeof(says));
	else
		(void)snprintf(says, sizeof(says), "%s", errno != 0 ? strerror(errno) : "closed");
	(void)snprintf(text, sizeof(text), "%s: %s", what, says);
	ERR_clear_error();
	slot_end(s, SEEN_REFUSED, text);
}

static int
proto_number(enum proto proto)
{
	static const int numbers[] = { 0, TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION };

	return numbers[proto];
}

/* Made once for each kind of client: a context costs more than the handshake. */
static SSL_CTX *
resp_context(const struct cell *c)
{
	static SSL_CTX *made[2][ANCHOR_UNKNOWN][SHOWN_STRAY + 1][PROTO_TLS1_3 + 1][PROTO_TLS1_3 + 1];
	const struct attempt *a = &c->a;
	bool verify = a->dial >= DIAL_VERIFY_CA;
	SSL_CTX **slot = &made[verify][a->anchor][c->shows][a->client_min][a->client_max], *ctx = *slot;
	const char *cert = shown_file(sv, c->shows, false);

	if (ctx != NULL)
		return ctx;
	ctx = *slot = SSL_CTX_new(TLS_client_method());
	assert_non_null(ctx);
	(void)SSL_CTX_set_min_proto_version(ctx, proto_number(a->client_min));
	(void)SSL_CTX_set_max_proto_version(ctx, proto_number(a->client_max));
	if (a->anchor != ANCHOR_NONE)
		assert_int_equal(SSL_CTX_load_verify_locations(ctx, anchor_file(sv, a->anchor), NULL), 1);
	else if (verify)
		(void)SSL_CTX_set_default_verify_paths(ctx);
	if (*cert != '\0') {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, shown_file(sv, c->shows, true), SSL_FILETYPE_PEM), 1);
	}
	SSL_CTX_set_verify(ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	return ctx;
}

/* The way of hiredis' own TLS; the name by SSL_set1_host(), as its callers have to. */
static void
resp_tls(struct slot *s)
{
	s->ssl = SSL_new(resp_context(s->cell));
	assert_non_null(s->ssl);
	(void)SSL_set_tlsext_host_name(s->ssl, HOST_NAME);
	if (s->cell->a.dial == DIAL_VERIFY_FULL)
		assert_int_equal(SSL_set1_host(s->ssl, HOST_NAME), 1);
	(void)SSL_set_fd(s->ssl, s->fd);
	SSL_set_connect_state(s->ssl);
}

static void
resp_start(struct slot *s)
{
	const struct cell *c = s->cell;
	bool tls = c->a.dial != DIAL_DISABLE;
	struct sockaddr_in a;

	s->what = RESP_CONNECTING;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_true(s->fd >= 0);
	(void)fcntl(s->fd, F_SETFL, O_NONBLOCK);
	memset(&a, 0, sizeof(a));
	a.sin_family = AF_INET;
	a.sin_port = htons((uint16_t)(tls && !c->a.one_port ? c->port_tls : c->port));
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->events = POLLOUT;
	if (connect(s->fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno != EINPROGRESS)
		resp_error(s, "connect");
	else if (tls)
		resp_tls(s);
}

/* True: go on; false: it waits, or has ended. */
static bool
resp_wants(struct slot *s, int rc, const char *what)
{
	if (rc > 0)
		return true;
	if (s->ssl != NULL) {
		switch (SSL_get_error(s->ssl, rc)) {
		case SSL_ERROR_WANT_READ:
			s->events = POLLIN;
			return false;
		case SSL_ERROR_WANT_WRITE:
			s->events = POLLOUT;
			return false;
		}
	} else if (rc == -1 && (errno == EAGAIN || errno == EINTR))
		return false;
	resp_error(s, what);
	return false;
}

static void
resp_step(struct slot *s)
{
	static const char ping[] = "*1\r\n$4\r\nPING\r\n";
	int rc, so = 0;
	socklen_t len = sizeof(so);

	errno = 0;
	ERR_clear_error();
	switch (s->what) {
	case RESP_CONNECTING:
		(void)getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &so, &len);
		if ((errno = so) != 0) {
			resp_error(s, "connect");
			return;
		}
		s->what = s->ssl != NULL ? RESP_SHAKING : RESP_WRITING;
		resp_step(s);
		return;
	case RESP_SHAKING:
		if (!resp_wants(s, SSL_do_handshake(s->ssl), "handshake"))
			return;
		s->what = RESP_WRITING;
		/* FALLTHROUGH */
	case RESP_WRITING:
		rc = s->ssl != NULL ? SSL_write(s->ssl, ping, sizeof(ping) - 1) :
		    (int)send(s->fd, ping, sizeof(ping) - 1, MSG_NOSIGNAL);
		if (!resp_wants(s, rc, "write"))
			return;
		s->what = RESP_READING;
		s->events = POLLIN;
		return;
	default:
		rc = s->ssl != NULL ? SSL_read(s->ssl, s->got + s->ngot, (int)(sizeof(s->got) - 1 - s->ngot)) :
		    (int)recv(s->fd, s->got + s->ngot, sizeof(s->got) - 1 - s->ngot, 0);
		if (!resp_wants(s, rc, "read"))
			return;
		s->ngot += (size_t)rc;
		if (strncmp(s->got, "+PONG\r\n", 7) == 0)
			slot_end(s, s->ssl != NULL ? SEEN_TLS : SEEN_PLAINTEXT, NULL);
		else if (s->ngot >= 7)
			slot_end(s, SEEN_REFUSED, s->got);
	}
}

/* --- the loop -------------------------------------------------------------- */

static bool
by_driver(const struct cell *c)
{
	return driver_exists(c->a.dialect);
}

static void
slot_start(struct slot *s, struct cell *c, int deadline_ms)
{
	memset(s, 0, sizeof(*s));
	s->fd = -1;
	s->cell = c;
	c->started = true;
	s->deadline = now_ms() + deadline_ms;
	if (c->a.dialect == DIALECT_PGBOUNCER)
		bouncer_forget(c->bouncer);
	if (c->a.kind == KIND_REDIS)
		resp_start(s);
	else
		pq_start(s);
}

static void
slot_step(struct slot *s, short revents)
{
	if (s->what == POOL_CONNECTING || s->what == POOL_ASKING)
		pool_look(s);
	if (s->cell == NULL)
		return;
	if (revents != 0) {
		if (s->what >= RESP_CONNECTING)
			resp_step(s);
		else
			pq_step(s);
	}
	if (s->cell != NULL && now_ms() > s->deadline)
		slot_end(s, SEEN_HANGS, s->complaint);
}

/* One cell of each PgBouncer at a time: its log does not say whose failure it was. */
static bool
bouncer_busy(const struct cell *c)
{
	size_t i, n = 0;

	if (c->a.dialect != DIALECT_PGBOUNCER)
		return false;
	for (i = 0; i < SLOTS; i++)
		if (slots[i].cell != NULL && slots[i].cell->a.dialect == DIALECT_PGBOUNCER) {
			n++;
			if (slots[i].cell->bouncer == c->bouncer)
				return true;
		}
	return n >= BOUNCERS_AT_ONCE;
}

static void
turn(struct cells *cells, int *given)
{
	struct pollfd fds[SLOTS + 16];
	int index[SLOTS], nfds = 0, i, n, id, drivers[16], first_driver;

	for (i = 0; i < SLOTS; i++) {
		if (slots[i].cell == NULL)
			continue;
		index[nfds] = i;
		fds[nfds].fd = slots[i].pg != NULL ? PQsocket(slots[i].pg) : slots[i].fd;
		fds[nfds].events = slots[i].events;
		fds[nfds++].revents = 0;
	}
	first_driver = nfds;
	n = drivers_fds(drivers, 16);
	for (i = 0; i < n; i++) {
		fds[nfds].fd = drivers[i];
		fds[nfds].events = POLLIN;
		fds[nfds++].revents = 0;
	}
	if (poll(fds, (nfds_t)nfds, 10) < 0 && errno != EINTR)
		fail_msg("poll: %s", strerror(errno));
	for (i = 0; i < first_driver; i++)
		slot_step(&slots[index[i]], fds[i].revents);
	for (i = first_driver; i < nfds; i++)
		if (fds[i].revents != 0)
			for (driver_take(fds[i].fd, cells, &id); id != -1; driver_take(fds[i].fd, cells, &id))
				(*given)--;
}

static void
run(struct cells *cells, size_t first, size_t at_once, int deadline_ms)
{
	size_t i, j, busy;
	int given = 0, before = 0;
	long long heard = now_ms();

	for (i = first; i < cells->n; i++)
		if (cells->v[i].seen == SEEN_NOTHING && by_driver(&cells->v[i])) {
			cells->v[i].started = true;
			driver_give(sv, &cells->v[i], (int)i, deadline_ms);
			given += cells->v[i].seen == SEEN_NOTHING;
		}
	for (;;) {
		bool left = false;

		for (busy = 0, j = 0; j < SLOTS; j++)
			busy += slots[j].cell != NULL;
		for (i = first; i < cells->n; i++) {
			struct cell *c = &cells->v[i];

			if (c->started || c->seen != SEEN_NOTHING)
				continue;
			left = true;
			if (busy >= at_once)
				break;
			if (bouncer_busy(c))
				continue;
			for (j = 0; slots[j].cell != NULL; j++)
				;
			slot_start(&slots[j], c, deadline_ms);
			busy++;
		}
		if (!left && busy == 0 && given == 0)
			return;
		turn(cells, &given);
		if (given != before || given == 0)
			heard = now_ms();
		before = given;
		if (now_ms() > heard + DRIVERS_SILENT_MS)
			fail_msg("a driver says nothing any more, with %d cells to go", given);
	}
}

/* Which cells are to be tried again: how many; `unlikely`: what hangs and should not, only. */
static size_t
again(struct cells *cells, size_t first, bool unlikely)
{
	size_t i, n = 0;

	for (i = first; i < cells->n; i++) {
		struct cell *c = &cells->v[i];
		/* Not the server's word on this client, but on how many there are. */
		bool crowded = c->seen == SEEN_REFUSED && c->text != NULL &&
		    (strstr(c->text, "too many clients") != NULL || strstr(c->text, "remaining connection slots") != NULL);

		if (unlikely ? c->seen != SEEN_HANGS || attempt_verdict(&c->a, NULL) == VERDICT_HANGS :
		    c->seen != SEEN_HANGS && !crowded)
			continue;
		c->seen = SEEN_NOTHING;
		c->started = false;
		n++;
	}
	return n;
}

void
dialler_run(struct servers *s, struct cells *cells, size_t first)
{
	size_t i;

	sv = s;
	for (i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	run(cells, first, SLOTS - 24, HANG_MS);
	if (again(cells, first, false) > 0)
		run(cells, first, 16, HANG_AGAIN_MS);
	/* A machine may be that busy; a server that should answer gets all the time it can want. */
	if (again(cells, first, true) > 0)
		run(cells, first, 4, HANG_AT_LAST_MS);
}
