/*
 * render: the whole screen: title, body, message line, footer.  View and
 * scene in, cells out; the only thing written back is how far each pane can scroll.
 * Pure, so that a screen can be compared with a saved one.
 */
#ifndef BELAY_UI_RENDER_H
#define BELAY_UI_RENDER_H

#include "ui/grid.h"
#include "ui/scene.h"
#include "ui/view.h"

#define RENDER_MIN_H	10
#define RENDER_MIN_W	40

void	render(struct grid *, struct view *, const struct scene *);

#endif
