/*
 * look: see look.h.
 *
 * Owns one stream (a TLS one around it once the handshake has begun) and the
 * first bytes of the answer.  Invariants: the leg is OPEN only after an
 * answer in the endpoint's own protocol came this way; bytes that arrive with
 * the answer to SSLRequest are never given to TLS (CVE-2021-23222); nothing
 * secret is sent.
 */
#include "remote/look.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "remote/probe_int.h"
#include "remote/session.h"

enum stage {
	STAGE_OPENING,
	STAGE_PREAMBLE,		/* SSLRequest was sent */
	STAGE_HANDSHAKE,
	STAGE_ANSWER,		/* the protocol's own first message was sent */
	STAGE_FAREWELL		/* Redis: answered, QUIT was sent; wait for the server to hang up */
};

#define SSL_REQUEST	80877103u
#define PROTOCOL_3	196608u

static const struct stream_events plain_events, tls_events;

static void dial(struct look *);

static bool
is_redis(const struct look *l)
{
	return spot_endpoint(l->spot)->kind == KIND_REDIS;
}

static void
say(struct look *l, enum leg leg, const char *why)
{
	struct err e;

	l->leg = leg;
	(void)err_set(&e, "%s", why);
	memcpy(l->why, e.msg, sizeof(l->why));
}

static void
drop(struct look *l)
{
	struct stream *st = l->stream;

	l->stream = NULL;
	stream_close(st);
}

/* A connection that reached the server is one of ours, in whatever it counts. */
static void
counted(struct look *l)
{
	if (l->reached && !l->counted)
		l->spot->own++;
	l->counted |= l->reached;
}

/* Ends the look; it may be freed by its owner from inside. */
static void
finish(struct look *l)
{
	if (l->over)
		return;
	l->over = true;
	counted(l);
	drop(l);
	l->done(l->arg, l);
}

static void
finish_with(struct look *l, enum leg leg, const char *why)
{
	say(l, leg, why);
	finish(l);
}

static void
drop_facts(struct look *l)
{
	struct reading r;

	memset(&r, 0, sizeof(r));
	r.served.protocol = l->facts.protocol;
	r.served.cipher = l->facts.cipher;
	r.served.chain_why = l->facts.chain_why;
	r.served.cert = l->facts.cert;
	reading_release(&r);
	memset(&l->facts, 0, sizeof(l->facts));
}

/*
 * Turned away for want of a certificate: once more with belay's own, on a connection of its
 * own; or the end.
 */
static void
finish_demanded(struct look *l, enum leg leg, const char *why)
{
	struct err e;

	(void)err_set(&e, "%s: %s", l->shows ? "it turns belay's own certificate away" : "it needs a client certificate", why);
	if (!l->demanded)
		memcpy(l->demanded_why, e.msg, sizeof(l->demanded_why));
	l->demanded = true;
	if (l->shows || spot_shown(l->spot) == NULL) {
		finish_with(l, leg, e.msg);
		return;
	}
	counted(l);
	drop(l);
	drop_facts(l);
	l->shows = true;
	l->reached = l->counted = l->wrapped = l->welcome = l->answered = l->policy = false;
	l->len = l->nnames = 0;
	dial(l);
}

static void
put_u32(struct buf *b, uint32_t v)
{
	char raw[4] = { (char)(v >> 24), (char)(v >> 16), (char)(v >> 8), (char)v };

	buf_put(b, raw, 4);
}

static uint32_t
get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* --- what is said -------------------------------------------------------- */

static void
put_parameter(struct buf *b, const char *key, const char *value)
{
	buf_put(b, key, strlen(key) + 1);
	buf_put(b, value, strlen(value) + 1);
}

static void
greet(struct look *l)
{
	const struct endpoint *ep = spot_endpoint(l->spot);
	struct buf params, message;

	l->stage = STAGE_ANSWER;
	if (is_redis(l)) {
		/* QUIT is allowed without a password, and makes the server forget us at once. */
		static const char words[] = "PING\r\nQUIT\r\n";

		if (stream_write(l->stream, words, sizeof(words) - 1) == -1)
			finish_with(l, LEG_UNKNOWN, "the connection takes nothing");
		return;
	}
	buf_init(&params, 0);
	buf_init(&message, 0);
	put_parameter(&params, "user", ep->probe_user != NULL ? ep->probe_user : "belay_probe");
	put_parameter(&params, "database", ep->probe_database != NULL ? ep->probe_database :
	    ep->kind == KIND_PGBOUNCER ? "pgbouncer" : "postgres");
	put_parameter(&params, "application_name", "belay");
	buf_putc(&params, '\0');
	put_u32(&message, (uint32_t)params.len + 8);
	put_u32(&message, PROTOCOL_3);
	buf_put(&message, params.data, params.len);
	if (stream_write(l->stream, message.data, message.len) == -1)
		finish_with(l, LEG_UNKNOWN, "the connection takes nothing");
	buf_release(&params);
	buf_release(&message);
}

