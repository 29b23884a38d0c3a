/*
 * loginlog: see loginlog.h.
 *
 * Owns the line that is being collected, and the logins that were begun and
 * not decided: by process (Postgres) or by the client's object (PgBouncer), a key of a few
 * bytes either way.  Invariant: each entry of `open` has a key that no other has.
 */
#include "core/loginlog.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

#define KEY_MAX	32

struct begun {
	char	 key[KEY_MAX];
	char	*address, *user, *database;
	bool	 tls;
	bool	 unknown_user;	/* PgBouncer said so just before */
	bool	 attempt;	/* PgBouncer: the attempt was seen, and no end yet */
	int64_t	 at_ms;
};

struct loginlog {
	enum kind kind;
	loginlog_found *found;
	void	*arg;
	struct begun *open;
	size_t	 nopen;
	unsigned long unjoined;
	size_t	 len;
	bool	 skip;		/* the rest of a line that is too long, or whose beginning is missing */
	char	 line[LOGINLOG_LINE_MAX + 1];
};

struct loginlog *
loginlog_new(enum kind kind, loginlog_found *found, void *arg)
{
	struct loginlog *l = mem_alloc(sizeof(*l));

	l->kind = kind;
	l->found = found;
	l->arg = arg;
	return l;
}

static void
begun_release(struct begun *b)
{
	free(b->address);
	free(b->user);
	free(b->database);
}

static void
forget(struct loginlog *l, struct begun *b)
{
	size_t i = (size_t)(b - l->open);

	begun_release(b);
	l->nopen--;
	memmove(b, b + 1, (l->nopen - i) * sizeof(*b));
}

void
loginlog_gap(struct loginlog *l)
{
	while (l->nopen > 0)
		begun_release(&l->open[--l->nopen]);
	l->len = 0;
	l->skip = true;
}

void
loginlog_free(struct loginlog *l)
{
	if (l == NULL)
		return;
	loginlog_gap(l);
	free(l->open);
	free(l);
}

unsigned long
loginlog_unjoined(const struct loginlog *l)
{
	return l->unjoined;
}

static struct begun *
find(struct loginlog *l, const char *key)
{
	size_t i;

	for (i = l->nopen; i > 0; i--)
		if (strcmp(l->open[i - 1].key, key) == 0)
			return &l->open[i - 1];
	return NULL;
}

/* A new one of this key; what was begun under it before is forgotten. */
static struct begun *
begin(struct loginlog *l, const char *key, int64_t at_ms)
{
	struct begun *b = find(l, key);

	if (b != NULL)
		forget(l, b);
	else if (l->nopen >= LOGINLOG_OPEN_MAX)
		forget(l, l->open);
	b = mem_push(&l->open, &l->nopen, sizeof(*b));
	memcpy(b->key, key, strlen(key) + 1);
	b->at_ms = at_ms;
	return b;
}

/* A key out of the line, at most KEY_MAX - 1 bytes; false: there is none. */
static bool
take_key(char key[KEY_MAX], const char *s, size_t len)
{
	if (len == 0 || len >= KEY_MAX)
		return false;
	memcpy(key, s, len);
	key[len] = '\0';
	return true;
}

static void
tell(struct loginlog *l, const struct begun *b, const char *application, bool refused)
{
	struct login login = { b->tls, refused, b->address, b->user, b->database, application, b->at_ms };

	l->found(l->arg, &login);
}

/* ---- postgres ---- */

/* "[123]" or "[123-4]" in what stands before the severity. */
static bool
process_of(const char *line, const char *severity, char key[KEY_MAX])
{
	const char *p, *end;

	for (p = line; p < severity && (p = memchr(p, '[', (size_t)(severity - p))) != NULL; p++) {
		for (end = p + 1; *end >= '0' && *end <= '9'; end++)
			continue;
		if (end > p + 1 && (*end == ']' || *end == '-'))
			return take_key(key, p + 1, (size_t)(end - p - 1));
	}
	return false;
}

/* What stands between `after` and `before` (NULL: the line's end), or NULL; the caller's. */
static char *
between(const char *s, const char *after, const char *before)
{
	const char *from = strstr(s, after), *to;

	if (from == NULL)
		return NULL;
	from += strlen(after);
	to = before == NULL ? NULL : strstr(from, before);
	return mem_strndup(from, to == NULL ? strlen(from) : (size_t)(to - from));
}

