/*
 * edittext: see edittext.h.
 */
#include "core/edittext.h"

#include <stdlib.h>
#include <string.h>

#include "core/blockfile.h"
#include "core/buf.h"
#include "core/conffile.h"
#include "core/connurl.h"
#include "core/envfile.h"
#include "core/err.h"
#include "core/urlfile.h"

#define VALUE_SHOWN_MAX	120	/* longer values: */
#define VALUE_HEAD	24	/* this much of them, and how long they are */

struct text_kind {
	const char *word, *name_word;
	bool	(*name_valid)(enum text_syntax, const char *name);
	int	(*value)(enum text_syntax, const char *name, const char *value, struct buf *out, struct err *);
	bool	(*get)(enum text_syntax, const char *text, size_t len, const char *name, struct buf *out);
	int	(*edit)(enum text_syntax, struct buf *out, const char *text, size_t len,
		    const struct pairs *set, const struct strings *unset, struct err *);
	size_t	(*restore)(enum text_syntax, struct buf *out, const char *before, size_t before_len,
		    const struct pairs *set, const struct strings *unset, const char *now,
		    size_t now_len, struct strings *ret_drift);
	void	(*show)(const struct text_view *, const char *line, size_t len, struct buf *out);
	size_t	 context;
};

/* ------------------------------------------------------------------ env files */

static bool
env_name(enum text_syntax s, const char *name)
{
	(void)s;
	return envfile_key_valid(name);
}

static int
env_value(enum text_syntax s, const char *name, const char *value, struct buf *out, struct err *err)
{
	(void)s;
	if (strpbrk(value, "\r\n") != NULL)
		return err_set(err, "'%s': a line break cannot stand in an env file "
		    "(use .b64 for certificates)", name);
	(void)buf_puts(out, value);
	return 0;
}

static bool
env_get(enum text_syntax s, const char *text, size_t len, const char *name, struct buf *out)
{
	(void)s;
	return envfile_get(text, len, name, out);
}

static int
env_edit(enum text_syntax s, struct buf *out, const char *text, size_t len, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	(void)s;
	return envfile_edit(out, text, len, set, unset) ? 0 :
	    err_set(err, "a quote is left open: what would be written there would not be read back; "
	    "close the quote first");
}

static size_t
env_restore(enum text_syntax s, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	(void)s;
	return envfile_restore(out, before, before_len, set, unset, now, now_len, ret_drift);
}

/* ------------------------------------------------------------------ URLs in env files */

static bool
url_name(enum text_syntax s, const char *name)
{
	(void)s;
	return urlfile_name_valid(name);
}

static int
url_value(enum text_syntax s, const char *name, const char *value, struct buf *out, struct err *err)
{
	const char *part;

	(void)urlfile_split(name, &part);
	if (part == NULL)
		return env_value(s, name, value, out, err);
	if (!connurl_value_valid(part, value))
		return err_set(err, "'%s': '%s' cannot stand in a URL there", name, value);
	(void)buf_puts(out, value);
	return 0;
}

static bool
url_get(enum text_syntax s, const char *text, size_t len, const char *name, struct buf *out)
{
	(void)s;
	return urlfile_get(text, len, name, out);
}

static int
url_edit(enum text_syntax s, struct buf *out, const char *text, size_t len, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	(void)s;
	return urlfile_edit(out, text, len, set, unset, err);
}

static size_t
url_restore(enum text_syntax s, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	(void)s;
	return urlfile_restore(out, before, before_len, set, unset, now, now_len, ret_drift);
}

/* ------------------------------------------------------------------ conf files */

static enum conf_syntax
conf_of(enum text_syntax s)
{
	return s == TEXT_INI ? CONF_INI : s == TEXT_REDIS ? CONF_REDIS : CONF_POSTGRES;
}

static bool
conf_name(enum text_syntax s, const char *name)
{
	return conffile_key_valid(conf_of(s), name);
}

static int
conf_value(enum text_syntax s, const char *name, const char *value, struct buf *out, struct err *err)
{
	return conffile_canon(conf_of(s), value, out) ? 0 :
	    err_set(err, "'%s': the value cannot stand in %s: it has a line break, %s", name, text_word(s),
	    s == TEXT_REDIS ? "no word, or a quote that is left open" : "or blanks around it");
}

static bool
conf_get(enum text_syntax s, const char *text, size_t len, const char *name, struct buf *out)
{
	return conffile_get(conf_of(s), text, len, name, out);
}

