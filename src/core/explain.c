/*
 * explain: see explain.h.
 *
 * A certificate is wrong for who looks at it: a link's clues hold of the
 * certificate what that link verifies, an endpoint's all of it.
 */
#include "core/explain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

#define FOREVER INT64_MAX

struct explaining {
	const struct fleet *f;
	const struct board *b;
	int64_t	 now_ms;
	struct explanations *ret;
};

void
explanations_release(struct explanations *e)
{
	size_t i;

	for (i = 0; i < e->n; i++) {
		free(e->v[i].because);
		free(e->v[i].rests);
	}
	free(e->v);
	memset(e, 0, sizeof(*e));
}

/* "the handshakes 9 s ago" */
static void
put_look(const struct explaining *x, struct buf *b, const char *what, const char *of, const struct reading *r)
{
	char age[32];

	if (r == NULL)
		return;
	text_age(age, sizeof(age), x->now_ms > r->at_ms ? x->now_ms - r->at_ms : 0);
	(void)buf_printf(b, "%s%s%s%s %s ago", b->len > 0 ? ", " : "", what, of == NULL ? "" : " of ", of == NULL ? "" : of, age);
}

static char *
rests_on(const struct explaining *x, int endpoint, int link)
{
	const struct fleet *f = x->f;
	int host = link == NONE ? NONE : link_host(f, &f->links[link]);
	struct buf b;

	buf_init(&b, 0);
	if (link != NONE)
		endpoint = f->links[link].endpoint;
	if (endpoint != NONE) {
		put_look(x, &b, "handshakes", NULL, board_reading(x->b, READING_SERVED, endpoint));
		put_look(x, &b, "sessions", NULL, board_reading(x->b, READING_CENSUS, endpoint));
		put_look(x, &b, "settings", NULL, board_reading(x->b, READING_SETTINGS, endpoint));
		if (f->endpoints[endpoint].host != NONE)
			put_look(x, &b, "files", f->hosts[f->endpoints[endpoint].host].name,
			    board_reading(x->b, READING_HOST, f->endpoints[endpoint].host));
	}
	if (host != NONE && (endpoint == NONE || f->endpoints[endpoint].host != host))
		put_look(x, &b, "files", f->hosts[host].name, board_reading(x->b, READING_HOST, host));
	return buf_take(&b, NULL);
}

static struct explained *
push(struct explaining *x, int host, int endpoint, int link, int cause, bool sure, const char *because)
{
	struct explained *e = mem_push(&x->ret->v, &x->ret->n, sizeof(*e));

	e->host = host;
	e->endpoint = endpoint;
	e->link = link;
	e->cause = cause;
	e->sure = sure;
	e->because = because == NULL || *because == '\0' ? NULL : mem_strdup(because);
	e->rests = rests_on(x, endpoint, link);
	if (*e->rests == '\0') {
		free(e->rests);
		e->rests = NULL;
	}
	return e;
}

static void
explain_host(struct explaining *x, int host)
{
	const struct host_view *v = board_host_view(x->b, host);
	char words[640];

	if (v->reach != REACH_LOST && v->reach != REACH_BLOCKED)
		return;
	(void)snprintf(words, sizeof(words), "%s%s%s", reach_word(v->reach), v->why[0] == '\0' ? "" : ": ", v->why);
	(void)push(x, host, NONE, NONE, NO_CAUSE, true, words);
}

static const char *
listens(const struct explaining *x, int endpoint)
{
	static const char *const names[KIND_COUNT] = { "listen_addresses", "listen_addr", "bind" };
	const struct reading *r = board_reading(x->b, READING_SETTINGS, endpoint);
	size_t i;

	for (i = 0; r != NULL && i < r->settings.n; i++)
		if (strcmp(r->settings.v[i].key, names[x->f->endpoints[endpoint].kind]) == 0)
			return r->settings.v[i].value;
	return NULL;
}

