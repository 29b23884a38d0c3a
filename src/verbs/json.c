/*
 * json: see json.h.
 */
#include "verbs/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "core/depth.h"
#include "core/impact.h"
#include "core/logins.h"
#include "core/reader.h"
#include "core/buf.h"
#include "core/lint.h"
#include "core/text.h"

static json_t *
words(const char *s)
{
	char *clean;
	json_t *j;

	if (s == NULL)
		return json_null();
	clean = text_clean_dup(s);
	j = json_string(clean);
	free(clean);
	return j == NULL ? json_null() : j;
}

/* Text of several lines keeps its line ends. */
static json_t *
lines(const char *s)
{
	struct buf b = { 0 };
	const char *end;
	json_t *j;

	for (; s != NULL && *s != '\0'; s = end + 1) {
		end = s;
		while (*end != '\0' && *end != '\n')
			end++;
		text_clean(&b, s, (size_t)(end - s));
		if (*end == '\0')
			break;
		(void)buf_putc(&b, '\n');
	}
	j = json_string(buf_str(&b));
	buf_release(&b);
	return j == NULL ? json_null() : j;
}

static json_t *
age(int64_t now_ms, int64_t at_ms)
{
	return at_ms == 0 ? json_null() : json_integer((json_int_t)((now_ms - at_ms) / 1000));
}

static void
print(json_t *doc)
{
	char *s = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);

	if (s != NULL)
		(void)printf("%s\n", s);
	(void)fflush(stdout);
	free(s);
	json_decref(doc);
}

static void
put(json_t *o, const char *key, json_t *value)
{
	(void)json_object_set_new(o, key, value);
}

static void
add(json_t *a, json_t *value)
{
	(void)json_array_append_new(a, value);
}

/* When it was, as an age in seconds; null: never. */
static json_t *
last(int64_t now_ms, int64_t at_ms)
{
	return at_ms == 0 ? json_null() : age(now_ms, at_ms);
}

static json_t *
logins_of_link(const struct engine *e, int link, int64_t now_ms)
{
	const struct reading *r = board_reading(engine_board(e), READING_CENSUS, engine_fleet(e)->links[link].endpoint);
	const struct login_count *row;
	static const struct login_count nobody;
	json_t *o;

	if (r == NULL || r->census.logins.seen != LOGINS_SINCE)
		return json_null();
	row = logins_of(&r->census.logins, link);
	if (row == NULL)
		row = &nobody;
	o = json_object();
	put(o, "tls", json_integer(row->tls));
	put(o, "plaintext", json_integer(row->plain));
	put(o, "refused", json_integer(row->refused));
	put(o, "still_plaintext", json_integer(row->still));
	put(o, "last_tls_s", last(now_ms, row->tls_ms));
	put(o, "last_plaintext_s", last(now_ms, row->plain_ms));
	return o;
}

static json_t *
milliseconds(int64_t us)
{
	return us < 0 ? json_null() : json_real((double)us / 1000);
}

/* One new connection in the client's place: what came of it, and where that disagrees with the rest. */
static json_t *
rehearsed_object(const struct engine *e, int link, int64_t now_ms)
{
	const struct rehearsed *r;
	struct rehearsal_view v;
	json_t *o;

	board_rehearsed(engine_board(e), link, now_ms, engine_stale_ms(e, READING_CENSUS),
	    engine_stale_ms(e, READING_REHEARSAL), &v);
	if (v.reading == NULL && v.words[0] == '\0')
		return json_null();
	o = json_object();
	put(o, "words", words(v.words));
	put(o, "finding", v.finding[0] == '\0' ? json_null() : words(v.finding));
	put(o, "fresh", json_boolean(v.fresh));
	if (v.reading == NULL)
		return o;
	r = &v.reading->rehearsed;
	put(o, "verdict", words(verdict_word(r->verdict)));
	put(o, "dial", words(dial_word(r->dial)));
	put(o, "name", words(r->name));
	put(o, "port", json_integer(r->port));
	put(o, "protocol", r->protocol[0] == '\0' ? json_null() : words(r->protocol));
	put(o, "cipher", r->cipher[0] == '\0' ? json_null() : words(r->cipher));
	put(o, "why", r->why[0] == '\0' ? json_null() : words(r->why));
	put(o, "remark", r->remark[0] == '\0' ? json_null() : words(r->remark));
	put(o, "connect_ms", milliseconds(r->reach_us));
	put(o, "tls_ms", milliseconds(r->secure_us));
	put(o, "login_ms", milliseconds(r->login_us));
	put(o, "took_ms", milliseconds(r->took_us));
	put(o, "own_runtime", r->ran ? words(r->says) : json_null());
	put(o, "age_s", age(now_ms, v.reading->at_ms));
	return o;
}

