/*
 * pane_fleet: sessions, certificates and hosts: what was seen of the fleet,
 * in full.  Every remote string is cleaned by page.c.
 */
#include "ui/pane.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/depth.h"
#include "core/mem.h"
#include "core/reader.h"
#include "core/text.h"
#include "ui/look.h"

/* When it was seen, and what went wrong since. */
static void
add_seen(struct page *p, const struct scene *s, enum reading_kind kind, int subject)
{
	const struct reading *good = board_reading(s->board, kind, subject);
	const struct reading *bad = board_failure(s->board, kind, subject);
	char age[LOOK_MAX], *text;

	if (good == NULL && bad == NULL) {
		page_add(p, ROLE_DIM, "  never seen");
		return;
	}
	if (good != NULL) {
		look_age(age, s->now_ms, good->at_ms);
		page_add(p, s->now_ms - good->at_ms > s->stale_ms[kind] ? ROLE_WARN : ROLE_DIM,
		    "  seen %s ago", age);
		if (good->outcome == SAW_PART) {
			text = mem_printf("inconclusive: %s", good->why == NULL ? "" : good->why);
			page_wrap(p, 2, ROLE_WARN, text);
			free(text);
		}
	}
	if (bad != NULL) {
		look_age(age, s->now_ms, bad->at_ms);
		text = mem_printf("could not look %s ago: %s", age, bad->why == NULL ? "" : bad->why);
		page_wrap(p, 2, ROLE_WARN, text);
		free(text);
	}
}

/* ---- sessions ---- */

static void
add_process(struct page *p, const char *command, long pid)
{
	if (pid > 0)
		page_add(p, ROLE_TEXT, "  %s[%ld]", command, pid);
	else
		page_add(p, ROLE_TEXT, "  %s", command);
}

#define GONE_MAX 20	/* who was on plaintext and is not connected, of one endpoint */

/* Who was seen on plaintext, and not by the last census. */
static void
add_gone(struct page *p, const struct scene *s, int endpoint, int64_t census_ms)
{
	const struct sighting *g;
	char first[LOOK_MAX], last[LOOK_MAX], *name;
	size_t i, n, shown = 0;

	g = board_sightings(s->board, &n);
	for (i = 0; i < n; i++, g++) {
		if (g->endpoint != endpoint || g->last_ms >= census_ms || ++shown > GONE_MAX)
			continue;
		page_line(p);
		page_add(p, ROLE_DIM, "    %s was plain", glyph(p->ascii, G_PLAIN));
		if (g->link == NONE)
			page_col(p, 18, 20, ROLE_WARN, "undeclared");
		else {
			name = look_link_name(s->fleet, g->link, p->ascii);
			page_col(p, 18, 20, ROLE_TEXT, name);
			free(name);
		}
		page_col(p, 39, 18, ROLE_TEXT, g->address == NULL || *g->address == '\0' ? "(socket)" : g->address);
		page_add(p, ROLE_DIM, "  %s%s%s", g->user == NULL ? "" : g->user, g->database == NULL ? "" : "@",
		    g->database == NULL ? "" : g->database);
		if (g->process != NULL)
			add_process(p, g->process, g->pid);
		look_age(first, s->now_ms, g->first_ms);
		look_age(last, s->now_ms, g->last_ms);
		page_line(p);
		page_at(p, 39, ROLE_DIM, "first %s ago, last %s ago", first, last);
	}
}

