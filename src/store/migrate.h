/*
 * migrate - sql/migrations/NNNN_name.sql, embedded, applied once each inside one
 * BEGIN IMMEDIATE together with PRAGMA user_version.
 *
 * To add a migration: the next number, never edit a released one, update sql/schema.sql and
 * keep a specimen database of the old version in tests/data.
 */
#ifndef STORE_MIGRATE_H
#define STORE_MIGRATE_H

#include <sqlite3.h>
#include <stdint.h>

struct error;

struct migration {
	int version;
	const char *name;
	const char *sql;
};

extern const struct migration migrations[]; /* generated; ends with version 0 */

enum { MIGRATE_APPLICATION_ID = 0x6b656467 }; /* "kedg", PRAGMA application_id */

/* Bring the database to our version.  A newer one is ERROR_STORE with both numbers; a file of another
   program (application_id) is ERROR_STORE; nothing is changed then.  Foreign keys must be off: a
   migration may rebuild a table; they are checked before the commit.  Of a database that is not new
   a backup is taken first (backup.h); where that fails, nothing is changed. */
int migrate_apply(sqlite3 *db, const char *path, struct error *err);
int migrate_apply_list(sqlite3 *db, const char *path, const struct migration *list, struct error *err); /* for tests */
int migrate_version(void); /* the newest we know */

/* May we touch a database with these two numbers in its header?  The refusals of migrate_apply. */
int migrate_check(int64_t application_id, int64_t version, const char *path, struct error *err);

#endif
