/*
 * lint_fleet: what can be said of a fleet without a plan.
 *
 * Owns: values that do not cover one another's keys, names that no
 * certificate is for, clients that nothing can see, matches that only an
 * address which is not written could tell apart, and what a server's own
 * ways make of a value (Redis with one port, PgBouncer's verify-*).
 * Assumes nothing about bindings that are commands or not built yet: what
 * they write is not known here.
 */
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/census.h"
#include "core/fleet_read.h"
#include "core/lint_int.h"
#include "core/mem.h"
#include "core/text.h"

/* ---- values of one facet that set different keys ------------------------- */

struct facet_values {
	const char *subject;	/* "redis", "web -> redis" */
	const char *facet;	/* "accept", "dial" */
	const char *(*word)(int);
	const struct binding *v;
	int	 n;
	int	 host;		/* of edits without `on` */
};

static const char *
accept_name(int value)
{
	return accept_word((enum accept)value);
}

static const char *
dial_name(int value)
{
	return dial_word((enum dial)value);
}

static bool
is_on(const struct bedit *e, int owner, int host)
{
	size_t i;

	for (i = 0; i < e->on.n; i++)
		if (e->on.v[i] == host)
			return true;
	return e->on.n == 0 && owner == host;
}

/* An edit whose names are set and unset one by one. */
static bool
by_name(const struct bedit *e)
{
	return e->kind == EDIT_ENV || e->kind == EDIT_CONF || e->kind == EDIT_BLOCK || e->kind == EDIT_URL;
}

static bool
names_key(const struct bedit *e, const char *key)
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

/* Whether the value says what becomes of a variable (key NULL: of a file) on a host. */
static bool
speaks_of(const struct binding *b, int owner, int host, const char *file, const char *key)
{
	const struct bedit *e;
	size_t i;

	for (i = 0; i < b->n; i++) {
		e = &b->v[i];
		if (e->file == NULL || strcmp(e->file, file) != 0 || !is_on(e, owner, host))
			continue;
		if (e->kind == EDIT_FILE || (by_name(e) && key != NULL && names_key(e, key)))
			return true;
	}
	return false;
}

/* A command, or an edit that is not built, may do what is missing. */
static bool
says_all(const struct binding *b)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		if ((!by_name(&b->v[i]) && b->v[i].kind != EDIT_FILE) || b->v[i].not_yet != NULL)
			return false;
	return true;
}

/* Which values set it, "'both' and 'tls'". */
static void
put_setters(struct buf *out, const struct facet_values *fv, int but, int host, const char *file,
    const char *key)
{
	int setters[DIAL_COUNT], n = 0, v, i;
	size_t k, x;

	for (v = 0; v < fv->n; v++) {
		bool sets = false;

		for (k = 0; v != but && k < fv->v[v].n; k++) {
			const struct bedit *e = &fv->v[v].v[k];

			if (e->file == NULL || strcmp(e->file, file) != 0 || !is_on(e, fv->host, host))
				continue;
			if (key == NULL)
				sets |= e->kind == EDIT_FILE && !e->remove;
			for (x = 0; key != NULL && by_name(e) && x < e->set.n; x++)
				sets |= strcmp(e->set.v[x].key, key) == 0;
		}
		if (sets)
			setters[n++] = v;
	}
	for (i = 0; i < n; i++)
		buf_printf(out, "%s'%s'", i == 0 ? "" : i == n - 1 ? " and " : ", ", fv->word(setters[i]));
	buf_printf(out, " %s%s", key != NULL ? "set" : "write", n == 1 ? "s" : "");
}

