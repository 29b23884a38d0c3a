/*
 * setting: see setting.h.
 */
#include "core/setting.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/reading.h"
#include "core/op.h"
#include "core/reader.h"

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/*
 * Lists of quoted names: a value of several of them cannot be written as one
 * literal, it would be one name (flatten_set_variable_args() in guc.c, PostgreSQL 15).
 */
static const char *const quoted_lists[] = {
	"local_preload_libraries", "search_path", "session_preload_libraries",
	"shared_preload_libraries", "temp_tablespaces", "unix_socket_directories", NULL
};
/* What holds a password, or may, and does not say so in its name. */
static const char *const secrets[] = {
	"masterauth", "primary_conninfo", "ssl_passphrase_command", "restore_command", "user", "auth_query", NULL
};

bool
setting_name_same(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

static bool
is_one_of(const char *const words[], const char *name)
{
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (setting_name_same(words[i], name))
			return true;
	return false;
}

static bool
is_secret(enum kind kind, const char *name)
{
	char lower[SETTING_NAME_MAX + 1];
	size_t i;

	for (i = 0; name[i] != '\0' && i < SETTING_NAME_MAX; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	lower[i] = '\0';
	/* password_encryption and its like say how, and hold none. */
	if (kind == KIND_POSTGRES && strncmp(lower, "password", 8) == 0)
		return false;
	return strstr(lower, "pass") != NULL || strstr(lower, "secret") != NULL ||
	    is_one_of(secrets, lower);
}

int
setting_check(enum kind kind, const char *name, const char *value, struct err *err)
{
	const char *p;

	if (*name == '\0' || strlen(name) > SETTING_NAME_MAX || strchr(letters, *name) == NULL ||
	    strspn(name + 1, kind == KIND_REDIS ?
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-" :
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.") != strlen(name) - 1 ||
	    name[strlen(name) - 1] == '.' || strstr(name, "..") != NULL)
		return err_set(err, "'%s', expected the name of a setting of a %s", name, kind_word(kind));
	if (is_secret(kind, name))
		return err_set(err, "'%s' may hold a secret, which would be kept in the record on the host: "
		    "expected a 'conf' edit of its file", name);
	if (kind == KIND_POSTGRES && is_one_of(quoted_lists, name))
		return err_set(err, "'%s' is a list of quoted names, expected a 'conf' edit of its file", name);
	if (value == NULL && kind != KIND_POSTGRES)
		return err_set(err, "a %s has no value of '%s' to go back to, expected 'set: { %s: value }'",
		    kind_word(kind), name, name);
	if (value == NULL)
		return 0;
	if (strlen(value) > SETTING_VALUE_MAX)
		return err_set(err, "the value of '%s' is longer than %d bytes", name, SETTING_VALUE_MAX);
	for (p = value; *p != '\0'; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return err_set(err, "the value of '%s' has a control character, expected one line", name);
	return 0;
}

int
setting_truth(const char *s)
{
	static const char *const words[2][5] = {
		{ "off", "no", "false", "0", NULL }, { "on", "yes", "true", "1", NULL }
	};
	int i;

	for (i = 0; i < 2; i++)
		if (is_one_of(words[i], s))
			return i;
	return -1;
}

/*
 * A number, in millionths, with a unit of memory as redis.conf has them
 * (memtoull() in util.c, Redis 7.0).  Longer ones are compared by their letters.
 */
static bool
number(enum kind kind, const char *s, int64_t *ret)
{
	static const struct { const char *unit; int64_t factor; } units[] = {
		{ "", 1 }, { "b", 1 }, { "k", 1000 }, { "kb", 1024 }, { "m", 1000000 }, { "mb", 1048576 },
		{ "g", 1000000000 }, { "gb", 1073741824 },
	};
	int64_t v = 0, scale = 1000000;
	bool negative = *s == '-';
	size_t i, digits = 0;

	for (s += negative; *s >= '0' && *s <= '9' && digits < 10; s++, digits++)
		v = v * 10 + (*s - '0');
	if (digits == 0 || (*s >= '0' && *s <= '9'))
		return false;
	v *= scale;
	if (*s == '.')
		for (s++; *s >= '0' && *s <= '9'; s++)
			if (scale > 1)
				v += (*s - '0') * (scale /= 10);
	for (i = 0; i < (kind == KIND_REDIS ? sizeof(units) / sizeof(units[0]) : 1); i++)
		if (strcasecmp(s, units[i].unit) == 0 && v <= INT64_MAX / units[i].factor) {
			*ret = (negative ? -v : v) * units[i].factor;
			return true;
		}
	return false;
}

bool
setting_same(enum kind kind, const char *a, const char *b)
{
	int64_t x, y;

	if (a == NULL || b == NULL)
		return a == b;
	if (strcmp(a, b) == 0)
		return true;
	/* postgresql.auto.conf has the letters that were given; the others say what they made of them. */
	if (kind == KIND_POSTGRES)
		return false;
	if (number(kind, a, &x) && number(kind, b, &y))
		return x == y;
	return setting_truth(a) != -1 && setting_truth(a) == setting_truth(b);
}

void
setting_push(struct pairs *pairs, const char *name, const char *value)
{
	struct pair *p = mem_push(&pairs->v, &pairs->n, sizeof(*pairs->v));

	p->key = mem_strdup(name);
	p->value = mem_strdup(value);
}

void
setting_wanted(const struct op *op, struct pairs *ret)
{
	size_t i;

	for (i = 0; i < op->set.n; i++)
		setting_push(ret, op->set.v[i].key, op->set.v[i].value);
	for (i = 0; i < op->unset.n; i++)
		setting_push(ret, op->unset.v[i], NULL);
}

void
setting_put_text(struct buf *out, const struct pairs *pairs)
{
	size_t i;

	for (i = 0; i < pairs->n; i++)
		if (pairs->v[i].value == NULL)
			(void)buf_printf(out, "unset %s\n", pairs->v[i].key);
		else
			(void)buf_printf(out, "set %s %s\n", pairs->v[i].key, pairs->v[i].value);
}

int
setting_parse_text(struct pairs *ret, const char *text, size_t len_bytes, struct err *err)
{
	const char *p = text, *end = text + len_bytes, *nl, *blank;
	struct pairs pairs = { NULL, 0 };
	char *name, *value;

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL || pairs.n >= SETTING_NAMES_MAX)
			break;
		if (nl - p > 6 && memcmp(p, "unset ", 6) == 0) {
			name = mem_strndup(p + 6, (size_t)(nl - p) - 6);
			setting_push(&pairs, name, NULL);
		} else if (nl - p > 4 && memcmp(p, "set ", 4) == 0 &&
		    (blank = memchr(p + 4, ' ', (size_t)(nl - p) - 4)) != NULL) {
			name = mem_strndup(p + 4, (size_t)(blank - p) - 4);
			value = mem_strndup(blank + 1, (size_t)(nl - blank) - 1);
			setting_push(&pairs, name, value);
			free(value);
		} else
			break;
		free(name);
	}
	if (p < end) {
		pairs_release(&pairs);
		return err_set(err, "the record of the settings is damaged");
	}
	*ret = pairs;
	return 0;
}

static const char *
value_words(const char *value)
{
	return value == NULL || *value == '\0' ? "nothing" : value;
}

/* "ssl@persisted" is of "ssl"; false: the key is about something else. */
static bool
about(const char *key, const char *what, char *name, size_t size)
{
	const char *at = strrchr(key, '@');

	if (at == NULL || strcmp(at + 1, what) != 0 || (size_t)(at - key) >= size)
		return false;
	memcpy(name, key, (size_t)(at - key));
	name[at - key] = '\0';
	return true;
}

const char *
setting_key_name(enum kind kind)
{
	static const char *const names[KIND_COUNT] = {
		[KIND_POSTGRES] = "ssl_key_file", [KIND_PGBOUNCER] = "client_tls_key_file", [KIND_REDIS] = "tls-key-file",
	};

	return names[kind];
}

static const char *
value_of(const struct reading *r, const char *name, bool after_restart)
{
	char key[SETTING_NAME_MAX + 16];
	const char *v;

	if (!after_restart)
		return reading_setting(r, name);
	(void)snprintf(key, sizeof(key), "%s@persisted", name);
	v = reading_setting(r, key);
	/* A name that its file does not hold is not told where the file was not read. */
	return v;
}

enum accept
setting_accept(enum kind kind, const struct reading *r, bool after_restart)
{
	const char *plain, *tls, *demands;

	switch (kind) {
	case KIND_POSTGRES:
		tls = value_of(r, "ssl", after_restart);
		return tls == NULL ? ACCEPT_UNKNOWN : setting_truth(tls) == 1 ? ACCEPT_BOTH : ACCEPT_PLAIN;
	case KIND_PGBOUNCER:
		tls = value_of(r, "client_tls_sslmode", after_restart);
		if (tls == NULL)
			return ACCEPT_UNKNOWN;
		return strcmp(tls, "disable") == 0 ? ACCEPT_PLAIN : strcmp(tls, "allow") == 0 || strcmp(tls, "prefer") == 0 ?
		    ACCEPT_BOTH : strcmp(tls, "require") == 0 ? ACCEPT_TLS : ACCEPT_MUTUAL;
	case KIND_REDIS:
		plain = value_of(r, "port", after_restart);
		tls = value_of(r, "tls-port", after_restart);
		demands = value_of(r, "tls-auth-clients", after_restart);
		if (plain == NULL || tls == NULL)
			return ACCEPT_UNKNOWN;
		if (strcmp(tls, "0") == 0)
			return strcmp(plain, "0") == 0 ? ACCEPT_UNKNOWN : ACCEPT_PLAIN;
		return strcmp(plain, "0") != 0 ? ACCEPT_BOTH : demands != NULL && setting_truth(demands) == 1 ? ACCEPT_MUTUAL :
		    ACCEPT_TLS;
	}
	return ACCEPT_UNKNOWN;
}

void
setting_accept_words(enum kind kind, const struct reading *r, struct buf *out)
{
	static const char *const names[KIND_COUNT][3] = {
		[KIND_POSTGRES] = { "ssl", NULL }, [KIND_PGBOUNCER] = { "client_tls_sslmode", NULL },
		[KIND_REDIS] = { "port", "tls-port", NULL },
	};
	size_t i;

	for (i = 0; names[kind][i] != NULL; i++)
		if (reading_setting(r, names[kind][i]) != NULL)
			(void)buf_printf(out, "%s%s %s", i > 0 ? ", " : "", names[kind][i], value_words(reading_setting(r, names[kind][i])));
}

/* "tls", "plaintext", as people say what a server does. */
static const char *
does_words(enum kind kind, enum accept accept)
{
	return accept == ACCEPT_PLAIN ? "plaintext" : accept == ACCEPT_MUTUAL ? "tls with client certificates" :
	    accept == ACCEPT_BOTH && kind != KIND_POSTGRES ? "tls beside plaintext" : "tls";
}

/* The finding in few words, before the settings that make it up. */
static size_t
put_restarts(enum kind kind, const struct reading *r, struct buf *out)
{
	enum accept runs = setting_accept(kind, r, false), then = setting_accept(kind, r, true);

	if (runs == ACCEPT_UNKNOWN || then == ACCEPT_UNKNOWN || runs == then)
		return 0;
	(void)buf_printf(out, "runtime %s, after a restart %s: %s", does_words(kind, runs), does_words(kind, then),
	    kind == KIND_REDIS ? "set by CONFIG SET, not rewritten" : kind == KIND_PGBOUNCER ?
	    "set at the console and not in its file, or its file not reloaded" :
	    "its files say so, and were not reloaded");
	return 1;
}

size_t
setting_drift(enum kind kind, const struct reading *r, struct buf *out)
{
	char name[SETTING_NAME_MAX + 1];
	const char *runs;
	size_t i, n = put_restarts(kind, r, out);

	for (i = 0; i < r->settings.n; i++) {
		const struct pair *p = &r->settings.v[i];

		if (about(p->key, "persisted", name, sizeof(name))) {
			runs = reading_setting(r, name);
			if (runs == NULL || setting_same(kind, runs, p->value))
				continue;
			(void)buf_printf(out, kind == KIND_REDIS ? "%s%s is %s, and %s in its file: after a restart that counts, "
			    "unless its command line says so" : "%s%s is %s, and %s after a reload or a restart", n++ > 0 ? "; " : "",
			    name, value_words(runs), value_words(p->value));
		} else if (about(p->key, "pending", name, sizeof(name)))
			(void)buf_printf(out, "%s%s waits for a restart", n++ > 0 ? "; " : "", name);
		else if (about(p->key, "source", name, sizeof(name)) && strncmp(name, "ssl", 3) == 0 &&
		    strcmp(p->value, "command line") == 0)
			(void)buf_printf(out, "%s%s is %s by the command line: no reload and no ALTER SYSTEM takes it back",
			    n++ > 0 ? "; " : "", name, value_words(reading_setting(r, name)));
	}
	return n;
}
