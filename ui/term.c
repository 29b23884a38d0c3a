/*
 * term: see term.h.
 *
 * Owns: the curses screen, what was shown last, the terminal's attributes as
 * they were before, and the bytes that put it back.  These are file-scope
 * because signal handlers need them.
 *
 * Signals that end a process are not waited for here: ui.c has SIGINT,
 * SIGTERM, SIGHUP on the loop, where leaving is orderly.  Here are those after which
 * nothing orderly can be done (SIGSEGV, SIGABRT, …): restore, then die of
 * the same signal.
 *
 * It does not make text safe: grid.c did.  A character whose width the C library
 * sees otherwise than the grid is shown as `?`, so that the columns hold.
 */
#define _XOPEN_SOURCE_EXTENDED 1	/* wide characters in curses */
#include "ui/term.h"

#include <sys/ioctl.h>

#include <curses.h>
#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "ui/input.h"
#include "ui/keys.h"

#define ESC_DELAY_MS 25		/* how long curses waits for what follows an Esc */

/* Codes of ours for sequences that curses does not know; above its own. */
#define CODE_PASTE_BEGIN	(KEY_MAX + 1)
#define CODE_PASTE_END		(KEY_MAX + 2)

static SCREEN *screen;
static bool is_open, is_ascii, full_redraw;
static int wait_fd = -1;		/* the same terminal, opened by us alone */
static struct grid shown;		/* cells == NULL: nothing yet */
static struct input input;
static enum scheme scheme;
static short pairs[ROLE_COUNT][2];

/* For the handlers. */
static struct termios before, during;
static int flags_in, flags_out;	/* O_NONBLOCK is shared with the shell that started us */
static char restore_bytes[256];
static size_t restore_len;
static volatile sig_atomic_t taken;
static bool atexit_set;
static char alt_stack[64 * 1024];

static const int fatal_signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGQUIT, SIGSYS, SIGTRAP };
static struct sigaction old_actions[sizeof(fatal_signals) / sizeof(fatal_signals[0])];

/* ---- putting it back ---- */

