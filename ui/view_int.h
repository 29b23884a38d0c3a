/*
 * view_int: what the files of the view share.  For view*.c only.
 */
#ifndef BELAY_UI_VIEW_INT_H
#define BELAY_UI_VIEW_INT_H

#include "ui/view.h"

/* view.c */
void	view_say(struct view *, enum role, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
struct wish *view_wish(struct wishes *, enum wish_kind);
void	view_wish_verb(struct wishes *, enum verb, int step);
void	view_open(struct view *, enum place pane);
/* Of what is under the cursor. */
void	view_explain(struct view *, const struct scene *);
void	view_open_step(struct view *, enum place pane, int step);
/* Asks; what was typed before is thrown away (WISH_FLUSH). */
void	view_put_question(struct view *, enum question, int subject, struct wishes *);
void	view_close_question(struct view *);

/* view_act.c */
void	view_act_in_pane(struct view *, const struct scene *, enum act, struct wishes *);
void	view_act_in_question(struct view *, const struct scene *, enum act, struct wishes *);

/* view_change.c */
void	view_begin_apply(struct view *, const struct scene *, int step, struct wishes *);
void	view_await_preview(struct view *, const struct scene *, struct wishes *);
void	view_answer_apply(struct view *, const struct scene *, struct wishes *);
void	view_begin_undo(struct view *, const struct scene *, int step, struct wishes *);
void	view_undo_now(struct view *, const struct scene *, struct wishes *);
/* Says in full why a step is not undone, over its checks. */
void	view_put_refusal(struct view *, int step, const char *why);
/* A step out of its turn: asks, or says in full why not. */
void	view_begin_turn(struct view *, const struct scene *, int step, struct wishes *);
void	view_answer_turn(struct view *, const struct scene *, struct wishes *);
void	view_arm(struct view *, const struct scene *, bool on);
void	view_leave(struct view *, const struct scene *, struct wishes *);
void	view_cancel(struct view *, struct wishes *);
void	view_accept(struct view *, const struct scene *, struct wishes *);	/* what was typed */
void	view_open_ask(struct view *, struct wishes *);	/* the first that waits */

/* view_proof.c */
void	view_tell_proof(struct view *, const struct scene *);

#endif
