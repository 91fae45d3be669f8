/* SPDX-License-Identifier: Apache-2.0
 *
 * db.h - the SQLite database under the store: statements, transactions, failures as errno
 *
 * Parameters of a statement are described by one letter each: 't' const char * (NULL is NULL),
 * 'i' int64_t. Columns are read with sqlite3_column_*().
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/macro.h"

/* Open (and make, and migrate) the database file @path; the caller closes it with db_close(). */
int db_open(const char *path, sqlite3 **ret, struct err *err);

/* NULL allowed. The write-ahead log stays as it is. */
void db_close(sqlite3 *db);

/* How long the log may be after a durable transaction, another change, and one in a hurry. */
#define DB_LOG_DURABLE_BYTES (256 * KIB)
#define DB_LOG_CHANGE_BYTES (1 * MIB)
#define DB_LOG_HURRY_BYTES (4 * MIB)

/*
 * Move the log into the database (four fsyncs) if it is longer than @beyond_bytes, as far
 * as readers allow; never fails visibly.
 */
void db_checkpoint(sqlite3 *db, uint64_t beyond_bytes);

/* Prepare @sql and bind its parameters; the caller finalizes *@ret. */
int db_query(sqlite3 *db, sqlite3_stmt **ret, struct err *err, const char *sql, const char *types,
	     ...);

/* Next row. 1: there is one, 0: no more, or a negative errno. */
int db_step(sqlite3_stmt *query, struct err *err);

/* Run a statement without rows. 0; -EEXIST for a violated constraint; another negative errno. */
int db_run(sqlite3 *db, struct err *err, const char *sql, const char *types, ...);

/* One integer, the first column of the first row; *@ret is untouched without a row. 0 or -errno. */
int db_get_i64(sqlite3 *db, int64_t *ret, struct err *err, const char *sql, const char *types, ...);

/* A copy of a text column, NULL for NULL. */
char *db_column_strdup(sqlite3_stmt *query, int column);

/* Borrowed text of a column, "" for NULL; valid until the next step. */
const char *db_column_text(sqlite3_stmt *query, int column);

static inline void db_finalizep(sqlite3_stmt **query)
{
	(void)sqlite3_finalize(*query);
}
#define auto_query __attribute__((cleanup(db_finalizep))) sqlite3_stmt

/* A transaction that is rolled back at the end of its scope unless it was committed. */
struct db_txn {
	sqlite3 *db;
	bool durable;
};

void db_txn_done(struct db_txn *txn);
DEFINE_AUTO_DONE(db_txn)

/* @durable: the commit waits for the disk, and with it all earlier ones are there too. */
int db_txn_begin(sqlite3 *db, bool durable, struct db_txn *txn, struct err *err);
int db_txn_commit(struct db_txn *txn, struct err *err);

#endif
