/*
 * plan_check: what must be shown, before and after a step.
 *
 * Owns the named checks that a plan may write, and their keys; plan_imply.c has those that
 * follow from a move.  Where a check does not say which endpoint it means,
 * it means the one that the step moves.
 *
 * Every check of a step has a name of its own: people waive by name.  A
 * written check that says no more than an implied one is that one.
 */
#include "core/plan_read.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/mem.h"
#include "core/text.h"

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

const char *const step_run_time[] = { "step", NULL };

static const char *const refused_words[] = { "plaintext", "tls", "no-certificate", NULL };

/* The endpoint that the step is about: NONE where there is none, or several. */
static int
step_endpoint(const struct fleet *f, const struct step *s)
{
	static const enum facet order[] = {
		FACET_ACCEPT, FACET_DIAL, FACET_TRUST, FACET_PRESENT, FACET_CERT
	};
	const struct move *m;
	size_t i, k, e;
	int found = NONE, endpoint;

	for (k = 0; k < LENGTH(order) && found == NONE; k++)
		for (i = 0; i < s->nmoves; i++) {
			m = &s->moves[i];
			if (m->facet != order[k])
				continue;
			if (m->facet == FACET_CERT) {
				for (e = 0; e < f->certs[m->subject].serves.n; e++) {
					endpoint = f->certs[m->subject].serves.v[e];
					if (found != NONE && found != endpoint)
						return NONE;
					found = endpoint;
				}
				continue;
			}
			endpoint = m->facet == FACET_ACCEPT ? m->subject :
			    f->links[m->subject].endpoint;
			if (found != NONE && found != endpoint)
				return NONE;
			found = endpoint;
		}
	if (found == NONE && s->ndrains == 1)
		found = s->drains[0].endpoint;
	return found;
}

struct reading_check {
	struct plan_reader *pr;
	const struct scope *scope;
	const struct node *node;	/* what stands after the check's word */
	const struct entry *entry;
	const struct step *step;
	struct check *c;
	bool	 before;	/* among `requires` */
	/* A client on several hosts is one check on each: this one, and how many there are. */
	size_t	 nth, nhosts;
};

static int
put_string(const struct reading_check *rc, const char *key, const char *const run_time[], char **ret)
{
	const struct node *v = node_get(rc->node, key);
	char *what;
	int r;

	if (v == NULL)
		return 0;
	if (v->kind == NODE_SCALAR && v->value[0] == '\0')
		return reader_fail(&rc->pr->fr.r, v, "nothing, expected '%s: …'", key);
	what = mem_printf("'%s: …'", key);
	r = reader_text(&rc->pr->fr.r, rc->scope, v, what, run_time, ret);
	free(what);
	return r;
}

static int
put_required(const struct reading_check *rc, const char *key, const char *const run_time[], char **ret)
{
	if (node_get(rc->node, key) == NULL)
		return reader_fail(&rc->pr->fr.r, rc->node, "%s without '%s', expected '%s: …'",
		    rc->entry->key, key, key);
	return put_string(rc, key, run_time, ret);
}

static int
put_deadline(const struct reading_check *rc)
{
	const struct node *v = node_get(rc->node, "deadline");

	return v == NULL ? 0 : reader_deadline(&rc->pr->fr.r, rc->scope, v, &rc->c->deadline_ms);
}

/* of or endpoint; else the step's. */
static int
put_endpoint(const struct reading_check *rc)
{
	const struct node *v = node_get(rc->node, "of");

	if (v == NULL)
		v = node_get(rc->node, "endpoint");
	if (v != NULL)
		return plan_ref(rc->pr, rc->scope, v, NOUN_ENDPOINT, &rc->c->endpoint);
	rc->c->endpoint = step_endpoint(rc->pr->f, rc->step);
	if (rc->c->endpoint == NONE)
		return reader_fail(&rc->pr->fr.r, rc->node,
		    "%s does not say of which endpoint, and the step does not move just one, expected 'of: ENDPOINT'",
		    rc->entry->key);
	return 0;
}

/* A check of one word: `refused: plaintext`, `served: postgres`. */
static bool
is_word(const struct reading_check *rc)
{
	return rc->node->kind == NODE_SCALAR && !rc->node->empty;
}

