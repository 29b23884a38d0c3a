/*
 * gate_int: what the judges of gate*.c share; for these files only.
 */
#ifndef BELAY_CORE_GATE_INT_H
#define BELAY_CORE_GATE_INT_H

#include "core/gate.h"

/* One check while it is being judged. */
struct judging {
	const struct check *check;
	const struct fleet *fleet;
	const struct board *board;
	const struct reading *own;	/* of a probe made for this check alone, or NULL */
	int64_t	 since_ms;
	struct check_result *ret;
};

void	judge(struct judging *, enum judgement, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/*
 * The reading that a check may rest on: fresh enough and conclusive.  NULL
 * after it has said why not.
 */
const struct reading *judge_fresh(struct judging *, enum reading_kind, int subject, const char *what);
/* Was the client's host looked at, with success or not, recently enough? */
bool	judge_looked_at(const struct judging *, const struct link *);

const char *judge_host_word(const struct fleet *, const struct link *);
/* The words, or others where there are none. */
const char *judge_or(const char *s, const char *otherwise);

/* gate_census.c */
void	judge_census(struct judging *);
void	judge_unseen(struct judging *);
void	judge_seen(struct judging *);

#endif
