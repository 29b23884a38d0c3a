/*
 * worker: see worker.h.
 *
 * Owns the process's loop, its socket to the console and what it is told; a session for
 * each host is in worker_hosts.c, the jobs under way and the secrets in worker_jobs.c.
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

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "pki/digest.h"
#include "remote/addresses.h"
#include "remote/hostops.h"
#include "remote/keyring.h"
#include "remote/pq.h"
#include "remote/probe.h"
#include "remote/session.h"
#include "remote/worker_int.h"
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
#define MEMORY_MAX	((rlim_t)2 << 30)
#define FILES_PER_HOST	8

void
worker_die(struct worker *w, const char *what, const struct err *err)
{
	(void)fprintf(stderr, "belay worker: %s%s%s\n", what, err == NULL ? "" : ": ", err == NULL ? "" : err->msg);
	w->status = 1;
	w->ending = true;
	uv_stop(&w->loop);
}

int64_t
worker_now(struct worker *w)
{
	return (int64_t)uv_now(&w->loop);
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
void
worker_say(struct worker *w, const struct message *m)
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
		worker_die(w, "cannot answer", &err);
		return;
	}
	buf = uv_buf_init(s->frame.data, (unsigned int)s->frame.len);
	if (w->ending || uv_write(&s->req, (uv_stream_t *)&w->socket, &buf, 1, sent) != 0) {
		buf_release(&s->frame);
		free(s);
	}
}

bool
worker_has(struct worker *w, int index, size_t n)
{
	if (index >= 0 && (size_t)index < n)
		return true;
	worker_die(w, "an index that the fleet does not have", NULL);
	return false;
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
		if (!worker_owns(w, (int)i) || h->base != NONE)
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

	worker_set_secret(&w->secrets[m->subject], m->blob, m->blob_len);
	for (i = 0; i < w->fleet->nhosts; i++)
		if (w->fleet->hosts[i].become_password == m->subject)
			hostops_sudo_anew(w->hostops, (int)i);
}

/* Nobody who does not have the run's key can call his connections so beforehand. */
static void
name_connections(struct worker *w, const unsigned char *key)
{
	char hex[DIGEST_HEX_SIZE];

	digest_sha256_hex(key, 32, hex);
	digest_sha256_hex(hex, strlen(hex), hex);
	(void)snprintf(w->redis_name, sizeof(w->redis_name), "%s-%.16s", PQ_APPLICATION, hex);
}

/* Told to whoever counts the connections of that endpoint: a Redis counts this one, too. */
static void
worker_made(void *arg, int endpoint)
{
	struct message m = { .kind = MSG_MADE_UP, .subject = endpoint };
	struct worker *w = arg;
	const struct endpoint *ep = &w->fleet->endpoints[endpoint];

	if (worker_owns(w, ep->via != NONE ? ep->via : ep->host))
		probes_made(w->probes, endpoint);
	else
		worker_say(w, &m);
}