static json_t *
link_object(const struct engine *e, int link, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	const struct link *l = &f->links[link];
	json_t *o = json_object(), *sessions;
	struct link_view v;
	int host = link_host(f, l);

	board_link(engine_board(e), link, now_ms, engine_stale_ms(e, READING_CENSUS), &v);
	put(o, "client", words(f->clients[l->client].name));
	put(o, "endpoint", words(f->endpoints[l->endpoint].name));
	put(o, "host", host == NONE ? json_null() : words(f->hosts[host].name));
	put(o, "dial", v.dial == DIAL_UNKNOWN ? json_null() : words(dial_word(v.dial)));
	put(o, "dial_declared", json_boolean(v.dial_declared));
	sessions = json_object();
	put(sessions, "tls", v.counted ? json_integer(v.tls) : json_null());
	put(sessions, "plaintext", v.counted ? json_integer(v.plain) : json_null());
	put(o, "sessions", sessions);
	put(o, "logins", logins_of_link(e, link, now_ms));
	put(o, "state", words(link_state_word(v.state)));
	put(o, "client_seen_on_tls", v.client == CLIENT_NOT_SEEN || v.client == CLIENT_AWAY ? json_null() :
	    json_boolean(v.client == CLIENT_ON_TLS));
	put(o, "path_proven", json_boolean(v.path_proven));
	put(o, "verifies_declared", words(v.verifies));
	put(o, "age_s", age(now_ms, v.at_ms));
	put(o, "protocol", words(v.protocol));
	put(o, "cipher", words(v.cipher));
	put(o, "why", v.why[0] == '\0' ? json_null() : words(v.why));
	put(o, "started_otherwise", v.started[0] == '\0' ? json_null() : words(v.started));
	put(o, "rehearsed", rehearsed_object(e, link, now_ms));
	put(o, "attested", words(board_vouched(engine_board(e), l->client)));
	return o;
}

/* What the endpoint wants of clients: "none", "asked", "needed", or null where it is not known. */
static json_t *
client_certificate(const struct reading *served)
{
	const struct served *s = served == NULL ? NULL : &served->served;

	if (s == NULL || (s->protocol == NULL && !s->client_cert_asked))
		return json_null();
	if (!s->client_cert_asked)
		return json_string("none");
	return json_string(s->tls != LEG_OPEN || s->turned_away ? "needed" : "asked");
}

static json_t *
certificate_object(const struct certificate *c, int64_t now_ms)
{
	json_t *o = json_object(), *names = json_array();
	size_t i;

	put(o, "subject", words(c->subject));
	put(o, "issuer", words(c->issuer));
	for (i = 0; i < c->nnames; i++)
		add(names, words(c->names[i]));
	put(o, "names", names);
	put(o, "not_before_s", json_integer((json_int_t)c->not_before_s));
	put(o, "not_after_s", json_integer((json_int_t)c->not_after_s));
	put(o, "key", words(c->key));
	put(o, "signature", words(c->signature));
	put(o, "weak", words(c->weak));
	put(o, "self_signed", json_boolean(c->self_signed));
	put(o, "sent", json_integer((json_int_t)c->sent));
	put(o, "ends_s", json_integer((json_int_t)c->ends_s));
	put(o, "ends_who", words(c->ends_who));
	put(o, "days_left", json_integer((json_int_t)expiry_days(c->ends_s, now_ms / 1000)));
	put(o, "sha256", words(c->sha256));
	return o;
}

/* Since when all logins are known, by the log. */
static json_t *
logins_of_endpoint(const struct census *c, int64_t now_ms)
{
	json_t *o;

	if (c == NULL || c->logins.seen == LOGINS_NONE)
		return json_null();
	o = json_object();
	put(o, "since_s", c->logins.seen == LOGINS_SINCE ? age(now_ms, c->logins.from_ms) : json_null());
	put(o, "why", words(c->logins.why));
	put(o, "undeclared_tls", json_integer(c->logins.undeclared.tls));
	put(o, "undeclared_plaintext", json_integer(c->logins.undeclared.plain));
	return o;
}

static json_t *
unaccounted_object(const struct census *c, int64_t now_ms)
{
	json_t *o;

	if (c == NULL || c->unaccounted < 0)
		return json_null();
	o = json_object();
	put(o, "connections", json_integer((json_int_t)c->unaccounted));
	put(o, "since_s", age(now_ms, c->unaccounted_from_ms));
	return o;
}

/* As the files of its host are; null: nobody could look, or it speaks no TLS. */
static json_t *
disk_object(const struct engine *e, int endpoint, int64_t now_ms)
{
	const struct reading *r = board_reading(engine_board(e), READING_DISK, endpoint);
	const struct reading *failed = board_failure(engine_board(e), READING_DISK, endpoint);
	const struct disk *d;
	char mode[16];
	json_t *o;

	if (r == NULL && failed == NULL)
		return json_null();
	o = json_object();
	if (r == NULL) {
		put(o, "why", words(failed->why));
		return o;
	}
	d = &r->disk;
	put(o, "certificate_file", words(d->cert_file));
	put(o, "key_file", words(d->key_file));
	put(o, "sha256", d->sha256[0] == '\0' ? json_null() : words(d->sha256));
	put(o, "served", d->sha256[0] == '\0' || d->served_sha256[0] == '\0' ? json_null() :
	    json_boolean(strcmp(d->sha256, d->served_sha256) == 0));
	put(o, "pair", d->pair == VERIFIED_NOT_TRIED ? json_null() : json_boolean(d->pair == VERIFIED_OK));
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)d->key_mode);
	put(o, "key_mode", d->key_seen ? words(mode) : json_null());
	put(o, "key_uid", d->key_seen ? json_integer((json_int_t)d->key_uid) : json_null());
	put(o, "age_s", age(now_ms, r->at_ms));
	put(o, "why", words(d->cert_why != NULL ? d->cert_why : d->key_why));
	return o;
}

