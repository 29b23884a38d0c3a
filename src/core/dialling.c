/*
 * dialling: see dialling.h.  Holds no state; whether the mode would get in is
 * attempt.c's, and remote/rehearse.c's to try.
 */
#include "core/dialling.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/connurl.h"
#include "core/edittext.h"
#include "core/fill.h"
#include "core/mem.h"
#include "core/posture.h"
#include "core/reading.h"
#include "core/urlfile.h"

/* The link whose settings are this one's: of one that follows another, that one's. */
static int
settings_of(const struct fleet *f, int link)
{
	while (f->links[link].how == DIAL_FOLLOWS && f->links[link].follows != NONE)
		link = f->links[link].follows;
	return link;
}

static void
read_mode(struct dialling *d, const struct fleet *f, int link, enum dial otherwise, op_lookup *lookup, void *arg)
{
	struct reading r;
	size_t i;

	memset(&r, 0, sizeof(r));
	d->dial = otherwise;
	facets_seen(&r, f, link_host(f, &f->links[link]), lookup, NULL, arg);
	for (i = 0; i < r.nfacets; i++) {
		if (r.facets[i].facet == FACET_PRESENT && r.facets[i].subject == link)
			d->presents = r.facets[i].value;
		if (r.facets[i].facet != FACET_DIAL || r.facets[i].subject != link)
			continue;
		if (r.facets[i].value >= 0 && r.facets[i].value < DIAL_UNKNOWN)
			d->dial = (enum dial)r.facets[i].value;
		else if (otherwise == DIAL_UNKNOWN && d->why == NULL)
			d->why = mem_strdup(r.facets[i].detail != NULL ? r.facets[i].detail : "what is written matches no value");
	}
	reading_release(&r);
	if (d->dial == DIAL_UNKNOWN && d->why == NULL)
		d->why = mem_strdup("no file of its host says how it dials");
}

static bool
mentions_ca(const struct binding *b)
{
	size_t i, k;

	for (i = 0; i < b->n; i++) {
		for (k = 0; k < b->v[i].set.n; k++)
			if (fill_mentions(b->v[i].set.v[k].value, "ca_file"))
				return true;
		if ((b->v[i].content != NULL && fill_mentions(b->v[i].content, "ca_file")) ||
		    (b->v[i].run != NULL && fill_mentions(b->v[i].run, "ca_file")))
			return true;
	}
	return false;
}

static bool
reads_ca(const struct link *l, enum dial dial)
{
	bool some = false;
	int v;

	for (v = 0; v < DIAL_COUNT; v++)
		some = some || mentions_ca(&l->dial[v]);
	return !some || dial == DIAL_UNKNOWN || mentions_ca(&l->dial[dial]);
}

static void
read_ca(struct dialling *d, const struct link *l, const struct dialling_to_be *to_be, op_lookup *lookup, void *arg)
{
	const char *text = NULL, *why = NULL;
	size_t len = 0;

	if (l->trust_file == NULL || !reads_ca(l, d->dial))
		return;
	d->ca_path = l->trust_file;
	if (to_be != NULL && to_be->ca != NULL && !to_be->lands) {
		text = to_be->ca;
		len = to_be->ca_len;
	} else if (lookup(arg, l->trust_file, &text, &len, &why) != 0) {
		d->ca_why = mem_strdup(why == NULL ? "not read" : why);
		return;
	}
	if (text != NULL && len > DIALLING_CA_MAX) {
		d->ca_why = mem_strdup("too large");
		return;
	}
	if (text == NULL && to_be != NULL && to_be->lands) {
		text = to_be->ca;
		len = to_be->ca_len;
	}
	if (text == NULL)
		return;
	d->ca = mem_strndup(text, len);
	d->ca_len = len;
}

/* Whether it is what was issued is the business of who shows it. */
static void
read_shown(struct dialling *d, const struct fleet *f, int link, op_lookup *lookup, void *arg)
{
	const struct link *l = &f->links[link];
	const char *text = NULL, *why = NULL;
	size_t len = 0;

	if (d->presents == NONE || l->presents.file == NULL || link_host(f, l) == NONE ||
	    lookup(arg, l->presents.file, &text, &len, &why) != 0 || text == NULL || len > DIALLING_CA_MAX)
		return;
	d->shows = mem_strndup(text, len);
	d->shows_len = len;
}

