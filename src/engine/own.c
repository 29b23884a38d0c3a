/*
 * own: what belay shows of itself to a server that lets nobody in without a certificate.
 *
 * Owns when that is had: what was issued is opened at the start, for whoever looks; issued, or
 * renewed before its end, it is for a step at one of the endpoints that are to be shown it.  One
 * that is external is read from its files on this machine.  The key goes to the workers and nowhere else.
 */
#include <string.h>

#include "core/expiry.h"
#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/secrets.h"
#include "pki/certificate.h"
#include "pki/key.h"

static bool
is_own(const struct fleet *f, int cert)
{
	size_t i;

	for (i = 0; i < f->nendpoints; i++)
		if (f->endpoints[i].probe_cert == cert)
			return true;
	return false;
}

/* As it lies there; its key must not be sealed, and who else can read it is said. */
static void
read_files(struct engine *e, int cert)
{
	const struct cert *c = &e->fleet->certs[cert];
	char of_cert[65], of_key[65];
	struct buf pem, key_pem;
	int64_t from_s, until_s;
	struct err err = { "" };

	buf_init(&pem, SECRET_MAX);
	buf_init(&key_pem, SECRET_MAX);
	key_pem.secret = true;
	if (secret_read_file(c->pair_file, false, &pem, &err) == 0 && secret_read_file(c->pair_key, true, &key_pem, &err) == 0) {
		if (certificate_first(buf_str(&pem), pem.len, of_cert, &from_s, &until_s, &err) == -1)
			(void)err_wrap(&err, "'%s'", c->pair_file);
		else if (key_public_sha(buf_str(&key_pem), key_pem.len, of_key, &err) == -1)
			(void)err_wrap(&err, "'%s'", c->pair_key);
		else if (strcmp(of_cert, of_key) != 0)
			(void)err_set(&err, "'%s' is not the key of '%s'", c->pair_key, c->pair_file);
		else
			material_tell_pair(e, cert, buf_str(&key_pem), buf_str(&pem));
	}
	if (err.msg[0] != '\0')
		engine_tell(e, TELL_WARN, "certificate '%s': %s: belay shows nothing of itself where a client certificate is demanded",
		    c->name, err.msg);
	buf_release(&pem);
	buf_release(&key_pem);
}

void
own_look(const struct engine *e, int cert, struct issued *ret)
{
	struct buf pem;
	struct err err;

	buf_init(&pem, SECRET_MAX);
	if (secret_read_file(e->fleet->certs[cert].pair_file, false, &pem, &err) == 0)
		(void)certificate_look(buf_str(&pem), pem.len, "the certificate", ret, &err);
	buf_release(&pem);
}

void
own_start(struct engine *e)
{
	const struct fleet *f = e->fleet;
	size_t i;

	for (i = 0; i < f->ncerts; i++) {
		if (!is_own(f, (int)i))
			continue;
		if (f->certs[i].external)
			read_files(e, (int)i);
		else if (material_issued(e, (int)i))
			material_open(e, (int)i, NONE);
		else if (e->certs[i].files.leaf.sha256[0] != '\0')
			engine_tell(e, TELL_WARN, "certificate '%s' was revoked: belay shows nothing of itself where a client "
			    "certificate is demanded, until a step there brings another", f->certs[i].name);
	}
}

bool
own_awaited(const struct engine *e, int endpoint)
{
	int cert = e->fleet->endpoints[endpoint].probe_cert;

	return cert != NONE && e->certs[cert].opening && e->certs[cert].making;
}

static bool
concerns(const struct fleet *f, const struct step *s, int endpoint)
{
	const struct move *m;
	size_t i;

	for (i = 0; i < s->ndrains; i++)
		if (s->drains[i].endpoint == endpoint)
			return true;
	for (i = 0; i < s->nmoves; i++) {
		m = &s->moves[i];
		if (m->facet == FACET_ACCEPT ? m->subject == endpoint : m->facet == FACET_CERT ?
		    indices_has(&f->certs[m->subject].serves, endpoint) : f->links[m->subject].endpoint == endpoint)
			return true;
	}
	return false;
}

/*
 * The way back of a step where the one that there is was revoked, is about to end or stayed shut: that is tried once.  What is
 * opened for other steps is not waited for: a person may be asked for its passphrase.
 */
int
own_need(struct engine *e, int step)
{
	size_t i;
	int cert;

	for (i = 0; i < e->fleet->nendpoints; i++) {
		cert = e->fleet->endpoints[i].probe_cert;
		if (cert != NONE && e->certs[cert].opening && concerns(e->fleet, &e->plan->steps[step], (int)i))
			return 1;
	}
	cert = own_wanted(e, step);
	if (cert == NONE || e->certs[cert].back == step || e->certs[cert].ca == NULL || e->certs[cert].files.leaf.sha256[0] == '\0')
		return 0;
	e->certs[cert].back = step;
	material_open(e, cert, step);
	return e->certs[cert].opening ? 1 : 0;
}

int
own_wanted(struct engine *e, int step)
{
	const struct fleet *f = e->fleet;
	const struct cert_files *files;
	size_t i;
	int cert;

	for (i = 0; i < f->nendpoints; i++) {
		cert = f->endpoints[i].probe_cert;
		if (cert == NONE || f->certs[cert].external || !concerns(f, &e->plan->steps[step], (int)i))
			continue;
		if (!material_issued(e, cert) || e->certs[cert].key == NULL)
			return cert;
		files = engine_cert_files(e, cert);
		/* Whether it is time is decided where it is made; it is looked at once for each step. */
		if (e->certs[cert].renewed != step && expiry_of(files->leaf.not_before_s, files->leaf.not_after_s,
		    engine_now_ms(e) / 1000, f->certs[cert].warn_ms / 1000) != EXPIRY_FAR)
			return cert;
	}
	return NONE;
}
