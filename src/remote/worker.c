/*
 * worker: see worker.h.
 *
 * Owns the process's loop, its socket to the console, a session for each host
 * that is asked something of, the jobs under way, and the secrets that it was told.
 *
 * Invariants:
 *  - each question that is read ends with exactly one answer, unless it is cancelled first;
 *  - nothing remote or secret stands in the head of a message;
 *  - what the console sends is believed in its meaning but not in its letter: a
 *    malformed frame or an index outside of the fleet ends the process.
 *
 * It keeps nothing on disk and knows of no plan and no rollout.
 */
#include "remote/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <uv.h>

#include "core/board.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/addresses.h"
#include "remote/hostops.h"
#include "remote/keyring.h"
#include "remote/probe.h"
#include "remote/session.h"
#include "wire/wire.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define UNDER_ASAN
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define UNDER_ASAN		/* it maps terabytes: a limit on memory would end it */
#endif

#define SOCKET_FD	3
#define READ_CHUNK	((size_t)64 << 10)
#define TEXT_QUEUE_MAX	((size_t)4 << 20)	/* progress is dropped while more than this waits to be read */
#define SECRET_FRESH_MS	60000			/* a secret kept on a host is read again after that long */
#define SECRET_READ_MS	20000			/* at least; others may want it that are more patient */
#define MEMORY_MAX	((rlim_t)2 << 30)
#define FILES_PER_HOST	8

struct worker;

struct slot {			/* a host */
	struct worker *worker;
	int	 host;
	struct session *session;	/* NULL: nobody asked for it yet */
	bool	 was_up;
	char	*addresses;		/* as the console tells them, of all hosts; or NULL */
	char	*sudo;			/* what sudo is told; NULL: nothing */
	bool	 sudo_wanted;		/* a person is asked for it */
	bool	 sudo_refused;		/* it did not take what it was told last */
};

struct secret_slot {
	char	*value;			/* NULL: not known */
	size_t	 len;
	char	*why;			/* it could not be read */
	int64_t	 read_ms;		/* HOST_ENV: loop time */
	struct hostop *reading;		/* HOST_ENV: it is being read now */
	struct worker *worker;
	int	 secret;
};

struct job {
	struct job *prev, *next;
	struct worker *worker;
	uint64_t id;
	enum message_kind kind;		/* PROBE, CHECK, OP */
	int	 what, subject;
	int64_t	 since_ms, due;		/* due: loop time */
	int	 awaits;		/* a secret that is being read first, or NONE */
	size_t	 awaited;		/* OP: how many it went through; see op_secret() */
	uv_timer_t *wait;		/* until then; or NULL */
	bool	 op;			/* hostop is what runs it, else probe */
	struct probe *probe;
	struct hostop *hostop;
	struct check check;		/* CHECK: lives as long as its probe */
	struct wire_op order;		/* OP: likewise */
	struct wire_lease lease;	/* LEASE */
};

struct worker {
	uv_loop_t loop;
	uv_pipe_t socket;
	struct buf in;
	char	*chunk;
	int	 status;		/* the process's, once it ends */
	bool	 ending;
	struct fleet *fleet;		/* NULL: not told yet */
	int	 index, count;
	struct keyring *keyring;
	struct slot *slots;
	struct secret_slot *secrets;
	struct addresses *addresses;
	bool	 addresses_changed;
	char	*ssh_config;
	struct probes *probes;
	struct hostops *hostops;
	struct job *jobs;
};

static void
die(struct worker *w, const char *what, const struct err *err)
{
	(void)fprintf(stderr, "belay worker: %s%s%s\n", what, err == NULL ? "" : ": ", err == NULL ? "" : err->msg);
	w->status = 1;
	w->ending = true;
	uv_stop(&w->loop);
}

static int64_t
now_ms(struct worker *w)
{
	return (int64_t)uv_now(&w->loop);
}

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* ---- answering ---- */

struct sending {
	uv_write_t req;
	struct buf frame;
};

static void
sent(uv_write_t *req, int status)
{
	struct sending *s = req->data;

	(void)status;		/* a console that is gone is met by the reader */
	buf_release(&s->frame);
	free(s);
}

/* Sends what is in m; its blob stays the caller's. */
static void
tell(struct worker *w, const struct message *m)
{
	struct sending *s = mem_alloc(sizeof(*s));
	struct err err;
	uv_buf_t buf;

	buf_init(&s->frame, WIRE_FRAME_MAX);
	s->frame.secret = true;
	s->req.data = s;
	if (message_encode(m, &s->frame, &err) == -1) {
		buf_release(&s->frame);
		free(s);
		die(w, "cannot answer", &err);
		return;
	}
	buf = uv_buf_init(s->frame.data, (unsigned int)s->frame.len);
	if (w->ending || uv_write(&s->req, (uv_stream_t *)&w->socket, &buf, 1, sent) != 0) {
		buf_release(&s->frame);
		free(s);
	}
}

