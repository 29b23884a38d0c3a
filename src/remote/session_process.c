/*
 * session_process: see session_process.h.
 *
 * Invariant: a struct proc lives until its child was reaped and its handles
 * are closed, whatever became of the channel; `chan` is NULL from the moment
 * the channel let go of it.
 */
#include "remote/session_process.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define CHUNK_BYTES	16384
#define ERRTEXT_MAX	((size_t)2048)

struct proc {
	struct chan *chan;
	proc_translate *translate;
	uv_process_t child;
	uv_pipe_t in, out, err;
	uv_timer_t killer;
	uv_write_t write;
	uv_shutdown_t shutdown;
	char	*writing;
	size_t	 writing_len;
	bool	 exited, in_done;
	int	 reading;		/* of out and err, not at their end */
	int	 handles;
	int	 status;
	struct buf errtext;
	char	 chunk[CHUNK_BYTES];
};

static void
handle_closed(uv_handle_t *h)
{
	struct proc *p = h->data;

	if (--p->handles > 0)
		return;
	buf_release(&p->errtext);
	mem_wipe_free(p->writing, p->writing_len);
	free(p);
}

static void
close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, handle_closed);
}

static void
close_pipes(struct proc *p)
{
	close_handle((uv_handle_t *)&p->in);
	close_handle((uv_handle_t *)&p->out);
	close_handle((uv_handle_t *)&p->err);
}

static void
maybe_over(struct proc *p)
{
	struct chan *c = p->chan;
	struct session *s;
	enum stream_end end = STREAM_EXITED;
	struct err e;

	if (c == NULL || !p->exited || p->reading > 0)
		return;
	s = c->session;
	session_enter(s);
	chan_eof(c);
	if (p->chan == c) {
		e.msg[0] = '\0';
		if (p->translate != NULL)
			end = p->translate(c, p->status, buf_str(&p->errtext), &e);
		p->chan = NULL;
		c->impl = NULL;
		close_pipes(p);
		chan_ended(c, end, end == STREAM_EXITED ? p->status : -1,
		    end == STREAM_EXITED || end == STREAM_EOF ? NULL : &e);
	}
	session_leave(s);
}

static void
exit_cb(uv_process_t *h, int64_t status, int signo)
{
	struct proc *p = h->data;

	p->exited = true;
	p->status = signo != 0 ? 128 + signo : (int)status;
	close_handle((uv_handle_t *)&p->killer);
	close_handle((uv_handle_t *)h);
	if (p->chan == NULL)
		close_pipes(p);
	maybe_over(p);
}

static void
alloc_cb(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct proc *p = h->data;

	(void)hint;
	*ret = uv_buf_init(p->chunk, sizeof(p->chunk));
}

static void
read_cb(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct proc *p = h->data;
	struct chan *c = p->chan;
	struct session *s;
	bool is_out = (void *)h == (void *)&p->out;

	if (c == NULL || n == 0)
		return;
	s = c->session;
	session_enter(s);
	if (n > 0) {
		if (is_out)
			chan_data(c, b->base, (size_t)n);
		else {
			if (p->translate != NULL && p->errtext.len < ERRTEXT_MAX)
				buf_put(&p->errtext, b->base, (size_t)n);
			chan_errdata(c, b->base, (size_t)n);
		}
	} else {
		uv_read_stop(h);
		p->reading--;
		if (is_out)
			chan_eof(c);
		maybe_over(p);
	}
	session_leave(s);
}

static void
write_cb(uv_write_t *req, int status)
{
	struct proc *p = req->data;
	struct chan *c = p->chan;
	struct session *s;

	mem_wipe_free(p->writing, p->writing_len);
	p->writing = NULL;
	if (status != 0)
		p->in_done = true;	/* nobody reads: the exit status tells the rest */
	if (c == NULL)
		return;
	s = c->session;
	session_enter(s);
	proc_run(c);
	session_leave(s);
}

