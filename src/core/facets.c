/*
 * facets: what the files of a host say of the facets that are bound there.
 *
 * Reads bindings backwards: not what a value would write, but which value is
 * what stands there.  Only values whose bindings write files can be told;
 * a command's effect is for probes to see.
 */
#include "core/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/diff.h"
#include "core/edittext.h"
#include "core/err.h"
#include "core/fill.h"
#include "core/mem.h"
#include "core/posture.h"
#include "core/reading.h"
#include "core/setting.h"

#define DETAIL_VALUE_MAX 80	/* longer values are cut in a detail */

struct seeing {
	struct reading *r;
	const struct fleet *fleet;
	int	 host;
	op_lookup *lookup;
	op_ca	*ca;
	void	*arg;
};

/* How one value's binding compares with what is there. */
struct match_state {
	size_t	 named;		/* conditions that a file of this host can show */
	bool	 all;		/* and all of them hold */
	bool	 commands;	/* the binding also (or only) runs commands */
	bool	 statements;	/* likewise, of settings */
	bool	 blank;		/* something of it cannot be known here, and was not compared */
	struct buf detail;
};

static void
push_path(struct strings *ret, const char *path)
{
	size_t i;

	for (i = 0; i < ret->n; i++)
		if (strcmp(ret->v[i], path) == 0)
			return;
	*(char **)mem_push(&ret->v, &ret->n, sizeof(*ret->v)) = mem_strdup(path);
}

/* Does the edit stand on this host? */
static bool
stands_here(const struct bedit *e, int owner_host, int host)
{
	size_t i;

	if (e->on.n == 0)
		return owner_host == host;
	for (i = 0; i < e->on.n; i++)
		if (e->on.v[i] == host)
			return true;
	return false;
}

/* The same of the machine, whoever makes the edit there. */
static bool
stands_on(const struct fleet *f, const struct bedit *e, int owner_host, int host)
{
	size_t i;

	for (i = 0; i < e->on.n; i++)
		if (fleet_base(f, e->on.v[i]) == host)
			return true;
	return e->on.n == 0 && owner_host == host;
}

static bool
shows(const struct bedit *e)
{
	return (e->kind == EDIT_ENV || e->kind == EDIT_FILE || e->kind == EDIT_CONF ||
	    e->kind == EDIT_BLOCK || e->kind == EDIT_URL) && e->file != NULL && e->not_yet == NULL;
}

static int
endpoint_host(const struct fleet *f, const struct endpoint *e)
{
	return e->host != NONE ? e->host : e->unit != NONE ? f->units[e->unit].host : NONE;
}

static int
client_host(const struct fleet *f, const struct link *l)
{
	const struct client *c = &f->clients[l->client];

	return c->host != NONE ? c->host : c->unit != NONE ? f->units[c->unit].host : NONE;
}

static void
binding_files(struct strings *ret, const struct binding *b, int owner_host, int host)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if (shows(&b->v[i]) && stands_here(&b->v[i], owner_host, host))
			push_path(ret, b->v[i].file);
}

void
facets_files(struct strings *ret, const struct fleet *fleet, int host)
{
	const struct endpoint *e;
	const struct link *l;
	size_t i;
	int v;

	for (i = 0; i < fleet->nendpoints; i++) {
		e = &fleet->endpoints[i];
		for (v = 0; v < ACCEPT_COUNT; v++)
			binding_files(ret, &e->accept[v], endpoint_host(fleet, e), host);
	}
	for (i = 0; i < fleet->nlinks; i++) {
		l = &fleet->links[i];
		for (v = 0; v < DIAL_COUNT; v++)
			binding_files(ret, &l->dial[v], client_host(fleet, l), host);
		if (l->trust_file != NULL && client_host(fleet, l) == host)
			push_path(ret, l->trust_file);
		if (l->presents.file != NULL && client_host(fleet, l) == host)
			push_path(ret, l->presents.file);
		binding_files(ret, &l->presents.with, client_host(fleet, l), host);
		binding_files(ret, &l->presents.without, client_host(fleet, l), host);
	}
}