static void
tell_blob(struct worker *w, enum message_kind kind, uint64_t id, struct buf *blob)
{
	struct message m = { .kind = kind, .id = id, .subject = NONE, .blob = blob->data, .blob_len = blob->len };

	tell(w, &m);
	buf_release(blob);
}

/* ---- jobs ---- */

static struct job *
job_new(struct worker *w, const struct message *m)
{
	struct job *j = mem_alloc(sizeof(*j));

	j->worker = w;
	j->id = m->id;
	j->kind = m->kind;
	j->what = m->what;
	j->subject = m->subject;
	j->since_ms = m->since_ms;
	j->due = now_ms(w) + m->deadline_ms;
	j->awaits = NONE;
	j->next = w->jobs;
	if (w->jobs != NULL)
		w->jobs->prev = j;
	w->jobs = j;
	return j;
}

static void
job_free(struct job *j)
{
	if (j->prev != NULL)
		j->prev->next = j->next;
	else
		j->worker->jobs = j->next;
	if (j->next != NULL)
		j->next->prev = j->prev;
	if (j->kind == MSG_CHECK)
		check_release(&j->check);
	if (j->kind == MSG_OP)
		wire_op_release(&j->order);
	free(j);
}

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

static void
job_await(struct job *j, int secret, uv_timer_cb late, int64_t left_ms)
{
	j->awaits = secret;
	j->wait = mem_alloc(sizeof(*j->wait));
	(void)uv_timer_init(&j->worker->loop, j->wait);
	j->wait->data = j;
	(void)uv_timer_start(j->wait, late, (uint64_t)left_ms, 0);
}

static void
job_await_no_more(struct job *j)
{
	j->awaits = NONE;
	if (j->wait != NULL)
		uv_close((uv_handle_t *)j->wait, free_handle);
	j->wait = NULL;
}

static void
job_cancel(struct job *j)
{
	job_await_no_more(j);
	if (j->probe != NULL)
		probe_cancel(j->probe);
	if (j->hostop != NULL)
		hostop_cancel(j->hostop);
	job_free(j);
}

static int64_t
job_left_ms(const struct job *j)
{
	int64_t left = j->due - now_ms(j->worker);

	return left < 1 ? 1 : left;
}

static void
job_read(void *arg, struct reading *r)
{
	struct job *j = arg;
	struct buf blob = { .max = WIRE_BLOB_MAX };

	j->probe = NULL;
	j->hostop = NULL;
	if (r->at_ms == 0)
		r->at_ms = wall_ms();
	reading_encode(r, &blob);
	reading_release(r);
	tell_blob(j->worker, MSG_READING, j->id, &blob);
	job_free(j);
}

/* An answer that needs no looking. */
static void
job_saw_nothing(struct job *j, const char *why)
{
	struct reading r = { .kind = j->kind == MSG_CHECK ? READING_CHECK : (enum reading_kind)j->what,
		.outcome = SAW_NOT };

	r.subject = j->kind == MSG_CHECK ? 0 : j->subject;
	r.census.connections_total = -1;
	r.why = mem_strdup(why);
	job_read(j, &r);
}

static void
job_did(void *arg, const struct op_result *result)
{
	struct job *j = arg;
	struct buf blob = { .max = WIRE_BLOB_MAX };

	j->hostop = NULL;
	op_result_encode(result, &blob);
	tell_blob(j->worker, MSG_OP_DONE, j->id, &blob);
	job_free(j);
}

/* The same of an op: it was not begun. */
static void
job_did_nothing(struct job *j, const char *why)
{
	struct op_result result = { .outcome = j->what == OPV_APPLY ? OP_FAILED : OP_UNREACHED, .exit_status = -1 };

	result.why = mem_strdup(why);
	job_did(j, &result);
	op_result_release(&result);
}

static void
job_said(void *arg, const char *bytes, size_t len_bytes)
{
	struct job *j = arg;
	struct message m = { .kind = MSG_OP_TEXT, .id = j->id, .subject = NONE };
	size_t n;

	for (; len_bytes > 0; bytes += n, len_bytes -= n) {
		n = len_bytes < WIRE_OP_TEXT_MAX ? len_bytes : WIRE_OP_TEXT_MAX;
		if (uv_stream_get_write_queue_size((uv_stream_t *)&j->worker->socket) > TEXT_QUEUE_MAX)
			return;
		m.blob = mem_strndup(bytes, n);
		m.blob_len = n;
		tell(j->worker, &m);
		message_release(&m);
	}
}