/* Tells of one thing, if nothing was told of it yet: the same key may be set by several values. */
static void
put_left(struct buf *out, struct strings *told, const struct facet_values *fv, int value, int host,
    const char *file, const char *key)
{
	char *mark = mem_printf("%d %s %s", host, file, key == NULL ? "" : key);
	size_t i;

	for (i = 0; i < told->n && strcmp(told->v[i], mark) != 0; i++)
		continue;
	if (i < told->n) {
		free(mark);
		return;
	}
	*(char **)mem_push(&told->v, &told->n, sizeof(char *)) = mark;
	buf_puts(out, told->n == 1 ? "" : "; ");
	if (key != NULL)
		buf_printf(out, "'%s' in '%s', which ", key, file);
	else
		buf_printf(out, "the file '%s', which ", file);
	put_setters(out, fv, value, host, file, key);
}

static void
put_left_by(struct buf *out, struct strings *told, const struct facet_values *fv, int value,
    const struct bedit *e)
{
	const struct binding *b = &fv->v[value];
	size_t h, hosts = e->on.n == 0 ? 1 : e->on.n, k;
	int host;

	if (e->not_yet != NULL || e->file == NULL)
		return;
	for (h = 0; h < hosts; h++) {
		host = e->on.n == 0 ? fv->host : e->on.v[h];
		if (e->kind == EDIT_FILE && !e->remove && !speaks_of(b, fv->host, host, e->file, NULL))
			put_left(out, told, fv, value, host, e->file, NULL);
		for (k = 0; by_name(e) && k < e->set.n; k++)
			if (!speaks_of(b, fv->host, host, e->file, e->set.v[k].key))
				put_left(out, told, fv, value, host, e->file, e->set.v[k].key);
	}
}

static void
values(struct linter *l, const struct facet_values *fv)
{
	struct strings told = { 0 };
	struct buf left;
	char *subject;
	size_t i, k;
	int v, other;

	for (v = 0; v < fv->n; v++) {
		if (!fv->v[v].bound || !says_all(&fv->v[v]))
			continue;
		buf_init(&left, 0);
		for (other = 0; other < fv->n; other++)
			for (i = 0; other != v && i < fv->v[other].n; i++)
				put_left_by(&left, &told, fv, v, &fv->v[other].v[i]);
		if (left.len > 0) {
			subject = mem_printf("%s %s: %s", fv->subject, fv->facet, fv->word(v));
			lint_add(l, LINT_WARN, LINT_VALUES_DIFFER, false, fv->v[v].pos, subject,
			    "'%s' leaves standing %s; expected it set or unset there", subject,
			    buf_str(&left));
			free(subject);
		}
		for (k = 0; k < told.n; k++)
			free(told.v[k]);
		told.n = 0;
		buf_release(&left);
	}
	free(told.v);
}

static void
all_values(struct linter *l)
{
	const struct fleet *f = l->f;
	struct facet_values fv;
	size_t i;

	for (i = 0; i < f->nendpoints; i++) {
		fv = (struct facet_values){ f->endpoints[i].name, "accept", accept_name,
			f->endpoints[i].accept, ACCEPT_COUNT, f->endpoints[i].host };
		values(l, &fv);
	}
	for (i = 0; i < f->nlinks; i++) {
		fv = (struct facet_values){ f->links[i].name, "dial", dial_name,
			f->links[i].dial, DIAL_COUNT, link_host(f, &f->links[i]) };
		values(l, &fv);
	}
}

/* ---- certificates -------------------------------------------------------- */

/* The certificate to blame: one serves the endpoint, and none that does is for the name. */
static const struct cert *
uncovered(const struct fleet *f, int endpoint, const char *name)
{
	const struct cert *found = NULL;
	size_t i, k;

	for (i = 0; i < f->ncerts; i++)
		for (k = 0; k < f->certs[i].serves.n; k++) {
			if (f->certs[i].serves.v[k] != endpoint)
				continue;
			if (cert_covers(f, &f->certs[i], name) != 0)
				return NULL;
			found = &f->certs[i];
		}
	return found;
}

static const char *
wildcard_of(const struct cert *c)
{
	size_t i;

	for (i = 0; i < c->names.n; i++)
		if (strncmp(c->names.v[i], "*.", 2) == 0)
			return c->names.v[i];
	return NULL;
}