static void
said(struct buf *detail, const char *key, const char *value)
{
	if (detail->len > 0)
		(void)buf_puts(detail, ", ");
	if (value == NULL)
		(void)buf_printf(detail, "%s is not set", key);
	else if (strlen(value) > DETAIL_VALUE_MAX)
		(void)buf_printf(detail, "%s=%.*s…", key, DETAIL_VALUE_MAX, value);
	else
		(void)buf_printf(detail, "%s=%s", key, value);
}

static void
said_block(struct buf *detail, const char *name, bool there, bool same)
{
	if (detail->len > 0)
		(void)buf_puts(detail, ", ");
	(void)buf_printf(detail, "block %s %s", name, !there ? "is not there" : same ? "is as bound" :
	    "differs");
}

/* One name against what it should be; want NULL: absent. */
static void
compare_key(struct match_state *m, enum text_syntax syntax, const char *text, size_t len,
    const char *key, const char *want)
{
	struct buf is;
	bool there, same;

	buf_init(&is, OP_VALUE_MAX);
	is.secret = true;
	there = text != NULL && text_get(syntax, text, len, key, &is);
	same = want == NULL ? !there : there && strcmp(buf_str(&is), want) == 0;
	m->named++;
	if (!same)
		m->all = false;
	if (syntax == TEXT_BLOCK || syntax == TEXT_HBA)
		said_block(&m->detail, key, there, same);
	else
		said(&m->detail, key, there ? buf_str(&is) : NULL);
	buf_release(&is);
}

static void
compare_names(struct match_state *m, const struct bedit *e, const struct fill *fill, bool no_ca,
    const char *text, size_t len)
{
	struct buf want, value;
	struct err ignored;
	size_t i;
	int flags;

	for (i = 0; i < e->set.n; i++) {
		if (no_ca && fill_mentions(e->set.v[i].value, "ca_file"))
			continue;
		flags = 0;
		buf_init(&want, OP_VALUE_MAX);
		buf_init(&value, OP_VALUE_MAX);
		/* What cannot be filled in here (a key, say) cannot be compared, and so never matches. */
		if (fill_text(&want, fill, e->set.v[i].value, 0, &flags, &ignored) != 0 || flags != 0 ||
		    text_value(e->syntax, e->set.v[i].key, buf_str(&want), &value, &ignored) != 0) {
			m->all = false;
			m->blank = true;
		}
		else
			compare_key(m, e->syntax, text, len, e->set.v[i].key, buf_str(&value));
		buf_release(&want);
		buf_release(&value);
	}
	for (i = 0; i < e->unset.n; i++)
		compare_key(m, e->syntax, text, len, e->unset.v[i], NULL);
}

static void
compare_file(struct match_state *m, const struct bedit *e, const struct fill *fill,
    const char *text, size_t len)
{
	struct buf want;
	struct err ignored;
	int flags = 0;
	bool same = false;

	m->named++;
	if (e->remove)
		same = text == NULL;
	else if (e->content == NULL)
		same = text != NULL;	/* mode and owner only: not looked at here */
	else {
		bool filled;

		buf_init(&want, OP_CONTENT_MAX);
		filled = fill_text(&want, fill, e->content, 0, &flags, &ignored) == 0 && flags == 0;
		m->blank = m->blank || !filled;
		same = filled && text != NULL && want.len == len && memcmp(buf_str(&want), text, len) == 0;
		buf_release(&want);
	}
	if (!same)
		m->all = false;
	if (m->detail.len > 0)
		(void)buf_puts(&m->detail, ", ");
	(void)buf_printf(&m->detail, "%s %s", e->file,
	    text == NULL ? "does not exist" : same ? "is as bound" : "differs");
}

