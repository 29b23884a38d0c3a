/*
 * buf: bytes that grow, up to a limit that their owner names.
 *
 * Always NUL-terminated behind len, so that data can be read as a string when
 * it is known to hold one.  Zero-initialise, or buf_init(); release accepts a
 * zeroed one.  buf_put() past the limit drops the bytes, sets `over`, and
 * returns -1: a remote that sends too much costs bounded memory.
 */
#ifndef BELAY_CORE_BUF_H
#define BELAY_CORE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_MAX_DEFAULT ((size_t)16 << 20)

struct buf {
	char	*data;		/* NULL while nothing was put; see buf_str() */
	size_t	 len;
	size_t	 cap;
	size_t	 max;		/* 0: BUF_MAX_DEFAULT */
	bool	 over;		/* something was dropped */
	bool	 secret;	/* overwrite on growth and release */
};

void	 buf_init(struct buf *, size_t max_bytes);
void	 buf_release(struct buf *);
void	 buf_clear(struct buf *);
int	 buf_put(struct buf *, const void *, size_t len_bytes);
int	 buf_puts(struct buf *, const char *);
int	 buf_putc(struct buf *, char);
int	 buf_printf(struct buf *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes. */
void	 buf_drop(struct buf *, size_t n);
/* Takes a line of one decimal number off the head; -1: there is none, and nothing was taken. */
int64_t	 buf_take_number(struct buf *);
const char *buf_str(const struct buf *);	/* never NULL */
/* Hands the memory over (a NUL-terminated string) and empties the buf. */
char	*buf_take(struct buf *, size_t *ret_len);

#endif
