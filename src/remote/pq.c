/*
 * pq: see pq.h.
 *
 * Owns a PGconn, its forward and the poll handle on its socket.  Invariants:
 * the poll handle is closed before PQfinish() closes the socket; events are
 * emitted only from polled(); a pq that was closed from inside an event lives until polled() returns.
 */
#include "remote/pq.h"

#include <arpa/inet.h>
#include <libpq-fe.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/forward.h"
#include "remote/tls.h"

/* A path that cannot exist: libpq then takes the file for absent, and asks no home directory. */
#define NO_FILE "/dev/null/none"
/* What a login may bring: a certificate chain, parameters, an error. */
#define LOGIN_MAX ((size_t)256 << 10)

extern char **environ;

enum pq_state { PQ_LOGGING_IN, PQ_IDLE, PQ_ASKING };

struct pq {
	PGconn	*conn;
	struct pq_progress *progress;	/* the owner's, or NULL */
	struct forward *forward;
	uv_poll_t *poll;
	int	 socket;
	int	 polling;	/* events asked for */
	const struct pq_events *events;
	void	*arg;
	enum pq_state state;
	char	 sqlstate[6];
	struct buf why;		/* of the query's error */
	bool	 dead;
	bool	 busy;
};

struct pq_row {
	const PGresult *result;
	int row;
};

/* libpq reads some 30 variables, PGOPTIONS and PGSERVICE among them; none may speak here. */
static void
forget_environment(void)
{
	char name[64];
	const char *eq;
	size_t i = 0;

	while (environ != NULL && environ[i] != NULL) {
		eq = strchr(environ[i], '=');
		if (strncmp(environ[i], "PG", 2) != 0 || eq == NULL ||
		    (size_t)(eq - environ[i]) >= sizeof(name)) {
			i++;
			continue;
		}
		memcpy(name, environ[i], (size_t)(eq - environ[i]));
		name[eq - environ[i]] = '\0';
		if (unsetenv(name) != 0)
			i++;
	}
}

static void
be_silent(void *arg, const PGresult *result)
{
	(void)arg;
	(void)result;
}

static void
poll_freed(uv_handle_t *h)
{
	free(h);
}

static void
pq_free(struct pq *pq)
{
	if (pq->poll != NULL) {
		pq->poll->data = NULL;
		(void)uv_poll_stop(pq->poll);
		uv_close((uv_handle_t *)pq->poll, poll_freed);
	}
	PQfinish(pq->conn);
	forward_free(pq->forward);
	buf_release(&pq->why);
	free(pq);
}

void
pq_close(struct pq *pq)
{
	if (pq == NULL || pq->dead)
		return;
	pq->dead = true;
	if (!pq->busy)
		pq_free(pq);
}

/*
 * libpq's words without what is about our forward: 'connection to server at
 * "db" (127.0.0.1), port 41234 failed: FATAL:  …' becomes 'FATAL: …'; lines are joined.
 */
static void
words(struct buf *out, const char *message)
{
	const char *p = strstr(message, " failed: ");
	bool blank = false;

	p = p != NULL && strncmp(message, "connection to server", 20) == 0 ? p + 9 : message;
	for (; *p != '\0'; p++) {
		if (*p == ' ' || *p == '\n' || *p == '\t') {
			blank = true;
			continue;
		}
		if (blank && out->len > 0)
			buf_putc(out, ' ');
		blank = false;
		buf_putc(out, *p);
	}
}

/*
 * "FATAL:  28000: no pg_hba.conf entry … LOCATION:  …": the words were made so that the
 * code is among them, and then nobody needs to see it.
 */
