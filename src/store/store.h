/*
 * store - the job log: one SQLite file, rollback journal, foreign keys on, synchronous=EXTRA: FULL, and
 * the directory is synced after the journal is gone, so that a committed intent survives a power cut.
 *
 * Every write is BEGIN IMMEDIATE.  Rows of job change only together with an event (job.h).
 * The file is 0600 in a 0700 directory.  Times are integer milliseconds UTC.
 *
 * A store must not cross fork(2): the child opens its own.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

struct store {
	sqlite3 *db;
	char *path;
	int depth; /* of store_begin */
	bool doomed; /* rolled back inside: the outermost commit fails */
	char *database_id; /* NULL until asked */
	char *actor; /* of event.c; NULL until needed */
};

enum store_mode {
	STORE_WRITE,
	STORE_READ,
	STORE_INSPECT, /* the file is opened read-only: nothing is migrated, rolled back or written, also of an older schema */
};

/* Open, create (WRITE only) and migrate.  Reading a file that does not exist is NOT_FOUND; it gets its name when it is
   complete, so that an empty one is damaged too.  A damaged, foreign or newer file is ERROR_STORE and is not touched;
   the text names the way out.  READ refuses writes, but rolls back what a killed
   writer left half done. */
struct store *store_open(const char *path, enum store_mode mode, struct error *err);
void store_close(struct store *s);

/* One transaction; nests by counting.  A rollback inside rolls back the whole: the outermost commit then fails. */
int store_begin(struct store *s, struct error *err);
int store_commit(struct store *s, struct error *err); /* after failure the transaction is over as well */
void store_rollback(struct store *s);

/* The random id of this database (table meta), written into every job.json. Belongs to s. */
const char *store_database_id(struct store *s, struct error *err);

/* When this database was made; INT64_MAX when it does not say. */
int64_t store_created_ms(struct store *s);

#endif
