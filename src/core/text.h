/*
 * text: the one door for text that came from somewhere else.
 *
 * Nothing that a host, a server, a certificate or a file says reaches a
 * terminal, stdout or stderr but through text_clean() (threats: escape
 * sequences in banners and names, bidi overrides, zero-width characters).
 * Pure functions; widths are in terminal cells.
 */
#ifndef BELAY_CORE_TEXT_H
#define BELAY_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

/*
 * Appends a printable rendering of the bytes: strict UTF-8; C0 as ^X, DEL as
 * ^?, C1 and bidi, zero-width, unassigned, private and other format
 * characters as <U+202E>, bytes that are not UTF-8 as <FF>; \r \n \t \b are made
 * visible too (^M ^J ^I ^H).  At most TEXT_MARKS_MAX combining marks follow a
 * base character; more are shown by number.
 */
void	 text_clean(struct buf *out, const char *bytes, size_t len_bytes);
char	*text_clean_dup(const char *s);		/* the caller frees; NULL gives "" */
#define TEXT_MARKS_MAX 4

/* Cells that clean UTF-8 takes (East Asian wide: 2, marks: 0). */
size_t	 text_width(const char *clean);
/*
 * The number of bytes of `clean` that fit in width_cells without cutting a
 * character from its marks; *ret_cells (may be NULL) is what they take.
 */
size_t	 text_fit(const char *clean, size_t width_cells, size_t *ret_cells);
/* Decodes one code point of clean UTF-8; returns its length in bytes, 0 at the end. */
size_t	 text_next(const char *clean, int32_t *ret_codepoint);

/* One word for a POSIX shell, single-quoted where it needs to be. */
void	 text_shell_quote(struct buf *out, const char *word);

/*
 * The candidate nearest to `word`, or NULL when none is near enough to be
 * what was meant.  The list ends with NULL.
 */
const char *text_nearest(const char *word, const char *const candidates[]);

/* Base64 (RFC 4648, padded) and lower-case hexadecimal. */
void	 text_base64(struct buf *out, const void *, size_t len_bytes);
int	 text_base64_decode(struct buf *out, const char *, size_t len_bytes);
void	 text_hex(struct buf *out, const void *, size_t len_bytes);

/* "3 s", "2 min", "7 h", "4 d": an age or a time left, for people. */
void	 text_age(char *ret, size_t size_bytes, int64_t ms);

/* Parses 10, 10s, 5m, 7h, 90d, 3y, 250ms into milliseconds; -1 when it is none. */
int64_t	 text_duration_ms(const char *);

#endif
