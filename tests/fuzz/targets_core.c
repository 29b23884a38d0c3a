/*
 * targets_core: fleet and plan files, text, env files.  See targets.h.
 */
#include "tests/fuzz/targets.h"

#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/connstring.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/hba.h"
#include "core/mem.h"
#include "core/op.h"
#include "core/plan.h"
#include "core/posture.h"
#include "core/reader.h"
#include "core/reading.h"
#include "core/text.h"

/* ---- files ---- */

/* "path:line:col: words", or without a place where the file as a whole is wrong. */
static void
complaint(const struct err *err)
{
	if (strncmp(err->msg, "f:", 2) != 0 || strlen(err->msg) < 8)
		broken("a complaint without its file: '%s'", err->msg);
}

/* The parts of a client on several hosts stand side by side, on hosts of their own. */
static void
parts_walk(const struct fleet *f, size_t client)
{
	const struct client *c = &f->clients[client];
	size_t i, n;
	int first;

	if (fleet_clients(f, c->name, &first) != 1 || first != (int)client)
		broken("client '%s' is not found by its name", c->name);
	if (c->of == NULL)
		return;
	n = fleet_clients(f, c->of, &first);
	if (n < 2 || (size_t)first > client || client >= (size_t)first + n)
		broken("client '%s' is none of '%s'", c->name, c->of);
	for (i = (size_t)first; i < (size_t)first + n; i++)
		if (i != client && f->clients[i].host == c->host)
			broken("'%s' and '%s' are on one host", c->name, f->clients[i].name);
}

static void
fleet_walk(const struct fleet *f)
{
	struct strings files = { NULL, 0 };
	const char *names[READING_NAMES_MAX];
	size_t i;
	int d;

	for (i = 0; i < f->nhosts; i++) {
		if (fleet_host(f, f->hosts[i].name) != (int)i)
			broken("host '%s' is not found by its name", f->hosts[i].name);
		facets_files(&files, f, (int)i);
	}
	while (files.n > 0)
		free(files.v[--files.n]);
	free(files.v);
	for (i = 0; i < f->nendpoints; i++)
		(void)served_names(f, (int)i, names);
	for (i = 0; i < f->nclients; i++)
		parts_walk(f, i);
	for (i = 0; i < f->nlinks; i++) {
		const struct link *l = &f->links[i];

		if (fleet_link(f, l->name) != (int)i)
			broken("link '%s' is not found by its name", l->name);
		if (l->client < 0 || (size_t)l->client >= f->nclients ||
		    l->endpoint < 0 || (size_t)l->endpoint >= f->nendpoints)
			broken("link '%s' has an end that is not there", l->name);
		(void)link_dials_name(f, l);
		(void)link_host(f, l);
		for (d = 0; d < DIAL_COUNT; d++)
			(void)link_dials_port(f, l, (enum dial)d);
	}
}

static bool
feed_fleet(const char *p, size_t len)
{
	struct fleet *f;
	struct err err;

	if (fleet_parse(&f, "f", p, len, &err) != 0) {
		complaint(&err);
		return false;
	}
	fleet_walk(f);
	fleet_free(f);
	return true;
}

static void
plan_walk(const struct plan *plan, const struct fleet *f)
{
	struct posture p;
	struct ops ops;
	struct err err;
	const char *why;
	size_t s, i;
	int first;

	posture_from(&p, f, plan);
	for (s = 0; s < plan->nsteps; s++) {
		if (plan->steps[s].of != NULL && plan_steps(plan, plan->steps[s].of, &first) + (size_t)first <= s)
			broken("step '%s' is none of '%s'", plan->steps[s].id, plan->steps[s].of);
		if (plan_step(plan, plan->steps[s].id) != (int)s)
			broken("step '%s' is not found by its id", plan->steps[s].id);
		posture_step(&p, f, &plan->steps[s]);
		for (i = 0; i < f->nlinks; i++)
			(void)posture_verdict(f, &p, (int)i, &why);
		memset(&ops, 0, sizeof(ops));
		if (ops_of_step(&ops, f, plan, (int)s, "20260101T000000Z-0000", NULL, NULL, &err) == 0) {
			for (i = 0; i < ops.n; i++)
				op_round(&ops.v[i]);
			ops_release(&ops);
		}
	}
	posture_release(&p);
}

