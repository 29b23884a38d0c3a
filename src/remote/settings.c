/*
 * settings: see settings.h.
 *
 * Owns the statements that each kind of server wants, one session, and what
 * the last read saw.  A Postgres is asked once for all names; a PgBouncer says all
 * that it has; a Redis is asked for each name, since one of before 7.0 takes no more.
 *
 * Sources: AlterSystemSetConfigFile() in guc.c (PostgreSQL 15), admin.c
 * (PgBouncer 1.18), config.c (Redis 7.0).
 */
#include "remote/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reader.h"
#include "remote/probe_int.h"

struct settings {
	const struct endpoint *ep;
	enum kind kind;
	struct statement *session;
	struct pairs names;		/* without values */
	struct setting_seen *seen;
	bool	 persist;
	/* Redis */
	char	*version, *config_file;
	int	 port, tls_port;	/* -1: not known */
	size_t	 at;			/* which name is asked or set now; behind them the ports */
	/* a write */
	struct pairs to;
	bool	 keep;
	size_t	 changed;
	settings_done *done;
	void	*arg;
};

static void	ask_redis(struct settings *);
static void	write_next(struct settings *);

static void
forget_seen(struct settings *s)
{
	size_t i;

	for (i = 0; i < s->names.n; i++) {
		free(s->seen[i].value);
		free(s->seen[i].otherwise);
		free(s->seen[i].refusal);
		free(s->seen[i].effect);
		memset(&s->seen[i], 0, sizeof(s->seen[i]));
	}
	free(s->version);
	free(s->config_file);
	s->version = s->config_file = NULL;
	s->port = s->tls_port = -1;
}

struct settings *
settings_new(struct probes *probes, int endpoint, const struct pairs *names, bool persist,
    int64_t deadline_ms)
{
	struct settings *s = mem_alloc(sizeof(*s));
	size_t i;

	s->ep = &probes->c.fleet->endpoints[endpoint];
	s->kind = s->ep->kind;
	s->session = statement_new(probes, endpoint, deadline_ms);
	s->persist = persist;
	s->port = s->tls_port = -1;
	for (i = 0; i < names->n; i++)
		setting_push(&s->names, names->v[i].key, NULL);
	s->seen = mem_array(names->n + 1, sizeof(*s->seen));
	return s;
}

void
settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	statement_free(s->session);
	forget_seen(s);
	free(s->seen);
	pairs_release(&s->names);
	pairs_release(&s->to);
	free(s);
}

const struct setting_seen *
settings_seen(const struct settings *s, size_t i)
{
	return &s->seen[i];
}

const char *
settings_kept_in(const struct settings *s)
{
	return s->config_file == NULL || s->config_file[0] == '\0' ? NULL : s->config_file;
}

static void
end(struct settings *s, enum statement_end how, const char *why)
{
	struct settings_end e = { how, why, s->changed };
	settings_done *done = s->done;

	s->done = NULL;
	done(s->arg, &e);
}

/* True: the answer is no row to go on with, and the read or write has ended. */
static bool
ended(struct settings *s, const struct statement_reply *r)
{
	char *words;

	if (r->end == STATEMENT_DONE)
		return false;
	if (r->end != STATEMENT_REFUSED) {
		end(s, r->end, r->why);
		return true;
	}
	words = mem_printf("'%s' refuses%s%s%s: %s", s->ep->name, r->sqlstate[0] == '\0' ? "" : " (",
	    r->sqlstate, r->sqlstate[0] == '\0' ? "" : ")", r->why);
	end(s, STATEMENT_REFUSED, words);
	free(words);
	return true;
}

/* ---- Postgres: reading ---- */

