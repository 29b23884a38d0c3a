/*
 * session_system: the transport that runs the system's ssh, for what libssh2
 * falls short of: ProxyJump and ProxyCommand, certificates, RSA user keys, hardened
 * ciphers, host keys by authority.
 *
 * One master (ControlMaster) holds the connection; each channel is an `ssh`
 * over its socket: `ssh HOST COMMAND`, or `ssh -W ADDRESS:PORT HOST`.  The master
 * runs a command of its own on the host that says it is there and then waits for
 * its stdin to end, so that it cannot outlive this process, however that ends.
 *
 * Nothing is ever asked of a person here: BatchMode, and StrictHostKeyChecking
 * is on.  An unknown host key or a passphrase is a failure that says what to do.
 * No local shell, and names in argv come from ssh_config_word_ok()'s alphabet,
 * behind "--".
 *
 * Invariant: `master` lives until its child was reaped, whatever became of the
 * session; `s` is NULL once the session let go of it.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session_int.h"
#include "remote/session_process.h"
#include "remote/ssh_config.h"

#define GREETING	"belay: in"
#define HELLO		"echo '" GREETING "' && exec cat >/dev/null"
#define ERRTEXT_MAX	((size_t)4096)
#define GREETING_MAX	((size_t)65536)		/* what a host's start-up files may print before */
#define ARGS_MAX	32

struct master {
	struct session *s;
	char	*socket;
	uv_process_t child;
	uv_pipe_t in, out, err;
	int	 handles;
	bool	 exited, greeted;
	struct buf said, errtext;
	char	 chunk[4096];
};

/* ---- words for ssh ------------------------------------------------------- */

struct args {
	char	*at[ARGS_MAX];
	int	 n;
};

static void
arg(struct args *a, char *owned)
{
	if (a->n < ARGS_MAX - 1)
		a->at[a->n++] = owned;
	else
		free(owned);
}

static void
args_release(struct args *a)
{
	while (a->n > 0)
		free(a->at[--a->n]);
}

static void
common(struct args *a, const struct session *s, const char *socket, const char *master)
{
	const struct session_config *c = &s->config;

	memset(a, 0, sizeof(*a));
	arg(a, mem_strdup("ssh"));
	if (c->ssh_config != NULL) {
		arg(a, mem_strdup("-F"));
		arg(a, mem_strdup(c->ssh_config));
	}
	arg(a, mem_printf("-oControlMaster=%s", master));
	arg(a, mem_printf("-oControlPath=%s", socket));
	arg(a, mem_strdup("-oControlPersist=no"));
	arg(a, mem_strdup("-oBatchMode=yes"));
	arg(a, mem_strdup("-oStrictHostKeyChecking=yes"));
	arg(a, mem_strdup("-oUpdateHostKeys=no"));
	arg(a, mem_strdup("-oClearAllForwardings=yes"));
	arg(a, mem_strdup("-oPermitLocalCommand=no"));
	arg(a, mem_strdup("-oForwardAgent=no"));
	arg(a, mem_strdup("-oForwardX11=no"));
	arg(a, mem_strdup("-oRemoteCommand=none"));
	arg(a, mem_strdup("-oLogLevel=ERROR"));
	arg(a, mem_strdup("-T"));
	if (c->user != NULL) {
		arg(a, mem_strdup("-l"));
		arg(a, mem_strdup(c->user));
	}
	if (c->port != 0) {
		arg(a, mem_strdup("-p"));
		arg(a, mem_printf("%d", c->port));
	}
	if (c->identity != NULL) {
		arg(a, mem_strdup("-i"));
		arg(a, mem_strdup(c->identity));
	}
}

/* ---- the master ---------------------------------------------------------- */

static void
handle_closed(uv_handle_t *h)
{
	struct master *m = h->data;

	if (--m->handles > 0)
		return;
	buf_release(&m->said);
	buf_release(&m->errtext);
	free(m->socket);
	free(m);
}

static void
close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, handle_closed);
}

