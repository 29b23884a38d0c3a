/*
 * material: certificates for the steps, and what opens the keys that they are made with.  Owns
 * what was made, no longer than it is needed, in memory that is wiped.
 *
 * No key and no passphrase is ever written, shown or put into words here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/expiry.h"
#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/secrets.h"
#include "engine/thread.h"
#include "pki/authority.h"
#include "pki/certificate.h"

/* The certificate that stands for the CA which signs. */
static const struct cert *
authority_of(const struct engine *e, int cert)
{
	return &e->fleet->certs[cert_authority(e->fleet, cert)];
}

/* Its files in the CA's directory: the CA's own certificate has no name there. */
static char *
leaf_name(const struct engine *e, int cert)
{
	char *name, *p;

	if (!e->fleet->certs[cert].under_other)
		return NULL;
	name = mem_strdup(e->fleet->certs[cert].name);
	for (p = name; *p != '\0'; p++)
		if (*p == '/')
			*p = '_';
	return name;
}

static char *
cert_dir(const struct engine *e, int cert)
{
	const struct cert *c = authority_of(e, cert);
	struct buf name = { 0 };
	char *dir;
	size_t i;

	if (c->ca_dir != NULL)
		return operators_path(c->ca_dir);
	/* One authority for each certificate of each fleet's environment. */
	buf_printf(&name, "%s-%s", e->fleet->environment == NULL ? "fleet" : e->fleet->environment, c->name);
	for (i = 0; i < name.len; i++)
		if (name.data[i] == '/' || (i == 0 && name.data[i] == '.'))
			name.data[i] = '_';
	dir = mem_printf("%s/ca-%s", e->state_dir, buf_str(&name));
	buf_release(&name);
	return dir;
}

/* The file of the CA that clients trust, where it is not in our own directory; or NULL. */
static const char *
ca_file_of(const struct cert *c)
{
	if (c->external)
		return c->ca_file != NULL && strcmp(c->ca_file, "system") != 0 ? c->ca_file : NULL;
	return c->issuer == ISSUER_GIVEN || c->issuer == ISSUER_COMMAND ? c->issuer_ca : NULL;
}

/* The CA to verify against, where it is known without a passphrase. */
static void
tell_ca(struct engine *e, int cert)
{
	const struct cert *c = authority_of(e, cert);
	struct cert_memory *m = &e->certs[cert];
	struct buf pem;
	struct err err;
	char *path;
	int fd;

	if (m->ca == NULL && ca_file_of(c) != NULL) {
		path = operators_path(ca_file_of(c));
		buf_init(&pem, SECRET_MAX);
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
		if (fd == -1 || secret_read_fd(fd, &pem, path, &err) != 0)
			engine_tell(e, TELL_WARN, "certificate '%s': cannot read its CA '%s': %s",
			    c->name, path, fd == -1 ? strerror(errno) : err.msg);
		else
			m->ca = buf_take(&pem, NULL);
		if (fd != -1)
			(void)close(fd);
		buf_release(&pem);
		free(path);
	} else if (m->ca == NULL && !c->external) {
		path = cert_dir(e, cert);
		(void)authority_ca(path, &m->ca, &err);
		free(path);
	}
	if (m->ca != NULL)
		workers_ca(e->workers, cert, m->ca, strlen(m->ca));
}

