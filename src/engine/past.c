/*
 * past: the journal as the engine uses it.  Owns the history shown to
 * people, the run in progress, and the way of records to disk and back.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/journaling.h"
#include "pki/digest.h"
#include "store/lock.h"

/* Of a value, in the words of an entry: enough to tell a mode from a path. */
#define WORDS_VALUE_MAX 64


struct written {		/* one record on its way to disk */
	struct engine *engine;
	uint64_t ticket;
	struct history_line line;
};

static void
line_release(struct history_line *l)
{
	/* The strings of a line are its own; it only shows them as constant. */
	const char *own[5] = { l->run, l->kind, l->step_id, l->op_id, l->text };
	size_t i;

	for (i = 0; i < 5; i++) {
		union { const char *c; char *m; } cast = { .c = own[i] };

		free(cast.m);
	}
}

static void
remember(struct engine *e, const struct history_line *from)
{
	struct history_line *l = mem_push(&e->history, &e->nhistory, sizeof(*e->history));

	*l = *from;
	if (l->seq == 0)
		l->seq = e->nhistory > 1 ? e->history[e->nhistory - 2].seq + 1 : 1;
}

size_t
engine_history(const struct engine *e, const struct history_line **ret)
{
	*ret = e->history;
	return e->nhistory;
}

/* What an op is, in a few words without values. */
static char *
op_words(const struct engine *e, int step, int op)
{
	const struct ops *ops = &e->memory[step].ops;
	const struct op *o;
	struct buf b = { 0 };
	size_t i;

	if (op < 0 || (size_t)op >= ops->n)
		return NULL;
	o = &ops->v[op];
	buf_printf(&b, "%s: ", e->fleet->hosts[o->host].name);
	switch (o->kind) {
	case OP_ENV:
	case OP_CONF:
	case OP_URL:
		buf_puts(&b, o->path);
		for (i = 0; i < o->set.n; i++)
			buf_printf(&b, " %s=%.*s%s", o->set.v[i].key, WORDS_VALUE_MAX,
			    o->secret ? "(secret)" : o->set.v[i].value,
			    !o->secret && strlen(o->set.v[i].value) > WORDS_VALUE_MAX ? "…" : "");
		for (i = 0; i < o->unset.n; i++)
			buf_printf(&b, " -%s", o->unset.v[i]);
		break;
	case OP_SETTING:
		buf_puts(&b, e->fleet->endpoints[o->endpoint].name);
		for (i = 0; i < o->set.n; i++)
			buf_printf(&b, " %s=%.*s%s", o->set.v[i].key, WORDS_VALUE_MAX, o->set.v[i].value,
			    strlen(o->set.v[i].value) > WORDS_VALUE_MAX ? "…" : "");
		for (i = 0; i < o->unset.n; i++)
			buf_printf(&b, " -%s", o->unset.v[i]);
		break;
	case OP_BLOCK:
		buf_puts(&b, o->path);
		for (i = 0; i < o->set.n; i++)
			buf_printf(&b, " block %s", o->set.v[i].key);
		for (i = 0; i < o->unset.n; i++)
			buf_printf(&b, " -block %s", o->unset.v[i]);
		break;
	case OP_FILE:
		buf_printf(&b, "%s%s", o->path, o->remove ? " removed" : "");
		break;
	case OP_DRAIN:
	case OP_RUN:
	case OP_ACTIVATE:
		op_command_text(o, false, &b);
		break;
	}
	return buf_take(&b, NULL);
}

static char *
record_words_of(const struct engine *e, const struct record *r)
{
	char *op = op_words(e, r->step, r->op), *s = NULL;

	switch (r->kind) {
	case REC_APPLY:
		s = mem_strdup(e->plan->steps[r->step].title);
		break;
	case REC_INTENT:
	case REC_UNDO_INTENT:
		s = op;
		op = NULL;
		break;
	case REC_OUTCOME:
	case REC_UNDO_OUTCOME:
		s = mem_printf("%s%s%s", op_outcome_word(r->outcome), r->why[0] == '\0' ? "" : ": ", r->why);
		break;
	case REC_UNDO:
		s = mem_printf("%s%s%s", e->who, r->why[0] == '\0' ? "" : ", ", r->why);
		break;
	case REC_PHASE:
		s = mem_printf("%s%s%s", phase_word(r->phase), r->why[0] == '\0' ? "" : ": ", r->why);
		break;
	}
	free(op);
	return s;
}