static void
master_over(struct master *m)
{
	struct session *s = m->s;
	struct err e;

	if (s == NULL)
		return;
	session_enter(s);
	while (m->errtext.len > 0 && strchr("\r\n", m->errtext.data[m->errtext.len - 1]) != NULL)
		m->errtext.data[--m->errtext.len] = '\0';
	err_set(&e, "host '%s': ssh %s: %s", s->config.name,
	    s->state == SESSION_UP ? "lost the connection" : "could not log in",
	    m->errtext.len > 0 ? buf_str(&m->errtext) : "it said nothing");
	if (strstr(e.msg, "Host key verification failed") != NULL)
		err_set(&e, "host '%s': its key is not (or no longer) the one in known_hosts; connect once "
		    "by 'ssh %s' to see and accept it", s->config.name, s->target->alias);
	session_failed(s, &e);
	session_leave(s);
}

static void
exit_cb(uv_process_t *h, int64_t status, int signo)
{
	struct master *m = h->data;

	(void)status;
	(void)signo;
	m->exited = true;
	close_handle((uv_handle_t *)h);
	if (m->s == NULL)
		close_handle((uv_handle_t *)&m->err);
	/* What it said comes before the end of its pipe; see read_cb(). */
}

static void
alloc_cb(uv_handle_t *h, size_t hint, uv_buf_t *ret)
{
	struct master *m = h->data;

	(void)hint;
	*ret = uv_buf_init(m->chunk, sizeof(m->chunk));
}

static void
read_cb(uv_stream_t *h, ssize_t n, const uv_buf_t *b)
{
	struct master *m = h->data;
	struct session *s = m->s;

	if (n == 0)
		return;
	if (n < 0) {
		uv_read_stop(h);
		if ((void *)h == (void *)&m->err)
			master_over(m);
		return;
	}
	if ((void *)h == (void *)&m->err) {
		buf_put(&m->errtext, b->base, (size_t)n);
		return;
	}
	if (m->greeted || s == NULL)
		return;
	buf_put(&m->said, b->base, (size_t)n);
	if (m->said.len < strlen(GREETING) || strstr(buf_str(&m->said), GREETING) == NULL)
		return;
	m->greeted = true;
	buf_release(&m->said);
	buf_clear(&m->errtext);		/* banners */
	session_enter(s);
	session_up(s);
	session_leave(s);
}

static void
master_stop(struct master *m)
{
	m->s = NULL;
	close_handle((uv_handle_t *)&m->in);
	close_handle((uv_handle_t *)&m->out);
	close_handle((uv_handle_t *)&m->err);
	if (!m->exited)
		uv_kill(m->child.pid, SIGTERM);
}

static void
system_start(struct session *s)
{
	struct master *m = mem_alloc(sizeof(*m));
	struct args a;
	uv_process_options_t o;
	uv_stdio_container_t io[3];
	const char *dir = keyring_socket_dir(s->keyring);
	int rc;

	s->link = m;
	m->s = s;
	m->socket = mem_printf("%s/%p", dir == NULL ? "/nonexistent" : dir, (void *)m);
	buf_init(&m->said, GREETING_MAX);
	buf_init(&m->errtext, ERRTEXT_MAX);
	uv_pipe_init(s->loop, &m->in, 0);
	uv_pipe_init(s->loop, &m->out, 0);
	uv_pipe_init(s->loop, &m->err, 0);
	m->in.data = m->out.data = m->err.data = m->child.data = m;
	m->handles = 4;
	common(&a, s, m->socket, "yes");
	arg(&a, mem_printf("-oConnectTimeout=%lld", (long long)((s->config.connect_deadline_ms + 999) / 1000)));
	arg(&a, mem_strdup("-oServerAliveInterval=15"));
	arg(&a, mem_strdup("-oServerAliveCountMax=3"));
	arg(&a, mem_strdup("--"));
	arg(&a, mem_strdup(s->target->alias));
	arg(&a, mem_strdup(HELLO));
	memset(&o, 0, sizeof(o));
	memset(io, 0, sizeof(io));
	io[0].flags = UV_CREATE_PIPE | UV_READABLE_PIPE;
	io[0].data.stream = (uv_stream_t *)&m->in;
	io[1].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[1].data.stream = (uv_stream_t *)&m->out;
	io[2].flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE;
	io[2].data.stream = (uv_stream_t *)&m->err;
	o.exit_cb = exit_cb;
	o.file = "ssh";
	o.args = a.at;
	o.flags = UV_PROCESS_DETACHED;
	o.stdio_count = 3;
	o.stdio = io;
	session_step(s, SESSION_CONNECTING, "the system's ssh");
	rc = uv_spawn(s->loop, &m->child, &o);
	args_release(&a);
	if (rc != 0) {
		/* Told by the next run(): nothing is reported from inside start(). */
		m->exited = true;
		close_handle((uv_handle_t *)&m->child);
		buf_printf(&m->errtext, "cannot run ssh: %s", uv_strerror(rc));
		session_soon(s);
		return;
	}
	uv_read_start((uv_stream_t *)&m->out, alloc_cb, read_cb);
	uv_read_start((uv_stream_t *)&m->err, alloc_cb, read_cb);
}