/* What its files on its host are, where they were looked at since it was last seen to serve something else. */
static void
clues_of_disk(const struct explaining *x, int endpoint, const struct served *s, struct clues *c)
{
	const struct reading *r = board_reading(x->b, READING_DISK, endpoint);
	const struct disk *d = r == NULL ? NULL : &r->disk;

	if (d == NULL || strcmp(d->served_sha256, s->cert.sha256) != 0)
		return;
	if (d->sha256[0] != '\0' && d->served_sha256[0] != '\0')
		c->same_on_disk = strcmp(d->sha256, d->served_sha256) == 0 ? KNOWN_YES : KNOWN_NO;
	if (d->pair == VERIFIED_BAD)
		c->key = KEY_OTHER;
	else if (d->key_seen && c->kind == KIND_POSTGRES && (d->key_mode & (d->key_uid == 0 ? 037u : 077u)) != 0)
		c->key = KEY_OPEN;
}

/* What is known of the endpoint, whoever dials it. */
static bool
clues_of_endpoint(const struct explaining *x, int endpoint, struct clues *c)
{
	const struct endpoint *e = &x->f->endpoints[endpoint];
	const struct reading *r = board_reading(x->b, READING_SERVED, endpoint);
	struct endpoint_view v;
	struct buf ignored;

	clues_init(c, e->kind);
	c->now_s = x->now_ms / 1000;
	/* What was seen before the last look failed is not so any more. */
	if (r == NULL || board_failure(x->b, READING_SERVED, endpoint) != NULL)
		return false;
	clues_served(c, &r->served);
	c->one_port = e->port_plain == e->port_tls && e->port_plain != 0 ? KNOWN_YES : KNOWN_NO;
	c->listens = listens(x, endpoint);
	c->dials = e->names.n > 0 ? e->names.v[0] : NULL;
	clues_of_disk(x, endpoint, &r->served, c);
	board_endpoint(x->b, endpoint, x->now_ms, FOREVER, &v);
	c->configured = v.configured != ACCEPT_UNKNOWN ? v.configured : v.runs;
	/* What is served was loaded; of what the next start would make of the key a mode says too little. */
	if (c->key == KEY_UNKNOWN && c->tls != LEG_OPEN) {
		buf_init(&ignored, 512);
		c->key = board_key(x->b, endpoint, &ignored);
		buf_release(&ignored);
	}
	if (v.runs != ACCEPT_UNKNOWN && v.restarts != ACCEPT_UNKNOWN && v.runs != v.restarts) {
		c->configured = v.runs;
		c->persisted = v.restarts;
	}
	return true;
}

/* What its own log says, with what is seen beside it; true: what it was given could not be loaded. */
static bool
explain_log(struct explaining *x, int endpoint, const struct clues *seen)
{
	const struct reading *r = board_reading(x->b, READING_CENSUS, endpoint);
	struct diagnosis d[DIAGNOSES_MAX];
	struct clues c = *seen;
	char age[32], words[768];
	bool load = false, particular = seen->key != KEY_UNKNOWN && seen->key != KEY_FINE;
	size_t i, k, n;

	c.by = SAID_BY_SERVER;
	for (i = 0; r != NULL && i < r->census.ncomplaints; i++) {
		const struct complaint *said = &r->census.complaints[i];

		if (said->leg)
			continue;
		c.said = said->text;
		load = load || said->load;
		text_age(age, sizeof(age), x->now_ms > said->last_ms ? x->now_ms - said->last_ms : 0);
		n = diagnose(&c, d);
		for (k = 0; k < n; k++)
			particular = particular || d[k].cause < CAUSE_TLS_NOT_LOADED;
		for (k = 0; k < n; k++) {
			/* Of that which only comes of another cause the log has the other, too. */
			if (d[k].cause == CAUSE_TLS_NOT_LOADED && particular)
				continue;
			(void)snprintf(words, sizeof(words), "%.200s%sits log, %s ago%s: %.300s", d[k].because,
			    d[k].because[0] == '\0' ? "" : "; ", age, said->count > 1 ? " (not for the first time)" : "", said->text);
			(void)push(x, NONE, endpoint, NONE, (int)d[k].cause, d[k].sure, words);
		}
	}
	return load;
}