static int
conf_edit(enum text_syntax s, struct buf *out, const char *text, size_t len, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	if (conffile_edit(conf_of(s), out, text, len, set, unset))
		return 0;
	return err_set(err, s == TEXT_INI ? "there is no such section, so that nothing set there "
	    "would be read back; write its [header] first" : "what would be written would not be read back");
}

static size_t
conf_restore(enum text_syntax s, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	return conffile_restore(conf_of(s), out, before, before_len, set, unset, now, now_len, ret_drift);
}

/* ------------------------------------------------------------------ blocks */

static enum block_place
place_of(enum text_syntax s)
{
	return s == TEXT_HBA ? BLOCK_HBA : BLOCK_END;
}

static bool
block_name(enum text_syntax s, const char *name)
{
	(void)s;
	return blockfile_name_valid(name);
}

static int
block_value(enum text_syntax s, const char *name, const char *value, struct buf *out, struct err *err)
{
	size_t start = out->len, len = strlen(value);

	(void)s;
	(void)buf_put(out, value, len);
	if (len > 0 && value[len - 1] != '\n')
		(void)buf_putc(out, '\n');
	return blockfile_content_valid(buf_str(out) + start) ? 0 :
	    err_set(err, "block '%s': a marker or a carriage return cannot stand in it", name);
}

static bool
block_get(enum text_syntax s, const char *text, size_t len, const char *name, struct buf *out)
{
	(void)s;
	return blockfile_get(text, len, name, out);
}

static int
block_edit(enum text_syntax s, struct buf *out, const char *text, size_t len, const struct pairs *set,
    const struct strings *unset, struct err *err)
{
	return blockfile_edit(place_of(s), out, text, len, set, unset, err);
}

static size_t
block_restore(enum text_syntax s, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	return blockfile_restore(place_of(s), out, before, before_len, set, unset, now, now_len, ret_drift);
}

/* ------------------------------------------------------------------ showing */

static void
put_shown(const struct text_view *v, const char *value, size_t len, struct buf *out)
{
	if (v->print != NULL)
		v->print(v->arg, value, len, out);
	else if (len > VALUE_SHOWN_MAX) {
		(void)buf_put(out, value, VALUE_HEAD);
		(void)buf_printf(out, "… (%zu bytes)", len);
	} else
		(void)buf_put(out, value, len);
}

static const char *
name_at(const struct text_view *v, size_t i)
{
	return i < v->set->n ? v->set->v[i].key :
	    i - v->set->n < v->unset->n ? v->unset->v[i - v->set->n] : NULL;
}

static bool
key_is(const struct text_view *v, const char *key, size_t len, const char *name)
{
	const char *part;

	if (v->syntax == TEXT_ENV || v->syntax == TEXT_URL)
		return urlfile_split(name, &part) == len && memcmp(name, key, len) == 0;
	return conffile_key_is(conf_of(v->syntax), key, len, name);
}

/* What is meant by the value of one line; the raw bytes where that cannot be told. */
static void
line_value(const struct text_view *v, const char *line, size_t len, const char *key, size_t key_len,
    struct buf *out)
{
	struct buf name;

	buf_init(&name, 0);
	(void)buf_put(&name, key, key_len);
	if (v->syntax == TEXT_ENV || v->syntax == TEXT_URL)
		(void)envfile_get(line, len, buf_str(&name), out);
	else
		(void)conffile_get(conf_of(v->syntax), line, len, buf_str(&name), out);
	buf_release(&name);
}

static void
show_assignment(const struct text_view *v, const char *line, size_t len, struct buf *out)
{
	const char *key, *name, *part = NULL;
	size_t key_len = 0, at = 0, i;
	struct buf value;
	bool ours = false, whole = false;

	key = v->syntax == TEXT_ENV || v->syntax == TEXT_URL ?
	    envfile_line_key(line, len, &key_len, &at) :
	    conffile_line_key(conf_of(v->syntax), line, len, &key_len, &at);
	if (key == NULL) {
		/* A comment may hold a value that was once in use. */
		(void)buf_puts(out, len == 0 ? "" : "…");
		return;
	}
	for (i = 0; (name = name_at(v, i)) != NULL; i++)
		if (key_is(v, key, key_len, name)) {
			ours = true;
			if (v->syntax == TEXT_URL)
				(void)urlfile_split(name, &part);
			whole = whole || part == NULL;
		}
	(void)buf_put(out, line, at);
	if (!ours) {
		(void)buf_puts(out, "…");
		return;
	}
	if (whole && v->print == NULL) {
		put_shown(v, line + at, len - at, out);
		return;
	}
	buf_init(&value, 0);
	value.secret = true;
	line_value(v, line, len, key, key_len, &value);
	if (whole || v->print != NULL)
		put_shown(v, buf_str(&value), value.len, out);
	else
		connurl_show(buf_str(&value), value.len, out);
	buf_release(&value);
}

