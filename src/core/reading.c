/*
 * reading: see reading.h.
 *
 * Owns what a reading holds, and that a fleet has what it speaks of.  Its letter
 * is reading_codec.c's.
 */
#include "core/reading.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/posture.h"
#include "core/setting.h"

size_t
served_names(const struct fleet *fleet, int endpoint, const char *ret[READING_NAMES_MAX])
{
	const struct endpoint *ep = &fleet->endpoints[endpoint];
	const struct link *link;
	size_t n = 0, i, j;

	for (i = 0; i < ep->names.n && n < READING_NAMES_MAX; i++)
		ret[n++] = ep->names.v[i];
	for (i = 0; i < fleet->nlinks && n < READING_NAMES_MAX; i++) {
		link = &fleet->links[i];
		if (link->endpoint != endpoint || link->at == NULL)
			continue;
		for (j = 0; j < n && strcmp(ret[j], link->at) != 0; j++)
			continue;
		if (j == n)
			ret[n++] = link->at;
	}
	return n;
}

const char *
reading_setting(const struct reading *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->settings.n; i++)
		if (setting_name_same(r->settings.v[i].key, name))
			return r->settings.v[i].value;
	return NULL;
}

static void
certificate_release(struct certificate *c)
{
	size_t i;

	free(c->subject);
	free(c->issuer);
	for (i = 0; i < c->nnames; i++)
		free(c->names[i]);
	free(c->key);
	free(c->signature);
	free(c->weak);
	free(c->ends_who);
}

void
straggler_release(struct straggler *s)
{
	free(s->address);
	free(s->user);
	free(s->database);
	free(s->application);
}

void
logins_release(struct logins *l)
{
	size_t i;

	free(l->why);
	free(l->links);
	for (i = 0; i < l->nwho; i++) {
		free(l->who[i].address);
		free(l->who[i].user);
		free(l->who[i].database);
		free(l->who[i].application);
	}
	free(l->who);
	memset(l, 0, sizeof(*l));
}

void
census_release(struct census *c)
{
	size_t i;

	free(c->links);
	for (i = 0; i < c->nstragglers; i++)
		straggler_release(&c->stragglers[i]);
	free(c->stragglers);
	for (i = 0; i < c->ncomplaints; i++)
		free(c->complaints[i].text);
	free(c->complaints);
	logins_release(&c->logins);
	memset(c, 0, sizeof(*c));
}

void
reading_release(struct reading *r)
{
	size_t i;

	free(r->why);
	free(r->over);
	free(r->served.plain_why);
	free(r->served.tls_why);
	free(r->served.bare_why);
	free(r->served.protocol);
	free(r->served.cipher);
	free(r->served.chain_why);
	certificate_release(&r->served.cert);
	census_release(&r->census);
	for (i = 0; i < r->settings.n; i++) {
		free(r->settings.v[i].key);
		free(r->settings.v[i].value);
	}
	free(r->settings.v);
	for (i = 0; i < r->nfacets; i++)
		free(r->facets[i].detail);
	free(r->facets);
	for (i = 0; i < r->nsockets; i++) {
		free(r->sockets[i].address);
		free(r->sockets[i].command);
	}
	free(r->sockets);
	for (i = 0; i < r->nstarted; i++)
		free(r->started[i].differs);
	free(r->started);
	for (i = 0; i < r->nstrings; i++) {
		free(r->strings[i].file);
		free(r->strings[i].variable);
		free(r->strings[i].name);
		free(r->strings[i].text);
	}
	free(r->strings);
	for (i = 0; i < r->nhba; i++) {
		free(r->hba[i].file);
		free(r->hba[i].text);
		free(r->hba[i].why);
	}
	free(r->hba);
	free(r->disk.cert_file);
	free(r->disk.key_file);
	free(r->disk.cert_why);
	free(r->disk.key_why);
	for (i = 0; i < r->depth.nciphers; i++)
		free(r->depth.ciphers[i]);
	free(r->depth.weak);
	memset(r, 0, sizeof(*r));
}

