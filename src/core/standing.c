/*
 * standing: see standing.h.
 *
 * Owns the table of the keys by which each kind of server names a file of its
 * TLS, and the rules by which such a file is good for it.  What stat(2) does
 * not tell (access lists, security modules, another mount namespace) is not
 * reckoned with: what passes here may still fail there, and `back` tells.
 */
#include "core/standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/edittext.h"
#include "core/fill.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/setting.h"

#define BIT_READ	4u
#define BIT_SEARCH	1u

static const char *const words[STANDING_COUNT] = {
	[STANDING_FILES] = "files", [STANDING_HBA] = "hba", [STANDING_CONF] = "conf", [STANDING_BACK] = "back",
};

/*
 * What turns a kind's TLS on, and so the reading of its files.  What it is where nobody
 * says: PgBouncer's server side was off by itself once, and is not any more.
 */
static const struct by {
	const char *name, *off;		/* off: beside what is no truth */
	bool	 off_unsaid;
} by_ssl = { "ssl", NULL, true },
  by_client_mode = { "client_tls_sslmode", "disable", true },
  by_server_mode = { "server_tls_sslmode", "disable", false },
  by_port = { "tls-port", NULL, true };

static const struct key {
	enum kind kind;
	const char *name;
	enum standing_role role;
	int	 pair;
	const struct by *by;
} keys[] = {
	{ KIND_POSTGRES, "ssl_cert_file", STANDING_CERT, 0, &by_ssl },
	{ KIND_POSTGRES, "ssl_key_file", STANDING_KEY, 0, &by_ssl },
	{ KIND_POSTGRES, "ssl_ca_file", STANDING_CA, 0, &by_ssl },
	{ KIND_PGBOUNCER, "client_tls_cert_file", STANDING_CERT, 0, &by_client_mode },
	{ KIND_PGBOUNCER, "client_tls_key_file", STANDING_KEY, 0, &by_client_mode },
	{ KIND_PGBOUNCER, "client_tls_ca_file", STANDING_CA, 0, &by_client_mode },
	{ KIND_PGBOUNCER, "server_tls_cert_file", STANDING_CERT, 1, &by_server_mode },
	{ KIND_PGBOUNCER, "server_tls_key_file", STANDING_KEY, 1, &by_server_mode },
	{ KIND_PGBOUNCER, "server_tls_ca_file", STANDING_CA, 1, &by_server_mode },
	{ KIND_REDIS, "tls-cert-file", STANDING_CERT, 0, &by_port },
	{ KIND_REDIS, "tls-key-file", STANDING_KEY, 0, &by_port },
	{ KIND_REDIS, "tls-ca-cert-file", STANDING_CA, 0, &by_port },
};
/* With these a Redis reads them whatever its ports are. */
static const char *const redis_also[] = { "tls-replication", "tls-cluster" };
#define KEYS_N (sizeof(keys) / sizeof(keys[0]))

/* ---- names ---- */

char *
standing_name(const struct fleet *f, enum standing_kind kind, int endpoint)
{
	return mem_printf("%s %s", words[kind], f->endpoints[endpoint].name);
}

bool
standing_is_name(const struct fleet *f, const char *name, size_t len_bytes)
{
	size_t i, n;

	for (i = 0; i < STANDING_COUNT; i++) {
		n = strlen(words[i]);
		if (len_bytes > n + 1 && memcmp(name, words[i], n) == 0 && name[n] == ' ')
			break;
	}
	if (i == STANDING_COUNT)
		return false;
	name += n + 1;
	len_bytes -= n + 1;
	for (i = 0; i < f->nendpoints; i++)
		if (strlen(f->endpoints[i].name) == len_bytes && memcmp(f->endpoints[i].name, name, len_bytes) == 0)
			return true;
	return false;
}

/* ---- what there is ---- */

void
standing_endpoints(struct indices *ret, const struct fleet *f, int unit)
{
	size_t i;
	int e;

	ret->v = NULL;
	ret->n = 0;
	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].unit == unit)
			indices_add(ret, (int)i);
	for (i = 0; i < f->units[unit].restarts.n; i++)
		if ((e = fleet_endpoint(f, f->units[unit].restarts.v[i])) != NONE)
			indices_add(ret, e);
}

/* Calls `one` for each edit of the endpoint's own texts on its host, and of its other side where it is a pooler. */
typedef void each_edit(void *arg, const struct bedit *);

