/*
 * journaling: see journaling.h.
 *
 * Owns the calls under way and those that are kept.  While this exists the
 * journal belongs to the thread: nobody else may call it.
 *
 * A call is in one place: on its way in an errand, among `late` (the
 * thread's alone), or on an errand's way `back`.
 */
#include "engine/journaling.h"

#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"
#include "engine/queue.h"
#include "engine/thread.h"

enum call_kind { CALL_APPEND, CALL_NOTE, CALL_BEGIN, CALL_ADOPT, CALL_END };

struct call {
	struct queued queued;
	enum call_kind kind;
	struct record record;
	int64_t	 at_ms;
	char	*step_id, *op_id, *note, *text;
	struct journal_run run;
	struct journal_lines lines;	/* ADOPT */
	bool	 ended;
	journaling_done *done;
	void	(*begun)(void *, const struct journal_run *, const char *);
	void	*arg;
	enum journaled how;	/* of one that was kept, when it comes back */
	struct err err;
};

struct journaling {
	struct thread *thread;
	struct journal *journal;
	struct queue late;	/* could not be written yet, oldest first */
};

/* One trip of a call to the thread and back. */
struct errand {
	struct journaling *journaling;
	struct call *call;
	enum journaled how;
	struct queue back;	/* kept before, and not any more */
	struct err err;
};

struct journaling *
journaling_new(struct thread *thread, struct journal *journal)
{
	struct journaling *j = mem_alloc(sizeof(*j));

	j->thread = thread;
	j->journal = journal;
	queue_init(&j->late);
	return j;
}

static int
carry_out(struct journaling *j, struct call *c, struct err *err)
{
	switch (c->kind) {
	case CALL_APPEND:
		return journal_append(j->journal, &c->record, c->step_id, c->op_id, c->text, err);
	case CALL_NOTE:
		return journal_note(j->journal, c->at_ms, c->step_id, c->note, c->text, err);
	case CALL_BEGIN:
		return journal_begin(j->journal, &c->run, err);
	case CALL_ADOPT:
		return journal_adopt(j->journal, &c->run, &c->lines, c->ended, err);
	case CALL_END:
		return journal_end(j->journal, err);
	}
	return -1;
}

/* Does it tell of what has happened already? */
static bool
is_kept(const struct call *c)
{
	return c->kind == CALL_NOTE || c->kind == CALL_END || (c->kind == CALL_APPEND &&
	    c->record.kind != REC_INTENT && c->record.kind != REC_UNDO_INTENT);
}

static void
tell(struct call *c, enum journaled how, const char *why)
{
	if (c->begun != NULL)
		c->begun(c->arg, how == JOURNALED ? &c->run : NULL, why);
	else if (c->done != NULL)
		c->done(c->arg, how, why);
	if (how == JOURNALED_NOT_YET)
		return;
	free(c->step_id);
	free(c->op_id);
	free(c->note);
	free(c->text);
	journal_lines_release(&c->lines);
	free(c);
}

/* Writes what is kept, as far as it can; true where nothing is kept any more. */
static bool
catch_up(struct journaling *j, struct queue *back, struct err *err)
{
	struct call *c;

	while (j->late.first != NULL) {
		c = (struct call *)j->late.first;
		c->how = JOURNALED;
		if (carry_out(j, c, &c->err) != 0) {
			*err = c->err;
			if (journal_ails(j->journal))
				return false;
			c->how = JOURNALED_NOT;
		}
		queue_put(back, queue_take(&j->late));
	}
	return true;
}

static void
tell_back(struct queue *back)
{
	struct call *c;

	while ((c = queue_take(back)) != NULL)
		tell(c, c->how, c->how == JOURNALED ? NULL : c->err.msg);
}

static void
work(void *arg)
{
	struct errand *e = arg;
	struct journaling *j = e->journaling;

	e->how = JOURNALED;
	if (catch_up(j, &e->back, &e->err) && carry_out(j, e->call, &e->err) == 0)
		return;
	/* What the journal refuses for another reason than its disk, it would refuse again. */
	if (is_kept(e->call) && journal_ails(j->journal)) {
		e->how = JOURNALED_NOT_YET;
		queue_put(&j->late, &e->call->queued);
	} else
		e->how = JOURNALED_NOT;
}

static void
answer(void *arg)
{
	struct errand *e = arg;

	tell_back(&e->back);
	/* One that is kept is the thread's by now, but for its `done` and `arg`, which nobody changes. */
	tell(e->call, e->how, e->how == JOURNALED ? NULL : e->err.msg);
	free(e);
}

void
journaling_free(struct journaling *j)
{
	struct queue back;
	struct call *c;
	struct err err;

	if (j == NULL)
		return;
	queue_init(&back);
	(void)catch_up(j, &back, &err);
	tell_back(&back);
	while ((c = queue_take(&j->late)) != NULL)
		tell(c, JOURNALED_NOT, err.msg);
	free(j);
}

static void
send(struct journaling *j, struct call *c)
{
	struct errand *e = mem_alloc(sizeof(*e));

	e->journaling = j;
	e->call = c;
	queue_init(&e->back);
	thread_do(j->thread, work, answer, e);
}

static struct call *
call_new(enum call_kind kind, journaling_done *done, void *arg)
{
	struct call *c = mem_alloc(sizeof(*c));

	c->kind = kind;
	c->done = done;
	c->arg = arg;
	return c;
}

void
journaling_append(struct journaling *j, const struct record *record, const char *step_id, const char *op_id,
    const char *text, journaling_done *done, void *arg)
{
	struct call *c = call_new(CALL_APPEND, done, arg);

	c->record = *record;
	c->step_id = mem_strdup(step_id);
	c->op_id = mem_strdup(op_id);
	c->text = mem_strdup(text);
	send(j, c);
}

void
journaling_note(struct journaling *j, int64_t at_ms, const char *step_id, const char *kind, const char *text,
    journaling_done *done, void *arg)
{
	struct call *c = call_new(CALL_NOTE, done, arg);

	c->at_ms = at_ms;
	c->step_id = mem_strdup(step_id);
	c->note = mem_strdup(kind);
	c->text = mem_strdup(text);
	send(j, c);
}

void
journaling_begin(struct journaling *j, const struct journal_run *run,
    void (*begun)(void *, const struct journal_run *, const char *), void *arg)
{
	struct call *c = call_new(CALL_BEGIN, NULL, arg);

	c->run = *run;
	c->begun = begun;
	send(j, c);
}

void
journaling_adopt(struct journaling *j, const struct journal_run *run, struct journal_lines *lines, bool ended,
    void (*begun)(void *, const struct journal_run *, const char *), void *arg)
{
	struct call *c = call_new(CALL_ADOPT, NULL, arg);

	c->run = *run;
	c->lines = *lines;
	memset(lines, 0, sizeof(*lines));
	c->ended = ended;
	c->begun = begun;
	send(j, c);
}

void
journaling_end(struct journaling *j, journaling_done *done, void *arg)
{
	send(j, call_new(CALL_END, done, arg));
}