/* --- what is answered ---------------------------------------------------- */

/* The field of an ErrorResponse, or "". */
static const char *
error_field(const unsigned char *p, size_t len, char field)
{
	size_t i = 0, n;

	while (i + 1 < len && p[i] != '\0') {
		n = strnlen((const char *)p + i + 1, len - i - 1);
		if (i + 1 + n >= len)
			break;
		if (p[i] == (unsigned char)field)
			return (const char *)p + i + 1;
		i += n + 2;
	}
	return "";
}

static void
postgres_error(struct look *l, const unsigned char *fields, size_t len)
{
	const char *code = error_field(fields, len, 'C'), *words = error_field(fields, len, 'M');
	const char *routine = error_field(fields, len, 'R');
	bool pooler = spot_endpoint(l->spot)->kind == KIND_PGBOUNCER;

	l->answered = strcmp(code, "57P03") != 0;	/* cannot_connect_now: starting up, shutting down */
	/*
	 * Postgres: 28000 out of ClientAuthentication is pg_hba.conf's refusal, in
	 * whatever language its words are.  PgBouncer gives 08P01 for everything,
	 * in English; "SSL required" comes before it looks at anybody's name.
	 */
	if (pooler && !l->tls && strstr(words, "SSL required") != NULL) {
		finish_with(l, LEG_REFUSED, words);
		return;
	}
	l->policy = pooler ? strstr(words, "login rejected") != NULL ||
	    strstr(words, "no pg_hba.conf entry") != NULL :
	    strcmp(code, "28000") == 0 && strcmp(routine, "ClientAuthentication") == 0;
	/* pg_hba.conf's clientcert, which it asks for only now. */
	if (l->tls && l->facts.client_cert_asked && l->policy && strstr(words, "certificate") != NULL) {
		finish_demanded(l, LEG_OPEN, words);
		return;
	}
	/* An error in TLS is still an answer in TLS; in plaintext it shows nothing. */
	finish_with(l, l->tls ? LEG_OPEN : LEG_UNKNOWN, words[0] != '\0' ? words : "an error without words");
}

static void
postgres_answer(struct look *l)
{
	uint32_t len;

	if (l->len == 0)
		return;
	if (l->answer[0] != 'R' && l->answer[0] != 'E') {
		finish_with(l, LEG_UNKNOWN, "the answer is not the Postgres protocol");
		return;
	}
	if (l->len < 5)
		return;
	len = get_u32(l->answer + 1);
	if (len < 8 || len > 30000) {
		finish_with(l, LEG_UNKNOWN, "the answer is not the Postgres protocol");
		return;
	}
	if (l->len < len + 1 && l->len < sizeof(l->answer))
		return;
	if (l->answer[0] == 'E') {
		size_t have = l->len < len + 1 ? l->len : len + 1;

		/* What is longer than our room is cut; an unfinished field is not read. */
		postgres_error(l, l->answer + 5, have - 5);
		return;
	}
	l->answered = true;
	l->welcome = true;
	say(l, LEG_OPEN, "");
	/* Let in without a question: there is a session now, to be ended politely. */
	if (get_u32(l->answer + 5) == 0)
		(void)stream_write(l->stream, "X\0\0\0\4", 5);
	finish(l);
}

static void
redis_answer(struct look *l)
{
	unsigned char *nl;

	if (l->len == 0)
		return;
	if (!l->tls && l->answer[0] == 0x15) {
		finish_with(l, LEG_REFUSED, "it answers with a TLS alert");
		return;
	}
	if (l->answer[0] != '+' && l->answer[0] != '-') {
		finish_with(l, LEG_UNKNOWN, "the answer is not Redis'");
		return;
	}
	nl = memchr(l->answer, '\n', l->len);
	if (nl == NULL) {
		if (l->len == sizeof(l->answer))
			finish_with(l, LEG_UNKNOWN, "the answer is not Redis'");
		return;
	}
	l->answered = l->len < 8 || memcmp(l->answer, "-LOADING", 8) != 0;
	/* PONG, or an error such as NOAUTH: both are Redis, spoken this way; by DENIED nobody from here is let in. */
	l->policy = l->len >= 7 && memcmp(l->answer, "-DENIED", 7) == 0;
	l->welcome = !l->policy;
	*nl = '\0';
	if (nl > l->answer && nl[-1] == '\r')
		nl[-1] = '\0';
	say(l, LEG_OPEN, l->answer[0] == '-' && memcmp(l->answer, "-NOAUTH", 7) != 0 ?
	    (const char *)l->answer + 1 : "");
	l->stage = STAGE_FAREWELL;
}

