/*
 * journal: see journal.h.
 *
 * Owns what is written: runs, entries, the chain.  The connection, the only one to
 * SQLite in the program, and the lock are journal_db.c's; journal_read.c reads.
 *
 * Invariants:
 *  - an entry is written in a transaction of its own, so that COMMIT's return is
 *    what "acknowledged" means;
 *  - entries are numbered 1, 2, 3 … without a gap, and are never changed;
 *  - a run's row is written in the transaction of its `begin` entry, and its
 *    content is part of that entry's hash;
 *  - at most one run has no `end` entry, the last one.
 *
 * It does not know what a record means: that is the rollout's business.
 */
#include "store/journal_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/err.h"
#include "core/mem.h"
#include "store/lock.h"

/* ---- the chain ---- */

/* The last entry's number and hash; 0 and the chain's start of an empty journal. */
static int
last_link(struct journal *j, int64_t *ret_seq, char ret_hash[CHAIN_HASH_SIZE], struct err *err)
{
	sqlite3_stmt *st = jr_prepare(j, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1", "read", err);
	int rc;

	if (st == NULL)
		return -1;
	*ret_seq = 0;
	memcpy(ret_hash, CHAIN_START, CHAIN_HASH_SIZE);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_seq = sqlite3_column_int64(st, 0);
		jr_column(st, 1, ret_hash, CHAIN_HASH_SIZE);
		rc = SQLITE_DONE;
	}
	if (rc != SQLITE_DONE) {
		jr_fail(j, "read", err);
		(void)sqlite3_finalize(st);
		return -1;
	}
	(void)sqlite3_finalize(st);
	if (strlen(ret_hash) != CHAIN_HASH_SIZE - 1)
		return err_set(err, "the journal '%s' is damaged: entry %lld has no hash", j->path,
		    (long long)*ret_seq);
	return 0;
}

static int
insert_run(struct journal *j, const struct journal_run *run, struct err *err)
{
	sqlite3_stmt *st = jr_prepare(j, "INSERT INTO run (id, plan_sha, fleet_sha, plan_name, who, began_ms)"
	    " VALUES (?, ?, ?, ?, ?, ?)", "write", err);
	int rc = 0;

	if (st == NULL)
		return -1;
	jr_bind(st, 1, run->id);
	jr_bind(st, 2, run->plan_sha);
	jr_bind(st, 3, run->fleet_sha);
	jr_bind(st, 4, run->plan_name);
	jr_bind(st, 5, run->who);
	(void)sqlite3_bind_int64(st, 6, run->began_ms);
	if (sqlite3_step(st) != SQLITE_DONE)
		rc = jr_fail(j, "write", err);
	(void)sqlite3_finalize(st);
	return rc;
}