static bool
starts(const char *s, const char *word)
{
	return strncmp(s, word, strlen(word)) == 0;
}

/*
 * "connection authorized: user=U database=D application_name=A SSL enabled (protocol=…)".
 * What says SSL stands at the end, but for what says GSS.
 */
static void
postgres_authorized(struct loginlog *l, struct begun *b, char *message)
{
	char *ssl, *at, *application = NULL;

	for (ssl = NULL, at = message; (at = strstr(at, " SSL enabled (protocol=")) != NULL; at++)
		ssl = at;
	b->tls = ssl != NULL;
	if (ssl != NULL)
		*ssl = '\0';
	else if ((at = strstr(message, " GSS (authenticated=")) != NULL)
		*at = '\0';
	if ((at = strstr(message, " application_name=")) != NULL) {
		*at = '\0';
		application = at + strlen(" application_name=");
	}
	if ((at = strstr(message, " database=")) != NULL) {
		*at = '\0';
		b->database = mem_strdup(at + strlen(" database="));
	}
	b->user = between(message, "user=", NULL);
	tell(l, b, application, false);
}

/* "no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption" */
static void
postgres_refused(struct loginlog *l, const char *message, int64_t at_ms)
{
	struct begun b = { .at_ms = at_ms };

	b.address = between(message, "host \"", "\"");
	b.user = between(message, "user \"", "\"");
	b.database = between(message, "database \"", "\"");
	b.tls = strstr(message, ", SSL encryption") != NULL || strstr(message, ", SSL on") != NULL;
	if (b.address != NULL)
		tell(l, &b, NULL, true);
	begun_release(&b);
}

static void
postgres_line(struct loginlog *l, char *line, int64_t at_ms)
{
	static const char received[] = "connection received: host=", authorized[] = "connection authorized: ",
	    replication[] = "replication connection authorized: ", refused[] = "no pg_hba.conf entry for ",
	    rejected[] = "pg_hba.conf rejects connection for ";
	char *severity = strstr(line, "LOG:  "), *fatal = strstr(line, "FATAL:  "), *message;
	char key[KEY_MAX];
	struct begun *b;

	if (line[0] == '\t')
		return;		/* goes on with what stands above it: a statement may say anything */
	if (fatal != NULL && (severity == NULL || fatal < severity)) {
		message = fatal + strlen("FATAL:  ");
		if (starts(message, refused) || starts(message, rejected))
			postgres_refused(l, message, at_ms);
		return;
	}
	if (severity == NULL)
		return;
	message = severity + strlen("LOG:  ");
	if (!starts(message, received) && !starts(message, authorized) && !starts(message, replication))
		return;
	if (!process_of(line, severity, key)) {
		l->unjoined++;
		return;
	}
	if (starts(message, received)) {
		b = begin(l, key, at_ms);
		b->address = between(message, received, " port=");
		return;
	}
	b = find(l, key);
	if (b == NULL)
		return;		/* received before we were there */
	b->at_ms = at_ms;
	if (b->address != NULL && strcmp(b->address, "[local]") != 0)
		postgres_authorized(l, b, message);
	forget(l, find(l, key));
}

/* ---- pgbouncer ---- */

/* What it closes a client for when the login did not succeed, or the client never meant to. */
static bool
login_failed(const char *why)
{
	static const char *const words[] = {
		"SSL required", "SSL not accepted", "client_login_timeout", "no such user", "no such database",
		"password authentication failed", "SASL authentication failed", "bouncer config error", "client_connect_timeout",
		"auth failed", "login rejected", "no more connections allowed", "unauthenticated", "invalid server",
		"not allowed", "trust only", "certificate", NULL
	};
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (strstr(why, words[i]) != NULL)
			return true;
	return false;
}