/* A trouble that goes on is told once. */
static void
tell_trouble(struct engine *e, const char *why)
{
	if (!e->journal_ails)
		engine_tell(e, TELL_ERROR, "the journal cannot be written: %s", why);
	e->journal_ails = true;
}

static void
on_written(void *arg, enum journaled how, const char *why)
{
	struct written *w = arg;
	struct engine *e = w->engine;
	struct event ev = { .kind = how == JOURNALED ? EV_JOURNALLED : EV_JOURNAL_FAILED, .ticket = w->ticket,
	    .why = why };

	if (how == JOURNALED) {
		e->journal_ails = false;
		remember(e, &w->line);
	} else
		tell_trouble(e, why);
	if (how == JOURNALED_NOT_YET) {
		engine_dirty(e);
		return;
	}
	if (how == JOURNALED_NOT)
		line_release(&w->line);
	ev.now_ms = engine_now_ms(e);
	if (w->ticket != 0 && !e->stopping)
		engine_feed(e, &ev);
	free(w);
	engine_dirty(e);
}

static void
on_ended(void *arg, enum journaled how, const char *why)
{
	struct engine *e = arg;

	if (how == JOURNALED)
		e->journal_ails = false;
	else
		tell_trouble(e, why);
}

void
past_write(struct engine *e, const struct effect *x)
{
	const struct record *r = &x->record;
	struct written *w;
	const char *seen_as;
	char *op_id = NULL;

	if (e->options.read_only || e->journaling == NULL)
		return;
	if (r->kind == REC_INTENT && e->memory[r->step].ops.v[r->op].kind == OP_ACTIVATE)
		sight_before(e, r->step, &e->memory[r->step].ops.v[r->op]);
	w = mem_alloc(sizeof(*w));
	w->engine = e;
	w->ticket = x->ticket;
	if (r->op != NONE && (size_t)r->op < e->memory[r->step].ops.n &&
	    (seen_as = strchr(e->memory[r->step].ops.v[r->op].id, '/')) != NULL)
		/* The preview looked at it under a name of its own; on its host it has the run's. */
		op_id = mem_printf("%s%s", e->run.id, seen_as);
	w->line.at_ms = r->at_ms;
	w->line.run = mem_strdup(e->run.id);
	w->line.kind = mem_strdup(record_word(r->kind));
	w->line.step_id = mem_strdup(e->plan->steps[r->step].id);
	w->line.op_id = mem_strdup(op_id);
	w->line.text = record_words_of(e, r);
	journaling_append(e->journaling, r, w->line.step_id, op_id, w->line.text, on_written, w);
	free(op_id);
	if (r->kind == REC_OUTCOME && r->outcome == OP_APPLIED)
		leaves_note(e, r->step, &e->memory[r->step].ops.v[r->op]);
	if (r->kind == REC_PHASE && r->phase == PHASE_RESTORED) {
		insist_undone(e, r->step);
		leaves_undone(e, r->step);
	}
	if (r->kind == REC_PHASE && r->phase == PHASE_RESTORED && rollout_last(e->rollout) == NONE) {
		/* All is as it was before: what comes next is another run. */
		insist_forget(e);
		sight_forget(e);
		leaves_forget(e);
		journaling_end(e->journaling, on_ended, e);
		e->run_open = false;
	}
}