static bool
content_has(const char *content, const char *line, size_t len)
{
	const char *p, *nl;

	for (p = content; (nl = strchr(p, '\n')) != NULL; p = nl + 1)
		if ((size_t)(nl - p) == len && memcmp(p, line, len) == 0)
			return true;
	return false;
}

/* Lines of our blocks as they are; of others' records what is no option. */
static void
show_block_line(const struct text_view *v, const char *line, size_t len, struct buf *out)
{
	const char *name, *equals;
	struct buf old;
	bool ours = false, marker = false;
	size_t i;

	for (i = 0; !ours && !marker && (name = name_at(v, i)) != NULL; i++) {
		buf_init(&old, 0);
		old.secret = true;
		marker = blockfile_is_marker(line, len, name);
		ours = (i < v->set->n && content_has(v->set->v[i].value, line, len)) ||
		    (blockfile_get(v->before, v->before_len, name, &old) &&
		    content_has(buf_str(&old), line, len));
		buf_release(&old);
	}
	if (ours && v->print != NULL)
		put_shown(v, line, len, out);
	else if (ours || marker)
		(void)buf_put(out, line, len);
	else if (v->syntax != TEXT_HBA)
		(void)buf_puts(out, len == 0 ? "" : "…");
	else if ((equals = memchr(line, '=', len)) != NULL) {
		/* ldapbindpasswd="…" */
		(void)buf_put(out, line, (size_t)(equals - line) + 1);
		(void)buf_puts(out, "…");
	} else
		(void)buf_put(out, line, len);
}

/* ------------------------------------------------------------------ the table */

static const struct text_kind kinds[TEXT_SYNTAX_COUNT] = {
	[TEXT_ENV] = { "an env file", "name of a variable", env_name, env_value, env_get, env_edit,
	    env_restore, show_assignment, 0 },
	[TEXT_URL] = { "an env file", "name of a variable or of a part of a URL", url_name, url_value,
	    url_get, url_edit, url_restore, show_assignment, 0 },
	[TEXT_POSTGRES] = { "postgresql.conf", "key of postgresql.conf", conf_name, conf_value,
	    conf_get, conf_edit, conf_restore, show_assignment, 0 },
	[TEXT_INI] = { "pgbouncer.ini", "key of pgbouncer.ini", conf_name, conf_value,
	    conf_get, conf_edit, conf_restore, show_assignment, 0 },
	[TEXT_REDIS] = { "redis.conf", "key of redis.conf", conf_name, conf_value,
	    conf_get, conf_edit, conf_restore, show_assignment, 0 },
	[TEXT_BLOCK] = { "a block", "name of a block", block_name, block_value, block_get, block_edit,
	    block_restore, show_block_line, 0 },
	[TEXT_HBA] = { "pg_hba.conf", "name of a block", block_name, block_value, block_get, block_edit,
	    block_restore, show_block_line, 2 },
};

const char *
text_word(enum text_syntax s)
{
	return kinds[s].word;
}

int
text_name_check(enum text_syntax s, const char *name, struct err *err)
{
	return kinds[s].name_valid(s, name) ? 0 :
	    err_set(err, "'%s' is no %s", name, kinds[s].name_word);
}

int
text_value(enum text_syntax s, const char *name, const char *value, struct buf *out, struct err *err)
{
	return kinds[s].value(s, name, value, out, err);
}

bool
text_get(enum text_syntax s, const char *text, size_t len_bytes, const char *name, struct buf *out)
{
	return kinds[s].get(s, text, len_bytes, name, out);
}

int
text_edit(enum text_syntax s, struct buf *out, const char *text, size_t len_bytes,
    const struct pairs *set, const struct strings *unset, struct err *err)
{
	return kinds[s].edit(s, out, text, len_bytes, set, unset, err);
}

size_t
text_restore(enum text_syntax s, struct buf *out, const char *before, size_t before_len,
    const struct pairs *set, const struct strings *unset, const char *now, size_t now_len,
    struct strings *ret_drift)
{
	return kinds[s].restore(s, out, before, before_len, set, unset, now, now_len, ret_drift);
}

void
text_show(const struct text_view *v, const char *line, size_t len_bytes, struct buf *out)
{
	kinds[v->syntax].show(v, line, len_bytes, out);
}

size_t
text_context(enum text_syntax s)
{
	return kinds[s].context;
}
