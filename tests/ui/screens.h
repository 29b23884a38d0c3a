/*
 * screens: every screen that is kept as a golden file, by name.
 */
#ifndef TESTS_UI_SCREENS_H
#define TESTS_UI_SCREENS_H

#include <stdbool.h>
#include <stddef.h>

#include "ui/grid.h"

const char *screen_name(size_t i);	/* NULL after the last */
/* false: there is no such screen; else *ret is the caller's to release. */
bool	screen_draw(struct grid *ret, const char *name, int h, int w, bool ascii);

#endif
