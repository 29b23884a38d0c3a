/*
 * glyph: see glyph.h.  Owns the table; every sign but the arrow is one cell wide.
 */
#include "ui/glyph.h"

#define GLYPH_ROW(glyph, utf8, ascii, word) { utf8, ascii, word },
static const struct {
	const char *utf8, *ascii, *means;
} rows[GLYPH_COUNT] = { GLYPHS(GLYPH_ROW) };
#undef GLYPH_ROW

const char *
glyph(bool ascii, enum glyph g)
{
	return ascii ? rows[g].ascii : rows[g].utf8;
}

const char *
glyph_means(enum glyph g)
{
	return rows[g].means;
}
