/*
 * journal_read: what is in the journal, in order, and whether it follows from what is before it.
 */
#include "store/journal_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/err.h"
#include "core/mem.h"

#define PAGE_ROWS	128		/* rows copied out at a time by journal_each() */

static int
word_parse(const char *word, const char *(*words)(int), int n)
{
	int i;

	for (i = 0; word != NULL && i < n; i++)
		if (strcmp(words(i), word) == 0)
			return i;
	return -1;
}

static const char *
record_word_at(int i)
{
	return record_word((enum record_kind)i);
}

static const char *
phase_word_at(int i)
{
	return phase_word((enum phase)i);
}

static const char *
outcome_word_at(int i)
{
	return op_outcome_word((enum op_outcome)i);
}

/* The row as the caller gets it.  A word that is not ours means that the journal is not either. */
static int
entry_of_row(const struct journal *j, const struct row *row, struct journal_entry *ret, struct err *err)
{
	struct record *r = &ret->record;
	int kind, phase = 0, outcome = 0;

	memset(ret, 0, sizeof(*ret));
	ret->seq = row->seq;
	ret->at_ms = row->at_ms;
	ret->run = row->run;
	ret->kind = row->kind;
	ret->step_id = row->step_id;
	ret->op_id = row->op_id;
	ret->text = row->text;
	ret->hash = row->hash;
	ret->is_record = row->is_record;
	r->step = r->op = NONE;
	if (!row->is_record)
		return 0;
	kind = word_parse(row->kind, record_word_at, RECORD_COUNT);
	if (kind == REC_PHASE)
		phase = word_parse(row->phase, phase_word_at, PHASE_COUNT);
	if (kind == REC_OUTCOME || kind == REC_UNDO_OUTCOME)
		outcome = word_parse(row->outcome, outcome_word_at, OP_OUTCOME_COUNT);
	if (kind == -1 || phase == -1 || outcome == -1 || row->op < NONE)
		return err_set(err, "the journal '%s' is damaged: entry %lld makes no sense", j->path,
		    (long long)row->seq);
	r->kind = (enum record_kind)kind;
	r->at_ms = row->at_ms;
	r->op = row->op;
	r->phase = (enum phase)phase;
	r->outcome = (enum op_outcome)outcome;
	(void)snprintf(r->before_sha, sizeof(r->before_sha), "%s", row->before_sha == NULL ? "" : row->before_sha);
	(void)snprintf(r->after_sha, sizeof(r->after_sha), "%s", row->after_sha == NULL ? "" : row->after_sha);
	(void)snprintf(r->why, sizeof(r->why), "%s", row->why == NULL ? "" : row->why);
	return 0;
}

/* Copies up to PAGE_ROWS rows behind `after` out, so that the database is free while they are looked at. */
static int
read_page(struct journal *j, const char *run, int64_t after, struct row *rows, size_t *ret_n, struct err *err)
{
	sqlite3_stmt *st = jr_prepare(j, "SELECT seq, " COLUMNS ", hash FROM entry"
	    " WHERE seq > ?1 AND (?2 IS NULL OR run = ?2) ORDER BY seq LIMIT ?3", "read", err);
	size_t n = 0;
	int step = SQLITE_DONE;

	*ret_n = 0;
	if (st == NULL)
		return -1;
	(void)sqlite3_bind_int64(st, 1, after);
	jr_bind(st, 2, run);
	(void)sqlite3_bind_int(st, 3, PAGE_ROWS);
	while (n < PAGE_ROWS && (step = sqlite3_step(st)) == SQLITE_ROW)
		jr_row_read(st, &rows[n++]);
	if (step != SQLITE_DONE && step != SQLITE_ROW) {
		jr_fail(j, "read", err);
		while (n > 0)
			jr_row_release(&rows[--n]);
		(void)sqlite3_finalize(st);
		return -1;
	}
	(void)sqlite3_finalize(st);
	*ret_n = n;
	return 0;
}

/* Calls each() for every row in order until it does not return 1: 0 stops, -1 fails. */
static int
walk(struct journal *j, const char *run, int (*each)(void *arg, const struct row *, struct err *), void *arg,
    struct err *err)
{
	struct row *rows;
	int64_t after = 0;
	size_t i, n;
	int go = 1;

	if (j->db == NULL)
		return 0;
	rows = mem_array(PAGE_ROWS, sizeof(*rows));
	do {
		if (read_page(j, run, after, rows, &n, err) == -1) {
			go = -1;
			break;
		}
		for (i = 0; i < n; i++) {
			after = rows[i].seq;
			if (go == 1 && (rows[i].run == NULL || rows[i].kind == NULL || rows[i].hash == NULL))
				go = err_set(err, "the journal '%s' is damaged: entry %lld has no content",
				    j->path, (long long)after);
			if (go == 1)
				go = each(arg, &rows[i], err);
			jr_row_release(&rows[i]);
		}
	} while (go == 1 && n == PAGE_ROWS);
	free(rows);
	return go == -1 ? -1 : 0;
}

struct teller {
	const struct journal *j;
	bool (*each)(void *arg, const struct journal_entry *);
	void *arg;
};

static int
tell(void *arg, const struct row *row, struct err *err)
{
	const struct teller *t = arg;
	struct journal_entry entry;

	if (entry_of_row(t->j, row, &entry, err) == -1)
		return -1;
	return t->each(t->arg, &entry) ? 1 : 0;
}

int
journal_each(struct journal *j, const char *run, bool (*each)(void *arg, const struct journal_entry *), void *arg,
    struct err *err)
{
	struct teller t = { j, each, arg };

	return walk(j, run, tell, &t, err);
}

struct verifier {
	struct journal *j;
	int64_t	 seq, begins;
	char	 hash[CHAIN_HASH_SIZE];
};

static int
verify_row(void *arg, const struct row *row, struct err *err)
{
	struct verifier *v = arg;
	struct journal_run run;
	char hash[CHAIN_HASH_SIZE];
	sqlite3_stmt *st;
	bool begins = jr_row_begins(row), found = true;

	if (begins) {
		v->begins++;
		st = jr_prepare(v->j, "SELECT " RUN_COLUMNS " FROM run WHERE id = ?", "read", err);
		if (st == NULL)
			return -1;
		jr_bind(st, 1, row->run);
		found = sqlite3_step(st) == SQLITE_ROW;
		if (found)
			jr_run_read(st, &run);
		(void)sqlite3_finalize(st);
	}
	if (found && jr_row_hash(row, begins ? &run : NULL, v->hash, hash, err) == -1)
		return -1;
	if (!found || row->seq != v->seq + 1 || strcmp(hash, row->hash) != 0)
		return err_set(err, "the journal '%s' was changed: entry %lld does not follow from what is before it",
		    v->j->path, (long long)row->seq);
	v->seq = row->seq;
	memcpy(v->hash, hash, sizeof(v->hash));
	return 1;
}

int
journal_verify(struct journal *j, char ret_head[65], struct err *err)
{
	struct verifier v = { .j = j, .hash = CHAIN_START };

	if (walk(j, NULL, verify_row, &v, err) == -1)
		return -1;
	if (j->db != NULL && jr_number(j, "SELECT count(*) FROM run") != v.begins)
		return err_set(err, "the journal '%s' was changed: it has a run that was never begun", j->path);
	memcpy(ret_head, v.hash, CHAIN_HASH_SIZE);
	return 0;
}