static void
see_postgres(struct setting_seen *seen, const char *name, const struct statement_reply *r, size_t row)
{
	const char *known = statement_value(r, row, "known"), *source = statement_value(r, row, "source");
	const char *context = statement_value(r, row, "context"), *file = statement_value(r, row, "sourcefile");
	const char *setting = statement_value(r, row, "setting"), *kept = statement_value(r, row, "kept");
	const char *unit = statement_value(r, row, "unit"), *pending = statement_value(r, row, "pending");

	seen->value = mem_strdup(kept);
	if (known == NULL || source == NULL || context == NULL) {
		seen->refusal = mem_printf("the server knows no '%s'", name);
		return;
	}
	if (strcmp(source, "command line") == 0)
		seen->refusal = mem_printf("'%s' is given on the server's command line, which goes before "
		    "what ALTER SYSTEM writes: it would have no effect", name);
	else if (strcmp(context, "internal") == 0)
		seen->refusal = mem_printf("'%s' cannot be changed in a running server", name);
	if (kept == NULL)
		seen->otherwise = mem_printf("%s%s, by %s", setting == NULL ? "" : setting,
		    unit == NULL ? "" : unit, file != NULL ? file : strcmp(source, "default") == 0 ?
		    "default" : source);
	seen->effect = mem_printf("ALTER SYSTEM; %s%s", strcmp(context, "postmaster") == 0 ?
	    "needs a restart" : "takes effect at a reload", pending != NULL && strcmp(pending, "t") == 0 ?
	    ", as an earlier change does" : "");
}

static void
postgres_read(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;
	const char *broken;
	size_t i;

	if (ended(s, r))
		return;
	for (i = 0; i < s->names.n && i < r->nrows; i++)
		see_postgres(&s->seen[i], s->names.v[i].key, r, i);
	broken = statement_value(r, 0, "broken");
	for (; i < s->names.n; i++)
		s->seen[i].refusal = mem_strdup("the server does not say what it is");
	/* What a file that cannot be read whole holds is not all in the view. */
	for (i = 0; broken != NULL && i < s->names.n; i++)
		if (s->seen[i].refusal == NULL)
			s->seen[i].refusal = mem_printf("its files have an error, to be mended first: %s", broken);
	end(s, STATEMENT_DONE, NULL);
}

static void
ask_postgres(struct settings *s)
{
	struct buf q;
	size_t i;

	buf_init(&q, 0);
	(void)buf_puts(&q, "SELECT s.name AS known, s.setting, s.unit, s.source, s.context, s.sourcefile, "
	    "s.pending_restart AS pending, f.setting AS kept, (SELECT pg_catalog.min(b.error) "
	    "FROM pg_catalog.pg_file_settings b WHERE b.name IS NULL) AS broken FROM (VALUES ");
	for (i = 0; i < s->names.n; i++) {
		(void)buf_printf(&q, "%s(%zu, ", i == 0 ? "" : ", ", i);
		statement_put_literal(&q, s->names.v[i].key);
		(void)buf_puts(&q, ")");
	}
	(void)buf_puts(&q, ") AS k(place, name) LEFT JOIN pg_catalog.pg_settings s "
	    "ON pg_catalog.lower(s.name) = pg_catalog.lower(k.name) LEFT JOIN (SELECT DISTINCT ON "
	    "(pg_catalog.lower(a.name)) pg_catalog.lower(a.name) AS name, a.setting "
	    "FROM pg_catalog.pg_file_settings a WHERE a.sourcefile ~ '(^|/)postgresql[.]auto[.]conf$' "
	    "ORDER BY pg_catalog.lower(a.name), a.seqno DESC) f ON f.name = pg_catalog.lower(k.name) "
	    "ORDER BY k.place");
	statement_sql(s->session, buf_str(&q), postgres_read, s);
	buf_release(&q);
}

/* ---- PgBouncer: reading ---- */

static void
pgbouncer_read(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;
	const char *name, *changeable;
	size_t i, row;

	if (ended(s, r))
		return;
	for (i = 0; i < s->names.n; i++) {
		struct setting_seen *seen = &s->seen[i];

		for (row = 0; row < r->nrows; row++)
			if ((name = statement_value(r, row, "key")) != NULL &&
			    setting_name_same(name, s->names.v[i].key))
				break;
		seen->effect = mem_strdup("SET on the console; at once, and gone at a RELOAD or a restart");
		if (row == r->nrows) {
			seen->refusal = mem_printf("the server knows no '%s'", s->names.v[i].key);
			continue;
		}
		name = statement_value(r, row, "value");
		seen->value = mem_strdup(name == NULL ? "" : name);
		changeable = statement_value(r, row, "changeable");
		if (changeable != NULL && strcmp(changeable, "yes") != 0)
			seen->refusal = mem_printf("'%s' cannot be changed in a running pgbouncer", s->names.v[i].key);
	}
	end(s, STATEMENT_DONE, NULL);
}

/* ---- Redis: reading ---- */

