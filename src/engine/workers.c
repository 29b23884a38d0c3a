/*
 * workers: see workers.h.
 *
 * Owns the processes, their sockets, the table of questions without an answer,
 * and what has to be told again to a worker that is started anew.
 *
 * Invariants:
 *  - a question is in the table from being asked until exactly one of: its answer, `lost`, workers_cancel();
 *  - a question that was sent dies with the process it was sent to; one that
 *    was not yet keeps its frame, and is sent to the next process or never;
 *    so nothing that was reported lost is carried out later by another process;
 *  - no event is called from inside a public function;
 *  - a process is killed by its own handle, and only while it was not reaped.
 *
 * Handles live on the heap and free themselves when closed, so that
 * workers_stop() can forget everything else at once.
 */
#include "engine/workers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "wire/wire.h"

#define GRACE_MS	5000
#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	5000
#define LIVED_WELL_MS	10000		/* after that long, the next death starts the backoff anew */
#define EXPIRE_EVERY_MS	100		/* deadlines are looked at no more often than this */
#define STOP_MS		1000
#define UNSENT_MAX	((size_t)64 << 20)	/* a worker that reads nothing is given up */
#define ERRTEXT_MAX	((size_t)4 << 10)
#define READ_CHUNK	((size_t)64 << 10)

/* An id is (serial << SLOT_BITS) | slot: an answer finds its question at once. */
#define SLOT_BITS	20
#define SLOT_MASK	((UINT64_C(1) << SLOT_BITS) - 1)

struct question {
	uint64_t id;			/* 0: a free slot */
	enum message_kind kind;
	int	 what, subject;		/* of a probe; what: of an op, its verb */
	size_t	 worker;
	uint64_t due;			/* loop time: then its worker is given up */
	struct buf frame;		/* until it is sent */
	bool	 sent;
};

struct worker {
	struct workers *set;
	size_t	 index;
	uv_process_t *process;		/* NULL: none; being waited for */
	uv_pipe_t *pipe, *errpipe;
	uv_timer_t *restart;
	struct buf in;
	struct buf errtext;		/* the beginning of what it said on stderr */
	char	*why;			/* it was killed by us; or NULL */
	bool	 ready;
	uint64_t ready_at;		/* loop time */
	unsigned int deaths;		/* since it last lived well */
	unsigned int started;		/* how often */
};

struct kept {			/* a secret or a CA; value NULL: not given */
	char	*value;
	size_t	 len;
};

struct passphrase {
	int	 host;
	char	*keyfile, *value;
};

struct workers {
	struct workers_config config;
	struct worker *v;
	size_t	 n;
	struct question *questions;
	size_t	 nquestions;
	size_t	*free_slots;
	size_t	 nfree, npending;
	uint64_t serial;
	uv_timer_t *expire;
	bool	 expire_armed;
	struct wire_fleet fleet;
	struct kept *secrets, *cas;
	struct passphrase *passphrases;
	size_t	 npassphrases;
	char	**addresses;		/* by host; NULL: not known */
	struct host_view *views;	/* by host, as told last */
	char	 chunk[READ_CHUNK];
};

static void worker_start_later(struct worker *);

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
close_handle(void *handle)
{
	if (handle != NULL)
		uv_close(handle, free_handle);
}

/* ---- sending ---- */

struct sending {
	uv_write_t req;
	struct buf frame;
};

static void
sent(uv_write_t *req, int status)
{
	struct sending *s = req->data;

	(void)status;		/* a socket that broke is met again by the reader, and by the exit */
	buf_release(&s->frame);
	free(s);
}

static void
worker_kill(struct worker *w, const char *why)
{
	if (w->process == NULL || w->why != NULL)
		return;
	w->why = mem_strdup(why);
	(void)uv_process_kill(w->process, SIGKILL);
}

/* Takes the frame over. */
static void
worker_write(struct worker *w, struct buf *frame)
{
	struct sending *s;
	uv_buf_t buf;

	if (w->pipe == NULL || w->why != NULL) {
		buf_release(frame);
		return;
	}
	s = mem_alloc(sizeof(*s));
	s->frame = *frame;
	s->req.data = s;
	memset(frame, 0, sizeof(*frame));
	buf = uv_buf_init(s->frame.data, (unsigned int)s->frame.len);
	if (uv_write(&s->req, (uv_stream_t *)w->pipe, &buf, 1, sent) != 0) {
		buf_release(&s->frame);
		free(s);
		worker_kill(w, "its socket broke");
	} else if (uv_stream_get_write_queue_size((uv_stream_t *)w->pipe) > UNSENT_MAX)
		worker_kill(w, "it reads nothing");
}

static int
frame_of(const struct message *m, struct buf *ret)
{
	buf_init(ret, WIRE_FRAME_MAX);
	ret->secret = true;
	return message_encode(m, ret, NULL);
}

