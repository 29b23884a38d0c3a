/*
 * input: see input.h.  The states are those of ECMA-48: after Esc, `[` begins
 * a control sequence (ends with a byte of 0x40 to 0x7e), `]`, `P`, `X`, `^`, `_` a string
 * (ends with BEL or Esc \), `O` one more character.
 */
#include "ui/input.h"

#include "ui/keys.h"

static void
enter(struct input *in, enum input_state state, int64_t now_ms)
{
	in->state = state;
	in->since_ms = now_ms;
}

int
input_take(struct input *in, int code, int64_t now_ms)
{
	if (in->state != INPUT_PLAIN && now_ms - in->since_ms > INPUT_PATIENCE_MS)
		in->state = INPUT_PLAIN;
	switch (in->state) {
	case INPUT_PLAIN:
		if (code != K_ESC)
			return code;
		enter(in, INPUT_ESC, now_ms);
		return K_NONE;
	case INPUT_ESC:
		switch (code) {
		case '[':
			enter(in, INPUT_CSI, now_ms);
			return K_NONE;
		case 'O':
			enter(in, INPUT_SS3, now_ms);
			return K_NONE;
		case ']': case 'P': case 'X': case '^': case '_':
			enter(in, INPUT_STRING, now_ms);
			return K_NONE;
		case K_ESC:
			return K_ESC;	/* the first stands alone; this one may begin something */
		default:
			/* Esc and a key, typed fast or sent in one packet: both, in their order. */
			in->state = INPUT_PLAIN;
			in->held = code;
			return K_ESC;
		}
	case INPUT_CSI:
		if (code >= 0x40 && code <= 0x7e)
			in->state = INPUT_PLAIN;
		else if (code == K_ESC)
			enter(in, INPUT_ESC, now_ms);
		return K_NONE;
	case INPUT_SS3:
		in->state = INPUT_PLAIN;
		return K_NONE;
	case INPUT_STRING:
		if (code == 7)
			in->state = INPUT_PLAIN;
		else if (code == K_ESC)
			enter(in, INPUT_STRING_ESC, now_ms);
		else
			in->since_ms = now_ms;
		return K_NONE;
	case INPUT_STRING_ESC:
		in->state = INPUT_PLAIN;
		return K_NONE;
	}
	return code;
}

int
input_held(struct input *in)
{
	int key = in->held;

	in->held = K_NONE;
	return key;
}

int
input_rest(struct input *in)
{
	if (in->state != INPUT_ESC)
		return K_NONE;
	in->state = INPUT_PLAIN;
	return K_ESC;
}