/* The files that say what was issued, and who signs; no passphrase is needed for any of it. */
static void
look_at_files(struct engine *e, int cert)
{
	const struct cert *c = authority_of(e, cert);
	struct cert_memory *m = &e->certs[cert];
	struct cert_files f = { 0 };
	char *dir = cert_dir(e, cert), *leaf = leaf_name(e, cert), *pem = NULL, *path;
	struct err err;

	m->leaf_ms = 0;
	if (!c->external && authority_leaf(dir, leaf, &pem, &err) == 0) {
		(void)certificate_look(pem, strlen(pem), "leaf.pem", &f.leaf, &err);
		m->leaf_ms = authority_leaf_ms(dir, leaf);
	}
	free(pem);
	free(leaf);
	if (c->external && e->fleet->certs[cert].client)
		own_look(e, cert, &f.leaf);
	if (m->ca != NULL) {
		if (certificate_look(m->ca, strlen(m->ca), "the CA", &f.ca, &err) != 0)
			f.why = mem_strdup(err.msg);
	} else if (ca_file_of(c) != NULL)
		f.why = mem_printf("'%s' cannot be read", ca_file_of(c));
	if (!c->external && authority_revoked(dir, &f.revoked, &f.crl, &err) != 0)
		f.crl_why = mem_strdup(err.msg);
	else if (f.revoked.n > 0 && f.crl == NULL)
		f.crl_why = mem_strdup(c->issuer == ISSUER_COMMAND ? "the CA is not signed for here: it has to be revoked there, too" :
		    "no list of it that names them all was signed by the CA, which may be one that must not");
	if (c->issuer == ISSUER_GIVEN || c->issuer == ISSUER_IMPORTED) {
		path = operators_path(c->issuer_key);
		f.lies = authority_key_lies(path);
		free(path);
	}
	free(dir);
	cert_files_release(&m->files);
	m->files = f;
	m->looked = true;
	leaves_settle(e, cert);
	board_revoked(e->board, cert, &m->files.revoked);
}

const struct cert_files *
engine_cert_files(const struct engine *e, int cert)
{
	return e->certs[cert].looked ? &e->certs[cert].files : NULL;
}

void
material_start(struct engine *e)
{
	size_t i;

	for (i = 0; i < e->fleet->ncerts; i++) {
		tell_ca(e, (int)i);
		look_at_files(e, (int)i);
	}
	own_start(e);
}

/* A certificate in the making, on the thread. */
struct making {
	struct engine *engine;
	int	 cert;
	char	*dir, *leaf;
	struct authority_request request;
	char	*replace, *reason;
	bool	 revokes, opens;	/* and nothing else */
	bool	 own;			/* belay's, and nothing fails for want of it */
	struct strings names;
	char	*ca_file, *ca_key_file, *sign_in;
	const char **sign;
	char	*passphrase;
	struct authority_material made;
	struct err err;
	int	 rc;
};

static void
on_make(void *arg)
{
	struct making *m = arg;

	m->rc = m->revokes ? authority_revoke(&m->request, m->made.revoked_sha256, &m->err) :
	    m->opens ? authority_open(&m->request, &m->made, &m->err) :
	    authority_ensure(&m->request, &m->made, &m->err);
}

/* A client's is shown in its place by those who rehearse it, and belay's own by all who look. */
void
material_tell_pair(struct engine *e, int cert, const char *key_pem, const char *leaf_pem)
{
	size_t len;
	char *pem;

	if (!e->fleet->certs[cert].client)
		return;
	pem = mem_printf("%s\n%s", key_pem, leaf_pem);
	len = strlen(pem);
	workers_pair(e->workers, cert, pem, len);
	mem_wipe_free(pem, len);
}

/* Whoever waits for it goes on, or is told; where belay's own stays shut nobody may be waiting. */
static void
ready(struct engine *e, bool opens, bool ok, const char *why)
{
	if (opens) {
		watch_all_soon(e);	/* what was turned away is let in now, or is no longer waited for */
		engine_arm(e);
	}
	if (opens && !ok)
		engine_tell(e, TELL_WARN, "%s: belay shows nothing of itself where a client certificate is demanded", why);
	/* A way back does not wait for what may not be needed: a server that demands it says so. */
	engine_material_ready(e, ok || opens, why);
}