/* For what is told again anyway when the worker is started anew: it goes now or not at all. */
static void
worker_tell(struct worker *w, enum message_kind kind, int subject, const void *blob, size_t len)
{
	struct message m = { .kind = kind, .subject = subject, .blob_len = len };
	struct buf frame;

	if (w->pipe == NULL)
		return;
	m.blob = mem_strndup(blob, len);
	if (frame_of(&m, &frame) == 0)
		worker_write(w, &frame);
	else
		buf_release(&frame);
	message_release(&m);
}

/* ---- questions ---- */

static struct question *
question_find(struct workers *ws, uint64_t id)
{
	size_t slot = (size_t)(id & SLOT_MASK);

	if (id == 0 || slot >= ws->nquestions || ws->questions[slot].id != id)
		return NULL;
	return &ws->questions[slot];
}

static void
question_end(struct workers *ws, struct question *q)
{
	size_t *slot = mem_push(&ws->free_slots, &ws->nfree, sizeof(*slot));

	*slot = (size_t)(q - ws->questions);
	buf_release(&q->frame);
	q->id = 0;
	ws->npending--;
}

static void expired(uv_timer_t *);

static void
arm_expiry(struct workers *ws, uint64_t due)
{
	uint64_t now = uv_now(ws->config.loop), in = due > now ? due - now : 0;

	if (in < EXPIRE_EVERY_MS)
		in = EXPIRE_EVERY_MS;
	if (ws->expire_armed && uv_timer_get_due_in(ws->expire) <= in)
		return;
	ws->expire_armed = true;
	(void)uv_timer_start(ws->expire, expired, in, 0);
}

static void
question_send(struct workers *ws, struct question *q)
{
	q->sent = true;
	worker_write(&ws->v[q->worker], &q->frame);
}

/* Puts a question into the table and sends it, if its worker is there. */
static uint64_t
ask(struct workers *ws, size_t worker, struct message *m, int64_t deadline_ms)
{
	struct question *q;
	int64_t grace = ws->config.grace_ms == 0 ? GRACE_MS : ws->config.grace_ms;
	size_t slot;

	if (ws->nfree > 0)
		slot = ws->free_slots[--ws->nfree];
	else {
		slot = ws->nquestions;
		if (slot > SLOT_MASK)
			abort();	/* a million questions at once: a bug of ours */
		(void)mem_push(&ws->questions, &ws->nquestions, sizeof(*q));
	}
	q = &ws->questions[slot];
	memset(q, 0, sizeof(*q));
	if (deadline_ms < 0)
		deadline_ms = 0;
	if (deadline_ms > WIRE_DEADLINE_MAX_MS)
		deadline_ms = WIRE_DEADLINE_MAX_MS;
	q->id = m->id = ++ws->serial << SLOT_BITS | slot;
	q->kind = m->kind;
	q->what = m->what;
	q->subject = m->subject;
	q->worker = worker;
	m->deadline_ms = deadline_ms;
	uv_update_time(ws->config.loop);
	q->due = uv_now(ws->config.loop) + (uint64_t)(deadline_ms + grace);
	ws->npending++;
	/* A question too large to be asked is reported lost, by the loop, as any other. */
	if (frame_of(m, &q->frame) == -1) {
		buf_release(&q->frame);
		q->due = 0;
	} else if (ws->v[worker].pipe != NULL && ws->v[worker].why == NULL)
		question_send(ws, q);
	arm_expiry(ws, q->due);
	message_release(m);
	return q->id;
}

static void
report_lost(struct workers *ws, uint64_t *ids, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		ws->config.events->lost(ws->config.arg, ids[i]);
	free(ids);
}

static void
expired(uv_timer_t *timer)
{
	struct workers *ws = timer->data;
	uint64_t now = uv_now(ws->config.loop), next = UINT64_MAX;
	uint64_t *lost = NULL, *id;
	size_t nlost = 0, i;
	struct question *q;

	ws->expire_armed = false;
	for (i = 0; i < ws->nquestions; i++) {
		q = &ws->questions[i];
		if (q->id == 0)
			continue;
		if (q->due > now) {
			if (q->due < next)
				next = q->due;
		} else if (q->sent) {
			/* Its end comes with the worker's. */
			worker_kill(&ws->v[q->worker], "it did not answer in time");
		} else {
			id = mem_push(&lost, &nlost, sizeof(*id));
			*id = q->id;
			question_end(ws, q);
		}
	}
	if (next != UINT64_MAX)
		arm_expiry(ws, next);
	report_lost(ws, lost, nlost);
}

/* ---- what comes up ---- */

static size_t
worker_of_host(const struct workers *ws, int host)
{
	return host < 0 ? 0 : (size_t)host % ws->n;
}

static size_t
worker_of_endpoint(const struct workers *ws, int endpoint)
{
	const struct endpoint *ep = &ws->config.fleet->endpoints[endpoint];

	return worker_of_host(ws, ep->via != NONE ? ep->via : ep->host);
}

