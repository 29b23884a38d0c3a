/*
 * rehearse: see rehearse.h.
 *
 * Owns each call: its tries in the order of the driver's manner, one connection at a time, and its
 * one deadline.  What is read of the client is rehearse_client.c's.
 *
 * Invariants:
 *  1. A call is answered once, from the loop; what it has under way is dropped before.
 *  2. The CA file of a call is the one that was read when it began (struct ca_file is counted),
 *     whatever is read meanwhile.
 *  3. What only says something about belay's own role, or about the way to the host, never ends in
 *     REFUSED or HANGS.
 *
 * What a driver does after a failure is attempt.c's table; this file only says how a try ended.
 */
#include "remote/rehearse_int.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/errand.h"
#include "remote/pq.h"
#include "remote/resp.h"
#include "remote/session.h"
#include "remote/tls.h"

#define AWAKE_MS	2000	/* within which the client's host has to answer, where a connection did not */
#define NAME_MS		3000	/* within which it has to say whether it knows a name */

/* What is asked besides the tries. */
enum aside {
	ASIDE_NONE,
	ASIDE_WELCOME,		/* is the probe let in by TLS, where it was not without? */
	ASIDE_AWAKE,		/* does the client's host answer at all? */
	ASIDE_NAME		/* does it know the name? */
};

struct rehearsal_call {
	struct rehearsal_call *prev, *next;
	struct rehearsal *r;
	struct rehearsed res;
	const struct manner *manner;
	struct ca_file *ca_file;
	uv_timer_t *timer;
	int64_t	 deadline_ms;		/* of the whole, from begun_ns */
	uint64_t begun_ns;		/* the call */
	rehearsal_done *done;
	void	*arg;
	/* The try under way. */
	bool	 tls;
	bool	 second;
	enum aside aside;
	enum verdict grade;		/* what it comes to where it goes well */
	uint64_t dialled_ns, reached_ns, secured_ns;
	struct pq *pq;
	struct pq_progress progress;
	struct stream *stream;		/* Redis, until it is open */
	struct resp *resp;
	struct errand *errand;
	bool	 doubted;		/* the first try was refused in words that may be about the probe alone */
};

enum { TAG_AUTH, TAG_NAME, TAG_PING, TAG_QUIT };

static void try_it(struct rehearsal_call *, bool tls);

static const struct endpoint *
endpoint_of(const struct rehearsal *r)
{
	return &r->set->fleet->endpoints[rehearsal_link(r)->endpoint];
}

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static struct session *
session_of(const struct rehearsal *r)
{
	return r->set->session(r->set->arg, link_host(r->set->fleet, rehearsal_link(r)));
}

/* ---- a call's end ---- */

static void
hang_up(struct rehearsal_call *c)
{
	struct stream *st = c->stream;
	struct resp *resp = c->resp;
	struct pq *pq = c->pq;

	c->stream = NULL;
	c->resp = NULL;
	c->pq = NULL;
	stream_close(st);
	resp_close(resp);
	pq_close(pq);
	errand_cancel(c->errand);
	c->errand = NULL;
}

static void
timer_closed(uv_handle_t *h)
{
	free(h);
}

static void
detach(struct rehearsal_call *c)
{
	hang_up(c);
	c->timer->data = NULL;
	(void)uv_timer_stop(c->timer);
	uv_close((uv_handle_t *)c->timer, timer_closed);
	if (c->prev != NULL)
		c->prev->next = c->next;
	else
		c->r->calls = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	ca_file_drop(c->ca_file);
}

void
rehearsal_call_cancel(struct rehearsal_call *c)
{
	if (c == NULL)
		return;
	detach(c);
	free(c);
}

static void
answer(struct rehearsal_call *c, enum verdict verdict)
{
	struct rehearsed res = c->res;
	rehearsal_done *done = c->done;
	void *arg = c->arg;

	res.verdict = verdict;
	res.took_us = (int64_t)(uv_hrtime() - c->begun_ns) / 1000;
	detach(c);
	free(c);
	done(arg, &res);
}