static void
add_straggler(struct page *p, const struct scene *s, int endpoint, const struct straggler *g)
{
	const struct socket_seen *process = board_process(s->board, endpoint, g);
	char age[LOOK_MAX], *name;

	page_line(p);
	page_add(p, g->tls ? ROLE_FAIR : ROLE_WARN, "    %s %s", glyph(p->ascii, g->tls ? G_TLS : G_PLAIN),
	    g->tls ? "tls" : "plain");
	if (g->link == NONE)
		page_col(p, 14, 24, ROLE_WARN, "undeclared");
	else {
		name = look_link_name(s->fleet, g->link, p->ascii);
		page_col(p, 14, 24, ROLE_TEXT, name);
		free(name);
	}
	page_col(p, 39, 18, ROLE_TEXT, g->address == NULL || *g->address == '\0' ? "(socket)" : g->address);
	page_add(p, ROLE_DIM, "  %s%s%s%s%s", g->user == NULL ? "" : g->user,
	    g->database == NULL ? "" : "@", g->database == NULL ? "" : g->database,
	    g->application == NULL || *g->application == '\0' ? "" : "  ",
	    g->application == NULL ? "" : g->application);
	if (process != NULL)
		add_process(p, process->command, process->pid);
	if (g->age_s >= 0) {
		text_age(age, sizeof(age), g->age_s * 1000);
		page_add(p, ROLE_DIM, "  %s old", age);
	}
}

/* One that logged in and is worth naming. */
static void
add_login(struct page *p, const struct scene *s, const struct login_seen *l)
{
	char age[LOOK_MAX], *name;

	page_line(p);
	page_add(p, l->tls || l->refused ? ROLE_FAIR : l->still ? ROLE_WARN : ROLE_DIM, "    %s %s",
	    glyph(p->ascii, l->tls ? G_TLS : G_PLAIN), l->tls ? "tls" : "plain");
	if (l->link == NONE)
		page_col(p, 14, 24, ROLE_WARN, "undeclared");
	else {
		name = look_link_name(s->fleet, l->link, p->ascii);
		page_col(p, 14, 24, ROLE_TEXT, name);
		free(name);
	}
	look_age(age, s->now_ms, l->last_ms);
	if (l->refused)
		page_at(p, 39, ROLE_DIM, "turned away %s ago", age);
	else if (l->tls || l->still)
		page_at(p, 39, ROLE_DIM, "%u, last %s ago", (unsigned)l->count, age);
	else
		page_at(p, 39, ROLE_DIM, "%u, on tls since", (unsigned)l->count);
	page_at(p, 61, ROLE_TEXT, "%s", l->address == NULL ? "" : l->address);
	page_add(p, ROLE_DIM, "  %s%s%s%s%s", l->user == NULL ? "" : l->user, l->database == NULL ? "" : "@",
	    l->database == NULL ? "" : l->database, l->application == NULL || *l->application == '\0' ? "" : "  ",
	    l->application == NULL ? "" : l->application);
}

/* Who came and went between two looks, as far as it is known. */
static void
add_logins(struct page *p, const struct scene *s, const struct census *c)
{
	const struct logins *l = &c->logins;
	char age[LOOK_MAX], *name, *text;
	size_t i;

	if (c->unaccounted >= 0) {
		look_age(age, s->now_ms, c->unaccounted_from_ms);
		page_line(p);
		page_at(p, 2, c->unaccounted > 0 ? ROLE_WARN : ROLE_DIM, "unaccounted for");
		page_at(p, 39, c->unaccounted > 0 ? ROLE_WARN : ROLE_DIM, "%lld connection%s since %s ago",
		    (long long)c->unaccounted, c->unaccounted == 1 ? "" : "s", age);
	}
	if (l->seen == LOGINS_NONE)
		return;
	page_line(p);
	page_at(p, 2, ROLE_STRONG, "logins, by its log");
	if (l->seen == LOGINS_SINCE) {
		look_age(age, s->now_ms, l->from_ms);
		page_at(p, 39, ROLE_DIM, "since %s ago", age);
	}
	if (l->why != NULL) {
		text = mem_printf("%s%s", l->seen == LOGINS_BLIND ? "not known: " : "not all: ", l->why);
		page_wrap(p, 2, ROLE_WARN, text);
		free(text);
	}
	for (i = 0; i < l->nlinks; i++) {
		name = look_link_name(s->fleet, l->links[i].link, p->ascii);
		page_line(p);
		page_col(p, 2, 36, ROLE_TEXT, name);
		free(name);
		page_at(p, 39, l->links[i].still > 0 ? ROLE_WARN : ROLE_DIM, "%u plain", (unsigned)l->links[i].plain);
		page_at(p, 50, ROLE_DIM, "%u tls", (unsigned)l->links[i].tls);
		if (l->links[i].refused > 0)
			page_at(p, 61, ROLE_DIM, "%u turned away", (unsigned)l->links[i].refused);
	}
	for (i = 0; i < l->nwho; i++)
		add_login(p, s, &l->who[i]);
}