static void
preamble_answer(struct look *l)
{
	const struct tls_trust *trust = spot_trust(l->spot, l->shows);
	const char *names[READING_NAMES_MAX], *sni = NULL;

	if (l->len > 1 && l->answer[0] != 'E') {
		finish_with(l, LEG_UNKNOWN, "bytes came before TLS was agreed on: somebody is in between");
		return;
	}
	switch (l->answer[0]) {
	case 'S':
		l->stage = STAGE_HANDSHAKE;
		l->len = 0;
		if (served_names(l->spot->set->c.fleet, l->spot->endpoint, names) > 0)
			sni = names[0];
		l->wrapped = true;
		l->stream = tls_offering(l->stream, true, trust, sni, l->offer, &tls_events, l);
		break;
	case 'N':
		finish_with(l, LEG_REFUSED, "it answers that it does not do TLS");
		break;
	case 'E':
		/* An error before TLS is nobody's signed word (CVE-2024-10977): its text is not repeated. */
		finish_with(l, LEG_UNKNOWN, "it answers an error instead of yes or no to TLS");
		break;
	default:
		finish_with(l, LEG_UNKNOWN, "the answer is not the Postgres protocol");
		break;
	}
}

/* --- events -------------------------------------------------------------- */

static void
on_data(void *arg, const unsigned char *p, size_t len)
{
	struct look *l = arg;
	size_t room = sizeof(l->answer) - l->len;

	if (l->stage == STAGE_FAREWELL)
		return;
	if (len > room)
		len = room;
	memcpy(l->answer + l->len, p, len);
	l->len += len;
	if (l->stage == STAGE_PREAMBLE)
		preamble_answer(l);
	else if (l->stage == STAGE_ANSWER && is_redis(l))
		redis_answer(l);
	else if (l->stage == STAGE_ANSWER)
		postgres_answer(l);
}

static void
plain_opened(void *arg)
{
	struct look *l = arg;

	l->reached = true;
	if (l->tls && !is_redis(l)) {
		static const unsigned char request[8] = { 0, 0, 0, 8, SSL_REQUEST >> 24,
		    SSL_REQUEST >> 16 & 0xff, SSL_REQUEST >> 8 & 0xff, SSL_REQUEST & 0xff };

		l->stage = STAGE_PREAMBLE;
		if (stream_write(l->stream, request, sizeof(request)) == -1)
			finish_with(l, LEG_UNKNOWN, "the connection takes nothing");
	} else
		greet(l);
}

static void
take_facts(struct look *l)
{
	const char *names[READING_NAMES_MAX];
	size_t i;

	if (l->facts.protocol != NULL || tls_facts(l->stream)->protocol == NULL)
		return;
	l->nnames = served_names(l->spot->set->c.fleet, l->spot->endpoint, names);
	for (i = 0; i < l->nnames; i++)
		l->names[i] = tls_covers(l->stream, names[i]);
	tls_take_facts(l->stream, &l->facts);
}

static void
tls_opened(void *arg)
{
	struct look *l = arg;

	l->reached = true;
	take_facts(l);
	if (l->offer != NULL) {
		say(l, LEG_OPEN, "");
		finish(l);
	} else
		greet(l);
}

static void
ended(struct look *l, enum stream_end end, const struct err *why)
{
	bool redis_end = is_redis(l);
	char text[ERR_MAX], reset[64];

	(void)snprintf(text, sizeof(text), "%s", why != NULL ? why->msg : "the connection was closed");
	l->stream = NULL;
	if (l->over)
		return;
	if (l->stage == STAGE_FAREWELL) {
		finish(l);
		return;
	}
	if (end == STREAM_TIMEOUT) {
		finish_with(l, l->reached ? LEG_SILENT : LEG_UNKNOWN, text);
		return;
	}
	if (!l->reached) {
		finish_with(l, end == STREAM_REFUSED && why != NULL && session_nothing_listens(why->msg) ? LEG_CLOSED : LEG_UNKNOWN, text);
		return;
	}
	/* A TLS port that is talked to in plaintext may reset the connection: that is its answer. */
	(void)snprintf(reset, sizeof(reset), "port %d: connection reset", spot_port(l->spot, l->tls));
	if (end == STREAM_LOST && !l->wrapped && strstr(text, reset) == NULL) {
		finish_with(l, LEG_UNKNOWN, text);
		return;
	}
	if (!l->tls && redis_end && l->len == 0) {
		/* A TLS port drops plaintext; so do other things: it needs the other look to count. */
		l->policy = true;
		finish_with(l, LEG_UNKNOWN, "it closes the connection without an answer");
		return;
	}
	finish_with(l, LEG_UNKNOWN, l->wrapped ? text : "it closes the connection without an answer");
}

