#define _GNU_SOURCE		/* pipe2 */
/*
 * drivers: see truth.h.  Owns the processes of the packaged drivers: one for
 * each dialect, started once, fed one line for each cell and read one line for
 * each answer, in any order.
 *
 *   to it:    id=7\tmode=require\thost=…\tport=…\tuser=…\tpassword=…\tca=…\t
 *             cert=…\tkey=…\tder=…\tmin=…\tmax=…\tdeadline=3000\twords=…
 *             (keys without a value are left out; words: the URL's parameters, for sqlalchemy)
 *   from it:  ready VERSION | absent WHY                    (first)
 *             7\tok\ttls | 7\tok\tplain | 7\terror\tTEXT | 7\thangs | 7\tspelling\tTEXT
 *
 * They all know one host name, db.internal, which is 127.0.0.1: each program
 * answers its driver's question for an address itself.
 */
#include "truth.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/buf.h"
#include "core/mem.h"

struct driver {
	enum dialect dialect;
	const char *argv[3];	/* the program in drivers/, its words */
	pid_t	 pid;
	int	 in, out;	/* ours: we write to in, read from out */
	struct buf got;
	char	*absent, *version;
};

static struct driver drivers[] = {
	{ .dialect = DIALECT_ASYNCPG, .argv = { "python.sh", "asyncpg" } },
	{ .dialect = DIALECT_SQLALCHEMY_ASYNCPG, .argv = { "python.sh", "sqlalchemy" } },
	{ .dialect = DIALECT_REDIS_PY, .argv = { "python.sh", "redis" } },
	{ .dialect = DIALECT_NODE_POSTGRES, .argv = { "node.sh", "pg" } },
	{ .dialect = DIALECT_NODE_REDIS, .argv = { "node.sh", "redis" } },
	{ .dialect = DIALECT_PGX, .argv = { "pgx.sh" } },
	{ .dialect = DIALECT_JDBC, .argv = { "jdbc.sh" } },
};
#define NDRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static struct driver *
driver_of(enum dialect dialect)
{
	size_t i;

	for (i = 0; i < NDRIVERS; i++)
		if (drivers[i].dialect == dialect)
			return &drivers[i];
	return NULL;
}

bool
driver_exists(enum dialect dialect)
{
	return driver_of(dialect) != NULL;
}

const char *
driver_absent(enum dialect dialect)
{
	return driver_of(dialect)->absent;
}

const char *
driver_version(enum dialect dialect)
{
	return driver_of(dialect)->version;
}

static void
driver_start(const struct servers *s, struct driver *d)
{
	const char *dir = getenv("TRUTH_DRIVERS") != NULL ? getenv("TRUTH_DRIVERS") : "tests/truth/drivers";
	char *path = mem_printf("%s/%s", dir, d->argv[0]);
	int to[2], from[2];

	assert_int_equal(pipe2(to, O_CLOEXEC), 0);
	assert_int_equal(pipe2(from, O_CLOEXEC), 0);
	d->pid = fork();
	assert_true(d->pid >= 0);
	if (d->pid == 0) {
		(void)dup2(to[0], 0);
		(void)dup2(from[1], 1);
		(void)setpgid(0, 0);
		(void)setenv("HOME", servers_path(s, "home"), 1);
		execl(path, path, d->argv[1], (char *)NULL);
		(void)dprintf(1, "absent cannot run %s: %s\n", path, strerror(errno));
		_exit(127);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	d->in = to[1];
	d->out = from[0];
	free(path);
}

static void
driver_stop(struct driver *d)
{
	if (d->pid <= 0)
		return;
	(void)close(d->in);
	(void)close(d->out);
	(void)kill(-d->pid, SIGKILL);
	(void)waitpid(d->pid, NULL, 0);
	d->pid = 0;
}

/* The next whole line that came, without its end; NULL: none. To be freed. */
static char *
line_of(struct driver *d)
{
	const char *text = buf_str(&d->got), *end = strchr(text, '\n');
	char *line;

	if (end == NULL)
		return NULL;
	line = mem_strndup(text, (size_t)(end - text));
	buf_drop(&d->got, (size_t)(end - text) + 1);
	return line;
}

static bool
driver_read(struct driver *d)
{
	char text[16384];
	ssize_t n;

	do
		n = read(d->out, text, sizeof(text));
	while (n < 0 && errno == EINTR);
	if (n > 0)
		(void)buf_put(&d->got, text, (size_t)n);
	return n > 0;
}

static void
driver_greets(struct driver *d)
{
	char *line;

	while ((line = line_of(d)) == NULL && driver_read(d))
		;
	if (line != NULL && strncmp(line, "ready ", 6) == 0) {
		d->version = mem_strdup(line + 6);
		(void)fcntl(d->out, F_SETFL, O_NONBLOCK);
	} else {
		d->absent = mem_strdup(line != NULL && strncmp(line, "absent ", 7) == 0 ? line + 7 :
		    "its program ended without a word");
		driver_stop(d);
	}
	free(line);
}

void
drivers_up(const struct servers *s)
{
	size_t i;

	(void)signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < NDRIVERS; i++)
		driver_start(s, &drivers[i]);
	for (i = 0; i < NDRIVERS; i++)
		driver_greets(&drivers[i]);
}