static void
on_made(void *arg)
{
	struct making *m = arg;
	struct engine *e = m->engine;
	struct cert_memory *c = &e->certs[m->cert];
	const char *name = e->fleet->certs[m->cert].name;
	char why[ERR_MAX + 160];
	char *text;
	size_t i;

	c->making = c->opening = false;
	if (m->made.revoked_sha256[0] != '\0') {
		text = mem_printf("certificate of '%s', sha256 %.16s: %s", name, m->made.revoked_sha256, m->reason);
		(void)past_note(e, NONE, "revoked", text, NULL);
		engine_tell(e, TELL_NOTE, "revoked the %s", text);
		free(text);
	}
	if (m->rc == 0 && m->revokes)
		look_at_files(e, m->cert);
	else if (m->rc == 0) {
		free(c->ca);
		free(c->leaf);
		mem_wipe_free(c->key, c->key_len);
		c->ca = mem_strdup(m->made.ca_pem);
		c->leaf = mem_strdup(m->made.leaf_pem);
		c->key = mem_strndup(m->made.key_pem, m->made.key_len);
		c->key_len = m->made.key_len;
		material_tell_pair(e, m->cert, c->key, c->leaf);
		c->renewed = c->renewing;
		free(c->replaced);
		c->replaced = mem_strdup(m->replace);
		if (m->made.warning != NULL)
			engine_tell(e, TELL_WARN, "certificate '%s': %s", name, m->made.warning);
		if (m->made.imported) {
			text = mem_printf("CA of '%s' taken over", name);
			(void)past_note(e, NONE, "made", text, NULL);
			engine_tell(e, TELL_NOTE, "%s", text);
			free(text);
		}
		if (c->renewing != NONE && !m->made.made_leaf)
			engine_tell(e, TELL_NOTE, "certificate '%s' is kept: %lld days are left", name,
			    (long long)expiry_days(m->made.leaf_not_after_s, m->request.now_s));
		if (m->made.made_ca || m->made.made_leaf) {
			text = mem_printf("%s%s%s of '%s'", m->made.made_ca ? "CA" : "",
			    m->made.made_ca && m->made.made_leaf ? " and " : "",
			    m->made.made_leaf ? e->fleet->certs[m->cert].client ? "client's certificate" : "server certificate" : "", name);
			(void)past_note(e, NONE, "made", text, NULL);
			engine_tell(e, TELL_NOTE, "made %s", text);
			free(text);
		}
		for (i = 0; !e->stopping && i < e->fleet->ncerts; i++)
			if (cert_authority(e->fleet, (int)i) == cert_authority(e->fleet, m->cert))
				tell_ca(e, (int)i);
		look_at_files(e, m->cert);
		(void)snprintf(c->leaf_sha, sizeof(c->leaf_sha), "%s", c->files.leaf.sha256);
	}
	(void)snprintf(why, sizeof(why), "certificate '%s': %s", name, m->err.msg);
	if (m->revokes)
		leak_revoked(e, m->rc == 0 ? NULL : why);
	else if (!e->stopping)
		ready(e, m->own, m->rc == 0, why);
	authority_material_release(&m->made);
	strings_release(&m->names);
	if (m->passphrase != NULL)
		mem_wipe_free(m->passphrase, strlen(m->passphrase));
	free(m->ca_file);
	free(m->ca_key_file);
	free(m->sign_in);
	free(m->sign);
	free(m->replace);
	free(m->reason);
	free(m->dir);
	free(m->leaf);
	free(m);
}

static void
add_name(struct strings *names, const char *name)
{
	size_t i;

	for (i = 0; i < names->n; i++)
		if (strcmp(names->v[i], name) == 0)
			return;
	*(char **)mem_push(&names->v, &names->n, sizeof(*names->v)) = mem_strdup(name);
}

static void
add_issuer(struct making *m, const struct cert *c)
{
	static const enum authority_issuer issuers[] = {
		[ISSUER_OWN] = AUTHORITY_OWN, [ISSUER_IMPORTED] = AUTHORITY_IMPORTED,
		[ISSUER_GIVEN] = AUTHORITY_GIVEN, [ISSUER_COMMAND] = AUTHORITY_COMMAND,
	};
	size_t i;

	m->request.issuer = issuers[c->issuer];
	m->request.ca_file = m->ca_file = c->issuer_ca == NULL ? NULL : operators_path(c->issuer_ca);
	m->request.ca_key_file = m->ca_key_file = c->issuer_key == NULL ? NULL : operators_path(c->issuer_key);
	m->request.sign_in = m->sign_in = c->issuer_in == NULL ? NULL : operators_path(c->issuer_in);
	m->request.sign_deadline_ms = c->issuer_deadline_ms;
	m->request.sign = m->sign = mem_array(c->issuer_run.n + 1, sizeof(*m->sign));
	for (i = 0; i < c->issuer_run.n; i++)
		m->sign[i] = c->issuer_run.v[i];
}