static void
each_of_binding(const struct fleet *f, const struct binding *b, int home, int host, each_edit *one, void *arg)
{
	size_t i, k;

	for (i = 0; i < b->n; i++) {
		bool here = b->v[i].on.n == 0 && home == host;

		for (k = 0; k < b->v[i].on.n; k++)
			here = here || fleet_base(f, b->v[i].on.v[k]) == host;
		if (here)
			one(arg, &b->v[i]);
	}
}

static void
each_edit_of(const struct fleet *f, int endpoint, each_edit *one, void *arg)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	size_t i, k;

	if (e->host == NONE)
		return;
	for (i = 0; i < ACCEPT_COUNT; i++)
		each_of_binding(f, &e->accept[i], e->host, e->host, one, arg);
	for (i = 0; i < f->nlinks; i++)
		if (f->clients[f->links[i].client].pools == endpoint)
			for (k = 0; k < DIAL_COUNT; k++)
				each_of_binding(f, &f->links[i].dial[k], f->clients[f->links[i].client].host,
				    e->host, one, arg);
}

static bool
is_text(const struct bedit *b)
{
	return b->kind == EDIT_CONF && b->file != NULL;
}

struct finding {
	enum text_syntax syntax;
	bool	 found;
};

static void
finds_syntax(void *arg, const struct bedit *b)
{
	struct finding *x = arg;

	if ((b->kind == EDIT_CONF || b->kind == EDIT_BLOCK) && b->syntax == x->syntax)
		x->found = true;
}

bool
standing_writes(const struct fleet *f, int endpoint, enum text_syntax syntax)
{
	struct finding x = { syntax, false };

	each_edit_of(f, endpoint, finds_syntax, &x);
	return x.found;
}

struct collecting {
	struct standing_text *v;
	size_t	 n;
};

static void
collects(void *arg, const struct bedit *b)
{
	struct collecting *x = arg;
	size_t i;

	for (i = 0; is_text(b) && i < x->n; i++)
		if (strcmp(x->v[i].path, b->file) == 0)
			return;
	if (is_text(b) && x->n < STANDING_TEXTS_MAX) {
		x->v[x->n].path = b->file;
		x->v[x->n++].syntax = b->syntax;
	}
}

size_t
standing_texts(const struct fleet *f, int endpoint, struct standing_text ret[STANDING_TEXTS_MAX])
{
	struct collecting x = { ret, 0 };

	each_edit_of(f, endpoint, collects, &x);
	return x.n;
}

struct holding {
	const char *path, *text;
	size_t	 len;
	bool	 found;
};

static void
holds(void *arg, const struct bedit *b)
{
	struct holding *x = arg;
	size_t i;

	if (!is_text(b) || strcmp(b->file, x->path) != 0)
		return;
	for (i = 0; i < b->set.n; i++)
		if (text_get(b->syntax, x->text, x->len, b->set.v[i].key, NULL))
			x->found = true;
}

bool
standing_holds(const struct fleet *f, int endpoint, const char *path, const char *text, size_t len_bytes)
{
	struct holding x = { path, text, len_bytes, false };

	each_edit_of(f, endpoint, holds, &x);
	return x.found;
}

/* ---- which files ---- */

static void
add_file(struct standing_files *to, enum standing_role role, int pair, char *path, bool named)
{
	struct standing_file *v;
	size_t i;

	for (i = 0; i < to->n; i++)
		if (to->v[i].role == role && to->v[i].pair == pair && strcmp(to->v[i].path, path) == 0) {
			to->v[i].named = to->v[i].named || named;
			free(path);
			return;
		}
	v = mem_push(&to->v, &to->n, sizeof(*to->v));
	v->role = role;
	v->pair = pair;
	v->path = path;
	v->named = named;
}

/* The value of a key in any of the texts; the last one that has it.  NULL: in none. */
static char *
value_of(const struct standing_text *texts, size_t n, const char *key, op_lookup *lookup, void *arg)
{
	const char *text, *why;
	char *ret = NULL;
	struct buf b;
	size_t i, len;

	for (i = 0; i < n; i++) {
		if (lookup(arg, texts[i].path, &text, &len, &why) != 0 || text == NULL)
			continue;
		buf_init(&b, OP_VALUE_MAX);
		if (text_get(texts[i].syntax, text, len, key, &b)) {
			free(ret);
			ret = mem_strdup(buf_str(&b));
		}
		buf_release(&b);
	}
	return ret;
}