/* What was negotiated, and, where it was tried, what else it takes. */
static json_t *
tls_object(const struct engine *e, int endpoint, int64_t now_ms)
{
	const struct reading *served = board_reading(engine_board(e), READING_SERVED, endpoint);
	const struct reading *r = board_reading(engine_board(e), READING_DEPTH, endpoint);
	json_t *o, *versions, *ciphers;
	size_t i;

	if (served == NULL || served->served.protocol == NULL)
		return json_null();
	o = json_object();
	put(o, "protocol", words(served->served.protocol));
	put(o, "cipher", words(served->served.cipher));
	if (r == NULL) {
		put(o, "versions", json_null());
		return o;
	}
	versions = json_array();
	ciphers = json_array();
	for (i = 0; i < DEPTH_VERSIONS; i++)
		if (r->depth.versions[i] == TRIED_TAKES)
			add(versions, words(depth_version_word((int)i)));
	for (i = 0; i < r->depth.nciphers; i++)
		add(ciphers, words(r->depth.ciphers[i]));
	put(o, "versions", versions);
	put(o, "ciphers", ciphers);
	put(o, "more_ciphers", json_boolean(r->depth.more_ciphers));
	put(o, "weak_cipher", words(r->depth.weak));
	put(o, "age_s", age(now_ms, r->at_ms));
	return o;
}

static json_t *
findings_array(const struct engine *e, int endpoint, int64_t now_ms)
{
	struct strings found = { NULL, 0 };
	json_t *a = json_array();
	size_t i;

	depth_findings(&found, engine_fleet(e), engine_board(e), endpoint, now_ms);
	for (i = 0; i < found.n; i++)
		add(a, words(found.v[i]));
	strings_release(&found);
	return a;
}

static json_t *
complaints_array(const struct census *c, int64_t now_ms)
{
	json_t *a = json_array(), *o;
	size_t i;

	for (i = 0; c != NULL && i < c->ncomplaints; i++) {
		const struct complaint *said = &c->complaints[i];

		o = json_object();
		put(o, "about", json_string(said->leg ? "leg" : said->load ? "load" : "client"));
		put(o, "text", words(said->text));
		put(o, "count", json_integer(said->count));
		put(o, "first_s", last(now_ms, said->first_ms));
		put(o, "last_s", last(now_ms, said->last_ms));
		add(a, o);
	}
	return a;
}

static json_t *
endpoint_object(const struct engine *e, int endpoint, int64_t now_ms)
{
	const struct endpoint *ep = &engine_fleet(e)->endpoints[endpoint];
	const struct reading *served = board_reading(engine_board(e), READING_SERVED, endpoint);
	const struct reading *census = board_reading(engine_board(e), READING_CENSUS, endpoint);
	struct endpoint_view v;
	json_t *o = json_object(), *u = json_object();

	board_endpoint(engine_board(e), endpoint, now_ms, engine_stale_ms(e, READING_SERVED), &v);
	put(o, "name", words(ep->name));
	put(o, "kind", words(kind_word(ep->kind)));
	put(o, "configured", v.configured == ACCEPT_UNKNOWN ? json_null() : words(accept_word(v.configured)));
	put(o, "served", v.served == ACCEPT_UNKNOWN ? json_null() : words(accept_word(v.served)));
	put(o, "runtime", v.runs == ACCEPT_UNKNOWN ? json_null() : words(accept_word(v.runs)));
	put(o, "persisted", v.restarts == ACCEPT_UNKNOWN ? json_null() : words(accept_word(v.restarts)));
	put(o, "handshake_verified", json_boolean(v.verified));
	put(o, "path_proven", json_boolean(v.path_proven));
	put(o, "unproven", v.unproven[0] == '\0' ? json_null() : words(v.unproven));
	put(o, "client_certificate", client_certificate(served));
	put(o, "tls", tls_object(e, endpoint, now_ms));
	put(o, "disk", disk_object(e, endpoint, now_ms));
	put(o, "findings", findings_array(e, endpoint, now_ms));
	put(o, "age_s", age(now_ms, v.at_ms));
	put(o, "why", v.why[0] == '\0' ? json_null() : words(v.why));
	put(o, "after_restart", v.lasting[0] == '\0' ? json_null() : words(v.lasting));
	/* Also where it was met, and the server then refused. */
	put(o, "certificate", served != NULL && served->served.protocol != NULL ?
	    certificate_object(&served->served.cert, now_ms) : json_null());
	if (census != NULL) {
		put(u, "tls", json_integer(census->census.undeclared_tls));
		put(u, "plaintext", json_integer(census->census.undeclared_plain));
		put(o, "undeclared", u);
		put(o, "sessions_total", json_integer(census->census.total));
	} else {
		json_decref(u);
		put(o, "undeclared", json_null());
		put(o, "sessions_total", json_null());
	}
	put(o, "logins", logins_of_endpoint(census == NULL ? NULL : &census->census, now_ms));
	put(o, "complaints", complaints_array(census == NULL ? NULL : &census->census, now_ms));
	put(o, "unaccounted", unaccounted_object(census == NULL ? NULL : &census->census, now_ms));
	return o;
}

