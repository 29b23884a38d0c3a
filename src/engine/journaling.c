/*
 * journaling: see journaling.h.
 *
 * Owns nothing but the calls under way.  While this exists the journal
 * belongs to the thread: nobody else may call it.
 */
#include "engine/journaling.h"

#include <stdlib.h>

#include "core/err.h"
#include "core/mem.h"
#include "engine/thread.h"

struct journaling {
	struct thread *thread;
	struct journal *journal;
};

enum call_kind { CALL_APPEND, CALL_NOTE, CALL_BEGIN, CALL_END };

struct call {
	enum call_kind kind;
	struct journal *journal;
	struct record record;
	int64_t	 at_ms;
	char	*step_id, *op_id, *note, *text;
	struct journal_run run;
	journaling_done *done;
	void	(*begun)(void *, const struct journal_run *, const char *);
	void	*arg;
	int	 rc;
	struct err err;
};

struct journaling *
journaling_new(struct thread *thread, struct journal *journal)
{
	struct journaling *j = mem_alloc(sizeof(*j));

	j->thread = thread;
	j->journal = journal;
	return j;
}

void
journaling_free(struct journaling *j)
{
	free(j);
}

static void
work(void *arg)
{
	struct call *c = arg;

	switch (c->kind) {
	case CALL_APPEND:
		c->rc = journal_append(c->journal, &c->record, c->step_id, c->op_id, c->text, &c->err);
		break;
	case CALL_NOTE:
		c->rc = journal_note(c->journal, c->at_ms, c->step_id, c->note, c->text, &c->err);
		break;
	case CALL_BEGIN:
		c->rc = journal_begin(c->journal, &c->run, &c->err);
		break;
	case CALL_END:
		c->rc = journal_end(c->journal, &c->err);
		break;
	}
}

static void
answer(void *arg)
{
	struct call *c = arg;
	const char *why = c->rc == 0 ? NULL : c->err.msg;

	if (c->begun != NULL)
		c->begun(c->arg, c->rc == 0 ? &c->run : NULL, why);
	else if (c->done != NULL)
		c->done(c->arg, c->rc == 0, why);
	free(c->step_id);
	free(c->op_id);
	free(c->note);
	free(c->text);
	free(c);
}

static struct call *
call_new(struct journaling *j, enum call_kind kind, journaling_done *done, void *arg)
{
	struct call *c = mem_alloc(sizeof(*c));

	c->kind = kind;
	c->journal = j->journal;
	c->done = done;
	c->arg = arg;
	return c;
}

void
journaling_append(struct journaling *j, const struct record *record, const char *step_id, const char *op_id,
    const char *text, journaling_done *done, void *arg)
{
	struct call *c = call_new(j, CALL_APPEND, done, arg);

	c->record = *record;
	c->step_id = mem_strdup(step_id);
	c->op_id = mem_strdup(op_id);
	c->text = mem_strdup(text);
	thread_do(j->thread, work, answer, c);
}

void
journaling_note(struct journaling *j, int64_t at_ms, const char *step_id, const char *kind, const char *text,
    journaling_done *done, void *arg)
{
	struct call *c = call_new(j, CALL_NOTE, done, arg);

	c->at_ms = at_ms;
	c->step_id = mem_strdup(step_id);
	c->note = mem_strdup(kind);
	c->text = mem_strdup(text);
	thread_do(j->thread, work, answer, c);
}

void
journaling_begin(struct journaling *j, const struct journal_run *run,
    void (*begun)(void *, const struct journal_run *, const char *), void *arg)
{
	struct call *c = call_new(j, CALL_BEGIN, NULL, arg);

	c->run = *run;
	c->begun = begun;
	thread_do(j->thread, work, answer, c);
}

void
journaling_end(struct journaling *j, journaling_done *done, void *arg)
{
	thread_do(j->thread, work, answer, call_new(j, CALL_END, done, arg));
}