/* ---- hosts ---- */

static bool
owns(const struct worker *w, int host)
{
	return host % w->count == w->index;
}

static enum reach
reach_of(enum session_state state)
{
	switch (state) {
	case SESSION_IDLE:
		return REACH_UNKNOWN;
	case SESSION_RESOLVING:
	case SESSION_CONNECTING:
	case SESSION_AUTHENTICATING:
		return REACH_CONNECTING;
	case SESSION_UP:
		return REACH_UP;
	case SESSION_WAITING:
		return REACH_LOST;
	case SESSION_BLOCKED:
		return REACH_BLOCKED;
	}
	return REACH_UNKNOWN;
}

static enum wire_need
need_of(enum session_need need)
{
	switch (need) {
	case NEED_NOTHING:
		return WIRE_NEED_NOTHING;
	case NEED_HOST_KEY:
		return WIRE_NEED_HOST_KEY;
	case NEED_PASSPHRASE:
		return WIRE_NEED_PASSPHRASE;
	case NEED_CHANGED_KEY:
		return WIRE_NEED_CHANGED_KEY;
	}
	return WIRE_NEED_NOTHING;
}

static char *
borrowed(const char *s)
{
	union { const char *c; char *m; } u = { .c = s };	/* it is read only */

	return u.m;
}

static void
tell_host(struct slot *slot)
{
	struct worker *w = slot->worker;
	struct message m = { .kind = MSG_HOST, .subject = slot->host };
	struct session_status s = { .state = SESSION_IDLE };
	struct wire_host h = { 0 };
	struct buf blob = { 0 };

	if (!owns(w, slot->host))
		return;
	if (slot->session != NULL)
		session_status(slot->session, &s);
	m.what = (int)reach_of(s.state);
	m.need = s.state == SESSION_BLOCKED ? (int)need_of(s.need) :
	    slot->sudo_wanted ? WIRE_NEED_SUDO : WIRE_NEED_NOTHING;
	m.attempts = s.attempts < 0 ? 0 : s.attempts;
	m.retry_ms = s.state != SESSION_WAITING || s.retry_ms < 0 ? 0 :
	    s.retry_ms > WIRE_DEADLINE_MAX_MS ? WIRE_DEADLINE_MAX_MS : s.retry_ms;
	h.transport = borrowed(s.transport);
	h.subject = borrowed(m.need == WIRE_NEED_SUDO ? w->fleet->hosts[slot->host].become : s.subject);
	h.keytype = borrowed(s.keytype);
	h.why = borrowed(m.need != WIRE_NEED_SUDO ? s.why : slot->sudo_refused ?
	    "sudo did not take the last password; it wants that of the user who logs in there" :
	    "sudo wants the password of the user who logs in there");
	h.address = borrowed(addresses_text(w->addresses, slot->host));
	wire_host_encode(&h, &blob);
	m.blob = blob.data;
	m.blob_len = blob.len;
	tell(w, &m);
	buf_release(&blob);
}

static void
host_learnt(void *arg, int host)
{
	struct worker *w = arg;

	tell_host(&w->slots[host]);
}

static void
host_changed(struct session *session, void *arg)
{
	struct slot *slot = arg;
	struct session_status s;
	bool up;

	session_status(session, &s);
	up = s.state == SESSION_UP;
	tell_host(slot);
	if (up && !slot->was_up && owns(slot->worker, slot->host) && !slot->worker->fleet->hosts[slot->host].local)
		addresses_ask(slot->worker->addresses, slot->host, session);
	slot->was_up = up;
}

static struct session *
host_session(void *arg, int host)
{
	struct worker *w = arg;
	struct slot *slot = &w->slots[host];
	const struct host *h = &w->fleet->hosts[host];
	struct session_config config = { .name = h->name, .ssh = h->ssh, .address = h->address, .user = h->user,
		.identity = h->identity, .port = h->port, .local = h->local, .transport = h->transport,
		.ssh_config = w->ssh_config };

	if (slot->session == NULL)
		slot->session = session_new(&w->loop, w->keyring, &config, host_changed, slot);
	return slot->session;
}

/* ---- sudo ---- */

static void
sudo_told(struct slot *slot, const char *password)
{
	if (slot->sudo != NULL)
		mem_wipe_free(slot->sudo, strlen(slot->sudo));
	slot->sudo = mem_strdup(password);
	slot->sudo_wanted = slot->sudo_refused = false;
	hostops_sudo_anew(slot->worker->hostops, slot->host);
}

