/*
 * rehearse_client: see rehearse_int.h.
 *
 * Owns what was read of the client's host, until it is read again; a call may hold the CA file
 * longer.  No key is read there: what is shown was made here, and is only compared with what lies there.
 */
#include "remote/rehearse_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/trust.h"
#include "pki/certificate.h"
#include "remote/hostops.h"
#include "remote/tls.h"

static struct ca_file *
ca_file_new(const struct dialling *says)
{
	struct ca_file *a = mem_alloc(sizeof(*a));
	struct err err;

	a->refs = 1;
	a->fd = a->pair_fd = -1;
	a->blind = tls_trust_new(NULL, 0, &err);
	if (a->blind == NULL)
		abort();	/* OpenSSL cannot make a context at all: nothing works here */
	if (says->ca == NULL)
		return a;
	a->fd = memfile_new(says->ca, says->ca_len, a->path);
	a->trust = tls_trust_new(says->ca, says->ca_len, &err);
	if (a->trust == NULL)
		(void)snprintf(a->why, sizeof(a->why), "%.250s", err.msg);
	return a;
}

void
ca_file_drop(struct ca_file *a)
{
	if (a == NULL || --a->refs > 0)
		return;
	if (a->fd != -1)
		(void)close(a->fd);
	if (a->pair_fd != -1)
		(void)close(a->pair_fd);
	tls_trust_free(a->trust);
	tls_trust_free(a->blind);
	free(a);
}

/* Shows what the client does, where that is at hand; else says why not. */
static void
show_pair(const struct rehearsal *r, struct ca_file *a)
{
	const struct dialling *says = &r->says;
	const char *pem = NULL, *name;
	char ours[65], theirs[65];
	int64_t ends_s;
	size_t len = 0;
	struct err err;
	int pair;

	if (says->presents == NONE)
		return;
	if (says->presents < 0) {
		(void)snprintf(a->bare, sizeof(a->bare), "whether it shows a client certificate is not known");
		return;
	}
	name = r->set->fleet->certs[says->presents].name;
	if (r->set->pair != NULL)
		pem = r->set->pair(r->set->arg, says->presents, &len);
	if (pem == NULL)
		(void)snprintf(a->bare, sizeof(a->bare), "it is set to show the client certificate '%.100s', whose key is not at hand here",
		    name);
	else if (says->shows == NULL)
		(void)snprintf(a->bare, sizeof(a->bare), "it is set to show the client certificate '%.100s', and what lies at its place "
		    "was not read", name);
	else if (certificate_on_disk(pem, len, ours, &ends_s, &pair, &err) == -1 ||
	    certificate_on_disk(says->shows, says->shows_len, theirs, &ends_s, &pair, &err) == -1 || strcmp(ours, theirs) != 0)
		(void)snprintf(a->bare, sizeof(a->bare), "it is set to show the client certificate '%.100s', and another one lies at its "
		    "place than was issued last", name);
	else if ((a->pair_fd = memfile_new(pem, len, a->pair_path)) == -1)
		(void)snprintf(a->bare, sizeof(a->bare), "its client certificate cannot be shown: no memory file");
	else if (tls_trust_show(a->blind, pem, len, &err) == -1 ||
	    (a->trust != NULL && tls_trust_show(a->trust, pem, len, &err) == -1))
		(void)snprintf(a->bare, sizeof(a->bare), "its client certificate cannot be shown: %.150s", err.msg);
	else
		a->shows = true;
}

/* What the step will write into the CA file; false: it writes none, or not all of it is known. */
static bool
cas_to_be(const struct rehearsal *r, struct buf *out)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(r->as.trust, v), len;
	const char *pem;

	for (i = 0; i < n; i++) {
		if ((pem = hostops_ca_of(r->set->hostops, v[i], &len)) == NULL)
			return false;
		(void)buf_put(out, pem, len);
		if (len > 0 && pem[len - 1] != '\n')
			(void)buf_puts(out, "\n");
	}
	return n > 0;
}

static void
files_came(void *arg, op_lookup *lookup, void *lookup_arg, const char *why)
{
	struct rehearsal *r = arg;
	struct dialling_to_be to_be = { r->as.to_be, NULL, 0, false };
	rehearsal_read_done *done = r->read_done;
	struct buf cas;
	char *whose;

	r->reading = NULL;
	if (why == NULL) {
		buf_init(&cas, 0);
		if (cas_to_be(r, &cas)) {
			to_be.ca = buf_str(&cas);
			to_be.ca_len = cas.len;
		}
		to_be.lands = r->as.lands;
		dialling_release(&r->says);
		dialling_read(&r->says, r->set->fleet, r->as.link, r->as.dial, &to_be, lookup, lookup_arg);
		if (r->as.trust != NONE && to_be.ca == NULL && r->says.ca_why == NULL && r->says.ca_path != NULL &&
		    !(r->as.lands && r->says.ca != NULL)) {
			free(r->says.ca);
			r->says.ca = NULL;
			whose = trust_words(r->set->fleet, r->as.trust);
			r->says.ca_why = mem_printf("the CA of %s that it will hold is not known here yet", whose);
			free(whose);
		}
		buf_release(&cas);
		r->have = true;
		ca_file_drop(r->ca_file);
		r->ca_file = ca_file_new(&r->says);
		show_pair(r, r->ca_file);
	}
	done(r->read_arg, why);
}

struct rehearsal *
rehearsal_new(const struct rehearsals *set, const struct rehearsal_as *as)
{
	struct rehearsal *r = mem_alloc(sizeof(*r));

	r->set = set;
	r->as = *as;
	return r;
}

void
rehearsal_free(struct rehearsal *r)
{
	if (r == NULL)
		return;
	while (r->calls != NULL)
		rehearsal_call_cancel(r->calls);
	if (r->reading != NULL)
		hostop_cancel(r->reading);
	ca_file_drop(r->ca_file);
	dialling_release(&r->says);
	free(r);
}

void
rehearsal_read(struct rehearsal *r, int64_t deadline_ms, rehearsal_read_done *done, void *arg)
{
	int host = link_host(r->set->fleet, rehearsal_link(r));

	if (r->reading != NULL)
		hostop_cancel(r->reading);
	r->read_done = done;
	r->read_arg = arg;
	r->reading = hostops_files(r->set->hostops, host, deadline_ms, files_came, r);
}

const struct dialling *
rehearsal_says(const struct rehearsal *r)
{
	return r->have ? &r->says : NULL;
}
