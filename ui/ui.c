/*
 * ui: see ui.h.
 *
 * The glue of terminal, view and engine: keys to view_key(), its wishes to the
 * engine, the engine's changes to a paint.
 *
 * Invariants
 *  1. Nothing here waits: the terminal is read only when it has something, and painting
 *     is what the screen lacks.
 *  2. At most one paint per turn of the loop; after a key at once, after
 *     changes alone not more often than every PAINT_EVERY_MS.
 *  3. The terminal is restored before anything is printed for the shell.
 */
#include "ui/ui.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"
#include "engine/engine.h"
#include "ui/grid.h"
#include "ui/proven.h"
#include "ui/render.h"
#include "ui/scene.h"
#include "ui/term.h"
#include "ui/view.h"

#define PAINT_EVERY_MS	33
#define CLOCK_EVERY_MS	1000
#define UNDO_EVERY_MS	100	/* while a countdown runs */
#define PROVE_EVERY_MS	900	/* less than the clock's */

static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGTSTP, SIGCONT };
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

struct ui {
	struct engine *engine;
	const struct ui_options *options;
	struct view view;
	struct proven proven;
	bool	 unproven;		/* something changed since it was put down */
	uint64_t proven_ms;		/* loop time */
	struct grid grid;
	bool	 dirty, urgent;		/* something changed; a key did it */
	bool	 leaving;
	int	 signal;		/* that ended it, or 0 */
	uint64_t painted_ms;		/* loop time */
	int	 handles;		/* not closed yet */

	uv_poll_t keys;
	uv_prepare_t paint;
	uv_timer_t clock, later;
	uv_signal_t signals[SIGNALS];
};

static void
dirty(struct ui *ui, bool urgent)
{
	ui->dirty = true;
	ui->urgent = ui->urgent || urgent;
}

static void
leave(struct ui *ui)
{
	ui->leaving = true;
	engine_stop(ui->engine);
}

static void
look(struct ui *ui, struct scene *s)
{
	scene_of_engine(s, ui->engine, ui->options->read_only);
	s->proven = &ui->proven;
}

/*
 * The proof and what contradicts the run, afresh.  May take a moment with a very
 * large fleet: asked at the start and by the clock, never for a key or a paint.  In
 * the middle of an operation hosts are between two postures: that says nothing.
 */
static void
prove(struct ui *ui)
{
	const struct rollout *r = engine_rollout(ui->engine);
	int step = r == NULL ? NONE : rollout_in_flight(r);
	const struct proof *proof;
	struct buf b;
	size_t n;

	if (step != NONE && (rollout_step(r, step)->phase == PHASE_APPLYING ||
	    rollout_step(r, step)->phase == PHASE_UNDOING))
		return;
	ui->unproven = false;
	ui->proven_ms = uv_now(engine_loop(ui->engine));
	if (r == NULL)
		return;
	proof = engine_proof(ui->engine);
	buf_init(&b, 0);
	n = engine_contradictions(ui->engine, &b);
	proven_set(&ui->proven, proof, buf_str(&b), n);
	buf_release(&b);
}

/* ---- wishes ---- */

static void
save(struct ui *ui, const char *path)
{
	struct buf text;
	struct scene s;
	struct grid g;
	size_t done = 0;
	ssize_t n;
	int fd;
	char *message;

	/* What is saved is what would be painted now, without the command line. */
	look(ui, &s);
	grid_init(&g, ui->grid.h, ui->grid.w, ui->grid.ascii);
	render(&g, &ui->view, &s);
	buf_init(&text, 0);
	grid_text(&g, &text);
	grid_release(&g);
	if ((fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)) < 0) {
		message = mem_printf("cannot save the screen as '%s': %s", path, strerror(errno));
		view_refused(&ui->view, s.now_ms, message);
	} else {
		while (done < text.len) {
			n = write(fd, text.data + done, text.len - done);
			if (n <= 0)
				break;
			done += (size_t)n;
		}
		if (close(fd) != 0 || done < text.len)
			message = mem_printf("cannot save the screen as '%s': %s", path, strerror(errno));
		else
			message = mem_printf("saved as '%s'", path);
		view_tell(&ui->view, s.now_ms, done < text.len ? TELL_ERROR : TELL_NOTE, message);
	}
	free(message);
	buf_release(&text);
}