static json_t *
logins_array(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	json_t *a = json_array(), *o;
	size_t i, k;

	for (i = 0; i < f->nendpoints; i++) {
		const struct reading *r = board_reading(engine_board(e), READING_CENSUS, (int)i);

		for (k = 0; r != NULL && k < r->census.logins.nwho; k++) {
			const struct login_seen *s = &r->census.logins.who[k];

			o = json_object();
			put(o, "endpoint", words(f->endpoints[i].name));
			put(o, "link", s->link == NONE ? json_null() : words(f->links[s->link].name));
			put(o, "tls", json_boolean(s->tls));
			put(o, "refused", json_boolean(s->refused));
			put(o, "still_plaintext", json_boolean(s->still));
			put(o, "address", words(s->address));
			put(o, "user", words(s->user));
			put(o, "database", words(s->database));
			put(o, "application", words(s->application));
			put(o, "count", json_integer(s->count));
			put(o, "first_s", last(now_ms, s->first_ms));
			put(o, "last_s", last(now_ms, s->last_ms));
			add(a, o);
		}
	}
	return a;
}

static json_t *
undeclared_array(const struct engine *e)
{
	const struct fleet *f = engine_fleet(e);
	json_t *a = json_array(), *o;
	size_t i, k;

	for (i = 0; i < f->nendpoints; i++) {
		const struct reading *r = board_reading(engine_board(e), READING_CENSUS, (int)i);

		for (k = 0; r != NULL && k < r->census.nstragglers; k++) {
			const struct straggler *s = &r->census.stragglers[k];
			const struct socket_seen *process = board_process(engine_board(e), (int)i, s);

			o = json_object();
			put(o, "endpoint", words(f->endpoints[i].name));
			put(o, "link", s->link == NONE ? json_null() : words(f->links[s->link].name));
			put(o, "tls", json_boolean(s->tls));
			put(o, "address", words(s->address));
			put(o, "user", words(s->user));
			put(o, "database", words(s->database));
			put(o, "application", words(s->application));
			put(o, "age_s", s->age_s < 0 ? json_null() : json_integer((json_int_t)s->age_s));
			put(o, "process", process == NULL ? json_null() : words(process->command));
			put(o, "pid", process == NULL || process->pid == 0 ? json_null() : json_integer((json_int_t)process->pid));
			add(a, o);
		}
	}
	return a;
}

static json_t *
sightings_array(const struct engine *e, int64_t now_ms)
{
	const struct fleet *f = engine_fleet(e);
	json_t *a = json_array(), *o;
	const struct sighting *s;
	size_t i, n;

	s = board_sightings(engine_board(e), &n);
	for (i = 0; i < n; i++, s++) {
		o = json_object();
		put(o, "endpoint", words(f->endpoints[s->endpoint].name));
		put(o, "link", s->link == NONE ? json_null() : words(f->links[s->link].name));
		put(o, "address", words(s->address));
		put(o, "user", words(s->user));
		put(o, "database", words(s->database));
		put(o, "application", words(s->application));
		put(o, "process", words(s->process));
		put(o, "pid", s->pid == 0 ? json_null() : json_integer((json_int_t)s->pid));
		put(o, "first_s", last(now_ms, s->first_ms));
		put(o, "last_s", last(now_ms, s->last_ms));
		add(a, o);
	}
	return a;
}

static json_t *
strings_array(const struct engine *e)
{
	const struct fleet *f = engine_fleet(e);
	json_t *a = json_array(), *o;
	size_t i, k;

	for (i = 0; i < f->nhosts; i++) {
		const struct reading *r = board_reading(engine_board(e), READING_HOST, (int)i);

		for (k = 0; r != NULL && k < r->nstrings; k++) {
			const struct string_seen *s = &r->strings[k];

			o = json_object();
			put(o, "link", words(f->links[s->link].name));
			put(o, "host", words(f->hosts[i].name));
			put(o, "file", words(s->file));
			put(o, "line", json_integer((json_int_t)s->line));
			put(o, "variable", words(s->variable));
			put(o, "name", words(s->name));
			put(o, "level", words(lint_level_word(s->warning ? LINT_WARN : LINT_NOTE)));
			put(o, "text", words(s->text));
			add(a, o);
		}
	}
	return a;
}

/* What the journal has of them, of the run in progress: the latest of each. */
static json_t *
canaries_noted(const struct engine *e, const char *step)
{
	const struct history_line *lines, *l;
	size_t i, k, n = engine_history(e, &lines), len;
	json_t *a = json_array();
	bool later;

	for (i = 0; i < n; i++) {
		l = &lines[i];
		if (strcmp(l->kind, "canary") != 0 || l->step_id == NULL || l->text == NULL ||
		    strcmp(l->step_id, step) != 0 || strcmp(l->run, engine_run_id(e)) != 0)
			continue;
		len = strcspn(l->text, ":");
		later = false;
		for (k = i + 1; k < n && !later; k++)
			later = strcmp(lines[k].kind, "canary") == 0 && lines[k].step_id != NULL && lines[k].text != NULL &&
			    strcmp(lines[k].step_id, step) == 0 && strcmp(lines[k].run, l->run) == 0 &&
			    strncmp(lines[k].text, l->text, len + 1) == 0;
		if (!later)
			add(a, words(l->text));
	}
	return a;
}

