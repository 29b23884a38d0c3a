/*
 * buf: see buf.h.
 */
#include "core/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

void
buf_init(struct buf *b, size_t max_bytes)
{
	memset(b, 0, sizeof(*b));
	b->max = max_bytes;
}

void
buf_release(struct buf *b)
{
	if (b->secret)
		mem_wipe(b->data, b->cap);
	free(b->data);
	b->data = NULL;
	b->len = b->cap = 0;
	b->over = false;
}

void
buf_clear(struct buf *b)
{
	if (b->secret)
		mem_wipe(b->data, b->cap);
	b->len = 0;
	b->over = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

static void
buf_grow(struct buf *b, size_t want)
{
	size_t cap = b->cap == 0 ? 64 : b->cap;
	char *data;

	if (want <= b->cap)
		return;
	while (cap < want)
		cap *= 2;
	if (b->secret) {
		data = mem_alloc(cap);
		if (b->len > 0)
			memcpy(data, b->data, b->len);
		mem_wipe_free(b->data, b->cap);
		b->data = data;
	} else
		b->data = mem_resize(b->data, cap, 1);
	b->cap = cap;
}

int
buf_put(struct buf *b, const void *p, size_t len_bytes)
{
	size_t max = b->max == 0 ? BUF_MAX_DEFAULT : b->max;
	size_t room = b->len >= max ? 0 : max - b->len;
	size_t n = len_bytes < room ? len_bytes : room;

	buf_grow(b, b->len + n + 1);
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	if (n < len_bytes) {
		b->over = true;
		return -1;
	}
	return 0;
}

int
buf_puts(struct buf *b, const char *s)
{
	return buf_put(b, s, strlen(s));
}

int
buf_putc(struct buf *b, char c)
{
	return buf_put(b, &c, 1);
}

int
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int rc;

	va_start(ap, fmt);
	s = mem_vprintf(fmt, ap);
	va_end(ap);
	rc = buf_puts(b, s);
	if (b->secret)
		mem_wipe(s, strlen(s));
	free(s);
	return rc;
}

void
buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		buf_clear(b);
		return;
	}
	memmove(b->data, b->data + n, b->len - n);
	b->len -= n;
	b->data[b->len] = '\0';
}

const char *
buf_str(const struct buf *b)
{
	return b->data == NULL ? "" : b->data;
}

char *
buf_take(struct buf *b, size_t *ret_len)
{
	char *p = b->data;

	if (p == NULL)
		p = mem_alloc(1);
	if (ret_len != NULL)
		*ret_len = b->len;
	b->data = NULL;
	b->len = b->cap = 0;
	b->over = false;
	return p;
}

int64_t
buf_take_number(struct buf *b)
{
	char *end;
	int64_t v = strtoll(buf_str(b), &end, 10);

	if (end == buf_str(b) || *end != '\n')
		return -1;
	buf_drop(b, (size_t)(end + 1 - b->data));
	return v;
}
