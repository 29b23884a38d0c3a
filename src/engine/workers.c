/*
 * workers: see workers.h.
 *
 * Owns the processes, their sockets, the table of questions without an answer,
 * and what has to be told again to a worker that is started anew; workers_int.h says
 * what of that is in which file.
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
#include "engine/workers_int.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>

#include "core/err.h"
#include "core/mem.h"

#define STOP_MS		1000

static void
free_handle(uv_handle_t *handle)
{
	free(handle);
}

void
workers_close_handle(void *handle)
{
	if (handle != NULL)
		uv_close(handle, free_handle);
}

/* ---- who is whose ---- */

size_t
workers_of_host(const struct workers *ws, int host)
{
	return host < 0 ? 0 : (size_t)fleet_base(ws->config.fleet, host) % ws->n;
}

static size_t
workers_of_endpoint(const struct workers *ws, int endpoint)
{
	const struct endpoint *ep = &ws->config.fleet->endpoints[endpoint];

	return workers_of_host(ws, ep->via != NONE ? ep->via : ep->host);
}

/* A pooler is told something also where a server that it dials is drained. */
static bool
dials_from(const struct workers *ws, size_t worker, int endpoint)
{
	const struct fleet *fleet = ws->config.fleet;
	size_t i;

	for (i = 0; i < fleet->nlinks; i++)
		if (fleet->clients[fleet->links[i].client].pools == endpoint &&
		    workers_of_host(ws, fleet->endpoints[fleet->links[i].endpoint].host) == worker)
			return true;
	return false;
}

bool
workers_logs_in_by(const struct workers *ws, size_t worker, int secret)
{
	const struct fleet *fleet = ws->config.fleet;
	const struct endpoint *ep;
	size_t i;

	for (i = 0; i < fleet->nhosts; i++)
		if (fleet->hosts[i].become_password == secret)
			return true;
	/* A connection in a client's place, a rehearsal or a canary's, is made from the client's host. */
	for (i = 0; i < fleet->nlinks; i++)
		if (fleet->endpoints[fleet->links[i].endpoint].probe_secret == secret &&
		    link_host(fleet, &fleet->links[i]) != NONE &&
		    workers_of_host(ws, link_host(fleet, &fleet->links[i])) == worker)
			return true;
	for (i = 0; i < fleet->nendpoints; i++) {
		ep = &fleet->endpoints[i];
		if ((ep->probe_secret == secret && workers_of_endpoint(ws, (int)i) == worker) ||
		    (ep->admin_secret == secret && (workers_of_host(ws, ep->host) == worker ||
		    dials_from(ws, worker, (int)i))))
			return true;
	}
	return false;
}

bool
workers_shows(const struct workers *ws, size_t worker, int cert)
{
	const struct fleet *f = ws->config.fleet;
	const struct endpoint *e;
	const struct link *l;

	for (l = f->links; l < f->links + f->nlinks; l++)
		if (l->presents.cert == cert && link_host(f, l) != NONE && workers_of_host(ws, link_host(f, l)) == worker)
			return true;
	for (e = f->endpoints; e < f->endpoints + f->nendpoints; e++)
		if (e->probe_cert == cert && (workers_of_endpoint(ws, (int)(e - f->endpoints)) == worker ||
		    (e->host != NONE && workers_of_host(ws, e->host) == worker)))
			return true;
	return false;
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
	ws->pairs = mem_array(fleet->ncerts, sizeof(*ws->pairs));
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
		if (workers_spawn(&ws->v[i], err) == -1)
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
		workers_forget(&ws->v[i]);
		workers_close_handle(ws->v[i].restart);
	}
	reap(pids, npids);
	free(pids);
	workers_close_handle(ws->expire);
	for (i = 0; i < ws->nquestions; i++)
		if (ws->questions[i].id != 0)
			buf_release(&ws->questions[i].frame);
	for (i = 0; i < fleet->nsecrets; i++)
		mem_wipe_free(ws->secrets[i].value, ws->secrets[i].len);
	for (i = 0; i < fleet->ncerts; i++) {
		free(ws->cas[i].value);
		mem_wipe_free(ws->pairs[i].value, ws->pairs[i].len);
	}
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
	free(ws->pairs);
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

	return workers_ask(ws, kind == READING_HOST ? workers_of_host(ws, subject) : workers_of_endpoint(ws, subject), &m,
	    deadline_ms);
}

