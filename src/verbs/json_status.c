/*
 * json_status: what belay sees of links, endpoints, hosts and steps.
 */
#include <stdio.h>
#include <string.h>

#include "core/depth.h"
#include "core/lint.h"
#include "core/logins.h"
#include "core/reader.h"
#include "verbs/json.h"
#include "verbs/json_int.h"

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
	doc_put(o, "tls", json_integer(row->tls));
	doc_put(o, "plaintext", json_integer(row->plain));
	doc_put(o, "refused", json_integer(row->refused));
	doc_put(o, "still_plaintext", json_integer(row->still));
	doc_put(o, "last_tls_s", doc_age(now_ms, row->tls_ms));
	doc_put(o, "last_plaintext_s", doc_age(now_ms, row->plain_ms));
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
	doc_put(o, "words", doc_words(v.words));
	doc_put(o, "finding", v.finding[0] == '\0' ? json_null() : doc_words(v.finding));
	doc_put(o, "fresh", json_boolean(v.fresh));
	if (v.reading == NULL)
		return o;
	r = &v.reading->rehearsed;
	doc_put(o, "verdict", doc_words(verdict_word(r->verdict)));
	doc_put(o, "dial", doc_words(dial_word(r->dial)));
	doc_put(o, "name", doc_words(r->name));
	doc_put(o, "port", json_integer(r->port));
	doc_put(o, "protocol", r->protocol[0] == '\0' ? json_null() : doc_words(r->protocol));
	doc_put(o, "cipher", r->cipher[0] == '\0' ? json_null() : doc_words(r->cipher));
	doc_put(o, "why", r->why[0] == '\0' ? json_null() : doc_words(r->why));
	doc_put(o, "remark", r->remark[0] == '\0' ? json_null() : doc_words(r->remark));
	doc_put(o, "asked", r->protocol[0] == '\0' && !r->asked ? json_null() : json_boolean(r->asked));
	doc_put(o, "connect_ms", milliseconds(r->reach_us));
	doc_put(o, "tls_ms", milliseconds(r->secure_us));
	doc_put(o, "login_ms", milliseconds(r->login_us));
	doc_put(o, "took_ms", milliseconds(r->took_us));
	doc_put(o, "own_runtime", r->ran ? doc_words(r->says) : json_null());
	doc_put(o, "age_s", doc_age(now_ms, v.reading->at_ms));
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
	doc_put(o, "client", doc_words(f->clients[l->client].name));
	doc_put(o, "endpoint", doc_words(f->endpoints[l->endpoint].name));
	doc_put(o, "host", host == NONE ? json_null() : doc_words(f->hosts[host].name));
	doc_put(o, "dial", v.dial == DIAL_UNKNOWN ? json_null() : doc_words(dial_word(v.dial)));
	doc_put(o, "dial_declared", json_boolean(v.dial_declared));
	sessions = json_object();
	doc_put(sessions, "tls", v.counted ? json_integer(v.tls) : json_null());
	doc_put(sessions, "plaintext", v.counted ? json_integer(v.plain) : json_null());
	doc_put(o, "sessions", sessions);
	doc_put(o, "logins", logins_of_link(e, link, now_ms));
	doc_put(o, "state", doc_words(link_state_word(v.state)));
	doc_put(o, "client_seen_on_tls", v.client == CLIENT_NOT_SEEN || v.client == CLIENT_AWAY ? json_null() :
	    json_boolean(v.client == CLIENT_ON_TLS));
	doc_put(o, "path_proven", json_boolean(v.path_proven));
	doc_put(o, "verifies_declared", doc_words(v.verifies));
	doc_put(o, "age_s", doc_age(now_ms, v.at_ms));
	doc_put(o, "protocol", doc_words(v.protocol));
	doc_put(o, "cipher", doc_words(v.cipher));
	doc_put(o, "why", v.why[0] == '\0' ? json_null() : doc_words(v.why));
	doc_put(o, "started_otherwise", v.started[0] == '\0' ? json_null() : doc_words(v.started));
	doc_put(o, "rehearsed", rehearsed_object(e, link, now_ms));
	doc_put(o, "attested", doc_words(board_vouched(engine_board(e), l->client)));
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
	return json_string(s->bare == LEG_REFUSED || s->tls != LEG_OPEN || s->turned_away ? "needed" : "asked");
}