static void
take_fleet(struct worker *w, const struct message *m)
{
	struct probes_config probes = { .loop = &w->loop, .session = worker_session, .secret = worker_secret, .arg = w };
	struct hostops_config hostops = { .loop = &w->loop, .session = worker_session, .password = worker_sudo_password,
		.sudo = worker_sudo_heard, .arg = w };
	struct wire_fleet f;
	struct err err;
	size_t i;

	if (w->fleet != NULL) {
		worker_die(w, "the fleet was told twice", NULL);
		return;
	}
	if (wire_fleet_decode(&f, m->blob, m->blob_len, &err) == -1 ||
	    fleet_parse(&w->fleet, f.path, f.text, f.len, &err) == -1) {
		worker_die(w, "the fleet", &err);
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
	w->pairs = mem_array(w->fleet->ncerts, sizeof(*w->pairs));
	w->keyring = keyring_new(&w->loop);
	w->addresses = addresses_new(&w->loop, w->fleet->nhosts, worker_host_learnt, w);
	probes.fleet = hostops.fleet = w->fleet;
	memcpy(hostops.key, f.key, sizeof(hostops.key));
	name_connections(w, f.key);
	probes.redis_name = w->redis_name;
	w->canaries = mem_array(w->fleet->nlinks + 1, sizeof(*w->canaries));
	w->probes = probes_new(&probes);
	hostops.probes = w->probes;
	w->hostops = hostops_new(&hostops);
	w->rehearsals = (struct rehearsals){ .loop = &w->loop, .fleet = w->fleet, .hostops = w->hostops,
		.session = worker_session, .secret = worker_secret, .pair = worker_pair, .redis_name = w->redis_name,
		.made = worker_made, .arg = w };
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
		worker_die(w, "a passphrase", &err);
		return;
	}
	session_passphrase(worker_session(w, m->subject), keyfile, passphrase);
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
take_pair(struct worker *w, const struct message *m)
{
	struct pair_slot *p = &w->pairs[m->subject];

	mem_wipe_free(p->pem, p->len);
	p->pem = mem_strndup(m->blob, m->blob_len);
	p->len = m->blob_len;
	probes_pair(w->probes, m->subject, m->blob, m->blob_len);
}

static void
take_message(struct worker *w, const struct message *m)
{
	if (w->fleet == NULL && m->kind != MSG_FLEET) {
		worker_die(w, "a message before the fleet", NULL);
		return;
	}
	switch (m->kind) {
	case MSG_FLEET:
		take_fleet(w, m);
		return;
	case MSG_SECRET:
		if (worker_has(w, m->subject, w->fleet->nsecrets))
			take_secret(w, m);
		return;
	case MSG_CA:
		if (worker_has(w, m->subject, w->fleet->ncerts))
			take_ca(w, m);
		return;
	case MSG_PAIR:
		if (worker_has(w, m->subject, w->fleet->ncerts))
			take_pair(w, m);
		return;
	case MSG_PROBE:
	case MSG_CHECK:
	case MSG_OP:
	case MSG_LEASE:
	case MSG_RECORDS:
	case MSG_CANARY:
	case MSG_CANCEL:
	case MSG_HURRY:
		worker_take_question(w, m);
		return;
	case MSG_HOST_KEY:
		if (worker_has(w, m->subject, w->fleet->nhosts))
			take_host_key(w, m);
		return;
	case MSG_PASSPHRASE:
		if (worker_has(w, m->subject, w->fleet->nhosts))
			take_passphrase(w, m);
		return;
	case MSG_SUDO:
		if (worker_has(w, m->subject, w->fleet->nhosts)) {
			worker_sudo_told(&w->slots[m->subject], m->blob == NULL ? "" : m->blob);
			worker_tell_host(&w->slots[m->subject]);
		}
		return;
	case MSG_WAKE:
		if (worker_has(w, m->subject, w->fleet->nhosts))
			session_wake(worker_session(w, m->subject));
		return;
	case MSG_MADE:
		if (worker_has(w, m->subject, w->fleet->nendpoints))
			probes_made(w->probes, m->subject);
		return;
	case MSG_ADDRESSES:
		if (worker_has(w, m->subject, w->fleet->nhosts))
			take_addresses(w, m);
		return;
	case MSG_READY:
	case MSG_HOST:
	case MSG_READING:
	case MSG_OP_DONE:
	case MSG_OP_TEXT:
	case MSG_CANARY_SEEN:
	case MSG_MADE_UP:
		break;
	}
	worker_die(w, "a message that goes the other way", NULL);
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
		worker_die(w, "what the console says", &err);
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
	worker_end_jobs(w);
	for (i = 0; w->canaries != NULL && i < w->fleet->nlinks; i++)
		canary_run_free(w->canaries[i]);
	free(w->canaries);
	for (i = 0; w->secrets != NULL && i < w->fleet->nsecrets; i++) {
		if (w->secrets[i].reading != NULL)
			hostop_cancel(w->secrets[i].reading);
		worker_set_secret(&w->secrets[i], NULL, 0);
	}
	for (i = 0; w->pairs != NULL && i < w->fleet->ncerts; i++)
		mem_wipe_free(w->pairs[i].pem, w->pairs[i].len);
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
	free(w->pairs);
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
	worker_say(&w, &ready);
	if (uv_read_start((uv_stream_t *)&w.socket, alloc_chunk, read_messages) != 0)
		return 1;
	(void)uv_run(&w.loop, UV_RUN_DEFAULT);
	release(&w);
	return w.status;
}