void
json_status(const struct engine *e)
{
	const struct fleet *f = engine_fleet(e);
	const struct plan *plan = engine_plan(e);
	json_t *doc = json_object(), *links = json_array(), *endpoints = json_array();
	json_t *hosts = json_array(), *steps = json_array(), *o;
	int64_t now_ms = engine_now_ms(e);
	size_t i;

	for (i = 0; i < f->nlinks; i++)
		add(links, link_object(e, (int)i, now_ms));
	for (i = 0; i < f->nendpoints; i++)
		add(endpoints, endpoint_object(e, (int)i, now_ms));
	for (i = 0; i < f->nhosts; i++) {
		const struct host_view *v = board_host_view(engine_board(e), (int)i);

		o = json_object();
		put(o, "name", words(f->hosts[i].name));
		put(o, "reach", words(reach_word(v->reach)));
		put(o, "transport", words(v->transport));
		put(o, "why", v->why[0] == '\0' ? json_null() : words(v->why));
		add(hosts, o);
	}
	for (i = 0; plan != NULL && i < plan->nsteps; i++) {
		const struct step_view *v = rollout_step(engine_rollout(e), (int)i);

		o = json_object();
		put(o, "id", words(plan->steps[i].id));
		put(o, "of", words(plan->steps[i].of));
		put(o, "title", words(plan->steps[i].title));
		put(o, "phase", words(phase_word(v->phase)));
		put(o, "optional", json_boolean(plan->steps[i].optional));
		put(o, "why", v->why[0] == '\0' ? json_null() : words(v->why));
		put(o, "canaries", canaries_noted(e, plan->steps[i].id));
		add(steps, o);
	}
	put(doc, "belay", json_string("status/1"));
	put(doc, "environment", words(f->environment));
	put(doc, "at_ms", json_integer((json_int_t)now_ms));
	put(doc, "lock_holder", words(engine_lock_holder(e)));
	put(doc, "links", links);
	put(doc, "endpoints", endpoints);
	put(doc, "stragglers", undeclared_array(e));
	put(doc, "plaintext_seen", sightings_array(e, now_ms));
	put(doc, "strings", strings_array(e));
	put(doc, "logins", logins_array(e, now_ms));
	put(doc, "hosts", hosts);
	put(doc, "steps", steps);
	print(doc);
}

void
json_explain(const struct engine *e, const struct explanations *all)
{
	json_t *doc = json_object(), *a = json_array(), *o;
	size_t i;

	for (i = 0; i < all->n; i++) {
		const struct explained *x = &all->v[i];
		const struct cause_row *row = x->cause == NO_CAUSE ? NULL : cause_row((enum cause)x->cause);

		o = json_object();
		put(o, "of", words(x->link != NONE ? "link" : x->endpoint != NONE ? "endpoint" : "host"));
		put(o, "name", words(explained_of(engine_fleet(e), x)));
		put(o, "cause", words(row == NULL ? NULL : row->name));
		put(o, "sure", json_boolean(x->sure));
		put(o, "what", words(row == NULL ? NULL : row->what));
		put(o, "because", words(x->because));
		put(o, "rests_on", words(x->rests));
		put(o, "fix", words(row == NULL ? NULL : row->fix));
		add(a, o);
	}
	put(doc, "belay", json_string("explain/1"));
	put(doc, "at_ms", json_integer((json_int_t)engine_now_ms(e)));
	put(doc, "causes", a);
	print(doc);
}

static json_t *
issued_object(const struct issued *i, int64_t now_ms)
{
	json_t *o;

	if (i->sha256[0] == '\0')
		return json_null();
	o = json_object();
	put(o, "subject", words(i->subject));
	put(o, "issuer", words(i->issuer));
	put(o, "names", words(i->names));
	put(o, "not_before_s", json_integer((json_int_t)i->not_before_s));
	put(o, "not_after_s", json_integer((json_int_t)i->not_after_s));
	put(o, "days_left", json_integer((json_int_t)expiry_days(i->not_after_s, now_ms / 1000)));
	put(o, "sha256", words(i->sha256));
	return o;
}

static json_t *
trusted_by(const struct fleet *f, const struct posture *seen, int cert)
{
	json_t *a = json_array(), *o;
	size_t i;

	for (i = 0; i < f->nlinks; i++) {
		enum trust_basis t = certs_trust(f, seen, (int)i, cert);

		if (t == TRUST_NOT)
			continue;
		o = json_object();
		put(o, "link", words(f->links[i].name));
		put(o, "seen", json_boolean(t == TRUST_SEEN));
		add(a, o);
	}
	return a;
}

