/*
 * mem: see mem.h.  The only file that calls the allocator directly.
 */
#include "core/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
mem_alloc(size_t len_bytes)
{
	return mem_array(1, len_bytes);
}

void *
mem_array(size_t n, size_t size_bytes)
{
	void *p;

	if (n == 0 || size_bytes == 0)
		n = size_bytes = 1;
	if ((p = calloc(n, size_bytes)) == NULL)
		abort();
	return p;
}

void *
mem_resize(void *old, size_t n, size_t size_bytes)
{
	void *p;

	if (n == 0 || size_bytes == 0)
		n = size_bytes = 1;
	if (n > SIZE_MAX / size_bytes)
		abort();
	if ((p = realloc(old, n * size_bytes)) == NULL)
		abort();
	return p;
}

char *
mem_strdup(const char *s)
{
	return s == NULL ? NULL : mem_strndup(s, strlen(s));
}

char *
mem_strndup(const char *s, size_t len_bytes)
{
	char *p;

	if (len_bytes == SIZE_MAX)
		abort();
	p = mem_alloc(len_bytes + 1);
	if (len_bytes > 0)
		memcpy(p, s, len_bytes);
	return p;
}

char *
mem_vprintf(const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (len < 0)
		abort();
	p = mem_alloc((size_t)len + 1);
	(void)vsnprintf(p, (size_t)len + 1, fmt, ap);
	return p;
}

char *
mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = mem_vprintf(fmt, ap);
	va_end(ap);
	return p;
}

void
mem_wipe(void *p, size_t len_bytes)
{
	if (p != NULL && len_bytes > 0)
		explicit_bzero(p, len_bytes);
}

void
mem_wipe_free(void *p, size_t len_bytes)
{
	mem_wipe(p, len_bytes);
	free(p);
}

void *
mem_push(void *array_ptr, size_t *n, size_t size_bytes)
{
	void *array;
	char *element;

	memcpy(&array, array_ptr, sizeof(array));
	/* Capacity is the next power of two, so it need not be kept. */
	if ((*n & (*n - 1)) == 0) {
		array = mem_resize(array, *n == 0 ? 1 : *n * 2, size_bytes);
		memcpy(array_ptr, &array, sizeof(array));
	}
	element = (char *)array + *n * size_bytes;
	memset(element, 0, size_bytes);
	(*n)++;
	return element;
}