/* A pooler is told something also where a server that it dials is drained. */
static bool
dials_from(const struct workers *ws, size_t worker, int endpoint)
{
	const struct fleet *fleet = ws->config.fleet;
	size_t i;

	for (i = 0; i < fleet->nlinks; i++)
		if (fleet->clients[fleet->links[i].client].pools == endpoint &&
		    worker_of_host(ws, fleet->endpoints[fleet->links[i].endpoint].host) == worker)
			return true;
	return false;
}

/* Does the worker log in anywhere by this secret: to look, or, on the endpoint's own host, to change something? */
static bool
logs_in_by(const struct workers *ws, size_t worker, int secret)
{
	const struct fleet *fleet = ws->config.fleet;
	const struct endpoint *ep;
	size_t i;

	for (i = 0; i < fleet->nhosts; i++)
		if (fleet->hosts[i].become_password == secret)
			return true;
	for (i = 0; i < fleet->nendpoints; i++) {
		ep = &fleet->endpoints[i];
		if ((ep->probe_secret == secret && worker_of_endpoint(ws, (int)i) == worker) ||
		    (ep->admin_secret == secret && (worker_of_host(ws, ep->host) == worker ||
		    dials_from(ws, worker, (int)i))))
			return true;
	}
	return false;
}

/* The question of this worker that the message answers; *ret NULL: it was cancelled meanwhile. */
static int
answered(struct worker *w, const struct message *m, struct question **ret, struct err *err)
{
	struct workers *ws = w->set;
	struct question *q = question_find(ws, m->id);
	bool op = m->kind == MSG_OP_DONE || m->kind == MSG_OP_TEXT;

	*ret = NULL;
	if (q == NULL) {
		if (m->id >> SLOT_BITS == 0 || m->id >> SLOT_BITS > ws->serial)
			return err_set(err, "an answer to a question that was never asked");
		return 0;
	}
	if (q->worker != w->index || !q->sent || (q->kind == MSG_OP || q->kind == MSG_LEASE || q->kind == MSG_RECORDS) != op)
		return err_set(err, "an answer to somebody else's question");
	*ret = q;
	return 0;
}

static int
take_reading(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct reading r;
	struct question *q;
	int64_t now = wall_ms();
	int expected;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q == NULL)
		return 0;
	if (reading_decode(&r, m->blob, m->blob_len, err) == -1)
		return -1;
	expected = q->kind == MSG_CHECK ? READING_CHECK : q->what;
	/* A check has no subject of its own: the console knows what it asked. */
	if (q->kind == MSG_CHECK)
		r.subject = 0;
	if ((int)r.kind != expected || (q->kind == MSG_PROBE && r.subject != q->subject)) {
		reading_release(&r);
		return err_set(err, "a reading that was not asked for");
	}
	if (reading_check(&r, ws->config.fleet, err) == -1) {
		reading_release(&r);
		return -1;
	}
	if (r.at_ms > now)
		r.at_ms = now;
	question_end(ws, q);
	ws->config.events->reading(ws->config.arg, m->id, &r);
	return 0;
}

/* What an op may come to, by what was asked. */
static bool
outcome_fits(int verb, enum op_outcome outcome)
{
	switch (outcome) {
	case OP_APPLIED:
		return verb == OPV_APPLY || verb == OPV_RECORD;
	case OP_RESTORED:
		return verb == OPV_UNDO || verb == OPV_RECORD;
	case OP_FRESH:
		return verb != OPV_APPLY;
	case OP_IN_PLACE:
	case OP_DRIFTED:
	case OP_FAILED:
	case OP_CUT:
	case OP_UNREACHED:
		return true;
	}
	return false;
}

static int
take_op_done(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct op_result r;
	struct question *q;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q == NULL)
		return 0;
	if (op_result_decode(&r, m->blob, m->blob_len, err) == -1)
		return -1;
	if (q->kind != MSG_OP ? r.outcome == OP_IN_PLACE || r.outcome == OP_RESTORED :
	    !outcome_fits(q->what, r.outcome)) {
		op_result_release(&r);
		return err_set(err, "an outcome that cannot be");
	}
	question_end(ws, q);
	ws->config.events->op_done(ws->config.arg, m->id, &r);
	op_result_release(&r);
	return 0;
}

static int
take_op_text(struct worker *w, const struct message *m, struct err *err)
{
	struct question *q;

	if (answered(w, m, &q, err) == -1)
		return -1;
	if (q != NULL)
		w->set->config.events->op_text(w->set->config.arg, m->id, m->blob, m->blob_len);
	return 0;
}

