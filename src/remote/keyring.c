/*
 * keyring: see keyring.h.
 *
 * Owns the parsed keys and the passphrases.  Private keys live in OpenSSL's
 * EVP_PKEY objects only, passphrases in one locked page that no core file and no
 * child has.  A file is looked at again (by time, size and inode) each time it
 * is asked for, and parsed again only if it changed.
 */
#include "remote/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "remote/agent.h"
#include "remote/known_hosts.h"
#include "remote/ssh_config.h"

#define PASSPHRASE_MAX	256
#define PASSPHRASES_MAX	15

struct entry {
	struct userkey pub;		/* what the sessions see */
	char	*path, *why;
	unsigned char *blob;
	EVP_PKEY *pkey;
	struct timespec time;
	off_t	 size;
	ino_t	 inode;
};

/* The locked page. */
struct secrets {
	struct {
		char	*path;		/* not secret: points outside */
		char	 passphrase[PASSPHRASE_MAX];
	} at[PASSPHRASES_MAX];
};

struct keyring {
	struct entry **keys;
	size_t	 nkeys;
	struct secrets *secrets;
	char	*socket_dir;
	struct agent *agent;
	struct known_hosts *known_hosts;
	struct ssh_config_cache *ssh_config;
};

struct keyring *
keyring_new(struct uv_loop_s *loop)
{
	struct keyring *kr = mem_alloc(sizeof(*kr));

	kr->agent = agent_new(loop);
	kr->known_hosts = known_hosts_new();
	kr->ssh_config = ssh_config_cache_new(loop);
	return kr;
}

static void
entry_clear(struct entry *e)
{
	EVP_PKEY_free(e->pkey);
	free(e->blob);
	free(e->why);
	e->pkey = NULL;
	e->blob = NULL;
	e->why = NULL;
	memset(&e->pub, 0, sizeof(e->pub));
	e->pub.path = e->path;
	e->pub.why = "";
}

void
keyring_free(struct keyring *kr)
{
	size_t i;

	if (kr == NULL)
		return;
	for (i = 0; i < kr->nkeys; i++) {
		entry_clear(kr->keys[i]);
		free(kr->keys[i]->path);
		free(kr->keys[i]);
	}
	free(kr->keys);
	if (kr->secrets != NULL) {
		for (i = 0; i < PASSPHRASES_MAX; i++)
			free(kr->secrets->at[i].path);
		mem_wipe(kr->secrets, sizeof(*kr->secrets));
		munmap(kr->secrets, sizeof(*kr->secrets));
	}
	if (kr->socket_dir != NULL)
		rmdir(kr->socket_dir);
	free(kr->socket_dir);
	agent_free(kr->agent);
	known_hosts_free(kr->known_hosts);
	ssh_config_cache_free(kr->ssh_config);
	free(kr);
}

const char *
keyring_socket_dir(struct keyring *kr)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	char *dir;

	if (kr->socket_dir != NULL)
		return kr->socket_dir;
	/* A socket's whole path has 107 bytes at most, and ssh adds 17 for a while. */
	if (run == NULL || run[0] != '/' || strlen(run) > 40 || access(run, W_OK | X_OK) != 0)
		run = "/tmp";
	dir = mem_printf("%s/belay-XXXXXX", run);
	if (mkdtemp(dir) == NULL) {
		free(dir);
		return NULL;
	}
	kr->socket_dir = dir;
	return dir;
}

struct agent *
keyring_agent(struct keyring *kr)
{
	return kr->agent;
}

struct known_hosts *
keyring_known_hosts(struct keyring *kr)
{
	return kr->known_hosts;
}

struct ssh_config_cache *
keyring_ssh_config(struct keyring *kr)
{
	return kr->ssh_config;
}

