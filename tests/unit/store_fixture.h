/*
 * store_fixture - a store in a directory of its own for each test, rows to put into it, and SQL
 * past the store's back.
 */
#ifndef TESTS_UNIT_STORE_FIXTURE_H
#define TESTS_UNIT_STORE_FIXTURE_H

#include "testing.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include "store/event.h"
#include "store/job.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/id.h"
#include "util/path.h"
#include "util/xalloc.h"

struct fixture {
	char *dir, *path;
	struct store *s;
};

static inline void fixture_fail(const struct error *err)
{
	fail_msg("%s: %s", error_kind_name(err->kind), err->text);
}

static inline struct store *fixture_open(const char *path, enum store_mode mode)
{
	struct error err = { 0 };
	struct store *s = store_open(path, mode, &err);

	if (!s)
		fixture_fail(&err);
	return s;
}

/* How many processes to start: under valgrind they are too slow for the busy timeout. */
static inline int fixture_crowd(int n)
{
	const char *preload = getenv("LD_PRELOAD");

	return preload && strstr(preload, "vgpreload") ? n / 10 + 1 : n;
}

/* A directory and a path in it; no database yet. */
static inline int fixture_dir(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);
	const char *tmp = getenv("TMPDIR");

	f->dir = xasprintf("%s/kedge-store-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	f->path = path_join(f->dir, "state/kedge.db");
	*state = f;
	return 0;
}

static inline int fixture_setup(void **state)
{
	struct fixture *f;

	if (fixture_dir(state) != 0)
		return -1;
	f = *state;
	f->s = fixture_open(f->path, STORE_WRITE);
	return f->s ? 0 : -1;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct error err = { 0 };

	store_close(f->s);
	if (fsutil_remove_tree(f->dir, &err) != 0)
		fixture_fail(&err);
	free(f->dir);
	free(f->path);
	free(f);
	return 0;
}

/* A connection that knows nothing of kedge, as sqlite3(1) has one. */
static inline sqlite3 *fixture_raw(const char *path)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	return db;
}

static inline void fixture_exec(sqlite3 *db, const char *text)
{
	char *message = NULL;

	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s: %s", text, message);
}

/* The rows as sqlite3(1) prints them: columns joined by '|', a line per row; new. */
static inline char *fixture_query(sqlite3 *db, const char *text)
{
	struct strbuf sb = STRBUF_INIT;
	sqlite3_stmt *q;
	int i, rc;

	if (sqlite3_prepare_v2(db, text, -1, &q, NULL) != SQLITE_OK)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	while ((rc = sqlite3_step(q)) == SQLITE_ROW) {
		for (i = 0; i < sqlite3_column_count(q); i++) {
			const char *v = (const char *)sqlite3_column_text(q, i);

			strbuf_addf(&sb, "%s%s", i ? "|" : "", v ? v : "");
		}
		strbuf_addch(&sb, '\n');
	}
	if (rc != SQLITE_DONE)
		fail_msg("%s: %s", text, sqlite3_errmsg(db));
	sqlite3_finalize(q);
	return strbuf_detach(&sb, NULL);
}

static inline void fixture_expect(sqlite3 *db, const char *text, const char *rows)
{
	char *got = fixture_query(db, text);

	assert_string_equal(got, rows);
	free(got);
}

static inline void fixture_slurp(const char *path, struct strbuf *sb)
{
	struct error err = { 0 };

	if (fsutil_read(path, 64 << 20, sb, &err) != 0)
		fixture_fail(&err);
}

/* A file of the source tree; new. */
static inline char *fixture_source(const char *name)
{
	const char *srcdir = getenv("srcdir");
	struct strbuf sb = STRBUF_INIT;
	char *path = path_join(srcdir ? srcdir : ".", name);

	fixture_slurp(path, &sb);
	free(path);
	return strbuf_detach(&sb, NULL);
}

/* A job that was never inserted; job_release. */
static inline void fixture_job(struct job *j, const char *name, const char *cluster)
{
	char id[ID_UUID_LEN + 1];

	id_uuid7(clock_wall_ms(), id);
	*j = (struct job){
		.job_id = xstrdup(id),
		.name = xstrdup(name),
		.cluster = xstrdup(cluster),
		.request = xstrdup("{\"gpus\":2}"),
		.submitter = xstrdup("ada@laptop"),
	};
}

static inline int64_t fixture_submit(struct store *s, const char *name, const char *cluster)
{
	const struct event ev = { .name = "submitted" };
	struct error err = { 0 };
	struct job j;
	int64_t number;

	fixture_job(&j, name, cluster);
	if (job_insert(s, &j, &ev, &err) != 0)
		fixture_fail(&err);
	number = j.number;
	job_release(&j);
	return number;
}

/* job_update with nothing but another state. */
static inline int fixture_move(struct store *s, int64_t number, enum job_state to, const char *event,
			       struct error *err)
{
	const struct event ev = { .name = event };
	struct job before, after;
	int rc;

	if (job_get(s, number, &before, err) != 0)
		return -1;
	job_copy(&after, &before);
	after.state = to;
	rc = job_update(s, &before, &after, &ev, err);
	job_release(&before);
	job_release(&after);
	return rc;
}

#endif