/* Keeps what is an address of what a worker says are a host's; NULL where nothing is. */
static char *
clean_addresses(const char *said)
{
	struct buf b = { 0 };
	unsigned char raw[sizeof(struct in6_addr)];
	char *copy = mem_strdup(said == NULL ? "" : said), *p, *save = NULL;

	for (p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save))
		if (inet_pton(AF_INET, p, raw) == 1 || inet_pton(AF_INET6, p, raw) == 1)
			(void)buf_printf(&b, "%s%s", b.len > 0 ? " " : "", p);
	free(copy);
	return b.len == 0 ? NULL : buf_take(&b, NULL);
}

static void
learn_addresses(struct workers *ws, int host, const char *said)
{
	char *now = clean_addresses(said), **was = &ws->addresses[host];
	size_t i;

	/* An address once learnt stays until there is news: a host that is down has not moved. */
	if (now == NULL || (*was != NULL && strcmp(now, *was) == 0)) {
		free(now);
		return;
	}
	free(*was);
	*was = now;
	for (i = 0; i < ws->n; i++)
		worker_tell(&ws->v[i], MSG_ADDRESSES, host, now, strlen(now));
}

static void
show_host(struct workers *ws, int host, const struct host_view *view, enum host_need need, const char *subject,
    const char *keytype)
{
	struct host_view *was = &ws->views[host];
	struct host_view now = *view;

	now.since_ms = was->reach == now.reach && was->since_ms != 0 ? was->since_ms : wall_ms();
	*was = now;
	ws->config.events->host(ws->config.arg, host, &now, need, subject, keytype);
}

static int
take_host(struct worker *w, const struct message *m, struct err *err)
{
	struct workers *ws = w->set;
	struct host_view view = { .reach = REACH_UNKNOWN };
	struct wire_host h;

	if (m->subject < 0 || (size_t)m->subject >= ws->config.fleet->nhosts ||
	    worker_of_host(ws, m->subject) != w->index)
		return err_set(err, "news of a host that is not its own");
	if (wire_host_decode(&h, m->blob, m->blob_len, err) == -1)
		return -1;
	view.reach = (enum reach)m->what;
	(void)snprintf(view.transport, sizeof(view.transport), "%s", h.transport == NULL ? "" : h.transport);
	(void)snprintf(view.why, sizeof(view.why), "%s", h.why == NULL ? "" : h.why);
	if (m->retry_ms > 0)
		view.retry_at_ms = wall_ms() + m->retry_ms;
	learn_addresses(ws, m->subject, h.address);
	show_host(ws, m->subject, &view, (enum host_need)m->need, h.subject == NULL ? "" : h.subject,
	    h.keytype == NULL ? "" : h.keytype);
	wire_host_release(&h);
	return 0;
}

static int
take_ready(struct worker *w, const struct message *m, struct err *err)
{
	if (m->subject != WIRE_VERSION)
		return err_set(err, "it is another version's (%d, not %d): belay was replaced while it ran; start it again",
		    m->subject, WIRE_VERSION);
	if (w->ready)
		return err_set(err, "it began twice");
	w->ready = true;
	w->ready_at = uv_now(w->set->config.loop);
	if (w->started > 1)
		w->set->config.events->began(w->set->config.arg, (int)w->index);
	return 0;
}

static int
take_message(struct worker *w, const struct message *m, struct err *err)
{
	if (!w->ready && m->kind != MSG_READY)
		return err_set(err, "a message before its first");
	switch (m->kind) {
	case MSG_READY:
		return take_ready(w, m, err);
	case MSG_HOST:
		return take_host(w, m, err);
	case MSG_READING:
		return take_reading(w, m, err);
	case MSG_OP_DONE:
		return take_op_done(w, m, err);
	case MSG_OP_TEXT:
		return take_op_text(w, m, err);
	case MSG_FLEET:
	case MSG_SECRET:
	case MSG_CA:
	case MSG_PROBE:
	case MSG_CHECK:
	case MSG_OP:
	case MSG_LEASE:
	case MSG_RECORDS:
	case MSG_CANCEL:
	case MSG_HURRY:
	case MSG_HOST_KEY:
	case MSG_PASSPHRASE:
	case MSG_SUDO:
	case MSG_WAKE:
	case MSG_ADDRESSES:
		break;
	}
	return err_set(err, "a message that goes the other way");
}

/* Feeds what was read; a worker that speaks nonsense is given up. */
static void
worker_feed(struct worker *w, const char *bytes, size_t len)
{
	struct message m;
	struct err err;
	char why[256];
	int rc;

	if (w->why != NULL)
		return;
	(void)buf_put(&w->in, bytes, len);
	while ((rc = message_decode(&w->in, &m, &err)) == 1) {
		rc = take_message(w, &m, &err);
		message_release(&m);
		if (rc == -1 || w->why != NULL)
			break;
	}
	if (rc == -1) {
		(void)snprintf(why, sizeof(why), "it spoke nonsense: %.200s", err.msg);
		worker_kill(w, why);
	}
}

/* ---- processes ---- */

static void
alloc_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct worker *w = handle->data;

	(void)suggested;
	*ret = uv_buf_init(w->set->chunk, sizeof(w->set->chunk));
}