static int
insert_row(struct journal *j, const struct row *row, struct err *err)
{
	sqlite3_stmt *st = jr_prepare(j, "INSERT INTO entry (seq, " COLUMNS ", hash)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "write", err);
	int rc = 0;

	if (st == NULL)
		return -1;
	(void)sqlite3_bind_int64(st, 1, row->seq);
	jr_bind(st, 2, row->run);
	(void)sqlite3_bind_int64(st, 3, row->at_ms);
	(void)sqlite3_bind_int(st, 4, row->is_record);
	jr_bind(st, 5, row->kind);
	jr_bind(st, 6, row->step_id);
	jr_bind(st, 7, row->op_id);
	(void)sqlite3_bind_int(st, 8, row->op);
	jr_bind(st, 9, row->phase);
	jr_bind(st, 10, row->outcome);
	jr_bind(st, 11, row->before_sha);
	jr_bind(st, 12, row->after_sha);
	jr_bind(st, 13, row->why);
	jr_bind(st, 14, row->text);
	jr_bind(st, 15, row->hash);
	if (sqlite3_step(st) != SQLITE_DONE || sqlite3_changes(j->db) != 1)
		rc = jr_fail(j, "write", err);
	(void)sqlite3_finalize(st);
	return rc;
}

/*
 * A COMMIT may fail when all is done but the last sync, of the directory that the rollback
 * journal was removed from: then the entry is there, and to write it again would be to
 * say twice what happened once.  Is what is to be written now that entry?
 */
static bool
is_there(const struct journal *j, struct row *row, int64_t last, const char *last_hash)
{
	char hash[CHAIN_HASH_SIZE];
	struct err none;

	if (j->doubt.seq == 0 || j->doubt.seq != last || strcmp(j->doubt.hash, last_hash) != 0)
		return false;
	row->seq = last;
	return jr_row_hash(row, NULL, j->doubt.before, hash, &none) == 0 && strcmp(hash, last_hash) == 0;
}

/* One entry (and the run that it begins) into the transaction that is open. */
static int
put(struct journal *j, struct row *row, const struct journal_run *run, struct link_of *ret, struct err *err)
{
	char again[64];
	int64_t last;

	if (last_link(j, &last, ret->before, err) == -1)
		return -1;
	if (run == NULL && is_there(j, row, last, ret->before)) {
		/* What makes it last is a COMMIT that does not fail; it has to have something to write. */
		*ret = j->doubt;
		(void)snprintf(again, sizeof(again), "PRAGMA user_version = %d", JOURNAL_SCHEMA);
		return jr_sql(j, again, "write", err);
	}
	row->seq = last + 1;
	row->hash = ret->hash;
	if (jr_row_hash(row, run, ret->before, ret->hash, err) == -1 ||
	    (run != NULL && insert_run(j, run, err) == -1))
		return -1;
	ret->seq = row->seq;
	return insert_row(j, row, err);
}

/* Writes one entry (and the run that it begins) in a transaction of its own, or into that of an adoption; on disk when 0. */
static int
add(struct journal *j, struct row *row, const struct journal_run *run, struct err *err)
{
	struct link_of link = { 0 };

	if (j->lock == NULL)
		return err_set(err, "the journal '%s' is open for reading only", j->path);
	if (j->adopting)
		return put(j, row, run, &link, err);
	if (jr_sql(j, "BEGIN IMMEDIATE", "write", err) == -1)
		return -1;
	if (put(j, row, run, &link, err) == 0) {
		if (jr_sql(j, "COMMIT", "write", err) == 0) {
			j->doubt.seq = 0;
			return 0;
		}
		j->doubt = link;
	}
	jr_give_up(j);
	return -1;
}

/* ---- runs ---- */

int
journal_current(struct journal *j, struct journal_run *ret, struct err *err)
{
	struct err none;
	sqlite3_stmt *st;
	int rc = -1;

	if (err == NULL)
		err = &none;
	err->msg[0] = '\0';
	if (j->db == NULL)
		return -1;
	st = jr_prepare(j, "SELECT " RUN_COLUMNS " FROM run WHERE NOT EXISTS (SELECT 1 FROM entry"
	    " WHERE entry.run = run.id AND kind = 'end' AND NOT is_record)"
	    " ORDER BY run.rowid DESC LIMIT 1", "read", err);
	if (st == NULL)
		return -1;
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		jr_run_read(st, ret);
		rc = 0;
		break;
	case SQLITE_DONE:
		break;
	default:
		jr_fail(j, "read", err);
	}
	(void)sqlite3_finalize(st);
	return rc;
}

static int64_t
wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int
begin(struct journal *j, struct journal_run *inout, bool adopted, struct err *err)
{
	struct row row = { .op = NONE, .kind = (char[]){ "begin" } };
	struct journal_run run = *inout;
	unsigned char salt[2];
	struct tm tm;
	char when[24], *text;
	time_t t;
	int rc;

	if (j->run[0] != '\0')
		return err_set(err, "run '%s' is still in progress", j->run);
	if (run.began_ms == 0)
		run.began_ms = wall_ms();
	t = (time_t)(run.began_ms / 1000);
	if (gmtime_r(&t, &tm) == NULL || strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm) == 0)
		return err_set(err, "the clock stands at no time that has a date");
	/* Two runs begun in one second are told apart by the salt; the row's key refuses a third one alike. */
	sqlite3_randomness(sizeof(salt), salt);
	if (!adopted)
		(void)snprintf(run.id, sizeof(run.id), "%s-%02x%02x", when, salt[0], salt[1]);
	run.ended = false;
	text = mem_printf("plan %s, by %s", run.plan_name, run.who);
	row.run = run.id;
	row.at_ms = run.began_ms;
	row.text = text;
	rc = add(j, &row, &run, err);
	free(text);
	if (rc == -1)
		return -1;
	memcpy(j->run, run.id, sizeof(j->run));
	*inout = run;
	return 0;
}

int
journal_begin(struct journal *j, struct journal_run *inout, struct err *err)
{
	return begin(j, inout, false, err);
}

int
journal_end(struct journal *j, struct err *err)
{
	struct row row = { .op = NONE, .kind = (char[]){ "end" }, .run = j->run };

	j->ails = false;
	if (j->run[0] == '\0')
		return err_set(err, "no run is in progress");
	row.at_ms = wall_ms();
	if (add(j, &row, NULL, err) == -1)
		return -1;
	j->run[0] = '\0';
	lock_tell(j->lock, NULL);
	return 0;
}

