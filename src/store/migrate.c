#include "store/migrate.h"

#include <stdbool.h>
#include <stdio.h>

#include "store/sqlutil.h"
#include "util/error.h"

int migrate_version(void)
{
	int newest = 0;
	const struct migration *m;

	for (m = migrations; m->version; m++)
		newest = m->version;
	return newest;
}

int migrate_check(int64_t application_id, int64_t version, const char *path, struct error *err)
{
	if (application_id != MIGRATE_APPLICATION_ID)
		return error_set(err, ERROR_STORE,
				 "database '%s': not a kedge database; move it away, or set XDG_STATE_HOME", path);
	if (version > migrate_version())
		return error_set(err, ERROR_STORE,
				 "database '%s': made by a newer kedge (schema %lld, this one knows %d); upgrade kedge",
				 path, (long long)version, migrate_version());
	return 0;
}

struct header {
	int64_t application_id, version, objects;
};

/* Inside a transaction: three reads that belong together. */
static int read_header(sqlite3 *db, struct header *h, struct error *err)
{
	return sql_scalar(db, "PRAGMA application_id", &h->application_id, err) == 0 &&
	       sql_scalar(db, "PRAGMA user_version", &h->version, err) == 0 &&
	       sql_scalar(db, "SELECT count(*) FROM sqlite_schema", &h->objects, err) == 0 ? 0 : -1;
}

static bool is_fresh(const struct header *h)
{
	return h->application_id == 0 && h->version == 0 && h->objects == 0;
}

static int apply_one(sqlite3 *db, const struct migration *m, struct error *err)
{
	char pragma[64];

	if (sql_exec(db, m->sql, err) != 0)
		return error_wrap(err, "migration %d (%s)", m->version, m->name);
	snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", m->version);
	return sql_exec(db, pragma, err);
}

static int check_foreign_keys(sqlite3 *db, const char *path, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, db, "PRAGMA foreign_key_check");
	rc = sql_step(&q, err);
	if (rc > 0)
		error_set(err, ERROR_STORE, "database '%s': damaged (a row of '%s' refers to nothing); restore a backup, then: kedge poll",
			  path, sql_get_text(&q, 0));
	sql_end(&q);
	return rc == 0 ? 0 : -1;
}

/* Inside the transaction: nobody else can change what the header says now. */
static int apply_missing(sqlite3 *db, const char *path, struct error *err)
{
	const struct migration *m;
	struct header h;
	char pragma[64];

	if (read_header(db, &h, err) != 0)
		return -1;
	if (!is_fresh(&h) && migrate_check(h.application_id, h.version, path, err) != 0)
		return -1;
	if (h.version == migrate_version())
		return 0;
	snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", MIGRATE_APPLICATION_ID);
	if (sql_exec(db, pragma, err) != 0)
		return -1;
	for (m = migrations; m->version; m++)
		if (m->version > h.version && apply_one(db, m, err) != 0)
			return -1;
	return check_foreign_keys(db, path, err);
}

static int finish(sqlite3 *db, int rc, struct error *err)
{
	if (rc == 0)
		rc = sql_exec(db, "COMMIT", err);
	if (rc != 0 && !sqlite3_get_autocommit(db))
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

/* Most opens find nothing to do, and must not wait for a writer.  1 current, 0 not, -1. */
static int is_current(sqlite3 *db, const char *path, struct error *err)
{
	struct header h = { 0 };
	int rc;

	if (sql_exec(db, "BEGIN", err) != 0)
		return -1;
	rc = read_header(db, &h, err);
	if (rc == 0 && !is_fresh(&h))
		rc = migrate_check(h.application_id, h.version, path, err);
	if (finish(db, rc, err) != 0)
		return -1;
	return h.version == migrate_version();
}

int migrate_apply(sqlite3 *db, const char *path, struct error *err)
{
	int current = is_current(db, path, err);

	if (current != 0)
		return current > 0 ? 0 : -1;
	if (sql_exec(db, "BEGIN IMMEDIATE", err) != 0)
		return -1;
	return finish(db, apply_missing(db, path, err), err);
}
