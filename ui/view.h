/*
 * view: what the operator is looking at and in the middle of saying.  Keys in,
 * wishes out; pure, like the rollout.  It holds no fact about the fleet: those
 * come with each call, as a scene.
 *
 * Read-only until armed.  A wish that changes something arises only from an
 * answered question (apply), from the countdown (undo), or from a command
 * typed in full; never from a key that moves about.
 */
#ifndef BELAY_UI_VIEW_H
#define BELAY_UI_VIEW_H

#include "ui/field.h"
#include "ui/keys.h"
#include "ui/proven.h"
#include "ui/scene.h"
#include "ui/theme.h"

#define UNDO_COUNTDOWN_MS 3000
#define VIEW_DEPTH_MAX 8
#define VIEW_NOTES_MAX 500
#define VIEW_ASKS_MAX 256

enum question {
	Q_NONE,
	Q_APPLY,		/* Enter or y */
	Q_APPLY_NAMED,		/* the protected environment's name is typed */
	Q_UNDO,			/* counting down */
	Q_TURN,			/* undo out of its turn: Enter or y */
	Q_REFUSED,		/* why not, in full: read and closed */
	Q_LEAVE,		/* in the middle of an operation */
	Q_FILTER,
	Q_COMMAND,
	Q_ASK			/* a secret, a passphrase, a host key */
};

/* A list or a page that is scrolled; rows and page are what the last paint found. */
struct scroll {
	int	 sel, top;
	int	 rows, page;
};

/* What is explained: one of them, the others NONE; none: the fleet. */
struct about {
	int	 host, endpoint, link, step;
};

struct note {
	int64_t	 at_ms;
	enum tell tell;
	char	*text;		/* may hold remote bytes */
};

struct view {
	bool	 ascii, read_only;
	bool	 armed;
	enum place pane;
	enum place under[VIEW_DEPTH_MAX];
	int	 nunder;
	struct scroll lists[PANE_COUNT];	/* [PANE_DASHBOARD]: the steps */
	struct scroll links;
	bool	 on_links;		/* dashboard: the links have the keys */
	bool	 follow;		/* the selection goes where the rollout is */
	int	 open_group;		/* the `for` that is unfolded, or NONE */
	int	 step;			/* of the step's panes */
	char	 filter[128];

	enum question question;
	int	 subject;		/* Q_APPLY…, Q_UNDO, Q_TURN, Q_REFUSED: step */
	int	 apply_step;		/* its preview is awaited, then Q_APPLY; or NONE */
	int64_t	 fire_at_ms;		/* Q_UNDO */
	struct field field;		/* Q_FILTER, Q_COMMAND, Q_APPLY_NAMED, Q_ASK */
	bool	 pasting;
	int	 interrupts;		/* Ctrl-C in a row */

	struct ask *asks;		/* waiting; [0] is the one on the screen with Q_ASK */
	size_t	 nasks;
	bool	 again;			/* a new passphrase: typed once, and now again */
	char	 answer[FIELD_MAX];	/* the first of the two; the answer in a wish */

	char	 message[512];		/* may hold remote bytes */
	enum role message_role;
	struct note *notes;
	size_t	 nnotes;
	char	 refusal[640];		/* Q_REFUSED: why */
	int	 refused_step;		/* whose that is, or NONE */
	bool	 greeted;		/* a refuted plan was shown */
	unsigned told_news;		/* struct proven, news: of which was told */
	enum proof_state told_proof;
	int	 counter;		/* PANE_PROOF: the counter-example that is picked */
	bool	 to_counter;		/* scroll there */
	int	 picked[PANE_COUNT];	/* of PICKED_FROM: which of its items, from 0 */
	bool	 to_picked;		/* scroll there */
	struct about about;		/* PANE_EXPLAIN */
	char	 said[512], reason[512];	/* what the texts of wishes point to */
};

/* What has to be done about a key.  Texts live until the next call on the view. */
enum wish_kind {
	WISH_VERB,		/* verb, step */
	WISH_WAIVE,		/* step; text: check, more: reason */
	WISH_ATTEST,		/* likewise */
	WISH_KEEP,		/* step; text: file, more: reason */
	WISH_ANSWER,		/* ask; text: answer, or NULL for no */
	WISH_SAVE,		/* text: file */
	WISH_SWEEP,
	WISH_FLUSH,		/* throw typed-ahead input away: a question just appeared */
	WISH_REDRAW,
	WISH_LEAVE
};

struct wish {
	enum wish_kind kind;
	enum verb verb;
	int	 step;
	uint64_t ask;
	const char *text, *more;
};

#define WISHES_MAX 4
struct wishes {
	struct wish v[WISHES_MAX];
	size_t	 n;
};

void	view_init(struct view *, bool ascii, bool read_only);
void	view_release(struct view *);

void	view_key(struct view *, const struct scene *, int key, struct wishes *out);
/* Ctrl-C, however it came. */
void	view_interrupt(struct view *, const struct scene *, struct wishes *out);
/* Something changed, or time went by. */
void	view_update(struct view *, const struct scene *, struct wishes *out);
/* After the wishes were carried out: wipes what was secret in them. */
void	view_settle(struct view *);

void	view_ask(struct view *, const struct ask *);
void	view_tell(struct view *, int64_t now_ms, enum tell, const char *text);
/* Something was refused: says why, keeps it among the messages, and stops waiting for it. */
void	view_refused(struct view *, int64_t now_ms, const char *why);
/* The same of a step's undo, and in full: what would insist stands at its end.  True: what was typed ahead is dropped. */
bool	view_undo_refused(struct view *, int64_t now_ms, int step, const char *why);

/* Where keys go now. */
enum place view_place(const struct view *);
/* The filter is for the half of the dashboard that has the keys. */
const char *view_steps_filter(const struct view *);
/* Panes in which Tab picks an endpoint or a host: items in the fleet's order. */
#define PICKED_FROM	(IN(PANE_SESSIONS) | IN(PANE_CERTS) | IN(PANE_HOSTS))
/* The links that the dashboard shows; the caller frees *ret. */
size_t	view_links(const struct view *, const struct scene *, int **ret);
/* The step that is looked at, or NONE. */
int	view_step(const struct view *, const struct scene *);
/* Could the act be done now?  *ret_why_not as for rollout_may(); may be NULL. */
bool	view_may(const struct view *, const struct scene *, enum act, const char **ret_why_not);
/* Moves the selection by so many rows, and keeps it where rows are. */
void	scroll_move(struct scroll *, int by);
/* After a paint: so many rows there are, so many can be seen; scrolls to the selection. */
void	scroll_fit(struct scroll *, int rows, int page);

#endif