/* A value of redis.conf is kept as its words; a path in quotes is the path. */
static char *
unquoted(char *value)
{
	size_t n = strlen(value);

	if (n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n - 1] == value[0] &&
	    memchr(value + 1, '\\', n - 2) == NULL) {
		memmove(value, value + 1, n - 2);
		value[n - 2] = '\0';
	}
	return value;
}

struct naming {
	const char *name;
	bool	 in_text, by_statement;
};

static void
names_key(void *arg, const struct bedit *b)
{
	struct naming *x = arg;
	size_t i;
	bool named = false;

	for (i = 0; i < b->set.n; i++)
		named = named || setting_name_same(b->set.v[i].key, x->name);
	for (i = 0; i < b->unset.n; i++)
		named = named || setting_name_same(b->unset.v[i], x->name);
	x->in_text = x->in_text || (named && is_text(b));
	x->by_statement = x->by_statement || (named && b->kind == EDIT_SETTING);
}

static bool
says_yes(const char *key, const struct standing_text *texts, size_t n, op_lookup *lookup, void *arg)
{
	char *value = value_of(texts, n, key, lookup, arg);
	bool yes = value != NULL && setting_truth(unquoted(value)) == 1;

	free(value);
	return yes;
}

/*
 * Are the files of this key not read, by what the texts say?  Only what is known counts
 * as off: not where a text could not be read, where it is set by statement, or where it
 * stands in a text that nobody named.
 */
static bool
turned_off(const struct fleet *f, int endpoint, const struct key *key, const struct standing_text *texts, size_t n,
    bool all_read, op_lookup *lookup, void *arg)
{
	struct naming naming = { key->by->name, false, false };
	char *value;
	bool off;
	size_t i;

	each_edit_of(f, endpoint, names_key, &naming);
	if (!all_read || naming.by_statement)
		return false;
	for (i = 0; key->kind == KIND_REDIS && i < sizeof(redis_also) / sizeof(redis_also[0]); i++)
		if (says_yes(redis_also[i], texts, n, lookup, arg))
			return false;
	value = value_of(texts, n, key->by->name, lookup, arg);
	if (value == NULL)
		return key->by->off_unsaid && naming.in_text;
	value = unquoted(value);
	off = *value == '\0' || setting_truth(value) == 0 ||
	    (key->by->off != NULL && setting_name_same(value, key->by->off));
	free(value);
	return off;
}

static void
files_of_texts(struct standing_files *ret, const struct fleet *f, int endpoint,
    const struct standing_text *texts, size_t n, bool all_read, op_lookup *lookup, void *arg, struct strings *notes)
{
	enum kind kind = f->endpoints[endpoint].kind;
	char *path;
	size_t i;

	for (i = 0; i < KEYS_N; i++) {
		if (keys[i].kind != kind || turned_off(f, endpoint, &keys[i], texts, n, all_read, lookup, arg) ||
		    (path = value_of(texts, n, keys[i].name, lookup, arg)) == NULL)
			continue;
		path = unquoted(path);
		if (path[0] == '/')
			add_file(ret, keys[i].role, keys[i].pair, path, true);
		else {
			if (path[0] != '\0')
				strings_push(notes, mem_printf("%s '%s' is no absolute path: not looked at",
				    keys[i].name, path));
			free(path);
		}
	}
}

/* The endpoints on a host that a certificate serves. */
static size_t
served_on(const struct fleet *f, const struct cert *c, int host)
{
	size_t i, n = 0;

	for (i = 0; i < c->serves.n; i++)
		n += f->endpoints[c->serves.v[i]].host == host;
	return n;
}

static void
installs(void *arg, const struct bedit *b)
{
	struct standing_files *to = arg;
	const char *content = b->content;

	if (b->kind != EDIT_FILE || b->file == NULL || content == NULL)
		return;
	if (fill_mentions(content, "pair.pem")) {
		add_file(to, STANDING_KEY, 0, mem_strdup(b->file), false);
		add_file(to, STANDING_CERT, 0, mem_strdup(b->file), false);
	} else if (fill_mentions(content, "key.pem"))
		add_file(to, STANDING_KEY, 0, mem_strdup(b->file), false);
	else if (fill_mentions(content, "leaf.pem"))
		add_file(to, STANDING_CERT, 0, mem_strdup(b->file), false);
	else if (fill_mentions(content, "ca.pem"))
		add_file(to, STANDING_CA, 0, mem_strdup(b->file), false);
}