static void
explain_endpoint(struct explaining *x, int endpoint)
{
	const struct reading *bad = board_failure(x->b, READING_SERVED, endpoint);
	struct diagnosis d[DIAGNOSES_MAX];
	struct clues c;
	bool load;
	size_t i, n;

	if (!clues_of_endpoint(x, endpoint, &c)) {
		if (bad == NULL)
			return;
		c.said = bad->why;
		/* The look was taken from the endpoint's own host. */
		if (bad->why != NULL && strstr(bad->why, "connection refused") != NULL)
			c.plain = c.tls = LEG_CLOSED;
		c.listens = listens(x, endpoint);
	}
	n = diagnose(&c, d);
	load = explain_log(x, endpoint, &c);
	if (n == 0 && bad != NULL)
		(void)push(x, NONE, endpoint, NONE, NO_CAUSE, true, bad->why);
	for (i = 0; i < n; i++)
		/* That it has no TLS is where a cutover begins. */
		if (d[i].cause != CAUSE_NO_TLS && !(load && d[i].cause == CAUSE_TLS_NOT_LOADED))
			(void)push(x, NONE, endpoint, NONE, (int)d[i].cause, d[i].sure, d[i].because);
}

/* Only what this link looks at. */
static void
narrow(struct clues *c)
{
	if (c->dial == DIAL_VERIFY_FULL)
		return;
	c->name = VERIFIED_NOT_TRIED;
	if (c->dial == DIAL_VERIFY_CA)
		return;
	c->cert = NULL;
	c->chain = VERIFIED_NOT_TRIED;
	c->chain_why = NULL;
}

/* pg_hba.conf's answer to the link's role from its address, where the fleet names one of each. */
static bool
ask_hba(const struct explaining *x, const struct link *l, bool tls, struct hba_answer *ret)
{
	const struct endpoint *e = &x->f->endpoints[l->endpoint];
	int host = e->host != NONE ? e->host : e->unit != NONE ? x->f->units[e->unit].host : NONE;
	const struct reading *r = host == NONE ? NULL : board_reading(x->b, READING_HOST, host);
	struct hba_reading how = { 0, NULL, NULL, NULL };
	struct hba_connection hc;
	struct hba_rules rules;
	struct err ignored;
	size_t i;
	bool asked = false;

	if (r == NULL || l->match.users.n != 1 || l->match.addresses.n != 1 || strchr(l->match.addresses.v[0], '/') != NULL)
		return false;
	memset(&hc, 0, sizeof(hc));
	hc.address = l->match.addresses.v[0];
	hc.user = l->match.users.v[0];
	hc.database = l->match.databases.n == 1 ? l->match.databases.v[0] : NULL;
	hc.tls = tls;
	hc.stored = l->stored;
	for (i = 0; i < r->nhba && !asked; i++)
		if (r->hba[i].endpoint == l->endpoint && r->hba[i].text != NULL &&
		    hba_read(&rules, &how, r->hba[i].text, strlen(r->hba[i].text), &ignored) == 0) {
			asked = rules.broken == NONE;
			if (asked)
				hba_match(&rules, &hc, ret);
			hba_rules_release(&rules);
		}
	return asked;
}

/* A word of another driver's in one of its strings. */
static void
explain_strings(struct explaining *x, int link)
{
	int host = link_host(x->f, &x->f->links[link]);
	const struct reading *r = host == NONE ? NULL : board_reading(x->b, READING_HOST, host);
	char words[1024];
	size_t i;

	for (i = 0; r != NULL && i < r->nstrings; i++) {
		const struct string_seen *s = &r->strings[i];

		if (s->link != link || strcmp(s->name, "dialect") != 0)
			continue;
		(void)snprintf(words, sizeof(words), "%.300s:%d: %.100s: %.400s", s->file, s->line, s->variable, s->text);
		(void)push(x, NONE, NONE, link, CAUSE_DRIVER_WORD, true, words);
	}
}

/* The first sure cause of the pooler's own links: what its clients wait for. */
static const struct explained *
leg_of(const struct explaining *x, int endpoint, const struct explanations *in)
{
	size_t i;

	for (i = 0; i < in->n; i++) {
		const struct explained *e = &in->v[i];

		if (e->link != NONE && e->sure && e->cause != NO_CAUSE && x->f->clients[x->f->links[e->link].client].pools == endpoint)
			return e;
	}
	return NULL;
}

