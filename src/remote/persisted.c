/*
 * persisted: what a server's own configuration file says, beside what runs.
 *
 * A CONFIG SET that was not rewritten, a SET at PgBouncer's console, a file that was edited and not
 * reloaded: all is well until the next start.  The file is the one that the server names
 * itself, read on its own host; a name that it does not hold is at its default.  What cannot
 * be told (no file, no right to read it, another file included) is said, and is no answer.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/probe_int.h"

struct name {
	const char *name;
	const char *otherwise;	/* its default */
};

/* Redis 7.0's own redis.conf says these. */
static const struct name redis_names[] = {
	{ "port", "6379" }, { "tls-port", "0" }, { "tls-auth-clients", "yes" }, { "tls-cert-file", "" },
	{ "tls-key-file", "" }, { "tls-ca-cert-file", "" }, { "tls-ca-cert-dir", "" }, { "tls-replication", "no" },
	{ "tls-cluster", "no" }, { "tls-protocols", "" }, { NULL, NULL },
};

/* pgbouncer.ini(5) of 1.18; from 1.20 on the server side prefers TLS. */
static const struct name pgbouncer_names[] = {
	{ "client_tls_sslmode", "disable" }, { "client_tls_key_file", "" }, { "client_tls_cert_file", "" },
	{ "client_tls_ca_file", "" }, { "server_tls_sslmode", NULL }, { "server_tls_ca_file", "" },
	{ "auth_type", "md5" }, { NULL, NULL },
};

static void
unseen(struct probe *p, const char *why)
{
	setting_put(p, "persisted@unseen", why == NULL || *why == '\0' ? "it cannot be read" : why);
}

/* Does a line of the file take in another one? */
static bool
includes(const char *text, size_t len, const char *word)
{
	const char *p = text, *end = text + len, *nl;
	size_t n = strlen(word);

	for (; p < end; p = nl + 1) {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		while (p < nl && (*p == ' ' || *p == '\t'))
			p++;
		if ((size_t)(nl - p) > n && strncmp(p, word, n) == 0 && (p[n] == ' ' || p[n] == '\t'))
			return true;
	}
	return false;
}

static void
put_names(struct probe *p, enum text_syntax syntax, const struct name *v, const char *text, size_t len)
{
	struct buf value;
	char *key;

	for (; v->name != NULL; v++) {
		if (setting_get(&p->reading, v->name) == NULL)
			continue;	/* not one of this version */
		buf_init(&value, 0);
		key = mem_printf("%s@persisted", v->name);
		if (text_get(syntax, text, len, v->name, &value))
			setting_put(p, key, buf_str(&value));
		else if (v->otherwise != NULL)
			setting_put(p, key, v->otherwise);
		free(key);
		buf_release(&value);
	}
}

static void
redis_read(struct probe *p, const char *text, size_t len, const char *why)
{
	if (text == NULL)
		unseen(p, why);
	else if (includes(text, len, "include"))
		unseen(p, "its file includes others");
	else
		put_names(p, TEXT_REDIS, redis_names, text, len);
}

static void
pgbouncer_read(struct probe *p, const char *text, size_t len, const char *why)
{
	if (text == NULL)
		unseen(p, why);
	else if (includes(text, len, "%include"))
		unseen(p, "its file includes others");
	else
		put_names(p, TEXT_INI, pgbouncer_names, text, len);
}

static void
read_file(struct probe *p, const char *path, void (*done)(struct probe *, const char *, size_t, const char *))
{
	const struct endpoint *ep = spot_endpoint(p->spot);
	struct buf b;

	if (path == NULL || path[0] != '/') {
		unseen(p, path == NULL || *path == '\0' ? "it runs without a configuration file" :
		    "its file is named from a directory that is not known");
		return;
	}
	if (ep->host == NONE || ep->via != NONE) {
		unseen(p, "its host is not one that can be read");
		return;
	}
	buf_init(&b, 0);
	(void)buf_puts(&b, "cat -- ");
	text_shell_quote(&b, path);
	probe_then(p, ep->host, buf_str(&b), done);
	buf_release(&b);
}

void
persisted_redis(struct probe *p)
{
	read_file(p, setting_get(&p->reading, "config_file"), redis_read);
}

void
persisted_pgbouncer(struct probe *p)
{
	read_file(p, setting_get(&p->reading, "conffile"), pgbouncer_read);
}
