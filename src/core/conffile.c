/*
 * conffile: see conffile.h.  Three syntaxes; keyfile does the rest.
 */
#include "core/conffile.h"

#include <string.h>
#include <strings.h>

#include "core/buf.h"
#include "core/keyfile.h"

static bool
blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t
skip_blanks(const char *p, size_t at, size_t end)
{
	while (at < end && blank(p[at]))
		at++;
	return at;
}

static size_t
trimmed(const char *p, size_t from, size_t end)
{
	while (end > from && blank(p[end - 1]))
		end--;
	return end;
}

static void
item_begin(struct keyfile_item *it, const char *p, size_t len, size_t *ret_at, size_t *ret_end)
{
	it->p = p;
	it->len = keyfile_line_next(p, 0, len);
	*ret_end = keyfile_line_end(p, 0, len);
	/* A lone last line may end in a \r, too. */
	if (*ret_end == len && len > 0 && p[len - 1] == '\r')
		(*ret_end)--;
	*ret_at = skip_blanks(p, 0, *ret_end);
}

static bool
key_in_any_case(const struct keyfile_item *it, const char *key)
{
	return it->key_len > 0 && it->key_len == strlen(key) &&
	    strncasecmp(it->p + it->key, key, it->key_len) == 0;
}

static void
raw_value(const struct keyfile_item *it, struct buf *out)
{
	(void)buf_put(out, it->p + it->value, it->value_len);
}

static void
assignment(struct buf *out, const char *key, const char *value,
    void (*put)(struct buf *, const char *, const struct keyfile_item *))
{
	(void)buf_printf(out, "%s = ", key);
	put(out, value, NULL);
}

/* ------------------------------------------------------------------ postgresql.conf */

static bool
postgres_key_byte(char c)
{
	return letter(c) || digit(c) || c == '.' || c == '$' || (unsigned char)c >= 0x80;
}

/* The end of the string that opens at `at`, behind its quote; 0: it stays open. */
static size_t
postgres_string(const char *p, size_t at, size_t end)
{
	size_t i;

	for (i = at + 1; i < end; i++) {
		if (p[i] == '\\')
			i++;
		else if (p[i] == '\'' && i + 1 < end && p[i + 1] == '\'')
			i++;
		else if (p[i] == '\'')
			return i + 1;
	}
	return 0;
}

static void
postgres_read(struct keyfile_item *it, const char *p, size_t len)
{
	size_t at, end, key, i;

	item_begin(it, p, len, &at, &end);
	key = at;
	if (at == end || !(letter(p[at]) || (unsigned char)p[at] >= 0x80))
		return;
	while (at < end && postgres_key_byte(p[at]))
		at++;
	i = skip_blanks(p, at, end);
	if (i < end && p[i] == '=')
		i = skip_blanks(p, i + 1, end);
	else if (i == at)
		return;
	if (i < end && p[i] == '\'') {
		size_t close = postgres_string(p, i, end), rest;

		if (close == 0)
			return;
		rest = skip_blanks(p, close, end);
		if (rest < end && p[rest] != '#')
			return;
		it->quote = '\'';
		it->value_len = close - i;
	} else {
		const char *comment = memchr(p + i, '#', end - i);

		it->value_len = trimmed(p, i, comment == NULL ? end : (size_t)(comment - p)) - i;
		if (it->value_len == 0)
			return;
	}
	it->value = i;
	it->key = key;
	it->key_len = at - key;
}

static void
postgres_value(const struct keyfile_item *it, struct buf *out)
{
	static const char named[] = "bfnrt", meant[] = "\b\f\n\r\t";
	const char *v = it->p + it->value, *found;
	size_t i, k, end = it->value_len - 1;
	int c;

	if (it->quote == 0) {
		raw_value(it, out);
		return;
	}
	for (i = 1; i < end; i++) {
		if (v[i] == '\\' && i + 1 < end) {
			i++;
			if (v[i] >= '0' && v[i] <= '7') {
				for (k = 0, c = 0; k < 3 && i + k < end && v[i + k] >= '0' &&
				    v[i + k] <= '7'; k++)
					c = c * 8 + (v[i + k] - '0');
				i += k - 1;
				(void)buf_putc(out, (char)c);
			} else if (v[i] != '\0' && (found = strchr(named, v[i])) != NULL)
				(void)buf_putc(out, meant[found - named]);
			else
				(void)buf_putc(out, v[i]);
		} else {
			if (v[i] == '\'')
				i++;
			(void)buf_putc(out, v[i]);
		}
	}
}