static const char *
sudo_password(void *arg, int host)
{
	struct worker *w = arg;
	const struct host *h = &w->fleet->hosts[host];

	return h->become_password == NONE ? w->slots[host].sudo : w->secrets[h->become_password].value;
}

static void
sudo_heard(void *arg, int host, enum sudo_trouble trouble)
{
	struct worker *w = arg;
	struct slot *slot = &w->slots[host];
	bool wanted = trouble == SUDO_WRONG_PASSWORD || trouble == SUDO_WANTS_PASSWORD;

	if (!(wanted || (trouble == SUDO_FINE && slot->sudo_wanted)) ||
	    w->fleet->hosts[host].become_password != NONE)
		return;
	slot->sudo_wanted = wanted;
	slot->sudo_refused = wanted && (slot->sudo_refused || trouble == SUDO_WRONG_PASSWORD);
	tell_host(slot);	/* once more, too: whoever was asked may have waved it away */
}

/* ---- addresses of all hosts, as the console tells them ---- */

struct claim {
	char	 address[64];
	int	 host;
	bool	 shared;
};

static int
by_address(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int d = strcmp(x->address, y->address);

	return d != 0 ? d : x->host < y->host ? -1 : x->host > y->host;
}

static int
by_host(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	return x->host < y->host ? -1 : x->host > y->host;
}

/*
 * Gives the probes what is known.  An address that two hosts have (a
 * container bridge's, mostly) says nothing about who a session belongs to, so it is left out.
 */
static void
give_addresses(struct worker *w)
{
	struct claim *claims = NULL, *c;
	struct strings mine;
	char *copy, *p, *save;
	size_t n = 0, i, j;

	if (!w->addresses_changed)
		return;
	w->addresses_changed = false;
	for (i = 0; i < w->fleet->nhosts; i++) {
		copy = mem_strdup(w->slots[i].addresses == NULL ? "" : w->slots[i].addresses);
		save = NULL;
		for (p = strtok_r(copy, " ", &save); p != NULL; p = strtok_r(NULL, " ", &save)) {
			c = mem_push(&claims, &n, sizeof(*c));
			(void)snprintf(c->address, sizeof(c->address), "%s", p);
			c->host = (int)i;
		}
		free(copy);
	}
	if (n > 0)
		qsort(claims, n, sizeof(*claims), by_address);
	for (i = 0; i + 1 < n; i++)
		if (strcmp(claims[i].address, claims[i + 1].address) == 0 && claims[i].host != claims[i + 1].host)
			claims[i].shared = claims[i + 1].shared = true;
	if (n > 0)
		qsort(claims, n, sizeof(*claims), by_host);
	mine.v = mem_array(n, sizeof(*mine.v));
	for (i = 0, j = 0; i < w->fleet->nhosts; i++) {
		mine.n = 0;
		for (; j < n && claims[j].host == (int)i; j++)
			if (!claims[j].shared)
				mine.v[mine.n++] = claims[j].address;
		probes_addresses(w->probes, (int)i, &mine);
	}
	free(mine.v);
	free(claims);
}

/* ---- secrets ---- */

static const char *
secret_value(void *arg, int secret, const char **ret_why)
{
	struct worker *w = arg;
	struct secret_slot *s = &w->secrets[secret];

	if (s->value == NULL)
		*ret_why = s->why != NULL ? s->why : "it was not given yet";
	return s->value;
}

static void
secret_set(struct secret_slot *s, const char *value, size_t len)
{
	mem_wipe_free(s->value, s->len);
	free(s->why);
	s->why = NULL;
	s->value = value == NULL ? NULL : mem_strndup(value, len);
	s->len = len;
}

static void job_begin(struct job *);

static void
secret_read(void *arg, const char *value, size_t len, const char *why)
{
	struct secret_slot *s = arg;
	struct worker *w = s->worker;
	struct job *j, *next;

	s->reading = NULL;
	s->read_ms = now_ms(w);
	if (value != NULL)
		secret_set(s, value, len);
	else if (s->value == NULL) {
		free(s->why);
		s->why = mem_strdup(why);
	}
	for (j = w->jobs; j != NULL; j = next) {
		next = j->next;
		if (j->awaits == s->secret) {
			job_await_no_more(j);
			job_begin(j);
		}
	}
}

static void
secret_late(uv_timer_t *timer)
{
	struct job *j = timer->data;
	const struct secret *def = &j->worker->fleet->secrets[j->awaits];
	char why[FLEET_NAME_MAX * 2 + 64];

	(void)snprintf(why, sizeof(why), "the secret '%s' was not read from host '%s' in time", def->name,
	    j->worker->fleet->hosts[def->host].name);
	job_await_no_more(j);
	if (j->kind == MSG_OP)
		job_did_nothing(j, why);
	else
		job_saw_nothing(j, why);
}