/* What its own CA file was seen to hold, where one is named and was read. */
static enum anchor
anchor_of(const struct explaining *x, int link)
{
	const struct link *l = &x->f->links[link];
	int host = link_host(x->f, l);
	const struct reading *r = host == NONE ? NULL : board_reading(x->b, READING_HOST, host);
	const struct reading *served = board_reading(x->b, READING_SERVED, l->endpoint);
	int serving = served != NULL && served->served.chain == VERIFIED_OK ? served->served.ca : NONE;
	size_t i;

	for (i = 0; r != NULL && i < r->nfacets; i++) {
		const struct facet_seen *s = &r->facets[i];

		if (s->facet != FACET_TRUST || s->subject != link)
			continue;
		if (s->odd)
			return s->detail != NULL && strstr(s->detail, "does not exist") != NULL ? ANCHOR_NONE : ANCHOR_OTHER;
		if (s->value < 0)
			return ANCHOR_UNKNOWN;
		/* By what is presented, where that verifies; else the file is for what the fleet means it for. */
		if (serving != NONE)
			return trust_holds(x->f, s->value, serving) ? ANCHOR_ISSUER : ANCHOR_OTHER;
		return trust_holds(x->f, s->value, l->trust_cert) ? ANCHOR_ISSUER : ANCHOR_UNKNOWN;
	}
	return ANCHOR_UNKNOWN;
}

/* What is known of how the link dials, beside what is known of its endpoint. */
static bool
clues_of_link(const struct explaining *x, int link, struct clues *c, struct hba_answer *now, struct hba_answer *by_tls)
{
	const struct link *l = &x->f->links[link];
	const struct endpoint *e = &x->f->endpoints[l->endpoint];
	bool seen = clues_of_endpoint(x, l->endpoint, c);
	struct link_view v;
	const struct complaint *leg;
	const struct reading *r;
	int port;

	board_link(x->b, link, x->now_ms, FOREVER, &v);
	c->dialect = l->dialect;
	c->dial = v.dial;
	c->dials = link_dials_name(x->f, l);
	c->shows = l->stray ? KNOWN_YES : NOT_KNOWN;
	c->demands = c->configured == ACCEPT_MUTUAL ? KNOWN_YES : NOT_KNOWN;
	r = link_host(x->f, l) == NONE ? NULL : board_reading(x->b, READING_HOST, link_host(x->f, l));
	c->skew_known = r != NULL && r->clock_known;
	c->skew_s = c->skew_known ? r->clock_ahead_s : 0;
	c->anchor = anchor_of(x, link);
	if (e->kind == KIND_PGBOUNCER && (leg = board_complaint(x->b, l->endpoint, true)) != NULL) {
		c->leg_fails = KNOWN_YES;
		c->leg_why = leg->text;
	}
	if (v.dial == DIAL_UNKNOWN)
		return seen;
	port = link_dials_port(x->f, l, v.dial);
	c->dials_tls_port = port == 0 || c->one_port == KNOWN_YES ? NOT_KNOWN : port == e->port_tls ? KNOWN_YES : KNOWN_NO;
	if (e->kind == KIND_POSTGRES && ask_hba(x, l, v.dial >= DIAL_PREFER, now)) {
		c->hba = now;
		if (ask_hba(x, l, true, by_tls))
			c->hba_by_tls = by_tls;
	}
	return seen;
}

static void
explain_link(struct explaining *x, int link)
{
	const struct complaint *leg = NULL;
	struct diagnosis d[DIAGNOSES_MAX];
	struct hba_answer now, by_tls;
	struct clues c;
	size_t i, n;

	explain_strings(x, link);
	if (!clues_of_link(x, link, &c, &now, &by_tls) || c.dial == DIAL_UNKNOWN)
		return;
	narrow(&c);
	if (x->f->clients[x->f->links[link].client].pools != NONE &&
	    (leg = board_complaint(x->b, x->f->clients[x->f->links[link].client].pools, true)) != NULL) {
		c.said = leg->text;
		c.by = SAID_BY_CLIENT;
	}
	n = diagnose(&c, d);
	if (n == 0 && leg != NULL)
		(void)push(x, NONE, NONE, link, NO_CAUSE, true, leg->text);
	for (i = 0; i < n; i++)
		/* What an endpoint lacks is the link's trouble where the link wants it. */
		if ((d[i].cause != CAUSE_NO_TLS && d[i].cause != CAUSE_TLS_NOT_LOADED) || c.dial >= DIAL_REQUIRE)
			(void)push(x, NONE, NONE, link, (int)d[i].cause, d[i].sure, d[i].because);
}