static void
carry_out(struct ui *ui, const struct wishes *wishes)
{
	const struct wish *w;
	struct err err;
	size_t i;

	for (i = 0; i < wishes->n; i++) {
		w = &wishes->v[i];
		err.msg[0] = '\0';
		switch (w->kind) {
		case WISH_VERB:
			if (engine_ask(ui->engine, w->verb, w->step, &err) == 0)
				break;
			if (w->verb != VERB_UNDO)
				view_refused(&ui->view, engine_now_ms(ui->engine), err.msg);
			else if (view_undo_refused(&ui->view, engine_now_ms(ui->engine), w->step, err.msg))
				term_flush();
			break;
		case WISH_WAIVE:
			if (engine_waive(ui->engine, w->step, w->text, w->more, &err) != 0)
				view_refused(&ui->view, engine_now_ms(ui->engine), err.msg);
			else {
				char *text = mem_printf("the check '%s' of step '%s' is waived", w->text,
				    engine_plan(ui->engine)->steps[w->step].id);

				view_tell(&ui->view, engine_now_ms(ui->engine), TELL_NOTE, text);
				free(text);
			}
			break;
		case WISH_ATTEST:
			if (engine_attest(ui->engine, w->step, w->text, w->more, &err) != 0)
				view_refused(&ui->view, engine_now_ms(ui->engine), err.msg);
			else {
				char *text = mem_printf("'%s' is vouched for", w->text);

				view_tell(&ui->view, engine_now_ms(ui->engine), TELL_NOTE, text);
				free(text);
			}
			break;
		case WISH_KEEP:
			if (engine_keep(ui->engine, w->step, w->text, w->more, &err) != 0)
				view_refused(&ui->view, engine_now_ms(ui->engine), err.msg);
			else {
				char *text = mem_printf("what somebody else wrote to %s stays: u takes the rest back", w->text);

				view_tell(&ui->view, engine_now_ms(ui->engine), TELL_NOTE, text);
				free(text);
			}
			break;
		case WISH_ANSWER:
			if (engine_answer(ui->engine, w->ask, w->text, &err) != 0)
				view_refused(&ui->view, engine_now_ms(ui->engine), err.msg);
			break;
		case WISH_SAVE:
			save(ui, w->text);
			break;
		case WISH_SWEEP:
			(void)engine_sweep(ui->engine);
			break;
		case WISH_FLUSH:
			term_flush();
			break;
		case WISH_REDRAW:
			term_redraw();
			break;
		case WISH_LEAVE:
			leave(ui);
			break;
		}
	}
	if (wishes->n > 0)
		dirty(ui, true);
	view_settle(&ui->view);
}

/* What follows from a change: a preview that is ready, a countdown that ended, a question that waits. */
static void
update(struct ui *ui)
{
	struct wishes wishes;
	struct scene s;
	int rounds;

	/* A wish may change what the view waits for; it settles in two or three rounds. */
	for (rounds = 0; rounds < 4; rounds++) {
		memset(&wishes, 0, sizeof(wishes));
		look(ui, &s);
		view_update(&ui->view, &s, &wishes);
		if (wishes.n == 0)
			break;
		carry_out(ui, &wishes);
	}
}

/* ---- painting ---- */

static void
paint(struct ui *ui)
{
	struct scene s;

	update(ui);
	look(ui, &s);
	render(&ui->grid, &ui->view, &s);
	term_show(&ui->grid);
	ui->dirty = ui->urgent = false;
	ui->painted_ms = uv_now(engine_loop(ui->engine));
}

static void
on_later(uv_timer_t *timer)
{
	struct ui *ui = timer->data;

	ui->urgent = ui->dirty;
}

static void
on_prepare(uv_prepare_t *prepare)
{
	struct ui *ui = prepare->data;
	uint64_t now = uv_now(engine_loop(ui->engine)), since = now - ui->painted_ms;

	if (!ui->dirty || ui->leaving)
		return;
	if (ui->urgent || since >= PAINT_EVERY_MS)
		paint(ui);
	else if (!uv_is_active((uv_handle_t *)&ui->later))
		(void)uv_timer_start(&ui->later, on_later, PAINT_EVERY_MS - since, 0);
	/* A countdown is shown and ended on time. */
	if (ui->view.question == Q_UNDO && uv_timer_get_repeat(&ui->clock) != UNDO_EVERY_MS) {
		uv_timer_set_repeat(&ui->clock, UNDO_EVERY_MS);
		(void)uv_timer_again(&ui->clock);
	} else if (ui->view.question != Q_UNDO && uv_timer_get_repeat(&ui->clock) != CLOCK_EVERY_MS) {
		uv_timer_set_repeat(&ui->clock, CLOCK_EVERY_MS);
		(void)uv_timer_again(&ui->clock);
	}
}

