/*
 * keys: one table of keys.  Dispatch, footer, help screen and the manual's
 * KEYS section are all made from it.
 *
 * A row without a help line does not compile (see keys.c).  Pure.
 */
#ifndef BELAY_UI_KEYS_H
#define BELAY_UI_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Keys: a Unicode code point, a control character, or one of these. */
enum key {
	K_NONE = 0,
	K_TAB = 9,
	K_ENTER = 13,
	K_ESC = 27,
	K_BACKSPACE = 127,
	K_UP = 0x110000, K_DOWN, K_LEFT, K_RIGHT, K_HOME, K_END, K_PAGE_UP, K_PAGE_DOWN,
	K_DELETE, K_BACKTAB, K_PASTE_BEGIN, K_PASTE_END, K_OTHER
};
#define K_CTRL(c) ((c) & 0x1f)

/* Where a key can be pressed: the panes, then the questions that cover them. */
enum place {
	PANE_DASHBOARD,
	PANE_PREVIEW,		/* what a step would change */
	PANE_PROGRESS,		/* what its operations are doing */
	PANE_GATE,		/* what was shown, and what was not */
	PANE_SESSIONS,
	PANE_CERTS,
	PANE_HOSTS,
	PANE_HISTORY,
	PANE_NOTES,		/* what was said on the message line */
	PANE_PROOF,		/* what `belay check` says */
	PANE_EXPLAIN,		/* why something is as it is, and what mends it */
	PANE_HELP,
	PLACE_APPLY,		/* "apply?" */
	PLACE_UNDO,		/* the countdown */
	PLACE_TURN,		/* "undo out of turn?" */
	PLACE_REFUSED,		/* why not, in full */
	PLACE_LEAVE,		/* "leave in the middle?" */
	PLACE_FIELD		/* something is being typed */
};
#define PANE_COUNT 12
#define PLACE_COUNT 18
const char *place_word(enum place);

#define IN(place)	(1u << (place))
#define IN_PANES	((1u << PANE_COUNT) - 1)
#define IN_STEP		(IN(PANE_PREVIEW) | IN(PANE_PROGRESS) | IN(PANE_GATE))
#define IN_ASKED	(IN(PLACE_APPLY) | IN(PLACE_TURN) | IN(PLACE_REFUSED))

enum section { KEYS_CHANGE, KEYS_LOOK, KEYS_MOVE, KEYS_QUESTION };
#define SECTION_COUNT 4
const char *section_word(enum section);

/*
 * act, three keys (0: none), where, section, label in the footer ("": not
 * there), weight there (1 stays longest when it is narrow), help.
 */