/* Only what a signal handler may call. */
static void
restore_raw(void)
{
	size_t done = 0;
	ssize_t n;

	if (!taken)
		return;
	taken = 0;
	while (done < restore_len) {
		n = write(STDOUT_FILENO, restore_bytes + done, restore_len - done);
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	(void)fcntl(STDIN_FILENO, F_SETFL, flags_in);
	(void)fcntl(STDOUT_FILENO, F_SETFL, flags_out);
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

static void
on_fatal(int sig)
{
	int saved = errno;

	restore_raw();
	errno = saved;
	/* SA_RESETHAND put the default back: die of it. */
	(void)raise(sig);
}

static void
on_exit_(void)
{
	restore_raw();
}

static void
add_restore(const char *bytes)
{
	size_t len;

	if (bytes == NULL || bytes == (char *)-1)
		return;
	len = strlen(bytes);
	if (restore_len + len > sizeof(restore_bytes))
		return;
	memcpy(restore_bytes + restore_len, bytes, len);
	restore_len += len;
}

/* A capability without its padding marks ("$<5>"), which only tputs() understands. */
static void
add_capability(const char *name)
{
	char plain[64];
	const char *cap = tigetstr((NCURSES_CONST char *)name);
	size_t n = 0;

	if (cap == NULL || cap == (char *)-1)
		return;
	while (*cap != '\0' && n + 1 < sizeof(plain)) {
		if (cap[0] == '$' && cap[1] == '<' && strchr(cap, '>') != NULL) {
			cap = strchr(cap, '>') + 1;
			continue;
		}
		plain[n++] = *cap++;
	}
	plain[n] = '\0';
	add_restore(plain);
}

static bool
has_other_screen(void)
{
	const char *rmcup = tigetstr((NCURSES_CONST char *)"rmcup");

	return rmcup != NULL && rmcup != (char *)-1;
}

/* A real vt100 and the plainest terminals know no private mode 2004. */
static bool
knows_paste(void)
{
	const char *term = getenv("TERM");
	const char *be = tigetstr((NCURSES_CONST char *)"BE");

	if (be != NULL && be != (char *)-1)
		return true;
	return term != NULL && (strncmp(term, "xterm", 5) == 0 || strncmp(term, "screen", 6) == 0 ||
	    strncmp(term, "tmux", 4) == 0 || strncmp(term, "rxvt", 4) == 0);
}

static void
write_out(const char *bytes)
{
	(void)!write(STDOUT_FILENO, bytes, strlen(bytes));
}

static void
catch_fatal(bool on)
{
	struct sigaction sa;
	stack_t stack;
	size_t i;

	memset(&stack, 0, sizeof(stack));
	stack.ss_sp = alt_stack;
	stack.ss_size = sizeof(alt_stack);
	if (on)
		(void)sigaltstack(&stack, NULL);
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_fatal;
	sa.sa_flags = (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER);
	(void)sigemptyset(&sa.sa_mask);
	for (i = 0; i < sizeof(fatal_signals) / sizeof(fatal_signals[0]); i++)
		if (on)
			(void)sigaction(fatal_signals[i], &sa, &old_actions[i]);
		else
			(void)sigaction(fatal_signals[i], &old_actions[i], NULL);
}

/* ---- taking it ---- */

bool
term_is_there(void)
{
	return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
}

bool
term_ascii(void)
{
	return is_ascii;
}

/*
 * Whoever waits on it sets O_NONBLOCK, which belongs to the open file and not to the
 * descriptor: on the one that the shell gave us, curses would lose output and the
 * shell's next program would read errors.
 */
static int
open_wait_fd(void)
{
	const char *name = ttyname(STDIN_FILENO);
	int fd = -1;

	if (name != NULL)
		fd = open(name, O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	return fd;
}

int
term_fd(void)
{
	return wait_fd >= 0 ? wait_fd : STDIN_FILENO;
}

static void
start_colours(void)
{
	const char *no_color = getenv("NO_COLOR");
	struct style style;
	short next = 1;
	int role, selected;
	bool own_default;

	/* Without start_color() curses leaves the terminal's own colours alone. */
	scheme = scheme_choose(has_colors() ? tigetnum((NCURSES_CONST char *)"colors") : 0,
	    no_color != NULL && *no_color != '\0');
	if (scheme == SCHEME_MONO || start_color() != OK) {
		scheme = SCHEME_MONO;
		return;
	}
	own_default = use_default_colors() == OK;
	for (role = 0; role < ROLE_COUNT; role++)
		for (selected = 0; selected < 2; selected++) {
			style = theme_style(scheme, (enum role)role, selected != 0);
			pairs[role][selected] = 0;
			if (style.fg < 0 && style.bg < 0)
				continue;
			/* Without a default of its own: white on black is what it has. */
			if (!own_default && style.fg < 0)
				style.fg = COLOR_WHITE;
			if (!own_default && style.bg < 0)
				style.bg = COLOR_BLACK;
			if (init_pair(next, style.fg, style.bg) == OK)
				pairs[role][selected] = next++;
		}
}

/*
 * Signals stay with the kernel (Ctrl-C works even where the loop would not),
 * but Ctrl-S may not stop the output: a console that waits for its terminal
 * answers no key.
 */
static void
set_modes(void)
{
	(void)cbreak();
	(void)noecho();
	(void)nonl();
	(void)intrflush(stdscr, FALSE);
	(void)keypad(stdscr, TRUE);
	(void)nodelay(stdscr, TRUE);
	(void)meta(stdscr, TRUE);
	(void)leaveok(stdscr, TRUE);
	(void)scrollok(stdscr, FALSE);
	(void)curs_set(0);
	if (tcgetattr(STDIN_FILENO, &during) == 0) {
		during.c_iflag &= (tcflag_t)~(IXON | IXOFF);
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &during);
		(void)def_prog_mode();
	}
}

int
term_open(struct err *err)
{
	const char *term = getenv("TERM"), *ascii = getenv("BELAY_ASCII");

	(void)setlocale(LC_CTYPE, "");
	is_ascii = strcmp(nl_langinfo(CODESET), "UTF-8") != 0 || (ascii != NULL && *ascii != '\0');
	if (tcgetattr(STDIN_FILENO, &before) != 0)
		return err_set(err, "the console needs a terminal: %s", strerror(errno));
	if (term == NULL || *term == '\0' || strcmp(term, "dumb") == 0)
		return err_set(err, "TERM is %s: the console cannot draw there; 'belay status' can",
		    term == NULL || *term == '\0' ? "not set" : "dumb");
	(void)set_escdelay(ESC_DELAY_MS);
	if ((screen = newterm(NULL, stdout, stdin)) == NULL)
		return err_set(err, "there is no description of the terminal '%s'; "
		    "set TERM to one that is here, for example vt100", term);
	is_open = true;
	flags_in = fcntl(STDIN_FILENO, F_GETFL);
	flags_out = fcntl(STDOUT_FILENO, F_GETFL);
	wait_fd = open_wait_fd();
	restore_len = 0;
	if (knows_paste())
		add_restore("\033[?2004l");
	add_capability("rmkx");
	add_capability("sgr0");
	add_capability("op");
	add_capability("cnorm");
	add_capability("rmcup");
	/* Where there is no other screen to go back from, the last one stays, and the shell goes on below. */
	add_restore(has_other_screen() ? "\r" : "\r\n");
	start_colours();
	set_modes();
	taken = 1;
	if (!atexit_set)
		atexit_set = atexit(on_exit_) == 0;
	catch_fatal(true);
	(void)define_key("\033[200~", CODE_PASTE_BEGIN);
	(void)define_key("\033[201~", CODE_PASTE_END);
	if (knows_paste())
		write_out("\033[?2004h");
	full_redraw = true;
	return 0;
}

void
term_close(void)
{
	bool other_screen;

	if (!is_open)
		return;
	other_screen = has_other_screen();
	is_open = false;
	if (knows_paste())
		write_out("\033[?2004l");
	(void)curs_set(1);
	(void)endwin();
	if (!other_screen)
		write_out("\n");
	delscreen(screen);
	screen = NULL;
	catch_fatal(false);
	/* Typed ahead for a program that is gone: not for the shell. */
	(void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
	(void)fcntl(STDIN_FILENO, F_SETFL, flags_in);
	(void)fcntl(STDOUT_FILENO, F_SETFL, flags_out);
	if (wait_fd >= 0)
		(void)close(wait_fd);
	wait_fd = -1;
	taken = 0;
	grid_release(&shown);
}

void
term_suspend(void)
{
	struct sigaction sa, old;
	sigset_t set;

	if (!is_open)
		return;
	if (knows_paste())
		write_out("\033[?2004l");
	(void)endwin();
	(void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
	taken = 0;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	(void)sigaction(SIGTSTP, &sa, &old);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTSTP);
	(void)raise(SIGTSTP);
	/* Continued. */
	(void)sigaction(SIGTSTP, &old, NULL);
	taken = 1;
	term_resized();
	(void)reset_prog_mode();
	set_modes();
	if (knows_paste())
		write_out("\033[?2004h");
	term_flush();
	term_redraw();
}

void
term_size(int *ret_h, int *ret_w)
{
	struct winsize ws;

	*ret_h = LINES;
	*ret_w = COLS;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_row > 0 && ws.ws_col > 0) {
		*ret_h = ws.ws_row;
		*ret_w = ws.ws_col;
	}
	/* A terminal of no size (script(1) makes such): what everybody has had since 1978. */
	if (*ret_h <= 0 || *ret_w <= 0) {
		*ret_h = 24;
		*ret_w = 80;
	}
	if (*ret_h > GRID_SIDE_MAX)
		*ret_h = GRID_SIDE_MAX;
	if (*ret_w > GRID_SIDE_MAX)
		*ret_w = GRID_SIDE_MAX;
}

void
term_resized(void)
{
	int h, w;

	if (!is_open)
		return;
	term_size(&h, &w);
	(void)resizeterm(h, w);
	term_redraw();
}

void
term_redraw(void)
{
	full_redraw = true;
}

/* ---- input ---- */

static int
translate(int status, wint_t c)
{
	if (status == OK)
		switch (c) {
		case '\r':
		case '\n':
			return K_ENTER;
		case 0x7f:
			return K_BACKSPACE;
		default:
			return (int)c == 0 ? K_OTHER : (int)c;
		}
	switch ((int)c) {
	case KEY_UP:
		return K_UP;
	case KEY_DOWN:
		return K_DOWN;
	case KEY_LEFT:
		return K_LEFT;
	case KEY_RIGHT:
		return K_RIGHT;
	case KEY_HOME:
		return K_HOME;
	case KEY_END:
		return K_END;
	case KEY_PPAGE:
		return K_PAGE_UP;
	case KEY_NPAGE:
		return K_PAGE_DOWN;
	case KEY_DC:
		return K_DELETE;
	case KEY_BTAB:
		return K_BACKTAB;
	case KEY_ENTER:
		return K_ENTER;
	case KEY_BACKSPACE:
		return K_BACKSPACE;
	case CODE_PASTE_BEGIN:
		return K_PASTE_BEGIN;
	case CODE_PASTE_END:
		return K_PASTE_END;
	default:
		return K_OTHER;
	}
}

int
term_key(int64_t now_ms)
{
	wint_t c;
	int status, key;

	if ((key = input_held(&input)) != K_NONE)
		return key;
	while ((status = get_wch(&c)) != ERR) {
		if (status == KEY_CODE_YES && c == KEY_RESIZE) {
			term_redraw();
			continue;
		}
		key = input_take(&input, translate(status, c), now_ms);
		if (key != K_NONE)
			return key;
	}
	return input_rest(&input);
}

void
term_flush(void)
{
	(void)flushinp();
	(void)tcflush(STDIN_FILENO, TCIFLUSH);
	memset(&input, 0, sizeof(input));
}

/* ---- output ---- */

static attr_t
attributes(const struct cell *c, short *ret_pair)
{
	struct style style = theme_style(scheme, (enum role)c->role, c->selected);
	attr_t attr = A_NORMAL;

	if (style.bold)
		attr |= A_BOLD;
	if (style.dim)
		attr |= A_DIM;
	if (style.reverse)
		attr |= A_REVERSE;
	if (style.underline)
		attr |= A_UNDERLINE;
	*ret_pair = scheme == SCHEME_MONO ? 0 : pairs[c->role][c->selected ? 1 : 0];
	return attr;
}

static void
put_cell(int y, int x, const struct cell *c)
{
	wchar_t wide[CCHARW_MAX + 1];
	char bytes[CELL_BYTES_MAX + 1];
	size_t n = 0, len;
	const char *at = bytes;
	int32_t cp;
	cchar_t cc;
	attr_t attr;
	short pair;
	int i;

	memcpy(bytes, c->bytes, c->len_bytes);
	bytes[c->len_bytes] = '\0';
	while (n < CCHARW_MAX && (len = text_next(at, &cp)) > 0) {
		/* wchar_t is a code point where __STDC_ISO_10646__ is, which is everywhere we build. */
		wide[n++] = (wchar_t)cp;
		at += len;
	}
	wide[n] = L'\0';
	attr = attributes(c, &pair);
	for (i = 1; i < (int)n; i++)
		if (wcwidth(wide[i]) != 0)
			wide[i] = L'\0';
	if (wcwidth(wide[0]) != c->width) {
		wide[0] = L'?';
		wide[1] = L'\0';
		if (setcchar(&cc, wide, attr, pair, NULL) == OK)
			for (i = 0; i < c->width; i++)
				(void)mvadd_wch(y, x + i, &cc);
		return;
	}
	if (setcchar(&cc, wide, attr, pair, NULL) == OK)
		(void)mvadd_wch(y, x, &cc);
}

void
term_show(const struct grid *g)
{
	int y, x;
	bool changed = false, all;
	const struct cell *c;

	if (!is_open)
		return;
	all = full_redraw || shown.cells == NULL || shown.h != g->h || shown.w != g->w;
	if (all) {
		(void)erase();
		(void)clearok(stdscr, TRUE);
		changed = true;
	}
	for (y = 0; y < g->h && y < LINES; y++)
		for (x = 0; x < g->w && x < COLS; x++) {
			c = grid_at(g, y, x);
			if (c->width == 0 || (!all && cell_same(c, grid_at(&shown, y, x)) &&
			    (c->width == 1 || cell_same(grid_at(g, y, x + 1), grid_at(&shown, y, x + 1)))))
				continue;
			put_cell(y, x, c);
			changed = true;
		}
	if (!changed)
		return;
	(void)refresh();
	full_redraw = false;
	if (shown.h != g->h || shown.w != g->w) {
		grid_release(&shown);
		grid_init(&shown, g->h, g->w, g->ascii);
	}
	memcpy(shown.cells, g->cells, (size_t)g->h * (size_t)g->w * sizeof(*g->cells));
}
