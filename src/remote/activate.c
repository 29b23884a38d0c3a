/*
 * activate: what goes before the activation of a unit and behind it.
 *
 * Before: would its servers come up with what stands there (core/standing.h)?
 * The texts that the fleet edits are read, then the files that they name,
 * then Postgres itself is asked what it thinks of its pg_hba.conf and
 * postgresql.conf.  A check that fails leaves the activation not begun;
 * nothing was sent then, and the host's record knows nothing of it.  One that is
 * inconclusive leaves a restart not begun, unless the server does not run anyhow; a
 * reload goes on, since a server that dislikes what it is to take over keeps what it has.  On the way back only what fails,
 * and would keep a server down, is in the way.  A waived check is in nobody's way.
 *
 * Behind: the endpoints that it brought up have to answer, within the op's deadline.
 * The way back does not stand still for one that was silent before the step, too: its
 * words say so, and it goes on.
 *
 * It is one file, though a long one: before and behind share what was found, and one end.
 *
 * Invariants: one thing is under way at a time (a host call, a statement, a look, the
 * timer); hostop_finish() drops all of it.  A private key that was read stays in
 * the answer that it came in, and is wiped with that.
 */
#include "remote/activate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/standing.h"
#include "core/text.h"
#include "pki/certificate.h"
#include "pki/key.h"
#include "remote/hostops_int.h"
#include "remote/probe.h"
#include "remote/statement.h"

#define ASK_MS		15000	/* what a server may take for the questions */
#define LOOK_MS		3000	/* one look at whether it answers */
#define LOOK_AGAIN_MS	200
#define ANSWER_MS	1500	/* what is left of the deadline for telling how it ended */

struct text {
	const char *path;	/* the fleet's */
	char	*bytes;		/* NULL: not there */
	size_t	 len;
	char	*why;		/* it could not be read; or NULL */
};

struct activation {
	struct hostop *h;
	const struct fleet *fleet;
	struct indices endpoints;
	size_t	 at;			/* the endpoint under way */
	struct text *texts;
	size_t	 ntexts;
	struct standing_files files;	/* of it */
	struct statement *statement;
	struct back *back;
	bool	 hba_asked;
	/* What was found: of what stands in the way, the first; of all, the notes. */
	char	*refusal;
	char	*unsure;		/* of its files, while it is asked whether it runs */
	struct buf notes;
	/* Behind it. */
	enum op_outcome good;
	bool	 before;		/* the command had ended before */
	bool	 hurried;		/* somebody wants to go back: it is not waited for */
	char	 back_why[ERR_MAX];
};

static void	next_files(struct activation *);
static void	next_server(struct activation *);
static void	next_back(struct activation *);

/* ---- what is found ---- */

static bool
restarts(const struct activation *a)
{
	return a->fleet->units[a->h->op->unit].kind == UNIT_RESTART;
}

static bool
waived(const struct activation *a, const char *name)
{
	return strings_has(&a->h->op->waived, name);
}

/* Can the endpoint under way be asked whether it is there? */
static bool
can_be_seen(const struct activation *a)
{
	const struct endpoint *e = &a->fleet->endpoints[a->endpoints.v[a->at]];

	return (e->host != NONE || e->via != NONE) && e->cannot_see[SOURCE_SERVED] == NULL && e->not_yet == NULL &&
	    a->h->set->c.probes != NULL;
}