/* Does the job have to wait for a secret that is kept on a host? */
static bool
secret_awaited(struct job *j, int secret)
{
	struct worker *w = j->worker;
	const struct secret *def = &w->fleet->secrets[secret];
	struct secret_slot *s = &w->secrets[secret];
	int64_t left = job_left_ms(j);

	if (def->source != SECRET_HOST_ENV || def->host == NONE)
		return false;
	if (s->reading == NULL) {
		if (s->value != NULL && now_ms(w) - s->read_ms < SECRET_FRESH_MS)
			return false;
		s->reading = hostops_secret(w->hostops, secret, left < SECRET_READ_MS ? SECRET_READ_MS : left,
		    secret_read, s);
	}
	job_await(j, secret, secret_late, left);
	return true;
}

/* ---- questions ---- */

/*
 * The n-th secret by which the statements of an op may log in, or NONE: at its endpoint,
 * and of a drain at the poolers that dial it.  False: there are no more.
 */
static bool
op_secret(const struct worker *w, const struct op *op, size_t n, int *ret)
{
	const struct fleet *f = w->fleet;
	const struct link *l;
	int pooler;

	if (op->endpoint == NONE || n > f->nlinks || (n > 0 && op->kind != OP_DRAIN))
		return false;
	*ret = NONE;
	if (n == 0) {
		*ret = f->endpoints[op->endpoint].admin_secret;
		return true;
	}
	l = &f->links[n - 1];
	pooler = f->clients[l->client].pools;
	if (l->endpoint == op->endpoint && pooler != NONE)
		*ret = f->endpoints[pooler].admin_secret;
	return true;
}

static void
job_begin(struct job *j)
{
	struct worker *w = j->worker;
	int secret;

	if (j->kind == MSG_OP)
		while (op_secret(w, &j->order.op, j->awaited, &secret)) {
			j->awaited++;
			if (secret != NONE && secret_awaited(j, secret))
				return;
		}
	give_addresses(w);
	if (j->kind == MSG_OP) {
		j->hostop = hostops_op(w->hostops, (enum op_verb)j->what, &j->order, job_left_ms(j), job_did,
		    job_said, j);
		return;
	}
	if (j->kind == MSG_CHECK)
		j->probe = probe_check(w->probes, &j->check, j->since_ms, job_left_ms(j), job_read, j);
	else
		j->probe = probe_endpoint(w->probes, (enum reading_kind)j->what, j->subject, job_left_ms(j), job_read, j);
}

static void
probe_of_endpoint(struct job *j, int endpoint)
{
	const struct endpoint *ep = &j->worker->fleet->endpoints[endpoint];

	if (ep->via == NONE && ep->host == NONE)
		job_saw_nothing(j, "the fleet names no host to look from");
	else if (ep->probe_secret == NONE || (j->kind == MSG_PROBE && j->what == READING_SERVED) ||
	    !secret_awaited(j, ep->probe_secret))
		job_begin(j);
}

static bool
index_ok(struct worker *w, int index, size_t n)
{
	if (index >= 0 && (size_t)index < n)
		return true;
	die(w, "an index that the fleet does not have", NULL);
	return false;
}

static void
take_probe(struct worker *w, const struct message *m)
{
	struct job *j;

	if (!index_ok(w, m->subject, m->what == READING_HOST ? w->fleet->nhosts : w->fleet->nendpoints))
		return;
	j = job_new(w, m);
	if (m->what == READING_HOST)
		j->hostop = hostops_read(w->hostops, m->subject, job_left_ms(j), job_read, j);
	else
		probe_of_endpoint(j, m->subject);
}

static void
take_check(struct worker *w, const struct message *m)
{
	struct check c;
	struct err err;
	struct job *j;

	if (check_decode(&c, m->blob, m->blob_len, &err) == -1) {
		die(w, "a check", &err);
		return;
	}
	if (c.host == NONE)
		c.host = m->subject;
	if ((c.host != NONE && !index_ok(w, c.host, w->fleet->nhosts)) ||
	    (c.endpoint != NONE && !index_ok(w, c.endpoint, w->fleet->nendpoints)) ||
	    (c.link != NONE && !index_ok(w, c.link, w->fleet->nlinks))) {
		check_release(&c);
		return;
	}
	j = job_new(w, m);
	j->check = c;
	if (c.endpoint != NONE && c.kind == CHECK_SETTING)
		probe_of_endpoint(j, c.endpoint);
	else
		job_begin(j);
}