static bool
wanted_link(const struct fleet *f, int link, const char *name, const struct indices *links)
{
	size_t i;

	for (i = 0; i < links->n; i++)
		if (links->v[i] == link)
			return true;
	return strcmp(f->clients[f->links[link].client].name, name) == 0 ||
	    (f->clients[f->links[link].client].of != NULL && strcmp(f->clients[f->links[link].client].of, name) == 0);
}

static bool
told_of_link(const struct explanations *all, int link, int cause)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->v[i].link == link && all->v[i].cause == cause)
			return true;
	return false;
}

/* Its clients, once its own links are known. */
static void
explain_pooled(struct explaining *x, int link, const struct explanations *legs)
{
	const struct explained *leg = leg_of(x, x->f->links[link].endpoint, legs);
	char words[512];

	if (leg == NULL || told_of_link(x->ret, link, CAUSE_POOLER_LEG))
		return;
	(void)snprintf(words, sizeof(words), "%.160s: %s%s%.250s", x->f->links[leg->link].name,
	    cause_row((enum cause)leg->cause)->name, leg->because == NULL ? "" : ", ", leg->because == NULL ? "" : leg->because);
	(void)push(x, NONE, NONE, link, CAUSE_POOLER_LEG, true, words);
}

/* Drops what the name does not stand for. */
static void
keep_named(struct explaining *x, const char *name, const struct indices *links)
{
	const struct fleet *f = x->f;
	size_t i, n = 0;

	for (i = 0; i < x->ret->n; i++) {
		struct explained *e = &x->ret->v[i];

		if ((e->host != NONE && strcmp(f->hosts[e->host].name, name) == 0) ||
		    (e->endpoint != NONE && strcmp(f->endpoints[e->endpoint].name, name) == 0) ||
		    (e->link != NONE && (wanted_link(f, e->link, name, links) ||
		    strcmp(f->endpoints[f->links[e->link].endpoint].name, name) == 0 ||
		    (link_host(f, &f->links[e->link]) != NONE &&
		    strcmp(f->hosts[link_host(f, &f->links[e->link])].name, name) == 0))))
			x->ret->v[n++] = *e;
		else {
			free(e->because);
			free(e->rests);
		}
	}
	x->ret->n = n;
}

int
explain_board(struct explanations *ret, const struct fleet *f, const struct board *b, int64_t now_ms, const char *name,
    struct err *err)
{
	struct explaining x = { f, b, now_ms, ret };
	struct indices links = { NULL, 0 };
	size_t i, n;
	int first;

	memset(ret, 0, sizeof(*ret));
	if (name != NULL && fleet_links(f, name, &links) == 0 && fleet_host(f, name) == NONE &&
	    fleet_endpoint(f, name) == NONE && fleet_clients(f, name, &first) == 0)
		return err_set(err, "there is no host, endpoint, client or link '%s' in '%s'", name, f->path);
	for (i = 0; i < f->nhosts; i++)
		explain_host(&x, (int)i);
	for (i = 0; i < f->nendpoints; i++)
		explain_endpoint(&x, (int)i);
	for (i = 0; i < f->nlinks; i++)
		explain_link(&x, (int)i);
	n = f->nlinks;
	for (i = 0; i < n; i++)
		if (f->endpoints[f->links[i].endpoint].kind == KIND_PGBOUNCER)
			explain_pooled(&x, (int)i, ret);
	if (name != NULL)
		keep_named(&x, name, &links);
	free(links.v);
	return 0;
}

/* A host of it, once. */
static void
about_host(struct explaining *x, int host, int told)
{
	if (host != NONE && host != told)
		explain_host(x, host);
}

static int
host_of_endpoint(const struct fleet *f, int endpoint)
{
	return f->endpoints[endpoint].host != NONE ? f->endpoints[endpoint].host : f->endpoints[endpoint].via;
}

