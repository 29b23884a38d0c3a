/*
 * out: the one door to stdout and stderr for the headless face.  Everything
 * passes text_clean() line by line; what a host said cannot move the cursor,
 * whatever it holds.
 */
#ifndef BELAY_VERBS_OUT_H
#define BELAY_VERBS_OUT_H

#include <stdbool.h>
#include <stddef.h>

struct engine;
struct err;

/* Both write whole text; newlines in it are kept, everything else that is not printable is shown. */
void	out(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void	out_err(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "belay: MESSAGE" on stderr; returns EXIT_ERROR. */
int	out_fail(const struct err *);
/* Text of several lines, each behind a prefix. */
void	out_lines(const char *prefix, const char *text);
void	out_err_lines(const char *prefix, const char *text);

/* Is there somebody to ask? (stdin and stderr are a terminal) */
bool	out_terminal(void);
/*
 * Reads one line from the terminal, without echo where it is secret.  NULL
 * where there is none or the answer is empty; the caller wipes and frees.
 */
char	*out_prompt(const char *question, bool secret);

#endif