static void
not_covered(struct linter *l, struct pos pos, const struct cert *c, const char *who,
    const char *dials, const char *name)
{
	const char *wildcard = wildcard_of(c);
	char *hint = wildcard == NULL ? mem_strdup("") :
	    mem_printf(" ('%s' stands for one label more, and for no other name)", wildcard);

	lint_add(l, LINT_WARN, LINT_NAME_NOT_COVERED, false, pos, who,
	    "'%s' %s '%s', and the certificate '%s' is not for that name%s; expected it among its 'names'",
	    who, dials, name, c->name, hint);
	free(hint);
}

static bool
is_named(const struct endpoint *e, const char *name)
{
	size_t i;

	for (i = 0; i < e->names.n; i++)
		if (strcmp(e->names.v[i], name) == 0)
			return true;
	return false;
}

/* Every name of an endpoint, and those that single links dial beside these. */
static void
names(struct linter *l)
{
	const struct fleet *f = l->f;
	const struct cert *c;
	const char *name;
	size_t i, k;

	for (i = 0; i < f->nendpoints; i++)
		for (k = 0; k < f->endpoints[i].names.n; k++) {
			name = f->endpoints[i].names.v[k];
			if ((c = uncovered(f, (int)i, name)) == NULL)
				continue;
			not_covered(l, f->endpoints[i].pos, c, f->endpoints[i].name, "is dialled as", name);
		}
	for (i = 0; i < f->nlinks; i++) {
		name = link_dials_name(f, &f->links[i]);
		if (is_named(&f->endpoints[f->links[i].endpoint], name))
			continue;
		if (f->links[i].how == DIAL_FIXED && f->links[i].assumed == DIAL_DISABLE)
			continue;
		if ((c = uncovered(f, f->links[i].endpoint, name)) != NULL)
			not_covered(l, f->links[i].pos, c, f->links[i].name, "dials", name);
	}
}

static void
warnings(struct linter *l)
{
	const struct cert *c;
	char warn[32], leaf[32];
	size_t i;

	for (i = 0; i < l->f->ncerts; i++) {
		c = &l->f->certs[i];
		/* How long somebody else's lives is not known. */
		if (c->external || c->warn_ms < c->leaf_ms)
			continue;
		text_age(warn, sizeof(warn), c->warn_ms);
		text_age(leaf, sizeof(leaf), c->leaf_ms);
		lint_add(l, LINT_WARN, LINT_WARNING_TOO_LONG, false, c->pos, c->name,
		    "'%s' lives %s and warns %s before its end, so from its first day; expected 'warn' shorter than 'leaf'",
		    c->name, leaf, warn);
	}
}

/* ---- clients that nothing sees ------------------------------------------- */

static bool
has_match(const struct match *m)
{
	return m->not_yet != NULL || m->addresses.n + m->hosts.n + m->users.n +
	    m->databases.n + m->applications.n > 0;
}

/* Each is NULL where the link can be seen so, else the reason why not; the caller frees. */
static char *
no_census(const struct fleet *f, const struct link *link)
{
	const struct endpoint *e = &f->endpoints[link->endpoint];

	if (e->cannot_see[SOURCE_CENSUS] != NULL)
		return mem_printf("the sessions at '%s' cannot be seen (%s)", e->name,
		    e->cannot_see[SOURCE_CENSUS]);
	if (!has_match(&link->match) && link_host(f, link) == NONE)
		return mem_strdup("no session can be told to be its own, without 'match' and without a host");
	return NULL;
}

static char *
no_log(const struct fleet *f, const struct link *link)
{
	const struct endpoint *e = &f->endpoints[link->endpoint];

	if (e->kind == KIND_REDIS)
		return mem_strdup("a redis logs no logins");
	if (e->log_run == NULL && e->log_file == NULL && e->log_not_yet == NULL)
		return mem_printf("'%s' has no 'log'", e->name);
	return NULL;
}