static void
say(struct rehearsal_call *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct rehearsal_call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(c->res.why, sizeof(c->res.why), fmt, ap);
	va_end(ap);
}

static void
remark(struct rehearsal_call *c, const char *words)
{
	(void)snprintf(c->res.remark, sizeof(c->res.remark), "%.*s", REHEARSED_WORDS_MAX - 1, words);
}

/* How far the try came, and how long that took. */
static void
measure(struct rehearsal_call *c)
{
	uint64_t now = uv_hrtime(), from = c->reached_ns;
	struct rehearsed *r = &c->res;

	r->reach_us = r->secure_us = r->login_us = -1;
	r->phase = REHEARSAL_DIALLING;
	if (c->reached_ns == 0)
		return;
	r->connections++;
	r->phase = REHEARSAL_REACHED;
	r->reach_us = (int64_t)(c->reached_ns - c->dialled_ns) / 1000;
	if (c->tls && c->secured_ns == 0)
		return;
	if (c->tls) {
		r->phase = REHEARSAL_SECURED;
		r->secure_us = (int64_t)(c->secured_ns - c->reached_ns) / 1000;
		from = c->secured_ns;
	}
	r->login_us = (int64_t)(now - from) / 1000;
}

/* ---- asides ---- */

static void
aside_came(void *arg, struct errand_result *e)
{
	struct rehearsal_call *c = arg;
	char host[FLEET_NAME_MAX + 1];

	c->errand = NULL;
	(void)snprintf(host, sizeof(host), "%s", c->r->set->fleet->hosts[link_host(c->r->set->fleet, rehearsal_link(c->r))].name);
	if (c->aside == ASIDE_AWAKE && e->ended && e->status == 0)
		answer(c, VERDICT_HANGS);
	else if (c->aside == ASIDE_AWAKE) {
		say(c, "host '%s' itself does not answer", host);
		answer(c, VERDICT_UNKNOWN);
	} else if (e->ended && e->status == 2) {
		say(c, "host '%s' does not know the name '%s': where the client runs it may", host, c->res.name);
		answer(c, VERDICT_UNKNOWN);
	} else
		answer(c, VERDICT_REFUSED);
}

static void
aside(struct rehearsal_call *c, enum aside what, const char *command, int64_t deadline_ms)
{
	c->aside = what;
	(void)uv_timer_stop(c->timer);
	c->errand = errand_run(session_of(c->r), command, 4096, deadline_ms, aside_came, c);
}