/* The links by which a pooler dials on. */
static void
explain_legs(struct explaining *x, int pooler)
{
	size_t i;

	for (i = 0; i < x->f->nlinks; i++)
		if (x->f->clients[x->f->links[i].client].pools == pooler)
			explain_link(x, (int)i);
}

static void
about_link(struct explaining *x, int link, bool legs_too)
{
	int endpoint = x->f->links[link].endpoint;
	struct explanations legs = { NULL, 0 }, *all = x->ret;
	size_t i;

	explain_link(x, link);
	if (x->f->endpoints[endpoint].kind != KIND_PGBOUNCER)
		return;
	x->ret = &legs;
	explain_legs(x, endpoint);
	x->ret = all;
	explain_pooled(x, link, &legs);
	for (i = 0; i < legs.n && legs_too; i++)
		*(struct explained *)mem_push(&all->v, &all->n, sizeof(*all->v)) = legs.v[i];
	if (legs_too)
		free(legs.v);
	else
		explanations_release(&legs);
}

static bool
told(const struct explanations *all, int cause)
{
	size_t i;

	for (i = 0; i < all->n; i++)
		if (all->v[i].cause == cause && cause != NO_CAUSE)
			return true;
	return false;
}

void
explain_about(struct explanations *ret, const struct fleet *f, const struct board *b, int64_t now_ms, int host, int endpoint,
    int link)
{
	struct explaining x = { f, b, now_ms, ret };
	struct explanations of_endpoint = { NULL, 0 };
	int at;
	size_t i;

	memset(ret, 0, sizeof(*ret));
	if (link != NONE) {
		x.ret = &of_endpoint;
		explain_endpoint(&x, f->links[link].endpoint);
		x.ret = ret;
		at = host_of_endpoint(f, f->links[link].endpoint);
		about_link(&x, link, true);
		/* What the link meets is the endpoint's, told once. */
		for (i = 0; i < of_endpoint.n; i++)
			if (told(ret, of_endpoint.v[i].cause)) {
				free(of_endpoint.v[i].because);
				free(of_endpoint.v[i].rests);
			} else
				*(struct explained *)mem_push(&ret->v, &ret->n, sizeof(*ret->v)) = of_endpoint.v[i];
		free(of_endpoint.v);
		about_host(&x, link_host(f, &f->links[link]), NONE);
		about_host(&x, at, link_host(f, &f->links[link]));
	} else if (endpoint != NONE) {
		explain_endpoint(&x, endpoint);
		about_host(&x, host_of_endpoint(f, endpoint), NONE);
		explain_legs(&x, endpoint);
		for (i = 0; i < f->nlinks; i++)
			if (f->links[i].endpoint == endpoint)
				about_link(&x, (int)i, false);
	} else if (host != NONE) {
		explain_host(&x, host);
		for (i = 0; i < f->nendpoints; i++)
			if (host_of_endpoint(f, (int)i) == host)
				explain_endpoint(&x, (int)i);
		for (i = 0; i < f->nlinks; i++)
			if (link_host(f, &f->links[i]) == host)
				about_link(&x, (int)i, false);
	}
}

void
explain_said(struct explanations *ret, const struct fleet *f, const struct board *b, int64_t now_ms, int endpoint, int link,
    enum speaker by, const char *said)
{
	struct explaining x = { f, b, now_ms, ret };
	struct diagnosis d[DIAGNOSES_MAX];
	struct hba_answer now, by_tls;
	struct clues c;
	size_t i, n;

	memset(ret, 0, sizeof(*ret));
	if (link != NONE) {
		(void)clues_of_link(&x, link, &c, &now, &by_tls);
		narrow(&c);
		endpoint = f->links[link].endpoint;
	} else if (endpoint != NONE)
		(void)clues_of_endpoint(&x, endpoint, &c);
	else
		clues_init(&c, KIND_POSTGRES);
	c.said = said;
	c.by = by;
	n = diagnose(&c, d);
	for (i = 0; i < n; i++)
		(void)push(&x, NONE, link == NONE ? endpoint : NONE, link, (int)d[i].cause, d[i].sure, d[i].because);
}

const char *
explained_of(const struct fleet *f, const struct explained *e)
{
	return e->link != NONE ? f->links[e->link].name : e->endpoint != NONE ? f->endpoints[e->endpoint].name :
	    f->hosts[e->host].name;
}