/* The host to look from, or one of those that the client runs on. */
static int
put_host(struct reading_check *rc, const struct node *node)
{
	struct indices hosts = { 0 };
	int r = batch_hosts(rc->pr, rc->scope, node, false, &hosts);

	if (r == 0) {
		rc->nhosts = hosts.n;
		rc->c->host = hosts.v[rc->nth];
	}
	free(hosts.v);
	return r;
}

static int
put_keys(const struct reading_check *rc, const char *const keys[])
{
	return reader_keys(&rc->pr->fr.r, rc->node, rc->entry->key, keys);
}

static int
read_served(struct reading_check *rc)
{
	static const char *const keys[] = { "of", "endpoint", "min", "cipher", "deadline", NULL };
	const struct node *v;
	int word;

	if (is_word(rc))
		return plan_ref(rc->pr, rc->scope, rc->node, NOUN_ENDPOINT, &rc->c->endpoint);
	if (put_keys(rc, keys) == -1 || put_endpoint(rc) == -1 ||
	    put_string(rc, "cipher", NULL, &rc->c->cipher) == -1 || put_deadline(rc) == -1)
		return -1;
	if ((v = node_get(rc->node, "min")) != NULL) {
		if (reader_word(&rc->pr->fr.r, rc->scope, v, "protocol", proto_words + 1, &word) == -1)
			return -1;
		rc->c->proto_min = (enum proto)(word + 1);
	}
	return 0;
}

static int
read_refused(struct reading_check *rc)
{
	static const char *const keys[] = { "of", "endpoint", "what", "deadline", NULL };
	static const enum accept refused[] = { ACCEPT_PLAIN, ACCEPT_TLS, ACCEPT_MUTUAL };
	const struct node *what = rc->node;
	int word;

	if (!is_word(rc)) {
		if (put_keys(rc, keys) == -1 || put_deadline(rc) == -1)
			return -1;
		if ((what = node_get(rc->node, "what")) == NULL)
			return reader_fail(&rc->pr->fr.r, rc->node,
			    "refused without 'what', expected 'what: plaintext', 'what: tls' or 'what: no-certificate'");
	}
	if (reader_word(&rc->pr->fr.r, rc->scope, what, "way to connect:", refused_words, &word) == -1)
		return -1;
	rc->c->accept = refused[word];
	return put_endpoint(rc);
}

static int
read_setting(struct reading_check *rc)
{
	static const char *const keys[] = { "of", "endpoint", "name", "is", "deadline", NULL };

	return put_keys(rc, keys) == -1 || put_endpoint(rc) == -1 ||
	    put_required(rc, "name", NULL, &rc->c->setting) == -1 ||
	    put_required(rc, "is", NULL, &rc->c->value) == -1 ||
	    put_deadline(rc) == -1 ? -1 : 0;
}

static int
put_output(const struct reading_check *rc, bool required)
{
	if (put_string(rc, "contains", NULL, &rc->c->contains) == -1 ||
	    put_string(rc, "absent", NULL, &rc->c->absent) == -1)
		return -1;
	if (required && rc->c->contains == NULL && rc->c->absent == NULL)
		return reader_fail(&rc->pr->fr.r, rc->node,
		    "%s without 'absent' or 'contains', expected one of them", rc->entry->key);
	return 0;
}