/*
 * Compares one value's binding.  False: a file could not be read, *ret_why says
 * which and why.
 */
static bool
compare(struct seeing *s, struct match_state *m, const struct binding *b, int owner_host,
    const struct fill *fill, bool no_ca, char **ret_why)
{
	const struct bedit *e;
	const char *text, *why;
	size_t i, len;

	for (i = 0; i < b->n; i++) {
		e = &b->v[i];
		if (e->kind == EDIT_RUN && !e->read_only && stands_on(s->fleet, e, owner_host, s->host))
			m->commands = true;
		if (e->kind == EDIT_SETTING && e->not_yet == NULL && endpoint_host(s->fleet,
		    &s->fleet->endpoints[e->endpoint]) == s->host)
			m->statements = true;
		if (!shows(e) || !stands_on(s->fleet, e, owner_host, s->host))
			continue;
		text = why = NULL;
		len = 0;
		if (s->lookup(s->arg, e->file, &text, &len, &why) != 0) {
			*ret_why = mem_printf("cannot read '%s': %s", e->file,
			    why == NULL ? "not read" : why);
			return false;
		}
		if (e->kind == EDIT_FILE)
			compare_file(m, e, fill, text, len);
		else
			compare_names(m, e, fill, no_ca, text, len);
	}
	return true;
}

static void
saw(struct seeing *s, enum facet facet, int subject, int value, char *detail)
{
	struct facet_seen *seen = mem_push(&s->r->facets, &s->r->nfacets, sizeof(*s->r->facets));

	seen->facet = (int)facet;
	seen->subject = subject;
	seen->value = value;
	if (detail != NULL && strlen(detail) > READING_STRING_MAX)
		detail[READING_STRING_MAX] = '\0';
	seen->detail = detail;
}

/* The best of a facet's values; `unknown` is the word for none. */
struct best {
	int	 value;
	size_t	 named;
	bool	 tied;
	bool	 here;		/* some value has a file on this host */
	bool	 commands;	/* some value has a command */
	bool	 statements;	/* some value has a setting */
	bool	 blank;		/* some value could not be compared whole */
	char	*detail;	/* of the best, or of the first that was looked at */
	char	*why;		/* a file that could not be read */
	bool	 matched;
};

static void
consider(struct best *best, int value, struct match_state *m)
{
	char *detail;
	size_t len;

	best->commands = best->commands || m->commands;
	best->statements = best->statements || m->statements;
	best->blank = best->blank || m->blank;
	if (m->named > 0)
		best->here = true;
	if (m->named > 0 && m->all && (!best->matched || m->named > best->named)) {
		best->value = value;
		best->named = m->named;
		best->tied = false;
		best->matched = true;
		free(best->detail);
		best->detail = NULL;
	} else if (m->named > 0 && m->all && m->named == best->named)
		best->tied = true;
	detail = buf_take(&m->detail, &len);
	/* Where nothing matches, the longest list of what stands there is told. */
	if (detail != NULL && m->named > 0 && (best->detail == NULL ||
	    (!best->matched && strlen(detail) > strlen(best->detail)))) {
		free(best->detail);
		best->detail = detail;
	} else
		free(detail);
}

static void
conclude(struct seeing *s, enum facet facet, int subject, int unknown, struct best *best)
{
	if (best->why != NULL) {
		saw(s, facet, subject, unknown, best->why);
		free(best->detail);
		return;
	}
	if (!best->here) {
		free(best->detail);
		if (best->commands)
			saw(s, facet, subject, unknown,
			    mem_strdup("set by a command: no file says it"));
		else if (best->statements)
			saw(s, facet, subject, unknown,
			    mem_strdup("a setting of a running server: no file says it"));
		return;
	}
	if (best->matched && best->tied) {
		free(best->detail);
		saw(s, facet, subject, unknown,
		    mem_strdup("two values of the binding match what is written"));
	} else {
		saw(s, facet, subject, best->matched ? best->value : unknown, best->detail);
		s->r->facets[s->r->nfacets - 1].odd = !best->matched && !best->blank;
	}
}

