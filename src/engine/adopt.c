/*
 * adopt: a run that another bastion began, taken over with its records on the
 * hosts.  Owns the way from those records to a journal; after that the run is
 * like any other, and its undo finds the before-images under the same ids.
 *
 * What a host says is checked as if an enemy had written it: an op that the
 * plan does not have, on a host or a path where the plan has another, is an
 * error, and nothing is adopted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/mem.h"
#include "engine/engine_int.h"
#include "engine/journaling.h"
#include "pki/digest.h"

#define ASK_DEADLINE_MS 15000

enum stands { NOT_BEGUN, CUT_SHORT, APPLIED, FAILED, UNDO_CUT, UNDONE, UNDO_FAILED };

struct stand {			/* one op */
	enum stands stands;
	char	 before[65], after[65];
	char	*issued;	/* what certificates it brought; see op.h; or NULL */
	int64_t	 at_ms;		/* when it was begun, by the clock of who began it; 0 */
};

struct adopting {
	uint64_t *ids;		/* by host: question out */
	char	**texts;	/* by host: its records; "" none */
	char	**whys;		/* by host: why there is no answer */
	bool	 writing;	/* the journal is being made of them */
	/* What came of it. */
	int	 rc;
	struct err err;
	size_t	 nsteps;	/* that stand */
	char	 who[128];	/* who began the run */
};

static void conclude(struct engine *);

void
engine_adopt(struct engine *e)
{
	bool *mark = mem_array(e->fleet->nhosts + 1, sizeof(*mark));
	size_t i, k;

	if (e->adopting == NULL) {
		e->adopting = mem_alloc(sizeof(*e->adopting));
		e->adopting->ids = mem_array(e->fleet->nhosts + 1, sizeof(*e->adopting->ids));
		e->adopting->texts = mem_array(e->fleet->nhosts + 1, sizeof(*e->adopting->texts));
		e->adopting->whys = mem_array(e->fleet->nhosts + 1, sizeof(*e->adopting->whys));
	}
	for (i = 0; i < e->plan->nsteps; i++)
		for (k = 0; k < e->memory[i].ops.n; k++)
			mark[e->memory[i].ops.v[k].host] = true;
	for (i = 0; i < e->fleet->nhosts; i++)
		if (mark[i])
			e->adopting->ids[i] = workers_records(e->workers, (int)i, e->plan->sha256, ASK_DEADLINE_MS);
	free(mark);
	if (!engine_adopting(e))
		conclude(e);
}

void
adopt_free(struct engine *e)
{
	size_t i;

	if (e->adopting == NULL)
		return;
	for (i = 0; i < e->fleet->nhosts; i++) {
		free(e->adopting->texts[i]);
		free(e->adopting->whys[i]);
	}
	free(e->adopting->ids);
	free(e->adopting->texts);
	free(e->adopting->whys);
	free(e->adopting);
	e->adopting = NULL;
}

bool
engine_adopting(const struct engine *e)
{
	size_t i;

	for (i = 0; e->adopting != NULL && i < e->fleet->nhosts; i++)
		if (e->adopting->ids[i] != 0)
			return true;
	return e->adopting != NULL && e->adopting->writing;
}

bool
adopt_answer(struct engine *e, uint64_t id, const struct op_result *res)
{
	struct adopting *a = e->adopting;
	size_t i;

	for (i = 0; a != NULL && i < e->fleet->nhosts; i++)
		if (a->ids[i] == id && id != 0)
			break;
	if (a == NULL || i == e->fleet->nhosts)
		return false;
	a->ids[i] = 0;
	if (res->outcome == OP_APPLIED || res->outcome == OP_FRESH)
		a->texts[i] = mem_strdup(res->text == NULL ? "" : res->text);
	else
		a->whys[i] = mem_strdup(res->why == NULL ? "it did not answer" : res->why);
	if (!engine_adopting(e) && !e->stopping)
		conclude(e);
	engine_dirty(e);
	return true;
}

bool
adopt_lost(struct engine *e, uint64_t id)
{
	struct op_result res = { .outcome = OP_UNREACHED };

	return adopt_answer(e, id, &res);
}

/* ---- reading what hosts say -------------------------------------------------------- */

static enum stands
state_of(const char *word, size_t len)
{
	static const struct { const char *word; enum stands stands; } states[] = {
		{ "intent", CUT_SHORT }, { "started", CUT_SHORT }, { "applied", APPLIED }, { "ended 0", APPLIED },
		{ "undoing", UNDO_CUT }, { "undo-started", UNDO_CUT }, { "undone", UNDONE }, { "failed", FAILED },
		{ "undo-ended 0", UNDONE },
	};
	size_t i;

	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strlen(states[i].word) == len && strncmp(states[i].word, word, len) == 0)
			return states[i].stands;
	return len > 11 && strncmp(word, "undo-ended ", 11) == 0 ? UNDO_FAILED : FAILED;
}

