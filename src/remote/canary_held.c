/*
 * canary_held: see canary_held.h.
 *
 * Owns the session and the timer of its questions.  An answer that does not
 * come for long is a cut: a server that says nothing serves nobody.  That it hangs is for new
 * connections to say, and before.
 */
#include "remote/canary_held.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/err.h"
#include "core/mem.h"
#include "remote/memfile.h"
#include "remote/pq.h"
#include "remote/resp.h"
#include "remote/session.h"
#include "remote/stream.h"
#include "remote/tls.h"

#define SILENT_TIMES	4	/* so many times longer than what makes a new connection a hang */

enum { TAG_AUTH, TAG_NAME, TAG_PING };

struct held_session {
	const struct rehearsals *set;
	const struct link *link;
	const struct endpoint *endpoint;
	struct session *session;
	int64_t	 every_ms, hang_ms;
	const struct held_events *events;
	void	*arg;
	uv_timer_t *timer;
	bool	 up, asking;
	struct tls_trust *trust;	/* trusts nothing */
	int	 pair_fd;		/* what it shows; -1: nothing */
	char	 pair_path[MEMFILE_PATH_MAX];
	struct pq *pq;
	struct stream *stream;		/* Redis, until it is open */
	struct resp *resp;
	bool	 tls;
	char	*name;
};

static void
timer_closed(uv_handle_t *handle)
{
	free(handle);
}

void
held_session_free(struct held_session *h)
{
	if (h == NULL)
		return;
	(void)uv_timer_stop(h->timer);
	uv_close((uv_handle_t *)h->timer, timer_closed);
	pq_close(h->pq);
	stream_close(h->stream);
	resp_close(h->resp);
	tls_trust_free(h->trust);
	if (h->pair_fd != -1)
		(void)close(h->pair_fd);
	free(h->name);
	free(h);
}

static void
end(struct held_session *h, const char *why)
{
	const struct held_events *events = h->events;
	struct session_status status;
	void *arg = h->arg;
	bool was_up = h->up;
	char said[ERR_MAX];

	(void)snprintf(said, sizeof(said), "%s", why);
	session_status(h->session, &status);
	held_session_free(h);
	events->down(arg, was_up, status.state == SESSION_UP, said);
}

static void
ask(struct held_session *h)
{
	static const char *const ping[] = { "PING" };

	h->asking = true;
	if (h->resp != NULL)
		(void)resp_command(h->resp, TAG_PING, RESP_REPLY_MAX, 1, ping);
	else
		(void)pq_query(h->pq, h->endpoint->kind == KIND_PGBOUNCER ? "SHOW VERSION" : "SELECT 1", NULL, 0, 4096);
}

static void on_timer(uv_timer_t *);

static void
answered(struct held_session *h)
{
	h->asking = false;
	(void)uv_timer_start(h->timer, on_timer, (uint64_t)h->every_ms, 0);
	if (h->up)
		return;
	h->up = true;
	h->events->up(h->arg);
}

static void
on_timer(uv_timer_t *timer)
{
	struct held_session *h = timer->data;

	if (h->asking || !h->up) {
		end(h, h->up ? "no answer on the held session" : "no answer to the login");
		return;
	}
	(void)uv_timer_start(h->timer, on_timer, (uint64_t)(SILENT_TIMES * h->hang_ms), 0);
	ask(h);
}

/* ---- Postgres, PgBouncer ---- */

static void
pq_ready(void *arg)
{
	ask(arg);
}

static void
pq_row_came(void *arg, const struct pq_row *row)
{
	(void)arg;
	(void)row;
}

static void
pq_done(void *arg, const char *sqlstate, const char *why)
{
	(void)sqlstate;		/* that it is not allowed is an answer, too */
	(void)why;
	answered(arg);
}

static void
pq_ended(void *arg, const char *why)
{
	struct held_session *h = arg;

	h->pq = NULL;
	end(h, why);
}

static void
begin_pq(struct held_session *h, int port, struct err *err)
{
	static const struct pq_events events = { pq_ready, pq_row_came, pq_done, pq_ended };
	const struct endpoint *e = h->endpoint;
	struct pq_config config;
	const char *why;

	memset(&config, 0, sizeof(config));
	config.loop = h->set->loop;
	config.session = h->session;
	config.address = config.name = h->name;
	config.port = port;
	config.user = e->probe_user != NULL ? e->probe_user : "belay_probe";
	config.database = e->kind == KIND_PGBOUNCER ? "pgbouncer" : e->probe_database != NULL ? e->probe_database : "postgres";
	config.password = e->probe_secret == NONE ? NULL : h->set->secret(h->set->arg, e->probe_secret, &why);
	config.mode = h->tls ? PQ_TLS : PQ_PLAINTEXT;
	config.application = PQ_REHEARSAL;
	config.pair_file = h->pair_fd == -1 ? NULL : h->pair_path;
	h->pq = pq_open(&config, &events, h, err);
}

