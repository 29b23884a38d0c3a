/*
 * journal: see journal.h.
 *
 * Owns the one connection to SQLite (nothing else of the program includes it)
 * and the lock.
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
#include "store/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "core/blob.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "store/chain.h"
#include "store/lock.h"
#include "store/state_dir.h"

#define SCHEMA_VERSION	1
#define APPLICATION_ID	0x62656c79	/* "bely"; shown by file(1) */
#define BUSY_MS		10000		/* a reader may hold a writer up this long */
#define PAGE_ROWS	128		/* rows copied out at a time by journal_each() */

static const char schema[] =
    "CREATE TABLE run ("
    " id TEXT PRIMARY KEY NOT NULL, plan_sha TEXT NOT NULL, fleet_sha TEXT NOT NULL,"
    " plan_name TEXT NOT NULL, who TEXT NOT NULL, began_ms INTEGER NOT NULL);"
    "CREATE TABLE entry ("
    " seq INTEGER PRIMARY KEY NOT NULL, run TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " is_record INTEGER NOT NULL, kind TEXT NOT NULL, step_id TEXT, op_id TEXT,"
    " op INTEGER NOT NULL, phase TEXT, outcome TEXT, before_sha TEXT, after_sha TEXT,"
    " why TEXT, text TEXT, hash TEXT NOT NULL);"
    "CREATE INDEX entry_run ON entry (run, seq);";

/* The columns of `entry` after seq and before hash, in the order of struct row. */
#define COLUMNS "run, at_ms, is_record, kind, step_id, op_id, op, phase, outcome," \
    " before_sha, after_sha, why, text"

/* An entry's place in the chain. */
struct link_of {
	int64_t	 seq;
	char	 before[CHAIN_HASH_SIZE], hash[CHAIN_HASH_SIZE];
};

struct journal {
	sqlite3	*db;		/* NULL: read-only, and there is none yet */
	struct lock *lock;	/* NULL: read-only */
	char	*path;
	char	 run[32];	/* in progress, or "" */
	bool	 ails;		/* see journal_ails() */
	bool	 adopting;	/* a transaction is open, which all of an adoption goes into */
	struct link_of doubt;	/* an entry whose COMMIT failed; seq 0: none */
};

/* One row of `entry`.  Strings are borrowed, or owned by row_read()'s caller. */
struct row {
	int64_t	 seq, at_ms;
	bool	 is_record;
	int	 op;
	char	*run, *kind, *step_id, *op_id, *phase, *outcome, *before_sha, *after_sha, *why, *text, *hash;
};

/* ---- errors ---- */

static int
fail(struct journal *j, const char *what, struct err *err)
{
	int code = sqlite3_extended_errcode(j->db), error = sqlite3_system_errno(j->db);

	j->ails = true;

	switch (code & 0xff) {
	case SQLITE_FULL:
		return err_set(err, "cannot %s the journal '%s': the disk is full: make room, then try again",
		    what, j->path);
	case SQLITE_BUSY:
		return err_set(err, "cannot %s the journal '%s': another process has held it for %d s",
		    what, j->path, BUSY_MS / 1000);
	case SQLITE_IOERR:
		return err_set(err, "cannot %s the journal '%s': %s (code %d)%s%s", what, j->path,
		    sqlite3_errmsg(j->db), code, error == 0 ? "" : ": ", error == 0 ? "" : strerror(error));
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, "cannot %s the journal '%s': it is damaged (%s): put it aside, and do not go on "
		    "without knowing what was done", what, j->path, sqlite3_errmsg(j->db));
	default:
		return err_set(err, "cannot %s the journal '%s': %s (code %d)", what, j->path,
		    sqlite3_errmsg(j->db), code);
	}
}

/* ---- small steps ---- */

static int
run_sql(struct journal *j, const char *sql, const char *what, struct err *err)
{
	if (sqlite3_exec(j->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return fail(j, what, err);
	return 0;
}

static sqlite3_stmt *
prepare(struct journal *j, const char *sql, const char *what, struct err *err)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) != SQLITE_OK) {
		fail(j, what, err);
		return NULL;
	}
	return st;
}

static void
bind_text(sqlite3_stmt *st, int i, const char *s)
{
	if (s == NULL)
		(void)sqlite3_bind_null(st, i);
	else
		(void)sqlite3_bind_text(st, i, s, -1, SQLITE_TRANSIENT);
}

