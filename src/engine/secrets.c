/*
 * secrets: where a secret that the fleet names is found: in a file, a variable or an inherited
 * descriptor, in what a command prints, in what a person says.  Owns commands while they run.
 *
 * No secret is ever written, shown or put into words here; what holds one is wiped.
 * What must be asked of a person goes through engine_put_ask().
 */
#include "engine/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/engine_int.h"

#define COMMAND_DEADLINE_MS	30000

void
secret_trim(struct buf *b)
{
	while (b->len > 0 && (b->data[b->len - 1] == '\n' || b->data[b->len - 1] == '\r'))
		b->data[--b->len] = '\0';
}

static void
give(struct engine *e, int secret, struct buf *value)
{
	secret_trim(value);
	workers_secret(e->workers, secret, buf_str(value), value->len);
	watch_all_soon(e);
}

char *
operators_path(const char *path)
{
	const struct passwd *pw;

	if (strncmp(path, "~/", 2) != 0 || (pw = getpwuid(getuid())) == NULL)
		return mem_strdup(path);
	return mem_printf("%s%s", pw->pw_dir, path + 1);
}

int
secret_read_fd(int fd, struct buf *out, const char *what, struct err *err)
{
	char chunk[4096];
	ssize_t n;

	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		if (buf_put(out, chunk, (size_t)n) != 0) {
			mem_wipe(chunk, sizeof(chunk));
			return err_set(err, "%s is longer than %zu bytes", what, out->max);
		}
	mem_wipe(chunk, sizeof(chunk));
	if (n == -1)
		return err_set(err, "cannot read %s: %s", what, strerror(errno));
	return 0;
}

int
secret_read_file(const char *name, bool alone, struct buf *out, struct err *err)
{
	char *path = operators_path(name);
	struct stat st;
	int fd, rc = -1;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)) == -1)
		(void)err_set(err, "cannot open '%s': %s", path, strerror(errno));
	else if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		(void)err_set(err, "'%s' is not a regular file", path);
	else if (alone && (st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		(void)err_set(err, "'%s' may be read by others; chmod 600 it", path);
	else
		rc = secret_read_fd(fd, out, path, err);
	if (fd != -1)
		(void)close(fd);
	free(path);
	return rc;
}

int
secret_read(const struct secret *s, struct buf *out, struct err *err)
{
	const char *env;

	switch (s->source) {
	case SECRET_FILE:
		return secret_read_file(s->file, true, out, err);
	case SECRET_FD:
		return secret_read_fd(s->fd, out, "its descriptor", err);
	case SECRET_ENV:
		if ((env = getenv(s->key)) == NULL)
			return err_set(err, "the variable '%s' is not set", s->key);
		if (buf_puts(out, env) != 0)
			return err_set(err, "the variable '%s' is longer than %zu bytes", s->key, out->max);
		return 0;
	case SECRET_COMMAND:
	case SECRET_PROMPT:
	case SECRET_HOST_ENV:
	case SECRET_OBJECT:
		break;
	}
	return err_set(err, "it is not read here");
}

/* A secret that a command prints. */
struct fetching {
	struct engine *engine;
	secret_then *then;
	int	 arg;
	uv_process_t process;
	uv_pipe_t out;
	uv_timer_t timer;
	struct buf value;
	int	 open;		/* handles not closed yet */
	bool	 timed_out;
	int64_t	 status;
};

static void
fetching_closed(uv_handle_t *handle)
{
	struct fetching *f = handle->data;
	struct engine *e = f->engine;
	char why[96] = "";

	if (--f->open > 0)
		return;
	if (!e->stopping) {
		if (f->timed_out)
			(void)snprintf(why, sizeof(why), "its command did not end within %d s", COMMAND_DEADLINE_MS / 1000);
		else if (f->status != 0)
			(void)snprintf(why, sizeof(why), "its command ended with %lld", (long long)f->status);
		f->then(e, f->arg, &f->value, why[0] == '\0' ? NULL : why);
		engine_arm(e);
	}
	buf_release(&f->value);
	free(f);
}

static void
fetching_end(struct fetching *f)
{
	uv_handle_t *handles[3] = { (uv_handle_t *)&f->process, (uv_handle_t *)&f->out,
	    (uv_handle_t *)&f->timer };
	size_t i;

	for (i = 0; i < 3; i++)
		if (!uv_is_closing(handles[i]))
			uv_close(handles[i], fetching_closed);
}

static void
on_fetch_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	(void)handle;
	(void)suggested;
	ret->base = mem_alloc(4096);
	ret->len = 4096;
}

static void
on_fetch_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct fetching *f = stream->data;

	if (n > 0)
		(void)buf_put(&f->value, buf->base, (size_t)n);
	if (buf->base != NULL)
		mem_wipe_free(buf->base, buf->len);
	if (n < 0 && f->status != INT64_MIN)
		fetching_end(f);
	else if (n < 0)
		(void)uv_read_stop(stream);
}