static void
read_messages(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct worker *w = stream->data;

	if (n > 0)
		worker_feed(w, buf->base, (size_t)n);
	else if (n < 0) {
		(void)uv_read_stop(stream);
		/* It let go of its socket: it is ending, or it is good for nothing. */
		worker_kill(w, "");
	}
}

static void
read_errors(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct worker *w = stream->data;

	if (n > 0)
		(void)buf_put(&w->errtext, buf->base, (size_t)n);
	else if (n < 0)
		(void)uv_read_stop(stream);
}

/* What is still in a descriptor of a process that has ended. */
static void
drain(struct worker *w, uv_pipe_t *pipe, void (*feed)(struct worker *, const char *, size_t))
{
	uv_os_fd_t fd;
	ssize_t n;

	if (uv_fileno((uv_handle_t *)pipe, &fd) != 0)
		return;
	for (;;) {
		n = read(fd, w->set->chunk, sizeof(w->set->chunk));
		if (n > 0)
			feed(w, w->set->chunk, (size_t)n);
		else if (n == 0 || errno != EINTR)
			return;
	}
}

static void
feed_errors(struct worker *w, const char *bytes, size_t len)
{
	(void)buf_put(&w->errtext, bytes, len);
}

static void
describe_end(const struct worker *w, int64_t status, int sig, char *ret, size_t size_bytes)
{
	size_t i, n;

	if (w->why != NULL && w->why[0] != '\0')
		(void)snprintf(ret, size_bytes, "belay's worker was ended: %s; another is being started", w->why);
	else if (sig != 0)
		(void)snprintf(ret, size_bytes, "belay's worker died by signal %d; another is being started", sig);
	else
		(void)snprintf(ret, size_bytes, "belay's worker ended with status %lld; another is being started",
		    (long long)status);
	if (w->errtext.len == 0)
		return;
	n = strlen(ret);
	(void)snprintf(ret + n, size_bytes - n, " (it said: %.250s)", buf_str(&w->errtext));
	for (i = n; ret[i] != '\0'; i++)
		if (ret[i] == '\n')
			ret[i] = ' ';
}

static void
hosts_lost(struct worker *w, const char *why)
{
	struct workers *ws = w->set;
	struct host_view view = { .reach = REACH_LOST };
	size_t i;

	(void)snprintf(view.why, sizeof(view.why), "%s", why);
	for (i = w->index; i < ws->config.fleet->nhosts; i += ws->n) {
		memcpy(view.transport, ws->views[i].transport, sizeof(view.transport));
		show_host(ws, (int)i, &view, HOST_NEEDS_NOTHING, "", "");
	}
}

static void
worker_forget(struct worker *w)
{
	close_handle(w->process);
	close_handle(w->pipe);
	close_handle(w->errpipe);
	w->process = NULL;
	w->pipe = w->errpipe = NULL;
	buf_release(&w->in);
	buf_release(&w->errtext);
	free(w->why);
	w->why = NULL;
	w->ready = false;
}

static void
worker_ended(uv_process_t *process, int64_t status, int sig)
{
	struct worker *w = process->data;
	struct workers *ws = w->set;
	uint64_t *lost = NULL, *id;
	size_t nlost = 0, i;
	char why[640];

	/* What it said before it died counts: an outcome must not be turned into a doubt. */
	drain(w, w->pipe, worker_feed);
	drain(w, w->errpipe, feed_errors);
	describe_end(w, status, sig, why, sizeof(why));
	if (w->ready && uv_now(ws->config.loop) - w->ready_at > LIVED_WELL_MS)
		w->deaths = 0;
	worker_forget(w);
	for (i = 0; i < ws->nquestions; i++) {
		struct question *q = &ws->questions[i];

		if (q->id == 0 || q->worker != w->index || !q->sent)
			continue;
		id = mem_push(&lost, &nlost, sizeof(*id));
		*id = q->id;
		question_end(ws, q);
	}
	worker_start_later(w);
	hosts_lost(w, why);
	report_lost(ws, lost, nlost);
}