void
sessions_page(struct page *p, const struct scene *s)
{
	const struct reading *r;
	const struct census *c;
	char *name;
	size_t i, j;
	uint32_t plain, tls;

	for (i = 0; i < s->fleet->nendpoints; i++) {
		const struct endpoint *e = &s->fleet->endpoints[i];

		r = board_reading(s->board, READING_CENSUS, (int)i);
		page_line(p);
		p->v[p->n - 1].heading = true;
		p->v[p->n - 1].item = (int)i + 1;
		page_add(p, ROLE_STRONG, " %s", e->name);
		if (strcmp(e->name, kind_word(e->kind)) != 0)
			page_add(p, ROLE_DIM, "  %s", kind_word(e->kind));
		if (r != NULL)
			page_add(p, ROLE_TEXT, "  %u sessions", (unsigned)r->census.total);
		add_seen(p, s, READING_CENSUS, (int)i);
		if (e->cannot_see[SOURCE_CENSUS] != NULL) {
			page_line(p);
			page_add(p, ROLE_DIM, "  declared as not to be seen: %s", e->cannot_see[SOURCE_CENSUS]);
		}
		if (r == NULL)
			continue;
		c = &r->census;
		for (j = 0; j < c->nlinks; j++) {
			plain = c->links[j].plain;
			tls = c->links[j].tls;
			if (c->links[j].link == NONE)
				continue;
			name = look_link_name(s->fleet, c->links[j].link, p->ascii);
			page_line(p);
			page_col(p, 2, 36, ROLE_TEXT, name);
			free(name);
			page_at(p, 39, plain > 0 ? ROLE_WARN : ROLE_DIM, "%u plain", (unsigned)plain);
			page_at(p, 50, tls > 0 ? ROLE_FAIR : ROLE_DIM, "%u tls", (unsigned)tls);
		}
		page_line(p);
		page_at(p, 2, c->undeclared_plain + c->undeclared_tls > 0 ? ROLE_WARN : ROLE_DIM,
		    "undeclared");
		page_at(p, 39, c->undeclared_plain > 0 ? ROLE_WARN : ROLE_DIM, "%u plain",
		    (unsigned)c->undeclared_plain);
		page_at(p, 50, c->undeclared_tls > 0 ? ROLE_WARN : ROLE_DIM, "%u tls",
		    (unsigned)c->undeclared_tls);
		if (c->upstream_seen) {
			page_line(p);
			page_at(p, 2, ROLE_TEXT, "its own server side");
			page_at(p, 39, c->upstream_plain > 0 ? ROLE_WARN : ROLE_DIM, "%u plain",
			    (unsigned)c->upstream_plain);
			page_at(p, 50, ROLE_DIM, "%u tls", (unsigned)c->upstream_tls);
		}
		for (j = 0; j < c->nstragglers; j++)
			add_straggler(p, s, (int)i, &c->stragglers[j]);
		if (c->nstragglers == READING_STRAGGLERS_MAX) {
			page_line(p);
			page_add(p, ROLE_DIM, "    and perhaps more: the first %d are named",
			    READING_STRAGGLERS_MAX);
		}
		add_gone(p, s, (int)i, r->at_ms);
		add_logins(p, s, c);
	}
}

/* ---- certificates ---- */

