/*
 * connstring: see connstring.h.
 *
 * What a mode means in a driver is attempt.c's to know; here are the words of
 * strings, and what stands beside them.
 */
#include "core/connstring.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/attempt.h"
#include "core/buf.h"
#include "core/connurl.h"
#include "core/envfile.h"
#include "core/err.h"
#include "core/mem.h"

#define LOOKS_MAX 256		/* variables of one file */

const char *const connstring_names[] = { "unreadable", "plaintext", "falls-back", "no-mode", "unverified", "chain-only",
    "unknown-mode", "dialect", "no-password", "name-not-covered", "socket", "port", NULL };

enum name {
	UNREADABLE, PLAINTEXT, FALLS_BACK, NO_MODE, UNVERIFIED, CHAIN_ONLY, UNKNOWN_MODE, DIALECT, NO_PASSWORD,
	NAME_NOT_COVERED, SOCKET, PORT
};

struct looking {
	struct connstring_findings *ret;
	const struct connstring_about *about;
	const char *text;	/* the file */
	size_t	 len;
	const char *variable;
	int	 line;
};

/* One string, taken apart.  Values are the string's, secrets among them: released by wiping. */
struct parts {
	bool	 redis, tls;	/* rediss:// */
	enum dialect dialect;
	char	*host, *port;	/* or NULL */
	bool	 password;
	struct pairs params;
};