static int
by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Everything that a fresh worker has to know, then the questions that waited for it. */
static void
worker_brief(struct worker *w)
{
	struct workers *ws = w->set;
	const struct fleet *fleet = ws->config.fleet;
	struct message m = { .kind = MSG_FLEET, .subject = NONE };
	struct buf blob = { .secret = true }, frame;
	uint64_t *waiting = NULL, *id;
	size_t nwaiting = 0, i;

	ws->fleet.worker = (int)w->index;
	ws->fleet.workers = (int)ws->n;
	wire_fleet_encode(&ws->fleet, &blob);
	m.blob = blob.data;
	m.blob_len = blob.len;
	if (frame_of(&m, &frame) == 0)
		worker_write(w, &frame);
	else
		buf_release(&frame);
	for (i = 0; i < fleet->ncerts; i++)
		if (ws->cas[i].value != NULL)
			worker_tell(w, MSG_CA, (int)i, ws->cas[i].value, ws->cas[i].len);
	for (i = 0; i < fleet->nsecrets; i++) {
		int s = (int)i;

		if (ws->secrets[s].value != NULL && logs_in_by(ws, w->index, s))
			worker_tell(w, MSG_SECRET, s, ws->secrets[s].value, ws->secrets[s].len);
	}
	for (i = 0; i < ws->npassphrases; i++) {
		buf_clear(&blob);
		wire_strings_encode(ws->passphrases[i].keyfile, ws->passphrases[i].value, &blob);
		worker_tell(w, MSG_PASSPHRASE, ws->passphrases[i].host, blob.data, blob.len);
	}
	for (i = 0; i < fleet->nhosts; i++)
		if (ws->addresses[i] != NULL)
			worker_tell(w, MSG_ADDRESSES, (int)i, ws->addresses[i], strlen(ws->addresses[i]));
	buf_release(&blob);
	for (i = 0; i < ws->nquestions; i++)
		if (ws->questions[i].id != 0 && ws->questions[i].worker == w->index && !ws->questions[i].sent &&
		    ws->questions[i].frame.len > 0) {
			id = mem_push(&waiting, &nwaiting, sizeof(*id));
			*id = ws->questions[i].id;
		}
	if (nwaiting > 0)
		qsort(waiting, nwaiting, sizeof(*waiting), by_id);
	for (i = 0; i < nwaiting; i++)
		question_send(ws, question_find(ws, waiting[i]));
	free(waiting);
}

static uv_pipe_t *
pipe_new(struct worker *w)
{
	uv_pipe_t *pipe = mem_alloc(sizeof(*pipe));

	if (uv_pipe_init(w->set->config.loop, pipe, 0) != 0)
		abort();
	pipe->data = w;
	return pipe;
}

static int
worker_spawn(struct worker *w, struct err *err)
{
	struct workers *ws = w->set;
	char *args[] = { (char[]){ "belay" }, (char[]){ "--worker" }, NULL };
	uv_stdio_container_t stdio[4];
	uv_process_options_t options;
	int rc;

	w->process = mem_alloc(sizeof(*w->process));
	w->pipe = pipe_new(w);
	w->errpipe = pipe_new(w);
	buf_init(&w->in, WIRE_FRAME_MAX + READ_CHUNK);
	buf_init(&w->errtext, ERRTEXT_MAX);
	memset(&options, 0, sizeof(options));
	memset(stdio, 0, sizeof(stdio));
	stdio[0].flags = UV_IGNORE;
	stdio[1].flags = UV_IGNORE;
	stdio[2].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
	stdio[2].data.stream = (uv_stream_t *)w->errpipe;
	stdio[3].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_READABLE_PIPE | UV_WRITABLE_PIPE);
	stdio[3].data.stream = (uv_stream_t *)w->pipe;
	options.file = ws->config.program;
	options.args = args;
	options.exit_cb = worker_ended;
	options.stdio = stdio;
	options.stdio_count = 4;
	/* A session of its own: it has no terminal, and a Ctrl-C there does not reach it. */
	options.flags = UV_PROCESS_DETACHED;
	w->process->data = w;
	rc = uv_spawn(ws->config.loop, w->process, &options);
	if (rc != 0) {
		worker_forget(w);
		return err_set(err, "cannot start a worker ('%s --worker'): %s", ws->config.program, uv_strerror(rc));
	}
	w->started++;
	(void)uv_read_start((uv_stream_t *)w->pipe, alloc_chunk, read_messages);
	(void)uv_read_start((uv_stream_t *)w->errpipe, alloc_chunk, read_errors);
	worker_brief(w);
	return 0;
}

static void
restart(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	struct err err;

	if (worker_spawn(w, &err) == -1) {
		worker_start_later(w);
		hosts_lost(w, err.msg);
	}
}

static void
worker_start_later(struct worker *w)
{
	uint64_t in = BACKOFF_MIN_MS;
	unsigned int i;

	for (i = 0; i < w->deaths && in < BACKOFF_MAX_MS; i++)
		in *= 2;
	w->deaths++;
	(void)uv_timer_start(w->restart, restart, in < BACKOFF_MAX_MS ? in : BACKOFF_MAX_MS, 0);
}

/* ---- starting and stopping ---- */

static uv_timer_t *
timer_new(struct workers *ws, void *data)
{
	uv_timer_t *timer = mem_alloc(sizeof(*timer));

	(void)uv_timer_init(ws->config.loop, timer);
	timer->data = data;
	return timer;
}

static size_t
choose_count(const struct workers_config *config)
{
	size_t n = config->count == 0 ? uv_available_parallelism() : config->count;

	if (n > config->fleet->nhosts)
		n = config->fleet->nhosts;
	return n == 0 ? 1 : n;
}

