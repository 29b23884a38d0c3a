/*
 * blob: see blob.h.
 */
#include "core/blob.h"

#include <string.h>

#include "core/buf.h"
#include "core/mem.h"

#define LENGTH_NULL UINT64_MAX

static void
put_u64(struct buf *out, uint64_t v)
{
	unsigned char raw[8];
	int i;

	for (i = 0; i < 8; i++)
		raw[i] = (unsigned char)(v >> (8 * i));
	(void)buf_put(out, raw, sizeof(raw));
}

static uint64_t
get_u64(struct blob_reader *r)
{
	uint64_t v = 0;
	int i;

	if (r->bad || r->left < 8) {
		r->bad = true;
		return 0;
	}
	for (i = 0; i < 8; i++)
		v |= (uint64_t)r->p[i] << (8 * i);
	r->p += 8;
	r->left -= 8;
	return v;
}

void
blob_put_int(struct buf *out, int64_t v)
{
	put_u64(out, (uint64_t)v);
}

void
blob_put_str(struct buf *out, const char *s)
{
	if (s == NULL)
		put_u64(out, LENGTH_NULL);
	else
		blob_put_bytes(out, s, strlen(s));
}

void
blob_put_bytes(struct buf *out, const void *p, size_t len_bytes)
{
	put_u64(out, len_bytes);
	(void)buf_put(out, p, len_bytes);
}

void
blob_read(struct blob_reader *r, const void *p, size_t len_bytes)
{
	r->p = p;
	r->left = len_bytes;
	r->bad = false;
}

int64_t
blob_int(struct blob_reader *r, int64_t min, int64_t max)
{
	int64_t v = (int64_t)get_u64(r);

	if (r->bad || v < min || v > max) {
		r->bad = true;
		return min > 0 ? min : max < 0 ? max : 0;
	}
	return v;
}

bool
blob_bool(struct blob_reader *r)
{
	return blob_int(r, 0, 1) == 1;
}

static char *
take(struct blob_reader *r, size_t max_bytes, size_t *ret_len)
{
	uint64_t len = get_u64(r);
	char *s;

	if (r->bad || len == LENGTH_NULL)
		return NULL;
	if (len > max_bytes || len > r->left) {
		r->bad = true;
		return NULL;
	}
	s = mem_strndup((const char *)r->p, (size_t)len);
	r->p += len;
	r->left -= (size_t)len;
	*ret_len = (size_t)len;
	return s;
}

char *
blob_str(struct blob_reader *r, size_t max_bytes)
{
	size_t len = 0;
	char *s = take(r, max_bytes, &len);

	if (s != NULL && memchr(s, '\0', len) != NULL)
		r->bad = true;
	return s;
}

char *
blob_bytes(struct blob_reader *r, size_t max_bytes, size_t *ret_len)
{
	*ret_len = 0;
	return take(r, max_bytes, ret_len);
}

void
blob_fixed(struct blob_reader *r, char *ret, size_t size_bytes)
{
	size_t len = 0;
	char *s = take(r, size_bytes - 1, &len);

	ret[0] = '\0';
	if (s != NULL) {
		memcpy(ret, s, len + 1);
		mem_wipe_free(s, len);
	}
}

bool
blob_done(const struct blob_reader *r)
{
	return !r->bad && r->left == 0;
}
