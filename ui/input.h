/*
 * input: what a terminal sends, one key at a time, with the terminal's own
 * replies and unknown sequences left out.  Pure.
 *
 * curses turns the sequences that it knows into keys; what it does not know
 * comes through as an Esc and the characters behind it.  A reply of a terminal
 * ("Esc [ ? 62 ; 4 u") must not be taken for Esc and a `u`, so whatever follows an
 * Esc in the same breath is swallowed to its end.
 */
#ifndef BELAY_UI_INPUT_H
#define BELAY_UI_INPUT_H

#include <stdbool.h>
#include <stdint.h>

enum input_state {
	INPUT_PLAIN, INPUT_ESC, INPUT_CSI, INPUT_STRING, INPUT_STRING_ESC, INPUT_SS3
};

struct input {
	enum input_state state;
	int64_t	 since_ms;	/* of the state */
	int	 held;			/* a key behind an Esc of its own */
};

/* A sequence that was not ended by then was none. */
#define INPUT_PATIENCE_MS 200

/*
 * Takes one code (a key of keys.h); returns the key that it means, or K_NONE
 * while it belongs to a sequence.
 */
int	input_take(struct input *, int code, int64_t now_ms);
/* To be asked before the next code is taken: the key that came with the last, or K_NONE. */
int	input_held(struct input *);
/* Nothing more is there to read now: an Esc that stands alone is Esc. */
int	input_rest(struct input *);

#endif