static bool
feed_plan(const char *p, size_t len)
{
	const struct fleet *f = worked_fleet();
	struct plan *plan, *again;
	struct buf a = { 0 }, b = { 0 };
	struct err err;

	if (plan_parse(&plan, f, "f", p, len, &err) != 0) {
		complaint(&err);
		return false;
	}
	plan_walk(plan, f);
	plan_print(plan, f, &a);
	/* What a `for` has made of little may be more than a file may hold. */
	if (a.len <= FLEET_FILE_MAX) {
		if (plan_parse(&again, f, "f", buf_str(&a), a.len, &err) != 0)
			broken("a printed plan is not read: %s\n%s", err.msg, buf_str(&a));
		plan_print(again, f, &b);
		same_bytes(&a, &b, "printed plan");
		plan_free(again);
	}
	plan_free(plan);
	buf_release(&a);
	buf_release(&b);
	return true;
}

/* ---- text ---- */

/* The code point at p, by the letter of RFC 3629; 0 bytes where there is none. */
static size_t
utf8(const unsigned char *p, size_t len, uint32_t *ret)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc0 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf8 ? 4 : 0;
	size_t i;

	if (n == 0 || n > len)
		return 0;
	*ret = n == 1 ? p[0] : p[0] & (0x7fu >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (p[i] & 0x3fu);
	}
	if (*ret < least[n] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret <= 0xdfff))
		return 0;
	return n;
}

/* What no terminal may be sent, by a table that is not the sanitiser's own. */
static bool
harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || c == 0x180e ||
	    (c >= 0x200b && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
	    (c >= 0xfe00 && c <= 0xfe0f) || c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
	    (c >= 0xe000 && c <= 0xf8ff) || c >= 0xe0000;
}

static void
clean_is_clean(const struct buf *clean)
{
	const unsigned char *p = (const unsigned char *)buf_str(clean);
	size_t i, n, marks = 0;
	uint32_t c;

	for (i = 0; i < clean->len; i += n) {
		if ((n = utf8(p + i, clean->len - i, &c)) == 0)
			broken("clean text is not UTF-8 at byte %zu", i);
		if (harmful(c))
			broken("clean text has U+%04" PRIX32, c);
		marks = c >= 0x300 && c <= 0x36f ? marks + 1 : 0;
		if (marks > TEXT_MARKS_MAX)
			broken("%zu marks on one character", marks);
	}
}

/* What a POSIX shell makes of one word; broken() where it is not one word. */
static void
unquote(const char *p, struct buf *out)
{
	bool quoted = false;

	for (; *p != '\0'; p++)
		if (*p == '\'')
			quoted = !quoted;
		else if (!quoted && *p == '\\') {
			if (*++p == '\0')
				broken("a quoted word ends in a backslash");
			(void)buf_putc(out, *p);
		} else if (!quoted && strchr(" \t\n|&;<>()$`\"*?[#~=", *p) != NULL)
			broken("a quoted word has a bare '%c'", *p);
		else
			(void)buf_putc(out, *p);
	if (quoted)
		broken("a quoted word that is left open");
}