static void
make(struct engine *e, int cert, const char *passphrase)
{
	const struct fleet *f = e->fleet;
	const struct cert *c = &f->certs[cert];
	struct making *m = mem_alloc(sizeof(*m));
	size_t i, k;

	m->engine = e;
	m->cert = cert;
	m->dir = cert_dir(e, cert);
	m->leaf = leaf_name(e, cert);
	m->passphrase = mem_strdup(passphrase);
	m->revokes = e->revoking == cert;
	m->own = e->certs[cert].opening;
	m->opens = m->own && e->certs[cert].renewing == NONE;
	m->replace = mem_strdup(e->certs[cert].replacing);
	m->reason = e->reason != NULL ? mem_strdup(e->reason) : mem_printf("replaced by the plan '%s'",
	    e->plan == NULL ? "" : e->plan->name);
	m->request.cert = c->name;
	m->request.replace = m->replace;
	m->request.by = e->who;
	m->request.reason = m->reason;
	if (c->client)
		add_name(&m->names, c->subject);
	/* Its own names, or every one that is dialled at what it serves (cert_covers()). */
	for (i = 0; i < c->names.n; i++)
		add_name(&m->names, c->names.v[i]);
	for (i = 0; c->names.n == 0 && i < c->serves.n; i++) {
		const struct endpoint *ep = &f->endpoints[c->serves.v[i]];

		for (k = 0; k < ep->names.n; k++)
			add_name(&m->names, ep->names.v[k]);
		for (k = 0; k < f->nlinks; k++)
			if (f->links[k].endpoint == c->serves.v[i] &&
			    link_dials_name(f, &f->links[k]) != NULL)
				add_name(&m->names, link_dials_name(f, &f->links[k]));
	}
	m->request.dir = m->dir;
	m->request.leaf = m->leaf;
	m->request.use = c->client ? CERTIFICATE_OF_CLIENT : CERTIFICATE_OF_SERVER;
	m->request.name = authority_of(e, cert)->name;
	m->request.profile = c->profile;
	m->request.names = (const char *const *)m->names.v;
	m->request.nnames = m->names.n;
	m->request.leaf_ms = c->leaf_ms;
	m->request.renew_within_ms = e->certs[cert].renewing != NONE ? c->warn_ms : 0;
	add_issuer(m, authority_of(e, cert));
	m->request.stop = &e->making_stops;
	m->request.now_s = engine_now_ms(e) / 1000;
	m->request.passphrase = m->passphrase;
	m->request.passphrase_len = strlen(m->passphrase);
	e->certs[cert].making = true;
	/* A thread of its own: a command that signs takes its time, and the journal does not wait for it. */
	thread_do(e->making, on_make, on_made, m);
}

/* What a command printed opens the key; a making that fails for want of it is told as such. */
static void
fetched(struct engine *e, int cert, struct buf *value, const char *why)
{
	char text[256];
	bool opens = e->certs[cert].opening;

	e->certs[cert].making = false;
	/* Of two who asked for it the first was served with it, and went: nothing is made for nobody. */
	if (!opens && e->waiting_step == NONE && e->revoking != cert)
		return;
	if (why == NULL) {
		secret_trim(value);
		make(e, cert, buf_str(value));
		return;
	}
	e->certs[cert].opening = false;
	(void)snprintf(text, sizeof(text), "passphrase of '%s': %s", e->fleet->certs[cert].name, why);
	ready(e, opens, false, text);
}