static void
plain_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	(void)status;
	ended(arg, end, why);
}

static void
tls_closed(void *arg, enum stream_end end, int status, const struct err *why)
{
	struct look *l = arg;
	enum tls_fault fault = tls_fault(l->stream);
	bool asked = tls_facts(l->stream)->client_cert_asked;

	(void)status;
	take_facts(l);
	l->facts.client_cert_asked |= asked;
	l->reached |= tls_reached(l->stream);
	if (fault == TLS_ALERT && l->stage != STAGE_FAREWELL) {
		struct err e;

		l->answered = true;
		l->stream = NULL;
		/* Under TLS 1.3 the refusal of a client without a certificate comes late. */
		if (l->facts.client_cert_asked) {
			finish_demanded(l, LEG_REFUSED, why == NULL ? "alert" : why->msg);
			return;
		}
		(void)err_set(&e, "%s%s", why != NULL && strstr(why->msg, "protocol version") != NULL ?
		    "it does not speak TLS 1.2 or later: " : "", why == NULL ? "alert" : why->msg);
		finish_with(l, LEG_REFUSED, e.msg);
		return;
	}
	if (fault == TLS_NOT_TLS) {
		l->stream = NULL;
		finish_with(l, LEG_REFUSED, "it answers, but not in TLS");
		return;
	}
	ended(l, end, why);
}

static void
on_eof(void *arg)
{
	struct look *l = arg;
	struct stream *st = l->stream;

	ended(l, STREAM_EOF, NULL);
	stream_close(st);
}

static const struct stream_events plain_events = {
	.opened = plain_opened, .data = on_data, .eof = on_eof, .closed = plain_closed,
};
/* A TLS stream tells its end by `closed` alone; that is where the fault is asked for. */
static const struct stream_events tls_events = {
	.opened = tls_opened, .data = on_data, .closed = tls_closed,
};

static int64_t
loop_ms(const struct look *l)
{
	return (int64_t)uv_now(l->spot->set->c.loop);
}

static void
dial(struct look *l)
{
	const char *names[READING_NAMES_MAX], *sni = NULL;
	struct spot *spot = l->spot;
	int64_t left = l->due - loop_ms(l);

	l->stage = STAGE_OPENING;
	l->leg = LEG_UNKNOWN;
	l->stream = session_dial(spot_session(spot), spot_address(spot), spot_port(spot, l->tls), &plain_events, l);
	stream_deadline(l->stream, left > 1 ? left : 1);
	if (l->tls && is_redis(l)) {
		l->stage = STAGE_HANDSHAKE;
		if (served_names(spot->set->c.fleet, spot->endpoint, names) > 0)
			sni = names[0];
		l->wrapped = true;
		l->stream = tls_offering(l->stream, false, spot_trust(spot, l->shows), sni, l->offer, &tls_events, l);
	}
}

static struct look *
look_begin(struct spot *spot, bool tls, const struct tls_offer *offer, int64_t deadline_ms,
    void (*done)(void *, struct look *), void *arg)
{
	struct look *l = mem_alloc(sizeof(*l));

	l->spot = spot;
	l->tls = tls;
	l->offer = offer;
	l->done = done;
	l->arg = arg;
	l->due = loop_ms(l) + deadline_ms;
	dial(l);
	return l;
}

struct look *
look_new(struct spot *spot, bool tls, int64_t deadline_ms, void (*done)(void *, struct look *), void *arg)
{
	return look_begin(spot, tls, NULL, deadline_ms, done, arg);
}

struct look *
look_offering(struct spot *spot, const struct tls_offer *offer, int64_t deadline_ms,
    void (*done)(void *, struct look *), void *arg)
{
	return look_begin(spot, true, offer, deadline_ms, done, arg);
}

void
look_give_up(struct look *l)
{
	if (l->over)
		return;
	l->over = true;
	if (l->stage != STAGE_FAREWELL) {
		if (l->wrapped && l->stream != NULL)
			l->reached |= tls_reached(l->stream);
		say(l, l->reached ? LEG_SILENT : LEG_UNKNOWN,
		    l->reached ? "it takes the connection and does not answer" : "no connection in time");
	}
	counted(l);
	drop(l);
}

void
look_free(struct look *l)
{
	if (l == NULL)
		return;
	counted(l);
	drop(l);
	drop_facts(l);
	free(l);
}
