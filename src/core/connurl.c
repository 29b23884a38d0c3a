/*
 * connurl: see connurl.h.
 *
 * A URL is parsed into places in it; a change writes it anew around one place.
 * Several changes are made one after the other.
 */
#include "core/connurl.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

struct span {
	size_t	 at, len;
};

struct url {
	const char *p;
	size_t	 len;
	struct span scheme, user;	/* user: with its password and @ */
	struct span hosts;		/* all of them, with their ports */
	struct span host, port;		/* port: the digits; len 0: none, at is where it would be */
	bool	 has_port, several;
	struct span query;		/* behind the ?, or at where the ? would stand */
	bool	 has_query;
};

static int
wrong(struct err *err, const char *what)
{
	return err_set(err, "the value is no connection URL that can be edited: %s", what);
}

static size_t
span_of(const char *p, size_t at, size_t end, const char *bytes, bool in)
{
	size_t i;

	for (i = at; i < end && p[i] != '\0' && (strchr(bytes, p[i]) != NULL) == in; i++)
		;
	return i - at;
}

/* HOST[:PORT] of one host; false: a [ without its ], or more behind it. */
static bool
parse_host(struct url *u)
{
	const char *p = u->p;
	size_t at = u->hosts.at, end = at + u->hosts.len, i = at;

	if (i < end && p[i] == '[') {
		i += span_of(p, i, end, "]", false);
		if (i == end || (i + 1 < end && p[i + 1] != ':'))
			return false;
	}
	i += span_of(p, i, end, ":", false);
	u->host.at = at;
	u->host.len = i - at;
	u->has_port = i < end;
	u->port.at = u->has_port ? i + 1 : i;
	u->port.len = end - u->port.at;
	return true;
}

/* One KEY=VALUE of the query at *at, which goes behind it and its &. */
static bool
next_parameter(const struct url *u, size_t *at, struct span *key, struct span *value)
{
	size_t end = u->query.at + u->query.len, len;

	if (*at >= end)
		return false;
	len = span_of(u->p, *at, end, "&", false);
	key->at = *at;
	key->len = span_of(u->p, *at, *at + len, "=", false);
	value->at = key->at + key->len;
	value->len = len - key->len;
	if (value->len > 0) {
		value->at++;
		value->len--;
	}
	*at += len + 1;
	return true;
}

static bool
doubled(const struct url *u)
{
	struct span a, b, v;
	size_t at = u->query.at, then;

	while (next_parameter(u, &at, &a, &v))
		for (then = at; next_parameter(u, &then, &b, &v);)
			if (a.len > 0 && a.len == b.len &&
			    memcmp(u->p + a.at, u->p + b.at, a.len) == 0)
				return true;
	return false;
}

static int
parse(struct url *u, const char *p, size_t len, struct err *err)
{
	size_t i, end, at;

	memset(u, 0, sizeof(*u));
	u->p = p;
	u->len = len;
	if (len > CONNURL_MAX)
		return wrong(err, "it is too long");
	for (i = 0; i < len; i++)
		if ((unsigned char)p[i] <= ' ' || p[i] == 0x7f)
			return wrong(err, "it has blanks or control characters");
	u->scheme.len = span_of(p, 0, len, LETTERS DIGITS "+.-", true);
	if (u->scheme.len == 0 || strchr(LETTERS, p[0]) == NULL || len - u->scheme.len < 3 ||
	    memcmp(p + u->scheme.len, "://", 3) != 0)
		return wrong(err, "expected SCHEME://");
	at = u->scheme.len + 3;
	end = at + span_of(p, at, len, "/?#", false);
	for (i = end; i < len; i++)
		if (p[i] == '@')
			return wrong(err, "an '@' stands behind the host (write it as %40)");
	u->user.at = at;
	for (i = end; i > at; i--)
		if (p[i - 1] == '@') {
			u->user.len = i - at;
			break;
		}
	u->hosts.at = at + u->user.len;
	u->hosts.len = end - u->hosts.at;
	u->several = memchr(p + u->hosts.at, ',', u->hosts.len) != NULL;
	if (!u->several && !parse_host(u))
		return wrong(err, "its host is no address in brackets");
	/* A password with a raw / would make a port of its beginning. */
	if (!u->several && span_of(p, u->port.at, end, DIGITS, true) != u->port.len)
		return wrong(err, "its port is no number");
	i = end + span_of(p, end, len, "?#", false);
	u->has_query = i < len && p[i] == '?';
	u->query.at = u->has_query ? i + 1 : i;
	u->query.len = u->has_query ? span_of(p, i + 1, len, "#", false) : 0;
	return doubled(u) ? wrong(err, "a parameter stands twice in it") : 0;
}

