/*
 * agent: see agent.h.
 *
 * Owns the queue of questions and one connection for each that is under way:
 * connect, write, read one message, close.  A message is a length of four bytes, a type, and what the type has.
 */
#include "remote/agent.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/sshdata.h"

enum {
	REQUEST_IDENTITIES = 11, IDENTITIES_ANSWER = 12,
	SIGN_REQUEST = 13, SIGN_RESPONSE = 14
};

struct agent {
	uv_loop_t *loop;
	struct agent_query *first, *last;	/* not yet begun */
	int	 active;
	char	*list_path;			/* whose answer `list` is */
	struct buf list;
	int64_t	 list_at;
};

struct agent_query {
	struct agent *agent;
	struct agent_query *next;
	char	*path;
	bool	 queued, begun, kept;
	agent_listed *listed;
	agent_signed *done;
	void	*arg;
	bool	 over;
	char	 type[64];		/* of the key that signs */
	uv_pipe_t pipe;
	uv_timer_t timer;
	uv_connect_t connect;
	uv_write_t write;
	struct buf out, in;
	int	 handles;
	char	 chunk[4096];
};

static void
closed_cb(uv_handle_t *h)
{
	struct agent_query *q = h->data;

	if (--q->handles > 0)
		return;
	buf_release(&q->out);
	buf_release(&q->in);
	free(q->path);
	free(q);
}

static void	begin_next(struct agent *);

static void
unqueue(struct agent_query *q)
{
	struct agent_query **at, *last = NULL;

	for (at = &q->agent->first; *at != NULL; at = &(*at)->next) {
		if (*at == q) {
			*at = q->next;
			break;
		}
		last = *at;
	}
	if (q->agent->last == q)
		q->agent->last = last;
	q->queued = false;
}

static void
close_all(struct agent_query *q)
{
	q->over = true;
	if (q->queued)
		unqueue(q);
	if (q->begun) {
		q->agent->active--;
		begin_next(q->agent);
	}
	if (!uv_is_closing((uv_handle_t *)&q->pipe))
		uv_close((uv_handle_t *)&q->pipe, closed_cb);
	if (!uv_is_closing((uv_handle_t *)&q->timer))
		uv_close((uv_handle_t *)&q->timer, closed_cb);
}

void
agent_cancel(struct agent_query *q)
{
	if (q != NULL && !q->over)
		close_all(q);
}

static void
failed(struct agent_query *q, const char *why)
{
	struct err e;

	if (q->over)
		return;
	err_set(&e, "ssh-agent: %s", why);
	close_all(q);
	if (q->listed != NULL)
		q->listed(q->arg, NULL, 0, &e);
	else
		q->done(q->arg, NULL, 0, &e);
}

static void
answer_list(struct agent_query *q, struct sshdata c)
{
	struct agent_key *keys;
	struct sshdata blob, comment;
	uint32_t n = sshdata_u32(&c);
	size_t i, got = 0;

	if (c.bad || n > AGENT_KEYS_MAX) {
		failed(q, "its list of keys is damaged or too long");
		return;
	}
	keys = mem_array(n == 0 ? 1 : n, sizeof(*keys));
	for (i = 0; i < n; i++) {
		blob = sshdata_string(&c);
		comment = sshdata_string(&c);
		if (c.bad)
			break;
		keys[got].blob = mem_alloc(blob.left + 1);
		memcpy(keys[got].blob, blob.p, blob.left);
		keys[got].blob_len = blob.left;
		keys[got].comment = mem_strndup((const char *)comment.p, comment.left);
		got++;
	}
	if (c.bad)
		failed(q, "its list of keys is damaged");
	else {
		close_all(q);
		q->listed(q->arg, keys, got, NULL);
	}
	for (i = 0; i < got; i++) {
		free(keys[i].blob);
		free(keys[i].comment);
	}
	free(keys);
}

static void
answer_sign(struct agent_query *q, struct sshdata c)
{
	struct sshdata whole = sshdata_string(&c), type, sig;

	type = sshdata_string(&whole);
	sig = sshdata_string(&whole);
	if (c.bad || whole.bad) {
		failed(q, "its signature is damaged");
		return;
	}
	if (type.left != strlen(q->type) || memcmp(type.p, q->type, type.left) != 0) {
		failed(q, "it signed in another way than was asked for");
		return;
	}
	close_all(q);
	q->done(q->arg, sig.p, sig.left, NULL);
}

static void
alloc_cb(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct agent_query *q = h->data;

	(void)hint;
	*ret = uv_buf_init(q->chunk, sizeof(q->chunk));
}

static void
keep_list(struct agent_query *q)
{
	struct agent *a = q->agent;

	free(a->list_path);
	a->list_path = mem_strdup(q->path);
	buf_clear(&a->list);
	buf_put(&a->list, q->in.data, q->in.len);
	a->list_at = (int64_t)uv_now(a->loop);
}