void
drivers_down(void)
{
	size_t i;

	for (i = 0; i < NDRIVERS; i++) {
		driver_stop(&drivers[i]);
		free(drivers[i].absent);
		free(drivers[i].version);
		drivers[i].absent = drivers[i].version = NULL;
		buf_release(&drivers[i].got);
	}
}

static void
put(struct buf *b, const char *key, const char *value)
{
	if (*value != '\0')
		buf_printf(b, "\t%s=%s", key, value);
}

void
driver_give(const struct servers *s, struct cell *c, int id, int deadline_ms)
{
	struct driver *d = driver_of(c->a.dialect);
	bool tls = c->a.dial != DIAL_DISABLE;
	struct buf b = { 0 };
	size_t done = 0, len;
	ssize_t n;

	if (d->absent != NULL) {
		c->seen = SEEN_ABSENT;
		return;
	}
	buf_printf(&b, "id=%d\tmode=%s\thost=%s\tport=%d\tdeadline=%d", id, dial_word(c->a.dial), HOST_NAME,
	    c->a.kind == KIND_REDIS && tls && !c->a.one_port ? c->port_tls : c->port, deadline_ms);
	if (c->a.kind != KIND_REDIS) {
		put(&b, "user", c->role);
		put(&b, "password", ROLE_PASSWORD);
	}
	if (c->words != NULL)
		put(&b, "words", c->words);
	put(&b, "ca", anchor_file(s, c->a.anchor));
	put(&b, "cert", shown_file(s, c->shows, false));
	put(&b, "key", shown_file(s, c->shows, true));
	if (c->shows != SHOWN_NONE)
		put(&b, "der", servers_path(s, c->shows == SHOWN_GOOD ? "t_client.der" : "t_stray.der"));
	put(&b, "min", proto_name(c->a.client_min));
	put(&b, "max", proto_name(c->a.client_max));
	(void)buf_putc(&b, '\n');
	for (len = strlen(buf_str(&b)); done < len; done += (size_t)n) {
		n = write(d->in, buf_str(&b) + done, len - done);
		if (n <= 0)
			fail_msg("the driver of %s is gone", dialect_word(d->dialect));
	}
	buf_release(&b);
}

int
drivers_fds(int *fds, int max)
{
	size_t i;
	int n = 0;

	for (i = 0; i < NDRIVERS && n < max; i++)
		if (drivers[i].pid > 0)
			fds[n++] = drivers[i].out;
	return n;
}

static void
answer(struct cell *c, const char *word, const char *rest)
{
	c->seen = strcmp(word, "ok") == 0 ? (strcmp(rest, "tls") == 0 ? SEEN_TLS : SEEN_PLAINTEXT) :
	    strcmp(word, "hangs") == 0 ? SEEN_HANGS : strcmp(word, "spelling") == 0 ? SEEN_SPELLING : SEEN_REFUSED;
	free(c->text);
	c->text = *rest != '\0' ? mem_strdup(rest) : NULL;
}

void
driver_take(int fd, struct cells *cells, int *ret_id)
{
	struct driver *d = NULL;
	char *line, *word, *rest;
	size_t i;

	*ret_id = -1;
	for (i = 0; i < NDRIVERS; i++)
		if (drivers[i].pid > 0 && drivers[i].out == fd)
			d = &drivers[i];
	assert_non_null(d);
	if ((line = line_of(d)) == NULL) {
		if (!driver_read(d)) {
			if (errno != EAGAIN)
				fail_msg("the driver of %s is gone", dialect_word(d->dialect));
			return;
		}
		if ((line = line_of(d)) == NULL)
			return;
	}
	word = strchr(line, '\t');
	*ret_id = atoi(line);
	if (word == NULL || *ret_id < 0 || (size_t)*ret_id >= cells->n ||
	    cells->v[*ret_id].a.dialect != d->dialect || cells->v[*ret_id].seen != SEEN_NOTHING)
		fail_msg("the driver of %s says: %s", dialect_word(d->dialect), line);
	*word++ = '\0';
	rest = strchr(word, '\t');
	if (rest != NULL)
		*rest++ = '\0';
	answer(&cells->v[*ret_id], word, rest != NULL ? rest : "");
	free(line);
}