/* A person is asked; a new passphrase twice. */
static int
ask_passphrase(struct engine *e, int cert, const char *what, struct err *err)
{
	const struct cert *c = authority_of(e, cert);
	char title[256], *dir;
	bool is_new;

	if (e->events == NULL || e->events->ask == NULL)
		return err_set(err, "the keys of '%s' need their passphrase; name a secret "
		    "for it in the fleet file (certs: %s: passphrase:)", c->name, c->name);
	dir = cert_dir(e, cert);
	is_new = !authority_exists(dir) && c->issuer != ISSUER_IMPORTED && c->issuer != ISSUER_GIVEN;
	free(dir);
	if (what != NULL)
		(void)snprintf(title, sizeof(title), "%s (passphrase of '%s')", what, c->name);
	else
		(void)snprintf(title, sizeof(title), "passphrase of the %s of '%s'",
		    c->issuer == ISSUER_COMMAND ? "leaf's key" : "CA key", c->name);
	(void)engine_put_ask(e, ASK_CA_PASSPHRASE, cert, NULL, title,
	    !is_new ? NULL : c->issuer == ISSUER_COMMAND ? "it seals the keys that are kept here" :
	    "a new CA is made; nobody can renew without this passphrase", is_new);
	return 1;
}

/* From where the fleet says; 1: making has begun, or will. */
static int
find_passphrase(struct engine *e, int cert, struct err *err)
{
	const struct cert *c = authority_of(e, cert);
	const struct secret *s;
	struct buf value;
	int rc = -1;

	if (c->passphrase == NONE)
		return ask_passphrase(e, cert, NULL, err);
	s = &e->fleet->secrets[c->passphrase];
	buf_init(&value, SECRET_MAX);
	value.secret = true;
	switch (s->source) {
	case SECRET_FILE:
	case SECRET_ENV:
		rc = secret_read(s, &value, err);
		break;
	case SECRET_FD:
		/* It gives what it has once; several certificates may want it. */
		if (e->passphrases[c->passphrase].len > 0)
			rc = 0;
		else if ((rc = secret_read(s, &e->passphrases[c->passphrase], err)) == 0)
			secret_trim(&e->passphrases[c->passphrase]);
		if (rc == 0)
			(void)buf_puts(&value, buf_str(&e->passphrases[c->passphrase]));
		break;
	case SECRET_COMMAND:
		e->certs[cert].making = true;
		secret_fetch(e, c->passphrase, fetched, cert);
		buf_release(&value);
		return 1;
	case SECRET_PROMPT:
		buf_release(&value);
		return ask_passphrase(e, cert, s->prompt, err);
	case SECRET_HOST_ENV:
	case SECRET_OBJECT:
		(void)err_set(err, "the secret '%s' lies on a host, where no passphrase of a CA belongs", s->name);
		break;
	}
	if (rc == 0) {
		secret_trim(&value);
		make(e, cert, buf_str(&value));
	}
	buf_release(&value);
	return rc == 0 ? 1 : err_wrap(err, "passphrase of the CA of '%s'", c->name);
}

/* Is it there, and still good?  One that somebody revoked meanwhile is not. */
static bool
at_hand(struct engine *e, int cert)
{
	const struct cert_memory *m = &e->certs[cert];

	if (m->key == NULL)
		return false;
	look_at_files(e, cert);
	return revoked_by_sha(&m->files.revoked, m->leaf_sha) == NULL;
}

bool
material_issued(struct engine *e, int cert)
{
	const struct cert_memory *m = &e->certs[cert];

	look_at_files(e, cert);
	return m->files.leaf.sha256[0] != '\0' && revoked_by_sha(&m->files.revoked, m->files.leaf.sha256) == NULL;
}

void
material_open(struct engine *e, int cert, int step)
{
	struct err err;

	free(e->certs[cert].replacing);
	e->certs[cert].replacing = NULL;
	e->certs[cert].renewing = step;
	e->certs[cert].opening = true;
	if (find_passphrase(e, cert, &err) == -1) {
		e->certs[cert].opening = false;
		ready(e, true, false, err.msg);
	}
}

/* Was it replaced for this run and step, and is what came of it in memory? */
static bool
replaced_for(const struct engine *e, int cert, const char *word)
{
	const struct cert_memory *m = &e->certs[cert];

	return word != NULL && m->key != NULL && m->replaced != NULL && strcmp(m->replaced, word) == 0;
}