int
keyring_read_file(const char *path, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	char chunk[4096];
	ssize_t n = 0;

	out->secret = true;
	out->max = OPENSSHKEY_FILE_MAX;
	if (fd == -1)
		return err_set(err, "cannot read key file '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, "key file '%s' is not a file", path);
	}
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_put(out, chunk, (size_t)n);
	mem_wipe(chunk, sizeof(chunk));
	close(fd);
	if (n < 0 || out->over)
		return err_set(err, "cannot read key file '%s': %s", path,
		    out->over ? "it is too large" : strerror(errno));
	return 0;
}

/* ---- making of EVP_PKEY -------------------------------------------------- */

static EVP_PKEY *
ecdsa_pkey(const struct opensshkey *k)
{
	const char *group = strcmp(k->type, "ecdsa-sha2-nistp256") == 0 ? "prime256v1" :
	    strcmp(k->type, "ecdsa-sha2-nistp384") == 0 ? "secp384r1" :
	    strcmp(k->type, "ecdsa-sha2-nistp521") == 0 ? "secp521r1" : NULL;
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	BIGNUM *d = BN_secure_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY *pkey = NULL;

	if (group != NULL && bld != NULL && ctx != NULL && d != NULL &&
	    BN_bin2bn(k->scalar, (int)k->scalar_len, d) != NULL &&
	    OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) == 1 &&
	    OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, k->point, k->point_len) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_PRIV_KEY, d) == 1 &&
	    (params = OSSL_PARAM_BLD_to_param(bld)) != NULL &&
	    EVP_PKEY_fromdata_init(ctx) == 1 &&
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_KEYPAIR, params) != 1)
		pkey = NULL;
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_clear_free(d);
	return pkey;
}

static void
fail(struct entry *e, enum userkey_state state, const char *why)
{
	e->pub.state = state;
	free(e->why);
	e->why = mem_strdup(why);
	e->pub.why = e->why;
}

static void
set_blob(struct entry *e, const char *type, const void *blob, size_t len)
{
	snprintf(e->pub.type, sizeof(e->pub.type), "%s", type);
	e->blob = mem_alloc(len + 1);
	memcpy(e->blob, blob, len);
	e->pub.blob = e->blob;
	e->pub.blob_len = len;
}

static void
load_openssh(struct entry *e, const struct buf *text)
{
	struct opensshkey k;
	struct err err;

	memset(&k, 0, sizeof(k));
	if (opensshkey_parse(buf_str(text), text->len, &k, &err) != 0) {
		err_wrap(&err, "key file '%s'", e->path);
		fail(e, USERKEY_BAD, err.msg);
		return;
	}
	set_blob(e, k.type, k.blob, k.blob_len);
	if (strcmp(k.type, "ssh-ed25519") != 0 && strncmp(k.type, "ecdsa-sha2-nistp", 16) != 0) {
		fail(e, USERKEY_UNUSABLE, "libssh2 cannot sign with this kind of key");
	} else if (k.encrypted) {
		e->pub.state = USERKEY_LOCKED;
	} else {
		if (strcmp(k.type, "ssh-ed25519") == 0)
			e->pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, k.seed,
			    sizeof(k.seed));
		else
			e->pkey = ecdsa_pkey(&k);
		if (e->pkey != NULL)
			e->pub.state = USERKEY_READY;
		else
			fail(e, USERKEY_BAD, "OpenSSL does not take the key");
	}
	opensshkey_release(&k);
}

static int
no_passphrase(char *buf, int size, int rwflag, void *u)
{
	(void)buf;
	(void)size;
	(void)rwflag;
	*(bool *)u = true;
	return -1;
}

static void
put_string(struct buf *b, const void *p, size_t len)
{
	unsigned char n[4] = { (unsigned char)(len >> 24), (unsigned char)(len >> 16),
	    (unsigned char)(len >> 8), (unsigned char)len };

	buf_put(b, n, 4);
	buf_put(b, p, len);
}

