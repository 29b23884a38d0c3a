/*
 * err: what went wrong, in words.
 *
 * A fallible function returns 0 or -1 and fills its last argument.  Going up,
 * callers wrap: the message then reads outside-in like a path, "cannot probe
 * 'postgres': host 'db': connection refused".  Lower case, no full stop,
 * subjects in single quotes.  A struct err lives on the stack, needs no
 * release and is truncated, never overrun.  It may hold remote bytes: it goes
 * to a terminal only through text_clean().
 */
#ifndef BELAY_CORE_ERR_H
#define BELAY_CORE_ERR_H

#define ERR_MAX 1024

struct err {
	char msg[ERR_MAX];
};

/* Sets the message; returns -1 always, so that `return err_set(…)` reads well. */
int	err_set(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Puts "prefix: " before what is there; returns -1. */
int	err_wrap(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
