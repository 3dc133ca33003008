/*
 * sqlutil - SQLite without the bind/log/errno blocks.  Bind helpers remember the first failure in
 * the statement; sql_step reports it with the statement's text.  SQLite codes are translated here
 * and nowhere else.
 */
#ifndef STORE_SQLUTIL_H
#define STORE_SQLUTIL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct error;

struct sql {
	sqlite3 *db;
	sqlite3_stmt *stmt;
	const char *text;
	int rc; /* first failure of prepare or a bind */
};

/* A statement used once; finalised by sql_end. Parameters are ?1, ?2, ...; text must live until then. */
void sql_begin(struct sql *q, sqlite3 *db, const char *text);
void sql_int(struct sql *q, int param, int64_t v);
void sql_text(struct sql *q, int param, const char *v);       /* NULL binds NULL; v must live until sql_end */
void sql_null(struct sql *q, int param);
/* 1 a row, 0 done, -1 failed (ERROR_STORE; ERROR_BUSY for SQLITE_BUSY past the busy timeout). */
int sql_step(struct sql *q, struct error *err);
int64_t sql_get_int(struct sql *q, int column);
bool sql_is_null(struct sql *q, int column);
const char *sql_get_text(struct sql *q, int column);          /* "" for NULL; until the next step */
char *sql_dup_text(struct sql *q, int column);                /* new; NULL for NULL */
void sql_end(struct sql *q);

/* The rest of a statement without results: step it and end it.  0 or -1. */
int sql_run(struct sql *q, struct error *err);

/* Statements without results. */
int sql_exec(sqlite3 *db, const char *text, struct error *err);
/* The integer of a one-row statement ("PRAGMA user_version"). */
int sql_scalar(sqlite3 *db, const char *text, int64_t *out, struct error *err);
/* Fill err from db's last failure; what: the statement, or what was tried; NULL: nothing to add.  Returns -1. */
int sql_error(sqlite3 *db, const char *what, struct error *err);

#endif
