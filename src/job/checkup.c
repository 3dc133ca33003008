#include "job/checkup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job/audit.h"
#include "store/backup.h"
#include "store/job.h"
#include "store/migrate.h"
#include "store/sqlutil.h"
#include "store/store.h"
#include "util/error.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { INTEGRITY_LINES = 10 }; /* of what PRAGMA integrity_check says */

static void say(struct checkup *c, enum checkup_status status, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void say(struct checkup *c, enum checkup_status status, const char *name, const char *fmt, ...)
{
	struct strbuf text = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&text, fmt, ap);
	va_end(ap);
	XGROW(c->v, c->cap, c->n + 1);
	c->v[c->n++] = (struct checkup_item){ status, name, strbuf_detach(&text, NULL) };
}

/* The first failure that is no ERROR_CHECKSUM is the one to tell, else the first. */
static void keep_first(struct error *first, const struct error *why)
{
	if (!first->kind || (first->kind == ERROR_CHECKSUM && why->kind != ERROR_CHECKSUM))
		*first = *why;
}

static void fail_with(struct checkup *c, const char *name, const struct error *why, struct error *first)
{
	say(c, CHECKUP_FAIL, name, "%s", why->text);
	keep_first(first, why);
}

static void check_mode(const char *path, const char *what, mode_t want, struct checkup *c)
{
	struct stat st;

	if (stat(path, &st))
		return;
	if (st.st_mode & 07777 & ~want)
		say(c, CHECKUP_WARN, "mode", "the %s is %04o; chmod %o '%s'", what, (unsigned)st.st_mode & 07777, (unsigned)want, path);
	else
		say(c, CHECKUP_OK, "mode", "the %s is %04o", what, (unsigned)st.st_mode & 07777);
}

/* -1: there is nothing to look at. */
static int check_file(const char *path, struct checkup *c, struct error *first)
{
	char *dir = path_dirname(path);
	struct error why = { 0 };
	struct stat st;
	int rc = -1;

	if (stat(path, &st)) {
		if (errno == ENOENT)
			error_set(&why, ERROR_NOT_FOUND, "no jobs yet: database '%s' does not exist; kedge submit makes it", path);
		else
			error_errno(&why, ERROR_STORE, errno, "cannot open database '%s'", path);
		fail_with(c, "file", &why, first);
	} else {
		say(c, CHECKUP_OK, "file", "%s, %lld bytes", path, (long long)st.st_size);
		check_mode(dir, "directory", 0700, c);
		check_mode(path, "database", 0600, c);
		rc = 0;
	}
	free(dir);
	return rc;
}

static void check_schema(struct store *s, struct checkup *c, struct error *first)
{
	struct error why = { 0 };
	int64_t version, id;

	if (sql_scalar(s->db, "PRAGMA user_version", &version, &why) || sql_scalar(s->db, "PRAGMA application_id", &id, &why))
		fail_with(c, "schema", &why, first);
	else
		say(c, CHECKUP_OK, "schema", "version %lld of %d, application id 0x%08llx", (long long)version, migrate_version(),
		    (unsigned long long)id);
}

/* A PRAGMA that prints what is wrong; `good` when it prints nothing else. */
static void check_pragma(struct store *s, const char *name, const char *pragma, const char *good, struct checkup *c,
			 struct error *first)
{
	struct error why = { 0 };
	struct sql q;
	int rc, bad = 0;

	sql_begin(&q, s->db, pragma);
	while (bad < INTEGRITY_LINES && (rc = sql_step(&q, &why)) > 0) {
		if (good && !strcmp(sql_get_text(&q, 0), good))
			continue;
		if (good)
			say(c, CHECKUP_FAIL, name, "%s", sql_get_text(&q, 0));
		else
			say(c, CHECKUP_FAIL, name, "row %lld of '%s' refers to no row of '%s'", (long long)sql_get_int(&q, 1),
			    sql_get_text(&q, 0), sql_get_text(&q, 2));
		bad++;
	}
	sql_end(&q);
	if (bad) {
		backup_damaged(s->path, c->v[c->n - 1].text, &why);
		keep_first(first, &why);
	} else if (why.kind) {
		fail_with(c, name, &why, first);
	} else {
		say(c, CHECKUP_OK, name, "ok");
	}
}

static void check_history(struct store *s, struct checkup *c, struct error *first)
{
	struct error why = { 0 };
	struct audit a;

	if (audit_run(s, &a, &why) || (a.finding.what && audit_error(&a, &why)))
		fail_with(c, "history", &why, first);
	else
		say(c, CHECKUP_OK, "history", "%lld events of %lld jobs", (long long)a.events, (long long)a.jobs);
}

static void check_jobs(struct store *s, struct checkup *c, struct error *first)
{
	struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };
	int64_t all = 0;
	struct sql q;

	sql_begin(&q, s->db, "SELECT state, count(*) FROM job NOT INDEXED GROUP BY state ORDER BY state");
	while (sql_step(&q, &why) > 0) {
		all += sql_get_int(&q, 1);
		strbuf_addf(&text, "%s%lld %.20s", text.len ? ", " : ": ", (long long)sql_get_int(&q, 1), sql_get_text(&q, 0));
	}
	sql_end(&q);
	if (why.kind)
		fail_with(c, "jobs", &why, first);
	else
		say(c, CHECKUP_OK, "jobs", "%lld%s", (long long)all, text.buf);
	strbuf_release(&text);
}

static void check_backup(const char *path, struct checkup *c)
{
	char *newest = backup_newest(path), *dir = backup_dir(path);

	if (newest)
		say(c, CHECKUP_OK, "backup", "the newest is '%s/%s'", dir, newest);
	else
		say(c, CHECKUP_WARN, "backup", "there is none in '%s'; take one with: kedge db backup", dir);
	free(newest);
	free(dir);
}

int checkup_run(const char *path, struct checkup *out, struct error *err)
{
	struct error first = { 0 }, why = { 0 };
	struct checkup c = { 0 };
	struct store *s;

	if (!check_file(path, &c, &first)) {
		s = store_open(path, STORE_INSPECT, &why);
		if (s) {
			check_schema(s, &c, &first);
			check_pragma(s, "integrity", "PRAGMA integrity_check(10)", "ok", &c, &first);
			check_pragma(s, "foreign-keys", "PRAGMA foreign_key_check", NULL, &c, &first);
			check_history(s, &c, &first);
			check_jobs(s, &c, &first);
		} else {
			fail_with(&c, "open", &why, &first);
		}
		store_close(s);
		check_backup(path, &c);
	}
	*out = c;
	if (!first.kind)
		return 0;
	if (err)
		*err = first;
	return -1;
}

void checkup_release(struct checkup *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->v[i].text);
	free(c->v);
	*c = (struct checkup){ 0 };
}