/* ---- appending ---- */

int
journal_append(struct journal *j, const struct record *r, const char *step_id, const char *op_id,
    const char *text, struct err *err)
{
	char *kind = mem_strdup(record_word(r->kind)), *step = mem_strdup(step_id), *op = mem_strdup(op_id);
	char *note = text == NULL ? NULL : mem_strndup(text, strnlen(text, JOURNAL_TEXT_MAX));
	char *why = r->why[0] == '\0' ? NULL : mem_strdup(r->why);
	char *phase = NULL, *outcome = NULL, *before = NULL, *after = NULL;
	struct row row;
	int rc = -1;

	if (r->kind == REC_PHASE)
		phase = mem_strdup(phase_word(r->phase));
	if (r->kind == REC_OUTCOME || r->kind == REC_UNDO_OUTCOME)
		outcome = mem_strdup(op_outcome_word(r->outcome));
	if (r->before_sha[0] != '\0')
		before = mem_strdup(r->before_sha);
	if (r->after_sha[0] != '\0')
		after = mem_strdup(r->after_sha);
	row = (struct row){ .at_ms = r->at_ms, .is_record = true, .op = r->op, .run = j->run, .kind = kind,
	    .step_id = step, .op_id = op, .phase = phase, .outcome = outcome, .before_sha = before,
	    .after_sha = after, .why = why, .text = note };
	j->ails = false;
	if (j->run[0] == '\0')
		err_set(err, "no run is in progress");
	else
		rc = add(j, &row, NULL, err);
	if (rc == 0 && (r->kind == REC_APPLY || r->kind == REC_UNDO))
		lock_tell(j->lock, step_id);
	free(kind);
	free(step);
	free(op);
	free(note);
	free(why);
	free(phase);
	free(outcome);
	free(before);
	free(after);
	return rc;
}

int
journal_note(struct journal *j, int64_t at_ms, const char *step_id, const char *kind, const char *text,
    struct err *err)
{
	char *k, *s, *t;
	struct row row;
	int rc;

	j->ails = false;
	if (strcmp(kind, "begin") == 0 || strcmp(kind, "end") == 0)
		return err_set(err, "a note cannot be called '%s'", kind);
	k = mem_strdup(kind);
	s = mem_strdup(step_id);
	t = text == NULL ? NULL : mem_strndup(text, strnlen(text, JOURNAL_TEXT_MAX));
	row = (struct row){ .at_ms = at_ms, .op = NONE, .run = j->run, .kind = k, .step_id = s, .text = t };
	rc = add(j, &row, NULL, err);
	free(k);
	free(s);
	free(t);
	return rc;
}

static int
put_line(struct journal *j, const struct journal_line *l, struct err *err)
{
	if (l->note != NULL)
		return journal_note(j, l->record.at_ms, l->step_id, l->note, l->text, err);
	return journal_append(j, &l->record, l->step_id, l->op_id, l->text, err);
}

int
journal_adopt(struct journal *j, struct journal_run *inout, const struct journal_lines *lines, bool ended,
    struct err *err)
{
	struct journal_run run = *inout;
	size_t i;
	int rc;

	j->ails = false;
	if (j->lock == NULL)
		return err_set(err, "the journal '%s' is open for reading only", j->path);
	if (j->run[0] != '\0')
		return err_set(err, "run '%s' is still in progress", j->run);
	if (jr_sql(j, "BEGIN IMMEDIATE", "write", err) == -1)
		return -1;
	j->adopting = true;
	rc = begin(j, &run, true, err);
	for (i = 0; rc == 0 && i < lines->n; i++)
		rc = put_line(j, &lines->v[i], err);
	if (rc == 0 && ended)
		rc = journal_end(j, err);
	if (rc == 0)
		rc = jr_sql(j, "COMMIT", "write", err);
	j->adopting = false;
	if (rc == 0) {
		*inout = run;
		return 0;
	}
	jr_give_up(j);
	j->run[0] = '\0';
	lock_tell(j->lock, NULL);
	return -1;
}

void
journal_lines_release(struct journal_lines *lines)
{
	size_t i;

	for (i = 0; i < lines->n; i++) {
		free(lines->v[i].note);
		free(lines->v[i].step_id);
		free(lines->v[i].op_id);
		free(lines->v[i].text);
	}
	free(lines->v);
	lines->v = NULL;
	lines->n = 0;
}

bool
journal_ails(const struct journal *j)
{
	return j->ails;
}
