/*
 * session_auth: see session_auth.h.
 *
 * Owns the list of offers and the one under way.  libssh2's signing callback
 * is synchronous; what it needs comes in three ways:
 *
 *   FILE    our EVP_PKEY signs inside the callback;
 *   AGENT   the callback notes what is to be signed and returns EAGAIN, which
 *           libssh2 1.10's state machine hands up without losing its place (state
 *           "sent1" of _libssh2_userauth_publickey); the agent is asked, and
 *           when it has answered the callback is called again and gives the signature;
 *   LOCKED  an encrypted file without its passphrase: the host is asked about
 *           the key all the same, and only if it would take it the callback is
 *           called, fails, and a person is asked for the passphrase;
 *   THREAD  an encrypted file with its passphrase: libssh2 does the bcrypt, tens of
 *           milliseconds of it, so the call runs on libuv's thread pool.  Meanwhile
 *           (auth_busy) nobody else touches the connection.
 */
#include "remote/session_auth.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"
#include "remote/agent.h"
#include "remote/keyring.h"
#include "remote/session_int.h"
#include "remote/ssh_config.h"

enum how { OFFER_FILE, OFFER_AGENT, OFFER_LOCKED, OFFER_THREAD };

struct offer {
	enum how how;
	char	*name;			/* the file, or the agent's comment */
	char	*type;
	unsigned char *blob;
	size_t	 blob_len;
};

enum agent_state { AGENT_NONE, AGENT_LISTING, AGENT_READY, AGENT_SIGNING, AGENT_SIGNED, AGENT_FAILED };

struct auth {
	struct session *s;
	LIBSSH2_SESSION *ssh;
	void	(*wake)(void *);
	void	*wake_arg;

	struct offer *offers;
	size_t	 noffers, at;
	int	 made;			/* offers made to the host */
	struct buf tried;		/* in words, for the failure */
	char	*locked;		/* the host takes this key, and we cannot read it */
	char	*unusable;		/* a key that only the system's ssh can use */

	enum agent_state agent;
	struct agent_query *query;
	struct buf signature;

	uv_work_t work;
	bool	 busy, worked;		/* a call is under way; its result was not looked at yet */
	int	 work_rc;
	struct buf public_text, private_text;
	char	*user, passphrase[256];
};

struct auth *
auth_new(struct session *s, LIBSSH2_SESSION *ssh, void (*wake)(void *), void *arg)
{
	struct auth *a = mem_alloc(sizeof(*a));

	a->s = s;
	a->ssh = ssh;
	a->wake = wake;
	a->wake_arg = arg;
	buf_init(&a->tried, 1024);
	buf_init(&a->signature, 8192);
	a->user = mem_strdup(s->target->user);
	return a;
}

void
auth_free(struct auth *a)
{
	size_t i;

	if (a == NULL)
		return;
	agent_cancel(a->query);
	for (i = 0; i < a->noffers; i++) {
		free(a->offers[i].name);
		free(a->offers[i].type);
		free(a->offers[i].blob);
	}
	free(a->offers);
	free(a->locked);
	free(a->unusable);
	free(a->user);
	buf_release(&a->tried);
	buf_release(&a->signature);
	buf_release(&a->public_text);
	buf_release(&a->private_text);
	mem_wipe(a->passphrase, sizeof(a->passphrase));
	free(a);
}

void
auth_stop(struct auth *a)
{
	agent_cancel(a->query);
	a->query = NULL;
}

bool
auth_busy(const struct auth *a)
{
	return a->busy;
}

const char *
auth_subject(const struct auth *a)
{
	return a->locked;
}

static void
note(struct auth *a, const char *what)
{
	if (a->tried.len > 0)
		buf_puts(&a->tried, ", ");
	buf_puts(&a->tried, what);
}

/* ---- what to offer ------------------------------------------------------- */

