/*
 * glyph: the few signs that the screen uses, in UTF-8 and in ASCII.  Pure.
 */
#ifndef BELAY_UI_GLYPH_H
#define BELAY_UI_GLYPH_H

#include <stdbool.h>

/* glyph, UTF-8, ASCII, what it says (the help screen lists those that have a word) */
#define GLYPHS(X) \
	X(G_DONE,	"✔", "+", "done, passed, proven") \
	X(G_FAIL,	"✘", "x", "failed, stuck") \
	X(G_NEXT,	"▶", ">", "the next step, or the one in flight") \
	X(G_MET,	"≡", "=", "found in place: not done by us") \
	X(G_DOUBT,	"?", "?", "not known: in doubt, inconclusive, never seen") \
	X(G_SKIP,	"–", "-", "skipped") \
	X(G_RESTORED,	"↶", "<", "undone, and seen to be") \
	X(G_SOAK,	"◔", "%", "soaking: proven, and watched for a while") \
	X(G_PENDING,	"◌", ".", "pending: nothing fresh enough was seen yet") \
	X(G_WAIVED,	"!", "!", "waived, with a reason") \
	X(G_FORBID,	"⊘", "!", "something stands in the way") \
	X(G_TLS,	"●", "*", "sessions, all on TLS") \
	X(G_MIXED,	"◐", "%", "some on TLS, some on plaintext: 5/8 plain says five of eight") \
	X(G_PLAIN,	"○", "o", "sessions, all on plaintext") \
	X(G_IDLE,	"·", ".", "looked, and nobody is connected") \
	X(G_STALE,	"◇", "~", "seen, but too long ago") \
	X(G_ARROW,	"→", "->", "") \
	X(G_TIMES,	"×", "x", "") \
	X(G_DOT,	"·", "-", "") \
	X(G_HLINE,	"─", "-", "") \
	X(G_VLINE,	"│", "|", "") \
	X(G_TEE_DOWN,	"┬", "+", "") \
	X(G_TEE_UP,	"┴", "+", "") \
	X(G_TOP_LEFT,	"╭", "+", "") \
	X(G_TOP_RIGHT,	"╮", "+", "") \
	X(G_END_LEFT,	"╰", "+", "") \
	X(G_END_RIGHT,	"╯", "+", "") \
	X(G_OPEN,	"▾", "v", "") \
	X(G_FOLDED,	"▸", ">", "") \
	X(G_MASK,	"•", "*", "") \
	X(G_CURSOR,	"▏", "_", "")

#define GLYPH_ENUM(glyph, utf8, ascii, word) glyph,
enum glyph { GLYPHS(GLYPH_ENUM) GLYPH_COUNT };
#undef GLYPH_ENUM

const char *glyph(bool ascii, enum glyph);
const char *glyph_means(enum glyph);	/* "" where it needs no word */

#endif