static int
read_log_check(struct reading_check *rc)
{
	static const char *const keys[] = {
		"of", "endpoint", "since", "absent", "contains", "deadline", NULL
	};
	static const char *const since[] = { "step", NULL };
	struct reader *r = &rc->pr->fr.r;
	const struct fleet *f = rc->pr->f;
	const struct node *v = node_get(rc->node, "of");
	const struct endpoint *e;
	char *name;
	int word, client;

	if (put_keys(rc, keys) == -1 || put_output(rc, true) == -1 || put_deadline(rc) == -1)
		return -1;
	if (node_get(rc->node, "since") != NULL &&
	    reader_word(r, rc->scope, node_get(rc->node, "since"), "time", since, &word) == -1)
		return -1;
	/* A client's own log: there is no key for it in the fleet so far. */
	if (v != NULL && v->kind == NODE_SCALAR) {
		if (reader_string(r, rc->scope, v, "the name of an endpoint", &name) == -1)
			return -1;
		if (fleet_endpoint(f, name) == NONE && fleet_clients(f, name, &client) > 0) {
			rc->c->host = f->clients[client].host;
			rc->c->not_yet = "the log of a client";
			free(rc->c->text);
			rc->c->text = name;
			reader_not_yet(r, v->line, v->col, "log of a client");
			return 0;
		}
		free(name);
	}
	if (put_endpoint(rc) == -1)
		return -1;
	e = &f->endpoints[rc->c->endpoint];
	rc->c->not_yet = e->log_not_yet;
	if (e->log_run == NULL && e->log_file == NULL && e->log_not_yet == NULL) {
		/* Said here, so that nobody wonders why the check tells nothing. */
		char *note = mem_printf("the endpoint '%s' has no 'log' in the fleet: the check cannot be conclusive", e->name);

		reader_note(r, rc->entry->line, rc->entry->col, note);
		free(note);
	}
	return 0;
}

static int
read_http(struct reading_check *rc)
{
	static const char *const keys[] = {
		"from", "url", "status", "contains", "absent", "deadline", NULL
	};
	struct reader *r = &rc->pr->fr.r;
	const struct node *from = node_get(rc->node, "from"), *v;
	const char *p;

	rc->c->status = 200;
	if (put_keys(rc, keys) == -1)
		return -1;
	if (from == NULL)
		return reader_fail(r, rc->node, "http without 'from', expected 'from: HOST'");
	if (put_host(rc, from) == -1 ||
	    put_required(rc, "url", NULL, &rc->c->url) == -1 ||
	    put_output(rc, false) == -1 || put_deadline(rc) == -1)
		return -1;
	for (p = rc->c->url; *p > ' ' && *p < 0x7f && *p != '\'' && *p != '\\'; p++)
		continue;
	if (*p != '\0' || (strncmp(rc->c->url, "http://", 7) != 0 &&
	    strncmp(rc->c->url, "https://", 8) != 0))
		return reader_fail(r, node_get(rc->node, "url"),
		    "'%s', expected a URL that starts with http:// or https://", rc->c->url);
	if ((v = node_get(rc->node, "status")) != NULL)
		return reader_int(r, rc->scope, v, "a status", 100, 599, &rc->c->status);
	return 0;
}

static int
read_command_check(struct reading_check *rc)
{
	static const char *const keys[] = {
		"on", "run", "in", "expect", "contains", "absent", "status", "deadline", NULL
	};
	struct reader *r = &rc->pr->fr.r;
	const struct node *on = node_get(rc->node, "on"), *v;

	if (put_keys(rc, keys) == -1)
		return -1;
	if (on == NULL)
		return reader_fail(r, rc->node, "command without 'on', expected 'on: HOST'");
	if (put_host(rc, on) == -1 ||
	    put_required(rc, "run", step_run_time, &rc->c->run) == -1 ||
	    put_output(rc, false) == -1 || put_deadline(rc) == -1)
		return -1;
	if (node_get(rc->node, "expect") != NULL) {
		if (rc->c->contains != NULL)
			return reader_fail(r, rc->node, "'expect' and 'contains', expected one of them");
		if (put_string(rc, "expect", NULL, &rc->c->contains) == -1)
			return -1;
	}
	if ((v = node_get(rc->node, "in")) != NULL &&
	    reader_path(r, rc->scope, v, NULL, false, &rc->c->in) == -1)
		return -1;
	if ((v = node_get(rc->node, "status")) != NULL)
		return reader_int(r, rc->scope, v, "an exit status", 0, 255, &rc->c->status);
	return 0;
}