static void
add_verified(struct page *p, const char *what, enum verified verified, const char *why)
{
	page_line(p);
	page_at(p, 2, ROLE_DIM, "%s", what);
	switch (verified) {
	case VERIFIED_OK:
		page_at(p, 14, ROLE_GOOD, "%s verified", glyph(p->ascii, G_DONE));
		break;
	case VERIFIED_BAD:
		page_at(p, 14, ROLE_BAD, "%s %s", glyph(p->ascii, G_FAIL), why == NULL ? "not verified" : why);
		break;
	case VERIFIED_NOT_TRIED:
		page_at(p, 14, ROLE_DIM, "%s not tried%s%s", glyph(p->ascii, G_DOUBT),
		    why == NULL ? "" : ": ", why == NULL ? "" : why);
		break;
	}
}

static const char *
leg_words(enum leg leg)
{
	static const char *const words[] = {
		[LEG_UNKNOWN] = "not known", [LEG_OPEN] = "open", [LEG_REFUSED] = "refused",
		[LEG_CLOSED] = "nothing listens", [LEG_SILENT] = "no answer",
	};

	return words[leg];
}

static void
add_left(struct page *p, enum expiry e, int64_t days)
{
	if (e == EXPIRY_PAST || e == EXPIRY_NOT_YET)
		page_add(p, look_expiry(e), "  %s", expiry_word(e));
	else if (e == EXPIRY_FAR)
		page_add(p, ROLE_DIM, "  %lld day%s left", (long long)days, days == 1 ? "" : "s");
	else
		page_add(p, look_expiry(e), "  %lld day%s left: %s", (long long)days, days == 1 ? "" : "s", expiry_word(e));
}

static void
add_cert(struct page *p, const struct scene *s, const struct endpoint *e, const struct served *v,
    const struct cert_row *row)
{
	const struct certificate *c = &v->cert;
	char date[LOOK_MAX];
	size_t i;

	page_line(p);
	page_at(p, 2, ROLE_DIM, "subject");
	page_at(p, 14, ROLE_TEXT, "%s", c->subject == NULL ? "" : c->subject);
	page_line(p);
	page_at(p, 2, ROLE_DIM, "issuer");
	page_at(p, 14, ROLE_TEXT, "%s%s", c->issuer == NULL ? "" : c->issuer,
	    c->self_signed ? "  (self-signed)" : "");
	page_line(p);
	page_at(p, 2, ROLE_DIM, "valid");
	look_date(date, c->not_before_s * 1000);
	page_at(p, 14, c->not_before_s * 1000 > s->now_ms ? ROLE_BAD : ROLE_TEXT, "from %s", date);
	look_date(date, c->not_after_s * 1000);
	page_add(p, c->not_after_s * 1000 < s->now_ms ? ROLE_BAD : ROLE_TEXT, " to %s", date);
	if (row->ends_s == c->not_after_s)
		add_left(p, row->expiry, row->days);
	else {
		page_line(p);
		page_at(p, 2, ROLE_DIM, "rests on");
		page_at(p, 14, ROLE_TEXT, "%s", c->ends_who == NULL ? "another certificate" : c->ends_who);
		look_date(date, row->ends_s * 1000);
		page_add(p, ROLE_TEXT, " to %s", date);
		add_left(p, row->expiry, row->days);
	}
	page_line(p);
	page_at(p, 2, ROLE_DIM, "key");
	page_at(p, 14, c->weak != NULL ? ROLE_BAD : ROLE_TEXT, "%s", c->key == NULL ? "" : c->key);
	if (c->signature != NULL)
		page_add(p, ROLE_DIM, ", %s", c->signature);
	page_add(p, ROLE_DIM, "  sha256 %.16s%s", c->sha256, p->ascii ? "..." : "\xe2\x80\xa6");
	page_line(p);
	page_at(p, 2, ROLE_DIM, "names");
	page_at(p, 14, ROLE_TEXT, "%s", "");
	for (i = 0; i < c->nnames; i++) {
		char *name = mem_printf("%s%s", c->names[i], i + 1 < c->nnames ? ", " : "");

		page_flow(p, 14, ROLE_TEXT, name);
		free(name);
	}
	if (c->weak != NULL) {
		page_line(p);
		page_at(p, 2, ROLE_DIM, "weak");
		page_at(p, 14, ROLE_BAD, "%s", c->weak);
	}
	add_verified(p, "chain", v->chain, v->chain_why);
	for (i = 0; i < v->nnames && i < e->names.n; i++) {
		char *what = mem_printf("dialled as %s", e->names.v[i]);

		page_line(p);
		page_at(p, 2, ROLE_DIM, "%s", what);
		page_at(p, 40, v->name[i] == VERIFIED_OK ? ROLE_GOOD : v->name[i] == VERIFIED_BAD ?
		    ROLE_BAD : ROLE_DIM, v->name[i] == VERIFIED_OK ? "%s covered" :
		    v->name[i] == VERIFIED_BAD ? "%s not covered: verify-full clients refuse it" :
		    "%s not tried", glyph(p->ascii, v->name[i] == VERIFIED_OK ? G_DONE :
		    v->name[i] == VERIFIED_BAD ? G_FAIL : G_DOUBT));
		free(what);
	}
	if (v->client_cert_asked) {
		page_line(p);
		page_at(p, 2, ROLE_WARN, "asks clients for a certificate");
	}
}