static void
on_fetch_exit(uv_process_t *process, int64_t status, int signal)
{
	struct fetching *f = process->data;

	f->status = signal != 0 ? 128 + signal : status;
	if (!uv_is_active((uv_handle_t *)&f->out))
		fetching_end(f);
}

static void
on_fetch_late(uv_timer_t *timer)
{
	struct fetching *f = timer->data;

	f->timed_out = true;
	(void)uv_process_kill(&f->process, SIGKILL);
	fetching_end(f);
}

void
secret_fetch(struct engine *e, int secret, secret_then *then, int arg)
{
	struct fetching *f = mem_alloc(sizeof(*f));
	uv_stdio_container_t io[3];
	uv_process_options_t o;
	char sh[] = "/bin/sh", c[] = "-c";
	char *argv[4] = { sh, c, e->fleet->secrets[secret].command, NULL };
	int rc;

	memset(&o, 0, sizeof(o));
	memset(io, 0, sizeof(io));
	f->engine = e;
	f->then = then;
	f->arg = arg;
	f->status = INT64_MIN;
	buf_init(&f->value, SECRET_MAX);
	f->value.secret = true;
	(void)uv_pipe_init(&e->loop, &f->out, 0);
	(void)uv_timer_init(&e->loop, &f->timer);
	f->process.data = f->out.data = f->timer.data = f;
	io[0].flags = UV_IGNORE;
	io[1].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
	io[1].data.stream = (uv_stream_t *)&f->out;
	io[2].flags = UV_IGNORE;
	o.file = sh;
	o.args = argv;
	o.stdio = io;
	o.stdio_count = 3;
	o.exit_cb = on_fetch_exit;
	f->open = 3;
	if ((rc = uv_spawn(&e->loop, &f->process, &o)) != 0) {
		engine_tell(e, TELL_ERROR, "secret '%s': cannot run its command: %s",
		    e->fleet->secrets[secret].name, uv_strerror(rc));
		f->status = 127;
		fetching_end(f);
		return;
	}
	(void)uv_read_start((uv_stream_t *)&f->out, on_fetch_alloc, on_fetch_read);
	(void)uv_timer_start(&f->timer, on_fetch_late, COMMAND_DEADLINE_MS, 0);
}

static void
fetched(struct engine *e, int secret, struct buf *value, const char *why)
{
	if (why == NULL)
		give(e, secret, value);
	else
		engine_tell(e, TELL_ERROR, "secret '%s': %s", e->fleet->secrets[secret].name, why);
}

static void
start(struct engine *e, int secret)
{
	const struct secret *s = &e->fleet->secrets[secret];
	struct buf value;
	struct err err = { "" };
	char title[256];

	switch (s->source) {
	case SECRET_FILE:
	case SECRET_FD:
	case SECRET_ENV:
		break;
	case SECRET_COMMAND:
		secret_fetch(e, secret, fetched, secret);
		return;
	case SECRET_PROMPT:
		(void)snprintf(title, sizeof(title), "%s (secret '%s')", s->prompt, s->name);
		(void)engine_put_ask(e, ASK_SECRET, secret, NULL, title, NULL, false);
		return;
	case SECRET_HOST_ENV:		/* the worker reads it where it is */
	case SECRET_OBJECT:
		return;
	}
	buf_init(&value, SECRET_MAX);
	value.secret = true;
	if (secret_read(s, &value, &err) == 0)
		give(e, secret, &value);
	else
		engine_tell(e, TELL_ERROR, "secret '%s': %s", s->name, err.msg);
	buf_release(&value);
}

static bool
servers_need(const struct engine *e, int secret)
{
	const struct fleet *f = e->fleet;
	size_t i;

	/* Who only looks has no use for the password of an admin. */
	for (i = 0; i < f->nhosts; i++)
		if (f->hosts[i].become_password == secret)
			return true;
	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].probe_secret == secret ||
		    (e->plan != NULL && f->endpoints[i].admin_secret == secret))
			return true;
	return false;
}

void
secrets_seal(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->fleet->nsecrets; i++)
		if (e->fleet->secrets[i].source == SECRET_FD)
			(void)fcntl(e->fleet->secrets[i].fd, F_SETFD, FD_CLOEXEC);
}

void
secrets_start(struct engine *e)
{
	size_t i;

	/* The passphrase of a CA is fetched by the step that needs it, not by everyone who looks. */
	for (i = 0; i < e->fleet->nsecrets; i++)
		if (servers_need(e, (int)i))
			start(e, (int)i);
}

void
secrets_answer(struct engine *e, int secret, const char *value)
{
	struct buf given;

	if (value == NULL)
		return;
	buf_init(&given, SECRET_MAX);
	given.secret = true;
	(void)buf_puts(&given, value);
	give(e, secret, &given);
	buf_release(&given);
	engine_arm(e);
}