static void
match_init(struct match_state *m)
{
	memset(m, 0, sizeof(*m));
	m->all = true;
	buf_init(&m->detail, READING_STRING_MAX);
}

/* The CA that an endpoint knows clients by is all that a binding of its accept may hold. */
static int
known_ca(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	const struct seeing *s = arg;
	size_t len = 0;
	const char *pem = strcmp(what, "ca.pem") == 0 ? s->ca(s->arg, cert, &len) : NULL;

	if (pem == NULL)
		return err_set(err, "it is not known here");
	*ret = mem_strndup(pem, len);
	*ret_len = len;
	return 0;
}

static void
see_accept(struct seeing *s, int subject)
{
	const struct endpoint *e = &s->fleet->endpoints[subject];
	struct best best;
	struct match_state m;
	struct fill fill;
	int v;

	memset(&best, 0, sizeof(best));
	for (v = 0; v < ACCEPT_COUNT && best.why == NULL; v++) {
		if (!e->accept[v].bound)
			continue;
		memset(&fill, 0, sizeof(fill));
		fill.cert = NONE;
		fill.accept = accept_word((enum accept)v);
		if (e->clients != NONE && s->ca != NULL) {
			fill.has_client_ca = true;
			fill.client_ca = e->clients;
			fill.material = known_ca;
			fill.arg = s;
		}
		match_init(&m);
		if (compare(s, &m, &e->accept[v], endpoint_host(s->fleet, e), &fill, false, &best.why))
			consider(&best, v, &m);
		buf_release(&m.detail);
	}
	conclude(s, FACET_ACCEPT, subject, ACCEPT_UNKNOWN, &best);
}

static void
see_dial(struct seeing *s, int subject)
{
	const struct link *l = &s->fleet->links[subject];
	struct best best;
	struct match_state m;
	struct fill fill;
	int v;

	memset(&best, 0, sizeof(best));
	for (v = 0; v < DIAL_COUNT && best.why == NULL; v++) {
		if (!l->dial[v].bound)
			continue;
		memset(&fill, 0, sizeof(fill));
		fill.cert = NONE;
		fill.dial = dial_word((enum dial)v);
		fill.ca_file = l->trust_file;
		match_init(&m);
		if (compare(s, &m, &l->dial[v], client_host(s->fleet, l), &fill,
		    v == DIAL_DISABLE, &best.why))
			consider(&best, v, &m);
		buf_release(&m.detail);
	}
	conclude(s, FACET_DIAL, subject, DIAL_UNKNOWN, &best);
}

/*
 * How many settings the binding names, all of which are so; 0: they are not, or not only
 * settings bind it, or it names what is not known here.
 */
static size_t
settings_match(const struct fleet *f, int endpoint, const struct binding *b, const struct fill *fill,
    const struct reading *r)
{
	const char *is;
	struct buf want;
	struct err ignored;
	size_t i, k, n = 0;
	int flags = 0;
	bool same = true;

	for (i = 0; i < b->n && same; i++) {
		const struct bedit *e = &b->v[i];

		if (e->kind != EDIT_SETTING || e->not_yet != NULL || e->endpoint != endpoint)
			return 0;
		for (k = 0; k < e->set.n && same; k++, n++) {
			is = reading_setting(r, e->set.v[k].key);
			buf_init(&want, SETTING_VALUE_MAX);
			same = is != NULL && fill_text(&want, fill, e->set.v[k].value, 0, &flags, &ignored) == 0 &&
			    flags == 0 && setting_same(f->endpoints[endpoint].kind, is, buf_str(&want));
			buf_release(&want);
		}
	}
	return same ? n : 0;
}