int
connurl_check(const char *url, size_t len_bytes, struct err *err)
{
	struct url u;

	return parse(&u, url, len_bytes, err);
}

/* ------------------------------------------------------------------ parts */

enum part { PART_NONE, PART_SCHEME, PART_HOST, PART_PORT, PART_PARAMETER };

static enum part
part_of(const char *part)
{
	return strcmp(part, "scheme") == 0 ? PART_SCHEME : strcmp(part, "host") == 0 ? PART_HOST :
	    strcmp(part, "port") == 0 ? PART_PORT :
	    part[0] == '?' && part[1] != '\0' && part[1 + strspn(part + 1, LETTERS DIGITS "._-")] == '\0' ?
	    PART_PARAMETER : PART_NONE;
}

bool
connurl_part_valid(const char *part)
{
	return part_of(part) != PART_NONE;
}

bool
connurl_value_valid(const char *part, const char *value)
{
	size_t len = strlen(value);

	switch (part_of(part)) {
	case PART_SCHEME:
		return len > 0 && strchr(LETTERS, value[0]) != NULL &&
		    strspn(value, LETTERS DIGITS "+.-") == len;
	case PART_HOST:
		if (value[0] == '[')
			return len > 2 && value[len - 1] == ']' &&
			    strspn(value + 1, DIGITS "abcdefABCDEF:.") == len - 2;
		return len > 0 && strspn(value, LETTERS DIGITS "._-") == len;
	case PART_PORT:
		return len > 0 && len < 6 && strspn(value, DIGITS) == len;
	case PART_PARAMETER:
		return strpbrk(value, "\r\n") == NULL;
	case PART_NONE:
		break;
	}
	return false;
}

/* Where the part's raw value stands; for a parameter *key is its name, too. */
static bool
locate(const struct url *u, const char *part, struct span *key, struct span *value)
{
	size_t at = u->query.at;

	switch (part_of(part)) {
	case PART_SCHEME:
		*value = u->scheme;
		return true;
	case PART_HOST:
		*value = u->host;
		return !u->several;
	case PART_PORT:
		*value = u->port;
		return !u->several && u->has_port;
	case PART_PARAMETER:
		while (next_parameter(u, &at, key, value))
			if (key->len == strlen(part + 1) && memcmp(u->p + key->at, part + 1, key->len) == 0)
				return true;
		return false;
	case PART_NONE:
		break;
	}
	return false;
}

static int
hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void
put_decoded(const char *p, size_t len, struct buf *out)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] == '%' && i + 2 < len && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
			(void)buf_putc(out, (char)(hex(p[i + 1]) * 16 + hex(p[i + 2])));
			i += 2;
		} else
			(void)buf_putc(out, p[i]);
}

/* Encoded where it must be in a query; / and : may stand there. */
static void
put_encoded(const char *value, struct buf *out)
{
	const char *p;

	for (p = value; *p != '\0'; p++)
		if (strchr(LETTERS DIGITS "-._~/:,", *p) != NULL)
			(void)buf_putc(out, *p);
		else
			(void)buf_printf(out, "%%%02X", (unsigned char)*p);
}

static bool
value_of(const struct url *u, const char *part, struct buf *out)
{
	struct span key, value;

	if (!locate(u, part, &key, &value))
		return false;
	if (out != NULL && part_of(part) == PART_PARAMETER)
		put_decoded(u->p + value.at, value.len, out);
	else if (out != NULL)
		(void)buf_put(out, u->p + value.at, value.len);
	return true;
}

bool
connurl_get(const char *url, size_t len_bytes, const char *part, struct buf *out)
{
	struct url u;
	struct err ignored;

	return parse(&u, url, len_bytes, &ignored) == 0 && value_of(&u, part, out);
}

static bool
has_value(const struct url *u, const char *part, const char *want, size_t len)
{
	struct buf is;
	bool same;

	buf_init(&is, 0);
	is.secret = true;
	same = value_of(u, part, &is) && is.len == len && memcmp(buf_str(&is), want, len) == 0;
	buf_release(&is);
	return same;
}

/* ------------------------------------------------------------------ writing */