static int
check_index(int index, size_t n, const char *what, struct err *err)
{
	if (index < 0 || (size_t)index >= n)
		return err_set(err, "a reading of %s %d, which the fleet does not have", what, index);
	return 0;
}

static int
check_facet(const struct facet_seen *f, const struct fleet *fleet, struct err *err)
{
	int values;

	switch ((enum facet)f->facet) {
	case FACET_ACCEPT:
		if (check_index(f->subject, fleet->nendpoints, "endpoint", err) == -1)
			return -1;
		values = ACCEPT_UNKNOWN + 1;
		break;
	case FACET_CERT:
		if (check_index(f->subject, fleet->ncerts, "certificate", err) == -1)
			return -1;
		values = FLEET_ITEMS_MAX;
		break;
	case FACET_DIAL:
		if (check_index(f->subject, fleet->nlinks, "link", err) == -1)
			return -1;
		values = DIAL_UNKNOWN + 1;
		break;
	case FACET_TRUST:
		if (check_index(f->subject, fleet->nlinks, "link", err) == -1)
			return -1;
		if (!trust_valid(f->value, fleet->ncerts))
			return err_set(err, "a reading with %d for the CAs that a link trusts", f->value);
		return 0;
	case FACET_PRESENT:
		if (check_index(f->subject, fleet->nlinks, "link", err) == -1)
			return -1;
		values = FLEET_ITEMS_MAX;
		break;
	default:	/* the decoder let none through */
		return err_set(err, "a reading of an unknown facet");
	}
	if (f->value == CERT_UNKNOWN && f->facet != FACET_PRESENT)
		return err_set(err, "a reading of a facet whose value nobody knows");
	if (f->value >= values)
		return err_set(err, "a reading with value %d for a facet that has no such value",
		    f->value);
	return 0;
}

int
reading_check(const struct reading *r, const struct fleet *fleet, struct err *err)
{
	const char *names[READING_NAMES_MAX];
	size_t i;

	switch (r->kind) {
	case READING_SERVED:
	case READING_CENSUS:
	case READING_SETTINGS:
	case READING_DISK:
	case READING_DEPTH:
		if (check_index(r->subject, fleet->nendpoints, "endpoint", err) == -1)
			return -1;
		break;
	case READING_HOST:
		if (check_index(r->subject, fleet->nhosts, "host", err) == -1)
			return -1;
		break;
	case READING_REHEARSAL:
		if (check_index(r->subject, fleet->nlinks, "link", err) == -1)
			return -1;
		break;
	case READING_CHECK:
		break;
	}
	if (r->kind == READING_SERVED && r->served.nnames != 0 &&
	    r->served.nnames != served_names(fleet, r->subject, names))
		return err_set(err, "a reading with %zu names for the endpoint '%s'",
		    r->served.nnames, fleet->endpoints[r->subject].name);
	if (r->kind == READING_SERVED && r->served.chain == VERIFIED_OK && r->served.ca != NONE &&
	    check_index(r->served.ca, fleet->ncerts, "certificate", err) == -1)
		return -1;
	for (i = 0; i < r->census.nlinks; i++)
		if (check_index(r->census.links[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	for (i = 0; i < r->census.nstragglers; i++)
		if (r->census.stragglers[i].link != NONE &&
		    check_index(r->census.stragglers[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	for (i = 0; i < r->census.logins.nlinks; i++)
		if (check_index(r->census.logins.links[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	for (i = 0; i < r->census.logins.nwho; i++)
		if (r->census.logins.who[i].link != NONE &&
		    check_index(r->census.logins.who[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	for (i = 0; i < r->nfacets; i++)
		if (check_facet(&r->facets[i], fleet, err) == -1)
			return -1;
	for (i = 0; i < r->nstarted; i++)
		if (check_index(r->started[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	for (i = 0; i < r->nhba; i++)
		if (check_index(r->hba[i].endpoint, fleet->nendpoints, "endpoint", err) == -1)
			return -1;
	for (i = 0; i < r->nstrings; i++)
		if (check_index(r->strings[i].link, fleet->nlinks, "link", err) == -1)
			return -1;
	return 0;
}