/* Of two values of which more than one says what is so, the one that names more; UNKNOWN (n) where that is none. */
struct by_settings {
	int	 value;
	size_t	 most;
};

static void
by_settings(struct by_settings *best, int value, int unknown, size_t n)
{
	if (n > best->most) {
		best->most = n;
		best->value = value;
	} else if (n > 0 && n == best->most)
		best->value = unknown;
}

enum accept
accept_by_settings(const struct fleet *f, int endpoint, const struct reading *r)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	struct by_settings best = { ACCEPT_UNKNOWN, 0 };
	struct fill fill = { .cert = NONE };
	int v;

	if (e->kind == KIND_POSTGRES || r->outcome != SAW)
		return ACCEPT_UNKNOWN;
	for (v = 0; v < ACCEPT_COUNT; v++) {
		fill.accept = accept_word((enum accept)v);
		if (e->accept[v].bound)
			by_settings(&best, v, ACCEPT_UNKNOWN, settings_match(f, endpoint, &e->accept[v], &fill, r));
	}
	return (enum accept)best.value;
}

enum dial
dial_by_settings(const struct fleet *f, int link, const struct reading *r)
{
	const struct link *l = &f->links[link];
	struct by_settings best = { DIAL_UNKNOWN, 0 };
	struct fill fill = { .cert = NONE, .ca_file = l->trust_file };
	int v, endpoint = f->clients[l->client].pools;

	if (endpoint == NONE || f->endpoints[endpoint].kind == KIND_POSTGRES || r->outcome != SAW)
		return DIAL_UNKNOWN;
	for (v = 0; v < DIAL_COUNT; v++) {
		fill.dial = dial_word((enum dial)v);
		if (l->dial[v].bound)
			by_settings(&best, v, DIAL_UNKNOWN, settings_match(f, endpoint, &l->dial[v], &fill, r));
	}
	return (enum dial)best.value;
}

/* Does the text hold every line of the CA's PEM, in order?  Bundles hold more. */
static bool
holds(const char *text, size_t len, const char *pem, size_t pem_len)
{
	struct lines want, is;
	size_t i, at = 0, found = 0;

	lines_split(&want, pem, pem_len);
	lines_split(&is, text, len);
	while (at < is.n && found < want.n) {
		for (i = 0; i + at < is.n && i < want.n; i++) {
			size_t a = is.v[at + i].len, b = want.v[i].len;

			while (a > 0 && strchr("\r\n", is.v[at + i].p[a - 1]) != NULL)
				a--;
			while (b > 0 && strchr("\r\n", want.v[i].p[b - 1]) != NULL)
				b--;
			if (a != b || memcmp(is.v[at + i].p, want.v[i].p, a) != 0)
				break;
		}
		found = i;
		at++;
	}
	i = want.n;
	lines_release(&want);
	lines_release(&is);
	return i > 0 && found == i;
}

/* It was looked at, and is not what the link is to trust. */
static void
saw_odd(struct seeing *s, int subject, char *detail)
{
	saw(s, FACET_TRUST, subject, NONE, detail);
	s->r->facets[s->r->nfacets - 1].odd = true;
}

/* Of the CAs that it may be given, those that the file holds.  *ret_compared: one of them is known. */
static int
cas_in(struct seeing *s, const struct link *l, const char *text, size_t len, bool *ret_compared)
{
	const char *pem;
	size_t i, pem_len;
	int held = NONE;

	for (i = 0; i < s->fleet->ncerts; i++) {
		/* Of several certs of one CA the one that stands for it. */
		if (cert_authority(s->fleet, (int)i) != (int)i || !link_may_trust(s->fleet, l, (int)i) ||
		    (pem = s->ca(s->arg, (int)i, &pem_len)) == NULL)
			continue;
		*ret_compared = true;
		if (holds(text, len, pem, pem_len))
			held = trust_with(held, (int)i);
	}
	return held;
}