#define KEYS(X) \
	X(ACT_APPLY, 'a', 0, 0, IN_PANES, KEYS_CHANGE, "apply", 2, \
	    "observe the next step afresh, show what it changes, ask, and apply it (only when armed)") \
	X(ACT_UNDO, 'u', 0, 0, IN_PANES, KEYS_CHANGE, "undo", 1, \
	    "undo the last step: shows what it reverts and starts after 3 seconds, armed or not") \
	X(ACT_UNDO_STEP, 'U', 0, 0, IN_PANES, KEYS_CHANGE, "", 0, \
	    "undo the selected step, though later ones stand: asks, or names who would be stranded") \
	X(ACT_ARM, 'A', 0, 0, IN_PANES, KEYS_CHANGE, "arm", 3, \
	    "arm or disarm: nothing can be applied before") \
	X(ACT_PREVIEW, 'd', 0, 0, IN_PANES, KEYS_LOOK, "diff", 4, \
	    "what the selected step changes, line by line, and what it restarts") \
	X(ACT_VERIFY, 'v', 0, 0, IN_PANES, KEYS_LOOK, "verify", 5, \
	    "judge the selected step's guards and gate now; changes nothing") \
	X(ACT_EXPLAIN, 'e', 0, 0, IN_PANES, KEYS_LOOK, "explain", 6, \
	    "why what is under the cursor fails: cause, what was seen of it, what to do") \
	X(ACT_PROGRESS, 'p', 0, 0, IN_PANES, KEYS_LOOK, "progress", 14, \
	    "the selected step's operations: state, time, deadline, output") \
	X(ACT_SESSIONS, 's', 0, 0, IN_PANES, KEYS_LOOK, "sessions", 9, \
	    "who is connected, who logged in, and who went by unseen") \
	X(ACT_CERTS, 'c', 0, 0, IN_PANES, KEYS_LOOK, "certs", 10, \
	    "the certificate that each endpoint serves, and who would refuse it") \
	X(ACT_HOSTS, 'o', 0, 0, IN_PANES, KEYS_LOOK, "hosts", 12, \
	    "how each host is reached, and why not") \
	X(ACT_HISTORY, 'H', 0, 0, IN_PANES, KEYS_LOOK, "history", 11, \
	    "the journal: what was intended, and what happened") \
	X(ACT_PROOF, 'P', 0, 0, IN_PANES, KEYS_LOOK, "proof", 7, \
	    "what belay check says: whom the plan strands and how it comes to that, and the lint") \
	X(ACT_NOTES, 'm', 0, 0, IN_PANES, KEYS_LOOK, "", 0, \
	    "messages so far") \
	X(ACT_REFRESH, 'r', 0, 0, IN_PANES, KEYS_LOOK, "", 0, \
	    "probe everything now") \
	X(ACT_FILTER, '/', 0, 0, IN_PANES, KEYS_LOOK, "filter", 13, \
	    "show only the rows that contain a text; empty shows all again") \
	X(ACT_COMMAND, ':', 0, 0, IN_PANES | IN(PLACE_REFUSED), KEYS_LOOK, "command", 8, \
	    "type a command by name") \
	X(ACT_HELP, '?', 0, 0, IN_PANES, KEYS_LOOK, "help", 1, \
	    "this table") \
	X(ACT_REDRAW, K_CTRL('l'), 0, 0, IN_PANES, KEYS_LOOK, "", 0, \
	    "draw the screen anew") \
	X(ACT_UP, K_UP, 'k', 0, IN_PANES, KEYS_MOVE, "", 0, "one row up") \
	X(ACT_DOWN, K_DOWN, 'j', 0, IN_PANES, KEYS_MOVE, "", 0, "one row down") \
	X(ACT_LEFT, K_LEFT, 'h', 0, IN_PANES, KEYS_MOVE, "", 0, \
	    "to the steps; fold the selected row") \
	X(ACT_RIGHT, K_RIGHT, 'l', 0, IN_PANES, KEYS_MOVE, "", 0, \
	    "unfold the selected row; to the links") \
	X(ACT_PAGE_UP, K_PAGE_UP, K_CTRL('b'), 0, IN_PANES, KEYS_MOVE, "", 0, "a screen up") \
	X(ACT_PAGE_DOWN, K_PAGE_DOWN, K_CTRL('f'), ' ', IN_PANES, KEYS_MOVE, "", 0, \
	    "a screen down") \
	X(ACT_FIRST, 'g', K_HOME, 0, IN_PANES, KEYS_MOVE, "", 0, "the first row") \
	X(ACT_LAST, 'G', K_END, 0, IN_PANES, KEYS_MOVE, "", 0, "the last row") \
	X(ACT_IN, K_ENTER, 0, 0, IN_PANES, KEYS_MOVE, "", 0, \
	    "into the selected row; changes nothing") \
	X(ACT_NEXT, K_TAB, 0, 0, IN_PANES, KEYS_MOVE, "", 0, \
	    "the next pane: steps and links; diff, progress and gate of a step; the next counter-example, endpoint or host") \
	X(ACT_BACK, K_ESC, K_BACKSPACE, 0, IN_PANES, KEYS_MOVE, "", 0, "back") \
	X(ACT_QUIT, 'q', 0, 0, IN_PANES, KEYS_MOVE, "quit", 1, "back; quit from the dashboard") \
	X(ACT_YES, 'y', K_ENTER, 0, IN(PLACE_APPLY), KEYS_QUESTION, "apply", 1, \
	    "asked whether to apply: yes") \
	X(ACT_NOW, 'u', K_ENTER, 0, IN(PLACE_UNDO), KEYS_QUESTION, "now", 1, \
	    "while undo counts down: start now") \
	X(ACT_TURN, 'y', K_ENTER, 0, IN(PLACE_TURN), KEYS_QUESTION, "undo it", 1, \
	    "asked whether to undo a step out of its turn: yes") \
	X(ACT_READ, K_ENTER, 0, 0, IN(PLACE_REFUSED), KEYS_QUESTION, "close", 1, \
	    "told why something is refused: read") \
	X(ACT_LEAVE, 'y', 0, 0, IN(PLACE_LEAVE), KEYS_QUESTION, "leave", 1, \
	    "asked whether to leave in the middle of a step: leave") \
	X(ACT_ACCEPT, K_ENTER, 0, 0, IN(PLACE_FIELD), KEYS_QUESTION, "take it", 1, \
	    "where something is typed: take it") \
	X(ACT_SCROLL_UP, K_PAGE_UP, K_UP, 0, IN_ASKED, KEYS_QUESTION, "", 0, \
	    "asked whether to apply or undo: read what is above") \
	X(ACT_SCROLL_DOWN, K_PAGE_DOWN, K_DOWN, 0, IN_ASKED, KEYS_QUESTION, "", 0, \
	    "asked whether to apply or undo: read what is below") \
	X(ACT_CANCEL, K_ESC, 0, 0, \
	    IN_ASKED | IN(PLACE_UNDO) | IN(PLACE_LEAVE) | IN(PLACE_FIELD), KEYS_QUESTION, \
	    "cancel", 1, "asked anything: no")

#define KEYS_ENUM(act, k1, k2, k3, in, section, label, weight, help) act,
enum act { ACT_NONE, KEYS(KEYS_ENUM) ACT_COUNT };
#undef KEYS_ENUM

#define KEY_CODES 3
struct key_row {
	enum act act;
	int	 codes[KEY_CODES];
	unsigned in;
	enum section section;
	const char *label;
	int	 weight;
	const char *help;
};
#define KEY_ROWS (ACT_COUNT - 1)
extern const struct key_row key_rows[KEY_ROWS];

/* The row that a key has in a place, or NULL. */
const struct key_row *keys_find(enum place, int code);
/* "a", "Enter", "Ctrl-l", "PgUp"; at most 15 bytes and the NUL. */
#define KEY_NAME_MAX 16
void	 key_words(char ret[KEY_NAME_MAX], int code);
/* A sentence as mdoc(7) text, folded. */
void	 print_mdoc_text(FILE *, const char *);
/* The table for the manual's KEYS section, in mdoc(7). */
void	 keys_print_mdoc(FILE *);

#endif
