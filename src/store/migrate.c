#include "store/migrate.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/backup.h"
#include "store/sqlutil.h"
#include "util/error.h"
#include "util/log.h"

static int newest_of(const struct migration *m)
{
	int newest = 0;

	for (; m->version; m++)
		newest = m->version;
	return newest;
}

int migrate_version(void)
{
	return newest_of(migrations);
}

static int check(int64_t application_id, int64_t version, int newest, const char *path, struct error *err)
{
	if (application_id != MIGRATE_APPLICATION_ID)
		return error_set(err, ERROR_STORE,
				 "database '%s': not a kedge database; move it away, or set XDG_STATE_HOME", path);
	if (version > newest)
		return error_set(err, ERROR_STORE,
				 "database '%s': made by a newer kedge (schema %lld, this one knows %d); upgrade kedge",
				 path, (long long)version, newest);
	return 0;
}

int migrate_check(int64_t application_id, int64_t version, const char *path, struct error *err)
{
	return check(application_id, version, migrate_version(), path, err);
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

static void damaged_row(const char *path, const char *table, struct error *err)
{
	char how[128];

	snprintf(how, sizeof how, "a row of '%.60s' refers to nothing", table);
	backup_damaged(path, how, err);
}

static int check_foreign_keys(sqlite3 *db, const char *path, struct error *err)
{
	struct sql q;
	int rc;

	sql_begin(&q, db, "PRAGMA foreign_key_check");
	rc = sql_step(&q, err);
	if (rc > 0)
		damaged_row(path, sql_get_text(&q, 0), err);
	sql_end(&q);
	return rc == 0 ? 0 : -1;
}

/* Inside the transaction: nobody else can change what the header says now. */
static int apply_missing(sqlite3 *db, const char *path, const struct migration *m, struct error *err)
{
	int newest = newest_of(m);
	struct header h;
	char pragma[64];

	if (read_header(db, &h, err) != 0)
		return -1;
	if (!is_fresh(&h) && check(h.application_id, h.version, newest, path, err) != 0)
		return -1;
	if (h.version == newest)
		return 0;
	snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d", MIGRATE_APPLICATION_ID);
	if (sql_exec(db, pragma, err) != 0)
		return -1;
	for (; m->version; m++)
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

/* Most opens find nothing to do, and must not wait for a writer. */
static int read_version(sqlite3 *db, const char *path, int newest, int64_t *version, struct error *err)
{
	struct header h = { 0 };
	int rc;

	if (sql_exec(db, "BEGIN", err) != 0)
		return -1;
	rc = read_header(db, &h, err);
	if (rc == 0 && !is_fresh(&h))
		rc = check(h.application_id, h.version, newest, path, err);
	*version = h.version;
	return finish(db, rc, err);
}

/* What is there is kept; that somebody else migrates it meanwhile does no harm. */
static int keep(sqlite3 *db, const char *path, int64_t version, int newest, struct error *err)
{
	char *name = backup_take(db, NULL, err);

	if (!name)
		return error_wrap(err, "database '%s': no backup before schema %lld becomes %d", path, (long long)version, newest);
	log_note("schema %lld of database '%s' becomes %d; as it was, it is in '%s'", (long long)version, path, newest, name);
	free(name);
	return 0;
}

int migrate_apply_list(sqlite3 *db, const char *path, const struct migration *list, struct error *err)
{
	int newest = newest_of(list);
	int64_t version;

	if (read_version(db, path, newest, &version, err) != 0)
		return -1;
	if (version == newest)
		return 0;
	if (version > 0 && keep(db, path, version, newest, err) != 0)
		return -1;
	if (sql_exec(db, "BEGIN IMMEDIATE", err) != 0)
		return -1;
	return finish(db, apply_missing(db, path, list, err), err);
}

int migrate_apply(sqlite3 *db, const char *path, struct error *err)
{
	return migrate_apply_list(db, path, migrations, err);
}