/* Keeps what is read but not built, so that it can be printed again. */
static int
keep(const struct reading_check *rc, const struct node *node, struct buf *out)
{
	char *s;
	size_t i;

	if (node->kind == NODE_SCALAR) {
		if (reader_fill(&rc->pr->fr.r, rc->scope, node->line, node->col,
		    node->value, NULL, &s) == -1)
			return -1;
		plan_quote(out, s, NULL);
		free(s);
		return 0;
	}
	buf_puts(out, node->kind == NODE_SEQUENCE ? "[ " : "{ ");
	for (i = 0; i < node->n; i++) {
		if (i > 0)
			buf_puts(out, ", ");
		if (node->kind == NODE_MAPPING) {
			plan_quote(out, node->entries[i].key, NULL);
			buf_puts(out, ": ");
		}
		if (keep(rc, node->kind == NODE_SEQUENCE ? node->items[i] :
		    node->entries[i].value, out) == -1)
			return -1;
	}
	buf_puts(out, node->kind == NODE_SEQUENCE ? " ]" : " }");
	return 0;
}

static const struct shape file_shape[] = {
	{ "on", SHAPE_STRING, false, NULL }, { "in-container", SHAPE_STRING, false, NULL },
	{ "path", SHAPE_PATH, true, NULL }, { "mode", SHAPE_STRING, false, NULL },
	{ "owner", SHAPE_STRING, false, NULL }, { "contains", SHAPE_STRING, false, NULL },
	{ "absent", SHAPE_STRING, false, NULL }, { "exists", SHAPE_BOOL, false, NULL },
	{ "deadline", SHAPE_DURATION, false, NULL }, { NULL, SHAPE_STRING, false, NULL }
};
static const struct shape job_shape[] = {
	{ "cluster", SHAPE_STRING, false, NULL }, { "on", SHAPE_STRING, false, NULL },
	{ "name", SHAPE_STRING, true, NULL }, { "contains", SHAPE_STRING, false, NULL },
	{ "absent", SHAPE_STRING, false, NULL }, { "deadline", SHAPE_DURATION, false, NULL },
	{ NULL, SHAPE_STRING, false, NULL }
};
static const struct shape steady_shape[] = {
	{ "unit", SHAPE_STRING, false, NULL }, { "for", SHAPE_DURATION, false, NULL },
	{ "deadline", SHAPE_DURATION, false, NULL }, { NULL, SHAPE_STRING, false, NULL }
};
/* What a name stands for; of several parts the first. */
static int
put_ref(const struct reading_check *rc, const struct node *node, enum noun noun, int *ret)
{
	const struct fleet *f = rc->pr->f;
	struct indices links = { 0 };
	char *name;
	int r = 0;

	if (noun != NOUN_CLIENT && noun != NOUN_LINK)
		return plan_ref(rc->pr, rc->scope, node, noun, ret);
	if (reader_string(&rc->pr->fr.r, rc->scope, node, "a name from the fleet", &name) == -1)
		return -1;
	if (noun == NOUN_CLIENT && fleet_clients(f, name, ret) == 0)
		r = noun_find(&rc->pr->fr.r, f, noun, node->line, node->col, name, ret);
	else if (noun == NOUN_LINK && (r = links_find(&rc->pr->fr.r, f, NONE, node->line, node->col, name, &links)) == 0)
		*ret = links.v[0];
	free(links.v);
	free(name);
	return r;
}

static int
read_reserved(struct reading_check *rc)
{
	static const struct {
		enum check_kind kind;
		const struct shape *shape;
	} shapes[] = {
		{ CHECK_FILE, file_shape }, { CHECK_JOB, job_shape },
		{ CHECK_STEADY, steady_shape },
	};
	static const struct {
		const char *key;
		enum noun noun;
	} refs[] = {
		{ "client", NOUN_CLIENT }, { "of", NOUN_ENDPOINT },
		{ "unit", NOUN_UNIT }, { "link", NOUN_LINK },
		{ "cluster", NOUN_CLUSTER }, { "on", NOUN_HOST },
	};
	struct reader *r = &rc->pr->fr.r;
	const struct node *v;
	struct buf b;
	size_t i;
	int index, result = 0;

	for (i = 0; i < LENGTH(shapes); i++)
		if (shapes[i].kind == rc->c->kind && reader_shape(r, rc->scope, rc->node,
		    rc->entry->key, shapes[i].shape, NULL) == -1)
			return -1;
	for (i = 0; i < LENGTH(refs); i++) {
		if ((v = node_get(rc->node, refs[i].key)) == NULL)
			continue;
		if (put_ref(rc, v, refs[i].noun, &index) == -1)
			return -1;
		if (refs[i].noun == NOUN_LINK)
			rc->c->link = index;
		else if (refs[i].noun == NOUN_ENDPOINT)
			rc->c->endpoint = index;
		else if (refs[i].noun == NOUN_HOST)
			rc->c->host = index;
	}
	buf_init(&b, 0);
	result = keep(rc, rc->node, &b);
	rc->c->text = buf_take(&b, NULL);
	rc->c->not_yet = check_kind_word(rc->c->kind);
	reader_not_yet(r, rc->entry->line, rc->entry->col, rc->entry->key);
	return result;
}