/* No connection was made. */
static void
not_reached(struct rehearsal_call *c, const char *why)
{
	unsigned char ip[16];
	struct buf b;

	say(c, "%.*s", REHEARSED_WORDS_MAX - 1, why);
	if (!session_nothing_listens(why)) {
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	if (inet_pton(AF_INET, c->res.name, ip) == 1 || inet_pton(AF_INET6, c->res.name, ip) == 1) {
		answer(c, VERDICT_REFUSED);
		return;
	}
	/* A name that only the client's container knows is dialled from there, not from the host. */
	buf_init(&b, 0);
	buf_puts(&b, "command -v getent >/dev/null 2>&1 || exit 0; getent hosts ");
	text_shell_quote(&b, c->res.name);
	buf_puts(&b, " >/dev/null");
	aside(c, ASIDE_NAME, buf_str(&b), NAME_MS);
	buf_release(&b);
}

/* ---- how a try ended, and what follows ---- */

static bool
wants_certificate(const char *why)
{
	return strstr(why, "client certificate") != NULL || strstr(why, "certificate required") != NULL;
}

static void
try_ended(struct rehearsal_call *c, enum try_end end, const char *why)
{
	const struct manner *m = c->manner;
	bool doubt = c->doubted;

	measure(c);
	hang_up(c);
	if (c->aside == ASIDE_WELCOME) {
		/* Plaintext was refused, in words that may be about the probe: did TLS let it in? */
		c->res.protocol[0] = c->res.cipher[0] = c->res.remark[0] = c->res.shown[0] = '\0';
		c->res.asked = false;
		c->res.phase = REHEARSAL_REACHED;
		if (end != TRY_WELL || c->doubted) {
			say(c, "%.200s; over TLS it did not let the probe in either: that says nothing about the client",
			    c->res.why);
			answer(c, VERDICT_UNKNOWN);
		} else
			answer(c, VERDICT_REFUSED);
		return;
	}
	if (c->tls && c->ca_file->shows)
		(void)snprintf(c->res.shown, sizeof(c->res.shown), "%s",
		    c->r->set->fleet->certs[c->r->says.presents].name);
	/* Whoever is not asked for one shows none. */
	if (c->tls && c->ca_file->bare[0] != '\0' && ((end == TRY_WELL && c->res.asked) || wants_certificate(why))) {
		say(c, "%s", c->ca_file->bare);
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	if (end == TRY_WELL && c->tls && c->res.asked && rehearsal_link(c->r)->stray) {
		say(c, "it shows a client certificate of its own, and belay does not have it");
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	if (end == TRY_WELL && !(doubt && !c->second && (m->again & TRY_MESSAGE) != 0)) {
		c->res.phase = REHEARSAL_THROUGH;
		if (!c->second || c->tls)
			c->res.why[0] = '\0';
		answer(c, c->tls ? c->grade : VERDICT_PLAINTEXT);
		return;
	}
	if (end == TRY_WELL)
		end = TRY_MESSAGE;
	if (!c->second || c->res.why[0] == '\0')
		say(c, "%.*s", REHEARSED_WORDS_MAX - 1, why);
	if (!c->second && (end & m->again) != 0) {
		c->second = true;
		try_it(c, !c->tls);
		return;
	}
	if (end == TRY_MESSAGE && doubt && !c->tls) {
		c->aside = ASIDE_WELCOME;
		try_it(c, true);
		return;
	}
	answer(c, VERDICT_REFUSED);
}

/* It does not say what is wrong, only that it waits. */
static void
expired(uv_timer_t *timer)
{
	struct rehearsal_call *c = timer->data;

	if (c == NULL)
		return;
	if (c->pq != NULL) {
		pq_look(c->pq);
		c->reached_ns = c->progress.reached_ns;
		c->secured_ns = c->progress.secured_ns;
	}
	measure(c);
	c->res.login_us = -1;
	hang_up(c);
	if (c->aside == ASIDE_WELCOME) {
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	say(c, "%s within %.1f s", c->res.phase == REHEARSAL_DIALLING ? "no connection" :
	    c->res.phase == REHEARSAL_SECURED ? "connected over TLS, and no answer to the login" :
	    c->tls ? "connected, and no answer to the TLS handshake" : "connected, and no answer",
	    (double)c->deadline_ms / 1000);
	aside(c, ASIDE_AWAKE, "true", AWAKE_MS);
}

/* ---- Postgres and PgBouncer ---- */

/* Is a FATAL about the role that belay logs in as, and not about the way in? */
static bool
about_the_probe(const char *sqlstate, const char *why)
{
	static const char *const words[] = {	/* PgBouncer's: it gives 08P01 for everything */
		"password authentication failed", "no such user", "no such database", "auth failed", "not allowed",
	};
	size_t i;

	if (strcmp(sqlstate, "28P01") == 0 || strcmp(sqlstate, "3D000") == 0 || strcmp(sqlstate, "42501") == 0)
		return true;
	for (i = 0; strcmp(sqlstate, "08P01") == 0 && i < sizeof(words) / sizeof(words[0]); i++)
		if (strstr(why, words[i]) != NULL)
			return true;
	return false;
}

/* Is it pg_hba.conf's refusal, of Postgres or of PgBouncer?  Then it may be about the probe, or the way. */
static bool
by_hba(const char *sqlstate, const char *why)
{
	return strcmp(sqlstate, "28000") == 0 || (strcmp(sqlstate, "08P01") == 0 &&
	    (strstr(why, "pg_hba.conf") != NULL || strstr(why, "login rejected") != NULL));
}

/*
 * libpq takes a numeric address that a certificate has as a DNS name; nobody else does.  Of
 * the others only Go never looks at the common name.
 */
static bool
others_take_the_name(struct rehearsal_call *c)
{
	enum dialect dialect = rehearsal_link(c->r)->dialect;

	return c->grade != VERDICT_NAME || dialect == DIALECT_LIBPQ ||
	    tls_session_covers(pq_tls(c->pq), c->res.name, dialect != DIALECT_PGX) == VERIFIED_OK;
}

static void
pq_ready(void *arg)
{
	struct rehearsal_call *c = arg;

	c->reached_ns = c->progress.reached_ns;
	c->secured_ns = c->progress.secured_ns;
	(void)snprintf(c->res.protocol, sizeof(c->res.protocol), "%s", c->progress.protocol);
	(void)snprintf(c->res.cipher, sizeof(c->res.cipher), "%s", c->progress.cipher);
	c->res.asked = c->progress.asked;
	if (c->tls && !others_take_the_name(c))
		try_ended(c, TRY_HANDSHAKE, "the certificate does not cover the name dialled (libpq alone takes it)");
	else
		try_ended(c, TRY_WELL, "");
}

/* libpq names the file by the way it was given it. */
static void
own_words(const struct rehearsal_call *c, const char *why, char *ret, size_t size)
{
	const char *at = c->ca_file->path[0] == '\0' ? NULL : strstr(why, c->ca_file->path);

	if (at == NULL || c->r->says.ca_path == NULL)
		(void)snprintf(ret, size, "%s", why);
	else
		(void)snprintf(ret, size, "%.*s%s%s", (int)(at - why), why, c->r->says.ca_path,
		    at + strlen(c->ca_file->path));
}

static void
pq_closed(void *arg, const char *said)
{
	struct rehearsal_call *c = arg;
	const struct pq_progress *p = &c->progress;
	struct session_status status;
	char why[ERR_MAX + FLEET_NAME_MAX];

	own_words(c, said, why, sizeof(why));
	c->pq = NULL;
	c->reached_ns = p->reached_ns;
	c->secured_ns = p->secured_ns;
	(void)snprintf(c->res.protocol, sizeof(c->res.protocol), "%s", p->protocol);
	(void)snprintf(c->res.cipher, sizeof(c->res.cipher), "%s", p->cipher);
	c->res.asked = p->asked;
	if (c->reached_ns == 0) {
		measure(c);
		not_reached(c, why);
		return;
	}
	session_status(session_of(c->r), &status);
	if (p->sqlstate[0] == '\0' && status.state != SESSION_UP) {
		measure(c);
		say(c, "the connection to the client's host was lost");
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	if (p->sqlstate[0] != '\0' && (!c->tls || c->secured_ns != 0)) {
		if (about_the_probe(p->sqlstate, why) || (c->tls && by_hba(p->sqlstate, why) && !wants_certificate(why))) {
			c->doubted = by_hba(p->sqlstate, why);
			remark(c, why);
			try_ended(c, TRY_WELL, why);
			return;
		}
		c->doubted = !c->tls && by_hba(p->sqlstate, why);
		try_ended(c, strncmp(p->sqlstate, "28", 2) == 0 || c->doubted ? TRY_MESSAGE : TRY_OTHER, why);
	} else if (p->no_tls)
		try_ended(c, TRY_NO_TLS, why);
	else if (p->sqlstate[0] != '\0')
		try_ended(c, TRY_OTHER, why);
	else if (c->tls && c->secured_ns == 0)
		try_ended(c, TRY_HANDSHAKE, why);
	else if (strstr(why, "no password supplied") != NULL) {
		remark(c, why);
		try_ended(c, TRY_WELL, why);
	} else
		try_ended(c, TRY_CUT, why);
}

static void
pq_no_row(void *arg, const struct pq_row *row)
{
	(void)arg;
	(void)row;
}

static void
pq_no_answer(void *arg, const char *sqlstate, const char *why)
{
	(void)arg;
	(void)sqlstate;
	(void)why;
}

static void
try_postgres(struct rehearsal_call *c, const char *password)
{
	static const struct pq_events events = { pq_ready, pq_no_row, pq_no_answer, pq_closed };
	const struct endpoint *e = endpoint_of(c->r);
	const struct client *client = &c->r->set->fleet->clients[rehearsal_link(c->r)->client];
	struct pq_config config;
	struct err err;

	memset(&config, 0, sizeof(config));
	config.loop = c->r->set->loop;
	config.session = session_of(c->r);
	config.address = config.name = c->res.name;
	config.port = c->res.port;
	config.user = e->probe_user != NULL ? e->probe_user : "belay_probe";
	config.database = e->kind == KIND_PGBOUNCER ? "pgbouncer" : e->probe_database != NULL ? e->probe_database : "postgres";
	config.password = password;
	config.mode = !c->tls ? PQ_PLAINTEXT : c->grade == VERDICT_NAME ? PQ_TLS_VERIFIED :
	    c->grade == VERDICT_CHAIN ? PQ_TLS_CHAIN : PQ_TLS;
	config.ca_file = c->ca_file->path;
	config.pair_file = c->ca_file->shows ? c->ca_file->pair_path : NULL;
	config.application = PQ_REHEARSAL;
	config.min = client->proto_min;
	config.max = client->proto_max;
	config.progress = &c->progress;
	c->pq = pq_open(&config, &events, c, &err);
	if (c->pq == NULL) {
		say(c, "%s", err.msg);
		answer(c, VERDICT_UNKNOWN);
	}
}

/* ---- Redis ---- */

static void
redis_ask(struct rehearsal_call *c)
{
	static const char *const ping[] = { "PING" }, *const quit[] = { "QUIT" };
	const char *const name[] = { "CLIENT", "SETNAME", c->r->set->redis_name != NULL ? c->r->set->redis_name : PQ_APPLICATION };
	const struct endpoint *e = endpoint_of(c->r);
	const char *auth[3] = { "AUTH", NULL, NULL }, *password = NULL, *why = NULL;
	int n = 1;

	if (e->probe_secret != NONE && (password = c->r->set->secret(c->r->set->arg, e->probe_secret, &why)) != NULL) {
		if (e->probe_user != NULL)
			auth[n++] = e->probe_user;
		auth[n++] = password;
		(void)resp_command(c->resp, TAG_AUTH, RESP_REPLY_MAX, n, auth);
	}
	(void)resp_command(c->resp, TAG_NAME, RESP_REPLY_MAX, 3, name);
	(void)resp_command(c->resp, TAG_PING, RESP_REPLY_MAX, 1, ping);
	(void)resp_command(c->resp, TAG_QUIT, RESP_REPLY_MAX, 1, quit);
}

/* TLS is up: does the client go on? */
static void
redis_opened(void *arg)
{
	struct rehearsal_call *c = arg;
	struct stream *st = resp_stream(c->resp);
	const struct tls_facts *facts = tls_facts(st);

	(void)snprintf(c->res.protocol, sizeof(c->res.protocol), "%s", facts->protocol);
	(void)snprintf(c->res.cipher, sizeof(c->res.cipher), "%s", facts->cipher);
	c->res.asked = facts->client_cert_asked;
	if (c->grade >= VERDICT_CHAIN && facts->chain != VERIFIED_OK) {
		char why[ERR_MAX];

		(void)snprintf(why, sizeof(why), "certificate verify failed: %s",
		    facts->chain_why != NULL ? facts->chain_why : "not verified");
		try_ended(c, TRY_HANDSHAKE, why);
	} else if (c->grade == VERDICT_NAME && tls_covers(st, c->res.name) != VERIFIED_OK) {
		char why[ERR_MAX];

		(void)snprintf(why, sizeof(why), "the certificate does not cover the name '%s'", c->res.name);
		try_ended(c, TRY_HANDSHAKE, why);
	} else {
		c->secured_ns = uv_hrtime();
		redis_ask(c);
	}
}

static void
redis_reply(void *arg, int tag, const struct resp_value *v)
{
	struct rehearsal_call *c = arg;
	bool error = v->type == RESP_ERROR;

	if (error && strncmp(v->text, "DENIED", 6) == 0)
		try_ended(c, TRY_OTHER, v->text);
	else if (tag == TAG_AUTH && error && strstr(v->text, "without any password") == NULL &&
	    strstr(v->text, "no password is set") == NULL)
		remark(c, v->text);
	else if (tag == TAG_PING && error && strncmp(v->text, "NOAUTH", 6) != 0 && strncmp(v->text, "NOPERM", 6) != 0)
		try_ended(c, TRY_OTHER, v->text);
	else if (tag == TAG_PING) {
		if (error && c->res.remark[0] == '\0')
			remark(c, v->text);
		try_ended(c, TRY_WELL, "");
	}
}

static void
redis_closed(void *arg, enum stream_end end, const char *why)
{
	struct rehearsal_call *c = arg;
	struct session_status status;

	(void)end;
	c->resp = NULL;
	session_status(session_of(c->r), &status);
	if (status.state != SESSION_UP) {
		measure(c);
		say(c, "the connection to the client's host was lost");
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	try_ended(c, c->tls && c->secured_ns == 0 ? TRY_HANDSHAKE : TRY_CUT,
	    c->tls || c->secured_ns != 0 ? why : "it closes the connection without an answer");
}

static const struct resp_events redis_events = { redis_opened, redis_reply, redis_closed };

static void
dial_opened(void *arg)
{
	static const struct stream_events none;
	struct rehearsal_call *c = arg;
	struct stream *st = c->stream;

	c->reached_ns = uv_hrtime();
	if (c->r->set->made != NULL)
		c->r->set->made(c->r->set->arg, rehearsal_link(c->r)->endpoint);
	c->stream = NULL;
	if (c->tls) {
		st = tls_over(st, true, c->grade >= VERDICT_CHAIN ? c->ca_file->trust : c->ca_file->blind, c->res.name, &none,
		    NULL);
		c->resp = resp_over(st, &redis_events, c);
		return;
	}
	c->resp = resp_over(st, &redis_events, c);
	redis_ask(c);
}

static void
dial_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct rehearsal_call *c = arg;

	(void)end;
	(void)status;
	c->stream = NULL;
	measure(c);
	not_reached(c, why != NULL ? why->msg : "the connection was closed");
}

static void
dial_data(void *arg, const unsigned char *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
}

static void
try_redis(struct rehearsal_call *c)
{
	static const struct stream_events events = {
		.opened = dial_opened, .data = dial_data, .closed = dial_closed,
	};

	c->stream = session_dial(session_of(c->r), c->res.name, c->res.port, &events, c);
	stream_deadline(c->stream, 0);
}

/* ---- tries ---- */

/* What the driver checks here; false: the call was answered, or the try ended, already. */
static bool
choose_checks(struct rehearsal_call *c)
{
	const struct fleet *f = c->r->set->fleet;
	const struct dialling *says = &c->r->says;
	const struct link *l = rehearsal_link(c->r);
	enum try_checks checks = c->aside == ASIDE_WELCOME ? TRY_CHECKS_NOTHING : c->manner->check;
	char why[ERR_MAX];

	c->grade = VERDICT_TLS;
	if (checks == TRY_CHECKS_NOTHING || (checks == TRY_CHECKS_IF_FILE && says->ca == NULL && says->ca_why == NULL))
		return true;
	c->grade = checks == TRY_CHECKS_FULL ? VERDICT_NAME : VERDICT_CHAIN;
	if (says->ca_why != NULL) {
		say(c, "its CA file '%.200s' cannot be read here: %.200s", says->ca_path, says->ca_why);
		answer(c, VERDICT_UNKNOWN);
		return false;
	}
	if (says->ca == NULL && says->ca_path == NULL && l->trust_file == NULL) {
		say(c, "it verifies, and the fleet does not say by which CA file ('trust: { file }')");
		answer(c, VERDICT_UNKNOWN);
		return false;
	}
	if (says->ca == NULL && !dialect_needs_file(l->dialect) && l->trust_cert != NONE && f->certs[l->trust_cert].external) {
		say(c, "it verifies by the system's CAs, which are not read here");
		answer(c, VERDICT_UNKNOWN);
		return false;
	}
	if (says->ca == NULL) {
		if (says->ca_path == NULL)
			(void)snprintf(why, sizeof(why), "it verifies, and its settings name no CA file");
		else
			(void)snprintf(why, sizeof(why), "it verifies, and its CA file '%.500s' does not exist", says->ca_path);
		try_ended(c, TRY_HANDSHAKE, why);
		return false;
	}
	if (c->ca_file->why[0] != '\0') {
		(void)snprintf(why, sizeof(why), "its CA file '%.500s': %.250s", says->ca_path, c->ca_file->why);
		try_ended(c, TRY_HANDSHAKE, why);
		return false;
	}
	return true;
}

static void
try_it(struct rehearsal_call *c, bool tls)
{
	const struct endpoint *e = endpoint_of(c->r);
	const char *password = NULL, *why = NULL;

	c->tls = tls;
	c->doubted = false;
	c->res.remark[0] = '\0';
	c->reached_ns = c->secured_ns = 0;
	memset(&c->progress, 0, sizeof(c->progress));
	c->dialled_ns = uv_hrtime();
	if (tls && !choose_checks(c))
		return;
	if (e->kind == KIND_REDIS) {
		try_redis(c);
		return;
	}
	if (e->probe_secret != NONE)
		password = c->r->set->secret(c->r->set->arg, e->probe_secret, &why);
	try_postgres(c, password);
}

static void
begin(uv_timer_t *timer)
{
	struct rehearsal_call *c = timer->data;
	const struct rehearsal *r;
	int64_t left;

	if (c == NULL)
		return;
	r = c->r;
	left = c->deadline_ms - (int64_t)(uv_hrtime() - c->begun_ns) / 1000000;
	(void)uv_timer_start(timer, expired, (uint64_t)(left > 1 ? left : 1), 0);
	c->res.at_ms = wall_ms();
	if (!r->have)
		say(c, "the settings of '%s' were not read", rehearsal_link(r)->name);
	else if (endpoint_of(r)->not_yet != NULL)
		say(c, "%s", endpoint_of(r)->not_yet);
	else if (r->says.dial == DIAL_UNKNOWN)
		say(c, "%.*s", REHEARSED_WORDS_MAX - 1, r->says.why);
	if (c->res.why[0] != '\0') {
		answer(c, VERDICT_UNKNOWN);
		return;
	}
	c->res.dial = r->says.dial;
	(void)snprintf(c->res.name, sizeof(c->res.name), "%s", r->says.name);
	c->res.port = r->says.port;
	c->ca_file = r->ca_file;
	c->ca_file->refs++;
	c->manner = dialect_manner(rehearsal_link(r)->dialect, r->says.dial);
	if (c->manner->order == TRY_NO_WAY) {
		say(c, "%s", c->manner->spelling);
		answer(c, VERDICT_REFUSED);
		return;
	}
	try_it(c, c->manner->order == TRY_TLS_FIRST || c->manner->order == TRY_TLS);
}

struct rehearsal_call *
rehearsal_dial(struct rehearsal *r, int64_t deadline_ms, rehearsal_done *done, void *arg)
{
	struct rehearsal_call *c = mem_alloc(sizeof(*c));

	c->r = r;
	c->deadline_ms = deadline_ms > 0 ? deadline_ms : 1;
	c->begun_ns = uv_hrtime();
	c->done = done;
	c->arg = arg;
	c->res.dial = DIAL_UNKNOWN;
	c->res.reach_us = c->res.secure_us = c->res.login_us = -1;
	c->next = r->calls;
	if (c->next != NULL)
		c->next->prev = c;
	r->calls = c;
	c->timer = mem_alloc(sizeof(*c->timer));
	(void)uv_timer_init(r->set->loop, c->timer);
	c->timer->data = c;
	(void)uv_timer_start(c->timer, begin, 0, 0);
	return c;
}
