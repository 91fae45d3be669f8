/* SPDX-License-Identifier: Apache-2.0
 *
 * db.c - SQLite as the store uses it: write-ahead log, no fsync where none is promised
 *
 * The write-ahead log stays where it is when the last user closes: to move it into the database
 * takes four fsyncs, which a short-lived container is not worth. The price is that whoever
 * opens the database alone reads the log once, so it is kept short by those who wait for the disk
 * anyway, and by commands that have changed something and are not in a hurry; a run, or its end,
 * moves it only when nobody else has for long. What a durable transaction wrote is as safe in the
 * log as in the database.
 */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

#define SCHEMA_VERSION 1
#define SET_VERSION "PRAGMA user_version=1"
#define BUSY_TIMEOUT_MS 10000

static const char schema[] =
	"CREATE TABLE images("
	" id TEXT PRIMARY KEY, manifest_digest TEXT NOT NULL, created_wall_ns INTEGER NOT NULL,"
	" added_wall_ns INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE names("
	" name TEXT PRIMARY KEY,"
	" image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE) WITHOUT ROWID;"
	"CREATE INDEX names_image ON names(image_id);"
	/* file_bytes is what the file takes on disk, size_bytes how long it is. */
	"CREATE TABLE layers("
	" diff_id TEXT PRIMARY KEY, size_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL,"
	" tar_bytes INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE image_layers("
	" image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,"
	" position INTEGER NOT NULL, diff_id TEXT NOT NULL REFERENCES layers(diff_id),"
	" PRIMARY KEY(image_id, position)) WITHOUT ROWID;"
	"CREATE INDEX image_layers_layer ON image_layers(diff_id);"
	"CREATE TABLE containers("
	" id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
	" image_id TEXT NOT NULL REFERENCES images(id), image_ref TEXT, level TEXT NOT NULL,"
	" config TEXT NOT NULL, created_wall_ns INTEGER NOT NULL,"
	" uid_base INTEGER NOT NULL, uid_count INTEGER NOT NULL,"
	" started INTEGER NOT NULL, ended INTEGER NOT NULL, exit_status INTEGER NOT NULL,"
	" oom INTEGER NOT NULL, started_wall_ns INTEGER NOT NULL,"
	" finished_wall_ns INTEGER NOT NULL, error TEXT, restarts INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE UNIQUE INDEX containers_uid ON containers(uid_base, uid_count)"
	" WHERE uid_count > 0;"
	"CREATE TABLE volumes("
	" name TEXT PRIMARY KEY, created_wall_ns INTEGER NOT NULL, labels TEXT NOT NULL,"
	" anonymous INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE volume_users("
	" container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,"
	" volume TEXT NOT NULL REFERENCES volumes(name),"
	" PRIMARY KEY(container_id, volume)) WITHOUT ROWID;"
	/* Files that may exist although nothing refers to them: see reclaim.h. */
	"CREATE TABLE intents("
	" kind TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID;";

/* @r is a primary or extended result code of SQLite. */
static int db_fail(sqlite3 *db, int r, struct err *err, const char *doing)
{
	int code = EIO;

	/* A row that refers to what is not there (any more). */
	if (db && sqlite3_extended_errcode(db) == SQLITE_CONSTRAINT_FOREIGNKEY)
		r = SQLITE_CANTOPEN;
	switch (r & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		code = EBUSY;
		break;
	case SQLITE_CONSTRAINT:
		code = EEXIST;
		break;
	case SQLITE_FULL:
		code = ENOSPC;
		break;
	case SQLITE_NOMEM:
		code = ENOMEM;
		break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
		code = EACCES;
		break;
	case SQLITE_CANTOPEN:
		code = ENOENT;
		break;
	default:
		break;
	}
	err_set(err, code, "%s", db ? sqlite3_errmsg(db) : sqlite3_errstr(r));
	if ((r & 0xff) == SQLITE_CORRUPT || (r & 0xff) == SQLITE_NOTADB)
		err_hint(err, "the database is damaged: move db.sqlite* away and import again");

	return err_wrap(err, -code, "%s", doing);
}

