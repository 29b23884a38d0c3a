/*
 * look: how a state is shown: a sign, a role and a word, always the word too.
 * One place, so that the same state looks the same in every pane.  Pure.
 */
#ifndef BELAY_UI_LOOK_H
#define BELAY_UI_LOOK_H

#include "ui/glyph.h"
#include "ui/proven.h"
#include "ui/scene.h"
#include "ui/theme.h"

struct look {
	enum glyph glyph;
	bool	 blank;		/* no sign: nothing has happened yet */
	enum role role;
	const char *word;
};

struct look look_phase(enum phase);
struct look look_link(enum link_state);
struct look look_judgement(enum judgement);
struct look look_op(enum op_state);
struct look look_reach(enum reach);
struct look look_proof(enum proof_state);

/* "20 tls", "5/8 plain", "unknown": a link's sessions and state in few words. */
#define LOOK_MAX 64
void	look_sessions(char ret[LOOK_MAX], const struct link_view *);
/* "3 s"; "" for a time of 0. */
void	look_age(char ret[LOOK_MAX], int64_t now_ms, int64_t at_ms);
/* The same in at most four cells, for a column: "3s", "2m". */
void	look_age_short(char ret[LOOK_MAX], int64_t now_ms, int64_t at_ms);
/* "14:02:31", "2026-01-03 14:02:31", local time. */
void	look_clock(char ret[LOOK_MAX], int64_t at_ms);
void	look_date(char ret[LOOK_MAX], int64_t at_ms);
/* A link's name with the proper arrow; the caller frees. */
char	*look_link_name(const struct fleet *, int link, bool ascii);
/* A title with the proper arrow and times sign, and `*` for the variable of a `for`; the caller frees. */
char	*look_title(const char *title, bool ascii);
/* "postgres: accept both", "web -> pgbouncer: dial verify-full"; the caller frees. */
char	*look_move(const struct fleet *, const struct move *, bool ascii);

/* How a warning of expiry.h looks. */
enum role look_expiry(enum expiry);

#endif