static bool
feed_text(const char *p, size_t len)
{
	static const char *const candidates[] = { "accept", "dial", "trust", "postgres", "$(s)", NULL };
	struct buf clean, again, word, back;
	char *string = mem_strndup(p, len);
	char small[8];
	size_t cells, fit, w, before = 0;
	int64_t ms;

	buf_init(&clean, 0);
	buf_init(&again, 0);
	buf_init(&word, 0);
	buf_init(&back, 0);
	text_clean(&clean, p, len);
	clean_is_clean(&clean);
	text_clean(&again, buf_str(&clean), clean.len);
	same_bytes(&clean, &again, "clean text");
	for (w = 0; w < 12; w++) {
		fit = text_fit(buf_str(&clean), w, &cells);
		if (fit > clean.len || cells > w || fit < before)
			broken("%zu bytes in %zu cells of %zu", fit, cells, w);
		before = fit;
	}
	if (text_fit(buf_str(&clean), SIZE_MAX, &cells) != clean.len || cells != text_width(buf_str(&clean)))
		broken("all of a text does not fit in any width");
	text_shell_quote(&word, string);
	unquote(buf_str(&word), &back);
	if (strcmp(buf_str(&back), string) != 0)
		broken("a shell would read another word");
	buf_clear(&word);
	buf_clear(&back);
	text_base64(&word, p, len);
	if (text_base64_decode(&back, buf_str(&word), word.len) != 0 || back.len != len ||
	    memcmp(buf_str(&back), p, len) != 0)
		broken("base64 is not read back");
	buf_clear(&back);
	(void)text_base64_decode(&back, p, len);
	(void)text_nearest(string, candidates);
	if ((ms = text_duration_ms(string)) >= 0)
		text_age(small, sizeof(small), ms);
	free(string);
	buf_release(&clean);
	buf_release(&again);
	buf_release(&word);
	buf_release(&back);
	return true;
}

/* ---- env files ---- */

/*
 * Lines "KEY value" and "-KEY" up to an empty one, then the file.  In a
 * value, \n stands for a line break.
 */
struct edit {
	struct pairs set;
	struct strings unset;
	const char *file;
	size_t	 len;
};

static bool
edit_has(const struct edit *e, const char *key)
{
	size_t i;

	for (i = 0; i < e->set.n; i++)
		if (strcmp(e->set.v[i].key, key) == 0)
			return true;
	for (i = 0; i < e->unset.n; i++)
		if (strcmp(e->unset.v[i], key) == 0)
			return true;
	return false;
}

static void
edit_release(struct edit *e)
{
	while (e->set.n > 0) {
		e->set.n--;
		free(e->set.v[e->set.n].key);
		free(e->set.v[e->set.n].value);
	}
	free(e->set.v);
	while (e->unset.n > 0)
		free(e->unset.v[--e->unset.n]);
	free(e->unset.v);
}

static char *
value_of(const char *p)
{
	char *v = mem_strdup(p), *to = v;

	for (; *p != '\0'; p++)
		if (p[0] == '\\' && p[1] == 'n') {
			*to++ = '\n';
			p++;
		} else
			*to++ = *p;
	*to = '\0';
	return v;
}

/* The names and values that a fleet's reader lets come here, each name once. */
static bool
edit_takes(const struct edit *e, enum text_syntax syntax, const char *name)
{
	struct err ignored;

	return text_name_check(syntax, name, &ignored) == 0 && !edit_has(e, name);
}

static bool
edit_push(struct edit *e, enum text_syntax syntax, const char *name, const char *text)
{
	struct buf value = { 0 };
	struct err ignored;
	struct pair *pair;
	char *given = value_of(text);
	bool taken = text_value(syntax, name, given, &value, &ignored) == 0;

	free(given);
	if (taken) {
		pair = mem_push(&e->set.v, &e->set.n, sizeof(*pair));
		pair->key = mem_strdup(name);
		pair->value = mem_strdup(buf_str(&value));
	}
	buf_release(&value);
	return taken;
}