static void
system_stop(struct session *s)
{
	if (s->link != NULL)
		master_stop(s->link);
	s->link = NULL;
}

/* ---- channels ------------------------------------------------------------ */

/* ssh's own failures have status 255 and a word on stderr; so may a command. */
static enum stream_end
translate(struct chan *c, int status, const char *errtext, struct err *ret)
{
	const char *p, *name = c->session->config.name;
	size_t n;

	if (c->kind == CHAN_EXEC) {
		if (status == 255 && strstr(errtext, "mux_client_request_session") != NULL) {
			err_set(ret, "host '%s': cannot open a session for a command: %s", name, errtext);
			return STREAM_REFUSED;
		}
		return STREAM_EXITED;
	}
	if (status == 0)
		return STREAM_EOF;
	p = strstr(errtext, "open failed: ");
	if (p != NULL)
		p += strlen("open failed: ");
	else if ((p = strstr(errtext, "request failed: ")) != NULL)
		p += strlen("request failed: ");	/* over a master, ssh does not say more */
	else
		p = errtext;
	n = strcspn(p, "\r\n");
	err_set(ret, "host '%s': cannot reach %s port %d from there: %.*s", name, c->what, c->port,
	    (int)n, p);
	return c->eof_seen && *errtext == '\0' ? STREAM_LOST : STREAM_REFUSED;
}

static void
open_channel(struct session *s, struct chan *c)
{
	struct master *m = s->link;
	struct args a;

	common(&a, s, m->socket, "no");
	if (c->kind == CHAN_DIAL) {
		arg(&a, mem_strdup("-W"));
		arg(&a, strchr(c->what, ':') != NULL ? mem_printf("[%s]:%d", c->what, c->port) :
		    mem_printf("%s:%d", c->what, c->port));
	}
	arg(&a, mem_strdup("--"));
	arg(&a, mem_strdup(s->target->alias));
	if (c->kind == CHAN_EXEC)
		arg(&a, mem_strdup(c->what));
	proc_start(c, a.at, translate);
	args_release(&a);
}

static void
system_run(struct session *s)
{
	struct master *m = s->link;
	struct chan *c, *next;
	struct err e;

	if (m->exited && !m->greeted && uv_is_closing((uv_handle_t *)&m->child) &&
	    !uv_is_active((uv_handle_t *)&m->err)) {
		err_set(&e, "host '%s': %s", s->config.name, buf_str(&m->errtext));
		session_failed(s, &e);
		return;
	}
	if (s->state != SESSION_UP)
		return;
	for (c = s->first; c != NULL && !s->dead; c = next) {
		next = c->next;
		if (c->state == CHAN_WAITING)
			continue;
		if (c->detached)
			chan_ended(c, STREAM_EOF, -1, NULL);
		else
			proc_run(c);
	}
	while (!s->dead && s->link == m && (c = session_next(s)) != NULL)
		open_channel(s, c);
}

static int64_t
system_tick(struct session *s, int64_t now)
{
	(void)s;
	(void)now;
	return 0;
}

const struct transport transport_system = {
	.name = "ssh", .start = system_start, .stop = system_stop, .run = system_run,
	.drop = proc_drop, .tick = system_tick
};