static int exec_sql(sqlite3 *db, const char *sql, struct err *err)
{
	int r = sqlite3_exec(db, sql, NULL, NULL, NULL);

	return r == SQLITE_OK ? 0 : db_fail(db, r, err, "database");
}

static int bind(sqlite3_stmt *query, const char *types, va_list ap)
{
	int r = SQLITE_OK;

	for (int i = 0; r == SQLITE_OK && types[i]; i++) {
		if (types[i] == 't')
			r = sqlite3_bind_text(query, i + 1, va_arg(ap, const char *), -1,
					      SQLITE_TRANSIENT);
		else
			r = sqlite3_bind_int64(query, i + 1, va_arg(ap, int64_t));
	}

	return r;
}

static int query_va(sqlite3 *db, sqlite3_stmt **ret, struct err *err, const char *sql,
		    const char *types, va_list ap)
{
	sqlite3_stmt *query = NULL;
	int r = sqlite3_prepare_v2(db, sql, -1, &query, NULL);

	if (r == SQLITE_OK)
		r = bind(query, types, ap);
	if (r != SQLITE_OK) {
		r = db_fail(db, r, err, "database");
		(void)sqlite3_finalize(query);
		return r;
	}
	*ret = query;

	return 0;
}

int db_query(sqlite3 *db, sqlite3_stmt **ret, struct err *err, const char *sql, const char *types,
	     ...)
{
	va_list ap;
	int r;

	va_start(ap, types);
	r = query_va(db, ret, err, sql, types, ap);
	va_end(ap);

	return r;
}

int db_step(sqlite3_stmt *query, struct err *err)
{
	int r = sqlite3_step(query);

	if (r == SQLITE_ROW)
		return 1;
	if (r == SQLITE_DONE)
		return 0;

	return db_fail(sqlite3_db_handle(query), r, err, "database");
}

int db_run(sqlite3 *db, struct err *err, const char *sql, const char *types, ...)
{
	auto_query *query = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = query_va(db, &query, err, sql, types, ap);
	va_end(ap);

	return r < 0 ? r : db_step(query, err);
}

int db_get_i64(sqlite3 *db, int64_t *ret, struct err *err, const char *sql, const char *types, ...)
{
	auto_query *query = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = query_va(db, &query, err, sql, types, ap);
	va_end(ap);
	if (r == 0)
		r = db_step(query, err);
	if (r == 1)
		*ret = sqlite3_column_int64(query, 0);

	return r < 0 ? r : 0;
}

const char *db_column_text(sqlite3_stmt *query, int column)
{
	const unsigned char *text = sqlite3_column_text(query, column);

	return text ? (const char *)text : "";
}

char *db_column_strdup(sqlite3_stmt *query, int column)
{
	if (sqlite3_column_type(query, column) == SQLITE_NULL)
		return NULL;

	return mem_strdup(db_column_text(query, column));
}

int db_txn_begin(sqlite3 *db, bool durable, struct db_txn *txn, struct err *err)
{
	int r = durable ? exec_sql(db, "PRAGMA synchronous=FULL", err) : 0;

	if (r == 0)
		r = exec_sql(db, "BEGIN IMMEDIATE", err);
	if (r == 0)
		*txn = (struct db_txn){ .db = db, .durable = durable };

	return r;
}

int db_txn_commit(struct db_txn *txn, struct err *err)
{
	sqlite3 *db = txn->db;
	int r = exec_sql(db, "COMMIT", err);

	if (r < 0)
		return r;
	txn->db = NULL;
	if (!txn->durable)
		return 0;

	return exec_sql(db, "PRAGMA synchronous=NORMAL", err);
}

void db_txn_done(struct db_txn *txn)
{
	if (!txn->db)
		return;
	(void)exec_sql(txn->db, "ROLLBACK", NULL);
	if (txn->durable)
		(void)exec_sql(txn->db, "PRAGMA synchronous=NORMAL", NULL);
	txn->db = NULL;
}

