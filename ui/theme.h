/*
 * theme: roles, not colours.  What a cell means is said by whoever draws it;
 * how that looks is said here, once for each kind of terminal.  Pure.
 *
 * The monochrome scheme is complete: no state is told by colour alone, since
 * every state has a glyph and a word as well.
 */
#ifndef BELAY_UI_THEME_H
#define BELAY_UI_THEME_H

#include <stdbool.h>

/* role, its letter in a saved screen, what it is for */
#define ROLES(X) \
	X(ROLE_TEXT,	't', "ordinary text") \
	X(ROLE_DIM,	'd', "what matters less: ages, units, hints") \
	X(ROLE_STRONG,	's', "names that stand out") \
	X(ROLE_TITLE,	'h', "the top line") \
	X(ROLE_HEADING,	'c', "headings of columns and sections") \
	X(ROLE_RULE,	'r', "lines between panes") \
	X(ROLE_GOOD,	'g', "proven, passed, done") \
	X(ROLE_FAIR,	'f', "on tls but not proven, met, skipped") \
	X(ROLE_WARN,	'w', "plaintext, mixed, stale, in doubt, waived") \
	X(ROLE_BAD,	'b', "failed, refused, stuck") \
	X(ROLE_BUSY,	'y', "going on right now") \
	X(ROLE_ADDED,	'p', "a line that will be there") \
	X(ROLE_REMOVED,	'm', "a line that will be gone") \
	X(ROLE_KEY,	'k', "a key that can be pressed") \
	X(ROLE_OFF,	'o', "a key that cannot be pressed now") \
	X(ROLE_ARMED,	'a', "changes are possible") \
	X(ROLE_FIELD,	'i', "what is being typed") \
	X(ROLE_CURSOR,	'x', "where it is being typed") \
	X(ROLE_BOX,	'q', "the edge of a question")

#define ROLE_ENUM(role, letter, use) role,
enum role { ROLES(ROLE_ENUM) ROLE_COUNT };
#undef ROLE_ENUM

char	 role_letter(enum role);
const char *role_use(enum role);

/* Colours are indices of the terminal's palette; -1: its own default. */
struct style {
	short	 fg, bg;
	bool	 bold, dim, reverse, underline;
};

enum scheme { SCHEME_MONO, SCHEME_8, SCHEME_256 };
#define SCHEME_COUNT 3
const char *scheme_word(enum scheme);
/* colours: what the terminal has; no_color: the operator's wish (no-color.org). */
enum scheme scheme_choose(int colours, bool no_color);
struct style theme_style(enum scheme, enum role, bool selected);

#endif
