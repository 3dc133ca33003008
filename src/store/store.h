/*
 * store - the job log: one SQLite file, synchronous=FULL, rollback journal, foreign keys on.
 *
 * Every write is BEGIN IMMEDIATE.  Rows of job change only together with an event (job.h).
 * The file is 0600 in a 0700 directory.  Times are integer milliseconds UTC.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <sqlite3.h>

struct error;

struct store {
	sqlite3 *db;
	char *path;
	int depth; /* of store_begin */
};

enum store_mode { STORE_WRITE, STORE_READ };

/* Open, create (WRITE only) and migrate.  READ of a file that does not exist is NOT_FOUND.  A damaged, foreign or newer
   file is ERROR_STORE and is not touched; the text names the way out. */
struct store *store_open(const char *path, enum store_mode mode, struct error *err);
void store_close(struct store *s);

/* One transaction; nests by counting.  A rollback inside rolls back the whole. */
int store_begin(struct store *s, struct error *err);
int store_commit(struct store *s, struct error *err);
void store_rollback(struct store *s);

/* The random id of this database (table meta), written into every job.json. Belongs to s. */
const char *store_database_id(struct store *s, struct error *err);

#endif