static int
read_attest(struct reading_check *rc)
{
	return reader_string(&rc->pr->fr.r, rc->scope, rc->node, "what somebody is to confirm", &rc->c->text);
}

/* Of several parts of a client one check each. */
static int
put_link(struct reading_check *rc, const struct node *node)
{
	struct indices links = { 0 };
	char *name;
	int r;

	if (reader_string(&rc->pr->fr.r, rc->scope, node, "a link: 'client -> endpoint'", &name) == -1)
		return -1;
	r = links_find(&rc->pr->fr.r, rc->pr->f, NONE, node->line, node->col, name, &links);
	if (r == 0) {
		rc->nhosts = links.n;
		rc->c->link = links.v[rc->nth];
		rc->c->endpoint = rc->pr->f->links[rc->c->link].endpoint;
	}
	free(links.v);
	free(name);
	return r;
}

static int
read_rehearsal(struct reading_check *rc)
{
	static const char *const keys[] = { "link", "deadline", NULL };
	const struct node *link = rc->node;

	if (!is_word(rc)) {
		if (put_keys(rc, keys) == -1 || put_deadline(rc) == -1)
			return -1;
		if ((link = node_get(rc->node, "link")) == NULL)
			return reader_fail(&rc->pr->fr.r, rc->node, "rehearsal without 'link', expected 'link: client -> endpoint'");
	}
	if (put_link(rc, link) == -1)
		return -1;
	if (link_host(rc->pr->f, &rc->pr->f->links[rc->c->link]) == NONE)
		return reader_fail(&rc->pr->fr.r, link, "'%s' has no host to rehearse from",
		    rc->pr->f->links[rc->c->link].name);
	if (rc->before)
		check_as_to_be(rc->pr->f, rc->step, rc->c);
	return 0;
}

/* A login or a session, of each link of the client that is meant, since the step or within a time. */
static int
read_seen(struct reading_check *rc)
{
	static const char *const keys[] = { "client", "of", "tls", "within", "deadline", NULL };
	struct reader *r = &rc->pr->fr.r;
	const struct fleet *f = rc->pr->f;
	const struct node *client = node_get(rc->node, "client"), *of = node_get(rc->node, "of"), *v;
	struct indices links = { 0 };
	int first, endpoint = NONE, result = 0;
	size_t i, n, k;
	bool tls = true;
	char *name;

	if (put_keys(rc, keys) == -1 || put_deadline(rc) == -1)
		return -1;
	if (client == NULL)
		return reader_fail(r, rc->node, "seen without 'client', expected 'client: CLIENT'");
	if ((of != NULL && plan_ref(rc->pr, rc->scope, of, NOUN_ENDPOINT, &endpoint) == -1) ||
	    ((v = node_get(rc->node, "tls")) != NULL && reader_bool(r, rc->scope, v, &tls) == -1) ||
	    ((v = node_get(rc->node, "within")) != NULL && reader_duration(r, rc->scope, v, &rc->c->within_ms) == -1) ||
	    reader_string(r, rc->scope, client, "a client of the fleet", &name) == -1)
		return -1;
	if ((n = fleet_clients(f, name, &first)) == 0)
		result = noun_find(r, f, NOUN_CLIENT, client->line, client->col, name, &first);
	for (k = 0; k < n; k++)
		for (i = 0; i < f->clients[(size_t)first + k].links.n; i++)
			if (endpoint == NONE || f->links[f->clients[(size_t)first + k].links.v[i]].endpoint == endpoint)
				indices_add(&links, f->clients[(size_t)first + k].links.v[i]);
	if (result == 0 && links.n == 0)
		result = reader_fail(r, rc->node, "'%s' does not dial that endpoint, expected one that it dials", name);
	else if (result == 0) {
		rc->nhosts = links.n;
		rc->c->link = links.v[rc->nth];
		rc->c->endpoint = f->links[rc->c->link].endpoint;
		rc->c->accept = tls ? ACCEPT_TLS : ACCEPT_UNKNOWN;
	}
	free(links.v);
	free(name);
	return result;
}

