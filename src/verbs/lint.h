/*
 * lint: what `check` says beside the proof.  See core/lint.h.
 */
#ifndef BELAY_VERBS_LINT_H
#define BELAY_VERBS_LINT_H

struct fleet;
struct plan;

/* A line for each finding, "file:line:col: warning: text [name]"; plan may be NULL. */
void	lint_out(const struct fleet *, const struct plan *);

#endif