static void
put_range(struct buf *out, const struct url *u, size_t from, size_t to)
{
	(void)buf_put(out, u->p + from, to - from);
}

/* Writes the URL with another raw value of a part; NULL: without it. */
static int
write_part(struct buf *out, const struct url *u, const char *part, const char *raw, size_t raw_len,
    struct err *err)
{
	enum part what = part_of(part);
	struct span key = { 0, 0 }, value = { 0, 0 };
	bool there = locate(u, part, &key, &value);
	size_t from, to, end = u->query.at + u->query.len;

	if (u->several && (what == PART_HOST || what == PART_PORT))
		return wrong(err, "it names several hosts");
	if (raw == NULL && (what == PART_SCHEME || what == PART_HOST))
		return err_set(err, "the %s of a URL cannot be unset", part);
	if (raw == NULL && !there) {
		put_range(out, u, 0, u->len);
		return 0;
	}
	if (raw == NULL && what == PART_PORT) {
		from = value.at - 1;
		to = value.at + value.len;
	} else if (raw == NULL) {
		/* With the & behind it, or the one before it, or the ? that would be left alone. */
		from = key.at;
		to = value.at + value.len;
		if (to < end)
			to++;
		else
			from--;
	} else if (there) {
		from = value.at;
		to = value.at + value.len;
		/* KEY without a = */
		if (what == PART_PARAMETER && value.at == key.at + key.len) {
			put_range(out, u, 0, from);
			(void)buf_putc(out, '=');
			(void)buf_put(out, raw, raw_len);
			put_range(out, u, to, u->len);
			return 0;
		}
	} else if (what == PART_PORT) {
		put_range(out, u, 0, u->port.at);
		(void)buf_putc(out, ':');
		(void)buf_put(out, raw, raw_len);
		put_range(out, u, u->port.at, u->len);
		return 0;
	} else {
		put_range(out, u, 0, end);
		if (!u->has_query)
			(void)buf_putc(out, '?');
		else if (u->query.len > 0 && u->p[end - 1] != '&')
			(void)buf_putc(out, '&');
		(void)buf_printf(out, "%s=", part + 1);
		(void)buf_put(out, raw, raw_len);
		put_range(out, u, end, u->len);
		return 0;
	}
	put_range(out, u, 0, from);
	if (raw != NULL)
		(void)buf_put(out, raw, raw_len);
	put_range(out, u, to, u->len);
	return 0;
}

static int
rewrite(struct buf *is, const char *part, const char *raw, size_t raw_len, struct err *err)
{
	struct url u;
	struct buf next;
	int ret;

	buf_init(&next, 0);
	next.secret = true;
	ret = parse(&u, buf_str(is), is->len, err) == 0 ?
	    write_part(&next, &u, part, raw, raw_len, err) : -1;
	if (ret == 0) {
		buf_clear(is);
		(void)buf_put(is, buf_str(&next), next.len);
	}
	buf_release(&next);
	return ret;
}

static int
set_part(struct buf *is, const char *part, const char *value, struct err *err)
{
	struct url u;
	struct buf raw;
	int ret;

	if (!connurl_value_valid(part, value))
		return err_set(err, "'%s' of a URL cannot have the value that it is given", part);
	if (parse(&u, buf_str(is), is->len, err) != 0)
		return -1;
	if (has_value(&u, part, value, strlen(value)))
		return 0;
	buf_init(&raw, 0);
	raw.secret = true;
	if (part_of(part) == PART_PARAMETER)
		put_encoded(value, &raw);
	else
		(void)buf_puts(&raw, value);
	ret = rewrite(is, part, buf_str(&raw), raw.len, err);
	buf_release(&raw);
	return ret;
}

int
connurl_edit(struct buf *out, const char *url, size_t len_bytes, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	struct buf is;
	size_t i;
	int ret;

	ret = connurl_check(url, len_bytes, err);
	buf_init(&is, 0);
	is.secret = true;
	(void)buf_put(&is, url, len_bytes);
	for (i = 0; ret == 0 && i < unset->n; i++)
		ret = rewrite(&is, unset->v[i], NULL, 0, err);
	for (i = 0; ret == 0 && i < set->n; i++)
		ret = set_part(&is, set->v[i].key, set->v[i].value, err);
	if (ret == 0)
		(void)buf_put(out, buf_str(&is), is.len);
	buf_release(&is);
	return ret;
}

/* ------------------------------------------------------------------ the way back */