uint64_t
workers_check(struct workers *ws, const struct check *check, int host, int64_t since_ms, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_CHECK, .subject = host, .since_ms = since_ms < 0 ? 0 : since_ms };
	struct buf blob = { 0 };
	size_t worker = host == NONE && check->endpoint != NONE ? workers_of_endpoint(ws, check->endpoint) :
	    workers_of_host(ws, host);

	/* Not sent; what the answer is held against. */
	m.what = check->kind == CHECK_REHEARSAL ? check->link : NONE;
	check_encode(check, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return workers_ask(ws, worker, &m, deadline_ms);
}

uint64_t
workers_canary(struct workers *ws, int link, enum dial dial, const struct canary_terms *terms, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_CANARY, .subject = link };
	struct buf blob = { 0 };

	canary_order_encode(terms, (int)dial, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return workers_ask(ws, workers_of_host(ws, link_host(ws->config.fleet, &ws->config.fleet->links[link])), &m,
	    deadline_ms);
}

uint64_t
workers_op(struct workers *ws, enum op_verb verb, const struct wire_op *order, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_OP, .what = (int)verb, .subject = NONE };
	struct buf blob = { .secret = true };

	wire_op_encode(order, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return workers_ask(ws, workers_of_host(ws, order->op.host), &m, deadline_ms);
}

uint64_t
workers_lease(struct workers *ws, int host, const struct wire_lease *lease, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_LEASE, .subject = host };
	struct buf blob = { 0 };

	wire_lease_encode(lease, &blob);
	m.blob = buf_take(&blob, &m.blob_len);
	return workers_ask(ws, workers_of_host(ws, host), &m, deadline_ms);
}

uint64_t
workers_records(struct workers *ws, int host, const char *plan_sha, int64_t deadline_ms)
{
	struct message m = { .kind = MSG_RECORDS, .subject = host };

	m.blob = mem_strdup(plan_sha);
	m.blob_len = strlen(plan_sha);
	return workers_ask(ws, workers_of_host(ws, host), &m, deadline_ms);
}

void
workers_hurry(struct workers *ws, uint64_t id)
{
	struct question *q = workers_question(ws, id);
	struct message m = { .kind = MSG_HURRY, .subject = NONE, .id = id };
	struct buf frame;

	if (q == NULL || !q->sent)
		return;
	if (workers_frame(&m, &frame) == 0)
		workers_write(&ws->v[q->worker], &frame);
	else
		buf_release(&frame);
}

void
workers_cancel(struct workers *ws, uint64_t id)
{
	struct question *q = workers_question(ws, id);
	struct message m = { .kind = MSG_CANCEL, .subject = NONE, .id = id };
	struct buf frame;

	if (q == NULL)
		return;
	if (q->sent) {
		if (workers_frame(&m, &frame) == 0)
			workers_write(&ws->v[q->worker], &frame);
		else
			buf_release(&frame);
	}
	workers_question_end(ws, q);
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
		if (workers_logs_in_by(ws, i, secret))
			workers_tell(&ws->v[i], MSG_SECRET, secret, value, len_bytes);
}

void
workers_ca(struct workers *ws, int cert, const char *pem, size_t len_bytes)
{
	size_t i;

	keep(&ws->cas[cert], pem, len_bytes);
	for (i = 0; i < ws->n; i++)
		workers_tell(&ws->v[i], MSG_CA, cert, pem, pem == NULL ? 0 : len_bytes);
}

void
workers_pair(struct workers *ws, int cert, const char *pem, size_t len_bytes)
{
	size_t i;

	keep(&ws->pairs[cert], pem, len_bytes);
	/* Only to those who stand in for a client that shows it. */
	for (i = 0; i < ws->n; i++)
		if (workers_shows(ws, i, cert))
			workers_tell(&ws->v[i], MSG_PAIR, cert, pem, len_bytes);
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
		workers_tell(&ws->v[i], MSG_PASSPHRASE, host, blob.data, blob.len);
	buf_release(&blob);
}

void
workers_sudo(struct workers *ws, int host, const char *password)
{
	size_t i;

	for (i = 0; i < ws->n; i++)
		workers_tell(&ws->v[i], MSG_SUDO, host, password, strlen(password));
}

void
workers_accept_host_key(struct workers *ws, int host, const char *fingerprint)
{
	size_t i;

	/* To all: another may hold a session to that host too, for a secret that is kept there. */
	for (i = 0; i < ws->n; i++)
		workers_tell(&ws->v[i], MSG_HOST_KEY, host, fingerprint, strlen(fingerprint));
}

void
workers_wake(struct workers *ws, int host)
{
	workers_tell(&ws->v[workers_of_host(ws, host)], MSG_WAKE, host, NULL, 0);
}