/* The step and op of the plan that "STEP/SEQ" names. */
static bool
find_op(const struct engine *e, const char *id, size_t len, int *ret_step, int *ret_op)
{
	char seq[16];
	struct buf part;
	size_t i, n;
	bool found = false;
	long number;

	for (n = len; n > 0 && id[n - 1] != '/'; n--)
		;
	if (n == 0 || len - n == 0 || len - n >= sizeof(seq))
		return false;
	memcpy(seq, id + n, len - n);
	seq[len - n] = '\0';
	if (strspn(seq, "0123456789") != len - n)
		return false;
	number = strtol(seq, NULL, 10);
	buf_init(&part, 0);
	for (i = 0; i < e->plan->nsteps && !found; i++) {
		buf_clear(&part);
		op_id_part(&part, e->plan->steps[i].id);
		if (part.len == n - 1 && memcmp(buf_str(&part), id, n - 1) == 0) {
			*ret_step = (int)i;
			*ret_op = (int)number - 1;
			found = number >= 1 && (size_t)number <= e->memory[i].ops.n;
		}
	}
	buf_release(&part);
	return found;
}

static void
copy_sha(char ret[65], const char *value, size_t len)
{
	if (len <= 64 && (strspn(value, "0123456789abcdef") >= len || (len == 1 && *value == '-'))) {
		memcpy(ret, value, len);
		ret[len] = '\0';
	}
}

/* The newest run that any host has records of. */
static char *
newest_run(const struct engine *e)
{
	const char *p, *best = NULL;
	size_t len, best_len = 0, i;

	for (i = 0; i < e->fleet->nhosts; i++) {
		if ((p = e->adopting->texts[i]) == NULL || strncmp(p, "rec ", 4) != 0)
			continue;
		p += 4;
		len = strcspn(p, "/\n");
		if (len > 0 && len < sizeof(e->run.id) && (best == NULL ||
		    strncmp(p, best, len < best_len ? len : best_len) > 0)) {
			best = p;
			best_len = len;
		}
	}
	return best == NULL ? NULL : mem_strndup(best, best_len);
}

/* "2026-01-31T12:00:00Z", as a record has it; 0: not a time. */
static int64_t
when_of(const char *value, size_t len)
{
	char text[24];
	struct tm tm = { 0 };
	const char *end;

	if (len >= sizeof(text))
		return 0;
	memcpy(text, value, len);
	text[len] = '\0';
	end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return end == NULL || *end != '\0' ? 0 : (int64_t)timegm(&tm) * 1000;
}

/* One host's records of the run, into stands[step][op]. */
static int
read_host(const struct engine *e, int host, const char *run, struct stand *const *stands, char *who,
    size_t who_size, struct err *err)
{
	const char *p = e->adopting->texts[host], *line, *value;
	struct stand *s = NULL;
	size_t len, run_len = strlen(run);
	const struct op *op = NULL;
	int step, k;

	for (; *p != '\0'; p += len + (p[len] != '\0')) {
		len = strcspn(p, "\n");
		line = p;
		if (len > 4 && strncmp(line, "rec ", 4) == 0) {
			s = NULL;
			if (strncmp(line + 4, run, run_len) != 0 || line[4 + run_len] != '/')
				continue;	/* of another run */
			if (!find_op(e, line + 5 + run_len, len - 5 - run_len, &step, &k))
				return err_set(err, "host '%s': it has a record '%.*s', which is no operation of this plan",
				    e->fleet->hosts[host].name, (int)(len - 4), line + 4);
			op = &e->memory[step].ops.v[k];
			if (op->host != host)
				return err_set(err, "host '%s': it has a record of '%.*s', which the plan has on host '%s'",
				    e->fleet->hosts[host].name, (int)(len - 4), line + 4, e->fleet->hosts[op->host].name);
			s = &stands[step][k];
			continue;
		}
		if (s == NULL || (value = memchr(line, ' ', len)) == NULL)
			continue;
		value++;
		if (strncmp(line, "state ", 6) == 0)
			s->stands = state_of(value, len - 6);
		else if (strncmp(line, "before ", 7) == 0)
			copy_sha(s->before, value, len - 7);
		else if (strncmp(line, "after ", 6) == 0)
			copy_sha(s->after, value, len - 6);
		else if (strncmp(line, "issued ", 7) == 0 && len - 7 <= OP_ISSUED_MAX && s->issued == NULL)
			s->issued = mem_strndup(value, len - 7);
		else if (strncmp(line, "when ", 5) == 0)
			s->at_ms = when_of(value, len - 5);
		else if (strncmp(line, "path ", 5) == 0 && op->path != NULL &&
		    (strlen(op->path) != len - 5 || strncmp(op->path, value, len - 5) != 0))
			return err_set(err, "host '%s': its record is about %.*s, the plan's operation about %s",
			    e->fleet->hosts[host].name, (int)(len - 5), value, op->path);
		else if (strncmp(line, "server ", 7) == 0 && (op->endpoint == NONE ||
		    strlen(e->fleet->endpoints[op->endpoint].name) != len - 7 ||
		    strncmp(e->fleet->endpoints[op->endpoint].name, value, len - 7) != 0))
			return err_set(err, "host '%s': its record is about the server %.*s, the plan's operation is not",
			    e->fleet->hosts[host].name, (int)(len - 7), value);
		else if (strncmp(line, "who ", 4) == 0)
			(void)snprintf(who, who_size, "%.*s", (int)(len - 4), value);
	}
	return 0;
}

