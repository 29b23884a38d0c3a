/*
 * hba_int: what the files of hba share.  Included by hba*.c only.
 */
#ifndef BELAY_CORE_HBA_INT_H
#define BELAY_CORE_HBA_INT_H

#include "core/hba.h"

struct hba_fields {
	struct hba_field *v;
	size_t	 n;
};

/* Where the tokens of one line go on; text ends with a NUL, and continued lines are joined. */
struct hba_line {
	const char *p;
	bool	 too_long;	/* a token was: the server drops the line */
};

/* One token as it stands, @file not followed; false: none before the end, a comment, or one too long. */
bool	hba_token_read(struct hba_line *, int version, struct hba_token *ret, bool *ret_comma);
/* The fields of one line, @files not followed; lines that are continued may be in `line` as they stand. */
void	hba_fields_read(struct hba_fields *ret, const char *line, size_t len_bytes);
/* The next line of the text with those that continue it; *at goes behind, *number by their count. */
bool	hba_line_next(const char *text, size_t len_bytes, size_t *at, int *number, struct buf *out);
void	hba_field_release(struct hba_field *);
void	hba_fields_release(struct hba_fields *);

/* Is it this word of pg_hba.conf's? */
bool	hba_is_word(const struct hba_token *, const char *word);

#endif