static void
look(struct agent_query *q)
{
	struct sshdata c;
	uint32_t want;

	c.p = (const unsigned char *)q->in.data;
	c.left = q->in.len;
	c.bad = false;
	if (c.left < 5)
		return;
	want = sshdata_u32(&c);
	if (want == 0 || want > AGENT_ANSWER_MAX || q->in.over) {
		failed(q, "its answer is too long");
		return;
	}
	if (c.left < want)
		return;
	c.left = want;
	if (q->listed != NULL && !q->kept)
		keep_list(q);
	c.p++;
	c.left--;
	if (c.p[-1] == IDENTITIES_ANSWER && q->listed != NULL)
		answer_list(q, c);
	else if (c.p[-1] == SIGN_RESPONSE && q->done != NULL)
		answer_sign(q, c);
	else
		failed(q, q->listed != NULL ? "it does not list its keys" :
		    "it does not sign (locked, or not confirmed)");
}

static void
read_cb(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct agent_query *q = h->data;

	if (q->over || n == 0)
		return;
	if (n < 0) {
		failed(q, "it hung up");
		return;
	}
	buf_put(&q->in, b->base, (size_t)n);
	look(q);
}

static void
write_cb(uv_write_t *req, int status)
{
	struct agent_query *q = req->data;

	if (status != 0 && !q->over)
		failed(q, uv_strerror(status));
}

static void
connect_cb(uv_connect_t *req, int status)
{
	struct agent_query *q = req->data;
	uv_buf_t b;

	if (q->over)
		return;
	if (status != 0) {
		failed(q, uv_strerror(status));
		return;
	}
	uv_read_start((uv_stream_t *)&q->pipe, alloc_cb, read_cb);
	b = uv_buf_init(q->out.data, (unsigned int)q->out.len);
	q->write.data = q;
	if (uv_write(&q->write, (uv_stream_t *)&q->pipe, &b, 1, write_cb) != 0)
		failed(q, "it cannot be written to");
}

static void
timer_cb(uv_timer_t *t)
{
	struct agent_query *q = t->data;

	if (q->kept)
		look(q);
	else
		failed(q, "it does not answer");
}

static void
begin_next(struct agent *a)
{
	struct agent_query *q;

	while (a->active < AGENT_ACTIVE_MAX && (q = a->first) != NULL) {
		unqueue(q);
		if (q->listed != NULL && a->list_path != NULL && strcmp(a->list_path, q->path) == 0 &&
		    (int64_t)uv_now(a->loop) - a->list_at < AGENT_LIST_KEEP_MS) {
			q->kept = true;
			buf_put(&q->in, a->list.data, a->list.len);
			uv_timer_start(&q->timer, timer_cb, 0, 0);
			continue;
		}
		q->begun = true;
		a->active++;
		/* Its failures too are told through connect_cb. */
		uv_pipe_connect(&q->connect, &q->pipe, q->path, connect_cb);
	}
}

static struct agent_query *
ask(struct agent *a, const char *path, int64_t limit_ms, void *arg)
{
	struct agent_query *q = mem_alloc(sizeof(*q));

	q->agent = a;
	q->arg = arg;
	q->path = mem_strdup(path);
	uv_pipe_init(a->loop, &q->pipe, 0);
	uv_timer_init(a->loop, &q->timer);
	q->pipe.data = q->timer.data = q->connect.data = q;
	q->handles = 2;
	buf_init(&q->out, AGENT_ANSWER_MAX);
	buf_init(&q->in, AGENT_ANSWER_MAX + 8);
	uv_timer_start(&q->timer, timer_cb, (uint64_t)limit_ms, 0);
	return q;
}

static struct agent_query *
send_off(struct agent_query *q)
{
	struct agent *a = q->agent;

	if (a->last != NULL)
		a->last->next = q;
	else
		a->first = q;
	a->last = q;
	q->queued = true;
	begin_next(a);
	return q;
}

struct agent *
agent_new(struct uv_loop_s *loop)
{
	struct agent *a = mem_alloc(sizeof(*a));

	a->loop = loop;
	buf_init(&a->list, AGENT_ANSWER_MAX + 8);
	return a;
}

void
agent_free(struct agent *a)
{
	if (a == NULL)
		return;
	buf_release(&a->list);
	free(a->list_path);
	free(a);
}

struct agent_query *
agent_list(struct agent *a, const char *path, agent_listed *listed, void *arg)
{
	struct agent_query *q = ask(a, path, AGENT_LIST_MS, arg);

	q->listed = listed;
	sshdata_put_u32(&q->out, 1);
	buf_putc(&q->out, REQUEST_IDENTITIES);
	return send_off(q);
}

struct agent_query *
agent_sign(struct agent *a, const char *path, const unsigned char *blob, size_t blob_len,
    const unsigned char *data, size_t data_len, agent_signed *done, void *arg)
{
	struct agent_query *q = ask(a, path, AGENT_SIGN_MS, arg);
	struct sshdata c = { blob, blob_len, false }, type = sshdata_string(&c);

	q->done = done;
	if (!c.bad && type.left < sizeof(q->type))
		memcpy(q->type, type.p, type.left);
	sshdata_put_u32(&q->out, 1 + 4 + blob_len + 4 + data_len + 4);
	buf_putc(&q->out, SIGN_REQUEST);
	sshdata_put_string(&q->out, blob, blob_len);
	sshdata_put_string(&q->out, data, data_len);
	sshdata_put_u32(&q->out, 0);
	return send_off(q);
}