/* A word or a number needs no quotes; everything else gets them. */
static bool
postgres_bare(const char *value)
{
	const char *p;

	for (p = value; letter(*p) || digit(*p); p++)
		;
	return p != value && *p == '\0';
}

static void
postgres_put(struct buf *out, const char *value, const struct keyfile_item *was)
{
	if ((was == NULL || was->quote == 0) && postgres_bare(value)) {
		(void)buf_puts(out, value);
		return;
	}
	(void)buf_putc(out, '\'');
	for (; *value != '\0'; value++) {
		if (*value == '\'' || *value == '\\')
			(void)buf_putc(out, *value);
		(void)buf_putc(out, *value);
	}
	(void)buf_putc(out, '\'');
}

static void
postgres_new(struct buf *out, const char *key, const char *value, const struct keyfile_item *last)
{
	(void)last;
	assignment(out, key, value, postgres_put);
}

/* ------------------------------------------------------------------ pgbouncer.ini */

#define INI_SECTION "pgbouncer"

static bool
ini_key_byte(char c)
{
	return letter(c) || digit(c) || c == '.' || c == '-' || c == '*';
}

static void
ini_read(struct keyfile_item *it, const char *p, size_t len)
{
	size_t at, end, i;
	const char *close;

	item_begin(it, p, len, &at, &end);
	if (at == end)
		return;
	if (p[at] == '[') {
		if ((close = memchr(p + at, ']', end - at)) == NULL)
			return;
		it->header = true;
		it->section = p + at + 1;
		it->section_len = (size_t)(close - it->section);
		return;
	}
	for (i = at; i < end && ini_key_byte(p[i]); i++)
		;
	if (i == at)
		return;
	it->value = skip_blanks(p, i, end);
	if (it->value == end || p[it->value] != '=')
		return;
	it->key = at;
	it->key_len = i - at;
	it->value = skip_blanks(p, it->value + 1, end);
	it->value_len = trimmed(p, it->value, end) - it->value;
}

/* `section.key` in its parts. */
static const char *
ini_key(const char *key, const char **ret_section, size_t *ret_len)
{
	const char *dot = strchr(key, '.');

	*ret_section = dot == NULL ? INI_SECTION : key;
	*ret_len = dot == NULL ? sizeof(INI_SECTION) - 1 : (size_t)(dot - key);
	return dot == NULL ? key : dot + 1;
}

static bool
ini_in(const struct keyfile_item *it, const char *section, size_t len)
{
	const char *its = it->section == NULL ? INI_SECTION : it->section;
	size_t its_len = it->section == NULL ? sizeof(INI_SECTION) - 1 : it->section_len;

	return its_len == len && memcmp(its, section, len) == 0;
}

static bool
ini_is(const struct keyfile_item *it, const char *key)
{
	const char *section, *name;
	size_t len;

	name = ini_key(key, &section, &len);
	return it->key_len > 0 && it->key_len == strlen(name) &&
	    memcmp(it->p + it->key, name, it->key_len) == 0 && ini_in(it, section, len);
}

/* PgBouncer sets every key back to its default where [pgbouncer] begins again. */
static void
ini_settle(struct keyfile_item *v, size_t n)
{
	size_t i, last = 0;

	for (i = 0; i < n; i++)
		if (v[i].header && ini_in(&v[i], INI_SECTION, sizeof(INI_SECTION) - 1))
			last = i;
	for (i = 0; i < last; i++)
		if (ini_in(&v[i], INI_SECTION, sizeof(INI_SECTION) - 1))
			v[i].key_len = 0;
}

static bool
ini_after(const struct keyfile_item *it, const char *key)
{
	const char *section;
	size_t len;

	(void)ini_key(key, &section, &len);
	return (it->key_len > 0 || it->header) && ini_in(it, section, len);
}

static void
ini_put(struct buf *out, const char *value, const struct keyfile_item *was)
{
	(void)was;
	(void)buf_puts(out, value);
}