/* The value of NAME: in what INFO says; allocated, or NULL. */
static char *
info(const char *text, const char *name)
{
	size_t len = strlen(name);
	const char *p;

	for (p = text; p != NULL && *p != '\0'; p = strchr(p, '\n'), p = p == NULL ? NULL : p + 1)
		if (strncmp(p, name, len) == 0 && p[len] == ':')
			return mem_strndup(p + len + 1, strcspn(p + len + 1, "\r\n"));
	return NULL;
}

static void
redis_server(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;
	const char *text;

	if (ended(s, r))
		return;
	text = statement_value(r, 0, "value");
	s->version = info(text == NULL ? "" : text, "redis_version");
	s->config_file = info(text == NULL ? "" : text, "config_file");
	s->at = 0;
	ask_redis(s);
}

static char *
redis_effect(const struct settings *s)
{
	if (!s->persist)
		return mem_strdup("CONFIG SET; at once, and lost at a restart");
	return mem_printf("CONFIG SET; at once, and kept by CONFIG REWRITE in %s",
	    settings_kept_in(s) == NULL ? "no file" : settings_kept_in(s));
}

static void
redis_value(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;
	const char *value;
	long port;

	if (ended(s, r))
		return;
	value = statement_value(r, 1, "value");		/* behind the name */
	if (s->at < s->names.n) {
		s->seen[s->at].value = mem_strdup(value);
		s->seen[s->at].effect = redis_effect(s);
		if (value == NULL)
			s->seen[s->at].refusal = mem_printf("the server knows no '%s'", s->names.v[s->at].key);
	} else if (value != NULL) {
		port = strtol(value, NULL, 10);
		*(s->at == s->names.n ? &s->port : &s->tls_port) = port < 0 || port > 65535 ? -1 : (int)port;
	}
	s->at++;
	ask_redis(s);
}

static void
ask_redis(struct settings *s)
{
	const char *argv[3] = { "CONFIG", "GET", NULL };

	if (s->at >= s->names.n + 2) {
		end(s, STATEMENT_DONE, NULL);
		return;
	}
	argv[2] = s->at < s->names.n ? s->names.v[s->at].key : s->at == s->names.n ? "port" : "tls-port";
	statement_command(s->session, 3, argv, redis_value, s);
}

/* ---- reading ---- */

void
settings_read(struct settings *s, settings_done *done, void *arg)
{
	static const char *const server[] = { "INFO", "server" };

	forget_seen(s);
	s->done = done;
	s->arg = arg;
	s->changed = 0;
	switch (s->kind) {
	case KIND_POSTGRES:
		ask_postgres(s);
		return;
	case KIND_PGBOUNCER:
		statement_sql(s->session, "SHOW CONFIG", pgbouncer_read, s);
		return;
	case KIND_REDIS:
		statement_command(s->session, 2, server, redis_server, s);
		return;
	}
}

static bool
is_so(const struct settings *s, const struct pairs *to, size_t i)
{
	return setting_same(s->kind, s->seen[i].value, to->v[i].value);
}

bool
settings_are(const struct settings *s, const struct pairs *to)
{
	size_t i;

	for (i = 0; i < s->names.n; i++)
		if (s->seen[i].refusal != NULL || !is_so(s, to, i))
			return false;
	return true;
}

/* Nobody could come in any more, belay least of all. */
static bool
shuts_out(const struct settings *s, const struct pairs *to)
{
	int port = s->port, tls_port = s->tls_port;
	bool ours = false;
	size_t i;

	for (i = 0; i < to->n; i++) {
		if (to->v[i].value == NULL || is_so(s, to, i))
			continue;
		if (setting_name_same(to->v[i].key, "port"))
			port = (int)strtol(to->v[i].value, NULL, 10);
		else if (setting_name_same(to->v[i].key, "tls-port"))
			tls_port = (int)strtol(to->v[i].value, NULL, 10);
		else
			continue;
		ours = true;
	}
	return ours && port <= 0 && tls_port <= 0;
}