json_t *
doc_certificate(const struct certificate *c, int64_t now_ms)
{
	json_t *o = json_object(), *names = json_array();
	size_t i;

	doc_put(o, "subject", doc_words(c->subject));
	doc_put(o, "issuer", doc_words(c->issuer));
	for (i = 0; i < c->nnames; i++)
		doc_add(names, doc_words(c->names[i]));
	doc_put(o, "names", names);
	doc_put(o, "not_before_s", json_integer((json_int_t)c->not_before_s));
	doc_put(o, "not_after_s", json_integer((json_int_t)c->not_after_s));
	doc_put(o, "key", doc_words(c->key));
	doc_put(o, "signature", doc_words(c->signature));
	doc_put(o, "weak", doc_words(c->weak));
	doc_put(o, "self_signed", json_boolean(c->self_signed));
	doc_put(o, "sent", json_integer((json_int_t)c->sent));
	doc_put(o, "ends_s", json_integer((json_int_t)c->ends_s));
	doc_put(o, "ends_who", doc_words(c->ends_who));
	doc_put(o, "days_left", json_integer((json_int_t)expiry_days(c->ends_s, now_ms / 1000)));
	doc_put(o, "sha256", doc_words(c->sha256));
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
	doc_put(o, "since_s", c->logins.seen == LOGINS_SINCE ? doc_age(now_ms, c->logins.from_ms) : json_null());
	doc_put(o, "why", doc_words(c->logins.why));
	doc_put(o, "undeclared_tls", json_integer(c->logins.undeclared.tls));
	doc_put(o, "undeclared_plaintext", json_integer(c->logins.undeclared.plain));
	return o;
}

