/*
 * err: see err.h.
 */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>

int
err_set(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return -1;
	va_start(ap, fmt);
	(void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -1;
}

int
err_wrap(struct err *err, const char *fmt, ...)
{
	struct err inner;
	va_list ap;
	int len;

	if (err == NULL)
		return -1;
	inner = *err;
	va_start(ap, fmt);
	len = vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(err->msg))
		return -1;
	/* A message cut short is what we want: hence the result that is looked at. */
	if (snprintf(err->msg + len, sizeof(err->msg) - (size_t)len, ": %s",
	    inner.msg) < 0)
		err->msg[len] = '\0';
	return -1;
}
