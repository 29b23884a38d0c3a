/*
 * workers_process: a worker's process: spawned with its socket, told what a
 * fresh one has to know, read until it ends, reaped, and started anew after a while.
 */
#include "engine/workers_int.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/err.h"
#include "core/mem.h"

#define BACKOFF_MIN_MS	100
#define BACKOFF_MAX_MS	5000
#define LIVED_WELL_MS	10000		/* after that long, the next death starts the backoff anew */
#define ERRTEXT_MAX	((size_t)4 << 10)

static void worker_start_later(struct worker *);

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
		workers_feed(w, buf->base, (size_t)n);
	else if (n < 0) {
		(void)uv_read_stop(stream);
		/* It let go of its socket: it is ending, or it is good for nothing. */
		workers_kill(w, "");
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
	for (i = 0; i < ws->config.fleet->nhosts; i++) {
		if (workers_of_host(ws, (int)i) != w->index)
			continue;
		memcpy(view.transport, ws->views[i].transport, sizeof(view.transport));
		workers_show_host(ws, (int)i, &view, HOST_NEEDS_NOTHING, "", "");
	}
}

void
workers_forget(struct worker *w)
{
	workers_close_handle(w->process);
	workers_close_handle(w->pipe);
	workers_close_handle(w->errpipe);
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
	drain(w, w->pipe, workers_feed);
	drain(w, w->errpipe, feed_errors);
	describe_end(w, status, sig, why, sizeof(why));
	if (w->ready && uv_now(ws->config.loop) - w->ready_at > LIVED_WELL_MS)
		w->deaths = 0;
	workers_forget(w);
	for (i = 0; i < ws->nquestions; i++) {
		struct question *q = &ws->questions[i];

		if (q->id == 0 || q->worker != w->index || !q->sent)
			continue;
		id = mem_push(&lost, &nlost, sizeof(*id));
		*id = q->id;
		workers_question_end(ws, q);
	}
	worker_start_later(w);
	hosts_lost(w, why);
	workers_report_lost(ws, lost, nlost);
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
	if (workers_frame(&m, &frame) == 0)
		workers_write(w, &frame);
	else
		buf_release(&frame);
	for (i = 0; i < fleet->ncerts; i++)
		if (ws->cas[i].value != NULL)
			workers_tell(w, MSG_CA, (int)i, ws->cas[i].value, ws->cas[i].len);
	for (i = 0; i < fleet->ncerts; i++)
		if (ws->pairs[i].value != NULL && workers_shows(ws, w->index, (int)i))
			workers_tell(w, MSG_PAIR, (int)i, ws->pairs[i].value, ws->pairs[i].len);
	for (i = 0; i < fleet->nsecrets; i++) {
		int s = (int)i;

		if (ws->secrets[s].value != NULL && workers_logs_in_by(ws, w->index, s))
			workers_tell(w, MSG_SECRET, s, ws->secrets[s].value, ws->secrets[s].len);
	}
	for (i = 0; i < ws->npassphrases; i++) {
		buf_clear(&blob);
		wire_strings_encode(ws->passphrases[i].keyfile, ws->passphrases[i].value, &blob);
		workers_tell(w, MSG_PASSPHRASE, ws->passphrases[i].host, blob.data, blob.len);
	}
	for (i = 0; i < fleet->nhosts; i++)
		if (ws->addresses[i] != NULL)
			workers_tell(w, MSG_ADDRESSES, (int)i, ws->addresses[i], strlen(ws->addresses[i]));
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
		workers_question_send(ws, workers_question(ws, waiting[i]));
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

int
workers_spawn(struct worker *w, struct err *err)
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
		workers_forget(w);
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

	if (workers_spawn(w, &err) == -1) {
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