static void
take_code(struct buf *b, char sqlstate[6])
{
	char *at, *end;

	if (b->data == NULL)
		return;
	for (at = strstr(b->data, ": "); at != NULL; at = strstr(at + 2, ": ")) {
		if (strspn(at + 2, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 5 || at[7] != ':' || at[8] != ' ')
			continue;
		memcpy(sqlstate, at + 2, 5);
		sqlstate[5] = '\0';
		memmove(at + 2, at + 9, strlen(at + 9) + 1);
		if ((end = strstr(at, " LOCATION: ")) != NULL)
			*end = '\0';
		b->len = strlen(b->data);
		return;
	}
}

/* What the failed login says of itself. */
static void
note_end(struct pq *pq, struct buf *why)
{
	struct pq_progress *p = pq->progress;

	if (p == NULL || pq->state != PQ_LOGGING_IN)
		return;
	p->reached_ns = forward_reached_ns(pq->forward);
	p->no_tls = p->secured_ns == 0 && strstr(buf_str(why), "does not support SSL") != NULL;
	take_code(why, p->sqlstate);
}

static void
note_progress(struct pq *pq)
{
	ConnStatusType status = PQstatus(pq->conn);
	struct pq_progress *p = pq->progress;
	const char *value;

	if (p == NULL)
		return;
	p->reached_ns = forward_reached_ns(pq->forward);
	if (status != CONNECTION_OK && status != CONNECTION_AWAITING_RESPONSE && status != CONNECTION_AUTH_OK)
		return;
	if (status == CONNECTION_OK)
		p->ready_ns = uv_hrtime();
	if (p->secured_ns != 0 || PQsslInUse(pq->conn) == 0)
		return;
	p->secured_ns = uv_hrtime();
	p->asked = tls_session_asked(PQsslStruct(pq->conn, "OpenSSL"));
	if ((value = PQsslAttribute(pq->conn, "protocol")) != NULL)
		(void)snprintf(p->protocol, sizeof(p->protocol), "%s", value);
	if ((value = PQsslAttribute(pq->conn, "cipher")) != NULL)
		(void)snprintf(p->cipher, sizeof(p->cipher), "%s", value);
}

static void
lost(struct pq *pq)
{
	const char *why = forward_why(pq->forward);
	struct buf b;

	if (pq->dead)
		return;
	pq->dead = true;
	buf_init(&b, ERR_MAX - 64);
	if (why != NULL)
		buf_puts(&b, why);
	else
		words(&b, PQerrorMessage(pq->conn));
	if (b.len == 0)
		buf_puts(&b, "the connection was closed");
	note_end(pq, &b);
	pq->events->closed(pq->arg, buf_str(&b));
	buf_release(&b);
}

void
pq_look(struct pq *pq)
{
	if (!pq->dead)
		note_progress(pq);
}

void *
pq_tls(struct pq *pq)
{
	return pq->dead ? NULL : PQsslStruct(pq->conn, "OpenSSL");
}

static void polled(uv_poll_t *, int status, int events);

static void
watch(struct pq *pq, int events)
{
	if (pq->dead || pq->polling == events)
		return;
	pq->polling = events;
	(void)uv_poll_start(pq->poll, events, polled);
}

static void
log_in(struct pq *pq)
{
	PostgresPollingStatusType next = PQconnectPoll(pq->conn);

	note_progress(pq);
	/* One address, one mode: libpq has no reason to take another socket. */
	if (next != PGRES_POLLING_FAILED && PQsocket(pq->conn) != pq->socket) {
		pq->dead = true;
		pq->events->closed(pq->arg, "libpq opened another connection");
		return;
	}
	switch (next) {
	case PGRES_POLLING_READING:
		watch(pq, UV_READABLE);
		break;
	case PGRES_POLLING_WRITING:
		watch(pq, UV_WRITABLE);
		break;
	case PGRES_POLLING_OK:
		pq->state = PQ_IDLE;
		(void)PQsetnonblocking(pq->conn, 1);
		watch(pq, UV_READABLE);
		pq->events->ready(pq->arg);
		break;
	case PGRES_POLLING_FAILED:
	case PGRES_POLLING_ACTIVE:
		lost(pq);
		break;
	}
}

static void
send_out(struct pq *pq)
{
	int rc = PQflush(pq->conn);

	if (rc == -1)
		lost(pq);
	else
		watch(pq, rc == 1 ? UV_READABLE | UV_WRITABLE : UV_READABLE);
}

static void
take(struct pq *pq, const PGresult *result)
{
	struct pq_row row = { result, 0 };
	const char *state;

	switch (PQresultStatus(result)) {
	case PGRES_SINGLE_TUPLE:
	case PGRES_TUPLES_OK:
		for (row.row = 0; row.row < PQntuples(result) && !pq->dead; row.row++)
			pq->events->row(pq->arg, &row);
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
	case PGRES_NONFATAL_ERROR:
		break;
	default:
		/* Also COPY and what else was not asked for. */
		state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		(void)snprintf(pq->sqlstate, sizeof(pq->sqlstate), "%s", state == NULL ? "XX000" : state);
		buf_clear(&pq->why);
		words(&pq->why, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) != NULL ?
		    PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : "an answer that was not asked for");
		break;
	}
}