static char *
no_rehearsal(const struct fleet *f, const struct link *link)
{
	const struct endpoint *e = &f->endpoints[link->endpoint];

	if (e->cannot_see[SOURCE_REHEARSED] != NULL)
		return mem_printf("nothing can be rehearsed at '%s' (%s)", e->name,
		    e->cannot_see[SOURCE_REHEARSED]);
	/* Where pods run, their labels say. */
	if (link_host(f, link) == NONE && f->clients[link->client].unit == NONE &&
	    link->match.not_yet == NULL)
		return mem_printf("'%s' has no host to rehearse from", f->clients[link->client].name);
	return NULL;
}

static void
evidence(struct linter *l, const struct link *link)
{
	static const enum evidence kinds[] = { EVIDENCE_SESSION, EVIDENCE_LOG, EVIDENCE_REHEARSAL };
	static char *(*const why_not[])(const struct fleet *, const struct link *) = {
		no_census, no_log, no_rehearsal
	};
	enum evidence wanted = l->f->clients[link->client].evidence;
	char *why[3];
	const char *other = NULL;
	size_t i;

	if (wanted == EVIDENCE_ATTEST)
		return;
	for (i = 0; i < 3; i++) {
		why[i] = why_not[i](l->f, link);
		if (why[i] == NULL && other == NULL)
			other = evidence_word(kinds[i]);
	}
	if (other == NULL)
		lint_add(l, LINT_WARN, LINT_UNSEEN, false, link->pos, link->name,
		    "no probe can see '%s': %s, %s, and %s; expected one of them mended, or 'evidence: attest'",
		    link->name, why[0], why[1], why[2]);
	for (i = 0; i < 3 && other != NULL; i++)
		if (kinds[i] == wanted && why[i] != NULL)
			lint_add(l, LINT_WARN, LINT_NO_EVIDENCE, false, link->pos, link->name,
			    "'%s' is to be seen by 'evidence: %s', and %s; expected 'evidence: %s'",
			    link->name, evidence_word(wanted), why[i], other);
	for (i = 0; i < 3; i++)
		free(why[i]);
}

/* ---- matches that nobody can tell apart for certain ----------------------- */

enum words {
	WORDS_APART,
	WORDS_SAME,
	WORDS_WIDER,	/* the first leaves open what the second states */
	WORDS_NARROWER,
	WORDS_CROSSED
};

static enum words
compare(const struct strings *a, const struct strings *b)
{
	size_t i, common = 0;

	if (a->n == 0 || b->n == 0)
		return a->n == b->n ? WORDS_SAME : a->n == 0 ? WORDS_WIDER : WORDS_NARROWER;
	for (i = 0; i < a->n; i++)
		common += strings_has(b, a->v[i]);
	return common == 0 ? WORDS_APART : common == a->n && common == b->n ? WORDS_SAME : WORDS_CROSSED;
}

static enum words
combine(enum words a, enum words b)
{
	if (a == WORDS_APART || b == WORDS_APART)
		return WORDS_APART;
	if (a == WORDS_SAME || a == b)
		return b;
	return b == WORDS_SAME ? a : WORDS_CROSSED;
}

static bool
is_single(const char *address)
{
	const char *slash = strchr(address, '/');

	return slash == NULL || strcmp(slash, strchr(address, ':') == NULL ? "/32" : "/128") == 0;
}

/*
 * Could the host, whose address is not written, be at this address of the
 * other link?  The loopback is the endpoint's own host's; a single address is
 * that of the machine the other client runs on, where that is told.
 */
static bool
may_be_at(const struct fleet *f, const struct link *other, int host, const char *address)
{
	int there = link_host(f, other);

	if (address_in(address, "127.0.0.0/8") || address_in(address, "::1"))
		return host == f->endpoints[other->endpoint].host;
	return !is_single(address) || there == NONE || there == host;
}

/*
 * The reader compares what is written; it leaves out a host without a written
 * address against addresses (fleet_check.c).  Being one address, the host is
 * within a range, so there the words must not say the contrary; and it may be
 * a single address itself, and then the words must tell.
 */