static void
on_clock(uv_timer_t *timer)
{
	struct ui *ui = timer->data;

	if (ui->unproven && uv_now(engine_loop(ui->engine)) - ui->proven_ms >= PROVE_EVERY_MS)
		prove(ui);
	/* Ages and the clock go on; a paint that finds the same text writes nothing. */
	dirty(ui, true);
}

/* ---- input ---- */

static void
resize(struct ui *ui)
{
	int h, w;

	term_resized();
	term_size(&h, &w);
	grid_release(&ui->grid);
	grid_init(&ui->grid, h, w, ui->view.ascii);
	dirty(ui, true);
}

static void
on_keys(uv_poll_t *poll, int status, int events)
{
	struct ui *ui = poll->data;
	struct wishes wishes;
	struct scene s;
	int key, h, w;
	char byte;

	(void)events;
	if (status < 0) {
		leave(ui);
		return;
	}
	while (!ui->leaving && (key = term_key(engine_now_ms(ui->engine))) != K_NONE) {
		memset(&wishes, 0, sizeof(wishes));
		look(ui, &s);
		view_key(&ui->view, &s, key, &wishes);
		carry_out(ui, &wishes);
		/* A key may have closed what a question waited for. */
		update(ui);
		dirty(ui, true);
	}
	term_size(&h, &w);
	if (h != ui->grid.h || w != ui->grid.w)
		resize(ui);
	/* Nobody is there any more: a terminal that hung up reads as its end for ever. */
	if (!ui->leaving && !ui->dirty && read(term_fd(), &byte, 0) < 0 && errno == EIO)
		leave(ui);
}

static void
on_signal(uv_signal_t *handle, int number)
{
	struct ui *ui = handle->data;
	struct wishes wishes;
	struct scene s;

	memset(&wishes, 0, sizeof(wishes));
	switch (number) {
	case SIGINT:
		look(ui, &s);
		view_interrupt(&ui->view, &s, &wishes);
		carry_out(ui, &wishes);
		dirty(ui, true);
		break;
	case SIGTERM:
	case SIGHUP:
		ui->signal = number;
		leave(ui);
		break;
	case SIGWINCH:
		resize(ui);
		break;
	case SIGTSTP:
		/* The handler of the loop stands aside, so that the signal stops us. */
		(void)uv_signal_stop(handle);
		term_suspend();
		(void)uv_signal_start(handle, on_signal, SIGTSTP);
		resize(ui);
		break;
	case SIGCONT:
		term_redraw();
		dirty(ui, true);
		break;
	default:
		break;
	}
}

/* ---- what the engine says ---- */

static void
on_changed(void *arg)
{
	struct ui *ui = arg;

	ui->unproven = true;
	dirty(ui, false);
}

static void
on_ask(void *arg, const struct ask *ask)
{
	struct ui *ui = arg;

	view_ask(&ui->view, ask);
	dirty(ui, true);
}

static void
on_tell(void *arg, enum tell tell, const char *text)
{
	struct ui *ui = arg;

	view_tell(&ui->view, engine_now_ms(ui->engine), tell, text);
	dirty(ui, false);
}

/* ---- life ---- */

static void
on_closed(uv_handle_t *handle)
{
	struct ui *ui = handle->data;

	ui->handles--;
}

static void
close_handle(struct ui *ui, uv_handle_t *handle)
{
	handle->data = ui;
	uv_close(handle, on_closed);
}

static void
open_handles(struct ui *ui)
{
	struct uv_loop_s *loop = engine_loop(ui->engine);
	size_t i;

	(void)uv_poll_init(loop, &ui->keys, term_fd());
	ui->keys.data = ui;
	(void)uv_poll_start(&ui->keys, UV_READABLE, on_keys);
	(void)uv_prepare_init(loop, &ui->paint);
	ui->paint.data = ui;
	(void)uv_prepare_start(&ui->paint, on_prepare);
	(void)uv_timer_init(loop, &ui->later);
	ui->later.data = ui;
	(void)uv_timer_init(loop, &ui->clock);
	ui->clock.data = ui;
	(void)uv_timer_start(&ui->clock, on_clock, CLOCK_EVERY_MS, CLOCK_EVERY_MS);
	ui->handles = 4;
	for (i = 0; i < SIGNALS; i++, ui->handles++) {
		(void)uv_signal_init(loop, &ui->signals[i]);
		ui->signals[i].data = ui;
		(void)uv_signal_start(&ui->signals[i], on_signal, signals[i]);
	}
}