int
workers_start(struct workers **ret, const struct workers_config *config, struct err *err)
{
	struct workers *ws = mem_alloc(sizeof(*ws));
	const struct fleet *fleet = config->fleet;
	struct sigaction sa = { .sa_handler = SIG_IGN };
	size_t i;

	/* A worker may be dead by the time it is written to: that is EPIPE, and no reason to die with it. */
	(void)sigaction(SIGPIPE, &sa, NULL);
	ws->config = *config;
	ws->fleet.path = mem_strdup(fleet->path);
	ws->fleet.text = mem_strndup(config->fleet_text, config->fleet_len);
	ws->fleet.len = config->fleet_len;
	ws->fleet.ssh_config = mem_strdup(config->ssh_config);
	ws->secrets = mem_array(fleet->nsecrets, sizeof(*ws->secrets));
	ws->cas = mem_array(fleet->ncerts, sizeof(*ws->cas));
	ws->addresses = mem_array(fleet->nhosts, sizeof(*ws->addresses));
	ws->views = mem_array(fleet->nhosts, sizeof(*ws->views));
	ws->expire = timer_new(ws, ws);
	ws->n = choose_count(config);
	ws->v = mem_array(ws->n, sizeof(*ws->v));
	for (i = 0; i < ws->n; i++) {
		ws->v[i].set = ws;
		ws->v[i].index = i;
		ws->v[i].restart = timer_new(ws, &ws->v[i]);
	}
	if (getrandom(ws->fleet.key, sizeof(ws->fleet.key), 0) != (ssize_t)sizeof(ws->fleet.key)) {
		err_set(err, "the kernel gives no random bytes: %s", strerror(errno));
		goto fail;
	}
	for (i = 0; i < ws->n; i++)
		if (worker_spawn(&ws->v[i], err) == -1)
			goto fail;
	*ret = ws;
	return 0;
fail:
	workers_stop(ws);
	return -1;
}

/*
 * Reaps what was told to end by the closing of its socket.  The loop does not
 * run here, so libuv does not reap either; a handle that is closed later does not mind.
 */
static void
reap(const long *pids, size_t n)
{
	const struct timespec nap = { 0, 2000000 };
	size_t i, left = n, turns;
	bool *gone = mem_array(n, sizeof(*gone));

	for (turns = 0; left > 0; turns++) {
		for (i = 0; i < n; i++) {
			if (gone[i] || (waitpid((pid_t)pids[i], NULL, WNOHANG) == 0))
				continue;
			gone[i] = true;
			left--;
		}
		if (left == 0)
			break;
		if (turns == STOP_MS / 2)
			for (i = 0; i < n; i++)
				if (!gone[i])
					(void)kill((pid_t)pids[i], SIGKILL);
		(void)nanosleep(&nap, NULL);
	}
	free(gone);
}

void
workers_stop(struct workers *ws)
{
	const struct fleet *fleet;
	long *pids;
	size_t i, npids = 0;

	if (ws == NULL)
		return;
	fleet = ws->config.fleet;
	pids = mem_array(ws->n, sizeof(*pids));
	for (i = 0; i < ws->n; i++) {
		if (ws->v[i].process != NULL)
			pids[npids++] = ws->v[i].process->pid;
		worker_forget(&ws->v[i]);
		close_handle(ws->v[i].restart);
	}
	reap(pids, npids);
	free(pids);
	close_handle(ws->expire);
	for (i = 0; i < ws->nquestions; i++)
		if (ws->questions[i].id != 0)
			buf_release(&ws->questions[i].frame);
	for (i = 0; i < fleet->nsecrets; i++)
		mem_wipe_free(ws->secrets[i].value, ws->secrets[i].len);
	for (i = 0; i < fleet->ncerts; i++)
		free(ws->cas[i].value);
	for (i = 0; i < fleet->nhosts; i++)
		free(ws->addresses[i]);
	for (i = 0; i < ws->npassphrases; i++) {
		free(ws->passphrases[i].keyfile);
		mem_wipe_free(ws->passphrases[i].value, strlen(ws->passphrases[i].value));
	}
	wire_fleet_release(&ws->fleet);
	free(ws->passphrases);
	free(ws->secrets);
	free(ws->cas);
	free(ws->addresses);
	free(ws->views);
	free(ws->questions);
	free(ws->free_slots);
	free(ws->v);
	free(ws);
}

size_t
workers_count(const struct workers *ws)
{
	return ws->n;
}

long
workers_pid(const struct workers *ws, size_t worker)
{
	return ws->v[worker].process == NULL ? -1 : ws->v[worker].process->pid;
}

/* ---- asking and telling ---- */

uint64_t
workers_probe(struct workers *ws, enum reading_kind kind, int subject, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_PROBE, .what = (int)kind, .subject = subject };

	return ask(ws, kind == READING_HOST ? worker_of_host(ws, subject) : worker_of_endpoint(ws, subject), &m,
	    deadline_ms);
}