static void
ini_new(struct buf *out, const char *key, const char *value, const struct keyfile_item *last)
{
	const char *section;
	size_t len;

	(void)last;
	assignment(out, ini_key(key, &section, &len), value, ini_put);
}

/* ------------------------------------------------------------------ redis.conf */

static int
hex(char c)
{
	return digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
	    c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Appends one word's meaning; its end behind it, or 0 where its quote stays open. */
static size_t
redis_word(const char *p, size_t at, size_t end, struct buf *out)
{
	static const char named[] = "nrtba", meant[] = "\n\r\t\b\a";
	const char *found;
	char quote = p[at];
	size_t i;

	if (quote != '"' && quote != '\'') {
		for (i = at; i < end && !blank(p[i]); i++) {
			/* A quote inside a word opens a part of it, which we do not take apart. */
			if (p[i] == '"' || p[i] == '\'')
				return 0;
			(void)buf_putc(out, p[i]);
		}
		return i;
	}
	for (i = at + 1; i < end && p[i] != quote; i++) {
		if (quote == '"' && p[i] == '\\' && i + 3 < end && p[i + 1] == 'x' &&
		    hex(p[i + 2]) >= 0 && hex(p[i + 3]) >= 0) {
			(void)buf_putc(out, (char)(hex(p[i + 2]) * 16 + hex(p[i + 3])));
			i += 3;
		} else if (quote == '"' && p[i] == '\\' && i + 1 < end) {
			i++;
			found = p[i] == '\0' ? NULL : strchr(named, p[i]);
			(void)buf_putc(out, found == NULL ? p[i] : meant[found - named]);
		} else if (quote == '\'' && p[i] == '\\' && i + 1 < end && p[i + 1] == '\'') {
			i++;
			(void)buf_putc(out, p[i]);
		} else
			(void)buf_putc(out, p[i]);
	}
	/* The closing quote ends the word. */
	return i < end && (i + 1 == end || blank(p[i + 1])) ? i + 1 : 0;
}

static void
redis_put_word(struct buf *out, const char *word, size_t len)
{
	static const char named[] = "nrtba", meant[] = "\n\r\t\b\a";
	const char *found;
	bool bare = len > 0 && word[0] != '#';
	size_t i;

	for (i = 0; i < len; i++)
		bare = bare && (unsigned char)word[i] > ' ' && (unsigned char)word[i] < 0x7f &&
		    strchr("\"'\\", word[i]) == NULL;
	if (bare) {
		(void)buf_put(out, word, len);
		return;
	}
	(void)buf_putc(out, '"');
	for (i = 0; i < len; i++) {
		if (word[i] == '"' || word[i] == '\\')
			(void)buf_printf(out, "\\%c", word[i]);
		else if (word[i] != '\0' && (found = strchr(meant, word[i])) != NULL)
			(void)buf_printf(out, "\\%c", named[found - meant]);
		else if ((unsigned char)word[i] < ' ' || (unsigned char)word[i] >= 0x7f)
			(void)buf_printf(out, "\\x%02x", (unsigned char)word[i]);
		else
			(void)buf_putc(out, word[i]);
	}
	(void)buf_putc(out, '"');
}

/* Appends the words from `at` on in their one spelling; false: they are not well formed. */
static bool
redis_words(const char *p, size_t at, size_t end, struct buf *out)
{
	struct buf word;
	size_t words = 0;

	buf_init(&word, 0);
	word.secret = true;
	for (at = skip_blanks(p, at, end); at < end; at = skip_blanks(p, at, end)) {
		buf_clear(&word);
		if ((at = redis_word(p, at, end, &word)) == 0)
			break;
		if (words++ > 0)
			(void)buf_putc(out, ' ');
		redis_put_word(out, buf_str(&word), word.len);
	}
	buf_release(&word);
	return at != 0 && words > 0;
}

static void
redis_read(struct keyfile_item *it, const char *p, size_t len)
{
	size_t at, end, i;
	struct buf ignored;

	item_begin(it, p, len, &at, &end);
	if (at == end || !letter(p[at]))
		return;
	for (i = at; i < end && (letter(p[i]) || digit(p[i]) || p[i] == '-'); i++)
		;
	if (i == end || !blank(p[i]))
		return;
	buf_init(&ignored, 0);
	ignored.secret = true;
	if (redis_words(p, i, end, &ignored)) {
		it->key = at;
		it->key_len = i - at;
		it->value = skip_blanks(p, i, end);
		it->value_len = trimmed(p, it->value, end) - it->value;
	}
	buf_release(&ignored);
}

static void
redis_value(const struct keyfile_item *it, struct buf *out)
{
	(void)redis_words(it->p, it->value, it->value + it->value_len, out);
}

static void
redis_new(struct buf *out, const char *key, const char *value, const struct keyfile_item *last)
{
	(void)last;
	(void)buf_printf(out, "%s %s", key, value);
}

/* ------------------------------------------------------------------ all of them */

static const struct keyfile_syntax syntaxes[CONF_SYNTAX_COUNT] = {
	[CONF_POSTGRES] = { postgres_read, key_in_any_case, postgres_value, postgres_put,
	    postgres_new, NULL, NULL },
	[CONF_INI] = { ini_read, ini_is, raw_value, ini_put, ini_new, ini_after, ini_settle },
	[CONF_REDIS] = { redis_read, key_in_any_case, redis_value, ini_put, redis_new, NULL, NULL },
};

bool
conffile_key_valid(enum conf_syntax syntax, const char *key)
{
	const char *p, *section;
	size_t len;

	if (strncasecmp(key, "include", 7) == 0)
		return false;
	switch (syntax) {
	case CONF_POSTGRES:
		for (p = key; postgres_key_byte(*p); p++)
			;
		return letter(key[0]) && *p == '\0';
	case CONF_INI:
		p = ini_key(key, &section, &len);
		if (len == 0 || memchr(section, ']', len) != NULL || *p == '\0')
			return false;
		while (ini_key_byte(*p))
			p++;
		return *p == '\0' && strpbrk(key, "\r\n") == NULL;
	case CONF_REDIS:
		for (p = key; letter(*p) || digit(*p) || *p == '-'; p++)
			;
		return letter(key[0]) && *p == '\0';
	}
	return false;
}

bool
conffile_canon(enum conf_syntax syntax, const char *value, struct buf *out)
{
	size_t len = strlen(value);

	if (strpbrk(value, "\r\n") != NULL)
		return false;
	if (syntax == CONF_REDIS)
		return redis_words(value, 0, len, out);
	if (syntax == CONF_INI && len > 0 && (blank(value[0]) || blank(value[len - 1])))
		return false;
	(void)buf_put(out, value, len);
	return true;
}

bool
conffile_get(enum conf_syntax syntax, const char *text, size_t len_bytes, const char *key,
    struct buf *out)
{
	return keyfile_get(&syntaxes[syntax], text, len_bytes, key, out);
}

bool
conffile_edit(enum conf_syntax syntax, struct buf *out, const char *text, size_t len_bytes,
    const struct pairs *set, const struct strings *unset)
{
	return keyfile_edit(&syntaxes[syntax], out, text, len_bytes, set, unset);
}

size_t
conffile_restore(enum conf_syntax syntax, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	return keyfile_restore(&syntaxes[syntax], out, before, before_len, set, unset, now, now_len,
	    ret_drift);
}

const char *
conffile_line_key(enum conf_syntax syntax, const char *line, size_t len_bytes, size_t *ret_len,
    size_t *ret_value_at)
{
	struct keyfile_item it;

	memset(&it, 0, sizeof(it));
	if (len_bytes > 0)
		syntaxes[syntax].read(&it, line, len_bytes);
	if (it.key_len == 0)
		return NULL;
	*ret_len = it.key_len;
	*ret_value_at = it.value;
	return line + it.key;
}

bool
conffile_key_is(enum conf_syntax syntax, const char *line_key, size_t len_bytes, const char *key)
{
	const char *section;
	size_t len;

	if (syntax == CONF_INI)
		key = ini_key(key, &section, &len);
	return strlen(key) == len_bytes && (syntax == CONF_INI ?
	    memcmp(line_key, key, len_bytes) : strncasecmp(line_key, key, len_bytes)) == 0;
}