/* ---- writing the journal -------------------------------------------------------------- */

struct writing {
	const struct engine *e;
	const char *run;
	int	 step;
	struct journal_lines lines;
};

static struct journal_line *
line_new(struct writing *w)
{
	struct journal_line *l = mem_push(&w->lines.v, &w->lines.n, sizeof(*w->lines.v));

	l->record.at_ms = engine_now_ms(w->e);
	return l;
}

static void
put(struct writing *w, enum record_kind kind, int op, enum phase phase, enum op_outcome outcome,
    const struct stand *s, const char *why)
{
	struct journal_line *l = line_new(w);
	struct record *r = &l->record;
	const char *seen_as;

	r->kind = kind;
	r->step = w->step;
	r->op = op;
	r->phase = phase;
	r->outcome = outcome;
	if (s != NULL) {
		memcpy(r->before_sha, s->before, sizeof(r->before_sha));
		memcpy(r->after_sha, s->after, sizeof(r->after_sha));
	}
	if (why != NULL)
		(void)snprintf(r->why, sizeof(r->why), "%s", why);
	if (op != NONE && (seen_as = strchr(w->e->memory[w->step].ops.v[op].id, '/')) != NULL)
		l->op_id = mem_printf("%s%s", w->run, seen_as);
	l->step_id = mem_strdup(w->e->plan->steps[w->step].id);
	l->text = mem_strdup("adopted");
}

/* The leaf that has to be presented is known by this alone, where another bastion made it. */
static void
put_issued(struct writing *w, const struct stand *s)
{
	struct journal_line *l = line_new(w);

	if (s->at_ms > 0 && s->at_ms < l->record.at_ms)
		l->record.at_ms = s->at_ms;
	l->note = mem_strdup("issued");
	l->step_id = mem_strdup(w->e->plan->steps[w->step].id);
	l->text = mem_strdup(s->issued);
}

static void
put_step(struct writing *w, const struct stand *stands, size_t n, bool *ret_stands)
{
	size_t i, begun = 0, applied = 0, undone = 0, undoing = 0, edits_undone = 0, edits = 0;
	char why[128];

	for (i = 0; i < n; i++) {
		bool edit = !rollout_step(w->e->rollout, w->step)->shapes[i].activates;

		begun += stands[i].stands != NOT_BEGUN;
		applied += stands[i].stands == APPLIED;
		undone += stands[i].stands == UNDONE;
		undoing += stands[i].stands == UNDO_CUT || stands[i].stands == UNDO_FAILED;
		edits += edit && stands[i].stands != NOT_BEGUN;
		edits_undone += edit && stands[i].stands == UNDONE;
	}
	if (begun == 0)
		return;
	put(w, REC_APPLY, NONE, PHASE_APPLYING, OP_APPLIED, NULL, NULL);
	for (i = 0; i < n; i++) {
		const struct stand *s = &stands[i];

		if (s->stands == NOT_BEGUN)
			continue;
		put(w, REC_INTENT, (int)i, PHASE_APPLYING, OP_APPLIED, s, NULL);
		if (s->stands != CUT_SHORT)
			put(w, REC_OUTCOME, (int)i, PHASE_APPLYING, s->stands == FAILED ? OP_FAILED : OP_APPLIED, s, NULL);
		if (s->stands == APPLIED && s->issued != NULL)
			put_issued(w, s);
	}
	if (undone + undoing > 0) {
		put(w, REC_UNDO, NONE, PHASE_UNDOING, OP_APPLIED, NULL, NULL);
		for (i = 0; i < n; i++) {
			if (stands[i].stands == UNDONE || stands[i].stands == UNDO_FAILED || stands[i].stands == UNDO_CUT)
				put(w, REC_UNDO_INTENT, (int)i, PHASE_UNDOING, OP_APPLIED, &stands[i], NULL);
			if (stands[i].stands == UNDONE || stands[i].stands == UNDO_FAILED)
				put(w, REC_UNDO_OUTCOME, (int)i, PHASE_UNDOING,
				    stands[i].stands == UNDONE ? OP_RESTORED : OP_FAILED, &stands[i], NULL);
		}
	}
	/* An activation may have been left to another step's undo: the edits decide. */
	if (undone > 0 && undoing == 0 && edits_undone == edits) {
		put(w, REC_PHASE, NONE, PHASE_RESTORED, OP_APPLIED, NULL, NULL);
		return;
	}
	*ret_stands = true;
	if (applied == n)
		put(w, REC_PHASE, NONE, PHASE_DONE, OP_APPLIED, NULL, NULL);
	else if (undone + undoing > 0)
		put(w, REC_PHASE, NONE, PHASE_STUCK, OP_APPLIED, NULL, "adopted in the middle of its undo");
	else if (applied + undone == begun) {
		(void)snprintf(why, sizeof(why), "adopted: %zu of %zu operations stand", applied, n);
		put(w, REC_PHASE, NONE, PHASE_FAULTED, OP_APPLIED, NULL, why);
	}
	/* Else an op was cut short: the next start asks its host what became of it. */
}