static void
shutdown_cb(uv_shutdown_t *req, int status)
{
	struct proc *p = req->data;

	(void)status;
	close_handle((uv_handle_t *)&p->in);
}

void
proc_run(struct chan *c)
{
	struct proc *p = c->impl;
	const void *data;
	size_t n;
	uv_buf_t b;

	if (p == NULL || p->writing != NULL)
		return;
	n = chan_pending(c, &data);
	if (p->in_done) {
		if (n > 0)
			chan_sent(c, n);
		return;
	}
	if (n > 0) {
		p->writing = mem_alloc(n);
		p->writing_len = n;
		memcpy(p->writing, data, n);
		chan_sent(c, n);
		b = uv_buf_init(p->writing, (unsigned int)n);
		p->write.data = p;
		if (uv_write(&p->write, (uv_stream_t *)&p->in, &b, 1, write_cb) != 0) {
			mem_wipe_free(p->writing, p->writing_len);
			p->writing = NULL;
			p->in_done = true;
		}
	} else if (c->out_eof && !c->out_eof_sent) {
		c->out_eof_sent = true;
		p->in_done = true;
		p->shutdown.data = p;
		if (uv_shutdown(&p->shutdown, (uv_stream_t *)&p->in, shutdown_cb) != 0)
			close_handle((uv_handle_t *)&p->in);
	}
}

static void
killer_cb(uv_timer_t *h)
{
	struct proc *p = h->data;

	uv_kill(-p->child.pid, SIGKILL);
}

void
proc_drop(struct chan *c)
{
	struct proc *p = c->impl;

	if (p == NULL)
		return;
	c->impl = NULL;
	p->chan = NULL;
	close_pipes(p);
	if (p->exited)
		return;
	uv_kill(-p->child.pid, SIGTERM);
	uv_timer_start(&p->killer, killer_cb, PROC_GRACE_MS, 0);
}

void
proc_start(struct chan *c, char *const argv[], proc_translate *translate)
{
	struct session *s = c->session;
	struct proc *p = mem_alloc(sizeof(*p));
	uv_process_options_t o;
	uv_stdio_container_t io[3];
	struct err e;
	int rc;

	c->impl = p;
	p->chan = c;
	p->translate = translate;
	buf_init(&p->errtext, ERRTEXT_MAX);
	uv_pipe_init(s->loop, &p->in, 0);
	uv_pipe_init(s->loop, &p->out, 0);
	uv_pipe_init(s->loop, &p->err, 0);
	uv_timer_init(s->loop, &p->killer);
	p->in.data = p->out.data = p->err.data = p->killer.data = p->child.data = p;
	p->handles = 5;
	memset(&o, 0, sizeof(o));
	memset(io, 0, sizeof(io));
	io[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
	io[0].data.stream = (uv_stream_t *)&p->in;
	io[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[1].data.stream = (uv_stream_t *)&p->out;
	io[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[2].data.stream = (uv_stream_t *)&p->err;
	o.exit_cb = exit_cb;
	o.file = argv[0];
	o.args = (char **)(uintptr_t)argv;
	o.flags = UV_PROCESS_DETACHED;
	o.stdio_count = 3;
	o.stdio = io;
	rc = uv_spawn(s->loop, &p->child, &o);
	if (rc != 0) {
		err_set(&e, "host '%s': cannot run '%s': %s", s->config.name, argv[0], uv_strerror(rc));
		c->impl = NULL;
		p->chan = NULL;
		p->exited = true;
		close_pipes(p);
		close_handle((uv_handle_t *)&p->killer);
		close_handle((uv_handle_t *)&p->child);
		chan_ended(c, STREAM_REFUSED, -1, &e);
		return;
	}
	p->reading = 2;
	uv_read_start((uv_stream_t *)&p->out, alloc_cb, read_cb);
	uv_read_start((uv_stream_t *)&p->err, alloc_cb, read_cb);
	chan_opened(c);
	if (c->state != CHAN_GONE && c->impl == p)
		proc_run(c);
}