static void
receive(struct pq *pq)
{
	PGresult *result;

	if (PQconsumeInput(pq->conn) == 0 || PQstatus(pq->conn) == CONNECTION_BAD) {
		lost(pq);
		return;
	}
	while (pq->state == PQ_ASKING && !pq->dead && PQisBusy(pq->conn) == 0) {
		result = PQgetResult(pq->conn);
		if (result != NULL) {
			take(pq, result);
			PQclear(result);
			continue;
		}
		if (PQstatus(pq->conn) == CONNECTION_BAD) {
			lost(pq);
			return;
		}
		pq->state = PQ_IDLE;
		pq->events->done(pq->arg, pq->sqlstate[0] == '\0' ? NULL : pq->sqlstate,
		    buf_str(&pq->why));
	}
	/* Nothing is asked: whatever comes now (a goodbye) is not kept. */
	if (pq->state == PQ_IDLE && !pq->dead && PQisBusy(pq->conn) == 0 &&
	    PQstatus(pq->conn) == CONNECTION_BAD)
		lost(pq);
}

static void
polled(uv_poll_t *h, int status, int events)
{
	struct pq *pq = h->data;

	if (pq == NULL)
		return;
	pq->busy = true;
	if (pq->state == PQ_LOGGING_IN)
		log_in(pq);
	else if (status < 0)
		lost(pq);
	else {
		if ((events & UV_READABLE) != 0)
			receive(pq);
		if (!pq->dead && pq->state == PQ_ASKING && (events & UV_WRITABLE) != 0)
			send_out(pq);
	}
	pq->busy = false;
	if (pq->dead)
		pq_free(pq);
}

int
pq_query(struct pq *pq, const char *sql, const char *const params[], int nparams, size_t max_bytes)
{
	int rc;

	if (pq->dead || pq->state != PQ_IDLE)
		return -1;
	forward_allow(pq->forward, max_bytes);
	pq->sqlstate[0] = '\0';
	buf_clear(&pq->why);
	if (nparams > 0)
		rc = PQsendQueryParams(pq->conn, sql, nparams, NULL, params, NULL, NULL, 0);
	else
		rc = PQsendQuery(pq->conn, sql);
	if (rc != 1)
		return -1;
	pq->state = PQ_ASKING;
	(void)PQsetSingleRowMode(pq->conn);
	/* Written at the next turn of the loop, where a failure may be told. */
	watch(pq, UV_READABLE | UV_WRITABLE);
	return 0;
}