static bool
same_value(const struct url *a, const struct url *b, const char *part)
{
	struct buf value;
	bool same;

	buf_init(&value, 0);
	value.secret = true;
	same = value_of(a, part, &value) ? has_value(b, part, buf_str(&value), value.len) :
	    !value_of(b, part, NULL);
	buf_release(&value);
	return same;
}

/* One part as it was, in *is.  wrote: NULL: we had unset it.  False: drift. */
static bool
restore_part(struct buf *is, const struct url *before, const char *part, const char *wrote)
{
	struct url now;
	struct span key, value;
	struct err ignored;

	if (parse(&now, buf_str(is), is->len, &ignored) != 0)
		return false;
	if (same_value(before, &now, part))
		return true;
	if (wrote != NULL && has_value(before, part, wrote, strlen(wrote)))
		return true;		/* we changed nothing */
	if (wrote == NULL && !value_of(before, part, NULL))
		return true;
	if (wrote == NULL ? value_of(&now, part, NULL) : !has_value(&now, part, wrote, strlen(wrote)))
		return false;
	if (!locate(before, part, &key, &value))
		return rewrite(is, part, NULL, 0, &ignored) == 0;
	return rewrite(is, part, before->p + value.at, value.len, &ignored) == 0;
}

size_t
connurl_restore(struct buf *out, const char *before, size_t before_len, const struct pairs *set,
    const struct strings *unset, const char *now, size_t now_len, struct strings *ret_drift)
{
	struct buf is, after;
	struct url u;
	struct err ignored;
	const char *part;
	size_t i, drifted = 0;
	bool is_url, ours;

	buf_init(&after, 0);
	after.secret = true;
	ours = connurl_edit(&after, before, before_len, set, unset, &ignored) == 0 &&
	    after.len == now_len && memcmp(buf_str(&after), now, now_len) == 0;
	buf_release(&after);
	if (ours) {
		(void)buf_put(out, before, before_len);
		return 0;
	}
	is_url = parse(&u, before, before_len, &ignored) == 0;
	buf_init(&is, 0);
	is.secret = true;
	(void)buf_put(&is, now, now_len);
	for (i = 0; i < set->n + unset->n; i++) {
		part = i < set->n ? set->v[i].key : unset->v[i - set->n];
		if (is_url && restore_part(&is, &u, part, i < set->n ? set->v[i].value : NULL))
			continue;
		*(char **)mem_push(&ret_drift->v, &ret_drift->n, sizeof(char *)) = mem_strdup(part);
		drifted++;
	}
	if (drifted == 0)
		(void)buf_put(out, buf_str(&is), is.len);
	buf_release(&is);
	return drifted;
}

/* ------------------------------------------------------------------ showing */

static bool
sounds_secret(const char *p, size_t len)
{
	static const char *const words[] = { "pass", "pwd", "secret", "token", "key", NULL };
	size_t i, k;

	/* Paths of key files are no secrets. */
	if ((len == 6 && strncasecmp(p, "sslkey", 6) == 0) ||
	    (len >= 7 && strncasecmp(p + len - 7, "keyfile", 7) == 0))
		return false;
	for (k = 0; words[k] != NULL; k++)
		for (i = 0; i + strlen(words[k]) <= len; i++)
			if (strncasecmp(p + i, words[k], strlen(words[k])) == 0)
				return true;
	return false;
}

void
connurl_show(const char *url, size_t len_bytes, struct buf *out)
{
	struct url u;
	struct err ignored;
	struct span key, value;
	size_t at, name, shown;

	if (parse(&u, url, len_bytes, &ignored) != 0) {
		(void)buf_puts(out, "…");
		return;
	}
	name = span_of(url, u.user.at, u.user.at + u.user.len, ":", false);
	if (u.user.len > 0 && name < u.user.len) {
		put_range(out, &u, 0, u.user.at + name + 1);
		(void)buf_puts(out, "…@");
	} else
		put_range(out, &u, 0, u.hosts.at);
	put_range(out, &u, u.hosts.at, u.query.at);
	shown = at = u.query.at;
	while (next_parameter(&u, &at, &key, &value)) {
		if (!sounds_secret(url + key.at, key.len) || value.len == 0)
			continue;
		put_range(out, &u, shown, value.at);
		(void)buf_puts(out, "…");
		shown = value.at + value.len;
	}
	put_range(out, &u, shown, u.len);
}