static void
close_handles(struct ui *ui)
{
	size_t i;

	close_handle(ui, (uv_handle_t *)&ui->keys);
	close_handle(ui, (uv_handle_t *)&ui->paint);
	close_handle(ui, (uv_handle_t *)&ui->later);
	close_handle(ui, (uv_handle_t *)&ui->clock);
	for (i = 0; i < SIGNALS; i++)
		close_handle(ui, (uv_handle_t *)&ui->signals[i]);
	while (ui->handles > 0)
		(void)uv_run(engine_loop(ui->engine), UV_RUN_NOWAIT);
}

static void
say_clean(FILE *out, const char *text)
{
	char *clean = text_clean_dup(text);

	fprintf(out, "%s\n", clean);
	free(clean);
}

/* Where the run stands, and how to come back to it. */
static int
farewell(const struct ui *ui)
{
	const struct rollout *r = engine_rollout(ui->engine);
	const struct plan *p = engine_plan(ui->engine);
	int step = r == NULL ? NONE : rollout_in_flight(r);
	enum phase phase;
	struct buf line;
	char *text;

	if (step == NONE && r != NULL)
		step = rollout_last(r);
	if (step == NONE || ui->options->read_only)
		return 0;
	phase = rollout_step(r, step)->phase;
	if (phase == PHASE_DONE || phase == PHASE_MET)
		return 0;
	text = mem_printf("step '%s' is %s", p->steps[step].id, phase_word(phase));
	say_clean(stdout, text);
	free(text);
	buf_init(&line, 0);
	buf_puts(&line, "resume with: belay -f ");
	text_shell_quote(&line, ui->options->fleet_path == NULL ? "FLEET" : ui->options->fleet_path);
	if (ui->options->plan_path != NULL) {
		buf_puts(&line, " -p ");
		text_shell_quote(&line, ui->options->plan_path);
	}
	say_clean(stdout, buf_str(&line));
	buf_release(&line);
	return phase == PHASE_DOUBT || phase == PHASE_APPLYING || phase == PHASE_UNDOING ? 5 : 0;
}

int
ui_run(const struct ui_options *options, struct engine *engine)
{
	static const struct engine_events events = {
		.changed = on_changed, .ask = on_ask, .tell = on_tell,
		.interrupt = NULL	/* the signals are ours here */
	};
	struct ui ui;
	struct err err = { "" };
	bool locked = false;
	int h, w, code;

	if (!term_is_there()) {
		fputs("belay: the console needs a terminal; 'belay status' does not\n", stderr);
		return 3;
	}
	memset(&ui, 0, sizeof(ui));
	ui.engine = engine;
	ui.options = options;
	view_init(&ui.view, false, options->read_only);
	proven_init(&ui.proven, engine_fleet(engine), engine_plan(engine));
	/* Before the terminal is taken: what goes wrong here is read in the shell. */
	if (engine_start(engine, &events, &ui, &locked, &err) != 0) {
		char *clean = text_clean_dup(err.msg);

		fprintf(stderr, "belay: %s\n", clean);
		free(clean);
		proven_release(&ui.proven);
		view_release(&ui.view);
		return locked ? 6 : 1;
	}
	prove(&ui);
	if (term_open(&err) != 0) {
		fprintf(stderr, "belay: %s\n", err.msg);
		proven_release(&ui.proven);
		view_release(&ui.view);
		return 3;
	}
	ui.view.ascii = term_ascii();
	term_size(&h, &w);
	grid_init(&ui.grid, h, w, ui.view.ascii);
	open_handles(&ui);
	dirty(&ui, true);
	engine_run(engine);
	close_handles(&ui);
	term_close();
	code = farewell(&ui);
	grid_release(&ui.grid);
	proven_release(&ui.proven);
	view_release(&ui.view);
	return ui.signal != 0 && code == 0 ? 128 + ui.signal : code;
}