static void
take_op(struct worker *w, const struct message *m)
{
	struct wire_op order;
	struct err err;
	struct job *j;
	size_t i;
	bool ok;

	if (wire_op_decode(&order, m->blob, m->blob_len, &err) == -1) {
		die(w, "an op", &err);
		return;
	}
	ok = index_ok(w, order.op.host, w->fleet->nhosts) &&
	    (order.op.unit == NONE || index_ok(w, order.op.unit, w->fleet->nunits)) &&
	    (order.op.endpoint == NONE || index_ok(w, order.op.endpoint, w->fleet->nendpoints));
	for (i = 0; ok && i < order.unseen.n; i++)
		ok = index_ok(w, order.unseen.v[i], w->fleet->nendpoints);
	if (!ok) {
		wire_op_release(&order);
		return;
	}
	j = job_new(w, m);
	j->order = order;
	job_begin(j);
}

static void
take_lease(struct worker *w, const struct message *m)
{
	struct wire_lease order;
	struct err err;
	struct job *j;

	if (wire_lease_decode(&order, m->blob, m->blob_len, &err) == -1) {
		die(w, "a lease", &err);
		return;
	}
	if (!index_ok(w, m->subject, w->fleet->nhosts))
		return;
	j = job_new(w, m);
	j->lease = order;
	j->hostop = hostops_lease(w->hostops, m->subject, &j->lease, job_left_ms(j), job_did, j);
}

static void
take_records(struct worker *w, const struct message *m)
{
	struct job *j;

	if (!index_ok(w, m->subject, w->fleet->nhosts))
		return;
	j = job_new(w, m);
	j->hostop = hostops_records(w->hostops, m->subject, m->blob == NULL ? "" : m->blob, job_left_ms(j), job_did, j);
}

static void
take_cancel(struct worker *w, const struct message *m)
{
	struct job *j;

	for (j = w->jobs; j != NULL; j = j->next)
		if (j->id == m->id) {
			job_cancel(j);
			return;
		}
}

static void
take_hurry(struct worker *w, const struct message *m)
{
	struct job *j;

	for (j = w->jobs; j != NULL; j = j->next)
		if (j->id == m->id && j->hostop != NULL) {
			hostop_hurry(j->hostop);
			return;
		}
}

/* ---- what is told ---- */

/* As far as the system lets us; a limit that cannot be had is not worth dying for. */
static void
limit(const struct fleet *fleet)
{
	struct rlimit r;
	rlim_t want = 1024 + (rlim_t)fleet->nhosts * FILES_PER_HOST;
	bool local = false;
	size_t i;

	for (i = 0; i < fleet->nhosts; i++)
		local = local || fleet->hosts[i].local;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < want) {
		r.rlim_cur = r.rlim_max == RLIM_INFINITY || want < r.rlim_max ? want : r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
	/* What is started on this machine would inherit the limit: a database that is restarted must not. */
#ifndef UNDER_ASAN
	if (!local && getrlimit(RLIMIT_AS, &r) == 0 && (r.rlim_cur == RLIM_INFINITY || r.rlim_cur > MEMORY_MAX)) {
		r.rlim_cur = MEMORY_MAX;
		(void)setrlimit(RLIMIT_AS, &r);
	}
#else
	(void)local;
#endif
}

/* What can be known of our hosts before anything is asked of them. */
static void
learn_addresses(struct worker *w)
{
	const struct host *h;
	size_t i;

	for (i = 0; i < w->fleet->nhosts; i++) {
		h = &w->fleet->hosts[i];
		if (!owns(w, (int)i))
			continue;
		if (h->local)
			addresses_own(w->addresses, (int)i);
		else if (h->address != NULL)
			addresses_resolve(w->addresses, (int)i, h->address);
	}
}

static void
take_secret(struct worker *w, const struct message *m)
{
	size_t i;

	secret_set(&w->secrets[m->subject], m->blob, m->blob_len);
	for (i = 0; i < w->fleet->nhosts; i++)
		if (w->fleet->hosts[i].become_password == m->subject)
			hostops_sudo_anew(w->hostops, (int)i);
}