static bool
edit_read(struct edit *e, enum text_syntax syntax, const char *p, size_t len)
{
	const char *end;
	char *line, *value;
	bool taken;

	memset(e, 0, sizeof(*e));
	for (; len > 0 && *p != '\n'; len -= (size_t)(end - p) + 1, p = end + 1) {
		if ((end = memchr(p, '\n', len)) == NULL || e->set.n + e->unset.n == 8)
			return false;
		line = mem_strndup(p, (size_t)(end - p));
		if ((value = strchr(line, ' ')) != NULL)
			*value++ = '\0';
		if ((taken = edit_takes(e, syntax, *line == '-' ? line + 1 : line))) {
			if (*line == '-')
				*(char **)mem_push(&e->unset.v, &e->unset.n, sizeof(char *)) = mem_strdup(line + 1);
			else
				taken = edit_push(e, syntax, line, value == NULL ? "" : value);
		}
		free(line);
		if (!taken)
			return false;
	}
	if (len == 0)
		return false;
	e->file = p + 1;
	e->len = len - 1;
	return true;
}

static void
has_value(enum text_syntax syntax, const struct buf *text, const char *key, bool set, const char *value, size_t len, const char *what)
{
	struct buf got = { 0 };
	bool there = text_get(syntax, buf_str(text), text->len, key, &got);

	if (there != set || (set && (got.len != len || memcmp(buf_str(&got), value, len) != 0)))
		broken("%s: '%s' has another value", what, key);
	buf_release(&got);
}

/* Back again: the bytes of before where nobody wrote, else our names as they were, or nothing is made of it. */
static void
way_back(const struct edit *e, enum text_syntax syntax, struct buf *after)
{
	struct buf back = { 0 }, was = { 0 };
	struct strings drift = { NULL, 0 };
	size_t i, n = e->set.n + e->unset.n;
	const char *key;
	bool there;

	if (text_restore(syntax, &back, e->file, e->len, &e->set, &e->unset, buf_str(after), after->len, &drift) != 0)
		broken("what we wrote ourselves is drift: '%s'", drift.v[0]);
	if (back.len != e->len || (e->len > 0 && memcmp(buf_str(&back), e->file, e->len) != 0))
		broken("the way back has other bytes");
	buf_clear(&back);
	(void)buf_puts(after, "\n# theirs\n");
	if (text_restore(syntax, &back, e->file, e->len, &e->set, &e->unset, buf_str(after), after->len, &drift) == 0)
		for (i = 0; i < n; i++) {
			key = i < e->set.n ? e->set.v[i].key : e->unset.v[i - e->set.n];
			there = text_get(syntax, e->file, e->len, key, &was);
			has_value(syntax, &back, key, there, buf_str(&was), was.len, "the way back");
			buf_clear(&was);
		}
	strings_release(&drift);
	buf_release(&back);
	buf_release(&was);
}

static void
shown(const struct edit *e, enum text_syntax syntax, const struct buf *after)
{
	struct text_view view = { syntax, &e->set, &e->unset, e->file, e->len, NULL, NULL };
	const char *p = buf_str(after), *end = p + after->len, *nl;
	struct buf out = { 0 };

	for (; p < end; p = nl + 1) {
		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		text_show(&view, p, (size_t)(nl - p), &out);
	}
	buf_release(&out);
}

static bool
feed_edit(enum text_syntax syntax, const char *p, size_t len)
{
	struct edit e;
	struct buf after = { 0 }, twice = { 0 };
	struct err err;
	size_t i;
	bool taken;

	if (!edit_read(&e, syntax, p, len)) {
		edit_release(&e);
		return false;
	}
	if ((taken = text_edit(syntax, &after, e.file, e.len, &e.set, &e.unset, &err) == 0)) {
		for (i = 0; i < e.set.n; i++)
			has_value(syntax, &after, e.set.v[i].key, true, e.set.v[i].value,
			    strlen(e.set.v[i].value), "edit");
		for (i = 0; i < e.unset.n; i++)
			has_value(syntax, &after, e.unset.v[i], false, "", 0, "edit");
		if (text_edit(syntax, &twice, buf_str(&after), after.len, &e.set, &e.unset, &err) != 0)
			broken("an edit cannot be made twice");
		same_bytes(&after, &twice, "edit");
		shown(&e, syntax, &after);
		way_back(&e, syntax, &after);
	}
	edit_release(&e);
	buf_release(&after);
	buf_release(&twice);
	return taken;
}