/* The revocation has a line of its own on the page; what else would tell it is left out there. */
static bool
tells_revoked(const char *text, const struct cert_row *row)
{
	return row->revoked != NULL && strstr(text, row->revoked) != NULL;
}

/* What else is to be said: of its files, and what it takes. */
static void
add_findings(struct page *p, const struct scene *s, int endpoint, const struct cert_row *row)
{
	const struct reading *depth = board_reading(s->board, READING_DEPTH, endpoint);
	struct strings found = { NULL, 0 };
	size_t i;

	if (depth != NULL) {
		page_line(p);
		page_at(p, 2, ROLE_DIM, "takes");
		page_at(p, 14, ROLE_TEXT, "%s", "");
		for (i = 0; i < DEPTH_VERSIONS; i++)
			if (depth->depth.versions[i] == TRIED_TAKES)
				page_add(p, ROLE_TEXT, "%s ", depth_version_word((int)i));
		for (i = 0; i < depth->depth.nciphers; i++) {
			char *name = mem_printf("%s%s", i == 0 ? "" : ", ", depth->depth.ciphers[i]);

			page_flow(p, 14, ROLE_DIM, name);
			free(name);
		}
	}
	depth_findings(&found, s->fleet, s->board, endpoint, s->now_ms);
	for (i = 0; i < found.n; i++)
		if (!tells_revoked(found.v[i], row))
			page_wrap(p, 2, ROLE_WARN, found.v[i]);
	strings_release(&found);
}

/* What leaked, and who would take it still. */
static void
add_revoked(struct page *p, const struct scene *s, int cert, const struct cert_files *files, const struct posture *seen)
{
	const struct revoked *x;
	char date[LOOK_MAX], *name, *text;
	size_t i, k;

	for (i = 0; i < files->revoked.n; i++) {
		x = &files->revoked.v[i];
		page_line(p);
		page_at(p, 2, ROLE_DIM, "revoked");
		look_date(date, x->at_s * 1000);
		page_at(p, 14, ROLE_TEXT, "sha256 %.16s on %s", x->sha256, date);
		text = revoked_words(x);
		page_wrap(p, 14, ROLE_DIM, text);
		free(text);
		if (x->not_after_s <= s->now_ms / 1000)
			continue;
		page_line(p);
		look_date(date, x->not_after_s * 1000);
		page_at(p, 14, ROLE_WARN, "until %s still taken by ", date);
		for (k = 0; k < s->fleet->nlinks; k++) {
			if (certs_taken(s->fleet, seen, (int)k, cert) == TAKEN_NOT)
				continue;
			name = look_link_name(s->fleet, (int)k, p->ascii);
			text = mem_printf("%s  ", name);
			page_flow(p, 14, ROLE_WARN, text);
			free(text);
			free(name);
		}
	}
	if (files->crl_why != NULL)
		page_wrap(p, 2, ROLE_WARN, files->crl_why);
}