static void
take_fleet(struct worker *w, const struct message *m)
{
	struct probes_config probes = { .loop = &w->loop, .session = host_session, .secret = secret_value, .arg = w };
	struct hostops_config hostops = { .loop = &w->loop, .session = host_session, .password = sudo_password,
		.sudo = sudo_heard, .arg = w };
	struct wire_fleet f;
	struct err err;
	size_t i;

	if (w->fleet != NULL) {
		die(w, "the fleet was told twice", NULL);
		return;
	}
	if (wire_fleet_decode(&f, m->blob, m->blob_len, &err) == -1 ||
	    fleet_parse(&w->fleet, f.path, f.text, f.len, &err) == -1) {
		die(w, "the fleet", &err);
		return;
	}
	w->index = f.worker;
	w->count = f.workers;
	w->ssh_config = mem_strdup(f.ssh_config);
	limit(w->fleet);
	w->slots = mem_array(w->fleet->nhosts, sizeof(*w->slots));
	for (i = 0; i < w->fleet->nhosts; i++) {
		w->slots[i].worker = w;
		w->slots[i].host = (int)i;
	}
	w->secrets = mem_array(w->fleet->nsecrets, sizeof(*w->secrets));
	for (i = 0; i < w->fleet->nsecrets; i++) {
		w->secrets[i].worker = w;
		w->secrets[i].secret = (int)i;
	}
	w->keyring = keyring_new(&w->loop);
	w->addresses = addresses_new(&w->loop, w->fleet->nhosts, host_learnt, w);
	probes.fleet = hostops.fleet = w->fleet;
	memcpy(hostops.key, f.key, sizeof(hostops.key));
	w->probes = probes_new(&probes);
	hostops.probes = w->probes;
	w->hostops = hostops_new(&hostops);
	mem_wipe(hostops.key, sizeof(hostops.key));
	wire_fleet_release(&f);
	learn_addresses(w);
}

static void
take_passphrase(struct worker *w, const struct message *m)
{
	char *keyfile, *passphrase;
	struct session_status s;
	struct err err;
	size_t i;

	if (wire_strings_decode(&keyfile, &passphrase, m->blob, m->blob_len, &err) == -1) {
		die(w, "a passphrase", &err);
		return;
	}
	session_passphrase(host_session(w, m->subject), keyfile, passphrase);
	/* The same key opens other hosts: nobody should be asked for it once for each of them. */
	for (i = 0; i < w->fleet->nhosts; i++) {
		if (w->slots[i].session == NULL || (int)i == m->subject)
			continue;
		session_status(w->slots[i].session, &s);
		if (s.state == SESSION_BLOCKED && s.need == NEED_PASSPHRASE && s.subject != NULL &&
		    strcmp(s.subject, keyfile) == 0)
			session_passphrase(w->slots[i].session, keyfile, passphrase);
	}
	free(keyfile);
	mem_wipe_free(passphrase, strlen(passphrase));
}

static void
take_host_key(struct worker *w, const struct message *m)
{
	if (w->slots[m->subject].session != NULL)
		session_accept_host_key(w->slots[m->subject].session, m->blob);
}

static void
take_addresses(struct worker *w, const struct message *m)
{
	free(w->slots[m->subject].addresses);
	w->slots[m->subject].addresses = mem_strdup(m->blob);
	w->addresses_changed = true;
}

static void
take_ca(struct worker *w, const struct message *m)
{
	probes_ca(w->probes, m->subject, m->blob, m->blob_len);
	hostops_ca(w->hostops, m->subject, m->blob, m->blob_len);
}

static void
take_message(struct worker *w, const struct message *m)
{
	if (w->fleet == NULL && m->kind != MSG_FLEET) {
		die(w, "a message before the fleet", NULL);
		return;
	}
	switch (m->kind) {
	case MSG_FLEET:
		take_fleet(w, m);
		return;
	case MSG_SECRET:
		if (index_ok(w, m->subject, w->fleet->nsecrets))
			take_secret(w, m);
		return;
	case MSG_CA:
		if (index_ok(w, m->subject, w->fleet->ncerts))
			take_ca(w, m);
		return;
	case MSG_PROBE:
		take_probe(w, m);
		return;
	case MSG_CHECK:
		take_check(w, m);
		return;
	case MSG_OP:
		take_op(w, m);
		return;
	case MSG_LEASE:
		take_lease(w, m);
		return;
	case MSG_RECORDS:
		take_records(w, m);
		return;
	case MSG_CANCEL:
		take_cancel(w, m);
		return;
	case MSG_HURRY:
		take_hurry(w, m);
		return;
	case MSG_HOST_KEY:
		if (index_ok(w, m->subject, w->fleet->nhosts))
			take_host_key(w, m);
		return;
	case MSG_PASSPHRASE:
		if (index_ok(w, m->subject, w->fleet->nhosts))
			take_passphrase(w, m);
		return;
	case MSG_SUDO:
		if (index_ok(w, m->subject, w->fleet->nhosts)) {
			sudo_told(&w->slots[m->subject], m->blob == NULL ? "" : m->blob);
			tell_host(&w->slots[m->subject]);
		}
		return;
	case MSG_WAKE:
		if (index_ok(w, m->subject, w->fleet->nhosts))
			session_wake(host_session(w, m->subject));
		return;
	case MSG_ADDRESSES:
		if (index_ok(w, m->subject, w->fleet->nhosts))
			take_addresses(w, m);
		return;
	case MSG_READY:
	case MSG_HOST:
	case MSG_READING:
	case MSG_OP_DONE:
	case MSG_OP_TEXT:
		break;
	}
	die(w, "a message that goes the other way", NULL);
}