int
past_note(struct engine *e, int step, const char *kind, const char *text, struct err *err)
{
	struct written *w;
	const char *step_id = step == NONE ? NULL : e->plan->steps[step].id;

	if (e->options.read_only || e->journaling == NULL)
		return err_set(err, "there is no journal to note it in");
	w = mem_alloc(sizeof(*w));
	w->engine = e;
	w->line.at_ms = engine_now_ms(e);
	w->line.run = mem_strdup(e->run_open ? e->run.id : "");
	w->line.kind = mem_strdup(kind);
	w->line.step_id = mem_strdup(step_id);
	w->line.text = mem_strdup(text);
	journaling_note(e->journaling, w->line.at_ms, step_id, kind, text, on_written, w);
	return 0;
}

static void
on_begun(void *arg, const struct journal_run *run, const char *why)
{
	struct engine *e = arg;

	e->run_beginning = false;
	if (run != NULL) {
		e->run = *run;
		e->run_open = true;
	}
	if (!e->stopping)
		engine_material_ready(e, run != NULL, why);
}

int
past_begin_run(struct engine *e, struct err *err)
{
	struct journal_run run = { 0 };

	if (e->run_open)
		return 0;
	if (e->journaling == NULL)
		return err_set(err, "there is no journal");
	if (e->run_beginning)
		return 1;
	digest_sha256_hex(e->fleet_text, e->fleet_len, run.fleet_sha);
	(void)snprintf(run.plan_sha, sizeof(run.plan_sha), "%s", e->plan->sha256);
	(void)snprintf(run.plan_name, sizeof(run.plan_name), "%s", e->plan->name);
	(void)snprintf(run.who, sizeof(run.who), "%s", e->who);
	e->run_beginning = true;
	journaling_begin(e->journaling, &run, on_begun, e);
	return 1;
}

/* ---- coming back ---- */

/* A step that was begun in this run, and that the plan does not have any more. */
static void
meet_stranger(struct engine *e, const struct journal_entry *entry)
{
	const struct record *r = &entry->record;

	if (r->kind == REC_APPLY && e->stranger == NULL)
		e->stranger = mem_strdup(entry->step_id);
	else if (r->kind == REC_PHASE && r->phase == PHASE_RESTORED && e->stranger != NULL &&
	    strcmp(e->stranger, entry->step_id) == 0) {
		free(e->stranger);
		e->stranger = NULL;
	}
}

static bool
on_entry(void *arg, const struct journal_entry *entry)
{
	struct engine *e = arg;
	struct history_line line = { 0 };
	struct record rec;
	int step;

	line.seq = entry->seq;
	line.at_ms = entry->at_ms;
	line.run = mem_strdup(entry->run);
	line.kind = mem_strdup(entry->kind);
	line.step_id = mem_strdup(entry->step_id);
	line.op_id = mem_strdup(entry->op_id);
	line.text = mem_strdup(entry->text);
	remember(e, &line);
	if (!entry->is_record && strcmp(entry->kind, "end") == 0) {
		insist_forget(e);
		sight_forget(e);
		leaves_forget(e);
	}
	if (!entry->is_record && entry->text != NULL && e->run_open && strcmp(entry->run, e->run.id) == 0)
		sight_replay(e, entry->kind, entry->text);
	if (e->rollout == NULL || entry->step_id == NULL)
		return true;
	if ((step = plan_step(e->plan, entry->step_id)) == NONE) {
		if (entry->is_record && e->run_open && strcmp(entry->run, e->run.id) == 0)
			meet_stranger(e, entry);
		return true;
	}
	if (entry->is_record && e->run_open && strcmp(entry->run, e->run.id) == 0) {
		rec = entry->record;
		rec.step = step;
		rollout_replay(e->rollout, &rec);
		if (rec.kind == REC_PHASE && rec.phase == PHASE_RESTORED) {
			insist_undone(e, step);
			leaves_undone(e, step);
		}
	} else if (!entry->is_record && entry->text != NULL &&
	    (entry->run[0] == '\0' || (e->run_open && strcmp(entry->run, e->run.id) == 0)))
		insist_replay(e, step, entry->kind, entry->text);
	if (!entry->is_record && entry->text != NULL && e->run_open && strcmp(entry->run, e->run.id) == 0)
		leaves_replay(e, step, entry->at_ms, entry->kind, entry->text);
	return true;
}