void
json_certs(const struct engine *e, const struct cert_files *const *files, const struct certs_worst *worst)
{
	static const char *const issuers[] = {
		[ISSUER_OWN] = "own", [ISSUER_IMPORTED] = "imported", [ISSUER_GIVEN] = "given", [ISSUER_COMMAND] = "command",
	};
	const struct fleet *f = engine_fleet(e);
	json_t *doc = json_object(), *endpoints = json_array(), *certs = json_array(), *o;
	int64_t now_ms = engine_now_ms(e);
	struct posture seen;
	struct cert_row row;
	size_t i;

	board_posture(engine_board(e), &seen);
	for (i = 0; i < f->nendpoints; i++) {
		certs_row(&row, f, engine_board(e), files, (int)i, now_ms, engine_stale_ms(e, READING_SERVED));
		o = json_object();
		put(o, "endpoint", words(f->endpoints[i].name));
		put(o, "certificate", words(row.cert == NONE ? NULL : f->certs[row.cert].name));
		put(o, "tls", row.c != NULL || !row.wrong ? json_boolean(row.tls) : json_null());
		put(o, "days_left", row.c == NULL ? json_null() : json_integer((json_int_t)row.days));
		put(o, "ends_s", row.c == NULL ? json_null() : json_integer((json_int_t)row.ends_s));
		put(o, "state", row.c == NULL ? json_null() : json_string(expiry_word(row.expiry)));
		put(o, "issued_last", row.match == MATCH_UNKNOWN ? json_null() : json_boolean(row.match == MATCH_SAME));
		put(o, "presented", row.c == NULL ? json_null() : certificate_object(row.c, now_ms));
		put(o, "why", row.why[0] == '\0' ? json_null() : words(row.why));
		add(endpoints, o);
	}
	for (i = 0; i < f->ncerts; i++) {
		static const struct cert_files none;
		const struct cert_files *x = files[i] == NULL ? &none : files[i];

		o = json_object();
		put(o, "name", words(f->certs[i].name));
		put(o, "issuer", json_string(f->certs[i].external ? "external" : issuers[f->certs[i].issuer]));
		put(o, "ca", issued_object(&x->ca, now_ms));
		put(o, "issued", issued_object(&x->leaf, now_ms));
		put(o, "why", words(x->why));
		put(o, "key_warning", words(x->lies));
		put(o, "trusted_by", trusted_by(f, &seen, (int)i));
		add(certs, o);
	}
	posture_release(&seen);
	put(doc, "belay", json_string("certs/1"));
	put(doc, "at_ms", json_integer((json_int_t)now_ms));
	put(doc, "state", json_string(expiry_word(worst->expiry)));
	put(doc, "wrong", json_boolean(worst->wrong));
	put(doc, "endpoints", endpoints);
	put(doc, "certificates", certs);
	print(doc);
}

void
json_history(const struct engine *e)
{
	json_t *doc = json_object(), *a = json_array(), *o;
	const struct history_line *h;
	size_t i, n = engine_history(e, &h);

	for (i = 0; i < n; i++) {
		o = json_object();
		put(o, "seq", json_integer((json_int_t)h[i].seq));
		put(o, "at_ms", json_integer((json_int_t)h[i].at_ms));
		put(o, "run", words(h[i].run));
		put(o, "kind", words(h[i].kind));
		put(o, "step", words(h[i].step_id));
		put(o, "op", words(h[i].op_id));
		put(o, "text", words(h[i].text));
		add(a, o);
	}
	put(doc, "belay", json_string("history/1"));
	put(doc, "entries", a);
	print(doc);
}

static json_t *
string_array(const struct strings *v)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < v->n; i++)
		add(a, words(v->v[i]));
	return a;
}

static json_t *
check_names(const struct check *checks, size_t n)
{
	json_t *a = json_array();
	size_t i;

	for (i = 0; i < n; i++)
		add(a, words(checks[i].name));
	return a;
}

/* What an activation hits; null for what is none. */
static void
put_activation(json_t *o, const struct engine *e, int step, const struct op *op)
{
	const struct fleet *f = engine_fleet(e);
	struct strings takes_up, loses;
	const struct unit *u;
	bool uncounted;
	uint32_t cut;
	json_t *x;

	if (op->kind != OP_ACTIVATE) {
		put(o, "activation", json_null());
		return;
	}
	u = &f->units[op->unit];
	cut = impact_of_unit(f, engine_board(e), op->unit, &uncounted);
	impact_besides(&takes_up, &loses, f, engine_board(e), &engine_plan(e)->steps[step], op->unit);
	x = json_object();
	put(x, "kind", json_string(u->kind == UNIT_RELOAD ? "reload" : "restart"));
	put(x, "restarts", string_array(&u->restarts));
	put(x, "sessions", json_integer((json_int_t)cut));
	put(x, "all_counted", json_boolean(!uncounted));
	put(x, "takes_up", string_array(&takes_up));
	put(x, "loses", string_array(&loses));
	put(o, "activation", x);
	strings_release(&takes_up);
	strings_release(&loses);
}