int
settings_may(const struct settings *s, const struct pairs *to, struct err *err)
{
	size_t i, n = 0;

	for (i = 0; i < s->names.n; i++) {
		if (s->seen[i].refusal != NULL)
			return err_set(err, "'%s': %s", s->ep->name, s->seen[i].refusal);
		n += !is_so(s, to, i);
	}
	if (s->kind != KIND_REDIS)
		return 0;
	if (n > 1 && (s->version == NULL || strtol(s->version, NULL, 10) < 7))
		return err_set(err, "'%s' is a Redis %s, which takes one setting in one command only (7.0 takes "
		    "several): set them by several steps", s->ep->name, s->version == NULL ? "?" : s->version);
	if (shuts_out(s, to))
		return err_set(err, "'%s' would listen on no port any more: 'port' and 'tls-port' would both be 0",
		    s->ep->name);
	if (s->persist && settings_kept_in(s) == NULL)
		return err_set(err, "'%s' runs without a configuration file, so CONFIG REWRITE cannot keep it: "
		    "expected 'persist: no', after which it is lost at a restart", s->ep->name);
	return 0;
}

/* ---- writing ---- */

static void
set_done(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;

	if (ended(s, r))
		return;
	s->changed++;
	s->at++;
	write_next(s);
}

/* CONFIG SET of all that differs: it takes them all or none. */
static void
redis_set(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;

	if (ended(s, r))
		return;
	s->changed = s->at;
	s->at = s->names.n;
	write_next(s);
}

static void
rewritten(void *arg, const struct statement_reply *r)
{
	struct settings *s = arg;

	if (!ended(s, r))
		end(s, STATEMENT_DONE, NULL);
}

static void
write_redis(struct settings *s)
{
	static const char *const rewrite[] = { "CONFIG", "REWRITE" };
	const char *argv[2 + 2 * SETTING_NAMES_MAX] = { "CONFIG", "SET" };
	int argc = 2;
	size_t i;

	for (i = 0; s->at == 0 && i < s->names.n; i++) {
		if (is_so(s, &s->to, i) || s->to.v[i].value == NULL)
			continue;
		argv[argc++] = s->to.v[i].key;
		argv[argc++] = s->to.v[i].value;
	}
	if (argc > 2) {
		s->at = (size_t)(argc - 2) / 2;
		statement_command(s->session, argc, argv, redis_set, s);
	} else if (s->keep)
		statement_command(s->session, 2, rewrite, rewritten, s);
	else
		end(s, STATEMENT_DONE, NULL);
}

static void
nothing_to_do(void *arg, const struct statement_reply *r)
{
	rewritten(arg, r);
}

static void
write_next(struct settings *s)
{
	const struct pair *to;
	struct buf q;

	if (s->kind == KIND_REDIS) {
		write_redis(s);
		return;
	}
	while (s->at < s->names.n && is_so(s, &s->to, s->at))
		s->at++;
	if (s->at == s->names.n) {
		end(s, STATEMENT_DONE, NULL);
		return;
	}
	to = &s->to.v[s->at];
	buf_init(&q, 0);
	if (s->kind == KIND_PGBOUNCER) {
		/* Its console knows no quoted names; setting_check() saw that it is a word. */
		(void)buf_printf(&q, "SET %s = ", to->key);
		statement_put_literal(&q, to->value == NULL ? "" : to->value);
	} else {
		(void)buf_printf(&q, "ALTER SYSTEM %s ", to->value == NULL ? "RESET" : "SET");
		statement_put_name(&q, to->key);
		if (to->value != NULL) {
			(void)buf_puts(&q, " = ");
			statement_put_literal(&q, to->value);
		}
	}
	statement_sql(s->session, buf_str(&q), set_done, s);
	buf_release(&q);
}

void
settings_write(struct settings *s, const struct pairs *to, bool keep, settings_done *done, void *arg)
{
	static const char *const ping[] = { "PING" };
	size_t i;

	pairs_release(&s->to);
	for (i = 0; i < to->n; i++)
		setting_push(&s->to, to->v[i].key, to->v[i].value);
	s->keep = keep;
	s->changed = 0;
	s->at = 0;
	s->done = done;
	s->arg = arg;
	if (!settings_are(s, to) || keep)
		write_next(s);
	else if (s->kind == KIND_REDIS)	/* the answer comes from the loop, also where there is nothing to set */
		statement_command(s->session, 1, ping, nothing_to_do, s);
	else
		statement_sql(s->session, s->kind == KIND_PGBOUNCER ? "SHOW VERSION" : "SELECT 1", nothing_to_do, s);
}
