/*
 * journal_db: the journal's database: its one connection, what its rows are, how it is
 * opened, and the lock beside it.
 */
#include "store/journal_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/blob.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/mem.h"
#include "store/lock.h"
#include "store/state_dir.h"

#define APPLICATION_ID	0x62656c79	/* "bely"; shown by file(1) */
#define BUSY_MS		10000		/* a reader may hold a writer up this long */

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

/* ---- errors ---- */

int
jr_fail(struct journal *j, const char *what, struct err *err)
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

int
jr_sql(struct journal *j, const char *sql, const char *what, struct err *err)
{
	if (sqlite3_exec(j->db, sql, NULL, NULL, NULL) != SQLITE_OK)
		return jr_fail(j, what, err);
	return 0;
}

sqlite3_stmt *
jr_prepare(struct journal *j, const char *sql, const char *what, struct err *err)
{
	sqlite3_stmt *st = NULL;

	if (sqlite3_prepare_v2(j->db, sql, -1, &st, NULL) != SQLITE_OK) {
		jr_fail(j, what, err);
		return NULL;
	}
	return st;
}

void
jr_bind(sqlite3_stmt *st, int i, const char *s)
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

void
jr_column(sqlite3_stmt *st, int i, char *ret, size_t size_bytes)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	(void)snprintf(ret, size_bytes, "%s", s == NULL ? "" : s);
}

/* A pragma's answer as a number, or -1. */
int64_t
jr_number(struct journal *j, const char *sql)
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
void
jr_give_up(struct journal *j)
{
	if (!sqlite3_get_autocommit(j->db))
		(void)sqlite3_exec(j->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- rows and their chain ---- */

void
jr_row_release(struct row *row)
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
void
jr_row_read(sqlite3_stmt *st, struct row *ret)
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

bool
jr_row_begins(const struct row *row)
{
	return !row->is_record && strcmp(row->kind, "begin") == 0;
}

int
jr_row_hash(const struct row *row, const struct journal_run *run, const char *before,
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

void
jr_run_read(sqlite3_stmt *st, struct journal_run *ret)
{
	memset(ret, 0, sizeof(*ret));
	jr_column(st, 0, ret->id, sizeof(ret->id));
	jr_column(st, 1, ret->plan_sha, sizeof(ret->plan_sha));
	jr_column(st, 2, ret->fleet_sha, sizeof(ret->fleet_sha));
	jr_column(st, 3, ret->plan_name, sizeof(ret->plan_name));
	jr_column(st, 4, ret->who, sizeof(ret->who));
	ret->began_ms = sqlite3_column_int64(st, 5);
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
		return jr_fail(j, "open", err);
	}
	(void)sqlite3_extended_result_codes(j->db, 1);
	(void)sqlite3_busy_timeout(j->db, BUSY_MS);
	(void)sqlite3_db_config(j->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(j->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_limit(j->db, SQLITE_LIMIT_LENGTH, 1 << 20);
	return jr_sql(j, "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON", "open", err);
}

/* What makes COMMIT a promise.  It is read back: a build of SQLite that ignores it is not good enough. */
static int
make_durable(struct journal *j, struct err *err)
{
	if (!pragma_says(j, "PRAGMA journal_mode = DELETE", "delete"))
		return jr_fail(j, "open", err);
	if (jr_sql(j, "PRAGMA synchronous = EXTRA", "open", err) == -1)
		return -1;
	if (jr_number(j, "PRAGMA synchronous") != 3)
		return err_set(err, "cannot open the journal '%s': this SQLite (%s) has no synchronous=EXTRA",
		    j->path, sqlite3_libversion());
	return 0;
}

static int
check_schema(struct journal *j, bool make, struct err *err)
{
	int64_t version = jr_number(j, "PRAGMA user_version");
	char sql[sizeof(schema) + 256];

	if (version == -1)
		return jr_fail(j, "open", err);
	if (version == 0 && jr_number(j, "SELECT count(*) FROM sqlite_schema") == 0) {
		if (!make)
			return 0;
		(void)snprintf(sql, sizeof(sql), "BEGIN IMMEDIATE; %s PRAGMA application_id = %d;"
		    "PRAGMA user_version = %d; COMMIT", schema, APPLICATION_ID, JOURNAL_SCHEMA);
		if (jr_sql(j, sql, "make", err) == -1) {
			jr_give_up(j);
			return -1;
		}
		return 0;
	}
	if (jr_number(j, "PRAGMA application_id") != APPLICATION_ID)
		return err_set(err, "'%s' is not a journal of belay's", j->path);
	if (version != JOURNAL_SCHEMA)
		return err_set(err, "the journal '%s' is of version %lld, and this belay knows %d only: "
		    "use the belay that wrote it", j->path, (long long)version, JOURNAL_SCHEMA);
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
	if (jr_number(j, "SELECT count(*) FROM sqlite_schema") == -1 &&
	    sqlite3_extended_errcode(j->db) == SQLITE_READONLY_ROLLBACK) {
		(void)sqlite3_close(j->db);
		j->db = NULL;
		if (connect_db(j, SQLITE_OPEN_READWRITE, err) == -1 ||
		    jr_sql(j, "PRAGMA query_only = ON", "open", err) == -1)
			return -1;
	}
	if (check_schema(j, false, err) == -1)
		return -1;
	if (jr_number(j, "PRAGMA user_version") == 0) {	/* made, but killed before its schema was */
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