static void note(struct activation *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
note(struct activation *a, const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	(void)buf_printf(&a->notes, "%s\n", s);
	free(s);
}

static void
found(struct activation *a, enum standing_kind kind, enum judgement judgement, const char *why)
{
	bool back = a->h->verb == OPV_UNDO, in_the_way;
	char *name;

	if (judgement == CHECK_PASS)
		return;
	name = standing_name(a->fleet, kind, a->endpoints.v[a->at]);
	in_the_way = judgement == CHECK_FAIL ? !back || restarts(a) : !back && restarts(a);
	if (waived(a, name))
		note(a, "%s: waived: %s", name, why);
	else if (!in_the_way)
		note(a, "%s: %s%s", name, judgement == CHECK_FAIL ? "" : "inconclusive: ", why);
	else if (a->refusal == NULL)
		a->refusal = mem_printf("%s: %s: %s%s", restarts(a) ? "not restarted" : "not reloaded", name,
		    judgement == CHECK_FAIL ? "" : "inconclusive: ", why);
	free(name);
}

static void
release_statement(struct activation *a)
{
	statement_free(a->statement);
	a->statement = NULL;
}

void
activation_free(struct activation *a)
{
	size_t i;

	if (a == NULL)
		return;
	statement_free(a->statement);
	probe_back_cancel(a->back);
	standing_files_release(&a->files);
	for (i = 0; i < a->ntexts; i++) {
		if (a->texts[i].bytes != NULL)
			mem_wipe_free(a->texts[i].bytes, a->texts[i].len);
		free(a->texts[i].why);
	}
	free(a->texts);
	free(a->endpoints.v);
	free(a->refusal);
	free(a->unsure);
	buf_release(&a->notes);
	free(a);
}

/* What was noted stands before what the command said. */
static void
tell_notes(struct activation *a)
{
	struct hostop *h = a->h;
	char *text;

	if (a->notes.len == 0)
		return;
	text = mem_printf("%s%s", buf_str(&a->notes), h->result.text == NULL ? "" : h->result.text);
	hostop_set_text(h, text, strlen(text));
	free(text);
	buf_clear(&a->notes);
}

/*
 * The way back, and what would not come up now: where this op never began, what
 * runs is what ran before, and is better left alone.
 */
static void
back_looked(void *arg, enum hostcall_end end, const struct host_answer *answer, const struct err *why)
{
	struct hostop *h = arg;
	struct activation *a = h->activation;
	struct looked l;
	struct err err;

	if (hostop_no_answer(h, end, answer, why))
		return;
	(void)hostop_read_look(&l, answer, NULL, &err);
	/* What an earlier attempt left is its undo. */
	if (strcmp(l.record, "none") == 0 || strcmp(l.record, "undo-ended 0") == 0 || strcmp(l.record, "undone") == 0) {
		note(a, "%s; nor had this step done so", a->refusal);
		tell_notes(a);
		hostop_finish(h, OP_RESTORED);
		return;
	}
	hostop_say(h, "%s", a->refusal);
	tell_notes(a);
	hostop_finish(h, OP_FAILED);
}

/* All was looked at. */
static void
verdict(struct activation *a)
{
	static const struct hostcall_events looks = { .done = back_looked };
	struct hostop *h = a->h;

	release_statement(a);
	if (a->refusal == NULL) {
		hostop_run_now(h);
		return;
	}
	if (h->verb == OPV_UNDO) {
		(void)hostop_request(h);
		hostop_call(h, "look", h->op->id, NULL, 0, &looks);
		return;
	}
	hostop_say(h, "%s", a->refusal);
	tell_notes(a);
	hostop_finish(h, OP_FAILED);
}

static int64_t
left_ms(const struct activation *a)
{
	return a->h->due - (int64_t)uv_now(a->h->set->c.loop);
}

/* ---- texts ---- */

static const char *
after_number(const struct host_item *item)
{
	const char *blank = strchr(item->rest, ' ');

	return blank == NULL ? "" : blank + 1;
}

static int
lookup(void *arg, const char *path, const char **ret, size_t *ret_len, const char **ret_why)
{
	struct activation *a = arg;
	size_t i;

	for (i = 0; i < a->ntexts; i++)
		if (strcmp(a->texts[i].path, path) == 0) {
			*ret = a->texts[i].bytes;
			*ret_len = a->texts[i].len;
			*ret_why = a->texts[i].why;
			return a->texts[i].why == NULL ? 0 : -1;
		}
	*ret_why = "not read";
	return -1;
}

static void
texts_read(void *arg, enum hostcall_end end, const struct host_answer *answer, const struct err *why)
{
	struct hostop *h = arg;
	struct activation *a = h->activation;
	const struct host_item *item;
	size_t i, k;

	if (hostop_no_answer(h, end, answer, why))
		return;
	for (i = 0; i < a->ntexts; i++)
		a->texts[i].why = NULL;
	for (k = 0; (item = host_item(answer, "file", k)) != NULL; k++)
		if ((i = strtoul(item->rest, NULL, 10)) < a->ntexts && item->len <= HOST_FILE_MAX) {
			if (a->texts[i].bytes != NULL)	/* twice: a host that lies */
				mem_wipe_free(a->texts[i].bytes, a->texts[i].len);
			a->texts[i].bytes = mem_strndup(item->data, item->len);
			a->texts[i].len = item->len;
		}
	for (k = 0; (item = host_item(answer, "error", k)) != NULL; k++)
		if ((i = strtoul(item->rest, NULL, 10)) < a->ntexts) {
			free(a->texts[i].why);
			a->texts[i].why = mem_strdup(after_number(item));
		}
	a->at = 0;
	next_files(a);
}

static void
read_texts(struct activation *a)
{
	static const struct hostcall_events events = { .done = texts_read };
	struct standing_text texts[STANDING_TEXTS_MAX];
	struct hostop *h = a->h;
	struct buf *q;
	struct err err;
	size_t i, k, n;

	for (i = 0; i < a->endpoints.n; i++) {
		if (a->fleet->endpoints[a->endpoints.v[i]].host != h->host)
			continue;
		n = standing_texts(a->fleet, a->endpoints.v[i], texts);
		for (k = 0; k < n; k++)
			((struct text *)mem_push(&a->texts, &a->ntexts, sizeof(*a->texts)))->path = texts[k].path;
	}
	if (a->ntexts == 0) {
		a->at = 0;
		next_files(a);
		return;
	}
	q = hostop_request(h);
	for (i = 0; i < a->ntexts; i++)
		if (hostop_path(h, q, a->texts[i].path, &err) != 0) {
			hostop_failed(h, &err);
			return;
		}
	hostop_call(h, "read", NULL, NULL, 0, &events);
}

/* ---- files ---- */

/* "N MODE UID GID PATH"; a way to what is there only. */
static void
take_way(struct standing_facts *facts, size_t n, const char *rest, bool itself)
{
	struct standing_way *w;
	unsigned long number;
	unsigned mode, uid, gid;
	int at = 0;

	if (sscanf(rest, "%lu %o %u %u %n", &number, &mode, &uid, &gid, &at) < 4 || at == 0 || number >= n ||
	    (facts[number].nways == 0) != itself || facts[number].nways == STANDING_WAYS_MAX)
		return;
	w = &facts[number].ways[facts[number].nways++];
	w->mode = mode & 07777u;
	w->uid = uid;
	w->gid = gid;
	w->path = mem_strdup(rest + at);
}

/* "UID NAME GID …" */
static void
take_user(struct standing_user *u, const char *rest)
{
	char *end;
	int at = 0;

	if (sscanf(rest, "%u %63s %n", &u->uid, u->name, &at) < 2 || at == 0)
		return;
	/* Root is not the user of a server, but of what passes its connections on (or a Redis that may all). */
	u->known = u->uid != 0;
	for (rest += at; u->ngroups < STANDING_GROUPS_MAX; rest = end) {
		unsigned long gid = strtoul(rest, &end, 10);

		if (end == rest)
			return;
		u->groups[u->ngroups++] = (unsigned)gid;
	}
}

static void
look_into(struct standing_facts *x, const struct standing_file *file, const struct host_item *item)
{
	struct err err;
	int rc = 0;

	x->read = true;
	if (file->role == STANDING_KEY)
		rc = key_public_sha(item->data, item->len, x->public_sha, &err);
	else if (file->role == STANDING_CERT)
		rc = certificate_first(item->data, item->len, x->public_sha, &x->not_before_s, &x->not_after_s, &err);
	if (rc != 0)
		x->not_understood = mem_strdup(err.msg);
}

/* Who is not seen to listen, as behind a container's proxy, may be declared. */
static void
declared_user(struct standing_user *u, const struct endpoint *ep)
{
	if (u->known || !ep->runs_as)
		return;
	memset(u, 0, sizeof(*u));
	u->known = u->declared = true;
	u->uid = (unsigned)ep->run_uid;
	(void)snprintf(u->name, sizeof(u->name), "uid %u", u->uid);
	if (ep->run_gid >= 0)
		u->groups[u->ngroups++] = (unsigned)ep->run_gid;
}

static enum judgement
judge_files(struct activation *a, const struct host_answer *answer, struct buf *why)
{
	struct standing_facts *facts = mem_array(a->files.n, sizeof(*facts));
	struct standing_user user = { 0 };
	enum judgement judgement;
	const struct host_item *item;
	size_t i, k;

	for (k = 0; (item = host_item(answer, "at", k)) != NULL; k++)
		take_way(facts, a->files.n, item->rest, true);
	for (k = 0; (item = host_item(answer, "way", k)) != NULL; k++)
		take_way(facts, a->files.n, item->rest, false);
	for (k = 0; (item = host_item(answer, "file", k)) != NULL; k++)
		if ((i = strtoul(item->rest, NULL, 10)) < a->files.n) {
			facts[i].there = true;
			if (!facts[i].read)
				look_into(&facts[i], &a->files.v[i], item);
		}
	for (k = 0; (item = host_item(answer, "error", k)) != NULL; k++)
		if ((i = strtoul(item->rest, NULL, 10)) < a->files.n) {
			/* What was seen of it by stat counts; its bytes were not. */
			if (facts[i].nways > 0)
				facts[i].there = true;
			else if (facts[i].unseen == NULL)
				facts[i].unseen = mem_strdup(after_number(item));
		}
	if ((item = host_item(answer, "user", 0)) != NULL)
		take_user(&user, item->rest);
	declared_user(&user, &a->fleet->endpoints[a->endpoints.v[a->at]]);
	judgement = standing_judge(a->fleet->endpoints[a->endpoints.v[a->at]].kind, a->files.v, facts, a->files.n,
	    &user, (int64_t)time(NULL), why);
	for (i = 0; i < a->files.n; i++)
		standing_facts_release(&facts[i]);
	free(facts);
	return judgement;
}

static void
files_done(struct activation *a)
{
	free(a->unsure);
	a->unsure = NULL;
	standing_files_release(&a->files);
	a->at++;
	next_files(a);
}

/* What cannot be judged without a server that runs is no reason not to start one. */
static void
unsure_told(void *arg, bool answers, const char *why)
{
	struct activation *a = arg;

	a->back = NULL;
	if (answers)
		found(a, STANDING_FILES, CHECK_INCONCLUSIVE, a->unsure);
	else
		note(a, "'%s' does not answer now (%s), so a restart takes nothing from it: inconclusive: %s",
		    a->fleet->endpoints[a->endpoints.v[a->at]].name, why, a->unsure);
	files_done(a);
}

static void
stood(void *arg, enum hostcall_end end, const struct host_answer *answer, const struct err *why)
{
	struct hostop *h = arg;
	struct activation *a = h->activation;
	enum judgement judgement;
	struct buf words;

	if (hostop_no_answer(h, end, answer, why))
		return;
	buf_init(&words, OP_WHY_MAX);
	judgement = judge_files(a, answer, &words);
	if (judgement == CHECK_INCONCLUSIVE && can_be_seen(a)) {
		a->unsure = buf_take(&words, NULL);
		a->back = probe_back(h->set->c.probes, a->endpoints.v[a->at], LOOK_MS, unsure_told, a);
		return;
	}
	found(a, STANDING_FILES, judgement, buf_str(&words));
	buf_release(&words);
	files_done(a);
}

static void
next_files(struct activation *a)
{
	static const struct hostcall_events events = { .done = stood };
	struct hostop *h = a->h;
	const struct endpoint *e = NULL;
	struct strings notes = { NULL, 0 };
	struct buf *q;
	struct err err;
	char port[16];
	size_t i;

	for (; a->at < a->endpoints.n; a->at++) {
		e = &a->fleet->endpoints[a->endpoints.v[a->at]];
		if (e->host != h->host)
			continue;
		standing_files(&a->files, a->fleet, a->endpoints.v[a->at], lookup, a, &notes);
		for (i = 0; i < notes.n; i++)
			note(a, "%s", notes.v[i]);
		strings_release(&notes);
		if (a->files.n > 0)
			break;
		standing_files_release(&a->files);
	}
	if (a->at == a->endpoints.n || e == NULL) {
		a->at = 0;
		next_server(a);
		return;
	}
	q = hostop_request(h);
	(void)snprintf(port, sizeof(port), "%d", e->port_plain > 0 ? e->port_plain : e->port_tls);
	for (i = 0; i < a->files.n; i++)
		if (host_header(q, "path", a->files.v[i].path, &err) != 0) {
			hostop_failed(h, &err);
			return;
		}
	if (host_header(q, "port", port, &err) != 0)
		hostop_failed(h, &err);
	else
		hostop_call(h, "stand", NULL, NULL, 0, &events);
}

/* ---- what Postgres thinks ---- */

static const char hba_sql[] =
	"SELECT line_number, error FROM pg_catalog.pg_hba_file_rules WHERE error IS NOT NULL"
	/* True of the server as it runs, and no fault of the line. */
	" AND error NOT LIKE 'hostssl record cannot match because SSL is %'"
	" ORDER BY line_number LIMIT 3";

/* What only a restart takes over is no error; the view says it in the words of one. */
static const char conf_sql[] =
	"SELECT f.sourcefile, f.sourceline, f.name, f.error FROM pg_catalog.pg_file_settings f"
	" LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) = pg_catalog.lower(f.name)"
	" WHERE f.error IS NOT NULL AND NOT (f.error = 'setting could not be applied'"
	" AND coalesce(s.context, '') = 'postmaster') ORDER BY f.seqno LIMIT 3";

static const char sources_sql[] =
	"SELECT DISTINCT sourcefile FROM pg_catalog.pg_file_settings WHERE sourcefile IS NOT NULL LIMIT 1000";

static void	ask_conf(struct activation *);

static void
server_done(struct activation *a)
{
	release_statement(a);
	a->at++;
	next_server(a);
}

static bool
writes(const struct activation *a, enum text_syntax syntax)
{
	return standing_writes(a->fleet, a->endpoints.v[a->at], syntax);
}

/* A question that was not answered. */
static void
not_told(struct activation *a, enum standing_kind kind, const struct statement_reply *r)
{
	char *why = mem_printf("it cannot be asked: %s", r->why == NULL ? "no answer" : r->why);

	found(a, kind, CHECK_INCONCLUSIVE, why);
	free(why);
}

/* The same file by two names: what leads to it may be linked. */
static bool
same_file(const char *a, const char *b)
{
	const char *p = a + strlen(a), *q = b + strlen(b);
	int parts = 0;

	while (p > a && q > b && p[-1] == q[-1]) {
		p--;
		q--;
		if (*p == '/' && ++parts == 2)
			return true;
	}
	return p == a && q == b;
}

static void
sources_told(void *arg, const struct statement_reply *r)
{
	struct activation *a = arg;
	struct standing_text texts[STANDING_TEXTS_MAX];
	int endpoint = a->endpoints.v[a->at];
	const char *text, *why, *source;
	char *words;
	size_t i, k, len, n;
	bool read;

	if (r->end != STATEMENT_DONE) {
		not_told(a, STANDING_CONF, r);
		server_done(a);
		return;
	}
	n = standing_texts(a->fleet, endpoint, texts);
	for (i = 0; i < n; i++) {
		if (texts[i].syntax != TEXT_POSTGRES || lookup(a, texts[i].path, &text, &len, &why) != 0 ||
		    text == NULL || !standing_holds(a->fleet, endpoint, texts[i].path, text, len))
			continue;
		for (k = 0, read = false; k < r->nrows; k++)
			read = read || ((source = statement_value(r, k, "sourcefile")) != NULL &&
			    same_file(source, texts[i].path));
		if (read)
			continue;
		words = mem_printf("Postgres does not read '%s': add include_dir = '%.*s' to its postgresql.conf",
		    texts[i].path, (int)(strrchr(texts[i].path, '/') - texts[i].path), texts[i].path);
		found(a, STANDING_CONF, CHECK_FAIL, words);
		free(words);
	}
	server_done(a);
}

static void
conf_told(void *arg, const struct statement_reply *r)
{
	struct activation *a = arg;
	const char *file, *line, *name, *error;
	char *words;

	if (r->end != STATEMENT_DONE) {
		not_told(a, STANDING_CONF, r);
		server_done(a);
		return;
	}
	if (r->nrows == 0) {
		statement_sql(a->statement, sources_sql, sources_told, a);
		return;
	}
	file = statement_value(r, 0, "sourcefile");
	line = statement_value(r, 0, "sourceline");
	name = statement_value(r, 0, "name");
	error = statement_value(r, 0, "error");
	words = mem_printf("%s:%s: %s%s%s%s", file == NULL ? "?" : file, line == NULL ? "?" : line,
	    name == NULL ? "" : name, name == NULL ? "" : ": ", error == NULL ? "?" : error,
	    r->nrows > 1 ? ", and more" : "");
	found(a, STANDING_CONF, CHECK_FAIL, words);
	free(words);
	server_done(a);
}

static void
hba_told(void *arg, const struct statement_reply *r)
{
	struct activation *a = arg;
	const char *line, *error;
	char *words;

	if (r->end != STATEMENT_DONE)
		not_told(a, STANDING_HBA, r);
	else if (r->nrows > 0) {
		line = statement_value(r, 0, "line_number");
		error = statement_value(r, 0, "error");
		words = mem_printf("pg_hba.conf line %s: %s%s", line == NULL ? "?" : line, error == NULL ? "?" : error,
		    r->nrows > 1 ? ", and more" : "");
		found(a, STANDING_HBA, CHECK_FAIL, words);
		free(words);
	}
	ask_conf(a);
}

static void
ask_conf(struct activation *a)
{
	if (writes(a, TEXT_POSTGRES))
		statement_sql(a->statement, conf_sql, conf_told, a);
	else
		server_done(a);
}

static void
up_told(void *arg, bool answers, const char *why)
{
	struct activation *a = arg;
	int64_t left = left_ms(a);

	a->back = NULL;
	if (!answers) {
		/* Nothing runs there that could be worse off; and nobody who could be asked. */
		note(a, "'%s' does not answer now (%s), so it was not asked about its files",
		    a->fleet->endpoints[a->endpoints.v[a->at]].name, why);
		a->at++;
		next_server(a);
		return;
	}
	a->statement = statement_new(a->h->set->c.probes, a->endpoints.v[a->at], left < ASK_MS ? left : ASK_MS);
	if (writes(a, TEXT_HBA))
		statement_sql(a->statement, hba_sql, hba_told, a);
	else
		ask_conf(a);
}

static void
next_server(struct activation *a)
{
	const struct endpoint *e;

	for (; a->at < a->endpoints.n; a->at++) {
		e = &a->fleet->endpoints[a->endpoints.v[a->at]];
		if (e->kind == KIND_POSTGRES && e->host == a->h->host && a->h->set->c.probes != NULL &&
		    (writes(a, TEXT_HBA) || writes(a, TEXT_POSTGRES)))
			break;
	}
	if (a->at == a->endpoints.n)
		verdict(a);
	else
		a->back = probe_back(a->h->set->c.probes, a->endpoints.v[a->at], LOOK_MS, up_told, a);
}

/* ---- before ---- */

void
hostop_activate(struct hostop *h)
{
	struct activation *a = mem_alloc(sizeof(*a));

	h->activation = a;
	a->h = h;
	a->fleet = h->set->c.fleet;
	buf_init(&a->notes, OP_TEXT_MAX / 4);
	if (h->op->unit >= 0 && (size_t)h->op->unit < a->fleet->nunits)
		standing_endpoints(&a->endpoints, a->fleet, h->op->unit);
	read_texts(a);
}

/* ---- behind ---- */

static void
back_again(uv_timer_t *timer)
{
	struct hostop *h = timer->data;

	next_back(h->activation);
}

/* Did the console look, and never see the endpoint under way answer? */
static bool
never_answered(const struct activation *a)
{
	const struct indices *unseen = &a->h->order->unseen;
	size_t i;

	for (i = 0; i < unseen->n; i++)
		if (unseen->v[i] == a->endpoints.v[a->at])
			return true;
	return false;
}

static void
back_told(void *arg, bool answers, const char *why)
{
	struct activation *a = arg;
	struct hostop *h = a->h;
	const char *name = a->fleet->endpoints[a->endpoints.v[a->at]].name;
	char *check;
	bool let;

	a->back = NULL;
	if (answers) {
		a->at++;
		next_back(a);
		return;
	}
	(void)snprintf(a->back_why, sizeof(a->back_why), "%s", why);
	check = standing_name(a->fleet, STANDING_BACK, a->endpoints.v[a->at]);
	let = waived(a, check);
	free(check);
	if (let) {
		note(a, "'%s' does not answer (waived): %s", name, why);
		a->at++;
		next_back(a);
	} else if (a->before && h->op->idempotent && !h->anew) {
		h->anew = true;
		hostop_run_now(h);
	} else if (h->verb == OPV_UNDO && never_answered(a)) {
		hostop_say(h, "%s as before; '%s' does not answer, as before the step: %s", restarts(a) ? "restarted" :
		    "reloaded", name, a->back_why);
		a->at++;
		next_back(a);
	} else if (!a->hurried && left_ms(a) > LOOK_AGAIN_MS + ANSWER_MS)
		(void)uv_timer_start(&h->timer, back_again, LOOK_AGAIN_MS, 0);
	else {
		hostop_say(h, "%s, and '%s' does not answer since: %s", restarts(a) ? "restarted" : "reloaded", name,
		    a->back_why);
		tell_notes(a);
		hostop_finish(h, OP_FAILED);
	}
}

static void
next_back(struct activation *a)
{
	int64_t left = left_ms(a) - ANSWER_MS;

	while (a->at < a->endpoints.n && !can_be_seen(a))
		a->at++;
	if (a->at == a->endpoints.n) {
		tell_notes(a);
		hostop_finish(a->h, a->good);
		return;
	}
	a->back = probe_back(a->h->set->c.probes, a->endpoints.v[a->at],
	    left < LOOK_AGAIN_MS ? LOOK_AGAIN_MS : left < LOOK_MS ? left : LOOK_MS, back_told, a);
}

void
activation_hurry(struct activation *a)
{
	a->hurried = true;
}

void
hostop_await_back(struct hostop *h, enum op_outcome good, bool before)
{
	struct activation *a = h->activation;

	a->before = before;
	a->good = good;
	a->at = 0;
	next_back(a);
}