/* How the canaries of a step are declared. */
static json_t *
canary_terms(const struct fleet *f, const struct step *s)
{
	const struct canary_terms *t;
	json_t *a = json_array(), *o;
	size_t i;

	for (i = 0; i < s->ncanaries; i++) {
		t = &s->canaries[i].terms;
		if (!t->given)
			continue;
		o = json_object();
		put(o, "link", words(f->links[s->canaries[i].link].name));
		put(o, "every_ms", json_integer(t->every_ms));
		put(o, "hang_ms", json_integer(t->hang_ms));
		put(o, "breach_ms", json_integer(t->breach_ms));
		put(o, "held", json_boolean(t->held));
		add(a, o);
	}
	return a;
}

void
json_diff(const struct engine *e, int step)
{
	const struct ops *ops = engine_ops(e, step);
	const struct step_view *v = rollout_step(engine_rollout(e), step);
	json_t *doc = json_object(), *a = json_array(), *o;
	const struct step *s = &engine_plan(e)->steps[step];
	struct buf b = { 0 };
	size_t i;
	int since;

	for (i = 0; i < ops->n; i++) {
		const struct op *op = &ops->v[i];

		o = json_object();
		put(o, "host", words(engine_fleet(e)->hosts[op->host].name));
		put(o, "kind", words(op_kind_word(op->kind)));
		put(o, "path", words(op->path));
		if (op->kind == OP_RUN || op->kind == OP_ACTIVATE || op->kind == OP_DRAIN) {
			op_command_text(op, false, &b);
			put(o, "command", words(buf_str(&b)));
			buf_clear(&b);
		} else
			put(o, "command", json_null());
		/* Whom an activation asks is told by its command. */
		put(o, "endpoint", op->endpoint == NONE || op->kind == OP_ACTIVATE ? json_null() :
		    words(engine_fleet(e)->endpoints[op->endpoint].name));
		put(o, "unit", op->unit == NONE ? json_null() : words(engine_fleet(e)->units[op->unit].name));
		put(o, "in_place", json_boolean(v->ops[i].observed_known && v->ops[i].observed == OP_IN_PLACE));
		put(o, "diff", lines(engine_op_text(e, step, (int)i)));
		since = engine_op_since(e, step, (int)i);
		put(o, "written_since", words(since == NONE ? NULL : engine_plan(e)->steps[since].id));
		put_activation(o, e, step, op);
		add(a, o);
	}
	buf_release(&b);
	put(doc, "belay", json_string("diff/1"));
	put(doc, "step", words(s->id));
	put(doc, "title", words(s->title));
	put(doc, "operations", a);
	put(doc, "requires", check_names(s->requires, s->nrequires));
	put(doc, "gate", check_names(s->gates, s->ngates));
	put(doc, "soak_ms", json_integer(s->soak_ms));
	put(doc, "canaries", canary_terms(engine_fleet(e), s));
	put(doc, "on_fault", json_string(s->on_fault == ON_FAULT_UNDO ? "undo" : "pause"));
	print(doc);
}

/* What those of a step have seen. */
static void
put_canaries(json_t *a, const struct engine *e, int step)
{
	struct canary_view v[CANARY_STEP_MAX];
	size_t i, k, n = engine_canaries(e, step, v, CANARY_STEP_MAX);
	int bars[CANARY_STRIP];
	struct buf b = { 0 };
	json_t *o, *strip;

	for (i = 0; i < n; i++) {
		const struct canary *c = v[i].canary;

		o = json_object();
		put(o, "step", words(engine_plan(e)->steps[step].id));
		put(o, "link", words(engine_fleet(e)->links[v[i].link].name));
		put(o, "state", words(canary_state_word(canary_state(c))));
		put(o, "ok", json_integer((json_int_t)c->ok));
		put(o, "failed", json_integer((json_int_t)c->failed));
		put(o, "hung", json_integer((json_int_t)c->hung));
		put(o, "left_out", json_integer((json_int_t)c->left_out));
		put(o, "p50_us", c->ok == 0 ? json_null() : json_integer(canary_percentile_us(c, 50)));
		put(o, "p99_us", c->ok == 0 ? json_null() : json_integer(canary_percentile_us(c, 99)));
		put(o, "failed_ms", json_integer(canary_failed_ms(c, v[i].now_ms)));
		put(o, "held", json_integer((json_int_t)c->held));
		put(o, "cut", json_integer((json_int_t)c->cut));
		put(o, "cut_expected", json_integer((json_int_t)c->cut_expected));
		strip = json_array();
		canary_bars(c, v[i].now_ms, bars, CANARY_STRIP);
		for (k = 0; k < CANARY_STRIP; k++)
			add(strip, bars[k] == CANARY_BAR_NONE ? json_null() : json_integer(bars[k]));
		put(o, "strip", strip);
		buf_clear(&b);
		canary_summary(&b, c, v[i].now_ms);
		put(o, "text", words(buf_str(&b)));
		add(a, o);
	}
	buf_release(&b);
}

