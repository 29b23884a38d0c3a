/*
 * theme: see theme.h.
 *
 * Owns the three tables of looks.  Colours are few and of middle brightness,
 * so that they read on a dark and on a light background; the background is
 * the terminal's own but for the selected row and the ARMED mark.
 */
#include "ui/theme.h"

#define ROLE_LETTER(role, letter, use) letter,
static const char letters[ROLE_COUNT] = { ROLES(ROLE_LETTER) };
#undef ROLE_LETTER

#define ROLE_USE(role, letter, use) use,
static const char *const uses[ROLE_COUNT] = { ROLES(ROLE_USE) };
#undef ROLE_USE

#define PLAIN	{ -1, -1, false, false, false, false }
#define BOLD	{ -1, -1, true, false, false, false }
#define DIM	{ -1, -1, false, true, false, false }
#define UNDER	{ -1, -1, false, false, false, true }
#define REVERSE	{ -1, -1, false, false, true, false }
#define FG(c)	{ c, -1, false, false, false, false }
#define FG_BOLD(c) { c, -1, true, false, false, false }

static const struct style styles[SCHEME_COUNT][ROLE_COUNT] = {
	[SCHEME_MONO] = {
		[ROLE_TEXT] = PLAIN,
		[ROLE_DIM] = DIM,
		[ROLE_STRONG] = BOLD,
		[ROLE_TITLE] = BOLD,
		[ROLE_HEADING] = UNDER,
		[ROLE_RULE] = DIM,
		[ROLE_GOOD] = PLAIN,
		[ROLE_FAIR] = PLAIN,
		[ROLE_WARN] = BOLD,
		[ROLE_BAD] = { -1, -1, true, false, false, true },
		[ROLE_BUSY] = BOLD,
		[ROLE_ADDED] = BOLD,
		[ROLE_REMOVED] = UNDER,
		[ROLE_KEY] = BOLD,
		[ROLE_OFF] = DIM,
		[ROLE_ARMED] = { -1, -1, true, false, true, false },
		[ROLE_FIELD] = UNDER,
		[ROLE_CURSOR] = REVERSE,
		[ROLE_BOX] = BOLD,
	},
	[SCHEME_8] = {
		[ROLE_TEXT] = PLAIN,
		[ROLE_DIM] = DIM,
		[ROLE_STRONG] = BOLD,
		[ROLE_TITLE] = BOLD,
		[ROLE_HEADING] = FG(6),
		[ROLE_RULE] = DIM,
		[ROLE_GOOD] = FG(2),
		[ROLE_FAIR] = FG(6),
		[ROLE_WARN] = FG(3),
		[ROLE_BAD] = FG_BOLD(1),
		[ROLE_BUSY] = FG_BOLD(6),
		[ROLE_ADDED] = FG(2),
		[ROLE_REMOVED] = FG(1),
		[ROLE_KEY] = BOLD,
		[ROLE_OFF] = DIM,
		[ROLE_ARMED] = { 3, -1, true, false, true, false },
		[ROLE_FIELD] = UNDER,
		[ROLE_CURSOR] = REVERSE,
		[ROLE_BOX] = FG_BOLD(6),
	},
	[SCHEME_256] = {
		[ROLE_TEXT] = PLAIN,
		[ROLE_DIM] = FG(245),
		[ROLE_STRONG] = BOLD,
		[ROLE_TITLE] = BOLD,
		[ROLE_HEADING] = FG(67),
		[ROLE_RULE] = FG(240),
		[ROLE_GOOD] = FG(71),
		[ROLE_FAIR] = FG(73),
		[ROLE_WARN] = FG(172),
		[ROLE_BAD] = FG_BOLD(167),
		[ROLE_BUSY] = FG_BOLD(68),
		[ROLE_ADDED] = FG(71),
		[ROLE_REMOVED] = FG(167),
		[ROLE_KEY] = BOLD,
		[ROLE_OFF] = FG(242),
		[ROLE_ARMED] = { 16, 172, true, false, false, false },
		[ROLE_FIELD] = UNDER,
		[ROLE_CURSOR] = REVERSE,
		[ROLE_BOX] = FG(68),
	},
};

char
role_letter(enum role role)
{
	return letters[role];
}

const char *
role_use(enum role role)
{
	return uses[role];
}

const char *
scheme_word(enum scheme scheme)
{
	static const char *const words[SCHEME_COUNT] = {
		[SCHEME_MONO] = "mono", [SCHEME_8] = "8 colours", [SCHEME_256] = "256 colours",
	};

	return words[scheme];
}

enum scheme
scheme_choose(int colours, bool no_color)
{
	if (no_color || colours < 8)
		return SCHEME_MONO;
	return colours >= 256 ? SCHEME_256 : SCHEME_8;
}

struct style
theme_style(enum scheme scheme, enum role role, bool selected)
{
	struct style style = styles[scheme][role];

	if (!selected || role == ROLE_ARMED)
		return style;
	if (scheme == SCHEME_256) {
		/* The bar is dark on every terminal, so the text on it is named too. */
		style.bg = 237;
		if (style.fg < 0)
			style.fg = 255;
		else if (style.fg == 240 || style.fg == 242)
			style.fg = 246;
		return style;
	}
	/* Bold or dim against a reversed background is hard to read on many terminals. */
	style.reverse = !style.reverse;
	style.dim = false;
	return style;
}
