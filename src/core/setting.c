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

const char *
setting_key_name(enum kind kind)
{
	static const char *const names[KIND_COUNT] = {
		[KIND_POSTGRES] = "ssl_key_file", [KIND_PGBOUNCER] = "client_tls_key_file", [KIND_REDIS] = "tls-key-file",
	};

	return names[kind];
}