static bool
feed_envfile(const char *p, size_t len)
{
	return feed_edit(TEXT_ENV, p, len);
}

static bool
feed_urlfile(const char *p, size_t len)
{
	return feed_edit(TEXT_URL, p, len);
}

static bool
feed_postgres(const char *p, size_t len)
{
	return feed_edit(TEXT_POSTGRES, p, len);
}

static bool
feed_ini(const char *p, size_t len)
{
	return feed_edit(TEXT_INI, p, len);
}

static bool
feed_redis(const char *p, size_t len)
{
	return feed_edit(TEXT_REDIS, p, len);
}

static bool
feed_hba(const char *p, size_t len)
{
	return feed_edit(TEXT_HBA, p, len);
}

/* Read, matched, redacted: what is carried elsewhere decides as the file does. */
static bool
feed_hba_rules(const char *p, size_t len)
{
	static const struct hba_reading how = { 16, NULL, NULL, NULL };
	struct hba_connection c = { .address = "10.0.0.5", .user = "app", .database = "db" };
	struct hba_rules rules, again;
	struct hba_answer a, b;
	struct buf shown = { 0 }, words = { 0 };
	struct err err;
	bool taken;
	size_t i;

	if (hba_read(&rules, &how, p, len, &err) != 0)
		return false;
	for (i = 0; i < rules.n; i++) {
		hba_record_words(&words, &rules.v[i]);
		(void)hba_shadowed_by(&rules, (int)i);
	}
	hba_match(&rules, &c, &a);
	taken = rules.broken == NONE && rules.n > 0;
	hba_redact(&shown, p, len);
	if (taken && hba_read(&again, &how, buf_str(&shown), shown.len, &err) == 0) {
		hba_match(&again, &c, &b);
		if (again.n != rules.n || a.outcome != b.outcome || a.record != b.record)
			broken("redacted, another record decides");
		hba_rules_release(&again);
	}
	hba_rules_release(&rules);
	buf_release(&shown);
	buf_release(&words);
	return taken;
}

/* Whatever stands in the file, nothing of a password comes out. */
static bool
feed_connstring(const char *p, size_t len)
{
	static char *one[] = { "*.b" };
	static struct strings names = { one, 1 };
	struct connstring_about about = { .production = true, .names = &names, .port_plain = 1, .port_tls = 2 };
	struct connstring_findings f = { NULL, 0 };
	size_t i;
	bool any;

	connstring_look(&f, &about, p, len);
	for (i = 0; i < f.n; i++)
		if (strstr(f.v[i].text, "hunter2") != NULL && strcmp(f.v[i].name, "name-not-covered") != 0)
			broken("a password is shown");
	any = f.n > 0;
	connstring_release(&f);
	return any;
}

const struct target core_targets[] = {
	{ "fleet", feed_fleet, NULL, 8192, true },
	{ "plan", feed_plan, NULL, 4096, true },
	{ "text", feed_text, NULL, 512, false },
	{ "envfile", feed_envfile, NULL, 2048, true },
	{ "urlfile", feed_urlfile, NULL, 2048, true },
	{ "postgresql.conf", feed_postgres, NULL, 2048, true },
	{ "pgbouncer.ini", feed_ini, NULL, 2048, true },
	{ "redis.conf", feed_redis, NULL, 2048, true },
	{ "pg_hba.conf", feed_hba, NULL, 2048, true },
	{ "connstring", feed_connstring, NULL, 1024, true },
	{ "hba", feed_hba_rules, NULL, 2048, true },
};
const size_t core_target_count = sizeof(core_targets) / sizeof(core_targets[0]);
