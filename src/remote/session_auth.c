/*
 * session_auth: see session_auth.h.
 */
#include "remote/session_auth.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "remote/keyring.h"
#include "remote/session_int.h"
#include "remote/ssh_config.h"

struct auth {
	struct session *s;
	LIBSSH2_SESSION *ssh;
	void	(*wake)(void *);
	void	*wake_arg;
	size_t	 at;			/* identity being tried */
	int	 offers;
	bool	 trying;
	char	*path;			/* key file on offer, or the locked one */
	char	*locked, *unusable;
	struct buf tried;
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
	return a;
}

void
auth_free(struct auth *a)
{
	if (a == NULL)
		return;
	free(a->path);
	free(a->locked);
	free(a->unusable);
	buf_release(&a->tried);
	free(a);
}

bool
auth_busy(const struct auth *a)
{
	(void)a;
	return false;
}

const char *
auth_subject(const struct auth *a)
{
	return a->locked;
}

static int
sign(LIBSSH2_SESSION *ssh, unsigned char **sig, size_t *sig_len, const unsigned char *data,
    size_t data_len, void **abstract)
{
	struct auth *a = *abstract;
	const struct userkey *key = keyring_key(a->s->keyring, a->path);
	struct buf out;
	struct err e;

	(void)ssh;
	if (key->state != USERKEY_READY)
		return -1;
	buf_init(&out, 4096);
	if (keyring_sign(a->s->keyring, key, data, data_len, &out, &e) != 0) {
		buf_release(&out);
		return -1;
	}
	*sig = (unsigned char *)buf_take(&out, sig_len);	/* libssh2 gives it to free() */
	return 0;
}

static void
note_tried(struct auth *a, const char *what)
{
	if (a->tried.len > 0)
		buf_puts(&a->tried, ", ");
	buf_puts(&a->tried, what);
}

/* Moves to the next key file that can be offered; false at the end. */
static bool
next_file(struct auth *a)
{
	const struct ssh_config *target = a->s->target;
	const struct userkey *key;
	char *note;

	for (; a->at < target->nidentities; a->at++) {
		key = keyring_key(a->s->keyring, target->identities[a->at]);
		switch (key->state) {
		case USERKEY_MISSING:
			continue;
		case USERKEY_BAD:
			note_tried(a, key->why);
			continue;
		case USERKEY_UNUSABLE:
			if (a->unusable == NULL)
				a->unusable = mem_strdup(key->path);
			continue;
		case USERKEY_LOCKED:
		case USERKEY_UNLOCKED:
			if (a->locked == NULL)
				a->locked = mem_strdup(key->path);
			continue;
		case USERKEY_READY:
			free(a->path);
			a->path = mem_strdup(key->path);
			note = mem_printf("'%s'", key->path);
			note_tried(a, note);
			free(note);
			return true;
		}
	}
	return false;
}

enum auth_result
auth_run(struct auth *a, struct err *err)
{
	const struct ssh_config *target = a->s->target;
	const struct userkey *key;
	void *self = a;
	int rc;

	for (;;) {
		if (!a->trying) {
			if (a->offers == AUTH_OFFERS_MAX || !next_file(a))
				break;
			a->trying = true;
			a->offers++;
		}
		key = keyring_key(a->s->keyring, a->path);
		if (key->blob == NULL) {
			a->trying = false;
			a->at++;
			continue;
		}
		rc = libssh2_userauth_publickey(a->ssh, target->user, key->blob, key->blob_len, sign,
		    &self);
		if (rc == LIBSSH2_ERROR_EAGAIN)
			return AUTH_AGAIN;
		a->trying = false;
		a->at++;
		if (rc == 0)
			return AUTH_IN;
	}
	if (a->locked != NULL) {
		err_set(err, "host '%s': key '%s' is encrypted: its passphrase is needed",
		    a->s->config.name, a->locked);
		return AUTH_LOCKED;
	}
	if (a->unusable != NULL) {
		err_set(err, "libssh2 cannot sign with '%s'", a->unusable);
		return AUTH_SYSTEM;
	}
	err_set(err, "host '%s': '%s' is not let in: %s%s", a->s->config.name, target->user,
	    a->tried.len == 0 ? "there is no key to offer" : "the host takes none of ",
	    buf_str(&a->tried));
	return AUTH_REFUSED;
}