static void add(struct looking *, enum name, enum lint_level, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void
add(struct looking *l, enum name name, enum lint_level level, const char *fmt, ...)
{
	struct connstring_finding *f;
	va_list ap;

	if (l->ret->n >= CONNSTRING_FINDINGS_MAX)
		return;
	f = mem_push(&l->ret->v, &l->ret->n, sizeof(*f));
	f->name = connstring_names[name];
	f->level = level;
	f->line = l->line;
	f->variable = mem_strdup(l->variable);
	va_start(ap, fmt);
	f->text = mem_vprintf(fmt, ap);
	va_end(ap);
}

/* ------------------------------------------------------------------ parts */

/* Ours, by the variable's name. */
static bool
named(const struct looking *l)
{
	size_t i;

	if (l->about->only == NULL)
		return true;
	for (i = 0; i < l->about->only->n; i++)
		if (strcmp(l->about->only->v[i], l->variable) == 0)
			return true;
	return false;
}

static void
put_param(struct parts *p, const char *key, size_t key_len, const char *value)
{
	struct pair *pair = mem_push(&p->params.v, &p->params.n, sizeof(*pair));

	pair->key = mem_strndup(key, key_len);
	pair->value = mem_strdup(value);
}

static const char *
param(const struct parts *p, const char *key)
{
	size_t i;

	for (i = 0; i < p->params.n; i++)
		if (strcasecmp(p->params.v[i].key, key) == 0)
			return p->params.v[i].value;
	return NULL;
}

static void
wipe(char *s)
{
	if (s != NULL)
		mem_wipe_free(s, strlen(s));
}

static void
parts_release(struct parts *p)
{
	size_t i;

	wipe(p->host);
	wipe(p->port);
	for (i = 0; i < p->params.n; i++) {
		free(p->params.v[i].key);
		wipe(p->params.v[i].value);
	}
	free(p->params.v);
}

/* Schemes, and the driver that each is for. */
static const struct scheme {
	const char *scheme;
	bool	 redis, tls;
	enum dialect dialect;	/* DEFAULT: whichever reads it */
} schemes[] = {
	{ "postgres", false, false, DIALECT_DEFAULT }, { "postgresql", false, false, DIALECT_DEFAULT },
	{ "postgresql+asyncpg", false, false, DIALECT_SQLALCHEMY_ASYNCPG },
	{ "postgres+asyncpg", false, false, DIALECT_SQLALCHEMY_ASYNCPG },
	{ "postgresql+psycopg2", false, false, DIALECT_LIBPQ }, { "postgresql+psycopg", false, false, DIALECT_LIBPQ },
	{ "jdbc:postgresql", false, false, DIALECT_JDBC },
	{ "redis", true, false, DIALECT_DEFAULT }, { "rediss", true, true, DIALECT_DEFAULT },
	{ NULL, false, false, DIALECT_DEFAULT }
};

static const struct scheme *
scheme_of(const char *value)
{
	const struct scheme *s;
	size_t n;

	for (s = schemes; s->scheme != NULL; s++) {
		n = strlen(s->scheme);
		if (strncasecmp(value, s->scheme, n) == 0 && strncmp(value + n, "://", 3) == 0)
			return s;
	}
	return NULL;
}

static char *
part(const char *url, const char *name)
{
	struct buf b;
	char *ret = NULL;

	buf_init(&b, CONNURL_MAX);
	b.secret = true;
	if (connurl_get(url, strlen(url), name, &b) && b.len > 0)
		ret = mem_strdup(buf_str(&b));
	buf_release(&b);
	return ret;
}

/* Each key of the query; what it holds is asked for by name. */
static void
read_query(struct parts *p, const char *url)
{
	const char *at = strchr(url, '?'), *end;
	char *name, *value;
	size_t len;

	while (at != NULL && *at != '\0' && *at != '#') {
		end = ++at;
		end += strcspn(at, "&#");
		len = strcspn(at, "=&#");
		name = mem_printf("?%.*s", (int)len, at);
		if (len > 0 && connurl_part_valid(name) && (value = part(url, name)) != NULL) {
			put_param(p, at, len, value);
			wipe(value);
		} else if (len > 0)
			put_param(p, at, len, "");
		free(name);
		at = *end == '&' ? end : NULL;
	}
}

static bool
read_url(struct looking *l, struct parts *p, const struct scheme *s, const char *value)
{
	const char *url = strncasecmp(value, "jdbc:", 5) == 0 ? value + 5 : value, *at, *end;
	struct err err;

	if (connurl_check(url, strlen(url), &err) != 0) {
		/* Its own words, without what is before the colon: they never show the URL. */
		at = strchr(err.msg, ':');
		if (named(l))
			add(l, UNREADABLE, LINT_WARN, "drivers read it differently: %s",
			    at == NULL ? "it is no URL" : at + 2);
		return false;
	}
	p->redis = s->redis;
	p->tls = s->tls;
	p->dialect = s->dialect;
	p->host = part(url, "host");
	p->port = part(url, "port");
	at = strstr(url, "://") + 3;
	end = at + strcspn(at, "/?#");
	for (; at < end && *at != ':' && *at != '@'; at++)
		;
	/* USER:PASSWORD@, the password not empty */
	p->password = at < end && *at == ':' && memchr(at, '@', (size_t)(end - at)) != NULL && at[1] != '@';
	read_query(p, url);
	if (param(p, "password") != NULL && param(p, "password")[0] != '\0')
		p->password = true;
	return true;
}

/* libpq's key = 'value' …; false: it is none. */
static bool
read_pairs(struct parts *p, const char *s)
{
	struct buf b;
	size_t key_len;
	const char *key;
	bool quoted;

	while (*(s += strspn(s, " \t\r\n")) != '\0') {
		key = s;
		key_len = strspn(s, "abcdefghijklmnopqrstuvwxyz_");
		s += key_len;
		s += strspn(s, " \t");
		if (key_len == 0 || *s != '=')
			return false;
		s++;
		s += strspn(s, " \t");
		buf_init(&b, CONNURL_MAX);
		b.secret = true;
		quoted = *s == '\'';
		if (quoted)
			s++;
		while (*s != '\0' && (quoted ? *s != '\'' : strchr(" \t\r\n", *s) == NULL)) {
			if (*s == '\\' && s[1] != '\0')
				s++;
			(void)buf_putc(&b, *s++);
		}
		if (quoted && *s == '\'')
			s++;
		put_param(p, key, key_len, buf_str(&b));
		buf_release(&b);
	}
	return true;
}

static bool
is_pairs(struct parts *p)
{
	const char *host = param(p, "host"), *port = param(p, "port");

	if (host == NULL && param(p, "hostaddr") == NULL && param(p, "service") == NULL &&
	    (param(p, "dbname") == NULL || param(p, "user") == NULL))
		return false;
	p->host = mem_strdup(host);
	p->port = mem_strdup(port);
	p->dialect = DIALECT_LIBPQ;
	p->password = param(p, "password") != NULL;
	return true;
}

/* ------------------------------------------------------------------ judgement */

static bool
one_of(const char *word, const char *const *list)
{
	for (; *list != NULL; list++)
		if (strcasecmp(word, *list) == 0)
			return true;
	return false;
}

/* One label for the left-most *; addresses literally. */
static bool
name_covers(const char *pattern, const char *name)
{
	const char *dot;
	unsigned char ip[16];

	if (strncmp(pattern, "DNS:", 4) == 0)
		pattern += 4;
	else if (strncmp(pattern, "IP:", 3) == 0)
		return strcasecmp(pattern + 3, name) == 0;
	if (strncmp(pattern, "*.", 2) != 0 || inet_pton(AF_INET, name, ip) == 1 || strchr(name, ':') != NULL)
		return strcasecmp(pattern, name) == 0;
	dot = strchr(name, '.');
	return dot != NULL && dot > name && strcasecmp(pattern + 1, dot) == 0;
}

static void
judge_name(struct looking *l, const char *host, bool checked)
{
	size_t i;

	if (host == NULL || l->about->names == NULL || l->about->names->n == 0 || host[0] == '/')
		return;
	for (i = 0; i < l->about->names->n; i++)
		if (name_covers(l->about->names->v[i], host))
			return;
	add(l, NAME_NOT_COVERED, checked ? LINT_WARN : LINT_NOTE, "the certificate does not cover '%.120s', which it dials%s", host,
	    checked ? "" : ": verify-full would be refused");
}

static enum dial
judge_sslmode(struct looking *l, const char *key, const char *mode)
{
	int dial = dial_parse(mode);

	if (dial == -1) {
		add(l, UNKNOWN_MODE, LINT_WARN, "%s has a mode that libpq does not have, expected disable, allow, prefer, require, "
		    "verify-ca or verify-full", key);
		return DIAL_UNKNOWN;
	}
	switch ((enum dial)dial) {
	case DIAL_DISABLE:
		add(l, PLAINTEXT, LINT_NOTE, "%s=disable: it dials plaintext", key);
		break;
	case DIAL_ALLOW:
	case DIAL_PREFER:
		add(l, FALLS_BACK, LINT_WARN, "%s=%s goes on in plaintext where TLS fails, and says nothing", key, mode);
		break;
	case DIAL_REQUIRE:
		add(l, UNVERIFIED, LINT_NOTE, "%s=require encrypts, and verifies nobody unless a root file is there", key);
		break;
	case DIAL_VERIFY_CA:
		add(l, CHAIN_ONLY, LINT_NOTE, "%s=verify-ca verifies the chain and no name", key);
		break;
	case DIAL_VERIFY_FULL:
	case DIAL_UNKNOWN:
		break;
	}
	return (enum dial)dial;
}

/* The words of others for a mode. */
static enum dial
judge_ssl(struct looking *l, const struct parts *p, const char *ssl, enum dialect dialect)
{
	static const char *const yes[] = { "true", "1", "on", "yes", "", NULL }, *const no[] = { "false", "0", "off", "no", NULL };
	const char *factory;

	if (dialect == DIALECT_JDBC && one_of(ssl, yes)) {
		factory = param(p, "sslfactory");
		if (factory != NULL && strstr(factory, "NonValidatingFactory") != NULL) {
			add(l, UNVERIFIED, LINT_WARN, "sslfactory=NonValidatingFactory encrypts to anybody");
			return DIAL_REQUIRE;
		}
		return DIAL_VERIFY_FULL;
	}
	if (dialect == DIALECT_NODE_POSTGRES && one_of(ssl, yes))
		return DIAL_VERIFY_FULL;
	if (one_of(ssl, no)) {
		add(l, PLAINTEXT, LINT_NOTE, "ssl=%s: it dials plaintext", ssl);
		return DIAL_DISABLE;
	}
	if (one_of(ssl, yes)) {
		add(l, UNVERIFIED, LINT_NOTE, "ssl=%s says nothing of what is verified", ssl);
		return DIAL_REQUIRE;
	}
	return judge_sslmode(l, "ssl", ssl);
}

/* Parameters that the driver does not know. */
static void
judge_dialect(struct looking *l, const struct parts *p, enum dialect dialect)
{
	static const char *const of_redis[] = { "ssl_cert_reqs", "ssl_ca_certs", "ssl_check_hostname", NULL };
	static const char *const of_postgres[] = { "sslmode", "sslrootcert", "sslcert", "sslkey", NULL };
	const char *const *w, *instead;
	size_t i;

	for (w = p->redis ? of_postgres : of_redis; *w != NULL; w++)
		if (param(p, *w) != NULL)
			add(l, DIALECT, LINT_WARN, "'%s' is a word of %s: no client of %s knows it", *w,
			    p->redis ? "Postgres'" : "redis-py", p->redis ? "Redis" : "Postgres");
	if (p->redis) {
		if (param(p, "ssl") != NULL)
			add(l, DIALECT, LINT_WARN, "'ssl' in a URL of Redis does nothing: TLS is rediss://");
		return;
	}
	for (i = 0; i < p->params.n; i++)
		if ((instead = dialect_rejects(dialect, p->params.v[i].key)) != NULL)
			add(l, DIALECT, LINT_WARN, "'%s' is not a word of %s, which takes it for an error: %s", p->params.v[i].key,
			    dialect_word(dialect), instead);
	if ((dialect == DIALECT_LIBPQ || dialect == DIALECT_PGX) && param(p, "ssl") != NULL)
		add(l, DIALECT, LINT_WARN, "'ssl' is a word of asyncpg and JDBC; %s says sslmode", dialect_word(dialect));
	if (dialect == DIALECT_SQLALCHEMY_ASYNCPG && param(p, "ssl") != NULL && strcasecmp(param(p, "ssl"), "true") == 0)
		add(l, DIALECT, LINT_WARN, "'ssl=true' is no mode of asyncpg's: it wants libpq's words, ssl=verify-full");
}

static void
judge_postgres(struct looking *l, const struct parts *p)
{
	enum dialect dialect = p->dialect != DIALECT_DEFAULT ? p->dialect :
	    l->about->dialect != DIALECT_DEFAULT && dialect_fits(l->about->dialect, KIND_POSTGRES) ? l->about->dialect :
	    DIALECT_LIBPQ;
	const char *mode = param(p, "sslmode"), *ssl = param(p, "ssl"), *host = p->host;
	enum dial dial;

	judge_dialect(l, p, dialect);
	if (mode != NULL && dialect == DIALECT_NODE_POSTGRES && strcmp(mode, "no-verify") == 0) {
		add(l, UNVERIFIED, LINT_WARN, "sslmode=no-verify encrypts to anybody");
		dial = DIAL_REQUIRE;
	} else if (mode != NULL)
		dial = judge_sslmode(l, "sslmode", mode);
	else if (ssl != NULL)
		dial = judge_ssl(l, p, ssl, dialect);
	else {
		dial = dialect == DIALECT_NODE_POSTGRES ? DIAL_DISABLE : DIAL_PREFER;
		if (host != NULL && host[0] != '/')
			add(l, NO_MODE, LINT_NOTE, dial == DIAL_DISABLE ? "no mode is named, and node-postgres dials plaintext then" :
			    "no mode is named, and the driver's default is prefer: it goes on in plaintext where TLS fails");
	}
	if (host == NULL && param(p, "host") != NULL)
		host = param(p, "host");
	if (host != NULL && (host[0] == '/' || strncasecmp(host, "%2f", 3) == 0)) {
		if (dial != DIAL_UNKNOWN && dial >= DIAL_REQUIRE)
			add(l, SOCKET, LINT_WARN, "it dials a Unix socket: there is no TLS there, and nobody says so");
		return;
	}
	judge_name(l, host, dial == DIAL_VERIFY_FULL);
}

/* ssl_cert_reqs, in a URL or a variable of its own. */
static void
judge_reqs(struct looking *l, const char *key, const char *reqs)
{
	static const char *const none[] = { "none", "cert_none", "0", "false", "no", NULL };
	static const char *const optional[] = { "optional", "cert_optional", "1", NULL };
	static const char *const required[] = { "required", "cert_required", "2", "true", "yes", NULL };

	if (one_of(reqs, none))
		add(l, UNVERIFIED, LINT_WARN, "%s=none encrypts to anybody: give it the CA, and required", key);
	else if (one_of(reqs, optional))
		add(l, UNVERIFIED, LINT_WARN, "%s=optional: say required, which is what is meant", key);
	else if (!one_of(reqs, required))
		add(l, UNKNOWN_MODE, LINT_WARN, "%s is neither none, optional nor required", key);
}

/* Is there a variable beside it that has Redis' password? */
static bool
password_beside(const struct looking *l)
{
	const char *p = l->text, *end = l->text + l->len, *nl, *key;
	size_t len, at;
	bool found = false;
	char *name;
	struct buf b;

	for (; p < end && !found; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if ((key = envfile_line_key(p, (size_t)(nl - p), &len, &at)) == NULL)
			continue;
		name = mem_strndup(key, len);
		if (strstr(name, "REDIS") != NULL && strstr(name, "PASS") != NULL) {
			buf_init(&b, CONNURL_MAX);
			b.secret = true;
			found = envfile_get(l->text, l->len, name, &b) && b.len > 0;
			buf_release(&b);
		}
		free(name);
	}
	return found;
}

static void
judge_redis(struct looking *l, const struct parts *p)
{
	const char *reqs = param(p, "ssl_cert_reqs"), *check = param(p, "ssl_check_hostname"), *host = p->host;
	int port = p->port == NULL ? 0 : atoi(p->port);
	char *bare = NULL;

	judge_dialect(l, p, l->about->dialect);
	if (!p->tls)
		add(l, PLAINTEXT, LINT_NOTE, "redis:// dials plaintext; TLS is rediss://, with two s");
	if (reqs != NULL && p->tls)
		judge_reqs(l, "ssl_cert_reqs", reqs);
	else if (reqs != NULL)
		add(l, DIALECT, LINT_WARN, "'ssl_cert_reqs' does nothing with redis://: TLS is rediss://");
	if (check != NULL && (strcasecmp(check, "false") == 0 || strcmp(check, "0") == 0))
		add(l, CHAIN_ONLY, LINT_NOTE, "ssl_check_hostname=%s verifies the chain and no name", check);
	if (l->about->production && !p->password && !password_beside(l))
		add(l, NO_PASSWORD, LINT_WARN, "it has no password, and no variable beside it has one");
	if (l->about->port_plain != l->about->port_tls && port != 0) {
		if (p->tls && port == l->about->port_plain)
			add(l, PORT, LINT_WARN, "rediss:// at port %d, which is the plaintext port: it would wait and never be answered", port);
		if (!p->tls && port == l->about->port_tls)
			add(l, PORT, LINT_WARN, "redis:// at port %d, which is the TLS port", port);
	}
	if (host != NULL && host[0] == '[') {
		bare = mem_strndup(host + 1, strcspn(host + 1, "]"));
		host = bare;
	}
	if (p->tls)
		judge_name(l, host, reqs == NULL || strcasecmp(reqs, "none") != 0);
	free(bare);
}

/* Or by what it dials. */
static bool
ours(const struct looking *l, const struct parts *p)
{
	size_t i;

	if (l->about->only == NULL)
		return true;
	if (p->redis != (l->about->kind == KIND_REDIS))
		return false;
	if (named(l))
		return true;
	if (p->host == NULL || l->about->hosts == NULL)
		return false;
	for (i = 0; i < l->about->hosts->n; i++)
		if (strcasecmp(l->about->hosts->v[i], p->host) == 0)
			return true;
	return false;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t a = strlen(s), b = strlen(end);

	return a >= b && strcasecmp(s + a - b, end) == 0;
}

static void
look_at_value(struct looking *l, const char *value)
{
	const struct scheme *s = scheme_of(value);
	struct parts p;

	memset(&p, 0, sizeof(p));
	if (s != NULL) {
		if ((named(l) || l->about->hosts != NULL) && read_url(l, &p, s, value) && ours(l, &p)) {
			if (p.redis)
				judge_redis(l, &p);
			else
				judge_postgres(l, &p);
		}
	} else if (strchr(value, '=') != NULL && strstr(value, "://") == NULL && read_pairs(&p, value) && is_pairs(&p)) {
		if (ours(l, &p))
			judge_postgres(l, &p);
	} else if (!named(l))
		;
	else if (ends_with(l->variable, "SSL_CERT_REQS"))
		judge_reqs(l, "it", value);
	else if (strcmp(l->variable, "PGSSLMODE") == 0 || ends_with(l->variable, "_SSLMODE") || ends_with(l->variable, "_SSL_MODE"))
		(void)judge_sslmode(l, "it", value);
	parts_release(&p);
}

/* ------------------------------------------------------------------ the file */

/* Does the variable stand again further down?  The last one counts. */
static bool
again(const char *p, const char *end, const char *name)
{
	const char *nl, *key;
	size_t len, at;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if ((key = envfile_line_key(p, (size_t)(nl - p), &len, &at)) != NULL && len == strlen(name) &&
		    memcmp(key, name, len) == 0)
			return true;
	}
	return false;
}

