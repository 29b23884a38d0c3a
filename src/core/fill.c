/*
 * fill: see fill.h.  Owns the table of names; knows nothing of edits.
 */
#include "core/fill.h"

#include <stdio.h>
#include <string.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

#define NAME_MAX_BYTES 64

static const struct material {
	const char *stem, *pem;
	bool secret;
} materials[] = {
	{ "ca",		"ca.pem",	false },
	{ "client_ca",	"ca.pem",	false },
	{ "leaf",	"leaf.pem",	false },
	{ "chain",	"chain.pem",	false },
	{ "key",	"key.pem",	true },
	{ "pair",	"pair.pem",	true },
};

/* "ca.pem", "ca.b64" and "ca.pem.b64" name the material of "ca". */
static const struct material *
material_find(const char *name, bool *ret_b64)
{
	const char *rest;
	size_t i, len;

	for (i = 0; i < sizeof(materials) / sizeof(materials[0]); i++) {
		len = strlen(materials[i].stem);
		if (strncmp(name, materials[i].stem, len) != 0)
			continue;
		rest = name + len;
		if (strcmp(rest, ".pem") == 0) {
			*ret_b64 = false;
			return &materials[i];
		}
		if (strcmp(rest, ".b64") == 0 || strcmp(rest, ".pem.b64") == 0) {
			*ret_b64 = true;
			return &materials[i];
		}
	}
	return NULL;
}

/* The CA of an endpoint's clients is another cert's than the one that is moved. */
static int
cert_of(const struct fill *f, const struct material *m)
{
	if (strcmp(m->stem, "client_ca") != 0)
		return f->cert;
	return f->has_client_ca ? f->client_ca : NONE;
}

static int
put_material(struct buf *out, const struct fill *f, const struct material *m, bool b64,
    struct err *err)
{
	bool bundle = strcmp(m->stem, "ca") == 0 && f->ncas > 0;
	size_t i, n = bundle ? f->ncas : 1, len;
	struct buf all;
	char *pem;
	int rc = 0;

	buf_init(&all, 0);
	all.secret = m->secret;
	for (i = 0; rc == 0 && i < n; i++) {
		pem = NULL;
		len = 0;
		rc = f->material(f->arg, bundle ? f->cas[i] : cert_of(f, m), m->pem, &pem, &len, err);
		if (rc != 0)
			break;
		(void)buf_put(&all, pem, len);
		if (len > 0 && pem[len - 1] != '\n' && i + 1 < n)
			(void)buf_puts(&all, "\n");
		mem_wipe_free(pem, len);
	}
	if (rc == 0 && b64)
		text_base64(out, buf_str(&all), all.len);
	else if (rc == 0)
		(void)buf_put(out, buf_str(&all), all.len);
	buf_release(&all);
	return rc == 0 ? 0 : -1;
}

/* The simple names.  *ret_value is NULL where the name is one of them but not known here. */
static bool
simple(const struct fill *f, const char *name, const char **ret_value)
{
	const struct { const char *name, *value; } names[] = {
		{ "dial", f->dial }, { "accept", f->accept },
		{ "ca_file", f->ca_file }, { "cert_file", f->cert_file }, { "key_file", f->key_file }, { "step", f->step },
	};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i].name) == 0) {
			*ret_value = names[i].value;
			return true;
		}
	return false;
}

int
fill_text(struct buf *out, const struct fill *f, const char *text, int flags,
    int *ret_flags, struct err *err)
{
	const char *p = text, *open, *close, *value;
	const struct material *m;
	char name[NAME_MAX_BYTES];
	bool command = (flags & FILL_COMMAND) != 0, b64;
	size_t len;

	for (; (open = strstr(p, "$(")) != NULL; p = close + 1) {
		(void)buf_put(out, p, (size_t)(open - p));
		close = strchr(open, ')');
		len = close == NULL ? 0 : (size_t)(close - open) - 2;
		if (len == 0 || len >= sizeof(name)) {
			(void)buf_puts(out, "$(");
			close = open + 1;
			continue;
		}
		memcpy(name, open + 2, len);
		name[len] = '\0';
		if (simple(f, name, &value)) {
			if (value == NULL)
				return err_set(err, "$(%s) is not known here%s", name,
				    strcmp(name, "ca_file") == 0 ?
				    ": the link's trust names no file" : "");
			(void)buf_puts(out, value);
		} else if ((m = material_find(name, &b64)) != NULL) {
			if (command && m->secret)
				return err_set(err, "$(%s) in a command: everyone on the host "
				    "could read the key there", name);
			if (cert_of(f, m) == NONE)
				return err_set(err, "$(%s) is not known here: no certificate%s", name,
				    strcmp(m->stem, "client_ca") == 0 ? "; expected 'clients: CERTIFICATE' at the endpoint" : "");
			if (m->secret)
				*ret_flags |= FILL_SECRET;
			if (f->material == NULL) {
				*ret_flags |= FILL_BLANK;
				(void)buf_put(out, open, (size_t)(close - open) + 1);
			} else if (put_material(out, f, m, b64, err) != 0)
				return err_wrap(err, "$(%s)", name);
		} else {
			/* Not ours: the shell's; there may be one of ours inside it. */
			(void)buf_puts(out, "$(");
			close = open + 1;
		}
	}
	(void)buf_puts(out, p);
	return out->over ? err_set(err, "longer than %zu bytes", out->max) : 0;
}

bool
fill_mentions(const char *text, const char *name)
{
	char want[NAME_MAX_BYTES + 4];

	(void)snprintf(want, sizeof(want), "$(%s)", name);
	return strstr(text, want) != NULL;
}