/* The older formats (PEM, PKCS#8) are OpenSSL's to read. */
static void
load_pem(struct entry *e, const struct buf *text)
{
	BIO *bio = BIO_new_mem_buf(text->data, (int)text->len);
	bool asked = false;
	EVP_PKEY *pkey = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	unsigned char point[OPENSSHKEY_POINT_MAX];
	size_t point_len = 0;
	const char *curve = NULL;
	char type[OPENSSHKEY_TYPE_MAX], name[64];
	struct buf blob;

	BIO_free(bio);
	if (asked) {
		/* Its public part is not in clear; libssh2 finds out, if the passphrase comes. */
		e->pub.state = strstr(buf_str(text), "BEGIN RSA") != NULL ? USERKEY_UNUSABLE : USERKEY_LOCKED;
	} else if (pkey == NULL) {
		fail(e, USERKEY_BAD, "it is not a private key that OpenSSH or OpenSSL knows");
	} else if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_EC) {
		strcpy(e->pub.type, EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA ? "ssh-rsa" : "");
		fail(e, USERKEY_UNUSABLE, "libssh2 cannot sign with this kind of key");
	} else if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, name,
	    sizeof(name), NULL) == 1 && EVP_PKEY_get_octet_string_param(pkey,
	    OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point), &point_len) == 1 &&
	    (curve = strcmp(name, "prime256v1") == 0 ? "nistp256" : strcmp(name, "secp384r1") == 0 ?
	    "nistp384" : strcmp(name, "secp521r1") == 0 ? "nistp521" : NULL) != NULL) {
		buf_init(&blob, 1024);
		snprintf(type, sizeof(type), "ecdsa-sha2-%s", curve);
		put_string(&blob, type, strlen(type));
		put_string(&blob, curve, strlen(curve));
		put_string(&blob, point, point_len);
		set_blob(e, type, blob.data, blob.len);
		buf_release(&blob);
		e->pkey = pkey;
		e->pub.state = USERKEY_READY;
		return;
	} else
		fail(e, USERKEY_UNUSABLE, "its curve is not one that SSH has");
	EVP_PKEY_free(pkey);
}

static void
load(struct entry *e)
{
	struct buf text;
	struct err err;

	buf_init(&text, OPENSSHKEY_FILE_MAX);
	if (keyring_read_file(e->path, &text, &err) != 0)
		fail(e, USERKEY_BAD, err.msg);
	else if (opensshkey_is(buf_str(&text), text.len))
		load_openssh(e, &text);
	else
		load_pem(e, &text);
	buf_release(&text);
}

const struct userkey *
keyring_key(struct keyring *kr, const char *path)
{
	struct entry *e = NULL;
	struct stat st;
	size_t i;

	for (i = 0; i < kr->nkeys && e == NULL; i++)
		if (strcmp(kr->keys[i]->path, path) == 0)
			e = kr->keys[i];
	if (e == NULL) {
		e = mem_alloc(sizeof(*e));
		e->path = mem_strdup(path);
		*(struct entry **)mem_push(&kr->keys, &kr->nkeys, sizeof(e)) = e;
		entry_clear(e);
	}
	if (stat(path, &st) != 0) {
		int saved = errno;

		entry_clear(e);
		if (saved != ENOENT && saved != ENOTDIR)
			fail(e, USERKEY_BAD, strerror(saved));
		return &e->pub;
	}
	if (e->pub.state == USERKEY_MISSING || e->time.tv_sec != st.st_mtim.tv_sec ||
	    e->time.tv_nsec != st.st_mtim.tv_nsec || e->size != st.st_size || e->inode != st.st_ino) {
		entry_clear(e);
		e->time = st.st_mtim;
		e->size = st.st_size;
		e->inode = st.st_ino;
		load(e);
	}
	if (e->pub.state == USERKEY_LOCKED || e->pub.state == USERKEY_UNLOCKED)
		e->pub.state = keyring_passphrase_of(kr, path) == NULL ? USERKEY_LOCKED : USERKEY_UNLOCKED;
	return &e->pub;
}

/* ---- signing ------------------------------------------------------------- */

static const EVP_MD *
digest_of(const char *type)
{
	if (strcmp(type, "ecdsa-sha2-nistp256") == 0)
		return EVP_sha256();
	if (strcmp(type, "ecdsa-sha2-nistp384") == 0)
		return EVP_sha384();
	if (strcmp(type, "ecdsa-sha2-nistp521") == 0)
		return EVP_sha512();
	return NULL;		/* ed25519 hashes by itself */
}

