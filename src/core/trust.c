/*
 * trust: see trust.h.  Owns how a set of certs is one number: a cert alone is its
 * index; of two, a < b, it is (a + 1) * FLEET_ITEMS_MAX + b.
 */
#include "core/trust.h"

#include "core/buf.h"
#include "core/fleet.h"
#include "core/posture.h"

size_t
trust_certs(int trust, int ret[TRUST_CERTS_MAX])
{
	if (trust < 0)
		return 0;
	if (trust < FLEET_ITEMS_MAX) {
		ret[0] = trust;
		return 1;
	}
	ret[0] = trust / FLEET_ITEMS_MAX - 1;
	ret[1] = trust % FLEET_ITEMS_MAX;
	return 2;
}

int
trust_with(int trust, int cert)
{
	if (trust < 0)
		return cert;
	if (trust >= FLEET_ITEMS_MAX || trust == cert)
		return trust;
	return trust < cert ? (trust + 1) * FLEET_ITEMS_MAX + cert : (cert + 1) * FLEET_ITEMS_MAX + trust;
}

bool
trust_holds(const struct fleet *f, int trust, int cert)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(trust, v);

	for (i = 0; i < n; i++)
		if (cert_authority(f, v[i]) == cert_authority(f, cert))
			return true;
	return false;
}

bool
trust_valid(int trust, size_t ncerts)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n;

	if (trust == NONE)
		return true;
	if (trust < 0 || trust > TRUST_VALUE_MAX)
		return false;
	n = trust_certs(trust, v);
	for (i = 0; i < n; i++)
		if ((size_t)v[i] >= ncerts)
			return false;
	return n < 2 || v[0] < v[1];
}

void
trust_text(struct buf *out, const struct fleet *f, int trust)
{
	int v[TRUST_CERTS_MAX];
	size_t i, n = trust_certs(trust, v);

	if (n == 0)
		(void)buf_puts(out, trust == NONE ? "none" : "unknown");
	for (i = 0; i < n; i++)
		(void)buf_printf(out, "%s%s", i > 0 ? " and " : "", f->certs[v[i]].name);
}

char *
trust_words(const struct fleet *f, int trust)
{
	struct buf b;

	buf_init(&b, 0);
	trust_text(&b, f, trust);
	return buf_take(&b, NULL);
}

int
cert_line(const struct fleet *f, int cert)
{
	cert = cert_authority(f, cert);
	/* The reader lets none come after one that is declared behind it: there is an end. */
	while (f->certs[cert].after != NONE)
		cert = cert_authority(f, f->certs[cert].after);
	return cert;
}

int
link_trust_value(const struct fleet *f, const struct link *l, int cert)
{
	return l->trust_lands ? cert : cert_authority(f, cert);
}

bool
link_may_trust(const struct fleet *f, const struct link *l, int cert)
{
	return l->trust_cert != NONE && cert_line(f, l->trust_cert) == cert_line(f, cert);
}