/* The checks that a plan may write, by their words. */
static const struct {
	const char *word;
	enum check_kind kind;
	int	(*read)(struct reading_check *);
} kinds[] = {
	{ "served", CHECK_SERVED, read_served },
	{ "refused", CHECK_REFUSED, read_refused },
	{ "setting", CHECK_SETTING, read_setting },
	{ "log", CHECK_LOG, read_log_check },
	{ "http", CHECK_HTTP, read_http },
	{ "command", CHECK_COMMAND, read_command_check },
	{ "file", CHECK_FILE, read_reserved },
	{ "job", CHECK_JOB, read_reserved },
	{ "seen", CHECK_SEEN, read_seen },
	{ "steady", CHECK_STEADY, read_reserved },
	{ "attest", CHECK_ATTEST, read_attest },
	{ "rehearsal", CHECK_REHEARSAL, read_rehearsal },
};

/* Whether a written check asks for nothing that an implied one does not. */
static bool
is_implied(const struct check *c, const struct check *v, size_t n)
{
	size_t i;

	if (c->proto_min != PROTO_ANY || c->cipher != NULL || c->deadline_ms != 0 || c->within_ms != 0 ||
	    (c->kind != CHECK_SERVED && c->kind != CHECK_REFUSED && c->kind != CHECK_SEEN))
		return false;
	for (i = 0; i < n; i++)
		if (v[i].implied && v[i].kind == c->kind && v[i].endpoint == c->endpoint &&
		    v[i].link == c->link && v[i].accept == c->accept)
			return true;
	return false;
}

static int
read_one(struct plan_reader *pr, const struct scope *scope, const struct node *node,
    const char *what, struct step *s, struct check **v, size_t *n)
{
	static const struct check blank = { .endpoint = NONE, .link = NONE, .host = NONE, .trust = NONE, .cert = NONE,
		.accept = ACCEPT_UNKNOWN, .dial = DIAL_UNKNOWN, .known = DIAL_UNKNOWN };
	const char *words[LENGTH(kinds) + 1];
	struct reading_check rc = { .pr = pr, .scope = scope, .step = s };
	struct check c;
	size_t i;

	for (i = 0; i < LENGTH(kinds); i++)
		words[i] = kinds[i].word;
	words[i] = NULL;
	if (reader_keys(&pr->fr.r, node, what, words) == -1)
		return -1;
	if (node->n != 1)
		return reader_fail(&pr->fr.r, node, "%zu checks in one item of %s, expected one: '- served: {}'",
		    node->n, what);
	rc.before = v == &s->requires;
	rc.entry = &node->entries[0];
	rc.node = rc.entry->value;
	for (i = 0; strcmp(kinds[i].word, rc.entry->key) != 0; i++)
		continue;
	do {
		c = blank;
		c.kind = kinds[i].kind;
		c.pos.line = rc.entry->line;
		c.pos.col = rc.entry->col;
		rc.c = &c;
		if (kinds[i].read(&rc) == -1) {
			check_release(&c);
			return -1;
		}
		if (is_implied(&c, *v, *n)) {
			check_release(&c);
			return 0;
		}
		check_put_name(pr->f, s, &c);
		*(struct check *)mem_push(v, n, sizeof(c)) = c;
	} while (++rc.nth < rc.nhosts);
	return 0;
}

int
read_checks(struct plan_reader *pr, const struct scope *scope, const struct node *node,
    const char *what, struct step *s, struct check **v, size_t *n)
{
	size_t i;

	if (node->kind != NODE_SEQUENCE)
		return reader_is(&pr->fr.r, node, NODE_SEQUENCE, "a list of checks: [ { served: {} } ]");
	for (i = 0; i < node->n; i++)
		if (read_one(pr, scope, node->items[i], what, s, v, n) == -1)
			return -1;
	return 0;
}