static char *
column(sqlite3_stmt *st, int i)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	return s == NULL ? NULL : mem_strndup(s, (size_t)sqlite3_column_bytes(st, i));
}

static void
column_fixed(sqlite3_stmt *st, int i, char *ret, size_t size_bytes)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	(void)snprintf(ret, size_bytes, "%s", s == NULL ? "" : s);
}

/* A pragma's answer as a number, or -1. */
static int64_t
pragma_int(struct journal *j, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t v = -1;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		v = sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	return v;
}

static bool
pragma_says(struct journal *j, const char *sql, const char *expected)
{
	sqlite3_stmt *st = NULL;
	const char *s;
	bool yes = false;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW) {
		s = (const char *)sqlite3_column_text(st, 0);
		yes = s != NULL && strcmp(s, expected) == 0;
	}
	(void)sqlite3_finalize(st);
	return yes;
}

/* Undoes what a failed transaction left; SQLite may have done so already. */
static void
give_up(struct journal *j)
{
	if (!sqlite3_get_autocommit(j->db))
		(void)sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- rows and their chain ---- */

static void
row_release(struct row *row)
{
	free(row->run);
	free(row->kind);
	free(row->step_id);
	free(row->op_id);
	free(row->phase);
	free(row->outcome);
	free(row->before_sha);
	free(row->after_sha);
	free(row->why);
	free(row->text);
	free(row->hash);
}

/* From `SELECT seq, COLUMNS, hash`. */
static void
row_read(sqlite3_stmt *st, struct row *ret)
{
	ret->seq = sqlite3_column_int64(st, 0);
	ret->run = column(st, 1);
	ret->at_ms = sqlite3_column_int64(st, 2);
	ret->is_record = sqlite3_column_int(st, 3) != 0;
	ret->kind = column(st, 4);
	ret->step_id = column(st, 5);
	ret->op_id = column(st, 6);
	ret->op = sqlite3_column_int(st, 7);
	ret->phase = column(st, 8);
	ret->outcome = column(st, 9);
	ret->before_sha = column(st, 10);
	ret->after_sha = column(st, 11);
	ret->why = column(st, 12);
	ret->text = column(st, 13);
	ret->hash = column(st, 14);
}

static bool
row_begins(const struct row *row)
{
	return !row->is_record && strcmp(row->kind, "begin") == 0;
}

static int
row_hash(const struct row *row, const struct journal_run *run, const char *before,
    char ret[CHAIN_HASH_SIZE], struct err *err)
{
	struct buf b = { 0 };
	int rc;

	blob_put_int(&b, row->seq);
	blob_put_str(&b, row->run);
	blob_put_int(&b, row->at_ms);
	blob_put_int(&b, row->is_record);
	blob_put_str(&b, row->kind);
	blob_put_str(&b, row->step_id);
	blob_put_str(&b, row->op_id);
	blob_put_int(&b, row->op);
	blob_put_str(&b, row->phase);
	blob_put_str(&b, row->outcome);
	blob_put_str(&b, row->before_sha);
	blob_put_str(&b, row->after_sha);
	blob_put_str(&b, row->why);
	blob_put_str(&b, row->text);
	if (run != NULL) {
		blob_put_str(&b, run->id);
		blob_put_str(&b, run->plan_sha);
		blob_put_str(&b, run->fleet_sha);
		blob_put_str(&b, run->plan_name);
		blob_put_str(&b, run->who);
		blob_put_int(&b, run->began_ms);
	}
	rc = chain_link(before, b.data, b.len, ret, err);
	buf_release(&b);
	return rc;
}

/* The last entry's number and hash; 0 and the chain's start of an empty journal. */
static int
last_link(struct journal *j, int64_t *ret_seq, char ret_hash[CHAIN_HASH_SIZE], struct err *err)
{
	sqlite3_stmt *st = prepare(j, "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1", "read", err);
	int rc;

	if (st == NULL)
		return -1;
	*ret_seq = 0;
	memcpy(ret_hash, CHAIN_START, CHAIN_HASH_SIZE);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		*ret_seq = sqlite3_column_int64(st, 0);
		column_fixed(st, 1, ret_hash, CHAIN_HASH_SIZE);
		rc = SQLITE_DONE;
	}
	if (rc != SQLITE_DONE) {
		fail(j, "read", err);
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
	sqlite3_stmt *st = prepare(j, "INSERT INTO run (id, plan_sha, fleet_sha, plan_name, who, began_ms)"
	    " VALUES (?, ?, ?, ?, ?, ?)", "write", err);
	int rc = 0;

	if (st == NULL)
		return -1;
	bind_text(st, 1, run->id);
	bind_text(st, 2, run->plan_sha);
	bind_text(st, 3, run->fleet_sha);
	bind_text(st, 4, run->plan_name);
	bind_text(st, 5, run->who);
	(void)sqlite3_bind_int64(st, 6, run->began_ms);
	if (sqlite3_step(st) != SQLITE_DONE)
		rc = fail(j, "write", err);
	(void)sqlite3_finalize(st);
	return rc;
}

static int
insert_row(struct journal *j, const struct row *row, struct err *err)
{
	sqlite3_stmt *st = prepare(j, "INSERT INTO entry (seq, " COLUMNS ", hash)"
	    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "write", err);
	int rc = 0;

	if (st == NULL)
		return -1;
	(void)sqlite3_bind_int64(st, 1, row->seq);
	bind_text(st, 2, row->run);
	(void)sqlite3_bind_int64(st, 3, row->at_ms);
	(void)sqlite3_bind_int(st, 4, row->is_record);
	bind_text(st, 5, row->kind);
	bind_text(st, 6, row->step_id);
	bind_text(st, 7, row->op_id);
	(void)sqlite3_bind_int(st, 8, row->op);
	bind_text(st, 9, row->phase);
	bind_text(st, 10, row->outcome);
	bind_text(st, 11, row->before_sha);
	bind_text(st, 12, row->after_sha);
	bind_text(st, 13, row->why);
	bind_text(st, 14, row->text);
	bind_text(st, 15, row->hash);
	if (sqlite3_step(st) != SQLITE_DONE || sqlite3_changes(j->db) != 1)
		rc = fail(j, "write", err);
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
	return row_hash(row, NULL, j->doubt.before, hash, &none) == 0 && strcmp(hash, last_hash) == 0;
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
		(void)snprintf(again, sizeof(again), "PRAGMA user_version = %d", SCHEMA_VERSION);
		return run_sql(j, again, "write", err);
	}
	row->seq = last + 1;
	row->hash = ret->hash;
	if (row_hash(row, run, ret->before, ret->hash, err) == -1 ||
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
	if (run_sql(j, "BEGIN IMMEDIATE", "write", err) == -1)
		return -1;
	if (put(j, row, run, &link, err) == 0) {
		if (run_sql(j, "COMMIT", "write", err) == 0) {
			j->doubt.seq = 0;
			return 0;
		}
		j->doubt = link;
	}
	give_up(j);
	return -1;
}

/* ---- opening ---- */

static bool
name_is_fine(const char *name)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strlen(name);

	return len > 0 && len <= JOURNAL_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	    strspn(name, alphabet) == len;
}