/* ---- the process ---- */

static void
alloc_chunk(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	struct worker *w = handle->data;

	(void)suggested;
	*ret = uv_buf_init(w->chunk, READ_CHUNK);
}

static void
read_messages(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct worker *w = stream->data;
	struct message m;
	struct err err;
	int rc = 0;

	if (n < 0) {		/* the console is gone, or done with us */
		w->ending = true;
		uv_stop(&w->loop);
		return;
	}
	(void)buf_put(&w->in, buf->base, (size_t)n);
	mem_wipe(buf->base, (size_t)n);
	while (!w->ending && (rc = message_decode(&w->in, &m, &err)) == 1) {
		take_message(w, &m);
		message_release(&m);
	}
	if (rc == -1)
		die(w, "what the console says", &err);
}

static void
harden(void)
{
	static const int ignored[] = { SIGPIPE, SIGINT, SIGQUIT, SIGHUP, SIGTSTP };
	struct sigaction sa = { .sa_handler = SIG_IGN };
	struct rlimit r;
	size_t i;

	(void)prctl(PR_SET_DUMPABLE, 0L, 0L, 0L, 0L);
	(void)prctl(PR_SET_PDEATHSIG, (long)SIGKILL, 0L, 0L, 0L);
	/* The soft limit only, so that what is started on this machine can have its own. */
	if (getrlimit(RLIMIT_CORE, &r) == 0) {
		r.rlim_cur = 0;
		(void)setrlimit(RLIMIT_CORE, &r);
	}
	/* A key press in the console's terminal is the console's; children get the defaults back. */
	for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		(void)sigaction(ignored[i], &sa, NULL);
}

static void
close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void
release(struct worker *w)
{
	size_t i;

	w->ending = true;
	while (w->jobs != NULL)
		job_cancel(w->jobs);
	for (i = 0; w->secrets != NULL && i < w->fleet->nsecrets; i++) {
		if (w->secrets[i].reading != NULL)
			hostop_cancel(w->secrets[i].reading);
		secret_set(&w->secrets[i], NULL, 0);
	}
	if (w->hostops != NULL)
		hostops_free(w->hostops);
	if (w->probes != NULL)
		probes_free(w->probes);
	addresses_free(w->addresses);
	for (i = 0; w->slots != NULL && i < w->fleet->nhosts; i++) {
		if (w->slots[i].session != NULL)
			session_free(w->slots[i].session);
		free(w->slots[i].addresses);
		if (w->slots[i].sudo != NULL)
			mem_wipe_free(w->slots[i].sudo, strlen(w->slots[i].sudo));
	}
	if (w->keyring != NULL)
		keyring_free(w->keyring);
	uv_walk(&w->loop, close_handle, NULL);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&w->loop);
	buf_release(&w->in);
	free(w->slots);
	free(w->secrets);
	free(w->chunk);
	free(w->ssh_config);
	fleet_free(w->fleet);
}

int
worker_main(void)
{
	struct message ready = { .kind = MSG_READY, .subject = WIRE_VERSION };
	struct worker w = { .in = { .secret = true, .max = WIRE_FRAME_MAX + READ_CHUNK } };
	struct stat st;

	if (fstat(SOCKET_FD, &st) == -1 || !S_ISSOCK(st.st_mode)) {
		(void)fputs("belay: --worker is for belay's own use\n", stderr);
		return 1;
	}
	harden();
	(void)fcntl(SOCKET_FD, F_SETFD, FD_CLOEXEC);
	if (uv_loop_init(&w.loop) != 0 || uv_pipe_init(&w.loop, &w.socket, 0) != 0 ||
	    uv_pipe_open(&w.socket, SOCKET_FD) != 0) {
		(void)fputs("belay worker: cannot begin\n", stderr);
		return 1;
	}
	w.socket.data = &w;
	w.chunk = mem_alloc(READ_CHUNK);
	tell(&w, &ready);
	if (uv_read_start((uv_stream_t *)&w.socket, alloc_chunk, read_messages) != 0)
		return 1;
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	release(&w);
	return w.status;
}