/* Name and port of the URL in the variable; false: there is none, or it has several hosts. */
static bool
by_url(struct dialling *d, const char *text, size_t len, const char *variable)
{
	struct buf url, host, port;
	bool found = false;

	buf_init(&url, CONNURL_MAX);
	url.secret = true;
	buf_init(&host, FLEET_NAME_MAX * 4);
	buf_init(&port, 16);
	if (text_get(TEXT_ENV, text, len, variable, &url) && connurl_get(buf_str(&url), url.len, "host", &host) &&
	    host.len > 0 && strchr(buf_str(&host), ',') == NULL) {
		found = true;
		free(d->name);
		d->name = mem_strdup(buf_str(&host));
		if (connurl_get(buf_str(&url), url.len, "port", &port) && atoi(buf_str(&port)) > 0)
			d->port = atoi(buf_str(&port));
	}
	buf_release(&url);
	buf_release(&host);
	buf_release(&port);
	return found;
}

/* The variable whose URL the edit edits, at the client; the caller frees. */
static char *
url_variable(const struct fleet *f, const struct link *l, const struct bedit *e)
{
	const char *name = e->set.n > 0 ? e->set.v[0].key : e->unset.n > 0 ? e->unset.v[0] : NULL, *part;
	int host = link_host(f, l);
	size_t i;
	bool here = e->on.n == 0;

	for (i = 0; i < e->on.n; i++)
		here = here || fleet_base(f, e->on.v[i]) == host;
	if (e->kind != EDIT_URL || e->file == NULL || e->not_yet != NULL || name == NULL || !here)
		return NULL;
	return mem_strndup(name, urlfile_split(name, &part));
}

static void
read_address(struct dialling *d, const struct fleet *f, const struct link *l, op_lookup *lookup, void *arg)
{
	const char *text = NULL, *why = NULL;
	char *variable;
	size_t i, len = 0;
	int v;

	for (v = 0; v < DIAL_COUNT; v++)
		for (i = 0; i < l->dial[v].n && !d->by_url; i++) {
			if ((variable = url_variable(f, l, &l->dial[v].v[i])) == NULL)
				continue;
			if (lookup(arg, l->dial[v].v[i].file, &text, &len, &why) == 0 && text != NULL)
				d->by_url = by_url(d, text, len, variable);
			free(variable);
		}
}

void
dialling_read(struct dialling *d, const struct fleet *f, int link, enum dial otherwise,
    const struct dialling_to_be *to_be, op_lookup *lookup, void *arg)
{
	int settings = settings_of(f, link);
	const struct link *l = &f->links[settings];
	int port;

	memset(d, 0, sizeof(*d));
	d->presents = f->links[link].presents.cert == NONE ? NONE : CERT_UNKNOWN;
	if (link_host(f, l) == link_host(f, &f->links[link]))
		read_mode(d, f, settings, otherwise, lookup, arg);
	else if ((d->dial = otherwise) == DIAL_UNKNOWN)
		d->why = mem_strdup("it follows a client of another host");
	d->name = mem_strdup(link_dials_name(f, &f->links[link]));
	d->port = port = link_dials_port(f, &f->links[link], d->dial);
	if (settings == link)
		read_address(d, f, l, lookup, arg);
	if (to_be != NULL && to_be->dial != DIAL_UNKNOWN) {
		/* A step moves the port where the mode has one of its own. */
		if (port != link_dials_port(f, &f->links[link], to_be->dial))
			d->port = link_dials_port(f, &f->links[link], to_be->dial);
		d->dial = to_be->dial;
		free(d->why);
		d->why = NULL;
	}
	read_ca(d, &f->links[link], to_be, lookup, arg);
	read_shown(d, f, link, lookup, arg);
}

void
dialling_release(struct dialling *d)
{
	free(d->why);
	free(d->name);
	free(d->ca);
	free(d->ca_why);
	mem_wipe_free(d->shows, d->shows_len);	/* a key may lie beside it */
	memset(d, 0, sizeof(*d));
}