static void
overlap(struct linter *l, const struct link *a, const struct link *b)
{
	const struct match *m = &a->match, *o = &b->match;
	enum words words;
	size_t i, k;

	if (m->not_yet != NULL || o->not_yet != NULL || m->addresses.n > 0 || o->hosts.n > 0)
		return;
	words = combine(combine(compare(&m->users, &o->users), compare(&m->databases, &o->databases)),
	    compare(&m->applications, &o->applications));
	for (i = 0; i < m->hosts.n; i++)
		for (k = 0; k < o->addresses.n; k++) {
			const struct host *h = &l->f->hosts[m->hosts.v[i]];

			if (h->address != NULL || !may_be_at(l->f, b, m->hosts.v[i], o->addresses.v[k]))
				continue;
			if (words != WORDS_CROSSED &&
			    words != (is_single(o->addresses.v[k]) ? WORDS_SAME : WORDS_WIDER))
				continue;
			lint_add(l, LINT_NOTE, LINT_MAY_OVERLAP, false, m->pos, a->name,
			    "'%s' and '%s' may match the same sessions: where the host '%s' is, is not written, and '%s' may hold it; expected a user, database or application that tells them apart",
			    a->name, b->name, h->name, o->addresses.v[k]);
			return;
		}
}

static void
overlaps(struct linter *l)
{
	const struct fleet *f = l->f;
	size_t i, k;

	for (i = 0; i < f->nlinks; i++)
		for (k = 0; k < f->nlinks && f->links[i].match.hosts.n > 0; k++)
			if (i != k && f->links[i].endpoint == f->links[k].endpoint)
				overlap(l, &f->links[i], &f->links[k]);
}

/* ---- the servers' own ways ------------------------------------------------ */

/*
 * PgBouncer 1.18: client_tls_sslmode verify-ca and verify-full do not verify
 * servers, they demand certificates of the clients.
 */
static void
pooler(struct linter *l, const struct endpoint *e)
{
	const struct bedit *b;
	size_t i, k;
	int v;

	for (v = 0; v < ACCEPT_COUNT; v++)
		for (i = 0; v != ACCEPT_MUTUAL && i < e->accept[v].n; i++) {
			b = &e->accept[v].v[i];
			for (k = 0; k < b->set.n; k++) {
				const struct pair *set = &b->set.v[k];

				if (strcmp(set->value, "verify-ca") != 0 && strcmp(set->value, "verify-full") != 0)
					continue;
				lint_add(l, LINT_WARN, LINT_MUTUAL_ON_POOLER, false, set->pos, e->name,
				    "'%s: %s' of '%s' for its clients: there it demands a certificate of each client, which is 'mutual'; expected 'require' for '%s'",
				    set->key, set->value, e->name, accept_word((enum accept)v));
			}
		}
}

bool
lint_binds_both(const struct endpoint *e)
{
	const struct pos *both = &e->accept[ACCEPT_BOTH].pos, *tls = &e->accept[ACCEPT_TLS].pos;

	return e->accept[ACCEPT_BOTH].bound && (both->line != tls->line || both->col != tls->col);
}

void
lint_fleet(struct linter *l)
{
	const struct fleet *f = l->f;
	const struct endpoint *e;
	size_t i;

	all_values(l);
	names(l);
	warnings(l);
	for (i = 0; i < f->nlinks; i++)
		evidence(l, &f->links[i]);
	overlaps(l);
	for (i = 0; i < f->nendpoints; i++) {
		e = &f->endpoints[i];
		if (e->kind == KIND_PGBOUNCER)
			pooler(l, e);
		/* A managed one has its own front. */
		if (e->kind == KIND_REDIS && e->one_port && e->managed == NULL && lint_binds_both(e))
			lint_add(l, LINT_WARN, LINT_REDIS_ONE_PORT, false, e->accept[ACCEPT_BOTH].pos, e->name,
			    "'%s' has one port for both, and a redis speaks either plaintext or tls on a port, so it cannot accept both there; expected 'listen: { plain: %d, tls: PORT }'",
			    e->name, e->port_plain);
	}
}