static char *
type_of(const unsigned char *blob, size_t len)
{
	size_t n = len < 4 ? 0 : (size_t)blob[2] << 8 | blob[3];

	if (n == 0 || n + 4 > len || blob[0] != 0 || blob[1] != 0)
		return mem_strdup("");
	return mem_strndup((const char *)blob + 4, n);
}

static bool
can_sign(const char *type)
{
	static const char *const types[] = { "ssh-ed25519", "ecdsa-sha2-nistp256",
	    "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static bool
offered(const struct auth *a, const unsigned char *blob, size_t len)
{
	size_t i;

	for (i = 0; i < a->noffers; i++)
		if (a->offers[i].blob_len == len && memcmp(a->offers[i].blob, blob, len) == 0)
			return true;
	return false;
}

static void
offer(struct auth *a, enum how how, const char *name, const unsigned char *blob, size_t len)
{
	struct offer *o;
	char *type = type_of(blob, len);

	if (offered(a, blob, len)) {
		free(type);
		return;
	}
	if (!can_sign(type)) {
		if (a->unusable == NULL)
			a->unusable = mem_printf("%s key '%s'", type, name);
		free(type);
		return;
	}
	o = mem_push(&a->offers, &a->noffers, sizeof(*o));
	o->how = how;
	o->name = mem_strdup(name);
	o->type = type;
	o->blob = mem_alloc(len + 1);
	memcpy(o->blob, blob, len);
	o->blob_len = len;
}

/* The key in a .pub file, for a private part that is elsewhere: in the agent. */
static bool
read_pub(const char *path, struct buf *blob)
{
	char *pub = mem_printf("%s%s", path, strlen(path) > 4 &&
	    strcmp(path + strlen(path) - 4, ".pub") == 0 ? "" : ".pub");
	int fd = open(pub, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char text[16384], *word, *end;
	ssize_t n;

	free(pub);
	if (fd == -1)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	word = strchr(text, ' ');
	if (word == NULL)
		return false;
	word++;
	end = word + strcspn(word, " \t\r\n");
	return text_base64_decode(blob, word, (size_t)(end - word)) == 0 && blob->len > 4;
}

/* The public key that an identity file stands for. */
static bool
identity_blob(struct auth *a, const char *path, struct buf *blob)
{
	const struct userkey *key = keyring_key(a->s->keyring, path);

	buf_init(blob, 16384);
	if (key->blob != NULL)
		return buf_put(blob, key->blob, key->blob_len) == 0;
	return read_pub(path, blob);
}

static void
offer_agent(struct auth *a, const struct agent_key *keys, size_t n)
{
	const struct ssh_config *target = a->s->target;
	struct buf blob;
	size_t i, j;

	for (i = 0; i < target->nidentities; i++) {
		if (identity_blob(a, target->identities[i], &blob))
			for (j = 0; j < n; j++)
				if (keys[j].blob_len == blob.len &&
				    memcmp(keys[j].blob, blob.data, blob.len) == 0)
					offer(a, OFFER_AGENT, keys[j].comment, keys[j].blob, keys[j].blob_len);
		buf_release(&blob);
	}
	for (j = 0; j < n && !target->identities_only; j++)
		offer(a, OFFER_AGENT, keys[j].comment, keys[j].blob, keys[j].blob_len);
}

static void
offer_files(struct auth *a)
{
	const struct ssh_config *target = a->s->target;
	const struct userkey *key;
	enum how how = OFFER_FILE;
	struct buf blob;
	size_t i;

	for (i = 0; i < target->nidentities; i++) {
		key = keyring_key(a->s->keyring, target->identities[i]);
		switch (key->state) {
		case USERKEY_MISSING:
			continue;
		case USERKEY_BAD:
			note(a, key->why);
			continue;
		case USERKEY_UNUSABLE:
			if (a->unusable == NULL)
				a->unusable = mem_printf("'%s'", key->path);
			continue;
		case USERKEY_READY:
			how = OFFER_FILE;
			break;
		case USERKEY_LOCKED:
			how = OFFER_LOCKED;
			break;
		case USERKEY_UNLOCKED:
			how = OFFER_THREAD;
			break;
		}
		/* The older formats hide the public part too; its .pub file tells. */
		if (identity_blob(a, key->path, &blob))
			offer(a, how, key->path, (unsigned char *)blob.data, blob.len);
		else if (a->unusable == NULL)
			a->unusable = mem_printf("'%s' (there is no .pub file beside it)", key->path);
		buf_release(&blob);
	}
}

static void
listed_cb(void *arg, const struct agent_key *keys, size_t n, const struct err *err)
{
	struct auth *a = arg;

	a->query = NULL;
	a->agent = AGENT_READY;
	if (err != NULL)
		note(a, err->msg);
	else
		offer_agent(a, keys, n);
	offer_files(a);
	a->wake(a->wake_arg);
}

/* ---- signing ------------------------------------------------------------- */

static void
signed_cb(void *arg, const unsigned char *sig, size_t len, const struct err *err)
{
	struct auth *a = arg;

	a->query = NULL;
	buf_clear(&a->signature);
	if (err != NULL) {
		note(a, err->msg);
		a->agent = AGENT_FAILED;
	} else {
		buf_put(&a->signature, sig, len);
		a->agent = AGENT_SIGNED;
	}
	a->wake(a->wake_arg);
}

static int
sign_by_agent(struct auth *a, const struct offer *o, const unsigned char *data, size_t len,
    struct buf *out)
{
	switch (a->agent) {
	case AGENT_READY:
		a->agent = AGENT_SIGNING;
		a->query = agent_sign(keyring_agent(a->s->keyring), a->s->target->agent, o->blob,
		    o->blob_len, data, len, signed_cb, a);
		/* Somebody may have to confirm it; sshd waits two minutes. */
		a->s->attempt_ends_at = session_now(a->s) + AGENT_SIGN_MS;
		session_timer(a->s, a->s->attempt_ends_at);
		session_step(a->s, SESSION_AUTHENTICATING, "the agent's signature");
		return LIBSSH2_ERROR_EAGAIN;
	case AGENT_SIGNED:
		buf_put(out, a->signature.data, a->signature.len);
		a->agent = AGENT_READY;
		return 0;
	case AGENT_FAILED:
		a->agent = AGENT_READY;
		return -1;
	case AGENT_SIGNING:
		return LIBSSH2_ERROR_EAGAIN;
	case AGENT_NONE:
	case AGENT_LISTING:
		break;
	}
	return -1;
}

static int
sign_cb(LIBSSH2_SESSION *ssh, unsigned char **sig, size_t *sig_len, const unsigned char *data,
    size_t data_len, void **abstract)
{
	struct auth *a = *abstract;
	const struct offer *o = &a->offers[a->at];
	struct buf out;
	struct err e;
	int rc = -1;

	(void)ssh;
	buf_init(&out, 8192);
	switch (o->how) {
	case OFFER_FILE:
		rc = keyring_sign(a->s->keyring, keyring_key(a->s->keyring, o->name), data, data_len,
		    &out, &e);
		break;
	case OFFER_AGENT:
		rc = sign_by_agent(a, o, data, data_len, &out);
		break;
	case OFFER_LOCKED:
		a->locked = mem_strdup(o->name);
		break;
	case OFFER_THREAD:
		break;
	}
	if (rc != 0) {
		buf_release(&out);
		return rc;
	}
	*sig = (unsigned char *)buf_take(&out, sig_len);	/* libssh2 gives it to free() */
	return 0;
}

static void
work_cb(uv_work_t *w)
{
	struct auth *a = w->data;

	a->work_rc = libssh2_userauth_publickey_frommemory(a->ssh, a->user, strlen(a->user),
	    buf_str(&a->public_text), a->public_text.len, buf_str(&a->private_text),
	    a->private_text.len, a->passphrase);
}

static void
work_done(uv_work_t *w, int status)
{
	struct auth *a = w->data;

	(void)status;
	a->busy = false;
	a->worked = true;
	a->wake(a->wake_arg);
}

/* One call on the thread pool; its result is for the auth_run() after it. */
static int
on_thread(struct auth *a, const struct offer *o)
{
	const char *passphrase = keyring_passphrase_of(a->s->keyring, o->name);
	struct err e;

	if (passphrase == NULL)
		return LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED;
	if (a->public_text.len == 0) {
		buf_init(&a->public_text, 32768);
		buf_init(&a->private_text, OPENSSHKEY_FILE_MAX);
		buf_printf(&a->public_text, "%s ", o->type);
		text_base64(&a->public_text, o->blob, o->blob_len);
		if (keyring_read_file(o->name, &a->private_text, &e) != 0)
			return LIBSSH2_ERROR_FILE;
		snprintf(a->passphrase, sizeof(a->passphrase), "%s", passphrase);
	}
	a->work.data = a;
	a->busy = true;
	uv_queue_work(a->s->loop, &a->work, work_cb, work_done);
	return LIBSSH2_ERROR_EAGAIN;
}

static int
make_offer(struct auth *a, const struct offer *o)
{
	void *self = a;
	int rc;

	if (o->how != OFFER_THREAD)
		return libssh2_userauth_publickey(a->ssh, a->user, o->blob, o->blob_len, sign_cb, &self);
	if (a->worked) {
		a->worked = false;
		rc = a->work_rc;
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return rc;	/* again when the host has said something */
		buf_release(&a->public_text);
		buf_release(&a->private_text);
		mem_wipe(a->passphrase, sizeof(a->passphrase));
		return rc;
	}
	return on_thread(a, o);
}

static enum auth_result
give_up(struct auth *a, struct err *err)
{
	const char *name = a->s->config.name;

	if (a->unusable != NULL) {
		err_set(err, "libssh2 cannot sign with %s", a->unusable);
		return AUTH_SYSTEM;
	}
	err_set(err, "host '%s': '%s' is not let in: %s%s", name, a->user,
	    a->made == 0 ? "there is no key to offer " : "the host takes none of ", buf_str(&a->tried));
	return AUTH_REFUSED;
}

enum auth_result
auth_run(struct auth *a, struct err *err)
{
	const struct ssh_config *target = a->s->target;
	const struct offer *o;
	char *text;
	int rc;

	if (a->busy)
		return AUTH_AGAIN;
	if (a->agent == AGENT_NONE) {
		if (target->agent != NULL) {
			a->agent = AGENT_LISTING;
			a->query = agent_list(keyring_agent(a->s->keyring), target->agent, listed_cb, a);
		} else {
			a->agent = AGENT_READY;
			offer_files(a);
		}
	}
	if (a->agent == AGENT_LISTING)
		return AUTH_AGAIN;
	for (; a->at < a->noffers && a->made < AUTH_OFFERS_MAX; a->at++) {
		o = &a->offers[a->at];
		rc = make_offer(a, o);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return AUTH_AGAIN;
		if (rc == 0)
			return AUTH_IN;
		if (o->how == OFFER_THREAD && rc == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) {
			keyring_passphrase(a->s->keyring, o->name, NULL);
			err_set(err, "host '%s': that is not the passphrase of key '%s'",
			    a->s->config.name, o->name);
			a->locked = mem_strdup(o->name);
			return AUTH_LOCKED;
		}
		if (a->locked != NULL) {
			err_set(err, "host '%s': key '%s' is encrypted: its passphrase is needed",
			    a->s->config.name, a->locked);
			return AUTH_LOCKED;
		}
		text = mem_printf("%s'%s'", o->how == OFFER_AGENT ? "the agent's " : "", o->name);
		note(a, text);
		free(text);
		a->made++;
		if (rc != LIBSSH2_ERROR_AUTHENTICATION_FAILED && rc != LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED)
			break;		/* the connection is gone: the caller says how */
	}
	return give_up(a, err);
}