bool
material_at_hand(const struct engine *e, int step)
{
	const struct step *s = &e->plan->steps[step];
	char *word = leak_word(e, step);
	bool is = true;
	size_t i;

	for (i = 0; i < s->nmoves && is; i++)
		if (s->moves[i].facet == FACET_CERT && s->moves[i].replace)
			is = replaced_for(e, s->moves[i].subject, word);
	free(word);
	return is;
}

/*
 * What leaked is replaced when the step is applied, and not for somebody who looks what it would do; but
 * what was replaced for this run is there to be looked at.
 */
static bool
replaces_now(struct engine *e, int cert, enum verb verb, char *word)
{
	struct cert_memory *m = &e->certs[cert];

	look_at_files(e, cert);
	if (replaced_for(e, cert, word) ||
	    (verb == VERB_PREVIEW &&
	    (word == NULL || revoked_for(&m->files.revoked, e->fleet->certs[cert].name, word) == NULL))) {
		free(word);
		return false;
	}
	free(m->replacing);
	m->replacing = word;
	return true;
}

/* The certificate whose material the move's edits hold, or NONE; *ret_ca: its CA's alone. */
static int
needed(const struct fleet *f, const struct move *m, bool *ret_ca)
{
	const struct endpoint *ep;

	*ret_ca = false;
	switch (m->facet) {
	case FACET_CERT:
		return m->subject;
	case FACET_PRESENT:
		return m->value;
	case FACET_ACCEPT:
		ep = &f->endpoints[m->subject];
		*ret_ca = true;
		return ep->clients != NONE && !f->certs[ep->clients].external && ep->knows[m->value] ?
		    cert_authority(f, ep->clients) : NONE;
	case FACET_DIAL:
	case FACET_TRUST:
		break;
	}
	return NONE;
}

/*
 * A client's certificate that a rehearsal of the step shows in its place, and whose key is not at hand though it was made
 * here; or NONE.
 */
static int
shown_in_place(struct engine *e, const struct check *v, size_t n)
{
	size_t i;
	int cert;

	for (i = 0; i < n; i++) {
		if (v[i].kind != CHECK_REHEARSAL || v[i].link == NONE || (cert = e->fleet->links[v[i].link].presents.cert) == NONE ||
		    e->fleet->certs[cert].external || e->certs[cert].key != NULL)
			continue;
		look_at_files(e, cert);
		if (e->certs[cert].files.leaf.sha256[0] != '\0')
			return cert;
	}
	return NONE;
}

int
material_need(struct engine *e, int step, enum verb verb, struct err *err)
{
	const struct step *s = &e->plan->steps[step];
	int v[TRUST_CERTS_MAX], shown;
	bool ca_alone;
	size_t i, k, n;

	for (i = 0; i < s->nmoves; i++) {
		int cert = needed(e->fleet, &s->moves[i], &ca_alone);

		/* A CA is made before somebody is to trust it, and its certificate with it. */
		n = s->moves[i].facet == FACET_TRUST ? trust_certs(s->moves[i].value, v) : 0;
		for (k = 0; k < n; k++) {
			if (e->certs[v[k]].ca != NULL || e->fleet->certs[v[k]].external)
				continue;
			if (e->certs[v[k]].making)
				return 1;
			e->certs[v[k]].renewing = NONE;
			return find_passphrase(e, v[k], err);
		}
		if (cert == NONE || (ca_alone && e->certs[cert].ca != NULL))
			continue;
		if (e->fleet->certs[cert].external)
			return err_set(err, "certificate '%s' is external: it is watched, not issued",
			    e->fleet->certs[cert].name);
		if (e->certs[cert].making)
			return 1;
		if (s->moves[i].replace) {
			if (!replaces_now(e, cert, verb, leak_word(e, step)))
				continue;
		} else {
			/* What is at hand may be about to end: whether it is to be renewed is decided where it is made. */
			if (at_hand(e, cert) && (!s->moves[i].renew || e->certs[cert].renewed == step))
				continue;
			free(e->certs[cert].replacing);
			e->certs[cert].replacing = NULL;
		}
		e->certs[cert].renewing = s->moves[i].renew ? step : NONE;
		return find_passphrase(e, cert, err);
	}
	if (verb != VERB_APPLY && verb != VERB_RETRY)
		return 0;
	if ((shown = own_wanted(e, step)) != NONE) {
		if (e->certs[shown].making || e->certs[shown].opening)
			return 1;
		e->certs[shown].renewing = step;
		return find_passphrase(e, shown, err);
	}
	shown = shown_in_place(e, s->requires, s->nrequires);
	if (shown == NONE)
		shown = shown_in_place(e, s->gates, s->ngates);
	if (shown == NONE)
		return 0;
	if (e->certs[shown].making)
		return 1;
	e->certs[shown].renewing = NONE;
	return find_passphrase(e, shown, err);
}

