/*
 * field: see field.h.  The text is valid UTF-8: it is made of code points.
 */
#include "ui/field.h"

#include <string.h>

#include "core/mem.h"
#include "ui/keys.h"

void
field_clear(struct field *f, bool secret)
{
	mem_wipe(f->text, sizeof(f->text));
	f->len_bytes = f->chars = 0;
	f->secret = secret;
}

void
field_set(struct field *f, const char *text)
{
	size_t i;

	field_clear(f, false);
	for (i = 0; text[i] != '\0' && f->len_bytes + 1 < FIELD_MAX; i++) {
		f->text[f->len_bytes++] = text[i];
		f->chars += ((unsigned char)text[i] & 0xc0) != 0x80;
	}
}

static void
drop_char(struct field *f)
{
	if (f->len_bytes == 0)
		return;
	do
		f->len_bytes--;
	while (f->len_bytes > 0 && ((unsigned char)f->text[f->len_bytes] & 0xc0) == 0x80);
	f->chars--;
	mem_wipe(f->text + f->len_bytes, sizeof(f->text) - f->len_bytes);
}

static size_t
encode(char out[4], int cp)
{
	if (cp < 0x80) {
		out[0] = (char)cp;
		return 1;
	}
	if (cp < 0x800) {
		out[0] = (char)(0xc0 | cp >> 6);
		out[1] = (char)(0x80 | (cp & 0x3f));
		return 2;
	}
	if (cp < 0x10000) {
		out[0] = (char)(0xe0 | cp >> 12);
		out[1] = (char)(0x80 | (cp >> 6 & 0x3f));
		out[2] = (char)(0x80 | (cp & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | cp >> 18);
	out[1] = (char)(0x80 | (cp >> 12 & 0x3f));
	out[2] = (char)(0x80 | (cp >> 6 & 0x3f));
	out[3] = (char)(0x80 | (cp & 0x3f));
	return 4;
}

bool
field_key(struct field *f, int key)
{
	char bytes[4];
	size_t n;

	if (key == K_BACKSPACE || key == K_CTRL('h')) {
		drop_char(f);
		return true;
	}
	if (key == K_CTRL('u')) {
		field_clear(f, f->secret);
		return true;
	}
	if (key == K_CTRL('w')) {
		while (f->len_bytes > 0 && f->text[f->len_bytes - 1] == ' ')
			drop_char(f);
		while (f->len_bytes > 0 && f->text[f->len_bytes - 1] != ' ')
			drop_char(f);
		return true;
	}
	/* No control character is ever part of an answer; surrogates are no characters. */
	if (key < 0x20 || (key >= 0x7f && key < 0xa0) || key > 0x10ffff ||
	    (key >= 0xd800 && key < 0xe000))
		return false;
	n = encode(bytes, key);
	if (f->len_bytes + n + 1 <= sizeof(f->text)) {
		memcpy(f->text + f->len_bytes, bytes, n);
		f->len_bytes += n;
		f->chars++;
	}
	mem_wipe(bytes, sizeof(bytes));
	return true;
}
