/*
 * pane: what fills the body of the screen.  The dashboard draws itself into
 * its area; the others are pages (page.h).  Pure: scene in, cells out.
 */
#ifndef BELAY_UI_PANE_H
#define BELAY_UI_PANE_H

#include "ui/look.h"
#include "ui/page.h"
#include "ui/scene.h"
#include "ui/view.h"

/*
 * Draws the rule under the title, steps, links, endpoints and the detail below them.  Writes back into
 * the view how many rows there are and fit (struct scroll).
 */
void	dashboard_draw(struct area, struct view *, const struct scene *);

void	preview_page(struct page *, const struct scene *, int step);
/*
 * Is it faulted, stuck, in doubt, or is a host lost that it is at work on?  Then
 * what is known of each host of it, and what can be done, a line each.
 */
bool	step_in_trouble(const struct scene *, int step);
void	trouble_add(struct page *, const struct scene *, int step);
/* What a command of the step printed that failed, was cut or is stuck; or NULL.  May hold remote bytes. */
const char *said_text(const struct scene *, int step, size_t op);
/* Where the last n lines of a text begin. */
const char *last_lines(const char *text, size_t n);
void	progress_page(struct page *, const struct scene *, int step);
void	gate_page(struct page *, const struct scene *, int step);
void	sessions_page(struct page *, const struct scene *);
void	certs_page(struct page *, const struct scene *);
void	hosts_page(struct page *, const struct scene *);
void	history_page(struct page *, const struct scene *);
void	notes_page(struct page *, const struct view *);
void	help_page(struct page *);
/* Why it is as it is, and what mends it. */
void	explain_page(struct page *, const struct scene *, const struct about *);
/* chosen: the counter-example that is told whole, whatever its number. */
void	proof_page(struct page *, const struct scene *, int chosen);
/* What the check `proof` stands for, and what is known of it so far: goes on where the line stands. */
void	proof_check_words(struct page *, const struct scene *, int step, int indent);

/* What the canaries of a step have seen: a line each (bad: only of the first that is breached); whole, with a heading; and how they are declared. */
void	canary_lines(struct page *, const struct scene *, int step, bool bad);
void	canary_blocks(struct page *, const struct scene *, int step);
void	canary_declared(struct page *, const struct scene *, int step);

/* "STEP 5.1  flip api" and what it means for the fleet: the first lines of a step's panes. */
void	step_head(struct page *, const struct scene *, int step);
/* "1 host, 2 edits, 1 activation (8 sessions)"; the caller frees. */
char	*impact_words(const struct scene *, int step);
/* "cuts 8 sessions". */
void	cut_words(char ret[LOOK_MAX], uint32_t sessions, bool uncounted);
/* "./update.sh --restart-only in /srv/app", as shown; the caller frees. */
char	*command_words(const char *run, const char *in);
/* One operation in words: "env api-1:/srv/app/.env"; the caller frees. */
char	*op_words(const struct scene *, const struct op *);

/* The box of the question that is being asked, at the lower end of the area; returns its height. */
int	question_draw(struct area, const struct view *, const struct scene *);

#endif