struct pq *
pq_open(const struct pq_config *c, const struct pq_events *events, void *arg, struct err *err)
{
	static const char *const modes[] = { "disable", "require", "verify-ca", "verify-full" };
	static const char *const protocols[] = { "", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3" };
	const char *keys[40], *values[40];
	struct sockaddr_in name;
	socklen_t len = sizeof(name);
	struct pq *pq = mem_alloc(sizeof(*pq));
	char port[16];
	int n = 0;

	memset(&name, 0, sizeof(name));
	forget_environment();
	pq->events = events;
	pq->arg = arg;
	buf_init(&pq->why, ERR_MAX - 64);
	pq->forward = forward_new(c->loop, c->session, c->address, c->port, err);
	if (pq->forward == NULL) {
		free(pq);
		return NULL;
	}
	forward_allow(pq->forward, LOGIN_MAX);
	(void)snprintf(port, sizeof(port), "%d", forward_port(pq->forward));

#define SET(key, value)	(keys[n] = (key), values[n++] = (value))
	SET("host", c->name);
	SET("hostaddr", "127.0.0.1");
	SET("port", port);
	SET("user", c->user);
	SET("dbname", c->database);
	if (c->password != NULL && c->password[0] != '\0')
		SET("password", c->password);
	SET("passfile", NO_FILE);
	SET("sslmode", modes[c->mode]);
	SET("sslrootcert", c->mode >= PQ_TLS_CHAIN && c->ca_file != NULL ? c->ca_file : NO_FILE);
	SET("sslcrl", NO_FILE);
	SET("sslcert", c->pair_file != NULL ? c->pair_file : NO_FILE);
	SET("sslkey", c->pair_file != NULL ? c->pair_file : NO_FILE);
	SET("sslcompression", "0");
	SET("sslsni", "1");
	SET("ssl_min_protocol_version", protocols[c->min == PROTO_ANY ? PROTO_TLS1_2 : c->min]);
	if (c->max != PROTO_ANY)
		SET("ssl_max_protocol_version", protocols[c->max]);
	SET("gssencmode", "disable");
	SET("channel_binding", c->mode == PQ_PLAINTEXT ? "disable" : "prefer");
	SET("application_name", c->application != NULL ? c->application : PQ_APPLICATION);
	/* Names come as the bytes that are stored; the sanitiser judges them. */
	SET("client_encoding", "SQL_ASCII");
	SET("connect_timeout", "0");
	SET("target_session_attrs", "any");
	if (c->options != NULL)
		SET("options", c->options);
#undef SET
	keys[n] = values[n] = NULL;

	pq->conn = PQconnectStartParams(keys, values, 0);
	if (pq->conn == NULL || PQstatus(pq->conn) == CONNECTION_BAD) {
		struct buf b;

		buf_init(&b, ERR_MAX - 64);
		words(&b, pq->conn == NULL ? "out of memory" : PQerrorMessage(pq->conn));
		(void)err_set(err, "libpq: %s", buf_str(&b));
		buf_release(&b);
		pq_free(pq);
		return NULL;
	}
	if (c->progress != NULL) {
		memset(c->progress, 0, sizeof(*c->progress));
		c->progress->began_ns = uv_hrtime();
		pq->progress = c->progress;
		(void)PQsetErrorVerbosity(pq->conn, PQERRORS_VERBOSE);
	}
	PQsetNoticeReceiver(pq->conn, be_silent, NULL);
	pq->socket = PQsocket(pq->conn);
	if (pq->socket < 0 || getsockname(pq->socket, (struct sockaddr *)&name, &len) != 0 ||
	    name.sin_family != AF_INET) {
		(void)err_set(err, "libpq has no socket");
		pq_free(pq);
		return NULL;
	}
	forward_expect(pq->forward, ntohs(name.sin_port));
	pq->poll = mem_alloc(sizeof(*pq->poll));
	if (uv_poll_init(c->loop, pq->poll, pq->socket) != 0) {
		free(pq->poll);
		pq->poll = NULL;
		(void)err_set(err, "cannot watch libpq's socket");
		pq_free(pq);
		return NULL;
	}
	pq->poll->data = pq;
	watch(pq, UV_WRITABLE);
	return pq;
}

bool
pq_has(const struct pq_row *row, const char *column)
{
	return PQfnumber(row->result, column) != -1;
}

const char *
pq_value(const struct pq_row *row, const char *column)
{
	int field = PQfnumber(row->result, column);

	if (field == -1 || PQgetisnull(row->result, row->row, field))
		return NULL;
	return PQgetvalue(row->result, row->row, field);
}

int
pq_columns(const struct pq_row *row)
{
	return PQnfields(row->result);
}

const char *
pq_column(const struct pq_row *row, int column)
{
	return PQfname(row->result, column);
}

const char *
pq_cell(const struct pq_row *row, int column)
{
	return PQgetisnull(row->result, row->row, column) ? NULL :
	    PQgetvalue(row->result, row->row, column);
}
