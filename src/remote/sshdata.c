/*
 * sshdata: see sshdata.h.
 */
#include "remote/sshdata.h"

#include "core/buf.h"

uint32_t
sshdata_u32(struct sshdata *c)
{
	uint32_t v;

	if (c->bad || c->left < 4) {
		c->bad = true;
		return 0;
	}
	v = (uint32_t)c->p[0] << 24 | (uint32_t)c->p[1] << 16 | (uint32_t)c->p[2] << 8 | c->p[3];
	c->p += 4;
	c->left -= 4;
	return v;
}

struct sshdata
sshdata_string(struct sshdata *c)
{
	struct sshdata s = { NULL, 0, true };
	uint32_t n = sshdata_u32(c);

	if (c->bad || n > c->left) {
		c->bad = true;
		return s;
	}
	s.p = c->p;
	s.left = n;
	s.bad = false;
	c->p += n;
	c->left -= n;
	return s;
}

void
sshdata_put_u32(struct buf *b, size_t v)
{
	unsigned char n[4] = { (unsigned char)(v >> 24), (unsigned char)(v >> 16),
	    (unsigned char)(v >> 8), (unsigned char)v };

	(void)buf_put(b, n, 4);
}

void
sshdata_put_string(struct buf *b, const void *p, size_t len_bytes)
{
	sshdata_put_u32(b, len_bytes);
	(void)buf_put(b, p, len_bytes);
}