uint64_t
workers_check(struct workers *ws, const struct check *check, int host, int64_t since_ms, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_CHECK, .subject = host, .since_ms = since_ms < 0 ? 0 : since_ms };
	struct buf blob = { 0 };
	size_t worker = host == NONE && check->endpoint != NONE ? worker_of_endpoint(ws, check->endpoint) :
	    worker_of_host(ws, host);

	check_encode(check, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return ask(ws, worker, &m, deadline_ms);
}

uint64_t
workers_op(struct workers *ws, enum op_verb verb, const struct wire_op *order, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_OP, .what = (int)verb, .subject = NONE };
	struct buf blob = { .secret = true };

	wire_op_encode(order, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return ask(ws, worker_of_host(ws, order->op.host), &m, deadline_ms);
}

uint64_t
workers_lease(struct workers *ws, int host, const struct wire_lease *lease, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_LEASE, .subject = host };
	struct buf blob = { 0 };

	wire_lease_encode(lease, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return ask(ws, worker_of_host(ws, host), &m, deadline_ms);
}

uint64_t
workers_records(struct workers *ws, int host, const char *plan_sha, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_RECORDS, .subject = host };

	m.blob = mem_strdup(plan_sha);
	m.blob_len = strlen(plan_sha);
	return ask(ws, worker_of_host(ws, host), &m, deadline_ms);
}

void
workers_hurry(struct workers *ws, uint64_t id)
{
	struct question *q = question_find(ws, id);
	struct message m = { .kind = MSG_HURRY, .subject = NONE, .id = id };
	struct buf frame;

	if (q == NULL || !q->sent)
		return;
	if (frame_of(&m, &frame) == 0)
		worker_write(&ws->v[q->worker], &frame);
	else
		buf_release(&frame);
}

void
workers_cancel(struct workers *ws, uint64_t id)
{
	struct question *q = question_find(ws, id);
	struct message m = { .kind = MSG_CANCEL, .subject = NONE, .id = id };
	struct buf frame;

	if (q == NULL)
		return;
	if (q->sent) {
		if (frame_of(&m, &frame) == 0)
			worker_write(&ws->v[q->worker], &frame);
		else
			buf_release(&frame);
	}
	question_end(ws, q);
}

static void
keep(struct kept *k, const char *value, size_t len)
{
	mem_wipe_free(k->value, k->len);
	k->value = value == NULL ? NULL : mem_strndup(value, len);
	k->len = len;
}

void
workers_secret(struct workers *ws, int secret, const char *value, size_t len_bytes)
{
	size_t i;

	keep(&ws->secrets[secret], value, len_bytes);
	/* Only to those who ask a server by it. */
	for (i = 0; i < ws->n; i++)
		if (logs_in_by(ws, i, secret))
			worker_tell(&ws->v[i], MSG_SECRET, secret, value, len_bytes);
}

void
workers_ca(struct workers *ws, int cert, const char *pem, size_t len_bytes)
{
	size_t i;

	keep(&ws->cas[cert], pem, len_bytes);
	for (i = 0; i < ws->n; i++)
		worker_tell(&ws->v[i], MSG_CA, cert, pem, pem == NULL ? 0 : len_bytes);
}

void
workers_passphrase(struct workers *ws, int host, const char *keyfile, const char *passphrase)
{
	struct passphrase *p = NULL;
	struct buf blob = { .secret = true };
	size_t i;

	for (i = 0; i < ws->npassphrases && p == NULL; i++)
		if (strcmp(ws->passphrases[i].keyfile, keyfile) == 0)
			p = &ws->passphrases[i];
	if (p == NULL) {
		p = mem_push(&ws->passphrases, &ws->npassphrases, sizeof(*p));
		p->keyfile = mem_strdup(keyfile);
	} else
		mem_wipe_free(p->value, strlen(p->value));
	p->host = host;
	p->value = mem_strdup(passphrase);
	wire_strings_encode(keyfile, passphrase, &blob);
	for (i = 0; i < ws->n; i++)
		worker_tell(&ws->v[i], MSG_PASSPHRASE, host, blob.data, blob.len);
	buf_release(&blob);
}

void
workers_sudo(struct workers *ws, int host, const char *password)
{
	size_t i;

	for (i = 0; i < ws->n; i++)
		worker_tell(&ws->v[i], MSG_SUDO, host, password, strlen(password));
}

void
workers_accept_host_key(struct workers *ws, int host, const char *fingerprint)
{
	size_t i;

	/* To all: another may hold a session to that host too, for a secret that is kept there. */
	for (i = 0; i < ws->n; i++)
		worker_tell(&ws->v[i], MSG_HOST_KEY, host, fingerprint, strlen(fingerprint));
}

void
workers_wake(struct workers *ws, int host)
{
	worker_tell(&ws->v[worker_of_host(ws, host)], MSG_WAKE, host, NULL, 0);
}