/* "10.0.0.1:5432", "[::1]:5432": the address; or NULL for a Unix socket. */
static char *
numeric_address(const char *s, size_t len)
{
	const char *end = s + len;

	while (end > s && *end != ':')
		end--;
	if (end == s || strncmp(s, "unix", 4) == 0)
		return NULL;
	if (*s == '[' && end[-1] == ']')
		return mem_strndup(s + 1, (size_t)(end - s) - 2);
	return mem_strndup(s, (size_t)(end - s));
}

static void
pgbouncer_line(struct loginlog *l, char *line, int64_t at_ms)
{
	static const char attempt[] = " login attempt: db=", closing[] = " closing because: ", nobody[] = " no such user: ";
	char *id = strstr(line, " C-0x"), *who, *at, *message, *user;
	char key[KEY_MAX];
	struct begun *b;

	if (id == NULL || (who = strstr(id, ": ")) == NULL || !take_key(key, id + 1, (size_t)(who - id) - 1))
		return;
	who += 2;
	b = find(l, key);
	if ((message = strstr(who, nobody)) != NULL) {
		begin(l, key, at_ms)->unknown_user = true;
	} else if ((message = strstr(who, attempt)) != NULL) {
		bool unknown = b != NULL && b->unknown_user;

		b = begin(l, key, at_ms);
		*message = '\0';
		message += strlen(attempt);
		if (unknown || starts(message, "pgbouncer ") || (at = strrchr(who, '@')) == NULL ||
		    (b->address = numeric_address(at + 1, strlen(at + 1))) == NULL) {
			forget(l, b);
			return;
		}
		b->attempt = true;
		if ((user = strstr(message, " user=")) != NULL && (at = strstr(user + 1, " tls=")) != NULL) {
			b->tls = !starts(at + strlen(" tls="), "no");
			b->user = mem_strndup(user + strlen(" user="), (size_t)(at - user) - strlen(" user="));
			b->database = mem_strndup(message, (size_t)(user - message));
		}
	} else if ((message = strstr(who, closing)) != NULL) {
		*message = '\0';
		message += strlen(closing);
		if (b != NULL && b->attempt) {
			if (!login_failed(message))
				tell(l, b, NULL, false);
			else if (strstr(message, "SSL required") != NULL)
				tell(l, b, NULL, true);
			forget(l, b);
		} else if (strstr(message, "SSL required") != NULL && (at = strrchr(who, '@')) != NULL) {
			struct begun refused = { .at_ms = at_ms };	/* before it could say who it is */

			refused.address = numeric_address(at + 1, strlen(at + 1));
			if (refused.address != NULL)
				tell(l, &refused, NULL, true);
			begun_release(&refused);
		}
	}
}

void
loginlog_settle(struct loginlog *l, int64_t now_ms)
{
	size_t i;

	if (l->kind != KIND_PGBOUNCER)
		return;
	for (i = 0; i < l->nopen; )
		if (l->open[i].at_ms + LOGINLOG_SETTLE_MS > now_ms)
			i++;
		else {
			if (l->open[i].attempt)
				tell(l, &l->open[i], NULL, false);
			forget(l, &l->open[i]);
		}
}

static void
whole_line(struct loginlog *l, int64_t at_ms)
{
	l->line[l->len] = '\0';
	if (l->len > 0 && l->line[l->len - 1] == '\r')
		l->line[l->len - 1] = '\0';
	if (!l->skip && strlen(l->line) + 1 >= l->len) {	/* a line with a NUL in it is nobody's */
		if (l->kind == KIND_POSTGRES)
			postgres_line(l, l->line, at_ms);
		else if (l->kind == KIND_PGBOUNCER)
			pgbouncer_line(l, l->line, at_ms);
	}
	l->len = 0;
	l->skip = false;
}

void
loginlog_feed(struct loginlog *l, const char *text, size_t len_bytes, int64_t at_ms)
{
	const char *end = text + len_bytes, *nl;
	size_t n;

	while (text < end) {
		nl = memchr(text, '\n', (size_t)(end - text));
		n = (size_t)((nl == NULL ? end : nl) - text);
		if (n > LOGINLOG_LINE_MAX - l->len)
			n = LOGINLOG_LINE_MAX - l->len;
		memcpy(l->line + l->len, text, n);
		l->len += n;
		if (nl == NULL)
			return;
		whole_line(l, at_ms);
		text = nl + 1;
	}
}
