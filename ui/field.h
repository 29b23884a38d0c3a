/*
 * field: one line that is being typed.  Pure.
 *
 * It may hold a secret: it never grows, is overwritten when cleared, and is
 * drawn as dots where it is secret.
 */
#ifndef BELAY_UI_FIELD_H
#define BELAY_UI_FIELD_H

#include <stdbool.h>
#include <stddef.h>

#define FIELD_MAX 1024	/* bytes, with the NUL */

struct field {
	char	 text[FIELD_MAX];
	size_t	 len_bytes, chars;
	bool	 secret;
};

void	field_clear(struct field *, bool secret);	/* wipes */
void	field_set(struct field *, const char *text);
/* Takes characters, Backspace, Ctrl-U (all) and Ctrl-W (a word); false: not a key for a field. */
bool	field_key(struct field *, int key);

#endif