static json_t *
unaccounted_object(const struct census *c, int64_t now_ms)
{
	json_t *o;

	if (c == NULL || c->unaccounted < 0)
		return json_null();
	o = json_object();
	doc_put(o, "connections", json_integer((json_int_t)c->unaccounted));
	doc_put(o, "since_s", doc_age(now_ms, c->unaccounted_from_ms));
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
		doc_put(o, "why", doc_words(failed->why));
		return o;
	}
	d = &r->disk;
	doc_put(o, "certificate_file", doc_words(d->cert_file));
	doc_put(o, "key_file", doc_words(d->key_file));
	doc_put(o, "sha256", d->sha256[0] == '\0' ? json_null() : doc_words(d->sha256));
	doc_put(o, "served", d->sha256[0] == '\0' || d->served_sha256[0] == '\0' ? json_null() :
	    json_boolean(strcmp(d->sha256, d->served_sha256) == 0));
	doc_put(o, "pair", d->pair == VERIFIED_NOT_TRIED ? json_null() : json_boolean(d->pair == VERIFIED_OK));
	(void)snprintf(mode, sizeof(mode), "%04o", (unsigned)d->key_mode);
	doc_put(o, "key_mode", d->key_seen ? doc_words(mode) : json_null());
	doc_put(o, "key_uid", d->key_seen ? json_integer((json_int_t)d->key_uid) : json_null());
	doc_put(o, "age_s", doc_age(now_ms, r->at_ms));
	doc_put(o, "why", doc_words(d->cert_why != NULL ? d->cert_why : d->key_why));
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
	doc_put(o, "protocol", doc_words(served->served.protocol));
	doc_put(o, "cipher", doc_words(served->served.cipher));
	if (r == NULL) {
		doc_put(o, "versions", json_null());
		return o;
	}
	versions = json_array();
	ciphers = json_array();
	for (i = 0; i < DEPTH_VERSIONS; i++)
		if (r->depth.versions[i] == TRIED_TAKES)
			doc_add(versions, doc_words(depth_version_word((int)i)));
	for (i = 0; i < r->depth.nciphers; i++)
		doc_add(ciphers, doc_words(r->depth.ciphers[i]));
	doc_put(o, "versions", versions);
	doc_put(o, "ciphers", ciphers);
	doc_put(o, "more_ciphers", json_boolean(r->depth.more_ciphers));
	doc_put(o, "weak_cipher", doc_words(r->depth.weak));
	doc_put(o, "age_s", doc_age(now_ms, r->at_ms));
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
		doc_add(a, doc_words(found.v[i]));
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
		doc_put(o, "about", json_string(said->leg ? "leg" : said->load ? "load" : "client"));
		doc_put(o, "text", doc_words(said->text));
		doc_put(o, "count", json_integer(said->count));
		doc_put(o, "first_s", doc_age(now_ms, said->first_ms));
		doc_put(o, "last_s", doc_age(now_ms, said->last_ms));
		doc_add(a, o);
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
	doc_put(o, "name", doc_words(ep->name));
	doc_put(o, "kind", doc_words(kind_word(ep->kind)));
	doc_put(o, "configured", v.configured == ACCEPT_UNKNOWN ? json_null() : doc_words(accept_word(v.configured)));
	doc_put(o, "served", v.served == ACCEPT_UNKNOWN ? json_null() : doc_words(accept_word(v.served)));
	doc_put(o, "runtime", v.runs == ACCEPT_UNKNOWN ? json_null() : doc_words(accept_word(v.runs)));
	doc_put(o, "persisted", v.restarts == ACCEPT_UNKNOWN ? json_null() : doc_words(accept_word(v.restarts)));
	doc_put(o, "handshake_verified", json_boolean(v.verified));
	doc_put(o, "path_proven", json_boolean(v.path_proven));
	doc_put(o, "unproven", v.unproven[0] == '\0' ? json_null() : doc_words(v.unproven));
	doc_put(o, "client_certificate", client_certificate(served));
	doc_put(o, "tls", tls_object(e, endpoint, now_ms));
	doc_put(o, "disk", disk_object(e, endpoint, now_ms));
	doc_put(o, "findings", findings_array(e, endpoint, now_ms));
	doc_put(o, "age_s", doc_age(now_ms, v.at_ms));
	doc_put(o, "why", v.why[0] == '\0' ? json_null() : doc_words(v.why));
	doc_put(o, "after_restart", v.lasting[0] == '\0' ? json_null() : doc_words(v.lasting));
	/* Also where it was met, and the server then refused. */
	doc_put(o, "certificate", served != NULL && served->served.protocol != NULL ?
	    doc_certificate(&served->served.cert, now_ms) : json_null());
	if (census != NULL) {
		doc_put(u, "tls", json_integer(census->census.undeclared_tls));
		doc_put(u, "plaintext", json_integer(census->census.undeclared_plain));
		doc_put(o, "undeclared", u);
		doc_put(o, "sessions_total", json_integer(census->census.total));
	} else {
		json_decref(u);
		doc_put(o, "undeclared", json_null());
		doc_put(o, "sessions_total", json_null());
	}
	doc_put(o, "logins", logins_of_endpoint(census == NULL ? NULL : &census->census, now_ms));
	doc_put(o, "complaints", complaints_array(census == NULL ? NULL : &census->census, now_ms));
	doc_put(o, "unaccounted", unaccounted_object(census == NULL ? NULL : &census->census, now_ms));
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
			doc_put(o, "endpoint", doc_words(f->endpoints[i].name));
			doc_put(o, "link", s->link == NONE ? json_null() : doc_words(f->links[s->link].name));
			doc_put(o, "tls", json_boolean(s->tls));
			doc_put(o, "refused", json_boolean(s->refused));
			doc_put(o, "still_plaintext", json_boolean(s->still));
			doc_put(o, "address", doc_words(s->address));
			doc_put(o, "user", doc_words(s->user));
			doc_put(o, "database", doc_words(s->database));
			doc_put(o, "application", doc_words(s->application));
			doc_put(o, "count", json_integer(s->count));
			doc_put(o, "first_s", doc_age(now_ms, s->first_ms));
			doc_put(o, "last_s", doc_age(now_ms, s->last_ms));
			doc_add(a, o);
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
			doc_put(o, "endpoint", doc_words(f->endpoints[i].name));
			doc_put(o, "link", s->link == NONE ? json_null() : doc_words(f->links[s->link].name));
			doc_put(o, "tls", json_boolean(s->tls));
			doc_put(o, "address", doc_words(s->address));
			doc_put(o, "user", doc_words(s->user));
			doc_put(o, "database", doc_words(s->database));
			doc_put(o, "application", doc_words(s->application));
			doc_put(o, "age_s", s->age_s < 0 ? json_null() : json_integer((json_int_t)s->age_s));
			doc_put(o, "process", process == NULL ? json_null() : doc_words(process->command));
			doc_put(o, "pid", process == NULL || process->pid == 0 ? json_null() : json_integer((json_int_t)process->pid));
			doc_add(a, o);
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
		doc_put(o, "endpoint", doc_words(f->endpoints[s->endpoint].name));
		doc_put(o, "link", s->link == NONE ? json_null() : doc_words(f->links[s->link].name));
		doc_put(o, "address", doc_words(s->address));
		doc_put(o, "user", doc_words(s->user));
		doc_put(o, "database", doc_words(s->database));
		doc_put(o, "application", doc_words(s->application));
		doc_put(o, "process", doc_words(s->process));
		doc_put(o, "pid", s->pid == 0 ? json_null() : json_integer((json_int_t)s->pid));
		doc_put(o, "first_s", doc_age(now_ms, s->first_ms));
		doc_put(o, "last_s", doc_age(now_ms, s->last_ms));
		doc_add(a, o);
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
			doc_put(o, "link", doc_words(f->links[s->link].name));
			doc_put(o, "host", doc_words(f->hosts[i].name));
			doc_put(o, "file", doc_words(s->file));
			doc_put(o, "line", json_integer((json_int_t)s->line));
			doc_put(o, "variable", doc_words(s->variable));
			doc_put(o, "name", doc_words(s->name));
			doc_put(o, "level", doc_words(lint_level_word(s->warning ? LINT_WARN : LINT_NOTE)));
			doc_put(o, "text", doc_words(s->text));
			doc_add(a, o);
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
			doc_add(a, doc_words(l->text));
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
		doc_add(links, link_object(e, (int)i, now_ms));
	for (i = 0; i < f->nendpoints; i++)
		doc_add(endpoints, endpoint_object(e, (int)i, now_ms));
	for (i = 0; i < f->nhosts; i++) {
		const struct host_view *v = board_host_view(engine_board(e), (int)i);

		o = json_object();
		doc_put(o, "name", doc_words(f->hosts[i].name));
		doc_put(o, "reach", doc_words(reach_word(v->reach)));
		doc_put(o, "transport", doc_words(v->transport));
		doc_put(o, "why", v->why[0] == '\0' ? json_null() : doc_words(v->why));
		doc_add(hosts, o);
	}
	for (i = 0; plan != NULL && i < plan->nsteps; i++) {
		const struct step_view *v = rollout_step(engine_rollout(e), (int)i);

		o = json_object();
		doc_put(o, "id", doc_words(plan->steps[i].id));
		doc_put(o, "of", doc_words(plan->steps[i].of));
		doc_put(o, "title", doc_words(plan->steps[i].title));
		doc_put(o, "phase", doc_words(phase_word(v->phase)));
		doc_put(o, "optional", json_boolean(plan->steps[i].optional));
		doc_put(o, "why", v->why[0] == '\0' ? json_null() : doc_words(v->why));
		doc_put(o, "canaries", canaries_noted(e, plan->steps[i].id));
		doc_add(steps, o);
	}
	doc_put(doc, "belay", json_string("status/1"));
	doc_put(doc, "environment", doc_words(f->environment));
	doc_put(doc, "at_ms", json_integer((json_int_t)now_ms));
	doc_put(doc, "lock_holder", doc_words(engine_lock_holder(e)));
	doc_put(doc, "links", links);
	doc_put(doc, "endpoints", endpoints);
	doc_put(doc, "stragglers", undeclared_array(e));
	doc_put(doc, "plaintext_seen", sightings_array(e, now_ms));
	doc_put(doc, "strings", strings_array(e));
	doc_put(doc, "logins", logins_array(e, now_ms));
	doc_put(doc, "hosts", hosts);
	doc_put(doc, "steps", steps);
	doc_print(doc);
}
