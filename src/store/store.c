#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/backup.h"
#include "store/migrate.h"
#include "store/sqlutil.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/id.h"
#include "util/log.h"
#include "util/path.h"
#include "util/xalloc.h"

enum {
	BUSY_MS = 10000, /* a commit takes milliseconds; this outlasts a slow disk and a backup */
	HEADER = 100,    /* https://www.sqlite.org/fileformat2.html#the_database_header */
	USER_VERSION_AT = 60,
	APPLICATION_ID_AT = 68,
};

static const char set_up_text[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA foreign_keys = OFF;"
				  "PRAGMA synchronous = EXTRA";

/* A new database in an empty file, where nobody looks yet. */
static int fill_file(const char *tmp, const char *path, struct error *err)
{
	sqlite3 *db;
	int rc = -1;

	if (sqlite3_open_v2(tmp, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK)
		sql_error(db, NULL, err);
	else if (sql_exec(db, set_up_text, err) == 0)
		rc = migrate_apply(db, path, err);
	sqlite3_close_v2(db);
	return rc;
}

/* SQLite would roll a journal that was left behind back into the new database. */
static int check_no_journal(const char *path, struct error *err)
{
	char *journal = xasprintf("%s-journal", path);
	int rc = 0;

	if (access(journal, F_OK) == 0 && access(path, F_OK) != 0)
		rc = error_set(err, ERROR_STORE, "database '%s': is not there, but its journal is; put both back, or move '%s' away",
			       path, journal);
	free(journal);
	return rc;
}

/* The first of several that do this at once wins; whoever is killed leaves no database at all. */
static int make_file(const char *path, struct error *err)
{
	char *dir = path_dirname(path), *tmp = path_join(dir, ".kedge-XXXXXX");
	int rc = -1, fd;

	if (fsutil_mkdir_p(dir, err) != 0 || check_no_journal(path, err) != 0)
		goto out;
	fd = mkostemp(tmp, O_CLOEXEC); /* 0600; SQLite would create it by the umask */
	if (fd < 0) {
		error_errno(err, ERROR_STORE, errno, "cannot create database '%s'", path);
		goto out;
	}
	close(fd);
	rc = fill_file(tmp, path, err);
	if (rc == 0 && fsutil_move_new(tmp, path) != 0 && errno != EEXIST)
		rc = error_errno(err, ERROR_STORE, errno, "cannot create database '%s'", path);
	unlink(tmp);
out:
	free(tmp);
	free(dir);
	return rc;
}

static int check_file(const char *path, enum store_mode mode, struct error *err)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		if (errno != ENOENT)
			return error_errno(err, ERROR_STORE, errno, "cannot open database '%s'", path);
		if (mode != STORE_WRITE)
			return error_set(err, ERROR_NOT_FOUND, "no jobs yet: database '%s' does not exist; kedge submit makes it", path);
		return make_file(path, err);
	}
	if (!S_ISREG(st.st_mode))
		return error_set(err, ERROR_STORE, "database '%s': not a regular file; move it away", path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		log_warn("database '%s' can be written by others (mode %04o); chmod 600 it", path,
			 (unsigned int)st.st_mode & 07777);
	return 0;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Look at the first bytes before SQLite does: what is not ours must not even have its journal rolled back.  The file is
   read through SQLite's descriptor: closing one of our own would drop every lock this process has on it. */
static int check_header(sqlite3 *db, const char *path, struct error *err)
{
	unsigned char header[HEADER];
	sqlite3_file *file = NULL;
	sqlite3_int64 size;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file || !file->pMethods)
		return error_set(err, ERROR_STORE, "database '%s': cannot be opened", path);
	if (file->pMethods->xFileSize(file, &size) != SQLITE_OK)
		return error_set(err, ERROR_STORE, "database '%s': cannot be read", path);
	if (size < HEADER)
		return backup_damaged(path, size ? "not a database" : "it is empty", err);
	if (file->pMethods->xRead(file, header, HEADER, 0) != SQLITE_OK)
		return error_set(err, ERROR_STORE, "database '%s': cannot be read", path);
	if (memcmp(header, "SQLite format 3", 16) != 0)
		return backup_damaged(path, "not a database", err);
	return migrate_check(be32(header + APPLICATION_ID_AT), be32(header + USER_VERSION_AT), path, err);
}

/* Did a writer die with its work half done?  Its journal is there, and nobody holds the lock. */
static bool has_hot_journal(sqlite3 *db)
{
	sqlite3_file *file = NULL;
	int reserved = 0;

	if (access(sqlite3_filename_journal(sqlite3_db_filename(db, "main")), F_OK) != 0)
		return false;
	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK || !file || !file->pMethods)
		return true;
	return file->pMethods->xCheckReservedLock(file, &reserved) != SQLITE_OK || !reserved;
}

