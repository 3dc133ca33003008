#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "job/audit.h"
#include "store/event.h"
#include "util/error.h"
#include "util/xalloc.h"

/* What is no UTF-8 text, or a value of another type than is due: {"hex": its bytes}. */
static json_t *exported(sqlite3_stmt *stmt, int i)
{
	static const char digits[] = "0123456789abcdef";
	int type = sqlite3_column_type(stmt, i);
	const unsigned char *p;
	json_t *v = NULL;
	size_t n;
	char *hex;

	if (type == SQLITE_NULL)
		return json_null();
	if (type == SQLITE_INTEGER)
		return json_integer(sqlite3_column_int64(stmt, i));
	p = type == SQLITE_BLOB ? sqlite3_column_blob(stmt, i) : sqlite3_column_text(stmt, i);
	n = (size_t)sqlite3_column_bytes(stmt, i);
	if (type == SQLITE_TEXT && p)
		v = json_stringn((const char *)p, n);
	if (v)
		return v;
	hex = xcalloc(2 * n + 1, 1);
	for (size_t k = 0; k < n; k++) {
		hex[2 * k] = digits[p[k] >> 4];
		hex[2 * k + 1] = digits[p[k] & 15];
	}
	v = json_pack("{s:s}", "hex", hex);
	free(hex);
	return v;
}

static int write_row(FILE *f, sqlite3_stmt *stmt)
{
	json_t *row = json_object();
	int rc;

	for (int i = 0; i < sqlite3_column_count(stmt); i++)
		json_object_set_new(row, sqlite3_column_name(stmt, i), exported(stmt, i));
	rc = json_dumpf(row, f, JSON_COMPACT);
	json_decref(row);
	return rc || putc('\n', f) == EOF ? -1 : 0;
}

int audit_export(struct store *s, FILE *f, const char *name, struct error *err)
{
	struct event_walk w;
	int rc;

	event_walk_begin(&w, s, false);
	while ((rc = event_walk_next(&w, err)) > 0)
		if (write_row(f, w.q.stmt)) {
			rc = error_errno(err, ERROR_STORE, errno, "cannot write '%s'", name);
			break;
		}
	event_walk_end(&w);
	return rc;
}
