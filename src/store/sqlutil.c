#include "store/sqlutil.h"

#include <string.h>

#include "store/backup.h"
#include "util/error.h"
#include "util/xalloc.h"

/* What to say for a primary result code; the others speak for themselves. */
static const struct {
	int code;
	enum error_kind kind;
	const char *fmt; /* path, SQLite's or the system's words */
} failures[] = {
	{ SQLITE_BUSY, ERROR_BUSY, "database '%s': in use by another program (%s); try again" },
	{ SQLITE_FULL, ERROR_STORE, "database '%s': no space left (%s); free space and try again" },
	{ SQLITE_READONLY, ERROR_STORE, "database '%s': cannot be written (%s); check its owner and mode" },
	{ SQLITE_CANTOPEN, ERROR_STORE, "database '%s': cannot be opened (%s); check its owner and mode" },
	{ SQLITE_IOERR, ERROR_STORE, "database '%s': cannot be read or written (%s); check its file system" },
};

static bool is_of_the_system(int code)
{
	return code == SQLITE_IOERR || code == SQLITE_CANTOPEN;
}

static bool is_damage(int code)
{
	return code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
}

int sql_error(sqlite3 *db, const char *what, struct error *err)
{
	int code = sqlite3_errcode(db) & 0xff, errnum = sqlite3_system_errno(db);
	const char *path = sqlite3_db_filename(db, "main"), *words = sqlite3_errmsg(db);
	size_t i;

	if (!path)
		path = "";
	if (is_of_the_system(code) && errnum != 0)
		words = strerror(errnum);
	if (is_damage(code))
		return backup_damaged(path, words, err);
	for (i = 0; i < sizeof failures / sizeof failures[0]; i++)
		if (failures[i].code == code) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			return error_set(err, failures[i].kind, failures[i].fmt, path, words);
#pragma GCC diagnostic pop
		}
	if (!what)
		return error_set(err, ERROR_STORE, "database '%s': %s", path, words);
	return error_set(err, ERROR_STORE, "database '%s': %s, in '%.60s'", path, words, what);
}

void sql_begin(struct sql *q, sqlite3 *db, const char *text)
{
	q->db = db;
	q->stmt = NULL;
	q->text = text;
	q->rc = sqlite3_prepare_v2(db, text, -1, &q->stmt, NULL);
}

static void note(struct sql *q, int rc)
{
	if (q->rc == SQLITE_OK)
		q->rc = rc;
}

void sql_int(struct sql *q, int param, int64_t v)
{
	if (q->rc == SQLITE_OK)
		note(q, sqlite3_bind_int64(q->stmt, param, v));
}

void sql_text(struct sql *q, int param, const char *v)
{
	if (q->rc == SQLITE_OK)
		note(q, sqlite3_bind_text(q->stmt, param, v, -1, SQLITE_STATIC));
}

void sql_null(struct sql *q, int param)
{
	if (q->rc == SQLITE_OK)
		note(q, sqlite3_bind_null(q->stmt, param));
}

int sql_step(struct sql *q, struct error *err)
{
	int rc;

	if (q->rc != SQLITE_OK)
		return sql_error(q->db, q->text, err);
	rc = sqlite3_step(q->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	q->rc = rc;
	return sql_error(q->db, q->text, err);
}

int64_t sql_get_int(struct sql *q, int column)
{
	return sqlite3_column_int64(q->stmt, column);
}

bool sql_is_null(struct sql *q, int column)
{
	return sqlite3_column_type(q->stmt, column) == SQLITE_NULL;
}

const char *sql_get_text(struct sql *q, int column)
{
	const unsigned char *text = sqlite3_column_text(q->stmt, column);

	return text ? (const char *)text : "";
}

char *sql_dup_text(struct sql *q, int column)
{
	return sql_is_null(q, column) ? NULL : xstrdup(sql_get_text(q, column));
}

void sql_end(struct sql *q)
{
	sqlite3_finalize(q->stmt);
	q->stmt = NULL;
}

int sql_run(struct sql *q, struct error *err)
{
	int rc;

	do
		rc = sql_step(q, err);
	while (rc > 0);
	sql_end(q);
	return rc;
}

int sql_exec(sqlite3 *db, const char *text, struct error *err)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		return sql_error(db, text, err);
	return 0;
}

int sql_scalar(sqlite3 *db, const char *text, int64_t *out, struct error *err)
{
	struct sql q;
	int rc = -1;

	sql_begin(&q, db, text);
	switch (sql_step(&q, err)) {
	case 1:
		*out = sql_get_int(&q, 0);
		rc = 0;
		break;
	case 0:
		error_set(err, ERROR_INTERNAL, "'%s' gives no row", text);
		break;
	}
	sql_end(&q);
	return rc;
}