/* Makes the file before SQLite would, with our mode and following no link.  1: there is none. */
static int
touch(const char *path, bool make, struct err *err)
{
	struct stat st;
	int fd = open(path, (make ? O_RDWR | O_CREAT : O_RDONLY) | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);

	if (fd == -1 && errno == ENOENT && !make)
		return 1;
	if (fd == -1)
		return err_set(err, "cannot open the journal '%s': %s", path, strerror(errno));
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
		(void)close(fd);
		return err_set(err, "'%s' is not a journal of yours: it must be a plain file, your own, with mode 0600",
		    path);
	}
	(void)close(fd);
	return 0;
}

static int
connect_db(struct journal *j, int flags, struct err *err)
{
	if (sqlite3_open_v2(j->path, &j->db, flags | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_FULLMUTEX, NULL) !=
	    SQLITE_OK) {
		if (j->db == NULL)
			return err_set(err, "cannot open the journal '%s': out of memory", j->path);
		return fail(j, "open", err);
	}
	(void)sqlite3_extended_result_codes(j->db, 1);
	(void)sqlite3_busy_timeout(j->db, BUSY_MS);
	(void)sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(j->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	return run_sql(j, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON", "open", err);
}

/* What makes COMMIT a promise.  It is read back: a build of SQLite that ignores it is not good enough. */
static int
make_durable(struct journal *j, struct err *err)
{
	if (!pragma_says(j, "PRAGMA journal_mode = DELETE", "delete"))
		return fail(j, "open", err);
	if (run_sql(j, "PRAGMA synchronous = EXTRA", "open", err) == -1)
		return -1;
	if (pragma_int(j, "PRAGMA synchronous") != 3)
		return err_set(err, "cannot open the journal '%s': this SQLite (%s) has no synchronous=EXTRA",
		    j->path, sqlite3_libversion());
	return 0;
}

static int
check_schema(struct journal *j, bool make, struct err *err)
{
	int64_t version = pragma_int(j, "PRAGMA user_version");
	char sql[sizeof(schema) + 256];

	if (version == -1)
		return fail(j, "open", err);
	if (version == 0 && pragma_int(j, "SELECT count(*) FROM sqlite_schema") == 0) {
		if (!make)
			return 0;
		(void)snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE; %s PRAGMA application_id = %d;"
		    "PRAGMA user_version = %d; COMMIT", schema, APPLICATION_ID, SCHEMA_VERSION);
		if (run_sql(j, sql, "make", err) == -1) {
			give_up(j);
			return -1;
		}
		return 0;
	}
	if (pragma_int(j, "PRAGMA application_id") != APPLICATION_ID)
		return err_set(err, "'%s' is not a journal of belay's", j->path);
	if (version != SCHEMA_VERSION)
		return err_set(err, "the journal '%s' is of version %lld, and this belay knows %d only: "
		    "use the belay that wrote it", j->path, (long long)version, SCHEMA_VERSION);
	if (make && !pragma_says(j, "PRAGMA quick_check(1)", "ok"))
		return err_set(err, "the journal '%s' is damaged: put it aside, and do not go on without "
		    "knowing what was done", j->path);
	return 0;
}

/*
 * For reading.  A write that a crash cut off has to be rolled back before
 * anything can be read; that needs a connection that may write, which is then forbidden to.
 */
static int
open_reader(struct journal *j, struct err *err)
{
	if (connect_db(j, SQLITE_OPEN_READONLY, err) == -1)
		return -1;
	if (pragma_int(j, "SELECT count(*) FROM sqlite_schema") == -1 &&
	    sqlite3_extended_errcode(j->db) == SQLITE_READONLY_ROLLBACK) {
		(void)sqlite3_close(j->db);
		j->db = NULL;
		if (connect_db(j, SQLITE_OPEN_READWRITE, err) == -1 ||
		    run_sql(j, "PRAGMA query_only = ON", "open", err) == -1)
			return -1;
	}
	if (check_schema(j, false, err) == -1)
		return -1;
	if (pragma_int(j, "PRAGMA user_version") == 0) {	/* made, but killed before its schema was */
		(void)sqlite3_close(j->db);
		j->db = NULL;
	}
	return 0;
}

static int
open_writer(struct journal *j, struct err *err)
{
	if (connect_db(j, SQLITE_OPEN_READWRITE, err) == -1 || make_durable(j, err) == -1)
		return -1;
	return check_schema(j, true, err);
}

int
journal_open(struct journal **ret, const char *dir, const char *name, bool read_only,
    char **ret_locked_by, struct err *err)
{
	struct journal_run run;
	struct journal *j;
	char *real = NULL, *lock = NULL;
	int rc = -1, there;

	*ret_locked_by = NULL;
	if (!name_is_fine(name))
		return err_set(err, "a journal cannot be called '%s': letters, digits, '.', '_' and '-', at most %d",
		    name, JOURNAL_NAME_MAX);
	j = mem_alloc(sizeof(*j));
	if (state_dir_check(dir, !read_only, &real, err) == -1)
		goto out;
	j->path = mem_printf("%s/%s.journal", real == NULL ? dir : real, name);
	lock = mem_printf("%s/%s.lock", real == NULL ? dir : real, name);
	if (!read_only && lock_take(&j->lock, lock, ret_locked_by, err) == -1)
		goto out;
	there = real == NULL ? 1 : touch(j->path, !read_only, err);
	if (there == -1)
		goto out;
	if (there == 0 && (read_only ? open_reader(j, err) : open_writer(j, err)) == -1)
		goto out;
	if (journal_current(j, &run, err) == 0)
		memcpy(j->run, run.id, sizeof(j->run));
	else if (err != NULL && err->msg[0] != '\0')
		goto out;
	*ret = j;
	j = NULL;
	rc = 0;
out:
	free(lock);
	free(real);
	journal_close(j);
	return rc;
}

void
journal_close(struct journal *j)
{
	if (j == NULL)
		return;
	(void)sqlite3_close(j->db);
	lock_free(j->lock);
	free(j->path);
	free(j);
}

char *
journal_holder(const char *dir, const char *name)
{
	char *path, *line;

	if (!name_is_fine(name))
		return NULL;
	path = mem_printf("%s/%s.lock", dir, name);
	line = lock_holder(path);
	free(path);
	return line;
}

/* ---- runs ---- */

#define RUN_COLUMNS "id, plan_sha, fleet_sha, plan_name, who, began_ms"

static void
run_read(sqlite3_stmt *st, struct journal_run *ret)
{
	memset(ret, 0, sizeof(*ret));
	column_fixed(st, 0, ret->id, sizeof(ret->id));
	column_fixed(st, 1, ret->plan_sha, sizeof(ret->plan_sha));
	column_fixed(st, 2, ret->fleet_sha, sizeof(ret->fleet_sha));
	column_fixed(st, 3, ret->plan_name, sizeof(ret->plan_name));
	column_fixed(st, 4, ret->who, sizeof(ret->who));
	ret->began_ms = sqlite3_column_int64(st, 5);
}

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
	st = prepare(j, "SELECT " RUN_COLUMNS " FROM run WHERE NOT EXISTS (SELECT 1 FROM entry"
	    " WHERE entry.run = run.id AND kind = 'end' AND NOT is_record)"
	    " ORDER BY run.rowid DESC LIMIT 1", "read", err);
	if (st == NULL)
		return -1;
	switch (sqlite3_step(st)) {
	case SQLITE_ROW:
		run_read(st, ret);
		rc = 0;
		break;
	case SQLITE_DONE:
		break;
	default:
		fail(j, "read", err);
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
	if (run_sql(j, "BEGIN IMMEDIATE", "write", err) == -1)
		return -1;
	j->adopting = true;
	rc = begin(j, &run, true, err);
	for (i = 0; rc == 0 && i < lines->n; i++)
		rc = put_line(j, &lines->v[i], err);
	if (rc == 0 && ended)
		rc = journal_end(j, err);
	if (rc == 0)
		rc = run_sql(j, "COMMIT", "write", err);
	j->adopting = false;
	if (rc == 0) {
		*inout = run;
		return 0;
	}
	give_up(j);
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

/* ---- reading ---- */

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
	sqlite3_stmt *st = prepare(j, "SELECT seq, " COLUMNS ", hash FROM entry"
	    " WHERE seq > ?1 AND (?2 IS NULL OR run = ?2) ORDER BY seq LIMIT ?3", "read", err);
	size_t n = 0;
	int step = SQLITE_DONE;

	*ret_n = 0;
	if (st == NULL)
		return -1;
	(void)sqlite3_bind_int64(st, 1, after);
	bind_text(st, 2, run);
	(void)sqlite3_bind_int(st, 3, PAGE_ROWS);
	while (n < PAGE_ROWS && (step = sqlite3_step(st)) == SQLITE_ROW)
		row_read(st, &rows[n++]);
	if (step != SQLITE_DONE && step != SQLITE_ROW) {
		fail(j, "read", err);
		while (n > 0)
			row_release(&rows[--n]);
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
			row_release(&rows[i]);
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
	bool begins = row_begins(row), found = true;

	if (begins) {
		v->begins++;
		st = prepare(v->j, "SELECT " RUN_COLUMNS " FROM run WHERE id = ?", "read", err);
		if (st == NULL)
			return -1;
		bind_text(st, 1, row->run);
		found = sqlite3_step(st) == SQLITE_ROW;
		if (found)
			run_read(st, &run);
		(void)sqlite3_finalize(st);
	}
	if (found && row_hash(row, begins ? &run : NULL, v->hash, hash, err) == -1)
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
	if (j->db != NULL && pragma_int(j, "SELECT count(*) FROM run") != v.begins)
		return err_set(err, "the journal '%s' was changed: it has a run that was never begun", j->path);
	memcpy(ret_head, v.hash, CHAIN_HASH_SIZE);
	return 0;
}
