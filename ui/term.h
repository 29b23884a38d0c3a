/*
 * term: the terminal.  The only file that includes curses; it shows grids and
 * hands out keys.  One at a time, since a process has one terminal.
 *
 * Whatever way the process ends but SIGKILL, the terminal is put back as it
 * was: by term_close(), by atexit(), and by the handlers of fatal signals,
 * which use nothing but write() and tcsetattr().
 */
#ifndef BELAY_UI_TERM_H
#define BELAY_UI_TERM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ui/grid.h"

struct err;

/* Is there a terminal at all? */
bool	term_is_there(void);
/* Sets the locale's character type, and takes the terminal over. */
int	term_open(struct err *);
void	term_close(void);		/* more than once is fine */

bool	term_ascii(void);		/* the locale is not UTF-8, or BELAY_ASCII is set */
void	term_size(int *ret_h, int *ret_w);
int	term_fd(void);			/* to wait for input on */

/* The next key, or K_NONE when nothing more is there now.  Never waits longer than an Esc takes. */
int	term_key(int64_t now_ms);
/* Throws away what was typed and not read yet. */
void	term_flush(void);

/* Shows the grid; writes what differs from the last one, or nothing. */
void	term_show(const struct grid *);
void	term_redraw(void);		/* the next term_show() writes everything */

/* SIGTSTP: gives the terminal back and stops; returns when continued, having taken it again. */
void	term_suspend(void);
/* SIGWINCH. */
void	term_resized(void);

#endif