static void
see_trust(struct seeing *s, int subject)
{
	const struct link *l = &s->fleet->links[subject];
	const char *text = NULL, *why = NULL;
	bool compared = false;
	int held = NONE;
	size_t len = 0;
	char *words;

	if (l->trust_cert == NONE || l->trust_file == NULL || client_host(s->fleet, l) != s->host)
		return;
	if (s->lookup(s->arg, l->trust_file, &text, &len, &why) != 0) {
		saw(s, FACET_TRUST, subject, NONE, mem_printf("cannot read '%s': %s",
		    l->trust_file, why == NULL ? "not read" : why));
		return;
	}
	if (text != NULL && s->ca != NULL)
		held = cas_in(s, l, text, len, &compared);
	if (text == NULL)
		saw_odd(s, subject, mem_printf("%s does not exist", l->trust_file));
	else if (!compared)
		saw(s, FACET_TRUST, subject, NONE,
		    mem_printf("%s is there; which CA it holds was not compared", l->trust_file));
	else if (held != NONE) {
		words = trust_words(s->fleet, held);
		saw(s, FACET_TRUST, subject, held, mem_printf("%s holds the CA of %s", l->trust_file, words));
		free(words);
	} else
		saw_odd(s, subject, mem_printf("%s does not hold the CA of %s",
		    l->trust_file, s->fleet->certs[l->trust_cert].name));
}

/* A client that shows what lies at its place: whether something does. */
static void
see_shown_file(struct seeing *s, int subject)
{
	const struct link *l = &s->fleet->links[subject];
	const char *text = NULL, *why = NULL;
	size_t len = 0;

	if (l->presents.file == NULL || client_host(s->fleet, l) != s->host)
		return;
	if (s->lookup(s->arg, l->presents.file, &text, &len, &why) != 0)
		saw(s, FACET_PRESENT, subject, CERT_UNKNOWN, mem_printf("cannot read '%s': %s", l->presents.file,
		    why == NULL ? "not read" : why));
	else
		saw(s, FACET_PRESENT, subject, text == NULL ? NONE : l->presents.cert, mem_printf("%s %s", l->presents.file,
		    text == NULL ? "does not exist" : "is there"));
}

/* Which certificate it is to show: by what has it use one.  Whether the files are there is the rehearsal's. */
static void
see_present(struct seeing *s, int subject)
{
	const struct link *l = &s->fleet->links[subject];
	const struct binding *values[] = { &l->presents.with, &l->presents.without };
	const int words[] = { l->presents.cert, NONE };
	struct best best;
	struct match_state m;
	struct fill fill;
	size_t v;

	if (l->presents.cert == NONE)
		return;
	if (!l->presents.with.bound) {
		see_shown_file(s, subject);
		return;
	}
	memset(&best, 0, sizeof(best));
	for (v = 0; v < 2 && best.why == NULL; v++) {
		if (!values[v]->bound)
			continue;
		memset(&fill, 0, sizeof(fill));
		fill.cert = NONE;
		fill.cert_file = l->presents.file;
		fill.key_file = l->presents.key_file;
		match_init(&m);
		if (compare(s, &m, values[v], client_host(s->fleet, l), &fill, false, &best.why))
			consider(&best, words[v], &m);
		buf_release(&m.detail);
	}
	conclude(s, FACET_PRESENT, subject, CERT_UNKNOWN, &best);
}

void
facets_seen(struct reading *r, const struct fleet *fleet, int host, op_lookup *lookup,
    op_ca *ca, void *arg)
{
	struct seeing s = { r, fleet, host, lookup, ca, arg };
	size_t i;

	for (i = 0; i < fleet->nendpoints; i++)
		see_accept(&s, (int)i);
	for (i = 0; i < fleet->nlinks; i++) {
		see_dial(&s, (int)i);
		see_trust(&s, (int)i);
		see_present(&s, (int)i);
	}
}