static int quick_check(sqlite3 *db, const char *path, struct error *err)
{
	struct sql q;
	int rc = -1;

	sql_begin(&q, db, "PRAGMA quick_check(1)");
	if (sql_step(&q, err) > 0) {
		const char *words = sql_get_text(&q, 0);
		rc = strcmp(words, "ok") == 0 ? 0 : backup_damaged(path, words, err);
	}
	sql_end(&q);
	return rc;
}

static int set_up(struct store *s, enum store_mode mode, struct error *err)
{
	int64_t version;
	bool hot = has_hot_journal(s->db);

	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	if (mode == STORE_INSPECT && hot)
		return error_set(err, ERROR_STORE, "database '%s': a kedge was killed while it wrote; what it left half done is undone by: kedge ls",
				 s->path);
	if (sql_exec(s->db, set_up_text, err) != 0)
		return -1;
	/* the first read: rolls a hot journal back, finds a truncated file */
	if (sql_scalar(s->db, "PRAGMA user_version", &version, err) != 0 || (hot && quick_check(s->db, s->path, err) != 0))
		return -1;
	if (version == 0 && mode != STORE_WRITE)
		return error_set(err, ERROR_NOT_FOUND, "no jobs yet: database '%s' is empty; kedge submit fills it", s->path);
	if (mode == STORE_WRITE && sql_exec(s->db, "PRAGMA journal_mode = DELETE", err) != 0)
		return -1;
	if (mode != STORE_INSPECT && migrate_apply(s->db, s->path, err) != 0)
		return -1;
	return sql_exec(s->db, mode == STORE_READ ? "PRAGMA foreign_keys = ON; PRAGMA query_only = ON"
						  : "PRAGMA foreign_keys = ON", err);
}

struct store *store_open(const char *path, enum store_mode mode, struct error *err)
{
	struct store *s;

	if (check_file(path, mode, err) != 0)
		return NULL;
	s = xcalloc(1, sizeof *s);
	s->path = xstrdup(path);
	/* READWRITE for reading as well: SQLite falls back by itself when the file is read-only */
	if (sqlite3_open_v2(path, &s->db, (mode == STORE_INSPECT ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
			    SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
		sql_error(s->db, NULL, err);
		goto fail;
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, BUSY_MS);
	if (check_header(s->db, path, err) != 0 || set_up(s, mode, err) != 0)
		goto fail;
	return s;
fail:
	store_close(s);
	return NULL;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	sqlite3_close_v2(s->db);
	free(s->actor);
	free(s->database_id);
	free(s->path);
	free(s);
}

int store_begin(struct store *s, struct error *err)
{
	if (s->depth == 0 && sql_exec(s->db, "BEGIN IMMEDIATE", err) != 0)
		return -1;
	s->depth++;
	return 0;
}

static void end_all(struct store *s)
{
	s->depth = 0;
	s->doomed = false;
	if (!sqlite3_get_autocommit(s->db)) /* SQLite rolls back by itself when the disk is full */
		sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
}

int store_commit(struct store *s, struct error *err)
{
	int rc = 0;

	if (s->depth > 1) {
		s->depth--;
		return 0;
	}
	if (s->depth == 0 || s->doomed || sqlite3_get_autocommit(s->db))
		rc = error_set(err, ERROR_STORE, "database '%s': the transaction was rolled back", s->path);
	else
		rc = sql_exec(s->db, "COMMIT", err);
	end_all(s);
	return rc;
}

void store_rollback(struct store *s)
{
	if (s->depth > 1) {
		s->depth--;
		s->doomed = true;
	} else if (s->depth == 1) {
		end_all(s);
	}
}

const char *store_database_id(struct store *s, struct error *err)
{
	struct sql q;
	int rc;

	if (s->database_id)
		return s->database_id;
	sql_begin(&q, s->db, "SELECT value FROM meta WHERE key = 'database_id'");
	rc = sql_step(&q, err);
	if (rc > 0 && id_is_token(sql_get_text(&q, 0)))
		s->database_id = sql_dup_text(&q, 0);
	else if (rc >= 0)
		backup_damaged(s->path, "it has lost its database_id", err);
	sql_end(&q);
	return s->database_id;
}

int64_t store_created_ms(struct store *s)
{
	int64_t ms;

	return sql_scalar(s->db, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'created_ms'", &ms, NULL) == 0 ? ms : INT64_MAX;
}
