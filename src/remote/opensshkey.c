/*
 * opensshkey: see opensshkey.h.
 *
 * A cursor over bytes that never moves past its end: every read says how much
 * it wants, and the first that cannot have it makes the cursor bad for good.
 * Secret bytes live in buffers that are overwritten.
 */
#include "remote/opensshkey.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "remote/sshdata.h"

#define HEAD "-----BEGIN OPENSSH PRIVATE KEY-----"
#define TAIL "-----END OPENSSH PRIVATE KEY-----"
#define MAGIC "openssh-key-v1"

static bool
is(const struct sshdata *s, const char *word)
{
	return !s->bad && s->left == strlen(word) && memcmp(s->p, word, s->left) == 0;
}

bool
opensshkey_is(const char *text, size_t len_bytes)
{
	return len_bytes >= strlen(HEAD) && memcmp(text, HEAD, strlen(HEAD)) == 0;
}

void
opensshkey_release(struct opensshkey *k)
{
	free(k->blob);
	mem_wipe(k, sizeof(*k));
}

static int
unarmour(const char *text, size_t len_bytes, struct buf *out, struct err *err)
{
	struct buf b64;
	const char *end;
	char *copy;
	size_t i;
	int rc = 0;

	copy = mem_strndup(text, len_bytes);
	end = strstr(copy, TAIL);
	if (end == NULL) {
		mem_wipe_free(copy, strlen(copy));
		return err_set(err, "its last line is missing");
	}
	buf_init(&b64, OPENSSHKEY_FILE_MAX);
	b64.secret = true;
	for (i = strlen(HEAD); copy + i < end; i++)
		if (strchr(" \t\r\n", copy[i]) == NULL)
			buf_putc(&b64, copy[i]);
	if (text_base64_decode(out, buf_str(&b64), b64.len) != 0)
		rc = err_set(err, "it is not base64");
	buf_release(&b64);
	mem_wipe_free(copy, strlen(copy));
	return rc;
}

static int
read_ed25519(struct sshdata *priv, struct opensshkey *k)
{
	struct sshdata pk = sshdata_string(priv), sk = sshdata_string(priv);

	if (priv->bad || pk.left != 32 || sk.left != 64 || memcmp(sk.p + 32, pk.p, 32) != 0)
		return -1;
	memcpy(k->seed, sk.p, 32);
	return 0;
}

static int
read_ecdsa(struct sshdata *priv, struct opensshkey *k)
{
	struct sshdata curve = sshdata_string(priv), q = sshdata_string(priv), d = sshdata_string(priv);

	if (priv->bad || !is(&curve, k->type + strlen("ecdsa-sha2-")) ||
	    q.left == 0 || q.left > sizeof(k->point) || q.p[0] != 4)
		return -1;
	while (d.left > 0 && d.p[0] == 0) {
		d.p++;
		d.left--;
	}
	if (d.left == 0 || d.left > sizeof(k->scalar))
		return -1;
	memcpy(k->point, q.p, q.left);
	k->point_len = q.left;
	memcpy(k->scalar, d.p, d.left);
	k->scalar_len = d.left;
	return 0;
}

static int
read_private(struct sshdata priv, struct opensshkey *k, struct err *err)
{
	uint32_t check = sshdata_u32(&priv), again = sshdata_u32(&priv);
	struct sshdata type = sshdata_string(&priv);
	size_t i;

	if (priv.bad || check != again || !is(&type, k->type))
		return err_set(err, "its private part is damaged");
	if (strcmp(k->type, "ssh-ed25519") == 0) {
		if (read_ed25519(&priv, k) != 0)
			return err_set(err, "its ed25519 key is damaged");
	} else if (strncmp(k->type, "ecdsa-sha2-nistp", 16) == 0) {
		if (read_ecdsa(&priv, k) != 0)
			return err_set(err, "its ECDSA key is damaged");
	} else
		return 0;	/* a kind of which only the public part is used */
	sshdata_string(&priv);	/* comment */
	if (priv.bad)
		return err_set(err, "its private part is cut off");
	for (i = 0; i < priv.left; i++)
		if (priv.p[i] != i + 1)
			return err_set(err, "its padding is damaged");
	k->secret_read = true;
	return 0;
}

int
opensshkey_parse(const char *text, size_t len_bytes, struct opensshkey *ret, struct err *err)
{
	struct buf raw;
	struct sshdata c, cipher, kdf, blob, priv, inner, type;
	struct opensshkey k;
	int rc = -1;

	memset(&k, 0, sizeof(k));
	buf_init(&raw, OPENSSHKEY_FILE_MAX);
	raw.secret = true;
	if (!opensshkey_is(text, len_bytes)) {
		err_set(err, "it does not begin with '%s'", HEAD);
		goto out;
	}
	if (unarmour(text, len_bytes, &raw, err) != 0)
		goto out;
	if (raw.len < sizeof(MAGIC) || memcmp(raw.data, MAGIC, sizeof(MAGIC)) != 0) {
		err_set(err, "it is not an '%s' key", MAGIC);
		goto out;
	}
	c.p = (const unsigned char *)raw.data + sizeof(MAGIC);
	c.left = raw.len - sizeof(MAGIC);
	c.bad = false;
	cipher = sshdata_string(&c);
	kdf = sshdata_string(&c);
	sshdata_string(&c);		/* kdf options */
	if (sshdata_u32(&c) != 1 && !c.bad) {
		err_set(err, "it holds more than one key");
		goto out;
	}
	blob = sshdata_string(&c);
	priv = sshdata_string(&c);
	inner = blob;
	type = sshdata_string(&inner);
	if (c.bad || inner.bad || type.left == 0 || type.left >= sizeof(k.type) ||
	    memchr(type.p, '\0', type.left) != NULL) {
		err_set(err, "it is cut off or damaged");
		goto out;
	}
	memcpy(k.type, type.p, type.left);
	k.blob = mem_alloc(blob.left);
	memcpy(k.blob, blob.p, blob.left);
	k.blob_len = blob.left;
	k.encrypted = !is(&cipher, "none") || !is(&kdf, "none");
	if (!k.encrypted && read_private(priv, &k, err) != 0)
		goto out;
	*ret = k;
	memset(&k, 0, sizeof(k));
	rc = 0;
out:
	opensshkey_release(&k);
	buf_release(&raw);
	return rc;
}