/* ---- Redis ---- */

static void
redis_begin(struct held_session *h)
{
	const char *const name[] = { "CLIENT", "SETNAME", h->set->redis_name != NULL ? h->set->redis_name : PQ_APPLICATION };
	const struct endpoint *e = h->endpoint;
	const char *auth[3] = { "AUTH", NULL, NULL }, *password, *why;
	int n = 1;

	if (e->probe_secret != NONE && (password = h->set->secret(h->set->arg, e->probe_secret, &why)) != NULL) {
		if (e->probe_user != NULL)
			auth[n++] = e->probe_user;
		auth[n++] = password;
		(void)resp_command(h->resp, TAG_AUTH, RESP_REPLY_MAX, n, auth);
	}
	(void)resp_command(h->resp, TAG_NAME, RESP_REPLY_MAX, 3, name);
	ask(h);
}

static void
redis_opened(void *arg)
{
	redis_begin(arg);	/* TLS is up */
}

static void
redis_reply(void *arg, int tag, const struct resp_value *v)
{
	(void)v;
	if (tag == TAG_PING)
		answered(arg);
}

static void
redis_closed(void *arg, enum stream_end how, const char *why)
{
	struct held_session *h = arg;

	(void)how;
	h->resp = NULL;
	end(h, why != NULL && *why != '\0' ? why : "the server closed the connection");
}

static void
dial_opened(void *arg)
{
	static const struct resp_events events = { redis_opened, redis_reply, redis_closed };
	static const struct stream_events none;
	struct held_session *h = arg;
	struct stream *st = h->stream;

	h->stream = NULL;
	if (h->set->made != NULL)
		h->set->made(h->set->arg, h->link->endpoint);
	stream_deadline(st, 0);		/* held: each question has its own */
	if (h->tls)
		st = tls_over(st, true, h->trust, h->name, &none, NULL);
	h->resp = resp_over(st, &events, h);
	if (!h->tls)
		redis_begin(h);
}

static void
dial_data(void *arg, const unsigned char *bytes, size_t len)
{
	(void)arg;
	(void)bytes;
	(void)len;
}

static void
dial_closed(void *arg, enum stream_end how, int status, const struct err *why)
{
	struct held_session *h = arg;

	(void)how;
	(void)status;
	h->stream = NULL;
	end(h, why != NULL ? why->msg : "the connection was closed");
}

struct held_session *
held_session_new(const struct rehearsals *set, int link, const struct rehearsed *by, int64_t every_ms, int64_t hang_ms,
    const struct held_events *events, void *arg)
{
	static const struct stream_events dial_events = { dial_opened, dial_data, NULL, NULL, dial_closed };
	struct held_session *h = mem_alloc(sizeof(*h));
	const struct link *l = &set->fleet->links[link];
	const char *pair;
	size_t len;
	struct err err;

	h->set = set;
	h->link = l;
	h->endpoint = &set->fleet->endpoints[l->endpoint];
	h->session = set->session(set->arg, link_host(set->fleet, l));
	h->every_ms = every_ms;
	h->hang_ms = hang_ms;
	h->events = events;
	h->arg = arg;
	h->name = mem_strdup(by->name);
	h->tls = by->verdict >= VERDICT_TLS;
	h->timer = mem_alloc(sizeof(*h->timer));
	(void)uv_timer_init(set->loop, h->timer);
	h->timer->data = h;
	(void)uv_timer_start(h->timer, on_timer, (uint64_t)hang_ms, 0);
	h->trust = tls_trust_new(NULL, 0, &err);
	h->pair_fd = -1;
	/* As that rehearsal did, which looked at what lies at the client's. */
	if (by->shown[0] != '\0' && set->pair != NULL && (pair = set->pair(set->arg, l->presents.cert, &len)) != NULL &&
	    tls_trust_show(h->trust, pair, len, &err) == 0)
		h->pair_fd = memfile_new(pair, len, h->pair_path);
	if (h->endpoint->kind == KIND_REDIS)
		h->stream = session_dial(h->session, h->name, by->port, &dial_events, h);
	else
		begin_pq(h, by->port, &err);
	/* Where not even a socket could be had the timer says so. */
	return h;
}