void
standing_files(struct standing_files *ret, const struct fleet *f, int endpoint, op_lookup *lookup,
    void *arg, struct strings *notes)
{
	const struct endpoint *e = &f->endpoints[endpoint];
	struct standing_text texts[STANDING_TEXTS_MAX];
	const char *text, *why;
	size_t i, k, len, n = standing_texts(f, endpoint, texts);
	bool all_read = true;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < n; i++)
		if (path_in_container(texts[i].path) != NULL) {
			strings_push(notes, mem_printf("the files that '%s' names are in its container: not looked at", texts[i].path));
			return;
		}
	for (i = 0; i < n; i++)
		if (lookup(arg, texts[i].path, &text, &len, &why) != 0) {
			strings_push(notes, mem_printf("'%s': %s: not looked at", texts[i].path, why));
			all_read = false;
		}
	if (n > 0) {
		files_of_texts(ret, f, endpoint, texts, n, all_read, lookup, arg, notes);
		return;
	}
	/* Which of several servers reads which file is not known then. */
	for (i = 0; e->host != NONE && i < f->ncerts; i++)
		for (k = 0; k < f->certs[i].serves.n; k++)
			if (f->certs[i].serves.v[k] == endpoint && served_on(f, &f->certs[i], e->host) == 1)
				each_of_binding(f, &f->certs[i].install, e->host, e->host, installs, ret);
}

void
standing_files_release(struct standing_files *files)
{
	size_t i;

	for (i = 0; i < files->n; i++)
		free(files->v[i].path);
	free(files->v);
	memset(files, 0, sizeof(*files));
}

void
standing_facts_release(struct standing_facts *facts)
{
	size_t i;

	for (i = 0; i < facts->nways; i++)
		free(facts->ways[i].path);
	free(facts->unseen);
	free(facts->not_understood);
	memset(facts, 0, sizeof(*facts));
}

/* ---- judging ---- */

static bool
may(const struct standing_user *u, const struct standing_way *w, unsigned bit)
{
	unsigned mode = w->mode;
	size_t i;

	/* Whoever it is: the owner's and the group's bits decide for these alone, others' for all the rest. */
	if (!u->known)
		return (mode & bit) != 0 && (mode >> 3 & bit) != 0 && (mode >> 6 & bit) != 0;
	if (u->uid == 0)
		return true;
	if (u->uid == w->uid)
		return (mode >> 6 & bit) != 0;
	for (i = 0; i < u->ngroups; i++)
		if (u->groups[i] == w->gid)
			return (mode >> 3 & bit) != 0;
	return (mode & bit) != 0;
}

struct judging_files {
	struct buf *why;
	enum judgement worst;
	const char *unjudged;	/* of those that not everybody may read, with an unknown reader: the first */
	size_t	 nunjudged;
};

