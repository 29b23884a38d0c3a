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
#include "core/setting.h"
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

/*
 * Of the key that the server names: mode, owner, who listens at its port, and whether that one is in the
 * file's group, as KEY@key; nothing where it is not seen.  Owners of listeners stand in /proc/net for
 * everybody to read.
 */
static void
put_key_look(const struct probe *p, struct buf *b)
{
	const struct endpoint *ep = spot_endpoint(p->spot);
	const char *path = setting_get(&p->reading, setting_key_name(ep->kind));

	if (path == NULL || path[0] != '/')
		return;
	(void)buf_puts(b, "k=");
	text_shell_quote(b, path);
	(void)buf_printf(b, "; u=$(awk '$4 == \"0A\" && ($2 ~ /:%04X$/ || $2 ~ /:%04X$/) { print $8; exit }' /proc/net/tcp "
	    "/proc/net/tcp6 2>/dev/null); if s=$(stat -L -c '%%a %%u %%g' -- \"$k\" 2>/dev/null); then i=-; "
	    "n=$(getent passwd -- \"${u:-none}\" 2>/dev/null | cut -d: -f1); [ -z \"$n\" ] || i=0; "
	    "for g in $([ -z \"$n\" ] || id -G -- \"$n\" 2>/dev/null); do [ \"$g\" != \"${s##* }\" ] || i=1; done; "
	    "echo \"key $s ${u:--} $i\"; else echo 'key -'; fi; ",
	    (unsigned)ep->port_plain, (unsigned)ep->port_tls);
}

/* Takes that line off, if it is there. */
static void
take_key_look(struct probe *p, const char **text, size_t *len)
{
	const char *nl = *text == NULL ? NULL : memchr(*text, '\n', *len);
	char *key, *value;

	if (nl == NULL || strncmp(*text, "key ", 4) != 0)
		return;
	if ((*text)[4] != '-') {
		key = mem_printf("%s@key", setting_key_name(spot_endpoint(p->spot)->kind));
		value = mem_strndup(*text + 4, (size_t)(nl - *text) - 4);
		setting_put(p, key, value);
		free(key);
		free(value);
	}
	*len -= (size_t)(nl + 1 - *text);
	*text = nl + 1;
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
	take_key_look(p, &text, &len);
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
	take_key_look(p, &text, &len);
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
	put_key_look(p, &b);
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

static void
postgres_read(struct probe *p, const char *text, size_t len, const char *why)
{
	(void)why;
	take_key_look(p, &text, &len);
}

void
persisted_postgres(struct probe *p)
{
	const struct endpoint *ep = spot_endpoint(p->spot);
	struct buf b;

	if (ep->host == NONE || ep->via != NONE)
		return;
	buf_init(&b, 0);
	put_key_look(p, &b);
	if (b.len > 0)
		probe_then(p, ep->host, buf_str(&b), postgres_read);
	buf_release(&b);
}