/* What is issued here, and each CA with those who trust it. */
static void
add_issued(struct page *p, const struct scene *s)
{
	const struct cert_files *files;
	struct posture seen;
	enum trust_basis t;
	enum expiry ex;
	int64_t days;
	char date[LOOK_MAX], *name, *text;
	size_t i, k;

	if (s->cert_files == NULL)
		return;
	board_posture(s->board, &seen);
	for (i = 0; i < s->fleet->ncerts; i++) {
		if ((files = s->cert_files(s->arg, (int)i)) == NULL)
			continue;
		page_line(p);
		p->v[p->n - 1].heading = true;
		page_add(p, ROLE_STRONG, " %s", s->fleet->certs[i].name);
		page_add(p, ROLE_DIM, "  %s", s->fleet->certs[i].external ? "watched, and never issued here" : "issued here");
		page_line(p);
		page_at(p, 2, ROLE_DIM, "CA");
		if (certs_ca(files, s->now_ms / 1000, &ex, &days)) {
			look_date(date, files->ca.not_after_s * 1000);
			page_at(p, 14, ROLE_TEXT, "%s to %s", files->ca.subject, date);
			add_left(p, ex, days);
		} else
			page_at(p, 14, files->why == NULL ? ROLE_DIM : ROLE_WARN, "%s", files->why == NULL ? "not known" : files->why);
		if (files->leaf.sha256[0] != '\0') {
			page_line(p);
			page_at(p, 2, ROLE_DIM, "issued last");
			look_date(date, files->leaf.not_after_s * 1000);
			page_at(p, 14, ROLE_TEXT, "sha256 %.16s to %s", files->leaf.sha256, date);
			add_left(p, expiry_of(files->leaf.not_before_s, files->leaf.not_after_s, s->now_ms / 1000,
			    s->fleet->certs[i].warn_ms / 1000), expiry_days(files->leaf.not_after_s, s->now_ms / 1000));
		}
		if (files->lies != NULL)
			page_wrap(p, 2, ROLE_WARN, files->lies);
		add_revoked(p, s, (int)i, files, &seen);
		page_line(p);
		page_at(p, 2, ROLE_DIM, s->fleet->certs[i].client ? "shown by" : "trusted by");
		page_at(p, 14, ROLE_TEXT, "%s", "");
		for (k = 0; s->fleet->certs[i].client && k < s->fleet->nendpoints; k++)
			if (s->fleet->endpoints[k].probe_cert == (int)i) {
				text = mem_printf("belay itself at %s  ", s->fleet->endpoints[k].name);
				page_flow(p, 14, ROLE_TEXT, text);
				free(text);
			}
		for (k = 0; k < s->fleet->nlinks; k++) {
			if (s->fleet->certs[i].client) {
				if (!certs_shows(s->fleet, s->board, (int)k, (int)i))
					continue;
				t = board_present(s->board, (int)k) == (int)i ? TRUST_SEEN : TRUST_DECLARED;
			} else if ((t = certs_trust(s->fleet, &seen, (int)k, (int)i)) == TRUST_NOT)
				continue;
			name = look_link_name(s->fleet, (int)k, p->ascii);
			text = mem_printf("%s%s  ", name, t == TRUST_DECLARED ? " (declared)" : "");
			page_flow(p, 14, t == TRUST_SEEN ? ROLE_TEXT : ROLE_DIM, text);
			free(text);
			free(name);
		}
	}
	posture_release(&seen);
}