static int migrate(sqlite3 *db, struct err *err)
{
	auto_done(db_txn) txn = { 0 };
	int64_t version = 0;
	int r = db_txn_begin(db, true, &txn, err);

	/* Someone else may have been faster. */
	if (r == 0)
		r = db_get_i64(db, &version, err, "PRAGMA user_version", "");
	if (r < 0 || version == SCHEMA_VERSION)
		return r;
	r = exec_sql(db, schema, err);
	if (r == 0)
		r = exec_sql(db, SET_VERSION, err);
	if (r == 0)
		r = db_txn_commit(&txn, err);

	return err_wrap(err, r, "make the database's tables");
}

static int create_file(const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	return fd < 0 ? err_sys(err, "create '%s'", path) : 0;
}

static int open_connection(const char *path, sqlite3 **ret, struct err *err)
{
	/* A handle belongs to one thread: no mutexes. */
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
	sqlite3 *db = NULL;
	int persist = 1;
	int r = sqlite3_open_v2(path, &db, flags, NULL);

	if (r == SQLITE_CANTOPEN && access(path, F_OK) < 0 && errno == ENOENT) {
		(void)sqlite3_close(db);
		r = create_file(path, err);
		if (r < 0)
			return r;
		r = sqlite3_open_v2(path, &db, flags, NULL);
	}
	if (r != SQLITE_OK) {
		r = db_fail(db, r, err, "open the database");
		(void)sqlite3_close(db);
		return err_wrap(err, r, "'%s'", path);
	}
	(void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_file_control(db, NULL, SQLITE_FCNTL_PERSIST_WAL, &persist);
	(void)sqlite3_wal_autocheckpoint(db, 0);
	*ret = db;

	return 0;
}

int db_open(const char *path, sqlite3 **ret, struct err *err)
{
	sqlite3 *db = NULL;
	int64_t version = 0;
	int r = open_connection(path, &db, err);

	if (r < 0)
		return r;
	r = db_get_i64(db, &version, err, "PRAGMA user_version", "");
	if (r == 0 && version > SCHEMA_VERSION) {
		r = err_setk(err, ERR_UNSUPPORTED, EPROTO, "'%s' has format %lld, known is %d",
			     path, (long long)version, SCHEMA_VERSION);
		err_hint(err, "a newer Hull wrote this store: use that one, or another --root");
	}
	if (r == 0 && version < SCHEMA_VERSION) {
		/* Before the first table, while these can still be chosen. */
		r = exec_sql(db, "PRAGMA page_size=4096; PRAGMA journal_mode=WAL", err);
		if (r == 0)
			r = migrate(db, err);
		if (r == 0)
			db_checkpoint(db, 0);
	}
	if (r == 0)
		r = exec_sql(db, "PRAGMA synchronous=NORMAL", err);
	if (r < 0) {
		(void)sqlite3_close(db);
		return r;
	}
	*ret = db;

	return 0;
}

static uint64_t log_bytes(sqlite3 *db)
{
	sqlite3_file *wal = NULL;
	sqlite3_int64 bytes = 0;

	if (sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK ||
	    !wal || !wal->pMethods || wal->pMethods->xFileSize(wal, &bytes) != SQLITE_OK)
		return 0;

	return (uint64_t)bytes;
}

void db_checkpoint(sqlite3 *db, uint64_t beyond_bytes)
{
	if (log_bytes(db) <= beyond_bytes)
		return;
	/* Readers that are in the way make it do less; they are not waited for. */
	(void)sqlite3_busy_timeout(db, 0);
	/*
	 * Whoever writes to an empty log waits for its header to be on the disk. A write that
	 * changes nothing does so here, so that no run has to.
	 */
	if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
	    SQLITE_OK)
		(void)exec_sql(db, SET_VERSION, NULL);
	(void)sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
}

void db_close(sqlite3 *db)
{
	(void)sqlite3_close(db);
}