static void say(struct judging_files *, enum judgement, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
say(struct judging_files *j, enum judgement judgement, const char *fmt, ...)
{
	va_list ap;
	char *s;

	if (j->why->len > 0)
		(void)buf_puts(j->why, "; ");
	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	(void)buf_puts(j->why, s);
	free(s);
	if (judgement == CHECK_FAIL || j->worst == CHECK_PASS)
		j->worst = judgement;
}

/* Postgres looks at its key's mode and owner itself, and does not start with one that it dislikes. */
static void
judge_key(struct judging_files *j, const struct standing_file *file, const struct standing_way *w,
    const struct standing_user *u)
{
	if (w->uid == 0 && !(u->known && u->uid == 0)) {
		if ((w->mode & 037u) != 0)
			say(j, CHECK_FAIL, "'%s' has mode %04o: Postgres takes a key that belongs to root with 0640 "
			    "or less", file->path, w->mode);
		return;
	}
	if (u->known && u->uid != w->uid)
		say(j, CHECK_FAIL, "'%s' belongs to uid %u: Postgres takes a key that belongs to its own user '%s' "
		    "or to root", file->path, w->uid, u->name);
	else if ((w->mode & 077u) != 0)
		say(j, CHECK_FAIL, "'%s' has mode %04o: Postgres takes its key with 0600 or less", file->path, w->mode);
}

/* The way that is closed to the user, from the root on; nways: none is. */
static size_t
closed_way(const struct standing_facts *x, const struct standing_user *u)
{
	size_t i;

	for (i = x->nways; i-- > 0;)
		if (!may(u, &x->ways[i], i == 0 ? BIT_READ : BIT_SEARCH))
			return i;
	return x->nways;
}

static void
judge_ways(struct judging_files *j, const struct standing_file *file, const struct standing_facts *x,
    const struct standing_user *u)
{
	size_t closed = closed_way(x, u);

	if (closed == x->nways)
		return;
	if (!u->known) {
		if (j->nunjudged++ == 0)
			j->unjudged = file->path;
	} else if (closed == 0)
		say(j, CHECK_FAIL, "'%s' cannot be read by '%s' (mode %04o, uid %u)", file->path, u->name,
		    x->ways[0].mode, x->ways[0].uid);
	else
		say(j, CHECK_FAIL, "'%s' cannot be reached by '%s', who may not search '%s' (mode %04o)",
		    file->path, u->name, x->ways[closed].path, x->ways[closed].mode);
}

static void
judge_unjudged(struct judging_files *j)
{
	char more[32];

	if (j->nunjudged == 0)
		return;
	(void)snprintf(more, sizeof(more), " and %zu more", j->nunjudged - 1);
	say(j, CHECK_INCONCLUSIVE, "who runs the server is not known here (the fleet's 'runs-as' would say) (nobody listens on its port, or root does, as for "
	    "a container), so neither is whether '%s'%s can be read", j->unjudged, j->nunjudged > 1 ? more : "");
}

static void
judge_dates(struct judging_files *j, const struct standing_file *file, const struct standing_facts *x, int64_t now_s)
{
	if (x->public_sha[0] == '\0')
		return;
	if (x->not_after_s <= now_s)
		say(j, CHECK_FAIL, "the certificate in '%s' has expired", file->path);
	else if (x->not_before_s > now_s)
		say(j, CHECK_FAIL, "the certificate in '%s' is not valid yet", file->path);
}

static void
judge_bytes(struct judging_files *j, const struct standing_file *file, const struct standing_facts *x)
{
	if (file->role == STANDING_CA || x->public_sha[0] != '\0')
		return;
	if (!x->read)
		say(j, CHECK_INCONCLUSIVE, "'%s' cannot be read by us, so whether certificate and key belong together "
		    "is not known", file->path);
	else
		say(j, CHECK_INCONCLUSIVE, "'%s': %s", file->path,
		    x->not_understood == NULL ? "not understood" : x->not_understood);
}

static void
judge_pairs(struct judging_files *j, const struct standing_file *v, const struct standing_facts *x, size_t n)
{
	size_t i, k;

	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++)
			if (v[i].role == STANDING_CERT && v[k].role == STANDING_KEY && v[i].pair == v[k].pair &&
			    x[i].public_sha[0] != '\0' && x[k].public_sha[0] != '\0' &&
			    strcmp(x[i].public_sha, x[k].public_sha) != 0)
				say(j, CHECK_FAIL, "the certificate '%s' and the key '%s' do not belong together",
				    v[i].path, v[k].path);
}

enum judgement
standing_judge(enum kind kind, const struct standing_file *v, const struct standing_facts *x, size_t n,
    const struct standing_user *u, int64_t now_s, struct buf *why)
{
	struct judging_files j = { why, CHECK_PASS, NULL, 0 };
	size_t i;

	for (i = 0; i < n; i++) {
		if (x[i].unseen != NULL) {
			say(&j, CHECK_INCONCLUSIVE, "'%s': %s", v[i].path, x[i].unseen);
			continue;
		}
		if (!x[i].there) {
			/* A server in a container sees other files; then nobody of this host listens. */
			if (v[i].named)
				say(&j, u->known && !u->declared ? CHECK_FAIL : CHECK_INCONCLUSIVE, "'%s' is not there", v[i].path);
			continue;
		}
		if (kind == KIND_POSTGRES && v[i].role == STANDING_KEY && x[i].nways > 0)
			judge_key(&j, &v[i], &x[i].ways[0], u);
		judge_ways(&j, &v[i], &x[i], u);
		if (v[i].role == STANDING_CERT)
			judge_dates(&j, &v[i], &x[i], now_s);
		judge_bytes(&j, &v[i], &x[i]);
	}
	judge_pairs(&j, v, x, n);
	judge_unjudged(&j);
	return j.worst;
}