void
certs_page(struct page *p, const struct scene *s)
{
	char *text;
	const struct reading *r;
	struct endpoint_view ev;
	struct cert_row row;
	size_t i;

	for (i = 0; i < s->fleet->nendpoints; i++) {
		const struct endpoint *e = &s->fleet->endpoints[i];

		r = board_reading(s->board, READING_SERVED, (int)i);
		scene_endpoint(s, (int)i, &ev);
		scene_cert(s, (int)i, &row);
		page_line(p);
		p->v[p->n - 1].heading = true;
		p->v[p->n - 1].item = (int)i + 1;
		page_add(p, ROLE_STRONG, " %s", e->name);
		if (strcmp(e->name, kind_word(e->kind)) != 0)
			page_add(p, ROLE_DIM, "  %s", kind_word(e->kind));
		page_add(p, ROLE_TEXT, "  accepts %s", accept_word(ev.served));
		if (ev.configured != ACCEPT_UNKNOWN && ev.configured != ev.served)
			page_add(p, ROLE_WARN, ", though set to %s", accept_word(ev.configured));
		add_seen(p, s, READING_SERVED, (int)i);
		if (ev.why[0] != '\0' && !tells_revoked(ev.why, &row))
			page_wrap(p, 2, ROLE_WARN, ev.why);
		if (ev.lasting[0] != '\0')
			page_wrap(p, 2, ROLE_WARN, ev.lasting);
		if (r == NULL)
			continue;
		page_line(p);
		page_at(p, 2, ROLE_DIM, "plaintext");
		page_at(p, 14, ROLE_TEXT, "%s", leg_words(r->served.plain));
		if (r->served.plain_why != NULL)
			page_add(p, ROLE_DIM, ": %s", r->served.plain_why);
		page_line(p);
		page_at(p, 2, ROLE_DIM, "tls");
		page_at(p, 14, ROLE_TEXT, "%s", leg_words(r->served.tls));
		if (r->served.tls_why != NULL)
			page_add(p, ROLE_DIM, ": %s", r->served.tls_why);
		if (r->served.protocol != NULL)
			page_add(p, ROLE_TEXT, ", %s %s", r->served.protocol,
			    r->served.cipher == NULL ? "" : r->served.cipher);
		if (row.c != NULL)
			add_cert(p, s, e, &r->served, &row);
		if (row.revoked != NULL) {
			text = mem_printf("its certificate is no good any more, and is served still: %s", row.revoked);
			page_wrap(p, 2, ROLE_BAD, text);
			free(text);
		}
		if (row.match == MATCH_OTHER)
			page_wrap(p, 2, ROLE_WARN, "another one was issued last: it is not installed, or was not taken over");
		add_findings(p, s, (int)i, &row);
	}
	add_issued(p, s);
}

/* ---- hosts ---- */

void
hosts_page(struct page *p, const struct scene *s)
{
	const struct host_view *hv;
	struct look look;
	char age[LOOK_MAX];
	size_t i;

	page_line(p);
	p->v[p->n - 1].heading = true;
	page_at(p, 1, ROLE_HEADING, "HOST");
	page_at(p, 20, ROLE_HEADING, "REACHED AS");
	page_at(p, 40, ROLE_HEADING, "STATE");
	page_at(p, 54, ROLE_HEADING, "BY");
	page_at(p, 66, ROLE_HEADING, "FOR");
	for (i = 0; i < s->fleet->nhosts; i++) {
		const struct host *h = &s->fleet->hosts[i];

		hv = board_host_view(s->board, (int)i);
		look = look_reach(hv == NULL ? REACH_UNKNOWN : hv->reach);
		page_line(p);
		p->v[p->n - 1].item = (int)i + 1;
		page_col(p, 1, 18, ROLE_STRONG, h->name);
		page_col(p, 20, 19, ROLE_TEXT, h->local ? "this machine" : h->ssh != NULL ? h->ssh :
		    h->address != NULL ? h->address : "");
		page_at(p, 40, look.role, "%s %s", glyph(p->ascii, look.glyph), look.word);
		if (hv == NULL)
			continue;
		page_at(p, 54, ROLE_DIM, "%s", hv->transport);
		look_age(age, s->now_ms, hv->since_ms);
		page_at(p, 66, ROLE_DIM, "%s", age);
		if (hv->why[0] != '\0')
			page_wrap(p, 4, look.role == ROLE_GOOD ? ROLE_DIM : look.role, hv->why);
		if (hv->retry_at_ms > s->now_ms) {
			text_age(age, sizeof(age), hv->retry_at_ms - s->now_ms);
			page_line(p);
			page_at(p, 4, ROLE_DIM, "tried again in %s", age);
		}
	}
}
