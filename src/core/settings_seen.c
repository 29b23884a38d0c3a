/*
 * settings_seen: see settings_seen.h.  Owns which settings decide what a server accepts, and
 * what makes it another thing after a restart; when two values mean the same is setting.c's.
 */
#include "core/settings_seen.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/setting.h"

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
settings_seen_accept(enum kind kind, const struct reading *r, bool after_restart)
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
settings_seen_accept_words(enum kind kind, const struct reading *r, struct buf *out)
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
	enum accept runs = settings_seen_accept(kind, r, false), then = settings_seen_accept(kind, r, true);

	if (runs == ACCEPT_UNKNOWN || then == ACCEPT_UNKNOWN || runs == then)
		return 0;
	(void)buf_printf(out, "runtime %s, after a restart %s: %s", does_words(kind, runs), does_words(kind, then),
	    kind == KIND_REDIS ? "set by CONFIG SET, not rewritten" : kind == KIND_PGBOUNCER ?
	    "set at the console and not in its file, or its file not reloaded" :
	    "its files say so, and were not reloaded");
	return 1;
}

size_t
settings_seen_drift(enum kind kind, const struct reading *r, struct buf *out)
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