static bool
holds(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word), i;

	for (i = 0; i + n <= len; i++)
		if (memcmp(line + i, word, n) == 0)
			return true;
	return false;
}

/* Worth a look at all?  Most variables are not, and a look reads the whole file. */
static bool
may_be_one(const char *line, size_t len, const char *name)
{
	return holds(line, len, "://") || holds(line, len, "host") || holds(line, len, "dbname") ||
	    holds(line, len, "service") || ends_with(name, "SSL_CERT_REQS") || ends_with(name, "SSLMODE") ||
	    ends_with(name, "_SSL_MODE");
}

void
connstring_look(struct connstring_findings *ret, const struct connstring_about *about, const char *text,
    size_t len_bytes)
{
	struct looking l = { ret, about, text, len_bytes, NULL, 0 };
	const char *p, *end = text + len_bytes, *nl, *key;
	size_t len, at;
	struct buf b;
	char *name;
	int line = 1, looks = 0;

	for (p = text; p < end && looks < LOOKS_MAX; p = nl + 1, line++) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		if ((key = envfile_line_key(p, (size_t)(nl - p), &len, &at)) == NULL)
			continue;
		name = mem_strndup(key, len);
		l.variable = name;
		l.line = line;
		buf_init(&b, CONNURL_MAX);
		b.secret = true;
		if (may_be_one(p, (size_t)(nl - p), name) && looks++ < LOOKS_MAX && !again(nl < end ? nl + 1 : end, end, name) && envfile_get(text, len_bytes, name, &b) &&
		    b.len > 0 && !b.over)
			look_at_value(&l, buf_str(&b));
		buf_release(&b);
		free(name);
	}
}

void
connstring_release(struct connstring_findings *f)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		free(f->v[i].variable);
		free(f->v[i].text);
	}
	free(f->v);
	memset(f, 0, sizeof(*f));
}