/*
 * Names the journal: the plan's name for people, and the fleet file's place,
 * so that two fleets under one plan do not share a run.
 */
static char *
journal_name(const struct engine *e, const char *hex)
{
	const char *from = e->plan == NULL ? "status" : e->plan->name;
	char *name;
	size_t i;

	name = mem_printf("%.*s-%.8s", 64, from == NULL || *from == '\0' ? "plan" : from, hex);
	for (i = 0; name[i] != '\0'; i++)
		if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
			name[i] = '_';
	if (name[0] == '.')
		name[0] = '_';
	return name;
}

/*
 * The journal's lock is its run's; that of the fleet keeps two plans from being at
 * work on the same hosts at once.
 */
static int
take_fleet(struct engine *e, const char *hex, char **ret_by, struct err *err)
{
	char *path = mem_printf("%s/fleet-%.8s.lock", e->state_dir, hex);
	int rc = 0;

	if (!e->options.read_only)
		rc = lock_take(&e->fleet_lock, path, ret_by, err);
	else if (*ret_by == NULL)
		*ret_by = lock_holder(path);
	free(path);
	return rc;
}

/* What a look at the past finds that a person has to know. */
static void
warn_of_changes(struct engine *e)
{
	char hex[DIGEST_HEX_SIZE], head[65];
	struct err err;

	if (journal_verify(e->journal, head, &err) != 0)
		engine_tell(e, TELL_ERROR, "%s; what it says was done may not be what was done", err.msg);
	if (!e->run_open)
		return;
	digest_sha256_hex(e->fleet_text, e->fleet_len, hex);
	if (strcmp(e->run.plan_sha, e->plan->sha256) != 0)
		engine_tell(e, TELL_WARN, "the plan was changed since this run began (%s)", e->run.id);
	if (strcmp(e->run.fleet_sha, hex) != 0)
		engine_tell(e, TELL_WARN, "the fleet file was changed since this run began (%s)", e->run.id);
	if (e->stranger != NULL)
		engine_tell(e, TELL_ERROR, "step '%s' was applied in this run, and the plan has it no more",
		    e->stranger);
}

int
past_open(struct engine *e, bool *ret_locked, struct err *err)
{
	char hex[DIGEST_HEX_SIZE], *real, *name, *by = NULL;
	struct err none = { "" };
	int rc;

	if (state_dir(&e->state_dir, err) != 0)
		return -1;
	if (e->plan == NULL)
		return 0;
	real = realpath(e->fleet_path, NULL);
	digest_sha256_hex(real == NULL ? e->fleet_path : real,
	    strlen(real == NULL ? e->fleet_path : real), hex);
	free(real);
	name = journal_name(e, hex);
	rc = journal_open(&e->journal, e->state_dir, name, e->options.read_only, &by, err);
	if (rc == 0 && e->options.read_only) {
		by = journal_holder(e->state_dir, name);
		e->run_held = by != NULL;
	}
	free(name);
	if (rc == 0)
		rc = take_fleet(e, hex, &by, err);
	free(e->lock_holder);
	e->lock_holder = by;
	*ret_locked = rc != 0 && by != NULL;
	if (rc != 0)
		return -1;
	if (journal_current(e->journal, &e->run, &none) == 0)
		e->run_open = true;
	else if (none.msg[0] != '\0') {
		*err = none;
		return -1;
	}
	if (journal_each(e->journal, NULL, on_entry, e, err) != 0)
		return -1;
	warn_of_changes(e);
	if (!e->options.read_only)
		e->journaling = journaling_new(e->thread, e->journal);
	return 0;
}

void
past_release(struct engine *e)
{
	size_t i;

	journaling_free(e->journaling);
	journal_close(e->journal);
	lock_free(e->fleet_lock);
	free(e->stranger);
	for (i = 0; i < e->nhistory; i++)
		line_release(&e->history[i]);
	free(e->history);
}