int
material_revoke(struct engine *e, int cert, struct err *err)
{
	/* A CA that is a command's has no key here to be opened. */
	if (authority_of(e, cert)->issuer == ISSUER_COMMAND) {
		make(e, cert, "-");
		return 0;
	}
	return find_passphrase(e, cert, err) == -1 ? -1 : 0;
}

int
material_answer(struct engine *e, int cert, const char *value, struct err *err)
{
	if (value == NULL || *value == '\0') {
		bool opens = e->certs[cert].opening;

		e->certs[cert].opening = false;
		ready(e, opens, false, "no passphrase was given");
		return value == NULL ? 0 : err_set(err, "an empty passphrase protects nothing");
	}
	make(e, cert, value);
	return 0;
}

int
material_give(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	struct engine *e = arg;
	const struct cert_memory *m = &e->certs[cert];
	const char *name = e->fleet->certs[cert].name;

	if (m->key == NULL && strcmp(what, "ca.pem") != 0)
		return err_set(err, "the material of certificate '%s' is not at hand", name);
	if (strcmp(what, "ca.pem") == 0)
		*ret = mem_strdup(m->ca);
	else if (strcmp(what, "leaf.pem") == 0)
		*ret = mem_strdup(m->leaf);
	else if (strcmp(what, "key.pem") == 0)
		*ret = mem_strndup(m->key, m->key_len);
	else if (strcmp(what, "pair.pem") == 0)
		*ret = mem_printf("%s%s", m->key, m->leaf);
	else if (strcmp(what, "chain.pem") == 0)
		*ret = mem_printf("%s%s", m->leaf, m->ca);
	else if (strcmp(what, "leaf.sha256") == 0)
		*ret = mem_strdup(m->files.leaf.sha256);
	else
		return err_set(err, "certificate '%s' has no '%s'", name, what);
	if (*ret == NULL)
		return err_set(err, "there is no CA of certificate '%s' yet", name);
	*ret_len = strlen(*ret);
	return 0;
}

int
material_name(void *arg, int cert, const char *what, char **ret, size_t *ret_len, struct err *err)
{
	const struct engine *e = arg;

	if (strcmp(what, "ca.pem") == 0)
		return material_give(arg, cert, what, ret, ret_len, err);
	if (strcmp(what, "leaf.sha256") == 0)
		return err_set(err, "there is no leaf yet");
	*ret = mem_printf("(%s of '%s' anew, made when the step is applied)\n", what, e->fleet->certs[cert].name);
	*ret_len = strlen(*ret);
	return 0;
}

void
material_release(struct engine *e)
{
	size_t i;

	for (i = 0; e->certs != NULL && i < e->fleet->ncerts; i++) {
		free(e->certs[i].ca);
		free(e->certs[i].leaf);
		free(e->certs[i].replacing);
		free(e->certs[i].replaced);
		cert_files_release(&e->certs[i].files);
		mem_wipe_free(e->certs[i].key, e->certs[i].key_len);
	}
	free(e->certs);
	for (i = 0; e->passphrases != NULL && i < e->fleet->nsecrets; i++)
		buf_release(&e->passphrases[i]);
	free(e->passphrases);
}