void
json_results(const struct engine *e, const int *steps, size_t n)
{
	json_t *doc = json_object(), *a = json_array(), *canaries = json_array(), *o;
	size_t i, k, count;

	for (i = 0; i < n; i++) {
		const struct check_result *r = engine_results(e, steps[i], true, &count);
		const struct step *s = &engine_plan(e)->steps[steps[i]];

		for (k = 0; r != NULL && k < count; k++) {
			o = json_object();
			put(o, "step", words(s->id));
			put(o, "check", words(s->gates[k].name));
			put(o, "result", words(judgement_word(r[k].judgement)));
			put(o, "why", words(r[k].why));
			add(a, o);
		}
		put_canaries(canaries, e, steps[i]);
	}
	put(doc, "belay", json_string("verify/1"));
	put(doc, "checks", a);
	put(doc, "canaries", canaries);
	print(doc);
}

static json_t *
counter(const struct fleet *f, const struct plan *plan, const struct counter *c)
{
	json_t *o = json_object(), *way = json_array(), *force = json_object();
	int host = link_host(f, &f->links[c->link]);
	struct buf b;
	size_t i;

	buf_init(&b, 0);
	put(o, "link", words(f->links[c->link].name));
	put(o, "host", words(host == NONE ? NULL : f->hosts[host].name));
	put(o, "verdict", json_string(verdict_word(c->verdict)));
	put(o, "why", words(c->why));
	put(o, "because", words(c->because == NONE ? NULL : f->links[c->because].name));
	put(o, "step", words(c->step == NONE ? NULL : plan->steps[c->step].id));
	put(o, "line", json_integer(c->step == NONE ? f->links[c->link].pos.line : plan->steps[c->step].pos.line));
	put(o, "in_flight", json_boolean(c->in_flight));
	put(o, "delayed", json_boolean(c->delayed));
	put(o, "drained", words(c->drained == NONE ? NULL : plan->steps[c->drained].id));
	counter_line(&b, f, plan, c);
	put(o, "text", words(buf_str(&b)));
	for (i = 0; i < c->nway; i++) {
		buf_clear(&b);
		way_text(&b, f, plan, &c->way[i]);
		add(way, words(buf_str(&b)));
	}
	put(o, "way", way);
	put(force, "accept", json_string(accept_word(c->accept)));
	put(force, "cert", words(c->cert >= 0 ? f->certs[c->cert].name : NULL));
	put(force, "dial", json_string(dial_word(c->dial)));
	put(force, "trust", words(c->trust >= 0 ? f->certs[c->trust].name : NULL));
	put(o, "in_force", force);
	buf_clear(&b);
	fix_text(&b, plan, c);
	put(o, "fix", words(c->fix_step == NONE ? NULL : buf_str(&b)));
	buf_release(&b);
	return o;
}

static json_t *
proof(const struct fleet *f, const struct plan *plan, const struct proof *p, int64_t ms)
{
	json_t *o = json_object(), *counters = json_array(), *unknown = json_array(), *excused = json_array();
	size_t i;

	put(o, "verdict", json_string(p->ncounters > 0 ? "refuted" : p->unknown.n > 0 ? "unknown" : "proven"));
	put(o, "links", json_integer((json_int_t)p->nlinks));
	put(o, "states", json_integer((json_int_t)p->nstates));
	put(o, "cpu_ms", json_integer(ms));
	for (i = 0; i < p->ncounters; i++)
		add(counters, counter(f, plan, &p->counters[i]));
	for (i = 0; i < p->unknown.n; i++)
		add(unknown, words(f->links[p->unknown.v[i]].name));
	for (i = 0; i < p->excused.n; i++)
		add(excused, words(f->links[p->excused.v[i]].name));
	put(o, "counters", counters);
	put(o, "unknown", unknown);
	put(o, "excused", excused);
	return o;
}

static json_t *
lint(const struct fleet *f, const struct plan *plan)
{
	json_t *a = json_array(), *o;
	struct lints l;
	size_t i;

	lint_run(&l, f, plan);
	for (i = 0; i < l.n; i++) {
		o = json_object();
		put(o, "name", json_string(l.v[i].name));
		put(o, "level", json_string(lint_level_word(l.v[i].level)));
		put(o, "file", words(l.v[i].in_plan ? plan->path : f->path));
		put(o, "line", json_integer(l.v[i].pos.line));
		put(o, "col", json_integer(l.v[i].pos.col));
		put(o, "text", words(l.v[i].text));
		add(a, o);
	}
	lints_release(&l);
	return a;
}

void
json_check(const struct engine *e, const struct proof *p, int64_t ms)
{
	const struct plan *plan = engine_plan(e);
	const struct fleet *f = engine_fleet(e);
	json_t *doc = json_object(), *a = json_array(), *out = json_array();
	size_t i;

	for (i = 0; i < f->not_yet.n; i++)
		add(a, words(f->not_yet.v[i]));
	for (i = 0; plan != NULL && i < plan->not_yet.n; i++)
		add(a, words(plan->not_yet.v[i]));
	for (i = 0; proof_leaves_out[i] != NULL; i++)
		add(out, words(proof_leaves_out[i]));
	put(doc, "belay", json_string("check/1"));
	put(doc, "ok", json_boolean(p == NULL || (p->ncounters == 0 && p->unknown.n == 0)));
	put(doc, "proof", p == NULL ? json_null() : proof(f, plan, p, ms));
	put(doc, "not_considered", out);
	put(doc, "lint", lint(f, plan));
	put(doc, "not_yet", a);
	print(doc);
}