static void
on_written(void *arg, const struct journal_run *run, const char *why)
{
	struct engine *e = arg;
	struct adopting *a = e->adopting;

	a->writing = false;
	if (run == NULL)
		a->rc = err_set(&a->err, "%s", why);
	engine_dirty(e);
}

/* All hosts have answered, or will not: what came of it, or the way to the journal. */
static int
make_journal(struct engine *e, struct adopting *a, const char *newest, struct stand *const *stands, struct err *err)
{
	struct journal_run run = { 0 };
	struct writing w = { .e = e, .run = newest };
	struct journal_line *l;
	size_t i;
	bool any;

	for (i = 0; i < e->fleet->nhosts; i++)
		if (a->texts[i] != NULL &&
		    read_host(e, (int)i, newest, stands, a->who, sizeof(a->who), err) != 0)
			return -1;
	if (e->journaling == NULL)
		return err_set(err, "there is no journal");
	(void)snprintf(run.id, sizeof(run.id), "%s", newest);
	digest_sha256_hex(e->fleet_text, e->fleet_len, run.fleet_sha);
	(void)snprintf(run.plan_sha, sizeof(run.plan_sha), "%s", e->plan->sha256);
	(void)snprintf(run.plan_name, sizeof(run.plan_name), "%s", e->plan->name);
	(void)snprintf(run.who, sizeof(run.who), "%s", e->who);
	l = line_new(&w);
	l->note = mem_strdup("adopt");
	l->text = mem_printf("from the records on the hosts; begun by %s", a->who);
	for (i = 0; i < e->plan->nsteps; i++) {
		any = false;
		w.step = (int)i;
		put_step(&w, stands[i], e->memory[i].ops.n, &any);
		a->nsteps += any;
	}
	a->writing = true;
	/* Where nothing of it stands any more there is nothing to go on with. */
	journaling_adopt(e->journaling, &run, &w.lines, a->nsteps == 0, on_written, e);
	return 0;
}

static void
conclude(struct engine *e)
{
	struct adopting *a = e->adopting;
	struct stand **stands = mem_array(e->plan->nsteps + 1, sizeof(*stands));
	char *newest = NULL;
	size_t i, k;

	for (i = 0; i < e->plan->nsteps; i++)
		stands[i] = mem_array(e->memory[i].ops.n + 1, sizeof(**stands));
	if (e->run_open)
		a->rc = err_set(&a->err, "a run is in progress here already (%s)", e->run.id);
	for (i = 0; a->rc == 0 && i < e->fleet->nhosts; i++)
		if (a->whys[i] != NULL)
			a->rc = err_set(&a->err, "host '%s': %s; what it has of the run is not known, so nothing was adopted",
			    e->fleet->hosts[i].name, a->whys[i]);
	if (a->rc == 0 && (newest = newest_run(e)) != NULL)
		a->rc = make_journal(e, a, newest, stands, &a->err);
	for (i = 0; i < e->plan->nsteps; i++) {
		for (k = 0; k < e->memory[i].ops.n; k++)
			free(stands[i][k].issued);
		free(stands[i]);
	}
	free(stands);
	free(newest);
}

int
engine_adopted(const struct engine *e, size_t *ret_steps, const char **ret_who, struct err *err)
{
	const struct adopting *a = e->adopting;

	*ret_steps = a->nsteps;
	*ret_who = a->who;
	if (a->rc != 0)
		*err = a->err;
	return a->rc;
}