static void
put_mpint(struct buf *b, const BIGNUM *n)
{
	unsigned char bytes[1 + OPENSSHKEY_SCALAR_MAX] = { 0 };
	int len = BN_num_bytes(n);

	if (len > OPENSSHKEY_SCALAR_MAX)
		return;
	BN_bn2bin(n, bytes + 1);
	if (len > 0 && bytes[1] & 0x80)
		put_string(b, bytes, (size_t)len + 1);
	else
		put_string(b, bytes + 1, (size_t)len);
}

int
keyring_sign(struct keyring *kr, const struct userkey *key, const void *data, size_t len_bytes,
    struct buf *out, struct err *err)
{
	const struct entry *e = NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const EVP_MD *md = digest_of(key->type);
	unsigned char sig[160];
	const unsigned char *p = sig;
	size_t n = sizeof(sig), i;
	ECDSA_SIG *ec;
	int rc = -1;

	for (i = 0; i < kr->nkeys && e == NULL; i++)
		if (&kr->keys[i]->pub == key)
			e = kr->keys[i];
	if (e == NULL || e->pkey == NULL || ctx == NULL ||
	    EVP_DigestSignInit(ctx, NULL, md, NULL, e->pkey) != 1 ||
	    EVP_DigestSign(ctx, sig, &n, data, len_bytes) != 1) {
		err_set(err, "OpenSSL cannot sign with key '%s'", key->path);
	} else if (md == NULL) {
		buf_put(out, sig, n);
		rc = 0;
	} else if ((ec = d2i_ECDSA_SIG(NULL, &p, (long)n)) != NULL) {
		put_mpint(out, ECDSA_SIG_get0_r(ec));
		put_mpint(out, ECDSA_SIG_get0_s(ec));
		ECDSA_SIG_free(ec);
		rc = 0;
	} else
		err_set(err, "OpenSSL cannot sign with key '%s'", key->path);
	EVP_MD_CTX_free(ctx);
	return rc;
}

/* ---- passphrases --------------------------------------------------------- */

static struct secrets *
locked_page(void)
{
	struct secrets *p = mmap(NULL, sizeof(*p), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	/* Beyond RLIMIT_MEMLOCK it may be swapped: worse, and no reason not to go on. */
	(void)mlock(p, sizeof(*p));
	(void)madvise(p, sizeof(*p), MADV_DONTDUMP);
	(void)madvise(p, sizeof(*p), MADV_DONTFORK);
	return p;
}

const char *
keyring_passphrase_of(struct keyring *kr, const char *path)
{
	size_t i;

	for (i = 0; kr->secrets != NULL && i < PASSPHRASES_MAX; i++)
		if (kr->secrets->at[i].path != NULL && strcmp(kr->secrets->at[i].path, path) == 0)
			return kr->secrets->at[i].passphrase;
	return NULL;
}

void
keyring_passphrase(struct keyring *kr, const char *path, const char *passphrase)
{
	size_t i, at = PASSPHRASES_MAX;
	size_t n = passphrase == NULL ? 0 : strlen(passphrase);

	if (kr->secrets == NULL)
		kr->secrets = locked_page();
	for (i = 0; i < PASSPHRASES_MAX; i++) {
		if (kr->secrets->at[i].path != NULL && strcmp(kr->secrets->at[i].path, path) == 0) {
			free(kr->secrets->at[i].path);
			mem_wipe(&kr->secrets->at[i], sizeof(kr->secrets->at[i]));
		}
		if (kr->secrets->at[i].path == NULL && at == PASSPHRASES_MAX)
			at = i;
	}
	if (passphrase == NULL || n >= PASSPHRASE_MAX || at == PASSPHRASES_MAX)
		return;
	kr->secrets->at[at].path = mem_strdup(path);
	memcpy(kr->secrets->at[at].passphrase, passphrase, n + 1);
}
